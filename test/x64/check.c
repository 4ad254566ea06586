// test/x64/check.c: the symbolic checker of check.h.
//
// The state at a point maps each place (register, or 8 bytes of the frame or
// of the argument areas) to the set of vregs whose value it holds.  Blocks are
// visited until nothing changes; where paths meet, sets are intersected.
// mach_allocate keeps the number that check_begin writes into each instruction,
// which tells the old instructions from the new ones.

#include "test/x64/check.h"

#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLACE_FRAME = REG_COUNT,
    NO_PLACE = 0xffffffff,
};

struct state {
    bool reached;
    u64 *sets; // `places` sets of `words` words
    u8 *width; // by place: bytes that were written
};

struct check {
    struct mach *m; // before
    struct mins *ins;
    struct mblock *blocks;
    u32 features, vregs, words, frame_first;
    u32 places, place_out, place_args, out_slots, args_slots;
    const struct mach *new;
    struct state at;      // while a block is followed
    struct state *starts; // by block of `new`
    u32 block;            // being followed
    u32 flags;            // old number + 1 of the writer, 0: unknown
    const char *what;
    char text[256];
};

struct check *
check_begin(struct mach *m)
{
    struct check *c = calloc(1, sizeof(*c));
    u64 size = m->count * sizeof(*m->ins);

    for (u32 i = 0; i < m->count; i++) {
        m->ins[i].unused[0] = (u8)(i + 1);
        m->ins[i].unused[1] = (u8)((i + 1) >> 8);
    }
    c->m = m;
    c->features = m->features;
    c->vregs = m->vreg_count;
    c->words = (m->vreg_count + 63) / 64;
    c->frame_first = m->frame_size;
    c->ins = memcpy(malloc(size + 1), m->ins, size);
    c->blocks = memcpy(malloc(m->fn->block_count * sizeof(*c->blocks)),
                       m->blocks, m->fn->block_count * sizeof(*c->blocks));
    return c;
}

static void
wrong(struct check *c, const struct mins *ins, const char *what)
{
    if (c->what != NULL)
        return;
    snprintf(c->text, sizeof(c->text), "%s: instruction %d (%s)", what,
             (int)(ins - c->new->ins), x64_info(ins->op)->text);
    c->what = c->text;
}

// --- sets --------------------------------------------------------------------

static u64 *
set_at(struct check *c, const struct state *s, u32 place)
{
    return &s->sets[(u64)place * c->words];
}

static void
clear(struct check *c, u32 place)
{
    memset(set_at(c, &c->at, place), 0, c->words * 8);
    c->at.width[place] = 0;
}

static bool
holds(struct check *c, u32 place, vreg_t v)
{
    return place != NO_PLACE && bit_get(set_at(c, &c->at, place), v);
}

static void
forget(struct check *c, vreg_t v)
{
    for (u32 i = 0; i < c->places; i++)
        bit_clear(set_at(c, &c->at, i), v);
}

static u32
size_of(const struct check *c, vreg_t v)
{
    static const u8 sizes[] = {0, 4, 8, 4, 8, 16};

    return sizes[c->m->types[v]];
}

static bool
is_const(const struct check *c, vreg_t v)
{
    return v < c->m->fn->ins_count && c->m->fn->ins[v].op == IR_CONST;
}

static void
bits_of(const struct check *c, vreg_t v, u64 bits[2])
{
    const struct ins *ins = &c->m->fn->ins[v];

    bits[0] = ins->a;
    bits[1] = 0;
    if (ins->type == IR_I64 || ins->type == IR_F64)
        bits[0] |= (u64)ins->b << 32;
    if (ins->type == IR_V128)
        memcpy(bits, c->m->fn->consts[ins->a], 16);
}

// --- places ------------------------------------------------------------------

