// kernel/channel.c: channels: two ends, and for each a queue of messages, of
// bytes and handles, that the other end wrote.
//
// Writers wait for no reader: a queue is bounded, and the writer's process pays
// for a message until somebody reads it.  Handles move, all of a message or
// none: they leave the writer's table in one step, when nothing can fail any
// more, and get into the reader's before the message leaves its queue.  Bytes
// for a reader that waits and has room are copied at once into its memory.
//
// A call waits for the message that begins with its number (CALL_ID and up).
// A reply that finds its caller waiting and cannot be copied stays in the
// queue, claimed: nobody else reads it, and the caller may still find that it
// does not fit.
//
// A message may carry channel ends, and a queue that is reachable only through
// messages in itself would never be freed: a write that closes such a circle is
// refused (channel_message.c).  Only writes of ends can close one, so they are
// made one at a time (channel_carrying).

#include "kernel/channel.h"

OBJECT_FUNCTIONS(channel, end.object)

// --- signals -----------------------------------------------------------------

struct channel *
channel_peer(const struct channel *c)
{
    struct end *peer = pair_peer(&c->end);

    return peer != NULL ? CONTAINER(peer, struct channel, end) : NULL;
}

struct channel *
channel_hold_peer(const struct channel *c)
{
    struct channel *peer = channel_peer(c);

    // An end that never had a handle may be on its way to pair_free_end().
    return peer != NULL && object_hold_live(&peer->end.object) ? peer : NULL;
}

void
channel_show(struct channel *c)
{
    struct channel *peer = channel_peer(c);
    bool room = c->count < LIMIT_CHANNEL_MESSAGES &&
                c->bytes + LIMIT_MESSAGE_SIZE <= LIMIT_CHANNEL_SIZE;

    pair_show(&c->end, SIGNAL_READABLE, c->unclaimed > 0 ? SIGNAL_READABLE : 0);
    if (peer != NULL && !c->end.closed)
        pair_show(&peer->end, SIGNAL_WRITABLE, room ? SIGNAL_WRITABLE : 0);
}

void
channel_count(struct channel *c, const struct message *m, bool more)
{
    c->count += more ? 1 : -1;
    c->bytes += more ? m->size : -(u64)m->size;
}

// --- who waits ---------------------------------------------------------------

// End the wait of r, if nobody else has.
MUST_USE static bool
receiver_wake(struct receiver *r, enum got got)
{
    bool on = port_interrupts_off();
    bool woken = waiter_wake(r->waiter);

    port_interrupts_restore(on);
    if (woken)
        r->got = got;
    return woken;
}

// True: there may be more.
static bool
wake_some(struct channel *c, enum got got)
{
    u32 woken = 0;

    list_each (item, &c->receivers) {
        struct receiver *r = CONTAINER(item, struct receiver, link);
        woken += r->got == GOT_NOTHING && receiver_wake(r, got);
        if (woken == WAKE_BATCH)
            return true;
    }
    return false;
}

// All who wait at c, where nobody lines up any more; takes pair->lock by
// itself, for some of them at a time.
static void
wake_all(struct channel *c, enum got got)
{
    bool more = true;

    while (more) {
        lock(&c->end.pair->lock);
        more = wake_some(c, got);
        unlock(&c->end.pair->lock);
    }
}

// The messages of c are gone.
static void
drop_claims(struct channel *c)
{
    list_each (item, &c->receivers) {
        struct receiver *r = CONTAINER(item, struct receiver, link);
        if (r->got == GOT_CLAIM)
            r->got = GOT_CLOSED;
    }
}

static struct receiver *
find_caller(struct channel *c, u32 id)
{
    list_each (item, &c->receivers) {
        struct receiver *r = CONTAINER(item, struct receiver, link);
        if (id >= CALL_ID && r->id == id && r->got == GOT_NOTHING)
            return r;
    }
    return NULL;
}

static bool
has_room(const struct receiver *r, const struct bytes *direct)
{
    return direct == NULL || direct->size <= r->room.size;
}

// Whose wait was ended by a kill or its deadline, and who has not run since, is
// still in the line: a message is for the next one then.
struct receiver *
channel_wake_receiver(struct channel *c, u32 id, const struct bytes *direct)
{
    struct receiver *caller = find_caller(c, id);

    if (caller != NULL && !has_room(caller, direct))
        return NULL;
    if (caller != NULL &&
        receiver_wake(caller, direct != NULL ? GOT_BYTES : GOT_CLAIM))
        return caller;
    list_each (item, &c->receivers) {
        struct receiver *r = CONTAINER(item, struct receiver, link);
        if (r->id != 0 || r->got != GOT_NOTHING)
            continue;
        if (!has_room(r, direct))
            return NULL;
        if (receiver_wake(r, direct != NULL ? GOT_BYTES : GOT_CHANGE))
            return r;
    }
    return NULL;
}

// How many of the numbers that come next are taken, one after the other.
static u32
count_taken(const struct channel *c)
{
    u64 taken[LIMIT_OBSERVERS / 64 + 1] = {0};
    u32 next = 0;

    list_each (item, &c->receivers) {
        u32 id = CONTAINER(item, struct receiver, link)->id;
        u32 after = (id - c->call_id - 1) & ~CALL_ID;
        if (id >= CALL_ID && after < 64 * COUNT(taken))
            bit_set(taken, after);
    }
    while (bit_get(taken, next))
        next++;
    return next;
}

u32
channel_new_call_id(struct channel *c)
{
    u32 taken = list_empty(&c->receivers) ? 0 : count_taken(c);

    c->call_id = (c->call_id + 1 + taken) | CALL_ID;
    return c->call_id;
}

void
channel_line_up(struct channel *c, struct receiver *r)
{
    r->got = GOT_NOTHING;
    r->waiter = waiter_begin();
    list_append(&c->receivers, &r->link);
    c->receiver_count++;
}

void
channel_leave_line(struct channel *c, struct receiver *r)
{
    list_remove(&r->link);
    c->receiver_count--;
}

// --- life --------------------------------------------------------------------

void
channel_closed(struct object *o)
{
    struct channel *c = channel_from_object(o);
    struct list unread;

    list_init(&unread);
    lock(&c->end.pair->lock);
    c->end.closed = true;
    list_append_all(&unread, &c->messages);
    c->count = c->unclaimed = 0;
    c->bytes = 0;
    drop_claims(c);
    // Who waits for signals here looks again.
    object_signal(o, 0, SIGNAL_PEER_CLOSED);
    struct channel *peer = channel_hold_peer(c);
    if (peer != NULL)
        object_signal(&peer->end.object, SIGNAL_WRITABLE, SIGNAL_PEER_CLOSED);
    unlock(&c->end.pair->lock);
    wake_all(c, GOT_CLOSED);
    if (peer != NULL) {
        wake_all(peer, GOT_CHANGE);
        object_release(&peer->end.object);
    }
    messages_dispose(&unread);
}

void
channel_free(struct object *o)
{
    pair_free_end(o);
}

status_t
channel_new(struct channel *ends[2], struct account *payer)
{
    static const struct pair_type type = {
        .ends = &channel_type,
        .size = sizeof(struct pair),
        .end_size = sizeof(struct channel),
    };
    struct end *both[2];
    status_t status = pair_new(both, &type, payer);

    for (u32 side = 0; side < 2 && status == OK; side++) {
        struct channel *c = CONTAINER(both[side], struct channel, end);
        list_init(&c->messages);
        list_init(&c->receivers);
        list_init(&c->visited);
        object_signal(&c->end.object, 0, SIGNAL_WRITABLE);
        ends[side] = c;
    }
    return status;
}
