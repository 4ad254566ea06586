// kernel/gate_serve.c: who serves.

#include "kernel/gate.h"

// The calling thread's; NULL with *status: no memory.
static struct activation *
activation_get(struct account *payer, status_t *status)
{
    struct thread *t = thread_current();
    struct activation *a = t->activation;

    *status = OK;
    if (a != NULL)
        return a;
    a = account_alloc(payer, RESOURCE_OBJECTS, sizeof(*a), status);
    if (a == NULL)
        return NULL;
    a->thread = t;
    list_init(&a->link);
    t->activation = a;
    return a;
}

static const struct lent own_time = {NULL, 0};

// The thread's time is its own again, or another's.
static void
take_time(struct activation *a, struct lent lent)
{
    struct account *kept = a->kept;

    sched_lend(lent);
    a->kept = NULL;
    account_release(kept);
}

// The first in line whose wait has not ended.
static struct call *
take_from_line(struct gate *g)
{
    struct call *c;

    do
        c = gate_take_from_line(g);
    while (c != NULL && !waiter_waits(c->waiter));
    return c;
}

// What is there for a: a door that was closed (*gone) or a call; false:
// nothing.
static bool
take_next(struct gate *g, struct activation *a, struct door **gone)
{
    struct gate_request *r = a->request;
    struct call *c = NULL;

    if (!list_empty(&g->gone)) {
        struct door *d = CONTAINER(g->gone.next, struct door, link);
        list_remove(&d->link);
        r->kind = GATE_CLOSED;
        r->badge = d->badge;
        r->size = 0;
        *gone = d;
        gate_show(g);
    } else if ((c = take_from_line(g)) != NULL) {
        gate_accept(a, c);
        a->lent = c->lent;
        take_time(a, a->lent);
        gate_check(a);
    }
    return *gone != NULL || c != NULL;
}

// Wait at g, where there is nothing to do; `to`, or NULL, runs meanwhile.  Both
// on the way in and out the lock is held, but when a caller passed the CPU on
// (*passed): then a serves, and whatever is the gate's was done before.
static status_t LOCKS_BY_HAND
park(struct gate *g, struct activation *a, struct thread *to, u64 deadline,
     bool *passed)
{
    const struct pass pass = {.to = to, .keep = own_time};

    if (to == NULL)
        take_time(a, own_time);
    (void)waiter_begin_as(a->thread, WAKE_WAITING);
    list_push(&g->parked, &a->link);
    status_t status = pass_wait(a->thread, &pass, &g->lock, deadline, passed);
    if (*passed)
        return status;
    lock_irq_nested(&g->lock);
    list_remove(&a->link);
    if (a->serving)
        sched_lend(a->lent);
    gate_check(a);
    return status;
}

// Nothing is there: why not to wait.
static status_t
look_up(const struct gate *g, u64 deadline)
{
    if (g->closed)
        return ERR_BAD_HANDLE;
    if (deadline == 0)
        return ERR_SHOULD_WAIT;
    return OK;
}

// Reply, and get the next.  g is locked, and is not when it returns.
static status_t LOCKS_BY_HAND
turn(struct gate *g, struct activation *a, struct bytes reply, u64 deadline,
     struct door **gone)
{
    struct thread *to = NULL;
    bool passed;
    status_t status = OK;

    if (a->serving)
        to = gate_end_call(a, OK, reply);
    for (;;) {
        if (status != ERR_KILLED && take_next(g, a, gone))
            break;
        if (status == OK)
            status = look_up(g, deadline);
        if (status != OK)
            break;
        status = park(g, a, to, deadline, &passed);
        to = NULL;
        if (passed)
            return OK;
        if (a->serving)
            break;
    }
    if (!a->serving)
        take_time(a, own_time);
    if (to != NULL)
        sched_wake(to);
    unlock_irq_nested(&g->lock);
    return a->serving || *gone != NULL ? OK : status;
}

// a, which is not parked and serves nobody, is at g from now on.
static void
move_to(struct activation *a, struct gate *g)
{
    struct gate *before = a->gate;

    if (before == g)
        return;
    object_hold(&g->object);
    a->gate = g;
    if (before != NULL)
        object_release(&before->object);
}

// The reply may be sent, and there is room for a request.
static status_t
check_turn(const struct gate *g, const struct activation *a, struct bytes reply,
           const struct gate_request *r)
{
    if (r->room.size < g->request_size)
        return ERR_TOO_SMALL;
    if (!a->serving && reply.size > 0)
        return ERR_NOT_FOUND;
    return reply.size > LIMIT_GATE_SIZE ? ERR_LIMIT : OK;
}

PART_OF_CALL status_t LOCKS_BY_HAND
gate_serve(struct gate *g, struct bytes reply, struct gate_request *r,
           struct account *payer, u64 deadline)
{
    struct door *gone = NULL;
    status_t status;
    struct activation *a = activation_get(payer, &status);

    if (a == NULL)
        return status;
    status = check_turn(g, a, reply, r);
    if (status == OK && a->serving && a->gate != g)
        status = gate_reply(reply);
    if (status != OK)
        return status;
    move_to(a, g);
    a->request = r;
    bool on = port_interrupts_off();
    lock_irq_nested(&g->lock);
    status = turn(g, a, reply, deadline, &gone);
    port_interrupts_restore(on);
    if (gone != NULL)
        object_release(&gone->object);
    return status;
}

// End the call that a serves, and let its caller run when it is his turn.
static void
end_call(struct activation *a, status_t status, struct bytes reply)
{
    struct gate *g = a->gate;
    bool on = lock_irq(&g->lock);
    struct thread *to = gate_end_call(a, status, reply);

    take_time(a, own_time);
    if (to != NULL)
        sched_wake(to);
    unlock_irq(&g->lock, on);
}

status_t
gate_reply(struct bytes reply)
{
    struct activation *a = thread_current()->activation;

    if (a == NULL || !a->serving)
        return ERR_NOT_FOUND;
    if (reply.size > LIMIT_GATE_SIZE)
        return ERR_LIMIT;
    end_call(a, OK, reply);
    return OK;
}

void
gate_thread_ends(bool trapped)
{
    struct thread *t = thread_current();
    struct activation *a = t->activation;

    if (a == NULL)
        return;
    if (a->serving)
        end_call(a, trapped ? ERR_PEER_TRAPPED : ERR_PEER_CLOSED,
                 (struct bytes){NULL, 0});
    if (a->gate != NULL && trapped) {
        bool on = lock_irq(&a->gate->lock);
        a->gate->end = ERR_PEER_TRAPPED;
        unlock_irq(&a->gate->lock, on);
    }
    if (a->gate != NULL)
        object_release(&a->gate->object);
    t->activation = NULL;
    kernel_free(a);
}
