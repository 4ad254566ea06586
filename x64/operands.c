// x64/operands.c: which vregs an instruction reads and writes, and in which
// registers they have to be.

#include "x64/allocate.h"

// By shape.  Shapes that are not here have no operands, or are calls.
static const struct roles shape_roles[] = {
    [SHAPE_RM] = {ROLE_DEF,   0,          0,        ROLE_RM,    0           },
    [SHAPE_R_RM] = {ROLE_TIED,  0,          ROLE_USE, ROLE_RM,    0           },
    [SHAPE_RM_I] = {ROLE_DEF,   0,          0,        ROLE_RM,    0           },
    [SHAPE_R_RM_I] = {ROLE_TIED,  0,          ROLE_USE, ROLE_RM,    0           },
    [SHAPE_R_I] = {ROLE_TIED,  0,          ROLE_USE, 0,          0           },
    [SHAPE_V_RM] = {ROLE_DEF,   0,          ROLE_USE, ROLE_RM,    0           },
    [SHAPE_V_RM_I] = {ROLE_DEF,   0,          ROLE_USE, ROLE_RM,    0           },
    [SHAPE_RMV] = {ROLE_DEF,   0,          ROLE_USE, ROLE_RM,    0           },
    [SHAPE_R_CL] = {ROLE_TIED,  0,          ROLE_USE, ROLE_RCX,   0           },
    [SHAPE_UNARY] = {ROLE_TIED,  0,          ROLE_USE, 0,          0           },
    [SHAPE_MR] = {ROLE_DEF,   0,          ROLE_USE, 0,          0           },
    [SHAPE_MR_I] = {ROLE_DEF,   0,          ROLE_USE, 0,          0           },
    [SHAPE_MR_RMW] = {0,          0,          ROLE_USE, 0,          0           },
    [SHAPE_XCHG] = {ROLE_TIED,  0,          ROLE_USE, 0,          0           },
    [SHAPE_CMPXCHG] = {ROLE_RAX,   0,          ROLE_USE, ROLE_RAX,   1 << REG_RAX},
    [SHAPE_CMP] = {0,          0,          ROLE_USE, ROLE_RM,    0           },
    [SHAPE_CMP_MR] = {0,          0,          ROLE_USE, ROLE_RM,    0           },
    [SHAPE_CMP_I] = {0,          0,          0,        ROLE_RM,    0           },
    [SHAPE_SET] = {ROLE_DEF,   0,          0,        0,          0           },
    [SHAPE_MUL] = {ROLE_RAX,   ROLE_RDX,   ROLE_RAX, ROLE_RM,
                  1 << REG_RAX | 1 << REG_RDX                               },
    [SHAPE_DIV] = {ROLE_RAX,   ROLE_RDX,   ROLE_RAX, ROLE_RM,
                  1 << REG_RAX | 1 << REG_RDX                               },
    [SHAPE_I] = {ROLE_DEF,   0,          0,        0,          0           },
    [SHAPE_ZERO] = {ROLE_DEF,   0,          0,        0,          0           },
    [SHAPE_RR_I] = {ROLE_TIED,  0,          ROLE_USE, ROLE_USE,   0           },
    [SHAPE_SWITCH] = {ROLE_EARLY, 0,          ROLE_USE, ROLE_EARLY, 0           },
    [SHAPE_RMW_LOOP] = {ROLE_RAX,   ROLE_EARLY, ROLE_USE, 0,          1 << REG_RAX},
    [SHAPE_TRAP_CC] = {0,          0,          0,        0,          0           },
};

struct roles
mins_roles(const struct mins *ins, u32 features)
{
    const struct x64_info *info = x64_info(ins->op);
    struct roles roles = {0, 0, 0, 0, 0};

    if (info->shape < COUNT(shape_roles))
        roles = shape_roles[info->shape];
    if (ins->flags & MINS_MEM) {
        if (roles.b == ROLE_RM)
            roles.b = ROLE_NONE;
        if (info->shape == SHAPE_MR || info->shape == SHAPE_MR_I)
            roles.def = ROLE_NONE;
    }
    if (roles.def == ROLE_TIED && x64_is_vex(info, features))
        roles.def = ROLE_DEF;
    return roles;
}

bool
mins_is_call(const struct mins *ins)
{
    u8 shape = x64_info(ins->op)->shape;

    return shape == SHAPE_CALL_REL || shape == SHAPE_CALL_RM;
}

bool
mins_is_tail(const struct mins *ins)
{
    u8 shape = x64_info(ins->op)->shape;

    return shape == SHAPE_TAIL_REL || shape == SHAPE_TAIL_RM;
}

bool
mins_is_ret(const struct mins *ins)
{
    return x64_info(ins->op)->shape == SHAPE_RET;
}

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

    switch (x64_info(last->op)->shape) {
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

    switch (x64_info(last->op)->shape) {
    case SHAPE_JCC:
        return i == 0 ? last->imm : last->def2;
    case SHAPE_SWITCH:
        return m->fn->cases[last->imm].first + i;
    default:
        return last->imm;
    }
}
