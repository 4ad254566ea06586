// test/command/programs/ls.c: lists what it is given and what it sees: its
// arguments, the directories that it has open, and all files below them with
// size, time and text.  Before that, when the first argument is "do", it does
// what the others say: write PATH, append PATH, make PATH, remove PATH, rename
// FROM TO.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wasi/api.h>

static void
print_name(const char *name)
{
    for (; *name; name++)
        printf(*name > 32 && *name < 127 ? "%c" : "\\%02x",
               *(const unsigned char *)name);
}

static void
list(const char *path, int depth)
{
    struct dirent **items;
    struct stat st;

    if (lstat(path, &st) != 0) {
        printf("%s: %s\n", path, strerror(errno));
        return;
    }
    print_name(path);
    printf(" %lld.%09ld", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    if (S_ISLNK(st.st_mode)) {
        static char target[5000];
        memset(target, 0, sizeof(target));
        readlink(path, target, sizeof(target) - 1);
        printf(" -> %zu ", strlen(target));
        print_name(target + (strlen(target) > 20 ? strlen(target) - 20 : 0));
    } else if (S_ISREG(st.st_mode)) {
        char text[20] = "";
        int fd = open(path, O_RDONLY);
        read(fd, text, sizeof(text) - 1);
        close(fd);
        printf(" %lld ", (long long)st.st_size);
        print_name(text);
    }
    putchar('\n');
    if (!S_ISDIR(st.st_mode) || depth > 40)
        return;
    int count = scandir(path, &items, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        size_t size = strlen(path) + strlen(items[i]->d_name) + 2;
        char *below = malloc(size);
        snprintf(below, size, "%s/%s", strcmp(path, "/") ? path : "",
                 items[i]->d_name);
        if (strcmp(items[i]->d_name, ".") && strcmp(items[i]->d_name, ".."))
            list(below, depth + 1);
    }
}

static int
write_to(const char *path, int flags)
{
    int fd = open(path, flags, 0666);

    return fd < 0 || write(fd, "new", 3) != 3 || close(fd) != 0 ? -1 : 0;
}

static int
act(const char *what, char **names)
{
    if (strcmp(what, "write") == 0)
        return write_to(names[0], O_WRONLY | O_CREAT | O_TRUNC);
    if (strcmp(what, "append") == 0)
        return write_to(names[0], O_WRONLY | O_APPEND);
    if (strcmp(what, "make") == 0)
        return mkdir(names[0], 0777);
    if (strcmp(what, "remove") == 0)
        return remove(names[0]);
    return rename(names[0], names[1]);
}

int
main(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        printf("argument ");
        print_name(argv[i]);
        putchar('\n');
    }
    int acts = argc > 1 && strcmp(argv[1], "do") == 0;
    for (int i = 2; acts && i + 1 < argc;
         i += 2 + (strcmp(argv[i], "rename") == 0))
        printf("%s %s: %s\n", argv[i], argv[i + 1],
               act(argv[i], argv + i + 1) ? strerror(errno) : "done");
    for (int fd = 3;; fd++) {
        __wasi_prestat_t prestat;
        char name[2000] = "";
        if (__wasi_fd_prestat_get(fd, &prestat) != 0)
            break;
        if (__wasi_fd_prestat_dir_name(fd, (uint8_t *)name,
                                       prestat.u.dir.pr_name_len) != 0)
            return 1;
        printf("open %d ", fd);
        print_name(name);
        putchar('\n');
        list(name, 0);
    }
    return 0;
}
