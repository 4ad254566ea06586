// x64/select/vector.c: arithmetic of vectors (v128) on SSE4.1, with AVX's
// encodings where the CPU has them.  One-to-one operations are lower_falu and
// lower_funary; here is what takes several instructions.

#include "x64/select/select.h"

// Shorthands: a temporary vector from two registers, register and memory,
// register and immediate.
static vreg_t
vv(struct select *s, u32 op, vreg_t a, vreg_t b)
{
    return select_temp_r_rm(s, IR_V128, op, a, select_rm_reg(b));
}

static vreg_t
vm(struct select *s, u32 op, vreg_t a, struct rm b)
{
    return select_temp_r_rm(s, IR_V128, op, a, b);
}

static vreg_t
vi(struct select *s, u32 op, vreg_t a, u32 imm)
{
    return select_temp_r_i(s, IR_V128, op, a, imm);
}

static vreg_t
vu(struct select *s, u32 op, vreg_t a)
{
    return select_temp_rm(s, IR_V128, op, select_rm_reg(a));
}

static struct rm
rm_lanes(struct select *s, u64 bits)
{
    return select_rm_const(s, bits, bits);
}

static vreg_t
a_of(struct select *s, val_t v)
{
    return select_reg(s, s->fn->ins[v].a);
}

static vreg_t
b_of(struct select *s, val_t v)
{
    return select_reg(s, s->fn->ins[v].b);
}

static vreg_t
ones(struct select *s)
{
    vreg_t def = select_temp(s, IR_V128);

    select_put(s, X64_ONESX)->def = def;
    return def;
}

static vreg_t
shuffle32(struct select *s, vreg_t a, u32 imm)
{
    vreg_t def = select_temp(s, IR_V128);

    select_put_rm_i(s, X64_PSHUFD, def, select_rm_reg(a), imm);
    return def;
}

// --- bits and compares -------------------------------------------------------

void
lower_vnot(struct select *s, val_t v, const struct rule *rule)
{
    (void)rule;
    select_put_r_rm(s, X64_PXOR, v, a_of(s, v), select_rm_reg(ones(s)));
}

// op with exchanged operands.
void
lower_swapped(struct select *s, val_t v, const struct rule *rule)
{
    select_put_r_rm(s, rule->op, v, b_of(s, v),
                    select_rm_value(s, s->fn->ins[v].a));
}

// (a & c) | (b & ~c)
void
lower_bitselect(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t c = select_reg(s, s->fn->ins[v].c);
    vreg_t then = vv(s, X64_PAND, a_of(s, v), c);
    vreg_t otherwise = vv(s, X64_PANDN, c, b_of(s, v));

    (void)rule;
    select_put_r_rm(s, X64_POR, v, then, select_rm_reg(otherwise));
}

static void
put_not(struct select *s, val_t v, vreg_t a)
{
    select_put_r_rm(s, X64_PXOR, v, a, select_rm_reg(ones(s)));
}

void
lower_vcompare(struct select *s, val_t v, const struct rule *rule)
{
    bool exchange = rule->cc == CC_L || rule->cc == CC_GE;
    bool invert = rule->cc == CC_NE || rule->cc == CC_LE || rule->cc == CC_GE;
    vreg_t a = exchange ? b_of(s, v) : a_of(s, v);
    vreg_t b = exchange ? a_of(s, v) : b_of(s, v);

    if (invert)
        put_not(s, v, vv(s, rule->op, a, b));
    else
        select_put_r_rm(s, rule->op, v, a, select_rm_reg(b));
}

// a <= b is min(a, b) == a.
void
lower_ucompare(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t a = a_of(s, v), limit = vv(s, rule->op, a, b_of(s, v));

    if (rule->cc == CC_A || rule->cc == CC_B)
        put_not(s, v, vv(s, rule->op2, limit, a));
    else
        select_put_r_rm(s, rule->op2, v, limit, select_rm_reg(a));
}

