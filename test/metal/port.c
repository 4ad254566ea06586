// test/metal/port.c: memory functions, time, interrupts and randomness.

#include "port/metal/metal.h"
#include "port/metal/vconsole.h"
#include "port/x64/port_x64.h"
#include "test/metal/metal.h"
#include "test/test.h"

// --- memory functions --------------------------------------------------------

static u8 buffer[64];

static void
fill_buffer(void)
{
    for (u32 i = 0; i < sizeof(buffer); i++)
        buffer[i] = (u8)i;
}

TEST(metal_memory_move)
{
    for (u32 size = 0; size < 24; size++) {
        for (u32 from = 0; from < 32; from++) {
            for (u32 to = 0; to < 32; to++) {
                fill_buffer();
                EXPECT(memmove(buffer + to, buffer + from, size) ==
                       buffer + to);
                for (u32 i = 0; i < sizeof(buffer); i++)
                    EXPECT_EQ(buffer[i], i - to < size ? from + (i - to) : i);
            }
        }
    }
}

TEST(metal_memory_set_copy_compare)
{
    u8 copy[64];

    for (u32 size = 0; size <= sizeof(buffer); size++) {
        fill_buffer();
        memset(buffer, 0x1aa, size);
        for (u32 i = 0; i < sizeof(buffer); i++)
            EXPECT_EQ(buffer[i], i < size ? 0xaa : i);
        memset(copy, 0, sizeof(copy));
        memcpy(copy, buffer, size);
        EXPECT_EQ(memcmp(copy, buffer, size), 0);
        if (size > 0) {
            copy[size - 1] = 0xab;
            EXPECT(memcmp(copy, buffer, size) > 0);
            EXPECT(memcmp(buffer, copy, size) < 0);
        }
    }
}

// --- time --------------------------------------------------------------------

// The machine may be busy, and QEMU's devices are threads of their own.
#define PATIENCE_NS 60000000000

TEST(metal_clock)
{
    u64 start = port_monotonic_ns(), now = start, earlier;

    while (now - start < 1000000) {
        earlier = now;
        now = port_monotonic_ns();
        EXPECT(now >= earlier);
    }
    // 2024-01-01 .. 2100-01-01
    EXPECT(port_realtime_ns() / 1000000000 > 1704067200);
    EXPECT(port_realtime_ns() / 1000000000 < 4102444800);
}

TEST(metal_timer)
{
    port_interrupts_off();
    for (u32 i = 0; i < 20; i++) {
        u64 deadline = port_monotonic_ns() + i * 100000;
        u32 before = metal_hooks.interrupts;

        port_timer_set(deadline);
        while (metal_hooks.interrupts == before)
            port_idle();
        EXPECT(port_monotonic_ns() >= deadline);
        EXPECT(port_monotonic_ns() < deadline + PATIENCE_NS);
    }
    port_interrupts_restore(true);
}

static void
expect_interrupt_after(u32 before)
{
    u64 start = port_monotonic_ns();

    while (metal_hooks.interrupts == before &&
           port_monotonic_ns() < start + PATIENCE_NS)
        __asm__ volatile("" : : : "memory");
    EXPECT_EQ(metal_hooks.interrupts, before + 1);
}

static u32
samples_of(u32 cpu)
{
    return __atomic_load_n(&metal_hooks.samples[cpu], __ATOMIC_SEQ_CST);
}

static void
expect_interrupt_at(u64 deadline)
{
    u32 before = metal_hooks.interrupts;

    port_timer_set(deadline);
    while (metal_hooks.interrupts == before)
        __asm__ volatile("" : : : "memory");
    EXPECT(port_monotonic_ns() >= deadline);
}

// Beside what the kernel asks the timer for, on all CPUs, until the end.
TEST(metal_samples)
{
    u64 here = (u64)__builtin_frame_address(0);

    port_profile(1000000);
    for (u32 i = 0; i < port_cpu_count(); i++)
        while (samples_of(i) < 5)
            ;
    EXPECT(here - metal_hooks.sample_rsp < PAGE_SIZE);
    expect_interrupt_at(port_monotonic_ns() + 20000000);
    port_profile(0);
    u32 last = samples_of(0);
    expect_interrupt_at(port_monotonic_ns() + 10000000);
    EXPECT_EQ(samples_of(0), last);
}

