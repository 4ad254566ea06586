// test/x64/exec_suite.c: the acceptance test of the back end: every
// assert_return and assert_trap of the official suite whose modules import
// nothing but spectest, run directly.  Each script runs in a process of its
// own.  NEBULET_SUITE names the unpacked suite (default out/suite).

#include "test/x64/exec.h"
#include "test/test.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INSTANCES_MAX = 1024, VALUES_MAX = 1100, PATH_SIZE = 1024 };

struct counts {
    u32 passed, failed, skipped, unsupported;
};

struct script {
    const char *directory, *name;
    struct exec_options options;
    struct exec *instances[INSTANCES_MAX];
    u32 instance_count;
    struct exec *current; // NULL: it could not be loaded
    bool registered;
    bool over; // a module may have changed another: the rest means nothing here
    struct counts counts;
};

static const char *
text_of(const cJSON *json, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);

    return cJSON_IsString(item) ? item->valuestring : "";
}

static const cJSON *
item_of(const cJSON *json, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(json, key);
}

static void
report(struct script *s, const cJSON *command, const char *what,
       const char *detail)
{
    printf("%s:%d: %s: %s\n", s->name, item_of(command, "line")->valueint, what,
           detail);
    s->counts.failed++;
}

// --- values ------------------------------------------------------------------

// Bytes of one lane.
static u32
lane_size(const char *type)
{
    static const struct {
        const char *type;
        u32 size;
    } sizes[] = {
        {"i8",  1},
        {"i16", 2},
        {"i32", 4},
        {"f32", 4},
        {"i64", 8},
        {"f64", 8}
    };

    for (u32 i = 0; i < COUNT(sizes); i++)
        if (strcmp(type, sizes[i].type) == 0)
            return sizes[i].size;
    return 0;
}

static u64
bits_of(const char *text)
{
    return text[0] == '-' ? (u64)strtoll(text, NULL, 10) :
                            strtoull(text, NULL, 10);
}

static bool
parse_value(const cJSON *json, u64 slot[2])
{
    const char *type = text_of(json, "type");
    const cJSON *value = item_of(json, "value");
    u32 size = lane_size(type), i = 0;

    slot[0] = slot[1] = 0;
    if (strcmp(type, "v128") == 0) {
        const cJSON *lane;
        size = lane_size(text_of(json, "lane_type"));
        cJSON_ArrayForEach (lane, value) {
            u64 bits = bits_of(lane->valuestring);
            memcpy((u8 *)slot + size * i++, &bits, size);
        }
        return true;
    }
    if (size == 0 && (!cJSON_IsString(value) || strcmp(type, "externref") != 0))
        return cJSON_IsString(value) && strcmp(value->valuestring, "null") == 0;
    if (strcmp(value->valuestring, "null") == 0)
        return true;
    slot[0] = bits_of(value->valuestring);
    if (size == 0) // references that the host gives out are not 0
        slot[0]++;
    return true;
}

// Is one lane as expected: "nan:canonical", "nan:arithmetic", or bits?
static bool
lane_matches(const char *want, u64 got, u32 size)
{
    u64 quiet = size == 4 ? 0x7fc00000 : 0x7ff8000000000000;
    u64 magnitude = size == 4 ? 0x7fffffff : 0x7fffffffffffffff;
    u64 mask = size == 8 ? UINT64_MAX : (1ull << size * 8) - 1;

    if (strcmp(want, "nan:canonical") == 0)
        return (got & magnitude) == quiet;
    if (strcmp(want, "nan:arithmetic") == 0)
        return (got & quiet) == quiet;
    return ((got ^ bits_of(want)) & mask) == 0;
}

static bool
value_matches(const cJSON *want, const u64 slot[2])
{
    const char *type = text_of(want, "type");
    const cJSON *value = item_of(want, "value"), *lane;
    u32 size = lane_size(type), i = 0;
    u64 expected[2];

    if (strcmp(type, "either") == 0) {
        cJSON_ArrayForEach (lane, item_of(want, "values"))
            if (value_matches(lane, slot))
                return true;
        return false;
    }
    if (strcmp(type, "v128") == 0) {
        bool good = true;
        size = lane_size(text_of(want, "lane_type"));
        cJSON_ArrayForEach (lane, value) {
            u64 got = 0;
            memcpy(&got, (const u8 *)slot + size * i++, size);
            good &= lane_matches(lane->valuestring, got, size);
        }
        return good;
    }
    if (size > 0) // an i32 comes zero-extended
        return lane_matches(value->valuestring, slot[0], size) &&
               (strcmp(type, "i32") != 0 || slot[0] >> 32 == 0);
    if (!cJSON_IsString(value))
        return (slot[0] == 0) == (strcmp(type, "refnull") == 0);
    return parse_value(want, expected) && expected[0] == slot[0];
}

// --- actions -----------------------------------------------------------------

