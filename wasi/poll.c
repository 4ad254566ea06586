// poll.c: wait until a clock reaches a time or a file can be read or written.

#include "wasi/wasi.h"

enum { POLL_MAX = 128 }; // they are copied to the stack
enum { EVENT_CLOCK, EVENT_READ, EVENT_WRITE };
enum { CLOCK_ABSOLUTE = 1 };

struct subscription {
    u64 userdata;
    u8 type, pad0[7];
    u32 id; // of a clock or a file
    u32 pad1;
    u64 timeout, precision;
    u16 flags, pad2[3];
};

// Preview 0 names each clock subscription once more, in front.
struct subscription_old {
    u64 userdata;
    u8 type, pad0[7];
    u64 rest[5];
};

struct event {
    u64 userdata;
    u16 error;
    u8 type, pad0[5];
    u64 size;
    u16 flags, pad1[3];
};

_Static_assert(sizeof(struct subscription) == 48, "layout of preview 1");
_Static_assert(sizeof(struct subscription_old) == 56, "layout of preview 0");
_Static_assert(sizeof(struct event) == 32, "layout of preview 1");

// What is left of a subscription after reading it.
struct watch {
    u64 userdata;
    union {
        u64 deadline_ns; // EVENT_CLOCK, monotonic
        u64 size;        // what can be read
    };
    u16 error;
    u8 type;
    bool ready;
};

struct poll {
    u64 deadline_ns;     // the earliest
    struct node *device; // to be waited for
    u32 count;
    bool ready; // something is, do not wait
    struct watch watches[POLL_MAX];
};

static errno_t
watch_clock(struct watch *watch, const struct subscription *s)
{
    u64 now = port_monotonic_ns(), clock;

    if (!clock_now(s->id, &clock) || s->flags > CLOCK_ABSOLUTE)
        return WASI_INVAL;
    u64 wait = s->timeout;
    if (s->flags & CLOCK_ABSOLUTE)
        wait = s->timeout > clock ? s->timeout - clock : 0;
    watch->deadline_ns = wait > UINT64_MAX - now ? UINT64_MAX : now + wait;
    return WASI_SUCCESS;
}

// A regular file is always ready; a device that can be waited for is looked at
// when everything is known.
static errno_t
watch_file(struct poll *p, struct watch *watch, u32 fd)
{
    struct wasi *w = wasi_current();
    struct filestat stat;
    struct file *f;
    u64 right = watch->type == EVENT_READ ? CAN_FD_READ : CAN_FD_WRITE;
    errno_t error = file_hold(w, fd, right, &f);

    if (error != WASI_SUCCESS)
        return error;
    node_stat(f->node, &stat);
    watch->size = stat.size > f->offset ? stat.size - f->offset : 0;
    if (watch->type == EVENT_READ && f->node->ops->wait != NULL)
        p->device = f->node;
    else
        watch->ready = true;
    file_drop(w, f);
    return WASI_SUCCESS;
}

static void
add_watch(struct poll *p, const struct subscription *s)
{
    struct watch *watch = &p->watches[p->count++];

    *watch = (struct watch){.userdata = s->userdata, .type = s->type};
    if (s->type == EVENT_CLOCK)
        watch->error = (u16)watch_clock(watch, s);
    else if (s->type == EVENT_READ || s->type == EVENT_WRITE)
        watch->error = (u16)watch_file(p, watch, s->id);
    else
        watch->error = WASI_INVAL;
    if (watch->error != WASI_SUCCESS)
        watch->ready = true;
    else if (s->type == EVENT_CLOCK)
        p->deadline_ns = MIN(p->deadline_ns, watch->deadline_ns);
    p->ready |= watch->ready;
}

static bool
read_subscription(struct subscription *s, u64 in, u32 index, bool old)
{
    struct subscription_old then;

    if (!old)
        return user_read(s, in + (u64)index * sizeof(*s), sizeof(*s));
    if (!user_read(&then, in + (u64)index * sizeof(then), sizeof(then)))
        return false;
    memcpy(s, &then, 16);
    memcpy((u8 *)s + 16, then.rest + (then.type == EVENT_CLOCK), 32);
    return true;
}

// Wait, then mark what has happened.
static void
wait_and_mark(struct poll *p)
{
    u64 deadline = p->ready ? 0 : p->deadline_ns;
    bool input = false;

    if (p->device != NULL)
        input = p->device->ops->wait(p->device, deadline) == WASI_SUCCESS;
    else if (!p->ready)
        thread_sleep_until(deadline);

    u64 now = port_monotonic_ns();
    for (u32 i = 0; i < p->count; i++) {
        struct watch *watch = &p->watches[i];
        if (watch->type == EVENT_CLOCK && watch->error == WASI_SUCCESS)
            watch->ready = watch->deadline_ns <= now;
        else if (watch->type == EVENT_READ && !watch->ready && input) {
            watch->ready = true;
            watch->size = 1;
        }
    }
}

static errno_t
write_events(const struct poll *p, u64 out, u32 *ready)
{
    for (u32 i = 0; i < p->count; i++) {
        const struct watch *watch = &p->watches[i];
        struct event event = {
            .userdata = watch->userdata,
            .error = watch->error,
            .type = watch->type,
            .size = watch->type == EVENT_CLOCK ? 0 : watch->size,
        };
        if (!watch->ready)
            continue;
        if (!user_write(out + (u64)*ready * sizeof(event), &event,
                        sizeof(event)))
            return WASI_FAULT;
        *ready += 1;
    }
    return WASI_SUCCESS;
}

static errno_t
poll_all(u32 in, u32 out, u32 count, u32 ready_ptr, bool old)
{
    struct poll p = {.deadline_ns = UINT64_MAX};
    struct subscription s;
    u32 ready = 0;

    if (count == 0 || count > POLL_MAX)
        return WASI_INVAL;
    if (user_bytes(out, count * sizeof(struct event)).ptr == NULL)
        return WASI_FAULT;
    for (u32 i = 0; i < count; i++) {
        if (!read_subscription(&s, in, i, old))
            return WASI_FAULT;
        add_watch(&p, &s);
    }
    wait_and_mark(&p);
    errno_t error = write_events(&p, out, &ready);
    if (error == WASI_SUCCESS && !user_write(ready_ptr, &ready, sizeof(ready)))
        error = WASI_FAULT;
    return error;
}

errno_t
wasi_poll_oneoff(u32 in, u32 out, u32 count, u32 ready)
{
    return poll_all(in, out, count, ready, false);
}

errno_t
wasi_poll_oneoff_old(u32 in, u32 out, u32 count, u32 ready)
{
    return poll_all(in, out, count, ready, true);
}
