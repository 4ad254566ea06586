// kernel/: threads and what they need.  Locks, waits, timers, the scheduler,
// objects and their handles, the kernel heap, the console.  Nothing here knows
// what WebAssembly is; the sources are the same on every port (kernel/port.h).
//
// This is the public interface; kernel/internal.h is the kernel's own.

#pragma once

#include "abi/abi.h"
#include "base/base.h"
#include "kernel/lock.h"
#include "kernel/port.h"

struct thread;
struct account;

// --- start (kernel.c) --------------------------------------------------------

// Bring the kernel up on the first CPU.  Called on a stack as kernel/port.h
// says, interrupts off.  Afterwards the caller runs as the first thread,
// interrupts on.
void kernel_init(void);

// Give memory that is kept to be faster next time (stacks, heap) to the port.
void kernel_reclaim(void);

// --- clocks (clock.c) --------------------------------------------------------

// The grain of all that programs are told of the time, 1 ns at first.
void clock_set_grain(u64 ns);
u64 clock_grain(void);
// A time of a clock as programs are told it: rounded down.
u64 clock_told(u64 ns);
// When who waits for this time is woken: rounded up; 0 and UINT64_MAX stay.
u64 clock_due(u64 deadline);

// --- threads (thread.c, sched.c) ---------------------------------------------

// What every stack notes at its high end, above the first frame: whose it is,
// and, also while it is in the pool, what memory it has.
struct stack_note {
    struct port_promise promise; // memory that it may grow into
    u8 *low;                     // committed from here up
    struct thread *thread;
    u64 used_by; // thread_new_in()'s process, of the last that had it
};

_Static_assert(sizeof(struct stack_note) <= STACK_TOP, "above the first frame");

static inline struct stack_note *
stack_note(u64 in_stack)
{
    u64 low = in_stack & ~(u64)(STACK_SIZE - 1);

    return (struct stack_note *)(low + STACK_SIZE) - 1;
}

// The thread that runs, by the stack it runs on.
static inline struct thread *
thread_current(void)
{
    u64 rsp;

    __asm__("mov %%rsp, %0" : "=r"(rsp)); // on one stack all along
    return stack_note(rsp)->thread;
}

// What the stubs of the port know of t.
static inline struct thread_entry *
thread_entry(struct thread *t)
{
    return (struct thread_entry *)t;
}

// The same by the CPU, whatever stack we are on.
struct thread *sched_current(void);

// From now on (or no longer) a CPU that goes from a thread of one group to one
// of another forgets what it has learned of branches.
void sched_forget_branches(bool on);

// A thread that calls run(arg) and ends; not yet running.  The caller owns a
// reference.  sched_start() or thread_discard() come next.
MUST_USE status_t thread_new(struct thread **out, void (*run)(void *arg),
                             void *arg);
// The same, which may find on its stack what threads of the same process left
// there: a number that no other has, or had, or 0.
MUST_USE status_t thread_new_in(struct thread **out, void (*run)(void *arg),
                                void *arg, u64 process);
// Promise t, not yet running, memory for its whole stack; false: there is none.
MUST_USE bool thread_promise_stack(struct thread *t);
void sched_start(struct thread *t);    // make a new thread ready
void thread_discard(struct thread *t); // one that was never started
void thread_release(struct thread *t);
// As object_wait_one().
MUST_USE status_t thread_join(struct thread *t, u64 deadline);
void thread_kill(struct thread *t);

// Run `run(arg)` in a thread of its own.  ERR_TIMED_OUT when it had not ended
// at the deadline: then it was killed, and has returned all the same.
MUST_USE status_t thread_run_until(void (*run)(void *arg), void *arg,
                                   u64 deadline_ns);

// Let those that are ready run first.
void thread_yield(void);

// The running thread ends when it is back at generated code.
void thread_exit(void);

// Was the calling thread killed?  Then it waits no more: every wait returns
// ERR_KILLED, which goes up to the generated code that called, where the thread
// leaves.  Whatever runs long without a wait asks now and then.
bool thread_is_killed(void);

// Sleep until the deadline; OK or ERR_KILLED.
MUST_USE status_t thread_sleep_until(u64 deadline_ns);

enum {
    STACK_RESERVE = 48 * 1024, // below a frame of generated code, for C and for
                               // interrupts
};

// The end of t's stack, and how far down it has memory.
const u8 *thread_stack_end(const struct thread *t);
const u8 *thread_stack_low(const struct thread *t);

// Give t memory for a stack down to `rsp` and the reserve.  ERR_LIMIT: there
// are no more addresses for it; ERR_NO_MEMORY.
MUST_USE status_t thread_grow_stack(struct thread *t, u64 rsp);

// --- waiting (wait.c) --------------------------------------------------------

// Nobody waits.
void wait_queue_init(struct wait_queue *q);

// Wait.  Called with q->lock held by lock_irq (`on` is its result), returns
// with it released.  OK: woken; ERR_TIMED_OUT; ERR_KILLED, at once when the
// thread was killed before.
MUST_USE status_t wait_queue_wait(struct wait_queue *q, u64 key, u64 deadline,
                                  bool on) RELEASE(q->lock);

