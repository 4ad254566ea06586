// test/metal/kernel.c: the smallest kernel that port/metal can run on: it
// counts interrupts, lets a test say what happens on a fault, and runs the
// registered tests instead of programs.

#include "port/metal/metal.h"
#include "test/metal/metal.h"
#include "test/test.h"
#include "wasi/wasi.h"

struct metal_hooks metal_hooks;

const struct host_module *const program_modules[] = {NULL};

void
sys_init(const struct host_module *const *modules)
{
    (void)modules;
    port_interrupts_restore(true);
    port_start_cpus();
}

u32
boot_run(struct bytes initrd, const char *cmdline)
{
    metal_hooks.initrd = initrd;
    metal_hooks.cmdline = cmdline;
    return !tests_pass(cmdline);
}

bool
metal_has_word(const char *word)
{
    static struct boot_info info;

    for (u32 i = 0; i < CMDLINE_MAX && metal_hooks.cmdline[i] != 0; i++)
        info.cmdline[i] = metal_hooks.cmdline[i];
    return boot_info_has_word(&info, word);
}

// What the other CPUs do, each on its own stack.
static void
idle(void *arg)
{
    (void)arg;
    __atomic_fetch_add(&metal_hooks.others, 1, __ATOMIC_SEQ_CST);
    for (;;)
        port_idle();
}

NORETURN void
sched_enter(void)
{
    static u8 stacks[CPU_MAX][8192];
    struct context start, own;

    context_init(&own, stacks[port_cpu_id()] + sizeof(stacks[0]), idle, NULL);
    context_switch(&start, &own);
    panic(__FILE__, __LINE__, "a CPU is back from idling");
}

static void
other_interrupt(void)
{
    u64 cr3;

    __asm__ volatile("mov %%cr3, %0" : "=r"(cr3));
    metal_hooks.tables[port_cpu_id()] = cr3;
    __atomic_fetch_add(&metal_hooks.pokes, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&metal_hooks.spin, __ATOMIC_SEQ_CST))
        return;
    __atomic_fetch_add(&metal_hooks.spinning, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&metal_hooks.spin, __ATOMIC_SEQ_CST))
        __builtin_ia32_pause();
    __atomic_fetch_sub(&metal_hooks.spinning, 1, __ATOMIC_SEQ_CST);
}

bool
sched_interrupt(void)
{
    if (port_cpu_id() != 0) {
        other_interrupt();
        return false;
    }
    metal_hooks.interrupts++;
    if (metal_hooks.kill) // come back until generated code runs
        port_timer_set(port_monotonic_ns() + 1000000);
    return metal_hooks.preempt != NULL;
}

void
sched_preempt(void)
{
    void (*preempt)(void) = metal_hooks.preempt;

    metal_hooks.preempt = NULL;
    preempt();
}

void
sched_stop(u64 pc)
{
    (void)pc;
}

bool
sched_unwind(u64 pc, u64 *barrier_rsp)
{
    if (!metal_hooks.kill || !port_code_contains(pc))
        return false;
    metal_hooks.kill = false;
    *barrier_rsp = metal_hooks.barrier;
    return true;
}

void
host_call_check(void)
{
}

void
sched_forget_branches(bool on)
{
    (void)on;
}

// Generated code of these tests calls no stub, and no C function calls it by
// one: whoever comes here has lost the way.
NORETURN static void
is_called(const char *what)
{
    panic(__FILE__, __LINE__, what);
}

const void *const builtin_functions[BUILTIN_COUNT] = {0};

void
call_pack(struct call_state *state, void *stack)
{
    (void)state, (void)stack;
    is_called("call_pack");
}

void
call_unpack(struct call_state *state, void *results)
{
    (void)state, (void)results;
    is_called("call_unpack");
}

void
exception_throw(struct vmctx *vm, u32 tag, u64 args,
                const struct thrown_at *from, struct landing *to)
{
    (void)vm, (void)tag, (void)args, (void)from, (void)to;
    is_called("exception_throw");
}

void
exception_rethrow(struct vmctx *vm, u64 exnref, u64 nothing,
                  const struct thrown_at *from, struct landing *to)
{
    (void)vm, (void)exnref, (void)nothing, (void)from, (void)to;
    is_called("exception_rethrow");
}

struct host_entered
host_entered(u64 rsp, struct vmctx *vm)
{
    (void)rsp, (void)vm;
    is_called("host_entered");
}

bool
throw_entered(const struct thrown_at *rsp, struct vmctx *vm)
{
    (void)rsp, (void)vm;
    is_called("throw_entered");
}

void
host_rogue(void)
{
    is_called("host_rogue");
}

bool
device_kind_allowed(u32 kind)
{
    (void)kind;
    return false;
}

void
device_interrupt(struct virtio_device *hardware)
{
    (void)hardware;
}

void
registers_interrupt(struct port_registers *hardware)
{
    (void)hardware;
}

void
console_interrupt(u32 streams)
{
    (void)streams;
    metal_hooks.inputs++;
}

void
profile_sample(u64 pc, u64 rsp)
{
    (void)pc;
    if (port_cpu_id() == 0)
        metal_hooks.sample_rsp = rsp;
    __atomic_fetch_add(&metal_hooks.samples[port_cpu_id()], 1,
                       __ATOMIC_SEQ_CST);
}

void
klog_end(void)
{
}

u64
trap_found(void)
{
    return 0;
}

enum fault_action
fault_handle(struct fault *fault)
{
    return metal_hooks.fault != NULL ? metal_hooks.fault(fault) : FAULT_PANIC;
}

void *
metal_code(const void *text, u64 size)
{
    void *code = port_code_write(text, size);

    EXPECT(code != NULL && port_code_execute(code, size));
    return code;
}
