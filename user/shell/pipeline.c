// user/shell/pipeline.c: pipelines, what runs in the background, and commands
// whose output is a word.

#include "run.h"

#include <errno.h>
#include <nebulet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PIPELINE_MAX = 32 };

struct pipeline {
    uint32_t processes[PIPELINE_MAX];
    size_t count;
    struct place place;
    bool last_runs; // else its status is known:
    int status;
};

// Each reads what the one before writes.
static void
start_pipeline(struct pipeline *p, const struct node *first, struct streams *s,
               bool apart)
{
    struct streams each = *s;
    int fds[2];

    if (first->next == NULL) { // it may change the shell's streams
        uint32_t process =
            start_command(first, s, &p->place, apart, &p->status);
        p->last_runs = p->count = process != 0;
        p->processes[0] = process;
        place_started(&p->place);
        return;
    }

    for (const struct node *n = first; n != NULL; n = n->next) {
        bool last = n->next == NULL;
        if (!last && pipe(fds) != 0) {
            complain("pipe", strerror(errno));
            p->status = 1;
            last = true;
        }
        each.fds[1] = last ? s->fds[1] : fds[1];
        uint32_t process = start_command(n, &each, &p->place, true, &p->status);
        p->last_runs = process != 0;
        if (process != 0)
            p->processes[p->count++] = process;
        if (each.fds[0] != s->fds[0])
            close(each.fds[0]);
        if (last)
            break;
        close(fds[1]);
        each.fds[0] = fds[0];
    }
    place_started(&p->place);
}

static void
open_pipeline(struct pipeline *p, const struct node *n)
{
    *p = (struct pipeline){.count = 0};
    place_open(&p->place, n->text, n->size);
}

// All is started: it is a job, or done (NULL).
static struct job *
job_of(struct pipeline *p, const struct node *n)
{
    if (p->count > 0)
        return job_new(n->text, n->size, p->processes, p->count, &p->place);
    place_close(&p->place);
    return NULL;
}

static bool
fits(const struct node *first)
{
    size_t count = 0;

    for (; first != NULL; first = first->next)
        count++;
    if (count > PIPELINE_MAX)
        complain("pipeline", "more than 32 commands");
    return count <= PIPELINE_MAX;
}

// The status of what was started for n, when it has ended.
static int
finish_pipeline(struct pipeline *p, const struct node *n)
{
    struct job *job = job_of(p, n);

    if (job == NULL)
        return p->status;
    int status = job_wait(job);
    return p->last_runs || status == STATUS_STOPPED ? status : p->status;
}

// -e: a command that has failed ends the shell, unless that was asked for.
static void
check_failed(int status)
{
    if (status == 0 || !option(OPTION_EXIT) || tested_depth > 0 || stops())
        return;
    leaving = true;
    last_status = status;
}

int
run_pipeline(const struct node *n, struct streams *s)
{
    const struct node *only = n->left->next == NULL ? n->left : NULL;
    struct pipeline p;

    if (only != NULL && only->kind != NODE_SIMPLE &&
        only->kind != NODE_SUBSHELL)
        return run_node(only, s);
    if (!fits(n->left))
        return STATUS_NOT_RUN;
    open_pipeline(&p, n);
    start_pipeline(&p, n->left, s, false);
    int status = finish_pipeline(&p, n);
    if (takes_place) {
        takes_place = false;
        leaving = true;
        last_status = status;
    }
    check_failed(status);
    return status;
}

// Input that has ended, for what runs in the background.
static int
no_input(void)
{
    int fds[2];

    if (pipe(fds) != 0)
        return -1;
    close(fds[1]);
    return fds[0];
}

// A list, or one command that is not simple.
static bool
is_compound(const struct node *n)
{
    return n->kind != NODE_PIPE ||
           (n->left->next == NULL && n->left->kind != NODE_SIMPLE);
}

// One that may be done without a program.
static bool
is_builtin(const struct node *n)
{
    return !is_compound(n) && n->left->next == NULL && n->left->words != NULL &&
           find_builtin(n->left->words->raw) != NULL;
}

// What runs beside us, of which nothing is ours.
static void
start_beside(struct pipeline *p, const struct node *n, struct streams *s,
             bool simple)
{
    open_pipeline(p, n);
    if (simple && fits(n->left)) {
        start_pipeline(p, n->left, s, true);
        return;
    }
    bool alone = n->kind == NODE_PIPE && n->left->next == NULL;
    const struct node *what = alone ? n->left : n;
    p->processes[0] = start_apart(what, s, &p->place, &p->status);
    p->last_runs = p->count = p->processes[0] != 0;
    place_started(&p->place);
}

int
run_background(const struct node *n, const struct streams *s)
{
    struct pipeline p;
    struct streams own = *s;
    int input = interactive ? -1 : no_input();

    if (input >= 0)
        own.fds[0] = input;
    start_beside(&p, n, &own, !is_compound(n) && !is_builtin(n));
    if (input >= 0)
        close(input);
    struct job *job = job_of(&p, n);
    if (job == NULL)
        return p.status;
    job_leave(job);
    return 0;
}

// --- output that is a word ---------------------------------------------------

// Read what is printed while it runs.
static int
capture(const struct node *n, const char *text, struct text *out)
{
    const struct words none = {NULL, 0, 0};
    struct pipeline p;
    struct streams own = shell_streams;
    char bytes[4096];
    ssize_t size;
    int fds[2];

    if (pipe(fds) != 0) {
        complain("pipe", strerror(errno));
        return 1;
    }
    own.fds[1] = fds[1];
    own.fds[2] = message_fd;
    if (!is_compound(n) && fits(n->left)) {
        start_beside(&p, n, &own, true);
    } else {
        open_pipeline(&p, n);
        p.processes[0] = start_shell(text, &none, &own, &p.place, &p.status);
        p.last_runs = p.count = p.processes[0] != 0;
        place_started(&p.place);
    }
    close(fds[1]);
    while ((size = read(fds[0], bytes, sizeof(bytes))) > 0)
        text_add(out, bytes, size);
    close(fds[0]);
    return finish_pipeline(&p, n);
}

int
run_captured(const char *text, struct text *out)
{
    struct node *tree;
    const char *why;
    int status = 0;

    switch (parse_again(text, &tree, &why)) {
    case PARSED:
        status = capture(tree, text, out);
        parse_free(tree);
        return status;
    case PARSED_EMPTY:
        return 0;
    default:
        complain("syntax", why);
        return STATUS_MISUSE;
    }
}