// Where a memory operand of the frame or of the argument areas is.
static u32
memory_place(struct check *c, const struct mins *ins)
{
    u32 disp = (u32)ins->disp;

    if ((ins->flags & MINS_FRAME) && disp >= c->frame_first &&
        disp < c->new->frame_size)
        return PLACE_FRAME + (disp - c->frame_first) / 8;
    if ((ins->flags & MINS_OUT) && disp / 8 < c->out_slots)
        return c->place_out + disp / 8;
    if ((ins->flags & MINS_ARGS) && disp / 8 < c->args_slots)
        return c->place_args + disp / 8;
    return NO_PLACE;
}

// Before a place gets a new content: what overlaps is gone.
static void
overwrite(struct check *c, u32 place, u32 width)
{
    if (place >= PLACE_FRAME && place > PLACE_FRAME &&
        c->at.width[place - 1] == 16)
        clear(c, place - 1);
    if (place >= PLACE_FRAME && width == 16)
        clear(c, place + 1);
    clear(c, place);
    c->at.width[place] = (u8)width;
}

// Copy `width` bytes: values that are wider do not survive, nor do those whose
// upper bytes were never written.
static void
copy(struct check *c, u32 to, u32 from, u32 width)
{
    u64 *set = malloc(c->words * 8);
    bool whole = from < PLACE_FRAME || c->at.width[from] >= width;

    memcpy(set, set_at(c, &c->at, from), c->words * 8);
    overwrite(c, to, width);
    for (vreg_t v = 1; whole && v < c->vregs; v++)
        if (bit_get(set, v) && size_of(c, v) <= width)
            bit_set(set_at(c, &c->at, to), v);
    free(set);
}

static bool
is_const_of(struct check *c, vreg_t v, u64 low, u64 high, u32 width)
{
    u64 bits[2];

    if (v == 0 || v >= c->m->fn->ins_count || !is_const(c, v))
        return false;
    bits_of(c, v, bits);
    return bits[0] == low && bits[1] == high && size_of(c, v) <= width;
}

// A parameter of a block with one predecessor may be a constant that is only
// made after the edge.
static void
write_const_params(struct check *c, u32 to, u64 low, u64 high, u32 width)
{
    const struct fn *fn = c->m->fn;
    const struct block *block;
    const struct edge *edge;

    if (c->block >= fn->block_count || fn->blocks[c->block].preds != 1)
        return;
    block = &fn->blocks[c->block];
    edge = &fn->edges[block->first_pred];
    for (u32 i = 0; i < block->params; i++)
        if (is_const_of(c, fn->pool[edge->args + i], low, high, width))
            bit_set(set_at(c, &c->at, to), block->first + i);
}

static void
write_const(struct check *c, u32 to, u64 low, u64 high, u32 width)
{
    overwrite(c, to, width);
    for (vreg_t v = 1; v < c->m->fn->ins_count; v++)
        if (is_const_of(c, v, low, high, width))
            bit_set(set_at(c, &c->at, to), v);
    write_const_params(c, to, low, high, width);
}

// --- inserted instructions ---------------------------------------------------

static void
follow_store(struct check *c, const struct mins *ins)
{
    u32 width = x64_info(ins->op)->mem, to = memory_place(c, ins);

    if (to == NO_PLACE)
        wrong(c, ins, "store to a strange place");
    else
        copy(c, to, ins->a, width);
}

static void
follow_load(struct check *c, const struct mins *ins)
{
    u32 width = x64_info(ins->op)->mem, from = memory_place(c, ins);

    if (ins->flags & MINS_RODATA) {
        const u64 *bits = c->new->rodata[ins->disp / 16];
        u64 low = width == 4 ? (u32)bits[0] : bits[0];

        write_const(c, ins->def, low, width == 16 ? bits[1] : 0, 16);
    } else if (from == NO_PLACE) {
        wrong(c, ins, "load from a strange place");
    } else {
        copy(c, ins->def, from, width);
        c->at.width[ins->def] = 16;
    }
}

