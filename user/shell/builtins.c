// user/shell/builtins.c: commands that the shell does by itself, because they
// change it, and test, for the sake of conditions.

#include "shell.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// --- directories -------------------------------------------------------------

// Where `to` leads from here, without ".", ".." and double slashes; the
// caller's.
static char *
resolve(const char *to)
{
    char *here = getcwd(NULL, 0), *part, *rest;
    struct text path = {NULL, 0, 0}, all = {NULL, 0, 0};

    if (to[0] != '/')
        text_put(&all, here != NULL ? here : "/");
    text_char(&all, '/');
    text_put(&all, to);
    for (part = strtok_r(all.at, "/", &rest); part != NULL;
         part = strtok_r(NULL, "/", &rest)) {
        if (strcmp(part, "..") == 0) {
            while (path.size > 0 && path.at[--path.size] != '/')
                continue;
        } else if (strcmp(part, ".") != 0) {
            text_char(&path, '/');
            text_put(&path, part);
        }
    }
    if (path.size == 0)
        text_char(&path, '/');
    path.at[path.size] = 0;
    free(here);
    free(all.at);
    return text_take(&path);
}

static int
change_dir(int argc, char **argv, const struct streams *s)
{
    const char *to = argc > 1 ? argv[1] : variable_get("HOME");
    bool back = to != NULL && strcmp(to, "-") == 0;
    char *old = getcwd(NULL, 0);
    struct stat st;

    if (back)
        to = variable_get("OLDPWD");
    if (to == NULL)
        to = "/";
    char *now = resolve(to);
    bool changed = stat(now, &st) == 0;
    if (changed && !S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        changed = false;
    }
    if (!changed || chdir(now) != 0) {
        complain(to, strerror(errno));
        free(old);
        free(now);
        return 1;
    }
    variable_set("OLDPWD", old != NULL ? old : "/");
    variable_set("PWD", now);
    variable_export("PWD");
    if (back)
        dprintf(s->fds[1], "%s\n", now);
    free(old);
    free(now);
    return 0;
}

static int
print_dir(int argc, char **argv, const struct streams *s)
{
    char *now = need(getcwd(NULL, 0));

    (void)argc, (void)argv;
    dprintf(s->fds[1], "%s\n", now);
    free(now);
    return 0;
}

// --- variables ---------------------------------------------------------------

static int export(int argc, char **argv, const struct streams *s)
{
    int status = 0;

    if (argc == 1)
        variables_print(true, s->fds[1]);
    for (int i = 1; i < argc; i++) {
        char *sign = strchr(argv[i], '=');
        size_t size = sign != NULL ? (size_t)(sign - argv[i]) : strlen(argv[i]);
        if (!is_name(argv[i], size)) {
            complain(argv[i], "not a name");
            status = 1;
            continue;
        }
        if (sign != NULL) {
            *sign = 0;
            variable_set(argv[i], sign + 1);
        }
        variable_export(argv[i]);
    }
    return status;
}

static int
unset(int argc, char **argv, const struct streams *s)
{
    (void)s;
    for (int i = 1; i < argc; i++)
        variable_unset(argv[i]);
    return 0;
}

static int
set(int argc, char **argv, const struct streams *s)
{
    (void)argc, (void)argv;
    variables_print(false, s->fds[1]);
    return 0;
}

static int
history(int argc, char **argv, const struct streams *s)
{
    (void)argc, (void)argv;
    history_print(s->fds[1]);
    return 0;
}

// --- the shell itself --------------------------------------------------------

static int
leave(int argc, char **argv, const struct streams *s)
{
    static bool warned;
    char *end = NULL;
    long status = argc > 1 ? strtol(argv[1], &end, 10) : last_status;

    (void)s;
    if (end != NULL && (*end != 0 || end == argv[1])) {
        complain(argv[1], "not a number");
        status = STATUS_MISUSE;
    }
    if (interactive && jobs_count(true) > 0 && !warned) {
        warned = true;
        fprintf(stderr, "There are stopped jobs.\n");
        return 1;
    }
    leaving = true;
    last_status = (int)(status & 0xff);
    return last_status;
}

int
source_file(const char *path)
{
    struct text text = {NULL, 0, 0};
    FILE *file = fopen(path, "r");
    char bytes[4096];
    size_t size;

    if (file == NULL) {
        complain(path, strerror(errno));
        return 1;
    }
    while ((size = fread(bytes, 1, sizeof(bytes), file)) > 0)
        text_add(&text, bytes, size);
    bool failed = ferror(file);
    fclose(file);
    int status = failed ? 1 : run_text(text_get(&text));
    if (failed)
        complain(path, strerror(errno));
    free(text.at);
    return status;
}

