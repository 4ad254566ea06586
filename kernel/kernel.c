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
    cpu_is_alone = port_cpu_count() == 1;
}

void
kernel_reclaim(void)
{
    stacks_reclaim();
    heap_reclaim();
}
