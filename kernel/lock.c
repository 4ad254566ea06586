// kernel/lock.c: spin locks, and the order of all locks.
//
// Builds for tests check their order (kernel/locks.def).  A CPU has a bit set
// of the ranks that are held on it: who holds a spin lock stays on its CPU, and
// an interrupt leaves the set as it was.  The run queue's lock, which is held
// over a switch of threads, is the CPU's as well.

#include "kernel/internal.h"

// --- the order ---------------------------------------------------------------

static u64 held[CPU_MAX];
static bool interrupts_come; // set once, by the first CPU

enum kind { MUTEX, SPIN, IRQ };

static const struct {
    enum kind kind;
    const char *out_of_order, *with_interrupts;
} ranks[LOCK_COUNT] = {
#define LOCK(id, kind, what)                                    \
    [LOCK_##id] = {kind, "a lock is taken out of order: " what, \
                   "a lock of interrupts is taken with them on: " what},
#include "kernel/locks.def"
};

_Static_assert(LOCK_COUNT <= 64, "a bit each");

bool
lock_order_allows(u64 taken, enum lock_rank rank)
{
    return taken >> rank == 0;
}

void
lock_rank_check(u32 rank, bool spin)
{
    if (rank == LOCK_NONE || rank >= LOCK_COUNT ||
        (ranks[rank].kind != MUTEX) != spin)
        panic(__FILE__, __LINE__, "a lock without a rank");
}

void
lock_order_check(u64 taken, u32 rank, bool spin)
{
    lock_rank_check(rank, spin);
    if (!lock_order_allows(taken, (enum lock_rank)rank))
        panic(__FILE__, __LINE__, ranks[rank].out_of_order);
}

u64
locks_held(void)
{
    return held[port_cpu_id()];
}

void
lock_interrupts_come(void)
{
    interrupts_come = true;
}

// What an interrupt takes is never held by what it interrupts.  Before the
// first thread runs there are no interrupts.
static void
check_interrupts(u32 rank)
{
    bool on = port_interrupts_off();

    port_interrupts_restore(on);
    if (on && ranks[rank].kind == IRQ && interrupts_come)
        panic(__FILE__, __LINE__, ranks[rank].with_interrupts);
}

void
lock_note_taken(const struct lock *l)
{
    u64 *taken = &held[port_cpu_id()];

    lock_order_check(*taken, l->rank, true);
    check_interrupts(l->rank);
    *taken |= 1ull << l->rank;
}

void
lock_note_released(const struct lock *l)
{
    held[port_cpu_id()] &= ~(1ull << l->rank);
}

bool
lock_held(const struct lock *l)
{
    bool taken = __atomic_load_n(&l->held, __ATOMIC_RELAXED) != 0;

    return taken && (!CHECKED || held[port_cpu_id()] >> l->rank & 1);
}

// --- spinning ----------------------------------------------------------------

void
lock_init(struct lock *l, enum lock_rank rank)
{
    if (CHECKED)
        lock_rank_check(rank, true);
    *l = (struct lock){.rank = rank};
}

void LOCKS_BY_HAND
lock_spin(struct lock *l)
{
    u32 spins = 0;

    do
        while (__atomic_load_n(&l->held, __ATOMIC_RELAXED) != 0)
            port_spin(++spins);
    while (!lock_try(l));
}

bool LOCKS_BY_HAND
lock_irq(struct lock *l)
{
    bool on = port_interrupts_off();

    lock_irq_nested(l);
    return on;
}

void LOCKS_BY_HAND
unlock_irq(struct lock *l, bool on)
{
    unlock_irq_nested(l);
    port_interrupts_restore(on);
}

void
lock_break(struct lock *l)
{
    if (CHECKED)
        lock_note_released(l);
    __atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}
