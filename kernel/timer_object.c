// kernel/timer_object.c: timers that programs have: an object that gets
// SIGNALED at a time, once or periodically.
//
// A periodic timer that has fired rests until somebody reads how often: the
// times that passed meanwhile are counted then, from the clock.  So no timer
// costs an interrupt that nobody looks at, however short its period is.
//
// The deadline fires under the lock of a heap of deadlines and touches only the
// signals; all else is under the timer's lock.

#include "kernel/internal.h"

struct timer {
    struct object object;
    struct lock lock;
    struct deadline deadline;           // in the heap while it is armed
    u64 at MEMBER_GUARDED_BY(lock);     // when it fires or has fired
    u64 period MEMBER_GUARDED_BY(lock); // 0: it fires once
    bool set MEMBER_GUARDED_BY(lock);   // since it was last read
};

OBJECT_FUNCTIONS(timer, object)

status_t
timer_new(struct timer **out, struct account *payer)
{
    status_t status = object_new(out, &timer_type, sizeof(**out), payer);

    if (status == OK)
        lock_init(&(*out)->lock, LOCK_TIMER);
    return status;
}

void
timer_free(struct object *o)
{
    struct timer *t = timer_from_object(o);

    deadline_cancel(&t->deadline);
    kernel_free(t);
}

static u32
fire(struct deadline *d)
{
    struct timer *t = CONTAINER(d, struct timer, deadline);

    return object_signal(&t->object, 0, SIGNAL_SIGNALED);
}

static void
arm(struct timer *t, u64 at) REQUIRES(t->lock)
{
    assert_held(&t->lock);
    t->at = at;
    t->set = true;
    deadline_start(&t->deadline, at, fire);
    sched_deadline_changed();
}

static void
disarm(struct timer *t) REQUIRES(t->lock)
{
    assert_held(&t->lock);
    deadline_cancel(&t->deadline);
    t->set = false;
    object_signal(&t->object, SIGNAL_SIGNALED, 0);
}

void
timer_set(struct timer *t, u64 at, u64 period)
{
    lock(&t->lock);
    disarm(t);
    t->period = period;
    arm(t, at);
    unlock(&t->lock);
}

void
timer_stop(struct timer *t)
{
    lock(&t->lock);
    disarm(t);
    unlock(&t->lock);
}

status_t
timer_read(struct timer *t, u64 *count)
{
    status_t status = ERR_SHOULD_WAIT;

    lock(&t->lock);
    u64 now = clock_told(port_monotonic_ns());
    if (t->set && t->at <= now) {
        u64 more = t->period > 0 ? (now - t->at) / t->period : 0;
        u64 last = t->at + more * t->period, period = t->period;
        disarm(t);
        if (period > 0)
            arm(t, last + MIN(period, UINT64_MAX - last));
        *count = 1 + more;
        status = OK;
    }
    unlock(&t->lock);
    return status;
}
