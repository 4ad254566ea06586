// tool/script_json.c: test scripts: JSON and modules, as wast2json writes them,
// into the form of script.h.

#include "tool/script.h"
#include "tool/tool.h"
#include "wasm/wasm.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

// What is being translated.
struct source {
    const char *path; // of the JSON file
    u32 line;         // of the .wast file, as the command says
    struct buffer *out;
    u8 needs; // enum wasm_feature: of the modules that have to be valid
    bool failed;
};

static bool
refuse(struct source *s, const char *what, const char *detail)
{
    complain("%s: line %u: %s: %s", s->path, s->line, what, detail);
    s->failed = true;
    return false;
}

static const char *
text_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

    return cJSON_IsString(item) ? item->valuestring : "";
}

static void
put_u8(struct source *s, u8 byte)
{
    buffer_put(s->out, &byte, 1);
}

static void
put_blob(struct source *s, const void *bytes, u64 size)
{
    buffer_put_u32(s->out, (u32)size);
    buffer_put(s->out, bytes, size);
}

// cJSON ends strings at a NUL, but names may hold one: it travels as the
// private character U+F1234, written here in JSON and in UTF-8.
static const char nul_json[] = "\\u0000", stand_in_json[] = "\\udb84\\ude34";
static const char stand_in[] = "\xf3\xb1\x88\xb4";

static struct buffer
replace_nuls(struct bytes json)
{
    struct buffer out = {0};

    for (u64 i = 0; i < json.size;) {
        if (i + 6 <= json.size && memcmp(json.ptr + i, nul_json, 6) == 0) {
            buffer_put(&out, stand_in_json, sizeof(stand_in_json) - 1);
            i += 6;
        } else {
            // An escaped backslash is one item, whatever comes after it.
            u64 size = json.ptr[i] == '\\' && i + 1 < json.size ? 2 : 1;
            buffer_put(&out, json.ptr + i, size);
            i += size;
        }
    }
    return out;
}

static void
put_text(struct source *s, const char *text)
{
    u64 at = s->out->size;

    put_blob(s, text, 0);
    for (const char *rest = text; *rest != 0;) {
        bool nul = strncmp(rest, stand_in, sizeof(stand_in) - 1) == 0;
        buffer_put(s->out, nul ? "" : rest, 1);
        rest += nul ? sizeof(stand_in) - 1 : 1;
    }
    u32 size = (u32)(s->out->size - at - sizeof(u32));
    memcpy(s->out->ptr + at, &size, sizeof(size));
}

// --- the features that a script needs ----------------------------------------

// What is valid differs between the official suites: where one asserts that a
// second memory is refused, another has modules with two.  What none of a
// script's own valid modules uses may be missing in the language that it is of.

enum { DECODED_LOG2 = 34 }; // bytes of addresses for a decoded module

static status_t
decode(struct bytes module, u32 without)
{
    struct arena keep;
    struct module m;
    struct error error = {0};

    arena_init_host(&keep, 1ull << DECODED_LOG2);
    status_t status = module_decode_without(&m, module, without, &keep, &error);
    arena_free_host(&keep);
    return status;
}

// The features without which something else is wrong with it than with all.
static u8
needs(struct bytes module)
{
    status_t with_all = decode(module, 0);
    u8 needed = 0;

    for (u32 feature = 1; feature <= FEATURES_ALL; feature <<= 1)
        if (decode(module, (u8)feature) != with_all)
            needed |= (u8)feature;
    return needed;
}

// The file beside the JSON file: a module that is valid or not.
static void
put_file(struct source *s, const char *name, bool valid)
{
    char path[PATH_SIZE];
    const char *slash = strrchr(s->path, '/');
    int dir = slash ? (int)(slash - s->path) + 1 : 0;

    snprintf(path, sizeof(path), "%.*s%s", dir, s->path, name);
    struct bytes file = file_read(path);
    s->failed |= file.ptr == NULL;
    put_text(s, name);
    put_blob(s, file.ptr, file.size);
    if (valid && file.ptr != NULL)
        s->needs |= needs(file);
    free(file.ptr);
}

