// test/kernel/results.c: that the kernel's tests have seen every error of every
// call: builds for tests note what each call returned (call_results[],
// sys/syscall.c), and abi/errors.def says what it may return.  Each is to be
// returned by some test, and nothing else by any, the fuzzer included.

#include "test/kernel/calls.h"

#include <string.h>

#define BIT(status) (1ull << -(status))

// What a row of abi/errors.def names.
static const struct {
    bool is_there;
    u64 errors;
} rows[CALL_COUNT] = {
#define E(id)                | BIT(ERR_##id)
#define ERRORS(call, errors) [CALL_##call] = {true, 0 errors},
#include "abi/errors.def"
};

// What its arguments may be refused for.
static u64
errors_of(const struct test_arg *arg)
{
    switch (arg->kind) {
    case ARG_HANDLE:
    case ARG_OPTION:
        return BIT(ERR_BAD_HANDLE) | BIT(ERR_WRONG_TYPE) | BIT(ERR_ACCESS);
    case ARG_ANY:
        return BIT(ERR_BAD_HANDLE) | BIT(ERR_ACCESS);
    case ARG_WORD:
        return BIT(ERR_BAD_ADDRESS) | BIT(ERR_BAD_ARGUMENT);
    default:
        return arg->kind >= ARG_BYTES ? BIT(ERR_BAD_ADDRESS) : 0;
    }
}

static u64
results_of(u32 call)
{
    const struct test_call *c = &test_calls[call];
    u64 all = BIT(OK) | rows[call].errors;

    if (c->in_memory)
        all |= BIT(ERR_BAD_ADDRESS) | BIT(ERR_BAD_ARGUMENT);
    for (u32 i = 0; c->args[i].kind != ARG_NONE; i++)
        all |= errors_of(&c->args[i]);
    return all;
}

// --- at random ---------------------------------------------------------------

static u64 before[CALL_COUNT];

static void
complain(u32 call, u64 results, const char *what)
{
    char text[128];

    for (; results != 0; results &= results - 1) {
        status_t status = -(status_t)bits_trailing_zeros(results);
        format(text, sizeof(text), "%s: %s: %s", test_calls[call].name,
               status_text(status), what);
        test_failed(__FILE__, __LINE__, text, status, OK);
    }
}

void
test_forget_from_here(void)
{
    if (CHECKED)
        memcpy(before, call_results, sizeof(before));
}

void
test_forget_until_here(void)
{
    for (u32 i = 0; CHECKED && i < CALL_COUNT; i++)
        complain(i, call_results[i] & ~results_of(i),
                 "abi/errors.def has none");
    if (CHECKED)
        memcpy(call_results, before, sizeof(before));
}

// --- all of them -------------------------------------------------------------

static const char *
call_name(u32 row)
{
    return CHECKED && row < CALL_COUNT ? test_calls[row].name : NULL;
}

TEST_LAST(every_result_of, call_name)
{
    u64 seen = test_results(test_row), may = results_of(test_row);

    EXPECT(rows[test_row].is_there);
    complain(test_row, may & ~seen, "no test has made the call return that");
    complain(test_row, seen & ~may, "abi/errors.def has none");
}
