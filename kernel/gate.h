// kernel/gate.h: what the files of gates (kernel/gate*.c) share.
//
// All of a gate, of the activations that serve there and of the calls to it is
// under the gate's lock, which is taken with interrupts off, but for what says
// otherwise.  A call lives on its caller's stack: a caller that leaves takes it
// out of the line or out of its activation first.  What names the call above a
// nested one (activation.call) is changed by a caller that leaves early under
// gate_chains, too, so that whoever is below may walk up.

#pragma once

#include "kernel/pass.h"

struct gate {
    struct object object;
    struct lock lock;
    u32 request_size; // the most that a request has; constant
    bool closed MEMBER_GUARDED_BY(lock);
    status_t end MEMBER_GUARDED_BY(lock); // of calls once it is closed
    // struct activation: those that wait, the last first.
    struct list parked MEMBER_GUARDED_BY(lock);
    // struct door.turn: those whose calls wait, whose turn is next first.
    struct list line MEMBER_GUARDED_BY(lock);
    // Doors that were closed, of which nobody has been told.
    struct list gone MEMBER_GUARDED_BY(lock);
};

// The first three are constant; the others are under the lock of the gate.
struct door {
    struct object object;
    struct gate *gate; // a reference
    u64 badge;
    struct list link;  // in gate->gone, which has a reference then
    struct list calls; // that wait, the first first; each holds the door
    u32 call_count;
    struct list turn; // in gate->line while there are any
};

// Memory that a call lends to its server, until the call has ended.
//
// It belongs to a caller further up where that was passed on; `parent` is the
// window then that it is a part of, of who made this call, who waits as long
// as this one is open.  Only open windows are looked at by others than their
// own thread, from below and under the lock of the origin.
struct window {
    struct thread *origin; // whose memory it is: a reference
    struct bytes memory;
    u32 access;
    const struct window *parent;
    // Changes under the locks of the gate and of the origin (thread.windows).
    bool open;
};

// A thread that serves, or waits to.
struct activation {
    struct thread *thread;
    // Where it serves or has served last, a reference; changes by the thread
    // itself, while it is not parked.
    struct gate *gate;
    struct list link;  // in gate->parked, or empty
    bool serving;      // a call, until the reply, also of a caller that left
    struct call *call; // that is served; NULL: none, or its caller has left
    u32 depth;         // of that call
    struct lent lent;  // for that call, by its caller
    // lent.account, a reference, when the caller has left; else he has one.
    struct account *kept;
    struct gate_request *request; // where a call goes while it is parked
    struct window windows[LIMIT_GATE_WINDOWS];
    u32 window_count; // 0: it serves nobody
};

// A thread that calls.
struct call {
    struct list link; // in door->calls, or empty
    struct door *door;
    struct thread *thread;
    struct waiter *waiter;
    struct bytes request, room;
    const struct window_offer *offers;
    u32 offer_count;
    u32 depth;                     // from 1
    struct lent lent;              // to who serves it
    struct activation *activation; // that serves it; NULL: none yet, or done
    bool done;                     // `status` is its outcome
    status_t status;
    u32 size; // of the reply
};

extern struct lock gate_chains;

// --- gate->lock is held, interrupts are off ----------------------------------

// READABLE says whether gate_serve() would have to wait.
void gate_show(struct gate *g);

// c waits in line; and does not any more.
void gate_line_up(struct call *c);
void gate_leave_line(struct call *c);
// The call whose turn it is, which waits no more; NULL: none does.
struct call *gate_take_from_line(struct gate *g);

// window.c: a has the windows of c from now on; nobody has them any more, for
// one that leaves and one that has replied.
void window_lend(struct activation *a, const struct call *c);
void window_close(struct activation *a);
void window_drop(struct activation *a);

// In builds for tests: what always holds for a.
void gate_check(const struct activation *a);

// --- calls that begin and end: the same --------------------------------------

// Let `a`, which serves nobody, serve c.
static inline void
gate_accept(struct activation *a, struct call *c)
{
    struct gate_request *r = a->request;

    assert(!a->serving && c->activation == NULL && !c->done);
    assert(c->request.size <= r->room.size);
    copy_few(r->room.ptr, c->request.ptr, c->request.size);
    r->kind = GATE_CALL;
    r->badge = c->door->badge;
    r->size = (u32)c->request.size;
    a->serving = true;
    a->call = c;
    a->depth = c->depth;
    c->activation = a;
    if (c->offer_count > 0)
        window_lend(a, c);
}

// The call of c has ended with this status.  Its thread, which the caller lets
// run before it releases the lock for longer than sched_pass() does; NULL: that
// one leaves by itself.
static inline struct thread *
gate_finish(struct call *c, status_t status)
{
    struct thread *t = waiter_claim(c->waiter);

    c->activation = NULL;
    if (t == NULL)
        return NULL; // its deadline or a kill was first
    c->done = true;
    c->status = status;
    return t;
}

// `a` serves nobody any more.  Its call ends with the status, and with as much
// of the reply as there is; returns as gate_finish(), NULL also where the
// caller has left.  The thread still takes the caller's time: sched_lend() or
// sched_pass() come next.
static inline __attribute__((always_inline)) struct thread *
gate_end_call(struct activation *a, status_t status, struct bytes reply)
{
    struct call *c = a->call;

    gate_check(a);
    assert(a->serving);
    if (a->window_count > 0)
        window_drop(a);
    a->serving = false;
    a->call = NULL;
    if (c == NULL)
        return NULL;
    if (status == OK && reply.size > c->room.size)
        status = ERR_TOO_SMALL;
    struct thread *t = gate_finish(c, status);
    if (t != NULL && status == OK)
        copy_few(c->room.ptr, reply.ptr, reply.size);
    c->size = (u32)reply.size;
    return t;
}
