// port/metal/irq.c: interrupt controllers: the local APIC of each CPU and the
// I/O APICs that the firmware names, or one where it always is.  The old PICs
// are silenced.

#include "port/metal/firmware.h"
#include "port/metal/metal.h"

enum {
    PIC1_DATA = 0x21,
    PIC2_DATA = 0xa1,

    MSR_APIC_BASE = 0x1b,
    APIC_BASE_FIRST = 1 << 8,
    APIC_BASE_ENABLE = 1 << 11,
    APIC_BASE_X2APIC = 1 << 10,
    MSR_X2APIC = 0x800,

    // Registers of the local APIC (SDM 3A, 10.4.1).
    APIC_ID = 0x20,
    APIC_TASK_PRIORITY = 0x80,
    APIC_END = 0xb0,
    APIC_SPURIOUS = 0xf0,
    APIC_COMMAND = 0x300,
    APIC_COMMAND_TO = 0x310, // high half of the command: for whom
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
    APIC_ON = 1 << 8,
    LVT_NMI = 4 << 8,
    LVT_MASKED = 1 << 16,
    DIVIDE_BY_1 = 0xb,
    COMMAND_BUSY = 1 << 12, // of the one before
    COMMAND_ASSERT = 1 << 14,
    COMMAND_NMI = 4 << 8,
    COMMAND_INIT = 5 << 8,
    COMMAND_START = 6 << 8,

    // The I/O APIC: an index and a data register.
    IOAPIC_INDEX = 0,
    IOAPIC_DATA = 0x10,
    IOAPIC_VERSION = 1,  // and how many lines it has
    IOAPIC_TABLE = 0x10, // two words for each line
    LINE_LOW = 1 << 13,
    LINE_LEVEL = 1 << 15,
};

#define MESSAGE_ADDRESS 0xfee00000u // SDM 3A, 10.11.1

#define IOAPIC_PHYSICAL 0xfec00000ull

static u64 apic_physical;
static bool x2apic;

static struct ioapic {
    u64 physical;
    u32 first, count; // of its lines, by their numbers
} ioapics[FIRMWARE_IOAPICS];
static u32 ioapic_count;

static struct lock routes_lock = LOCK_INIT(ROUTES); // registers of I/O APICs

static u32
mmio_read(u64 physical)
{
    return *(volatile u32 *)(MMIO_BASE + physical);
}

static void
mmio_write(u64 physical, u32 value)
{
    *(volatile u32 *)(MMIO_BASE + physical) = value;
}

static u32
apic_read(u32 reg)
{
    if (x2apic)
        return (u32)msr_read(MSR_X2APIC + reg / 16);
    return mmio_read(apic_physical + reg);
}

static void
apic_write(u32 reg, u32 value)
{
    if (x2apic)
        msr_write(MSR_X2APIC + reg / 16, value);
    else
        mmio_write(apic_physical + reg, value);
}

static void
map_registers(u64 physical)
{
    if (mmio_map(physical, PAGE_SIZE) == NULL)
        panic(__FILE__, __LINE__, "no memory for page tables");
}

static void
ioapic_write(const struct ioapic *a, u32 reg, u32 value)
{
    mmio_write(a->physical + IOAPIC_INDEX, reg);
    mmio_write(a->physical + IOAPIC_DATA, value);
}

static u32
ioapic_read(const struct ioapic *a, u32 reg)
{
    mmio_write(a->physical + IOAPIC_INDEX, reg);
    return mmio_read(a->physical + IOAPIC_DATA);
}

static void
add_ioapic(u64 physical, u32 first)
{
    struct ioapic *a = &ioapics[ioapic_count++];

    map_registers(physical);
    a->physical = physical;
    a->first = first;
    a->count = (ioapic_read(a, IOAPIC_VERSION) >> 16 & 0xff) + 1;
}

void
irq_find_lines(const struct firmware *f)
{
    for (u32 i = 0; i < f->ioapic_count; i++)
        add_ioapic(f->ioapics[i].address, f->ioapics[i].first);
    if (ioapic_count == 0)
        add_ioapic(IOAPIC_PHYSICAL, 0);
}

