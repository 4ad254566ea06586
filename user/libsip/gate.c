// user/libsip/gate.c: serving and calling through gates.

#include <nebulet.h>
#include <sip.h>

#include <stddef.h>

int32_t
sip_serve(uint32_t gate, const struct sip_service *s)
{
    // Of this thread alone: several may serve a gate.
    uint8_t request[NEBULET_LIMIT_GATE_SIZE], reply[NEBULET_LIMIT_GATE_SIZE];
    uint32_t kind, size, reply_size = 0;
    uint64_t badge;
    struct nebulet_gate_serve call = {
        .gate = gate,
        .deadline_ns = UINT64_MAX,
        .reply = reply,
        .request = request,
        .request_size = sizeof(request),
        .badge = &badge,
        .kind = &kind,
        .size = &size,
    };

    for (;;) {
        call.reply_size = reply_size;
        if (s->deadline != NULL)
            call.deadline_ns = s->deadline(s->arg);
        int32_t status = nebulet_gate_serve(&call);
        reply_size = 0;
        if (status == NEBULET_ERR_TIMED_OUT) {
            s->idle(s->arg);
            continue;
        }
        if (status != 0)
            return status;
        if (kind == NEBULET_GATE_CALL)
            reply_size = s->call(s->arg, badge, request, size, reply);
        else if (!s->closed(s->arg, badge))
            return 0;
    }
}

int32_t
sip_call(uint32_t door, const void *request, uint32_t size, void *reply,
         uint32_t *reply_size)
{
    struct nebulet_gate_call call = {
        .door = door,
        .deadline_ns = UINT64_MAX,
        .request = request,
        .request_size = size,
        .reply = reply,
        .reply_size = *reply_size,
        .size = reply_size,
    };

    return nebulet_gate_call(&call);
}
