// test/kernel/unwind.c: frames of two instances that call each other: stacks
// that grow, throws and backtraces from one end to the other; tail calls, which
// take no stack.

#include "test/kernel/frame.h"

enum { THERE_SUM = 39, RESULT_SUM = 46, DEEP = 300, MANY = 1000000 };

static struct instance *first, *second;

static bool
find_first(void *self, struct string module, struct string name,
           struct extern_ref *out)
{
    (void)self;
    (void)module;
    return instance_export(first, name, out);
}

static status_t
invoke(const char *name, u64 depth, u64 more, union value *values,
       enum trap *trap)
{
    struct extern_ref func;
    u32 count;

    EXPECT(instance_export(second, string_of(name), &func));
    const struct module *m = instance_info(second);
    u32 args = m->types[m->funcs[func.index].type].param_count;
    values[0].i64 = depth;
    values[1].i64 = more;
    return instance_invoke(&func, values, args, 2, &count, trap);
}

struct check {
    void (*run)(void);
    bool done;
};

static void
run_check(void *arg)
{
    struct check *check = arg;

    check->run();
    EXPECT(thread_current()->entry.adapter == NULL);
    check->done = true;
}

// Run it with instances of these modules, on a stack that starts small and
// grows.
static void
with_instances(const char *one, const char *other, void (*run)(void))
{
    const struct resolver resolver = {NULL, find_first, NULL};
    struct code_module *code[] = {test_compile(one), test_compile(other)};
    struct check check = {run, false};
    struct store *s = NULL;
    struct thread *t;
    struct error error;
    enum trap trap;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(instance_new(&first, s, code[0], &resolver, &error, &trap), OK);
    EXPECT_EQ(instance_new(&second, s, code[1], &resolver, &error, &trap), OK);
    t = test_start_thread(run_check, &check);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    EXPECT(check.done);
    thread_release(t);
    store_free(s);
    code_module_release(code[0]);
    code_module_release(code[1]);
}

// --- calls -------------------------------------------------------------------

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
        EXPECT_EQ(invoke("start", 2 * k, 0, values, &trap), OK);
        EXPECT_EQ(values[0].i64, RESULT_SUM);
        EXPECT_EQ(invoke("catch", 2 * k + 1, 0, values, &trap), OK);
        EXPECT_EQ(values[0].i64, 7);
        EXPECT_EQ(values[1].i64, (k + 1) * THERE_SUM);
        EXPECT(thread_current()->entry.adapter == NULL);
    }
    execution_init(&x, first->store);
    struct execution *before = execution_enter(&x);
    EXPECT_EQ(invoke("start", 2 * DEEP + 1, 0, values, &trap), ERR_TRAP);
    EXPECT_EQ(trap, TRAP_UNCAUGHT_EXCEPTION);
    check_trace(&x.trap);
    EXPECT_EQ(invoke("start", 2 * MANY, 0, values, &trap), ERR_TRAP);
    EXPECT_EQ(trap, TRAP_STACK_OVERFLOW);
    check_trace(&x.trap);
    execution_leave(before);
}

TEST_KERNEL(unwind_across_instances)
{
    with_instances("here", "there", check_calls);
}

// --- whose stack it is -------------------------------------------------------

// The blocks of a store may still name a thread that had this one's address,
// with another stack.
TEST_KERNEL(entering_binds_to_the_stack_of_this_thread)
{
    struct code_module *code = test_compile("recurse");
    struct thread *t = thread_current();
    struct store *s = NULL;
    struct instance *i;
    struct extern_ref func;
    struct error error;
    enum trap trap;
    u32 count;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(instance_new(&i, s, code, &host_resolver, &error, &trap), OK);
    EXPECT(instance_export(i, string_of("_start"), &func));
    for (u32 k = 0; k < 2; k++) {
        s->vms[0]->thread = t;
        s->vms[0]->stack_limit = k == 0 ? 0 : UINT64_MAX;
        EXPECT_EQ(instance_invoke(&func, NULL, 0, 0, &count, &trap), ERR_TRAP);
        EXPECT_EQ(trap, TRAP_STACK_OVERFLOW);
        EXPECT(s->vms[0]->stack_limit - (u64)thread_stack_low(t) < STACK_SIZE);
    }
    store_free(s);
    code_module_release(code);
}

// --- tail calls --------------------------------------------------------------

enum { PING = 1, PONG = 1000, RESULTS = 5 + 6 };
enum end { RETURN, THROW, TRAP };

// The sums of test/kernel/programs/ping.wat and test/kernel/programs/pong.wat,
// from $few on.
static i64
sum_of(i64 left, bool pong)
{
    bool many = false;
    i64 sum = 0, extra = 0;

    for (;; left--) {
        if (!many && left <= 0)
            return sum + PING;
        sum += pong ? PONG : PING;
        if (!many) {
            many = true;
            extra = pong ? 20 : 10;
            pong = !pong;
            continue;
        }
        sum += extra;
        if (!pong) {
            many = ((left - 1) & 8) == 0;
            extra = 30;
            pong = true;
        } else {
            many = false;
            pong = ((left - 1) & 4) != 0;
        }
    }
}

static void
check_ends(const char *from, u64 calls, bool pong)
{
    i64 sum = sum_of((i64)calls, pong);
    union value values[2];
    struct execution x;
    enum trap trap;

    EXPECT_EQ(invoke(from, calls, RETURN, values, &trap), OK);
    EXPECT_EQ(values[0].i64, sum + RESULTS);
    execution_init(&x, first->store);
    struct execution *before = execution_enter(&x);
    EXPECT_EQ(invoke(from, calls, THROW, values, &trap), ERR_TRAP);
    EXPECT_EQ(trap, TRAP_UNCAUGHT_EXCEPTION);
    EXPECT_EQ(x.trap.depth, 2);
    EXPECT_EQ(invoke(from, calls, TRAP, values, &trap), ERR_TRAP);
    EXPECT_EQ(trap, TRAP_UNREACHABLE);
    EXPECT_EQ(x.trap.depth, 2);
    EXPECT(x.trap.frames[0].module == instance_info(first));
    EXPECT(x.trap.frames[1].module == instance_info(second));
    execution_leave(before);
}

static void
check_tail_calls(void)
{
    union value values[2];
    enum trap trap;

    for (u64 calls = 0; calls < 40; calls++) {
        check_ends("start", calls, false);
        check_ends("home", calls, true);
        EXPECT_EQ(invoke("catch", calls, THROW, values, &trap), OK);
        EXPECT_EQ(values[0].i64, sum_of((i64)calls, false));
    }
    EXPECT_EQ(invoke("catch", MANY, THROW, values, &trap), OK);
    EXPECT_EQ(values[0].i64, sum_of(MANY, false));
    EXPECT_EQ(invoke("home", MANY, RETURN, values, &trap), OK);
    EXPECT_EQ(values[0].i64, sum_of(MANY, true) + RESULTS);
}

TEST_KERNEL(tail_calls_between_instances_take_no_stack)
{
    with_instances("ping", "pong", check_tail_calls);
}
