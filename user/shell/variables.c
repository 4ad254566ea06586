// user/shell/variables.c: variables of the shell; those that are exported are
// the environment of programs.

#include "shell.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static struct variable {
    char *name, *value; // value NULL: exported only
    bool exported;
} * variables;

static size_t count, room;

bool
is_name(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != '_' && !isalpha((unsigned char)text[i]) &&
            (i == 0 || !isdigit((unsigned char)text[i])))
            return false;
    return size > 0;
}

static struct variable *
find(const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(variables[i].name, name) == 0)
            return &variables[i];
    return NULL;
}

static struct variable *
find_or_add(const char *name)
{
    struct variable *v = find(name);

    if (v != NULL)
        return v;
    if (count == room) {
        room = 2 * room + 32;
        variables = need(realloc(variables, room * sizeof(*variables)));
    }
    variables[count] = (struct variable){copy_text(name), NULL, false};
    return &variables[count++];
}

const char *
variable_get(const char *name)
{
    const struct variable *v = find(name);

    return v != NULL ? v->value : NULL;
}

void
variable_set(const char *name, const char *value)
{
    struct variable *v = find_or_add(name);
    char *copy = copy_text(value);

    free(v->value);
    v->value = copy;
}

void
variable_export(const char *name)
{
    find_or_add(name)->exported = true;
}

void
variable_unset(const char *name)
{
    struct variable *v = find(name);

    if (v == NULL)
        return;
    free(v->name);
    free(v->value);
    *v = variables[--count];
}

void
variables_init(void)
{
    for (char **at = environ; at != NULL && *at != NULL; at++) {
        char *name = copy_text(*at), *sign = strchr(name, '=');
        if (sign != NULL && is_name(name, sign - name)) {
            *sign = 0;
            variable_set(name, sign + 1);
            variable_export(name);
        }
        free(name);
    }
}

static bool
names_same(const char *a, const char *name)
{
    size_t size = strlen(name);

    return strncmp(a, name, size) == 0 && a[size] == '=';
}

// A handle's name is of those that this program was given, not of what it runs.
static bool
is_inherited(const struct variable *v, const struct words *more)
{
    for (size_t i = 0; i < more->count; i++)
        if (names_same(more->list[i], v->name))
            return false;
    return v->exported && v->value != NULL && strcmp(v->name, "GIVEN") != 0;
}

void
variables_environment(struct words *out, const struct words *more)
{
    for (size_t i = 0; i < count; i++) {
        struct text t = {NULL, 0, 0};
        if (!is_inherited(&variables[i], more))
            continue;
        text_put(&t, variables[i].name);
        text_char(&t, '=');
        text_put(&t, variables[i].value);
        words_add(out, text_take(&t));
    }
    for (size_t i = 0; i < more->count; i++)
        words_add(out, copy_text(more->list[i]));
}

void
variables_print(bool exported, int fd)
{
    for (size_t i = 0; i < count; i++)
        if (variables[i].value != NULL && (variables[i].exported || !exported))
            dprintf(fd, "%s%s=%s\n", exported ? "export " : "",
                    variables[i].name, variables[i].value);
}

void
variables_put(struct text *t)
{
    for (size_t i = 0; i < count; i++) {
        const struct variable *v = &variables[i];
        if (v->value == NULL || v->exported)
            continue;
        text_put(t, v->name);
        text_char(t, '=');
        text_quote(t, v->value);
        text_char(t, '\n');
    }
}

// --- local ones --------------------------------------------------------------

static struct variable *saved; // value NULL: it was not set
static size_t saved_count, saved_room;

size_t
variables_mark(void)
{
    return saved_count;
}

void
variable_local(const char *name)
{
    const struct variable *v = find(name);
    bool set = v != NULL && v->value != NULL;

    if (saved_count == saved_room) {
        saved_room = 2 * saved_room + 32;
        saved = need(realloc(saved, saved_room * sizeof(*saved)));
    }
    saved[saved_count++] =
        (struct variable){copy_text(name), set ? copy_text(v->value) : NULL,
                          v != NULL && v->exported};
}

void
variables_restore(size_t mark)
{
    while (saved_count > mark) {
        const struct variable *v = &saved[--saved_count];
        variable_unset(v->name);
        if (v->value != NULL)
            variable_set(v->name, v->value);
        if (v->exported)
            variable_export(v->name);
        free(v->name);
        free(v->value);
    }
}
