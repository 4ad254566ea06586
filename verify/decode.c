// verify/decode.c: bytes -> one instruction, by the rows of forms.def.
//
//     [lock] [prefix] [REX] opcode [ModRM] [SIB] [disp8 | disp32] [imm]
//                     VEX
//
// The first thing that is wrong sticks; what is read after it does not matter.
// An opcode, with its prefix, W and whether ModRM.rm is a register, leads to a
// row by one look-up, or by two where ModRM.reg belongs to the opcode.

#include "verify/decode.h"

enum { LONGEST = 16, BYTE_IMM = 0x02, COUNT_ONE = 0x10 }; // bits of opcodes

enum { NP, P66, PF3, PF2 }; // as in VEX.pp
enum { ENC_L = 1, ENC_V, ENC_B };
enum { MODRM_N, MODRM_M, MODRM_R, MODRM_E };
enum {
    MEM_0,
    MEM_1,
    MEM_2,
    MEM_4 = 4,
    MEM_8 = 8,
    MEM_16 = 16,
    MEM_V = 255, // by W
};
enum { REX_B = 1, REX_X = 2, REX_R = 4, REX_W = 8 };

enum imm {
    IMM_0,
    IMM_I8,
    IMM_I16,
    IMM_I32,
    IMM_I64,
    IMM_S32,
    IMM_N32,
    IMM_SH,
    IMM_R8,
    IMM_R32,
    IMM_POP,
};

enum row_flag {
    WF = 1,
    RF = 2,
    LOCK = 4,
    LOCKOK = 8,
    CL = 16,
    RAX = 32,
    B7 = 64,
    B8 = 128,
    B16 = 256,
    SHR = 512,
    ALIGN = 1024,
    ANYWHERE = 2048,
    DIV = 4096,
    BMI1 = 1 << 13,
    BMI2 = 1 << 14,
    AVX2 = 1 << 15,
    LZCNT = 1 << 16,
};

enum { OP_PLAIN, OP_DIGIT, OP_REG, OP_CC }; // which macro the row has

static const struct row {
    char ops[4], wide[3];
    u8 enc, mem, imm, effect, op;
    bool has_modrm;
    u32 flags;
} rows[] = {
#define ROW(op, mod, enc, ops, wide, mem, imm, effect, flags) \
    {ops,       wide,                                         \
     ENC_##enc, MEM_##mem,                                    \
     IMM_##imm, EFFECT_##effect,                              \
     OP_##op,   MODRM_##mod != MODRM_N,                       \
     flags},
#define FORM(id, text, enc, pp, w, mod, opcode, digit, ops, wide, mem, imm, \
             effect, flags)                                                 \
    ROW(PLAIN, mod, enc, ops, wide, mem, imm, effect, flags)
#define DIGIT(id, text, enc, pp, w, mod, opcode, digit, ops, wide, mem, imm, \
              effect, flags)                                                 \
    ROW(DIGIT, mod, enc, ops, wide, mem, imm, effect, flags)
#define OPREG(id, text, enc, pp, w, mod, opcode, digit, ops, wide, mem, imm, \
              effect, flags)                                                 \
    ROW(REG, mod, enc, ops, wide, mem, imm, effect, flags)
#define OPCC(id, text, enc, pp, w, mod, opcode, digit, ops, wide, mem, imm, \
             effect, flags)                                                 \
    ROW(CC, mod, enc, ops, wide, mem, imm, effect, flags)
#include "verify/forms.def"
};

// --- from opcodes to rows --------------------------------------------------

// Opcodes that go on in ModRM.reg.
enum group {
    GROUP_80,
    GROUP_81,
    GROUP_C1,
    GROUP_D3,
    GROUP_C6,
    GROUP_C7,
    GROUP_C7_16,
    GROUP_F6,
    GROUP_F7,
    GROUP_FF,
    GROUP_PSRLW,
    GROUP_PSRLD,
    GROUP_PSRLQ,
    GROUP_FENCE,
    GROUP_COUNT
};

