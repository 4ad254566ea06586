// test/mutants/guard.h: a process that has nothing but one instance: its code,
// its memories, tables and vmctx, and a stack.  Whatever else code of it
// touches, or leaves other than it should, is seen.
//
// Generated code runs there by itself; what it calls of the kernel or imports
// is answered from here, as ptrace(2) sees it.

#pragma once

#include "compile/compile.h"

enum { GUARD_ARGS = 64 }; // words that arguments are made of

enum guard_end {
    GUARD_RETURNED,
    GUARD_TRAPPED,
    GUARD_LEFT,    // it threw, or asked the kernel for what is not here
    GUARD_LOOPED,  // it was stopped
    GUARD_ESCAPED, // guard_run.what says how
    GUARD_ENDS
};

struct guard_run {
    u32 func;
    const u64 *args; // GUARD_ARGS of any kind
    u32 watch;       // offset of an instruction in the code, or NO_INDEX
    u8 *seen;        // by offset: instructions that were executed, or NULL: of
                     // the first so many
    u32 steps;

    bool reached; // the watched one was
    char what[160];
};

struct guard;

// For code that module_compile() has made; NULL: the module needs more than is
// made here (what: why).
struct guard *guard_new(const struct module *m, const struct code *code,
                        const char **why);
void guard_free(struct guard *g);

// The code, as it can be changed here.
u8 *guard_text(struct guard *g);

// Call a function, with everything as it was at first.
enum guard_end guard_call(struct guard *g, struct guard_run *run);
