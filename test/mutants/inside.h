// test/mutants/inside.h: what the files of the guarded process share.
//
//     guard.c         the process, and calls into it
//     guard_heap.c    its heap, of structs and arrays
//     guard_throw.c   exceptions: the way to a landing pad, by the tables

#pragma once

#include "test/mutants/guard.h"

#include <sys/user.h>

enum {
    MEMORIES = 3,
    TABLES = 3,
    MEMORY_MOST = 256 * 1024, // bytes
    TABLE_MOST = 4096,        // entries
    HEAP_TYPES_MOST = 256,
    STACK_SIZE = 256 * 1024,
    PAYLOAD_SIZE = 16 * 1024,
    ABOVE = 4096, // of the stack, above the frame that calls
    PAGE = 4096,
    TICK_US = 2000, // of CPU time
    TICKS = 2,      // a run is stopped with the last of so many
    STOPS = 200,    // or at so many calls
    CANARY = 0xa5,
    RSEQ_SIZE = 32,
};

// Each has 16 GiB of addresses, of which only its pages are mapped.  ROWS and
// OBJECTS are of one slot, the heap's.
enum {
    TEXT,
    STUBS,
    VMCTX,
    FUNCS,
    VIEWS,
    CELLS,
    STACK,
    PAYLOAD,
    ROWS,
    OBJECTS,
    MEMORY,
    TABLE = MEMORY + MEMORIES,
    PARTS = TABLE + TABLES
};
enum { SPACING_LOG2 = 34 };

// In STUBS, an int3 each: where the function returns to, then builtins, then
// imports; in front, a system call.
enum { STUB_EXIT = 16, STUB_BUILTIN = 32 };
enum { STUB_IMPORT = STUB_BUILTIN + BUILTIN_COUNT };

struct part {
    u64 size;
    u32 free_at, free_size; // what may be written, and is put back
    u8 *ours, *first;       // as it is, as it was at first
    u64 offset;             // in the file
    int rights;
};

struct guard {
    const struct module *m;
    const struct code *code;
    struct part parts[PARTS];
    int file, child;
    u64 vmctx;   // address there
    u32 next;    // what the heap gives next, from OBJECTS on
    u32 made;    // objects that arguments may be: one of each type
    u64 thrown;  // the exnref that there is, or 0,
    u32 tag;     // its tag,
    u64 payload; // and address of its values
    struct user_regs_struct regs;
    struct user_fpregs_struct vectors;
};

static inline u64
slot_of(u32 part)
{
    return (1ull << 44) + ((u64)part << SPACING_LOG2);
}

static inline u64
address_of(u32 part)
{
    return part == ROWS    ? slot_of(ROWS) + HEAP_SCRATCH :
           part == OBJECTS ? slot_of(ROWS) + HEAP_OBJECTS :
                             slot_of(part);
}

static inline u8 *
stack_at(struct guard *g, u64 rsp)
{
    return g->parts[STACK].ours + (rsp - address_of(STACK));
}

static inline const struct type *
func_type(const struct guard *g, u32 func)
{
    return &g->m->types[g->m->funcs[func].type];
}

// --- guard.c -----------------------------------------------------------------

// A part of so many bytes, at its end; the part's pages before are canaries.
u8 *guard_part(struct guard *g, u32 part, u64 size, int rights, bool is_free);
unsigned long long *guard_register(struct user_regs_struct *r, u32 number);
__attribute__((format(printf, 2, 3))) enum guard_end
guard_escaped(struct guard_run *run, const char *format, ...);

// --- guard_heap.c ------------------------------------------------------------

// Rows of types, and an object of each.
void heap_make(struct guard *g, struct vmctx *vm);
// One of these, null, or an i31.
u32 heap_argument(const struct guard *g, u64 number);
bool heap_has(const struct guard *g, u64 address);
// The builtin is one of the heap's: answer it.  False: there is no answer.
bool heap_builtin(struct guard *g, u32 builtin, struct user_regs_struct *regs);

// --- guard_throw.c -----------------------------------------------------------

// THROW or THROW_REF was called.  True: it goes on at a landing pad; else *end
// is how it ended.
bool throw_builtin(struct guard *g, struct guard_run *run, u32 builtin,
                   struct user_regs_struct *regs, enum guard_end *end);
