// test/kernel/device_hostile.c: drivers that name anything, devices that answer
// anything, and drivers that are killed with full queues: nobody touches memory
// that was not named, nothing is written after the end, and all comes back.

#include "test/kernel/device.h"

#include "kernel/device.h"

#include <string.h>

static u64 random_state;

static u32
draw(u32 below)
{
    return test_draw(&random_state, below);
}

#define ONE_OF(table) ((table)[draw(COUNT(table))])

// --- a hostile driver --------------------------------------------------------

enum {
    DRIVER_QUEUE = 8,
    REQUESTS = 3, // of one submit, at most
    SEGMENTS = 40,
    FREE_FROM = 65536, // what it may let a device write to
};

static u64 submits, taken;

static u32
draw_offset(void)
{
    static const u32 edges[] = {
        0,
        1,
        FREE_FROM,
        FREE_FROM + 65535,
        2 * 65536,
        0x3ffff,
        TEST_MEMORY,
        TEST_MEMORY - 1,
        TEST_MEMORY + 1,
        UINT32_MAX,
        UINT32_MAX - 7,
        1u << 31,
    };

    return draw(4) == 0 ? ONE_OF(edges) : FREE_FROM + draw(TEST_MEMORY);
}

static u32
draw_size(void)
{
    static const u32 edges[] = {0, 1, 4096, 65536, 65537, UINT32_MAX, 1u << 31};

    return draw(8) == 0 ? ONE_OF(edges) : draw(3000);
}

// Nothing that calls read may be written to.
static struct call_window
draw_segment(void)
{
    struct call_window w = {
        .kind = draw(64) == 0 ? draw(4) : WINDOW_OWN,
        .from = draw(64) == 0 ? draw(4) : 0,
        .offset = draw_offset(),
        .size = draw_size(),
        .access = draw(64) == 0 ? draw(8) : 1 + draw(2),
    };

    if (w.offset < FREE_FROM && w.access != WINDOW_READ)
        w.access = 0;
    return w;
}

static void
put_segments(void)
{
    bool sorted = draw(4) > 0; // else most are refused for their order
    bool in = false;

    for (u32 i = 0; i < SEGMENTS; i++) {
        struct call_window w = draw_segment();
        in |= draw(3) == 0;
        if (sorted && (in || w.offset >= FREE_FROM))
            w.access = in ? WINDOW_WRITE : WINDOW_READ;
        if (w.offset < FREE_FROM && w.access == WINDOW_WRITE)
            w.access = WINDOW_READ;
        memcpy(test_memory(SEGMENTS_AT + i * (u32)sizeof(w)), &w, sizeof(w));
    }
}

// What the device sees at `at` is the driver's memory at this address.
static void
expect_alias(u8 *at, u32 address)
{
    u8 *ours = test_memory(address), before = *ours;

    *at = before ^ 0x5a;
    bool same = *(volatile u8 *)ours == (u8)(before ^ 0x5a);
    *at = before;
    EXPECT(same);
}

// At both ends, and at each page.
static void
expect_range(u8 *at, u32 address, u32 size)
{
    for (u32 i = 0; i < size; i += PAGE_SIZE - (address + i) % PAGE_SIZE)
        expect_alias(at + i, address + i);
    expect_alias(at + size - 1, address + size - 1);
}

// A request is what the driver has named, in that order, and nothing else; the
// device writes to all that it may.
static void
serve_one(struct model *m, const struct model_request *r, u32 first, u32 count)
{
    u32 piece = 0, used = 0, written = 0;

    for (u32 i = 0; i < count; i++) {
        struct call_window w;
        memcpy(&w, test_memory(SEGMENTS_AT + (first + i) * (u32)sizeof(w)),
               sizeof(w));
        for (u32 at = 0, part; at < w.size && piece < r->count; at += part) {
            part = MIN(w.size - at, r->pieces[piece].size - used);
            EXPECT_EQ(r->pieces[piece].in, w.access == WINDOW_WRITE);
            expect_range(r->pieces[piece].ptr + used, w.offset + at, part);
            used += part;
            if (used == r->pieces[piece].size)
                piece++, used = 0;
        }
    }
    EXPECT_EQ(piece, r->count);
    for (u32 i = 0; i < r->count; i++)
        if (r->pieces[i].in) {
            memset(r->pieces[i].ptr, 0xee, r->pieces[i].size);
            written += r->pieces[i].size;
        }
    model_finish(m, 0, r->head, written);
}

