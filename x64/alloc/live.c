// x64/alloc/live.c: what is live into each block, and how far its next use is.
//
// One walk over the blocks, last to first.  A loop's back edges reach blocks
// that have not been visited; what is live into a loop's header is live in all
// of the loop, which allocate adds when it enters the loop, instead of here to
// every block.  On the way each value gets a hint: the register that its next
// use wants, and whether a call lies between its definition and a use; and for
// every operand the distance of the use after it is pushed on a stack, which
// the walk forward pops.
//
// The cost is the code and the live-in values at the targets of all edges,
// which a budget bounds.

#include "x64/alloc/alloc.h"

// A value is live from here back; `distance` from the start of the block to
// the next use, `calls_use` what a->calls was at that use.
static void
add(struct allocator *a, vreg_t v, u32 distance, u32 calls_use)
{
    struct vreg *value = &a->values[v];

    if (v == 0 || (value->flags & VALUE_CONST))
        return;
    if (value->stamp == a->visit) {
        if (distance < value->next) {
            value->next = distance;
            value->calls_use = calls_use;
        }
        return;
    }
    if (!ARRAY_MORE(a->temp, a->live, a->live_capacity, a->live_count)) {
        alloc_fail(a, ERR_NO_MEMORY);
        return;
    }
    value->stamp = a->visit;
    value->next = distance;
    value->calls_use = calls_use;
    value->calls_end = a->calls;
    a->live[a->live_count++] = (struct live_in){v, 0};
    a->pressure[type_is_vector(value_type(a, v))] += v >= a->own;
}

static void
push(struct allocator *a, vreg_t v)
{
    const struct vreg *value = &a->values[v];

    if (!ARRAY_MORE(a->temp, a->uses, a->use_capacity, a->use_count)) {
        alloc_fail(a, ERR_NO_MEMORY);
        return;
    }
    a->uses[a->use_count++] = value->stamp == a->visit ? value->next : NEVER;
}

static void
use(struct allocator *a, vreg_t v, u32 distance)
{
    struct vreg *value = &a->values[v];

    if (v == 0)
        return;
    push(a, v);
    if (value->flags & VALUE_CONST) {
        value->stamp = a->visit;
        value->next = distance;
    } else {
        add(a, v, distance, a->calls);
    }
}

static void
def(struct allocator *a, vreg_t v)
{
    struct vreg *value = &a->values[v];

    if (v == 0)
        return;
    push(a, v);
    if (value->stamp != a->visit || value->next == NEVER)
        return;
    if (a->calls > value->calls_end)
        value->flags |= VALUE_CALL;
    value->next = NEVER;
    a->pressure[type_is_vector(value_type(a, v))] -= v >= a->own;
}

// The last use of `from` makes `to`: they would best share a register.
static void
hint_like(struct allocator *a, vreg_t from, vreg_t to)
{
    struct vreg *value = &a->values[from];

    if (from == 0 || to == 0 || value->stamp == a->visit)
        return;
    value->hint = a->values[to].hint;
    value->like = a->values[to].like;
}

static void
hint_role(struct allocator *a, vreg_t v, u8 role)
{
    if (role >= ROLE_RAX)
        a->values[v].hint = (u8)(REG_RAX + (role - ROLE_RAX));
}

static void
visit_ins(struct allocator *a, const struct mins *ins, u32 distance)
{
    const struct roles *roles = mins_roles(ins, a->m->features);

    if (roles->b == ROLE_EARLY)
        def(a, ins->b);
    if (roles->def2)
        def(a, ins->def2);
    if (roles->def)
        def(a, ins->def);
    if (roles->def == ROLE_TIED)
        hint_like(a, ins->a, ins->def);
    else if (mins_shape(ins) == SHAPE_RM && roles->b)
        hint_like(a, ins->b, ins->def);
    if (ins->flags & MINS_MEM) {
        if (is_vreg(ins->index))
            use(a, ins->index, distance);
        if (is_vreg(ins->base))
            use(a, ins->base, distance);
    }
    if (roles->b && roles->b != ROLE_EARLY) {
        use(a, ins->b, distance);
        hint_role(a, ins->b, roles->b);
    }
    if (roles->a)
        use(a, ins->a, distance);
    hint_role(a, ins->a, roles->a);
}

