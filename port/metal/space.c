// port/metal/space.c: page tables, and the part of kernel/port.h that works on
// them: reserve, commit, decommit and release (protect.c has what nobody may
// write).
//
// Memory that is given back is
// collected in a chain while it is unlinked, and reaches the frame allocator
// only after all CPUs have flushed their TLBs (limbo.c).  Everything works in
// interrupt and fault handlers, and in time linear in what is committed.

#include "port/metal/tables.h"

enum {
    STEP = 4 * MIB, // longest range unmapped under one lock
};

extern const u8 image_start[], text_start[], text_end[], rodata_end[],
    image_end[];

struct lock tables_lock = LOCK_INIT(PAGES);
entry_t *tables_top;

entry_t *
page_table_new(struct port_promise *p)
{
    u64 frame = frames_take(ORDER_PAGE, p);

    if (frame == 0)
        return NULL;
    return memset(direct(frame), 0, PAGE_SIZE);
}

entry_t *
find_entry(u64 address, u32 *level)
{
    entry_t *table = tables_top;

    assert_held(&tables_lock);
    for (u32 at = LEVEL_TOP;; at--) {
        entry_t *entry = &table[level_index(address, at)];

        if (at == *level || !(*entry & PAGE_PRESENT) || *entry & PAGE_HUGE) {
            *level = at;
            return entry;
        }
        table = table_of(*entry);
    }
}

// As find_entry, making the tables on the way.  NULL: no memory.
static entry_t *
make_entry(u64 address, u32 *level, struct port_promise *p)
    REQUIRES(tables_lock)
{
    u32 want = *level;

    for (;;) {
        entry_t *entry = find_entry(address, level), *table;

        if (*level == want || *entry & PAGE_PRESENT)
            return entry;
        table = page_table_new(p);
        if (table == NULL)
            return NULL;
        *entry = ((u64)table - DIRECT_BASE) | TABLE_FLAGS;
        if (*level == LEVEL_TOP)
            code_windows_enter(level_index(address, LEVEL_TOP), *entry);
        *level = want;
    }
}

// --- mapping what exists -----------------------------------------------------

static u32
largest_level(u64 address, u64 physical, u64 size)
{
    u32 level = LEVEL_2M;

    while (level > 0 &&
           (((address | physical) & (level_size(level) - 1)) != 0 ||
            size < level_size(level)))
        level--;
    return level;
}

bool
space_map(u64 address, u64 physical, u64 size, u64 flags)
{
    bool on = lock_irq(&tables_lock), done = true;

    if (flags & PAGE_WRITE)
        flags |= harden_flags(address);
    while (size > 0 && done) {
        u32 level = largest_level(address, physical, size), at = level;
        entry_t *entry = make_entry(address, &at, NULL);

        done = entry != NULL && at == level;
        if (done)
            *entry = physical | flags | (level > 0 ? PAGE_HUGE : 0);
        address += level_size(level);
        physical += level_size(level);
        size -= level_size(level);
    }
    unlock_irq(&tables_lock, on);
    return done;
}

u8 *
mmio_map(u64 physical, u64 size)
{
    u64 start = physical & ~(u64)(PAGE_SIZE - 1);

    size = ALIGN_UP(physical + size, PAGE_SIZE) - start;
    if (physical + size > MMIO_END - MMIO_BASE ||
        !space_map(MMIO_BASE + start, start, size,
                   PAGE_PRESENT | PAGE_WRITE | PAGE_UNCACHED | PAGE_GLOBAL |
                       PAGE_NO_EXEC))
        return NULL;
    return (u8 *)(MMIO_BASE + physical);
}

// --- commit ------------------------------------------------------------------

enum outcome { COMMITTED, OCCUPIED, NO_MEMORY };

// Where a block of `order` at `at` is entered: one entry of 2 MiB or some of
// 4 KiB.
static u32
level_of(u32 order)
{
    return order == ORDER_2M ? LEVEL_2M : LEVEL_PAGE;
}

static u32
entries_of(u32 order)
{
    return order == ORDER_2M ? 1 : 1u << order;
}

