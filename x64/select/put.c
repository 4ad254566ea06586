// x64/select/put.c: append machine instructions.
//
// The first failure (no memory) sticks in select.status; from then on
// instructions go nowhere and the driver gives up at the end of the block.

#include "x64/select/select.h"

struct mins *
select_put(struct select *s, u32 op)
{
    struct mach *m = s->m;
    struct mins *i = &s->spare;

    if (!ARRAY_MORE(s->temp, m->ins, m->capacity, m->count))
        s->status = ERR_NO_MEMORY;
    else
        i = &m->ins[m->count++];
    *i = (struct mins){.op = (u16)op, .from = s->now};
    return i;
}

vreg_t
select_temp(struct select *s, u32 type)
{
    struct mach *m = s->m;

    if (!ARRAY_MORE(s->temp, m->types, m->vreg_capacity, m->vreg_count)) {
        s->status = ERR_NO_MEMORY;
        return 1;
    }
    m->types[m->vreg_count] = (u8)type;
    return m->vreg_count++;
}

// --- operands ---------------------------------------------------------------

bool
select_is_folded(const struct select *s, val_t v)
{
    return s->facts[v].state == FACT_FOLDED;
}

bool
select_is_const(const struct select *s, val_t v)
{
    return ir_info(s->fn->ins[v].op)->form == FORM_CONST;
}

bool
select_is_const_float(const struct select *s, val_t v)
{
    return select_is_const(s, v) && s->fn->ins[v].type >= IR_F32;
}

u64
select_const_bits(const struct select *s, val_t v)
{
    const struct ins *i = &s->fn->ins[v];

    return i->a | (u64)i->b << 32;
}

// Is it a constant that fits a sign-extended immediate (any i32 does)?
bool
select_const_imm32(const struct select *s, val_t v, u32 *imm)
{
    u8 type = s->fn->ins[v].type;

    if (!select_is_const(s, v) || (type != IR_I32 && type != IR_I64))
        return false;
    u64 bits = select_const_bits(s, v);
    *imm = (u32)bits;
    return type == IR_I32 || bits == (u64)(i64)(i32)(u32)bits;
}

vreg_t
select_reg(struct select *s, val_t v)
{
    assert(!select_is_folded(s, v));
    return s->facts[v].vreg;
}

// A folded load where only a register will do.
vreg_t
select_reg_loaded(struct select *s, val_t v)
{
    if (select_is_folded(s, v))
        select_put_rm(s, select_rule(s->fn->ins[v].op)->op, v,
                      select_rm_load(s, v));
    return s->facts[v].vreg;
}

struct rm
select_rm_reg(vreg_t r)
{
    return (struct rm){.reg = r};
}

struct rm
select_rm_mem(vreg_t base, i32 disp)
{
    return (struct rm){.flags = MINS_MEM, .base = base, .disp = disp};
}

struct rm
select_rm_const(struct select *s, u64 low, u64 high)
{
    u32 offset = mach_rodata(s->m, s->temp, low, high);

    if (offset == UINT32_MAX)
        s->status = ERR_NO_MEMORY;
    return (struct rm){.flags = MINS_MEM | MINS_RODATA, .disp = (i32)offset};
}

struct rm
select_rm_value(struct select *s, val_t v)
{
    const struct ins *i = &s->fn->ins[v];

    if (select_is_folded(s, v))
        return select_rm_load(s, v);
    if (!select_is_const(s, v) || i->type < IR_F32)
        return select_rm_reg(select_reg(s, v));
    if (i->type == IR_V128)
        return select_rm_const(s, s->fn->consts[i->a][0],
                               s->fn->consts[i->a][1]);
    return select_rm_const(s, select_const_bits(s, v), 0);
}

static void
set_rm(struct mins *i, struct rm rm)
{
    i->flags |= rm.flags;
    if (rm.from != 0)
        i->from = rm.from;
    i->b = rm.reg;
    i->scale = rm.scale;
    i->base = rm.base;
    i->index = rm.index;
    i->disp = rm.disp;
}

// --- instructions by shape --------------------------------------------------

void
select_put_r_rm_i(struct select *s, u32 op, vreg_t def, vreg_t a, struct rm rm,
                  u32 imm)
{
    struct mins *i = select_put(s, op);

    i->def = def;
    i->a = a;
    i->imm = imm;
    set_rm(i, rm);
}