void
lower_pcompare(struct select *s, val_t v, const struct rule *rule)
{
    static const u8 predicates[] = {[CC_E] = 0,  [CC_NE] = 4, [CC_L] = 1,
                                    [CC_LE] = 2, [CC_G] = 1,  [CC_GE] = 2};
    bool exchange = rule->cc == CC_G || rule->cc == CC_GE;
    vreg_t a = exchange ? b_of(s, v) : a_of(s, v);
    vreg_t b = exchange ? a_of(s, v) : b_of(s, v);

    select_put_r_rm_i(s, rule->op, v, a, select_rm_reg(b),
                      predicates[rule->cc]);
}

// --- integers ----------------------------------------------------------------

void
lower_vneg(struct select *s, val_t v, const struct rule *rule)
{
    select_put_r_rm(s, rule->op, v, select_temp_zero(s, IR_V128),
                    select_rm_reg(a_of(s, v)));
}

void
lower_abs64(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t a = a_of(s, v);
    vreg_t sign = vv(s, X64_PCMPGTQ, select_temp_zero(s, IR_V128), a);

    (void)rule;
    select_put_r_rm(s, X64_PSUBQ, v, vv(s, X64_PXOR, a, sign),
                    select_rm_reg(sign));
}

// Schoolbook: high halves crosswise, shifted, plus the low product.
void
lower_mul64x2(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t a = a_of(s, v), b = b_of(s, v);
    vreg_t a_high = vi(s, X64_PSRLQ_I, a, 32);
    vreg_t b_high = vi(s, X64_PSRLQ_I, b, 32);
    vreg_t cross = vv(s, X64_PADDQ, vv(s, X64_PMULUDQ, a_high, b),
                      vv(s, X64_PMULUDQ, b_high, a));

    (void)rule;
    cross = vi(s, X64_PSLLQ_I, cross, 32);
    select_put_r_rm(s, X64_PADDQ, v, vv(s, X64_PMULUDQ, a, b),
                    select_rm_reg(cross));
}

// pmulhrsw gives -1 for -1 * -1, its only overflow.
void
lower_q15mulr(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t product = vv(s, X64_PMULHRSW, a_of(s, v), b_of(s, v));
    vreg_t wrong = vm(s, X64_PCMPEQW, product, rm_lanes(s, 0x8000800080008000));

    (void)rule;
    select_put_r_rm(s, X64_PXOR, v, product, select_rm_reg(wrong));
}

// A table of the counts of 4 bits, looked up for both halves of each byte.
void
lower_popcnt8(struct select *s, val_t v, const struct rule *rule)
{
    static const u64 low = 0x0302020102010100, high = 0x0403030203020201;
    struct rm nibble = rm_lanes(s, 0x0f0f0f0f0f0f0f0f);
    vreg_t table =
        select_temp_rm(s, IR_V128, X64_MOVAPS, select_rm_const(s, low, high));
    vreg_t a = a_of(s, v);
    vreg_t even = vm(s, X64_PAND, a, nibble);
    vreg_t odd = vm(s, X64_PAND, vi(s, X64_PSRLW_I, a, 4), nibble);

    (void)rule;
    select_put_r_rm(s, X64_PADDB, v, vv(s, X64_PSHUFB, table, even),
                    select_rm_reg(vv(s, X64_PSHUFB, table, odd)));
}

void
lower_extend_high(struct select *s, val_t v, const struct rule *rule)
{
    select_put_rm(s, rule->op, v,
                  select_rm_reg(shuffle32(s, a_of(s, v), 0xee)));
}

// pmaddubsw: unsigned times signed bytes, neighbours added.
void
lower_pairwise8(struct select *s, val_t v, const struct rule *rule)
{
    struct rm one = rm_lanes(s, 0x0101010101010101);

    if (rule->cc == CC_E)
        select_put_r_rm(s, X64_PMADDUBSW, v, a_of(s, v), one);
    else
        select_put_r_rm(s, X64_PMADDUBSW, v,
                        select_temp_rm(s, IR_V128, X64_MOVAPS, one),
                        select_rm_reg(a_of(s, v)));
}

// Unsigned words: as signed ones 2^15 less, and 2^16 back on each sum.
void
lower_pairwise16(struct select *s, val_t v, const struct rule *rule)
{
    struct rm one = rm_lanes(s, 0x0001000100010001);

    if (rule->cc == CC_NE) {
        select_put_r_rm(s, X64_PMADDWD, v, a_of(s, v), one);
        return;
    }
    vreg_t less = vm(s, X64_PXOR, a_of(s, v), rm_lanes(s, 0x8000800080008000));
    vreg_t sum = vm(s, X64_PMADDWD, less, one);
    select_put_r_rm(s, X64_PADDD, v, sum, rm_lanes(s, 0x0001000000010000));
}

