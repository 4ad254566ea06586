// port/metal/protect.c: what nobody may write: sealed memory and the code
// arena.
//
// A frame has two addresses, its own mapping's and the direct map's.  Sealing
// takes the write permission from both.  Frames of code are sealed before they
// are written, through a window (window.c), and get an address of their own
// after it, which is executable when the verifier has seen what is there: so
// that at no time a page is writable by one address and executable by another
// (walk.c checks it).  A page of 2 MiB of the
// direct map is split when a part of it is sealed and becomes whole again with
// the last unsealed page.

#include "port/metal/tables.h"

#define SPLIT (1ull << 9) // the table of a split page: not used by the CPU

enum { COUNT_SHIFT = 52, COUNT_MASK = 0x3ff }; // its sealed pages - 1, neither

// --- the direct map ----------------------------------------------------------

// Turn the huge page of the direct map into a table; none of its pages is
// sealed yet, but one is about to be.
static bool
split_direct(entry_t *entry)
{
    u64 frames = *entry & ENTRY_ADDR;
    entry_t *table = page_table_new(NULL);

    if (table == NULL)
        return false;
    for (u32 i = 0; i < ENTRIES; i++)
        table[i] = (frames + i * PAGE_SIZE) | DATA_FLAGS | PAGE_NO_EXEC |
                   harden_flags(DIRECT_BASE);
    *entry = ((u64)table - DIRECT_BASE) | TABLE_FLAGS | SPLIT |
             (entry_t)COUNT_MASK << COUNT_SHIFT; // 0 - 1
    return true;
}

// One more (or, with -1, less) sealed page in the table of `entry`; how many
// there are.  A table that was there from the start does not count.
static u32
count_sealed(entry_t *entry, u32 change)
{
    u64 count = ((*entry >> COUNT_SHIFT) + 1 + change) & COUNT_MASK;

    if (!(*entry & SPLIT))
        return 1;
    *entry &= ~((entry_t)COUNT_MASK << COUNT_SHIFT);
    *entry |= ((count - 1) & COUNT_MASK) << COUNT_SHIFT;
    return (u32)count;
}

// Frames of one page of this level can no longer be written through the direct
// map, once the TLB was flushed.  False: no memory.
static bool
direct_seal(u64 frame, u32 level) REQUIRES(tables_lock)
{
    u64 address = DIRECT_BASE + frame;
    u32 at = LEVEL_2M;
    entry_t *entry = find_entry(address, &at);

    assert(at == LEVEL_2M && *entry & PAGE_PRESENT);
    if (level == LEVEL_2M) {
        assert(*entry & PAGE_HUGE && *entry & PAGE_WRITE);
        *entry &= ~(entry_t)PAGE_WRITE;
        return true;
    }
    if (*entry & PAGE_HUGE && !split_direct(entry))
        return false;
    entry_t *page = &table_of(*entry)[level_index(address, LEVEL_PAGE)];
    assert(*page & PAGE_WRITE);
    *page &= ~(entry_t)PAGE_WRITE;
    count_sealed(entry, 1);
    return true;
}

void
direct_restore(u64 frame, u32 level, struct chain *chain)
{
    u64 address = DIRECT_BASE + frame, base = frame & ~(SIZE_2M - 1);
    u32 at = LEVEL_2M;
    entry_t *entry = find_entry(address, &at), *page = entry;

    if (level == LEVEL_PAGE)
        page = &table_of(*entry)[level_index(address, LEVEL_PAGE)];
    assert(at == LEVEL_2M && !(*page & PAGE_WRITE));
    *page |= PAGE_WRITE;
    flush_page(address);
    if (level == LEVEL_PAGE && count_sealed(entry, (u32)-1) == 0) {
        u64 table = *entry & ENTRY_ADDR;

        *entry = base | DATA_FLAGS | PAGE_HUGE | PAGE_NO_EXEC |
                 harden_flags(DIRECT_BASE);
        chain_add(chain, table, ORDER_PAGE);
    }
}

// Rights of pages and of their frames in the direct map have changed: no CPU
// remembers the old ones when this returns.
static void
forget_rights(void)
{
    shootdown_finish(shootdown_begin(0, UINT64_MAX)); // frames are anywhere
}

// --- sealing -----------------------------------------------------------------

// Take the write permission from the page at `at`, and from its alias.  *size:
// of the page.
static bool
seal_page(u64 at, u64 end, u64 *size) REQUIRES(tables_lock)
{
    u32 level = LEVEL_PAGE;
    entry_t *entry = find_entry(at, &level);

    assert(level <= LEVEL_2M && *entry & PAGE_PRESENT);
    *size = level_size(level);
    assert(at % *size == 0 && end - at >= *size);
    if (*entry & PAGE_WRITE && !direct_seal(*entry & ENTRY_ADDR, level))
        return false;
    *entry &= ~(entry_t)PAGE_WRITE;
    return true;
}

