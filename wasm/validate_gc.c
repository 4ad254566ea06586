// wasm/validate_gc.c: the rules of instructions on structs, arrays, i31 and
// casts (spec 3.4.10 to 3.4.14).

#include "wasm/internal.h"

// --- lookups; NULL after a failure ------------------------------------------

static const struct type *
type_get(struct validator *v, u32 type, enum type_kind kind)
{
    if (type < v->m->type_count && v->m->types[type].kind == kind)
        return &v->m->types[type];
    validator_fail(v, "unknown type");
    return NULL;
}

static const struct field *
elem_get(struct validator *v, u32 type)
{
    const struct type *t = type_get(v, type, TYPE_ARRAY);

    return t != NULL ? t->fields : NULL;
}

static const struct field *
field_get(struct validator *v, u32 type, u32 field)
{
    const struct type *t = type_get(v, type, TYPE_STRUCT);

    if (t != NULL && field < t->field_count)
        return &t->fields[field];
    validator_fail(v, "unknown field");
    return NULL;
}

static bool
is_packed(valtype_t t)
{
    return t == VAL_I8 || t == VAL_I16;
}

static valtype_t
unpacked(valtype_t t)
{
    return is_packed(t) ? VAL_I32 : t;
}

static valtype_t
nullable(u32 heap)
{
    return REF_BIT | NULL_BIT | heap;
}

static void
check_mutable(struct validator *v, const struct field *f, const char *what)
{
    if (!f->mutable)
        validator_fail(v, what);
}

// Packed fields are read with a sign or without, the others plainly.
static void
check_packing(struct validator *v, const struct field *f, bool plain)
{
    if (is_packed(f->type) == plain)
        validator_mismatch(v);
}

// --- structs ----------------------------------------------------------------

static void
check_struct_new(struct validator *v, const struct op *op)
{
    const struct type *t = type_get(v, op->index, TYPE_STRUCT);

    if (t == NULL)
        return;
    for (u32 i = t->field_count; i-- > 0 && !operands_are_unknown(v);)
        operand_expect(v, unpacked(t->fields[i].type));
    operand_push(v, REF_BIT | op->index);
}

static void
check_struct_new_default(struct validator *v, const struct op *op)
{
    const struct type *t = type_get(v, op->index, TYPE_STRUCT);

    if (t != NULL && !t->has_default)
        validator_mismatch(v);
    operand_push(v, REF_BIT | op->index);
}

static void
check_struct_get(struct validator *v, const struct op *op)
{
    const struct field *f = field_get(v, op->index, op->index2);

    if (f == NULL)
        return;
    check_packing(v, f, op->code == WASM_STRUCT_GET);
    operand_expect(v, nullable(op->index));
    operand_push(v, unpacked(f->type));
}

static void
check_struct_set(struct validator *v, const struct op *op)
{
    const struct field *f = field_get(v, op->index, op->index2);

    if (f == NULL)
        return;
    check_mutable(v, f, "immutable field");
    operand_expect(v, unpacked(f->type));
    operand_expect(v, nullable(op->index));
}

// --- arrays -----------------------------------------------------------------

static void
check_array_new(struct validator *v, const struct op *op)
{
    const struct field *f = elem_get(v, op->index);

    if (f == NULL)
        return;
    operand_expect(v, VAL_I32);
    if (op->code == WASM_ARRAY_NEW)
        operand_expect(v, unpacked(f->type));
    else if (!valtype_has_default(f->type))
        validator_mismatch(v);
    operand_push(v, REF_BIT | op->index);
}

static void
check_array_new_fixed(struct validator *v, const struct op *op)
{
    const struct field *f = elem_get(v, op->index);

    if (f == NULL)
        return;
    if (op->index2 > LIMIT_ARRAY_NEW_FIXED)
        reader_fail(&v->r, v->at, ERR_LIMIT, "array.new_fixed too large");
    for (u32 i = 0; i < op->index2 && !operands_are_unknown(v); i++)
        operand_expect(v, unpacked(f->type));
    operand_push(v, REF_BIT | op->index);
}

// Arrays are filled from data segments when their elements are plain bytes.
static bool
data_fits(struct validator *v, const struct op *op, const struct field *f)
{
    data_check(v, op->index2);
    if (valtype_is_ref(f->type))
        validator_fail(v, "array type is not numeric or vector");
    return v->error->status == OK;
}

