// test/kernel/gate_kills.c: programs that call each other through gates, and
// are killed: at each moment, and at random.

#include "kernel/gate.h"
#include "test/kernel/calls.h"

#include <string.h>

// --- programs ----------------------------------------------------------------

enum {
    SERVERS = 3,
    CLIENTS = 5,
    PROGRAMS = SERVERS + CLIENTS,
    OUT = 64,
    BADGE = 72,
    KIND = 80,
    SIZE = 84,
    REQUEST = 128,
    REPLY = 192,
    WINDOW = 256,
    SEEN = 320,
};

// The doors of the servers that live now; each has a reference here.
static struct wait_queue doors_guard;
static struct door *doors[SERVERS];

static struct {
    struct process *process;
    u64 random;
} programs[PROGRAMS];

static u32 answered, failed, unknown; // calls; atomic
static bool over;                     // atomic
// Servers trap now and then: who starts them has to start them again for ever.
// Constant while programs run.
static bool traps;

static void
publish(u32 number, struct door *d)
{
    bool on = lock_irq(&doors_guard.lock);
    struct door *before = doors[number];

    doors[number] = d;
    unlock_irq(&doors_guard.lock, on);
    if (before != NULL)
        object_release(door_object(before));
}

// A handle of a server's door, or 0.
static handle_t
take_door(u32 number)
{
    handle_t h = 0;
    bool on = lock_irq(&doors_guard.lock);
    struct door *d = doors[number];

    if (d != NULL)
        object_hold(door_object(d));
    unlock_irq(&doors_guard.lock, on);
    if (d == NULL)
        return 0;
    if (handle_new(&process_current()->handles, door_object(d), UINT32_MAX,
                   &h) != OK)
        h = 0;
    object_release(door_object(d));
    return h;
}

static u32
own_number(void)
{
    for (u32 i = 0; i < PROGRAMS; i++)
        if (__atomic_load_n(&programs[i].process, __ATOMIC_RELAXED) ==
            process_current())
            return i;
    panic(__FILE__, __LINE__, "a program that nobody started");
}

// Ask a server for the successor of a number, which may ask another.
static status_t
ask(u32 server, u32 number, u64 patience, u32 *answer)
{
    u64 deadline = patience == 0 ? UINT64_MAX : port_monotonic_ns() + patience;
    handle_t door = take_door(server);

    if (door == 0)
        return ERR_PEER_CLOSED;
    test_store32(REQUEST, number);
    test_store32(REPLY, 0);
    const u32 window[5] = {WINDOW_OWN, 0, REQUEST, 4, WINDOW_READ};
    memcpy(test_memory(WINDOW), window, sizeof(window));
    status_t status =
        CALL(gate_call, door, deadline, REQUEST, 4, REPLY, 4, WINDOW, 1, SIZE);
    *answer = test_load32(REPLY);
    if (status == OK && test_load32(SIZE) != 4)
        COUNT_UP(unknown);
    EXPECT_EQ(CALL(handle_close, door), OK);
    return status;
}

static bool
is_expected(status_t status)
{
    return status == OK || status == ERR_PEER_CLOSED ||
           status == ERR_PEER_TRAPPED || status == ERR_TIMED_OUT ||
           status == ERR_KILLED || status == ERR_DEADLOCK;
}

// 0: no answer.
static u32
answer_to(u32 own, u32 number, u64 *random)
{
    u32 answer = 0;

    if (test_draw(random, 4) == 0)
        thread_yield();
    if (number % 3 == 0)
        return number + 1;
    status_t status = ask((own + 1) % SERVERS, number - number % 3, 0, &answer);
    if (!is_expected(status) || (status == OK && answer != number / 3 * 3 + 1))
        COUNT_UP(unknown);
    return status == OK ? number + 1 : 0;
}

