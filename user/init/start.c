// user/init/start.c: starting programs, with what they are granted (init.h).

#include "init.h"

#include <launch.h>
#include <nebulet.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = 400 };

extern char **environ;

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

bool
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
    int error = start_with(p, &l, names);
    if (error == 0)
        return true;
    for (uint32_t i = 0; i < l.handle_count; i++)
        nebulet_handle_close(handles[i]);
    fprintf(stderr, "init: %s: %s\n", p->words[0],
            text[0] != 0 ? text : strerror(error));
    return false;
}
