// test/main.c: run the registered tests, each in a child with an alarm.
//
//     test-NAME            all
//     test-NAME PREFIX...  those whose name starts with a prefix, without those
//                          that look at what all have done
//
// Ends with the line "N passed, N failed, N skipped".

#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern const struct test *const __start_tests[];
extern const struct test *const __stop_tests[];

enum { SKIPPED = 77 }; // exit status of a test that cannot run here

u32 test_row;

static bool failed;
static char current[128]; // the name of the test, and of its row

// Those that took longest, the first most.
static struct {
    char name[128];
    u64 ms;
} longest[5];

static struct {
    u32 passed, bad, skipped;
} sum;

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

static u64
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000 + (u64)now.tv_nsec / 1000000;
}

static void
note_time(u64 ms)
{
    u32 i = COUNT(longest);

    for (; i > 0 && longest[i - 1].ms < ms; i--)
        if (i < COUNT(longest))
            longest[i] = longest[i - 1];
    if (i < COUNT(longest)) {
        snprintf(longest[i].name, sizeof(longest[i].name), "%s", current);
        longest[i].ms = ms;
    }
}

// On a busy host they take longer.
static void
say_longest(void)
{
    for (u32 i = 0; i < COUNT(longest) && longest[i].ms >= 1000; i++)
        printf("%s took %llu ms\n", longest[i].name,
               (unsigned long long)longest[i].ms);
}

static void
run_and_count(const struct test *t)
{
    u64 start = now_ms();
    int status = run(t);

    note_time(now_ms() - start);
    sum.passed += status == 0;
    sum.skipped += status == SKIPPED;
    if (status != 0 && status != SKIPPED) {
        sum.bad++;
        printf("FAILED: %s\n", current);
    }
}

// Those of its rows that were asked for.
static void
run_rows(const struct test *t, int argc, char **argv)
{
    const char *name;

    for (test_row = 0; (name = t->row(test_row)) != NULL; test_row++) {
        snprintf(current, sizeof(current), "%s/%s", t->name, name);
        if (name[0] != '\0' && selected(current, argc, argv))
            run_and_count(t);
    }
}

static void
run_all(bool last, int argc, char **argv)
{
    for (const struct test *const *t = __start_tests; t < __stop_tests; t++) {
        if ((*t)->last != last)
            continue;
        snprintf(current, sizeof(current), "%s", (*t)->name);
        if ((*t)->row != NULL)
            run_rows(*t, argc, argv);
        else if (selected(current, argc, argv))
            run_and_count(*t);
    }
}

int
main(int argc, char **argv)
{
    run_all(false, argc, argv);
    if (argc == 1)
        run_all(true, argc, argv);
    if (sum.passed + sum.bad + sum.skipped == 0) {
        sum.bad++;
        printf("FAILED: no test has such a name\n");
    }
    say_longest();
    printf("%u passed, %u failed, %u skipped\n", sum.passed, sum.bad,
           sum.skipped);
    return sum.bad != 0;
}
