// port/metal/channel.c: the standard streams and the log over the channel to
// the host command (abi/channel.h), on a port of a virtio-console.
//
// `channel_lock` protects all of it.  The kernel is told of what has changed
// (console_interrupt) after the lock was released.

#include "port/metal/channel.h"

#include "abi/channel.h"
#include "port/metal/metal.h"
#include "port/metal/vconsole.h"

// An output: `sent` >= `done` count its bytes for ever.
struct output {
    u64 sent, done;
    u32 behind;      // how far `sent` may be ahead when a write ends
    status_t status; // an error that nobody was told yet
};

// A question to the host; one at a time is under way.
enum question { NOT_ASKED, WANTED, ASKED };

struct answer {
    u8 question; // enum question
    bool known;  // there is an answer
    status_t status;
    u64 size;
};

static struct lock channel_lock = LOCK_INIT(CHANNEL);
static bool up; // in use
// The host or the device does not keep the rules.
static bool failed GUARDED_BY(channel_lock);
// Bit set of those that the host has announced.
static u32 streams GUARDED_BY(channel_lock);
static struct answer greeting GUARDED_BY(channel_lock);
static i64 start_ns; // of the user's command, on our clock

// The CPU in wait_until(): the device interrupts the first one only.
static u32 awaited_by GUARDED_BY(channel_lock) = CPU_MAX;

static struct output outputs[PORT_STREAMS] GUARDED_BY(channel_lock);

// Bit sets of streams: those that console_interrupt() is to name, and those
// that the device had no room for.
static u32 changed GUARDED_BY(channel_lock);
static u32 refused GUARDED_BY(channel_lock);

static struct {
    struct answer read;    // its answer is also the end, or an error
    struct answer look[2]; // later, now
    u32 read_size;
    u32 from, to;
    u8 bytes[CHANNEL_SIZE_MAX];
} input GUARDED_BY(channel_lock);

// What arrives: a head, then its bytes.
static struct {
    struct channel_head head;
    u32 head_size; // bytes of it that are here
    u32 left;      // bytes after it that are not
} arriving GUARDED_BY(channel_lock);

// --- from the host -----------------------------------------------------------

static void
answer(struct answer *a, const struct channel_head *h)
{
    *a = (struct answer){NOT_ASKED, true, h->status, h->size};
}

static bool
take_stream(const struct channel_head *h) REQUIRES(channel_lock)
{
    if (h->stream == PORT_STDIN || h->stream >= PORT_STREAMS)
        return false;
    outputs[h->stream].behind = MIN(h->size, (u32)CHANNEL_FLIGHT);
    streams |= 1u << h->stream;
    changed |= 1u << h->stream;
    return true;
}

static bool
take_done(const struct channel_head *h) REQUIRES(channel_lock)
{
    struct output *o = &outputs[h->stream % PORT_STREAMS];

    if (h->stream == PORT_STDIN || h->stream >= PORT_STREAMS ||
        h->at < o->done || h->at > o->sent || h->status > 0)
        return false;
    o->done = h->at;
    if (h->status != OK)
        o->status = h->status;
    changed |= 1u << h->stream;
    return true;
}

// The bytes follow; the buffer is empty because we have asked.
static bool
take_data(const struct channel_head *h) REQUIRES(channel_lock)
{
    if (input.read.question != ASKED || h->size > input.read_size ||
        h->status > 0)
        return false;
    if (h->size > 0)
        input.read = (struct answer){0};
    else
        answer(&input.read, h);
    input.look[0].known = input.look[1].known = false;
    input.from = input.to = 0;
    arriving.left = h->size;
    changed |= 1u << PORT_STDIN;
    return true;
}

static bool
take_state(const struct channel_head *h) REQUIRES(channel_lock)
{
    struct answer *a = &input.look[h->now != 0];

    if (a->question != ASKED || h->status > 0)
        return false;
    answer(a, h);
    changed |= 1u << PORT_STDIN;
    return true;
}

static bool
take_hello(const struct channel_head *h) REQUIRES(channel_lock)
{
    start_ns = (i64)(port_monotonic_ns() - MIN(h->at, (u64)INT64_MAX));
    answer(&greeting, h);
    return true;
}

