// kernel/event.c: an object that is nothing but its signals.

#include "kernel/internal.h"

struct event {
    struct object object;
};

status_t
event_new(struct object **out, struct account *payer)
{
    return object_new(out, &event_type, sizeof(struct event), payer);
}

void
event_free(struct object *o)
{
    kernel_free(o);
}
