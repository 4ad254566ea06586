// ir/check.c: is a function well-formed?  For tests and fuzzers: it takes time
// and memory as it pleases, within reason.
//
// Dominators come in one pass, since the block order puts every block after
// those that dominate it and edges back lead to headers only.

#include "ir/ir.h"

struct checker {
    const struct fn *fn;
    blk_t *dominator; // immediate; fn.block_count is the root
    u32 *depth;       // in the tree of dominators
    u8 *pad;          // landing pads, which nothing dominates
    blk_t *home;      // of each instruction
    u8 *edge_used;
    const char *problem; // the first one
    val_t at;            // the instruction it is about
};

static void
require(struct checker *c, bool condition, val_t at, const char *problem)
{
    if (condition || c->problem != NULL)
        return;
    c->problem = problem;
    c->at = at;
}

// --- layout  ---------------------------------------------------------------

static bool
ends_block(const struct fn *fn, val_t v)
{
    return (ir_info(fn->ins[v].op)->effects & EFFECT_END) != 0;
}

static void
check_layout(struct checker *c, blk_t b, u32 start)
{
    const struct fn *fn = c->fn;
    const struct block *block = &fn->blocks[b];

    require(c, block->first == start, start, "blocks are not contiguous");
    require(c,
            block->end <= fn->ins_count && block->end > block->first &&
                block->params < block->end - block->first,
            start, "empty block");
    for (val_t v = block->first; v < block->end && c->problem == NULL; v++) {
        const struct ins *ins = &fn->ins[v];
        u32 number = v - block->first;
        c->home[v] = b;
        require(c, ins->op != IR_NONE && ins->op < IR_OP_COUNT, v,
                "no such instruction");
        require(c, (ins->op == IR_PARAM) == (number < block->params), v,
                "parameters are not first");
        require(c, ins->op != IR_PARAM || (ins->a == number && ins->b == b), v,
                "number of a parameter");
        if (c->problem == NULL)
            require(c, ends_block(fn, v) == (v + 1 == block->end), v,
                    "end of a block");
    }
}

static void
check_preds(struct checker *c, blk_t b)
{
    const struct fn *fn = c->fn;
    u32 count = 0;

    for (edge_t e = fn->blocks[b].first_pred; e != 0; e = fn->next_pred[e]) {
        require(c,
                e < fn->edge_count && fn->edges[e].to == b &&
                    fn->edges[e].from < fn->block_count,
                fn->blocks[b].first, "edge into a block");
        if (c->problem != NULL || count++ > fn->edge_count)
            return;
    }
    require(c, count == fn->blocks[b].preds, fn->blocks[b].first,
            "number of edges into a block");
    require(c, b == 0 ? count == 0 : count > 0 || fn->blocks[b].label != 0,
            fn->blocks[b].first, "block that nothing leads to");
}

// --- dominance  ------------------------------------------------------------

static blk_t
common_dominator(const struct checker *c, blk_t a, blk_t b)
{
    while (a != b) {
        if (c->depth[a] >= c->depth[b])
            a = c->dominator[a];
        else
            b = c->dominator[b];
    }
    return a;
}

static void
find_dominator(struct checker *c, blk_t b)
{
    const struct fn *fn = c->fn;
    bool entered = b == 0 || c->pad[b] || fn->blocks[b].label != 0;
    blk_t dominator = entered ? fn->block_count : NO_INDEX;

    for (edge_t e = fn->blocks[b].first_pred; e != 0; e = fn->next_pred[e]) {
        blk_t from = fn->edges[e].from;
        if (from < b && dominator != fn->block_count)
            dominator = dominator == NO_INDEX ?
                            from :
                            common_dominator(c, dominator, from);
    }
    require(c, dominator != NO_INDEX, fn->blocks[b].first,
            "block that only later ones lead to");
    c->dominator[b] = dominator == NO_INDEX ? 0 : dominator;
    c->depth[b] = c->depth[c->dominator[b]] + 1;
}

static bool
dominates(const struct checker *c, blk_t a, blk_t b)
{
    while (c->depth[b] > c->depth[a])
        b = c->dominator[b];
    return a == b;
}

// Is v a value that may be used in block b, before instruction `user`?
static void
check_use(struct checker *c, val_t v, blk_t b, val_t user)
{
    const struct fn *fn = c->fn;

    require(c, v > 0 && v < fn->ins_count && fn->ins[v].type != IR_VOID, user,
            "operand is not a value");
    if (c->problem != NULL)
        return;
    require(c, v < user, user, "operand is defined later");
    if (fn->ins[v].op == IR_CONST)
        return;
    require(c, dominates(c, c->home[v], b), user,
            "operand does not dominate its use");
    require(c, fn->part == FN_WHOLE || c->home[v] == b, user,
            "value across blocks in plain mode");
}

// --- types  ----------------------------------------------------------------

static u32
letter_type(char letter, u32 address)
{
    valtype_t type = sig_type(letter);

    return type == VAL_NONE ? address : ir_type_of(NULL, type);
}