static u32
segments_of(u32 request)
{
    struct queue_request r;

    memcpy(&r, test_memory(REQUESTS_AT + request * (u32)sizeof(r)), sizeof(r));
    return r.segments;
}

static void
drive(struct model *m, handle_t queue)
{
    u32 requests = 1 + draw(REQUESTS), accepted, count, first = 0;
    struct model_request r;

    put_segments();
    for (u32 i = 0; i < requests; i++)
        test_put_request(i, draw(UINT32_MAX),
                         draw(16) == 0 ? draw(UINT32_MAX) : draw(6));
    submits++;
    if (test_submit(queue, requests, SEGMENTS, &accepted) != OK)
        return;
    taken += accepted;
    EXPECT_EQ(caller_memory()->pinned.count, accepted);
    for (count = 0; model_take(m, 0, &r); count++) {
        serve_one(m, &r, first, segments_of(count));
        first += segments_of(count);
    }
    EXPECT_EQ(count, accepted);
    while (test_reap(queue, 1 + draw(4), 0, &count) == OK)
        continue;
    EXPECT_EQ(caller_memory()->pinned.count, 0);
}

static void
drive_all(void)
{
    struct model *m = test_new_model(&test_manual);
    u64 ours = m->features, end = test_device_steps(10);
    handle_t device = test_device_of(m), queue = 0;

    random_state = 0x9e3779b97f4a7c15 + test_stress_seed();
    for (submits = taken = 0; submits < end;) {
        if (submits % 512 == 0 && queue != 0)
            EXPECT_EQ(CALL(handle_close, queue), OK);
        if (submits % 512 == 0) {
            m->features = ours;
            if (draw(2))
                m->features &= ~(1ull << VIRTIO_INDIRECT);
            if (draw(2))
                m->features &= ~(1ull << VIRTIO_EVENT_INDEX);
            queue = test_start_device(device, DRIVER_QUEUE);
        }
        drive(m, queue);
    }
    klog("devices: %llu submits, %llu requests accepted",
         (unsigned long long)submits, (unsigned long long)taken);
    EXPECT(taken > submits / 20);
}

TEST_KERNEL(device_hostile_driver)
{
    EXPECT_EQ(test_in_process(drive_all), 0);
}

// --- a hostile device --------------------------------------------------------

enum { DEVICE_QUEUE = 16 };

// Tokens are numbers of requests that are under way.
static struct {
    bool under_way[DEVICE_QUEUE];
    u32 count;
    u64 given, done, lost, resets;
} tokens;

static void
submit_some(handle_t queue)
{
    u32 count = 1 + draw(3), accepted, number = 0, segments = 0;

    for (u32 i = 0; i < DEVICE_QUEUE && number < count; i++) {
        u32 pieces = 1 + draw(6);
        if (tokens.under_way[i])
            continue;
        test_put_request(number++, i, pieces);
        for (u32 k = 0; k < pieces; k++)
            test_put_segment(segments++, FREE_FROM + 4096 * i + 600 * k, 600,
                             WINDOW_WRITE);
    }
    if (number == 0 || test_submit(queue, number, segments, &accepted) != OK)
        return;
    for (u32 i = 0; i < accepted; i++) {
        struct queue_request r;
        memcpy(&r, test_memory(REQUESTS_AT + i * (u32)sizeof(r)), sizeof(r));
        tokens.under_way[r.token] = true;
    }
    tokens.count += accepted;
    tokens.given += accepted;
}

// Each that was given comes back once, and no more of it than there is room.
static status_t
reap_some(handle_t queue)
{
    u32 count;
    status_t status = test_reap(queue, 1 + draw(8), 0, &count);

    for (u32 i = 0; i < count; i++) {
        struct queue_done done = test_done(i);
        EXPECT(done.token < DEVICE_QUEUE && tokens.under_way[done.token]);
        EXPECT(done.size <= 6 * 600);
        EXPECT(done.status == OK || (status_t)done.status == ERR_IO);
        tokens.under_way[done.token % DEVICE_QUEUE] = false;
        tokens.count--;
        tokens.done += done.status == OK;
        tokens.lost += done.status != OK;
    }
    return status;
}

