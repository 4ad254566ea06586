// test/kernel/gate.c: gates: each way in which a call can end, who runs when,
// and who pays.  Threads of the kernel serve and call; programs do so in
// gate_kills.c.

#include "kernel/gate.h"
#include "kernel/share.h"
#include "test/kernel/frame.h"

enum { ROOM = 64, FOREVER = 0 };

static struct account *payer;
static struct handle_table table;

// A gate with its handles, as a program has them.
struct place {
    struct gate *gate;
    struct door *door;
    handle_t gate_handle, door_handle;
};

static void
begin(void)
{
    payer = test_account(4 * MIB);
    handle_table_init(&table, account_root());
}

static void
end(void)
{
    handle_table_free(&table);
    EXPECT_EQ(payer->used[RESOURCE_OBJECTS], 0);
    account_release(payer);
}

static struct door *
open_door(struct gate *g, u64 badge, handle_t *handle)
{
    struct door *d = NULL;

    EXPECT_EQ(door_new(&d, g, badge, payer), OK);
    EXPECT_EQ(handle_new(&table, door_object(d), UINT32_MAX, handle), OK);
    return d;
}

static void
open_place(struct place *p, u32 request_size, u64 badge)
{
    EXPECT_EQ(gate_new(&p->gate, request_size, payer), OK);
    EXPECT_EQ(
        handle_new(&table, gate_object(p->gate), UINT32_MAX, &p->gate_handle),
        OK);
    p->door = open_door(p->gate, badge, &p->door_handle);
}

static void
close_handle(handle_t *h)
{
    if (*h != 0)
        EXPECT_EQ(handle_close(&table, *h), OK);
    *h = 0;
}

static void
close_place(struct place *p)
{
    close_handle(&p->door_handle);
    close_handle(&p->gate_handle);
    object_release(door_object(p->door));
    object_release(gate_object(p->gate));
}

// --- threads that call and serve ---------------------------------------------

struct server {
    struct gate *gate;
    // For each call; the size of the reply, which is in `bytes`.
    u32 (*answer)(struct server *s, struct gate_request *r);
    u64 deadline; // of each wait, or FOREVER
    struct door *next;
    struct account *account; // whose time is its own, or NULL
    bool traps;              // at the end

    struct thread *thread;
    u8 bytes[ROOM];
    u32 calls, closed; // atomic
    u64 badge;         // of the last
    status_t status;   // why it ended
    status_t nested;   // of a call of its own
};

static u32
echo(struct server *s, struct gate_request *r)
{
    (void)s;
    return r->size;
}

static u64
until(u64 deadline)
{
    return deadline == FOREVER ? UINT64_MAX : port_monotonic_ns() + deadline;
}

static void
serve(void *arg)
{
    struct server *s = arg;
    struct gate_request r = {
        .room = {s->bytes, ROOM}
    };
    struct bytes reply = {s->bytes, 0};

    for (;;) {
        s->status = gate_serve(s->gate, reply, &r, payer, until(s->deadline));
        if (s->status != OK)
            break;
        s->badge = r.badge;
        reply.size = 0;
        if (r.kind == GATE_CLOSED) {
            COUNT_UP(s->closed);
            continue;
        }
        COUNT_UP(s->calls);
        reply.size = s->answer(s, &r);
        if (thread_is_killed())
            break;
    }
    gate_thread_ends(s->traps);
}

static bool
is_blocked(const struct thread *t)
{
    return __atomic_load_n(&t->state, __ATOMIC_RELAXED) == THREAD_BLOCKED;
}

static void
start(struct server *s)
{
    if (s->answer == NULL)
        s->answer = echo;
    struct account *before = thread_charge(s->account);
    EXPECT_EQ(thread_new(&s->thread, serve, s), OK);
    thread_charge(before);
    sched_start(s->thread);
    test_wait_until_blocked(s->thread);
}

static void
stop(struct server *s)
{
    thread_kill(s->thread);
    EXPECT_EQ(thread_join(s->thread, UINT64_MAX), OK);
    thread_release(s->thread);
}

