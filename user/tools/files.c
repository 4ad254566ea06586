// user/tools/files.c: tools that change what directories hold: cp, mv, rm,
// mkdir.

#include "tools.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024 };

// Call `each` with the path of every entry of a directory; the greatest result.
static int
for_entries(const char *path, int (*each)(const char *path, const void *self),
            const void *self)
{
    DIR *dir = opendir(path);
    int status = 0;

    if (dir == NULL)
        return fail(path);
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        char *entry = path_join(path, d->d_name);
        status |= each(entry, self);
        free(entry);
    }
    closedir(dir);
    return status;
}

static bool
is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

// --- cp ----------------------------------------------------------------------

static int copy(const char *from, const char *to, bool recursive);

static int
copy_bytes(int in, int out, const char *from, const char *to)
{
    static char bytes[CHUNK];
    ssize_t size;

    while ((size = read(in, bytes, sizeof(bytes))) > 0)
        for (ssize_t at = 0, part; at < size; at += part) {
            part = write(out, bytes + at, size - at);
            if (part < 0)
                return fail(to);
        }
    return size < 0 ? fail(from) : 0;
}

static int
copy_file(const char *from, const char *to)
{
    struct stat a, b;
    int in = open(from, O_RDONLY);

    if (in < 0)
        return fail(from);
    if (fstat(in, &a) == 0 && stat(to, &b) == 0 && a.st_dev == b.st_dev &&
        a.st_ino == b.st_ino) {
        close(in);
        return complain(from, "is the same file as the other");
    }
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int status = out < 0 ? fail(to) : copy_bytes(in, out, from, to);

    close(in);
    if (out >= 0 && close(out) != 0)
        status = fail(to);
    return status;
}

static int
copy_entry(const char *path, const void *to)
{
    char *target = path_join(to, last_name(path));
    int status = copy(path, target, true);

    free(target);
    return status;
}

// Would `path` be in the directory `dir`, or in one below it?
static bool
is_inside(const char *path, const char *dir)
{
    struct stat st, last = {0}, want;
    const char *name = last_name(path);
    char *at = name == path ? strdup(".") : strndup(path, name - path);
    bool inside = false;

    if (stat(dir, &want) != 0)
        want = last;
    while (at != NULL && !inside && stat(at, &st) == 0 &&
           (st.st_dev != last.st_dev || st.st_ino != last.st_ino)) {
        inside = st.st_dev == want.st_dev && st.st_ino == want.st_ino;
        last = st;
        char *outer = path_join(at, "..");
        free(at);
        at = outer;
    }
    free(at);
    return inside;
}

static int
copy(const char *from, const char *to, bool recursive)
{
    if (!is_dir(from))
        return copy_file(from, to);
    if (!recursive)
        return complain(from, "is a directory (-r copies it)");
    if (is_inside(to, from))
        return complain(from, "cannot be copied into itself");
    if (mkdir(to, 0777) != 0 && !(errno == EEXIST && is_dir(to)))
        return fail(to);
    return for_entries(from, copy_entry, to);
}

// Call `move` with each operand and what it becomes: the last one, or of the
// same name in the directory that the last one is.
static int
to_last(int argc, char **argv, int (*move)(const char *from, const char *to))
{
    if (argc - optind < 2)
        return misuse();
    const char *last = argv[argc - 1];
    bool dir = is_dir(last);
    int status = 0;
    if (argc - optind > 2 && !dir)
        return complain(last, "is not a directory");
    for (int i = optind; i < argc - 1; i++) {
        size_t size = strlen(argv[i]);
        while (size > 1 && argv[i][size - 1] == '/')
            argv[i][--size] = 0;
        char *to = dir ? path_join(last, last_name(argv[i])) : strdup(last);
        status |= move(argv[i], to);
        free(to);
    }
    return status;
}

static bool recursive, force;

static int
copy_one(const char *from, const char *to)
{
    return copy(from, to, recursive);
}

int
tool_cp(int argc, char **argv)
{
    for (int c; (c = getopt(argc, argv, "rR")) != -1;) {
        if (c == '?')
            return misuse();
        recursive = true;
    }
    return to_last(argc, argv, copy_one);
}

// --- mv ----------------------------------------------------------------------

static int
move_one(const char *from, const char *to)
{
    struct stat a, b;

    if (lstat(from, &a) == 0 && lstat(to, &b) == 0 && a.st_dev == b.st_dev &&
        a.st_ino == b.st_ino)
        return complain(from, "is the same file as the other");
    return rename(from, to) == 0 ? 0 : fail(from);
}

int
tool_mv(int argc, char **argv)
{
    if (getopt(argc, argv, "") != -1)
        return misuse();
    return to_last(argc, argv, move_one);
}

// --- rm ----------------------------------------------------------------------

static int
remove_path(const char *path, const void *self)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return force && errno == ENOENT ? 0 : fail(path);
    if (!S_ISDIR(st.st_mode))
        return unlink(path) == 0 ? 0 : fail(path);
    if (!recursive)
        return complain(path, "is a directory (-r removes it)");
    int status = for_entries(path, remove_path, self);
    if (status == 0 && rmdir(path) != 0)
        status = fail(path);
    return status;
}

int
tool_rm(int argc, char **argv)
{
    int status = 0;

    for (int c; (c = getopt(argc, argv, "frR")) != -1;) {
        if (c == '?')
            return misuse();
        force |= c == 'f';
        recursive |= c != 'f';
    }
    if (optind == argc)
        return force ? 0 : misuse();
    for (int i = optind; i < argc; i++) {
        const char *name = last_name(argv[i]);
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            status |= complain(argv[i], "is not removed");
        else
            status |= remove_path(argv[i], NULL);
    }
    return status;
}

// --- mkdir -------------------------------------------------------------------

static int
make_all(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(path, 0777) != 0 && !(errno == EEXIST && is_dir(path)) &&
            !is_dir(path))
            return fail(path);
        *slash = '/';
    }
    return mkdir(path, 0777) == 0 || is_dir(path) ? 0 : fail(path);
}

int
tool_mkdir(int argc, char **argv)
{
    bool parents = false;
    int status = 0;

    for (int c; (c = getopt(argc, argv, "p")) != -1;) {
        if (c == '?')
            return misuse();
        parents = true;
    }
    if (optind == argc)
        return misuse();
    for (int i = optind; i < argc; i++) {
        if (parents && argv[i][0] != 0)
            status |= make_all(argv[i]);
        else if (mkdir(argv[i], 0777) != 0)
            status |= fail(argv[i]);
    }
    return status;
}