static bool
all_empty(const entry_t *entry, u32 count)
{
    for (u32 i = 0; i < count; i++)
        if (entry[i] != 0)
            return false;
    return true;
}

// The tables' lock is held.
static enum outcome
enter(u64 at, u32 order, u64 frame, struct port_promise *p)
    REQUIRES(tables_lock)
{
    u32 level = level_of(order);
    entry_t *entry = make_entry(at, &level, p);

    if (entry == NULL)
        return NO_MEMORY;
    if (level != level_of(order) || !all_empty(entry, entries_of(order)))
        return OCCUPIED;
    for (u32 i = 0; i < entries_of(order); i++)
        entry[i] = (frame + i * PAGE_SIZE) | DATA_FLAGS | PAGE_NO_EXEC |
                   harden_flags(at) | (level > 0 ? PAGE_HUGE : 0);
    return COMMITTED;
}

static bool
is_empty(u64 at, u32 order) REQUIRES(tables_lock)
{
    u32 level = level_of(order);
    entry_t *entry = find_entry(at, &level);

    return all_empty(entry, level == level_of(order) ? entries_of(order) : 1);
}

// Take frames, clear and enter them.  Under one lock, so that whoever finds the
// block empty also finds its frames in the promise.  2 MiB take too long to
// clear for that: they are never of a promise, and cleared without the lock.
static enum outcome LOCKS_BY_HAND
commit_block(u64 at, u32 order, struct port_promise *p)
{
    bool on = lock_irq(&tables_lock);
    enum outcome outcome = OCCUPIED;
    u64 frame = 0;

    if (is_empty(at, order)) {
        frame = frames_take(order, p);
        outcome = NO_MEMORY;
    }
    if (frame != 0) {
        if (order == ORDER_2M)
            unlock_irq(&tables_lock, on);
        memset(direct(frame), 0, (u64)PAGE_SIZE << order);
        if (order == ORDER_2M)
            on = lock_irq(&tables_lock);
        outcome = enter(at, order, frame, p);
    }
    if (frame != 0 && outcome != COMMITTED)
        frames_give(frame, order, p);
    unlock_irq(&tables_lock, on);
    return outcome;
}

// Commit the largest block that can be at `at`; its size, 0 when there is no
// memory.
static u64
commit_some(u64 at, u64 end, struct port_promise *p)
{
    static const u32 orders[] = {ORDER_2M, ORDER_64K, ORDER_PAGE};
    enum outcome outcome = NO_MEMORY;

    for (u32 i = 0; i < COUNT(orders); i++) {
        u64 size = (u64)PAGE_SIZE << orders[i];

        if (at % size != 0 || end - at < size ||
            (orders[i] == ORDER_2M && p != NULL))
            continue;
        outcome = commit_block(at, orders[i], p);
        if (outcome == COMMITTED)
            return size;
    }
    return outcome == OCCUPIED ? PAGE_SIZE : 0;
}

bool
port_commit_promised(void *ptr, u64 size, struct port_promise *p)
{
    u64 at = (u64)ptr & ~(u64)(PAGE_SIZE - 1);
    u64 end = ALIGN_UP((u64)ptr + size, PAGE_SIZE), done = 1;

    for (; at < end && done > 0; at += done) {
        done = commit_some(at, end, p);
        if (done == 0) {
            limbo_empty();
            done = commit_some(at, end, p);
        }
    }
    return done > 0;
}

bool
port_commit(void *ptr, u64 size)
{
    return port_commit_promised(ptr, size, NULL);
}

// --- decommit ----------------------------------------------------------------

void
chain_add(struct chain *chain, u64 frame, u32 order)
{
    *(u64 *)direct(frame) = chain->first;
    chain->first = frame | order;
    chain->frames += 1ull << order;
    chain->flush = true;
}

void
chain_free(struct chain *chain)
{
    while (chain->first != 0) {
        u64 frame = chain->first & ENTRY_ADDR;
        u32 order = chain->first & (PAGE_SIZE - 1);

        chain->first = *(u64 *)direct(frame);
        frames_free(frame, order);
    }
}

