// port/linux/memory.c: addresses and memory from mmap.
//
// A reservation is a PROT_NONE mapping; committing is mprotect, so Linux gives
// the pages on first touch.  Slots are cut from one region, reserved at the
// start with a guard on both sides; all else lies where mmap finds room, which
// is outside.  Code is written while its pages are read-write and nobody has
// its address, then becomes read-execute for good.

#include "port/linux/linux.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

enum {
    ARENA_PAGES = 1 << 18, // 1 GiB of code
    ARENA_WORDS = ARENA_PAGES / 64,
    GRANULES = 1 << 16, // of the slots: 64 TiB, or what Linux gives
};

#define GRANULE ((u64)GIB) // slots are whole ones
#define GUARD   (8 * GIB)  // what an access adds to the base of a slot

// Which units of a region of addresses are taken.
struct units {
    u64 *used; // bit set
    u32 count;
    u32 next; // where to look first
    u32 lock;
};

static u64 arena_used[ARENA_WORDS], slots_used[GRANULES / 64];

static struct {
    u8 *base;
    struct units units;
} arena =
    {
        .units = {.used = arena_used, .count = ARENA_PAGES}
},
  slots = {.units = {.used = slots_used}};

static u64 commits_left = UINT64_MAX;

void
linux_fail_commits(u64 after)
{
    commits_left = after;
}

// --- units -------------------------------------------------------------------

static bool
units_lock(struct units *u)
{
    bool on = port_interrupts_off();

    while (__atomic_exchange_n(&u->lock, 1, __ATOMIC_ACQUIRE) != 0)
        __builtin_ia32_pause();
    return on;
}

static void
units_unlock(struct units *u, bool on)
{
    __atomic_store_n(&u->lock, 0, __ATOMIC_RELEASE);
    port_interrupts_restore(on);
}

// The first free run of `count` units at or after `from`, or u->count.
static u32
find_run(const struct units *u, u32 from, u32 count)
{
    u32 run = 0;

    for (u32 unit = from; unit < u->count; unit++) {
        run = bit_get(u->used, unit) ? 0 : run + 1;
        if (run == count)
            return unit + 1 - count;
    }
    return u->count;
}

// Take a run of units; false when there is none.
static bool
units_take(struct units *u, u64 count, u32 *first)
{
    if (count == 0 || count > u->count)
        return false;
    bool on = units_lock(u);
    u32 unit = find_run(u, u->next, (u32)count);

    if (unit == u->count)
        unit = find_run(u, 0, (u32)count);
    bool found = unit != u->count;
    if (found) {
        for (u32 i = unit; i < unit + count; i++)
            bit_set(u->used, i);
        u->next = unit + (u32)count;
    }
    units_unlock(u, on);
    *first = unit;
    return found;
}

static void
units_give(struct units *u, u32 first, u64 count)
{
    bool on = units_lock(u);

    for (u32 i = first; i < first + count; i++)
        bit_clear(u->used, i);
    u->next = MIN(u->next, first);
    units_unlock(u, on);
}

// --- addresses ---------------------------------------------------------------

