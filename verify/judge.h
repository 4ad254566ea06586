// verify/judge.h: may this code run?
//
// Judges the code of a module and the tables beside it, function by function,
// against what the module declares.  What is accepted cannot reach anything but
// its instance, whatever made it.  Linear in the code, no recursion.

#pragma once

#include "abi/abi.h"
#include "abi/code.h"

// A function type, as it travels (code/abi.c).
struct verify_type {
    u16 params;   // general registers that have an i32, bit by number
    u16 results;  // the same
    u32 args;     // bytes of arguments on the stack, which the callee pops
    u32 returned; // bytes of results above them
};

struct verify_memory {
    bool guarded; // any 32-bit index and displacement stays in its slot
    u8 bits;      // its size in bytes is below 2^bits
};

struct verify_table {
    u64 min;    // it has always so many entries
    bool funcs; // of references to functions
    u8 kind;    // of others: what is alike may be copied
};

enum verify_global {
    VERIFY_CONSTANT, // never written
    VERIFY_OWN,      // in the vmctx
    VERIFY_SHARED,   // another instance's: the vmctx has its address
};

// The code and its tables.
struct verify_code {
    const u8 *text;
    u32 size;
    const u32 *entries; // by function
    const struct func_code *funcs;
    const struct trap_site *traps;
    const struct call_site *calls;
    const struct code_try *tries;
    const struct code_catch *catches;
    const struct code_head *heads;
    u32 func_count, trap_count, call_count, try_count, catch_count, head_count;
};

// What the module declares.
struct verify_module {
    struct verify_code code;
    struct vmctx_layout layout;
    struct vmctx_counts counts;
    const struct verify_type *types;
    const u32 *func_types; // by function
    const struct verify_memory *memories;
    const struct verify_table *tables;
    const u8 *globals; // enum verify_global
    const u32 *tags;   // how many values each has
    u32 func_count, func_imports;
    u32 memory_count;           // those that are declared
    u32 elem_count, data_count; // segments
    u32 features;               // enum verify_feature: what the CPU has
};

// The first violation.
struct verify_error {
    u32 rule; // enum verify_rule
    u32 func; // function index, or UINT32_MAX: of no function
    u32 pc;   // offset in the code
};

// What is no function's: the order of the tables, and which function each
// handler belongs to: try_funcs[] gets that by the number of its row in tries.
// OK, ERR_INVALID with *error, or ERR_KILLED: `temp` is only asked whether to
// go on.
MUST_USE status_t verify_tables(const struct verify_module *m, u32 *try_funcs,
                                struct arena *temp, struct verify_error *error);

// Then rows of code.funcs [first, end): several may be judged at once, each
// with an arena.  OK, ERR_INVALID with *error, ERR_NO_MEMORY or ERR_KILLED.
MUST_USE status_t verify_range(const struct verify_module *m,
                               const u32 *try_funcs, u32 first, u32 end,
                               struct arena *temp, struct verify_error *error);

// All of it.
MUST_USE status_t verify_code(const struct verify_module *m, struct arena *temp,
                              struct verify_error *error);
