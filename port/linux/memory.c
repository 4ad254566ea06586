// port/linux/memory.c: addresses and memory from mmap.
//
// A reservation is a PROT_NONE mapping; committing is mprotect, so Linux gives
// the pages on first touch; how many were committed and promised is counted
// here, against what the host has.  Slots are cut from one region, reserved at
// the start with a guard on both sides; all else lies where mmap finds room,
// which is outside.  Code is written while its pages are read-write and nobody
// has its address, then they are read-only, and executable when it is verified.
// What is large begins where Linux can back it with large pages; not the slots,
// of whose memory programs use a page here and there.

#include "port/linux/linux.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

enum {
    ARENA_PAGES = 1 << 18, // 1 GiB of code
    ARENA_WORDS = ARENA_PAGES / 64,
    GRANULES = 1 << 16, // of the slots: 64 TiB, or what Linux gives
    RESERVE_MAX = 1024, // pages that promises leave to the kernel
    LARGE_PAGE = 2 * MIB,
};

#define ADDRESSES (1ull << 47) // of a process

#define GRANULE   ((u64)GIB) // slots are whole ones
#define GUARD     (8 * GIB)  // what an access adds to the base of a slot

// Which units of a region of addresses are taken.
struct units {
    u32 count;
    struct lock lock;
    u64 *used MEMBER_GUARDED_BY(lock); // bit set
    u32 next MEMBER_GUARDED_BY(lock);  // where to look first
};

static u64 arena_used[ARENA_WORDS], slots_used[GRANULES / 64];

static struct {
    u8 *base;
    struct units units;
} arena =
    {
        .units = {.lock = LOCK_INIT(ADDRESSES),
                  .used = arena_used,
                  .count = ARENA_PAGES}
},
  slots = {.units = {.lock = LOCK_INIT(ADDRESSES), .used = slots_used}};

static struct lock account_lock = LOCK_INIT(FRAMES);

// The one count of memory, in pages; used + promised <= limit.
static struct {
    u64 *committed; // a bit for each page of the addresses
    u64 limit, used, promised;
} account GUARDED_BY(account_lock);

// --- units -------------------------------------------------------------------

// The first free run of `count` units at or after `from`, or u->count.
static u32
find_run(const struct units *u, u32 from, u32 count) REQUIRES(u->lock)
{
    u32 run = 0;

    assert_held(&u->lock);
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
    bool on = lock_irq(&u->lock);
    u32 unit = find_run(u, u->next, (u32)count);

    if (unit == u->count)
        unit = find_run(u, 0, (u32)count);
    bool found = unit != u->count;
    if (found) {
        for (u32 i = unit; i < unit + count; i++)
            bit_set(u->used, i);
        u->next = unit + (u32)count;
    }
    unlock_irq(&u->lock, on);
    *first = unit;
    return found;
}

