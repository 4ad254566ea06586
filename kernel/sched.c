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

#include "kernel/kernel.h"

u64 sched_slice_ns = 4000000;

static struct cpu {
    struct lock lock;
    struct list ready;
    struct list woken; // ready too, within the slice that is running
    struct thread *current, *idle;
    struct thread *dead; // switched away from for good, not yet reaped
    u64 slice_end;       // when the current thread has to give way
} cpus[CPU_MAX];

static struct cpu *
this_cpu(void)
{
    return &cpus[port_cpu_id()];
}

struct thread *
sched_current(void)
{
    return this_cpu()->current;
}

// --- switching: cpu->lock is held, interrupts are off ------------------------

static void
make_ready(struct thread *t, struct list *queue)
{
    t->state = THREAD_READY;
    list_append(queue, &t->ready);
}

static bool
none_ready(const struct cpu *cpu)
{
    return list_empty(&cpu->woken) && list_empty(&cpu->ready);
}

static void
end_slice(struct cpu *cpu)
{
    while (!list_empty(&cpu->woken)) {
        struct list *item = cpu->woken.next;
        list_remove(item);
        list_append(&cpu->ready, item);
    }
    cpu->slice_end = 0;
}

static struct thread *
take_ready(struct cpu *cpu)
{
    struct list *item = cpu->woken.next;

    if (none_ready(cpu))
        return cpu->idle;
    if (list_empty(&cpu->woken)) {
        item = cpu->ready.next;
        cpu->slice_end = 0; // a new one
    }
    list_remove(item);
    return CONTAINER(item, struct thread, ready);
}

// When the port is to interrupt us: for the next timer, and for the end of the
// time slice if somebody waits for it.
static void
set_timer(struct cpu *cpu)
{
    u64 when = timer_next();
    struct thread *t = cpu->current;

    if (t != cpu->idle && (!none_ready(cpu) || t->entry.killed))
        when = MIN(when, cpu->slice_end);
    port_timer_set(when);
}

static void
start_slice(struct cpu *cpu)
{
    if (cpu->slice_end == 0)
        cpu->slice_end = port_monotonic_ns() + sched_slice_ns;
    set_timer(cpu);
}

// The second half of a switch, on the stack of the thread that continues.
static void
after_switch(void)
{
    struct cpu *cpu = this_cpu();
    struct thread *dead = cpu->dead;

    cpu->dead = NULL;
    start_slice(cpu);
    unlock_irq(&cpu->lock, false);
    if (dead != NULL)
        thread_reap(dead);
}

// Continue with the next ready thread; releases cpu->lock.
static void
switch_next(struct cpu *cpu)
{
    struct thread *from = cpu->current, *to = take_ready(cpu);

    to->state = THREAD_RUNNING;
    to->cpu = (u32)(cpu - cpus);
    to->resched = false;
    cpu->current = to;
    if (from != to) {
        port_stack_use(to->stack, STACK_SIZE);
        context_switch(&from->context, &to->context);
    }
    after_switch();
}

static void
give_way(void)
{
    struct cpu *cpu = this_cpu();
    struct thread *t = cpu->current;

    bool on = lock_irq(&cpu->lock);
    assert(!on);
    if (t != cpu->idle)
        make_ready(t, &cpu->ready);
    switch_next(cpu);
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
    struct cpu *cpu = this_cpu();
    struct thread *t = cpu->current;
    bool on = lock_irq(&cpu->lock);

    assert(!on && t != cpu->idle);
    if (t->wake_pending) {
        t->wake_pending = false;
        unlock_irq(&cpu->lock, on);
        return;
    }
    t->state = THREAD_BLOCKED;
    switch_next(cpu);
}

// The CPU of t, locked; it cannot change until the lock is released.
static struct cpu *
lock_cpu_of(struct thread *t)
{
    for (;;) {
        u32 number = __atomic_load_n(&t->cpu, __ATOMIC_RELAXED);
        struct cpu *cpu = &cpus[number];
        bool on = lock_irq(&cpu->lock);
        assert(!on);
        if (t->cpu == number)
            return cpu;
        unlock_irq(&cpu->lock, on);
    }
}

// cpu has something new to do.
static void
nudge(struct cpu *cpu)
{
    if (cpu == this_cpu())
        set_timer(cpu);
    else
        port_poke((u32)(cpu - cpus));
}

void
sched_wake(struct thread *t)
{
    struct cpu *cpu = lock_cpu_of(t);

    if (t->state == THREAD_BLOCKED) {
        make_ready(t, &cpu->woken);
        nudge(cpu);
    } else {
        t->wake_pending = true;
    }
    unlock_irq(&cpu->lock, false);
}

void
sched_start(struct thread *t)
{
    bool on = port_interrupts_off();
    struct cpu *cpu = this_cpu();

    t->cpu = (u32)(cpu - cpus);
    lock_irq_nested(&cpu->lock);
    make_ready(t, &cpu->ready);
    nudge(cpu);
    unlock_irq(&cpu->lock, on);
}

void
sched_poke(struct thread *t)
{
    bool on = port_interrupts_off();
    struct cpu *cpu = lock_cpu_of(t);

    if (cpu->current == t)
        nudge(cpu);
    unlock_irq(&cpu->lock, on);
}

NORETURN void
sched_exit(void)
{
    port_interrupts_off();
    struct cpu *cpu = this_cpu();

    lock_irq_nested(&cpu->lock);
    cpu->current->state = THREAD_DEAD;
    cpu->dead = cpu->current;
    switch_next(cpu);
    panic(__FILE__, __LINE__, "a dead thread runs");
}

// --- interrupts --------------------------------------------------------------

bool
sched_interrupt(void)
{
    struct cpu *cpu = this_cpu();
    struct thread *t = cpu->current;
    u64 now = port_monotonic_ns();
    bool woke = timer_expire(now);

    lock_irq_nested(&cpu->lock);
    bool over = now >= cpu->slice_end;
    if (over)
        end_slice(cpu);
    bool give = !none_ready(cpu) && t != cpu->idle && (woke || over);
    start_slice(cpu);
    if (give && t->preempt_count > 0) {
        t->resched = true;
        give = false;
    }
    unlock_irq(&cpu->lock, false);
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
    struct thread *t = this_cpu()->current;

    if (!t->entry.killed || t->entry.barrier == 0 || !port_code_contains(pc))
        return false;
    *barrier_rsp = t->entry.barrier;
    return true;
}

static void
idle(void *arg)
{
    struct cpu *cpu = arg;

    port_interrupts_off();
    for (;;) {
        lock_irq_nested(&cpu->lock);
        if (!none_ready(cpu)) {
            cpu->slice_end = 0;
            switch_next(cpu);
        } else {
            set_timer(cpu);
            unlock_irq(&cpu->lock, false);
            port_idle();
        }
    }
}

void
sched_init(struct thread *first)
{
    for (u32 i = 0; i < CPU_MAX; i++) {
        lock_init(&cpus[i].lock, LOCK_CPU);
        list_init(&cpus[i].ready);
        list_init(&cpus[i].woken);
    }
    struct cpu *cpu = this_cpu();
    cpu->current = first;
    first->state = THREAD_RUNNING;
    status_t status = thread_new(&cpu->idle, NULL, idle, cpu);
    assert(status == OK);
}
