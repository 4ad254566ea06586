// test/kernel/pass.c: the CPU that is handed on at once, and by the queue where
// that cannot be: what happens is the same, and which way it was says way_in.

#include "kernel/gate.h"
#include "kernel/share.h"
#include "test/kernel/frame.h"

enum { CALLS = 100, TURNS = 20 };

static const u64 LONG = 20000000000;

// --- calls and replies -------------------------------------------------------

struct place {
    struct test_place at;
    u32 at_once; // calls that came so
};

static bool
came_at_once(void)
{
    u32 at_once = PASSED | AT_ONCE;

    return (thread_current()->way_in & at_once) == at_once;
}

static void
serve(void *arg)
{
    struct place *p = arg;
    u64 word = 0;
    struct gate_request r = {
        .room = {(u8 *)&word, sizeof(word)}
    };
    struct bytes reply = {(u8 *)&word, 0};

    while (gate_serve(p->at.gate, reply, &r, account_root(), UINT64_MAX) ==
           OK) {
        p->at_once += came_at_once();
        word++;
        reply.size = r.size;
    }
    gate_thread_ends(false);
}

static void
open_place(struct place *p)
{
    *p = (struct place){.at_once = 0};
    test_open_place(&p->at, PRIORITY_DEFAULT, serve, p);
}

// One call; was its reply handed on at once?
static bool
call(const struct place *p, u64 number)
{
    u64 word = number, answer = 0;
    u32 size;
    status_t status =
        gate_call(p->at.door, (struct bytes){(u8 *)&word, 8},
                  (struct bytes){(u8 *)&answer, 8}, NULL, 0, UINT64_MAX, &size);
    bool at_once = came_at_once();

    EXPECT_EQ(status, OK);
    EXPECT_EQ(size, 8);
    EXPECT_EQ(answer, number + 1);
    return at_once;
}

// Many; how many calls and replies were.
static void
call_often(struct place *p, u32 *calls, u32 *replies)
{
    *replies = 0;
    p->at_once = 0;
    for (u32 i = 0; i < CALLS; i++)
        *replies += call(p, i);
    *calls = p->at_once;
}

// Whatever runs beside us: there is a time in which all is as it should be.
TEST_KERNEL(pass_is_at_once)
{
    u64 end = port_monotonic_ns() + LONG;
    u32 calls = 0, replies = 0;
    struct place p;

    open_place(&p);
    while ((calls < CALLS || replies < CALLS) && port_monotonic_ns() < end)
        call_often(&p, &calls, &replies);
    EXPECT_EQ(calls, CALLS);
    EXPECT_EQ(replies, CALLS);
    test_close_place(&p.at);
}

static void
yield_often(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < CALLS; i++)
        thread_yield();
}

// A CPU that goes to the server's group and back forgets twice, where it is to;
// one that goes between threads of one group need not.
TEST_KERNEL(pass_forgets_branches)
{
    u64 end = port_monotonic_ns() + LONG, before = sched_forgot(), forgot = 0;
    u32 calls = 0, replies = 0;
    struct place p;

    open_place(&p);
    call_often(&p, &calls, &replies);
    EXPECT_EQ(sched_forgot(), before);
    sched_forget_branches(true);
    for (calls = 0;
         (calls < CALLS || replies < CALLS) && port_monotonic_ns() < end;) {
        before = sched_forgot();
        call_often(&p, &calls, &replies);
        forgot = sched_forgot() - before;
    }
    EXPECT(forgot >= 2 * CALLS - 1);
    struct thread *t = test_start_thread(yield_often, NULL);
    before = sched_forgot();
    yield_often(NULL);
    test_join(t);
    EXPECT(sched_forgot() - before <= port_cpu_count());
    sched_forget_branches(false);
    test_close_place(&p.at);
}

// What keeps a call from it, or its reply.
static struct group *capped;

static void
suspend(struct place *p, bool on)
{
    if (on)
        group_suspend(p->at.servers);
    else
        group_resume(p->at.servers);
}

static void
inherit(struct place *p, bool on)
{
    __atomic_store_n(&p->at.server->inherited, on ? 1 : 0, __ATOMIC_SEQ_CST);
    sched_changed(p->at.server); // as who changes these says
}

static void
help(struct place *p, bool on)
{
    __atomic_store_n(&p->at.server->helped, on, __ATOMIC_SEQ_CST);
    sched_changed(p->at.server);
}

static const struct {
    const char *name;
    void (*set)(struct place *p, bool on);
} obstacles[] = {
    {"the server is suspended",    suspend},
    {"others wait for the server", inherit},
    {"in other groups, too",       help   },
};

