// test/kernel/hostile.c: programs that take all they can, or wait for what does
// not come: others go on meanwhile, and whatever one is at when its group is
// killed, all comes back.

#include "test/kernel/calls.h"

enum { OUT = 64, MODULE_AT = 8192 };

static void
limit(struct group *g, enum resource r, u64 most)
{
    account_set_limit(group_account(g), r, most);
}

// --- what they do ------------------------------------------------------------

static handle_t
module_of(const char *name)
{
    return test_create_module(name, MODULE_AT, OUT) == OK ? test_load32(OUT) :
                                                            0;
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
        (void)!(module_of("crowd") + module_of("wide"));
}

// Of which nobody but we has a word: we wait for ourselves.
static void
wait_for_own_pfex(void)
{
    EXPECT_EQ(CALL(pfex_acquire, OUT), OK);
    EXPECT_EQ(CALL(pfex_acquire, OUT), ERR_KILLED);
}

static void
flood_log(void)
{
    while (!thread_is_killed())
        (void)!CALL(log_write, OUT, 3);
}

// Where nobody reads what is written.
static void
flood_console(void)
{
    u8 bytes[256] = {0};
    u64 count;

    while (!thread_is_killed())
        (void)!console_write(PORT_STDOUT, bytes, sizeof(bytes), UINT64_MAX,
                             &count);
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
    static const char *const programs[] = {"spin", "bomb",    "crowd", "tables",
                                           "grow", "recurse", "wipe"};

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
    static void (*const bodies[])(void) = {
        bomb_processes, hoard_objects,  flood_channel,     compile_for_ever,
        misuse_pfex,    group_in_group, wait_for_own_pfex, flood_log};

    for (u32 i = 0; i < 2 * COUNT(bodies); i++) {
        struct group *g = test_new_group(group_root());

        contain(test_new_process_in(g, bodies[i / 2]), g, i % 2 == 0 ? 2 : 5);
        test_drop_group(g);
    }
}

TEST_KERNEL(hostile_output_is_contained)
{
    test_console_stop(true);
    for (u32 i = 0; i < 2; i++) {
        struct group *g = test_new_group(group_root());

        contain(test_new_process_in(g, flood_console), g, i == 0 ? 2 : 5);
        test_drop_group(g);
    }
    test_console_stop(false);
}
