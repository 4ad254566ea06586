// x64/alloc/parallel.c: parallel moves.
//
// A set of moves that happen at once, written as a sequence: first those whose
// target nobody reads any more, then the cycles that are left.  Targets are
// distinct.  Linear in the number of moves.

#include "x64/alloc/alloc.h"

void
alloc_move_add(struct allocator *a, struct place to, struct place from)
{
    struct move *move;

    if (to.kind == from.kind &&
        (to.kind == PLACE_REG ? to.reg == from.reg :
                                to.kind == PLACE_SLOT && to.v == from.v))
        return;
    if (!ARRAY_MORE(a->temp, a->moves, a->move_capacity, a->move_count)) {
        alloc_fail(a, ERR_NO_MEMORY);
        return;
    }
    move = &a->moves[a->move_count++];
    *move = (struct move){to, from, 0, false};
}

static const u16 load_ops[] = {
    [IR_I32] = X64_MOVSS, [IR_I64] = X64_MOVSD,   [IR_F32] = X64_MOVSS,
    [IR_F64] = X64_MOVSD, [IR_V128] = X64_MOVUPS,
};

// Make the rm operand of `ins` the place.
static void
set_place(struct allocator *a, struct mins *ins, const struct place *place)
{
    switch (place->kind) {
    case PLACE_SLOT:
        alloc_set_slot(a, ins, place->v);
        return;
    case PLACE_OUT:
        ins->flags |= MINS_OUT;
        break;
    case PLACE_ARGS:
        ins->flags |= MINS_ARGS;
        break;
    case PLACE_CYCLE:
        ins->flags |= MINS_FRAME;
        break;
    default:
        assert(false);
    }
    ins->flags |= MINS_MEM;
    ins->disp = (i32)place->offset;
}

// Stack arguments and results of type i32 are whole words with a zero upper
// half.
static void
store(struct allocator *a, const struct place *to, reg_t from)
{
    static const u16 ops[] = {
        [IR_I32] = X64_MOV64_MR,   [IR_I64] = X64_MOV64_MR,
        [IR_F32] = X64_MOVSS_MR,   [IR_F64] = X64_MOVSD_MR,
        [IR_V128] = X64_MOVUPS_MR,
    };
    u32 op = ops[to->type];
    struct mins *ins;

    if (to->kind == PLACE_SLOT && to->type == IR_I32)
        op = X64_MOV32_MR;
    if (from >= REG_XMM0 && !type_is_vector(to->type))
        op = op == X64_MOV64_MR ? X64_MOVSD_MR : X64_MOVSS_MR;
    ins = alloc_put(a, op);
    ins->a = from;
    set_place(a, ins, to);
}

static void
store_word(struct allocator *a, u32 op, const struct place *to, u32 word)
{
    struct mins *ins = alloc_put(a, op);

    ins->imm = word;
    set_place(a, ins, to);
}

// A constant to memory, without a general register.
static void
store_const(struct allocator *a, const struct place *to, vreg_t v)
{
    u32 size = type_size(to->type);
    u64 bits[2];

    alloc_const_bits(a, v, bits);
    if (to->type == IR_I32 && to->kind != PLACE_SLOT)
        size = 8;
    if (size == 4) {
        store_word(a, X64_MOV32_MI, to, (u32)bits[0]);
    } else if (size == 8 && bits[0] <= INT32_MAX) {
        store_word(a, X64_MOV64_MI, to, (u32)bits[0]);
    } else {
        struct mins *ins = alloc_put(a, load_ops[value_type(a, v)]);

        ins->def = REG_SCRATCH;
        alloc_set_rodata(a, ins, v);
        store(a, to, REG_SCRATCH);
    }
}

static void
load(struct allocator *a, reg_t to, const struct place *from)
{
    u32 op = load_ops[from->type];
    struct mins *ins;

    if (to < REG_XMM0)
        op = from->type == IR_I32 ? X64_MOV32 : X64_MOV64;
    ins = alloc_put(a, op);
    ins->def = to;
    set_place(a, ins, from);
    a->used |= 1u << to;
}

