// make/abi.c: what programs and people read of the tables in abi/.
//
//     abi c      declarations for C: nebulet.h
//     abi rust   declarations for Rust: nebulet.rs
//     abi doc    docs/abi.md
//     abi c2018, abi doc2018    nebulet2018.h, docs/abi2018.md (abi2018.c)
//
// A kind of argument is a row of `kinds`; all three forms are printed from it.

#include "abi/abi.h"
#include "make/abi.h"

#include <stdio.h>
#include <string.h>

// --- the tables --------------------------------------------------------------

enum kind {
    KIND_NONE,
    KIND_HANDLE,
    KIND_OPTION,
    KIND_ANY,
    KIND_U32,
    KIND_U64,
    KIND_BYTES,
    KIND_BUFFER,
    KIND_ITEMS,
    KIND_WORD,
    KIND_OUT_U32,
    KIND_OUT_U64,
    // What is meant by some of them.
    KIND_RAW,
    KIND_OUT_RAW,
    KIND_NEW,
    KIND_NEW_ANY,
    KIND_BITS,
    KIND_CHOICE,
    KIND_OUT_BITS,
    KIND_OUT_CHOICE,
    KIND_PART,
    KIND_FILLED,
};

static const struct {
    const char *c, *rust; // the type of the argument, or of its own
    const char *text;     // what a person reads
    const char *sized;    // the next argument says how much: NAME_size
} kinds[] = {
    [KIND_NONE] = {"",             "",          "",              NULL   },
    [KIND_HANDLE] = {"uint32_t ",    "u32",       "handle",        NULL   },
    [KIND_OPTION] = {"uint32_t ",    "u32",       "handle",        NULL   },
    [KIND_ANY] = {"uint32_t ",    "u32",       "handle",        NULL   },
    [KIND_U32] = {"uint32_t ",    "u32",       "u32",           NULL   },
    [KIND_U64] = {"uint64_t ",    "u64",       "u64",           NULL   },
    [KIND_BYTES] = {"const void *", "*const u8", "bytes, read",   "size" },
    [KIND_BUFFER] = {"void *",       "*mut u8",   "bytes, filled", "size" },
    [KIND_ITEMS] = {NULL,           NULL,        "read",          "count"},
    [KIND_WORD] = {"uint32_t *",   "*mut u32",  "u32, shared",   NULL   },
    [KIND_OUT_U32] = {"uint32_t *",   "*mut u32",  "u32, out",      false  },
    [KIND_OUT_U64] = {"uint64_t *",   "*mut u64",  "u64, out",      false  },
    [KIND_RAW] = {"uint32_t ",    "u32",       "handle",        NULL   },
    [KIND_OUT_RAW] = {"uint32_t *",   "*mut u32",  "handle, out",   NULL   },
    [KIND_NEW] = {"uint32_t *",   "*mut u32",  "handle, new",   NULL   },
    [KIND_NEW_ANY] = {"uint32_t *",   "*mut u32",  "handle, new",   NULL   },
    [KIND_BITS] = {"uint32_t ",    "u32",       "bits of",       NULL   },
    [KIND_CHOICE] = {"uint32_t ",    "u32",       "one of",        NULL   },
    [KIND_OUT_BITS] = {"uint32_t *",   "*mut u32",  "out, bits of",  NULL   },
    [KIND_OUT_CHOICE] = {"uint32_t *",   "*mut u32",  "out, one of",   NULL   },
    [KIND_PART] = {"void *",       "*mut u8",   "bytes, filled", "size" },
    [KIND_FILLED] = {NULL,           NULL,        "filled",        "count"},
};

enum { ARGS_MAX = 16, ERRORS_MAX = 12 };

struct arg {
    enum kind kind;
    const char *name;
    const char *type, *right; // of a handle or of structs; `type` of a set
    const char *out;          // the argument that says how much was filled
};

