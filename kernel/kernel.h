// kernel/: code -> processes.  Objects, handles, threads, memories, instances,
// system calls.  The sources are the same on every port (kernel/port.h).
//
// The first part of this header is the public interface, all that wasi/ and
// the ports may use; the second part is the kernel's own.

#pragma once

#include "kernel/port.h"
#include "x64/x64.h"

struct thread;
struct process;
struct instance;

// --- host modules: what programs can import ----------------------------------

// A function that programs can import.  `code` is a C function of integers
// only (u32, u64), in SysV order, which is called directly by generated code on
// the thread's own stack; thread_current() tells it who calls.
struct host_func {
    const char *name;
    const char *sig; // "iil:i", letters as in wasm/ops.def
    const void *code;
};

struct host_module {
    const char *name; // "wasi_snapshot_preview1", "nebulet", "sip", ...
    const struct host_func *funcs;
    u32 count;
};

// --- start (kernel.c) --------------------------------------------------------

// Every stack is STACK_SIZE bytes at a multiple of that: a guard at the low
// end, the kernel's own STACK_TOP bytes at the high end.
enum {
    STACK_SIZE = 256 * 1024,
    STACK_GUARD = PAGE_SIZE,
    STACK_TOP = 64,
};

// Bring the kernel up on the first CPU; `modules` (terminated by NULL) must
// stay.  Called on such a stack, interrupts off.  Afterwards the caller runs as
// the kernel's first thread, interrupts on.
void kernel_init(const struct host_module *const *modules);

// --- modules and processes ---------------------------------------------------

// Compiled code: immutable, shared, reference-counted.
struct code_module;

// Decode, validate and compile a copy of `bytes`.
MUST_USE status_t code_module_new(struct code_module **out, struct bytes bytes,
                                  struct error *error);
void code_module_release(struct code_module *m);
const struct module *code_module_info(const struct code_module *m);
const struct code *code_module_code(const struct code_module *m);

// What the personality of a process (WASI) hangs on it.
struct personality {
    void (*exit)(struct process *p); // the process ends: free `state`
};

// A process with one instance of `m`, its imports resolved against the host
// modules.  Not running yet.  On ERR_UNKNOWN_IMPORT and the like error says
// which import.  `text` (size of `error_text`) gets the details.
MUST_USE status_t process_new(struct process **out, struct code_module *m,
                              const char *name, struct error *error,
                              char *error_text, u32 error_text_size);

void process_set_personality(struct process *p, const struct personality *type,
                             void *state);
void *process_personality(struct process *p);

// Run the start function and then the export _start (or, for a reactor,
// _initialize) in a new thread.  ERR_NOT_FOUND when there is no entry.
MUST_USE status_t process_start(struct process *p);

// Wait until the process has ended; its exit status is the program's, or 134
// after a trap.  `deadline_ns` as everywhere: monotonic, UINT64_MAX = forever.
MUST_USE status_t process_wait(struct process *p, u64 deadline_ns,
                               u32 *exit_status);

// End a process from outside.  All its threads stop; returns at once.
void process_kill(struct process *p, u32 exit_status);
void process_release(struct process *p);

// --- for host functions ------------------------------------------------------

// The thread that runs, by the stack it runs on.
struct thread *thread_current(void);
struct process *process_current(void);

// End the calling process; does not return.
NORETURN void process_exit(u32 exit_status);

// [ptr, ptr + size) of the calling instance's memory 0, checked in 64-bit
// arithmetic; .ptr is NULL when it is not all inside.  Other threads may write
// to it at any time: copy what you decide on.
struct bytes user_bytes(u64 ptr, u64 size);
MUST_USE bool user_read(void *to, u64 ptr, u64 size);
MUST_USE bool user_write(u64 ptr, const void *from, u64 size);

void thread_yield(void);

// Sleep until the deadline (OK) or until the thread is killed (does not
// return then).
void thread_sleep_until(u64 deadline_ns);

// Kernel memory for objects and personalities, zeroed; NULL when there is none.
MUST_USE void *kernel_alloc(u64 size);
void kernel_free(void *ptr);

// --- console (console.c) -----------------------------------------------------

// Write all of it.
void console_write(enum port_stream stream, const void *bytes, u64 size);

// Read what there is, at most `size`; waits until there is something, the
// input ends (*count = 0) or the deadline (ERR_TIMED_OUT).
MUST_USE status_t console_read(void *to, u64 size, u64 deadline_ns, u64 *count);

// Wait until console_read would not wait.
MUST_USE status_t console_wait(u64 deadline_ns);

// A line of the kernel's own, to the log stream.
void klog(const char *text, ...) PRINTF(1, 2);

// --- interrupts: called by ports, on the interrupted thread's stack or on the
// CPU's own, with interrupts off -------------------------------------------------

// The timer fired or another CPU poked us.  Wakes sleepers; true when the
// interrupted thread should give way: the port then saves all its registers
// and calls sched_preempt().
bool sched_interrupt(void);
void sched_preempt(void);

// The last question before an interrupt returns to `pc`: true when the thread
// is to die instead, because it was killed while it ran in generated code; the
// port then continues at *barrier_rsp as for FAULT_UNWIND.
bool sched_unwind(u64 pc, u64 *barrier_rsp);

// Input arrived.
void console_interrupt(void);

// A fault: what the port knows of it.
enum fault_kind { FAULT_MEMORY, FAULT_UNDEFINED, FAULT_DIVIDE };

struct fault {
    enum fault_kind kind;
    u64 pc, rsp;
    u64 address;      // FAULT_MEMORY
    bool divide_zero; // FAULT_DIVIDE: the divisor was 0
};

// What the port should do about it.
enum fault_action {
    FAULT_RETRY,  // memory was committed: go on
    FAULT_UNWIND, // a trap: continue at *barrier as barrier_call's false
    FAULT_PANIC   // none of ours
};

enum fault_action fault_handle(const struct fault *fault, u64 *barrier_rsp);
