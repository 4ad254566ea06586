// kernel/clock.c: what programs see of the time: clocks that are as coarse as
// whoever starts them wants (`--coarse-clocks`); what they wait for comes no
// finer.

#include "kernel/internal.h"

static u64 grain_ns = 1; // set before programs run

void
clock_set_grain(u64 ns)
{
    assert(ns > 0);
    grain_ns = ns;
}

u64
clock_grain(void)
{
    return grain_ns;
}

u64
clock_told(u64 ns)
{
    return grain_ns > 1 ? ns - ns % grain_ns : ns;
}

u64
clock_due(u64 deadline)
{
    u64 more = grain_ns > 1 ? deadline % grain_ns : 0;

    return more == 0 || deadline > UINT64_MAX - grain_ns ?
               deadline :
               deadline + (grain_ns - more);
}
