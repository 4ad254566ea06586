// runtime/collect.c: which objects of a heap can be reached, and what is free.
//
// Marking, without moving anything.  A word is a reference if an object begins
// there, which is known beside the heap, by what was given out.  Nothing in the
// heap is believed: of a type that there is not, an object is a granule without
// references, and none goes on beyond where the next one begins.  So whatever
// code has written, what is looked into of different objects is different
// memory, and the work is linear in the size of the heap.
//
// Objects that were found and not looked into are on a stack, the heap's, of
// fixed size.  What finds no place there is noted by its line, in a set of bits
// with three more above it, where the next line is found at once: then all that
// was found in that line is looked into, once more maybe.  An object is found
// once, so that happens to a line as often as objects begin in it, at most 32
// times.
//
// What code has made by itself since the last time is walked through first: it
// lies in the hole at hand, one object behind the other.
//
// It may take its time, while code runs (heap_begin, heap_step).  What could be
// reached at its beginning is found, as code tells what it overwrites in an
// object (HEAP_OVERWRITE); all that is made meanwhile is kept, and as it was
// made of what could be reached, it need not be looked into.
//
// At the end the marks are where objects begin, and the lines that they reach
// into are those given out: nothing has to be swept.  Until then nothing has
// changed for who was killed meanwhile.

#include "runtime/internal.h"

enum {
    PIECE = 16 * 1024, // words between two looks at whether we were killed
    GRANULES = HEAP_LINE / HEAP_GRANULE, // of a line
};

_Static_assert(GRANULES == 32, "a line is a word of marks");
_Static_assert(HEAP_LINES <= 64 * 64 * 64 * 64, "four sets, one in the other");

bool
heap_goes_on(struct heap *h, u64 words)
{
    struct marker *m = &h->marker;
    u64 pieces = m->words / PIECE;

    m->words += words;
    if (m->words / PIECE != pieces && thread_is_killed())
        m->killed = true;
    return !m->killed;
}

// --- what waits to be looked into --------------------------------------------

static const enum heap_side grays[] = {SIDE_GRAY1, SIDE_GRAY2, SIDE_GRAY3};

static void
add_gray(struct heap *h, u32 line)
{
    for (u32 k = 0; k < COUNT(grays); k++) {
        u64 *set = heap_bits(h, grays[k]), before = set[line / 64];
        bit_set(set, line);
        if (before != 0)
            return;
        line /= 64;
    }
    h->gray_top |= 1ull << line;
}

// There is one.
static u32
take_gray(struct heap *h)
{
    u32 line = bits_trailing_zeros(h->gray_top);

    for (u32 k = COUNT(grays); k-- > 0;)
        line = line * 64 + bits_trailing_zeros(heap_bits(h, grays[k])[line]);
    u32 at = line;
    for (u32 k = 0; k < COUNT(grays); k++) {
        u64 *set = heap_bits(h, grays[k]);
        bit_clear(set, at);
        at /= 64;
        if (set[at] != 0)
            return line;
    }
    h->gray_top &= ~(1ull << at);
    return line;
}

// --- marking -----------------------------------------------------------------

static void
found(struct heap *h, u32 granule)
{
    if (h->marker.top < HEAP_STACK)
        h->stack[h->marker.top++] = granule;
    else
        add_gray(h, granule / GRANULES);
}

static inline void
mark(struct heap *h, u32 reference)
{
    u64 at = (u64)reference - HEAP_OBJECTS; // huge: before that

    if ((reference & REF_TAG_HOST) != 0 || (reference & REF_TAG_I31) != 0 ||
        at >= h->end - HEAP_OBJECTS)
        return;
    u32 granule = (u32)index_masked(at, h->end - HEAP_OBJECTS) / HEAP_GRANULE;
    u32 bit = 1u << granule % GRANULES, *marks = heap_marks(h);
    if ((heap_starts(h)[granule / GRANULES] & bit) == 0 ||
        (marks[granule / GRANULES] & bit) != 0)
        return;
    marks[granule / GRANULES] |= bit;
    found(h, granule);
}

READS_STACK static void
mark_piece(struct heap *h, const u8 *from, u64 count, u64 stride)
{
    for (u64 k = 0; k < count; k++)
        mark(h, __atomic_load_n((const u32 *)(from + k * stride),
                                __ATOMIC_RELAXED));
}

bool
heap_mark(struct heap *h, const void *from, u64 count, u64 stride)
{
    for (u64 k = 0; k < count; k += PIECE) {
        u64 piece = MIN(PIECE, count - k);
        if (!heap_goes_on(h, piece))
            return false;
        mark_piece(h, (const u8 *)from + k * stride, piece, stride);
    }
    return !h->marker.killed;
}

