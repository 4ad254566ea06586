// x64/scan.c: next uses inside one block.
//
// The walk back over a block pushes, for every operand, the position of the
// use after it; the walk forward that places the operands pops them.

#include "x64/allocate.h"

u32
next_use(const struct allocator *a, vreg_t v)
{
    const struct vreg *value = &a->values[v];

    if (value->stamp == a->visit)
        return value->next;
    if (value->loop_end <= a->block)
        return NEVER;
    return MAX(value->again, a->position + COLD);
}

static void
set_next(struct allocator *a, vreg_t v, u32 next)
{
    a->values[v].stamp = a->visit;
    a->values[v].next = next;
}

static void
push(struct allocator *a, vreg_t v, u32 next)
{
    if (v == 0)
        return;
    a->uses[a->use_count++] = next_use(a, v);
    set_next(a, v, next);
}

static void
push_list(struct allocator *a, u32 first, u32 count, u32 next)
{
    while (count-- > 0)
        push(a, a->m->list[first + count], next);
}

static void
scan_ins(struct allocator *a, const struct mins *ins, u32 at)
{
    const struct roles *roles = mins_roles(ins, a->m->features);

    if (roles->b == ROLE_EARLY)
        push(a, ins->b, NEVER);
    if (roles->def2)
        push(a, ins->def2, NEVER);
    if (roles->def)
        push(a, ins->def, NEVER);
    if (ins->flags & MINS_MEM) {
        if (is_vreg(ins->index))
            push(a, ins->index, at);
        if (is_vreg(ins->base))
            push(a, ins->base, at);
    }
    if (roles->b && roles->b != ROLE_EARLY)
        push(a, ins->b, at);
    if (roles->a)
        push(a, ins->a, at);
}

static void
scan_call(struct allocator *a, const struct mins *ins, u32 at)
{
    const struct mcall *call = &a->m->calls[ins->imm];

    push_list(a, call->results, call->result_count, NEVER);
    push_list(a, call->args, call->arg_count, at);
    if ((ins->flags & MINS_MEM) && is_vreg(ins->base))
        push(a, ins->base, at);
}

// The uses after the end of the block.
static void
scan_edge(struct allocator *a, blk_t b, edge_t e)
{
    const struct edge *edge = &a->fn->edges[e];
    const struct block *from = &a->fn->blocks[b];
    const struct block *to = &a->fn->blocks[edge->to];
    struct range in = a->live_in[edge->to];
    u32 end = a->m->blocks[b].end, away = end;

    if (a->fn->loops[to->loop].depth < a->fn->loops[from->loop].depth)
        away += FAR;
    if (to->cold && !from->cold)
        away += COLD;
    for (u32 i = 0; edge->to > b && i < in.count; i++) {
        struct live_in live = a->live[in.first + i];
        u32 next = away + (live.distance & ~CROSSES_CALL);

        if (a->values[live.v].stamp != a->visit ||
            next < a->values[live.v].next)
            set_next(a, live.v, next);
    }
    for (u32 i = 0; i < to->params; i++) {
        vreg_t v = a->fn->pool[edge->args + i];

        if (is_vreg(v))
            set_next(a, v, end);
    }
}

// What is live into a loop is live in all of it.
static void
scan_header(struct allocator *a, blk_t b)
{
    const struct loop *loop = &a->fn->loops[a->fn->blocks[b].loop];
    struct range in = a->live_in[b];

    if (loop == a->fn->loops || loop->header != b)
        return;
    for (u32 i = 0; i < in.count; i++) {
        struct live_in live = a->live[in.first + i];
        struct vreg *value = &a->values[live.v];

        value->loop_end = MAX(value->loop_end, loop->end);
        value->again =
            a->m->blocks[loop->end - 1].end + (live.distance & ~CROSSES_CALL);
    }
}

void
scan_block(struct allocator *a, blk_t b)
{
    const struct mblock *block = &a->m->blocks[b];
    u32 edges = edges_out(a->m, b);
    bool flags_live = false;

    a->visit++;
    a->block = b;
    a->use_count = 0;
    a->position = block->end;
    scan_header(a, b);
    for (u32 i = 0; i < edges; i++)
        scan_edge(a, b, edge_out(a->m, b, i));
    for (u32 i = block->end; i-- > block->first;) {
        struct mins *ins = &a->m->ins[i];
        u8 flags = op_traits[ins->op].flags;

        flags_live = (flags & RFLAGS) || (flags_live && !(flags & WFLAGS));
        ins->flags_live = flags_live;
        if (mins_is_call(ins))
            scan_call(a, ins, i);
        else
            scan_ins(a, ins, i);
    }
    a->position = block->first;
}
