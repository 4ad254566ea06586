// kernel/signal.c: signals, and how threads wait for them.
//
// An object has a bit set of signals (abi/signals.def), which changes under its
// lock.  Whoever waits for some of them hangs an observer on the object; who
// sets one of these calls the observers, under the same lock, so that nothing
// is lost between a look and a wait.  A thread that waits for several objects
// has an observer on each and one waiter, and the first of them, the deadline
// or a kill decides it (wait.c); it takes its observers off before it goes on.
//
// An observer does not own the object: whoever hangs it there does.

#include "kernel/internal.h"

u32
object_signals(const struct object *o)
{
    return __atomic_load_n(&o->signals, __ATOMIC_ACQUIRE);
}

static void
notify(struct observer *ob, u32 signals)
{
    ob->observed |= signals;
    ob->notify(ob);
}

u32
object_signal(struct object *o, u32 clear, u32 set)
{
    bool on = lock_irq(&o->lock);
    u32 before = o->signals, now = (before & ~clear) | set;
    u32 count = o->observer_count;

    __atomic_store_n(&o->signals, now, __ATOMIC_RELEASE);
    list_each (item, &o->observers) {
        struct observer *ob = CONTAINER(item, struct observer, link);
        if ((ob->awaited & now & ~before) != 0)
            notify(ob, now);
    }
    unlock_irq(&o->lock, on);
    return count;
}

status_t
object_observe(struct object *o, struct observer *ob)
{
    status_t status = ERR_FULL;
    bool on = lock_irq(&o->lock);

    if (o->observer_count < LIMIT_OBSERVERS) {
        o->observer_count++;
        list_append(&o->observers, &ob->link);
        if ((ob->awaited & o->signals) != 0)
            notify(ob, o->signals);
        status = OK;
    }
    unlock_irq(&o->lock, on);
    return status;
}

u32
object_forget(struct object *o, struct observer *ob)
{
    bool on = lock_irq(&o->lock);
    u32 signals = o->signals;

    list_remove(&ob->link);
    o->observer_count--;
    unlock_irq(&o->lock, on);
    return signals;
}

// --- threads that wait -------------------------------------------------------

static void
wake_thread(struct observer *ob)
{
    waiter_wake(CONTAINER(ob, struct object_wait, observer)->waiter);
}

// Look at all of them; true when one has what is awaited.
static bool
any_there(struct object_wait *waits, u32 count)
{
    bool there = false;

    for (u32 i = 0; i < count; i++) {
        struct observer *ob = &waits[i].observer;
        ob->observed = object_signals(waits[i].object);
        there |= (ob->observed & ob->awaited) != 0;
    }
    return there;
}

static status_t
wait_for(struct waiter *w, struct object_wait *waits, u32 count, u64 deadline)
{
    status_t status = OK;
    u32 hung = 0;

    for (u32 i = 0; i < count && status == OK; i++) {
        waits[i].waiter = w;
        waits[i].observer.observed = 0;
        waits[i].observer.notify = wake_thread;
        status = object_observe(waits[i].object, &waits[i].observer);
        hung += status == OK;
    }
    if (status == OK)
        status = waiter_wait(w, deadline);
    while (hung-- > 0) {
        struct observer *ob = &waits[hung].observer;
        ob->observed |= object_forget(waits[hung].object, ob);
    }
    return status;
}

status_t
object_wait_many(struct object_wait *waits, u32 count, u64 deadline)
{
    if (thread_is_killed())
        return ERR_KILLED;
    if (any_there(waits, count))
        return OK;
    if (deadline <= port_monotonic_ns())
        return ERR_TIMED_OUT;
    return wait_for(waiter_begin(), waits, count, deadline);
}

status_t
object_wait_one(struct object *o, u32 awaited, u64 deadline, u32 *observed)
{
    struct object_wait wait = {.observer = {.awaited = awaited}, .object = o};
    status_t status = object_wait_many(&wait, 1, deadline);

    if (observed != NULL)
        *observed = wait.observer.observed;
    return status;
}

void
object_wait_always(struct object *o, u32 awaited)
{
    struct object_wait wait = {.observer = {.awaited = awaited}, .object = o};
    status_t status = OK;

    if (!any_there(&wait, 1))
        status = wait_for(waiter_begin_always(), &wait, 1, UINT64_MAX);
    assert(status == OK);
}