// Turn a huge page into 512 pages.  The table lives in the page that `unused`
// addresses, whose contents are lost: so this cannot fail.  Sealed memory is
// released as a whole.
static void
split_2m(entry_t *entry, u64 unused)
{
    u64 frames = *entry & ENTRY_ADDR;
    u32 gone = level_index(unused, LEVEL_PAGE);
    u64 flags = *entry & ~(ENTRY_ADDR | PAGE_HUGE);
    entry_t *table = (entry_t *)direct(frames + gone * PAGE_SIZE);

    assert(*entry & PAGE_WRITE);
    for (u32 i = 0; i < ENTRIES; i++)
        table[i] = i == gone ? 0 : (frames + i * PAGE_SIZE) | flags;
    *entry = (frames + gone * PAGE_SIZE) | TABLE_FLAGS;
}

// Empty an entry that maps a page of this level.
static void
unlink(entry_t *entry, u32 level, struct chain *chain) REQUIRES(tables_lock)
{
    u64 frame = *entry & ENTRY_ADDR;

    if (!(*entry & PAGE_WRITE))
        direct_restore(frame, level, chain);
    chain_add(chain, frame, level == LEVEL_2M ? ORDER_2M : ORDER_PAGE);
    *entry = 0;
}

// Unlink what page table `entry` (of LEVEL_2M) has in [at, end), and itself
// if [from, end) covers all of it.
static void
unmap_in_table(entry_t *entry, u64 from, u64 at, u64 end, struct chain *chain)
    REQUIRES(tables_lock)
{
    entry_t *table = table_of(*entry);
    u64 base = at & ~(SIZE_2M - 1);
    u32 last = end - base >= SIZE_2M ? ENTRIES : level_index(end, LEVEL_PAGE);

    for (u32 i = level_index(at, LEVEL_PAGE); i < last; i++) {
        if (table[i] != 0)
            unlink(&table[i], LEVEL_PAGE, chain);
    }
    if (from <= base && last == ENTRIES) {
        chain_add(chain, *entry & ENTRY_ADDR, ORDER_PAGE);
        *entry = 0;
    }
}

// Unlink what [at, end) has in the 2 MiB at `at`, or more if there is nothing;
// returns where to go on.
static u64
unmap_step(u64 from, u64 at, u64 end, struct chain *chain) REQUIRES(tables_lock)
{
    u32 level = LEVEL_2M;
    entry_t *entry = find_entry(at, &level);
    u64 base = at & ~(SIZE_2M - 1), next = (at | (level_size(level) - 1)) + 1;

    if (!(*entry & PAGE_PRESENT))
        return next;
    if (*entry & PAGE_HUGE && at == base && end - at >= SIZE_2M) {
        unlink(entry, LEVEL_2M, chain);
        return next;
    }
    if (*entry & PAGE_HUGE) {
        split_2m(entry, at);
        chain->flush = true;
    }
    unmap_in_table(entry, from, at, end, chain);
    return next;
}

// The page directory of the GiB that ends at `at` is empty now if [from, end)
// covers it: unmap_step() may have come from an `end` inside of the last table.
static void
unmap_directory(u64 from, u64 at, u64 end, struct chain *chain)
    REQUIRES(tables_lock)
{
    u32 level = LEVEL_1G;
    u64 base = at - level_size(LEVEL_1G);
    entry_t *entry;

    if (at % level_size(LEVEL_1G) != 0 || base < from || at < base || at > end)
        return;
    entry = find_entry(base, &level);
    if (level != LEVEL_1G || !(*entry & PAGE_PRESENT))
        return;
    chain_add(chain, *entry & ENTRY_ADDR, ORDER_PAGE);
    *entry = 0;
}

// Takes the mappings of [from, end) away; *chain is what is left to be done.
static void
unmap(u64 from, u64 end, struct chain *chain)
{
    u64 at = from;

    *chain = (struct chain){.start = from, .end = end};
    while (at < end) {
        u64 stop = end - at > STEP ? at + STEP : end;
        bool on = lock_irq(&tables_lock);

        while (at < stop) {
            at = unmap_step(from, at, end, chain);
            unmap_directory(from, at, end, chain);
        }
        unlock_irq(&tables_lock, on);
    }
}