// False: that is not what the host may say.
static bool
take_head(const struct channel_head *h) REQUIRES(channel_lock)
{
    switch (h->kind) {
    case CHANNEL_STREAM:
        return take_stream(h);
    case CHANNEL_HELLO:
        return take_hello(h);
    case CHANNEL_DONE:
        return take_done(h);
    case CHANNEL_DATA:
        return take_data(h);
    case CHANNEL_STATE:
        return take_state(h);
    }
    return false;
}

static u64
take(const u8 *bytes, u64 size) REQUIRES(channel_lock)
{
    while (size > 0) {
        u32 room = sizeof(arriving.head) - arriving.head_size;
        u64 part = MIN(size, (u64)(arriving.left > 0 ? arriving.left : room));

        if (arriving.left > 0) {
            memcpy(input.bytes + input.to, bytes, part);
            input.to += (u32)part;
            arriving.left -= (u32)part;
            changed |= 1u << PORT_STDIN;
        } else {
            memcpy((u8 *)&arriving.head + arriving.head_size, bytes, part);
            arriving.head_size += (u32)part;
        }
        bytes += part;
        size -= part;
        if (arriving.head_size < sizeof(arriving.head))
            continue;
        arriving.head_size = 0;
        if (!take_head(&arriving.head))
            return VCONSOLE_NONSENSE;
    }
    return arriving.left;
}

// --- to the host -------------------------------------------------------------

static bool
ask(struct answer *a, struct channel_head head)
{
    if (a->question == WANTED &&
        vconsole_send(&head, sizeof(head), "", 0) == OK)
        a->question = ASKED;
    return a->question != WANTED;
}

// Send what could not be sent yet.
static void
ask_wanted(void) REQUIRES(channel_lock)
{
    struct channel_head start = {.kind = CHANNEL_START};
    struct channel_head read = {.kind = CHANNEL_READ, .size = input.read_size};

    if (!vconsole_is_open() || !ask(&greeting, start) ||
        !ask(&input.read, read))
        return;
    for (u8 now = 0; now < 2; now++)
        if (!ask(&input.look[now],
                 (struct channel_head){.kind = CHANNEL_LOOK, .now = now}))
            return;
}

static void
want(struct answer *a) REQUIRES(channel_lock)
{
    if (a->question == NOT_ASKED)
        a->question = WANTED;
    ask_wanted();
}

void
channel_interrupt(void)
{
    bool on = lock_irq(&channel_lock);

    vconsole_interrupt(take);
    failed |= vconsole_is_broken();
    ask_wanted();
    u32 tell = failed ? UINT32_MAX : changed | refused;
    changed = refused = 0;
    u32 waits = awaited_by;
    unlock_irq(&channel_lock, on);
    if (waits < CPU_MAX)
        port_poke(waits);
    console_interrupt(tell);
}

// An error of earlier bytes: what follows starts where the host has stopped.
static status_t
take_error(struct output *o)
{
    status_t status = o->status;

    if (status != OK) {
        o->sent = o->done;
        o->status = OK;
    }
    return status;
}

static status_t
put(enum port_stream stream, const void *bytes, u64 size, u64 *count)
    REQUIRES(channel_lock)
{
    struct output *o = &outputs[stream];
    u64 room = CHANNEL_FLIGHT - (o->sent - o->done);
    struct channel_head head = {
        .kind = CHANNEL_WRITE,
        .stream = (u8)stream,
        .size = (u32)MIN(size, MIN(room, (u64)CHANNEL_SIZE_MAX)),
        .at = o->sent,
    };

    *count = 0;
    status_t status = failed ? ERR_IO : o->status; // which channel_settle takes
    if (status == OK && head.size == 0)
        status = ERR_SHOULD_WAIT;
    else if (status == OK)
        status = vconsole_send(&head, sizeof(head), bytes, head.size);
    if (status == OK) {
        o->sent += head.size;
        *count = head.size;
    } else if (status == ERR_SHOULD_WAIT && head.size > 0) {
        refused |= 1u << stream;
    }
    return status;
}

status_t
channel_write(enum port_stream stream, const void *bytes, u64 size, u64 *count)
{
    bool on = lock_irq(&channel_lock);
    status_t status = put(stream, bytes, size, count);

    unlock_irq(&channel_lock, on);
    return status;
}

