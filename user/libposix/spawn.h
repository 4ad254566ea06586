// user/libposix/spawn.h: programs that start programs, as in POSIX.  The path
// leads to a module; a program gets the descriptors of its parent that are
// below NEBULET_LIMIT_SPAWN_DESCRIPTORS, changed by the actions, and nothing
// else.  There are no attributes: NULL.

#pragma once

#include <sys/types.h>
#include <sys/wait.h>

enum { POSIX_SPAWN_ACTIONS = 32 };

typedef struct {
    int count;
    struct {
        int from, to; // from -1: close `to`
    } actions[POSIX_SPAWN_ACTIONS];
} posix_spawn_file_actions_t;

typedef struct {
    int unused;
} posix_spawnattr_t;

// 0 or an errno.
int posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions);
int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions);
int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions,
                                     int from, int to);
int posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions,
                                      int fd);

// 0 or an errno: ENOENT and the like for the file, ENOEXEC when it is no module
// that can run, EINVAL for attributes.  Names without a slash are looked for in
// the directories of PATH, or in "/" without it.
int posix_spawn(pid_t *pid, const char *path,
                const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[],
                char *const envp[]);
int posix_spawnp(pid_t *pid, const char *name,
                 const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const argv[],
                 char *const envp[]);
