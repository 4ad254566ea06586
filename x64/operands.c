// x64/operands.c: the rows of ops.def and shapes.def, and by them: which vregs
// an instruction reads and writes, in which registers they have to be, where a
// block goes on.

#include "x64/mach.h"

const struct x64_info x64_infos[X64_OP_COUNT] = {
#define X64(id, text, prefix, w, opcode, ext, shape, regs, mem, imm, flags) \
    {text,          prefix, w,   opcode,        ext,                        \
     SHAPE_##shape, regs,   mem, X64_IMM_##imm, (flags)},
#include "x64/ops.def"
};

bool
x64_is_vex(const struct x64_info *info, u32 features)
{
    return (info->flags & VEX_ONLY) != 0 ||
           ((info->flags & VEX) != 0 && (features & CPU_AVX) != 0);
}

enum { RAX = 1 << REG_RAX, RDX = 1 << REG_RDX };

// In VEX encodings a result is tied no more.
#define UNTIE(role) ((role) == ROLE_TIED ? ROLE_DEF : (role))
#define NO_RM(role) ((role) == ROLE_RM ? ROLE_NONE : (role))

const struct roles x64_shape_roles[2][2][SHAPE_COUNT] = {
    {
     {
#define SHAPE(id, reg, vvvv, rm, text, read, def, mem, def2, a, b, clobbers) \
    {ROLE_##def, ROLE_##def2, ROLE_##a, ROLE_##b, clobbers},
#include "x64/shapes.def"
        }, {
#define SHAPE(id, reg, vvvv, rm, text, read, def, mem, def2, a, b, clobbers) \
    {ROLE_##mem, ROLE_##def2, ROLE_##a, NO_RM(ROLE_##b), clobbers},
#include "x64/shapes.def"
        }, },
    {
     {
#define SHAPE(id, reg, vvvv, rm, text, read, def, mem, def2, a, b, clobbers) \
    {UNTIE(ROLE_##def), ROLE_##def2, ROLE_##a, ROLE_##b, clobbers},
#include "x64/shapes.def"
        },   {
#define SHAPE(id, reg, vvvv, rm, text, read, def, mem, def2, a, b, clobbers) \
    {UNTIE(ROLE_##mem), ROLE_##def2, ROLE_##a, NO_RM(ROLE_##b), clobbers},
#include "x64/shapes.def"
        }, },
};

#define IS_CALL(shape)                                        \
    ((shape) == SHAPE_CALL_REL || (shape) == SHAPE_CALL_RM || \
     (shape) == SHAPE_TAIL_REL || (shape) == SHAPE_TAIL_RM || \
     (shape) == SHAPE_RET)

const struct x64_traits x64_traits[X64_OP_COUNT] = {
#define X64(id, text, prefix, w, opcode, ext, shape, regs, mem, imm, flags) \
    {SHAPE_##shape, (flags)&0xff, IS_CALL(SHAPE_##shape)},
#include "x64/ops.def"
};

static const struct mins *
last_of(const struct mach *m, blk_t b)
{
    assert(m->blocks[b].end > m->blocks[b].first);
    return &m->ins[m->blocks[b].end - 1];
}

u32
mach_edges_out(const struct mach *m, blk_t b)
{
    const struct mins *last = last_of(m, b);

    switch (mins_shape(last)) {
    case SHAPE_JUMP:
        return 1;
    case SHAPE_JCC:
        return 2;
    case SHAPE_SWITCH:
        return m->fn->cases[last->imm].edge_count;
    default:
        return 0;
    }
}

edge_t
mach_edge_out(const struct mach *m, blk_t b, u32 i)
{
    const struct mins *last = last_of(m, b);

    switch (mins_shape(last)) {
    case SHAPE_JCC:
        return i == 0 ? last->imm : last->def2;
    case SHAPE_SWITCH:
        return m->fn->cases[last->imm].first + i;
    default:
        return last->imm;
    }
}
