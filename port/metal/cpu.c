// port/metal/cpu.c: one CPU: control registers, segments, interrupt vectors and
// their stacks.
//
// Every vector has a stack of its own kind (IST), because an interrupt must
// not need memory of the interrupted thread's stack, which is committed on
// demand.  Faults may nest, so their stack moves down while one is handled.

#include "port/metal/metal.h"

enum {
    MSR_FS_BASE = 0xc0000100,
    CR0_EM = 1 << 2,
    CR0_TS = 1 << 3,
    CR0_MP_NE_WP = 1 << 1 | 1 << 5 | 1 << 16,
    CR4_PGE = 1 << 7,
    CR4_OSFXSR = 1 << 9,
    CR4_OSXMMEXCPT = 1 << 10,
    CR4_UMIP = 1 << 11,
    CR4_OSXSAVE = 1 << 18,
    CR4_SMEP = 1 << 20,
    CR4_SMAP = 1 << 21,
    CR4_PKE = 1 << 22,
    XCR0_X87_SSE = 3,
    XCR0_AVX = 4,
    GATE_INTERRUPT = 0x8e, // present, ring 0, interrupts off
};

struct gate {
    u16 offset_low, selector;
    u8 ist, type;
    u16 offset_middle;
    u32 offset_high, reserved;
};

struct table_pointer { // for lgdt, lidt
    u16 limit;
    u64 base;
} __attribute__((packed));

u32 vector_state_size; // of an xsave area; 0: fxsave

static struct cpu first_cpu;
static struct gate idt[256] __attribute__((aligned(64))); // of all CPUs

static void
init_gates(void)
{
    for (u32 i = 0; i < 256; i++) {
        u64 stub = (u64)trap_stubs[i];

        idt[i] = (struct gate){
            .offset_low = (u16)stub,
            .offset_middle = (u16)(stub >> 16),
            .offset_high = (u32)(stub >> 32),
            .selector = SELECTOR_CODE,
            .ist = i < VECTOR_TIMER ? IST_FAULT : IST_IRQ,
            .type = GATE_INTERRUPT,
        };
    }
    idt[VECTOR_NMI].ist = IST_NMI;
    idt[VECTOR_DOUBLE_FAULT].ist = IST_DOUBLE;
    idt[VECTOR_MACHINE_CHECK].ist = IST_MACHINE;
}

static u64
stack_end(const struct trap_stack *stack)
{
    return (u64)stack->room + sizeof(stack->room);
}

static void
init_tss(struct cpu *cpu)
{
    u64 base = (u64)&cpu->tss;

    for (u32 i = 0; i < IST_COUNT; i++)
        cpu->tss.ist[i] =
            stack_end(&cpu->other_stacks[i < IST_FAULT ? i : i - 1]);
    cpu->tss.ist[IST_FAULT - 1] =
        stack_end(&cpu->fault_stacks[FAULT_DEPTH - 1]);
    cpu->tss.io_map = sizeof(struct tss);
    cpu->gdt[3] = (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 |
                  0x89ull << 40 | (base >> 24 & 0xff) << 56;
    cpu->gdt[4] = base >> 32;
}

static void
load_tables(struct cpu *cpu)
{
    struct table_pointer gdt = {sizeof(cpu->gdt) - 1, (u64)cpu->gdt};
    struct table_pointer vectors = {sizeof(idt) - 1, (u64)idt};

    // The selectors are the boot code's, so only the tables change.
    __asm__ volatile("lgdt %0" : : "m"(gdt));
    __asm__ volatile("lidt %0" : : "m"(vectors));
    __asm__ volatile("ltr %w0" : : "r"(SELECTOR_TSS));
}

// There is no wrpkru here, as whoever jumped to it would have all rights.
static u32
rights_now(void)
{
    u32 rights, high;

    __asm__ volatile("rdpkru" : "=a"(rights), "=d"(high) : "c"(0));
    return rights;
}

// All pages are the supervisor's, so SMEP and SMAP cost nothing; they would
// catch a stray user bit in the page tables.  In hardened mode all data has it
// (harden.c).
static void
init_control(void)
{
    struct cpuid features = cpuid(1, 0), more = cpuid(7, 0);
    u64 cr0, cr4;

    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    cr0 = (cr0 | CR0_MP_NE_WP) & ~(u64)(CR0_EM | CR0_TS);
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0));

    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    cr4 |= CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cr4 |= more.ebx >> 7 & 1 ? CR4_SMEP : 0;
    cr4 &= ~(u64)CR4_SMAP;
    if (harden_on)
        cr4 |= CR4_PKE;
    else
        cr4 |= more.ebx >> 20 & 1 ? CR4_SMAP : 0;
    cr4 |= more.ecx >> 2 & 1 ? CR4_UMIP : 0;
    cr4 |= features.ecx >> 26 & 1 ? CR4_OSXSAVE : 0;
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4));
    assert(!harden_on || rights_now() == 0); // as after a reset
}