static void *
map(u64 size)
{
    void *ptr = mmap(NULL, size, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return ptr == MAP_FAILED ? NULL : ptr;
}

static void
unmap(u8 *from, u8 *to)
{
    if (from < to)
        munmap(from, (u64)(to - from));
}

void *
port_reserve(u64 size, u64 align)
{
    assert((align & (align - 1)) == 0 && align >= PAGE_SIZE);
    size = ALIGN_UP(size, PAGE_SIZE);
    if (size == 0 || size + align < size)
        return NULL;

    bool on = port_interrupts_off();
    u64 slack = align > PAGE_SIZE ? align : 0;
    u8 *ptr = map(size + slack);
    u8 *start = (u8 *)ALIGN_UP((u64)ptr, align);
    if (ptr != NULL && slack != 0) {
        unmap(ptr, start);
        unmap(start + size, ptr + size + slack);
    }
    port_interrupts_restore(on);
    return ptr != NULL ? start : NULL;
}

void *
port_reserve_slot(u64 size)
{
    u32 first;

    if (size > slots.units.count * GRANULE ||
        !units_take(&slots.units, ALIGN_UP(size, GRANULE) / GRANULE, &first))
        return NULL;
    return slots.base + first * GRANULE;
}

bool
port_slot_contains(u64 address)
{
    return address - (u64)slots.base < slots.units.count * GRANULE;
}

static bool
protect(void *ptr, u64 size, int protection)
{
    u64 start = (u64)ptr & ~(u64)(PAGE_SIZE - 1);
    u64 end = ALIGN_UP((u64)ptr + size, PAGE_SIZE);
    bool on = port_interrupts_off();
    bool done = mprotect((void *)start, end - start, protection) == 0;

    port_interrupts_restore(on);
    return done;
}

bool
port_commit(void *ptr, u64 size)
{
    if (commits_left != UINT64_MAX) {
        if (commits_left == 0)
            return false;
        commits_left--;
    }
    return size == 0 || protect(ptr, size, PROT_READ | PROT_WRITE);
}

void
port_decommit(void *ptr, u64 size)
{
    bool on = port_interrupts_off();

    assert(((u64)ptr | size) % PAGE_SIZE == 0);
    void *fresh = ptr;
    if (size != 0)
        fresh = mmap(ptr, size, PROT_NONE,
                     MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                     -1, 0);
    assert(fresh == ptr);
    port_interrupts_restore(on);
}

static void
release_slot(u8 *ptr, u64 size)
{
    u64 count = ALIGN_UP(size, GRANULE) / GRANULE;

    assert((u64)(ptr - slots.base) % GRANULE == 0);
    port_decommit(ptr, count * GRANULE);
    units_give(&slots.units, (u32)((u64)(ptr - slots.base) / GRANULE), count);
}

void
port_release(void *ptr, u64 size)
{
    if (port_slot_contains((u64)ptr)) {
        release_slot(ptr, size);
        return;
    }
    bool on = port_interrupts_off();

    munmap(ptr, ALIGN_UP(size, PAGE_SIZE));
    port_interrupts_restore(on);
}

bool
port_seal(void *ptr, u64 size)
{
    return protect(ptr, size, PROT_READ);
}

void
port_memory_info(u64 *available, u64 *total)
{
    struct sysinfo info;
    bool on = port_interrupts_off();

    sysinfo(&info);
    port_interrupts_restore(on);
    *total = (u64)info.totalram * info.mem_unit;
    *available = commits_left == 0 ? 0 : *total;
}

// --- code --------------------------------------------------------------------

void *
port_code_publish(const void *text, u64 size)
{
    u32 page;

    if (size > (u64)ARENA_PAGES * PAGE_SIZE ||
        !units_take(&arena.units, ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE, &page))
        return NULL;
    u8 *to = arena.base + (u64)page * PAGE_SIZE;
    if (port_commit(to, size)) {
        memcpy(to, text, size);
        if (protect(to, size, PROT_READ | PROT_EXEC))
            return to;
    }
    port_code_release(to, size);
    return NULL;
}

void
port_code_release(void *text, u64 size)
{
    u32 page = (u32)(((u64)text - (u64)arena.base) / PAGE_SIZE);
    u64 count = ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE;

    assert(port_code_contains((u64)text));
    port_decommit(text, count * PAGE_SIZE);
    units_give(&arena.units, page, count);
}

bool
port_code_contains(u64 pc)
{
    return pc - (u64)arena.base < (u64)ARENA_PAGES * PAGE_SIZE;
}

// As many slots as there are addresses for.
static void
reserve_slots(void)
{
    u8 *start = NULL;
    u32 count = GRANULES;

    while (start == NULL && count > 0) {
        start = port_reserve(count * GRANULE + 2 * GUARD, GRANULE);
        if (start == NULL)
            count /= 2;
    }
    assert(start != NULL);
    slots.base = start + GUARD;
    slots.units.count = count;
}

void
linux_memory_init(void)
{
    arena.base = port_reserve((u64)ARENA_PAGES * PAGE_SIZE, PAGE_SIZE);
    assert(arena.base != NULL);
    reserve_slots();
}
