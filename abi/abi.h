// abi/: the contract between generated code and the kernel.
//
// This header lays out the vmctx: what generated code and the kernel share
// about one running thread in one instance.  Generated code finds it in r14.
//
// The header is followed by the parts of one module, the rows of abi/vmctx.def,
// at offsets that vmctx_lay_out() computes once per module from how many of
// each there are.
//
// Each thread has its own block (so globals are per thread, as in Nebulet);
// memories, tables and functions are shared through the pointers in it.

#pragma once

#include "base/base.h"

// A function that can be called through a table, a reference or an import.
// A funcref is the index of its entry in the process-wide array vmctx.funcs;
// entry 0 is the null reference, with sig 0 and code that traps.
struct func_entry {
    u64 code; // address to call; rax holds the entry's address in that call
    u32 sig;  // canonical type id, never 0 but in the null entry
    u32 id;   // this entry's index in vmctx.funcs; in the null entry: how many
              // entries there are
};

// Where a function really is, and what its type has on the stack: for the stubs
// of port/x64 that call host functions and that switch instances.  Row `id` of
// vmctx.targets belongs to entry `id`.
struct func_target {
    u64 code;          // of the C function or of the wasm function
    u32 context;       // byte offset in vmctx.contexts of its instance's vmctx;
                       // not of a host function, which has its caller's
    u16 args, results; // on the stack, in units of STACK_UNIT bytes
};

enum { STACK_UNIT = 16 };

// Part of struct memory in the kernel.
struct memory_view {
    u64 size; // bytes, only grows
    u64 max;  // bytes
};

// What a reference refers to.  It is 64 bits wide, 0 is null, and nobody
// follows it as an address: one to a function is an index in vmctx.funcs.
enum ref_kind {
    REF_FUNC,   // an id of the process's functions
    REF_EXTERN, // any word
    REF_EXN,    // see runtime/exception.c
    REF_ANY,    // structs, arrays and i31, and what the host makes of its own
                // references; see struct vmctx_heap
};

// Part of struct live_table in the kernel.  All entries are references of 8
// bytes, whatever the table's type, so that one is read and written in one go.
struct table_view {
    u64 count; // entries, only grows
    u64 *base; // moves only while no other thread can run in the process
};

struct vmctx_memory {
    u8 *base; // never moves
    struct memory_view *view;
};

struct vmctx_table {
    struct table_view *view;
};

// An own global, or the copy of an imported immutable one, is in `bits`; for
// an imported mutable one `bits[0]` is the address of the owner's bits.
struct vmctx_global {
    u64 bits[2];
};

// The heap of a thread is a slot like that of a memory: any 32-bit offset and a
// displacement below 2^31 stay in it.  A reference of the kind REF_ANY is such
// an offset; its low bits say to what.
struct vmctx_heap {
    u8 *base;          // never moves
    struct heap *heap; // the kernel's
};

enum {
    // A reference & 7: a struct begins at a multiple of 8, an array 4 later.
    REF_TAG_MASK = 7,
    REF_TAG_STRUCT = 0, // or null
    REF_TAG_ARRAY = 4,
    REF_TAG_I31 = 1,  // & 1; the number is above
    REF_TAG_HOST = 2, // & 3; likewise

    // The slot.  Nothing is ever mapped below HEAP_SCRATCH: an access by null
    // faults, as a struct is no larger than that.
    HEAP_SCRATCH = 256 * 1024, // 16 bytes: a value on its way to the kernel
    HEAP_NOTHING = HEAP_SCRATCH + 16, // looks like an object of type row 0
    // Code makes structs of up to HEAP_INLINE bytes from one offset up to
    // another; what is between them is zero.
    HEAP_ROOM = HEAP_SCRATCH + 64,
    HEAP_ROOM_END = HEAP_SCRATCH + 68,
    // Not 0: a collection is under way, which has to see each reference that is
    // overwritten in an object (HEAP_OVERWRITE in abi/builtins.def).
    HEAP_MARKING = HEAP_SCRATCH + 72,
    HEAP_INLINE = 256,
    HEAP_ROWS = HEAP_SCRATCH + 4096, // of the types of objects
    HEAP_ROW_WORDS = 8,
    HEAP_ROW_SIZE = 4 * HEAP_ROW_WORDS,
    HEAP_OBJECTS = 34 * 1024 * 1024, // what is made begins here
    HEAP_TYPES_MAX = (HEAP_OBJECTS - HEAP_ROWS) / HEAP_ROW_SIZE,

