// kernel/channel_message.c: messages of channels: how they are made, what
// becomes of those that nobody reads, and that none contains itself.
//
// Closing an end closes those in its queue, and so on: a thread does that one
// after the other, however deep they are nested.

#include "kernel/channel.h"

struct message *
message_new(struct account *payer, struct bytes bytes, u32 handles,
            status_t *status)
{
    u64 head = sizeof(struct message) + handles * sizeof(struct carried);
    struct message *m =
        account_alloc(payer, RESOURCE_OBJECTS, head + bytes.size, status);

    if (m == NULL)
        return NULL;
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
    charge_end(&m->counted, RESOURCE_HANDLES);
    kernel_free(m);
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

struct mutex channel_carrying; // who may carry channels into channels

void
channels_init(void)
{
    mutex_init(&channel_carrying, LOCK_CARRYING);
}

struct search {
    struct list found; // channel.visited
    u32 count;         // of them
    u32 looks;         // how often one was found
};

static status_t
visit(struct search *s, struct channel *c)
{
    if (++s->looks > LIMIT_CHANNEL_LOOKS)
        return ERR_LIMIT;
    if (!list_empty(&c->visited))
        return OK;
    if (++s->count > LIMIT_CHANNEL_NESTED)
        return ERR_LIMIT;
    object_hold(&c->end.object);
    list_append(&s->found, &c->visited);
    return OK;
}

static status_t
visit_message(struct search *s, const struct message *m)
{
    status_t status = OK;

    for (u64 ends = m->ends; ends != 0 && status == OK; ends &= ends - 1) {
        u32 i = bits_trailing_zeros(ends);
        status = visit(s, channel_from_object(m->handles[i].object));
    }
    return status;
}

// Add the ends in the queue of c.
static status_t
visit_queue(struct search *s, struct channel *c)
{
    status_t status = OK;

    lock(&c->end.pair->lock);
    list_each (item, &c->messages) {
        status = visit_message(s, CONTAINER(item, struct message, link));
        if (status != OK)
            break;
    }
    unlock(&c->end.pair->lock);
    return status;
}

// ERR_LOOP when the queue of `to` can be reached through that of `moved`.
static status_t
check_loop(struct channel *moved, const struct channel *to)
{
    struct search s = {.count = 0};

    list_init(&s.found);
    status_t status = visit(&s, moved);
    for (struct list *at = s.found.next; at != &s.found && status == OK;
         at = at->next) {
        struct channel *c = CONTAINER(at, struct channel, visited);
        status = c == to ? ERR_LOOP : visit_queue(&s, c);
    }
    while (!list_empty(&s.found)) {
        struct channel *c = CONTAINER(s.found.next, struct channel, visited);
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
    struct channel *to = channel_hold_peer(from);
    unlock(&from->end.pair->lock);
    for (u64 ends = m->ends; to != NULL && ends != 0 && status == OK;
         ends &= ends - 1) {
        u32 i = bits_trailing_zeros(ends);
        status = check_loop(channel_from_object(m->handles[i].object), to);
    }
    object_release(to != NULL ? &to->end.object : NULL);
    return status;
}
