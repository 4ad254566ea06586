// x64/select/div.c: division.
//
// By a variable: the hardware's, whose fault the trap handler resolves by
// looking at the divisor.  By a constant: multiplication with a rounded
// reciprocal (Granlund and Montgomery, "Division by Invariant Integers using
// Multiplication", 1994), in integers of 64 bits only.

#include "x64/select/select.h"

// A division: the operands and the instructions of its width.
struct division {
    val_t v;
    u32 type, width;
    vreg_t n; // dividend
    u64 d;    // divisor, its absolute value when signed
    bool negative, is_signed;
};

static u32
op_for(const struct division *d, u32 op32, u32 op64)
{
    return d->width == 64 ? op64 : op32;
}

static vreg_t
shift(struct select *s, const struct division *d, u32 op32, u32 op64, vreg_t a,
      u32 count)
{
    return count == 0 ?
               a :
               select_temp_r_i(s, d->type, op_for(d, op32, op64), a, count);
}

static vreg_t
binary(struct select *s, const struct division *d, u32 op32, u32 op64, vreg_t a,
       vreg_t b)
{
    return select_temp_r_rm(s, d->type, op_for(d, op32, op64), a,
                            select_rm_reg(b));
}

// An operand in a fixed register has a vreg of its own.
static vreg_t
copy(struct select *s, u32 type, vreg_t a)
{
    return select_temp_rm(s, type, type == IR_I64 ? X64_MOV64 : X64_MOV32,
                          select_rm_reg(a));
}

// The upper half of a product of 64 bits each, as a value of this type.
static vreg_t
mul_high(struct select *s, u32 type, u32 op, vreg_t a, u64 factor)
{
    vreg_t high = select_temp(s, type);
    vreg_t b = select_temp_const(s, IR_I64, factor);
    struct mins *i = select_put(s, op);

    i->a = b;
    i->b = a;
    i->def2 = high;
    return high;
}

static u32
ceil_log2(u64 n)
{
    return n <= 1 ? 0 : 64 - (u32)__builtin_clzll(n - 1);
}

// floor(2^(64 + shift) / d) - 2^64 + 1, and what is needed of 65 bits: the
// quotient of (2^shift - d) * 2^64 / d, one bit at a time; 2^shift - d < d.
static u64
reciprocal(u64 d, u32 log2)
{
    u64 rest = (log2 == 64 ? 0 : 1ull << log2) - d, quotient = 0;

    for (u32 bit = 0; bit < 64; bit++) {
        bool carry = rest >> 63;
        rest <<= 1;
        quotient <<= 1;
        if (carry || rest >= d) {
            rest -= d;
            quotient |= 1;
        }
    }
    return quotient + 1;
}

// --- unsigned ---------------------------------------------------------------

// n of 32 bits.  With l = ceil(log2 d), m = 2^(31+l) / d rounded up has 32 bits
// and is precise enough if m * d exceeds 2^(31+l) by at most 2^(l-1); otherwise
// 2^64 / d rounded up is, for every n.  The quotient is of 32 bits: where it is
// spilled, what is read again is seen to be so.
static vreg_t
divide_u32(struct select *s, const struct division *d)
{
    u32 log2 = ceil_log2(d->d);
    u64 power = 1ull << (31 + log2);
    u64 m = (power + d->d - 1) / d->d;

    if (m * d->d - power > 1ull << (log2 - 1))
        return mul_high(s, IR_I32, X64_MUL64, d->n, UINT64_MAX / d->d + 1);
    vreg_t product =
        select_temp_r_rm(s, IR_I64, X64_IMUL64, select_temp_const(s, IR_I64, m),
                         select_rm_reg(d->n));
    return select_temp_r_i(s, IR_I32, X64_SHR64_I, product, 31 + log2);
}

// 2^(63+log2) / d rounded up, which has 64 bits.
static u64
half_reciprocal(u64 d, u32 log2)
{
    return ((reciprocal(d, log2) - 1) >> 1 | 1ull << 63) + 1;
}

// n of 64 bits, the reciprocal has 65, of which the topmost is added by hand
// without overflow: ((n - t) / 2 + t) >> (log2 - 1).
static vreg_t
divide_u65(struct select *s, const struct division *d)
{
    u32 log2 = ceil_log2(d->d);
    vreg_t t = mul_high(s, IR_I64, X64_MUL64, d->n, reciprocal(d->d, log2));
    vreg_t half = binary(s, d, X64_SUB32, X64_SUB64, d->n, t);

    half = shift(s, d, X64_SHR32_I, X64_SHR64_I, half, 1);
    half = binary(s, d, X64_ADD32, X64_ADD64, half, t);
    return shift(s, d, X64_SHR32_I, X64_SHR64_I, half, log2 - 1);
}

