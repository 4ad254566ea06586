// user/shell/dollar.c: what dollars stand for: variables and arguments, also
// with what is to be done with their values (${NAME:-WORD}, ${NAME%PATTERN} and
// the like), what a command prints, and the value of an expression.

#include "expand.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- values ------------------------------------------------------------------

static void
add_number(struct field *f, long long number, bool quoted)
{
    char text[24];

    snprintf(text, sizeof(text), "%lld", number);
    field_value(f, text, quoted);
}

// $@ and $*: apart, each is a word of its own also in quotes.
static void
add_arguments(struct field *f, bool quoted, bool apart)
{
    const char *ifs = variable_get("IFS");

    for (int i = 1; i < argument_count; i++) {
        field_value(f, arguments[i], quoted);
        if (i + 1 == argument_count)
            break;
        if ((apart || !quoted) && !f->whole)
            field_end(f);
        else if (apart || ifs == NULL || ifs[0] != 0)
            field_add(f, apart || ifs == NULL ? ' ' : ifs[0], true);
    }
    f->started |= quoted && !apart;
}

// What a name, a number or one of ? # $ ! - stands for; NULL: it is not set.
static const char *
value_of(const char *name)
{
    static char text[24];
    const char *value;
    int index;

    if (isdigit((unsigned char)name[0])) {
        index = atoi(name);
        return index < argument_count ? arguments[index] :
               index == 0             ? "shell" :
                                        NULL;
    }
    switch (name[0]) {
    case '?':
        snprintf(text, sizeof(text), "%d", last_status);
        return text;
    case '#':
        snprintf(text, sizeof(text), "%d",
                 argument_count > 0 ? argument_count - 1 : 0);
        return text;
    case '$':
        snprintf(text, sizeof(text), "%d", shell_number);
        return text;
    case '!':
        return last_job;
    case '-':
        return options_text();
    }
    value = variable_get(name);
    return value;
}

// The length of the name of a variable, or of what stands for something else.
static size_t
name_size(const char *at, bool braces)
{
    size_t size = 0;

    if (*at != 0 && strchr("?#@*!-$", *at) != NULL)
        return 1;
    if (isdigit((unsigned char)*at)) {
        while (isdigit((unsigned char)at[size]))
            if (size++, !braces)
                break;
        return size;
    }
    while (at[size] == '_' || isalnum((unsigned char)at[size]))
        size++;
    return size;
}

// Behind what was not set, if that is an error.
static bool
check_set(const char *name, const char *value)
{
    if (value != NULL || !option(OPTION_UNSET))
        return true;
    complain(name, "is not set");
    leave_on_error();
    return false;
}

// --- ${...} ------------------------------------------------------------------

// What is in the braces.
struct braces {
    char *name, *word; // word: behind the operator, raw
    char op;           // 0: none; % and # twice: P and H
    bool colon;
    const char *value; // NULL: not set, or with a colon, empty
};

static void
free_braces(struct braces *b)
{
    free(b->name);
    free(b->word);
}

// "NAME", "NAME OP WORD"; false: it is neither.
static bool
read_braces(struct braces *b, const char *at, const char *end)
{
    size_t size = name_size(at, true);

    *b = (struct braces){.name = need(strndup(at, size))};
    at += size;
    b->colon = *at == ':';
    at += b->colon;
    if (at < end) {
        b->op = *at++;
        if ((b->op == '%' || b->op == '#') && *at == b->op)
            b->op = *at++ == '%' ? 'P' : 'H';
    }
    b->word = need(strndup(at, at < end ? (size_t)(end - at) : 0));
    return size > 0 && (b->op == 0 ? !b->colon :
                        b->colon   ? strchr("-=?+", b->op) != NULL :
                                     strchr("-=?+%#PH", b->op) != NULL);
}

// Without the shortest or longest part at its begin or end that matches.
static void
add_trimmed(struct field *f, const char *value, const char *pattern, char op,
            bool quoted)
{
    bool front = op == '#' || op == 'H', longest = op == 'P' || op == 'H';
    size_t size = strlen(value), cut = 0;
    bool found = false;

    for (size_t n = 0; n <= size && (longest || !found); n++) {
        char *part = need(front ? strndup(value, n) : strdup(value + size - n));
        if (fnmatch(pattern, part, 0) == 0) {
            cut = n;
            found = true;
        }
        free(part);
    }
    char *rest = need(strndup(front ? value + cut : value, size - cut));
    field_value(f, rest, quoted);
    free(rest);
}

// The word in its place, which is raw.
static bool
add_word_of(struct field *f, const char *word, bool quoted)
{
    bool inner = f->inner;

    f->inner = !quoted;
    f->started |= quoted;
    bool done = expand_raw(f, word, quoted ? QUOTES_DOUBLE : QUOTES_NONE);
    f->inner = inner;
    return done;
}

static bool
set_default(const struct braces *b)
{
    char *value = expand_string(b->word);

    if (value == NULL)
        return false;
    if (is_name(b->name, strlen(b->name)))
        variable_set(b->name, value);
    else
        complain(b->name, "cannot be set like this");
    bool set = is_name(b->name, strlen(b->name));
    free(value);
    return set;
}

static bool
refuse_unset(const struct braces *b)
{
    char *why = expand_string(b->word);

    if (why != NULL)
        complain(b->name, why[0] != 0 ? why : "is not set");
    free(why);
    leave_on_error();
    return false;
}

