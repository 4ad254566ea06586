// test/kernel/crowds.c: what many wait for, or much hangs on, ends in short
// steps: no stretch without preemption is longer than half of the bound.

#include "kernel/channel.h"
#include "test/kernel/frame.h"

enum { CROWD = 2048, EACH = 64 }; // LIMIT_OBSERVERS, LIMIT_MESSAGE_HANDLES

static struct account *payer;

static void
begin(void)
{
    EXPECT_EQ(CROWD, LIMIT_OBSERVERS);
    EXPECT_EQ(EACH, LIMIT_MESSAGE_HANDLES);
    payer = test_account(512 * MIB);
}

static void
end(void)
{
    EXPECT_EQ(payer->used[RESOURCE_OBJECTS], 0);
    account_release(payer);
}

static struct object *
new_event(void)
{
    struct object *o = NULL;

    EXPECT_EQ(event_new(&o, payer), OK);
    return o;
}

// --- threads that wait -------------------------------------------------------

static struct {
    struct thread *threads[CROWD];
    struct object *object;
    u32 awaited;
    u32 woken; // atomic
} crowd;

static void
wait_in_crowd(void *arg)
{
    u32 seen;

    (void)arg;
    EXPECT_EQ(object_wait_one(crowd.object, crowd.awaited, UINT64_MAX, &seen),
              OK);
    EXPECT((seen & crowd.awaited) != 0);
    __atomic_fetch_add(&crowd.woken, 1, __ATOMIC_SEQ_CST);
}

static void
start_crowd(void (*run)(void *arg), u32 count)
{
    crowd.woken = 0;
    for (u32 i = 0; i < count; i++) {
        crowd.threads[i] = test_start_thread(run, NULL);
    }
    for (u32 i = 0; i < count; i++)
        test_wait_until_blocked(crowd.threads[i]);
}

static void
end_crowd(u32 count)
{
    for (u32 i = 0; i < count; i++) {
        EXPECT_EQ(thread_join(crowd.threads[i], UINT64_MAX), OK);
        thread_release(crowd.threads[i]);
    }
    EXPECT_EQ(crowd.woken, count);
}

static void
crowd_at(struct object *o, u32 awaited)
{
    crowd.object = o;
    crowd.awaited = awaited;
    start_crowd(wait_in_crowd, CROWD);
}

TEST_KERNEL(crowd_of_threads_is_signaled)
{
    begin();
    struct object *o = new_event();

    crowd_at(o, SIGNAL_SIGNALED);
    test_watch();
    object_signal(o, 0, SIGNAL_SIGNALED);
    end_crowd(CROWD);
    test_expect_half("a signal that a crowd waits for");
    object_release(o);
    end();
}

TEST_KERNEL(crowd_waits_for_a_timer)
{
    struct timer *t = NULL;

    begin();
    EXPECT_EQ(timer_new(&t, payer), OK);
    crowd_at(timer_object(t), SIGNAL_SIGNALED);
    test_watch();
    timer_set(t, port_monotonic_ns() + 100000, 0);
    end_crowd(CROWD);
    test_expect_half("a timer that a crowd waits for");
    object_release(timer_object(t));
    end();
}

// --- ports -------------------------------------------------------------------

enum { KEY = 5 };

static struct port *
new_port(void)
{
    struct port *p = NULL;

    EXPECT_EQ(port_new(&p, payer), OK);
    object_hold_handle(port_object(p));
    return p;
}

static void
close_port(struct port *p)
{
    object_release_handle(port_object(p));
    object_release(port_object(p));
}

static void
watch(struct port *p, struct object *o, u32 signals)
{
    for (u32 i = 0; i < LIMIT_PORT_WATCHES; i++)
        EXPECT_EQ(port_watch(p, o, KEY, signals, true, payer), OK);
}

// As many as it watches objects.
static u32
packets_there(struct port *p, u32 *signals)
{
    struct packet packets[16];
    struct bytes to = {(u8 *)packets, sizeof(packets)};
    u32 all = 0, count;

    while (all < LIMIT_PORT_WATCHES &&
           port_wait(p, to, UINT64_MAX, &count) == OK)
        for (u32 i = 0; i < count; i++, all++)
            *signals |= packets[i].signals;
    return all;
}

