// port/linux/cpu.c: a pthread as a CPU.
//
// Interrupts are one signal; "interrupts off" is a flag, and a signal that
// finds it set leaves a note that port_interrupts_restore() reads.  Signals run
// on the interrupted stack, so that the scheduler can leave a handler by
// switching stacks and come back to it later.  Each access to the flags is one
// instruction relative to fs, so it is right whatever CPU it happens on.

#include "port/linux/linux.h"
#include "port/x64/port_x64.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    SECOND_NS = 1000000000,
    STREAM_POLL_NS = 5000000, // how often a busy CPU looks at its streams
};

// Not bool: GCC's UBSan moves loads of volatile bools out of loops.
static _Thread_local volatile u8 interrupts_on;
static _Thread_local volatile u8 pending;

static timer_t timer;
static u64 kernel_deadline = UINT64_MAX; // as port_timer_set() said
static u64 timer_deadline = UINT64_MAX;  // as the timer is set

__attribute__((weak)) void
__sanitizer_start_switch_fiber(void **save, const void *bottom, size_t size);
__attribute__((weak)) void
__sanitizer_finish_switch_fiber(void *save, const void **bottom, size_t *size);
__attribute__((weak)) void __asan_unpoison_memory_region(const volatile void *p,
                                                         size_t size);
const char *__asan_default_options(void);

// Generated code knows no shadow stack, and a leak check cannot see the
// kernel's heap.
const char *
__asan_default_options(void)
{
    return "detect_stack_use_after_return=0:detect_leaks=0";
}

// --- time --------------------------------------------------------------------

static u64
clock_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (u64)now.tv_sec * SECOND_NS + (u64)now.tv_nsec;
}

u64
port_monotonic_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

u64
port_realtime_ns(void)
{
    return clock_ns(CLOCK_REALTIME);
}

static u64
next_deadline(void)
{
    u64 streams = UINT64_MAX;

    if (linux_streams_awaited())
        streams = port_monotonic_ns() + STREAM_POLL_NS;
    return MIN(kernel_deadline, streams);
}

// Interrupts are off.
static void
arm_timer(void)
{
    u64 deadline = next_deadline();
    struct itimerspec when = {0};

    if (deadline >= timer_deadline)
        return; // the earlier interrupt will come here again
    timer_deadline = deadline;
    when.it_value.tv_sec = (time_t)(deadline / SECOND_NS);
    when.it_value.tv_nsec = (long)(deadline % SECOND_NS);
    if (deadline == 0)
        when.it_value.tv_nsec = 1; // 0 would disarm
    timer_settime(timer, TIMER_ABSTIME, &when, NULL);
}

void
port_timer_set(u64 monotonic_ns)
{
    bool on = port_interrupts_off();

    kernel_deadline = monotonic_ns;
    arm_timer();
    port_interrupts_restore(on);
}

void
linux_timer_look(void)
{
    arm_timer();
}

// --- interrupts --------------------------------------------------------------

// Interrupts are off.  True when the interrupted thread is to give way.
static bool
take_interrupt(void)
{
    pending = false;
    timer_deadline = UINT64_MAX;
    if (linux_streams_awaited())
        linux_streams_poll(&(struct timespec){0});
    bool give_way = sched_interrupt();
    arm_timer();
    return give_way;
}

bool
port_interrupts_off(void)
{
    bool on = interrupts_on;

    interrupts_on = false;
    return on;
}

void
port_interrupts_restore(bool on)
{
    if (!on)
        return;
    interrupts_on = true;
    while (pending) {
        interrupts_on = false;
        if (take_interrupt())
            sched_preempt();
        interrupts_on = true;
    }
}

static void
unwind(ucontext_t *context, u64 barrier_rsp)
{
    greg_t *regs = context->uc_mcontext.gregs;
    u64 rsp = (u64)regs[REG_RSP];

    if (__asan_unpoison_memory_region != NULL)
        __asan_unpoison_memory_region((void *)rsp, barrier_rsp - rsp);
    regs[REG_RSP] = (greg_t)barrier_rsp;
    regs[REG_RIP] = (greg_t)barrier_unwound;
}

static void
on_interrupt(int number, siginfo_t *info, void *argument)
{
    ucontext_t *context = argument;
    int saved_errno = errno;
    u64 barrier_rsp;

    (void)number, (void)info;
    if (!interrupts_on) {
        pending = true;
        return;
    }
    interrupts_on = false;
    if (take_interrupt())
        sched_preempt();
    if (sched_unwind((u64)context->uc_mcontext.gregs[REG_RIP], &barrier_rsp))
        unwind(context, barrier_rsp);
    errno = saved_errno;
    port_interrupts_restore(true);
}

