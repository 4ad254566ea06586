// port/linux/console.c: the standard streams, random numbers and the end.

#include "port/linux/linux.h"
#include "port/linux/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum { LOG_ROOM = 64 * 1024 };

static struct host_stream streams[PORT_LOG]; // standard ones, by descriptor
static bool started;

// Of the user's command, on our clock.
static i64 start_ns;
static u64 end_ns; // UINT64_MAX: never

// Lines of the log that stderr has not taken yet.
static struct {
    struct host_stream host;
    bool open;
    u32 size;
    u8 bytes[LOG_ROOM];
} lines;

// --- waiting for the host ----------------------------------------------------

// What somebody waits for: POLLIN, POLLOUT or 0, by descriptor.  Interrupts
// are off.
static volatile short awaited[PORT_STREAMS];

// True when there is anything to poll.
static bool
fill_poll(struct pollfd *fds)
{
    bool any = false;

    for (u32 i = 0; i < PORT_STREAMS; i++) {
        const struct host_stream *s = i == PORT_LOG ? &lines.host : &streams[i];
        fds[i] = (struct pollfd){.fd = awaited[i] != 0 ? host_stream_fd(s) : -1,
                                 .events = awaited[i]};
        any |= awaited[i] != 0;
    }
    return any;
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
    struct pollfd fds[PORT_STREAMS];

    return fill_poll(fds);
}

// --- the log -----------------------------------------------------------------

// What is not taken now stays; what fails is dropped.  Interrupts are off.
static void
flush_log(void)
{
    status_t status = OK;
    u32 from = 0;
    u64 count;

    if (!lines.open)
        host_stream_open(&lines.host, STDERR_FILENO);
    lines.open = true;
    while (from < lines.size && status == OK) {
        status = host_stream_write(&lines.host, lines.bytes + from,
                                   lines.size - from, &count);
        from += (u32)count;
    }
    if (status != OK && status != ERR_SHOULD_WAIT)
        from = lines.size;
    lines.size -= from;
    memmove(lines.bytes, lines.bytes + from, lines.size);
    if (lines.size > 0 && started)
        await(PORT_LOG, POLLOUT);
}

// Wait for the reader, as long as there is time.
static void
drain_log(void)
{
    struct pollfd fds = {.fd = host_stream_fd(&lines.host), .events = POLLOUT};

    for (;;) {
        flush_log();
        u64 now = port_monotonic_ns();
        u64 left_ms = end_ns > now ? (end_ns - now) / 1000000 : 0;
        if (lines.size == 0 || left_ms == 0)
            return;
        poll(&fds, 1, (int)MIN(left_ms, (u64)INT32_MAX));
    }
}

// A line that found no room is lost: the kernel has other things to do than to
// wait for a reader.
bool
port_log(const void *bytes, u64 size)
{
    bool on = port_interrupts_off();

    flush_log();
    bool taken = size <= sizeof(lines.bytes) - lines.size;
    if (taken) {
        memcpy(lines.bytes + lines.size, bytes, size);
        lines.size += (u32)size;
        flush_log();
    }
    port_interrupts_restore(on);
    return taken;
}

// --- start and end -----------------------------------------------------------

// Only those who wait for one that is ready need to ask again.
void
linux_streams_poll(const struct timespec *patience)
{
    struct pollfd fds[PORT_STREAMS];
    u32 ready = 0;

    bool any = fill_poll(fds);
    if (ppoll(fds, PORT_STREAMS, patience, NULL) <= 0 || !any)
        return;
    for (u32 i = 0; i < PORT_STREAMS; i++) {
        if (fds[i].revents == 0)
            continue;
        awaited[i] = 0;
        ready |= 1u << i;
    }
    if (ready & 1u << PORT_LOG)
        flush_log();
    console_interrupt(ready);
}

void
linux_streams_limits(u64 started_at, u64 end)
{
    start_ns = (i64)started_at;
    end_ns = end;
}

void
linux_streams_init(void)
{
    if (start_ns == 0)
        linux_streams_limits(port_monotonic_ns(), UINT64_MAX);
    signal(SIGPIPE, SIG_IGN); // errors are for the program
    signal(SIGXFSZ, SIG_IGN);
    for (u32 i = 0; i < PORT_LOG; i++)
        host_stream_open(&streams[i], (int)i);
    for (u32 i = 0; i < PORT_STREAMS; i++)
        awaited[i] = 0;
    started = true;
}

void
linux_streams_end(void)
{
    started = false;
    drain_log();
    klog_end();
    drain_log();
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
    flush_log();
    fflush(NULL);
    _exit((int)status);
}
