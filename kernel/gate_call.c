// kernel/gate_call.c: who calls.

#include "kernel/gate.h"

static struct activation *
serving(const struct thread *t)
{
    return t->activation != NULL && t->activation->serving ? t->activation :
                                                             NULL;
}

// Does t serve at g, or a caller above it?  Each of these waits for the one
// below and changes nothing meanwhile, but that it may leave.
static bool
is_own_chain(const struct gate *g, const struct thread *t)
{
    bool found = false;

    lock_irq_nested(&gate_chains);
    for (u32 n = 0; t != NULL && serving(t) != NULL && !found; n++) {
        const struct call *above = t->activation->call;
        assert(n <= LIMIT_GATE_DEPTH);
        found = t->activation->gate == g;
        t = above != NULL ? above->thread : NULL;
    }
    unlock_irq_nested(&gate_chains);
    return found;
}

// One that is parked at g and was not woken: its thread is the caller's to let
// run.  Whoever was woken is on the way out.
static inline __attribute__((always_inline)) struct activation *
claim_parked(struct gate *g)
{
    while (!list_empty(&g->parked)) {
        struct list *item = g->parked.next;
        struct activation *a = CONTAINER(item, struct activation, link);
        list_remove(item);
        if (waiter_claim(&a->thread->waiter) != NULL)
            return a;
    }
    return NULL;
}

static status_t
line_up(struct gate *g, struct call *c)
{
    if (is_own_chain(g, c->thread))
        return ERR_DEADLOCK;
    if (c->door->call_count >= LIMIT_GATE_CALLERS)
        return ERR_FULL;
    c->lent = sched_lent(c->thread);
    c->waiter = waiter_begin();
    gate_line_up(c);
    return OK;
}

// The call begins, by an activation that is to run now (*pass) or in line.
static inline __attribute__((always_inline)) status_t
begin(struct gate *g, struct call *c, struct pass *pass)
{
    if (g->closed)
        return g->end;
    struct activation *a = claim_parked(g);
    if (a == NULL)
        return line_up(g, c);
    gate_accept(a, c);
    c->waiter = waiter_begin_as(c->thread, WAKE_WAITING);
    gate_check(a);
    pass->to = a->thread;
    pass->lent = &a->lent;
    return OK;
}

// The caller goes on, whatever its server does: that keeps the account whose
// time it takes.
static void
leave_early(struct activation *a)
{
    gate_check(a);
    lock_irq_nested(&gate_chains);
    a->call = NULL;
    unlock_irq_nested(&gate_chains);
    window_close(a);
    a->kept = a->lent.account;
    account_hold(a->kept);
}

// The wait of c has ended with `status`; the gate is locked.
static status_t
leave(struct call *c, status_t status)
{
    if (c->done)
        return c->status;
    assert(status != OK);
    if (c->activation != NULL)
        leave_early(c->activation);
    else if (!list_empty(&c->link))
        gate_leave_line(c);
    return status;
}

// A part of the system call, and as far from the program as gate_serve() is:
// see context_switch_here().
PART_OF_CALL status_t LOCKS_BY_HAND
gate_call(struct door *d, struct bytes request, struct bytes room,
          const struct window_offer *offers, u32 offer_count, u64 deadline,
          u32 *size)
{
    struct thread *self = thread_current();
    struct pass pass = {.keep = self->lent};
    bool passed = false;
    const struct activation *above = serving(self);
    struct gate *g = d->gate;
    struct call c; // what has no value here gets it before it is looked at
    c.door = d;
    c.thread = self;
    c.request = request;
    c.room = room;
    c.offers = offers;
    c.offer_count = offer_count;
    c.depth = above != NULL ? above->depth + 1 : 1;
    c.activation = NULL;
    c.done = false;
    c.size = 0;

    *size = 0;
    if (request.size > g->request_size)
        return ERR_TOO_SMALL;
    if (c.depth > LIMIT_GATE_DEPTH || offer_count > LIMIT_GATE_WINDOWS)
        return ERR_LIMIT;
    if (deadline_is_over(deadline))
        return ERR_TIMED_OUT;
    list_init(&c.link);
    bool on = port_interrupts_off();
    lock_irq_nested(&g->lock);
    status_t status = begin(g, &c, &pass);
    if (status == OK) {
        status = pass_wait(self, &pass, &g->lock, deadline, &passed);
        if (!passed)
            lock_irq_nested(&g->lock);
        status = leave(&c, status);
    }
    if (!passed)
        unlock_irq_nested(&g->lock);
    port_interrupts_restore(on);
    *size = c.size;
    return status;
}
