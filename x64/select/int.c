// x64/select/int.c: integer arithmetic.

#include "x64/select/select.h"

static bool
is64(const struct select *s, val_t v)
{
    return s->fn->ins[v].type == IR_I64;
}

static bool
dies_here(const struct select *s, val_t v)
{
    return s->facts[v].uses == 1;
}

// op: def <- rm.
void
lower_unary(struct select *s, val_t v, const struct rule *rule)
{
    u32 op = rule->op;

    if (code_errs(MISTAKE_NOT_WRAPPED) && s->fn->ins[v].op == IR_I32_WRAP_I64)
        op = X64_MOV64;
    select_put_rm(s, op, v, select_rm_value(s, s->fn->ins[v].a));
}

// The operand's register is the result: an i32 is zero-extended.
void
lower_alias(struct select *s, val_t v, const struct rule *rule)
{
    (void)rule;
    s->facts[v].vreg = select_reg(s, s->fn->ins[v].a);
}

// op: a, rm; op2: a, imm.  Operands commute when row op's do.
void
lower_alu(struct select *s, val_t v, const struct rule *rule)
{
    val_t a = s->fn->ins[v].a, b = s->fn->ins[v].b;
    u32 imm;

    if (select_const_imm32(s, b, &imm))
        select_put_r_i(s, rule->op2, v, select_reg_loaded(s, a), imm);
    else if (select_const_imm32(s, a, &imm))
        select_put_r_i(s, rule->op2, v, select_reg_loaded(s, b), imm);
    else if (select_is_folded(s, a))
        select_put_r_rm(s, rule->op, v, select_reg(s, b),
                        select_rm_value(s, a));
    else
        select_put_r_rm(s, rule->op, v, select_reg(s, a),
                        select_rm_value(s, b));
}

// and 255 and and 65535 are extensions, which need no tie.
void
lower_and(struct select *s, val_t v, const struct rule *rule)
{
    val_t a = s->fn->ins[v].a;
    u32 imm;

    if (select_const_imm32(s, s->fn->ins[v].b, &imm) && imm == 0xff)
        select_put_rm(s, X64_MOVZX8, v, select_rm_reg(select_reg(s, a)));
    else if (select_const_imm32(s, s->fn->ins[v].b, &imm) && imm == 0xffff)
        select_put_rm(s, X64_MOVZX16, v, select_rm_reg(select_reg(s, a)));
    else
        lower_alu(s, v, rule);
}

// lea where both operands live on, or a and an immediate; else the plain
// instruction, whose result takes the place of an operand.
static void
put_add_imm(struct select *s, val_t v, const struct rule *rule, val_t a,
            u32 imm)
{
    if (dies_here(s, a))
        select_put_r_i(s, rule->op2, v, select_reg_loaded(s, a), imm);
    else
        select_put_rm(s, rule->op3, v,
                      select_rm_mem(select_reg(s, a), (i32)imm));
}

// A sum for lea.
struct sum {
    vreg_t regs[2]; // in the order of the operands
    u32 count;
    vreg_t index; // scaled, or 0
    u8 scale;
    u32 disp;
};

// Add an operand, and for a folded addition both of its.
static void
add_term(struct select *s, struct sum *sum, val_t v)
{
    const struct ins *i = &s->fn->ins[v];
    u32 imm;

    if (select_const_imm32(s, v, &imm)) {
        sum->disp += imm;
    } else if (select_is_folded(s, v)) {
        sum->index = select_reg(s, i->a);
        sum->scale = s->fn->ins[i->b].a & 3;
    } else {
        assert(sum->count < 2);
        sum->regs[sum->count++] = select_reg(s, v);
    }
}

static void
put_sum(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *root = &s->fn->ins[v];
    struct sum sum = {0};
    val_t inner = root->a;

    if (select_is_folded(s, inner) && s->fn->ins[inner].op == root->op) {
        add_term(s, &sum, s->fn->ins[inner].a);
        add_term(s, &sum, s->fn->ins[inner].b);
    } else {
        add_term(s, &sum, inner);
    }
    add_term(s, &sum, root->b);
    struct rm rm = select_rm_mem(sum.regs[0], (i32)sum.disp);
    rm.index = sum.index != 0 ? sum.index : sum.regs[1];
    rm.scale = sum.scale;
    select_put_rm(s, rule->op3, v, rm);
}

static bool
is_part(const struct select *s, val_t v)
{
    return select_is_folded(s, v) && s->facts[v].into == INTO_SUM;
}

void
lower_add(struct select *s, val_t v, const struct rule *rule)
{
    val_t a = s->fn->ins[v].a, b = s->fn->ins[v].b;
    u32 imm;

    if (is_part(s, a) || is_part(s, b)) {
        put_sum(s, v, rule);
    } else if (select_const_imm32(s, b, &imm)) {
        put_add_imm(s, v, rule, a, imm);
    } else if (select_const_imm32(s, a, &imm)) {
        put_add_imm(s, v, rule, b, imm);
    } else if (select_is_folded(s, a) || select_is_folded(s, b) ||
               dies_here(s, a)) {
        lower_alu(s, v, rule);
    } else if (dies_here(s, b)) {
        select_put_r_rm(s, rule->op, v, select_reg(s, b),
                        select_rm_reg(select_reg(s, a)));
    } else {
        struct rm sum = select_rm_mem(select_reg(s, a), 0);
        sum.index = select_reg(s, b);
        select_put_rm(s, rule->op3, v, sum);
    }
}

