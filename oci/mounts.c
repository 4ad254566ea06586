// oci/mounts.c: what a container sees of files.  Its mounts are made by Linux
// in a namespace of its process, so that "read-only" is Linux's word and all is
// gone with the process.  The program sees the root and what is mounted there.
//
// No path of the image leads out: places are looked up inside of the root, and
// mounted on as they were found.

#include "oci/oci.h"

#include "port/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

// --- options -----------------------------------------------------------------

static const struct {
    const char *name;
    unsigned long set, clear;
} words[] = {
    {"ro",          MS_RDONLY,        0        },
    {"rw",          0,                MS_RDONLY},
    {"nosuid",      MS_NOSUID,        0        },
    {"suid",        0,                MS_NOSUID},
    {"nodev",       MS_NODEV,         0        },
    {"dev",         0,                MS_NODEV },
    {"noexec",      MS_NOEXEC,        0        },
    {"exec",        0,                MS_NOEXEC},
    {"noatime",     MS_NOATIME,       0        },
    {"relatime",    MS_RELATIME,      0        },
    {"strictatime", MS_STRICTATIME,   0        },
    {"sync",        MS_SYNCHRONOUS,   0        },
    {"bind",        MS_BIND,          0        },
    {"rbind",       MS_BIND | MS_REC, 0        },
};

// How mounts spread is no question where nobody mounts.
static bool
is_spread(const char *word)
{
    static const char *const spread[] = {"private",    "rprivate",   "shared",
                                         "rshared",    "slave",      "rslave",
                                         "unbindable", "runbindable"};

    for (u32 i = 0; i < COUNT(spread); i++)
        if (strcmp(word, spread[i]) == 0)
            return true;
    return false;
}

struct mount_spec {
    const char *type, *source, *to;
    unsigned long flags;
    char data[1024]; // options of the file system
};

static bool
take_word(struct mount_spec *m, const char *word)
{
    for (u32 i = 0; i < COUNT(words); i++) {
        if (strcmp(word, words[i].name) != 0)
            continue;
        m->flags = (m->flags | words[i].set) & ~words[i].clear;
        return true;
    }
    if (is_spread(word))
        return true;
    size_t len = strlen(m->data);
    return (u64)snprintf(m->data + len, sizeof(m->data) - len, "%s%s",
                         len > 0 ? "," : "", word) < sizeof(m->data) - len;
}

static bool
read_mount(struct json *j, const cJSON *at, struct mount_spec *m)
{
    const cJSON *item, *options = json_find(j, at, "options", JSON_LIST);
    const cJSON *type = json_find(j, at, "type", JSON_TEXT);
    const cJSON *source = json_find(j, at, "source", JSON_TEXT);

    *m = (struct mount_spec){.to = json_text(j, at, "destination")};
    m->type = type != NULL ? type->valuestring : "bind";
    m->source = source != NULL ? source->valuestring : "";
    if (!json_texts(j, options, "mounts.options"))
        return false;
    cJSON_ArrayForEach (item, options)
        if (!take_word(m, item->valuestring))
            json_refuse(j, "mounts.options", "too long");
    if (strcmp(m->type, "bind") == 0 || strcmp(m->type, "rbind") == 0)
        m->flags |= MS_BIND;
    if (!j->failed && m->to[0] != '/')
        json_refuse(j, "mounts.destination", "not an absolute path");
    return !j->failed;
}

// What only a program of Linux has a use for, and /proc is a way out.
static bool
is_of_linux(const struct mount_spec *m)
{
    static const char *const types[] = {"proc",    "sysfs",   "devpts",
                                        "mqueue",  "cgroup",  "cgroup2",
                                        "debugfs", "tracefs", "securityfs"};

    for (u32 i = 0; i < COUNT(types); i++)
        if (strcmp(m->type, types[i]) == 0)
            return true;
    return false;
}

// --- places ------------------------------------------------------------------

static int
open_inside(int root, const char *path, u64 flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};

    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

