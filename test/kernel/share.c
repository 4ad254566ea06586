// test/kernel/share.c: who is next on a CPU, with threads that only stand for
// some, and a clock of our own: nothing here depends on how fast anything is.

#include "test/kernel/calls.h"

#include "kernel/share.h"

static const u64 MS = 1000000, SLICE = 4000000;

enum { OUT = 64, THREADS = 1003 };

// The run queue of this CPU, which nobody else may use meanwhile.
static struct {
    struct run_queue *q;
    bool on;
    u64 now;
    struct thread *threads; // THREADS of them
    u32 used;
    struct thread *running; // NULL: nobody
} sim;

static struct group *
new_group(struct group *parent, u32 weight, u32 cap)
{
    struct group *g = NULL;

    EXPECT_EQ(group_new(&g, parent, "test"), OK);
    account_set_cpu(group_account(g), weight, cap);
    return g;
}

static void
drop(struct group *g)
{
    object_release(group_object(g));
}

static void LOCKS_BY_HAND
begin(void)
{
    sim.threads = kernel_alloc(THREADS * sizeof(struct thread));
    assert(sim.threads != NULL);
    while (sim.on = port_interrupts_off(), queue_here()->waiting > 0) {
        port_interrupts_restore(sim.on);
        thread_yield(); // those that the kernel has just begun
    }
    sim.q = queue_here();
    lock_irq_nested(&sim.q->lock);
    EXPECT_EQ(sim.q->waiting, 0);
    share_end(sim.q, thread_current(), 0);
    sim.now = 1000 * MS;
    sim.used = 0;
    sim.running = NULL;
}

// As account_set_cpu(), but others do not get the lock, and with it a thread
// that is none.
static void
set_cpu(struct group *g, u32 weight, u32 cap) REQUIRES(sim.q->lock)
{
    struct account *a = group_account(g);

    assert_held(&sim.q->lock);
    __atomic_store_n(&a->weight, weight, __ATOMIC_RELAXED);
    __atomic_store_n(&a->cap, cap, __ATOMIC_RELAXED);
    __atomic_store_n(&a->used_until, 0, __ATOMIC_RELAXED);
    share_look(sim.q, a);
}

// As account_set_ceiling(), in the same way.
static void
set_ceiling(struct account *a, u32 ceiling) REQUIRES(sim.q->lock)
{
    assert_held(&sim.q->lock);
    __atomic_store_n(&a->ceiling, ceiling, __ATOMIC_RELAXED);
    share_ceilings_changed();
    while (share_renew(sim.q))
        ;
}

static void
stop_running(bool ready) REQUIRES(sim.q->lock)
{
    struct thread *t = sim.running;

    assert_held(&sim.q->lock);
    if (t == NULL)
        return;
    share_end(sim.q, t, sim.now);
    if (ready)
        share_add_back(sim.q, t);
    sim.running = NULL;
}

// All are taken out again.
static void LOCKS_BY_HAND
end(void)
{
    stop_running(false);
    share_resume(sim.q, UINT64_MAX);
    for (u32 i = 0; i < sim.used; i++)
        if (sim.threads[i].ready.in)
            share_remove(sim.q, &sim.threads[i]);
    EXPECT_EQ(sim.q->waiting, 0);
    share_begin(thread_current());
    sim.q->capped = share_is_capped(thread_current());
    unlock_irq_nested(&sim.q->lock);
    port_interrupts_restore(sim.on);
    kernel_free(sim.threads);
}

static struct thread *
new_thread(struct group *g) REQUIRES(sim.q->lock)
{
    struct thread *t = &sim.threads[sim.used++];

    assert_held(&sim.q->lock);
    t->account = group_account(g);
    t->priority = PRIORITY_DEFAULT;
    share_detach_new(t);
    share_add(sim.q, t);
    return t;
}

static void
pick(void) REQUIRES(sim.q->lock)
{
    assert_held(&sim.q->lock);
    sim.running = share_take(sim.q);
    if (sim.running == NULL)
        return;
    share_begin(sim.running);
    sim.q->capped = share_is_capped(sim.running);
}

