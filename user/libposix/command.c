// user/libposix/command.c: system() and popen(): commands of the shell.

#include <spawn.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { COMMANDS = 16 };

static const char shell[] = "/bin/sh";

// Those that popen() has started.
static struct {
    FILE *file; // NULL: free
    pid_t pid;
} commands[COMMANDS];

// `actions` may be NULL.
static int
start(pid_t *pid, const char *command,
      const posix_spawn_file_actions_t *actions)
{
    char *const words[] = {"sh", "-c", (char *)command, NULL};

    return posix_spawn(pid, shell, actions, NULL, words, NULL);
}

int
system(const char *command)
{
    int status = 127 << 8;
    pid_t pid;

    if (command == NULL)
        return access(shell, F_OK) == 0;
    int error = start(&pid, command, NULL);
    if (error == ENOENT)
        return status; // as if the shell could not be executed
    if (error != 0)
        return errno = error, -1;
    return waitpid(pid, &status, 0) < 0 ? -1 : status;
}

// The command has descriptor `theirs` of the pipe as its `to`, and neither the
// other end nor one of an earlier command's, which could not see its end.
// First what is closed: it may have the number that `to` has.  0 or an errno.
static int
set_descriptors(posix_spawn_file_actions_t *actions, int theirs, int ours,
                int to)
{
    posix_spawn_file_actions_init(actions);
    for (int i = 0; i < COMMANDS; i++)
        if (commands[i].file != NULL)
            posix_spawn_file_actions_addclose(actions,
                                              fileno(commands[i].file));
    posix_spawn_file_actions_addclose(actions, ours);
    if (theirs == to)
        return 0;
    int error = posix_spawn_file_actions_adddup2(actions, theirs, to);
    posix_spawn_file_actions_addclose(actions, theirs);
    return error;
}

// The command that has the pipe's other end; 0 or an errno.
static int
open_command(int place, const char *command, const char *mode, int ours,
             int theirs)
{
    posix_spawn_file_actions_t actions;
    FILE *file = fdopen(ours, mode);

    if (file == NULL) {
        close(ours);
        return ENOMEM;
    }
    int error = set_descriptors(&actions, theirs, ours, mode[0] == 'w' ? 0 : 1);
    if (error == 0)
        error = start(&commands[place].pid, command, &actions);
    if (error == 0)
        commands[place].file = file;
    else
        fclose(file);
    return error;
}

FILE *
popen(const char *command, const char *mode)
{
    int place = 0, fds[2];

    if ((mode[0] != 'r' && mode[0] != 'w') || mode[1] != 0)
        return errno = EINVAL, NULL;
    while (place < COMMANDS && commands[place].file != NULL)
        place++;
    if (place == COMMANDS)
        return errno = EMFILE, NULL;
    if (pipe(fds) != 0)
        return NULL;
    bool reads = mode[0] == 'r';
    int error = open_command(place, command, mode, fds[!reads], fds[reads]);
    close(fds[reads]);
    return error == 0 ? commands[place].file : (errno = error, NULL);
}

int
pclose(FILE *file)
{
    int place = 0, status = 0;

    while (place < COMMANDS &&
           (commands[place].file == NULL || commands[place].file != file))
        place++;
    if (place == COMMANDS)
        return errno = ECHILD, -1;
    commands[place].file = NULL;
    fclose(file);
    return waitpid(commands[place].pid, &status, 0) < 0 ? -1 : status;
}
