// test/kernel/plants.c: faults in the use of locks, on purpose
// (test/kernel/plants.def).  On Linux each is committed in a process of its own
// (test/kernel/linux.c), in QEMU in a machine of its own
// (test/kernel/plants.sh).

#include "test/kernel/calls.h"

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
    struct thread *t = test_start_thread(keep_mutex, NULL);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    TEST_WAIT(COUNT_OF(t->state) == THREAD_DEAD);
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

// The next block of its size is the one that was freed.
static void
plant_write_after_free(void)
{
    u8 *block = kernel_alloc(1000);

    kernel_free(block);
    block[500] = 1;
    kernel_free(kernel_alloc(1000));
}

static void
plant_free_twice(void)
{
    void *block = kernel_alloc(1000);

    kernel_free(block);
    kernel_free(block);
}

// --- in the middle of a call -------------------------------------------------

static volatile bool on_purpose = true;

__attribute__((noinline)) static u32
inner_of_call(void)
{
    if (on_purpose)
        panic(__FILE__, __LINE__, "on purpose");
    return 1;
}

__attribute__((noinline)) static u32
outer_of_call(void)
{
    return 1 + inner_of_call();
}

static u32
host_panic(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f, u32 g)
{
    return a + b + c + d + e + f + g + outer_of_call();
}

static const struct host_func host_panic_func = {"panic", "iiiiiii:i",
                                                 (const void *)host_panic};

static bool
find_panic(void *self, struct string module, struct string name,
           struct extern_ref *out)
{
    (void)self, (void)module, (void)name;
    *out = (struct extern_ref){.kind = EXTERN_FUNC, .host = &host_panic_func};
    return true;
}

static void
call_program(void *arg)
{
    union value values[1];
    struct extern_ref func;
    enum trap trap;
    u32 count;

    EXPECT(instance_export(arg, STRING("begin"), &func));
    (void)!instance_invoke(&func, values, 0, 1, &count, &trap);
}

// A thread of its own, which the panic's notes end with.
static void
plant_in_a_call(void)
{
    static const struct resolver resolver = {NULL, find_panic, NULL};
    struct code_module *code = test_compile("panic");
    struct instance *instance;
    struct store *s;
    struct thread *t;
    struct error error;
    enum trap trap;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(instance_new(&instance, s, code, &resolver, &error, &trap), OK);
    EXPECT_EQ(thread_new(&t, call_program, instance), OK);
    history_call("plants", "in_a_call");
    sched_start(t);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
}

const struct test_plant test_plants[] = {
#define PLANT(id, message) {#id, plant_##id, message},
#include "test/kernel/plants.def"
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
