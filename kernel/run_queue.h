// kernel/run_queue.h: the threads of a CPU, for those who run them (sched.c),
// say who is next (share.c), and choose the CPU (place.c).  Interrupts are off
// in all of this.

#pragma once

#include "kernel/internal.h"

struct run_queue {
    struct lock lock;
    // Places of threads that are ready, but in groups that pause: changes under
    // the lock, others look without.
    u32 waiting;
    // All threads that are ready (thread.queued), the one first that became so
    // first.
    struct list ready MEMBER_GUARDED_BY(lock);
    // Groups that have used up what their caps let them.
    struct order paused MEMBER_GUARDED_BY(lock);
    // Changes by its CPU, which reads it without.
    struct thread *current MEMBER_GUARDED_BY(lock);
    struct thread *idle; // set before there are others
    // Whose place the current thread runs in, while `handed` (see below).
    struct thread *host MEMBER_GUARDED_BY(lock);
    bool handed MEMBER_GUARDED_BY(lock);
    // Which time it is or will be handed: of all CPUs' and times one, never 0.
    u64 session MEMBER_GUARDED_BY(lock);
    // One that was woken, and is ready beside the current thread in no order
    // yet (see below), or NULL.  Changes by its CPU, which reads it without.
    struct thread *woken MEMBER_GUARDED_BY(lock);
    // Switched away from for good, not yet reaped.
    struct thread *dead MEMBER_GUARDED_BY(lock);
    // When the port was last told to interrupt us.
    u64 timer MEMBER_GUARDED_BY(lock);
    // When to look whether the current thread has to give way.
    u64 slice_end MEMBER_GUARDED_BY(lock);
    bool look MEMBER_GUARDED_BY(lock);   // or now
    bool capped MEMBER_GUARDED_BY(lock); // or, when that is, also if alone
    // Until then the only one that waits is not for others; 0: it is.
    u64 keeps_until MEMBER_GUARDED_BY(lock);
    // Since when what runs is not counted yet, and what of that is in no
    // account yet.
    u64 since MEMBER_GUARDED_BY(lock);
    u64 ran MEMBER_GUARDED_BY(lock);
    u32 uncounted MEMBER_GUARDED_BY(lock); // switches since then
    // Whose branches its CPU has learned; how often it forgot any.
    u64 learned_of MEMBER_GUARDED_BY(lock);
    u64 forgot MEMBER_GUARDED_BY(lock);
} __attribute__((aligned(64)));

extern struct run_queue run_queues[CPU_MAX];

// While `handed`, the CPU goes from one thread to another and back in the place
// of one, the host, which is as it was then: the current thread's own place and
// share are those it had when it fell asleep, and nothing else of the queue has
// changed.  Who takes the lock by this function finds all settled: then the
// current thread is its own host.  Only sched_pass() and sched_block() take it
// otherwise.
//
// Whom the current thread wakes, nobody else being ready, runs in its place
// when it sleeps, which is soon, mostly: a question and its answer.  So that
// one is among the ready only when somebody takes the lock before (`woken`).
// Only a CPU that is alone does this: others look at `waiting` without the
// lock.
//
// From the host until then is a session.  Who has handed the CPU on or got it
// in that (thread.session) runs, or sleeps on this CPU as it did then: to be
// woken, moved, stopped, killed, helped or of another priority, somebody takes
// the lock after he has said so, which ends the session.  So to hand the CPU
// to such a one nothing of that is looked at (pass_is_on).  Who says so and
// has not got the lock yet finds that one running, as if he had come later.
//
// The host runs, or sleeps on this CPU: to be woken, stolen, killed or freed,
// or to get another share, somebody takes the lock first.  So nobody ever finds
// a place lent, and what ends the host, or who runs in its place, ends that
// before.
static inline bool queue_is_open(const struct run_queue *q) REQUIRES(q->lock);
static inline void queue_lock(struct run_queue *q) ACQUIRE(q->lock);
void queue_settle(struct run_queue *q) REQUIRES(q->lock); // share.c

static inline bool
queue_is_open(const struct run_queue *q)
{
    assert_held(&q->lock);
    return q->handed || q->woken != NULL;
}

static inline void LOCKS_BY_HAND
queue_lock(struct run_queue *q)
{
    lock_irq_nested(&q->lock);
    if (queue_is_open(q))
        queue_settle(q);
}

static inline struct run_queue *
queue_here(void)
{
    return &run_queues[port_cpu_id()];
}

static inline u32
queue_number(const struct run_queue *q)
{
    return (u32)(q - run_queues);
}

// Also without the lock: as it was a moment ago.
static inline u32
queue_waiting(const struct run_queue *q)
{
    bool woken = __atomic_load_n(&q->woken, __ATOMIC_RELAXED) != NULL;

    return __atomic_load_n(&q->waiting, __ATOMIC_RELAXED) + woken;
}

static inline void
queue_count(struct run_queue *q, u32 change) REQUIRES(q->lock)
{
    u32 waiting = q->waiting + change;

    assert_held(&q->lock);
    __atomic_store_n(&q->waiting, waiting, __ATOMIC_SEQ_CST);
    if (waiting == 0)
        q->keeps_until = 0;
}

// --- place.c -----------------------------------------------------------------

// See keeps_until, and what counts as soon in place.c.  Variables for tests on
// machines that are slow, or busy.
extern u64 place_keep_ns, place_soon_ns;

// How a thread becomes ready.
enum way {
    QUEUED,  // as others
    KEPT,    // here, for now
    CLAIMED, // on a CPU that was idle, and is for us to poke
};

// Where a thread of CPU `last` that becomes ready is to run.
struct run_queue *place_choose(struct run_queue *last, enum way *way);

// t has woken another at t->woke_at, and sleeps now, or wakes another again.
void place_learn(struct thread *t);

// This CPU has no thread, or has one again.
void place_idle(const struct run_queue *q, bool idle);

// A CPU that is idle, if there is any, is to look for threads.
void place_call_idle(void);

// May a thread of q be taken away?  If q has one and is idle, it is about to
// run it.
bool place_spare(const struct run_queue *q) REQUIRES(q->lock);

// Take one from another CPU, the next one first; it is in no queue and belongs
// to q.  NULL: there is none.
struct thread *place_take(struct run_queue *q);
