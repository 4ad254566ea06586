// test/kernel/group.c: groups: what they count and limit, who is in them, how
// they are stopped and killed.

#include "test/kernel/calls.h"

#include <string.h>

enum { OUT = 64, NAME = 512, LIMITS = 1024, ENTRIES = 2048, BYTES_AT = 8192 };

// --- processes in groups -----------------------------------------------------

static struct process *
load_in(struct group *g, const char *name)
{
    struct process *p = NULL;

    EXPECT_EQ(test_load_in(g, name, &p), OK);
    return p;
}

static struct process *
start_in(struct group *g, const char *name)
{
    struct process *p = load_in(g, name);

    test_start(p);
    return p;
}

static volatile u32 *
counter_of(struct process *p)
{
    return (volatile u32 *)memory_bytes(
               instance_memory(store_instance(p->store, 0)), 0, 4)
        .ptr;
}

static void
nap(void)
{
    EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 500000), OK);
}

static void
wait_running(struct process *p)
{
    for (u32 before = *counter_of(p); *counter_of(p) == before;)
        nap();
}

static void
wait_stopped(struct process *p)
{
    struct thread *t =
        CONTAINER(p->threads.next, struct program_thread, link)->thread;

    while (__atomic_load_n(&t->state, __ATOMIC_SEQ_CST) != THREAD_BLOCKED)
        nap();
}

static void
expect_stopped(struct process *p)
{
    wait_stopped(p);
    u32 before = *counter_of(p);
    for (u32 i = 0; i < 20; i++)
        nap();
    EXPECT_EQ(*counter_of(p), before);
}

TEST_KERNEL(group_is_stopped_and_goes_on)
{
    struct group *outer = test_new_group(group_root()),
                 *inner = test_new_group(outer);
    struct process *p = start_in(inner, "spin"),
                   *other = start_in(NULL, "spin");

    wait_running(p);
    group_suspend(inner);
    expect_stopped(p);
    wait_running(other);
    group_suspend(outer);
    group_suspend(outer); // is no second one
    group_resume(inner);
    expect_stopped(p);
    group_resume(outer);
    wait_running(p);
    group_suspend(outer);
    expect_stopped(p);
    process_kill(p, 3);
    EXPECT_EQ(test_wait(p), 3);
    process_kill(other, 4);
    EXPECT_EQ(test_wait(other), 4);
    test_drop_group(inner);
    test_drop_group(outer); // suspended
    EXPECT_EQ(account_is_stopped(account_root()), false);
}

TEST_KERNEL(group_stops_those_that_begin)
{
    struct group *g = test_new_group(group_root());

    group_suspend(g);
    struct process *p = start_in(g, "spin");
    expect_stopped(p);
    group_kill(g, 9);
    EXPECT_EQ(test_wait(p), 9);
    test_drop_group(g);
}

// --- kill --------------------------------------------------------------------

static void
expect_ended(struct group *g)
{
    EXPECT_EQ(object_wait_one(group_object(g), SIGNAL_ENDED, UINT64_MAX, NULL),
              OK);
    EXPECT_EQ(test_group_used(g, RESOURCE_PROCESSES), 0);
    EXPECT_EQ(test_group_used(g, RESOURCE_THREADS), 0);
}

TEST_KERNEL(group_kill_reaches_all)
{
    static const char *const programs[] = {"spin", "crowd", "endless", "spin"};
    struct group *outer = test_new_group(group_root()),
                 *inner = test_new_group(outer);
    struct process *p[COUNT(programs)];

    for (u32 i = 0; i < COUNT(p); i++)
        p[i] = start_in(i % 2 == 0 ? outer : inner, programs[i]);
    EXPECT_EQ(test_group_used(outer, RESOURCE_PROCESSES), COUNT(p));
    EXPECT_EQ(test_group_used(inner, RESOURCE_PROCESSES), 2);
    wait_running(p[3]);
    group_suspend(inner);
    group_kill(outer, 21);
    for (u32 i = 0; i < COUNT(p); i++)
        EXPECT_EQ(test_wait(p[i]), 21);
    expect_ended(outer);
    EXPECT_EQ(object_signals(group_object(inner)) & SIGNAL_ENDED, 0);
    group_kill(inner, 22);
    expect_ended(inner);
    test_drop_group(inner);
    test_drop_group(outer);
}

