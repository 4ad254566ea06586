// test/ir/suite.c: the official suite on the interpreter of the IR, built in
// normal and in plain mode.
//
// NEBULET_SUITE names the unpacked suite (default out/suite); without it the
// test is skipped.  Modules that import from others, vectors and
// atomics are left to `nebulet wast`.

#include "test/ir/help.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = 64 };

struct totals {
    u32 passed, failed, left_out;
};

struct script {
    const char *folder, *name;
    struct instance in;
    struct bytes bytes;
    bool live; // there is an instance
    bool plain;
    struct totals *totals;
};

static const char *
text_in(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(object, key));

    return text != NULL ? text : "";
}

// A value of a script; false if we have no such type.
static bool
cell_of(const cJSON *json, struct cell *cell)
{
    const char *type = text_in(json, "type"), *value = text_in(json, "value");

    *cell = (struct cell){
        {0, 0}
    };
    if (strcmp(type, "v128") == 0)
        return false;
    if (strcmp(value, "null") == 0)
        return true;
    cell->bits[0] = strtoull(value, NULL, 10);
    if (strcmp(type, "externref") == 0)
        cell->bits[0] += 1;
    else if (strstr(type, "ref") != NULL)
        return false;
    return true;
}

static bool
is_nan(const char *type, const char *pattern, u64 bits)
{
    bool canonical = strcmp(pattern, "nan:canonical") == 0;

    if (strcmp(type, "f32") == 0) {
        bits &= 0x7fffffff;
        return canonical ? bits == 0x7fc00000 :
                           (bits & 0x7fc00000) == 0x7fc00000;
    }
    bits &= 0x7fffffffffffffff;
    return canonical ? bits == 0x7ff8000000000000 :
                       (bits & 0x7ff8000000000000) == 0x7ff8000000000000;
}

static bool
matches(const cJSON *expected, const struct cell *got)
{
    const char *type = text_in(expected, "type");
    const char *value = text_in(expected, "value");
    struct cell want;

    if (strncmp(value, "nan:", 4) == 0)
        return is_nan(type, value, got->bits[0]);
    if (strcmp(type, "externref") != 0 && strstr(type, "ref") != NULL)
        return (strcmp(value, "null") == 0 || strstr(type, "null") != NULL) ==
               (got->bits[0] == 0);
    if (*value == 0) // any reference of this type
        return got->bits[0] != 0;
    return cell_of(expected, &want) && want.bits[0] == got->bits[0];
}

static void
report(struct script *s, const cJSON *command, const char *what, u64 got)
{
    s->totals->failed++;
    if (s->totals->failed <= 20)
        printf("%s/%s:%d: %s (%s), got %" PRIx64 "\n", s->folder, s->name,
               (int)cJSON_GetNumberValue(cJSON_GetObjectItem(command, "line")),
               what, s->plain ? "plain" : "normal", got);
}

// Run the action of a command; UNSUPPORTED also when we cannot.
static struct result
run_action(struct script *s, const cJSON *command, struct cell *cells)
{
    const cJSON *action = cJSON_GetObjectItem(command, "action"), *arg;
    const struct result none = {UNSUPPORTED, TRAP_NONE};
    u32 count = 0;

    if (!s->live || cJSON_GetObjectItem(action, "module") != NULL)
        return none;
    const char *field = text_in(action, "field");
    const struct export *e = module_export(&s->in.m, string_of(field));
    if (e == NULL || *field == 0) // names with zeros are cut by the parser
        return none;
    if (strcmp(text_in(action, "type"), "get") == 0) {
        cells[0] = s->in.globals[e->index];
        return (struct result){RAN, TRAP_NONE};
    }
    cJSON_ArrayForEach (arg, cJSON_GetObjectItem(action, "args"))
        if (count >= CELLS || !cell_of(arg, &cells[count++]))
            return none;
    return instance_call(&s->in, e->index, cells);
}