static void
units_give(struct units *u, u32 first, u64 count)
{
    bool on = lock_irq(&u->lock);

    for (u32 i = first; i < first + count; i++)
        bit_clear(u->used, i);
    u->next = MIN(u->next, first);
    unlock_irq(&u->lock, on);
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
    bool is_large = size >= LARGE_PAGE && align <= LARGE_PAGE;
    align = is_large ? (u64)LARGE_PAGE : align;
    u64 slack = align > PAGE_SIZE ? align : 0;
    u8 *ptr = map(size + slack);
    u8 *start = (u8 *)ALIGN_UP((u64)ptr, align);
    if (is_large && ptr != NULL)
        madvise(start, size, MADV_HUGEPAGE);
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

// Linux would let generated code change its protection keys as well as ours.
bool
port_hardened(void)
{
    return false;
}

void *
port_reserve_open(enum port_open what, u64 size, const void *like)
{
    (void)what, (void)size, (void)like;
    panic(__FILE__, __LINE__, "there is no hardened mode here");
}

u32
port_rights_add(u32 rights, const void *ptr, u64 size)
{
    (void)ptr, (void)size;
    return rights;
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

static void
note_committed(u64 page, u64 end) REQUIRES(account_lock)
{
    assert_held(&account_lock);
    for (; page < end; page++)
        account.committed[page / 64] |= 1ull << page % 64;
}

// Note that the pages are not committed; how many were.  Words of 64 at once,
// where it can: most of a slot was never used.
static u64
note_decommitted(u64 page, u64 end) REQUIRES(account_lock)
{
    u64 gone = 0;

    assert_held(&account_lock);
    while (page < end) {
        u64 *word = &account.committed[page / 64];

        if (page % 64 == 0 && end - page >= 64) {
            if (*word != 0) {
                gone += (u64)__builtin_popcountll(*word);
                *word = 0;
            }
            page += 64;
            continue;
        }
        gone += *word >> page % 64 & 1;
        *word &= ~(1ull << page % 64);
        page++;
    }
    return gone;
}

static u64
uncommitted(u64 page, u64 end) REQUIRES(account_lock)
{
    u64 count = 0;

    assert_held(&account_lock);
    for (; page < end; page++)
        count += !(account.committed[page / 64] >> page % 64 & 1);
    return count;
}

// Take the memory for the pages [first, end) from p or from what is free.
static bool
charge(u64 first, u64 end, struct port_promise *p)
{
    bool on = lock_irq(&account_lock);
    u64 count = uncommitted(first, end);
    u64 usable =
        p != NULL ?
            p->pages :
            account.limit - MIN(account.limit, account.used + account.promised);
    bool done = count <= usable;

    if (done) {
        note_committed(first, end);
        account.used += count;
        if (p != NULL) {
            p->pages -= count;
            account.promised -= count;
        }
    }
    unlock_irq(&account_lock, on);
    return done;
}

static void
discharge(void *ptr, u64 size)
{
    bool on = lock_irq(&account_lock);
    u64 first = (u64)ptr / PAGE_SIZE;

    account.used -= note_decommitted(first, first + size / PAGE_SIZE);
    unlock_irq(&account_lock, on);
}

bool
port_commit_promised(void *ptr, u64 size, struct port_promise *p)
{
    u64 first = (u64)ptr / PAGE_SIZE;
    u64 end = ALIGN_UP((u64)ptr + size, PAGE_SIZE) / PAGE_SIZE;

    return size == 0 || (charge(first, end, p) &&
                         protect(ptr, size, PROT_READ | PROT_WRITE));
}

bool
port_commit(void *ptr, u64 size)
{
    return port_commit_promised(ptr, size, NULL);
}

bool
port_promise(struct port_promise *p, u64 size)
{
    if (size > p->size && size >= ADDRESSES)
        return false;
    bool on = lock_irq(&account_lock), done = true;
    if (size > p->size) {
        u64 reserve = MIN(account.limit / 32, RESERVE_MAX);
        u64 more = ALIGN_UP(size - p->size, PAGE_SIZE) / PAGE_SIZE;

        done =
            account.used + account.promised + reserve + more <= account.limit;
        if (done) {
            account.promised += more;
            p->pages += more;
            p->size = ALIGN_UP(size, PAGE_SIZE);
        }
    }
    unlock_irq(&account_lock, on);
    return done;
}

void
port_unpromise(struct port_promise *p)
{
    bool on = lock_irq(&account_lock);

    account.promised -= p->pages;
    *p = (struct port_promise){0};
    unlock_irq(&account_lock, on);
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
    discharge(ptr, size);
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

    size = ALIGN_UP(size, PAGE_SIZE);
    discharge(ptr, size); // before somebody else has the addresses
    munmap(ptr, size);
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
    bool on = lock_irq(&account_lock);
    u64 taken = MIN(account.limit, account.used + account.promised);

    *total = account.limit * PAGE_SIZE;
    *available = (account.limit - taken) * PAGE_SIZE;
    unlock_irq(&account_lock, on);
}

void LOCKS_BY_HAND
linux_memory_limit(u64 size)
{
    account.limit = size / PAGE_SIZE;
}

// --- code --------------------------------------------------------------------

void *
port_code_write(const void *text, u64 size)
{
    u32 page;

    if (size > (u64)ARENA_PAGES * PAGE_SIZE ||
        !units_take(&arena.units, ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE, &page))
        return NULL;
    u8 *to = arena.base + (u64)page * PAGE_SIZE;
    if (port_commit(to, size)) {
        memcpy(to, text, size);
        if (protect(to, size, PROT_READ))
            return to;
    }
    port_code_release(to, size);
    return NULL;
}

bool
port_code_execute(void *text, u64 size)
{
    return protect(text, size, PROT_READ | PROT_EXEC);
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

IN_SIGNALS bool
port_code_contains(u64 pc)
{
    return pc - (u64)arena.base < (u64)ARENA_PAGES * PAGE_SIZE;
}

// A limit of the user's, which is no bug.
_Noreturn static void
refuse_to_start(void)
{
    fprintf(stderr, "nebulet: the host does not give a process enough "
                    "addresses: raise `ulimit -v` and `ulimit -d`, or run with "
                    "--on metal\n");
    exit(1);
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
    if (start == NULL)
        refuse_to_start();
    slots.base = start + GUARD;
    slots.units.count = count;
}

// What there is, is what the host has; the kernel's count is of its own use.
static void LOCKS_BY_HAND
init_account(void)
{
    struct sysinfo info;

    sysinfo(&info);
    account.limit = (u64)info.totalram * info.mem_unit / PAGE_SIZE;
    account.committed =
        mmap(NULL, ADDRESSES / PAGE_SIZE / 8, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (account.committed == MAP_FAILED)
        refuse_to_start();
}

void
linux_memory_init(void)
{
    init_account();
    arena.base = port_reserve((u64)ARENA_PAGES * PAGE_SIZE, PAGE_SIZE);
    if (arena.base == NULL)
        refuse_to_start();
    reserve_slots();
}
