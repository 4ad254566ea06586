// x64/alloc/uses.c: next uses while a block is walked.
//
// A value's next use is known as a position in the code.  Values that live
// through a loop are used again one turn later, however far that is.

#include "x64/alloc/alloc.h"

u32
alloc_next_use(const struct allocator *a, vreg_t v)
{
    const struct vreg *value = &a->values[v];

    if (value->stamp == a->visit)
        return value->next;
    if (value->loop_end <= a->block)
        return NEVER;
    return MAX(value->again, a->position + COLD);
}

u32
alloc_uses_pop(struct allocator *a, vreg_t v)
{
    struct vreg *value = &a->values[v];
    u32 distance;

    assert(a->use_count > 0);
    distance = a->uses[--a->use_count];
    value->stamp = a->visit;
    if (distance != NEVER)
        value->next = a->first + distance;
    else if (value->loop_end > a->block)
        value->next = MAX(value->again, a->position + COLD);
    else
        value->next = NEVER;
    return value->next;
}

// What is live into a loop is live in all of it.
static void
enter_loop(struct allocator *a, const struct loop *loop, struct live_in live)
{
    struct vreg *value = &a->values[live.v];

    value->loop_end = MAX(value->loop_end, loop->end);
    value->again =
        a->m->blocks[loop->end - 1].end + (live.distance & ~CROSSES_CALL);
}

void
alloc_uses_enter(struct allocator *a, blk_t b)
{
    const struct block *block = &a->fn->blocks[b];
    const struct loop *loop = &a->fn->loops[block->loop];
    bool is_header = block->loop != 0 && loop->header == b;
    struct range in = a->live_in[b];

    a->visit++;
    a->block = b;
    a->first = a->position = a->m->blocks[b].first;
    for (u32 i = 0; i < in.count; i++) {
        struct live_in live = a->live[in.first + i];

        a->values[live.v].stamp = a->visit;
        a->values[live.v].next = a->first + (live.distance & ~CROSSES_CALL);
        if (is_header)
            enter_loop(a, loop, live);
    }
    for (u32 i = 0; i < block->params; i++)
        alloc_uses_pop(a, block->first + i);
}