TEST_KERNEL(pass_by_the_queue)
{
    struct place p;

    open_place(&p);
    for (u32 i = 0; i < COUNT(obstacles); i++) {
        for (u32 k = 0; k < CALLS; k++) {
            obstacles[i].set(&p, true);
            p.at_once = 0;
            call(&p, k);
            EXPECT_EQ(p.at_once, 0);
            obstacles[i].set(&p, false);
            call(&p, k);
        }
    }
    test_close_place(&p.at);
}

// In a group with a cap nothing is; also when it gets one, and loses it, while
// the call goes on.
static void
call_in_a_group(void *arg)
{
    struct place *p = arg;
    u32 calls, replies;

    account_set_cpu(group_account(capped), WEIGHT_DEFAULT, 100);
    call_often(p, &calls, &replies);
    EXPECT_EQ(calls, 0);
    EXPECT_EQ(replies, 0);
    account_set_cpu(group_account(capped), WEIGHT_DEFAULT, 0);
    call_often(p, &calls, &replies);
}

TEST_KERNEL(pass_under_a_cap)
{
    struct place p;

    open_place(&p);
    capped = test_new_group(group_root());
    test_join(test_start_in(capped, call_in_a_group, &p));
    test_drop_group(capped);
    test_close_place(&p.at);
}

// Ceilings that changed are looked at where a thread is placed.
TEST_KERNEL(pass_after_new_ceilings)
{
    struct place p;

    open_place(&p);
    for (u32 i = 0; i < CALLS; i++) {
        sched_ceilings_changed();
        call(&p, i);
    }
    test_close_place(&p.at);
}

// --- the host's place --------------------------------------------------------
//
// While calls and replies only hand the CPU on, servers run in the place of who
// came first: whoever takes the lock of the queue sees each in his own.

struct seat {
    struct account *group; // that it runs in, or will
    u32 class, priority;
    struct account *lender;
};

static struct seat
seat_of(const struct thread *t)
{
    bool on = port_interrupts_off();
    struct run_queue *q = &run_queues[t->cpu];

    queue_lock(q);
    struct seat seat = {t->share->parent->account, t->ready.class,
                        t->lent.priority, t->lent.account};
    unlock_irq(&q->lock, on);
    return seat;
}

struct relay {
    struct place at; // the gate of the outer server
    struct place *inner;
    struct seat outer_seat, inner_seat;
    bool look_before, look_between, look_after;
};

static struct relay relay;
static struct group *callers;

// In the innermost of the calls.
static void
serve_inside(void *arg)
{
    struct place *p = arg;
    u64 word = 0;
    struct gate_request r = {
        .room = {(u8 *)&word, sizeof(word)}
    };
    struct bytes reply = {(u8 *)&word, 0};

    while (gate_serve(p->at.gate, reply, &r, account_root(), UINT64_MAX) ==
           OK) {
        if (relay.look_between)
            relay.inner_seat = seat_of(thread_current());
        word++;
        reply.size = r.size;
    }
    gate_thread_ends(false);
}

static void
serve_outside(void *arg)
{
    struct relay *r = arg;
    u64 word = 0;
    struct gate_request request = {
        .room = {(u8 *)&word, sizeof(word)}
    };
    struct bytes reply = {(u8 *)&word, 0};

    while (gate_serve(r->at.at.gate, reply, &request, account_root(),
                      UINT64_MAX) == OK) {
        if (r->look_before)
            r->outer_seat = seat_of(thread_current());
        call(r->inner, word);
        if (r->look_after)
            r->outer_seat = seat_of(thread_current());
        word++;
        reply.size = request.size;
    }
    gate_thread_ends(false);
}

static void
expect_seat(struct seat seat, const struct thread *caller)
{
    EXPECT(seat.group == group_account(callers));
    EXPECT_EQ(seat.class, LIMIT_PRIORITY - thread_priority(caller));
    EXPECT_EQ(seat.priority, thread_priority(caller));
    EXPECT(seat.lender == caller->account);
}

// Each way to look, in all orders, again and again.
static void
call_the_relay(void *arg)
{
    const struct thread *self = thread_current();

    (void)arg;
    thread_set_priority(thread_current(), PRIORITY_DEFAULT + 1);
    for (u32 i = 0; i < 8 * CALLS; i++) {
        relay.look_before = i & 1;
        relay.look_between = i & 2;
        relay.look_after = i & 4;
        call(&relay.at, i);
        if (i & 1 || i & 4)
            expect_seat(relay.outer_seat, self);
        if (i & 2)
            expect_seat(relay.inner_seat, self);
        struct seat own = seat_of(self);
        EXPECT(own.lender == NULL);
        EXPECT(own.group == group_account(callers));
        EXPECT_EQ(own.class, LIMIT_PRIORITY - thread_priority(self));
    }
}

