// x64/select/control.c: conditions and what depends on them.
//
// A folded condition sets the flags right before their reader; nothing that
// changes them is generated in between, operands are made before.

#include "x64/select/select.h"

// The condition when the operands are exchanged.
static u8
exchanged(u8 cc)
{
    static const u8 other[] = {
        [CC_B] = CC_A, [CC_A] = CC_B,   [CC_AE] = CC_BE, [CC_BE] = CC_AE,
        [CC_L] = CC_G, [CC_G] = CC_L,   [CC_GE] = CC_LE, [CC_LE] = CC_GE,
        [CC_E] = CC_E, [CC_NE] = CC_NE,
    };

    assert(cc < COUNT(other));
    return other[cc];
}

// Bytes compare as unsigned ones.
static u8
as_unsigned(u8 cc)
{
    static const u8 other[] = {
        [CC_L] = CC_B, [CC_GE] = CC_AE, [CC_LE] = CC_BE, [CC_G] = CC_A};

    return cc >= CC_L ? other[cc] : cc;
}

static bool
is_byte(const struct select *s, val_t v)
{
    return select_is_folded(s, v) &&
           select_rule(s->fn->ins[v].op)->fold == FOLD_LOAD8;
}

static u8
put_compare_imm(struct select *s, const struct rule *rule, val_t a, u32 imm)
{
    if (is_byte(s, a)) {
        select_put_cmp_i(s, X64_CMP8_I, select_rm_load(s, a), imm);
        return as_unsigned(rule->cc);
    }
    if (imm == 0 && !select_is_folded(s, a))
        select_put_cmp(s, rule->op3, select_reg(s, a),
                       select_rm_reg(select_reg(s, a)));
    else
        select_put_cmp_i(s, rule->op2, select_rm_value(s, a), imm);
    return rule->cc;
}

static u8
put_compare(struct select *s, val_t v, const struct rule *rule)
{
    val_t a = s->fn->ins[v].a, b = s->fn->ins[v].b;
    u32 imm;

    if (select_const_imm32(s, b, &imm))
        return put_compare_imm(s, rule, a, imm);
    if (select_const_imm32(s, a, &imm)) {
        select_put_cmp_i(s, rule->op2, select_rm_value(s, b), imm);
        return exchanged(rule->cc);
    }
    if (select_is_folded(s, a)) {
        struct rm rm = select_rm_value(s, a);
        select_put_cmp(s, rule->op, select_reg(s, b), rm);
        return exchanged(rule->cc);
    }
    select_put_cmp(s, rule->op, select_reg(s, a), select_rm_value(s, b));
    return rule->cc;
}

// ucomis sets CF for unordered too: "less" is asked as "greater" of exchanged
// operands.
static u8
put_fcompare(struct select *s, val_t v, const struct rule *rule)
{
    val_t a = s->fn->ins[v].a, b = s->fn->ins[v].b;

    if (rule->cc == CC_B || rule->cc == CC_BE) {
        select_put_cmp(s, rule->op, select_reg(s, b), select_rm_value(s, a));
        return exchanged(rule->cc);
    }
    select_put_cmp(s, rule->op, select_reg(s, a), select_rm_value(s, b));
    return rule->cc;
}

static u8
put_test(struct select *s, val_t v, const struct rule *rule)
{
    val_t a = s->fn->ins[v].a, b = s->fn->ins[v].b;
    bool wide = s->fn->ins[v].type == IR_I64;
    u32 imm;

    if (is_byte(s, a) && select_const_imm32(s, b, &imm))
        select_put_cmp_i(s, X64_TEST8_I, select_rm_load(s, a), imm & UINT8_MAX);
    else if (select_const_imm32(s, b, &imm))
        select_put_cmp_i(s, wide ? X64_TEST64_I : X64_TEST32_I,
                         select_rm_value(s, a), imm);
    else if (select_const_imm32(s, a, &imm))
        select_put_cmp_i(s, wide ? X64_TEST64_I : X64_TEST32_I,
                         select_rm_value(s, b), imm);
    else if (select_is_folded(s, a))
        select_put_cmp(s, rule->op3, select_reg(s, b), select_rm_value(s, a));
    else
        select_put_cmp(s, rule->op3, select_reg(s, a), select_rm_value(s, b));
    return CC_NE;
}

