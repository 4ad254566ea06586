// kernel/sched.c: which thread runs on which CPU.
//
// A CPU has a lock, threads that are ready, and an idle thread for when there
// are none.  Who is next says share.c.  While others are ready, a CPU looks
// whether that is still the current thread: at the end of each time slice, when
// a timer or another CPU has woken somebody, and when somebody of a higher
// priority was woken.  The slice does not begin anew where threads block and
// wake each other.
//
// The lock is held across a switch: the thread that is switched to releases it
// (sched_after_switch), so nobody sees a thread as ready before its registers
// are saved.  A thread belongs to one CPU at a time, t->cpu; only who holds the
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

#include "kernel/pass.h"

// A thread that another CPU has woken interrupts who has had so much more.
enum {
    LOOK_NS = 1000000,
    UNCOUNTED = 13, // see count_time_of_some()
};

u64 sched_slice_ns = 4000000;

struct run_queue run_queues[CPU_MAX];

struct thread *
sched_current(void)
{
    return queue_here()->current;
}

// --- switching: interrupts are off -------------------------------------------

static bool
none_ready(const struct run_queue *q) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    return q->waiting == 0;
}

// What has run on q is its current thread's; returns the time.
static u64
count_time(struct run_queue *q) REQUIRES(q->lock)
{
    u64 now = port_monotonic_ns(), ns = now - MIN(q->since, now);

    assert_held(&q->lock);
    if (q->current != q->idle) {
        q->ran += ns;
        share_ran(q->current, ns);
    }
    q->since = now;
    q->uncounted = 0;
    return now;
}

// The same where who comes next is of the same account: the clock takes longer
// than all the rest of such a switch, so only some look at it, and all since
// the last is the thread's that runs then.  UNCOUNTED is a prime, so that
// threads that take turns are it in turn.
static void
count_time_of_some(struct run_queue *q) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    if (++q->uncounted >= UNCOUNTED)
        count_time(q);
}

// And is charged to its account and the groups.
static void
account_time(struct run_queue *q) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    if (q->ran > 0) {
        account_ran(thread_time_account(q->current), q->ran);
        share_charge(q, q->current, q->ran, q->since);
    }
    q->ran = 0;
}

// Is t to stop when it is in generated code?
static bool
is_to_stop(const struct thread *t)
{
    return !thread_killed(t) && account_is_stopped(t->account);
}

// When the port is to interrupt us: for the next timer, for groups that pause,
// and for the end of the time slice, or of what we keep, if somebody waits; 0:
// now.
static u64
next_interrupt(const struct run_queue *q) REQUIRES(q->lock)
{
    const struct thread *t = q->current;
    u32 cpu = queue_number(q);
    u64 when = t == q->idle ? timer_next(cpu) : timer_next_beside(cpu);

    assert_held(&q->lock);
    if (q->look)
        return 0;
    if (q->paused.first != NULL)
        when = MIN(when, q->paused.first->key);
    if (t != q->idle &&
        (!none_ready(q) || q->capped || thread_killed(t) || is_to_stop(t)))
        when = MIN(when, q->slice_end);
    if (t != q->idle && q->keeps_until != 0)
        when = MIN(when, q->keeps_until);
    return when;
}

// The timer is this CPU's own.
static void
set_timer(struct run_queue *q) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    assert(q == queue_here());
    q->timer = next_interrupt(q);
    port_timer_set(q->timer);
}

static void
start_slice(struct run_queue *q, u64 now) REQUIRES(q->lock)
{
    u64 slice = __atomic_load_n(&sched_slice_ns, __ATOMIC_RELAXED);

    assert_held(&q->lock);
    if (q->slice_end - now > slice) // over, or longer than one
        q->slice_end = now + slice;
    set_timer(q);
}

// t, in no queue, is to run where another group did.
static void
begin(struct run_queue *q, struct thread *t) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    share_begin(t);
    q->capped = share_is_capped(t);
}

static struct thread *
take_ready(struct run_queue *q) REQUIRES(q->lock)
{
    struct thread *t = share_take(q);

    assert_held(&q->lock);
    q->capped = false;
    if (t == NULL)
        return q->idle;
    begin(q, t);
    return t;
}

