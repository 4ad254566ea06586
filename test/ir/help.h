// test/ir/help.h: what the tests of ir/ share: memory, files, and an
// interpreter of the IR that runs the modules of the official suite long before
// machine code does.

#pragma once

#include "ir/ir.h"
#include "test/test.h"

// An arena over `size` bytes of lazily committed memory; arena_drop gives it
// back.
struct arena arena_make(u64 size);
void arena_drop(struct arena *arena);

// The contents of a file, to be freed; ptr is NULL if there is none.
struct bytes file_read(const char *path);

enum { PAGE = 65536, TABLE_MAX = 100000 };

// A value; i32 and f32 leave the upper half 0.
struct cell {
    u64 bits[2];
};

// A module that runs by itself, functions of spectest aside.
struct instance {
    struct module m;
    struct arena keep;  // the module, functions
    struct arena fresh; // memories and tables: never reset
    struct arena temp;  // builds
    u8 *leaves;         // see fn_build
    bool plain;         // how to build
    struct body {
        struct fn *parts; // NULL until needed
        u32 count;
    } * bodies; // by function index
    struct memory {
        u8 *bytes;
        u64 size, max;
    } * memories;
    struct ref_table {
        u64 *refs; // 0 is null, else 1 + function index, or of the host
        u64 count, max;
    } * tables;
    struct cell *globals;
    bool *dropped_data, *dropped_elem;
    u32 depth;  // of calls
    u64 steps;  // instructions that may still run
    u64 thrown; // exception that is under way: index in `exceptions`
    struct exception {
        u32 tag;
        struct cell *payload;
    } * exceptions;
    u32 exception_count;
};

// --- interp_ops.c --------------------------------------------------------

// An instruction of numbers; false if it is none.  *r is the result.
bool run_arithmetic(u32 op, u64 x, u64 y, u64 *r, enum trap *trap);

// A load or store of numbers; false if it is none.
bool run_access(const struct memory *mem, const struct ins *ins,
                const struct cell *vals, u64 *to, enum trap *trap);

// --- interp.c ------------------------------------------------------------

// How a run ended.
enum outcome { RAN, TRAPPED, THREW, UNSUPPORTED };

struct result {
    enum outcome outcome;
    enum trap trap;
};

// Call a function; the arguments are in `cells`, which gets the results.
struct result instance_call(struct instance *in, u32 func, struct cell *cells);

// --- interp_instance.c ---------------------------------------------------

// Decode and instantiate; UNSUPPORTED when it imports what is not here, or
// needs what the interpreter does not have.
struct result instance_new(struct instance *in, struct bytes bytes, bool plain);
void instance_free(struct instance *in);

// What the kernel does on memories and tables; false if it is none of that.
bool run_instance_builtin(struct instance *in, u32 builtin, const u64 *args,
                          u64 *r);
