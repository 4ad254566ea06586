// kernel/queue.c: queues of requests to a device, of which programs name only
// memory of their own (device.h).
//
// A request says which bytes the device reads and which it writes; addresses
// are found here, when it is given to the device, and from then on until it is
// done, or the device has stopped, it pins the memory: whoever has that keeps
// it, and every page of it where it is.  READABLE is set while queue_reap()
// would return something, and an interrupt is asked for only when it found
// nothing: one that a device sends all the same costs a look.

#include "kernel/device.h"

OBJECT_FUNCTIONS(queue, object)

_Static_assert((int)LIMIT_QUEUE_SIZE == (int)VIRTQUEUE_MAX &&
                   (int)LIMIT_QUEUE_PIECES <= (int)VIRTQUEUE_TABLE,
               "one number");

// --- pins --------------------------------------------------------------------

static void
pin(struct pinned *p)
{
    object_hold(p->object);
    __atomic_fetch_add(&p->count, 1, __ATOMIC_RELAXED);
}

static void
unpin(struct pinned *p)
{
    if (p == NULL)
        return;
    u32 before = __atomic_fetch_sub(&p->count, 1, __ATOMIC_RELEASE);
    assert(before > 0);
    object_release(p->object);
}

// --- life --------------------------------------------------------------------

static void
free_memory(struct queue *q)
{
    port_dma_free(&q->ring);
    port_dma_free(&q->tables);
    if (q->payer == NULL)
        return;
    account_uncharge(q->payer, RESOURCE_OBJECTS, q->charged);
    account_release(q->payer);
}

// It is out of its device: it was closed, or never in.
void
queue_free(struct object *o)
{
    struct queue *q = queue_from_object(o);

    assert(!q->live);
    free_memory(q);
    object_release(device_object(q->device));
    kernel_free(q->flights);
    kernel_free(q);
}

void LOCKS_BY_HAND
queue_closed(struct object *o)
{
    struct queue *q = queue_from_object(o);
    struct device *d = q->device;

    mutex_lock_always(&d->managing);
    if (q->live) // which changes under `managing`
        (void)!device_stop(d);
    mutex_unlock(&d->managing);
}

static status_t
allocate_ring(struct queue *q, struct account *payer)
{
    u64 ring = ALIGN_UP(virtqueue_bytes(q->size), PAGE_SIZE);
    u64 tables = !q->device->hardware->indirect ?
                     0 :
                     ALIGN_UP(virtqueue_table_bytes(q->size), PAGE_SIZE);

    if (!account_charge(payer, RESOURCE_OBJECTS, ring + tables))
        return ERR_LIMIT;
    account_hold(payer);
    q->payer = payer;
    q->charged = ring + tables;
    if (!port_dma_new(&q->ring, ring) ||
        (tables > 0 && !port_dma_new(&q->tables, tables)))
        return ERR_NO_MEMORY;
    return OK;
}

static status_t
allocate(struct queue *q, struct account *payer)
{
    status_t status = allocate_ring(q, payer);

    if (status != OK)
        return status;
    q->flights = account_alloc(payer, RESOURCE_OBJECTS,
                               q->size * sizeof(struct flight), &status);
    if (q->flights == NULL)
        return status;
    for (u32 i = 0; i < q->size; i++)
        q->flights[i].next = (u16)(i + 1);
    virtqueue_init(&q->virtqueue, q->ring.memory, q->size,
                   q->device->hardware->event_index);
    if (q->tables.memory != NULL)
        virtqueue_use_tables(&q->virtqueue, q->tables.memory,
                             q->tables.address);
    return OK;
}

static status_t
make(struct queue **out, struct device *d, u32 index, u32 size,
     struct account *payer)
{
    struct queue *q;
    status_t status = object_new(&q, &queue_type, sizeof(*q), payer);

    if (status != OK)
        return status;
    object_hold(device_object(d));
    q->device = d;
    q->index = index;
    q->size = size;
    status = allocate(q, payer);
    if (status == OK)
        *out = q;
    else
        object_release(&q->object);
    return status;
}

// From now on the device knows it.
static void LOCKS_BY_HAND
enter(struct device *d, struct queue *q)
{
    d->hardware->transport->queue_start(d->hardware, q->index, q->ring.address,
                                        &q->virtqueue);
    bool on = lock_irq(&d->lock);
    q->live = true;
    d->queues[q->index] = q;
    unlock_irq(&d->lock, on);
}

static status_t LOCKS_BY_HAND
new_in(struct queue **out, struct device *d, u32 index, u32 size,
       struct account *payer)
{
    u32 first = 1u << (31 - __builtin_clz(size)); // a power of two

