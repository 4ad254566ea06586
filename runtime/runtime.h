// runtime/: code -> instances.  Modules are compiled and linked to instances,
// which live together in a store (spec 4.2.3) with their functions, memories,
// tables and exceptions; calls from C into them, faults and traps.
//
// This is the public interface, of sys/ and of whoever embeds instances without
// a process (tests, the script runner in tool/); runtime/internal.h is the
// runtime's own.

#pragma once

#include "code/code.h"
#include "kernel/kernel.h"

struct instance;
struct store;

// --- host modules: what programs can import ----------------------------------

// A function that programs can import.  `code` is a C function of integers
// only (u32, u64), in SysV order, which is called directly by generated code on
// the thread's own stack; thread_current() tells it who calls.  It returns an
// i32, an i64 or nothing.
struct host_func {
    const char *name;
    const char *sig; // "iil:i", letters as in wasm/ops.def
    const void *code;
};

// What is behind the colon of a host function's type: 'i', 'l', or 0 where it
// returns nothing.
char host_result(const struct host_func *f);

struct host_module {
    const char *name; // "wasi_snapshot_preview1", "nebulet", "sip", ...
    const struct host_func *funcs;
    u32 count;
    // Code instead of that of `funcs`, in their order, which tells of each
    // call; and what --trace calls the module.
    const void *const *traced;
    const char *traced_as;
};

// --- start (host.c) ----------------------------------------------------------

// The types of functions of programs that the system calls, in letters as in
// wasm/ops.def.
#define ENTRY_THREAD "i:"  // thread_spawn: its argument
#define ENTRY_EXPORT "ii:" // wasi-threads: the thread's id and an argument

// Bring the runtime up after the kernel; `modules`, terminated by NULL, must
// stay.
void runtime_init(const struct host_module *const *modules);

// Names of calls, with commas between them: each a function, a module or
// MODULE.FUNCTION; empty: all.  False: *unknown is in none of `modules`.
MUST_USE bool host_knows(const struct host_module *const *modules,
                         struct string names, struct string *unknown);

// From now on imports are linked to code that tells of calls: of these, which
// must stay.  No program runs yet.  False: as above, and nothing has changed.
MUST_USE bool host_trace(struct string names, struct string *unknown);

// --- heaps of structs and arrays (heap.c) ---

// From now on the log says of each, when its thread has gone, how often it was
// collected.
void heaps_tell(bool on);

// --- profiles (profile.c) ----------------------------------------------------

enum { PROFILE_PERIOD_NS = 1000003 }; // no multiple of what a program repeats

// From now on count where programs are found, or only keep their code for the
// map; no program runs yet.  False: no memory.
MUST_USE bool profile_start(void);
void profile_keep_code(void);
// Write to PORT_PROFILE, when they have ended, lines "S OUTER;...;INNER COUNT"
// of functions; or "M START SIZE NAME" (hexadecimal) of all compiled ones.
void profile_write(void);
void profile_write_map(void);

// --- modules (code_module.c) -------------------------------------------------

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
// The same of what a user named: it may be a code file (code/code.h), too,
// whose code is read and verified instead of compiled.  Where the verifier
// refuses it, `text`, of text_size bytes, gets words that say more than *error.
MUST_USE status_t code_module_open(struct code_module **out, struct bytes bytes,
                                   struct error *error, char *text,
                                   u32 text_size);
// Of a code file that whoever gives it knows to be as it was written.
MUST_USE status_t code_module_open_known(struct code_module **out,
                                         struct bytes file, struct error *error,
                                         char *text, u32 text_size);
// Of a code file that is refused (ERR_UNSUPPORTED): compile its module, if the
// file is as it was written.
MUST_USE status_t code_module_remake(struct code_module **out,
                                     struct bytes file, struct error *error);
// The same as the first, but what was compiled from the same bytes before, by
// whomever, is used again where it is still there; account_current() pays, once
// for the same code_module.
MUST_USE status_t code_module_get(struct code_module **out, struct bytes bytes,
                                  struct error *error);
void code_module_release(struct code_module *m);
struct object *code_module_object(struct code_module *m);
struct code_module *code_module_from_object(struct object *o);
const struct module *code_module_info(const struct code_module *m);
const struct code *code_module_code(const struct code_module *m);

// Where an import or a segment is to blame for what instance_new() says, or a
// memory that does not fit: error_text, of error_text_size bytes, gets words.
void instance_describe(const struct code_module *m, const struct error *error,
                       char *error_text, u32 error_text_size);

// --- stores (store.c) --------------------------------------------------------