static int
source(int argc, char **argv, const struct streams *s)
{
    (void)s;
    if (argc > 1)
        return source_file(argv[1]);
    complain("source", "which file?");
    return STATUS_MISUSE;
}

static int
succeed(int argc, char **argv, const struct streams *s)
{
    (void)argc, (void)argv, (void)s;
    return 0;
}

static int
lose(int argc, char **argv, const struct streams *s)
{
    (void)argc, (void)argv, (void)s;
    return 1;
}

static int
shift(int argc, char **argv, const struct streams *s)
{
    (void)argc, (void)argv, (void)s;
    if (argument_count < 2)
        return 1;
    arguments[1] = arguments[0];
    arguments++;
    argument_count--;
    return 0;
}

// --- test --------------------------------------------------------------------

static int
test_one(const char *op, const char *word)
{
    struct stat st;

    if (op[0] != '-' || op[1] == 0 || op[2] != 0)
        return STATUS_MISUSE;
    switch (op[1]) {
    case 'n':
        return word[0] == 0;
    case 'z':
        return word[0] != 0;
    case 'e':
        return stat(word, &st) != 0;
    case 'f':
        return stat(word, &st) != 0 || !S_ISREG(st.st_mode);
    case 'd':
        return stat(word, &st) != 0 || !S_ISDIR(st.st_mode);
    case 's':
        return stat(word, &st) != 0 || st.st_size == 0;
    }
    return STATUS_MISUSE;
}

static int
test_two(const char *a, const char *op, const char *b)
{
    long long x = strtoll(a, NULL, 10), y = strtoll(b, NULL, 10);

    const struct {
        const char *op;
        bool holds;
    } table[] = {
        {"=",      strcmp(a, b) == 0},
        {"!=",        strcmp(a,             b) != 0},
        {"-eq", x == y},
        {"-ne",  x != y             },
        {"-lt", x < y},
        {"-le",   x <= y               },
        {"-gt",x > y},
        {"-ge",    x >= y                   },
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strcmp(table[i].op, op) == 0)
            return !table[i].holds;
    return STATUS_MISUSE;
}

static int
test(int argc, char **argv, const struct streams *s)
{
    int status = STATUS_MISUSE;
    bool bracket = strcmp(argv[0], "[") == 0, not = false;

    (void)s;
    if (bracket && strcmp(argv[argc - 1], "]") != 0) {
        complain("[", "] is missing");
        return STATUS_MISUSE;
    }
    argc -= bracket;
    if (argc > 1 && strcmp(argv[1], "!") == 0) {
        not = true;
        argc--, argv++;
    }
    if (argc == 1)
        status = 1;
    else if (argc == 2)
        status = argv[1][0] == 0;
    else if (argc == 3)
        status = test_one(argv[1], argv[2]);
    else if (argc == 4)
        status = test_two(argv[1], argv[2], argv[3]);
    if (status == STATUS_MISUSE)
        complain("test", "no such condition");
    return status < STATUS_MISUSE && not ? !status : status;
}

// --- the table ---------------------------------------------------------------

static const struct {
    const char *name;
    builtin_t *run;
} builtins[] = {
    {".",       source      },
    {":",       succeed     },
    {"[",       test        },
    {"bg",      builtin_bg  },
    {"cd",      change_dir  },
    {"exit",    leave       },
    {"export",  export      },
    {"false",   lose        },
    {"fg",      builtin_fg  },
    {"history", history     },
    {"jobs",    builtin_jobs},
    {"pwd",     print_dir   },
    {"set",     set         },
    {"shift",   shift       },
    {"source",  source      },
    {"test",    test        },
    {"true",    succeed     },
    {"unset",   unset       },
    {"wait",    builtin_wait},
};

enum { BUILTIN_COUNT = sizeof(builtins) / sizeof(builtins[0]) };

builtin_t *
find_builtin(const char *name)
{
    for (size_t i = 0; i < BUILTIN_COUNT; i++)
        if (strcmp(builtins[i].name, name) == 0)
            return builtins[i].run;
    return NULL;
}

const char *
builtin_name(size_t index)
{
    return index < BUILTIN_COUNT ? builtins[index].name : NULL;
}
