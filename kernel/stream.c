// kernel/stream.c: streams: two ends and a ring of bytes for each direction,
// which may be of no size.
//
// Reads take what there is.  Writes of at most LIMIT_STREAM_WHOLE bytes that
// are no larger than the ring go in whole or not at all, larger ones as far as
// there is room.  Who wants to wait does so for the signals of his end, which
// say at any time whether a read or any write would get anywhere, and then
// looks again.

#include "kernel/pair.h"

struct ring {
    u8 *bytes;
    u64 size, at, used; // `used` bytes from `at` on, round the end
    bool done;          // nothing more will be written
    bool finished;      // since stream_finish()
};

struct flow {
    struct pair pair;
    struct ring rings[2]; // what each end writes; under pair.lock
};

struct stream {
    struct end end;
};

OBJECT_FUNCTIONS(stream, end.object)

// --- rings -------------------------------------------------------------------

// Room for any write that goes in whole.
static bool
ring_has_room(const struct ring *r)
{
    return r->size - r->used >= MIN(r->size, LIMIT_STREAM_WHOLE);
}

static u64
ring_put(struct ring *r, struct bytes from)
{
    u64 room = r->size - r->used;
    u64 count = MIN(MIN(from.size, LIMIT_STREAM_STEP), room);
    bool whole = from.size <= MIN(r->size, LIMIT_STREAM_WHOLE);

    if (count == 0 || (whole && count < from.size))
        return 0;
    u64 end = (r->at + r->used) % r->size, first = MIN(count, r->size - end);
    memcpy(r->bytes + end, from.ptr, first);
    memcpy(r->bytes, from.ptr + first, count - first);
    r->used += count;
    return count;
}

static u64
ring_take(struct ring *r, struct bytes to)
{
    u64 count = MIN(MIN(to.size, LIMIT_STREAM_STEP), r->used);

    if (count == 0)
        return 0;
    u64 first = MIN(count, r->size - r->at);
    memcpy(to.ptr, r->bytes + r->at, first);
    memcpy(to.ptr + first, r->bytes, count - first);
    r->at = (r->at + count) % r->size;
    r->used -= count;
    return count;
}

static struct ring *
ring_in(const struct stream *s)
{
    struct flow *f = CONTAINER(s->end.pair, struct flow, pair);

    return &f->rings[1 - s->end.side];
}

static struct ring *
ring_out(const struct stream *s)
{
    struct flow *f = CONTAINER(s->end.pair, struct flow, pair);

    return &f->rings[s->end.side];
}

// --- signals: the pair is locked ---------------------------------------------

static bool
may_write(const struct stream *s)
{
    return !ring_out(s)->done && pair_peer(&s->end) != NULL;
}

// A write would not wait: also because it would be refused, in a direction that
// there once was.
static bool
is_writable(const struct stream *s)
{
    const struct ring *r = ring_out(s);

    return r->size > 0 && pair_peer(&s->end) != NULL &&
           (r->done || ring_has_room(r));
}

static void
show_end(struct stream *s)
{
    const struct ring *in = ring_in(s);
    u32 mask = SIGNAL_READABLE | SIGNAL_WRITABLE | SIGNAL_PEER_DONE |
               SIGNAL_PEER_CLOSED;

    pair_show(&s->end, mask,
              (in->used > 0 ? SIGNAL_READABLE : 0) |
                  (is_writable(s) ? SIGNAL_WRITABLE : 0) |
                  (in->done ? SIGNAL_PEER_DONE : 0) |
                  (pair_peer(&s->end) == NULL ? SIGNAL_PEER_CLOSED : 0));
}

static void
show(struct stream *s)
{
    struct end *peer = pair_peer(&s->end);

    if (!s->end.closed)
        show_end(s);
    if (peer != NULL)
        show_end(CONTAINER(peer, struct stream, end));
}

// --- reading and writing -----------------------------------------------------

// ERR_SHOULD_WAIT when nothing moved, and something may later.
static status_t
read_now(struct stream *s, struct bytes to, u64 *count)
{
    struct ring *r = ring_in(s);
    status_t status = OK;

    lock(&s->end.pair->lock);
    *count = s->end.closed ? 0 : ring_take(r, to);
    if (s->end.closed)
        status = ERR_BAD_HANDLE;
    else if (*count == 0 && to.size > 0)
        status = r->done || pair_peer(&s->end) == NULL ? ERR_PEER_CLOSED :
                                                         ERR_SHOULD_WAIT;
    else
        show(s);
    unlock(&s->end.pair->lock);
    return status;
}

