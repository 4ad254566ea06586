// user/tools/main.c: the tools of a shell, one program: which tool it is, its
// own name says (or its first argument).

#include "tools.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct tool {
    const char *name, *operands, *help;
    int (*run)(int argc, char **argv);
} tools[] = {
#define TOOL(name, operands, help) {#name, operands, help, tool_##name},
    TOOLS};

enum { TOOL_COUNT = sizeof(tools) / sizeof(tools[0]) };

const char *tool_name = "tools";
static const struct tool *tool;

// --- what the tools share ----------------------------------------------------

int
complain(const char *what, const char *why)
{
    fflush(stdout);
    fprintf(stderr, "%s: %s: %s\n", tool_name, what, why);
    return 1;
}

int
fail(const char *what)
{
    return complain(what, strerror(errno));
}

int
misuse(void)
{
    fprintf(stderr, "usage: %s %s\n", tool->name, tool->operands);
    return 2;
}

long long
number_of(const char *text)
{
    char *end;

    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (end != text && *end == 0 && number >= 0 && errno == 0)
        return number;
    complain(text, "not a number");
    exit(2);
}

static FILE *
open_file(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return errno = EISDIR, NULL;
    return fopen(path, "r");
}

int
for_files(int argc, char **argv, int (*each)(FILE *file, const char *name))
{
    int status = 0;

    if (optind == argc)
        return each(stdin, "standard input");
    for (int i = optind; i < argc; i++) {
        bool standard = strcmp(argv[i], "-") == 0;
        FILE *file = standard ? stdin : open_file(argv[i]);
        int result = file == NULL ? fail(argv[i]) : each(file, argv[i]);
        if (file != NULL && ferror(file))
            result = fail(argv[i]);
        if (file != NULL && !standard)
            fclose(file);
        status = result > status ? result : status;
    }
    return status;
}

char *
path_join(const char *dir, const char *name)
{
    size_t size = strlen(dir);
    char *path;

    while (size > 1 && dir[size - 1] == '/')
        size--;
    bool root = size == 1 && dir[0] == '/';
    if (asprintf(&path, "%.*s/%s", root ? 0 : (int)size, dir, name) >= 0)
        return path;
    complain(name, strerror(ENOMEM));
    exit(1);
}

const char *
last_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

// --- which tool --------------------------------------------------------------

static const struct tool *
find_tool(const char *name)
{
    for (int i = 0; i < TOOL_COUNT; i++)
        if (strcmp(tools[i].name, name) == 0)
            return &tools[i];
    return NULL;
}

static void
list_tools(FILE *to)
{
    fprintf(to, "usage: tools TOOL [ARGUMENT...]\n\n");
    for (int i = 0; i < TOOL_COUNT; i++)
        fprintf(to, "  %-9s %s\n", tools[i].name, tools[i].help);
}

int
main(int argc, char **argv)
{
    tool = argc > 0 ? find_tool(last_name(argv[0])) : NULL;
    if (tool == NULL && argc > 1) {
        argc--, argv++;
        tool = find_tool(argv[0]);
        if (tool == NULL && strcmp(argv[0], "--help") != 0)
            complain(argv[0], "no such tool");
    }
    if (tool == NULL) {
        list_tools(argc > 0 ? stdout : stderr);
        return argc > 1 ? 0 : 2;
    }
    tool_name = tool->name;
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("usage: %s %s\n%s\n", tool->name, tool->operands, tool->help);
        return 0;
    }
    int status = tool->run(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout))
        return errno == EPIPE ? 1 : fail("standard output");
    return status;
}
