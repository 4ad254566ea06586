// kernel/budget.c: what the kernel holds for somebody, and who pays for it.
//
// Objects, messages, rings and the like are charged to the budget of the
// process that had them made, and given back when they are gone, which may be
// after the process: so a budget has references of its own.

#include "kernel/internal.h"

status_t
budget_new(struct budget **out, u64 limit)
{
    struct budget *b = kernel_alloc(sizeof(*b));

    if (b == NULL)
        return ERR_NO_MEMORY;
    b->references = 1;
    b->limit = limit;
    *out = b;
    return OK;
}

void
budget_release(struct budget *b)
{
    if (b != NULL && count_down(&b->references))
        kernel_free(b);
}

bool
budget_take(struct budget *b, u64 size)
{
    u64 used = __atomic_load_n(&b->used, __ATOMIC_RELAXED);

    do {
        if (size > b->limit - used)
            return false;
    } while (!__atomic_compare_exchange_n(&b->used, &used, used + size, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    count_up(&b->references);
    return true;
}

void
budget_give(struct budget *b, u64 size)
{
    u64 before = __atomic_fetch_sub(&b->used, size, __ATOMIC_RELAXED);

    assert(before >= size);
    budget_release(b);
}

void *
budget_alloc(struct budget *b, u64 size, status_t *status)
{
    void *block = NULL;

    *status = ERR_LIMIT;
    if (!budget_take(b, size))
        return NULL;
    block = kernel_alloc(size);
    *status = block != NULL ? OK : ERR_NO_MEMORY;
    if (block == NULL)
        budget_give(b, size);
    return block;
}

void
budget_free(struct budget *b, void *block, u64 size)
{
    kernel_free(block);
    budget_give(b, size);
}