struct client {
    struct door *door;
    u32 word;
    u64 deadline; // or FOREVER
    struct thread *thread;
    u32 reply, size;
    status_t status;
};

static status_t
call_with(struct client *c)
{
    struct bytes request = {(u8 *)&c->word, sizeof(c->word)};
    struct bytes room = {(u8 *)&c->reply, sizeof(c->reply)};

    c->status = gate_call(c->door, request, room, NULL, 0, until(c->deadline),
                          &c->size);
    return c->status;
}

static void
run_client(void *arg)
{
    (void)!call_with(arg);
    gate_thread_ends(false);
}

static void
start_client(struct client *c)
{
    c->thread = test_start_blocked(run_client, c);
}

static void
end_client(struct client *c, status_t status)
{
    EXPECT_EQ(thread_join(c->thread, UINT64_MAX), OK);
    thread_release(c->thread);
    EXPECT_EQ(c->status, status);
}

// --- what a call does --------------------------------------------------------

TEST_KERNEL(gate_echo)
{
    u8 sent[ROOM], got[ROOM];
    u32 size;
    struct place p;

    begin();
    open_place(&p, ROOM, 0x123456789abcdef0);
    struct server s = {.gate = p.gate};
    start(&s);
    for (u32 i = 0; i <= ROOM; i++) {
        for (u32 k = 0; k < ROOM; k++) {
            sent[k] = (u8)(i + k);
            got[k] = 0xff;
        }
        EXPECT_EQ(gate_call(p.door, (struct bytes){sent, i},
                            (struct bytes){got, ROOM}, NULL, 0, UINT64_MAX,
                            &size),
                  OK);
        EXPECT_EQ(size, i);
        for (u32 k = 0; k < ROOM; k++)
            EXPECT_EQ(got[k], k < i ? sent[k] : 0xff);
        EXPECT_EQ(s.badge, 0x123456789abcdef0);
        EXPECT_EQ(s.calls, i + 1);
    }
    stop(&s);
    EXPECT_EQ(s.status, ERR_KILLED);
    close_place(&p);
    end();
}

TEST_KERNEL(gate_sizes)
{
    u8 bytes[ROOM] = {0};
    u32 size = 77;
    struct place p;
    struct bytes all = {bytes, ROOM}, none = {bytes, 0};
    struct gate_request r = {
        .room = {bytes, ROOM - 2}
    };

    begin();
    open_place(&p, ROOM - 1, 1);
    struct server s = {.gate = p.gate};
    start(&s);
    EXPECT_EQ(gate_call(p.door, all, all, NULL, 0, UINT64_MAX, &size),
              ERR_TOO_SMALL);
    EXPECT_EQ(size, 0);
    EXPECT_EQ(s.calls, 0);
    all.size = ROOM - 1;
    none.size = ROOM - 2;
    EXPECT_EQ(gate_call(p.door, all, none, NULL, 0, UINT64_MAX, &size),
              ERR_TOO_SMALL);
    EXPECT_EQ(size, ROOM - 1);
    EXPECT_EQ(s.calls, 1);
    none.size = 0;
    EXPECT_EQ(gate_call(p.door, none, none, NULL, 0, UINT64_MAX, &size), OK);
    EXPECT_EQ(size, 0);

    EXPECT_EQ(gate_serve(p.gate, none, &r, payer, 0), ERR_TOO_SMALL);
    r.room.size = ROOM;
    EXPECT_EQ(gate_serve(p.gate, none, &r, payer, 0), ERR_SHOULD_WAIT);
    EXPECT_EQ(gate_serve(p.gate, all, &r, payer, 0), ERR_NOT_FOUND);
    EXPECT_EQ(gate_reply(all), ERR_NOT_FOUND);
    gate_thread_ends(false);
    stop(&s);
    close_place(&p);
    end();
}

// Another thread is ready all the time, and does not come between a call and
// its reply.
static u32 idler_ran;

static void
idle_about(void *arg)
{
    const bool *over = arg;

    while (!__atomic_load_n(over, __ATOMIC_SEQ_CST)) {
        COUNT_UP(idler_ran);
        thread_yield();
    }
}

