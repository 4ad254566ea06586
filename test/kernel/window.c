// test/kernel/window.c: windows of calls: what a server may touch of its
// caller's memory, and when it may not any more.

#include "kernel/gate.h"
#include "test/kernel/calls.h"

#include <string.h>

enum { SIZE = 3 * 4096 + 5, SERVERS = 3, BOTH = WINDOW_READ | WINDOW_WRITE };

static struct account *payer;
static struct handle_table table;

// A gate, its door, and a thread that serves there by a step of the test.
struct server {
    struct gate *gate;
    struct door *door;
    struct thread *thread;
    void (*serve)(struct server *s);
    struct server *next;
    status_t status; // of its own call or of its last copy
    u32 stage;       // atomic
    bool go_on;      // atomic
    struct window_offer offer;
    u32 offers;
};

static struct server servers[SERVERS];
static u8 memory[SIZE], got[SIZE];

static void
wait_for(const u32 *stage, u32 value)
{
    TEST_WAIT(__atomic_load_n(stage, __ATOMIC_SEQ_CST) >= value);
}

// Until the test says so, also when it is killed or its caller has left.
static void
hold(struct server *s)
{
    COUNT_UP(s->stage);
    TEST_WAIT(__atomic_load_n(&s->go_on, __ATOMIC_SEQ_CST));
}

static void
let_go(struct server *s)
{
    __atomic_store_n(&s->go_on, true, __ATOMIC_SEQ_CST);
}

static void
run(void *arg)
{
    struct server *s = arg;
    struct gate_request r = {0};
    struct bytes none = {NULL, 0};

    while (!thread_is_killed() &&
           gate_serve(s->gate, none, &r, payer, UINT64_MAX) == OK)
        if (r.kind == GATE_CALL)
            s->serve(s);
    gate_thread_ends(false);
}

static void
start(u32 number, void (*serve)(struct server *s))
{
    struct server *s = &servers[number];
    handle_t h;

    *s = (struct server){.serve = serve, .next = s + 1};
    EXPECT_EQ(gate_new(&s->gate, 0, payer), OK);
    EXPECT_EQ(handle_new(&table, gate_object(s->gate), 0, &h), OK);
    EXPECT_EQ(door_new(&s->door, s->gate, 1, payer), OK);
    s->thread = test_start_blocked(run, s);
}

static void
begin(void)
{
    memset(servers, 0, sizeof(servers));
    payer = test_account(4 * MIB);
    handle_table_init(&table, account_root());
    for (u32 i = 0; i < SIZE; i++)
        memory[i] = (u8)(i * 7);
    memset(got, 0, SIZE);
}

static void
end(void)
{
    for (u32 i = 0; i < SERVERS && servers[i].thread != NULL; i++) {
        thread_kill(servers[i].thread);
        EXPECT_EQ(thread_join(servers[i].thread, UINT64_MAX), OK);
        thread_release(servers[i].thread);
    }
    handle_table_free(&table);
    for (u32 i = 0; i < SERVERS && servers[i].thread != NULL; i++) {
        object_release(door_object(servers[i].door));
        object_release(gate_object(servers[i].gate));
    }
    EXPECT_EQ(payer->used[RESOURCE_OBJECTS], 0);
    account_release(payer);
}

static status_t
call(struct server *s, const struct window_offer *offers, u32 count)
{
    struct bytes none = {NULL, 0};
    u32 size;

    return gate_call(s->door, none, none, offers, count, UINT64_MAX, &size);
}

// --- what may be touched -----------------------------------------------------

