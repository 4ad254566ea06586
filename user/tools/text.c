// user/tools/text.c: tools for bytes and lines: cat, echo, grep, head, hexdump,
// sort, tail, wc.

#define _GNU_SOURCE // strcasestr

#include "tools.h"

#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    bool c, i, l, n, q, r, u, v, w, fixed, titled, from_start;
    long long count, field;
} options;

static char *line;
static size_t line_room;

static void *
need(void *memory)
{
    if (memory != NULL)
        return memory;
    complain("memory", strerror(ENOMEM));
    exit(1);
}

// --- cat, echo, hexdump ------------------------------------------------------

static int
cat_lines(FILE *file, const char *name)
{
    static long long number;
    ssize_t size;

    (void)name;
    while ((size = getline(&line, &line_room, file)) > 0) {
        printf("%6lld  ", ++number);
        fwrite(line, 1, size, stdout);
    }
    return 0;
}

// Without a buffer of ours: what is typed comes at once.
static int
cat_bytes(FILE *file, const char *name)
{
    static char bytes[64 * 1024];
    ssize_t size;

    while ((size = read(fileno(file), bytes, sizeof(bytes))) > 0)
        for (ssize_t at = 0, part; at < size; at += part) {
            part = write(1, bytes + at, size - at);
            if (part < 0)
                return errno == EPIPE ? 1 : fail("standard output");
        }
    return size < 0 ? fail(name) : 0;
}

int
tool_cat(int argc, char **argv)
{
    bool numbers = false;

    for (int c; (c = getopt(argc, argv, "n")) != -1;) {
        if (c == '?')
            return misuse();
        numbers = true;
    }
    return for_files(argc, argv, numbers ? cat_lines : cat_bytes);
}

int
tool_echo(int argc, char **argv)
{
    int first = argc > 1 && strcmp(argv[1], "-n") == 0 ? 2 : 1;

    for (int i = first; i < argc; i++)
        printf("%s%s", i > first ? " " : "", argv[i]);
    if (first == 1)
        putchar('\n');
    return 0;
}

static int
dump(FILE *file, const char *name)
{
    unsigned char bytes[16];
    size_t size, at = 0;

    (void)name;
    while ((size = fread(bytes, 1, sizeof(bytes), file)) > 0) {
        printf("%08zx ", at);
        for (size_t i = 0; i < sizeof(bytes); i++) {
            printf("%s", i == 8 ? "  " : " ");
            if (i < size)
                printf("%02x", bytes[i]);
            else
                printf("  ");
        }
        printf("  |");
        for (size_t i = 0; i < size; i++)
            putchar(isprint(bytes[i]) ? bytes[i] : '.');
        printf("|\n");
        at += size;
    }
    printf("%08zx\n", at);
    return 0;
}

int
tool_hexdump(int argc, char **argv)
{
    if (getopt(argc, argv, "C") == '?')
        return misuse();
    return for_files(argc, argv, dump);
}

// --- head, tail --------------------------------------------------------------

// Takes -n and -c, and -NUMBER as older programs do; false after misuse().
static bool
read_counts(int argc, char **argv)
{
    options.count = 10;
    if (argc > 1 && argv[1][0] == '-' && isdigit((unsigned char)argv[1][1])) {
        options.count = number_of(argv[1] + 1);
        optind = 2;
    }
    for (int c; (c = getopt(argc, argv, "n:c:")) != -1;) {
        if (c == '?')
            return misuse(), false;
        options.c = c == 'c';
        options.from_start = optarg[0] == '+';
        options.count = number_of(optarg + (optarg[0] == '+'));
    }
    options.titled = argc - optind > 1;
    return true;
}

static void
print_title(const char *name)
{
    static bool later;

    if (options.titled)
        printf("%s==> %s <==\n", later ? "\n" : "", name);
    later = true;
}

static int
head(FILE *file, const char *name)
{
    print_title(name);
    for (long long left = options.count; left > 0;) {
        int c = getc(file);
        if (c == EOF)
            break;
        putchar(c);
        left -= options.c || c == '\n';
    }
    return 0;
}

