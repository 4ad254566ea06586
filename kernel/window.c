// kernel/window.c: windows: what a server may touch of its caller's memory.
//
// A window is open from when a call is taken until it ends: by the reply, or by
// a caller who leaves, who closes it first and waits for nobody but a copy of
// COPY_STEP bytes that is under way.  Each copy looks, under the lock of the
// thread whose memory it is, whether the window is still open, and all those
// that it is a part of: so whoever in a chain of calls leaves, all below lose
// what came through him.

#include "kernel/gate.h"

enum { COPY_STEP = 4096 }; // bytes that one lock covers

// --- lending: the lock of the gate is held -----------------------------------

void
window_lend(struct activation *a, const struct call *c)
{
    assert(a->window_count == 0);
    for (u32 i = 0; i < c->offer_count; i++) {
        const struct window_offer *o = &c->offers[i];
        a->windows[i] = (struct window){
            .origin = o->parent != NULL ? o->parent->origin : c->thread,
            .memory = o->memory,
            .access = o->access,
            .parent = o->parent,
            .open = true,
        };
        object_hold(thread_object(a->windows[i].origin));
    }
    a->window_count = c->offer_count;
}

void
window_close(struct activation *a)
{
    for (u32 i = 0; i < a->window_count; i++) {
        struct window *w = &a->windows[i];
        lock_irq_nested(&w->origin->windows);
        w->open = false;
        unlock_irq_nested(&w->origin->windows);
    }
}

// Nobody is below a thread that replies, so nobody looks.
void
window_drop(struct activation *a)
{
    while (a->window_count > 0) {
        struct window *w = &a->windows[--a->window_count];
        w->open = false;
        object_release(thread_object(w->origin));
    }
}

// --- using -------------------------------------------------------------------

// One of the running thread's, which closes it itself but for `open`.
static struct window *
find(u32 number)
{
    struct activation *a = thread_current()->activation;

    if (a == NULL || number >= a->window_count)
        return NULL;
    return &a->windows[index_masked(number, a->window_count)];
}

static status_t
check(const struct window *w, u64 offset, u64 size, u32 access)
{
    if (w == NULL)
        return ERR_NOT_FOUND;
    if (offset > w->memory.size || size > w->memory.size - offset)
        return ERR_BAD_ARGUMENT;
    return (w->access & access) == access ? OK : ERR_ACCESS;
}

static bool
is_open(const struct window *w)
{
    while (w != NULL && w->open)
        w = w->parent;
    return w == NULL;
}

// The memories may be the same.
static status_t
copy_step(const struct window *w, void *to, const void *from, u64 size)
{
    status_t status = ERR_PEER_CLOSED;

    lock(&w->origin->windows);
    if (is_open(w)) {
        memmove(to, from, size);
        status = OK;
    }
    unlock(&w->origin->windows);
    return status;
}

status_t
window_get(u32 number, u64 *size, u32 *access)
{
    const struct window *w = find(number);

    if (w == NULL)
        return ERR_NOT_FOUND;
    *size = w->memory.size;
    *access = w->access;
    return OK;
}

status_t
window_narrow(u32 number, u64 offset, u64 size, u32 access,
              struct window_offer *out)
{
    const struct window *w = find(number);
    status_t status = check(w, offset, size, access);

    if (status == OK)
        *out = (struct window_offer){
            {w->memory.ptr + offset, size},
            access, w
        };
    return status;
}

// Between the program's `bytes` and the window, either way.
static status_t
copy(u32 number, u64 offset, struct bytes bytes, u32 access)
{
    const struct window *w = find(number);
    status_t status = check(w, offset, bytes.size, access);
    u64 at = 0;

    do {
        if (status != OK)
            return status;
        u64 size = MIN(bytes.size - at, COPY_STEP);
        u8 *there = w->memory.ptr + offset + at, *here = bytes.ptr + at;
        bool reads = access == WINDOW_READ;
        status = copy_step(w, reads ? here : there, reads ? there : here, size);
        if (status == OK && thread_is_killed())
            status = ERR_KILLED;
        at += size;
    } while (at < bytes.size);
    return status;
}

status_t
window_read(u32 number, u64 offset, struct bytes to)
{
    return copy(number, offset, to, WINDOW_READ);
}

status_t
window_write(u32 number, u64 offset, struct bytes from)
{
    return copy(number, offset, from, WINDOW_WRITE);
}
