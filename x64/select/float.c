// x64/select/float.c: scalar floats and conversions, without branches.
//
// The kernel has no floats in C: constants are bit patterns.

#include "x64/select/select.h"

// Bit patterns of the powers of two that bound integers, by width of float.
enum bound {
    MINUS_1,    // -1.0
    MINUS_2_31, // -2^31; for f64 the next integer below
    PLUS_2_31,
    PLUS_2_32,
    MINUS_2_63,
    PLUS_2_63,
    PLUS_2_64,
    BOUND_COUNT
};

static const u64 bounds32[BOUND_COUNT] = {
    0xbf800000, 0xcf000000, 0x4f000000, 0x4f800000,
    0xdf000000, 0x5f000000, 0x5f800000,
};

static const u64 bounds64[BOUND_COUNT] = {
    0xbff0000000000000, 0xc1e0000000200000, 0x41e0000000000000,
    0x41f0000000000000, 0xc3e0000000000000, 0x43e0000000000000,
    0x43f0000000000000,
};

// Constants of f64 for saturation to 32 bits.
static const u64 INT32_MAX_F64 = 0x41dfffffffc00000;
static const u64 INT32_MIN_F64 = 0xc1e0000000000000;
static const u64 UINT32_MAX_F64 = 0x41efffffffe00000;

static u8
type_of(const struct select *s, val_t v)
{
    return s->fn->ins[v].type;
}

static struct rm
rm_bound(struct select *s, u32 type, enum bound bound)
{
    return select_rm_const(
        s, type == IR_F32 ? bounds32[bound] : bounds64[bound], 0);
}

// op: a, rm.  A constant or a load is the memory operand where the operands
// commute.
void
lower_falu(struct select *s, val_t v, const struct rule *rule)
{
    val_t a = s->fn->ins[v].a, b = s->fn->ins[v].b;
    bool commutes = x64_info(rule->op)->flags & COMMUTES;
    bool b_is_reg = !select_is_folded(s, b) && !select_is_const(s, b);

    if (select_is_folded(s, a) ||
        (commutes && select_is_const(s, a) && b_is_reg))
        select_put_r_rm(s, rule->op, v, select_reg(s, b),
                        select_rm_value(s, a));
    else
        select_put_r_rm(s, rule->op, v, select_reg(s, a),
                        select_rm_value(s, b));
}

void
lower_fminmax(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];

    select_put_r_rm(s, rule->op, v, select_reg(s, i->a),
                    select_rm_reg(select_reg(s, i->b)));
}

void
lower_funary(struct select *s, val_t v, const struct rule *rule)
{
    select_put_rm(s, rule->op, v, select_rm_value(s, s->fn->ins[v].a));
}

// The sign bit of a float, or all other bits; in all lanes of a vector.
static struct rm
rm_sign(struct select *s, u32 type, bool wide, bool others)
{
    u64 sign = wide ? 1ull << 63 : 1ull << 31 | (u64)1 << 63;
    u64 bits = others ? ~sign : sign;

    if (type == IR_F32)
        bits = (u32)bits;
    return select_rm_const(s, bits, type == IR_V128 ? bits : 0);
}

void
lower_mask(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    bool wide =
        i->type == IR_F64 || rule->op == X64_ANDPD || rule->op == X64_XORPD;

    select_put_r_rm(s, rule->op, v, select_reg(s, i->a),
                    rm_sign(s, i->type, wide, rule->cc == CC_NS));
}

void
lower_copysign(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    bool wide = i->type == IR_F64;
    vreg_t value = select_temp_r_rm(s, i->type, X64_ANDPS, select_reg(s, i->a),
                                    rm_sign(s, i->type, wide, true));
    vreg_t sign = select_temp_r_rm(s, i->type, X64_ANDPS, select_reg(s, i->b),
                                   rm_sign(s, i->type, wide, false));

    (void)rule;
    select_put_r_rm(s, X64_ORPS, v, value, select_rm_reg(sign));
}