TEST_KERNEL(crowd_of_watches)
{
    u32 signals = 0;

    begin();
    struct object *o = new_event();
    struct port *p = new_port();
    watch(p, o, SIGNAL_SIGNALED);
    test_watch();
    object_signal(o, 0, SIGNAL_SIGNALED);
    EXPECT_EQ(packets_there(p, &signals), LIMIT_PORT_WATCHES);
    EXPECT_EQ(signals, SIGNAL_SIGNALED);
    object_signal(o, SIGNAL_SIGNALED, SIGNAL_SIGNALED);
    EXPECT_EQ(port_cancel(p, KEY), OK);
    test_expect_half("a signal that is watched often, and its cancel");

    watch(p, o, SIGNAL_USER_0);
    for (u32 i = 0; i < LIMIT_PORT_PACKETS; i++)
        EXPECT_EQ(port_post(p, KEY, i, payer), OK);
    object_signal(o, 0, SIGNAL_USER_0);
    test_watch();
    close_port(p);
    test_expect_half("the end of a port with watches and packets");
    EXPECT_EQ(o->observer_count, 0);
    object_release(o);
    end();
}

// --- channels and streams ----------------------------------------------------

static void
read_in_crowd(void *arg)
{
    u8 room[16];
    struct channel_read r = {
        .room = {room, sizeof(room)}
    };

    (void)arg;
    status_t status =
        message_read(channel_from_object(crowd.object), &r, UINT64_MAX);
    EXPECT(status == ERR_BAD_HANDLE || status == ERR_PEER_CLOSED);
    __atomic_fetch_add(&crowd.woken, 1, __ATOMIC_SEQ_CST);
}

static void
new_channel(struct channel *ends[2])
{
    EXPECT_EQ(channel_new(ends, payer), OK);
    for (u32 i = 0; i < 2; i++)
        object_hold_handle(channel_object(ends[i]));
}

static void
close_end(struct channel *c)
{
    object_release_handle(channel_object(c));
}

// Readers at end `readers`; end 0 is closed.
static void
close_crowded_channel(u32 readers)
{
    struct channel *ends[2];
    u32 signals = 0;

    begin();
    new_channel(ends);
    struct port *ports[2] = {new_port(), new_port()};
    for (u32 i = 0; i < 2; i++)
        watch(ports[i], channel_object(ends[i]), SIGNAL_PEER_CLOSED);
    crowd.object = channel_object(ends[readers]);
    start_crowd(read_in_crowd, CROWD);
    test_watch();
    close_end(ends[0]);
    end_crowd(CROWD);
    test_expect_half("the end of a channel with a crowd");
    EXPECT_EQ(packets_there(ports[0], &signals), LIMIT_PORT_WATCHES);
    EXPECT_EQ(packets_there(ports[1], &signals), LIMIT_PORT_WATCHES);
    EXPECT((signals & SIGNAL_PEER_CLOSED) != 0);
    close_end(ends[1]);
    for (u32 i = 0; i < 2; i++) {
        close_port(ports[i]);
        object_release(channel_object(ends[i]));
    }
    end();
}

TEST_KERNEL(crowds_at_a_channel)
{
    close_crowded_channel(0);
    close_crowded_channel(1);
}

TEST_KERNEL(crowds_at_a_stream)
{
    struct stream *ends[2];
    u32 signals = 0;

    begin();
    EXPECT_EQ(stream_new(ends, (u64[]){4096, 4096}, payer), OK);
    struct port *ports[2] = {new_port(), new_port()};
    for (u32 i = 0; i < 2; i++) {
        object_hold_handle(stream_object(ends[i]));
        watch(ports[i], stream_object(ends[i]),
              SIGNAL_READABLE | SIGNAL_PEER_CLOSED | SIGNAL_PEER_DONE);
    }
    test_watch();
    object_release_handle(stream_object(ends[0]));
    test_expect_half("the end of a stream with a crowd");
    EXPECT_EQ(packets_there(ports[0], &signals), LIMIT_PORT_WATCHES);
    EXPECT_EQ(packets_there(ports[1], &signals), LIMIT_PORT_WATCHES);
    object_release_handle(stream_object(ends[1]));
    for (u32 i = 0; i < 2; i++) {
        close_port(ports[i]);
        object_release(stream_object(ends[i]));
    }
    end();
}

// --- handles -----------------------------------------------------------------

// A full queue: each message has as many handles as it can, of `first` and, the
// last, of `last`.
static void
fill_queue(struct channel *c, struct object *first, struct object *last)
{
    struct handle_table *t = kernel_alloc(sizeof(*t));
    handle_t handles[EACH];
    struct channel_side side = {payer, t, handles, EACH};

    handle_table_init(t, account_root());
    for (u32 n = 0; n < LIMIT_CHANNEL_MESSAGES; n++) {
        for (u32 i = 0; i < EACH; i++)
            EXPECT_EQ(handle_new(t, i == EACH - 1 ? last : first, UINT32_MAX,
                                 &handles[i]),
                      OK);
        EXPECT_EQ(message_write(c, (struct bytes){NULL, 0}, &side), OK);
    }
    handle_table_free(t);
    kernel_free(t);
}

