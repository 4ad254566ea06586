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
    struct place place;
    size_t count;
    struct process processes[];
};

static struct job *jobs; // by number
char last_job[LAST_JOB_SIZE];

struct job *
job_new(const char *text, size_t size, const uint32_t *processes, size_t count,
        struct place *place)
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
    job->place = *place;
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
    place_close(&job->place);
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
for_processes(const struct job *job,
              int32_t (*each)(uint32_t handle, uint32_t status),
              uint32_t status)
{
    for (size_t i = 0; i < job->count; i++)
        if (job->processes[i].handle != 0)
            each(job->processes[i].handle, status);
}

// With all that its processes have started.
static void
end(const struct job *job, uint32_t status)
{
    if (job->place.group != 0)
        nebulet_group_kill(job->place.group, status);
    else
        for_processes(job, nebulet_process_kill, status);
}

static void
let_go_on(struct job *job)
{
    if (job->state == STATE_STOPPED && job->place.group != 0)
        nebulet_group_resume(job->place.group);
    if (job->state == STATE_STOPPED)
        job->state = STATE_RUNNING;
}

static void report(const struct job *job, int fd);

static void
stop(struct job *job)
{
    if (job->place.group == 0)
        return;
    nebulet_group_suspend(job->place.group);
    job->state = STATE_STOPPED;
    report(job, 2);
}

// ^C and ^Z, typed in its seat, or in the shell's before the job was in front.
static void
take_signals(struct job *job)
{
    uint32_t what =
        signals_take(job->place.seat) | signals_take(terminal_seat());

    if ((what & NEBULET_SIGNAL_INTERRUPTED) != 0) {
        interrupt(true);
        end(job, STATUS_INTERRUPTED);
    } else if (what != 0) {
        stop(job);
    }
}

static uint32_t
add_item(struct nebulet_wait_item *items, uint32_t count, uint32_t handle,
         uint32_t signals)
{
    if (handle == 0)
        return count;
    items[count] =
        (struct nebulet_wait_item){.handle = handle, .signals = signals};
    return count + 1;
}

// Wait until one of its processes ends, or something is typed for the shell.
static void
wait_some(struct job *job)
{
    enum { BOTH = NEBULET_SIGNAL_INTERRUPTED | NEBULET_SIGNAL_STOPPED };
    struct nebulet_wait_item items[WAIT_MAX];
    uint32_t count = 0;

    for (size_t i = 0; i < job->count; i++)
        count = add_item(items, count, job->processes[i].handle,
                         NEBULET_SIGNAL_ENDED);
    count = add_item(items, count, job->place.seat, BOTH);
    count = add_item(items, count, terminal_seat(), BOTH);
    nebulet_object_wait_many(items, count, UINT64_MAX);
}

int
job_wait(struct job *job)
{
    if (job->place.seat != 0)
        nebulet_terminal_focus(job->place.seat);
    let_go_on(job);
    look(job);
    while (job->state == STATE_RUNNING) {
        wait_some(job);
        take_signals(job);
        look(job);
    }
    if (job->place.seat != 0)
        terminal_front();
    if (job->state == STATE_STOPPED)
        return STATUS_STOPPED;
    int status = status_of(job);
    forget(job);
    return status;
}

void
job_leave(struct job *job)
{
    snprintf(last_job, LAST_JOB_SIZE, "%%%d", job->number);
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

int
builtin_fg(int argc, char **argv, const struct streams *s)
{
    struct job *job = find_job(argc > 1 ? argv[1] : NULL);

    if (job == NULL)
        return 1;
    dprintf(s->fds[1], "%s\n", job->text);
    return job_wait(job);
}

int
builtin_bg(int argc, char **argv, const struct streams *s)
{
    struct job *job = find_job(argc > 1 ? argv[1] : NULL);

    if (job == NULL)
        return 1;
    dprintf(s->fds[1], "[%d] %s\n", job->number, job->text);
    let_go_on(job);
    return 0;
}

// Jobs, by %N; a word without % is the number of a process, which is for the
// program of this name.
int
builtin_kill(int argc, char **argv, const struct streams *s)
{
    int status = 0;

    (void)s;
    for (int i = 1; i < argc; i++) {
        struct job *job = find_job(argv[i]);
        if (job != NULL)
            end(job, STATUS_TERMINATED);
        else
            status = 1;
    }
    return status;
}
