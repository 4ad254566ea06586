// test/metal/cpus.c: all CPUs come, can be poked, and forget what they are told
// to. Run with -smp 1 and more.

#include "port/metal/tables.h"
#include "test/metal/metal.h"
#include "test/test.h"

TEST(metal_cpus_come)
{
    EXPECT_EQ(port_cpu_id(), 0);
    EXPECT_EQ(cpu_at(0)->self, this_cpu());
    while (__atomic_load_n(&metal_hooks.others, __ATOMIC_SEQ_CST) <
           port_cpu_count() - 1)
        __builtin_ia32_pause();
    for (u32 i = 0; i < port_cpu_count(); i++) {
        EXPECT_EQ(cpu_at(i)->id, i);
        EXPECT_EQ(cpu_at(i)->state, CPU_RUNNING);
    }
}

TEST(metal_cpus_are_poked)
{
    for (u32 i = 1; i < port_cpu_count(); i++) {
        u32 before = __atomic_load_n(&metal_hooks.pokes, __ATOMIC_SEQ_CST);
        port_poke(i);
        while (__atomic_load_n(&metal_hooks.pokes, __ATOMIC_SEQ_CST) == before)
            __builtin_ia32_pause();
    }
}

// Each CPU uses tables of its own, in which the window is its own.
TEST(metal_cpus_have_tables)
{
    const u32 entry = WINDOW_BASE >> 39 & (ENTRIES - 1);

    for (u32 i = 1; i < port_cpu_count(); i++) {
        u32 before = __atomic_load_n(&metal_hooks.pokes, __ATOMIC_SEQ_CST);
        port_poke(i);
        while (__atomic_load_n(&metal_hooks.pokes, __ATOMIC_SEQ_CST) == before)
            __builtin_ia32_pause();
        EXPECT_EQ(metal_hooks.tables[i], (u64)cpu_at(i)->top - DIRECT_BASE);
        EXPECT(cpu_at(i)->top != this_cpu()->top);
        EXPECT(cpu_at(i)->top[entry] != this_cpu()->top[entry]);
    }
}

// Those that are idle need not be told; those that spin with interrupts off are
// told all the same.
TEST(metal_cpus_forget)
{
    for (u32 round = 0; round < 100; round++) {
        metal_hooks.spin = round % 2 != 0;
        for (u32 i = 1; i < port_cpu_count(); i++)
            port_poke(i);
        while (metal_hooks.spin &&
               __atomic_load_n(&metal_hooks.spinning, __ATOMIC_SEQ_CST) <
                   port_cpu_count() - 1)
            __builtin_ia32_pause();
        u64 epoch = shootdown_begin(HEAP_BASE, HEAP_BASE + PAGE_SIZE);
        EXPECT_EQ(this_cpu()->passed, epoch);
        EXPECT(!metal_hooks.spin || port_cpu_count() == 1 ||
               !shootdown_passed(epoch));
        shootdown_finish(epoch);
        EXPECT(shootdown_passed(epoch));
        for (u32 i = 1; i < port_cpu_count(); i++)
            EXPECT(!metal_hooks.spin || cpu_at(i)->passed >= epoch);
        __atomic_store_n(&metal_hooks.spin, false, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&metal_hooks.spinning, __ATOMIC_SEQ_CST) > 0)
            __builtin_ia32_pause();
    }
}

// Frames and addresses are not used again while a CPU may know them.
TEST(metal_cpus_delay_reuse)
{
    u8 *before = port_reserve(64 * KIB, PAGE_SIZE);

    EXPECT(port_commit(before, 64 * KIB));
    metal_hooks.spin = true;
    for (u32 i = 1; i < port_cpu_count(); i++)
        port_poke(i);
    while (__atomic_load_n(&metal_hooks.spinning, __ATOMIC_SEQ_CST) <
           port_cpu_count() - 1)
        __builtin_ia32_pause();
    port_release(before, 64 * KIB);
    u8 *after = port_reserve(64 * KIB, PAGE_SIZE);
    EXPECT_EQ(after == before, port_cpu_count() == 1);
    port_release(after, 64 * KIB);
    limbo_empty(); // has them forget
    after = port_reserve(64 * KIB, PAGE_SIZE);
    EXPECT_EQ(after, before);
    port_release(after, 64 * KIB);
    __atomic_store_n(&metal_hooks.spin, false, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&metal_hooks.spinning, __ATOMIC_SEQ_CST) > 0)
        __builtin_ia32_pause();
}