void
lower_sub(struct select *s, val_t v, const struct rule *rule)
{
    val_t a = s->fn->ins[v].a, b = s->fn->ins[v].b;
    u32 imm;

    if (!select_const_imm32(s, b, &imm))
        select_put_r_rm(s, rule->op, v, select_reg_loaded(s, a),
                        select_rm_value(s, b));
    else if (dies_here(s, a) || imm == 0x80000000)
        select_put_r_i(s, rule->op2, v, select_reg_loaded(s, a), imm);
    else
        select_put_rm(s, rule->op3, v,
                      select_rm_mem(select_reg(s, a), -(i32)imm));
}

// Multiplication by a constant: shift, lea for 3, 5 and 9, else imul.
static void
put_mul_imm(struct select *s, val_t v, const struct rule *rule, val_t a,
            u32 imm)
{
    u32 scale = imm == 3 ? 1 : imm == 5 ? 2 : imm == 9 ? 3 : 0;

    if (imm != 0 && (imm & (imm - 1)) == 0 && (!is64(s, v) || (i32)imm > 0)) {
        select_put_r_i(s, rule->op3, v, select_reg(s, a),
                       bits_trailing_zeros(imm));
    } else if (scale > 0) {
        struct rm sum = select_rm_mem(select_reg(s, a), 0);
        sum.index = select_reg(s, a);
        sum.scale = (u8)scale;
        select_put_rm(s, is64(s, v) ? X64_LEA64 : X64_LEA32, v, sum);
    } else {
        select_put_rm_i(s, rule->op2, v, select_rm_reg(select_reg(s, a)), imm);
    }
}

void
lower_mul(struct select *s, val_t v, const struct rule *rule)
{
    val_t a = s->fn->ins[v].a, b = s->fn->ins[v].b;
    u32 imm;

    if (select_const_imm32(s, b, &imm))
        put_mul_imm(s, v, rule, a, imm);
    else if (select_const_imm32(s, a, &imm))
        put_mul_imm(s, v, rule, b, imm);
    else
        lower_alu(s, v, rule);
}

// By cl: the count must not share its vreg with the value.
static void
put_by_cl(struct select *s, u32 op, val_t v, val_t a, val_t b)
{
    struct rm count = select_rm_reg(select_reg(s, b));

    if (count.reg == select_reg(s, a))
        count.reg = select_temp_rm(s, IR_I32, X64_MOV32, count);
    select_put_r_rm(s, op, v, select_reg(s, a), count);
}

void
lower_shift(struct select *s, val_t v, const struct rule *rule)
{
    val_t a = s->fn->ins[v].a, b = s->fn->ins[v].b;

    if (select_is_const(s, b))
        select_put_r_i(s, rule->op2, v, select_reg(s, a),
                       s->fn->ins[b].a & (is64(s, v) ? 63 : 31));
    else if (s->m->features & CPU_BMI2)
        select_put_r_rm(s, rule->op, v, select_reg(s, b),
                        select_rm_reg(select_reg(s, a)));
    else
        put_by_cl(s, rule->op3, v, a, b);
}

void
lower_rotate(struct select *s, val_t v, const struct rule *rule)
{
    val_t a = s->fn->ins[v].a, b = s->fn->ins[v].b;
    u32 width = is64(s, v) ? 64 : 32;
    bool left = rule->op2 == X64_ROL32_I || rule->op2 == X64_ROL64_I;

    if (!select_is_const(s, b)) {
        put_by_cl(s, rule->op3, v, a, b);
        return;
    }
    u32 count = s->fn->ins[b].a & (width - 1);
    if (s->m->features & CPU_BMI2)
        select_put_rm_i(s, is64(s, v) ? X64_RORX64 : X64_RORX32, v,
                        select_rm_reg(select_reg(s, a)),
                        left ? (width - count) % width : count);
    else
        select_put_r_i(s, rule->op2, v, select_reg(s, a), count);
}

// Without lzcnt: bsr gives the number of the highest bit and ZF for 0.
void
lower_clz(struct select *s, val_t v, const struct rule *rule)
{
    u32 type = s->fn->ins[v].type, width = is64(s, v) ? 64 : 32;
    struct rm a = select_rm_value(s, s->fn->ins[v].a);

    if (s->m->features & CPU_LZCNT) {
        select_put_rm(s, rule->op, v, a);
        return;
    }
    vreg_t none = select_temp_const(s, type, width * 2 - 1);
    vreg_t bit = select_temp_rm(s, type, rule->op2, a);
    vreg_t found = select_temp(s, type);
    select_put_cmov(s, rule->op3, CC_E, found, bit, none);
    select_put_r_i(s, is64(s, v) ? X64_XOR64_I : X64_XOR32_I, v, found,
                   width - 1);
}

void
lower_ctz(struct select *s, val_t v, const struct rule *rule)
{
    u32 type = s->fn->ins[v].type;
    struct rm a = select_rm_value(s, s->fn->ins[v].a);

    if (s->m->features & CPU_BMI1) {
        select_put_rm(s, rule->op, v, a);
        return;
    }
    vreg_t none = select_temp_const(s, type, is64(s, v) ? 64 : 32);
    vreg_t bit = select_temp_rm(s, type, rule->op2, a);
    select_put_cmov(s, rule->op3, CC_E, v, bit, none);
}
