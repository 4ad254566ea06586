// kernel/lock.c: spin locks and preemption.
//
// Builds for tests check their order (kernel/locks.def).  A CPU has a bit set
// of the ranks that are held on it: who holds a spin lock stays on its CPU, and
// an interrupt leaves the set as it was.  The run queue's lock, which is held
// over a switch of threads, is the CPU's as well.

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

// --- the order ---------------------------------------------------------------

static u64 held[CPU_MAX];

bool
lock_order_allows(u64 ranks, enum lock_rank rank)
{
    return rank == LOCK_UNRANKED || ranks >> rank == 0;
}

_Static_assert(LOCK_COUNT <= 64, "a bit each");

// Interrupts or preemption are off.
static void
note_taken(const struct lock *l)
{
    u64 *ranks = &held[port_cpu_id()];

    if (!CHECKED || l->rank == LOCK_UNRANKED)
        return;
    if (!lock_order_allows(*ranks, (enum lock_rank)l->rank))
        panic(__FILE__, __LINE__, "a lock is taken out of order");
    *ranks |= 1ull << l->rank;
}

static void
note_released(const struct lock *l)
{
    if (CHECKED && l->rank != LOCK_UNRANKED)
        held[port_cpu_id()] &= ~(1ull << l->rank);
}

// --- spinning ----------------------------------------------------------------

static void
spin(struct lock *l)
{
    note_taken(l);
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
    note_released(l);
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
    note_released(l);
    __atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
    port_interrupts_restore(on);
}
