// user/spawn/main.c: a program that starts itself as others, as POSIX programs
// do: its module is the file /spawn.wasm.  The first argument says what one of
// them does.

#include <spawn.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *self = "/spawn.wasm";

static void
expect(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "failed: %s (errno %d)\n", what, errno);
    exit(1);
}

// --- what the others do ------------------------------------------------------

static int
upper(void)
{
    for (int c = getchar(); c != EOF; c = getchar())
        putchar(toupper(c));
    return 0;
}

static int
count(void)
{
    int bytes = 0;

    while (getchar() != EOF)
        bytes++;
    printf("%d\n", bytes);
    return 0;
}

static int
be_child(char **argv)
{
    if (strcmp(argv[1], "upper") == 0)
        return upper();
    if (strcmp(argv[1], "count") == 0)
        return count();
    if (strcmp(argv[1], "exit") == 0)
        return atoi(argv[2]);
    if (strcmp(argv[1], "trap") == 0)
        __builtin_trap();
    if (strcmp(argv[1], "say") == 0)
        return printf("%s %s\n", argv[2], getenv("WORD")) < 0;
    if (strcmp(argv[1], "many") == 0)
        for (int i = atoi(argv[2]); i > 0; i--)
            putchar('x');
    if (strcmp(argv[1], "write") == 0)
        return write(9, "x", 1) == 1 || errno != EBADF;
    return 0;
}

// --- what the first does -----------------------------------------------------

static pid_t
start(char **argv, char **envp, const posix_spawn_file_actions_t *actions)
{
    pid_t pid = 0;
    int error = posix_spawn(&pid, self, actions, NULL, argv, envp);

    errno = error;
    expect(error == 0, "posix_spawn");
    return pid;
}

static int
status_of(pid_t pid)
{
    int status = -1;

    expect(waitpid(pid, &status, 0) == pid, "waitpid");
    expect(WIFEXITED(status), "WIFEXITED");
    return WEXITSTATUS(status);
}

static void
ends(void)
{
    char *seven[] = {"spawn", "exit", "7", NULL};
    char *trap[] = {"spawn", "trap", NULL};
    char *closed[] = {"spawn", "write", NULL};
    pid_t pids[3];

    expect(status_of(start(seven, NULL, NULL)) == 7, "exit status");
    expect(status_of(start(trap, NULL, NULL)) == 134, "trap");
    expect(status_of(start(closed, NULL, NULL)) == 0, "what is not open");
    for (int i = 0; i < 3; i++)
        pids[i] = start(seven, NULL, NULL);
    for (int i = 0; i < 3; i++)
        expect(waitpid(-1, NULL, 0) > 0, "whichever");
    expect(waitpid(-1, NULL, 0) == -1 && errno == ECHILD, "no child");
    expect(waitpid(pids[0], NULL, 0) == -1 && errno == ECHILD, "waited twice");
}

static void
given(void)
{
    char *argv[] = {"spawn", "say", "hello", NULL};
    char *envp[] = {"WORD=world", NULL};

    fflush(stdout);
    expect(status_of(start(argv, envp, NULL)) == 0, "arguments");
}

