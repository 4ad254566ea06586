// test/image.c: the frame of test.h in a kernel image: the tests run one after
// the other, and what fails is said on the console.

#include "port/metal/metal.h"
#include "test/test.h"

extern const struct test *const __start_tests[];
extern const struct test *const __stop_tests[];

static bool failed;

void
test_failed(const char *file, u32 line, const char *text, i64 got, i64 want)
{
    failed = true;
    say("%s:%u: %s: got %ld, want %ld", file, line, text, got, want);
}

bool
tests_pass(void)
{
    u32 passed = 0, bad = 0;

    for (const struct test *const *t = __start_tests; t < __stop_tests; t++) {
        failed = false;
        (*t)->run();
        if (failed)
            say("FAILED: %s", (*t)->name);
        passed += !failed;
        bad += failed;
    }
    say("%u passed, %u failed, 0 skipped", passed, bad);
    return bad == 0;
}
