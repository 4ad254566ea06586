// test/kernel/channel.c: channels, by the calls that programs make: messages,
// handles that move, what is refused and leaves all as it was, circles, calls.

#include "kernel/channel.h"
#include "test/kernel/calls.h"

#include <string.h>

enum { FIRST = 64, SECOND = 68, SIZE = 72, COUNT_AT = 76, HANDLES = 128 };
enum { TEXT = 1024, ROOM = 4096, BIG = 65536 };

static handle_t ends[2];

static void
make(handle_t pair[2])
{
    EXPECT_EQ(CALL(channel_create, FIRST, SECOND), OK);
    pair[0] = test_load32(FIRST);
    pair[1] = test_load32(SECOND);
}

static status_t
send_handles(handle_t channel, u32 value, const handle_t *handles, u32 count)
{
    test_store32(TEXT, value);
    for (u32 i = 0; i < count; i++)
        test_store32(HANDLES + 4 * i, handles[i]);
    return CALL(channel_write, channel, TEXT, 4, HANDLES, count);
}

static status_t
send(handle_t channel, u32 value)
{
    return send_handles(channel, value, NULL, 0);
}

// Read a message of at most `size` bytes and `count` handles.
static status_t
receive(handle_t channel, u32 size, u32 count, u64 deadline)
{
    return CALL(channel_read, channel, deadline, ROOM, size, HANDLES, count,
                SIZE, COUNT_AT);
}

static u32
signals_of(handle_t handle)
{
    status_t status = CALL(object_wait_one, handle, UINT32_MAX, 0, SIZE);

    EXPECT(status == OK || status == ERR_TIMED_OUT);
    return test_load32(SIZE);
}

static void
close_handle(handle_t handle)
{
    EXPECT_EQ(CALL(handle_close, handle), OK);
}

// --- messages ----------------------------------------------------------------

static void
pass_messages(void)
{
    make(ends);
    EXPECT_EQ(signals_of(ends[0]), SIGNAL_WRITABLE);
    EXPECT_EQ(receive(ends[1], 4, 0, 0), ERR_SHOULD_WAIT);
    EXPECT_EQ(receive(ends[1], 4, 0, 1), ERR_TIMED_OUT);
    for (u32 i = 0; i < 10; i++)
        EXPECT_EQ(send(ends[0], i), OK);
    EXPECT_EQ(signals_of(ends[1]), SIGNAL_READABLE | SIGNAL_WRITABLE);
    for (u32 i = 0; i < 10; i++) {
        EXPECT_EQ(receive(ends[1], 3, 0, 0), ERR_TOO_SMALL);
        EXPECT_EQ(test_load32(SIZE), 4);
        EXPECT_EQ(receive(ends[1], 8, 0, 0), OK);
        EXPECT_EQ(test_load32(ROOM), i);
        EXPECT_EQ(test_load32(SIZE), 4);
        EXPECT_EQ(test_load32(COUNT_AT), 0);
    }
    EXPECT_EQ(signals_of(ends[1]), SIGNAL_WRITABLE);
    EXPECT_EQ(CALL(channel_write, ends[0], 0, 0, 0, 0), OK); // empty
    EXPECT_EQ(receive(ends[1], 0, 0, 0), OK);
    EXPECT_EQ(test_load32(SIZE), 0);

    // What was written before the end closed is still read.
    EXPECT_EQ(send(ends[1], 7), OK);
    close_handle(ends[1]);
    EXPECT_EQ(send(ends[0], 1), ERR_PEER_CLOSED);
    EXPECT_EQ(signals_of(ends[0]), SIGNAL_READABLE | SIGNAL_PEER_CLOSED);
    EXPECT_EQ(receive(ends[0], 4, 0, 0), OK);
    EXPECT_EQ(receive(ends[0], 4, 0, UINT64_MAX), ERR_PEER_CLOSED);
}

