// user/ninep/wire.c: messages of 9P2000.L, and how they get to the server and
// back: each is one request of the device, of what is sent and room for the
// reply (virtio 1.2, 5.9 says no more).  Nothing that the server says is
// believed further than the bytes that came.

#include "ninep.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { QUEUE = 64, SEGMENTS = 4, BATCH = 32 };

static uint32_t queue;
static uint32_t room; // requests that it takes
static bool broken;   // the device was stopped

// Those that are posted, and those that the device has, by tag.
static struct nebulet_queue_request posted[BATCH];
static struct nebulet_call_window segments[BATCH * SEGMENTS];
static uint32_t posted_count, segment_count;
static struct rpc *under_way[QUEUE];
static uint32_t under_way_count;

// --- building ----------------------------------------------------------------

static void
put(struct rpc *r, const void *bytes, uint32_t size)
{
    if (size > MESSAGE - r->size) {
        r->bad = true;
        return;
    }
    memcpy(r->sent + r->size, bytes, size);
    r->size += size;
}

void
rpc_begin(struct rpc *r, uint8_t type)
{
    const uint8_t head[HEAD] = {[4] = type};

    r->size = 0;
    r->bad = false;
    r->data = NULL;
    r->data_size = 0;
    r->reads = false;
    put(r, head, sizeof(head));
}

void
put_8(struct rpc *r, uint8_t value)
{
    put(r, &value, sizeof(value));
}

void
put_32(struct rpc *r, uint32_t value)
{
    put(r, &value, sizeof(value));
}

void
put_64(struct rpc *r, uint64_t value)
{
    put(r, &value, sizeof(value));
}

void
put_text(struct rpc *r, const void *text, uint32_t size)
{
    uint16_t count = (uint16_t)size;

    if (size > UINT16_MAX)
        r->bad = true;
    put(r, &count, sizeof(count));
    put(r, text, size);
}

void
put_data(struct rpc *r, uint8_t *data, uint32_t size)
{
    r->data = data;
    r->data_size = size;
}

void
take_data(struct rpc *r, uint8_t *data, uint32_t size)
{
    put_data(r, data, size);
    r->reads = true;
    r->head_size = HEAD + 4; // and the count
}

// --- the queue ---------------------------------------------------------------

static void
finish(struct rpc *r, int32_t error)
{
    r->busy = false;
    r->error = error;
}

// The device has stopped: nothing comes back.
static void
break_off(void)
{
    broken = true;
    for (uint32_t i = 0; i < QUEUE; i++) {
        if (under_way[i] != NULL)
            finish(under_way[i], EIO);
        under_way[i] = NULL;
    }
    under_way_count = posted_count = segment_count = 0;
}

// The reply is there, of so many bytes: what does its head say?
static void
look_at(struct rpc *r, uint32_t size)
{
    uint8_t want = r->sent[4] + 1, type;

    r->at = 0;
    r->limit = size < r->got_room ? size : r->got_room;
    (void)get_32(r);
    type = get_8(r);
    (void)get_16(r);
    if (type == 7)
        finish(r, error_of(get_32(r)));
    else
        finish(r, type == want ? 0 : EIO);
    if (r->bad)
        r->error = EIO;
}

// Take back what is done; wait for the first.
static void
reap(void)
{
    struct nebulet_queue_done done[BATCH];
    uint32_t count;
    int32_t status = nebulet_queue_reap(queue, done, BATCH, UINT64_MAX, &count);

    if (status != 0) {
        break_off();
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct rpc *r = under_way[done[i].token % QUEUE];
        if (r == NULL)
            continue;
        under_way[done[i].token % QUEUE] = NULL;
        under_way_count--;
        if (done[i].status != 0)
            finish(r, EIO);
        else
            look_at(r, done[i].size);
    }
}

void
wire_flush(void)
{
    uint32_t first = 0, from = 0, count;

    while (first < posted_count && !broken) {
        int32_t status =
            nebulet_queue_submit(queue, &posted[first], posted_count - first,
                                 &segments[from], segment_count - from, &count);
        if (status != 0) {
            fprintf(stderr, "ninep: the device takes no request: error %d\n",
                    (int)status);
            break_off();
            return;
        }
        while (count-- > 0)
            from += posted[first++].segments;
        if (first < posted_count)
            reap();
    }
    posted_count = segment_count = 0;
}

static void
add_segment(void *at, uint32_t size, uint32_t access)
{
    segments[segment_count++] = (struct nebulet_call_window){
        .kind = NEBULET_WINDOW_OWN,
        .offset = (uint32_t)(uintptr_t)at,
        .size = size,
        .access = access,
    };
    posted[posted_count].segments++;
}

void
rpc_post(struct rpc *r)
{
    bool writes = r->data_size > 0 && !r->reads;
    uint32_t size = r->size + (writes ? r->data_size : 0);

    r->at = r->limit = 0;
    r->busy = !r->bad && !broken;
    r->error = r->bad ? ENAMETOOLONG : EIO;
    if (!r->busy)
        return;
    if (posted_count == BATCH)
        wire_flush();
    while (under_way_count >= room && !broken) {
        wire_flush();
        reap();
    }
    if (broken) {
        r->busy = false;
        return;
    }
    memcpy(r->sent, &size, sizeof(size));
    memcpy(r->sent + 5, &r->tag, sizeof(r->tag));
    under_way[r->tag] = r;
    under_way_count++;
    posted[posted_count] = (struct nebulet_queue_request){.token = r->tag};
    add_segment(r->sent, r->size, NEBULET_WINDOW_READ);
    if (writes)
        add_segment(r->data, r->data_size, NEBULET_WINDOW_READ);
    add_segment(r->got, r->reads ? r->head_size : r->got_room,
                NEBULET_WINDOW_WRITE);
    if (r->reads)
        add_segment(r->data, r->data_size, NEBULET_WINDOW_WRITE);
    posted_count++;
}

int32_t
rpc_wait(struct rpc *r)
{
    wire_flush();
    while (r->busy)
        reap();
    return r->error;
}

int32_t
rpc_call(struct rpc *r)
{
    rpc_post(r);
    return rpc_wait(r);
}

// --- reading -----------------------------------------------------------------

const uint8_t *
get_bytes(struct rpc *r, uint32_t size)
{
    if (r->bad || size > r->limit - r->at) {
        r->bad = true;
        return NULL;
    }
    r->at += size;
    return r->got + r->at - size;
}

static uint64_t
get(struct rpc *r, uint32_t size)
{
    const uint8_t *from = get_bytes(r, size);
    uint64_t value = 0;

    if (from != NULL)
        memcpy(&value, from, size);
    return value;
}

uint8_t
get_8(struct rpc *r)
{
    return (uint8_t)get(r, 1);
}

uint16_t
get_16(struct rpc *r)
{
    return (uint16_t)get(r, 2);
}

uint32_t
get_32(struct rpc *r)
{
    return (uint32_t)get(r, 4);
}

uint64_t
get_64(struct rpc *r)
{
    return get(r, 8);
}

// --- the start ---------------------------------------------------------------

bool
wire_start(uint32_t device)
{
    uint64_t features;
    int32_t status = nebulet_device_features(device, 1, &features);

    if (status == 0)
        status = nebulet_queue_create(device, 0, QUEUE, &queue, &room);
    if (status == 0)
        status = nebulet_device_start(device);
    if (status != 0)
        fprintf(stderr, "ninep: the device does not start: error %d\n",
                (int)status);
    return status == 0;
}
