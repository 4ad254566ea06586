// kernel/mutex.c: sleeping locks.
//
// A mutex may be held over waits and over work of any length; whoever wants it
// sleeps, is served in turn, and is not kept from dying, or, where it has to
// give something back, has its turn although it was killed.  An unlock passes
// the mutex on: between the wake-up and the run of the next owner it is nobody
// else's.
//
// Nor is its owner kept from giving it back by what his group may use of the
// CPU, or by his priority: where one of another group waits he is helped
// (share.c), where one of his own does he inherits the priority, until he holds
// none.  Where he waits for another mutex himself so does its owner, and so on
// along the chain.  A mutex remembers what those are who wait, for whoever gets
// it next.

#include "kernel/internal.h"

static struct lock owners = LOCK_INIT(OWNERS); // of mutexes that are wanted

void
mutex_init(struct mutex *m, enum lock_rank rank)
{
    if (CHECKED)
        lock_rank_check(rank, false);
    *m = (struct mutex){.rank = rank};
    wait_queue_init(&m->queue);
}

// Also for who looks without the lock whether he is it.
static void
become(struct mutex *m, struct thread *t) REQUIRES(m->queue.lock)
{
    assert_held(&m->queue.lock);
    __atomic_store_n(&m->owner, t, __ATOMIC_RELAXED);
}

static bool
is_owner(const struct mutex *m, const struct thread *t)
{
    return __atomic_load_n(&m->owner, __ATOMIC_RELAXED) == t;
}

static const struct shares *
group_of(const struct thread *t)
{
    return shares_of(thread_run_account(t));
}

static bool
is_helped(const struct thread *t)
{
    return __atomic_load_n(&t->helped, __ATOMIC_RELAXED);
}

// m remembers who waits.
static void
note(struct mutex *m, const struct thread *t) REQUIRES(owners)
{
    assert_held(&owners);
    if (m->group == NULL)
        m->group = group_of(t);
    m->mixed |= m->group != group_of(t) || is_helped(t);
    m->urgency = MAX(m->urgency, thread_effective_priority(t));
}

// Those who wait for m let t, who owns it, have what they can; false: it had
// that.
static bool
lift(const struct mutex *m, struct thread *t) REQUIRES(owners)
{
    bool others = m->mixed || m->group != group_of(t), changed = false;

    assert_held(&owners);
    if (others && !is_helped(t)) {
        __atomic_store_n(&t->helped, true, __ATOMIC_SEQ_CST);
        changed = true;
    }
    if (!others && m->urgency > thread_effective_priority(t)) {
        __atomic_store_n(&t->inherited, m->urgency, __ATOMIC_SEQ_CST);
        changed = true;
    }
    return changed;
}

// t, the running thread, is about to wait for m.
static void
hurry(struct mutex *m, struct thread *t) REQUIRES(m->queue.lock)
{
    assert_held(&m->queue.lock);
    lock_irq_nested(&owners);
    t->wants = m;
    m->wanting++;
    while (m != NULL && m->owner != NULL) {
        note(m, t);
        t = m->owner;
        if (!lift(m, t))
            break;
        sched_changed(t);
        m = t->wants;
    }
    unlock_irq_nested(&owners);
}

// Nobody waits for what t holds.
static void
take_your_time(struct thread *t)
{
    if (t->mutexes_held > 0 || (!is_helped(t) && t->inherited == 0))
        return;
    __atomic_store_n(&t->helped, false, __ATOMIC_SEQ_CST);
    __atomic_store_n(&t->inherited, 0, __ATOMIC_SEQ_CST);
    sched_changed(t);
}

// Those who want m are one less, t.
static void
stop_wanting(struct mutex *m, struct thread *t) REQUIRES(owners)
{
    assert_held(&owners);
    assert(t->wants == m && m->wanting > 0);
    t->wants = NULL;
    if (--m->wanting > 0)
        return;
    m->group = NULL;
    m->mixed = false;
    m->urgency = 0;
}

// It is t's now, NULL: nobody's.
static void
set_owner(struct mutex *m, struct thread *t) REQUIRES(m->queue.lock)
{
    assert_held(&m->queue.lock);
    lock_irq_nested(&owners);
    if (t != NULL && t->wants == m)
        stop_wanting(m, t);
    become(m, t);
    if (t != NULL && m->wanting > 0 && lift(m, t))
        sched_changed(t);
    unlock_irq_nested(&owners);
}

static void
give_up(struct mutex *m, struct thread *t) REQUIRES(m->queue.lock)
{
    assert_held(&m->queue.lock);
    lock_irq_nested(&owners);
    stop_wanting(m, t);
    unlock_irq_nested(&owners);
}

// m->queue.lock is held; returns with it held.  OK: m is the running thread's.
static status_t
wait_turn(struct mutex *m, bool always, u64 deadline, bool *on)
    REQUIRES(m->queue.lock)
{
    struct thread *t = thread_current();
    status_t status = OK;

    assert_held(&m->queue.lock);
    if (m->owner == NULL) {
        if (m->wanting > 0) // some who are about to give up
            set_owner(m, t);
        else
            become(m, t);
        return OK;
    }
    hurry(m, t);
    if (always)
        wait_queue_wait_always(&m->queue, 0, *on);
    else
        status = wait_queue_wait(&m->queue, 0, deadline, *on);
    *on = lock_irq(&m->queue.lock);
    if (status != OK)
        give_up(m, t);
    assert(status != OK || m->owner == t);
    return status;
}

// Also when it is free: a spin lock cannot be held over the wait for a mutex.
static void
check_order(const struct thread *t, const struct mutex *m)
{
    bool on = port_interrupts_off();

    lock_order_check(t->mutexes | locks_held(), m->rank, false);
    port_interrupts_restore(on);
}

static status_t
take(struct mutex *m, bool always, u64 deadline)
{
    struct thread *t = thread_current();

    assert(!is_owner(m, t) && t->preempt_count == 0);
    if (CHECKED)
        check_order(t, m);
    bool on = lock_irq(&m->queue.lock);
    status_t status = wait_turn(m, always, deadline, &on);

    if (status == OK) {
        t->mutexes_held++;
        if (CHECKED)
            t->mutexes |= 1ull << m->rank;
    }
    unlock_irq(&m->queue.lock, on);
    return status;
}

status_t
mutex_lock(struct mutex *m)
{
    return take(m, false, UINT64_MAX);
}

status_t
mutex_lock_until(struct mutex *m, u64 deadline)
{
    return take(m, false, deadline);
}

void
mutex_lock_always(struct mutex *m)
{
    status_t status = take(m, true, UINT64_MAX);

    assert(status == OK);
}

void
mutex_unlock(struct mutex *m)
{
    struct thread *t = thread_current(), *next = NULL;
    bool on = lock_irq(&m->queue.lock);

    assert(m->owner == t);
    if (CHECKED)
        t->mutexes &= ~(1ull << m->rank);
    if (m->wanting > 0) {
        next = wait_queue_claim(&m->queue);
        set_owner(m, next);
    } else {
        become(m, NULL);
    }
    t->mutexes_held--;
    take_your_time(t);
    if (next != NULL)
        sched_wake(next);
    unlock_irq(&m->queue.lock, on);
}

bool
mutex_held(const struct mutex *m)
{
    return is_owner(m, thread_current());
}

void
thread_check_mutexes(void)
{
    if (CHECKED)
        assert(thread_current()->mutexes == 0);
}

// A spin lock that is held keeps its thread from being preempted.
void
host_call_check(void)
{
    assert(thread_current()->preempt_count == 0);
    thread_check_mutexes();
}
