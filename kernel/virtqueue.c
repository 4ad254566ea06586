// kernel/virtqueue.c: a split virtqueue, the driver's side (virtqueue.h).

#include "kernel/virtqueue.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_TABLE = 4 };
enum { AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };

// The layouts of virtio 1.2, 2.7.5, 2.7.6 and 2.7.8; little-endian as we are.
struct virtqueue_desc {
    u64 address;
    u32 size;
    u16 flags, next;
};

struct virtqueue_avail {
    u16 flags, index;
    u16 ring[]; // `size` heads, then used_event
};

struct virtqueue_used {
    u16 flags, index;
    struct {
        u32 id, written;
    } ring[]; // `size` of them, then avail_event
};

static u64
avail_bytes(u32 size)
{
    return sizeof(struct virtqueue_avail) + (size + 1ull) * sizeof(u16);
}

static u64
used_offset(u32 size)
{
    return ALIGN_UP(size * sizeof(struct virtqueue_desc) + avail_bytes(size),
                    8);
}

u64
virtqueue_bytes(u32 size)
{
    return used_offset(size) + sizeof(struct virtqueue_used) + size * 8ull +
           sizeof(u16);
}

static u16 *
used_event(struct virtqueue *q)
{
    return &q->avail->ring[q->size];
}

static u16 *
avail_event(struct virtqueue *q)
{
    return (u16 *)&q->used->ring[q->size];
}

void
virtqueue_init(struct virtqueue *q, void *memory, u32 size, bool event_index)
{
    u8 *base = memory;

    assert(size > 0 && size <= VIRTQUEUE_MAX && (size & (size - 1)) == 0);
    *q = (struct virtqueue){
        .size = size,
        .event_index = event_index,
        .free_count = (u16)size,
        .offsets = {0, size * sizeof(struct virtqueue_desc), used_offset(size)},
    };
    q->desc = (struct virtqueue_desc *)base;
    q->avail = (struct virtqueue_avail *)(base + q->offsets[1]);
    q->used = (struct virtqueue_used *)(base + q->offsets[2]);
    for (u32 i = 0; i < size; i++)
        q->slots[i].next = (u16)((i + 1) % size);
}

u64
virtqueue_table_bytes(u32 size)
{
    return size * (u64)VIRTQUEUE_TABLE * sizeof(struct virtqueue_desc);
}

void
virtqueue_use_tables(struct virtqueue *q, void *memory, u64 address)
{
    q->tables = memory;
    q->tables_address = address;
}

// --- giving ------------------------------------------------------------------

static void
write_descriptor(struct virtqueue_desc *desc,
                 const struct virtqueue_piece *piece, bool last, u16 next)
{
    desc->address = piece->address;
    desc->size = piece->size;
    desc->flags = (u16)((piece->in ? DESC_WRITE : 0) | (last ? 0 : DESC_NEXT));
    desc->next = next;
}

// One that leads to a table of the pieces.
static void
write_table(struct virtqueue *q, u16 head, const struct virtqueue_piece *pieces,
            u32 count)
{
    u32 first = head * (u32)VIRTQUEUE_TABLE;

    for (u32 i = 0; i < count; i++)
        write_descriptor(&q->tables[first + i], &pieces[i], i + 1 == count,
                         (u16)(i + 1));
    q->desc[head] = (struct virtqueue_desc){
        .address = q->tables_address + first * sizeof(struct virtqueue_desc),
        .size = count * (u32)sizeof(struct virtqueue_desc),
        .flags = DESC_TABLE,
    };
}

// As a chain of descriptors.
static void
write_chain(struct virtqueue *q, u16 at, const struct virtqueue_piece *pieces,
            u32 count)
{
    for (u32 i = 0; i < count; i++) {
        u16 next = q->slots[at].next;
        write_descriptor(&q->desc[at], &pieces[i], i + 1 == count, next);
        at = next;
    }
}

// The slot `count` behind `at` in the list of free ones.
static u16
skip(const struct virtqueue *q, u16 at, u32 count)
{
    while (count-- > 0)
        at = q->slots[at].next;
    return at;
}

