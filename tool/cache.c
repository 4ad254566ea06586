// tool/cache.c: a directory with code files of modules that were run before.
//
//     KEY.neb         the code file of a module; KEY is a digest of the
//                     module's and of all that its code depends on: compiler,
//                     CPU, checks
//     DEV-INODE.seen  what a file was when its module's digest was taken: a
//                     module's, or KEY.neb, so that it need not be read again
//     new-PID-N       what is not written to its end yet
//
// It is the user's alone, and so is every file in it that is looked at; links
// are not followed, and other files are left alone.  A code file that is not as
// it was seen is read whole: it has to be whole, of this compiler, for this CPU
// and of a module with that digest.  What is wrong is removed and made again.
// (Machine code from here is judged by the verifier like all other.)
//
// What was used least lately goes first when there is more than the limit.  All
// is written under a name of its own and renamed, so that several commands may
// use one directory at once.

#include "tool/cache.h"

#include "code/code.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    LIMIT_MIB = 1024, // of all files, when $NEBULET_CACHE_MIB says nothing
    LINE = 256 + 4096,
    SETTLED_S = 2, // some file systems note times no finer
};

#define SEEN "%llx %llx %llx %lld.%09ld "

// --- the directory -----------------------------------------------------------

// The user's directory, in *base, which may have to be made first; false: there
// is none.
static bool
default_path(char *path, u64 size, char *base)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

    if (xdg != NULL && xdg[0] == '/')
        snprintf(base, size, "%s", xdg);
    else if (home != NULL && home[0] == '/')
        snprintf(base, size, "%s/.cache", home);
    else
        return false;
    return (u64)snprintf(path, size, "%s/nebulet", base) < size;
}

