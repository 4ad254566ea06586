// tool/profile.c: what the kernel has counted (PORT_PROFILE, runtime/runtime.h)
// as folded stacks, as a flame graph, and as a map of code for Linux perf.
//
// A flame graph shows each function as a bar as wide as the samples in it and
// in what it calls, which stands on it; those of one caller are in the order of
// their names.

#include "tool/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PART_MOST = 1 << 30, // bytes of a profile
    WIDTH = 1200,        // of the graph
    BAR = 17,
    MARGIN = 10,
    TOP = 36,
    LETTER_TENTHS = 70, // of a letter's width
    NAME_MOST = 2000,   // bytes of a name that are shown
};

// A function in the middle of a stack: of the lines [from, to), whose stacks
// agree up to it.
struct stack {
    char *text; // "OUTER;...;INNER"
    u64 count;
};

struct stacks {
    struct stack *list;
    u64 count, samples;
};

// --- reading -----------------------------------------------------------------

static int
by_text(const void *a, const void *b)
{
    return strcmp(((const struct stack *)a)->text,
                  ((const struct stack *)b)->text);
}

// The same stacks, on several CPUs or at several places of C, are one.
static void
merge(struct stacks *s)
{
    u64 kept = 0;

    if (s->count > 0)
        qsort(s->list, s->count, sizeof(*s->list), by_text);
    for (u64 i = 0; i < s->count; i++) {
        if (kept > 0 && strcmp(s->list[kept - 1].text, s->list[i].text) == 0)
            s->list[kept - 1].count += s->list[i].count;
        else
            s->list[kept++] = s->list[i];
    }
    s->count = kept;
}

// A line "STACK COUNT" without what ends it.
static void
add_stack(struct stacks *s, char *line)
{
    char *blank = strrchr(line, ' ');
    u64 count;

    if (blank == NULL || number_read(blank + 1, UINT32_MAX, &count) == NULL)
        return;
    *blank = 0;
    s->list = realloc(s->list, (s->count + 1) * sizeof(*s->list));
    assert(s->list != NULL);
    s->list[s->count++] = (struct stack){line, count};
    s->samples += count;
}

// The lines of one kind; they stay in `text`, which ends with a zero.
static void
read_stacks(struct stacks *s, char *text)
{
    *s = (struct stacks){0};
    for (char *at = text, *end; (end = strchr(at, '\n')) != NULL;
         at = end + 1) {
        *end = 0;
        if (strncmp(at, "S ", 2) == 0)
            add_stack(s, at + 2);
    }
    merge(s);
}

// --- a flame graph -----------------------------------------------------------

static u32
depth_of(const char *text)
{
    u32 depth = 1;

    for (; *text != 0; text++)
        depth += *text == ';';
    return depth;
}

// Text from a program, as much of it as XML may hold (format_safe() knows).
static void
put_escaped(FILE *out, const char *text, size_t len)
{
    char safe[4 * NAME_MOST];

    format_safe(safe, sizeof(safe), "%.*s", (int)MIN(len, (size_t)NAME_MOST),
                text);
    for (const char *at = safe; *at != 0; at++)
        if (*at == '&')
            fputs("&amp;", out);
        else if (*at == '<')
            fputs("&lt;", out);
        else if (*at == '>')
            fputs("&gt;", out);
        else
            putc(*at, out);
}

// A warm colour that is a name's own.
static void
colour_of(const char *name, size_t len, u32 rgb[3])
{
    u32 hash = 2166136261;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (u8)name[i]) * 16777619;
    rgb[0] = 205 + hash % 50;
    rgb[1] = 80 + hash / 50 % 130;
    rgb[2] = hash / 6500 % 55;
}

struct graph {
    FILE *out;
    const struct stacks *stacks;
    u32 depth; // of the deepest
};

static double
x_of(const struct graph *g, u64 samples)
{
    return MARGIN + (double)samples * (WIDTH - 2 * MARGIN) /
                        (double)MAX(g->stacks->samples, 1);
}