static u32 apart; // processes that hold nothing any more

static void
take_time(struct process *p)
{
    (void)p;
    for (u32 i = 0; i < 50; i++)
        thread_yield();
    COUNT_UP(apart);
}

// Who waits for the end may free what they had.
TEST_KERNEL(group_has_ended_when_nothing_is_held)
{
    static const struct personality slow = {.exit = take_time};
    static const char *const programs[] = {"spin", "crowd", "count"};
    struct group *g = test_new_group(group_root());
    struct process *p[COUNT(programs)];

    apart = 0;
    for (u32 i = 0; i < COUNT(p); i++) {
        p[i] = load_in(g, programs[i]);
        process_set_personality(p[i], &slow, NULL);
        test_start(p[i]);
    }
    group_kill(g, 21);
    expect_ended(g);
    EXPECT_EQ(COUNT_OF(apart), COUNT(p));
    for (u32 i = 0; i < COUNT(p); i++)
        (void)test_wait(p[i]);
    test_drop_group(g);
}

// A kill that comes while the last thread takes the process apart is not its
// end.
TEST_KERNEL(process_killed_while_it_is_taken_apart)
{
    static const struct personality slow = {.exit = take_time};
    struct process *p = load_in(NULL, "count");

    apart = 0;
    process_set_personality(p, &slow, NULL);
    test_start(p);
    TEST_WAIT(list_empty(&p->threads));
    process_kill(p, 9);
    EXPECT(COUNT_OF(apart) == 1 ||
           (object_signals(&p->object) & SIGNAL_ENDED) == 0);
    EXPECT_EQ(test_wait(p), 42);
    EXPECT_EQ(COUNT_OF(apart), 1);
}

TEST_KERNEL(group_killed_stays_killed)
{
    struct group *g = test_new_group(group_root()), *in = test_new_group(g),
                 *none;
    struct code_module *code = test_compile("count");
    struct process *p = NULL;
    struct error error;
    char text[128];

    EXPECT_EQ(process_new(&p, in, code, "late", &error, text, sizeof(text)),
              OK);
    group_kill(g, 1);
    EXPECT_EQ(group_new(&none, in, "late"), ERR_EXITED);
    EXPECT_EQ(process_start(p), ERR_EXITED);
    process_release(p);
    code_module_release(code);
    test_drop_group(in);
    test_drop_group(g);
}

// --- what is counted ---------------------------------------------------------

TEST_KERNEL(accounts_are_exact_on_every_level)
{
    struct account *a = NULL, *b = NULL, *c = NULL;
    u64 before = account_used(account_root(), RESOURCE_TYPES);

    EXPECT_EQ(account_new(&a, account_root()), OK);
    EXPECT_EQ(account_new(&b, a), OK);
    EXPECT_EQ(account_new(&c, a), OK);
    account_set_limit(a, RESOURCE_TYPES, 10);
    account_set_limit(b, RESOURCE_TYPES, 6);
    EXPECT(account_charge(b, RESOURCE_TYPES, 6));
    EXPECT(!account_charge(b, RESOURCE_TYPES, 1));
    EXPECT(!account_charge(c, RESOURCE_TYPES, 5)); // a has 4 left
    EXPECT_EQ(account_used(c, RESOURCE_TYPES), 0);
    EXPECT(account_charge(c, RESOURCE_TYPES, 4));
    EXPECT_EQ(account_used(a, RESOURCE_TYPES), 10);
    EXPECT_EQ(account_used(account_root(), RESOURCE_TYPES), before + 10);
    // A limit below what is used lets nothing more, and breaks nothing.
    account_set_limit(a, RESOURCE_TYPES, 3);
    account_uncharge(b, RESOURCE_TYPES, 6);
    EXPECT(!account_charge(b, RESOURCE_TYPES, 1));
    account_uncharge(c, RESOURCE_TYPES, 2);
    EXPECT(account_charge(b, RESOURCE_TYPES, 1));
    // Sums that wrap.
    account_set_limit(a, RESOURCE_TYPES, UINT64_MAX);
    EXPECT(!account_charge(c, RESOURCE_TYPES, UINT64_MAX));
    EXPECT(!account_charge(c, RESOURCE_TYPES, UINT64_MAX - 1));
    account_uncharge(b, RESOURCE_TYPES, 1);
    account_uncharge(c, RESOURCE_TYPES, 2);
    EXPECT_EQ(account_used(account_root(), RESOURCE_TYPES), before);
    account_release(a); // those below keep it
    account_release(c);
    account_release(b);
}

