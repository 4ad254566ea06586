// kernel/packets.c: ports of programs: queues of packets, from signals of any
// number of objects and from programs.
//
// A watch is an observer on an object that has the one packet it may need:
// while it is in the queue more signals are added to it, so that nothing is
// lost and no memory is taken when a signal comes.  A watch for once ends when
// its packet is taken.  It holds a reference of the object, no handle.
//
// A signal comes under the lock of an object, or of late observers, which is
// taken before the lock of a port.  So a watch leaves its port first (`ended`:
// what comes is ignored), then the object, and then it is freed, by the one who
// made it leave.  While it is still being hung on its object (`begins`) nobody
// else touches it.

#include "kernel/internal.h"

enum { TAKEN_AT_ONCE = 16 };

struct port {
    struct object object;
    // Of those who wait; its lock guards the rest, and watches too.
    struct wait_queue queue;
    struct list ready MEMBER_GUARDED_BY(queue.lock); // entries with a packet
    struct list watches MEMBER_GUARDED_BY(queue.lock);
    u32 watch_count MEMBER_GUARDED_BY(queue.lock);
    u32 posted_count MEMBER_GUARDED_BY(queue.lock);
    bool closed MEMBER_GUARDED_BY(queue.lock);
};

// A watch, or a packet from a program.
struct entry {
    struct observer observer;
    struct object *object;
    struct port *port;
    struct list link;  // in port->watches
    struct list ready; // in port->ready
    struct packet packet;
    bool posted; // it is a packet
    bool hangs;  // on the object
    bool repeat, begins, ended;
};

OBJECT_FUNCTIONS(port, object)

status_t
port_new(struct port **out, struct account *payer)
{
    status_t status = object_new(out, &port_type, sizeof(**out), payer);

    if (status == OK) {
        wait_queue_init(&(*out)->queue);
        list_init(&(*out)->ready);
        list_init(&(*out)->watches);
    }
    return status;
}

static struct entry *
entry_new(struct port *p, u64 key, struct account *payer, status_t *status)
{
    struct entry *e =
        account_alloc(payer, RESOURCE_OBJECTS, sizeof(*e), status);

    if (e != NULL) {
        e->port = p;
        e->packet.key = key;
        list_init(&e->link);
        list_init(&e->ready);
    }
    return e;
}

// They have left the port.
static void
free_entries(struct list *entries)
{
    while (!list_empty(entries)) {
        struct entry *e = CONTAINER(entries->next, struct entry, link);
        list_remove(&e->link);
        if (e->hangs)
            object_forget(e->object, &e->observer);
        object_release(e->object);
        kernel_free(e);
    }
}

// --- the queue: its lock is held ---------------------------------------------

static void
make_ready(struct port *p, struct entry *e) REQUIRES(p->queue.lock)
{
    assert_held(&p->queue.lock);
    list_append(&p->ready, &e->ready);
    wait_queue_wake(&p->queue, 0, 1);
}

// e leaves its port, for `to`.
static void
end_entry(struct entry *e, struct list *to)
{
    assert_held(&e->port->queue.lock);
    if (e->posted)
        e->port->posted_count--;
    else
        e->port->watch_count--;
    e->ended = true;
    list_remove(&e->ready);
    list_remove(&e->link);
    list_append(to, &e->link);
}

// Under the lock of the object, or of late observers.
static void
signal_came(struct observer *ob)
{
    struct entry *e = CONTAINER(ob, struct entry, observer);

    struct port *p = e->port;

    lock_irq_nested(&p->queue.lock);
    if (!e->ended && (e->repeat || e->packet.count == 0)) {
        e->packet.signals |= ob->observed;
        e->packet.count += MIN(ob->times, UINT32_MAX - e->packet.count);
        if (!e->begins && list_empty(&e->ready))
            make_ready(p, e);
    }
    ob->observed = ob->times = 0;
    unlock_irq_nested(&p->queue.lock);
}

// --- watches -----------------------------------------------------------------

static status_t LOCKS_BY_HAND
begin_watch(struct port *p, struct entry *e)
{
    status_t status = OK;
    bool on = lock_irq(&p->queue.lock);

    if (p->watch_count >= LIMIT_PORT_WATCHES) {
        status = ERR_FULL;
    } else {
        p->watch_count++;
        list_append(&p->watches, &e->link);
    }
    unlock_irq(&p->queue.lock, on);
    return status;
}

// It hangs on its object, or not (`status`).  The port may have closed.
static status_t LOCKS_BY_HAND
watch_begun(struct port *p, struct entry *e, status_t status)
{
    struct list ended;

    list_init(&ended);
    bool on = lock_irq(&p->queue.lock);
    e->begins = false;
    if (status == OK && p->closed)
        status = ERR_BAD_HANDLE;
    if (status != OK)
        end_entry(e, &ended);
    else if (e->packet.count > 0)
        make_ready(p, e);
    unlock_irq(&p->queue.lock, on);
    free_entries(&ended);
    return status;
}

status_t
port_watch(struct port *p, struct object *o, u64 key, u32 signals, bool repeat,
           struct account *payer)
{
    status_t status;
    struct entry *e = entry_new(p, key, payer, &status);

