// runtime/heap.c: the heaps of threads, and the types of what is in them.
//
// A heap is a slot of addresses like that of a memory: whatever 32 bits code
// takes for a reference, it stays there (struct vmctx_heap in abi/abi.h).  So
// nothing in it is believed: what was given out is known here, and the types
// that objects may have are rows of the store's, of which the heap only has
// copies, for casts.
//
// Beside each heap, where no code gets, is what the kernel knows of it
// (runtime/sides.def).  Its memory and that of what is beside it are charged to
// the group; room.c gives it out, collect.c finds what is free again.

#include "runtime/internal.h"

static const u64 SLOT_SIZE = 8 * GIB; // 2^32 + 2^31 + an access, and spare
static const u64 OBJECTS_END = 4 * GIB - 64 * KIB;
static const u64 PIECE = 16 * MIB; // committed between two looks at a kill

// --- the types of a store ----------------------------------------------------

enum { TYPES_FIRST = 16, TYPES_PER_LOOK = 4096 };

// The place in the hash table of a canonical id, or where it would be.
static u32 *
find_place(const struct heap_types *t, u32 canonical)
{
    u32 mask = 2 * t->capacity - 1;
    u32 at = (u32)(canonical * 0x9e3779b97f4a7c15 >> 32) & mask;

    while (t->places[at] != 0 && t->rows[t->places[at]].canonical != canonical)
        at = (at + 1) & mask;
    return &t->places[at];
}

static bool
make_room(struct heap_types *t)
{
    struct heap_types more = {.capacity = MAX(2 * t->capacity, TYPES_FIRST),
                              .count = t->count};

    if (t->count + 1 < t->capacity)
        return true;
    if (more.capacity > HEAP_TYPES_MAX)
        return false;
    more.rows = kernel_alloc(more.capacity * sizeof(*more.rows));
    more.places = kernel_alloc(2 * more.capacity * sizeof(*more.places));
    if (more.rows == NULL || more.places == NULL) {
        kernel_free(more.rows);
        kernel_free(more.places);
        return false;
    }
    for (u32 k = 1; k <= t->count; k++) {
        more.rows[k] = t->rows[k];
        *find_place(&more, more.rows[k].canonical) = k;
    }
    heap_types_free(t);
    *t = more;
    return true;
}

// What lies in an object of type k of m.
static void
lay_out(struct heap_type *row, const struct module *m, u32 k)
{
    const struct type *t = &m->types[k];

    row->is_array = t->kind == TYPE_ARRAY;
    row->size = row->is_array ? t->fields->at : t->size;
    if (row->is_array) {
        row->log2 = (u8)__builtin_ctz(valtype_field_size(t->fields->type));
        row->refs = valtype_is_in_heap(m, t->fields->type);
        return;
    }
    for (u32 i = 0; i < t->field_count; i++) {
        if (!valtype_is_in_heap(m, t->fields[i].type))
            continue;
        if (t->size > 64 * 4)
            row->refs = UINT64_MAX;
        else
            row->refs |= 1ull << t->fields[i].at / 4;
    }
}

// The row of type k of m, whose supertype has one.
static u32
add_type(struct heap_types *t, const struct module *m, u32 k, const u32 *ids)
{
    u32 super = m->types[k].super, *place;

    if (!make_room(t))
        return 0;
    place = find_place(t, ids[k]);
    if (*place == 0) {
        *place = ++t->count;
        t->rows[t->count] = (struct heap_type){
            .canonical = ids[k],
            .super = super != NO_INDEX ? *find_place(t, ids[super]) : 0,
            .depth = m->types[k].depth,
        };
        lay_out(&t->rows[t->count], m, k);
    }
    return *place;
}

// There are no threads yet.
status_t
heap_types_add(struct store *s, const struct instance *i, u32 *rows)
{
    const struct module *m = &i->code->module;

    for (u32 k = 0; k < m->type_count; k++) {
        if (k % TYPES_PER_LOOK == 0 && thread_is_killed())
            return ERR_KILLED;
        if (m->types[k].kind == TYPE_FUNC)
            continue;
        u32 row = add_type(&s->heap_types, m, k, i->code->ids);
        if (row == 0)
            return ERR_NO_MEMORY;
        rows[k] = HEAP_ROWS + row * HEAP_ROW_SIZE;
    }
    return OK;
}

// Places are taken in the order of rows, so that the last can be given back.
void
heap_types_cut(struct heap_types *t, u32 count)
{
    for (; t->count > count; t->count--)
        *find_place(t, t->rows[t->count].canonical) = 0;
}

void
heap_types_free(struct heap_types *t)
{
    kernel_free(t->rows);
    kernel_free(t->places);
    *t = (struct heap_types){0};
}

bool
heap_types_match(const struct heap_types *t, u32 row, u32 super)
{
    while (row != 0 && row != super)
        row = t->rows[row].super;
    return row == super;
}

// --- heaps -------------------------------------------------------------------

// Memory up to `to`, from *end on, which rises.
static status_t
commit(struct heap *h, u64 *end, u64 to)
{
    while (*end < to) {
        u64 size = MIN(PIECE, to - *end);
        if (thread_is_killed())
            return ERR_KILLED;
        status_t status =
            charge_commit(&h->memory, RESOURCE_MEMORY, h->base + *end, size);
        if (status != OK)
            return status;
        *end += size;
    }
    return OK;
}

// The rows of the supertypes of a type at depth 0 to 7, with itself.
static void
write_row(struct heap *h, const struct heap_types *t, u32 row)
{
    u32 *words = (u32 *)(h->base + HEAP_ROWS + row * HEAP_ROW_SIZE);

    for (u32 k = row; k != 0; k = t->rows[k].super)
        if (t->rows[k].depth < HEAP_ROW_WORDS)
            words[t->rows[k].depth] = HEAP_ROWS + k * HEAP_ROW_SIZE;
}

