// test/kernel/process.c: programs: threads and locks in wasm, traps and their
// reports, killing, system calls with bad arguments, imports that do not fit.

#include "test/kernel/calls.h"

#include <string.h>

enum { MS = 1000000 };

TEST_KERNEL(process_threads_share_memory_under_a_lock)
{
    for (u32 i = 0; i < 5; i++)
        EXPECT_EQ(test_run_module("count"), 42);
}

TEST_KERNEL(process_wasi_threads)
{
    for (u32 i = 0; i < 5; i++)
        EXPECT_EQ(test_run_module("wasi_threads"), 42);
}

static void
spin_until_set(void *stop)
{
    while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED))
        ;
}

// The least time from a deadline to the thread that waits for it, while another
// one runs: an interrupt and a switch.
static u64
interrupt_ns(void)
{
    u64 least = UINT64_MAX;
    bool stop = false;
    struct thread *t = test_start_thread(spin_until_set, &stop);
    for (u32 i = 0; i < 100; i++) {
        u64 deadline = port_monotonic_ns() + 10000;
        EXPECT_EQ(thread_sleep_until(deadline), OK);
        least = MIN(least, port_monotonic_ns() - deadline);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
    thread_release(t);
    return least;
}

// Threads are interrupted almost all the time: when the slice is as short as an
// interrupt, they get nowhere.
TEST_KERNEL(process_storm_of_interrupts)
{
    u64 slice = sched_slice_ns;

    sched_slice_ns = 3 * interrupt_ns();
    EXPECT_EQ(test_run_module("floats"), 42);
    EXPECT_EQ(test_run_module("count"), 42);
    EXPECT_EQ(test_run_module("wasi_threads"), 42);
    EXPECT_EQ(test_run_module("deep"), 42);
    sched_slice_ns = slice;
}

TEST_KERNEL(process_start_function_runs_first)
{
    EXPECT_EQ(test_run_module("start"), 33);
}

TEST_KERNEL(process_lives_on_without_its_main_thread)
{
    EXPECT_EQ(test_run_module("exit_thread"), 9);
}

static void
leave(void)
{
    (void)!CALL(thread_exit, 0);
}

// It ended when its last thread left: a kill comes too late to be its end.
TEST_KERNEL(process_ends_with_its_last_thread)
{
    struct process *p = test_new_process(leave);
    u32 exit_status = 77;

    EXPECT_EQ(process_start(p), OK);
    EXPECT_EQ(process_wait(p, UINT64_MAX, &exit_status), OK);
    EXPECT_EQ(exit_status, 0);
    process_kill(p, 9);
    EXPECT_EQ(process_wait(p, UINT64_MAX, &exit_status), OK);
    EXPECT_EQ(exit_status, 0);
    process_release(p);
}

TEST_KERNEL(process_bad_arguments_are_refused)
{
    EXPECT_EQ(test_run_module("misuse"), 42);
}

// A number in its place is the line of test/kernel/programs/create.wat that
// went wrong.
static void
run_create(void)
{
    EXPECT_EQ(test_run_module("create"), EXIT_TRAP);
}

TEST_KERNEL(process_call_in_memory)
{
    char log[1024], *found;

    test_log(log, sizeof(log), run_create);
    found = strstr(log, "nebulet: create, thread 123456789\\x1b1234567890123456"
                        "789012: trap: unreachable");
    EXPECT(found != NULL);
}

// --- traps -------------------------------------------------------------------

static const char *trapping;

static void
run_trapping(void)
{
    EXPECT_EQ(test_run_module(trapping), EXIT_TRAP);
}

static void
expect_report(const char *module, const char *const *lines)
{
    char log[4096];

    trapping = module;
    test_log(log, sizeof(log), run_trapping);
    for (const char *at = log; *lines != NULL; lines++) {
        const char *found = strstr(at, *lines);
        if (found == NULL)
            test_failed(__FILE__, __LINE__, *lines, 0, 1);
        else
            at = found;
    }
}

TEST_KERNEL(trap_report_names_functions)
{
    expect_report("divide",
                  (const char *[]){
                      "nebulet: divide: trap: integer divide by zero\n",
                      "    at quotient (offset 0x", "    at middle (offset 0x",
                      "    at main (offset 0x", NULL});
}

TEST_KERNEL(stack_grows)
{
    EXPECT_EQ(test_run_module("deep"), 42);
}

TEST_KERNEL(trap_stack_overflow)
{
    expect_report(
        "recurse",
        (const char *[]){"nebulet: recurse: trap: call stack exhausted\n",
                         "    at deeper (offset 0x", "    at deeper (offset 0x",
                         " times more\n", "    at _start (offset 0x", NULL});
}

TEST_KERNEL(trap_outside_memory)
{
    expect_report("outside",
                  (const char *[]){
                      "nebulet: outside: trap: out of bounds memory access\n",
                      "    at touch (offset 0x", NULL});
}

TEST_KERNEL(trap_no_memory_ends_the_process_only)
{
    struct process *p = test_process("fill");

    test_fail_commits(10);
    test_start(p);
    u32 status = test_wait(p);
    test_fail_commits(UINT64_MAX);
    EXPECT_EQ(status, EXIT_TRAP);
    EXPECT_EQ(test_run_module("fill"), 0);
}

TEST_KERNEL(trap_leaves_other_processes_alone)
{
    struct process *bad = test_process("divide");
    struct process *good = test_process("count");
    struct process *endless = test_process("endless");

    test_start(endless);
    test_start(good);
    test_start(bad);
    EXPECT_EQ(test_wait(bad), EXIT_TRAP);
    EXPECT_EQ(test_wait(good), 42);
    process_kill(endless, 5);
    EXPECT_EQ(test_wait(endless), 5);
}

TEST_KERNEL(exceptions_are_caught_and_swept)
{
    EXPECT_EQ(test_run_module("throw"), 42);
}

TEST_KERNEL(trap_uncaught_exception)
{
    expect_report(
        "uncaught",
        (const char *[]){"nebulet: uncaught: trap: unhandled exception\n",
                         "    at raise (offset 0x", "    at _start (offset 0x",
                         NULL});
}

TEST_KERNEL(trap_report_has_all_frames)
{
    expect_report("frames",
                  (const char *[]){
                      "nebulet: frames: trap: unreachable\n",
                      "    at trap (offset 0x", "    at leaf (offset 0x",
                      "    at outer (offset 0x", "    at wide_trap (offset 0x",
                      "    at between (offset 0x", "    at _start (offset 0x",
                      NULL});
}

// --- exceptions --------------------------------------------------------------

TEST_KERNEL(exceptions_unwind_tail_calls)
{
    EXPECT_EQ(test_run_module("unwind"), 42);
}

TEST_KERNEL(exceptions_nobody_has_are_freed)
{
    enum { KEPT = 2 * 16, ENOUGH = 8 * KEPT };
    struct code_module *code = test_compile("throws");
    struct store *s = NULL;
    struct instance *i;
    struct extern_ref func;
    struct error error;
    enum trap trap;
    u32 count;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(instance_new(&i, s, code, &host_resolver, &error, &trap), OK);
    EXPECT(instance_export(i, string_of("_start"), &func));
    EXPECT_EQ(instance_invoke(&func, NULL, 0, 0, &count, &trap), OK);
    EXPECT(s->exn_count <= ENOUGH);
    code_module_release(code);
    store_free(s);
}

// Another thread could have those in the table, so all are kept.
TEST_KERNEL(exceptions_are_kept_for_other_threads)
{
    struct code_module *code = test_compile("throws");
    struct store *s = NULL;
    struct instance *i;
    struct extern_ref func;
    struct error error;
    enum trap trap;
    u32 count;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(instance_new(&i, s, code, &host_resolver, &error, &trap), OK);
    EXPECT(instance_export(i, string_of("_start"), &func));
    s->thread_count = 2;
    EXPECT_EQ(instance_invoke(&func, NULL, 0, 0, &count, &trap), OK);
    s->thread_count = 0;
    code_module_release(code);
    store_free(s);
}

TEST_KERNEL(exceptions_stay_with_their_thread)
{
    expect_report(
        "stale",
        (const char *[]){"nebulet: stale: trap: null exception reference\n",
                         "    at child (offset 0x", NULL});
}

TEST_KERNEL(exceptions_in_globals_and_of_others_are_kept)
{
    EXPECT_EQ(test_run_module("roots"), 42);
}

TEST_KERNEL(exceptions_in_tables_are_kept_for_other_threads)
{
    EXPECT_EQ(test_run_module("shelf"), 42);
}

// --- faults ------------------------------------------------------------------

// What a fault at `address` is, while `running` runs.
static enum fault_action
fault_in(const struct instance *running, u64 address)
{
    const struct code *code = &running->code->code;
    struct thread *t = thread_current();
    struct store *s = running->store;
    struct execution x;
    u64 stack[16] = {0};
    struct fault fault = {
        .kind = FAULT_MEMORY,
        .rsp = (u64)stack,
        .r14 = (u64)s->vms[running->number],
        .address = address,
        .absent = true,
    };

    for (u32 k = 0; k < code->trap_count && fault.pc == 0; k++)
        if (code->traps[k].trap == TRAP_MEMORY_BOUNDS)
            fault.pc = (u64)running->code->text + code->traps[k].pc;
    EXPECT(fault.pc != 0);
    execution_init(&x, s);
    struct execution *before = execution_enter(&x);
    t->entry.barrier = 1;
    enum fault_action action = fault_handle(&fault);
    execution_leave(before);
    t->entry.barrier = 0;
    t->entry.leave = LEAVE_NONE;
    return action;
}

TEST_KERNEL(faults_are_traps_in_own_slots_only)
{
    enum { PAST = 70 * 65536 }; // the memory's end
    struct code_module *code = test_compile("fill");
    struct instance *one, *other;
    struct store *s = NULL;
    struct error error;
    enum trap trap;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(instance_new(&one, s, code, &host_resolver, &error, &trap), OK);
    EXPECT_EQ(instance_new(&other, s, code, &host_resolver, &error, &trap), OK);
    u64 base = (u64)one->memories[0]->base;
    u64 other_base = (u64)other->memories[0]->base;
    EXPECT_EQ(fault_in(one, base + PAST), FAULT_CONTINUE);
    EXPECT_EQ(fault_in(one, other_base + PAST), FAULT_PANIC);
    EXPECT_EQ(fault_in(other, other_base + PAST), FAULT_CONTINUE);
    EXPECT_EQ(fault_in(other, base + PAST), FAULT_PANIC);
    code_module_release(code);
    store_free(s);
}

// --- ending ------------------------------------------------------------------

TEST_KERNEL(kill_endless_loop)
{
    struct process *p = test_process("endless");
    u32 status;

    test_start(p);
    EXPECT_EQ(process_wait(p, port_monotonic_ns() + 20 * MS, &status),
              ERR_TIMED_OUT);
    process_kill(p, 124);
    process_kill(p, 125); // too late
    EXPECT_EQ(test_wait(p), 124);
}

TEST_KERNEL(kill_before_start)
{
    struct process *p = test_process("endless");

    process_kill(p, 3);
    EXPECT_EQ(process_start(p), ERR_EXITED);
    EXPECT_EQ(test_wait(p), 3);
}

TEST_KERNEL(exit_ends_threads_that_block_and_spin)
{
    EXPECT_EQ(test_run_module("blocked"), 7);
}

TEST_KERNEL(kill_threads_that_block_and_spin)
{
    for (u32 delay = 0; delay < 8; delay++) {
        struct process *p = test_process("blocked");
        test_start(p);
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + delay * MS), OK);
        process_kill(p, 1);
        u32 status = test_wait(p);
        EXPECT(status == 1 || status == 7); // killed, or it was faster
    }
}

