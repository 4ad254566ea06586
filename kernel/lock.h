// kernel/lock.h: spin locks and sleeping locks (lock.c, preempt.c, mutex.c),
// for the kernel and the ports.
//
// Every lock has a rank, which is where it stands in the order of
// kernel/locks.def; builds for tests stop at one that is taken out of order or
// has no rank.

#pragma once

#include "base/base.h"

struct thread;

enum lock_rank {
    LOCK_NONE, // of a lock that nobody has initialised
#define LOCK(id, kind, what) LOCK_##id,
#include "kernel/locks.def"
    LOCK_COUNT
};

// A spin lock: for a few instructions, never over a wait.  Taken with
// preemption off (lock) or, where interrupts take it too, with interrupts off
// (lock_irq).
struct CAPABILITY("lock") lock {
    u32 held;
    u32 rank; // enum lock_rank
};

// A free lock, as the value of a variable or made at run time.
#define LOCK_INIT(id)     \
    {                     \
        .rank = LOCK_##id \
    }
void lock_init(struct lock *l, enum lock_rank rank);

// The running thread is not preempted between them; pairs may be nested.  The
// last preempt_enable() gives way when that was asked for meanwhile.
void preempt_disable(void);
void preempt_enable(void);
// With preemption off in between.
void lock(struct lock *l) ACQUIRE(*l);
void unlock(struct lock *l) RELEASE(*l);
// Whether interrupts were on.
MUST_USE bool lock_irq(struct lock *l) ACQUIRE(*l);
void unlock_irq(struct lock *l, bool on) RELEASE(*l);

// For the two below: wait for a lock that others have; in builds for tests,
// with interrupts or preemption off, the order of locks.
void lock_spin(struct lock *l);
void lock_note_taken(const struct lock *l);
void lock_note_released(const struct lock *l);

// Where one CPU is alone nobody comes between: interrupts, or preemption, are
// off.
static inline __attribute__((always_inline)) bool
lock_try(struct lock *l)
{
    u32 before;

    if (cpu_is_alone) {
        before = l->held;
        l->held = 1;
    } else {
        before = __atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE);
    }
    __asm__ volatile("" ::: "memory");
    return before == 0;
}

// The same where interrupts (or, for locks that they do not take, preemption)
// are off already, and stay so.
static inline void lock_irq_nested(struct lock *l) ACQUIRE(*l);
static inline void unlock_irq_nested(struct lock *l) RELEASE(*l);

static inline __attribute__((always_inline)) void LOCKS_BY_HAND
lock_irq_nested(struct lock *l)
{
    if (CHECKED)
        lock_note_taken(l);
    if (!lock_try(l))
        lock_spin(l);
}

static inline __attribute__((always_inline)) void LOCKS_BY_HAND
unlock_irq_nested(struct lock *l)
{
    if (CHECKED) {
        assert(__atomic_load_n(&l->held, __ATOMIC_RELAXED) != 0);
        lock_note_released(l);
    }
    __atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

// For a panic: whoever had it has it no more.
void lock_break(struct lock *l);

// By this CPU, as far as builds for tests know; else by any.
MUST_USE bool lock_held(const struct lock *l);

// For functions that need a lock held; builds for tests check it.
#define assert_held(l) assert(!CHECKED || lock_held(l))

// May a lock of this rank be taken while those in the bit set are held?
MUST_USE bool lock_order_allows(u64 held, enum lock_rank rank);

// Stop when no lock of this kind (spin or sleeping) has this rank.
void lock_rank_check(u32 rank, bool spin);

// For those who take one of this rank: stop when they must not.
void lock_order_check(u64 held, u32 rank, bool spin);

// A bit set of the ranks that are held on this CPU, as far as builds for tests
// know; interrupts are off.
u64 locks_held(void);

struct wait_queue {
    struct lock lock; // taken with interrupts off
    // In the order they came.
    struct list waiters MEMBER_GUARDED_BY(lock);
    u64 turns MEMBER_GUARDED_BY(lock); // that were ever taken
};

// A sleeping lock: for work of any length.  Those who want it are served in
// turn; none may hold a spin lock.
struct mutex {
    struct wait_queue queue;
    u32 rank; // enum lock_rank
    // NULL: it is free.  These two change under the lock of mutex.c, too, the
    // owner only where somebody wants it.
    struct thread *owner MEMBER_GUARDED_BY(queue.lock);
    u32 wanting MEMBER_GUARDED_BY(queue.lock); // threads, by thread.wants
    // Of those, and others since nobody did last; under that lock.
    const struct shares *group; // of the first; NULL: nobody
    bool mixed;                 // there are several, or one who is helped
    u32 urgency;                // the highest effective priority
};

// A free one.
void mutex_init(struct mutex *m, enum lock_rank rank);
// OK, or ERR_KILLED: the thread was killed and does not have it.
MUST_USE status_t mutex_lock(struct mutex *m);
// The same until a deadline, 0: not to wait; ERR_TIMED_OUT.
MUST_USE status_t mutex_lock_until(struct mutex *m, u64 deadline);
// Also for a killed thread, which has to give something back: in its turn, as
// all.  All who hold this mutex let go of it soon, whatever happens.
void mutex_lock_always(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_held(const struct mutex *m); // by the calling thread
// Where the calling thread must have none: builds for tests stop when it does.
void thread_check_mutexes(void);