static struct {
    struct account *account;
    u32 running, over;
} charges;

static void
charge_and_give(void *arg)
{
    (void)arg;
    for (u32 i = 0; i < 400; i++) {
        if (account_charge(charges.account, RESOURCE_TYPES, 3)) {
            u64 now = account_used(charges.account->parent, RESOURCE_TYPES);
            if (now > 10)
                __atomic_fetch_add(&charges.over, 1, __ATOMIC_SEQ_CST);
            if (i % 8 == 0)
                thread_yield();
            account_uncharge(charges.account, RESOURCE_TYPES, 3);
        }
    }
    __atomic_fetch_sub(&charges.running, 1, __ATOMIC_SEQ_CST);
}

TEST_KERNEL(accounts_are_exact_with_many_threads)
{
    struct account *above = NULL;
    struct thread *t[6];

    EXPECT_EQ(account_new(&above, account_root()), OK);
    EXPECT_EQ(account_new(&charges.account, above), OK);
    account_set_limit(above, RESOURCE_TYPES, 10);
    charges.running = COUNT(t);
    charges.over = 0;
    for (u32 i = 0; i < COUNT(t); i++) {
        t[i] = test_start_thread(charge_and_give, NULL);
    }
    for (u32 i = 0; i < COUNT(t); i++) {
        EXPECT_EQ(thread_join(t[i], UINT64_MAX), OK);
        thread_release(t[i]);
    }
    EXPECT_EQ(charges.over, 0);
    EXPECT_EQ(account_used(above, RESOURCE_TYPES), 0);
    account_release(charges.account);
    account_release(above);
}

// What outlives its process and its group stays in the account above.
TEST_KERNEL(account_of_what_is_left)
{
    struct group *outer = test_new_group(group_root()),
                 *inner = test_new_group(outer);
    struct account *account = NULL;
    struct object *event = NULL;
    u64 before = test_group_used(outer, RESOURCE_OBJECTS);

    EXPECT_EQ(account_new(&account, group_account(inner)), OK);
    EXPECT_EQ(event_new(&event, account), OK);
    account_release(account);
    u64 size = test_group_used(inner, RESOURCE_OBJECTS);
    EXPECT_EQ(test_group_used(outer, RESOURCE_OBJECTS), before + size);
    test_drop_group(inner);
    EXPECT(size > 0);
    EXPECT_EQ(test_group_used(outer, RESOURCE_GROUPS), 0);
    EXPECT_EQ(test_group_used(outer, RESOURCE_OBJECTS), size);
    object_release(event);
    EXPECT_EQ(test_group_used(outer, RESOURCE_OBJECTS), 0);
    test_drop_group(outer);
}

TEST_KERNEL(group_depth_is_a_limit)
{
    struct group *g[LIMIT_GROUP_DEPTH + 1], *none;

    g[0] = group_root();
    for (u32 i = 1; i < COUNT(g); i++)
        g[i] = test_new_group(g[i - 1]);
    EXPECT_EQ(group_new(&none, g[LIMIT_GROUP_DEPTH], "deep"), ERR_LIMIT);
    account_set_limit(group_account(g[1]), RESOURCE_GROUPS,
                      LIMIT_GROUP_DEPTH - 1);
    EXPECT_EQ(group_new(&none, g[3], "one too many"), ERR_LIMIT);
    for (u32 i = 1; i < COUNT(g); i++)
        test_drop_group(g[i]);
}

// --- the calls ---------------------------------------------------------------

static handle_t
root_handle(u32 rights)
{
    handle_t handle = 0;

    EXPECT_EQ(handle_new(&process_current()->handles,
                         group_object(group_root()), rights, &handle),
              OK);
    return handle;
}

static void
put_limit(u32 index, u32 resource, u64 limit)
{
    struct group_limit l = {.limit = limit, .resource = resource};

    memcpy(test_memory(LIMITS + index * (u32)sizeof(l)), &l, sizeof(l));
}