    if (e == NULL)
        return status;
    e->observer.awaited = signals;
    e->observer.notify = signal_came;
    e->object = o;
    e->repeat = repeat;
    e->begins = true;
    status = begin_watch(p, e);
    if (status != OK) {
        kernel_free(e);
        return status;
    }
    object_hold(o);
    status = object_observe(o, &e->observer);
    e->hangs = status == OK;
    return watch_begun(p, e, status);
}

// Those with this key, or (key NULL) all, leave.
static u32
end_watches(struct port *p, const u64 *key, struct list *ended)
{
    struct list *item = p->watches.next;
    u32 count = 0;

    assert_held(&p->queue.lock);
    while (item != &p->watches) {
        struct entry *e = CONTAINER(item, struct entry, link);
        item = item->next;
        if (e->begins || (key != NULL && e->packet.key != *key))
            continue;
        end_entry(e, ended);
        count++;
    }
    return count;
}

status_t
port_cancel(struct port *p, u64 key)
{
    struct list ended;

    list_init(&ended);
    bool on = lock_irq(&p->queue.lock);
    u32 count = end_watches(p, &key, &ended);
    unlock_irq(&p->queue.lock, on);
    free_entries(&ended);
    return count > 0 ? OK : ERR_NOT_FOUND;
}

// --- packets -----------------------------------------------------------------

status_t
port_post(struct port *p, u64 key, u64 value, struct account *payer)
{
    status_t status;
    struct entry *e = entry_new(p, key, payer, &status);

    if (e == NULL)
        return status;
    e->packet.value = value;
    e->posted = true;
    bool on = lock_irq(&p->queue.lock);
    if (p->closed)
        status = ERR_BAD_HANDLE;
    else if (p->posted_count >= LIMIT_PORT_PACKETS)
        status = ERR_SHOULD_WAIT;
    if (status == OK) {
        p->posted_count++;
        make_ready(p, e);
    }
    unlock_irq(&p->queue.lock, on);
    if (status != OK)
        kernel_free(e);
    return status;
}

// Take at most `count` packets that are there.
static u32
take_ready(struct port *p, struct packet *to, u32 count, struct list *ended)
{
    u32 taken = 0;

    assert_held(&p->queue.lock);
    while (taken < count && !list_empty(&p->ready)) {
        struct entry *e = CONTAINER(p->ready.next, struct entry, ready);
        to[taken++] = e->packet;
        list_remove(&e->ready);
        e->packet.signals = e->packet.count = 0;
        if (!e->repeat)
            end_entry(e, ended);
    }
    return taken;
}

// Take some, or wait until it is worth to look again.
static status_t LOCKS_BY_HAND
take_or_wait(struct port *p, struct packet *to, u32 room, u64 deadline,
             u32 *taken)
{
    struct list ended;

    list_init(&ended);
    bool on = lock_irq(&p->queue.lock);
    *taken = take_ready(p, to, room, &ended);
    if (*taken == 0 && !p->closed && !deadline_is_over(deadline))
        return wait_queue_wait(&p->queue, 0, deadline, on);
    bool closed = p->closed;
    unlock_irq(&p->queue.lock, on);
    free_entries(&ended);
    if (*taken > 0)
        return OK;
    return closed        ? ERR_BAD_HANDLE :
           deadline == 0 ? ERR_SHOULD_WAIT :
                           ERR_TIMED_OUT;
}

status_t
port_wait(struct port *p, struct bytes packets, u64 deadline, u32 *count)
{
    struct packet some[TAKEN_AT_ONCE];
    u64 room = MIN(packets.size / sizeof(some[0]), LIMIT_PORT_BATCH);
    status_t status = OK;
    u32 taken = 0;

    *count = 0;
    while (room > 0 && status == OK && taken == 0)
        status = take_or_wait(p, some, (u32)MIN(room, TAKEN_AT_ONCE), deadline,
                              &taken);
    while (status == OK && taken > 0) {
        memcpy(packets.ptr + *count * sizeof(some[0]), some,
               taken * sizeof(some[0]));
        *count += taken;
        room -= taken;
        if (take_or_wait(p, some, (u32)MIN(room, TAKEN_AT_ONCE), 0, &taken) !=
            OK)
            taken = 0;
    }
    return status;
}

// --- the end -----------------------------------------------------------------

void
port_closed(struct object *o)
{
    struct port *p = port_from_object(o);
    struct list ended;

    list_init(&ended);
    bool on = lock_irq(&p->queue.lock);
    p->closed = true;
    end_watches(p, NULL, &ended);
    while (!list_empty(&p->ready))
        end_entry(CONTAINER(p->ready.next, struct entry, ready), &ended);
    unlock_irq(&p->queue.lock, on);
    wait_queue_wake_many(&p->queue, 0, UINT32_MAX);
    free_entries(&ended);
}

void
port_free(struct object *o)
{
    struct port *p = port_from_object(o);

    if (!p->closed)
        port_closed(o); // it never had a handle
    kernel_free(p);
}
