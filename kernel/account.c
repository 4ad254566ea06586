// kernel/account.c: what is used, and for whom.
//
// Accounts are a tree: a process has one, below that of its group, below that
// of the group around it, up to the first group's.  What is used is counted in
// all accounts on that path, and each of them has a limit: so a charge is exact
// at each level whoever else charges there, and limits may promise more in sum
// than there is.  Why it is not reserved level by level, see docs/groups.md.
//
// An account lives as long as anybody refers to it: processes, groups, threads,
// and what was charged to it and is still there after they have ended.  That
// was counted in the accounts above all along, so nothing has to be moved.

#include "kernel/internal.h"

static struct account root;

// Accounts that are stopped: a hint, so that nobody looks while there are none.
static u32 stopped_count;

static const u64 process_limits[RESOURCE_COUNT] = {
#define RESOURCE(number, id, process, unit, help) [number] = process,
#include "abi/resources.def"
};

static void
init(struct account *a, struct account *parent)
{
    *a = (struct account){
        .references = 1, .parent = parent, .ceiling = LIMIT_PRIORITY};
    for (u32 r = 0; r < RESOURCE_COUNT; r++)
        a->limit[r] = UINT64_MAX;
    wait_queue_init(&a->resumed);
}

void
accounts_init(void)
{
    init(&root, NULL);
    shares_init();
}

struct account *
account_root(void)
{
    return &root;
}

status_t
account_new(struct account **out, struct account *parent)
{
    status_t status;
    struct account *a =
        account_alloc(parent, RESOURCE_KERNEL, sizeof(*a), &status);

    if (a == NULL)
        return status;
    init(a, parent);
    a->group = parent->group;
    account_hold(parent);
    *out = a;
    return OK;
}

void
account_of_new_group(struct account *a)
{
    static u64 groups; // the root is 0

    a->group = __atomic_add_fetch(&groups, 1, __ATOMIC_RELAXED);
}

void
account_limit_process(struct account *a)
{
    memcpy(a->limit, process_limits, sizeof(a->limit));
}

void
account_hold(struct account *a)
{
    if (a != NULL)
        count_up(&a->references);
}

void
account_release(struct account *a)
{
    while (a != NULL && count_down(&a->references)) {
        struct account *parent = a->parent;

        for (u32 r = 0; r < RESOURCE_COUNT; r++)
            assert(a->used[r] == 0);
        shares_free(a);
        kernel_free(a);
        a = parent;
    }
}

// --- charges -----------------------------------------------------------------

static u64
load(const u64 *number)
{
    return __atomic_load_n(number, __ATOMIC_RELAXED);
}