// In the slice of the one before the timer that was set for it stays, unless it
// comes too late.
void LOCKS_BY_HAND
sched_after_switch(u32 way_in)
{
    struct run_queue *q = queue_here();
    struct thread *dead = q->dead;

    q->dead = NULL;
    if (!(way_in & PASSED) || next_interrupt(q) < q->timer)
        start_slice(q, q->since);
    unlock_irq_nested(&q->lock);
    if (dead != NULL)
        thread_reap(dead);
}

// The current thread leaves the CPU.
static void
leave(struct run_queue *q) REQUIRES(q->lock)
{
    struct thread *t = q->current;

    assert_held(&q->lock);
    account_time(q);
    if (t == q->idle)
        return;
    share_end(q, t, q->since);
    if (t->state == THREAD_READY)
        share_add_back(q, t);
    else
        share_sleep(q, t);
}

// Continue with `to`, which has been begun; releases q->lock, which is the only
// one that may be held here.
static void switch_to(struct run_queue *q, struct thread *to, u32 way_in)
    RELEASE(q->lock);

static void LOCKS_BY_HAND
switch_to(struct run_queue *q, struct thread *to, u32 way_in)
{
    thread_set_cpu(to, queue_number(q));
    pass_change_stacks(q, q->current, to, way_in);
    sched_after_switch(queue_here()->current->way_in);
}

// The same with the next ready thread.
static void switch_next(struct run_queue *q) RELEASE(q->lock);

static void LOCKS_BY_HAND
switch_next(struct run_queue *q)
{
    struct thread *from = q->current, *to;

    count_time(q);
    if (share_stays(q, from)) {
        to = share_exchange(q, from);
        if (thread_time_account(from) != thread_time_account(to))
            account_time(q);
    } else {
        leave(q);
        to = take_ready(q);
    }
    q->look = false; // it is who comes first
    switch_to(q, to, CHOSEN);
}

// With `to`, in no queue, in place of the current thread, which blocks.  What
// that has run for since it was looked at is for `to`, in the same group.  One
// whose group pauses has to wait.
static void switch_past(struct run_queue *q, struct thread *to)
    RELEASE(q->lock);

static void LOCKS_BY_HAND
switch_past(struct run_queue *q, struct thread *to)
{
    const struct share *share = q->current->share;

    share_place(q, to);
    if ((share != to->share || q->capped) && share_pauses(to)) {
        share_put(q, to);
        switch_next(q);
        return;
    }
    if (share != to->share) {
        count_time(q);
        leave(q);
        begin(q, to);
    } else {
        share_sleep(q, q->current);
    }
    switch_to(q, to, PASSED);
}

static void
give_way(bool behind_others)
{
    struct run_queue *q = queue_here();
    struct thread *t = q->current;

    queue_lock(q);
    t->woke_at = 0; // nobody knows when it would have slept
    if (t != q->idle && behind_others)
        share_yield(t);
    if (t != q->idle)
        thread_set_state(t, THREAD_READY);
    switch_next(q);
}

// --- threads -----------------------------------------------------------------

void
sched_first_switch(void)
{
    sched_after_switch(CHOSEN);
    port_interrupts_restore(true);
}

// All of give_way(true) where t, which runs on q, and who comes next are of one
// group and account: that one's slice goes on.  False: they are not.
static bool LOCKS_BY_HAND
yield_at_once(struct run_queue *q, struct thread *t)
{
    queue_lock(q);
    const struct thread *first = share_first_of_account(q, t);

    if (first == NULL || q->look || is_to_stop(t) || is_to_stop(first)) {
        unlock_irq_nested(&q->lock);
        return false;
    }
    count_time_of_some(q);
    t->woke_at = 0;
    share_yield(t);
    thread_set_state(t, THREAD_READY);
    pass_switch(q, t, share_exchange(q, t), CHOSEN);
    return true;
}

void
thread_yield(void)
{
    bool on = port_interrupts_off();
    struct thread *t = thread_current();
    struct run_queue *q = &run_queues[t->cpu];

    pass_check(t);
    t->resched = false;
    if ((queue_waiting(q) > 0 || is_to_stop(t)) && !yield_at_once(q, t))
        give_way(true);
    port_interrupts_restore(on);
}