status_t
channel_settle(enum port_stream stream, u64 *lost)
{
    struct output *o = &outputs[stream];
    bool on = lock_irq(&channel_lock);

    *lost = o->sent - o->done;
    status_t status = take_error(o);
    if (status == OK && *lost > o->behind)
        status = failed ? ERR_IO : ERR_SHOULD_WAIT;
    else if (status == OK)
        *lost = 0;
    unlock_irq(&channel_lock, on);
    return status;
}

// --- input -------------------------------------------------------------------

static void
want_read(u64 size) REQUIRES(channel_lock)
{
    if (input.read.question == NOT_ASKED)
        input.read_size = (u32)MIN(size, (u64)CHANNEL_SIZE_MAX);
    want(&input.read);
}

// The end of input and errors are told once, and asked for again.
status_t
channel_read(void *to, u64 size, u64 *count)
{
    bool on = lock_irq(&channel_lock);
    status_t status = OK;

    *count = MIN(size, (u64)input.to - input.from);
    memcpy(to, input.bytes + input.from, *count);
    input.from += (u32)*count;
    if (*count == 0 && input.read.known) {
        status = input.read.status;
        input.read = (struct answer){0};
    } else if (*count == 0) {
        if (arriving.left == 0) // else more is on its way
            want_read(size);
        status = failed ? ERR_IO : ERR_SHOULD_WAIT;
    }
    unlock_irq(&channel_lock, on);
    return status;
}

status_t
channel_look(bool now, struct port_input *out)
{
    struct answer *a = &input.look[now];
    bool on = lock_irq(&channel_lock);
    status_t status = OK;

    *out = (struct port_input){.ready = input.to - input.from};
    if (out->ready == 0 && input.read.known) {
        status = input.read.status;
        out->ended = status == OK;
    } else if (out->ready == 0 && a->known) {
        status = a->status;
        out->ready = a->size;
        out->ended = status == OK && a->size == 0;
        a->known = false;
    } else if (out->ready == 0) {
        if (arriving.left == 0)
            want(a);
        status = failed ? ERR_IO : ERR_SHOULD_WAIT;
    }
    unlock_irq(&channel_lock, on);
    return status;
}

// --- the log, start and end --------------------------------------------------

// The whole line or nothing.
bool
channel_log(const void *bytes, u64 size)
{
    u64 count = 0;
    bool on = lock_irq(&channel_lock);
    struct output *o = &outputs[PORT_LOG];

    bool taken = take_error(o) == OK &&
                 o->sent - o->done + size <= CHANNEL_SIZE_MAX &&
                 put(PORT_LOG, bytes, size, &count) == OK;
    unlock_irq(&channel_lock, on);
    return taken;
}

bool
channel_is_up(void)
{
    return up;
}

bool
channel_has_failed(void)
{
    return __atomic_load_n(&failed, __ATOMIC_RELAXED);
}

static bool
is_settled(void) REQUIRES(channel_lock)
{
    u64 flight = 0;

    for (u32 i = PORT_STDOUT; i < PORT_STREAMS; i++)
        if (outputs[i].status == OK)
            flight += outputs[i].sent - outputs[i].done;
    return flight == 0;
}

static bool
is_greeted(void) REQUIRES(channel_lock)
{
    return greeting.known;
}

// Until `what` is so, or never will be.
static bool
wait_until(bool (*what)(void))
{
    bool on = lock_irq(&channel_lock), broken = failed;

    while (!broken && !what()) {
        awaited_by = port_cpu_id(); // may be another one each time
        unlock_irq_nested(&channel_lock);
        port_idle();
        lock_irq_nested(&channel_lock);
        broken = failed;
    }
    awaited_by = CPU_MAX;
    unlock_irq(&channel_lock, on);
    return !broken;
}

bool
channel_start(const struct boot_info *info)
{
    bool on = lock_irq(&channel_lock);

    greeting.question = WANTED;
    unlock_irq(&channel_lock, on);
    if (!vconsole_start(CHANNEL_PORT, info) || !wait_until(is_greeted))
        return false;
    on = lock_irq(&channel_lock);
    up = streams == (1u << PORT_STREAMS) - 1 - (1u << PORT_STDIN);
    unlock_irq(&channel_lock, on);
    return up;
}

void
channel_end(void)
{
    if (up)
        wait_until(is_settled);
}

void
channel_stop(void)
{
    up = false;
}

i64
channel_start_ns(void)
{
    return start_ns;
}
