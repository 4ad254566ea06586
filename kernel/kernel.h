// kernel/: code -> processes.  Objects, handles, threads, memories, instances,
// system calls.  The sources are the same on every port (kernel/port.h).
//
// The first part of this header is the public interface, all that wasi/ and
// the ports may use; the second part is the kernel's own.

#pragma once

#include "code/code.h"
#include "kernel/lock.h"
#include "kernel/port.h"

struct thread;
struct process;
struct instance;

// --- host modules: what programs can import ----------------------------------

// A function that programs can import.  `code` is a C function of integers
// only (u32, u64), in SysV order, which is called directly by generated code on
// the thread's own stack; thread_current() tells it who calls.  Its result, if
// it has one, is an i32.
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

// The kernel's own calls, "nebulet" (syscall.c).
extern const struct host_module nebulet_module;

// --- start (kernel.c) --------------------------------------------------------

// Every stack has STACK_SIZE bytes of addresses at a multiple of that: a guard
// at the low end, the kernel's own STACK_TOP bytes at the high end.
enum {
    STACK_SIZE = 1024 * 1024,
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

// Decode, validate and compile a copy of `bytes`.  Stops early with ERR_KILLED,
// as making a process does.
MUST_USE status_t code_module_new(struct code_module **out, struct bytes bytes,
                                  struct error *error);
// The same, refusing modules that use these features (enum wasm_feature).
MUST_USE status_t code_module_new_without(struct code_module **out,
                                          struct bytes bytes, u32 without,
                                          struct error *error);
void code_module_release(struct code_module *m);
const struct module *code_module_info(const struct code_module *m);
const struct code *code_module_code(const struct code_module *m);

// What the personality of a process (WASI) hangs on it.
struct personality {
    void (*exit)(struct process *p); // the process ends: free `state`
};

// A process with one instance of `m`, its imports resolved against the host
// modules.  Not running yet.  Where an import or a segment is to blame, error
// says at which offset; error_text (of error_text_size bytes) gets the details.
MUST_USE status_t process_new(struct process **out, struct code_module *m,
                              const char *name, struct error *error,
                              char *error_text, u32 error_text_size);

// The first import from *from on that no process is given, in the words of
// process_new(); *from moves behind it.  False: there are no more.
MUST_USE bool process_missing_import(struct code_module *m, u32 *from,
                                     struct error *error, char *error_text,
                                     u32 error_text_size);

void process_set_personality(struct process *p, const struct personality *type,
                             void *state);
void *process_personality(struct process *p);

// Run the start function and then the export _start (or, for a reactor,
// _initialize) in a new thread.  ERR_NOT_FOUND when there is no entry,
// ERR_WRONG_TYPE when what has its name is no function of type [] -> [].
MUST_USE status_t process_start(struct process *p);

// Wait until the process has ended; its exit status is the program's, or 134
// after a trap.  `deadline_ns` as everywhere: monotonic, UINT64_MAX = forever.
MUST_USE status_t process_wait(struct process *p, u64 deadline_ns,
                               u32 *exit_status);

// End a process from outside.  All its threads stop; returns at once.
void process_kill(struct process *p, u32 exit_status);
void process_release(struct process *p);

// Run `run(arg)` in a thread of the kernel's own.  ERR_TIMED_OUT when it had
// not ended at the deadline: then it was killed, and has returned all the same.
MUST_USE status_t thread_run_until(void (*run)(void *arg), void *arg,
                                   u64 deadline_ns);

// --- for host functions ------------------------------------------------------

// The thread that runs, by the stack it runs on.
struct thread *thread_current(void);
struct process *process_current(void);

// End the calling process.  The caller then returns: its thread leaves when it
// is back at the generated code that called.
void process_exit(u32 exit_status);

// [ptr, ptr + size) of the calling instance's memory 0, checked in 64-bit
// arithmetic; .ptr is NULL when it is not all inside.  Other threads may write
// to it at any time: copy what you decide on.
struct bytes user_bytes(u64 ptr, u64 size);
MUST_USE bool user_read(void *to, u64 ptr, u64 size);
MUST_USE bool user_write(u64 ptr, const void *from, u64 size);

void thread_yield(void);

// Start a thread of the calling process in the exported function
// name(thread id, arg), both i32, with globals as in a new instance.
MUST_USE status_t thread_spawn_export(struct string name, u32 arg, u32 *id);

// Was the calling thread killed?  Then it waits no more: every wait returns
// ERR_KILLED, which goes up to the generated code that called, where the thread
// leaves.  Whatever runs long without a wait asks now and then.
bool thread_is_killed(void);

// Sleep until the deadline; OK or ERR_KILLED.
MUST_USE status_t thread_sleep_until(u64 deadline_ns);

// Kernel memory for objects and personalities, zeroed; NULL when there is none.
MUST_USE void *kernel_alloc(u64 size);
void kernel_free(void *ptr);

// --- console (console.c) -----------------------------------------------------

// Write all of it.  *count is what the host took, less than `size` only on an
// error; that is returned when it took nothing (see port_write).
MUST_USE status_t console_write(enum port_stream stream, const void *bytes,
                                u64 size, u64 *count);

// Read what there is, at most `size` > 0; waits until there is something, the
// input ends (*count = 0) or the deadline (ERR_TIMED_OUT).
MUST_USE status_t console_read(void *to, u64 size, u64 deadline_ns, u64 *count);

// Wait until console_read would not wait; *out says what it would find.
MUST_USE status_t console_wait(u64 deadline_ns, struct port_input *out);

// A line of the kernel's own, to the log stream: one line whatever is inserted
// (format_safe).
void klog(const char *text, ...) PRINTF(1, 2);

// --- interrupts: called by ports, on the interrupted thread's stack or on the
// CPU's own, with interrupts off ---------------------------------------------

// The timer fired or another CPU poked us.  Wakes sleepers; true when the
// interrupted thread should give way: the port then saves all its registers
// and calls sched_preempt().
bool sched_interrupt(void);
void sched_preempt(void);

// The last question before an interrupt returns to `pc`: true when the thread
// is to die instead, because it was killed while it ran in generated code; the
// port then continues at *barrier_rsp as for FAULT_UNWIND.
bool sched_unwind(u64 pc, u64 *barrier_rsp);

// Something has changed that a function of kernel/port.h on streams answered
// ERR_SHOULD_WAIT for.
void console_interrupt(void);

// A fault: what the port knows of it.
enum fault_kind { FAULT_MEMORY, FAULT_UNDEFINED, FAULT_DIVIDE };

struct fault {
    enum fault_kind kind;
    u64 pc, rsp, r14;
    u64 address;      // FAULT_MEMORY
    bool absent;      // FAULT_MEMORY: nothing is mapped there
    bool divide_zero; // FAULT_DIVIDE: the divisor was 0
};

// What the port should do about it.
enum fault_action {
    FAULT_RETRY,  // go on at fault->pc, which may have changed
    FAULT_UNWIND, // a trap: continue at *barrier as barrier_call's false
    FAULT_PANIC   // none of ours
};

enum fault_action fault_handle(struct fault *fault, u64 *barrier_rsp);

// =============================================================================
// The kernel's own part.  wasi/ and the ports stop reading here; the embedding
// interface (instance.c) is also for tests and the script runner in tool/.
// =============================================================================

// --- heap.c ------------------------------------------------------------------

// Bytes handed out by kernel_alloc() and not yet freed.
u64 heap_in_use(void);
// Give the memory of empty slabs back.
void heap_reclaim(void);
// Bytes of memory that the heap has from the port.
u64 heap_held(void);

// --- object.c ----------------------------------------------------------------

enum right {
#define RIGHT(bit, id, text) RIGHT_##id = 1 << bit,
#include "abi/rights.def"
};

struct object;

struct object_type {
    const char *name;
    u32 rights;                    // those that a first handle carries
    void (*free)(struct object *); // the last reference is gone
};

// What every object starts with.
struct object {
    const struct object_type *type;
    u32 references; // atomic
};

void object_init(struct object *o, const struct object_type *type); // 1 ref
void object_hold(struct object *o);
void object_release(struct object *o); // NULL is allowed
u64 object_count(void);                // objects alive, for tests

#define OBJECT(number, id, granted, help)      \
    extern const struct object_type id##_type; \
    void id##_free(struct object *o);
#include "abi/objects.def"

// --- handle.c ----------------------------------------------------------------

typedef u32 handle_t; // generation << 20 | index; 0 is none

struct handle_slot {
    struct object *object; // owns a reference; NULL: free
    u32 rights;
    u32 generation; // free: also links the free list through `next`
    u32 next;
};

enum { HANDLE_CHUNK = 256, HANDLE_CHUNKS = 256 };

struct handle_table {
    struct lock lock;
    struct handle_slot *chunks[HANDLE_CHUNKS];
    u32 slots;  // made so far
    u32 free;   // index of the first free slot + 1
    u32 rested; // of those that have had all generations
    u32 used;
};

void handle_table_init(struct handle_table *t); // of zeroed memory

// A new handle; takes a reference of its own.
MUST_USE status_t handle_new(struct handle_table *t, struct object *o,
                             u32 rights, handle_t *out);
// The only way from a handle to an object: checks that the handle is alive, the
// type (NULL: any) and the rights.  The caller owns a reference.
MUST_USE status_t handle_get(struct handle_table *t, handle_t h,
                             const struct object_type *type, u32 rights,
                             struct object **out);
MUST_USE status_t handle_close(struct handle_table *t, handle_t h);
MUST_USE status_t handle_duplicate(struct handle_table *t, handle_t h,
                                   u32 rights, handle_t *out);
void handle_table_free(struct handle_table *t);

// --- timer.c -----------------------------------------------------------------

// Deadlines of waiting threads, a heap per CPU.
struct timer {
    u64 deadline;
    u32 cpu;                                // whose heap
    bool active;                            // in the heap
    struct timer *child, *sibling, *before; // pairing heap
};

void timer_start(struct timer *t, u64 deadline); // interrupts off
void timer_cancel(struct timer *t);
u64 timer_next(void);       // of this CPU
bool timer_expire(u64 now); // true when it woke somebody

// --- wait.c ------------------------------------------------------------------

// How a wait ended.  Decided once, by compare-and-swap on waiter.outcome.
enum wake { WAKE_NONE, WAKE_WAITING, WAKE_WOKEN, WAKE_TIMED_OUT, WAKE_KILLED };

struct waiter {
    struct list link; // in the queue, under its lock; empty when taken out
    u32 outcome;      // enum wake
    u64 key;          // what it waits for, where a queue serves several things
    struct timer timer;
};

void wait_queue_init(struct wait_queue *q);

// Wait.  Called with q->lock held by lock_irq (`on` is its result), returns
// with it released.  OK: woken; ERR_TIMED_OUT; ERR_KILLED, at once when the
// thread was killed before.
MUST_USE status_t wait_queue_wait(struct wait_queue *q, u64 key, u64 deadline,
                                  bool on);

// Wait until `*flag`, which changes under q->lock with a wake, is `value`.  OK:
// returns with q->lock held, `*on` for unlock_irq; else without.
MUST_USE status_t wait_queue_until(struct wait_queue *q, const bool *flag,
                                   bool value, u64 deadline, bool *on);

// For timers and killers: end the wait, if nobody else has.
bool waiter_expire(struct waiter *w); // interrupts off
void waiter_kill(struct waiter *w);

// Wake at most `count` waiters with this key, oldest first; q->lock is held.
u32 wait_queue_wake(struct wait_queue *q, u64 key, u32 count);

// --- sched.c -----------------------------------------------------------------

extern u64 sched_slice_ns; // what a thread may run while others wait

enum thread_state { THREAD_READY, THREAD_RUNNING, THREAD_BLOCKED, THREAD_DEAD };

void sched_init(struct thread *first);
struct thread *sched_current(void); // of this CPU, whatever stack we are on
void sched_start(struct thread *t); // make a new thread ready
void sched_block(void);             // unless sched_wake came first; irq off
void sched_wake(struct thread *t);  // interrupts off
void sched_poke(struct thread *t);  // have it look at `killed` soon
NORETURN void sched_exit(void);     // the current thread is dead
void sched_first_switch(void);      // a new thread's first step

// --- thread.c ----------------------------------------------------------------

enum {
    STACK_RESERVE = 48 * 1024, // below a frame of generated code, for C and for
                               // interrupts
    STACK_FIRST = 128 * 1024,  // memory that a new stack has
    STACK_STEP = 64 * 1024,    // by which it grows
    TRACE_DEPTH = 32,          // frames that a trap report keeps
};

// One frame of a backtrace.
struct trace_frame {
    const struct module *module;
    u32 func;  // function index
    u32 times; // that it follows itself: recursion
    u64 at;    // byte offset in the module
};

// How a thread leaves generated code early: it traps, or its process or itself
// is to end.  thread_entry.leave is the first two or none.
enum leave { LEAVE_NONE, LEAVE_TRAP, LEAVE_EXIT, LEAVE_KILLED };

struct trap_info {
    enum trap kind;
    u32 depth; // frames in `frames`
    bool more; // ... and others below them
    struct trace_frame frames[TRACE_DEPTH];
};

struct thread {
    struct thread_entry entry; // first: the stubs of port/x64 use it
    struct object object;
    struct process *process; // NULL: the kernel's own
    u8 *stack;               // STACK_SIZE bytes
    u8 *stack_low;           // committed from here up
    u32 id;                  // within the process, from 1
    struct list link;        // process->threads, under process->lock