TEST_KERNEL(pass_in_the_hosts_place)
{
    static struct place inner;

    callers = test_new_group(group_root());
    relay = (struct relay){.inner = &inner};
    test_open_place(&inner.at, PRIORITY_DEFAULT, serve_inside, &inner);
    test_open_place(&relay.at.at, PRIORITY_DEFAULT, serve_outside, &relay);
    test_join(test_start_in(callers, call_the_relay, NULL));
    test_close_place(&relay.at.at);
    test_close_place(&inner.at);
    test_drop_group(callers);
}

// The one that the CPU is in, or will be, without ending it.
static u64
session_now(void)
{
    bool on = port_interrupts_off();
    struct run_queue *q = queue_here();

    lock_irq_nested(&q->lock);
    u64 session = q->session;
    unlock_irq(&q->lock, on);
    return session;
}

// A server that is called by another comes into the session, and all three go
// on in that; what the kernel looks at ends it.
TEST_KERNEL(pass_joins_who_comes_later)
{
    static struct place inner;
    u64 end = port_monotonic_ns() + LONG, before, after;

    relay = (struct relay){.inner = &inner};
    test_open_place(&inner.at, PRIORITY_DEFAULT, serve_inside, &inner);
    test_open_place(&relay.at.at, PRIORITY_DEFAULT, serve_outside, &relay);
    do {
        call(&relay.at, 0);
        before = session_now();
        for (u32 i = 0; i < TURNS; i++)
            call(&relay.at, i);
        after = session_now();
    } while (before != after && port_monotonic_ns() < end);
    EXPECT_EQ(after, before);
    EXPECT_EQ(thread_current()->session, after);
    EXPECT_EQ(relay.at.at.server->session, after);
    EXPECT_EQ(inner.at.server->session, after);
    sched_changed(relay.at.at.server);
    EXPECT(session_now() != after);
    test_close_place(&relay.at.at);
    test_close_place(&inner.at);
}

// --- yields ------------------------------------------------------------------

struct turns {
    u32 ready, over; // atomic: threads
    u32 last;        // atomic: whose turn it was
    u32 count, alternated, at_once;
};

struct yielder {
    struct turns *turns;
    u32 number;
};

static void
take_turns(void *arg)
{
    const struct yielder *y = arg;
    struct turns *t = y->turns;

    COUNT_UP(t->ready);
    while (COUNT_OF(t->ready) < 2)
        thread_yield();
    for (u32 i = 0; i < CALLS; i++) {
        u32 last = __atomic_exchange_n(&t->last, y->number, __ATOMIC_SEQ_CST);
        if (last != y->number)
            COUNT_UP(t->alternated);
        thread_yield();
        if (thread_current()->way_in == AT_ONCE)
            COUNT_UP(t->at_once);
    }
    COUNT_UP(t->over);
}

static void
yield_in(struct group *one, struct group *other, struct turns *t)
{
    *t = (struct turns){.ready = 0};
    struct yielder a = {t, 1}, b = {t, 2};
    struct thread *first = test_start_in(one, take_turns, &a);
    struct thread *second = test_start_in(other, take_turns, &b);

    test_join(first);
    test_join(second);
    EXPECT_EQ(COUNT_OF(t->over), 2);
}

// Of one account, at once; and others as ever.
TEST_KERNEL(yield_is_at_once)
{
    u64 end = port_monotonic_ns() + LONG;
    struct group *one = test_new_group(group_root());
    struct group *other = test_new_group(group_root());
    struct turns t = {.at_once = 0};

    while (t.at_once < CALLS && port_cpu_count() == 1 &&
           port_monotonic_ns() < end)
        yield_in(one, one, &t);
    if (port_cpu_count() == 1) {
        EXPECT(t.at_once >= CALLS);
        EXPECT(t.alternated >= CALLS);
    }
    yield_in(one, other, &t);
    EXPECT_EQ(t.at_once, 0);
    test_drop_group(other);
    test_drop_group(one);
}

// --- messages ----------------------------------------------------------------

struct talk {
    struct channel *ends[2];
    struct handle_table tables[2];
    handle_t keep[2];
    u32 at_once; // questions that came so
    u32 words;   // atomic: that were read
};

static bool
read_word(struct talk *t, u32 *word)
{
    struct channel_read r = {
        .table = &t->tables[1], .room = {(u8 *)word, sizeof(*word)}
    };

    return message_read(t->ends[1], &r, UINT64_MAX) == OK;
}

static void
answer_words(void *arg)
{
    struct talk *t = arg;
    struct channel_side side = {account_root(), &t->tables[1], NULL, 0};
    u32 word;

    while (read_word(t, &word)) {
        t->at_once += thread_current()->way_in == AT_ONCE;
        COUNT_UP(t->words);
        EXPECT_EQ(
            message_write(t->ends[1], (struct bytes){(u8 *)&word, 4}, &side),
            OK);
    }
}