static void
check_type(struct checker *c, val_t v, u32 type, val_t user)
{
    if (c->problem == NULL)
        require(c, c->fn->ins[v].type == type, user, "type of an operand");
}

// An instruction whose wasm counterpart says what it takes.
static void
check_sig(struct checker *c, val_t at, const char *sig)
{
    const struct fn *fn = c->fn;
    const struct ins *ins = &fn->ins[at];
    const val_t *list = ir_operands_of(fn, &fn->ins[at]).list;
    u32 address = IR_I32, i = 0;

    if (sig[0] == 'a' && ins->aux < MEMORY_ARRAYS)
        address = fn->module->memories[ins->aux].is64 ? IR_I64 : IR_I32;
    for (; sig[i] != ':'; i++)
        check_type(c, list[i], letter_type(sig[i], address), at);
    require(c,
            ins->type ==
                (sig[i + 1] == 0 ? IR_VOID : letter_type(sig[i + 1], address)),
            at, "type of a result");
}

static void
check_values(struct checker *c, val_t at, u32 first, const valtype_t *types,
             u32 count)
{
    for (u32 i = 0; i < count; i++)
        check_type(c, c->fn->pool[first + i],
                   ir_type_of(c->fn->module, types[i]), at);
}

static void
check_call(struct checker *c, val_t at)
{
    const struct fn *fn = c->fn;
    const struct call *call = &fn->calls[fn->ins[at].a];
    u32 extra = call_has_callee(call);

    require(c, call->try < MAX(fn->try_count, 1), at, "no such try");
    require(c, call->tail == (fn->ins[at].op == IR_TAIL_CALL), at, "tail call");
    if (call->kind == CALL_BUILTIN)
        return;
    const struct type *type = &fn->module->types[call->type];
    require(c, call->count == type->param_count + extra, at,
            "number of arguments");
    if (c->problem == NULL)
        check_values(c, at, call->args + extra, type->vals, type->param_count);
}

static void
check_types(struct checker *c, val_t at)
{
    const struct fn *fn = c->fn;
    const struct ins *ins = &fn->ins[at];
    const char *sig = ir_sig(ins->op);

    if (sig != NULL) {
        check_sig(c, at, sig);
        return;
    }
    switch (ins->op) {
    case IR_SELECT:
        check_type(c, ins->a, ins->type, at);
        check_type(c, ins->b, ins->type, at);
        check_type(c, ins->c, IR_I32, at);
        break;
    case IR_CHECK:
    case IR_BRANCH:
    case IR_SWITCH:
        check_type(c, ins->a, IR_I32, at);
        break;
    case IR_CALL:
    case IR_TAIL_CALL:
        check_call(c, at);
        break;
    case IR_RETURN:
        require(c, ins->b == fn->type->result_count, at, "number of results");
        if (c->problem == NULL)
            check_values(c, at, ins->a, fn->type->vals + fn->type->param_count,
                         ins->b);
        break;
    case IR_RESULT: // of the instruction that it and the others follow
        require(c,
                ins->a < at && ins->b == at - ins->a &&
                    c->home[ins->a] == c->home[at],
                at, "a result that is elsewhere");
        break;
    case IR_GOTO:
        require(c, ins->a > 0 && ins->a < fn->label_count, at, "no such label");
        break;
    case IR_SLOT_GET:
        require(c, ins->a < fn->slot_count, at, "no such slot");
        break;
    case IR_SLOT_SET:
        require(c, ins->b < fn->slot_count, at, "no such slot");
        break;
    default:
        break;
    }
}

// --- edges  ----------------------------------------------------------------

static void
check_edge(struct checker *c, edge_t e, blk_t from, val_t at, bool handler)
{
    const struct fn *fn = c->fn;
    const struct edge *edge = &fn->edges[e];

    require(c, e > 0 && e < fn->edge_count, at, "no such edge");
    if (c->problem != NULL)
        return;
    require(c, !c->edge_used[e], at, "edge is used twice");
    require(c, edge->from == from, at, "where an edge comes from");
    c->edge_used[e] = 1;

    const struct block *to = &fn->blocks[edge->to];
    require(c, to->params == 0 || edge->args + to->params <= fn->pool_count, at,
            "arguments of an edge");
    for (u32 i = 0; i < to->params && c->problem == NULL; i++) {
        val_t v = fn->pool[edge->args + i];
        if (handler && v >= VAL_EXNREF)
            continue;
        check_use(c, v, from, fn->blocks[from].end);
        check_type(c, v, fn->ins[to->first + i].type, at);
    }
}

static void
check_cases(struct checker *c, blk_t b, val_t at, const struct cases *cases)
{
    const struct fn *fn = c->fn;

    for (u32 i = 0; i < cases->edge_count; i++)
        check_edge(c, cases->first + i, b, at, false);
    for (u32 i = 0; i < cases->count; i++)
        require(c,
                fn->pool[cases->targets + i] - cases->first < cases->edge_count,
                at, "target of a case");
}

