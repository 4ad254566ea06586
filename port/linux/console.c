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

static struct host_stream streams[PORT_STREAMS]; // standard ones by descriptor
static int profile_fd = -1;
static bool started;

// Of the user's command, on our clock.
static i64 start_ns;
static u64 end_ns; // UINT64_MAX: never

// Lines of the log that stderr has not taken yet.
static struct lock lines_lock = LOCK_INIT(LINES);
static struct {
    struct host_stream host;
    bool open;
    u32 size;
    u8 bytes[LOG_ROOM];
} lines GUARDED_BY(lines_lock);

// --- waiting for the host ----------------------------------------------------

static struct lock awaited_lock = LOCK_INIT(AWAITED);

// What somebody waits for: POLLIN, POLLOUT or 0, and for whose descriptor.
static struct awaited {
    short events;
    int fd;
} awaited[PORT_STREAMS] GUARDED_BY(awaited_lock);

// The standard streams, and behind them the sockets; true when there is
// anything to poll.
enum { POLLED = PORT_STREAMS + 1 };

static bool
fill_poll(struct pollfd *fds)
{
    int sockets = linux_sockets_fd();
    bool any = sockets >= 0;

    fds[PORT_STREAMS] = (struct pollfd){.fd = sockets, .events = POLLIN};

    lock_irq_nested(&awaited_lock);
    for (u32 i = 0; i < PORT_STREAMS; i++) {
        const struct awaited *a = &awaited[i];
        fds[i] = (struct pollfd){.fd = a->events != 0 ? a->fd : -1,
                                 .events = a->events};
        any |= a->events != 0;
    }
    unlock_irq_nested(&awaited_lock);
    return any;
}

static void
await(enum port_stream stream, const struct host_stream *s, short events)
{
    lock_irq_nested(&awaited_lock);
    awaited[stream].events |= events;
    awaited[stream].fd = host_stream_fd(s);
    unlock_irq_nested(&awaited_lock);
    linux_timer_look();
}

bool
linux_streams_awaited(void)
{
    struct pollfd fds[POLLED];

    return fill_poll(fds);
}

// --- the log -----------------------------------------------------------------

// What is not taken now stays; what fails is dropped.  Interrupts are off.
static void
flush_log(void) REQUIRES(lines_lock)
{
    status_t status = OK;
    u32 from = 0;
    u64 count;

    assert_held(&lines_lock);
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
        await(PORT_LOG, &lines.host, POLLOUT);
}

// Try once; how many bytes are left, and where they go.
static u32
try_log(int *fd)
{
    bool on = lock_irq(&lines_lock);

    flush_log();
    u32 left = lines.size;
    *fd = host_stream_fd(&lines.host);
    unlock_irq(&lines_lock, on);
    return left;
}

// Wait for the reader, as long as there is time.
static void
drain_log(void)
{
    struct pollfd fds = {.events = POLLOUT};

    while (try_log(&fds.fd) > 0) {
        u64 now = port_monotonic_ns();
        u64 left_ms = end_ns > now ? (end_ns - now) / 1000000 : 0;
        if (left_ms == 0)
            return;
        poll(&fds, 1, (int)MIN(left_ms, (u64)INT32_MAX));
    }
}

// A line that found no room is lost: the kernel has other things to do than to
// wait for a reader.
bool
port_log(const void *bytes, u64 size)
{
    bool on = lock_irq(&lines_lock);

    flush_log();
    bool taken = size <= sizeof(lines.bytes) - lines.size;
    if (taken) {
        memcpy(lines.bytes + lines.size, bytes, size);
        lines.size += (u32)size;
        flush_log();
    }
    unlock_irq(&lines_lock, on);
    return taken;
}

// --- start and end -----------------------------------------------------------

// Only those who wait for one that is ready need to ask again.
void
linux_streams_poll(const struct timespec *patience, const sigset_t *mask)
{
    struct pollfd fds[POLLED];
    u32 ready = 0;
    int log;

    bool any = fill_poll(fds);
    if (ppoll(fds, POLLED, patience, mask) <= 0 || !any)
        return;
    lock_irq_nested(&awaited_lock);
    for (u32 i = 0; i < PORT_STREAMS; i++) {
        if (fds[i].revents == 0)
            continue;
        awaited[i].events = 0;
        ready |= 1u << i;
    }
    unlock_irq_nested(&awaited_lock);
    if (ready & 1u << PORT_LOG)
        (void)try_log(&log);
    if (fds[PORT_STREAMS].revents != 0)
        linux_sockets_hear();
    console_interrupt(ready);
}

void
linux_profile(int fd)
{
    profile_fd = fd;
    linux_profiles = true;
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
    host_stream_open(&streams[PORT_PROFILE], profile_fd);
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
    host_stream_close(&streams[PORT_PROFILE]);
}

// --- kernel/port.h -----------------------------------------------------------

status_t
port_write(enum port_stream stream, const void *bytes, u64 size, u64 *count)
{
    bool on = port_interrupts_off();
    status_t status = host_stream_write(&streams[stream], bytes, size, count);

    if (status == ERR_SHOULD_WAIT)
        await(stream, &streams[stream], POLLOUT);
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
        await(PORT_STDIN, &streams[PORT_STDIN], POLLIN);
    port_interrupts_restore(on);
    return status;
}

status_t
port_look(bool now, struct port_input *out)
{
    bool on = port_interrupts_off();
    status_t status = host_stream_look(&streams[PORT_STDIN], out);

    if (status == ERR_TIMED_OUT && !now) {
        await(PORT_STDIN, &streams[PORT_STDIN], POLLIN);
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
    int log;

    port_interrupts_off();
    (void)try_log(&log);
    fflush(NULL);
    _exit((int)status);
}
