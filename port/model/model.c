// port/model/model.c: the device's side of a virtio device: its registers, and
// split rings (virtio 1.2, 2.7).  By the specification, not by
// kernel/virtqueue.c.

#include "port/model/model.h"

#include "kernel/kernel.h"

enum { DESC_SIZE = 16, NEXT = 1, WRITE = 2, TABLE = 4, NO_INTERRUPT = 1 };

struct desc {
    u64 address;
    u32 size;
    u16 flags, next;
};

static struct model *
model_of(struct virtio_device *d)
{
    return CONTAINER(d, struct model, device);
}

// --- registers ---------------------------------------------------------------

static u32
features(struct virtio_device *d, u32 word)
{
    return (u32)(model_of(d)->features >> 32 * (word & 1));
}

static void
accept(struct virtio_device *d, u32 word, u32 accepted)
{
    struct model *m = model_of(d);
    bool on = lock_irq(&m->lock);

    m->accepted &= ~(UINT32_MAX * 1ull << 32 * (word & 1));
    m->accepted |= (u64)accepted << 32 * (word & 1);
    unlock_irq(&m->lock, on);
}

static u8
status(struct virtio_device *d)
{
    return __atomic_load_n(&model_of(d)->status, __ATOMIC_ACQUIRE);
}

// Under the lock, so that it does not work any more when it says 0.
static void
set_status(struct virtio_device *d, u8 value)
{
    struct model *m = model_of(d);
    bool on = lock_irq(&m->lock);

    if (value == 0 && m->type->stop != NULL)
        m->type->stop(m);
    if (value == 0 && !m->stuck) {
        memset(m->queues, 0, sizeof(m->queues));
        m->accepted = 0;
    }
    if ((value & VIRTIO_FEATURES_OK) && (m->accepted & ~m->features) != 0)
        value &= (u8)~VIRTIO_FEATURES_OK;
    if (value != 0 || !m->stuck)
        __atomic_store_n(&m->status, value, __ATOMIC_RELEASE);
    unlock_irq(&m->lock, on);
}

static u32
queue_max(struct virtio_device *d, u32 index)
{
    struct model *m = model_of(d);

    return index < m->type->queues ? m->queue_max : 0;
}

static void
queue_start(struct virtio_device *d, u32 index, u64 ring,
            const struct virtqueue *q)
{
    struct model *m = model_of(d);
    bool on = lock_irq(&m->lock);

    m->queues[index] = (struct model_queue){
        .size = q->size,
        .desc = m->at(ring + q->offsets[0]),
        .avail = m->at(ring + q->offsets[1]),
        .used = m->at(ring + q->offsets[2]),
    };
    unlock_irq(&m->lock, on);
}

static void
notify(struct virtio_device *d, u32 index)
{
    struct model *m = model_of(d);

    __atomic_fetch_add(&m->notified, 1, __ATOMIC_RELAXED);
    if (m->type->serve != NULL)
        model_work(m, index);
}

static u32
config(struct virtio_device *d, u32 at, u32 size)
{
    struct model *m = model_of(d);
    bool on = lock_irq(&m->lock);
    u32 value = 0;

    memcpy(&value, m->config + at, size);
    unlock_irq(&m->lock, on);
    return value;
}

static void
set_config(struct virtio_device *d, u32 at, u32 size, u32 value)
{
    struct model *m = model_of(d);
    bool on = lock_irq(&m->lock);

    memcpy(m->config + at, &value, size);
    unlock_irq(&m->lock, on);
}

static u32
generation(struct virtio_device *d)
{
    return __atomic_load_n(&model_of(d)->generation, __ATOMIC_ACQUIRE);
}

static const struct virtio_transport transport = {
    .features = features,
    .accept = accept,
    .status = status,
    .set_status = set_status,
    .queue_max = queue_max,
    .queue_start = queue_start,
    .notify = notify,
    .config = config,
    .set_config = set_config,
    .generation = generation,
};

void
model_init(struct model *m, const struct model_type *type,
           void *(*at)(u64 address))
{
    *m = (struct model){
        .device = {.transport = &transport, .kind = type->kind},
        .type = type,
        .at = at,
        .features = type->features | 1ull << VIRTIO_VERSION_1 |
                    1ull << VIRTIO_EVENT_INDEX | 1ull << VIRTIO_INDIRECT,
        .queue_max = VIRTQUEUE_MAX,
    };
    lock_init(&m->lock, LOCK_MODEL);
}

