// x64/edges.c: what is where when a block starts, and the moves on edges.
//
// A block with one predecessor goes on with its registers.  Where several
// meet, the registers of the hottest one are taken as far as that seems worth
// a reload on the others; a loop keeps what it uses soonest.  Whatever is live
// and in no register then, has a slot.

#include "x64/allocate.h"

enum {
    PREDS_SEEN = 8,   // predecessors that have a say
    KEEP_WITHIN = 64, // a use so near is worth reloads on some edges
    SPARE = 1,        // registers that a loop needs for constants and reloads
    STATE_SHIFT = 27, // in states: register << STATE_SHIFT | vreg
    STATE_VREG = (1 << STATE_SHIFT) - 1,
};

static reg_t
state_reg(u32 state)
{
    return (reg_t)(state >> STATE_SHIFT);
}

static vreg_t
state_vreg(u32 state)
{
    return state & STATE_VREG;
}

static bool
is_header(const struct allocator *a, blk_t b)
{
    u32 l = a->fn->blocks[b].loop;

    return l != 0 && a->fn->loops[l].header == b;
}

// Remember the registers that hold live values.
static struct range
save_state(struct allocator *a)
{
    struct range range = {a->state_count, 0};

    for (u32 rest = REGS_ALL & ~a->free; rest != 0; rest &= rest - 1) {
        reg_t r = (reg_t)bits_trailing_zeros(rest);
        vreg_t v = a->in[r];

        if (v == 0 || (a->values[v].flags & VALUE_CONST) ||
            next_use(a, v) == NEVER)
            continue;
        if (!mach_grow(a->temp, &a->states, &a->state_capacity, a->state_count,
                       sizeof(*a->states))) {
            fail(a, ERR_NO_MEMORY);
            break;
        }
        a->states[a->state_count++] = (u32)r << STATE_SHIFT | v;
        range.count++;
    }
    return range;
}

static void
clear_registers(struct allocator *a)
{
    for (u32 rest = REGS_ALL & ~a->free; rest != 0; rest &= rest - 1)
        reg_release(a, (reg_t)bits_trailing_zeros(rest));
}

// --- the moves of one edge ----------------------------------------------------------

static struct place
source_of(const struct allocator *a, vreg_t v)
{
    const struct vreg *value = &a->values[v];
    struct place place = {.type = value_type(a, v), .v = v};

    if (value->flags & VALUE_CONST) {
        place.kind = PLACE_CONST;
    } else if (value->pred_reg != REG_NONE) {
        place.kind = PLACE_REG;
        place.reg = value->pred_reg;
    } else {
        assert(value->flags & VALUE_SLOT);
        place.kind = PLACE_SLOT;
    }
    return place;
}

static void
move_params(struct allocator *a, edge_t e)
{
    const struct edge *edge = &a->fn->edges[e];
    const struct block *to = &a->fn->blocks[edge->to];

    for (u32 i = 0; i < to->params; i++) {
        vreg_t v = a->fn->pool[edge->args + i], param = to->first + i;
        const struct vreg *value = &a->values[param];
        struct place place = {.type = value_type(a, param), .v = param};

        if (!is_vreg(v))
            continue;
        if (value->flags & VALUE_STORED) {
            place.kind = PLACE_SLOT;
        } else if (value->def_reg != REG_NONE) {
            place.kind = PLACE_REG;
            place.reg = value->def_reg;
        } else {
            continue;
        }
        moves_add(a, place, source_of(a, v));
    }
}

// From the registers `exit` at the end of edge->from to those of `entry` at
// the start of edge->to, and to the places of its parameters.
static void
move_edge(struct allocator *a, edge_t e, struct range exit, struct range entry)
{
    const struct edge *edge = &a->fn->edges[e];
    const struct block *to = &a->fn->blocks[edge->to];

    for (u32 i = 0; i < exit.count; i++) {
        u32 state = a->states[exit.first + i];

        a->values[state_vreg(state)].pred_reg = state_reg(state);
    }
    a->slot_block = MAX(edge->from, edge->to);
    for (u32 i = 0; i < entry.count; i++) {
        vreg_t v = state_vreg(a->states[entry.first + i]);
        struct place place = {.kind = PLACE_REG, .type = value_type(a, v)};

        place.reg = state_reg(a->states[entry.first + i]);
        if (a->values[v].pred_reg != place.reg && v - to->first >= to->params)
            moves_add(a, place, source_of(a, v));
    }
    move_params(a, e);
    moves_emit(a);
    for (u32 i = 0; i < exit.count; i++)
        a->values[state_vreg(a->states[exit.first + i])].pred_reg = REG_NONE;
}

// Moves that go to the end of edge->from or to a block of their own.
static void
move_edge_aside(struct allocator *a, edge_t e, struct range exit,
                struct range entry)
{
    struct range *code = &a->edge_code[e];

    a->list = &a->extra;
    code->first = a->extra.count;
    move_edge(a, e, exit, entry);
    code->count = a->extra.count - code->first;
    a->list = &a->out;
}

