// oci/state.c: what is known of containers, on disk (oci.h).  Whoever is
// killed, whenever, leaves the old or the new of it: a directory appears and
// files are replaced as a whole; what a container does is not written down but
// seen: by its process, whose number and start are, and by the pipe `start`.

#include "oci/oci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STATE "state.nebulet"

// --- processes ---------------------------------------------------------------

u64
process_born(pid_t pid)
{
    char path[32], text[1024];
    unsigned long long born = 0;
    char state = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t size = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[MAX(size, 0)] = 0;
    const char *at = strrchr(text, ')'); // the name may have anything in it
    if (at == NULL || sscanf(at,
                             ") %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                             "%*s %*s %*s %*s %*s %*s %*s %llu",
                             &state, &born) != 2)
        return 0;
    return state == 'Z' || state == 'X' ? 0 : born;
}

static bool
is_alive(const struct container *c)
{
    return c->pid > 0 && process_born(c->pid) == c->born && c->born != 0;
}

int
container_process(const struct container *c)
{
    int fd = c->pid > 0 ? (int)syscall(SYS_pidfd_open, c->pid, 0) : -1;

    if (fd >= 0 && !is_alive(c)) { // somebody else has the number now
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        errno = ESRCH;
    return fd;
}

// --- directories -------------------------------------------------------------

static bool
good_id(const char *id)
{
    size_t len = strlen(id);
    size_t good = strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_+-."
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

    if (len > 0 && len == good && len < 256 - 32 && strcmp(id, ".") != 0 &&
        strcmp(id, "..") != 0)
        return true;
    complain("%s: not an ID: letters, digits and _+-. only", id);
    return false;
}

// ROOT, which is made.
static int
open_root(void)
{
    int fd = open(globals.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT) {
        char path[PATH_SIZE];
        snprintf(path, sizeof(path), "%s", globals.root);
        for (char *at = path + 1; *at != 0; at++) {
            if (*at != '/')
                continue;
            *at = 0;
            mkdir(path, 0711);
            *at = '/';
        }
        mkdir(path, 0711);
        fd = open(globals.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    if (fd < 0)
        complain("%s: %s", globals.root, strerror(errno));
    return fd;
}

// All in it, which has no directories.
static void
remove_dir(int root, const char *name)
{
    int fd =
        openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(fd, e->d_name, 0);
    if (dir != NULL)
        closedir(dir);
    unlinkat(root, name, AT_REMOVEDIR);
}

// Directories whose makers or removers were killed: "@PID@ID".
static void
sweep(int root)
{
    int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        if (e->d_name[0] == '@' && process_born(atoi(e->d_name + 1)) == 0)
            remove_dir(root, e->d_name);
    if (dir != NULL)
        closedir(dir);
}

static bool
put_file(int dir, const char *name, const char *from)
{
    struct bytes bytes;
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool done = fd >= 0 && file_load(from, JSON_MOST, &bytes) == 0;

    if (done) {
        done = write(fd, bytes.ptr, bytes.size) == (ssize_t)bytes.size;
        free(bytes.ptr);
    }
    if (fd >= 0)
        close(fd);
    return done;
}

static bool
hold(struct container *c)
{
    c->lock = openat(c->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    while (c->lock >= 0 && flock(c->lock, LOCK_EX) != 0)
        if (errno != EINTR)
            return false;
    return c->lock >= 0;
}

static u64
now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

static bool
fill(struct container *c, int root, const char *temporary, const char *config)
{
    if (mkdirat(root, temporary, 0711) != 0)
        return false;
    c->dir = openat(root, temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return c->dir >= 0 && hold(c) && put_file(c->dir, "config.json", config) &&
           mkfifoat(c->dir, "start", 0600) == 0 && container_save(c) &&
           syscall(SYS_renameat2, root, temporary, root, c->id, 1) == 0;
}

bool
container_new(struct container *c, const char *id, const char *config)
{
    char temporary[256 + 32];

    c->dir = c->lock = -1;
    c->created_ns = (i64)now_ns();
    c->maker = getpid();
    c->maker_born = process_born(c->maker);
    if (!good_id(id))
        return false;
    int root = open_root();
    if (root < 0)
        return false;
    snprintf(c->id, sizeof(c->id), "%s", id);
    snprintf(temporary, sizeof(temporary), "@%d@%s", (int)getpid(), id);
    sweep(root);
    bool done = fill(c, root, temporary, config);
    if (!done) {
        if (errno == EEXIST)
            complain("container with id exists: %s", id);
        else
            complain("%s/%s: %s", globals.root, id, strerror(errno));
        remove_dir(root, temporary);
        container_close(c);
    }
    close(root);
    return done;
}

enum found
container_find(const char *id)
{
    char path[2 * PATH_SIZE];

    if (!good_id(id))
        return FOUND_NONE;
    snprintf(path, sizeof(path), "%s/%s/" STATE, globals.root, id);
    if (access(path, F_OK) == 0)
        return FOUND_OURS;
    snprintf(path, sizeof(path), "%s/%s", globals.root, id);
    return access(path, F_OK) == 0 ? FOUND_OTHER : FOUND_NONE;
}

// --- the state ---------------------------------------------------------------

bool
container_save(const struct container *c)
{
    cJSON *tree = cJSON_CreateObject();
    char born[32], maker[32], created[32];

    snprintf(maker, sizeof(maker), "%llu", (unsigned long long)c->maker_born);
    snprintf(born, sizeof(born), "%llu", (unsigned long long)c->born);
    snprintf(created, sizeof(created), "%lld", (long long)c->created_ns);
    cJSON_AddNumberToObject(tree, "pid", c->pid);
    cJSON_AddStringToObject(tree, "born", born);
    cJSON_AddNumberToObject(tree, "maker", c->maker);
    cJSON_AddStringToObject(tree, "makerBorn", maker);
    cJSON_AddStringToObject(tree, "created", created);
    cJSON_AddBoolToObject(tree, "process", c->process_mode);
    cJSON_AddStringToObject(tree, "bundle", c->bundle);
    cJSON_AddStringToObject(tree, "cgroup", c->cgroup);
    return json_save(tree, c->dir, STATE);
}

static bool
load(struct container *c)
{
    char path[64];
    struct json j;

    snprintf(path, sizeof(path), "/proc/self/fd/%d/" STATE, c->dir);
    if (!json_read(&j, path, "state"))
        return false;
    const cJSON *cgroup = json_find(&j, NULL, "cgroup", JSON_TEXT);
    c->pid = (pid_t)json_number(&j, NULL, "pid", 0, INT32_MAX, 0);
    c->born = strtoull(json_text(&j, NULL, "born"), NULL, 10);
    c->maker = (pid_t)json_number(&j, NULL, "maker", 0, INT32_MAX, 0);
    c->maker_born = strtoull(json_text(&j, NULL, "makerBorn"), NULL, 10);
    c->created_ns = strtoll(json_text(&j, NULL, "created"), NULL, 10);
    c->process_mode = json_flag(&j, NULL, "process");
    snprintf(c->bundle, sizeof(c->bundle), "%s", json_text(&j, NULL, "bundle"));
    snprintf(c->cgroup, sizeof(c->cgroup), "%s",
             cgroup != NULL ? cgroup->valuestring : "");
    json_free(&j);
    return !j.failed;
}

// Is it still that container?  One that was removed while we waited for its
// lock has no state any more.
bool
container_open(struct container *c, const char *id, bool lock)
{
    char path[2 * PATH_SIZE];

    *c = (struct container){.dir = -1, .lock = -1};
    snprintf(c->id, sizeof(c->id), "%s", id);
    snprintf(path, sizeof(path), "%s/%s", globals.root, id);
    c->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->dir >= 0 && (!lock || hold(c)) &&
        faccessat(c->dir, STATE, F_OK, 0) == 0 && load(c))
        return true;
    complain("container %s does not exist", id);
    container_close(c);
    return false;
}

void
container_unlock(struct container *c)
{
    if (c->lock >= 0)
        close(c->lock);
    c->lock = -1;
}

void
container_close(struct container *c)
{
    container_unlock(c);
    if (c->dir >= 0)
        close(c->dir);
    c->dir = -1;
}

void
container_remove(struct container *c)
{
    char temporary[256 + 32];
    int root = open_root();

    snprintf(temporary, sizeof(temporary), "@%d@%s", (int)getpid(), c->id);
    if (root >= 0 && renameat(root, c->id, root, temporary) == 0)
        remove_dir(root, temporary);
    if (root >= 0)
        close(root);
}

enum status
container_status(const struct container *c)
{
    if (c->pid == 0 && process_born(c->maker) == c->maker_born)
        return STATUS_CREATING;
    if (!is_alive(c))
        return STATUS_STOPPED;
    if (faccessat(c->dir, "start", F_OK, 0) == 0)
        return STATUS_CREATED;
    return control_frozen(c) ? STATUS_PAUSED : STATUS_RUNNING;
}

const char *
status_name(enum status status)
{
    static const char *const names[] = {"creating", "created", "running",
                                        "paused", "stopped"};

    return names[status];
}

// Where it is, for who opens it by name.
struct config_path {
    char text[64];
};

static struct config_path
config_path(const struct container *c)
{
    struct config_path p;

    snprintf(p.text, sizeof(p.text), "/proc/self/fd/%d/config.json", c->dir);
    return p;
}

bool
container_config(const struct container *c, struct json *j)
{
    return json_read(j, config_path(c).text, "config.json");
}

bool
container_spec(const struct container *c, struct spec *spec)
{
    return spec_read(spec, config_path(c).text, c->bundle);
}

cJSON *
container_tell(const struct container *c, enum status status,
               const cJSON *annotations)
{
    cJSON *tree = cJSON_CreateObject();

    cJSON_AddStringToObject(tree, "ociVersion", OCI_VERSION);
    cJSON_AddStringToObject(tree, "id", c->id);
    cJSON_AddStringToObject(tree, "status", status_name(status));
    if (status != STATUS_STOPPED)
        cJSON_AddNumberToObject(tree, "pid", c->pid);
    else
        cJSON_AddNumberToObject(tree, "pid", 0);
    cJSON_AddStringToObject(tree, "bundle", c->bundle);
    if (annotations != NULL)
        cJSON_AddItemToObject(tree, "annotations",
                              cJSON_Duplicate(annotations, true));
    return tree;
}
