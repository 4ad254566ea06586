// user/spawn/main.c: a program that starts itself as others, as POSIX programs
// do: its module is the file /spawn.wasm.  The first argument says what one of
// them does.

#include "spawn_test.h"

#include <spawn.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <wasi/api.h>

static const char *self = "/spawn.wasm";

void
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

// Records, in one piece or two, among those of others.
enum { RECORD = 1300, RECORDS = 400, WRITERS = 3 };

static int
records(int who)
{
    char record[RECORD];
    struct iovec halves[] = {
        {record,              RECORD / 2         },
        {record + RECORD / 2, RECORD - RECORD / 2}
    };

    memset(record, who, sizeof(record));
    for (int i = 0; i < RECORDS; i++)
        if ((i % 2 == 0 ? write(1, record, sizeof(record)) :
                          writev(1, halves, 2)) != RECORD)
            return 1;
    return 0;
}

// Files, for ever, once it has said that it is there.
static int
forever(int grand)
{
    char *argv[] = {"spawn", "forever", "0", NULL}, name[16];
    pid_t pid;

    if (grand && posix_spawn(&pid, self, NULL, NULL, argv, NULL) != 0)
        return 1;
    for (unsigned i = 0;; i++) {
        snprintf(name, sizeof(name), "/f%u", i % 50);
        int fd = open(name, O_RDWR | O_CREAT, 0666);
        (void)!write(fd, name, sizeof(name));
        close(fd);
        if (i % 7 == 0)
            unlink(name);
        if (i == 100)
            (void)!write(1, "x", 1);
    }
}

// One poll with so many subscriptions that a byte may go before it answers.
static int
long_poll(void)
{
    enum { MANY = 100000 };
    static __wasi_subscription_t subs[MANY];
    static __wasi_event_t events[MANY];
    __wasi_size_t ready;

    subs[0].u.tag = __WASI_EVENTTYPE_FD_READ;
    for (int i = 1; i < MANY; i++) {
        subs[i].u.tag = __WASI_EVENTTYPE_CLOCK;
        subs[i].u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
        subs[i].u.u.clock.timeout = 3600000000000;
    }
    if (write(1, "x", 1) != 1)
        return 1;
    return __wasi_poll_oneoff(subs, events, MANY, &ready) != 0 || ready != 1;
}

static int leave(const char *how);

static int
be_child(char **argv)
{
    if (strcmp(argv[1], "records") == 0)
        return records(argv[2][0]);
    if (strcmp(argv[1], "forever") == 0)
        return forever(argv[2][0] == '1');
    if (strcmp(argv[1], "poll") == 0)
        return long_poll();
    if (strcmp(argv[1], "leave") == 0)
        return leave(argv[2]);
    if (strcmp(argv[1], "upper") == 0)
        return upper();
    if (strcmp(argv[1], "count") == 0)
        return count();
    if (strcmp(argv[1], "exit") == 0)
        return atoi(argv[2]);
    if (strcmp(argv[1], "low") == 0)
        return low_descriptors();
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

// Whole records come out of a pipe that many write to.
static void
whole_writes(void)
{
    static char record[RECORD];
    pid_t pids[WRITERS];
    int fds[2], got = 0;

    expect(pipe(fds) == 0, "pipe");
    for (int i = 0; i < WRITERS; i++) {
        char who[] = {(char)('a' + i), 0};
        char *argv[] = {"spawn", "records", who, NULL};
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
        pids[i] = start(argv, NULL, &actions);
    }
    close(fds[1]);
    FILE *in = fdopen(fds[0], "r");
    for (; fread(record, 1, RECORD, in) == RECORD; got++)
        for (int i = 1; i < RECORD; i++)
            expect(record[i] == record[0], "a record in one piece");
    expect(got == WRITERS * RECORDS, "all records");
    for (int i = 0; i < WRITERS; i++)
        expect(status_of(pids[i]) == 0, "its writer");
    fclose(in);
}

// A pipe that does not wait; poll says when there is room for PIPE_BUF.
static void
nonblock(void)
{
    static char bytes[8192];
    int fds[2], n;

    expect(pipe(fds) == 0, "pipe");
    expect(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0, "O_NONBLOCK");
    struct pollfd poller = {.fd = fds[1], .events = POLLOUT};
    while ((n = write(fds[1], bytes, 4096)) == 4096)
        ;
    expect(n == -1 && errno == EAGAIN, "EAGAIN of a write");
    expect(poll(&poller, 1, 0) == 0, "no room");
    expect(read(fds[0], bytes, 4095) == 4095, "read");
    expect(poll(&poller, 1, 0) == 0, "less room than PIPE_BUF");
    expect(write(fds[1], bytes, 4096) == -1 && errno == EAGAIN, "whole");
    expect(read(fds[0], bytes, 1) == 1, "read");
    expect(poll(&poller, 1, 0) == 1, "room");
    expect(write(fds[1], bytes, 8192) == 4096, "as far as there is room");
    expect(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0, "O_NONBLOCK");
    while ((n = read(fds[0], bytes, sizeof(bytes))) > 0)
        ;
    expect(n == -1 && errno == EAGAIN, "EAGAIN of a read");
    close(fds[0]);
    close(fds[1]);
}

// What a program learns of a pipe is a small number, not an address.
static void
numbers(void)
{
    struct stat stats[2];
    int fds[2];

    expect(pipe(fds) == 0, "pipe");
    for (int i = 0; i < 2; i++) {
        expect(fstat(fds[i], &stats[i]) == 0, "fstat");
        expect(stats[i].st_ino < 1000000, "a counted inode");
        close(fds[i]);
    }
    expect(stats[0].st_ino != stats[1].st_ino, "two inodes");
}

// A byte that another takes while somebody polls does not make that deaf.
static void
taken(int delay_us)
{
    char *argv[] = {"spawn", "poll", NULL}, byte;
    posix_spawn_file_actions_t actions;
    int in[2], out[2];

    expect(pipe(in) == 0 && pipe(out) == 0, "pipe");
    expect(write(in[1], "a", 1) == 1, "a byte");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    pid_t pid = start(argv, NULL, &actions);
    expect(read(out[0], &byte, 1) == 1, "it polls");
    if (delay_us > 0)
        usleep(delay_us);
    expect(read(in[0], &byte, 1) == 1, "take it");
    usleep(100000); // now it waits, or has answered
    expect(write(in[1], "b", 1) == 1, "another");
    expect(status_of(pid) == 0, "the poll answers");
    for (int i = 0; i < 2; i++) {
        close(in[i]);
        close(out[i]);
    }
}

// End while children and theirs live on: `how` is "end" or "stay".
static int
leave(const char *how)
{
    char *argv[] = {"spawn", "forever", "1", NULL}, byte;
    posix_spawn_file_actions_t actions;
    int out[2];

    expect(pipe(out) == 0, "pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    for (int i = 0; i < 2; i++)
        start(argv, NULL, &actions);
    for (int i = 0; i < 4; i++)
        expect(read(out[0], &byte, 1) == 1, "all run");
    if (strcmp(how, "end") == 0)
        return 7;
    for (;;)
        usleep(1000000);
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
    if (argc > 1 && strcmp(argv[1], "without-shell") == 0)
        return commands_without_shell(), 0;
    if (argc > 1)
        return be_child(argv);
    ends();
    given();
    pipeline();
    polls();
    whole_writes();
    nonblock();
    numbers();
    for (int delay_us = 0; delay_us < 8000; delay_us += 1000)
        taken(delay_us);
    commands();
    refused();
    puts("all well");
    return 0;
}
