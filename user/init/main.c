// user/init/main.c: the first program: starts the others and says what happens
// when they end.  /etc/init has a line for each:
//
//     PROGRAM [ARGUMENT...] : GRANT... : END
//
// The argument $@ stands for those of init.  Grants are
//
//     console  the standard streams
//     files    the directories that init has open
//     NAME     a handle that init was given under this name, where it was
//
// and END is one of
//
//     exit     init ends with its exit status, and the machine with init
//     wait     the next line's program is started then
//     restart  it is started again, unless it fails at once, five times
//     ignore   nothing

#include <errno.h>
#include <launch.h>
#include <nebulet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern char **environ;

enum { PROGRAMS = 32, WORDS = 64, RESTARTS = 5, TEXT_SIZE = 400 };

enum end { END_EXIT, END_WAIT, END_RESTART, END_IGNORE, ENDS };

static const char *const ends[ENDS] = {"exit", "wait", "restart", "ignore"};

static struct program {
    char *words[WORDS + 1];  // what it is started with
    char *grants[WORDS + 1]; // ended by NULL, too
    enum end end;
    uint32_t process; // 0: does not run
    time_t started;
    int failures; // that came at once, one after the other
} programs[PROGRAMS];

static int program_count;
static char **arguments; // of init

static int
refuse(int line, const char *why)
{
    fprintf(stderr, "init: /etc/init: line %d: %s\n", line, why);
    return 1;
}

// --- the file ----------------------------------------------------------------

static bool
put_word(char **to, int *count, char *word)
{
    if (*count == WORDS)
        return false;
    to[(*count)++] = word;
    to[*count] = NULL;
    return true;
}

static bool
put_arguments(char **to, int *count)
{
    for (int i = 0; arguments[i] != NULL; i++)
        if (!put_word(to, count, arguments[i]))
            return false;
    return true;
}

// NULL, or what is wrong.
static const char *
read_program(struct program *p, char *line)
{
    int part = 0, counts[2] = {0, 0};
    bool fits = true, ended = false;
    char *rest;

    for (char *word = strtok_r(line, " \t\n", &rest); word != NULL;
         word = strtok_r(NULL, " \t\n", &rest)) {
        if (strcmp(word, ":") == 0) {
            part++;
        } else if (part == 0 && strcmp(word, "$@") == 0) {
            fits &= put_arguments(p->words, &counts[0]);
        } else if (part < 2) {
            fits &=
                put_word(part == 0 ? p->words : p->grants, &counts[part], word);
        } else {
            for (p->end = 0; p->end < ENDS; p->end++)
                if (strcmp(ends[p->end], word) == 0)
                    break;
            ended = p->end < ENDS;
        }
    }
    return !fits ? "too many words" :
           part != 2 || !ended || !counts[0] ?
                   "not of the form PROGRAM "
                   "[ARGUMENT...] : GRANT... : END" :
                   NULL;
}

static int
read_file(void)
{
    FILE *file = fopen("/etc/init", "r");
    size_t room = 0;
    char *line = NULL;

    if (file == NULL) {
        fprintf(stderr, "init: /etc/init: %s\n", strerror(errno));
        return 1;
    }
    for (int number = 1; getline(&line, &room, file) > 0; number++) {
        if (line[strspn(line, " \t\n")] == 0 || line[0] == '#')
            continue;
        if (program_count == PROGRAMS)
            return refuse(number, "too many programs");
        const char *wrong = read_program(&programs[program_count++], line);
        if (wrong != NULL)
            return refuse(number, wrong);
        line = NULL; // the program's
        room = 0;
    }
    fclose(file);
    return 0;
}

// --- starting ----------------------------------------------------------------

static bool
is_granted(const struct program *p, const char *what)
{
    for (int i = 0; p->grants[i] != NULL; i++)
        if (strcmp(p->grants[i], what) == 0)
            return true;
    return false;
}