#define GROUP_OF(pp, opcode)                        \
    ((opcode) == 0x080 ? GROUP_80 :                 \
     (opcode) == 0x081 ? GROUP_81 :                 \
     (opcode) == 0x0c1 ? GROUP_C1 :                 \
     (opcode) == 0x0d3 ? GROUP_D3 :                 \
     (opcode) == 0x0c6 ? GROUP_C6 :                 \
     (opcode) == 0x0c7 ? GROUP_C7 + ((pp) == P66) : \
     (opcode) == 0x0f6 ? GROUP_F6 :                 \
     (opcode) == 0x0f7 ? GROUP_F7 :                 \
     (opcode) == 0x0ff ? GROUP_FF :                 \
     (opcode) == 0x171 ? GROUP_PSRLW :              \
     (opcode) == 0x172 ? GROUP_PSRLD :              \
     (opcode) == 0x173 ? GROUP_PSRLQ :              \
                         GROUP_FENCE)

// What the macros below fill, by the columns mod and w of a row.
#define MOD_M(at, w, ...)     at(w, 0, __VA_ARGS__)
#define MOD_R(at, w, ...)     at(w, 1, __VA_ARGS__)
#define MOD_E(at, w, ...)     at(w, 0, __VA_ARGS__) at(w, 1, __VA_ARGS__)
#define MOD_N                 MOD_E
#define BOTH_W0(mod, at, ...) MOD_##mod(at, 0, __VA_ARGS__)
#define BOTH_W1(mod, at, ...) MOD_##mod(at, 1, __VA_ARGS__)
#define BOTH_WV(mod, at, ...) \
    MOD_##mod(at, 0, __VA_ARGS__) MOD_##mod(at, 1, __VA_ARGS__)

#define INDEX(w, reg, pp, opcode) \
    ((pp) << 12 | (w) << 11 | (reg) << 10 | (opcode))
#define AT(w, reg, pp, opcode, count, value)                               \
    [INDEX(w, reg, pp, opcode)... INDEX(w, reg, pp, opcode) + (count)-1] = \
        (value),
#define LEAD(pp, opcode, group) \
    BOTH_WV(E, AT, pp, opcode, 1, FORM_COUNT + 1 + (group))

// 0, or 1 + the row, or that of FORM_COUNT + a group.
static const u16 by_opcode[1 << 14] = {
#define FORM(id, text, enc, pp, w, mod, opcode, digit, ops, wide, mem, imm, \
             effect, flags)                                                 \
    BOTH_##w(mod, AT, pp, opcode, 1, FORM_##id + 1)
#define DIGIT(id, text, enc, pp, w, mod, opcode, digit, ops, wide, mem, imm, \
              effect, flags)
#define OPREG(id, text, enc, pp, w, mod, opcode, digit, ops, wide, mem, imm, \
              effect, flags)                                                 \
    BOTH_##w(mod, AT, pp, opcode, 8, FORM_##id + 1)
#define OPCC(id, text, enc, pp, w, mod, opcode, digit, ops, wide, mem, imm, \
             effect, flags)                                                 \
    BOTH_##w(mod, AT, pp, opcode, 16, FORM_##id + 1)
#include "verify/forms.def"
    LEAD(NP, 0x080, GROUP_80) LEAD(NP, 0x081, GROUP_81)
        LEAD(NP, 0x083, GROUP_81) LEAD(NP, 0x0c1, GROUP_C1)
            LEAD(NP, 0x0d1, GROUP_C1) LEAD(NP, 0x0d3, GROUP_D3)
                LEAD(NP, 0x0c6, GROUP_C6) LEAD(NP, 0x0c7, GROUP_C7)
                    LEAD(P66, 0x0c7, GROUP_C7_16) LEAD(NP, 0x0f6, GROUP_F6)
                        LEAD(NP, 0x0f7, GROUP_F7) LEAD(NP, 0x0ff, GROUP_FF)
                            LEAD(P66, 0x171, GROUP_PSRLW)
                                LEAD(P66, 0x172, GROUP_PSRLD)
                                    LEAD(P66, 0x173, GROUP_PSRLQ)
                                        LEAD(NP, 0x1ae, GROUP_FENCE)};

#define AT_DIGIT(w, reg, group, digit, value) [group][w][reg][digit] = (value),

static const u16 by_digit[GROUP_COUNT][2][2][8] = {
#define FORM(id, text, enc, pp, w, mod, opcode, digit, ops, wide, mem, imm, \
             effect, flags)
#define DIGIT(id, text, enc, pp, w, mod, opcode, digit, ops, wide, mem, imm, \
              effect, flags)                                                 \
    BOTH_##w(mod, AT_DIGIT, GROUP_OF(pp, opcode), digit, FORM_##id + 1)
