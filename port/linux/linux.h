// port/linux/: the kernel as a Linux process.  A pthread is a CPU; signals
// are its interrupts and faults; addresses come from mmap.

#pragma once

#include "kernel/lock.h"
#include "kernel/port.h"

#include <signal.h>

// How many CPUs there are to be, 1 to CPU_MAX; before linux_start().
void linux_cpus(u32 count);

// Call run(arg) on CPU 0, on a stack as kernel/port.h wants it, and wait;
// returns what run returns.  Once per process.
int linux_start(int (*run)(void *arg), void *arg);

// start.c: boot the kernel with an initrd (wasi/wasi.h); the exit status.  The
// user's command was started at `start_ns` of port_monotonic_ns(); from
// `end_ns` on (UINT64_MAX: never) nobody is waited for who does not read the
// log.
int linux_run(struct bytes initrd, const char *cmdline, u64 start_ns,
              u64 end_ns);

// The memory that there is to commit, instead of what the host has.
void linux_memory_limit(u64 size);

// Before linux_start(): there may be a profile, and PORT_PROFILE is this
// descriptor.
void linux_profile(int fd);

// The file behind a descriptor, by a name that the host follows to it.
struct fd_path {
    char text[32];
};

static inline struct fd_path
fd_path(i32 fd)
{
    struct fd_path p;

    format(p.text, sizeof(p.text), "/proc/self/fd/%d", fd);
    return p;
}

// --- memory.c ----------------------------------------------------------------

// Once, before all else.
void linux_memory_init(void);

// --- devices.c ---------------------------------------------------------------

// Once, before the kernel asks for them.
void linux_devices_init(void);

// Before linux_start(): let there be one disk more, which is a file of the
// host's, and is nobody else's meanwhile.  Returns 0 or the host's error.
MUST_USE int linux_disk(const char *path, bool writable);

// --- cpu.c -------------------------------------------------------------------

// Somebody waits for a stream: look at the streams soon even when the CPU is
// busy.  Interrupts are off.
void linux_timer_look(void);
// The same for who may have interrupts on.
void linux_timer_wake(void);

// What runs wherever a signal may come, ThreadSanitizer's own code included: it
// does not see it, and it is not in the section of other code, so that a signal
// that comes meanwhile is not taken.
#define IN_SIGNALS \
    __attribute__((no_sanitize("thread"), section(".text.signal")))

// In a build for ThreadSanitizer (test/kernel/tsan.c): whether an interrupt may
// be taken where it came; if not, another comes soon when interrupts are on.
__attribute__((weak)) bool linux_may_interrupt(u64 pc, bool on);

// linux_profile() was called.
extern bool linux_profiles;

// --- panic.c -----------------------------------------------------------------

struct panic_registers;
// What a panic says on stderr.
void linux_panic_tell(const char *what, const struct panic_registers *r);

// --- console.c ---------------------------------------------------------------

// As linux_run(); without it the command is started by linux_streams_init(),
// and its log waited for.
void linux_streams_limits(u64 start_ns, u64 end_ns);

// The standard streams of the process: take them, and leave them as they were.
void linux_streams_init(void);
void linux_streams_end(void);

// Whether somebody waits for a stream.  Interrupts are off, here and below.
bool linux_streams_awaited(void);

// Wait until one is ready, a signal comes or the time is up (NULL: never), with
// this signal mask meanwhile (NULL: ours).
void linux_streams_poll(const struct timespec *patience, const sigset_t *mask);

// --- sockets.c ---------------------------------------------------------------

// What to poll for POLLIN, -1: nothing; then linux_sockets_hear(), with
// interrupts off.
int linux_sockets_fd(void);
void linux_sockets_hear(void);
