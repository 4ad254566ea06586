// test/x64/rows.c: every row of x64/ops.def in many variants, see rows.h.

#include "test/x64/rows.h"

#include <string.h>

enum { VARIANTS = 256 };

const u64 x64_rows_wide[4] = {0x123456789abcdef0, 0xffffffff80000000,
                              0xffffffffffffffff, 0x8000000000000000};

// A compare with a predicate below 32 has names of its own in llvm-mc.
static u32
imm_sample(const struct x64_info *info, u32 n)
{
    static const u32 samples[] = {2,      127,        128,        255,
                                  256,    0xffffff80, 0xffffff7f, 0x7fff,
                                  0x8000, 0x7fffffff, 0x80000000, 0xffffffff};
    u32 imm = samples[n % COUNT(samples)];

    if (strncmp(info->text, "cmp", 3) == 0 && info->imm == X64_IMM_I8 &&
        info->regs[0] == 'x')
        return 32 + (imm & 0x5f);
    if (info->imm == X64_IMM_SH)
        return imm & 31;
    if (info->imm == X64_IMM_I8)
        return imm & 0xff;
    return imm;
}

static const struct x64_roles {
    bool def, a, b, rm; // registers that the shape names; rm is one of them
} shape_roles[] = {
#define FROM_NONE 0
#define FROM_EXT  0
#define FROM_DEF  1
#define FROM_A    2
#define FROM_B    4
#define SHAPE(id, reg, vvvv, rm, text, read, def, mem, def2, a, b, clobbers) \
    {((FROM_##reg | FROM_##vvvv | FROM_##rm) & FROM_DEF) != 0,               \
     ((FROM_##reg | FROM_##vvvv | FROM_##rm) & FROM_A) != 0,                 \
     ((FROM_##reg | FROM_##vvvv | FROM_##rm) & FROM_B) != 0, FROM_##rm != 0},
#include "x64/shapes.def"
};

static bool
is_tied(const struct x64_info *info, u32 features)
{
    switch (info->shape) {
    case SHAPE_R_RM:
    case SHAPE_R_RM_I:
    case SHAPE_R_I:
        return !x64_is_vex(info, features);
    case SHAPE_R_CL:
    case SHAPE_UNARY:
    case SHAPE_XCHG:
        return true;
    }
    return false;
}

static u32
reg_of(char size, u32 number)
{
    return size == 'x' ? REG_XMM0 + number : number;
}

// Registers first, second, third in the roles that the shape has.
static struct mins
sample(u32 op, u32 features, u32 first, u32 second, u32 third, u32 n)
{
    const struct x64_info *info = x64_info(op);
    struct mins ins = {.op = (u16)op, .cc = (u8)(n % 16)};
    char reg = info->regs[0];

    ins.imm = imm_sample(info, n);
    ins.def = reg_of(reg, first);
    ins.a = reg_of(
        reg, info->shape == SHAPE_CMP || info->shape == SHAPE_MR ||
                     info->shape == SHAPE_MR_I || info->shape == SHAPE_CMP_MR ||
                     info->shape == SHAPE_PUSH || info->shape == SHAPE_SWAP ?
                 first :
                 third);
    ins.b = reg_of(info->regs[1], second);
    if (info->shape == SHAPE_MR || info->shape == SHAPE_MR_I)
        ins.def = reg_of(info->regs[1], second);
    if (info->shape == SHAPE_MR_RMW || info->shape == SHAPE_CMPXCHG)
        ins.a = reg_of(reg, first);
    if (is_tied(info, features))
        ins.a = ins.def;
    if (info->imm == X64_IMM_I64) {
        ins.flags = MINS_CONST64;
        ins.imm = n / 2 % COUNT(x64_rows_wide);
    }
    return ins;
}

static void
visit_registers(u32 op, u32 features, x64_row_visit *visit)
{
    for (u32 n = 0; n < VARIANTS; n++) {
        struct mins ins =
            sample(op, features, n % 16, n / 16, (n * 7 + n / 16) % 16, n);
        visit(&ins, features);
    }
}

static void
visit_memory(u32 op, u32 features, x64_row_visit *visit)
{
    static const i32 disps[] = {0,    1,    127,        128,        -1,
                                -128, -129, 0x7fffffff, -0x7fffffff};

    for (u32 n = 0; n < VARIANTS; n++) {
        struct mins ins = sample(op, features, (n + n / 16) % 16, 0,
                                 (n * 7 + n / 16) % 16, n);
        ins.flags |= MINS_MEM;
        ins.base = n % 16;
        ins.index = n / 16 == REG_RSP ? (u32)REG_NONE : n / 16;
        ins.scale = (n * 5 + n / 16) % 4;
        ins.disp = disps[(n + n / 16) % COUNT(disps)];
        if (ins.base == REG_RSP && ins.disp < 0)
            ins.disp = -(ins.disp + 1);
        if (n % 11 == 0)
            ins.index = REG_NONE;
        if (ins.index == REG_NONE)
            ins.scale = 0;
        visit(&ins, features);
    }
}

bool
x64_row_each(u32 op, u32 features, x64_row_visit *visit)
{
    const struct x64_info *info = x64_info(op);
    bool may_mem = info->mem != 0 || (info->flags & ONLY_MEM) != 0;
    bool needs_mem = (info->flags & (ONLY_MEM | LOCKED)) != 0;
    bool has_regs = info->shape == SHAPE_I || info->shape == SHAPE_PUSH ||
                    info->shape == SHAPE_POP ||
                    (shape_roles[info->shape].rm && !needs_mem);
    bool has_mem = may_mem && (info->flags & NO_MEM) == 0;
    struct mins ins = {.op = (u16)op};

    if (op == X64_INT3) // what separates the rows here
        return true;
    if (info->shape == SHAPE_NONE)
        visit(&ins, features);
    if (has_regs)
        visit_registers(op, features, visit);
    if (has_mem)
        visit_memory(op, features, visit);
    return info->shape == SHAPE_NONE || has_regs || has_mem;
}

static bool
is_several(u32 op)
{
    return op == X64_SELECT_X || op == X64_FMIN_SS || op == X64_FMIN_SD ||
           op == X64_FMAX_SS || op == X64_FMAX_SD;
}

bool
x64_row_elsewhere(u32 op)
{
    switch (x64_info(op)->shape) {
    case SHAPE_RMW_LOOP:
    case SHAPE_CALL_REL:
    case SHAPE_TAIL_REL:
    case SHAPE_JUMP:
    case SHAPE_JCC:
    case SHAPE_SWITCH:
    case SHAPE_RET:
    case SHAPE_GOTO:
    case SHAPE_TRAP:
    case SHAPE_TRAP_CC:
    case SHAPE_REL:
        return true;
    }
    return is_several(op);
}
