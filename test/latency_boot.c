// test/latency_boot.c: the kernel with its programs, under QEMU -icount
// shift=0: the log ends with the longest stretch without preemption, and when
// that is too long, so does the exit status.  A line more says when it ended,
// for who gave it a timeout.

#include "test/latency.h"
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

u32
__wrap_boot_run(struct bytes initrd, const char *cmdline)
{
    const void *at;

    latency_watch();
    u32 status = __real_boot_run(initrd, cmdline);
    u64 longest = latency_longest(&at);
    klog("latency: %llu instructions without preemption, until %p",
         (unsigned long long)longest, at);
    i64 age = (i64)port_monotonic_ns() - port_start_ns();
    klog("latency: ended %lld ns after the start", (long long)age);
    return longest <= BOUND ? status : STATUS_TOO_LONG;
}
