// test/steps/boot.c: the command on Linux that counts its steps: the log ends
// with those that were done after the deadline of the programs (--timeout), and
// with the most in a row while files or modules were loaded in which nobody
// looked whether to go on.
//
// When the deadline is, a signal of its own says, which no flag of the kernel's
// holds up.  Generated code takes no steps: interrupts find it anywhere.

#include "kernel/kernel.h"
#include "kernel/port.h"
#include "runtime/internal.h"
#include "sys/sys.h"
#include "test/steps/steps.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SECOND_NS = 1000000000 };

u32 __real_boot_run(struct bytes initrd, const char *cmdline);
u32 __wrap_boot_run(struct bytes initrd, const char *cmdline);
status_t __real_thread_run_until(void (*run)(void *arg), void *arg,
                                 u64 deadline_ns);
status_t __wrap_thread_run_until(void (*run)(void *arg), void *arg,
                                 u64 deadline_ns);

status_t __real_process_wait(struct process *p, u64 deadline_ns, u32 *status);
status_t __wrap_process_wait(struct process *p, u64 deadline_ns, u32 *status);
status_t __real_types_register_some(const struct module *m, u32 *ids,
                                    u32 *count);
status_t __wrap_types_register_some(const struct module *m, u32 *ids,
                                    u32 *count);
bool __real_thread_is_killed(void);
bool __wrap_thread_is_killed(void);

// --- the deadline ------------------------------------------------------------

static u8 signal_stack[64 * KIB];
static u64 armed_for;                    // 0: nothing yet
static volatile sig_atomic_t has_passed; // the deadline
static volatile u64 steps_at_deadline;

static void
on_deadline(int number)
{
    (void)number;
    steps_at_deadline = steps_done();
    has_passed = 1;
}

// On a stack of its own, and not interrupted: the kernel's own signal would
// switch to another thread's stack.
static void
catch_deadline(int number)
{
    const stack_t stack = {.ss_sp = signal_stack,
                           .ss_size = sizeof(signal_stack)};
    struct sigaction action = {.sa_handler = on_deadline,
                               .sa_flags = SA_ONSTACK | SA_RESTART};

    sigfillset(&action.sa_mask);
    if (sigaltstack(&stack, NULL) != 0 || sigaction(number, &action, NULL) != 0)
        abort();
}

static void
arm(u64 deadline_ns)
{
    int number = SIGRTMIN + 1;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = number};
    struct itimerspec when = {
        .it_value = {(time_t)(deadline_ns / SECOND_NS),
                     (long)(deadline_ns % SECOND_NS)}
    };
    timer_t timer;

    catch_deadline(number);
    event._sigev_un._tid = gettid();
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
        timer_settime(timer, TIMER_ABSTIME, &when, NULL) != 0)
        abort();
    armed_for = deadline_ns;
}

// --- loading -----------------------------------------------------------------

extern const char __executable_start[]; // what addr2line counts from

static struct {
    bool now;
    u64 looked, longest; // in steps
    const void *at;      // where the longest stretch ended
} loading;

static void
note_look(const void *at)
{
    u64 now = steps_done(), stretch = now - loading.looked;

    if (loading.now && stretch > loading.longest) {
        loading.longest = stretch;
        loading.at = at;
    }
    loading.looked = now;
}

bool
__wrap_thread_is_killed(void)
{
    note_look(__builtin_return_address(0));
    return __real_thread_is_killed();
}

// The first call has the deadline of everything.
status_t
__wrap_thread_run_until(void (*run)(void *arg), void *arg, u64 deadline_ns)
{
    if (armed_for == 0 && deadline_ns != UINT64_MAX)
        arm(MAX(deadline_ns, 1));
    loading.looked = steps_done();
    loading.now = true;
    status_t status = __real_thread_run_until(run, arg, deadline_ns);
    note_look(__builtin_return_address(0));
    loading.now = false;
    return status;
}

// --- at the worst time -------------------------------------------------------

// $LATE is types: the deadline is when all types are registered.
status_t
__wrap_types_register_some(const struct module *m, u32 *ids, u32 *count)
{
    const char *late = getenv("LATE");
    status_t status = __real_types_register_some(m, ids, count);

    while (late != NULL && strcmp(late, "types") == 0 && armed_for != 0 &&
           m->type_count > 1 && !thread_is_killed())
        thread_yield();
    return status;
}

// $LATE is release: who waits for the end of a process is so late that all
// others have let go of it, and what is freed then is freed by him.
status_t
__wrap_process_wait(struct process *p, u64 deadline_ns, u32 *exit_status)
{
    enum { LATE_NS = 20000000 };
    const char *late = getenv("LATE");
    status_t status = __real_process_wait(p, deadline_ns, exit_status);

    if (status == OK && has_passed && late != NULL &&
        strcmp(late, "release") == 0)
        status = thread_sleep_until(port_monotonic_ns() + LATE_NS);
    return status;
}

u32
__wrap_boot_run(struct bytes initrd, const char *cmdline)
{
    u32 status = __real_boot_run(initrd, cmdline);

    if (has_passed)
        klog("steps: %llu after the deadline",
             (unsigned long long)(steps_done() - steps_at_deadline));
    else
        klog("steps: before the deadline");
    klog("steps: %llu without a look while loading, until 0x%llx",
         (unsigned long long)loading.longest,
         (unsigned long long)loading.at -
             (unsigned long long)__executable_start);
    return status;
}
