// test/kernel/signal.c: signals: who waits for one gets it, or the deadline, or
// a kill, and exactly one of them; timers.

#include "test/kernel/frame.h"

enum { MS = 1000000 };

static struct account *payer;

static struct object *
new_event(void)
{
    struct object *o = NULL;

    EXPECT_EQ(event_new(&o, payer), OK);
    return o;
}

// Objects are made in these, and all is given back.
static void
begin(void)
{
    payer = test_account(1 * MIB);
}

static void
end(void)
{
    EXPECT_EQ(payer->used[RESOURCE_OBJECTS], 0);
    EXPECT_EQ(payer->references, 1);
    account_release(payer);
}

static u64
soon(u64 ns)
{
    return port_monotonic_ns() + ns;
}

TEST_KERNEL(signal_is_there_or_not)
{
    begin();
    struct object *o = new_event();
    u32 seen = 77;

    EXPECT_EQ(object_wait_one(o, SIGNAL_SIGNALED, 0, &seen), ERR_TIMED_OUT);
    EXPECT_EQ(seen, 0);
    object_signal(o, 0, SIGNAL_SIGNALED | SIGNAL_USER_7);
    EXPECT_EQ(object_wait_one(o, SIGNAL_SIGNALED, 0, &seen), OK);
    EXPECT_EQ(seen, (u32)(SIGNAL_SIGNALED | SIGNAL_USER_7));
    EXPECT_EQ(object_wait_one(o, SIGNAL_USER_7, UINT64_MAX, NULL), OK);
    EXPECT_EQ(object_wait_one(o, SIGNAL_USER_6, soon(MS), &seen),
              ERR_TIMED_OUT);
    EXPECT_EQ(seen, (u32)(SIGNAL_SIGNALED | SIGNAL_USER_7));
    object_signal(o, SIGNAL_USER_7, SIGNAL_USER_7); // cleared, then set
    EXPECT_EQ(object_signals(o), (u32)(SIGNAL_SIGNALED | SIGNAL_USER_7));
    object_signal(o, UINT32_MAX, 0);
    EXPECT_EQ(object_signals(o), 0);
    EXPECT_EQ(object_wait_one(o, 0, soon(MS), NULL), ERR_TIMED_OUT);
    EXPECT_EQ(o->observer_count, 0);
    object_release(o);
    end();
}

// --- threads that wait for several -------------------------------------------

enum { EVENTS = 4, SLEEPERS = 24 };

static struct object *events[EVENTS];

struct sleeper {
    struct thread *thread;
    u32 first, count; // of `events`
    u64 deadline;
    status_t status;
    u32 seen[EVENTS];
};

static void
wait_for_events(void *arg)
{
    struct sleeper *s = arg;
    struct object_wait waits[EVENTS];

    for (u32 i = 0; i < s->count; i++)
        waits[i] = (struct object_wait){
            .observer.awaited = SIGNAL_SIGNALED,
            .object = events[(s->first + i) % EVENTS],
        };
    s->status = object_wait_many(waits, s->count, s->deadline);
    for (u32 i = 0; i < s->count; i++)
        s->seen[i] = waits[i].observer.observed;
}

static void
start_sleeper(struct sleeper *s)
{
    s->thread = test_start_thread(wait_for_events, s);
}

static void
end_sleeper(struct sleeper *s)
{
    EXPECT_EQ(thread_join(s->thread, UINT64_MAX), OK);
    thread_release(s->thread);
}

static void
make_events(void)
{
    begin();
    for (u32 i = 0; i < EVENTS; i++)
        events[i] = new_event();
}

static void
drop_events(void)
{
    for (u32 i = 0; i < EVENTS; i++) {
        EXPECT_EQ(events[i]->observer_count, 0);
        object_release(events[i]);
    }
    end();
}

TEST_KERNEL(signal_wakes_who_waits_for_several)
{
    make_events();
    for (u32 i = 0; i < EVENTS; i++) {
        struct sleeper s = {.count = EVENTS, .deadline = UINT64_MAX};
        start_sleeper(&s);
        test_wait_until_blocked(s.thread);
        object_signal(events[i], 0, SIGNAL_USER_0); // not what it waits for
        thread_yield();
        EXPECT_EQ(s.thread->state, THREAD_BLOCKED);
        // It comes and goes before the thread runs.
        bool on = port_interrupts_off();
        object_signal(events[i], 0, SIGNAL_SIGNALED);
        object_signal(events[i], SIGNAL_SIGNALED | SIGNAL_USER_0, 0);
        port_interrupts_restore(on);
        end_sleeper(&s);
        EXPECT_EQ(s.status, OK);
        for (u32 k = 0; k < EVENTS; k++)
            EXPECT_EQ(s.seen[k] & SIGNAL_SIGNALED,
                      k == i ? SIGNAL_SIGNALED : 0);
    }
    drop_events();
}

