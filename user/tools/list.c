// user/tools/list.c: ls.

#include "tools.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 80, GAP = 2 };

static struct {
    bool all, one, plain, lengthy, below;
} options;

struct names {
    char **list;
    size_t count;
};

static void
add_name(struct names *names, const char *name)
{
    size_t size = (names->count + 1) * sizeof(char *);
    char **list = realloc(names->list, size), *copy = strdup(name);

    if (list == NULL || copy == NULL) {
        complain(name, strerror(ENOMEM));
        exit(1);
    }
    names->list = list;
    names->list[names->count++] = copy;
}

static void
free_names(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// --- printing ----------------------------------------------------------------

static int
print_long(const char *path, const char *name)
{
    char when[32], target[1024] = "";
    struct stat st;
    struct tm tm;

    if (lstat(path, &st) != 0)
        return fail(path);
    char type = S_ISDIR(st.st_mode) ? 'd' :
                S_ISLNK(st.st_mode) ? 'l' :
                S_ISREG(st.st_mode) ? '-' :
                                      'c';
    strftime(when, sizeof(when), "%Y-%m-%d %H:%M",
             gmtime_r(&st.st_mtim.tv_sec, &tm));
    if (type == 'l' && readlink(path, target, sizeof(target) - 1) < 0)
        return fail(path);
    printf("%c %3llu %10lld %s %s%s%s\n", type, (unsigned long long)st.st_nlink,
           (long long)st.st_size, when, name, type == 'l' ? " -> " : "",
           target);
    return 0;
}

// As many columns as fit, filled from top to bottom.
static void
print_columns(const struct names *names)
{
    size_t widest = 0, columns, rows;
    const char *width = getenv("COLUMNS");
    size_t room = width != NULL && atoi(width) > 0 ? atoi(width) : WIDTH;

    for (size_t i = 0; i < names->count; i++)
        if (strlen(names->list[i]) > widest)
            widest = strlen(names->list[i]);
    columns = (room + GAP) / (widest + GAP);
    columns = columns > 0 ? columns : 1;
    rows = (names->count + columns - 1) / columns;
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = row; i < names->count; i += rows) {
            bool last = i + rows >= names->count;
            printf("%-*s%s", last ? 0 : (int)(widest + GAP), names->list[i],
                   last ? "\n" : "");
        }
    }
}

// `dir` is where the names are, NULL: they are paths.
static int
print_names(const struct names *names, const char *dir)
{
    int status = 0;

    if (!options.lengthy && !options.one && isatty(1)) {
        print_columns(names);
        return 0;
    }
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->list[i];
        if (!options.lengthy) {
            puts(name);
            continue;
        }
        char *path = dir != NULL ? path_join(dir, name) : strdup(name);
        status |= print_long(path, name);
        free(path);
    }
    return status;
}

// --- directories -------------------------------------------------------------

static int list_dir(const char *path, bool titled);

static int
list_below(const struct names *names, const char *dir)
{
    int status = 0;

    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->list[i];
        char *path = path_join(dir, name);
        struct stat st;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
            lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            putchar('\n');
            status |= list_dir(path, true);
        }
        free(path);
    }
    return status;
}

static int
list_dir(const char *path, bool titled)
{
    struct names names = {NULL, 0};
    DIR *dir = opendir(path);

    if (dir == NULL)
        return fail(path);
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir))
        if (options.all || d->d_name[0] != '.')
            add_name(&names, d->d_name);
    closedir(dir);
    qsort(names.list, names.count, sizeof(char *), by_name);
    if (titled)
        printf("%s:\n", path);
    int status = print_names(&names, path);
    if (options.below)
        status |= list_below(&names, path);
    free_names(&names);
    return status;
}

int
tool_ls(int argc, char **argv)
{
    struct names files = {NULL, 0}, dirs = {NULL, 0};
    int status = 0;
    struct stat st;

    for (int c; (c = getopt(argc, argv, "1aldR")) != -1;) {
        if (c == '?')
            return misuse();
        options.one |= c == '1';
        options.all |= c == 'a';
        options.lengthy |= c == 'l';
        options.plain |= c == 'd';
        options.below |= c == 'R';
    }
    if (optind == argc)
        add_name(options.plain ? &files : &dirs, ".");
    for (int i = optind; i < argc; i++) {
        if (stat(argv[i], &st) != 0 && lstat(argv[i], &st) != 0)
            status |= fail(argv[i]);
        else
            add_name(S_ISDIR(st.st_mode) && !options.plain ? &dirs : &files,
                     argv[i]);
    }
    qsort(files.list, files.count, sizeof(char *), by_name);
    qsort(dirs.list, dirs.count, sizeof(char *), by_name);
    status |= print_names(&files, NULL);
    for (size_t i = 0; i < dirs.count; i++) {
        if (i > 0 || files.count > 0)
            putchar('\n');
        status |= list_dir(dirs.list[i], argc - optind > 1 || options.below);
    }
    return status;
}
