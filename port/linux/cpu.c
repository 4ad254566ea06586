// port/linux/cpu.c: pthreads as CPUs.
//
// Interrupts are one signal; "interrupts off" is a flag, and a signal that
// finds it set leaves a note that port_interrupts_restore() reads.  Signals run
// on the interrupted stack, so that the scheduler can leave a handler by
// switching stacks and come back to it later, maybe on another CPU.  So each
// access to the flags is one instruction relative to fs, right whatever CPU it
// happens on; all else of a CPU is used with interrupts off only.  The same is
// so for what C libraries keep for each pthread, like errno: whoever calls them
// in a thread of the kernel turns interrupts off.

#include "port/linux/linux.h"
#include "port/x64/port_x64.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum {
    SECOND_NS = 1000000000,
    STREAM_POLL_NS = 5000000, // how often a busy CPU looks at its streams
    SPINS_BEFORE_YIELD = 100,
    SAMPLE_STACK = 64 * 1024, // of the signal for a profile
};

struct cpu {
    u32 id;
    pid_t thread; // 0: not started; atomic
    bool poked;   // a signal is on its way; atomic
    timer_t timer;
    timer_t sampler; // of the pthread's time
    bool has_sampler;
    u64 kernel_deadline; // as port_timer_set() said
    u64 timer_deadline;  // as the timer is set
};

static struct cpu cpus[CPU_MAX];
static u8 sample_stacks[CPU_MAX][SAMPLE_STACK];
bool linux_profiles;
static u32 cpu_count = 1;

// Of each CPU, see above.  `used`: only assembly knows them.
static _Thread_local u8 interrupts_on __attribute__((used));
static _Thread_local u8 pending __attribute__((used));
static _Thread_local struct cpu *self __attribute__((used));

#define FLAG_READ(flag)                                  \
    ({                                                   \
        u8 value_;                                       \
        __asm__ volatile("movb %%fs:" #flag "@tpoff, %0" \
                         : "=q"(value_)                  \
                         :                               \
                         : "memory");                    \
        value_ != 0;                                     \
    })
#define FLAG_SET(flag, value)                        \
    __asm__ volatile("movb %0, %%fs:" #flag "@tpoff" \
                     :                               \
                     : "qi"((u8)(value))             \
                     : "memory")

static struct cpu *
this_cpu(void)
{
    struct cpu *cpu;

    __asm__ volatile("movq %%fs:self@tpoff, %0" : "=r"(cpu) : : "memory");
    return cpu;
}

// Not inlined, so that nobody keeps the address of another CPU's.
static __attribute__((noinline)) int
errno_get(void)
{
    __asm__ volatile("");
    return errno;
}

static __attribute__((noinline)) void
errno_set(int value)
{
    __asm__ volatile("");
    errno = value;
}

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

// An interrupt at this time, or before; interrupts are off.
static void
arm_timer(struct cpu *cpu, u64 deadline)
{
    struct itimerspec when = {0};

    if (deadline >= cpu->timer_deadline)
        return; // the earlier interrupt will come here again
    cpu->timer_deadline = deadline;
    when.it_value.tv_sec = (time_t)(deadline / SECOND_NS);
    when.it_value.tv_nsec = (long)(deadline % SECOND_NS);
    if (deadline == 0)
        when.it_value.tv_nsec = 1; // 0 would disarm
    timer_settime(cpu->timer, TIMER_ABSTIME, &when, NULL);
}

void
port_timer_set(u64 monotonic_ns)
{
    bool on = port_interrupts_off();
    struct cpu *cpu = this_cpu();

    cpu->kernel_deadline = monotonic_ns;
    arm_timer(cpu, monotonic_ns);
    port_interrupts_restore(on);
}

void
linux_timer_look(void)
{
    if (linux_streams_awaited())
        arm_timer(this_cpu(), port_monotonic_ns() + STREAM_POLL_NS);
}

void
linux_timer_wake(void)
{
    bool on = port_interrupts_off();

    linux_timer_look();
    port_interrupts_restore(on);
}

// --- interrupts --------------------------------------------------------------

// Interrupts are off.  True when the interrupted thread is to give way.
static bool
take_interrupt(void)
{
    FLAG_SET(pending, 0);
    __atomic_store_n(&this_cpu()->poked, false, __ATOMIC_SEQ_CST);
    this_cpu()->timer_deadline = UINT64_MAX;
    if (linux_streams_awaited())
        linux_streams_poll(&(struct timespec){0}, NULL);
    bool give_way = sched_interrupt();
    arm_timer(this_cpu(), this_cpu()->kernel_deadline);
    linux_timer_look();
    return give_way;
}

bool
port_interrupts_off(void)
{
    bool on = FLAG_READ(interrupts_on);

    FLAG_SET(interrupts_on, 0);
    return on;
}

static bool
is_pending(void)
{
    return FLAG_READ(pending);
}