// --- linking -----------------------------------------------------------------

static void
expect_refused(const char *module, status_t want, const char *want_text)
{
    struct code_module *code = test_compile(module);
    struct process *p = NULL;
    struct error error;
    char text[128] = "";

    EXPECT_EQ(process_new(&p, NULL, code, module, &error, text, sizeof(text)),
              want);
    EXPECT_EQ(error.status, want);
    if (strcmp(text, want_text) != 0)
        test_failed(__FILE__, __LINE__, text, 0, 0);
    code_module_release(code);
}

TEST_KERNEL(link_errors_say_which_import)
{
    expect_refused("import_name", ERR_UNKNOWN_IMPORT,
                   "unknown import \"nebulet\" \"no_such_call\"");
    expect_refused("import_type", ERR_IMPORT_TYPE,
                   "incompatible import type \"nebulet\" \"thread_yield\"");
    expect_refused("segment", ERR_TRAP,
                   "out of bounds memory access: data segment 0, 2 bytes");
}

TEST_KERNEL(process_without_entry_does_not_start)
{
    struct process *p = test_process("no_entry");

    EXPECT_EQ(process_start(p), ERR_NOT_FOUND);
    process_release(p);
}

// --- no memory ---------------------------------------------------------------

// Let every single commit on the way fail once.
TEST_KERNEL(no_memory_anywhere_fails_cleanly)
{
    u32 worked = 0;

    for (u64 n = 0; worked == 0 && n < 1000; n++) {
        struct code_module *code = test_compile("count");
        struct process *p = NULL;
        struct error error;
        char text[64];
        u32 status = 0;

        test_fail_commits(n);
        status_t made =
            process_new(&p, NULL, code, "count", &error, text, sizeof(text));
        if (made == OK)
            made = process_start(p);
        if (made == OK)
            EXPECT_EQ(process_wait(p, UINT64_MAX, &status), OK);
        else
            EXPECT_EQ(made, ERR_NO_MEMORY);
        test_fail_commits(UINT64_MAX);
        worked += made == OK && status == 42;
        if (p != NULL)
            process_release(p);
        code_module_release(code);
    }
    EXPECT_EQ(worked, 1);
}

// --- compiled code -----------------------------------------------------------

// Neither the order nor what was compiled before shows in the code.
TEST_KERNEL(code_is_the_same_every_time)
{
    struct code_module *first[64], *again;

    assert(test_module_count <= COUNT(first));
    for (u32 i = 0; i < test_module_count; i++)
        first[i] = test_compile(test_modules[i].name);
    for (u32 i = test_module_count; i-- > 0;) {
        again = test_compile(test_modules[i].name);
        EXPECT_EQ(again->compiled->code.size, first[i]->compiled->code.size);
        EXPECT(memcmp(again->compiled->text, first[i]->compiled->text,
                      again->compiled->code.size) == 0);
        code_module_release(again);
        code_module_release(first[i]);
    }
}

TEST_KERNEL(no_memory_for_the_compiler)
{
    struct code_module *code = NULL;

    for (u64 n = 0; code == NULL && n < 1000; n++) {
        struct bytes bytes = test_module_bytes(&test_modules[0]);
        struct error error;
        test_fail_commits(n);
        status_t status = code_module_new(&code, bytes, &error);
        EXPECT(status == OK || status == ERR_NO_MEMORY);
        test_fail_commits(UINT64_MAX);
    }
    EXPECT(code != NULL);
    code_module_release(code);
}
