// sys/trace.h: calls of host functions, told to the log with names, arguments
// and results (`nebulet run --trace`).
//
// A host module has a second set of functions, which tell of the call and make
// it; an import is linked to one set or the other (runtime/host.c), and so what
// is not traced costs nothing.  Both, and what is told, are made from the
// module's table: abi/syscalls.def, wasi/calls.def.
//
// The program's memory is read once for each thing that is shown, only as much
// as is shown, and only where it is the program's: other threads may change it
// meanwhile.

#pragma once

#include "sys/sys.h"

enum {
    TRACE_WORDS = 9,   // of a call, at most
    TRACE_FIELDS = 16, // in a struct, and arguments
};

// A name of a number.
struct trace_name {
    const char *set;
    u64 number;
    const char *name;
    bool old; // only for modules that are
};

enum trace_form {
    FORM_NUMBER,
    FORM_SIGNED,
    FORM_HEX, // handles, addresses
    FORM_BITS,
    FORM_CHOICE,
    FORM_SKIP, // nobody cares
};

// Nothing is left free between fields.
struct trace_field {
    u8 form; // enum trace_form
    u8 size; // bytes; 0: no more fields
    const char *name, *set;
};

struct trace_layout {
    const char *name;
    bool old; // only for modules that are
    u32 size;
    struct trace_field fields[TRACE_FIELDS + 1];
};

enum trace_kind {
    TRACE_NONE,    // no more arguments
    TRACE_NUMBER,  // size, form
    TRACE_BYTES,   // address, size
    TRACE_STRUCTS, // address, count
    TRACE_VECTORS, // address, count: of addresses and sizes of bytes
};

struct trace_arg {
    u8 kind;  // enum trace_kind
    u8 form;  // of a number
    u8 size;  // of a number: 4 or 8
    u8 words; // of the call
    bool out; // in memory, when the call has returned
    const char *name, *set;
    const char *layout; // of structs
    const char *count;  // the argument that says how many; NULL or "all": all
};

struct trace_row {
    bool in_memory; // the arguments are a struct there
    struct trace_arg args[TRACE_FIELDS + 1];
};

// What the results of a module's calls are called.
struct trace_result {
    i64 number;
    const char *name, *text;
};

struct trace_module {
    const struct host_module *host;
    const struct trace_row *rows; // of its functions, in their order
    const struct trace_result *results;
    u32 result_count; // 0: they are numbers
    const struct trace_name *names;
    u32 name_count;
    const struct trace_layout *layouts;
    u32 layout_count;
    bool old; // of rows that are `old` the first counts
};

// Make the call of function `index` with these words, and tell of it.  What it
// returns, of which the stub of its type takes what there is.
u64 trace_call(const struct trace_module *m, u32 index,
               const u64 words[TRACE_WORDS]);

// Functions that do that, for a row of a table: with the words that are in
// registers, and with those on the stack, too.
#define TRACE_SIX(function, module, index)                                   \
    static u64 function(u64 r0, u64 r1, u64 r2, u64 r3, u64 r4, u64 r5)      \
    {                                                                        \
        return trace_call(&(module), index,                                  \
                          (const u64[TRACE_WORDS]){r0, r1, r2, r3, r4, r5}); \
    }
#define TRACE_NINE(function, module, index)                                \
    static u64 function(u64 r0, u64 r1, u64 r2, u64 r3, u64 r4, u64 r5,    \
                        u64 r6, u64 r7, u64 r8)                            \
    {                                                                      \
        return trace_call(                                                 \
            &(module), index,                                              \
            (const u64[TRACE_WORDS]){r0, r1, r2, r3, r4, r5, r6, r7, r8}); \
    }

// Those of "nebulet" (trace_calls.c) and of "abi" (trace_2018.c).
extern const void *const nebulet_traced[];
extern const void *const nebulet2018_traced[];
