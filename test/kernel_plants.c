// test/kernel_plants.c: faults in the use of locks, on purpose
// (test/kernel_plants.def).  On Linux each is committed in a process of its own
// (test/kernel_linux.c), in QEMU in a machine of its own (test/plants.sh).

#include "test/kernel_calls.h"

static struct lock outer = LOCK_INIT(PROCESS);
static struct lock inner = LOCK_INIT(HEAP);

static void
plant_out_of_order(void)
{
    lock(&inner);
    lock(&outer);
}

static void
plant_two_of_one_rank(void)
{
    struct lock other = LOCK_INIT(HEAP);

    lock(&inner);
    lock(&other);
}

static void
take_mutex(enum lock_rank rank)
{
    static struct mutex mutexes[LOCK_COUNT];

    mutex_init(&mutexes[rank], rank);
    EXPECT_EQ(mutex_lock(&mutexes[rank]), OK);
}

static void
plant_mutexes_out_of_order(void)
{
    take_mutex(LOCK_TREE);
    take_mutex(LOCK_FILE);
}

static void
plant_sleep_unpreempted(void)
{
    lock(&outer);
    take_mutex(LOCK_TREE);
}

static void
plant_mutex_in_spin_lock(void)
{
    bool on = lock_irq(&outer);

    take_mutex(LOCK_TREE);
    unlock_irq(&outer, on);
}

static void
plant_wait_in_spin_lock(void)
{
    bool on = lock_irq(&outer);

    EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 1000), OK);
    unlock_irq(&outer, on);
}

static void
plant_signals_in_spin_lock(void)
{
    struct object *o = NULL;
    struct account *a = test_account(MIB);

    EXPECT_EQ(event_new(&o, a), OK);
    bool on = lock_irq(&outer);
    (void)!object_wait_one(o, 1, UINT64_MAX, NULL);
    unlock_irq(&outer, on);
}

// The way of channels.
static void
plant_waiter_in_spin_lock(void)
{
    struct waiter *w = waiter_begin();
    bool on = lock_irq(&outer);

    (void)!waiter_wait(w, port_monotonic_ns() + 1000);
    unlock_irq(&outer, on);
}

static void
plant_yield_in_spin_lock(void)
{
    bool on = lock_irq(&outer);

    thread_yield();
    unlock_irq(&outer, on);
}

static void
plant_yield_unpreempted(void)
{
    preempt_disable();
    thread_yield();
    preempt_enable();
}

static void
keep_mutex(void *arg)
{
    (void)arg;
    take_mutex(LOCK_TREE);
}

static void
plant_end_with_mutex(void)
{
    struct thread *t;

    EXPECT_EQ(thread_new(&t, keep_mutex, NULL), OK);
    sched_start(t);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    while (t->state != THREAD_DEAD)
        thread_yield();
    thread_release(t);
}

// What these do is a call that a program makes, of a module that is neither
// `nebulet` nor WASI's: all are checked alike.
static void
call_with_mutex(void)
{
    take_mutex(LOCK_TREE);
}

static void
plant_return_with_mutex(void)
{
    (void)test_in_process(call_with_mutex);
}

static void
call_with_lock(void)
{
    lock(&outer);
}

static void
plant_return_with_lock(void)
{
    (void)test_in_process(call_with_lock);
}

static void
plant_no_rank(void)
{
    struct lock l = {0};

    lock(&l);
}

static void
plant_made_without_rank(void)
{
    struct lock l;

    lock_init(&l, LOCK_NONE);
}

static void
plant_mutex_without_rank(void)
{
    struct mutex m;

    mutex_init(&m, LOCK_NONE);
}

static void
plant_rank_of_a_mutex(void)
{
    struct lock l;

    lock_init(&l, LOCK_FILE);
}

static void
plant_mutex_of_a_spin_rank(void)
{
    struct mutex m;

    mutex_init(&m, LOCK_HEAP);
}

// An interrupt that takes it here would wait for ever.
static void
plant_lock_with_interrupts(void)
{
    struct lock l = LOCK_INIT(TIMERS);

    lock(&l);
}

static void
plant_not_held(void)
{
    assert_held(&outer);
}

const struct test_plant test_plants[] = {
#define PLANT(id, message) {#id, plant_##id, message},
#include "test/kernel_plants.def"
};

const u32 test_plant_count = COUNT(test_plants);

TEST_KERNEL(lock_order_allows_the_table)
{
    EXPECT(CHECKED);
    lock(&outer);
    lock(&inner);
    EXPECT(lock_held(&outer) && lock_held(&inner));
    unlock(&inner);
    unlock(&outer);
    EXPECT(!lock_held(&outer) && !lock_held(&inner));
}
