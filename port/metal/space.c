// Page tables, and the part of kernel/port.h that works on them: reserve,
// commit, decommit, release, and the code arena.
//
// One tree of four levels for everything.  Memory that is given back is
// collected in a chain while it is unlinked, and reaches the frame allocator
// only after the TLB was flushed.  Everything works in interrupt and fault
// handlers, and in time linear in what is committed.

#include "port/metal/metal.h"

typedef u64 entry_t;

enum {
    TABLE_FLAGS = PAGE_PRESENT | PAGE_WRITE,
    DATA_FLAGS = PAGE_PRESENT | PAGE_WRITE | PAGE_GLOBAL,
    CODE_FLAGS = PAGE_PRESENT | PAGE_GLOBAL,
    ENTRIES = 512,
    LEVEL_PAGE = 0, // an entry of level n covers 4 KiB << 9n
    LEVEL_2M,
    LEVEL_1G,
    LEVEL_TOP,
    FLUSH_PAGES = 32, // flush up to as many pages one by one
    STEP = 16 * MIB,  // longest range unmapped under one lock
};

#define SIZE_2M    (2 * MIB)
#define ENTRY_ADDR 0x000ffffffffff000

extern const u8 image_start[], text_start[], text_end[], rodata_end[],
    image_end[];

static struct spinlock lock; // protects all tables
static entry_t *top;
static bool has_1g;

// What unmapping leaves to be done.
struct chain {
    u64 first;      // frames to be freed, each holds the next one's address |
                    // its order
    u64 start, end; // addresses to flush
    bool flush;     // the TLB may know something that is no longer so
};

static u64
level_size(u32 level)
{
    return (u64)PAGE_SIZE << 9 * level;
}

static u32
level_index(u64 address, u32 level)
{
    return address >> (12 + 9 * level) & (ENTRIES - 1);
}

static entry_t *
table_of(entry_t entry)
{
    return (entry_t *)direct(entry & ENTRY_ADDR);
}

static entry_t *
new_table(void)
{
    u64 frame = frames_new(ORDER_PAGE);

    if (frame == 0)
        return NULL;
    return memset(direct(frame), 0, PAGE_SIZE);
}

// The entry for `address` at `level`, or the one above it that ends the walk:
// not present, or a huge page.  *level tells which.
static entry_t *
find_entry(u64 address, u32 *level)
{
    entry_t *table = top;

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
make_entry(u64 address, u32 *level)
{
    u32 want = *level;

    for (;;) {
        entry_t *entry = find_entry(address, level), *table;

        if (*level == want || *entry & PAGE_PRESENT)
            return entry;
        table = new_table();
        if (table == NULL)
            return NULL;
        *entry = ((u64)table - DIRECT_BASE) | TABLE_FLAGS;
        *level = want;
    }
}

// --- mapping what exists -----------------------------------------------------

static u32
largest_level(u64 address, u64 physical, u64 size)
{
    u32 level = has_1g ? LEVEL_1G : LEVEL_2M;

    while (level > 0 &&
           (((address | physical) & (level_size(level) - 1)) != 0 ||
            size < level_size(level)))
        level--;
    return level;
}

bool
space_map(u64 address, u64 physical, u64 size, u64 flags)
{
    bool on = spin_lock(&lock), done = true;

    while (size > 0 && done) {
        u32 level = largest_level(address, physical, size), at = level;
        entry_t *entry = make_entry(address, &at);

        done = entry != NULL && at == level;
        if (done)
            *entry = physical | flags | (level > 0 ? PAGE_HUGE : 0);
        address += level_size(level);
        physical += level_size(level);
        size -= level_size(level);
    }
    spin_unlock(&lock, on);
    return done;
}

// --- commit ------------------------------------------------------------------

// 64 KiB that start at table entry `entry` and have nothing yet.
static bool
commit_64k(entry_t *entry)
{
    u64 frames;

    for (u32 i = 0; i < 16; i++)
        if (entry[i] != 0)
            return false;
    frames = frames_new(ORDER_64K);
    if (frames == 0)
        return false;
    memset(direct(frames), 0, 64 * KIB);
    for (u32 i = 0; i < 16; i++)
        entry[i] = (frames + i * PAGE_SIZE) | DATA_FLAGS | PAGE_NO_EXEC;
    return true;
}

static bool
commit_page(entry_t *entry)
{
    u64 frame = frames_new(ORDER_PAGE);

    if (frame == 0)
        return false;
    memset(direct(frame), 0, PAGE_SIZE);
    *entry = frame | DATA_FLAGS | PAGE_NO_EXEC;
    return true;
}

// Commit the part of [at, end) that one page table covers.
static bool
commit_in_table(u64 at, u64 end)
{
    u32 level = LEVEL_PAGE;
    entry_t *entry = make_entry(at, &level);

    if (entry == NULL)
        return false;
    if (level != LEVEL_PAGE)
        return true; // a huge page is there
    end = MIN(end, (at | (SIZE_2M - 1)) + 1);
    while (at < end) {
        u64 size = PAGE_SIZE;

        if (*entry != 0)
            ;
        else if (at % (64 * KIB) == 0 && end - at >= 64 * KIB &&
                 commit_64k(entry))
            size = 64 * KIB;
        else if (!commit_page(entry))
            return false;
        at += size;
        entry += size / PAGE_SIZE;
    }
    return true;
}

// Commit 2 MiB as one page where nothing is; false if that cannot be.
static bool
commit_2m(u64 at, u64 end)
{
    u32 level = LEVEL_2M;
    entry_t *entry;
    u64 frames;

    if (at % SIZE_2M != 0 || end - at < SIZE_2M)
        return false;
    entry = make_entry(at, &level);
    if (entry == NULL || *entry != 0)
        return false;
    frames = frames_new(ORDER_2M);
    if (frames == 0)
        return false;
    memset(direct(frames), 0, SIZE_2M);
    *entry = frames | DATA_FLAGS | PAGE_HUGE | PAGE_NO_EXEC;
    return true;
}

bool
port_commit(void *ptr, u64 size)
{
    u64 at = (u64)ptr & ~(u64)(PAGE_SIZE - 1);
    u64 end = ALIGN_UP((u64)ptr + size, PAGE_SIZE);
    bool done = true;

    while (at < end && done) {
        bool on = spin_lock(&lock);

        done = commit_2m(at, end) || commit_in_table(at, end);
        spin_unlock(&lock, on);
        at = (at | (SIZE_2M - 1)) + 1;
    }
    return done;
}

// --- decommit ----------------------------------------------------------------

static void
flush_all(void)
{
    u64 cr4;

    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 & ~0x80ull) : "memory"); // PGE
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
}

