// test/kernel/frame.c: the frame of the kernel's tests, the same on every port.

#include "test/kernel/frame.h"

#include <string.h>

// Threads that have announced their end still have to leave their stacks: until
// nothing has changed for a while.
void
test_settle(void)
{
    u64 objects = 0, heap = 0;

    for (u32 same = 0; same < 5 * port_cpu_count(); same++) {
        if (objects != object_count() || heap != heap_in_use())
            same = 0;
        objects = object_count();
        heap = heap_in_use();
        thread_yield();
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 1000000), OK);
    }
}

// What is there, of all that a test may leave behind.
struct uses {
    u64 objects, heap, of_accounts[RESOURCE_COUNT];
};

// What is only kept may have been kept since somebody was waited for.
static struct uses
uses_now(void)
{
    kept_reclaim();
    struct uses u = {.objects = object_count(), .heap = heap_in_use()};

    for (u32 r = 0; r < RESOURCE_COUNT; r++)
        u.of_accounts[r] = account_used(account_root(), (enum resource)r);
    return u;
}

static bool
is_less(const struct uses *a, const struct uses *b)
{
    bool less = a->objects < b->objects || a->heap < b->heap;

    for (u32 r = 0; r < RESOURCE_COUNT; r++)
        less |= a->of_accounts[r] < b->of_accounts[r];
    return less;
}

// Another CPU may take its time to take a thread apart: what is still there
// after that long is left behind.
static struct uses
settle_to(const struct uses *before)
{
    test_settle();
    struct uses now = uses_now();
    for (u32 ms = 0; ms < 10000 && is_less(before, &now); ms++) {
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 1000000), OK);
        now = uses_now();
    }
    return now;
}

// On a busy host programs of the first run may be there longer than we wait:
// if there is less after the second, that has to be compared with a third.
void
kernel_test_twice(void (*test)(void))
{
    enum { ROUNDS = 20 };

    test();
    test_settle();
    struct uses before = uses_now(), after = before;
    for (u32 i = 0; i < ROUNDS; i++) {
        test();
        after = settle_to(&before);
        if (!is_less(&after, &before))
            break;
        before = after;
    }
    for (u32 r = 0; r < RESOURCE_COUNT; r++)
        EXPECT_EQ(after.of_accounts[r], before.of_accounts[r]);
    EXPECT_EQ(after.objects, before.objects);
    EXPECT_EQ(after.heap, before.heap);
    u64 at = 0;
    const char *fault = test_space_fault(&at);
    if (fault != NULL)
        test_failed(__FILE__, __LINE__, fault, at, 0);
}

// --- latency -----------------------------------------------------------------

void
test_watch(void)
{
    if (port_cpu_count() == 1) // what is watched is one CPU's
        latency_watch();
}

static void
expect_at_most(u64 bound, const char *what)
{
    const void *at;

    if (port_cpu_count() > 1)
        return;
    u64 longest = latency_longest(&at);
    EXPECT(longest > 0);
    if (bound == 0)
        return;
    klog("%s: %llu of work without preemption, until %p", what,
         (unsigned long long)longest, at);
    EXPECT(longest <= bound);
}

void
test_expect_short(const char *what)
{
    expect_at_most(test_work_bound(), what);
}

void
test_expect_half(const char *what)
{
    expect_at_most(test_work_bound() / 2, what);
}

struct account *
test_account(u64 objects)
{
    struct account *a = NULL;

    EXPECT_EQ(account_new(&a, account_root()), OK);
    account_set_limit(a, RESOURCE_OBJECTS, objects);
    return a;
}

u32
test_draw(u64 *random, u32 below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (u32)((*random >> 32) % below);
}

// --- groups ------------------------------------------------------------------

struct group *
test_new_group(struct group *parent)
{
    struct group *g = NULL;

    EXPECT_EQ(group_new(&g, parent, "test"), OK);
    return g;
}

void
test_drop_group(struct group *g)
{
    object_release(group_object(g));
}

struct thread *
test_start_thread(void (*run)(void *arg), void *arg)
{
    struct thread *t = NULL;

    EXPECT_EQ(thread_new(&t, run, arg), OK);
    sched_start(t);
    return t;
}

struct thread *
test_start_blocked(void (*run)(void *arg), void *arg)
{
    struct thread *t = test_start_thread(run, arg);

    test_wait_until_blocked(t);
    return t;
}

struct thread *
test_start_at(struct group *g, u32 priority, void (*run)(void *arg), void *arg)
{
    struct thread *t = NULL;
    struct account *before = thread_charge(group_account(g));

    EXPECT_EQ(thread_new(&t, run, arg), OK);
    thread_charge(before);
    t->priority = priority;
    sched_start(t);
    return t;
}

