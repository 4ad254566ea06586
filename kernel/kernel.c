// kernel/kernel.c: the start.

#include "kernel/kernel.h"

u32 cpu_features;

static struct thread first_thread;

void
kernel_init(const struct host_module *const *modules)
{
    host_modules = modules;
    cpu_features = cpu_features_detect();
    pfex_init();
    console_init();
    thread_init_first(&first_thread);
    sched_init(&first_thread);
    port_interrupts_restore(true);
}