// One page's flush also forgets all cached upper levels (SDM 3A, 4.10.4.1).
static void
flush(u64 start, u64 end)
{
    if (end - start > (u64)FLUSH_PAGES * PAGE_SIZE) {
        flush_all();
        return;
    }
    for (u64 at = start; at < end; at += PAGE_SIZE)
        __asm__ volatile("invlpg (%0)" : : "r"(at) : "memory");
}

static void
chain_add(struct chain *chain, u64 frame, u32 order)
{
    *(u64 *)direct(frame) = chain->first;
    chain->first = frame | order;
    chain->flush = true;
}

static void
chain_free(struct chain *chain)
{
    if (!chain->flush)
        return;
    flush(chain->start, chain->end);
    while (chain->first != 0) {
        u64 frame = chain->first & ENTRY_ADDR;
        u32 order = chain->first & (PAGE_SIZE - 1);

        chain->first = *(u64 *)direct(frame);
        frames_free(frame, order);
    }
}

// Turn a huge page into 512 pages.  The table lives in the page that `unused`
// addresses, whose contents are lost: so this cannot fail.
static void
split_2m(entry_t *entry, u64 unused)
{
    u64 frames = *entry & ENTRY_ADDR;
    u32 gone = level_index(unused, LEVEL_PAGE);
    u64 flags = *entry & ~(ENTRY_ADDR | PAGE_HUGE);
    entry_t *table = (entry_t *)direct(frames + gone * PAGE_SIZE);

    for (u32 i = 0; i < ENTRIES; i++)
        table[i] = i == gone ? 0 : (frames + i * PAGE_SIZE) | flags;
    *entry = (frames + gone * PAGE_SIZE) | TABLE_FLAGS;
}

// Unlink what page table `entry` (of LEVEL_2M) has in [at, end), and itself
// if [from, end) covers all of it.
static void
unmap_in_table(entry_t *entry, u64 from, u64 at, u64 end, struct chain *chain)
{
    entry_t *table = table_of(*entry);
    u64 base = at & ~(SIZE_2M - 1);
    u32 last = end - base >= SIZE_2M ? ENTRIES : level_index(end, LEVEL_PAGE);

    for (u32 i = level_index(at, LEVEL_PAGE); i < last; i++) {
        if (table[i] != 0)
            chain_add(chain, table[i] & ENTRY_ADDR, ORDER_PAGE);
        table[i] = 0;
    }
    if (from <= base && last == ENTRIES) {
        chain_add(chain, *entry & ENTRY_ADDR, ORDER_PAGE);
        *entry = 0;
    }
}

