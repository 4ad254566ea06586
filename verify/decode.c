// verify/decode.c: bytes -> one instruction, by the rows of forms.def.
//
//     [lock] [prefix] [REX] opcode [ModRM] [SIB] [disp8 | disp32] [imm]
//                     VEX
//
// An opcode, with its prefix, W and whether ModRM.rm is a register, leads to a
// shape by one look-up, or by two where ModRM.reg belongs to the opcode.  The
// shape has what is the same for all its instructions: it is made from the row
// when this is compiled.  The rest is read from the bytes.  Of what is wrong
// the first among the rules is told.

#include "verify/decode.h"

enum {
    LOOKED_AT =
        24, // bytes: as many as any instruction, and 8 for the last read
    BYTE_IMM = 0x02, // bits of opcodes
    COUNT_ONE = 0x10,
};

enum { NP, P66, PF3, PF2 }; // as in VEX.pp
enum { ENC_L = 1, ENC_V, ENC_B };
enum { MODRM_N, MODRM_M, MODRM_R, MODRM_E };
enum { MEM_0, MEM_1, MEM_2, MEM_4 = 4, MEM_8 = 8, MEM_16 = 16, MEM_V = 255 };
enum { REX_B = 1, REX_X = 2, REX_R = 4 };
enum { OP_PLAIN, OP_DIGIT, OP_REG, OP_CC };

