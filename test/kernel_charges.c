// test/kernel_charges.c: what is taken is counted and limited, resource by
// resource: the one that asks gets the error, nobody else notices; and whatever
// a program is at when its group is killed, all comes back.

#include "test/kernel_calls.h"

#include <string.h>

enum { OUT = 64, NAME = 512, MODULE_AT = 8192 };

static void
limit(struct group *g, enum resource r, u64 most)
{
    account_set_limit(group_account(g), r, most);
}

// --- memory ------------------------------------------------------------------

TEST_KERNEL(memory_is_charged)
{
    struct group *g = test_new_group(group_root()),
                 *other = test_new_group(group_root());

    limit(g, RESOURCE_MEMORY, 12 * MIB);
    u32 times = test_run_in(g, "grow");
    EXPECT(times >= 10 && times <= 11); // the stack has its part
    test_expect_unused(g);
    limit(other, RESOURCE_MEMORY, 6 * MIB);
    times = test_run_in(other, "grow");
    EXPECT(times >= 4 && times <= 5);
    EXPECT(account_limit(group_account(g), RESOURCE_MEMORY) == 12 * MIB);
    test_drop_group(g);
    test_drop_group(other);
}

TEST_KERNEL(memory_that_a_process_begins_with)
{
    struct group *g = test_new_group(group_root());
    struct process *p = NULL;

    limit(g, RESOURCE_MEMORY, 4 * MIB);
    EXPECT_EQ(test_load_in(g, "fill", &p), ERR_NO_MEMORY);
    limit(g, RESOURCE_MEMORY, 4 * MIB + 64 * KIB); // but no stack
    EXPECT_EQ(test_load_in(g, "fill", &p), OK);
    EXPECT(process_start(p) != OK);
    process_release(p);
    limit(g, RESOURCE_MEMORY, UINT64_MAX);
    limit(g, RESOURCE_ADDRESSES, 8 * GIB - 1);
    EXPECT_EQ(test_load_in(g, "fill", &p), ERR_NO_MEMORY);
    limit(g, RESOURCE_ADDRESSES, 8 * GIB);
    EXPECT_EQ(test_run_in(g, "fill"), 0);
    test_expect_unused(g);
    limit(g, RESOURCE_KERNEL, 1000);
    EXPECT_EQ(test_load_in(g, "fill", &p), ERR_LIMIT);
    test_expect_unused(g);
    test_drop_group(g);
}

// --- what calls take ---------------------------------------------------------

static u32
take_events(void)
{
    u32 count = 0;
    status_t status;

    while ((status = CALL(event_create, OUT)) == OK)
        count++;
    EXPECT_EQ(status, ERR_LIMIT);
    return count;
}

static void
take_handles(void)
{
    struct group *g = group_current();

    limit(g, RESOURCE_HANDLES, 100);
    EXPECT_EQ(take_events(), 100);
    EXPECT_EQ(CALL(handle_duplicate, test_load32(OUT), 0, OUT), ERR_LIMIT);
    EXPECT_EQ(CALL(handle_close, test_load32(OUT)), OK);
    EXPECT_EQ(test_group_used(g, RESOURCE_HANDLES), 99);
    EXPECT_EQ(CALL(channel_create, OUT, OUT + 4), ERR_LIMIT); // it needs two
    EXPECT_EQ(test_group_used(g, RESOURCE_HANDLES), 99);
    limit(g, RESOURCE_HANDLES, UINT64_MAX);
    u64 objects = test_group_used(g, RESOURCE_OBJECTS);
    limit(g, RESOURCE_OBJECTS, objects + 4096);
    EXPECT(take_events() > 10);
    EXPECT(test_group_used(g, RESOURCE_OBJECTS) <= objects + 4096);
}

static void
carry_handles(void)
{
    struct group *g = group_current();

    EXPECT_EQ(CALL(channel_create, OUT, OUT + 4), OK);
    handle_t ends[2] = {test_load32(OUT), test_load32(OUT + 4)};
    EXPECT_EQ(CALL(event_create, OUT + 8), OK);
    limit(g, RESOURCE_HANDLES, 3);
    EXPECT_EQ(CALL(event_create, OUT + 12), ERR_LIMIT);
    // One that leaves needs no place, and gives none back on its way.
    EXPECT_EQ(CALL(channel_write, ends[0], 0, 0, OUT + 8, 1), OK);
    EXPECT_EQ(test_group_used(g, RESOURCE_HANDLES), 3);
    EXPECT_EQ(CALL(channel_read, ends[1], 0, 0, 0, OUT + 8, 1, OUT, OUT + 4),
              ERR_LIMIT);
    limit(g, RESOURCE_HANDLES, 4);
    EXPECT_EQ(CALL(channel_read, ends[1], 0, 0, 0, OUT + 8, 1, OUT, OUT + 4),
              OK);
    EXPECT_EQ(test_group_used(g, RESOURCE_HANDLES), 3);
}