// Wait until `*flag`, which changes under q->lock with a wake, is `value`.  OK:
// returns with q->lock held, `*on` for unlock_irq; else without.
MUST_USE status_t wait_queue_until(struct wait_queue *q, const bool *flag,
                                   bool value, u64 deadline, bool *on);

// The same as wait_queue_wait for one who has to give something back: until
// woken, also when the thread is killed.  Only for what is soon to come.
void wait_queue_wait_always(struct wait_queue *q, u64 key, bool on)
    RELEASE(q->lock);

// Wake at most `count` waiters with this key, oldest first; q->lock is held.
u32 wait_queue_wake(struct wait_queue *q, u64 key, u32 count) REQUIRES(q->lock);
// The oldest waiter is not one any more, and runs when the caller lets it, by
// sched_wake(); NULL: nobody waits.
struct thread *wait_queue_claim(struct wait_queue *q) REQUIRES(q->lock);

// The same for any number of them, of those that wait now.  Takes q->lock by
// itself, for some of them at a time.
u32 wait_queue_wake_many(struct wait_queue *q, u64 key, u32 count);

// --- waits on words of memory (pfex.c) ---------------------------------------

// OK: it is the caller's; ERR_KILLED: it is not.
MUST_USE status_t pfex_acquire(u32 *word);
MUST_USE status_t pfex_release(u32 *word);
// memory.atomic.wait and notify; timeout_ns < 0: forever.  OK and *result, or
// ERR_KILLED.
enum { WAIT_WOKEN, WAIT_NOT_EQUAL, WAIT_TIMED_OUT };
MUST_USE status_t atomic_wait(const void *address, bool is64, u64 expected,
                              i64 timeout_ns, u32 *result);
u32 atomic_notify(const void *address, u32 count);

// --- objects (object.c) ------------------------------------------------------

enum right {
#define RIGHT(bit, id, text) RIGHT_##id = 1 << bit,
#include "abi/rights.def"
    RIGHT_READ_WRITE = RIGHT_READ | RIGHT_WRITE,
};

enum signal {
#define SIGNAL(bit, id, text) SIGNAL_##id = (int)(1u << bit),
#include "abi/signals.def"
    SIGNALS_USER = (int)0xff000000, // USER_0 to USER_7
};

struct object;

struct object_type {
    const char *name;
    u32 rights;                      // those that a first handle carries
    u32 user_signals;                // those that programs may set and clear
    void (*free)(struct object *);   // the last reference is gone
    void (*closed)(struct object *); // the last handle is gone, or NULL
};

// What every object starts with.
struct object {
    const struct object_type *type;
    u32 references; // atomic
    u32 handles;    // atomic: those of programs and messages

    struct lock lock;                    // taken with interrupts off
    u32 signals MEMBER_GUARDED_BY(lock); // read without it, too
    u32 observer_count MEMBER_GUARDED_BY(lock);
    struct list observers MEMBER_GUARDED_BY(lock);
    u32 late; // atomic: observers that hear later, see signal.c
};

// 1 reference, no handle.
void object_init(struct object *o, const struct object_type *type);
// A new one of `size` bytes, which begins with its struct object; *out, of any
// pointer type, gets its address.  ERR_LIMIT: the payer cannot; ERR_NO_MEMORY.
MUST_USE status_t object_new(void *out, const struct object_type *type,
                             u64 size, struct account *payer);
static inline void
object_hold(struct object *o)
{
    assert(__atomic_load_n(&o->references, __ATOMIC_RELAXED) > 0);
    count_up(&o->references);
}
// The same for who has no reference, but keeps the memory from being freed;
// false: the last reference is gone.
MUST_USE bool object_hold_live(struct object *o);
void object_end(struct object *o); // the last reference is gone
static inline void
object_release(struct object *o) // NULL is allowed
{
    if (o != NULL && count_down(&o->references))
        object_end(o);
}
// The same for a handle, which has a reference.
void object_hold_handle(struct object *o);
void object_release_handle(struct object *o);

#define OBJECT(number, id, granted, user, closed, help) \
    extern const struct object_type id##_type;          \
    void id##_free(struct object *o);
#include "abi/objects.def"

// The functions from struct <id>, whose `member` the object is, to the object
// and back.
#define OBJECT_FUNCTIONS(id, member)              \
    struct object *id##_object(struct id *x)      \
    {                                             \
        return &x->member;                        \
    }                                             \
                                                  \
    struct id *id##_from_object(struct object *o) \
    {                                             \
        return CONTAINER(o, struct id, member);   \
    }

// A thread as an object, and back.
struct object *thread_object(struct thread *t);
struct thread *thread_from_object(struct object *o);

// --- signals (signal.c) ------------------------------------------------------

// Those that are set now.
u32 object_signals(const struct object *o);

// Clear some, then set some, in one step; not under the lock of a wait queue.
// Returns how many observers it looked at.  Those that it does not tell at once
// (SIGNAL_BATCH) hear soon, of this signal as it was now.
enum { SIGNAL_BATCH = 64 };
u32 object_signal(struct object *o, u32 clear, u32 set);

// Who wants to know when one of the signals `awaited` comes.
struct observer {
    struct list link; // in object.observers, under its lock
    u32 awaited;
    u32 observed; // all that were set at those times
    u32 times;    // how many those are, until notify() says 0
    // With interrupts off, under the object's lock or that of late observers.
    void (*notify)(struct observer *ob);
    struct object *object;
    struct list late; // in the list of late observers, or empty
};