static const struct call {
    u32 number;
    const char *name, *help;
    bool in_memory;                // the arguments are the fields of a struct
    struct arg args[ARGS_MAX + 1]; // ends with KIND_NONE
} calls[] = {
#define SYSCALL(number, name, help, args) {number, #name, help, false, {args}},
#define SYSCALL_IN_MEMORY(number, name, help, args) \
    {number, #name, help, true, {args}},
#define NONE                   {0},
#define HANDLE(n, type, right) {KIND_HANDLE, #n, #type, #right, NULL},
#define OPTION(n, type, right) {KIND_OPTION, #n, #type, #right, NULL},
#define ANY(n, right)          {KIND_ANY, #n, NULL, #right, NULL},
#define ITEMS(n, type)         {KIND_ITEMS, #n, #type, NULL, NULL},
#define U32(n)                 {KIND_U32, #n, NULL, NULL, NULL},
#define U64(n)                 {KIND_U64, #n, NULL, NULL, NULL},
#define BYTES(n)               {KIND_BYTES, #n, NULL, NULL, NULL},
#define BUFFER(n)              {KIND_BUFFER, #n, NULL, NULL, NULL},
#define WORD(n)                {KIND_WORD, #n, NULL, NULL, NULL},
#define OUT_U32(n)             {KIND_OUT_U32, #n, NULL, NULL, NULL},
#define OUT_U64(n)             {KIND_OUT_U64, #n, NULL, NULL, NULL},
#define RAW(n)                 {KIND_RAW, #n, NULL, NULL, NULL},
#define OUT_RAW(n)             {KIND_OUT_RAW, #n, NULL, NULL, NULL},
#define NEW(n, type)           {KIND_NEW, #n, #type, NULL, NULL},
#define NEW_ANY(n)             {KIND_NEW_ANY, #n, NULL, NULL, NULL},
#define BITS(n, set)           {KIND_BITS, #n, #set, NULL, NULL},
#define CHOICE(n, set)         {KIND_CHOICE, #n, #set, NULL, NULL},
#define OUT_BITS(n, set)       {KIND_OUT_BITS, #n, #set, NULL, NULL},
#define OUT_CHOICE(n, set)     {KIND_OUT_CHOICE, #n, #set, NULL, NULL},
#define PART(n, out)           {KIND_PART, #n, NULL, NULL, #out},
#define FILLED(n, type, out)   {KIND_FILLED, #n, #type, NULL, #out},
#include "abi/syscalls.def"
};

// What they may return besides what their arguments say; their rows are in the
// order of abi/errors.def.
static const struct {
    const char *call;
    const char *errors[ERRORS_MAX + 1]; // ends with NULL
} errors[] = {
#define ERRORS(call, errors) {#call, {errors}},
#define E(id)                #id,
#include "abi/errors.def"
};

// The calls of WASI preview 1, and what words they take.
static const struct {
    const char *name;
    const char *args[ARGS_MAX + 1]; // ends with NULL
} wasi_calls[] = {
#define CALL(name, args)      {#name, {args}},
#define CALL_OLD(name, args)  {#name, {args}},
#define CALL_EXIT(name, args) {#name, {args}},
#define NONE
#define U32(n) #n,
#define U64(n) #n,
#include "wasi/calls.def"
};

enum { FIELDS_MAX = 12 };

static const struct layout {
    const char *name, *help;
    struct {
        u32 bits;
        const char *name;
    } fields[FIELDS_MAX + 1]; // ends with 0 bits
} structs[] = {
#define STRUCT(id, help, fields) {#id, help, {fields}},
#define FIELD(bits, name)        {bits, #name},
#include "abi/structs.def"
};

// A number, or what a limit is, with its name and sentence.
struct row {
    i64 number;
    const char *name, *text;
    u32 rights; // of an object's first handle
};

static const struct row statuses[] = {
#define STATUS(number, id, text) {number, #id, text, 0},
#include "abi/status.def"
};

static const struct row rights[] = {
#define RIGHT(bit, id, text) {1ll << bit, "RIGHT_" #id, text, 0},
#include "abi/rights.def"
};

static const struct row signals[] = {
#define SIGNAL(bit, id, text) {1ll << bit, "SIGNAL_" #id, text, 0},
#include "abi/signals.def"
};

enum {
#define RIGHT(bit, id, text) RIGHT_##id = 1 << bit,
#include "abi/rights.def"
};

static const struct row objects[] = {
#define OBJECT(number, id, rights, user, closed, help) \
    {number, #id, help, rights},
#include "abi/objects.def"
};

static const struct row limits[] = {
#define LIMIT(id, value, why) {value, #id, why, 0},
#include "abi/limits.def"
};

static const struct row numbers[] = {
#define NUMBER(value, id, set, help) {value, #id, help, 0},
#include "abi/numbers.def"
};

static const struct row resources[] = {
#define RESOURCE(number, id, process, unit, help) \
    {number, #id, unit ": " help, 0},
#include "abi/resources.def"
};

static const char *const traps[] = {
#define TRAP(id, text) text,
#include "abi/traps.def"
};

// --- C -----------------------------------------------------------------------

// An argument or a field, and, after `next`, how much of it there is.
static void
c_arg(const struct arg *arg, const char *next)
{
    const char *type = kinds[arg->kind].c;

    if (type != NULL)
        printf("%s%s", type, arg->name);
    else
        printf("struct nebulet_%s *%s", arg->type, arg->name);
    if (kinds[arg->kind].sized != NULL)
        printf("%suint32_t %s_%s", next, arg->name, kinds[arg->kind].sized);
}

static void
c_layout(const struct layout *s)
{
    printf("\n// %s\nstruct nebulet_%s {\n", s->help, s->name);
    for (u32 i = 0; s->fields[i].bits > 0; i++)
        printf("    uint%u_t %s;\n", s->fields[i].bits, s->fields[i].name);
    printf("};\n");
}

static void
c_struct(const struct call *call)
{
    printf("struct nebulet_%s {\n", call->name);
    for (const struct arg *arg = call->args; arg->kind != KIND_NONE; arg++) {
        printf("    ");
        c_arg(arg, ";\n    ");
        printf(";\n");
    }
    printf("};\n");
}

static void
c_call(const struct call *call)
{
    const struct arg *arg = call->args;

    printf("\n// %s\n", call->help);
    if (call->in_memory)
        c_struct(call);
    printf("__attribute__((import_module(\"nebulet\"), "
           "import_name(\"%s\")))\nint32_t nebulet_%s(",
           call->name, call->name);
    if (call->in_memory) {
        printf("const struct nebulet_%s *call);\n", call->name);
        return;
    }
    if (arg->kind == KIND_NONE)
        printf("void");
    for (const char *comma = ""; arg->kind != KIND_NONE; arg++, comma = ", ") {
        printf("%s", comma);
        c_arg(arg, ", ");
    }
    printf(");\n");
}

static void
c_enum(const char *name, const char *prefix, const struct row *rows, u64 count)
{
    printf("\nenum nebulet_%s {\n", name);
    for (u64 i = 0; i < count; i++)
        printf("    NEBULET_%s%s = %lld, // %s\n", prefix, rows[i].name,
               (long long)rows[i].number, rows[i].text);
    printf("};\n");
}

static void
print_c(void)
{
    printf("// nebulet.h: the system calls, module \"nebulet\".  Made from "
           "abi/*.def "
           "by make/abi.c.\n\n#pragma once\n\n#include <stdint.h>\n");
    c_enum("status", "", statuses, COUNT(statuses));
    c_enum("right", "", rights, COUNT(rights));
    c_enum("number", "", numbers, COUNT(numbers));
    c_enum("resource", "RESOURCE_", resources, COUNT(resources));
    c_enum("limit", "LIMIT_", limits, COUNT(limits));
    for (u64 i = 0; i < COUNT(signals); i++)
        printf("%s#define NEBULET_%s %#xu // %s\n", i == 0 ? "\n" : "",
               signals[i].name, (u32)signals[i].number, signals[i].text);
    for (u64 i = 0; i < COUNT(structs); i++)
        c_layout(&structs[i]);
    for (u64 i = 0; i < COUNT(calls); i++)
        c_call(&calls[i]);
}

// --- Rust --------------------------------------------------------------------

// thread_create: ThreadCreate.
static void
rust_struct_name(const char *name)
{
    bool capital = true;

    for (const char *at = name; *at != 0; at++) {
        if (*at != '_')
            putchar(capital ? *at - 'a' + 'A' : *at);
        capital = *at == '_';
    }
}

static void
rust_arg(const struct arg *arg, const char *before, const char *next)
{
    const char *type = kinds[arg->kind].rust;

    printf("%s%s: ", before, arg->name);
    if (type != NULL)
        printf("%s", type);
    else
        printf("*mut ");
    if (type == NULL)
        rust_struct_name(arg->type);
    if (kinds[arg->kind].sized != NULL)
        printf("%s%s%s_%s: u32", next, before, arg->name,
               kinds[arg->kind].sized);
}

static void
rust_layout(const struct layout *s)
{
    printf("\n/// %s\n#[repr(C)]\n#[derive(Clone, Copy, Default)]\npub struct ",
           s->help);
    rust_struct_name(s->name);
    printf(" {\n");
    for (u32 i = 0; s->fields[i].bits > 0; i++)
        printf("    pub %s: u%u,\n", s->fields[i].name, s->fields[i].bits);
    printf("}\n");
}

static void
rust_struct(const struct call *call)
{
    printf("\n/// %s\n#[repr(C)]\npub struct ", call->help);
    rust_struct_name(call->name);
    printf(" {\n");
    for (const struct arg *arg = call->args; arg->kind != KIND_NONE; arg++) {
        rust_arg(arg, "    pub ", ",\n");
        printf(",\n");
    }
    printf("}\n");
}

static void
rust_call(const struct call *call)
{
    printf("    /// %s\n    pub fn %s(", call->help, call->name);
    if (call->in_memory) {
        printf("call: *const ");
        rust_struct_name(call->name);
        printf(") -> i32;\n");
        return;
    }
    const char *comma = "";
    for (const struct arg *arg = call->args; arg->kind != KIND_NONE; arg++) {
        printf("%s", comma);
        rust_arg(arg, "", ", ");
        comma = ", ";
    }
    printf(") -> i32;\n");
}

static void
rust_constants(const char *type, const char *prefix, const struct row *rows,
               u64 count)
{
    for (u64 i = 0; i < count; i++)
        printf("/// %s\npub const %s%s: %s = %lld;\n", rows[i].text, prefix,
               rows[i].name, type, (long long)rows[i].number);
}

static void
print_rust(void)
{
    printf("// nebulet.rs: the system calls, module \"nebulet\".  Made from "
           "abi/*.def by\n// make/abi.c.\n\n");
    rust_constants("i32", "", statuses, COUNT(statuses));
    rust_constants("u32", "", rights, COUNT(rights));
    rust_constants("u32", "", signals, COUNT(signals));
    rust_constants("u32", "", numbers, COUNT(numbers));
    rust_constants("u32", "RESOURCE_", resources, COUNT(resources));
    rust_constants("usize", "LIMIT_", limits, COUNT(limits));
    for (u64 i = 0; i < COUNT(structs); i++)
        rust_layout(&structs[i]);
    for (u64 i = 0; i < COUNT(calls); i++)
        if (calls[i].in_memory)
            rust_struct(&calls[i]);
    printf("\n#[link(wasm_import_module = \"nebulet\")]\nextern \"C\" {\n");
    for (u64 i = 0; i < COUNT(calls); i++)
        rust_call(&calls[i]);
    printf("}\n");
}

// --- the manual --------------------------------------------------------------

static void
doc_arg(const struct arg *arg)
{
    bool all = arg->out != NULL && strcmp(arg->out, "all") == 0;

    printf("`%s`: ", arg->name);
    if (arg->kind == KIND_HANDLE)
        printf("handle of a %s, %s", arg->type, arg->right);
    else if (arg->kind == KIND_OPTION)
        printf("0 or handle of a %s, %s", arg->type, arg->right);
    else if (arg->kind == KIND_ANY)
        printf("any handle, %s", arg->right);
    else if (arg->kind == KIND_ITEMS || arg->kind == KIND_FILLED)
        printf("`%s`s, %s%s", arg->type, all ? "read and " : "",
               kinds[arg->kind].text);
    else if (arg->kind == KIND_NEW)
        printf("handle of a new %s, out", arg->type);
    else if (arg->type != NULL)
        printf("%s %s", kinds[arg->kind].text, arg->type);
    else
        printf("%s", kinds[arg->kind].text);
    if (arg->out != NULL && !all)
        printf(", `%s` of them", arg->out);
}

static void
doc_errors(const char *call)
{
    for (u64 i = 0; i < COUNT(errors); i++)
        for (u32 k = 0; strcmp(errors[i].call, call) == 0; k++) {
            if (errors[i].errors[k] == NULL)
                return;
            printf("%s`ERR_%s`", k > 0 ? ", " : "", errors[i].errors[k]);
        }
}

static void
doc_call(const struct call *call)
{
    printf("| %u | `%s` | ", call->number, call->name);
    const char *comma = call->in_memory ? "in memory: " : "";
    for (const struct arg *arg = call->args; arg->kind != KIND_NONE; arg++) {
        printf("%s", comma);
        doc_arg(arg);
        comma = "; ";
    }
    printf(" | %s | ", call->help);
    doc_errors(call->name);
    printf(" |\n");
}

static void
doc_rows(const char *head, const struct row *rows, u64 count)
{
    printf("\n%s", head);
    for (u64 i = 0; i < count; i++)
        printf("| %lld | `%s` | %s |\n", (long long)rows[i].number,
               rows[i].name, rows[i].text);
}

static void
doc_rights(u32 set)
{
    const char *comma = "";

    for (u64 i = 0; i < COUNT(rights); i++) {
        if ((set & (u64)rights[i].number) == 0)
            continue;
        printf("%s`%s`", comma, rights[i].name);
        comma = ", ";
    }
}

static void
doc_structs(void)
{
    printf("\n## Structs\n\nArguments of several of them are an address and a "
           "count.\n\n| struct | fields | what it is |\n|---|---|---|\n");
    for (u64 i = 0; i < COUNT(structs); i++) {
        const struct layout *s = &structs[i];
        printf("| `%s` | ", s->name);
        for (u32 k = 0; s->fields[k].bits > 0; k++)
            printf("%s`%s`: u%u", k > 0 ? "; " : "", s->fields[k].name,
                   s->fields[k].bits);
        printf(" | %s |\n", s->help);
    }
}

static void
doc_wasi(void)
{
    printf("\n## Calls of WASI\n\nPreview 1, module `wasi_snapshot_preview1`, "
           "and its forerunner `wasi_unstable`. Every\ncall but `proc_exit` "
           "returns an errno. What a call takes is called here as "
           "`--trace`\nshows it; `size` and `count` belong to the address "
           "before them.\n\n| call | arguments |\n|---|---|\n");
    for (u64 i = 0; i < COUNT(wasi_calls); i++) {
        printf("| `%s` | ", wasi_calls[i].name);
        for (u32 k = 0; wasi_calls[i].args[k] != NULL; k++)
            printf("%s`%s`", k > 0 ? ", " : "", wasi_calls[i].args[k]);
        printf(" |\n");
    }
}

static void
print_doc(void)
{
    printf("# The interface of the kernel\n\n"
           "Made from the tables in `abi/` by `make accept`; do not edit.\n\n"
           "## System calls\n\n"
           "Imports of the module `nebulet`. Every call returns a status "
           "(i32). An\n"
           "argument is one i32, a u64 one i64; bytes are an address and a "
           "size, two\n"
           "i32. A call of more than six such words takes one, the address "
           "of a struct in\n"
           "memory with the arguments as its fields, laid out as in C. C "
           "programs include\n"
           "`nebulet.h` (`out/user/include`), Rust programs use the crate "
           "`sip`.\n\n"
           "Besides the errors of a call its arguments have their own: a "
           "handle\n`ERR_BAD_HANDLE`, `ERR_WRONG_TYPE` and `ERR_ACCESS`, an "
           "address\n`ERR_BAD_ADDRESS`, and what has to be aligned (the u32 of "
           "a lock, a struct of\narguments) `ERR_BAD_ARGUMENT`. A thread that "
           "is killed leaves when its call is\nover: no program sees "
           "`ERR_KILLED`.\n\n"
           "| number | call | arguments | what it does | errors |\n"
           "|---|---|---|---|---|\n");
    for (u64 i = 0; i < COUNT(calls); i++)
        doc_call(&calls[i]);
    doc_structs();
    doc_wasi();
    doc_rows(
        "## Status numbers\n\n| number | name | meaning |\n|---|---|---|\n",
        statuses, COUNT(statuses));
    doc_rows("## Rights\n\n| bit | name | allows to |\n|---|---|---|\n", rights,
             COUNT(rights));
    doc_rows("## Signals\n\n| bits | name | while it is set |\n|---|---|---|\n",
             signals, COUNT(signals));
    printf("\n## Objects\n\n| number | type | rights of the first handle |\n"
           "|---|---|---|\n");
    for (u64 i = 0; i < COUNT(objects); i++) {
        printf("| %lld | `%s`, %s | ", (long long)objects[i].number,
               objects[i].name, objects[i].text);
        doc_rights(objects[i].rights);
        printf(" |\n");
    }
    doc_rows("## Numbers\n\n| number | name | meaning |\n|---|---|---|\n",
             numbers, COUNT(numbers));
    doc_rows("## Resources\n\nWhat groups use, and may use "
             "([groups](groups.md)).\n\n| number | name | what is counted |\n"
             "|---|---|---|\n",
             resources, COUNT(resources));
    doc_rows("## Limits\n\n| at most | of | from |\n|---|---|---|\n", limits,
             COUNT(limits));
    printf(
        "\n## Traps\n\nA trap ends the process with exit status %d and one of "
        "these reasons:\n\n",
        EXIT_TRAP);
    for (u64 i = 0; i < COUNT(traps); i++)
        printf("* %s\n", traps[i]);
}

int
main(int argc, char **argv)
{
    const char *form = argc == 2 ? argv[1] : "";

    if (strcmp(form, "c") == 0)
        print_c();
    else if (strcmp(form, "rust") == 0)
        print_rust();
    else if (strcmp(form, "doc") == 0)
        print_doc();
    else if (strcmp(form, "c2018") == 0)
        print_2018_c();
    else if (strcmp(form, "doc2018") == 0)
        print_2018_doc();
    else
        return fputs("usage: abi c|rust|doc|c2018|doc2018\n", stderr), 2;
    return fflush(stdout) != 0 || ferror(stdout);
}
