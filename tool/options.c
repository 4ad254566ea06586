// tool/options.c: the options of a command, from its table (tool.h): reading
// them, and what is said about misuse: always one line, and exit status 2.
//
//     --name VALUE   --name=VALUE   -n VALUE   --flag   --   -h   --help

#include "kernel/port.h"
#include "tool/tool.h"

#include <stdlib.h>
#include <string.h>

enum { NEAR = 3 };

int
misuse(const struct command *c, const char *text, ...)
{
    char *what;
    va_list list;

    va_start(list, text);
    if (vasprintf(&what, text, list) < 0)
        panic(__FILE__, __LINE__, "out of memory");
    va_end(list);
    if (c == NULL || c->name[0] == 0)
        complain("%s (`%s --help` tells more)", what, program_name);
    else
        complain("%s: %s (`%s %s --help` tells more)", c->name, what,
                 program_name, c->name);
    free(what);
    return STATUS_MISUSE;
}

// --- near misses -------------------------------------------------------------

// How many letters have to be changed, added, left out or exchanged with their
// neighbour to make one word of the other; NEAR when there are more.
static u32
distance(const char *a, const char *b)
{
    enum { WORD = 32 };
    u32 rows[3][WORD + 1];
    size_t a_len = strlen(a), b_len = strlen(b);

    if (a_len > WORD || b_len > WORD)
        return NEAR;
    for (u32 j = 0; j <= b_len; j++)
        rows[0][j] = j;
    for (u32 i = 1; i <= a_len; i++) {
        u32 *row = rows[i % 3];
        const u32 *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (u32 j = 1; j <= b_len; j++) {
            row[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = MIN(row[j], MIN(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = MIN(row[j], before[j - 2] + 1);
        }
    }
    return MIN(rows[a_len % 3][b_len], NEAR);
}

const char *
nearest(const char *word, const char *const *words, u32 count)
{
    // At most half of the letters are wrong; dashes are right in any option.
    u32 letters = (u32)(strlen(word) - strspn(word, "-"));
    u32 least = MIN(NEAR, letters / 2 + 1);
    const char *best = NULL;

    for (u32 i = 0; i < count; i++) {
        u32 d = distance(word, words[i]);
        if (d < least) {
            least = d;
            best = words[i];
        }
    }
    return best;
}

// --- reading -----------------------------------------------------------------

// `text` names the option, alone or before a "="; *value is what follows that.
static bool
names_option(const struct option *o, const char *text, const char **value)
{
    size_t len = strlen(o->name);

    *value = NULL;
    if (strncmp(o->name, text, len) != 0)
        return false;
    if (text[len] == '=' && strncmp(text, "--", 2) == 0)
        *value = text + len + 1;
    return text[len] == 0 || *value != NULL;
}

const struct option *
option_find(const struct command *c, const char *text, const char **value)
{
    for (u32 i = 0; i < c->option_count; i++)
        if (names_option(&c->options[i], text, value))
            return &c->options[i];
    return NULL;
}

static int
unknown_option(const struct command *c, const char *text)
{
    const char *names[OPTIONS_MAX];
    char word[64];

    snprintf(word, sizeof(word), "%.*s", (int)strcspn(text, "="), text);
    for (u32 i = 0; i < c->option_count; i++)
        names[i] = c->options[i].name;
    const char *near = nearest(word, names, c->option_count);
    if (near != NULL && strcmp(near, word) == 0)
        return misuse(c, "%s: its value is the next word, without a =", word);
    if (near != NULL)
        return misuse(c, "%s: no such option; did you mean %s?", word, near);
    if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0)
        return misuse(c, "%s takes no value", word);
    return misuse(c, "%s: no such option", word);
}

// The option at list[*at] and its value, which may be the word after it.
static int
take_option(const struct command *c, void *self, struct words words, int *at)
{
    const char *text = words.list[*at], *value;
    const struct option *o = option_find(c, text, &value);

    if (o == NULL)
        return unknown_option(c, text);
    if (o->value == NULL && value != NULL)
        return misuse(c, "%s takes no value", o->name);
    if (o->value != NULL && value == NULL && !option_is_optional(o)) {
        if (*at + 1 == words.count)
            return misuse(c, "%s: its value %s is missing", o->name, o->value);
        value = words.list[++*at];
    }
    return o->set(self, o, value) ? OPTIONS_READ : STATUS_MISUSE;
}

int
options_read(const struct command *c, void *self, struct words words,
             struct words *operands)
{
    int status = OPTIONS_READ, at = 0, kept = 0;
    bool closed = false;

    assert(c->option_count <= OPTIONS_MAX);
    for (; at < words.count && status == OPTIONS_READ; at++) {
        const char *text = words.list[at];
        if (strcmp(text, "--") == 0) {
            closed = true;
            at++;
            break;
        }
        if (strcmp(text, "-h") == 0 || strcmp(text, "--help") == 0) {
            print_usage(c);
            return 0;
        }
        if (text[0] == '-' && text[1] != 0)
            status = take_option(c, self, words, &at);
        else if (c->stops)
            break;
        else
            words.list[kept++] = words.list[at];
    }
    while (at < words.count)
        words.list[kept++] = words.list[at++];
    *operands = (struct words){words.list, kept, closed};
    return status;
}

const char *
number_read(const char *text, u64 most, u64 *number)
{
    const char *at = text;

    *number = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        u64 digit = (u64)(*at - '0');
        if (digit > most || *number > (most - digit) / 10)
            return NULL;
        *number = *number * 10 + digit;
    }
    return at != text ? at : NULL;
}

bool
option_cpus(const struct command *c, const struct option *o, const char *value,
            u32 *cpus)
{
    u64 number;
    const char *end = number_read(value, CPU_MAX, &number);

    if (end == NULL || *end != 0 || number < 1) {
        misuse(c, "%s %s: not a number of CPUs from 1 to %d", o->name, value,
               CPU_MAX);
        return false;
    }
    *cpus = (u32)number;
    return true;
}