// Another goes on, as a switch does it.
static void
go_on(bool ready) REQUIRES(sim.q->lock)
{
    struct thread *t = sim.running;

    assert_held(&sim.q->lock);
    if (t != NULL)
        t->state = ready ? THREAD_READY : THREAD_BLOCKED;
    if (t != NULL && share_stays(sim.q, t)) {
        sim.running = share_exchange(sim.q, t);
        return;
    }
    stop_running(ready);
    pick();
}

static void
count(u64 ns) REQUIRES(sim.q->lock)
{
    assert_held(&sim.q->lock);
    share_ran(sim.running, ns);
    share_charge(sim.q, sim.running, ns, sim.now);
}

static void
run(u64 ns) REQUIRES(sim.q->lock)
{
    assert_held(&sim.q->lock);
    sim.now += ns;
    if (sim.running != NULL)
        count(ns);
}

// As the interrupt at the end of a slice.
static void
tick(void) REQUIRES(sim.q->lock)
{
    assert_held(&sim.q->lock);
    share_resume(sim.q, sim.now);
    if (sim.running != NULL && !share_is_behind(sim.running, 0) &&
        !share_is_over(sim.running, sim.now))
        return;
    go_on(true);
}

// All run for so long; what threads[i] has got is in got[i].
static void
run_all(u64 ns, u64 slice, u64 *got) REQUIRES(sim.q->lock)
{
    u32 random = 1;

    assert_held(&sim.q->lock);
    for (u64 until = sim.now + ns; sim.now < until;) {
        tick();
        random = random * 1664525 + 1013904223;
        u64 part = slice - random % (slice / 2); // some block for a moment
        run(part);
        if (sim.running != NULL)
            got[sim.running - sim.threads] += part;
    }
}

// Within two percent.
static void
expect_share(u64 got, u64 want, u64 of)
{
    EXPECT(got * 100 + 2 * of >= want * of);
    EXPECT(got * 100 <= (want + 2) * of);
}

// --- by weight ---------------------------------------------------------------

TEST_KERNEL(share_is_by_weight)
{
    struct group *light = new_group(group_root(), 100, 0),
                 *heavy = new_group(group_root(), 300, 0);
    u64 got[8] = {0};

    begin();
    new_thread(light);
    for (u32 i = 0; i < 7; i++) // their number does not matter
        new_thread(i < 5 ? light : heavy);
    run_all(20000 * MS, SLICE, got);
    u64 first = 0, second = got[6] + got[7];
    for (u32 i = 0; i < 6; i++)
        first += got[i];
    expect_share(first, 25, first + second);
    expect_share(got[0], 4, first + second); // as each of the six
    expect_share(got[6], 37, first + second);
    end();
    drop(light);
    drop(heavy);
}

TEST_KERNEL(share_of_groups_in_groups)
{
    struct group *outer = new_group(group_root(), 100, 0),
                 *beside = new_group(group_root(), 100, 0),
                 *inner = new_group(outer, 300, 0);
    u64 got[3] = {0};

    begin();
    new_thread(outer);
    new_thread(inner);
    new_thread(beside);
    run_all(20000 * MS, SLICE, got);
    u64 all = got[0] + got[1] + got[2];
    expect_share(got[0], 12, all); // as a group of weight 100
    expect_share(got[1], 37, all);
    expect_share(got[2], 50, all);
    end();
    drop(inner);
    drop(outer);
    drop(beside);
}

// Weights of runs that are shorter than a unit of virtual time are not lost.
TEST_KERNEL(share_of_short_runs)
{
    struct group *light = new_group(group_root(), 100, 0),
                 *heavy = new_group(group_root(), LIMIT_WEIGHT, 0);
    u64 got[2] = {0};

    begin();
    new_thread(light);
    new_thread(heavy);
    run_all(2 * MS, 80, got);
    expect_share(got[0], 1, got[0] + got[1]);
    EXPECT(got[0] > 0);
    end();
    drop(light);
    drop(heavy);
}

// --- who sleeps --------------------------------------------------------------

