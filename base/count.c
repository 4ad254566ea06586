// base/count.c: counts of references that cannot wrap; see base.h.

#include "base/base.h"

void
count_up(u32 *count)
{
    u32 now = __atomic_load_n(count, __ATOMIC_RELAXED);

    do {
        if (now == COUNT_STUCK)
            return;
    } while (!__atomic_compare_exchange_n(count, &now, now + 1, true,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

bool
count_down(u32 *count)
{
    u32 now = __atomic_load_n(count, __ATOMIC_RELAXED);

    do {
        assert(now > 0);
        if (now == COUNT_STUCK)
            return false;
    } while (!__atomic_compare_exchange_n(count, &now, now - 1, true,
                                          __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return now == 1;
}
