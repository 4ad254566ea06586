// wasm/validate_control.c: the rules of blocks, branches, calls and exceptions
// (spec 3.4.1 to 3.4.4, and the legacy exceptions proposal).

#include "wasm/internal.h"

// --- lookups; NULL after a failure ------------------------------------------

const struct type *
func_type_get(struct validator *v, u32 type)
{
    if (type < v->m->type_count && v->m->types[type].kind == TYPE_FUNC)
        return &v->m->types[type];
    validator_fail(v, "unknown type");
    return NULL;
}

static const struct type *
tag_type_get(struct validator *v, u32 tag)
{
    if (tag < v->m->tag_count)
        return &v->m->types[v->m->tags[tag]];
    validator_fail(v, "unknown tag");
    return NULL;
}

const struct frame *
label_get(struct validator *v, u32 depth)
{
    if (depth < v->frame_count)
        return &v->frames[v->frame_count - 1 - depth];
    validator_fail(v, "unknown label");
    return NULL;
}

// --- blocks -----------------------------------------------------------------

static bool
block_type_is_known(struct validator *v, struct block_type b)
{
    if (b.type != NO_INDEX)
        return func_type_get(v, b.type) != NULL;
    if (valtype_is_known(b.result, v->m->type_count))
        return true;
    validator_fail(v, "unknown type");
    return false;
}

// Open a block that takes its parameters from the operands.
static void
open_block(struct validator *v, u32 code, struct block_type b)
{
    u32 count;
    const valtype_t *params = block_params(v->m, b, &count);

    operands_expect(v, params, count);
    frame_open(v, code, b);
    operands_push(v, params, count);
}

static void
check_block(struct validator *v, const struct op *op)
{
    if (!block_type_is_known(v, op->block))
        return;
    if (op->code == WASM_IF)
        operand_expect(v, VAL_I32);
    open_block(v, op->code, op->block);
}

// The innermost block goes on as another part of the same instruction.
static void
reopen(struct validator *v, u32 code)
{
    frame_close(v);
    frame_open(v, code, v->closed.type);
    v->frames[v->frame_count - 1].dead = v->closed.dead;
}

static bool
innermost_is(struct validator *v, u32 code, u32 or_code)
{
    u32 actual = v->frames[v->frame_count - 1].code;

    if (actual == code || actual == or_code)
        return true;
    reader_fail(&v->r, v->at, ERR_MALFORMED, "END opcode expected");
    return false;
}

static void
check_else(struct validator *v, const struct op *op)
{
    u32 count;

    if (!innermost_is(v, WASM_IF, WASM_IF))
        return;
    reopen(v, op->code);
    const valtype_t *params = block_params(v->m, v->closed.type, &count);
    operands_push(v, params, count);
}

// An `if` without `else` passes its parameters on as results.
static void
check_missing_else(struct validator *v, struct block_type b)
{
    u32 param_count, result_count;
    const valtype_t *params = block_params(v->m, b, &param_count);
    const valtype_t *results = block_results(v->m, &b, &result_count);

    if (param_count != result_count)
        validator_mismatch(v);
    for (u32 i = 0; i < MIN(param_count, result_count); i++)
        if (!valtype_matches(v->m, params[i], results[i]))
            validator_mismatch(v);
}

static void
close_block(struct validator *v)
{
    u32 count;

    frame_close(v);
    const valtype_t *results = block_results(v->m, &v->closed.type, &count);
    operands_push(v, results, count);
}

static void
check_end(struct validator *v, const struct op *op)
{
    (void)op;
    close_block(v);
    if (v->closed.code == WASM_IF)
        check_missing_else(v, v->closed.type);
}

// --- branches ---------------------------------------------------------------

static void
check_unreachable(struct validator *v, const struct op *op)
{
    (void)op;
    validator_unreachable(v);
}

static void
check_br(struct validator *v, const struct op *op)
{
    const struct frame *f = label_get(v, op->index);
    u32 count;

    if (f == NULL)
        return;
    const valtype_t *types = label_types(v, f, &count);
    operands_expect(v, types, count);
    validator_unreachable(v);
}

void
label_pass(struct validator *v, const valtype_t *types, u32 count)
{
    operands_expect(v, types, count);
    operands_push(v, types, count);
}

static void
check_br_if(struct validator *v, const struct op *op)
{
    const struct frame *f = label_get(v, op->index);
    u32 count;

    operand_expect(v, VAL_I32);
    if (f == NULL)
        return;
    const valtype_t *types = label_types(v, f, &count);
    label_pass(v, types, count);
}