static void
check_end(struct checker *c, blk_t b, val_t at)
{
    const struct ins *ins = &c->fn->ins[at];

    switch (ins->op) {
    case IR_JUMP:
        check_edge(c, ins->a, b, at, false);
        break;
    case IR_BRANCH:
        check_edge(c, ins->b, b, at, false);
        check_edge(c, ins->c, b, at, false);
        break;
    case IR_SWITCH:
        check_cases(c, b, at, &c->fn->cases[ins->b]);
        break;
    default:
        break;
    }
}

static void
check_ins(struct checker *c, blk_t b, val_t at)
{
    const struct fn *fn = c->fn;
    struct ins *ins = &fn->ins[at];
    struct ir_operands read = ir_operands_of(fn, ins);

    require(c,
            read.count == 0 || read.list == &ins->a ||
                (u64)(read.list - fn->pool) + read.count <= fn->pool_count,
            at, "list of operands");
    for (u32 i = 0; i < read.count && c->problem == NULL; i++)
        check_use(c, read.list[i], b, at);
    if (c->problem == NULL)
        check_types(c, at);
    if (c->problem == NULL)
        check_end(c, b, at);
}

static void
check_handlers(struct checker *c)
{
    const struct fn *fn = c->fn;

    u32 rows = 0;

    for (u32 i = 1; i < fn->try_count; i++) {
        const struct handlers *try = &fn->tries[i];
        require(c, try->parent < i, 0, "parent of a try");
        require(c, try->catches == rows || try->count == 0, 0, "rows of a try");
        rows += try->count;
    }
    require(c, fn->part != FN_WHOLE || rows == fn->catch_count, 0,
            "rows of no try");
    for (u32 i = 0; i < fn->catch_count && c->problem == NULL; i++) {
        edge_t e = fn->catches[i].edge;
        check_edge(c, e, fn->edges[e].from, 0, true);
        require(c, fn->blocks[fn->edges[e].to].preds == 1, 0,
                "landing pad with several edges");
    }
}

static void
check_loops(struct checker *c)
{
    const struct fn *fn = c->fn;

    for (u32 i = 1; i < fn->loop_count && c->problem == NULL; i++) {
        const struct loop *l = &fn->loops[i];
        const struct loop *parent = &fn->loops[l->parent];
        require(c,
                l->parent < i && l->depth == parent->depth + 1 &&
                    l->header < l->end && l->header >= parent->header &&
                    l->end <= parent->end,
                0, "nesting of loops");
        require(c, fn->blocks[l->header].loop == i, 0, "loop of a header");
    }
    for (blk_t b = 0; b < fn->block_count && c->problem == NULL; b++) {
        const struct loop *l = &fn->loops[fn->blocks[b].loop];
        require(c, b >= l->header && b < l->end, fn->blocks[b].first,
                "loop of a block");
        for (edge_t e = fn->blocks[b].first_pred; e != 0; e = fn->next_pred[e])
            require(c,
                    fn->edges[e].from < b ||
                        (l->header == b && fn->edges[e].from < l->end &&
                         (fn->catch_count > 0 ||
                          dominates(c, b, fn->edges[e].from))),
                    fn->blocks[b].first, "edge back");
    }
}

static void
check_all(struct checker *c)
{
    const struct fn *fn = c->fn;
    u32 start = 1;

    for (blk_t b = 0; b < fn->block_count && c->problem == NULL; b++) {
        check_layout(c, b, start);
        check_preds(c, b);
        start = fn->blocks[b].end;
    }
    require(c, start == fn->ins_count, start, "instructions in no block");
    for (u32 i = 0; i < fn->catch_count && c->problem == NULL; i++)
        c->pad[fn->edges[fn->catches[i].edge].to] = 1;
    for (blk_t b = 0; b < fn->block_count && c->problem == NULL; b++)
        find_dominator(c, b);
    if (c->problem == NULL)
        check_loops(c);
    for (blk_t b = 0; b < fn->block_count && c->problem == NULL; b++)
        for (val_t v = fn->blocks[b].first;
             v < fn->blocks[b].end && c->problem == NULL; v++)
            check_ins(c, b, v);
    if (c->problem == NULL)
        check_handlers(c);
    for (edge_t e = 1; e < fn->edge_count; e++)
        require(c, c->edge_used[e], 0, "edge that nothing uses");
}

const char *
fn_check(const struct fn *fn, struct arena *temp, val_t *at)
{
    struct checker c = {.fn = fn};
    u64 mark = arena_mark(temp);

    c.dominator = ARENA_NEW(temp, blk_t, fn->block_count);
    c.depth = ARENA_NEW(temp, u32, fn->block_count + 1);
    c.pad = ARENA_NEW(temp, u8, fn->block_count);
    c.home = ARENA_NEW(temp, blk_t, fn->ins_count);
    c.edge_used = ARENA_NEW(temp, u8, fn->edge_count);
    if (c.dominator != NULL && c.depth != NULL && c.pad != NULL &&
        c.home != NULL && c.edge_used != NULL)
        check_all(&c);
    else
        c.problem = "out of memory";
    arena_reset(temp, mark);
    *at = c.at;
    return c.problem;
}
