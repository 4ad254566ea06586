// test/port/switch.c: stack switches, barriers, and the stub in front of C
// functions.

#include "abi/abi.h"
#include "port/x64/port_x64.h"
#include "test/test.h"

static struct context main_context, other_context;
static u8 stack[64 * 1024] __attribute__((aligned(16)));
static u32 steps;

static void
count_steps(void *arg)
{
    for (;;) {
        steps += *(u32 *)arg;
        context_switch(&other_context, &main_context);
    }
}

TEST(port_context_switch)
{
    u32 step = 3;

    context_init(&other_context, stack + sizeof(stack), count_steps, &step);
    for (u32 i = 1; i <= 1000; i++) {
        context_switch(&main_context, &other_context);
        EXPECT_EQ(steps, 3 * i);
    }
}

static u64 xmm_seen[2];
static u32 mxcsr_seen;

static void
look_at_xmm(void *arg)
{
    (void)arg;
    __asm__ volatile("movdqu %%xmm7, %0" : "=m"(xmm_seen));
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr_seen));
    context_switch(&other_context, &main_context);
}

// The vector registers and the stack of a new thread hold nothing old, and its
// arithmetic rounds as in all.
TEST(port_context_starts_clean)
{
    u32 up = 0x5f80;

    context_init(&other_context, stack + sizeof(stack), look_at_xmm, NULL);
    __asm__ volatile("pcmpeqd %%xmm7, %%xmm7" : : : "xmm7");
    __asm__ volatile("ldmxcsr %0" : : "m"(up));
    xmm_seen[0] = 1;
    context_switch(&main_context, &other_context);
    EXPECT_EQ(xmm_seen[0], 0);
    EXPECT_EQ(xmm_seen[1], 0);
    EXPECT_EQ(mxcsr_seen & 0xffc0, 0x1f80);
}

static u64 barrier;

static void
return_normally(void *arg)
{
    *(u32 *)arg += 1;
}

static void
unwind(void *arg)
{
    *(u32 *)arg += 1;
    barrier_unwind(barrier);
}

static void
nest(void *arg)
{
    u64 outer = barrier;

    EXPECT(!barrier_call(&barrier, unwind, arg));
    EXPECT_EQ(barrier, outer);
    EXPECT(barrier_call(&barrier, return_normally, arg));
    EXPECT_EQ(barrier, outer);
    unwind(arg);
}

TEST(port_barrier)
{
    u32 calls = 0;

    EXPECT(barrier_call(&barrier, return_normally, &calls));
    EXPECT_EQ(barrier, 0);
    EXPECT(!barrier_call(&barrier, unwind, &calls));
    EXPECT_EQ(barrier, 0);
    EXPECT(!barrier_call(&barrier, nest, &calls));
    EXPECT_EQ(barrier, 0);
    EXPECT_EQ(calls, 5);
}

// What a fault handler does: rsp and rip of the interrupted frame.
static void
unwind_as_fault(void *arg)
{
    (void)arg;
    __asm__ volatile("mov %0, %%rsp\n jmp *%1"
                     :
                     : "r"(barrier), "r"(barrier_unwound));
}

TEST(port_barrier_fault)
{
    EXPECT(!barrier_call(&barrier, unwind_as_fault, NULL));
    EXPECT_EQ(barrier, 0);
}

static u64
host_sum(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h)
{
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
}

// Stands for the kernel's, which wants a thread.
void __wrap_host_call_check(void);
static u32 host_checks;

void
__wrap_host_call_check(void)
{
    host_checks++;
}

// Enter the stub as generated code does, with two arguments on the stack; rsp
// at the call and after it.
static u64
call_stub(void *vm, const void *entry, u64 *rsp)
{
    u64 result;

    __asm__ volatile("mov %%rsp, %%rbx\n"
                     "and $-16, %%rsp\n"
                     "mov %[vm], %%r14\n"
                     "mov $1, %%edi\n"
                     "mov $2, %%esi\n"
                     "mov $3, %%edx\n"
                     "mov $4, %%ecx\n"
                     "mov $5, %%r8d\n"
                     "mov $6, %%r9d\n"
                     "push $8\n"
                     "push $7\n"
                     "lea -8(%%rsp), %%r12\n"
                     "call host_call_stub\n"
                     "mov %%r12, (%[rsp])\n"
                     "mov %%rsp, 8(%[rsp])\n"
                     "mov %%rbx, %%rsp\n"
                     : "=a"(result)
                     : "a"(entry), [vm] "r"(vm), [rsp] "r"(rsp)
                     : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
                       "r11", "r12", "r14", "memory");
    return result;
}

TEST(port_host_call)
{
    static struct func_target targets[8];
    static u64 vm[8];
    static struct thread_entry thread;
    struct {
        u64 code;
        u32 sig, id;
    } entry = {(u64)host_call_stub, 1, 5};
    u64 rsp[2];

    vm[VMCTX_THREAD / 8] = (u64)&thread;
    vm[VMCTX_TARGETS / 8] = (u64)targets;
    targets[entry.id] =
        (struct func_target){.code = (u64)host_sum, .args = 16 / STACK_UNIT};
    EXPECT_EQ(call_stub(vm, &entry, rsp), 204);
    EXPECT_EQ(host_checks, 1);
    EXPECT_EQ(rsp[1], rsp[0] + 8 + 16); // the stub has removed the arguments
    EXPECT(thread.vm == vm);
    EXPECT_EQ(thread.rsp, rsp[0]);
}