static bool
add_value_of(struct field *f, const struct braces *b, bool quoted)
{
    if (strcmp(b->name, "@") == 0 || strcmp(b->name, "*") == 0)
        add_arguments(f, quoted, b->name[0] == '@');
    else if (b->value != NULL)
        field_value(f, b->value, quoted);
    else if (!check_set(b->name, b->value))
        return false;
    else
        f->started |= quoted;
    return true;
}

static bool
add_braces(struct field *f, const struct braces *b, bool quoted)
{
    switch (b->op) {
    case '-':
        return b->value != NULL ? add_value_of(f, b, quoted) :
                                  add_word_of(f, b->word, quoted);
    case '+':
        return b->value == NULL || add_word_of(f, b->word, quoted);
    case '?':
        return b->value != NULL ? add_value_of(f, b, quoted) : refuse_unset(b);
    case '=':
        if (b->value == NULL && !set_default(b))
            return false;
        field_value(f, value_of(b->name), quoted);
        return true;
    case 0:
        return add_value_of(f, b, quoted);
    }
    char *pattern = expand_pattern(b->word);
    if (pattern != NULL && check_set(b->name, b->value))
        add_trimmed(f, b->value != NULL ? b->value : "", pattern, b->op,
                    quoted);
    free(pattern);
    return pattern != NULL && !leaving;
}

static const char *
value_in_braces(const struct braces *b)
{
    static char *all;
    struct text t = {NULL, 0, 0};
    const char *value;

    if (strcmp(b->name, "@") == 0 || strcmp(b->name, "*") == 0) {
        for (int i = 1; i < argument_count; i++) {
            text_put(&t, i > 1 ? " " : "");
            text_put(&t, arguments[i]);
        }
        free(all);
        all = text_take(&t);
        value = argument_count > 1 ? all : NULL;
    } else {
        value = value_of(b->name);
    }
    return value != NULL && b->colon && value[0] == 0 ? NULL : value;
}

// Of $@ and $* it is how many there are.
static long long
length_of(const struct braces *b)
{
    if (strcmp(b->name, "@") == 0 || strcmp(b->name, "*") == 0)
        return argument_count > 0 ? argument_count - 1 : 0;
    return b->value != NULL ? (long long)strlen(b->value) : 0;
}

// Behind "${".
static const char *
add_parameter(struct field *f, const char *at, const char *end, bool quoted)
{
    bool length = at[0] == '#' && at[1] != '}' && name_size(at + 1, true) > 0 &&
                  at[1 + name_size(at + 1, true)] == '}';
    struct braces b;
    bool done = read_braces(&b, at + length, end - 1);

    if (!done) {
        complain(b.name, "${...} is not of a known form");
    } else {
        b.value = value_in_braces(&b);
        if (!length)
            done = add_braces(f, &b, quoted);
        else if ((done = check_set(b.name, b.value)))
            add_number(f, length_of(&b), quoted);
    }
    free_braces(&b);
    return done ? end : NULL;
}

// --- commands and expressions ------------------------------------------------

static void
add_output(struct field *f, const char *command, bool quoted)
{
    struct text out = {NULL, 0, 0};

    last_status = run_captured(command, &out);
    substituted = true;
    while (out.size > 0 && out.at[out.size - 1] == '\n')
        out.at[--out.size] = 0;
    field_value(f, text_get(&out), quoted);
    free(out.at);
}

// Between backquotes, a backslash takes the meaning of these only.
static void
add_backquoted(struct field *f, const char *at, const char *end, bool quoted)
{
    struct text command = {NULL, 0, 0};

    for (; at < end; at++) {
        if (*at == '\\' && at + 1 < end &&
            strchr(quoted ? "\\$`\"" : "\\$`", at[1]) != NULL)
            at++;
        text_char(&command, *at);
    }
    add_output(f, text_get(&command), quoted);
    free(command.at);
}

static bool
add_arithmetic(struct field *f, const char *at, const char *end, bool quoted)
{
    char *raw = need(strndup(at, (size_t)(end - at)));
    char *text = expand_quoted(raw, QUOTES_DOUBLE);
    int64_t value = 0;
    bool done = text != NULL && arithmetic(text, &value);

    if (done)
        add_number(f, value, quoted);
    free(text);
    free(raw);
    return done;
}

static const char *
add_variable(struct field *f, const char *at, bool quoted)
{
    size_t size = name_size(at, false);
    struct braces b = {.name = need(strndup(at, size))};

    b.value = size > 0 ? value_of(b.name) : NULL;
    bool done = size > 0 && add_value_of(f, &b, quoted);
    if (size == 0)
        field_add(f, '$', quoted);
    free(b.name);
    return done || size == 0 ? at + size : NULL;
}

const char *
expand_dollar(struct field *f, const char *at, bool quoted)
{
    const char *end = end_of_dollar(at);

    if (*at == '`') {
        add_backquoted(f, at + 1, end - 1, quoted);
    } else if (strncmp(at, "$((", 3) == 0) {
        if (!add_arithmetic(f, at + 3, end - 2, quoted))
            return NULL;
    } else if (at[1] == '(') {
        char *command = need(strndup(at + 2, (size_t)(end - at) - 3));
        add_output(f, command, quoted);
        free(command);
    } else if (at[1] == '{') {
        return add_parameter(f, at + 2, end, quoted);
    } else {
        return add_variable(f, at + 1, quoted);
    }
    return end;
}
