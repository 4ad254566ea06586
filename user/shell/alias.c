// user/shell/alias.c: words that stand for text where a command begins, put in
// its place before the text is parsed anew (parse.c).  What was parsed once is
// not looked at again: the text of a function, or of what another shell runs.

#include "parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct alias {
    struct alias *next;
    char *name, *value;
};

static struct alias *aliases; // by name

// Where it is, or is to be.
static struct alias **
place_of(const char *name)
{
    struct alias **at = &aliases;

    while (*at != NULL && strcmp((*at)->name, name) < 0)
        at = &(*at)->next;
    return at;
}

static struct alias *
find(const char *name)
{
    struct alias *a = *place_of(name);

    return a != NULL && strcmp(a->name, name) == 0 ? a : NULL;
}

static void
define(const char *name, const char *value)
{
    struct alias **at = place_of(name), *a = find(name);

    if (a == NULL) {
        a = need(calloc(1, sizeof(*a)));
        a->name = copy_text(name);
        a->next = *at;
        *at = a;
    }
    free(a->value);
    a->value = copy_text(value);
}

static bool
remove_alias(const char *name)
{
    struct alias **at = place_of(name), *a = find(name);

    if (a == NULL)
        return false;
    *at = a->next;
    free(a->name);
    free(a->value);
    free(a);
    return true;
}

// As a command that makes it.
static void
put(struct text *t, const struct alias *a)
{
    text_put(t, "alias ");
    text_put(t, a->name);
    text_char(t, '=');
    text_quote(t, a->value);
    text_char(t, '\n');
}

void
aliases_put(struct text *t)
{
    for (const struct alias *a = aliases; a != NULL; a = a->next)
        put(t, a);
}

static void
print(int fd, const struct alias *a)
{
    struct text t = {NULL, 0, 0};

    put(&t, a);
    dprintf(fd, "%s", text_get(&t));
    free(t.at);
}

// --- the builtins ------------------------------------------------------------

// Such a name is a word without quotes and dollars, and no assignment.
static bool
is_alias_name(const char *name)
{
    return name[0] != 0 && strpbrk(name, " \t\n;&|<>()$`\\\"'=/") == NULL;
}

int
builtin_alias(int argc, char **argv, const struct streams *s)
{
    int status = 0;

    if (argc == 1)
        for (const struct alias *a = aliases; a != NULL; a = a->next)
            print(s->fds[1], a);
    for (int i = 1; i < argc; i++) {
        char *sign = strchr(argv[i], '=');
        const struct alias *a = sign == NULL ? find(argv[i]) : NULL;
        if (sign != NULL)
            *sign = 0;
        if (a != NULL) {
            print(s->fds[1], a);
        } else if (sign != NULL && is_alias_name(argv[i])) {
            define(argv[i], sign + 1);
        } else {
            complain(argv[i], sign != NULL ? "not a name" : "not an alias");
            status = 1;
        }
    }
    return status;
}

int
builtin_unalias(int argc, char **argv, const struct streams *s)
{
    int status = 0;

    (void)s;
    if (argc == 1) {
        complain("unalias", "-a, or names");
        return STATUS_MISUSE;
    }
    if (strcmp(argv[1], "-a") == 0)
        while (aliases != NULL)
            remove_alias(aliases->name);
    else
        for (int i = 1; i < argc; i++)
            if (!remove_alias(argv[i])) {
                complain(argv[i], "not an alias");
                status = 1;
            }
    return status;
}

const char *
alias_value(const char *name)
{
    const struct alias *a = find(name);

    return a != NULL ? a->value : NULL;
}

// --- in a text ---------------------------------------------------------------

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool
splices_follow(const struct splices *s, const char *at)
{
    for (size_t i = 0; i < s->count; i++) {
        const char *end = s->text + s->ranges[i].end, *c = end;
        if (end > at || end == s->text + s->ranges[i].at || !is_blank(end[-1]))
            continue;
        while (c < at && is_blank(*c))
            c++;
        if (c == at)
            return true;
    }
    return false;
}

bool
splices_want(const struct splices *s, const char *at, const char *word)
{
    size_t place = (size_t)(at - s->text);

    if (find(word) == NULL)
        return false;
    for (size_t i = 0; i < s->count; i++)
        if (place >= s->ranges[i].at && place < s->ranges[i].end &&
            strcmp(s->ranges[i].name, word) == 0)
            return false;
    return true;
}

bool
splices_add(struct splices *s, const char *at, const char *word)
{
    const char *value = find(word)->value;
    size_t place = (size_t)(at - s->text), size = strlen(word);
    size_t length = strlen(value);
    struct text t = {NULL, 0, 0};

    if (s->count == SPLICES_MAX || strlen(s->text) + length > SPLICED_MAX)
        return false;
    for (size_t i = 0; i < s->count; i++) {
        struct range *r = &s->ranges[i];
        r->at = r->at > place ? r->at + length - size : r->at;
        r->end = r->end > place ? r->end + length - size : r->end;
    }
    s->ranges[s->count++] =
        (struct range){place, place + length, copy_text(word)};
    text_add(&t, s->text, place);
    text_put(&t, value);
    text_put(&t, at + size);
    free(s->text);
    s->text = text_take(&t);
    return true;
}

void
splices_free(struct splices *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->ranges[i].name);
    free(s->text);
}
