// test/kernel/timer.c: deadlines, without threads that wait for them.

#include "test/kernel/frame.h"

#include <string.h>

static struct deadline *
deadlines_new(u32 count)
{
    struct deadline *d = kernel_alloc(count * sizeof(*d));

    assert(d != NULL);
    memset(d, 0, count * sizeof(*d));
    return d;
}

static u32
tell_one(struct deadline *d)
{
    (void)d;
    return 1;
}

static u32
tell_many(struct deadline *d)
{
    (void)d;
    return TIMER_BATCH - 1;
}

static u32
active_count(const struct deadline *d, u32 count)
{
    u32 active = 0;

    for (u32 i = 0; i < count; i++)
        active += d[i].item.in;
    return active;
}

// --- order -------------------------------------------------------------------

enum { SOME = 1000, LATEST = 300 };

static u64
deadline_of(u32 i)
{
    return 1 + (u64)i * 7919 % LATEST;
}

static bool
is_cancelled(u32 i)
{
    return i % 3 == 1;
}

static u32
due_after(u64 now)
{
    u32 count = 0;

    for (u32 i = 0; i < SOME; i++)
        count += !is_cancelled(i) && deadline_of(i) > now;
    return count;
}

TEST_KERNEL(timers_ring_in_order)
{
    struct deadline *d = deadlines_new(SOME);
    bool on = port_interrupts_off();

    for (u32 i = 0; i < SOME; i++)
        deadline_start(&d[i], deadline_of(i), tell_one);
    for (u32 i = 0; i < SOME; i++)
        if (is_cancelled(i))
            deadline_cancel(&d[i]);
    for (u64 now = 0; now <= LATEST; now++) {
        while (timer_next(port_cpu_id()) <= now)
            timer_expire(now);
        EXPECT_EQ(active_count(d, SOME), due_after(now));
    }
    deadline_cancel(&d[0]); // has rung
    port_interrupts_restore(on);
    kernel_free(d);
}

// --- how much at once --------------------------------------------------------

TEST_KERNEL(timers_ring_in_batches)
{
    struct deadline *d = deadlines_new(SOME);
    bool on = port_interrupts_off();
    u32 left = SOME;

    for (u32 i = 0; i < SOME; i++)
        deadline_start(&d[i], 1, tell_one);
    while (left > 0) {
        EXPECT_EQ(timer_next(port_cpu_id()), 1);
        timer_expire(1);
        u32 now = active_count(d, SOME);
        EXPECT_EQ(left - now, MIN(left, (u32)TIMER_BATCH));
        if (now == left)
            break;
        left = now;
    }
    port_interrupts_restore(on);
    kernel_free(d);
}

// Each tells many.
TEST_KERNEL(timers_of_many_each)
{
    struct deadline *d = deadlines_new(SOME);
    bool on = port_interrupts_off();

    for (u32 i = 0; i < SOME; i++)
        deadline_start(&d[i], 1, tell_many);
    for (u32 left = SOME; left > 0; left -= 2) {
        EXPECT(timer_expire(1));
        EXPECT_EQ(active_count(d, SOME), left - 2);
    }
    port_interrupts_restore(on);
    kernel_free(d);
}

// Beside a thread they rest between two interrupts, but for those that one of
// these did not get to.
TEST_KERNEL(timers_rest)
{
    struct deadline *d = deadlines_new(SOME);
    bool on = port_interrupts_off();
    const u64 now = port_monotonic_ns();

    for (u32 i = 0; i < TIMER_BATCH + 1; i++)
        deadline_start(&d[i], 1, tell_one);
    EXPECT(timer_expire(now));
    deadline_start(&d[TIMER_BATCH + 1], now + 1, tell_one);
    EXPECT_EQ(timer_next_beside(port_cpu_id()), 1);
    EXPECT(timer_expire(now));
    EXPECT_EQ(timer_next(port_cpu_id()), now + 1);
    EXPECT_EQ(timer_next_beside(port_cpu_id()), now + TIMER_REST);
    deadline_cancel(&d[TIMER_BATCH + 1]);
    deadline_start(&d[TIMER_BATCH + 1], now + 2 * TIMER_REST, tell_one);
    EXPECT_EQ(timer_next_beside(port_cpu_id()), now + 2 * TIMER_REST);
    deadline_cancel(&d[TIMER_BATCH + 1]);
    port_interrupts_restore(on);
    kernel_free(d);
}

// Started in the order of their deadlines: none is ever below another's child.
TEST_KERNEL(timers_in_great_number)
{
    enum { MANY = 200000 };
    struct deadline *d = deadlines_new(MANY);
    u64 bound = test_work_bound(), longest = 0;
    bool on = port_interrupts_off();

    for (u32 i = 0; i < MANY; i++)
        deadline_start(&d[i], 1 + i, tell_one);
    for (u32 i = 0; i < MANY; i++) {
        u64 before = test_work();
        deadline_cancel(&d[i]);
        longest = MAX(longest, test_work() - before);
    }
    EXPECT_EQ(active_count(d, MANY), 0);
    EXPECT(bound == 0 || longest <= bound);
    port_interrupts_restore(on);
    kernel_free(d);
}

// --- coarse clocks -----------------------------------------------------------

TEST_KERNEL(clocks_are_coarse)
{
    const u64 grain = 5000000, before = clock_grain();
    struct timer *t;
    u64 count;

    clock_set_grain(grain);
    EXPECT_EQ(clock_told(grain - 1), 0);
    EXPECT_EQ(clock_told(2 * grain), 2 * grain);
    EXPECT_EQ(clock_due(0), 0);
    EXPECT_EQ(clock_due(1), grain);
    EXPECT_EQ(clock_due(grain), grain);
    EXPECT_EQ(clock_due(UINT64_MAX - 1), UINT64_MAX - 1);
    EXPECT_EQ(clock_due(UINT64_MAX), UINT64_MAX);
    // Who sleeps for a moment, or asks how often a moment has passed, learns no
    // more than the clocks say.
    u64 at = port_monotonic_ns() + 1;
    EXPECT_EQ(thread_sleep_until(at), OK);
    EXPECT(port_monotonic_ns() >= clock_due(at));
    EXPECT_EQ(timer_new(&t, account_current()), OK);
    timer_set(t, at, 1);
    EXPECT_EQ(timer_read(t, &count), OK);
    EXPECT_EQ((at + count - 1) % grain, 0);
    timer_stop(t);
    object_release(timer_object(t));
    clock_set_grain(before);
}
