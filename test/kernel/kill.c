// test/kernel/kill.c: a killed thread waits no more, and no C function that it
// is in is skipped: each returns.

#include "test/kernel/frame.h"

#include <string.h>

// --- every wait --------------------------------------------------------------

static struct {
    struct wait_queue queue;
    struct thread *sleeper;
    struct process *process;
    u32 word;
} nothing; // that ever happens

static status_t
wait_in_queue(void)
{
    bool on = lock_irq(&nothing.queue.lock);

    return wait_queue_wait(&nothing.queue, 0, UINT64_MAX, on);
}

static status_t
wait_asleep(void)
{
    return thread_sleep_until(UINT64_MAX);
}

static status_t
wait_with_deadline(void)
{
    return thread_sleep_until(port_monotonic_ns() + (1ull << 50));
}

static status_t
wait_for_thread(void)
{
    return thread_join(nothing.sleeper, UINT64_MAX);
}

static status_t
wait_for_process(void)
{
    u32 status;

    return process_wait(nothing.process, UINT64_MAX, &status);
}

static status_t
wait_for_pfex(void)
{
    return pfex_acquire(&nothing.word);
}

static status_t
wait_for_memory(void)
{
    u32 result;

    return atomic_wait(&nothing.word, false, 1, -1, &result);
}

static status_t
wait_for_signal(void)
{
    return object_wait_one(thread_object(nothing.sleeper), SIGNAL_ENDED,
                           UINT64_MAX, NULL);
}

static status_t
wait_for_signals(void)
{
    struct object_wait waits[] = {
        {.observer.awaited = SIGNAL_ENDED,
         .object = thread_object(nothing.sleeper)                            },
        {.observer.awaited = SIGNAL_ENDED, .object = &nothing.process->object},
    };

    return object_wait_many(waits, 2, UINT64_MAX);
}

static status_t (*const waits[])(void) = {
    wait_in_queue,   wait_asleep,      wait_with_deadline,
    wait_for_thread, wait_for_process, wait_for_pfex,
    wait_for_memory, wait_for_signal,  wait_for_signals,
};

struct victim {
    status_t (*wait)(void);
    status_t first, second; // what the wait returned, and once more
};

static void
be_killed(void *arg)
{
    struct victim *v = arg;

    v->first = v->wait();
    v->second = v->wait();
}

static void
sleep_for_ever(void *arg)
{
    (void)arg;
    EXPECT_EQ(thread_sleep_until(UINT64_MAX), ERR_KILLED);
}

static void
kill_and_join(struct thread *t)
{
    thread_kill(t);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    thread_release(t);
}

TEST_KERNEL(kill_ends_every_wait)
{
    wait_queue_init(&nothing.queue);
    nothing.process = test_process("endless");
    nothing.sleeper = test_start_thread(sleep_for_ever, NULL);
    for (u32 k = 0; k < COUNT(waits); k++) {
        struct victim v = {.wait = waits[k]};
        struct thread *t;
        nothing.word = 1;
        t = test_start_blocked(be_killed, &v);
        kill_and_join(t);
        EXPECT_EQ(v.first, ERR_KILLED);
        EXPECT_EQ(v.second, ERR_KILLED);
    }
    kill_and_join(nothing.sleeper);
    process_kill(nothing.process, 0);
    process_release(nothing.process);
}

// --- C functions that generated code has called ------------------------------

static u32 inside; // C functions that have not returned

static u32
host_wait(void)
{
    COUNT_UP(inside);
    status_t status = wait_in_queue();
    COUNT_DOWN(inside);
    return (u32)status;
}

// The stub has removed the arguments when the thread leaves, or not: both must
// do.
static u32
host_wait_with_stack(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f, u32 g)
{
    return a + b + c + d + e + f + g == 28 ? host_wait() : 0;
}

static u32
host_exit(void)
{
    COUNT_UP(inside);
    thread_exit();
    COUNT_DOWN(inside);
    return 0;
}

static u32
host_trap(void)
{
    COUNT_UP(inside);
    thread_trap(TRAP_UNREACHABLE);
    COUNT_DOWN(inside);
    return 0;
}

// Killed at the moment of a trap.
static u32
host_die(void)
{
    thread_kill(thread_current());
    thread_trap(TRAP_UNREACHABLE);
    return 0;
}

static u32
host_nothing(void)
{
    return 0;
}

static u32
host_trap_with_stack(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f, u32 g, u32 h,
                     u32 i)
{
    return a + b + c + d + e + f + g + h + i == 45 ? host_trap() : 0;
}

static u32 host_visit_and_trap(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f, u32 g);