    // Only its own CPU and interrupts on it touch these.
    u32 preempt_count; // not preempted while > 0
    bool resched;      // give way when that ends

    // cpu->lock of its CPU protects these.
    struct context context;
    u32 cpu;
    u8 state;          // enum thread_state
    bool wake_pending; // sched_wake() came before sched_block()
    struct list ready;

    struct waiter waiter;
    u64 mutexes;        // ranks of those it holds, in builds for tests
    struct vmctx **vms; // its contexts, by instance number
    struct trap_info trap;

    void (*run)(void *arg); // first function
    void *arg;
    struct wait_queue ended; // process or kernel threads that join
    bool done;               // under ended.lock
};

// A thread of the kernel's own (process NULL) or of a process; not yet running.
MUST_USE status_t thread_new(struct thread **out, struct process *p,
                             void (*run)(void *arg), void *arg);
// OK, ERR_TIMED_OUT or ERR_KILLED (the one who waits).
MUST_USE status_t thread_join(struct thread *t, u64 deadline);
void thread_release(struct thread *t);
void thread_discard(struct thread *t); // one that was never started
void thread_init_first(struct thread *t);
void thread_reap(struct thread *t); // after its last switch
void thread_kill(struct thread *t);

// The running thread ends when it is back at generated code.
void thread_exit(void);

// Give the memory of pooled stacks back.
void stacks_reclaim(void);

// Give t memory for a stack down to `rsp` and the reserve; false when there is
// none, TRAP_STACK_OVERFLOW or TRAP_NO_MEMORY in *trap.
MUST_USE bool thread_grow_stack(struct thread *t, u64 rsp, enum trap *trap);

// A thread of the calling process that runs function table 0 [index] with arg,
// its stack pointer global set to stack_top.  sched_start() or thread_unspawn()
// come next.
MUST_USE status_t thread_spawn(struct instance *from, u32 index, u32 arg,
                               u32 stack_top, struct thread **out);

void thread_unspawn(struct thread *t);

// --- types.c -----------------------------------------------------------------

void types_init(void);
// Canonical type ids, the same for equal types in all modules (spec 3.1.3:
// iso-recursive).  0 is never one; an id is not reused while anybody holds it.
// One reference to every type of m, ids[i] for type i.  Linear; may be
// preempted anywhere, and ends with ERR_KILLED when the thread is.
MUST_USE status_t types_register(const struct module *m, u32 *ids);
void types_release(const u32 *ids, u32 count);
bool types_is_subtype(u32 sub, u32 super);
enum type_kind types_kind(u32 id);
u32 types_alive(void);         // rec groups, for tests
u32 *types_references(u32 id); // of its group, for tests

// --- types_match.c -----------------------------------------------------------

// The id of a host function's type, "iil:i", whose string stays; 0 when there
// is no memory.  Registered once, for good: the caller gets no reference.
u32 types_host(const char *sig);
// A value type with canonical ids for type indexes, and its subtyping.
valtype_t valtype_canonical(valtype_t t, const u32 *ids);
bool valtype_is_subtype(valtype_t sub, valtype_t super);

// --- memory.c ----------------------------------------------------------------

enum { COMMIT_STEP = 64 * 1024 };

struct memory {
    struct object object;
    struct memory_view view;
    struct limits type; // as declared
    u8 *base;
    u64 reserved;   // bytes of address space, guard included
    u64 *committed; // bit set of COMMIT_STEP pieces
    struct port_promise promise;
};

MUST_USE status_t memory_new(struct memory **out, const struct limits *type);
// Pages before, or -1.
u64 memory_grow(struct memory *m, u64 pages);
// Make [at, at + size) inside the memory usable; false when there is no memory.
MUST_USE bool memory_touch(struct memory *m, u64 at, u64 size);
static inline bool
memory_contains(const struct memory *m, u64 at, u64 size)
{
    u64 now = __atomic_load_n(&m->view.size, __ATOMIC_ACQUIRE);

    return at <= now && size <= now - at;
}

// --- table.c -----------------------------------------------------------------

struct live_table {
    struct object object;
    struct table_view view;
    struct table_type type;  // element type canonical
    u64 max;                 // entries it may have
    u64 room;                // entries there are addresses for, and
    u64 committed;           // memory for
    bool budgeted;           // its room is counted in process->table_room
    bool growing;            // under idle.lock: by one thread at a time
    struct wait_queue idle;  // those that want to grow it, too
    struct process *process; // whose references it holds
    struct list link;        // process->tables, under process->lock
};

// ERR_BAD_ARGUMENT: such a table cannot hold `init`.
MUST_USE status_t table_new(struct live_table **out, struct process *p,
                            const struct table_type *type, u64 init);
// The old count or -1.  What follows checks no index: see table_contains().
u64 table_grow(struct live_table *t, u64 count, u64 value);
u64 table_get(const struct live_table *t, u64 at);
// ERR_BAD_ARGUMENT: the table cannot hold this value.
MUST_USE status_t table_fill(struct live_table *t, u64 at, u64 value,
                             u64 count);
MUST_USE status_t table_write(struct live_table *t, u64 at, const u64 *values,
                              u64 count);
// Between tables whose types match.
void table_copy(struct live_table *to, u64 at, const struct live_table *from,
                u64 from_at, u64 count);
// Is the value one that references of this kind have in p?
MUST_USE bool reference_is_valid(const struct process *p, enum ref_kind kind,
                                 u64 value);
static inline bool
table_contains(const struct live_table *t, u64 at, u64 count)
{
    u64 now = __atomic_load_n(&t->view.count, __ATOMIC_ACQUIRE);

    return at <= now && count <= now - at;
}
// The index after that check, see index_masked().
static inline u64
table_masked(const struct live_table *t, u64 at)
{
    return index_masked(at, t->view.count + 1);
}

// --- code_module.c -----------------------------------------------------------

// Give the memory that waits for the next compilation back.
void scratch_reclaim(void);

extern u32 cpu_features; // enum cpu_feature (kernel.c)

struct code_module {
    struct object object;
    struct bytes bytes; // our own copy
    u64 reserved;       // for the copy
    struct arena keep;
    struct module module;
    struct code code; // code.text is NULL; see text
    u8 *text;         // published
    u32 *ids;         // canonical type ids
};

// --- process.c ---------------------------------------------------------------

enum {
    PROCESS_NAME = 64,
    FUNCS_MAX = 4 << 20,
    INSTANCES_MAX = 4096,
    THREAD_IDS = 8192,             // bits for ids in use
    THREAD_ID_MAX = (1 << 29) - 1, // wasi-threads
};

struct process {
    struct object object;
    char name[PROCESS_NAME];
    struct handle_table handles;
    const struct personality *personality;
    void *personality_state;

