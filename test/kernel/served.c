// test/kernel/served.c: results of calls that need another thread or its end:
// gates, their windows and calls through channels, as two threads of a program
// make them; and what the killed get, from each call that can wait.

#include "kernel/channel.h"
#include "kernel/gate.h"
#include "test/kernel/calls.h"

#include <string.h>

enum { OUT = 64, OUT_2 = 80, KIND = 88, SIZE = 92, BADGE = 96, COUNT_AT = 104 };
enum {
    REQUEST = 128,
    REPLY = 192,
    WINDOW = 256,
    ITEMS = 320,
    SEEN = 512,
    ROOM = 4096
};
enum { REQUEST_SIZE = 8 };

static handle_t
full(const struct object_type *type)
{
    return test_handle(type, UINT32_MAX);
}

// --- two threads -------------------------------------------------------------

static handle_t gate, door;    // of the program
static void (*parts[4])(void); // what its threads do, from the second on
static u32 stage;              // atomic: how far they are

static void
reach(u32 s)
{
    __atomic_store_n(&stage, s, __ATOMIC_SEQ_CST);
}

static void
wait_for(u32 s)
{
    while (COUNT_OF(stage) < s && !thread_is_killed())
        thread_yield();
}

// Another thread of the program, which does that.
static handle_t
start(u32 id, void (*run)(void))
{
    parts[id] = run;
    EXPECT_EQ(CALL(thread_spawn, 0, 0, 4096, OUT), OK);
    return test_load32(OUT);
}

static bool
is_first(void)
{
    u32 id = execution_current()->id;

    if (id == 1) {
        stage = 0;
        return true;
    }
    parts[id]();
    return false;
}

static status_t
next_call(u64 deadline, u32 room, u32 reply_size)
{
    return CALL(gate_serve, gate, deadline, REPLY, reply_size, REQUEST, room,
                BADGE, KIND, SIZE);
}

static status_t
call(u64 deadline, u32 size, u32 room, u32 windows)
{
    return CALL(gate_call, door, deadline, ROOM, size, ROOM + 64, room, WINDOW,
                windows, OUT_2);
}

static void
have_gate(void)
{
    EXPECT_EQ(CALL(gate_create, REQUEST_SIZE, OUT), OK);
    gate = test_load32(OUT);
    EXPECT_EQ(CALL(gate_badge, gate, 5, OUT), OK);
    door = test_load32(OUT);
}

static void
offer(u32 number, u32 kind, u32 from, u32 offset, u32 size, u32 access)
{
    const u32 window[5] = {kind, from, offset, size, access};

    memcpy(test_memory(WINDOW + number * (u32)sizeof(window)), window,
           sizeof(window));
}

// --- gates -------------------------------------------------------------------

static void
serve_badly(void)
{
    EXPECT_EQ(next_call(0, REQUEST_SIZE - 1, 0), ERR_TOO_SMALL);
    EXPECT_EQ(next_call(0, REQUEST_SIZE, 1), ERR_NOT_FOUND);
    EXPECT_EQ(next_call(0, REQUEST_SIZE, 0), ERR_SHOULD_WAIT);
    EXPECT_EQ(next_call(1, REQUEST_SIZE, 0), ERR_TIMED_OUT);
    EXPECT_EQ(CALL(gate_reply, REPLY, 0), ERR_NOT_FOUND);
    reach(1);
    EXPECT_EQ(next_call(UINT64_MAX, REQUEST_SIZE, 0), OK);
    EXPECT_EQ(test_load32(KIND), GATE_CALL);
    EXPECT_EQ(test_load64(BADGE), 5);
    EXPECT_EQ(next_call(0, REQUEST_SIZE, LIMIT_GATE_SIZE + 1), ERR_LIMIT);
    EXPECT_EQ(CALL(gate_reply, REPLY, LIMIT_GATE_SIZE + 1), ERR_LIMIT);
    EXPECT_EQ(call(UINT64_MAX, 0, 0, 0), ERR_DEADLOCK);
    EXPECT_EQ(CALL(gate_reply, REPLY, 4), OK);
    EXPECT_EQ(CALL(gate_reply, REPLY, 4), ERR_NOT_FOUND);
    EXPECT_EQ(next_call(UINT64_MAX, REQUEST_SIZE, 0), OK);
    EXPECT_EQ(CALL(gate_reply, REPLY, 4), OK);
}

