// kernel/console.c: what programs print and read, and the kernel's log.
//
// The port's streams never wait; who has to, waits here for the next
// console_interrupt().  One thread at a time writes to a stream, so that what
// the host refuses is reported to the one who wrote it.  Of standard input
// nothing is taken that no program has asked for.

#include "kernel/internal.h"

enum {
    INPUT_SIZE = 64 * 1024,
    LINE_SIZE = 2560, // of the log: what log_write takes, with all escapes
    BOUNCE = 1024,
};

enum { KEY_EVENT, KEY_WRITER }; // of waiters; the latter and a stream

static struct {
    struct wait_queue queue;
    u64 events;                 // under queue.lock: console_interrupt() calls
    bool writing[PORT_STREAMS]; // under queue.lock: somebody is
} streams;

// What a thread asked for and, being killed, did not take.
static struct {
    struct lock lock;
    u8 bytes[INPUT_SIZE];
    u32 at, end;
} input = {.lock = LOCK_INIT(INPUT)};

void
console_init(void)
{
    wait_queue_init(&streams.queue);
}

// --- waiting -----------------------------------------------------------------

void
console_interrupt(void)
{
    bool on = lock_irq(&streams.queue.lock);

    streams.events++;
    wait_queue_wake(&streams.queue, KEY_EVENT, UINT32_MAX);
    unlock_irq(&streams.queue.lock, on);
}

static u64
events_seen(void)
{
    return __atomic_load_n(&streams.events, __ATOMIC_ACQUIRE);
}

// Wait for an event after the first `seen`.
static status_t
wait_event(u64 seen, u64 deadline_ns)
{
    bool on = lock_irq(&streams.queue.lock);

    if (streams.events != seen) {
        unlock_irq(&streams.queue.lock, on);
        return OK;
    }
    return wait_queue_wait(&streams.queue, KEY_EVENT, deadline_ns, on);
}

static status_t
write_begin(enum port_stream stream)
{
    status_t status = OK;

    for (;;) {
        bool on = lock_irq(&streams.queue.lock);
        if (!streams.writing[stream] || status != OK) {
            streams.writing[stream] |= status == OK;
            unlock_irq(&streams.queue.lock, on);
            return status;
        }
        status = wait_queue_wait(&streams.queue, KEY_WRITER + (u64)stream,
                                 UINT64_MAX, on);
    }
}

static void
write_end(enum port_stream stream)
{
    bool on = lock_irq(&streams.queue.lock);

    streams.writing[stream] = false;
    wait_queue_wake(&streams.queue, KEY_WRITER + (u64)stream, UINT32_MAX);
    unlock_irq(&streams.queue.lock, on);
}

// --- output ------------------------------------------------------------------

static status_t
write_all(enum port_stream stream, const u8 *from, u64 size, u64 *count)
{
    status_t status = OK;

    while (status == OK && *count < size) {
        u64 seen = events_seen(), taken = 0;
        status = port_write(stream, from + *count, size - *count, &taken);
        *count += taken;
        if (status == ERR_SHOULD_WAIT)
            status = wait_event(seen, UINT64_MAX);
    }
    return status;
}

// Wait until it is known what became of the last `*count` bytes.
static status_t
write_settle(enum port_stream stream, u64 *count)
{
    for (;;) {
        u64 seen = events_seen(), lost = 0;
        status_t status = port_settle(stream, &lost);
        if (status != ERR_SHOULD_WAIT) {
            *count -= MIN(lost, *count);
            return status;
        }
        status = wait_event(seen, UINT64_MAX);
        if (status != OK)
            return status;
    }
}

status_t
console_write(enum port_stream stream, const void *bytes, u64 size, u64 *count)
{
    *count = 0;
    status_t status = write_begin(stream);
    if (status == OK) {
        status = write_all(stream, bytes, size, count);
        if (status == OK)
            status = write_settle(stream, count);
        write_end(stream);
    }
    return *count > 0 ? OK : status;
}

void
klog(const char *text, ...)
{
    static const char cut[] = "...";
    char line[LINE_SIZE];
    va_list list;

    u64 room = sizeof(line) - sizeof(cut);
    va_start(list, text);
    u32 len = format_safe_list(line, room, text, list);
    va_end(list);
    if (len >= room) {
        len = string_of(line).len;
        memcpy(line + len, cut, sizeof(cut) - 1);
        len += (u32)sizeof(cut) - 1;
    }
    line[len] = '\n';
    port_log(line, len + 1);
}

// --- input -------------------------------------------------------------------

// Some of what is in the buffer; the caller's memory is touched without a lock.
static u64
take_piece(u8 *to, u64 size)
{
    u8 piece[BOUNCE];

    lock(&input.lock);
    u64 count = MIN(MIN(size, (u64)input.end - input.at), BOUNCE);
    memcpy(piece, input.bytes + input.at, count);
    input.at += (u32)count;
    unlock(&input.lock);
    memcpy(to, piece, count);
    return count;
}

// Fill the empty buffer; OK also at the end of input.
static status_t
refill(u64 size)
{
    status_t status = OK;
    u64 count = 0;

    lock(&input.lock);
    if (input.at == input.end) {
        status = port_read(input.bytes, MIN(size, INPUT_SIZE), &count);
        input.at = 0;
        input.end = (u32)count;
    }
    unlock(&input.lock);
    return status;
}

static status_t
look(bool now, struct port_input *out)
{
    lock(&input.lock);
    u64 ready = input.end - input.at;
    unlock(&input.lock);
    *out = (struct port_input){.ready = ready};
    return ready > 0 ? OK : port_look(now, out);
}

static status_t
wait_input(u64 deadline_ns, struct port_input *out)
{
    bool now = true;

    for (;;) {
        u64 seen = events_seen();
        status_t status = look(now, out);
        if (status == ERR_TIMED_OUT && port_monotonic_ns() < deadline_ns) {
            now = false; // there is none, but there may be
            continue;
        }
        if (status != ERR_SHOULD_WAIT)
            return status;
        // The host's answer about now comes soon, whatever the deadline.
        status = wait_event(seen, now ? UINT64_MAX : deadline_ns);
        if (status != OK)
            return status;
    }
}

status_t
console_wait(u64 deadline_ns, struct port_input *out)
{
    return wait_input(deadline_ns, out);
}

static status_t
read_some(u8 *to, u64 size, u64 *count)
{
    for (;;) {
        u64 seen = events_seen();
        status_t status = refill(size);
        if (status == ERR_SHOULD_WAIT)
            status = wait_event(seen, UINT64_MAX);
        else if (status == OK)
            break;
        if (status != OK)
            return status;
    }
    for (u64 piece = 1; piece > 0 && *count < size; *count += piece)
        piece = take_piece(to + *count, size - *count);
    return OK;
}

status_t
console_read(void *to, u64 size, u64 deadline_ns, u64 *count)
{
    struct port_input state;
    status_t status = OK;

    *count = 0;
    if (deadline_ns != UINT64_MAX)
        status = wait_input(deadline_ns, &state);
    if (status == OK)
        status = read_some(to, size, count);
    return status;
}