// Make one step of a path that is not there yet.
static bool
make_step(int root, const char *path, bool is_dir)
{
    char above[PATH_SIZE];

    snprintf(above, sizeof(above), "%s", path);
    char *slash = strrchr(above, '/');
    *slash = 0;
    int dir =
        open_inside(root, above[0] != 0 ? above : "/", O_PATH | O_DIRECTORY);
    if (dir < 0)
        return false;
    bool made = false;
    if (is_dir) {
        made = mkdirat(dir, slash + 1, 0755) == 0 || errno == EEXIST;
    } else {
        int fd = openat(dir, slash + 1, O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        made = fd >= 0 || errno == EEXIST;
        if (fd >= 0)
            close(fd);
    }
    close(dir);
    return made;
}

// Where something is mounted, which is made where it is missing; -1: with
// errno.
static int
open_place(int root, const char *path, bool is_dir)
{
    char part[PATH_SIZE];
    int fd = open_inside(root, path, O_PATH);

    if (fd >= 0 || errno != ENOENT || strlen(path) >= sizeof(part))
        return fd;
    strcpy(part, path);
    for (size_t len = strlen(part); len > 1 && part[len - 1] == '/'; len--)
        part[len - 1] = 0;
    for (char *at = part + 1; *at != 0; at++) {
        if (*at != '/')
            continue;
        *at = 0;
        int step = open_inside(root, part, O_PATH);
        if (step < 0 && !make_step(root, part, true))
            return -1;
        if (step >= 0)
            close(step);
        *at = '/';
    }
    return make_step(root, part, is_dir) ? open_inside(root, part, O_PATH) : -1;
}

// --- mounting ----------------------------------------------------------------

// A bind mount takes flags when it is there.
static bool
limit_bind(int root, const struct mount_spec *m)
{
    unsigned long flags = m->flags & ~(unsigned long)(MS_BIND | MS_REC);

    if (flags == 0)
        return true;
    int fd = open_inside(root, m->to, O_PATH);
    bool done = fd >= 0 && mount(NULL, fd_path(fd).text, NULL,
                                 MS_REMOUNT | MS_BIND | flags, NULL) == 0;
    if (fd >= 0)
        close(fd);
    return done;
}

// Whoever may write into /proc leaves the sandbox by /proc/self/mem.
static bool
is_proc(const char *path)
{
    struct statfs fs;

    return statfs(path, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

static bool
mount_one(const struct spec *s, int root, const struct mount_spec *m)
{
    char source[2 * PATH_SIZE];
    bool bind = (m->flags & MS_BIND) != 0;
    struct stat st;

    snprintf(source, sizeof(source), "%s%s%s",
             bind && m->source[0] != '/' ? s->bundle : "",
             bind && m->source[0] != '/' ? "/" : "", m->source);
    if (bind && stat(source, &st) != 0)
        return complain("mount %s: %s", source, strerror(errno)), false;
    if (bind && is_proc(source))
        return complain("mount %s: a program may not have what is in /proc",
                        source),
               false;
    int fd = open_place(root, m->to, !bind || S_ISDIR(st.st_mode));
    bool done = fd >= 0 &&
                mount(source, fd_path(fd).text, bind ? NULL : m->type,
                      bind ? m->flags & (MS_BIND | MS_REC) : m->flags,
                      bind ? NULL : m->data) == 0 &&
                (!bind || limit_bind(root, m));
    if (!done)
        complain("mount %s at %s: %s", bind ? source : m->type, m->to,
                 strerror(errno));
    if (fd >= 0)
        close(fd);
    return done;
}

static bool
mount_all(struct spec *s, int root)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, s->mounts) {
        struct mount_spec m;
        if (!read_mount(&s->json, item, &m))
            return false;
        if (!is_of_linux(&m) && !mount_one(s, root, &m))
            return false;
    }
    return true;
}

// After what is mounted there has its place.
static bool
close_root(const struct spec *s)
{
    return !s->read_only || mount(NULL, s->rootfs, NULL,
                                  MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0;
}

// Is there one that is no other file system of Linux's own?  What is wrong is
// found when it is mounted.
static bool
has_mounts(const struct spec *s)
{
    const cJSON *item;

    cJSON_ArrayForEach (item, s->mounts) {
        struct mount_spec m = {.type = ""};
        const cJSON *type = cJSON_GetObjectItemCaseSensitive(item, "type");
        if (cJSON_IsString(type))
            m.type = type->valuestring;
        if (!is_of_linux(&m))
            return true;
    }
    return false;
}

bool
mounts_make(struct spec *s)
{
    if (!s->read_only && !has_mounts(s))
        return true;
    // The root is a mount, below which ours are.
    if (unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) != 0 ||
        mount(s->rootfs, s->rootfs, NULL, MS_BIND | MS_REC, NULL) != 0)
        return complain("mount namespace: %s", strerror(errno)), false;
    int root = open(s->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool done = root >= 0 && mount_all(s, root);
    if (root >= 0)
        close(root);
    if (!done)
        return false;
    if (!close_root(s))
        return complain("%s: %s", s->rootfs, strerror(errno)), false;
    return true;
}