// 64 bits of the reciprocal are enough when the divisor is even, since then the
// dividend loses bits first, and for some odd ones (see divide_u32).
static vreg_t
divide_u64(struct select *s, const struct division *d)
{
    u32 zeros = bits_trailing_zeros(d->d);
    u64 odd = d->d >> zeros;
    u32 log2 = ceil_log2(odd);
    u64 m = half_reciprocal(odd, log2);

    if (zeros == 0 && m * odd > 1ull << (log2 - 1))
        return divide_u65(s, d);
    vreg_t n = shift(s, d, X64_SHR32_I, X64_SHR64_I, d->n, zeros);
    return shift(s, d, X64_SHR32_I, X64_SHR64_I,
                 mul_high(s, IR_I64, X64_MUL64, n, m), log2 - 1);
}

static vreg_t
divide_unsigned(struct select *s, const struct division *d)
{
    if ((d->d & (d->d - 1)) == 0)
        return shift(s, d, X64_SHR32_I, X64_SHR64_I, d->n, ceil_log2(d->d));
    return d->width == 64 ? divide_u64(s, d) : divide_u32(s, d);
}

// --- signed -----------------------------------------------------------------

// Rounds to zero: add 2^k - 1 to negative dividends, then shift.
static vreg_t
divide_power(struct select *s, const struct division *d)
{
    u32 k = ceil_log2(d->d);
    vreg_t t = d->n;

    if (k == 0)
        return t;
    if (k > 1)
        t = shift(s, d, X64_SAR32_I, X64_SAR64_I, t, k - 1);
    t = shift(s, d, X64_SHR32_I, X64_SHR64_I, t, d->width - k);
    t = binary(s, d, X64_ADD32, X64_ADD64, t, d->n);
    return shift(s, d, X64_SAR32_I, X64_SAR64_I, t, k);
}

// n / d for n of w bits: with l = ceil(log2 d) >= 2 and m = floor(2^(w+l-1) /
// d) + 1 - 2^w as a signed number, the quotient is (n + high(m * n)) >> (l -
// 1), plus 1 if n is negative.  For 32 bits the product fits 64.
static vreg_t
divide_signed_odd(struct select *s, const struct division *d)
{
    u32 log2 = ceil_log2(d->d);
    vreg_t high;

    if (d->width == 64) {
        high = mul_high(s, IR_I64, X64_IMULWIDE64, d->n,
                        half_reciprocal(d->d, log2));
    } else {
        u64 m = (u64)(((1ull << (31 + log2)) / d->d + 1) - (1ull << 32));
        vreg_t wide =
            select_temp_rm(s, IR_I64, X64_MOVSX32_64, select_rm_reg(d->n));
        wide = select_temp_r_rm(s, IR_I64, X64_IMUL64, wide,
                                select_rm_reg(select_temp_const(s, IR_I64, m)));
        high = select_temp_r_i(s, IR_I64, X64_SHR64_I, wide, 32);
    }
    vreg_t q = binary(s, d, X64_ADD32, X64_ADD64, d->n, high);
    q = shift(s, d, X64_SAR32_I, X64_SAR64_I, q, log2 - 1);
    vreg_t sign = shift(s, d, X64_SHR32_I, X64_SHR64_I, d->n, d->width - 1);
    return binary(s, d, X64_ADD32, X64_ADD64, q, sign);
}

static vreg_t
divide_const(struct select *s, const struct division *d)
{
    vreg_t q;

    if (!d->is_signed)
        return divide_unsigned(s, d);
    if ((d->d & (d->d - 1)) == 0)
        q = divide_power(s, d);
    else
        q = divide_signed_odd(s, d);
    if (d->negative) {
        vreg_t positive = q;
        q = select_temp(s, d->type);
        select_put_r_i(s, op_for(d, X64_NEG32, X64_NEG64), q, positive, 0);
    }
    return q;
}

// A division by a constant that is neither 0 nor, signed, -1: those can trap.
static bool
as_division(struct select *s, val_t v, const struct rule *rule,
            struct division *d)
{
    const struct ins *i = &s->fn->ins[v];
    u32 width = i->type == IR_I64 ? 64 : 32;

