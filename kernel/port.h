// kernel/port.h: the contract between the kernel and the machine under it, in
// both directions.  The port_ functions, the stubs and what deals with stacks
// are implemented by port/metal and port/linux (and shared parts in port/x64);
// the last part is what ports call.

#pragma once

#include "base/base.h"

// --- address space -----------------------------------------------------------

enum { PAGE_SIZE = 4096 };

// Addresses are of two kinds, far from each other: slots, which generated code
// indexes, hold linear memories and nothing else; all that is the kernel's is
// where no sum of a slot's base, an index of 32 bits and a displacement gets.
//
// Reserve addresses of the kernel's, a multiple of `align` (a power of two, at
// least a page); nothing is readable yet.  NULL when there are none left.
MUST_USE void *port_reserve(u64 size, u64 align);

// The same for one linear memory, guard included; at a multiple of 64 KiB.
MUST_USE void *port_reserve_slot(u64 size);
bool port_slot_contains(u64 address);

// In hardened mode generated code can write to what is open and its thread has
// the rights to, and to nothing else; reading is free.  Addresses as of
// port_reserve for what is open, with the same rights as `like` (or NULL) up to
// 2 MiB; a stack, of STACK_SIZE, is open but for the STACK_KERNEL bytes at its
// high end.  Only in that mode.
enum port_open { OPEN_DATA, OPEN_STACK };
bool port_hardened(void);
MUST_USE void *port_reserve_open(enum port_open what, u64 size,
                                 const void *like);

// As well as what `rights` are for, [ptr, ptr + size), open or of a slot.
#define PORT_NO_RIGHTS 0xaaaaaaaau
u32 port_rights_add(u32 rights, const void *ptr, u64 size);

// Make [ptr, ptr + size) readable and writable, zeroed where it was not
// already.  False when there is no memory.  Callable from a fault handler.
MUST_USE bool port_commit(void *ptr, u64 size);

// Memory that is promised to somebody: nobody else gets it, though nothing is
// committed yet.  All zero: nothing is promised.
struct port_promise {
    u64 size;  // bytes that may be committed in all
    u64 pages; // what is left of the promise, page tables included
};

// Pages in a promise of `size` bytes, page tables at worst included.
static inline u64
port_promise_pages(u64 size)
{
    u64 pages = 0;

    for (u32 log2 = 12; log2 < 48 && size > 0; log2 += 9)
        pages += ((size - 1) >> log2) + 1;
    return pages;
}

// Let p cover `size` bytes, of one reservation at a multiple of `size` or of
// 1 GiB; p never shrinks here.  False when there is not so much that is neither
// in use nor promised, or when the kernel's own reserve would be touched.
MUST_USE bool port_promise(struct port_promise *p, u64 size);
// What was not used of it is anybody's again; p becomes all zero.
void port_unpromise(struct port_promise *p);

// As port_commit, with memory of p, which covers it; then it does not fail.
MUST_USE bool port_commit_promised(void *ptr, u64 size, struct port_promise *p);

// Give the memory back, keep the addresses (they read as not mapped).
void port_decommit(void *ptr, u64 size);

// Give memory and addresses back.
void port_release(void *ptr, u64 size);

// Make pages of port_reserve that are committed read-only, by every address
// that leads to them, until they are released; no page is given back alone.
// False when there is no memory to do it: release them.
MUST_USE bool port_seal(void *ptr, u64 size);

// The code arena: addresses that hold nothing but generated code.  Copies the
// bytes in, to where nobody can write any more when this returns, by whatever
// address on whatever CPU, and nobody execute yet.  NULL when there is no room.
MUST_USE void *port_code_write(const void *text, u64 size);
// From now on it may be executed.  Only verify_and_map() calls this, see `make
// lint`.  False: no memory; then release it.
MUST_USE bool port_code_execute(void *text, u64 size);
void port_code_release(void *text, u64 size);
bool port_code_contains(u64 pc);

// Bytes of memory that can still be committed without a promise, and in all.
void port_memory_info(u64 *available, u64 *total);

// --- devices -----------------------------------------------------------------

