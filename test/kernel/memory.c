// test/kernel/memory.c: kernel memory, linear memories and tables: growth,
// limits, failing commits.

#include "test/kernel/frame.h"

TEST_KERNEL(heap_blocks_do_not_overlap)
{
    enum { BLOCKS = 400 };
    static u8 *blocks[BLOCKS];
    u64 sizes[BLOCKS];

    for (u32 i = 0; i < BLOCKS; i++) {
        sizes[i] = i < 390 ? i * i * 3 / 4 : (u64)i * 1000;
        blocks[i] = kernel_alloc(sizes[i]);
        EXPECT(blocks[i] != NULL && (u64)blocks[i] % 16 == 0);
        for (u64 k = 0; k < sizes[i]; k++)
            if (blocks[i][k] != 0)
                EXPECT_EQ(blocks[i][k], 0);
        memset(blocks[i], (int)(i % 251 + 1), sizes[i]);
    }
    for (u32 i = 0; i < BLOCKS; i++) {
        for (u64 k = 0; k < sizes[i]; k++)
            if (blocks[i][k] != i % 251 + 1)
                EXPECT_EQ(blocks[i][k], i % 251 + 1);
        kernel_free(blocks[i]);
    }
    kernel_free(NULL);
}

TEST_KERNEL(heap_survives_no_memory)
{
    void *blocks[64];
    u32 count = 0;

    test_fail_commits(0);
    while (count < COUNT(blocks) &&
           (blocks[count] = kernel_alloc(60000)) != NULL)
        count++;
    EXPECT(count < COUNT(blocks));
    EXPECT(kernel_alloc(10 * MIB) == NULL);
    EXPECT(kernel_alloc(UINT64_MAX) == NULL);
    test_fail_commits(UINT64_MAX);
    while (count > 0)
        kernel_free(blocks[--count]);
    void *block = kernel_alloc(60000);
    EXPECT(block != NULL);
    kernel_free(block);
}

// Blocks of all small sizes, many of them, freed in another order than made;
// the memory goes back, whether or not one block of each size stays.
TEST_KERNEL(heap_gives_memory_back)
{
    enum { BLOCKS = 20000, STAY = 64 };
    void **blocks = kernel_alloc(BLOCKS * sizeof(void *));
    u64 before = heap_held(), most;

    for (u32 stay = 0; stay <= STAY; stay += STAY) {
        for (u32 i = 0; i < BLOCKS; i++) {
            blocks[i] = kernel_alloc(i % STAY * 24);
            EXPECT(blocks[i] != NULL);
        }
        most = heap_held();
        EXPECT(most - before > BLOCKS * STAY * 12);
        for (u32 i = 0; i < BLOCKS; i++) {
            u32 at = i * 7919 % BLOCKS; // a prime, and BLOCKS has none of it

            if (at >= stay)
                kernel_free(blocks[at]);
        }
        // At most 44 steps, 256 KiB each; or less than before.
        u64 kept = 44 * 16 * KIB + stay * 256 * KIB;
        EXPECT(heap_held() < before + kept);
        for (u32 i = 0; i < stay; i++)
            kernel_free(blocks[i]);
    }
    kernel_free(blocks);
}

TEST_KERNEL(memory_grows_to_its_limit)
{
    struct limits type = {.min = 1, .max = 4, .has_max = true, .page_log2 = 16};
    struct memory *m;

    EXPECT_EQ(memory_new(&m, &type), OK);
    u8 *base = m->base;
    EXPECT_EQ(m->view.size, 65536);
    EXPECT_EQ(memory_grow(m, 0), 1);
    EXPECT_EQ(memory_grow(m, 2), 1);
    EXPECT_EQ(memory_grow(m, 2), UINT64_MAX);
    EXPECT_EQ(memory_grow(m, UINT64_MAX), UINT64_MAX);
    EXPECT_EQ(memory_grow(m, 1ull << 48), UINT64_MAX);
    EXPECT_EQ(memory_grow(m, 1), 3);
    EXPECT_EQ(m->view.size, 4 * 65536);
    EXPECT(m->base == base);

    EXPECT(memory_contains(m, 0, 4 * 65536));
    EXPECT(!memory_contains(m, 1, 4 * 65536));
    EXPECT(memory_contains(m, 4 * 65536, 0));
    EXPECT(!memory_contains(m, 4 * 65536 + 1, 0));
    EXPECT(!memory_contains(m, UINT64_MAX, 2));
    EXPECT(memory_touch(m, 65530, 20));
    m->base[65530] = 1;
    m->base[65549] = 2;
    test_fail_commits(0);
    EXPECT(memory_touch(m, 65530, 20));
    EXPECT(!memory_touch(m, 131072, 1));
    EXPECT_EQ(memory_grow(m, 0), 4);
    test_fail_commits(UINT64_MAX);
    object_release(&m->object);
}