void
lower_extmul8(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t a = a_of(s, v), b = b_of(s, v);

    if (rule->cc == CC_NE) {
        a = shuffle32(s, a, 0xee);
        b = shuffle32(s, b, 0xee);
    }
    select_put_r_rm(s, rule->op, v, vu(s, rule->op2, a),
                    select_rm_reg(vu(s, rule->op2, b)));
}

void
lower_extmul16(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t a = a_of(s, v), b = b_of(s, v);
    vreg_t low = vv(s, rule->op, a, b), high = vv(s, rule->op2, a, b);

    select_put_r_rm(s, rule->op3, v, low, select_rm_reg(high));
}

// The factors into the even lanes: 0 0 1 1 or 2 2 3 3.
void
lower_extmul32(struct select *s, val_t v, const struct rule *rule)
{
    u32 order = rule->cc == CC_E ? 0x50 : 0xfa;
    vreg_t a = shuffle32(s, a_of(s, v), order);
    vreg_t b = shuffle32(s, b_of(s, v), order);

    select_put_r_rm(s, rule->op, v, a, select_rm_reg(b));
}

// The second factor has 7 bits, so it may count as unsigned.
void
lower_relaxed_dot(struct select *s, val_t v, const struct rule *rule)
{
    (void)rule;
    select_put_r_rm(s, X64_PMADDUBSW, v, b_of(s, v), select_rm_reg(a_of(s, v)));
}

void
lower_relaxed_dot_add(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t words = vv(s, X64_PMADDUBSW, b_of(s, v), a_of(s, v));
    vreg_t sums = vm(s, X64_PMADDWD, words, rm_lanes(s, 0x0001000100010001));

    (void)rule;
    select_put_r_rm(s, X64_PADDD, v, sums,
                    select_rm_reg(select_reg(s, s->fn->ins[v].c)));
}

// --- shifts ------------------------------------------------------------------

// A shift count: an immediate, or the low lane of a vector.
struct count {
    bool is_imm;
    u32 imm;
    vreg_t reg;
};

static struct count
count_of(struct select *s, val_t b, u32 mask)
{
    struct count c = {.is_imm = select_is_const(s, b)};

    if (c.is_imm) {
        c.imm = s->fn->ins[b].a & mask;
    } else {
        vreg_t masked =
            select_temp_r_i(s, IR_I32, X64_AND32_I, select_reg(s, b), mask);
        c.reg = select_temp_rm(s, IR_V128, X64_MOVD_X, select_rm_reg(masked));
    }
    return c;
}

static void
put_shift(struct select *s, const struct rule *rule, vreg_t def, vreg_t a,
          struct count c)
{
    if (c.is_imm)
        select_put_r_i(s, rule->op2, def, a, c.imm);
    else
        select_put_r_rm(s, rule->op, def, a, select_rm_reg(c.reg));
}

static vreg_t
shift(struct select *s, const struct rule *rule, vreg_t a, struct count c)
{
    vreg_t def = select_temp(s, IR_V128);

    put_shift(s, rule, def, a, c);
    return def;
}

static u32
lane_mask(u32 op)
{
    switch (op) {
    case X64_PSLLW:
    case X64_PSRLW:
    case X64_PSRAW:
        return 15;
    case X64_PSLLD:
    case X64_PSRLD:
    case X64_PSRAD:
        return 31;
    default:
        return 63;
    }
}

void
lower_vshift(struct select *s, val_t v, const struct rule *rule)
{
    struct count c = count_of(s, s->fn->ins[v].b, lane_mask(rule->op));

    put_shift(s, rule, v, a_of(s, v), c);
}

