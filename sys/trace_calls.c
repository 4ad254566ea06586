// sys/trace_calls.c: the module "nebulet" as --trace shows it, made from the
// tables in abi/.

#include "sys/internal.h"
#include "sys/trace.h"

// --- names -------------------------------------------------------------------

static const struct trace_name names[] = {
#define RIGHT(bit, id, text) {"RIGHT", 1ull << (bit), "RIGHT_" #id, false},
#include "abi/rights.def"
#define SIGNAL(bit, id, text) {"SIGNAL", 1ull << (bit), "SIGNAL_" #id, false},
#include "abi/signals.def"
#define NUMBER(value, id, set, help) {#set, value, #id, false},
#include "abi/numbers.def"
#define RESOURCE(number, id, process, unit, help) \
    {"RESOURCE", number, "RESOURCE_" #id, false},
#include "abi/resources.def"
};

static const struct trace_result results[] = {
#define STATUS(number, id, text) {number, #id, text},
#include "abi/status.def"
};

// --- structs -----------------------------------------------------------------

static const struct trace_layout layouts[] = {
#define STRUCT(id, help, fields) {#id, false, sizeof(struct id), {fields}},
#define FIELD(bits, name)        {FORM_NUMBER, bits / 8, #name, NULL},
#define FIELD_RAW(name)          {FORM_HEX, 4, #name, NULL},
#define FIELD_BITS(name, set)    {FORM_BITS, 4, #name, #set},
#define FIELD_CHOICE(name, set)  {FORM_CHOICE, 4, #name, #set},
#include "abi/structs.def"
};

// --- calls -------------------------------------------------------------------

#define NUMBER_OF(n, form, size, set) \
    {TRACE_NUMBER, form, size, 1, false, #n, set, NULL, NULL},
#define OUT_OF(n, form, size, set) \
    {TRACE_NUMBER, form, size, 1, true, #n, set, NULL, NULL},
#define PLACE_OF(kind, n, out, layout, count) \
    {kind, 0, 0, 2, out, #n, NULL, layout, count},

static const struct trace_row rows[] = {
#define SYSCALL(number, name, help, args)           {false, {args}},
#define SYSCALL_IN_MEMORY(number, name, help, args) {true, {args}},
#define NONE
#define HANDLE(n, type, right) NUMBER_OF(n, FORM_HEX, 4, NULL)
#define OPTION(n, type, right) NUMBER_OF(n, FORM_HEX, 4, NULL)
#define ANY(n, right)          NUMBER_OF(n, FORM_HEX, 4, NULL)
#define RAW(n)                 NUMBER_OF(n, FORM_HEX, 4, NULL)
#define WORD(n)                NUMBER_OF(n, FORM_HEX, 4, NULL)
#define U32(n)                 NUMBER_OF(n, FORM_NUMBER, 4, NULL)
#define U64(n)                 NUMBER_OF(n, FORM_NUMBER, 8, NULL)
#define BITS(n, set)           NUMBER_OF(n, FORM_BITS, 4, #set)
#define CHOICE(n, set)         NUMBER_OF(n, FORM_CHOICE, 4, #set)
#define OUT_RAW(n)             OUT_OF(n, FORM_HEX, 4, NULL)
#define NEW(n, type)           OUT_OF(n, FORM_HEX, 4, NULL)
#define NEW_ANY(n)             OUT_OF(n, FORM_HEX, 4, NULL)
#define OUT_U32(n)             OUT_OF(n, FORM_NUMBER, 4, NULL)
#define OUT_U64(n)             OUT_OF(n, FORM_NUMBER, 8, NULL)
#define OUT_BITS(n, set)       OUT_OF(n, FORM_BITS, 4, #set)
#define OUT_CHOICE(n, set)     OUT_OF(n, FORM_CHOICE, 4, #set)
#define BYTES(n)               PLACE_OF(TRACE_BYTES, n, false, NULL, NULL)
#define BUFFER(n)              PLACE_OF(TRACE_BYTES, n, true, NULL, NULL)
#define PART(n, count)         PLACE_OF(TRACE_BYTES, n, true, NULL, #count)
#define ITEMS(n, type)         PLACE_OF(TRACE_STRUCTS, n, false, #type, NULL)
#define FILLED(n, type, count) PLACE_OF(TRACE_STRUCTS, n, true, #type, #count)
#include "abi/syscalls.def"
};

static const struct trace_module module = {
    .host = &nebulet_module,
    .rows = rows,
    .results = results,
    .result_count = COUNT(results),
    .names = names,
    .name_count = COUNT(names),
    .layouts = layouts,
    .layout_count = COUNT(layouts),
};

#define SYSCALL(number, name, help, args) \
    TRACE_SIX(traced_##name, module, CALL_##name)
#include "abi/syscalls.def"

const void *const nebulet_traced[] = {
#define SYSCALL(number, name, help, args) (const void *)traced_##name,
#include "abi/syscalls.def"
};
