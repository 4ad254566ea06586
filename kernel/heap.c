// kernel/heap.c: memory for objects.
//
// Small blocks lie in slabs, each of one size class (four classes per
// doubling).  A slab gets memory as its blocks are cut, and goes back to the
// port as a whole when its last block is freed, but for one of each class, if
// it has no more than SLAB_STEP.  Large blocks are reservations of their own.
// A header in front of each block says which, and whose account has it.
//
// Builds for tests fill what nobody has with POISON, and stop where something
// else is in it when it is handed out: somebody wrote to a block that was
// freed.

#include "kernel/internal.h"

enum {
    ALIGN = 16,
    SMALL_MAX = 32 * 1024, // header included
    CLASSES = 44,
    SLAB = 256 * 1024,     // also its alignment
    SLAB_STEP = 16 * 1024, // by which its memory grows
    LARGE = 0xff,
    MAGIC = 0x6e62,
    POISON = 0xa5,
};

struct header {
    u16 magic; // MAGIC: handed out
    u8 class;
    u8 resource;           // enum resource
    u32 units;             // of ALIGN bytes, header included
    struct account *payer; // a reference
};

struct free_block {
    struct header header;
    struct free_block *next;
};

// What a slab starts with; under heap.lock.
struct slab {
    struct list link; // in heap.with_room, or empty: no block is left
    struct free_block *free;
    u32 class;
    u32 used;          // blocks handed out
    u32 at, committed; // bytes that were cut, that have memory
};

static struct lock heap_lock = LOCK_INIT(HEAP);
static struct {
    struct list with_room[CLASSES]; // slabs, once `ready`
    bool ready;
    u64 in_use, held; // bytes, atomic
} heap GUARDED_BY(heap_lock);

_Static_assert(sizeof(struct header) == ALIGN, "blocks stay aligned");
_Static_assert(SMALL_MAX <= SLAB - SLAB_STEP, "every slab has a block");

static const u64 LARGEST = 32 * GIB; // fits header.units

enum { FIRST = (sizeof(struct slab) + ALIGN - 1) / ALIGN * ALIGN }; // block

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

static u64
size_of(const struct header *header)
{
    return (u64)header->units * ALIGN;
}

static void
count(u64 *total, u64 change)
{
    __atomic_fetch_add(total, change, __ATOMIC_RELAXED);
}

// --- poison ------------------------------------------------------------------

static void
poison(struct free_block *block, u64 size)
{
    if (CHECKED)
        memset(block + 1, POISON, size - sizeof(*block));
}

static void
poison_check(const struct header *header, u64 size)
{
    const u8 *bytes = (const u8 *)header;

    for (u64 i = sizeof(struct free_block); CHECKED && i < size; i++)
        if (bytes[i] != POISON)
            panic(__FILE__, __LINE__, "a freed block was written to");
}

// --- slabs -------------------------------------------------------------------

// Address space of which the first `committed` bytes are memory, or NULL.
static void *
reserve(u64 size, u64 align, u64 committed)
{
    void *space = port_reserve(size, align);

    if (space != NULL && !kept_commit(space, committed)) {
        port_release(space, size);
        return NULL;
    }
    return space;
}

// A slab without blocks, in no list.
static struct slab *
slab_new(u32 class)
{
    struct slab *s = reserve(SLAB, SLAB, SLAB_STEP);

    if (s == NULL)
        return NULL;
    list_init(&s->link);
    s->class = class;
    s->at = FIRST;
    s->committed = SLAB_STEP;
    count(&heap.held, SLAB_STEP);
    return s;
}

static void
slab_free(struct slab *s)
{
    count(&heap.held, -(u64)s->committed);
    port_release(s, SLAB);
}

// A block that was never used; NULL: no memory.  heap_lock is held.
static struct free_block *
slab_cut(struct slab *s, u32 size) REQUIRES(heap_lock)
{
    u32 more = s->at + size > s->committed ?
                   (u32)ALIGN_UP(s->at + size - s->committed, SLAB_STEP) :
                   0;

    assert_held(&heap_lock);
    if (more > 0 && !port_commit((u8 *)s + s->committed, more))
        return NULL;
    s->committed += more;
    count(&heap.held, more);
    s->at += size;
    struct free_block *block = (struct free_block *)((u8 *)s + s->at - size);
    poison(block, size);
    return block;
}

static bool
slab_is_full(const struct slab *s, u32 size)
{
    return s->free == NULL && s->at + size > SLAB;
}

// A block of s, if it has one or gets memory.  heap_lock is held.
static struct header *
slab_take(struct slab *s, u32 size) REQUIRES(heap_lock)
{
    struct free_block *block = s->free;

    assert_held(&heap_lock);
    if (block != NULL)
        s->free = block->next;
    else
        block = slab_cut(s, size);
    if (block == NULL)
        return NULL;
    s->used++;
    if (slab_is_full(s, size))
        list_remove(&s->link);
    return &block->header;
}

// --- small blocks ------------------------------------------------------------

// From any slab of the class, the ones at the front first, so that the others
// become empty.  heap_lock is held.
static struct header *
take_small(u32 class, u32 size) REQUIRES(heap_lock)
{
    struct list *slabs = &heap.with_room[class];
    struct header *header = NULL;

    assert_held(&heap_lock);
    for (struct list *at = slabs->next; at != slabs && header == NULL;) {
        struct slab *s = CONTAINER(at, struct slab, link);

        at = at->next;
        header = slab_take(s, size);
    }
    return header;
}

