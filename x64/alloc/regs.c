// x64/alloc/regs.c: the register file while a block is walked, and the moves,
// loads and stores that keep it.

#include "x64/alloc/alloc.h"

void
alloc_fail(struct allocator *a, status_t status)
{
    if (a->status == OK)
        a->status = status;
}

// --- code --------------------------------------------------------------------

struct mins *
alloc_put(struct allocator *a, u32 op)
{
    struct code_list *list = a->list;
    struct mins *ins = &a->nowhere;

    if (ARRAY_MORE(a->temp, list->ins, list->capacity, list->count))
        ins = &list->ins[list->count++];
    else
        alloc_fail(a, ERR_NO_MEMORY);
    *ins = (struct mins){
        .op = (u16)op,
        .def = REG_NONE,
        .def2 = REG_NONE,
        .a = REG_NONE,
        .b = REG_NONE,
        .base = REG_NONE,
        .index = REG_NONE,
        .from = a->from,
    };
    return ins;
}

void
alloc_put_copy(struct allocator *a, reg_t to, reg_t from, u8 type)
{
    struct mins *ins;

    if (to == from)
        return;
    ins = alloc_put(a, type_is_vector(type) ? X64_MOVAPS :
                       type == IR_I32       ? X64_MOV32 :
                                              X64_MOV64);
    ins->def = to;
    ins->b = from;
    a->used |= 1u << to;
}

static const struct {
    u16 load, store;
} slot_ops[] = {
    [IR_I32] = {X64_MOV32,  X64_MOV32_MR },
    [IR_I64] = {X64_MOV64,  X64_MOV64_MR },
    [IR_F32] = {X64_MOVSS,  X64_MOVSS_MR },
    [IR_F64] = {X64_MOVSD,  X64_MOVSD_MR },
    [IR_V128] = {X64_MOVUPS, X64_MOVUPS_MR},
};

static void
slot_used(struct allocator *a, struct vreg *value)
{
    if (a->list != &a->out || value->def_at < a->blocks[a->block].first)
        value->flags |= VALUE_SPANS;
    value->end = MAX(value->end, a->slot_block);
    if (!(value->flags & VALUE_STORED))
        value->last_read = a->out.count;
}

void
alloc_set_slot(struct allocator *a, struct mins *ins, vreg_t v)
{
    struct vreg *value = &a->values[v];

    ins->flags |= MINS_MEM;
    if (value->flags & VALUE_INCOMING) {
        ins->flags |= MINS_ARGS;
        ins->disp = value->incoming;
        return;
    }
    ins->flags |= MINS_SPILLED;
    ins->disp = (i32)v;
    slot_used(a, value);
}

void
alloc_put_load(struct allocator *a, reg_t to, vreg_t v)
{
    u32 type = value_type(a, v), op = slot_ops[type].load;

    if (code_errs(MISTAKE_SIGN_RELOAD) && type == IR_I32)
        op = X64_MOVSX32_64;
    struct mins *ins = alloc_put(a, op);
    assert(a->values[v].flags & VALUE_SLOT);
    ins->def = to;
    alloc_set_slot(a, ins, v);
    a->used |= 1u << to;
}

// --- constants ---------------------------------------------------------------

void
alloc_const_bits(const struct allocator *a, vreg_t v, u64 bits[2])
{
    const struct ins *ins = &a->fn->ins[v];

    if (ins->type == IR_V128) {
        bits[0] = a->fn->consts[ins->a][0];
        bits[1] = a->fn->consts[ins->a][1];
        return;
    }
    bits[0] = ins->a;
    if (ins->type == IR_I64 || ins->type == IR_F64)
        bits[0] |= (u64)ins->b << 32;
    bits[1] = 0;
}

void
alloc_set_rodata(struct allocator *a, struct mins *ins, vreg_t v)
{
    struct vreg *value = &a->values[v];
    u64 bits[2];

    if (value->rodata < 0) {
        u32 at;

        alloc_const_bits(a, v, bits);
        at = mach_rodata(a->m, a->temp, bits[0], bits[1]);
        if (at == UINT32_MAX) {
            alloc_fail(a, ERR_NO_MEMORY);
            at = 0;
        }
        value->rodata = (i32)at;
    }
    ins->flags |= MINS_MEM | MINS_RODATA;
    ins->disp = value->rodata;
}

static void
code_wide(struct allocator *a, reg_t to, u64 bits)
{
    struct mins *ins = alloc_put(a, X64_MOV64_I);
    struct mach *m = a->m;

    ins->def = to;
    ins->flags |= MINS_CONST64;
    ins->imm = m->wide_count;
    if (!ARRAY_MORE(a->temp, m->wide, m->wide_capacity, m->wide_count)) {
        alloc_fail(a, ERR_NO_MEMORY);
        return;
    }
    m->wide[m->wide_count++] = bits;
}

