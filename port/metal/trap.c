// port/metal/trap.c: what exceptions and interrupts mean.
//
// Faults go to the kernel's fault_handle, which knows memories and generated
// code; what it does not know is a bug of ours and ends the machine with the
// registers on the log.  Interrupts run on the CPU's own stack; a thread that
// is to give way does so on its own stack, in preempt_start.

#include "port/metal/channel.h"
#include "port/metal/metal.h"
#include "port/x64/port_x64.h"

enum {
    RFLAGS_INTERRUPTS = 1 << 9,
    ERROR_PRESENT = 1 << 0, // of a page fault: its rights forbid it
    ERROR_FETCH = 1 << 4,   // it was an instruction
};

void trap_handle(struct trap_frame *frame); // called by trap.S

static const char *const exception_names[] = {
    "divide error",       "debug",       "NMI",
    "breakpoint",         "overflow",    "bound",
    "undefined opcode",   "no device",   "double fault",
    "coprocessor",        "invalid TSS", "no segment",
    "stack fault",        "protection",  "page fault",
    "vector 15",          "x87",         "alignment",
    "machine check",      "SIMD",        "virtualization",
    "control protection",
};

static u64
fault_address(void)
{
    u64 address;

    __asm__ volatile("mov %%cr2, %0" : "=r"(address));
    return address;
}

static void
say_registers(const struct trap_frame *f)
{
    say("rip %016lx rsp %016lx rflags %lx", f->rip, f->rsp, f->rflags);
    say("rax %016lx rcx %016lx rdx %016lx rbx %016lx", f->rax, f->rcx, f->rdx,
        f->rbx);
    say("rbp %016lx rsi %016lx rdi %016lx r8  %016lx", f->rbp, f->rsi, f->rdi,
        f->r8);
    say("r9  %016lx r10 %016lx r11 %016lx r12 %016lx", f->r9, f->r10, f->r11,
        f->r12);
    say("r13 %016lx r14 %016lx r15 %016lx", f->r13, f->r14, f->r15);
}

// A fault just below the stack pointer: the stack has run into its guard.
static bool
is_stack_overflow(const struct trap_frame *f)
{
    return (f->vector == VECTOR_PAGE_FAULT ||
            f->vector == VECTOR_DOUBLE_FAULT) &&
           fault_address() - (f->rsp - 64 * KIB) < 128 * KIB;
}

NORETURN static void
give_up(const struct trap_frame *f)
{
    const char *name = f->vector < COUNT(exception_names) ?
                           exception_names[f->vector] :
                           "unknown";

    cpus_stop();
    streams_stop();
    say("kernel panic: exception %u (%s), error %lx, address %lx%s", f->vector,
        name, f->error, fault_address(),
        is_stack_overflow(f) ? ": kernel stack overflow" : "");
    say_registers(f);
    say_where(f->rip, f->rbp, f->rsp);
    die();
}

static bool
describe_fault(struct fault *fault, const struct trap_frame *f)
{
    u64 regs[16] = {f->rax, f->rcx, f->rdx, f->rbx, f->rsp, f->rbp,
                    f->rsi, f->rdi, f->r8,  f->r9,  f->r10, f->r11,
                    f->r12, f->r13, f->r14, f->r15};

    *fault = (struct fault){.kind = FAULT_OTHER,
                            .pc = f->rip,
                            .rsp = f->rsp,
                            .r14 = f->r14,
                            .restricted = f->rights != 0};
    switch (f->vector) {
    case VECTOR_PAGE_FAULT:
        fault->kind = FAULT_MEMORY;
        fault->address = fault_address();
        fault->absent = (f->error & (ERROR_PRESENT | ERROR_FETCH)) == 0;
        return true;
    case VECTOR_UNDEFINED:
        fault->kind = FAULT_UNDEFINED;
        return true;
    case VECTOR_DIVIDE:
        fault->kind = FAULT_DIVIDE;
        fault->divide_zero = divisor_is_zero((const u8 *)f->rip, regs);
        return true;
    }
    return fault->restricted;
}

