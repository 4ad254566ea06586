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
// saved.  A thread belongs to one CPU at a time, t->cpu; only who holds the
// lock of that CPU changes this and its state.
//
// Which CPU a thread that becomes ready gets is decided in place.c.  A CPU
// without threads takes one that is free (steal), then says that it is idle,
// and looks once more: who made a thread ready on a busy CPU before he could
// see that is found then, and who did so later sees it, and wakes the CPU that
// is idle.
//
// A thread that moves is in no queue for a moment, ready, with the number of
// the CPU that it goes to.  A wake-up finds it ready then, and leaves
// wake_pending as for one that runs; a killer finds that it does not run, and
// it looks at `killed` before it is back in generated code.
//
// sched_wake() and sched_block() may race: the one sets wake_pending or finds
// the thread blocked, the other finds wake_pending or blocks, both under the
// CPU's lock.  A wake-up may be one too many, never one too few: who blocks
// looks again at what he waits for.

#include "kernel/history.h"
#include "kernel/run_queue.h"

u64 sched_slice_ns = 4000000;

struct run_queue run_queues[CPU_MAX];

struct thread *
sched_current(void)
{
    return queue_here()->current;
}

// --- switching: interrupts are off -------------------------------------------

static void
queue_count(struct run_queue *q, u32 change)
{
    __atomic_store_n(&q->waiting, q->waiting + change, __ATOMIC_SEQ_CST);
}

// `queue` is one of q's.
static void
make_ready(struct run_queue *q, struct thread *t, struct list *queue)
{
    t->state = THREAD_READY;
    list_append(queue, &t->ready);
    queue_count(q, 1);
}

struct thread *
queue_take_out(struct run_queue *q, struct list *item)
{
    assert_held(&q->lock);
    list_remove(item);
    queue_count(q, (u32)-1);
    if (q->waiting == 0)
        q->keeps_until = 0;
    return CONTAINER(item, struct thread, ready);
}

static bool
none_ready(const struct run_queue *q) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    return q->waiting == 0;
}

// What has run on q goes to the account of its current thread.
static void
account_time(struct run_queue *q) REQUIRES(q->lock)
{
    u64 now = port_monotonic_ns();

    assert_held(&q->lock);
    if (q->current != q->idle)
        account_ran(thread_time_account(q->current), now - q->since);
    q->since = now;
}

// Is t to stop when it is in generated code?
static bool
is_to_stop(const struct thread *t)
{
    return !t->entry.killed && account_is_stopped(t->account);
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
    return queue_take_out(q, item);
}

// When the port is to interrupt us: for the next timer, and for the end of the
// time slice or of what we keep if somebody waits for it.
static void
set_timer(struct run_queue *q) REQUIRES(q->lock)
{
    struct thread *t = q->current;
    u32 cpu = queue_number(q);
    u64 when = t == q->idle ? timer_next(cpu) : timer_next_beside(cpu);

    assert_held(&q->lock);
    if (t != q->idle && (!none_ready(q) || t->entry.killed || is_to_stop(t)))
        when = MIN(when, q->slice_end);
    if (t != q->idle && q->keeps_until != 0)
        when = MIN(when, q->keeps_until);
    q->timer = when;
    port_timer_set(when);
}

// Another thread goes on in the slice of the last one, neither idle: is the
// timer that was set for that one right for it?
static bool
timer_is_right(const struct run_queue *q) REQUIRES(q->lock)
{
    const struct thread *t = q->current;

    assert_held(&q->lock);
    return timer_next_beside(queue_number(q)) >= q->timer && !t->entry.killed &&
           !is_to_stop(t);
}

static void
start_slice(struct run_queue *q) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    if (q->slice_end == 0)
        q->slice_end = port_monotonic_ns() + sched_slice_ns;
    set_timer(q);
}

// The second half of a switch, on the stack of the thread that continues, in
// the slice of the one before (`passed`) or in its own.
static void LOCKS_BY_HAND
after_switch(bool passed)
{
    struct run_queue *q = queue_here();
    struct thread *dead = q->dead;

    q->dead = NULL;
    if (!passed || !timer_is_right(q))
        start_slice(q);
    unlock_irq_nested(&q->lock);
    if (dead != NULL)
        thread_reap(dead);
}

// Continue with `to`, in no queue; releases q->lock, which is the only one that
// may be held here.
static void switch_to(struct run_queue *q, struct thread *to, bool passed)
    RELEASE(q->lock);

static void LOCKS_BY_HAND
switch_to(struct run_queue *q, struct thread *to, bool passed)
{
    struct thread *from = q->current;

    assert(from->preempt_count == 0);
    assert(!CHECKED || locks_held() == 1ull << LOCK_CPU);
    to->state = THREAD_RUNNING;
    to->cpu = queue_number(q);
    to->resched = false;
    to->passed = passed;
    q->current = to;
    if (from != to) {
        history_switch(to->cpu, from->number, to->number);
        port_stack_use(to->stack, STACK_SIZE);
        context_switch(&from->context, &to->context);
    }
    after_switch(queue_here()->current->passed);
}

