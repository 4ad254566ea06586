// tool/invoke.c: the call that --invoke asks for: which function, and what the
// words after the program are as its arguments, by their types.
//
//     i32, i64   a number, signed or not, in decimal or with 0x
//     f32, f64   a number as strtod() has it, also inf and nan
//     v128       0x and up to 32 digits

#include "tool/tool.h"

#include "code/code.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_SIZE_LOG2 = 38, NAMES_SHOWN = 200 };

// --- values ------------------------------------------------------------------

static bool
is_number(const char *text)
{
    return isdigit((u8)text[text[0] == '-']);
}

static bool
read_integer(const char *text, u32 bits, u64 *to)
{
    bool negative = text[0] == '-';
    int base = strncmp(text + negative, "0x", 2) == 0 ? 16 : 10;
    char *end;

    errno = 0;
    u64 size = strtoull(text + negative, &end, base);
    u64 most = negative    ? 1ull << (bits - 1) :
               bits == 64u ? UINT64_MAX :
                             (1ull << bits) - 1;
    *to = negative ? -size : size;
    return is_number(text) && *end == 0 && errno == 0 && size <= most;
}

static bool
read_float(const char *text, bool is_double, u64 *to)
{
    char *end;

    *to = 0;
    if (is_double) {
        double value = strtod(text, &end);
        memcpy(to, &value, sizeof(value));
    } else {
        float value = strtof(text, &end);
        memcpy(to, &value, sizeof(value));
    }
    return text[0] != 0 && !isspace((u8)text[0]) && *end == 0;
}

static bool
read_vector(const char *text, u64 *to)
{
    enum { HALF = 16 };
    size_t len = strlen(text);
    char high[HALF + 1] = "0";

    if (strncmp(text, "0x", 2) != 0 || len < 3 || len > 2 + 2 * HALF ||
        strspn(text + 2, "0123456789abcdefABCDEF") != len - 2)
        return false;
    size_t low = len - 2 > HALF ? len - HALF : 2;
    snprintf(high, sizeof(high), "0%.*s", (int)(low - 2), text + 2);
    if (low - 2 == HALF)
        memcpy(high, text + 2, HALF);
    to[0] = strtoull(text + low, NULL, 16);
    to[1] = strtoull(high, NULL, 16);
    return true;
}

static bool
read_value(const char *text, valtype_t type, u64 *to)
{
    switch (type) {
    case VAL_I32:
        return read_integer(text, 32, to);
    case VAL_I64:
        return read_integer(text, 64, to);
    case VAL_F32:
    case VAL_F64:
        return read_float(text, type == VAL_F64, to);
    }
    return read_vector(text, to);
}

static const char *
type_name(valtype_t type)
{
    static const char *const names[] = {
        [VAL_I32] = "i32", [VAL_I64] = "i64",   [VAL_F32] = "f32",
        [VAL_F64] = "f64", [VAL_V128] = "v128",
    };

    return type < COUNT(names) ? names[type] : NULL;
}

// --- the function ------------------------------------------------------------

// The names of the functions that can be called, with commas between them.
static void
list_functions(const struct module *m, char *to, u32 size)
{
    u32 at = 0;

    to[0] = 0;
    for (u32 i = 0; i < m->export_count; i++) {
        const struct export *e = &m->exports[i];
        if (e->kind != EXTERN_FUNC)
            continue;
        if (at + e->name.len + sizeof(", ...") >= size) {
            snprintf(to + at, size - at, ", ...");
            return;
        }
        at += (u32)snprintf(to + at, size - at, "%s%.*s", at > 0 ? ", " : "",
                            (int)e->name.len, e->name.ptr);
    }
}

static const struct export *
find_function(const struct module *m, const struct invocation *call)
{
    const struct export *e = module_export(m, string_of(call->function));
    char names[NAMES_SHOWN];

    if (e != NULL && e->kind == EXTERN_FUNC)
        return e;
    list_functions(m, names, sizeof(names));
    if (names[0] == 0)
        complain("%s: there is no function \"%s\" to call, it exports none",
                 call->path, call->function);
    else
        complain("%s: there is no function \"%s\" to call; it exports %s",
                 call->path, call->function, names);
    return NULL;
}

// May nothing but numbers go in and come out?
static bool
has_plain_type(const struct type *type, const struct invocation *call)
{
    for (u32 i = 0; i < (u32)type->param_count + type->result_count; i++) {
        if (type_name(type->vals[i]) != NULL)
            continue;
        complain("%s: %s %s a reference, which --invoke cannot %s", call->path,
                 call->function, i < type->param_count ? "takes" : "returns",
                 i < type->param_count ? "give" : "print");
        return false;
    }
    return true;
}

static int
pack_arguments(struct buffer *out, const struct type *type,
               const struct invocation *call)
{
    const struct words *words = &call->args;
    u32 count = type->param_count;

    if ((u32)words->count != count)
        return misuse(call->command,
                      "--invoke %s: it takes %u argument%s, %d %s "
                      "given",
                      call->function, count, count == 1 ? "" : "s",
                      words->count, words->count == 1 ? "is" : "are");
    buffer_put(out, call->function, strlen(call->function) + 1);
    for (u32 i = 0; i < count; i++) {
        u64 slot[2] = {0, 0};
        if (!read_value(words->list[i], type->vals[i], slot))
            return misuse(call->command,
                          "--invoke %s: argument %u, %s: not a number of type "
                          "%s",
                          call->function, i + 1, words->list[i],
                          type_name(type->vals[i]));
        buffer_put(out, slot, sizeof(slot));
    }
    return OPTIONS_READ;
}

// What is wrong with a module is the kernel's to say.
int
invocation_pack(struct buffer *out, const struct invocation *call,
                struct bytes bytes)
{
    int status = OPTIONS_READ;
    struct error error = {0};
    struct code_file file;
    struct arena keep;
    struct module m;

    arena_init_host(&keep, 1ull << ARENA_SIZE_LOG2);
    if (code_file_is(bytes) &&
        code_file_open(&file, bytes, UINT32_MAX, &keep, &error) == OK)
        bytes = file.module;
    if (module_decode(&m, bytes, &keep, &error) == OK) {
        const struct export *e = find_function(&m, call);
        const struct type *type =
            e != NULL ? &m.types[m.funcs[e->index].type] : NULL;
        status = type != NULL && has_plain_type(type, call) ?
                     pack_arguments(out, type, call) :
                     1;
    }
    arena_free_host(&keep);
    return status;
}