static void
call_badly(void)
{
    struct object *o = NULL;

    if (!is_first())
        return;
    have_gate();
    EXPECT_EQ(call(UINT64_MAX, REQUEST_SIZE + 1, 0, 0), ERR_TOO_SMALL);
    EXPECT_EQ(call(0, 0, 0, 0), ERR_TIMED_OUT);
    EXPECT_EQ(call(1, 0, 0, 0), ERR_TIMED_OUT);
    EXPECT_EQ(call(UINT64_MAX, 0, 0, LIMIT_GATE_WINDOWS + 1), ERR_LIMIT);
    EXPECT_EQ(handle_get(&process_current()->handles, door, &door_type, 0, &o),
              OK);
    door_from_object(o)->call_count = LIMIT_GATE_CALLERS;
    EXPECT_EQ(call(UINT64_MAX, 0, 0, 0), ERR_FULL);
    door_from_object(o)->call_count = 0;
    object_release(o);
    handle_t thread = start(2, serve_badly);
    wait_for(1);
    EXPECT_EQ(call(UINT64_MAX, REQUEST_SIZE, 4, 0), OK);
    EXPECT_EQ(test_load32(OUT_2), 4);
    EXPECT_EQ(call(UINT64_MAX, REQUEST_SIZE, 3, 0), ERR_TOO_SMALL);
    EXPECT_EQ(test_load32(OUT_2), 4);
    EXPECT_EQ(CALL(thread_join, thread), OK);
}

TEST_KERNEL(errors_of_gates)
{
    EXPECT_EQ(test_in_process(call_badly), 0);
}

// A server of another program traps.
static struct process *trapping;
static struct object *its_door;

static void
trap_or_call(void)
{
    if (process_current() != trapping) {
        EXPECT_EQ(CALL(process_given, 0, OUT), OK);
        door = test_load32(OUT);
        EXPECT_EQ(call(UINT64_MAX, 0, 0, 0), ERR_PEER_TRAPPED);
        return;
    }
    have_gate();
    EXPECT_EQ(
        handle_get(&process_current()->handles, door, &door_type, 0, &its_door),
        OK);
    reach(1);
    EXPECT_EQ(next_call(UINT64_MAX, REQUEST_SIZE, 0), OK);
    thread_trap(TRAP_UNREACHABLE);
}

TEST_KERNEL(errors_of_gates_that_trap)
{
    stage = 0;
    trapping = test_new_process(trap_or_call);
    test_start(trapping);
    wait_for(1);
    struct process *caller = test_new_process(trap_or_call);
    EXPECT_EQ(process_give(caller, its_door, UINT32_MAX), OK);
    object_release(its_door);
    test_start(caller);
    EXPECT_EQ(test_wait(caller), 0);
    EXPECT_EQ(test_wait(trapping), EXIT_TRAP);
}

// --- windows -----------------------------------------------------------------

static void
use_windows(void)
{
    EXPECT_EQ(next_call(UINT64_MAX, REQUEST_SIZE, 0), OK);
    EXPECT_EQ(CALL(window_get, 2, SEEN, SEEN + 4), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(window_get, 1, SEEN, SEEN + 4), OK);
    EXPECT_EQ(test_load32(SEEN), 16);
    EXPECT_EQ(test_load32(SEEN + 4), WINDOW_WRITE);
    EXPECT_EQ(CALL(window_read, 0, 0, REPLY, 16), OK);
    EXPECT_EQ(memcmp(test_memory(REPLY), test_memory(ROOM), 16), 0);
    EXPECT_EQ(CALL(window_read, 0, 1, REPLY, 16), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(window_read, 1, 0, REPLY, 16), ERR_ACCESS);
    EXPECT_EQ(CALL(window_read, 2, 0, REPLY, 16), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(window_write, 1, 0, REPLY, 16), OK);
    EXPECT_EQ(memcmp(test_memory(ROOM), test_memory(ROOM + 16), 16), 0);
    EXPECT_EQ(CALL(window_write, 1, 17, REPLY, 0), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(window_write, 0, 0, REPLY, 16), ERR_ACCESS);
    EXPECT_EQ(CALL(window_write, 2, 0, REPLY, 16), ERR_NOT_FOUND);
    // Passed on, with more than it was given.
    offer(0, WINDOW_PASSED, 0, 0, 16, WINDOW_WRITE);
    EXPECT_EQ(call(UINT64_MAX, 0, 0, 1), ERR_ACCESS);
    offer(0, WINDOW_PASSED, 0, 8, 16, WINDOW_READ);
    EXPECT_EQ(call(UINT64_MAX, 0, 0, 1), ERR_BAD_ARGUMENT);
    offer(0, WINDOW_PASSED, 2, 0, 16, WINDOW_READ);
    EXPECT_EQ(call(UINT64_MAX, 0, 0, 1), ERR_NOT_FOUND);
    reach(1);
    wait_for(2); // the caller has left
    EXPECT_EQ(CALL(window_read, 0, 0, REPLY, 16), ERR_PEER_CLOSED);
    EXPECT_EQ(CALL(window_write, 1, 0, REPLY, 16), ERR_PEER_CLOSED);
    EXPECT_EQ(CALL(gate_reply, REPLY, 0), OK); // which nobody gets
}

