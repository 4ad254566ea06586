// test/kernel/device.c: devices and queues as a driver uses them: what it may
// do and what it is told, on models that keep the rules.

#include "test/kernel/device.h"

#include "kernel/device.h"

#include <string.h>

// --- models ------------------------------------------------------------------

enum { MODELS = 64 };

static struct model models[MODELS];

const struct model_type test_manual = {
    .kind = DEVICE_RANDOM,
    .queues = 2,
};

struct model *
test_new_model(const struct model_type *type)
{
    for (u32 i = 0; i < MODELS; i++)
        if (models[i].device.user == NULL) {
            model_init(&models[i], type, test_dma);
            return &models[i];
        }
    panic(__FILE__, __LINE__, "too many devices");
}

static struct device *
device_of(struct model *m)
{
    struct device *d = NULL;

    EXPECT_EQ(device_new(&d, &m->device), OK);
    return d;
}

handle_t
test_device_of(struct model *m)
{
    struct object *o = device_object(device_of(m));
    handle_t handle = 0;

    EXPECT_EQ(handle_new(&process_current()->handles, o, UINT32_MAX, &handle),
              OK);
    object_release(o);
    return handle;
}

struct object *
test_new_device_object(const struct object_type *type, struct account *payer)
{
    struct device *d = device_of(test_new_model(&test_manual));
    struct queue *q;
    u64 agreed;

    if (type == &device_type)
        return device_object(d);
    EXPECT_EQ(device_features(d, 0, &agreed), OK);
    EXPECT_EQ(queue_new(&q, d, 0, 4, payer), OK);
    object_release(device_object(d));
    return queue_object(q);
}

// --- calls -------------------------------------------------------------------

handle_t
test_start_device(handle_t device, u32 size)
{
    EXPECT_EQ(CALL(device_features, device, UINT64_MAX, DEVICE_OUT), OK);
    EXPECT_EQ(CALL(queue_create, device, 0, size, DEVICE_OUT, DEVICE_OUT + 4),
              OK);
    EXPECT_EQ(CALL(device_start, device), OK);
    return test_load32(DEVICE_OUT);
}

void
test_put_request(u32 number, u64 token, u32 segments)
{
    struct queue_request r = {.token = token, .segments = segments};

    memcpy(test_memory(REQUESTS_AT + number * (u32)sizeof(r)), &r, sizeof(r));
}

void
test_put_segment(u32 number, u32 at, u32 size, u32 access)
{
    struct call_window w = {
        .kind = WINDOW_OWN, .offset = at, .size = size, .access = access};

    memcpy(test_memory(SEGMENTS_AT + number * (u32)sizeof(w)), &w, sizeof(w));
}

status_t
test_submit(handle_t queue, u32 requests, u32 segments, u32 *accepted)
{
    test_store32(DEVICE_OUT, 0);
    status_t status = CALL(queue_submit, queue, REQUESTS_AT, requests,
                           SEGMENTS_AT, segments, DEVICE_OUT);
    *accepted = test_load32(DEVICE_OUT);
    return status;
}

status_t
test_submit_one(handle_t queue, u64 token, u32 at, u32 size, u32 access)
{
    u32 accepted;

    test_put_request(0, token, 1);
    test_put_segment(0, at, size, access);
    status_t status = test_submit(queue, 1, 1, &accepted);
    if (status == OK)
        EXPECT_EQ(accepted, 1);
    return status;
}

struct queue_done
test_done(u32 number)
{
    struct queue_done done;

    memcpy(&done, test_memory(DONE_AT + number * (u32)sizeof(done)),
           sizeof(done));
    return done;
}

status_t
test_reap(handle_t queue, u32 room, u64 deadline, u32 *count)
{
    status_t status =
        CALL(queue_reap, queue, DONE_AT, room, deadline, DEVICE_OUT);

    *count = status == OK ? test_load32(DEVICE_OUT) : 0;
    return status;
}

// --- a source of random bytes ------------------------------------------------

enum { BYTES_AT = 65536 };