static void
touch_all(struct server *s)
{
    u8 byte = 0xee;
    struct bytes one = {&byte, 1}, none = {&byte, 0}, all = {got, SIZE};
    u64 size = 0;
    u32 access = 0;

    s->stage++;
    EXPECT_EQ(window_get(0, &size, &access), OK);
    EXPECT_EQ(size, SIZE);
    EXPECT_EQ(access, WINDOW_READ);
    EXPECT_EQ(window_get(1, &size, &access), OK);
    EXPECT_EQ(size, 10);
    EXPECT_EQ(access, WINDOW_WRITE);
    EXPECT_EQ(window_get(2, &size, &access), ERR_NOT_FOUND);
    EXPECT_EQ(window_get(UINT32_MAX, &size, &access), ERR_NOT_FOUND);

    EXPECT_EQ(window_read(0, 0, all), OK);
    EXPECT_EQ(memcmp(got, memory, SIZE), 0);
    EXPECT_EQ(window_write(0, 0, one), ERR_ACCESS);
    EXPECT_EQ(window_read(1, 0, one), ERR_ACCESS);
    EXPECT_EQ(window_read(2, 0, one), ERR_NOT_FOUND);
    EXPECT_EQ(window_write(2, 0, one), ERR_NOT_FOUND);
    EXPECT_EQ(window_read(0, SIZE, none), OK);
    EXPECT_EQ(window_read(0, SIZE, one), ERR_BAD_ARGUMENT);
    EXPECT_EQ(window_read(0, 1, all), ERR_BAD_ARGUMENT);
    EXPECT_EQ(window_read(0, UINT64_MAX, one), ERR_BAD_ARGUMENT);
    EXPECT_EQ(window_read(0, UINT64_MAX, none), ERR_BAD_ARGUMENT);
    EXPECT_EQ(window_write(1, 10, one), ERR_BAD_ARGUMENT);
    EXPECT_EQ(window_write(1, 9, one), OK);
}

TEST_KERNEL(window_touches_what_is_lent)
{
    u8 room[12] = {0};
    const struct window_offer offers[] = {
        {{memory, SIZE}, WINDOW_READ,  NULL},
        {{room + 1, 10}, WINDOW_WRITE, NULL},
    };
    struct bytes one = {got, 1};

    begin();
    start(0, touch_all);
    EXPECT_EQ(call(&servers[0], offers, 2), OK);
    for (u32 i = 0; i < sizeof(room); i++)
        EXPECT_EQ(room[i], i == 10 ? 0xee : 0);
    EXPECT_EQ(servers[0].stage, 1);
    // One who serves nobody has none.
    EXPECT_EQ(window_read(0, 0, one), ERR_NOT_FOUND);
    struct window_offer many[LIMIT_GATE_WINDOWS + 1];
    for (u32 i = 0; i <= LIMIT_GATE_WINDOWS; i++)
        many[i] = offers[0];
    EXPECT_EQ(call(&servers[0], many, LIMIT_GATE_WINDOWS + 1), ERR_LIMIT);
    EXPECT_EQ(servers[0].stage, 1);
    end();
}

// After the reply nothing is left, whoever called.
static void
reply_and_look(struct server *s)
{
    struct bytes one = {got, 1};

    s->status = window_read(0, 0, one);
    EXPECT_EQ(gate_reply((struct bytes){NULL, 0}), OK);
    EXPECT_EQ(window_read(0, 0, one), ERR_NOT_FOUND);
    EXPECT_EQ(s->thread->activation->window_count, 0);
}

TEST_KERNEL(window_ends_with_the_reply)
{
    const struct window_offer offer = {
        {memory, SIZE},
        BOTH, NULL
    };

    begin();
    start(0, reply_and_look);
    EXPECT_EQ(call(&servers[0], &offer, 1), OK);
    EXPECT_EQ(servers[0].status, OK);
    EXPECT_EQ(call(&servers[0], NULL, 0), OK);
    EXPECT_EQ(servers[0].status, ERR_NOT_FOUND);
    end();
}

// --- callers that leave ------------------------------------------------------

struct caller {
    struct thread *thread;
    u64 deadline;
    status_t status;
    bool left; // atomic
};

static void
call_first(void *arg)
{
    struct caller *c = arg;
    const struct window_offer offer = {
        {memory, SIZE},
        BOTH, NULL
    };
    struct bytes none = {NULL, 0};
    u32 size;

    c->status =
        gate_call(servers[0].door, none, none, &offer, 1, c->deadline, &size);
    __atomic_store_n(&c->left, true, __ATOMIC_SEQ_CST);
}

static void
start_caller(struct caller *c)
{
    c->thread = test_start_thread(call_first, c);
}

static void
end_caller(struct caller *c, status_t status)
{
    EXPECT_EQ(thread_join(c->thread, UINT64_MAX), OK);
    thread_release(c->thread);
    EXPECT_EQ(c->status, status);
}

static void
hold_and_read(struct server *s)
{
    hold(s);
    s->status = window_read(0, 0, (struct bytes){got, SIZE - 4});
    COUNT_UP(s->stage);
}