static void
lend_two(void)
{
    EXPECT_EQ(call(UINT64_MAX, 0, 0, 2), ERR_KILLED);
}

static void
kill_thread(handle_t h)
{
    struct object *o = NULL;

    EXPECT_EQ(handle_get(&process_current()->handles, h, &thread_type, 0, &o),
              OK);
    thread_kill(thread_from_object(o));
    object_release(o);
}

static void
lend_windows(void)
{
    if (!is_first())
        return;
    have_gate();
    for (u32 i = 0; i < 16; i++)
        *test_memory(ROOM + i) = (u8)(i + 1);
    offer(0, WINDOW_OWN, 0, TEST_MEMORY - 8, 16, WINDOW_READ);
    EXPECT_EQ(call(UINT64_MAX, 0, 0, 1), ERR_BAD_ADDRESS);
    offer(0, WINDOW_OWN, 0, ROOM, 16, WINDOW_READ);
    offer(1, WINDOW_OWN, 0, ROOM + 16, 16, WINDOW_WRITE);
    handle_t server = start(2, use_windows), caller = start(3, lend_two);
    wait_for(1);
    kill_thread(caller);
    EXPECT_EQ(CALL(thread_join, caller), OK);
    reach(2);
    EXPECT_EQ(CALL(thread_join, server), OK);
}

TEST_KERNEL(errors_of_windows)
{
    EXPECT_EQ(test_in_process(lend_windows), 0);
}

// --- calls through channels --------------------------------------------------

static handle_t ends[2], given;

static void
have_channel(void)
{
    EXPECT_EQ(CALL(channel_create, OUT, OUT + 4), OK);
    ends[0] = test_load32(OUT);
    ends[1] = test_load32(OUT + 4);
}

static status_t
ask(u32 size, u32 handles, u64 deadline, u32 room, u32 handle_room)
{
    return CALL(channel_call, ends[0], deadline, ROOM, size, ITEMS, handles,
                REPLY, room, ITEMS + 64, handle_room, SIZE, COUNT_AT);
}

// Take a request and send it back, with so many events.
static void
answer(u32 size, u32 handles)
{
    EXPECT_EQ(CALL(channel_read, ends[1], UINT64_MAX, REQUEST, 64, 0, 0, OUT_2,
                   OUT_2 + 4),
              OK);
    for (u32 i = 0; i < handles; i++)
        test_store32(WINDOW + 4 * i, full(&event_type));
    EXPECT_EQ(CALL(channel_write, ends[1], REQUEST, size, WINDOW, handles), OK);
}

static void
answer_all(void)
{
    answer(8, 0);
    answer(9, 0);
    answer(4, 1);
    EXPECT_EQ(CALL(channel_read, ends[1], UINT64_MAX, REQUEST, 64, 0, 0, OUT_2,
                   OUT_2 + 4),
              OK);
    EXPECT_EQ(CALL(handle_close, ends[1]), OK);
}