    // An object begins with the row of its type: the offset of the rows of the
    // supertypes at depth 0 to 7, itself among them, or 0.  In a struct its
    // fields follow, in an array its length and the elements.
    HEAP_FIELDS = 4,
    HEAP_LENGTH = 4,
    HEAP_ELEMENTS = 8,       // of up to 4 bytes
    HEAP_WIDE_ELEMENTS = 12, // of 8 and 16
};

struct vmctx {
    u64 stack_limit;             // lowest rsp that a frame may reach
    struct thread *thread;       // the kernel's
    struct instance *instance;   // the kernel's
    struct vmctx **contexts;     // of this thread, by instance number
    struct func_entry *funcs;    // of the process
    const u64 *builtins;         // addresses, by enum builtin
    u32 instance_number;         // within the process
    u32 func_base;               // id of this instance's function 0
    struct func_target *targets; // of the process, parallel to funcs
    // the module's parts follow
};

_Static_assert(sizeof(struct vmctx) == 64, "generated code relies on it");
_Static_assert(sizeof(struct func_entry) == 16, "generated code shifts by 4");
_Static_assert(sizeof(struct func_target) == 16, "generated code shifts by 4");

// --- what system calls read and write ----------------------------------------

#define FIELD(bits, name) u##bits name;
#define STRUCT(id, help, fields) \
    struct id {                  \
        fields                   \
    };
#include "abi/structs.def"

#define FIELD(bits, name) +bits / 8
#define STRUCT(id, help, fields) \
    _Static_assert(sizeof(struct id) == 0 fields, "nothing is left free");
#include "abi/structs.def"

// --- the parts of a module --------------------------------------------------

// How many elements each part has.
struct vmctx_counts {
#define PART(id, type) u32 id;
#include "abi/vmctx.def"
};

// Where each part starts, in bytes from r14.
struct vmctx_layout {
#define PART(id, type) u32 id;
#include "abi/vmctx.def"
    u32 size; // of the whole vmctx, a multiple of 16
};

// False when an offset would be no displacement of an instruction, 2 GiB.
MUST_USE bool vmctx_lay_out(struct vmctx_layout *out,
                            const struct vmctx_counts *counts);

// For each part: vmctx_PART_at(), the offset of its element k, and
// vmctx_PART(), the part in a block that is laid out like this.
#define PART(id, type)                                                     \
    static inline u32 vmctx_##id##_at(const struct vmctx_layout *l, u32 k) \
    {                                                                      \
        return l->id + k * (u32)sizeof(type);                              \
    }                                                                      \
    static inline type *vmctx_##id(const struct vmctx_layout *l,           \
                                   struct vmctx *vm)                       \
    {                                                                      \
        return (type *)((u8 *)vm + l->id);                                 \
    }
#include "abi/vmctx.def"

// --- builtins, traps, limits ------------------------------------------------

enum builtin {
#define BUILTIN(id, sig, trap, low, high) BUILTIN_##id,
#include "abi/builtins.def"
    BUILTIN_COUNT
};

// After the vmctx, all of them in registers: the stubs know no others.
enum { BUILTIN_ARGS_MAX = 5 };

enum trap {
    TRAP_NONE,
#define TRAP(id, text) TRAP_##id,
#include "abi/traps.def"
    TRAP_COUNT
};

// The sentence of a trap (abi/abi.c).
const char *trap_text(enum trap trap);

// All fit into an int.
enum {
#define LIMIT(id, value, why) LIMIT_##id = value,
#include "abi/limits.def"
};

// Numbers of calls, and exit statuses.
enum {
#define NUMBER(value, id, set, help) id = value,
#include "abi/numbers.def"
};
