// port/linux/console.c: the standard streams, random numbers and the end.

#include "port/linux/linux.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

// A full pipe makes us wait in Linux; other threads run from the timer's
// signal.
void
port_write(enum port_stream stream, const void *bytes, u64 size)
{
    int fd = stream == PORT_STDOUT ? 1 : 2;
    const u8 *from = bytes;

    while (size > 0) {
        ssize_t done = write(fd, from, size);
        if (done < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            poll(&wait, 1, -1);
        } else if (done < 0 && errno != EINTR) {
            break; // nobody reads any more
        } else if (done > 0) {
            from += done;
            size -= (u64)done;
        }
    }
}

u64
port_read(void *to, u64 size, bool *end)
{
    struct pollfd input = {.fd = 0, .events = POLLIN};
    bool on = port_interrupts_off();
    ssize_t done = 0;
    bool wait = poll(&input, 1, 0) <= 0;

    if (!wait) {
        done = read(0, to, size);
        wait = done < 0 && (errno == EAGAIN || errno == EINTR);
        *end = done <= 0 && !wait && size > 0;
    }
    if (wait)
        linux_watch_input();
    port_interrupts_restore(on);
    return done > 0 ? (u64)done : 0;
}

void
port_random(void *to, u64 size)
{
    u8 *at = to;
    bool on = port_interrupts_off();

    while (size > 0) {
        ssize_t done = getrandom(at, size, 0);
        assert(done > 0 || errno == EINTR);
        if (done > 0) {
            at += done;
            size -= (u64)done;
        }
    }
    port_interrupts_restore(on);
}

NORETURN void
port_exit(u32 status)
{
    port_interrupts_off();
    fflush(NULL);
    _exit((int)status);
}
