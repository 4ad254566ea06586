// make/prove.c: samples of every form of verify/forms.def for make/prove.py:
// the bytes, what the decoder of verify/ says of them, and the operands that
// Zydis, which somebody else wrote, sees in them.
//
// First the names of all forms.  Then a line of each sample, with tabs between:
// form, bytes, then NAME=VALUE of the decoder, a bar, the mnemonic and the
// operands of Zydis: r:NUMBER:BITS (x: of vectors), i:VALUE,
// m:BASE:INDEX:SCALE:DISP:BITS; with "w" where it is written.

#include "verify/decode.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <string.h>

enum { SAMPLES = 8, ROUNDS = 40, ROOM = 32 };

static u8 counts[FORM_COUNT][2][2][2]; // VEX, W, memory
static u64 state = 88172645463325252;

static u32
any(u32 below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (u32)(state >> 20) % below;
}

static const char *const names[] = {
#define FORM(op, id, ...) #id,
#include "verify/forms.def"
};

static const char *
effect_name(u32 effect)
{
    static const char *const effects[] = {
        "NONE",     "COPY",    "ADDRESS", "ADD",      "SUB",      "AND",
        "SELECT",   "EXTEND",  "ANY",     "MERGE",    "TWO",      "SWAP",
        "STORE",    "COMPARE", "TEST",    "PUSH",     "POP",      "CALL",
        "CALL_MEM", "JUMP",    "JCC",     "JUMP_MEM", "JUMP_REG", "RETURN",
        "TRAP",     "FILL",
    };

    _Static_assert(COUNT(effects) == EFFECT_FILL + 1, "all of them");
    return effects[effect];
}

static void
print_ours(const struct verify_ins *ins, const u8 *bytes)
{
    static const char *const froms[] = {"NONE", "REG", "MEM", "IMM"};

    printf("%s\t", names[ins->form]);
    for (u32 i = 0; i < ins->length; i++)
        printf("%02x", bytes[i]);
    printf("\teffect=%s\tfrom=%s\twidth=%u\tbits=%u\tdef=%u\ta=%u\tb=%u\tcc=%u"
           "\taccess=%u\tflags=%u\timm=%lld",
           effect_name(ins->effect), froms[ins->from], ins->width, ins->bits,
           ins->def, ins->a, ins->b, ins->cc, ins->access, ins->flags,
           (long long)ins->imm);
    if ((ins->flags & VERIFY_MEM) != 0)
        printf("\tbase=%u\tindex=%u\tscale=%u\tdisp=%d\tmem_size=%u", ins->base,
               ins->index, ins->scale, ins->disp, ins->mem_size);
}

static u32
number_of(ZydisRegister reg)
{
    if (reg == ZYDIS_REGISTER_RIP)
        return VERIFY_RIP;
    reg = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);
    return reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15 ?
               reg - ZYDIS_REGISTER_RAX :
               VERIFY_NONE;
}

static void
print_operand(const ZydisDecodedOperand *op)
{
    bool written = (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
    const char *mark = written ? "w" : "";

    switch (op->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        if (number_of(op->reg.value) == VERIFY_NONE)
            printf("\tx%s", mark);
        else
            printf("\tr%s:%u:%u", mark, number_of(op->reg.value), op->size);
        break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        printf("\tm%s:%u:%u:%u:%lld:%u", mark, number_of(op->mem.base),
               number_of(op->mem.index), op->mem.scale,
               (long long)op->mem.disp.value, op->size);
        break;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        printf("\ti:%lld", (long long)op->imm.value.s);
        break;
    default:
        break;
    }
}

static void
print_zydis(const u8 *bytes, u32 length)
{
    ZydisDecoder decoder;
    ZydisDecodedInstruction ins;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];

    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
                     ZYDIS_STACK_WIDTH_64);
    if (!ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&decoder, bytes, length, &ins, ops))) {
        printf("\t|\tnothing\n");
        return;
    }
    printf("\t|\t%s", ZydisMnemonicGetString(ins.mnemonic));
    for (u32 i = 0; i < ins.operand_count_visible; i++)
        print_operand(&ops[i]);
    printf("\n");
}