// heap_lock is held.
static void
add_slab(struct slab *s) REQUIRES(heap_lock)
{
    assert_held(&heap_lock);
    list_append(&heap.with_room[s->class], &s->link);
}

static void
make_ready(void) REQUIRES(heap_lock)
{
    assert_held(&heap_lock);
    for (u32 class = 0; class < CLASSES && !heap.ready; class ++)
        list_init(&heap.with_room[class]);
    heap.ready = true;
}

static struct header *
alloc_small(u32 class)
{
    u32 size = (u32)class_size(class);
    struct slab *fresh = NULL;

    lock(&heap_lock);
    make_ready();
    struct header *header = take_small(class, size);
    unlock(&heap_lock);
    if (header == NULL)
        fresh = slab_new(class);
    if (fresh != NULL) {
        lock(&heap_lock);
        header = slab_take(fresh, size);
        add_slab(fresh);
        unlock(&heap_lock);
    }
    if (header == NULL)
        return NULL;
    poison_check(header, size);
    header->class = (u8) class;
    return header;
}

static void
free_small(struct header *header)
{
    struct slab *s = (struct slab *)((u64)header & ~(u64)(SLAB - 1));
    struct free_block *block = (struct free_block *)header;
    u32 size = (u32)size_of(header), class = header->class;

    assert(class < CLASSES && class == s->class);
    poison(block, size);
    lock(&heap_lock);
    struct list *slabs = &heap.with_room[class];
    if (slab_is_full(s, size))
        add_slab(s);
    block->next = s->free;
    s->free = block;
    s->used--;
    bool empty = s->used == 0;
    bool only = slabs->next == &s->link && s->link.next == slabs;
    bool keep = !empty || (only && s->committed == SLAB_STEP);
    if (!keep)
        list_remove(&s->link);
    unlock(&heap_lock);
    if (!keep)
        slab_free(s);
}

// --- large blocks ------------------------------------------------------------

static struct header *
alloc_large(u64 size)
{
    struct header *header = reserve(size, PAGE_SIZE, size);

    if (header == NULL)
        return NULL;
    header->class = LARGE;
    count(&heap.held, size);
    return header;
}

static void
free_large(struct header *header)
{
    u64 size = size_of(header);

    count(&heap.held, -size);
    port_release(header, size);
}

// --- either ------------------------------------------------------------------

// NULL: there is no memory.
static struct header *
alloc(u64 whole, u64 block)
{
    bool small = whole <= SMALL_MAX;
    struct header *header =
        small ? alloc_small(class_of(whole)) : alloc_large(block);

    if (header != NULL && small) // large blocks are fresh
        memset(header + 1, 0, whole - sizeof(*header));
    return header;
}

void *
account_alloc(struct account *a, enum resource r, u64 size, status_t *status)
{
    u64 whole = size + sizeof(struct header);

    *status = ERR_NO_MEMORY;
    if (size > LARGEST)
        return NULL;
    u64 block = whole <= SMALL_MAX ? class_size(class_of(whole)) :
                                     ALIGN_UP(whole, PAGE_SIZE);
    if (!account_charge(a, r, block)) {
        *status = ERR_LIMIT;
        return NULL;
    }
    struct header *header = alloc(whole, block);
    if (header == NULL) {
        account_uncharge(a, r, block);
        return NULL;
    }
    header->magic = MAGIC;
    header->resource = (u8)r;
    header->units = (u32)(block / ALIGN);
    header->payer = a;
    account_hold(a);
    count(&heap.in_use, block);
    *status = OK;
    return header + 1;
}

void *
kernel_alloc(u64 size)
{
    status_t status;

    return account_alloc(account_current(), RESOURCE_KERNEL, size, &status);
}

void
kernel_free(void *ptr)
{
    if (ptr == NULL)
        return;
    struct header *header = (struct header *)ptr - 1;
    struct account *payer = header->payer;
    enum resource r = header->resource;
    u64 size = size_of(header);

    assert(header->magic == MAGIC);
    header->magic = 0;
    count(&heap.in_use, -size);
    if (header->class == LARGE)
        free_large(header);
    else
        free_small(header);
    account_uncharge(payer, r, size);
    account_release(payer);
}

void
heap_reclaim(void)
{
    for (u32 class = 0; class < CLASSES; class ++) {
        struct slab *empty = NULL;

        lock(&heap_lock);
        make_ready();
        struct list *slabs = &heap.with_room[class];
        for (struct list *at = slabs->next; at != slabs; at = at->next)
            if (CONTAINER(at, struct slab, link)->used == 0)
                empty = CONTAINER(at, struct slab, link);
        if (empty != NULL)
            list_remove(&empty->link);
        unlock(&heap_lock);
        if (empty != NULL)
            slab_free(empty);
    }
}

u64
heap_in_use(void)
{
    return __atomic_load_n(&heap.in_use, __ATOMIC_RELAXED);
}

u64
heap_held(void)
{
    return __atomic_load_n(&heap.held, __ATOMIC_RELAXED);
}
