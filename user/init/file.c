// user/init/file.c: what /etc/init says (init.h).

#include "init.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct program programs[PROGRAMS];
int program_count;

static const char *const ends[ENDS] = {"exit", "wait", "restart", "ignore"};

// A line in parts, and what is wrong with it.
struct line {
    int part;      // what comes: the words, the grants, the end
    int counts[3]; // of words in each
    const char *wrong;
};

static void
refuse(struct line *l, const char *why)
{
    if (l->wrong == NULL)
        l->wrong = why;
}

static void
put_word(struct line *l, char **to, char *word)
{
    if (l->counts[l->part] == WORDS) {
        refuse(l, "too many words");
        return;
    }
    to[l->counts[l->part]++] = word;
    to[l->counts[l->part]] = NULL;
}

// The end, or behind "restart" how often.
static void
put_end(struct line *l, struct program *p, const char *word)
{
    int number = l->counts[2]++;

    if (number == 0) {
        for (p->end = 0; p->end < ENDS; p->end++)
            if (strcmp(ends[p->end], word) == 0)
                break;
        if (p->end == ENDS)
            refuse(l, "ends are exit, wait, restart and ignore");
        return;
    }
    char *rest;
    p->restarts = strtol(word, &rest, 10);
    if (number > 1 || p->end != END_RESTART)
        refuse(l, "only restart is followed by a number");
    else if (word[0] < '0' || word[0] > '9' || *rest != 0)
        refuse(l, "restart is followed by how often, a number");
}

static void
put(struct line *l, struct program *p, char *word, char **arguments)
{
    if (strcmp(word, ":") == 0 && l->part < 2)
        l->part++;
    else if (l->part == 2)
        put_end(l, p, word);
    else if (l->part == 1)
        put_word(l, p->grants, word);
    else if (strcmp(word, "$@") != 0)
        put_word(l, p->words, word);
    else
        for (; *arguments != NULL; arguments++)
            put_word(l, p->words, *arguments);
}

// NULL, or what is wrong.
static const char *
read_program(struct program *p, char *text, char **arguments)
{
    struct line l = {.part = 0};
    char *rest;

    p->restarts = LONG_MAX;
    for (char *word = strtok_r(text, " \t\n", &rest); word != NULL;
         word = strtok_r(NULL, " \t\n", &rest))
        put(&l, p, word, arguments);
    if (l.counts[0] == 0 || l.counts[2] == 0)
        refuse(&l, "not of the form PROGRAM [ARGUMENT...] : GRANT... : END");
    return l.wrong;
}

bool
read_file(char **arguments)
{
    FILE *file = fopen("/etc/init", "r");
    const char *wrong = NULL;
    size_t room = 0;
    char *line = NULL;
    int number = 0;

    if (file == NULL) {
        fprintf(stderr, "init: /etc/init: %s\n", strerror(errno));
        return false;
    }
    while (wrong == NULL && getline(&line, &room, file) > 0) {
        number++;
        if (line[strspn(line, " \t\n")] == 0 || line[0] == '#')
            continue;
        wrong = program_count == PROGRAMS ?
                    "too many programs" :
                    read_program(&programs[program_count++], line, arguments);
        line = NULL; // the program's
        room = 0;
    }
    if (wrong != NULL)
        fprintf(stderr, "init: /etc/init: line %d: %s\n", number, wrong);
    fclose(file);
    return wrong == NULL;
}
