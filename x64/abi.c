// x64/abi.c: where arguments and results travel; see struct abi in mach.h.

#include "x64/mach.h"

const reg_t abi_int_args[ABI_INT_ARGS] = {
    REG_RDI, REG_RSI, REG_RDX, REG_RCX, REG_R8, REG_R9,
};

const reg_t abi_int_results[ABI_INT_RESULTS] = {
    REG_RAX, REG_RDX, REG_RCX, REG_RSI, REG_RDI, REG_R8,
};

static bool
is_vector_class(valtype_t t)
{
    return t == VAL_F32 || t == VAL_F64 || t == VAL_V128;
}

// Place `count` values: registers while there are some, then memory from
// *offset up, which ends as the first multiple of 16 above.
static void
place(struct abi_loc *locs, const valtype_t *types, u32 count,
      const reg_t ints[6], u32 *offset)
{
    u32 int_count = 0, vector_count = 0, at = *offset;

    for (u32 i = 0; i < count; i++) {
        bool vector = is_vector_class(types[i]);
        u32 size = types[i] == VAL_V128 ? 16 : 8;

        locs[i].offset = 0;
        if (vector && vector_count < ABI_VECTORS) {
            locs[i].reg = (reg_t)(REG_XMM0 + vector_count++);
        } else if (!vector && int_count < ABI_INT_ARGS) {
            locs[i].reg = ints[int_count++];
        } else {
            at = (u32)ALIGN_UP(at, size);
            locs[i] = (struct abi_loc){REG_NONE, at};
            at += size;
        }
    }
    *offset = (u32)ALIGN_UP(at, 16);
}

status_t
abi_compute(struct abi *abi, const struct type *type, struct arena *temp)
{
    u32 params = type->param_count, results = type->result_count;
    struct abi_loc *locs = ARENA_NEW(temp, struct abi_loc, params + results);

    if (!locs)
        return ERR_NO_MEMORY;
    abi->params = locs;
    abi->results = locs + params;
    abi->stack_size = 0;
    place(abi->params, type->vals, params, abi_int_args, &abi->stack_size);
    abi->args_size = abi->stack_size;
    place(abi->results, type->vals + params, results, abi_int_results,
          &abi->stack_size);
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
    return most(params, ABI_INT_ARGS) + most(results, ABI_INT_RESULTS);
}
