// oci/control.c: the control groups of a container.  With version 2 there is
// one hierarchy; with version 1 one for each controller, of which a container
// is in those that count, and in those that limit where it has such a limit.

#include "oci/oci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define MOUNT "/sys/fs/cgroup"

static const char *const controllers[] = {
    "memory", "cpu", "cpuacct", "pids", "freezer", "blkio", "systemd",
};

bool
control_is_unified(void)
{
    struct statfs fs;

    return statfs(MOUNT, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

// --- where -------------------------------------------------------------------

// "SLICE:PREFIX:NAME" as systemd lays it out: a-b.slice is in a.slice.
static bool
systemd_path(const char *asked, char *to, size_t size)
{
    char slice[256], prefix[256], name[256], part[256] = "";
    size_t at = 0;

    if (sscanf(asked, "%255[^:]:%255[^:]:%255[^:]", slice, prefix, name) != 3)
        return false;
    char *end = strstr(slice, ".slice");
    if (end == NULL || end[6] != 0)
        return false;
    *end = 0;
    to[0] = 0;
    for (char *word = slice; *word != 0 && at < size;
         word += *word == '-') { // "-.slice" is the root
        word += strcspn(word, "-");
        snprintf(part, sizeof(part), "%.*s", (int)(word - slice), slice);
        if (part[0] != 0)
            at += (size_t)snprintf(to + at, size - at, "/%s.slice", part);
    }
    if (at < size)
        at +=
            (size_t)snprintf(to + at, size - at, "/%s-%s.scope", prefix, name);
    return at < size;
}

bool
control_path(struct container *c, const char *asked)
{
    if (asked == NULL)
        snprintf(c->cgroup, sizeof(c->cgroup), "/nebulet-oci/%s", c->id);
    else if (strchr(asked, ':') != NULL) {
        if (!systemd_path(asked, c->cgroup, sizeof(c->cgroup)))
            return complain("%s: not SLICE:PREFIX:NAME", asked), false;
    } else
        snprintf(c->cgroup, sizeof(c->cgroup), "%s%s",
                 asked[0] == '/' ? "" : "/", asked);
    if (strstr(c->cgroup, "/../") != NULL ||
        c->cgroup[strspn(c->cgroup, "/.")] == 0 ||
        path_ends_in(c->cgroup, "/..") || strlen(c->cgroup) > PATH_SIZE / 2)
        return complain("%s: not a path of a group", c->cgroup), false;
    return true;
}

struct place {
    char text[PATH_SIZE];
};

static struct place
place(const struct container *c, const char *controller, const char *file)
{
    struct place p;

    if (control_is_unified())
        controller = ".";
    snprintf(p.text, sizeof(p.text), MOUNT "/%s%.*s%s%s", controller,
             PATH_SIZE / 2, c->cgroup, file[0] != 0 ? "/" : "", file);
    return p;
}

static bool
is_there(const char *controller)
{
    char path[64];

    snprintf(path, sizeof(path), MOUNT "/%s", controller);
    return access(path, F_OK) == 0;
}

// --- files -------------------------------------------------------------------

// 0 or an errno.
static int
put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int error = fd < 0 || write(fd, text, strlen(text)) < 0 ? errno : 0;

    if (fd >= 0)
        close(fd);
    return error;
}

static bool
get(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, to, size - 1) : -1;

    if (fd >= 0)
        close(fd);
    to[MAX(got, 0)] = 0;
    return got >= 0;
}

// A directory and those that it is in, below the mount.
static bool
make_path(const char *path)
{
    char part[PATH_SIZE];

    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return true;
    snprintf(part, sizeof(part), "%s", path);
    for (char *at = part + sizeof(MOUNT); *at != 0; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        mkdir(part, 0755);
        *at = '/';
    }
    return mkdir(path, 0755) == 0 || errno == EEXIST;
}

// With version 2, what those that are above pass on: as many as there are.
static void
pass_on(const struct container *c)
{
    static const char *const wanted[] = {"+memory", "+cpu", "+pids", "+cpuset",
                                         "+io"};
    char part[PATH_SIZE], file[PATH_SIZE + 32];

    snprintf(part, sizeof(part), MOUNT "%.*s", PATH_SIZE / 2, c->cgroup);
    for (char *at = part + sizeof(MOUNT) - 1; *at != 0; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        snprintf(file, sizeof(file), "%s/cgroup.subtree_control", part);
        for (u32 i = 0; i < COUNT(wanted); i++)
            (void)put(file, wanted[i]);
        *at = '/';
    }
}

static bool
make_one(const struct container *c, const char *controller)
{
    struct place p = place(c, controller, "");

    if (make_path(p.text))
        return true;
    complain("%s: %s", p.text, strerror(errno));
    return false;
}