static void
check_br_table(struct validator *v, const struct op *op)
{
    struct reader targets = v->r;
    u32 arity = 0, last = NO_INDEX;

    operand_expect(v, VAL_I32);
    targets.at = op->table_at;
    for (u64 i = 0; i <= op->index; i++) {
        u32 depth = read_u32(&targets), count;
        if (depth == last)
            continue;
        const struct frame *f = label_get(v, depth);
        if (f == NULL)
            return;
        const valtype_t *types = label_types(v, f, &count);
        if (i > 0 && count != arity)
            validator_mismatch(v);
        operands_check(v, types, count);
        arity = count;
        last = depth;
    }
    validator_unreachable(v);
}

static void
return_results(struct validator *v)
{
    const struct frame *f = &v->frames[0];
    u32 count;
    const valtype_t *results = block_results(v->m, &f->type, &count);

    operands_expect(v, results, count);
    validator_unreachable(v);
}

static void
check_return(struct validator *v, const struct op *op)
{
    (void)op;
    return_results(v);
}

static void
check_br_on_null(struct validator *v, const struct op *op)
{
    const struct frame *f = label_get(v, op->index);
    valtype_t ref = operand_pop_ref(v);
    u32 count;

    if (f == NULL)
        return;
    const valtype_t *types = label_types(v, f, &count);
    label_pass(v, types, count);
    operand_push(v, ref & ~(u32)NULL_BIT);
}

static void
check_br_on_non_null(struct validator *v, const struct op *op)
{
    const struct frame *f = label_get(v, op->index);
    valtype_t ref = operand_pop_ref(v);
    u32 count;

    if (f == NULL)
        return;
    const valtype_t *types = label_types(v, f, &count);
    if (count == 0) {
        validator_mismatch(v);
        return;
    }
    operand_push(v, ref & ~(u32)NULL_BIT);
    operand_expect(v, types[count - 1]);
    label_pass(v, types, count - 1);
}

// --- calls ------------------------------------------------------------------

static void
call(struct validator *v, const struct type *t)
{
    operands_expect(v, t->vals, t->param_count);
    operands_push(v, t->vals + t->param_count, t->result_count);
}

static void
return_call(struct validator *v, const struct type *t)
{
    const valtype_t *results = t->vals + t->param_count;
    const valtype_t *wanted = v->type->vals + v->type->param_count;

    operands_expect(v, t->vals, t->param_count);
    validator_spend(v, t->result_count);
    if (t->result_count != v->type->result_count) {
        validator_mismatch(v);
        return;
    }
    for (u32 i = 0; i < t->result_count; i++)
        if (!valtype_matches(v->m, results[i], wanted[i]))
            validator_mismatch(v);
    validator_unreachable(v);
}

static const struct type *
callee_get(struct validator *v, u32 func)
{
    if (func < v->m->func_count)
        return &v->m->types[v->m->funcs[func].type];
    validator_fail(v, "unknown function");
    return NULL;
}

// Pop what says whom to call through a table.
static const struct type *
table_callee_get(struct validator *v, const struct op *op)
{
    if (op->index2 >= v->m->table_count) {
        validator_fail(v, "unknown table");
        return NULL;
    }
    const struct table_type *t = &v->m->tables[op->index2].type;
    if (!valtype_matches(v->m, t->elem, VAL_FUNCREF))
        validator_mismatch(v);
    operand_expect(v, t->limits.is64 ? VAL_I64 : VAL_I32);
    return func_type_get(v, op->index);
}

static const struct type *
ref_callee_get(struct validator *v, u32 type)
{
    const struct type *t = func_type_get(v, type);

    if (t != NULL)
        operand_expect(v, REF_BIT | NULL_BIT | type);
    return t;
}

static void
check_call(struct validator *v, const struct op *op)
{
    const struct type *t = NULL;

    switch (op->code) {
    case WASM_CALL:
    case WASM_RETURN_CALL:
        t = callee_get(v, op->index);
        break;
    case WASM_CALL_INDIRECT:
    case WASM_RETURN_CALL_INDIRECT:
        t = table_callee_get(v, op);
        break;
    case WASM_CALL_REF:
    case WASM_RETURN_CALL_REF:
        t = ref_callee_get(v, op->index);
        break;
    }
    if (t == NULL)
        return;
    if (op->code == WASM_CALL || op->code == WASM_CALL_INDIRECT ||
        op->code == WASM_CALL_REF)
        call(v, t);
    else
        return_call(v, t);
}

// --- exceptions -------------------------------------------------------------

static void
check_throw(struct validator *v, const struct op *op)
{
    const struct type *t = tag_type_get(v, op->index);

    if (t == NULL)
        return;
    operands_expect(v, t->vals, t->param_count);
    validator_unreachable(v);
}