#define OPREG FORM
#define OPCC  FORM
#include "verify/forms.def"
};

// --- fields ----------------------------------------------------------------

// An instruction on its way in.
struct fields {
    const u8 *at; // next byte
    const struct row *row;
    u32 pp, w, opcode; // the opcode with its map, as in forms.def
    u32 rex, used;     // REX_R, REX_X and REX_B: there, and needed
    u32 vvvv;
    u32 mod, reg, rm;
    bool is_lock, is_vex, has_rex;
    enum verify_rule rule;
};

static void
refuse(struct fields *f, enum verify_rule rule)
{
    if (f->rule == RULE_OK)
        f->rule = rule;
}

static void
require(struct fields *f, bool holds, enum verify_rule rule)
{
    if (!holds)
        refuse(f, rule);
}

// The bit of REX or VEX as bit 3 of a register.
static u32
high_bit(struct fields *f, u32 bit)
{
    f->used |= bit;
    return (f->rex & bit) != 0 ? 8 : 0;
}

static i64
read_signed(struct fields *f, u32 size)
{
    u64 value = 0;

    memcpy(&value, f->at, size);
    f->at += size;
    return (i64)(value << (64 - 8 * size)) >> (64 - 8 * size);
}

// SDM vol. 2A, 2.3.5.  R, X, B and vvvv are stored inverted; L is 0.
static void
read_vex(struct fields *f)
{
    u32 map = 1, first = *f->at++, bits = *f->at++, last = bits;

    f->is_vex = true;
    f->rex = (bits & 0x80) == 0 ? REX_R : 0;
    if (first == 0xc4) {
        last = *f->at++;
        f->rex = ~bits >> 5 & 7;
        f->w = last >> 7;
        map = bits & 31;
        require(f, map != 1 || f->w != 0 || (f->rex & (REX_X | REX_B)) != 0,
                RULE_LONG);
        require(f, map >= 1 && map <= 3, RULE_OPCODE);
    }
    require(f, (last & 4) == 0, RULE_OPERAND);
    f->vvvv = ~last >> 3 & 15;
    f->pp = last & 3;
    f->opcode = (map & 3) << 8 | *f->at++;
}

static void
read_opcode(struct fields *f)
{
    u32 map = 0;

    if (*f->at == 0x0f) {
        map = 1;
        f->at++;
        if (*f->at == 0x38 || *f->at == 0x3a)
            map = *f->at++ == 0x38 ? 2 : 3;
    }
    f->opcode = map << 8 | *f->at++;
}

static void
read_prefixes(struct fields *f)
{
    u8 byte = *f->at;

    if (byte == 0xc4 || byte == 0xc5) {
        read_vex(f);
        return;
    }
    f->is_lock = byte == 0xf0;
    byte = *(f->at += f->is_lock);
    f->pp = byte == 0x66 ? P66 : byte == 0xf3 ? PF3 : byte == 0xf2 ? PF2 : NP;
    byte = *(f->at += f->pp != NP);
    f->has_rex = byte >> 4 == 4;
    f->at += f->has_rex;
    f->rex = f->has_rex ? byte & 7 : 0;
    f->w = f->has_rex ? byte >> 3 & 1 : 0;
    read_opcode(f);
}

// The row, or NULL.
static const struct row *
find_row(const struct fields *f)
{
    bool is_reg = *f->at >= 0xc0;
    u32 found = by_opcode[INDEX(f->w, is_reg, f->pp, f->opcode)];

    if (found > FORM_COUNT)
        found = by_digit[found - FORM_COUNT - 1][f->w][is_reg][*f->at >> 3 & 7];
    return found == 0 ? NULL : &rows[found - 1];
}

// --- operands --------------------------------------------------------------

// Bytes of an operand: 0 for none.
static u32
width_of(char wide, u32 w)
{
    switch (wide) {
    case 'b':
        return 1;
    case 'w':
        return 2;
    case 'd':
        return 4;
    case 'q':
        return 8;
    case 'v':
        return 4u << w;
    case 'x':
        return 16;
    }
    return 0;
}

