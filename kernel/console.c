// kernel/console.c: what programs print and read, and the kernel's log.
//
// The port's streams never wait; who has to, waits here for the next
// console_interrupt().  One thread at a time writes to a stream, so that what
// the host refuses is reported to the one who wrote it, and one at a time waits
// for input, so that many who wait cost no more than one.  Of standard input
// nothing is taken that no program has asked for.

#include "kernel/internal.h"

enum {
    INPUT_SIZE = 64 * 1024,
    // Of the log: what log_write takes, with all escapes, and who wrote it.
    LINE_SIZE = 4 * LIMIT_LOG_LINE + 512,
    BOUNCE = 1024,
    LOST_SIZE = 80, // of the line that says how many are missing
};

// What threads wait for.  Each is one thread's at a time, who asks the port;
// the others queue for their turn and cost nothing until it comes.
enum turn_of {
    TURN_READ,
    TURN_STDOUT,
    TURN_STDERR,
    TURN_PROFILE,
    TURN_LOOK,
    TURN_NOW,
    TURNS
};

static struct turn {
    struct wait_queue others;
    bool taken MEMBER_GUARDED_BY(others.lock);
    bool stale; // one whose turn it was did not wait for the answer; read and
                // changed by whose turn it is
    struct wait_queue event; // whose turn it is
    u64 events MEMBER_GUARDED_BY(event.lock);
} turns[TURNS];

// What a thread asked for and, being killed, did not take.
static struct lock input_lock = LOCK_INIT(INPUT);
static struct {
    u8 bytes[INPUT_SIZE];
    u32 at, end;
} input GUARDED_BY(input_lock);

void
console_init(void)
{
    for (u32 i = 0; i < TURNS; i++) {
        turns[i].taken = turns[i].stale = false;
        wait_queue_init(&turns[i].others);
        wait_queue_init(&turns[i].event);
    }
}

// --- waiting -----------------------------------------------------------------

static void
notify(enum turn_of of)
{
    struct turn *t = &turns[of];
    bool on = lock_irq(&t->event.lock);

    __atomic_store_n(&t->events, t->events + 1, __ATOMIC_RELEASE);
    wait_queue_wake(&t->event, 0, 1);
    unlock_irq(&t->event.lock, on);
}

void
console_interrupt(u32 streams)
{
    if (streams & 1u << PORT_STDIN) {
        notify(TURN_READ);
        notify(TURN_LOOK);
        notify(TURN_NOW);
    }
    if (streams & 1u << PORT_STDOUT)
        notify(TURN_STDOUT);
    if (streams & 1u << PORT_STDERR)
        notify(TURN_STDERR);
    if (streams & 1u << PORT_PROFILE)
        notify(TURN_PROFILE);
}

static u64
events_seen(const struct turn *t)
{
    return __atomic_load_n(&t->events, __ATOMIC_ACQUIRE);
}

// Wait for an event after the first `seen`; it is our turn.
static status_t
wait_event(struct turn *t, u64 seen, u64 deadline_ns)
{
    bool on = lock_irq(&t->event.lock);

    if (t->events != seen) {
        unlock_irq(&t->event.lock, on);
        return OK;
    }
    return wait_queue_wait(&t->event, 0, deadline_ns, on);
}

static status_t
turn_begin(struct turn *t, u64 deadline_ns)
{
    status_t status = OK;
    bool on = lock_irq(&t->others.lock);

    while (t->taken && status == OK) {
        status = wait_queue_wait(&t->others, 0, deadline_ns, on);
        on = lock_irq(&t->others.lock);
    }
    if (status == OK)
        t->taken = true;
    unlock_irq(&t->others.lock, on);
    return status;
}

static void
turn_end(struct turn *t)
{
    bool on = lock_irq(&t->others.lock);

    t->taken = false;
    wait_queue_wake(&t->others, 0, 1);
    unlock_irq(&t->others.lock, on);
}

// --- output ------------------------------------------------------------------

static struct turn *
turn_to_write(enum port_stream stream)
{
    return &turns[stream == PORT_STDOUT  ? TURN_STDOUT :
                  stream == PORT_PROFILE ? TURN_PROFILE :
                                           TURN_STDERR];
}

static status_t
write_all(enum port_stream stream, const u8 *from, u64 size, u64 deadline_ns,
          u64 *count)
{
    struct turn *t = turn_to_write(stream);
    status_t status = OK;

    while (status == OK && *count < size) {
        u64 seen = events_seen(t), taken = 0;
        status = port_write(stream, from + *count, size - *count, &taken);
        *count += taken;
        if (status == ERR_SHOULD_WAIT)
            status = wait_event(t, seen, deadline_ns);
    }
    return status;
}

// Wait until it is known what became of the last `*count` bytes.  After the
// deadline they count as written: what befalls them is the next write's error.
static status_t
write_settle(enum port_stream stream, u64 deadline_ns, u64 *count)
{
    struct turn *t = turn_to_write(stream);

    for (;;) {
        u64 seen = events_seen(t), lost = 0;
        status_t status = port_settle(stream, &lost);
        if (status != ERR_SHOULD_WAIT) {
            *count -= MIN(lost, *count);
            return status;
        }
        status = wait_event(t, seen, deadline_ns);
        if (status != OK)
            return status == ERR_TIMED_OUT ? OK : status;
    }
}