// What C may touch at once is a run of steps that are ready, not the whole: it
// is where it was last looked for, and never beyond the memory.
TEST_KERNEL(memory_is_found_in_runs)
{
    const u64 step = COMMIT_STEP, pages = 130;
    struct limits type = {
        .min = pages, .max = pages + 1, .has_max = true, .page_log2 = 16};
    struct memory *m;

    EXPECT_EQ(memory_new(&m, &type), OK);
    EXPECT(!memory_run_has(memory_run(m), 0, 1));
    EXPECT(memory_bytes(m, 0, 0).ptr == m->base);
    EXPECT(memory_bytes(m, 3 * step + 5, 10).ptr == m->base + 3 * step + 5);
    EXPECT(memory_run_has(memory_run(m), 3 * step, step));
    EXPECT(!memory_run_has(memory_run(m), 3 * step - 1, 1));
    EXPECT(!memory_run_has(memory_run(m), 3 * step, step + 1));
    EXPECT(!memory_run_has(memory_run(m), 3 * step + 1, UINT64_MAX));
    EXPECT(memory_bytes(m, 4 * step - 2, step + 4).size == step + 4);
    EXPECT(memory_run_has(memory_run(m), 3 * step, 3 * step));
    EXPECT(memory_touch(m, 62 * step, 4 * step)); // of two words
    EXPECT(memory_bytes(m, 63 * step, 1).ptr == m->base + 63 * step);
    EXPECT(memory_run_has(memory_run(m), 62 * step, 2 * step));
    EXPECT(memory_bytes(m, 64 * step, 1).ptr == m->base + 64 * step);
    EXPECT(memory_run_has(memory_run(m), 64 * step, 2 * step));
    EXPECT(!memory_run_has(memory_run(m), 64 * step, 2 * step + 1));
    EXPECT(memory_bytes(m, 5 * step, 1).ptr == m->base + 5 * step);
    EXPECT(memory_bytes(m, pages * step, 1).ptr == NULL);
    EXPECT(memory_bytes(m, pages * step - 1, 1).ptr != NULL);
    EXPECT(!memory_run_has(memory_run(m), pages * step, 1));
    EXPECT_EQ(memory_grow(m, 1), pages);
    EXPECT(memory_bytes(m, pages * step - 1, 2).ptr != NULL);
    EXPECT(memory_run_has(memory_run(m), (pages - 1) * step, 2 * step));
    EXPECT(memory_bytes(m, UINT64_MAX, 2).ptr == NULL);
    EXPECT(memory_bytes(m, 1ull << 32, 0).ptr == NULL);
    EXPECT(memory_bytes(NULL, 0, 0).ptr == NULL);
    object_release(&m->object);
}

// Two runs are known: who goes between them has none of them looked for again,
// which would find what is more now.
TEST_KERNEL(memory_has_two_runs)
{
    const u64 step = COMMIT_STEP;
    struct limits type = {.min = 8, .max = 8, .has_max = true, .page_log2 = 16};
    struct memory *m;

    EXPECT_EQ(memory_new(&m, &type), OK);
    EXPECT(memory_bytes(m, 1 * step, 1).ptr == m->base + 1 * step);
    EXPECT(memory_bytes(m, 0, 0).ptr == m->base);
    EXPECT(memory_bytes(m, 5 * step, 1).ptr == m->base + 5 * step);
    EXPECT(memory_touch(m, 2 * step, step));
    EXPECT(memory_touch(m, 6 * step, step));
    for (u32 i = 0; i < 3; i++) {
        EXPECT(memory_bytes(m, 2 * step - 2, 2).ptr == m->base + 2 * step - 2);
        EXPECT(memory_run_has(memory_run(m), 1 * step, step));
        EXPECT(!memory_run_has(memory_run(m), 1 * step, step + 1));
        EXPECT(memory_bytes(m, 6 * step - 2, 2).ptr == m->base + 6 * step - 2);
        EXPECT(memory_run_has(memory_run(m), 5 * step, step));
        EXPECT(!memory_run_has(memory_run(m), 5 * step, step + 1));
    }
    EXPECT(memory_bytes(m, 6 * step - 2, 4).ptr == m->base + 6 * step - 2);
    EXPECT(memory_run_has(memory_run(m), 5 * step, 2 * step));
    EXPECT(memory_bytes(m, 8 * step, 1).ptr == NULL);
    object_release(&m->object);
}

