// test/kernel/modules.c: the same bytes are compiled once, whoever compiles
// them: each group pays for what it has, and what nobody uses is kept until
// somebody wants the room.

#include "test/kernel/frame.h"

#include <string.h>

// --- modules of any size -----------------------------------------------------

enum { PAIR = 3, PAIRS = 2000, BODY = PAIR * PAIRS + 2, MODULE = 64 + BODY };

static u8 *
put_size(u8 *at, u32 value) // of 5 bytes
{
    for (u32 i = 0; i < 5; i++)
        *at++ = (u8)((value >> 7 * i & 0x7f) | (i < 4 ? 0x80 : 0));
    return at;
}

// One function that makes numbers; `which`, below 64, is in the first and the
// last of them.  MODULE bytes, or with `broken` not valid.
static struct bytes
write_module(u8 *to, u32 which, bool broken)
{
    static const u8 head[] = {0, 'a', 's', 'm',  1, 0, 0, 0, // no section yet
                              1, 4,   1,   0x60, 0, 0,       // type: []->[]
                              3, 2,   1,   0,                // its function
                              10};
    u8 *at = to;

    memcpy(at, head, sizeof(head));
    at = put_size(at + sizeof(head), BODY + 6);
    *at++ = 1;
    at = put_size(at, BODY);
    *at++ = 0; // locals
    for (u32 i = 0; i < PAIRS; i++) {
        *at++ = 0x41; // i32.const
        *at++ = (u8)(i == 0 || i == PAIRS - 1 ? which : i % 64);
        *at++ = broken && i == PAIRS - 1 ? 0x0f + 0xf0 : 0x1a; // drop
    }
    *at++ = 0x0b;
    return (struct bytes){to, (u64)(at - to)};
}

static struct bytes
new_bytes(u32 which)
{
    u8 *to = kernel_alloc(MODULE);

    EXPECT(to != NULL);
    return write_module(to, which, false);
}

// --- for a group -------------------------------------------------------------

static status_t
get_for(struct group *g, struct bytes bytes, struct code_module **out)
{
    struct account *before = thread_charge(group_account(g));
    struct error error;
    status_t status = code_module_get(out, bytes, &error);

    thread_charge(before);
    return status;
}

static struct code_module *
must_get(struct group *g, struct bytes bytes)
{
    struct code_module *m = NULL;

    EXPECT_EQ(get_for(g, bytes, &m), OK);
    EXPECT(m != NULL && m->compiled->bytes.size == bytes.size &&
           memcmp(m->compiled->bytes.ptr, bytes.ptr, bytes.size) == 0);
    return m;
}

// What was compiled from the bytes, which the group has and gives up.
static struct compiled *
visit(struct group *g, struct bytes bytes)
{
    struct code_module *m = must_get(g, bytes);
    struct compiled *c = m->compiled;

    code_module_release(m);
    return c;
}

static u64
code_of(struct group *g)
{
    return test_group_used(g, RESOURCE_CODE);
}

static void
end_group(struct group *g)
{
    kept_reclaim();
    test_expect_unused(g);
    test_drop_group(g);
}

// --- once --------------------------------------------------------------------

TEST_KERNEL(modules_are_compiled_once)
{
    struct group *g = test_new_group(group_root());
    struct bytes bytes = new_bytes(1), same = new_bytes(1);
    u64 start = test_work();
    struct code_module *first = must_get(g, bytes);
    u64 before = test_work() - start, used = code_of(g);

    EXPECT(used >= first->compiled->bytes.size + first->compiled->code.size);
    start = test_work();
    struct code_module *second = must_get(g, same);
    u64 after = test_work() - start;
    EXPECT(second == first);
    EXPECT_EQ(code_of(g), used);
    struct compiled *c = first->compiled;
    code_module_release(first);
    EXPECT_EQ(kept_count(), 0);
    code_module_release(second);
    EXPECT_EQ(kept_count(), 1);
    EXPECT_EQ(code_of(g), used); // and types
    EXPECT_EQ(test_group_used(g, RESOURCE_TYPES), 1);
    start = test_work();
    EXPECT(visit(g, same) == c);
    u64 again = test_work() - start;
    klog("compiled in %llu, found in %llu, and kept in %llu of work",
         (unsigned long long)before, (unsigned long long)after,
         (unsigned long long)again);
    if (test_work_bound() != 0)
        EXPECT(after < before / 20 && again < before / 20);
    kernel_free(bytes.ptr);
    kernel_free(same.ptr);
    end_group(g);
}

