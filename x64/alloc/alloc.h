// x64/alloc/alloc.h: what the files of the register allocator share.
//
//     alloc.c        the driver: three phases
//     region.c       where the new code goes
//  1. live.c         what is live into each block, how far its next use is
//  2. uses.c         next uses while a block is walked
//     regs.c         the register file: choose, evict, move, load
//     assign.c       one instruction's operands
//     assign_call.c  arguments and results of calls and returns
//     edges.c        what is where at the start of a block, moves on edges
//     loops.c        the same for the headers of loops
//     parallel.c     parallel moves
//  3. frame.c        slots, and the final order of the code
//
// The code is in SSA, so a value that ever needs a slot is stored there once,
// right after its definition, and the slot holds it wherever it is live.
// Blocks are visited in layout order: all predecessors but the back edges of
// loops come before a block.

#pragma once

#include "x64/mach.h"

enum {
    NEVER = 0xffffffff, // next use of a value that is dead
    FAR = 1 << 20,      // added to a distance that leaves a loop
    COLD = 1 << 12,     // ... that enters a cold block
    DISTANCE_MAX = 1 << 29,
    CROSSES_CALL = 1u << 31, // in live_in.distance: a call comes before the use
};

enum {
    REGS_GENERAL = 0xffff & ~(1 << REG_RSP | 1 << REG_R14 | 1 << REG_R15),
    REGS_VECTOR = 0x7fff0000, // all but xmm15
    REGS_ALL = REGS_GENERAL | REGS_VECTOR,
    REGS_CALLER_SAVED = REGS_ALL & ~REGS_CALLEE_SAVED,
};

enum value_flag {
    VALUE_CONST = 1,    // an IR_CONST: no definition, made where needed
    VALUE_CALL = 2,     // a call lies between its definition and a use
    VALUE_SLOT = 4,     // has a slot
    VALUE_INCOMING = 8, // ... which is its place among the stack arguments
    VALUE_STORED = 16,  // ... that edges write: no store after the definition
    VALUE_SPANS = 32,   // the slot is used outside of the block of definition
};

// What is known about a vreg.  Fields that share memory belong to different
// phases (numbered as in alloc.c) or to different kinds of values.
struct vreg {
    u32 stamp;    // the visit of a block in which `next` was set
    u32 next;     // phase 1: distance of the next use from the start of the
                  // block, 2: its position in the code; NEVER
    u32 loop_end; // 2: live in all blocks before this one, from a header on
    union {
        u32 calls_end;        // 1: allocator.calls where its life ends
        u32 again;            // 2, with loop_end: position of the next use, one
                              // turn later
        vreg_t next_expiring; // 3: the next slot that ends with the same block
    };
    union {
        u32 calls_use; // 1: allocator.calls at the next use; NEVER: a call
                       // comes before it, in another block
        u32 def_at;    // 2, 3: instruction of `out` before which a spill store
                       // belongs
    };
    union {
        vreg_t next_def;   // 2: definitions in the order of the code
        vreg_t next_store; // 3: stores that are due, the last first
    };
    union {
        u32 last_read; // slot: one past the last instruction of `out` that
                       // reads it
        u32 mover;     // slot if STORED: 1 + the move to it in parallel.c, or 0
    };
    union {
        i32 slot;     // offset in the frame; -1: not yet
        i32 incoming; // if INCOMING: offset among the stack arguments
        i32 rodata;   // if CONST: offset in the pool; -1: not yet
    };
    u32 end;     // slot: the last block that needs it
    vreg_t like; // would best have the register of this one; 0: none
    u8 reg;      // where it is now, or REG_NONE
    u8 hint;     // the register that its first use wants, or REG_NONE
    u8 def_reg;  // where it was at its definition, REG_NONE: not yet defined
    u8 flags;    // enum value_flag
    u8 pred_reg; // edges.c: where it is at the end of a predecessor
    u8 preds;    // edges.c: predecessors that have it in a register
};

struct live_in {
    vreg_t v;
    u32 distance; // from the start of the block, and CROSSES_CALL
};

// Instructions [first, first + count) of a list.
struct range {
    u32 first, count;
};

// An entry of allocator.states: which register holds which vreg.
enum {
    STATE_SHIFT = 27, // register << STATE_SHIFT | vreg
    STATE_VREG = (1 << STATE_SHIFT) - 1,
};

static inline reg_t
state_reg(u32 state)
{
    return (reg_t)(state >> STATE_SHIFT);
}

static inline vreg_t
state_vreg(u32 state)
{
    return state & STATE_VREG;
}

