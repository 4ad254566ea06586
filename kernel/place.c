// kernel/place.c: which CPU a thread gets.
//
// A thread becomes ready where it was woken, if its waker is about to leave
// that CPU to it; else on a CPU that is idle; else where it was.  Whether a
// thread sleeps soon after it has woken another is what it did the last times:
// a question and its answer stay on one CPU, and work that is handed out does
// not.  If it does not sleep this time, the woken one is free for others after
// place_keep_ns.
//
// CPUs without threads say so in idle_cpus and sleep until they are poked.  Who
// takes a bit out of that is the one to poke the CPU.  Interrupts are off in
// all of this.

#include "kernel/share.h"

u64 place_soon_ns = 10000; // about what it costs to wake another CPU
u64 place_keep_ns = 50000;

static u64 idle_cpus; // bit set, atomic: those that sleep until they are poked
static u64 calls;     // atomic, of such

_Static_assert(CPU_MAX <= 64, "a bit each");

void
place_learn(struct thread *t)
{
    if (t->woke_at == 0)
        return;
    bool soon = t->state == THREAD_BLOCKED &&
                port_monotonic_ns() - t->woke_at < place_soon_ns;
    if (soon && t->stays > 0)
        t->stays--;
    else if (!soon && t->stays < STAYS_MAX)
        t->stays++;
    t->woke_at = 0;
}

// May what the current thread of q wakes wait for it?
static bool
will_leave(const struct run_queue *q)
{
    return queue_waiting(q) == 0 && q->current->stays <= STAYS_MAX / 2;
}

// True for the one who has to poke it.
static bool
claim_idle(u32 cpu)
{
    u64 bit = 1ull << cpu;

    if ((__atomic_load_n(&idle_cpus, __ATOMIC_SEQ_CST) & bit) == 0 ||
        (__atomic_fetch_and(&idle_cpus, ~bit, __ATOMIC_SEQ_CST) & bit) == 0)
        return false;
    __atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
    return true;
}

// One that is idle, which the caller has to poke; NULL: none.
static struct run_queue *
claim_any(void)
{
    u64 idle;

    while ((idle = __atomic_load_n(&idle_cpus, __ATOMIC_SEQ_CST)) != 0) {
        u32 cpu = bits_trailing_zeros(idle);
        if (claim_idle(cpu))
            return &run_queues[cpu];
    }
    return NULL;
}

struct run_queue *
place_choose(struct run_queue *last, enum way *way)
{
    struct run_queue *here = queue_here(), *any = last;

    *way = QUEUED;
    if (port_cpu_count() == 1 || here->current == here->idle)
        return here; // it was interrupted
    place_learn(here->current);
    here->current->woke_at = port_monotonic_ns();
    if (will_leave(here)) {
        *way = KEPT;
        return here;
    }
    if (claim_idle(queue_number(last)) || (any = claim_any()) != NULL) {
        *way = CLAIMED;
        return any;
    }
    return last;
}

void
place_call_idle(void)
{
    struct run_queue *q = claim_any();

    if (q != NULL)
        port_poke(queue_number(q));
}

u64
place_calls(void)
{
    return __atomic_load_n(&calls, __ATOMIC_RELAXED);
}

void
place_idle(const struct run_queue *q, bool idle)
{
    u64 bit = 1ull << queue_number(q);

    if (idle)
        __atomic_fetch_or(&idle_cpus, bit, __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&idle_cpus, ~bit, __ATOMIC_SEQ_CST);
}

// --- what others may take ----------------------------------------------------

bool
place_spare(const struct run_queue *q)
{
    assert_held(&q->lock);
    if (q->waiting > 1)
        return true;
    return q->waiting == 1 && q->current != q->idle && q->keeps_until == 0;
}

// One that has to wait there, which belongs to CPU `taker` then; NULL: none.
static struct thread *
take_spare(struct run_queue *q, u32 taker)
{
    struct thread *t = NULL;

    queue_lock(q);
    if (place_spare(q)) {
        t = share_take_spare(q);
        thread_set_cpu(t, taker); // who wakes it must not rely on the lock of q
    }
    unlock_irq(&q->lock, false);
    return t;
}

struct thread *
place_take(struct run_queue *q)
{
    u32 count = port_cpu_count(), own = queue_number(q);
    struct thread *t = NULL;

    for (u32 i = 1; i < count && t == NULL; i++) {
        struct run_queue *from = &run_queues[(own + i) % count];
        if (__atomic_load_n(&from->waiting, __ATOMIC_SEQ_CST) > 0)
            t = take_spare(from, own);
    }
    return t;
}