static void
run_server(u32 own, u64 *random)
{
    struct object *o = NULL;
    u32 size = 0;

    EXPECT_EQ(CALL(gate_create, 4, OUT), OK);
    handle_t gate = test_load32(OUT);
    EXPECT_EQ(CALL(gate_badge, gate, 100 + own, OUT), OK);
    EXPECT_EQ(handle_get(&process_current()->handles, test_load32(OUT),
                         &door_type, 0, &o),
              OK);
    publish(own, door_from_object(o));
    for (;;) {
        status_t status = CALL(gate_serve, gate, UINT64_MAX, REPLY, size,
                               REQUEST, 4, BADGE, KIND, SIZE);
        if (status != OK)
            break;
        size = 0;
        if (test_load32(KIND) != GATE_CALL)
            continue;
        if (test_load64(BADGE) != 100 + own || test_load32(SIZE) != 4)
            COUNT_UP(unknown);
        status = CALL(window_read, 0, 0, SEEN, 4);
        if (status == OK ? test_load32(SEEN) != test_load32(REQUEST) :
                           !is_expected(status))
            COUNT_UP(unknown);
        u32 answer = answer_to(own, test_load32(REQUEST), random);
        test_store32(REPLY, answer);
        size = 4;
        if (traps && test_draw(random, 500) == 0)
            thread_trap(TRAP_UNREACHABLE);
        if (thread_is_killed() || thread_current()->entry.leave != LEAVE_NONE)
            break;
    }
}

static void
run_caller(u64 *random)
{
    while (!__atomic_load_n(&over, __ATOMIC_SEQ_CST) && !thread_is_killed()) {
        u32 number = (u32)test_draw(random, 1000), answer = 0;
        u64 patience =
            test_draw(random, 8) == 0 ? 1 + test_draw(random, 100000) : 0;
        status_t status =
            ask((u32)test_draw(random, SERVERS), number, patience, &answer);
        if (!is_expected(status) ||
            (status == OK && answer != 0 && answer != number + 1))
            COUNT_UP(unknown);
        COUNT_UP(*(status == OK ? &answered : &failed));
        if (status != OK)
            thread_yield(); // until the server has begun
    }
}

static void
run_program(void)
{
    u32 own = own_number();

    if (own < SERVERS)
        run_server(own, &programs[own].random);
    else
        run_caller(&programs[own].random);
}

// --- random kills ------------------------------------------------------------

static void
start_program(u32 number)
{
    struct process *p = test_new_process(run_program);

    __atomic_store_n(&programs[number].process, p, __ATOMIC_RELAXED);
    test_start(p);
}

static void
end_program(u32 number)
{
    process_kill(programs[number].process, 9);
    u32 status = test_wait(programs[number].process);
    if (number < SERVERS)
        publish(number, NULL); // it may have begun just before
    bool ended = number < SERVERS ? status == EXIT_TRAP : over && status == 0;
    EXPECT(status == 9 || ended);
}

static void
begin(bool servers_trap)
{
    wait_queue_init(&doors_guard);
    memset(doors, 0, sizeof(doors));
    answered = failed = unknown = 0;
    over = false;
    traps = servers_trap;
}

// Each seed its own order of kills; the last answers are all right.
static void
kill_at_random(u32 calls, u32 seed)
{
    u64 random = 0x9e3779b97f4a7c15 * (seed + 1);
    u32 kills = 0;

    begin(true);
    for (u32 i = 0; i < PROGRAMS; i++)
        programs[i].random = random + i;
    for (u32 i = 0; i < PROGRAMS; i++)
        start_program(i);
    while (COUNT_OF(answered) < calls) {
        u32 victim = (u32)test_draw(&random, PROGRAMS);
        for (u64 k = test_draw(&random, 40); k > 0; k--)
            thread_yield();
        end_program(victim);
        start_program(victim);
        kills++;
    }
    __atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
    for (u32 i = PROGRAMS; i > 0; i--)
        end_program(i - 1);
    EXPECT_EQ(unknown, 0);
    klog("gates: %u calls answered, %u not, %u programs killed", answered,
         failed, kills);
}

TEST_KERNEL(gate_random_kills)
{
    test_forget_from_here();
    kill_at_random(test_stress_steps() * 1000 / STRESS_STEPS,
                   test_stress_seed());
    test_forget_until_here();
}

// --- at each moment ----------------------------------------------------------

