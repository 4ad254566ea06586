// x64/alloc/edges.c: what is where when a block starts, and the moves on edges.
//
// A block with one predecessor goes on with its registers.  Where several
// meet, the registers of the hottest one are taken as far as that seems worth
// a reload on the others; a loop keeps what it uses soonest.  Whatever is live
// and in no register then, has a slot.

#include "x64/alloc/alloc.h"

enum {
    PREDS_SEEN = 8,   // predecessors that have a say
    KEEP_WITHIN = 64, // a use so near is worth reloads on some edges
};

// Remember the registers that hold live values.
static struct range
save_state(struct allocator *a)
{
    struct range range = {a->state_count, 0};

    for (u32 rest = REGS_ALL & ~a->free; rest != 0; rest &= rest - 1) {
        reg_t r = (reg_t)bits_trailing_zeros(rest);
        vreg_t v = a->in[r];

        if (v == 0 || (a->values[v].flags & VALUE_CONST) ||
            alloc_next_use(a, v) == NEVER)
            continue;
        if (!ARRAY_MORE(a->temp, a->states, a->state_capacity,
                        a->state_count)) {
            alloc_fail(a, ERR_NO_MEMORY);
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
        alloc_reg_release(a, (reg_t)bits_trailing_zeros(rest));
}

// --- the moves of one edge ---------------------------------------------------

// What the verifier is told of r when v is in it.
static u32
narrow_bit(const struct allocator *a, vreg_t v, reg_t r)
{
    return r < REG_XMM0 && value_type(a, v) == IR_I32 ? 1u << r : 0;
}

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
        alloc_move_add(a, place, source_of(a, v));
    }
}

// Is v nowhere at the end of a predecessor?  A landing pad finds nothing in
// registers, and what is live all through a loop counts as live in the pads in
// its middle, too.  No path from there has a use.
static bool
is_nowhere(const struct allocator *a, vreg_t v)
{
    const struct vreg *value = &a->values[v];

    return a->fn->catch_count > 0 && value->pred_reg == REG_NONE &&
           !(value->flags & (VALUE_CONST | VALUE_SLOT));
}

// Nobody reads what is in these registers then; but where they hold an i32 by
// other ways, the verifier is told so, and it has to be one by this way, too.
static void
put_any(struct allocator *a, u32 regs)
{
    a->used |= regs;
    for (; regs != 0; regs &= regs - 1) {
        struct mins *ins = alloc_put(a, X64_MOV32_I);
        ins->def = (reg_t)bits_trailing_zeros(regs);
    }
}

// From the registers `exit` at the end of edge->from to those of `entry` at
// the start of edge->to, and to the places of its parameters.
static void
move_edge(struct allocator *a, edge_t e, struct range exit, struct range entry)
{
    const struct edge *edge = &a->fn->edges[e];
    const struct block *to = &a->fn->blocks[edge->to];
    u32 any = 0;

    for (u32 i = 0; i < exit.count; i++) {
        u32 state = a->states[exit.first + i];

        a->values[state_vreg(state)].pred_reg = state_reg(state);
    }
    a->slot_block = MAX(edge->from, edge->to);
    for (u32 i = 0; i < entry.count; i++) {
        vreg_t v = state_vreg(a->states[entry.first + i]);
        struct place place = {.kind = PLACE_REG, .type = value_type(a, v)};

        place.reg = state_reg(a->states[entry.first + i]);
        if (a->values[v].pred_reg == place.reg || v - to->first < to->params)
            continue;
        if (is_nowhere(a, v))
            any |= narrow_bit(a, v, place.reg);
        else
            alloc_move_add(a, place, source_of(a, v));
    }
    move_params(a, e);
    alloc_moves_put(a);
    put_any(a, any);
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

// --- entering a block --------------------------------------------------------

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
        u32 next = alloc_next_use(a, v);

        if (next == NEVER)
            continue;
        if (a->values[v].preds < preds && (a->values[v].flags & VALUE_SLOT) &&
            next > a->position + KEEP_WITHIN)
            continue;
        alloc_reg_set(a, state_reg(state), v);
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

        if (a->values[v].reg == REG_NONE && alloc_next_use(a, v) != NEVER)
            alloc_need_slot(a, v);
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
    return alloc_reg_choose(a, param, set);
}

