// kernel/internal.h: what the files of kernel/ offer each other.

#pragma once

#include "kernel/kernel.h"

// Of a function that others call, too: a part of the system call that it is
// most of, where the linker sees both (kernel/pass.h says why).
#define PART_OF_CALL inline __attribute__((always_inline))

// --- lock.c ------------------------------------------------------------------

void lock_interrupts_come(void); // from now on, and locks are to mind them

// --- heap.c ------------------------------------------------------------------

// Bytes handed out by kernel_alloc() and not yet freed.
u64 heap_in_use(void);
// Give the memory of empty slabs back.
void heap_reclaim(void);
// Bytes of memory that the heap has from the port.
u64 heap_held(void);

// --- object.c ----------------------------------------------------------------

u64 object_count(void); // objects alive, for tests

// --- signal.c ----------------------------------------------------------------

void signals_init(void); // a thread can run

// --- account.c ---------------------------------------------------------------

void accounts_init(void);
void account_ran(struct account *a, u64 ns); // add to its time
// Of a, or one above, all threads: see group_suspend().
bool account_is_stopped(const struct account *a);
void account_stop(struct account *a);
void account_resume(struct account *a);
// Until none is stopped, or the thread is killed.
void account_wait_resumed(struct account *a);

// Is the running thread one of those?  It goes on until it comes to generated
// code, but takes nothing that another may wait for.
bool thread_is_suspended(void);
// Wait until it is not, or it is killed (ERR_KILLED).
MUST_USE status_t thread_wait_resumed(void);

// The first of a and those above that has no room for this; NULL: all have.
const struct account *account_full(const struct account *a, enum resource r,
                                   u64 amount);

// --- kept.c ------------------------------------------------------------------

void kept_init(void);
// Nothing is kept in it, or below, from now on.
void kept_close(struct account *a);

// --- share.c -----------------------------------------------------------------

enum { PRIORITIES = LIMIT_PRIORITY + 1 };

void shares_init(void); // the root's
// Those of a new account, of a group; its parent pays.
MUST_USE status_t shares_new(struct account *a);
void shares_free(struct account *a);

// In which group a thread of the account runs.
struct shares *shares_of(const struct account *a);

// --- group.c -----------------------------------------------------------------

struct group {
    struct object object;
    struct account *account;
    struct member member; // of the group around it
    char name[LIMIT_GROUP_NAME + 1];
    u32 depth;

    // Under the lock of group.c.
    u32 processes; // in it and in those in it
    bool killed;
};

void groups_init(void);

// --- timer.c -----------------------------------------------------------------

// Deadlines of waiting threads and of timers, a heap per CPU.
struct deadline;

// It has come; returns how many were told, or may have been.  Under the heap's
// lock, with interrupts off.
typedef u32 deadline_expire_t(struct deadline *d);

struct deadline {
    struct order_item item; // in the heap; key: when
    deadline_expire_t *expire;
    u32 cpu; // whose heap
};

enum { TIMER_BATCH = 64 }; // that one interrupt deals with

// Not preemptible.
void deadline_start(struct deadline *t, u64 deadline,
                    deadline_expire_t *expire);
void deadline_cancel(struct deadline *t);
u64 timer_next(u32 cpu); // of this CPU
// The same while a thread runs, which is not interrupted more often than every
// TIMER_REST nanoseconds, but for those that one interrupt did not get to.
enum { TIMER_REST = 50000 };
u64 timer_next_beside(u32 cpu);
// Wake those that are due by `now`, until TIMER_BATCH of them or of those who
// wait for them are done; when there are more, timer_next() says so.  True when
// it woke somebody.
bool timer_expire(u64 now);

// Has it come?  The clock is slow: who waits for ever, or not at all, is told
// without.
static inline bool
deadline_is_over(u64 deadline)
{
    return deadline == 0 || (deadline != UINT64_MAX &&
                             clock_due(deadline) <= port_monotonic_ns());
}

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
    struct deadline timer;
};

// For killers and wakers: end the wait, if nobody else has.
void waiter_kill(struct waiter *w);
bool waiter_wake(struct waiter *w); // interrupts off

// A wait without a queue: the running thread's waiter may be woken from
// waiter_begin() on, and waiter_wait() is when it sleeps, until it was.
// Nothing else may wait between them.  Who may call waiter_wake() has to be
// kept from it by a lock before the thread goes on.
static inline struct waiter *waiter_begin(void);
struct waiter *waiter_begin_always(void); // a kill does not end it
// OK, ERR_TIMED_OUT or ERR_KILLED.
MUST_USE status_t waiter_wait(struct waiter *w, u64 deadline);
void waiter_cancel(struct waiter *w); // instead of waiter_wait()
// Nobody has ended it.
static inline bool
waiter_waits(const struct waiter *w)
{
    u32 outcome = __atomic_load_n(&w->outcome, __ATOMIC_SEQ_CST);

    return outcome == WAKE_WAITING || outcome == WAKE_WAITING_ALWAYS;
}