// --- values -----------------------------------------------------------------

// The types of lanes; those of values have a type, too.
static const struct number_type {
    const char *text;
    valtype_t type;
    u8 size;
    bool is_float;
} numbers[] = {
    {"i8",  VAL_NONE, 1, false},
    {"i16", VAL_NONE, 2, false},
    {"i32", VAL_I32,  4, false},
    {"i64", VAL_I64,  8, false},
    {"f32", VAL_F32,  4, true },
    {"f64", VAL_F64,  8, true },
};

static const struct {
    const char *text;
    u32 heap;
} references[] = {
    {"funcref",       HEAP_FUNC    },
    {"nullfuncref",   HEAP_NOFUNC  },
    {"externref",     HEAP_EXTERN  },
    {"nullexternref", HEAP_NOEXTERN},
    {"anyref",        HEAP_ANY     },
    {"eqref",         HEAP_EQ      },
    {"i31ref",        HEAP_I31     },
    {"structref",     HEAP_STRUCT  },
    {"arrayref",      HEAP_ARRAY   },
    {"nullref",       HEAP_NONE    },
    {"exnref",        HEAP_EXN     },
    {"nullexnref",    HEAP_NOEXN   },
    {"refnull",       HEAP_BOT     },
};

static const struct number_type *
number_type(const char *text)
{
    for (u32 i = 0; i < COUNT(numbers); i++)
        if (strcmp(text, numbers[i].text) == 0)
            return &numbers[i];
    return NULL;
}

// Decimal digits, and nothing else, of a number that `size` bytes can hold;
// with a sign one of a signed number.
static bool
parse_number(const char *text, u32 size, bool is_signed, u64 *out)
{
    u64 most = UINT64_MAX >> (64 - 8 * size), half = most / 2 + 1;
    bool negative = is_signed && text[0] == '-';
    const char *digits = text + negative;
    char *end;

    errno = 0;
    u64 number = strtoull(digits, &end, 10);
    if (digits[0] < '0' || digits[0] > '9' || *end != 0 || errno != 0 ||
        number > (negative ? half : most))
        return false;
    *out = negative ? 0 - number : number;
    return true;
}

// One lane: decimal bits, or of an expected float a NaN pattern.
static bool
lane_value(struct script_value *v, u32 index, const cJSON *json,
           const struct number_type *type, bool expected)
{
    const char *text = cJSON_IsString(json) ? json->valuestring : "";
    u8 *nan = &v->nan[index];
    u64 bits = 0;
    bool ok = true;

    if (expected && type->is_float && strcmp(text, "nan:canonical") == 0)
        *nan = SCRIPT_CANONICAL;
    else if (expected && type->is_float && strcmp(text, "nan:arithmetic") == 0)
        *nan = SCRIPT_ARITHMETIC;
    else
        ok = parse_number(text, type->size, !type->is_float, &bits);
    memcpy(v->bits + index * type->size, &bits, type->size);
    return ok;
}

static bool
vector_value(struct script_value *v, const cJSON *json, bool expected)
{
    const struct number_type *type = number_type(text_of(json, "lane_type"));
    const cJSON *lanes = cJSON_GetObjectItemCaseSensitive(json, "value");

    if (type == NULL || cJSON_GetArraySize(lanes) != 16 / type->size)
        return false;
    v->type = VAL_V128;
    v->lane = type->size;
    for (int i = 0; i < 16 / type->size; i++)
        if (!lane_value(v, (u32)i, cJSON_GetArrayItem(lanes, i), type,
                        expected))
            return false;
    return true;
}