status_t
virtqueue_add(struct virtqueue *q, const struct virtqueue_piece *pieces,
              u32 count, u64 token)
{
    bool table = q->tables != NULL && count > VIRTQUEUE_DIRECT &&
                 count <= VIRTQUEUE_TABLE;
    u32 length = table ? 1 : count, writable = 0;
    u16 head = q->free;

    assert(count > 0);
    if (q->broken)
        return ERR_IO;
    if (length > q->free_count)
        return ERR_FULL;
    if (table)
        write_table(q, head, pieces, count);
    else
        write_chain(q, head, pieces, count);
    for (u32 i = 0; i < count; i++)
        writable += pieces[i].in ? pieces[i].size : 0;
    q->free = skip(q, head, length);
    q->free_count -= (u16)length;
    q->slots[head].token = token;
    q->slots[head].writable = writable;
    q->slots[head].length = (u16)length;
    q->avail->ring[q->added++ & (q->size - 1)] = head;
    return OK;
}

bool
virtqueue_publish(struct virtqueue *q)
{
    u16 old = q->published, new = q->added;

    if (q->broken || old == new)
        return false;
    __atomic_store_n(&q->avail->index, new, __ATOMIC_RELEASE);
    q->published = new;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // before reading what it wants
    bool wanted;
    if (q->event_index) {
        u16 event = __atomic_load_n(avail_event(q), __ATOMIC_RELAXED);
        wanted = (u16)(new - event - 1) < (u16)(new - old);
    } else {
        u16 flags = __atomic_load_n(&q->used->flags, __ATOMIC_RELAXED);
        wanted = !(flags & USED_NO_NOTIFY);
    }
    q->notifications += wanted;
    return wanted;
}

// --- taking ------------------------------------------------------------------

static status_t
break_queue(struct virtqueue *q)
{
    q->broken = true;
    return ERR_IO;
}

// What is still in flight: no device can finish more than that.
static u16
in_flight(const struct virtqueue *q)
{
    return (u16)(q->published - q->taken);
}

static void
free_request(struct virtqueue *q, u16 head)
{
    u16 last = head, length = q->slots[head].length;

    for (u16 i = 1; i < length; i++)
        last = q->slots[last].next;
    q->slots[last].next = q->free;
    q->slots[head].length = 0;
    q->free = head;
    q->free_count += length;
}

status_t
virtqueue_take(struct virtqueue *q, u64 *token, u32 *written)
{
    if (q->broken)
        return ERR_IO;
    u16 done = __atomic_load_n(&q->used->index, __ATOMIC_ACQUIRE) - q->taken;
    if (done == 0)
        return ERR_SHOULD_WAIT;
    if (done > in_flight(q))
        return break_queue(q);
    u32 at = q->taken & (q->size - 1);
    u32 id = __atomic_load_n(&q->used->ring[at].id, __ATOMIC_RELAXED);
    u32 size = __atomic_load_n(&q->used->ring[at].written, __ATOMIC_RELAXED);
    if (id >= q->size || q->slots[id].length == 0)
        return break_queue(q);
    id = (u32)index_masked(id, q->size);
    *token = q->slots[id].token;
    *written = MIN(size, q->slots[id].writable);
    free_request(q, (u16)id);
    q->taken++;
    return OK;
}

bool
virtqueue_has_some(const struct virtqueue *q)
{
    u16 index = __atomic_load_n(&q->used->index, __ATOMIC_ACQUIRE);

    return q->broken || index != q->taken;
}

bool
virtqueue_arm(struct virtqueue *q, u16 count)
{
    u16 event = (u16)(q->taken + count - 1);

    if (q->broken)
        return true;
    __atomic_store_n(used_event(q), event, __ATOMIC_RELAXED);
    __atomic_store_n(&q->avail->flags, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); // before looking again
    u16 index = __atomic_load_n(&q->used->index, __ATOMIC_ACQUIRE);
    return (u16)(index - q->taken) < count;
}

void
virtqueue_disarm(struct virtqueue *q)
{
    // An event that is half the numbers away.
    __atomic_store_n(used_event(q), (u16)(q->taken + 0x8000), __ATOMIC_RELAXED);
    if (!q->event_index)
        __atomic_store_n(&q->avail->flags, AVAIL_NO_INTERRUPT,
                         __ATOMIC_RELAXED);
}