TEST_KERNEL(crowd_of_handles_in_messages)
{
    struct channel *ends[2];

    begin();
    struct object *o = new_event();
    new_channel(ends);
    fill_queue(ends[0], o, o);
    EXPECT_EQ(o->handles, EACH * LIMIT_CHANNEL_MESSAGES);
    test_watch();
    close_end(ends[1]);
    test_expect_half("the end of a channel full of messages with handles");
    EXPECT_EQ(o->handles, 0);
    close_end(ends[0]);
    for (u32 i = 0; i < 2; i++)
        object_release(channel_object(ends[i]));
    object_release(o);
    end();
}

// The look for circles goes through a full queue, over and over.
static void
look_through(bool all_ends)
{
    struct channel *full[2], *other[2], *to[2];
    struct handle_table *t = kernel_alloc(sizeof(*t));
    handle_t handle;
    struct channel_side side = {payer, t, &handle, 1};

    new_channel(full);
    new_channel(other);
    new_channel(to);
    struct object *o = all_ends ? channel_object(other[0]) : new_event();
    test_watch();
    fill_queue(full[0], o, channel_object(other[0]));
    handle_table_init(t, account_root());
    EXPECT_EQ(handle_new(t, channel_object(full[1]), UINT32_MAX, &handle), OK);
    status_t status = message_write(to[0], (struct bytes){NULL, 0}, &side);
    EXPECT(status == OK || status == ERR_LIMIT);
    test_expect_half("a look for circles");
    handle_table_free(t);
    kernel_free(t);
    if (!all_ends)
        object_release(o);
    for (u32 i = 0; i < 2; i++) {
        close_end(full[i]);
        close_end(other[i]);
        close_end(to[i]);
    }
    for (u32 i = 0; i < 2; i++) {
        object_release(channel_object(full[i]));
        object_release(channel_object(other[i]));
        object_release(channel_object(to[i]));
    }
}

TEST_KERNEL(crowd_of_ends_in_messages)
{
    begin();
    look_through(false);
    look_through(true);
    end();
}

TEST_KERNEL(crowd_of_handles_in_a_table)
{
    struct handle_table *t = kernel_alloc(sizeof(*t));
    u32 count = 0;
    handle_t h;

    begin();
    struct object *o = new_event();
    handle_table_init(t, account_root());
    while (handle_new(t, o, UINT32_MAX, &h) == OK)
        count++;
    EXPECT_EQ(count, HANDLE_CHUNK * HANDLE_CHUNKS);
    test_watch();
    handle_table_free(t);
    test_expect_half("the end of a full table of handles");
    EXPECT_EQ(o->handles, 0);
    object_release(o);
    kernel_free(t);
    end();
}

// --- calls -------------------------------------------------------------------

// As many wait as can, and the numbers that come next are all theirs.
TEST_KERNEL(crowd_of_calls)
{
    static struct receiver callers[CROWD - 1];
    struct channel *ends[2];

    begin();
    new_channel(ends);
    struct channel *c = ends[0];
    test_watch();
    lock(&c->end.pair->lock);
    for (u32 i = 0; i < COUNT(callers); i++) {
        callers[i].id = CALL_ID | (u32)(COUNT(callers) - i);
        list_append(&c->receivers, &callers[i].link);
    }
    u32 id = channel_new_call_id(c);
    for (u32 i = 0; i < COUNT(callers); i++)
        list_remove(&callers[i].link);
    unlock(&c->end.pair->lock);
    EXPECT_EQ(id, CALL_ID | (u32)(COUNT(callers) + 1));
    test_expect_half("a number for a call");
    for (u32 i = 0; i < 2; i++)
        close_end(ends[i]);
    for (u32 i = 0; i < 2; i++)
        object_release(channel_object(ends[i]));
    end();
}

// --- code --------------------------------------------------------------------

TEST_KERNEL(much_code_is_written)
{
    const u64 size = 96 * MIB;
    u8 *text = kernel_alloc(size);

    EXPECT(text != NULL);
    test_watch();
    void *code = port_code_write(text, size);
    EXPECT(code != NULL);
    test_expect_half("writing much code");
    test_watch();
    EXPECT(port_code_execute(code, size));
    test_expect_half("letting much code be executed");
    test_watch();
    port_code_release(code, size);
    test_expect_half("giving much code back");
    kernel_free(text);
}