// From now on, and at once where one is set already, until object_forget(),
// which says what is set then.  ERR_FULL: o has LIMIT_OBSERVERS.
MUST_USE status_t object_observe(struct object *o, struct observer *ob);
u32 object_forget(struct object *o, struct observer *ob);

// What a thread waits for: observer.awaited on an object that the caller holds;
// afterwards observer.observed is what was set when the wait ended, and that
// ended it.
struct object_wait {
    struct observer observer;
    struct object *object;
    struct waiter *waiter;
};

// Wait for any of them.  OK, ERR_TIMED_OUT, ERR_KILLED or ERR_FULL (see above).
MUST_USE status_t object_wait_many(struct object_wait *waits, u32 count,
                                   u64 deadline);
// The same for one; `observed` may be NULL.
MUST_USE status_t object_wait_one(struct object *o, u32 awaited, u64 deadline,
                                  u32 *observed);
// Also when the thread is killed: only for what is soon to come, and few wait
// for.
void object_wait_always(struct object *o, u32 awaited);

// --- events and timers (event.c, timer_object.c) -----------------------------

// Events have no functions: object_signal() is all.
MUST_USE status_t event_new(struct object **out, struct account *payer);

struct timer;

// By OBJECT_FUNCTIONS.
struct timer *timer_from_object(struct object *o);
struct object *timer_object(struct timer *t);

// Not set.
MUST_USE status_t timer_new(struct timer **out, struct account *payer);
// SIGNALED at the monotonic time `at`, and with a period > 0 again after each,
// but not before timer_read() was called.
void timer_set(struct timer *t, u64 at, u64 period);
void timer_stop(struct timer *t); // to no time; not SIGNALED then
// How often it has fired since it was set or read, and not SIGNALED then;
// ERR_SHOULD_WAIT: not once.
MUST_USE status_t timer_read(struct timer *t, u64 *count);

// --- what is used, and for whom (account.c) ----------------------------------

enum resource {
#define RESOURCE(number, id, process, unit, help) RESOURCE_##id = number,
#include "abi/resources.def"
    RESOURCE_COUNT
};

// A node of a tree: of a process, or of a group.
struct account {
    struct account *parent;                          // a reference
    u32 references;                                  // atomic
    u64 used[RESOURCE_COUNT], limit[RESOURCE_COUNT]; // atomic
    u64 cpu_ns;                                      // atomic

    struct shares *shares; // of each CPU; NULL: those of the account above
    u32 weight, cap;       // atomic: of those, see account_set_cpu()
    u32 ceiling;           // atomic: of the priorities of threads
    u64 group;             // the number of the group, none has it again
    u64 used_until;        // atomic: see share.c
    bool closed;           // atomic: its group was killed, see kept.c
    u32 overcommit;        // atomic: percent; 0: as the account above

    struct wait_queue resumed;
    bool stopped MEMBER_GUARDED_BY(resumed.lock); // others look without
};

// Below `parent`, without limits of its own; 1 reference.
MUST_USE status_t account_new(struct account **out, struct account *parent);
struct account *account_root(void);
void account_of_new_group(struct account *a);  // until then, as the one above
void account_limit_process(struct account *a); // to what one process may use
void account_hold(struct account *a);
void account_release(struct account *a); // NULL is allowed

// Count this in a and in all accounts above, or, when one of them would be over
// its limit, in none: false.  Callable with interrupts off.  Who charges has a
// reference until he takes it back.
MUST_USE bool account_charge(struct account *a, enum resource r, u64 amount);
void account_uncharge(struct account *a, enum resource r, u64 amount);
u64 account_used(const struct account *a, enum resource r);
u64 account_limit(const struct account *a, enum resource r);
// May be less than is used: then nothing more is.
void account_set_limit(struct account *a, enum resource r, u64 limit);

// How large memories are beside what they are promised when they are made or
// grow, in percent, from 100 to LIMIT_OVERCOMMIT; 0: as above a, and at the
// root 100.
void account_set_overcommit(struct account *a, u32 percent);
u32 account_overcommit(const struct account *a); // never 0

// What an owner has charged of a resource, with a reference to the account; all
// zero: nothing.  Only one thread at a time may change it.
struct charge {
    struct account *account;
    u64 amount;
};

// Let it be `total`, at least; the first time it is for account_current().
// False, and nothing has changed: that would be over a limit.
MUST_USE bool charge_to(struct charge *c, enum resource r, u64 total);
void charge_less(struct charge *c, enum resource r, u64 total); // at most
// Commit `size` bytes more, charged for; else nothing has changed: ERR_LIMIT
// or ERR_NO_MEMORY.
MUST_USE status_t charge_commit(struct charge *c, enum resource r, void *at,
                                u64 size);
void charge_end(struct charge *c, enum resource r); // it becomes all zero
// Let it be counted in a instead, which has room for it, and what is above a
// but not above where it was; else false, and nothing has changed.
MUST_USE bool charge_move(struct charge *c, enum resource r, struct account *a);

// Who pays for what the running thread has made: its own account, or another.
struct account *account_current(void);
// Let that be a; returns who it was.  NULL: its own.
struct account *thread_charge(struct account *a);

