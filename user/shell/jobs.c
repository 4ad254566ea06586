// user/shell/jobs.c: programs that run for the shell.  A job is the processes
// of a pipeline; it is in the foreground while job_wait() waits for it.

#include "shell.h"

#include <nebulet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MAX = 64 };

struct process {
    uint32_t handle; // 0: ended
    int status;
};

enum state { STATE_RUNNING, STATE_STOPPED, STATE_DONE };

struct job {
    struct job *next;
    int number;
    char *text;
    enum state state;
    bool changed; // and nobody was told
    size_t count;
    struct process processes[];
};

static struct job *jobs; // by number

bool
was_interrupted(void)
{
    return false;
}

struct job *
job_new(const char *text, size_t size, const uint32_t *processes, size_t count)
{
    struct job *job =
        need(calloc(1, sizeof(*job) + count * sizeof(struct process)));
    struct job **at = &jobs;

    job->number = 1;
    while (*at != NULL) {
        job->number = (*at)->number + 1;
        at = &(*at)->next;
    }
    *at = job;
    job->text = need(strndup(text, size));
    job->count = count;
    for (size_t i = 0; i < count; i++)
        job->processes[i].handle = processes[i];
    return job;
}

static void
forget(struct job *job)
{
    struct job **at = &jobs;

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    free(job->text);
    free(job);
}

static int
status_of(const struct job *job)
{
    return job->processes[job->count - 1].status;
}

// --- waiting -----------------------------------------------------------------

// Look which of its processes have ended.
static void
look(struct job *job)
{
    size_t left = 0;

    for (size_t i = 0; i < job->count; i++) {
        struct process *p = &job->processes[i];
        uint32_t status;
        if (p->handle == 0)
            continue;
        if (nebulet_process_wait(p->handle, 0, &status) != 0) {
            left++;
            continue;
        }
        nebulet_handle_close(p->handle);
        p->handle = 0;
        p->status = (int)(status & 0xff);
    }
    if (left == 0 && job->state != STATE_DONE) {
        job->state = STATE_DONE;
        job->changed = true;
    }
}

static void
for_processes(struct job *job, int32_t (*each)(uint32_t handle))
{
    for (size_t i = 0; i < job->count; i++)
        if (job->processes[i].handle != 0)
            each(job->processes[i].handle);
}

// Wait until one of its processes ends.
static void
wait_some(struct job *job)
{
    struct nebulet_wait_item items[WAIT_MAX];
    uint32_t count = 0;

    for (size_t i = 0; i < job->count; i++)
        if (job->processes[i].handle != 0)
            items[count++] =
                (struct nebulet_wait_item){.handle = job->processes[i].handle,
                                           .signals = NEBULET_SIGNAL_ENDED};
    nebulet_object_wait_many(items, count, UINT64_MAX);
}

int
job_wait(struct job *job)
{
    look(job);
    while (job->state == STATE_RUNNING) {
        wait_some(job);
        look(job);
    }
    int status = status_of(job);
    forget(job);
    return status;
}

void
job_leave(struct job *job)
{
    if (interactive)
        fprintf(stderr, "[%d] %s\n", job->number, job->text);
}

// --- reports -----------------------------------------------------------------

static void
report(const struct job *job, int fd)
{
    static const char *const states[] = {"Running", "Stopped", "Done"};
    char state[32];

    snprintf(state, sizeof(state), "%s", states[job->state]);
    if (job->state == STATE_DONE && status_of(job) != 0)
        snprintf(state, sizeof(state), "Exit %d", status_of(job));
    dprintf(fd, "[%d] %-9s %s\n", job->number, state, job->text);
}

void
jobs_report(int fd, bool all)
{
    for (struct job *job = jobs, *next; job != NULL; job = next) {
        next = job->next;
        look(job);
        if (all || (job->changed && interactive))
            report(job, fd);
        job->changed = false;
        if (job->state == STATE_DONE && (all || interactive))
            forget(job);
    }
}

size_t
jobs_count(bool stopped)
{
    size_t count = 0;

    for (const struct job *job = jobs; job != NULL; job = job->next)
        count += job->state == STATE_STOPPED || !stopped;
    return count;
}

// --- builtins ----------------------------------------------------------------

// "%N", or without a word the last one; NULL after a complaint.
static struct job *
find_job(const char *word)
{
    struct job *found = NULL;
    char *end = NULL;
    long number =
        word != NULL && word[0] == '%' ? strtol(word + 1, &end, 10) : 0;

    for (struct job *job = jobs; job != NULL; job = job->next)
        if (word == NULL || (end != NULL && *end == 0 && job->number == number))
            found = job;
    if (found == NULL)
        complain(word != NULL ? word : "job", "no such job");
    return found;
}

int
builtin_jobs(int argc, char **argv, const struct streams *s)
{
    (void)argc, (void)argv;
    jobs_report(s->fds[1], true);
    return 0;
}

int
builtin_wait(int argc, char **argv, const struct streams *s)
{
    int status = 0;

    (void)s;
    for (int i = 1; i < argc; i++) {
        struct job *job = find_job(argv[i]);
        status = job != NULL ? job_wait(job) : STATUS_NOT_FOUND;
    }
    while (argc == 1 && jobs != NULL)
        job_wait(jobs);
    return status;
}

static int32_t
end_process(uint32_t handle)
{
    return nebulet_process_kill(handle, 143);
}

// Of jobs; processes are for the program of this name.
int
builtin_kill(int argc, char **argv, const struct streams *s)
{
    int status = argc > 1 ? 0 : STATUS_MISUSE;

    (void)s;
    for (int i = 1; i < argc; i++) {
        struct job *job = find_job(argv[i]);
        if (job != NULL)
            for_processes(job, end_process);
        else
            status = 1;
    }
    return status;
}
