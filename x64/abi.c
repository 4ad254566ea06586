// x64/abi.c: where arguments and results travel, by register; see struct abi in
// mach.h.

#include "x64/mach.h"

static struct abi_loc
loc_of(struct abi_place p, const reg_t ints[ABI_INTS])
{
    switch (p.kind) {
    case ABI_INT:
        return (struct abi_loc){ints[p.at], 0};
    case ABI_VECTOR:
        return (struct abi_loc){(reg_t)(REG_XMM0 + p.at), 0};
    }
    return (struct abi_loc){REG_NONE, p.at};
}

status_t
abi_compute(struct abi *abi, const struct type *type, struct arena *temp)
{
    u32 params = type->param_count, results = type->result_count;
    struct abi_loc *locs = ARENA_NEW(temp, struct abi_loc, params + results);
    struct abi_walk w = {0};

    if (!locs)
        return ERR_NO_MEMORY;
    abi->params = locs;
    abi->results = locs + params;
    for (u32 i = 0; i < params; i++)
        locs[i] = loc_of(abi_next(&w, type->vals[i]), abi_int_args);
    abi_end(&w);
    abi->args_size = w.stack;
    for (u32 i = params; i < params + results; i++)
        locs[i] = loc_of(abi_next(&w, type->vals[i]), abi_int_results);
    abi_end(&w);
    abi->stack_size = w.stack;
    return OK;
}

// All integers, or vectors at worst: 16 bytes each that has no register.
static u32
most(u32 count, u32 registers)
{
    return count > registers ? 16 * (count - registers) : 0;
}

u32
abi_stack_most(u32 params, u32 results)
{
    return most(params, ABI_INTS) + most(results, ABI_INTS);
}