// Nanoseconds that its threads and those below have run.
u64 account_cpu_ns(const struct account *a);

// How a group shares the CPU with others in the same group: by weight, from 1
// to LIMIT_WEIGHT, and at most `cap` percent of one CPU, if that is not 0.
void account_set_cpu(struct account *a, u32 weight, u32 cap);
void account_get_cpu(const struct account *a, u32 *weight, u32 *cap);
// The highest priority that its threads, and those below, have; disturbs no CPU
// while no thread is in it.
void account_set_ceiling(struct account *a, u32 ceiling);
u32 account_ceiling(const struct account *a);    // that, and of those above
bool account_is_capped(const struct account *a); // or one of those above

// From 0 to LIMIT_PRIORITY: of the threads of one group that are ready the
// highest goes first.  What was set, as far as the ceiling lets it.
u32 thread_priority(const struct thread *t);
void thread_set_priority(struct thread *t, u32 priority);

// Whose the thread's time is, and what it makes.  A new one's is
// account_current() of the thread that made it.
struct account *thread_account(const struct thread *t);

// --- what nobody uses, but is kept (kept.c) ----------------------------------

// Part of what is kept; its owner's, but for the members.
struct kept {
    struct list link; // under the lock of kept.c
    struct account *account;
    u64 size;
    void (*drop)(struct kept *k);
};

// Not kept yet.  drop() frees what k is part of, which nobody finds any more
// then: it may be called, without locks, as soon as k was put.
void kept_setup(struct kept *k, void (*drop)(struct kept *k));
// Keep it: `size` bytes, which the owner has charged to a.  False: a, or one
// above, is closed.  kept_trim() follows, without locks.
MUST_USE bool kept_put(struct kept *k, struct account *a, u64 size);
void kept_trim(void);
// It is in use again; false: it was not kept, or drop() has been or is called.
MUST_USE bool kept_take(struct kept *k);
// Drop what gives a room for this; false: nothing does.
MUST_USE bool kept_make_room(struct account *a, enum resource r, u64 amount);
// There is no memory: drop something, unless a lock is held or interrupts are
// off.  False: nothing was dropped.
MUST_USE bool kept_relieve(void);
// port_commit() and port_promise(), with that.
MUST_USE bool kept_commit(void *at, u64 size);
MUST_USE bool kept_promise(struct port_promise *promise, u64 size);
void kept_reclaim(void); // drop all
u32 kept_count(void);    // how many there are

// --- groups of processes (group.c) -------------------------------------------

struct group;

// A process or a group, in a group.
struct member {
    struct list link; // of all there are, under the lock of group.c
    u64 id;           // from 1, once it was added
    struct group *group;
    struct account *account;
    struct object *object;
    const char *name;
    u32 kind;    // MEMBER_PROCESS, MEMBER_GROUP, 0: nothing
    bool ending; // atomic; of a process
    void (*kill)(struct member *m, u32 exit_status); // of a process
};

// In no list yet; holds the group until member_done().
void member_init(struct member *m, struct group *g, u32 kind,
                 struct object *object, const char *name);
void member_done(struct member *m);
// From now on it is found by those who look into the group.  ERR_EXITED: the
// group was killed.  It holds its own object until it is removed.
MUST_USE status_t member_add(struct member *m);
void member_remove(struct member *m); // if it was added

// The first group, which has all others in it.
struct group *group_root(void);
// A group as an object, and back.
struct object *group_object(struct group *g);
struct group *group_from_object(struct object *o);
struct account *group_account(const struct group *g); // as long as g

// A group in another, without limits of its own.  ERR_LIMIT: too deep, or the
// parent may not have more; ERR_EXITED: that was killed.
MUST_USE status_t group_new(struct group **out, struct group *parent,
                            const char *name);

// Its threads, and those of groups in it, stop before they run generated code
// again; what they do in the kernel they bring to its end.
void group_suspend(struct group *g);
void group_resume(struct group *g);
// End all processes in it and in groups in it, now and ever.  SIGNAL_ENDED when
// the last one has ended.
void group_kill(struct group *g, u32 exit_status);

// What is in it and in groups in it, with numbers above `after`, in their
// order, as many as fit: struct group_entry.  Returns how many.
u32 group_list(const struct group *g, u64 after, struct bytes entries);
// The one with this number, its object held; NULL: it is not in the group.
struct member *group_find(const struct group *g, u64 id);

// --- a process's names for objects (handle.c) --------------------------------

typedef u32 handle_t; // generation << 20 | index; 0 is none

struct handle_slot {
    struct object *object; // owns a reference; NULL: free
    u32 rights;
    u32 generation; // free: also links the free list through `next`
    u32 next;
};

enum { HANDLE_CHUNK = 256, HANDLE_CHUNKS = LIMIT_HANDLES / HANDLE_CHUNK };

struct handle_table {
    struct account *account; // of the handles in it
    struct lock lock;
    struct handle_slot *chunks[HANDLE_CHUNKS] MEMBER_GUARDED_BY(lock);
    u32 slots MEMBER_GUARDED_BY(lock);  // made so far
    u32 free MEMBER_GUARDED_BY(lock);   // index of the first free slot + 1
    u32 rested MEMBER_GUARDED_BY(lock); // that have had all generations
    u32 used MEMBER_GUARDED_BY(lock);
    u32 reserved MEMBER_GUARDED_BY(lock); // counted beyond those
    // More than one thread may use it; set by the one that makes the second.
    bool shared;
};