// Memory that the kernel shares with a device, zeroed, contiguous for it.
struct port_dma {
    void *memory; // NULL: none
    u64 address;  // as the device sees it, a multiple of a page
    u64 size;
};

// New memory; false: there is none.  What was given back may be none.
MUST_USE bool port_dma_new(struct port_dma *dma, u64 size);
void port_dma_free(struct port_dma *dma);

// Where a device sees [ptr, ptr + size), which is committed and stays: the
// address of its first byte; *contiguous bytes, at least one, follow there.
u64 port_dma_address(const void *ptr, u64 size, u64 *contiguous);

// The devices that programs may have, from 0; NULL: there are no more.  Their
// interrupts call the kernel's device_interrupt().
struct virtio_device;
struct virtio_device *port_device(u32 index);

// Registers that programs may have: of a device that reaches no memory.
struct port_range {
    u32 kind;  // REGISTERS_PORTS or REGISTERS_MEMORY (abi/numbers.def)
    u64 start; // a port, or a physical address
    u32 size;
};

enum { PORT_RANGES = 2 };

struct port_registers {
    const struct port_registers_ops *ops;
    const char *name;
    struct port_range ranges[PORT_RANGES];
    u32 count;
    bool interrupts;        // it has an interrupt
    struct registers *user; // atomic: the object that hears of it; NULL: none
};

struct port_registers_ops {
    // A register of 1, 2 or 4 bytes within a range, at a multiple of that.
    u32 (*read)(struct port_registers *r, u32 range, u32 at, u32 width);
    void (*write)(struct port_registers *r, u32 range, u32 at, u32 width,
                  u32 value);
    // From now on its interrupts call the kernel's registers_interrupt().
    void (*listen)(struct port_registers *r);
};

// From 0; NULL: there are no more.
struct port_registers *port_registers(u32 index);

// --- CPUs and time -----------------------------------------------------------

enum { CPU_MAX = 64 };

// How many there are, numbered from 0, the first.
u32 port_cpu_count(void);
// Let the others call sched_enter(), each on a stack that it leaves for good.
// Those that do not come are left out.
void port_start_cpus(void);
u32 port_cpu_id(void); // of the CPU we run on; stable while not preemptible

// Interrupts of this CPU: returns whether they were on.
bool port_interrupts_off(void);
void port_interrupts_restore(bool on);

// Wait for an interrupt; called with interrupts off, returns with them off
// after at least one was taken, which may have been by another CPU.
void port_idle(void);

// Make another CPU (or, soon, this one) call sched_interrupt().
void port_poke(u32 cpu);

// A spin lock was found held `spins` times.
void port_spin(u32 spins);

// Nanoseconds since boot, and since 1970.
u64 port_monotonic_ns(void);
u64 port_realtime_ns(void);

// Call sched_interrupt() on this CPU at this time or soon after; UINT64_MAX:
// never.
void port_timer_set(u64 monotonic_ns);

// Call profile_sample() after each `period_ns` that a CPU was busy, from now
// on; 0: no more.
void port_profile(u64 period_ns);

// `size` bytes that nobody can guess.
void port_random(void *to, u64 size);

// --- threads -----------------------------------------------------------------

// A saved stack: what context_switch needs to continue.
struct context {
    u64 rsp;
};

// Prepare a stack so that the first switch to it calls entry(arg) with
// interrupts off.  entry never returns.
void context_init(struct context *c, void *stack_top, void (*entry)(void *),
                  void *arg);

// Save this flow in *from and continue *to; returns when somebody switches
// back.  Interrupts are off on both sides.  A voluntary switch keeps only what
// a C call keeps; preemption saves everything else first.
void context_switch(struct context *from, struct context *to);
// What that does with vector registers: is there AVX, whose one instruction
// clears them, and what clears others.  For context_switch_here() (pass.h).
extern u8 context_has_avx;
void context_clear(void);

// The scheduler is about to continue on the stack [low, low + size): for
// debugging tools; most ports do nothing.
void port_stack_use(void *low, u64 size);

// What this CPU has learned of branches serves nobody any more (IBPB); does
// nothing where it cannot, or was not asked to be able to.
void port_forget_branches(void);

