// runtime/room.c: room for objects in a heap.
//
// Memory is given out in lines.  A run of free lines is a hole, and small
// objects are put one behind the other into the hole at hand; there is one more
// for those that are longer than a line, so that these do not leave the rest of
// small holes behind.  Large objects have lines of their own.
//
// Runs are looked for from a cursor on, one for each power of two, and none of
// them goes back before the next collection: so all looking between two
// collections is linear.  What decides when to collect is how much was given
// out since the last time, not whether there is a hole: as much as was left
// then, so that both is in proportion, or more where more memory would be over
// a limit.

#include "runtime/internal.h"

enum {
    HOLE_LINES = 128,      // that a hole has at most
    MEDIUM_MAX = 8 * 1024, // bytes of an object that shares one
    RUNS_PER_LOOK = 4096,  // between two looks at whether we were killed
    ZERO_PIECE = 1 << 20,  // bytes, likewise
    STEPS_MIN = 2 << 20,   // bytes of what was left, from which on it is
                           // collected in steps
    STEP_MAX = 1 << 20,    // words in a step
    CREEP = 4,             // words, for tests
};
static const u64 GROWTH_MIN = 64 * KIB, GROWTH_MAX = 4 * MIB;

static enum heap_mode heap_mode;

void
heap_set_mode(enum heap_mode mode)
{
    heap_mode = mode;
}

// --- runs of lines -----------------------------------------------------------

// The first line from `at` on that is given out, or free; or `end`.
static u32
next_line(const u64 *lines, u32 at, u32 end, bool given)
{
    while (at < end) {
        u64 word = (given ? lines[at / 64] : ~lines[at / 64]) >> at % 64;
        if (word != 0)
            return MIN(at + bits_trailing_zeros(word), end);
        at = (at | 63) + 1;
    }
    return end;
}

void
heap_set_lines(u64 *lines, u32 first, u32 last)
{
    for (; first / 64 != last / 64; first = (first | 63) + 1)
        lines[first / 64] |= ~0ull << first % 64;
    lines[first / 64] |= (~0ull << first % 64) & (~0ull >> (63 - last % 64));
}

struct run {
    u32 first, count;
};

// From `min` up to `max` free lines; count 0: there are none.  The cursor is
// then where the heap's last free lines begin.
static struct run
find_run(const struct heap *h, u32 *cursor, u32 min, u32 max)
{
    const u64 *lines = heap_bits(h, SIDE_LINES);
    u32 end = heap_line_count(h), at = *cursor;

    for (u32 looks = 1;; looks++) {
        at = next_line(lines, at, end, false);
        u32 to = next_line(lines, at, MIN(end, at + max), true);
        *cursor = at;
        if (to - at >= min) {
            *cursor = to;
            return (struct run){at, to - at};
        }
        if (to == end || (looks % RUNS_PER_LOOK == 0 && thread_is_killed()))
            return (struct run){0, 0};
        at = to;
    }
}

// All zero.
static void
clear(u8 *at, u64 size)
{
    for (u64 done = 0; done < size && !thread_is_killed(); done += ZERO_PIECE)
        memset(at + done, 0, MIN(ZERO_PIECE, size - done));
}

static void
claim(struct heap *h, struct run run, struct heap_hole *out)
{
    u64 from = HEAP_OBJECTS + (u64)run.first * HEAP_LINE;
    u64 size = (u64)run.count * HEAP_LINE;

    heap_set_lines(heap_bits(h, SIDE_LINES), run.first,
                   run.first + run.count - 1);
    if (h->marker.active)
        heap_set_lines(heap_bits(h, SIDE_LIVE), run.first,
                       run.first + run.count - 1);
    if (from < h->fresh)
        clear(h->base + from, MIN(size, h->fresh - from));
    h->fresh = MAX(h->fresh, from + size);
    h->claimed += size;
    h->stats.given += size;
    *out = (struct heap_hole){from, from + size};
}

// --- more of them ------------------------------------------------------------

