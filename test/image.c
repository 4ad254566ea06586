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

// What follows `word` in the kernel's line, up to a space.
static struct string
value_of(const char *line, const char *word)
{
    u32 size = string_of(word).len;

    for (; *line != '\0'; line++)
        if (string_of(line).len >= size && memcmp(line, word, size) == 0) {
            struct string value = {line + size, 0};
            while (value.ptr[value.len] != '\0' && value.ptr[value.len] != ' ')
                value.len++;
            return value;
        }
    return (struct string){NULL, 0};
}

static bool
starts_with(const char *name, struct string start)
{
    return string_of(name).len >= start.len &&
           memcmp(name, start.ptr, start.len) == 0;
}

// As many CPUs as the machine has been given: "cpus=N", which the command adds.
static bool
has_all_cpus(const char *line)
{
    struct string said = value_of(line, "cpus=");
    u32 cpus = 0;

    for (u32 i = 0; i < said.len; i++)
        cpus = 10 * cpus + (u32)(said.ptr[i] - '0');
    if (said.len == 0 || cpus == port_cpu_count())
        return true;
    say("FAILED: %u CPUs were found of %u", port_cpu_count(), cpus);
    return false;
}

bool
tests_pass(const char *line)
{
    struct string only = value_of(line, "only=");
    u32 passed = 0, bad = !has_all_cpus(line);

    for (const struct test *const *t = __start_tests; t < __stop_tests; t++) {
        if (only.len > 0 && !starts_with((*t)->name, only))
            continue;
        failed = false;
        (*t)->run();
        if (failed)
            say("FAILED: %s", (*t)->name);
        passed += !failed;
        bad += failed;
    }
    say("%u passed, %u failed, 0 skipped", passed, bad);
    return passed > 0 && bad == 0;
}
