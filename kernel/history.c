// kernel/history.c: what ran last on each CPU.  A CPU writes its own notes;
// they are read when all the others stand still.

#include "kernel/history.h"
#include "kernel/internal.h"

struct history histories[CPU_MAX];

void
history_call(const char *module, const char *call)
{
    bool on = port_interrupts_off();
    struct history *h = &histories[port_cpu_id()];

    h->notes[h->next++ % HISTORY] =
        (struct history_note){call, module, 0, sched_current()->number};
    port_interrupts_restore(on);
}

static void
tell(panic_say_t *say, const struct history_note *n)
{
    if (n->call != NULL)
        say("    thread %u calls %s.%s", n->to, n->module, n->call);
    else
        say("    thread %u after thread %u", n->to, n->from);
}

void
history_tell(panic_say_t *say)
{
    const struct thread *t = sched_current();

    if (t != NULL)
        say("on CPU %u, in thread %u", port_cpu_id(), t->number);
    for (u32 cpu = 0; cpu < CPU_MAX; cpu++) {
        const struct history *h = &histories[cpu];
        if (h->next > 0)
            say("CPU %u, the last of %u:", cpu, h->next);
        for (u32 i = MIN(h->next, (u32)HISTORY); i > 0; i--)
            tell(say, &h->notes[(h->next - i) % HISTORY]);
    }
}
