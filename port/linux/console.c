// port/linux/console.c: the standard streams, random numbers and the end.

#include "port/linux/linux.h"
#include "port/linux/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

enum { LOG_PATIENCE_MS = 150 };

static struct host_stream streams[PORT_LOG]; // standard ones, by descriptor
static i64 start_ns;

// --- waiting for the host ----------------------------------------------------

// What somebody waits for: POLLIN, POLLOUT or 0, by descriptor.  Interrupts
// are off.
static volatile short awaited[PORT_LOG];

static u32
fill_poll(struct pollfd *fds)
{
    u32 count = 0;

    for (u32 i = 0; i < PORT_LOG; i++)
        if (awaited[i] != 0)
            fds[count++] = (struct pollfd){.fd = host_stream_fd(&streams[i]),
                                           .events = awaited[i]};
    return count;
}

static void
await(enum port_stream stream, short events)
{
    awaited[stream] |= events;
    linux_timer_look();
}

bool
linux_streams_awaited(void)
{
    struct pollfd fds[PORT_LOG];

    return fill_poll(fds) > 0;
}

// One that is ready is an event for everybody, who then asks again.
void
linux_streams_poll(const struct timespec *patience)
{
    struct pollfd fds[PORT_LOG];
    u32 count = fill_poll(fds);

    if (ppoll(fds, count, patience, NULL) <= 0 || count == 0)
        return;
    for (u32 i = 0; i < PORT_LOG; i++)
        awaited[i] = 0;
    console_interrupt();
}

void
linux_streams_init(void)
{
    start_ns = (i64)port_monotonic_ns();
    signal(SIGPIPE, SIG_IGN); // errors are for the program
    signal(SIGXFSZ, SIG_IGN);
    for (u32 i = 0; i < PORT_LOG; i++) {
        host_stream_open(&streams[i], (int)i);
        awaited[i] = 0;
    }
}

void
linux_streams_end(void)
{
    for (u32 i = 0; i < PORT_LOG; i++)
        host_stream_close(&streams[i]);
}

// --- kernel/port.h -----------------------------------------------------------

status_t
port_write(enum port_stream stream, const void *bytes, u64 size, u64 *count)
{
    bool on = port_interrupts_off();
    status_t status = host_stream_write(&streams[stream], bytes, size, count);

    if (status == ERR_SHOULD_WAIT)
        await(stream, POLLOUT);
    port_interrupts_restore(on);
    return status;
}

status_t
port_settle(enum port_stream stream, u64 *lost)
{
    (void)stream;
    *lost = 0; // each write was told the truth
    return OK;
}

status_t
port_read(void *to, u64 size, u64 *count)
{
    bool on = port_interrupts_off();
    status_t status = ERR_SHOULD_WAIT;
    struct port_input state;

    *count = 0; // another reader of the same terminal may be faster
    if (host_stream_look(&streams[PORT_STDIN], &state) != ERR_TIMED_OUT)
        status = host_stream_read(&streams[PORT_STDIN], to, size, count);
    if (status == ERR_SHOULD_WAIT)
        await(PORT_STDIN, POLLIN);
    port_interrupts_restore(on);
    return status;
}

status_t
port_look(bool now, struct port_input *out)
{
    bool on = port_interrupts_off();
    status_t status = host_stream_look(&streams[PORT_STDIN], out);

    if (status == ERR_TIMED_OUT && !now) {
        await(PORT_STDIN, POLLIN);
        status = ERR_SHOULD_WAIT;
    }
    port_interrupts_restore(on);
    return status;
}

i64
port_start_ns(void)
{
    return start_ns;
}

// Where nobody reads, lines are dropped: the kernel has other things to do.
void
port_log(const void *bytes, u64 size)
{
    static bool stalled;
    struct host_stream s;
    const u8 *from = bytes;
    u64 count;
    bool on = port_interrupts_off();

    host_stream_open(&s, STDERR_FILENO);
    while (size > 0) {
        struct pollfd fds = {.fd = host_stream_fd(&s), .events = POLLOUT};
        status_t status = host_stream_write(&s, from, size, &count);

        stalled = status == ERR_SHOULD_WAIT &&
                  (stalled || poll(&fds, 1, LOG_PATIENCE_MS) == 0);
        if (stalled || (status != OK && status != ERR_SHOULD_WAIT))
            break;
        from += count;
        size -= count;
    }
    host_stream_close(&s);
    port_interrupts_restore(on);
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