// Somebody who needs so much each ms, which is less than his share, has the CPU
// at once each time.
static void
sleep_beside(struct group *spinners, struct group *sleeper, u64 needs)
{
    begin();
    for (u32 i = 0; i < 1000; i++)
        new_thread(spinners);
    struct thread *t = new_thread(sleeper);
    while (sim.running != t) {
        run(SLICE);
        tick();
    }
    for (u32 i = 0; i < 20000; i++) {
        run(needs);
        go_on(false); // it sleeps
        run(MS - needs);
        share_detach(t);
        share_add(sim.q, t);
        EXPECT(share_is_behind(sim.running, 0));
        tick();
        EXPECT(sim.running == t);
    }
    end();
}

TEST_KERNEL(share_of_a_sleeper)
{
    struct group *a = new_group(group_root(), LIMIT_WEIGHT, 0),
                 *b = new_group(group_root(), 100, 0);

    sleep_beside(a, b, 5000);
    sleep_beside(b, b, 500);
    drop(a);
    drop(b);
}

// Who slept for long does not make up for it.
TEST_KERNEL(share_is_not_saved)
{
    struct group *a = new_group(group_root(), 100, 0),
                 *b = new_group(group_root(), 100, 0);
    u64 got[2] = {0};

    begin();
    new_thread(a);
    struct thread *t = new_thread(b);
    run_all(100 * MS, SLICE, got);
    if (sim.running == t)
        stop_running(false);
    else
        share_remove(sim.q, t);
    run_all(10000 * MS, SLICE, got);
    got[0] = got[1] = 0;
    share_detach(t);
    share_add(sim.q, t);
    run_all(100 * MS, SLICE, got);
    EXPECT(got[1] < 60 * MS && got[0] > 40 * MS);
    end();
    drop(a);
    drop(b);
}

// One who makes a thread in each slice does not keep others from theirs.
TEST_KERNEL(share_beside_a_bomb)
{
    struct group *g = new_group(group_root(), 100, 0);

    begin();
    struct thread *t = new_thread(g);
    u64 longest = 0, since = sim.now;
    for (u32 i = 0; i < 500; i++) {
        new_thread(g);
        run(SLICE);
        tick();
        if (sim.running == t)
            since = sim.now;
        longest = MAX(longest, sim.now - since);
    }
    // All that were there when it last ran, once.
    EXPECT(longest <= 260 * SLICE);
    end();
    drop(g);
}

// --- caps --------------------------------------------------------------------

TEST_KERNEL(share_is_capped)
{
    struct group *g = new_group(group_root(), 100, 25),
                 *in = new_group(g, 100, 10);
    u64 got[2] = {0};

    begin();
    new_thread(g);
    new_thread(in);
    run_all(20000 * MS, SLICE, got);           // nobody else wants anything
    EXPECT(got[1] > 0 && got[1] <= 2020 * MS); // less where g pauses
    expect_share(got[0] + got[1], 25, 20000 * MS);
    end();
    drop(in);
    drop(g);
}

// What it did not use is lost.
TEST_KERNEL(share_of_a_cap_is_not_saved)
{
    struct group *g = new_group(group_root(), 100, 10);
    u64 got[1] = {0};

    begin();
    struct thread *t = new_thread(g);
    share_remove(sim.q, t);
    sim.now += 100000 * MS;
    share_detach(t);
    share_add(sim.q, t);
    run_all(1000 * MS, SLICE, got);
    EXPECT(got[0] <= 100 * MS + 20 * MS + SLICE);
    end();
    drop(g);
}

// All that are ready in it pause, and go on.
TEST_KERNEL(share_is_capped_for_many)
{
    struct group *g = new_group(group_root(), 100, 10),
                 *in = new_group(g, 100, 0);
    u64 got[6] = {0}, sum = 0;

    begin();
    for (u32 i = 0; i < 6; i++)
        new_thread(i % 2 == 0 ? g : in);
    run_all(20000 * MS, SLICE, got);
    for (u32 i = 0; i < 6; i++) {
        EXPECT(got[i] > 250 * MS && got[i] < 450 * MS);
        sum += got[i];
    }
    expect_share(sum, 10, 20000 * MS);
    end();
    drop(in);
    drop(g);
}

