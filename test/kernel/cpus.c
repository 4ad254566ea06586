// test/kernel/cpus.c: which CPU a thread gets, when there are several.

#include "kernel/run_queue.h"
#include "test/kernel/frame.h"

enum { ROUNDS = 2000, STRETCH = 100 };

static bool
one_cpu(void)
{
    if (port_cpu_count() > 1)
        return false;
    klog("one CPU: nothing to choose");
    return true;
}

// Others have gone to sleep, so that there is somebody to call.
static void
let_others_sleep(void)
{
    EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 5000000), OK);
}

// --- a question and its answer -----------------------------------------------

struct board {
    struct wait_queue queue;
    u32 turn;  // 0 or 1: who plays
    u64 least; // calls of idle CPUs in a stretch
};

static void
play(struct board *t, u32 own)
{
    u64 calls = place_calls();

    for (u32 i = 0; i < ROUNDS; i++) {
        if (own == 0 && i % STRETCH == STRETCH - 1) {
            t->least = MIN(t->least, place_calls() - calls);
            calls = place_calls();
        }
        bool on = lock_irq(&t->queue.lock);
        while (t->turn != own) {
            EXPECT_EQ(wait_queue_wait(&t->queue, own, UINT64_MAX, on), OK);
            on = lock_irq(&t->queue.lock);
        }
        t->turn = 1 - own;
        wait_queue_wake(&t->queue, 1 - own, 1);
        unlock_irq(&t->queue.lock, on);
    }
}

static void
answer(void *arg)
{
    play(arg, 1);
}

// Who sleeps after waking the other leaves its CPU to it: nobody else is woken
// for that, but while it is learned.  What takes a second is soon enough here:
// the machine may be busy.
TEST_KERNEL(cpus_keep_question_and_answer)
{
    struct board t = {.least = UINT64_MAX};
    struct thread *other;
    u64 keep_ns = place_keep_ns, soon_ns = place_soon_ns;

    if (one_cpu())
        return;
    place_keep_ns = place_soon_ns = 1000000000;
    wait_queue_init(&t.queue);
    let_others_sleep();
    u64 before = place_calls();
    other = test_start_thread(answer, &t);
    play(&t, 0);
    EXPECT_EQ(thread_join(other, UINT64_MAX), OK);
    thread_release(other);
    place_keep_ns = keep_ns;
    place_soon_ns = soon_ns;
    u64 calls = place_calls() - before;
    klog("%u turns: idle CPUs called %u times, at least %u in a stretch",
         2 * ROUNDS, (u32)calls, (u32)t.least);
    EXPECT_EQ(t.least, 0);
}

// --- threads that want to run ------------------------------------------------

struct work {
    struct wait_queue queue;
    u32 given, done;
};

static void
wait_for_work(void *arg)
{
    struct work *w = arg;

    for (u32 i = 0; i < ROUNDS; i++) {
        bool on = lock_irq(&w->queue.lock);
        while (COUNT_OF(w->given) == i) {
            EXPECT_EQ(wait_queue_wait(&w->queue, 0, UINT64_MAX, on), OK);
            on = lock_irq(&w->queue.lock);
        }
        unlock_irq(&w->queue.lock, on);
        COUNT_UP(w->done);
    }
}

// Give work, and go on without leaving the CPU until it is done.
static void
give_work(struct work *w)
{
    preempt_disable();
    bool on = lock_irq(&w->queue.lock);
    u32 given = COUNT_UP(w->given) + 1;
    wait_queue_wake(&w->queue, 0, 1);
    unlock_irq(&w->queue.lock, on);
    while (COUNT_OF(w->done) != given)
        port_spin(100);
    preempt_enable();
}

// Whose waker goes on runs on another CPU; the test hangs when it does not.
TEST_KERNEL(cpus_share_work)
{
    struct work w = {.given = 0};
    struct thread *other;

    if (one_cpu())
        return;
    wait_queue_init(&w.queue);
    other = test_start_thread(wait_for_work, &w);
    let_others_sleep();
    for (u32 i = 0; i < ROUNDS; i++)
        give_work(&w);
    EXPECT_EQ(thread_join(other, UINT64_MAX), OK);
    EXPECT(thread_current()->stays > STAYS_MAX / 2);
    thread_release(other);
}

// Whose CPU has not come yet, or never does.
TEST_KERNEL(cpus_that_have_not_come_have_used_nothing)
{
    u64 before = account_cpu_ns(account_root());

    sched_account();
    EXPECT(account_cpu_ns(account_root()) >= before);
}
