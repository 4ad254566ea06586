// test/kernel/latency.c: long work in the kernel lets others run.

#include "test/kernel/frame.h"

// --- types -------------------------------------------------------------------

enum { MANY = 60000, PARAMS = 8 };

static void
register_types(u32 group, const char *what)
{
    struct type *types = kernel_alloc(MANY * sizeof(*types));
    valtype_t *vals = kernel_alloc(MANY * PARAMS * sizeof(*vals));
    u32 *ids = kernel_alloc(MANY * sizeof(*ids));
    struct module m = {.type_count = MANY, .types = types};

    EXPECT(types != NULL && vals != NULL && ids != NULL);
    for (u32 i = 0; i < MANY; i++) {
        for (u32 k = 0; k < PARAMS; k++)
            vals[i * PARAMS + k] = (i >> 2 * k & 3) + VAL_I32;
        types[i] = (struct type){.kind = TYPE_FUNC,
                                 .final = true,
                                 .super = NO_INDEX,
                                 .group = i - i % group,
                                 .group_size = group,
                                 .param_count = PARAMS,
                                 .vals = &vals[i * PARAMS]};
    }
    test_watch();
    EXPECT_EQ(types_register(&m, ids), OK);
    types_release(ids, MANY);
    test_expect_short(what);
    kernel_free(types);
    kernel_free(vals);
    kernel_free(ids);
}

TEST_KERNEL(latency_of_types)
{
    register_types(1, "types in groups");
    register_types(MANY, "types in one group");
}

// --- tables ------------------------------------------------------------------

TEST_KERNEL(latency_of_tables)
{
    struct table_type type = {.kind = REF_EXTERN, .limits = {.min = 1}};
    const u64 count = 2000000;
    struct live_table *t;
    struct store *s;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(table_new(&t, s, &type, 0), OK);
    test_watch();
    EXPECT_EQ(table_grow(t, count, 7), 1);
    test_expect_short("table.grow");
    test_watch();
    EXPECT_EQ(table_fill(t, 0, 8, count), OK);
    table_copy(t, 1, t, 0, count);
    object_release(&t->object);
    test_expect_short("table.fill, table.copy, release");
    store_free(s);
}

// --- exceptions --------------------------------------------------------------

TEST_KERNEL(latency_of_sweeps)
{
    struct table_type type = {.kind = REF_EXN, .limits = {.min = 2000000}};
    struct code_module *code = test_compile("throws");
    struct extern_ref func;
    struct live_table *t;
    struct instance *i;
    struct store *s;
    struct error error;
    enum trap trap;
    u32 count;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(instance_new(&i, s, code, &host_resolver, &error, &trap), OK);
    EXPECT(instance_export(i, string_of("_start"), &func));
    EXPECT_EQ(table_new(&t, s, &type, 0), OK);
    test_watch();
    EXPECT_EQ(instance_invoke(&func, NULL, 0, 0, &count, &trap), OK);
    test_expect_short("a sweep over a table of exnrefs");
    object_release(&t->object);
    code_module_release(code);
    store_free(s);
}

// --- threads -----------------------------------------------------------------

// Those of key 0 are in front of those of key 1 in the same queue, as in a
// bucket of words that are waited on.
static struct wait_queue shared;
enum { IN_FRONT = 1000 };

static void
sleep_in_queue(void *arg)
{
    bool on = lock_irq(&shared.lock);

    EXPECT_EQ(wait_queue_wait(&shared, (u64)arg >= IN_FRONT, UINT64_MAX, on),
              OK);
}

// As many as there is memory for, all blocked.
static u32
start_crowd(struct thread **threads)
{
    u32 count = 0;

    while (count < LIMIT_THREADS && thread_new(&threads[count], sleep_in_queue,
                                               (void *)(u64)count) == OK)
        sched_start(threads[count++]);
    EXPECT(count > LIMIT_THREADS / 2);
    for (u32 k = 0; k < count; k++)
        test_wait_until_blocked(threads[k]);
    return count;
}

TEST_KERNEL(latency_of_waking_many)
{
    struct thread **threads = kernel_alloc(LIMIT_THREADS * sizeof(*threads));

    wait_queue_init(&shared);
    u32 count = start_crowd(threads);
    test_watch();
    EXPECT_EQ(wait_queue_wake_many(&shared, 1, UINT32_MAX), count - IN_FRONT);
    EXPECT_EQ(wait_queue_wake_many(&shared, 0, UINT32_MAX), IN_FRONT);
    test_expect_half("waking of all, and of those behind others");
    for (u32 k = 0; k < count; k++) {
        EXPECT_EQ(thread_join(threads[k], UINT64_MAX), OK);
        thread_release(threads[k]);
    }
    kernel_free(threads);
}

// The threads of p that wait.
static u32
sleepers(struct process *p)
{
    u32 count = 0;

    lock(&p->lock);
    list_each (item, &p->threads)
        count += CONTAINER(item, struct program_thread, link)->thread->state ==
                 THREAD_BLOCKED;
    unlock(&p->lock);
    return count;
}

TEST_KERNEL(latency_of_ending_a_crowd)
{
    struct process *p = test_process("crowd");
    u32 before = 0, now = 0;

    test_start(p);
    do {
        before = now;
        for (u32 i = 0; i < 100; i++)
            thread_yield();
        now = sleepers(p);
    } while (now != before || now != p->store->thread_count);
    EXPECT(now > LIMIT_THREADS / 2);
    test_watch();
    process_kill(p, 3);
    EXPECT_EQ(test_wait(p), 3);
    test_expect_half("the end of a process of many threads");
}