// Of a step that is not all inside there is none.
TEST_KERNEL(memory_runs_end_before_its_size)
{
    struct limits type = {.min = 3 * COMMIT_STEP / 2,
                          .max = 2 * COMMIT_STEP,
                          .has_max = true,
                          .page_log2 = 0};
    struct memory *m;

    EXPECT_EQ(memory_new(&m, &type), OK);
    EXPECT(memory_bytes(m, 0, type.min).ptr == m->base);
    EXPECT(memory_run_has(memory_run(m), 0, COMMIT_STEP));
    EXPECT(!memory_run_has(memory_run(m), 0, COMMIT_STEP + 1));
    EXPECT(memory_bytes(m, 1, type.min).ptr == NULL);
    EXPECT(memory_bytes(m, 1, type.min - 1).ptr == m->base + 1);
    object_release(&m->object);
}

static u64
available(void)
{
    u64 now, total;

    port_memory_info(&now, &total);
    return now;
}

// Promise memories to others until there is no memory left for one page.
static u32
promise_all(struct memory **hogs, u32 count)
{
    struct limits type = {.page_log2 = 16};
    u32 made = 0;

    while (made < count && memory_new(&hogs[made], &type) == OK) {
        u64 grown = 0;

        for (u64 step = 1 << 15; step > 0; step /= 2)
            while (memory_grow(hogs[made], step) != UINT64_MAX)
                grown += step;
        made++;
        if (grown == 0)
            break;
    }
    return made;
}

static void
idle(void *arg)
{
    (void)arg;
}

// Stacks, blocks and scratch memory that wait for their next use are there for
// a program that asks; a program's own stack is promised whole.
TEST_KERNEL(memory_is_reclaimed)
{
    enum { HOGS = 64, THREADS = 40 };
    static struct thread *threads[THREADS];
    struct memory *hogs[HOGS];

    struct code_module *code = test_compile("throw");
    code_module_release(code);
    for (u32 i = 0; i < THREADS; i++)
        EXPECT_EQ(thread_new(&threads[i], idle, NULL), OK);
    for (u32 i = 0; i < THREADS; i++)
        thread_discard(threads[i]);
    u64 before = available();
    u32 made = promise_all(hogs, HOGS);
    while (made > 0)
        object_release(&hogs[--made]->object);
    EXPECT(available() >= before + THREADS * STACK_FIRST);
}

// Every step of the way down.
TEST_KERNEL(stack_is_promised)
{
    enum { HOGS = 64 };
    struct memory *hogs[HOGS];
    struct thread *t;

    EXPECT_EQ(thread_new(&t, idle, NULL), OK);
    EXPECT(thread_promise_stack(t));
    u32 made = promise_all(hogs, HOGS);
    EXPECT_EQ(
        thread_grow_stack(t, (u64)t->stack + STACK_GUARD + STACK_RESERVE + 1),
        OK);
    EXPECT(t->stack_low == t->stack + STACK_GUARD);
    memset(t->stack_low, 1, STACK_SIZE / 2);
    EXPECT_EQ(thread_grow_stack(t, (u64)t->stack), ERR_LIMIT);
    while (made > 0)
        object_release(&hogs[--made]->object);
    thread_discard(t);
}

