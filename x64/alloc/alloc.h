// x64/alloc/alloc.h: what the files of the register allocator share.
//
//     live.c      what is live into each block, and how far its next use is
//     uses.c      next uses while a block is walked
//     regs.c      the register file: choose, evict, move, load
//     place.c     one instruction's operands
//     place_call.c  arguments and results of calls and returns
//     edges.c     what is where at the start of a block, moves on edges
//     loops.c     the same for the headers of loops
//     parallel.c  parallel moves
//     frame.c     slots, and the final order of the code
//     alloc.c     the steps in order
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

enum {
    SLOT_OF_VREG = 2, // in mins.flags_live: disp is a vreg, for frame_finish
};

// What is known about a vreg.
struct vreg {
    u32 stamp;    // the visit of a block in which `next` was set
    u32 next;     // position of the next use, or NEVER
    u32 loop_end; // live in all blocks before this one, since a loop's header
    u32 again;    // then: position of the next use, one turn later
    vreg_t like;  // would best have the register of this one; 0: none
    vreg_t next_def; // definitions in the order of the code
    u32 def_at;      // instruction of `out` before which a spill store belongs
    u32 last;        // slot: one past the last instruction of `out` that reads
                     // it; if STORED, in parallel.c: 1 + the move to it, or 0
    u32 end;         // slot: the last block that needs it
    i32 slot;        // offset in the frame, or of an incoming argument
    u8 reg;          // where it is now, or REG_NONE
    u8 hint;         // the register that its first use wants, or REG_NONE
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

// Where a value comes from or goes to in a parallel move.
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

// --- operands.c: which vregs an instruction reads and writes -----------------

enum role {
    ROLE_NONE,
    ROLE_USE,
    ROLE_RM, // register b: a use that may become memory
    ROLE_DEF,
    ROLE_TIED,  // def, in the register of a (unless VEX)
    ROLE_EARLY, // def, in no register that is read
    ROLE_RAX,   // use or def in a fixed register
    ROLE_RCX,
    ROLE_RDX,
};

struct roles {
    u8 def, def2, a, b; // enum role
    u8 clobbers;        // bits rax rcx rdx
};

// By whether VEX-encoded, whether the rm operand is memory, and shape.
extern const struct roles shape_roles[2][2][SHAPE_COUNT];

// What the walks over the code ask of every instruction.
struct op_traits {
    u8 shape;     // enum x64_shape
    u8 flags;     // enum x64_flag, as far as it fits
    bool is_call; // a call, a tail call or a return: uses struct mcall
};

extern const struct op_traits op_traits[X64_OP_COUNT];

static inline bool
mins_is_call(const struct mins *ins)
{
    return op_traits[ins->op].is_call;
}

static inline bool
mins_is_ret(const struct mins *ins)
{
    return op_traits[ins->op].shape == SHAPE_RET;
}

// A call that comes back.
static inline bool
mins_returns(const struct mins *ins)
{
    u8 shape = op_traits[ins->op].shape;

    return shape == SHAPE_CALL_REL || shape == SHAPE_CALL_RM;
}

static inline u8
mins_shape(const struct mins *ins)
{
    return op_traits[ins->op].shape;
}

static inline const struct roles *
mins_roles(const struct mins *ins, u32 features)
{
    struct op_traits traits = op_traits[ins->op];
    bool vex = (traits.flags & VEX_ONLY) ||
               ((traits.flags & VEX) && (features & CPU_AVX));

    return &shape_roles[vex][ins->flags & MINS_MEM][traits.shape];
}

// The edges out of a block: the last instruction's.  Consecutive numbers or
// two, so: count, and edge_out() for each.
u32 edges_out(const struct mach *m, blk_t b);
edge_t edge_out(const struct mach *m, blk_t b, u32 i);

// --- live.c ------------------------------------------------------------------

void live(struct allocator *a);
void live_print(const struct allocator *a, struct printer *p);

// --- uses.c ------------------------------------------------------------------

// Start on block b: note what is live into it.
void uses_enter(struct allocator *a, blk_t b);

// An operand v has been met: its next use is now the one after this.
u32 uses_pop(struct allocator *a, vreg_t v);

// The position of the next use, NEVER when dead.
u32 next_use(const struct allocator *a, vreg_t v);

// --- regs.c ------------------------------------------------------------------

struct mins *code_add(struct allocator *a, u32 op);
void fail(struct allocator *a, status_t status);

void code_copy(struct allocator *a, reg_t to, reg_t from, u8 type);
void code_load(struct allocator *a, reg_t to, vreg_t v);
void code_const(struct allocator *a, reg_t to, vreg_t v, bool flags_live);

// Turn the rm operand of `ins` into the slot of v, or into its constant.
void code_slot(struct allocator *a, struct mins *ins, vreg_t v);
void code_rodata(struct allocator *a, struct mins *ins, vreg_t v);
void const_bits(const struct allocator *a, vreg_t v, u64 bits[2]);

void need_slot(struct allocator *a, vreg_t v);

void reg_set(struct allocator *a, reg_t r, vreg_t v);
void reg_release(struct allocator *a, reg_t r);
void value_release(struct allocator *a, vreg_t v);
void define(struct allocator *a, vreg_t v, reg_t r);

// A register of `set` for v: a free one that suits it, else the one whose value
// is needed last, after making sure that this value has a slot.
reg_t reg_pick(struct allocator *a, vreg_t v, u32 set);
reg_t reg_choose(struct allocator *a, vreg_t v, u32 set); // set: free, not 0

// Make r hold nothing: its value moves to another register or to its slot.
void reg_vacate(struct allocator *a, reg_t r, u32 avoid);

// --- place.c, place_call.c ---------------------------------------------------

void place_ins(struct allocator *a, const struct mins *ins);
void place_call(struct allocator *a, const struct mins *ins);
void place_params(struct allocator *a); // of the function

// --- edges.c -----------------------------------------------------------------

void block_enter(struct allocator *a, blk_t b);
void block_leave(struct allocator *a, blk_t b);

// A register for parameter i of block b, if there is one left.
void choose_param(struct allocator *a, blk_t b, edge_t best, u32 i);

// --- loops.c -----------------------------------------------------------------

static inline bool
is_header(const struct allocator *a, blk_t b)
{
    u32 l = a->fn->blocks[b].loop;

    return l != 0 && a->fn->loops[l].header == b;
}

// Fill the registers for the header b; `best` is the edge into the loop.
void choose_loop(struct allocator *a, blk_t b, edge_t best);

// The moves of edge e, back to a loop's header, may be made before the branch
// that ends block b if the way out of the loop does not need what they
// overwrite.  That saves a jump in each turn.
void try_early(struct allocator *a, blk_t b, edge_t e);

// --- parallel.c --------------------------------------------------------------

void moves_add(struct allocator *a, struct place to, struct place from);
void moves_emit(struct allocator *a); // appends to a->list, empties the moves

// --- frame.c -----------------------------------------------------------------

void frame_finish(struct allocator *a);
