// tool/main.c: the host command: find the subcommand and run it.

#include "tool/tool.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"run",      command_run,      "run a WebAssembly program"         },
    {"wast",     command_wast,     "run official test scripts (JSON)"  },
    {"compile",  command_compile,  "compile a module, say what it took"},
    {"dump",     command_dump,     "show a step of the compiler"       },
    {"selftest", command_selftest, "run the port\'s own tests in QEMU" },
};

static int
usage(FILE *to)
{
    fputs("usage: nebulet COMMAND ...\n\n", to);
    for (u32 i = 0; i < COUNT(commands); i++)
        fprintf(to, "  %-8s  %s\n", commands[i].name, commands[i].help);
    fputs("\n`nebulet COMMAND --help` tells more.\n", to);
    return to == stderr ? 2 : 0;
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

static int
run(int argc, char **argv)
{
    if (argc < 2)
        return usage(stderr);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return usage(stdout);
    for (u32 i = 0; i < COUNT(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    complain("%s: no such command", argv[1]);
    return usage(stderr);
}

int
main(int argc, char **argv)
{
    occupy_streams();
    return output_end(run(argc, argv));
}
