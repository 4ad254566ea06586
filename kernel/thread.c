// kernel/thread.c: threads.
//
// A thread is an object; its stack is separate and goes back to a pool when the
// thread has left it for good.  A stack has memory for its first STACK_FIRST
// bytes, and gets more while there is any; thread_promise_stack() makes sure of
// that.  One reference is the thread's own, given up by thread_reap().

#include "kernel/internal.h"

enum { POOL_MAX = 64 };

static struct lock pool_lock = LOCK_INIT(STACKS);
static struct {
    u8 *stacks[POOL_MAX];
    u32 count;
} pool GUARDED_BY(pool_lock);

bool
thread_is_killed(void)
{
    return __atomic_load_n(&thread_current()->entry.killed, __ATOMIC_SEQ_CST);
}

void
thread_exit(void)
{
    thread_current()->entry.leave = LEAVE_EXIT;
}

// --- stacks ------------------------------------------------------------------

static u8 *
stack_reserve(void)
{
    u8 *stack = port_hardened() ?
                    port_reserve_open(OPEN_STACK, STACK_SIZE, NULL) :
                    port_reserve(STACK_SIZE, STACK_SIZE);

    if (stack == NULL)
        return NULL;
    u8 *low = stack + STACK_SIZE - STACK_FIRST;
    if (!kept_commit(low, STACK_FIRST)) {
        port_release(stack, STACK_SIZE);
        return NULL;
    }
    stack_note((u64)stack)->low = low;
    return stack;
}

// One that has grown is not kept: the memory would have to be taken from its
// addresses, and all CPUs to forget that at once.
static void
stack_free(u8 *stack)
{
    struct stack_note *note = stack_note((u64)stack);

    port_unpromise(&note->promise);
    lock(&pool_lock);
    bool keep =
        pool.count < POOL_MAX && note->low == stack + STACK_SIZE - STACK_FIRST;
    if (keep)
        pool.stacks[pool.count++] = stack;
    unlock(&pool_lock);
    if (!keep)
        port_release(stack, STACK_SIZE);
}

static u8 *
stack_from_pool(void)
{
    u8 *stack = NULL;

    lock(&pool_lock);
    if (pool.count > 0)
        stack = pool.stacks[--pool.count];
    unlock(&pool_lock);
    return stack;
}

// With nothing on it of whoever had it before: verified code may read what it
// has not written.
static u8 *
stack_new(void)
{
    u8 *stack = stack_from_pool();

    if (stack == NULL)
        return stack_reserve();
    memset(stack + STACK_SIZE - STACK_FIRST, 0, STACK_FIRST - STACK_TOP);
    return stack;
}

void
stacks_reclaim(void)
{
    u8 *stack;

    while ((stack = stack_from_pool()) != NULL)
        port_release(stack, STACK_SIZE);
}

// Memory that was promised to the stack of t, or else what there is.
static bool
commit_stack(struct thread *t, u8 *low, u64 size)
{
    struct port_promise *promise = &stack_note((u64)t->stack)->promise;

    return promise->pages > 0 ? port_commit_promised(low, size, promise) :
                                kept_commit(low, size);
}

status_t
thread_grow_stack(struct thread *t, u64 rsp)
{
    u8 *end = t->stack + STACK_GUARD;

    while (rsp <= (u64)t->stack_low + STACK_RESERVE) {
        u8 *low = t->stack_low - MIN(STACK_STEP, t->stack_low - end);
        if (low == t->stack_low)
            return ERR_LIMIT;
        u64 size = (u64)(t->stack + STACK_SIZE - low);
        if (!charge_to(&t->memory, RESOURCE_MEMORY, size))
            return ERR_NO_MEMORY;
        if (!commit_stack(t, low, (u64)(t->stack_low - low)))
            return ERR_NO_MEMORY;
        t->stack_low = stack_note((u64)t->stack)->low = low;
    }
    return OK;
}

bool
thread_promise_stack(struct thread *t)
{
    const u64 rest = STACK_SIZE - STACK_FIRST - STACK_GUARD;

    if (!charge_to(&t->memory, RESOURCE_MEMORY, STACK_FIRST + rest))
        return false;
    return kept_promise(&stack_note((u64)t->stack)->promise, rest);
}

const u8 *
thread_stack_end(const struct thread *t)
{
    return t->stack + STACK_SIZE - STACK_TOP;
}

const u8 *
thread_stack_low(const struct thread *t)
{
    return t->stack_low;
}

// --- life --------------------------------------------------------------------

OBJECT_FUNCTIONS(thread, object)

struct account *
thread_account(const struct thread *t)
{
    return t->account;
}

u32
thread_priority(const struct thread *t)
{
    return MIN(__atomic_load_n(&t->priority, __ATOMIC_RELAXED),
               account_ceiling(t->account));
}