// "null", a number that the host gave it, or where it is expected without a
// value: any that is not null.
static bool
reference_value(struct script_value *v, const cJSON *json, bool expected)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, "value");
    u64 number = 0;

    if (strcmp(text_of(json, "type"), "refnull") == 0 ||
        strcmp(text_of(json, "value"), "null") == 0) {
        v->kind = SCRIPT_NULL_REF;
        return true;
    }
    if (value == NULL) {
        v->kind = SCRIPT_ANY_REF;
        return expected;
    }
    v->kind = SCRIPT_HOST_REF;
    bool ok = cJSON_IsString(value) &&
              parse_number(value->valuestring, sizeof(number), false, &number);
    memcpy(v->bits, &number, sizeof(number));
    return ok;
}

static bool
value_of(struct script_value *v, const cJSON *json, bool expected)
{
    const char *type = text_of(json, "type");
    const struct number_type *number = number_type(type);
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, "value");

    for (u32 i = 0; i < COUNT(references); i++) {
        if (strcmp(type, references[i].text) == 0) {
            v->type = REF_BIT | NULL_BIT | references[i].heap;
            return reference_value(v, json, expected);
        }
    }
    v->kind = value != NULL ? SCRIPT_NUMBER : SCRIPT_ANY_VALUE;
    if (value == NULL && !expected)
        return false;
    if (strcmp(type, "v128") == 0 && value != NULL)
        return vector_value(v, json, expected);
    v->type = number ? number->type : VAL_V128;
    v->lane = number ? number->size : 16;
    if (number == NULL)
        return strcmp(type, "v128") == 0;
    return number->type != VAL_NONE &&
           (value == NULL || lane_value(v, 0, value, number, expected));
}

static void
put_value(struct source *s, const cJSON *json, bool expected)
{
    struct script_value v = {0};

    if (!value_of(&v, json, expected)) {
        char *text = cJSON_PrintUnformatted(json);
        refuse(s, "not a value, or one that its type cannot hold", text);
        cJSON_free(text);
    }
    buffer_put(s->out, &v, sizeof(v));
}

static void
put_args(struct source *s, const cJSON *list)
{
    const cJSON *item;

    buffer_put_u32(s->out, (u32)cJSON_GetArraySize(list));
    cJSON_ArrayForEach (item, list)
        put_value(s, item, false);
}

static void
put_expected(struct source *s, const cJSON *list)
{
    struct script_value either = {.kind = SCRIPT_EITHER};
    const cJSON *item, *choice;

    buffer_put_u32(s->out, (u32)cJSON_GetArraySize(list));
    cJSON_ArrayForEach (item, list) {
        const cJSON *choices = cJSON_GetObjectItemCaseSensitive(item, "values");
        if (strcmp(text_of(item, "type"), "either") != 0) {
            put_value(s, item, true);
            continue;
        }
        buffer_put(s->out, &either, sizeof(either));
        buffer_put_u32(s->out, (u32)cJSON_GetArraySize(choices));
        cJSON_ArrayForEach (choice, choices)
            put_value(s, choice, true);
    }
}

// --- commands ---------------------------------------------------------------

static void
put_action(struct source *s, const cJSON *command)
{
    const cJSON *action = cJSON_GetObjectItemCaseSensitive(command, "action");
    const char *type = text_of(action, "type");

    if (strcmp(type, "invoke") != 0 && strcmp(type, "get") != 0)
        refuse(s, "unknown action", type);
    put_u8(s, strcmp(type, "invoke") == 0);
    put_text(s, text_of(action, "module"));
    put_text(s, text_of(action, "field"));
    put_args(s, cJSON_GetObjectItemCaseSensitive(action, "args"));
}

static void
put_module(struct source *s, const cJSON *command)
{
    put_text(s, text_of(command, "name"));
    put_file(s, text_of(command, "filename"), true);
}

static void
put_instance(struct source *s, const cJSON *command)
{
    put_text(s, text_of(command, "instance"));
    put_text(s, text_of(command, "module"));
}

static void
put_register(struct source *s, const cJSON *command)
{
    put_text(s, text_of(command, "as"));
    put_text(s, text_of(command, "name"));
}

static void
put_return(struct source *s, const cJSON *command)
{
    put_action(s, command);
    put_expected(s, cJSON_GetObjectItemCaseSensitive(command, "expected"));
}