// Call `run(arg)`, which calls generated code, behind a barrier: when that is
// left early, by a fault or by the stubs below, barrier_call returns false;
// else true.
bool barrier_call(u64 *barrier_rsp, void (*run)(void *), void *arg);

// Give up everything up to the innermost barrier_call, which returns false: for
// tests, since it skips the C functions between.
NORETURN void barrier_unwind(u64 barrier_rsp);

// The top of the stack of generated code that throws: registers in which it or
// its callers may have values, and where it called.
struct thrown_at {
    u64 unused, r13, r12, rbp, rbx;
    u64 pc; // the return address of that call, at its place on the stack
};

// A landing pad, the rsp of its frame, and rax and rdx as struct code_catch
// says.
struct landing {
    u64 pc, rsp, rax, rdx;
};

// The builtins THROW and THROW_REF: call the kernel's exception_throw() and
// exception_rethrow(), which say in *to where to continue, unless the thread
// has to leave.
extern const u8 throw_stub[], rethrow_stub[];
struct vmctx;
void exception_throw(struct vmctx *vm, u32 tag, u64 args,
                     const struct thrown_at *from, struct landing *to);
void exception_rethrow(struct vmctx *vm, u64 exnref, u64 nothing,
                       const struct thrown_at *from, struct landing *to);

// The way of a call from C into generated code: what is in registers at the
// call, then what is at the return, and how much is on the stack.
struct call_state {
    u64 ints[6]; // arguments rdi rsi rdx rcx r8 r9, results rax rdx rcx rsi
                 // rdi r8
    u64 vectors[8][2]; // xmm0-7
    u64 args, results; // bytes on the stack, multiples of 16
};

// The stubs between C and generated code: those below, but in hardened mode the
// port's own, which take nothing for granted that generated code may write.
struct func_entry;
struct port_stubs {
    void (*enter)(struct vmctx *vm, const struct func_entry *entry,
                  struct call_state *state);
    const u8 *host_call, *host_call_wide;
    const u64 *builtins; // addresses, by enum builtin
};
extern const struct port_stubs *port_stubs;

// Call the function of `entry` with r14 = vm.  Calls the kernel's call_pack()
// before, to fill in *state and the arguments on the stack, and call_unpack()
// after, with where the results on the stack begin.
void enter_stub(struct vmctx *vm, const struct func_entry *entry,
                struct call_state *state);
void call_pack(struct call_state *state, void *stack);
void call_unpack(struct call_state *state, void *results);

// The code of a func_entry in a process of several instances: goes to
// vmctx.targets[entry->id].code.  When that is another instance's it calls it,
// with a struct adapter on the stack, and the return address is adapt_return; a
// tail call of what returns there needs no other one.
extern const u8 adapt_stub[], adapt_return[];

// Here adapt_stub finds that the stack is too small: an undefined instruction
// of 2 bytes.  Its adapter is the innermost, nothing is above it yet.
extern const u8 adapt_overflow[];

// A call from one instance into another, on the caller's stack.
struct adapter {
    struct adapter *outer; // the next one outwards
    u64 results, args;     // bytes on the stack
    u64 vm, memory;        // r14 and r15 of the caller
    u64 pc;                // the return address of the call, at its place
};

// The code of a func_entry for a C function.  Generated code enters with rax =
// address of the entry, r14 = its vmctx and arguments in SysV order.  Notes
// where it was called in struct thread_entry of the running thread and calls
// the C function vmctx.targets[entry->id].code.  Then it returns to generated
// code, or leaves it when thread_entry says so: no C function is on the stack
// then.
extern const u8 host_call_stub[];
// The same for C functions that return an i64: the other takes what they return
// for an i32, whose upper half is anything in C and zero in generated code.
extern const u8 host_call_wide_stub[];

// The same for builtins: the stub of a builtin is at builtin_stubs +
// BUILTIN_STUB_SIZE * its number and calls builtin_functions[number], with the
// registers that generated code keeps in the BUILTIN_KEPT bytes below where
// thread_entry.rsp points to.
enum { BUILTIN_STUB_SIZE = 64, BUILTIN_KEPT = 32 };
extern const u8 builtin_stubs[];
extern const void *const builtin_functions[];
extern const u64 builtin_addresses[]; // of all of them