static void
check_return(struct script *s, const cJSON *command, struct result r,
             const struct cell *cells)
{
    const cJSON *expected;
    u32 i = 0;

    if (r.outcome != RAN) {
        report(s, command, "did not return", r.trap);
        return;
    }
    cJSON_ArrayForEach (expected, cJSON_GetObjectItem(command, "expected")) {
        if (!matches(expected, &cells[i++])) {
            report(s, command, "wrong result", cells[i - 1].bits[0]);
            return;
        }
    }
    s->totals->passed++;
}

static void
check_trap(struct script *s, const cJSON *command, struct result r)
{
    const char *want = text_in(command, "text"), *got = trap_text(r.trap);

    if (r.outcome == TRAPPED &&
        strncmp(got, want, MIN(strlen(got), strlen(want))) == 0)
        s->totals->passed++;
    else
        report(s, command, want, r.trap);
}

static void
stop_module(struct script *s)
{
    if (s->live) {
        instance_free(&s->in);
        free(s->bytes.ptr);
    }
    s->live = false;
}

static void
start_module(struct script *s, const cJSON *command)
{
    char path[600];

    stop_module(s);
    snprintf(path, sizeof(path), "%s/%s", s->folder,
             text_in(command, "filename"));
    s->bytes = file_read(path);
    s->live = true;
    if (instance_new(&s->in, s->bytes, s->plain).outcome != RAN)
        stop_module(s);
}

static void
run_command(struct script *s, const cJSON *command)
{
    const char *type = text_in(command, "type");
    struct cell cells[CELLS + 1] = {{{0, 0}}};
    struct result r;

    if (strcmp(type, "module") == 0) {
        start_module(s, command);
        return;
    }
    if (cJSON_GetObjectItem(command, "action") == NULL)
        return;
    r = run_action(s, command, cells);
    if (r.outcome == UNSUPPORTED) {
        s->totals->left_out++;
        if (strcmp(type, "action") == 0)
            stop_module(s); // its state is not what it should be
        return;
    }
    if (strcmp(type, "assert_return") == 0)
        check_return(s, command, r, cells);
    else if (strcmp(type, "assert_trap") == 0 ||
             strcmp(type, "assert_exhaustion") == 0)
        check_trap(s, command, r);
    else if (strcmp(type, "assert_exception") == 0 && r.outcome != THREW)
        report(s, command, "no exception", r.trap);
}

static void
run_script(const char *folder, const char *name, bool plain,
           struct totals *totals)
{
    struct script s = {
        .folder = folder, .name = name, .plain = plain, .totals = totals};
    char path[600];
    const cJSON *command;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    struct bytes text = file_read(path);
    cJSON *json = cJSON_Parse((const char *)text.ptr);
    cJSON_ArrayForEach (command, cJSON_GetObjectItem(json, "commands"))
        run_command(&s, command);
    stop_module(&s);
    cJSON_Delete(json);
    free(text.ptr);
}

static void
run_folder(const char *folder, bool plain, struct totals *totals)
{
    const char *one = getenv("SCRIPT");
    char path[300];
    struct dirent *entry;

    if (!test_suite(folder, path, sizeof(path)))
        return;
    DIR *dir = opendir(path);
    EXPECT(dir != NULL);
    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        u64 len = strlen(entry->d_name);
        if (len > 5 && strcmp(entry->d_name + len - 5, ".json") == 0 &&
            (one == NULL || strcmp(one, entry->d_name) == 0))
            run_script(path, entry->d_name, plain, totals);
    }
    closedir(dir);
}

static void
run_suite(bool plain)
{
    static const char *const folders[] = {
        "core", "legacy-exceptions", "custom-page-sizes", "wide-arithmetic"};
    struct totals totals = {0, 0, 0};

    for (u32 i = 0; i < COUNT(folders); i++)
        run_folder(folders[i], plain, &totals);
    printf("%s: %u commands passed, %u failed, %u left out\n",
           plain ? "plain" : "normal", totals.passed, totals.failed,
           totals.left_out);
    EXPECT(totals.passed > 0);
    EXPECT_EQ(totals.failed, 0);
}

TEST(ir_suite_normal)
{
    run_suite(false);
}

TEST(ir_suite_plain)
{
    run_suite(true);
}