static void
follow_swap(struct check *c, const struct mins *ins)
{
    u64 *a = set_at(c, &c->at, ins->a), *b = set_at(c, &c->at, ins->b);

    for (u32 i = 0; i < c->words; i++) {
        u64 t = a[i];

        a[i] = b[i];
        b[i] = t;
    }
}

static void
follow_inserted(struct check *c, const struct mins *ins)
{
    const struct x64_info *info = x64_info(ins->op);
    u32 place;

    if (info->flags & WFLAGS)
        c->flags = 0;
    switch (ins->op) {
    case X64_MOV32:
    case X64_MOV64:
    case X64_MOVAPS:
    case X64_MOVUPS:
    case X64_MOVSS:
    case X64_MOVSD:
        if (ins->flags & MINS_MEM)
            follow_load(c, ins);
        else
            copy(c, ins->def, ins->b, info->mem);
        break;
    case X64_MOV32_MR:
    case X64_MOV64_MR:
    case X64_MOVSS_MR:
    case X64_MOVSD_MR:
    case X64_MOVUPS_MR:
        follow_store(c, ins);
        break;
    case X64_MOV32_MI:
    case X64_MOV64_MI:
        place = memory_place(c, ins);
        if (place == NO_PLACE)
            wrong(c, ins, "constant to a strange place");
        else
            write_const(c, place,
                        ins->op == X64_MOV32_MI ? ins->imm :
                                                  (u64)(i64)(i32)ins->imm,
                        0, info->mem);
        break;
    case X64_MOV32_I:
        write_const(c, ins->def, ins->imm, 0, 8);
        break;
    case X64_MOV64_I:
        write_const(c, ins->def,
                    ins->flags & MINS_CONST64 ? c->new->wide[ins->imm] :
                                                ins->imm,
                    0, 8);
        break;
    case X64_ZERO32:
    case X64_ZEROX:
        write_const(c, ins->def, 0, 0, 16);
        break;
    case X64_XCHG64:
        follow_swap(c, ins);
        break;
    default:
        wrong(c, ins, "strange instruction");
    }
}

// --- the old instructions ----------------------------------------------------

static void
born(struct check *c, const struct mins *ins, vreg_t v, u32 place)
{
    if (v == 0)
        return;
    forget(c, v);
    if (place >= REG_NONE)
        wrong(c, ins, "result in no register");
    else if ((place >= REG_XMM0) != (c->m->types[v] >= IR_F32))
        wrong(c, ins, "result in a register of the other class");
    else {
        clear(c, place);
        bit_set(set_at(c, &c->at, place), v);
        c->at.width[place] = 16;
    }
}

static bool
reads(struct check *c, const struct mins *ins, vreg_t v, u32 reg)
{
    (void)ins;
    return reg < REG_NONE && holds(c, reg, v);
}

// Is the new rm operand, in a register or folded, the old vreg?
static bool
reads_rm(struct check *c, const struct mins *ins, vreg_t v)
{
    const struct x64_info *info = x64_info(ins->op);
    u32 place = memory_place(c, ins);
    u64 bits[2];

    if (!(ins->flags & MINS_MEM))
        return reads(c, ins, v, ins->b);
    if (info->mem == 0 || (info->flags & NO_MEM))
        return false;
    if (ins->flags & MINS_RODATA) {
        if (!is_const(c, v) || c->m->types[v] < IR_F32)
            return false;
        bits_of(c, v, bits);
        return memcmp(bits, c->new->rodata[ins->disp / 16], 16) == 0;
    }
    return holds(c, place, v) && info->mem <= c->at.width[place] &&
           info->mem <= size_of(c, v);
}

static bool
is_base(vreg_t old, u32 new)
{
    return (old == 0 && new == REG_NONE) ||
           (old == MEM_VMCTX && new == REG_VMCTX) ||
           (old == MEM_MEMORY && new == REG_MEMORY);
}