// Bytes: the even and the odd ones of each word apart.
void
lower_shift8(struct select *s, val_t v, const struct rule *rule)
{
    struct rm even_mask = rm_lanes(s, 0x00ff00ff00ff00ff);
    struct rm odd_mask = rm_lanes(s, 0xff00ff00ff00ff00);
    struct count c = count_of(s, s->fn->ins[v].b, 7);
    vreg_t a = a_of(s, v), even, odd;

    if (rule->op == X64_PSLLW) {
        even = vm(s, X64_PAND, shift(s, rule, a, c), even_mask);
        odd = shift(s, rule, vm(s, X64_PAND, a, odd_mask), c);
    } else if (rule->op == X64_PSRLW) {
        even = shift(s, rule, vm(s, X64_PAND, a, even_mask), c);
        odd = vm(s, X64_PAND, shift(s, rule, a, c), odd_mask);
    } else {
        even = shift(s, rule, vi(s, X64_PSLLW_I, a, 8), c);
        even = vi(s, X64_PSRLW_I, even, 8);
        odd = vm(s, X64_PAND, shift(s, rule, a, c), odd_mask);
    }
    select_put_r_rm(s, X64_POR, v, even, select_rm_reg(odd));
}

// There is no psraq: shift unsigned, then extend the sign from where it is now.
void
lower_sar64x2(struct select *s, val_t v, const struct rule *rule)
{
    struct count c = count_of(s, s->fn->ins[v].b, 63);
    vreg_t sign =
        select_temp_rm(s, IR_V128, X64_MOVAPS, rm_lanes(s, 0x8000000000000000));
    vreg_t a = shift(s, rule, a_of(s, v), c);

    sign = shift(s, rule, sign, c);
    select_put_r_rm(s, X64_PSUBQ, v, vv(s, X64_PXOR, a, sign),
                    select_rm_reg(sign));
}

// --- floats ------------------------------------------------------------------

// Bits of a NaN's payload below the quiet bit, to be shifted out.
static u32
payload_shift(const struct rule *rule)
{
    return rule->op3 == X64_PSRLD_I ? 10 : 13;
}

// NaN lanes of x become canonical; where they are was found in `unordered`.
static void
put_canonical(struct select *s, val_t v, const struct rule *rule, vreg_t x,
              vreg_t unordered)
{
    vreg_t payload = vi(s, rule->op3, unordered, payload_shift(rule));

    select_put_r_rm(s, X64_ANDNPS, v, payload, select_rm_reg(x));
}

// minps gives its second operand for NaN and for zeros of both signs: do it
// both ways; "or" then gathers the NaN and the minus.
void
lower_pmin(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t a = a_of(s, v), b = b_of(s, v);
    vreg_t one = vv(s, rule->op, a, b), other = vv(s, rule->op, b, a);
    vreg_t both = vv(s, X64_ORPS, one, other);
    vreg_t unordered =
        select_temp_r_rm_i(s, IR_V128, rule->op2, both, select_rm_reg(one), 3);

    both = vv(s, X64_ORPS, both, unordered);
    put_canonical(s, v, rule, both, unordered);
}

// As min, but of zeros the plus counts: subtract where the two ways differ.
void
lower_pmax(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t a = a_of(s, v), b = b_of(s, v);
    bool single = rule->op == X64_MAXPS;
    vreg_t one = vv(s, rule->op, a, b), other = vv(s, rule->op, b, a);
    vreg_t differ = vv(s, X64_XORPS, one, other);
    vreg_t both = vv(s, X64_ORPS, other, differ);

    both = vv(s, single ? X64_SUBPS : X64_SUBPD, both, differ);
    vreg_t unordered =
        select_temp_r_rm_i(s, IR_V128, rule->op2, both, select_rm_reg(both), 3);
    put_canonical(s, v, rule, both, unordered);
}

void
lower_madd(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t product = vv(s, rule->op, a_of(s, v), b_of(s, v));

    select_put_r_rm(s, rule->op2, v, product,
                    select_rm_reg(select_reg(s, s->fn->ins[v].c)));
}

void
lower_nmadd(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t product = vv(s, rule->op, a_of(s, v), b_of(s, v));

    select_put_r_rm(s, rule->op2, v, select_reg(s, s->fn->ins[v].c),
                    select_rm_reg(product));
}

// --- conversions -------------------------------------------------------------

static const u64 F32X2_2_31 = 0x4f0000004f000000;