// One who has the CPU from another begins in a group that pauses.
TEST_KERNEL(share_begins_while_it_pauses)
{
    struct group *g = new_group(group_root(), 100, 1);

    begin();
    struct thread *first = new_thread(g), *t = new_thread(g);
    tick();
    run(100 * MS);
    tick();
    EXPECT(sim.running == NULL && sim.q->paused.first != NULL);
    share_remove(sim.q, t);
    share_detach(t);
    share_place(sim.q, t);
    share_begin(t);
    sim.running = t;
    EXPECT(share_is_over(t, sim.now));
    tick();
    EXPECT(sim.running == NULL && first->ready.in && t->ready.in);
    EXPECT_EQ(sim.q->waiting, 0);
    sim.now += 20000 * MS;
    tick();
    EXPECT(sim.running != NULL);
    EXPECT_EQ(sim.q->waiting, 1);
    end();
    drop(g);
}

// Who yields is behind those that are behind him, and lets all of them run.
TEST_KERNEL(share_yields_to_all)
{
    struct group *g = new_group(group_root(), 100, 0);
    u64 got[4] = {0};

    begin();
    for (u32 i = 0; i < 4; i++)
        new_thread(g);
    run_all(100 * MS, SLICE, got);
    for (u32 i = 0; i < 4; i++) {
        u32 seen = 0;
        for (u32 k = 0; k < 4; k++) {
            share_yield(sim.running);
            go_on(true);
            run(100);
            seen |= 1u << (sim.running - sim.threads);
        }
        EXPECT_EQ(seen, 0xf);
    }
    end();
    drop(g);
}

// A group that goes while it pauses is waited for by nobody.
TEST_KERNEL(share_is_gone_while_it_pauses)
{
    struct group *g = new_group(group_root(), 100, 1);

    begin();
    new_thread(g);
    tick();
    run(100 * MS);
    stop_running(false);
    EXPECT(sim.q->paused.first != NULL);
    unlock_irq_nested(&sim.q->lock);
    drop(g);
    lock_irq_nested(&sim.q->lock);
    EXPECT(sim.q->paused.first == NULL);
    end();
}

// A server's thread is run by who calls it, whether its group pauses or not.
TEST_KERNEL(share_of_who_is_called_while_it_pauses)
{
    struct group *g = new_group(group_root(), 100, 10);

    begin();
    struct thread *server = new_thread(g), *other = new_thread(g);
    share_remove(sim.q, server);
    tick();
    EXPECT(sim.running == other);
    run(100 * MS);
    stop_running(true);
    EXPECT(sim.q->paused.first != NULL);
    EXPECT_EQ(sim.q->waiting, 0);
    share_place(sim.q, server);
    share_begin(server);
    sim.running = server;
    run(MS);
    stop_running(false);
    EXPECT_EQ(sim.q->waiting, 0);
    share_resume(sim.q, UINT64_MAX);
    EXPECT_EQ(sim.q->waiting, 1);
    pick();
    EXPECT(sim.running == other);
    end();
    drop(g);
}

TEST_KERNEL(share_of_who_has_no_cap)
{
    struct group *g = new_group(group_root(), LIMIT_WEIGHT, 5),
                 *other = new_group(group_root(), 1, 0);
    u64 got[2] = {0};

    begin();
    new_thread(g);
    new_thread(other);
    run_all(20000 * MS, SLICE, got);
    expect_share(got[0], 5, 20000 * MS);
    expect_share(got[1], 95, 20000 * MS);
    // Another cap counts from now on, also for who is not to run for a while.
    set_cpu(g, 1, 50);
    got[0] = got[1] = 0;
    run_all(20000 * MS, SLICE, got);
    expect_share(got[0], 50, 20000 * MS);
    end();
    drop(g);
    drop(other);
}

// --- priorities --------------------------------------------------------------