static u16 *
used_index(struct model_queue *q)
{
    return (u16 *)(q->used + 2);
}

// In the rings; not in descriptors, which the model follows.
static void
write_anywhere(struct model_queue *q)
{
    u32 size = (u32)virtqueue_bytes(DEVICE_QUEUE), from = 16 * DEVICE_QUEUE;

    q->desc[from + draw(size - from)] = (u8)draw(256);
}

static void
finish_anything(struct model *m, struct model_queue *q)
{
    static const u32 ids[] = {DEVICE_QUEUE, 0x10000, 0xffff, UINT32_MAX};
    struct model_request r;

    switch (draw(8)) {
    case 0: // one that may be in flight or not
        model_finish(m, 0, draw(DEVICE_QUEUE), draw(UINT32_MAX));
        break;
    case 1:
        if (draw(8) == 0)
            model_finish(m, 0, ONE_OF(ids), draw(5000));
        break;
    case 2: // forwards or backwards
        if (draw(8) == 0)
            *used_index(q) = (u16)(*used_index(q) + draw(UINT32_MAX));
        break;
    default:
        while (model_take(m, 0, &r) && draw(4) > 0) {
            model_finish(m, 0, r.head, draw(4) == 0 ? UINT32_MAX : draw(4000));
            if (draw(64) == 0)
                model_finish(m, 0, r.head, 1); // again
        }
    }
}

static void
misbehave(struct model *m)
{
    struct model_queue *q = &m->queues[0];

    if (q->size == 0)
        return;
    if (draw(16) == 0)
        write_anywhere(q);
    else
        finish_anything(m, q);
    m->config[draw(VIRTIO_CONFIG_SIZE)] = (u8)draw(256);
    m->generation++;
    if (draw(2))
        device_interrupt(&m->device);
}

static void
misbehave_all(void)
{
    struct model *m = test_new_model(&test_manual);
    handle_t device = test_device_of(m), queue = 0;
    u64 end = test_device_steps(1);

    memset(&tokens, 0, sizeof(tokens));
    random_state = 0x2545f4914f6cdd1d + test_stress_seed();
    for (u64 step = 0; step < end; step++) {
        if (queue == 0)
            queue = test_start_device(device, DEVICE_QUEUE);
        submit_some(queue);
        u32 pinned = caller_memory()->pinned.count; // 0 once it was stopped
        EXPECT(pinned == tokens.count || pinned == 0);
        misbehave(m);
        EXPECT_EQ(CALL(device_config, device, draw(200), DEVICE_OUT, 8), OK);
        status_t status = reap_some(queue);
        if (draw(512) == 0)
            EXPECT_EQ(CALL(device_reset, device), OK);
        if (status != ERR_PEER_CLOSED)
            continue;
        EXPECT_EQ(tokens.count, 0);
        EXPECT_EQ(caller_memory()->pinned.count, 0);
        EXPECT_EQ(CALL(handle_close, queue), OK);
        tokens.resets++;
        queue = 0;
    }
    klog("devices: %llu requests, %llu done, %llu lost in %llu resets",
         (unsigned long long)tokens.given, (unsigned long long)tokens.done,
         (unsigned long long)tokens.lost, (unsigned long long)tokens.resets);
    EXPECT(tokens.done > end / 20 && tokens.lost > end / 200);
}

static void
run_misbehave_all(void)
{
    EXPECT_EQ(test_in_process(misbehave_all), 0);
}

TEST_KERNEL(device_hostile_device)
{
    static char said[65536]; // a line for each reset, which nobody needs

    test_log(said, sizeof(said), run_misbehave_all);
    EXPECT(strstr(said, "does not keep the rules") != NULL);
}

// --- drivers that are killed -------------------------------------------------

enum { KILL_QUEUE = 32, KILLED_AT = 65536 };

// What the device has of a driver, whose memory it writes to until it is
// stopped.
static struct {
    struct model *model;
    struct model_request requests[KILL_QUEUE];
    u32 count;
    struct process *driver;
    bool ready;
    u32 stops; // with requests under way
} victim;

static void
write_to_all(void)
{
    for (u32 i = 0; i < victim.count; i++)
        for (u32 k = 0; k < victim.requests[i].count; k++)
            memset(victim.requests[i].pieces[k].ptr, 0xdd,
                   victim.requests[i].pieces[k].size);
}