static void
put_trap(struct source *s, const cJSON *command)
{
    put_action(s, command);
    put_text(s, text_of(command, "text"));
}

static void
put_refused(struct source *s, const cJSON *command)
{
    put_text(s, text_of(command, "text"));
    put_file(s, text_of(command, "filename"), false);
}

// One that is refused later than by its bytes.
static void
put_valid(struct source *s, const cJSON *command)
{
    put_text(s, text_of(command, "text"));
    put_file(s, text_of(command, "filename"), true);
}

// A module in the text format, or an assertion on one (script.h).
static void
put_text_record(struct source *s, const cJSON *command, u8 kind)
{
    bool is_module = kind == SCRIPT_MODULE || kind == SCRIPT_DEFINITION;

    put_u8(s, is_module ? SCRIPT_TEXT_MODULE : SCRIPT_TEXT);
    if (is_module)
        put_text(s, text_of(command, "name"));
}

static const struct {
    const char *type;
    u8 command;
    void (*put)(struct source *s, const cJSON *command);
} rows[] = {
    {"module",                SCRIPT_MODULE,         put_module  },
    {"module_definition",     SCRIPT_DEFINITION,     put_module  },
    {"module_instance",       SCRIPT_INSTANCE,       put_instance},
    {"register",              SCRIPT_REGISTER,       put_register},
    {"action",                SCRIPT_ACTION,         put_action  },
    {"assert_return",         SCRIPT_RETURN,         put_return  },
    {"assert_trap",           SCRIPT_TRAP,           put_trap    },
    {"assert_exhaustion",     SCRIPT_EXHAUSTION,     put_trap    },
    {"assert_exception",      SCRIPT_EXCEPTION,      put_action  },
    {"assert_malformed",      SCRIPT_MALFORMED,      put_refused },
    {"assert_invalid",        SCRIPT_INVALID,        put_refused },
    {"assert_unlinkable",     SCRIPT_UNLINKABLE,     put_valid   },
    {"assert_uninstantiable", SCRIPT_UNINSTANTIABLE, put_valid   },
};

static void
put_command(struct source *s, const cJSON *command)
{
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(command, "line");
    const char *type = text_of(command, "type");

    bool text = strcmp(text_of(command, "module_type"), "text") == 0;

    s->line = cJSON_IsNumber(line) ? (u32)line->valueint : 0;
    for (u32 i = 0; i < COUNT(rows); i++) {
        if (strcmp(type, rows[i].type) != 0)
            continue;
        buffer_put_u32(s->out, s->line);
        if (text) {
            put_text_record(s, command, rows[i].command);
            return;
        }
        put_u8(s, rows[i].command);
        rows[i].put(s, command);
        return;
    }
    refuse(s, "unknown command", type);
}

bool
script_from_json(struct buffer *out, const char *path, const u8 *without)
{
    struct source s = {.path = path, .out = out};
    const cJSON *command;

    struct bytes file = file_read(path);
    if (file.ptr == NULL)
        return false;
    struct buffer text = replace_nuls(file);
    cJSON *json = cJSON_ParseWithLength((const char *)text.ptr, text.size);
    const cJSON *commands = cJSON_GetObjectItemCaseSensitive(json, "commands");
    if (!cJSON_IsArray(commands))
        complain("%s: not a test script: there is no array \"commands\"; "
                 "wast2json (Debian package wabt) makes one of a .wast file",
                 path);
    s.failed = !cJSON_IsArray(commands);
    u64 at = out->size;
    put_u8(&s, without != NULL ? *without : 0);
    put_u8(&s, 0);
    cJSON_ArrayForEach (command, commands)
        put_command(&s, command);
    buffer_put_u32(out, 0);
    put_u8(&s, SCRIPT_END);
    if (without == NULL)
        out->ptr[at + 1] = FEATURES_ALL & ~s.needs;
    cJSON_Delete(json);
    buffer_free(&text);
    free(file.ptr);
    return !s.failed;
}
