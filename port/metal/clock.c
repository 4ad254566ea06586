// port/metal/clock.c: the TSC is the clock, the local APIC's timer rings.  Both
// are measured against the PIT when the machine starts.

#include "port/metal/metal.h"

enum {
    PIT_HZ = 1193182,
    PIT_COUNTER2 = 0x42,
    PIT_COMMAND = 0x43,
    PIT_GATE = 0x61,   // bit 0 lets counter 2 run, bit 1 is the speaker
    PIT_START2 = 0xb0, // counter 2, two bytes, mode 0: count down
    PIT_LATCH2 = 0x80,
    PIT_TICKS = 2400,      // about 2 ms
    PIT_SILENCE = 1000000, // TSC ticks after which a PIT that stands is none
    APIC_HZ_QEMU = 1000000000,

    CMOS_INDEX = 0x70,
    CMOS_DATA = 0x71,
    CMOS_STATUS_A = 10, // bit 7: being updated
    CMOS_STATUS_B = 11, // bit 2: binary, bit 1: 24 hours
};

static u64 tsc_start;         // the TSC at time 0
static u64 ns_per_tick;       // fixed point, 32 bits of fraction
static u64 apic_ticks_per_ns; // the same
static u64 start_seconds;     // since 1970, at time 0
static u64 sample_ns;         // between two samples, 0: none; atomic

// a * b / 2^32, where the result fits.
static u64
scale(u64 a, u64 b)
{
    return (u64)((unsigned __int128)a * b >> 32);
}

// The clocks at one moment.
struct moment {
    u64 tsc;
    u32 apic; // counts down
    u32 pit;  // counts down
};

static u32
pit_read(void)
{
    u32 low;

    out8(PIT_COMMAND, PIT_LATCH2);
    low = in8(PIT_COUNTER2);
    return (u32)in8(PIT_COUNTER2) << 8 | low;
}

// Of several attempts the one that took least time, so that an interruption
// of the (virtual) machine between the reads does no harm.
static struct moment
read_moment(void)
{
    struct moment best = {0};
    u64 least = UINT64_MAX;

    for (u32 i = 0; i < 4; i++) {
        u64 before = tsc_read();
        u32 pit = pit_read();
        u32 apic = irq_timer_count();
        u64 took = tsc_read() - before;

        if (took < least) {
            least = took;
            best = (struct moment){before + took / 2, apic, pit};
        }
    }
    return best;
}

static bool
pit_start(void)
{
    u64 since;
    u32 first;

    out8(PIT_GATE, (in8(PIT_GATE) & ~2) | 1);
    out8(PIT_COMMAND, PIT_START2);
    out8(PIT_COUNTER2, 0xff);
    out8(PIT_COUNTER2, 0xff);
    since = tsc_read();
    first = pit_read();
    while (tsc_read() - since < PIT_SILENCE)
        if (pit_read() != first)
            return true;
    return false;
}

static void
set_rates(u64 tsc_ticks, u64 apic_ticks, u64 ns)
{
    ns_per_tick = (ns << 32) / tsc_ticks;
    apic_ticks_per_ns = (apic_ticks << 32) / ns;
}

static void
measure(void)
{
    bool has_pit = pit_start();
    struct moment a, b;

    irq_timer_start(UINT32_MAX);
    a = read_moment();
    do {
        b = read_moment();
    } while (has_pit ? a.pit - b.pit < PIT_TICKS :
                       a.apic - b.apic < APIC_HZ_QEMU / 500);
    irq_timer_start(0);
    if (has_pit)
        set_rates(b.tsc - a.tsc, a.apic - b.apic,
                  (u64)(a.pit - b.pit) * 1000000000 / PIT_HZ);
    else // no PIT: a virtual machine, like QEMU's
        set_rates(b.tsc - a.tsc, a.apic - b.apic, a.apic - b.apic);
}

// --- the date ----------------------------------------------------------------

static u32
cmos_read(u8 reg)
{
    out8(CMOS_INDEX, reg);
    return in8(CMOS_DATA);
}

