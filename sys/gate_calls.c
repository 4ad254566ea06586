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

status_t
sys_gate_call(const struct gate_call_args *a)
{
    u32 size;
    status_t status =
        gate_call(a->door, a->request, a->reply, a->deadline_ns, &size);

    if (status == OK || status == ERR_TOO_SMALL)
        put_u32(a->size, size);
    return status;
}