static const struct host_func host_funcs[] = {
    {"wait",            ":i",          (const void *)host_wait           },
    {"wait_with_stack", "iiiiiii:i",   (const void *)host_wait_with_stack},
    {"exit",            ":i",          (const void *)host_exit           },
    {"trap",            ":i",          (const void *)host_trap           },
    {"nothing",         ":i",          (const void *)host_nothing        },
    {"die",             ":i",          (const void *)host_die            },
    {"trap_with_stack", "iiiiiiiii:i", (const void *)host_trap_with_stack},
    {"visit_and_trap",  "iiiiiii:i",   (const void *)host_visit_and_trap },
};

static bool
find_host_func(void *self, struct string module, struct string name,
               struct extern_ref *out)
{
    (void)self, (void)module;
    for (u32 k = 0; k < COUNT(host_funcs); k++)
        if (string_equal(name, string_of(host_funcs[k].name))) {
            *out = (struct extern_ref){.kind = EXTERN_FUNC,
                                       .host = &host_funcs[k]};
            return true;
        }
    return false;
}

static const struct resolver host_funcs_resolver = {NULL, find_host_func, NULL};

struct visit {
    struct instance *instance;
    const char *func;
    status_t status;
    enum trap trap;
};

// Invoke a function without parameters on this thread.
static void
visit(void *arg)
{
    struct visit *v = arg;
    struct extern_ref func;
    union value values[1];
    u32 count;

    EXPECT(instance_export(v->instance, string_of(v->func), &func));
    v->status = instance_invoke(&func, values, 0, 1, &count, &v->trap);
}

static struct store *
make_instance(struct visit *v)
{
    struct code_module *code = test_compile("leave");
    struct store *s;
    struct error error;

    wait_queue_init(&nothing.queue);
    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(instance_new(&v->instance, s, code, &host_funcs_resolver, &error,
                           &v->trap),
              OK);
    code_module_release(code);
    return s;
}

TEST_KERNEL(kill_skips_no_function)
{
    static const char *const funcs[] = {"wait", "wait_deep", "wait_with_stack",
                                        "wait_atomic"};
    struct visit v = {.func = NULL};
    struct store *s = make_instance(&v);

    for (u32 k = 0; k < COUNT(funcs); k++) {
        struct thread *t;
        v.func = funcs[k];
        t = test_start_blocked(visit, &v);
        kill_and_join(t);
        EXPECT_EQ(v.status, ERR_KILLED);
        EXPECT_EQ(inside, 0);
    }
    store_free(s);
}

TEST_KERNEL(c_leaves_when_it_returns)
{
    static const struct {
        const char *func;
        status_t status;
        enum trap trap;
    } cases[] = {
        {"exit", ERR_EXITED, TRAP_NONE       },
        {"trap", ERR_TRAP,   TRAP_UNREACHABLE},
        {"fine", OK,         TRAP_NONE       },
    };
    struct visit v = {.func = NULL};
    struct store *s = make_instance(&v);

    for (u32 k = 0; k < 2 * COUNT(cases); k++) {
        v.func = cases[k % COUNT(cases)].func;
        visit(&v);
        EXPECT_EQ(v.status, cases[k % COUNT(cases)].status);
        EXPECT_EQ(v.trap, cases[k % COUNT(cases)].trap);
        EXPECT_EQ(inside, 0);
    }
    store_free(s);
}

// A thread that is in C almost all the time has no instruction of its own that
// an interrupt would find: it leaves at its next return.  And what is long in C
// stops: otherwise these would take hours.
TEST_KERNEL(kill_finds_threads_in_c)
{
    static const char *const funcs[] = {"call", "fill", "copy", "init",
                                        "throw"};
    struct visit v = {.func = NULL};
    struct store *s = make_instance(&v);

    for (u32 k = 0; k < COUNT(funcs); k++) {
        struct thread *t;
        v.func = funcs[k];
        t = test_start_thread(visit, &v);
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 5000000), OK);
        kill_and_join(t);
        EXPECT_EQ(v.status, ERR_KILLED);
    }
    store_free(s);
}

// --- reports -----------------------------------------------------------------

struct fall {
    struct visit visit;
    struct execution execution;
};

static void
fall(void *arg)
{
    struct fall *f = arg;

    execution_init(&f->execution, f->visit.instance->store);
    struct execution *before = execution_enter(&f->execution);
    visit(&f->visit);
    execution_leave(before);
}

static struct instance *inner;

// Visit a function that traps below three frames: it is the last of the three
// in the module.
static void
expect_trap(const char *func, enum trap kind)
{
    struct visit v = {.instance = inner, .func = func};
    const struct trap_info *trap = &execution_current()->trap;
    struct extern_ref outermost;

    visit(&v);
    EXPECT_EQ(v.status, ERR_TRAP);
    EXPECT_EQ(trap->kind, kind);
    EXPECT(instance_export(inner, string_of(func), &outermost));
    EXPECT_EQ(trap->depth, 3);
    for (u32 k = 0; k < trap->depth; k++)
        EXPECT_EQ(trap->frames[k].func, outermost.index - 2 + k);
}

