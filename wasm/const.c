// wasm/const.c: constant expressions (spec 3.4.15): checking, evaluating, and
// walking element segments.
//
// An expression is checked like the body of a function without parameters,
// with fewer instructions allowed.

#include "wasm/internal.h"

// --- check ------------------------------------------------------------------

static bool
is_constant(u32 code)
{
    static const u32 allowed[] = {
        WASM_END,
        WASM_GLOBAL_GET,
        WASM_REF_NULL,
        WASM_REF_FUNC,
        WASM_I32_CONST,
        WASM_I64_CONST,
        WASM_F32_CONST,
        WASM_F64_CONST,
        WASM_V128_CONST,
        WASM_I32_ADD,
        WASM_I32_SUB,
        WASM_I32_MUL,
        WASM_I64_ADD,
        WASM_I64_SUB,
        WASM_I64_MUL,
        WASM_STRUCT_NEW,
        WASM_STRUCT_NEW_DEFAULT,
        WASM_ARRAY_NEW,
        WASM_ARRAY_NEW_DEFAULT,
        WASM_ARRAY_NEW_FIXED,
        WASM_REF_I31,
        WASM_ANY_CONVERT_EXTERN,
        WASM_EXTERN_CONVERT_ANY,
    };

    for (u32 i = 0; i < COUNT(allowed); i++)
        if (code == allowed[i])
            return true;
    return false;
}

static void
check_op(struct const_checker *c, const struct op *op, u32 globals)
{
    struct module *m = c->m;

    c->v.at = op->at;
    if (!is_constant(op->code))
        validator_fail(&c->v, "constant expression required");
    if (op->code == WASM_GLOBAL_GET && op->index >= globals)
        validator_fail(&c->v, "unknown global");
    else if (op->code == WASM_GLOBAL_GET && m->globals[op->index].type.mutable)
        validator_fail(&c->v, "constant expression required");
    if (op->code == WASM_REF_FUNC && op->index < m->func_count)
        bit_set(m->func_refs, op->index);
}

void
const_checker_init(struct const_checker *c, struct module *m,
                   struct arena *arena, struct error *error)
{
    *c = (struct const_checker){
        .m = m,
        .v = {.m = m, .temp = arena, .error = error},
    };
}

void
const_check(struct const_checker *c, struct const_expr expr, u32 globals)
{
    struct validator *v = &c->v;

    validator_init_const(v, expr);
    while (v->error->status == OK && v->frame_count > 0) {
        struct op op;
        op_read(&v->r, &op);
        check_op(c, &op, globals);
        if (v->error->status == OK)
            validator_check(v, &op);
    }
}

// --- evaluate ---------------------------------------------------------------

static union value
arithmetic(u32 code, union value a, union value b)
{
    switch (code) {
    case WASM_I32_ADD:
        return (union value){.i64 = a.i32 + b.i32};
    case WASM_I32_SUB:
        return (union value){.i64 = a.i32 - b.i32};
    case WASM_I32_MUL:
        return (union value){.i64 = a.i32 * b.i32};
    case WASM_I64_ADD:
        return (union value){.i64 = a.i64 + b.i64};
    case WASM_I64_SUB:
        return (union value){.i64 = a.i64 - b.i64};
    case WASM_I64_MUL:
        return (union value){.i64 = a.i64 * b.i64};
    }
    panic(__FILE__, __LINE__, "constant expression");
}

// The value of an instruction that takes no operands.
static union value
leaf(const struct op *op, const struct const_env *env)
{
    union value value = {
        .bits = {0, 0}
    };

    switch (op->code) {
    case WASM_GLOBAL_GET:
        return env->global(env->self, op->index);
    case WASM_REF_FUNC:
        value.i64 = env->func_ref(env->self, op->index);
        break;
    case WASM_REF_NULL:
        break;
    case WASM_V128_CONST:
        memcpy(value.v128, op->v128, sizeof(value.v128));
        break;
    default:
        value.i64 = op->value;
    }
    return value;
}

// How many operands an instruction takes.
static u32
operand_count(const struct module *m, const struct op *op)
{
    const char *sig = op->info->sig;

    switch (op->code) {
    case WASM_STRUCT_NEW:
        return m->types[op->index].field_count;
    case WASM_ARRAY_NEW:
        return 2;
    case WASM_ARRAY_NEW_DEFAULT:
    case WASM_REF_I31:
    case WASM_ANY_CONVERT_EXTERN:
    case WASM_EXTERN_CONVERT_ANY:
        return 1;
    case WASM_ARRAY_NEW_FIXED:
        return op->index2;
    }
    return sig != NULL && sig[0] != ':' ? 2 : 0;
}

static union value
apply(const struct op *op, const union value *values, u32 count,
      const struct const_env *env)
{
    union value value = {
        .bits = {0, 0}
    };

    switch (op->code) {
    case WASM_STRUCT_NEW:
    case WASM_STRUCT_NEW_DEFAULT:
    case WASM_ARRAY_NEW:
    case WASM_ARRAY_NEW_DEFAULT:
    case WASM_ARRAY_NEW_FIXED:
        if (env->object != NULL)
            value.i64 = env->object(env->self, op, values);
        return value;
    case WASM_REF_I31:
        value.i64 = values[0].i32 << 1 | REF_TAG_I31;
        return value;
    case WASM_ANY_CONVERT_EXTERN:
    case WASM_EXTERN_CONVERT_ANY:
        value.i64 = values[0].i32;
        return value;
    }
    return count == 0 ? leaf(op, env) :
                        arithmetic(op->code, values[0], values[1]);
}

union value
const_eval(const struct module *m, struct const_expr expr,
           const struct const_env *env)
{
    union value stack[LIMIT_CONST_OPERANDS];
    struct error error = {0};
    struct reader r =
        reader_range(m->bytes, m->size, expr.at, expr.end, &error);
    u32 count = 0;

    while (r.at < r.end) {
        struct op op;
        op_read(&r, &op);
        u32 operands = operand_count(m, &op);
        assert(count >= operands && count - operands < COUNT(stack));
        count -= operands;
        stack[count] = apply(&op, &stack[count], operands, env);
        count++;
    }
    assert(count == 1 && error.status == OK);
    return stack[0];
}

u64
elem_next(const struct module *m, const struct elem_segment *segment, u64 *at,
          const struct const_env *env)
{
    struct error error = {0};
    struct reader r = reader_range(m->bytes, m->size, *at, m->size, &error);
    u64 ref;

    if (segment->is_funcs) {
        ref = env->func_ref(env->self, read_u32(&r));
    } else {
        struct const_expr expr = read_const_expr(&r);
        ref = const_eval(m, expr, env).i64;
    }
    *at = r.at;
    return ref;
}