int
tool_head(int argc, char **argv)
{
    return read_counts(argc, argv) ? for_files(argc, argv, head) : 2;
}

// What is left after the first count - 1 lines or bytes.
static void
tail_from(FILE *file)
{
    int c;

    for (long long left = options.count - 1; left > 0;) {
        c = getc(file);
        if (c == EOF)
            return;
        left -= options.c || c == '\n';
    }
    while ((c = getc(file)) != EOF)
        putchar(c);
}

// The last lines are kept in a ring.
static int
tail_lines(FILE *file)
{
    size_t room = options.count, used = 0, next = 0;
    char **ring = need(calloc(room + 1, sizeof(char *)));
    size_t *sizes = need(calloc(room + 1, sizeof(size_t)));
    ssize_t size;

    while (room > 0 && (size = getline(&line, &line_room, file)) > 0) {
        free(ring[next]);
        ring[next] = need(malloc(size));
        memcpy(ring[next], line, size);
        sizes[next] = size;
        next = (next + 1) % room;
        used += used < room;
    }
    for (size_t i = 0; i < used; i++) {
        size_t at = (next + room - used + i) % room;
        fwrite(ring[at], 1, sizes[at], stdout);
        free(ring[at]);
    }
    free(ring);
    free(sizes);
    return 0;
}

static int
tail_bytes(FILE *file)
{
    size_t room = options.count, used = 0, next = 0;
    char *ring = need(malloc(room + 1));

    for (int c; room > 0 && (c = getc(file)) != EOF;) {
        ring[next] = (char)c;
        next = (next + 1) % room;
        used += used < room;
    }
    for (size_t i = 0; i < used; i++)
        putchar(ring[(next + room - used + i) % room]);
    free(ring);
    return 0;
}

static int
tail(FILE *file, const char *name)
{
    print_title(name);
    if (options.from_start)
        return tail_from(file), 0;
    return options.c ? tail_bytes(file) : tail_lines(file);
}

int
tool_tail(int argc, char **argv)
{
    return read_counts(argc, argv) ? for_files(argc, argv, tail) : 2;
}

// --- wc ----------------------------------------------------------------------

static long long totals[3];

static void
print_counts(const long long counts[3], const char *name)
{
    bool wanted[] = {options.l, options.w, options.c};
    const char *space = "";

    for (int i = 0; i < 3; i++) {
        if (!wanted[i])
            continue;
        printf("%s%lld", space, counts[i]);
        space = " ";
    }
    printf("%s%s\n", name[0] ? " " : "", name);
}

static int
count(FILE *file, const char *name)
{
    long long counts[3] = {0};
    bool in_word = false;

    for (int c; (c = getc(file)) != EOF;) {
        counts[0] += c == '\n';
        counts[1] += !isspace(c) && !in_word;
        counts[2]++;
        in_word = !isspace(c);
    }
    print_counts(counts, file == stdin ? "" : name);
    for (int i = 0; i < 3; i++)
        totals[i] += counts[i];
    return 0;
}

int
tool_wc(int argc, char **argv)
{
    for (int c; (c = getopt(argc, argv, "lwc")) != -1;) {
        if (c == '?')
            return misuse();
        options.l |= c == 'l';
        options.w |= c == 'w';
        options.c |= c == 'c';
    }
    if (!options.l && !options.w && !options.c)
        options.l = options.w = options.c = true;
    int status = for_files(argc, argv, count);
    if (argc - optind > 1)
        print_counts(totals, "total");
    return status;
}

// --- grep --------------------------------------------------------------------

static regex_t pattern;
static const char *fixed;
static bool found;

static bool
matches(const char *text)
{
    if (!options.fixed)
        return regexec(&pattern, text, 0, NULL, 0) == 0;
    return options.i ? strcasestr(text, fixed) != NULL :
                       strstr(text, fixed) != NULL;
}

