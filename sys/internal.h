// sys/internal.h: what the files of sys/ offer each other.

#pragma once

#include "sys/sys.h"

enum {
    THREAD_IDS = 8192,             // bits for ids in use
    THREAD_ID_MAX = (1 << 29) - 1, // wasi-threads
};

struct process {
    struct object object;
    u64 number; // of all that there were, from 1
    char name[LIMIT_PROCESS_NAME + 1];
    struct handle_table handles;
    struct account *account;
    struct member member; // of its group
    bool counted;         // in RESOURCE_PROCESSES
    bool trapped;         // atomic: one of its threads did
    const struct personality *personality;
    void *personality_state;
    // What its parent gave it, in that order.
    handle_t given[LIMIT_SPAWN_HANDLES];
    u32 given_count;
    struct store *store;
    u32 libraries;             // instances in it before the program's
    struct process_call *call; // instead of the program's entry, or NULL

    struct lock lock;
    struct list threads MEMBER_GUARDED_BY(lock); // struct program_thread
    u32 last_thread_id MEMBER_GUARDED_BY(lock);
    // Bits of ids in use, modulo THREAD_IDS.
    u64 thread_ids[THREAD_IDS / 64] MEMBER_GUARDED_BY(lock);
    bool ending MEMBER_GUARDED_BY(lock); // set once
    // Of the first that ended it; there for all once it is SIGNAL_ENDED.
    u32 exit_status MEMBER_GUARDED_BY(lock);
    bool started MEMBER_GUARDED_BY(lock); // it has, or had, a main thread
};

// A thread of a process, until it has left that.
struct program_thread {
    struct execution execution; // its id is the process's, from 1
    struct process *process;
    struct thread *thread;
    struct list link MEMBER_GUARDED_BY(process->lock); // in process->threads

    char name[LIMIT_THREAD_NAME]; // of the program's choice, any bytes
    u32 name_len;
    struct instance *instance; // where it begins
    u32 func;
    u32 args[2];
};

// --- system calls ------------------------------------------------------------

// For each row of abi/syscalls.def its arguments, checked, and the function.
// Numbers that come out and bytes lie in the caller's memory, where nothing is
// aligned, and others may write at any time.
#define SYSCALL(number, name, help, args) \
    struct name##_args {                  \
        args                              \
    };                                    \
    MUST_USE status_t sys_##name(const struct name##_args *a);
#define NONE                   u8 none;
#define HANDLE(n, type, right) struct type *n;
#define OPTION(n, type, right) struct type *n;
#define ANY(n, right)          struct object *n;
#define U32(n)                 u32 n;
#define U64(n)                 u64 n;
#define BYTES(n)               struct bytes n;
#define BUFFER(n)              struct bytes n;
#define ITEMS(n, type)         struct bytes n;
#define WORD(n)                u32 *n;
#define OUT_U32(n)             u8 *n;
#define OUT_U64(n)             u8 *n;
#include "abi/syscalls.def"

// The rows of abi/syscalls.def, by their places in it.
enum call_index {
#define SYSCALL(number, name, help, args) CALL_##name,
#include "abi/syscalls.def"
    CALL_COUNT,
};

// In builds for tests: the results that each call has had, bit -status of its
// element; threads set bits together.
extern u64 call_results[CALL_COUNT];

static inline void
put_u32(u8 *to, u32 value)
{
    memcpy(to, &value, sizeof(value));
}

static inline void
put_u64(u8 *to, u64 value)
{
    memcpy(to, &value, sizeof(value));
}

// --- object_calls.c ----------------------------------------------------------

// A program's first handle of an object that was just made, and is the
// program's from now on; *to is written when nothing can fail any more.
MUST_USE status_t give_handle(struct object *o, u8 *to);
// The same for two, both or none.
MUST_USE status_t give_handles(struct object *first, u8 *to_first,
                               struct object *second, u8 *to_second);

// --- processes and their threads ---------------------------------------------

// A process without instances, with room for one of each of these modules; g
// as for process_new().
MUST_USE status_t process_new_for(struct process **out, struct group *g,
                                  const char *name,
                                  struct code_module *const *modules,
                                  u32 count);
// The same, with room for any number.
MUST_USE status_t process_new_empty(struct process **out, struct group *g,
                                    const char *name);

struct group *group_current(void); // the calling process's, or the root

// End `p`; the first status wins.  True for the one that did it.  All threads
// but the calling one are killed: that leaves by itself, and may still be.
bool process_end(struct process *p, u32 exit_status);

// Count a new thread in; ERR_EXITED when p ends, ERR_FULL.
MUST_USE status_t process_add_thread(struct process *p,
                                     struct program_thread *t);

// A thread of the calling process that runs function table 0 [index] of the
// caller with arg, its stack pointer global set to stack_top, with a copy of
// this name in reports.  process_start_thread() or process_unspawn() come next.
// ERR_NOT_FOUND: no such function; ERR_WRONG_TYPE: its type is not [i32] -> [];
// ERR_BAD_ARGUMENT: the name is too long.
MUST_USE status_t process_spawn(u32 index, u32 arg, u32 stack_top,
                                struct bytes name, struct program_thread **out);
void process_start_thread(struct program_thread *t);
// The calling thread's; ERR_BAD_ARGUMENT: it is too long.
MUST_USE status_t process_name_thread(struct bytes name);
void process_unspawn(struct program_thread *t);
// The thread of p with this number, with a reference; NULL: there is none.
struct thread *process_find_thread(struct process *p, u32 id);

struct process *process_from_object(struct object *o);

// All of process_start() but the start, which process_start_thread() is;
// process_abandon() is instead of that.
MUST_USE status_t process_prepare(struct process *p,
                                  struct program_thread **out);
void process_abandon(struct program_thread *t);

// --- spawn.c -----------------------------------------------------------------

// code_module_new() in a thread of its own.  `text`, if it has room, gets words
// for what was wrong with the bytes.
MUST_USE status_t module_compile_apart(struct bytes bytes, struct bytes text,
                                       struct code_module **out);

// A process to be spawned.
struct spawn {
    struct code_module *module;
    struct group *group; // that it is to be in
    const char *name;
    struct spawn_setup setup;
    // Those of the child, and then those that descriptors are made from.
    handle_t *handles;
    struct carried *carried; // what they name, held by the caller
    u32 handle_count, stream_count;
    struct process *child;
};

// Spawn it; *out is the caller's handle of it.  After an error all is as it
// was, and `text` has words where the module does not fit.
MUST_USE status_t process_spawn_child(struct spawn *s, struct bytes text,
                                      handle_t *out);
// A process that does not run yet, in the group of the calling one, and with
// its name; it prints where that does.
MUST_USE status_t process_create_child(struct code_module *m,
                                       struct process **out);