static void
fill_queue(void)
{
    u32 sent = 0;

    make(ends);
    EXPECT_EQ(CALL(channel_write, ends[0], 0, LIMIT_MESSAGE_SIZE + 1, 0, 0),
              ERR_LIMIT);
    EXPECT_EQ(CALL(channel_write, ends[0], 0, 0, 0, LIMIT_MESSAGE_HANDLES + 1),
              ERR_LIMIT);
    while (send(ends[0], sent) == OK)
        sent++;
    EXPECT_EQ(sent, LIMIT_CHANNEL_MESSAGES);
    EXPECT_EQ(send(ends[0], sent), ERR_SHOULD_WAIT);
    EXPECT_EQ(signals_of(ends[0]), 0);
    EXPECT_EQ(receive(ends[1], 4, 0, 0), OK);
    EXPECT_EQ(signals_of(ends[0]), SIGNAL_WRITABLE);
    close_handle(ends[1]);

    make(ends);
    for (sent = 0; CALL(channel_write, ends[0], BIG, 65536, 0, 0) == OK;)
        sent++;
    EXPECT_EQ(sent, LIMIT_CHANNEL_SIZE / LIMIT_MESSAGE_SIZE);
    EXPECT_EQ(CALL(channel_write, ends[0], BIG, 1, 0, 0), ERR_SHOULD_WAIT);
}

TEST_KERNEL(channel_messages)
{
    EXPECT_EQ(test_in_process(pass_messages), 0);
    EXPECT_EQ(test_in_process(fill_queue), 0);
}

// --- handles -----------------------------------------------------------------

static bool
is_alive(handle_t handle)
{
    struct object *o;
    status_t status =
        handle_get(&process_current()->handles, handle, NULL, 0, &o);

    if (status == OK)
        object_release(o);
    return status == OK;
}

static void
move_handles(void)
{
    handle_t moved[3];
    u32 used;

    make(ends);
    for (u32 i = 0; i < 3; i++)
        moved[i] = test_handle(&event_type, RIGHT_TRANSFER | RIGHT_WAIT << i);
    used = process_current()->handles.used;
    EXPECT_EQ(send_handles(ends[0], 5, moved, 3), OK);
    EXPECT_EQ(process_current()->handles.used, used - 3);
    for (u32 i = 0; i < 3; i++)
        EXPECT(!is_alive(moved[i]));
    EXPECT_EQ(receive(ends[1], 4, 2, 0), ERR_TOO_SMALL);
    EXPECT_EQ(test_load32(COUNT_AT), 3);
    EXPECT_EQ(receive(ends[1], 4, 3, 0), OK);
    EXPECT_EQ(test_load32(COUNT_AT), 3);
    EXPECT_EQ(process_current()->handles.used, used);
    handle_t first = test_load32(HANDLES), second = test_load32(HANDLES + 4);
    EXPECT_EQ(CALL(object_wait_one, first, 1, 0, SIZE), ERR_TIMED_OUT);
    EXPECT_EQ(CALL(object_signal, first, 0, SIGNAL_SIGNALED), ERR_ACCESS);
    EXPECT_EQ(CALL(object_signal, second, 0, SIGNAL_SIGNALED), OK);
    EXPECT_EQ(CALL(object_wait_one, second, 1, 0, SIZE), ERR_ACCESS);
}

// A call with those that send_handles() had.
static status_t
call_with_handles(handle_t channel, u32 count)
{
    return CALL(channel_call, channel, UINT64_MAX, TEXT, 4, HANDLES, count,
                ROOM, 4, HANDLES, 0, SIZE, COUNT_AT);
}

// Threads in its line, and places kept there.
static u32
callers_at(handle_t channel)
{
    struct object *o = NULL;

    EXPECT_EQ(
        handle_get(&process_current()->handles, channel, &channel_type, 0, &o),
        OK);
    u32 count = channel_from_object(o)->receiver_count;
    object_release(o);
    return count;
}

