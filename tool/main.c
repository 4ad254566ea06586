// tool/main.c: the host command: find the subcommand and run it.

#include "tool/tool.h"

#include "runtime/runtime.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command *const commands[] = {
    &command_run,    &command_shell, &command_wast,     &command_compile,
    &command_verify, &command_dump,  &command_selftest,
};

static int
usage(void)
{
    printf("usage: nebulet COMMAND ...\n\n");
    for (u32 i = 0; i < COUNT(commands); i++)
        printf("  %-10s  %s\n", commands[i]->name, commands[i]->summary);
    printf("  %-10s  which nebulet this is\n", "--version");
    printf("  %-10s  this text\n", "-h, --help");
    printf("\n`nebulet COMMAND --help` tells more.\n");
    return 0;
}

static const struct command *
find_command(const char *name)
{
    for (u32 i = 0; i < COUNT(commands); i++)
        if (strcmp(name, commands[i]->name) == 0)
            return commands[i];
    return NULL;
}

static int
unknown(const char *text)
{
    const char *names[COUNT(commands)];
    const char *dot = strrchr(text, '.');

    for (u32 i = 0; i < COUNT(commands); i++)
        names[i] = commands[i]->name;
    const char *near = nearest(text, names, COUNT(commands));
    if (text[0] == '-')
        return misuse(NULL, "%s: no such option", text);
    if (near != NULL)
        return misuse(NULL, "%s: no such command; did you mean %s?", text,
                      near);
    if (dot != NULL && (strcmp(dot, ".wasm") == 0 || strcmp(dot, ".wat") == 0))
        return misuse(NULL, "%s: no such command; did you mean `run %s`?", text,
                      text);
    return misuse(NULL, "%s: no such command", text);
}

// What we open must not become a standard stream that is closed.  What takes
// its place is open for the wrong direction, so that using it still fails.
static void
occupy_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static bool
is(const char *text, const char *a, const char *b)
{
    return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

static int
run(int argc, char **argv)
{
    char *help[] = {"--help"};

    if (argc < 2)
        return misuse(NULL, "which command?");
    bool helps = is(argv[1], "help", "--help") || is(argv[1], "-h", "--help");
    if (helps && argc == 2)
        return usage();
    if (strcmp(argv[1], "--version") == 0) {
        tell("nebulet %s", VERSION);
        return 0;
    }
    const char *name = argv[helps ? 2 : 1];
    const struct command *c = find_command(name);
    if (c == NULL)
        return unknown(name);
    if (helps)
        return c->run((struct words){.list = help, .count = 1});
    return c->run((struct words){.list = argv + 2, .count = argc - 2});
}

int
main(int argc, char **argv)
{
    host_start();
    occupy_streams();
    return output_end(run(argc, argv));
}