// --- rings: the lock is held -------------------------------------------------

static u16
load16(const u8 *at)
{
    return __atomic_load_n((const u16 *)at, __ATOMIC_ACQUIRE);
}

static bool
has_events(const struct model *m)
{
    return (m->accepted >> VIRTIO_EVENT_INDEX & 1) != 0;
}

static void
add_piece(struct model *m, struct model_request *r, const struct desc *d)
{
    if (r->count == MODEL_PIECES)
        return;
    r->pieces[r->count].ptr = m->at(d->address);
    r->pieces[r->count].size = d->size;
    r->pieces[r->count++].in = (d->flags & WRITE) != 0;
}

// The chain from `index` on, in descriptors or in a table, of `count`.
static void
read_chain(struct model *m, struct model_request *r, const u8 *table, u32 index,
           u32 count)
{
    for (u32 i = 0; i < count && index < count; i++) {
        struct desc d;
        memcpy(&d, table + DESC_SIZE * index, sizeof(d));
        if (d.flags & TABLE)
            read_chain(m, r, m->at(d.address), 0, d.size / DESC_SIZE);
        else
            add_piece(m, r, &d);
        if (!(d.flags & NEXT))
            return;
        index = d.next;
    }
}

static bool
take(struct model *m, struct model_queue *q, struct model_request *r)
{
    if (q->size == 0 || load16(q->avail + 2) == q->seen)
        return false;
    *r = (struct model_request){
        .head = load16(q->avail + 4 + 2 * (q->seen++ & (q->size - 1)))};
    read_chain(m, r, q->desc, r->head, q->size);
    if (has_events(m)) // tell us of the next
        __atomic_store_n((u16 *)(q->used + 4 + 8 * q->size), q->seen,
                         __ATOMIC_SEQ_CST);
    return true;
}

static void
finish(struct model_queue *q, u32 head, u32 written)
{
    u32 *entry;

    if (q->size == 0)
        return;
    entry = (u32 *)(q->used + 4 + 8 * (q->done++ & (q->size - 1)));
    __atomic_store_n(&entry[0], head, __ATOMIC_RELAXED);
    __atomic_store_n(&entry[1], written, __ATOMIC_RELAXED);
    __atomic_store_n((u16 *)(q->used + 2), q->done, __ATOMIC_SEQ_CST);
}

// Since `before` requests were done.
static bool
wants_interrupt(struct model *m, struct model_queue *q, u16 before)
{
    if (q->size == 0 || q->done == before)
        return false;
    if (!has_events(m))
        return (load16(q->avail) & NO_INTERRUPT) == 0;
    u16 event = load16(q->avail + 4 + 2 * q->size);
    return (u16)(q->done - event - 1) < (u16)(q->done - before);
}

// --- work --------------------------------------------------------------------

bool
model_take(struct model *m, u32 queue, struct model_request *r)
{
    bool on = lock_irq(&m->lock);
    bool taken = take(m, &m->queues[queue], r);

    unlock_irq(&m->lock, on);
    return taken;
}

void
model_finish(struct model *m, u32 queue, u32 head, u32 written)
{
    bool on = lock_irq(&m->lock);

    finish(&m->queues[queue], head, written);
    unlock_irq(&m->lock, on);
}

void
model_interrupt(struct model *m, u32 queue)
{
    struct model_queue *q = &m->queues[queue];
    bool on = lock_irq(&m->lock);
    bool wanted = wants_interrupt(m, q, (u16)(q->done - 1));

    unlock_irq(&m->lock, on);
    if (wanted)
        device_interrupt(&m->device);
}

// One request under one lock; true when there was one.
static bool
work_once(struct model *m, u32 queue)
{
    struct model_request r;
    bool on = lock_irq(&m->lock);
    struct model_queue *q = &m->queues[queue];
    u16 before = q->done;
    bool some = (m->status & VIRTIO_DRIVER_OK) && take(m, q, &r);

    if (some)
        finish(q, r.head, m->type->serve(m, queue, &r));
    bool wanted = some && wants_interrupt(m, q, before);
    unlock_irq(&m->lock, on);
    if (wanted)
        device_interrupt(&m->device);
    return some;
}

void
model_work(struct model *m, u32 queue)
{
    while (work_once(m, queue))
        continue;
}
