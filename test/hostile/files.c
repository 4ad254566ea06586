// test/hostile/files.c: SEED COUNT: so many calls of WASI on files, with random
// paths through directories, links and dots, on random descriptors, in the
// directory that is open as /w.  All that is in it was written by us: a file
// that says OUTSIDE is one that we must not reach.  Ends with status 0 after a
// line of how many calls succeeded.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

enum { KEPT = 40, TEXT = 400 };

static uint64_t state;
static __wasi_fd_t kept[KEPT];
static long good, calls;

static uint32_t
below(uint32_t most)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % most;
}

// A path of up to some components; what leads nowhere and out is among them.
static void
make_path(char *to)
{
    static const char *const words[] = {
        "a",  "b", "c", "a", "b",  "c",   "d",   "e",    "l",    "m",    "..",
        "..", ".", "",  "/", "a/", "..a", "...", "\xff", "a\nb", "proc", "etc"};
    uint32_t count = 1 + below(5);

    *to = 0;
    if (below(50) == 0)
        strcat(to, "/");
    while (count-- > 0) {
        strcat(to, words[below(sizeof(words) / sizeof(*words))]);
        if (count > 0 || below(8) == 0)
            strcat(to, "/");
    }
    if (below(300) == 0)
        memset(to, 'n', TEXT - 10), to[250 + below(20)] = 0;
}

static __wasi_fd_t
some_fd(void)
{
    return below(30) == 0 ? below(60) : kept[below(KEPT)];
}

static void
count(__wasi_errno_t error)
{
    calls++;
    good += error == 0;
}

static void
look(const uint8_t *text, size_t size)
{
    for (size_t i = 0; i + 7 <= size; i++)
        if (memcmp(text + i, "OUTSIDE", 7) == 0) {
            printf("read what is outside\n");
            exit(1);
        }
}

static void
open_some(void)
{
    char path[TEXT];
    __wasi_fd_t fd;

    make_path(path);
    __wasi_errno_t error =
        __wasi_path_open(some_fd(), below(2), path, (__wasi_oflags_t)below(16),
                         below(2) ? ~0ull : __WASI_RIGHTS_FD_READ, ~0ull,
                         below(4) ? 0 : (__wasi_fdflags_t)below(32), &fd);
    count(error);
    if (error != 0)
        return;
    uint32_t at = 1 + below(KEPT - 1);
    if (kept[at] != kept[0])
        count(__wasi_fd_close(kept[at]));
    kept[at] = fd;
}

static void
read_some(void)
{
    uint8_t buffer[200];
    __wasi_iovec_t vector = {buffer, sizeof(buffer)};
    __wasi_size_t size = 0;
    __wasi_errno_t error =
        below(2) ? __wasi_fd_read(some_fd(), &vector, 1, &size) :
                   __wasi_fd_pread(some_fd(), &vector, 1, below(300), &size);

    count(error);
    if (error == 0)
        look(buffer, size);
}

static void
write_some(void)
{
    static const uint8_t text[] = "inside, written by us";
    __wasi_ciovec_t vector = {text, 1 + below(sizeof(text) - 1)};
    __wasi_size_t size;

    count(below(2) ?
              __wasi_fd_write(some_fd(), &vector, 1, &size) :
              __wasi_fd_pwrite(some_fd(), &vector, 1, below(100000), &size));
}

static void
change_names(void)
{
    char from[TEXT], to[TEXT];
    __wasi_fd_t a = some_fd(), b = some_fd();

    make_path(from);
    make_path(to);
    switch (below(8)) {
    case 0:
    case 1:
        count(__wasi_path_create_directory(a, from));
        break;
    case 2:
        count(__wasi_path_rename(a, from, b, to));
        break;
    case 3:
        count(__wasi_path_link(a, 0, from, b, to));
        break;
    case 4:
    case 5:
        count(__wasi_path_symlink(to, a, from));
        break;
    case 6:
        count(__wasi_path_unlink_file(a, from));
        break;
    default:
        count(__wasi_path_remove_directory(a, from));
    }
}

static void
look_at_names(void)
{
    __wasi_filestat_t stat;
    __wasi_size_t size = 0;
    uint8_t buffer[500];
    char path[TEXT];

    make_path(path);
    switch (below(5)) {
    case 0:
        count(__wasi_path_filestat_get(some_fd(), below(2), path, &stat));
        break;
    case 1:
        count(__wasi_path_readlink(some_fd(), path, buffer, sizeof(buffer),
                                   &size));
        break;
    case 2:
        count(__wasi_path_filestat_set_times(some_fd(), below(2), path,
                                             below(1000), below(1000),
                                             (__wasi_fstflags_t)below(16)));
        break;
    case 3:
        count(__wasi_fd_readdir(some_fd(), buffer, below(sizeof(buffer)),
                                below(3) ? 0 : below(50), &size));
        break;
    default:
        count(__wasi_fd_filestat_get(some_fd(), &stat));
    }
}

static void
change_file(void)
{
    __wasi_filesize_t at;
    __wasi_fdstat_t stat;

    switch (below(7)) {
    case 0:
        count(__wasi_fd_filestat_set_size(some_fd(), below(100000)));
        break;
    case 1:
        count(__wasi_fd_allocate(some_fd(), below(1000), below(100000)));
        break;
    case 2:
        count(below(2) ? __wasi_fd_sync(some_fd()) :
                         __wasi_fd_datasync(some_fd()));
        break;
    case 3:
        count(__wasi_fd_seek(some_fd(), (int64_t)below(100) - 50,
                             (uint8_t)below(4), &at));
        break;
    case 4:
        count(__wasi_fd_filestat_set_times(some_fd(), below(1000), below(1000),
                                           (__wasi_fstflags_t)below(16)));
        break;
    case 5:
        count(
            __wasi_fd_fdstat_set_flags(some_fd(), (__wasi_fdflags_t)below(32)));
        break;
    default:
        count(__wasi_fd_fdstat_get(some_fd(), &stat));
    }
}

// The descriptor of /w, which is never given up.
static __wasi_fd_t
find_directory(void)
{
    char name[100] = "";
    __wasi_prestat_t prestat;
    __wasi_fd_t fd = 3;

    while (__wasi_fd_prestat_get(fd, &prestat) == 0) {
        if (__wasi_fd_prestat_dir_name(fd, (uint8_t *)name, sizeof(name)) ==
                0 &&
            strcmp(name, "/w") == 0)
            return fd;
        memset(name, 0, sizeof(name));
        fd++;
    }
    exit(2);
}

int
main(int argc, char **argv)
{
    static void (*const acts[])(void) = {
        open_some,    open_some,    open_some,     read_some,   write_some,
        change_names, change_names, look_at_names, change_file,
    };
    long most = argc == 3 ? atol(argv[2]) : 0;

    if (most <= 0)
        return 2;
    state = 88172645463325252ull + strtoull(argv[1], NULL, 10) * 7919;
    kept[0] = find_directory();
    for (int i = 1; i < KEPT; i++)
        kept[i] = kept[0];
    while (calls < most)
        acts[below(sizeof(acts) / sizeof(*acts))]();
    printf("%ld of %ld calls succeeded\n", good, calls);
    return 0;
}
