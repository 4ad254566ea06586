// sys/trace_2018.c: the module "abi" as --trace shows it, made from its table.

#include "sys/trace.h"

static const struct trace_name names[] = {
#define RIGHT(bit, id, text) {"RIGHT", 1ull << (bit), "RIGHT_" #id, false},
#include "abi/rights.def"
#define SIGNAL_2018(bit, id, ours) {"SIGNAL_2018", 1ull << (bit), #id, false},
#include "abi/nebulet2018.def"
};

static const struct trace_result results[] = {
#define ERROR_2018(number, id, text) {number, #id, text},
#include "abi/nebulet2018.def"
};

#define NUMBER_OF(n, form, size, set) \
    {TRACE_NUMBER, form, size, 1, false, #n, set, NULL, NULL},
#define OUT_OF(n, form, size) \
    {TRACE_NUMBER, form, size, 1, true, #n, NULL, NULL, NULL},
#define BYTES_OF(n, out, count) \
    {TRACE_BYTES, 0, 0, 2, out, #n, NULL, NULL, count},

static const struct trace_row rows[] = {
#define CALL_2018(name, result, args, errors, help, differs) {false, {args}},
#define NONE
#define HANDLE(n, type, right) NUMBER_OF(n, FORM_HEX, 4, NULL)
#define RAW(n)                 NUMBER_OF(n, FORM_HEX, 4, NULL)
#define WORD(n)                NUMBER_OF(n, FORM_HEX, 4, NULL)
#define U32(n)                 NUMBER_OF(n, FORM_NUMBER, 4, NULL)
#define U64(n)                 NUMBER_OF(n, FORM_NUMBER, 8, NULL)
#define BITS(n, set)           NUMBER_OF(n, FORM_BITS, 4, #set)
#define NEW(n)                 OUT_OF(n, FORM_HEX, 4)
#define OUT_U32(n)             OUT_OF(n, FORM_NUMBER, 4)
#define OUT_U64(n)             OUT_OF(n, FORM_NUMBER, 8)
#define BYTES(n)               BYTES_OF(n, false, NULL)
#define TEXT(n)                BYTES_OF(n, false, NULL)
#define BUFFER(n)              BYTES_OF(n, true, NULL)
#define PART(n, count)         BYTES_OF(n, true, #count)
#include "abi/nebulet2018.def"
};

static const struct trace_module module = {
    .host = &nebulet2018_module,
    .rows = rows,
    .results = results,
    .result_count = COUNT(results),
    .names = names,
    .name_count = COUNT(names),
};

enum {
#define CALL_2018(name, result, args, errors, help, differs) INDEX_##name,
#include "abi/nebulet2018.def"
};

#define CALL_2018(name, result, args, errors, help, differs) \
    TRACE_SIX(traced_##name, module, INDEX_##name)
#include "abi/nebulet2018.def"

const void *const nebulet2018_traced[] = {
#define CALL_2018(name, result, args, errors, help, differs) \
    (const void *)traced_##name,
#include "abi/nebulet2018.def"
};