    if (d->state != DEVICE_AGREED)
        return d->state == DEVICE_STARTED ? ERR_EXISTS : ERR_NOT_FOUND;
    if (index >= VIRTIO_QUEUES)
        return ERR_NOT_FOUND;
    index = (u32)index_masked(index, VIRTIO_QUEUES);
    if (d->queues[index] != NULL) // changes under `managing`
        return ERR_EXISTS;
    size = virtio_queue_size(d->hardware, index, first);
    if (size == 0)
        return ERR_NOT_FOUND;
    status_t status = make(out, d, index, size, payer);
    if (status == OK)
        enter(d, *out);
    return status;
}

status_t
queue_new(struct queue **out, struct device *d, u32 index, u32 size,
          struct account *payer)
{
    if (size == 0 || size > LIMIT_QUEUE_SIZE)
        return ERR_BAD_ARGUMENT;
    mutex_lock_always(&d->managing);
    status_t status = new_in(out, d, index, size, payer);
    mutex_unlock(&d->managing);
    return status;
}

u32
queue_room(const struct queue *q)
{
    return q->size;
}

// --- the end -----------------------------------------------------------------

void
queue_stop(struct queue *q)
{
    assert_held(&q->device->lock);
    q->live = false;
    object_signal(&q->object, 0, SIGNAL_READABLE | SIGNAL_PEER_CLOSED);
}

// Nobody else looks at pins of a queue that is not live.
void
queue_let_go(struct queue *q)
{
    for (u32 i = 0; i < q->size; i++) {
        struct flight *f = &q->flights[i];
        bool on = lock_irq(&q->device->lock);
        struct pinned *p = f->used ? f->pin : NULL;
        f->pin = NULL;
        unlock_irq(&q->device->lock, on);
        unpin(p);
    }
}

void
queue_leak(struct queue *q)
{
    q->ring = q->tables = (struct port_dma){0};
    for (u32 i = 0; i < q->size; i++)
        q->flights[i].pin = NULL;
}

// --- giving ------------------------------------------------------------------

struct pieces {
    struct virtqueue_piece at[LIMIT_QUEUE_PIECES];
    u32 count;
    u64 size;
};

// A part of a part goes on where the one before it ends, mostly.
static status_t
add_piece(struct pieces *p, struct virtqueue_piece next, bool first)
{
    struct virtqueue_piece *last = first ? NULL : &p->at[p->count - 1];

    if (last != NULL && last->address + last->size == next.address) {
        last->size += next.size;
        return OK;
    }
    if (p->count == LIMIT_QUEUE_PIECES)
        return ERR_LIMIT;
    p->at[p->count++] = next;
    return OK;
}

// A part may be several pieces for the device.
static status_t
add_part(struct pieces *p, const struct queue_part *part)
{
    status_t status = OK;
    u64 done = 0, size;

    if (p->count > 0 && p->at[p->count - 1].in && !part->in)
        return ERR_BAD_ARGUMENT; // those that it reads come first
    p->size += part->bytes.size;
    if (p->size > LIMIT_QUEUE_BYTES)
        return ERR_LIMIT;
    for (; done < part->bytes.size && status == OK; done += size) {
        u8 *at = part->bytes.ptr + done;
        u64 address = port_dma_address(at, part->bytes.size - done, &size);
        struct virtqueue_piece next = {address, (u32)size, part->in};
        status = add_piece(p, next, done == 0);
    }
    return status;
}

static status_t
put(struct queue *q, const struct pieces *p, u64 token, struct pinned *pin)
{
    u16 at = q->free;

    assert_held(&q->device->lock);
    if (!q->live)
        return ERR_PEER_CLOSED;
    if (at == q->size)
        return ERR_FULL;
    status_t status = virtqueue_add(&q->virtqueue, p->at, p->count, at);
    if (status == ERR_IO) // found to be broken, and soon to be stopped
        return ERR_PEER_CLOSED;
    if (status != OK)
        return status;
    q->free = q->flights[at].next;
    q->flights[at] = (struct flight){.token = token, .pin = pin, .used = true};
    return OK;
}

status_t
queue_submit(struct queue *q, const struct queue_part *parts, u32 count,
             u64 token, struct pinned *memory)
{
    struct pieces pieces = {.count = 0};
    status_t status = OK;

    for (u32 i = 0; i < count && status == OK; i++)
        status = add_part(&pieces, &parts[i]);
    if (status != OK)
        return status;
    if (pieces.count == 0)
        return ERR_BAD_ARGUMENT;
    if (pieces.count > q->size && q->tables.memory == NULL)
        return ERR_LIMIT; // there will never be room
    pin(memory);
    bool on = lock_irq(&q->device->lock);
    status = put(q, &pieces, token, memory);
    unlock_irq(&q->device->lock, on);
    if (status != OK)
        unpin(memory);
    return status;
}