// --- entering a block ---------------------------------------------------------------

static bool
is_forward(const struct allocator *a, edge_t e)
{
    return a->fn->edges[e].from < a->fn->edges[e].to;
}

static edge_t
next_forward(const struct allocator *a, edge_t e)
{
    while (e != 0 && !is_forward(a, e))
        e = a->fn->next_pred[e];
    return e;
}

static u32
heat(const struct allocator *a, edge_t e)
{
    const struct block *from = &a->fn->blocks[a->fn->edges[e].from];

    return from->cold ? 0 : 1 + a->fn->loops[from->loop].depth;
}

// The hottest predecessor; the first of equals (the chain has the last one
// first).
static edge_t
best_pred(const struct allocator *a, blk_t b)
{
    edge_t best = 0;
    u32 seen = 0;

    for (edge_t e = next_forward(a, a->fn->blocks[b].first_pred);
         e != 0 && seen < PREDS_SEEN;
         e = next_forward(a, a->fn->next_pred[e]), seen++)
        if (best == 0 || heat(a, e) >= heat(a, best))
            best = e;
    return best;
}

static u32
count_preds(struct allocator *a, blk_t b, int step)
{
    u32 seen = 0;

    for (edge_t e = next_forward(a, a->fn->blocks[b].first_pred);
         e != 0 && seen < PREDS_SEEN;
         e = next_forward(a, a->fn->next_pred[e]), seen++) {
        struct range exit = a->exit[a->fn->edges[e].from];

        for (u32 i = 0; i < exit.count; i++) {
            struct vreg *value =
                &a->values[state_vreg(a->states[exit.first + i])];

            value->preds = (u8)(value->preds + step);
        }
    }
    return seen;
}

// The registers of the best predecessor, as far as they are worth keeping.
static void
inherit(struct allocator *a, blk_t b, edge_t best)
{
    struct range exit = a->exit[a->fn->edges[best].from];
    bool alone = a->fn->blocks[b].preds == 1;
    u32 preds = alone ? 0 : count_preds(a, b, 1);

    for (u32 i = 0; i < exit.count; i++) {
        u32 state = a->states[exit.first + i];
        vreg_t v = state_vreg(state);
        u32 next = next_use(a, v);

        if (next == NEVER)
            continue;
        if (a->values[v].preds < preds && (a->values[v].flags & VALUE_SLOT) &&
            next > a->position + KEEP_WITHIN)
            continue;
        reg_set(a, state_reg(state), v);
    }
    if (!alone)
        count_preds(a, b, -1);
}

// What is live here and in a register of a predecessor but in none here, has
// to be in its slot.
static void
need_slots(struct allocator *a, struct range exit)
{
    for (u32 i = 0; i < exit.count; i++) {
        vreg_t v = state_vreg(a->states[exit.first + i]);

        if (a->values[v].reg == REG_NONE && next_use(a, v) != NEVER)
            need_slot(a, v);
    }
}

// A register for parameter i, or REG_NONE: it will be in its slot.
static reg_t
param_reg(struct allocator *a, vreg_t param, vreg_t arg, struct range exit)
{
    struct vreg *value = &a->values[param];
    u32 set = type_regs(value_type(a, param)) & a->free;

    if (set == 0)
        return REG_NONE;
    for (u32 i = 0; i < exit.count && value->hint == REG_NONE; i++)
        if (state_vreg(a->states[exit.first + i]) == arg)
            value->hint = state_reg(a->states[exit.first + i]);
    return reg_choose(a, param, set);
}

static void
choose_param(struct allocator *a, blk_t b, edge_t best, u32 i)
{
    const struct edge *edge = &a->fn->edges[best];
    vreg_t v = a->fn->blocks[b].first + i;
    struct vreg *value = &a->values[v];
    reg_t r;

    r = param_reg(a, v, a->fn->pool[edge->args + i], a->exit[edge->from]);
    if (r != REG_NONE) {
        reg_set(a, r, v);
        value->def_reg = r;
    }
}

// All parameters: those that have no register by now may get one if there is
// one left; else their home is their slot.
static void
choose_params(struct allocator *a, blk_t b, edge_t best)
{
    const struct block *block = &a->fn->blocks[b];

    for (u32 i = 0; i < block->params; i++) {
        struct vreg *value = &a->values[block->first + i];

        if (next_use(a, block->first + i) == NEVER || value->reg != REG_NONE)
            continue;
        if (!is_header(a, b))
            choose_param(a, b, best, i);
        if (value->reg == REG_NONE)
            value->flags |= VALUE_SLOT | VALUE_STORED | VALUE_SPANS;
    }
}

// Parameters begin to exist.
static void
define_params(struct allocator *a, blk_t b)
{
    const struct block *block = &a->fn->blocks[b];

    for (u32 i = 0; i < block->params; i++) {
        struct vreg *value = &a->values[block->first + i];

        if (value->reg == REG_NONE && !(value->flags & VALUE_STORED))
            continue;
        define(a, block->first + i, value->reg);
        if (!(value->flags & VALUE_STORED))
            continue;
        value->end = MAX(value->end, b);
        if (is_header(a, b))
            value->end = MAX(value->end, a->fn->loops[block->loop].end - 1);
    }
}

