// user/shell/builtins.c: commands that the shell does by itself, because they
// change it.

#include "run.h"

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
    bool functions = argc > 1 && strcmp(argv[1], "-f") == 0;

    (void)s;
    for (int i = 1; i < argc; i++) {
        if (functions)
            function_unset(argv[i]);
        else if (argv[i][0] != '-')
            variable_unset(argv[i]);
    }
    return 0;
}

static int
local(int argc, char **argv, const struct streams *s)
{
    int status = 0;

    (void)s;
    if (function_depth == 0) {
        complain("local", "not in a function");
        return 1;
    }
    for (int i = 1; i < argc; i++) {
        char *sign = strchr(argv[i], '=');
        size_t size = sign != NULL ? (size_t)(sign - argv[i]) : strlen(argv[i]);
        if (!is_name(argv[i], size)) {
            complain(argv[i], "not a name");
            status = 1;
            continue;
        }
        argv[i][size] = 0;
        variable_local(argv[i]);
        if (sign != NULL)
            variable_set(argv[i], sign + 1);
        else
            variable_unset(argv[i]);
    }
    return status;
}

// Options, and behind them, or behind --, arguments.
static int
set(int argc, char **argv, const struct streams *s)
{
    int at = 1;

    if (argc == 1)
        variables_print(false, s->fds[1]);
    for (; at < argc && (argv[at][0] == '-' || argv[at][0] == '+') &&
           argv[at][1] != 0;
         at++) {
        if (strcmp(argv[at], "--") == 0) {
            arguments_set(argv + at + 1, (size_t)(argc - at - 1));
            return 0;
        }
        if (!options_set(argv[at])) {
            complain(argv[at], "options are e, u and x");
            return STATUS_MISUSE;
        }
    }
    if (at < argc)
        arguments_set(argv + at, (size_t)(argc - at));
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
source_file(const char *path, const struct streams *s)
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
    int status = failed ? 1 : run_text(text_get(&text), s);
    if (failed)
        complain(path, strerror(errno));
    free(text.at);
    return status;
}

static int source_depth;

static int
source(int argc, char **argv, const struct streams *s)
{
    if (argc < 2) {
        complain("source", "which file?");
        return STATUS_MISUSE;
    }
    source_depth++;
    int status = source_file(argv[1], s);
    source_depth--;
    if (unwinding == UNWIND_RETURN)
        unwinding = UNWIND_NOT;
    return status;
}

static int
eval(int argc, char **argv, const struct streams *s)
{
    struct text text = {NULL, 0, 0};

    for (int i = 1; i < argc; i++) {
        text_put(&text, i > 1 ? " " : "");
        text_put(&text, argv[i]);
    }
    int status = run_text(text_get(&text), s);
    free(text.at);
    return status;
}

// --- out of commands ---------------------------------------------------------

// A number that a word is, or one where there is none; -1 after a complaint.
static int
number_of(const char *word, int otherwise)
{
    char *end;
    long number = word != NULL ? strtol(word, &end, 10) : otherwise;

    if (word != NULL &&
        (end == word || *end != 0 || number < 0 || number > 1000000)) {
        complain(word, "not a number");
        return -1;
    }
    return (int)number;
}

static int
leave_loops(int argc, char **argv, const struct streams *s)
{
    int loops = number_of(argc > 1 ? argv[1] : NULL, 1);

    (void)s;
    if (loops < 1)
        return STATUS_MISUSE;
    if (loop_depth == 0)
        return 0;
    unwind_loops = loops < loop_depth ? loops : loop_depth;
    unwinding = argv[0][0] == 'b' ? UNWIND_BREAK : UNWIND_CONTINUE;
    return 0;
}

static int
give_back(int argc, char **argv, const struct streams *s)
{
    int status = number_of(argc > 1 ? argv[1] : NULL, last_status);

    (void)s;
    if (function_depth == 0 && source_depth == 0) {
        complain("return", "not in a function or a file that is read");
        return 1;
    }
    unwinding = UNWIND_RETURN;
    return status < 0 ? STATUS_MISUSE : status & 0xff;
}

// There are no signals; only what is to be done at the end.
static char *exit_trap;

static int
trap(int argc, char **argv, const struct streams *s)
{
    (void)s;
    if (argc == 1)
        return 0;
    bool clears = argc == 2 || strcmp(argv[1], "-") == 0;
    const char *when = argv[argc - 1];
    if (argc > 3 || (strcmp(when, "EXIT") != 0 && strcmp(when, "0") != 0)) {
        complain(when, "only EXIT is trapped");
        return 1;
    }
    free(exit_trap);
    exit_trap = clears ? NULL : copy_text(argv[1]);
    return 0;
}

