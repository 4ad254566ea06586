// oci/json.c: configurations, which anybody may have written: reading what may
// be anything, and writing what others read.

#include "oci/oci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// --- reading -----------------------------------------------------------------

// cJSON descends no deeper than a limit of its own.
bool
json_read(struct json *j, const char *path, const char *name)
{
    struct bytes file;
    const char *end = NULL;
    int error = file_load(path, JSON_MOST, &file);

    *j = (struct json){.name = name};
    if (error == EFBIG)
        return complain("%s: more than %d MiB", name, (int)(JSON_MOST / MIB)),
               false;
    if (error != 0)
        return complain("%s: %s", path, strerror(error)), false;
    j->root =
        cJSON_ParseWithLengthOpts((char *)file.ptr, file.size, &end, false);
    while (j->root != NULL && end < (char *)file.ptr + file.size &&
           strchr(" \t\r\n", *end) != NULL && *end != 0)
        end++;
    u64 at = end != NULL ? (u64)(end - (char *)file.ptr) : 0;
    bool whole = j->root != NULL && at == file.size;
    free(file.ptr);
    if (whole && cJSON_IsObject(j->root))
        return true;
    if (whole)
        complain("%s: not an object", name);
    else
        complain("%s: not JSON, at byte %llu", name, (unsigned long long)at);
    json_free(j);
    return false;
}

void
json_free(struct json *j)
{
    cJSON_Delete(j->root);
    j->root = NULL;
}

void
json_refuse(struct json *j, const char *path, const char *what)
{
    if (!j->failed)
        complain("%s: %s: %s", j->name, path, what);
    j->failed = true;
}

// --- what is there -----------------------------------------------------------

static bool
is_kind(const cJSON *item, enum json_kind kind)
{
    switch (kind) {
    case JSON_OBJECT:
        return cJSON_IsObject(item);
    case JSON_LIST:
        return cJSON_IsArray(item);
    case JSON_TEXT:
        return cJSON_IsString(item);
    case JSON_BOOL:
        return cJSON_IsBool(item);
    case JSON_NUMBER:
        return cJSON_IsNumber(item);
    }
    return false;
}

static const char *const kinds[] = {"not an object", "not a list", "not a text",
                                    "neither true nor false", "not a number"};

const cJSON *
json_find(struct json *j, const cJSON *at, const char *path,
          enum json_kind kind)
{
    const char *name = path;
    char word[64];

    at = at != NULL ? at : j->root;
    while (at != NULL && *name != 0) {
        size_t len = strcspn(name, ".");
        snprintf(word, sizeof(word), "%.*s", (int)len, name);
        if (!cJSON_IsObject(at))
            return json_refuse(j, path, "below what is not an object"), NULL;
        at = cJSON_GetObjectItemCaseSensitive(at, word);
        if (cJSON_IsNull(at))
            return NULL;
        name += len + (name[len] == '.');
    }
    if (at == NULL || is_kind(at, kind))
        return at;
    json_refuse(j, path, kinds[kind]);
    return NULL;
}

const char *
json_text(struct json *j, const cJSON *at, const char *path)
{
    const cJSON *item = json_find(j, at, path, JSON_TEXT);

    if (item == NULL || item->valuestring[0] == 0)
        json_refuse(j, path, "missing");
    return j->failed ? "" : item->valuestring;
}

bool
json_flag(struct json *j, const cJSON *at, const char *path)
{
    return cJSON_IsTrue(json_find(j, at, path, JSON_BOOL));
}

i64
json_number(struct json *j, const cJSON *at, const char *path, i64 least,
            i64 most, i64 otherwise)
{
    const cJSON *item = json_find(j, at, path, JSON_NUMBER);

    if (item == NULL)
        return otherwise;
    double value = item->valuedouble;
    // Beyond that a double has no fractions, and i64 no room.
    if (!(value >= -9e18 && value <= 9e18) || value != (double)(i64)value ||
        (i64)value < least || (i64)value > most) {
        json_refuse(j, path, "not a number that it may be");
        return otherwise;
    }
    return (i64)value;
}

bool
json_texts(struct json *j, const cJSON *list, const char *path)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, list)
        if (!cJSON_IsString(item))
            json_refuse(j, path, "not a list of texts");
    return !j->failed;
}

// --- writing -----------------------------------------------------------------

void
json_print(cJSON *tree)
{
    char *text = cJSON_PrintUnformatted(tree);

    assert(text != NULL);
    printf("%s\n", text);
    free(text);
    cJSON_Delete(tree);
}

// Replaced as a whole: who reads it sees the old or the new.
bool
json_save(cJSON *tree, int dir, const char *name)
{
    char *text = cJSON_PrintUnformatted(tree), temporary[64];
    int fd;

    cJSON_Delete(tree);
    assert(text != NULL);
    snprintf(temporary, sizeof(temporary), "%s.new", name);
    fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t size = (ssize_t)strlen(text);
    bool done = fd >= 0 && write(fd, text, (size_t)size) == size &&
                renameat(dir, temporary, dir, name) == 0;
    if (!done)
        complain("%s: %s", name, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(text);
    return done;
}