// As waiter_wake(), but the thread runs only when the caller lets it, by
// sched_wake() or waiter_pass(): soon, with interrupts off, and under the lock
// that keeps it from going on until then.  NULL: the wait had ended.
static inline struct thread *waiter_claim(struct waiter *w);
// As waiter_wait(), with interrupts off and `held` locked, which is released;
// `pass.to`, which was claimed, or NULL, goes on at once, and what is lent is
// what it says, if there is one; but `to` has to take what `pass.lent` says by
// itself where it was not asleep yet: then its own *passed is false.  *passed:
// the wait was ended by who claimed the thread and passed the CPU on to it, who
// has done with it since.
struct pass;
MUST_USE status_t waiter_pass(struct waiter *w, const struct pass *pass,
                              struct lock *held, u64 deadline, bool *passed)
    RELEASE(*held);
// What is left of it when the thread goes on and was not *passed the CPU.
MUST_USE status_t waiter_end(struct waiter *w, u64 deadline);

// --- sched.c -----------------------------------------------------------------

extern u64 sched_slice_ns; // what a thread may run while others wait

enum { STAYS_MAX = 3 }; // of thread.stays

enum thread_state { THREAD_READY, THREAD_RUNNING, THREAD_BLOCKED, THREAD_DEAD };

// How a thread came to run, bits: another passed the CPU on to it (else it was
// the next); all else that is the CPU's stayed as it was.
enum way_in { CHOSEN = 0, PASSED = 1, AT_ONCE = 2 };

void sched_init(struct thread *first);
void sched_block(void);            // unless sched_wake came first; irq off
void sched_wake(struct thread *t); // interrupts off

// What a thread takes of another while it serves its call: its time, at the
// priority that one had then, under the ceiling of the account.
struct lent {
    struct account *account; // whose time it is; NULL: its own
    u32 priority;
};

// From the running thread on to another.
struct pass {
    struct thread *to; // that is blocked, or about to
    // What it takes from then on, all that the running thread can lend, is
    // written there first; NULL: as it is.
    struct lent *lent;
    struct lent keep; // what the running thread does
};

// The running thread blocks as in sched_block(), and pass.to, which is blocked,
// runs here at once in the same time slice; one that is not blocked yet goes on
// where it is.  `held` is released when nobody else can let `to` run any more.
// What the running thread, `self`, is lent changes when its time until now is
// accounted for.  Interrupts are off.  True: since then another has passed the
// CPU on to it.
bool sched_pass(struct thread *self, const struct pass *pass, struct lock *held)
    RELEASE(*held);
// The same for what the running thread is lent alone.
void sched_lend(struct lent lent);
// What the running thread can lend; interrupts are off.
struct lent sched_lent(const struct thread *self);
void sched_deadline_changed(void); // one of this CPU: look when the next is
// Its group or priority may be another now, or it was killed: have it look.
// Locks of the rank WAIT may be held.
void sched_changed(struct thread *t);
void sched_cap_changed(struct account *a);
void sched_ceilings_changed(void);
void sched_look(void);     // have all that run look whether they are stopped
void sched_account(void);  // what has run until now is in the accounts
extern bool sched_forgets; // see sched_forget_branches()
u64 sched_forgot(void);    // how often CPUs did: for tests
NORETURN void sched_exit(void); // the current thread is dead
void sched_first_switch(void);  // a new thread's first step

// --- place.c -----------------------------------------------------------------

u64 place_calls(void); // of idle CPUs, ever: for tests

// --- thread.c ----------------------------------------------------------------

enum {
    STACK_FIRST = 128 * 1024, // memory that a new stack has
    STACK_STEP = 64 * 1024,   // by which it grows
};

_Static_assert((int)STACK_KERNEL < (int)STACK_FIRST,
               "generated code has some, too");

struct thread {
    struct thread_entry entry; // first: the stubs of port/x64 use it
    struct object object;
    u32 number;              // of all that were made, from 1, for reports
    struct account *account; // see thread_account()
    struct account *payer;   // see thread_charge(); the thread's own
    struct charge memory;    // of its stack
    // Changes under the lock of its CPU's run queue; others read the account.
    struct lent lent;
    struct activation *activation; // gate.h; its own, NULL: it never served
    u8 *stack;                     // STACK_SIZE bytes
    u8 *stack_low;                 // committed from here up

    // Only its own CPU and interrupts on it touch these.
    u32 preempt_count; // not preempted while > 0
    bool resched;      // give way when that ends

