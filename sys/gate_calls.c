// sys/gate_calls.c: the system calls on gates.

#include "sys/internal.h"

status_t
sys_gate_create(const struct gate_create_args *a)
{
    struct gate *gate;

    if (a->request_size > LIMIT_GATE_SIZE)
        return ERR_BAD_ARGUMENT;
    status_t status =
        gate_new(&gate, a->request_size, process_current()->account);
    return status == OK ? give_handle(gate_object(gate), a->gate) : status;
}

status_t
sys_gate_badge(const struct gate_badge_args *a)
{
    struct door *door;
    status_t status =
        door_new(&door, a->gate, a->badge, process_current()->account);

    return status == OK ? give_handle(door_object(door), a->door) : status;
}

status_t
sys_gate_serve(const struct gate_serve_args *a)
{
    struct gate_request r = {.room = a->request};
    status_t status = gate_serve(a->gate, a->reply, &r,
                                 process_current()->account, a->deadline_ns);

    if (status == OK) {
        put_u64(a->badge, r.badge);
        put_u32(a->kind, r.kind);
        put_u32(a->size, r.size);
    }
    return status;
}

status_t
sys_gate_reply(const struct gate_reply_args *a)
{
    return gate_reply(a->reply);
}

// What the program offers, copied once and checked.
static status_t
take_offer(const u8 *item, struct window_offer *out)
{
    struct call_window w;

    memcpy(&w, item, sizeof(w));
    if ((w.access & ~(u32)(WINDOW_READ | WINDOW_WRITE)) != 0 || w.access == 0)
        return ERR_BAD_ARGUMENT;
    if (w.kind == WINDOW_PASSED)
        return window_narrow(w.from, w.offset, w.size, w.access, out);
    if (w.kind != WINDOW_OWN || w.from != 0)
        return ERR_BAD_ARGUMENT;
    *out = (struct window_offer){user_bytes(w.offset, w.size), w.access, NULL};
    return out->memory.ptr != NULL ? OK : ERR_BAD_ADDRESS;
}

status_t
sys_gate_call(const struct gate_call_args *a)
{
    const u64 item = sizeof(struct call_window);
    struct window_offer offers[LIMIT_GATE_WINDOWS];
    u32 size, count = 0;
    status_t status = OK;

    if (a->windows.size > LIMIT_GATE_WINDOWS * item)
        return ERR_LIMIT;
    for (u64 at = 0; at < a->windows.size && status == OK; at += item)
        status = take_offer(a->windows.ptr + at, &offers[count++]);
    if (status != OK)
        return status;
    status = gate_call(a->door, a->request, a->reply, offers, count,
                       a->deadline_ns, &size);
    if (status == OK || status == ERR_TOO_SMALL)
        put_u32(a->size, size);
    return status;
}

// --- windows -----------------------------------------------------------------

status_t
sys_window_get(const struct window_get_args *a)
{
    u64 size;
    u32 access;
    status_t status = window_get(a->window, &size, &access);

    if (status == OK) {
        put_u32(a->size, (u32)size); // a call_window had it
        put_u32(a->access, access);
    }
    return status;
}

status_t
sys_window_read(const struct window_read_args *a)
{
    return window_read(a->window, a->offset, a->bytes);
}

status_t
sys_window_write(const struct window_write_args *a)
{
    return window_write(a->window, a->offset, a->bytes);
}
