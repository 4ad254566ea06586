// kernel/kernel.c: the start.

#include "kernel/kernel.h"

u32 cpu_features;

static struct thread first_thread;

// The types of all functions that programs can import: nobody has to find
// memory for them later.
static void
register_hosts(void)
{
    for (u32 k = 0; host_modules[k] != NULL; k++)
        for (u32 f = 0; f < host_modules[k]->count; f++)
            if (types_host(host_modules[k]->funcs[f].sig) == 0)
                panic(__FILE__, __LINE__, "no memory for types");
}

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
    types_init();
    register_hosts();
}
