// test/latency/boot.c: the kernel with its programs, under QEMU -icount
// shift=0: the log ends with the longest stretch without preemption, and when
// that is too long, so does the exit status.  A line more says when it began
// and ended, for who gave it a timeout.

#include "test/latency/latency.h"
#include "wasi/wasi.h"

enum { BOUND = 1000000, STATUS_TOO_LONG = 123 };

u32 __real_boot_run(struct bytes initrd, const char *cmdline);
u32 __wrap_boot_run(struct bytes initrd, const char *cmdline);

// One instruction a nanosecond.
u64
test_work(void)
{
    return port_monotonic_ns();
}

// Since the command was started, as --timeout counts.
static long long
age_ns(void)
{
    return (long long)port_monotonic_ns() - port_start_ns();
}

u32
__wrap_boot_run(struct bytes initrd, const char *cmdline)
{
    const void *at;

    long long began = age_ns();
    latency_watch();
    u32 status = __real_boot_run(initrd, cmdline);
    u64 longest = latency_longest(&at);
    klog("latency: %llu instructions without preemption, until %p",
         (unsigned long long)longest, at);
    klog("latency: from %lld to %lld ns after the start", began, age_ns());
    return longest <= BOUND ? status : STATUS_TOO_LONG;
}
