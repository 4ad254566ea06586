// user/shell/complete.c: what may follow in a word that is being typed:
// programs and builtins where a command begins, files elsewhere.

#include "shell.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// Where the word before `at` begins.
static size_t
find_word(const char *text, size_t at)
{
    while (at > 0 && strchr(" \t\n;&|<>()", text[at - 1]) == NULL)
        at--;
    return at;
}

static bool
is_command(const char *text, size_t word)
{
    while (word > 0 && (text[word - 1] == ' ' || text[word - 1] == '\t'))
        word--;
    return word == 0 || strchr("\n;&|(", text[word - 1]) != NULL;
}

static void
add_choice(struct words *choices, const char *name, const char *prefix,
           bool is_dir)
{
    struct text t = {NULL, 0, 0};

    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return;
    if (name[0] == '.' && prefix[0] != '.')
        return;
    text_put(&t, name);
    if (is_dir)
        text_char(&t, '/');
    for (size_t i = 0; i < choices->count; i++) {
        if (strcmp(choices->list[i], t.at) == 0) {
            free(t.at);
            return;
        }
    }
    words_add(choices, text_take(&t));
}

static bool
is_dir(const char *dir, const char *name)
{
    struct text path = {NULL, 0, 0};
    struct stat st;

    text_put(&path, dir);
    text_char(&path, '/');
    text_put(&path, name);
    bool result = stat(path.at, &st) == 0 && S_ISDIR(st.st_mode);
    free(path.at);
    return result;
}

static void
add_files(struct words *choices, const char *dir, const char *prefix)
{
    DIR *d = opendir(dir);

    if (d == NULL)
        return;
    for (struct dirent *entry = readdir(d); entry != NULL; entry = readdir(d))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            add_choice(choices, entry->d_name, prefix,
                       is_dir(dir, entry->d_name));
    closedir(d);
}

static void
add_commands(struct words *choices, const char *prefix)
{
    char *path = copy_text(variable_get("PATH") ? variable_get("PATH") : "");
    char *rest;

    for (size_t i = 0; builtin_name(i) != NULL; i++)
        add_choice(choices, builtin_name(i), prefix, false);
    for (char *dir = strtok_r(path, ":", &rest); dir != NULL;
         dir = strtok_r(NULL, ":", &rest))
        add_files(choices, dir, prefix);
    free(path);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
find_choices(struct words *choices, char *word, bool command)
{
    char *slash = strrchr(word, '/');

    if (slash == NULL && command) {
        add_commands(choices, word);
    } else if (slash == NULL) {
        add_files(choices, ".", word);
    } else {
        *slash = 0;
        add_files(choices, slash == word ? "/" : word, slash + 1);
        *slash = '/';
    }
    if (choices->count > 0)
        qsort(choices->list, choices->count, sizeof(char *), by_name);
}

bool
complete(const char *text, size_t at, struct text *more, struct words *choices)
{
    size_t start = find_word(text, at);
    char *word = need(strndup(text + start, at - start));
    const char *slash = strrchr(word, '/');
    size_t known = strlen(slash != NULL ? slash + 1 : word), same;

    find_choices(choices, word, is_command(text, start));
    free(word);
    if (choices->count == 0)
        return false;
    // They are in order: what the first and the last share, all share.
    const char *first = choices->list[0];
    const char *last = choices->list[choices->count - 1];
    for (same = known; first[same] != 0 && first[same] == last[same]; same++)
        continue;
    text_add(more, first + known, same - known);
    bool one = choices->count == 1;
    if (one && first[same - 1] != '/')
        text_char(more, ' ');
    return one;
}