TEST_KERNEL(gate_call_runs_at_once)
{
    bool over = false;
    struct thread *t;
    struct place p;
    u64 slice = sched_slice_ns;

    begin();
    open_place(&p, ROOM, 1);
    struct server s = {.gate = p.gate};
    struct client c = {.door = p.door};
    start(&s);
    EXPECT_EQ(thread_new(&t, idle_about, &over), OK);
    __atomic_store_n(&sched_slice_ns, 1ull << 40, __ATOMIC_RELAXED);
    sched_start(t);
    EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 2 * slice), OK);
    u32 before = COUNT_OF(idler_ran);
    for (u32 i = 0; i < 100; i++)
        EXPECT_EQ(call_with(&c), OK);
    if (port_cpu_count() == 1)
        EXPECT_EQ(COUNT_OF(idler_ran), before);
    __atomic_store_n(&sched_slice_ns, slice, __ATOMIC_RELAXED);
    __atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    thread_release(t);
    stop(&s);
    close_place(&p);
    end();
}

// --- whose time --------------------------------------------------------------

static u32
work(struct server *s, struct gate_request *r)
{
    u64 end = port_monotonic_ns() + 200000;

    (void)s;
    while (port_monotonic_ns() < end)
        continue;
    return r->size;
}

// What a server takes from call to reply is its caller's, to a nanosecond.
TEST_KERNEL(gate_time_is_the_callers)
{
    struct account *own = test_account(4 * MIB);
    struct place p;

    begin();
    open_place(&p, ROOM, 1);
    struct server s = {.gate = p.gate, .answer = work, .account = own};
    struct client c = {.door = p.door};
    start(&s);
    sched_account();
    u64 before = account_cpu_ns(own);
    u64 callers = account_cpu_ns(thread_current()->account);
    for (u32 i = 0; i < 20; i++)
        EXPECT_EQ(call_with(&c), OK);
    sched_account();
    if (port_cpu_count() == 1)
        EXPECT_EQ(account_cpu_ns(own), before);
    EXPECT(account_cpu_ns(thread_current()->account) - callers >= 20 * 200000);
    EXPECT(s.thread->lent.account == NULL);
    stop(&s);
    close_place(&p);
    account_release(own);
    end();
}

// Also where he has a cap, and it runs in the server's group.
TEST_KERNEL(gate_time_is_of_callers_with_a_cap)
{
    struct group *of_server = test_new_group(group_root()),
                 *of_client = test_new_group(group_root());
    struct account *server = group_account(of_server),
                   *client = group_account(of_client);
    struct place p;

    begin();
    open_place(&p, ROOM, 1);
    struct server s = {.gate = p.gate, .answer = work, .account = server};
    struct client c[20];
    start(&s);
    sched_account();
    u64 before = account_cpu_ns(server);
    account_set_cpu(client, WEIGHT_DEFAULT, LIMIT_CAP);
    for (u32 i = 0; i < COUNT(c); i++) {
        struct account *payer_before = thread_charge(client);
        c[i] = (struct client){.door = p.door};
        EXPECT_EQ(thread_new(&c[i].thread, run_client, &c[i]), OK);
        thread_charge(payer_before);
        sched_start(c[i].thread);
        end_client(&c[i], OK);
    }
    sched_account();
    if (test_work_bound() != 0)
        EXPECT(account_cpu_ns(server) - before < 200000);
    EXPECT(account_cpu_ns(client) >= COUNT(c) * 200000);
    stop(&s);
    close_place(&p);
    end();
    test_drop_group(of_server);
    test_drop_group(of_client);
}

static bool enough;

static void
call_until_enough(void *arg)
{
    struct client *c = arg;

    while (!__atomic_load_n(&enough, __ATOMIC_SEQ_CST) && call_with(c) == OK)
        ;
    gate_thread_ends(false);
}