// Runs with the fault stack moved down, so that the kernel may fault again.
static void
handle_fault(struct trap_frame *f)
{
    struct cpu *cpu = this_cpu();
    struct fault fault;

    if (++cpu->fault_depth == FAULT_DEPTH || !describe_fault(&fault, f))
        give_up(f);
    cpu->tss.ist[IST_FAULT - 1] -= sizeof(struct trap_stack);
    if (fault_handle(&fault) == FAULT_PANIC)
        give_up(f);
    f->rip = fault.pc;
    f->rsp = fault.rsp;
    if (!fault.restricted)
        f->rights = 0;
    cpu->tss.ist[IST_FAULT - 1] += sizeof(struct trap_stack);
    cpu->fault_depth--;
}

// What the iretq of preempt_start takes; it ignores the upper half of cs.
struct return_frame {
    u64 rip;
    u32 cs, rights;
    u64 rflags, rsp, ss;
};

_Static_assert(offsetof(struct return_frame, rights) == BACK_RIGHTS, "map.h");

void preempt_return(struct return_frame *back); // called by trap.S

// Leave generated code for good when the thread was killed meanwhile.
static void
unwind_if_killed(u64 *rip, u64 *rsp, u32 *rights)
{
    u64 barrier;

    if (!sched_unwind(*rip, &barrier))
        return;
    *rip = (u64)barrier_unwound;
    *rsp = barrier;
    *rights = 0;
}

// Continue in preempt_start, as if the thread had called it.  Writing to its
// stack may fault like any other access.  From generated code in hardened mode
// it continues where C would.
static void
preempt(struct trap_frame *f)
{
    u64 rsp = f->rights != 0 ? this_cpu()->thread->kernel_rsp : f->rsp;
    struct return_frame *back = (struct return_frame *)(rsp & ~15ull) - 1;

    *back = (struct return_frame){f->rip,    (u32)f->cs, f->rights,
                                  f->rflags, f->rsp,     f->ss};
    f->rights = 0;
    f->rip = (u64)preempt_start;
    f->rsp = (u64)back;
    f->rflags &= ~(u64)RFLAGS_INTERRUPTS;
}

// The thread is back; its registers are still on its stack.
void
preempt_return(struct return_frame *back)
{
    sched_stop(back->rip);
    unwind_if_killed(&back->rip, &back->rsp, &back->rights);
}

// Of the device that is the kernel's, or of one that a program has.
static void
virtio_interrupt(void)
{
    channel_interrupt();
    devices_interrupt();
}

static void
handle_interrupt(struct trap_frame *f)
{
    bool schedule = true;

    shootdown_busy();
    if (f->vector == VECTOR_SPURIOUS)
        return; // wants no acknowledgement
    if (f->vector == VECTOR_TIMER || f->vector == VECTOR_POKE)
        clock_sample(f->rip, f->rsp);
    if (f->vector == VECTOR_TIMER)
        schedule = clock_interrupt();
    if (f->vector == VECTOR_COM1)
        serial_interrupt();
    if (f->vector == VECTOR_VIRTIO)
        virtio_interrupt();
    if (f->vector == VECTOR_KEYBOARD)
        keyboard_interrupt();
    irq_end();
    if (schedule && sched_interrupt())
        preempt(f);
    else
        unwind_if_killed(&f->rip, &f->rsp, &f->rights);
}

// An exception that no code of ours causes, with the rights of generated code.
static bool
is_of_generated(const struct trap_frame *f)
{
    return f->rights != 0 && f->vector != VECTOR_NMI &&
           f->vector != VECTOR_DOUBLE_FAULT &&
           f->vector != VECTOR_MACHINE_CHECK;
}

// With the kernel's rights already, but said to have generated code's: the way
// in begins again, as it would not get further with those.
static void
begin_again(struct trap_frame *f)
{
    if (f->rip - (u64)open_begun < (u64)(open_done - open_begun))
        f->rip = (u64)open_kernel;
    else if (f->rip - (u64)trap_opened < (u64)(trap_open_done - trap_opened))
        f->rip = (u64)trap_open; // of an NMI
}

void
trap_handle(struct trap_frame *f)
{
    if (f->rights != 0)
        begin_again(f);
    if (f->vector >= VECTOR_TIMER)
        handle_interrupt(f);
    else if (f->vector == VECTOR_PAGE_FAULT || f->vector == VECTOR_UNDEFINED ||
             f->vector == VECTOR_DIVIDE || is_of_generated(f))
        handle_fault(f);
    else if (f->vector != VECTOR_NMI || !cpus_nmi())
        give_up(f);
}