static const struct ioapic *
ioapic_of(u32 line)
{
    for (u32 i = 0; i < ioapic_count; i++)
        if (line - ioapics[i].first < ioapics[i].count)
            return &ioapics[i];
    return NULL;
}

u32
irq_cpu_number(void)
{
    return x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

// Index and data belong together, and so do the two words of a line.
static void
set_line(u32 line, u32 how)
{
    const struct ioapic *a = ioapic_of(line);

    if (a == NULL)
        return;
    bool on = lock_irq(&routes_lock);
    u32 reg = IOAPIC_TABLE + 2 * (line - a->first);
    ioapic_write(a, reg + 1, irq_cpu_number() << 24);
    ioapic_write(a, reg, how);
    unlock_irq(&routes_lock, on);
}

void
irq_enable_line(u32 line, enum vector vector)
{
    set_line(line, vector);
}

void
irq_enable_level(u32 line, enum vector vector, bool low)
{
    set_line(line, (u32)vector | LINE_LEVEL | (low ? LINE_LOW : 0));
}

u32
irq_message_address(void)
{
    return MESSAGE_ADDRESS | irq_cpu_number() << 12;
}

void
irq_end(void)
{
    apic_write(APIC_END, 0);
}

void
irq_timer_start(u32 count)
{
    apic_write(APIC_TIMER_INITIAL, count);
}

u32
irq_timer_count(void)
{
    return apic_read(APIC_TIMER_CURRENT);
}

bool
irq_can_call(u32 apic)
{
    return x2apic || apic < 0xff; // 255: all of them
}

// Also from the handler of an NMI, which may have come between the two halves
// of a command: it leaves the first as it was.
static void
send(u32 apic, u32 command)
{
    u32 to;

    if (x2apic) {
        msr_write(MSR_X2APIC + APIC_COMMAND / 16, (u64)apic << 32 | command);
        return;
    }
    while (apic_read(APIC_COMMAND) & COMMAND_BUSY)
        __builtin_ia32_pause();
    to = apic_read(APIC_COMMAND_TO);
    apic_write(APIC_COMMAND_TO, apic << 24);
    apic_write(APIC_COMMAND, command);
    apic_write(APIC_COMMAND_TO, to);
}

void
irq_send(u32 apic, enum irq_message message, u32 page)
{
    const u32 commands[] = {
        [MESSAGE_POKE] = VECTOR_POKE,
        [MESSAGE_NMI] = COMMAND_NMI,
        [MESSAGE_INIT] = COMMAND_INIT,
        [MESSAGE_START] = COMMAND_START | page,
    };
    bool on = port_interrupts_off();

    send(apic, COMMAND_ASSERT | commands[message]);
    port_interrupts_restore(on);
}

// Where the registers are, for all CPUs.
static void
find_registers(u64 base)
{
    apic_physical = base & 0xfffff000;
    x2apic = (base & APIC_BASE_X2APIC) != 0;
    map_registers(apic_physical);
}

void
irq_init(void)
{
    out8(PIC1_DATA, 0xff);
    out8(PIC2_DATA, 0xff);
    find_registers(msr_read(MSR_APIC_BASE));
    irq_init_cpu();
}

void
irq_init_cpu(void)
{
    u64 now = msr_read(MSR_APIC_BASE);
    u64 base = apic_physical | APIC_BASE_ENABLE | (now & APIC_BASE_FIRST);

    if (x2apic && !(now & APIC_BASE_X2APIC)) // in two steps, SDM 3A, 10.12.5
        msr_write(MSR_APIC_BASE, base);
    msr_write(MSR_APIC_BASE, base | (x2apic ? APIC_BASE_X2APIC : 0));

    apic_write(APIC_LVT_LINT0, LVT_MASKED);
    apic_write(APIC_LVT_LINT1, LVT_NMI);
    apic_write(APIC_TASK_PRIORITY, 0);
    apic_write(APIC_SPURIOUS, APIC_ON | VECTOR_SPURIOUS);
    apic_write(APIC_TIMER_DIVIDE, DIVIDE_BY_1);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
}
