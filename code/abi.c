// code/abi.c: where arguments and results of a call travel.  One function
// decides it, for generated code (x64/abi.c) and for calls from C
// (runtime/call.c).

#include "code/code.h"

enum { RAX, RCX, RDX, RSI = 6, RDI, R8, R9 }; // the hardware's numbers

const u8 abi_int_args[ABI_INTS] = {RDI, RSI, RDX, RCX, R8, R9};
const u8 abi_int_results[ABI_INTS] = {RAX, RDX, RCX, RSI, RDI, R8};

static bool
is_vector_class(valtype_t t)
{
    return t == VAL_F32 || t == VAL_F64 || t == VAL_V128;
}

struct abi_place
abi_next(struct abi_walk *w, valtype_t t)
{
    bool vector = is_vector_class(t);
    u32 size = t == VAL_V128 ? 16 : 8;

    if (vector && w->vectors < ABI_VECTORS)
        return (struct abi_place){ABI_VECTOR, w->vectors++};
    if (!vector && w->ints < ABI_INTS)
        return (struct abi_place){ABI_INT, w->ints++};
    u32 at = (u32)ALIGN_UP(w->stack, size);
    w->stack = at + size;
    return (struct abi_place){ABI_STACK, at};
}

void
abi_end(struct abi_walk *w)
{
    *w = (struct abi_walk){.stack = (u32)ALIGN_UP(w->stack, 16)};
}

struct abi_size
abi_size(const struct type *type)
{
    struct abi_walk w = {0};

    for (u32 i = 0; i < type->param_count; i++)
        (void)abi_next(&w, type->vals[i]);
    abi_end(&w);
    u32 args = w.stack;
    for (u32 i = 0; i < type->result_count; i++)
        (void)abi_next(&w, type->vals[type->param_count + i]);
    abi_end(&w);
    return (struct abi_size){args, w.stack - args};
}

enum { TYPES_PER_LOOK = 16 }; // each may have thousands of values

status_t
code_size_types(struct code *code, const struct module *m, struct arena *keep)
{
    code->sizes = ARENA_NEW(keep, struct abi_size, m->type_count);
    if (code->sizes == NULL)
        return ERR_NO_MEMORY;
    for (u32 i = 0; i < m->type_count; i++) {
        if (i % TYPES_PER_LOOK == 0 && !arena_may_go_on(keep))
            return ERR_KILLED;
        if (m->types[i].kind == TYPE_FUNC)
            code->sizes[i] = abi_size(&m->types[i]);
    }
    return OK;
}
