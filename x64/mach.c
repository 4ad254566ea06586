// x64/mach.c: the arrays that a function in machine code is made of.

#include "x64/mach.h"

bool
mach_grow(struct arena *temp, void *array, u32 *capacity, u32 count, u64 size)
{
    void *old, *new;
    u32 wanted = MAX(16, *capacity * 2);

    if (count < *capacity)
        return true;
    memcpy(&old, array, sizeof(old));
    if (old != NULL && (u8 *)old + *capacity * size == temp->base + temp->at) {
        if (!arena_resize(temp, old, wanted * size))
            return false;
        *capacity = wanted;
        return true;
    }
    new = arena_alloc(temp, wanted * size, 16);
    if (new == NULL)
        return false;
    if (count > 0)
        memcpy(new, old, count * size);
    memcpy(array, &new, sizeof(new));
    *capacity = wanted;
    return true;
}

// Only the last few are compared: a function uses the same constant again
// soon or not at all, and the cost stays constant.
u32
mach_rodata(struct mach *m, struct arena *temp, u64 low, u64 high)
{
    u32 first = m->rodata_count > 32 ? m->rodata_count - 32 : 0;

    for (u32 i = m->rodata_count; i-- > first;)
        if (m->rodata[i][0] == low && m->rodata[i][1] == high)
            return i * 16;
    if (!mach_grow(temp, &m->rodata, &m->rodata_capacity, m->rodata_count,
                   sizeof(*m->rodata)))
        return UINT32_MAX;
    m->rodata[m->rodata_count][0] = low;
    m->rodata[m->rodata_count][1] = high;
    return m->rodata_count++ * 16;
}