// What memory.grow gave, is there, whatever others take; who asks for more than
// there is gets -1; and all comes back.
TEST_KERNEL(memory_is_promised)
{
    enum { HOGS = 64, PAGES = 100 };
    struct limits type = {.min = 1, .page_log2 = 16};
    struct memory *late, *hogs[HOGS], *none;
    u64 before = available();

    EXPECT_EQ(memory_new(&late, &type), OK);
    EXPECT_EQ(memory_grow(late, PAGES), 1);
    EXPECT(available() <= before - (PAGES + 1) * 64 * KIB);
    u32 made = promise_all(hogs, HOGS);
    EXPECT(made > 0 && made < HOGS);
    EXPECT_EQ(memory_grow(late, 1), UINT64_MAX);
    type.min = 100;
    EXPECT_EQ(memory_new(&none, &type), ERR_NO_MEMORY);
    void *block = kernel_alloc(100000); // of the kernel's reserve
    EXPECT(block != NULL);
    kernel_free(block);
    for (u32 i = 0; i <= PAGES; i++) {
        EXPECT(memory_touch(late, i * 64 * KIB, 64 * KIB));
        memset(late->base + i * 64 * KIB, 1, 64 * KIB);
    }
    while (made > 0)
        object_release(&hogs[--made]->object);
    object_release(&late->object);
    EXPECT(available() + 64 * KIB >= before);
}

// Could an access that starts from a slot, with any index of 32 bits and any
// displacement, get there?
static bool
within_reach(const void *at)
{
    const u64 reach = 4 * GIB + 2 * GIB + 16;

    return port_slot_contains((u64)at) || port_slot_contains((u64)at - reach);
}

TEST_KERNEL(kernel_is_far_from_the_slots)
{
    struct limits type = {.min = 1, .page_log2 = 16};
    struct table_type funcs = {.elem = VAL_FUNCREF, .limits = {.min = 1}};
    struct code_module *code = test_compile("segment");
    const struct compiled *c = code->compiled;
    struct store *s;
    struct live_table *t;
    struct memory *m;

    EXPECT_EQ(memory_new(&m, &type), OK);
    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(table_new(&t, s, &funcs, 0), OK);
    EXPECT(port_slot_contains((u64)m->base));
    EXPECT(port_slot_contains((u64)m->base + m->reserved - 1));

    void *large = kernel_alloc(2 * GIB / 1024), *whole = port_reserve(GIB, GIB);
    const void *table = t->view.base;
    const void *const kernels[] = {
        m,     t,        s,      large,      whole,
        table, s->funcs, s->vms, s->targets, thread_current()->stack,
        c,     c->text,  &m,     c->ids,     c->bytes.ptr,
    };
    for (u32 i = 0; i < COUNT(kernels); i++)
        if (kernels[i] == NULL || within_reach(kernels[i]))
            test_failed(__FILE__, __LINE__, "in reach of a slot", i,
                        COUNT(kernels));
    port_release(whole, GIB);
    kernel_free(large);
    object_release(&t->object);
    store_free(s);
    object_release(&m->object);
    code_module_release(code);
}

TEST_KERNEL(modules_are_sealed)
{
    struct code_module *code = test_compile("throw");
    const struct compiled *c = code->compiled;

    EXPECT(c->text != NULL && !test_may_write(c->text));
    EXPECT(!test_may_write(c->bytes.ptr));
    EXPECT(!test_may_write(c->bytes.ptr + c->bytes.size - 1));
    EXPECT(!test_may_write(c->ids));
    EXPECT(!test_may_write(c->module.types));
    EXPECT(!test_may_write(c->code.entries));
    EXPECT(!test_may_write(c->code.traps));
    EXPECT(!test_may_write(c->code.calls));
    EXPECT(test_may_write(c)); // the question has two answers
    code_module_release(code);
}