// Days since 1970-01-01 of a date in the Gregorian calendar; years that start
// in March put the leap day last.
static u64
days_since_1970(u32 year, u32 month, u32 day)
{
    u32 y = month > 2 ? year : year - 1;
    u32 m = month > 2 ? month - 3 : month + 9;

    return 365ull * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day -
           1 - 719468;
}

// The registers second, minute, hour, day, month, year.
static void
read_date(u32 date[6])
{
    static const u8 regs[6] = {0, 2, 4, 7, 8, 9};

    for (u32 i = 0; i < 6; i++)
        date[i] = cmos_read(regs[i]);
}

static u64
read_clock(void)
{
    u32 date[6], again[6], format = cmos_read(CMOS_STATUS_B);
    bool afternoon;

    do {
        for (u32 i = 0; i < 1000 && cmos_read(CMOS_STATUS_A) & 0x80; i++)
            ;
        read_date(date);
        read_date(again);
    } while (memcmp(date, again, sizeof(date)) != 0);

    afternoon = (date[2] & 0x80) != 0;
    date[2] &= 0x7f;
    for (u32 i = 0; i < 6 && !(format & 4); i++)
        date[i] = (date[i] >> 4) * 10 + (date[i] & 15);
    if (!(format & 2))
        date[2] = date[2] % 12 + (afternoon ? 12 : 0);
    if (date[4] < 1 || date[4] > 12 || date[3] < 1)
        return 0; // no clock
    return days_since_1970(2000 + date[5], date[4], date[3]) * 86400 +
           date[2] * 3600ull + date[1] * 60ull + date[0];
}

// --- kernel/port.h -----------------------------------------------------------

u64
port_monotonic_ns(void)
{
    return scale(tsc_read() - tsc_start, ns_per_tick);
}

u64
port_realtime_ns(void)
{
    return start_seconds * 1000000000 + port_monotonic_ns();
}

// Make the timer ring at cpu->deadline.  Writing to it costs a microsecond or
// more (a trap in a virtual machine), and threads that switch often postpone
// the end of a slice again and again: a timer that rings earlier stays, and
// clock_interrupt looks again.  The counter has 32 bits, and rings earlier too
// when these are not enough.
static void
arm_timer(struct cpu *cpu)
{
    u64 deadline = MIN(cpu->deadline, cpu->sample), ticks = 1;

    if (deadline >= cpu->armed)
        return;
    u64 now = port_monotonic_ns();
    cpu->armed = deadline;
    if (deadline > now)
        ticks = scale(MIN(deadline - now, 1000000000), apic_ticks_per_ns);
    irq_timer_start((u32)MIN(MAX(ticks, 1), (u64)UINT32_MAX));
}

void
port_timer_set(u64 monotonic_ns)
{
    bool on = port_interrupts_off();

    this_cpu()->deadline = monotonic_ns;
    arm_timer(this_cpu());
    port_interrupts_restore(on);
}

void
port_profile(u64 period_ns)
{
    __atomic_store_n(&sample_ns, period_ns, __ATOMIC_RELAXED);
    for (u32 i = 0; i < port_cpu_count() && period_ns > 0; i++)
        port_poke(i);
}

void
clock_sample(u64 pc, u64 rsp)
{
    u64 period = __atomic_load_n(&sample_ns, __ATOMIC_RELAXED);
    struct cpu *cpu = this_cpu();

    if (period == 0) {
        cpu->sample = UINT64_MAX;
        return;
    }
    if (port_monotonic_ns() >= cpu->sample) {
        profile_sample(pc, rsp);
        cpu->sample = UINT64_MAX;
    }
    if (cpu->sample == UINT64_MAX)
        cpu->sample = port_monotonic_ns() + period;
    arm_timer(cpu);
}

bool
clock_interrupt(void)
{
    struct cpu *cpu = this_cpu();

    cpu->armed = UINT64_MAX; // it has rung
    if (port_monotonic_ns() < cpu->deadline) {
        arm_timer(cpu);
        return false;
    }
    cpu->deadline = UINT64_MAX;
    arm_timer(cpu);
    return true;
}

void
clock_init(void)
{
    measure();
    tsc_start = tsc_read();
    start_seconds = read_clock();
    this_cpu()->deadline = this_cpu()->armed = UINT64_MAX;
    this_cpu()->sample = UINT64_MAX;
}
