// test/kernel/frame.h: a kernel for each test: TEST_KERNEL(name) { ... } runs
// as the kernel's first thread and then checks that it left nothing behind.

#pragma once

#include "kernel/internal.h"
#include "runtime/internal.h"
#include "sys/internal.h"
#include "test/latency/latency.h"
#include "test/test.h"
#include "verify/judge.h"

#define TEST_KERNEL(id) TEST_KERNEL_OF(id, TEST(id))
// One for each row of a table (test/test.h).
#define TEST_KERNEL_ROWS(id, row) TEST_KERNEL_OF(id, TEST_ROWS(id, row))
#define TEST_KERNEL_OF(id, head)           \
    static void kernel_test_##id(void);    \
    head                                   \
    {                                      \
        kernel_test_run(kernel_test_##id); \
    }                                      \
    static void kernel_test_##id(void)

// Run the test in a kernel, once to warm pools up and once to compare objects
// and heap before and after.  A kernel of its own on Linux (linux.c);
// all tests share one on the metal (test/kernel/metal.c).
void kernel_test_run(void (*test)(void));
// What it does when there is a kernel.
void kernel_test_twice(void (*test)(void));
// All results (bits, as in call_results[]) that the tests that have run have
// seen of a call.
u64 test_results(u32 call);
// Wait until threads that have ended have left.
void test_settle(void);

// Below `below`, by xorshift64; *random is not 0.
u32 test_draw(u64 *random, u32 below);

struct group *test_new_group(struct group *parent);
void test_drop_group(struct group *g);
// A thread, which runs; the same, and wait until it sleeps.
struct thread *test_start_thread(void (*run)(void *arg), void *arg);
struct thread *test_start_blocked(void (*run)(void *arg), void *arg);
// A thread of the group, which runs; and wait for one to its end.
struct thread *test_start_in(struct group *g, void (*run)(void *arg),
                             void *arg);
struct thread *test_start_at(struct group *g, u32 priority,
                             void (*run)(void *arg), void *arg);
void test_join(struct thread *t);

// A gate of programs in a group of their own, with one thread that serves.
struct test_place {
    struct group *servers;
    struct gate *gate;
    struct door *door;
    struct thread *server;
};

// serve(arg) waits there when this returns.
void test_open_place(struct test_place *p, u32 priority,
                     void (*serve)(void *arg), void *arg);
void test_close_place(struct test_place *p);

// As such a thread: run until the flag at `arg` is set.
void test_spin_until(void *arg);
// Wait until the condition holds, which another thread or CPU brings about: the
// first turns only let others run, then we sleep, so that a CPU of QEMU's that
// has nothing else to do does not take the time of those that have.
#define TEST_WAIT(condition)                   \
    for (u32 turn_ = 0; !(condition); turn_++) \
    test_pause(turn_)
void test_pause(u32 turn);
// Or until it has ended: where the host is busy, the end of a wait may come
// before anybody has seen it begin.
void test_wait_until_blocked(const struct thread *t);
// The running thread takes this time from now on.
void test_lend(struct lent lent);
// A process of a module (test_compile()) in a group (NULL: the running
// thread's); and its exit status.
MUST_USE status_t test_load_in(struct group *g, const char *name,
                               struct process **out);
u32 test_run_in(struct group *g, const char *name);
u64 test_group_used(const struct group *g, enum resource r);
// Nothing is used, when those that have ended have left their stacks.
void test_expect_unused(const struct group *g);

// Drop what is only kept, until g has no code, when those have ended, too.
void test_reclaim_kept(const struct group *g);

// The n-th commit or promise from now on and all later ones fail; UINT64_MAX
// ends that.
void test_fail_commits(u64 after);

// supply.c: after so many requests for whatever there may be none of,
// the next one fails, or (not `once`) all from then on.  The end; how many
// there were.
void test_fail_supply(u64 after, bool once);
u64 test_end_supply(void);
bool test_may_have(void);      // for one more such request
void test_slow_uncharge(void); // the next one of a thread comes late

// Slots, pieces of code and other reservations that are in use.
struct test_space {
    u64 slots, code, reserved;
};
struct test_space test_space_in_use(void);

// A rule about who may write and execute what that the port breaks now, and at
// which address; NULL: none.
const char *test_space_fault(u64 *address);
// May anybody write to this byte, by any address?  And execute it?
bool test_may_write(const void *at);
bool test_may_execute(const void *at);
// Write to code, whatever the verifier would say; skips the test on linux.
void test_write_code(void *at, const void *bytes, u64 size);
// The kernel's text, its end, and the end of the stack that interrupts of this
// CPU have; on the metal only.
const u8 *test_text(const u8 **end);
u64 test_interrupt_stack(void);

// Who is called before memory is sealed, before the verifier looks at code, and
// before that becomes executable; NULL: nobody.
struct test_code_watch {
    void (*sealed)(const void *ptr, u64 size);
    void (*judged)(const struct verify_code *code);
    void (*executed)(const void *text, u64 size);
};
void test_watch_code(struct test_code_watch watch);

// The memory that a device sees at this address.
void *test_dma(u64 address);

// As much of test_work() (test/latency/latency.h) as 1,000,000 instructions; 0:
// there is no telling (but in QEMU with -icount).
u64 test_work_bound(void);

// What is done from here to the next of these is measured: the longest stretch
// without preemption is not longer than the bound, or half of it.
void test_watch(void);
void test_expect_short(const char *what);
void test_expect_half(const char *what);

// What each thread of the stress test is to do, and with which seed: `make
// soak` does a hundred of them.
enum { STRESS_STEPS = 160 };
u32 test_stress_steps(void);
u32 test_stress_seed(void);
// Of so many requests that can fail one does, after the first; 1: all.
enum { FAULT_STEP = 11 };
u32 test_fault_step(void);
// How many calls the fuzzer of system calls makes; `make soak` does more.
enum { FUZZ_CALLS = 5000 };
u64 test_fuzz_calls(void);

// A part, in tenths, of the steps that hostile drivers make; `make soak` does a
// hundred times as many.
u64 test_device_steps(u64 of_ten);

// Threads of several CPUs count together: the value before.
#define COUNT_UP(count)   __atomic_fetch_add(&(count), 1, __ATOMIC_SEQ_CST)
#define COUNT_DOWN(count) __atomic_fetch_sub(&(count), 1, __ATOMIC_SEQ_CST)
#define COUNT_OF(count)   __atomic_load_n(&(count), __ATOMIC_SEQ_CST)

// An account below the root that may have so many bytes of objects.
struct account *test_account(u64 objects);

// --- planted faults (plants.c) ----------------------------------------

extern const struct test_plant {
    const char *name;
    void (*run)(void);
    const char *message; // part of the panic's
} test_plants[];
extern const u32 test_plant_count;

// console.c: nobody takes what is written to the console.
void test_console_stop(bool stopped);

// --- modules (wasm.c) -------------------------------------------------

struct test_module {
    const char *name;
    const u8 *start, *end;
};

extern const struct test_module test_modules[];
extern const u32 test_module_count;

struct bytes test_module_bytes(const struct test_module *m);
struct bytes test_module_named(const char *name);
// Compile one of them.
struct code_module *test_compile(const char *name);

// A process of it, and what became of it.
struct process *test_process(const char *name);
void test_start(struct process *p);
u32 test_wait(struct process *p); // releases it; the exit status

// Run it to its end.
u32 test_run_module(const char *name);

// What the kernel logged while `run` ran, terminated.
void test_log(char *to, u64 size, void (*run)(void));
