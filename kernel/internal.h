// kernel/internal.h: what the files of kernel/ offer each other.

#pragma once

#include "kernel/kernel.h"

// --- heap.c ------------------------------------------------------------------

// Bytes handed out by kernel_alloc() and not yet freed.
u64 heap_in_use(void);
// Give the memory of empty slabs back.
void heap_reclaim(void);
// Bytes of memory that the heap has from the port.
u64 heap_held(void);

// --- object.c ----------------------------------------------------------------

u64 object_count(void); // objects alive, for tests

// --- timer.c -----------------------------------------------------------------

// Deadlines of waiting threads, a heap per CPU.
struct timer {
    u64 deadline;
    u32 cpu;                                // whose heap
    bool active;                            // in the heap
    struct timer *child, *sibling, *before; // pairing heap
};

void timer_start(struct timer *t, u64 deadline); // interrupts off
void timer_cancel(struct timer *t);
u64 timer_next(void);       // of this CPU
bool timer_expire(u64 now); // true when it woke somebody

// --- wait.c ------------------------------------------------------------------

// How a wait ended.  Decided once, by compare-and-swap on waiter.outcome.
enum wake {
    WAKE_NONE,
    WAKE_WAITING,        // until one of those below
    WAKE_WAITING_ALWAYS, // ... but a kill
    WAKE_WOKEN,
    WAKE_TIMED_OUT,
    WAKE_KILLED
};

struct waiter {
    struct list link; // in the queue, under its lock; empty when taken out
    u32 outcome;      // enum wake
    u64 key;          // what it waits for, where a queue serves several things
    u64 turn;         // its number in the queue
    struct timer timer;
};

// For timers and killers: end the wait, if nobody else has.
bool waiter_expire(struct waiter *w); // interrupts off
void waiter_kill(struct waiter *w);

// --- sched.c -----------------------------------------------------------------

extern u64 sched_slice_ns; // what a thread may run while others wait

enum thread_state { THREAD_READY, THREAD_RUNNING, THREAD_BLOCKED, THREAD_DEAD };

void sched_init(struct thread *first);
void sched_block(void);            // unless sched_wake came first; irq off
void sched_wake(struct thread *t); // interrupts off
void sched_poke(struct thread *t); // have it look at `killed` soon
NORETURN void sched_exit(void);    // the current thread is dead
void sched_first_switch(void);     // a new thread's first step

// --- thread.c ----------------------------------------------------------------

enum {
    STACK_FIRST = 128 * 1024, // memory that a new stack has
    STACK_STEP = 64 * 1024,   // by which it grows
};

struct thread {
    struct thread_entry entry; // first: the stubs of port/x64 use it
    struct object object;
    void *guest;   // see thread_guest()
    u8 *stack;     // STACK_SIZE bytes
    u8 *stack_low; // committed from here up

    // Only its own CPU and interrupts on it touch these.
    u32 preempt_count; // not preempted while > 0
    bool resched;      // give way when that ends

    // The lock of its CPU's run queue protects these.
    struct context context;
    u32 cpu;
    u8 state;          // enum thread_state
    bool wake_pending; // sched_wake() came before sched_block()
    struct list ready;

    struct waiter waiter;
    u64 mutexes; // ranks of those it holds, in builds for tests

    void (*run)(void *arg); // first function
    void *arg;
    struct wait_queue ended; // those that join
    bool done MEMBER_GUARDED_BY(ended.lock);
};

void thread_init_first(struct thread *t);
void thread_reap(struct thread *t); // after its last switch

// Give the memory of pooled stacks back.
void stacks_reclaim(void);

// --- pfex.c, console.c -------------------------------------------------------

void pfex_init(void);
u32 pfex_bucket(const void *address); // that its waiters are in, for tests
void console_init(void);
