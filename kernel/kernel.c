// kernel/kernel.c: the start.

#include "kernel/internal.h"

static struct thread first_thread;

void
kernel_init(void)
{
    accounts_init();
    kept_init();
    pfex_init();
    channels_init();
    console_init();
    terminal_init();
    thread_init_first(&first_thread);
    sched_init(&first_thread);
    groups_init();
    port_interrupts_restore(true);
    lock_interrupts_come();
    signals_init();
    port_start_cpus();
    if (port_cpu_count() == 1) // else others look at it already
        cpu_is_alone = true;
}

void
kernel_reclaim(void)
{
    stacks_reclaim();
    heap_reclaim();
}
