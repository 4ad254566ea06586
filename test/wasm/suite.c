// test/wasm/suite.c: every module of the official suite through the decoder
// and the validator: the right ones are accepted, the others refused with the
// suite's own words.
//
// NEBULET_SUITE names the unpacked suite (default out/suite); without it the
// test is skipped.

#include "test/wasm/help.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const folders[] = {"core", "threads", "legacy-exceptions",
                                      "custom-page-sizes", "wide-arithmetic"};

// Verdicts on which we differ, on purpose: several memories and tables are
// allowed since WebAssembly 3.0, and the malformed flag of limits is that of
// custom page sizes.
static const struct {
    const char *file, *text;
} differences[] = {
    {"threads/",            "multiple memories"     },
    {"threads/",            "multiple tables"       },
    {"core/binary.81.wasm", "malformed limits flags"},
};

struct totals {
    u32 passed, failed, different;
    u32 unsupported; // valid, but with constants of the GC proposal
};

static struct bytes
read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct bytes bytes = {NULL, 0};

    if (f == NULL)
        return bytes;
    fseek(f, 0, SEEK_END);
    bytes.size = (u64)ftell(f);
    rewind(f);
    bytes.ptr = calloc(1, bytes.size + 1);
    EXPECT_EQ(fread(bytes.ptr, 1, bytes.size, f), bytes.size);
    fclose(f);
    return bytes;
}

static bool
is_difference(const char *file, const char *text)
{
    for (u32 i = 0; i < COUNT(differences); i++)
        if (strstr(file, differences[i].file) != NULL &&
            strcmp(text, differences[i].text) == 0)
            return true;
    return false;
}

// Either text may say more than the other.
static bool
same_words(const char *ours, const char *theirs)
{
    return strncmp(ours, theirs, MIN(strlen(ours), strlen(theirs))) == 0;
}

static const char *
string_in(const cJSON *command, const char *key)
{
    const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(command, key));

    return value != NULL ? value : "";
}

static void
check(const char *folder, const cJSON *command, struct arena *arena,
      struct totals *totals)
{
    const char *type = string_in(command, "type");
    const char *text = string_in(command, "text");
    bool invalid = strcmp(type, "assert_invalid") == 0;
    bool malformed = strcmp(type, "assert_malformed") == 0;
    char path[512];
    struct error error;

    format(path, sizeof(path), "%s/%s", folder, string_in(command, "filename"));
    struct bytes bytes = read_file(path);
    EXPECT(bytes.ptr != NULL);
    status_t status = judge(bytes, arena, &error);
    bool good = invalid   ? status == ERR_INVALID :
                malformed ? status == ERR_MALFORMED :
                            status == OK;
    if ((invalid || malformed) && good)
        good = same_words(error.what, text) && error.at <= bytes.size;
    free(bytes.ptr);

    if (good)
        totals->passed++;
    else if (status == ERR_UNSUPPORTED && !invalid && !malformed)
        totals->unsupported++;
    else if (is_difference(path, text))
        totals->different++;
    else {
        totals->failed++;
        printf("%s: %s '%s': %s '%s' at %llx\n", path, type, text,
               status_text(status), error.what ? error.what : "",
               (unsigned long long)error.at);
    }
}

static void
check_script(const char *folder, const char *file, struct arena *arena,
             struct totals *totals)
{
    char path[512];
    const cJSON *command;

    format(path, sizeof(path), "%s/%s", folder, file);
    struct bytes text = read_file(path);
    cJSON *script = cJSON_Parse((const char *)text.ptr);
    EXPECT(script != NULL);
    cJSON_ArrayForEach (command, cJSON_GetObjectItem(script, "commands")) {
        bool is_text = strcmp(string_in(command, "module_type"), "text") == 0;
        if (cJSON_HasObjectItem(command, "filename") && !is_text)
            check(folder, command, arena, totals);
    }
    cJSON_Delete(script);
    free(text.ptr);
}

static void
check_folder(const char *folder, struct arena *arena, struct totals *totals)
{
    struct dirent *entry;
    DIR *dir = opendir(folder);

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strstr(entry->d_name, ".json") != NULL)
            check_script(folder, entry->d_name, arena, totals);
    if (dir != NULL)
        closedir(dir);
}

TEST(wasm_suite)
{
    struct arena arena = arena_make(256 * MIB);
    struct totals totals = {0};
    char folder[256];

    for (u32 i = 0; i < COUNT(folders); i++) {
        if (test_suite(folders[i], folder, sizeof(folder)))
            check_folder(folder, &arena, &totals);
    }
    arena_drop(&arena);
    printf("wasm_suite: %u passed, %u failed, %u unsupported, %u differ\n",
           totals.passed, totals.failed, totals.unsupported, totals.different);
    EXPECT(totals.passed > 0);
    EXPECT_EQ(totals.failed, 0);
}
