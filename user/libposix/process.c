// user/libposix/process.c: posix_spawn and waitpid over the module "nebulet".

#include <nebulet.h>
#include <spawn.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHILDREN = NEBULET_LIMIT_WAIT_ITEMS, // waitpid() waits for any of them
    FDS = NEBULET_LIMIT_SPAWN_DESCRIPTORS,
};

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
    if (to < 0 || to >= FDS || from >= FDS)
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

// --- what a child gets -------------------------------------------------------

// Its descriptors, each a copy of one of ours; how many, or -1 and errno.
static int
map_descriptors(struct nebulet_spawn_descriptor *out,
                const posix_spawn_file_actions_t *actions)
{
    int from[FDS], count = 0;

    for (int fd = 0; fd < FDS; fd++)
        from[fd] = fcntl(fd, F_GETFL) >= 0 ? fd : -1;
    for (int i = 0; actions != NULL && i < actions->count; i++) {
        int source = actions->actions[i].from;
        if (source >= 0 && from[source] < 0)
            return errno = EBADF, -1;
        from[actions->actions[i].to] = source < 0 ? -1 : from[source];
    }
    for (int fd = 0; fd < FDS; fd++)
        if (from[fd] >= 0)
            out[count++] = (struct nebulet_spawn_descriptor){
                .descriptor = fd, .kind = NEBULET_SPAWN_COPY, .from = from[fd]};
    return count;
}

// The strings end to end, each with its zero; NULL: no memory.
static char *
join(char *const strings[], size_t *size)
{
    *size = 0;
    for (size_t i = 0; strings[i] != NULL; i++)
        *size += strlen(strings[i]) + 1;
    char *all = malloc(*size + 1), *at = all;
    for (size_t i = 0; all != NULL && strings[i] != NULL; i++)
        at = stpcpy(at, strings[i]) + 1;
    return all;
}

static int
errno_of(int32_t status)
{
    switch (status) {
    case NEBULET_ERR_NO_MEMORY:
        return ENOMEM;
    case NEBULET_ERR_LIMIT:
    case NEBULET_ERR_FULL:
        return EAGAIN;
    case NEBULET_ERR_BAD_ARGUMENT:
        return E2BIG;
    default:
        return ENOEXEC;
    }
}

// The module in a file: its handle, or 0 and errno.
static uint32_t
load(const char *path)
{
    int fd = open(path, O_RDONLY);
    uint32_t module = 0;
    struct stat stat;

    if (fd < 0)
        return 0;
    char *bytes = fstat(fd, &stat) == 0 ? malloc(stat.st_size + 1) : NULL;
    ssize_t size = 0, part = bytes != NULL;
    while (part > 0 && size < stat.st_size) {
        part = read(fd, bytes + size, stat.st_size - size);
        size += part > 0 ? part : 0;
    }
    close(fd);
    if (bytes == NULL)
        return errno = ENOMEM, 0;
    int32_t status = nebulet_module_create(bytes, size, NULL, 0, &module);
    free(bytes);
    if (status != 0)
        return errno = errno_of(status), 0;
    return module;
}

// --- spawning ----------------------------------------------------------------

static int
spawn(uint32_t module, const char *name, uint32_t *process,
      const posix_spawn_file_actions_t *actions, char *const argv[],
      char *const envp[])
{
    struct nebulet_spawn_descriptor descriptors[FDS];
    size_t args_size, env_size;
    int count = map_descriptors(descriptors, actions);

    if (count < 0)
        return errno;
    char *args = join(argv, &args_size), *env = join(envp, &env_size);
    struct nebulet_process_spawn call = {
        .module = module,
        .name = name,
        .name_size = strnlen(name, NEBULET_LIMIT_PROCESS_NAME),
        .args = args,
        .args_size = args_size,
        .env = env,
        .env_size = env_size,
        .descriptors = descriptors,
        .descriptors_count = count,
        .process = process,
    };
    int32_t status = NEBULET_ERR_NO_MEMORY;
    if (args != NULL && env != NULL)
        status = nebulet_process_spawn(&call);
    free(args);
    free(env);
    return status == 0 ? 0 : errno_of(status);
}

int
posix_spawn(pid_t *pid, const char *path,
            const posix_spawn_file_actions_t *actions,
            const posix_spawnattr_t *attributes, char *const argv[],
            char *const envp[])
{
    int place = 0;

    if (attributes != NULL)
        return EINVAL;
    while (place < CHILDREN && children[place] != 0)
        place++;
    if (place == CHILDREN)
        return EAGAIN;
    uint32_t module = load(path);
    if (module == 0)
        return errno;
    int error = spawn(module, path, &children[place], actions, argv,
                      envp != NULL ? envp : environ);
    nebulet_handle_close(module);
    if (error == 0 && pid != NULL)
        *pid = place + 1;
    return error;
}

int
posix_spawnp(pid_t *pid, const char *name,
             const posix_spawn_file_actions_t *actions,
             const posix_spawnattr_t *attributes, char *const argv[],
             char *const envp[])
{
    char path[NEBULET_LIMIT_PATH_SIZE];

    if (strlen(name) >= sizeof(path) - 1)
        return ENAMETOOLONG;
    strcpy(path, strchr(name, '/') == NULL ? "/" : "");
    strcat(path, name);
    return posix_spawn(pid, path, actions, attributes, argv, envp);
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