static void
put_bar(const struct graph *g, const char *name, size_t len, u64 before,
        u64 count, u32 level)
{
    double x = x_of(g, before), width = x_of(g, before + count) - x;
    u32 y = TOP + (g->depth - level - 1) * BAR, rgb[3];
    size_t fits = (size_t)(width * 10 / LETTER_TENTHS);
    size_t shown = len <= fits ? len : fits > 4 ? fits - 2 : 0;

    colour_of(name, len, rgb);
    fputs("<g><title>", g->out);
    put_escaped(g->out, name, len);
    fprintf(g->out,
            " (%llu samples, %.2f%%)</title><rect x=\"%.1f\" y=\"%u\" "
            "width=\"%.1f\" height=\"%d\" fill=\"rgb(%u,%u,%u)\"/>",
            (unsigned long long)count,
            100 * (double)count / (double)MAX(g->stacks->samples, 1), x, y,
            width, BAR - 1, rgb[0], rgb[1], rgb[2]);
    if (shown > 0) {
        fprintf(g->out, "<text x=\"%.1f\" y=\"%u\">", x + 3, y + BAR - 5);
        put_escaped(g->out, name, shown);
        fprintf(g->out, "%s</text>", shown < len ? ".." : "");
    }
    fputs("</g>\n", g->out);
}

// The bars of a level in [from, to), whose names begin at `offset` of each text
// and which agree before; `before` samples are left of them.
static void
put_level(const struct graph *g, u64 from, u64 to, size_t offset, u64 before,
          u32 level)
{
    const struct stack *list = g->stacks->list;

    while (from < to) {
        const char *name = list[from].text + offset;
        size_t len = strcspn(name, ";");
        u64 end = from, count = 0, own = 0;
        for (; end < to && strcspn(list[end].text + offset, ";") == len &&
               strncmp(list[end].text + offset, name, len) == 0;
             end++) {
            count += list[end].count;
            own += name[len] == 0 && end == from ? list[end].count : 0;
        }
        put_bar(g, name, len, before, count, level);
        // The first may end here.
        if (name[len] == 0)
            put_level(g, from + 1, end, offset + len + 1, before + own,
                      level + 1);
        else
            put_level(g, from, end, offset + len + 1, before, level + 1);
        before += count;
        from = end;
    }
}

static void
put_graph(FILE *out, const struct stacks *s)
{
    struct graph g = {.out = out, .stacks = s, .depth = 1};

    for (u64 i = 0; i < s->count; i++)
        g.depth = MAX(g.depth, depth_of(s->list[i].text));
    fprintf(out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
            "height=\"%u\" font-family=\"monospace\" font-size=\"11\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fffdf5\"/>\n"
            "<text x=\"%d\" y=\"22\" font-size=\"15\">%llu samples</text>\n",
            WIDTH, TOP + g.depth * BAR + MARGIN, MARGIN,
            (unsigned long long)s->samples);
    put_level(&g, 0, s->count, 0, 0, 0);
    fputs("</svg>\n", out);
}

// --- writing -----------------------------------------------------------------

static void
put_folded(FILE *out, const struct stacks *s)
{
    for (u64 i = 0; i < s->count; i++)
        fprintf(out, "%s %llu\n", s->list[i].text,
                (unsigned long long)s->list[i].count);
}

static bool
finish(FILE *out, const char *path)
{
    bool failed = out == NULL || ferror(out);

    if (out != NULL && fclose(out) != 0)
        failed = true;
    if (failed)
        complain("%s: %s", path, strerror(errno));
    return !failed;
}

static bool
write_profile(const char *path, char *text)
{
    struct stacks stacks;
    FILE *out = fopen(path, "we");

    read_stacks(&stacks, text);
    if (out != NULL && path_ends_in(path, ".svg"))
        put_graph(out, &stacks);
    else if (out != NULL)
        put_folded(out, &stacks);
    free(stacks.list);
    return finish(out, path);
}

// Of the user alone, and no link of somebody else's is followed: /tmp is
// everybody's.
static bool
write_map(const char *text)
{
    char path[64];

    snprintf(path, sizeof(path), "/tmp/perf-%d.map", (int)getpid());
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    for (const char *at = text; out != NULL && *at != 0;) {
        size_t len = strcspn(at, "\n");
        if (strncmp(at, "M ", 2) == 0)
            fprintf(out, "%.*s\n", (int)len - 2, at + 2);
        at += len + (at[len] != 0);
    }
    return finish(out, path);
}

bool
profile_save(int fd, const char *path, bool map)
{
    struct bytes raw;
    char name[32];

    snprintf(name, sizeof(name), "/dev/fd/%d", fd);
    int error = file_load(name, PART_MOST, &raw);
    char *text = error == 0 ? malloc(raw.size + 1) : NULL;
    if (text == NULL) {
        complain("profile: %s", strerror(error != 0 ? error : ENOMEM));
        return false;
    }
    memcpy(text, raw.ptr, raw.size);
    text[raw.size] = 0;
    free(raw.ptr);
    bool saved = !map || write_map(text);
    if (path != NULL && !write_profile(path, text))
        saved = false;
    free(text);
    return saved;
}