static void
use_random(void)
{
    handle_t device = test_device_of(test_new_model(&model_random));
    u32 count, other = 0;

    EXPECT_EQ(CALL(device_info, device, DEVICE_OUT), OK);
    EXPECT_EQ(test_load32(DEVICE_OUT), DEVICE_RANDOM);
    handle_t queue = test_start_device(device, 8);
    EXPECT_EQ(test_reap(queue, 4, 0, &count), ERR_SHOULD_WAIT);
    for (u32 turn = 0; turn < 20; turn++) {
        EXPECT_EQ(test_submit_one(queue, 100 + turn, BYTES_AT + 10, 1000,
                                  WINDOW_WRITE),
                  OK);
        EXPECT_EQ(test_reap(queue, 4, UINT64_MAX, &count), OK);
        EXPECT_EQ(count, 1);
        EXPECT_EQ(test_done(0).token, 100 + turn);
        EXPECT_EQ(test_done(0).size, 1000);
        EXPECT_EQ(test_done(0).status, OK);
    }
    for (u32 i = 0; i < 1000; i++)
        other += *test_memory(BYTES_AT + 10 + i) != 0;
    EXPECT(other > 900);
    EXPECT_EQ(*test_memory(BYTES_AT + 9), 0);
    EXPECT_EQ(*test_memory(BYTES_AT + 1010), 0);
}

// Words that name no device of a machine; those that do test/command/disk.py
// has.
TEST_KERNEL(device_names)
{
    static const char *const words[] = {"",         "none",
                                        "random=7", "random=",
                                        "random=x", "random=0x0",
                                        "disk=64",  "disk=-1",
                                        "=0",       "random=99999999999999"};

    for (u32 i = 0; i < COUNT(words); i++)
        EXPECT(device_find(string_of(words[i])) == NULL);
}

TEST_KERNEL(device_random)
{
    EXPECT_EQ(test_in_process(use_random), 0);
}

// --- a disk ------------------------------------------------------------------

enum { HEAD_AT = 65536, STATUS_AT = 65552, DATA_AT = 70000, SECTORS = 64 };

static struct {
    u8 sectors[SECTORS * SECTOR];
    struct model_write log[8];
    struct model_disk disk;
} d;

static void
put_disk_request(u32 type, u64 sector, u32 size)
{
    u64 head[2] = {type, sector};

    memcpy(test_memory(HEAD_AT), head, sizeof(head));
    test_put_segment(0, HEAD_AT, 16, WINDOW_READ);
    if (size > 0)
        test_put_segment(1, DATA_AT, size,
                         type == 0 ? WINDOW_WRITE : WINDOW_READ);
    test_put_segment(size > 0 ? 2 : 1, STATUS_AT, 1, WINDOW_WRITE);
    test_put_request(0, 7, size > 0 ? 3 : 2);
}

// The status byte.
static u8
disk_request(handle_t queue, u32 type, u64 sector, u32 size)
{
    u32 count = 0, accepted;

    put_disk_request(type, sector, size);
    *test_memory(STATUS_AT) = 0xff;
    EXPECT_EQ(test_submit(queue, 1, 3, &accepted), OK);
    EXPECT_EQ(accepted, 1);
    EXPECT_EQ(test_reap(queue, 1, UINT64_MAX, &count), OK);
    EXPECT_EQ(count, 1);
    EXPECT_EQ(test_done(0).size, type == 0 ? size + 1 : 1);
    return *test_memory(STATUS_AT);
}

static handle_t
have_disk(struct model **out, bool read_only)
{
    *out = test_new_model(&model_disk);
    d.disk = (struct model_disk){.sectors = d.sectors,
                                 .count = SECTORS,
                                 .read_only = read_only,
                                 .log = d.log,
                                 .log_size = COUNT(d.log)};
    memset(d.sectors, 0, sizeof(d.sectors));
    model_disk_init(*out, &d.disk);
    return test_device_of(*out);
}

