// port/metal/: the kernel on the bare machine.  kernel/port.h is what it offers
// upwards; this header is what its files offer each other.

#pragma once

#include "kernel/lock.h"
#include "kernel/port.h"
#include "port/metal/map.h"

// --- single instructions -----------------------------------------------------

static inline void
out8(u16 port, u8 value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void
out16(u16 port, u16 value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline u16
in16(u16 port)
{
    u16 value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void
out32(u16 port, u32 value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline u32
in32(u16 port)
{
    u32 value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline u8
in8(u16 port)
{
    u8 value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline u64
msr_read(u32 msr)
{
    u32 low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (u64)high << 32 | low;
}

static inline void
msr_write(u32 msr, u64 value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32))
                     : "memory");
}

static inline u64
tsc_read(void)
{
    u32 low, high;

    __asm__ volatile("lfence\n rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (u64)high << 32 | low;
}

struct cpuid {
    u32 eax, ebx, ecx, edx;
};

static inline struct cpuid
cpuid(u32 leaf, u32 subleaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

static inline u8 *
direct(u64 physical)
{
    return (u8 *)(DIRECT_BASE + physical);
}

// Registers of the width that they have.
static inline u32
mmio_read_width(u64 address, u32 width)
{
    return width == 1 ? *(volatile u8 *)address :
           width == 2 ? *(volatile u16 *)address :
                        *(volatile u32 *)address;
}

static inline void
mmio_write_width(u64 address, u32 width, u32 value)
{
    if (width == 1)
        *(volatile u8 *)address = (u8)value;
    else if (width == 2)
        *(volatile u16 *)address = (u16)value;
    else
        *(volatile u32 *)address = value;
}

// --- boot.S, bootinfo.c: what the boot loader said ---------------------------

struct range {
    u64 start, end;
};

enum { RANGE_MAX = 64, CMDLINE_MAX = 16384 };

// A set of disjoint ranges, sorted.
struct ranges {
    struct range at[RANGE_MAX];
    u32 count;
};

void ranges_add(struct ranges *set, u64 start, u64 end);
void ranges_remove(struct ranges *set, u64 start, u64 end);

struct boot_info {
    struct ranges ram;   // all of it, page by page
    struct range initrd; // physical, empty if there is none
    u64 rsdp;            // physical, of ACPI's root pointer; 0: not said
    u8 rsdp_copy[36];    // where a boot loader gives only a copy
    char cmdline[CMDLINE_MAX];
};

// Copy what matters out of the boot loader's memory; `magic` tells whose it
// is.  `window` is where physical address 0 is mapped.  False: unknown magic.
MUST_USE bool boot_info_read(struct boot_info *info, u32 magic, const u8 *start,
                             const u8 *window);

// Is `word` one of the words of the command line?
bool boot_info_has_word(const struct boot_info *info, const char *word);

// --- frames.c: physical memory -----------------------------------------------

enum {
    ORDER_PAGE = 0,
    ORDER_64K = 4,
    ORDER_2M = 9,
    ORDER_COUNT,
};

// Take over the free RAM: everything in `free`, which shrinks by what the
// allocator needs for itself.
void frames_init(struct ranges *free);

// 2^order frames, aligned to their size, contents unknown; 0 when there are
// none.
MUST_USE u64 frames_new(u32 order);

// Any part of what frames_new returned may be given back, by aligned blocks.
void frames_free(u64 physical, u32 order);

// The same with a promise, whose pages are frames that frames_new leaves alone;
// NULL: without.
MUST_USE u64 frames_take(u32 order, struct port_promise *p);
void frames_give(u64 physical, u32 order, struct port_promise *p);
void frames_info(u64 *available, u64 *total);
u64 frames_end(void); // of the memory that this allocator ever had

// --- spans.c: address ranges -------------------------------------------------

// A buddy allocator over addresses alone: sizes are powers of two times the
// smallest block, a block is aligned to its size (relative to base).
struct span_space;

extern struct span_space slot_space; // 1 GiB up
extern struct span_space heap_space; // 4 KiB up
extern struct span_space code_space; // 4 KiB up
// In hardened mode only.
enum { OPEN_LOG2 = 25 };
extern struct span_space open_space;  // that up: has room for each key
extern struct span_space stack_space; // 1 MiB up

void spans_init(void);
MUST_USE u64 span_new(struct span_space *space, u64 size, u64 align); // or 0
void span_free(struct span_space *space, u64 start, u64 size);
struct span_space *span_space_of(u64 address);
u64 span_size(const struct span_space *space, u64 size); // of the whole block

// --- space.c: page tables ----------------------------------------------------

enum page_flag { // as in page table entries
    PAGE_PRESENT = 1 << 0,
    PAGE_WRITE = 1 << 1,
    PAGE_USER = 1 << 2,
    PAGE_UNCACHED = 3 << 3,
    PAGE_HUGE = 1 << 7,
    PAGE_GLOBAL = 1 << 8,
};

#define PAGE_NO_EXEC (1ull << 63)

// Build the kernel's own tables and switch to them.
void space_init(const struct boot_info *info);

// Map [address, address + size) to physical memory that belongs to somebody
// else.  False when there is no memory for tables.
MUST_USE bool space_map(u64 address, u64 physical, u64 size, u64 flags);

// Registers of a device, where they can be read and written: at MMIO_BASE +
// physical; NULL: they cannot be mapped.
MUST_USE u8 *mmio_map(u64 physical, u64 size);

// --- walk.c: what the page tables permit -------------------------------------

// What is wrong with the page tables, by address; NULL: nothing.  Every page
// lies in its region (regions.def) and has no more rights than that gives,
// none is a user's (in hardened mode the writable ones are, and have the key of
// their address), and no frame is writable by one address and executable by
// the same or another.  Takes long, with interrupts off.
MUST_USE const char *space_check(u64 *address);

// --- cpu.c: segments, interrupt vectors, per-CPU data ------------------------

enum {
    IST_IRQ = 1,
    IST_FAULT,
    IST_DOUBLE,
    IST_NMI,
    IST_MACHINE,
    IST_COUNT = IST_MACHINE,
};

enum {
    FAULT_DEPTH = 3, // faults while handling faults
    TRAP_STACK = 16 * 1024,
};

// The guard is absent (space_init): a stack that is full faults.
struct trap_stack {
    u8 guard[PAGE_SIZE];
    u8 room[TRAP_STACK];
} __attribute__((aligned(PAGE_SIZE)));

struct tss {
    u32 reserved0;
    u64 rsp[3], reserved1;
    u64 ist[7], reserved2; // ist[n - 1] is IST n
    u16 reserved3, io_map;
} __attribute__((packed));

enum cpu_state {
    CPU_ABSENT,   // did not come, or must not
    CPU_STARTING, // has been called
    CPU_RUNNING,
};

// One CPU; FS base points to it (GS is left to generated code).  Others touch
// only what is said to be atomic.
struct cpu {
    struct cpu *self;
    // Whose thread it runs: what the stubs of gates.S believe.
    struct thread_entry *thread;
    u32 id;    // its number, from 0
    u32 apic;  // of its local APIC
    u32 state; // enum cpu_state, atomic
    u32 fault_depth;
    u64 deadline; // what port_timer_set asked for
    u64 armed;    // when the timer will ring, at or before that
    u64 sample;   // when profile_sample() is to be called, or UINT64_MAX
    u64 passed;   // atomic: the last epoch that it has passed (shootdown.c)
    bool idle;    // atomic: it uses nothing that can be unmapped
    u32 nmis_sent, nmis_taken; // messages to it; the first is atomic
    u64 *top, *window; // its top-level table, and the entry of its window
    u64 gdt[5];
    struct tss tss;
    struct trap_stack fault_stacks[FAULT_DEPTH]; // the last is used first
    struct trap_stack other_stacks[IST_COUNT - 1];
};

static inline struct cpu *
this_cpu(void)
{
    struct cpu *cpu;

    __asm__ volatile("mov %%fs:0, %0" : "=r"(cpu));
    return cpu;
}

// Make this CPU, the first, ready for faults and interrupts.
void cpu_init(void);
// Another CPU, number `id`, in memory of its own; NULL: there is none.
MUST_USE struct cpu *cpu_new(u32 id, u32 apic);
// Make this CPU, which is not the first, ready for faults.
void cpu_init_other(struct cpu *cpu);
// The end of the stack that it starts on, which interrupts use later.
u64 cpu_start_stack(const struct cpu *cpu);
// The n-th guard of its stacks, in the order of addresses; NULL: there are no
// more.
const u8 *cpu_guard(u32 n);

// The processor's control registers, again, in hardened mode.
void cpu_harden(void);

// Tables of its own for a CPU (window.c); false: no memory.  It uses them from
// when it says so.
MUST_USE bool code_window_new(struct cpu *cpu);
void code_window_use(const struct cpu *cpu);

extern u32 vector_state_size; // bytes that preempt_start saves

// --- trap.S, trap.c: exceptions and interrupts -------------------------------

enum vector {
    VECTOR_DIVIDE = 0,
    VECTOR_NMI = 2,
    VECTOR_UNDEFINED = 6,
    VECTOR_DOUBLE_FAULT = 8,
    VECTOR_PAGE_FAULT = 14,
    VECTOR_MACHINE_CHECK = 18,
    VECTOR_TIMER = 32,
    VECTOR_POKE,
    VECTOR_COM1,
    VECTOR_VIRTIO,
    VECTOR_KEYBOARD,
    VECTOR_SPURIOUS = 255,
};

// Registers in hardware order up to r15 (but for rsp), then what the stub and
// the CPU push.
struct trap_frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u32 vector, rights; // generated code's in hardened mode, or 0: the kernel's
    u64 error;
    u64 rip, cs, rflags, rsp, ss;
};

extern const u8 trap_stubs[256][16]; // trap.S
extern const u8 preempt_start[];     // trap.S

// --- harden.c: hardened mode -------------------------------------------------

// Are protection keys on?  Read by the stubs, too.
extern bool harden_on;
// If the command line asks for it: before there are page tables of ours.
void harden_init(const struct boot_info *info);
// If it asks for barriers between groups.
void forget_init(const struct boot_info *info);

// gates.S: the stubs of struct port_stubs.
void enter_hardened(struct vmctx *vm, const struct func_entry *entry,
                    struct call_state *state);
extern const u8 host_call_hardened[], host_call_wide_hardened[];
extern const u8 builtins_hardened[];
// The ways in, what is behind the rights and the end of what may begin again.
extern const u8 open_kernel[], open_begun[], open_done[];     // gates.S
extern const u8 trap_open[], trap_opened[], trap_open_done[]; // trap.S

// --- cpus.c: all CPUs --------------------------------------------------------

// Find them; called on the first, after irq_init().
void cpus_find(const struct boot_info *info);
// By number, below port_cpu_count().
struct cpu *cpu_at(u32 id);
// Read physical memory, a physical_read() of acpi.h.
MUST_USE bool cpus_read_physical(u64 physical, void *to, u64 size);
// Stop the others for good, wherever they are.
void cpus_stop(void);
// A non-maskable interrupt came: was it a message of ours?
MUST_USE bool cpus_nmi(void);

// --- shootdown.c: translations that CPUs remember ----------------------------

// Translations of [start, end) were taken away, which this CPU has forgotten
// then: the epoch that the others have to pass.  Any context.
MUST_USE u64 shootdown_begin(u64 start, u64 end);
// Have all CPUs passed it?  Once so, always so.
MUST_USE bool shootdown_passed(u64 epoch);
void shootdown_hurry(u64 epoch);  // have them pass soon
void shootdown_finish(u64 epoch); // return when all have passed; any context

// This CPU waits for an interrupt, with interrupts off, and is back from that.
// Each interrupt comes to shootdown_busy() first.
void shootdown_idle(void);
void shootdown_busy(void);
MUST_USE bool shootdown_nmi(void); // a message of ours?

// --- irq.c: local APIC and I/O APIC ------------------------------------------

void irq_init(void);      // on the first CPU
void irq_init_cpu(void);  // on each
u32 irq_cpu_number(void); // of this CPU's local APIC
// Can others be called that have this number?
MUST_USE bool irq_can_call(u32 apic);

// Messages to the local APIC of another CPU.
enum irq_message {
    MESSAGE_POKE,
    MESSAGE_NMI,
    MESSAGE_INIT,
    MESSAGE_START, // at the page that `page` numbers
};
void irq_send(u32 apic, enum irq_message message, u32 page);

void irq_end(void); // the interrupt being handled may come again
// Use the I/O APICs that the firmware names.
struct firmware;
void irq_find_lines(const struct firmware *f);
// Let this CPU have interrupts of a line, if there is one of this number.
void irq_enable_line(u32 line, enum vector vector); // edge, as ISA lines are
void irq_enable_level(u32 line, enum vector vector, bool low);
u32 irq_message_address(void); // of message-signalled interrupts for this CPU

// The local timer counts down once from `count`; 0 stops it.
void irq_timer_start(u32 count);
u32 irq_timer_count(void);

// --- clock.c -----------------------------------------------------------------

void clock_init(void);
bool clock_interrupt(void); // the timer fired: is it time?
// Before that, and when others have poked us: it may be time for a sample.
void clock_sample(u64 pc, u64 rsp);

// --- streams.c: the standard streams and the log -----------------------------

void streams_start(const struct boot_info *info); // all that there is
void streams_drain(void);                         // wait for the host
void streams_stop(void); // for the end: whoever wrote, writes no more

// --- serial.c: on serial ports -----------------------------------------------

void serial_init(void);  // output only
void serial_start(void); // input too
void serial_interrupt(void);
void serial_unlock(void);
void serial_end(u8 status); // the last bytes of the log

// Write all; the rest as in kernel/port.h.
void serial_write(enum port_stream stream, const void *bytes, u64 size);
MUST_USE status_t serial_read(void *to, u64 size, u64 *count);
MUST_USE status_t serial_look(bool now, struct port_input *out);

// --- virtio.c: the devices that programs may have ----------------------------

struct virtio_found;
// What the firmware tells of lines, PCI and devices; after cpus_find().
void machine_find(const struct boot_info *info);
// Find them, all but `own`, which may be NULL.
void devices_find(const struct boot_info *info, const struct virtio_found *own);
void devices_interrupt(void); // one of them has sent one, perhaps

// --- registers.c: devices whose registers programs may have ------------------

void registers_look(void); // for them; after machine_find()
void keyboard_interrupt(void);

// --- random.c ----------------------------------------------------------------

void random_init(void);

// --- panic.c -----------------------------------------------------------------

void say(const char *text, ...) PRINTF(1, 2); // a line to the log
// Where the kernel is, see port_panic_report().
void say_where(u64 pc, u64 rbp, u64 rsp);
// What is linked for symbols.c; empty in the first image (Makefile).
struct symbol {
    u32 at; // the low half of its address
    u32 name;
};
extern const struct symbol symbols_start[], symbols_end[];
extern const char symbol_names[];
NORETURN void die(void); // after the reason was said
// port_exit() is to halt the machine, not to reset it.
void exit_stays(void);