// A general register in the place of an operand.
static void
take_general(struct fields *f, struct verify_ins *ins, char op, u32 number,
             char wide)
{
    if (wide == 'b' && number >= VERIFY_RSP && number < 8)
        require(f, f->has_rex, RULE_OPERAND); // ah ch dh bh
    if (op == 'D' || op == 'U' || op == 'W')
        ins->def = (u8)number;
    if (op == 'A' || op == 'U')
        ins->a = (u8)number;
    if (op == 'B')
        ins->b = (u8)number;
}

static void
take(struct fields *f, struct verify_ins *ins, char op, u32 number, char wide)
{
    if (wide != 'x' && wide != '-')
        take_general(f, ins, op, number, wide);
}

static void
read_disp(struct fields *f, struct verify_ins *ins)
{
    i64 disp = 0;

    if (f->mod == 1) {
        disp = read_signed(f, 1);
        require(f, disp != 0 || (ins->base & 7) == VERIFY_RBP, RULE_LONG);
    } else if (f->mod == 2 || ins->base >= VERIFY_NONE) {
        disp = read_signed(f, 4);
        require(f, ins->base >= VERIFY_NONE || disp != (i8)disp, RULE_LONG);
    }
    ins->disp = (i32)disp;
}

// What follows a ModRM byte with a memory operand (SDM vol. 2A, 2.1.5).
static void
read_mem(struct fields *f, struct verify_ins *ins)
{
    ins->index = VERIFY_NONE;
    ins->scale = 0;
    if (f->rm == VERIFY_RSP) {
        u32 sib = *f->at++, index = (sib >> 3 & 7) | high_bit(f, REX_X);
        bool no_base = (sib & 7) == VERIFY_RBP && f->mod == 0;

        ins->scale = (u8)(sib >> 6);
        if (index != VERIFY_RSP)
            ins->index = (u8)index;
        else
            require(f, ins->scale == 0 && (sib & 7) == VERIFY_RSP, RULE_LONG);
        ins->base =
            no_base ? VERIFY_NONE : (u8)((sib & 7) | high_bit(f, REX_B));
        require(f, !no_base || f->row->mem == MEM_0, RULE_OPERAND);
    } else if (f->rm == VERIFY_RBP && f->mod == 0) {
        ins->base = VERIFY_RIP;
    } else {
        ins->base = (u8)(f->rm | high_bit(f, REX_B));
    }
    read_disp(f, ins);
}

static void
set_memory(struct fields *f, struct verify_ins *ins)
{
    const struct row *row = f->row;
    char op = row->ops[2];
    bool of_vectors = row->wide[0] == 'x' && row->mem == MEM_16;

    read_mem(f, ins);
    ins->flags |= VERIFY_MEM;
    ins->mem_size = (u8)(row->mem == MEM_V ? 4 << f->w : row->mem);
    if (row->mem == MEM_0)
        return;
    ins->access = op == 'M' ? ACCESS_READ | ACCESS_WRITE :
                  op == 'W' ? ACCESS_WRITE :
                              ACCESS_READ;
    ins->flags |= VERIFY_FAULTS;
    if (op == 'A')
        ins->flags |= VERIFY_A_MEM;
    if ((row->flags & ALIGN) != 0 ||
        (of_vectors && !f->is_vex && (row->flags & ANYWHERE) == 0))
        ins->flags |= VERIFY_ALIGNED;
}

static void
read_modrm(struct fields *f, struct verify_ins *ins)
{
    const struct row *row = f->row;
    u32 byte = *f->at++;

    f->mod = byte >> 6;
    f->reg = byte >> 3 & 7;
    f->rm = byte & 7;
    if (row->op != OP_DIGIT && row->ops[0] != '0')
        f->reg |= high_bit(f, REX_R);
    require(f, row->ops[0] != '0' || f->reg == 0, RULE_OPERAND);
    ins->reg = (u8)f->reg;
    if (row->op != OP_DIGIT)
        take(f, ins, row->ops[0], f->reg, row->wide[0]);
    if (f->mod < 3) {
        set_memory(f, ins);
        return;
    }
    if (row->ops[2] == '0')
        require(f, f->rm == 0, RULE_OPERAND);
    else
        f->rm |= high_bit(f, REX_B);
    ins->rm = (u8)f->rm;
    take(f, ins, row->ops[2], f->rm, row->wide[1]);
}

// --- immediates and effects ------------------------------------------------