// Whatever is wrong with one of them, all stay, and a call waits for nothing:
// other waits are as ever.
static void
refuse_handles(void)
{
    handle_t good = test_handle(&event_type, UINT32_MAX);
    handle_t fixed = test_handle(&event_type, ~RIGHT_TRANSFER);
    handle_t closed = test_handle(&event_type, UINT32_MAX);
    const struct {
        handle_t second;
        status_t status;
    } cases[] = {
        {good,   ERR_BAD_ARGUMENT},
        {fixed,  ERR_ACCESS      },
        {closed, ERR_BAD_HANDLE  },
        {0,      ERR_BAD_HANDLE  },
    };

    make(ends);
    close_handle(closed);
    for (u32 i = 0; i < COUNT(cases); i++) {
        u32 used = process_current()->handles.used;
        u64 paid = process_current()->account->used[RESOURCE_OBJECTS];
        EXPECT_EQ(
            send_handles(ends[0], 1, (handle_t[]){good, cases[i].second}, 2),
            cases[i].status);
        EXPECT_EQ(call_with_handles(ends[0], 2), cases[i].status);
        EXPECT(is_alive(good));
        EXPECT_EQ(process_current()->handles.used, used);
        EXPECT_EQ(process_current()->account->used[RESOURCE_OBJECTS], paid);
        EXPECT_EQ(receive(ends[1], 4, 2, 0), ERR_SHOULD_WAIT);
        EXPECT_EQ(receive(ends[1], 4, 2, port_monotonic_ns() + 3000000),
                  ERR_TIMED_OUT);
    }
    // Also where there are others between.
    handle_t other = test_handle(&event_type, UINT32_MAX);
    EXPECT_EQ(send_handles(ends[0], 1, (handle_t[]){good, other, good}, 3),
              ERR_BAD_ARGUMENT);
    EXPECT(is_alive(other));
    EXPECT_EQ(callers_at(ends[0]), 0);
    while (send(ends[0], 0) == OK)
        ;
    EXPECT_EQ(send_handles(ends[0], 1, &good, 1), ERR_SHOULD_WAIT);
    // The last place was kept for a message, for a while.
    EXPECT_EQ(receive(ends[1], 4, 0, 0), OK);
    EXPECT(signals_of(ends[0]) & SIGNAL_WRITABLE);
    EXPECT_EQ(send_handles(ends[0], 1, (handle_t[]){good, good}, 2),
              ERR_BAD_ARGUMENT);
    EXPECT(signals_of(ends[0]) & SIGNAL_WRITABLE);
    close_handle(ends[1]);
    EXPECT_EQ(send_handles(ends[0], 1, &good, 1), ERR_PEER_CLOSED);
    EXPECT(is_alive(good));
}

// The table of the reader is full: the message stays, with its handles.
static void
read_into_full_table(void)
{
    handle_t event = test_handle(&event_type, UINT32_MAX), last = 0, copy;

    make(ends);
    EXPECT_EQ(send_handles(ends[0], 3, &event, 1), OK);
    struct handle_table *t = &process_current()->handles;
    while (handle_duplicate(t, ends[0], 0, &copy) == OK)
        last = copy;
    EXPECT_EQ(receive(ends[1], 4, 1, 0), ERR_FULL);
    EXPECT_EQ(receive(ends[1], 4, 1, UINT64_MAX), ERR_FULL);
    EXPECT_EQ(CALL(channel_create, FIRST, SECOND), ERR_FULL);
    close_handle(last);
    EXPECT_EQ(CALL(channel_create, FIRST, SECOND), ERR_FULL); // needs two
    EXPECT_EQ(receive(ends[1], 4, 1, 0), OK);
    EXPECT_EQ(test_load32(ROOM), 3);
}

// What a message took of a table before there was no more is given back.
static void
read_into_nearly_full_table(void)
{
    struct handle_table *t = &process_current()->handles;
    handle_t many[3], copy, last[2] = {0, 0};

    make(ends);
    for (u32 i = 0; i < COUNT(many); i++)
        many[i] = test_handle(&event_type, UINT32_MAX);
    EXPECT_EQ(send_handles(ends[0], 3, many, COUNT(many)), OK);
    while (handle_duplicate(t, ends[0], 0, &copy) == OK) {
        last[0] = last[1];
        last[1] = copy;
    }
    for (u32 round = 0; round < 3; round++) {
        close_handle(last[0]);
        close_handle(last[1]);
        EXPECT_EQ(receive(ends[1], 4, COUNT(many), 0), ERR_FULL);
        for (u32 i = 0; i < 2; i++)
            EXPECT_EQ(handle_duplicate(t, ends[0], 0, &last[i]), OK);
        EXPECT_EQ(handle_duplicate(t, ends[0], 0, &copy), ERR_FULL);
    }
}

