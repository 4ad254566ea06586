// user/libposix/process.c: posix_spawn and waitpid over the module "nebulet".

#include <launch.h>
#include <nebulet.h>
#include <spawn.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// waitpid() waits for any of them.
enum { CHILDREN = NEBULET_LIMIT_WAIT_ITEMS };

extern char **environ;

// The handle of each child that nobody has waited for; pid - 1 is its place.
static uint32_t children[CHILDREN];

// --- actions -----------------------------------------------------------------

int
posix_spawn_file_actions_init(posix_spawn_file_actions_t *actions)
{
    actions->count = 0;
    return 0;
}

int
posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *actions)
{
    actions->count = 0;
    return 0;
}

static int
add_action(posix_spawn_file_actions_t *actions, int from, int to)
{
    if (to < 0 || to >= LAUNCH_FDS || from >= LAUNCH_FDS)
        return EBADF;
    if (actions->count == POSIX_SPAWN_ACTIONS)
        return ENOMEM;
    actions->actions[actions->count].from = from;
    actions->actions[actions->count].to = to;
    actions->count++;
    return 0;
}

int
posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from,
                                 int to)
{
    return from < 0 ? EBADF : add_action(actions, from, to);
}

int
posix_spawn_file_actions_addclose(posix_spawn_file_actions_t *actions, int fd)
{
    return add_action(actions, -1, fd);
}

// --- spawning ----------------------------------------------------------------

// False: one of them is not open.
static bool
act(struct launch *l, const posix_spawn_file_actions_t *actions)
{
    for (int i = 0; actions != NULL && i < actions->count; i++) {
        int source = actions->actions[i].from;
        if (source >= 0 && l->fds[source] < 0)
            return false;
        l->fds[actions->actions[i].to] = source < 0 ? -1 : l->fds[source];
    }
    return true;
}

int
posix_spawn(pid_t *pid, const char *path,
            const posix_spawn_file_actions_t *actions,
            const posix_spawnattr_t *attributes, char *const argv[],
            char *const envp[])
{
    struct launch l = {
        .path = path,
        .argv = argv,
        .envp = envp != NULL ? envp : environ,
    };
    int place = 0;

    if (attributes != NULL)
        return EINVAL;
    while (place < CHILDREN && children[place] != 0)
        place++;
    if (place == CHILDREN)
        return EAGAIN;
    launch_all_fds(&l);
    if (!act(&l, actions))
        return EBADF;
    int error = launch(&l, &children[place]);
    if (error == 0 && pid != NULL)
        *pid = place + 1;
    return error;
}

// The file of this name in the directories of PATH, or of "/" without it.
static int
search(const char *name, char path[NEBULET_LIMIT_PATH_SIZE])
{
    const char *at = getenv("PATH");

    if (at == NULL)
        at = "";
    for (;;) {
        int size = (int)strcspn(at, ":");
        if (snprintf(path, NEBULET_LIMIT_PATH_SIZE, "%.*s/%s", size, at,
                     name) >= NEBULET_LIMIT_PATH_SIZE)
            return ENAMETOOLONG;
        if (access(path, F_OK) == 0)
            return 0;
        if (at[size] == 0)
            return ENOENT;
        at += size + 1;
    }
}

int
posix_spawnp(pid_t *pid, const char *name,
             const posix_spawn_file_actions_t *actions,
             const posix_spawnattr_t *attributes, char *const argv[],
             char *const envp[])
{
    char path[NEBULET_LIMIT_PATH_SIZE];

    if (strchr(name, '/') != NULL)
        return posix_spawn(pid, name, actions, attributes, argv, envp);
    int error = search(name, path);
    return error != 0 ? error :
                        posix_spawn(pid, path, actions, attributes, argv, envp);
}

// --- waiting -----------------------------------------------------------------

// Whichever has ended, or -1: none; with `wait` there will be one.
static int
find_ended(bool wait)
{
    struct nebulet_wait_item items[CHILDREN];
    uint32_t count = 0;

    for (int i = 0; i < CHILDREN; i++)
        if (children[i] != 0)
            items[count++] = (struct nebulet_wait_item){
                .handle = children[i], .signals = NEBULET_SIGNAL_ENDED};
    nebulet_object_wait_many(items, count, wait ? UINT64_MAX : 0);
    for (uint32_t i = 0; i < count; i++)
        for (int place = 0; place < CHILDREN; place++)
            if (items[i].observed != 0 && children[place] == items[i].handle)
                return place;
    return -1;
}

static bool
has_children(void)
{
    for (int i = 0; i < CHILDREN; i++)
        if (children[i] != 0)
            return true;
    return false;
}

pid_t
waitpid(pid_t pid, int *status, int options)
{
    bool wait = (options & WNOHANG) == 0;
    uint32_t exit_status;
    int place = pid - 1;

    if (pid == -1 ? !has_children() :
                    pid < 1 || pid > CHILDREN || children[place] == 0)
        return errno = ECHILD, -1;
    if (pid == -1)
        place = find_ended(wait);
    if (place < 0 ||
        nebulet_process_wait(children[place], wait ? UINT64_MAX : 0,
                             &exit_status) != 0)
        return 0;
    nebulet_handle_close(children[place]);
    children[place] = 0;
    if (status != NULL)
        *status = (int)(exit_status & 0xff) << 8;
    return place + 1;
}

pid_t
wait(int *status)
{
    return waitpid(-1, status, 0);
}
