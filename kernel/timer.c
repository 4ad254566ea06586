// kernel/timer.c: deadlines, of waiting threads and of timers (timer_object.c).
//
// Each CPU has a binary heap of them, earliest deadline at the root, filled
// level by level: the bits of a deadline's number, below the first, are the way
// to it.  So each operation takes as many steps as there are levels, whatever
// was done before: all of this runs with interrupts off.  No memory is taken.
// A heap's lock is taken before a run queue's.
//
// Any number may be due at once.  An interrupt deals with a batch; the others
// are still the next to ring, which the port's timer then does at once.  What
// becomes due later waits until TIMER_REST has gone by, where it would
// interrupt somebody: else who sleeps a nanosecond, over and over, leaves
// others only the moments between going to sleep and waking up.

#include "kernel/internal.h"

static struct timer_heap {
    struct lock lock;
    struct deadline *root MEMBER_GUARDED_BY(lock);
    u64 count MEMBER_GUARDED_BY(lock);
    u64 next; // atomic: the deadline of the root, read without the lock
    u64 rang; // changes on its CPU in interrupts: when somebody was told last
} heaps[CPU_MAX] = {[0 ... CPU_MAX - 1] = {.lock = LOCK_INIT(TIMERS)}};

static void
note_next(struct timer_heap *heap) REQUIRES(heap->lock)
{
    struct deadline *root = heap->root;
    u64 next = root != NULL ? root->deadline : UINT64_MAX;

    assert_held(&heap->lock);
    __atomic_store_n(&heap->next, next, __ATOMIC_RELEASE);
}

static void
set_child(struct deadline *t, u32 side, struct deadline *child)
{
    t->child[side] = child;
    if (child != NULL)
        child->parent = t;
}

// What points to t.
static struct deadline **
link_to(struct timer_heap *heap, struct deadline *t) REQUIRES(heap->lock)
{
    struct deadline *parent = t->parent;

    assert_held(&heap->lock);
    if (parent == NULL)
        return &heap->root;
    return &parent->child[parent->child[1] == t];
}

// What points to the last one, or will; *parent: of that.
static struct deadline **
link_to_last(struct timer_heap *heap, struct deadline **parent)
    REQUIRES(heap->lock)
{
    struct deadline **link = &heap->root;

    assert_held(&heap->lock);
    *parent = NULL;
    for (u32 bit = 63 - (u32)__builtin_clzll(heap->count); bit-- > 0;) {
        *parent = *link;
        link = &(*parent)->child[heap->count >> bit & 1];
    }
    return link;
}

// Exchange t and its parent.
static void
move_up(struct timer_heap *heap, struct deadline *t) REQUIRES(heap->lock)
{
    struct deadline *parent = t->parent;
    u32 side = parent->child[1] == t;
    struct deadline *other = parent->child[!side];

    assert_held(&heap->lock);
    *link_to(heap, parent) = t;
    t->parent = parent->parent;
    set_child(parent, 0, t->child[0]);
    set_child(parent, 1, t->child[1]);
    set_child(t, side, parent);
    set_child(t, !side, other);
}

// t is too late where it is, or too early.
static void
settle(struct timer_heap *heap, struct deadline *t) REQUIRES(heap->lock)
{
    assert_held(&heap->lock);
    while (t->parent != NULL && t->deadline < t->parent->deadline)
        move_up(heap, t);
    for (;;) {
        struct deadline *first = t->child[0], *second = t->child[1];
        if (second != NULL && second->deadline < first->deadline)
            first = second;
        if (first == NULL || first->deadline >= t->deadline)
            break;
        move_up(heap, first);
    }
    note_next(heap);
}

static void
put_in(struct timer_heap *heap, struct deadline *t) REQUIRES(heap->lock)
{
    struct deadline *parent;

    assert_held(&heap->lock);
    heap->count++;
    *link_to_last(heap, &parent) = t;
    t->parent = parent;
    settle(heap, t);
}

static void
take_out(struct timer_heap *heap, struct deadline *t) REQUIRES(heap->lock)
{
    struct deadline *parent, **link = link_to_last(heap, &parent),
                             *last = *link;

    assert_held(&heap->lock);
    *link = NULL;
    heap->count--;
    if (last != t) { // takes its place
        *link_to(heap, t) = last;
        last->parent = t->parent;
        set_child(last, 0, t->child[0]);
        set_child(last, 1, t->child[1]);
        settle(heap, last);
    } else {
        note_next(heap);
    }
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
    put_in(heap, t);
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
timer_next(u32 cpu)
{
    u64 next = __atomic_load_n(&heaps[cpu].next, __ATOMIC_ACQUIRE);

    return next != 0 ? next : UINT64_MAX; // 0: never used
}

u64
timer_next_beside(u32 cpu)
{
    u64 next = timer_next(cpu), rang = heaps[cpu].rang;

    return next > rang ? MAX(next, rang + TIMER_REST) : next;
}

bool
timer_expire(u64 now)
{
    struct timer_heap *heap = &heaps[port_cpu_id()];
    u32 told = 0;
    bool on = lock_irq(&heap->lock);

    for (u32 i = 0; i < TIMER_BATCH && told < TIMER_BATCH; i++) {
        struct deadline *t = heap->root;
        if (t == NULL || t->deadline > now)
            break;
        take_out(heap, t);
        // Under the lock: deadline_cancel() waits for it before t can go away.
        told += t->expire(t);
    }
    if (told > 0)
        heap->rang = now;
    unlock_irq(&heap->lock, on);
    return told > 0;
}