static void
emit(struct allocator *a, const struct move *move)
{
    const struct place *to = &move->to, *from = &move->from;

    if (from->kind == PLACE_CONST && to->kind == PLACE_REG) {
        alloc_put_const(a, to->reg, from->v, false);
    } else if (from->kind == PLACE_CONST) {
        store_const(a, to, from->v);
    } else if (to->kind != PLACE_REG && from->kind != PLACE_REG) {
        load(a, REG_SCRATCH, from);
        store(a, to, REG_SCRATCH);
    } else if (to->kind != PLACE_REG) {
        store(a, to, from->reg);
    } else if (from->kind != PLACE_REG) {
        load(a, to->reg, from);
    } else {
        alloc_put_copy(a, to->reg, from->reg, from->type);
    }
}

// The move whose target is `place`, or NULL.
static struct move *
writer_of(struct allocator *a, const struct place *place,
          const u32 by_reg[REG_COUNT])
{
    u32 i = 0;

    if (place->kind == PLACE_REG)
        i = by_reg[place->reg];
    else if (place->kind == PLACE_SLOT &&
             (a->values[place->v].flags & VALUE_STORED))
        i = a->values[place->v].mover;
    return i == 0 ? NULL : &a->moves[i - 1];
}

// Emit a move, and then those that waited for its source to be read.
static void
emit_chain(struct allocator *a, struct move *move, const u32 by_reg[REG_COUNT])
{
    while (move != NULL && !move->done && move->readers == 0) {
        emit(a, move);
        move->done = true;
        move = writer_of(a, &move->from, by_reg);
        if (move != NULL)
            move->readers--;
    }
}

// Every move that is left has one reader of its target, which is in the same
// cycle.  General registers are exchanged one by one; what the first one held
// travels to the end.
static void
emit_exchanges(struct allocator *a, struct move *move,
               const u32 by_reg[REG_COUNT])
{
    struct move *at = move, *next = writer_of(a, &move->from, by_reg);

    for (; next != move; at = next, next = writer_of(a, &at->from, by_reg)) {
        struct mins *ins = alloc_put(a, X64_XCHG64);

        ins->a = at->to.reg;
        ins->b = next->to.reg;
        at->done = true;
    }
    at->done = true;
}

static bool
is_general_cycle(struct allocator *a, struct move *move,
                 const u32 by_reg[REG_COUNT])
{
    struct move *at = move;

    do {
        if (at->to.kind != PLACE_REG || at->to.reg >= REG_XMM0)
            return false;
        at = writer_of(a, &at->from, by_reg);
    } while (at != move);
    return true;
}

// Any other cycle: save what the first move overwrites in a slot of its own.
static void
emit_cycle(struct allocator *a, struct move *move, const u32 by_reg[REG_COUNT])
{
    struct place saved = {.kind = PLACE_CYCLE}, old = move->to;
    struct move *reader = move, save;

    if (a->cycle_slot < 0) {
        a->cycle_slot = (i32)a->m->frame_size;
        a->m->frame_size += 16;
    }
    if (old.kind == PLACE_REG)
        old.type = old.reg < REG_XMM0 ? IR_I64 : IR_V128;
    saved.offset = (u32)a->cycle_slot;
    saved.type = old.type;
    save = (struct move){saved, old, 0, false};
    emit(a, &save);
    while (writer_of(a, &reader->from, by_reg) != move)
        reader = writer_of(a, &reader->from, by_reg);
    saved.type = reader->from.type;
    reader->from = saved;
    move->readers--;
    emit_chain(a, move, by_reg);
}

void
alloc_moves_put(struct allocator *a)
{
    u32 by_reg[REG_COUNT] = {0};

    for (u32 i = 0; i < a->move_count; i++) {
        const struct place *to = &a->moves[i].to;

        if (to->kind == PLACE_REG)
            by_reg[to->reg] = i + 1;
        else if (to->kind == PLACE_SLOT)
            a->values[to->v].mover = i + 1;
    }
    for (u32 i = 0; i < a->move_count; i++) {
        struct move *writer = writer_of(a, &a->moves[i].from, by_reg);

        if (writer != NULL)
            writer->readers++;
    }
    for (u32 i = 0; i < a->move_count; i++)
        emit_chain(a, &a->moves[i], by_reg);
    for (u32 i = 0; i < a->move_count; i++) {
        if (a->moves[i].done)
            continue;
        if (is_general_cycle(a, &a->moves[i], by_reg))
            emit_exchanges(a, &a->moves[i], by_reg);
        else
            emit_cycle(a, &a->moves[i], by_reg);
    }
    for (u32 i = 0; i < a->move_count; i++)
        if (a->moves[i].to.kind == PLACE_SLOT)
            a->values[a->moves[i].to.v].mover = 0;
    a->move_count = 0;
}
