// tool/env.c: the environment that programs are given: nothing but what the
// options --env and --env-file say.
//
//     K=V   the variable K; the last of several counts
//     K     as in the command's own environment; nothing where that has none

#include "kernel/port.h"
#include "tool/tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Where a word was found: an option, or a line of a file.
struct source {
    const struct command *command;
    const char *name; // of the option, or the path of the file
    u32 line;         // 0: an option
};

static bool
refuse(const struct source *from, const char *word, const char *what)
{
    if (from->line > 0)
        complain("%s:%u: %s: %s", from->name, from->line, word, what);
    else
        misuse(from->command, "%s %s: %s", from->name, word, what);
    return false;
}

static void
remove_variable(struct env *env, const char *word, size_t name_len)
{
    for (u32 i = 0; i < env->count; i++)
        if (strncmp(env->list[i], word, name_len) == 0 &&
            env->list[i][name_len] == '=') {
            free(env->list[i]);
            env->count--;
            memmove(&env->list[i], &env->list[i + 1],
                    (env->count - i) * sizeof(env->list[0]));
            return;
        }
}

static bool
add(struct env *env, const struct source *from, const char *word)
{
    size_t name_len = strcspn(word, "=");
    const char *value =
        word[name_len] == 0 ? getenv(word) : &word[name_len + 1];
    char *text = NULL, most[32];

    snprintf(most, sizeof(most), "more than %d variables", ENV_MAX);
    if (name_len == 0)
        return refuse(from, word, "not of the form K=V or K");
    if (value == NULL)
        return true;
    remove_variable(env, word, name_len);
    if (env->count == ENV_MAX)
        return refuse(from, word, most);
    if (asprintf(&text, "%.*s=%s", (int)name_len, word, value) < 0)
        panic(__FILE__, __LINE__, "out of memory");
    env->list[env->count++] = text;
    return true;
}

bool
env_add(struct env *env, const struct command *c, const struct option *o,
        const char *word)
{
    return add(env, &(struct source){c, o->name, 0}, word);
}

// A line without what is around it; NULL: a comment, or nothing.
static char *
strip(char *line)
{
    line += strspn(line, " \t");
    line[strcspn(line, "\r")] = 0;
    return line[0] == 0 || line[0] == '#' ? NULL : line;
}

bool
env_add_file(struct env *env, const struct command *c, const char *path)
{
    FILE *file = fopen(path, "r");
    struct source from = {c, path, 0};
    char *line = NULL;
    size_t room = 0;
    ssize_t len = 0;
    bool fine = file != NULL;

    while (fine && (len = getline(&line, &room, file)) >= 0) {
        from.line++;
        if (memchr(line, 0, (size_t)len) != NULL) {
            fine = refuse(&from, "a byte 0", "this is no text");
            break;
        }
        line[strcspn(line, "\n")] = 0;
        const char *word = strip(line);
        fine = word == NULL || add(env, &from, word);
    }
    if (file == NULL || ferror(file)) {
        complain("%s: %s", path, strerror(errno));
        fine = false;
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return fine;
}
