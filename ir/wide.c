// ir/wide.c: the product of two numbers of 64 bits in 128, written with four
// products of their halves, is one instruction.
//
// That is how compilers multiply where there are no wide instructions, as the
// function __multi3 or in line.  With p = al * bl, t = (p >> 32) + al * bh and
// w = (t & mask) + ah * bl, none of which can overflow,
//
//     low  = (w << 32) | (p & mask)
//     high = ah * bh + (t >> 32) + (w >> 32)
//
// and what is added to ah * bh before (the products with the upper words of
// numbers of 128 bits) is added behind.

#include "ir/build.h"

#define MASK 0xffffffffull

static const struct ins *
of(const struct builder *b, val_t v, u32 op)
{
    const struct ins *ins = &b->fn->ins[v];

    return ins->op == op ? ins : NULL;
}

static bool
is_number(const struct builder *b, val_t v, u64 bits)
{
    const struct ins *ins = of(b, v, IR_CONST);

    return ins != NULL && ins->type == IR_I64 && ins->a == (u32)bits &&
           ins->b == (u32)(bits >> 32);
}

// What v is the upper, or lower, half of; 0: of nothing.
static val_t
upper_of(const struct builder *b, val_t v)
{
    const struct ins *ins = of(b, v, IR_I64_SHR_U);

    return ins != NULL && is_number(b, ins->b, 32) ? ins->a : 0;
}

static val_t
lower_of(const struct builder *b, val_t v)
{
    const struct ins *ins = of(b, v, IR_I64_AND);

    return ins != NULL && is_number(b, ins->b, MASK) ? ins->a : 0;
}

// v = x op y, or with `swap` y op x.
static bool
operands(const struct builder *b, val_t v, u32 op, bool swap, val_t *x,
         val_t *y)
{
    const struct ins *ins = of(b, v, op);

    if (ins == NULL)
        return false;
    *x = swap ? ins->b : ins->a;
    *y = swap ? ins->a : ins->b;
    return true;
}

// The numbers whose halves are multiplied.
struct factors {
    val_t a, b;
};

// Is v the product of the lower half of one and the upper half of the other?
static bool
is_mixed(const struct builder *b, val_t v, val_t lower, val_t upper)
{
    val_t x, y;

    for (u32 swap = 0; swap < 2; swap++)
        if (operands(b, v, IR_I64_MUL, swap, &x, &y) &&
            lower_of(b, x) == lower && upper_of(b, y) == upper)
            return true;
    return false;
}

// Is v = (p >> 32) + lower of f.a * upper of f.b, with p the product of the
// lower halves?
static bool
is_middle(const struct builder *b, val_t v, val_t p, struct factors f)
{
    val_t x, y;

    for (u32 swap = 0; swap < 2; swap++)
        if (operands(b, v, IR_I64_ADD, swap, &x, &y) && upper_of(b, x) == p &&
            is_mixed(b, y, f.a, f.b))
            return true;
    return false;
}

// w = (t & mask) + ah * bl: the factors, with t and p that they are made of.
static bool
find(const struct builder *b, val_t w, val_t *t, val_t *p, struct factors *f)
{
    val_t x, y, high, low, shifted, mixed;

    for (u32 i = 0; i < 8; i++) {
        if (!operands(b, w, IR_I64_ADD, i & 1, &x, &y) ||
            !operands(b, y, IR_I64_MUL, i >> 1 & 1, &high, &low))
            continue;
        *t = lower_of(b, x);
        f->a = upper_of(b, high);
        f->b = lower_of(b, low);
        if (*t == 0 || f->a == 0 || f->b == 0 ||
            !operands(b, *t, IR_I64_ADD, i >> 2, &shifted, &mixed))
            continue;
        *p = upper_of(b, shifted);
        for (u32 swap = 0; swap < 2 && *p != 0; swap++)
            if (operands(b, *p, IR_I64_MUL, swap, &x, &y) &&
                lower_of(b, x) == f->a && lower_of(b, y) == f->b &&
                is_middle(b, *t, *p, *f))
                return true;
    }
    return false;
}

val_t
ir_mul_wide(struct builder *b, u32 op, val_t x, val_t y)
{
    val_t low = ir_value(b, op, IR_I64, 0, x, y, 0);

    if (low != 0 && low + 1 == b->fn->ins_count) // it is new
        (void)ir_emit(b, IR_RESULT, IR_I64, 0, low, 1, 0);
    return low;
}

static val_t
product(struct builder *b, struct factors f)
{
    return ir_mul_wide(b, IR_I64_MUL_WIDE_U, f.a, f.b);
}

static val_t
fold_low(struct builder *b, const struct ins * or)
{
    struct factors f;
    val_t t, p;

    for (u32 swap = 0; swap < 2; swap++) {
        const struct ins *shl = of(b, swap ? or->b : or->a, IR_I64_SHL);
        if (shl != NULL && is_number(b, shl->b, 32) &&
            find(b, shl->a, &t, &p, &f) &&
            lower_of(b, swap ? or->a : or->b) == p)
            return product(b, f);
    }
    return 0;
}

// Is v the product of the upper halves?
static bool
is_upper(const struct builder *b, val_t v, struct factors f)
{
    val_t x, y;

    for (u32 swap = 0; swap < 2; swap++)
        if (operands(b, v, IR_I64_MUL, swap, &x, &y) && upper_of(b, x) == f.a &&
            upper_of(b, y) == f.b)
            return true;
    return false;
}

// x = more + ah * bh, in any order, or (0) the product alone.
static bool
take_upper(const struct builder *b, val_t x, struct factors f, val_t *more)
{
    val_t v;

    *more = 0;
    if (is_upper(b, x, f))
        return true;
    for (u32 swap = 0; swap < 2; swap++)
        if (operands(b, x, IR_I64_ADD, swap, more, &v) && is_upper(b, v, f))
            return true;
    return false;
}

static val_t
fold_high(struct builder *b, const struct ins *add)
{
    struct factors f;
    val_t t, p, x, y, more;

    for (u32 i = 0; i < 4; i++) {
        val_t w = upper_of(b, i & 1 ? add->a : add->b);
        val_t sum = i & 1 ? add->b : add->a;
        if (w == 0 || !find(b, w, &t, &p, &f) ||
            !operands(b, sum, IR_I64_ADD, i >> 1, &x, &y) ||
            upper_of(b, y) != t || !take_upper(b, x, f, &more))
            continue;
        val_t high = product(b, f) + 1;
        return more == 0 ? high :
                           ir_value(b, IR_I64_ADD, IR_I64, 0, more, high, 0);
    }
    return 0;
}

val_t
ir_fold_wide(struct builder *b, const struct ins *ins)
{
    return ins->op == IR_I64_OR ? fold_low(b, ins) : fold_high(b, ins);
}