// t, which runs on q and has just fallen asleep, woke the next one itself: a
// question and its answer, say.  That one goes on in the same slice.  False: it
// is not so, and nothing was done.
static bool LOCKS_BY_HAND
leave_at_once(struct run_queue *q, struct thread *t)
{
    const struct thread *woken = t->woken;

    t->woken = NULL;
    if (woken == NULL || woken != share_first_of_account(q, t) || q->look ||
        is_to_stop(woken))
        return false;
    count_time_of_some(q);
    pass_switch(q, t, share_exchange(q, t), CHOSEN);
    return true;
}

// All of sched_block() but what is below; t runs on q, which is locked.
static __attribute__((noinline)) void LOCKS_BY_HAND
block_by_queue(struct run_queue *q, struct thread *t)
{
    if (queue_is_open(q))
        queue_settle(q);
    assert(t != q->idle);
    if (t->wake_pending) {
        t->wake_pending = false;
        unlock_irq_nested(&q->lock);
        return;
    }
    thread_set_state(t, THREAD_BLOCKED);
    place_learn(t);
    if (!leave_at_once(q, t))
        switch_next(q);
}

// Where the one that t woke waits for its place, and nothing else is to be
// looked at, that one goes on there.  A part of who waits: as far from the
// program as that one's wait was, see context_switch_here().
PART_OF_CALL void LOCKS_BY_HAND
sched_block(void)
{
    struct run_queue *q = queue_here();
    struct thread *t = q->current, *to;

    lock_irq_nested(&q->lock);
    to = q->woken;
    if (to == NULL || t->wake_pending || q->look || is_to_stop(to)) {
        block_by_queue(q, t);
        return;
    }
    q->woken = NULL;
    t->woken = NULL;
    thread_set_state(t, THREAD_BLOCKED);
    count_time_of_some(q);
    share_pass(q, t, to);
    pass_switch(q, t, to, CHOSEN);
}

void
sched_deadline_changed(void)
{
    bool on = port_interrupts_off();
    struct run_queue *q = queue_here();

    queue_lock(q);
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
        queue_lock(q);
        if (__atomic_load_n(&t->cpu, __ATOMIC_ACQUIRE) == number)
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

// Does t, which became ready, have to have the CPU before it is given up?
static bool
is_urgent(struct run_queue *q, const struct thread *t) REQUIRES(q->lock)
{
    const struct thread *current = q->current;

    assert_held(&q->lock);
    if (current == q->idle)
        return false;
    if (t->share == current->share && t->ready.class < current->ready.class)
        return true;
    if (q == queue_here())
        return false;
    return share_is_behind(current, LOOK_NS);
}

// t, which is not among the ready and belongs to q, becomes ready there; the
// lock of q is not held.
static void
add_ready(struct run_queue *q, struct thread *t, enum way way)
{
    queue_lock(q);
    assert(t->cpu == queue_number(q));
    bool first = none_ready(q); // for others the timer is set
    if (first || q != queue_here())
        count_time(q); // the current one may have run alone for long
    thread_set_state(t, THREAD_READY);
    share_place(q, t);
    if (t->share != q->current->share)
        account_time(q); // of groups, where it begins is a matter of that
    share_put(q, t);
    if (way == KEPT)
        q->keeps_until = q->current->woke_at + place_keep_ns;
    bool look = !q->look && is_urgent(q, t);
    q->look |= look;
    if (first || look || way == CLAIMED)
        nudge(q);
    bool runs_now = way != QUEUED || (first && q->current == q->idle);
    unlock_irq_nested(&q->lock);
    if (!runs_now)
        place_call_idle(); // it may have become idle meanwhile
}

// t, which sleeps on q, becomes ready where the running thread is, alone, with
// the timer set for the end of that one's slice: there is nothing to look at.
static bool
is_ready_at_once(const struct run_queue *q, const struct thread *t)
    REQUIRES(q->lock)
{
    const struct thread *c = q->current;

    assert_held(&q->lock);
    return q == queue_here() && none_ready(q) && c != q->idle && !q->look &&
           q->timer <= q->slice_end && share_is_place_for(q, c, t, t->lent);
}

static void
ready_at_once(struct run_queue *q, struct thread *t, enum way way)
    REQUIRES(q->lock)
{
    assert_held(&q->lock);
    thread_set_state(t, THREAD_READY);
    share_put_beside(q, q->current, t);
    if (way == KEPT) {
        q->keeps_until = q->current->woke_at + place_keep_ns;
        nudge(q);
    }
}

static void
wait_for_place(struct run_queue *q, struct thread *t) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    thread_set_state(t, THREAD_READY);
    q->woken = t;
}

