// x64/mach.h: machine instructions, between the steps of the back end.
//
//     fn --select.c--> machine code on virtual registers
//        --live.c--> what is live where, and how far its next use is
//        --allocate.c--> machine code on real registers and frame slots
//        --emit.c--> bytes
//
// A virtual register (vreg_t) has one definition.  An IR value that select
// keeps in a register has its own number as vreg; temporaries are numbered
// from fn.ins_count up.  An IR_CONST has no machine instruction: it is
// materialised by allocate where a register is needed (select folds it into an
// immediate where it can), so constants are never spilled.

#pragma once

#include "x64/x64.h"

typedef u32 vreg_t; // before allocate: a virtual register, 0 = none

// After allocate the same fields hold real registers: REG_RAX .. REG_R15,
// REG_XMM0 .. REG_XMM15, and REG_NONE for none.
typedef u8 reg_t;

enum {
    REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
    REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
    REG_XMM0, // REG_XMM0 + n
    REG_XMM15 = REG_XMM0 + 15,
    REG_COUNT,
    REG_NONE = REG_COUNT,
};

// r15 = base of memory 0, r14 = vmctx, rsp; xmm15 is the scratch of parallel
// moves and of moves between slots.  Everything else is allocatable.
enum {
    REG_MEMORY = REG_R15,
    REG_VMCTX = REG_R14,
    REG_SCRATCH = REG_XMM15,
};

// Calling convention: System V.  Integers in rdi rsi rdx rcx r8 r9, floats and
// vectors in xmm0-7; the rest on the stack at [rsp] of the caller at the call,
// first at the lowest address, 8 bytes each, vectors 16 and aligned to 16;
// callee-saved rbx rbp r12 r13 (and r14 r15, which only thunks write).  rsp is
// a multiple of 16 at every call.  Results: integers in rax rdx rcx rsi rdi r8,
// floats and vectors in xmm0-7, the rest in memory above the stack arguments
// (results area aligned to 16, then laid out as arguments are).
// An indirect call has the address of its func_entry in rax.
struct abi_loc {
    reg_t reg;   // or REG_NONE: on the stack
    u32 offset;  // from the caller's rsp at the call
};

struct abi {
    struct abi_loc *params, *results; // one for each
    u32 stack_size;                   // of the outgoing area, multiple of 16
};

// Where the values of a function type travel.  Linear in their number.
MUST_USE status_t abi_compute(struct abi *abi, const struct type *type,
                              struct arena *temp);

// Rows of x64/ops.def: X64(id, text, prefix, w, opcode, form, flags).
enum x64_op {
#define X64(id, text, prefix, w, opcode, form, flags) X64_##id,
#include "x64/ops.def"
    X64_OP_COUNT
};

// Operand shapes.  "rm" is a register (b) or, with MINS_MEM, the memory
// operand.
enum x64_form {
    X64_NONE,     // no operands: ud2, cdq (fixed registers), mfence
    X64_RM,       // def <- rm                       mov movzx popcnt sqrtsd lea
    X64_R_RM,     // def <- a op rm, def tied to a   add imul addsd pand cmov(cc)
    X64_RM_I,     // def <- rm op imm                imul r,rm,i  pshufd roundsd
    X64_R_RM_I,   // def <- a op rm imm, tied to a   shufps pinsrd
    X64_R_I,      // def <- a op imm, tied           add r,i  shl r,i
    X64_V_RM,     // def <- a op rm, not tied (VEX)  vaddsd andn
    X64_V_RM_I,   // def <- a op rm imm, not tied
    X64_RMV,      // def <- rm op a (VEX)            shlx r,rm,a
    X64_R_CL,     // def <- a op rcx, tied           shl r,cl; b fixed to rcx
    X64_UNARY,    // def <- op a, tied               neg not
    X64_MR,       // [mem] <- a                      mov movsd
    X64_MR_RMW,   // [mem] <- [mem] op a             add lock xadd(def tied a)
    X64_MI,       // [mem] <- imm, or op=            mov add
    X64_CMP,      // flags <- a, rm                  cmp test ucomisd ptest
    X64_CMP_I,    // flags <- rm, imm                (register form: b)
    X64_SET,      // def <- cc                       setcc (low byte only)
    X64_MUL,      // rax (a), rm -> rax (def), rdx clobbered; wide multiply: def2
    X64_DIV,      // rdx:rax (high: def2's input, a) / rm -> rax def, rdx def2
    X64_I,        // def <- imm                      mov r, i
    X64_CALL_REL, // call a function of the module   (struct mcall)
    X64_CALL_RM,  // call through rm
    X64_JUMP,     // end of block: jump to edge `target`
    X64_JCC,      // end: cc to edge `target`, else to edge `other`
    X64_SWITCH,   // end: jump through the table of edges, index in a
    X64_RET,      // end
    X64_TRAP,     // end: ud2, trap kind in imm
    X64_TRAP_CC,  // if cc: ud2 out of line, trap kind in imm
    X64_PSEUDO,   // expanded by emit: see the rows
};

enum mins_flag {
    MINS_MEM = 1,      // the rm operand is memory
    MINS_FRAME = 2,    // ... in the frame: base none, disp from frame slot 0
    MINS_ARGS = 4,     // ... among the incoming stack arguments
    MINS_OUT = 8,      // ... among the outgoing arguments: disp from rsp
    MINS_RODATA = 16,  // ... a constant of the function: disp = offset in the pool
    MINS_TRAPS = 32,   // may fault: a trap site of kind `trap`
    MINS_CONST64 = 64, // imm is an index in mach.wide (64-bit immediate)
};

// One machine instruction.
struct mins {
    u16 op;    // enum x64_op
    u8 flags;  // enum mins_flag
    u8 cc;     // condition code, hardware number; or scale for memory (0..3)
    vreg_t def, a, b;
    vreg_t base, index; // memory: [base + index << scale + disp]; base may be
                        // MEM_VMCTX or MEM_MEMORY (fixed registers)
    i32 disp;
    u32 imm;            // immediate; edge; index of mcall; trap kind
};

_Static_assert(sizeof(struct mins) == 32, "the compiler's memory budget");

enum { // as vreg of a memory base
    MEM_VMCTX = 0xfffffff0,
    MEM_MEMORY = 0xfffffff1,
};