TEST_KERNEL(share_of_the_highest_priority)
{
    struct group *g = new_group(group_root(), 100, 0),
                 *other = new_group(group_root(), 100, 0);
    u64 got[3] = {0};

    begin();
    struct thread *high = new_thread(g);
    new_thread(g);
    new_thread(other);
    share_remove(sim.q, high);
    high->priority = PRIORITY_DEFAULT + 1;
    high->at_home = false;
    share_add(sim.q, high);
    run_all(1000 * MS, SLICE, got);
    EXPECT(got[1] <= SLICE); // but none of another group
    expect_share(got[2], 50, got[0] + got[2]);
    set_ceiling(group_account(g), PRIORITY_DEFAULT);
    got[0] = got[1] = 0;
    run_all(1000 * MS, SLICE, got);
    expect_share(got[0], 50, got[0] + got[1]);
    end();
    drop(g);
    drop(other);
}

// A ceiling that is raised counts for who waits, too.
TEST_KERNEL(share_of_a_higher_ceiling)
{
    struct group *g = new_group(group_root(), 100, 0);
    struct account *low = NULL; // a process's
    u64 got[2] = {0};

    EXPECT_EQ(account_new(&low, group_account(g)), OK);
    account_set_ceiling(low, 0);
    begin();
    struct thread *high = new_thread(g);
    new_thread(g);
    share_remove(sim.q, high);
    high->account = low;
    high->priority = LIMIT_PRIORITY;
    high->at_home = false;
    share_add(sim.q, high);
    run_all(100 * MS, SLICE, got);
    EXPECT_EQ(got[0], 0);
    set_ceiling(low, LIMIT_PRIORITY);
    run_all(100 * MS, SLICE, got);
    EXPECT(got[0] >= 100 * MS - SLICE);
    end();
    account_release(low);
    drop(g);
}

// Those of one group go on among themselves, and see what their ceiling is.
TEST_KERNEL(share_of_a_lower_ceiling)
{
    struct group *g = new_group(group_root(), 100, 0);
    u64 got[2] = {0};

    begin();
    struct thread *high = new_thread(g);
    new_thread(g);
    share_remove(sim.q, high);
    high->priority = PRIORITY_DEFAULT + 1;
    high->at_home = false;
    share_add(sim.q, high);
    run_all(100 * MS, SLICE, got);
    EXPECT_EQ(got[1], 0);
    got[0] = 0;
    set_ceiling(group_account(g), PRIORITY_DEFAULT);
    run_all(100 * MS, SLICE, got);
    for (u32 i = 0; i < 1000; i++) { // none is behind, but who yields goes
        go_on(true);
        run(MS);
        got[sim.running - sim.threads] += MS;
    }
    expect_share(got[0], 50, got[0] + got[1]);
    end();
    drop(g);
}

// --- who is in the way -------------------------------------------------------

static void
set_helped(struct thread *t, bool helped) REQUIRES(sim.q->lock)
{
    assert_held(&sim.q->lock);
    share_resume(sim.q, UINT64_MAX);
    if (t->ready.in)
        share_remove(sim.q, t);
    else
        stop_running(false);
    share_detach(t);
    t->helped = helped;
    t->at_home = false;
    share_add(sim.q, t);
}

// One who holds what others wait for is not held up by his group, which has it
// on its account.
TEST_KERNEL(share_of_who_is_helped)
{
    struct group *g = new_group(group_root(), 1, 1),
                 *other = new_group(group_root(), 100, 0);
    u64 got[2] = {0};

    begin();
    struct thread *t = new_thread(g);
    new_thread(other);
    run_all(1000 * MS, SLICE, got);
    EXPECT(got[0] <= 30 * MS);
    set_helped(t, true);
    got[0] = 0;
    run_all(100 * MS, SLICE, got);
    EXPECT(got[0] >= 45 * MS && got[0] <= 60 * MS);
    set_helped(t, false);
    got[0] = 0;
    run_all(4000 * MS, SLICE, got); // as if it had run all this time
    EXPECT(got[0] <= SLICE);
    end();
    drop(g);
    drop(other);
}

