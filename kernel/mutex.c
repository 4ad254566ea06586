// kernel/mutex.c: sleeping locks.
//
// A mutex may be held over waits and over work of any length; whoever wants it
// sleeps, is served in turn, and is not kept from dying, or, where it has to
// give something back, has its turn although it was killed.  An unlock passes
// the mutex on: between the wake-up and the run of the next owner it is nobody
// else's.

#include "kernel/internal.h"

void
mutex_init(struct mutex *m, enum lock_rank rank)
{
    if (CHECKED)
        lock_rank_check(rank, false);
    *m = (struct mutex){.rank = rank};
    wait_queue_init(&m->queue);
}

// Whoever has it, or gets it because others wait, is not kept from giving it
// back by what his group may use of the CPU.
static void
hurry(struct mutex *m) REQUIRES(m->queue.lock)
{
    struct thread *t = thread_current(), *owner = m->owner;

    assert_held(&m->queue.lock);
    __atomic_store_n(&t->awaited, true, __ATOMIC_SEQ_CST);
    if (owner != NULL && !owner->awaited) {
        __atomic_store_n(&owner->awaited, true, __ATOMIC_SEQ_CST);
        sched_changed(owner);
    }
}

// Nobody waits for it any more, if it was that.
static void
take_your_time(struct thread *t)
{
    if (t->mutexes_held > 0 || !t->awaited)
        return;
    __atomic_store_n(&t->awaited, false, __ATOMIC_SEQ_CST);
    sched_changed(t);
}

// m->queue.lock is held; returns with it held.
static status_t
wait_turn(struct mutex *m, bool always, u64 deadline, bool *on)
    REQUIRES(m->queue.lock)
{
    status_t status = OK;

    assert_held(&m->queue.lock);
    if (m->owner == NULL && !m->passed)
        return OK;
    hurry(m);
    if (always)
        wait_queue_wait_always(&m->queue, 0, *on);
    else
        status = wait_queue_wait(&m->queue, 0, deadline, *on);
    *on = lock_irq(&m->queue.lock);
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

    assert(m->owner != t && t->preempt_count == 0);
    if (CHECKED)
        check_order(t, m);
    bool on = lock_irq(&m->queue.lock);
    status_t status = wait_turn(m, always, deadline, &on);

    if (status == OK) {
        m->owner = t;
        m->passed = false;
        t->mutexes_held++;
        if (CHECKED)
            t->mutexes |= 1ull << m->rank;
    } else {
        take_your_time(t);
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
    struct thread *t = thread_current();
    bool on = lock_irq(&m->queue.lock);

    assert(m->owner == t);
    if (CHECKED)
        t->mutexes &= ~(1ull << m->rank);
    m->owner = NULL;
    m->passed = wait_queue_wake(&m->queue, 0, 1) > 0;
    t->mutexes_held--;
    take_your_time(t);
    unlock_irq(&m->queue.lock, on);
}

bool
mutex_held(const struct mutex *m)
{
    return m->owner == thread_current();
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