// Is the value in a register, or the folded load, 0?
static u8
put_test_value(struct select *s, val_t v)
{
    bool wide = s->fn->ins[v].type == IR_I64;

    if (is_byte(s, v))
        select_put_cmp_i(s, X64_CMP8_I, select_rm_load(s, v), 0);
    else if (select_is_folded(s, v))
        select_put_cmp_i(s, wide ? X64_CMP64_I : X64_CMP32_I,
                         select_rm_value(s, v), 0);
    else
        select_put_cmp(s, wide ? X64_TEST64 : X64_TEST32, select_reg(s, v),
                       select_rm_reg(select_reg(s, v)));
    return CC_NE;
}

// Set the flags by what `v` computes, whether or not it is folded.
static u8
put_flags(struct select *s, val_t v)
{
    const struct rule *rule = select_rule(s->fn->ins[v].op);
    bool inverted = false;
    u8 cc;

    while (rule->lower == lower_eqz) {
        inverted = !inverted;
        v = s->fn->ins[v].a;
        rule = select_rule(s->fn->ins[v].op);
        if (!select_is_folded(s, v))
            break;
    }
    if (inverted && !select_is_folded(s, v))
        cc = put_test_value(s, v);
    else if (rule->lower == lower_compare)
        cc = put_compare(s, v, rule);
    else if (rule->lower == lower_fcompare)
        cc = put_fcompare(s, v, rule);
    else if (rule->lower == lower_all_true)
        cc = select_put_all_true(s, v, rule);
    else if (rule->fold == FOLD_AND)
        cc = put_test(s, v, rule);
    else
        cc = put_test_value(s, v);
    return inverted ? cc ^ 1 : cc;
}

u8
select_put_condition(struct select *s, val_t v)
{
    return select_is_folded(s, v) ? put_flags(s, v) : put_test_value(s, v);
}

// --- conditions as values ----------------------------------------------------

static void
put_set(struct select *s, val_t v, u8 cc)
{
    struct mins *i = select_put(s, X64_SETCC);

    i->def = v;
    i->cc = cc;
}

void
lower_compare(struct select *s, val_t v, const struct rule *rule)
{
    (void)rule;
    put_set(s, v, put_flags(s, v));
}

// Two conditions at once have no setcc: an integer from each.
static void
put_set_float(struct select *s, val_t v, u8 cc)
{
    bool equal = cc == CC_FEQ;
    vreg_t value = select_temp(s, IR_I32), ordered = select_temp(s, IR_I32);
    struct mins *i = select_put(s, X64_SETCC);

    i->def = value;
    i->cc = equal ? CC_E : CC_NE;
    i = select_put(s, X64_SETCC);
    i->def = ordered;
    i->cc = equal ? CC_NP : CC_P;
    select_put_r_rm(s, equal ? X64_AND32 : X64_OR32, v, value,
                    select_rm_reg(ordered));
}

void
lower_eqz(struct select *s, val_t v, const struct rule *rule)
{
    u8 cc = put_flags(s, v);

    (void)rule;
    if (cc >= CC_FEQ)
        put_set_float(s, v, cc);
    else
        put_set(s, v, cc);
}

void
lower_fcompare(struct select *s, val_t v, const struct rule *rule)
{
    lower_eqz(s, v, rule);
}

// --- select ------------------------------------------------------------------

