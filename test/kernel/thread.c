// test/kernel/thread.c: kernel threads: switching, waiting, deadlines,
// preemption, pfex.

#include "test/kernel/frame.h"

static void
run_all(void (*run)(void *), void *arg, u32 count)
{
    struct thread *threads[64];

    assert(count <= COUNT(threads));
    for (u32 i = 0; i < count; i++) {
        threads[i] = test_start_thread(run, arg);
    }
    for (u32 i = 0; i < count; i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        thread_release(threads[i]);
    }
}

static void
count_one(void *arg)
{
    COUNT_UP(*(u32 *)arg);
}

TEST_KERNEL(thread_runs_and_joins)
{
    u32 count = 0;

    run_all(count_one, &count, 50);
    EXPECT_EQ(count, 50);
}

// --- what is left on a stack -------------------------------------------------

enum { LEFT = 0x5ec2e75e, LEFT_WORDS = 8192 };

static void
leave_words(void *arg)
{
    u32 words[LEFT_WORDS];

    (void)arg;
    for (u32 i = 0; i < LEFT_WORDS; i++)
        words[i] = LEFT;
    __asm__ volatile("" : : "r"(words) : "memory");
}

// How many are there, below what this thread uses itself?
READS_STACK static void
count_words(void *arg)
{
    const u8 *low = thread_stack_low(thread_current());
    const u8 *end = __builtin_frame_address(0);

    for (const u8 *at = low; at + sizeof(u32) <= end; at += sizeof(u32))
        *(u32 *)arg += *(const u32 *)at == LEFT;
}

static void
run_one(void (*run)(void *), void *arg)
{
    struct thread *t = test_start_thread(run, arg);

    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    thread_release(t);
}

// Who gets the stack of another thread, of another process it may be, finds
// nothing of that: verified code may read of its frame what it has not written.
TEST_KERNEL(stack_of_another_is_empty)
{
    u32 count = 0;

    for (u32 i = 0; i < 4; i++)
        run_one(leave_words, NULL);
    for (u32 i = 0; i < 4; i++)
        run_one(count_words, &count);
    EXPECT_EQ(count, 0);
}

enum { YIELDS = 200 };

static void
leave_vector(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < YIELDS; i++) {
        __asm__ volatile("movd %0, %%xmm13" : : "r"(LEFT));
        thread_yield();
    }
}

static void
count_vectors(void *arg)
{
    for (u32 i = 0; i < YIELDS; i++) {
        u32 found;

        thread_yield();
        __asm__ volatile("movd %%xmm13, %0" : "=r"(found));
        *(u32 *)arg += found == LEFT;
    }
}

// Nor in vector registers, which C need not keep.
TEST_KERNEL(vectors_of_another_are_empty)
{
    u32 count = 0;
    struct thread *t = test_start_thread(leave_vector, NULL);

    run_one(count_vectors, &count);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    thread_release(t);
    EXPECT_EQ(count, 0);
}

struct turn {
    u64 wakes_at;
    u32 next;
    u32 sleeper; // when it ran, from 1
};

static void
run_after_sleep(void *arg)
{
    struct turn *o = arg;

    EXPECT_EQ(thread_sleep_until(o->wakes_at), OK);
    o->sleeper = ++o->next;
}

// A thread that sleeps until a time that has not come; interrupts are off.
// Where the host was busy elsewhere until it had come, another.
static struct thread *
start_sleeper(struct turn *o)
{
    for (;;) {
        struct thread *sleeper;

        *o = (struct turn){.wakes_at = port_monotonic_ns() + 50000000};
        sleeper = test_start_blocked(run_after_sleep, o);
        port_interrupts_off();
        if (port_monotonic_ns() < o->wakes_at)
            return sleeper;
        port_interrupts_restore(true);
        EXPECT_EQ(thread_join(sleeper, UINT64_MAX), OK);
        thread_release(sleeper);
    }
}

// As on a host that was busy elsewhere: the deadline and the end of the slice
// come in one interrupt.
TEST_KERNEL(thread_woken_at_the_end_of_a_slice_is_next)
{
    struct turn o;
    struct thread *others[3];
    u64 slice = sched_slice_ns;

    if (port_cpu_count() > 1)
        return; // others would take them

    struct thread *sleeper = start_sleeper(&o);
    for (u32 i = 0; i < COUNT(others); i++) {
        others[i] = test_start_thread(count_one, &o.next);
    }
    while (port_monotonic_ns() < o.wakes_at + sched_slice_ns)
        continue;
    sched_slice_ns = 1000000000000; // the host may be busy elsewhere once more
    EXPECT(sched_interrupt());
    thread_yield();
    port_interrupts_restore(true);
    EXPECT_EQ(thread_join(sleeper, UINT64_MAX), OK);
    sched_slice_ns = slice;
    EXPECT_EQ(o.sleeper, 1);
    thread_release(sleeper);
    for (u32 i = 0; i < COUNT(others); i++) {
        EXPECT_EQ(thread_join(others[i], UINT64_MAX), OK);
        thread_release(others[i]);
    }
}

