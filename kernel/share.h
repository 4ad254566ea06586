// kernel/share.h: how a CPU is shared, for those who run its threads (sched.c)
// and those who choose them.  All of this is guarded by the lock of the CPU's
// run queue; interrupts are off.

#pragma once

#include "kernel/run_queue.h"

// A group on one CPU, or the threads of its own processes there, or all who are
// helped.
struct share {
    struct order_item item;  // in parent->below; key: its virtual time
    struct share *parent;    // NULL: the root's
    struct account *account; // of the group; NULL: its own threads
    struct order below;      // those that are ready: shares, or threads
    // The virtual time of those below, by class: who comes begins there.
    u64 floor[PRIORITIES];
    u64 last[PRIORITIES]; // the latest of those that became ready
    u64 rest;             // what the last charge left over
    u64 debt;             // what ran for it elsewhere, not charged yet
    u32 ready;            // places below of threads that wait and may run
    bool runs;            // the current thread is below: not in parent->below
    bool began;           // it ran before, and may come back early
    struct order_item pause; // in q->paused while over the cap; key: until when
};

// What a group has on each CPU.
struct shares {
    struct share group, own;
};

// t, which is neither ready nor running, gets its share and place on q, to be
// ready (share_put()) or to run at once (share_begin()).
void share_place(struct run_queue *q, struct thread *t) REQUIRES(q->lock);
void share_put(struct run_queue *q, struct thread *t) REQUIRES(q->lock);
// The first two.
void share_add(struct run_queue *q, struct thread *t) REQUIRES(q->lock);
// It ran here, and sleeps now.
void share_sleep(struct run_queue *q, struct thread *t) REQUIRES(q->lock);
// It ran here, and is ready again.
void share_add_back(struct run_queue *q, struct thread *t) REQUIRES(q->lock);
// Take one that is ready out.
void share_remove(struct run_queue *q, struct thread *t) REQUIRES(q->lock);
// It leaves the CPU where it last ran or was ready, for share_add(); or is new.
void share_detach(struct thread *t);
void share_detach_new(struct thread *t);

// Take out who is next, to begin at once; NULL: nobody.
struct thread *share_take(struct run_queue *q) REQUIRES(q->lock);
// One that has to wait, for share_add() on another CPU; somebody does.
struct thread *share_take_spare(struct run_queue *q) REQUIRES(q->lock);
// The thread runs now, or not any more.
void share_begin(struct thread *t);
void share_end(struct run_queue *q, struct thread *t, u64 now)
    REQUIRES(q->lock);
// These two, share_add_back() or share_sleep(), and share_take() of the next,
// are this alone where only threads of t's share wait, however many groups are
// around it: then share_stays() says so, and share_exchange() who is next.
bool share_stays(const struct run_queue *q, const struct thread *t)
    REQUIRES(q->lock);
struct thread *share_exchange(struct run_queue *q, struct thread *t)
    REQUIRES(q->lock);
// The first who waits, where share_stays() and that one runs in one account's
// time with t; else NULL.
struct thread *share_first_of_account(const struct run_queue *q,
                                      const struct thread *t) REQUIRES(q->lock);
// May `to`, which sleeps here, have the place of t, the running thread, which
// sleeps then, where this is lent to it: the same share and class, in one
// account's time, and no cap or ceiling to look at?  Then share_pass() is all
// that there is to do; what is lent has been set.
bool share_is_place_for(const struct run_queue *q, const struct thread *t,
                        const struct thread *to, struct lent lent)
    REQUIRES(q->lock);
void share_pass(struct run_queue *q, struct thread *t, struct thread *to)
    REQUIRES(q->lock);
// That of its class: the highest is the first.
static inline u32
share_class_priority(const struct thread *t)
{
    return PRIORITIES - 1 - t->ready.class;
}

// Do others wait for it, whatever its group may use?
static inline bool
share_is_in_the_way(const struct thread *t)
{
    return thread_killed(t) || __atomic_load_n(&t->helped, __ATOMIC_SEQ_CST);
}

// share_is_place_for() while the CPU is handed on, and t runs in the host's
// place, when t lends what it can, or nothing (a reply).
static inline bool share_is_place_of_host(const struct run_queue *q,
                                          const struct thread *t,
                                          const struct thread *to, bool lends)
    REQUIRES(q->lock);

static inline __attribute__((always_inline)) bool
share_is_place_of_host(const struct run_queue *q, const struct thread *t,
                       const struct thread *to, bool lends)
{
    assert_held(&q->lock);
    if (!lends && to == q->host)
        return true;
    return to->inherited == 0 &&
           (lends ||
            (to->lent.account == t->lent.account && to->lent.account != NULL &&
             to->lent.priority == t->lent.priority));
}

// The same where t goes on and `to` is ready.
void share_put_beside(struct run_queue *q, const struct thread *t,
                      struct thread *to) REQUIRES(q->lock);
// The one that runs did so for `ns`; and what of that the groups do not know
// yet, until `now`.
void share_ran(struct thread *t, u64 ns);
void share_charge(const struct run_queue *q, struct thread *t, u64 ns, u64 now);
// Should another have the CPU of the running thread t, by more than `margin`?
bool share_is_behind(const struct thread *t, u64 margin);
// Ceilings are others now: to be said before share_renew().
void share_ceilings_changed(void);
// Let some of those who are ready have their places anew; false: no ceiling is
// another than when they got them.
bool share_renew(struct run_queue *q) REQUIRES(q->lock);
// Is it, or its group, another than when it became ready?
bool share_changed(const struct run_queue *q, const struct thread *t);
// Let it go behind those of its priority in its group.
void share_yield(struct thread *t);

// Is there a cap above t, which runs?  Is it reached?
bool share_is_capped(const struct thread *t);
bool share_is_over(const struct thread *t, u64 now);
// Does its group, or one above, pause for that?
bool share_pauses(const struct thread *t);
// Let those go on whose pause is over, a batch of them.
void share_resume(struct run_queue *q, u64 now) REQUIRES(q->lock);
// That of the account, whose cap is another now.
void share_look(struct run_queue *q, struct account *a) REQUIRES(q->lock);
