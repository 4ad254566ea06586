// port/linux/start.c: boot the kernel with an initrd.

#include "port/linux/files.h"
#include "port/linux/linux.h"
#include "wasi/wasi.h"

struct boot_arguments {
    struct bytes initrd;
    const char *cmdline;
};

static int
boot(void *argument)
{
    const struct boot_arguments *a = argument;

    sys_init(program_modules);
    boot_mounts(host_mounted);
    boot_listeners(host_listener);
    return (int)boot_run(a->initrd, a->cmdline);
}

int
linux_run(struct bytes initrd, const char *cmdline, u64 start_ns, u64 end_ns)
{
    struct boot_arguments a = {initrd, cmdline};

    linux_streams_limits(start_ns, end_ns);
    return linux_start(boot, &a);
}
