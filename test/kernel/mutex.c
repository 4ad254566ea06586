// test/kernel/mutex.c: what those who wait for a mutex of the kernel lend its
// owner.  Each is a matter of order; no bound is a matter of speed.

#include "kernel/share.h"
#include "test/kernel/frame.h"

static const u64 MS = 1000000, LONG = 20000000000;

static struct mutex first, second;

static u32
wanting(struct mutex *m)
{
    bool on = lock_irq(&m->queue.lock);
    u32 count = m->wanting;

    unlock_irq(&m->queue.lock, on);
    return count;
}

// Holds a mutex, by running, until it is let go.
struct holder {
    struct mutex *mutex, *then; // which it gets in the end; NULL: none
    struct group *lender;       // whose time it takes; NULL: its own
    bool holds, let_go;
    u32 priority; // effective, when it lets go
    bool helped;
};

static void
hold(void *arg)
{
    struct holder *h = arg;

    if (h->lender != NULL)
        test_lend((struct lent){group_account(h->lender), 3});
    EXPECT_EQ(mutex_lock(h->mutex), OK);
    __atomic_store_n(&h->holds, true, __ATOMIC_SEQ_CST);
    test_spin_until(&h->let_go);
    if (h->then != NULL) {
        EXPECT_EQ(mutex_lock(h->then), OK);
        mutex_unlock(h->then);
    }
    h->priority = thread_effective_priority(thread_current());
    h->helped = COUNT_OF(thread_current()->helped);
    mutex_unlock(h->mutex);
    EXPECT(!COUNT_OF(thread_current()->helped));
    EXPECT_EQ(COUNT_OF(thread_current()->inherited), 0);
    test_lend((struct lent){NULL, 0});
}

static struct thread *
start_holder(struct group *g, u32 priority, struct holder *h)
{
    struct thread *t = test_start_at(g, priority, hold, h);

    while (!__atomic_load_n(&h->holds, __ATOMIC_SEQ_CST))
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + MS), OK);
    return t;
}

static void
let_go(struct holder *h)
{
    __atomic_store_n(&h->let_go, true, __ATOMIC_SEQ_CST);
}

static void
want(void *arg)
{
    struct mutex *m = arg;

    EXPECT_EQ(mutex_lock_until(m, port_monotonic_ns() + LONG), OK);
    mutex_unlock(m);
}

// The group may not run for LONG and more, on no CPU.
static void
let_pause(struct group *g)
{
    struct account *a = group_account(g);

    account_set_cpu(a, WEIGHT_DEFAULT, LIMIT_CAP);
    __atomic_store_n(&a->used_until, port_monotonic_ns() + 9 * LONG,
                     __ATOMIC_RELAXED);
}

// Who waits for one of a group that pauses gets the mutex.
TEST_KERNEL(mutex_helps_who_pauses)
{
    struct group *g = test_new_group(group_root());
    struct holder h = {.mutex = &first};

    mutex_init(&first, LOCK_FILE);
    struct thread *t = start_holder(g, 4, &h);
    let_pause(g);
    EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 20 * MS), OK);
    let_go(&h);
    want(&first);
    EXPECT(h.helped);
    account_set_cpu(group_account(g), WEIGHT_DEFAULT, 0);
    test_join(t);
    test_drop_group(g);
}

// Also where that waits for another of the group, and did so before.
TEST_KERNEL(mutex_helps_along_a_chain)
{
    struct group *g = test_new_group(group_root());
    struct holder outer = {.mutex = &first, .then = &second},
                  inner = {.mutex = &second};

    mutex_init(&first, LOCK_FILE);
    mutex_init(&second, LOCK_END);
    struct thread *last = start_holder(g, 4, &inner),
                  *next = start_holder(g, 4, &outer);
    let_go(&outer);
    test_wait_until_blocked(next);
    EXPECT_EQ(wanting(&second), 1);
    let_pause(g);
    EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 20 * MS), OK);
    let_go(&inner);
    want(&first);
    EXPECT(inner.helped && outer.helped);
    account_set_cpu(group_account(g), WEIGHT_DEFAULT, 0);
    test_join(next);
    test_join(last);
    test_drop_group(g);
}