// cmov of integers knows one condition: "unequal" takes two, one after the
// other, and "equal" is the same with the values exchanged.
static void
put_select_int(struct select *s, val_t v, u8 cc, vreg_t then, vreg_t otherwise)
{
    u32 type = s->fn->ins[v].type;
    u32 op = type == IR_I64 ? X64_CMOV64 : X64_CMOV32;

    if (cc < CC_FEQ) {
        select_put_cmov(s, op, cc, v, otherwise, then);
        return;
    }
    if (cc == CC_FEQ) {
        vreg_t swap = then;
        then = otherwise;
        otherwise = swap;
    }
    vreg_t part = select_temp(s, type);
    select_put_cmov(s, op, CC_NE, part, otherwise, then);
    select_put_cmov(s, op, CC_P, v, part, then);
}

void
lower_select(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    vreg_t then = select_reg(s, i->a), otherwise = select_reg(s, i->b);
    u8 cc = select_put_condition(s, i->c);

    (void)rule;
    if (i->type <= IR_I64)
        put_select_int(s, v, cc, then, otherwise);
    else
        select_put_cmov(s, X64_SELECT_X, cc, v, otherwise, then);
}

// --- ends of blocks ----------------------------------------------------------

// From here on the arguments of the edge are vregs, 0 for those of unused
// parameters.
static void
map_edge(struct select *s, edge_t e)
{
    const struct edge *edge = &s->fn->edges[e];
    const struct block *to = &s->fn->blocks[edge->to];

    for (u32 i = 0; i < to->params; i++) {
        val_t *arg = &s->fn->pool[edge->args + i];
        if (s->facts[to->first + i].uses == 0)
            *arg = 0;
        else if (*arg < s->fn->ins_count)
            *arg = select_reg(s, *arg);
    }
}

void
select_map_catches(struct select *s)
{
    for (u32 i = 0; i < s->fn->catch_count; i++)
        map_edge(s, s->fn->catches[i].edge);
}

static void
put_jump(struct select *s, edge_t e)
{
    map_edge(s, e);
    select_put(s, X64_JMP)->imm = e;
}

static void
put_branch(struct select *s, u8 cc, edge_t then, edge_t otherwise)
{
    struct mins *i;

    map_edge(s, then);
    map_edge(s, otherwise);
    i = select_put(s, X64_JCC);
    i->cc = cc;
    i->imm = then;
    i->def2 = otherwise;
}

void
lower_jump(struct select *s, val_t v, const struct rule *rule)
{
    (void)rule;
    put_jump(s, s->fn->ins[v].a);
}

void
lower_branch(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];

    (void)rule;
    put_branch(s, select_put_condition(s, i->a), i->b, i->c);
}

// One target is a jump, two cases are a branch; the rest is emit's.
void
lower_switch(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    const struct cases *cases = &s->fn->cases[i->b];
    const u32 *targets = &s->fn->pool[cases->targets];

    (void)rule;
    if (cases->edge_count == 1) {
        put_jump(s, cases->first);
        return;
    }
    if (cases->count == 2) {
        put_branch(s, put_test_value(s, i->a) ^ 1, targets[0], targets[1]);
        return;
    }
    for (u32 e = 0; e < cases->edge_count; e++)
        map_edge(s, cases->first + e);
    struct mins *m = select_put(s, X64_SWITCH);
    m->a = select_reg(s, i->a);
    m->imm = i->b;
    m->def = select_temp(s, IR_I64);
    m->b = select_temp(s, IR_I64);
}

void
lower_goto(struct select *s, val_t v, const struct rule *rule)
{
    (void)rule;
    select_put(s, X64_GOTO)->imm = s->fn->ins[v].a;
}

void
lower_trap(struct select *s, val_t v, const struct rule *rule)
{
    (void)rule;
    select_put(s, X64_TRAP)->imm = s->fn->ins[v].aux;
}

void
lower_check(struct select *s, val_t v, const struct rule *rule)
{
    const struct ins *i = &s->fn->ins[v];
    u8 cc = select_put_condition(s, i->a);

    (void)rule;
    if (cc == CC_FNE) {
        select_put_trap_cc(s, CC_P, i->aux);
        cc = CC_NE;
    }
    assert(cc != CC_FEQ);
    select_put_trap_cc(s, cc, i->aux);
}