TEST(metal_timer_off)
{
    u64 deadline;
    u32 before;

    do { // again if it was too late to stop the timer
        before = metal_hooks.interrupts;
        deadline = port_monotonic_ns() + 50000000;
        port_timer_set(deadline);
        port_timer_set(UINT64_MAX);
    } while (port_monotonic_ns() >= deadline);
    while (port_monotonic_ns() < deadline + 10000000)
        ;
    EXPECT_EQ(metal_hooks.interrupts, before);
}

TEST(metal_poke)
{
    u32 before = metal_hooks.interrupts;

    port_poke(port_cpu_id());
    expect_interrupt_after(before);
}

TEST(metal_interrupts_off)
{
    u32 before = metal_hooks.interrupts;
    u64 start = port_monotonic_ns();

    EXPECT(port_interrupts_off());
    EXPECT(!port_interrupts_off());
    port_timer_set(start);
    while (port_monotonic_ns() < start + 1000000)
        ;
    EXPECT_EQ(metal_hooks.interrupts, before);
    port_interrupts_restore(true);
    expect_interrupt_after(before);
}

// --- preemption --------------------------------------------------------------

static volatile bool preempted;
static struct context self, other;

// What another thread may do meanwhile: use every register.
static void
use_registers(void *arg)
{
    u32 mxcsr = 0x7f80;

    (void)arg;
    for (;;) {
        __asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n pcmpeqd %%xmm15, %%xmm15\n"
                         "ldmxcsr %0\n fld1\n mov $-1, %%r8\n mov $-1, %%rax"
                         :
                         : "m"(mxcsr)
                         : "r8", "rax", "memory");
        preempted = true;
        context_switch(&other, &self);
    }
}

static void
run_other(void)
{
    context_switch(&self, &other);
}

TEST(metal_preempt_keeps_registers)
{
    u8 *stack = port_reserve(STACK_SIZE, STACK_SIZE);
    u64 xmm0 = 0, xmm15 = 0, r8 = 0, rax = 0;
    u32 mxcsr = 0;

    EXPECT(port_commit(stack, STACK_SIZE));
    context_init(&other, stack + STACK_SIZE, use_registers, NULL);
    preempted = false;
    metal_hooks.preempt = run_other;
    port_timer_set(port_monotonic_ns() + 1000000);
    __asm__ volatile("mov $0x1234, %%r8\n movq %%r8, %%xmm0\n"
                     "movddup %%xmm0, %%xmm15\n mov $0x77, %%eax\n"
                     "1: cmpb $0, %5\n je 1b\n"
                     "stmxcsr %4\n movq %%xmm0, %0\n movhlps %%xmm15, %%xmm0\n"
                     "movq %%xmm0, %1\n mov %%r8, %2\n mov %%rax, %3"
                     : "=m"(xmm0), "=m"(xmm15), "=m"(r8), "=m"(rax), "=m"(mxcsr)
                     : "m"(preempted)
                     : "r8", "rax", "memory", "cc");
    EXPECT_EQ(xmm0, 0x1234);
    EXPECT_EQ(xmm15, 0x1234);
    EXPECT_EQ(r8, 0x1234);
    EXPECT_EQ(rax, 0x77);
    EXPECT_EQ(mxcsr & 0xffc0, 0x1f80);
    port_release(stack, STACK_SIZE);
}

static void
use_ymm(void *arg)
{
    (void)arg;
    __asm__ volatile("vpcmpeqd %xmm5, %xmm5, %xmm5\n"
                     "vinsertf128 $1, %xmm5, %ymm5, %ymm5");
    preempted = true;
    context_switch(&other, &self);
}

TEST(metal_preempt_keeps_ymm)
{
    u8 *stack = port_reserve(STACK_SIZE, STACK_SIZE);
    u64 ymm5[4] = {1, 2, 3, 4};

    if (vector_state_size < 832)
        return; // no AVX
    EXPECT(port_commit(stack, STACK_SIZE));
    context_init(&other, stack + STACK_SIZE, use_ymm, NULL);
    preempted = false;
    metal_hooks.preempt = run_other;
    port_timer_set(port_monotonic_ns() + 1000000);
    __asm__ volatile("vmovdqu %0, %%ymm5\n"
                     "1: cmpb $0, %1\n je 1b\n"
                     "vmovdqu %%ymm5, %0"
                     : "+m"(ymm5)
                     : "m"(preempted)
                     : "memory", "cc");
    for (u32 i = 0; i < 4; i++)
        EXPECT_EQ(ymm5[i], i + 1);
    port_release(stack, STACK_SIZE);
}

// --- the end of a killed thread ----------------------------------------------

