// tool/sysroot.c: `nebulet sysroot DIR`: what clang wants of --sysroot: headers
// and archives of Nebulet's libraries in C, in front of those of Debian's
// wasi-libc, which are links.
//
//     include/wasm32-wasi/   ours, which include those of the same name in
//     include/               Debian's
//     lib/wasm32-wasi/       both; ours where a name is in both
//     *.cfg                  flags for `clang --config`, with the place of DIR

#include "tool/tool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLACE       "@DIR@"
#define CXX_HEADERS "/usr/lib/llvm-14/include/wasm32-wasi"

enum { PATH_SIZE = 4096 + 512 };

// Where Debian's packages have what a folder gets links to.
static const struct {
    const char *from, *to, *package;
} links[] = {
    {"/usr/include/wasm32-wasi", "include",         "wasi-libc"},
    {"/usr/lib/wasm32-wasi",     "lib/wasm32-wasi", "wasi-libc"},
    {CXX_HEADERS,                "include",         NULL       },
};

static bool
fail(const char *path)
{
    complain("%s: %s", path, strerror(errno));
    return false;
}

static bool
make_dir(const char *path)
{
    return mkdir(path, 0777) == 0 || errno == EEXIST || fail(path);
}

// Written anew, so that what it was a link to stays as it is.
static bool
write_new(const char *path, struct bytes bytes)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *file = fd >= 0 ? fdopen(fd, "wb") : NULL;
    bool done =
        file != NULL && fwrite(bytes.ptr, 1, bytes.size, file) == bytes.size;

    if (file != NULL)
        done = fclose(file) == 0 && done;
    return done || fail(path);
}

// With the absolute path of the directory for each PLACE.
static struct bytes
put_place(struct bytes text, const char *dir)
{
    struct buffer out = {0};
    const u8 *found;

    while ((found = memmem(text.ptr, text.size, PLACE, strlen(PLACE)))) {
        u64 before = (u64)(found - text.ptr);
        buffer_put(&out, text.ptr, before);
        buffer_put(&out, dir, strlen(dir));
        text.ptr += before + strlen(PLACE);
        text.size -= before + strlen(PLACE);
    }
    buffer_put(&out, text.ptr, text.size);
    return (struct bytes){out.ptr, out.size};
}

static bool
copy_file(const char *from, const char *to, const char *dir)
{
    struct bytes bytes = file_read(from);

    if (bytes.ptr == NULL)
        return false;
    bool is_flags = path_ends_in(from, ".cfg");
    struct bytes made = is_flags ? put_place(bytes, dir) : bytes;
    bool done = write_new(to, made);
    if (is_flags)
        free(made.ptr);
    free(bytes.ptr);
    return done;
}

// --- folders -----------------------------------------------------------------

// Do something with each name of a folder, its path and the one in the other.
static bool
each(const char *from, const char *to, const char *dir,
     bool (*use)(const char *from, const char *to, const char *dir))
{
    char a[PATH_SIZE], b[PATH_SIZE];
    DIR *names = opendir(from);
    struct dirent *e;
    bool done = names != NULL || fail(from);

    while (done && (e = readdir(names)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(a, sizeof(a), "%s/%s", from, e->d_name);
        snprintf(b, sizeof(b), "%s/%s", to, e->d_name);
        done = use(a, b, dir);
    }
    if (names != NULL)
        closedir(names);
    return done;
}

static bool
copy(const char *from, const char *to, const char *dir)
{
    struct stat st;

    if (stat(from, &st) != 0)
        return fail(from);
    if (!S_ISDIR(st.st_mode))
        return copy_file(from, to, dir);
    return make_dir(to) && each(from, to, dir, copy);
}

// Where there is a file of that name, it is ours.
static bool
make_link(const char *from, const char *to, const char *dir)
{
    struct stat st;

    (void)dir;
    if (lstat(to, &st) == 0 && !S_ISLNK(st.st_mode))
        return true;
    unlink(to);
    return symlink(from, to) == 0 || fail(to);
}

static bool
make_links(const char *dir)
{
    char to[PATH_SIZE];

    for (u32 i = 0; i < COUNT(links); i++) {
        snprintf(to, sizeof(to), "%s/%s", dir, links[i].to);
        if (access(links[i].from, R_OK) != 0) {
            if (links[i].package == NULL)
                continue;
            complain("%s: it is not there (Debian package %s)", links[i].from,
                     links[i].package);
            return false;
        }
        if (!each(links[i].from, to, dir, make_link))
            return false;
    }
    return true;
}

static bool
make_sysroot(const char *where)
{
    char path[4096], dir[4096];
    const char *from = kernel_path("sysroot", path, sizeof(path));

    if (access(from, R_OK) != 0) {
        complain("%s: it is not there (build it with `make`)", from);
        return false;
    }
    if (!make_dir(where))
        return false;
    if (realpath(where, dir) == NULL)
        return fail(where);
    return copy(from, dir, dir) && make_links(dir);
}

static int
run(struct words words)
{
    struct words given;
    int status = options_read(&command_sysroot, NULL, words, &given);

    if (status != OPTIONS_READ)
        return status;
    if (given.count == 0)
        return misuse(&command_sysroot, "no directory given");
    if (given.count > 1)
        return misuse(&command_sysroot, "%s: one too many", given.list[1]);
    return make_sysroot(given.list[0]) ? 0 : 1;
}

const struct command command_sysroot = {
    .name = "sysroot",
    .operands = "DIR",
    .summary = "make a directory for clang's --sysroot: threads and more in C",
    .text =
        "Makes DIR, or renews it: headers and archives for C programs, with "
        "what Debian's\nwasi-libc lacks: POSIX threads, setjmp, posix_spawn "
        "and pipes, and the kernel's\nown calls (nebulet.h, sip.h).",
    .notes =
        "clang takes the flags of each from DIR: --config DIR/threads.cfg,\n"
        "DIR/setjmp.cfg or DIR/posix.cfg.",
    .examples = "nebulet sysroot sysroot\n"
                "nebulet sysroot sysroot && clang --config sysroot/threads.cfg "
                "threads.c -o threads.wasm && nebulet run threads.wasm",
    .run = run,
};