void
port_interrupts_restore(bool on)
{
    if (!on)
        return;
    FLAG_SET(interrupts_on, 1);
    while (is_pending()) {
        FLAG_SET(interrupts_on, 0);
        if (take_interrupt())
            sched_preempt();
        FLAG_SET(interrupts_on, 1);
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
interrupt(ucontext_t *context, u64 pc)
{
    int saved_errno = errno_get();
    u64 barrier_rsp;

    FLAG_SET(interrupts_on, 0);
    if (take_interrupt()) {
        sched_preempt();
        sched_stop(pc);
    }
    if (sched_unwind(pc, &barrier_rsp))
        unwind(context, barrier_rsp);
    errno_set(saved_errno);
    port_interrupts_restore(true);
}

// Where it is not taken, nothing is touched but the flags.
static IN_SIGNALS void
on_interrupt(int number, siginfo_t *info, void *argument)
{
    ucontext_t *context = argument;
    u64 pc = (u64)context->uc_mcontext.gregs[REG_RIP];
    bool on = FLAG_READ(interrupts_on);

    (void)number, (void)info;
    if (linux_may_interrupt != NULL && !linux_may_interrupt(pc, on))
        on = false;
    if (on)
        interrupt(context, pc);
    else
        FLAG_SET(pending, 1);
}

// --- samples -----------------------------------------------------------------

// With interrupts blocked, on a stack of its own: whatever was interrupted, a
// handler included, knows nothing of it.
static IN_SIGNALS void
on_sample(int number, siginfo_t *info, void *argument)
{
    const ucontext_t *context = argument;

    (void)number, (void)info;
    profile_sample((u64)context->uc_mcontext.gregs[REG_RIP],
                   (u64)context->uc_mcontext.gregs[REG_RSP]);
}

static void
catch_samples(void)
{
    struct sigaction action = {.sa_sigaction = on_sample,
                               .sa_flags =
                                   SA_SIGINFO | SA_ONSTACK | SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGRTMIN);
    if (sigaction(SIGRTMIN + 1, &action, NULL) != 0)
        abort();
}

// The clock of a pthread's CPU time, by its number, as Linux makes it from that
// (libc knows only those of processes and of the pthreads that it started).
static clockid_t
clock_of(pid_t thread)
{
    return (clockid_t)(~(u32)thread << 3 | 6);
}

static void
set_sampler(struct cpu *cpu, pid_t thread, u64 period_ns)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = SIGRTMIN + 1};
    struct timespec period = {.tv_sec = (time_t)(period_ns / SECOND_NS),
                              .tv_nsec = (long)(period_ns % SECOND_NS)};
    const struct itimerspec when = {period, period};

    event._sigev_un._tid = thread;
    if (!cpu->has_sampler &&
        timer_create(clock_of(thread), &event, &cpu->sampler) != 0)
        return;
    cpu->has_sampler = true;
    timer_settime(cpu->sampler, 0, &when, NULL);
}

void
port_profile(u64 period_ns)
{
    bool on = port_interrupts_off();

    for (u32 i = 0; i < cpu_count && linux_profiles; i++) {
        pid_t thread = __atomic_load_n(&cpus[i].thread, __ATOMIC_ACQUIRE);
        if (thread != 0)
            set_sampler(&cpus[i], thread, period_ns);
    }
    port_interrupts_restore(on);
}

// --- more of interrupts ------------------------------------------------------

static void
block_interrupt(int how, sigset_t *before)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    pthread_sigmask(how, &set, before);
}

// The signal is let through only while we sleep, so that none comes between a
// look at `pending` and that.
void
port_idle(void)
{
    u64 deadline = this_cpu()->kernel_deadline, now = port_monotonic_ns();
    struct timespec left = {0};
    sigset_t open;

    if (deadline > now) {
        left.tv_sec = (time_t)((deadline - now) / SECOND_NS);
        left.tv_nsec = (long)((deadline - now) % SECOND_NS);
        block_interrupt(SIG_BLOCK, &open);
        if (!FLAG_READ(pending))
            linux_streams_poll(deadline == UINT64_MAX ? NULL : &left, &open);
        block_interrupt(SIG_UNBLOCK, NULL);
    }
    take_interrupt();
}

// Signals queue up, and each that comes needs some of the stack: one of us is
// enough until it is taken.
void
port_poke(u32 id)
{
    struct cpu *cpu = &cpus[id];
    pid_t thread = __atomic_load_n(&cpu->thread, __ATOMIC_ACQUIRE);

    if (cpu == this_cpu())
        FLAG_SET(pending, 1); // interrupts are off, or will be for that
    else if (thread != 0 &&
             !__atomic_exchange_n(&cpu->poked, true, __ATOMIC_SEQ_CST))
        tgkill(getpid(), thread, SIGRTMIN);
}

// Whoever holds the lock may have lost his processor to us.
void
port_spin(u32 spins)
{
    if (spins % SPINS_BEFORE_YIELD == 0)
        sched_yield();
    else
        __builtin_ia32_pause();
}

u32
port_cpu_count(void)
{
    return cpu_count;
}