status_t
console_write(enum port_stream stream, const void *bytes, u64 size,
              u64 deadline_ns, u64 *count)
{
    *count = 0;
    struct turn *t = turn_to_write(stream);
    status_t status = turn_begin(t, deadline_ns);
    if (status == OK) {
        status = write_all(stream, bytes, size, deadline_ns, count);
        status_t end = OK;
        if (status != ERR_KILLED)
            end = write_settle(stream, deadline_ns, count);
        if (end != OK)
            status = end;
        turn_end(t);
    }
    return *count > 0 ? OK : status;
}

static u64 lost_lines; // of the log, since we said so; atomic

// Say how many lines were lost; false when there is no room for that either.
static bool
say_lost(void)
{
    u64 lost = __atomic_exchange_n(&lost_lines, 0, __ATOMIC_RELAXED);
    char line[LOST_SIZE];

    if (lost == 0)
        return true;
    u32 len =
        format(line, sizeof(line), "nebulet: %llu lines of the log are lost\n",
               (unsigned long long)lost);
    if (port_log(line, len))
        return true;
    __atomic_fetch_add(&lost_lines, lost, __ATOMIC_RELAXED);
    return false;
}

void
klog_end(void)
{
    (void)say_lost();
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
    if (!say_lost() || !port_log(line, len + 1))
        __atomic_fetch_add(&lost_lines, 1, __ATOMIC_RELAXED);
}

// --- input -------------------------------------------------------------------

// Some of what is in the buffer; the caller's memory is touched without a lock.
static u64
take_piece(u8 *to, u64 size)
{
    u8 piece[BOUNCE];

    lock(&input_lock);
    u64 count = MIN(MIN(size, (u64)input.end - input.at), BOUNCE);
    memcpy(piece, input.bytes + input.at, count);
    input.at += (u32)count;
    unlock(&input_lock);
    memcpy(to, piece, count);
    return count;
}

// Fill the empty buffer; OK also at the end of input.
static status_t
refill(u64 size)
{
    status_t status = OK;
    u64 count = 0;

    lock(&input_lock);
    if (input.at == input.end) {
        status = port_read(input.bytes, MIN(size, INPUT_SIZE), &count);
        input.at = 0;
        input.end = (u32)count;
    }
    unlock(&input_lock);
    return status;
}

// "Nothing now" is the answer to a question that was asked before, perhaps: by
// one who was killed.
static status_t
look(struct turn *t, bool now, struct port_input *out)
{
    lock(&input_lock);
    u64 ready = input.end - input.at;
    unlock(&input_lock);
    *out = (struct port_input){.ready = ready};
    if (ready > 0)
        return OK;
    status_t status = port_look(now, out);
    if (status == ERR_TIMED_OUT && t->stale) {
        t->stale = false;
        status = port_look(now, out);
    }
    return status;
}

// With `now` the host's answer comes soon, whatever the deadline.
static status_t
look_in_turn(bool now, u64 deadline_ns, struct port_input *out)
{
    struct turn *t = &turns[now ? TURN_NOW : TURN_LOOK];
    status_t status = turn_begin(t, deadline_ns);

    if (status != OK)
        return status;
    do {
        u64 seen = events_seen(t);
        status = look(t, now, out);
        if (status != ERR_SHOULD_WAIT)
            break;
        status = wait_event(t, seen, deadline_ns);
        t->stale |= status != OK;
    } while (status == OK);
    turn_end(t);
    return status;
}

static status_t
wait_input(u64 deadline_ns, struct port_input *out)
{
    status_t status = look_in_turn(true, UINT64_MAX, out);

    if (status == ERR_TIMED_OUT && port_monotonic_ns() < deadline_ns)
        status = look_in_turn(false, deadline_ns, out); // there may be, later
    return status;
}

status_t
console_wait(u64 deadline_ns, struct port_input *out)
{
    return wait_input(deadline_ns, out);
}

// What arrives is for the one whose turn it is.  ERR_SHOULD_WAIT: that is
// suspended, and so it is the next one's turn.
static status_t
read_some(u8 *to, u64 size, u64 *count)
{
    struct turn *t = &turns[TURN_READ];

    for (;;) {
        u64 seen = events_seen(t);
        if (thread_is_suspended())
            return ERR_SHOULD_WAIT;
        status_t status = refill(size);
        if (status == ERR_SHOULD_WAIT)
            status = wait_event(t, seen, UINT64_MAX);
        else if (status == OK)
            break;
        if (status != OK)
            return status;
    }
    for (u64 piece = 1; piece > 0 && *count < size; *count += piece)
        piece = take_piece(to + *count, size - *count);
    return OK;
}

static status_t
read_in_turn(void *to, u64 size, u64 *count)
{
    status_t status;

    do {
        status = thread_wait_resumed();
        if (status == OK)
            status = turn_begin(&turns[TURN_READ], UINT64_MAX);
        if (status != OK)
            return status;
        status = read_some(to, size, count);
        turn_end(&turns[TURN_READ]);
    } while (status == ERR_SHOULD_WAIT);
    return status;
}

status_t
console_read(void *to, u64 size, u64 deadline_ns, u64 *count)
{
    struct port_input state;
    status_t status = OK;

    *count = 0;
    if (deadline_ns != UINT64_MAX)
        status = wait_input(deadline_ns, &state);
    return status == OK ? read_in_turn(to, size, count) : status;
}
