// tool/script_json.c: test scripts: JSON and modules, as wast2json writes them,
// into the form of script.h.

#include "tool/script.h"
#include "tool/tool.h"
#include "wasm/wasm.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_SIZE = 4096 };

// What is being translated.
struct source {
    const char *path; // of the JSON file
    struct buffer *out;
    bool failed;
};

static bool
refuse(struct source *s, const char *what, const char *detail)
{
    complain("%s: %s: %s", s->path, what, detail ? detail : "(nothing)");
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
            buffer_put(&out, json.ptr + i++, 1);
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

// The file beside the JSON file.
static void
put_file(struct source *s, const char *name)
{
    char path[PATH_SIZE];
    const char *slash = strrchr(s->path, '/');
    int dir = slash ? (int)(slash - s->path) + 1 : 0;

    snprintf(path, sizeof(path), "%.*s%s", dir, s->path, name);
    struct bytes file = file_read(path);
    s->failed |= file.ptr == NULL;
    put_text(s, name);
    put_blob(s, file.ptr, file.size);
    free(file.ptr);
}

// --- values -----------------------------------------------------------------

static const struct {
    const char *text;
    u8 kind, lane;
} numbers[] = {
    {"i8",  SCRIPT_I32, 1},
    {"i16", SCRIPT_I32, 2},
    {"i32", SCRIPT_I32, 4},
    {"i64", SCRIPT_I64, 8},
    {"f32", SCRIPT_F32, 4},
    {"f64", SCRIPT_F64, 8},
};

// One lane: decimal bits, or a NaN pattern.
static void
lane_value(struct script_value *v, u32 index, const char *text)
{
    u8 *nan = &v->nan[index];
    u64 bits = 0;

    if (strcmp(text, "nan:canonical") == 0)
        *nan = SCRIPT_CANONICAL;
    else if (strcmp(text, "nan:arithmetic") == 0)
        *nan = SCRIPT_ARITHMETIC;
    else if (text[0] == '-')
        bits = (u64)strtoll(text, NULL, 10);
    else
        bits = strtoull(text, NULL, 10);
    memcpy(v->bits + index * v->lane, &bits, v->lane);
}

static bool
number_value(struct source *s, struct script_value *v, const char *type)
{
    for (u32 i = 0; i < COUNT(numbers); i++) {
        if (strcmp(type, numbers[i].text) == 0) {
            v->kind = numbers[i].kind;
            v->lane = numbers[i].lane;
            return true;
        }
    }
    return refuse(s, "unknown type of value", type);
}

static void
vector_value(struct source *s, struct script_value *v, const cJSON *json)
{
    const cJSON *lanes = cJSON_GetObjectItemCaseSensitive(json, "value");

    if (!number_value(s, v, text_of(json, "lane_type")))
        return;
    v->kind = SCRIPT_V128;
    if (cJSON_GetArraySize(lanes) != 16 / v->lane) {
        refuse(s, "v128", "wrong number of lanes");
        return;
    }
    for (int i = 0; i < 16 / v->lane; i++) {
        const cJSON *lane = cJSON_GetArrayItem(lanes, i);
        lane_value(v, (u32)i, cJSON_IsString(lane) ? lane->valuestring : "0");
    }
}

// "null", a number that the host gave it, or without a value: any that is not
// null.
static void
reference_value(struct script_value *v, const cJSON *json)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(json, "value");

    if (strcmp(text_of(json, "type"), "refnull") == 0) {
        v->kind = SCRIPT_NULL_REF;
    } else if (!cJSON_IsString(value)) {
        v->kind = SCRIPT_ANY_REF;
    } else if (strcmp(value->valuestring, "null") == 0) {
        v->kind = SCRIPT_NULL_REF;
    } else {
        u64 number = strtoull(value->valuestring, NULL, 10);
        v->kind = SCRIPT_HOST_REF;
        memcpy(v->bits, &number, sizeof(number));
    }
}

