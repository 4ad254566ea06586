// wasi/poll.c: wait until a clock reaches a time or a file can be read or
// written.
//
// Objects of the kernel (pipes) are waited for by their signals, all at once;
// standard input is none, and is looked at now and then where both are wanted.
//
// The subscriptions stay in the program's memory, however many there are: they
// are read once to know what to wait for, and once more to write the events.

#include "wasi/wasi.h"

enum { POLL_MAX = 1 << 20 };  // looking at them takes seconds at most
enum { SLICE_NS = 10000000 }; // between looks at standard input and objects
enum { CLOCK_ABSOLUTE = 1 };
enum { EVENT_HANGUP = 1 };

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

// What a subscription comes to.
struct watch {
    union {
        u64 deadline_ns; // EVENT_CLOCK, monotonic
        u64 size;        // what can be read
    };
    struct node *device;   // has to be asked
    struct object *object; // has a reference, and the rest:
    u32 signals;           // what is waited for
    bool ended;
    errno_t error;
    bool ready;
};

struct poll {
    u64 started_ns;          // monotonic
    u64 clocks[CLOCK_COUNT]; // what they said then
    u64 deadline_ns;         // the earliest
    struct node *device;     // to be waited for
    // To be waited for, room for some; NULL: none.
    struct object_wait *objects;
    u32 object_room, object_count;
    bool ready;              // something is, do not wait
    errno_t answer;          // the device's: WASI_AGAIN when it is not ready
    struct port_input input; // what it has
};

static errno_t
watch_clock(const struct poll *p, struct watch *watch,
            const struct subscription *s)
{
    u64 wait = s->timeout;

    if (s->id >= CLOCK_COUNT || s->flags > CLOCK_ABSOLUTE)
        return WASI_INVAL;
    if (s->flags & CLOCK_ABSOLUTE)
        wait -= MIN(wait, p->clocks[index_masked(s->id, CLOCK_COUNT)]);
    watch->deadline_ns =
        wait > UINT64_MAX - p->started_ns ? UINT64_MAX : p->started_ns + wait;
    return WASI_SUCCESS;
}

// An object says by its signals how it is; `watch` gets a reference.
static void
watch_object(struct watch *watch, struct node *n, u8 type)
{
    struct node_signals signals;
    struct object *o = n->ops->object(n, &signals);
    u32 now = object_signals(o);

    watch->signals = type == EVENT_READ ? signals.read : signals.write;
    watch->ready = (now & watch->signals) != 0;
    watch->ended = type == EVENT_READ && (now & signals.end) != 0;
    watch->size = watch->ready;
    watch->object = o;
    object_hold(o);
}

// A regular file is always ready; a device that can be waited for is looked at
// when everything is known.
static errno_t
watch_file(struct watch *watch, const struct subscription *s)
{
    struct wasi *w = wasi_current();
    struct filestat stat;
    struct file *f;
    u64 right = s->type == EVENT_READ ? CAN_FD_READ : CAN_FD_WRITE;
    errno_t error = file_hold(w, s->id, right, &f);

    if (error != WASI_SUCCESS)
        return error;
    error = node_stat(f->node, &stat);
    if (error == WASI_SUCCESS)
        error = file_lock(f);
    if (error == WASI_SUCCESS) {
        watch->size = stat.size > f->offset ? stat.size - f->offset : 0;
        file_unlock(f);
    }
    if (f->node->ops->object != NULL)
        watch_object(watch, f->node, s->type);
    else if (s->type == EVENT_READ && f->node->ops->wait != NULL)
        watch->device = f->node;
    else
        watch->ready = true;
    file_drop(w, f);
    return error;
}