// Turn on the vector registers that generated code may use, and no others:
// what is on must be saved by preempt_start.
static void
init_vectors(void)
{
    struct cpuid features = cpuid(1, 0);
    u32 xcr0 = XCR0_X87_SSE;

    if (!(features.ecx >> 26 & 1))
        return;
    if (features.ecx >> 28 & 1)
        xcr0 |= XCR0_AVX;
    __asm__ volatile("xsetbv" : : "c"(0), "a"(xcr0), "d"(0));
    if (this_cpu() == &first_cpu)
        vector_state_size = cpuid(0xd, 0).ebx;
    else if (vector_state_size != cpuid(0xd, 0).ebx)
        panic(__FILE__, __LINE__, "CPUs with different vector registers");
}

// What the kernel and generated code take for granted (code/cpu.c).
static void
check_floor(void)
{
    u32 floor = 1 << 19 | 1 << 20 | 1 << 23; // SSE4.1, SSE4.2, POPCNT

    if ((cpuid(1, 0).ecx & floor) != floor)
        panic(__FILE__, __LINE__, "this CPU lacks SSE4.2 or POPCNT");
}

static void
fill(struct cpu *cpu)
{
    cpu->self = cpu;
    cpu->deadline = cpu->armed = cpu->sample = UINT64_MAX;
    cpu->gdt[SELECTOR_CODE / 8] = 0x00af9b000000ffff;
    cpu->gdt[SELECTOR_DATA / 8] = 0x00cf93000000ffff;
    init_tss(cpu);
}

static void
load(struct cpu *cpu)
{
    msr_write(MSR_FS_BASE, (u64)cpu); // a panic asks which CPU this is
    check_floor();
    load_tables(cpu);
    init_control();
    init_vectors();
}

void
cpu_init(void)
{
    init_gates();
    fill(&first_cpu);
    load(&first_cpu);
}

void
cpu_harden(void)
{
    init_control();
}

void
cpu_init_other(struct cpu *cpu)
{
    load(cpu);
}

// All but the guards of the stacks has memory.
static bool
commit_cpu(struct cpu *cpu)
{
    bool done = port_commit(cpu, offsetof(struct cpu, fault_stacks));

    for (u32 i = 0; i < FAULT_DEPTH; i++)
        done &= port_commit(cpu->fault_stacks[i].room, TRAP_STACK);
    for (u32 i = 0; i < IST_COUNT - 1; i++)
        done &= port_commit(cpu->other_stacks[i].room, TRAP_STACK);
    return done;
}

struct cpu *
cpu_new(u32 id, u32 apic)
{
    struct cpu *cpu = port_reserve(sizeof(*cpu), PAGE_SIZE);

    if (cpu == NULL)
        return NULL;
    bool done = commit_cpu(cpu);
    if (done)
        fill(cpu);
    if (!done || !code_window_new(cpu)) {
        port_release(cpu, sizeof(*cpu));
        return NULL;
    }
    cpu->id = id;
    cpu->apic = apic;
    return cpu;
}

u64
cpu_start_stack(const struct cpu *cpu)
{
    return stack_end(&cpu->other_stacks[IST_IRQ - 1]);
}

const u8 *
cpu_guard(u32 n)
{
    if (n < FAULT_DEPTH)
        return first_cpu.fault_stacks[n].guard;
    n -= FAULT_DEPTH;
    return n < IST_COUNT - 1 ? first_cpu.other_stacks[n].guard : NULL;
}

// --- kernel/port.h -----------------------------------------------------------

u32
port_cpu_id(void)
{
    return this_cpu()->id;
}

bool
port_interrupts_off(void)
{
    u64 flags;

    __asm__ volatile("pushfq\n pop %0\n cli" : "=r"(flags) : : "memory");
    return flags >> 9 & 1;
}

void
port_interrupts_restore(bool on)
{
    if (on)
        __asm__ volatile("sti" : : : "memory");
}

// The instruction after sti still runs without interruption, so none is lost.
// We may continue on another CPU.
void
port_idle(void)
{
    shootdown_idle();
    __asm__ volatile("sti\n hlt\n cli" : : : "memory");
    shootdown_busy();
}
