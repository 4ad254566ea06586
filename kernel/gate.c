// kernel/gate.c: gates: threads of one program serve calls of others.
//
// A gate is the server's object, a door the caller's; a door has a badge,
// which says to the server whose call it is.  Threads that wait at a gate are
// its activations (gate_serve.c); a call (gate_call.c) is given to one of them,
// or waits in line until one comes.
//
// A caller lends its server what it has of the CPU: the switch from one to the
// other and back needs no queue (sched_pass), and the time between is the
// caller's, at his priority (struct lent).  The account that is lent is kept
// alive by the caller, who waits; one that leaves early gives the server a
// reference.

#include "kernel/gate.h"

OBJECT_FUNCTIONS(gate, object)
OBJECT_FUNCTIONS(door, object)

struct lock gate_chains = LOCK_INIT(CHAINS); // who calls whom, upwards

enum { CLOSE_BATCH = 64 }; // of those that one lock lets go

void
gate_show(struct gate *g)
{
    bool come = !list_empty(&g->line) || !list_empty(&g->gone);
    u32 want = come && !g->closed ? SIGNAL_READABLE : 0;

    assert_held(&g->lock);
    if ((object_signals(&g->object) & SIGNAL_READABLE) != want)
        object_signal(&g->object, SIGNAL_READABLE & ~want, want);
}

void
gate_check(const struct activation *a)
{
    if (!CHECKED)
        return;
    assert_held(&a->gate->lock);
    assert(a->call == NULL || a->serving);
    assert(a->call == NULL || (a->call->activation == a && !a->call->done &&
                               list_empty(&a->call->link)));
    assert(!a->serving || list_empty(&a->link)); // who is parked serves nobody
    assert(a->kept == NULL || (a->serving && a->call == NULL));
    assert(a->thread->lent.account == NULL || a->serving);
    assert(a->depth <= LIMIT_GATE_DEPTH);
    assert(a->window_count <= (a->serving ? LIMIT_GATE_WINDOWS : 0));
    for (u32 i = 0; i < a->window_count; i++) // nothing is kept
        assert(!a->windows[i].open || a->call != NULL);
}

// --- the line ----------------------------------------------------------------
//
// Doors have turns, each a call, however many wait at one.

void
gate_line_up(struct call *c)
{
    struct door *d = c->door;

    list_append(&d->calls, &c->link);
    if (d->call_count++ == 0)
        list_append(&d->gate->line, &d->turn);
    gate_show(d->gate);
}

void
gate_leave_line(struct call *c)
{
    struct door *d = c->door;

    list_remove(&c->link);
    if (--d->call_count == 0)
        list_remove(&d->turn);
    gate_show(d->gate);
}

struct call *
gate_take_from_line(struct gate *g)
{
    if (list_empty(&g->line))
        return NULL;
    struct door *d = CONTAINER(g->line.next, struct door, turn);
    struct call *c = CONTAINER(d->calls.next, struct call, link);
    list_remove(&d->turn);
    list_append(&g->line, &d->turn);
    gate_leave_line(c);
    return c;
}

// --- life --------------------------------------------------------------------

status_t
gate_new(struct gate **out, u32 request_size, struct account *payer)
{
    struct gate *g;
    status_t status = object_new(&g, &gate_type, sizeof(*g), payer);

    if (status != OK)
        return status;
    lock_init(&g->lock, LOCK_GATE);
    list_init(&g->parked);
    list_init(&g->line);
    list_init(&g->gone);
    g->request_size = request_size;
    g->end = ERR_PEER_CLOSED;
    *out = g;
    return OK;
}

// Some of those who wait at g, and of the closed doors of which nobody hears;
// false: that was all.
static bool
let_go(struct gate *g, struct list *gone)
{
    u32 count = 0;
    bool on = lock_irq(&g->lock);
    struct call *c;

    g->closed = true;
    while (count++ < CLOSE_BATCH && (c = gate_take_from_line(g)) != NULL) {
        struct thread *t = gate_finish(c, g->end);
        if (t != NULL)
            sched_wake(t);
    }
    while (!list_empty(&g->parked) && count++ < CLOSE_BATCH) {
        struct list *item = g->parked.next;
        list_remove(item);
        (void)!waiter_wake(
            &CONTAINER(item, struct activation, link)->thread->waiter);
    }
    list_append_all(gone, &g->gone);
    gate_show(g);
    unlock_irq(&g->lock, on);
    return count >= CLOSE_BATCH;
}

void
gate_closed(struct object *o)
{
    struct gate *g = gate_from_object(o);
    struct list gone;

    list_init(&gone);
    while (let_go(g, &gone))
        continue;
    while (!list_empty(&gone)) {
        struct door *d = CONTAINER(gone.next, struct door, link);
        list_remove(&d->link);
        object_release(&d->object);
    }
}

void
gate_free(struct object *o)
{
    struct gate *g = gate_from_object(o);

    assert(list_empty(&g->parked) && list_empty(&g->line));
    assert(list_empty(&g->gone));
    kernel_free(g);
}

status_t
door_new(struct door **out, struct gate *g, u64 badge, struct account *payer)
{
    struct door *d;
    status_t status = object_new(&d, &door_type, sizeof(*d), payer);

    if (status != OK)
        return status;
    list_init(&d->link);
    list_init(&d->calls);
    list_init(&d->turn);
    object_hold(&g->object);
    d->gate = g;
    d->badge = badge;
    *out = d;
    return OK;
}

// Wake one that is parked, if there is any whom nobody has woken.
static void
wake_one(struct gate *g)
{
    while (!list_empty(&g->parked)) {
        struct list *item = g->parked.next;
        list_remove(item);
        if (waiter_wake(
                &CONTAINER(item, struct activation, link)->thread->waiter))
            return;
    }
}

void
door_closed(struct object *o)
{
    struct door *d = door_from_object(o);
    struct gate *g = d->gate;
    bool on = lock_irq(&g->lock);

    if (!g->closed) {
        object_hold(o);
        list_append(&g->gone, &d->link);
        wake_one(g);
        gate_show(g);
    }
    unlock_irq(&g->lock, on);
}

void
door_free(struct object *o)
{
    struct door *d = door_from_object(o);

    object_release(&d->gate->object);
    kernel_free(d);
}
