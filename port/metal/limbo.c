// port/metal/limbo.c: frames and addresses that nobody uses any more, but that
// some CPU may still have a translation for: they wait here until all have
// passed the epoch in which they were given up (shootdown.c), oldest first.
//
// A chain of frames waits as a whole; its record is in its first frame, so that
// giving memory back takes none.  Builds for tests fill what waits with a
// pattern: whoever writes by an old translation is found when it is used again.

#include "port/metal/tables.h"

enum {
    HURRY_FRAMES = 2048, // when so many wait, CPUs are told to pass
    FREE_FRAMES = 64,    // blocks that are freed under one lock
};

#define PATTERN 0x5a4c494d424f5a5a

struct parked {
    u64 next_frame; // as in all frames of a chain
    struct parked *next;
    u64 link;   // this frame, as the one before it would say
    u64 frames; // of the chain
    u64 epoch;
    u64 start, size; // addresses; size 0: none
};

static struct lock limbo_lock = LOCK_INIT(LIMBO);
static struct parked *oldest GUARDED_BY(limbo_lock);
static struct parked *newest GUARDED_BY(limbo_lock);
static u64 waiting; // frames, atomic

// --- the pattern -------------------------------------------------------------

enum { PATTERN_FROM = sizeof(struct parked) / sizeof(u64) };

static u64 *
words_of(u64 link)
{
    return (u64 *)direct(link & ENTRY_ADDR);
}

static void
fill(u64 link)
{
    for (; CHECKED && link != 0; link = *words_of(link))
        for (u32 i = PATTERN_FROM; i < PAGE_SIZE / sizeof(u64); i++)
            words_of(link)[i] = PATTERN;
}

static void
check(u64 link)
{
    if (!CHECKED)
        return;
    for (u32 i = PATTERN_FROM; i < PAGE_SIZE / sizeof(u64); i++)
        if (words_of(link)[i] != PATTERN)
            panic(__FILE__, __LINE__, "a frame was used by an old mapping");
}

// --- the list ----------------------------------------------------------------

// The epoch is counted under the lock, so that the list is in their order.
static u64
park(struct parked *p, const struct chain *chain)
{
    bool on = lock_irq(&limbo_lock);
    u64 epoch = shootdown_begin(chain->start, chain->end);

    p->epoch = epoch;
    if (newest != NULL)
        newest->next = p;
    else
        oldest = p;
    newest = p;
    unlock_irq(&limbo_lock, on);
    return epoch;
}

// Free at most FREE_FRAMES of those that p has beside its own; true: it has no
// more.
static bool
free_some(struct parked *p) REQUIRES(limbo_lock)
{
    for (u32 n = 0; n < FREE_FRAMES && p->next_frame != 0; n++) {
        u64 link = p->next_frame;
        check(link);
        p->next_frame = *words_of(link);
        frames_free(link & ENTRY_ADDR, link & (PAGE_SIZE - 1));
    }
    return p->next_frame == 0;
}

static void
free_last(struct parked *p) REQUIRES(limbo_lock)
{
    u64 link = p->link, start = p->start, size = p->size;

    oldest = p->next;
    if (oldest == NULL)
        newest = NULL;
    __atomic_fetch_sub(&waiting, p->frames, __ATOMIC_RELAXED);
    check(link);
    frames_free(link & ENTRY_ADDR, link & (PAGE_SIZE - 1));
    if (size > 0)
        span_free(span_space_of(start), start, size);
}

// Some of the oldest; false: there is none, or somebody has not passed it.
static bool
reap_some(void)
{
    bool on = lock_irq(&limbo_lock);
    bool ripe = oldest != NULL && shootdown_passed(oldest->epoch);

    if (ripe && free_some(oldest))
        free_last(oldest);
    unlock_irq(&limbo_lock, on);
    return ripe;
}

void
limbo_add(struct chain *chain, u64 start, u64 size)
{
    if (chain->first == 0) { // nothing was mapped there
        span_free(span_space_of(start), start, size);
        return;
    }
    fill(chain->first);
    struct parked *p = (struct parked *)words_of(chain->first);
    *p = (struct parked){.next_frame = p->next_frame,
                         .link = chain->first,
                         .frames = chain->frames,
                         .start = start,
                         .size = size};
    u64 waits = __atomic_add_fetch(&waiting, p->frames, __ATOMIC_RELAXED);
    u64 epoch = park(p, chain);
    while (reap_some())
        continue;
    if (waits > HURRY_FRAMES)
        shootdown_hurry(epoch);
}

void
limbo_empty(void)
{
    if (__atomic_load_n(&waiting, __ATOMIC_RELAXED) == 0)
        return;
    bool on = lock_irq(&limbo_lock);
    u64 epoch = newest != NULL ? newest->epoch : 0;
    unlock_irq(&limbo_lock, on);
    if (epoch != 0)
        shootdown_finish(epoch);
    while (reap_some())
        continue;
}