void
lower_round(struct select *s, val_t v, const struct rule *rule)
{
    select_put_rm_i(s, rule->op, v, select_rm_value(s, s->fn->ins[v].a),
                    rule->cc | 8u);
}

void
lower_to_int(struct select *s, val_t v, const struct rule *rule)
{
    struct mins *i;
    vreg_t a = select_reg(s, s->fn->ins[v].a);

    i = select_put(s, rule->op);
    i->def = v;
    i->a = a;
}

// --- to floats ---------------------------------------------------------------

// The instruction keeps the upper lanes of its first operand: zero breaks the
// dependency.
void
lower_convert(struct select *s, val_t v, const struct rule *rule)
{
    struct rm a = select_rm_value(s, s->fn->ins[v].a);

    select_put_r_rm(s, rule->op, v, select_temp_zero(s, type_of(s, v)), a);
}

// Convert half of a number whose top bit is set, keeping the lowest bit for
// the rounding, then double it.
void
lower_convert_u64(struct select *s, val_t v, const struct rule *rule)
{
    u32 type = type_of(s, v);
    vreg_t a = select_reg(s, s->fn->ins[v].a);
    vreg_t top = select_temp_r_i(s, IR_I64, X64_SAR64_I, a, 63);
    vreg_t low = select_temp_r_i(s, IR_I64, X64_AND64_I, a, 1);
    vreg_t half = select_temp_r_i(s, IR_I64, X64_SHR64_I, a, 1);

    half = select_temp_r_rm(s, IR_I64, X64_OR64, half, select_rm_reg(low));
    vreg_t part = select_temp(s, IR_I64);
    select_put_cmp(s, X64_TEST64, a, select_rm_reg(a));
    select_put_cmov(s, X64_CMOV64, CC_S, part, a, half);
    vreg_t f = select_temp_r_rm(s, type, rule->op, select_temp_zero(s, type),
                                select_rm_reg(part));
    vreg_t mask = select_temp_rm(s, type, X64_MOVQ_X, select_rm_reg(top));
    vreg_t again = select_temp_r_rm(s, type, X64_ANDPS, mask, select_rm_reg(f));
    select_put_r_rm(s, rule->op2, v, f, select_rm_reg(again));
}

// --- to integers, trapping ---------------------------------------------------

static void
put_range_check(struct select *s, u32 compare, vreg_t x, struct rm bound, u8 cc)
{
    select_put_cmp(s, compare, x, bound);
    select_put_trap_cc(s, cc, TRAP_INTEGER_OVERFLOW);
}

// Numbers above 2^63: convert x - 2^63 too; the first conversion has then given
// 2^63 (only the top bit), which is also the mask that lets the second pass.
static void
put_convert_u64(struct select *s, vreg_t def, const struct rule *rule, u32 type,
                vreg_t x)
{
    vreg_t low = select_temp_rm(s, IR_I64, rule->op, select_rm_reg(x));
    vreg_t less =
        select_temp_r_rm(s, type, rule->op3, x, rm_bound(s, type, PLUS_2_63));
    vreg_t high = select_temp_rm(s, IR_I64, rule->op, select_rm_reg(less));
    vreg_t mask = select_temp_r_i(s, IR_I64, X64_SAR64_I, low, 63);

    mask = select_temp_r_rm(s, IR_I64, X64_AND64, mask, select_rm_reg(high));
    select_put_r_rm(s, X64_OR64, def, low, select_rm_reg(mask));
}

// By way of 64 bits; that no more than 32 are left, only the upper bound says,
// so they are extended for those who do not know it.
static void
put_convert_u32(struct select *s, val_t def, u32 op, vreg_t x)
{
    vreg_t wide = select_temp_rm(s, IR_I64, op, select_rm_reg(x));

    select_put_rm(s, X64_MOV32, def, select_rm_reg(wide));
}

