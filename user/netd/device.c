// user/netd/device.c: the driver of virtio-net (virtio 1.2, 5.1): a queue for
// frames that come, one for those that go, and none of the device's offers but
// its address, so that a frame is a header of zeros and what goes over the
// cable.
//
// Frames come into buffers that are the stack's from then on, until it frees
// them.  Short ones are copied, so that few bytes never hold a whole buffer.

#include "netd.h"

#include <lwip/pbuf.h>
#include <stdlib.h>
#include <string.h>

enum { RECEIVE = 0, SEND = 1, FEATURE_MAC = 5, HEADER_SIZE = 12 };

enum {
    DEPTH = 128,    // frames that the device has, each way
    BATCH = 32,     // that one call takes
    SHORT = 512,    // bytes of a frame that is copied
    BUFFERS = 4096, // that there are at most
    PIECES = 16,    // of a frame that goes
    BUFFER_SIZE = HEADER_SIZE + FRAME_SIZE,
};

struct buffer {
    struct pbuf_custom frame; // the first field
    struct buffer *next;      // of those that are free
    uint8_t bytes[BUFFER_SIZE];
};

static struct buffer *free_buffers;
static uint32_t buffer_count;
static uint32_t queues[2], room[2];
static uint32_t posted;             // buffers that the device has
static struct pbuf *sending[DEPTH]; // NULL: free
static bool broken;

// --- frames that come --------------------------------------------------------

static struct buffer *
take_buffer(void)
{
    struct buffer *b = free_buffers;

    if (b != NULL) {
        free_buffers = b->next;
        return b;
    }
    if (buffer_count == BUFFERS)
        return NULL;
    b = malloc(sizeof(*b));
    buffer_count += b != NULL;
    return b;
}

static void
leave_buffer(struct buffer *b)
{
    b->next = free_buffers;
    free_buffers = b;
}

static void
free_frame(struct pbuf *p)
{
    leave_buffer((struct buffer *)p);
}

// Let the device have as many as it takes.
static void
post_buffers(void)
{
    struct nebulet_queue_request requests[BATCH];
    struct nebulet_call_window segments[BATCH];
    struct buffer *b;
    uint32_t count = 0, done = 0;

    while (count < BATCH && posted + count < room[RECEIVE] &&
           (b = take_buffer()) != NULL) {
        requests[count] = (struct nebulet_queue_request){
            .token = (uintptr_t)b,
            .segments = 1,
        };
        segments[count++] = (struct nebulet_call_window){
            .kind = NEBULET_WINDOW_OWN,
            .offset = (uint32_t)(uintptr_t)b->bytes,
            .size = BUFFER_SIZE,
            .access = NEBULET_WINDOW_WRITE,
        };
    }
    if (count > 0)
        nebulet_queue_submit(queues[RECEIVE], requests, count, segments, count,
                             &done);
    posted += done;
    for (; done < count; done++)
        leave_buffer((struct buffer *)(uintptr_t)requests[done].token);
}

// The frame of a buffer, which is the frame's or free afterwards; NULL: none.
static struct pbuf *
frame_of(struct buffer *b, uint32_t size)
{
    struct pbuf *p;

    if (size <= HEADER_SIZE) {
        leave_buffer(b);
        return NULL;
    }
    u16_t len = (u16_t)(size - HEADER_SIZE);
    if (len > SHORT) {
        b->frame.custom_free_function = free_frame;
        return pbuf_alloced_custom(PBUF_RAW, len, PBUF_REF, &b->frame,
                                   b->bytes + HEADER_SIZE, FRAME_SIZE);
    }
    p = pbuf_alloc(PBUF_RAW, len, PBUF_RAM);
    if (p != NULL)
        memcpy(p->payload, b->bytes + HEADER_SIZE, len);
    leave_buffer(b);
    return p;
}

bool
device_poll(void (*take)(struct pbuf *frame))
{
    struct nebulet_queue_done done[BATCH];
    uint32_t count = 0;
    int32_t status =
        nebulet_queue_reap(queues[RECEIVE], done, BATCH, 0, &count);

    if (status != 0) {
        broken |= status != NEBULET_ERR_SHOULD_WAIT;
        return false;
    }
    posted -= count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = done[i].status == 0 ? done[i].size : 0;
        struct pbuf *p =
            frame_of((struct buffer *)(uintptr_t)done[i].token, size);
        if (p != NULL)
            take(p);
    }
    post_buffers();
    return true;
}