// What a client whose cap is 10 percent gets of 200 ms, in ms, by calls alone.
static u64
call_with_a_cap(struct place *p)
{
    struct group *g = test_new_group(group_root());
    struct account *a = group_account(g), *before = thread_charge(a);
    struct client c = {.door = p->door};

    account_set_cpu(a, WEIGHT_DEFAULT, 10);
    __atomic_store_n(&enough, false, __ATOMIC_SEQ_CST);
    EXPECT_EQ(thread_new(&c.thread, call_until_enough, &c), OK);
    thread_charge(before);
    sched_start(c.thread);
    EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 200000000), OK);
    sched_account();
    u64 ran = account_cpu_ns(a);
    __atomic_store_n(&enough, true, __ATOMIC_SEQ_CST);
    account_set_cpu(a, WEIGHT_DEFAULT, 0);
    end_client(&c, OK);
    test_drop_group(g);
    return ran / 1000000;
}

// The CPU that is handed on with a reply is not for one whose group pauses.
// (What depends on a machine that others use is tried again.)
TEST_KERNEL(gate_calls_do_not_pass_a_cap)
{
    u64 ran = UINT64_MAX;
    struct place p;

    begin();
    open_place(&p, ROOM, 1);
    struct server s = {.gate = p.gate, .answer = work};
    start(&s);
    for (u32 i = 0; i < 20 && ran > 50; i++)
        ran = call_with_a_cap(&p);
    EXPECT(ran <= 50);
    stop(&s);
    close_place(&p);
    end();
}

// Of the group where it runs, or will.
static struct account *
runs_in(const struct thread *t)
{
    struct run_queue *q = &run_queues[t->cpu];
    bool on = port_interrupts_off();

    queue_lock(q);
    struct account *a = t->share->parent->account;

    unlock_irq(&q->lock, on);
    return a;
}

static u32
tell_group(struct server *s, struct gate_request *r)
{
    s->badge = runs_in(thread_current()) == account_root();
    return r->size;
}

// Who serves runs in his caller's group; when he is parked, nothing of that
// group, which may go, is left with him.
TEST_KERNEL(gate_is_served_in_the_callers_group)
{
    struct group *g = test_new_group(group_root());
    struct place p;

    begin();
    open_place(&p, ROOM, 1);
    struct server s = {
        .gate = p.gate, .answer = tell_group, .account = group_account(g)};
    struct client c = {.door = p.door};
    start(&s);
    for (u32 i = 0; i < 10; i++) {
        EXPECT(runs_in(s.thread) == group_account(g));
        EXPECT_EQ(call_with(&c), OK);
        EXPECT_EQ(s.badge, true);
        test_wait_until_blocked(s.thread);
    }
    EXPECT(runs_in(s.thread) == group_account(g));
    stop(&s);
    close_place(&p);
    end();
    test_drop_group(g);
}

// --- those who wait ----------------------------------------------------------

static u32 held;  // servers that are to hold their call
static u32 order; // the last digits of their words, the first ones first

static u32
hold(struct server *s, struct gate_request *r)
{
    order = order * 10 + s->bytes[0] % 10;
    while (COUNT_OF(held) > 0 && !thread_is_killed())
        if (thread_sleep_until(port_monotonic_ns() + 100000) != OK)
            break;
    return r->size;
}

static void
start_held(struct server *s, struct place *p)
{
    __atomic_store_n(&held, 1, __ATOMIC_SEQ_CST);
    open_place(p, ROOM, 1);
    *s = (struct server){.gate = p->gate, .answer = hold};
    start(s);
}

enum { CLIENTS = 9 };

// All but the last call at the place's door; the digits of `want` say in which
// order they are served.
static void
serve_in_order(struct place *p, struct door *of_last, u32 want)
{
    struct client c[CLIENTS] = {0};
    struct server s = {.gate = p->gate, .answer = hold};

    __atomic_store_n(&held, 1, __ATOMIC_SEQ_CST);
    start(&s);
    order = 0;
    for (u32 i = 0; i < CLIENTS; i++) {
        c[i].door = i == CLIENTS - 1 && of_last != NULL ? of_last : p->door;
        c[i].word = i + 1;
        start_client(&c[i]);
        EXPECT_EQ(object_signals(gate_object(p->gate)),
                  i > 0 ? SIGNAL_READABLE : 0);
    }
    __atomic_store_n(&held, 0, __ATOMIC_SEQ_CST);
    for (u32 i = 0; i < CLIENTS; i++) {
        end_client(&c[i], OK);
        EXPECT_EQ(c[i].reply, i + 1);
    }
    EXPECT_EQ(order, want);
    EXPECT_EQ(s.calls, CLIENTS);
    EXPECT_EQ(object_signals(gate_object(p->gate)), 0);
    stop(&s);
}