// The handles it is given, and their names as a variable.
static uint32_t
take_handles(const struct program *p, uint32_t *handles, char *names)
{
    uint32_t count = 0;

    strcpy(names, "GIVEN=");
    for (int i = 0; p->grants[i] != NULL; i++) {
        if (strlen(names) + strlen(p->grants[i]) + 2 > TEXT_SIZE ||
            launch_duplicate(p->grants[i], launch_given(p->grants[i]),
                             &handles[count]) != 0)
            continue;
        strcat(names, count > 0 ? "," : "");
        strcat(names, p->grants[i]);
        count++;
    }
    return count;
}

static int
start_with(struct program *p, struct launch *l, char *names)
{
    char *environment[WORDS + 2];
    int count = 0;

    for (char **at = environ; at != NULL && *at != NULL && count < WORDS; at++)
        if (strncmp(*at, "GIVEN=", 6) != 0)
            environment[count++] = *at;
    environment[count++] = names;
    environment[count] = NULL;
    l->envp = environment;
    return launch(l, &p->process);
}

static bool
start(struct program *p)
{
    char names[TEXT_SIZE], text[TEXT_SIZE];
    uint32_t handles[WORDS];
    struct launch l = {.path = p->words[0],
                       .argv = p->words,
                       .handles = handles,
                       .text = text,
                       .text_size = sizeof(text)};

    launch_standard_fds(&l);
    for (int fd = 0; fd < LAUNCH_FDS; fd++)
        if (!is_granted(p, fd < 3 ? "console" : "files"))
            l.fds[fd] = -1;
    l.handle_count = take_handles(p, handles, names);
    p->started = time(NULL);
    int error = start_with(p, &l, names);
    if (error == 0)
        return true;
    for (uint32_t i = 0; i < l.handle_count; i++)
        nebulet_handle_close(handles[i]);
    fprintf(stderr, "init: %s: %s\n", p->words[0],
            text[0] != 0 ? text : strerror(error));
    return false;
}

// --- what happens when they end ----------------------------------------------

// Start from here on, up to one that has to end first; the first that is not
// started.
static int
start_from(int index)
{
    while (index < program_count) {
        struct program *p = &programs[index++];
        if (!start(p) && p->end == END_EXIT)
            exit(1);
        if (p->process != 0 && p->end == END_WAIT)
            break;
    }
    return index;
}

static bool
starts_again(struct program *p, uint32_t status)
{
    bool at_once = status != 0 && time(NULL) - p->started < 2;

    if (p->end != END_RESTART)
        return false;
    p->failures = at_once ? p->failures + 1 : 0;
    if (p->failures < RESTARTS)
        return start(p);
    fprintf(stderr, "init: %s: not started again, it fails at once\n",
            p->words[0]);
    return false;
}

// True when those behind it may be started.
static bool
look(struct program *p)
{
    uint32_t status;

    if (p->process == 0 || nebulet_process_wait(p->process, 0, &status) != 0)
        return false;
    nebulet_handle_close(p->process);
    p->process = 0;
    if (p->end == END_EXIT)
        exit((int)status);
    return !starts_again(p, status) && p->end == END_WAIT;
}

// False: none runs.
static bool
wait_some(void)
{
    struct nebulet_wait_item items[PROGRAMS];
    uint32_t count = 0;

    for (int i = 0; i < program_count; i++)
        if (programs[i].process != 0)
            items[count++] = (struct nebulet_wait_item){
                .handle = programs[i].process, .signals = NEBULET_SIGNAL_ENDED};
    return count > 0 && nebulet_object_wait_many(items, count, UINT64_MAX) == 0;
}

int
main(int argc, char **argv)
{
    arguments = argv + (argc > 0);
    if (read_file() != 0)
        return 1;
    int next = start_from(0);
    while (wait_some())
        for (int i = 0; i < program_count; i++)
            if (look(&programs[i]))
                next = start_from(next);
    return 0;
}
