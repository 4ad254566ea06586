// test/kernel/nested.c: processes that are killed at bad moments of what they
// share: all is given back, and who is left hears of it.

#include "test/kernel/calls.h"

#include <string.h>

enum { FIRST = 64, SECOND = 68, OUT = 72, SIGNALS_AT = 76 };
enum { HANDLES = 128, TEXT = 1024, NAME = 512, WAITS = 2048, ROOM = 4096 };
enum { BYTES_AT = 8192, PACKETS = 4096 };

static u32 step; // how far the process has come; atomic

static void
come_to(u32 number)
{
    __atomic_store_n(&step, number, __ATOMIC_SEQ_CST);
}

static void
wait_for_step(u32 number)
{
    TEST_WAIT(__atomic_load_n(&step, __ATOMIC_SEQ_CST) >= number);
}

// It has begun to wait, for whatever.
static struct thread *
thread_of(struct process *p)
{
    lock(&p->lock);
    struct list *item = p->threads.next;
    struct thread *t = CONTAINER(item, struct program_thread, link)->thread;
    unlock(&p->lock);
    return t;
}

static struct process *
start_until(void (*run)(void), u32 number, bool blocked)
{
    come_to(0);
    struct process *p = test_new_process(run);
    test_start(p);
    wait_for_step(number);
    if (blocked)
        test_wait_until_blocked(thread_of(p));
    return p;
}

static void
kill_and_wait(struct process *p)
{
    process_kill(p, 9);
    EXPECT_EQ(test_wait(p), 9);
}

static handle_t
own_handle(struct object *o)
{
    handle_t h = 0;

    EXPECT_EQ(handle_new(&process_current()->handles, o, UINT32_MAX, &h), OK);
    return h;
}

static void
make_channel(handle_t pair[2])
{
    EXPECT_EQ(CALL(channel_create, FIRST, SECOND), OK);
    pair[0] = test_load32(FIRST);
    pair[1] = test_load32(SECOND);
}

static void
send(handle_t to, const handle_t *handles, u32 count)
{
    for (u32 i = 0; i < count; i++)
        test_store32(HANDLES + 4 * i, handles[i]);
    EXPECT_EQ(CALL(channel_write, to, TEXT, 4, HANDLES, count), OK);
}

// --- queues that lead back to their owner ------------------------------------

// Its own process, its thread, and a port that watches the very end whose queue
// has the port's only handle; another channel's end with a queue of its own.
static void
queue_oneself(void)
{
    handle_t a[2], b[2], port, sent[4];
    struct object *thread = thread_object(thread_current());

    make_channel(a);
    make_channel(b);
    EXPECT_EQ(CALL(port_create, OUT), OK);
    port = test_load32(OUT);
    EXPECT_EQ(CALL(port_watch, port, a[1], 7, SIGNAL_PEER_CLOSED, 1), OK);
    sent[0] = own_handle(&process_current()->object);
    sent[1] = own_handle(thread);
    sent[2] = own_handle(&process_current()->object);
    send(b[0], sent, 3);
    sent[0] = port;
    sent[1] = b[1];
    sent[2] = own_handle(&process_current()->object);
    send(a[0], sent, 3);
    come_to(1);
    (void)!CALL(channel_read, b[0], UINT64_MAX, ROOM, 8, 0, 0, OUT, SECOND);
}

TEST_KERNEL(killed_with_itself_in_its_queues)
{
    kill_and_wait(start_until(queue_oneself, 1, true));
}

// --- waits for what is closed ------------------------------------------------

enum { WAITED = 4 };

static handle_t waited[WAITED];
static struct handle_table *table_of_waiter;

static void
wait_for_all(void)
{
    handle_t channel[2], stream[2];

    make_channel(channel);
    EXPECT_EQ(CALL(stream_create, 64, 64, FIRST, SECOND), OK);
    stream[0] = test_load32(FIRST);
    stream[1] = test_load32(SECOND);
    waited[0] = channel[0];
    waited[1] = stream[0];
    waited[2] = test_handle(&event_type, UINT32_MAX);
    waited[3] = test_handle(&timer_type, UINT32_MAX);
    for (u32 i = 0; i < WAITED; i++) {
        test_store32(WAITS + 12 * i, waited[i]);
        test_store32(WAITS + 12 * i + 4, SIGNAL_READABLE | SIGNAL_SIGNALED);
        test_store32(WAITS + 12 * i + 8, 0);
    }
    table_of_waiter = &process_current()->handles;
    come_to(1);
    (void)!CALL(object_wait_many, WAITS, WAITED, UINT64_MAX);
}

// Another closes what it waits for, in each order, before it is killed, while,
// and not at all.
TEST_KERNEL(killed_while_what_it_waits_for_closes)
{
    for (u32 first = 0; first < WAITED; first++) {
        for (u32 count = 0; count <= WAITED; count++) {
            struct process *p = start_until(wait_for_all, 1, true);
            bool on = port_interrupts_off(); // it hears of all at once
            for (u32 i = 0; i < count; i++)
                EXPECT_EQ(
                    handle_close(table_of_waiter, waited[(first + i) % WAITED]),
                    OK);
            process_kill(p, 9);
            port_interrupts_restore(on);
            EXPECT_EQ(test_wait(p), 9);
        }
    }
}