static status_t
compile(const char *name)
{
    for (u32 i = 0; i < test_module_count; i++) {
        struct bytes bytes = test_module_bytes(&test_modules[i]);
        if (strcmp(test_modules[i].name, name) != 0)
            continue;
        memcpy(test_memory(MODULE_AT), bytes.ptr, bytes.size);
        return CALL(module_create, MODULE_AT, bytes.size, 0, 0, OUT);
    }
    panic(__FILE__, __LINE__, name);
}

static void
take_code(void)
{
    struct group *g = group_current();

    EXPECT_EQ(compile("crowd"), OK);
    u64 code = test_group_used(g, RESOURCE_CODE),
        types = test_group_used(g, RESOURCE_TYPES);
    EXPECT(code > 0 && types > 0);
    EXPECT_EQ(CALL(handle_close, test_load32(OUT)), OK);
    EXPECT_EQ(test_group_used(g, RESOURCE_CODE), code); // it is kept
    EXPECT_EQ(test_group_used(g, RESOURCE_TYPES), types);
    limit(g, RESOURCE_CODE, code - 1);
    EXPECT_EQ(test_group_used(g, RESOURCE_CODE), 0);
    EXPECT_EQ(test_group_used(g, RESOURCE_TYPES), 0);
    EXPECT(compile("crowd") != OK);
    EXPECT_EQ(test_group_used(g, RESOURCE_CODE), 0);
    limit(g, RESOURCE_CODE, UINT64_MAX);
    limit(g, RESOURCE_TYPES, types - 1);
    EXPECT_EQ(compile("crowd"), ERR_LIMIT);
    EXPECT_EQ(test_group_used(g, RESOURCE_TYPES), 0);
    limit(g, RESOURCE_TYPES, types);
    EXPECT_EQ(compile("crowd"), OK);
}

TEST_KERNEL(calls_are_charged)
{
    static void (*const bodies[])(void) = {take_handles, carry_handles,
                                           take_code};

    for (u32 i = 0; i < COUNT(bodies); i++) {
        struct group *g = test_new_group(group_root());
        struct process *p = test_new_process_in(g, bodies[i]);

        test_start(p);
        EXPECT_EQ(test_wait(p), 0);
        test_reclaim_kept(g);
        test_expect_unused(g);
        test_drop_group(g);
    }
}

// --- killed in the middle ----------------------------------------------------

static handle_t
module_of(const char *name)
{
    return compile(name) == OK ? test_load32(OUT) : 0;
}

static void
bomb_processes(void)
{
    handle_t module = module_of("spin");

    while (!thread_is_killed())
        (void)!CALL(process_spawn, module, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                    OUT);
}

static void
hoard_objects(void)
{
    while (!thread_is_killed()) {
        (void)!CALL(event_create, OUT);
        (void)!CALL(stream_create, 4096, 4096, OUT, OUT + 4);
        (void)!CALL(timer_create, OUT);
    }
}

static void
flood_channel(void)
{
    while (!thread_is_killed()) {
        if (CALL(channel_create, OUT, OUT + 4) != OK)
            continue;
        handle_t end = test_load32(OUT);
        while (CALL(channel_write, end, 0, 65536, 0, 0) == OK)
            ;
    }
}

static void
compile_for_ever(void)
{
    while (!thread_is_killed())
        (void)!compile("crowd");
}

static void
misuse_pfex(void)
{
    for (u32 at = 0; !thread_is_killed(); at += 7919) {
        (void)!CALL(pfex_release, at);
        if (at % 4 != 0 || at > TEST_MEMORY)
            EXPECT(CALL(pfex_acquire, at) != OK);
    }
}

static void
group_in_group(void)
{
    handle_t g = 0;

    EXPECT_EQ(handle_new(&process_current()->handles,
                         group_object(group_current()), UINT32_MAX, &g),
              OK);
    while (!thread_is_killed()) {
        (void)!CALL(group_create, g, 0, 0, 0, 0, OUT);
        (void)!CALL(group_create, test_load32(OUT), 0, 0, 0, 0, OUT);
    }
}

// Anybody else goes on: a thread of the root, and one of a group beside the
// hostile one, that wake each millisecond, and are never late by more than
// LATE_NS, where that can be said (see test_work()).  (The most is 1.2 ms, for
// the stack of a thread that has ended, each byte of which these builds poison;
// without that, 0.4.)
enum { LATE_NS = 2000000 };
// So many instructions after it was killed all of it is gone; where all memory
// that is freed is poisoned, in eight times as many.
enum { GONE_NS = CHECKED ? 40000000 : 5000000 };

struct canary {
    struct thread *thread;
    bool stop;
    u32 rounds;
    u64 late; // at most
};