// A caller that the server has begun with: one that was too late on a busy
// machine comes again, with more time.
static void
start_until_held(struct caller *c, bool forever)
{
    for (u64 time_ns = 20000000;; time_ns *= 2) {
        *c = (struct caller){
            .deadline = forever ? UINT64_MAX : port_monotonic_ns() + time_ns};
        start_caller(c);
        while (__atomic_load_n(&servers[0].stage, __ATOMIC_SEQ_CST) < 1 &&
               !__atomic_load_n(&c->left, __ATOMIC_SEQ_CST))
            thread_yield();
        if (__atomic_load_n(&servers[0].stage, __ATOMIC_SEQ_CST) >= 1)
            return;
        end_caller(c, ERR_TIMED_OUT);
    }
}

TEST_KERNEL(window_closes_when_the_caller_leaves)
{
    for (u32 killed = 0; killed < 2; killed++) {
        struct caller c;
        begin();
        start(0, hold_and_read);
        start_until_held(&c, killed);
        if (killed)
            thread_kill(c.thread);
        end_caller(&c, killed ? ERR_KILLED : ERR_TIMED_OUT);
        memset(memory, 0, SIZE); // it is somebody else's now
        let_go(&servers[0]);
        wait_for(&servers[0].stage, 2);
        EXPECT_EQ(servers[0].status, ERR_PEER_CLOSED);
        for (u32 i = 0; i < SIZE; i++)
            EXPECT_EQ(got[i], 0);
        end();
    }
}

// --- windows that are passed on ----------------------------------------------

// Each gives the next all but the first and last byte of what it has.
static void
pass_on(struct server *s)
{
    u64 size = 0;
    u32 access;

    EXPECT_EQ(window_get(0, &size, &access), OK);
    EXPECT_EQ(window_narrow(0, 1, size - 2, access, &s->offer), OK);
    __atomic_store_n(&s->status, call(s->next, &s->offer, 1), __ATOMIC_SEQ_CST);
}

static void
fill(struct server *s)
{
    u64 size = 0;
    u32 access;

    EXPECT_EQ(window_get(0, &size, &access), OK);
    EXPECT_EQ(size, SIZE - 4);
    memset(got, 0x11, SIZE);
    s->status = window_write(0, 0, (struct bytes){got, size});
}

TEST_KERNEL(window_passed_on)
{
    struct caller c = {.deadline = UINT64_MAX};

    begin();
    start(0, pass_on);
    start(1, pass_on);
    start(2, fill);
    memset(memory, 0, SIZE);
    start_caller(&c);
    end_caller(&c, OK);
    for (u32 i = 0; i < SIZE; i++)
        EXPECT_EQ(memory[i], i < 2 || i >= SIZE - 2 ? 0 : 0x11);
    for (u32 i = 0; i < SERVERS; i++)
        EXPECT_EQ(servers[i].status, OK);
    end();
}