static void
check_throw_ref(struct validator *v, const struct op *op)
{
    (void)op;
    operand_expect(v, REF_BIT | NULL_BIT | HEAP_EXN);
    validator_unreachable(v);
}

// A catch clause branches with the tag's values and maybe the exception.
static void
check_catch_clause(struct validator *v, const struct catch_clause *clause)
{
    const struct frame *f = label_get(v, clause->label);
    const struct type none = {0}, *tag = &none;
    bool with_ref =
        clause->kind == CATCH_TAG_REF || clause->kind == CATCH_ANY_REF;
    u32 count;

    if (clause->tag != NO_INDEX)
        tag = tag_type_get(v, clause->tag);
    if (f == NULL || tag == NULL)
        return;
    const valtype_t *types = label_types(v, f, &count);
    validator_spend(v, count);
    if (count != tag->param_count + with_ref) {
        validator_mismatch(v);
        return;
    }
    for (u32 i = 0; i < tag->param_count; i++)
        if (!valtype_matches(v->m, tag->vals[i], types[i]))
            validator_mismatch(v);
    if (with_ref &&
        !valtype_matches(v->m, REF_BIT | HEAP_EXN, types[count - 1]))
        validator_mismatch(v);
}

static void
check_try_table(struct validator *v, const struct op *op)
{
    struct reader catches = v->r;

    if (!block_type_is_known(v, op->block))
        return;
    catches.at = op->table_at;
    for (u32 i = 0; i < op->index && v->error->status == OK; i++) {
        struct catch_clause clause;
        read_catch(&catches, &clause);
        check_catch_clause(v, &clause);
    }
    open_block(v, op->code, op->block);
}

static void
check_catch(struct validator *v, const struct op *op)
{
    const struct type *t = tag_type_get(v, op->index);

    if (t == NULL || !innermost_is(v, WASM_TRY, WASM_CATCH))
        return;
    reopen(v, op->code);
    operands_push(v, t->vals, t->param_count);
}

static void
check_catch_all(struct validator *v, const struct op *op)
{
    if (innermost_is(v, WASM_TRY, WASM_CATCH))
        reopen(v, op->code);
}

static void
check_rethrow(struct validator *v, const struct op *op)
{
    const struct frame *f = label_get(v, op->index);

    if (f == NULL)
        return;
    if (f->code != WASM_CATCH && f->code != WASM_CATCH_ALL)
        validator_fail(v, "invalid rethrow label");
    validator_unreachable(v);
}

// Ends a try; the label counts from outside it, up to the function's caller.
static void
check_delegate(struct validator *v, const struct op *op)
{
    if (!innermost_is(v, WASM_TRY, WASM_TRY))
        return;
    close_block(v);
    label_get(v, op->index);
}

validate_fn *const validate_control[OP_SLOTS] = {
    [OP_SLOT(WASM_UNREACHABLE)] = check_unreachable,
    [OP_SLOT(WASM_BLOCK)] = check_block,
    [OP_SLOT(WASM_LOOP)] = check_block,
    [OP_SLOT(WASM_IF)] = check_block,
    [OP_SLOT(WASM_ELSE)] = check_else,
    [OP_SLOT(WASM_TRY)] = check_block,
    [OP_SLOT(WASM_CATCH)] = check_catch,
    [OP_SLOT(WASM_THROW)] = check_throw,
    [OP_SLOT(WASM_RETHROW)] = check_rethrow,
    [OP_SLOT(WASM_THROW_REF)] = check_throw_ref,
    [OP_SLOT(WASM_END)] = check_end,
    [OP_SLOT(WASM_BR)] = check_br,
    [OP_SLOT(WASM_BR_IF)] = check_br_if,
    [OP_SLOT(WASM_BR_TABLE)] = check_br_table,
    [OP_SLOT(WASM_RETURN)] = check_return,
    [OP_SLOT(WASM_CALL)] = check_call,
    [OP_SLOT(WASM_CALL_INDIRECT)] = check_call,
    [OP_SLOT(WASM_RETURN_CALL)] = check_call,
    [OP_SLOT(WASM_RETURN_CALL_INDIRECT)] = check_call,
    [OP_SLOT(WASM_CALL_REF)] = check_call,
    [OP_SLOT(WASM_RETURN_CALL_REF)] = check_call,
    [OP_SLOT(WASM_DELEGATE)] = check_delegate,
    [OP_SLOT(WASM_CATCH_ALL)] = check_catch_all,
    [OP_SLOT(WASM_TRY_TABLE)] = check_try_table,
    [OP_SLOT(WASM_BR_ON_NULL)] = check_br_on_null,
    [OP_SLOT(WASM_BR_ON_NON_NULL)] = check_br_on_non_null,
};