TEST_KERNEL(channel_handles)
{
    EXPECT_EQ(test_in_process(move_handles), 0);
    EXPECT_EQ(test_in_process(refuse_handles), 0);
    EXPECT_EQ(test_in_process(read_into_full_table), 0);
    EXPECT_EQ(test_in_process(read_into_nearly_full_table), 0);
}

// A process that ends takes with it what it sent and nobody has read; what
// somebody else still can read stays, and is paid by its budget until then.
static struct channel *kept;

static void
leave_messages(void)
{
    handle_t event = test_handle(&event_type, UINT32_MAX);
    struct object *o;

    make(ends);
    EXPECT_EQ(send_handles(ends[0], 9, &event, 1), OK);
    EXPECT_EQ(handle_get(&process_current()->handles, ends[1], NULL, 0, &o),
              OK);
    object_hold_handle(o);
    object_release(o);
    kept = channel_from_object(o);
}

TEST_KERNEL(channel_outlives_its_writer)
{
    u8 room[4];
    handle_t handle = 0;
    struct handle_table *t = kernel_alloc(sizeof(*t));
    struct channel_read r = {
        .table = t,
        .room = {room, sizeof(room)},
        .handles = &handle,
        .handle_room = 1,
    };

    handle_table_init(t, account_root());
    EXPECT_EQ(test_in_process(leave_messages), 0);
    EXPECT_EQ(message_read(kept, &r, UINT64_MAX), OK);
    EXPECT_EQ(room[0], 9);
    EXPECT_EQ(message_read(kept, &r, UINT64_MAX), ERR_PEER_CLOSED);
    object_release_handle(channel_object(kept));
    handle_table_free(t);
    kernel_free(t);
}

// --- circles -----------------------------------------------------------------

static void
close_circles(void)
{
    handle_t a[2], b[2], c[2];

    make(a);
    make(b);
    make(c);
    EXPECT_EQ(send_handles(a[0], 0, &a[1], 1), ERR_LOOP); // into itself
    EXPECT(is_alive(a[1]));
    EXPECT_EQ(send_handles(a[0], 0, &b[1], 1), OK);
    EXPECT_EQ(send_handles(b[0], 0, &c[1], 1), OK);
    EXPECT_EQ(send_handles(c[0], 0, &a[1], 1), ERR_LOOP); // a in c in b in a
    EXPECT_EQ(send_handles(c[0], 0, (handle_t[]){b[0], a[1]}, 2), ERR_LOOP);
    EXPECT(is_alive(a[1]));
    EXPECT(is_alive(b[0]));
    EXPECT_EQ(send_handles(c[0], 0, &a[0], 1), OK); // the end that writes to a
    EXPECT_EQ(receive(a[1], 4, 1, 0), OK);
    handle_t b1 = test_load32(HANDLES);
    EXPECT_EQ(receive(b1, 4, 1, 0), OK);
    handle_t c1 = test_load32(HANDLES);
    EXPECT_EQ(send_handles(c[0], 0, &a[1], 1), OK); // none any more
    EXPECT_EQ(receive(c1, 4, 1, 0), OK);
}

// One in the other, a thousand deep: closing the outermost closes all, on a
// stack that is no deeper for that.
static void
nest(void)
{
    handle_t outermost[2], outer, inner[2];

    make(outermost);
    outer = outermost[0];
    for (u32 i = 0; i < 1000; i++) {
        make(inner);
        EXPECT_EQ(send_handles(outer, i, &inner[1], 1), OK);
        if (outer != outermost[0])
            close_handle(outer);
        outer = inner[0];
    }
    EXPECT_EQ(signals_of(outer), SIGNAL_WRITABLE);
    close_handle(outermost[1]);
    EXPECT_EQ(signals_of(outer), SIGNAL_PEER_CLOSED);
}

// More than one write looks through.
static void
spread(void)
{
    handle_t outer[2], wide[2], many[64], other[2];

    make(outer);
    make(wide);
    for (u32 k = 0; k < 5; k++) {
        for (u32 i = 0; i < 64; i++) {
            make(other);
            many[i] = other[1];
            close_handle(other[0]);
        }
        EXPECT_EQ(send_handles(wide[0], k, many, 64), OK);
    }
    EXPECT_EQ(send_handles(outer[0], 0, &wide[1], 1), ERR_LIMIT);
    EXPECT(is_alive(wide[1]));
}