// Those of one door in order; of two, the one with a single caller does not
// wait for all of the other.
TEST_KERNEL(gate_line_is_in_order)
{
    struct place p;
    handle_t handle = 0;

    begin();
    open_place(&p, ROOM, 1);
    serve_in_order(&p, NULL, 123456789);
    struct door *other = open_door(p.gate, 1, &handle);
    serve_in_order(&p, other, 129345678);
    close_handle(&handle);
    object_release(door_object(other));
    close_place(&p);
    end();
}

TEST_KERNEL(gate_line_is_bounded)
{
    struct client c = {0}, d = {0};
    struct server s;
    struct place p;

    begin();
    start_held(&s, &p);
    c.door = d.door = p.door;
    start_client(&c);
    p.door->call_count = LIMIT_GATE_CALLERS;
    EXPECT_EQ(call_with(&d), ERR_FULL);
    p.door->call_count = 0;
    handle_t other = 0; // whose line is its own
    d.door = open_door(p.gate, 1, &other);
    d.deadline = 1000000;
    p.door->call_count = LIMIT_GATE_CALLERS;
    EXPECT_EQ(call_with(&d), ERR_TIMED_OUT);
    p.door->call_count = 0;
    close_handle(&other);
    object_release(door_object(d.door));
    __atomic_store_n(&held, 0, __ATOMIC_SEQ_CST);
    end_client(&c, OK);
    stop(&s);
    close_place(&p);
    end();
}

// A caller whose deadline comes, or who is killed, in line or served, leaves at
// once; the others and the server do not mind.
static void
leave_early(bool served, bool killed)
{
    struct client first = {0}, second = {0}, last = {0};
    struct server s;
    struct place p;

    begin();
    start_held(&s, &p);
    first.door = second.door = last.door = p.door;
    last.word = 9;
    struct client *leaves = served ? &first : &second;
    if (!killed)
        leaves->deadline = 30000000;
    start_client(&first);
    while (COUNT_OF(s.calls) == 0) // on another CPU
        thread_yield();
    start_client(&second);
    start_client(&last);
    if (killed)
        thread_kill(leaves->thread);
    end_client(leaves, killed ? ERR_KILLED : ERR_TIMED_OUT);
    EXPECT_EQ(s.calls, 1); // still that
    bool on = lock_irq(&p.gate->lock);
    EXPECT_EQ(p.door->call_count, served ? 2 : 1);
    if (served)
        EXPECT(s.thread->activation->kept != NULL);
    unlock_irq(&p.gate->lock, on);
    __atomic_store_n(&held, 0, __ATOMIC_SEQ_CST);
    end_client(served ? &second : &first, OK);
    end_client(&last, OK);
    EXPECT_EQ(last.reply, 9);
    EXPECT_EQ(s.calls, served ? 3 : 2);
    stop(&s);
    close_place(&p);
    end();
}

TEST_KERNEL(gate_callers_leave_at_once)
{
    for (u32 i = 0; i < 4; i++)
        leave_early((i & 1) != 0, (i & 2) != 0);
}

TEST_KERNEL(gate_deadline_that_is_past)
{
    struct client c = {.deadline = 1};
    struct place p;
    u32 word = 0, size;
    struct bytes bytes = {(u8 *)&word, 4};

    begin();
    open_place(&p, ROOM, 1);
    struct server s = {.gate = p.gate, .deadline = 20000000};
    start(&s);
    c.door = p.door;
    EXPECT_EQ(gate_call(p.door, bytes, bytes, NULL, 0, 0, &size),
              ERR_TIMED_OUT);
    EXPECT_EQ(s.calls, 0);
    EXPECT_EQ(thread_join(s.thread, UINT64_MAX), OK);
    EXPECT_EQ(s.status, ERR_TIMED_OUT);
    thread_release(s.thread);
    EXPECT_EQ(call_with(&c), ERR_TIMED_OUT); // nobody serves
    start_client(&c);                        // it has ended before we look
    end_client(&c, ERR_TIMED_OUT);
    EXPECT_EQ(p.door->call_count, 0);
    close_place(&p);
    end();
}

