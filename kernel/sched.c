// kernel/sched.c: which thread runs on which CPU.
//
// A CPU has a lock, a queue of ready threads, served in turn for a time slice
// each, and an idle thread for when there are none.  A thread that was woken
// goes before the queue, but into the slice that is running: threads that wake
// each other (a lock that is passed on, a question and its answer) follow each
// other at once and still get only the time of one.
//
// The lock is held across a switch: the thread that is switched to releases it
// (after_switch), so nobody sees a thread as ready before its registers are
// saved.  A thread belongs to one CPU at a time; only the owner of that CPU's
// lock changes its state.

#include "kernel/internal.h"

u64 sched_slice_ns = 4000000;

static struct run_queue {
    struct lock lock;
    struct list ready MEMBER_GUARDED_BY(lock);
    // Ready too, within the slice that is running.
    struct list woken MEMBER_GUARDED_BY(lock);
    // Changes by its CPU, which reads it without.
    struct thread *current MEMBER_GUARDED_BY(lock);
    struct thread *idle;
    // Switched away from for good, not yet reaped.
    struct thread *dead MEMBER_GUARDED_BY(lock);
    // When the current thread has to give way.
    u64 slice_end MEMBER_GUARDED_BY(lock);
} run_queues[CPU_MAX];

static struct run_queue *
this_queue(void)
{
    return &run_queues[port_cpu_id()];
}

struct thread *
sched_current(void)
{
    return this_queue()->current;
}

// --- switching: interrupts are off -------------------------------------------

static void
make_ready(struct thread *t, struct list *queue)
{
    t->state = THREAD_READY;
    list_append(queue, &t->ready);
}

static bool
none_ready(const struct run_queue *q) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    return list_empty(&q->woken) && list_empty(&q->ready);
}

static void
end_slice(struct run_queue *q) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    list_append_all(&q->ready, &q->woken);
    q->slice_end = 0;
}

static struct thread *
take_ready(struct run_queue *q) REQUIRES(q->lock)
{
    struct list *item = q->woken.next;

    assert_held(&q->lock);
    if (none_ready(q))
        return q->idle;
    if (list_empty(&q->woken)) {
        item = q->ready.next;
        q->slice_end = 0; // a new one
    }
    list_remove(item);
    return CONTAINER(item, struct thread, ready);
}

// When the port is to interrupt us: for the next timer, and for the end of the
// time slice if somebody waits for it.
static void
set_timer(struct run_queue *q) REQUIRES(q->lock)
{
    struct thread *t = q->current;
    u64 when = t == q->idle ? timer_next() : timer_next_beside();

    assert_held(&q->lock);
    if (t != q->idle && (!none_ready(q) || t->entry.killed))
        when = MIN(when, q->slice_end);
    port_timer_set(when);
}

static void
start_slice(struct run_queue *q) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    if (q->slice_end == 0)
        q->slice_end = port_monotonic_ns() + sched_slice_ns;
    set_timer(q);
}

// The second half of a switch, on the stack of the thread that continues.
static void LOCKS_BY_HAND
after_switch(void)
{
    struct run_queue *q = this_queue();
    struct thread *dead = q->dead;

    q->dead = NULL;
    start_slice(q);
    unlock_irq(&q->lock, false);
    if (dead != NULL)
        thread_reap(dead);
}

// Continue with the next ready thread; releases q->lock.
static void switch_next(struct run_queue *q) RELEASE(q->lock);

static void LOCKS_BY_HAND
switch_next(struct run_queue *q)
{
    struct thread *from = q->current, *to = take_ready(q);

    to->state = THREAD_RUNNING;
    to->cpu = (u32)(q - run_queues);
    to->resched = false;
    q->current = to;
    if (from != to) {
        port_stack_use(to->stack, STACK_SIZE);
        context_switch(&from->context, &to->context);
    }
    after_switch();
}

static void
give_way(void)
{
    struct run_queue *q = this_queue();
    struct thread *t = q->current;

    bool on = lock_irq(&q->lock);
    assert(!on);
    if (t != q->idle)
        make_ready(t, &q->ready);
    switch_next(q);
}

// --- threads -----------------------------------------------------------------

void
sched_first_switch(void)
{
    after_switch();
    port_interrupts_restore(true);
}

void
thread_yield(void)
{
    bool on = port_interrupts_off();

    thread_current()->resched = false;
    give_way();
    port_interrupts_restore(on);
}

