// compile/: a decoded module -> its machine code.  Drives the validator, ir/
// and the back end, function by function; see docs/compiler.md.  Freestanding,
// no globals, linear.

#pragma once

#include "code/code.h"
#include "verify/judge.h"

struct compile_options {
    u32 features;    // enum cpu_feature
    bool check_pads; // landing pads check rsp: one that is entered with another
                     // frame's runs into an undefined instruction
    bool plain;      // force plain mode, for tests
    bool no_inline;  // call all functions that are called
    u32 part_ins;    // end parts of plain mode at this many instructions of the
                     // IR, 0: a good number; for tests
    // Asked after each step when not NULL: true ends it all with ERR_KILLED.
    bool (*stopped)(void);
    // Called after each step of each function when not NULL: for
    // `nebulet dump` and for timing.
    void (*step)(void *self, const char *step, u32 func);
    void *self;
    struct printer *dump;  // print step `dump_step` of function `dump_func`
    const char *dump_step; // build, select, live, allocate, emit
    u32 dump_func;         // NO_INDEX: all
};

// Compile a decoded module; validates the bodies on the way.  `keep` owns the
// tables of *code, `text` becomes the code and holds nothing else, `temp` is
// scratch.
MUST_USE status_t module_compile(struct code *code, const struct module *m,
                                 const struct compile_options *options,
                                 struct arena *text, struct arena *keep,
                                 struct arena *temp, struct error *error);

// judge.c: may the code run?  OK, ERR_INVALID with *error, or what kept it from
// being said.
MUST_USE status_t module_compile_verify(const struct code *code,
                                        const struct module *m, u32 features,
                                        struct arena *temp,
                                        struct verify_error *error);

// Where and why it was refused, as one line: function, offset in the code,
// rule, instruction.
void module_compile_words(char *to, u64 size, const struct module *m,
                          const struct code *code,
                          const struct verify_error *e);

// The same in pieces, of which several may be judged at once, each with a
// `temp`: all of them, after this, which says so where it is OK.  It lasts as
// long as what it took from `temp`.
struct module_judging {
    struct verify_module module;
    u32 *try_funcs;
    u32 pieces;
};
MUST_USE status_t module_compile_judging(struct module_judging *j,
                                         const struct code *code,
                                         const struct module *m, u32 features,
                                         struct arena *temp,
                                         struct verify_error *error);
MUST_USE status_t module_compile_judge(const struct module_judging *j,
                                       u32 piece, struct arena *temp,
                                       struct verify_error *error);
// The most addresses that that may take of `temp`.
u64 module_compile_judge_room(const struct module_judging *j);

// What module_compile_verify asks the verifier; it lasts as long as `temp`.
MUST_USE status_t module_compile_describe(struct verify_module *out,
                                          const struct module *m,
                                          const struct code *code, u32 features,
                                          struct arena *temp);
