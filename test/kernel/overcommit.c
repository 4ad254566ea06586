// test/kernel/overcommit.c: groups whose memories may be larger than what they
// are promised: who touches what is not there traps, and nobody else notices.

#include "test/kernel/calls.h"

#include <string.h>

enum { OUT = 64, SIZE = 160 }; // of a memory, in pages of 64 KiB

static struct memory *
new_memory(struct group *g, u64 pages)
{
    struct account *before = thread_charge(group_account(g));
    struct limits type = {.min = pages, .page_log2 = 16};
    struct memory *m = NULL;
    status_t status = memory_new(&m, &type);

    thread_charge(before);
    EXPECT_EQ(status == OK, m != NULL);
    return m;
}

static u64
memory_of(struct group *g)
{
    return test_group_used(g, RESOURCE_MEMORY);
}

static u64
cost_of(u64 pages)
{
    return port_promise_pages(pages * COMMIT_STEP) * PAGE_SIZE;
}

static void
set(struct group *g, u32 percent, u64 limit)
{
    account_set_overcommit(group_account(g), percent);
    account_set_limit(group_account(g), RESOURCE_MEMORY, limit);
}

static void
end_group(struct group *g)
{
    test_expect_unused(g);
    test_drop_group(g);
}

// Touch page after page; how many there were.
static u64
touch_all(struct memory *m)
{
    u64 pages = memory_size(m) / COMMIT_STEP, at = 0;

    while (at < pages && memory_touch(m, at * COMMIT_STEP, 1)) {
        m->base[at * COMMIT_STEP] = 1;
        at++;
    }
    return at;
}

// --- calls -------------------------------------------------------------------

static void
use_calls(void)
{
    handle_t g = test_handle(&group_type, UINT32_MAX);

    EXPECT_EQ(CALL(group_get_overcommit, g, OUT), OK);
    EXPECT_EQ(test_load32(OUT), 100);
    EXPECT_EQ(CALL(group_set_overcommit, g, 99), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(group_set_overcommit, g, LIMIT_OVERCOMMIT + 1),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(group_set_overcommit, g, LIMIT_OVERCOMMIT), OK);
    EXPECT_EQ(CALL(group_create, g, 0, 0, 0, 0, OUT + 4), OK);
    handle_t inside = test_load32(OUT + 4);
    EXPECT_EQ(CALL(group_get_overcommit, inside, OUT), OK);
    EXPECT_EQ(test_load32(OUT), LIMIT_OVERCOMMIT);
    EXPECT_EQ(CALL(group_set_overcommit, inside, 100), OK);
    EXPECT_EQ(CALL(group_get_overcommit, inside, OUT), OK);
    EXPECT_EQ(test_load32(OUT), 100);
    EXPECT_EQ(CALL(group_set_overcommit, inside, 0), OK);
    EXPECT_EQ(CALL(group_set_overcommit, g, 0), OK);
    EXPECT_EQ(CALL(group_get_overcommit, inside, OUT), OK);
    EXPECT_EQ(test_load32(OUT), 100);
}

TEST_KERNEL(overcommit_by_calls)
{
    EXPECT_EQ(test_in_process(use_calls), 0);
}

// --- what is charged ---------------------------------------------------------

TEST_KERNEL(overcommit_takes_what_is_touched)
{
    struct group *g = test_new_group(group_root());

    set(g, 100, cost_of(SIZE / 2));
    EXPECT(new_memory(g, SIZE) == NULL);
    set(g, 400, cost_of(SIZE / 2));
    struct memory *m = new_memory(g, SIZE);
    EXPECT_EQ(memory_of(g), cost_of(SIZE / 4));
    for (u64 at = 0; at < SIZE / 4; at++)
        EXPECT(memory_touch(m, at * COMMIT_STEP, COMMIT_STEP));
    EXPECT_EQ(memory_of(g), cost_of(SIZE / 4));
    EXPECT_EQ(touch_all(m), SIZE / 2);
    EXPECT_EQ(memory_of(g), cost_of(SIZE / 2));
    set(g, 400, UINT64_MAX);
    EXPECT_EQ(touch_all(m), SIZE);
    EXPECT_EQ(memory_of(g), cost_of(SIZE));
    object_release(&m->object);
    end_group(g);
}

// A page here and there needs a table each; what is promised for all is enough.
TEST_KERNEL(overcommit_of_pages_far_apart)
{
    struct group *g = test_new_group(group_root());
    const u64 apart = 2 * MIB / COMMIT_STEP;

    set(g, LIMIT_OVERCOMMIT, UINT64_MAX);
    struct memory *m = new_memory(g, 64 * apart);
    for (u64 at = 64; at-- > 0;) {
        EXPECT(memory_touch(m, at * apart * COMMIT_STEP, 1));
        m->base[at * apart * COMMIT_STEP] = 1;
    }
    EXPECT(memory_of(g) >= 64 * COMMIT_STEP);
    EXPECT(memory_of(g) <= 3 * 64 * COMMIT_STEP);
    object_release(&m->object);
    end_group(g);
}

TEST_KERNEL(overcommit_of_growth)
{
    struct group *g = test_new_group(group_root());

    set(g, 200, cost_of(SIZE / 2));
    struct memory *m = new_memory(g, 2);
    EXPECT_EQ(memory_of(g), cost_of(1));
    EXPECT_EQ(memory_grow(m, SIZE - 2), 2);
    EXPECT_EQ(memory_of(g), cost_of(SIZE / 2));
    EXPECT_EQ(memory_grow(m, 2), UINT64_MAX);
    set(g, 100, cost_of(SIZE)); // less from now on
    EXPECT_EQ(memory_grow(m, 2), UINT64_MAX);
    EXPECT_EQ(memory_grow(m, 0), SIZE);
    EXPECT_EQ(memory_of(g), cost_of(SIZE));
    object_release(&m->object);
    end_group(g);
}

