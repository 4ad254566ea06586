// test/latency/trap.c: what test/latency/latency.c is told of interrupts on the
// metal.
//
// A trap that finds interrupts on begins a stretch; it ends with the iretq, or,
// when that leads to preempt_start, at the switch.  One that finds them off is
// part of a stretch that runs.

#include "port/metal/metal.h"
#include "test/latency/latency.h"

enum { RFLAGS_INTERRUPTS = 1 << 9 };

void __real_trap_handle(struct trap_frame *f);
void __wrap_trap_handle(struct trap_frame *f);

static bool
turned_off(const struct trap_frame *f)
{
    return (f->rflags & RFLAGS_INTERRUPTS) != 0;
}

void
__wrap_trap_handle(struct trap_frame *f)
{
    const void *at = (const void *)f->rip;
    bool first = turned_off(f);

    if (first)
        latency_interrupt();
    __real_trap_handle(f);
    if (first && turned_off(f))
        latency_interrupt_over(at);
}
