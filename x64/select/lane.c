// x64/select/lane.c: lanes of vectors: insert, extract, spread, shuffle, test.

#include "x64/select/select.h"

static vreg_t
a_of(struct select *s, val_t v)
{
    return select_reg(s, s->fn->ins[v].a);
}

// --- memory and lanes --------------------------------------------------------

// {offset, lane} of a FORM_MEM_LANE.
static const u64 *
lane_of(const struct select *s, const struct ins *i)
{
    return s->fn->consts[i->c];
}

void
lower_load_lane(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    const u64 *at = lane_of(s, i);
    struct rm from =
        select_rm_address(s, i->a, at[0], i->aux, x64_info(rule->op)->mem);

    select_put_r_rm_i(s, rule->op, v, select_reg(s, i->b), from, (u32)at[1]);
}

void
lower_store_lane(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    const u64 *at = lane_of(s, i);
    struct rm to =
        select_rm_address(s, i->a, at[0], i->aux, x64_info(rule->op)->mem);

    if (at[1] == 0 && rule->op2 != X64_NOP)
        select_put_mr(s, rule->op2, to, select_reg(s, i->b));
    else
        select_put_r_rm_i(s, rule->op, 0, select_reg(s, i->b), to, (u32)at[1]);
}

void
lower_extract(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    vreg_t to = rule->op3 == X64_NOP ? v : select_temp(s, IR_I32);
    vreg_t a = select_reg(s, i->a);
    bool first = i->aux == 0 && rule->op2 != X64_NOP;
    struct mins *m = select_put(s, first ? rule->op2 : rule->op);

    m->def = to;
    m->a = a;
    m->imm = first ? 0 : i->aux;
    if (to != v)
        select_put_rm(s, rule->op3, v, select_rm_reg(to));
}

// A scalar may have anything above its lane.
void
lower_extract_float(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    u32 order = i->type == IR_F64 ? 0xee : i->aux;

    (void)rule;
    if (i->aux == 0)
        select_put_rm(s, X64_MOVAPS, v, select_rm_reg(select_reg(s, i->a)));
    else
        select_put_rm_i(s, X64_PSHUFD, v, select_rm_reg(select_reg(s, i->a)),
                        order);
}

void
lower_replace(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];

    select_put_r_rm_i(s, rule->op, v, select_reg(s, i->a),
                      select_rm_value(s, i->b), i->aux);
}

void
lower_replace_float(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    vreg_t a = select_reg(s, i->a);
    struct rm b = select_rm_reg(select_reg(s, i->b));

    (void)rule;
    if (s->fn->ins[i->b].type == IR_F32)
        select_put_r_rm_i(s, X64_INSERTPS, v, a, b, (u32)i->aux << 4);
    else
        select_put_r_rm(s, i->aux == 0 ? X64_MOVSD_MERGE : X64_UNPCKLPD, v, a,
                        b);
}

// --- splats ------------------------------------------------------------------

// Spread the lowest lane of a vector register.
static void
put_spread(struct select *s, u32 op, vreg_t def, vreg_t x)
{
    vreg_t half;

    switch (op) {
    case X64_PSHUFB:
        select_put_r_rm(s, op, def, x, select_rm_const(s, 0, 0));
        break;
    case X64_PSHUFLW:
        half = select_temp(s, IR_V128);
        select_put_rm_i(s, op, half, select_rm_reg(x), 0);
        select_put_rm_i(s, X64_PSHUFD, def, select_rm_reg(half), 0);
        break;
    case X64_PSHUFD:
        select_put_rm_i(s, op, def, select_rm_reg(x), 0);
        break;
    default:
        select_put_rm(s, op, def, select_rm_reg(x));
    }
}

void
lower_splat(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t x = a_of(s, v);
    bool avx2 = s->m->features & CPU_AVX2;

    if (rule->op != X64_NOP)
        x = select_temp_rm(s, IR_V128, rule->op, select_rm_reg(x));
    put_spread(s, avx2 ? rule->op2 : rule->op3, v, x);
}

void
lower_load_splat(struct select *s, val_t v, const struct rule *rule)
{
    struct rm from = select_rm_load(s, v);
    u32 type = rule->op == X64_MOVSS ? IR_V128 : IR_I32;

    if (s->m->features & CPU_AVX2) {
        select_put_rm(s, rule->op2, v, from);
        return;
    }
    vreg_t x = select_temp_rm(s, type, rule->op, from);
    if (type == IR_I32)
        x = select_temp_rm(s, IR_V128, X64_MOVD_X, select_rm_reg(x));
    put_spread(s, rule->op3, v, x);
}

// --- shuffles ----------------------------------------------------------------

// pshufb gives 0 for numbers from 128 on: saturate those above 15 to there.
void
lower_swizzle(struct select *s, val_t v, const struct rule *rule)
{
    struct rm limit =
        select_rm_const(s, 0x7070707070707070, 0x7070707070707070);
    vreg_t order = select_temp_r_rm(s, IR_V128, X64_PADDUSB,
                                    select_reg(s, s->fn->ins[v].b), limit);

    (void)rule;
    select_put_r_rm(s, X64_PSHUFB, v, a_of(s, v), select_rm_reg(order));
}

