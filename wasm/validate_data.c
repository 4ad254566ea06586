// wasm/validate_data.c: the rules of variables, tables, memories and
// references (spec 3.4.5 to 3.4.9) that a sig cannot tell.

#include "wasm/internal.h"

// --- parametric -------------------------------------------------------------

static void
check_drop(struct validator *v, const struct op *op)
{
    (void)op;
    operand_pop(v);
}

// Without a type: numbers and vectors only.
static void
check_select(struct validator *v, const struct op *op)
{
    (void)op;
    operand_expect(v, VAL_I32);
    valtype_t a = operand_pop(v), b = operand_pop(v);
    if (valtype_is_ref(a) || valtype_is_ref(b) ||
        (a != b && a != VAL_BOT && b != VAL_BOT))
        validator_mismatch(v);
    operand_push(v, a == VAL_BOT ? b : a);
}

static void
check_type_known(struct validator *v, valtype_t type)
{
    if (!valtype_is_known(type, v->m->type_count))
        validator_fail(v, "unknown type");
}

static void
check_select_typed(struct validator *v, const struct op *op)
{
    if (op->index != 1) {
        validator_fail(v, "invalid result arity");
        return;
    }
    check_type_known(v, op->type);
    if (v->error->status != OK)
        return;
    operand_expect(v, VAL_I32);
    operand_expect(v, op->type);
    operand_expect(v, op->type);
    operand_push(v, op->type);
}

// --- variables --------------------------------------------------------------

static bool
local_is_known(struct validator *v, u32 local)
{
    if (local < v->local_count)
        return true;
    validator_fail(v, "unknown local");
    return false;
}

static void
check_local_get(struct validator *v, const struct op *op)
{
    if (!local_is_known(v, op->index))
        return;
    if (v->inited != NULL && !bit_get(v->inited, op->index))
        validator_fail(v, "uninitialized local");
    operand_push(v, validator_local_type(v, op->index));
}

static void
check_local_set(struct validator *v, const struct op *op)
{
    if (!local_is_known(v, op->index))
        return;
    valtype_t type = validator_local_type(v, op->index);
    operand_expect(v, type);
    if (op->code == WASM_LOCAL_TEE)
        operand_push(v, type);
    if (v->inited != NULL && !bit_get(v->inited, op->index)) {
        bit_set(v->inited, op->index);
        v->init_undo[v->init_count++] = op->index;
    }
}

static void
check_global(struct validator *v, const struct op *op)
{
    if (op->index >= v->m->global_count) {
        validator_fail(v, "unknown global");
        return;
    }
    const struct global_type *t = &v->m->globals[op->index].type;
    if (op->code == WASM_GLOBAL_GET) {
        operand_push(v, t->type);
        return;
    }
    if (!t->mutable)
        validator_fail(v, "immutable global");
    operand_expect(v, t->type);
}

// --- tables -----------------------------------------------------------------

// NULL after a failure.
static const struct table_type *
table_get(struct validator *v, u32 table)
{
    if (table < v->m->table_count)
        return &v->m->tables[table].type;
    validator_fail(v, "unknown table");
    return NULL;
}

static valtype_t
address_type(const struct limits *l)
{
    return l->is64 ? VAL_I64 : VAL_I32;
}

static void
check_table_get(struct validator *v, const struct op *op)
{
    const struct table_type *t = table_get(v, op->index);

    if (t == NULL)
        return;
    operand_expect(v, address_type(&t->limits));
    operand_push(v, t->elem);
}

static void
check_table_set(struct validator *v, const struct op *op)
{
    const struct table_type *t = table_get(v, op->index);

    if (t == NULL)
        return;
    operand_expect(v, t->elem);
    operand_expect(v, address_type(&t->limits));
}

static void
check_table_size(struct validator *v, const struct op *op)
{
    const struct table_type *t = table_get(v, op->index);

    if (t != NULL)
        operand_push(v, address_type(&t->limits));
}

// A count of elements and what they become: of table.grow and table.fill.
static const struct table_type *
expect_elems(struct validator *v, const struct op *op)
{
    const struct table_type *t = table_get(v, op->index);

    if (t != NULL) {
        operand_expect(v, address_type(&t->limits));
        operand_expect(v, t->elem);
    }
    return t;
}

static void
check_table_grow(struct validator *v, const struct op *op)
{
    const struct table_type *t = expect_elems(v, op);

    if (t != NULL)
        operand_push(v, address_type(&t->limits));
}

static void
check_table_fill(struct validator *v, const struct op *op)
{
    const struct table_type *t = expect_elems(v, op);

    if (t != NULL)
        operand_expect(v, address_type(&t->limits));
}