// C that calls generated code, where C is called and traps, and then traps.
static u32
host_visit_and_trap(u32 a, u32 b, u32 c, u32 d, u32 e, u32 f, u32 g)
{
    expect_trap("throw_now", TRAP_UNCAUGHT_EXCEPTION);
    return a + b + c + d + e + f + g == 28 ? host_trap() : 0;
}

// C may trap that has arguments on the stack, which its caller's frames are
// found behind.
TEST_KERNEL(trap_below_stack_arguments)
{
    struct visit v = {.func = NULL};
    struct store *s = make_instance(&v);
    struct execution x;

    inner = v.instance;
    execution_init(&x, s);
    struct execution *before = execution_enter(&x);
    expect_trap("throw_now", TRAP_UNCAUGHT_EXCEPTION);
    expect_trap("trap_9", TRAP_UNREACHABLE);
    expect_trap("tail_more", TRAP_UNREACHABLE);
    expect_trap("tail_fewer", TRAP_UNREACHABLE);
    expect_trap("nest_7", TRAP_UNREACHABLE);
    expect_trap("throw_then", TRAP_UNCAUGHT_EXCEPTION);
    execution_leave(before);
    EXPECT_EQ(inside, 0);
    store_free(s);
}

// Who is killed looks at no more frames.
TEST_KERNEL(kill_ends_backtraces)
{
    struct fall f = {.visit = {.func = "fall"}};
    struct store *s = make_instance(&f.visit);
    const struct trap_info *trap = &f.execution.trap;
    struct thread *t = test_start_thread(fall, &f);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    thread_release(t);
    EXPECT_EQ(f.visit.status, ERR_TRAP);
    EXPECT_EQ(trap->kind, TRAP_UNREACHABLE);
    EXPECT(trap->killed);
    EXPECT(trap->depth == 0 || trap->frames[0].times < 100);
    store_free(s);
}

// --- loading -----------------------------------------------------------------

struct load {
    struct code_module *code;       // compiled before
    status_t compiled, made, waits; // what became of it in a killed thread
};

static void
load_killed(void *arg)
{
    struct load *l = arg;
    struct code_module *code;
    struct process *p;
    struct error error;
    char text[64];

    l->waits = wait_in_queue();
    l->compiled = code_module_new(&code, l->code->compiled->bytes, &error);
    EXPECT_EQ(error.status, ERR_KILLED);
    l->made =
        process_new(&p, NULL, l->code, "load", &error, text, sizeof(text));
}

TEST_KERNEL(kill_ends_loading)
{
    struct load l = {.code = test_compile("count")};
    struct thread *t;

    wait_queue_init(&nothing.queue);
    t = test_start_blocked(load_killed, &l);
    kill_and_join(t);
    EXPECT_EQ(l.waits, ERR_KILLED);
    EXPECT_EQ(l.compiled, ERR_KILLED);
    EXPECT_EQ(l.made, ERR_KILLED);
    code_module_release(l.code);
}

static void
run_long(void *arg)
{
    *(status_t *)arg = wait_asleep();
}

static void
run_short(void *arg)
{
    *(status_t *)arg = OK;
}

TEST_KERNEL(run_until_ends_at_the_deadline)
{
    status_t status = ERR_FULL;

    EXPECT_EQ(thread_run_until(run_short, &status, UINT64_MAX), OK);
    EXPECT_EQ(status, OK);
    EXPECT_EQ(
        thread_run_until(run_long, &status, port_monotonic_ns() + 1000000),
        ERR_TIMED_OUT);
    EXPECT_EQ(status, ERR_KILLED);
}

// Whoever waits for a thread that still uses what is his sleeps, also when he
// was killed himself.
static struct {
    struct thread *waits;
    u32 runs; // how often he was found awake
} patient;

static void
take_long_to_die(void *arg)
{
    *(status_t *)arg = wait_asleep();
    // It may be another CPU that tells it of its kill.
    test_wait_until_blocked(patient.waits);
    for (u32 i = 0; i < 20; i++) {
        thread_yield();
        patient.runs += patient.waits->state != THREAD_BLOCKED;
    }
}

static void
run_and_be_killed(void *arg)
{
    status_t *status = arg;

    status[0] = thread_run_until(take_long_to_die, &status[1], UINT64_MAX);
}

TEST_KERNEL(run_until_sleeps_when_killed)
{
    status_t status[2] = {OK, OK};
    struct thread *t;

    EXPECT_EQ(thread_new(&t, run_and_be_killed, status), OK);
    patient.waits = t;
    patient.runs = 0;
    sched_start(t);
    test_wait_until_blocked(t);
    kill_and_join(t);
    EXPECT_EQ(status[0], ERR_KILLED);
    EXPECT_EQ(status[1], ERR_KILLED);
    EXPECT_EQ(patient.runs, 0);
}