void
port_idle(void)
{
    u64 deadline = kernel_deadline, now = port_monotonic_ns();
    struct timespec left = {0};

    if (!pending && deadline > now) {
        left.tv_sec = (time_t)((deadline - now) / SECOND_NS);
        left.tv_nsec = (long)((deadline - now) % SECOND_NS);
        linux_streams_poll(deadline == UINT64_MAX ? NULL : &left);
    }
    take_interrupt();
}

void
port_poke(u32 cpu)
{
    (void)cpu; // there is one, and it is the one that runs this
    pending = true;
}

u32
port_cpu_count(void)
{
    return 1;
}

u32
port_cpu_id(void)
{
    return 0;
}

// Tell ASan which stack we are on; the stack we came from in *old.
static void
name_stack(const void *low, u64 size, const void **old_low, size_t *old_size)
{
    void *fake = NULL;

    if (__sanitizer_start_switch_fiber == NULL)
        return;
    __sanitizer_start_switch_fiber(&fake, low, size);
    __sanitizer_finish_switch_fiber(fake, old_low, old_size);
}

void
port_stack_use(void *low, u64 size)
{
    const void *old_low;
    size_t old_size;

    name_stack(low, size, &old_low, &old_size);
}

// --- faults ------------------------------------------------------------------

// The registers in the order of their hardware numbers.
static void
copy_registers(u64 *to, const greg_t *from)
{
    static const u8 order[16] = {
        REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
        REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

    for (u32 i = 0; i < COUNT(order); i++)
        to[i] = (u64)from[order[i]];
}

// Of the error code of a page fault: its rights forbid it; an instruction.
enum { PRESENT_OR_FETCH = 1 << 0 | 1 << 4 };

static struct fault
describe(int number, const siginfo_t *info, const greg_t *gregs)
{
    struct fault fault = {
        .kind = FAULT_MEMORY,
        .pc = (u64)gregs[REG_RIP],
        .rsp = (u64)gregs[REG_RSP],
        .r14 = (u64)gregs[REG_R14],
        .address = (u64)info->si_addr,
        .absent = (gregs[REG_ERR] & PRESENT_OR_FETCH) == 0,
    };
    u64 regs[16];

    if (number == SIGILL) {
        fault.kind = FAULT_UNDEFINED;
    } else if (number == SIGFPE) {
        fault.kind = FAULT_DIVIDE;
        copy_registers(regs, gregs);
        fault.divide_zero = divisor_is_zero((u8 *)fault.pc, regs);
    }
    return fault;
}

static void
on_fault(int number, siginfo_t *info, void *argument)
{
    ucontext_t *context = argument;
    int saved_errno = errno;
    bool on = port_interrupts_off();
    struct fault fault = describe(number, info, context->uc_mcontext.gregs);

    if (fault_handle(&fault) == FAULT_PANIC)
        signal(number, SIG_DFL); // faults again, this time for Linux to see
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)fault.pc;
    context->uc_mcontext.gregs[REG_RSP] = (greg_t)fault.rsp;
    errno = saved_errno;
    port_interrupts_restore(on);
}

// --- start -------------------------------------------------------------------

static void
catch_signal(int number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler,
                               .sa_flags =
                                   SA_SIGINFO | SA_NODEFER | SA_RESTART};

    sigemptyset(&action.sa_mask);
    if (sigaction(number, &action, NULL) != 0)
        abort();
}

static void
start_signals(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = SIGRTMIN};

    event._sigev_un._tid = gettid();
    catch_signal(SIGRTMIN, on_interrupt);
    catch_signal(SIGSEGV, on_fault);
    catch_signal(SIGBUS, on_fault);
    catch_signal(SIGILL, on_fault);
    catch_signal(SIGFPE, on_fault);
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        abort();
}

struct first_flow {
    int (*run)(void *arg);
    void *arg;
    int result;
    struct context back, here;
};

static void
first_flow(void *argument)
{
    struct first_flow *flow = argument;
    struct context dead;

    flow->result = flow->run(flow->arg);
    port_interrupts_off();
    context_switch(&dead, &flow->back);
}

int
linux_start(int (*run)(void *arg), void *arg)
{
    struct first_flow flow = {.run = run, .arg = arg};

    linux_memory_init();
    linux_streams_init();
    u8 *stack = port_reserve(STACK_SIZE, STACK_SIZE);
    if (stack == NULL ||
        !port_commit(stack + STACK_GUARD, STACK_SIZE - STACK_GUARD))
        return 1;
    start_signals();
    // The kernel keeps its own data in the last bytes of a stack.
    const void *old_low = NULL;
    size_t old_size = 0;
    name_stack(stack, STACK_SIZE, &old_low, &old_size);
    context_init(&flow.here, stack + STACK_SIZE - STACK_TOP, first_flow, &flow);
    context_switch(&flow.back, &flow.here);
    name_stack(old_low, old_size, &old_low, &old_size);
    linux_streams_end();
    return flow.result;
}
