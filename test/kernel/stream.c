// test/kernel/stream.c: streams and ports.

#include "test/kernel/calls.h"

#include <string.h>

enum { FIRST = 64, SECOND = 68, COUNT_AT = 72, SIGNALS_AT = 76 };
enum { TEXT = 1024, ROOM = 4096, PACKETS = 8192 };

static handle_t ends[2];

static u32
signals_of(handle_t handle)
{
    status_t status = CALL(object_wait_one, handle, UINT32_MAX, 0, SIGNALS_AT);

    EXPECT(status == OK || status == ERR_TIMED_OUT);
    return test_load32(SIGNALS_AT);
}

static void
make_stream(u32 first_size, u32 second_size)
{
    EXPECT_EQ(CALL(stream_create, first_size, second_size, FIRST, SECOND), OK);
    ends[0] = test_load32(FIRST);
    ends[1] = test_load32(SECOND);
}

static status_t
put(handle_t stream, u32 size)
{
    return CALL(stream_write, stream, TEXT, size, 0, COUNT_AT);
}

static status_t
get(handle_t stream, u32 size)
{
    return CALL(stream_read, stream, ROOM, size, 0, COUNT_AT);
}

// --- streams -----------------------------------------------------------------

static void
fill_and_drain(void)
{
    u8 next_in = 0, next_out = 0;

    make_stream(10, 0);
    EXPECT_EQ(signals_of(ends[0]), SIGNAL_WRITABLE | SIGNAL_PEER_DONE);
    EXPECT_EQ(signals_of(ends[1]), 0);
    EXPECT_EQ(get(ends[1], 1), ERR_SHOULD_WAIT);
    EXPECT_EQ(get(ends[1], 0), OK);
    EXPECT_EQ(CALL(stream_read, ends[1], ROOM, 1, 1, COUNT_AT), ERR_TIMED_OUT);
    for (u32 round = 1; round < 40; round++) { // round the end of the ring
        u32 size = round % 13 + 1, in, out;
        for (u32 i = 0; i < size; i++)
            *test_memory(TEXT + i) = (u8)(next_in + i);
        EXPECT_EQ(put(ends[0], size), OK);
        in = test_load32(COUNT_AT);
        EXPECT_EQ(in, MIN(size, 10));
        next_in += (u8)in;
        EXPECT_EQ(signals_of(ends[0]) & SIGNAL_WRITABLE,
                  0); // not any write would go in whole
        EXPECT_EQ(signals_of(ends[1]), SIGNAL_READABLE);
        while (get(ends[1], 3) == OK) {
            out = test_load32(COUNT_AT);
            for (u32 i = 0; i < out; i++)
                EXPECT_EQ(*test_memory(ROOM + i), next_out++);
        }
        EXPECT_EQ(next_in, next_out);
    }
    EXPECT_EQ(put(ends[0], 10), OK);
    EXPECT_EQ(put(ends[0], 1), ERR_SHOULD_WAIT);
    EXPECT_EQ(CALL(stream_write, ends[0], TEXT, 1, 1, COUNT_AT), ERR_TIMED_OUT);
    EXPECT_EQ(put(ends[1], 1), ERR_PEER_CLOSED); // no such direction
    EXPECT_EQ(get(ends[0], 1), ERR_PEER_CLOSED);
}

static void
end_directions(void)
{
    make_stream(8, 8);
    EXPECT_EQ(put(ends[0], 5), OK);
    EXPECT_EQ(CALL(stream_finish, ends[0]), OK);
    EXPECT_EQ(put(ends[0], 1), ERR_PEER_CLOSED);
    EXPECT_EQ(signals_of(ends[0]), SIGNAL_WRITABLE); // to be refused
    EXPECT_EQ(signals_of(ends[1]),
              SIGNAL_READABLE | SIGNAL_WRITABLE | SIGNAL_PEER_DONE);
    EXPECT_EQ(get(ends[1], 8), OK);
    EXPECT_EQ(test_load32(COUNT_AT), 5);
    EXPECT_EQ(get(ends[1], 8), ERR_PEER_CLOSED);
    EXPECT_EQ(put(ends[1], 3), OK); // the other direction goes on
    EXPECT_EQ(get(ends[0], 1), OK);
    EXPECT_EQ(CALL(handle_close, ends[1]), OK);
    EXPECT_EQ(signals_of(ends[0]),
              SIGNAL_READABLE | SIGNAL_PEER_DONE | SIGNAL_PEER_CLOSED);
    EXPECT_EQ(get(ends[0], 8), OK);
    EXPECT_EQ(test_load32(COUNT_AT), 2);
    EXPECT_EQ(get(ends[0], 8), ERR_PEER_CLOSED);

    make_stream(8, 8);
    EXPECT_EQ(CALL(handle_close, ends[1]), OK);
    EXPECT_EQ(put(ends[0], 1), ERR_PEER_CLOSED);
    EXPECT_EQ(CALL(stream_create, 0, 0, FIRST, SECOND), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(stream_create, LIMIT_STREAM_SIZE + 1, 1, FIRST, SECOND),
              ERR_BAD_ARGUMENT);
    u64 used = process_current()->account->used[RESOURCE_OBJECTS];
    while (CALL(stream_create, LIMIT_STREAM_SIZE, 0, FIRST, SECOND) == OK)
        ;
    EXPECT_EQ(CALL(stream_create, LIMIT_STREAM_SIZE, 0, FIRST, SECOND),
              ERR_LIMIT);
    EXPECT(process_current()->account->used[RESOURCE_OBJECTS] > used);
}

