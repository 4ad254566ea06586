// user/shell/getopts.c: getopts OPTIONS NAME [ARGUMENT...]: the next option of
// the arguments, as POSIX has it.  OPTIND is the argument that comes next;
// where in it we are is known here, as long as nobody sets OPTIND.

#include "shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int next;    // as we left OPTIND
static size_t seen; // letters of the argument `next`, or 0: none of it

static void
set_number(const char *name, int number)
{
    char text[12];

    snprintf(text, sizeof(text), "%d", number);
    variable_set(name, text);
}

// What is wrong with `letter`, told or, with a colon first, left to the script.
static void
refuse(const char *name, bool silent, char letter, const char *why, char tells)
{
    char text[] = {letter, 0}, value[] = {silent ? tells : '?', 0};

    variable_set(name, value);
    if (silent) {
        variable_set("OPTARG", text);
    } else {
        variable_unset("OPTARG");
        complain(text, why);
    }
}

static int
no_more(const char *name, int at)
{
    next = at;
    seen = 0;
    set_number("OPTIND", at);
    variable_set(name, "?");
    variable_unset("OPTARG");
    return 1;
}

static void
take(const char *options, const char *name, int count, char **words)
{
    bool silent = options[0] == ':';
    char letter = words[next][seen];
    const char *found = letter != ':' ? strchr(options, letter) : NULL;
    const char *rest = words[next] + seen + 1;
    char text[] = {letter, 0};

    seen++;
    if (*rest == 0 || (found != NULL && found[1] == ':')) {
        next++;
        seen = 0;
    }
    if (found == NULL) {
        refuse(name, silent, letter, "no such option", '?');
    } else if (found[1] != ':') {
        variable_set(name, text);
        variable_unset("OPTARG");
    } else if (*rest != 0 || next < count) {
        variable_set(name, text);
        variable_set("OPTARG", *rest != 0 ? rest : words[next++]);
    } else {
        refuse(name, silent, letter, "needs an argument", ':');
    }
    set_number("OPTIND", next);
}

int
builtin_getopts(int argc, char **argv, const struct streams *s)
{
    const char *told = variable_get("OPTIND");
    int at = told != NULL ? atoi(told) : 1;

    (void)s;
    if (argc < 3 || !is_name(argv[2], strlen(argv[2]))) {
        complain("getopts", "OPTIONS NAME [ARGUMENT...]");
        return STATUS_MISUSE;
    }
    bool own = argc > 3; // words[1] is the first
    char **words = own ? argv + 2 : arguments;
    int count = own ? argc - 2 : argument_count;
    if (at != next || at < 1 || at >= count || seen >= strlen(words[at])) {
        next = at < 1 ? 1 : at;
        seen = 0;
    }
    if (seen == 0) {
        if (next >= count || words[next][0] != '-' || words[next][1] == 0)
            return no_more(argv[2], next);
        if (strcmp(words[next], "--") == 0)
            return no_more(argv[2], next + 1);
        seen = 1;
    }
    take(argv[1], argv[2], count, words);
    return 0;
}