static void
check_address(struct check *c, const struct mins *old, const struct mins *new)
{
    if (!(new->flags &MINS_MEM) || old->disp != new->disp ||
        (old->flags & ~MINS_MEM) != (new->flags & ~MINS_MEM) ||
        old->scale != new->scale)
        wrong(c, new, "another memory operand");
    if (!is_base(old->base, new->base) && !reads(c, new, old->base, new->base))
        wrong(c, new, "another base");
    if (!is_base(old->index, new->index) &&
        !reads(c, new, old->index, new->index))
        wrong(c, new, "another index");
}

// Operand a and the rm operand, perhaps exchanged.
static void
check_pair(struct check *c, const struct mins *old, const struct mins *new)
{
    bool commutes = (x64_info(old->op)->flags & COMMUTES) != 0;

    if (old->flags & MINS_MEM) {
        if (!reads(c, new, old->a, new->a))
            wrong(c, new, "another operand a");
        check_address(c, old, new);
    } else if (!(reads(c, new, old->a, new->a) && reads_rm(c, new, old->b)) &&
               !(commutes && reads(c, new, old->b, new->a) &&
                 reads_rm(c, new, old->a))) {
        wrong(c, new, "other operands");
    }
}

static void
expect(struct check *c, const struct mins *new, bool condition,
       const char *what)
{
    if (!condition)
        wrong(c, new, what);
}

static bool
is_tied(const struct check *c, const struct mins *ins)
{
    return !x64_is_vex(x64_info(ins->op), c->features);
}

// Shapes whose operands may be in any register.
static bool
check_free_shape(struct check *c, const struct mins *old,
                 const struct mins *new)
{
    bool memory = (old->flags & MINS_MEM) != 0;

    switch (x64_info(old->op)->shape) {
    case SHAPE_NONE:
    case SHAPE_JUMP:
    case SHAPE_GOTO:
    case SHAPE_TRAP:
    case SHAPE_TRAP_CC:
        return true;
    case SHAPE_JCC:
        expect(c, new, new->def2 == old->def2, "changed");
        return true;
    case SHAPE_RM:
    case SHAPE_RM_I:
    case SHAPE_CMP_I:
        if (memory)
            check_address(c, old, new);
        else
            expect(c, new, reads_rm(c, new, old->b), "another operand");
        break;
    case SHAPE_RMV:
    case SHAPE_CMP:
    case SHAPE_CMP_MR:
        check_pair(c, old, new);
        break;
    case SHAPE_MR:
    case SHAPE_MR_I:
        expect(c, new, reads(c, new, old->a, new->a), "another operand");
        if (memory)
            check_address(c, old, new);
        break;
    case SHAPE_MR_RMW:
        expect(c, new, reads(c, new, old->a, new->a), "another operand");
        check_address(c, old, new);
        return true;
    case SHAPE_MI:
        check_address(c, old, new);
        return true;
    case SHAPE_SET:
    case SHAPE_I:
    case SHAPE_ZERO:
        break;
    default:
        return false;
    }
    if (old->def != 0)
        born(c, new, old->def, new->def);
    return true;
}

// Shapes whose result is in the register of an operand.
static bool
check_tied_shape(struct check *c, const struct mins *old,
                 const struct mins *new)
{
    u8 shape = x64_info(old->op)->shape;
    bool shared = old->a == old->b;

    switch (shape) {
    case SHAPE_R_RM:
    case SHAPE_R_RM_I:
        check_pair(c, old, new);
        expect(c, new,
               !is_tied(c, old) || (new->flags &MINS_MEM) ||
                   new->def != new->b || shared,
               "tied over an operand");
        break;
    case SHAPE_R_I:
    case SHAPE_UNARY:
        expect(c, new, reads(c, new, old->a, new->a), "another operand");
        break;
    case SHAPE_R_CL:
        expect(c, new, reads(c, new, old->a, new->a), "another operand");
        expect(c, new, reads(c, new, old->b, REG_RCX), "count not in cl");
        expect(c, new, new->def != REG_RCX || shared, "result in rcx");
        break;
        expect(c, new, reads(c, new, old->a, new->a), "another operand a");
        expect(c, new, reads(c, new, old->b, new->b), "another operand b");
        expect(c, new, new->def != new->b || shared, "tied over b");
        break;
    case SHAPE_XCHG:
        expect(c, new, reads(c, new, old->a, new->a), "another operand");
        check_address(c, old, new);
        clear(c, new->a);
        break;
    default:
        return false;
    }
    expect(c, new, !is_tied(c, old) || new->def == new->a || old->def == 0,
           "not tied");
    born(c, new, old->def, new->def);
    return true;
}