void
alloc_put_const(struct allocator *a, reg_t to, vreg_t v, bool flags_live)
{
    u8 type = value_type(a, v);
    struct mins *ins;
    u64 bits[2];

    a->used |= 1u << to;
    alloc_const_bits(a, v, bits);
    if (type_is_vector(type)) {
        bool zero = (bits[0] | bits[1]) == 0;

        ins = alloc_put(a, zero ? X64_ZEROX : slot_ops[type].load);
        ins->def = to;
        if (!zero)
            alloc_set_rodata(a, ins, v);
    } else if (bits[0] == 0 && !flags_live) {
        alloc_put(a, X64_ZERO32)->def = to;
    } else if (bits[0] <= UINT32_MAX) {
        ins = alloc_put(a, X64_MOV32_I);
        ins->def = to;
        ins->imm = (u32)bits[0];
    } else {
        code_wide(a, to, bits[0]);
    }
}

// --- slots -------------------------------------------------------------------

void
alloc_need_slot(struct allocator *a, vreg_t v)
{
    assert(!(a->values[v].flags & VALUE_CONST));
    a->values[v].flags |= VALUE_SLOT;
}

// --- registers ---------------------------------------------------------------

void
alloc_reg_set(struct allocator *a, reg_t r, vreg_t v)
{
    a->in[r] = v;
    a->free &= ~(1u << r);
    a->used |= 1u << r;
    a->values[v].reg = r;
}

void
alloc_reg_release(struct allocator *a, reg_t r)
{
    if (a->in[r] != 0)
        a->values[a->in[r]].reg = REG_NONE;
    a->in[r] = 0;
    a->free |= 1u << r;
}

void
alloc_value_release(struct allocator *a, vreg_t v)
{
    if (a->values[v].reg != REG_NONE)
        alloc_reg_release(a, a->values[v].reg);
}

// v is born in r, by the last instruction of `out`.
void
alloc_define(struct allocator *a, vreg_t v, reg_t r)
{
    struct vreg *value = &a->values[v];
    struct vreg *like = &a->values[value->like];

    if (r != REG_NONE)
        alloc_reg_set(a, r, v);
    value->def_reg = r;
    value->def_at = a->out.count;
    if (value->like != 0 && like->hint == REG_NONE)
        like->hint = r;
    if (a->last_def != 0)
        a->values[a->last_def].next_def = v;
    else
        a->first_def = v;
    a->last_def = v;
}

static reg_t
hint_of(const struct allocator *a, vreg_t v)
{
    const struct vreg *value = &a->values[v];
    const struct vreg *like = &a->values[value->like];

    if (value->hint != REG_NONE)
        return value->hint;
    if (value->like == 0)
        return REG_NONE;
    return like->def_reg != REG_NONE ? like->def_reg : like->hint;
}

reg_t
alloc_reg_choose(struct allocator *a, vreg_t v, u32 set)
{
    bool crosses = (a->values[v].flags & VALUE_CALL) != 0;
    u32 saved = set & REGS_CALLEE_SAVED;
    reg_t hint = hint_of(a, v);

    if (hint != REG_NONE && (set >> hint & 1) &&
        !(crosses && (REGS_CALLER_SAVED >> hint & 1) && saved))
        return hint;
    if (set & ~a->wanted) {
        set &= ~a->wanted;
        saved &= set;
    }
    if ((crosses || saved == set) && saved)
        return (reg_t)bits_trailing_zeros(saved & a->used ? saved & a->used :
                                                            saved);
    return (reg_t)bits_trailing_zeros(set & ~saved);
}

// How much it would hurt to lose what r holds: less is worse.
static u64
distance_of(const struct allocator *a, reg_t r)
{
    vreg_t v = a->in[r];
    u64 next = alloc_next_use(a, v), distance;

    distance = next > a->position ? next - a->position : 0;
    if (a->values[v].flags & VALUE_CONST)
        return distance * 2 + 8;
    return a->values[v].flags & VALUE_SLOT ? distance + distance / 2 : distance;
}

reg_t
alloc_reg_pick(struct allocator *a, vreg_t v, u32 set)
{
    u64 furthest = 0;
    reg_t r = REG_NONE;

    if (set & a->free)
        return alloc_reg_choose(a, v, set & a->free);
    for (u32 rest = set; rest != 0; rest &= rest - 1) {
        reg_t candidate = (reg_t)bits_trailing_zeros(rest);
        u64 distance = distance_of(a, candidate);

        if (r == REG_NONE || distance > furthest) {
            furthest = distance;
            r = candidate;
        }
    }
    assert(r != REG_NONE);
    if (!(a->values[a->in[r]].flags & VALUE_CONST))
        alloc_need_slot(a, a->in[r]);
    alloc_reg_release(a, r);
    return r;
}

void
alloc_reg_vacate(struct allocator *a, reg_t r, u32 avoid)
{
    vreg_t v = a->in[r];
    bool locked = (a->locked >> r & 1) != 0;
    u32 set;

    if (v == 0)
        return;
    a->locked &= ~(1u << r);
    set = a->free & type_regs(value_type(a, v)) & ~avoid & ~a->locked;
    set &= ~(1u << r);
    if (a->values[v].flags & VALUE_CONST) {
        alloc_reg_release(a, r);
    } else if (set == 0 || ((a->values[v].flags & VALUE_SLOT) && !locked)) {
        alloc_need_slot(a, v);
        alloc_reg_release(a, r);
    } else {
        reg_t to = alloc_reg_choose(a, v, set);

        alloc_put_copy(a, to, r, value_type(a, v));
        alloc_reg_release(a, r);
        alloc_reg_set(a, to, v);
        if (locked)
            a->locked |= 1u << to;
    }
}
