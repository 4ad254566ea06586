// test/kernel/charges.c: what is taken is counted and limited, resource by
// resource: the one that asks gets the error, nobody else notices.

#include "test/kernel/calls.h"

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
    return test_create_module(name, MODULE_AT, OUT);
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
