// verify/decode.h: one machine instruction, as the judge sees it.
//
//     bytes --forms.def--> struct verify_ins --> the judge's yes or no
//
// The decoder accepts what has a row in forms.def, in the one encoding that
// the compiler uses, and nothing else: no other prefix, order of prefixes,
// size of displacement or immediate, REX or VEX.  Segments and other sizes of
// addresses do not occur: an address is [base + index << scale + disp], 64
// bits.  What an instruction does to the state is its effect; `make prove`
// shows that the machine does no more.  The judge knows a little beside it,
// which is proved, too: the carry of an ADD, the sign of a SUB, how far SHL_I
// and SHR_I shift and whether the latter leaves nothing, and that MUL64 makes
// the product.

#pragma once

#include "abi/abi.h"

// Registers are their numbers, 0 to 15.
enum {
    VERIFY_RAX,
    VERIFY_RCX,
    VERIFY_RDX,
    VERIFY_RBX,
    VERIFY_RSP,
    VERIFY_RBP,
    VERIFY_RSI,
    VERIFY_RDI,
    VERIFY_VMCTX = 14,
    VERIFY_MEMORY = 15,
    VERIFY_NONE = 16, // no such operand
    VERIFY_RIP = 17,  // base only: disp counts from the end of the instruction
};

// Why code is refused; 0 is that it is not.
enum verify_rule {
#define RULE(id, text) RULE_##id,
#include "verify/rules.def"
    RULE_COUNT
};

// Rows of forms.def.
enum verify_form {
#define FORM(op, id, ...) FORM_##id,
#include "verify/forms.def"
    FORM_COUNT
};

// What happens to the general registers and to memory.  `source` is register
// b, the memory operand or imm, by ins.from.  All is modulo 2^(8 * width), and
// a def of 4 bytes is zero-extended to 8.  Where flags, vectors or memory
// change they do so in ways that need no name here; ins.access says whether
// memory is read or written, mem_size how much of it.
enum verify_effect {
    EFFECT_NONE,    // no general register changes
    EFFECT_COPY,    // def = source (with FROM_MEM: a load)
    EFFECT_ADDRESS, // def = base + index << scale + disp; not accessed
    EFFECT_ADD,     // def = def + source
    EFFECT_SUB,     // def = def - source
    EFFECT_AND,     // def = def & source
    EFFECT_SELECT,  // def = def or source
    EFFECT_EXTEND,  // def = source of 4 bytes, sign-extended to 8
    EFFECT_ANY,     // def = anything below 2^bits
    EFFECT_MERGE, // the lower `width` bytes of def = anything; the others stay,
                  // or become 0 when width is 4
    EFFECT_TWO,   // rax and rdx = anything below 2^bits
    EFFECT_SWAP,  // def <-> b (two registers)
    EFFECT_STORE, // [mem] = source, a register or imm
    EFFECT_COMPARE,  // flags = those of a - source; a is memory: VERIFY_A_MEM
    EFFECT_TEST,     // flags = those of a & source
    EFFECT_PUSH,     // rsp -= 8, [rsp] = b
    EFFECT_POP,      // def = [rsp], then rsp += 8 (def is not rsp)
    EFFECT_CALL,     // push the end of the instruction, go to it + imm
    EFFECT_CALL_MEM, // the same, go to [mem]
    EFFECT_JUMP,     // go to the end of the instruction + imm
    EFFECT_JCC,      // the same if cc
    EFFECT_JUMP_MEM, // go to [mem]
    EFFECT_JUMP_REG, // go to b
    EFFECT_RETURN,   // go to [rsp], rsp += 8 + imm (imm is 0 to 65535)
    EFFECT_TRAP,     // ud2: faults always
    EFFECT_FILL,     // int3: between functions, never run
};

enum verify_from { FROM_NONE, FROM_REG, FROM_MEM, FROM_IMM };

enum verify_access { ACCESS_READ = 1, ACCESS_WRITE = 2 };

enum verify_flag {
    VERIFY_MEM = 1,      // there is a memory operand (lea's included)
    VERIFY_WFLAGS = 2,   // flags are other ones afterwards
    VERIFY_RFLAGS = 4,   // by the flags, in the condition cc
    VERIFY_FAULTS = 8,   // may fault: accesses memory, divides, traps
    VERIFY_ALIGNED = 16, // faults (not as a page does) unless the address is a
                         // multiple of 16
    VERIFY_A_MEM = 32,   // compare: a is the memory operand
    VERIFY_LOCKED = 64,
    VERIFY_VEX = 128,
};

// What the CPU must have beyond SSE4.2 and POPCNT.
enum verify_feature {
    VERIFY_AVX = 1,
    VERIFY_AVX2 = 2,
    VERIFY_BMI1 = 4, // tzcnt
    VERIFY_BMI2 = 8,
    VERIFY_LZCNT = 16,
};

struct verify_ins {
    u16 form;  // enum verify_form
    u8 length; // bytes
    u8 effect; // enum verify_effect
    u8 flags;  // enum verify_flag
    u8 needs;  // enum verify_feature
    u8 from;   // enum verify_from: where the source is
    u8 width;  // bytes of the effect's operands: 1 2 4 8; of vectors 16
    u8 bits;   // 0 to 64: def is below 2^bits afterwards (not of a MERGE)

    // Of the memory operand, with VERIFY_MEM; else they are 0.
    u8 access; // enum verify_access
    u8 mem_size;

    // General registers, or VERIFY_NONE.
    u8 def;  // changed by the effect; and rdx by EFFECT_TWO
    u8 a, b; // as the effect says; of others: read, no matter which way

    u8 cc;            // 0 to 15, the hardware's
    u8 reg, vvvv, rm; // the operands as encoded, general or vector

    // The memory operand, with VERIFY_MEM.
    u8 base;  // register, VERIFY_RIP or VERIFY_NONE (lea only)
    u8 index; // register (not rsp) or VERIFY_NONE
    u8 scale; // 0 to 3
    i32 disp;

    i64 imm; // sign-extended, distances too
};

// How many bits a number has.
static inline u32
verify_bits(u64 number)
{
    return number == 0 ? 0 : 64 - (u32)__builtin_clzll(number);
}

// --- decode.c ---------------------------------------------------------------

// Decode the instruction that starts at `at`; `end` is the end of the bytes
// that may be read.  0, or why not; then *ins is undefined.
enum verify_rule verify_decode(struct verify_ins *ins, const u8 *at,
                               const u8 *end);

// The mnemonic of a form, without the v of VEX and without a condition.
const char *verify_form_text(u32 form);

// The sentence of a rule.
const char *verify_rule_text(u32 rule);