// In two halves of 16 bits, which convert exactly; one rounding at the end.
void
lower_convert_u32x4(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t a = a_of(s, v);
    vreg_t low = vm(s, X64_PAND, a, rm_lanes(s, 0x0000ffff0000ffff));
    vreg_t high = vi(s, X64_PSRLD_I, a, 16);

    (void)rule;
    low = vu(s, X64_CVTDQ2PS, low);
    high = vm(s, X64_MULPS, vu(s, X64_CVTDQ2PS, high),
              rm_lanes(s, 0x4780000047800000)); // 65536.0
    select_put_r_rm(s, X64_ADDPS, v, high, select_rm_reg(low));
}

// 2^52 + x by its bits, minus 2^52.
void
lower_convert_low_u(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t sum =
        vm(s, X64_PUNPCKLDQ, a_of(s, v), rm_lanes(s, 0x4330000043300000));

    (void)rule;
    select_put_r_rm(s, X64_SUBPD, v, sum, rm_lanes(s, 0x4330000000000000));
}

// NaN to 0; what is too large gives 2^31 and is turned over to 2^31 - 1.
void
lower_trunc_f32x4_s(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t a = a_of(s, v);
    vreg_t ordered =
        select_temp_r_rm_i(s, IR_V128, X64_CMPPS, a, select_rm_reg(a), 7);
    vreg_t x = vv(s, X64_ANDPS, ordered, a);
    vreg_t limit =
        select_temp_rm(s, IR_V128, X64_MOVAPS, rm_lanes(s, F32X2_2_31));
    vreg_t large =
        select_temp_r_rm_i(s, IR_V128, X64_CMPPS, limit, select_rm_reg(x), 2);

    (void)rule;
    select_put_r_rm(s, X64_PXOR, v, vu(s, X64_CVTTPS2DQ, x),
                    select_rm_reg(large));
}

// From 2^31 on: convert x - 2^31, then add the top bit; from 2^32 on: all ones.
void
lower_trunc_f32x4_u(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t x = vm(s, X64_MAXPS, a_of(s, v), select_rm_const(s, 0, 0));
    vreg_t limit =
        select_temp_rm(s, IR_V128, X64_MOVAPS, rm_lanes(s, F32X2_2_31));
    vreg_t high =
        select_temp_r_rm_i(s, IR_V128, X64_CMPPS, limit, select_rm_reg(x), 2);
    vreg_t y = vv(s, X64_SUBPS, x, vv(s, X64_ANDPS, high, limit));
    vreg_t large =
        select_temp_r_rm_i(s, IR_V128, X64_CMPPS, limit, select_rm_reg(y), 2);
    vreg_t top = vi(s, X64_PSLLD_I, high, 31);

    (void)rule;
    y = vv(s, X64_PXOR, vu(s, X64_CVTTPS2DQ, y), top);
    select_put_r_rm(s, X64_POR, v, y, select_rm_reg(large));
}

void
lower_trunc_f64x2_s(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t a = a_of(s, v);
    vreg_t ordered =
        select_temp_r_rm_i(s, IR_V128, X64_CMPPD, a, select_rm_reg(a), 7);
    vreg_t x = vv(s, X64_ANDPS, ordered, a);

    (void)rule;
    x = vm(s, X64_MINPD, x, rm_lanes(s, 0x41dfffffffc00000)); // 2^31 - 1
    select_put_rm(s, X64_CVTTPD2DQ, v, select_rm_reg(x));
}

// Clamp, round to zero, add 2^52: the integer is in the low bits.
void
lower_trunc_f64x2_u(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t x = vm(s, X64_MAXPD, a_of(s, v), select_rm_const(s, 0, 0));
    vreg_t whole = select_temp(s, IR_V128);

    (void)rule;
    x = vm(s, X64_MINPD, x, rm_lanes(s, 0x41efffffffe00000)); // 2^32 - 1
    select_put_rm_i(s, X64_ROUNDPD, whole, select_rm_reg(x), 3 | 8);
    x = vm(s, X64_ADDPD, whole, rm_lanes(s, 0x4330000000000000));
    select_put_r_rm_i(s, X64_SHUFPS, v, x, select_rm_const(s, 0, 0), 0x88);
}