static void
ask_all(void)
{
    if (!is_first())
        return;
    have_channel();
    test_store32(ITEMS, ends[1]); // to where it comes from
    EXPECT_EQ(ask(4, 1, UINT64_MAX, 8, 0), ERR_LOOP);
    handle_t thread = start(2, answer_all);
    test_store32(ROOM + 4, 0x1234);
    EXPECT_EQ(ask(8, 0, UINT64_MAX, 8, 0), OK);
    EXPECT_EQ(test_load32(SIZE), 8);
    EXPECT_EQ(test_load32(REPLY + 4), 0x1234);
    EXPECT_EQ(ask(8, 0, UINT64_MAX, 8, 0), ERR_TOO_SMALL);
    EXPECT_EQ(test_load32(SIZE), 9);
    EXPECT_EQ(ask(4, 0, UINT64_MAX, 8, 1), OK);
    EXPECT_EQ(test_load32(COUNT_AT), 1);
    EXPECT_EQ(ask(4, 0, UINT64_MAX, 8, 1), ERR_PEER_CLOSED);
    EXPECT_EQ(CALL(thread_join, thread), OK);
    EXPECT_EQ(ask(4, 0, UINT64_MAX, 8, 1), ERR_PEER_CLOSED);
    have_channel();
    for (u32 i = 0; i < LIMIT_CHANNEL_MESSAGES; i++)
        EXPECT_EQ(CALL(channel_write, ends[0], ROOM, 8, 0, 0), OK);
    EXPECT_EQ(ask(4, 0, UINT64_MAX, 8, 0), ERR_SHOULD_WAIT);
}

TEST_KERNEL(errors_of_channel_calls)
{
    EXPECT_EQ(test_in_process(ask_all), 0);
}

// The reply has a handle, of another table than the one that has no place for
// it.
static void
answer_from_elsewhere(void)
{
    struct handle_table *mine = &process_current()->handles;
    struct handle_table *other = kernel_alloc(sizeof(*other));
    struct object *end = NULL, *event = NULL;
    struct channel_read r = {
        .room = {test_memory(REQUEST), 64},
          .table = mine
    };
    struct channel_side side = {process_current()->account, other, &given, 1};
    status_t status = event_new(&event, process_current()->account);

    assert(other != NULL && status == OK);
    handle_table_init(other, process_current()->account);
    EXPECT_EQ(handle_new(other, event, UINT32_MAX, &given), OK);
    EXPECT_EQ(handle_get(mine, ends[1], NULL, 0, &end), OK);
    struct channel *c = channel_from_object(end);
    EXPECT_EQ(message_read(c, &r, UINT64_MAX), OK);
    EXPECT_EQ(message_write(c, (struct bytes){test_memory(REQUEST), 4}, &side),
              OK);
    handle_table_free(other);
    kernel_free(other);
    object_release(end);
    object_release(event);
}

static void
ask_with_a_full_table(void)
{
    if (!is_first())
        return;
    have_channel();
    handle_t thread = start(2, answer_from_elsewhere);
    handle_t event = full(&event_type);
    while (CALL(handle_duplicate, event, 0, OUT) == OK)
        continue;
    EXPECT_EQ(ask(4, 0, UINT64_MAX, 8, 1), ERR_FULL);
    EXPECT_EQ(CALL(thread_join, thread), OK);
}

TEST_KERNEL(errors_of_channel_calls_with_a_full_table)
{
    EXPECT_EQ(test_in_process(ask_with_a_full_table), 0);
}

// --- from each call that can wait --------------------------------------------

static void
nothing(void)
{
}

static void
have_event(void)
{
    given = full(&event_type);
    test_store32(ITEMS, given);
    test_store32(ITEMS + 4, SIGNAL_SIGNALED);
}

static void
have_stream(void)
{
    EXPECT_EQ(CALL(stream_create, 8, 8, OUT, OUT + 4), OK);
    given = test_load32(OUT);
    EXPECT_EQ(CALL(stream_write, given, ROOM, 8, 0, OUT_2), OK);
}

static void
have_port(void)
{
    given = full(&port_type);
}

static void
have_process(void)
{
    given = full(&process_type);
}

static void
have_module(void)
{
    struct bytes bytes = test_module_named("count");

    memcpy(test_memory(ROOM), bytes.ptr, bytes.size);
    given = full(&code_module_type);
}

static status_t
sleep_long(void)
{
    return CALL(thread_sleep, UINT64_MAX);
}

static status_t
take_random(void)
{
    return CALL(random_get, ROOM, 65536);
}

static status_t
wait_one(void)
{
    return CALL(object_wait_one, given, SIGNAL_SIGNALED, UINT64_MAX, OUT);
}

static status_t
wait_many(void)
{
    return CALL(object_wait_many, ITEMS, 1, UINT64_MAX);
}