// The addresses may get other memory at once, so that nobody may remember this.
void
port_decommit(void *ptr, u64 size)
{
    u64 from = ALIGN_UP((u64)ptr, PAGE_SIZE);
    u64 end = ((u64)ptr + size) & ~(u64)(PAGE_SIZE - 1);
    struct chain chain;

    if (from >= end)
        return;
    unmap(from, end, &chain);
    if (chain.flush)
        shootdown_finish(shootdown_begin(chain.start, chain.end));
    chain_free(&chain);
}

// --- addresses ---------------------------------------------------------------

u64
addresses_new(struct span_space *space, u64 size, u64 align)
{
    u64 start = span_new(space, size, align);

    if (start == 0) {
        limbo_empty();
        start = span_new(space, size, align);
    }
    return start;
}

void *
port_reserve(u64 size, u64 align)
{
    assert(size > 0 && (align & (align - 1)) == 0);
    return (void *)addresses_new(&heap_space, size, align);
}

void *
port_reserve_slot(u64 size)
{
    assert(size > 0);
    return (void *)addresses_new(&slot_space, size, PAGE_SIZE);
}

bool
port_slot_contains(u64 address)
{
    return address >= SLOT_START && address < SLOT_END;
}

// Nobody else is in the whole block, so that its page tables go, too.
void
port_release(void *ptr, u64 size)
{
    struct span_space *space = span_space_of((u64)ptr);
    u64 start = (u64)ptr;
    struct chain chain;

    if (space == &open_space)
        start &= ~((1ull << OPEN_LOG2) - 1);
    unmap(start, start + span_size(space, size), &chain);
    limbo_add(&chain, start, size);
}

void
port_memory_info(u64 *available, u64 *total)
{
    limbo_empty();
    frames_info(available, total);
}

// --- start -------------------------------------------------------------------

static void
map_or_die(u64 address, u64 physical, u64 size, u64 flags)
{
    if (!space_map(address, physical, size, flags))
        panic(__FILE__, __LINE__, "no memory for page tables");
}

static void
map_image(const u8 *start, const u8 *end, u64 flags)
{
    map_or_die((u64)start, (u64)start - KERNEL_BASE, (u64)(end - start),
               flags | PAGE_PRESENT | PAGE_GLOBAL);
}

static void
map_direct(u64 start, u64 end, u64 flags)
{
    map_or_die(DIRECT_BASE + start, start, end - start, flags | PAGE_NO_EXEC);
}

// All but the guards of stacks.
static void
map_data(void)
{
    const u64 flags = PAGE_WRITE | PAGE_NO_EXEC;
    const u8 *start = rodata_end, *guard;

    for (u32 n = 0; (guard = cpu_guard(n)) != NULL; n++) {
        map_image(start, guard, flags);
        start = guard + PAGE_SIZE;
    }
    map_image(start, image_end, flags);
}

// The kernel's text is nowhere writable: the direct map leaves the image out;
// and the initrd is only read.
void LOCKS_BY_HAND
space_init(const struct boot_info *info)
{
    struct ranges ram = info->ram;
    u64 initrd = info->initrd.start & ~(u64)(PAGE_SIZE - 1);
    u64 initrd_end = ALIGN_UP(info->initrd.end, PAGE_SIZE);

    tables_top = page_table_new(NULL);
    if (tables_top == NULL)
        panic(__FILE__, __LINE__, "no memory for page tables");
    ranges_remove(&ram, (u64)image_start - KERNEL_BASE,
                  (u64)image_end - KERNEL_BASE);
    ranges_remove(&ram, initrd, initrd_end);
    for (u32 i = 0; i < ram.count; i++)
        map_direct(ram.at[i].start, ram.at[i].end, DATA_FLAGS);
    map_direct(initrd, initrd_end, SEALED_FLAGS);
    map_image(text_start, text_end, 0);
    map_image(text_end, rodata_end, PAGE_NO_EXEC);
    map_data();
    __asm__ volatile("mov %0, %%cr3"
                     :
                     : "r"((u64)tables_top - DIRECT_BASE)
                     : "memory");
}
