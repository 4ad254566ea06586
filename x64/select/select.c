// x64/select/select.c: from SSA to machine code on virtual registers.
//
// Two passes.  Backwards (mark.c): use counts, dead code, and what folds
// into its user.  Forwards (here): each instruction that is left is done by the
// function that its row of select.def names.  Both are linear: folding stops
// at a small depth, and every instruction becomes a bounded number of others
// (calls, returns and switches: in proportion to their operands).

#include "x64/select/select.h"

static const struct rule rules[IR_OP_COUNT] = {
#define RULE(ir, rule, op, op2, op3, cc, mark, fold)               \
    [IR_##ir] = {lower_##rule, X64_##op,    X64_##op2,  X64_##op3, \
                 CC_##cc,      MARK_##mark, FOLD_##fold},
#include "x64/select/select.def"
};

static const struct rule unsupported = {
    .lower = lower_unsupported, .op = X64_NOP, .op2 = X64_NOP, .op3 = X64_NOP};

const struct rule *
select_rule(u32 ir_op)
{
    return rules[ir_op].lower == NULL ? &unsupported : &rules[ir_op];
}

void
lower_unsupported(struct select *s, val_t v, const struct rule *rule)
{
    (void)v;
    (void)rule;
    s->status = ERR_UNSUPPORTED;
}

void
lower_nothing(struct select *s, val_t v, const struct rule *rule)
{
    (void)s;
    (void)v;
    (void)rule;
}

// The vregs: values first, by their own numbers.
static bool
start(struct select *s)
{
    struct mach *m = s->m;
    u32 count = s->fn->ins_count;

    m->frame_size = s->fn->slots_size;
    if (s->fn->part != FN_WHOLE)
        m->out_size = abi_stack_most(s->fn->call_args, s->fn->call_results);
    m->vreg_capacity = 4 * count + 64;
    m->types = arena_alloc(s->temp, m->vreg_capacity, 1);
    m->blocks = ARENA_NEW(s->temp, struct mblock, s->fn->block_count);
    s->facts = ARENA_NEW(s->temp, struct fact, count);
    m->capacity = count + 64;
    if (m->types == NULL || m->blocks == NULL || s->facts == NULL ||
        !array_room(s->temp, &m->calls, &m->call_capacity, 0,
                    s->fn->call_count + 1, sizeof(*m->calls)) ||
        !array_room(s->temp, &m->list, &m->list_capacity, 0,
                    s->fn->call_count + s->fn->pool_count + 16,
                    sizeof(*m->list)))
        return false;
    m->ins = arena_alloc(s->temp, m->capacity * sizeof(*m->ins), 16);
    if (m->ins == NULL)
        return false;
    m->block_count = s->fn->block_count;
    m->vreg_count = count;
    for (val_t v = 0; v < count; v++) {
        m->types[v] = s->fn->ins[v].type;
        s->facts[v].vreg = v;
    }
    return true;
}

static void
lower_block(struct select *s)
{
    const struct block *block = &s->fn->blocks[s->block];
    struct mblock *out = &s->m->blocks[s->block];

    out->first = s->m->count;
    for (val_t v = block->first; v < block->end; v++) {
        const struct rule *rule = select_rule(s->fn->ins[v].op);
        u8 state = s->facts[v].state;
        if (state == FACT_DEAD || state == FACT_FOLDED)
            continue;
        if (!arena_may_step(s->temp, v))
            s->status = ERR_KILLED;
        if (s->status != OK)
            return;
        s->now = v;
        rule->lower(s, v, rule);
    }
    out->end = s->m->count;
}

status_t
mach_select(struct mach *m, struct fn *fn, u32 features, struct arena *temp)
{
    struct select s = {
        .m = m, .fn = fn, .module = fn->module, .temp = temp, .status = OK};

    *m = (struct mach){.fn = fn, .features = features};
    if (!start(&s))
        return ERR_NO_MEMORY;
    select_mark(&s);
    for (s.block = 0; s.block < fn->block_count && s.status == OK; s.block++)
        lower_block(&s);
    select_map_catches(&s);
    return s.status;
}
