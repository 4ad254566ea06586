// sys/: instances -> processes.  A process is a store with one program, its
// threads and handles; the module `nebulet` of system calls.
//
// This is the public interface; sys/internal.h is the folder's own.

#pragma once

#include "runtime/runtime.h"

struct process;
struct spawn_setup;

// The system calls, "nebulet" (syscall.c), and "abi", those of 2018
// (nebulet2018.c).
extern const struct host_module nebulet_module;
extern const struct host_module nebulet2018_module;

// --- start (sys.c) ----------------------------------------------------------

// Bring kernel and runtime up on the first CPU; `modules`, terminated by NULL,
// are all that programs can import, and must stay.  Called on a stack as
// kernel/port.h says, interrupts off.  Afterwards the caller runs as the
// kernel's first thread, interrupts on.
void sys_init(const struct host_module *const *modules);

// --- processes (process.c) --------------------------------------------------

// A handle of the calling process that is to become something else.
struct adoption {
    handle_t handle;
    struct carried object; // what it named when it was looked up
};

// What the personality of a process (WASI) hangs on it.
struct personality {
    void (*exit)(struct process *p); // the process ends: free `state`
    // The calling process spawns `child`: give it this, and nothing else.  What
    // went before an error is undone by the child's `exit`.
    status_t (*spawn)(struct process *child, const struct spawn_setup *setup);
    // A descriptor of the calling process instead of a handle of a stream.  No
    // thread finds it before adoption_take(), which is the last that may fail.
    status_t (*adopt)(struct adoption *a, u32 *descriptor);
    // Show what the calling process prints; false: it has nowhere to.
    bool (*print)(struct bytes text);
    // The calling process makes `child`, which is to print where that does and
    // is given nothing else; undone as `spawn` is.
    status_t (*share_output)(struct process *child);
};

// What a process is given by the one that spawns it, besides handles.
struct spawn_setup {
    struct bytes args, env; // in the parent's memory
    const struct spawn_descriptor *descriptors;
    u32 descriptor_count;
    // For those of SPAWN_STREAM, in their order; to be held by `spawn`.
    const struct carried *streams;
};

// --- how they are made (linked.c) -------------------------------------------

// A process in a group (NULL: that of the running thread's process, or the
// root) with one instance of `m`, its imports resolved against the host
// modules.  Not running yet.  Where an import or a segment is to blame, error
// says at which offset; error_text (of error_text_size bytes) gets the details.
MUST_USE status_t process_new(struct process **out, struct group *g,
                              struct code_module *m, const char *name,
                              struct error *error, char *error_text,
                              u32 error_text_size);

enum { LIBRARIES_MAX = 16 };

// A module that those after it, and the program, import of under this name.
struct library {
    struct string name;
    struct code_module *code;
};

struct linking {
    const struct library *libraries; // at most LIBRARIES_MAX
    u32 count;
    u32 blamed; // which of them an error is about; `count`: the program
};

// As process_new().  Of each library there is an instance, which is initialised
// (its start function, then _initialize, if it has it) before the next one.
MUST_USE status_t process_new_linked(struct process **out, struct group *g,
                                     struct code_module *m,
                                     struct linking *linking, const char *name,
                                     struct error *error, char *error_text,
                                     u32 error_text_size);

// The first import from *from on that the blamed module, m, is not given, in
// the words of process_new(); *from moves behind it.  False: there are no more.
MUST_USE bool process_missing_import(const struct linking *linking,
                                     const struct code_module *m, u32 *from,
                                     struct error *error, char *error_text,
                                     u32 error_text_size);

// --- what hangs on processes (process.c) ------------------------------------

// Hang a personality and its state on a process that does not run yet; the
// state of a process, or NULL.
void process_set_personality(struct process *p, const struct personality *type,
                             void *state);
void *process_personality(struct process *p);

// The handle leaves the calling process's table; also under the lock of one of
// descriptors.  ERR_BAD_HANDLE: another thread has closed or moved it.
MUST_USE status_t adoption_take(struct adoption *a);

// Before p runs, give it a handle of `o` with these of its type's rights, after
// those that it was given before.  ERR_LIMIT: LIMIT_SPAWN_HANDLES.
MUST_USE status_t process_give(struct process *p, struct object *o, u32 rights);

// The first object of a type of which p was given a handle, which it still has,
// with these rights; the caller owns a reference.  ERR_NOT_FOUND: it has none.
MUST_USE status_t process_find_given(struct process *p,
                                     const struct object_type *type, u32 rights,
                                     struct object **out);

// Run the start function and then the export _start (or, for a reactor,
// _initialize, or, for a program of 2018, which imports of the module "abi",
// main) in a new thread.  ERR_NOT_FOUND when there is no entry, ERR_WRONG_TYPE
// when what has its name is no function of type [] -> [], ERR_EXISTS when it
// was started before.
MUST_USE status_t process_start(struct process *p);

// A call of an exported function of the program, by the main thread instead of
// the entry; _initialize is called before it.
struct process_call {
    bool returned; // the results are there, when the process has ended
    u32 func;
    u32 result_count;
    u8 *types;       // of the results, VAL_I32 to VAL_V128
    u64 (*slots)[2]; // arguments, then results
};

// process_start() with such a call; args has 16 bytes for each argument.  *out
// is the caller's when the process has ended (kernel_free).  ERR_NOT_FOUND:
// there is no such function; ERR_WRONG_TYPE: it takes other arguments, or takes
// or returns references.
MUST_USE status_t process_start_call(struct process *p, struct string name,
                                     struct bytes args,
                                     struct process_call **out);

// Wait until the process has ended; its exit status is the program's, or
// EXIT_TRAP after a trap.  `deadline_ns` as everywhere: monotonic, UINT64_MAX =
// forever.
MUST_USE status_t process_wait(struct process *p, u64 deadline_ns,
                               u32 *exit_status);

// End a process from outside.  All its threads stop, also one that reports a
// trap; returns at once.
void process_kill(struct process *p, u32 exit_status);
void process_release(struct process *p);

// --- for host functions -----------------------------------------------------

// The process whose program called; NULL: no process's.
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

// Start a thread of the calling process in the exported function
// name(thread id, arg), both i32, with globals as in a new instance.
MUST_USE status_t thread_spawn_export(struct string name, u32 arg, u32 *id);