void
queue_publish(struct queue *q)
{
    struct virtio_device *hardware = q->device->hardware;
    bool on = lock_irq(&q->device->lock);
    bool wanted = q->live && virtqueue_publish(&q->virtqueue);

    unlock_irq(&q->device->lock, on);
    if (wanted)
        hardware->transport->notify(hardware, q->index);
}

// --- taking ------------------------------------------------------------------

enum { STEP = 16 }; // requests that one lock covers

struct step {
    struct queue_done done[STEP];
    struct pinned *pins[STEP];
    u32 count;
};

static void
tell(struct queue *q, struct step *s, u16 at, u32 size, status_t status)
{
    struct flight *f = &q->flights[at];

    s->pins[s->count] = f->pin;
    s->done[s->count++] = (struct queue_done){f->token, size, (u32)status};
    *f = (struct flight){.next = q->free};
    q->free = at;
}

// After the end: those that were under way.
static status_t
take_lost(struct queue *q, struct step *s)
{
    for (; q->lost < q->size; q->lost++)
        if (q->flights[q->lost].used) {
            tell(q, s, (u16)q->lost, 0, ERR_IO);
            return OK;
        }
    object_signal(&q->object, SIGNAL_READABLE, 0);
    return ERR_PEER_CLOSED;
}

// ERR_SHOULD_WAIT: nothing, and an interrupt will tell; ERR_IO: it is broken.
static status_t
take_done(struct queue *q, struct step *s)
{
    u64 at;
    u32 size;
    status_t status = virtqueue_take(&q->virtqueue, &at, &size);

    if (status == OK)
        tell(q, s, (u16)at, size, OK);
    else if (status == ERR_SHOULD_WAIT && virtqueue_arm(&q->virtqueue, 1))
        object_signal(&q->object, SIGNAL_READABLE, 0);
    else if (status == ERR_SHOULD_WAIT)
        status = OK; // one has come meanwhile: look again
    return status;
}

// Of at most `room`.  A device that says now this and now that does not keep us
// longer than one that gives us all.
static status_t
take_step(struct queue *q, struct step *s, u32 room)
{
    status_t status = OK;

    s->count = 0;
    bool on = lock_irq(&q->device->lock);
    for (u32 i = 0; i < room && status == OK; i++)
        status = q->live ? take_done(q, s) : take_lost(q, s);
    unlock_irq(&q->device->lock, on);
    return status;
}

static void
put_step(struct step *s, struct bytes to, u32 at)
{
    if (s->count > 0)
        memcpy(to.ptr + at * sizeof(s->done[0]), s->done,
               s->count * sizeof(s->done[0]));
    for (u32 i = 0; i < s->count; i++)
        unpin(s->pins[i]);
}

// The device breaks the rules.
static void LOCKS_BY_HAND
break_off(struct queue *q)
{
    struct device *d = q->device;

    mutex_lock_always(&d->managing);
    if (q->live) {
        klog("nebulet: a device of kind %u does not keep the rules, and is "
             "stopped",
             d->hardware->kind);
        (void)!device_stop(d);
    }
    mutex_unlock(&d->managing);
}

static status_t
reap_now(struct queue *q, struct bytes done, u32 *count)
{
    u32 room =
        (u32)MIN(done.size / sizeof(struct queue_done), LIMIT_QUEUE_BATCH);
    status_t status = OK;
    struct step s;

    *count = 0;
    for (u32 turn = 0; *count < room && status == OK; turn++) {
        status = take_step(q, &s, MIN(room - *count, STEP));
        put_step(&s, done, *count);
        *count += s.count;
        if (status == ERR_IO) {
            break_off(q);
            status = OK;
        }
        if (s.count == 0 && turn > LIMIT_QUEUE_BATCH)
            break_off(q); // one that never comes to an end
    }
    return *count > 0 ? OK : status;
}

status_t
queue_reap(struct queue *q, struct bytes done, u64 deadline, u32 *count)
{
    const u32 awaited = SIGNAL_READABLE | SIGNAL_PEER_CLOSED;

    if (done.size < sizeof(struct queue_done))
        return ERR_BAD_ARGUMENT;
    for (;;) {
        status_t status = reap_now(q, done, count);
        if (status != ERR_SHOULD_WAIT || deadline == 0)
            return status;
        status = object_wait_one(&q->object, awaited, deadline, NULL);
        if (status != OK)
            return status;
    }
}

// --- interrupts --------------------------------------------------------------

void
queue_look(struct queue *q)
{
    assert_held(&q->device->lock);
    if (!virtqueue_has_some(&q->virtqueue))
        return;
    virtqueue_disarm(&q->virtqueue);
    object_signal(&q->object, 0, SIGNAL_READABLE);
}