// Compiled by its own, it is neither found nor kept.
TEST_KERNEL(modules_of_their_own)
{
    struct bytes bytes = test_module_named("count");
    struct code_module *a = test_compile("count"), *b = test_compile("count");

    EXPECT(a->compiled != b->compiled);
    struct code_module *c = must_get(group_root(), bytes);
    EXPECT(c->compiled != a->compiled && c->compiled != b->compiled);
    code_module_release(a);
    code_module_release(b);
    EXPECT_EQ(kept_count(), 0);
    code_module_release(c);
    EXPECT_EQ(kept_count(), 1);
    kept_reclaim();
}

TEST_KERNEL(modules_of_several_groups)
{
    struct group *a = test_new_group(group_root()),
                 *b = test_new_group(group_root()), *in_b = test_new_group(b);
    struct bytes bytes = new_bytes(1);
    struct code_module *of_a = must_get(a, bytes), *of_b = must_get(b, bytes);
    u64 size = code_of(a);

    EXPECT(of_a != of_b && of_a->compiled == of_b->compiled);
    EXPECT_EQ(code_of(b), size); // as if it had compiled it
    code_module_release(of_a);
    EXPECT_EQ(code_of(a), 0); // nothing of it is left, while b has it
    EXPECT_EQ(test_group_used(a, RESOURCE_TYPES), 0);
    struct compiled *c = of_b->compiled;
    code_module_release(of_b);
    EXPECT_EQ(code_of(b), size); // the last one keeps it
    EXPECT(visit(in_b, bytes) == c);
    EXPECT_EQ(code_of(in_b), size);
    EXPECT_EQ(code_of(b), size);
    EXPECT(visit(a, bytes) == c);
    EXPECT_EQ(code_of(a), size);
    EXPECT_EQ(code_of(b), 0);
    test_expect_unused(in_b);
    test_drop_group(in_b);
    kernel_free(bytes.ptr);
    end_group(a);
    end_group(b);
}

// --- limits ------------------------------------------------------------------

enum { OLD, YOUNG, NEW, KINDS };

// Room for two of the three: that which was used longest ago goes.
TEST_KERNEL(modules_are_kept_within_the_limit)
{
    struct group *g = test_new_group(group_root()),
                 *other = test_new_group(group_root());
    struct bytes bytes[KINDS];
    struct compiled *c[KINDS];

    for (u32 i = 0; i < KINDS; i++)
        bytes[i] = new_bytes(i);
    struct compiled *of_other = visit(other, test_module_named("count"));
    c[OLD] = visit(g, bytes[OLD]);
    u64 size = code_of(g);
    c[YOUNG] = visit(g, bytes[YOUNG]);
    EXPECT(visit(g, bytes[OLD]) == c[OLD]); // is the younger one now
    account_set_limit(group_account(g), RESOURCE_CODE, size);
    EXPECT_EQ(code_of(g), size); // what is beyond the limit goes at once
    EXPECT_EQ(kept_count(), 2);
    EXPECT(visit(g, bytes[OLD]) == c[OLD]);
    struct code_module *m = NULL;
    EXPECT(get_for(g, bytes[NEW], &m) != OK); // it takes more meanwhile
    EXPECT_EQ(code_of(g), 0);
    account_set_limit(group_account(g), RESOURCE_CODE, UINT64_MAX);
    for (u32 i = 0; i < KINDS; i++)
        c[i] = visit(g, bytes[i]);
    u64 room = 0;
    for (room = 3 * size; code_of(g) == 3 * size; room -= PAGE_SIZE)
        account_set_limit(group_account(g), RESOURCE_CODE, room);
    EXPECT_EQ(code_of(g), 2 * size);
    EXPECT(visit(g, bytes[NEW]) == c[NEW]);
    EXPECT(visit(g, bytes[YOUNG]) == c[YOUNG]);
    EXPECT(visit(other, test_module_named("count")) == of_other);
    account_set_limit(group_account(g), RESOURCE_CODE, UINT64_MAX);
    for (u32 i = 0; i < KINDS; i++)
        kernel_free(bytes[i].ptr);
    end_group(g);
    end_group(other);
}

// Who may not have it leaves it with whom it is.
TEST_KERNEL(modules_beyond_the_limit_of_another)
{
    static const enum resource limited[] = {RESOURCE_CODE, RESOURCE_TYPES};
    struct group *a = test_new_group(group_root()),
                 *b = test_new_group(group_root());
    struct bytes bytes = new_bytes(1);
    struct compiled *c = visit(a, bytes);
    u64 size = code_of(a);

    for (u32 i = 0; i < COUNT(limited); i++) {
        struct code_module *m = NULL;
        account_set_limit(group_account(b), limited[i], 0);
        EXPECT_EQ(get_for(b, bytes, &m), ERR_LIMIT);
        test_expect_unused(b);
        EXPECT_EQ(code_of(a), size);
        EXPECT(visit(a, bytes) == c);
        struct code_module *of_a = must_get(a, bytes);
        EXPECT_EQ(get_for(b, bytes, &m), ERR_LIMIT);
        test_expect_unused(b);
        code_module_release(of_a);
        account_set_limit(group_account(b), limited[i], UINT64_MAX);
    }
    EXPECT_EQ(kept_count(), 1);
    kernel_free(bytes.ptr);
    end_group(a);
    end_group(b);
}

