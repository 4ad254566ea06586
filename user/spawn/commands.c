// user/spawn/commands.c: system() and popen(): commands of /bin/sh, in which
// /spawn.wasm is this program.  What a shell makes of a command is tested by
// test/command/shell.py: here that it gets the command as it is.

#include "spawn_test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// What a command prints, and its exit status.
static void
prints(const char *command, int status, const char *text)
{
    char got[256];
    FILE *f = popen(command, "r");

    expect(f != NULL, command);
    got[fread(got, 1, sizeof(got) - 1, f)] = 0;
    if (strcmp(got, text) != 0)
        fprintf(stderr, "printed: %s", got);
    expect(strcmp(got, text) == 0, command);
    expect(WEXITSTATUS(pclose(f)) == status, command);
}

static void
ends(const char *command, int status)
{
    expect(WEXITSTATUS(system(command)) == status, command);
}

static void
statuses(void)
{
    expect(system(NULL) != 0, "there is a shell");
    ends("/spawn.wasm exit 3", 3);
    ends("exit 4", 4);
    ends("/spawn.wasm exit 3 && exit 5 || exit 6", 6);
    ends("/spawn.wasm trap", 134);
    ends("/nowhere", 127);
    ends("/bin", 126);
    ends("if", 2);
    ends("", 0);
}

static void
words(void)
{
    prints("echo 'a  b' \"c  d\" e  f \\; g;echo h", 0,
           "a  b c  d e f ; g\nh\n");
    prints("X='*'; echo \"$X\" /spawn.w*", 0, "* /spawn.wasm\n");
    prints("/spawn.wasm many 200000 | /spawn.wasm count; exit 9", 9,
           "200000\n");
    prints("/spawn.wasm say 'one word'", 0, "one word here\n");
    prints("cat /none 2>&1", 1, "cat: /none: No such file or directory\n");
}

// The writer gets all of it, and its end, though another is open.
static void
writers(void)
{
    FILE *first = popen("cat >/tmp/first", "w"), *second;

    expect(first != NULL && fputs("to the first\n", first) >= 0, "popen w");
    second = popen("cat >/tmp/second", "w");
    expect(second != NULL && fputs("to the second\n", second) >= 0, "another");
    expect(pclose(first) == 0, "the first ends before the second");
    expect(pclose(second) == 0, "and that, too");
    prints("cat /tmp/first /tmp/second", 0, "to the first\nto the second\n");
    for (int i = 0; i < 100; i++)
        prints("exit 1", 1, "");
}

static void
refused(void)
{
    expect(popen("exit 0", "x") == NULL && errno == EINVAL, "no such mode");
    expect(popen("exit 0", "") == NULL && errno == EINVAL, "no mode");
    expect(pclose(stdin) == -1 && errno == ECHILD, "no command's");
}

int
low_descriptors(void)
{
    expect(close(0) == 0, "without standard input");
    prints("echo low", 0, "low\n");
    FILE *f = popen("cat >/tmp/low", "w");
    expect(f != NULL && fputs("written low\n", f) >= 0, "popen w");
    expect(pclose(f) == 0, "pclose");
    prints("cat /tmp/low", 0, "written low\n");
    expect(close(1) == 0, "without standard output");
    prints("echo low", 0, "low\n");
    return 0;
}

void
commands(void)
{
    setenv("WORD", "here", 1);
    statuses();
    words();
    writers();
    refused();
    ends("/spawn.wasm low", 0);
    fflush(stdout);
    expect(system("echo shouted | /spawn.wasm upper") == 0, "stdout is ours");
}

void
commands_without_shell(void)
{
    expect(system(NULL) == 0, "there is no shell");
    ends("/spawn.wasm exit 3", 127);
    expect(popen("/spawn.wasm exit 3", "r") == NULL && errno == ENOENT,
           "popen");
    puts("no shell");
}
