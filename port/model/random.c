// port/model/random.c: a source of random bytes (virtio 1.2, 5.4).

#include "port/model/model.h"

#include "kernel/port.h"

enum { STEP = 4096 }; // it may give fewer than it is asked for

static u32
serve(struct model *m, u32 queue, const struct model_request *r)
{
    (void)m, (void)queue;
    if (r->count == 0 || !r->pieces[0].in)
        return 0;
    u32 size = MIN(r->pieces[0].size, (u32)STEP);
    port_random(r->pieces[0].ptr, size);
    return size;
}

const struct model_type model_random = {
    .kind = 4,
    .queues = 1,
    .serve = serve,
};