// Of zeroed memory; `account` stays as long.
void handle_table_init(struct handle_table *t, struct account *account);

// A new handle; takes a reference of its own.
MUST_USE status_t handle_new(struct handle_table *t, struct object *o,
                             u32 rights, handle_t *out);
// The only way from a handle to an object: checks that the handle is alive, the
// type (NULL: any) and the rights.  The caller owns a reference.
MUST_USE status_t handle_get(struct handle_table *t, handle_t h,
                             const struct object_type *type, u32 rights,
                             struct object **out);
MUST_USE status_t handle_close(struct handle_table *t, handle_t h);
MUST_USE status_t handle_duplicate(struct handle_table *t, handle_t h,
                                   u32 rights, handle_t *out);
void handle_table_free(struct handle_table *t);

// What a handle is on its way from one table to another.
struct carried {
    struct object *object; // with the references of a handle
    u32 rights;
};

struct loan {
    struct object *object; // NULL: see `status`
    status_t status;
    bool held; // the object is to be released then
};

enum {
    HANDLE_INDEX_BITS = 20,
    HANDLE_INDEX_MASK = (1 << HANDLE_INDEX_BITS) - 1,
};

// The slot of a live handle or NULL; the table does not change meanwhile.
static inline const struct handle_slot *LOCKS_BY_HAND
handle_look_up(const struct handle_table *t, handle_t h)
{
    u32 index = (h & HANDLE_INDEX_MASK) - 1;

    if (index >= t->slots)
        return NULL;
    index = (u32)index_masked(index, t->slots);
    const struct handle_slot *slot =
        &t->chunks[index / HANDLE_CHUNK][index % HANDLE_CHUNK];
    if (slot->object == NULL || slot->generation != h >> HANDLE_INDEX_BITS)
        return NULL;
    return slot;
}

// What is wrong with a handle, of which handle_look_up() said this.
static inline status_t
handle_check(const struct handle_slot *slot, const struct object_type *type,
             u32 rights)
{
    if (slot == NULL)
        return ERR_BAD_HANDLE;
    if (type != NULL && slot->object->type != type)
        return ERR_WRONG_TYPE;
    return (slot->rights & rights) == rights ? OK : ERR_ACCESS;
}

// As handle_get(), for as long as the running thread takes no handle out of the
// table; where other CPUs may, with the lock.
struct loan handle_lend_locked(struct handle_table *t, handle_t h,
                               const struct object_type *type, u32 rights);

static inline __attribute__((always_inline)) struct loan
handle_lend(struct handle_table *t, handle_t h, const struct object_type *type,
            u32 rights)
{
    struct loan loan = {.object = NULL, .held = t->shared};
    bool on = false;

    if (loan.held && !cpu_is_alone)
        return handle_lend_locked(t, h, type, rights);
    if (loan.held)
        on = port_interrupts_off();
    const struct handle_slot *slot = handle_look_up(t, h);
    loan.status = handle_check(slot, type, rights);
    if (loan.status == OK)
        loan.object = slot->object;
    if (loan.object != NULL && loan.held)
        object_hold(loan.object);
    if (loan.held)
        port_interrupts_restore(on);
    return loan;
}
// As handle_get(), and what rights the handle has.
MUST_USE status_t handle_peek(struct handle_table *t, handle_t h,
                              const struct object_type *type, u32 rights,
                              struct carried *out);
// Let so many handles, HANDLE_CHUNK at most, fit into one that has had none.
MUST_USE status_t handle_table_reserve(struct handle_table *t, u32 count);

// Take these handles out of the table, all or none; carried[].object says what
// they named when the caller looked.  ERR_BAD_HANDLE, ERR_ACCESS (without
// RIGHT_TRANSFER), ERR_BAD_ARGUMENT (one of them twice).  The table's account
// goes on counting them, as *counted, which was zero, or (NULL) does not.
MUST_USE status_t handle_take(struct handle_table *t, const handle_t *handles,
                              struct carried *carried, u32 count,
                              struct charge *counted);
// Make handles of them, all or none.
MUST_USE status_t handle_put(struct handle_table *t,
                             const struct carried *carried, handle_t *handles,
                             u32 count);

// --- channels (channel.c) ----------------------------------------------------

struct channel;

// By OBJECT_FUNCTIONS; the type closes an end by channel_closed().
struct channel *channel_from_object(struct object *o);
struct object *channel_object(struct channel *c);
void channel_closed(struct object *o);

// Both ends, each with one reference, or ERR_LIMIT or ERR_NO_MEMORY.
MUST_USE status_t channel_new(struct channel *ends[2], struct account *payer);

// Who writes, and the handles that are to move.
struct channel_side {
    struct account *payer;
    struct handle_table *table;
    const handle_t *handles;
    u32 handle_count;
};

// A copy of at most LIMIT_MESSAGE_SIZE bytes, and at most LIMIT_MESSAGE_HANDLES
// handles: after an error all of them are still the writer's.  ERR_LIMIT: too
// many, or the payer cannot; ERR_SHOULD_WAIT: the queue is full;
// ERR_PEER_CLOSED; ERR_LOOP: the message would be in itself; handle_take()'s.
// Never waits for a reader; ERR_KILLED.
MUST_USE status_t message_write(struct channel *c, struct bytes bytes,
                                const struct channel_side *side);

