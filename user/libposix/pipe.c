// user/libposix/pipe.c: pipes, and commands at their other end.

#include <nebulet.h>
#include <spawn.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIPE_SIZE = 65536, WORDS = 64, OPEN_MAX_COUNT = 16 };

// A descriptor of a stream's end that is for this only; -1 and errno.
static int
descriptor_of(uint32_t end, uint32_t right)
{
    uint32_t rights = right | NEBULET_RIGHT_DUPLICATE | NEBULET_RIGHT_TRANSFER |
                      NEBULET_RIGHT_WAIT;
    uint32_t narrow, fd;
    int32_t status = nebulet_handle_duplicate(end, rights, &narrow);

    nebulet_handle_close(end);
    if (status != 0)
        return errno = EMFILE, -1;
    if (nebulet_descriptor_create(narrow, &fd) == 0)
        return (int)fd;
    nebulet_handle_close(narrow);
    return errno = EMFILE, -1;
}

int
pipe(int fds[2])
{
    uint32_t writes, reads;

    if (nebulet_stream_create(PIPE_SIZE, 0, &writes, &reads) != 0)
        return errno = ENOMEM, -1;
    fds[0] = descriptor_of(reads, NEBULET_RIGHT_READ);
    if (fds[0] < 0) {
        nebulet_handle_close(writes);
        return -1;
    }
    fds[1] = descriptor_of(writes, NEBULET_RIGHT_WRITE);
    if (fds[1] < 0)
        close(fds[0]);
    return fds[1] < 0 ? -1 : 0;
}

// --- commands ----------------------------------------------------------------

// Start a command, of which descriptor `to` is ours `from`, and `closed` is
// not; 0 or an errno.
static int
start(pid_t *pid, const char *command, int from, int to, int closed)
{
    posix_spawn_file_actions_t actions;
    char *words[WORDS + 1], *rest;
    char *copy = strdup(command);
    int count = 0, error = copy == NULL ? ENOMEM : 0;

    posix_spawn_file_actions_init(&actions);
    if (from >= 0) {
        posix_spawn_file_actions_adddup2(&actions, from, to);
        posix_spawn_file_actions_addclose(&actions, from);
        posix_spawn_file_actions_addclose(&actions, closed);
    }
    for (char *word = copy != NULL ? strtok_r(copy, " ", &rest) : NULL;
         word != NULL && count < WORDS; word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    words[count] = NULL;
    if (error == 0)
        error = count == 0 ?
                    ENOENT :
                    posix_spawnp(pid, words[0], &actions, NULL, words, NULL);
    free(copy);
    return error;
}

int
system(const char *command)
{
    int status = 127 << 8;
    pid_t pid;

    if (command == NULL)
        return 0;
    if (start(&pid, command, -1, -1, -1) == 0)
        waitpid(pid, &status, 0);
    return status;
}

static struct {
    FILE *file; // NULL: free
    pid_t pid;
} commands[OPEN_MAX_COUNT];

FILE *
popen(const char *command, const char *mode)
{
    int ours = mode[0] == 'r' ? 0 : 1, fds[2], place = 0;

    while (place < OPEN_MAX_COUNT && commands[place].file != NULL)
        place++;
    if (place == OPEN_MAX_COUNT)
        return errno = EMFILE, NULL;
    if (pipe(fds) != 0)
        return NULL;
    int error = start(&commands[place].pid, command, fds[1 - ours], 1 - ours,
                      fds[ours]);
    close(fds[1 - ours]);
    if (error == 0)
        commands[place].file = fdopen(fds[ours], mode);
    if (commands[place].file == NULL)
        close(fds[ours]);
    if (error != 0)
        errno = error;
    return commands[place].file;
}

int
pclose(FILE *file)
{
    int place = 0, status = 0;

    while (place < OPEN_MAX_COUNT && commands[place].file != file)
        place++;
    if (place == OPEN_MAX_COUNT)
        return errno = ECHILD, -1;
    commands[place].file = NULL;
    fclose(file);
    return waitpid(commands[place].pid, &status, 0) < 0 ? -1 : status;
}
