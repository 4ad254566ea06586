// ir/fold.c: instructions that need not be made: their operands are constants,
// or they are another value or a cheaper instruction.
//
// In integer arithmetic only, for the compiler also runs where there are no
// floating-point registers: of floats, only operations on their bits fold.

#include "ir/build.h"

// The instructions on i64 are in the order of those on i32; so one set of
// rules, written for i32, does for both.
_Static_assert(IR_I64_GE_U - IR_I64_EQZ == IR_I32_GE_U - IR_I32_EQZ, "order");
_Static_assert(IR_I64_ROTR - IR_I64_CLZ == IR_I32_ROTR - IR_I32_CLZ, "order");
_Static_assert(IR_I32_LT_U == IR_I32_LT_S + 1 &&
                   IR_I32_GT_S == IR_I32_LT_S + 2 &&
                   IR_I32_LE_S == IR_I32_LT_S + 4 &&
                   IR_I32_GE_S == IR_I32_LT_S + 6,
               "order");

// An instruction seen as one of 32 bits, its width, and its constants.
struct pattern {
    struct builder *b;
    u32 op, width;
    val_t x, y;
    bool x_const, y_const;
    u64 cx, cy; // zero-extended
};

static bool
is_compare(u32 op)
{
    return op >= IR_I32_EQZ && op <= IR_I32_GE_U;
}

static u32
narrow(u32 op, u32 *width)
{
    *width = 64;
    if (op >= IR_I64_EQZ && op <= IR_I64_GE_U)
        return op - IR_I64_EQZ + IR_I32_EQZ;
    if (op >= IR_I64_CLZ && op <= IR_I64_ROTR)
        return op - IR_I64_CLZ + IR_I32_CLZ;
    *width = 32;
    return op;
}

static u32
widen(u32 op, u32 width)
{
    if (width == 32)
        return op;
    return op <= IR_I32_GE_U ? op - IR_I32_EQZ + IR_I64_EQZ :
                               op - IR_I32_CLZ + IR_I64_CLZ;
}

static bool
const_of(const struct builder *b, val_t v, u64 *bits)
{
    const struct ins *ins = &b->fn->ins[v];

    *bits = ins->a | (u64)ins->b << 32;
    return ins->op == IR_CONST && ins->type != IR_V128;
}

static u64
mask(u64 bits, u32 width)
{
    return width == 64 ? bits : bits & ((1ull << width) - 1);
}

static i64
sign_extend(u64 bits, u32 width)
{
    return (i64)(bits << (64 - width)) >> (64 - width);
}

// --- constants  ------------------------------------------------------------

static u64
rotate_left(u64 x, u64 count, u32 width)
{
    count %= width;
    return count == 0 ? x : x << count | x >> (width - count);
}

static bool
fold_division(const struct pattern *p, u64 *result)
{
    i64 x = sign_extend(p->cx, p->width), y = sign_extend(p->cy, p->width);

    if (p->cy == 0)
        return false; // traps
    switch (p->op) {
    case IR_I32_DIV_U:
        *result = p->cx / p->cy;
        return true;
    case IR_I32_REM_U:
        *result = p->cx % p->cy;
        return true;
    case IR_I32_DIV_S:
        if (y == -1 && p->cx == 1ull << (p->width - 1))
            return false; // traps
        *result = y == -1 ? 0 - p->cx : (u64)(x / y);
        return true;
    default:
        *result = y == -1 ? 0 : (u64)(x % y);
        return true;
    }
}

static bool
compare(u32 op, const struct pattern *p)
{
    i64 sx = sign_extend(p->cx, p->width), sy = sign_extend(p->cy, p->width);

    switch (op) {
    case IR_I32_EQ:
        return p->cx == p->cy;
    case IR_I32_NE:
        return p->cx != p->cy;
    case IR_I32_LT_S:
        return sx < sy;
    case IR_I32_LT_U:
        return p->cx < p->cy;
    case IR_I32_GT_S:
        return sx > sy;
    case IR_I32_GT_U:
        return p->cx > p->cy;
    case IR_I32_LE_S:
        return sx <= sy;
    case IR_I32_LE_U:
        return p->cx <= p->cy;
    case IR_I32_GE_S:
        return sx >= sy;
    default:
        return p->cx >= p->cy;
    }
}