// --- servers that end --------------------------------------------------------

static void
end_server(bool trapped)
{
    status_t want = trapped ? ERR_PEER_TRAPPED : ERR_PEER_CLOSED;
    struct client served = {0}, in_line = {0}, late = {0};
    struct server s;
    struct place p;

    begin();
    start_held(&s, &p);
    s.traps = trapped;
    served.door = in_line.door = late.door = p.door;
    start_client(&served);
    start_client(&in_line);
    stop(&s);
    end_client(&served, want);
    EXPECT_EQ(p.door->call_count, 1);
    close_handle(&p.gate_handle);
    end_client(&in_line, want);
    EXPECT_EQ(call_with(&late), want);
    close_place(&p);
    end();
}

TEST_KERNEL(gate_server_ends)
{
    end_server(false);
    end_server(true);
}

// A call that is being served goes on without the gate's handle.
TEST_KERNEL(gate_closes_under_a_call)
{
    struct client served = {0}, in_line = {0};
    struct server s;
    struct place p;

    begin();
    start_held(&s, &p);
    served.door = in_line.door = p.door;
    served.word = 5;
    start_client(&served);
    start_client(&in_line);
    close_handle(&p.gate_handle);
    end_client(&in_line, ERR_PEER_CLOSED);
    __atomic_store_n(&held, 0, __ATOMIC_SEQ_CST);
    end_client(&served, OK);
    EXPECT_EQ(served.reply, 5);
    EXPECT_EQ(thread_join(s.thread, UINT64_MAX), OK);
    EXPECT_EQ(s.status, ERR_BAD_HANDLE);
    thread_release(s.thread);
    close_place(&p);
    end();
}

TEST_KERNEL(gate_closes_under_those_that_wait)
{
    enum { SERVERS = 100 };
    static struct server s[SERVERS];
    struct place p;

    begin();
    open_place(&p, ROOM, 1);
    for (u32 i = 0; i < SERVERS; i++) {
        s[i] = (struct server){.gate = p.gate};
        start(&s[i]);
    }
    close_handle(&p.gate_handle);
    for (u32 i = 0; i < SERVERS; i++) {
        EXPECT_EQ(thread_join(s[i].thread, UINT64_MAX), OK);
        EXPECT_EQ(s[i].status, ERR_BAD_HANDLE);
        thread_release(s[i].thread);
    }
    close_place(&p);
    end();
}

// --- chains ------------------------------------------------------------------

static u32
call_next(struct server *s, struct gate_request *r)
{
    struct client c = {.door = s->next};

    (void)r;
    memcpy(&c.word, s->bytes, sizeof(c.word));
    c.word++;
    s->nested = call_with(&c);
    memcpy(s->bytes, &c.reply, sizeof(c.reply));
    return s->nested == OK ? c.size : 0;
}

// Gates that each call the next, and the last the one with number `back`, or
// nobody.
static void
run_chain(u32 count, u32 back, status_t want)
{
    static struct server s[LIMIT_GATE_DEPTH + 2];
    static struct place p[LIMIT_GATE_DEPTH + 2];
    u32 calls = 0;

    begin();
    for (u32 i = 0; i < count; i++) {
        open_place(&p[i], ROOM, i);
        s[i] = (struct server){.gate = p[i].gate, .answer = call_next};
    }
    for (u32 i = 0; i < count; i++)
        s[i].next = p[i + 1 < count ? i + 1 : MIN(back, count - 1)].door;
    if (back == UINT32_MAX)
        s[count - 1].answer = echo;
    for (u32 i = 0; i < count; i++)
        start(&s[i]);
    struct client c = {.door = p[0].door, .word = 1000};
    EXPECT_EQ(call_with(&c), OK);
    for (u32 i = 0; i < count; i++) {
        stop(&s[i]);
        calls += s[i].calls;
        close_place(&p[i]);
    }
    // An echo comes back with what all have added.
    if (want == OK)
        EXPECT_EQ(c.reply, 1000 + count - 1);
    u32 last = MIN(count, LIMIT_GATE_DEPTH) - 1;
    EXPECT_EQ(calls, last + 1);
    EXPECT_EQ(s[last].nested, want);
    for (u32 i = 0; i < last; i++)
        EXPECT_EQ(s[i].nested, OK);
    end();
}