static struct watch
watch_of(const struct poll *p, const struct subscription *s)
{
    struct watch watch = {.error = WASI_INVAL};

    if (s->type == EVENT_CLOCK)
        watch.error = watch_clock(p, &watch, s);
    else if (s->type == EVENT_READ || s->type == EVENT_WRITE)
        watch.error = watch_file(&watch, s);
    if (watch.error != WASI_SUCCESS)
        watch.ready = true;
    return watch;
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

// Wait for the object of `watch`, too, whose reference it takes.
static errno_t
add_object(struct poll *p, const struct watch *watch)
{
    if (!watch->ready && p->objects == NULL)
        p->objects = kernel_alloc(p->object_room * sizeof(*p->objects));
    bool fits = p->objects != NULL && p->object_count < p->object_room;
    if (watch->ready || !fits) {
        object_release(watch->object);
        return watch->ready ? WASI_SUCCESS : WASI_NOMEM;
    }
    p->objects[p->object_count++] = (struct object_wait){
        .observer.awaited = watch->signals,
        .object = watch->object,
    };
    return WASI_SUCCESS;
}

static void
drop_objects(struct poll *p)
{
    while (p->object_count > 0)
        object_release(p->objects[--p->object_count].object);
    kernel_free(p->objects);
    p->objects = NULL;
}

// Find out what to wait for, anew.
static errno_t
look(struct poll *p, u32 in, u32 count, bool old)
{
    struct subscription s;

    p->deadline_ns = UINT64_MAX;
    p->device = NULL;
    p->ready = false;
    p->answer = WASI_AGAIN;
    for (u32 i = 0; i < count; i++) {
        if (thread_is_killed())
            return WASI_INTR;
        if (!read_subscription(&s, in, i, old))
            return WASI_FAULT;
        struct watch watch = watch_of(p, &s);
        p->ready |= watch.ready;
        if (watch.object != NULL && add_object(p, &watch) != WASI_SUCCESS)
            return WASI_NOMEM;
        if (watch.device != NULL)
            p->device = watch.device;
        else if (s.type == EVENT_CLOCK)
            p->deadline_ns = MIN(p->deadline_ns, watch.deadline_ns);
    }
    return WASI_SUCCESS;
}

// For standard input and objects in turn: it is no object.
static errno_t
wait_for_both(struct poll *p, u64 deadline)
{
    status_t status = ERR_TIMED_OUT;
    u64 now;

    do {
        now = port_monotonic_ns();
        u64 slice = MIN(deadline, now + SLICE_NS);
        p->answer = p->device->ops->wait(p->device, 0, &p->input);
        if (p->answer == WASI_AGAIN)
            status = object_wait_many(p->objects, p->object_count, slice);
    } while (p->answer == WASI_AGAIN && status == ERR_TIMED_OUT &&
             now < deadline);
    return status == ERR_KILLED || p->answer == WASI_INTR ? WASI_INTR :
                                                            WASI_SUCCESS;
}

static errno_t
wait_for_objects(struct poll *p, u64 deadline)
{
    status_t status = object_wait_many(p->objects, p->object_count, deadline);

    return status == OK || status == ERR_TIMED_OUT ? WASI_SUCCESS :
           status == ERR_KILLED                    ? WASI_INTR :
                                                     WASI_NOMEM;
}

static errno_t
wait(struct poll *p)
{
    u64 deadline = p->ready ? 0 : p->deadline_ns;

    if (p->object_count > 0)
        return p->device != NULL ? wait_for_both(p, deadline) :
                                   wait_for_objects(p, deadline);
    if (p->device != NULL)
        p->answer = p->device->ops->wait(p->device, deadline, &p->input);
    else if (!p->ready && thread_sleep_until(deadline) != OK)
        return WASI_INTR;
    return p->answer == WASI_INTR ? WASI_INTR : WASI_SUCCESS;
}

// What happened to one subscription; false: nothing.
static bool
event_of(const struct poll *p, const struct subscription *s, u64 now,
         struct event *event)
{
    struct watch watch = watch_of(p, s);
    bool clock = s->type == EVENT_CLOCK;

    *event = (struct event){
        .userdata = s->userdata,
        .error = (u16)watch.error,
        .type = s->type,
        .size = clock ? 0 : watch.size,
    };
    if (clock && !watch.ready)
        return watch.deadline_ns <= now;
    if (watch.object != NULL) {
        event->flags = watch.ended ? EVENT_HANGUP : 0;
        object_release(watch.object);
    }
    if (watch.device == NULL)
        return watch.ready;
    event->error = (u16)p->answer;
    event->size = p->input.ready;
    event->flags = p->input.ended ? EVENT_HANGUP : 0;
    return p->answer != WASI_AGAIN;
}

// An event is smaller than a subscription, so that they may take the place of
// those that were read.
static errno_t
write_events(const struct poll *p, u32 in, u32 out, u32 count, bool old,
             u32 *ready)
{
    u64 now = port_monotonic_ns(), to = out;
    struct subscription s;
    struct event event;

    for (u32 i = 0; i < count; i++) {
        if (thread_is_killed())
            return WASI_INTR;
        if (!read_subscription(&s, in, i, old))
            return WASI_FAULT;
        if (!event_of(p, &s, now, &event))
            continue;
        if (!user_write(to, &event, sizeof(event)))
            return WASI_FAULT;
        to += sizeof(event);
        *ready += 1;
    }
    return WASI_SUCCESS;
}

static errno_t
poll_all(u32 in, u32 out, u32 count, u32 ready_ptr, bool old)
{
    struct poll p = {
        .started_ns = port_monotonic_ns(),
        .object_room = MIN(count, (u32)POLL_OBJECTS),
    };
    u32 ready = 0;

    if (count == 0 || count > POLL_MAX)
        return WASI_INVAL;
    if (user_bytes(out, count * sizeof(struct event)).ptr == NULL ||
        user_bytes(ready_ptr, sizeof(ready)).ptr == NULL)
        return WASI_FAULT;
    for (u32 clock = 0; clock < CLOCK_COUNT; clock++)
        if (!clock_now(clock, &p.clocks[clock]))
            return WASI_INVAL;
    errno_t error = WASI_SUCCESS;
    // What an object had another thread may have taken: then for that, too.
    while (error == WASI_SUCCESS && ready == 0) {
        error = look(&p, in, count, old);
        if (error == WASI_SUCCESS)
            error = wait(&p);
        if (error == WASI_SUCCESS)
            error = write_events(&p, in, out, count, old, &ready);
        drop_objects(&p);
    }
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