static status_t
read_channel(void)
{
    return CALL(channel_read, ends[0], UINT64_MAX, ROOM, 8, 0, 0, SIZE,
                COUNT_AT);
}

static status_t
ask_channel(void)
{
    return ask(4, 0, UINT64_MAX, 8, 0);
}

static status_t
read_stream(void)
{
    return CALL(stream_read, given, ROOM, 8, UINT64_MAX, SIZE);
}

static status_t
write_stream(void)
{
    return CALL(stream_write, given, ROOM, 8, UINT64_MAX, SIZE);
}

static status_t
wait_port(void)
{
    return CALL(port_wait, given, ROOM, 1, UINT64_MAX, OUT);
}

static status_t
create_module(void)
{
    return CALL(module_create, ROOM, test_module_named("count").size, 0, 0,
                OUT);
}

static status_t
spawn(void)
{
    return CALL(process_spawn, given, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, OUT,
                0);
}

static status_t
wait_process(void)
{
    return CALL(process_wait, given, UINT64_MAX, OUT);
}

static status_t
serve_gate(void)
{
    return next_call(UINT64_MAX, REQUEST_SIZE, 0);
}

static status_t
call_gate(void)
{
    return call(UINT64_MAX, 0, 0, 0);
}

// The call's name, what it needs and how it is made.
static const struct waiter_row {
    const char *name;
    void (*prepare)(void);
    status_t (*wait)(void);
} waiters[] = {
    {"thread_sleep",     nothing,      sleep_long   },
    {"random_get",       nothing,      take_random  },
    {"object_wait_one",  have_event,   wait_one     },
    {"object_wait_many", have_event,   wait_many    },
    {"channel_read",     have_channel, read_channel },
    {"channel_call",     have_channel, ask_channel  },
    {"stream_read",      have_stream,  read_stream  },
    {"stream_write",     have_stream,  write_stream },
    {"port_wait",        have_port,    wait_port    },
    {"module_create",    have_module,  create_module},
    {"process_spawn",    have_module,  spawn        },
    {"process_wait",     have_process, wait_process },
    {"gate_serve",       have_gate,    serve_gate   },
    {"gate_call",        have_gate,    call_gate    },
};

static const char *
waiter_name(u32 row)
{
    return row < COUNT(waiters) ? waiters[row].name : NULL;
}

static void
wait_when_killed(void)
{
    const struct waiter_row *w = &waiters[test_row];

    w->prepare();
    process_kill(process_current(), 7);
    EXPECT_EQ(w->wait(), ERR_KILLED);
}

TEST_KERNEL_ROWS(errors_of_the_killed, waiter_name)
{
    EXPECT_EQ(test_in_process(wait_when_killed), 7);
}

// A copy to or from a window is made by steps.
static void
copy_when_killed(void)
{
    EXPECT_EQ(next_call(UINT64_MAX, REQUEST_SIZE, 0), OK);
    thread_kill(thread_current());
    EXPECT_EQ(CALL(window_read, 0, 0, REPLY, 16), ERR_KILLED);
    EXPECT_EQ(CALL(window_write, 1, 0, REPLY, 16), ERR_KILLED);
}

static void
lend_to_the_killed(void)
{
    if (!is_first())
        return;
    have_gate();
    offer(0, WINDOW_OWN, 0, ROOM, 16, WINDOW_READ);
    offer(1, WINDOW_OWN, 0, ROOM + 16, 16, WINDOW_WRITE);
    start(2, copy_when_killed);
    EXPECT_EQ(call(UINT64_MAX, 0, 0, 2), ERR_PEER_CLOSED);
}

TEST_KERNEL(errors_of_windows_of_the_killed)
{
    EXPECT_EQ(test_in_process(lend_to_the_killed), 0);
}

// Who writes an end of a channel waits for others who do.
static void
carry_when_killed(void)
{
    have_channel();
    given = ends[1];
    have_channel();
    test_store32(ITEMS, given);
    process_kill(process_current(), 7);
    EXPECT_EQ(CALL(channel_write, ends[0], 0, 0, ITEMS, 1), ERR_KILLED);
}

TEST_KERNEL(errors_of_carriers_that_are_killed)
{
    struct process *p = test_new_process(carry_when_killed);

    EXPECT_EQ(mutex_lock(&channel_carrying), OK);
    test_start(p);
    EXPECT_EQ(test_wait(p), 7);
    mutex_unlock(&channel_carrying);
}
