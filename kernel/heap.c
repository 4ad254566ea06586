// kernel/heap.c: memory for objects.
//
// Small blocks come from free lists, one per size class (four classes per
// doubling), cut from one reserved range that only grows.  Large blocks are
// reservations of their own.  A header in front of each block says which.

#include "kernel/kernel.h"

enum {
    ALIGN = 16,
    SMALL_MAX = 64 * 1024, // header included
    CLASSES = 48,
    CHUNK = 256 * 1024,
    LARGE = 0xff,
    MAGIC = 0x6e65626c,
};

static const u64 HEAP_RESERVED = 64 * GIB;

struct header {
    u32 magic;
    u32 class;
    u64 size; // of the block, header included
};

struct free_block {
    struct header header;
    struct free_block *next;
};

static struct {
    struct lock lock;
    u8 *base;
    u64 at, committed;
    struct free_block *free[CLASSES];
    u64 in_use;
} heap;

_Static_assert(sizeof(struct header) == ALIGN, "blocks stay aligned");

// Classes 0.. are 32, 40, 48, 56, 64, 80, ... rounded up to the alignment.
static u32
class_of(u64 size)
{
    if (size <= 32)
        return 0;
    u32 log = 63 - (u32)__builtin_clzll(size - 1);

    return (log - 5) * 4 + (u32)((size - 1) >> (log - 2) & 3) + 1;
}

static u64
class_size(u32 class)
{
    u64 unit = 8ull << (class / 4);

    return ALIGN_UP((4 + class % 4) * unit, ALIGN);
}

// heap.lock is held.
static struct header *
cut(u64 size)
{
    if (heap.base == NULL)
        heap.base = port_reserve(HEAP_RESERVED, PAGE_SIZE);
    if (heap.base == NULL || heap.at + size > HEAP_RESERVED)
        return NULL;
    if (heap.at + size > heap.committed) {
        if (!port_commit(heap.base + heap.committed, CHUNK))
            return NULL;
        heap.committed += CHUNK;
    }
    heap.at += size;
    return (struct header *)(heap.base + heap.at - size);
}

static struct header *
alloc_small(u32 class)
{
    u64 size = class_size(class);

    lock(&heap.lock);
    struct free_block *block = heap.free[class];
    struct header *header = (struct header *)block;
    if (block != NULL)
        heap.free[class] = block->next;
    else
        header = cut(size);
    if (header != NULL) {
        *header = (struct header){MAGIC, class, size};
        heap.in_use += size;
    }
    unlock(&heap.lock);
    return header;
}

static struct header *
alloc_large(u64 size)
{
    struct header *header = port_reserve(size, PAGE_SIZE);

    if (header == NULL)
        return NULL;
    if (!port_commit(header, size)) {
        port_release(header, size);
        return NULL;
    }
    *header = (struct header){MAGIC, LARGE, size};
    __atomic_fetch_add(&heap.in_use, size, __ATOMIC_RELAXED);
    return header;
}

void *
kernel_alloc(u64 size)
{
    if (size > UINT64_MAX / 2)
        return NULL;
    u64 whole = size + sizeof(struct header);
    bool small = whole <= SMALL_MAX;
    struct header *header = small ? alloc_small(class_of(whole)) :
                                    alloc_large(ALIGN_UP(whole, PAGE_SIZE));

    if (header == NULL)
        return NULL;
    if (small)
        memset(header + 1, 0, size); // large blocks are fresh
    return header + 1;
}

void
kernel_free(void *ptr)
{
    if (ptr == NULL)
        return;
    struct header *header = (struct header *)ptr - 1;
    assert(header->magic == MAGIC);
    header->magic = 0;
    if (header->class == LARGE) {
        __atomic_fetch_sub(&heap.in_use, header->size, __ATOMIC_RELAXED);
        port_release(header, header->size);
        return;
    }
    struct free_block *block = (struct free_block *)header;
    lock(&heap.lock);
    heap.in_use -= header->size;
    block->next = heap.free[header->class];
    heap.free[header->class] = block;
    unlock(&heap.lock);
}

u64
heap_in_use(void)
{
    return __atomic_load_n(&heap.in_use, __ATOMIC_RELAXED);
}