static void
ask(void *arg)
{
    struct talk *t = arg;
    struct channel_side side = {account_root(), &t->tables[0], NULL, 0};

    for (u32 i = 0; i < CALLS; i++) {
        u32 word = i, reply = 0;
        struct channel_read r = {
            .table = &t->tables[0], .room = {(u8 *)&reply, sizeof(reply)}
        };
        EXPECT_EQ(message_call(t->ends[0], (struct bytes){(u8 *)&word, 4},
                               &side, &r, UINT64_MAX),
                  OK);
        EXPECT(r.size == 4 && reply >= 1u << 31);
    }
}

static void
open_talk(struct talk *t)
{
    *t = (struct talk){.at_once = 0};
    EXPECT_EQ(channel_new(t->ends, account_root()), OK);
    for (u32 i = 0; i < 2; i++) {
        handle_table_init(&t->tables[i], account_root());
        EXPECT_EQ(handle_new(&t->tables[i], channel_object(t->ends[i]),
                             UINT32_MAX, &t->keep[i]),
                  OK);
    }
}

// `server` reads at the end that stays, and may be NULL: nobody does any more.
static void
close_talk(struct talk *t, struct thread *server)
{
    EXPECT_EQ(handle_close(&t->tables[0], t->keep[0]), OK);
    if (server != NULL)
        test_join(server);
    for (u32 i = 0; i < 2; i++) {
        handle_table_free(&t->tables[i]);
        object_release(channel_object(t->ends[i]));
    }
}

static void
talk(struct talk *t, struct group *asks, struct group *answers)
{
    open_talk(t);
    struct thread *server = test_start_in(answers, answer_words, t);
    test_wait_until_blocked(server);
    test_join(test_start_in(asks, ask, t));
    close_talk(t, server);
}

// Who asks and sleeps hands the CPU on to who was woken by that, where both are
// of one account and nobody else waits; else as ever.
TEST_KERNEL(wake_is_at_once)
{
    u64 end = port_monotonic_ns() + LONG;
    struct group *one = test_new_group(group_root());
    struct group *other = test_new_group(group_root());
    static struct talk t;

    do
        talk(&t, one, one);
    while (t.at_once < CALLS / 2 && port_cpu_count() == 1 &&
           port_monotonic_ns() < end);
    if (port_cpu_count() == 1)
        EXPECT(t.at_once >= CALLS / 2);
    talk(&t, one, other);
    EXPECT_EQ(t.at_once, 0);
    test_drop_group(other);
    test_drop_group(one);
}

// True: who answers was woken for the place of the running thread, which has
// talked to it before, so that the timer is set for both.
static bool
wake_reader(struct talk *t, const struct thread *reader)
{
    struct channel_side side = {account_root(), &t->tables[0], NULL, 0};
    u32 word = 0;

    ask(t);
    test_wait_until_blocked(reader);
    bool on = port_interrupts_off();
    EXPECT_EQ(message_write(t->ends[0], (struct bytes){(u8 *)&word, 4}, &side),
              OK);
    bool woken = run_queues[port_cpu_id()].woken == reader;
    port_interrupts_restore(on);
    return woken;
}

static void
spin(struct thread *reader)
{
    (void)reader;
}

static void
let_run(struct thread *reader)
{
    (void)reader;
    thread_yield();
}

static void
hurry(struct thread *reader)
{
    thread_set_priority(reader, PRIORITY_DEFAULT + 1);
}

// Wake who answers, and let it run: was it woken for our place?
static bool
wake_and(struct talk *t, struct thread *reader, void (*let)(struct thread *))
{
    u64 end = port_monotonic_ns() + LONG;
    u32 words = COUNT_OF(t->words) + CALLS + 1;
    bool woken = wake_reader(t, reader);

    while (COUNT_OF(t->words) < words && port_monotonic_ns() < end)
        let(reader);
    EXPECT_EQ(COUNT_OF(t->words), words);
    thread_set_priority(reader, PRIORITY_DEFAULT);
    return woken;
}

// Who was woken for the place of one who runs does not wait until that one
// sleeps: it runs after a time slice, a yield or with a higher priority, and is
// killed, as others who are ready.
TEST_KERNEL(woken_does_not_wait_for_the_place)
{
    static void (*const ways[])(struct thread *) = {spin, let_run, hurry};
    u64 end = port_monotonic_ns() + LONG;
    bool alone = port_cpu_count() == 1;
    static struct talk t;

    open_talk(&t);
    struct thread *reader = test_start_in(group_root(), answer_words, &t);
    for (u32 i = 0; i < COUNT(ways); i++) {
        bool woken = false;
        for (u32 turn = 0; turn < TURNS && !woken; turn++)
            woken = wake_and(&t, reader, ways[i]);
        EXPECT_EQ(woken, alone);
    }
    while (!wake_reader(&t, reader) && alone && port_monotonic_ns() < end)
        continue;
    thread_kill(reader);
    test_join(reader);
    close_talk(&t, NULL);
}