// A store without instances; owner, or NULL, is whose it is.  It will have one
// instance of each of these modules, or, with none, any number of them.
MUST_USE status_t store_new(struct store **out,
                            struct code_module *const *modules, u32 count,
                            void *owner);
void store_free(struct store *s);  // and its instances; nobody runs in it
void store_clear(struct store *s); // all but the store itself
// One of its instances, from 0 in the order they were made; NULL: there are no
// more.
struct instance *store_instance(const struct store *s, u32 number);

// Threads that can run in s are counted: what only one can do depends on it.
// False: there are LIMIT_THREADS.  How many are left.
MUST_USE bool store_count_in(struct store *s);
u32 store_count_out(struct store *s);

// --- execution: a thread that runs in a store (execution.c) ------------------

enum { TRACE_DEPTH = 32 }; // frames that a trap report keeps

// One frame of a backtrace.
struct trace_frame {
    const struct module *module;
    u32 func;  // function index
    u32 times; // that it follows itself: recursion
    u64 at;    // byte offset in the module
};

struct trap_info {
    enum trap kind;
    u32 depth;   // frames in `frames`
    bool more;   // ... and others below them
    bool killed; // before all were found
    u64 pc, rsp; // of a fault, where the frames begin
    struct trace_frame frames[TRACE_DEPTH];
};

// What a thread runs of a store: it may be in one execution at a time, but an
// inner one can take its place for a while.
struct execution {
    struct store *store;
    void *owner;        // the store's
    struct vmctx **vms; // its blocks, by instance number
    u32 id;             // of the thread, where its threads have ids
    struct trap_info trap;
};

// The execution of a thread, NULL: it runs nothing of a store.
static inline struct execution *
execution_of(const struct thread *t)
{
    return ((const struct thread_entry *)t)->guest;
}

// The same of the running thread, and its store's owner (NULL without).
static inline struct execution *
execution_current(void)
{
    return execution_of(thread_current());
}

static inline void *
execution_owner(void)
{
    const struct execution *x = execution_current();

    return x != NULL ? x->owner : NULL;
}

// The instance whose code made the current call of C; NULL: none.
struct instance *execution_caller(void);
// The generated code that called C traps when C returns to it.
void thread_trap(enum trap kind);

// The running thread is in x from now on; what it was in before.
struct execution *execution_enter(struct execution *x);
void execution_leave(struct execution *before);

// With the blocks of the store itself, which one thread may use at a time.
void execution_init(struct execution *x, struct store *s);
// For a new thread: with copies of the current thread's blocks.
MUST_USE status_t execution_copy(struct execution *x);
// Their globals as in new instances.
void execution_reset_globals(struct execution *x);
// Let the C stack of i's code begin at stack_top.
void execution_set_stack_pointer(struct execution *x, struct instance *i,
                                 u32 stack_top);
// Give its blocks back; and, if it is the running thread's, the exceptions that
// nobody else has.
void execution_discard(struct execution *x);
void execution_done(struct execution *x);

// Tell the log why the program `name` ended: the trap, and where, frame by
// frame.
void trap_report(const char *name, const struct trap_info *trap);

// --- instances (instance.c): the embedding interface -------------------------

// Something that can be imported: an item of an instance, in the index space
// of its kind, or a host function (instance NULL).
struct extern_ref {
    u8 kind; // enum extern_kind
    struct instance *instance;
    u32 index;
    const struct host_func *host;
    const void
        *traced; // code instead of its own, which tells of calls; or NULL
};

// How imports are found; false: unknown.
struct resolver {
    void *self;
    bool (*find)(void *self, struct string module, struct string name,
                 struct extern_ref *out);
    // Make a memory that nobody offers, of this module, as programs with
    // threads import their own?  NULL: none.
    bool (*gives_memory)(void *self, struct string module);
};

// Look functions up in the modules of runtime_init().
extern const struct resolver host_resolver;

// Instantiate `m` in s: link, allocate, initialise, run the start function on
// the current thread.  ERR_TRAP: *trap says why; what happened so far stays.
// error->what is in the words of the suite, error->at where the import is.
MUST_USE status_t instance_new(struct instance **out, struct store *s,
                               struct code_module *m,
                               const struct resolver *resolver,
                               struct error *error, enum trap *trap);

// What i exports under this name; false: nothing.
MUST_USE bool instance_export(struct instance *i, struct string name,
                              struct extern_ref *out);