TEST_KERNEL(signal_wakes_all_who_wait)
{
    struct sleeper sleepers[SLEEPERS];

    make_events();
    for (u32 i = 0; i < SLEEPERS; i++) {
        sleepers[i] = (struct sleeper){
            .first = i % EVENTS, .count = 1, .deadline = UINT64_MAX};
        start_sleeper(&sleepers[i]);
        test_wait_until_blocked(sleepers[i].thread);
    }
    for (u32 i = 0; i < EVENTS; i++)
        object_signal(events[i], 0, SIGNAL_SIGNALED);
    for (u32 i = 0; i < SLEEPERS; i++) {
        end_sleeper(&sleepers[i]);
        EXPECT_EQ(sleepers[i].status, OK);
    }
    drop_events();
}

static u32
next_random(u32 *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

// Signals, deadlines and kills come as they like; each thread has one outcome,
// and it is one that happened.
TEST_KERNEL(signal_races_have_one_outcome)
{
    enum { ROUNDS = 60 };
    u32 seed = 1, outcomes[3] = {0};

    make_events();
    for (u32 round = 0; round < ROUNDS; round++) {
        struct sleeper sleepers[SLEEPERS];
        bool killed[SLEEPERS] = {false};
        for (u32 i = 0; i < SLEEPERS; i++) {
            sleepers[i] = (struct sleeper){
                .first = next_random(&seed) % EVENTS,
                .count = 1 + next_random(&seed) % EVENTS,
                .deadline = soon(next_random(&seed) % MS),
            };
            start_sleeper(&sleepers[i]);
        }
        for (u32 k = 0; k < 2 * SLEEPERS; k++) {
            u32 what = next_random(&seed), whom = next_random(&seed) % SLEEPERS;
            if (what % 3 == 0)
                thread_yield();
            if (what % 5 == 0) {
                thread_kill(sleepers[whom].thread);
                killed[whom] = true;
            }
            object_signal(events[what % EVENTS], SIGNAL_SIGNALED,
                          what & SIGNAL_SIGNALED);
        }
        for (u32 i = 0; i < SLEEPERS; i++) {
            struct sleeper *s = &sleepers[i];
            end_sleeper(s);
            u32 seen = 0;
            for (u32 k = 0; k < s->count; k++)
                seen |= s->seen[k];
            EXPECT(s->status == OK || s->status == ERR_TIMED_OUT ||
                   s->status == ERR_KILLED);
            EXPECT(s->status != OK || (seen & SIGNAL_SIGNALED) != 0);
            EXPECT(s->status != ERR_KILLED || killed[i]);
            EXPECT(s->status != ERR_TIMED_OUT ||
                   s->deadline <= port_monotonic_ns());
            outcomes[s->status == OK ? 0 : s->status == ERR_KILLED ? 1 : 2]++;
        }
        for (u32 i = 0; i < EVENTS; i++)
            object_signal(events[i], UINT32_MAX, 0);
    }
    EXPECT(outcomes[0] > 0);
    EXPECT(outcomes[1] > 0);
    EXPECT_EQ(outcomes[0] + outcomes[1] + outcomes[2], ROUNDS * SLEEPERS);
    drop_events();
}

// --- bounds ------------------------------------------------------------------

static void
count_calls(struct observer *ob)
{
    ob->awaited = 0;
}

// All who are to hear of what came have.
static void
wait_until_told(const struct object *o)
{
    TEST_WAIT(__atomic_load_n(&o->late, __ATOMIC_ACQUIRE) <= 0);
}

TEST_KERNEL(signal_observers_are_bounded)
{
    struct observer *observers =
        kernel_alloc(LIMIT_OBSERVERS * sizeof(*observers));
    struct object_wait waits[2] = {{.observer.awaited = SIGNAL_SIGNALED},
                                   {.observer.awaited = SIGNAL_SIGNALED}};

    begin();
    struct object *full = new_event(), *other = new_event();
    for (u32 i = 0; i < LIMIT_OBSERVERS; i++) {
        observers[i] =
            (struct observer){.awaited = SIGNAL_USER_0, .notify = count_calls};
        EXPECT_EQ(object_observe(full, &observers[i]), OK);
    }
    waits[0].object = other;
    waits[1].object = full;
    EXPECT_EQ(object_wait_many(waits, 2, UINT64_MAX), ERR_FULL);
    EXPECT_EQ(other->observer_count, 0);
    // Who does not wait needs no place.
    EXPECT_EQ(object_wait_many(waits, 2, 0), ERR_TIMED_OUT);
    EXPECT_EQ(object_wait_one(full, SIGNAL_SIGNALED, UINT64_MAX, NULL),
              ERR_FULL);
    object_signal(full, 0, SIGNAL_SIGNALED); // what is there needs no wait
    EXPECT_EQ(object_wait_many(waits, 2, UINT64_MAX), OK);
    object_signal(full, 0, SIGNAL_USER_0);
    wait_until_told(full);
    for (u32 i = 0; i < LIMIT_OBSERVERS; i++) {
        EXPECT_EQ(observers[i].awaited, 0); // it was called
        object_forget(full, &observers[i]);
    }
    EXPECT_EQ(full->observer_count, 0);
    object_release(full);
    object_release(other);
    kernel_free(observers);
    end();
}

// --- late observers ----------------------------------------------------------

enum { MANY = 3 * SIGNAL_BATCH };

static u32 heard, heard_of; // how often anybody was told, and of how many

static void
count_signals(struct observer *ob)
{
    EXPECT((ob->observed & SIGNAL_USER_0) != 0);
    heard++;
    heard_of += ob->times;
    ob->times = 0;
}

static void
observe(struct object *o, struct observer *ob)
{
    *ob = (struct observer){.awaited = SIGNAL_USER_0, .notify = count_signals};
    EXPECT_EQ(object_observe(o, ob), OK);
}

// More than are told at once hear of all that came while they were there: also
// of what has gone again, and of nothing that came before.  Another CPU would
// tell them meanwhile.
TEST_KERNEL(signal_is_heard_late)
{
    if (port_cpu_count() > 1)
        return;
    struct observer *observers = kernel_alloc(MANY * sizeof(*observers));
    struct observer newcomer;

    begin();
    struct object *o = new_event();
    heard = heard_of = 0;
    for (u32 i = 0; i < MANY; i++)
        observe(o, &observers[i]);
    bool on = port_interrupts_off(); // who tells the late ones cannot run
    object_signal(o, 0, SIGNAL_USER_0);
    EXPECT_EQ(heard, SIGNAL_BATCH);
    object_signal(o, SIGNAL_USER_0, SIGNAL_USER_0); // it is there already
    EXPECT_EQ(heard, SIGNAL_BATCH);
    object_signal(o, SIGNAL_USER_0, 0);
    object_signal(o, 0, SIGNAL_USER_0);
    object_signal(o, SIGNAL_USER_0, SIGNAL_USER_1);
    observe(o, &newcomer);
    EXPECT_EQ(o->late, MANY);
    object_forget(o, &observers[0]); // one that was told at once
    object_forget(o, &observers[MANY - 1]);
    EXPECT_EQ(o->late, MANY - 2);
    port_interrupts_restore(on);
    wait_until_told(o);
    EXPECT_EQ(heard, SIGNAL_BATCH + MANY - 2);
    EXPECT_EQ(heard_of, SIGNAL_BATCH + (MANY - 2) + (MANY - SIGNAL_BATCH - 1));
    EXPECT_EQ(newcomer.observed, 0);
    object_signal(o, 0, SIGNAL_USER_0); // at once again
    EXPECT(heard >= 2 * SIGNAL_BATCH + MANY - 2);
    wait_until_told(o);
    for (u32 i = 1; i < MANY - 1; i++)
        object_forget(o, &observers[i]);
    object_forget(o, &newcomer);
    object_release(o);
    kernel_free(observers);
    end();
}

TEST_KERNEL(accounts_limit_objects)
{
    struct object *o[3];

    payer = test_account(1);
    EXPECT_EQ(event_new(&o[0], payer), ERR_LIMIT);
    account_release(payer);
    begin();
    o[0] = new_event();
    u64 each = payer->used[RESOURCE_OBJECTS];
    payer->limit[RESOURCE_OBJECTS] = 2 * each;
    o[1] = new_event();
    EXPECT_EQ(event_new(&o[2], payer), ERR_LIMIT);
    EXPECT_EQ(payer->used[RESOURCE_OBJECTS], 2 * each);
    object_release(o[0]);
    test_fail_commits(0);
    kernel_reclaim();
    status_t status = event_new(&o[0], payer);
    test_fail_commits(UINT64_MAX);
    EXPECT(status == OK || status == ERR_NO_MEMORY);
    EXPECT_EQ(payer->used[RESOURCE_OBJECTS], status == OK ? 2 * each : each);
    if (status == OK)
        object_release(o[0]);
    // Its owner may be gone before what it pays for.
    struct account *b = payer;
    account_release(b);
    object_release(o[1]);
}

// --- timers ------------------------------------------------------------------

static bool
is_signaled(struct timer *t)
{
    return (object_signals(timer_object(t)) & SIGNAL_SIGNALED) != 0;
}

static struct timer *
new_timer(void)
{
    struct timer *t = NULL;

    begin();
    EXPECT_EQ(timer_new(&t, payer), OK);
    return t;
}

static void
drop_timer(struct timer *t)
{
    object_release(timer_object(t));
    end();
}

static void
wait_for_timer(struct timer *t)
{
    EXPECT_EQ(
        object_wait_one(timer_object(t), SIGNAL_SIGNALED, UINT64_MAX, NULL),
        OK);
}

TEST_KERNEL(timer_fires_once)
{
    struct timer *t = new_timer();
    u64 count = 77;

    EXPECT_EQ(timer_read(t, &count), ERR_SHOULD_WAIT);
    u64 at = soon(MS);
    timer_set(t, at, 0);
    EXPECT(!is_signaled(t) || port_monotonic_ns() >= at);
    wait_for_timer(t);
    EXPECT(port_monotonic_ns() >= at);
    EXPECT_EQ(timer_read(t, &count), OK);
    EXPECT_EQ(count, 1);
    EXPECT(!is_signaled(t));
    EXPECT_EQ(timer_read(t, &count), ERR_SHOULD_WAIT);
    timer_set(t, 0, 0); // in the past: at once
    wait_for_timer(t);
    timer_set(t, UINT64_MAX, 0); // never
    EXPECT(!is_signaled(t));
    EXPECT_EQ(timer_read(t, &count), ERR_SHOULD_WAIT);
    drop_timer(t); // while it is set
}

// Periods that pass while nobody reads are counted, and cost nothing.
TEST_KERNEL(timer_counts_periods)
{
    enum { PERIOD = 100000 };
    struct timer *t = new_timer();
    u64 at = soon(0), count = 0, next = at;

    timer_set(t, at, PERIOD);
    for (u32 i = 0; i < 20; i++) {
        wait_for_timer(t);
        EXPECT(port_monotonic_ns() >= next);
        if (i % 5 == 0)
            EXPECT_EQ(thread_sleep_until(soon(10 * PERIOD)), OK);
        u64 before = port_monotonic_ns();
        EXPECT_EQ(timer_read(t, &count), OK);
        u64 after = port_monotonic_ns();
        EXPECT(count >= 1 + (before - next) / PERIOD);
        EXPECT(count <= 1 + (after - next) / PERIOD);
        next += count * PERIOD;
    }
    timer_stop(t);
    EXPECT(!is_signaled(t));
    EXPECT_EQ(thread_sleep_until(soon(3 * PERIOD)), OK);
    EXPECT(!is_signaled(t));
    EXPECT_EQ(timer_read(t, &count), ERR_SHOULD_WAIT);
    timer_set(t, 0, 1); // a count that is no small one
    wait_for_timer(t);
    u64 before = port_monotonic_ns();
    EXPECT_EQ(timer_read(t, &count), OK);
    EXPECT(count > before);
    drop_timer(t);
}

// The time after next is beyond all times, and so never.
TEST_KERNEL(timer_period_has_no_end)
{
    struct timer *t = new_timer();
    u64 count = 0;

    timer_set(t, soon(0), UINT64_MAX);
    wait_for_timer(t);
    EXPECT_EQ(timer_read(t, &count), OK);
    EXPECT_EQ(count, 1);
    EXPECT_EQ(thread_sleep_until(soon(MS)), OK);
    EXPECT(!is_signaled(t));
    EXPECT_EQ(timer_read(t, &count), ERR_SHOULD_WAIT);
    drop_timer(t);
}

TEST_KERNEL(timer_is_forgotten_when_it_goes)
{
    struct timer *t = new_timer();
    u64 at = soon(3600ull * 1000 * MS);

    timer_set(t, at, 0);
    drop_timer(t);
    EXPECT(timer_next(port_cpu_id()) != at);
}

static struct timer *raced;

static void
set_and_stop(void *arg)
{
    u32 seed = (u32)(u64)arg;
    u64 count;

    for (u32 i = 0; i < 300; i++) {
        u32 what = next_random(&seed) % 4;
        if (what == 0)
            timer_set(raced, soon(next_random(&seed) % 20000), 1000);
        else if (what == 1)
            timer_stop(raced);
        else if (what == 2)
            EXPECT(timer_read(raced, &count) != OK || count > 0);
        else if (object_wait_one(timer_object(raced), SIGNAL_SIGNALED,
                                 soon(20000), NULL) != OK)
            thread_yield();
    }
}

TEST_KERNEL(timer_races)
{
    struct thread *threads[6];

    raced = new_timer();
    for (u64 i = 0; i < COUNT(threads); i++) {
        threads[i] = test_start_thread(set_and_stop, (void *)(i + 1));
    }
    for (u32 i = 0; i < COUNT(threads); i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        thread_release(threads[i]);
    }
    timer_set(raced, 0, 0);
    wait_for_timer(raced);
    drop_timer(raced);
}