// --- the machine has no more -------------------------------------------------

enum { HOGS = 64 };

static u32
promise_rest(struct memory **hogs)
{
    struct limits type = {.page_log2 = 16};
    u64 available, total;
    u32 made = 0;

    port_memory_info(&available, &total);
    for (u64 pages = available / (64 * KIB); pages > 0 && made < HOGS;) {
        type.min = MIN(pages, LIMIT_PAGES);
        if (memory_new(&hogs[made], &type) == OK)
            made++;
        else
            pages = MIN(pages, LIMIT_PAGES) / 2;
    }
    EXPECT(made > 0 && made < HOGS);
    return made;
}

TEST_KERNEL(overcommit_of_a_machine)
{
    struct group *g = test_new_group(group_root());
    struct memory *hogs[HOGS];
    struct limits type = {.min = SIZE, .page_log2 = 16};
    struct memory *promised = NULL;

    EXPECT_EQ(memory_new(&promised, &type), OK);
    set(g, 1000, UINT64_MAX);
    struct memory *m = new_memory(g, SIZE);
    u32 made = promise_rest(hogs);
    u64 got = touch_all(m);
    EXPECT(got >= SIZE / 10 && got < SIZE);
    EXPECT_EQ(memory_of(g), cost_of(m->promise.size / COMMIT_STEP));
    EXPECT_EQ(touch_all(promised), SIZE); // whatever others want
    while (made > 0)
        object_release(&hogs[--made]->object);
    EXPECT_EQ(touch_all(m), SIZE);
    object_release(&m->object);
    object_release(&promised->object);
    end_group(g);
}

// --- programs ----------------------------------------------------------------

static struct group *program_group;
enum { FILL_PAGES = 64, TRAPPED = 134 };

static void
run_fill(void)
{
    EXPECT_EQ(test_run_in(program_group, "fill"), TRAPPED);
}

// It declares 4 MiB and touches all.
TEST_KERNEL(overcommit_ends_in_a_trap)
{
    char log[512];

    program_group = test_new_group(group_root());
    set(program_group, 400, 3 * MIB);
    test_log(log, sizeof(log), run_fill);
    EXPECT(strstr(log, "trap: out of memory") != NULL);
    EXPECT(strstr(log, "its group overcommits, 400 percent") != NULL);
    test_expect_unused(program_group);
    set(program_group, 400, 8 * MIB);
    EXPECT_EQ(test_run_in(program_group, "fill"), 0);
    end_group(program_group);
}

// The same where the kernel touches what a call names.
static void
read_random(void)
{
    struct memory *m = caller_memory();

    account_set_overcommit(group_account(group_current()), LIMIT_OVERCOMMIT);
    EXPECT_EQ(memory_grow(m, SIZE), TEST_MEMORY / COMMIT_STEP);
    set(group_current(), LIMIT_OVERCOMMIT,
        memory_of(group_current()) + 4 * COMMIT_STEP);
    EXPECT_EQ(CALL(random_get, TEST_MEMORY, COMMIT_STEP), OK);
    EXPECT(CALL(random_get, TEST_MEMORY, SIZE * COMMIT_STEP) != OK);
}

TEST_KERNEL(overcommit_ends_in_a_trap_of_a_call)
{
    struct group *g = test_new_group(group_root());
    struct code_module *host = test_compile("host");
    struct account *before = thread_charge(group_account(g));
    struct process *p = NULL;

    EXPECT_EQ(test_process_of(&p, g, host, read_random), OK);
    thread_charge(before);
    code_module_release(host);
    test_start(p);
    EXPECT_EQ(test_wait(p), TRAPPED);
    end_group(g);
}

// --- at once -----------------------------------------------------------------

enum { TOUCHERS = 6 };

static struct {
    struct memory *m;
    u64 touched, left;
} together;

// Each touches all, from another side.
static void
touch_some(void *arg)
{
    u64 step = 2 * (u64)arg + 1; // SIZE is no multiple of 3, 7, 9, 11

    for (u64 i = 0; i < SIZE; i++)
        if (memory_touch(together.m, i * step % SIZE * COMMIT_STEP, 1))
            COUNT_UP(together.touched);
    COUNT_DOWN(together.left);
}

TEST_KERNEL(overcommit_by_several_threads)
{
    struct group *g = test_new_group(group_root());
    struct thread *threads[TOUCHERS];

    for (u32 round = 0; round < 2; round++) {
        u64 limit = round == 0 ? cost_of(SIZE / 2) : UINT64_MAX;
        set(g, 1000, limit);
        together.m = new_memory(g, SIZE);
        together.left = TOUCHERS;
        together.touched = 0;
        for (u64 i = 0; i < TOUCHERS; i++) {
            threads[i] = test_start_thread(touch_some, (void *)i);
        }
        for (u32 i = 0; i < TOUCHERS; i++) {
            EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
            thread_release(threads[i]);
        }
        EXPECT_EQ(COUNT_OF(together.left), 0);
        EXPECT_EQ(memory_of(g),
                  cost_of(together.m->promise.size / COMMIT_STEP));
        EXPECT(memory_of(g) <= limit);
        EXPECT(round == 0 || together.touched == TOUCHERS * SIZE);
        object_release(&together.m->object);
    }
    end_group(g);
}
