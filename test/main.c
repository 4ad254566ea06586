// test/main.c: run the registered tests, each in a child with an alarm.
//
//     test-NAME            all
//     test-NAME PREFIX...  those whose name starts with a prefix
//
// Ends with the line "N passed, N failed, N skipped".

#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern const struct test *const __start_tests[];
extern const struct test *const __stop_tests[];

static bool failed;

void
test_failed(const char *file, u32 line, const char *text, i64 got, i64 want)
{
    failed = true;
    printf("%s:%u: %s: got %lld, want %lld\n", file, line, text, (long long)got,
           (long long)want);
}

static bool
selected(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strncmp(name, argv[i], strlen(argv[i])) == 0)
            return true;
    return argc == 1;
}

static bool
run(const struct test *test)
{
    int status = 0;

    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(TEST_TIME_LIMIT_S);
        test->run();
        exit(failed ? 1 : 0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int
main(int argc, char **argv)
{
    u32 passed = 0, bad = 0;

    for (const struct test *const *t = __start_tests; t < __stop_tests; t++) {
        if (!selected((*t)->name, argc, argv))
            continue;
        if (run(*t)) {
            passed++;
        } else {
            bad++;
            printf("FAILED: %s\n", (*t)->name);
        }
    }
    printf("%u passed, %u failed, 0 skipped\n", passed, bad);
    return bad != 0;
}
