// A kernel for each test: TEST_KERNEL(name) { ... } runs as the kernel's first
// thread and then checks that it left nothing behind.

#pragma once

#include "port/linux/linux.h"
#include "test/test.h"

#define TEST_KERNEL(id)                    \
    static void kernel_test_##id(void);    \
    TEST(id)                               \
    {                                      \
        kernel_test_run(kernel_test_##id); \
    }                                      \
    static void kernel_test_##id(void)

// Start a kernel and run the test in it, once to warm pools up and once to
// compare objects and heap before and after.
void kernel_test_run(void (*test)(void));

// --- modules (kernel_wasm.c) -------------------------------------------------

struct test_module {
    const char *name;
    const u8 *bytes;
    u64 size;
};

extern const struct test_module test_modules[];
extern const u32 test_module_count;

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