static void
use_disk(void)
{
    struct model *m;
    handle_t device = have_disk(&m, false);
    handle_t queue = test_start_device(device, 16);

    EXPECT_EQ(CALL(device_config, device, 0, DEVICE_OUT, 8), OK);
    EXPECT_EQ(test_load64(DEVICE_OUT), SECTORS);
    memset(test_memory(DATA_AT), 0x42, 3 * SECTOR);
    EXPECT_EQ(disk_request(queue, 1, 5, 3 * SECTOR), 0);
    EXPECT_EQ(disk_request(queue, 4, 0, 0), 0);
    EXPECT_EQ(d.sectors[5 * SECTOR - 1], 0);
    EXPECT_EQ(d.sectors[5 * SECTOR], 0x42);
    EXPECT_EQ(d.sectors[8 * SECTOR - 1], 0x42);
    EXPECT_EQ(d.sectors[8 * SECTOR], 0);
    EXPECT_EQ(d.disk.logged, 2);
    EXPECT_EQ(d.log[0].sector, 5);
    EXPECT_EQ(d.log[0].count, 3);
    EXPECT_EQ(d.log[1].count, 0);
    memset(test_memory(DATA_AT), 0, 3 * SECTOR);
    EXPECT_EQ(disk_request(queue, 0, 4, 2 * SECTOR), 0);
    EXPECT_EQ(*test_memory(DATA_AT + SECTOR - 1), 0);
    EXPECT_EQ(*test_memory(DATA_AT + SECTOR), 0x42);
    EXPECT_EQ(*test_memory(DATA_AT + 2 * SECTOR), 0);
}

static void
use_read_only_disk(void)
{
    struct model *m;
    handle_t device = have_disk(&m, true);

    EXPECT_EQ(CALL(device_features, device, 1 << 5, DEVICE_OUT), OK);
    EXPECT_EQ(test_load64(DEVICE_OUT) & 0xffffff, 1 << 5);
    handle_t queue = test_start_device(device, 16);
    put_disk_request(1, 5, SECTOR);
    u32 accepted, count;
    EXPECT_EQ(test_submit(queue, 1, 3, &accepted), OK);
    EXPECT_EQ(test_reap(queue, 1, UINT64_MAX, &count), OK);
    EXPECT_EQ(*test_memory(STATUS_AT), 1);
    EXPECT_EQ(d.sectors[5 * SECTOR], 0);
}

TEST_KERNEL(device_disk)
{
    EXPECT_EQ(test_in_process(use_disk), 0);
    EXPECT_EQ(test_in_process(use_read_only_disk), 0);
}

// --- what is refused ---------------------------------------------------------

static void
misuse_steps(void)
{
    struct model *m = test_new_model(&test_manual);
    handle_t device = test_device_of(m);

    EXPECT_EQ(CALL(device_start, device), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(queue_create, device, 0, 4, DEVICE_OUT, DEVICE_OUT + 4),
              ERR_NOT_FOUND);
    EXPECT_EQ(CALL(device_features, device, UINT64_MAX, DEVICE_OUT), OK);
    EXPECT_EQ(test_load64(DEVICE_OUT), m->features);
    EXPECT_EQ(CALL(queue_create, device, 0, 0, DEVICE_OUT, DEVICE_OUT + 4),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(queue_create, device, 0, LIMIT_QUEUE_SIZE + 1, DEVICE_OUT,
                   DEVICE_OUT + 4),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(queue_create, device, 2, 4, DEVICE_OUT, DEVICE_OUT + 4),
              ERR_NOT_FOUND);
    EXPECT_EQ(CALL(queue_create, device, VIRTIO_QUEUES, 4, DEVICE_OUT,
                   DEVICE_OUT + 4),
              ERR_NOT_FOUND);
    EXPECT_EQ(CALL(queue_create, device, 0, 7, DEVICE_OUT, DEVICE_OUT + 4), OK);
    EXPECT_EQ(test_load32(DEVICE_OUT + 4), 4); // a power of two
    EXPECT_EQ(CALL(queue_create, device, 0, 4, DEVICE_OUT, DEVICE_OUT + 4),
              ERR_EXISTS);
    EXPECT_EQ(CALL(device_start, device), OK);
    EXPECT_EQ(CALL(device_start, device), ERR_EXISTS);
    EXPECT_EQ(CALL(queue_create, device, 1, 4, DEVICE_OUT, DEVICE_OUT + 4),
              ERR_EXISTS);
    EXPECT_EQ(CALL(device_reset, device), OK);
    EXPECT_EQ(CALL(device_start, device), ERR_NOT_FOUND);
}

