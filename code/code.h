// code/: what compiled code is: the bytes, the tables beside them, and how to
// look an address up in these.  compile/ makes it, the kernel runs it.

#pragma once

#include "abi/code.h"
#include "wasm/wasm.h"

// What the CPU has; detected once by the port (cpu_features_detect) and passed
// in, so that tests can compile for another machine.
enum cpu_feature {
    CPU_SSE41 = 1 << 0, // the floor: SSE4.2 and POPCNT too
    CPU_LZCNT = 1 << 1,
    CPU_BMI1 = 1 << 2, // tzcnt, andn
    CPU_BMI2 = 1 << 3,
    CPU_AVX = 1 << 4,
    CPU_AVX2 = 1 << 5,
    CPU_FMA = 1 << 6,
};

// A bit set of enum cpu_feature: what this CPU has, and its state that is kept.
u32 cpu_features_detect(void);

// The machine code of a module.  Position-independent: `text` may be placed at
// any multiple of 64; nothing in it is written afterwards.
struct code {
    const u8 *text; // written by the encoder alone
    u64 size;
    u32 *entries;           // by function index: offset of the code; imports
                            // have a stub here too (calls through vmctx)
    struct abi_size *sizes; // by type index, of function types
    struct func_code *funcs;
    u32 func_count;
    struct trap_site *traps;
    u32 trap_count;
    struct call_site *calls;
    u32 call_count;
    struct code_try *tries;
    u32 try_count;
    struct code_catch *catches;
    u32 catch_count;
    struct code_head *heads;
    u32 head_count;
};

// Where the values of a call travel (abi.c; the registers are in x64/mach.h):
// first the parameters, abi_end(), then the results.
enum abi_kind { ABI_INT, ABI_VECTOR, ABI_STACK };
enum { ABI_INTS = 6, ABI_VECTORS = 8 };

struct abi_place {
    u8 kind; // enum abi_kind
    u32 at;  // which register of its kind, or bytes from rsp at the call
};

struct abi_walk { // starts as {0}
    u32 ints, vectors;
    u32 stack; // bytes so far
};

// The place of the next parameter (or result); after the last of them,
// abi_end().
struct abi_place abi_next(struct abi_walk *w, valtype_t t);
void abi_end(struct abi_walk *w);

// What all of both need on the stack.
struct abi_size abi_size(const struct type *type);

// Find the row of a pc (offset in the code); NULL if there is none.
const struct trap_site *code_trap(const struct code *code, u64 pc);
const struct call_site *code_call(const struct code *code, u64 pc);
const struct func_code *code_func(const struct code *code, u64 pc);
