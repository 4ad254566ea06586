// kernel/channel_read.c: how messages of channels are read, and calls.

#include "kernel/channel.h"

// m leaves the queue of c, with its handles in the reader's table; pair->lock
// is held.
static status_t
take_out(struct channel *c, struct message *m, struct channel_read *r)
{
    r->size = m->size;
    r->handle_count = m->handle_count;
    if (m->size > r->room.size || m->handle_count > r->handle_room)
        return ERR_TOO_SMALL;
    status_t status =
        handle_put(r->table, m->handles, r->handles, m->handle_count);
    if (status != OK)
        return status;
    list_remove(&m->link);
    c->unclaimed -= m->claimer == NULL;
    channel_count(c, m, false);
    return OK;
}

// The last of a message that was taken out.
static void
copy_out(struct message *m, const struct channel_read *r)
{
    if (m->size > 0)
        memcpy(r->room.ptr, m->bytes, m->size);
    message_free(m);
}

// A message stays that may fit somebody else who waits.
static void
pass_on(struct channel *c)
{
    (void)channel_wake_receiver(c, 0, NULL);
}

static struct message *
first_unclaimed(struct channel *c)
{
    list_each (item, &c->messages) {
        struct message *m = CONTAINER(item, struct message, link);
        if (m->claimer == NULL)
            return m;
    }
    return NULL;
}

// Read what is there.  ERR_SHOULD_WAIT: nothing, and `waits`, if it is not
// NULL, has lined up.
static status_t
read_now(struct channel *c, struct channel_read *r, struct receiver *waits)
{
    struct message *m = NULL;
    status_t status = ERR_SHOULD_WAIT;

    lock(&c->end.pair->lock);
    if (c->unclaimed > 0)
        m = first_unclaimed(c);
    if (m != NULL)
        status = take_out(c, m, r);
    else if (c->end.closed)
        status = ERR_BAD_HANDLE;
    else if (channel_peer(c) == NULL)
        status = ERR_PEER_CLOSED;
    else if (waits != NULL && c->receiver_count >= LIMIT_OBSERVERS)
        status = ERR_FULL;
    else if (waits != NULL)
        channel_line_up(c, waits);
    if (m != NULL && status != OK)
        pass_on(c);
    if (m != NULL)
        channel_show(c);
    unlock(&c->end.pair->lock);
    if (m != NULL && status == OK)
        copy_out(m, r);
    return status;
}

// The wait of `w` has ended with `status`: what has it got?  A message that was
// claimed and does not fit is anybody's.
static status_t
leave_line(struct channel *c, struct receiver *w, struct channel_read *r,
           status_t status)
{
    struct message *taken = NULL;

    if (__atomic_load_n(&w->left, __ATOMIC_ACQUIRE)) {
        r->size = w->size;
        r->handle_count = 0;
        return status;
    }
    lock(&c->end.pair->lock);
    if (!w->left)
        channel_leave_line(c, w);
    if (w->got == GOT_BYTES) {
        r->size = w->size;
        r->handle_count = 0;
    } else if (w->got == GOT_CLAIM) {
        taken = w->message;
        status = take_out(c, taken, r);
        c->unclaimed += status != OK;
        taken->claimer = NULL;
        if (status != OK)
            pass_on(c);
        taken = status == OK ? taken : NULL;
        channel_show(c);
    } else if (w->got == GOT_CLOSED) {
        status = ERR_BAD_HANDLE;
    }
    unlock(&c->end.pair->lock);
    if (taken != NULL)
        copy_out(taken, r);
    return status;
}

// These two are parts of their system calls, see sched_block().
PART_OF_CALL status_t
message_read(struct channel *c, struct channel_read *r, u64 deadline)
{
    for (;;) {
        struct receiver w = {.room = r->room};
        bool waits = !deadline_is_over(deadline);
        status_t status = read_now(c, r, waits ? &w : NULL);
        if (status != ERR_SHOULD_WAIT || deadline == 0)
            return status;
        if (!waits)
            return ERR_TIMED_OUT;
        status = leave_line(c, &w, r, waiter_wait(w.waiter, deadline));
        if (status != OK || w.got == GOT_BYTES)
            return status;
    }
}

PART_OF_CALL status_t
message_call(struct channel *c, struct bytes request,
             const struct channel_side *side, struct channel_read *reply,
             u64 deadline)
{
    struct receiver caller = {.room = reply->room};

    if (request.size < sizeof(caller.id))
        return ERR_BAD_ARGUMENT;
    status_t status = channel_send(c, request, side, &caller);
    if (status != OK)
        return status;
    if (caller.waiter != NULL)
        status =
            leave_line(c, &caller, reply, waiter_wait(caller.waiter, deadline));
    else if (caller.got == GOT_CLOSED)
        status = ERR_BAD_HANDLE;
    return status == OK && caller.got == GOT_CHANGE ? ERR_PEER_CLOSED : status;
}
