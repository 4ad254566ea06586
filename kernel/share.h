// kernel/share.h: how a CPU is shared, for those who run its threads (sched.c)
// and those who choose them.  All of this is guarded by the lock of the CPU's
// run queue; interrupts are off.

#pragma once

#include "kernel/run_queue.h"

// A group on one CPU, or the threads of its own processes there.
struct share {
    struct order_item item;  // in parent->below; key: its virtual time
    struct share *parent;    // NULL: the root's
    struct account *account; // of the group; NULL: its own threads
    struct order below;      // those that are ready: shares, or threads
    // The virtual time of those below, by class: who comes begins there.
    u64 floor[PRIORITIES];
    u64 last[PRIORITIES]; // the latest of those that became ready
    u64 rest;             // what the last charge left over
    u32 ready;            // threads below that wait for the CPU and may have it
    bool runs;            // the current thread is below: not in parent->below
    bool began;
    struct order_item pause; // in q->paused while over the cap; key: until when
};

// What a group has on each CPU.
struct shares {
    struct share group, own;
};

// t, which is neither ready nor running, becomes ready on q.
void share_add(struct run_queue *q, struct thread *t) REQUIRES(q->lock);
// It begins to run at once, by share_begin().
void share_place(struct run_queue *q, struct thread *t) REQUIRES(q->lock);
// It ran here, and sleeps now.
void share_sleep(struct run_queue *q, struct thread *t) REQUIRES(q->lock);
// It ran here, and is ready again.
void share_add_back(struct run_queue *q, struct thread *t) REQUIRES(q->lock);
// Take one that is ready out.
void share_remove(struct run_queue *q, struct thread *t) REQUIRES(q->lock);
// It leaves the CPU where it last ran or was ready, for share_add(); or is new.
void share_detach(struct thread *t);
void share_detach_new(struct thread *t);

// Who is next; NULL: nobody.
struct thread *share_first(struct run_queue *q) REQUIRES(q->lock);
// One that has to wait, and may run on another CPU instead; NULL: nobody.
struct thread *share_spare(struct run_queue *q) REQUIRES(q->lock);
// The thread runs now, or not any more.
void share_begin(struct thread *t);
void share_end(struct run_queue *q, struct thread *t, u64 now)
    REQUIRES(q->lock);
// The one that runs did so for `ns` until `now`.
void share_ran(struct thread *t, u64 ns, u64 now);
// Should another have the CPU of the running thread t, by more than `margin`?
bool share_is_behind(const struct thread *t, u64 margin);
// Is it, or its group, another than when it became ready?
bool share_changed(const struct run_queue *q, const struct thread *t);
// Let it go behind those of its priority in its group.
void share_yield(struct thread *t);

// Is there a cap above t, which runs?  Is it reached?
bool share_is_capped(const struct thread *t);
bool share_is_over(const struct thread *t, u64 now);
// Let those go on whose pause is over, a batch of them.
void share_resume(struct run_queue *q, u64 now) REQUIRES(q->lock);
// That of the account, whose cap is another now.
void share_look(struct run_queue *q, struct account *a) REQUIRES(q->lock);
