// x64/select/mark.c: one pass backwards over a function, before anything is
// generated: counts uses, finds dead code, and decides which values fold into
// their user.
//
// A value folds when its only use is in the same block and asks for it.  A load
// moves down to its user, so nothing in between may write, call, or trap in
// another way: s->epoch counts those, and a candidate remembers the epoch of
// the place where its user stands.  Widths must be equal: a folded load reads
// what the load would have read, not a byte more.

#include "x64/select/select.h"

enum { MAX_DEPTH = 4 }; // of folding: keeps the work per instruction constant

static void
use(struct select *s, val_t v)
{
    if (s->facts[v].uses < UINT8_MAX)
        s->facts[v].uses++;
}

// Parameters that nobody uses need no arguments.  Those of a block further
// down are known by now; of a loop's header they are all taken as used.
static void
use_edge(struct select *s, edge_t e)
{
    const struct edge *edge = &s->fn->edges[e];
    const struct block *to = &s->fn->blocks[edge->to];

    for (u32 i = 0; i < to->params; i++) {
        val_t v = s->fn->pool[edge->args + i];
        if (v >= VAL_EXNREF)
            continue;
        if (edge->to <= s->block || s->facts[to->first + i].uses > 0)
            use(s, v);
    }
}

static void
use_edges(struct select *s, edge_t first, u32 count)
{
    for (u32 i = 0; i < count; i++)
        use_edge(s, first + i);
}

static void
use_operands(struct select *s, struct ins *i)
{
    struct ir_operands read = ir_operands_of(s->fn, i);
    u8 form = ir_info(i->op)->form;

    for (u32 n = 0; n < read.count; n++)
        use(s, read.list[n]);
    if (form == FORM_JUMP)
        use_edge(s, i->a);
    else if (form == FORM_CASES)
        use_edges(s, s->fn->cases[i->b].first, s->fn->cases[i->b].edge_count);
    else if (form == FORM_BRANCH) {
        use_edge(s, i->b);
        use_edge(s, i->c);
    }
}

// --- folding -----------------------------------------------------------------

// Where an instruction will be generated: its epoch, how much is folded on the
// way there, and into what.
struct spot {
    u32 epoch;
    u8 depth, into;
};

static bool
make_candidate(struct select *s, val_t v, enum into into, struct spot spot)
{
    struct fact *fact = &s->facts[v];

    if (v < s->fn->blocks[s->block].first || spot.depth >= MAX_DEPTH ||
        fact->uses != 1)
        return false;
    fact->state = FACT_CANDIDATE;
    fact->epoch = spot.epoch;
    fact->depth = (u8)(spot.depth + 1);
    fact->into = (u8)into;
    return true;
}

// A load as operand of x64 instruction `op`: the widths must be equal, and
// without VEX an operand of 16 bytes would have to be aligned.
static bool
mark_load(struct select *s, val_t v, u32 op, struct spot spot)
{
    const struct rule *rule = select_rule(s->fn->ins[v].op);
    u8 size = x64_info(rule->op)->mem;

    if (rule->fold != FOLD_LOAD || size != x64_info(op)->mem)
        return false;
    if (size == 16 && !(s->m->features & CPU_AVX))
        return false;
    return make_candidate(s, v, INTO_OPERAND, spot);
}

// Only the load as first operand counts: the other is the register or the
// immediate of the instruction.
bool
select_is_update(const struct select *s, const struct ins *store)
{
    const struct ins *value = &s->fn->ins[store->b];
    const struct ins *load = &s->fn->ins[value->a];

    return select_update(value->op) != NULL &&
           select_rule(load->op)->fold == FOLD_LOAD &&
           load->type == value->type && load->a == store->a &&
           load->c == store->c && load->aux == store->aux;
}

// A test takes a load first in its memory form, beside any immediate; so does
// an update.
static void
mark_folded_load(struct select *s, const struct ins *i, u32 op,
                 struct spot spot)
{
    u32 imm;

    if (select_rule(s->fn->ins[i->a].op)->fold == FOLD_LOAD8) {
        if (spot.into == INTO_FLAGS && select_const_imm32(s, i->b, &imm))
            make_candidate(s, i->a, INTO_OPERAND, spot);
    } else if (!mark_load(s, i->a, op, spot)) {
        mark_load(s, i->b, op, spot);
    }
}

bool
select_is_scaled(const struct select *s, val_t v)
{
    const struct ins *i = &s->fn->ins[v];
    u32 count;

    if (select_rule(i->op)->fold != FOLD_SHIFT ||
        !select_const_imm32(s, i->b, &count))
        return false;
    count &= i->type == IR_I64 ? 63 : 31;
    return count >= 1 && count <= 3;
}

// One scaled operand of an addition.
static val_t
mark_scaled(struct select *s, const struct ins *i, struct spot spot)
{
    if (select_is_scaled(s, i->a) && make_candidate(s, i->a, INTO_SUM, spot))
        return i->a;
    if (select_is_scaled(s, i->b) && make_candidate(s, i->b, INTO_SUM, spot))
        return i->b;
    return 0;
}

