// x64/alloc/operands.c: which vregs an instruction reads and writes, and in
// which registers they have to be.

#include "x64/alloc/alloc.h"

enum { RAX = 1 << REG_RAX, RDX = 1 << REG_RDX };

// In VEX encodings a result is tied no more.
#define UNTIE(role) ((role) == ROLE_TIED ? ROLE_DEF : (role))
#define NO_RM(role) ((role) == ROLE_RM ? ROLE_NONE : (role))

const struct roles shape_roles[2][2][SHAPE_COUNT] = {
    {
     {
#define ROLES(id, def, mem, def2, a, b, clobbers) \
    [SHAPE_##id] = {ROLE_##def, ROLE_##def2, ROLE_##a, ROLE_##b, clobbers},
#include "x64/alloc/roles.def"
        }, {
#define ROLES(id, def, mem, def2, a, b, clobbers) \
    [SHAPE_##                                     \
        id] = {ROLE_##mem, ROLE_##def2, ROLE_##a, NO_RM(ROLE_##b), clobbers},
#include "x64/alloc/roles.def"
        }, },
    {
     {
#define ROLES(id, def, mem, def2, a, b, clobbers) \
    [SHAPE_##                                     \
        id] = {UNTIE(ROLE_##def), ROLE_##def2, ROLE_##a, ROLE_##b, clobbers},
#include "x64/alloc/roles.def"
        },   {
#define ROLES(id, def, mem, def2, a, b, clobbers)                              \
    [SHAPE_##id] = {UNTIE(ROLE_##mem), ROLE_##def2, ROLE_##a, NO_RM(ROLE_##b), \
                    clobbers},
#include "x64/alloc/roles.def"
        }, },
};

#define IS_CALL(shape)                                        \
    ((shape) == SHAPE_CALL_REL || (shape) == SHAPE_CALL_RM || \
     (shape) == SHAPE_TAIL_REL || (shape) == SHAPE_TAIL_RM || \
     (shape) == SHAPE_RET)

const struct op_traits op_traits[X64_OP_COUNT] = {
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
edges_out(const struct mach *m, blk_t b)
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
edge_out(const struct mach *m, blk_t b, u32 i)
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
