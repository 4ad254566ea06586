// user/abi2018/threads.c: threads and locks.

#include "abi2018.h"

enum { STACK = 65536, THREADS = 4, TURNS = 200 };

static _Alignas(16) char stacks[THREADS][STACK];
static uint32_t lock, event;
static volatile uint32_t total, seen;

// With a look away in the middle, so that others come between without a lock.
static void
count_up(uint32_t by)
{
    for (int i = 0; i < TURNS; i++) {
        abi_pfex_acquire(&lock);
        uint32_t before = total;
        abi_thread_yield();
        total = before + by;
        abi_pfex_release(&lock);
    }
}

static void
wait_for_event(uint32_t argument)
{
    (void)abi_object_wait_one(event, ABI_SIGNAL_USER_0);
    seen = argument;
}

static uint32_t
wrong_type(uint32_t a, uint32_t b)
{
    return a + b;
}

// Functions of C are places in the table.
static uint32_t
place_of(void *func)
{
    return (uint32_t)(uintptr_t)func;
}

static uint32_t
spawn(void (*run)(uint32_t), uint32_t argument, int stack)
{
    int64_t thread =
        abi_thread_spawn(place_of((void *)run), argument,
                         (uint32_t)(uintptr_t)(stacks[stack] + STACK));

    EXPECT_EQ(thread > 0, 1);
    return (uint32_t)thread;
}

static void
refuse_threads(void)
{
    EXPECT_EQ(abi_thread_spawn(0, 0, 0), ABI_NOT_FOUND); // null
    EXPECT_EQ(abi_thread_spawn(1u << 20, 0, 0), ABI_NOT_FOUND);
    EXPECT_EQ(abi_thread_spawn(UINT32_MAX, 0, 0), ABI_NOT_FOUND);
    EXPECT_EQ(abi_thread_spawn(place_of((void *)wrong_type), 0, 0),
              ABI_INVALID_ARG);
    EXPECT_EQ(abi_thread_join(0), ABI_INVALID_ARG); // itself
    EXPECT_EQ(abi_thread_join(1000), 0);            // nobody
    EXPECT_EQ(abi_thread_join(UINT32_MAX), 0);
}

void
test_threads(void)
{
    uint32_t threads[THREADS];

    refuse_threads();

    // A join waits.
    event = new_event();
    uint32_t waiter = spawn(wait_for_event, 5, 0);
    EXPECT_EQ(seen, 0);
    EXPECT_EQ(abi_object_signal(event, ABI_SIGNAL_USER_0, 0), 0);
    EXPECT_EQ(abi_thread_join(waiter), 0);
    EXPECT_EQ(seen, 5);
    EXPECT_EQ(abi_thread_join(waiter), 0); // it is gone
    close_handle(event);

    // The word of a lock, and its threads.
    abi_pfex_acquire(&lock);
    EXPECT_EQ(lock, 1);
    abi_pfex_release(&lock);
    EXPECT_EQ(lock, 0);
    abi_pfex_release(&lock); // nothing happens
    EXPECT_EQ(lock, 0);
    for (int i = 0; i < THREADS; i++)
        threads[i] = spawn(count_up, (uint32_t)i + 1, i);
    for (int i = 0; i < THREADS; i++)
        EXPECT_EQ(abi_thread_join(threads[i]), 0);
    EXPECT_EQ(total, TURNS * (1 + 2 + 3 + 4));
    EXPECT_EQ(lock, 0);
}