static handle_t
create(handle_t parent, const char *name, u32 limits)
{
    u32 size = string_of(name).len;

    memcpy(test_memory(NAME), name, size);
    EXPECT_EQ(CALL(group_create, parent, NAME, size, LIMITS, limits, OUT), OK);
    return test_load32(OUT);
}

static handle_t
compile(const char *name)
{
    EXPECT_EQ(test_create_module(name, BYTES_AT, OUT), OK);
    return test_load32(OUT);
}

static status_t
spawn(handle_t module, handle_t group)
{
    memcpy(test_memory(NAME), "child", 5);
    return CALL(process_spawn, module, NAME, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                OUT, group);
}

static struct group_entry
entry(u32 index)
{
    struct group_entry e;

    memcpy(&e, test_memory(ENTRIES + index * (u32)sizeof(e)), sizeof(e));
    return e;
}

static u64
number(handle_t group, enum resource r, bool limit)
{
    EXPECT_EQ(CALL(group_get, group, r, OUT, OUT + 8), OK);
    return test_load64(limit ? OUT + 8 : OUT);
}

static void
use_groups(void)
{
    handle_t root = root_handle(UINT32_MAX), spin = compile("spin");

    put_limit(0, RESOURCE_PROCESSES, 2);
    put_limit(1, RESOURCE_HANDLES, 1000);
    handle_t g = create(root, "jobs", 2), in = create(g, "job", 0);
    EXPECT_EQ(number(g, RESOURCE_PROCESSES, true), 2);
    EXPECT_EQ(number(in, RESOURCE_PROCESSES, true), UINT64_MAX);
    EXPECT_EQ(spawn(spin, in), OK);
    EXPECT_EQ(spawn(spin, g), OK);
    EXPECT_EQ(spawn(spin, in), ERR_LIMIT);
    EXPECT_EQ(number(in, RESOURCE_PROCESSES, false), 1);
    EXPECT_EQ(number(g, RESOURCE_PROCESSES, false), 2);
    EXPECT_EQ(CALL(group_set_limit, g, RESOURCE_PROCESSES, 3), OK);
    EXPECT_EQ(CALL(group_set_limit, g, RESOURCE_THREADS, 2), OK);
    EXPECT_EQ(spawn(spin, in), ERR_LIMIT);
    EXPECT_EQ(number(g, RESOURCE_PROCESSES, false), 2);
    EXPECT_EQ(CALL(group_set_limit, g, RESOURCE_THREADS, UINT64_MAX), OK);

    EXPECT_EQ(CALL(group_list, g, 0, ENTRIES, 10, OUT), OK);
    EXPECT_EQ(test_load32(OUT), 3);
    struct group_entry job = entry(0), first = entry(1), second = entry(2);
    EXPECT(job.kind == MEMBER_GROUP && first.kind == MEMBER_PROCESS &&
           second.kind == MEMBER_PROCESS);
    EXPECT(first.group == job.id && second.group == job.group);
    EXPECT(job.id < first.id && first.id < second.id);
    EXPECT(first.threads == 1 && job.threads == 1 &&
           first.state == MEMBER_ALIVE);
    EXPECT_EQ(CALL(group_suspend, in), OK);
    EXPECT_EQ(CALL(group_list, g, job.id, ENTRIES, 1, OUT), OK);
    EXPECT_EQ(test_load32(OUT), 1);
    EXPECT(entry(0).id == first.id && entry(0).state == MEMBER_SUSPENDED);
    EXPECT_EQ(CALL(group_resume, in), OK);
    EXPECT_EQ(CALL(group_list, g, first.id, ENTRIES, 10, OUT), OK);
    EXPECT_EQ(test_load32(OUT), 1);
    EXPECT_EQ(CALL(group_list, g, second.id, ENTRIES, 10, OUT), OK);
    EXPECT_EQ(test_load32(OUT), 0);

    EXPECT_EQ(CALL(group_name, g, first.id, ENTRIES, 3, OUT), OK);
    EXPECT_EQ(test_load32(OUT), 5);
    EXPECT_EQ(memcmp(test_memory(ENTRIES), "chi", 3), 0);
    EXPECT_EQ(CALL(group_name, root, job.group, ENTRIES, 32, OUT), OK);
    EXPECT_EQ(memcmp(test_memory(ENTRIES), "jobs", 4), 0);
    EXPECT_EQ(CALL(group_name, in, job.id, ENTRIES, 32, OUT), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(group_open, in, second.id, OUT), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(group_open, g, second.id, OUT), OK);
    EXPECT_EQ(CALL(process_kill, test_load32(OUT), 5), OK);
    EXPECT_EQ(CALL(process_wait, test_load32(OUT), UINT64_MAX, OUT), OK);
    EXPECT_EQ(test_load32(OUT), 5);
    EXPECT_EQ(CALL(group_open, root, job.id, OUT), OK);
    EXPECT_EQ(CALL(group_kill, test_load32(OUT), 6), OK);
    EXPECT_EQ(CALL(object_wait_one, in, SIGNAL_ENDED, UINT64_MAX, OUT), OK);
    EXPECT_EQ(number(g, RESOURCE_PROCESSES, false), 0);
    EXPECT_EQ(spawn(spin, in), ERR_EXITED);
    EXPECT_EQ(CALL(group_create, in, NAME, 1, 0, 0, OUT), ERR_EXITED);
    EXPECT_EQ(spawn(spin, g), OK);
    EXPECT_EQ(CALL(group_kill, g, 7), OK);
    EXPECT_EQ(CALL(object_wait_one, g, SIGNAL_ENDED, UINT64_MAX, OUT), OK);
}

