// user/shell/options.c: what `set` sets besides arguments.

#include "shell.h"

#include <string.h>

static const char letters[OPTIONS + 1] = "eux";
static bool set[OPTIONS];

bool
option(enum option option)
{
    return set[option];
}

bool
options_set(const char *word)
{
    bool on = word[0] == '-';

    for (const char *at = word + 1; *at != 0; at++)
        if (strchr(letters, *at) == NULL)
            return false;
    for (const char *at = word + 1; *at != 0; at++)
        set[strchr(letters, *at) - letters] = on;
    return true;
}

const char *
options_text(void)
{
    static char text[OPTIONS + 1];
    size_t size = 0;

    for (size_t i = 0; i < OPTIONS; i++)
        if (set[i])
            text[size++] = letters[i];
    text[size] = 0;
    return text;
}

void
options_put(struct text *t)
{
    if (options_text()[0] == 0)
        return;
    text_put(t, "set -");
    text_put(t, options_text());
    text_char(t, '\n');
}