// Nor does he have less than his group would give him.
TEST_KERNEL(share_of_who_is_helped_with_more_weight)
{
    struct group *g = new_group(group_root(), LIMIT_WEIGHT, 0), *others[9];
    u64 got[10] = {0}, all = 0;

    for (u32 i = 0; i < 9; i++)
        others[i] = new_group(group_root(), LIMIT_WEIGHT / 100, 0);
    begin();
    struct thread *t = new_thread(g);
    for (u32 i = 0; i < 9; i++)
        new_thread(others[i]);
    set_helped(t, true);
    run_all(4000 * MS, SLICE, got);
    for (u32 i = 0; i < 10; i++)
        all += got[i];
    EXPECT(got[0] * 100 >= 90 * all);
    end();
    drop(g);
    for (u32 i = 0; i < 9; i++)
        drop(others[i]);
}

// A group does not get more than by its weight for being helped all the time.
TEST_KERNEL(share_of_who_is_helped_often)
{
    struct group *g = new_group(group_root(), 100, 0),
                 *other = new_group(group_root(), 100, 0);
    u64 got[3] = {0};

    begin();
    struct thread *t = new_thread(g);
    new_thread(g);
    new_thread(other);
    for (u32 i = 0; i < 1000; i++) {
        run_all(4 * MS, MS, got);
        set_helped(t, i % 2 == 0);
    }
    expect_share(got[2], 50, got[0] + got[1] + got[2]);
    end();
    drop(g);
    drop(other);
}

// Those who were killed, however many, do not keep one from waking up in time
// who uses little, in the root or elsewhere; but they run.
static void
wake_beside_killed(struct group *sleeper)
{
    struct group *hostile = new_group(group_root(), 100, 0);
    u32 got = 0;

    begin();
    for (u32 i = 0; i < 8; i++)
        new_thread(hostile);
    struct thread *t = new_thread(sleeper);
    while (sim.running != t) {
        run(SLICE);
        tick();
    }
    for (u32 i = 0; i < 400; i++) {
        run(10000);
        go_on(false); // it sleeps
        run(MS);
        for (u32 k = 0; i == 200 && k < 8; k++)
            set_helped(&sim.threads[k], true);
        tick();
        if (sim.running != NULL)
            got += sim.running->helped;
        share_detach(t);
        share_add(sim.q, t);
        EXPECT(share_is_behind(sim.running, 0));
        tick();
        EXPECT(sim.running == t);
    }
    EXPECT_EQ(got, 200);
    end();
    drop(hostile);
}

TEST_KERNEL(share_beside_those_who_were_killed)
{
    struct group *g = new_group(group_root(), 100, 0);

    wake_beside_killed(group_root());
    wake_beside_killed(g);
    drop(g);
}

// Who serves one with a cap has it on that account, and is not held up.
TEST_KERNEL(share_of_who_serves_one_with_a_cap)
{
    struct group *g = new_group(group_root(), 100, 10);
    u64 got[2] = {0};

    begin();
    struct thread *server = new_thread(group_root()), *t = new_thread(g);
    share_remove(sim.q, server);
    share_detach(server);
    server->lent.account = group_account(g);
    server->lent.priority = PRIORITY_DEFAULT;
    share_add(sim.q, server);
    share_remove(sim.q, t);
    run_all(1000 * MS, SLICE, got);
    expect_share(got[0], 100, 1000 * MS);
    stop_running(false);
    share_detach(t);
    share_add(sim.q, t);
    run_all(8000 * MS, SLICE, got);
    EXPECT(got[1] <= SLICE); // ten seconds are ten percent of these
    run_all(2000 * MS, SLICE, got);
    EXPECT(got[1] > SLICE);
    // Without a cap the time is its caller's in every way.
    set_cpu(g, 100, 0);
    share_detach(server);
    share_add(sim.q, server);
    EXPECT(server->share == t->share);
    end();
    drop(g);
}

// Whose groups are both in one has run there once.
TEST_KERNEL(share_of_who_serves_in_one_group)
{
    struct group *top = new_group(group_root(), 100, 0),
                 *server = new_group(top, 100, 0),
                 *client = new_group(top, 100, LIMIT_CAP),
                 *beside = new_group(group_root(), 100, 0);
    u64 got[2] = {0};

    begin();
    struct thread *t = new_thread(server);
    t->lent.account = group_account(client);
    t->lent.priority = PRIORITY_DEFAULT;
    new_thread(beside);
    run_all(4000 * MS, SLICE, got);
    expect_share(got[0], 50, got[0] + got[1]);
    end();
    drop(client);
    drop(server);
    drop(top);
    drop(beside);
}