// The next words of what is looked into.
static void
mark_rest(struct heap *h)
{
    struct marker *m = &h->marker;
    u64 piece = MIN(PIECE, m->rest.count);

    if (!heap_goes_on(h, piece))
        return;
    mark_piece(h, m->rest.from, piece, m->rest.stride);
    m->rest.from += piece * m->rest.stride;
    m->rest.count -= piece;
}

// --- looking into objects ----------------------------------------------------

static u32
word_at(const struct heap *h, u64 at)
{
    return *(const u32 *)(h->base + at);
}

// The type of what begins with this word, NULL: none.
static const struct heap_type *
type_of(const struct heap *h, u32 word)
{
    u32 row = (word - HEAP_ROWS) / HEAP_ROW_SIZE;

    if (word < HEAP_ROWS || word % HEAP_ROW_SIZE != 0 || row == 0 ||
        row > h->row_count)
        return NULL;
    return &h->types->rows[index_masked(row, h->row_count + 1ull)];
}

_Static_assert(HEAP_ROWS % HEAP_ROW_SIZE == 0, "rows are at multiples");

// `size` bytes from the granule on, or up to the next object.
static u64
own_size(struct heap *h, u32 granule, u64 size)
{
    const u32 *starts = heap_starts(h);
    u32 at = granule + 1, end = granule + (u32)(size / HEAP_GRANULE);

    while (at < end) {
        u32 word = starts[at / GRANULES] >> at % GRANULES;
        if (word != 0) {
            u32 next = at + (u32)__builtin_ctz(word);
            return (MIN(next, end) - granule) * (u64)HEAP_GRANULE;
        }
        at = (at | (GRANULES - 1)) + 1;
        if (!heap_goes_on(h, 1))
            break;
    }
    return size;
}

struct heap_object
heap_object_at(const struct heap *h, u64 at)
{
    bool fits = at + REF_TAG_ARRAY + HEAP_ELEMENTS <= h->end;
    bool array = fits && word_at(h, at) == 0;
    struct heap_object o = {.array = array, .size = HEAP_GRANULE};
    const struct heap_type *t = type_of(h, word_at(h, at + (o.array ? 4 : 0)));

    if (t == NULL || t->is_array != o.array)
        return o;
    o.type = t;
    o.size = t->size;
    if (o.array) {
        u32 length = word_at(h, at + REF_TAG_ARRAY + HEAP_LENGTH);
        o.elements = REF_TAG_ARRAY + t->size;
        o.size = o.elements + ((u64)length << t->log2);
    }
    o.size = MIN(ALIGN_UP(o.size, HEAP_GRANULE), h->end - at);
    return o;
}

// So many words are left of it.
static void
look_at_words(struct heap *h, u64 at, u64 count, u64 stride)
{
    h->marker.rest.from = h->base + at;
    h->marker.rest.count = count;
    h->marker.rest.stride = stride;
}

static void
look_into_struct(struct heap *h, const struct heap_type *t, u64 at, u64 size)
{
    if (t->refs == UINT64_MAX) {
        look_at_words(h, at, size / 4, 4);
        return;
    }
    (void)heap_goes_on(h, size / HEAP_GRANULE);
    for (u64 refs = t->refs; refs != 0; refs &= refs - 1) {
        u64 offset = 4 * bits_trailing_zeros(refs);
        if (offset >= size)
            break;
        mark(h, word_at(h, at + offset));
    }
}

static void
look_into(struct heap *h, u32 granule)
{
    u64 from = (u64)granule * HEAP_GRANULE, at = HEAP_OBJECTS + from;
    struct heap_object o = heap_object_at(h, at);

    o.size = own_size(h, granule, o.size);
    heap_set_lines(heap_bits(h, SIDE_LIVE), (u32)(from / HEAP_LINE),
                   (u32)((from + o.size - 1) / HEAP_LINE));
    if (o.type == NULL || o.type->refs == 0)
        return;
    if (!o.array)
        look_into_struct(h, o.type, at, o.size);
    else if (o.size > o.elements)
        look_at_words(h, at + o.elements, (o.size - o.elements) >> o.type->log2,
                      1ull << o.type->log2);
}

// All that was found in the line waits again; there is room.
static void
take_line(struct heap *h, u32 line)
{
    for (u32 word = heap_marks(h)[line]; word != 0; word &= word - 1)
        found(h, line * GRANULES + (u32)__builtin_ctz(word));
}

// So many words, or all.
static void
look_into_more(struct heap *h, u64 words)
{
    struct marker *m = &h->marker;
    u64 begun = m->words;

    while (!m->killed && m->words - begun < words) {
        if (m->rest.count > 0)
            mark_rest(h);
        else if (m->top > 0)
            look_into(h, h->stack[--m->top]);
        else if (h->gray_top != 0)
            take_line(h, take_gray(h));
        else
            return;
    }
}

