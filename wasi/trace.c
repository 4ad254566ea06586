// wasi/trace.c: the modules of WASI as --trace shows them, made from calls.def:
// preview 1, preview 0 and wasi-threads.

#include "sys/trace.h"
#include "wasi/wasi.h"

// --- names -------------------------------------------------------------------

static const struct trace_name names[] = {
#define FLAG(set, value, id)     {#set, value, #id, false},
#define FLAG_OLD(set, value, id) {#set, value, #id, true},
#include "wasi/flags.def"
#define RIGHT(bit, id, file, dir, stream) {"RIGHT", 1ull << (bit), #id, false},
#include "wasi/rights.def"
#define ERRNO(number, id, text) {"ERRNO", number, #id, false},
#include "wasi/errno.def"
};

static const struct trace_result results[] = {
#define ERRNO(number, id, text) {number, #id, text},
#include "wasi/errno.def"
};

// --- structs -----------------------------------------------------------------

static const struct trace_layout layouts[] = {
#define STRUCT(id, size, fields)       {#id, false, size, {fields}},
#define STRUCT_OLD(id, size, fields)   {#id, true, size, {fields}},
#define FIELD(bytes, name)             {FORM_NUMBER, bytes, #name, NULL},
#define FIELD_BITS(bytes, name, set)   {FORM_BITS, bytes, #name, #set},
#define FIELD_CHOICE(bytes, name, set) {FORM_CHOICE, bytes, #name, #set},
#define SKIP(bytes)                    {FORM_SKIP, bytes, NULL, NULL},
#include "wasi/structs.def"
};

// --- calls -------------------------------------------------------------------

#define NUMBER_OF(n, form, size, set) \
    {TRACE_NUMBER, form, size, 1, false, #n, set, NULL, NULL},
#define OUT_OF(n, size) \
    {TRACE_NUMBER, FORM_NUMBER, size, 1, true, #n, NULL, NULL, NULL},
#define PLACE_OF(kind, n, words, out, layout, count) \
    {kind, 0, 0, words, out, #n, NULL, layout, count},

static const struct trace_row rows[] = {
#define CALL(name, args)      {false, {args}},
#define CALL_OLD(name, args)  {false, {args}},
#define CALL_EXIT(name, args) {false, {args}},
#define NONE
#define U32(n)               NUMBER_OF(n, FORM_NUMBER, 4, NULL)
#define U64(n)               NUMBER_OF(n, FORM_NUMBER, 8, NULL)
#define FD(n)                NUMBER_OF(n, FORM_NUMBER, 4, NULL)
#define I64(n)               NUMBER_OF(n, FORM_SIGNED, 8, NULL)
#define ADDRESS(n)           NUMBER_OF(n, FORM_HEX, 4, NULL)
#define BITS(n, set)         NUMBER_OF(n, FORM_BITS, 4, #set)
#define BITS64(n, set)       NUMBER_OF(n, FORM_BITS, 8, #set)
#define CHOICE(n, set)       NUMBER_OF(n, FORM_CHOICE, 4, #set)
#define OUT_U32(n)           OUT_OF(n, 4)
#define OUT_U64(n)           OUT_OF(n, 8)
#define OUT_FD(n)            OUT_OF(n, 4)
#define BYTES(n, size)       PLACE_OF(TRACE_BYTES, n, 2, false, NULL, NULL)
#define PART(n, size, count) PLACE_OF(TRACE_BYTES, n, 2, true, NULL, #count)
#define READ_FROM(n, count)  PLACE_OF(TRACE_VECTORS, n, 2, false, NULL, NULL)
#define FILL(n, count, out)  PLACE_OF(TRACE_VECTORS, n, 2, true, NULL, #out)
#define STRUCTS(n, type, count) \
    PLACE_OF(TRACE_STRUCTS, n, 1, false, #type, #count)
#define OUT_STRUCTS(n, type, count) \
    PLACE_OF(TRACE_STRUCTS, n, 1, true, #type, #count)
#define OUT(n, type) PLACE_OF(TRACE_STRUCTS, n, 1, true, #type, NULL)
#include "wasi/calls.def"
};

enum {
#define CALL(name, args) INDEX_##name,
#include "wasi/calls.def"
};

#define MODULE(from, is_old)                               \
    {                                                      \
        .host = &(from), .rows = rows, .results = results, \
        .result_count = COUNT(results), .names = names,    \
        .name_count = COUNT(names), .layouts = layouts,    \
        .layout_count = COUNT(layouts), .old = is_old,     \
    }

static const struct trace_module preview1 = MODULE(wasi_preview1, false);
static const struct trace_module unstable = MODULE(wasi_unstable, true);

#define CALL(name, args)                              \
    TRACE_SIX(six_##name, preview1, INDEX_##name)     \
    TRACE_NINE(nine_##name, preview1, INDEX_##name)   \
    TRACE_SIX(old_six_##name, unstable, INDEX_##name) \
    TRACE_NINE(old_nine_##name, unstable, INDEX_##name)
#include "wasi/calls.def"

#define U32(n) +1
#define U64(n) +1
#define NONE
#define CALL(name, args) \
    (0 args) > 6 ? (const void *)nine_##name : (const void *)six_##name,
const void *const preview1_traced[] = {
#include "wasi/calls.def"
};

#define U32(n) +1
#define U64(n) +1
#define NONE
#define CALL(name, args) \
    (0 args) > 6 ? (const void *)old_nine_##name : (const void *)old_six_##name,
const void *const unstable_traced[] = {
#include "wasi/calls.def"
};

// --- wasi-threads ------------------------------------------------------------

static const struct trace_row thread_rows[] = {
    {false, {NUMBER_OF(arg, FORM_HEX, 4, NULL)}},
};

static const struct trace_module threads = {
    .host = &wasi_threads,
    .rows = thread_rows,
};

TRACE_SIX(traced_thread_spawn, threads, 0)

const void *const threads_traced[] = {(const void *)traced_thread_spawn};
