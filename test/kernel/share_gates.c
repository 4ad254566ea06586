// test/kernel/share_gates.c: what a caller lends his server besides its time:
// his priority, and with it what waits for the CPU meanwhile.  Each is a matter
// of order, on one CPU; no bound is a matter of speed.

#include "kernel/gate.h"
#include "kernel/share.h"
#include "test/kernel/frame.h"

static const u64 MS = 1000000, LONG = 20000000000;

// A gate, its server, and what that waits for in a call, at most for LONG.
struct place {
    struct test_place at;
    bool (*serve)(void); // false: not yet
    bool served;
};

static struct group *callers;

static void
serve(void *arg)
{
    struct place *p = arg;
    u8 bytes[8];
    struct gate_request r = {
        .room = {bytes, 8}
    };
    const struct bytes none = {bytes, 0};

    while (gate_serve(p->at.gate, none, &r, account_root(), UINT64_MAX) == OK) {
        u64 end = port_monotonic_ns() + LONG;
        p->served = false;
        while (!p->served && port_monotonic_ns() < end)
            p->served = p->serve();
    }
    gate_thread_ends(false);
}

static void
open_place(struct place *p, u32 priority, bool (*what)(void))
{
    *p = (struct place){.serve = what};
    test_open_place(&p->at, priority, serve, p);
}

static status_t
call(struct place *p, u64 within)
{
    u8 bytes[8];
    u32 size;
    const struct bytes none = {bytes, 0};

    return gate_call(p->at.door, none, none, NULL, 0,
                     port_monotonic_ns() + within, &size);
}

static void
call_once(void *arg)
{
    EXPECT_EQ(call(arg, 2 * LONG), OK);
    gate_thread_ends(false);
}

// --- priority ----------------------------------------------------------------

static bool
at_once(void)
{
    return true;
}

// A thread of a priority between the server's own and the caller's does not
// keep it.
TEST_KERNEL(gate_lends_priority)
{
    struct place p;
    bool over = false;

    if (port_cpu_count() > 1)
        return;
    callers = test_new_group(group_root());
    open_place(&p, 4, at_once);
    struct thread *between = test_start_at(callers, 5, test_spin_until, &over),
                  *caller = test_start_at(callers, 7, call_once, &p);
    EXPECT_EQ(thread_join(caller, port_monotonic_ns() + LONG), OK);
    __atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
    test_join(between);
    test_join(caller);
    test_close_place(&p.at);
    test_drop_group(callers);
}

static bool was_there;

static void
be_there(void *arg)
{
    (void)arg;
    __atomic_store_n(&was_there, true, __ATOMIC_SEQ_CST);
}

static bool
somebody_was_there(void)
{
    return __atomic_load_n(&was_there, __ATOMIC_SEQ_CST);
}

// And the server's own, which is higher, is not for its callers: another of
// their group goes before the call.
TEST_KERNEL(gate_lends_no_higher_priority)
{
    struct place p;

    if (port_cpu_count() > 1)
        return;
    was_there = false;
    callers = test_new_group(group_root());
    account_set_ceiling(group_account(callers), 4);
    open_place(&p, 7, somebody_was_there);
    struct thread *caller = test_start_at(callers, 0, call_once, &p);
    test_wait_until_blocked(caller);
    test_join(test_start_at(callers, 7, be_there, NULL));
    test_join(caller);
    EXPECT(p.served);
    test_close_place(&p.at);
    test_drop_group(callers);
}

static struct place last;

static bool
for_the_first(void)
{
    EXPECT_EQ(thread_effective_priority(thread_current()), 6);
    EXPECT(thread_time_account(thread_current()) == group_account(callers));
    return true;
}

static bool
by_the_last(void)
{
    EXPECT(for_the_first());
    EXPECT_EQ(call(&last, LONG), OK);
    return for_the_first();
}

// Who calls others for a caller lends what he was lent, and keeps it.
TEST_KERNEL(gate_lends_what_was_lent)
{
    struct place p;

    callers = test_new_group(group_root());
    open_place(&last, 7, for_the_first);
    open_place(&p, 3, by_the_last);
    test_join(test_start_at(callers, 6, call_once, &p));
    EXPECT(p.served && last.served);
    EXPECT_EQ(thread_effective_priority(p.at.server), 3);
    test_close_place(&p.at);
    test_close_place(&last.at);
    test_drop_group(callers);
}