// The length of a copy has the smaller of the address types.
static void
expect_copy(struct validator *v, const struct limits *to,
            const struct limits *from)
{
    operand_expect(v, to->is64 ? address_type(from) : VAL_I32);
    operand_expect(v, address_type(from));
    operand_expect(v, address_type(to));
}

static void
check_table_copy(struct validator *v, const struct op *op)
{
    const struct table_type *to = table_get(v, op->index);
    const struct table_type *from = table_get(v, op->index2);

    if (to == NULL || from == NULL)
        return;
    if (!valtype_matches(v->m, from->elem, to->elem))
        validator_mismatch(v);
    expect_copy(v, &to->limits, &from->limits);
}

static void
check_table_init(struct validator *v, const struct op *op)
{
    const struct table_type *t = table_get(v, op->index2);

    if (op->index >= v->m->elem_count)
        validator_fail(v, "unknown elem segment");
    if (t == NULL || v->error->status != OK)
        return;
    if (!valtype_matches(v->m, v->m->elems[op->index].type, t->elem))
        validator_mismatch(v);
    operand_expect(v, VAL_I32);
    operand_expect(v, VAL_I32);
    operand_expect(v, address_type(&t->limits));
}

static void
check_memory_copy(struct validator *v, const struct op *op)
{
    const struct module *m = v->m;

    if (op->index >= m->memory_count || op->index2 >= m->memory_count)
        validator_fail(v, "unknown memory");
    else
        expect_copy(v, &m->memories[op->index], &m->memories[op->index2]);
}

// --- references -------------------------------------------------------------

static void
check_ref_null(struct validator *v, const struct op *op)
{
    check_type_known(v, op->type);
    operand_push(v, op->type | NULL_BIT);
}

static void
check_ref_is_null(struct validator *v, const struct op *op)
{
    (void)op;
    operand_pop_ref(v);
    operand_push(v, VAL_I32);
}

static void
check_ref_as_non_null(struct validator *v, const struct op *op)
{
    (void)op;
    operand_push(v, operand_pop_ref(v) & ~(u32)NULL_BIT);
}

static void
check_ref_func(struct validator *v, const struct op *op)
{
    if (op->index >= v->m->func_count) {
        validator_fail(v, "unknown function");
        return;
    }
    if (!bit_get(v->m->func_refs, op->index))
        validator_fail(v, "undeclared function reference");
    operand_push(v, REF_BIT | v->m->funcs[op->index].type);
}

static void
check_ref_eq(struct validator *v, const struct op *op)
{
    (void)op;
    operand_expect(v, REF_BIT | NULL_BIT | HEAP_EQ);
    operand_expect(v, REF_BIT | NULL_BIT | HEAP_EQ);
    operand_push(v, VAL_I32);
}

validate_fn *const validate_data[OP_SLOTS] = {
    [OP_SLOT(WASM_DROP)] = check_drop,
    [OP_SLOT(WASM_SELECT)] = check_select,
    [OP_SLOT(WASM_SELECT_T)] = check_select_typed,
    [OP_SLOT(WASM_LOCAL_GET)] = check_local_get,
    [OP_SLOT(WASM_LOCAL_SET)] = check_local_set,
    [OP_SLOT(WASM_LOCAL_TEE)] = check_local_set,
    [OP_SLOT(WASM_GLOBAL_GET)] = check_global,
    [OP_SLOT(WASM_GLOBAL_SET)] = check_global,
    [OP_SLOT(WASM_TABLE_GET)] = check_table_get,
    [OP_SLOT(WASM_TABLE_SET)] = check_table_set,
    [OP_SLOT(WASM_TABLE_SIZE)] = check_table_size,
    [OP_SLOT(WASM_TABLE_GROW)] = check_table_grow,
    [OP_SLOT(WASM_TABLE_FILL)] = check_table_fill,
    [OP_SLOT(WASM_TABLE_COPY)] = check_table_copy,
    [OP_SLOT(WASM_TABLE_INIT)] = check_table_init,
    [OP_SLOT(WASM_MEMORY_COPY)] = check_memory_copy,
    [OP_SLOT(WASM_REF_NULL)] = check_ref_null,
    [OP_SLOT(WASM_REF_IS_NULL)] = check_ref_is_null,
    [OP_SLOT(WASM_REF_FUNC)] = check_ref_func,
    [OP_SLOT(WASM_REF_EQ)] = check_ref_eq,
    [OP_SLOT(WASM_REF_AS_NON_NULL)] = check_ref_as_non_null,
};