TEST_KERNEL(gate_chains)
{
    for (u32 count = 1; count <= LIMIT_GATE_DEPTH; count++)
        run_chain(count, UINT32_MAX, OK);
    run_chain(LIMIT_GATE_DEPTH + 1, UINT32_MAX, ERR_LIMIT);
}

TEST_KERNEL(gate_deadlock)
{
    for (u32 count = 1; count <= LIMIT_GATE_DEPTH - 1; count++)
        for (u32 back = 0; back < count; back++)
            run_chain(count, back, ERR_DEADLOCK);
}

// Where another thread waits at the gate there is no deadlock.
TEST_KERNEL(gate_chain_back_to_a_free_thread)
{
    struct place a, b;

    begin();
    open_place(&a, ROOM, 1);
    open_place(&b, ROOM, 2);
    struct server first = {.gate = a.gate}; // is called second: last in, first
    struct server outer = {.gate = a.gate, .answer = call_next, .next = b.door};
    struct server middle = {
        .gate = b.gate, .answer = call_next, .next = a.door};
    start(&first);
    start(&outer);
    start(&middle);
    struct client c = {.door = a.door, .word = 1};
    EXPECT_EQ(call_with(&c), OK);
    EXPECT_EQ(c.reply, 3);
    EXPECT_EQ(first.calls, 1);
    EXPECT_EQ(outer.nested, OK);
    EXPECT_EQ(middle.nested, OK);
    stop(&first);
    stop(&outer);
    stop(&middle);
    close_place(&a);
    close_place(&b);
    end();
}

// Who has left the chain is not in it: what is below may wait for it.
static u32
hold_and_call(struct server *s, struct gate_request *r)
{
    hold(s, r);
    return call_next(s, r);
}

TEST_KERNEL(gate_chain_without_who_has_left)
{
    struct place a, b;

    begin();
    open_place(&a, ROOM, 1);
    open_place(&b, ROOM, 2);
    struct server upper = {.gate = a.gate, .answer = call_next, .next = b.door};
    struct server lower = {
        .gate = b.gate, .answer = hold_and_call, .next = a.door};
    __atomic_store_n(&held, 1, __ATOMIC_SEQ_CST);
    start(&upper);
    start(&lower);
    struct client c = {.door = a.door};
    start_client(&c);
    thread_kill(upper.thread); // its call of b ends, and so its server
    end_client(&c, ERR_PEER_CLOSED);
    EXPECT_EQ(upper.nested, ERR_KILLED);
    __atomic_store_n(&held, 0, __ATOMIC_SEQ_CST);
    TEST_WAIT(COUNT_OF(a.door->call_count) != 0); // it waits
    struct server again = {.gate = a.gate};
    start(&again);
    while (COUNT_OF(again.calls) == 0 || !is_blocked(lower.thread))
        thread_yield();
    EXPECT_EQ(lower.nested, OK);
    stop(&upper);
    stop(&lower);
    stop(&again);
    close_place(&a);
    close_place(&b);
    end();
}

// --- doors that close --------------------------------------------------------

