// user/libposix/launch.c: starting programs (launch.h), and what a program does
// before main() to be where its parent was.

#include <launch.h>
#include <nebulet.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

enum { CACHED = 16 };

// The working directory is libc's own affair in WASI: parents say where they
// are.
__attribute__((constructor)) static void
go_where_parent_is(void)
{
    const char *where = getenv("PWD");

    if (where != NULL && chdir(where) == 0)
        return;
    unsetenv("PWD");
}

// --- modules -----------------------------------------------------------------

// What was compiled lately, by the file that it was in.
static struct cached {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
    uint32_t module; // 0: free
} cached[CACHED];

static struct cached *
find_cached(const struct stat *stat)
{
    for (int i = 0; i < CACHED; i++) {
        const struct cached *c = &cached[i];
        if (c->module != 0 && c->device == stat->st_dev &&
            c->inode == stat->st_ino && c->size == stat->st_size &&
            c->changed.tv_sec == stat->st_ctim.tv_sec &&
            c->changed.tv_nsec == stat->st_ctim.tv_nsec)
            return &cached[i];
    }
    return NULL;
}

static void
keep(const struct stat *stat, uint32_t module)
{
    static int next;
    struct cached *c = &cached[next++ % CACHED];

    if (c->module != 0)
        nebulet_handle_close(c->module);
    *c = (struct cached){stat->st_dev, stat->st_ino, stat->st_size,
                         stat->st_ctim, module};
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

// All of an open file; NULL and errno.
static char *
read_all(int fd, const struct stat *stat)
{
    char *bytes = malloc(stat->st_size + 1);
    ssize_t size = 0, part = 1;

    while (bytes != NULL && part > 0 && size < stat->st_size) {
        part = read(fd, bytes + size, stat->st_size - size);
        size += part > 0 ? part : 0;
    }
    if (bytes != NULL && size == stat->st_size)
        return bytes;
    free(bytes);
    if (part >= 0)
        errno = bytes == NULL ? ENOMEM : EIO;
    return NULL;
}

static int
compile(const struct launch *l, int fd, const struct stat *stat,
        uint32_t *module)
{
    char *bytes = read_all(fd, stat);

    if (bytes == NULL)
        return errno;
    int32_t status = nebulet_module_create(bytes, stat->st_size, l->text,
                                           l->text_size, module);
    free(bytes);
    if (status == 0)
        keep(stat, *module);
    return status == 0 ? 0 : errno_of(status);
}

// The module in a file.
static int
load(const struct launch *l, uint32_t *module)
{
    struct stat stat;
    int fd = open(l->path, O_RDONLY);
    int error = fd < 0 || fstat(fd, &stat) != 0 ? errno : 0;

    if (error == 0 && !S_ISREG(stat.st_mode))
        error = EACCES;
    if (error == 0) {
        const struct cached *c = find_cached(&stat);
        if (c != NULL)
            *module = c->module;
        else
            error = compile(l, fd, &stat, module);
    }
    if (fd >= 0)
        close(fd);
    return error;
}

// --- what a child gets -------------------------------------------------------

static void
copy_some(struct launch *l, bool all)
{
    __wasi_prestat_t prestat;

    for (int fd = 0; fd < LAUNCH_FDS; fd++) {
        bool given = all || fd < 3 || __wasi_fd_prestat_get(fd, &prestat) == 0;
        l->fds[fd] = given && fcntl(fd, F_GETFL) >= 0 ? fd : -1;
    }
}

void
launch_all_fds(struct launch *l)
{
    copy_some(l, true);
}

void
launch_standard_fds(struct launch *l)
{
    copy_some(l, false);
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

int
launch(const struct launch *l, uint32_t *process)
{
    struct nebulet_spawn_descriptor descriptors[LAUNCH_FDS];
    struct nebulet_message_handle handles[LAUNCH_FDS];
    size_t args_size, env_size;
    uint32_t module, count = 0;

    if (l->text_size > 0)
        l->text[0] = 0;
    int error = load(l, &module);
    if (error == 0 && l->handle_count > LAUNCH_FDS)
        error = EINVAL;
    if (error != 0)
        return error;
    for (int fd = 0; fd < LAUNCH_FDS; fd++)
        if (l->fds[fd] >= 0)
            descriptors[count++] =
                (struct nebulet_spawn_descriptor){.descriptor = fd,
                                                  .kind = NEBULET_SPAWN_COPY,
                                                  .from = l->fds[fd]};
    for (uint32_t i = 0; i < l->handle_count; i++)
        handles[i].handle = l->handles[i];
    char *args = join(l->argv, &args_size), *env = join(l->envp, &env_size);
    struct nebulet_process_spawn call = {
        .module = module,
        .name = l->path,
        .name_size = strnlen(l->path, NEBULET_LIMIT_PROCESS_NAME),
        .args = args,
        .args_size = args_size,
        .env = env,
        .env_size = env_size,
        .handles = handles,
        .handles_count = l->handle_count,
        .descriptors = descriptors,
        .descriptors_count = count,
        .text = l->text,
        .text_size = l->text_size,
        .process = process,
        .group = l->group,
    };
    int32_t status = NEBULET_ERR_NO_MEMORY;
    if (args != NULL && env != NULL)
        status = nebulet_process_spawn(&call);
    free(args);
    free(env);
    return status == 0 ? 0 : errno_of(status);
}

uint32_t
launch_given(const char *name)
{
    const char *at = getenv("GIVEN");
    size_t size = strlen(name);
    uint32_t handle;

    for (uint32_t i = 0; at != NULL && *at != 0; i++) {
        size_t part = strcspn(at, ",");
        if (part == size && strncmp(at, name, size) == 0)
            return nebulet_process_given(i, &handle) == 0 ? handle : 0;
        at += part + (at[part] == ',');
    }
    return 0;
}

int
launch_duplicate(const char *name, uint32_t ours, uint32_t *handle)
{
    enum {
        PASSED = NEBULET_RIGHT_DUPLICATE | NEBULET_RIGHT_TRANSFER |
                 NEBULET_RIGHT_READ | NEBULET_RIGHT_WRITE | NEBULET_RIGHT_WAIT |
                 NEBULET_RIGHT_MANAGE,
        DEVICE = NEBULET_RIGHT_DUPLICATE | NEBULET_RIGHT_TRANSFER |
                 NEBULET_RIGHT_READ | NEBULET_RIGHT_MANAGE,
        REGISTERS = NEBULET_RIGHT_DUPLICATE | NEBULET_RIGHT_TRANSFER |
                    NEBULET_RIGHT_READ | NEBULET_RIGHT_WRITE |
                    NEBULET_RIGHT_WAIT,
    };
    static const struct {
        const char *name;
        uint32_t rights;
    } known[] = {
        {"display",  REGISTERS                    },
        {"group",    PASSED                       },
        {"ps2",      REGISTERS                    },
        {"random",   DEVICE                       },
        {"terminal", PASSED | NEBULET_RIGHT_SIGNAL},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (ours != 0 && strcmp(known[i].name, name) == 0)
            return nebulet_handle_duplicate(ours, known[i].rights, handle) ==
                           0 ?
                       0 :
                       EPERM;
    return ENOENT;
}
