// user/init/main.c: what happens when programs end (init.h).

#include "init.h"

#include <nebulet.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND_NS 1000000000ull
#define LONG_NS   (10 * SECOND_NS) // what runs so long works
#define PAUSE_NS  (SECOND_NS / 10) // the first

enum { QUICK_MAX = 5 };

static bool failed; // init's exit status

static uint64_t
now_ns(void)
{
    uint64_t now = 0;

    nebulet_clock_get(NEBULET_CLOCK_SINCE_BOOT, &now);
    return now;
}

static bool
start_now(struct program *p)
{
    p->due_ns = 0;
    p->started_ns = now_ns();
    if (start(p))
        return true;
    failed = true;
    return false;
}

// --- again -------------------------------------------------------------------

static void
give_up(const struct program *p, const char *why)
{
    fprintf(stderr, "init: %s: not started again: %s\n", p->words[0], why);
    failed = true;
}

// It has ended, or could not be started again.
static void
plan_restart(struct program *p)
{
    uint64_t now = now_ns();

    p->quick = now - p->started_ns < LONG_NS ? p->quick + 1 : 0;
    if (p->restarts == 0) {
        give_up(p, "that was all");
    } else if (p->quick == QUICK_MAX) {
        give_up(p, "it ends at once");
    } else {
        p->restarts--;
        p->due_ns = now;
        if (p->quick > 0)
            p->due_ns += PAUSE_NS << (p->quick - 1);
    }
}

static void
restart_due(void)
{
    uint64_t now = now_ns();

    for (int i = 0; i < program_count; i++) {
        struct program *p = &programs[i];
        if (p->due_ns == 0 || p->due_ns > now)
            continue;
        fprintf(stderr, "init: %s: started again\n", p->words[0]);
        if (!start_now(p))
            plan_restart(p);
    }
}

// --- once --------------------------------------------------------------------

// Start from here on, up to one that has to end first; the first that is not
// started.
static int
start_from(int index)
{
    while (index < program_count) {
        struct program *p = &programs[index++];
        bool started = start_now(p);
        if (!started && p->end == END_EXIT)
            exit(1);
        if (!started && p->end == END_RESTART)
            plan_restart(p);
        if (p->process != 0 && p->end == END_WAIT)
            break;
    }
    return index;
}

// --- ends --------------------------------------------------------------------

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
    if (p->end == END_RESTART)
        plan_restart(p);
    return p->end == END_WAIT;
}

// Until one ends or is to be started again; false: there is nothing to wait
// for.
static bool
wait_some(void)
{
    struct nebulet_wait_item items[PROGRAMS];
    uint64_t deadline_ns = UINT64_MAX, now = now_ns();
    uint32_t count = 0;

    for (int i = 0; i < program_count; i++) {
        const struct program *p = &programs[i];
        if (p->process != 0)
            items[count++] = (struct nebulet_wait_item){
                .handle = p->process, .signals = NEBULET_SIGNAL_ENDED};
        if (p->due_ns != 0 && p->due_ns < deadline_ns)
            deadline_ns = p->due_ns;
    }
    if (count > 0)
        nebulet_object_wait_many(items, count, deadline_ns);
    else if (deadline_ns != UINT64_MAX && deadline_ns > now)
        nebulet_thread_sleep(deadline_ns - now);
    return count > 0 || deadline_ns != UINT64_MAX;
}

int
main(int argc, char **argv)
{
    if (!read_file(argv + (argc > 0)))
        return 1;
    int next = start_from(0);
    while (wait_some()) {
        for (int i = 0; i < program_count; i++)
            if (look(&programs[i]))
                next = start_from(next);
        restart_due();
    }
    return failed;
}