// Shapes with operands in rax and rdx, or with temporaries.
static bool
check_fixed_shape(struct check *c, const struct mins *old,
                  const struct mins *new)
{
    u8 shape = x64_info(old->op)->shape;

    switch (shape) {
    case SHAPE_CMPXCHG:
        expect(c, new, reads(c, new, old->a, new->a), "another operand");
        expect(c, new, new->a != REG_RAX || old->a == old->b, "new in rax");
        expect(c, new, reads(c, new, old->b, REG_RAX), "expected not in rax");
        check_address(c, old, new);
        clear(c, REG_RAX);
        born(c, new, old->def, REG_RAX);
        return true;
    case SHAPE_MUL:
    case SHAPE_DIV:
        expect(c, new, reads(c, new, old->a, REG_RAX), "a not in rax");
        if (old->flags & MINS_MEM)
            check_address(c, old, new);
        else
            expect(c, new, reads_rm(c, new, old->b), "another operand");
        expect(c, new,
               shape == SHAPE_MUL ||
                   (new->b != REG_RAX &&new->b != REG_RDX &&new->base !=
                    REG_RAX &&new->base != REG_RDX &&new->index !=
                    REG_RAX &&new->index != REG_RDX),
               "operand in rax or rdx");
        clear(c, REG_RAX);
        clear(c, REG_RDX);
        born(c, new, old->def, REG_RAX);
        born(c, new, old->def2, REG_RDX);
        return true;
    case SHAPE_RMW_LOOP:
        expect(c, new, reads(c, new, old->a, new->a), "another operand");
        check_address(c, old, new);
        expect(c, new,
               new->a != REG_RAX &&new->base != REG_RAX &&new->index !=
                   REG_RAX &&new->def == REG_RAX,
               "rax");
        expect(c, new,
               new->def2 != REG_RAX &&new->def2 != new->a &&new->def2 !=
                   new->base &&new->def2 != new->index,
               "temporary");
        clear(c, REG_RAX);
        born(c, new, old->def, REG_RAX);
        born(c, new, old->def2, new->def2);
        return true;
    case SHAPE_SWITCH:
        expect(c, new, reads(c, new, old->a, new->a), "another operand");
        expect(c, new,
               new->def != new->a &&new->def != new->b &&new->b != new->a,
               "temporaries");
        born(c, new, old->def, new->def);
        born(c, new, old->b, new->b);
        return true;
    }
    return false;
}

static void
check_old(struct check *c, const struct mins *old, const struct mins *new)
{
    u16 flags = x64_info(old->op)->flags;

    expect(c, new,
           old->op == new->op && old->imm == new->imm && old->cc == new->cc,
           "changed");
    expect(c, new, !(flags & RFLAGS) || c->flags != 0, "the flags are lost");
    if (!check_free_shape(c, old, new) && !check_tied_shape(c, old, new) &&
        !check_fixed_shape(c, old, new))
        wrong(c, new, "shape not known to the checker");
    if (flags & WFLAGS)
        c->flags = 1;
}

// --- calls -------------------------------------------------------------------