static void
misuse_config(void)
{
    struct model *m;
    handle_t disk = have_disk(&m, false);

    EXPECT_EQ(CALL(device_config, disk, 0, DEVICE_OUT, 16), OK);
    EXPECT_EQ(CALL(device_config, disk, 250, DEVICE_OUT, 6), OK);
    EXPECT_EQ(CALL(device_config, disk, 250, DEVICE_OUT, 7), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(device_config, disk, UINT32_MAX, DEVICE_OUT, 1),
              ERR_BAD_ARGUMENT);
    *test_memory(DEVICE_OUT) = 0x77;
    EXPECT_EQ(CALL(device_configure, disk, 32, DEVICE_OUT, 1), OK);
    EXPECT_EQ(m->config[32], 0x77);
    EXPECT_EQ(CALL(device_configure, disk, 31, DEVICE_OUT, 1),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(device_configure, disk, 32, DEVICE_OUT, 2),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(device_configure, disk, 33, DEVICE_OUT, 1),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(m->config[31] | m->config[33], 0);
    handle_t source = test_device_of(test_new_model(&model_random));
    EXPECT_EQ(CALL(device_configure, source, 0, DEVICE_OUT, 1),
              ERR_BAD_ARGUMENT);
}

// What is on offer and nobody may have: bits of later versions, and of kinds.
static void
misuse_features(void)
{
    struct model *m = test_new_model(&model_random);
    handle_t device = test_device_of(m);
    u64 ours = m->features;

    m->features |= 0x40ffffff | 0xfffcull << 32;
    m->features &= ~(1ull << VIRTIO_PLATFORM);
    EXPECT_EQ(CALL(device_features, device, UINT64_MAX, DEVICE_OUT), OK);
    EXPECT_EQ(test_load64(DEVICE_OUT), ours);
    EXPECT_EQ(m->accepted, ours);
    m->features |= 1ull << VIRTIO_PLATFORM;
    EXPECT_EQ(CALL(device_features, device, 0, DEVICE_OUT), ERR_IO);
    m->features = 0; // the legacy interface alone
    EXPECT_EQ(CALL(device_features, device, 0, DEVICE_OUT), ERR_IO);
    EXPECT_EQ(CALL(device_start, device), ERR_NOT_FOUND);
    EXPECT(!device_kind_allowed(5)); // a balloon
    EXPECT(!device_kind_allowed(16));
    EXPECT(!device_kind_allowed(0));
}

static void
misuse_segments(void)
{
    handle_t device = test_device_of(test_new_model(&test_manual));
    handle_t queue = test_start_device(device, 4);
    enum { R = WINDOW_READ, OWN = WINDOW_OWN, END = TEST_MEMORY };
    static const struct {
        struct call_window w;
        status_t status;
    } wrong[] = {
        {{OWN, 0, 0, 0, R},                   ERR_BAD_ARGUMENT},
        {{OWN, 1, 0, 8, R},                   ERR_BAD_ARGUMENT},
        {{OWN, 0, 0, 8, 0},                   ERR_BAD_ARGUMENT},
        {{OWN, 0, 0, 8, R | WINDOW_WRITE},    ERR_BAD_ARGUMENT},
        {{OWN, 0, 0, 8, 4},                   ERR_BAD_ARGUMENT},
        {{2, 0, 0, 8, R},                     ERR_BAD_ARGUMENT},
        {{WINDOW_PASSED, 0, 0, 8, R},         ERR_UNSUPPORTED },
        {{OWN, 0, END - 7, 8, R},             ERR_BAD_ADDRESS },
        {{OWN, 0, UINT32_MAX, UINT32_MAX, R}, ERR_BAD_ADDRESS },
    };
    u32 accepted;

    for (u32 i = 0; i < COUNT(wrong); i++) {
        test_put_request(0, 1, 1);
        memcpy(test_memory(SEGMENTS_AT), &wrong[i].w, sizeof(wrong[i].w));
        EXPECT_EQ(test_submit(queue, 1, 1, &accepted), wrong[i].status);
    }
    test_put_segment(0, 0, 8, WINDOW_READ);
    EXPECT_EQ(test_submit(queue, 1, 0, &accepted), ERR_BAD_ARGUMENT);
    test_put_request(0, 1, 0);
    EXPECT_EQ(test_submit(queue, 1, 1, &accepted), ERR_BAD_ARGUMENT);
    test_put_segment(1, 0, 8, WINDOW_WRITE);
    test_put_segment(2, 0, 8, WINDOW_READ); // behind one that is written
    test_put_request(0, 1, 3);
    EXPECT_EQ(test_submit(queue, 1, 3, &accepted), ERR_BAD_ARGUMENT);
    for (u32 i = 0; i <= LIMIT_QUEUE_PIECES; i++)
        test_put_segment(i, 0, 8, WINDOW_READ);
    test_put_request(0, 1, LIMIT_QUEUE_PIECES + 1);
    EXPECT_EQ(test_submit(queue, 1, LIMIT_QUEUE_PIECES + 1, &accepted),
              ERR_LIMIT);
    EXPECT_EQ(test_submit(queue, LIMIT_QUEUE_BATCH + 1, 1, &accepted),
              ERR_LIMIT);
    EXPECT_EQ(test_submit(queue, 0, 0, &accepted), OK);
    EXPECT_EQ(test_reap(queue, 0, 0, &accepted), ERR_BAD_ARGUMENT);
    EXPECT_EQ(test_reap(queue, 1, 0, &accepted), ERR_SHOULD_WAIT);
    EXPECT_EQ(test_reap(queue, 1, 1, &accepted), ERR_TIMED_OUT);
}

TEST_KERNEL(device_refuses)
{
    static void (*const bodies[])(void) = {misuse_steps, misuse_config,
                                           misuse_features, misuse_segments};

    for (u32 i = 0; i < COUNT(bodies); i++)
        EXPECT_EQ(test_in_process(bodies[i]), 0);
}

// --- a full queue, and the end of a device -----------------------------------

enum { QUEUE = 4 };

static void
fill(handle_t queue)
{
    u32 accepted;

    for (u32 i = 0; i < QUEUE + 2; i++) {
        test_put_request(i, 50 + i, 1);
        test_put_segment(i, BYTES_AT + 16 * i, 16, WINDOW_WRITE);
    }
    EXPECT_EQ(test_submit(queue, QUEUE + 2, QUEUE + 2, &accepted), OK);
    EXPECT_EQ(accepted, QUEUE);
    EXPECT_EQ(test_submit(queue, 1, 1, &accepted), ERR_FULL);
    EXPECT_EQ(caller_memory()->pinned.count, QUEUE);
    EXPECT(memory_is_pinned(caller_memory()));
}

static void
reset_full(void)
{
    struct model *m = test_new_model(&test_manual);
    handle_t device = test_device_of(m), queue = test_start_device(device, 4);
    struct model_request r;
    u32 count, accepted;

    fill(queue);
    EXPECT(model_take(m, 0, &r));
    model_finish(m, 0, r.head, 9);
    EXPECT_EQ(test_reap(queue, 8, 0, &count), OK);
    EXPECT_EQ(count, 1);
    EXPECT_EQ(test_done(0).token, 50);
    EXPECT_EQ(test_done(0).size, 9);
    EXPECT_EQ(caller_memory()->pinned.count, QUEUE - 1);
    EXPECT_EQ(CALL(device_reset, device), OK);
    EXPECT_EQ(caller_memory()->pinned.count, 0);
    EXPECT_EQ(m->queues[0].size, 0);
    EXPECT_EQ(test_submit(queue, 1, 1, &accepted), ERR_PEER_CLOSED);
    EXPECT_EQ(test_reap(queue, 2, UINT64_MAX, &count), OK);
    EXPECT_EQ(count, 2);
    EXPECT_EQ(test_done(0).token, 51);
    EXPECT_EQ((status_t)test_done(0).status, ERR_IO);
    EXPECT_EQ(test_done(0).size, 0);
    EXPECT_EQ(test_reap(queue, 8, UINT64_MAX, &count), OK);
    EXPECT_EQ(count, 1);
    EXPECT_EQ(test_done(0).token, 53);
    EXPECT_EQ(test_reap(queue, 8, UINT64_MAX, &count), ERR_PEER_CLOSED);
    EXPECT_EQ(CALL(object_wait_one, queue, SIGNAL_PEER_CLOSED, 0, DEVICE_OUT),
              OK);
    EXPECT_EQ(test_load32(DEVICE_OUT), SIGNAL_PEER_CLOSED);
    // And again, with the old one still there.
    handle_t next = test_start_device(device, 4);
    fill(next);
    EXPECT_EQ(CALL(handle_close, queue), OK);
    EXPECT_EQ(caller_memory()->pinned.count, QUEUE);
    EXPECT_EQ(CALL(handle_close, next), OK);
    EXPECT_EQ(caller_memory()->pinned.count, 0);
    EXPECT_EQ(m->status, 0);
}

// Without tables a request of several pieces takes as many places.
static void
fill_by_chains(void)
{
    struct model *m = test_new_model(&test_manual);
    handle_t device = test_device_of(m);
    u32 accepted, count;

    m->features &= ~(1ull << VIRTIO_INDIRECT | 1ull << VIRTIO_EVENT_INDEX);
    handle_t queue = test_start_device(device, 16);
    for (u32 i = 0; i < 20; i++)
        test_put_segment(i, BYTES_AT + 16 * i, 16, WINDOW_WRITE);
    test_put_request(0, 1, 10);
    test_put_request(1, 2, 10);
    EXPECT_EQ(test_submit(queue, 2, 20, &accepted), OK);
    EXPECT_EQ(accepted, 1);
    test_put_request(0, 3, 17);
    EXPECT_EQ(test_submit(queue, 1, 20, &accepted), ERR_LIMIT);
    struct model_request r;
    EXPECT(model_take(m, 0, &r));
    EXPECT_EQ(r.count, 10);
    EXPECT_EQ(test_reap(queue, 1, 0, &count), ERR_SHOULD_WAIT);
    model_finish(m, 0, r.head, 160);
    model_interrupt(m, 0);
    EXPECT_EQ(CALL(object_wait_one, queue, SIGNAL_READABLE, 0, DEVICE_OUT), OK);
    EXPECT_EQ(test_reap(queue, 1, 0, &count), OK);
    EXPECT_EQ(test_done(0).size, 160);
}

static void
use_tables(void)
{
    struct model *m = test_new_model(&test_manual);
    handle_t device = test_device_of(m), queue = test_start_device(device, 2);
    struct model_request r;
    u32 accepted;

    for (u32 i = 0; i < LIMIT_QUEUE_PIECES; i++)
        test_put_segment(i, BYTES_AT + 100 * i, 50 + i,
                         i < 4 ? WINDOW_READ : WINDOW_WRITE);
    test_put_request(0, 1, LIMIT_QUEUE_PIECES);
    EXPECT_EQ(test_submit(queue, 1, LIMIT_QUEUE_PIECES, &accepted), OK);
    EXPECT(model_take(m, 0, &r));
    EXPECT_EQ(r.count, LIMIT_QUEUE_PIECES);
    for (u32 i = 0; i < r.count; i++) {
        EXPECT_EQ(r.pieces[i].size, 50 + i);
        EXPECT_EQ(r.pieces[i].in, i >= 4);
        *r.pieces[i].ptr = (u8)(i + 1);
        EXPECT_EQ(*test_memory(BYTES_AT + 100 * i), i + 1);
    }
}

// A segment that is longer than what is committed at once.
static void
use_long_segments(void)
{
    struct model *m = test_new_model(&test_manual);
    handle_t device = test_device_of(m), queue = test_start_device(device, 2);
    struct model_request r;
    u32 at = 65536 - 100, size = 2 * 65536 + 200, sum = 0;

    EXPECT_EQ(test_submit_one(queue, 1, at, size, WINDOW_WRITE), OK);
    EXPECT(model_take(m, 0, &r));
    for (u32 i = 0; i < r.count; i++) {
        memset(r.pieces[i].ptr, 0x33, r.pieces[i].size);
        sum += r.pieces[i].size;
    }
    EXPECT_EQ(sum, size);
    u32 wrong = 0;
    for (u32 i = 0; i < size; i++)
        wrong += *test_memory(at + i) != 0x33;
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(*test_memory(at - 1), 0);
    EXPECT_EQ(*test_memory(at + size), 0);
}

TEST_KERNEL(device_queues)
{
    static void (*const bodies[])(void) = {reset_full, fill_by_chains,
                                           use_tables, use_long_segments};

    for (u32 i = 0; i < COUNT(bodies); i++)
        EXPECT_EQ(test_in_process(bodies[i]), 0);
}

// --- waiting -----------------------------------------------------------------

static struct model *waited_for;

static void
finish_later(void *arg)
{
    struct model_request r;

    (void)arg;
    EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 2000000), OK);
    EXPECT(model_take(waited_for, 0, &r));
    model_finish(waited_for, 0, r.head, 3);
    model_interrupt(waited_for, 0);
}

