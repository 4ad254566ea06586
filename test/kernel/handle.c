// test/kernel/handle.c: handles: what is refused, and that old handles stay
// dead.

#include "test/kernel/frame.h"

static struct object *
new_object(void)
{
    struct memory *m;
    struct limits one = {.min = 1, .max = 1, .has_max = true, .page_log2 = 16};

    EXPECT_EQ(memory_new(&m, &one), OK);
    return &m->object;
}

static struct handle_table *
new_table(void)
{
    struct handle_table *t = kernel_alloc(sizeof(*t));

    assert(t != NULL);
    handle_table_init(t, account_root());
    return t;
}

TEST_KERNEL(handle_misuse)
{
    struct handle_table *t = new_table();
    struct object *o = new_object(), *got;
    handle_t h, weak;

    EXPECT_EQ(handle_new(t, o, RIGHT_READ | RIGHT_DUPLICATE, &h), OK);
    EXPECT_EQ(handle_get(t, h, &memory_type, RIGHT_READ, &got), OK);
    EXPECT(got == o);
    object_release(got);
    EXPECT_EQ(handle_get(t, h, &thread_type, 0, &got), ERR_WRONG_TYPE);
    EXPECT_EQ(handle_get(t, h, &memory_type, RIGHT_WRITE, &got), ERR_ACCESS);
    EXPECT_EQ(handle_get(t, 0, NULL, 0, &got), ERR_BAD_HANDLE);
    EXPECT_EQ(handle_get(t, h + 1, NULL, 0, &got), ERR_BAD_HANDLE);
    EXPECT_EQ(handle_get(t, 0xffffffff, NULL, 0, &got), ERR_BAD_HANDLE);

    EXPECT_EQ(handle_duplicate(t, h, RIGHT_WRITE, &weak), ERR_ACCESS);
    EXPECT_EQ(handle_duplicate(t, h, RIGHT_READ, &weak), OK);
    EXPECT_EQ(handle_duplicate(t, weak, RIGHT_READ, &weak), ERR_ACCESS);
    EXPECT_EQ(handle_close(t, h), OK);
    EXPECT_EQ(handle_close(t, h), ERR_BAD_HANDLE);
    EXPECT_EQ(handle_get(t, h, NULL, 0, &got), ERR_BAD_HANDLE);
    EXPECT_EQ(handle_get(t, weak, NULL, RIGHT_READ, &got), OK);
    object_release(got);

    handle_table_free(t);
    kernel_free(t);
    object_release(o);
}

TEST_KERNEL(handle_old_names_stay_dead)
{
    struct handle_table *t = new_table();
    struct object *o = new_object();
    handle_t first, again;

    EXPECT_EQ(handle_new(t, o, 0, &first), OK);
    EXPECT_EQ(handle_close(t, first), OK);
    for (u32 i = 0; i < 10000; i++) { // more than there are generations
        EXPECT_EQ(handle_new(t, o, 0, &again), OK);
        EXPECT(again != first);
        EXPECT((i32)again > 0);
        EXPECT_EQ(handle_close(t, again), OK);
    }
    handle_table_free(t);
    kernel_free(t);
    object_release(o);
}

TEST_KERNEL(handle_table_is_bounded)
{
    struct handle_table *t = new_table();
    struct object *o = new_object();
    u32 count = 0;
    handle_t h;

    while (handle_new(t, o, 0, &h) == OK)
        count++;
    EXPECT_EQ(count, LIMIT_HANDLES);
    EXPECT_EQ(handle_new(t, o, 0, &h), ERR_FULL);
    EXPECT_EQ(handle_close(t, h), OK);
    EXPECT_EQ(handle_new(t, o, 0, &h), OK);
    handle_table_free(t);
    kernel_free(t);
    object_release(o);
}

// Whoever is alone borrows the table's reference; others get one of their own.
TEST_KERNEL(handle_is_lent)
{
    struct handle_table *t = new_table();
    struct object *o = new_object();
    handle_t h;

    EXPECT_EQ(handle_new(t, o, RIGHT_READ, &h), OK);
    u32 before = o->references;
    struct loan loan = handle_lend(t, h, o->type, RIGHT_READ);
    EXPECT_EQ(loan.status, OK);
    EXPECT(loan.object == o && !loan.held && o->references == before);
    loan = handle_lend(t, h, o->type, RIGHT_WRITE);
    EXPECT(loan.status == ERR_ACCESS && loan.object == NULL);
    t->shared = true;
    loan = handle_lend(t, h, o->type, RIGHT_READ);
    EXPECT_EQ(loan.status, OK);
    EXPECT(loan.object == o && loan.held && o->references == before + 1);
    EXPECT_EQ(handle_close(t, h), OK); // by another, while it is lent
    object_release(loan.object);
    loan = handle_lend(t, h, o->type, RIGHT_READ);
    EXPECT(loan.status == ERR_BAD_HANDLE && loan.object == NULL);
    handle_table_free(t);
    kernel_free(t);
    object_release(o);
}