static void
check_args(struct check *c, const struct mins *new, const struct mcall *call,
           const struct abi_loc *locs, u32 area)
{
    for (u32 i = 0; i < call->arg_count; i++) {
        vreg_t v = c->m->list[call->args + i];
        u32 place = locs[i].reg;

        if (place == REG_NONE)
            place = area + locs[i].offset / 8;
        expect(c, new, holds(c, place, v), "an argument is not in place");
        if (place >= PLACE_FRAME && c->m->types[v] == IR_I32)
            expect(c, new, c->at.width[place] == 8, "half an argument");
    }
}

static void
set_results(struct check *c, const struct mins *new, const struct mcall *call,
            const struct abi_loc *locs)
{
    for (u32 i = 0; i < call->result_count; i++)
        forget(c, c->m->list[call->results + i]);
    for (u32 i = 0; i < call->result_count; i++) {
        vreg_t v = c->m->list[call->results + i];
        u32 place = c->place_out + locs[i].offset / 8;

        if (v == 0)
            continue;
        if (locs[i].reg != REG_NONE) {
            born(c, new, v, locs[i].reg);
        } else {
            bit_set(set_at(c, &c->at, place), v);
            c->at.width[place] = c->m->types[v] == IR_V128 ? 16 : 8;
        }
    }
}

static void
clobber(struct check *c)
{
    for (reg_t r = 0; r < REG_COUNT; r++)
        if (!(REGS_CALLEE_SAVED >> r & 1))
            clear(c, r);
    for (u32 i = 0; i < c->out_slots; i++)
        clear(c, c->place_out + i);
}

static void
check_call(struct check *c, const struct mins *old, const struct mins *new)
{
    const struct mcall *call = &c->m->calls[old->imm];
    u8 shape = x64_info(old->op)->shape;
    struct abi_loc builtin_args[5], builtin_result = {REG_RAX, 0};
    struct abi abi = {builtin_args, &builtin_result, 0, 0};
    static u8 buffer[65536];
    struct arena arena;

    arena_init_fixed(&arena, buffer, sizeof(buffer));
    for (u32 i = 0; i < 5; i++)
        builtin_args[i] = (struct abi_loc){abi_int_args[i + 1], 0};
    if (call->type != NULL)
        expect(c, new, abi_compute(&abi, call->type, &arena) == OK, "abi");
    expect(c, new, old->imm == new->imm && old->op == new->op, "changed");
    if (shape == SHAPE_RET) {
        check_args(c, new, call, abi.results, c->place_args);
        return;
    }
    expect(c, new, c->new->out_size >= abi.stack_size, "outgoing area");
    if (c->what != NULL)
        return;
    check_args(c, new, call, abi.params, c->place_out);
    if ((old->flags & MINS_MEM) && old->base != MEM_VMCTX)
        expect(c, new, new->base == REG_RAX &&holds(c, REG_RAX, old->base),
               "base not in rax");
    clobber(c);
    set_results(c, new, call, abi.results);
    c->flags = 0;
}

// --- blocks ------------------------------------------------------------------

static u32
number_of(const struct mins *ins)
{
    return ins->unused[0] | (u32)ins->unused[1] << 8;
}

// Old copies that the new code does without.
static void
skip_copies(struct check *c, u32 *old, u32 to, const struct mins *new)
{
    for (; *old < to; ++*old) {
        const struct mins *ins = &c->ins[*old];
        vreg_t v = ins->def;

        if (ins->op != X64_MOV64 && ins->op != X64_MOV32 &&
            ins->op != X64_MOVAPS && ins->op != X64_MOVUPS) {
            wrong(c, new, "an instruction before this one is missing");
            return;
        }
        forget(c, v);
        for (u32 i = 0; i < c->places; i++)
            if (holds(c, i, ins->b))
                bit_set(set_at(c, &c->at, i), v);
    }
}