status_t
heap_write_rows(struct heap *h, const struct heap_types *t)
{
    u64 end = HEAP_ROWS + (t->count + 1ull) * HEAP_ROW_SIZE;

    status_t status = commit(h, &h->rows_end, ALIGN_UP(end, PAGE_SIZE));
    if (status != OK)
        return status;
    for (; h->row_count < t->count; h->row_count++) {
        if (h->row_count % TYPES_PER_LOOK == 0 && thread_is_killed())
            return ERR_KILLED;
        write_row(h, t, h->row_count + 1);
    }
    return OK;
}

static const struct {
    u32 log2;
} side_rows[] = {
#define SIDE(id, log2, help) [SIDE_##id] = {log2},
#include "runtime/sides.def"
};

// The bytes of a side for so many of the heap.
static u64
side_size(enum heap_side side, u64 size)
{
    u64 each = 1ull << side_rows[side].log2;

    return ALIGN_UP((size + each - 1) / each, PAGE_SIZE);
}

static const u64 OBJECTS_SIZE = (u64)HEAP_LINES * HEAP_LINE;

static u64
beside_size(void)
{
    u64 size = HEAP_STACK * sizeof(u32);

    for (u32 k = 0; k < SIDE_COUNT; k++)
        size += side_size((enum heap_side)k, OBJECTS_SIZE);
    return size;
}

static bool
reserve_beside(struct heap *h)
{
    u64 at = HEAP_STACK * sizeof(u32);

    h->beside = port_reserve(beside_size(), PAGE_SIZE);
    if (h->beside == NULL)
        return false;
    h->stack = (u32 *)h->beside;
    for (u32 k = 0; k < SIDE_COUNT; k++) {
        h->sides[k].at = h->beside + at;
        at += side_size((enum heap_side)k, OBJECTS_SIZE);
    }
    return true;
}

static status_t
make(struct heap *h)
{
    if (!charge_to(&h->addresses, RESOURCE_ADDRESSES,
                   SLOT_SIZE + beside_size()))
        return ERR_NO_MEMORY;
    h->base = port_reserve_slot(SLOT_SIZE);
    if (h->base == NULL || !reserve_beside(h))
        return ERR_NO_MEMORY;
    status_t status = charge_commit(&h->memory, RESOURCE_MEMORY, h->stack,
                                    HEAP_STACK * sizeof(u32));
    return status != OK ? status : heap_write_rows(h, h->types);
}

status_t
heap_new(struct heap **out, const struct heap_types *t)
{
    struct heap *h = kernel_alloc(sizeof(*h));

    if (h == NULL)
        return ERR_NO_MEMORY;
    h->types = t;
    h->end = h->fresh = HEAP_OBJECTS;
    h->rows_end = HEAP_SCRATCH;
    h->budget = HEAP_BUDGET_MIN;
    status_t status = make(h);
    if (status != OK) {
        heap_free(h);
        return status;
    }
    *(u32 *)(h->base + HEAP_NOTHING) = HEAP_ROWS;
    *out = h;
    return OK;
}

static bool telling;

void
heaps_tell(bool on)
{
    telling = on;
}

static void
tell(const struct heap_stats *stats)
{
    klog("nebulet: heap: %llu KiB given out, %llu collections, pauses of %llu "
         "us at most; %llu KiB of memory at most",
         (unsigned long long)stats->given / KIB,
         (unsigned long long)stats->collections,
         (unsigned long long)stats->longest / 1000,
         (unsigned long long)stats->most / KIB);
}

void
heap_free(struct heap *h)
{
    if (h == NULL)
        return;
    if (telling)
        tell(&h->stats);
    if (h->base != NULL)
        port_release(h->base, SLOT_SIZE);
    if (h->beside != NULL)
        port_release(h->beside, beside_size());
    charge_end(&h->memory, RESOURCE_MEMORY);
    charge_end(&h->addresses, RESOURCE_ADDRESSES);
    kernel_free(h);
}

bool
heap_contains(const struct heap *h, u64 address)
{
    return address - (u64)h->base < SLOT_SIZE;
}

// Memory beside it, for so many bytes of objects.
static status_t
grow_sides(struct heap *h, u64 size)
{
    for (u32 k = 0; k < SIDE_COUNT; k++) {
        u64 more = side_size((enum heap_side)k, size),
            *have = &h->sides[k].size;
        if (more <= *have)
            continue;
        if (thread_is_killed())
            return ERR_KILLED;
        status_t status = charge_commit(&h->memory, RESOURCE_MEMORY,
                                        h->sides[k].at + *have, more - *have);
        if (status != OK)
            return status;
        *have = more;
    }
    return OK;
}

status_t
heap_grow(struct heap *h, u64 end)
{
    u64 to = ALIGN_UP(end, PAGE_SIZE);

    if (to > OBJECTS_END)
        return ERR_LIMIT;
    status_t status = grow_sides(h, to - HEAP_OBJECTS);
    if (status == OK)
        status = commit(h, &h->end, to);
    h->stats.most = MAX(h->stats.most, h->end - HEAP_OBJECTS);
    return status;
}

void
heap_shrink(struct heap *h, u64 end)
{
    u64 to = ALIGN_UP(end, PAGE_SIZE);

    while (h->end > to) {
        u64 size = MIN(PIECE, h->end - to);
        h->end -= size;
        port_decommit(h->base + h->end, size);
        charge_less(&h->memory, RESOURCE_MEMORY, h->memory.amount - size);
    }
    h->fresh = MIN(h->fresh, h->end);
}
