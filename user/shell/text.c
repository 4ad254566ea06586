// user/shell/text.c: text and words that grow, and messages.

#include "shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *
need(void *memory)
{
    if (memory != NULL)
        return memory;
    fprintf(stderr, "shell: out of memory\n");
    exit(STATUS_NOT_RUN);
}

char *
copy_text(const char *text)
{
    return need(strdup(text));
}

void
text_add(struct text *t, const char *bytes, size_t size)
{
    if (t->size + size + 1 > t->room) {
        t->room = 2 * (t->size + size + 1);
        t->at = need(realloc(t->at, t->room));
    }
    memcpy(t->at + t->size, bytes, size);
    t->size += size;
    t->at[t->size] = 0;
}

void
text_put(struct text *t, const char *string)
{
    text_add(t, string, strlen(string));
}

void
text_char(struct text *t, char c)
{
    text_add(t, &c, 1);
}

void
text_clear(struct text *t)
{
    t->size = 0;
    if (t->at != NULL)
        t->at[0] = 0;
}

const char *
text_get(struct text *t)
{
    return t->at != NULL ? t->at : "";
}

char *
text_take(struct text *t)
{
    char *at = t->at != NULL ? t->at : copy_text("");

    *t = (struct text){NULL, 0, 0};
    return at;
}

void
words_add(struct words *w, char *word)
{
    if (w->count + 2 > w->room) {
        w->room = 2 * (w->count + 2);
        w->list = need(realloc(w->list, w->room * sizeof(char *)));
    }
    w->list[w->count++] = word;
    w->list[w->count] = NULL;
}

char **
words_list(struct words *w)
{
    static char *none[] = {NULL};

    return w->list != NULL ? w->list : none;
}

void
words_free(struct words *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->list[i]);
    free(w->list);
    *w = (struct words){NULL, 0, 0};
}

int message_fd = 2;

void
complain(const char *what, const char *why)
{
    if (script_name != NULL)
        dprintf(message_fd, "%s: line %d: %s: %s\n", script_name, script_line,
                what, why);
    else
        dprintf(message_fd, "shell: %s: %s\n", what, why);
}

void
text_quote(struct text *t, const char *string)
{
    text_char(t, '\'');
    for (; *string != 0; string++)
        if (*string == '\'')
            text_put(t, "'\\''");
        else
            text_char(t, *string);
    text_char(t, '\'');
}