static void
follow_block(struct check *c, u32 b)
{
    const struct mblock *block = &c->new->blocks[b];
    bool is_edge = b >= c->m->fn->block_count;
    u32 old = is_edge ? 0 : c->blocks[b].first;

    c->flags = 0;
    c->block = b;
    for (u32 i = block->first; i < block->end && c->what == NULL; i++) {
        const struct mins *ins = &c->new->ins[i];
        u32 number = number_of(ins);
        u8 shape = x64_info(ins->op)->shape;

        if (number == 0) {
            follow_inserted(c, ins);
            continue;
        }
        if (is_edge) {
            wrong(c, ins, "old instruction on an edge");
            return;
        }
        skip_copies(c, &old, number - 1, ins);
        if (shape == SHAPE_CALL_REL || shape == SHAPE_CALL_RM ||
            shape == SHAPE_TAIL_REL || shape == SHAPE_TAIL_RM ||
            shape == SHAPE_RET)
            check_call(c, &c->ins[old], ins);
        else
            check_old(c, &c->ins[old], ins);
        old++;
    }
    if (!is_edge && c->what == NULL && old != c->blocks[b].end)
        wrong(c, &c->new->ins[block->end - 1], "instructions are missing");
}

// The state flows into block b; true when that changes b's.
static bool
flow(struct check *c, const struct state *s, u32 b)
{
    struct state *to = &c->starts[b];
    u64 count = (u64)c->places * c->words;
    bool changed = !to->reached;

    if (!to->reached) {
        to->reached = true;
        memcpy(to->sets, s->sets, count * 8);
        memcpy(to->width, s->width, c->places);
        return true;
    }
    for (u64 i = 0; i < count; i++) {
        u64 meet = to->sets[i] & s->sets[i];

        changed |= meet != to->sets[i];
        to->sets[i] = meet;
    }
    for (u32 i = 0; i < c->places; i++) {
        u8 width = MIN(to->width[i], s->width[i]);

        changed |= width != to->width[i];
        to->width[i] = width;
    }
    return changed;
}

// Parameters of edges[e].to become what the edge passes.
static void
pass_params(struct check *c, edge_t e)
{
    const struct fn *fn = c->m->fn;
    const struct block *to = &fn->blocks[fn->edges[e].to];
    u64 *set = malloc(c->words * 8);

    for (u32 place = 0; place < c->places; place++) {
        u64 *now = set_at(c, &c->at, place);

        memcpy(set, now, c->words * 8);
        for (u32 i = 0; i < to->params; i++) {
            vreg_t v = fn->pool[fn->edges[e].args + i];

            bit_clear(now, to->first + i);
            if (v != 0 && v < c->vregs && bit_get(set, v))
                bit_set(now, to->first + i);
        }
    }
    free(set);
}

// A constant is anywhere that its bits are; as the argument of an edge it may
// be a parameter in any of these places, which the sets show already.
static bool
leave_by(struct check *c, edge_t e, bool *changed)
{
    u32 target = c->new->edge_block[e];
    const struct fn *fn = c->m->fn;

    if (target >= fn->block_count) {
        if (c->new->blocks[target].edge != e)
            return false;
        *changed |= flow(c, &c->at, target);
        return true;
    }
    if (target != fn->edges[e].to)
        return false;
    pass_params(c, e);
    *changed |= flow(c, &c->at, target);
    return true;
}

static void
load_state(struct check *c, const struct state *s)
{
    memcpy(c->at.sets, s->sets, (u64)c->places * c->words * 8);
    memcpy(c->at.width, s->width, c->places);
}