// The sums that lea can do: (y + z) + c and (y + c) + z, where y or z may be
// shifted.  The inner addition is marked here, its parts when it is visited.
static bool
mark_sum(struct select *s, const struct ins *i, struct spot spot)
{
    bool folded = spot.into == INTO_SUM && spot.depth > 0;
    u32 imm;

    if (folded && select_const_imm32(s, i->b, &imm))
        return true; // the outer addition may have the index already
    val_t scaled = mark_scaled(s, i, spot), inner = i->a;
    if (folded || scaled == inner)
        return scaled != 0;
    const struct ins *add = &s->fn->ins[inner];
    if (add->op != i->op || select_const_imm32(s, i->b, &imm) ==
                                select_const_imm32(s, add->b, &imm))
        return scaled != 0;
    return make_candidate(s, inner, INTO_SUM, spot) || scaled != 0;
}

static void
mark_compare(struct select *s, const struct ins *i, u32 op, struct spot spot)
{
    bool byte = select_rule(s->fn->ins[i->a].op)->fold == FOLD_LOAD8;
    u32 imm;

    if (byte && select_const_imm32(s, i->b, &imm) && imm <= UINT8_MAX)
        make_candidate(s, i->a, INTO_OPERAND, spot);
    else if (!mark_load(s, i->b, op, spot))
        mark_load(s, i->a, op, spot);
}

static bool
is_condition(u8 fold)
{
    return fold == FOLD_COND || fold == FOLD_AND || fold == FOLD_LOAD ||
           fold == FOLD_LOAD8;
}

static void
mark_operands(struct select *s, const struct ins *i, struct spot spot)
{
    const struct rule *rule = select_rule(i->op);
    val_t condition = i->op == IR_SELECT ? i->c : i->a;
    u32 imm;

    if (spot.depth > 0 &&
        (spot.into == INTO_UPDATE || rule->fold == FOLD_AND)) {
        mark_folded_load(s, i, rule->op, spot);
        return;
    }
    switch (rule->mark) {
    case MARK_A:
        mark_load(s, i->a, rule->op, spot);
        break;
    case MARK_B:
        mark_load(s, i->b, rule->op, spot);
        break;
    case MARK_ADD:
        if (mark_sum(s, i, spot) || spot.depth > 0)
            break;
        // fall through
    case MARK_AB:
        if (select_const_imm32(s, i->a, &imm) ||
            select_const_imm32(s, i->b, &imm))
            break;
        if (!mark_load(s, i->b, rule->op, spot) &&
            !select_is_const_float(s, i->b))
            mark_load(s, i->a, rule->op, spot);
        break;
    case MARK_CMP:
        mark_compare(s, i, rule->op, spot);
        break;
    case MARK_STORE:
        if (select_is_update(s, i))
            make_candidate(s, i->b, INTO_UPDATE, spot);
        break;
    case MARK_COND:
        if (is_condition(select_rule(s->fn->ins[condition].op)->fold))
            make_candidate(s, condition, INTO_FLAGS, spot);
        break;
    }
}

// Must a load not be moved down past it?  Another load may, since both trap
// alike.
static bool
is_barrier(const struct ins *i)
{
    const struct ir_info *info = ir_info(i->op);

    if (info->effects & (EFFECT_STORE | EFFECT_CALL | EFFECT_END))
        return true;
    return (info->effects & EFFECT_TRAP) && info->form != FORM_LOAD;
}

static bool
is_dead(const struct select *s, val_t v)
{
    const struct ins *i = &s->fn->ins[v];
    u8 keep = EFFECT_STORE | EFFECT_TRAP | EFFECT_CALL | EFFECT_END;

    return s->facts[v].uses == 0 && !(ir_info(i->op)->effects & keep);
}

static void
mark_value(struct select *s, val_t v)
{
    struct ins *i = &s->fn->ins[v];
    struct fact *fact = &s->facts[v];
    bool is_load = ir_info(i->op)->form == FORM_LOAD;

    if (is_dead(s, v)) {
        fact->state = FACT_DEAD;
        return;
    }
    if (fact->state == FACT_CANDIDATE)
        fact->state = fact->uses == 1 && (!is_load || fact->epoch == s->epoch) ?
                          FACT_FOLDED :
                          FACT_NORMAL;
    if (is_barrier(i))
        s->epoch++;

    struct spot spot = {s->epoch, 0, 0};
    if (fact->state == FACT_FOLDED)
        spot = (struct spot){fact->epoch, fact->depth, fact->into};
    use_operands(s, i);
    mark_operands(s, i, spot);
}

void
select_mark(struct select *s)
{
    const struct fn *fn = s->fn;

    for (u32 i = 0; i < fn->catch_count; i++)
        use_edge(s, fn->catches[i].edge);
    for (s->block = fn->block_count; s->block-- > 0;) {
        const struct block *block = &fn->blocks[s->block];
        for (val_t v = block->end; v-- > block->first;) {
            if (!arena_may_step(s->temp, v))
                s->status = ERR_KILLED;
            if (s->status != OK)
                return;
            mark_value(s, v);
        }
    }
}
