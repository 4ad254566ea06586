// test/command/programs/deaths.c: does each thing that there is with files
// of a server that dies in the middle of it (mortal.c), in the directory that
// its argument names: that is an error, EIO, at once; what
// was open stays one; and paths work again when another has started.  Prints
// what was otherwise, and "N deaths".

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_NS = 10000000, LOOKS = 6000 }; // a minute of them

static int file = -1; // open, with the contents "hello"
static DIR *dir;      // open

static bool
do_lookup(void)
{
    struct stat st;

    return stat("f", &st) == 0;
}

static bool
do_create(void)
{
    int fd = open("new", O_CREAT | O_EXCL | O_RDWR, 0666);

    return fd >= 0 && close(fd) == 0;
}

static bool
do_directory(void)
{
    return mkdir("sub", 0777) == 0;
}

static bool
do_symlink(void)
{
    return symlink("f", "soft") == 0;
}

static bool
do_link(void)
{
    return link("f", "hard") == 0;
}

static bool
do_remove(void)
{
    return unlink("old") == 0;
}

static bool
do_rename(void)
{
    return rename("old", "older") == 0;
}

static bool
do_open(void)
{
    int fd = open("f", O_RDWR);

    return fd >= 0 && close(fd) == 0;
}

static bool
do_stat(void)
{
    struct stat st;

    return fstat(file, &st) == 0;
}

static bool
do_list(void)
{
    rewinddir(dir); // opening it has read ahead
    errno = 0;
    while (readdir(dir) != NULL)
        ;
    return errno == 0;
}

static bool
do_target(void)
{
    char text[10];

    return readlink("s", text, sizeof(text)) == 1;
}

static bool
do_read(void)
{
    char text[10];

    return pread(file, text, sizeof(text), 0) > 0;
}

static bool
do_write(void)
{
    return pwrite(file, "hello", 5, 0) == 5;
}

static bool
do_append(void)
{
    int fd = open("f", O_WRONLY | O_APPEND);
    bool done = fd >= 0 && write(fd, "more", 4) == 4;

    if (fd >= 0)
        close(fd);
    return done;
}

static bool
do_set_size(void)
{
    return ftruncate(file, 5) == 0;
}

static bool
do_set_times(void)
{
    struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 2}};

    return futimens(file, times) == 0;
}

static bool
do_sync(void)
{
    return fsync(file) == 0;
}

// In the order of NEBULET_FILE_..., from 2 on.
static const struct {
    const char *name;
    bool (*act)(void);
} acts[] = {
    {"lookup",    do_lookup   },
    {"open",      do_open     },
    {"create",    do_create   },
    {"directory", do_directory},
    {"symlink",   do_symlink  },
    {"link",      do_link     },
    {"remove",    do_remove   },
    {"rename",    do_rename   },
    {"target",    do_target   },
    {"read",      do_read     },
    {"write",     do_write    },
    {"append",    do_append   },
    {"stat",      do_stat     },
    {"set size",  do_set_size },
    {"set times", do_set_times},
    {"list",      do_list     },
    {"sync",      do_sync     },
};

static int failures;

static void
expect(bool so, const char *act, int after, const char *what)
{
    if (so)
        return;
    printf("%s, %s: %s: %s\n", act, after ? "done" : "not done", what,
           strerror(errno));
    failures++;
}

// Until there is somebody who serves it.
static bool
wait_for_server(void)
{
    struct stat st;
    struct timespec nap = {.tv_nsec = PATIENCE_NS};

    for (int i = 0; i < LOOKS; i++) {
        if (stat(".", &st) == 0)
            return true;
        if (errno != EIO)
            return false;
        nanosleep(&nap, NULL);
    }
    return false;
}

static bool
put(const char *name)
{
    int fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0666);

    return fd >= 0 && write(fd, "hello", 5) == 5 && fsync(fd) == 0 &&
           close(fd) == 0;
}

static bool
prepare(void)
{
    static const char *const made[] = {"new", "soft", "hard", "older"};

    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++)
        unlink(made[i]);
    rmdir("sub");
    unlink("s");
    if (!put("f") || !put("old") || symlink("f", "s") != 0)
        return false;
    file = open("f", O_RDWR);
    dir = opendir(".");
    return file >= 0 && dir != NULL;
}

// What was open of the dead one.
static void
expect_lost(const char *act, int after)
{
    char text[10];
    struct stat st;

    errno = 0;
    expect(read(file, text, sizeof(text)) < 0 && errno == EIO, act, after,
           "a file that was open, read");
    errno = 0;
    expect(fstat(file, &st) < 0 && errno == EIO, act, after,
           "a file that was open, stat");
    errno = 0;
    expect(openat(dirfd(dir), "f", O_RDONLY) < 0 && errno == EIO, act, after,
           "a directory that was open");
    expect(close(file) == 0 && closedir(dir) == 0, act, after, "close");
}

static void
die(size_t i, int after)
{
    const char *name = acts[i].name;
    char armed[32];

    expect(prepare(), name, after, "before");
    snprintf(armed, sizeof(armed), "die-%zu-%d", i + 2, after);
    expect(access(armed, F_OK) != 0 && errno == ENOENT, name, after, "arming");
    errno = 0;
    expect(!acts[i].act() && errno == EIO, name, after, "the error");
    expect_lost(name, after);
    expect(wait_for_server(), name, after, "another server");
}

int
main(int argc, char **argv)
{
    int deaths = 0;

    if (argc < 2 || chdir(argv[1]) != 0)
        return 2;
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
        for (int after = 0; after < 2; after++, deaths++)
            die(i, after);
    expect(prepare(), "all", 1, "after it");
    printf("%d deaths\n", deaths);
    return failures != 0;
}