struct loop_info {
    u32 pressure[2];    // most values of its own live at once: general, vector
    bool calls;         // has a call that is not in a cold block
    struct range entry; // in allocator.states: registers at the header
    u32 wanted;         // registers of the header's parameters
};

struct code_list {
    struct mins *ins;
    u32 count, capacity;
};

// A place is where a value is: where it comes from or goes to in a parallel
// move.
enum place_kind {
    PLACE_REG,
    PLACE_SLOT,  // the slot of vreg `v`
    PLACE_CONST, // source: the IR_CONST `v`
    PLACE_OUT,   // target: the outgoing area, at `offset`
    PLACE_ARGS,  // the incoming area (results of a return), at `offset`
    PLACE_CYCLE, // the frame slot of cycles, at `offset`
};

struct place {
    u8 kind;
    reg_t reg;
    u8 type; // enum ir_type
    u32 v;
    u32 offset;
};

struct move {
    struct place to, from;
    u32 readers; // moves that still have to read `to`
    bool done;
};

struct allocator {
    struct mach *m;
    const struct fn *fn;
    struct arena *temp;
    status_t status; // first failure
    struct vreg *values;

    // live.c
    struct live_in *live;
    u32 live_count, live_capacity;
    struct range *live_in; // by block
    struct loop_info *loops;
    u32 visit;        // stamp of the block being visited
    u64 work, budget; // live values looked at
    u32 calls;        // calls between here and the end of the block
    u32 pressure[2];  // values of the innermost loop live here
    vreg_t own;       // they are the vregs from here up
    u8 *edge_flags;   // enum edge_flag

    // Distances of next uses, for each operand of the code: the first on top.
    u32 *uses;
    u32 use_count, use_capacity;

    // The register file.
    vreg_t in[REG_COUNT]; // what each register holds, 0: nothing that matters
    u32 free;             // registers with in[] == 0
    u32 locked;           // not to be touched by this instruction
    u32 used;             // registers ever written
    u32 wanted;           // better left to the parameters of the loop
    u32 position;         // of the instruction in m->ins
    u32 first;            // ... of the first one of the block
    blk_t block;
    blk_t slot_block; // the block that a reference to a slot counts for
    val_t from;       // where inserted code belongs

    struct code_list out; // the new code
    struct mins *region;  // when not NULL: `out` grows from here into the room
    u32 gap;              // of `gap` before m->ins, and follows what is read
    struct code_list extra; // code of edges
    struct code_list *list; // the one being appended to
    struct mblock *blocks;
    struct range *edge_code; // by edge, in extra
    u32 *states;
    u32 state_count, state_capacity;
    struct range *exit; // by block, in states
    vreg_t first_def, last_def;

    struct move *moves;
    u32 move_count, move_capacity;
    struct arena abi_arena; // locations of one call
    i32 cycle_slot;         // frame slot for cycles of slots, -1: none
    struct mins nowhere;    // written to when there is no memory
};

enum edge_flag {
    EDGE_CATCH = 1, // to a landing pad
    EDGE_EARLY = 2, // its moves are made before the branch, on both ways
};

// Not absent, nor a fixed base, nor an exception's payload.
static inline bool
is_vreg(vreg_t v)
{
    return v != 0 && v < VAL_EXNREF;
}

// REG_NONE has no bit.
static inline u32
reg_bit(u32 reg)
{
    return reg < REG_NONE ? 1u << reg : 0;
}

static inline bool
type_is_vector(u8 type)
{
    return type >= IR_F32;
}

static inline u32
type_regs(u8 type)
{
    return type_is_vector(type) ? REGS_VECTOR : REGS_GENERAL;
}

static inline u32
type_size(u8 type)
{
    return type == IR_V128 ? 16 : type == IR_I64 || type == IR_F64 ? 8 : 4;
}

static inline u8
value_type(const struct allocator *a, vreg_t v)
{
    return a->m->types[v];
}

// --- region.c ----------------------------------------------------------------

// Decide where the new code goes; a large function's m->ins moves up.
void alloc_region_init(struct allocator *a);

// Phase 1 is over: a->out may grow.
MUST_USE status_t alloc_region_open(struct allocator *a);

// All instructions before `position` have been read: `out` may reach up to it.
void alloc_region_extend(struct allocator *a, u32 position);

// --- live.c ------------------------------------------------------------------

// Phase 1: fill live_in, loops and uses, and what vregs say of it.  Fails with
// ERR_BUDGET when too much is live at once.
void alloc_live(struct allocator *a);

// What is live into each block, as text; after alloc_live.
void alloc_live_print(const struct allocator *a, struct printer *p);

// --- uses.c ------------------------------------------------------------------