// Call a function on the current thread.  `values` holds arguments, then
// results; there is room for `capacity`.  ERR_BAD_ARGUMENT: another number of
// arguments, too little room, or a reference that is not of its parameter's
// type (non-null externref and anyref are the embedder's own: numbers, but one
// that is or becomes an anyref is below 2^32, and & 3 is REF_TAG_HOST).
MUST_USE status_t instance_invoke(const struct extern_ref *func,
                                  union value *values, u32 arg_count,
                                  u32 capacity, u32 *result_count,
                                  enum trap *trap);
union value instance_global(struct instance *i, u32 index);

// All of instance_new() but the start function.
MUST_USE status_t instance_load(struct instance **out, struct store *s,
                                struct code_module *m,
                                const struct resolver *resolver,
                                struct error *error, enum trap *trap);

// The module that i was made from.
const struct module *instance_info(const struct instance *i);

// The function that table 0 of i has at `index`; ERR_NOT_FOUND when there is
// none, ERR_WRONG_TYPE when it is not of this type, in letters as in
// wasm/ops.def.
MUST_USE status_t instance_table_func(struct instance *i, u32 index,
                                      const char *sig, struct extern_ref *out);
// Is function `func` of i of this type?
MUST_USE bool instance_func_is(const struct instance *i, u32 func,
                               const char *sig);

// The first import from *from on that is not found, in the words of
// instance_describe(); *from moves behind it.  False: there are no more.
MUST_USE bool instance_missing_import(const struct resolver *resolver,
                                      const struct code_module *m, u32 *from,
                                      struct error *error, char *error_text,
                                      u32 error_text_size);

// --- memories (memory.c): what a system call may touch -----------------------

enum { COMMIT_STEP = 64 * 1024 };

struct memory {
    struct object object;
    struct memory_view view;
    struct limits type; // as declared
    u8 *base;
    u64 reserved;   // bytes of address space, guard included
    u64 *committed; // bit set of COMMIT_STEP pieces
    u64 run;        // atomic: steps that are, in a row: first, 32 bits; end
    struct port_promise promise;
    struct charge addresses;
    struct pinned pinned; // by requests to devices
    struct mutex growing;
    struct lock covering;                            // faults take it
    struct charge pages MEMBER_GUARDED_BY(covering); // with page tables
};

struct memory_run {
    u64 first, size;
};

static inline u64
memory_size(const struct memory *m) // now, in bytes
{
    return __atomic_load_n(&m->view.size, __ATOMIC_ACQUIRE);
}

// Do devices use it?  Whoever takes a page of m away, or gives it another one,
// asks that first, and leaves it when they do.
static inline bool
memory_is_pinned(const struct memory *m)
{
    return __atomic_load_n(&m->pinned.count, __ATOMIC_ACQUIRE) > 0;
}

static inline bool
memory_contains(const struct memory *m, u64 at, u64 size)
{
    u64 now = memory_size(m);

    return at <= now && size <= now - at;
}

// What memory_bytes() looks at first: bytes that are ready, all inside.
static inline struct memory_run
memory_run(const struct memory *m)
{
    u64 run = __atomic_load_n(&m->run, __ATOMIC_ACQUIRE);
    u64 first = (run & UINT32_MAX) * COMMIT_STEP;

    return (struct memory_run){first, (run >> 32) * COMMIT_STEP - first};
}

// Is [ptr, ptr + size) in the run?
static inline bool
memory_run_has(struct memory_run run, u64 ptr, u64 size)
{
    u64 at = ptr - run.first; // huge: before that

    return at <= run.size && size <= run.size - at;
}

// Memory 0 of i; NULL: it has none.
struct memory *instance_memory(struct instance *i);

// The same of execution_caller().
static inline struct memory *
caller_memory(void)
{
    const struct vmctx *vm = thread_entry(thread_current())->vm;
    const struct vmctx_memory *first = (const struct vmctx_memory *)(vm + 1);

    if (vm == NULL || first->view == NULL)
        return NULL;
    return CONTAINER(first->view, struct memory, view);
}

// Make [ptr, ptr + size), all inside, ready; false when the thread is killed,
// or traps when it returns: there is no memory, where its group overcommits.
MUST_USE bool memory_prepare(struct memory *m, u64 ptr, u64 size);

// [ptr, ptr + size) of m (or NULL), ready for C to touch; .ptr is NULL when it
// is not all inside, and where memory_prepare() is false.
struct bytes memory_bytes(struct memory *m, u64 ptr, u64 size);

// --- calls (call.c) ----------------------------------------------------------

// Call a function of i with the running thread's execution: slots of 16
// bytes, arguments in, results out.  LEAVE_NONE: it returned; LEAVE_TRAP: see
// its trap.
MUST_USE enum leave call_function(struct instance *i, u32 func,
                                  u64 (*slots)[2]);
