// user/tools/printf.c: printf FORMAT [ARGUMENT...]: as long as there are
// arguments, the format again.

#include "tools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// What is left of the arguments.
struct operands {
    char **next; // ended by NULL
    bool used;   // one was taken for this round of the format
    bool stops;  // \c
    int status;
};

static const char *
take(struct operands *o, const char *otherwise)
{
    o->used = true;
    return *o->next != NULL ? *o->next++ : otherwise;
}

// --- backslashes -------------------------------------------------------------

// Behind a backslash: print what it stands for; behind that.  `zeros`: an octal
// number begins with a zero that does not count.
static const char *
print_escape(struct operands *o, const char *at, bool zeros)
{
    static const char names[] = "abfnrtv\\\"'";
    static const char codes[] = "\a\b\f\n\r\t\v\\\"'";
    const char *found = *at != 0 ? strchr(names, *at) : NULL;
    int value = 0, digits = 0;

    if (found != NULL) {
        putchar(codes[found - names]);
        return at + 1;
    }
    if (*at == 'c') {
        o->stops = true;
        return at + 1;
    }
    if (*at < '0' || *at > '7') {
        putchar('\\');
        return at;
    }
    at += zeros && *at == '0';
    for (; digits < 3 && *at >= '0' && *at <= '7'; digits++)
        value = value * 8 + (*at++ - '0');
    putchar(value & 0xff);
    return at;
}

static void
print_escaped(struct operands *o, const char *at)
{
    while (*at != 0 && !o->stops) {
        if (*at == '\\')
            at = print_escape(o, at + 1, true);
        else
            putchar(*at++);
    }
}

// --- numbers -----------------------------------------------------------------

// Complain of an argument that is no number, or of more than that.
static void
check_number(struct operands *o, const char *word, const char *end)
{
    if (errno != ERANGE && *end == 0)
        return;
    complain(word, errno == ERANGE ? strerror(errno) : "not a number");
    o->status = 1;
}

// 'x is the number of a character.
static long long
take_integer(struct operands *o)
{
    const char *word = take(o, "0");
    char *end;

    if (word[0] == '\'' || word[0] == '"')
        return (unsigned char)word[1];
    errno = 0;
    long long value = strtoll(word, &end, 0);
    if (errno == ERANGE && word[0] != '-') {
        errno = 0;
        value = (long long)strtoull(word, &end, 0);
    }
    check_number(o, word, end == word ? "?" : end);
    return value;
}

static double
take_double(struct operands *o)
{
    const char *word = take(o, "0");
    char *end;

    errno = 0;
    double value = strtod(word, &end);
    check_number(o, word, end == word ? "?" : end);
    return value;
}

// --- the format --------------------------------------------------------------

// Flags, width and precision, with what * stands for; behind them.
enum { SPEC_SIZE = 64 };

static const char *
read_spec(struct operands *o, const char *at, char *spec)
{
    size_t size = 0;

    spec[size++] = '%';
    for (; *at != 0 && strchr("-+ #0123456789.*", *at) != NULL; at++) {
        if (size + 24 > SPEC_SIZE)
            continue; // no such width is meant
        if (*at == '*')
            size += (size_t)sprintf(spec + size, "%d", (int)take_integer(o));
        else
            spec[size++] = *at;
    }
    spec[size] = 0;
    return at;
}

static void
print_one(struct operands *o, char *spec, char kind)
{
    size_t size = strlen(spec);

    if (strchr("diouxX", kind) != NULL) {
        sprintf(spec + size, "ll%c", kind);
        printf(spec, take_integer(o));
    } else if (strchr("eEfFgG", kind) != NULL) {
        sprintf(spec + size, "%c", kind);
        printf(spec, take_double(o));
    } else if (kind == 'c') {
        const char *word = take(o, "");
        if (*word != 0)
            putchar(*word);
    } else if (kind == 'b') {
        print_escaped(o, take(o, ""));
    } else {
        spec[size] = 's';
        spec[size + 1] = 0;
        printf(spec, take(o, ""));
    }
}

// False: it has what is no conversion.
static bool
print_round(struct operands *o, const char *at)
{
    char spec[SPEC_SIZE + 4];

    while (*at != 0 && !o->stops) {
        if (*at == '\\') {
            at = print_escape(o, at + 1, false);
        } else if (*at != '%') {
            putchar(*at++);
        } else if (at[1] == '%') {
            putchar('%');
            at += 2;
        } else {
            at = read_spec(o, at + 1, spec);
            if (*at == 0 || strchr("diouxXeEfFgGcbs", *at) == NULL)
                return false;
            print_one(o, spec, *at++);
        }
    }
    return true;
}

int
tool_printf(int argc, char **argv)
{
    struct operands o = {.next = argv + 2};
    int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;

    if (argc <= first)
        return misuse();
    o.next = argv + first + 1;
    do {
        o.used = false;
        if (!print_round(&o, argv[first])) {
            fflush(stdout);
            return complain(argv[first], "not a format");
        }
    } while (*o.next != NULL && o.used && !o.stops);
    return o.status;
}