// Memory for a run that begins at the cursor, and some more if there is any.
static status_t
grow(struct heap *h, u32 cursor, u32 count)
{
    u64 end = HEAP_OBJECTS + ((u64)cursor + count) * HEAP_LINE;
    u64 more = MIN(MAX((h->end - HEAP_OBJECTS) / 8, GROWTH_MIN), GROWTH_MAX);
    status_t status = heap_grow(h, MAX(end, h->end + more));

    return status == OK || status == ERR_KILLED ? status : heap_grow(h, end);
}

// Then there may be such a run, or false.  What cannot be reached is taken back
// once (roots: not yet).
static bool
make_room(struct heap *h, const struct heap_roots **roots, u32 cursor,
          u32 count)
{
    const struct heap_roots *reached = *roots;

    if (reached == NULL || h->claimed < h->budget || h->marker.active) {
        if (grow(h, cursor, count) == OK)
            return true;
        if (reached == NULL || thread_is_killed())
            return false;
    }
    *roots = NULL;
    return heap_collect(h, reached) == OK;
}

// A heap that is not small is collected while code runs: begun before as much
// was given out as was left, and going on by a word for each byte.
static void
begin_early(struct heap *h, const struct heap_roots *roots)
{
    if (roots != NULL && !h->marker.active && h->stats.live >= STEPS_MIN &&
        h->claimed >= h->budget / 4 * 3)
        heap_begin(h, roots);
}

static void
go_on(struct heap *h, u64 size)
{
    bool late = h->claimed >= 2 * h->budget;

    if (h->marker.active)
        heap_step(h, late ? UINT64_MAX : MIN(size, STEP_MAX));
}

// A hole of at least so many lines.
static bool
take_run(struct heap *h, const struct heap_roots *roots, u32 min, u32 max,
         struct heap_hole *out)
{
    u32 *cursor = &h->cursors[63 - bits_leading_zeros(min)];

    begin_early(h, roots);
    for (;;) {
        struct run run = find_run(h, cursor, min, max);
        if (run.count > 0) {
            claim(h, run, out);
            go_on(h, (u64)run.count * HEAP_LINE);
            return true;
        }
        if (thread_is_killed() || !make_room(h, &roots, *cursor, min))
            return false;
    }
}

static u32
take_from(struct heap_hole *hole, u64 size)
{
    u64 at = hole->next;

    hole->next += size;
    return (u32)at;
}

static u32
take(struct heap *h, u64 size, const struct heap_roots *roots)
{
    struct heap_hole *hole = size <= HEAP_LINE ? &h->small : &h->medium, own;
    u32 lines = (u32)((size + HEAP_LINE - 1) / HEAP_LINE);

    if (size > MEDIUM_MAX)
        return take_run(h, roots, lines, lines, &own) ? take_from(&own, size) :
                                                        0;
    if (size > hole->end - hole->next &&
        !take_run(h, roots, lines, HOLE_LINES, hole))
        return 0;
    return take_from(hole, size);
}

void
heap_offer(struct heap *h)
{
    u64 next = h->small.next;
    u64 end = heap_mode == HEAP_LAZY ? h->small.end : next;

    *(u32 *)(h->base + HEAP_ROOM) = (u32)next;
    *(u32 *)(h->base + HEAP_ROOM_END) = (u32)end;
}

static void
collect_for_test(struct heap *h, const struct heap_roots *roots)
{
    if (heap_mode == HEAP_EAGER || !h->marker.active)
        heap_begin(h, roots);
    heap_step(h, heap_mode == HEAP_EAGER ? UINT64_MAX : CREEP);
}

u32
heap_take(struct heap *h, u64 size, const struct heap_roots *roots)
{
    size = ALIGN_UP(size, HEAP_GRANULE);
    if (size > (u64)HEAP_LINES * HEAP_LINE)
        return 0;
    if (heap_mode != HEAP_LAZY && roots != NULL)
        collect_for_test(h, roots);
    heap_note_made(h);
    u32 at = take(h, size, roots);
    heap_offer(h);
    if (at != 0)
        heap_set_start(h, at);
    return at;
}