static bool
elems_fit(struct validator *v, const struct op *op, const struct field *f)
{
    if (op->index2 >= v->m->elem_count)
        validator_fail(v, "unknown elem segment");
    else if (!valtype_matches(v->m, v->m->elems[op->index2].type, f->type))
        validator_mismatch(v);
    return v->error->status == OK;
}

static bool
segment_fits(struct validator *v, const struct op *op, const struct field *f)
{
    bool data =
        op->code == WASM_ARRAY_NEW_DATA || op->code == WASM_ARRAY_INIT_DATA;

    return data ? data_fits(v, op, f) : elems_fit(v, op, f);
}

static void
check_array_new_segment(struct validator *v, const struct op *op)
{
    const struct field *f = elem_get(v, op->index);

    if (f == NULL || !segment_fits(v, op, f))
        return;
    operand_expect(v, VAL_I32);
    operand_expect(v, VAL_I32);
    operand_push(v, REF_BIT | op->index);
}

static void
check_array_init_segment(struct validator *v, const struct op *op)
{
    const struct field *f = elem_get(v, op->index);

    if (f == NULL)
        return;
    check_mutable(v, f, "immutable array");
    if (!segment_fits(v, op, f))
        return;
    for (u32 i = 0; i < 3; i++)
        operand_expect(v, VAL_I32);
    operand_expect(v, nullable(op->index));
}

static void
check_array_get(struct validator *v, const struct op *op)
{
    const struct field *f = elem_get(v, op->index);

    if (f == NULL)
        return;
    check_packing(v, f, op->code == WASM_ARRAY_GET);
    operand_expect(v, VAL_I32);
    operand_expect(v, nullable(op->index));
    operand_push(v, unpacked(f->type));
}

static void
check_array_set(struct validator *v, const struct op *op)
{
    const struct field *f = elem_get(v, op->index);

    if (f == NULL)
        return;
    check_mutable(v, f, "immutable array");
    if (op->code == WASM_ARRAY_FILL)
        operand_expect(v, VAL_I32);
    operand_expect(v, unpacked(f->type));
    operand_expect(v, VAL_I32);
    operand_expect(v, nullable(op->index));
}

static void
check_array_len(struct validator *v, const struct op *op)
{
    (void)op;
    operand_expect(v, nullable(HEAP_ARRAY));
    operand_push(v, VAL_I32);
}

static void
check_array_copy(struct validator *v, const struct op *op)
{
    const struct field *to = elem_get(v, op->index);
    const struct field *from = elem_get(v, op->index2);

    if (to == NULL || from == NULL)
        return;
    check_mutable(v, to, "immutable array");
    if (!valtype_matches(v->m, from->type, to->type))
        validator_fail(v, "array types do not match");
    operand_expect(v, VAL_I32);
    operand_expect(v, VAL_I32);
    operand_expect(v, nullable(op->index2));
    operand_expect(v, VAL_I32);
    operand_expect(v, nullable(op->index));
}

// --- casts ------------------------------------------------------------------

// The top of the hierarchy that a heap type belongs to.
static u32
heap_top(const struct validator *v, valtype_t type)
{
    static const u32 tops[] = {HEAP_FUNC, HEAP_EXTERN, HEAP_EXN};

    for (u32 i = 0; i < COUNT(tops); i++)
        if (valtype_matches(v->m, type & ~(u32)NULL_BIT, REF_BIT | tops[i]))
            return tops[i];
    return HEAP_ANY;
}

static bool
cast_is_known(struct validator *v, valtype_t type)
{
    if (valtype_is_known(type, v->m->type_count))
        return true;
    validator_fail(v, "unknown type");
    return false;
}

static void
check_ref_cast(struct validator *v, const struct op *op)
{
    bool is_test = op->code == WASM_REF_TEST || op->code == WASM_REF_TEST_NULL;
    bool null =
        op->code == WASM_REF_TEST_NULL || op->code == WASM_REF_CAST_NULL;

    if (!cast_is_known(v, op->type))
        return;
    operand_expect(v, nullable(heap_top(v, op->type)));
    operand_push(v, is_test ? (valtype_t)VAL_I32 :
                              op->type | (null ? NULL_BIT : 0));
}