static void
sample(const u8 *bytes, bool w)
{
    struct verify_ins ins;

    if (verify_decode(&ins, bytes, bytes + ROOM) != RULE_OK)
        return;
    u8 *count = &counts[ins.form][(ins.flags & VERIFY_VEX) != 0][w]
                       [(ins.flags & VERIFY_MEM) != 0];
    if (*count == SAMPLES)
        return;
    (*count)++;
    print_ours(&ins, bytes);
    print_zydis(bytes, ins.length);
}

// ModRM and what follows, from `at` on; then take it.
static void
finish(u8 *bytes, u32 at, bool w)
{
    static const u8 edges[] = {0x00, 0x01, 0x7f, 0x80, 0xf0, 0xff};

    for (u32 i = at; i < ROOM; i++)
        bytes[i] = any(3) == 0 ? edges[any(COUNT(edges))] : (u8)any(256);
    if (any(2) == 0)
        bytes[at] |= 0xc0;
    sample(bytes, w);
}

static u32
put_opcode(u8 *bytes, u32 at, u32 opcode)
{
    if (opcode >> 8 > 0)
        bytes[at++] = 0x0f;
    if (opcode >> 8 > 1)
        bytes[at++] = opcode >> 8 == 2 ? 0x38 : 0x3a;
    bytes[at++] = (u8)opcode;
    return at;
}

static void
sample_legacy(u32 opcode, u32 prefix, u32 rex)
{
    static const u8 prefixes[] = {0, 0x66, 0xf3, 0xf2};
    u8 bytes[ROOM] = {0};
    u32 at = 0;

    if (prefix >= 4)
        bytes[at++] = 0xf0;
    if (prefix % 4 != 0)
        bytes[at++] = prefixes[prefix % 4];
    if (rex < 16)
        bytes[at++] = (u8)(0x40 | rex);
    at = put_opcode(bytes, at, opcode);
    finish(bytes, at, rex < 16 && rex >= 8);
}

static void
sample_vex(u32 opcode, u32 pp, bool w)
{
    u32 vvvv = any(2) == 0 ? 0 : any(16), last = (~vvvv & 15) << 3 | pp;
    u8 two[ROOM] = {0xc5, (u8)(any(2) << 7 | last), (u8)opcode};
    u8 three[ROOM] = {0xc4, (u8)(any(8) << 5 | opcode >> 8),
                      (u8)((u32)w << 7 | last), (u8)opcode};

    if (opcode >> 8 == 1 && !w)
        finish(two, 3, false);
    finish(three, 4, w);
}

// A prefix would be taken for an opcode, and its W be wrong.
static bool
is_lead(u32 opcode)
{
    return opcode >> 4 == 4 || opcode == 0x0f || opcode == 0x66 ||
           opcode == 0xc4 || opcode == 0xc5 || opcode == 0xf0 ||
           opcode == 0xf2 || opcode == 0xf3 || opcode == 0x138 ||
           opcode == 0x13a;
}

int
main(void)
{
    for (u32 i = 0; i < FORM_COUNT; i++)
        printf("%s%c", names[i], i + 1 < FORM_COUNT ? ' ' : '\n');
    for (u32 round = 0; round < ROUNDS; round++)
        for (u32 opcode = 0; opcode < 1024; opcode++) {
            if (is_lead(opcode))
                continue;
            for (u32 prefix = 0; prefix < 8; prefix++)
                for (u32 rex = 0; rex < 18; rex++)
                    sample_legacy(opcode, prefix, rex);
            for (u32 n = 0; n < 64; n++)
                sample_vex(opcode, n % 4, n / 4 % 2 != 0);
        }
    return 0;
}
