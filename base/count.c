// base/count.c: counts of references that cannot wrap; see base.h.

#include "base/base.h"

bool cpu_is_alone;

void
count_up(u32 *count)
{
    u32 now = __atomic_load_n(count, __ATOMIC_RELAXED);

    do {
        if (now == COUNT_STUCK)
            return;
    } while (!atomic_cas_u32(count, &now, now + 1));
}

bool
count_down(u32 *count)
{
    u32 now = __atomic_load_n(count, __ATOMIC_RELAXED);

    do {
        assert(now > 0);
        if (now == COUNT_STUCK)
            return false;
    } while (!atomic_cas_u32(count, &now, now - 1));
    return now == 1;
}