// A packet for a driver of several queues, and a wait.
static void
wait_for_requests(void)
{
    u32 count;

    waited_for = test_new_model(&test_manual);
    handle_t queue = test_start_device(test_device_of(waited_for), 8);
    handle_t port = test_handle(&port_type, UINT32_MAX);
    EXPECT_EQ(CALL(port_watch, port, queue, 5, SIGNAL_READABLE, WATCH_REPEAT),
              OK);
    EXPECT_EQ(test_reap(queue, 1, 0, &count), ERR_SHOULD_WAIT);
    for (u32 turn = 0; turn < 3; turn++) {
        EXPECT_EQ(test_submit_one(queue, turn, BYTES_AT, 8, WINDOW_WRITE), OK);
        struct thread *t = test_start_thread(finish_later, NULL);
        EXPECT_EQ(CALL(port_wait, port, DONE_AT, 1, UINT64_MAX, DEVICE_OUT),
                  OK);
        EXPECT_EQ(test_load64(DONE_AT), 5);
        EXPECT_EQ(test_reap(queue, 1, 0, &count), OK);
        EXPECT_EQ(test_reap(queue, 1, 0, &count), ERR_SHOULD_WAIT);
        test_join(t);
        EXPECT_EQ(test_submit_one(queue, turn, BYTES_AT, 8, WINDOW_WRITE), OK);
        t = test_start_thread(finish_later, NULL);
        EXPECT_EQ(test_reap(queue, 1, UINT64_MAX, &count), OK);
        EXPECT_EQ(test_done(0).token, turn);
        EXPECT_EQ(test_done(0).size, 3);
        test_join(t);
        EXPECT_EQ(CALL(port_wait, port, DONE_AT, 1, 0, DEVICE_OUT), OK);
        EXPECT_EQ(test_reap(queue, 1, 0, &count), ERR_SHOULD_WAIT);
    }
}

static void
wait_in_a_crowd(void)
{
    handle_t port = test_handle(&port_type, UINT32_MAX);
    handle_t queue = test_handle(&queue_type, UINT32_MAX);
    u32 count;

    for (u32 i = 0; i < LIMIT_OBSERVERS; i++)
        EXPECT_EQ(CALL(port_watch, port, queue, i, SIGNAL_READABLE, 0), OK);
    EXPECT_EQ(test_reap(queue, 1, UINT64_MAX, &count), ERR_FULL);
}

static void
wait_for_ever(void)
{
    handle_t queue = test_handle(&queue_type, UINT32_MAX);
    u32 count;

    EXPECT_EQ(test_reap(queue, 1, UINT64_MAX, &count), ERR_KILLED);
}

TEST_KERNEL(device_waits)
{
    EXPECT_EQ(test_in_process(wait_for_requests), 0);
    EXPECT_EQ(test_in_process(wait_in_a_crowd), 0);
    struct process *p = test_new_process(wait_for_ever);
    test_start(p);
    EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 2000000), OK);
    process_kill(p, 5);
    EXPECT_EQ(test_wait(p), 5);
}