// Those of one group are in nobody else's way: however many want it, the group
// gets no more by that.
TEST_KERNEL(mutex_helps_nobody_of_its_own_group)
{
    struct group *g = test_new_group(group_root());
    struct holder h = {.mutex = &first};
    struct thread *wants[4];

    mutex_init(&first, LOCK_FILE);
    struct thread *t = start_holder(g, 4, &h);
    for (u32 i = 0; i < 4; i++)
        wants[i] = test_start_at(g, 4, want, &first);
    for (u32 i = 0; i < 4; i++)
        test_wait_until_blocked(wants[i]);
    EXPECT_EQ(wanting(&first), 4);
    let_go(&h);
    test_join(t);
    for (u32 i = 0; i < 4; i++)
        test_join(wants[i]);
    EXPECT(!h.helped && h.priority == 4);
    test_drop_group(g);
}

// A thread of a priority between that of the owner and that of who waits does
// not keep the owner.
TEST_KERNEL(mutex_is_inherited)
{
    struct group *g = test_new_group(group_root());
    struct holder h = {.mutex = &first};
    bool over = false;

    mutex_init(&first, LOCK_FILE);
    struct thread *t = start_holder(g, 1, &h),
                  *between = test_start_at(g, 5, test_spin_until, &over),
                  *high = test_start_at(g, 7, want, &first);
    test_wait_until_blocked(high);
    let_go(&h);
    test_join(high);
    EXPECT_EQ(h.priority, 7);
    __atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
    test_join(between);
    test_join(t);
    test_drop_group(g);
}

// Nor one who gets it while others wait.
TEST_KERNEL(mutex_is_inherited_by_the_next)
{
    struct group *g = test_new_group(group_root());
    struct holder h = {.mutex = &first}, low = {.mutex = &first};
    bool over = false;

    mutex_init(&first, LOCK_FILE);
    struct thread *t = start_holder(g, 1, &h),
                  *next = test_start_at(g, 1, hold, &low);
    TEST_WAIT(wanting(&first) >= 1);
    struct thread *high = test_start_at(g, 7, want, &first);
    TEST_WAIT(wanting(&first) >= 2);
    struct thread *between = test_start_at(g, 5, test_spin_until, &over);
    let_go(&low);
    let_go(&h);
    test_join(high);
    EXPECT_EQ(h.priority, 7);
    EXPECT_EQ(low.priority, 7);
    __atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
    test_join(between);
    test_join(next);
    test_join(t);
    test_drop_group(g);
}

// Who serves a caller with a cap runs in his own group, whoever waits for him.
static void
want_of_server(bool caller)
{
    struct group *g = test_new_group(group_root()),
                 *callers = test_new_group(group_root());
    struct holder h = {.mutex = &first, .lender = callers};
    bool over = false;

    mutex_init(&first, LOCK_FILE);
    account_set_cpu(group_account(callers), WEIGHT_DEFAULT, LIMIT_CAP);
    struct thread *t = start_holder(g, 1, &h),
                  *between = test_start_at(g, 5, test_spin_until, &over),
                  *high = test_start_at(caller ? callers : g, 7, want, &first);
    test_wait_until_blocked(high);
    let_go(&h);
    test_join(high);
    EXPECT_EQ(h.priority, caller ? 1 : 7);
    EXPECT_EQ(h.helped, caller);
    __atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
    test_join(between);
    test_join(t);
    test_drop_group(g);
    test_drop_group(callers);
}

TEST_KERNEL(mutex_of_a_server)
{
    want_of_server(false);
    want_of_server(true);
}

// Those who stop waiting leave nothing behind.
static void
want_for_a_while(void *arg)
{
    EXPECT_EQ(mutex_lock_until(arg, port_monotonic_ns() + MS), ERR_TIMED_OUT);
}

TEST_KERNEL(mutex_forgets_who_left)
{
    struct group *g = test_new_group(group_root());

    mutex_init(&first, LOCK_FILE);
    EXPECT_EQ(mutex_lock(&first), OK);
    test_join(test_start_at(g, 7, want_for_a_while, &first));
    EXPECT_EQ(wanting(&first), 0);
    EXPECT(first.group == NULL && !first.mixed && first.urgency == 0);
    EXPECT(thread_current()->helped); // until it holds none
    mutex_unlock(&first);
    EXPECT(!thread_current()->helped);
    test_drop_group(g);
}