TEST_KERNEL(gate_tells_of_closed_doors)
{
    enum { DOORS = 5 };
    handle_t handles[DOORS];
    u8 bytes[ROOM];
    struct gate_request r = {
        .room = {bytes, ROOM}
    };
    struct bytes none = {bytes, 0};
    struct place p;

    begin();
    open_place(&p, ROOM, 1);
    for (u32 i = 0; i < DOORS; i++)
        object_release(door_object(open_door(p.gate, 10 + i, &handles[i])));
    struct object *gate = gate_object(p.gate);
    for (u32 i = 0; i < DOORS; i++) {
        EXPECT_EQ(object_signals(gate), i > 0 ? SIGNAL_READABLE : 0);
        close_handle(&handles[i]);
    }
    for (u32 i = 0; i < DOORS; i++) {
        EXPECT_EQ(object_signals(gate), SIGNAL_READABLE);
        EXPECT_EQ(gate_serve(p.gate, none, &r, payer, UINT64_MAX), OK);
        EXPECT_EQ(r.kind, GATE_CLOSED);
        EXPECT_EQ(r.badge, 10 + i);
        EXPECT_EQ(r.size, 0);
        EXPECT_EQ(gate_reply(none), ERR_NOT_FOUND); // it is no call
    }
    EXPECT_EQ(object_signals(gate), 0);
    EXPECT_EQ(gate_serve(p.gate, none, &r, payer, 0), ERR_SHOULD_WAIT);
    gate_thread_ends(false);

    struct server s = {.gate = p.gate};
    start(&s);
    close_handle(&p.door_handle);
    TEST_WAIT(COUNT_OF(s.closed) != 0);
    EXPECT_EQ(s.badge, 1);
    stop(&s);
    // One that nobody is told of, and one that closes after the gate.
    object_release(door_object(open_door(p.gate, 20, &handles[0])));
    object_release(door_object(open_door(p.gate, 21, &handles[1])));
    close_handle(&handles[0]);
    close_handle(&p.gate_handle);
    close_handle(&handles[1]);
    close_place(&p);
    end();
}

// --- a thread that serves two gates ------------------------------------------

TEST_KERNEL(gate_reply_from_another_gate)
{
    struct place a, b;
    struct client c = {.word = 7};
    u8 bytes[ROOM];
    struct gate_request r = {
        .room = {bytes, ROOM}
    };

    begin();
    open_place(&a, ROOM, 1);
    open_place(&b, ROOM, 2);
    c.door = a.door;
    start_client(&c); // in line
    EXPECT_EQ(gate_serve(a.gate, (struct bytes){bytes, 0}, &r, payer, 0), OK);
    EXPECT_EQ(r.size, 4);
    EXPECT_EQ(gate_serve(b.gate, (struct bytes){bytes, 2}, &r, payer, 0),
              ERR_SHOULD_WAIT);
    end_client(&c, OK);
    EXPECT_EQ(c.size, 2);
    EXPECT_EQ(c.reply, 7);
    c.word = 8;
    start_client(&c);
    EXPECT_EQ(gate_serve(a.gate, (struct bytes){bytes, 0}, &r, payer, 0), OK);
    u8 large[LIMIT_GATE_SIZE + 1];
    EXPECT_EQ(gate_reply((struct bytes){large, sizeof(large)}), ERR_LIMIT);
    EXPECT_EQ(
        gate_serve(a.gate, (struct bytes){large, sizeof(large)}, &r, payer, 0),
        ERR_LIMIT);
    EXPECT_EQ(gate_reply((struct bytes){bytes, 4}), OK);
    end_client(&c, OK);
    EXPECT_EQ(c.reply, 8);
    EXPECT(thread_current()->lent.account == NULL);
    gate_thread_ends(false);
    close_place(&a);
    close_place(&b);
    end();
}

// --- no memory ---------------------------------------------------------------

TEST_KERNEL(gate_without_memory)
{
    struct account *poor = test_account(0);
    struct gate *g = NULL;
    struct door *d = NULL;
    u8 bytes[ROOM];
    struct gate_request r = {
        .room = {bytes, ROOM}
    };
    struct place p;

    begin();
    open_place(&p, ROOM, 1);
    EXPECT_EQ(gate_new(&g, ROOM, poor), ERR_LIMIT);
    EXPECT_EQ(door_new(&d, p.gate, 1, poor), ERR_LIMIT);
    EXPECT_EQ(gate_serve(p.gate, (struct bytes){bytes, 0}, &r, poor, 0),
              ERR_LIMIT);
    EXPECT_EQ(gate_reply((struct bytes){bytes, 0}), ERR_NOT_FOUND);
    close_place(&p);
    account_release(poor);
    end();
}