    // Never moves; rows are added under the lock.
    struct func_entry *funcs;
    struct func_target *targets;
    u32 func_count;      // ids in use, 0 is the null reference
    u32 func_committed;  // rows that may be touched
    u32 func_max;        // rows in all
    bool funcs_reserved; // by port_reserve, else kernel_alloc
    u64 next_tag;

    struct lock lock;
    struct list threads;
    u32 thread_count; // alive
    u32 last_thread_id;
    u64 thread_ids[THREAD_IDS / 64]; // bits of ids in use, modulo THREAD_IDS
    struct list exn_tables;          // tables of exnrefs
    u64 table_room; // bytes of addresses that tables have beyond need
    struct instance **instances;
    u32 instance_count, instance_capacity;
    bool adapted; // entries lead to adapt_stub

    // Exceptions by number; changed under exn_mutex, see exception.c.
    struct mutex exn_mutex;
    struct exception **exns; // replaced under the lock, too, with exn_count
    u32 exn_count;           // capacity
    u32 exn_free;            // none below is free
    u32 exn_cookie;
    u64 exn_sweeps;

    struct vmctx **vms; // of the main thread, or of whoever invokes

    bool ending;     // under the lock; set once
    u32 exit_status; // of the first that ended it
    bool ended;      // under done.lock: no thread is left
    struct wait_queue done;
};

// End `p`; the first status wins.  True for the one that did it.
bool process_end(struct process *p, u32 exit_status);
// Count a new thread in; ERR_EXITED when p ends, ERR_FULL.
MUST_USE status_t process_add_thread(struct process *p, struct thread *t);

// A thread of p has run its last instruction of the program.
void process_thread_ended(struct process *p, struct thread *t);

extern const struct host_module *const *host_modules; // of kernel_init

// A process without instances, for embedders.
MUST_USE status_t process_new_empty(struct process **out, const char *name);

// --- instance.c: the embedding interface -------------------------------------

// Something that can be imported: an item of an instance, in the index space
// of its kind, or a host function (instance NULL).
struct extern_ref {
    u8 kind; // enum extern_kind
    struct instance *instance;
    u32 index;
    const struct host_func *host;
};

// How imports are found; false: unknown.
struct resolver {
    void *self;
    bool (*find)(void *self, struct string module, struct string name,
                 struct extern_ref *out);
    bool gives_memory; // make the memories that nobody offers, as programs with
                       // threads import their own
};

// Look functions up in the modules of kernel_init().
extern const struct resolver host_resolver;

struct tag {
    u64 id; // its identity in the process
    u32 sig;
};

// Where the value of a global is: in the vmctx of the instance that defines it.
struct global_ref {
    struct instance *owner;
    u32 index;
};

struct instance {
    struct process *process;
    struct code_module *code;
    u32 number;                 // in process->instances
    u32 func_base;              // id of function 0
    struct memory **memories;   // a reference each, imports first
    struct live_table **tables; // a reference each
    struct global_ref *globals; // every global's owner
    struct tag *tags;
    u64 **elems;                      // contents of passive segments, else NULL
    u64 *elem_dropped, *data_dropped; // bit sets, atomic
};

// Instantiate `m` in p: link, allocate, initialise, run the start function on
// the current thread.  ERR_TRAP: *trap says why; what happened so far stays.
// error->what is in the words of the suite, error->at where the import is.
MUST_USE status_t instance_new(struct instance **out, struct process *p,
                               struct code_module *m,
                               const struct resolver *resolver,
                               struct error *error, enum trap *trap);
void instance_free(struct instance *i);

MUST_USE bool instance_export(struct instance *i, struct string name,
                              struct extern_ref *out);

// Call a function on the current thread.  `values` holds arguments, then
// results; there is room for `capacity`.
MUST_USE status_t instance_invoke(const struct extern_ref *func,
                                  union value *values, u32 arg_count,
                                  u32 capacity, u32 *result_count,
                                  enum trap *trap);
union value instance_global(struct instance *i, u32 index);

// All of instance_new() but the start function.
MUST_USE status_t instance_load(struct instance **out, struct process *p,
                                struct code_module *m,
                                const struct resolver *resolver,
                                struct error *error, enum trap *trap);

// Whose index space the id is in, and where.
MUST_USE bool func_find(struct process *p, u32 id, struct instance **i,
                        u32 *func);

// --- call.c ------------------------------------------------------------------

// Call a function of i with the running thread's own contexts: slots of 16
// bytes, arguments in, results out.  LEAVE_NONE: it returned; LEAVE_TRAP: see
// thread->trap.
MUST_USE enum leave call_function(struct instance *i, u32 func,
                                  u64 (*slots)[2]);

// The same without a barrier, for tests: a trap does not return.
void call_entry(struct vmctx *vm, const struct func_entry *entry,
                const struct type *type, u64 (*slots)[2]);

// --- context.c: the vmctx blocks of a thread ---------------------------------

// Add the block of a new instance to the main contexts.
MUST_USE status_t contexts_add(struct instance *i);
// Copies of the current thread's contexts, for t.
MUST_USE status_t contexts_copy(struct process *p, struct vmctx **from,
                                struct thread *t);
// Fill the parts of the main block that linking has found.
void contexts_fill(struct instance *i);
void contexts_free(struct process *p, struct vmctx **vms);
void contexts_bind(struct process *p, struct vmctx **vms, struct thread *t);

// The 16 bytes that hold the value, wherever they are.
u64 *vmctx_global(const struct instance *i, u32 global, struct vmctx **vms);

// --- link.c ------------------------------------------------------------------

// Resolve the imports of i, check their types, and take what they give.
MUST_USE status_t link_imports(struct instance *i,
                               const struct resolver *resolver,
                               struct error *error);
// From one instance to several: entries now lead to adapt_stub.
void link_adapt(struct process *p);

// --- segments.c --------------------------------------------------------------

// Global initialisers, tables, segments.  OK or ERR_TRAP with *trap.
MUST_USE status_t instance_initialise(struct instance *i, struct error *error,
                                      enum trap *trap);
// The initial values of its globals, into the contexts of a thread.
void instance_init_globals(struct instance *i, struct vmctx **vms);
// As the instructions; TRAP_NONE on success.
enum trap segment_table_init(struct instance *i, u32 table, u32 segment, u64 to,
                             u64 from, u64 count);
enum trap segment_memory_init(struct instance *i, u32 memory, u32 segment,
                              u64 to, u64 from, u64 size);
void segment_drop_elem(struct instance *i, u32 segment);
void segment_drop_data(struct instance *i, u32 segment);

// --- builtins.c, trap.c ------------------------------------------------------

extern const u64 builtin_addresses[]; // of their stubs
extern const void *const builtin_functions[];

void trap_report(struct process *p, const struct trap_info *trap);

// The generated code that called C traps when C returns to it.
void thread_trap(enum trap kind);

// --- frame.c -----------------------------------------------------------------

// The code of p that the pc is in; NULL: none.
const struct code_module *code_module_at(const struct process *p, u64 pc);

// A frame of generated code, during a call.  (What a module's code is to one
// frame it is to all instances of the module; see frame_instance.)
struct call_frame {
    struct thread *thread;
    const struct code_module *module;
    const struct func_code *func;
    const struct call_site *call; // where the frame goes on
    u64 rsp;                      // at the call
    struct adapter *adapter;      // the innermost outside of that
};

// The frame that called, on the stack of t: `at` is where the return address of
// that call is, `popped` how many bytes of arguments the callee removes when it
// returns (0 for C).  No adapter may be further in.  False: the caller is not
// generated code of t's process.
MUST_USE bool frame_find(struct call_frame *f, struct thread *t, u64 at,
                         u32 popped);

// Go on to the caller of the frame's function; false as above.
MUST_USE bool frame_next(struct call_frame *f);

// The instance of `code` whose vmctx in t that is, NULL: none.
struct instance *thread_instance(const struct thread *t, const struct vmctx *vm,
                                 const struct code_module *code);

// The instance that a frame with handlers runs in, from the vmctx that it
// keeps.  That is the frame's only if all steps to it were right: else panic.
struct instance *frame_instance(const struct call_frame *f);

// --- exception.c, throw.c ----------------------------------------------------

struct exception {
    u64 tag;                // struct tag: id
    u32 count;              // of slots
    u32 owner;              // thread id
    u64 swept;              // the last sweep that found an exnref of it
    struct exception *next; // in the list of found ones not yet looked into
    u64 slots[][2];
};

// A new exception's exnref, 0 when there is no memory or the thread was killed.
// The stack may have exnrefs from `from` on.
u64 exception_new(struct vmctx *vm, u32 tag, const u64 (*args)[2],
                  const void *from);

// The exception of an exnref that generated code passed, not null.
struct exception *exception_get(struct process *p, u64 exnref);

// What throw_stub and rethrow_stub call: *to is where to go on, unless the
// thread has to leave.
void exception_throw(struct vmctx *vm, u32 tag, u64 args,
                     const struct thrown_at *from, struct landing *to);
void exception_rethrow(struct vmctx *vm, u64 exnref, u64 nothing,
                       const struct thrown_at *from, struct landing *to);
void exceptions_thread_ended(struct process *p, struct thread *t);
void exceptions_free(struct process *p);

// --- pfex.c, console.c -------------------------------------------------------

void pfex_init(void);
// OK: it is the caller's; ERR_KILLED: it is not.
MUST_USE status_t pfex_acquire(u32 *word);
MUST_USE status_t pfex_release(u32 *word);
// memory.atomic.wait and notify; timeout_ns < 0: forever.  OK and *result, or
// ERR_KILLED.
enum { WAIT_WOKEN, WAIT_NOT_EQUAL, WAIT_TIMED_OUT };
MUST_USE status_t atomic_wait(const void *address, bool is64, u64 expected,
                              i64 timeout_ns, u32 *result);
u32 atomic_notify(const void *address, u32 count);

void console_init(void); // console.c
