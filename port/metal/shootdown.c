// port/metal/shootdown.c: translations that CPUs remember.
//
// Whoever takes a mapping away counts an epoch after he has written to the page
// tables.  A CPU has passed an epoch when it has flushed its TLB since; until
// all have, frames and addresses that lost a mapping are not used again
// (limbo.c).  Nobody waits for that: a CPU passes with its next interrupt.  One
// that is idle uses nothing that is ever unmapped; it counts as having passed,
// and flushes before it does anything else.
//
// Where rights are lost, or addresses are kept whose memory is given back, the
// others must have passed before we go on.  They are called by an NMI, which
// comes also where interrupts are off, so that whoever waits may hold any lock.

#include "port/metal/tables.h"

enum { FLUSH_PAGES = 32 }; // flush up to as many pages one by one

static u64 epochs;    // atomic, counted so far
static u64 everybody; // atomic, all have passed up to this one

// A change of PGE flushes all of the TLB, global pages too; also when an NMI
// has come between two changes.
static void
flush_all(void)
{
    u64 cr4;

    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 ^ 0x80) : "memory");
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
}

// Never lower: an NMI, or another CPU, may have come since the epoch was read.
static void
raise(u64 *passed, u64 epoch)
{
    u64 before = __atomic_load_n(passed, __ATOMIC_RELAXED);

    while (before < epoch &&
           !__atomic_compare_exchange_n(passed, &before, epoch, false,
                                        __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
        continue;
}

static void
pass(struct cpu *cpu)
{
    u64 epoch = __atomic_load_n(&epochs, __ATOMIC_SEQ_CST);

    flush_all();
    raise(&cpu->passed, epoch);
}

void
shootdown_idle(void)
{
    __atomic_store_n(&this_cpu()->idle, true, __ATOMIC_RELEASE);
}

void
shootdown_busy(void)
{
    struct cpu *cpu = this_cpu();

    if (__atomic_load_n(&cpu->idle, __ATOMIC_RELAXED))
        __atomic_store_n(&cpu->idle, false, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&cpu->passed, __ATOMIC_RELAXED) !=
        __atomic_load_n(&epochs, __ATOMIC_SEQ_CST))
        pass(cpu);
}

// --- epochs ------------------------------------------------------------------

// One page's flush also forgets all cached upper levels (SDM 3A, 4.10.4.1).
u64
shootdown_begin(u64 start, u64 end)
{
    bool on = port_interrupts_off();
    struct cpu *cpu = this_cpu();
    u64 epoch = __atomic_add_fetch(&epochs, 1, __ATOMIC_SEQ_CST);
    bool behind = __atomic_load_n(&cpu->passed, __ATOMIC_RELAXED) != epoch - 1;

    if (behind || end - start > (u64)FLUSH_PAGES * PAGE_SIZE) {
        pass(cpu);
    } else {
        for (u64 at = start; at < end; at += PAGE_SIZE)
            flush_page(at);
        raise(&cpu->passed, epoch);
    }
    port_interrupts_restore(on);
    return epoch;
}

// A CPU that has not come yet has no translations, and passes when it does.
static bool
is_behind(struct cpu *cpu, u64 epoch)
{
    return __atomic_load_n(&cpu->state, __ATOMIC_ACQUIRE) == CPU_RUNNING &&
           !__atomic_load_n(&cpu->idle, __ATOMIC_SEQ_CST) &&
           __atomic_load_n(&cpu->passed, __ATOMIC_SEQ_CST) < epoch;
}

// What was true stays true: one that comes out of idle looks behind until it
// has flushed, but uses nothing before.
bool
shootdown_passed(u64 epoch)
{
    if (__atomic_load_n(&everybody, __ATOMIC_ACQUIRE) >= epoch)
        return true;
    for (u32 i = 0; i < port_cpu_count(); i++)
        if (cpu_at(i) != NULL && is_behind(cpu_at(i), epoch))
            return false;
    raise(&everybody, epoch);
    return true;
}

// Call those that have not passed; but for us, who have.
static void
call(u64 epoch, enum irq_message message)
{
    for (u32 i = 0; i < port_cpu_count(); i++) {
        struct cpu *cpu = cpu_at(i);
        if (cpu == NULL || !is_behind(cpu, epoch))
            continue;
        if (message == MESSAGE_NMI)
            __atomic_fetch_add(&cpu->nmis_sent, 1, __ATOMIC_SEQ_CST);
        irq_send(cpu->apic, message, 0);
    }
}

void
shootdown_hurry(u64 epoch)
{
    call(epoch, MESSAGE_POKE);
}

void
shootdown_finish(u64 epoch)
{
    call(epoch, MESSAGE_NMI);
    while (!shootdown_passed(epoch))
        __builtin_ia32_pause();
}

// Several messages may arrive as one NMI; so one that is not ours may be taken
// for ours, but never the other way round.
bool
shootdown_nmi(void)
{
    struct cpu *cpu = this_cpu();

    if (cpu->nmis_taken == __atomic_load_n(&cpu->nmis_sent, __ATOMIC_SEQ_CST))
        return false;
    cpu->nmis_taken++;
    pass(cpu);
    return true;
}