// --- calls -------------------------------------------------------------------

static void
use_calls(void)
{
    handle_t g = test_handle(&group_type, UINT32_MAX),
             p = test_handle(&process_type, UINT32_MAX), root = 0;

    EXPECT_EQ(CALL(group_get_cpu, g, OUT, OUT + 4), OK);
    EXPECT(test_load32(OUT) == WEIGHT_DEFAULT && test_load32(OUT + 4) == 0);
    EXPECT_EQ(CALL(group_set_cpu, g, LIMIT_WEIGHT, LIMIT_CAP), OK);
    EXPECT_EQ(CALL(group_get_cpu, g, OUT, OUT + 4), OK);
    EXPECT(test_load32(OUT) == LIMIT_WEIGHT &&
           test_load32(OUT + 4) == LIMIT_CAP);
    EXPECT_EQ(CALL(group_set_cpu, g, 0, 0), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(group_set_cpu, g, LIMIT_WEIGHT + 1, 0), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(group_set_cpu, g, 1, LIMIT_CAP + 1), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(group_set_ceiling, g, LIMIT_PRIORITY + 1), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(group_set_ceiling, g, 0), OK);
    EXPECT_EQ(CALL(process_set_ceiling, p, LIMIT_PRIORITY + 1),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(process_set_ceiling, p, 0), OK);
    EXPECT_EQ(handle_new(&process_current()->handles,
                         group_object(group_root()), UINT32_MAX, &root),
              OK);
    EXPECT_EQ(CALL(group_set_cpu, root, 1, 0), ERR_BAD_ARGUMENT);
}

static void
use_priorities(void)
{
    struct thread *t = thread_current();
    handle_t self = 0;

    EXPECT_EQ(handle_new(&process_current()->handles,
                         &process_current()->object, UINT32_MAX, &self),
              OK);
    EXPECT_EQ(thread_priority(t), PRIORITY_DEFAULT);
    EXPECT_EQ(CALL(thread_set_priority, 0, LIMIT_PRIORITY + 1),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(thread_set_priority, 0, LIMIT_PRIORITY), OK);
    EXPECT_EQ(thread_priority(t), LIMIT_PRIORITY);
    EXPECT_EQ(CALL(process_set_ceiling, self, 2), OK);
    EXPECT_EQ(thread_priority(t), 2);
    EXPECT_EQ(CALL(thread_set_priority, 0, 3), ERR_LIMIT);
    EXPECT_EQ(CALL(thread_set_priority, 0, 2), OK);
    EXPECT_EQ(CALL(thread_name, 0, LIMIT_THREAD_NAME), OK);
    EXPECT_EQ(CALL(thread_name, 0, LIMIT_THREAD_NAME + 1), ERR_BAD_ARGUMENT);
    struct process *child = NULL; // it cannot give what it does not have
    EXPECT_EQ(process_new_empty(&child, NULL, "child"), OK);
    EXPECT_EQ(account_ceiling(child->account), 2);
    handle_t of_child = 0;
    EXPECT_EQ(handle_new(&process_current()->handles, &child->object,
                         UINT32_MAX, &of_child),
              OK);
    EXPECT_EQ(CALL(process_set_ceiling, of_child, 3), ERR_LIMIT);
    EXPECT_EQ(CALL(process_set_ceiling, of_child, 2), OK);
    EXPECT_EQ(CALL(group_set_ceiling, test_handle(&group_type, UINT32_MAX), 3),
              ERR_LIMIT);
    EXPECT_EQ(CALL(handle_close, of_child), OK);
    process_release(child);
}

TEST_KERNEL(share_calls)
{
    EXPECT_EQ(test_in_process(use_calls), 0);
    EXPECT_EQ(test_in_process(use_priorities), 0);
}
