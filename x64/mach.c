// x64/mach.c: the arrays that a function in machine code is made of.

#include "x64/mach.h"

enum { ARRAYS = 9 };

// All that belongs to m, the instructions first.
static void
arrays_of(struct mach *m, struct arena_block arrays[ARRAYS])
{
    u64 edges = m->edge_block != NULL ? m->fn->edge_count : 0;
    u64 entries = m->narrow != NULL ? m->fn->block_count : 0;
    const struct arena_block all[ARRAYS] = {
        {&m->ins,        m->count * sizeof(*m->ins)          },
        {&m->blocks,     m->block_count * sizeof(*m->blocks) },
        {&m->types,      m->vreg_count                       },
        {&m->calls,      m->call_count * sizeof(*m->calls)   },
        {&m->list,       m->list_count * sizeof(*m->list)    },
        {&m->wide,       m->wide_count * sizeof(*m->wide)    },
        {&m->rodata,     m->rodata_count * sizeof(*m->rodata)},
        {&m->edge_block, edges * sizeof(*m->edge_block)      },
        {&m->narrow,     entries * sizeof(*m->narrow)        },
    };

    memcpy(arrays, all, sizeof(all));
}

void
mach_keep(struct mach *m, struct arena *temp, u64 mark)
{
    struct arena_block arrays[ARRAYS];

    arrays_of(m, arrays);
    arena_keep(temp, mark, arrays, ARRAYS);
    m->is_packed = true;
    m->capacity = m->count;
    m->vreg_capacity = m->vreg_count;
    m->call_capacity = m->call_count;
    m->list_capacity = m->list_count;
    m->wide_capacity = m->wide_count;
    m->rodata_capacity = m->rodata_count;
}

// A pointer into the block [from, ...) follows its move down by `shift`.
static void
move_pointer(void *pointer, const u8 *from, u64 shift)
{
    u8 *block;

    memcpy(&block, pointer, sizeof(block));
    if (block == NULL || block < from)
        return;
    block -= shift;
    memcpy(pointer, &block, sizeof(block));
}

bool
mach_ins_last(struct mach *m, struct arena *temp)
{
    struct arena_block arrays[ARRAYS];
    u64 size = m->count * sizeof(*m->ins), shift = size & ~15ull;
    u8 *start = (u8 *)m->ins, *rest = start + size;
    u64 rest_size = (u64)(temp->base + temp->at - rest);
    u8 *copy = arena_alloc(temp, rest_size + 32, 16);

    if (copy == NULL)
        return false;
    copy += 32; // rounding up may move the end of the instructions
    memcpy(copy, rest, rest_size);
    m->ins = (struct mins *)(start + ALIGN_UP(rest_size + size - shift, 16));
    memmove(m->ins, start, size);
    memcpy(rest - shift, copy, rest_size);
    arrays_of(m, arrays);
    for (u32 i = 1; i < ARRAYS; i++)
        move_pointer(arrays[i].pointer, rest, shift);
    arena_reset(temp, (u64)((u8 *)m->ins - temp->base) + size);
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
    if (!ARRAY_MORE(temp, m->rodata, m->rodata_capacity, m->rodata_count))
        return UINT32_MAX;
    m->rodata[m->rodata_count][0] = low;
    m->rodata[m->rodata_count][1] = high;
    return m->rodata_count++ * 16;
}
