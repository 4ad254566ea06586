// x64/alloc/loops.c: what a loop has in registers at its header, and the moves
// of its back edges.

#include "x64/alloc/alloc.h"

enum {
    CANDIDATES = 15,
    SPARE = 1, // registers that a loop needs for constants and reloads
};

// The values of one class that a loop uses soonest.
struct candidates {
    struct live_in best[CANDIDATES]; // by distance
    u32 count, limit;
    u32 entering; // all that come into the loop and are used there
};

static void
consider(struct candidates *c, vreg_t v, u32 distance)
{
    u32 key = distance & ~CROSSES_CALL, i;

    if (c->count < c->limit)
        c->count++;
    else if ((c->best[c->count - 1].distance & ~CROSSES_CALL) <= key)
        return;
    for (i = c->count - 1; i > 0; i--) {
        if ((c->best[i - 1].distance & ~CROSSES_CALL) <= key)
            break;
        c->best[i] = c->best[i - 1];
    }
    c->best[i] = (struct live_in){v, distance};
}

static void
find_candidates(struct allocator *a, blk_t b, struct candidates c[2])
{
    const struct block *block = &a->fn->blocks[b];
    struct range in = a->live_in[b];

    for (u32 i = 0; i < in.count; i++) {
        struct live_in live = a->live[in.first + i];

        if ((live.distance & ~CROSSES_CALL) < FAR) {
            struct candidates *class =
                &c[type_is_vector(value_type(a, live.v))];

            class->entering++;
            consider(class, live.v, live.distance);
        }
    }
    for (u32 i = 0; i < block->params; i++) {
        vreg_t v = block->first + i;
        u32 next = alloc_next_use(a, v);

        if (next != NEVER && next - a->position < FAR)
            consider(&c[type_is_vector(value_type(a, v))], v,
                     next - a->position);
    }
}

static void
keep_in_place(struct allocator *a, const struct candidates *c)
{
    for (u32 i = 0; i < c->count; i++) {
        vreg_t v = c->best[i].v;
        reg_t r = a->values[v].pred_reg;

        if (r == REG_NONE || ((c->best[i].distance & CROSSES_CALL) &&
                              (REGS_CALLER_SAVED >> r & 1)))
            continue;
        alloc_reg_set(a, r, v);
    }
}

static void
give_registers(struct allocator *a, blk_t b, edge_t best,
               const struct candidates *c)
{
    const struct block *block = &a->fn->blocks[b];

    for (u32 i = 0; i < c->count; i++) {
        vreg_t v = c->best[i].v;
        u32 set = a->free & type_regs(value_type(a, v));

        if (a->values[v].reg != REG_NONE)
            continue;
        if (c->best[i].distance & CROSSES_CALL)
            set &= REGS_CALLEE_SAVED;
        if (v - block->first < block->params)
            alloc_choose_param(a, b, best, v - block->first);
        else if (set != 0)
            alloc_reg_set(a, alloc_reg_choose(a, v, set), v);
    }
}

// What the loop does not use may stay in registers that the loop does not need.
static void
keep_through(struct allocator *a, blk_t b, struct range exit,
             const struct candidates c[2])
{
    const struct loop_info *info = &a->loops[a->fn->blocks[b].loop];
    u32 room[2];

    for (u32 i = 0; i < 2; i++) {
        u32 wanted = info->pressure[i] + c[i].entering + SPARE;

        room[i] = wanted < c[i].limit ? c[i].limit - wanted : 0;
    }
    for (u32 i = 0; i < exit.count; i++) {
        u32 state = a->states[exit.first + i];
        vreg_t v = state_vreg(state);
        reg_t r = state_reg(state);
        bool vector = type_is_vector(value_type(a, v));

        if (a->values[v].reg != REG_NONE || alloc_next_use(a, v) == NEVER ||
            room[vector] == 0 || !(a->free >> r & 1))
            continue;
        if (info->calls && !(REGS_CALLEE_SAVED >> r & 1))
            continue;
        alloc_reg_set(a, r, v);
        room[vector]--;
    }
}

static u32
param_regs(const struct allocator *a, blk_t b)
{
    const struct block *block = &a->fn->blocks[b];
    u32 set = 0;

    for (u32 i = 0; i < block->params; i++)
        if (a->values[block->first + i].reg != REG_NONE)
            set |= 1u << a->values[block->first + i].reg;
    return set;
}

void
alloc_choose_loop(struct allocator *a, blk_t b, edge_t best)
{
    struct range exit = a->exit[a->fn->edges[best].from];
    struct candidates c[2] = {{.limit = 13}, {.limit = 15}};

    for (u32 i = 0; i < exit.count; i++) {
        u32 state = a->states[exit.first + i];

        a->values[state_vreg(state)].pred_reg = state_reg(state);
    }
    find_candidates(a, b, c);
    for (u32 i = 0; i < 2; i++)
        keep_in_place(a, &c[i]);
    for (u32 i = 0; i < 2; i++)
        give_registers(a, b, best, &c[i]);
    keep_through(a, b, exit, c);
    a->wanted = param_regs(a, b);
    a->loops[a->fn->blocks[b].loop].wanted = a->wanted;
    for (u32 i = 0; i < exit.count; i++)
        a->values[state_vreg(a->states[exit.first + i])].pred_reg = REG_NONE;
}

// --- back edges --------------------------------------------------------------

// The registers at the end of block b that the block `other` needs, one of its
// successors.
static u32
needed_by(struct allocator *a, struct range exit, edge_t other)
{
    const struct edge *edge = &a->fn->edges[other];
    struct range in = a->live_in[edge->to];
    u32 set = 0;

    for (u32 i = 0; i < exit.count; i++) {
        u32 state = a->states[exit.first + i];

        a->values[state_vreg(state)].pred_reg = state_reg(state);
        if (a->values[state_vreg(state)].loop_end > edge->to)
            set |= 1u << state_reg(state);
    }
    for (u32 i = 0; i < in.count; i++)
        set |= reg_bit(a->values[a->live[in.first + i].v].pred_reg);
    for (u32 i = 0; i < a->fn->blocks[edge->to].params; i++) {
        vreg_t v = a->fn->pool[edge->args + i];

        if (is_vreg(v))
            set |= reg_bit(a->values[v].pred_reg);
    }
    for (u32 i = 0; i < exit.count; i++)
        a->values[state_vreg(a->states[exit.first + i])].pred_reg = REG_NONE;
    return set;
}

void
alloc_try_early(struct allocator *a, blk_t b, edge_t e)
{
    const struct mins *last = &a->m->ins[a->m->blocks[b].end - 1];
    edge_t other = e == last->imm ? last->def2 : last->imm;
    struct range code = a->edge_code[e];
    u32 needed;

    if (mins_shape(last) != SHAPE_JCC || code.count == 0 ||
        a->fn->edges[other].to <= b)
        return;
    needed = needed_by(a, a->exit[b], other);
    for (u32 i = 0; i < code.count; i++) {
        const struct mins *ins = &a->extra.ins[code.first + i];

        if (ins->def >= REG_NONE || ins->def == REG_SCRATCH ||
            (needed >> ins->def & 1))
            return;
    }
    for (u32 i = 0; i < code.count; i++) {
        struct mins *ins = &a->extra.ins[code.first + i];

        if (ins->op == X64_ZERO32) {
            ins->op = X64_MOV32_I;
            ins->imm = 0;
        }
    }
    a->edge_flags[e] |= EDGE_EARLY;
}