// Programs that have begun; one is killed after so many answers, and turns of
// the others.
static void
kill_after(u32 victim, u32 answers, u32 turns)
{
    begin(false);
    for (u32 i = 0; i < PROGRAMS; i++) {
        programs[i].process = NULL;
        programs[i].random = 77 + i;
    }
    start_program(0);
    start_program(1);
    start_program(SERVERS);
    TEST_WAIT(COUNT_OF(answered) >= answers);
    for (u32 i = 0; i < turns; i++)
        thread_yield();
    end_program(victim);
    if (victim < SERVERS) { // who called it hears of that, and can go on
        start_program(victim);
        u32 before = COUNT_OF(answered);
        TEST_WAIT(COUNT_OF(answered) >= before + 3);
        end_program(victim);
    }
    __atomic_store_n(&over, true, __ATOMIC_SEQ_CST);
    for (u32 i = PROGRAMS; i > 0; i--)
        if (programs[i - 1].process != NULL && i - 1 != victim)
            end_program(i - 1);
    EXPECT_EQ(unknown, 0);
}

static const u32 victims[] = {0, 1, SERVERS};

TEST_KERNEL(gate_killed_at_each_moment)
{
    for (u32 i = 0; i < COUNT(victims); i++)
        for (u32 turns = 0; turns < 12; turns++)
            kill_after(victims[i], 3, turns);
}

// Where another CPU runs the programs, and the host this one rarely, they have
// had many calls before their turn comes to be killed.
TEST_KERNEL(gate_killed_late)
{
    for (u32 i = 0; i < COUNT(victims); i++)
        kill_after(victims[i], 3000, 0);
}

// --- a trap ------------------------------------------------------------------

static struct door *trapping;
static u32 requests; // that came

static void
trap_at_a_call(void)
{
    struct object *o = NULL;

    EXPECT_EQ(CALL(gate_create, 4, OUT), OK);
    handle_t gate = test_load32(OUT);
    EXPECT_EQ(CALL(gate_badge, gate, 1, OUT), OK);
    EXPECT_EQ(
        handle_get(&process_current()->handles, test_load32(OUT), NULL, 0, &o),
        OK);
    __atomic_store_n(&trapping, door_from_object(o), __ATOMIC_SEQ_CST);
    EXPECT_EQ(
        CALL(gate_serve, gate, UINT64_MAX, 0, 0, REQUEST, 4, BADGE, KIND, SIZE),
        OK);
    COUNT_UP(requests);
    TEST_WAIT(COUNT_OF(trapping->call_count) != 0);
    thread_trap(TRAP_UNREACHABLE);
}

struct asker {
    struct thread *thread;
    status_t status;
};

static void
ask_the_trapping(void *arg)
{
    struct asker *a = arg;
    u32 size;

    a->status = gate_call(trapping, (struct bytes){NULL, 0},
                          (struct bytes){NULL, 0}, NULL, 0, UINT64_MAX, &size);
}

// Who is served, who waits in line, and who comes later.
TEST_KERNEL(gate_server_traps)
{
    struct asker askers[3] = {0};

    __atomic_store_n(&trapping, NULL, __ATOMIC_SEQ_CST);
    requests = 0;
    struct process *p = test_new_process(trap_at_a_call);
    test_start(p);
    TEST_WAIT(__atomic_load_n(&trapping, __ATOMIC_SEQ_CST) != NULL);
    for (u32 i = 0; i < 2; i++) {
        EXPECT_EQ(thread_new(&askers[i].thread, ask_the_trapping, &askers[i]),
                  OK);
        sched_start(askers[i].thread);
        TEST_WAIT(COUNT_OF(requests) != 0);
    }
    EXPECT_EQ(test_wait(p), EXIT_TRAP);
    for (u32 i = 0; i < 2; i++) {
        EXPECT_EQ(thread_join(askers[i].thread, UINT64_MAX), OK);
        thread_release(askers[i].thread);
    }
    ask_the_trapping(&askers[2]);
    for (u32 i = 0; i < 3; i++)
        EXPECT_EQ(askers[i].status, ERR_PEER_TRAPPED);
    object_release(door_object(trapping));
}