static bool
fold_arithmetic(const struct pattern *p, u64 *result)
{
    u64 x = p->cx, y = p->cy;
    u32 w = p->width;

    switch (p->op) {
    case IR_I32_ADD:
        *result = x + y;
        return true;
    case IR_I32_SUB:
        *result = x - y;
        return true;
    case IR_I32_MUL:
        *result = x * y;
        return true;
    case IR_I32_AND:
        *result = x & y;
        return true;
    case IR_I32_OR:
        *result = x | y;
        return true;
    case IR_I32_XOR:
        *result = x ^ y;
        return true;
    case IR_I32_SHL:
        *result = x << y % w;
        return true;
    case IR_I32_SHR_S:
        *result = (u64)(sign_extend(x, w) >> y % w);
        return true;
    case IR_I32_SHR_U:
        *result = x >> y % w;
        return true;
    case IR_I32_ROTL:
        *result = rotate_left(x, y, w);
        return true;
    case IR_I32_ROTR:
        *result = rotate_left(x, w - y % w, w);
        return true;
    case IR_I32_DIV_S:
    case IR_I32_DIV_U:
    case IR_I32_REM_S:
    case IR_I32_REM_U:
        return fold_division(p, result);
    default:
        return false;
    }
}

static u64
count_ones(u64 x)
{
    u64 count = 0;

    for (; x != 0; x &= x - 1)
        count++;
    return count;
}

static u64
leading_zeros(u64 x, u32 width)
{
    return x == 0 ? width : (u64)__builtin_clzll(x) - (64 - width);
}

// Of one constant x; *type becomes the type of the result.
static bool
fold_unary(u32 op, u64 x, u64 *result, u32 *type)
{
    u32 width, narrowed = narrow(op, &width);

    *type = width == 32 ? IR_I32 : IR_I64;
    switch (narrowed) {
    case IR_I32_EQZ:
        *type = IR_I32;
        *result = x == 0;
        return true;
    case IR_I32_CLZ:
        *result = leading_zeros(x, width);
        return true;
    case IR_I32_CTZ:
        *result = x == 0 ? width : bits_trailing_zeros(x);
        return true;
    case IR_I32_POPCNT:
        *result = count_ones(x);
        return true;
    default:
        return false;
    }
}

static const struct {
    u16 op;
    u8 type, signed_bits; // bits that are sign-extended, or 0
} conversions[] = {
    {IR_I32_WRAP_I64,        IR_I32, 0 },
    {IR_I64_EXTEND_I32_U,    IR_I64, 0 },
    {IR_I64_EXTEND_I32_S,    IR_I64, 32},
    {IR_I32_EXTEND8_S,       IR_I32, 8 },
    {IR_I32_EXTEND16_S,      IR_I32, 16},
    {IR_I64_EXTEND8_S,       IR_I64, 8 },
    {IR_I64_EXTEND16_S,      IR_I64, 16},
    {IR_I64_EXTEND32_S,      IR_I64, 32},
    {IR_I32_REINTERPRET_F32, IR_I32, 0 },
    {IR_I64_REINTERPRET_F64, IR_I64, 0 },
    {IR_F32_REINTERPRET_I32, IR_F32, 0 },
    {IR_F64_REINTERPRET_I64, IR_F64, 0 },
};

static bool
fold_conversion(u32 op, u64 x, u64 *result, u32 *type)
{
    for (u32 i = 0; i < COUNT(conversions); i++) {
        if (conversions[i].op != op)
            continue;
        u32 bits = conversions[i].signed_bits;
        *type = conversions[i].type;
        *result = bits != 0 ? (u64)sign_extend(x, bits) : x;
        return true;
    }
    return false;
}

static val_t
new_const(struct builder *b, u32 type, u64 bits)
{
    if (type == IR_I32 || type == IR_F32)
        bits = (u32)bits;
    return ir_const(b, type, bits, 0);
}

// --- identities  -----------------------------------------------------------

static u32
type_of_width(u32 width)
{
    return width == 32 ? IR_I32 : IR_I64;
}

static val_t
result_const(const struct pattern *p, u64 bits)
{
    u32 type = is_compare(p->op) ? IR_I32 : type_of_width(p->width);

    return new_const(p->b, type, bits);
}

static val_t
with_const(const struct pattern *p, u32 op, val_t x, u64 bits)
{
    u32 type = type_of_width(p->width);

    return ir_value(p->b, widen(op, p->width), is_compare(op) ? IR_I32 : type,
                    0, x, new_const(p->b, type, bits), 0);
}

