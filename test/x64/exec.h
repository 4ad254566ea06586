// test/x64/exec.h: run generated code on Linux without the kernel: one module,
// a vmctx made by hand, memories in guarded slots, traps by signals.

#pragma once

#include "compile/compile.h"

enum { EXEC_TABLE_MAX = 100000, EXEC_NAME_MAX = 128 };

struct exec_memory {
    struct memory_view view;
    u8 *base;
};

struct exec_table {
    struct table_view view;
};

// A module that runs.
struct exec {
    struct module m;
    struct code code;
    struct bytes file;
    struct arena keep, text, temp;
    struct error error;
    u8 *pc; // where the code is
    struct vmctx *vm;
    struct exec_memory *memories;
    struct exec_table *tables;
    bool *dropped_datas, *dropped_elems;
    u64 *builtins;
    char name[EXEC_NAME_MAX];
};

// How a module may be compiled.
struct exec_options {
    u32 features;
    bool plain;
    u32 part_ins; // as in struct compile_options
};

// Load, compile and instantiate.  OK, ERR_UNSUPPORTED or ERR_UNKNOWN_IMPORT
// (only "spectest" exists), ERR_TRAP (*trap tells), another failure of the
// compiler.
status_t exec_new(struct exec *e, const char *path,
                  const struct exec_options *options, enum trap *trap);

// The same from bytes, which exec_free() frees.
status_t exec_new_bytes(struct exec *e, struct bytes bytes,
                        const struct exec_options *options, enum trap *trap);
void exec_free(struct exec *e);

// Call a function; arguments are replaced by the results.  The trap, or
// TRAP_NONE.
enum trap exec_call(struct exec *e, u32 func, u64 (*slots)[2]);

// Leave generated code, from a builtin.
NORETURN void exec_trap(enum trap trap);

// Catch the signals of generated code.
void exec_init(void);

// exec_builtin.c: the vector that vmctx.builtins points to.
extern const u64 exec_builtins[BUILTIN_COUNT];

// The module that is running, for the builtins.
extern struct exec *exec_current;

// exec_build.c: modules made in memory.

struct exec_bytes {
    u8 *ptr;
    u64 size, capacity;
};

void bytes_put(struct exec_bytes *b, const void *bytes, u64 size);
#define bytes_list(b, ...) \
    bytes_put(b, (const u8[]){__VA_ARGS__}, sizeof((const u8[]){__VA_ARGS__}))
void bytes_u8(struct exec_bytes *b, u8 byte);
void bytes_u32(struct exec_bytes *b, u32 number); // LEB128
void bytes_i64(struct exec_bytes *b, i64 number); // LEB128
void bytes_op(struct exec_bytes *b, u32 code);    // enum wasm_op

// The byte of a value type given as one of i l f d v.
u8 exec_valtype(char letter);

// A module with one memory; starts as zero but for `pages`.
struct exec_module {
    u32 pages, count;
    struct exec_bytes types, funcs, bodies;
};

// Add a function "params:results" with further locals; takes the code, without
// its end, and empties it.
void exec_module_add(struct exec_module *m, const char *sig, const char *locals,
                     struct exec_bytes *code);
struct bytes exec_module_finish(struct exec_module *m);