// Bytes of an immediate.
static u32
imm_size(const struct fields *f)
{
    switch (f->row->imm) {
    case IMM_I8:
    case IMM_R8:
        return 1;
    case IMM_I16:
    case IMM_POP:
        return 2;
    case IMM_I32:
    case IMM_N32:
    case IMM_R32:
        return 4;
    case IMM_I64:
        return 8;
    case IMM_S32:
        return (f->opcode & BYTE_IMM) != 0 ? 1 : 4;
    case IMM_SH:
        return (f->opcode & COUNT_ONE) != 0 ? 0 : 1;
    }
    return 0;
}

// Is there no shorter way to say the same?
static void
check_imm(struct fields *f, u32 size, i64 imm)
{
    bool is_short = imm == (i8)imm, is_signed = imm == (i32)imm;

    switch (f->row->imm) {
    case IMM_S32:
        require(f, size == 1 || !is_short, RULE_LONG);
        break;
    case IMM_N32:
        require(f, imm < 0, RULE_LONG);
        break;
    case IMM_I64:
        require(f, !is_signed && imm >> 32 != 0, RULE_LONG);
        break;
    case IMM_SH:
        require(f, imm >= 0 && imm < 32 << f->w, RULE_OPERAND);
        require(f, size == 0 || imm != 1, RULE_LONG);
        break;
    case IMM_POP:
        require(f, imm != 0, RULE_LONG);
        break;
    }
}

static void
read_imm(struct fields *f, struct verify_ins *ins)
{
    u32 size = imm_size(f);

    ins->imm = f->row->imm == IMM_SH ? 1 : 0;
    if (size > 0)
        ins->imm = read_signed(f, size);
    if (f->row->imm == IMM_POP)
        ins->imm &= 0xffff;
    check_imm(f, size, ins->imm);
}

static u32
bits_of(u64 value)
{
    return value == 0 ? 0 : 64 - (u32)__builtin_clzll(value);
}

// How many bits the def has at most.
static u32
result_bits(const struct verify_ins *ins, u32 flags)
{
    u64 mask = ins->width == 4 ? UINT32_MAX : UINT64_MAX;

    if (ins->effect == EFFECT_MERGE)
        return 64;
    if (ins->from == FROM_IMM &&
        (ins->effect == EFFECT_COPY || ins->effect == EFFECT_AND))
        return bits_of((u64)ins->imm & mask);
    if ((flags & (B7 | B8 | B16)) != 0)
        return (flags & B7) != 0 ? 7 : (flags & B8) != 0 ? 8 : 16;
    return bits_of(mask) - ((flags & SHR) != 0 ? (u32)ins->imm : 0);
}

static u32
effect_width(const struct row *row, u32 w)
{
    char wide = row->wide[0] == 'x' || row->wide[0] == '-' ? row->wide[1] :
                                                             row->wide[0];

    return wide == '-' ? width_of(row->wide[0], w) : width_of(wide, w);
}

static u32
source_of(const struct fields *f, const struct verify_ins *ins)
{
    const struct row *row = f->row;

    if (row->ops[2] == 'B')
        return (ins->flags & VERIFY_MEM) != 0 ? FROM_MEM : FROM_REG;
    if (row->ops[0] == 'B')
        return FROM_REG;
    return row->imm != IMM_0 ? FROM_IMM : FROM_NONE;
}

// Is it the way to make a 0 of 32 bits?
static bool
is_zero(const struct fields *f, const struct verify_ins *ins)
{
    return f->row == &rows[FORM_XOR] && ins->a == ins->b;
}

static void
set_effect(struct fields *f, struct verify_ins *ins)
{
    const struct row *row = f->row;

    ins->form = (u16)(row - rows);
    ins->effect = row->effect;
    ins->width = (u8)effect_width(row, f->w);
    ins->from = (u8)source_of(f, ins);
    if ((row->flags & RAX) != 0)
        ins->def = ins->a = VERIFY_RAX;
    if (f->row == &rows[FORM_CDQ])
        ins->def = VERIFY_RDX;
    if ((row->flags & CL) != 0)
        ins->b = VERIFY_RCX;
    if (row->ops[2] == 'W' && (ins->flags & VERIFY_MEM) != 0 &&
        row->effect == EFFECT_ANY)
        ins->effect = EFFECT_NONE; // of a vector
    if (is_zero(f, ins)) {
        ins->effect = EFFECT_COPY;
        ins->from = FROM_IMM;
        ins->a = ins->b = VERIFY_NONE;
    }
    ins->bits = (u8)result_bits(ins, row->flags);
}