TEST_KERNEL(memory_types)
{
    struct limits bytes = {.min = 3, .max = 10, .has_max = true};
    struct limits every_byte = {.max = UINT32_MAX};
    struct limits huge = {.min = 65537, .page_log2 = 16};
    struct limits wide = {.min = 1,
                          .max = 1ull << 48,
                          .has_max = true,
                          .is64 = true,
                          .page_log2 = 16};
    struct memory *m;

    EXPECT_EQ(memory_new(&m, &bytes), OK);
    EXPECT_EQ(m->view.size, 3);
    EXPECT_EQ(memory_grow(m, 7), 3);
    EXPECT_EQ(memory_grow(m, 1), UINT64_MAX);
    object_release(&m->object);
    EXPECT_EQ(memory_new(&m, &every_byte), OK);
    EXPECT_EQ(m->view.max, UINT32_MAX); // as many as memory.size can tell
    object_release(&m->object);
    EXPECT_EQ(memory_new(&m, &huge), ERR_NO_MEMORY);
    EXPECT_EQ(memory_new(&m, &wide), OK);
    EXPECT_EQ(memory_grow(m, 1), 1);
    object_release(&m->object);
}

TEST_KERNEL(table_grows_to_its_limit)
{
    struct table_type type = {
        .elem = VAL_FUNCREF, .limits = {.min = 2, .max = 5, .has_max = true}
    };
    struct store *s;
    struct live_table *t;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(table_new(&t, s, &type, 0), OK);
    EXPECT_EQ(table_get(t, 1), 0);
    EXPECT_EQ(table_grow(t, 4, 0), UINT64_MAX);
    EXPECT_EQ(table_grow(t, UINT64_MAX, 0), UINT64_MAX);
    EXPECT_EQ(table_grow(t, 3, 0), 2);
    EXPECT_EQ(t->view.count, 5);
    object_release(&t->object);

    type = (struct table_type){
        .elem = VAL_EXTERNREF, .kind = REF_EXTERN, .limits = {.min = 3}};
    EXPECT_EQ(table_new(&t, s, &type, 77), OK);
    EXPECT_EQ(table_get(t, 2), 77);
    EXPECT_EQ(table_fill(t, 0, 5, 1), OK);
    EXPECT_EQ(table_grow(t, LIMIT_TABLE_ENTRIES - 3, 9), 3);
    EXPECT_EQ(table_get(t, LIMIT_TABLE_ENTRIES - 1), 9);
    EXPECT_EQ(table_get(t, 0), 5);
    EXPECT_EQ(table_grow(t, 1, 0), UINT64_MAX);
    object_release(&t->object);
    store_free(s);
}

// --- canonical types ---------------------------------------------------------

static const valtype_t ii_l[] = {VAL_I32, VAL_I32, VAL_I64};

TEST_KERNEL(types_are_equal_across_modules)
{
    struct type types[3] = {
        {.final = true,
         .super = NO_INDEX,
         .group = 0,
         .group_size = 1,
         .param_count = 2,
         .result_count = 1,
         .vals = ii_l},
        {.super = NO_INDEX,
         .group = 1,
         .group_size = 1,
         .param_count = 1,
         .vals = ii_l },
        {.super = 1,
         .group = 2,
         .group_size = 1,
         .param_count = 1,
         .vals = ii_l },
    };
    struct module a = {.type_count = 3, .types = types};
    struct module b = {.type_count = 1, .types = types};
    u32 of_a[3], of_b[1];

    EXPECT_EQ(types_register(&a, of_a), OK);
    EXPECT_EQ(types_register(&b, of_b), OK);
    EXPECT_EQ(of_a[0], of_b[0]);
    EXPECT_EQ(types_host("ii:l"), of_a[0]);
    EXPECT(types_host("ii:i") != of_a[0]);
    EXPECT(of_a[1] != of_a[2]);
    EXPECT(types_is_subtype(of_a[2], of_a[1]));
    EXPECT(!types_is_subtype(of_a[1], of_a[2]));
    EXPECT(!types_is_subtype(of_a[0], of_a[1]));

    u32 any = REF_BIT | HEAP_FUNC, one = REF_BIT | of_a[2];
    EXPECT(valtype_is_subtype(one, any));
    EXPECT(!valtype_is_subtype(any, one));
    EXPECT(valtype_is_subtype(one, REF_BIT | NULL_BIT | of_a[1]));
    EXPECT(!valtype_is_subtype(REF_BIT | NULL_BIT | of_a[2], any));
    EXPECT(valtype_is_subtype(REF_BIT | HEAP_NOFUNC, one));
    EXPECT(!valtype_is_subtype(REF_BIT | HEAP_NOEXTERN, one));
    types_release(of_a, 3);
    types_release(of_b, 1);
}