// --- what comes meanwhile ----------------------------------------------------

static bool has_left;

static bool
caller_has_left(void)
{
    return __atomic_load_n(&has_left, __ATOMIC_SEQ_CST);
}

static void
call_and_leave(void *arg)
{
    EXPECT_EQ(call(arg, 5 * MS), ERR_TIMED_OUT);
    __atomic_store_n(&has_left, true, __ATOMIC_SEQ_CST);
    gate_thread_ends(false);
}

// The slice goes on, but the deadline of the call is before its end.
TEST_KERNEL(gate_call_ends_in_time)
{
    struct place p;

    has_left = false;
    callers = test_new_group(group_root());
    open_place(&p, 4, caller_has_left);
    test_join(test_start_at(callers, 4, call_and_leave, &p));
    test_wait_until_blocked(p.at.server);
    EXPECT(p.served);
    test_close_place(&p.at);
    test_drop_group(callers);
}

// Is this CPU left alone until after the slice?
static bool
is_left_alone(void)
{
    bool on = port_interrupts_off();
    bool alone = queue_here()->timer > queue_here()->slice_end;

    port_interrupts_restore(on);
    return alone;
}

static void
call_with_a_cap(void *arg)
{
    bool capped;

    EXPECT_EQ(call(arg, 2 * LONG), OK);
    EXPECT(!is_left_alone());
    bool on = port_interrupts_off();
    capped = queue_here()->capped;
    port_interrupts_restore(on);
    EXPECT(capped);
    gate_thread_ends(false);
}

// The server is not held to the cap of who calls, but he is, when he goes on.
TEST_KERNEL(gate_call_with_a_cap)
{
    struct place p;

    callers = test_new_group(group_root());
    account_set_cpu(group_account(callers), WEIGHT_DEFAULT, LIMIT_CAP);
    open_place(&p, 4, is_left_alone);
    test_join(test_start_at(callers, 4, call_with_a_cap, &p));
    EXPECT(p.served);
    test_close_place(&p.at);
    test_drop_group(callers);
}

static struct wait_queue urgent;

static u64
slice_end(void)
{
    bool on = port_interrupts_off();
    u64 end = queue_here()->slice_end;

    port_interrupts_restore(on);
    return end;
}

static void
be_there_when_woken(void *arg)
{
    bool on = lock_irq(&urgent.lock);

    EXPECT_EQ(wait_queue_wait(&urgent, 0, UINT64_MAX, on), OK);
    be_there(arg);
}

// As if another CPU woke it just before the call.
static void
wake_and_call(void *arg)
{
    bool on = lock_irq(&urgent.lock);

    EXPECT_EQ(wait_queue_wake(&urgent, 0, 1), 1);
    unlock_irq(&urgent.lock, false);
    call_once(arg);
    port_interrupts_restore(on);
}

// Who has to have the CPU at once has it also where it is passed on meanwhile.
TEST_KERNEL(gate_call_forgets_nobody_urgent)
{
    struct place p;
    u64 slice = sched_slice_ns;

    if (port_cpu_count() > 1)
        return;
    sched_slice_ns = 2 * LONG;
    was_there = false;
    wait_queue_init(&urgent);
    callers = test_new_group(group_root());
    open_place(&p, 4, somebody_was_there);
    while (slice_end() < port_monotonic_ns() + LONG) // of the old length
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + MS), OK);
    struct thread *t = test_start_at(callers, 7, be_there_when_woken, NULL);
    test_wait_until_blocked(t);
    test_join(test_start_at(callers, 4, wake_and_call, &p));
    EXPECT(p.served);
    test_join(t);
    test_close_place(&p.at);
    test_drop_group(callers);
    sched_slice_ns = slice;
}

// What is set for a thread that runs on another CPU is a matter of its timer,
// not of ours (set_timer() looks).
TEST_KERNEL(priority_of_one_on_another_cpu)
{
    bool over = false;

    callers = test_new_group(group_root());
    account_set_cpu(group_account(callers), WEIGHT_DEFAULT, LIMIT_CAP);
    struct thread *t = test_start_in(callers, test_spin_until, &over);
    for (u32 i = 0; i < 200; i++) {
        thread_set_priority(t, 3 + i % 2);
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + MS / 10), OK);
    }
    __atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
    test_join(t);
    test_drop_group(callers);
}
