// x64/emit/encode.c: one machine instruction on real registers -> bytes.
//
//     [lock] [prefix] [REX] opcode ModRM [SIB] [disp8 | disp32] [imm]
//                     VEX
//
// Every byte of generated code is written here.  Everything an instruction
// needs is in its row of x64/ops.def; the shape says which operand goes into
// which field (x64/shapes.def).  Where there is no room bytes are dropped, and
// encoder.full says so.  Red zone: no displacement from rsp is negative.

#include "x64/emit/emit.h"

enum { // the bytes that are no row's
    LOCK = 0xf0,
    REX = 0x40, // with W, R, X, B in its low bits
    VEX2 = 0xc5,
    VEX3 = 0xc4,
};

enum { IMM_BYTE = 0x02, COUNT_ONE = 0x10 }; // bits of opcodes, see set_imm()

// Which operand is in ModRM.reg, VEX.vvvv and, as a register, ModRM.rm.
enum source { FROM_NONE, FROM_DEF, FROM_A, FROM_B, FROM_EXT };

static const struct sources {
    u8 reg, vvvv, rm; // enum source
} sources[] = {
#define SHAPE(id, reg, vvvv, rm, text, read, def, mem, def2, a, b, clobbers) \
    {FROM_##reg, FROM_##vvvv, FROM_##rm},
#include "x64/shapes.def"
};

// The fields of one instruction, on their way into bytes.
struct fields {
    const struct x64_info *info;
    u32 opcode;
    u32 reg, vvvv; // numbers, 0..15
    u32 rm;        // likewise: a register, or the base of a memory operand
    u32 index;     // likewise, RSP = none
    u32 scale;     // 0..3
    i32 disp;      // of the memory operand
    u32 imm;
    u8 imm_size;    // bytes
    bool mem, rip;  // rm is memory; it is [rip + disp]
    bool no_base;   // it is [index << scale + disp]
    bool byte_regs; // sil dil ...: needs a REX prefix
};

static void
put(struct encoder *e, u32 byte)
{
    if (e->at == e->end)
        e->full = true;
    else
        *(u8 *)e->at++ = (u8)byte;
}

static void
put_bytes(struct encoder *e, u64 value, u32 size)
{
    for (u32 i = 0; i < size; i++)
        put(e, (u32)(value >> 8 * i) & 0xff);
}

static u32
operand_of(const struct mins *ins, u32 source, const struct x64_info *info)
{
    switch (source) {
    case FROM_DEF:
        return ins->def & 15;
    case FROM_A:
        return ins->a & 15;
    case FROM_B:
        return ins->b & 15;
    case FROM_EXT:
        return info->ext;
    }
    return 0;
}

static reg_t
base_of(vreg_t base)
{
    if (base == MEM_VMCTX)
        return REG_VMCTX;
    if (base == MEM_MEMORY)
        return REG_MEMORY;
    return (reg_t)base;
}

// The memory operand.  rsp-relative ones are addressed from where the
// prologue left rsp.
static void
set_mem(struct fields *f, const struct encoder *e, const struct mins *ins)
{
    static const u32 frame_flags = MINS_FRAME | MINS_ARGS | MINS_OUT;

    f->mem = true;
    f->disp = ins->disp;
    f->index = REG_RSP;
    f->scale = 0;
    if ((ins->flags & MINS_RODATA) != 0) {
        f->rip = true;
        f->rm = 0;
        return;
    }
    if ((ins->flags & frame_flags) != 0) {
        f->rm = REG_RSP;
        if ((ins->flags & MINS_FRAME) != 0)
            f->disp += (i32)e->slots_at;
        if ((ins->flags & MINS_ARGS) != 0)
            f->disp += (i32)e->args_at;
        assert(f->disp >= 0);
        return;
    }
    reg_t base = base_of(ins->base);
    f->no_base = base == REG_NONE;
    f->rm = f->no_base ? 0 : base;
    if (ins->index != REG_NONE) {
        assert(ins->index < REG_XMM0 && ins->index != REG_RSP);
        f->index = ins->index;
        f->scale = ins->scale;
    }
    assert(!f->no_base || f->info->mem == 0); // lea only
    assert(f->no_base || base < REG_XMM0);
    assert(base != REG_RSP || f->disp >= 0);
}

static const u8 imm_sizes[] = {
    [X64_IMM_I8] = 1,  [X64_IMM_I16] = 2, [X64_IMM_I32] = 4, [X64_IMM_S16] = 2,
    [X64_IMM_S32] = 4, [X64_IMM_SH] = 1,  [X64_IMM_I64] = 0,
};

// Choose the size of the immediate, and with it the opcode: the group of S has
// a bit for one byte, that of SH one for a count of 1.
static void
set_imm(struct fields *f, u32 imm)
{
    f->imm = imm;
    f->imm_size = imm_sizes[f->info->imm];
    if ((f->info->imm == X64_IMM_S32 && (i32)imm == (i8)imm) ||
        (f->info->imm == X64_IMM_S16 && (i16)imm == (i8)imm)) {
        f->opcode |= IMM_BYTE;
        f->imm_size = 1;
    } else if (f->info->imm == X64_IMM_SH && imm == 1) {
        f->opcode |= COUNT_ONE;
        f->imm_size = 0;
    }
}

static void
put_rex(struct encoder *e, const struct fields *f)
{
    u32 rex = (u32)f->info->w << 3 | f->reg >> 3 << 2 | f->index >> 3 << 1 |
              f->rm >> 3;

    if ((f->info->flags & LOCKED) != 0)
        put(e, LOCK);
    if (f->info->prefix != 0)
        put(e, f->info->prefix);
    if (rex != 0 || f->byte_regs)
        put(e, REX | rex);
    for (i32 shift = 16; shift >= 0; shift -= 8)
        if (f->opcode >> shift != 0 || shift == 0)
            put(e, f->opcode >> shift);
}

// SDM vol. 2A, 2.3.5.  R, X, B and vvvv are stored inverted; L is 0.
static void
put_vex(struct encoder *e, const struct fields *f)
{
    u32 pp = f->info->prefix == 0x66 ? 1 :
             f->info->prefix == 0xf3 ? 2 :
             f->info->prefix == 0xf2 ? 3 :
                                       0;
    u32 map = f->opcode < 0x10000 ? 1 : f->opcode >> 8 == 0x0f38 ? 2 : 3;
    u32 last = (~f->vvvv & 15) << 3 | pp;

    if (map == 1 && f->info->w == 0 && f->index < 8 && f->rm < 8) {
        put(e, VEX2);
        put(e, (f->reg < 8) << 7 | last);
    } else {
        put(e, VEX3);
        put(e, (u32)(f->reg < 8) << 7 | (u32)(f->index < 8) << 6 |
                   (u32)(f->rm < 8) << 5 | map);
        put(e, (u32)f->info->w << 7 | last);
    }
    put(e, f->opcode);
}

// Two holes in the encoding decide the shape (SDM vol. 2A, 2.1.5): a base of
// RSP or R12 needs a SIB byte, a base of RBP or R13 needs a displacement.
static void
put_mem(struct encoder *e, const struct fields *f)
{
    bool sib = f->index != REG_RSP || (f->rm & 7) == REG_RSP || f->no_base;
    u32 base = f->no_base ? REG_RBP : f->rm & 7;
    u32 mod = 2;

    if (f->no_base || (f->disp == 0 && base != REG_RBP))
        mod = 0;
    else if (f->disp == (i8)f->disp)
        mod = 1;
    put(e, mod << 6 | (f->reg & 7) << 3 | (sib ? REG_RSP : base));
    if (sib)
        put(e, f->scale << 6 | (f->index & 7) << 3 | base);
    if (mod == 1)
        put(e, (u32)f->disp);
    if (mod == 2 || f->no_base)
        put_bytes(e, (u32)f->disp, 4);
}

static void
put_modrm(struct encoder *e, const struct fields *f)
{
    if (f->rip) {
        put(e, (f->reg & 7) << 3 | 5);
        e->rodata_at = e->at;
        put_bytes(e, (u32)f->disp, 4);
    } else if (f->mem) {
        put_mem(e, f);
    } else {
        put(e, 3u << 6 | (f->reg & 7) << 3 | (f->rm & 7));
    }
}

// The upper lanes of a scalar result come from VEX.vvvv: from the source when
// it is a register, so that there is no third dependency.
static u32
merge_source(const struct mins *ins)
{
    return ((ins->flags & MINS_MEM) != 0 ? ins->def : ins->b) & 15;
}

static void
set_registers(struct fields *f, const struct mins *ins, bool vex)
{
    const struct sources *s = &sources[f->info->shape];
    const char *regs = f->info->regs;

    f->reg = operand_of(ins, s->reg, f->info);
    f->byte_regs = regs[0] == 'b' && s->reg != FROM_EXT && f->reg >= REG_RSP;
    if (vex) {
        f->vvvv = operand_of(ins, s->vvvv, f->info);
        if ((f->info->flags & MERGES) != 0)
            f->vvvv = merge_source(ins);
    }
    if ((ins->flags & MINS_MEM) == 0) {
        f->index = 0;
        f->rm = operand_of(ins, s->rm, f->info);
        f->byte_regs |= regs[1] == 'b' && f->rm >= REG_RSP;
    }
}

// A lower number in ModRM.rm makes the VEX prefix shorter.
static void
swap_sources(struct fields *f)
{
    if ((f->info->flags & COMMUTES) != 0 && !f->mem && f->rm >= 8 &&
        f->vvvv < 8) {
        u32 rm = f->rm;
        f->rm = f->vvvv;
        f->vvvv = rm;
    }
}

// One instruction with a ModRM byte.
static void
encode_modrm(struct encoder *e, const struct mins *ins, u32 add_opcode)
{
    const struct x64_info *info = &x64_infos[ins->op];
    bool vex = x64_is_vex(info, e->features);
    struct fields f = {.info = info, .opcode = info->opcode + add_opcode};

    assert(mins_roles(ins, e->features)->def != ROLE_TIED ||
           ins->def == ins->a);
    if ((ins->flags & MINS_MEM) != 0)
        set_mem(&f, e, ins);
    set_registers(&f, ins, vex);
    if (info->imm != X64_IMM_NONE)
        set_imm(&f, ins->imm);
    if (vex) {
        swap_sources(&f);
        put_vex(e, &f);
    } else {
        put_rex(e, &f);
    }
    put_modrm(e, &f);
    put_bytes(e, f.imm, f.imm_size);
}

// A row whose opcode's low bits name a register.  Stack operands have 64 bits
// without a REX.W.
static void
encode_short(struct encoder *e, u32 op, u32 reg)
{
    const struct x64_info *info = x64_info(op);
    u32 rex = (u32)info->w << 3 | reg >> 3;

    if (rex != 0)
        put(e, REX | rex);
    put(e, info->opcode | (reg & 7));
}

// The shortest of three moves.
static void
encode_const(struct encoder *e, const struct mins *ins)
{
    bool wide = (ins->flags & MINS_CONST64) != 0;
    u64 value = wide ? e->wide[ins->imm] : ins->imm;
    struct mins extended = {
        .op = X64_MOV64_S, .def = ins->def, .imm = (u32)value};

    if (value <= UINT32_MAX) {
        encode_short(e, X64_MOV32_I, ins->def & 15);
        put_bytes(e, value, 4);
    } else if ((i64)value == (i32)value) {
        encode_modrm(e, &extended, 0);
    } else {
        encode_short(e, X64_MOV64_I, ins->def & 15);
        put_bytes(e, value, 8);
    }
}

// Prefix and opcode: rows without operands, or what comes before a distance.
static void
encode_plain(struct encoder *e, u32 op, u32 cc)
{
    const struct x64_info *info = x64_info(op);
    struct fields f = {.info = info, .opcode = info->opcode + cc};

    put_rex(e, &f);
}

void
encode_rel(struct encoder *e, u32 op, u32 cc, u32 rel)
{
    encode_plain(e, op, cc);
    put_bytes(e, rel, imm_sizes[x64_info(op)->imm]);
}

u32
encode_rel_size(u32 op)
{
    const struct x64_info *info = x64_info(op);

    return (info->opcode > 0xff ? 2 : 1) + imm_sizes[info->imm];
}

void
encode_ret(struct encoder *e, u32 pop)
{
    assert(pop <= UINT16_MAX);
    if (pop == 0)
        encode_plain(e, X64_RET, 0);
    else
        encode_rel(e, X64_RET_POP, 0, pop);
}

void
encode_fill(const u8 *at, u64 size)
{
    memset((u8 *)at, (int)x64_info(X64_INT3)->opcode, size);
}

void
encode_copy(const u8 *to, const void *from, u64 size)
{
    memcpy((u8 *)to, from, size);
}

void
encode_word(const u8 *at, u32 word)
{
    encode_copy(at, &word, sizeof(word));
}

static void
encode_zero(struct encoder *e, reg_t reg)
{
    struct mins zero = {.op = X64_ZERO32, .def = reg};

    encode_modrm(e, &zero, 0);
}

static void
encode_set(struct encoder *e, const struct mins *ins)
{
    struct mins extend = {.op = X64_MOVZX8, .def = ins->def, .b = ins->def};

    assert(ins->cc <= CC_G);
    encode_modrm(e, ins, ins->cc);
    encode_modrm(e, &extend, 0);
}

// A short jump to a place that land() gives.
static const u8 *
jump(struct encoder *e, u32 cc)
{
    if (cc == CC_ALWAYS)
        encode_rel(e, X64_JMP_SHORT, 0, 0);
    else
        encode_rel(e, X64_JCC_SHORT, cc, 0);
    return e->at;
}

static void
land(struct encoder *e, const u8 *from)
{
    i64 distance = e->at - from;

    assert(distance == (i8)distance);
    if (!e->full)
        ((u8 *)from)[-1] = (u8)distance;
}

void
encode_jump_back(struct encoder *e, u32 cc, const u8 *to)
{
    i64 distance = to - (e->at + 2);

    assert(distance == (i8)distance);
    encode_rel(e, X64_JCC_SHORT, cc, (u32)distance);
}

// Conditional moves; those of two conditions are two, or one jumped over.
static void
encode_cmov(struct encoder *e, const struct mins *ins)
{
    if (ins->cc == CC_FNE) {
        encode_modrm(e, ins, CC_NE);
        encode_modrm(e, ins, CC_P);
    } else if (ins->cc == CC_FEQ) {
        const u8 *skip = jump(e, CC_P);
        encode_modrm(e, ins, CC_E);
        land(e, skip);
    } else {
        encode_modrm(e, ins, ins->cc);
    }
}

// def <- b if cc: there is no cmov for vectors.
static void
encode_select_x(struct encoder *e, const struct mins *ins)
{
    struct mins move = {.op = X64_MOVAPS, .def = ins->def, .b = ins->b};
    const u8 *skip, *other = NULL;

    assert(ins->def == ins->a);
    if (ins->cc == CC_FNE) {
        other = jump(e, CC_NE);
        skip = jump(e, CC_NP);
        land(e, other);
        encode_modrm(e, &move, 0);
    } else if (ins->cc == CC_FEQ) {
        other = jump(e, CC_NE);
        skip = jump(e, CC_P);
        encode_modrm(e, &move, 0);
        land(e, other);
    } else {
        skip = jump(e, ins->cc ^ 1u);
        encode_modrm(e, &move, 0);
    }
    land(e, skip);
}

// The rows that FMIN and FMAX expand to.
static const struct fmin_ops {
    u16 id, compare, differ, equal, unordered;
} fmin_ops[] = {
    {X64_FMIN_SS, X64_UCOMISS, X64_MINSS, X64_ORPS,  X64_ADDSS},
    {X64_FMIN_SD, X64_UCOMISD, X64_MINSD, X64_ORPD,  X64_ADDSD},
    {X64_FMAX_SS, X64_UCOMISS, X64_MAXSS, X64_ANDPS, X64_ADDSS},
    {X64_FMAX_SD, X64_UCOMISD, X64_MAXSD, X64_ANDPD, X64_ADDSD},
};

// Equal operands may differ in the sign of zero; unordered ones give a NaN.
static void
encode_fmin(struct encoder *e, const struct mins *ins)
{
    const struct fmin_ops *ops = fmin_ops;
    struct mins step = *ins;

    while (ops->id != ins->op)
        ops++;
    assert(ins->def == ins->a);
    step.op = ops->compare;
    encode_modrm(e, &step, 0);
    const u8 *differ = jump(e, CC_NE);
    const u8 *unordered = jump(e, CC_P);
    step.op = ops->equal;
    encode_modrm(e, &step, 0);
    const u8 *end = jump(e, CC_ALWAYS);
    land(e, unordered);
    step.op = ops->unordered;
    encode_modrm(e, &step, 0);
    const u8 *end2 = jump(e, CC_ALWAYS);
    land(e, differ);
    step.op = ops->differ;
    encode_modrm(e, &step, 0);
    land(e, end);
    land(e, end2);
}

// rdx is the upper half of the dividend: its sign, or zero.
static void
encode_div(struct encoder *e, const struct mins *ins)
{
    if (ins->op == X64_IDIV32)
        encode_plain(e, X64_CDQ, 0);
    else if (ins->op == X64_IDIV64)
        encode_plain(e, X64_CQO, 0);
    else
        encode_zero(e, REG_RDX);
    e->fault_at = e->at;
    encode_modrm(e, ins, 0);
}

// The rows that RMW_LOOP expands to.
static const struct loop_ops {
    u16 id, load, apply, cmpxchg;
} loop_ops[] = {
    {X64_LOOP_OR8,   X64_MOVZX8,  X64_OR64,  X64_LOCK_CMPXCHG8 },
    {X64_LOOP_OR16,  X64_MOVZX16, X64_OR64,  X64_LOCK_CMPXCHG16},
    {X64_LOOP_OR32,  X64_MOV32,   X64_OR64,  X64_LOCK_CMPXCHG32},
    {X64_LOOP_OR64,  X64_MOV64,   X64_OR64,  X64_LOCK_CMPXCHG64},
    {X64_LOOP_AND8,  X64_MOVZX8,  X64_AND64, X64_LOCK_CMPXCHG8 },
    {X64_LOOP_AND16, X64_MOVZX16, X64_AND64, X64_LOCK_CMPXCHG16},
    {X64_LOOP_AND32, X64_MOV32,   X64_AND64, X64_LOCK_CMPXCHG32},
    {X64_LOOP_AND64, X64_MOV64,   X64_AND64, X64_LOCK_CMPXCHG64},
    {X64_LOOP_XOR8,  X64_MOVZX8,  X64_XOR64, X64_LOCK_CMPXCHG8 },
    {X64_LOOP_XOR16, X64_MOVZX16, X64_XOR64, X64_LOCK_CMPXCHG16},
    {X64_LOOP_XOR32, X64_MOV32,   X64_XOR64, X64_LOCK_CMPXCHG32},
    {X64_LOOP_XOR64, X64_MOV64,   X64_XOR64, X64_LOCK_CMPXCHG64},
};

//     mov rax, [mem]
//     again: mov def2, rax;  op def2, a;  lock cmpxchg [mem], def2;  jne again
static void
encode_rmw_loop(struct encoder *e, const struct mins *ins)
{
    const struct loop_ops *ops = loop_ops;
    struct mins load = *ins, copy = {0}, op = {0}, swap = *ins;

    while (ops->id != ins->op)
        ops++;
    load.op = ops->load;
    copy.op = X64_MOV64;
    copy.def = ins->def2;
    copy.b = ins->def;
    op.op = ops->apply;
    op.def = op.a = ins->def2;
    op.b = ins->a;
    swap.op = ops->cmpxchg;
    swap.a = ins->def2;
    assert(ins->def == REG_RAX && ins->def2 != REG_RAX && ins->a != REG_RAX);

    encode_modrm(e, &load, 0);
    const u8 *again = e->at;
    encode_modrm(e, &copy, 0);
    encode_modrm(e, &op, 0);
    encode_modrm(e, &swap, 0);
    encode_jump_back(e, CC_NE, again);
}

static void
encode_r_rm(struct encoder *e, const struct mins *ins)
{
    switch (ins->op) {
    case X64_CMOV32:
    case X64_CMOV64:
        encode_cmov(e, ins);
        break;
    case X64_SELECT_X:
        encode_select_x(e, ins);
        break;
    case X64_FMIN_SS:
    case X64_FMIN_SD:
    case X64_FMAX_SS:
    case X64_FMAX_SD:
        encode_fmin(e, ins);
        break;
    default:
        encode_modrm(e, ins, 0);
    }
}

void
encode(struct encoder *e, const struct mins *ins)
{
    const struct x64_info *info = x64_info(ins->op);

    e->fault_at = e->at;
    e->rodata_at = NULL;
    switch (info->shape) {
    case SHAPE_NONE:
    case SHAPE_TRAP:
        encode_plain(e, ins->op, 0);
        break;
    case SHAPE_I:
        encode_const(e, ins);
        break;
    case SHAPE_PUSH:
        encode_short(e, ins->op, ins->a & 15);
        break;
    case SHAPE_POP:
        encode_short(e, ins->op, ins->def & 15);
        break;
    case SHAPE_R_RM:
        encode_r_rm(e, ins);
        break;
    case SHAPE_SET:
        encode_set(e, ins);
        break;
    case SHAPE_DIV:
        encode_div(e, ins);
        break;
    case SHAPE_RMW_LOOP:
        encode_rmw_loop(e, ins);
        break;
    default:
        assert(sources[info->shape].reg != FROM_NONE); // else emit's
        encode_modrm(e, ins, 0);
    }
}
