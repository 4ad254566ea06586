// base/array.c: arrays that grow in an arena.
//
// The newest block of an arena grows where it is, by an eighth.  Any other
// array moves to a block twice as large; the old one may serve another array,
// if somebody keeps it as a spare.

#include "base/base.h"

enum {
    COUNT_MIN = 16, // elements of any array
    COUNT_MAX = 1 << 30,
};

void
spares_add(struct spares *spares, void *block, u64 size)
{
    u64 skip = -(u64)block % 16;
    struct spare *worst = &spares->rows[0];

    for (u32 i = 1; i < COUNT(spares->rows); i++)
        if (spares->rows[i].size < worst->size)
            worst = &spares->rows[i];
    if (size >= skip + 16 && size - skip > worst->size)
        *worst = (struct spare){(u8 *)block + skip, size - skip};
}

void *
spares_alloc(struct spares *spares, struct arena *arena, u64 size)
{
    struct spare *best = NULL;
    u64 whole = ALIGN_UP(MAX(size, 1), 16);

    for (u32 i = 0; spares != NULL && i < COUNT(spares->rows); i++) {
        struct spare *spare = &spares->rows[i];
        if (spare->size >= whole && (best == NULL || spare->size < best->size))
            best = spare;
    }
    if (best == NULL)
        return arena_alloc(arena, size, 16);

    void *block = best->block;
    best->block = (u8 *)block + whole;
    best->size -= whole;
    return block;
}

// Let the array have `wanted` elements, more than it has.
static bool
resize(struct arena *arena, struct spares *spares, void *array, u32 *capacity,
       u32 count, u64 wanted, u64 size)
{
    void *old, *new;

    if (wanted > COUNT_MAX)
        return false;
    memcpy(&old, array, sizeof(old));
    if (arena_is_newest(arena, old, *capacity * size)) {
        if (!arena_resize(arena, old, wanted * size))
            return false;
        *capacity = (u32)wanted;
        return true;
    }
    new = spares_alloc(spares, arena, wanted * size);
    if (new == NULL)
        return false;
    if (old != NULL)
        memcpy(new, old, count * size);
    if (spares != NULL && old != NULL)
        spares_add(spares, old, *capacity * size);
    memcpy(array, &new, sizeof(new));
    *capacity = (u32)wanted;
    return true;
}

bool
array_grow(struct arena *arena, struct spares *spares, void *array,
           u32 *capacity, u32 count, u64 more, u64 size)
{
    u64 need = count + more, slack = *capacity;
    void *old;

    if (need <= *capacity)
        return true;
    memcpy(&old, array, sizeof(old));
    if (arena_is_newest(arena, old, *capacity * size))
        slack /= 8; // costs no copy
    return resize(arena, spares, array, capacity, count,
                  MAX(need, *capacity + MAX(slack, COUNT_MIN)), size);
}

bool
array_room(struct arena *arena, void *array, u32 *capacity, u32 count,
           u64 wanted, u64 size)
{
    return wanted <= *capacity ||
           resize(arena, NULL, array, capacity, count, wanted, size);
}
