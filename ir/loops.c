// ir/loops.c: loops, and blocks that are seldom reached.
//
// A wasm loop need not be one, and its last blocks may not lead back.  What
// counts is the edges: a loop is from a block to the last one that branches
// back to it, and whatever loop it meets half-way it takes in.

#include "ir/build.h"

// One past the last block with an edge back to this one, or 0.
static blk_t
back_end(const struct fn *fn, blk_t header)
{
    blk_t end = 0;

    for (edge_t e = fn->blocks[header].first_pred; e != 0; e = fn->next_pred[e])
        if (fn->edges[e].from >= header)
            end = MAX(end, fn->edges[e].from + 1);
    return end;
}

// Close the loops under nesting, last first: those after a loop's header that
// begin before its end are inside.  Loops without a parent yet are a list,
// chained through `depth`, first first.
static void
nest_loops(struct fn *fn)
{
    u32 list = 0;

    for (u32 i = fn->loop_count; i-- > 1;) {
        struct loop *l = &fn->loops[i];
        while (list != 0 && fn->loops[list].header < l->end) {
            l->end = MAX(l->end, fn->loops[list].end);
            fn->loops[list].parent = i;
            list = fn->loops[list].depth;
        }
        l->depth = list;
        list = i;
    }
    for (u32 i = 1; i < fn->loop_count; i++)
        fn->loops[i].depth = fn->loops[fn->loops[i].parent].depth + 1;
}

static void
assign_loops(struct fn *fn)
{
    u32 loop = 0, next = 1;

    for (blk_t i = 0; i < fn->block_count; i++) {
        while (loop != 0 && i >= fn->loops[loop].end)
            loop = fn->loops[loop].parent;
        if (next < fn->loop_count && fn->loops[next].header == i)
            loop = next++;
        fn->blocks[i].loop = loop;
    }
}

void
ir_find_loops(struct builder *b)
{
    struct fn *fn = b->fn;
    u32 count = 1, next = 1;

    for (blk_t i = 0; i < fn->block_count; i++)
        count += back_end(fn, i) != 0;
    fn->loops = ir_scratch(b, count * sizeof(struct loop));
    if (fn->loops == NULL)
        return;
    fn->loops[0] = (struct loop){0, fn->block_count, 0, 0};
    fn->loop_count = count;
    for (blk_t i = 0; i < fn->block_count; i++) {
        blk_t end = back_end(fn, i);
        if (end != 0)
            fn->loops[next++] = (struct loop){i, end, 0, 0};
    }
    nest_loops(fn);
    assign_loops(fn);
}

// --- cold blocks  ----------------------------------------------------------

// Is the end of an edge a later block that is cold?
static bool
leads_to_cold(const struct fn *fn, edge_t e)
{
    return fn->edges[e].to > fn->edges[e].from &&
           fn->blocks[fn->edges[e].to].cold;
}

static bool
ends_cold(const struct fn *fn, const struct block *block)
{
    const struct ins *last = &fn->ins[block->end - 1];
    const struct cases *cases;

    switch (last->op) {
    case IR_TRAP:
        return true;
    case IR_JUMP:
        return leads_to_cold(fn, last->a);
    case IR_BRANCH:
        return leads_to_cold(fn, last->b) && leads_to_cold(fn, last->c);
    case IR_SWITCH:
        cases = &fn->cases[last->b];
        for (u32 i = 0; i < cases->edge_count; i++)
            if (!leads_to_cold(fn, cases->first + i))
                return false;
        return true;
    default:
        return false;
    }
}

// Is it reached from cold blocks only?  Edges back do not count.
static bool
starts_cold(const struct fn *fn, blk_t b)
{
    if (fn->blocks[b].label != 0)
        return false;
    for (edge_t e = fn->blocks[b].first_pred; e != 0; e = fn->next_pred[e])
        if (fn->edges[e].from < b && !fn->blocks[fn->edges[e].from].cold)
            return false;
    return true;
}

void
ir_find_cold(struct fn *fn)
{
    for (blk_t i = fn->block_count; i-- > 1;)
        fn->blocks[i].cold |= ends_cold(fn, &fn->blocks[i]);
    for (blk_t i = 1; i < fn->block_count; i++)
        fn->blocks[i].cold |= starts_cold(fn, i);
}
