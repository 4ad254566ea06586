// test/kernel/rights.c: every right of every type of object is needed: a call
// that takes such a handle refuses one that carries all rights but that, and is
// content with one that carries that alone.

#include "test/kernel/calls.h"

#include <string.h>

static const struct object_type *const types[] = {
#define OBJECT(number, id, rights, user, closed, help) &id##_type,
#include "abi/objects.def"
};

static const struct {
    u32 bit;
    const char *name;
} rights[] = {
#define RIGHT(bit, id, text) {1u << bit, #id},
#include "abi/rights.def"
};

static const struct object_type *
row_type(void)
{
    return types[test_row / COUNT(rights)];
}

static u32
row_right(void)
{
    return rights[test_row % COUNT(rights)].bit;
}

// Programs have no handles of memories and tables yet, and what a handle of a
// terminal lets them write to is a descriptor (test/wasi/calls.c).
static bool
is_used(const struct object_type *type, u32 right)
{
    return type != &memory_type && type != &table_type &&
           (type != &terminal_type || right != RIGHT_WRITE);
}

static const char *
right_of_type(u32 row)
{
    static char name[64];

    if (row >= COUNT(types) * COUNT(rights))
        return NULL;
    const struct object_type *type = types[row / COUNT(rights)];
    u32 i = row % COUNT(rights);
    if ((type->rights & rights[i].bit) == 0 || !is_used(type, rights[i].bit))
        return "";
    format(name, sizeof(name), "%s.%s", type->name, rights[i].name);
    return name;
}

// --- arguments ---------------------------------------------------------------

// Of calls that wait without an end.
static bool
comes_back(u32 call)
{
    return call != CALL_thread_join;
}

static void
use(u32 number, u32 arg)
{
    const struct test_call *call = &test_calls[number];
    u64 words[CALL_ARGS + 2] = {0};
    u64 *word = &words[test_word_at(call, arg)];
    u32 handles = 0, options = 0;

    test_fill_words(call, words, &handles, &options);
    for (u32 i = 0; i < CALL_ARGS; i++)
        if (handles >> i & 1)
            words[test_word_at(call, i)] =
                test_handle(test_type_for(call, i), UINT32_MAX);
    *word = test_handle(row_type(), ~row_right());
    status_t without = test_call(call->name, words);
    if (without != ERR_ACCESS)
        test_failed(__FILE__, __LINE__, call->name, without, ERR_ACCESS);
    if (!comes_back(number))
        return;
    *word = test_handle(row_type(), call->args[arg].right);
    if (test_call(call->name, words) == ERR_ACCESS)
        test_failed(__FILE__, __LINE__, call->name, ERR_ACCESS, OK);
}

// How many calls ask for it.
static u32
use_arguments(void)
{
    u32 count = 0;

    for (u32 i = 0; i < test_call_count; i++)
        for (u32 k = 0; test_calls[i].args[k].kind != ARG_NONE; k++) {
            const struct test_arg *arg = &test_calls[i].args[k];
            bool fits = arg->type == row_type() || arg->kind == ARG_ANY;
            if (!fits || (arg->right & row_right()) == 0)
                continue;
            use(i, k);
            count++;
        }
    return count;
}

// --- what is looked up in other ways -----------------------------------------

enum { OUT = 64, ITEMS = 128 };

static status_t
duplicate(handle_t h)
{
    return CALL(handle_duplicate, h, 0, OUT);
}

static status_t
send(handle_t h)
{
    handle_t channel = test_handle(&channel_type, UINT32_MAX);

    test_store32(ITEMS, h);
    return CALL(channel_write, channel, 0, 0, ITEMS, 1);
}

static status_t
give(handle_t h)
{
    handle_t module = test_handle(&code_module_type, UINT32_MAX);

    test_store32(ITEMS, h);
    return CALL(process_spawn, module, 0, 0, 0, 0, 0, 0, ITEMS, 1, 0, 0, 0, 0,
                OUT, 0);
}

static status_t
wait_for(handle_t h)
{
    test_store32(ITEMS, h);
    test_store32(ITEMS + 4, 0);
    return CALL(object_wait_many, ITEMS, 1, 0);
}

static u32
use_others(void)
{
    static const struct {
        u32 right;
        status_t (*call)(handle_t h);
    } others[] = {
        {RIGHT_DUPLICATE, duplicate},
        {RIGHT_TRANSFER,  send     },
        {RIGHT_TRANSFER,  give     },
        {RIGHT_WAIT,      wait_for },
    };
    u32 count = 0;

    for (u32 i = 0; i < COUNT(others); i++) {
        if (others[i].right != row_right())
            continue;
        EXPECT_EQ(others[i].call(test_handle(row_type(), ~row_right())),
                  ERR_ACCESS);
        EXPECT(others[i].call(test_handle(row_type(), row_right())) !=
               ERR_ACCESS);
        count++;
    }
    return count;
}

static void
use_right(void)
{
    EXPECT(use_arguments() + use_others() > 0);
}

TEST_KERNEL_ROWS(rights_are_needed, right_of_type)
{
    EXPECT_EQ(test_in_process(use_right), 0);
}