    *d = (struct division){.v = v,
                           .type = i->type,
                           .width = width,
                           .is_signed = rule->op == X64_IDIV32 ||
                                        rule->op == X64_IDIV64};
    if (!select_is_const(s, i->b))
        return false;
    d->d = select_const_bits(s, i->b);
    if (width == 32)
        d->d = d->is_signed ? (u64)(i64)(i32)(u32)d->d : (u32)d->d;
    if (d->d == 0 || (d->is_signed && d->d == UINT64_MAX))
        return false;
    if (d->is_signed && (i64)d->d < 0) {
        d->negative = true;
        d->d = 0 - d->d;
    }
    d->n = select_reg(s, i->a);
    return true;
}

// --- by a variable -----------------------------------------------------------

static void
put_division(struct select *s, u32 op, vreg_t quotient, vreg_t remainder,
             vreg_t n, vreg_t d)
{
    struct mins *i = select_put(s, op);

    i->def = quotient;
    i->def2 = remainder;
    i->a = n;
    i->b = d;
    i->flags = MINS_TRAPS;
}

void
lower_div(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    struct division d;

    if (as_division(s, v, rule, &d)) {
        s->facts[v].vreg = divide_const(s, &d);
        return;
    }
    vreg_t n = select_reg(s, i->a), b = select_reg(s, i->b);
    if (n == b)
        n = copy(s, i->type, n);
    put_division(s, rule->op, v, 0, n, b);
}

// n - n / d * d; powers of two by a mask.
static void
put_remainder_const(struct select *s, const struct division *d)
{
    u32 imm = (u32)(d->d - 1);

    if (!d->is_signed && (d->d & (d->d - 1)) == 0 &&
        (d->width == 32 || d->d <= 1ull << 31)) {
        select_put_r_i(s, op_for(d, X64_AND32_I, X64_AND64_I), d->v, d->n, imm);
        return;
    }
    struct division positive = *d;
    positive.negative = false; // n % -d is n % d
    vreg_t q = divide_const(s, &positive);
    vreg_t product;
    if (d->d <= INT32_MAX) {
        product = select_temp(s, d->type);
        select_put_rm_i(s, op_for(d, X64_IMUL32_I, X64_IMUL64_I), product,
                        select_rm_reg(q), (u32)d->d);
    } else {
        vreg_t factor =
            select_temp_const(s, d->type, d->width == 32 ? (u32)d->d : d->d);
        product = binary(s, d, X64_IMUL32, X64_IMUL64, q, factor);
    }
    select_put_r_rm(s, op_for(d, X64_SUB32, X64_SUB64), d->v, d->n,
                    select_rm_reg(product));
}

// A remainder by -1 is 0 but would fault for the smallest dividend: divide by
// 1 instead.
static vreg_t
without_minus_one(struct select *s, u32 type, vreg_t b)
{
    bool wide = type == IR_I64;
    vreg_t one = select_temp_const(s, type, 1), divisor = select_temp(s, type);

    select_put_cmp_i(s, wide ? X64_CMP64_I : X64_CMP32_I, select_rm_reg(b),
                     UINT32_MAX);
    select_put_cmov(s, wide ? X64_CMOV64 : X64_CMOV32, CC_E, divisor, b, one);
    return divisor;
}

void
lower_rem(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    struct division d;

    if (as_division(s, v, rule, &d)) {
        put_remainder_const(s, &d);
        return;
    }
    vreg_t n = select_reg(s, i->a), b = select_reg(s, i->b);
    if (d.is_signed)
        b = without_minus_one(s, i->type, b);
    else if (n == b)
        n = copy(s, i->type, n);
    put_division(s, rule->op, 0, v, n, b);
}

// The lower half is the value, the upper one a further result.
void
lower_mul_wide(struct select *s, val_t v, const struct rule *rule)
{
    const struct fn *fn = s->fn;
    const struct ins *i = &fn->ins[v];
    vreg_t a = select_reg(s, i->a), b = select_reg(s, i->b), high = 0;
    val_t next = v + 1;

    if (next < fn->blocks[s->block].end && fn->ins[next].op == IR_RESULT &&
        fn->ins[next].a == v && s->facts[next].state != FACT_DEAD)
        high = next;
    if (a == b)
        a = copy(s, IR_I64, a);
    struct mins *m = select_put(s, rule->op);
    m->def = s->facts[v].uses > 0 ? v : 0;
    m->def2 = high;
    m->a = a;
    m->b = b;
}