// Does the shuffle take the bytes from `first` on, in order (of both operands
// one after the other)?
static bool
is_run(const u8 lanes[16], u32 *first)
{
    *first = lanes[0];
    for (u32 i = 1; i < 16; i++)
        if (lanes[i] != lanes[0] + i)
            return false;
    return true;
}

// Shuffles of one operand by whole words of 32 bits: the immediate of pshufd.
static bool
is_words(const u8 lanes[16], u32 *imm)
{
    *imm = 0;
    for (u32 i = 0; i < 16; i += 4) {
        if (lanes[i] % 4 != 0 || lanes[i] / 16 != lanes[0] / 16)
            return false;
        for (u32 k = 1; k < 4; k++)
            if (lanes[i + k] != lanes[i] + k)
                return false;
        *imm |= (u32)(lanes[i] % 16 / 4) << (i / 2);
    }
    return true;
}

// Interleaving the low or high halves, in units of 1, 2, 4 and 8 bytes.
static bool
is_interleave(const u8 lanes[16], u32 *op)
{
    static const u16 ops[2][4] = {
        {X64_PUNPCKLBW, X64_PUNPCKLWD, X64_PUNPCKLDQ, X64_PUNPCKLQDQ},
        {X64_PUNPCKHBW, X64_PUNPCKHWD, X64_PUNPCKHDQ, X64_PUNPCKHQDQ}
    };
    u32 high = lanes[0] == 8;

    for (u32 log2 = 0; log2 < 4; log2++) {
        u32 unit = 1 << log2, i = 0;
        while (i < 16 && lanes[i] == high * 8 + i / (2 * unit) * unit +
                                         i % unit + (i / unit % 2) * 16)
            i++;
        if (i == 16) {
            *op = ops[high][log2];
            return true;
        }
    }
    return false;
}

// The bytes of one operand, 0 where they come from the other one.
static vreg_t
pick(struct select *s, vreg_t a, const u8 lanes[16], u32 operand)
{
    u8 order[16];
    u64 bits[2];

    for (u32 i = 0; i < 16; i++)
        order[i] = lanes[i] / 16 == operand ? lanes[i] % 16 : 0x80;
    memcpy(bits, order, sizeof(bits));
    return select_temp_r_rm(s, IR_V128, X64_PSHUFB, a,
                            select_rm_const(s, bits[0], bits[1]));
}

static u32
operands_used(const u8 lanes[16])
{
    u32 used = 0;

    for (u32 i = 0; i < 16; i++)
        used |= 1u << (lanes[i] / 16);
    return used;
}

void
lower_shuffle(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    vreg_t a = select_reg(s, i->a), b = select_reg(s, i->b);
    u8 lanes[16];
    u32 first, imm, op;

    (void)rule;
    memcpy(lanes, s->fn->consts[i->c], sizeof(lanes));
    for (u32 k = 0; a == b && k < 16; k++)
        lanes[k] %= 16;
    if (is_words(lanes, &imm)) {
        select_put_rm_i(s, X64_PSHUFD, v, select_rm_reg(lanes[0] < 16 ? a : b),
                        imm);
    } else if (is_run(lanes, &first) && first < 16) {
        select_put_r_rm_i(s, X64_PALIGNR, v, b, select_rm_reg(a), first);
    } else if (is_interleave(lanes, &op)) {
        select_put_r_rm(s, op, v, a, select_rm_reg(b));
    } else if (operands_used(lanes) == 3) {
        vreg_t from_a = pick(s, a, lanes, 0);
        select_put_r_rm(s, X64_POR, v, from_a,
                        select_rm_reg(pick(s, b, lanes, 1)));
    } else {
        u32 operand = operands_used(lanes) == 2;
        vreg_t x = pick(s, operand ? b : a, lanes, operand);
        select_put_rm(s, X64_MOVAPS, v, select_rm_reg(x));
    }
}

// --- tests -------------------------------------------------------------------

u8
select_put_all_true(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t x = a_of(s, v);

    if (rule->op != X64_NOP)
        x = select_temp_r_rm(s, IR_V128, rule->op, select_temp_zero(s, IR_V128),
                             select_rm_reg(x));
    select_put_cmp(s, X64_PTEST, x, select_rm_reg(x));
    return rule->cc;
}

void
lower_all_true(struct select *s, val_t v, const struct rule *rule)
{
    lower_compare(s, v, rule);
}

void
lower_bitmask(struct select *s, val_t v, const struct rule *rule)
{
    vreg_t x = a_of(s, v);

    if (rule->op2 != X64_NOP)
        x = select_temp_r_rm(s, IR_V128, rule->op2, x,
                             select_rm_const(s, 0, 0));
    select_put_rm(s, rule->op, v, select_rm_reg(x));
}