static void
narrow_wrongly(struct server *s)
{
    struct window_offer o;

    EXPECT_EQ(window_narrow(0, 0, SIZE + 1, WINDOW_READ, &o), ERR_BAD_ARGUMENT);
    EXPECT_EQ(window_narrow(0, SIZE, 1, WINDOW_READ, &o), ERR_BAD_ARGUMENT);
    EXPECT_EQ(window_narrow(0, UINT64_MAX, 2, WINDOW_READ, &o),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(window_narrow(0, 0, SIZE, BOTH, &o), ERR_ACCESS);
    EXPECT_EQ(window_narrow(1, 0, 1, WINDOW_READ, &o), ERR_NOT_FOUND);
    s->status = window_narrow(0, 5, 5, WINDOW_READ, &o);
    EXPECT_EQ(o.memory.size, 5);
    EXPECT(o.memory.ptr == memory + 5);
}

TEST_KERNEL(window_gets_only_narrower)
{
    const struct window_offer offer = {
        {memory, SIZE},
        WINDOW_READ, NULL
    };

    begin();
    start(0, narrow_wrongly);
    EXPECT_EQ(call(&servers[0], &offer, 1), OK);
    EXPECT_EQ(servers[0].status, OK);
    end();
}

// Of a chain of three the caller or one of the two servers that pass on leaves:
// the last one, who goes on, has nothing any more.
static void
leave_chain(u32 who)
{
    struct caller c = {.deadline = UINT64_MAX};

    begin();
    start(0, pass_on);
    start(1, pass_on);
    start(2, hold_and_read);
    start_caller(&c);
    wait_for(&servers[2].stage, 1);
    thread_kill(who == 0 ? c.thread : servers[who - 1].thread);
    if (who < 2)
        end_caller(&c, who == 0 ? ERR_KILLED : ERR_PEER_CLOSED);
    while (who > 0 &&
           __atomic_load_n(&servers[who - 1].status, __ATOMIC_SEQ_CST) == OK)
        thread_yield(); // it has left its call
    let_go(&servers[2]);
    wait_for(&servers[2].stage, 2);
    EXPECT_EQ(servers[2].status, ERR_PEER_CLOSED);
    if (who == 2)
        end_caller(&c, OK);
    end();
}

TEST_KERNEL(window_closes_when_one_between_leaves)
{
    for (u32 who = 0; who < 3; who++)
        leave_chain(who);
}

// --- a program's -------------------------------------------------------------

enum { OUT = 64, WINDOWS = 1024, ROOM = 4096, AT = 8192 };

static void
put_window(u32 index, u32 kind, u32 from, u32 offset, u32 size, u32 access)
{
    const u32 words[5] = {kind, from, offset, size, access};

    memcpy(test_memory(WINDOWS + index * 20), words, sizeof(words));
}

static status_t
try_window(handle_t door, u32 count)
{
    return CALL(gate_call, door, UINT64_MAX, 0, 0, 0, 0, WINDOWS, count, OUT);
}

static void
answer_a_program(struct server *s)
{
    u8 bytes[6];

    s->status = window_read(0, 2, (struct bytes){bytes, 6});
    for (u32 i = 0; i < sizeof(bytes); i++)
        bytes[i]++;
    EXPECT_EQ(window_write(1, 0, (struct bytes){bytes, 6}), OK);
}

static void
lend_memory(void)
{
    struct object *o = door_object(servers[0].door);
    handle_t door;

    EXPECT_EQ(handle_new(&process_current()->handles, o, UINT32_MAX, &door),
              OK);
    memcpy(test_memory(AT), "abcdefgh", 8);
    put_window(0, WINDOW_OWN, 0, AT, 8, WINDOW_READ);
    put_window(1, WINDOW_OWN, 0, ROOM, 6, WINDOW_WRITE);
    EXPECT_EQ(try_window(door, 2), OK);
    EXPECT_EQ(memcmp(test_memory(ROOM), "defghi\0", 7), 0);
    EXPECT_EQ(try_window(door, LIMIT_GATE_WINDOWS + 1), ERR_LIMIT);
    put_window(0, WINDOW_OWN, 1, AT, 8, WINDOW_READ);
    EXPECT_EQ(try_window(door, 1), ERR_BAD_ARGUMENT);
    put_window(0, 2, 0, AT, 8, WINDOW_READ);
    EXPECT_EQ(try_window(door, 1), ERR_BAD_ARGUMENT);
    put_window(0, WINDOW_OWN, 0, AT, 8, 0);
    EXPECT_EQ(try_window(door, 1), ERR_BAD_ARGUMENT);
    put_window(0, WINDOW_OWN, 0, AT, 8, 4 | WINDOW_READ);
    EXPECT_EQ(try_window(door, 1), ERR_BAD_ARGUMENT);
    put_window(0, WINDOW_OWN, 0, TEST_MEMORY - 7, 8, WINDOW_READ);
    EXPECT_EQ(try_window(door, 1), ERR_BAD_ADDRESS);
    put_window(0, WINDOW_OWN, 0, 1, UINT32_MAX, WINDOW_READ);
    EXPECT_EQ(try_window(door, 1), ERR_BAD_ADDRESS);
    put_window(0, WINDOW_PASSED, 0, 0, 1, WINDOW_READ);
    EXPECT_EQ(try_window(door, 1), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(window_get, 0, OUT, OUT), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(window_read, 0, 0, ROOM, 8), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(window_write, 0, 0, ROOM, 8), ERR_NOT_FOUND);
}

TEST_KERNEL(window_of_a_program)
{
    begin();
    start(0, answer_a_program);
    EXPECT_EQ(test_in_process(lend_memory), 0);
    EXPECT_EQ(servers[0].status, OK);
    end();
}