static bool
visit(struct check *c, u32 b)
{
    const struct mblock *block = &c->new->blocks[b];
    struct state end = c->at;
    const struct mins *last = &c->new->ins[block->end - 1];
    bool changed = false, good = true;
    edge_t first = last->imm;
    u32 count = 0;

    load_state(c, &c->starts[b]);
    follow_block(c, b);
    if (c->what != NULL)
        return false;
    if (b >= c->m->fn->block_count) {
        pass_params(c, block->edge);
        return flow(c, &c->at, c->m->fn->edges[block->edge].to);
    }
    end.sets = malloc((u64)c->places * c->words * 8);
    end.width = malloc(c->places);
    memcpy(end.sets, c->at.sets, (u64)c->places * c->words * 8);
    memcpy(end.width, c->at.width, c->places);
    switch (x64_info(last->op)->shape) {
    case SHAPE_JUMP:
        count = 1;
        break;
    case SHAPE_JCC:
        count = 2;
        break;
    case SHAPE_SWITCH:
        first = c->m->fn->cases[last->imm].first;
        count = c->m->fn->cases[last->imm].edge_count;
        break;
    }
    for (u32 i = 0; i < count; i++) {
        edge_t e = first + i;

        if (x64_info(last->op)->shape == SHAPE_JCC && i == 1)
            e = last->def2;
        load_state(c, &end);
        good &= leave_by(c, e, &changed);
    }
    if (!good)
        wrong(c, last, "edge to another block");
    free(end.sets);
    free(end.width);
    return changed;
}

static struct state
state_new(const struct check *c)
{
    return (struct state){false, calloc((u64)c->places * c->words, 8),
                          calloc(c->places, 1)};
}

// Bytes of the stack arguments and results.
static u32
incoming_size(const struct type *type)
{
    static u8 buffer[65536];
    struct arena arena;
    struct abi abi;

    arena_init_fixed(&arena, buffer, sizeof(buffer));
    return abi_compute(&abi, type, &arena) == OK ? abi.stack_size : 0;
}

static void
start_function(struct check *c)
{
    const struct fn *fn = c->m->fn;
    static u8 buffer[65536];
    struct arena arena;
    struct abi abi;

    arena_init_fixed(&arena, buffer, sizeof(buffer));
    c->starts[0].reached = true;
    if (abi_compute(&abi, fn->type, &arena) != OK)
        c->what = "abi";
    for (u32 i = 0; i < fn->blocks[0].params && c->what == NULL; i++) {
        struct abi_loc loc = abi.params[fn->ins[fn->blocks[0].first + i].a];
        u32 place = loc.reg;

        if (place == REG_NONE)
            place = c->place_args + loc.offset / 8;
        bit_set(set_at(c, &c->starts[0], place), fn->blocks[0].first + i);
        c->starts[0].width[place] = 16;
        if (loc.reg == REG_NONE)
            c->starts[0].width[place] = (u8)size_of(c, fn->blocks[0].first + i);
    }
}

static void
check_free(struct check *c)
{
    for (u32 i = 0; i < c->new->block_count; i++) {
        free(c->starts[i].sets);
        free(c->starts[i].width);
    }
    free(c->starts);
    free(c->at.sets);
    free(c->at.width);
    free(c->ins);
    free(c->blocks);
    free(c);
}

const char *
check_end(struct check *c, const struct mach *m)
{
    static char text[256];
    bool changed = true;

    c->new = m;
    c->place_out = PLACE_FRAME + (m->frame_size - c->frame_first) / 8 + 1;
    c->out_slots = m->out_size / 8;
    c->place_args = c->place_out + c->out_slots + 1;
    c->args_slots = incoming_size(m->fn->type) / 8;
    c->places = c->place_args + c->args_slots + 2;
    c->at = state_new(c);
    c->starts = calloc(m->block_count, sizeof(*c->starts));
    for (u32 i = 0; i < m->block_count; i++)
        c->starts[i] = state_new(c);
    start_function(c);
    while (changed && c->what == NULL) {
        changed = false;
        for (u32 b = 0; b < m->block_count && c->what == NULL; b++)
            if (c->starts[b].reached)
                changed |= visit(c, b);
    }
    snprintf(text, sizeof(text), "%s", c->what ? c->what : "");
    check_free(c);
    return text[0] != 0 ? text : NULL;
}
