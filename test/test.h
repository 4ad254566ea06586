// test/test.h: the unit test frame.  TEST(name) { ... } registers itself; each
// test runs in its own process with a time limit.

#pragma once

#include "base/base.h"

// What a test may take: so long only on a slow and busy machine, or for ever.
enum { TEST_TIME_LIMIT_S = 600 };

struct test {
    const char *name;
    void (*run)(void);
    const char *(*row)(u32 row); // see TEST_ROWS
    bool last;                   // see TEST_LAST
};

#define TEST_OF(id, row, last)                                             \
    static void test_##id(void);                                           \
    static const struct test entry_##id = {#id, test_##id, (row), (last)}; \
    __attribute__((                                                        \
        used,                                                              \
        section("tests"))) static const struct test *const pointer_##id =  \
        &entry_##id;                                                       \
    static void test_##id(void)

#define TEST(id) TEST_OF(id, NULL, false)
// One test for each row of a table, which counts and fails by itself: it is
// called "id/name", and test_row says which it is.  `row` gives the name of a
// row, "" for one that there is nothing to test of, NULL behind the last.
#define TEST_ROWS(id, row) TEST_OF(id, row, false)
// The same, after all others, and only where these have all run.
#define TEST_LAST(id, row) TEST_OF(id, row, true)

extern u32 test_row;

// Report where and how a check failed, then go on; the test has failed.
void test_failed(const char *file, u32 line, const char *text, i64 got,
                 i64 want);

// main.c: end this test as one that could not run here, because of `why`.
_Noreturn void test_skip(const char *why);

// main.c: the path of a folder of the official suite, below $NEBULET_SUITE or
// out/suite; false when it lacks this one.  Skips the test where there is no
// suite at all.
bool test_suite(const char *folder, char *path, u64 size);

// image.c, in a kernel: run all tests, or those whose name starts with one of
// what follows the word "only=" of the kernel's line, with commas between, and
// say how many passed; did all?
bool tests_pass(const char *line);
// The number behind `word` ("seed=") in that line, or `otherwise`.
u64 test_asked(const char *word, u64 otherwise);

#define EXPECT(condition)                                      \
    do {                                                       \
        if (!(condition))                                      \
            test_failed(__FILE__, __LINE__, #condition, 0, 1); \
    } while (0)

#define EXPECT_EQ(got, want)                                                 \
    do {                                                                     \
        i64 got_ = (i64)(got), want_ = (i64)(want);                          \
        if (got_ != want_)                                                   \
            test_failed(__FILE__, __LINE__, #got " == " #want, got_, want_); \
    } while (0)
