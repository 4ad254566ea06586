// test/kernel/line.c: the line of those who wait at an end of a channel: a
// message is for the first who still waits and has room for it, whatever became
// of those before.

#include "kernel/channel.h"
#include "test/kernel/frame.h"

static struct account *payer;
static struct channel *ends[2];
static struct handle_table table;

static void
begin(void)
{
    payer = test_account(4 * MIB);
    handle_table_init(&table, account_root());
    EXPECT_EQ(channel_new(ends, payer), OK);
}

static void
end(void)
{
    handle_table_free(&table);
    for (u32 side = 0; side < 2; side++)
        object_release(channel_object(ends[side]));
    EXPECT_EQ(payer->used[RESOURCE_OBJECTS], 0);
    account_release(payer);
}

// One that waits at ends[1].
struct waiting {
    bool calls;
    u32 room;
    u64 deadline;
    struct thread *thread;
    status_t status;
    u32 words[16];
};

static void
wait_there(void *arg)
{
    struct waiting *w = arg;
    struct bytes room = {(u8 *)w->words, w->room};
    struct channel_read r = {.table = &table, .room = room};
    struct channel_side side = {.payer = payer, .table = &table};

    w->status = w->calls ? message_call(ends[1], (struct bytes){room.ptr, 4},
                                        &side, &r, w->deadline) :
                           message_read(ends[1], &r, w->deadline);
}

static bool
is_blocked(const struct thread *t)
{
    return __atomic_load_n(&t->state, __ATOMIC_RELAXED) == THREAD_BLOCKED;
}

static bool
has_ended(struct thread *t)
{
    return (object_signals(thread_object(t)) & SIGNAL_ENDED) != 0;
}

static void
begin_wait(struct waiting *w)
{
    w->thread = test_start_thread(wait_there, w);
    while (!is_blocked(w->thread) && !has_ended(w->thread))
        thread_yield();
}

// Whoever nobody has woken is killed, so that the test ends.
static void
end_wait(struct waiting *w, status_t status)
{
    if (is_blocked(w->thread))
        thread_kill(w->thread);
    EXPECT_EQ(thread_join(w->thread, UINT64_MAX), OK);
    thread_release(w->thread);
    EXPECT_EQ(w->status, status);
}

static void
write_there(u32 first, u32 size)
{
    u32 words[16] = {first, 7};
    struct channel_side side = {.payer = payer, .table = &table};

    EXPECT_EQ(message_write(ends[0], (struct bytes){(u8 *)words, size}, &side),
              OK);
}

// --- who is too late ---------------------------------------------------------

// The first one's wait ends, and before it runs again a message of `size` bytes
// comes, which is for the second, who has room for eight.  False: it had ended
// before both waited.
static bool
pass_by(struct waiting first, u32 size)
{
    struct waiting second = {.room = 8, .deadline = UINT64_MAX};
    u32 id = 1;

    begin();
    first.room = 64;
    begin_wait(&first);
    begin_wait(&second);
    if (first.calls)
        id = ends[1]->call_id;
    preempt_disable();
    if (first.deadline == UINT64_MAX)
        thread_kill(first.thread);
    bool in_time = first.deadline == UINT64_MAX || is_blocked(first.thread);
    while (is_blocked(first.thread))
        __builtin_ia32_pause();
    write_there(id, size);
    EXPECT(!is_blocked(second.thread));
    preempt_enable();
    end_wait(&first, first.deadline == UINT64_MAX ? ERR_KILLED : ERR_TIMED_OUT);
    end_wait(&second, size <= 8 ? OK : ERR_TOO_SMALL);
    EXPECT_EQ(second.words[0], size <= 8 ? id : 0);
    end();
    return in_time;
}

TEST_KERNEL(line_killed_reader_is_passed_by)
{
    for (u32 size = 8; size <= 64; size *= 8)
        EXPECT(pass_by((struct waiting){.deadline = UINT64_MAX}, size));
}

// However slow the machine is.
static void
pass_by_late(bool calls, u32 size)
{
    u64 soon = 20000000;

    while (!pass_by((struct waiting){.calls = calls,
                                     .deadline = port_monotonic_ns() + soon},
                    size))
        soon *= 2;
}

TEST_KERNEL(line_timed_out_reader_is_passed_by)
{
    for (u32 size = 8; size <= 64; size *= 8)
        pass_by_late(false, size);
}

// A reply to it is a message like others.
TEST_KERNEL(line_timed_out_caller_is_passed_by)
{
    for (u32 size = 8; size <= 64; size *= 8)
        pass_by_late(true, size);
}

// --- who has too little room -------------------------------------------------

// The first looks at the message, which stays, and the next one gets it; also
// when one between them was killed just before.
static void
too_small_for(bool calls)
{
    struct waiting first = {.calls = calls, .room = 1, .deadline = UINT64_MAX};
    struct waiting killed = {.room = 64, .deadline = UINT64_MAX};
    struct waiting second = {.room = 64, .deadline = UINT64_MAX};

    begin();
    begin_wait(&first);
    begin_wait(&killed);
    begin_wait(&second);
    preempt_disable();
    thread_kill(killed.thread);
    write_there(calls ? ends[1]->call_id : 1, 8);
    preempt_enable();
    EXPECT_EQ(thread_join(first.thread, UINT64_MAX), OK);
    EXPECT(!is_blocked(second.thread));
    end_wait(&first, ERR_TOO_SMALL);
    end_wait(&killed, ERR_KILLED);
    end_wait(&second, OK);
    EXPECT_EQ(second.words[1], 7);
    end();
}

TEST_KERNEL(line_goes_on_after_a_small_room)
{
    too_small_for(false);
    too_small_for(true);
}

// --- who never waited --------------------------------------------------------

// A call that fails last of all, when its handles are to move.
TEST_KERNEL(line_without_calls_that_failed)
{
    struct channel_side side = {.handle_count = 2};
    u32 words[2] = {0};
    struct channel_read r = {
        .room = {(u8 *)words, sizeof(words)}
    };
    struct object *event;
    handle_t twice[2];

    begin();
    EXPECT_EQ(event_new(&event, payer), OK);
    EXPECT_EQ(handle_new(&table, event, RIGHT_TRANSFER, twice), OK);
    twice[1] = twice[0];
    side.payer = payer;
    side.table = r.table = &table;
    side.handles = twice;
    EXPECT_EQ(message_call(ends[1], (struct bytes){(u8 *)words, 4}, &side, &r,
                           UINT64_MAX),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(ends[1]->receiver_count, 0);
    EXPECT(list_empty(&ends[1]->receivers));
    EXPECT_EQ(ends[0]->count, 0);
    object_release(event);
    end();
}