void
lower_trunc(struct select *s, val_t v, const struct rule *rule)
{
    val_t a = s->fn->ins[v].a;
    u32 from = type_of(s, a), to = type_of(s, v);
    bool is_unsigned = rule->cc == CC_E;
    vreg_t x = select_reg(s, a);
    enum bound low = is_unsigned  ? MINUS_1 :
                     to == IR_I32 ? MINUS_2_31 :
                                    MINUS_2_63;
    enum bound high = to == IR_I32 ? (is_unsigned ? PLUS_2_32 : PLUS_2_31) :
                                     (is_unsigned ? PLUS_2_64 : PLUS_2_63);
    // The lower bound itself is in range when it is an integer of the type.
    bool inclusive = low == MINUS_2_63 || (low == MINUS_2_31 && from == IR_F32);

    select_put_cmp(s, rule->op2, x, select_rm_reg(x));
    select_put_trap_cc(s, CC_P, TRAP_INVALID_CONVERSION);
    put_range_check(s, rule->op2, x, rm_bound(s, from, low),
                    inclusive ? CC_B : CC_BE);
    put_range_check(s, rule->op2, x, rm_bound(s, from, high), CC_AE);
    if (rule->op3 != X64_NOP)
        put_convert_u64(s, v, rule, from, x);
    else if (to == IR_I32 && is_unsigned)
        put_convert_u32(s, v, rule->op, x);
    else
        select_put_rm(s, rule->op, v, select_rm_reg(x));
}

// --- to integers, saturating -------------------------------------------------

// NaN becomes 0.
static vreg_t
without_nan(struct select *s, u32 type, vreg_t x)
{
    vreg_t ordered = select_temp(s, type);
    u32 op = type == IR_F32 ? X64_CMPSS : X64_CMPSD;

    select_put_r_rm_i(s, op, ordered, x, select_rm_reg(x), 7);
    return select_temp_r_rm(s, type, X64_ANDPS, ordered, select_rm_reg(x));
}

// NaN and negative numbers become 0: max gives its second operand then.
static vreg_t
at_least_zero(struct select *s, u32 type, vreg_t x)
{
    return select_temp_r_rm(s, type, type == IR_F32 ? X64_MAXSS : X64_MAXSD, x,
                            select_rm_const(s, 0, 0));
}

// In f64, where all bounds are exact.
void
lower_sat32(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t x = select_reg(s, s->fn->ins[v].a);

    if (rule->op2 != X64_NOP)
        x = select_temp_rm(s, IR_F64, rule->op2, select_rm_reg(x));
    if (rule->cc == CC_E) {
        x = at_least_zero(s, IR_F64, x);
        x = select_temp_r_rm(s, IR_F64, X64_MINSD, x,
                             select_rm_const(s, UINT32_MAX_F64, 0));
    } else {
        x = without_nan(s, IR_F64, x);
        x = select_temp_r_rm(s, IR_F64, X64_MINSD, x,
                             select_rm_const(s, INT32_MAX_F64, 0));
        x = select_temp_r_rm(s, IR_F64, X64_MAXSD, x,
                             select_rm_const(s, INT32_MIN_F64, 0));
    }
    if (rule->cc == CC_E)
        put_convert_u32(s, v, rule->op, x);
    else
        select_put_rm(s, rule->op, v, select_rm_reg(x));
}

// Too small gives 2^63 by itself, which is the smallest integer; too large is
// put right.
void
lower_sat64(struct select *s, val_t v, const struct rule *rule)
{
    val_t a = s->fn->ins[v].a;
    u32 type = type_of(s, a);
    bool is_unsigned = rule->cc == CC_E;
    vreg_t x = select_reg(s, a), i = select_temp(s, IR_I64);
    vreg_t most =
        select_temp_const(s, IR_I64, is_unsigned ? UINT64_MAX : (u64)INT64_MAX);

    if (is_unsigned) {
        x = at_least_zero(s, type, x);
        put_convert_u64(s, i, rule, type, x);
    } else {
        x = without_nan(s, type, x);
        select_put_rm(s, rule->op, i, select_rm_reg(x));
    }
    select_put_cmp(s, rule->op2, x,
                   rm_bound(s, type, is_unsigned ? PLUS_2_64 : PLUS_2_63));
    select_put_cmov(s, X64_CMOV64, CC_AE, v, i, most);
}