// --- loop headers -----------------------------------------------------------------

enum { CANDIDATES = 15 };

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
        u32 next = next_use(a, v);

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
        reg_set(a, r, v);
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
            choose_param(a, b, best, v - block->first);
        else if (set != 0)
            reg_set(a, reg_choose(a, v, set), v);
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

        if (a->values[v].reg != REG_NONE || next_use(a, v) == NEVER ||
            room[vector] == 0 || !(a->free >> r & 1))
            continue;
        if (info->calls && !(REGS_CALLEE_SAVED >> r & 1))
            continue;
        reg_set(a, r, v);
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

static void
enter_loop(struct allocator *a, blk_t b, edge_t best)
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

// The moves of all edges from predecessors that have been visited.
static void
move_preds(struct allocator *a, blk_t b)
{
    struct range entry = save_state(a);
    edge_t e = next_forward(a, a->fn->blocks[b].first_pred);

    if (is_header(a, b))
        a->loops[a->fn->blocks[b].loop].entry = entry;
    for (; e != 0; e = next_forward(a, a->fn->next_pred[e])) {
        struct range exit = a->exit[a->fn->edges[e].from];

        need_slots(a, exit);
        if (a->fn->blocks[b].preds == 1)
            move_edge(a, e, exit, entry);
        else
            move_edge_aside(a, e, exit, entry);
    }
    a->slot_block = b;
}

// --- landing pads -------------------------------------------------------------------

// The payload is at [rax], 16 bytes a value, the exnref in rdx.
static void
enter_pad(struct allocator *a, blk_t b, edge_t e)
{
    static const u16 ops[] = {
        [IR_I32] = X64_MOV32, [IR_I64] = X64_MOV64,   [IR_F32] = X64_MOVSS,
        [IR_F64] = X64_MOVSD, [IR_V128] = X64_MOVUPS,
    };
    const struct block *block = &a->fn->blocks[b];

    a->free &= ~(1u << REG_RAX | 1u << REG_RDX);
    for (u32 i = 0; i < block->params; i++) {
        vreg_t v = block->first + i, arg;
        u8 type = value_type(a, v);
        struct mins *ins;
        reg_t r;

        arg = a->fn->pool[a->fn->edges[e].args + i];
        if (next_use(a, v) == NEVER || arg == 0)
            continue;
        if (arg == VAL_EXNREF) {
            define(a, v, REG_RDX);
            continue;
        }
        assert(arg >= VAL_PAYLOAD);
        r = reg_pick(a, v, type_regs(type) & ~(1u << REG_RAX | 1u << REG_RDX));
        ins = code_add(a, ops[type]);
        ins->def = r;
        ins->flags = MINS_MEM;
        ins->base = REG_RAX;
        ins->disp = (i32)(arg - VAL_PAYLOAD) * 16;
        define(a, v, r);
    }
    a->free |= 1u << REG_RAX;
    if (a->in[REG_RDX] == 0)
        a->free |= 1u << REG_RDX;
}

// --- entering and leaving -----------------------------------------------------------

void
block_enter(struct allocator *a, blk_t b)
{
    edge_t best = best_pred(a, b);

    a->slot_block = b;
    a->locked = 0;
    a->wanted = a->loops[a->fn->blocks[b].loop].wanted;
    a->from = 0;
    if (b == 0) {
        place_params(a);
    } else if (best != 0 && (a->edge_flags[best] & EDGE_CATCH)) {
        enter_pad(a, b, best);
    } else if (best != 0) {
        if (is_header(a, b))
            enter_loop(a, b, best);
        else
            inherit(a, b, best);
        if (a->fn->blocks[b].preds == 1 && a->fn->blocks[b].params == 0 &&
            !is_header(a, b))
            return;
        choose_params(a, b, best);
        move_preds(a, b);
        define_params(a, b);
    }
}

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

// The moves of edge e, back to a loop's header, may be made before the branch
// that ends block b if the way out of the loop does not need what they
// overwrite.  That saves a jump in each turn.
static void
try_early(struct allocator *a, blk_t b, edge_t e)
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

// After the last instruction.  Edges back to the headers of loops find the
// places that were chosen there.
void
block_leave(struct allocator *a, blk_t b)
{
    u32 edges = edges_out(a->m, b);

    a->position = a->m->blocks[b].end;
    a->from = 0;
    if (edges > 0)
        a->exit[b] = save_state(a);
    clear_registers(a);
    for (u32 i = 0; i < edges; i++) {
        edge_t e = edge_out(a->m, b, i);
        blk_t to = a->fn->edges[e].to;

        if (to > b)
            continue;
        move_edge_aside(a, e, a->exit[b],
                        a->loops[a->fn->blocks[to].loop].entry);
        try_early(a, b, e);
    }
}