void
sched_block(void)
{
    struct run_queue *q = this_queue();
    struct thread *t = q->current;
    bool on = lock_irq(&q->lock);

    assert(!on && t != q->idle);
    if (t->wake_pending) {
        t->wake_pending = false;
        unlock_irq(&q->lock, on);
        return;
    }
    t->state = THREAD_BLOCKED;
    switch_next(q);
}

void
sched_deadline_changed(void)
{
    bool on = port_interrupts_off();
    struct run_queue *q = this_queue();

    lock_irq_nested(&q->lock);
    set_timer(q);
    unlock_irq(&q->lock, on);
}

// The CPU of t, locked; it cannot change until the lock is released.
static struct run_queue *LOCKS_BY_HAND
lock_queue_of(struct thread *t)
{
    for (;;) {
        u32 number = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);
        struct run_queue *q = &run_queues[number];
        bool on = lock_irq(&q->lock);
        assert(!on);
        if (t->cpu == number)
            return q;
        unlock_irq(&q->lock, on);
    }
}

// cpu has something new to do.
static void
nudge(struct run_queue *q) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    if (q == this_queue())
        set_timer(q);
    else
        port_poke((u32)(q - run_queues));
}

void LOCKS_BY_HAND
sched_wake(struct thread *t)
{
    struct run_queue *q = lock_queue_of(t);

    if (t->state == THREAD_BLOCKED) {
        bool first = none_ready(q); // for others the timer is set
        make_ready(t, &q->woken);
        if (first)
            nudge(q);
    } else {
        t->wake_pending = true;
    }
    unlock_irq(&q->lock, false);
}

void
sched_start(struct thread *t)
{
    bool on = port_interrupts_off();
    struct run_queue *q = this_queue();

    t->cpu = (u32)(q - run_queues);
    lock_irq_nested(&q->lock);
    make_ready(t, &q->ready);
    nudge(q);
    unlock_irq(&q->lock, on);
}

void LOCKS_BY_HAND
sched_poke(struct thread *t)
{
    bool on = port_interrupts_off();
    struct run_queue *q = lock_queue_of(t);

    if (q->current == t)
        nudge(q);
    unlock_irq(&q->lock, on);
}

NORETURN void
sched_exit(void)
{
    port_interrupts_off();
    struct run_queue *q = this_queue();

    lock_irq_nested(&q->lock);
    q->current->state = THREAD_DEAD;
    q->dead = q->current;
    switch_next(q);
    panic(__FILE__, __LINE__, "a dead thread runs");
}

// --- interrupts --------------------------------------------------------------

bool
sched_interrupt(void)
{
    struct run_queue *q = this_queue();
    struct thread *t = q->current;
    u64 now = port_monotonic_ns();
    bool woke = timer_expire(now);

    lock_irq_nested(&q->lock);
    bool over = now >= q->slice_end;
    if (over)
        end_slice(q);
    bool give = !none_ready(q) && t != q->idle && (woke || over);
    start_slice(q);
    if (give && t->preempt_count > 0) {
        t->resched = true;
        give = false;
    }
    unlock_irq(&q->lock, false);
    return give;
}

void
sched_preempt(void)
{
    give_way();
}

bool
sched_unwind(u64 pc, u64 *barrier_rsp)
{
    struct thread *t = this_queue()->current;

    if (!t->entry.killed || t->entry.barrier == 0 || !port_code_contains(pc))
        return false;
    *barrier_rsp = t->entry.barrier;
    return true;
}

static void
idle(void *arg)
{
    struct run_queue *q = arg;

    port_interrupts_off();
    for (;;) {
        lock_irq_nested(&q->lock);
        if (!none_ready(q)) {
            q->slice_end = 0;
            switch_next(q);
        } else {
            set_timer(q);
            unlock_irq(&q->lock, false);
            port_idle();
        }
    }
}

void
sched_init(struct thread *first)
{
    for (u32 i = 0; i < CPU_MAX; i++) {
        lock_init(&run_queues[i].lock, LOCK_CPU);
        list_init(&run_queues[i].ready);
        list_init(&run_queues[i].woken);
    }
    struct run_queue *q = this_queue();
    q->current = first;
    first->state = THREAD_RUNNING;
    status_t status = thread_new(&q->idle, idle, q);
    assert(status == OK);
}
