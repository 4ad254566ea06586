// test/image.c: the frame of test.h in a kernel image: the tests run one after
// the other, and what fails is said on the console.

#include "port/metal/metal.h"
#include "test/test.h"

extern const struct test *const __start_tests[];
extern const struct test *const __stop_tests[];

u32 test_row;

static const char *words; // the kernel's line
static bool failed;
static u32 passed, bad;

// Those that took longest, the first most: of wall time, or, where QEMU counts
// instructions, of these.
static struct {
    char name[64];
    u64 ms;
} longest[5];

void
test_failed(const char *file, u32 line, const char *text, i64 got, i64 want)
{
    failed = true;
    say("%s:%u: %s: got %ld, want %ld", file, line, text, got, want);
}

// Where `word` is in the kernel's line; NULL: nowhere.
static const char *
find_word(const char *word)
{
    u32 size = string_of(word).len;

    for (const char *at = words; *at != '\0'; at++)
        if (string_of(at).len >= size && memcmp(at, word, size) == 0)
            return at;
    return NULL;
}

// What follows `word` in the kernel's line, up to a space.
static struct string
value_of(const char *word)
{
    const char *at = find_word(word);
    struct string value = {at != NULL ? at + string_of(word).len : "", 0};

    while (value.ptr[value.len] != '\0' && value.ptr[value.len] != ' ')
        value.len++;
    return value;
}

u64
test_asked(const char *word, u64 otherwise)
{
    struct string said = value_of(word);
    u64 number = 0;

    for (u32 i = 0; i < said.len; i++)
        number = 10 * number + (u64)(said.ptr[i] - '0');
    return said.len == 0 ? otherwise : number;
}

// Does it start with one of these, which have commas between them?
static bool
starts_with(const char *name, struct string starts)
{
    const char *end = starts.ptr + starts.len;

    for (const char *at = starts.ptr;; at++) {
        struct string start = {at, 0};
        for (; at < end && *at != ','; at++)
            start.len++;
        if (string_of(name).len >= start.len &&
            memcmp(name, start.ptr, start.len) == 0)
            return true;
        if (at == end)
            return false;
    }
}

// As many CPUs as the machine has been given: "cpus=N", which the command adds.
static bool
has_all_cpus(void)
{
    u64 cpus = test_asked("cpus=", port_cpu_count());

    if (cpus == port_cpu_count())
        return true;
    say("FAILED: %u CPUs were found of %lu", port_cpu_count(), cpus);
    return false;
}

// Where the clock counts instructions it jumps when QEMU's host is busy (see
// test/README.md): what fails is tried again, and has failed if it always does.
static u32
tries(void)
{
    return find_word("icount") != NULL ? 3 : 1;
}

static void
note_time(const char *name, u64 ms)
{
    u32 i = COUNT(longest);

    for (; i > 0 && longest[i - 1].ms < ms; i--)
        if (i < COUNT(longest))
            longest[i] = longest[i - 1];
    if (i < COUNT(longest)) {
        format(longest[i].name, sizeof(longest[i].name), "%s", name);
        longest[i].ms = ms;
    }
}

static void
say_longest(void)
{
    for (u32 i = 0; i < COUNT(longest) && longest[i].ms > 0; i++)
        say("%s took %lu ms", longest[i].name, longest[i].ms);
}

static void
run(const struct test *t, const char *name, struct string only)
{
    if (!starts_with(name, only))
        return;
    u64 start = port_monotonic_ns();
    for (u32 left = tries(); left > 0; left--) {
        failed = false;
        t->run();
        if (!failed)
            break;
        say("%s: %s", left > 1 ? "again" : "FAILED", name);
    }
    note_time(name, (port_monotonic_ns() - start) / 1000000);
    passed += !failed;
    bad += failed;
}

static void
run_rows(const struct test *t, struct string only)
{
    char full[128];
    const char *name;

    for (test_row = 0; (name = t->row(test_row)) != NULL; test_row++) {
        format(full, sizeof(full), "%s/%s", t->name, name);
        if (name[0] != '\0')
            run(t, full, only);
    }
}

static void
run_all(bool last, struct string only)
{
    for (const struct test *const *t = __start_tests; t < __stop_tests; t++) {
        if ((*t)->last != last)
            continue;
        if ((*t)->row != NULL)
            run_rows(*t, only);
        else
            run(*t, (*t)->name, only);
    }
}

bool
tests_pass(const char *cmdline)
{
    words = cmdline;

    struct string only = value_of("only=");
    bad += !has_all_cpus();
    run_all(false, only);
    if (only.len == 0)
        run_all(true, only);
    say_longest();
    say("%u passed, %u failed, 0 skipped", passed, bad);
    return passed > 0 && bad == 0;
}