static bool
is_done(const struct heap *h)
{
    return h->marker.rest.count == 0 && h->marker.top == 0 && h->gray_top == 0;
}

// --- what code has made ------------------------------------------------------

void
heap_note_made(struct heap *h)
{
    u32 granules = word_at(h, HEAP_ROOM) / HEAP_GRANULE;
    u64 to = MIN(granules * (u64)HEAP_GRANULE, h->small.end);

    while (h->small.next < to) {
        u64 size = heap_object_at(h, h->small.next).size;
        heap_set_start(h, h->small.next);
        h->small.next += MIN(size, to - h->small.next);
    }
}

void (*heap_collected)(const struct heap *h);

// --- a collection ------------------------------------------------------------

// Nothing is marked: also what one that was broken off has left.
static void
clear_side(struct heap *h, enum heap_side side, u64 size)
{
    for (u64 at = 0; at < size; at += PIECE * sizeof(u64)) {
        u64 piece = MIN(PIECE * sizeof(u64), size - at);
        if (!heap_goes_on(h, piece / sizeof(u64)))
            return;
        memset(h->sides[side].at + at, 0, piece);
    }
}

static void
clear_marks(struct heap *h)
{
    u64 size = heap_line_count(h) * sizeof(u32);

    clear_side(h, SIDE_MARKS, size);
    for (u32 k = SIDE_LIVE; k < SIDE_COUNT && !h->marker.killed; k++)
        clear_side(h, (enum heap_side)k, h->sides[k].size);
    h->gray_top = 0;
}

static void
swap_sides(struct heap *h, enum heap_side a, enum heap_side b)
{
    struct heap_part part = h->sides[a];

    h->sides[a] = h->sides[b];
    h->sides[b] = part;
}

// The bytes of lines that are reached into, and the end of the last of them.
static u64
count_lines(struct heap *h, u64 *end)
{
    const u64 *live = heap_bits(h, SIDE_LIVE);
    u64 count = 0, last = 0;

    for (u32 k = 0; k < heap_line_count(h); k += 64) {
        u64 word = live[k / 64];
        if (word == 0)
            continue;
        if (!heap_goes_on(h, 64))
            break;
        last = k + 64 - bits_leading_zeros(word);
        for (; word != 0; word &= word - 1)
            count++;
    }
    *end = HEAP_OBJECTS + last * HEAP_LINE;
    return count * HEAP_LINE;
}

static void
set_active(struct heap *h, bool active)
{
    h->marker.active = active;
    *(u32 *)(h->base + HEAP_MARKING) = active;
}

// What was found is all that is given out.
static void
finish(struct heap *h)
{
    u64 end, size = count_lines(h, &end);

    if (h->marker.killed)
        return;
    set_active(h, false);
    swap_sides(h, SIDE_STARTS, SIDE_MARKS);
    swap_sides(h, SIDE_LINES, SIDE_LIVE);
    memset(h->cursors, 0, sizeof(h->cursors));
    h->claimed = 0;
    h->stats.collections++;
    h->stats.live = size;
    h->stats.words = h->marker.words;
    if (heap_collected != NULL)
        heap_collected(h);
    h->budget = MAX(MAX(size, HEAP_BUDGET_MIN), h->marker.roots * sizeof(u32));
    end = MAX(end, HEAP_OBJECTS + size + 2 * h->budget);
    if (end >= h->end)
        return;
    clear_marks(h); // there must be none beyond the end when it grows again
    if (!h->marker.killed)
        heap_shrink(h, end);
}

// Where nothing is offered to code: the hole at hand was begun before.
static void
begin(struct heap *h, const struct heap_roots *roots)
{
    heap_note_made(h);
    h->small = h->medium = (struct heap_hole){0, 0};
    heap_offer(h);
    h->marker = (struct marker){0};
    clear_marks(h);
    set_active(h, true);
    if (!h->marker.killed)
        heap_mark_roots(h, roots);
    h->marker.roots = h->marker.words;
}

static void
end_pause(struct heap *h, u64 begun)
{
    h->stats.longest = MAX(h->stats.longest, port_monotonic_ns() - begun);
}

void
heap_begin(struct heap *h, const struct heap_roots *roots)
{
    u64 begun = port_monotonic_ns();

    begin(h, roots);
    end_pause(h, begun);
}

void
heap_step(struct heap *h, u64 words)
{
    u64 begun = port_monotonic_ns();

    look_into_more(h, words);
    if (!h->marker.killed && is_done(h))
        finish(h);
    end_pause(h, begun);
}

status_t
heap_collect(struct heap *h, const struct heap_roots *roots)
{
    heap_begin(h, roots);
    heap_step(h, UINT64_MAX);
    return h->marker.killed ? ERR_KILLED : OK;
}
