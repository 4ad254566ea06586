// tool/main.c: the host command: find the subcommand and run it.

#include "tool/tool.h"

#include "runtime/runtime.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int
unknown(const char *text)
{
    const char *names[COMMANDS_MAX];
    const char *dot = strrchr(text, '.');

    for (u32 i = 0; i < command_count; i++)
        names[i] = all_commands[i]->name;
    const char *near = nearest(text, names, command_count);
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
asks_for_help(const char *word)
{
    return strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0;
}

static int
run(int argc, char **argv)
{
    struct words words = {.list = argv + 2, .count = argc - 2};

    if (argc < 2)
        return misuse(NULL, "which command?");
    if (asks_for_help(argv[1]))
        return command_help.run(words);
    if (strcmp(argv[1], "--version") == 0) {
        tell("nebulet %s", VERSION);
        return 0;
    }
    const struct command *c = command_find(argv[1]);
    return c != NULL ? c->run(words) : unknown(argv[1]);
}

int
main(int argc, char **argv)
{
    host_start();
    occupy_streams();
    return output_end(run(argc, argv));
}