// The same end in so many messages that one write finds it too often.
static void
look_often(void)
{
    struct handle_table *t = &process_current()->handles;
    handle_t deep[2], outer[2], leaf[2], many[LIMIT_MESSAGE_HANDLES];
    u32 count;

    make(deep);
    make(outer);
    make(leaf);
    // One look is at what is sent.
    for (u32 left = LIMIT_CHANNEL_LOOKS - 1; left > 0; left -= count) {
        count = MIN(left, LIMIT_MESSAGE_HANDLES);
        for (u32 i = 0; i < count; i++)
            EXPECT_EQ(
                handle_duplicate(t, leaf[1], channel_type.rights, &many[i]),
                OK);
        EXPECT_EQ(send_handles(deep[0], 0, many, count), OK);
    }
    EXPECT_EQ(send_handles(outer[0], 0, &deep[1], 1), OK);
    EXPECT_EQ(receive(outer[1], 4, 1, 0), OK);
    deep[1] = test_load32(HANDLES);
    EXPECT_EQ(send_handles(deep[0], 0, &leaf[1], 1), OK);
    EXPECT_EQ(send_handles(outer[0], 0, &deep[1], 1), ERR_LIMIT);
    EXPECT(is_alive(deep[1]));
}

TEST_KERNEL(channel_circles)
{
    EXPECT_EQ(test_in_process(close_circles), 0);
    EXPECT_EQ(test_in_process(nest), 0);
    EXPECT_EQ(test_in_process(spread), 0);
    EXPECT_EQ(test_in_process(look_often), 0);
}

// --- threads that wait: outside of processes ---------------------------------

static struct {
    struct account *payer;
    struct channel *ends[2];
    struct handle_table *tables[2];
} pair;

static void
begin_pair(void)
{
    pair.payer = test_account(4 * MIB);
    EXPECT_EQ(channel_new(pair.ends, pair.payer), OK);
    for (u32 side = 0; side < 2; side++) {
        object_hold_handle(channel_object(pair.ends[side]));
        object_release(channel_object(pair.ends[side]));
        pair.tables[side] = kernel_alloc(sizeof(*pair.tables[side]));
        handle_table_init(pair.tables[side], account_root());
    }
}

static void
end_pair(void)
{
    for (u32 side = 0; side < 2; side++) {
        if (pair.ends[side] != NULL)
            object_release_handle(channel_object(pair.ends[side]));
        handle_table_free(pair.tables[side]);
        kernel_free(pair.tables[side]);
    }
    EXPECT_EQ(pair.payer->used[RESOURCE_OBJECTS], 0);
    account_release(pair.payer);
}

static status_t
write_u32s(u32 side, const u32 *values, u32 count)
{
    struct channel_side from = {.payer = pair.payer,
                                .table = pair.tables[side]};

    return message_write(pair.ends[side],
                         (struct bytes){(u8 *)(u64)values, 4 * count}, &from);
}

static status_t
read_u32s(u32 side, u32 *values, u32 count, u64 deadline, u32 *got)
{
    struct channel_read r = {
        .table = pair.tables[side], .room = {(u8 *)values, 4 * count}
    };
    status_t status = message_read(pair.ends[side], &r, deadline);

    *got = r.size / 4;
    return status;
}

static status_t
call_u32s(u32 *values, u32 count, u32 room, u64 deadline)
{
    struct channel_side from = {.payer = pair.payer, .table = pair.tables[0]};
    struct channel_read r = {
        .table = pair.tables[0], .room = {(u8 *)values, 4 * room}
    };

    return message_call(pair.ends[0], (struct bytes){(u8 *)values, 4 * count},
                        &from, &r, deadline);
}

enum { CALLERS = 8, CALLS = 100 };