static struct exec *
instance_of(struct script *s, const cJSON *action)
{
    const char *name = text_of(action, "module");

    if (name[0] == 0)
        return s->current;
    for (u32 i = s->instance_count; i-- > 0;)
        if (strcmp(s->instances[i]->name, name) == 0)
            return s->instances[i];
    return NULL;
}

static bool
parse_arguments(const cJSON *action, u64 (*slots)[2])
{
    const cJSON *arg;
    u32 count = 0;

    cJSON_ArrayForEach (arg, item_of(action, "args")) {
        if (count == VALUES_MAX || !parse_value(arg, slots[count++]))
            return false;
    }
    return true;
}

// Perform an action; false when it cannot be done here.
static bool
perform(struct script *s, const cJSON *action, u64 (*slots)[2], enum trap *trap)
{
    struct exec *e = instance_of(s, action);

    if (e == NULL)
        return false;
    const struct export *export =
        module_export(&e->m, string_of(text_of(action, "field")));
    if (export == NULL || !parse_arguments(action, slots))
        return false;
    *trap = TRAP_NONE;
    if (export->kind == EXTERN_FUNC) {
        if (export->index < e->m.func_imports)
            return false;
        *trap = exec_call(e, export->index, slots);
        return true;
    }
    const struct vmctx_global *global =
        &vmctx_globals(&e->m.layout, e->vm)[export->index];
    if (export->index < e->m.global_imports)
        return false;
    memcpy(slots[0], global, sizeof(slots[0]));
    return true;
}

static void
load_module(struct script *s, const cJSON *command)
{
    char path[PATH_SIZE + 512];
    struct exec *e;
    enum trap trap;

    if (s->instance_count == INSTANCES_MAX)
        abort();
    e = calloc(1, sizeof(*e));
    s->instances[s->instance_count++] = e;
    snprintf(path, sizeof(path), "%s/%s", s->directory,
             text_of(command, "filename"));
    status_t status = exec_new(e, path, &s->options, &trap);
    snprintf(e->name, sizeof(e->name), "%s", text_of(command, "name"));
    s->current = status == OK ? e : NULL;
    s->over |= s->registered && status == ERR_UNKNOWN_IMPORT;
    if (status == ERR_UNSUPPORTED)
        s->counts.unsupported++;
    else if (status != OK && status != ERR_UNKNOWN_IMPORT)
        report(s, command, "module refused",
               e->error.what ? e->error.what : status_text(status));
    if (status != OK)
        exec_free(e);
}

static void
expect_return(struct script *s, const cJSON *command)
{
    static u64 slots[VALUES_MAX][2];
    const cJSON *want;
    enum trap trap;
    u32 i = 0;
    bool good = true;
    char text[128];

    if (!perform(s, item_of(command, "action"), slots, &trap)) {
        s->counts.skipped++;
        return;
    }
    if (trap != TRAP_NONE) {
        report(s, command, "trapped", trap_text(trap));
        return;
    }
    cJSON_ArrayForEach (want, item_of(command, "expected")) {
        u32 k = i++;
        if (good && !value_matches(want, slots[k])) {
            good = false;
            snprintf(text, sizeof(text), "got %#llx %#llx (%lld)",
                     (unsigned long long)slots[k][0],
                     (unsigned long long)slots[k][1], (long long)slots[k][0]);
            report(s, command, text_of(item_of(command, "action"), "field"),
                   text);
        }
    }
    s->counts.passed += good;
}

static void
expect_trap(struct script *s, const cJSON *command)
{
    static u64 slots[VALUES_MAX][2];
    const char *want = text_of(command, "text");
    enum trap trap;

    if (!perform(s, item_of(command, "action"), slots, &trap)) {
        s->counts.skipped++;
    } else if (trap == TRAP_NONE) {
        report(s, command, "no trap", want);
    } else if (strncmp(want, trap_text(trap), strlen(trap_text(trap))) != 0 &&
               strncmp(want, trap_text(trap), strlen(want)) != 0) {
        report(s, command, want, trap_text(trap));
    } else {
        s->counts.passed++;
    }
}

static void
run_command(struct script *s, const cJSON *command)
{
    static u64 slots[VALUES_MAX][2];
    const char *type = text_of(command, "type");
    enum trap trap;

    s->registered |= strcmp(type, "register") == 0;
    s->over |= s->registered && strcmp(type, "assert_uninstantiable") == 0;
    if (s->over)
        s->counts.skipped++;
    else if (strcmp(type, "module") == 0)
        load_module(s, command);
    else if (strcmp(type, "assert_return") == 0)
        expect_return(s, command);
    else if (strcmp(type, "assert_trap") == 0 ||
             strcmp(type, "assert_exhaustion") == 0)
        expect_trap(s, command);
    else if (strcmp(type, "action") == 0)
        perform(s, item_of(command, "action"), slots, &trap);
    else
        s->counts.skipped++;
}

// --- scripts -----------------------------------------------------------------

