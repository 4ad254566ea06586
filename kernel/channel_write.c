// kernel/channel_write.c: how messages are written to channels.
//
// Bytes for one who waits and has room are copied into its memory.  All else is
// a message: room for it is kept in the other end's queue, then the handles
// leave the writer's table, and then nothing can fail any more.

#include "kernel/channel.h"

static u32
id_of(struct bytes bytes)
{
    u32 id = 0;

    if (bytes.size >= sizeof(id))
        memcpy(&id, bytes.ptr, sizeof(id));
    return id;
}

struct write {
    struct channel *from;
    struct channel *to; // while the pair is locked
    struct bytes bytes;
    struct receiver *caller; // NULL: no call
};

// Whether the other end takes it now, and a call may wait.
static status_t
begin_write(struct write *w, u64 size)
{
    struct channel *to = w->to = channel_peer(w->from);

    // Nobody would end the call's wait any more.
    if (w->caller != NULL && w->from->end.closed)
        return ERR_BAD_HANDLE;
    if (to == NULL)
        return ERR_PEER_CLOSED;
    if (to->count >= LIMIT_CHANNEL_MESSAGES ||
        to->bytes + size > LIMIT_CHANNEL_SIZE)
        return ERR_SHOULD_WAIT;
    if (w->caller != NULL && w->from->receiver_count >= LIMIT_OBSERVERS)
        return ERR_FULL;
    return OK;
}

// Nothing can fail any more: its wait begins, unless nobody would end it.
static void
begin_call(struct write *w)
{
    struct receiver *caller = w->caller;

    if (caller == NULL)
        return;
    caller->id = channel_new_call_id(w->from);
    if (w->from->end.closed)
        caller->got = GOT_CLOSED;
    else if (w->to->end.closed)
        caller->got = GOT_CHANGE;
    else
        channel_line_up(w->from, caller);
}

// Into the memory of one who waits, if that is possible; *done says whether.
static status_t
write_directly(struct write *w, bool *done)
{
    lock(&w->from->end.pair->lock);
    status_t status = begin_write(w, w->bytes.size);
    u32 id = w->caller == NULL ? id_of(w->bytes) : 0;
    struct receiver *r =
        status == OK ? channel_wake_receiver(w->to, id, &w->bytes) : NULL;
    *done = r != NULL;
    if (*done) {
        begin_call(w);
        r->size = (u32)w->bytes.size;
        copy_few(r->room.ptr, w->bytes.ptr, r->size);
        // What was decided on, whatever other threads write meanwhile.
        id = w->caller != NULL ? w->caller->id : id;
        if (r->size >= sizeof(id))
            memcpy(r->room.ptr, &id, sizeof(id));
        // Who was woken may run on another CPU by now: it either sees this, and
        // is gone, or waits for the lock.
        channel_leave_line(w->to, r);
        __atomic_store_n(&r->left, true, __ATOMIC_RELEASE);
    }
    unlock(&w->from->end.pair->lock);
    return status;
}

// There will be room for m, and for its caller in the line.
static status_t
reserve(struct write *w, const struct message *m)
{
    lock(&w->from->end.pair->lock);
    status_t status = begin_write(w, m->size);
    if (status == OK && !object_hold_live(&w->to->end.object))
        status = ERR_PEER_CLOSED;
    if (status == OK) {
        w->from->receiver_count += w->caller != NULL;
        channel_count(w->to, m, true);
        channel_show(w->to);
    }
    unlock(&w->from->end.pair->lock);
    return status;
}

static void
unreserve(struct write *w, const struct message *m)
{
    lock(&w->from->end.pair->lock);
    if (!w->to->end.closed)
        channel_count(w->to, m, false);
    channel_show(w->to);
    w->from->receiver_count -= w->caller != NULL;
    unlock(&w->from->end.pair->lock);
    object_release(&w->to->end.object);
}

// m is the other end's now, or nobody's when that was closed meanwhile.
static void
deliver(struct write *w, struct message *m)
{
    struct list unread;
    struct bytes bytes = {m->bytes, m->size};

    list_init(&unread);
    lock(&w->from->end.pair->lock);
    w->from->receiver_count -= w->caller != NULL; // takes its place now
    begin_call(w);
    if (w->caller != NULL)
        memcpy(m->bytes, &w->caller->id, sizeof(w->caller->id));
    if (w->to->end.closed) {
        list_append(&unread, &m->link);
    } else {
        u32 id = w->caller == NULL ? id_of(bytes) : 0;
        struct receiver *r = channel_wake_receiver(w->to, id, NULL);
        list_append(&w->to->messages, &m->link);
        if (r != NULL && r->got == GOT_CLAIM)
            (m->claimer = r)->message = m;
        w->to->unclaimed += m->claimer == NULL;
        channel_show(w->to);
    }
    unlock(&w->from->end.pair->lock);
    object_release(&w->to->end.object);
    messages_dispose(&unread);
}

// --- with handles ------------------------------------------------------------

// From the table into the message, when nothing else can fail; gives back the
// references of look_up() unless it fails.
static status_t
move_and_deliver(struct write *w, struct message *m,
                 const struct channel_side *side)
{
    status_t status = reserve(w, m);

    if (status != OK)
        return status;
    status = handle_take(side->table, side->handles, m->handles,
                         m->handle_count, &m->counted);
    if (status != OK) {
        unreserve(w, m);
        return status;
    }
    // The message has the references of the handles: none of these is the last.
    for (u32 i = 0; i < m->handle_count; i++)
        object_release(m->handles[i].object);
    deliver(w, m);
    return OK;
}

static status_t
write_message(struct write *w, struct message *m,
              const struct channel_side *side)
{
    if (m->ends == 0)
        return move_and_deliver(w, m, side);
    status_t status = mutex_lock(&channel_carrying);
    if (status != OK)
        return status;
    status = channel_check_loops(w->from, m);
    if (status == OK)
        status = move_and_deliver(w, m, side);
    mutex_unlock(&channel_carrying);
    return status;
}

// Look at the handles, which stay where they are; with references, also after
// an error.
static status_t
look_up(struct message *m, const struct channel_side *side)
{
    status_t status = OK;

    for (u32 i = 0; i < m->handle_count && status == OK; i++) {
        status = handle_get(side->table, side->handles[i], NULL, RIGHT_TRANSFER,
                            &m->handles[i].object);
        if (status == OK && m->handles[i].object->type == &channel_type)
            m->ends |= 1ull << i;
    }
    return status;
}

static status_t
write_with_message(struct write *w, const struct channel_side *side)
{
    status_t status;
    struct message *m =
        message_new(side->payer, w->bytes, side->handle_count, &status);

    if (m == NULL)
        return status;
    status = look_up(m, side);
    if (status == OK)
        status = write_message(w, m, side);
    if (status == OK)
        return OK;
    for (u32 i = 0; i < m->handle_count; i++)
        object_release(m->handles[i].object);
    message_free(m);
    return status;
}

status_t
channel_send(struct channel *c, struct bytes bytes,
             const struct channel_side *side, struct receiver *caller)
{
    struct write w = {.from = c, .bytes = bytes, .caller = caller};
    bool done = false;
    status_t status = OK;

    if (bytes.size > LIMIT_MESSAGE_SIZE ||
        side->handle_count > LIMIT_MESSAGE_HANDLES)
        return ERR_LIMIT;
    if (side->handle_count == 0)
        status = write_directly(&w, &done);
    if (status == OK && !done)
        status = write_with_message(&w, side);
    return status;
}

status_t
message_write(struct channel *c, struct bytes bytes,
              const struct channel_side *side)
{
    return channel_send(c, bytes, side, NULL);
}
