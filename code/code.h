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

// The most bytes of machine code a module may have.
enum { CODE_SIZE_MAX = 0x7ff00000 };

// --- mistakes (mistakes.def), for tests of the verifier ----------------------

enum code_mistake {
    MISTAKE_NONE,
#define MISTAKE(id, from, help) MISTAKE_##id,
#include "code/mistakes.def"
    MISTAKES
};

// Is the compiler to make this one?  Never but in builds for tests.
extern enum code_mistake code_mistake;
static inline bool
code_errs(enum code_mistake mistake)
{
    return CHECKED && code_mistake == mistake;
}

// --- file.c: code files (.neb) -----------------------------------------------

// A file has at most so many bytes.
#define CODE_FILE_MOST (16ull * LIMIT_MODULE_SIZE)

// The tables beside the code, by place: CODE_TABLE_<field> (code/tables.def).
enum code_table {
#define TABLE(field, row, count) CODE_TABLE_##field,
#include "code/tables.def"
    CODE_TABLES
};

// Tells compilers apart: made of their sources by the Makefile.
extern const u64 code_compiler;

// What the parts of a code file are; they point into it.
struct code_file {
    struct bytes module, text;
    struct bytes tables[CODE_TABLES];
    u32 counts[CODE_TABLES]; // of their rows
};

struct code_part {
    const void *ptr;
    u64 size;
};

// The bytes of all tables of a module's code.
void code_tables(struct code_part to[CODE_TABLES], const struct code *code,
                 const struct module *m);

// Write a code file for CPUs with these features (enum cpu_feature); returns
// its size.  With to.ptr NULL: only that.
u64 code_file_write(struct bytes to, const struct code *code,
                    const struct module *m, u32 features);

// Do the bytes begin as a code file does?
bool code_file_is(struct bytes file);

// A code file that was changed is as if it had been written so.
void code_file_sign(struct bytes file);

// Find the parts of a code file (any bytes, at a multiple of 8) made by this
// compiler for CPUs with no more than these features.  ERR_UNSUPPORTED: by
// another, or with more.  ERR_MALFORMED: no such file.  What the parts say is
// anybody's: before the code runs, module_decode() has to accept the module,
// and the verifier code and tables.  `arena` is only asked whether to go on:
// else ERR_KILLED.
MUST_USE status_t code_file_open(struct code_file *f, struct bytes file,
                                 u32 features, struct arena *arena,
                                 struct error *error);

// The same of a file that is known to be as it was written, as whoever gives it
// has seen: that is not looked for again.
MUST_USE status_t code_file_open_known(struct code_file *f, struct bytes file,
                                       u32 features, struct error *error);

// The module alone of a code file, whoever made it for which CPU.
// ERR_UNSUPPORTED: it has another form; ERR_MALFORMED as above.
MUST_USE status_t code_file_module(struct bytes *module, struct bytes file,
                                   struct arena *arena, struct error *error);

// The code of a file whose module has been decoded.  It points into the file,
// but for what it takes from `keep`.
MUST_USE status_t code_file_code(struct code *code, const struct code_file *f,
                                 const struct module *m, struct arena *keep,
                                 struct error *error);

// Where the values of a call travel (abi.c): first the parameters, abi_end(),
// then the results.
enum abi_kind { ABI_INT, ABI_VECTOR, ABI_STACK };
enum { ABI_INTS = 6, ABI_VECTORS = 8 };

// The general registers of each, in their order.
extern const u8 abi_int_args[ABI_INTS];
extern const u8 abi_int_results[ABI_INTS];

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

// Fill in code->sizes, for all types of the module, in `keep`.
MUST_USE status_t code_size_types(struct code *code, const struct module *m,
                                  struct arena *keep);

// Find the row of a pc (offset in the code); NULL if there is none.
const struct trap_site *code_trap(const struct code *code, u64 pc);
const struct call_site *code_call(const struct code *code, u64 pc);
const struct func_code *code_func(const struct code *code, u64 pc);
