// test/sysroot/posix.c: start /hello.wasm with an argument, pass on what it
// prints, exit with its status.

#include <spawn.h>
#include <stdio.h>
#include <unistd.h>

int
main(void)
{
    char *args[] = {"hello", "you", NULL}, *env[] = {NULL}, text[100];
    posix_spawn_file_actions_t actions;
    int fds[2], status;
    pid_t pid;

    if (pipe(fds) != 0)
        return 100;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    if (posix_spawn(&pid, "/hello.wasm", &actions, NULL, args, env) != 0)
        return 101;
    if (waitpid(pid, &status, 0) != pid)
        return 102;
    close(fds[1]);
    ssize_t count = read(fds[0], text, sizeof(text));
    printf("it says: %.*s", (int)count, text);
    return WEXITSTATUS(status);
}
