// x64/encode.c: one machine instruction on real registers -> bytes.

#include "x64/mach.h"

static const struct x64_info infos[] = {
#define X64(id, text, prefix, w, opcode, ext, shape, regs, mem, imm, flags) \
    {text,          prefix, w,   opcode,        ext,                        \
     SHAPE_##shape, regs,   mem, X64_IMM_##imm, (flags)},
#include "x64/ops.def"
};

const struct x64_info *
x64_info(u32 op)
{
    assert(op < X64_OP_COUNT);
    return &infos[op];
}
