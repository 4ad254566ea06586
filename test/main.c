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

enum { SKIPPED = 77 }; // exit status of a test that cannot run here

static bool failed;
static const char *current;

_Noreturn void
test_skip(const char *why)
{
    printf("skipped: %s: %s\n", current, why);
    exit(failed ? 1 : SKIPPED);
}

static bool
suite_folder(const char *folder, char *path, u64 size)
{
    const char *suite = getenv("NEBULET_SUITE");

    snprintf(path, size, "%s/%s", suite != NULL ? suite : "out/suite", folder);
    return access(path, F_OK) == 0;
}

bool
test_suite(const char *folder, char *path, u64 size)
{
    if (!suite_folder("core", path, size))
        test_skip("the official suite is not here: `make suite` gets it");
    return suite_folder(folder, path, size);
}

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

// The exit status of its process: 0, SKIPPED, or anything else when it failed.
static int
run(const struct test *test)
{
    int status = 0;

    current = test->name;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        alarm(TEST_TIME_LIMIT_S);
        test->run();
        exit(failed ? 1 : 0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return -1;
    if (WIFSIGNALED(status))
        printf("%s: %s\n", current, strsignal(WTERMSIG(status)));
    if (!WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status);
}

int
main(int argc, char **argv)
{
    u32 passed = 0, bad = 0, skipped = 0;

    for (const struct test *const *t = __start_tests; t < __stop_tests; t++) {
        if (!selected((*t)->name, argc, argv))
            continue;
        int status = run(*t);
        passed += status == 0;
        skipped += status == SKIPPED;
        if (status != 0 && status != SKIPPED) {
            bad++;
            printf("FAILED: %s\n", (*t)->name);
        }
    }
    if (passed + bad + skipped == 0) {
        bad++;
        printf("FAILED: no test has such a name\n");
    }
    printf("%u passed, %u failed, %u skipped\n", passed, bad, skipped);
    return bad != 0;
}
