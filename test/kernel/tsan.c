// test/kernel/tsan.c: what ThreadSanitizer has to know of threads that are not
// pthreads: to it each stack is a fiber, which goes on where another was.
//
// Interrupts are taken only in code of ours: one that comes while the sanitizer
// works, or libc, waits until that is done, because the thread that goes on
// instead would find the sanitizer's locks held.
//
// The code of ours is in the section kernel_text (Makefile), this file is not
// instrumented, and context_switch() and context_init() are called here.

#include "port/linux/linux.h"

#include <sanitizer/tsan_interface.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { FIBERS = 1 << 15, AGAIN_NS = 100000 };

extern const char __start_kernel_text[], __stop_kernel_text[];

void bare_context_switch(struct context *from, struct context *to);
void bare_context_init(struct context *c, void *stack_top,
                       void (*entry)(void *), void *arg);
int __wrap_sigaction(int number, const struct sigaction *to,
                     struct sigaction *before);
const char *__tsan_default_options(void);

// A fiber ends with its process.  A race is a failure of its test.
const char *
__tsan_default_options(void)
{
    return "atexit_sleep_ms=0:report_thread_leaks=0:report_signal_unsafe=0:"
           "detect_deadlocks=0:history_size=4";
}

// --- stacks ------------------------------------------------------------------

static struct {
    u64 stack; // its lowest address; 0: none
    void *fiber;
} fibers[FIBERS];

static u32 fibers_lock;

static u64
stack_of(u64 rsp)
{
    return rsp & ~(u64)(STACK_SIZE - 1);
}

// Where the fiber of a stack is, or is to be.
static void **
fiber_of(u64 stack)
{
    u64 at = stack / STACK_SIZE % FIBERS;

    while (fibers[at].stack != stack && fibers[at].stack != 0)
        at = (at + 1) % FIBERS;
    fibers[at].stack = stack;
    return &fibers[at].fiber;
}

static void
lock_fibers(void)
{
    while (__atomic_exchange_n(&fibers_lock, 1, __ATOMIC_ACQUIRE) != 0)
        __builtin_ia32_pause();
}

static void
unlock_fibers(void)
{
    __atomic_store_n(&fibers_lock, 0, __ATOMIC_RELEASE);
}

// Whoever was on that stack has ended.
void
context_init(struct context *c, void *stack_top, void (*entry)(void *),
             void *arg)
{
    bool on = port_interrupts_off();
    void *fresh = __tsan_create_fiber(0);

    lock_fibers();
    void **fiber = fiber_of(stack_of((u64)stack_top - 1)), *old = *fiber;
    *fiber = fresh;
    unlock_fibers();
    if (old != NULL)
        __tsan_destroy_fiber(old);
    port_interrupts_restore(on);
    bare_context_init(c, stack_top, entry, arg);
}

// What happened on this CPU has happened before what comes.
void
context_switch(struct context *from, struct context *to)
{
    lock_fibers();
    void *fiber = *fiber_of(stack_of(to->rsp));
    unlock_fibers();
    __tsan_switch_to_fiber(fiber, 0);
    bare_context_switch(from, to);
}

// --- signals -----------------------------------------------------------------

static _Thread_local bool has_timer;
static _Thread_local int timer; // of Linux, not of libc

static void
come_again(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = SIGRTMIN};
    struct itimerspec when = {.it_value.tv_nsec = AGAIN_NS};

    event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    if (!has_timer &&
        syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) != 0)
        abort();
    has_timer = true;
    syscall(SYS_timer_settime, timer, 0, &when, NULL);
}

bool
linux_may_interrupt(u64 pc, bool on)
{
    if (pc - (u64)__start_kernel_text <
            (u64)(__stop_kernel_text - __start_kernel_text) ||
        port_code_contains(pc))
        return true;
    if (on)
        come_again();
    return false;
}

// As Linux has it: the sanitizer would call a handler when it likes.
struct kernel_sigaction {
    void (*handler)(int, siginfo_t *, void *);
    u64 flags;
    void (*restorer)(void);
    u64 mask;
};

void signal_return(void);
__asm__("    .text\n"
        "signal_return:\n"
        "    mov $15, %eax\n"
        "    syscall\n");

int
__wrap_sigaction(int number, const struct sigaction *to,
                 struct sigaction *before)
{
    enum { SA_RESTORER = 0x04000000 };
    struct kernel_sigaction action = {
        to->sa_sigaction, (u32)to->sa_flags | SA_RESTORER, signal_return, 0};

    assert(before == NULL);
    return (int)syscall(SYS_rt_sigaction, number, &action, NULL, 8);
}
