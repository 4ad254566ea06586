// user/shell/expand.c: from words as they were written to words that programs
// get: $NAME, ${NAME}, $?, $#, $@, $*, $0 to $9, $(COMMAND), quotes, ~, and the
// names of files that match * ? [...].

#include "shell.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool substituted;

// A word on its way: plain, and as a pattern, where what was quoted is escaped.
struct field {
    struct text plain, pattern;
    bool started; // also "" is a word
    bool magic;   // has a character that matches others
    bool whole;   // is not split
    struct words *out;
};

static void
add(struct field *f, char c, bool quoted)
{
    f->started = true;
    text_char(&f->plain, c);
    if (strchr("*?[\\", c) != NULL && c != 0) {
        if (quoted)
            text_char(&f->pattern, '\\');
        else
            f->magic |= c != '\\';
    }
    text_char(&f->pattern, c);
}

// The word is complete.
static void
finish(struct field *f)
{
    glob_t found;

    if (!f->started)
        return;
    if (f->magic && glob(text_get(&f->pattern), 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++)
            words_add(f->out, copy_text(found.gl_pathv[i]));
        globfree(&found);
    } else {
        words_add(f->out, copy_text(text_get(&f->plain)));
    }
    text_clear(&f->plain);
    text_clear(&f->pattern);
    f->started = f->magic = false;
}

// What a variable or a command says: split at blanks, if not quoted.
static void
add_value(struct field *f, const char *value, bool quoted)
{
    f->started |= quoted;
    for (; *value != 0; value++) {
        if (quoted || f->whole || !isspace((unsigned char)*value))
            add(f, *value, quoted);
        else
            finish(f);
    }
}

// --- dollars -----------------------------------------------------------------

static void
add_number(struct field *f, long number, bool quoted)
{
    char text[24];

    snprintf(text, sizeof(text), "%ld", number);
    add_value(f, text, quoted);
}

static void
add_arguments(struct field *f, bool quoted, bool apart)
{
    for (int i = 1; i < argument_count; i++) {
        add_value(f, arguments[i], quoted);
        if (i + 1 == argument_count)
            break;
        if ((apart || !quoted) && !f->whole)
            finish(f);
        else
            add(f, ' ', true);
    }
}

static void
add_variable(struct field *f, const char *name, bool quoted)
{
    const char *value = NULL;

    if (isdigit((unsigned char)name[0])) {
        int index = atoi(name);
        value = index < argument_count ? arguments[index] :
                index == 0             ? "shell" :
                                         NULL;
    } else if (strcmp(name, "@") == 0 || strcmp(name, "*") == 0) {
        add_arguments(f, quoted, name[0] == '@');
    } else if (strcmp(name, "?") == 0) {
        add_number(f, last_status, quoted);
    } else if (strcmp(name, "#") == 0) {
        add_number(f, argument_count > 0 ? argument_count - 1 : 0, quoted);
    } else {
        value = variable_get(name);
    }
    if (value != NULL)
        add_value(f, value, quoted);
    else
        f->started |= quoted && strcmp(name, "@") != 0;
}

// Where the parenthesis that `at` is behind of ends.
static const char *
find_close(const char *at)
{
    int depth = 1;

    for (; *at != 0; at++) {
        if (*at == '\\' && at[1] != 0) {
            at++;
        } else if (*at == '\'') {
            const char *end = strchr(at + 1, '\'');
            at = end != NULL ? end : at;
        } else if (*at == '(') {
            depth++;
        } else if (*at == ')' && --depth == 0) {
            return at;
        }
    }
    return at;
}

static const char *
add_command(struct field *f, const char *at, bool quoted)
{
    const char *end = find_close(at);
    char *command = need(strndup(at, end - at));
    struct text out = {NULL, 0, 0};

    last_status = run_captured(command, &out);
    substituted = true;
    while (out.size > 0 && out.at[out.size - 1] == '\n')
        out.at[--out.size] = 0;
    add_value(f, text_get(&out), quoted);
    free(out.at);
    free(command);
    return *end == ')' ? end + 1 : end;
}

// Behind a dollar; NULL after a complaint.
static const char *
add_dollar(struct field *f, const char *at, bool quoted)
{
    bool braces = *at == '{';
    size_t size = 0;

    if (*at == '(')
        return add_command(f, at + 1, quoted);
    at += braces;
    while (at[size] == '_' || isalnum((unsigned char)at[size]))
        if (isdigit((unsigned char)at[size++]) && size == 1 && !braces)
            break;
    if (size == 0 && *at != 0 && strchr("?#@*$!", *at) != NULL)
        size = 1;
    if (size == 0 && !braces) {
        add(f, '$', quoted);
        return at;
    }
    char *name = need(strndup(at, size));
    at += size;
    if (braces && (size == 0 || *at != '}')) {
        complain(name, "${...} takes a name only");
        free(name);
        return NULL;
    }
    add_variable(f, name, quoted);
    free(name);
    return at + braces;
}

// --- words -------------------------------------------------------------------

static const char *
add_quoted(struct field *f, const char *at)
{
    f->started = true;
    while (at != NULL && *at != '"' && *at != 0) {
        if (*at == '$') {
            at = add_dollar(f, at + 1, true);
        } else {
            if (*at == '\\' && at[1] != 0 && strchr("\"\\$\n", at[1]) != NULL)
                at++;
            add(f, *at++, true);
        }
    }
    return at != NULL && *at == '"' ? at + 1 : at;
}

static const char *
add_single(struct field *f, const char *at)
{
    f->started = true;
    while (*at != '\'' && *at != 0)
        add(f, *at++, true);
    return *at != 0 ? at + 1 : at;
}

static bool
expand(struct field *f, const char *at)
{
    const char *home = variable_get("HOME");

    if (at[0] == '~' && (at[1] == 0 || at[1] == '/') && home != NULL) {
        add_value(f, home, true);
        at++;
    }
    while (at != NULL && *at != 0) {
        if (*at == '\'') {
            at = add_single(f, at + 1);
        } else if (*at == '"') {
            at = add_quoted(f, at + 1);
        } else if (*at == '$') {
            at = add_dollar(f, at + 1, false);
        } else if (*at == '\\' && at[1] != 0) {
            if (at[1] != '\n')
                add(f, at[1], true);
            at += 2;
        } else {
            add(f, *at++, false);
        }
    }
    return at != NULL;
}

static void
free_field(struct field *f)
{
    free(f->plain.at);
    free(f->pattern.at);
}

bool
expand_words(const struct word *words, struct words *out)
{
    struct field f = {.out = out};
    bool done = true;

    for (; words != NULL && done; words = words->next) {
        done = expand(&f, words->raw);
        finish(&f);
    }
    free_field(&f);
    return done;
}

char *
expand_string(const char *raw)
{
    struct field f = {.whole = true};
    char *result = expand(&f, raw) ? copy_text(text_get(&f.plain)) : NULL;

    free_field(&f);
    return result;
}
