// user/shell/expand.c: from words as they were written to words that programs
// get: dollars (dollar.c), quotes, ~, split at the characters of IFS, and the
// names of files that match * ? [...].

#include "expand.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

bool substituted;

// --- fields ------------------------------------------------------------------

void
field_add(struct field *f, char c, bool quoted)
{
    f->started = true;
    f->blank = false;
    text_char(&f->plain, c);
    if (strchr("*?[]\\", c) != NULL && c != 0) {
        if (quoted)
            text_char(&f->pattern, '\\');
        else
            f->magic |= c != '\\' && c != ']';
    }
    text_char(&f->pattern, c);
}

void
field_end(struct field *f)
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

// A character of IFS.  Blanks around another are of one end.
static void
split_at(struct field *f, bool blank)
{
    bool ends = f->started;

    if (!blank && !f->blank)
        f->started = true; // also nothing is a field
    field_end(f);
    f->blank = blank && (ends || f->blank);
}

void
field_value(struct field *f, const char *value, bool quoted)
{
    const char *ifs = variable_get("IFS");

    ifs = ifs != NULL ? ifs : " \t\n";
    f->started |= quoted;
    for (; *value != 0; value++) {
        if (quoted || f->whole || strchr(ifs, *value) == NULL)
            field_add(f, *value, quoted);
        else
            split_at(f, strchr(" \t\n", *value) != NULL);
    }
}

// --- quotes ------------------------------------------------------------------

// Behind a backslash in double quotes or a here-document.
static const char *
add_escaped(struct field *f, const char *at, enum quotes quotes)
{
    const char *escapes = quotes == QUOTES_HERE ? "\\$`" : "\\$`\"";

    if (at[1] == '\n')
        return at + 2;
    if (at[1] != 0 && strchr(escapes, at[1]) != NULL)
        at++;
    field_add(f, *at, true);
    return at + 1;
}

// Up to the quote, or all; NULL after a complaint.
static const char *
add_quoted(struct field *f, const char *at, enum quotes quotes)
{
    if (*at == '"')
        f->started = true;
    while (at != NULL && *at != 0 && (*at != '"' || quotes == QUOTES_HERE)) {
        if (*at == '$' || *at == '`')
            at = expand_dollar(f, at, true);
        else if (*at == '\\')
            at = add_escaped(f, at, quotes);
        else
            field_add(f, *at++, true);
    }
    return at;
}

static const char *
add_double(struct field *f, const char *at)
{
    bool inner = f->inner;

    f->inner = false;
    at = add_quoted(f, at, QUOTES_DOUBLE);
    f->inner = inner;
    return at != NULL && *at == '"' ? at + 1 : at;
}

static const char *
add_single(struct field *f, const char *at)
{
    f->started = true;
    while (*at != '\'' && *at != 0)
        field_add(f, *at++, true);
    return *at != 0 ? at + 1 : at;
}

static void
add_plain(struct field *f, char c)
{
    const char one[2] = {c, 0};

    if (f->inner)
        field_value(f, one, false);
    else
        field_add(f, c, false);
}

static const char *
add_part(struct field *f, const char *at)
{
    switch (*at) {
    case '\'':
        return add_single(f, at + 1);
    case '"':
        return add_double(f, at + 1);
    case '$':
    case '`':
        return expand_dollar(f, at, false);
    case '\\':
        if (at[1] == 0)
            break;
        if (at[1] != '\n')
            field_add(f, at[1], true);
        return at + 2;
    }
    add_plain(f, *at);
    return at + 1;
}

bool
expand_raw(struct field *f, const char *raw, enum quotes quotes)
{
    const char *home = variable_get("HOME");

    if (quotes != QUOTES_NONE) {
        do {
            raw = add_quoted(f, raw, quotes);
            raw += raw != NULL && *raw == '"'; // one within ${...}
        } while (raw != NULL && *raw != 0);
        return raw != NULL;
    }
    if (raw[0] == '~' && (raw[1] == 0 || raw[1] == '/') && home != NULL) {
        field_value(f, home, true);
        raw++;
    }
    while (raw != NULL && *raw != 0)
        raw = add_part(f, raw);
    return raw != NULL;
}

// --- words -------------------------------------------------------------------

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
        done = expand_raw(&f, words->raw, QUOTES_NONE);
        field_end(&f);
        f.blank = false;
    }
    free_field(&f);
    return done;
}

static char *
expand_whole(const char *raw, enum quotes quotes, bool pattern)
{
    struct field f = {.whole = true};
    char *result = NULL;

    if (expand_raw(&f, raw, quotes))
        result = copy_text(text_get(pattern ? &f.pattern : &f.plain));
    free_field(&f);
    return result;
}

char *
expand_string(const char *raw)
{
    return expand_whole(raw, QUOTES_NONE, false);
}

char *
expand_pattern(const char *raw)
{
    return expand_whole(raw, QUOTES_NONE, true);
}

char *
expand_quoted(const char *raw, enum quotes quotes)
{
    return expand_whole(raw, quotes, false);
}

char *
expand_here(const char *lines)
{
    return expand_quoted(lines, QUOTES_HERE);
}
