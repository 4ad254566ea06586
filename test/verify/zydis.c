// test/verify/zydis.c: the decoder of verify/ against Zydis, which somebody
// else wrote.

#include "test/verify/help.h"

#include <Zydis/Zydis.h>
#include <stdio.h>
#include <string.h>

enum { OP_PLAIN, OP_DIGIT, OP_REG, OP_CC };

const struct form_text form_texts[FORM_COUNT] = {
#define FORM(op, id, text, enc, pp, w, mod, opcode, digit, ops, wide, ...) \
    {#id, text, ops, wide, #enc, #w, #mod, opcode, OP_##op == OP_CC},
#include "verify/forms.def"
};

// An instruction as both see it.
struct both {
    const struct verify_ins *ins;
    const struct form_text *form;
    ZydisDecodedInstruction zydis;
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    bool agree;
};

static void
same(struct both *b, const char *what, i64 ours, i64 zydis)
{
    if (ours == zydis)
        return;
    printf("%s: %s: %lld, says Zydis %lld\n", b->form->id, what,
           (long long)ours, (long long)zydis);
    b->agree = false;
}

// --- the mnemonic ------------------------------------------------------------

static void
our_mnemonic(const struct both *b, char *to, u64 size)
{
    static const char *const conditions[] = {"o",  "no",  "b",  "nb", "z", "nz",
                                             "be", "nbe", "s",  "ns", "p", "np",
                                             "l",  "nl",  "le", "nle"};
    bool vex =
        (b->ins->flags & VERIFY_VEX) != 0 && (b->ins->needs & VERIFY_BMI2) == 0;

    if (b->ins->form == FORM_CDQ && b->ins->width == 8)
        snprintf(to, size, "cqo");
    else
        snprintf(to, size, "%s%s%s", vex ? "v" : "",
                 verify_form_text(b->ins->form),
                 b->form->is_cc ? conditions[b->ins->cc] : "");
}

static void
check_mnemonic(struct both *b)
{
    const char *theirs = ZydisMnemonicGetString(b->zydis.mnemonic);
    char ours[32];

    our_mnemonic(b, ours, sizeof(ours));
    if (strcmp(ours, theirs) == 0)
        return;
    printf("%s, says Zydis %s\n", ours, theirs);
    b->agree = false;
}

// --- registers ---------------------------------------------------------------

static u32
general(ZydisRegister reg)
{
    ZydisRegister whole =
        ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

    if (whole >= ZYDIS_REGISTER_RAX && whole <= ZYDIS_REGISTER_R15)
        return whole - ZYDIS_REGISTER_RAX;
    return VERIFY_NONE;
}

static u32
bit(u32 reg)
{
    return reg < VERIFY_NONE ? 1u << reg : 0;
}

enum {
    // What is written only sometimes keeps its value else.
    READS = ZYDIS_OPERAND_ACTION_MASK_READ | ZYDIS_OPERAND_ACTION_CONDWRITE,
    WRITES = ZYDIS_OPERAND_ACTION_MASK_WRITE
};

// Bits of the general registers that Zydis sees read (written), apart from
// addresses.
static u32
zydis_registers(const struct both *b, u32 action)
{
    u32 registers = 0;

    for (u32 i = 0; i < b->zydis.operand_count; i++) {
        const ZydisDecodedOperand *op = &b->ops[i];
        if (op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
            (op->actions & action) != 0)
            registers |= bit(general(op->reg.value));
    }
    return registers;
}

static u32
our_writes(const struct verify_ins *ins)
{
    u32 registers = bit(ins->def);

    switch (ins->effect) {
    case EFFECT_TWO:
        return registers | bit(VERIFY_RDX);
    case EFFECT_SWAP:
        return registers | bit(ins->b);
    case EFFECT_PUSH:
    case EFFECT_POP:
    case EFFECT_CALL:
    case EFFECT_CALL_MEM:
    case EFFECT_RETURN:
        return registers | bit(VERIFY_RSP);
    }
    return registers;
}

static u32
our_reads(const struct verify_ins *ins)
{
    u32 registers = bit(ins->a) | bit(ins->b);

    switch (ins->effect) {
    case EFFECT_TWO:
        if (ins->form == FORM_DIV || ins->form == FORM_IDIV)
            registers |= bit(VERIFY_RDX);
        break;
    case EFFECT_SWAP:
        registers |= bit(ins->def);
        break;
    case EFFECT_PUSH:
    case EFFECT_POP:
    case EFFECT_CALL:
    case EFFECT_CALL_MEM:
    case EFFECT_RETURN:
        registers |= bit(VERIFY_RSP);
        break;
    }
    return registers;
}

// Zydis does not see that x ^ x reads no x.
static bool
is_zeroing(const struct both *b)
{
    return b->ins->form == FORM_XOR && b->ins->effect == EFFECT_COPY;
}

static void
check_registers(struct both *b)
{
    u32 reads = zydis_registers(b, READS);

    // Zydis does not say that def stays when there is no bit.
    if (b->ins->form == FORM_BSF || b->ins->form == FORM_BSR)
        reads |= bit(b->ins->def);
    same(b, "written", our_writes(b->ins), zydis_registers(b, WRITES));
    if (!is_zeroing(b))
        same(b, "read", our_reads(b->ins), reads);
    else
        same(b, "zero", bit(b->ins->def), reads);
}

// The register operands in the order of the text.
static u32
our_operands(const struct both *b, u8 *numbers)
{
    const struct verify_ins *ins = b->ins;
    const char *ops = b->form->ops;
    bool legacy = (ins->flags & VERIFY_VEX) == 0;
    bool rm_first = ins->form == FORM_TEST || ins->form == FORM_XCHG64 ||
                    (strchr("WMAUD", ops[2]) != NULL && ops[1] == '-');
    u32 count = 0;

    if (rm_first && ins->rm != VERIFY_NONE)
        numbers[count++] = ins->rm;
    if (ops[0] != '-' && ops[0] != '0')
        numbers[count++] = ins->reg;
    if (ops[1] != '-' && !(legacy && b->form->wide[0] == 'x'))
        numbers[count++] = ins->vvvv;
    if (!rm_first && ins->rm != VERIFY_NONE && ops[2] != '0')
        numbers[count++] = ins->rm;
    return count;
}

static u32
number_of(ZydisRegister reg)
{
    return reg >= ZYDIS_REGISTER_XMM0 && reg <= ZYDIS_REGISTER_XMM31 ?
               reg - ZYDIS_REGISTER_XMM0 :
               general(reg);
}

static u32
zydis_operands(const struct both *b, u8 *numbers)
{
    u32 count = 0;

    for (u32 i = 0; i < b->zydis.operand_count_visible; i++)
        if (b->ops[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
            b->ops[i].encoding != ZYDIS_OPERAND_ENCODING_NONE)
            numbers[count++] = (u8)number_of(b->ops[i].reg.value);
    return count;
}

// Shifts of three operands have the last one in vvvv.
static bool
is_vvvv_last(const struct both *b)
{
    return b->form->ops[1] == 'A' && b->form->wide[0] == 'v';
}

static void
check_operands(struct both *b)
{
    u8 ours[8], theirs[8];
    u32 count = our_operands(b, ours);

    same(b, "operands", count, zydis_operands(b, theirs));
    if (count == 3 && is_vvvv_last(b)) {
        u8 last = ours[1];
        ours[1] = ours[2];
        ours[2] = last;
    }
    for (u32 i = 0; i < count && b->agree; i++)
        same(b, "operand", ours[i], theirs[i]);
}

// How wide Zydis sees the general register that changes.
static void
check_width(struct both *b)
{
    for (u32 i = 0; i < b->zydis.operand_count_visible; i++) {
        const ZydisDecodedOperand *op = &b->ops[i];
        if (op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
            (op->actions & WRITES) != 0 &&
            general(op->reg.value) != VERIFY_NONE)
            same(b, "width", b->ins->width, op->size / 8);
    }
}

// --- memory, immediates, flags ----------------------------------------------

static u32
base_of(ZydisRegister base)
{
    return base == ZYDIS_REGISTER_RIP ? VERIFY_RIP : general(base);
}

static void
check_mem(struct both *b, const ZydisDecodedOperand *op)
{
    const struct verify_ins *ins = b->ins;
    bool read = (op->actions & READS) != 0;
    bool written = (op->actions & WRITES) != 0;
    u32 index = general(op->mem.index);

    same(b, "memory", (ins->flags & VERIFY_MEM) != 0, true);
    same(b, "base", ins->base, base_of(op->mem.base));
    same(b, "index", ins->index, index);
    if (index != VERIFY_NONE)
        same(b, "scale", 1 << ins->scale, op->mem.scale);
    same(b, "displacement", ins->disp, op->mem.disp.value);
    same(b, "address size", b->zydis.address_width, 64);
    same(b, "segment",
         op->mem.segment == ZYDIS_REGISTER_DS ||
             op->mem.segment == ZYDIS_REGISTER_SS,
         true);
    if (op->mem.type == ZYDIS_MEMOP_TYPE_AGEN) {
        same(b, "access", ins->access, 0);
        return;
    }
    same(b, "bytes", ins->mem_size, op->size / 8);
    same(b, "access", ins->access,
         (read ? ACCESS_READ : 0) | (written ? ACCESS_WRITE : 0));
}

static void
check_mems(struct both *b)
{
    u32 count = 0;

    for (u32 i = 0; i < b->zydis.operand_count; i++) {
        const ZydisDecodedOperand *op = &b->ops[i];
        bool hidden = op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;
        if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || hidden)
            continue; // the stack
        check_mem(b, op);
        count++;
    }
    same(b, "memories", (b->ins->flags & VERIFY_MEM) != 0, count);
}

static void
check_imm(struct both *b)
{
    for (u32 i = 0; i < b->zydis.operand_count; i++) {
        const ZydisDecodedOperand *op = &b->ops[i];
        if (op->type != ZYDIS_OPERAND_TYPE_IMMEDIATE)
            continue;
        i64 theirs = op->imm.is_signed ? op->imm.value.s : (i64)op->imm.value.u;
        u32 bits = op->size >= 64 || op->imm.is_signed ? 64 : op->size;
        u64 mask = ~0ull >> (64 - bits);
        same(b, "immediate", (i64)((u64)b->ins->imm & mask),
             (i64)((u64)theirs & mask));
    }
}

static void
check_flags(struct both *b)
{
    const ZydisAccessedFlags *f = b->zydis.cpu_flags;
    bool written = (f->modified | f->set_0 | f->set_1 | f->undefined) != 0;
    const u64 has_lock = ZYDIS_ATTRIB_HAS_LOCK;

    if (b->ins->effect == EFFECT_FILL)
        return; // what the trap's handler sees
    same(b, "writes flags", (b->ins->flags & VERIFY_WFLAGS) != 0, written);
    same(b, "reads flags", (b->ins->flags & VERIFY_RFLAGS) != 0,
         f->tested != 0);
    same(b, "lock", (b->ins->flags & VERIFY_LOCKED) != 0,
         (b->zydis.attributes & has_lock) != 0);
    same(b, "VEX", (b->ins->flags & VERIFY_VEX) != 0,
         b->zydis.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX);
}

static void
say_bytes(const struct both *b, const u8 *bytes)
{
    for (u32 i = 0; i < b->ins->length; i++)
        printf("%02x ", bytes[i]);
    printf("\n");
}

bool
zydis_agrees(const struct verify_ins *ins, const u8 *bytes)
{
    static ZydisDecoder decoder;
    struct both b = {.ins = ins, .form = &form_texts[ins->form], .agree = true};

    if (decoder.machine_mode != ZYDIS_MACHINE_MODE_LONG_64 ||
        decoder.stack_width != ZYDIS_STACK_WIDTH_64)
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64,
                         ZYDIS_STACK_WIDTH_64);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, ins->length,
                                             &b.zydis, b.ops))) {
        printf("no instruction, says Zydis\n");
        b.agree = false;
    } else {
        same(&b, "length", ins->length, b.zydis.length);
        check_mnemonic(&b);
        check_registers(&b);
        check_operands(&b);
        check_width(&b);
        check_mems(&b);
        check_imm(&b);
        check_flags(&b);
    }
    if (!b.agree)
        say_bytes(&b, bytes);
    return b.agree;
}

bool
form_has(u32 form, bool vex, bool w, bool mem)
{
    const struct form_text *f = &form_texts[form];

    return (f->enc[0] == 'B' || (f->enc[0] == 'V') == vex) &&
           (f->w[1] == 'V' || (f->w[1] == '1') == w) &&
           (f->mod[0] == 'E' || (f->mod[0] == 'M') == mem);
}

void
forms_meet(struct forms_met *met, const struct verify_ins *ins, bool w)
{
    bool vex = (ins->flags & VERIFY_VEX) != 0;
    bool mem = (ins->flags & VERIFY_MEM) != 0;

    met->met[ins->form][vex][w][mem] = 1;
}