// In this account alone.  There is always nothing to be had.
static bool
take(struct account *a, enum resource r, u64 amount)
{
    u64 used = load(&a->used[r]), limit;

    do {
        limit = load(&a->limit[r]); // may have become less than is used
        if (amount > 0 && (used > limit || amount > limit - used))
            return false;
    } while (!__atomic_compare_exchange_n(&a->used[r], &used, used + amount,
                                          true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    return true;
}

// In those from `a` up to `end`, exclusive.
static void
give_up_to(struct account *a, const struct account *end, enum resource r,
           u64 amount)
{
    for (; a != end; a = a->parent) {
        u64 before = __atomic_fetch_sub(&a->used[r], amount, __ATOMIC_RELAXED);
        assert(before >= amount);
    }
}

bool
account_charge(struct account *a, enum resource r, u64 amount)
{
    for (struct account *at = a; at != NULL; at = at->parent) {
        if (take(at, r, amount))
            continue;
        give_up_to(a, at, r, amount);
        return false;
    }
    return true;
}

void
account_uncharge(struct account *a, enum resource r, u64 amount)
{
    give_up_to(a, NULL, r, amount);
}

u64
account_used(const struct account *a, enum resource r)
{
    return load(&a->used[r]);
}

u64
account_limit(const struct account *a, enum resource r)
{
    return load(&a->limit[r]);
}

const struct account *
account_full(const struct account *a, enum resource r, u64 amount)
{
    for (; a != NULL; a = a->parent) {
        u64 used = load(&a->used[r]), limit = load(&a->limit[r]);
        if (used > limit || amount > limit - used)
            return a;
    }
    return NULL;
}

// What is only kept goes where it is beyond the limit.
void
account_set_limit(struct account *a, enum resource r, u64 limit)
{
    __atomic_store_n(&a->limit[r], limit, __ATOMIC_RELAXED);
    while (account_full(a, r, 0) == a && kept_make_room(a, r, 0))
        ;
}

void
account_set_overcommit(struct account *a, u32 percent)
{
    __atomic_store_n(&a->overcommit, percent, __ATOMIC_RELAXED);
}

u32
account_overcommit(const struct account *a)
{
    u32 percent = 0;

    for (; a != NULL && percent == 0; a = a->parent)
        percent = __atomic_load_n(&a->overcommit, __ATOMIC_RELAXED);
    return percent != 0 ? percent : 100;
}

struct account *
account_current(void)
{
    const struct thread *t = thread_current();

    if (t == NULL) // before there are any
        return &root;
    return t->payer != NULL ? t->payer : t->account;
}

// --- charges of one owner ----------------------------------------------------

bool
charge_to(struct charge *c, enum resource r, u64 total)
{
    struct account *a = c->account != NULL ? c->account : account_current();

    if (total <= c->amount)
        return true;
    if (!account_charge(a, r, total - c->amount))
        return false;
    if (c->account == NULL)
        account_hold(a);
    *c = (struct charge){a, total};
    return true;
}

void
charge_less(struct charge *c, enum resource r, u64 total)
{
    if (total < c->amount)
        account_uncharge(c->account, r, c->amount - total);
    c->amount = MIN(c->amount, total);
}

status_t
charge_commit(struct charge *c, enum resource r, void *at, u64 size)
{
    u64 before = c->amount;

    if (!charge_to(c, r, before + size))
        return ERR_LIMIT;
    if (kept_commit(at, size))
        return OK;
    charge_less(c, r, before);
    return ERR_NO_MEMORY;
}

void
charge_end(struct charge *c, enum resource r)
{
    if (c->account != NULL)
        account_uncharge(c->account, r, c->amount);
    account_release(c->account);
    *c = (struct charge){NULL, 0};
}

// The innermost account that both are in.
static struct account *
common_account(struct account *a, const struct account *b)
{
    for (; a != NULL; a = a->parent)
        for (const struct account *at = b; at != NULL; at = at->parent)
            if (at == a)
                return a;
    panic(__FILE__, __LINE__, "accounts without a root");
}

bool
charge_move(struct charge *c, enum resource r, struct account *a)
{
    const struct account *both = common_account(c->account, a);

    for (struct account *at = a; at != both; at = at->parent) {
        if (take(at, r, c->amount))
            continue;
        give_up_to(a, at, r, c->amount);
        return false;
    }
    give_up_to(c->account, both, r, c->amount);
    account_hold(a);
    account_release(c->account);
    c->account = a;
    return true;
}

// --- time --------------------------------------------------------------------

void
account_ran(struct account *a, u64 ns)
{
    for (; a != NULL; a = a->parent)
        __atomic_fetch_add(&a->cpu_ns, ns, __ATOMIC_RELAXED);
}

u64
account_cpu_ns(const struct account *a)
{
    return clock_told(load(&a->cpu_ns));
}

// --- shares of the CPU -------------------------------------------------------

void
account_set_cpu(struct account *a, u32 weight, u32 cap)
{
    __atomic_store_n(&a->weight, weight, __ATOMIC_RELAXED);
    __atomic_store_n(&a->cap, cap, __ATOMIC_RELAXED);
    __atomic_store_n(&a->used_until, 0, __ATOMIC_RELAXED);
    sched_cap_changed(a);
}

void
account_get_cpu(const struct account *a, u32 *weight, u32 *cap)
{
    *weight = __atomic_load_n(&a->weight, __ATOMIC_RELAXED);
    *cap = __atomic_load_n(&a->cap, __ATOMIC_RELAXED);
}

bool
account_is_capped(const struct account *a)
{
    while (a != NULL && __atomic_load_n(&a->cap, __ATOMIC_RELAXED) == 0)
        a = a->parent;
    return a != NULL;
}

void
account_set_ceiling(struct account *a, u32 ceiling)
{
    u32 old = __atomic_exchange_n(&a->ceiling, ceiling, __ATOMIC_SEQ_CST);

    if (old != ceiling && __atomic_load_n(&a->references, __ATOMIC_SEQ_CST) > 1)
        sched_ceilings_changed();
}

u32
account_ceiling(const struct account *a)
{
    u32 ceiling = LIMIT_PRIORITY;

    for (; a != NULL; a = a->parent)
        ceiling = MIN(ceiling, __atomic_load_n(&a->ceiling, __ATOMIC_RELAXED));
    return ceiling;
}

// --- stopping ----------------------------------------------------------------

static bool
is_stopped(const struct account *a)
{
    return __atomic_load_n(&a->stopped, __ATOMIC_SEQ_CST);
}

bool
account_is_stopped(const struct account *a)
{
    if (__atomic_load_n(&stopped_count, __ATOMIC_SEQ_CST) == 0)
        return false;
    while (a != NULL && !is_stopped(a))
        a = a->parent;
    return a != NULL;
}

void
account_stop(struct account *a)
{
    bool on = lock_irq(&a->resumed.lock);

    if (!a->stopped)
        __atomic_fetch_add(&stopped_count, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&a->stopped, true, __ATOMIC_SEQ_CST);
    unlock_irq(&a->resumed.lock, on);
    sched_look();
}

void
account_resume(struct account *a)
{
    bool on = lock_irq(&a->resumed.lock);

    if (a->stopped)
        __atomic_fetch_sub(&stopped_count, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&a->stopped, false, __ATOMIC_SEQ_CST);
    unlock_irq(&a->resumed.lock, on);
    wait_queue_wake_many(&a->resumed, 0, UINT32_MAX);
}

// Whoever stops one of them again before we have looked finds us here or in
// generated code, where we are interrupted.
void LOCKS_BY_HAND
account_wait_resumed(struct account *a)
{
    status_t status = OK;
    bool on;

    while (status == OK && account_is_stopped(a))
        for (struct account *at = a; at != NULL && status == OK;
             at = at->parent) {
            status = wait_queue_until(&at->resumed, &at->stopped, false,
                                      UINT64_MAX, &on);
            if (status == OK)
                unlock_irq(&at->resumed.lock, on);
        }
}

bool
thread_is_suspended(void)
{
    const struct thread *t = thread_current();

    return !thread_is_killed() && account_is_stopped(t->account);
}

status_t
thread_wait_resumed(void)
{
    account_wait_resumed(thread_current()->account);
    return thread_is_killed() ? ERR_KILLED : OK;
}
