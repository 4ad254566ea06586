// test/kernel/lock.c: sleeping locks, and the order of all locks.

#include "test/kernel/frame.h"

static struct {
    struct mutex mutex;
    u32 inside, wrong, count;
    u32 order[8], next;
} shared;

// Hold it over a wait, too.
static void
count_inside(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < 200; i++) {
        EXPECT_EQ(mutex_lock(&shared.mutex), OK);
        if (COUNT_UP(shared.inside) != 0)
            COUNT_UP(shared.wrong);
        u32 count = shared.count;
        if (i % 8 == 0)
            EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 1000), OK);
        else
            thread_yield();
        shared.count = count + 1;
        COUNT_DOWN(shared.inside);
        mutex_unlock(&shared.mutex);
    }
}

TEST_KERNEL(mutex_excludes)
{
    struct thread *threads[8];

    shared.inside = shared.wrong = shared.count = 0;
    mutex_init(&shared.mutex, LOCK_FILE);
    for (u32 i = 0; i < 8; i++) {
        threads[i] = test_start_thread(count_inside, NULL);
    }
    for (u32 i = 0; i < 8; i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        thread_release(threads[i]);
    }
    EXPECT_EQ(shared.count, 1600);
    EXPECT_EQ(shared.wrong, 0);
}

static void
line_up(void *arg)
{
    if (mutex_lock(&shared.mutex) != OK)
        return;
    shared.order[shared.next++] = (u32)(u64)arg;
    mutex_unlock(&shared.mutex);
}

// One of those that wait is killed: the others are served in turn.
TEST_KERNEL(mutex_serves_in_order_and_lets_die)
{
    struct thread *threads[8];

    shared.next = 0;
    mutex_init(&shared.mutex, LOCK_FILE);
    EXPECT_EQ(mutex_lock(&shared.mutex), OK);
    EXPECT(mutex_held(&shared.mutex));
    for (u64 i = 0; i < 8; i++) {
        threads[i] = test_start_blocked(line_up, (void *)i);
    }
    thread_kill(threads[3]);
    EXPECT_EQ(thread_join(threads[3], UINT64_MAX), OK);
    mutex_unlock(&shared.mutex);
    for (u32 i = 0; i < 8; i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        thread_release(threads[i]);
    }
    EXPECT_EQ(shared.next, 7);
    for (u32 i = 0; i < 7; i++)
        EXPECT_EQ(shared.order[i], i < 3 ? i : i + 1);
}

static void
give_back(void *arg)
{
    status_t *status = arg;

    *status = mutex_lock(&shared.mutex);
    mutex_lock_always(&shared.mutex);
    shared.count++;
    mutex_unlock(&shared.mutex);
}

TEST_KERNEL(mutex_can_be_had_to_give_back)
{
    status_t status = OK;
    struct thread *t;

    shared.count = 0;
    mutex_init(&shared.mutex, LOCK_FILE);
    EXPECT_EQ(mutex_lock(&shared.mutex), OK);
    t = test_start_blocked(give_back, &status);
    thread_kill(t);
    thread_yield();
    EXPECT_EQ(shared.count, 0);
    mutex_unlock(&shared.mutex);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    EXPECT_EQ(status, ERR_KILLED);
    EXPECT_EQ(shared.count, 1);
    thread_release(t);
}

// Threads that take the mutex again and again pass it from one to the next: a
// killed thread has its turn among them all the same.
enum { PASSERS = 3, PASSES = 50 };

static struct {
    u32 taken;   // by passers
    u32 ahead;   // of the killed one
    bool killed; // it knows
    status_t first;
} turns;

static void
pass_on(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < PASSES; i++) {
        EXPECT_EQ(mutex_lock(&shared.mutex), OK);
        turns.taken++;
        thread_yield(); // the others line up
        thread_yield();
        mutex_unlock(&shared.mutex);
    }
}

static void
give_back_in_turn(void *arg)
{
    (void)arg;
    turns.first = mutex_lock(&shared.mutex);
    __atomic_store_n(&turns.killed, true, __ATOMIC_SEQ_CST);
    mutex_lock_always(&shared.mutex);
    turns.ahead = turns.taken;
    mutex_unlock(&shared.mutex);
}

TEST_KERNEL(mutex_killed_has_its_turn)
{
    struct thread *threads[PASSERS + 1];

    turns.taken = 0;
    turns.killed = false;
    mutex_init(&shared.mutex, LOCK_FILE);
    EXPECT_EQ(mutex_lock(&shared.mutex), OK);
    for (u32 i = 0; i <= PASSERS; i++) {
        void (*run)(void *) = i < PASSERS ? pass_on : give_back_in_turn;
        threads[i] = test_start_blocked(run, NULL);
    }
    thread_kill(threads[PASSERS]);
    TEST_WAIT(COUNT_OF(turns.killed));
    test_wait_until_blocked(threads[PASSERS]); // again, behind the others
    mutex_unlock(&shared.mutex);
    for (u32 i = 0; i <= PASSERS; i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        thread_release(threads[i]);
    }
    EXPECT_EQ(turns.first, ERR_KILLED);
    EXPECT(turns.ahead <= PASSERS);
    EXPECT_EQ(turns.taken, PASSERS * PASSES);
}

// --- the order ---------------------------------------------------------------

TEST_KERNEL(lock_order_is_the_table)
{
    u64 process = 1ull << LOCK_PROCESS, heap = 1ull << LOCK_HEAP;

    EXPECT(lock_order_allows(0, LOCK_PROCESS));
    EXPECT(lock_order_allows(process, LOCK_HEAP));
    EXPECT(lock_order_allows(process | heap, LOCK_CPU));
    EXPECT(!lock_order_allows(heap, LOCK_PROCESS));
    EXPECT(!lock_order_allows(process, LOCK_PROCESS)); // two of one rank
    EXPECT(!lock_order_allows(1ull << LOCK_TREE, LOCK_FILE));
}