bool
port_seal(void *ptr, u64 size)
{
    u64 at = (u64)ptr, end = at + ALIGN_UP(size, PAGE_SIZE), step = 0;
    bool done = true;

    assert(at % PAGE_SIZE == 0);
    for (; at < end && done; at += step) {
        bool on = lock_irq(&tables_lock);

        done = seal_page(at, end, &step);
        unlock_irq(&tables_lock, on);
    }
    forget_rights();
    return done;
}

// --- the code arena ----------------------------------------------------------

// Frames that nobody writes to, each with the address of the next in its first
// word.
static u64
next_sealed(u64 frame)
{
    return *(const u64 *)direct(frame);
}

static void
free_sealed(u64 frame)
{
    struct chain chain = {0};

    while (frame != 0) {
        u64 next = next_sealed(frame);
        bool on = lock_irq(&tables_lock);

        direct_restore(frame, LEVEL_PAGE, &chain);
        unlock_irq(&tables_lock, on);
        chain_add(&chain, frame, ORDER_PAGE);
        frame = next;
    }
    if (chain.first != 0)
        limbo_add(&chain, 0, 0);
}

// Another one, before `next`; 0: no memory.
static u64
new_sealed(u64 next)
{
    u64 frame = frames_new(ORDER_PAGE);

    if (frame == 0) {
        limbo_empty();
        frame = frames_new(ORDER_PAGE);
    }
    if (frame == 0)
        return 0;
    *(u64 *)direct(frame) = next;
    bool on = lock_irq(&tables_lock), done = direct_seal(frame, LEVEL_PAGE);
    unlock_irq(&tables_lock, on);
    if (!done)
        frames_free(frame, ORDER_PAGE);
    return done ? frame : 0;
}

// Enough for `size` bytes, which all CPUs know to be sealed; 0: no memory.
static u64
take_sealed(u64 size)
{
    u64 first = 0, frame = 1;

    for (u64 done = 0; done < size && frame != 0; done += PAGE_SIZE) {
        frame = new_sealed(first);
        first = frame != 0 ? frame : first;
    }
    forget_rights();
    if (frame != 0)
        return first;
    free_sealed(first);
    return 0;
}

// Copy [text, text + size) to new frames and map these at `at`, to be read.
// Nobody has ever mapped these frames for writing and can do so still, but for
// this CPU while it copies; and nobody has tried to use `at`, so that there is
// nothing to forget.
static bool
map_code(u64 at, const u8 *text, u64 size)
{
    u64 frame = take_sealed(size), next;

    if (frame == 0)
        return false;
    for (u64 done = 0; done < size; done += PAGE_SIZE, frame = next) {
        next = next_sealed(frame);
        code_window_write(frame, text + done, MIN(size - done, (u64)PAGE_SIZE));
        if (space_map(at + done, frame, PAGE_SIZE, SEALED_FLAGS | PAGE_NO_EXEC))
            continue;
        code_window_write(frame, &next, sizeof(next));
        free_sealed(frame);
        return false;
    }
    return true;
}

void *
port_code_write(const void *text, u64 size)
{
    u64 at = addresses_new(&code_space, size, PAGE_SIZE);

    if (at == 0)
        return NULL;
    if (map_code(at, text, size))
        return (void *)at;
    port_code_release((void *)at, size);
    return NULL;
}

// The page at `at` may be executed; it and its alias are sealed.
static void
execute_page(u64 at) REQUIRES(tables_lock)
{
    u32 level = LEVEL_PAGE, alias_level = LEVEL_PAGE;
    entry_t *entry = find_entry(at, &level);
    const entry_t *alias =
        find_entry(DIRECT_BASE + (*entry & ENTRY_ADDR), &alias_level);

    assert(level == LEVEL_PAGE && *entry & PAGE_PRESENT);
    assert(((*entry | *alias) & PAGE_WRITE) == 0);
    *entry &= ~(entry_t)PAGE_NO_EXEC;
}

bool
port_code_execute(void *text, u64 size)
{
    u64 start = (u64)text, end = start + ALIGN_UP(size, PAGE_SIZE);

    for (u64 at = start; at < end; at += PAGE_SIZE) {
        bool on = lock_irq(&tables_lock);

        execute_page(at);
        unlock_irq(&tables_lock, on);
    }
    shootdown_finish(shootdown_begin(start, end)); // whoever has read it
    return true;
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