// Before the start and after the end there is one, too.
u32
port_cpu_id(void)
{
    const struct cpu *cpu = this_cpu();

    return cpu != NULL ? cpu->id : 0;
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

inline void // a part of the switch
port_stack_use(void *low, u64 size)
{
    const void *old_low;
    size_t old_size;

    name_stack(low, size, &old_low, &old_size);
}

// That is Linux's to do, between processes.
void
port_forget_branches(void)
{
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
tell_fault(int number, const struct fault *fault, const greg_t *regs)
{
    const struct panic_registers r = {
        .rbx = (u64)regs[REG_RBX],
        .rbp = (u64)regs[REG_RBP],
        .r12 = (u64)regs[REG_R12],
        .r13 = (u64)regs[REG_R13],
        .r14 = (u64)regs[REG_R14],
        .r15 = (u64)regs[REG_R15],
        .rsp = fault->rsp,
        .rip = fault->pc,
    };
    char text[80];

    format(text, sizeof(text), "panic: signal %d, address 0x%llx", number,
           (unsigned long long)fault->address);
    linux_panic_tell(text, &r);
}

static void
on_fault(int number, siginfo_t *info, void *argument)
{
    ucontext_t *context = argument;
    int saved_errno = errno_get();
    bool on = port_interrupts_off();
    struct fault fault = describe(number, info, context->uc_mcontext.gregs);

    if (fault_handle(&fault) == FAULT_PANIC) {
        tell_fault(number, &fault, context->uc_mcontext.gregs);
        signal(number, SIG_DFL); // faults again, this time for Linux to see
    }
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)fault.pc;
    context->uc_mcontext.gregs[REG_RSP] = (greg_t)fault.rsp;
    errno_set(saved_errno);
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
catch_signals(void)
{
    catch_signal(SIGRTMIN, on_interrupt);
    catch_signal(SIGSEGV, on_fault);
    catch_signal(SIGBUS, on_fault);
    catch_signal(SIGILL, on_fault);
    catch_signal(SIGFPE, on_fault);
    if (linux_profiles)
        catch_samples();
}

// This pthread is a CPU from now on.
static void
become(struct cpu *cpu)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID,
                             .sigev_signo = SIGRTMIN};
    const stack_t stack = {.ss_sp = sample_stacks[cpu->id],
                           .ss_size = SAMPLE_STACK};

    __asm__ volatile("movq %0, %%fs:self@tpoff" : : "r"(cpu) : "memory");
    event._sigev_un._tid = gettid();
    if (linux_profiles && sigaltstack(&stack, NULL) != 0)
        abort();
    cpu->kernel_deadline = cpu->timer_deadline = UINT64_MAX;
    if (timer_create(CLOCK_MONOTONIC, &event, &cpu->timer) != 0)
        abort();
    __atomic_store_n(&cpu->thread, gettid(), __ATOMIC_RELEASE);
    block_interrupt(SIG_UNBLOCK, NULL);
}

// The signal that is a CPU's interrupt is for CPUs only.
static void
start_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    sigset_t before;

    block_interrupt(SIG_BLOCK, &before);
    if (pthread_create(&thread, NULL, run, arg) != 0)
        abort();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void *
other_cpu(void *argument)
{
    become(argument);
    sched_enter();
}

void
linux_cpus(u32 count)
{
    assert(count >= 1 && count <= CPU_MAX);
    cpu_count = count;
}

void
port_start_cpus(void)
{
    bool on = port_interrupts_off();

    for (u32 i = 1; i < cpu_count; i++) {
        cpus[i].id = i;
        start_thread(other_cpu, &cpus[i]);
    }
    port_interrupts_restore(on);
}

struct first_flow {
    int (*run)(void *arg);
    void *arg;
    int result;
    struct context here;
    sem_t ended;
};

// The flow ends on whatever CPU; that stays where it is.
static void
first_flow(void *argument)
{
    struct first_flow *flow = argument;

    flow->result = flow->run(flow->arg);
    port_interrupts_off();
    linux_streams_end();
    sem_post(&flow->ended);
    for (;;)
        pause();
}

static void *
first_cpu(void *argument)
{
    struct first_flow *flow = argument;
    struct context start;

    become(&cpus[0]);
    linux_memory_init();
    linux_devices_init();
    linux_streams_init();
    u8 *stack = port_reserve(STACK_SIZE, STACK_SIZE);
    if (stack == NULL ||
        !port_commit(stack + STACK_GUARD, STACK_SIZE - STACK_GUARD))
        abort();
    // The kernel keeps its own data in the last bytes of a stack.
    context_init(&flow->here, stack + STACK_SIZE - STACK_TOP, first_flow, flow);
    port_stack_use(stack, STACK_SIZE);
    context_switch(&start, &flow->here);
    return NULL;
}

int
linux_start(int (*run)(void *arg), void *arg)
{
    struct first_flow flow = {.run = run, .arg = arg};

    catch_signals();
    sem_init(&flow.ended, 0, 0);
    start_thread(first_cpu, &flow);
    while (sem_wait(&flow.ended) != 0)
        continue;
    return flow.result;
}