void LOCKS_BY_HAND
sched_wake(struct thread *t)
{
    struct run_queue *q = lock_queue_of(t), *to = q;
    enum way way = QUEUED;

    if (t->state != THREAD_BLOCKED) {
        t->wake_pending = true;
        unlock_irq_nested(&q->lock);
        return;
    }
    if (!cpu_is_alone)
        to = place_choose(q, &way);
    if (to == q && way != CLAIMED && is_ready_at_once(q, t)) {
        q->current->woken = t;
        if (cpu_is_alone)
            wait_for_place(q, t);
        else
            ready_at_once(q, t, way);
        unlock_irq_nested(&q->lock);
        if (way == QUEUED)
            place_call_idle();
        return;
    }
    share_detach(t);
    thread_set_state(t, THREAD_READY);
    thread_set_cpu(t, queue_number(to));
    unlock_irq_nested(&q->lock);
    add_ready(to, t, way);
    if (to == queue_here())
        to->current->woken = t;
}

static bool
is_same(struct lent a, struct lent b)
{
    return a.account == b.account &&
           (a.account == NULL || a.priority == b.priority);
}

// q is this CPU's, and locked; true: t was blocked, and is ready on this CPU,
// in no queue, with what is lent to it.  Else it goes on by itself.
static bool LOCKS_BY_HAND
take_blocked(struct run_queue *q, struct thread *t, const struct lent *lent)
{
    struct run_queue *from = q;

    if (t->cpu != queue_number(q)) {
        unlock_irq_nested(&q->lock);
        from = lock_queue_of(t);
    }
    bool blocked = t->state == THREAD_BLOCKED;

    if (blocked) {
        share_detach(t);
        thread_set_state(t, THREAD_READY);
        thread_set_cpu(t, queue_number(q));
        if (lent != NULL)
            pass_set_lent(t, *lent);
    } else {
        t->wake_pending = true;
    }
    if (from != q) {
        unlock_irq_nested(&from->lock);
        queue_lock(q);
    }
    return blocked;
}

// t runs on q, and is to run in another group there.
static void
move_current(struct run_queue *q, struct thread *t) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    count_time(q);
    account_time(q);
    share_end(q, t, q->since);
    share_detach(t);
    share_place(q, t);
    begin(q, t);
    if (q->capped)
        nudge(q);
}

// May what t has run for since it was looked at, and who keeps something else
// then, go for `to`, which runs next?
static bool
is_one_time(const struct thread *t, const struct thread *to, struct lent keep)
{
    return thread_time_account(t) == thread_time_account(to) &&
           (is_same(t->lent, keep) ||
            (t->share == to->share && !t->wake_pending));
}

// Is this such that `to` takes the place of the current thread as it is: the
// CPU, the group, the class and the account, and there is nothing to tell
// anybody else?
static bool
is_at_once(const struct run_queue *q, const struct thread *t,
           const struct thread *to, const struct lent *lent) REQUIRES(q->lock)
{
    assert_held(&q->lock);
    return to->cpu == t->cpu && to->state == THREAD_BLOCKED &&
           !t->wake_pending && t->woke_at == 0 &&
           !account_is_stopped(to->account) &&
           share_is_place_for(q, t, to, lent != NULL ? *lent : to->lent);
}

// The rest, q locked, where it is not.
static void pass_by_queue(struct run_queue *q, const struct pass *pass,
                          struct lock *held) RELEASE(*held) RELEASE(q->lock);

static void LOCKS_BY_HAND
pass_by_queue(struct run_queue *q, const struct pass *pass, struct lock *held)
{
    struct thread *t = q->current, *to = pass->to;
    bool taken = take_blocked(q, to, pass->lent), first;

    // Before `to` can go on by itself, and end: it may be who lent t its time.
    if (!taken || !is_one_time(t, to, pass->keep)) {
        count_time(q);
        account_time(q);
    }
    pass_set_lent(t, pass->keep);
    unlock_irq_nested(held);
    if (!t->wake_pending) {
        thread_set_state(t, THREAD_BLOCKED);
        place_learn(t);
        if (taken)
            switch_past(q, to);
        else
            switch_next(q);
        return;
    }
    t->wake_pending = false;
    if (share_changed(q, t))
        move_current(q, t);
    first = none_ready(q);
    if (taken)
        share_add(q, to);
    if (taken && first)
        nudge(q);
    unlock_irq_nested(&q->lock);
    if (taken)
        place_call_idle();
}