// Who reads, and what he got.
struct channel_read {
    struct handle_table *table;
    struct bytes room;
    handle_t *handles;
    u32 handle_room;
    u32 size, handle_count; // of the message, also where it does not fit
};

// ERR_TOO_SMALL: the next message does not fit, and stays; ERR_SHOULD_WAIT:
// there is none, and `deadline` is 0; ERR_PEER_CLOSED: there is none and will
// be none; ERR_BAD_HANDLE: the last handle of c was closed meanwhile;
// ERR_TIMED_OUT, ERR_KILLED, ERR_FULL (LIMIT_OBSERVERS wait), handle_put()'s.
MUST_USE status_t message_read(struct channel *c, struct channel_read *r,
                               u64 deadline);

// Write a request, whose first four bytes become the number of the call, and
// wait for the message that begins with it: errors of both.  After an error
// past the write, the reply, when it comes, is a message like others.
MUST_USE status_t message_call(struct channel *c, struct bytes request,
                               const struct channel_side *side,
                               struct channel_read *reply, u64 deadline);

// --- gates (gate.c) ----------------------------------------------------------

struct gate;
struct door;

// By OBJECT_FUNCTIONS; the types close them by gate_closed() and
// door_closed().
struct gate *gate_from_object(struct object *o);
struct object *gate_object(struct gate *g);
struct door *door_from_object(struct object *o);
struct object *door_object(struct door *d);
void gate_closed(struct object *o);
void door_closed(struct object *o);

// Requests have `request_size` bytes at most, LIMIT_GATE_SIZE or less.
MUST_USE status_t gate_new(struct gate **out, u32 request_size,
                           struct account *payer);
// What calls g, with a badge.
MUST_USE status_t door_new(struct door **out, struct gate *g, u64 badge,
                           struct account *payer);

// What a server gets.
struct gate_request {
    struct bytes room; // for gate.request_size bytes
    u32 kind;          // GATE_CALL, or GATE_CLOSED: a door
    u32 size;          // of what is in the room
    u64 badge;
};

// Reply to the call that the thread serves, if it does, and wait at g for the
// next.  Before the reply: ERR_TOO_SMALL: no room for a request, ERR_LIMIT: the
// reply has more than LIMIT_GATE_SIZE bytes, ERR_NOT_FOUND: there is one, but
// no call, ERR_NO_MEMORY.  After it: ERR_SHOULD_WAIT: there is no call, and
// `deadline` is 0; ERR_BAD_HANDLE: the last handle of g was closed;
// ERR_TIMED_OUT, ERR_KILLED.
MUST_USE status_t gate_serve(struct gate *g, struct bytes reply,
                             struct gate_request *r, struct account *payer,
                             u64 deadline);
// Reply only.  ERR_NOT_FOUND: the thread serves no call; ERR_LIMIT.
MUST_USE status_t gate_reply(struct bytes reply);

// A window that a call is to lend: of the caller's memory, or of a window that
// it was lent itself (window_narrow()).
struct window;
struct window_offer {
    struct bytes memory;
    u32 access;                  // WINDOW_READ, WINDOW_WRITE: bits
    const struct window *parent; // NULL: the caller's memory
};

// Call: the request is copied when a server takes it, and the reply, of *size
// bytes, when it comes.  The windows are open until then, or until the caller
// leaves, who keeps their memory alive meanwhile.  ERR_TOO_SMALL: the request
// is larger than the gate takes, or the reply than `room`; ERR_LIMIT: more than
// LIMIT_GATE_DEPTH calls inside each other, or LIMIT_GATE_WINDOWS; ERR_FULL:
// LIMIT_GATE_CALLERS wait; ERR_DEADLOCK; ERR_PEER_CLOSED, ERR_PEER_TRAPPED:
// nobody replies; ERR_TIMED_OUT, ERR_KILLED.
MUST_USE status_t gate_call(struct door *d, struct bytes request,
                            struct bytes room,
                            const struct window_offer *offers, u32 offer_count,
                            u64 deadline, u32 *size);

// The windows of the call that the thread serves, by number (window.c).  All of
// them: ERR_NOT_FOUND: there is no such call or window.
MUST_USE status_t window_get(u32 number, u64 *size, u32 *access);
// A part of one, to be offered with at most the same access.  ERR_BAD_ARGUMENT:
// it is no part; ERR_ACCESS.
MUST_USE status_t window_narrow(u32 number, u64 offset, u64 size, u32 access,
                                struct window_offer *out);
// Copy all of `bytes`; after an error it may be some.  ERR_BAD_ARGUMENT: not in
// the window; ERR_ACCESS; ERR_PEER_CLOSED: whose memory it is, or one between,
// has left; ERR_KILLED.
MUST_USE status_t window_read(u32 number, u64 offset, struct bytes to);
MUST_USE status_t window_write(u32 number, u64 offset, struct bytes from);

// The running thread is about to end: what it serves gets no reply; its program
// trapped or not.
void gate_thread_ends(bool trapped);

// --- streams (stream.c) ------------------------------------------------------

struct stream;

