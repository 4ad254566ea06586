// kernel/timer.c: deadlines, of waiting threads and of timers (timer_object.c).
//
// Each CPU has a heap of them (base/order.c), the earliest first: no operation
// takes long, whatever was done before, as all of this runs with interrupts
// off, and none takes memory.  A heap's lock is taken before a run queue's.
//
// Any number may be due at once.  An interrupt deals with a batch; the others
// are still the next to ring, which the port's timer then does at once.  What
// becomes due later waits until TIMER_REST has gone by, where it would
// interrupt somebody: else who sleeps a nanosecond, over and over, leaves
// others only the moments between going to sleep and waking up.

#include "kernel/internal.h"

static struct timer_heap {
    struct lock lock;
    struct order deadlines MEMBER_GUARDED_BY(lock);
    u64 next; // atomic: the first deadline, read without the lock
    u64 rang; // changes on its CPU in interrupts: when somebody was told last
} heaps[CPU_MAX] = {[0 ... CPU_MAX - 1] = {.lock = LOCK_INIT(TIMERS)}};

static void
note_next(struct timer_heap *heap) REQUIRES(heap->lock)
{
    const struct order_item *first = heap->deadlines.first;
    u64 next = first != NULL ? first->key : UINT64_MAX;

    assert_held(&heap->lock);
    __atomic_store_n(&heap->next, next, __ATOMIC_RELEASE);
}

static void
take_out(struct timer_heap *heap, struct deadline *t) REQUIRES(heap->lock)
{
    assert_held(&heap->lock);
    order_take(&heap->deadlines, &t->item);
    note_next(heap);
}

void
deadline_start(struct deadline *t, u64 deadline, deadline_expire_t *expire)
{
    u32 cpu = port_cpu_id();
    struct timer_heap *heap = &heaps[cpu];
    bool on = lock_irq(&heap->lock);

    assert(!t->item.in);
    *t = (struct deadline){
        .item = {.key = MAX(clock_due(deadline), 1)},
        .expire = expire,
        .cpu = cpu,
    };
    order_put(&heap->deadlines, &t->item);
    note_next(heap);
    unlock_irq(&heap->lock, on);
}

void
deadline_cancel(struct deadline *t)
{
    struct timer_heap *heap = &heaps[t->cpu];
    bool on = lock_irq(&heap->lock);

    if (t->item.in)
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
        struct order_item *first = heap->deadlines.first;
        if (first == NULL || first->key > now)
            break;
        struct deadline *t = CONTAINER(first, struct deadline, item);
        take_out(heap, t);
        // Under the lock: deadline_cancel() waits for it before t can go away.
        told += t->expire(t);
    }
    if (told > 0)
        heap->rang = now;
    unlock_irq(&heap->lock, on);
    return told > 0;
}