// The code of the null reference: one undefined instruction.
extern const u8 null_call_stub[];

// Where a thread goes on after a fault that is a trap, rsp 16-byte aligned and
// below all that the generated code has on its stack: calls the kernel's
// trap_found() and leaves generated code for the barrier that it returns.
extern const u8 trap_stub[];
u64 trap_found(void);

// How a thread leaves generated code early: it traps, or its process or itself
// is to end.  thread_entry.leave is the first two or none.
enum leave { LEAVE_NONE, LEAVE_TRAP, LEAVE_EXIT, LEAVE_KILLED };

// The start of struct thread: what the stubs between generated code and C use.
struct thread_entry {
    void *vm;    // the vmctx of the last call of C; in hardened mode one that
                 // the kernel has instead
    u64 rsp;     // and its return address is at [rsp]: backtraces start here
    u64 barrier; // of the innermost barrier_call; 0: none
    u8 killed;   // atomic; set once, by others too
    u8 leave;    // enum leave: what C wants when it returns to generated code
    u32 popped;  // bytes of stack arguments that the stub removes then
    struct adapter *adapter; // the innermost since barrier_call, or NULL
    // In hardened mode: where C begins that generated code calls, and generated
    // code that C calls (0: at the high end of what it has), what it may write
    // while it runs, and the same then, else 0.
    u64 kernel_rsp, guest_rsp;
    u32 rights, in_force;
    // Not the stubs': who runs on the thread, for the layer above; or NULL.
    void *guest;
};

// --- standard streams and end ------------------------------------------------

// What programs read and print, and what the kernel says; the port keeps them
// apart.
enum port_stream {
    PORT_STDIN,
    PORT_STDOUT,
    PORT_STDERR,
    PORT_LOG,
    PORT_PROFILE, // what the kernel has counted, for the host's command
    PORT_STREAMS
};

// These never wait.  ERR_SHOULD_WAIT: no answer yet; the kernel's
// console_interrupt() is called when there may be one.  What the host refuses
// is ERR_NO_SPACE, ERR_PEER_CLOSED (nobody reads any more), ERR_NOT_OPEN or
// ERR_IO.

// Write to PORT_STDOUT, PORT_STDERR or PORT_PROFILE: *count is what was taken,
// with OK at least one byte of `size` > 0.  An error may be one of bytes taken
// before: port_settle() tells how many are lost; until it is asked nothing is
// taken.
MUST_USE status_t port_write(enum port_stream stream, const void *bytes,
                             u64 size, u64 *count);

// What became of the bytes taken: OK when they were written (or have gone as
// far as the host can tell: into a pipe).  With an error, which is told once,
// the last *lost of them were not.
MUST_USE status_t port_settle(enum port_stream stream, u64 *lost);

// Read standard input: at most `size` > 0 bytes, and of the host's input no
// more is consumed.  OK with *count = 0: the end.
MUST_USE status_t port_read(void *to, u64 size, u64 *count);

// What standard input has, without reading it.
struct port_input {
    u64 ready; // bytes, as far as known: at least 1, or 0 at the end
    bool ended;
};

// With `now` ERR_TIMED_OUT when it has nothing now; else there will be a
// console_interrupt() when it has.
MUST_USE status_t port_look(bool now, struct port_input *out);

// When the user's command was started, on port_monotonic_ns()'s clock; may be
// before 0.
i64 port_start_ns(void);

// A line of the kernel's own; callable anywhere, and never waits.  False: there
// is no room for it now, and nothing of it will arrive.
bool port_log(const void *bytes, u64 size);

// End the machine (or the process) with this status.
NORETURN void port_exit(u32 status);

// =============================================================================
// What ports call.
// =============================================================================

// Every stack has STACK_SIZE bytes of addresses at a multiple of that: a guard
// at the low end, the kernel's own STACK_TOP bytes at the high end.
enum {
    STACK_SIZE = 1024 * 1024,
    STACK_GUARD = PAGE_SIZE,
    STACK_TOP = 64,
    STACK_KERNEL = 64 * 1024, // that generated code has not, in hardened mode
};

// On such a stack, interrupts off, a port calls sys_init() (sys/sys.h) first.