TEST_KERNEL(stream_calls)
{
    EXPECT_EQ(test_in_process(fill_and_drain), 0);
    EXPECT_EQ(test_in_process(end_directions), 0);
}

static struct stream *flow[2];

static u32
next_random(u32 *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static struct account *
make_flow(u64 size)
{
    const u64 sizes[2] = {size, 0};
    struct account *payer = test_account(1 * MIB);

    EXPECT_EQ(stream_new(flow, sizes, payer), OK);
    return payer;
}

static void
drop_flow(struct account *payer)
{
    object_release(stream_object(flow[0]));
    object_release(stream_object(flow[1]));
    EXPECT_EQ(payer->used[RESOURCE_OBJECTS], 0);
    account_release(payer);
}

// What is no larger than LIMIT_STREAM_WHOLE goes in whole or not at all, and
// WRITABLE says that any such write does.
TEST_KERNEL(stream_writes_whole)
{
    enum { WHOLE = LIMIT_STREAM_WHOLE, SIZE = 2 * WHOLE };
    static u8 bytes[SIZE];
    struct account *payer = make_flow(SIZE);
    u64 count = 0;

    EXPECT_EQ(
        stream_write(flow[0], (struct bytes){bytes, WHOLE + 1}, 0, &count), OK);
    EXPECT_EQ(count, WHOLE + 1);
    EXPECT_EQ(object_signals(stream_object(flow[0])) & SIGNAL_WRITABLE, 0);
    EXPECT_EQ(stream_write(flow[0], (struct bytes){bytes, WHOLE}, 0, &count),
              ERR_SHOULD_WAIT);
    EXPECT_EQ(count, 0);
    EXPECT_EQ(stream_read(flow[1], (struct bytes){bytes, 1}, 0, &count), OK);
    EXPECT(object_signals(stream_object(flow[0])) & SIGNAL_WRITABLE);
    EXPECT_EQ(stream_write(flow[0], (struct bytes){bytes, WHOLE}, 0, &count),
              OK);
    EXPECT_EQ(count, WHOLE);
    EXPECT_EQ(stream_read(flow[1], (struct bytes){bytes, 9}, 0, &count), OK);
    EXPECT_EQ(
        stream_write(flow[0], (struct bytes){bytes, WHOLE + 1}, 0, &count),
        OK); // as far as there is room
    EXPECT_EQ(count, 9);
    drop_flow(payer);
}

static void
write_until_closed(void *arg)
{
    u8 byte = 0;
    u64 count;

    (void)arg;
    EXPECT_EQ(
        stream_write(flow[0], (struct bytes){&byte, 1}, UINT64_MAX, &count),
        ERR_PEER_CLOSED);
}

// Who waits to write is told that the direction has ended.
TEST_KERNEL(stream_finish_wakes_writer)
{
    static u8 bytes[64];
    struct account *payer = make_flow(sizeof(bytes));
    struct thread *t;
    u64 count;

    EXPECT_EQ(
        stream_write(flow[0], (struct bytes){bytes, sizeof(bytes)}, 0, &count),
        OK);
    t = test_start_thread(write_until_closed, NULL);
    for (u32 i = 0; i < 100; i++)
        thread_yield();
    stream_finish(flow[0]);
    EXPECT_EQ(thread_join(t, port_monotonic_ns() + 60000000000), OK);
    thread_release(t);
    drop_flow(payer);
}

enum { FLOW = 50000 };

static void
write_flow(void *arg)
{
    u8 bytes[512];
    u32 seed = 5;

    (void)arg;
    for (u64 at = 0, count; at < FLOW; at += count) {
        u64 wanted = 1 + next_random(&seed) % sizeof(bytes);
        u64 size = MIN(wanted, FLOW - at);
        for (u64 i = 0; i < size; i++)
            bytes[i] = (u8)((at + i) * 7);
        EXPECT_EQ(stream_write(flow[0], (struct bytes){bytes, size}, UINT64_MAX,
                               &count),
                  OK);
        EXPECT(count > 0);
    }
    stream_finish(flow[0]);
}

TEST_KERNEL(stream_keeps_order)
{
    const u64 sizes[2] = {700, 0};
    struct account *payer;
    struct thread *t;
    u64 at = 0, count;
    u32 seed = 9;
    u8 bytes[512];

    payer = test_account(1 * MIB);
    EXPECT_EQ(stream_new(flow, sizes, payer), OK);
    t = test_start_thread(write_flow, NULL);
    for (;;) {
        u64 size = 1 + next_random(&seed) % sizeof(bytes);
        status_t status = stream_read(flow[1], (struct bytes){bytes, size},
                                      UINT64_MAX, &count);
        if (status == ERR_PEER_CLOSED)
            break;
        EXPECT_EQ(status, OK);
        for (u64 i = 0; i < count; i++, at++)
            EXPECT_EQ(bytes[i], (u8)(at * 7));
    }
    EXPECT_EQ(at, FLOW);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    thread_release(t);
    object_release(stream_object(flow[0]));
    object_release(stream_object(flow[1]));
    EXPECT_EQ(payer->used[RESOURCE_OBJECTS], 0);
    account_release(payer);
}

// --- ports -------------------------------------------------------------------

static handle_t port, event;

static void
expect_packet(u64 key, u64 value, u32 signals, u32 count)
{
    EXPECT_EQ(CALL(port_wait, port, PACKETS, 1, 0, COUNT_AT), OK);
    EXPECT_EQ(test_load32(COUNT_AT), 1);
    EXPECT_EQ(test_load64(PACKETS), key);
    EXPECT_EQ(test_load64(PACKETS + 8), value);
    EXPECT_EQ(test_load32(PACKETS + 16), signals);
    EXPECT_EQ(test_load32(PACKETS + 20), count);
}

static void
expect_none(void)
{
    EXPECT_EQ(CALL(port_wait, port, PACKETS, 8, 0, COUNT_AT), ERR_SHOULD_WAIT);
}

static void
make_port(void)
{
    EXPECT_EQ(CALL(port_create, FIRST), OK);
    port = test_load32(FIRST);
    EXPECT_EQ(CALL(event_create, FIRST), OK);
    event = test_load32(FIRST);
}

static void
set(u32 clear, u32 signals)
{
    EXPECT_EQ(CALL(object_signal, event, clear, signals), OK);
}

static void
watch_event(void)
{
    make_port();
    expect_none();
    EXPECT_EQ(CALL(port_wait, port, PACKETS, 8, 1, COUNT_AT), ERR_TIMED_OUT);
    EXPECT_EQ(CALL(port_watch, port, event, 1, SIGNAL_SIGNALED, 2),
              ERR_BAD_ARGUMENT);
    // Once: the first time, and no more.
    EXPECT_EQ(CALL(port_watch, port, event, 1, SIGNAL_SIGNALED, 0), OK);
    set(0, (u32)SIGNAL_USER_0);
    expect_none();
    set(0, SIGNAL_SIGNALED);
    set(SIGNAL_SIGNALED, SIGNAL_SIGNALED);
    set(SIGNAL_SIGNALED, 0);
    set(0, SIGNAL_SIGNALED); // before it is taken, too
    expect_packet(1, 0, SIGNAL_SIGNALED | SIGNAL_USER_0, 1);
    set(SIGNAL_SIGNALED, 0);
    set(0, SIGNAL_SIGNALED);
    expect_none();
    // What is there already counts.
    EXPECT_EQ(CALL(port_watch, port, event, 2, SIGNAL_SIGNALED, 0), OK);
    expect_packet(2, 0, SIGNAL_SIGNALED | SIGNAL_USER_0, 1);
    expect_none();
    // Each time; what comes before it is taken is one packet.
    set(SIGNAL_SIGNALED | (u32)SIGNALS_USER, 0);
    EXPECT_EQ(CALL(port_watch, port, event, 3,
                   SIGNAL_SIGNALED | (u32)SIGNAL_USER_1, 1),
              OK);
    for (u32 i = 0; i < 5; i++) {
        set(0, SIGNAL_SIGNALED);
        set(SIGNAL_SIGNALED, 0);
    }
    set(0, (u32)SIGNAL_USER_1);
    expect_packet(3, 0, SIGNAL_SIGNALED | SIGNAL_USER_1, 6);
    expect_none();
    set((u32)SIGNAL_USER_1, 0);
    set(0, (u32)SIGNAL_USER_1);
    expect_packet(3, 0, (u32)SIGNAL_USER_1, 1);
    // Cancelled: also what is in the queue.
    set(0, SIGNAL_SIGNALED);
    EXPECT_EQ(CALL(port_cancel, port, 3), OK);
    EXPECT_EQ(CALL(port_cancel, port, 3), ERR_NOT_FOUND);
    expect_none();
    set(SIGNAL_SIGNALED, SIGNAL_SIGNALED);
    expect_none();
}

static void
post_packets(void)
{
    u32 posted = 0;

    make_port();
    EXPECT_EQ(CALL(port_watch, port, event, 5, SIGNAL_SIGNALED, 0), OK);
    EXPECT_EQ(CALL(port_post, port, 1, 10), OK);
    set(0, SIGNAL_SIGNALED);
    EXPECT_EQ(CALL(port_post, port, 2, 20), OK);
    EXPECT_EQ(CALL(port_wait, port, PACKETS, 8, UINT64_MAX, COUNT_AT), OK);
    EXPECT_EQ(test_load32(COUNT_AT), 3); // in order
    EXPECT_EQ(test_load64(PACKETS), 1);
    EXPECT_EQ(test_load64(PACKETS + sizeof(struct packet)), 5);
    EXPECT_EQ(test_load64(PACKETS + 2 * sizeof(struct packet)), 2);
    while (CALL(port_post, port, posted, 0) == OK)
        posted++;
    EXPECT_EQ(posted, LIMIT_PORT_PACKETS);
    EXPECT_EQ(CALL(port_post, port, 0, 0), ERR_SHOULD_WAIT);
    EXPECT_EQ(CALL(port_watch, port, event, 9, SIGNAL_SIGNALED, 0), OK);
    u32 taken = 0;
    while (CALL(port_wait, port, PACKETS, 400, 0, COUNT_AT) == OK) {
        EXPECT(test_load32(COUNT_AT) <= LIMIT_PORT_BATCH);
        taken += test_load32(COUNT_AT);
    }
    EXPECT_EQ(taken, LIMIT_PORT_PACKETS + 1);
    // All is given back with the port, and with the object.
    EXPECT_EQ(CALL(port_post, port, 1, 1), OK);
    EXPECT_EQ(CALL(port_watch, port, event, 5, (u32)SIGNAL_USER_0, 1), OK);
    EXPECT_EQ(CALL(port_watch, port, event, 5, SIGNAL_SIGNALED, 0), OK);
    EXPECT_EQ(CALL(handle_close, event), OK);
    EXPECT_EQ(CALL(handle_close, port), OK);
}

static void
watch_many(void)
{
    u32 watched = 0;

    make_port();
    while (CALL(port_watch, port, event, watched, SIGNAL_SIGNALED, 1) == OK)
        watched++;
    EXPECT_EQ(watched, LIMIT_PORT_WATCHES);
    EXPECT_EQ(CALL(port_watch, port, event, 0, SIGNAL_SIGNALED, 1), ERR_FULL);
    handle_t crowded = event, full = port;
    make_port(); // now the object has all it may have
    EXPECT_EQ(CALL(port_watch, port, crowded, 0, SIGNAL_SIGNALED, 1), ERR_FULL);
    EXPECT_EQ(CALL(port_cancel, port, 0), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(port_watch, full, event, 0, SIGNAL_SIGNALED, 1), ERR_FULL);
    EXPECT_EQ(CALL(port_watch, port, event, 0, SIGNAL_SIGNALED, 1), OK);
}

// Closed, and one that never had a handle: nothing is left behind.
TEST_KERNEL(port_closes)
{
    struct account *payer = test_account(1 * MIB);
    struct object *o;
    struct port *p;

    EXPECT_EQ(event_new(&o, payer), OK);
    for (u32 handles = 0; handles < 2; handles++) {
        EXPECT_EQ(port_new(&p, payer), OK);
        if (handles > 0)
            object_hold_handle(port_object(p));
        EXPECT_EQ(port_watch(p, o, 1, SIGNAL_SIGNALED, true, payer), OK);
        EXPECT_EQ(port_post(p, 2, 3, payer), OK);
        EXPECT_EQ(o->observer_count, 1);
        if (handles > 0) {
            object_release_handle(port_object(p));
            EXPECT_EQ(o->observer_count, 0);
            EXPECT_EQ(port_post(p, 2, 3, payer), ERR_BAD_HANDLE);
            EXPECT_EQ(port_watch(p, o, 1, SIGNAL_SIGNALED, true, payer),
                      ERR_BAD_HANDLE);
        }
        object_release(port_object(p));
        EXPECT_EQ(o->observer_count, 0);
    }
    object_release(o);
    EXPECT_EQ(payer->used[RESOURCE_OBJECTS], 0);
    account_release(payer);
}

TEST_KERNEL(port_calls)
{
    EXPECT_EQ(test_in_process(watch_event), 0);
    EXPECT_EQ(test_in_process(post_packets), 0);
    EXPECT_EQ(test_in_process(watch_many), 0);
}

// Signals, watches, cancels and closing, all at once.
static struct {
    struct account *payer;
    struct port *port;
    struct object *events[3];
    bool stop;
} race;

static void
signal_often(void *arg)
{
    u32 seed = (u32)(u64)arg;

    while (!__atomic_load_n(&race.stop, __ATOMIC_RELAXED)) {
        struct object *o = race.events[next_random(&seed) % 3];
        object_signal(o, SIGNAL_SIGNALED, 0);
        object_signal(o, 0, SIGNAL_SIGNALED);
        if (next_random(&seed) % 4 == 0)
            thread_yield();
    }
}

static void
watch_often(void *arg)
{
    u32 seed = 3 + (u32)(u64)arg;

    for (u32 i = 0; i < 400; i++) {
        struct object *o = race.events[next_random(&seed) % 3];
        u64 key = next_random(&seed) % 4;
        status_t status = port_watch(race.port, o, key, SIGNAL_SIGNALED,
                                     next_random(&seed) % 2, race.payer);
        EXPECT(status == OK || status == ERR_BAD_HANDLE);
        if (next_random(&seed) % 2 == 0)
            status = port_cancel(race.port, next_random(&seed) % 4);
        EXPECT(status == OK || status == ERR_NOT_FOUND ||
               status == ERR_BAD_HANDLE);
        if (next_random(&seed) % 8 == 0)
            thread_yield();
    }
}

static void
take_often(void *arg)
{
    struct packet packets[5];
    u32 count;
    status_t status;

    (void)arg;
    do {
        status =
            port_wait(race.port, (struct bytes){(u8 *)packets, sizeof(packets)},
                      UINT64_MAX, &count);
        for (u32 i = 0; i < count; i++)
            EXPECT_EQ(packets[i].signals, SIGNAL_SIGNALED);
    } while (status == OK);
    EXPECT_EQ(status, ERR_BAD_HANDLE);
}

TEST_KERNEL(port_races)
{
    static void (*const runs[])(void *) = {signal_often, watch_often,
                                           watch_often, take_often, take_often};
    struct thread *threads[COUNT(runs)];

    race.stop = false;
    race.payer = test_account(1 * MIB);
    EXPECT_EQ(port_new(&race.port, race.payer), OK);
    object_hold_handle(port_object(race.port));
    for (u32 i = 0; i < 3; i++)
        EXPECT_EQ(event_new(&race.events[i], race.payer), OK);
    for (u64 i = 0; i < COUNT(runs); i++) {
        threads[i] = test_start_thread(runs[i], (void *)i);
    }
    EXPECT_EQ(thread_join(threads[1], UINT64_MAX), OK);
    object_release_handle(port_object(race.port)); // the last
    for (u32 i = 1; i < COUNT(runs); i++)
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
    __atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
    EXPECT_EQ(thread_join(threads[0], UINT64_MAX), OK);
    for (u32 i = 0; i < COUNT(runs); i++)
        thread_release(threads[i]);
    for (u32 i = 0; i < 3; i++) {
        EXPECT_EQ(race.events[i]->observer_count, 0);
        object_release(race.events[i]);
    }
    object_release(port_object(race.port));
    EXPECT_EQ(race.payer->used[RESOURCE_OBJECTS], 0);
    account_release(race.payer);
}

// --- waits that end otherwise ------------------------------------------------

static struct {
    struct account *payer;
    struct channel *channel[2];
    struct stream *stream[2];
    struct port *port;
    struct handle_table *table;
} idle;

static status_t
wait_for_message(void)
{
    struct channel_read r = {.table = idle.table};

    return message_read(idle.channel[0], &r, UINT64_MAX);
}

static status_t
wait_for_reply(void)
{
    struct channel_side side = {.payer = idle.payer, .table = idle.table};
    struct channel_read r = {.table = idle.table};
    u8 request[4] = {0};

    return message_call(idle.channel[0],
                        (struct bytes){request, sizeof(request)}, &side, &r,
                        UINT64_MAX);
}

static status_t
wait_for_bytes(void)
{
    u8 byte;
    u64 count;

    return stream_read(idle.stream[0], (struct bytes){&byte, 1}, UINT64_MAX,
                       &count);
}

static status_t
wait_for_room(void)
{
    u8 bytes[9] = {0};
    u64 count;
    status_t status = OK;

    while (status == OK)
        status =
            stream_write(idle.stream[0], (struct bytes){bytes, sizeof(bytes)},
                         UINT64_MAX, &count);
    return status;
}

static status_t
wait_for_packet(void)
{
    struct packet packet;
    u32 count;

    return port_wait(idle.port, (struct bytes){(u8 *)&packet, sizeof(packet)},
                     UINT64_MAX, &count);
}

static status_t (*const waits[])(void) = {
    wait_for_message, wait_for_reply,  wait_for_bytes,
    wait_for_room,    wait_for_packet,
};

struct waiting {
    status_t (*wait)(void);
    status_t status;
};

static void
run_wait(void *arg)
{
    struct waiting *w = arg;

    w->status = w->wait();
}

static struct thread *
start_waiting(struct waiting *w)
{
    struct thread *t = test_start_blocked(run_wait, w);
    return t;
}

static void
make_idle(void)
{
    const u64 sizes[2] = {8, 8};

    idle.payer = test_account(1 * MIB);
    EXPECT_EQ(channel_new(idle.channel, idle.payer), OK);
    EXPECT_EQ(stream_new(idle.stream, sizes, idle.payer), OK);
    EXPECT_EQ(port_new(&idle.port, idle.payer), OK);
    object_hold_handle(channel_object(idle.channel[0]));
    object_hold_handle(stream_object(idle.stream[0]));
    object_hold_handle(port_object(idle.port));
    idle.table = kernel_alloc(sizeof(*idle.table));
    handle_table_init(idle.table, account_root());
}

static void
close_idle(void)
{
    object_release_handle(channel_object(idle.channel[0]));
    object_release_handle(stream_object(idle.stream[0]));
    object_release_handle(port_object(idle.port));
}

static void
drop_idle(void)
{
    for (u32 i = 0; i < 2; i++) {
        object_release(channel_object(idle.channel[i]));
        object_release(stream_object(idle.stream[i]));
    }
    object_release(port_object(idle.port));
    handle_table_free(idle.table);
    kernel_free(idle.table);
    EXPECT_EQ(idle.payer->used[RESOURCE_OBJECTS], 0);
    account_release(idle.payer);
}

TEST_KERNEL(waits_end_with_a_kill)
{
    make_idle();
    for (u32 i = 0; i < COUNT(waits); i++) {
        struct waiting w = {.wait = waits[i]};
        struct thread *t = start_waiting(&w);
        thread_kill(t);
        EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
        thread_release(t);
        EXPECT_EQ(w.status, ERR_KILLED);
    }
    close_idle();
    drop_idle();
}

// Another thread closes the last handle of what they wait at.
TEST_KERNEL(waits_end_with_the_last_handle)
{
    struct waiting w[COUNT(waits)];
    struct thread *threads[COUNT(waits)];

    make_idle();
    for (u32 i = 0; i < COUNT(waits); i++) {
        w[i] = (struct waiting){.wait = waits[i]};
        threads[i] = start_waiting(&w[i]);
    }
    close_idle();
    for (u32 i = 0; i < COUNT(waits); i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        thread_release(threads[i]);
        EXPECT_EQ(w[i].status, ERR_BAD_HANDLE);
    }
    drop_idle();
}