// Names with a NUL are more than cJSON can do: give them another name, which no
// module has.
static void
hide_nul(char *text)
{
    for (char *at = text; (at = strstr(at, "\\u0000")) != NULL; at += 6)
        memcpy(at, "\\ufffe", 6);
}

static cJSON *
parse_file(const char *directory, const char *name)
{
    char path[PATH_SIZE + 512];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *f = fopen(path, "rb");
    static char text[64 << 20];

    if (f == NULL)
        return NULL;
    text[fread(text, 1, sizeof(text) - 1, f)] = 0;
    fclose(f);
    hide_nul(text);
    return cJSON_Parse(text);
}

static struct counts
run_script(const char *directory, const char *name,
           const struct exec_options *options)
{
    static struct script s;
    cJSON *json = parse_file(directory, name);
    const cJSON *command;

    s = (struct script){
        .directory = directory, .name = name, .options = *options};
    if (json == NULL) {
        s.counts.failed++;
        return s.counts;
    }
    exec_init();
    cJSON_ArrayForEach (command, item_of(json, "commands"))
        run_command(&s, command);
    return s.counts;
}

// In a process of its own, so that a crash costs one script only.
static struct counts
run_apart(const char *directory, const char *name,
          const struct exec_options *options)
{
    struct counts counts = {0};
    int ends[2], status = 0;

    fflush(stdout);
    if (pipe(ends) != 0)
        abort();
    pid_t child = fork();
    if (child == 0) {
        alarm(TEST_TIME_LIMIT_S / 2);
        counts = run_script(directory, name, options);
        fflush(stdout);
        if (write(ends[1], &counts, sizeof(counts)) != sizeof(counts))
            _exit(2);
        _exit(0);
    }
    close(ends[1]);
    if (read(ends[0], &counts, sizeof(counts)) != sizeof(counts))
        counts.failed++;
    close(ends[0]);
    waitpid(child, &status, 0);
    if (status != 0)
        printf("%s: ended with status %#x\n", name, (u32)status);
    return counts;
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static u32
list_scripts(const char *directory, char **names, u32 max)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;
    u32 count = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL && count < max)
        if (strstr(entry->d_name, ".json") != NULL)
            names[count++] = strdup(entry->d_name);
    if (dir != NULL)
        closedir(dir);
    qsort(names, count, sizeof(*names), compare_names);
    return count;
}

// Run the scripts of a directory whose names start with $SCRIPT.
static struct counts
run_suite(const char *part, const struct exec_options *options)
{
    static char *names[1024];
    const char *only = getenv("SCRIPT") ? getenv("SCRIPT") : "";
    struct counts all = {0};
    char directory[PATH_SIZE];

    if (!test_suite(part, directory, sizeof(directory)))
        return all;
    u32 count = list_scripts(directory, names, COUNT(names));
    for (u32 i = 0; i < count; i++) {
        if (strncmp(names[i], only, strlen(only)) != 0)
            continue;
        struct counts c = run_apart(directory, names[i], options);
        if (c.failed > 0)
            printf("%s: %u passed, %u failed\n", names[i], c.passed, c.failed);
        all.passed += c.passed;
        all.failed += c.failed;
        all.skipped += c.skipped;
        all.unsupported += c.unsupported;
    }
    while (count > 0)
        free(names[--count]);
    printf("%s: %u passed, %u failed, %u skipped, %u unsupported modules\n",
           part, all.passed, all.failed, all.skipped, all.unsupported);
    EXPECT(all.passed > 0);
    return all;
}

TEST(exec_core)
{
    struct exec_options options = {.features = cpu_features_detect()};

    EXPECT_EQ(run_suite("core", &options).failed, 0);
}

TEST(exec_core_plain)
{
    struct exec_options options = {.features = cpu_features_detect(),
                                   .plain = true};

    EXPECT_EQ(run_suite("core", &options).failed, 0);
}

// As many parts as there can be.
TEST(exec_core_parts)
{
    struct exec_options options = {
        .features = cpu_features_detect(), .plain = true, .part_ins = 1};

    EXPECT_EQ(run_suite("core", &options).failed, 0);
}

// The floor: no AVX, no BMI.
TEST(exec_core_floor)
{
    struct exec_options options = {.features = CPU_SSE41};

    EXPECT_EQ(run_suite("core", &options).failed, 0);
}

TEST(exec_proposals)
{
    struct exec_options options = {.features = cpu_features_detect()};
    struct exec_options plain = {.features = CPU_SSE41, .plain = true};

    EXPECT_EQ(run_suite("wide-arithmetic", &options).failed, 0);
    EXPECT_EQ(run_suite("wide-arithmetic", &plain).failed, 0);
    EXPECT_EQ(run_suite("custom-page-sizes", &options).failed, 0);
    EXPECT_EQ(run_suite("custom-page-sizes", &plain).failed, 0);
    EXPECT_EQ(run_suite("threads", &options).failed, 0);
    EXPECT_EQ(run_suite("threads", &plain).failed, 0);
}