// Its bytes, and in the bits above these: it may have a shorter form.
enum imm {
    IMM_0 = 0,
    IMM_I8 = 1,
    IMM_I16 = 2,
    IMM_I32 = 4,
    IMM_SIZE = 15,
    IMM_I64 = 0x10 | 8,
    IMM_S32 = 0x20 | 4,
    IMM_N32 = 0x30 | 4,
    IMM_SH = 0x40 | 1,
    IMM_POP = 0x50 | 2,
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

// --- shapes ------------------------------------------------------------------

// Where the number of a register is, in fields.numbers.
enum { AT_NONE, AT_REG, AT_VVVV, AT_RM, AT_RAX, AT_RCX, AT_RDX, PLACES };

// What its bytes may be.
enum how {
    USES_B = REX_B, // of REX or VEX, apart from memory operands
    USES_R = REX_R,
    OR_LEGACY = 8,
    OR_VEX = 16,
    OR_PLAIN = 32, // without lock
    OR_LOCK = 64,
    HAS_MODRM = 128,
    HAS_MEM = 256,
    IN_OPCODE = 512, // the register rm
    REG_0 = 1024,    // these are always 0
    RM_0 = 2048,
    REG_BYTE = 4096, // these have 8 bits
    RM_BYTE = 8192,
    NUMBERS = REG_0 | RM_0 | REG_BYTE | RM_BYTE,
    NO_VVVV = 1 << 14,
    NO_ACCESS = 1 << 15, // memory may have no base
    BITS_IMM = 1 << 16,  // the result has the bits of imm,
    BITS_SHR = 1 << 17,  // or fewer by imm,
    IS_XOR = 1 << 18,    // or is 0 if the operands are the same
    VEX_ALIGN = 1 << 19,
    VEX_BMI = 1 << 20, // VEX, but not AVX
};

static const struct shape {
    // The first bytes of struct verify_ins, but for where def, a and b are.
    u16 form;
    u8 length, effect, flags, needs, from, width, bits, access, mem_size;
    u8 def, a, b;

    u8 imm, none;
    u32 how;
} shapes[] = {
    {0}, {0}, {0}, {0}, // of no row
#define IS_GENERAL(wide)   ((wide) != 'x' && (wide) != '-')
#define IS_DEF(op)         ((op) == 'D' || (op) == 'U' || (op) == 'W')
#define IS_A(op)           ((op) == 'A' || (op) == 'U')
#define IS_B(op)           ((op) == 'B')
#define IF(condition, bit) ((condition) ? (bit) : 0)

// The place of the operand that is so.
#define PLACE(is, reg, ops, wide)                               \
    ((reg) && is((ops)[2]) && IS_GENERAL((wide)[1]) ? AT_RM :   \
     is((ops)[0]) && IS_GENERAL((wide)[0])          ? AT_REG :  \
     is((ops)[1]) && IS_GENERAL((wide)[0])          ? AT_VVVV : \
                                                      AT_NONE)

// Bytes, by the letter; and which letter says how wide the effect is.
#define WIDTH(letter, w)          \
    ((letter) == 'b' ? 1 :        \
     (letter) == 'w' ? 2 :        \
     (letter) == 'd' ? 4 :        \
     (letter) == 'q' ? 8 :        \
     (letter) == 'v' ? 4 << (w) : \
     (letter) == 'x' ? 16 :       \
                       0)
#define LETTER(wide) \
    (IS_GENERAL((wide)[0]) || (wide)[1] == '-' ? (wide)[0] : (wide)[1])

#define FLAGS(m, ops, wide, mem, effect, flags)                            \
    (IF(m, VERIFY_MEM) | IF((flags)&WF, VERIFY_WFLAGS) |                   \
     IF((flags)&RF, VERIFY_RFLAGS) |                                       \
     IF(((m) && (mem) != 0) || ((flags)&DIV) || (effect) == EFFECT_TRAP,   \
        VERIFY_FAULTS) |                                                   \
     IF((m) && (mem) != 0 && (ops)[2] == 'A', VERIFY_A_MEM) |              \
     IF((m) && (((flags)&ALIGN) ||                                         \
                ((wide)[0] == 'x' && (mem) == 16 && !((flags)&ANYWHERE))), \
        VERIFY_ALIGNED))
#define NEEDS(flags)                                                 \
    (IF((flags)&AVX2, VERIFY_AVX2) | IF((flags)&BMI1, VERIFY_BMI1) | \
     IF((flags)&BMI2, VERIFY_BMI2) | IF((flags)&LZCNT, VERIFY_LZCNT))
#define FROM(m, ops, imm)                            \
    ((ops)[2] == 'B' ? ((m) ? FROM_MEM : FROM_REG) : \
     (ops)[0] == 'B' ? FROM_REG :                    \
     (imm) != IMM_0  ? FROM_IMM :                    \
                       FROM_NONE)
#define BITS(wide, w, effect, flags)    \
    ((effect) == EFFECT_MERGE    ? 64 : \
     ((flags)&B7)                ? 7 :  \
     ((flags)&B8)                ? 8 :  \
     ((flags)&B16)               ? 16 : \
     WIDTH(LETTER(wide), w) == 4 ? 32 : \
                                   64)
#define ACCESS(op)                              \
    ((op) == 'M' ? ACCESS_READ | ACCESS_WRITE : \
     (op) == 'W' ? ACCESS_WRITE :               \
                   ACCESS_READ)

#define HOW(id, op, enc, n, reg, ops, wide, mem, imm, effect, flags)           \
    (IF((op) == OP_REG || (!(n) && (reg) && (ops)[2] != '0'), USES_B) |        \
     IF(!(n) && (op) != OP_DIGIT && (ops)[0] != '0', USES_R) |                 \
     IF((enc)&ENC_L, OR_LEGACY) | IF((enc)&ENC_V, OR_VEX) |                    \
     IF(!((flags)&LOCK), OR_PLAIN) | IF((flags) & (LOCK | LOCKOK), OR_LOCK) |  \
     IF(!(n), HAS_MODRM) | IF(!(n) && !(reg), HAS_MEM) |                       \
     IF((op) == OP_REG, IN_OPCODE) | IF((ops)[0] == '0', REG_0) |              \
     IF((reg) && (ops)[2] == '0', RM_0) | IF((wide)[0] == 'b', REG_BYTE) |     \
     IF((reg) && (wide)[1] == 'b', RM_BYTE) | IF((ops)[1] == '-', NO_VVVV) |   \
     IF((mem) == 0, NO_ACCESS) |                                               \
     IF((imm) != IMM_0 && ((effect) == EFFECT_COPY || (effect) == EFFECT_AND), \
        BITS_IMM) |                                                            \
     IF((flags)&SHR, BITS_SHR) | IF((id) == FORM_XOR && (reg), IS_XOR) |       \
     IF((flags)&ALIGN, VEX_ALIGN) | IF((flags)&BMI2, VEX_BMI))

#define DEF(id, flags, place) \
    ((id) == FORM_CDQ ? AT_RDX : ((flags)&RAX) ? AT_RAX : (place))

// n: it has no ModRM; m: it has a memory operand.
#define SHAPE(id, op, enc, n, m, w, reg, ops, wide, mem, imm, effect, flags) \
    {id,                                                                     \
     0,                                                                      \
     (m) && (ops)[2] == 'W' && (effect) == EFFECT_ANY ? EFFECT_NONE :        \
                                                        (effect),            \
     FLAGS(m, ops, wide, mem, effect, flags),                                \
     NEEDS(flags),                                                           \
     FROM(m, ops, imm),                                                      \
     WIDTH(LETTER(wide), w),                                                 \
     BITS(wide, w, effect, flags),                                           \
     IF((m) && (mem) != 0, ACCESS((ops)[2])),                                \
     IF(m, (mem) == MEM_V ? 4 << (w) : (mem)),                               \
     DEF(id, flags, PLACE(IS_DEF, reg, ops, wide)),                          \
     ((flags)&RAX) ? AT_RAX : PLACE(IS_A, reg, ops, wide),                   \
     ((flags)&CL) ? AT_RCX : PLACE(IS_B, reg, ops, wide),                    \
     imm,                                                                    \
     0,                                                                      \
     HOW(id, op, enc, n, reg, ops, wide, mem, imm, effect, flags)},
#define SHAPES(id, op, enc, n, ...)                  \
    SHAPE(id, op, enc, n, !(n), 0, (n), __VA_ARGS__) \
    SHAPE(id, op, enc, n, 0, 0, 1, __VA_ARGS__)      \
    SHAPE(id, op, enc, n, !(n), 1, (n), __VA_ARGS__) \
    SHAPE(id, op, enc, n, 0, 1, 1, __VA_ARGS__)
#define FORM(op, id, text, enc, pp, w, mod, opcode, digit, ops, wide, mem,   \
             imm, effect, flags)                                             \
    SHAPES(FORM_##id, OP_##op, ENC_##enc, MODRM_##mod == MODRM_N, ops, wide, \
           MEM_##mem, IMM_##imm, EFFECT_##effect, flags)
#include "verify/forms.def"
};

_Static_assert(offsetof(struct shape, b) == offsetof(struct verify_ins, b) &&
                   offsetof(struct shape, imm) ==
                       offsetof(struct verify_ins, cc),
               "a shape begins as an instruction does");

// --- from opcodes to rows ----------------------------------------------------

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
#define SHAPE_AT(row, w, reg) ((row) << 2 | (w) << 1 | (reg))
#define AT(w, reg, pp, opcode, count, value)                               \
    [INDEX(w, reg, pp, opcode)... INDEX(w, reg, pp, opcode) + (count)-1] = \
        SHAPE_AT(value, w, reg),

// Opcodes that go on in ModRM.reg lead to 8 places of by_digit: their groups,
// which are numbered such that no two are the same.
enum { GROUPS = 32 };
#define GROUP(pp, opcode) ((((opcode) ^ (opcode) >> 4) + (pp)) % GROUPS)
#define LEAD_AS(pp, opcode, as) \
    BOTH_WV(E, AT, pp, opcode, 1, FORM_COUNT + 1 + GROUP(pp, as))
#define LEAD(pp, opcode) LEAD_AS(pp, opcode, opcode)

// By opcode: the shape, or SHAPE_AT(FORM_COUNT + 1 + a group, ...).
#define LISTED_PLAIN(w, mod, pp, opcode, value) \
    BOTH_##w(mod, AT, pp, opcode, 1, value)
#define LISTED_DIGIT(...)
#define LISTED_REG(w, mod, pp, opcode, value) \
    BOTH_##w(mod, AT, pp, opcode, 8, value)
#define LISTED_CC(w, mod, pp, opcode, value) \
    BOTH_##w(mod, AT, pp, opcode, 16, value)
#define FORM(op, id, text, enc, pp, w, mod, opcode, ...) \
    LISTED_##op(w, mod, pp, opcode, FORM_##id + 1)

static const u16 by_opcode[1 << 14] = {
#include "verify/forms.def"
    LEAD(NP, 0x080) LEAD(NP, 0x081) LEAD_AS(NP, 0x083, 0x081) LEAD(NP, 0x0c1)
        LEAD_AS(NP, 0x0d1, 0x0c1) LEAD(NP, 0x0d3) LEAD(NP, 0x0c6)
            LEAD(NP, 0x0c7) LEAD(P66, 0x0c7) LEAD(NP, 0x0f6) LEAD(NP, 0x0f7)
                LEAD(NP, 0x0ff) LEAD(P66, 0x171) LEAD(P66, 0x172)
                    LEAD(P66, 0x173) LEAD(NP, 0x1ae)};

#define DIGIT_AT(w, reg, pp, opcode, digit, value) \
    [GROUP(pp, opcode)][w][reg][digit] = SHAPE_AT(value, w, reg),
#define DIGIT_PLAIN(...)
#define DIGIT_DIGIT(w, mod, ...) BOTH_##w(mod, DIGIT_AT, __VA_ARGS__)
#define DIGIT_REG(...)
#define DIGIT_CC(...)
#define FORM(op, id, text, enc, pp, w, mod, opcode, digit, ...) \
    DIGIT_##op(w, mod, pp, opcode, digit, FORM_##id + 1)

static const u16 by_digit[GROUPS][2][2][8] = {
#include "verify/forms.def"
};

// --- fields ------------------------------------------------------------------

// An instruction on its way in.
struct fields {
    const u8 *at; // next byte
    const struct shape *shape;
    u32 pp, w, opcode; // the opcode with its map, as in forms.def
    u32 rex, used;     // REX_R, REX_X and REX_B: there, and needed
    u8 *numbers;       // of registers: PLACES of them
    u32 needs;         // of enum how
    bool has_rex;
    u32 broken; // rules, bit by number
};

static void
require(struct fields *f, bool holds, enum verify_rule rule)
{
    f->broken |= (u32)!holds << rule;
}

// Of 1 to 8 bytes.
static i64
read_signed(struct fields *f, u32 size)
{
    u32 unused = 64 - 8 * size;
    u64 whole;

    memcpy(&whole, f->at, sizeof(whole));
    f->at += size;
    return (i64)(whole << unused) >> unused;
}

// SDM vol. 2A, 2.3.5.  R, X, B and vvvv are stored inverted; L is 0.
static void
read_vex(struct fields *f)
{
    u32 map = 1, first = *f->at++, bits = *f->at++, last = bits;

    f->needs = OR_VEX | OR_PLAIN;
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
    f->numbers[AT_VVVV] = ~last >> 3 & 15;
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

// The byte behind a lock and the prefix.
static u32
skip_prefix(struct fields *f)
{
    if (*f->at == 0xf0) {
        f->at++;
        f->needs = OR_LEGACY | OR_LOCK;
    }
    u32 byte = *f->at;
    f->pp = byte == 0x66 ? P66 : byte == 0xf3 ? PF3 : byte == 0xf2 ? PF2 : NP;
    return *(f->at += f->pp != NP);
}

static void
read_prefixes(struct fields *f)
{
    enum { OPCODE, REX, PREFIX, VEX };
    static const u8 kinds[256] = {
        [0x40 ... 0x4f] = REX,
        [0x66] = PREFIX,
        [0xc4 ... 0xc5] = VEX,
        [0xf0 ... 0xff] = PREFIX,
    };
    u32 byte = *f->at, kind = kinds[byte];

    if (kind == VEX) {
        read_vex(f);
        return;
    }
    if (kind == PREFIX)
        kind = kinds[byte = skip_prefix(f)];
    if (kind == REX) {
        f->has_rex = true;
        f->rex = byte & 7;
        f->w = byte >> 3 & 1;
        f->at++;
    }
    read_opcode(f);
}

static const struct shape *
find_shape(const struct fields *f)
{
    u32 modrm = *f->at, is_reg = modrm >= 0xc0;
    u32 found = by_opcode[INDEX(f->w, is_reg, f->pp, f->opcode)];

    if (found >= SHAPE_AT(FORM_COUNT + 1, 0, 0))
        found = by_digit[(found >> 2) - FORM_COUNT - 1][f->w][is_reg]
                        [modrm >> 3 & 7];
    return &shapes[found];
}

// --- operands ----------------------------------------------------------------

// Bit 3 of a register, from a bit of REX or VEX.
static u32
bit_3(u32 rex, u32 bit)
{
    return (rex & bit) * (8 / bit);
}

static void
read_disp(struct fields *f, struct verify_ins *ins, u32 mod)
{
    i64 disp = 0;

    if (mod == 1) {
        disp = read_signed(f, 1);
        require(f, disp != 0 || (ins->base & 7) == VERIFY_RBP, RULE_LONG);
    } else if (mod == 2 || ins->base >= VERIFY_NONE) {
        disp = read_signed(f, 4);
        require(f, ins->base >= VERIFY_NONE || disp != (i8)disp, RULE_LONG);
    }
    ins->disp = (i32)disp;
}

static void
read_sib(struct fields *f, struct verify_ins *ins, u32 mod)
{
    u32 sib = *f->at++, base = sib & 7;
    u32 index = (sib >> 3 & 7) | bit_3(f->rex, REX_X);
    bool no_base = base == VERIFY_RBP && mod == 0;

    ins->scale = (u8)(sib >> 6);
    ins->index = index != VERIFY_RSP ? (u8)index : VERIFY_NONE;
    ins->base = no_base ? VERIFY_NONE : (u8)(base | bit_3(f->rex, REX_B));
    f->used |= no_base ? REX_X : REX_X | REX_B;
    require(f, index != VERIFY_RSP || (ins->scale == 0 && base == VERIFY_RSP),
            RULE_LONG);
    require(f, !no_base || (f->shape->how & NO_ACCESS) != 0, RULE_OPERAND);
    require(f, !no_base || ins->scale != 0, RULE_LONG);
}

// What follows a ModRM byte with a memory operand (SDM vol. 2A, 2.1.5).
static void
read_mem(struct fields *f, struct verify_ins *ins, u32 mod, u32 rm)
{
    ins->index = VERIFY_NONE;
    if (rm == VERIFY_RSP) {
        read_sib(f, ins, mod);
    } else if (rm == VERIFY_RBP && mod == 0) {
        ins->base = VERIFY_RIP;
    } else {
        ins->base = (u8)(rm | bit_3(f->rex, REX_B));
        f->used |= REX_B;
    }
    read_disp(f, ins, mod);
}

static void
read_modrm(struct fields *f, struct verify_ins *ins)
{
    u32 byte = *f->at++, rex = f->rex & f->shape->how;

    f->numbers[AT_REG] = (u8)((byte >> 3 & 7) | bit_3(rex, REX_R));
    if ((f->shape->how & HAS_MEM) != 0)
        read_mem(f, ins, byte >> 6, byte & 7);
    else
        f->numbers[AT_RM] = (u8)((byte & 7) | bit_3(rex, REX_B));
}

// Is each bit of REX or VEX there for something?  An empty REX names sil and
// the like, which without one are ah and the like.
static void
check_numbers(struct fields *f)
{
    u32 how = f->shape->how, reg = f->numbers[AT_REG], rm = f->numbers[AT_RM];
    bool names = ((how & REG_BYTE) != 0 && reg >= VERIFY_RSP) ||
                 ((how & RM_BYTE) != 0 && rm >= VERIFY_RSP);

    require(f, (how & REG_0) == 0 || reg == 0, RULE_OPERAND);
    require(f, (how & RM_0) == 0 || rm == 0, RULE_OPERAND);
    require(f, (f->rex & ~f->used) == 0, RULE_PREFIX);
    require(f, !f->has_rex || f->rex != 0 || f->w != 0 || names, RULE_PREFIX);
    require(f, !names || f->has_rex, RULE_OPERAND);
}

// --- immediates --------------------------------------------------------------

// Bytes of an immediate.
static u32
imm_size(const struct fields *f)
{
    u32 kind = f->shape->imm;

    if (kind == IMM_S32 && (f->opcode & BYTE_IMM) != 0)
        return 1;
    return kind == IMM_SH && (f->opcode & COUNT_ONE) != 0 ? 0 : kind & IMM_SIZE;
}

// Is there no shorter way to say the same?
static void
check_imm(struct fields *f, u32 size, i64 imm)
{
    bool is_short = imm == (i8)imm, is_signed = imm == (i32)imm;

    switch (f->shape->imm) {
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
    default: // IMM_POP
        require(f, imm != 0, RULE_LONG);
    }
}

static i64
read_imm(struct fields *f)
{
    u32 kind = f->shape->imm, size = imm_size(f);
    i64 imm = size == 0 ? 1 : read_signed(f, size);

    if (kind == IMM_POP)
        imm &= 0xffff;
    if (kind > IMM_SIZE)
        check_imm(f, size, imm);
    return imm;
}

// --- instructions ------------------------------------------------------------

// How many bits the def has at most, where that is not the same for all.  `xor`
// of a register with itself is the way to make a 0 of 32 bits.
static void
set_bits(struct verify_ins *ins, u32 how)
{
    u64 mask = ins->width == 4 ? UINT32_MAX : UINT64_MAX;

    if ((how & BITS_IMM) != 0) {
        ins->bits = (u8)verify_bits((u64)ins->imm & mask);
    } else if ((how & BITS_SHR) != 0) {
        ins->bits = (u8)(ins->bits - (u32)ins->imm);
    } else if (ins->a == ins->b) {
        ins->effect = EFFECT_COPY;
        ins->from = FROM_IMM;
        ins->a = ins->b = VERIFY_NONE;
        ins->bits = 0;
    }
}

static void
set_prefix(struct fields *f, struct verify_ins *ins)
{
    u32 how = f->shape->how;

    if ((f->needs & OR_LOCK) != 0) {
        ins->flags |= VERIFY_LOCKED;
        return;
    }
    require(f, (how & NO_VVVV) == 0 || ins->vvvv == 0, RULE_PREFIX);
    if ((how & VEX_ALIGN) == 0)
        ins->flags &= (u8)~VERIFY_ALIGNED;
    if ((how & VEX_BMI) == 0)
        ins->needs |= VERIFY_AVX;
    ins->flags |= VERIFY_VEX;
}

// All that the bytes say is read.
static void
finish(struct fields *f, struct verify_ins *ins)
{
    u32 how = f->shape->how;

    ins->def = f->numbers[ins->def];
    ins->a = f->numbers[ins->a];
    ins->b = f->numbers[ins->b];
    memcpy(&ins->reg, &f->numbers[AT_REG], 3);
    if (f->needs != (OR_LEGACY | OR_PLAIN))
        set_prefix(f, ins);
    if ((how & (BITS_IMM | BITS_SHR | IS_XOR)) != 0)
        set_bits(ins, how);
}

enum verify_rule
verify_decode(struct verify_ins *ins, const u8 *at, const u8 *end)
{
    u8 numbers[PLACES] = {
        [AT_NONE] = VERIFY_NONE, [AT_REG] = VERIFY_NONE, [AT_RM] = VERIFY_NONE,
        [AT_RCX] = VERIFY_RCX,   [AT_RDX] = VERIFY_RDX,
    };
    struct fields f = {.needs = OR_LEGACY | OR_PLAIN, .numbers = numbers};
    u8 copy[LOOKED_AT];
    u64 left = (u64)(end - at);

    if (left < LOOKED_AT) {
        memset(copy, 0, sizeof(copy)); // behind the end
        at = memcpy(copy, at, left);
    }
    f.at = at;
    read_prefixes(&f);
    const struct shape *shape = f.shape = find_shape(&f);
    u32 how = shape->how, missing = f.needs & ~how;
    if (missing != 0)
        return (missing & (OR_LEGACY | OR_VEX)) != 0 ? RULE_OPCODE :
                                                       RULE_PREFIX;
    memcpy(ins, shape, offsetof(struct verify_ins, cc));
    ins->cc = f.opcode & 15;
    ins->scale = 0;
    ins->imm = 0;
    f.used = how & (REX_R | REX_B);
    if ((how & IN_OPCODE) != 0)
        f.numbers[AT_RM] = (u8)((f.opcode & 7) | bit_3(f.rex, REX_B));
    else if ((how & HAS_MODRM) != 0)
        read_modrm(&f, ins);
    if (f.has_rex || f.rex != 0 || (how & NUMBERS) != 0)
        check_numbers(&f);
    if (shape->imm != IMM_0)
        ins->imm = read_imm(&f);
    finish(&f, ins);
    ins->length = (u8)(f.at - at);
    if (f.broken != 0)
        return (enum verify_rule)__builtin_ctz(f.broken);
    return ins->length > left ? RULE_CUT : RULE_OK;
}

const char *
verify_form_text(u32 form)
{
    static const char *const texts[] = {
#define FORM(op, id, text, ...) text,
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
