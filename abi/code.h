// abi/code.h: the tables beside compiled code.
//
// The compiler makes them, the verifier compares them with the code, and then
// the kernel relies on them, when code faults, calls and throws.

#pragma once

#include "base/base.h"

// Generated code checks vmctx.stack_limit on entry of a function, and may use
// this much below it.
enum {
    STACK_SLACK = 8192,
    STACK_UNCHECKED = 4096, // a frame up to this size compares rsp itself
    LEAF_UNCHECKED = 256,   // one without calls up to this size, nothing
};
_Static_assert(STACK_UNCHECKED + LEAF_UNCHECKED + 16 <= STACK_SLACK,
               "how far below vmctx.stack_limit generated code goes");

// A place in the code that may fault, sorted by pc.
struct trap_site {
    u32 pc;   // offset in the code of the faulting instruction
    u32 at;   // byte offset in the module of the wasm instruction
    u32 call; // of the call in place of which its function was built here; 0:
              // it is of the function whose code this is
    u32 trap; // enum trap; for a division the fault tells which of two
};

// A call, sorted by pc: for backtraces and exceptions.
struct call_site {
    u32 pc;   // offset of the return address
    u32 at;   // byte offset in the module
    u32 try;  // index in code.tries of the innermost handler, or 0
    u32 args; // bytes of stack arguments, which the callee pops: right after
              // its return rsp is so much above the rsp of the call
};

// A function's code, sorted by start.
struct func_code {
    u32 start, end; // offsets in the code
    u32 func;       // function index, or NO_INDEX: the stubs of imports
    u32 frame;      // bytes from rsp to the return address after the prologue;
                    // not yet there at a trap of kind STACK_OVERFLOW
    u32 args;       // bytes of stack arguments that it pops when it returns
};

// A handler (exceptions).  When it is taken, rsp is the frame's own, rax holds
// the address of the payload (16 bytes a value) and rdx the exnref.  All other
// registers are dead: the landing pad takes r14 and r15 from the frame, where a
// function with handlers keeps rbx, rbp, r12, r13, r14 and r15, in this order
// down from the return address.
enum {
    HANDLER_VMCTX = 5 * 8, // r14 is so far below the return address
    HANDLER_MEMORY = 6 * 8,
};

struct code_try {
    u32 parent;
    u32 catches, count;
};

struct code_catch {
    u32 tag; // tag index or NO_INDEX
    u32 pc;  // where to continue
};

// What a call takes on the stack, in bytes, multiples of 16: arguments, which
// the callee pops, and above them results.
struct abi_size {
    u32 args, results;
};

// What the verifier is told, sorted by pc; nobody else relies on it.  A jump
// back leads to a row whose `what` has bits REG_x: registers that hold a number
// below 2^32 there.
struct code_head {
    u32 pc;
    u32 what;
};

enum {
    HEAD_DATA = -1 - INT32_MAX, // no head: | bytes of constants amid the code
    HEAD_FRAME = 1 << 30, // no head: the function, which starts here, keeps the
                          // address of its return address | so far above rsp,
                          // a multiple of 8
    HEAD_PADS = 1,        // | with HEAD_FRAME: it saves all that pads need
};