static void
misuse_groups(void)
{
    handle_t root = root_handle(UINT32_MAX);
    u64 groups = number(root, RESOURCE_GROUPS, false);

    EXPECT_EQ(CALL(group_create, root, NAME, LIMIT_GROUP_NAME + 1, 0, 0, OUT),
              ERR_BAD_ARGUMENT);
    put_limit(0, RESOURCE_COUNT, 1);
    EXPECT_EQ(CALL(group_create, root, NAME, 0, LIMITS, 1, OUT),
              ERR_BAD_ARGUMENT);
    put_limit(0, RESOURCE_TYPES, 1);
    test_store32(LIMITS + 12, 1);
    EXPECT_EQ(CALL(group_create, root, NAME, 0, LIMITS, 1, OUT),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(
        CALL(group_create, root, NAME, 0, LIMITS, RESOURCE_COUNT + 1, OUT),
        ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(group_get, root, RESOURCE_COUNT, OUT, OUT + 8),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(group_set_limit, root, UINT32_MAX, 0), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(group_open, root, 0, OUT), ERR_NOT_FOUND);
    EXPECT_EQ(CALL(group_open, root, UINT64_MAX, OUT), ERR_NOT_FOUND);
    EXPECT_EQ(number(root, RESOURCE_GROUPS, false), groups);
}

TEST_KERNEL(group_calls)
{
    EXPECT_EQ(test_in_process(use_groups), 0);
    EXPECT_EQ(test_in_process(misuse_groups), 0);
}

// One that is in the group itself: it is gone when it is back in its program.
static void
kill_own_group(void)
{
    handle_t self = 0;

    EXPECT_EQ(handle_new(&process_current()->handles,
                         group_object(group_current()), UINT32_MAX, &self),
              OK);
    EXPECT_EQ(CALL(group_suspend, self), OK);
    EXPECT_EQ(CALL(group_kill, self, 8), OK);
}

TEST_KERNEL(group_killed_from_inside)
{
    struct group *g = test_new_group(group_root());
    struct process *p = test_new_process_in(g, kill_own_group);

    test_start(p);
    EXPECT_EQ(test_wait(p), 8);
    expect_ended(g);
    test_drop_group(g);
}

// --- what is used is back when it has ended ----------------------------------

// The first thread on its way out is slow; the others overtake it.
TEST_KERNEL(group_has_nothing_when_it_has_ended)
{
    struct group *g = test_new_group(group_root());
    struct code_module *code = test_compile("blocked");
    struct process *p;
    struct error error;
    char text[128];

    EXPECT_EQ(process_new(&p, g, code, "many", &error, text, sizeof(text)), OK);
    test_slow_uncharge();
    test_start(p);
    EXPECT_EQ(object_wait_one(&p->object, SIGNAL_ENDED, UINT64_MAX, NULL), OK);
    EXPECT_EQ(account_used(group_account(g), RESOURCE_THREADS), 0);
    EXPECT_EQ(account_used(group_account(g), RESOURCE_PROCESSES), 0);
    process_release(p);
    code_module_release(code);
    test_drop_group(g);
}