// The same with the next ready thread.
static void switch_next(struct run_queue *q) RELEASE(q->lock);

static void LOCKS_BY_HAND
switch_next(struct run_queue *q)
{
    struct thread *from = q->current, *to = take_ready(q);

    if (thread_time_account(from) != thread_time_account(to) ||
        from == q->idle || to == q->idle)
        account_time(q);
    switch_to(q, to, false);
}

static void
give_way(void)
{
    struct run_queue *q = queue_here();
    struct thread *t = q->current;

    lock_irq_nested(&q->lock);
    t->woke_at = 0; // nobody knows when it would have slept
    if (t != q->idle)
        make_ready(q, t, &q->ready);
    switch_next(q);
}

// --- threads -----------------------------------------------------------------

void
sched_first_switch(void)
{
    after_switch(false);
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
    struct run_queue *q = queue_here();
    struct thread *t = q->current;

    lock_irq_nested(&q->lock);
    assert(t != q->idle);
    if (t->wake_pending) {
        t->wake_pending = false;
        unlock_irq_nested(&q->lock);
        return;
    }
    t->state = THREAD_BLOCKED;
    place_learn(t);
    switch_next(q);
}

void
sched_deadline_changed(void)
{
    bool on = port_interrupts_off();
    struct run_queue *q = queue_here();

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
        lock_irq_nested(&q->lock);
        if (t->cpu == number)
            return q;
        unlock_irq_nested(&q->lock);
    }
}

// The CPU of q has something new to do.
static void
nudge(struct run_queue *q) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    if (q == queue_here())
        set_timer(q);
    else
        port_poke(queue_number(q));
}

// t, which is in no queue and belongs to q, becomes ready there; the lock of q
// is not held.
static void
add_ready(struct run_queue *q, struct thread *t, bool woken, enum way way)
{
    lock_irq_nested(&q->lock);
    assert(t->cpu == queue_number(q));
    bool first = none_ready(q); // for others the timer is set
    make_ready(q, t, woken ? &q->woken : &q->ready);
    if (way == KEPT)
        q->keeps_until = q->current->woke_at + place_keep_ns;
    if (first || way == CLAIMED)
        nudge(q);
    bool runs_now = way != QUEUED || (first && q->current == q->idle);
    unlock_irq_nested(&q->lock);
    if (!runs_now)
        place_call_idle(); // it may have become idle meanwhile
}

void LOCKS_BY_HAND
sched_wake(struct thread *t)
{
    struct run_queue *q = lock_queue_of(t), *to;
    enum way way;

    if (t->state != THREAD_BLOCKED) {
        t->wake_pending = true;
        unlock_irq_nested(&q->lock);
        return;
    }
    to = place_choose(q, &way);
    t->state = THREAD_READY;
    t->cpu = queue_number(to);
    unlock_irq_nested(&q->lock);
    add_ready(to, t, true, way);
}

// Lock q, this CPU's; true: t was blocked, and is ready on this CPU, in no
// queue.  Else it goes on by itself.
static bool LOCKS_BY_HAND
take_blocked(struct run_queue *q, struct thread *t)
{
    struct run_queue *from = q;

    lock_irq_nested(&q->lock);
    if (t->cpu != queue_number(q)) {
        unlock_irq_nested(&q->lock);
        from = lock_queue_of(t);
    }
    bool blocked = t->state == THREAD_BLOCKED;

    if (blocked) {
        t->state = THREAD_READY;
        t->cpu = queue_number(q);
    } else {
        t->wake_pending = true;
    }
    if (from != q) {
        unlock_irq_nested(&from->lock);
        lock_irq_nested(&q->lock);
    }
    return blocked;
}

void LOCKS_BY_HAND
sched_pass(struct thread *to, struct account *lender, struct lock *held)
{
    struct run_queue *q = queue_here();
    struct thread *t = q->current;
    bool taken = take_blocked(q, to), first;

    // Before `to` can go on by itself, and end: it may be who lent t its time.
    if (!taken || thread_time_account(t) != thread_time_account(to))
        account_time(q);
    __atomic_store_n(&t->lender, lender, __ATOMIC_RELAXED);
    unlock_irq_nested(held);
    if (!t->wake_pending) {
        t->state = THREAD_BLOCKED;
        place_learn(t);
        if (taken)
            switch_to(q, to, true);
        else
            switch_next(q);
        return;
    }
    t->wake_pending = false;
    first = none_ready(q);
    if (taken)
        make_ready(q, to, &q->woken);
    if (taken && first)
        nudge(q);
    unlock_irq_nested(&q->lock);
    if (taken)
        place_call_idle();
}

