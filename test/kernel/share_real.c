// test/kernel/share_real.c: shares, caps and lent time as the scheduler has
// them, with real threads.  What is exact is in share.c, which has a
// clock of its own.  (On a machine that others use a thread may seem to run
// while it does not: what depends on it is tried again.)

#include "test/kernel/frame.h"

#include "kernel/share.h"

static const u64 MS = 1000000;

// In whose group the running thread is, and is there a cap?
static struct account *
look_here(bool *capped)
{
    bool on = port_interrupts_off();
    struct account *a = thread_current()->share->parent->account;

    *capped = queue_here()->capped;
    port_interrupts_restore(on);
    return a;
}

// What one with a cap of 10 percent has got of 400 ms and more of nobody else's
// need, in percent: ten, what the burst of 20 ms is of that, and what others of
// the machine took last while it seemed to run: for what they took before that
// the group has paused.
static u64
spin_alone(void)
{
    struct group *g = test_new_group(group_root());
    struct account *a = group_account(g);
    bool over = false;

    account_set_cpu(a, WEIGHT_DEFAULT, 10);
    u64 start = port_monotonic_ns();
    struct thread *t = test_start_in(g, test_spin_until, &over);
    EXPECT_EQ(thread_sleep_until(start + 400 * MS), OK);
    sched_account();
    u64 ran = account_cpu_ns(a), all = port_monotonic_ns() - start;
    __atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
    account_set_cpu(a, WEIGHT_DEFAULT, 0); // it need not pause to the end
    test_join(t);
    test_drop_group(g);
    return ran * 100 / all;
}

// Nobody comes who would interrupt it.
TEST_KERNEL(caps_of_one_who_is_alone)
{
    u64 ran = UINT64_MAX;

    for (u32 i = 0; i < 20 && ran > 50; i++)
        ran = spin_alone();
    EXPECT(ran <= 50);
}

static void
cap_itself(void *arg)
{
    struct group *g = arg;
    bool before, after;

    (void)look_here(&before);
    account_set_cpu(group_account(g), WEIGHT_DEFAULT, 1000);
    (void)look_here(&after);
    EXPECT(!before && after);
}

// A cap counts for who runs when it is set.
TEST_KERNEL(caps_of_one_who_runs)
{
    struct group *g = test_new_group(group_root());

    test_join(test_start_in(g, cap_itself, g));
    test_drop_group(g);
}

// --- by weight ---------------------------------------------------------------

struct late_one {
    u64 sleeps_until;
    bool over;
};

static void
spin_later(void *arg)
{
    struct late_one *l = arg;

    (void)!thread_sleep_until(l->sleeps_until);
    test_spin_until(&l->over);
}

// One was alone for 60 ms, then another wants half of the CPU; what the first
// gets of the next 40 ms, in ms.
static u64
share_after_60(void)
{
    struct group *first = test_new_group(group_root()),
                 *second = test_new_group(group_root());
    u64 now = port_monotonic_ns();
    struct late_one l = {.sleeps_until = now + 60 * MS};
    struct thread *late = test_start_in(second, spin_later, &l),
                  *alone = test_start_in(first, test_spin_until, &l.over);

    EXPECT_EQ(thread_sleep_until(now + 100 * MS), OK);
    sched_account();
    u64 ran = account_cpu_ns(group_account(first)) / MS;
    __atomic_store_n(&l.over, true, __ATOMIC_SEQ_CST);
    test_join(late);
    test_join(alone);
    test_drop_group(first);
    test_drop_group(second);
    return ran < 60 ? 0 : ran - 60;
}

// Who was alone does not have to make up for it.
TEST_KERNEL(share_of_one_who_was_alone)
{
    u64 ran = 0;

    for (u32 i = 0; i < 20 && ran < 15; i++)
        ran = share_after_60();
    EXPECT(ran >= 15);
}

// --- time that is lent -------------------------------------------------------

struct lending {
    struct group *own, *lender;
    struct account *of_lender, *of_own; // of the group where it ran
    bool capped_lent, capped_own;
};

static void
take_lent_time(void *arg)
{
    struct lending *l = arg;

    test_lend((struct lent){group_account(l->lender), PRIORITY_DEFAULT});
    l->of_lender = look_here(&l->capped_lent);
    test_lend((struct lent){NULL, 0});
    l->of_own = look_here(&l->capped_own);
}

// Who takes another's time runs in his group at once, and is back at once, to
// be held to his own cap.
TEST_KERNEL(caps_of_lent_time)
{
    struct lending l = {.own = test_new_group(group_root()),
                        .lender = test_new_group(group_root())};

    account_set_cpu(group_account(l.own), WEIGHT_DEFAULT, 1000);
    test_join(test_start_in(l.own, take_lent_time, &l));
    EXPECT(l.of_lender == group_account(l.lender) && !l.capped_lent);
    EXPECT(l.of_own == group_account(l.own) && l.capped_own);
    test_drop_group(l.own);
    test_drop_group(l.lender);
}

// But if that has a cap, as others may wait for who serves.
TEST_KERNEL(caps_of_who_lends)
{
    struct lending l = {.own = test_new_group(group_root()),
                        .lender = test_new_group(group_root())};

    account_set_cpu(group_account(l.lender), WEIGHT_DEFAULT, 1000);
    test_join(test_start_in(l.own, take_lent_time, &l));
    EXPECT(l.of_lender == group_account(l.own) && !l.capped_lent);
    EXPECT(l.of_own == group_account(l.own) && !l.capped_own);
    test_drop_group(l.own);
    test_drop_group(l.lender);
}