// --- peers -------------------------------------------------------------------

static struct stream *given[2];

static void
begin_stream(struct account **payer)
{
    const u64 sizes[2] = {8, 8};

    *payer = test_account(1 * MIB);
    EXPECT_EQ(stream_new(given, sizes, *payer), OK);
}

static void
end_stream(struct account *payer)
{
    for (u32 i = 0; i < 2; i++)
        object_release(stream_object(given[i]));
    EXPECT_EQ(payer->used[RESOURCE_OBJECTS], 0);
    account_release(payer);
}

static void
hold_first_end(void)
{
    own_handle(stream_object(given[0]));
    come_to(1);
    (void)!CALL(thread_sleep, 1ull << 50);
}

// Nobody reads.
static void
fill_second_end(void)
{
    handle_t stream = own_handle(stream_object(given[1]));
    status_t status = OK;

    come_to(2);
    while (status == OK)
        status = CALL(stream_write, stream, TEXT, 100, UINT64_MAX, OUT);
    EXPECT(status == ERR_PEER_CLOSED || status == ERR_KILLED);
    if (status == ERR_PEER_CLOSED)
        (void)!CALL(process_exit, 3);
}

static void
kill_either(bool reader_first)
{
    struct account *payer;

    begin_stream(&payer);
    struct process *reader = start_until(hold_first_end, 1, true);
    struct process *writer = start_until(fill_second_end, 2, true);
    if (reader_first) {
        kill_and_wait(reader);
        EXPECT_EQ(test_wait(writer), 3);
    } else {
        kill_and_wait(writer);
        EXPECT_EQ(object_wait_one(stream_object(given[0]), SIGNAL_PEER_CLOSED,
                                  UINT64_MAX, NULL),
                  OK);
        kill_and_wait(reader);
    }
    end_stream(payer);
}

TEST_KERNEL(killed_beside_a_write)
{
    kill_either(true);
    kill_either(false);
}

// --- those that kill each other ----------------------------------------------

static struct process *mutual[2];

static void
kill_the_other(void)
{
    bool second = process_current() == mutual[1];

    come_to(second ? 2 : 1);
    wait_for_step(3);
    process_kill(mutual[!second], 20 + second);
    // And oneself, while one is perhaps killed already.
    process_kill(process_current(), 30);
}

TEST_KERNEL(killed_by_each_other)
{
    for (u32 i = 0; i < 8; i++) {
        for (u32 k = 0; k < 2; k++) {
            mutual[k] = test_new_process(kill_the_other);
            object_hold(&mutual[k]->object);
        }
        for (u32 k = 0; k < 2; k++) {
            come_to(0);
            test_start(mutual[k]);
            wait_for_step(k + 1);
        }
        come_to(3);
        for (u32 k = 0; k < 2; k++) {
            u32 status = test_wait(mutual[k]);
            EXPECT(status == 30 || status == 21 - k);
        }
        for (u32 k = 0; k < 2; k++)
            process_release(mutual[k]);
    }
}

// --- spawns that are half done -----------------------------------------------

// A child has handles of its parent and of the parent's channel.
static void
spawn_with_itself(void)
{
    handle_t a[2], sent[2], module;
    struct bytes bytes = test_module_named("count");

    make_channel(a);
    memcpy(test_memory(BYTES_AT), bytes.ptr, bytes.size);
    come_to(1);
    if (CALL(module_create, BYTES_AT, bytes.size, TEXT, 8, OUT) != OK)
        return;
    module = test_load32(OUT);
    sent[0] = own_handle(&process_current()->object);
    sent[1] = a[1];
    for (u32 i = 0; i < 2; i++)
        test_store32(HANDLES + 4 * i, sent[i]);
    come_to(2);
    status_t status = CALL(process_spawn, module, 0, 0, 0, 0, 0, 0, HANDLES, 2,
                           0, 0, TEXT, 8, OUT);
    EXPECT(status == OK || status == ERR_KILLED);
    come_to(3);
    (void)!CALL(process_wait, test_load32(OUT), UINT64_MAX, SECOND);
}

// Let it go on for so many turns before it is killed.
TEST_KERNEL(killed_while_it_spawns)
{
    u64 before = object_count();

    for (u32 from = 1; from <= 3; from++) {
        for (u32 turns = 0; turns < 12; turns++) {
            struct process *p = start_until(spawn_with_itself, from, false);
            for (u32 i = 0; i < turns; i++)
                thread_yield();
            process_kill(p, 9);
            u32 status = test_wait(p);
            EXPECT(status == 9 || status == 0);
            TEST_WAIT(object_count() == before); // the child ends by itself
        }
    }
}
