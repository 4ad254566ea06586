// sys/sys.c: the start.

#include "sys/sys.h"

void
sys_init(const struct host_module *const *modules)
{
    kernel_init();
    runtime_init(modules);
}