static void
write_last(struct model *m)
{
    (void)m;
    write_to_all();
    victim.stops += victim.count > 0;
    victim.count = 0;
}

static const struct model_type model_victim = {
    .kind = DEVICE_RANDOM,
    .queues = 2,
    .stop = write_last,
};

static void
fill_and_wait(void)
{
    handle_t device = process_current()->given[0];
    handle_t queue = test_start_device(device, KILL_QUEUE);
    u32 accepted, count;

    for (u32 i = 0; i < KILL_QUEUE; i++) {
        test_put_request(i, i, 1);
        test_put_segment(i, KILLED_AT + PAGE_SIZE * i, 4000, WINDOW_WRITE);
    }
    EXPECT_EQ(test_submit(queue, KILL_QUEUE, KILL_QUEUE, &accepted), OK);
    EXPECT_EQ(accepted, KILL_QUEUE);
    while (victim.count < KILL_QUEUE &&
           model_take(victim.model, 0, &victim.requests[victim.count]))
        victim.count++;
    EXPECT_EQ(victim.count, KILL_QUEUE);
    __atomic_store_n(&victim.ready, true, __ATOMIC_RELEASE);
    EXPECT_EQ(test_reap(queue, 1, UINT64_MAX, &count), ERR_KILLED);
}

// All that it had comes back, and only when the device has stopped.
static void
kill_one(struct device *d, struct group *g)
{
    struct process *p = test_new_process_in(g, fill_and_wait);

    victim.ready = false;
    EXPECT_EQ(process_give(p, device_object(d), RIGHT_READ | RIGHT_MANAGE), OK);
    test_start(p);
    TEST_WAIT(__atomic_load_n(&victim.ready, __ATOMIC_ACQUIRE));
    write_to_all();
    process_kill(p, 3);
    EXPECT_EQ(test_wait(p), 3);
    TEST_WAIT(d->queues[0] == NULL); // its last thread has left
    EXPECT_EQ(victim.model->status, 0);
    EXPECT_EQ(victim.count, 0);
}

TEST_KERNEL(device_drivers_are_killed)
{
    u32 kills = (u32)test_device_steps(1) / 100;
    struct group *g = test_new_group(group_root());
    struct device *d = NULL;

    memset(&victim, 0, sizeof(victim));
    victim.model = test_new_model(&model_victim);
    EXPECT_EQ(device_new(&d, &victim.model->device), OK);
    for (u32 i = 0; i < kills; i++) {
        kill_one(d, g);
        test_expect_unused(g);
    }
    EXPECT_EQ(victim.stops, kills);
    test_drop_group(g);
    object_release(device_object(d));
}

// --- a device that does not stop ---------------------------------------------

// What it may still write to stays where it is, for ever; here until the test
// gives it back by hand.
static void
leave_stuck(void)
{
    struct model *m = victim.model;
    handle_t device = test_device_of(m), queue = test_start_device(device, 4);
    struct object *o;

    EXPECT_EQ(test_submit_one(queue, 1, KILLED_AT, 8, WINDOW_WRITE), OK);
    EXPECT_EQ(handle_get(&process_current()->handles, queue, NULL, 0, &o), OK);
    struct port_dma ring = queue_from_object(o)->ring;
    struct port_dma tables = queue_from_object(o)->tables;
    object_release(o);
    m->stuck = true;
    EXPECT_EQ(CALL(device_reset, device), ERR_IO);
    EXPECT_EQ(caller_memory()->pinned.count, 1);
    EXPECT_EQ(CALL(device_features, device, 0, DEVICE_OUT), ERR_IO);
    EXPECT_EQ(CALL(handle_close, queue), OK);
    EXPECT_EQ(caller_memory()->pinned.count, 1);
    memset(ring.memory, 0xdd, ring.size); // nobody else has it
    m->stuck = false;
    EXPECT_EQ(CALL(device_features, device, 0, DEVICE_OUT), ERR_IO);
    caller_memory()->pinned.count--;
    object_release(&caller_memory()->object);
    port_dma_free(&ring);
    port_dma_free(&tables);
}

TEST_KERNEL(device_does_not_stop)
{
    victim.model = test_new_model(&test_manual);
    EXPECT_EQ(test_in_process(leave_stuck), 0);
}