// Answers in another order than it was asked, two at a time where it can.
static void
serve(void *arg)
{
    u32 words[2][4], got;

    (void)arg;
    for (u32 i = 0; i < CALLERS * CALLS;) {
        EXPECT_EQ(read_u32s(1, words[0], 4, UINT64_MAX, &got), OK);
        u32 count = 1 + (read_u32s(1, words[1], 4, 0, &got) == OK);
        i += count;
        for (u32 k = count; k-- > 0;) {
            words[k][1] = words[k][1] * 3 + 1;
            EXPECT_EQ(write_u32s(1, words[k], 2), OK);
        }
    }
}

static void
ask(void *arg)
{
    u32 base = (u32)(u64)arg * 1000;

    for (u32 i = 0; i < CALLS; i++) {
        u32 words[4] = {0, base + i};
        EXPECT_EQ(call_u32s(words, 2, 4, UINT64_MAX), OK);
        EXPECT(words[0] >= 1u << 31);
        EXPECT_EQ(words[1], (base + i) * 3 + 1);
    }
}

TEST_KERNEL(channel_calls_get_their_replies)
{
    struct thread *callers[CALLERS], *server;

    begin_pair();
    server = test_start_in(group_root(), serve, NULL);
    for (u64 i = 0; i < CALLERS; i++)
        callers[i] = test_start_in(group_root(), ask, (void *)i);
    for (u32 i = 0; i < CALLERS; i++)
        test_join(callers[i]);
    test_join(server);
    end_pair();
}

struct one_call {
    u32 words[4], room;
    u64 deadline;
    status_t status;
};

static void
call_once(void *arg)
{
    struct one_call *c = arg;

    c->status = call_u32s(c->words, 2, c->room, c->deadline);
}

TEST_KERNEL(channel_calls_end_early)
{
    u32 words[4], got;
    struct one_call late = {.room = 4},
                    killed = {.room = 4, .deadline = UINT64_MAX};
    struct one_call small = {.room = 1, .deadline = UINT64_MAX};
    struct one_call closed = {.room = 4, .deadline = UINT64_MAX};

    begin_pair();
    EXPECT_EQ(call_u32s(words, 0, 4, 0), ERR_BAD_ARGUMENT); // no room for it
    late.deadline = port_monotonic_ns() + 1000000;
    test_join(test_start_in(group_root(), call_once, &late));
    EXPECT_EQ(late.status, ERR_TIMED_OUT);
    // The reply to it is a message like others.
    EXPECT_EQ(read_u32s(1, words, 4, 0, &got), OK);
    EXPECT_EQ(write_u32s(1, words, 2), OK);
    EXPECT_EQ(read_u32s(0, words, 4, 0, &got), OK);

    struct thread *t = test_start_in(group_root(), call_once, &killed);
    test_wait_until_blocked(t);
    thread_kill(t);
    test_join(t);
    EXPECT_EQ(killed.status, ERR_KILLED);
    EXPECT_EQ(read_u32s(1, words, 4, 0, &got), OK);

    // A reply that does not fit is not lost.
    t = test_start_in(group_root(), call_once, &small);
    EXPECT_EQ(read_u32s(1, words, 4, UINT64_MAX, &got), OK);
    test_wait_until_blocked(t);
    EXPECT_EQ(write_u32s(1, words, 4), OK);
    test_join(t);
    EXPECT_EQ(small.status, ERR_TOO_SMALL);
    EXPECT_EQ(read_u32s(0, words, 4, 0, &got), OK);
    EXPECT_EQ(got, 4);

    t = test_start_in(group_root(), call_once, &closed);
    test_wait_until_blocked(t);
    object_release_handle(channel_object(pair.ends[1]));
    pair.ends[1] = NULL;
    test_join(t);
    EXPECT_EQ(closed.status, ERR_PEER_CLOSED);
    end_pair();
}

// The caller's handle was closed after its call had looked it up: nobody would
// wake it any more.
TEST_KERNEL(channel_call_on_a_closed_end)
{
    u32 words[4] = {0}, got;

    begin_pair();
    struct object *o = channel_object(pair.ends[0]);
    object_hold(o);
    object_release_handle(o);
    EXPECT_EQ(call_u32s(words, 2, 4, port_monotonic_ns() + 10000000),
              ERR_BAD_HANDLE);
    EXPECT_EQ(write_u32s(0, words, 2), OK); // begun before: disturbs nobody
    EXPECT_EQ(read_u32s(1, words, 4, 0, &got), OK);
    EXPECT_EQ(read_u32s(1, words, 4, 0, &got), ERR_PEER_CLOSED);
    object_hold_handle(o);
    object_release(o);
    end_pair();
}