void
run_exit_trap(void)
{
    char *text = exit_trap;
    int status = last_status;

    if (text == NULL)
        return;
    exit_trap = NULL;
    leaving = false;
    unwinding = UNWIND_NOT;
    run_text(text, NULL);
    if (!leaving) // else by the trap's own exit
        last_status = status;
    free(text);
}

// --- words that do little ----------------------------------------------------

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
    int count = number_of(argc > 1 ? argv[1] : NULL, 1);

    (void)s;
    if (count < 0)
        return STATUS_MISUSE;
    if (count > argument_count - 1)
        return 1;
    arguments[count] = arguments[0];
    arguments += count;
    argument_count -= count;
    return 0;
}

// What a command is: `type`, and with only what is run `command -v`.
static int
tell(int fd, const char *name, bool brief)
{
    const char *value = alias_value(name);
    bool ours = function_find(name) != NULL || find_builtin(name) != NULL;
    char *path = ours || value != NULL ? NULL : find_program(name);

    if (value != NULL) {
        dprintf(fd, brief ? "alias %s='%s'\n" : "%s is an alias for %s\n", name,
                value);
        return 0;
    }
    if (brief && (ours || path != NULL))
        dprintf(fd, "%s\n", ours ? name : path);
    else if (function_find(name) != NULL)
        dprintf(fd, "%s is a function\n", name);
    else if (ours)
        dprintf(fd, "%s is a builtin\n", name);
    else if (path != NULL)
        dprintf(fd, "%s is %s\n", name, path);
    else if (!brief)
        complain(name, "not found");
    free(path);
    return ours || path != NULL ? 0 : brief ? 1 : STATUS_NOT_FOUND;
}

static int
type(int argc, char **argv, const struct streams *s)
{
    bool brief = strcmp(argv[0], "command") == 0;
    int status = 0;

    if (brief && (argc < 3 || strcmp(argv[1], "-v") != 0)) {
        if (argc == 1)
            return 0;
        complain("command", "-v NAME, or a command with its arguments");
        return STATUS_MISUSE;
    }
    for (int i = brief ? 2 : 1; i < argc; i++) {
        int one = tell(s->fds[1], argv[i], brief);
        status = one != 0 ? one : status;
    }
    return status;
}

// --- the table ---------------------------------------------------------------

static const struct builtin builtins[] = {
    {".",        source,          BUILTIN_SPECIAL},
    {":",        succeed,         BUILTIN_SPECIAL},
    {"[",        builtin_test,    BUILTIN_PRINTS },
    {"alias",    builtin_alias,   BUILTIN_PLAIN  },
    {"bg",       builtin_bg,      BUILTIN_PLAIN  },
    {"break",    leave_loops,     BUILTIN_SPECIAL},
    {"cd",       change_dir,      BUILTIN_PLAIN  },
    {"command",  type,            BUILTIN_PRINTS },
    {"continue", leave_loops,     BUILTIN_SPECIAL},
    {"eval",     eval,            BUILTIN_SPECIAL},
    {"exec",     succeed,         BUILTIN_SPECIAL}, // alone (run.c)
    {"exit",     leave,           BUILTIN_SPECIAL},
    {"export",   export,          BUILTIN_SPECIAL},
    {"false",    lose,            BUILTIN_PRINTS },
    {"fg",       builtin_fg,      BUILTIN_PLAIN  },
    {"getopts",  builtin_getopts, BUILTIN_PLAIN  },
    {"history",  history,         BUILTIN_PRINTS },
    {"jobs",     builtin_jobs,    BUILTIN_PRINTS },
    {"local",    local,           BUILTIN_SPECIAL},
    {"pwd",      print_dir,       BUILTIN_PRINTS },
    {"read",     builtin_read,    BUILTIN_PLAIN  },
    {"return",   give_back,       BUILTIN_SPECIAL},
    {"set",      set,             BUILTIN_SPECIAL},
    {"shift",    shift,           BUILTIN_SPECIAL},
    {"source",   source,          BUILTIN_SPECIAL},
    {"test",     builtin_test,    BUILTIN_PRINTS },
    {"trap",     trap,            BUILTIN_SPECIAL},
    {"true",     succeed,         BUILTIN_PRINTS },
    {"type",     type,            BUILTIN_PRINTS },
    {"unalias",  builtin_unalias, BUILTIN_PLAIN  },
    {"unset",    unset,           BUILTIN_SPECIAL},
    {"wait",     builtin_wait,    BUILTIN_PLAIN  },
};

enum { BUILTIN_COUNT = sizeof(builtins) / sizeof(builtins[0]) };

const struct builtin *
find_builtin(const char *name)
{
    for (size_t i = 0; i < BUILTIN_COUNT; i++)
        if (strcmp(builtins[i].name, name) == 0)
            return &builtins[i];
    return NULL;
}

const char *
builtin_name(size_t index)
{
    return index < BUILTIN_COUNT ? builtins[index].name : NULL;
}
