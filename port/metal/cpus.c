// port/metal/cpus.c: all CPUs: finding them, starting those that are not the
// first, and messages between them.
//
// The others are called all at once (INIT, start-up, start-up: SDM 3A, 8.4.4)
// and come in any order.  Who has not come in time is left out: its state says
// so before it looks at that, and it stops.  The page below 1 MiB where they
// start stays ours for that.

#include "port/metal/processors.h"
#include "port/metal/tables.h"

enum {
    START_AGAIN_NS = 200000,     // after this, who has not come is called again
    START_LIMIT_NS = 2000000000, // who has not come then is left out
};

void metal_start_other(struct cpu *cpu); // called by start.S

extern const u8 start_page[], start_page_end[], start_far[], start_tables[],
    start_long[], boot_pml4[];

// What start.S reads; it is filled in before the first is called.
extern u32 start_count, start_apics[CPU_MAX];
extern u64 start_cpus[CPU_MAX], start_stacks[CPU_MAX], start_top;
u32 start_count, start_apics[CPU_MAX];
u64 start_cpus[CPU_MAX], start_stacks[CPU_MAX], start_top;

// Written by the first CPU before it starts others.
static struct cpu *cpus[CPU_MAX];
static u32 count = 1;
static u64 first_page; // physical, where the others start; 0: there is none
static bool stopping;  // atomic

struct cpu *
cpu_at(u32 id)
{
    return cpus[id];
}

u32
port_cpu_count(void)
{
    return count;
}

// --- finding -----------------------------------------------------------------

// Device registers are mapped already, and otherwise.
static bool
map_physical(u64 page)
{
    u32 level = LEVEL_PAGE;
    bool on = lock_irq(&tables_lock);
    bool there = (*find_entry(MMIO_BASE + page, &level) & PAGE_PRESENT) != 0;

    unlock_irq(&tables_lock, on);
    return there || space_map(MMIO_BASE + page, page, PAGE_SIZE,
                              SEALED_FLAGS | PAGE_NO_EXEC);
}

// Firmware tables are anywhere; they are mapped as far as they are read.
bool
cpus_read_physical(u64 physical, void *to, u64 size)
{
    static u64 mapped = UINT64_MAX; // the last page
    u32 bits = cpuid(0x80000008, 0).eax & 0xff;
    u64 end = MIN(MMIO_END - MMIO_BASE, 1ull << MIN(bits, 63));

    if (size > end || physical > end - size)
        return false;
    for (u64 at = physical & ~(u64)(PAGE_SIZE - 1); at < physical + size;
         at += PAGE_SIZE) {
        if (at != mapped && !map_physical(at))
            return false;
        mapped = at;
    }
    memcpy(to, (const u8 *)MMIO_BASE + physical, size);
    return true;
}

// A page of RAM below 1 MiB, which nobody else uses (main.c).
static u64
find_page(const struct ranges *ram)
{
    for (u32 i = 0; i < ram->count; i++) {
        u64 start = MAX(ram->at[i].start, (u64)PAGE_SIZE);
        u64 end = MIN(ram->at[i].end, (u64)0xa0000);
        if (start < end && end - start >= PAGE_SIZE)
            return end - PAGE_SIZE;
    }
    return 0;
}

static void
add_cpu(u32 apic)
{
    struct cpu *cpu = irq_can_call(apic) ? cpu_new(count, apic) : NULL;

    if (cpu == NULL) {
        say("the CPU with APIC %u is left out: %s", apic,
            irq_can_call(apic) ? "no memory" : "its number needs x2APIC");
        return;
    }
    start_apics[start_count] = apic;
    start_cpus[start_count] = (u64)cpu;
    start_stacks[start_count++] = cpu_start_stack(cpu);
    cpus[count++] = cpu;
}

