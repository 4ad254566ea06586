// make/abi2018.c: what programs and people read of abi/nebulet2018.def.

#include "abi/abi.h"
#include "make/abi.h"

#include <stdio.h>
#include <string.h>

// --- the table ---------------------------------------------------------------

enum { ARGS_MAX = 6 };

struct arg {
    const char *c; // its type in C; NULL: no more arguments
    const char *name;
    const char *text; // what a person reads
    const char *of;   // a type of objects, a set of bits, or an argument
    bool sized;       // the next word says how many bytes
};

static const struct call {
    const char *name, *c, *result; // c: the type of what it returns
    struct arg args[ARGS_MAX + 1];
    const char *errors, *help, *differs;
} calls[] = {
#define C_I64  "int64_t"
#define C_I32  "int32_t"
#define C_VOID "void"
#define CALL_2018(name, result, args, errors, help, differs) \
    {#name, C_##result, #result, {args}, "" errors, help, differs},
#define ERROR(id) "`" #id "` "
#define NONE
#define HANDLE(n, type, right) {"uint32_t ", #n, "handle of a", #type, false},
#define RAW(n)                 {"uint32_t ", #n, "handle", NULL, false},
#define U32(n)                 {"uint32_t ", #n, "i32", NULL, false},
#define U64(n)                 {"uint64_t ", #n, "i64", NULL, false},
#define BITS(n, set)           {"uint32_t ", #n, "bits of", #set, false},
#define WORD(n)                {"uint32_t *", #n, "lock", NULL, false},
#define BYTES(n)               {"const void *", #n, "bytes, read", NULL, true},
#define TEXT(n)                {"const void *", #n, "bytes, shown", NULL, true},
#define BUFFER(n)              {"void *", #n, "bytes, filled", NULL, true},
#define PART(n, out)           {"void *", #n, "bytes, filled to", #out, true},
#define NEW(n)                 {"uint32_t *", #n, "handle, out", NULL, false},
#define OUT_U32(n)             {"uint32_t *", #n, "i32, out", NULL, false},
#define OUT_U64(n)             {"uint64_t *", #n, "i64, out", NULL, false},
#include "abi/nebulet2018.def"
};

static const struct {
    i32 number;
    const char *name, *text;
} errors[] = {
#define ERROR_2018(number, id, text) {number, #id, text},
#include "abi/nebulet2018.def"
};

static const struct {
    u32 bit;
    const char *name, *ours;
} signals[] = {
#define SIGNAL_2018(bit, id, ours) {bit, #id, #ours},
#include "abi/nebulet2018.def"
};

static const struct {
    const char *type;
    u32 waits, sets;
} objects[] = {
#define OBJECT_2018(type, waits, sets) {#type, waits, sets},
#include "abi/nebulet2018.def"
};

// --- C -----------------------------------------------------------------------

static void
c_call(const struct call *call)
{
    const char *comma = "";

    printf("\n// %s\n__attribute__((import_module(\"abi\"), "
           "import_name(\"%s\")))\n%s abi_%s(",
           call->help, call->name, call->c, call->name);
    if (call->args[0].c == NULL)
        printf("void");
    for (const struct arg *a = call->args; a->c != NULL; a++, comma = ", ") {
        printf("%s%s%s", comma, a->c, a->name);
        if (a->sized)
            printf(", uint32_t %s_size", a->name);
    }
    printf(");\n");
}

void
print_2018_c(void)
{
    printf("// nebulet2018.h: the calls of the Nebulet of 2018, module "
           "\"abi\".  Made from\n// abi/nebulet2018.def by make/abi2018.c.\n\n"
           "#pragma once\n\n#include <stdint.h>\n\nenum abi_error {\n");
    for (u64 i = 0; i < COUNT(errors); i++)
        printf("    ABI_%s = %d, // %s\n", errors[i].name, errors[i].number,
               errors[i].text);
    printf("};\n\n");
    for (u64 i = 0; i < COUNT(signals); i++)
        printf("#define ABI_SIGNAL_%s %#xu\n", signals[i].name,
               (u32)(1ull << signals[i].bit));
    for (u64 i = 0; i < COUNT(calls); i++)
        c_call(&calls[i]);
}

// --- the manual --------------------------------------------------------------

static void
doc_call(const struct call *call)
{
    const char *comma = "";

    printf("| `%s` | ", call->name);
    for (const struct arg *a = call->args; a->c != NULL; a++, comma = "; ") {
        printf("%s`%s`: %s", comma, a->name, a->text);
        if (a->of != NULL)
            printf(" %s", a->of);
    }
    printf(" | %s | %s | %s | %s |\n",
           strcmp(call->result, "VOID") == 0 ? "nothing" :
           strcmp(call->result, "I32") == 0  ? "i32" :
                                               "i64",
           call->errors, call->help, call->differs);
}

static void
doc_signals(u32 bits)
{
    const char *comma = "";

    for (u64 i = 0; i < COUNT(signals); i++) {
        if ((bits >> signals[i].bit & 1) == 0)
            continue;
        printf("%s`%s`", comma, signals[i].name);
        comma = ", ";
    }
    printf("%s", bits == 0 ? "none" : "");
}

static const char head[] =
    "# The calls of 2018\n\n"
    "Made from `abi/nebulet2018.def` by `make accept`; do not edit.\n\n"
    "Programs that were written for the Nebulet of 2018 import the module "
    "`abi`. It has\nthe names, types, error numbers and meanings of then, on "
    "the objects of now\n([the interface](abi.md)): a program can use both "
    "modules, and a handle of one is a\nhandle of the other. For C there is "
    "`nebulet2018.h` (`out/user/include`).\n\n"
    "An i64 is a number from 0, or an error, which is negative. Bytes are an "
    "address and\na size, two i32; what comes out goes to an address, an i32. "
    "Where an address is not\nthe program's, the error is `INVALID_ARG` for "
    "bytes, `INTERNAL` for an i32 that\ncomes out, and `OUT_OF_BOUNDS` for an "
    "i64; a lock at such an address, or at one that\nis no multiple of 4, is a "
    "trap. What makes something can also fail with `NO_MEMORY`.\n\n"
    "A program begins at its export `main` (or `_start`). Handle 0 is the "
    "channel that\nits process was created with. The rights of 2018 were "
    "`DUPLICATE` 1, `TRANSFER` 2,\n`READ` 4 and `WRITE` 8, as they are now; to "
    "wait and to signal no right was needed,\nand so each handle that these "
    "calls make has both rights of now (`WAIT`, `SIGNAL`)\nwhere its type has "
    "them. `WRITE` of a process is `MANAGE` now. The ends of a channel\nor "
    "stream have `TRANSFER`, one `WRITE`, the other `READ` and `DUPLICATE`; an "
    "event\n`TRANSFER`; a module `TRANSFER` and `READ`; a process `TRANSFER` "
    "and `MANAGE`.\n\n"
    "What belongs to devices needs *registers* that the process was given "
    "(`--device ps2`,\n[drivers](drivers.md#registers)); of a resource of 2018 "
    "they have the ports alone.\n\n"
    "## Calls\n\n"
    "| call | arguments | returns | errors | what it does | where ours "
    "differs |\n|---|---|---|---|---|---|\n";

void
print_2018_doc(void)
{
    printf("%s", head);
    for (u64 i = 0; i < COUNT(calls); i++)
        doc_call(&calls[i]);
    printf("\n## Errors\n\n| number | name | when |\n|---|---|---|\n");
    for (u64 i = 0; i < COUNT(errors); i++)
        printf("| %d | `%s` | %s |\n", errors[i].number, errors[i].name,
               errors[i].text);
    printf("\n## Signals\n\n| bits | name | now |\n|---|---|---|\n");
    for (u64 i = 0; i < COUNT(signals); i++)
        printf("| %llu | `%s` | %s |\n", 1ull << signals[i].bit,
               signals[i].name,
               strcmp(signals[i].ours, "0") == 0 ? "never comes" :
                                                   signals[i].ours);
    printf("\n## What can be waited for\n\n| object | signals to wait for | "
           "signals to set and clear |\n|---|---|---|\n");
    for (u64 i = 0; i < COUNT(objects); i++) {
        printf("| %s | ", objects[i].type);
        doc_signals(objects[i].waits);
        printf(" | ");
        doc_signals(objects[i].sets);
        printf(" |\n");
    }
    printf("| any other | none | none |\n");
}