static void
call_code(void *code)
{
    ((void (*)(void))code)();
}

TEST(metal_kill_endless_loop)
{
    static const u8 loop[] = {0xeb, 0xfe};
    void *code = metal_code(loop, sizeof(loop));

    metal_hooks.kill = true;
    port_timer_set(port_monotonic_ns() + 1000000);
    EXPECT(!barrier_call(&metal_hooks.barrier, call_code, code));
    EXPECT(!metal_hooks.kill);
    port_code_release(code, sizeof(loop));
}

// --- randomness --------------------------------------------------------------

TEST(metal_random)
{
    u64 a[32] = {0}, b[32] = {0};
    u32 ones = 0;

    port_random(a, sizeof(a) - 3);
    EXPECT_EQ(a[31] >> 40, 0);
    port_random(a, sizeof(a));
    port_random(b, sizeof(b));
    EXPECT(memcmp(a, b, sizeof(a)) != 0);
    for (u32 i = 0; i < COUNT(a); i++)
        for (u32 bit = 0; bit < 64; bit++)
            ones += a[i] >> bit & 1;
    EXPECT(ones > 850 && ones < 1200); // of 2048
}

// --- console -----------------------------------------------------------------

// With `input` on the command line the test waits for all of standard input
// and compares it with every byte value, twice.
TEST(metal_input)
{
    u8 bytes[600];
    u64 count = 0, some = 1;

    if (!metal_has_word("input"))
        return;
    while (some > 0 && count < sizeof(bytes)) {
        u32 seen = metal_hooks.inputs;
        status_t status =
            port_read(bytes + count, sizeof(bytes) - count, &some);
        count += some;
        some += status == ERR_SHOULD_WAIT;
        port_interrupts_off();
        while (status == ERR_SHOULD_WAIT && metal_hooks.inputs == seen)
            port_idle();
        port_interrupts_restore(true);
    }
    EXPECT_EQ(some, 0);
    EXPECT_EQ(count, 512);
    for (u32 i = 0; i < count; i++)
        EXPECT_EQ(bytes[i], (u8)i);
}

// With `much` on the command line: what 4 MiB of input cost, read 64 KiB at a
// time.  QEMU gives it in pieces of 4 KiB; we need not hear of each.
TEST(metal_input_cost)
{
    static u8 bytes[64 * 1024];
    struct vconsole_counts before = vconsole_counts(), after;
    u64 count = 0, some = 1;

    if (!metal_has_word("much"))
        return;
    while (some > 0) {
        u32 seen = metal_hooks.inputs;
        status_t status = port_read(bytes, sizeof(bytes), &some);
        count += some;
        some += status == ERR_SHOULD_WAIT;
        port_interrupts_off();
        while (status == ERR_SHOULD_WAIT && metal_hooks.inputs == seen)
            port_idle();
        port_interrupts_restore(true);
    }
    after = vconsole_counts();
    EXPECT_EQ(count, 4 * MIB);
    say("notifications %lu, interrupts %lu for 4 MiB",
        after.notifications - before.notifications,
        after.interrupts - before.interrupts);
    EXPECT(after.interrupts - before.interrupts <= 4 * 128);
}

// With `output` on the command line: what a MiB of output costs.  A byte on a
// serial port costs an exit of the (virtual) machine; here 64 KiB cost two.
TEST(metal_output)
{
    static u8 bytes[64 * 1024];
    struct vconsole_counts before = vconsole_counts(), after;
    u64 left = 16 * MIB, count, lost;

    if (!metal_has_word("output"))
        return;
    memset(bytes, 'x', sizeof(bytes));
    while (left > 0) {
        u32 seen = metal_hooks.inputs;
        status_t status =
            port_write(PORT_STDOUT, bytes, MIN(left, sizeof(bytes)), &count);
        left -= count;
        if (status == OK && left == 0)
            status = port_settle(PORT_STDOUT, &lost);
        EXPECT(status == OK || status == ERR_SHOULD_WAIT);
        port_interrupts_off();
        while (status == ERR_SHOULD_WAIT && metal_hooks.inputs == seen)
            port_idle();
        port_interrupts_restore(true);
    }
    after = vconsole_counts();
    EXPECT(after.notifications - before.notifications <= 16 * 64);
    EXPECT(after.interrupts - before.interrupts <= 16 * 128);
    say("notifications %lu, interrupts %lu for 16 MiB",
        after.notifications - before.notifications,
        after.interrupts - before.interrupts);
}
