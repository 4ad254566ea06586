// test/kernel/supply.c: everything by which the kernel, the runtime and the
// processes get what there may be none of: memory, addresses, pages of code,
// handles, and what an account allows.  The linker leads their calls to the
// functions here (SUPPLY_WRAP in the Makefile), which let a test have one of
// them fail, or all from one on, and which count what was not given back.

#include "test/kernel/frame.h"

static struct {
    u64 commits_left; // test_fail_commits()
    u64 left;         // test_fail_supply(): asked for before one fails
    u64 asked;        // meanwhile
    bool armed, once;
    u64 slots, code, reserved; // that are in use
    struct test_code_watch watch;
} supply = {.commits_left = UINT64_MAX};

void
test_fail_commits(u64 after)
{
    __atomic_store_n(&supply.commits_left, after, __ATOMIC_SEQ_CST);
}

void
test_fail_supply(u64 after, bool once)
{
    supply.left = after;
    supply.asked = 0;
    supply.once = once;
    __atomic_store_n(&supply.armed, true, __ATOMIC_SEQ_CST);
}

u64
test_end_supply(void)
{
    __atomic_store_n(&supply.armed, false, __ATOMIC_SEQ_CST);
    return COUNT_OF(supply.asked);
}

struct test_space
test_space_in_use(void)
{
    return (struct test_space){COUNT_OF(supply.slots), COUNT_OF(supply.code),
                               COUNT_OF(supply.reserved)};
}

bool
test_may_have(void)
{
    if (!__atomic_load_n(&supply.armed, __ATOMIC_SEQ_CST))
        return true;
    u64 number = COUNT_UP(supply.asked);

    return supply.once ? number != supply.left : number < supply.left;
}

static bool
may_commit(void)
{
    u64 left = __atomic_load_n(&supply.commits_left, __ATOMIC_RELAXED);

    while (left != 0 && left != UINT64_MAX &&
           !__atomic_compare_exchange_n(&supply.commits_left, &left, left - 1,
                                        false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
        ;
    return left != 0;
}

static void *
counted(void *got, u64 *count)
{
    if (got != NULL)
        COUNT_UP(*count);
    return got;
}

// The function instead of `name`, and what is then called by that name.
#define WRAP(type, name, params) \
    type __real_##name params;   \
    type __wrap_##name params;   \
    type __wrap_##name params

WRAP(void *, kernel_alloc, (u64 size))
{
    return test_may_have() ? __real_kernel_alloc(size) : NULL;
}

// --- the port's --------------------------------------------------------------

WRAP(void *, port_reserve, (u64 size, u64 align))
{
    return !test_may_have() ?
               NULL :
               counted(__real_port_reserve(size, align), &supply.reserved);
}

WRAP(void *, port_reserve_slot, (u64 size))
{
    return !test_may_have() ?
               NULL :
               counted(__real_port_reserve_slot(size), &supply.slots);
}

// Some of them are slots.
WRAP(void *, port_reserve_open,
     (enum port_open what, u64 size, const void *like))
{
    void *ptr =
        test_may_have() ? __real_port_reserve_open(what, size, like) : NULL;

    return port_slot_contains((u64)ptr) ? ptr : counted(ptr, &supply.reserved);
}

WRAP(void, port_release, (void *ptr, u64 size))
{
    bool slot = port_slot_contains((u64)ptr);

    COUNT_DOWN(*(slot ? &supply.slots : &supply.reserved));
    __real_port_release(ptr, size);
}

WRAP(void *, port_code_write, (const void *text, u64 size))
{
    return !test_may_have() ?
               NULL :
               counted(__real_port_code_write(text, size), &supply.code);
}

WRAP(bool, port_code_execute, (void *text, u64 size))
{
    if (supply.watch.executed != NULL)
        supply.watch.executed(text, size);
    return test_may_have() && __real_port_code_execute(text, size);
}

// What the verifier does first.
WRAP(status_t, verify_tables,
     (const struct verify_module *m, u32 *try_funcs, struct arena *temp,
      struct verify_error *error))
{
    if (supply.watch.judged != NULL)
        supply.watch.judged(&m->code);
    return __real_verify_tables(m, try_funcs, temp, error);
}

void
test_watch_code(struct test_code_watch watch)
{
    supply.watch = watch;
}

WRAP(void, port_code_release, (void *text, u64 size))
{
    COUNT_DOWN(supply.code);
    __real_port_code_release(text, size);
}

WRAP(bool, port_commit, (void *ptr, u64 size))
{
    return may_commit() && test_may_have() && __real_port_commit(ptr, size);
}

// Promised memory fails for no caller; test_fail_commits() is for those who
// look what they do all the same.
WRAP(bool, port_commit_promised, (void *ptr, u64 size, struct port_promise *p))
{
    return may_commit() && __real_port_commit_promised(ptr, size, p);
}

WRAP(bool, port_promise, (struct port_promise * p, u64 size))
{
    return (size <= p->size || (may_commit() && test_may_have())) &&
           __real_port_promise(p, size);
}

WRAP(bool, port_seal, (void *ptr, u64 size))
{
    if (supply.watch.sealed != NULL)
        supply.watch.sealed(ptr, size);
    return test_may_have() && __real_port_seal(ptr, size);
}

WRAP(void, port_memory_info, (u64 * available, u64 *total))
{
    __real_port_memory_info(available, total);
    if (supply.commits_left == 0)
        *available = 0;
}

// --- handles and charges -----------------------------------------------------

WRAP(status_t, handle_new,
     (struct handle_table * t, struct object *o, u32 rights, handle_t *out))
{
    return test_may_have() ? __real_handle_new(t, o, rights, out) : ERR_FULL;
}

WRAP(status_t, handle_duplicate,
     (struct handle_table * t, handle_t h, u32 rights, handle_t *out))
{
    return test_may_have() ? __real_handle_duplicate(t, h, rights, out) :
                             ERR_FULL;
}

WRAP(status_t, object_observe, (struct object * o, struct observer *ob))
{
    return test_may_have() ? __real_object_observe(o, ob) : ERR_FULL;
}

WRAP(bool, account_charge, (struct account * a, enum resource r, u64 amount))
{
    return test_may_have() && __real_account_charge(a, r, amount);
}

WRAP(void *, account_alloc,
     (struct account * a, enum resource r, u64 size, status_t *status))
{
    if (test_may_have())
        return __real_account_alloc(a, r, size, status);
    *status = supply.once ? ERR_LIMIT : ERR_NO_MEMORY; // the payer's, or ours
    return NULL;
}

// Who gives back a thread's charge next is slow.
static bool slow;

void
test_slow_uncharge(void)
{
    __atomic_store_n(&slow, true, __ATOMIC_SEQ_CST);
}

WRAP(void, account_uncharge, (struct account * a, enum resource r, u64 amount))
{
    // Under a lock nobody overtakes it.
    if (r == RESOURCE_THREADS &&
        __atomic_exchange_n(&slow, false, __ATOMIC_SEQ_CST) &&
        thread_current()->preempt_count == 0)
        for (u32 i = 0; i < 100; i++)
            thread_yield();
    __real_account_uncharge(a, r, amount);
}