void
select_put_rm(struct select *s, u32 op, vreg_t def, struct rm rm)
{
    select_put_r_rm_i(s, op, def, 0, rm, 0);
}

void
select_put_r_rm(struct select *s, u32 op, vreg_t def, vreg_t a, struct rm rm)
{
    select_put_r_rm_i(s, op, def, a, rm, 0);
}

void
select_put_r_i(struct select *s, u32 op, vreg_t def, vreg_t a, u32 imm)
{
    select_put_r_rm_i(s, op, def, a, (struct rm){0}, imm);
}

void
select_put_rm_i(struct select *s, u32 op, vreg_t def, struct rm rm, u32 imm)
{
    select_put_r_rm_i(s, op, def, 0, rm, imm);
}

void
select_put_mr(struct select *s, u32 op, struct rm to, vreg_t a)
{
    select_put_r_rm_i(s, op, 0, a, to, 0);
}

void
select_put_mi(struct select *s, u32 op, struct rm to, u32 imm)
{
    select_put_r_rm_i(s, op, 0, 0, to, imm);
}

void
select_put_cmp(struct select *s, u32 op, vreg_t a, struct rm rm)
{
    select_put_r_rm_i(s, op, 0, a, rm, 0);
}

void
select_put_cmp_i(struct select *s, u32 op, struct rm rm, u32 imm)
{
    select_put_r_rm_i(s, op, 0, 0, rm, imm);
}

void
select_put_cmov(struct select *s, u32 op, u8 cc, vreg_t def, vreg_t otherwise,
                vreg_t then)
{
    struct mins *i = select_put(s, op);

    i->def = def;
    i->a = otherwise;
    i->b = then;
    i->cc = cc;
}

void
select_put_trap_cc(struct select *s, u8 cc, enum trap trap)
{
    struct mins *i = select_put(s, X64_TRAP_CC);

    i->cc = cc;
    i->imm = trap;
}

// Changes the flags: constants are made before compares.
void
select_put_const(struct select *s, vreg_t def, u64 value)
{
    struct mach *m = s->m;
    struct mins *i;

    if (value == 0) {
        select_put(s, X64_ZERO32)->def = def;
        return;
    }
    if (value <= UINT32_MAX) {
        i = select_put(s, X64_MOV32_I);
        i->def = def;
        i->imm = (u32)value;
        return;
    }
    if (!ARRAY_MORE(s->temp, m->wide, m->wide_capacity, m->wide_count)) {
        s->status = ERR_NO_MEMORY;
        return;
    }
    m->wide[m->wide_count] = value;
    i = select_put(s, X64_MOV64_I);
    i->def = def;
    i->flags = MINS_CONST64;
    i->imm = m->wide_count++;
}

// --- with a temporary for the result -----------------------------------------

vreg_t
select_temp_rm(struct select *s, u32 type, u32 op, struct rm rm)
{
    vreg_t def = select_temp(s, type);

    select_put_rm(s, op, def, rm);
    return def;
}

vreg_t
select_temp_r_rm(struct select *s, u32 type, u32 op, vreg_t a, struct rm rm)
{
    vreg_t def = select_temp(s, type);

    select_put_r_rm(s, op, def, a, rm);
    return def;
}

vreg_t
select_temp_r_i(struct select *s, u32 type, u32 op, vreg_t a, u32 imm)
{
    vreg_t def = select_temp(s, type);

    select_put_r_i(s, op, def, a, imm);
    return def;
}

vreg_t
select_temp_r_rm_i(struct select *s, u32 type, u32 op, vreg_t a, struct rm rm,
                   u32 imm)
{
    vreg_t def = select_temp(s, type);

    select_put_r_rm_i(s, op, def, a, rm, imm);
    return def;
}

vreg_t
select_temp_const(struct select *s, u32 type, u64 value)
{
    vreg_t def = select_temp(s, type);

    select_put_const(s, def, value);
    return def;
}

vreg_t
select_temp_zero(struct select *s, u32 type)
{
    vreg_t def = select_temp(s, type);

    select_put(s, X64_ZEROX)->def = def;
    return def;
}