// An end that never had a handle closes with its last reference.
TEST_KERNEL(pair_end_without_a_handle)
{
    const u64 sizes[2] = {16, 16};
    struct account *payer = test_account(1 * MIB);
    struct channel *channels[2];
    struct stream *streams[2];

    EXPECT_EQ(channel_new(channels, payer), OK);
    EXPECT_EQ(stream_new(streams, sizes, payer), OK);
    struct object *of[] = {
        channel_object(channels[0]), channel_object(channels[1]),
        stream_object(streams[0]), stream_object(streams[1])};
    for (u32 i = 0; i < COUNT(of); i += 2) {
        EXPECT_EQ(object_signals(of[i]) & SIGNAL_PEER_CLOSED, 0);
        object_release(of[i + 1]);
        EXPECT(object_signals(of[i]) & SIGNAL_PEER_CLOSED);
        object_release(of[i]);
    }
    EXPECT_EQ(payer->used[RESOURCE_OBJECTS], 0);
    account_release(payer);
}

// The last reference of the peer is gone, and it is about to be closed.
TEST_KERNEL(channel_peer_on_its_way_out)
{
    u32 words[4] = {0};

    begin_pair();
    struct object *peer = channel_object(pair.ends[1]);
    u32 references = peer->references;
    peer->references = 0;
    EXPECT(!object_hold_live(peer));
    EXPECT_EQ(write_u32s(0, words, 2), ERR_PEER_CLOSED);
    peer->references = COUNT_STUCK;
    EXPECT(object_hold_live(peer));
    EXPECT_EQ(peer->references, COUNT_STUCK);
    peer->references = references;
    end_pair();
}

// --- many of all: a small model ----------------------------------------------

enum { WRITERS = 4, MESSAGES = 400 };

static u64 sum_written, sum_read, count_read;

static u32
next_random(u32 *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void
write_many(void *arg)
{
    u32 seed = (u32)(u64)arg, words[16];

    for (u32 i = 0; i < MESSAGES; i++) {
        u32 count = 1 + next_random(&seed) % 16;
        u64 sum = 0;
        for (u32 k = 0; k < count; k++)
            sum += words[k] = next_random(&seed);
        TEST_WAIT(write_u32s(0, words, count) != ERR_SHOULD_WAIT);
        __atomic_fetch_add(&sum_written, sum, __ATOMIC_RELAXED);
        if (next_random(&seed) % 4 == 0)
            thread_yield();
    }
}

static void
read_many(void *arg)
{
    u32 seed = 77 + (u32)(u64)arg, words[16], got;

    for (;;) {
        u64 wait = next_random(&seed) % 100000;
        status_t status =
            read_u32s(1, words, 16, port_monotonic_ns() + wait, &got);
        if (status == ERR_PEER_CLOSED)
            return;
        EXPECT(status == OK || status == ERR_TIMED_OUT);
        for (u32 k = 0; k < got && status == OK; k++)
            __atomic_fetch_add(&sum_read, words[k], __ATOMIC_RELAXED);
        if (status == OK)
            __atomic_fetch_add(&count_read, 1, __ATOMIC_RELAXED);
    }
}

TEST_KERNEL(channel_loses_nothing)
{
    struct thread *writers[WRITERS], *readers[WRITERS];

    sum_written = sum_read = count_read = 0;
    begin_pair();
    for (u64 i = 0; i < WRITERS; i++) {
        readers[i] = test_start_in(group_root(), read_many, (void *)i);
        writers[i] = test_start_in(group_root(), write_many, (void *)i);
    }
    for (u32 i = 0; i < WRITERS; i++)
        test_join(writers[i]);
    object_release_handle(channel_object(pair.ends[0]));
    pair.ends[0] = NULL;
    for (u32 i = 0; i < WRITERS; i++)
        test_join(readers[i]);
    EXPECT_EQ(count_read, WRITERS * MESSAGES);
    EXPECT_EQ(sum_read, sum_written);
    end_pair();
}
