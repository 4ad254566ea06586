// port/metal/tables.h: what the files that work on page tables share.
//
// One tree of four levels for everything but the windows of CPUs (window.c),
// each of which has a copy of the top-level table.  tables_lock protects it; a
// function here that says so is called with it held.  The direct map consists
// of pages of 2 MiB, but where a part of one is sealed (protect.c) or is not
// RAM.

#pragma once

#include "port/metal/metal.h"

typedef u64 entry_t;

enum {
    TABLE_FLAGS = PAGE_PRESENT | PAGE_WRITE | PAGE_USER, // pages decide
    DATA_FLAGS = PAGE_PRESENT | PAGE_WRITE | PAGE_GLOBAL,
    SEALED_FLAGS = PAGE_PRESENT | PAGE_GLOBAL,
    ENTRIES = 512,
    LEVEL_PAGE = 0, // an entry of level n covers 4 KiB << 9n
    LEVEL_2M,
    LEVEL_1G,
    LEVEL_TOP,
};

#define SIZE_2M    (2 * MIB)
#define ENTRY_ADDR 0x000ffffffffff000

static inline u64
level_size(u32 level)
{
    return (u64)PAGE_SIZE << 9 * level;
}

static inline u32
level_index(u64 address, u32 level)
{
    return address >> (12 + 9 * level) & (ENTRIES - 1);
}

static inline entry_t *
table_of(entry_t entry)
{
    return (entry_t *)direct(entry & ENTRY_ADDR);
}

static inline void
flush_page(u64 address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

// What an entry of a writable page at this address has, too, in hardened mode
// (harden.c); else 0.
u64 harden_flags(u64 address);

// --- space.c -----------------------------------------------------------------

extern struct lock tables_lock;
extern entry_t *tables_top GUARDED_BY(tables_lock);

// A page of zeros for a table, by its direct address; NULL: no memory.
MUST_USE entry_t *page_table_new(struct port_promise *p); // or NULL: no promise

// The entry for `address` at `level`, or the one above it that ends the walk:
// not present, or a huge page.  *level tells which.  tables_lock is held.
entry_t *find_entry(u64 address, u32 *level) REQUIRES(tables_lock);

// As span_new(), also where addresses have to be forgotten first.
MUST_USE u64 addresses_new(struct span_space *space, u64 size, u64 align);

// What unmapping leaves to be done.
struct chain {
    u64 first;      // frames to be freed, each holds the next one's address |
                    // its order
    u64 frames;     // in it
    u64 start, end; // addresses to flush
    bool flush;     // the TLB may know something that is no longer so
};

// A frame that nothing maps any more, but for the direct map, writable.
void chain_add(struct chain *chain, u64 frame, u32 order);

// Give them back: no CPU has a translation any more.
void chain_free(struct chain *chain);

// --- window.c ----------------------------------------------------------------

// tables_top has a new entry.
void code_windows_enter(u32 index, entry_t entry) REQUIRES(tables_lock);
// Write [bytes, bytes + size), a page at most, to a frame that nobody else
// writes to; int3 behind it.
void code_window_write(u64 frame, const void *bytes, u64 size);
// The two halves of that, with interrupts off.
u8 *code_window_open(u64 frame);
void code_window_close(void);
// What the n-th CPU that has tables maps in this page of its window; false:
// there is none.  *fault is set where its tables are not as they should be.
MUST_USE bool code_window_look(u32 number, u32 page, entry_t *entry,
                               const char **fault) REQUIRES(tables_lock);

// --- limbo.c -----------------------------------------------------------------

// Give back the frames of the chain and the addresses (size 0: none), when no
// CPU has a translation any more.
void limbo_add(struct chain *chain, u64 start, u64 size);
// Have the CPUs forget at once what waits.  Any context that holds no lock of
// this port.
void limbo_empty(void);

// --- protect.c ---------------------------------------------------------------

// The frames of a sealed page of this level (LEVEL_PAGE or LEVEL_2M), which is
// mapped no more, may be written again through the direct map.  tables_lock is
// held.
void direct_restore(u64 frame, u32 level, struct chain *chain)
    REQUIRES(tables_lock);