void
alloc_choose_param(struct allocator *a, blk_t b, edge_t best, u32 i)
{
    const struct edge *edge = &a->fn->edges[best];
    vreg_t v = a->fn->blocks[b].first + i;
    struct vreg *value = &a->values[v];
    reg_t r;

    r = param_reg(a, v, a->fn->pool[edge->args + i], a->exit[edge->from]);
    if (r != REG_NONE) {
        alloc_reg_set(a, r, v);
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

        if (alloc_next_use(a, block->first + i) == NEVER ||
            value->reg != REG_NONE)
            continue;
        if (!is_header(a, b))
            alloc_choose_param(a, b, best, i);
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
        alloc_define(a, block->first + i, value->reg);
        if (!(value->flags & VALUE_STORED))
            continue;
        value->end = MAX(value->end, b);
        if (is_header(a, b))
            value->end = MAX(value->end, a->fn->loops[block->loop].end - 1);
    }
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

// --- landing pads ------------------------------------------------------------

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
        if (alloc_next_use(a, v) == NEVER || arg == 0)
            continue;
        if (arg == VAL_EXNREF) {
            alloc_define(a, v, REG_RDX);
            continue;
        }
        assert(arg >= VAL_PAYLOAD);
        r = alloc_reg_pick(a, v,
                           type_regs(type) & ~(1u << REG_RAX | 1u << REG_RDX));
        ins = alloc_put(a, ops[type]);
        ins->def = r;
        ins->flags = MINS_MEM;
        ins->base = REG_RAX;
        ins->disp = (i32)(arg - VAL_PAYLOAD) * 16;
        alloc_define(a, v, r);
    }
    a->free |= 1u << REG_RAX;
    if (a->in[REG_RDX] == 0)
        a->free |= 1u << REG_RDX;
}

// --- what the verifier is told -----------------------------------------------

// Where the moves of the only edge come first: what of its source is read.
static u32
narrow_before_edge(const struct allocator *a, blk_t b, edge_t e)
{
    const struct edge *edge = &a->fn->edges[e];
    struct range exit = a->exit[edge->from];
    u32 set = 0;

    for (u32 i = 0; i < exit.count; i++) {
        vreg_t v = state_vreg(a->states[exit.first + i]);
        bool read = alloc_next_use(a, v) != NEVER;

        for (u32 p = 0; p < a->fn->blocks[b].params && !read; p++)
            read = a->fn->pool[edge->args + p] == v;
        if (read)
            set |= narrow_bit(a, v, state_reg(a->states[exit.first + i]));
    }
    return set;
}

static u32
narrow_now(const struct allocator *a)
{
    u32 set = 0;

    for (u32 rest = REGS_GENERAL & ~a->free; rest != 0; rest &= rest - 1) {
        reg_t r = (reg_t)bits_trailing_zeros(rest);

        if (a->in[r] != 0)
            set |= narrow_bit(a, a->in[r], r);
    }
    return set;
}

// --- entering and leaving ----------------------------------------------------

void
alloc_block_enter(struct allocator *a, blk_t b)
{
    edge_t best = best_pred(a, b);

    a->slot_block = b;
    a->locked = 0;
    a->wanted = a->loops[a->fn->blocks[b].loop].wanted;
    a->from = 0;
    if (b == 0) {
        alloc_params(a);
        a->m->narrow[b] = (u16)narrow_now(a);
    } else if (best != 0 && (a->edge_flags[best] & EDGE_CATCH)) {
        enter_pad(a, b, best);
    } else if (best != 0) {
        if (is_header(a, b))
            alloc_choose_loop(a, b, best);
        else
            inherit(a, b, best);
        bool alone = a->fn->blocks[b].preds == 1 && !is_header(a, b);
        if (alone)
            a->m->narrow[b] = (u16)narrow_before_edge(a, b, best);
        if (alone && a->fn->blocks[b].params == 0)
            return;
        choose_params(a, b, best);
        if (!alone)
            a->m->narrow[b] = (u16)narrow_now(a);
        move_preds(a, b);
        define_params(a, b);
    }
}

// After the last instruction.  Edges back to the headers of loops find the
// places that were chosen there.
void
alloc_block_leave(struct allocator *a, blk_t b)
{
    u32 edges = mach_edges_out(a->m, b);

    a->position = a->m->blocks[b].end;
    a->from = 0;
    if (edges > 0)
        a->exit[b] = save_state(a);
    clear_registers(a);
    for (u32 i = 0; i < edges; i++) {
        edge_t e = mach_edge_out(a->m, b, i);
        blk_t to = a->fn->edges[e].to;

        if (to > b)
            continue;
        move_edge_aside(a, e, a->exit[b],
                        a->loops[a->fn->blocks[to].loop].entry);
        alloc_try_early(a, b, e);
    }
}