// Start on block b: note what is live into it.
void alloc_uses_enter(struct allocator *a, blk_t b);

// An operand v has been met: its next use is now the one after this; its
// position, or NEVER.  Once for each operand, in the order in which alloc_live
// met them, backwards.
u32 alloc_uses_pop(struct allocator *a, vreg_t v);

// The position of the next use, NEVER when dead.
u32 alloc_next_use(const struct allocator *a, vreg_t v);

// --- regs.c: code ------------------------------------------------------------

// Note a failure; the first one stays.
void alloc_fail(struct allocator *a, status_t status);

// Append an instruction to a->list; no operands yet.  Valid until the next.
struct mins *alloc_put(struct allocator *a, u32 op);

// Append a move of a value of this type (enum ir_type), if to is not from.
void alloc_put_copy(struct allocator *a, reg_t to, reg_t from, u8 type);

// Append a load of v, which has a slot, from there.
void alloc_put_load(struct allocator *a, reg_t to, vreg_t v);

// Append what makes the constant v, without writing the flags if these live.
void alloc_put_const(struct allocator *a, reg_t to, vreg_t v, bool flags_live);

// Make the rm operand of `ins` the slot of v.
void alloc_set_slot(struct allocator *a, struct mins *ins, vreg_t v);

// Make the rm operand of `ins` the constant v, in the function's pool.
void alloc_set_rodata(struct allocator *a, struct mins *ins, vreg_t v);

// The bits of the constant v, zeros above those of its type.
void alloc_const_bits(const struct allocator *a, vreg_t v, u64 bits[2]);

// --- regs.c: registers and slots ---------------------------------------------

// v, not a constant, will be stored in a slot right after its definition.
void alloc_need_slot(struct allocator *a, vreg_t v);

// r, which was free, holds v from here on.
void alloc_reg_set(struct allocator *a, reg_t r, vreg_t v);

// r holds nothing any more.
void alloc_reg_release(struct allocator *a, reg_t r);

// v is in no register any more.
void alloc_value_release(struct allocator *a, vreg_t v);

// v is born here, in r or, if that is REG_NONE, in its slot.
void alloc_define(struct allocator *a, vreg_t v, reg_t r);

// A register of `set` (not empty) for v: a free one that suits it, else the one
// whose value is needed last, which loses it and gets a slot.
reg_t alloc_reg_pick(struct allocator *a, vreg_t v, u32 set);

// The register of `set` (all free, not empty) that suits v best.
reg_t alloc_reg_choose(struct allocator *a, vreg_t v, u32 set);

// Make r hold nothing: its value moves to a register outside of `avoid`, or to
// its slot.
void alloc_reg_vacate(struct allocator *a, reg_t r, u32 avoid);

// --- assign.c, assign_call.c -------------------------------------------------

// Append `ins` on registers, after the moves that it needs.
void alloc_ins(struct allocator *a, const struct mins *ins);

// The same for a call, a tail call or a return.
void alloc_call(struct allocator *a, const struct mins *ins);

// The function's parameters are where the caller put them.
void alloc_params(struct allocator *a);

// --- edges.c -----------------------------------------------------------------

// Choose what is where at the start of block b, and make the moves of all edges
// into it but the back edges.
void alloc_block_enter(struct allocator *a, blk_t b);

// Block b has been assigned: remember what is where at its end, and make the
// moves of its back edges.
void alloc_block_leave(struct allocator *a, blk_t b);

// A register for parameter i of block b, if there is one left.
void alloc_choose_param(struct allocator *a, blk_t b, edge_t best, u32 i);

// --- loops.c -----------------------------------------------------------------

static inline bool
is_header(const struct allocator *a, blk_t b)
{
    u32 l = a->fn->blocks[b].loop;

    return l != 0 && a->fn->loops[l].header == b;
}

// Fill the registers for the header b; `best` is the edge into the loop.
void alloc_choose_loop(struct allocator *a, blk_t b, edge_t best);

// The moves of edge e, back to a loop's header, may be made before the branch
// that ends block b if the way out of the loop does not need what they
// overwrite.  That saves a jump in each turn.
void alloc_try_early(struct allocator *a, blk_t b, edge_t e);

// --- parallel.c --------------------------------------------------------------

// One more move of those that happen at once; the targets are distinct.
void alloc_move_add(struct allocator *a, struct place to, struct place from);

// Append them to a->list, in an order that works, and start on new ones.
void alloc_moves_put(struct allocator *a);

// --- frame.c -----------------------------------------------------------------

// Phase 3: give spilled values their slots, and put spill stores and the moves
// of edges where they belong.
void alloc_frame(struct allocator *a);
