// kernel/timer.c: deadlines, of waiting threads and of timers (timer_object.c).
//
// Each CPU has a pairing heap, earliest deadline at the root; cancelling works
// in the middle.  No memory is taken, nothing recurses.  A heap's lock is taken
// before a run queue's.

#include "kernel/internal.h"

static struct timer_heap {
    struct lock lock;
    struct deadline *root MEMBER_GUARDED_BY(lock);
    u64 next; // atomic: the deadline of the root, read without the lock
} heaps[CPU_MAX] = {[0 ... CPU_MAX - 1] = {.lock = LOCK_INIT(TIMERS)}};

static void
set_root(struct timer_heap *heap, struct deadline *root) REQUIRES(heap->lock)
{
    u64 next = root != NULL ? root->deadline : UINT64_MAX;

    assert_held(&heap->lock);
    heap->root = root;
    __atomic_store_n(&heap->next, next, __ATOMIC_RELEASE);
}

// The earlier of two trees becomes the root.  Both are whole: no siblings.
static struct deadline *
merge(struct deadline *a, struct deadline *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    if (b->deadline < a->deadline) {
        struct deadline *c = a;
        a = b;
        b = c;
    }
    b->sibling = a->child;
    if (a->child != NULL)
        a->child->before = b;
    b->before = a;
    a->child = b;
    return a;
}

// Merge a chain of siblings: in pairs from the left, then all from the right.
static struct deadline *
merge_chain(struct deadline *first)
{
    struct deadline *pairs = NULL, *all = NULL;

    while (first != NULL) {
        struct deadline *a = first, *b = a->sibling;
        first = b != NULL ? b->sibling : NULL;
        a->sibling = NULL;
        if (b != NULL)
            b->sibling = NULL;
        a = merge(a, b);
        a->sibling = pairs;
        pairs = a;
    }
    while (pairs != NULL) {
        struct deadline *next = pairs->sibling;
        pairs->sibling = NULL;
        all = merge(all, pairs);
        pairs = next;
    }
    if (all != NULL)
        all->before = NULL;
    return all;
}

static void
take_out(struct timer_heap *heap, struct deadline *t) REQUIRES(heap->lock)
{
    assert_held(&heap->lock);
    if (heap->root == t) {
        set_root(heap, merge_chain(t->child));
    } else {
        if (t->before->child == t)
            t->before->child = t->sibling;
        else
            t->before->sibling = t->sibling;
        if (t->sibling != NULL)
            t->sibling->before = t->before;
        set_root(heap, merge(heap->root, merge_chain(t->child)));
    }
    t->child = t->sibling = t->before = NULL;
    t->active = false;
}

void
deadline_start(struct deadline *t, u64 deadline, deadline_expire_t *expire)
{
    u32 cpu = port_cpu_id();
    struct timer_heap *heap = &heaps[cpu];
    bool on = lock_irq(&heap->lock);

    assert(!t->active);
    *t = (struct deadline){
        .deadline = MAX(deadline, 1),
        .expire = expire,
        .cpu = cpu,
        .active = true,
    };
    set_root(heap, merge(heap->root, t));
    unlock_irq(&heap->lock, on);
}

void
deadline_cancel(struct deadline *t)
{
    struct timer_heap *heap = &heaps[t->cpu];
    bool on = lock_irq(&heap->lock);

    if (t->active)
        take_out(heap, t);
    unlock_irq(&heap->lock, on);
}

u64
timer_next(void)
{
    struct timer_heap *heap = &heaps[port_cpu_id()];
    u64 next = __atomic_load_n(&heap->next, __ATOMIC_ACQUIRE);

    return next != 0 ? next : UINT64_MAX; // 0: never used
}

bool
timer_expire(u64 now)
{
    struct timer_heap *heap = &heaps[port_cpu_id()];
    bool woke = false;
    bool on = lock_irq(&heap->lock);

    while (heap->root != NULL && heap->root->deadline <= now) {
        struct deadline *t = heap->root;
        take_out(heap, t);
        // Under the lock: deadline_cancel() waits for it before t can go away.
        woke |= t->expire(t);
    }
    unlock_irq(&heap->lock, on);
    return woke;
}