bool LOCKS_BY_HAND
sched_pass(struct thread *self, const struct pass *pass, struct lock *held)
{
    struct run_queue *q = &run_queues[self->cpu];

    lock_irq_nested(&q->lock);
    bool still = pass_may_join(q, self, pass->to, pass->lent != NULL);
    if (!still && queue_is_open(q))
        queue_settle(q);
    if (pass->lent != NULL)
        *pass->lent = (struct lent){thread_time_account(self),
                                    still ? share_class_priority(q->host) :
                                            share_priority(self)};
    if (still || is_at_once(q, self, pass->to, pass->lent)) {
        pass_go(q, self, pass, held, true);
    } else {
        self->way_in = CHOSEN;
        pass_by_queue(q, pass, held);
    }
    return self->way_in & PASSED;
}

struct lent LOCKS_BY_HAND
sched_lent(const struct thread *self)
{
    struct run_queue *q = &run_queues[self->cpu];

    queue_lock(q);
    struct lent lent = {thread_time_account(self), share_priority(self)};
    unlock_irq_nested(&q->lock);
    return lent;
}

void LOCKS_BY_HAND
sched_lend(struct lent lent)
{
    struct run_queue *q = queue_here();
    struct thread *t = q->current;

    if (is_same(t->lent, lent))
        return;
    queue_lock(q);
    count_time(q);
    account_time(q);
    pass_set_lent(t, lent);
    if (share_changed(q, t))
        move_current(q, t);
    unlock_irq_nested(&q->lock);
}

void
sched_start(struct thread *t)
{
    bool on = port_interrupts_off();
    enum way way;
    struct run_queue *to = place_choose(queue_here(), &way);

    share_detach_new(t);
    thread_set_cpu(t, queue_number(to));
    add_ready(to, t, way);
    port_interrupts_restore(on);
}

void LOCKS_BY_HAND
sched_changed(struct thread *t)
{
    bool on = port_interrupts_off();
    struct run_queue *q = lock_queue_of(t);

    t->at_home = false;
    if (q->current == t) {
        if (share_changed(q, t)) {
            move_current(q, t);
            q->look = true;
        }
        nudge(q);
    } else if (t->ready.in && share_changed(q, t)) {
        share_remove(q, t);
        share_detach(t);
        share_add(q, t);
        q->look = true;
        nudge(q);
    }
    unlock_irq(&q->lock, on);
}

void LOCKS_BY_HAND
sched_look(void)
{
    bool on = port_interrupts_off();

    for (u32 i = 0; i < port_cpu_count(); i++) {
        queue_lock(&run_queues[i]);
        nudge(&run_queues[i]);
        unlock_irq_nested(&run_queues[i].lock);
    }
    port_interrupts_restore(on);
}

void LOCKS_BY_HAND
sched_cap_changed(struct account *a)
{
    bool on = port_interrupts_off();

    for (u32 i = 0; i < port_cpu_count(); i++) {
        struct run_queue *q = &run_queues[i];
        queue_lock(q);
        share_look(q, a);
        q->capped = q->current != q->idle && share_is_capped(q->current);
        nudge(q);
        unlock_irq_nested(&q->lock);
    }
    port_interrupts_restore(on);
}

// Also where many are ready, it lets others have the lock meanwhile.
void LOCKS_BY_HAND
sched_ceilings_changed(void)
{
    bool more, on = port_interrupts_off();

    share_ceilings_changed();
    for (u32 i = 0; i < port_cpu_count(); i += !more) {
        struct run_queue *q = &run_queues[i];
        queue_lock(q);
        more = share_renew(q);
        q->look = true;
        nudge(q);
        unlock_irq_nested(&q->lock);
        port_interrupts_restore(on);
        port_interrupts_off();
    }
    port_interrupts_restore(on);
}