static void
put_plain_value(struct source *s, const cJSON *json)
{
    const char *type = text_of(json, "type");
    size_t len = strlen(type);
    struct script_value v = {0};

    if (strcmp(type, "v128") == 0)
        vector_value(s, &v, json);
    else if (len >= 3 && (strcmp(type + len - 3, "ref") == 0 ||
                          strcmp(type, "refnull") == 0))
        reference_value(&v, json);
    else if (!cJSON_HasObjectItem(json, "value"))
        v.kind = SCRIPT_ANY_VALUE;
    else if (number_value(s, &v, type))
        lane_value(&v, 0, text_of(json, "value"));
    buffer_put(s->out, &v, sizeof(v));
}

static void
put_value(struct source *s, const cJSON *json)
{
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(json, "values");
    const cJSON *item;

    if (strcmp(text_of(json, "type"), "either") != 0) {
        put_plain_value(s, json);
        return;
    }
    struct script_value v = {.kind = SCRIPT_EITHER};
    buffer_put(s->out, &v, sizeof(v));
    buffer_put_u32(s->out, (u32)cJSON_GetArraySize(values));
    cJSON_ArrayForEach(item, values) put_plain_value(s, item);
}

static void
put_list(struct source *s, const cJSON *list)
{
    const cJSON *item;

    buffer_put_u32(s->out, (u32)cJSON_GetArraySize(list));
    cJSON_ArrayForEach(item, list) put_value(s, item);
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
    put_list(s, cJSON_GetObjectItemCaseSensitive(action, "args"));
}

static void
put_module(struct source *s, const cJSON *command)
{
    put_text(s, text_of(command, "name"));
    put_file(s, text_of(command, "filename"));
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
    put_list(s, cJSON_GetObjectItemCaseSensitive(command, "expected"));
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
    put_file(s, text_of(command, "filename"));
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
    {"assert_unlinkable",     SCRIPT_UNLINKABLE,     put_refused },
    {"assert_uninstantiable", SCRIPT_UNINSTANTIABLE, put_refused },
};

static void
put_command(struct source *s, const cJSON *command)
{
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(command, "line");
    const char *type = text_of(command, "type");

    // A module in the text format is a test of a text parser, not of us.
    if (strcmp(text_of(command, "module_type"), "text") == 0)
        return;
    for (u32 i = 0; i < COUNT(rows); i++) {
        if (strcmp(type, rows[i].type) == 0) {
            buffer_put_u32(s->out,
                           cJSON_IsNumber(line) ? (u32)line->valueint : 0);
            put_u8(s, rows[i].command);
            rows[i].put(s, command);
            return;
        }
    }
    refuse(s, "unknown command", type);
}

// What the suites do not know of, by folder: core/ is WebAssembly 3.0 without
// custom page sizes, threads/ and memory64/ are from before several memories.
static const struct {
    const char *folder;
    u8 without;
} suites[] = {
    {"core/",     FEATURE_PAGE_SIZES                        },
    {"threads/",  FEATURE_MULTI_MEMORY | FEATURE_MULTI_TABLE},
    {"memory64/", FEATURE_MULTI_MEMORY                      },
};

static u8
features_without(const char *path)
{
    for (u32 i = 0; i < COUNT(suites); i++)
        if (strstr(path, suites[i].folder) != NULL)
            return suites[i].without;
    return 0;
}

bool
script_from_json(struct buffer *out, const char *path)
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
        refuse(
            &s, "not a test script",
            "there is no array \"commands\"; wast2json (Debian package wabt) "
            "makes one of a .wast file");
    put_u8(&s, features_without(path));
    cJSON_ArrayForEach(command, commands) put_command(&s, command);
    buffer_put_u32(out, 0);
    put_u8(&s, SCRIPT_END);
    cJSON_Delete(json);
    buffer_free(&text);
    free(file.ptr);
    return !s.failed;
}