// Two programs with a pipe from the one to the other, and one to us.
static void
pipeline(void)
{
    char *argv[][4] = {
        {"spawn", "many", "200000", NULL},
        {"spawn",       "count",       NULL }
    };
    posix_spawn_file_actions_t actions;
    int between[2], out[2];
    char text[16] = "";
    pid_t pids[2];

    expect(pipe(between) == 0 && pipe(out) == 0, "pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, between[1], 1);
    posix_spawn_file_actions_addclose(&actions, between[1]);
    pids[0] = start(argv[0], NULL, &actions);
    close(between[1]);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, between[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_addclose(&actions, out[1]);
    pids[1] = start(argv[1], NULL, &actions);
    close(between[0]);
    close(out[1]);
    expect(read(out[0], text, sizeof(text)) == 7, "read");
    expect(strcmp(text, "200000\n") == 0, "count");
    expect(read(out[0], text, sizeof(text)) == 0, "end");
    expect(status_of(pids[0]) == 0 && status_of(pids[1]) == 0, "both end");
    expect(write(out[0], "x", 1) == -1 && errno == EBADF, "reads only");
    close(out[0]);
}

// Which of two pipes can be read, and whether one can be written.
static void
polls(void)
{
    int a[2], b[2];
    char text[8];

    expect(pipe(a) == 0 && pipe(b) == 0, "pipe");
    struct pollfd fds[] = {
        {.fd = a[0], .events = POLLIN},
        {.fd = b[0], .events = POLLIN}
    };
    expect(poll(fds, 2, 1) == 0, "nothing yet");
    expect(write(b[1], "x", 1) == 1, "write");
    expect(poll(fds, 2, -1) == 1 && fds[0].revents == 0 &&
               (fds[1].revents & POLLIN) != 0,
           "the second");
    expect(read(b[0], text, sizeof(text)) == 1, "read");
    expect(poll(fds, 2, 1) == 0, "nothing any more");
    close(a[1]);
    expect(poll(fds, 2, -1) == 1 && fds[0].revents != 0,
           "the end of the first");
    expect(read(a[0], text, sizeof(text)) == 0, "is the end");
    fds[0] = (struct pollfd){.fd = b[1], .events = POLLOUT};
    expect(poll(fds, 1, -1) == 1 && fds[0].revents == POLLOUT, "room");

    // A child writes to one while we wait for both.
    char *argv[] = {"spawn", "many", "3", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, b[1], 1);
    pid_t pid = start(argv, NULL, &actions);
    fds[0] = (struct pollfd){.fd = b[0], .events = POLLIN};
    expect(poll(fds, 1, -1) == 1, "what the child writes");
    expect(status_of(pid) == 0, "child");
    expect(read(b[0], text, sizeof(text)) == 3, "its bytes");
    close(a[0]);
    close(b[0]);
    expect(write(b[1], "x", 1) == -1 && errno == EPIPE, "nobody reads");
    close(b[1]);
}

static void
commands(void)
{
    char line[64] = "";
    FILE *f = popen("/spawn.wasm say from", "r");

    expect(f != NULL && fgets(line, sizeof(line), f) != NULL, "popen r");
    expect(strncmp(line, "from ", 5) == 0, "its line");
    expect(fgets(line, sizeof(line), f) == NULL, "its end");
    expect(pclose(f) == 0, "pclose");
    fflush(stdout);
    f = popen("spawn.wasm upper", "w");
    expect(f != NULL && fputs("shout\n", f) >= 0, "popen w");
    expect(pclose(f) == 0, "pclose");
    expect(WEXITSTATUS(system("/spawn.wasm exit 3")) == 3, "system");
    expect(WEXITSTATUS(system("/nowhere")) == 127, "no command");
}

static void
refused(void)
{
    char *argv[] = {"spawn", NULL};
    posix_spawn_file_actions_t actions;
    int fd = open("/text", O_WRONLY | O_CREAT, 0666);
    pid_t pid;

    expect(posix_spawn(&pid, "/none", NULL, NULL, argv, NULL) == ENOENT,
           "no file");
    expect(fd >= 0 && write(fd, "no module", 9) == 9 && close(fd) == 0, "text");
    expect(posix_spawn(&pid, "/text", NULL, NULL, argv, NULL) == ENOEXEC,
           "no module");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, 50, 1);
    expect(posix_spawn(&pid, self, &actions, NULL, argv, NULL) == EBADF,
           "no such descriptor");
    expect(posix_spawn_file_actions_adddup2(&actions, 0, 64) == EBADF, "64");
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        return be_child(argv);
    ends();
    given();
    pipeline();
    polls();
    commands();
    refused();
    puts("all well");
    return 0;
}