// --- frames that go ----------------------------------------------------------

// Those that the device has read are nobody's any more.
static void
reap_sent(void)
{
    struct nebulet_queue_done done[BATCH];
    uint32_t count;

    while (nebulet_queue_reap(queues[SEND], done, BATCH, 0, &count) == 0) {
        for (uint32_t i = 0; i < count; i++) {
            struct pbuf **slot = &sending[done[i].token % DEPTH];
            if (*slot != NULL)
                pbuf_free(*slot);
            *slot = NULL;
        }
    }
}

static uint32_t
free_slot(void)
{
    static uint32_t next;

    for (uint32_t i = 0; i < DEPTH; i++, next++)
        if (sending[next % DEPTH] == NULL)
            return next % DEPTH;
    return DEPTH;
}

// The pieces of a frame behind the header; 0: there are too many.
static uint32_t
cut(struct pbuf *frame, struct nebulet_call_window *segments)
{
    static const uint8_t header[HEADER_SIZE];
    uint32_t count = 0;

    segments[count++] = (struct nebulet_call_window){
        .kind = NEBULET_WINDOW_OWN,
        .offset = (uint32_t)(uintptr_t)header,
        .size = HEADER_SIZE,
        .access = NEBULET_WINDOW_READ,
    };
    for (struct pbuf *p = frame; p != NULL; p = p->next) {
        if (p->len == 0)
            continue;
        if (count == PIECES)
            return 0;
        segments[count] = segments[0];
        segments[count].offset = (uint32_t)(uintptr_t)p->payload;
        segments[count++].size = p->len;
    }
    return count;
}

bool
device_send(struct pbuf *frame)
{
    struct nebulet_call_window segments[PIECES];
    uint32_t count, done = 0;

    reap_sent();
    uint32_t slot = free_slot();
    if (slot == DEPTH)
        return false;
    count = cut(frame, segments);
    if (count == 0) {
        frame = pbuf_clone(PBUF_RAW, PBUF_RAM, frame);
        if (frame == NULL)
            return false;
        count = cut(frame, segments);
    } else {
        pbuf_ref(frame);
    }
    struct nebulet_queue_request request = {.token = slot, .segments = count};
    nebulet_queue_submit(queues[SEND], &request, 1, segments, count, &done);
    if (done == 1)
        sending[slot] = frame;
    else
        pbuf_free(frame);
    return done == 1;
}

// --- the start ---------------------------------------------------------------

int32_t
device_open(uint32_t device, uint8_t mac[MAC_SIZE])
{
    uint64_t features;
    int32_t status =
        nebulet_device_features(device, 1u << FEATURE_MAC, &features);

    for (uint32_t i = 0; i < 2 && status == 0; i++)
        status = nebulet_queue_create(device, i, DEPTH, &queues[i], &room[i]);
    if (status == 0)
        status = nebulet_device_start(device);
    if (status == 0)
        status = nebulet_device_config(device, 0, mac, MAC_SIZE);
    if (status == 0 && (features >> FEATURE_MAC & 1) == 0) {
        status = nebulet_random_get(mac, MAC_SIZE);
        mac[0] = (uint8_t)((mac[0] & 0xfc) | 2); // one of our own
    }
    if (status == 0)
        status = nebulet_port_watch(
            netd_port, queues[RECEIVE], netd_key(KEY_DEVICE, 0),
            NEBULET_SIGNAL_READABLE | NEBULET_SIGNAL_PEER_CLOSED,
            NEBULET_WATCH_REPEAT);
    // A buffer that lies in two pieces of memory takes two places.
    for (uint32_t before = 1; status == 0 && posted != before;) {
        before = posted;
        post_buffers();
    }
    return status == 0 && posted == 0 ? NEBULET_ERR_NO_MEMORY : status;
}

bool
device_is_broken(void)
{
    return broken;
}
