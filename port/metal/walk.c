// port/metal/walk.c: what the page tables permit, read back from them.
//
// The kernel keeps the rules of regions.def and protect.c by construction; this
// walk over every entry trusts none of that.  It notes each frame that some
// address may execute in a bit set, then looks for an address that may write to
// it.

#include "port/metal/tables.h"

enum { MAY_W = 1, MAY_X = 2, MAY_WX = MAY_W | MAY_X };

static const struct region {
    const char *name, *what;
    u64 start, end;
    u32 may;
} regions[] = {
#define REGION(id, start, end, may, what) {#id, what, start, end, MAY_##may},
#include "port/metal/regions.def"
};

struct walk {
    const char *fault; // the first rule that is broken, and where
    u64 at;
    u64 *executable; // bit set of frames
    u64 frame_count; // its size
    bool marking;    // the first walk: fill it
};

static void
refuse(struct walk *w, u64 at, const char *fault)
{
    if (w->fault == NULL) {
        w->fault = fault;
        w->at = at;
    }
}

static const struct region *
region_of(u64 at, u64 size)
{
    for (u32 i = 0; i < COUNT(regions); i++)
        if (at >= regions[i].start && at < regions[i].end &&
            size <= regions[i].end - at)
            return &regions[i];
    return NULL;
}

// Frames that are no RAM have no bit: nothing executable is there.
static void
check_frames(struct walk *w, u64 at, entry_t entry, u64 size)
{
    u64 first = (entry & ENTRY_ADDR) / PAGE_SIZE, count = size / PAGE_SIZE;
    bool executable = !(entry & PAGE_NO_EXEC);

    for (u64 i = first; i < first + count; i++) {
        if (i >= w->frame_count) {
            if (executable)
                refuse(w, at, "executes what is no RAM");
            return;
        }
        if (w->marking && executable)
            w->executable[i / 64] |= 1ull << i % 64;
        if (!w->marking && entry & PAGE_WRITE &&
            w->executable[i / 64] >> i % 64 & 1)
            refuse(w, at, "writes what another address executes");
    }
}

static void
check_leaf(struct walk *w, u64 at, entry_t entry, u64 size)
{
    const struct region *region = region_of(at, size);
    u32 may =
        (entry & PAGE_WRITE ? MAY_W : 0) | (entry & PAGE_NO_EXEC ? 0 : MAY_X);

    if (region == NULL)
        refuse(w, at, "in no region");
    else if (may & ~region->may)
        refuse(w, at, "has more rights than its region");
    if (may == MAY_WX)
        refuse(w, at, "writable and executable");
    check_frames(w, at, entry, size);
}

// In hardened mode the writable pages are a user's, and have a key.
static void
check_user(struct walk *w, u64 at, entry_t entry)
{
    if (!harden_on && entry & PAGE_USER)
        refuse(w, at, "a user's page");
    if (harden_on && entry & PAGE_WRITE &&
        (entry & harden_flags(at)) != harden_flags(at))
        refuse(w, at, "has not the key of its address");
}

// All present entries of the tree, without recursion: `at` goes through the
// addresses, and an entry that is not present is skipped as a whole.
static void
walk(struct walk *w) REQUIRES(tables_lock)
{
    u64 at = 0;

    do {
        u32 level = LEVEL_PAGE;
        entry_t entry = *find_entry(at, &level);

        if (entry & PAGE_PRESENT) {
            check_user(w, at, entry);
            check_leaf(w, at, entry, level_size(level));
        }
        at += level_size(level);
        if (at == 1ull << 47)
            at = -at; // the upper half
    } while (at != 0);
}

// The window of each CPU.  One may be writing now: then nobody executes that.
static void
walk_windows(struct walk *w) REQUIRES(tables_lock)
{
    entry_t entry;

    for (u32 n = 0; w->fault == NULL; n++)
        for (u32 page = 0; page < ENTRIES; page++) {
            if (!code_window_look(n, page, &entry, &w->fault))
                return;
            if (entry & PAGE_PRESENT)
                check_leaf(w, WINDOW_BASE + page * PAGE_SIZE, entry, PAGE_SIZE);
        }
}

const char *
space_check(u64 *address)
{
    u64 frames = frames_end() / PAGE_SIZE, size = ALIGN_UP(frames, 64) / 8;
    struct walk w = {.frame_count = frames, .marking = true};

    w.executable = port_reserve(size, PAGE_SIZE);
    if (w.executable == NULL)
        return "no addresses";
    if (!port_commit(w.executable, size)) {
        port_release(w.executable, size);
        return "no memory";
    }
    bool on = lock_irq(&tables_lock);
    walk(&w);
    w.marking = false;
    walk(&w);
    walk_windows(&w);
    unlock_irq(&tables_lock, on);
    port_release(w.executable, size);
    *address = w.at;
    return w.fault;
}
