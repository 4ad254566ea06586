// kernel/preempt.c: preemption, and spin locks with preemption off.

#include "kernel/internal.h"

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

void LOCKS_BY_HAND
lock(struct lock *l)
{
    preempt_disable();
    lock_irq_nested(l);
}

void LOCKS_BY_HAND
unlock(struct lock *l)
{
    unlock_irq_nested(l);
    preempt_enable();
}
