// kernel/stream.c: streams: two ends and a ring of bytes for each direction,
// which may be of no size.
//
// Reads and writes take what there is and what there is room for.  Who wants to
// wait does so for the signals of his end, which say at any time whether a read
// or a write would get anywhere, and then looks again.

#include "kernel/internal.h"

enum { STEP = 64 * 1024 }; // bytes copied in one go

struct ring {
    u8 *bytes;
    u64 size, at, used; // `used` bytes from `at` on, round the end
    bool done;          // nothing more will be written
};

struct stream_pair {
    struct lock lock;
    u32 references MEMBER_GUARDED_BY(lock); // of ends, which exist
    struct budget *payer;
    struct stream *ends[2] MEMBER_GUARDED_BY(lock); // NULL: freed
    struct ring rings[2] MEMBER_GUARDED_BY(lock);   // what each end writes
};

struct stream {
    struct object object;
    struct stream_pair *pair;
    u32 side;
    bool closed MEMBER_GUARDED_BY(pair->lock);
};

struct stream *
stream_from_object(struct object *o)
{
    return CONTAINER(o, struct stream, object);
}

struct object *
stream_object(struct stream *s)
{
    return &s->object;
}

// --- rings -------------------------------------------------------------------

static u64
ring_put(struct ring *r, struct bytes from)
{
    u64 count = MIN(MIN(from.size, STEP), r->size - r->used);

    if (count == 0)
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
    u64 count = MIN(MIN(to.size, STEP), r->used);

    if (count == 0)
        return 0;
    u64 first = MIN(count, r->size - r->at);
    memcpy(to.ptr, r->bytes + r->at, first);
    memcpy(to.ptr + first, r->bytes, count - first);
    r->at = (r->at + count) % r->size;
    r->used -= count;
    return count;
}

// --- signals: pair->lock is held ---------------------------------------------

static struct stream *
peer_of(const struct stream *s)
{
    struct stream *peer = s->pair->ends[1 - s->side];

    assert_held(&s->pair->lock);
    return peer != NULL && !peer->closed ? peer : NULL;
}

static bool
may_write(const struct stream *s)
{
    return !s->pair->rings[s->side].done && peer_of(s) != NULL;
}

static void
show_end(struct stream *s)
{
    const struct ring *in = &s->pair->rings[1 - s->side];
    const struct ring *out = &s->pair->rings[s->side];
    u32 all = SIGNAL_READABLE | SIGNAL_WRITABLE | SIGNAL_PEER_DONE |
              SIGNAL_PEER_CLOSED;
    u32 set = (in->used > 0 ? SIGNAL_READABLE : 0) |
              (may_write(s) && out->used < out->size ? SIGNAL_WRITABLE : 0) |
              (in->done ? SIGNAL_PEER_DONE : 0) |
              (peer_of(s) == NULL ? SIGNAL_PEER_CLOSED : 0);

    if ((object_signals(&s->object) & all) != set)
        object_signal(&s->object, all & ~set, set);
}

static void
show(struct stream *s)
{
    struct stream *peer = peer_of(s);

    if (!s->closed)
        show_end(s);
    if (peer != NULL)
        show_end(peer);
}

// --- reading and writing -----------------------------------------------------

// ERR_SHOULD_WAIT when nothing moved, and something may later.
static status_t
read_now(struct stream *s, struct bytes to, u64 *count)
{
    struct ring *r = &s->pair->rings[1 - s->side];
    status_t status = OK;

    lock(&s->pair->lock);
    *count = s->closed ? 0 : ring_take(r, to);
    if (s->closed)
        status = ERR_BAD_HANDLE;
    else if (*count == 0 && to.size > 0)
        status =
            r->done || peer_of(s) == NULL ? ERR_PEER_CLOSED : ERR_SHOULD_WAIT;
    else
        show(s);
    unlock(&s->pair->lock);
    return status;
}

static status_t
write_now(struct stream *s, struct bytes from, u64 *count)
{
    status_t status = OK;

    lock(&s->pair->lock);
    if (s->closed)
        status = ERR_BAD_HANDLE;
    else if (!may_write(s))
        status = ERR_PEER_CLOSED;
    else
        *count = ring_put(&s->pair->rings[s->side], from);
    if (status == OK && *count == 0 && from.size > 0)
        status = ERR_SHOULD_WAIT;
    else if (status == OK)
        show(s);
    unlock(&s->pair->lock);
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
        status = object_wait_one(&s->object, signals, deadline, NULL);
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
    lock(&s->pair->lock);
    s->pair->rings[s->side].done = true;
    show(s);
    unlock(&s->pair->lock);
}

// --- life --------------------------------------------------------------------

void
stream_closed(struct object *o)
{
    struct stream *s = stream_from_object(o);

    lock(&s->pair->lock);
    s->closed = true;
    s->pair->rings[s->side].done = true;
    show(s);
    // Who still waits here looks again.
    object_signal(o, 0, SIGNAL_PEER_CLOSED);
    unlock(&s->pair->lock);
}

static void
pair_free(struct stream_pair *pair)
{
    for (u32 side = 0; side < 2; side++)
        if (pair->rings[side].bytes != NULL)
            budget_free(pair->payer, pair->rings[side].bytes,
                        pair->rings[side].size);
    budget_free(pair->payer, pair, sizeof(*pair));
}

void
stream_free(struct object *o)
{
    struct stream *s = stream_from_object(o);
    struct stream_pair *pair = s->pair;

    if (!s->closed)
        stream_closed(o); // it never had a handle
    lock(&pair->lock);
    pair->ends[s->side] = NULL;
    bool last = --pair->references == 0;
    unlock(&pair->lock);
    if (last)
        pair_free(pair);
    kernel_free(s);
}

static status_t
ring_new(struct ring *r, u64 size, struct budget *payer)
{
    status_t status = OK;

    if (size > 0)
        r->bytes = budget_alloc(payer, size, &status);
    r->size = r->bytes != NULL ? size : 0;
    r->done = r->size == 0;
    return status;
}

static status_t
end_new(struct stream **out, struct stream_pair *pair, u32 side)
{
    status_t status = object_new(out, &stream_type, sizeof(**out), pair->payer);

    if (status == OK) {
        (*out)->pair = pair;
        (*out)->side = side;
        pair->ends[side] = *out;
        pair->references++;
    }
    return status;
}

static status_t
pair_new(struct stream_pair **out, const u64 sizes[2], struct budget *payer)
{
    status_t status;
    struct stream_pair *pair = budget_alloc(payer, sizeof(*pair), &status);

    if (pair == NULL)
        return status;
    lock_init(&pair->lock, LOCK_MESSAGES);
    pair->payer = payer;
    for (u32 side = 0; side < 2 && status == OK; side++)
        status = ring_new(&pair->rings[side], sizes[side], payer);
    if (status == OK)
        *out = pair;
    else
        pair_free(pair);
    return status;
}

status_t
stream_new(struct stream *ends[2], const u64 sizes[2], struct budget *payer)
{
    struct stream_pair *pair = NULL;
    status_t status = pair_new(&pair, sizes, payer);

    if (status != OK)
        return status;
    status = end_new(&ends[0], pair, 0);
    if (status != OK) {
        pair_free(pair);
        return status;
    }
    status = end_new(&ends[1], pair, 1);
    if (status != OK) {
        object_release(&ends[0]->object);
        return status;
    }
    lock(&pair->lock);
    show(ends[0]);
    unlock(&pair->lock);
    return OK;
}
