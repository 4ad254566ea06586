// kernel/channel_message.c: messages of channels: how they are made, what
// becomes of those that nobody reads, and that none contains itself.
//
// Closing an end closes those in its queue, and so on: a thread does that one
// after the other, however deep they are nested.

#include "kernel/channel.h"

struct message *
message_new(struct budget *payer, struct bytes bytes, u32 handles,
            status_t *status)
{
    u64 head = sizeof(struct message) + handles * sizeof(struct carried);
    u64 size = head + bytes.size, charge = size + handles * HANDLE_CHARGE;

    *status = budget_take(payer, charge) ? OK : ERR_LIMIT;
    if (*status != OK)
        return NULL;
    struct message *m = kernel_alloc(size);
    if (m == NULL) {
        budget_give(payer, charge);
        *status = ERR_NO_MEMORY;
        return NULL;
    }
    m->charge = charge;
    m->payer = payer;
    m->size = (u32)bytes.size;
    m->handle_count = handles;
    m->bytes = (u8 *)m + head;
    if (bytes.size > 0)
        memcpy(m->bytes, bytes.ptr, bytes.size);
    list_init(&m->link);
    return m;
}

// Without its handles.
void
message_free(struct message *m)
{
    budget_free(m->payer, m, m->charge);
}

// Close the handles of messages that nobody will read.  What that closes in
// turn is added to the list of the thread's first call.
void
messages_dispose(struct list *messages)
{
    struct thread *t = thread_current();

    if (t->disposing != NULL) {
        list_append_all(t->disposing, messages);
        return;
    }
    t->disposing = messages;
    while (!list_empty(messages)) {
        struct message *m = CONTAINER(messages->next, struct message, link);
        list_remove(&m->link);
        for (u32 i = 0; i < m->handle_count; i++)
            object_release_handle(m->handles[i].object);
        message_free(m);
    }
    t->disposing = NULL;
}

// --- circles: channel_carrying is held ---------------------------------------

struct mutex channel_carrying;

void
channels_init(void)
{
    mutex_init(&channel_carrying, LOCK_CARRYING);
}

static bool
visit(struct list *found, u32 *count, struct channel *c)
{
    if (!list_empty(&c->visited))
        return true;
    if (++*count > NESTED_MAX)
        return false;
    object_hold(&c->end.object);
    list_append(found, &c->visited);
    return true;
}

// Add the ends in the queue of c.
static status_t
visit_queue(struct list *found, u32 *count, struct channel *c)
{
    status_t status = OK;

    lock(&c->end.pair->lock);
    list_each (item, &c->messages) {
        struct message *m = CONTAINER(item, struct message, link);
        for (u32 i = 0; m->ends > 0 && i < m->handle_count; i++) {
            struct object *o = m->handles[i].object;
            if (o->type == &channel_type &&
                !visit(found, count, channel_from_object(o)))
                status = ERR_LIMIT;
        }
    }
    unlock(&c->end.pair->lock);
    return status;
}

// ERR_LOOP when the queue of `to` can be reached through that of `moved`.
static status_t
check_loop(struct channel *moved, const struct channel *to)
{
    struct list found;
    u32 count = 0;
    status_t status = OK;

    list_init(&found);
    visit(&found, &count, moved);
    for (struct list *at = found.next; at != &found && status == OK;
         at = at->next) {
        struct channel *c = CONTAINER(at, struct channel, visited);
        status = c == to ? ERR_LOOP : visit_queue(&found, &count, c);
    }
    while (!list_empty(&found)) {
        struct channel *c = CONTAINER(found.next, struct channel, visited);
        list_remove(&c->visited);
        object_release(&c->end.object);
    }
    return status;
}

// Of the objects that a message is to carry.
status_t
channel_check_loops(struct channel *from, struct message *m)
{
    status_t status = OK;

    lock(&from->end.pair->lock);
    struct channel *to = channel_peer(from);
    if (to != NULL)
        object_hold(&to->end.object);
    unlock(&from->end.pair->lock);
    for (u32 i = 0; to != NULL && i < m->handle_count && status == OK; i++)
        if (m->handles[i].object->type == &channel_type)
            status = check_loop(channel_from_object(m->handles[i].object), to);
    object_release(to != NULL ? &to->end.object : NULL);
    return status;
}
