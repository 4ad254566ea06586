// abi/abi.c: the texts of the tables, and the layout of a vmctx.

#include "abi/abi.h"

bool
vmctx_lay_out(struct vmctx_layout *out, const struct vmctx_counts *counts)
{
    u64 at = sizeof(struct vmctx);

#define PART(id, type) \
    out->id = (u32)at; \
    at = ALIGN_UP(at + counts->id * (u64)sizeof(type), 16);
#include "abi/vmctx.def"
    out->size = (u32)at;
    return at <= INT32_MAX;
}

const char *
trap_text(enum trap trap)
{
    static const char *const texts[TRAP_COUNT] = {
        "none",
#define TRAP(id, text) text,
#include "abi/traps.def"
    };

    assert(trap < TRAP_COUNT);
    return texts[trap];
}