void LOCKS_BY_HAND
sched_lend(struct account *lender)
{
    struct run_queue *q = queue_here();
    struct thread *t = q->current;

    if (t->lender == lender)
        return;
    lock_irq_nested(&q->lock);
    account_time(q);
    __atomic_store_n(&t->lender, lender, __ATOMIC_RELAXED);
    unlock_irq_nested(&q->lock);
}

void
sched_start(struct thread *t)
{
    bool on = port_interrupts_off();
    enum way way;
    struct run_queue *to = place_choose(queue_here(), &way);

    t->cpu = queue_number(to);
    add_ready(to, t, false, way);
    port_interrupts_restore(on);
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

void LOCKS_BY_HAND
sched_look(void)
{
    bool on = port_interrupts_off();

    for (u32 i = 0; i < port_cpu_count(); i++) {
        lock_irq_nested(&run_queues[i].lock);
        nudge(&run_queues[i]);
        unlock_irq_nested(&run_queues[i].lock);
    }
    port_interrupts_restore(on);
}

void LOCKS_BY_HAND
sched_account(void)
{
    bool on = port_interrupts_off();

    for (u32 i = 0; i < port_cpu_count(); i++) {
        lock_irq_nested(&run_queues[i].lock);
        account_time(&run_queues[i]);
        unlock_irq_nested(&run_queues[i].lock);
    }
    port_interrupts_restore(on);
}

NORETURN void
sched_exit(void)
{
    port_interrupts_off();
    struct run_queue *q = queue_here();

    thread_check_mutexes();
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
    struct run_queue *q = queue_here();
    struct thread *t = q->current;
    u64 now = port_monotonic_ns();

    // Before the timers: who is woken now has not had his turn.  Where the host
    // takes a CPU away for longer than a slice, both come at once.
    lock_irq_nested(&q->lock);
    bool over = now >= q->slice_end;
    if (over)
        end_slice(q);
    unlock_irq_nested(&q->lock);
    bool woke = timer_expire(now);
    lock_irq_nested(&q->lock);
    if (now >= q->keeps_until)
        q->keeps_until = 0;
    bool spare = place_spare(q);
    bool give =
        t != q->idle && ((!none_ready(q) && (woke || over)) || is_to_stop(t));
    start_slice(q);
    if (give && t->preempt_count > 0) {
        t->resched = true;
        give = false;
    }
    unlock_irq_nested(&q->lock);
    if (spare)
        place_call_idle();
    return give;
}

void
sched_preempt(void)
{
    give_way();
}

void
sched_stop(u64 pc)
{
    struct thread *t = queue_here()->current;

    if (t->entry.barrier != 0 && port_code_contains(pc) && is_to_stop(t))
        account_wait_resumed(t->account);
}

bool
sched_unwind(u64 pc, u64 *barrier_rsp)
{
    struct thread *t = queue_here()->current;

    if (!t->entry.killed || t->entry.barrier == 0 || !port_code_contains(pc))
        return false;
    *barrier_rsp = t->entry.barrier;
    return true;
}

// --- CPUs without threads: interrupts are off --------------------------------

// Take a thread from another CPU.
static bool
steal(struct run_queue *q)
{
    struct thread *t = place_take(q);

    if (t != NULL)
        add_ready(q, t, false, QUEUED);
    return t != NULL;
}

// Wait for an interrupt, unless there is something to do.
static void
sleep(struct run_queue *q)
{
    place_idle(q, true);
    if (!steal(q)) {
        lock_irq_nested(&q->lock);
        set_timer(q);
        unlock_irq_nested(&q->lock);
        port_idle();
    }
    place_idle(q, false);
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
            continue;
        }
        unlock_irq_nested(&q->lock);
        if (!steal(q))
            sleep(q);
    }
}

NORETURN void LOCKS_BY_HAND
sched_enter(void)
{
    struct run_queue *q = queue_here();
    struct context start;

    lock_irq_nested(&q->lock);
    q->current = q->idle;
    q->idle->state = THREAD_RUNNING;
    q->idle->cpu = queue_number(q);
    port_stack_use(q->idle->stack, STACK_SIZE);
    context_switch(&start, &q->idle->context);
    panic(__FILE__, __LINE__, "a CPU is back from its first thread");
}

void
sched_init(struct thread *first)
{
    for (u32 i = 0; i < CPU_MAX; i++) {
        lock_init(&run_queues[i].lock, LOCK_CPU);
        list_init(&run_queues[i].ready);
        list_init(&run_queues[i].woken);
    }
    for (u32 i = 0; i < port_cpu_count(); i++) {
        struct run_queue *q = &run_queues[i];
        status_t status = thread_new(&q->idle, idle, q);
        assert(status == OK);
        q->current = q->idle; // until it begins, too
    }
    queue_here()->current = first;
    queue_here()->since = port_monotonic_ns();
    first->state = THREAD_RUNNING;
    first->cpu = port_cpu_id();
}
