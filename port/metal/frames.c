// port/metal/frames.c: physical memory: a buddy allocator of blocks of 4 KiB to
// 2 MiB, and the one count of what is promised (port_promise): promised <=
// free_frames, always.
//
// Booting touches no RAM but one byte of state per frame of the first block:
// free RAM is carved into blocks of 2 MiB only when the lists run dry.  A free
// block holds its list links; the state of its first frame says that it is
// free and how large.

#include "port/metal/tables.h"

enum {
    FRAMES_2M = 1 << ORDER_2M,
    RESERVE_MAX = 1024, // frames that promises leave to the kernel
};

static struct lock frames_lock = LOCK_INIT(FRAMES);

static struct ranges uncarved GUARDED_BY(frames_lock);
// By frame: 1 + order at the head of a free block, else 0.
static u8 *state GUARDED_BY(frames_lock);
static struct list lists[ORDER_COUNT] GUARDED_BY(frames_lock);
static u64 free_frames GUARDED_BY(frames_lock);
static u64 promised GUARDED_BY(frames_lock); // of the free ones
static u64 total_frames, end_frame;          // known when it starts

static u64
frame_of(const struct list *block)
{
    return ((u64)block - DIRECT_BASE) / PAGE_SIZE;
}

static struct list *
block_of(u64 frame)
{
    return (struct list *)direct(frame * PAGE_SIZE);
}

static void
push_block(u64 frame, u32 order) REQUIRES(frames_lock)
{
    state[frame] = (u8)(1 + order);
    list_push(&lists[order], block_of(frame));
}

static void
take_block(u64 frame) REQUIRES(frames_lock)
{
    state[frame] = 0;
    list_remove(block_of(frame));
}

// Buddies are always within one block of 2 MiB, whose state is known.
static void
release(u64 frame, u32 order) REQUIRES(frames_lock)
{
    assert(state[frame] == 0);
    free_frames += 1ull << order;
    while (order < ORDER_2M) {
        u64 buddy = frame ^ 1ull << order;

        if (state[buddy] != 1 + order)
            break;
        take_block(buddy);
        frame &= ~(1ull << order);
        order++;
    }
    push_block(frame, order);
}

// Move the free part of one 2 MiB block from `uncarved` to the lists, from
// low to high addresses: the boot code's tables map only the low ones.
static bool
carve(void) REQUIRES(frames_lock)
{
    struct range *next;
    u64 start, end;

    if (uncarved.count == 0)
        return false;
    next = &uncarved.at[0];
    start = next->start / PAGE_SIZE;
    end = MIN(next->end / PAGE_SIZE, (start | (FRAMES_2M - 1)) + 1);
    ranges_remove(&uncarved, start * PAGE_SIZE, end * PAGE_SIZE);

    free_frames -= end - start; // release counts them again
    if (end - start == FRAMES_2M)
        memset(state + start, 0, FRAMES_2M);
    while (start < end) {
        u32 order = MIN(bits_trailing_zeros(start), (u32)ORDER_2M);

        while (1ull << order > end - start)
            order--;
        release(start, order);
        start += 1ull << order;
    }
    return true;
}

static u64
take(u32 order) REQUIRES(frames_lock)
{
    u32 have = order;
    u64 frame;

    while (have < ORDER_COUNT && list_empty(&lists[have]))
        have++;
    if (have == ORDER_COUNT)
        return 0;
    frame = frame_of(lists[have].next);
    take_block(frame);
    while (have > order) {
        have--;
        push_block(frame + (1ull << have), have);
    }
    free_frames -= 1ull << order;
    return frame;
}

u64
frames_take(u32 order, struct port_promise *p)
{
    bool on = lock_irq(&frames_lock);
    u64 count = 1ull << order, frame = 0;
    u64 usable = p != NULL ? p->pages : free_frames - promised;

    if (count <= usable) {
        frame = take(order);
        while (frame == 0 && carve())
            frame = take(order);
    }
    if (frame != 0 && p != NULL) {
        p->pages -= count;
        promised -= count;
    }
    unlock_irq(&frames_lock, on);
    return frame * PAGE_SIZE;
}

void
frames_give(u64 physical, u32 order, struct port_promise *p)
{
    bool on = lock_irq(&frames_lock);

    release(physical / PAGE_SIZE, order);
    if (p != NULL) {
        p->pages += 1ull << order;
        promised += 1ull << order;
    }
    unlock_irq(&frames_lock, on);
}

u64
frames_new(u32 order)
{
    return frames_take(order, NULL);
}

void
frames_free(u64 physical, u32 order)
{
    frames_give(physical, order, NULL);
}

// --- promises ----------------------------------------------------------------

static bool
promise(struct port_promise *p, u64 size)
{
    bool on = lock_irq(&frames_lock), done = true;

    if (size > p->size) {
        u64 more = port_promise_pages(size) - port_promise_pages(p->size);
        u64 left = free_frames - promised;
        u64 reserve = MIN(total_frames / 32, RESERVE_MAX);

        done = size < 1ull << 48 && left > reserve && more <= left - reserve;
        if (done) {
            promised += more;
            p->pages += more;
            p->size = size;
        }
    }
    unlock_irq(&frames_lock, on);
    return done;
}

bool
port_promise(struct port_promise *p, u64 size)
{
    if (promise(p, size))
        return true;
    limbo_empty();
    return promise(p, size);
}

void
port_unpromise(struct port_promise *p)
{
    bool on = lock_irq(&frames_lock);

    promised -= p->pages;
    *p = (struct port_promise){0};
    unlock_irq(&frames_lock, on);
}

void
frames_info(u64 *available, u64 *total)
{
    bool on = lock_irq(&frames_lock);

    *available = (free_frames - promised) * PAGE_SIZE;
    *total = total_frames * PAGE_SIZE;
    unlock_irq(&frames_lock, on);
}

u64
frames_end(void)
{
    return end_frame * PAGE_SIZE;
}

// The state array goes at the first place with room, which the tables of the
// boot code must already map.
static void LOCKS_BY_HAND
place_state(struct ranges *free)
{
    u64 size = ALIGN_UP(ALIGN_UP(end_frame, FRAMES_2M), PAGE_SIZE);

    for (u32 i = 0; i < free->count; i++) {
        u64 start = free->at[i].start;

        if (free->at[i].end - start < size || start + size > BOOT_MAPPED)
            continue;
        state = direct(start);
        ranges_remove(free, start, start + size);
        return;
    }
    panic(__FILE__, __LINE__, "no room for the state of the frames");
}

// Blocks that are not free as a whole are cleared here, the others when they
// are carved.
static void LOCKS_BY_HAND
clear_edges(const struct range *r)
{
    u64 first = r->start / PAGE_SIZE & ~(u64)(FRAMES_2M - 1);
    u64 last = (r->end / PAGE_SIZE - 1) & ~(u64)(FRAMES_2M - 1);

    memset(state + first, 0, FRAMES_2M);
    memset(state + last, 0, FRAMES_2M);
}

void LOCKS_BY_HAND
frames_init(struct ranges *free)
{
    assert(free->count > 0);
    end_frame = free->at[free->count - 1].end / PAGE_SIZE;
    place_state(free);
    for (u32 order = 0; order < ORDER_COUNT; order++)
        list_init(&lists[order]);
    uncarved = *free;
    for (u32 i = 0; i < free->count; i++) {
        clear_edges(&free->at[i]);
        free_frames += (free->at[i].end - free->at[i].start) / PAGE_SIZE;
    }
    total_frames = free_frames;
}
