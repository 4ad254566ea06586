// kernel/lock.c: spin locks and preemption.
//
// Order of locks, outermost first: process, table, memory, handles, heap, wait
// queue, timers, run queue.

#include "kernel/kernel.h"

void
preempt_disable(void)
{
    thread_current()->preempt_count++;
    __asm__ volatile("" ::: "memory");
}

void
preempt_enable(void)
{
    struct thread *t = thread_current();

    __asm__ volatile("" ::: "memory");
    assert(t->preempt_count > 0);
    if (--t->preempt_count == 0 && t->resched) {
        bool on = port_interrupts_off();
        if (on && t->resched)
            sched_preempt(); // clears it
        port_interrupts_restore(on);
    }
}

static void
spin(struct lock *l)
{
    while (__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE) != 0)
        while (__atomic_load_n(&l->held, __ATOMIC_RELAXED) != 0)
            __builtin_ia32_pause();
}

void
lock(struct lock *l)
{
    preempt_disable();
    spin(l);
}

void
unlock(struct lock *l)
{
    assert(l->held);
    __atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
    preempt_enable();
}

bool
lock_irq(struct lock *l)
{
    bool on = port_interrupts_off();

    spin(l);
    return on;
}

void
lock_irq_nested(struct lock *l)
{
    spin(l);
}

void
unlock_irq(struct lock *l, bool on)
{
    assert(l->held);
    __atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
    port_interrupts_restore(on);
}