// By OBJECT_FUNCTIONS; the type closes an end by stream_closed().
struct stream *stream_from_object(struct object *o);
struct object *stream_object(struct stream *s);
void stream_closed(struct object *o);

// sizes[i] bytes that end i has written may wait to be read; 0: it cannot
// write.
MUST_USE status_t stream_new(struct stream *ends[2], const u64 sizes[2],
                             struct account *payer);

// Some of the bytes (with size > 0 at least one), *count of them.
// ERR_SHOULD_WAIT: none yet, and `deadline` is 0; ERR_PEER_CLOSED: none any
// more; ERR_BAD_HANDLE: the last handle of s was closed; else as
// object_wait_one().
MUST_USE status_t stream_read(struct stream *s, struct bytes to, u64 deadline,
                              u64 *count);
MUST_USE status_t stream_write(struct stream *s, struct bytes from,
                               u64 deadline, u64 *count);
// s writes no more; what it has written can still be read.
void stream_finish(struct stream *s);
// Whether the other end had said so before it was closed, if it was.
bool stream_is_finished(struct stream *s);

// --- ports of programs (packets.c) -------------------------------------------

struct port;

// By OBJECT_FUNCTIONS; the type closes a port by port_closed().
struct port *port_from_object(struct object *o);
struct object *port_object(struct port *p);
void port_closed(struct object *o);

// One reference, or ERR_LIMIT or ERR_NO_MEMORY.
MUST_USE status_t port_new(struct port **out, struct account *payer);

// A packet with this key when one of `signals` comes, or is there: once, or
// each time one comes.  Ends with the port, or port_cancel().  ERR_LIMIT,
// ERR_NO_MEMORY, ERR_FULL (LIMIT_PORT_WATCHES, LIMIT_OBSERVERS),
// ERR_BAD_HANDLE: the last handle of p was closed.
MUST_USE status_t port_watch(struct port *p, struct object *o, u64 key,
                             u32 signals, bool repeat, struct account *payer);
// End all watches with this key, and drop their packets; ERR_NOT_FOUND.
MUST_USE status_t port_cancel(struct port *p, u64 key);

// A packet of one's own; ERR_SHOULD_WAIT: LIMIT_PORT_PACKETS are there.
MUST_USE status_t port_post(struct port *p, u64 key, u64 value,
                            struct account *payer);

// Take packets, oldest first, as many as there are and fit (LIMIT_PORT_BATCH at
// most); wait for the first.  ERR_SHOULD_WAIT: none, and `deadline` is 0;
// ERR_BAD_HANDLE as above; ERR_TIMED_OUT, ERR_KILLED.
MUST_USE status_t port_wait(struct port *p, struct bytes packets, u64 deadline,
                            u32 *count);

// --- devices and their queues (device.c, queue.c) ----------------------------

struct device;
struct queue;
struct virtio_device;

// By OBJECT_FUNCTIONS; the type closes a queue by queue_closed().
struct device *device_from_object(struct object *o);
struct object *device_object(struct device *d);
struct queue *queue_from_object(struct object *o);
struct object *queue_object(struct queue *q);
void queue_closed(struct object *o);

// May programs have devices of this kind?
MUST_USE bool device_kind_allowed(u32 kind);
// The object of a device of such a kind, which has none; 1 reference.
MUST_USE status_t device_new(struct device **out,
                             struct virtio_device *hardware);
u32 device_kind(const struct device *d);
// The first device of the machine of the kind with this name ("random", see
// device.c), or with "=N" behind it the one after N others; its object is made
// when it is first asked for, and stays.  NULL: there is none.
struct device *device_find(struct string name);
// The same of the device of files with this tag in its configuration.
struct device *device_find_files(struct string tag);

// Its configuration, from `offset` on.  ERR_BAD_ARGUMENT: there is no such, or
// it may not be written.
MUST_USE status_t device_config(struct device *d, u32 offset, struct bytes to);
MUST_USE status_t device_configure(struct device *d, u32 offset,
                                   struct bytes from);

// Stop it: all its queues end, and what they still had under way with ERR_IO.
// ERR_IO: it does not stop.
MUST_USE status_t device_reset(struct device *d);
// The same, and agree on those of the features `wanted` that it has and its
// kind may have, and on those of its rings.  Queues can be made then, until it
// is started.  ERR_IO: it refuses.
MUST_USE status_t device_features(struct device *d, u64 wanted, u64 *agreed);
// ERR_NOT_FOUND: no features were agreed on; ERR_EXISTS: it was started.
MUST_USE status_t device_start(struct device *d);

// Queue `index`, of `size` requests or fewer: queue_room().  ERR_BAD_ARGUMENT:
// no such size; ERR_NOT_FOUND: no such queue, or no features were agreed on;
// ERR_EXISTS; ERR_LIMIT, ERR_NO_MEMORY.  Who gets no handle of it closes it.
MUST_USE status_t queue_new(struct queue **out, struct device *d, u32 index,
                            u32 size, struct account *payer);
u32 queue_room(const struct queue *q);

// Memory that a request names, which C may touch.
struct queue_part {
    struct bytes bytes;
    bool in; // the device writes it; those that it reads come first
};
struct pinned;

