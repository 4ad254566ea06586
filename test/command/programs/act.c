// test/command/programs/act.c: does with files what its arguments say, one
// after the other, and prints what came of each: "done", a text, or the error.
//
//   read PATH            print its first 200 bytes
//   write|append PATH TEXT
//   times N append PATH TEXT   N times, in one descriptor; print how many
//   make|remove|list|size|touch|sync PATH
//   rename|link FROM TO, symlink TARGET PATH, target PATH
//   create PATH          only where there is none (O_EXCL)
//   hold PATH            open it, say so, wait for a line of input, print it
//   watch N PATH WORD    read it N times; print how many said WORD, how many
//                        something else and how many failed
//   opens N PATH         open and close it N times; print how many succeeded
//   big PATH N           write N MiB, read them, print whether they are it

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

static char chunk[CHUNK], again[CHUNK];

static int
say(const char *text)
{
    printf("%s\n", text);
    return 0;
}

// What a file begins with; NULL: it cannot be read.
static const char *
text_of(int fd)
{
    static char text[201];
    ssize_t size = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

    if (size >= 0)
        text[size] = 0;
    return size < 0 ? NULL : text;
}

static int
read_file(const char *path)
{
    int fd = open(path, O_RDONLY);
    const char *text = text_of(fd);

    return text == NULL ? -1 : close(fd) != 0 ? -1 : say(text);
}

// All of it, or -1.
static int
write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t done = write(fd, text, size);
        if (done <= 0)
            return -1;
        text += done;
        size -= (size_t)done;
    }
    return 0;
}

static int
put(const char *path, int flags, const char *text, int times)
{
    int fd = open(path, flags, 0666), done = 0;

    while (fd >= 0 && done < times && write_all(fd, text, strlen(text)) == 0)
        done++;
    if (fd < 0 || (done < times && times == 1) || close(fd) != 0)
        return -1;
    if (times > 1)
        printf("%d\n", done);
    return times > 1 ? 0 : say("done");
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

// Names, a slash behind directories, an @ behind links, a ? behind what is
// neither these nor a file.
static int
list(const char *path)
{
    struct dirent **items;
    int count = scandir(path, &items, NULL, by_name);

    for (int i = 0; i < count; i++) {
        int type = items[i]->d_type;
        printf("%s%s ", items[i]->d_name,
               type == DT_DIR ? "/" :
               type == DT_LNK ? "@" :
               type == DT_REG ? "" :
                                "?");
    }
    return count < 0 ? -1 : say("");
}

static int
hold(const char *path)
{
    char line[100];
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        return -1;
    say("held");
    fflush(stdout);
    if (fgets(line, sizeof(line), stdin) == NULL)
        return -1;
    const char *text = text_of(fd);
    return text == NULL ? -1 : say(text);
}

static int
watch(int times, const char *path, const char *word)
{
    int good = 0, bad = 0, failed = 0;

    for (int i = 0; i < times; i++) {
        int fd = open(path, O_RDONLY);
        const char *text = text_of(fd);
        good += text != NULL && strcmp(text, word) == 0;
        bad += text != NULL && strcmp(text, word) != 0;
        failed += text == NULL;
        close(fd);
    }
    printf("%d good, %d bad, %d failed\n", good, bad, failed);
    return 0;
}

static int
opens(int times, const char *path)
{
    int done = 0;

    for (int i = 0; i < times; i++) {
        int fd = open(path, O_RDONLY);
        done += fd >= 0;
        close(fd);
    }
    printf("%d\n", done);
    return 0;
}

static int
big(const char *path, int count)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666), same = 1;

    for (int i = 0; i < count; i++) {
        memset(chunk, i + 1, sizeof(chunk));
        chunk[i] = 'x';
        if (fd < 0 || write_all(fd, chunk, CHUNK) != 0)
            return -1;
    }
    lseek(fd, 0, SEEK_SET);
    for (int i = 0; i < count; i++) {
        memset(chunk, i + 1, sizeof(chunk));
        chunk[i] = 'x';
        same &=
            read(fd, again, CHUNK) == CHUNK && memcmp(chunk, again, CHUNK) == 0;
    }
    return close(fd) != 0 ? -1 : say(same ? "same" : "different");
}

static int
sync_file(const char *path)
{
    int fd = open(path, O_RDWR);

    return fd < 0 || fsync(fd) != 0 || fdatasync(fd) != 0 ? -1 : say("done");
}

static int
done(int result)
{
    return result != 0 ? -1 : say("done");
}

// The act at `argv`; *count is how many words it has.
static int
act(char **argv, int *count)
{
    const char *what = argv[0], *a = argv[1], *b = argv[2];
    const int append = O_WRONLY | O_APPEND | O_CREAT;
    struct timespec times[2] = {
        {7, 8 },
        {9, 10}
    };
    struct stat st;

    *count = 2;
    if (strcmp(what, "read") == 0)
        return read_file(a);
    if (strcmp(what, "make") == 0)
        return done(mkdir(a, 0777));
    if (strcmp(what, "remove") == 0)
        return done(remove(a));
    if (strcmp(what, "list") == 0)
        return list(a);
    if (strcmp(what, "hold") == 0)
        return hold(a);
    if (strcmp(what, "sync") == 0)
        return sync_file(a);
    if (strcmp(what, "create") == 0)
        return put(a, O_WRONLY | O_CREAT | O_EXCL, "", 1);
    if (strcmp(what, "touch") == 0)
        return done(utimensat(AT_FDCWD, a, times, AT_SYMLINK_NOFOLLOW));
    if (strcmp(what, "size") == 0) {
        int found = lstat(a, &st);
        if (found == 0)
            printf("%lld %lld\n", (long long)st.st_size, st.st_mtim.tv_sec);
        return found;
    }
    if (strcmp(what, "target") == 0) {
        memset(again, 0, sizeof(again));
        return readlink(a, again, sizeof(again) - 1) < 0 ? -1 : say(again);
    }
    *count = 3;
    if (strcmp(what, "write") == 0)
        return put(a, O_WRONLY | O_CREAT | O_TRUNC, b, 1);
    if (strcmp(what, "append") == 0)
        return put(a, append, b, 1);
    if (strcmp(what, "rename") == 0)
        return done(rename(a, b));
    if (strcmp(what, "link") == 0)
        return done(link(a, b));
    if (strcmp(what, "symlink") == 0)
        return done(symlink(a, b));
    if (strcmp(what, "opens") == 0)
        return opens(atoi(a), b);
    if (strcmp(what, "big") == 0)
        return big(a, atoi(b));
    *count = 4;
    if (strcmp(what, "watch") == 0)
        return watch(atoi(a), b, argv[3]);
    *count = 5;
    if (strcmp(what, "times") == 0)
        return put(argv[3], append, argv[4], atoi(a));
    fprintf(stderr, "%s: unknown\n", what);
    exit(2);
}

int
main(int argc, char **argv)
{
    int count;

    for (int i = 1; i + 1 < argc; i += count)
        if (act(argv + i, &count) != 0)
            printf("%s\n", strerror(errno));
    return 0;
}
