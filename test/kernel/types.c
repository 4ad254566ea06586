// test/kernel/types.c: type ids: equal types, counts near their ends, hundreds
// of thousands of types, in as many groups and in one.

#include "test/kernel/frame.h"

#include <string.h>

// --- counts ------------------------------------------------------------------

TEST_KERNEL(counts_stay_at_their_end)
{
    u32 count = COUNT_STUCK - 1;

    EXPECT(!count_down(&count));
    count_up(&count);
    count_up(&count); // from here on it stays
    EXPECT_EQ(count, COUNT_STUCK);
    count_up(&count);
    EXPECT_EQ(count, COUNT_STUCK);
    EXPECT(!count_down(&count));
    EXPECT_EQ(count, COUNT_STUCK);
    count = 2;
    EXPECT(!count_down(&count));
    EXPECT(count_down(&count));
    EXPECT_EQ(count, 0);
}

// An object whose references are too many to count is never freed.
TEST_KERNEL(object_references_do_not_wrap)
{
    struct process *p;

    EXPECT_EQ(process_new_empty(&p, NULL, "held"), OK);
    p->object.references = COUNT_STUCK - 2;
    for (u32 i = 0; i < 5; i++)
        object_hold(&p->object);
    for (u32 i = 0; i < 10; i++)
        object_release(&p->object);
    EXPECT_EQ(p->object.references, COUNT_STUCK);
    p->object.references = 1;
    process_release(p);
}

// Neither importing a function nor starting a thread takes a reference.
TEST_KERNEL(host_types_are_registered_once)
{
    u32 *one = types_references(types_host("i:"));
    u32 *two = types_references(types_host("ii:"));
    u32 before_one = *one, before_two = *two, alive = types_alive();

    for (u32 i = 0; i < 100; i++) {
        EXPECT(types_host("i:") != 0);
        EXPECT(types_host("ii:") != 0);
    }
    EXPECT_EQ(test_run_module("wasi_threads"), 42);
    EXPECT_EQ(test_run_module("exit_thread"), test_run_module("exit_thread"));
    EXPECT_EQ(*one, before_one);
    EXPECT_EQ(*two, before_two);
    EXPECT_EQ(types_alive(), alive);
}

// A type that too many hold keeps its id for good.
TEST_KERNEL(type_references_do_not_wrap)
{
    static const valtype_t vals[] = {VAL_V128, VAL_F32, VAL_V128, VAL_F32};
    struct type type = {.kind = TYPE_FUNC,
                        .final = true,
                        .super = NO_INDEX,
                        .group_size = 1,
                        .param_count = COUNT(vals),
                        .vals = vals};
    struct module m = {.type_count = 1, .types = &type};
    u32 id, again;

    EXPECT_EQ(types_register(&m, &id), OK);
    u32 alive = types_alive();
    *types_references(id) = COUNT_STUCK - 1;
    for (u32 i = 0; i < 4; i++) {
        EXPECT_EQ(types_register(&m, &again), OK);
        EXPECT_EQ(again, id);
    }
    for (u32 i = 0; i < 8; i++)
        types_release(&again, 1);
    EXPECT_EQ(types_alive(), alive);
    EXPECT_EQ(types_register(&m, &again), OK);
    EXPECT_EQ(again, id);
    *types_references(id) = 1;
    types_release(&id, 1);
    EXPECT_EQ(types_alive(), alive - 1);
}

// Thread ids begin again without meeting one that is in use.
TEST_KERNEL(thread_ids_begin_again)
{
    struct program_thread a = {0}, b = {0}, c = {0};
    struct process *p;

    EXPECT_EQ(process_new_empty(&p, NULL, "ids"), OK);
    EXPECT_EQ(process_add_thread(p, &a), OK);
    EXPECT(!p->handles.shared);
    EXPECT_EQ(a.execution.id, 1);
    p->last_thread_id = THREAD_ID_MAX - 1;
    EXPECT_EQ(process_add_thread(p, &b), OK);
    EXPECT(p->handles.shared);
    EXPECT_EQ(b.execution.id, THREAD_ID_MAX);
    EXPECT_EQ(process_add_thread(p, &c), OK);
    EXPECT_EQ(c.execution.id, 2);
    EXPECT(p->thread_ids[0] == 6);
    while (!list_empty(&p->threads))
        list_remove(p->threads.next);
    memset(p->thread_ids, 0, sizeof(p->thread_ids));
    p->store->thread_count = 0;
    account_uncharge(p->account, RESOURCE_THREADS, 3);
    p->object.references = 1;
    process_release(p);
}

// --- many types --------------------------------------------------------------

enum { MANY = 150000, PARAMS = 9 };

static struct {
    struct type *types;
    valtype_t *vals;
    u32 *ids;
} many;

// MANY types of functions, all different; in groups of `group` types.
static struct module
make_many(u32 group)
{
    static const valtype_t letters[] = {VAL_I32, VAL_I64, VAL_F32, VAL_F64};

    many.types = kernel_alloc(MANY * sizeof(*many.types));
    many.vals = kernel_alloc(MANY * PARAMS * sizeof(*many.vals));
    many.ids = kernel_alloc(MANY * sizeof(*many.ids));
    EXPECT(many.types != NULL && many.vals != NULL && many.ids != NULL);
    for (u32 i = 0; i < MANY; i++) {
        valtype_t *vals = &many.vals[i * PARAMS];
        for (u32 k = 0; k < PARAMS; k++)
            vals[k] = letters[i >> 2 * k & 3];
        many.types[i] = (struct type){.kind = TYPE_FUNC,
                                      .final = true,
                                      .super = NO_INDEX,
                                      .group = i - i % group,
                                      .group_size = group,
                                      .param_count = PARAMS,
                                      .vals = vals};
    }
    return (struct module){.type_count = MANY, .types = many.types};
}

static void
free_many(void)
{
    kernel_free(many.types);
    kernel_free(many.vals);
    kernel_free(many.ids);
}

static void
register_many(u32 group)
{
    struct module m = make_many(group);
    u32 alive = types_alive();

    u32 *again = kernel_alloc(MANY * sizeof(*again));
    EXPECT(again != NULL);
    EXPECT_EQ(types_register(&m, many.ids), OK);
    EXPECT_EQ(types_alive(), alive + MANY / group);
    EXPECT_EQ(types_register(&m, again), OK);
    EXPECT_EQ(types_alive(), alive + MANY / group);
    EXPECT(memcmp(many.ids, again, MANY * sizeof(*again)) == 0);
    types_release(again, MANY);
    EXPECT_EQ(types_alive(), alive + MANY / group);
    types_release(many.ids, MANY);
    EXPECT_EQ(types_alive(), alive);
    kernel_free(again);
    free_many();
}

TEST_KERNEL(many_types_in_many_groups)
{
    register_many(1);
}

TEST_KERNEL(many_types_in_one_group)
{
    register_many(MANY);
}

// Whatever commit fails on the way, nothing is left behind.
TEST_KERNEL(no_memory_for_types)
{
    struct module m = make_many(1);
    u32 alive = types_alive();

    for (u64 n = 0; n < 40; n++) {
        test_fail_commits(n);
        m.type_count = 20000;
        status_t status = types_register(&m, many.ids);
        test_fail_commits(UINT64_MAX);
        if (status == OK)
            types_release(many.ids, m.type_count);
        else
            EXPECT_EQ(status, ERR_NO_MEMORY);
        EXPECT_EQ(types_alive(), alive);
    }
    free_many();
}