// Add a request, for the device to see with queue_publish().  All its memory is
// that of `memory`.  ERR_BAD_ARGUMENT: nothing in it, or not in this order;
// ERR_LIMIT: LIMIT_QUEUE_PIECES, _BYTES; ERR_FULL; ERR_PEER_CLOSED: the
// device was stopped.
MUST_USE status_t queue_submit(struct queue *q, const struct queue_part *parts,
                               u32 count, u64 token, struct pinned *memory);
void queue_publish(struct queue *q);

// Requests that are done, struct queue_done, as many as fit (LIMIT_QUEUE_BATCH
// at most, one at least); wait for the first.  ERR_BAD_ARGUMENT: none fits;
// ERR_SHOULD_WAIT: none, and `deadline` is 0; ERR_PEER_CLOSED: the device was
// stopped, and none is left; else as object_wait_one().
MUST_USE status_t queue_reap(struct queue *q, struct bytes done, u64 deadline,
                             u32 *count);

// Part of what has such memory: who keeps it, and how many requests under way
// may read or write it.  All zero but the object: none.
struct pinned {
    struct object *object;
    u32 count; // atomic; each has a reference
};

// --- registers of devices (registers.c) --------------------------------------

struct registers;
struct port_registers;
struct port_range;

// By OBJECT_FUNCTIONS.
struct registers *registers_from_object(struct object *o);
struct object *registers_object(struct registers *r);

// The object of such a device, which has none; 1 reference.
MUST_USE status_t registers_new(struct registers **out,
                                struct port_registers *hardware);
// That of the device of the machine with this name ("ps2"), which is made when
// it is first asked for, and stays; NULL: there is none.
struct registers *registers_find(struct string name);

// A range of its registers; ERR_NOT_FOUND.
MUST_USE status_t registers_range(struct registers *r, u32 number,
                                  struct port_range *out);
// A register of it.  ERR_BAD_ARGUMENT: none is there; ERR_ACCESS: that must not
// be written.
MUST_USE status_t registers_read(struct registers *r, u32 number, u32 offset,
                                 u32 width, u32 *value);
MUST_USE status_t registers_write(struct registers *r, u32 number, u32 offset,
                                  u32 width, u32 value);
// Clear SIGNALED, which an interrupt sets from now on.  ERR_NOT_FOUND: it has
// none.
MUST_USE status_t registers_listen(struct registers *r);

// --- heap (heap.c) -----------------------------------------------------------

// Kernel memory, zeroed, that counts in the account as this resource until it
// is freed; NULL with *status ERR_LIMIT or ERR_NO_MEMORY.
MUST_USE void *account_alloc(struct account *a, enum resource r, u64 size,
                             status_t *status);
// The same for account_current(), as RESOURCE_KERNEL; NULL when there is none.
MUST_USE void *kernel_alloc(u64 size);
void kernel_free(void *ptr);

// --- console (console.c) -----------------------------------------------------

// Write all of it, or what the host takes until the deadline.  *count is that,
// less than `size` only on an error or after the deadline; ERR_TIMED_OUT or the
// error is returned when it took nothing (see port_write).
MUST_USE status_t console_write(enum port_stream stream, const void *bytes,
                                u64 size, u64 deadline_ns, u64 *count);

// Read what there is, at most `size` > 0; waits until there is something, the
// input ends (*count = 0) or the deadline (ERR_TIMED_OUT).
MUST_USE status_t console_read(void *to, u64 size, u64 deadline_ns, u64 *count);

// Wait until console_read would not wait; *out says what it would find.
MUST_USE status_t console_wait(u64 deadline_ns, struct port_input *out);

// --- the terminal (terminal.c) -----------------------------------------------

struct terminal; // a seat at it

// A seat as an object, and back.
struct object *terminal_object(struct terminal *t);
struct terminal *terminal_from_object(struct object *o);

// Let the console be a terminal from now on, once: its first seat, which has
// the focus.  After an error the machine may have half of it.
MUST_USE status_t terminal_start(struct terminal **out);
// Another seat, cooked and without the focus.
MUST_USE status_t terminal_new(struct terminal **out, struct account *payer);

// What is typed is for t's readers, until another seat has the focus.
void terminal_focus(struct terminal *t);
// 0 cooked, 1 raw, 2 raw but for ^C and ^Z; ERR_BAD_ARGUMENT.
MUST_USE status_t terminal_set_mode(struct terminal *t, u32 mode);
// ERR_NOT_FOUND: nobody has told.
MUST_USE status_t terminal_size(u32 *rows, u32 *columns);

// Wait until there is something for t, and read some of it, cooked at most a
// line; *count = 0: the end, or ^D.  As object_wait_one().
MUST_USE status_t terminal_read(struct terminal *t, struct bytes to,
                                u64 deadline, u64 *count);
// As console_write().
MUST_USE status_t terminal_write(struct terminal *t, struct bytes from,
                                 u64 deadline_ns, u64 *count);

// A line of the kernel's own, to the log stream: one line whatever is inserted
// (format_safe).
// Where the port has no room lines are lost, and the next one is preceded by
// how many.
void klog(const char *text, ...) PRINTF(1, 2);

// Note for the report of a panic that the running thread makes this call, whose
// names stay (history.c).
void history_call(const char *module, const char *call);
// Say what was noted, in a panic.
void history_tell(panic_say_t *say);