// Unlink what [at, end) has in the 2 MiB at `at`, or more if there is nothing;
// returns where to go on.
static u64
unmap_step(u64 from, u64 at, u64 end, struct chain *chain)
{
    u32 level = LEVEL_2M;
    entry_t *entry = find_entry(at, &level);
    u64 base = at & ~(SIZE_2M - 1), next = (at | (level_size(level) - 1)) + 1;

    if (!(*entry & PAGE_PRESENT))
        return next;
    if (*entry & PAGE_HUGE && at == base && end - at >= SIZE_2M) {
        chain_add(chain, *entry & ENTRY_ADDR, ORDER_2M);
        *entry = 0;
        return next;
    }
    if (*entry & PAGE_HUGE) {
        split_2m(entry, at);
        chain->flush = true;
    }
    unmap_in_table(entry, from, at, end, chain);
    return next;
}

// The page directory of the GiB that ends at `at` is empty now if [from, at)
// covers it.
static void
unmap_directory(u64 from, u64 at, struct chain *chain)
{
    u32 level = LEVEL_1G;
    u64 base = at - level_size(LEVEL_1G);
    entry_t *entry;

    if (at % level_size(LEVEL_1G) != 0 || base < from || at < base)
        return;
    entry = find_entry(base, &level);
    if (level != LEVEL_1G || !(*entry & PAGE_PRESENT))
        return;
    chain_add(chain, *entry & ENTRY_ADDR, ORDER_PAGE);
    *entry = 0;
}

static void
unmap(u64 from, u64 end)
{
    u64 at = from;

    while (at < end) {
        struct chain chain = {.start = at};
        u64 stop = end - at > STEP ? at + STEP : end;
        bool on = spin_lock(&lock);

        while (at < stop) {
            at = unmap_step(from, at, end, &chain);
            unmap_directory(from, at, &chain);
        }
        chain.end = MIN(at, end);
        chain_free(&chain);
        spin_unlock(&lock, on);
    }
}

void
port_decommit(void *ptr, u64 size)
{
    u64 from = ALIGN_UP((u64)ptr, PAGE_SIZE);
    u64 end = ((u64)ptr + size) & ~(u64)(PAGE_SIZE - 1);

    unmap(from, end);
}

// --- addresses ---------------------------------------------------------------

void *
port_reserve(u64 size, u64 align)
{
    assert(size > 0 && (align & (align - 1)) == 0);
    return (void *)span_new(&heap_space, size, align);
}

void *
port_reserve_slot(u64 size)
{
    assert(size > 0);
    return (void *)span_new(&slot_space, size, PAGE_SIZE);
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

    unmap((u64)ptr, (u64)ptr + span_size(space, size));
    span_free(space, (u64)ptr, size);
}

void
port_memory_info(u64 *available, u64 *total)
{
    frames_info(available, total);
}

// --- the code arena ----------------------------------------------------------

// Copy [text, text + size) to new frames and map these at `at`.
static bool
publish(u64 at, const u8 *text, u64 size)
{
    for (u64 done = 0; done < size; done += PAGE_SIZE) {
        u64 length = MIN(size - done, (u64)PAGE_SIZE);
        u64 frame = frames_new(ORDER_PAGE);

        if (frame == 0)
            return false;
        memcpy(direct(frame), text + done, length);
        memset(direct(frame) + length, 0xcc, PAGE_SIZE - length); // int3
        if (!space_map(at + done, frame, PAGE_SIZE, CODE_FLAGS)) {
            frames_free(frame, ORDER_PAGE);
            return false;
        }
    }
    return true;
}

void *
port_code_publish(const void *text, u64 size)
{
    u64 at = span_new(&code_space, size, PAGE_SIZE);

    if (at == 0)
        return NULL;
    if (!publish(at, text, size)) {
        port_code_release((void *)at, size);
        return NULL;
    }
    return (void *)at;
}

void
port_code_release(void *text, u64 size)
{
    port_release(text, size);
}

bool
port_code_contains(u64 pc)
{
    return pc >= CODE_BASE && pc < CODE_END;
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

// The kernel's text is nowhere writable: the direct map leaves it out.
void
space_init(const struct boot_info *info)
{
    struct ranges ram = info->ram;

    top = new_table();
    if (top == NULL)
        panic(__FILE__, __LINE__, "no memory for page tables");
    has_1g = cpuid(0x80000001, 0).edx >> 26 & 1;
    ranges_remove(&ram, (u64)image_start - KERNEL_BASE,
                  (u64)image_end - KERNEL_BASE);
    for (u32 i = 0; i < ram.count; i++) {
        u64 start = ram.at[i].start, end = ram.at[i].end;

        map_or_die(DIRECT_BASE + start, start, end - start,
                   DATA_FLAGS | PAGE_NO_EXEC);
    }
    map_image(text_start, text_end, 0);
    map_image(text_end, rodata_end, PAGE_NO_EXEC);
    map_image(rodata_end, image_end, PAGE_WRITE | PAGE_NO_EXEC);
    __asm__ volatile("mov %0, %%cr3"
                     :
                     : "r"((u64)top - DIRECT_BASE)
                     : "memory");
}