// Why a directory cannot be used, or NULL.
static const char *
open_dir(struct cache *c)
{
    struct stat st;

    if (mkdir(c->path, 0700) != 0 && errno != EEXIST)
        return strerror(errno);
    c->dir = open(c->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (c->dir < 0)
        return errno == ELOOP || errno == ENOTDIR ? "it is no directory" :
                                                    strerror(errno);
    if (fstat(c->dir, &st) != 0)
        return strerror(errno);
    if (st.st_uid != geteuid())
        return "the directory is somebody else's";
    if ((st.st_mode & 077) != 0)
        return "others may use the directory (chmod 700 helps)";
    return NULL;
}

bool
cache_open(struct cache *c, const char *where)
{
    char base[sizeof(c->path)] = "";

    *c = (struct cache){.dir = -1};
    if (where == NULL)
        where = getenv("NEBULET_CACHE");
    if (where != NULL && strcmp(where, "off") == 0)
        return false;
    if (where != NULL && where[0] != 0)
        snprintf(c->path, sizeof(c->path), "%s", where);
    else if (!default_path(c->path, sizeof(c->path), base))
        return false;
    if (base[0] != 0)
        mkdir(base, 0700); // where that fails, so does the next
    const char *why = open_dir(c);
    if (why == NULL)
        return true;
    complain("note: %s: %s: no cache", c->path, why);
    cache_close(c);
    return false;
}

void
cache_close(struct cache *c)
{
    if (c->dir >= 0)
        close(c->dir);
    c->dir = -1;
}

// --- files -------------------------------------------------------------------

// A file of ours; -1: there is none.
static int
open_file(const struct cache *c, const char *name, struct stat *st)
{
    int fd = openat(c->dir, name,
                    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode) &&
        st->st_uid == geteuid() && (st->st_mode & 077) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool
write_all(int fd, struct bytes bytes)
{
    while (bytes.size > 0) {
        ssize_t n = write(fd, bytes.ptr, bytes.size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes.ptr += n;
        bytes.size -= (u64)n;
    }
    return true;
}

// *st is what it became.  False: as if it had not been tried.
static bool
write_file(const struct cache *c, const char *name, struct bytes bytes,
           struct stat *st)
{
    static u32 number;
    char fresh[64];

    snprintf(fresh, sizeof(fresh), "new-%d-%u", (int)getpid(), number++);
    int fd = openat(c->dir, fresh,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool done = write_all(fd, bytes) && fdatasync(fd) == 0 &&
                renameat(c->dir, fresh, c->dir, name) == 0 &&
                fstat(fd, st) == 0;
    if (!done)
        unlinkat(c->dir, fresh, 0);
    close(fd);
    return done;
}

// --- what was seen -----------------------------------------------------------

static void
seen_name(char to[NAME_MAX], const struct stat *st)
{
    snprintf(to, NAME_MAX, "%llx-%llx.seen", (unsigned long long)st->st_dev,
             (unsigned long long)st->st_ino);
}

// All of a line that tells a file from what it was and will be.
static u64
seen_line(char *to, u64 size, const struct stat *st)
{
    return (u64)snprintf(to, size, SEEN, (unsigned long long)st->st_dev,
                         (unsigned long long)st->st_ino,
                         (unsigned long long)st->st_size,
                         (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

void
cache_note(const struct cache *c, const struct stat *st,
           const struct digest *digest, const char *path)
{
    char name[NAME_MAX], line[LINE], text[DIGEST_TEXT];
    struct stat made;

    seen_name(name, st);
    u64 len = seen_line(line, sizeof(line), st);
    digest_text(text, digest);
    len += (u64)snprintf(line + len, sizeof(line) - len, "%s %s\n", text,
                         base_name(path));
    // Without it, it is read again.
    (void)write_file(c, name, (struct bytes){(u8 *)line, MIN(len, LINE - 1ull)},
                     &made);
}

// The line about a file in `line`; what follows the part that identifies it, or
// NULL: it was not seen as it is.
static const char *
seen(const struct cache *c, const struct stat *st, char line[LINE])
{
    char name[NAME_MAX], want[LINE];
    struct stat of_line;

    seen_name(name, st);
    int fd = open_file(c, name, &of_line);
    if (fd < 0)
        return NULL;
    ssize_t got = read(fd, line, LINE - 1);
    u64 len = seen_line(want, sizeof(want), st);
    line[MAX(got, 0)] = 0;
    close(fd);
    bool same =
        strncmp(line, want, len) == 0 && strlen(line + len) > DIGEST_TEXT;
    return same ? line + len : NULL;
}

bool
cache_seen(const struct cache *c, const struct stat *st, struct digest *digest)
{
    char line[LINE];
    const char *text = seen(c, st, line);
    char name[NAME_MAX];
    unsigned byte;

    for (u32 i = 0; i < sizeof(digest->bytes) && text != NULL; i++) {
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            return false;
        digest->bytes[i] = (u8)byte;
    }
    seen_name(name, st);
    if (text != NULL) // it is used now
        utimensat(c->dir, name, NULL, AT_SYMLINK_NOFOLLOW);
    return text != NULL;
}

bool
cache_settled(const struct stat *st)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return st->st_ctim.tv_sec + SETTLED_S < now.tv_sec;
}

// --- code files --------------------------------------------------------------

static void
key_name(char to[NAME_MAX], const struct digest *module, u32 features)
{
    struct {
        struct digest module;
        u64 compiler;
        u32 features, checked;
    } all = {*module, code_compiler, features, CHECKED};
    struct digest key = digest_of((struct bytes){(u8 *)&all, sizeof(all)});

    digest_text(to, &key);
    strcat(to, ".neb");
}

// Is that what was asked for?  Reads all of it.
static bool
is_right(struct bytes image, const struct digest *module, u32 features)
{
    struct error error = {OK, 0, NULL};
    struct code_file f;

    if (code_file_open(&f, image, features, NULL, &error) != OK)
        return false;
    struct digest digest = digest_of(f.module);
    return memcmp(&digest, module, sizeof(digest)) == 0;
}

bool
cache_get(const struct cache *c, const struct digest *module, u32 features,
          const char *path, struct bytes *image)
{
    char name[NAME_MAX];
    struct digest digest;
    struct stat st;

    key_name(name, module, features);
    int fd = open_file(c, name, &st);
    if (fd < 0)
        return false;
    void *at = mmap(NULL, MAX((u64)st.st_size, 1), PROT_READ,
                    MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    *image = (struct bytes){at, (u64)st.st_size};
    if (at == MAP_FAILED)
        return false;
    if (cache_seen(c, &st, &digest) &&
        memcmp(&digest, module, sizeof(digest)) == 0)
        return true;
    if (is_right(*image, module, features)) {
        cache_note(c, &st, module, path);
        return true;
    }
    complain("note: %s/%s: it is damaged, and made again", c->path, name);
    unlinkat(c->dir, name, 0);
    munmap(at, MAX(image->size, 1));
    return false;
}

void
cache_put(const struct cache *c, const struct digest *module, u32 features,
          const char *path, struct bytes image)
{
    char name[NAME_MAX];
    struct stat st;

    if (image.size > cache_limit())
        return;
    key_name(name, module, features);
    if (write_file(c, name, image, &st)) {
        cache_note(c, &st, module, path);
        cache_trim(c, cache_limit());
    } else {
        complain("note: %s: %s: not kept", c->path, strerror(errno));
    }
}

// --- all of them -------------------------------------------------------------

u64
cache_limit(void)
{
    const char *text = getenv("NEBULET_CACHE_MIB");
    char *end = NULL;
    u64 mib = text != NULL ? strtoul(text, &end, 10) : LIMIT_MIB;

    if (end != NULL && (end == text || *end != 0 || mib > UINT64_MAX / MIB))
        mib = LIMIT_MIB;
    return mib * MIB;
}

// Is a name one of ours?  Not of others', who may not have chosen it for us.
static bool
is_ours(const char *name)
{
    u64 hex = strspn(name, "0123456789abcdef");

    if (name[hex] == '-')
        return hex > 0 && strcmp(name + hex + 1 +
                                     strspn(name + hex + 1, "0123456789abcdef"),
                                 ".seen") == 0;
    if (strncmp(name, "new-", 4) == 0)
        return name[4 + strspn(name + 4, "0123456789-")] == 0;
    return hex == DIGEST_TEXT - 1 && strcmp(name + hex, ".neb") == 0;
}

static i64
ns_of(const struct timespec *t)
{
    return (i64)t->tv_sec * 1000000000 + t->tv_nsec;
}

// What is known of one that has this name, if it is a file of ours.
static bool
look_at(const struct cache *c, const char *name, struct cached *out)
{
    struct stat st, of_line;
    char other[NAME_MAX], line[LINE];

    if (!is_ours(name))
        return false;
    int fd = open_file(c, name, &st);
    if (fd < 0)
        return false;
    close(fd);
    *out = (struct cached){.size = MAX((u64)st.st_size, 4096ull),
                           .used_ns = ns_of(&st.st_mtim),
                           .is_image = path_ends_in(name, ".neb")};
    snprintf(out->name, sizeof(out->name), "%s", name);
    if (!out->is_image)
        return true;
    seen_name(other, &st);
    if (fstatat(c->dir, other, &of_line, AT_SYMLINK_NOFOLLOW) == 0)
        out->used_ns = ns_of(&of_line.st_mtim);
    const char *text = seen(c, &st, line);
    if (text != NULL)
        snprintf(out->module, sizeof(out->module), "%.*s",
                 (int)strcspn(text + DIGEST_TEXT, "\n"), text + DIGEST_TEXT);
    return true;
}

static int
by_use(const void *a, const void *b)
{
    i64 x = ((const struct cached *)a)->used_ns;
    i64 y = ((const struct cached *)b)->used_ns;

    return (x > y) - (x < y);
}

u32
cache_list(const struct cache *c, struct cached **out)
{
    int fd = openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    struct buffer list = {0};
    struct cached item;
    struct dirent *e;

    while (dir != NULL && (e = readdir(dir)) != NULL)
        if (look_at(c, e->d_name, &item))
            buffer_put(&list, &item, sizeof(item));
    if (dir != NULL)
        closedir(dir);
    *out = (struct cached *)list.ptr;
    u32 count = (u32)(list.size / sizeof(item));
    if (count > 0)
        qsort(*out, count, sizeof(item), by_use);
    return count;
}

u32
cache_trim(const struct cache *c, u64 limit)
{
    struct cached *list;
    u32 count = cache_list(c, &list), gone = 0;
    u64 size = 0;

    for (u32 i = 0; i < count; i++)
        size += list[i].size;
    for (u32 i = 0; i < count && size > limit; i++) {
        size -= list[i].size;
        gone += unlinkat(c->dir, list[i].name, 0) == 0 && list[i].is_image;
    }
    free(list);
    return gone;
}