struct account *
thread_run_account(const struct thread *t)
{
    struct account *payer = thread_time_account(t);

    return payer != t->account && account_is_capped(payer) ? t->account : payer;
}

u32
thread_effective_priority(const struct thread *t)
{
    const struct account *a = thread_run_account(t);
    u32 priority = a == t->account ? thread_priority(t) :
                                     MIN(t->lent.priority, account_ceiling(a));

    return MAX(priority, __atomic_load_n(&t->inherited, __ATOMIC_SEQ_CST));
}

void
thread_set_priority(struct thread *t, u32 priority)
{
    __atomic_store_n(&t->priority, priority, __ATOMIC_RELAXED);
    sched_changed(t);
}

struct account *
thread_charge(struct account *a)
{
    struct thread *t = thread_current();
    struct account *before = t->payer;

    t->payer = a;
    return before;
}

void
thread_free(struct object *o)
{
    struct thread *t = thread_from_object(o);
    struct account *account = t->account;

    kernel_free(t);
    account_release(account);
}

static void
thread_main(void *arg)
{
    struct thread *t = arg;

    sched_first_switch();
    t->run(t->arg);
    object_signal(&t->object, 0, SIGNAL_ENDED);
    sched_exit();
}

static void
thread_init(struct thread *t)
{
    static u32 made;

    object_init(&t->object, &thread_type);
    t->number = __atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
    t->priority = PRIORITY_DEFAULT;
    list_init(&t->waiter.link);
    list_init(&t->queued);
    lock_init(&t->windows, LOCK_WINDOWS);
}

void
thread_init_first(struct thread *t)
{
    u64 here = (u64)__builtin_frame_address(0);

    thread_init(t);
    t->account = account_root();
    account_hold(t->account);
    t->stack = (u8 *)(here & ~(u64)(STACK_SIZE - 1));
    t->stack_low = stack_note((u64)t->stack)->low = t->stack + STACK_GUARD;
    stack_note((u64)t->stack)->thread = t;
}

static status_t
take_stack(struct thread *t)
{
    if (!charge_to(&t->memory, RESOURCE_MEMORY, STACK_FIRST))
        return ERR_LIMIT;
    t->stack = stack_new();
    if (t->stack != NULL)
        return OK;
    charge_end(&t->memory, RESOURCE_MEMORY);
    return ERR_NO_MEMORY;
}

status_t
thread_new(struct thread **out, void (*run)(void *arg), void *arg)
{
    struct thread *t = kernel_alloc(sizeof(*t));

    if (t == NULL)
        return ERR_NO_MEMORY;
    thread_init(t);
    t->account = account_current();
    account_hold(t->account);
    t->priority =
        __atomic_load_n(&thread_current()->priority, __ATOMIC_RELAXED);
    t->run = run;
    t->arg = arg;
    status_t status = take_stack(t);
    if (status != OK) {
        object_release(&t->object);
        return status;
    }
    t->stack_low = stack_note((u64)t->stack)->low;
    stack_note((u64)t->stack)->thread = t;
    context_init(&t->context, t->stack + STACK_SIZE - STACK_TOP, thread_main,
                 t);
    object_hold(&t->object); // its own, until thread_reap
    *out = t;
    return OK;
}

void
thread_discard(struct thread *t)
{
    thread_reap(t);
    object_release(&t->object);
}

void
thread_reap(struct thread *t)
{
    assert(t->activation == NULL);
    stack_free(t->stack);
    t->stack = NULL;
    charge_end(&t->memory, RESOURCE_MEMORY);
    object_release(&t->object);
}

void
thread_release(struct thread *t)
{
    object_release(&t->object);
}

status_t
thread_join(struct thread *t, u64 deadline)
{
    return object_wait_one(&t->object, SIGNAL_ENDED, deadline, NULL);
}

void
thread_kill(struct thread *t)
{
    __atomic_store_n(&t->entry.killed, true, __ATOMIC_SEQ_CST);
    waiter_kill(&t->waiter);
    sched_changed(t);
}

status_t
thread_sleep_until(u64 deadline_ns)
{
    struct wait_queue nobody;

    wait_queue_init(&nobody);
    bool on = lock_irq(&nobody.lock);
    status_t status = wait_queue_wait(&nobody, 0, deadline_ns, on);
    return status == ERR_KILLED ? status : OK;
}

status_t
thread_run_until(void (*run)(void *arg), void *arg, u64 deadline_ns)
{
    struct thread *t;
    status_t status = thread_new(&t, run, arg);

    if (status != OK)
        return status;
    sched_start(t);
    status = thread_join(t, deadline_ns);
    if (status != OK) {
        thread_kill(t);
        // We may be killed, too, but something of ours is still in use.
        object_wait_always(&t->object, SIGNAL_ENDED);
    }
    thread_release(t);
    return status;
}