void
cpus_find(const struct boot_info *info)
{
    static struct processors found;

    cpus[0] = this_cpu();
    cpus[0]->apic = irq_cpu_number();
    cpus[0]->state = CPU_RUNNING;
    processors_find(&found, cpus[0]->apic, info->rsdp, cpus_read_physical);
    first_page = find_page(&info->ram);
    if (found.left_out > 0)
        say("%u CPUs are left out: there are more than %d", found.left_out,
            CPU_MAX);
    if (found.count > 1 && first_page == 0)
        say("one CPU of %u is used: no memory below 1 MiB", found.count);
    for (u32 i = 1; i < found.count && first_page != 0; i++)
        add_cpu(found.ids[i]);
}

// --- starting ----------------------------------------------------------------

// Fill the page in that start.S describes.
static void
write_page(void)
{
    u8 *page = direct(first_page);
    u32 far = (u32)first_page + (u32)(start_long - start_page);
    u32 tables = (u32)((u64)boot_pml4 - KERNEL_BASE);

    memcpy(page, start_page, (u64)(start_page_end - start_page));
    memcpy(page + (start_far - start_page), &far, sizeof(far));
    memcpy(page + (start_tables - start_page), &tables, sizeof(tables));
    bool on = lock_irq(&tables_lock);
    start_top = (u64)tables_top - DIRECT_BASE;
    unlock_irq(&tables_lock, on);
}

static u32
count_state(enum cpu_state state)
{
    u32 found = 0;

    for (u32 i = 0; i < count; i++)
        found += __atomic_load_n(&cpus[i]->state, __ATOMIC_ACQUIRE) == state;
    return found;
}

// Those that have not come.
static void
call(enum irq_message message)
{
    for (u32 i = 1; i < count; i++)
        if (__atomic_load_n(&cpus[i]->state, __ATOMIC_RELAXED) == CPU_STARTING)
            irq_send(cpus[i]->apic, message, (u32)(first_page / PAGE_SIZE));
}

static void
wait_for(u64 ns)
{
    u64 end = port_monotonic_ns() + ns;

    while (count_state(CPU_STARTING) > 0 && port_monotonic_ns() < end)
        __builtin_ia32_pause();
}

static void
leave_out(struct cpu *cpu)
{
    u32 starting = CPU_STARTING;

    if (__atomic_compare_exchange_n(&cpu->state, &starting, CPU_ABSENT, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        say("CPU %u (APIC %u) is left out: it does not start", cpu->id,
            cpu->apic);
}

void
port_start_cpus(void)
{
    if (count == 1)
        return;
    write_page();
    for (u32 i = 1; i < count; i++)
        __atomic_store_n(&cpus[i]->state, CPU_STARTING, __ATOMIC_RELEASE);
    call(MESSAGE_INIT);
    call(MESSAGE_START);
    wait_for(START_AGAIN_NS);
    call(MESSAGE_START);
    wait_for(START_LIMIT_NS);
    for (u32 i = 1; i < count; i++)
        leave_out(cpus[i]);
}

// On the stack of its interrupts, which are off.
void
metal_start_other(struct cpu *cpu)
{
    u32 starting = CPU_STARTING;

    code_window_use(cpu);
    cpu_init_other(cpu);
    irq_init_cpu();
    if (__atomic_compare_exchange_n(&cpu->state, &starting, CPU_RUNNING, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        shootdown_busy();
        sched_enter();
    }
}

void
port_spin(u32 spins)
{
    (void)spins;
    __builtin_ia32_pause();
}

// --- messages ----------------------------------------------------------------

void
port_poke(u32 id)
{
    irq_send(cpus[id]->apic, MESSAGE_POKE, 0);
}

void
cpus_stop(void)
{
    if (__atomic_exchange_n(&stopping, true, __ATOMIC_SEQ_CST))
        return;
    for (u32 i = 0; i < count; i++)
        if (cpus[i] != NULL && cpus[i] != this_cpu() &&
            __atomic_load_n(&cpus[i]->state, __ATOMIC_ACQUIRE) == CPU_RUNNING)
            irq_send(cpus[i]->apic, MESSAGE_NMI, 0);
}

bool
cpus_nmi(void)
{
    while (__atomic_load_n(&stopping, __ATOMIC_SEQ_CST))
        __asm__ volatile("cli\n hlt");
    return shootdown_nmi();
}