// x op x.
static val_t
fold_same(const struct pattern *p)
{
    switch (p->op) {
    case IR_I32_SUB:
    case IR_I32_XOR:
    case IR_I32_NE:
    case IR_I32_LT_S:
    case IR_I32_LT_U:
    case IR_I32_GT_S:
    case IR_I32_GT_U:
        return result_const(p, 0);
    case IR_I32_EQ:
    case IR_I32_LE_S:
    case IR_I32_LE_U:
    case IR_I32_GE_S:
    case IR_I32_GE_U:
        return result_const(p, 1);
    case IR_I32_AND:
    case IR_I32_OR:
        return p->x;
    default:
        return 0;
    }
}

// (x op c1) op c2, where op gathers constants.
static val_t
fold_chain(const struct pattern *p)
{
    const struct ins *inner = &p->b->fn->ins[p->x];
    struct pattern q = *p;
    u64 bits;

    if (inner->op != widen(p->op, p->width) || inner->type > IR_I64 ||
        !const_of(p->b, inner->b, &q.cx))
        return 0;
    if (p->op != IR_I32_ADD && p->op != IR_I32_AND && p->op != IR_I32_OR &&
        p->op != IR_I32_XOR)
        return 0;
    val_t x = inner->a;
    (void)fold_arithmetic(&q, &bits);
    return with_const(p, p->op, x, mask(bits, p->width));
}

static val_t
fold_by_power(const struct pattern *p)
{
    u32 log2 = bits_trailing_zeros(p->cy);

    switch (p->op) {
    case IR_I32_MUL:
        return with_const(p, IR_I32_SHL, p->x, log2);
    case IR_I32_DIV_U:
        return with_const(p, IR_I32_SHR_U, p->x, log2);
    case IR_I32_REM_U:
        return with_const(p, IR_I32_AND, p->x, p->cy - 1);
    default:
        return 0;
    }
}

// x op 0.
static val_t
fold_zero(const struct pattern *p)
{
    switch (p->op) {
    case IR_I32_ADD:
    case IR_I32_SUB:
    case IR_I32_OR:
    case IR_I32_XOR:
        return p->x;
    case IR_I32_MUL:
    case IR_I32_AND:
    case IR_I32_LT_U:
        return result_const(p, 0);
    case IR_I32_GE_U:
        return result_const(p, 1);
    case IR_I32_EQ:
    case IR_I32_LE_U:
        return ir_value(p->b, widen(IR_I32_EQZ, p->width), IR_I32, 0, p->x, 0,
                        0);
    case IR_I32_GT_U:
        return with_const(p, IR_I32_NE, p->x, 0);
    default:
        return 0;
    }
}

static val_t
fold_shift(const struct pattern *p)
{
    if (p->op < IR_I32_SHL || p->op > IR_I32_ROTR)
        return 0;
    if (p->cy % p->width == 0)
        return p->x;
    return p->cy >= p->width ? with_const(p, p->op, p->x, p->cy % p->width) : 0;
}

// Is the value always 0 or 1?
static bool
is_boolean(const struct builder *b, val_t v)
{
    u32 op = b->fn->ins[v].op;

    return (op >= IR_I32_EQZ && op <= IR_I64_GE_U) ||
           (op >= IR_F32_EQ && op <= IR_F64_GE);
}

// x op c.
static val_t
fold_right(const struct pattern *p)
{
    u64 ones = mask(~0ull, p->width);
    val_t v = fold_shift(p);

    if (v != 0)
        return v;
    if (p->op == IR_I32_SUB && p->cy != 0)
        return with_const(p, IR_I32_ADD, p->x, mask(0 - p->cy, p->width));
    if (p->cy == 0 && p->op == IR_I32_NE && is_boolean(p->b, p->x))
        return p->x;
    if (p->cy == 0 && (v = fold_zero(p)) != 0)
        return v;
    if (p->cy == ones && p->op == IR_I32_AND)
        return p->x;
    if (p->cy == ones && p->op == IR_I32_OR)
        return p->y;
    if (p->cy == 1 &&
        (p->op == IR_I32_MUL || p->op == IR_I32_DIV_U || p->op == IR_I32_DIV_S))
        return p->x;
    if (p->cy != 0 && (p->cy & (p->cy - 1)) == 0 && (v = fold_by_power(p)) != 0)
        return v;
    return fold_chain(p);
}

static bool
commutes(u32 op)
{
    return op == IR_I32_ADD || op == IR_I32_MUL || op == IR_I32_AND ||
           op == IR_I32_OR || op == IR_I32_XOR || op == IR_I32_EQ ||
           op == IR_I32_NE;
}