// Those in it end with it: it has to be the container's own.
static bool
is_empty(const struct container *c)
{
    pid_t *pids;
    u32 count = control_list(c, &pids);

    free(pids);
    if (count > 0)
        complain("%s: the group has processes of others", c->cgroup);
    return count == 0;
}

bool
control_make(const struct container *c)
{
    if (!is_empty(c))
        return false;
    if (control_is_unified()) {
        bool done = make_one(c, "");
        pass_on(c);
        return done;
    }
    for (u32 i = 0; i < COUNT(controllers); i++)
        if (is_there(controllers[i]) && !make_one(c, controllers[i]))
            return false;
    return true;
}

static bool
enter_one(const struct container *c, const char *controller, pid_t pid)
{
    struct place p = place(c, controller, "cgroup.procs");
    char text[32];

    snprintf(text, sizeof(text), "%d", (int)pid);
    int error = put(p.text, text);
    if (error != 0)
        complain("%s: %s", p.text, strerror(error));
    return error == 0;
}

bool
control_enter(const struct container *c, pid_t pid)
{
    if (control_is_unified())
        return enter_one(c, "", pid);
    for (u32 i = 0; i < COUNT(controllers); i++)
        if (is_there(controllers[i]) && !enter_one(c, controllers[i], pid))
            return false;
    struct place p = place(c, "cpuset", "");
    return access(p.text, F_OK) != 0 || enter_one(c, "cpuset", pid);
}

// --- limits ------------------------------------------------------------------

static bool
set(const struct container *c, const char *controller, const char *file,
    const char *value)
{
    struct place p = place(c, controller, file);
    int error = put(p.text, value);

    if (error != 0)
        complain("%s: %s: %s", p.text, value, strerror(error));
    return error == 0;
}

static bool
set_number(const struct container *c, const char *controller, const char *file,
           i64 value, const char *unlimited)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    return set(c, controller, file,
               value < 0 && unlimited != NULL ? unlimited : text);
}

static i64
limit_of(struct json *j, const cJSON *resources, const char *path, i64 least)
{
    return json_number(j, resources, path, least, INT64_MAX, INT64_MIN);
}

static bool
limit_memory(const struct container *c, i64 limit, i64 swap)
{
    bool unified = control_is_unified();

    if (limit != INT64_MIN && unified &&
        !set_number(c, "", "memory.max", limit, "max"))
        return false;
    if (limit != INT64_MIN && !unified &&
        !set_number(c, "memory", "memory.limit_in_bytes", limit, NULL))
        return false;
    if (swap == INT64_MIN)
        return true;
    // With version 2 it does not count what is in memory.
    if (unified)
        return set_number(c, "", "memory.swap.max",
                          swap > 0 && limit > 0 ? swap - limit : swap, "max");
    struct place p = place(c, "memory", "memory.memsw.limit_in_bytes");
    return access(p.text, F_OK) != 0 || // a kernel that does not count it
           set_number(c, "memory", "memory.memsw.limit_in_bytes", swap, NULL);
}

static bool
limit_cpu(const struct container *c, i64 quota, i64 period, i64 shares)
{
    bool unified = control_is_unified();
    char text[64];

    if (unified && (quota != INT64_MIN || period != INT64_MIN)) {
        i64 of = period > 0 ? period : 100000;
        if (quota > 0)
            snprintf(text, sizeof(text), "%lld %lld", (long long)quota,
                     (long long)of);
        else
            snprintf(text, sizeof(text), "max %lld", (long long)of);
        if (!set(c, "", "cpu.max", text))
            return false;
    }
    if (!unified && period > 0 &&
        !set_number(c, "cpu", "cpu.cfs_period_us", period, NULL))
        return false;
    if (!unified && quota != INT64_MIN && quota != 0 &&
        !set_number(c, "cpu", "cpu.cfs_quota_us", quota, NULL))
        return false;
    if (shares <= 0)
        return true;
    i64 bounded = MAX(MIN(shares, (i64)262144), (i64)2);
    return unified ? set_number(c, "", "cpu.weight",
                                1 + (bounded - 2) * 9999 / 262142, NULL) :
                     set_number(c, "cpu", "cpu.shares", bounded, NULL);
}