void LOCKS_BY_HAND
sched_account(void)
{
    bool on = port_interrupts_off();

    for (u32 i = 0; i < port_cpu_count(); i++) {
        queue_lock(&run_queues[i]);
        count_time(&run_queues[i]);
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
    queue_lock(q);
    thread_set_state(q->current, THREAD_DEAD);
    q->dead = q->current;
    switch_next(q);
    panic(__FILE__, __LINE__, "a dead thread runs");
}

// --- interrupts --------------------------------------------------------------

// Has the current thread to give way?  Timers have woken somebody, or nobody.
static bool
has_to_go(struct run_queue *q, bool woke, u64 now) REQUIRES(q->lock)
{
    struct thread *t = q->current;
    bool look = woke || q->look || now >= q->slice_end;

    assert_held(&q->lock);
    q->look = false;
    if (t == q->idle)
        return false;
    if (is_to_stop(t) || (q->capped && share_is_over(t, now)))
        return true;
    return look && !none_ready(q) && share_is_behind(t, 0);
}

bool
sched_interrupt(void)
{
    struct run_queue *q = queue_here();
    struct thread *t = q->current;
    u64 now = port_monotonic_ns();
    bool woke = timer_expire(now);

    t->woken = NULL; // nor has it woken the one that a timer did
    queue_lock(q);
    now = count_time(q);
    account_time(q);
    woke |= q->paused.first != NULL && q->paused.first->key <= now;
    share_resume(q, now);
    if (now >= q->keeps_until)
        q->keeps_until = 0;
    bool spare = place_spare(q), give = has_to_go(q, woke, now);
    start_slice(q, now);
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
    give_way(false);
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

    if (!thread_killed(t) || t->entry.barrier == 0 || !port_code_contains(pc))
        return false;
    *barrier_rsp = t->entry.barrier;
    return true;
}

// --- branches ----------------------------------------------------------------

bool sched_forgets; // atomic

void
sched_forget_branches(bool on)
{
    __atomic_store_n(&sched_forgets, on, __ATOMIC_RELAXED);
}

u64
sched_forgot(void)
{
    u64 sum = 0;

    for (u32 i = 0; i < port_cpu_count(); i++) {
        bool on = lock_irq(&run_queues[i].lock);
        sum += run_queues[i].forgot;
        unlock_irq(&run_queues[i].lock, on);
    }
    return sum;
}

void
pass_forget(struct run_queue *q, const struct thread *to)
{
    if (to == q->idle || to->account->group == q->learned_of)
        return;
    port_forget_branches();
    q->learned_of = to->account->group;
    q->forgot++;
}

// --- CPUs without threads: interrupts are off --------------------------------

// Take a thread from another CPU.
static bool
steal(struct run_queue *q)
{
    struct thread *t = place_take(q);

    if (t != NULL)
        add_ready(q, t, QUEUED);
    return t != NULL;
}

// Wait for an interrupt, unless there is something to do.
static void
sleep(struct run_queue *q)
{
    place_idle(q, true);
    if (!steal(q)) {
        queue_lock(q);
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
        queue_lock(q);
        if (!none_ready(q)) {
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

    queue_lock(q);
    q->current = q->idle;
    thread_set_state(q->idle, THREAD_RUNNING);
    thread_set_cpu(q->idle, queue_number(q));
    port_stack_use(q->idle->stack, STACK_SIZE);
    context_switch(&start, &q->idle->context);
    panic(__FILE__, __LINE__, "a CPU is back from its first thread");
}

void
sched_init(struct thread *first)
{
    for (u32 i = 0; i < CPU_MAX; i++) {
        lock_init(&run_queues[i].lock, LOCK_CPU);
        run_queues[i].session = CPU_MAX + i;
        list_init(&run_queues[i].ready);
    }
    for (u32 i = 0; i < port_cpu_count(); i++) {
        struct run_queue *q = &run_queues[i];
        status_t status = thread_new(&q->idle, idle, q);
        assert(status == OK);
        q->current = q->idle; // until it begins, too
    }
    queue_here()->current = first;
    queue_here()->since = port_monotonic_ns();
    thread_set_state(first, THREAD_RUNNING);
    thread_set_cpu(first, port_cpu_id());
    bool on = port_interrupts_off();

    queue_lock(queue_here());
    share_add(queue_here(), first);
    take_ready(queue_here());
    unlock_irq(&queue_here()->lock, on);
}