// Arguments of a call, or the values of a return.
static void
visit_args(struct allocator *a, const struct mcall *call, const reg_t ints[6],
           u32 distance)
{
    u32 int_count = call->type ? 0 : 1, vector_count = 0;

    for (u32 i = call->arg_count; i-- > 0;)
        use(a, a->m->list[call->args + i], distance);
    for (u32 i = 0; i < call->arg_count; i++) {
        vreg_t v = a->m->list[call->args + i];
        bool vector = type_is_vector(value_type(a, v));

        if (vector && vector_count < ABI_VECTORS)
            a->values[v].hint = (u8)(REG_XMM0 + vector_count++);
        else if (!vector && int_count < ABI_INTS)
            a->values[v].hint = ints[int_count++];
    }
}

static void
visit_call(struct allocator *a, const struct mins *ins, u32 distance)
{
    const struct mcall *call = &a->m->calls[ins->imm];

    for (u32 i = call->result_count; i-- > 0;)
        def(a, a->m->list[call->results + i]);
    if (mins_returns(ins) && !a->fn->blocks[a->block].cold)
        a->calls++;
    visit_args(a, call, mins_is_ret(ins) ? abi_int_results : abi_int_args,
               distance);
    if ((ins->flags & MINS_MEM) && is_vreg(ins->base)) {
        use(a, ins->base, distance);
        a->values[ins->base].hint = REG_RAX;
    }
}

// What is live at the end of the block: what its successors want.
static void
visit_edge(struct allocator *a, blk_t b, edge_t e, u32 length)
{
    const struct edge *edge = &a->fn->edges[e];
    const struct block *from = &a->fn->blocks[b], *to;
    u32 away = length;

    to = &a->fn->blocks[edge->to];
    if (a->fn->loops[to->loop].depth < a->fn->loops[from->loop].depth)
        away += FAR;
    if (to->cold && !from->cold)
        away += COLD;
    if (edge->to > b) {
        struct range in = a->live_in[edge->to];

        a->work += in.count;
        for (u32 i = 0; i < in.count; i++) {
            struct live_in live = a->live[in.first + i];
            u32 distance = (live.distance & ~CROSSES_CALL) + away;

            add(a, live.v, MIN(distance, DISTANCE_MAX),
                live.distance & CROSSES_CALL ? NEVER : 0);
        }
    }
    for (u32 i = 0; i < to->params; i++) {
        vreg_t v = a->fn->pool[edge->args + i];

        if (!is_vreg(v))
            continue;
        add(a, v, length, 0);
        a->values[v].like = to->first + i;
        a->values[v].hint = REG_NONE;
    }
    a->work += to->params;
}

// Keep what is still live at the start of the block.
static void
close_block(struct allocator *a, blk_t b, u32 first)
{
    u32 kept = first;

    for (u32 i = a->fn->blocks[b].params; i-- > 0;)
        def(a, a->fn->blocks[b].first + i);
    for (u32 i = first; i < a->live_count; i++) {
        struct vreg *value = &a->values[a->live[i].v];
        bool crosses = value->calls_use == NEVER || a->calls > value->calls_use;

        if (value->next == NEVER)
            continue;
        if (a->calls > value->calls_end)
            value->flags |= VALUE_CALL;
        a->live[kept].v = a->live[i].v;
        a->live[kept++].distance = value->next | (crosses ? CROSSES_CALL : 0);
    }
    a->live_count = kept;
    a->live_in[b] = (struct range){first, kept - first};
    a->work += kept - first;
}

static vreg_t
own_values(const struct allocator *a, u32 loop)
{
    return a->fn->blocks[a->fn->loops[loop].header].first;
}

