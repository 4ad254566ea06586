// kernel/wait.c: the one way to wait.
//
// A thread waits in one queue at a time (or in none, for signals of objects:
// signal.c), with the waiter in its struct thread.  A waker, a timer and a
// killer may want to end the wait at once; whoever changes outcome from WAITING
// wins.  Each of them acts under a lock that the waiter takes before it goes on
// (of queue or object, timer heap, process), so the waiter is there as long as
// they use it.  A wait that a kill does not end says so in outcome, too, so
// that no killer takes one wait for the next.

#include "kernel/internal.h"

void
wait_queue_init(struct wait_queue *q)
{
    lock_init(&q->lock, LOCK_WAIT);
    list_init(&q->waiters);
}

static bool
decide(struct waiter *w, enum wake outcome)
{
    bool won = waiter_win(w, outcome);

    if (won)
        sched_wake(waiter_thread(w));
    return won;
}

static u32
expire(struct deadline *d)
{
    return decide(CONTAINER(d, struct waiter, timer), WAKE_TIMED_OUT);
}

bool
waiter_wake(struct waiter *w)
{
    return decide(w, WAKE_WOKEN);
}

void
waiter_kill(struct waiter *w)
{
    bool on = port_interrupts_off();

    decide(w, WAKE_KILLED);
    port_interrupts_restore(on);
}

// Before the running thread sleeps; interrupts are off.
static inline void
start_sleep(struct waiter *w, u64 deadline)
{
    const struct thread *t = waiter_thread(w);

    assert(t->preempt_count == 0);
    if (deadline != UINT64_MAX)
        deadline_start(&w->timer, deadline, expire);
    if (__atomic_load_n(&t->entry.killed, __ATOMIC_SEQ_CST))
        decide(w, WAKE_KILLED);
}

// A part of who waits, see sched_block().
static inline __attribute__((always_inline)) status_t
end(struct waiter *w, u64 deadline)
{
    while (waiter_waits(w))
        sched_block();
    if (deadline != UINT64_MAX)
        deadline_cancel(&w->timer);
    u32 outcome = __atomic_load_n(&w->outcome, __ATOMIC_RELAXED);
    return outcome == WAKE_KILLED    ? ERR_KILLED :
           outcome == WAKE_TIMED_OUT ? ERR_TIMED_OUT :
                                       OK;
}

status_t
waiter_end(struct waiter *w, u64 deadline)
{
    return end(w, deadline);
}

// Sleep until the outcome is known; interrupts are off.
static inline __attribute__((always_inline)) status_t
sleep_until_decided(struct waiter *w, u64 deadline)
{
    assert(!CHECKED || locks_held() == 0);
    start_sleep(w, deadline);
    return end(w, deadline);
}

struct waiter *
waiter_begin_always(void)
{
    return waiter_begin_as(thread_current(), WAKE_WAITING_ALWAYS);
}

PART_OF_CALL status_t
waiter_wait(struct waiter *w, u64 deadline)
{
    bool on = port_interrupts_off();
    status_t status = sleep_until_decided(w, deadline);
    port_interrupts_restore(on);
    return status;
}

void
waiter_cancel(struct waiter *w)
{
    bool on = port_interrupts_off();

    decide(w, WAKE_WOKEN);
    port_interrupts_restore(on);
}

status_t LOCKS_BY_HAND
waiter_pass(struct waiter *w, const struct pass *pass, struct lock *held,
            u64 deadline, bool *passed)
{
    struct thread *self = waiter_thread(w);

    *passed = false;
    start_sleep(w, deadline);
    if (pass->to != NULL && waiter_waits(w)) {
        *passed = sched_pass(self, pass, held);
        if (*passed && deadline == UINT64_MAX)
            return OK;
        return waiter_end(w, deadline);
    }
    if (pass->to != NULL) {
        if (pass->lent != NULL)
            *pass->lent = sched_lent(self);
        sched_lend(pass->keep);
        sched_wake(pass->to);
    }
    unlock_irq_nested(held);
    return waiter_end(w, deadline);
}

// Wait until the outcome is another one than `waiting`.
static status_t
wait_as(enum wake waiting, struct wait_queue *q, u64 key, u64 deadline, bool on)
    RELEASE(q->lock)
{
    struct waiter *w = waiter_begin_as(thread_current(), waiting);

    w->key = key;
    w->turn = ++q->turns;
    list_append(&q->waiters, &w->link);
    unlock_irq(&q->lock, false);

    status_t status = sleep_until_decided(w, deadline);

    lock_irq_nested(&q->lock);
    if (!list_empty(&w->link))
        list_remove(&w->link);
    unlock_irq(&q->lock, on);
    return status;
}

status_t
wait_queue_wait(struct wait_queue *q, u64 key, u64 deadline, bool on)
{
    return wait_as(WAKE_WAITING, q, key, deadline, on);
}

void
wait_queue_wait_always(struct wait_queue *q, u64 key, bool on)
{
    status_t status = wait_as(WAKE_WAITING_ALWAYS, q, key, UINT64_MAX, on);

    assert(status == OK);
}

status_t LOCKS_BY_HAND
wait_queue_until(struct wait_queue *q, const bool *flag, bool value,
                 u64 deadline, bool *on)
{
    *on = lock_irq(&q->lock);
    while (*flag != value) {
        status_t status = wait_queue_wait(q, 0, deadline, *on);
        if (status != OK)
            return status;
        *on = lock_irq(&q->lock);
    }
    return OK;
}

// Of those that came up to turn `last`.
static u32
wake_until(struct wait_queue *q, u64 key, u32 count, u64 last)
{
    struct list *item = q->waiters.next;
    u32 woken = 0;

    assert_held(&q->lock);
    while (item != &q->waiters && woken < count) {
        struct waiter *w = CONTAINER(item, struct waiter, link);
        item = item->next;
        if (w->turn > last)
            break;
        if (w->key != key)
            continue;
        list_remove(&w->link);
        woken += decide(w, WAKE_WOKEN);
    }
    return woken;
}

struct thread *
wait_queue_claim(struct wait_queue *q)
{
    struct thread *t = NULL;

    assert_held(&q->lock);
    while (t == NULL && !list_empty(&q->waiters)) {
        struct waiter *w = CONTAINER(q->waiters.next, struct waiter, link);
        list_remove(&w->link);
        t = waiter_claim(w);
    }
    return t;
}

u32
wait_queue_wake(struct wait_queue *q, u64 key, u32 count)
{
    return wake_until(q, key, count, UINT64_MAX);
}

u32
wait_queue_wake_many(struct wait_queue *q, u64 key, u32 count)
{
    enum { BATCH = 64 };
    u32 woken = 0, wanted, got;
    bool on = lock_irq(&q->lock);
    u64 last = q->turns; // those that come later are not ours to wake

    for (;;) {
        wanted = MIN(BATCH, count - woken);
        got = wake_until(q, key, wanted, last);
        unlock_irq(&q->lock, on);
        woken += got;
        if (got < wanted || woken == count)
            return woken;
        on = lock_irq(&q->lock);
    }
}