static void
set_flags(struct fields *f, struct verify_ins *ins)
{
    u32 flags = f->row->flags;

    if ((flags & WF) != 0)
        ins->flags |= VERIFY_WFLAGS;
    if ((flags & RF) != 0)
        ins->flags |= VERIFY_RFLAGS;
    if ((flags & DIV) != 0 || f->row->effect == EFFECT_TRAP)
        ins->flags |= VERIFY_FAULTS;
    if (f->is_lock)
        ins->flags |= VERIFY_LOCKED;
    if (f->is_vex)
        ins->flags |= VERIFY_VEX;
    ins->needs = (u8)(((flags & AVX2) != 0 ? VERIFY_AVX2 : 0) |
                      ((flags & BMI1) != 0 ? VERIFY_BMI1 : 0) |
                      ((flags & BMI2) != 0 ? VERIFY_BMI2 : 0) |
                      ((flags & LZCNT) != 0 ? VERIFY_LZCNT : 0));
    if (f->is_vex && (flags & BMI2) == 0)
        ins->needs |= VERIFY_AVX;
}

static void
check_prefixes(struct fields *f)
{
    u32 enc = f->row->enc, locks = f->row->flags & (LOCK | LOCKOK);

    require(f, enc == ENC_B || (enc == ENC_V) == f->is_vex, RULE_OPCODE);
    require(f, locks == LOCKOK || (locks == LOCK) == f->is_lock, RULE_PREFIX);
    require(f, f->row->ops[1] != '-' || f->vvvv == 0, RULE_PREFIX);
}

// Is each bit of REX or VEX there for something?  An empty REX names sil and
// the like.
static void
check_rex(struct fields *f)
{
    const char *wide = f->row->wide;
    bool names = (wide[0] == 'b' && f->reg >= VERIFY_RSP) ||
                 (wide[1] == 'b' && f->mod == 3 && f->rm >= VERIFY_RSP);

    require(f, (f->rex & ~f->used) == 0, RULE_PREFIX);
    require(f, !f->has_rex || f->rex != 0 || f->w != 0 || names, RULE_PREFIX);
}

static void
decode(struct fields *f, struct verify_ins *ins)
{
    read_prefixes(f);
    f->row = find_row(f);
    if (f->row == NULL)
        refuse(f, RULE_OPCODE);
    if (f->rule != RULE_OK)
        return;
    check_prefixes(f);
    ins->flags = ins->access = ins->mem_size = 0;
    ins->def = ins->a = ins->b = VERIFY_NONE;
    ins->reg = ins->rm = VERIFY_NONE;
    ins->vvvv = (u8)f->vvvv;
    ins->cc = f->opcode & 15;
    if (f->row->op == OP_REG) {
        f->rm = (f->opcode & 7) | high_bit(f, REX_B);
        ins->rm = (u8)f->rm;
        take(f, ins, f->row->ops[2], f->rm, f->row->wide[1]);
    }
    if (f->row->has_modrm)
        read_modrm(f, ins);
    take(f, ins, f->row->ops[1], f->vvvv, f->row->wide[0]);
    read_imm(f, ins);
    check_rex(f);
    set_effect(f, ins);
    set_flags(f, ins);
}

enum verify_rule
verify_decode(struct verify_ins *ins, const u8 *at, const u8 *end)
{
    u64 left = (u64)(end - at);
    u8 copy[LONGEST] = {0};
    struct fields f = {.at = at};

    if (left < LONGEST) {
        memcpy(copy, at, left);
        f.at = copy;
    }
    const u8 *start = f.at;
    decode(&f, ins);
    ins->length = (u8)(f.at - start);
    require(&f, ins->length <= left, RULE_CUT);
    return f.rule;
}

const char *
verify_form_text(u32 form)
{
    static const char *const texts[] = {
#define FORM(id, text, enc, pp, w, mod, opcode, digit, ops, wide, mem, imm, \
             effect, flags)                                                 \
    text,
#include "verify/forms.def"
    };

    assert(form < COUNT(texts));
    return texts[form];
}

const char *
verify_rule_text(u32 rule)
{
    static const char *const texts[] = {
#define RULE(id, text) text,
#include "verify/rules.def"
    };

    assert(rule < COUNT(texts));
    return texts[rule];
}