static val_t
fold_binary(struct builder *b, const struct ins *ins)
{
    struct pattern p = {.b = b, .x = ins->a, .y = ins->b};
    u64 bits;

    p.op = narrow(ins->op, &p.width);
    p.x_const = const_of(b, p.x, &p.cx);
    p.y_const = const_of(b, p.y, &p.cy);

    if (p.x_const && p.y_const) {
        if (is_compare(p.op))
            return result_const(&p, compare(p.op, &p));
        return fold_arithmetic(&p, &bits) ? result_const(&p, bits) : 0;
    }
    if (p.x == p.y)
        return fold_same(&p);
    if (p.x_const && commutes(p.op))
        return ir_value(b, ins->op, ins->type, 0, p.y, p.x, 0);
    if (p.y_const)
        return fold_right(&p);
    bool wide = ins->op == IR_I64_ADD || ins->op == IR_I64_OR;
    return wide && !b->plain ? ir_fold_wide(b, ins) : 0;
}

// eqz(x < y) is x >= y: compares of integers are in pairs of opposites.
static u32
opposite(u32 op)
{
    static const u16 pairs[][2] = {
        {IR_I32_EQ,   IR_I32_NE  },
        {IR_I32_LT_S, IR_I32_GE_S},
        {IR_I32_LT_U, IR_I32_GE_U},
        {IR_I32_GT_S, IR_I32_LE_S},
        {IR_I32_GT_U, IR_I32_LE_U},
    };

    for (u32 i = 0; i < COUNT(pairs); i++) {
        if (op == pairs[i][0])
            return pairs[i][1];
        if (op == pairs[i][1])
            return pairs[i][0];
    }
    return IR_NONE;
}

static val_t
fold_eqz(struct builder *b, const struct ins *ins)
{
    const struct ins *x = &b->fn->ins[ins->a];
    u32 width, other;

    if (ins->op != IR_I32_EQZ || x->op < IR_I32_EQZ || x->op > IR_I64_GE_U)
        return 0;
    if (x->op == IR_I32_EQZ)
        return is_boolean(b, x->a) ? x->a : 0;
    other = opposite(narrow(x->op, &width));
    if (other == IR_NONE)
        return 0;
    return ir_value(b, widen(other, width), IR_I32, 0, x->a, x->b, 0);
}

static val_t
fold_one(struct builder *b, const struct ins *ins)
{
    const struct ins *x = &b->fn->ins[ins->a];
    u64 bits, result;
    u32 type;

    if (const_of(b, ins->a, &bits))
        return fold_unary(ins->op, bits, &result, &type) ||
                       fold_conversion(ins->op, bits, &result, &type) ?
                   new_const(b, type, result) :
                   0;
    if (ins->op == IR_I32_WRAP_I64 &&
        (x->op == IR_I64_EXTEND_I32_U || x->op == IR_I64_EXTEND_I32_S))
        return x->a;
    return fold_eqz(b, ins);
}

static val_t
fold_select(struct builder *b, const struct ins *ins)
{
    const struct ins *c = &b->fn->ins[ins->c];
    u64 bits, one, zero;

    if (ins->a == ins->b)
        return ins->a;
    if (const_of(b, ins->c, &bits))
        return bits != 0 ? ins->a : ins->b;
    if (c->op == IR_I32_EQZ)
        return ir_value(b, IR_SELECT, ins->type, 0, ins->b, ins->a, c->a);
    if (ins->type == IR_I32 && is_boolean(b, ins->c) &&
        const_of(b, ins->a, &one) && const_of(b, ins->b, &zero) && one == 1 &&
        zero == 0)
        return ins->c;
    return 0;
}

val_t
ir_fold(struct builder *b, const struct ins *ins)
{
    u32 op = ins->op;

    if (op == IR_SELECT)
        return fold_select(b, ins);
    if (op < IR_I32_EQZ || op > IR_I64_EXTEND32_S)
        return 0;
    switch (ir_info(op)->form) {
    case FORM_1:
        return fold_one(b, ins);
    case FORM_2:
        return op <= IR_I64_ROTR ? fold_binary(b, ins) : 0;
    default:
        return 0;
    }
}

val_t
ir_condition(const struct builder *b, val_t v, bool *negated)
{
    const struct ins *ins = &b->fn->ins[v];
    u64 bits;

    *negated = false;
    while (ins->op == IR_I32_EQZ ||
           (ins->op == IR_I32_NE && const_of(b, ins->b, &bits) && bits == 0)) {
        *negated ^= ins->op == IR_I32_EQZ;
        v = ins->a;
        ins = &b->fn->ins[v];
    }
    return v;
}