static status_t
write_now(struct stream *s, struct bytes from, u64 *count)
{
    status_t status = OK;

    lock(&s->end.pair->lock);
    if (s->end.closed)
        status = ERR_BAD_HANDLE;
    else if (!may_write(s))
        status = ERR_PEER_CLOSED;
    else
        *count = ring_put(ring_out(s), from);
    if (status == OK && *count == 0 && from.size > 0)
        status = ERR_SHOULD_WAIT;
    else if (status == OK)
        show(s);
    unlock(&s->end.pair->lock);
    return status;
}

typedef status_t move_t(struct stream *s, struct bytes bytes, u64 *count);

static status_t
move(struct stream *s, move_t *now, u32 signals, struct bytes bytes,
     u64 deadline, u64 *count)
{
    for (;;) {
        status_t status = now(s, bytes, count);
        if (status != ERR_SHOULD_WAIT || deadline == 0)
            return status;
        status = object_wait_one(&s->end.object, signals, deadline, NULL);
        if (status != OK)
            return status;
    }
}

status_t
stream_read(struct stream *s, struct bytes to, u64 deadline, u64 *count)
{
    u32 signals = SIGNAL_READABLE | SIGNAL_PEER_DONE | SIGNAL_PEER_CLOSED;

    return move(s, read_now, signals, to, deadline, count);
}

status_t
stream_write(struct stream *s, struct bytes from, u64 deadline, u64 *count)
{
    u32 signals = SIGNAL_WRITABLE | SIGNAL_PEER_CLOSED;

    return move(s, write_now, signals, from, deadline, count);
}

void
stream_finish(struct stream *s)
{
    lock(&s->end.pair->lock);
    ring_out(s)->done = true;
    ring_out(s)->finished = true;
    show(s);
    unlock(&s->end.pair->lock);
}

bool
stream_is_finished(struct stream *s)
{
    lock(&s->end.pair->lock);
    bool finished = ring_in(s)->finished;
    unlock(&s->end.pair->lock);
    return finished;
}

// --- life --------------------------------------------------------------------

void
stream_closed(struct object *o)
{
    struct stream *s = stream_from_object(o);

    lock(&s->end.pair->lock);
    s->end.closed = true;
    ring_out(s)->done = true;
    show(s);
    // Who still waits here looks again.
    object_signal(o, 0, SIGNAL_PEER_CLOSED);
    unlock(&s->end.pair->lock);
}

static void
clear_flow(struct pair *pair)
{
    struct flow *f = CONTAINER(pair, struct flow, pair);

    for (u32 side = 0; side < 2; side++)
        if (f->rings[side].bytes != NULL)
            kernel_free(f->rings[side].bytes);
}

void
stream_free(struct object *o)
{
    pair_free_end(o);
}

static status_t
ring_init(struct ring *r, u64 size, struct account *payer)
{
    status_t status = OK;

    if (size > 0)
        r->bytes = account_alloc(payer, RESOURCE_OBJECTS, size, &status);
    r->size = r->bytes != NULL ? size : 0;
    r->done = r->size == 0;
    return status;
}

status_t
stream_new(struct stream *ends[2], const u64 sizes[2], struct account *payer)
{
    static const struct pair_type type = {
        .ends = &stream_type,
        .size = sizeof(struct flow),
        .end_size = sizeof(struct stream),
        .clear = clear_flow,
    };
    struct end *both[2];
    status_t status = pair_new(both, &type, payer);

    if (status != OK)
        return status;
    for (u32 side = 0; side < 2; side++) {
        ends[side] = CONTAINER(both[side], struct stream, end);
        if (status == OK)
            status = ring_init(ring_out(ends[side]), sizes[side], payer);
    }
    lock(&both[0]->pair->lock);
    show(ends[0]);
    unlock(&both[0]->pair->lock);
    for (u32 side = 0; side < 2 && status != OK; side++)
        object_release(&both[side]->object);
    return status;
}