struct thread *
test_start_in(struct group *g, void (*run)(void *arg), void *arg)
{
    return test_start_at(g, PRIORITY_DEFAULT, run, arg);
}

void
test_join(struct thread *t)
{
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    thread_release(t);
}

void
test_open_place(struct test_place *p, u32 priority, void (*serve)(void *arg),
                void *arg)
{
    p->servers = test_new_group(group_root());
    EXPECT_EQ(gate_new(&p->gate, sizeof(u64), account_root()), OK);
    EXPECT_EQ(door_new(&p->door, p->gate, 1, account_root()), OK);
    p->server = test_start_at(p->servers, priority, serve, arg);
    test_wait_until_blocked(p->server);
}

void
test_close_place(struct test_place *p)
{
    thread_kill(p->server);
    test_join(p->server);
    object_release(door_object(p->door));
    object_release(gate_object(p->gate));
    test_drop_group(p->servers);
}

void
test_spin_until(void *arg)
{
    while (!__atomic_load_n((bool *)arg, __ATOMIC_SEQ_CST))
        ;
}

// A sleep that a kill ends is over at once.
void
test_pause(u32 turn)
{
    enum { TURNS = 50, PAUSE_NS = 50000 };

    if (turn < TURNS)
        thread_yield();
    else
        (void)!thread_sleep_until(port_monotonic_ns() + PAUSE_NS);
}

static bool
sleeps_or_has_ended(const struct thread *t)
{
    u32 state = __atomic_load_n(&t->state, __ATOMIC_RELAXED);

    return state == THREAD_BLOCKED || state == THREAD_DEAD;
}

void
test_wait_until_blocked(const struct thread *t)
{
    TEST_WAIT(sleeps_or_has_ended(t));
}

void
test_lend(struct lent lent)
{
    bool on = port_interrupts_off();

    sched_lend(lent);
    port_interrupts_restore(on);
}

status_t
test_load_in(struct group *g, const char *name, struct process **out)
{
    struct code_module *code = test_compile(name);
    struct error error;
    char text[128];
    status_t status =
        process_new(out, g, code, name, &error, text, sizeof(text));

    code_module_release(code);
    return status;
}

u32
test_run_in(struct group *g, const char *name)
{
    struct process *p = NULL;

    EXPECT_EQ(test_load_in(g, name, &p), OK);
    test_start(p);
    return test_wait(p);
}

u64
test_group_used(const struct group *g, enum resource r)
{
    return account_used(group_account(g), r);
}

void
test_expect_unused(const struct group *g)
{
    for (u32 r = 0; r < RESOURCE_COUNT; r++) {
        for (u32 i = 0; i < 20000 && test_group_used(g, (enum resource)r) > 0;
             i++)
            EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 500000), OK);
        EXPECT_EQ(test_group_used(g, (enum resource)r), 0);
    }
}

void
test_reclaim_kept(const struct group *g)
{
    for (u32 i = 0; i < 20000 && test_group_used(g, RESOURCE_CODE) > 0; i++) {
        kept_reclaim();
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 500000), OK);
    }
}

// --- modules -----------------------------------------------------------------

struct bytes
test_module_bytes(const struct test_module *m)
{
    return (struct bytes){(u8 *)(u64)m->start, (u64)(m->end - m->start)};
}

struct bytes
test_module_named(const char *name)
{
    for (u32 i = 0; i < test_module_count; i++)
        if (strcmp(test_modules[i].name, name) == 0)
            return test_module_bytes(&test_modules[i]);
    panic(__FILE__, __LINE__, name);
}

struct code_module *
test_compile(const char *name)
{
    struct code_module *code = NULL;
    struct error error;

    EXPECT_EQ(code_module_new(&code, test_module_named(name), &error), OK);
    return code;
}

struct process *
test_process(const char *name)
{
    struct code_module *code = test_compile(name);
    struct process *p = NULL;
    struct error error;
    char text[128];

    EXPECT_EQ(process_new(&p, NULL, code, name, &error, text, sizeof(text)),
              OK);
    code_module_release(code);
    return p;
}

void
test_start(struct process *p)
{
    EXPECT_EQ(process_start(p), OK);
}

u32
test_wait(struct process *p)
{
    u32 status = UINT32_MAX;

    EXPECT_EQ(process_wait(p, UINT64_MAX, &status), OK);
    process_release(p);
    return status;
}

u32
test_run_module(const char *name)
{
    struct process *p = test_process(name);

    test_start(p);
    return test_wait(p);
}