// A group of version 1 takes nobody before it has CPUs and memory.
static bool
limit_cpuset(const struct container *c, const char *cpus, const char *mems)
{
    static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
    const char *said[] = {cpus, mems};
    char text[256], path[PATH_SIZE + 32];

    if (cpus == NULL && mems == NULL)
        return true;
    if (!control_is_unified() && !make_one(c, "cpuset"))
        return false;
    for (u32 i = 0; i < COUNT(files); i++) {
        if (control_is_unified()) {
            if (said[i] != NULL && !set(c, "", files[i], said[i]))
                return false;
            continue;
        }
        // Those above have what is above them, unless they have their own.
        struct place p = place(c, "cpuset", "");
        snprintf(path, sizeof(path), MOUNT "/cpuset/%s", files[i]);
        if (!get(path, text, sizeof(text)))
            return false;
        for (char *at = p.text + sizeof(MOUNT "/cpuset"); *at != 0; at++) {
            if (*at != '/')
                continue;
            char own[256];
            snprintf(path, sizeof(path), "%.*s/%s", (int)(at - p.text), p.text,
                     files[i]);
            if (get(path, own, sizeof(own)) && own[0] <= ' ')
                (void)put(path, text);
        }
        if (!set(c, "cpuset", files[i], said[i] != NULL ? said[i] : text))
            return false;
    }
    return true;
}

static const char *
text_of(struct json *j, const cJSON *resources, const char *path)
{
    const cJSON *item = json_find(j, resources, path, JSON_TEXT);

    return item != NULL && item->valuestring[0] != 0 ? item->valuestring : NULL;
}

bool
control_limit(const struct container *c, struct json *j, const cJSON *resources)
{
    i64 limit = limit_of(j, resources, "memory.limit", -1);
    i64 swap = limit_of(j, resources, "memory.swap", -1);
    i64 quota = limit_of(j, resources, "cpu.quota", -1);
    i64 period = limit_of(j, resources, "cpu.period", 0);
    i64 shares = limit_of(j, resources, "cpu.shares", 0);
    i64 pids = limit_of(j, resources, "pids.limit", -1);
    const char *cpus = text_of(j, resources, "cpu.cpus");
    const char *mems = text_of(j, resources, "cpu.mems");

    if (j->failed)
        return false;
    // A machine's memory is its own limit.
    if (c->process_mode && !limit_memory(c, limit, swap))
        return false;
    if (pids > 0 && !set_number(c, "pids", "pids.max", pids, NULL))
        return false;
    if (pids == -1 && !set(c, "pids", "pids.max", "max"))
        return false;
    return limit_cpu(c, quota, period, shares) && limit_cpuset(c, cpus, mems);
}

// --- freezing ----------------------------------------------------------------

static bool
is_frozen(const struct container *c)
{
    char text[256];

    if (control_is_unified())
        return get(place(c, "", "cgroup.events").text, text, sizeof(text)) &&
               strstr(text, "frozen 1") != NULL;
    return get(place(c, "freezer", "freezer.state").text, text, sizeof(text)) &&
           strncmp(text, "FROZEN", 6) == 0;
}

bool
control_frozen(const struct container *c)
{
    return is_frozen(c);
}

// Processes stop a little later.
bool
control_freeze(const struct container *c, bool frozen)
{
    enum { TRIES = 2000 };
    const struct timespec nap = {.tv_nsec = 1000000};
    bool unified = control_is_unified();

    for (u32 i = 0; i < TRIES; i++) {
        bool done = unified ? set(c, "", "cgroup.freeze", frozen ? "1" : "0") :
                              set(c, "freezer", "freezer.state",
                                  frozen ? "FROZEN" : "THAWED");
        if (!done)
            return false;
        if (is_frozen(c) == frozen)
            return true;
        nanosleep(&nap, NULL);
    }
    complain("the container does not %s", frozen ? "stop" : "go on");
    return false;
}

// --- processes ---------------------------------------------------------------

u32
control_list(const struct container *c, pid_t **pids)
{
    const char *from = control_is_unified() ? "" : "freezer";
    struct bytes file;
    u32 count = 0;

    *pids = NULL;
    if (file_load(place(c, from, "cgroup.procs").text, MIB, &file) != 0)
        return 0;
    *pids = calloc(file.size / 2 + 1, sizeof(**pids));
    assert(*pids != NULL);
    for (u64 at = 0; at < file.size; at++) {
        pid_t pid = 0;
        for (; at < file.size && file.ptr[at] != '\n'; at++)
            pid = pid * 10 + (file.ptr[at] - '0');
        if (pid > 0)
            (*pids)[count++] = pid;
    }
    free(file.ptr);
    return count;
}

// A group is busy for a moment after its last process.
static void
remove_one(const struct container *c, const char *controller)
{
    enum { TRIES = 500 };
    const struct timespec nap = {.tv_nsec = 1000000};
    struct place p = place(c, controller, "");

    for (u32 i = 0; i < TRIES && rmdir(p.text) != 0 && errno == EBUSY; i++)
        nanosleep(&nap, NULL);
}

void
control_remove(const struct container *c)
{
    if (c->cgroup[0] == 0)
        return;
    if (control_is_unified()) {
        remove_one(c, "");
        return;
    }
    for (u32 i = 0; i < COUNT(controllers); i++)
        remove_one(c, controllers[i]);
    remove_one(c, "cpuset");
}
