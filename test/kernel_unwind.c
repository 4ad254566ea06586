// test/kernel_unwind.c: frames of two instances that call each other: stacks
// that grow, throws and backtraces from one end to the other.

#include "test/kernel_frame.h"

enum { THERE_SUM = 39, RESULT_SUM = 46, DEEP = 300, MANY = 1000000 };

static struct instance *here, *there;

static bool
find_here(void *self, struct string module, struct string name,
          struct extern_ref *out)
{
    (void)self;
    (void)module;
    return instance_export(here, name, out);
}

static status_t
invoke(const char *name, u64 depth, union value *values, enum trap *trap)
{
    struct extern_ref func;
    u32 count;

    EXPECT(instance_export(there, string_of(name), &func));
    values[0].i64 = depth;
    return instance_invoke(&func, values, 1, 2, &count, trap);
}

// The trace goes from one instance to the other and back.
static void
check_trace(const struct trap_info *trap)
{
    EXPECT(trap->more);
    EXPECT_EQ(trap->depth, TRACE_DEPTH);
    for (u32 k = 1; k < trap->depth; k++) {
        EXPECT(trap->frames[k].module != trap->frames[k - 1].module);
        EXPECT_EQ(trap->frames[k].times, 0);
    }
}

static void
check_calls(void)
{
    struct execution x;
    union value values[2];
    enum trap trap;

    for (u64 k = 0; k < DEEP; k += 7) {
        EXPECT_EQ(invoke("start", 2 * k, values, &trap), OK);
        EXPECT_EQ(values[0].i64, RESULT_SUM);
        EXPECT_EQ(invoke("catch", 2 * k + 1, values, &trap), OK);
        EXPECT_EQ(values[0].i64, 7);
        EXPECT_EQ(values[1].i64, (k + 1) * THERE_SUM);
        EXPECT(thread_current()->entry.adapter == NULL);
    }
    execution_init(&x, here->store);
    struct execution *before = execution_enter(&x);
    EXPECT_EQ(invoke("start", 2 * DEEP + 1, values, &trap), ERR_TRAP);
    EXPECT_EQ(trap, TRAP_UNCAUGHT_EXCEPTION);
    check_trace(&x.trap);
    EXPECT_EQ(invoke("start", 2 * MANY, values, &trap), ERR_TRAP);
    EXPECT_EQ(trap, TRAP_STACK_OVERFLOW);
    check_trace(&x.trap);
    execution_leave(before);
    EXPECT(thread_current()->entry.adapter == NULL);
}

// On a stack that starts small and grows.
static void
run(void *arg)
{
    check_calls();
    *(bool *)arg = true;
}

TEST_KERNEL(unwind_across_instances)
{
    const struct resolver resolver = {NULL, find_here, false};
    struct code_module *code[] = {test_compile("here"), test_compile("there")};
    struct store *s = NULL;
    struct thread *t;
    struct error error;
    bool done = false;
    enum trap trap;

    EXPECT_EQ(store_new(&s, NULL, NULL), OK);
    EXPECT_EQ(instance_new(&here, s, code[0], &resolver, &error, &trap), OK);
    EXPECT_EQ(instance_new(&there, s, code[1], &resolver, &error, &trap), OK);
    EXPECT_EQ(thread_new(&t, run, &done), OK);
    sched_start(t);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    EXPECT(done);
    thread_release(t);
    store_free(s);
    code_module_release(code[0]);
    code_module_release(code[1]);
}