static void
print_match(const char *name, long long number)
{
    if (options.titled)
        printf("%s:", name);
    if (options.n)
        printf("%lld:", number);
    printf("%s\n", line);
}

static int
search(FILE *file, const char *name)
{
    long long number = 0, count = 0;
    ssize_t size;

    while ((size = getline(&line, &line_room, file)) > 0) {
        if (line[size - 1] == '\n')
            line[size - 1] = 0;
        number++;
        if (matches(line) == options.v)
            continue;
        count++;
        found = true;
        if (options.q)
            exit(0);
        if (options.l)
            break;
        if (!options.c)
            print_match(name, number);
    }
    if (options.l && count > 0)
        puts(name);
    else if (options.c && options.titled)
        printf("%s:%lld\n", name, count);
    else if (options.c)
        printf("%lld\n", count);
    return 0;
}

int
tool_grep(int argc, char **argv)
{
    int flags = REG_NOSUB;
    char why[128];

    for (int c; (c = getopt(argc, argv, "cilnqvEF")) != -1;) {
        if (c == '?')
            return misuse();
        options.c |= c == 'c';
        options.i |= c == 'i';
        options.l |= c == 'l';
        options.n |= c == 'n';
        options.q |= c == 'q';
        options.v |= c == 'v';
        options.fixed |= c == 'F';
        flags |= c == 'E' ? REG_EXTENDED : 0;
    }
    if (optind == argc)
        return misuse();
    fixed = argv[optind++];
    flags |= options.i ? REG_ICASE : 0;
    int error = options.fixed ? 0 : regcomp(&pattern, fixed, flags);
    if (error != 0) {
        regerror(error, &pattern, why, sizeof(why));
        complain(fixed, why);
        return 2;
    }
    options.titled = argc - optind > 1;
    if (for_files(argc, argv, search) != 0)
        return 2;
    return found ? 0 : 1;
}

// --- sort --------------------------------------------------------------------

static char **lines;
static size_t line_count, lines_room;

static int
take_lines(FILE *file, const char *name)
{
    ssize_t size;

    (void)name;
    while ((size = getline(&line, &line_room, file)) > 0) {
        if (line[size - 1] == '\n')
            line[size - 1] = 0;
        if (line_count == lines_room) {
            lines_room = lines_room ? 2 * lines_room : 1024;
            lines = need(realloc(lines, lines_room * sizeof(char *)));
        }
        lines[line_count++] = need(strdup(line));
    }
    return 0;
}

// From field options.field on.
static const char *
key_of(const char *text)
{
    for (long long field = options.field; field > 1; field--) {
        while (isblank((unsigned char)*text))
            text++;
        while (*text != 0 && !isblank((unsigned char)*text))
            text++;
    }
    while (options.field > 0 && isblank((unsigned char)*text))
        text++;
    return text;
}

static int
compare_keys(const char *a, const char *b)
{
    const char *x = key_of(a), *y = key_of(b);

    if (options.n) {
        double p = strtod(x, NULL), q = strtod(y, NULL);
        return (p > q) - (p < q);
    }
    return strcmp(x, y);
}

// Equal keys are ordered by their whole lines.
static int
compare(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    int order = compare_keys(x, y);

    if (order == 0 && !options.u)
        order = strcmp(x, y);
    return options.r ? -order : order;
}

int
tool_sort(int argc, char **argv)
{
    for (int c; (c = getopt(argc, argv, "nruk:")) != -1;) {
        if (c == '?')
            return misuse();
        options.n |= c == 'n';
        options.r |= c == 'r';
        options.u |= c == 'u';
        if (c == 'k')
            options.field = number_of(optarg);
    }
    int status = for_files(argc, argv, take_lines);
    qsort(lines, line_count, sizeof(char *), compare);
    for (size_t i = 0; i < line_count; i++)
        if (!options.u || i == 0 || compare_keys(lines[i - 1], lines[i]) != 0)
            puts(lines[i]);
    return status != 0 ? 2 : 0;
}