// br_on_cast l a b branches with a b, or goes on with what is left of a.
static void
check_br_on_cast(struct validator *v, const struct op *op)
{
    const struct frame *f = label_get(v, op->index);
    bool on_fail = op->code == WASM_BR_ON_CAST_FAIL;
    u32 count;

    if (f == NULL || !cast_is_known(v, op->type) ||
        !cast_is_known(v, op->type2))
        return;
    if (!valtype_matches(v->m, op->type2, op->type))
        validator_mismatch(v);
    valtype_t rest =
        op->type2 & NULL_BIT ? op->type & ~(u32)NULL_BIT : op->type;
    const valtype_t *types = label_types(v, f, &count);
    if (count == 0 ||
        !valtype_matches(v->m, on_fail ? rest : op->type2, types[count - 1])) {
        validator_mismatch(v);
        return;
    }
    operand_expect(v, op->type);
    label_pass(v, types, count - 1);
    operand_push(v, on_fail ? op->type2 : rest);
}

// any.convert_extern and back keep nullness.
static void
convert(struct validator *v, u32 from, u32 to)
{
    valtype_t type = operand_pop_ref(v);

    if (!valtype_matches(v->m, type, nullable(from)))
        validator_mismatch(v);
    operand_push(v, REF_BIT | (type & NULL_BIT) | to);
}

static void
check_convert(struct validator *v, const struct op *op)
{
    if (op->code == WASM_ANY_CONVERT_EXTERN)
        convert(v, HEAP_EXTERN, HEAP_ANY);
    else
        convert(v, HEAP_ANY, HEAP_EXTERN);
}

static void
check_ref_i31(struct validator *v, const struct op *op)
{
    (void)op;
    operand_expect(v, VAL_I32);
    operand_push(v, REF_BIT | HEAP_I31);
}

static void
check_i31_get(struct validator *v, const struct op *op)
{
    (void)op;
    operand_expect(v, nullable(HEAP_I31));
    operand_push(v, VAL_I32);
}

validate_fn *const validate_gc[OP_SLOTS] = {
    [OP_SLOT(WASM_STRUCT_NEW)] = check_struct_new,
    [OP_SLOT(WASM_STRUCT_NEW_DEFAULT)] = check_struct_new_default,
    [OP_SLOT(WASM_STRUCT_GET)] = check_struct_get,
    [OP_SLOT(WASM_STRUCT_GET_S)] = check_struct_get,
    [OP_SLOT(WASM_STRUCT_GET_U)] = check_struct_get,
    [OP_SLOT(WASM_STRUCT_SET)] = check_struct_set,
    [OP_SLOT(WASM_ARRAY_NEW)] = check_array_new,
    [OP_SLOT(WASM_ARRAY_NEW_DEFAULT)] = check_array_new,
    [OP_SLOT(WASM_ARRAY_NEW_FIXED)] = check_array_new_fixed,
    [OP_SLOT(WASM_ARRAY_NEW_DATA)] = check_array_new_segment,
    [OP_SLOT(WASM_ARRAY_NEW_ELEM)] = check_array_new_segment,
    [OP_SLOT(WASM_ARRAY_GET)] = check_array_get,
    [OP_SLOT(WASM_ARRAY_GET_S)] = check_array_get,
    [OP_SLOT(WASM_ARRAY_GET_U)] = check_array_get,
    [OP_SLOT(WASM_ARRAY_SET)] = check_array_set,
    [OP_SLOT(WASM_ARRAY_LEN)] = check_array_len,
    [OP_SLOT(WASM_ARRAY_FILL)] = check_array_set,
    [OP_SLOT(WASM_ARRAY_COPY)] = check_array_copy,
    [OP_SLOT(WASM_ARRAY_INIT_DATA)] = check_array_init_segment,
    [OP_SLOT(WASM_ARRAY_INIT_ELEM)] = check_array_init_segment,
    [OP_SLOT(WASM_REF_TEST)] = check_ref_cast,
    [OP_SLOT(WASM_REF_TEST_NULL)] = check_ref_cast,
    [OP_SLOT(WASM_REF_CAST)] = check_ref_cast,
    [OP_SLOT(WASM_REF_CAST_NULL)] = check_ref_cast,
    [OP_SLOT(WASM_BR_ON_CAST)] = check_br_on_cast,
    [OP_SLOT(WASM_BR_ON_CAST_FAIL)] = check_br_on_cast,
    [OP_SLOT(WASM_ANY_CONVERT_EXTERN)] = check_convert,
    [OP_SLOT(WASM_EXTERN_CONVERT_ANY)] = check_convert,
    [OP_SLOT(WASM_REF_I31)] = check_ref_i31,
    [OP_SLOT(WASM_I31_GET_S)] = check_i31_get,
    [OP_SLOT(WASM_I31_GET_U)] = check_i31_get,
};