    // The lock of its CPU's run queue protects these.
    struct context context;
    u32 cpu;
    u8 state;          // enum thread_state
    bool wake_pending; // sched_wake() came before sched_block()
    u8 way_in;         // bits of enum way_in
    // The last in which the CPU was handed to or from it, see run_queue.h; any
    // CPU reads it.
    u64 session;
    struct order_item ready; // in share->below; key: its virtual time there
    struct share *share;     // where it is ready or runs, or did last
    bool at_home;            // there by its own time, class and all; else false
    i64 lag; // how far before or behind others it is to begin elsewhere

    u32 priority;           // atomic; see thread_priority()
    u32 ceilings;           // see share.c: when its class in `ready` was chosen
    struct list queued;     // in q->ready while `ready` is in an order
    struct order_item help; // of those in others' way, beside `ready`
    // Of the kernel's mutexes, see mutex.c.
    u32 mutexes_held;
    struct mutex *wants; // that it waits for, under the lock of mutex.c
    // Both atomic: for those that it holds.
    bool helped;   // others of other groups wait: it runs where they do, too
    u32 inherited; // the highest priority of those of its group who wait

    // Only while it runs, with interrupts off.
    u64 woke_at;                // another one; 0: none since it last slept
    const struct thread *woken; // the last, or NULL; only to be compared
    u8 stays; // up to STAYS_MAX: it did not sleep soon after that

    struct waiter waiter;
    struct list *disposing; // see channel_message.c, or NULL
    u64 mutexes;            // ranks of those it holds, in builds for tests

    void (*run)(void *arg); // first function
    void *arg;

    struct lock windows; // guards no field: window.open of what it lends
};

// What others look at who have not the lock of its queue: to find that, or to
// see that it sleeps.  Who finds the new queue finds it out of the old one.
static inline void
thread_set_cpu(struct thread *t, u32 cpu)
{
    __atomic_store_n(&t->cpu, cpu, __ATOMIC_RELEASE);
}

static inline void
thread_set_state(struct thread *t, enum thread_state state)
{
    __atomic_store_n(&t->state, (u8)state, __ATOMIC_RELAXED);
}

// Whether thread_kill() was called for it, whoever asks.
static inline bool
thread_killed(const struct thread *t)
{
    return __atomic_load_n(&t->entry.killed, __ATOMIC_SEQ_CST);
}

static inline struct thread *
waiter_thread(struct waiter *w)
{
    return CONTAINER(w, struct thread, waiter);
}

// `self` is the running thread.
static inline struct waiter *
waiter_begin_as(struct thread *self, enum wake waiting)
{
    struct waiter *w = &self->waiter;

    assert(!waiter_waits(w));
    atomic_store_u32(&w->outcome, (u32)waiting);
    return w;
}

static inline struct waiter *
waiter_begin(void)
{
    return waiter_begin_as(thread_current(), WAKE_WAITING);
}

// True for the one who ends the wait; interrupts are off.
static inline bool
waiter_win(struct waiter *w, enum wake outcome)
{
    u32 before = __atomic_load_n(&w->outcome, __ATOMIC_SEQ_CST);

    while (before == WAKE_WAITING ||
           (before == WAKE_WAITING_ALWAYS && outcome != WAKE_KILLED)) {
        if (atomic_cas_u32(&w->outcome, &before, (u32)outcome))
            return true;
    }
    return false;
}

static inline struct thread *
waiter_claim(struct waiter *w)
{
    return waiter_win(w, WAKE_WOKEN) ? waiter_thread(w) : NULL;
}

// Whose time it takes now.
static inline struct account *
thread_time_account(const struct thread *t)
{
    struct account *lender =
        __atomic_load_n(&t->lent.account, __ATOMIC_RELAXED);

    return lender != NULL ? lender : t->account;
}

// In whose group it runs: of the account whose time it takes, but its own where
// that has a cap, as others wait for it, too.
struct account *thread_run_account(const struct thread *t);
// At what priority it runs there.
u32 thread_effective_priority(const struct thread *t);
// The same of the running thread, in no time; interrupts are off.
u32 share_priority(const struct thread *t);

void thread_init_first(struct thread *t);
void thread_reap(struct thread *t); // after its last switch

// Give the memory of pooled stacks back.
void stacks_reclaim(void);

// --- pfex.c, console.c, channel_message.c ------------------------------------

void pfex_init(void);
u32 pfex_bucket(const void *address); // that its waiters are in, for tests
void channels_init(void);
void console_init(void);

// --- terminal.c --------------------------------------------------------------

void terminal_init(void);
// Bytes that were typed.
void terminal_input(struct bytes bytes);
// Some of what is to be printed because of them; returns how many.  It stays to
// be printed until it is dropped, from the front.
u32 terminal_see_echo(u8 *to, u32 size);
void terminal_drop_echo(u32 count);
