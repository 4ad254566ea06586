// test/kernel/2018.c: what the calls of 2018 rest on: processes that are made
// first and started later, and what a process was given, by its type.  (What
// the calls do is tested by user/abi2018.)

#include "test/kernel/calls.h"

#include <string.h>

i64
test_call_2018(const char *name, const u64 *words)
{
    typedef i64 call_t(u64, u64, u64, u64, u64, u64);
    const struct host_module *m = &nebulet2018_module;
    u32 i = 0;

    while (i < m->count && strcmp(m->funcs[i].name, name) != 0)
        i++;
    assert(i < m->count);
    return ((call_t *)(u64)m->funcs[i].code)(words[0], words[1], words[2],
                                             words[3], words[4], words[5]);
}

// --- what a process was given ------------------------------------------------

static struct object *
new_event(void)
{
    struct object *o;

    EXPECT_EQ(event_new(&o, account_root()), OK);
    return o;
}

// The one that is found, or NULL.
static struct object *
found(struct process *p, const struct object_type *type, u32 rights)
{
    struct object *o = NULL;
    status_t status = process_find_given(p, type, rights, &o);

    EXPECT(status == OK || status == ERR_NOT_FOUND);
    if (status != OK)
        return NULL;
    object_release(o); // p keeps it
    return o;
}

TEST_KERNEL(process_finds_what_it_was_given_by_type)
{
    struct object *first = new_event(), *second = new_event();
    struct timer *timer;
    struct process *p;
    handle_t other;

    EXPECT_EQ(timer_new(&timer, account_root()), OK);
    EXPECT_EQ(process_new_empty(&p, NULL, "given"), OK);
    EXPECT(found(p, &event_type, 0) == NULL);

    // What it has otherwise is not what it was given.
    EXPECT_EQ(handle_new(&p->handles, first, UINT32_MAX, &other), OK);
    EXPECT(found(p, &event_type, 0) == NULL);

    EXPECT_EQ(process_give(p, timer_object(timer), UINT32_MAX), OK);
    EXPECT_EQ(process_give(p, first, RIGHT_WAIT), OK);
    EXPECT_EQ(process_give(p, second, RIGHT_WAIT | RIGHT_SIGNAL), OK);
    EXPECT(found(p, &event_type, RIGHT_WAIT) == first);
    EXPECT(found(p, &event_type, RIGHT_SIGNAL) == second);
    EXPECT(found(p, &event_type, RIGHT_TRANSFER) == NULL);
    EXPECT(found(p, &timer_type, RIGHT_READ) == timer_object(timer));
    EXPECT(found(p, &channel_type, 0) == NULL);

    // Nor is what it gave away.
    EXPECT_EQ(handle_close(&p->handles, p->given[1]), OK);
    EXPECT(found(p, &event_type, RIGHT_WAIT) == second);
    EXPECT_EQ(handle_close(&p->handles, p->given[2]), OK);
    EXPECT(found(p, &event_type, RIGHT_WAIT) == NULL);

    process_release(p);
    object_release(timer_object(timer));
    object_release(first);
    object_release(second);
}

// --- starts ------------------------------------------------------------------

static void
leave(void)
{
    (void)!CALL(thread_exit, 0);
}

TEST_KERNEL(process_starts_once)
{
    struct process *p = test_new_process(leave);
    u32 exit_status;

    EXPECT_EQ(process_start(p), OK);
    EXPECT_EQ(process_start(p), ERR_EXISTS);
    EXPECT_EQ(process_wait(p, UINT64_MAX, &exit_status), OK);
    EXPECT_EQ(process_start(p), ERR_EXISTS);
    process_release(p);
}

enum { BYTES_AT = 8192, OUT = 64 };

// A process that nobody starts goes with its last handle, and its channel, too.
static void
create_only(void)
{
    u64 count = object_count();

    EXPECT_EQ(test_create_module("given", BYTES_AT, OUT), OK);
    handle_t module = test_load32(OUT);
    EXPECT_EQ(ABI_CALL(channel_create, OUT, OUT + 4), 0);
    i64 process = ABI_CALL(process_create, module, test_load32(OUT + 4));
    EXPECT(process > 0);
    EXPECT_EQ(ABI_CALL(handle_close, test_load32(OUT + 4)), 0);
    EXPECT_EQ(ABI_CALL(channel_send, test_load32(OUT), BYTES_AT, 4), 0);
    EXPECT_EQ(ABI_CALL(handle_close, (u64)process), 0);
    EXPECT_EQ(ABI_CALL(channel_send, test_load32(OUT), BYTES_AT, 4), -14);
    EXPECT_EQ(ABI_CALL(handle_close, test_load32(OUT)), 0);
    EXPECT_EQ(ABI_CALL(handle_close, module), 0);
    test_settle();
    EXPECT_EQ(object_count(), count);
}

TEST_KERNEL(process_of_2018_that_never_starts)
{
    EXPECT_EQ(test_in_process(create_only), 0);
}
