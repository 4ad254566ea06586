// user/shell/read.c: read [-r] NAME...: a line of standard input in variables,
// split at IFS; the last gets what is left.

#include "shell.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// A line without its newline, and whether each character was behind a
// backslash.
struct input {
    struct text line, escaped;
};

enum ended { ENDED_LINE, ENDED_INPUT, ENDED_INTERRUPTED };

// Byte by byte: what follows may be for a program that we start.
static enum ended
next_byte(int fd, char *c)
{
    if (isatty(fd) && !terminal_line())
        return ENDED_INTERRUPTED;
    return read(fd, c, 1) == 1 ? ENDED_LINE : ENDED_INPUT;
}

static enum ended
read_line(int fd, bool raw, struct input *in)
{
    bool escaped = false;
    enum ended ended;
    char c;

    while ((ended = next_byte(fd, &c)) == ENDED_LINE) {
        if (escaped || raw || c != '\\') {
            if (c == '\n' && !escaped)
                break;
            if (c != '\n') {
                text_char(&in->line, c);
                text_char(&in->escaped, escaped ? 'e' : ' ');
            }
            escaped = false;
        } else {
            escaped = true;
        }
    }
    return ended;
}

static bool
is_ifs(const struct input *in, size_t at, const char *ifs)
{
    return in->escaped.at[at] != 'e' && strchr(ifs, in->line.at[at]) != NULL;
}

static bool
is_blank(const struct input *in, size_t at, const char *ifs)
{
    return is_ifs(in, at, ifs) && strchr(" \t\n", in->line.at[at]) != NULL;
}

// Behind a field from `at` on, whose end is *end; the last takes all but blanks
// at the end, and a single other character of IFS there.
static size_t
take_field(const struct input *in, size_t at, bool last, const char *ifs,
           size_t *end)
{
    size_t size = in->line.size, next = at;

    while (next < size && !is_ifs(in, next, ifs))
        next++;
    *end = next;
    while (next < size && is_blank(in, next, ifs))
        next++;
    if (next < size && is_ifs(in, next, ifs))
        next++;
    while (next < size && is_blank(in, next, ifs))
        next++;
    if (!last || next == size)
        return next;
    *end = size;
    while (*end > at && is_blank(in, *end - 1, ifs))
        (*end)--;
    return size;
}

static void
set_fields(const struct input *in, char **names, int count)
{
    const char *ifs = variable_get("IFS");
    size_t at = 0, end;

    ifs = ifs != NULL ? ifs : " \t\n";
    while (at < in->line.size && is_blank(in, at, ifs))
        at++;
    for (int i = 0; i < count; i++) {
        struct text value = {NULL, 0, 0};
        size_t next = take_field(in, at, i + 1 == count, ifs, &end);
        if (in->line.at != NULL)
            text_add(&value, in->line.at + at, end - at);
        variable_set(names[i], text_get(&value));
        free(value.at);
        at = next;
    }
}

int
builtin_read(int argc, char **argv, const struct streams *s)
{
    static char *reply[] = {"REPLY"};
    bool raw = argc > 1 && strcmp(argv[1], "-r") == 0;
    char **names = argv + 1 + raw;
    int count = argc - 1 - raw;
    struct input in = {
        {NULL, 0, 0},
        {NULL, 0, 0}
    };

    for (int i = 0; i < count; i++) {
        if (!is_name(names[i], strlen(names[i]))) {
            complain(names[i], "not a name");
            return STATUS_MISUSE;
        }
    }
    if (isatty(s->fds[0]))
        terminal_mode(TYPED_LINES);
    enum ended ended = read_line(s->fds[0], raw, &in);
    if (isatty(s->fds[0]))
        terminal_mode(TYPED_AHEAD);
    if (ended == ENDED_INTERRUPTED)
        interrupt(true);
    else
        set_fields(&in, count > 0 ? names : reply, count > 0 ? count : 1);
    free(in.line.at);
    free(in.escaped.at);
    return ended == ENDED_LINE  ? 0 :
           ended == ENDED_INPUT ? 1 :
                                  STATUS_INTERRUPTED;
}