// Kept memory is not in anybody's way.
TEST_KERNEL(kept_modules_leave_when_memory_is_short)
{
    struct group *g = test_new_group(group_root());
    struct port_promise promise = {0};
    struct bytes bytes = new_bytes(1);
    u64 before, after, total;

    visit(g, bytes);
    port_memory_info(&before, &total);
    EXPECT(!port_promise(&promise, before)); // with page tables
    EXPECT_EQ(kept_count(), 1);
    (void)!kept_promise(&promise, before);
    EXPECT_EQ(kept_count(), 0);
    port_unpromise(&promise);
    port_memory_info(&after, &total);
    EXPECT(after > before || port_cpu_count() > 1);
    EXPECT(total / 4 > after - MIN(before, after));
    kernel_free(bytes.ptr);
    end_group(g);
}

// --- ends --------------------------------------------------------------------

// So many types that a thread of nobody's gives them back, but not where who
// drops the module needs the room.
TEST_KERNEL(kept_modules_with_many_types_leave_at_once)
{
    enum { TYPES = 3000, EACH = 3, SIZE = 8 + 1 + 5 + 5 + TYPES * EACH };
    static const u8 head[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1};
    struct group *g = test_new_group(group_root());
    u8 *to = kernel_alloc(SIZE), *at = to + sizeof(head);

    memcpy(to, head, sizeof(head));
    at = put_size(put_size(at, 5 + TYPES * EACH), TYPES);
    for (u32 i = 0; i < TYPES; i++, at += EACH)
        memcpy(at, (const u8[]){0x60, 0, 0}, EACH); // [] -> []
    visit(g, (struct bytes){to, SIZE});
    EXPECT_EQ(kept_count(), 1);
    EXPECT(code_of(g) > SIZE);
    EXPECT_EQ(test_group_used(g, RESOURCE_TYPES), TYPES);
    kept_reclaim();
    EXPECT_EQ(code_of(g), 0);
    EXPECT_EQ(test_group_used(g, RESOURCE_TYPES), 0);
    kernel_free(to);
    end_group(g);
}

TEST_KERNEL(modules_of_a_killed_group)
{
    struct group *g = test_new_group(group_root()), *inside = test_new_group(g);
    struct bytes one = new_bytes(1), two = new_bytes(2);

    visit(inside, one);
    struct code_module *m = must_get(inside, two);
    EXPECT_EQ(kept_count(), 1);
    group_kill(g, 1);
    EXPECT_EQ(kept_count(), 0);
    code_module_release(m);
    EXPECT_EQ(kept_count(), 0);
    test_expect_unused(inside);
    test_drop_group(inside);
    test_expect_unused(g);
    test_drop_group(g);
    kernel_free(one.ptr);
    kernel_free(two.ptr);
}

// A group that is gone is no burden, and what it had is found.
TEST_KERNEL(modules_of_a_group_that_is_gone)
{
    struct group *around = test_new_group(group_root()),
                 *g = test_new_group(around);
    struct bytes bytes = new_bytes(1);
    struct compiled *c = visit(g, bytes);
    u64 size = code_of(g);

    test_drop_group(g);
    EXPECT_EQ(code_of(around), size);
    EXPECT(visit(around, bytes) == c);
    EXPECT_EQ(code_of(around), size);
    kernel_free(bytes.ptr);
    end_group(around);
}

// --- what is not the same ----------------------------------------------------

// Different modules of one size under one hash, in the table and kept.
TEST_KERNEL(modules_with_the_same_hash)
{
    struct group *g = test_new_group(group_root());
    struct bytes one = new_bytes(1), two = new_bytes(2);

    modules_set_hash_mask(0);
    struct code_module *a = must_get(g, one), *b = must_get(g, two);
    EXPECT(a != b && a->compiled != b->compiled);
    EXPECT(must_get(g, one) == a);
    code_module_release(a);
    code_module_release(a);
    EXPECT_EQ(kept_count(), 1);
    struct code_module *again = must_get(g, two); // nobody finds b
    EXPECT(again != b);
    code_module_release(again);
    code_module_release(b);
    EXPECT_EQ(kept_count(), 1);
    modules_set_hash_mask(UINT64_MAX);
    kernel_free(one.ptr);
    kernel_free(two.ptr);
    end_group(g);
}

