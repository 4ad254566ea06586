// kernel/signal.c: signals, and how threads wait for them.
//
// An object has a bit set of signals (abi/signals.def), which changes under its
// lock.  Whoever waits for some of them hangs an observer on the object; who
// sets one of these calls the observers, under the same lock, so that nothing
// is lost between a look and a wait.  A thread that waits for several objects
// has an observer on each and one waiter, and the first of them, the deadline
// or a kill decides it (wait.c); it takes its observers off before it goes on.
//
// Any number of observers may wait for the same signal.  The first SIGNAL_BATCH
// are told at once, whatever is locked; for the others it is noted what they
// are to hear, and a thread of the kernel tells them, so many at a time.  While
// an object has such late observers, all of its observers hear that way.
//
// An observer does not own the object: whoever hangs it there does.

#include "kernel/internal.h"

static struct lock late_lock = LOCK_INIT(LATE);
static struct {
    struct list observers;  // what is in them changes under the lock, too
    struct waiter *sleeper; // who tells them, while it sleeps
} late GUARDED_BY(late_lock);

u32
object_signals(const struct object *o)
{
    return __atomic_load_n(&o->signals, __ATOMIC_ACQUIRE);
}

static void
note(struct observer *ob, u32 signals)
{
    ob->observed |= signals;
    ob->times++;
}

static void
notify(struct observer *ob, u32 signals)
{
    note(ob, signals);
    ob->notify(ob);
}

// --- late observers ----------------------------------------------------------

static bool
has_late(const struct object *o)
{
    return __atomic_load_n(&o->late, __ATOMIC_ACQUIRE) > 0;
}

static void
put_off(struct object *o, struct observer *ob, u32 signals) REQUIRES(late_lock)
{
    assert_held(&late_lock);
    note(ob, signals);
    if (!list_empty(&ob->late))
        return;
    list_append(&late.observers, &ob->late);
    __atomic_fetch_add(&o->late, 1, __ATOMIC_RELAXED);
    if (late.sleeper != NULL)
        (void)!waiter_wake(late.sleeper);
    late.sleeper = NULL;
}

// Tell one batch; the last thing done with an observer and its object is to
// count it out, since object_forget() waits for that.  False: there were none.
static bool
tell_late(void)
{
    bool on = lock_irq(&late_lock);
    u32 told = 0;

    for (; told < SIGNAL_BATCH && !list_empty(&late.observers); told++) {
        struct observer *ob =
            CONTAINER(late.observers.next, struct observer, late);
        list_remove(&ob->late);
        struct object *o = ob->object;
        ob->notify(ob);
        __atomic_fetch_sub(&o->late, 1, __ATOMIC_RELEASE);
    }
    unlock_irq(&late_lock, on);
    return told > 0;
}

static void
sleep_until_late(void)
{
    bool on = lock_irq(&late_lock);
    struct waiter *w =
        list_empty(&late.observers) ? waiter_begin_always() : NULL;

    late.sleeper = w;
    unlock_irq(&late_lock, on);
    status_t status = w != NULL ? waiter_wait(w, UINT64_MAX) : OK;
    assert(status == OK);
}

static void
tell_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        if (!tell_late())
            sleep_until_late();
}

void LOCKS_BY_HAND
signals_init(void)
{
    struct thread *t;

    list_init(&late.observers);
    status_t status = thread_new(&t, tell_for_ever, NULL);
    assert(status == OK);
    sched_start(t);
}

// --- signals -----------------------------------------------------------------

// Tell those who wait for what came; o->lock is held.
static void LOCKS_BY_HAND
tell_all(struct object *o, u32 now, u32 came)
{
    u32 at_once = has_late(o) ? 0 : SIGNAL_BATCH;
    bool late_too = false;

    assert_held(&o->lock);
    list_each (item, &o->observers) {
        struct observer *ob = CONTAINER(item, struct observer, link);
        if ((ob->awaited & came) == 0)
            continue;
        if (at_once > 0) {
            notify(ob, now);
            at_once--;
            continue;
        }
        if (!late_too)
            lock_irq_nested(&late_lock);
        late_too = true;
        put_off(o, ob, now);
    }
    if (late_too)
        unlock_irq_nested(&late_lock);
}

u32
object_signal(struct object *o, u32 clear, u32 set)
{
    bool on = lock_irq(&o->lock);
    u32 before = o->signals, now = (before & ~clear) | set;
    u32 count = o->observer_count;

    __atomic_store_n(&o->signals, now, __ATOMIC_RELEASE);
    tell_all(o, now, now & ~before);
    unlock_irq(&o->lock, on);
    return count;
}

status_t
object_observe(struct object *o, struct observer *ob)
{
    status_t status = ERR_FULL;
    bool on = lock_irq(&o->lock);

    ob->object = o;
    ob->times = 0;
    list_init(&ob->late);
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

// It hears of nothing any more; o->lock is held.
static void
leave_late(struct object *o, struct observer *ob)
{
    assert_held(&o->lock);
    if (!has_late(o))
        return;
    lock_irq_nested(&late_lock);
    if (!list_empty(&ob->late)) {
        list_remove(&ob->late);
        __atomic_fetch_sub(&o->late, 1, __ATOMIC_RELEASE);
    }
    unlock_irq_nested(&late_lock);
}

u32
object_forget(struct object *o, struct observer *ob)
{
    bool on = lock_irq(&o->lock);
    u32 signals = o->signals;

    list_remove(&ob->link);
    o->observer_count--;
    leave_late(o, ob);
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
    else
        waiter_cancel(w);
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
    if (deadline_is_over(deadline))
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