// At its busiest, what a loop needs of the values of the loop around it: its
// own, and what is live into it and not into the outer one.
static void
raise_pressure(struct allocator *a, blk_t header, u32 parent)
{
    struct loop_info *loop = &a->loops[a->fn->blocks[header].loop];
    struct loop_info *outer = &a->loops[parent];
    u32 own[2] = {loop->pressure[0], loop->pressure[1]};
    struct range in = a->live_in[header];

    for (u32 i = 0; i < in.count; i++) {
        vreg_t v = a->live[in.first + i].v;

        own[type_is_vector(value_type(a, v))] += v >= own_values(a, parent);
    }
    for (u32 i = 0; i < 2; i++)
        outer->pressure[i] = MAX(outer->pressure[i], own[i]);
}

// All of a loop has been visited when its header has.
static void
close_loop(struct allocator *a, blk_t b)
{
    u32 l = a->fn->blocks[b].loop, parent = a->fn->loops[l].parent;
    struct loop_info *loop = &a->loops[l], *outer = &a->loops[parent];

    if (l == 0 || a->fn->loops[l].header != b)
        return;
    outer->calls |= loop->calls;
    raise_pressure(a, b, parent);
    if (!loop->calls)
        return;
    for (u32 i = 0; i < a->live_in[b].count; i++)
        a->values[a->live[a->live_in[b].first + i].v].flags |= VALUE_CALL;
}

static void
visit_block(struct allocator *a, blk_t b)
{
    const struct mblock *block = &a->m->blocks[b];
    struct loop_info *loop = &a->loops[a->fn->blocks[b].loop];
    u32 first = a->live_count, edges = mach_edges_out(a->m, b), most[2];
    bool flags_live = false;

    a->visit++;
    a->block = b;
    a->calls = 0;
    a->pressure[0] = a->pressure[1] = 0;
    a->own = own_values(a, a->fn->blocks[b].loop);
    for (u32 i = 0; i < edges && a->status == OK; i++)
        visit_edge(a, b, mach_edge_out(a->m, b, i), block->end - block->first);
    memcpy(most, a->pressure, sizeof(most));
    for (u32 i = block->end; i-- > block->first && a->status == OK;) {
        struct mins *ins = &a->m->ins[i];
        if (!arena_may_step(a->temp, i))
            alloc_fail(a, ERR_KILLED);
        u8 flags = x64_traits[ins->op].flags;

        flags_live = (flags & RFLAGS) || (flags_live && !(flags & WFLAGS));
        ins->flags_live = flags_live;
        if (mins_is_call(ins))
            visit_call(a, ins, i - block->first);
        else
            visit_ins(a, ins, i - block->first);
        most[0] = MAX(most[0], a->pressure[0]);
        most[1] = MAX(most[1], a->pressure[1]);
    }
    close_block(a, b, first);
    loop->calls |= a->calls > 0;
    for (u32 i = 0; i < 2; i++)
        loop->pressure[i] = MAX(loop->pressure[i], most[i]);
    close_loop(a, b);
}

void
alloc_live(struct allocator *a)
{
    for (blk_t b = a->fn->block_count; b-- > 0 && a->status == OK;) {
        visit_block(a, b);
        if (a->work > a->budget)
            alloc_fail(a, ERR_BUDGET);
    }
}

// "b2: v5 in 3, v7 in 12 after a call": values and distances to their next use.
void
alloc_live_print(const struct allocator *a, struct printer *p)
{
    for (blk_t b = 0; b < a->fn->block_count; b++) {
        const struct range *r = &a->live_in[b];

        print(p, "b%u:", b);
        for (u32 i = r->first; i < r->first + r->count; i++) {
            const struct live_in *l = &a->live[i];
            print(p, "%s v%u in %u%s", i > r->first ? "," : "", l->v,
                  l->distance & ~CROSSES_CALL,
                  l->distance & CROSSES_CALL ? " after a call" : "");
        }
        print(p, "\n");
    }
}