struct turns {
    u32 next;
    u32 wrong;
};

static void
take_turns(void *arg)
{
    struct turns *t = arg;

    COUNT_UP(t->next);
    for (u32 i = 0; i < 1000; i++) {
        thread_yield();
        if (COUNT_OF(t->next) != 4)
            COUNT_UP(t->wrong);
    }
}

TEST_KERNEL(thread_yield_lets_others_run)
{
    struct turns t = {0, 0};

    run_all(take_turns, &t, 4);
    EXPECT_EQ(t.next, 4);
    // On a busy machine it takes long to start four, and on other CPUs.
    EXPECT(t.wrong < 100 || port_cpu_count() > 1);
}

struct spinner {
    u32 stop;
    u64 rounds[3];
    u32 next;
};

static void
spin_until_stop(void *arg)
{
    struct spinner *s = arg;
    u32 me = COUNT_UP(s->next);

    while (COUNT_OF(s->stop) == 0)
        COUNT_UP(s->rounds[me]);
}

static bool
all_turned(const struct spinner *s)
{
    return COUNT_OF(s->rounds[0]) > 1000 && COUNT_OF(s->rounds[1]) > 1000 &&
           COUNT_OF(s->rounds[2]) > 1000;
}

TEST_KERNEL(thread_endless_loops_are_preempted)
{
    struct spinner s = {.stop = 0};
    struct thread *threads[3];

    for (u32 i = 0; i < 3; i++) {
        threads[i] = test_start_thread(spin_until_stop, &s);
    }
    // A busy machine may stop us for long.
    u64 limit = port_monotonic_ns() + 60000000000;
    while (!all_turned(&s) && port_monotonic_ns() < limit)
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 20000000), OK);
    EXPECT(all_turned(&s));
    COUNT_UP(s.stop);
    for (u32 i = 0; i < 3; i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        thread_release(threads[i]);
    }
}

TEST_KERNEL(thread_sleep_lasts)
{
    u64 before = port_monotonic_ns();

    EXPECT_EQ(thread_sleep_until(before + 20000000), OK);
    u64 took = port_monotonic_ns() - before;
    EXPECT(took >= 20000000);
    EXPECT(took < 60000000000); // a busy machine may stop us for long
}

static void
sleep_in_order(void *arg)
{
    struct turns *t = arg;
    u32 me = __atomic_fetch_add(&t->next, 1, __ATOMIC_SEQ_CST);

    // Deadlines in another order than their start; some are equal.
    EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + (me * 7 % 16) * 1000000),
              OK);
    COUNT_UP(t->wrong);
}

TEST_KERNEL(thread_many_sleepers)
{
    struct turns t = {0, 0};

    run_all(sleep_in_order, &t, 64);
    EXPECT_EQ(t.wrong, 64);
}

TEST_KERNEL(thread_join_times_out)
{
    struct spinner s = {.stop = 0};
    struct thread *t = test_start_thread(spin_until_stop, &s);
    EXPECT_EQ(thread_join(t, port_monotonic_ns() + 5000000), ERR_TIMED_OUT);
    COUNT_UP(s.stop);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    thread_release(t);
}

// --- pfex --------------------------------------------------------------------

struct counter {
    u32 word;
    volatile u32 inside, count, wrong;
};

static void
count_locked(void *arg)
{
    struct counter *c = arg;

    for (u32 i = 0; i < 2000; i++) {
        EXPECT_EQ(pfex_acquire(&c->word), OK);
        if (COUNT_UP(c->inside) != 0)
            COUNT_UP(c->wrong);
        u32 count = c->count;
        if (i % 16 == 0)
            thread_yield();
        c->count = count + 1;
        COUNT_DOWN(c->inside);
        if (pfex_release(&c->word) != OK)
            COUNT_UP(c->wrong);
    }
}

TEST_KERNEL(pfex_excludes)
{
    struct counter c = {0};

    run_all(count_locked, &c, 16);
    EXPECT_EQ(c.count, 32000);
    EXPECT_EQ(c.wrong, 0);
    EXPECT_EQ(c.word, 0);
}