static void
sing(void *arg)
{
    struct canary *c = arg;

    while (!__atomic_load_n(&c->stop, __ATOMIC_SEQ_CST)) {
        u64 wakes_at = port_monotonic_ns() + 1000000;
        EXPECT_EQ(thread_sleep_until(wakes_at), OK);
        c->late = MAX(c->late, port_monotonic_ns() - wakes_at);
        __atomic_fetch_add(&c->rounds, 1, __ATOMIC_SEQ_CST);
    }
}

static void
start_canary(struct canary *c, struct group *g)
{
    struct account *before = thread_charge(group_account(g));

    EXPECT_EQ(thread_new(&c->thread, sing, c), OK);
    thread_charge(before);
    sched_start(c->thread);
}

static void
end_canary(struct canary *c)
{
    __atomic_store_n(&c->stop, true, __ATOMIC_SEQ_CST);
    EXPECT_EQ(thread_join(c->thread, UINT64_MAX), OK);
    thread_release(c->thread);
    if (test_work_bound() != 0)
        EXPECT(c->late < LATE_NS);
}

static void
set_limits(struct group *g)
{
    limit(g, RESOURCE_MEMORY, 24 * MIB);
    limit(g, RESOURCE_KERNEL, 4 * MIB);
    limit(g, RESOURCE_OBJECTS, 2 * MIB);
    limit(g, RESOURCE_ADDRESSES, 256 * GIB);
    limit(g, RESOURCE_HANDLES, 2000);
    limit(g, RESOURCE_THREADS, 12);
    limit(g, RESOURCE_PROCESSES, 6);
    limit(g, RESOURCE_GROUPS, 30);
    limit(g, RESOURCE_CODE, 48 * MIB);
    limit(g, RESOURCE_TYPES, 1000);
}

// In its group, for some rounds of the canaries; then the group is killed, and
// all is as it was.
static void
contain(struct process *p, struct group *g, u32 rounds)
{
    struct group *beside = test_new_group(group_root());
    struct canary canaries[2] = {0};

    start_canary(&canaries[0], group_root());
    start_canary(&canaries[1], beside);
    set_limits(g);
    test_start(p);
    for (u32 i = 0; i < COUNT(canaries); i++)
        while (__atomic_load_n(&canaries[i].rounds, __ATOMIC_SEQ_CST) < rounds)
            EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 1000000), OK);
    u64 killed_at = port_monotonic_ns();
    group_kill(g, 99);
    EXPECT_EQ(object_wait_one(group_object(g), SIGNAL_ENDED, UINT64_MAX, NULL),
              OK);
    u64 gone = port_monotonic_ns() - killed_at;
    if (test_work_bound() != 0)
        EXPECT_EQ(gone > GONE_NS ? gone : 0, 0); // which shows it
    for (u32 i = 0; i < COUNT(canaries); i++)
        end_canary(&canaries[i]);
    process_release(p);
    test_expect_unused(g);
    test_drop_group(beside);
}

TEST_KERNEL(hostile_programs_are_contained)
{
    static const char *const programs[] = {"spin",   "bomb", "crowd",
                                           "tables", "grow", "recurse"};

    for (u32 i = 0; i < 2 * COUNT(programs); i++) {
        struct group *g = test_new_group(group_root());
        struct process *p = NULL;

        EXPECT_EQ(test_load_in(g, programs[i / 2], &p), OK);
        contain(p, g, i % 2 == 0 ? 2 : 5);
        test_drop_group(g);
    }
}

TEST_KERNEL(hostile_calls_are_contained)
{
    static void (*const bodies[])(void) = {bomb_processes, hoard_objects,
                                           flood_channel,  compile_for_ever,
                                           misuse_pfex,    group_in_group};

    for (u32 i = 0; i < 2 * COUNT(bodies); i++) {
        struct group *g = test_new_group(group_root());

        contain(test_new_process_in(g, bodies[i / 2]), g, i % 2 == 0 ? 2 : 5);
        test_drop_group(g);
    }
}

// --- limits below what is used -----------------------------------------------

// What was reserved is there, whatever the limit is by then; and who takes
// nothing is not refused.
TEST_KERNEL(charges_of_nothing)
{
    struct account *a = NULL;
    struct handle_table t = {.slots = 0};
    struct group *g = NULL;
    handle_t handle;

    EXPECT_EQ(account_new(&a, account_root()), OK);
    handle_table_init(&t, a);
    EXPECT_EQ(group_new(&g, group_root(), "g"), OK);
    struct object *o = group_object(g);
    object_hold_handle(o);
    struct carried carried = {o, o->type->rights};
    EXPECT_EQ(handle_table_reserve(&t, 1), OK);
    account_set_limit(a, RESOURCE_HANDLES, 0);
    EXPECT_EQ(handle_put(&t, &carried, &handle, 1), OK);
    EXPECT_EQ(handle_put(&t, &carried, &handle, 0), OK);
    EXPECT(account_charge(a, RESOURCE_HANDLES, 0));
    EXPECT(!account_charge(a, RESOURCE_HANDLES, 1));
    handle_table_free(&t);
    object_release(o);
    account_release(a);
}