// --- interrupts: called on the interrupted thread's stack or on the CPU's own,
// with interrupts off ---------------------------------------------------------

// A CPU that port_start_cpus() lets run begins to run threads; interrupts are
// off.
NORETURN void sched_enter(void);

// The timer fired or another CPU poked us.  Wakes sleepers; true when the
// interrupted thread should give way: the port then saves all its registers
// and calls sched_preempt().
bool sched_interrupt(void);
void sched_preempt(void);
// After sched_preempt(), with all registers still kept: the thread goes on at
// `pc` when this returns, which is after a while where it is stopped.
void sched_stop(u64 pc);

// A thread was interrupted at `pc` on its stack, rsp; callable wherever a
// thread can be interrupted, locks held or not, but not within itself on one
// CPU.
void profile_sample(u64 pc, u64 rsp);

// The last question before an interrupt returns to `pc`: true when the thread
// is to die instead, because it was killed while it ran in generated code; the
// port then continues at barrier_unwound with rsp = *barrier_rsp.
bool sched_unwind(u64 pc, u64 *barrier_rsp);

// A C function that generated code called is about to return to it: it holds no
// lock.  Asked by the stubs of host calls, only in builds for tests, which stop
// here.
void host_call_check(void);

// A device has finished requests, perhaps.
void device_interrupt(struct virtio_device *hardware);

// A device whose registers programs may have wants something.
void registers_interrupt(struct port_registers *hardware);

// Something has changed that a function of kernel/port.h on streams answered
// ERR_SHOULD_WAIT for; a bit set of enum port_stream.
void console_interrupt(u32 streams);

// Before the machine ends: say how many lines of the log were lost, when no
// line follows that would.
void klog_end(void);

// --- hardened mode: called by the port's stubs, which are back in C and have
// taken the thread from what the CPU knows.  rsp and vm are what generated code
// had, and are not believed. -------------------------------------------------

// At rsp are r9, rdx, rcx, what is called (the id of a func_entry, or
// HOST_BUILTIN and the number of a builtin), and the return address.  What to
// call, NULL: the thread is to leave; `how` is the bytes of stack arguments and
// HOST_ bits.
struct host_entered {
    const void *code;
    u64 how;
};
#define HOST_BUILTIN (1ull << 31)
#define HOST_WIDE    (1ull << 32) // returns an i64
#define HOST_VMCTX   (1ull << 33) // the first argument is the vmctx
struct host_entered host_entered(u64 rsp, struct vmctx *vm);
// The same for throw_stub; false: the thread is to leave.
bool throw_entered(const struct thrown_at *rsp, struct vmctx *vm);
// What generated code did is none of what it can: the thread is to leave.
void host_rogue(void);

// --- panics ------------------------------------------------------------------

// A line, of whatever a panic can be said on.
typedef void panic_say_t(const char *text, ...) PRINTF(1, 2);

// After a panic's reason and registers, nobody else running, say where the
// kernel is, from pc outwards by the frame pointer rbp, on the stack of rsp.
// At most once: a panic in here is only named.
typedef void panic_report_t(panic_say_t *say, u64 pc, u64 rbp, u64 rsp);
void port_panic_report(panic_report_t *report);

// The kernel's function at this address, and how far it is from its start;
// NULL: unknown.  Takes no locks.
const char *port_symbol(u64 address, u64 *offset);

// A fault: what the port knows of it.
enum fault_kind { FAULT_MEMORY, FAULT_UNDEFINED, FAULT_DIVIDE, FAULT_OTHER };

struct fault {
    enum fault_kind kind;
    u64 pc, rsp, r14;
    u64 address;      // FAULT_MEMORY
    bool absent;      // FAULT_MEMORY: nothing is mapped there
    bool divide_zero; // FAULT_DIVIDE: the divisor was 0
    bool restricted;  // with the rights of generated code; goes on with them
};

// What the port should do about it.
enum fault_action {
    FAULT_CONTINUE, // go on at fault->pc with fault->rsp, both may have changed
    FAULT_PANIC     // none of ours
};

// Called with interrupts off, and does little: a trap goes on at trap_stub.
enum fault_action fault_handle(struct fault *fault);