TEST_KERNEL(modules_that_do_not_compile)
{
    struct group *g = test_new_group(group_root());
    u8 *to = kernel_alloc(MODULE);
    struct bytes bytes = write_module(to, 1, true);
    struct error errors[2];

    for (u32 i = 0; i < 2; i++) {
        struct code_module *m = NULL;
        EXPECT(code_module_get(&m, bytes, &errors[i]) != OK && m == NULL);
        EXPECT(get_for(g, bytes, &m) != OK);
        test_expect_unused(g);
    }
    EXPECT(errors[0].at == errors[1].at && errors[0].at > PAIR * (PAIRS - 2));
    EXPECT(errors[0].what == errors[1].what);
    EXPECT_EQ(kept_count(), 0);
    kernel_free(to);
    end_group(g);
}

// --- at once -----------------------------------------------------------------

enum { CROWD = 6, ROUNDS = 40, CONTENTS = 3, GROUPS = 2 };

static struct crowd {
    struct bytes bytes[CONTENTS];
    struct group *groups[GROUPS];
    u32 seed, killed, left;
} crowd;

// Find, give up, be refused and drop, all at the same time.
static void
step(u64 *random)
{
    struct group *g = crowd.groups[test_draw(random, GROUPS)];
    struct bytes bytes = crowd.bytes[test_draw(random, CONTENTS)];
    struct code_module *m = NULL;
    status_t status = get_for(g, bytes, &m);

    if (status == OK) {
        EXPECT(memcmp(m->compiled->bytes.ptr, bytes.ptr, bytes.size) == 0);
        EXPECT_EQ(m->compiled->module.func_count, 1);
        EXPECT(m->charges.memory.account == group_account(g));
        EXPECT_EQ(m->charges.memory.amount, m->compiled->size);
        if (test_draw(random, 2) == 0)
            thread_yield();
        code_module_release(m);
    } else {
        EXPECT(status == ERR_LIMIT || status == ERR_KILLED);
        EXPECT_EQ(status == ERR_KILLED, thread_is_killed());
    }
    if (test_draw(random, 8) == 0)
        kept_reclaim();
}

static void
run_crowd(void *arg)
{
    u64 random = (u64)arg + 1;

    for (u32 i = 0; i < ROUNDS && !thread_is_killed(); i++)
        step(&random);
    COUNT_DOWN(crowd.left);
}

static void
kill_some(struct thread **threads)
{
    u64 random = 12345;

    for (u32 i = 0; i < CROWD / 2; i++) {
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() +
                                     test_draw(&random, 3000000)),
                  OK);
        thread_kill(threads[i]);
    }
}

TEST_KERNEL(modules_of_a_crowd)
{
    struct thread *threads[CROWD];

    crowd = (struct crowd){.left = CROWD};
    for (u32 i = 0; i < CONTENTS; i++)
        crowd.bytes[i] = new_bytes(i);
    for (u32 i = 0; i < GROUPS; i++)
        crowd.groups[i] = test_new_group(group_root());
    account_set_limit(group_account(crowd.groups[0]), RESOURCE_CODE, 12 * MIB);
    for (u32 i = 0; i < CROWD; i++) {
        threads[i] = test_start_thread(run_crowd, (void *)(u64)(7 * i));
    }
    kill_some(threads);
    for (u32 i = 0; i < CROWD; i++) {
        EXPECT_EQ(thread_join(threads[i], UINT64_MAX), OK);
        thread_release(threads[i]);
    }
    EXPECT_EQ(COUNT_OF(crowd.left), 0);
    for (u32 i = 0; i < CONTENTS; i++)
        kernel_free(crowd.bytes[i].ptr);
    for (u32 i = 0; i < GROUPS; i++)
        end_group(crowd.groups[i]);
}

// A thread that is killed at any point of the way gives back what it has, and
// is no obstacle to others.
static struct {
    struct bytes bytes;
    struct group *g;
    status_t status;
} victim;

static void
run_victim(void *arg)
{
    struct code_module *m = NULL;

    (void)arg;
    victim.status = get_for(victim.g, victim.bytes, &m);
    if (victim.status == OK)
        code_module_release(m);
}

TEST_KERNEL(modules_killed_in_the_middle)
{
    u32 ends = 0;

    victim.g = test_new_group(group_root());
    victim.bytes = new_bytes(1);
    for (u64 us = 0; us < 4000; us += 200) {
        struct thread *t = test_start_thread(run_victim, NULL);
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + us * 1000), OK);
        thread_kill(t);
        EXPECT_EQ(thread_join(t, UINT64_MAX), OK);
        thread_release(t);
        EXPECT(victim.status == OK || victim.status == ERR_KILLED);
        ends += victim.status == ERR_KILLED;
        EXPECT(kept_count() <= (victim.status == OK));
        kept_reclaim();
        test_expect_unused(victim.g);
    }
    EXPECT(ends > 0);
    visit(victim.g, victim.bytes);
    kernel_free(victim.bytes.ptr);
    end_group(victim.g);
}