static struct {
    u32 word, next, order[8];
} queue;

static void
line_up(void *arg)
{
    u32 me = (u32)(u64)arg;

    EXPECT_EQ(pfex_acquire(&queue.word), OK);
    queue.order[queue.next++] = me;
    EXPECT_EQ(pfex_release(&queue.word), OK);
}

TEST_KERNEL(pfex_serves_in_order)
{
    struct thread *threads[8];

    queue.next = 0;
    EXPECT_EQ(pfex_acquire(&queue.word), OK);
    for (u64 i = 0; i < 8; i++) {
        threads[i] = test_start_blocked(line_up, (void *)i);
    }
    EXPECT_EQ(pfex_release(&queue.word), OK);
    for (u32 i = 0; i < 8; i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        EXPECT_EQ(queue.order[i], i);
        thread_release(threads[i]);
    }
}

TEST_KERNEL(pfex_free_word_is_not_released)
{
    u32 word = 0;

    EXPECT_EQ(pfex_release(&word), ERR_NOT_OWNER);
    EXPECT_EQ(pfex_acquire(&word), OK);
    EXPECT_EQ(word, 1);
    EXPECT_EQ(pfex_release(&word), OK);
    EXPECT_EQ(word, 0);
}

// --- wait and notify ---------------------------------------------------------

struct parked {
    u32 word;
    i64 timeout_ns;
    u32 woken, timed_out;
};

static u32
wait_on(const void *address, bool is64, u64 expected, i64 timeout_ns)
{
    u32 result;

    EXPECT_EQ(atomic_wait(address, is64, expected, timeout_ns, &result), OK);
    return result;
}

static void
park(void *arg)
{
    struct parked *p = arg;
    u32 result = wait_on(&p->word, false, 7, p->timeout_ns);

    if (result == WAIT_WOKEN)
        COUNT_UP(p->woken);
    else if (result == WAIT_TIMED_OUT)
        COUNT_UP(p->timed_out);
}

TEST_KERNEL(atomic_wait_checks_the_value)
{
    u64 word = 1ull << 32 | 5;

    EXPECT_EQ(wait_on(&word, false, 6, -1), WAIT_NOT_EQUAL);
    EXPECT_EQ(wait_on(&word, true, 5, -1), WAIT_NOT_EQUAL);
    EXPECT_EQ(wait_on(&word, false, 5, 1000), WAIT_TIMED_OUT);
    EXPECT_EQ(wait_on(&word, true, word, 0), WAIT_TIMED_OUT);
    EXPECT_EQ(atomic_notify(&word, 1), 0);
}

// Words whose addresses a product puts into one bucket are in many.  More than
// 12 of 512 in one of 512 by chance: three runs in 10^8.
TEST_KERNEL(atomic_wait_buckets_cannot_be_chosen)
{
    enum { WORDS = 512, BUCKETS = 512, MOST = 12 };
    static u8 load[BUCKETS];
    u32 most = 0, found = 0;

    memset(load, 0, sizeof(load));
    for (u64 at = 0x200000000; found < WORDS; at += 4) {
        if (at * 0x9e3779b97f4a7c15 >> 55 != 0)
            continue;
        u32 bucket = pfex_bucket((const void *)at);
        EXPECT(bucket < BUCKETS);
        load[bucket]++;
        most = MAX(most, load[bucket]);
        found++;
    }
    EXPECT(most <= MOST);
}

TEST_KERNEL(atomic_notify_wakes_as_many)
{
    struct parked p = {.word = 7, .timeout_ns = -1};
    struct thread *threads[8];

    for (u32 i = 0; i < 8; i++) {
        threads[i] = test_start_blocked(park, &p);
    }
    EXPECT_EQ(atomic_notify(&p.word, 1), 1);
    EXPECT_EQ(atomic_notify(&p.word, 4), 4);
    for (u32 i = 0; i < 5; i++)
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
    EXPECT_EQ(p.woken, 5);
    EXPECT_EQ(atomic_notify(&p.word, 4), 3);
    for (u32 i = 0; i < 8; i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        thread_release(threads[i]);
    }
    EXPECT_EQ(p.woken, 8);
}

TEST_KERNEL(atomic_waits_time_out)
{
    struct parked p = {.word = 7, .timeout_ns = 5000000};

    run_all(park, &p, 8);
    EXPECT_EQ(p.timed_out, 8);
    EXPECT_EQ(atomic_notify(&p.word, 8), 0);
}
