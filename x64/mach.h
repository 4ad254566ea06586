// x64/mach.h: machine instructions, between the steps of the back end.
//
//     fn --select/--> machine code on virtual registers
//        --alloc/--> machine code on real registers and frame slots
//        --emit/--> bytes
//
// A virtual register (vreg_t) has one definition.  An IR value that select
// keeps in a register has its own number as vreg; temporaries are numbered
// from fn.ins_count up.  An IR_CONST has no machine instruction: it is
// materialised by allocate where a register is needed (select folds it into an
// immediate where it can), so constants are never spilled.

#pragma once

#include "code/code.h"
#include "ir/ir.h"

typedef u32 vreg_t; // before allocate: a virtual register, 0 = none

// After allocate the same fields hold real registers: REG_RAX .. REG_R15,
// REG_XMM0 .. REG_XMM15, and REG_NONE for none.
typedef u8 reg_t;

enum {
    REG_RAX,
    REG_RCX,
    REG_RDX,
    REG_RBX,
    REG_RSP,
    REG_RBP,
    REG_RSI,
    REG_RDI,
    REG_R8,
    REG_R9,
    REG_R10,
    REG_R11,
    REG_R12,
    REG_R13,
    REG_R14,
    REG_R15,
    REG_XMM0, // REG_XMM0 + n
    REG_XMM15 = REG_XMM0 + 15,
    REG_COUNT,
    REG_NONE = REG_COUNT,
};

// r15 = base of memory 0, r14 = vmctx, rsp; xmm15 is the scratch of parallel
// moves and of moves between slots.  Everything else is allocatable.
enum {
    REG_MEMORY = REG_R15,
    REG_VMCTX = REG_R14,
    REG_SCRATCH = REG_XMM15,
};

// --- abi.c: calling convention ----------------------------------------------

// System V with one change.  Arguments: integers in rdi rsi rdx rcx r8 r9,
// floats and vectors in xmm0-7, the rest on the stack.  Results: integers in
// rax rdx rcx rsi rdi r8, floats and vectors in xmm0-7, the rest on the stack.
// Callee-saved: rbx rbp r12 r13 (r14 and r15 are written by port/x64 only).
// i32 are zero-extended on both sides.
//
// The stack at the call, from rsp (a multiple of 16) up: arguments, then
// results; in each area 8 bytes a value, vectors 16 bytes and aligned, the
// size of each area rounded up to 16.  The change: the callee pops its stack
// arguments (ret args_size), so that a tail call can have any signature.  The
// caller moves rsp back down by args_size right after such a call; emit does
// that.  C functions have all their arguments in registers.
//
// An indirect call has the address of its func_entry in rax.
struct abi_loc {
    reg_t reg;  // or REG_NONE: on the stack
    u32 offset; // from the caller's rsp at the call
};

struct abi {
    struct abi_loc *params, *results; // one for each
    u32 args_size;  // of the arguments on the stack, which the callee pops
    u32 stack_size; // of arguments and results
};

enum {
    REGS_CALLEE_SAVED = // bit REG_x
    1 << REG_RBX | 1 << REG_RBP | 1 << REG_R12 | 1 << REG_R13,
    REGS_CONTEXT = // what all code of an instance relies on
    1 << REG_VMCTX | 1 << REG_MEMORY,
};

// Where the values of a function type travel.  Linear in their number.
MUST_USE status_t abi_compute(struct abi *abi, const struct type *type,
                              struct arena *temp);

// At least the stack_size of any type with so many parameters and results.
u32 abi_stack_most(u32 params, u32 results);

// --- instructions -----------------------------------------------------------

// Rows of x64/ops.def, which says what the columns and the names mean.
enum x64_op {
#define X64(id, text, prefix, w, opcode, ext, shape, regs, mem, imm, flags) \
    X64_##id,
#include "x64/ops.def"
    X64_OP_COUNT
};

enum x64_flag {   // of a row
    WFLAGS = 1,   // writes the flags
    RFLAGS = 2,   // reads them
    COMMUTES = 4, // a and the register rm may be exchanged
    VEX = 8,      // VEX-encoded with CPU_AVX; def is not tied then
    VEX_ONLY = 16,
    MERGES = 32, // shape RM, whose VEX form has a third operand (vsqrtsd)
    LOCKED = 64,
    NO_MEM = 128, // rm is a register
    ONLY_MEM = 256,
};

enum x64_imm { // of a row
    X64_IMM_NONE,
    X64_IMM_I8,
    X64_IMM_I16,
    X64_IMM_I32,
    X64_IMM_S16, // 16 bits, or 8 sign-extended
    X64_IMM_S32, // 32 bits, or 8 sign-extended
    X64_IMM_SH,  // a shift count
    X64_IMM_I64,
};

enum x64_shape { // of operands, see shapes.def
#define SHAPE(id, reg, vvvv, rm, text, read, def, mem, def2, a, b, clobbers) \
    SHAPE_##id,
#include "x64/shapes.def"
    SHAPE_COUNT
};

// Condition codes: the hardware's, and two of several flags, for JCC and
// cmov rows of floats only.
enum cc {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G,
    CC_FEQ, // after ucomis: equal and ordered, ZF and not PF
    CC_FNE, // the opposite
    CC_ALWAYS,
};

enum mins_flag {
    MINS_MEM = 1,   // the rm operand is memory
    MINS_FRAME = 2, // ... in the frame: base none, disp from frame slot 0
    MINS_ARGS = 4,  // ... among the incoming stack arguments
    MINS_OUT = 8,   // ... among the outgoing arguments: disp from rsp
    MINS_RODATA =
        16, // ... a constant of the function: disp = offset in the pool
    MINS_TRAPS = 32,    // may fault: a trap site; divisions by the divisor, in
                        // the heap by null, all others MEMORY_BOUNDS
    MINS_CONST64 = 64,  // imm is an index in mach.wide (64-bit immediate)
    MINS_SPILLED = 128, // ... the slot of vreg disp; inside of allocate only
};

// One machine instruction.  Between one that sets flags and its reader,
// allocate puts nothing but moves that leave the flags alone.
struct mins {
    u16 op;          // enum x64_op
    u8 flags;        // enum mins_flag
    u8 cc;           // enum cc; for memory operands the scale is in `scale`
    u8 scale;        // 0..3
    bool flags_live; // the flags are read later; for allocate
    u8 unused[2];
    vreg_t def, def2, a, b;
    vreg_t base, index; // memory: [base + index << scale + disp]; base may be
                        // MEM_VMCTX or MEM_MEMORY (fixed registers)
    i32 disp;
    u32 imm;    // immediate; edge; index in mach.calls; trap kind
    val_t from; // the IR instruction it does (part of), for fn.at; 0: none
};

_Static_assert(sizeof(struct mins) == 44, "the compiler's memory budget");

enum { // as vreg of a memory base; after allocate REG_R14 and REG_R15
    MEM_VMCTX = 0xfffffff0,
    MEM_MEMORY = 0xfffffff1,
};

// A call, or the values of a return.
struct mcall {
    const struct type *type;   // NULL: a builtin: vmctx in rdi, then arguments
                               // in rsi rdx rcx r8 r9, result in rax
    u32 func;                  // CALL_REL, TAIL_REL: function index
    u32 args, arg_count;       // in mach.list; may be IR_CONSTs
    u32 results, result_count; // in mach.list; 0: the result is not used
    u32 try;                   // innermost handler in fn.tries, or 0
    u32 args_size;             // set by allocate, see struct abi
};

// A function in machine code.
struct mach {
    struct printer *dump_live; // allocate shows what is live; or NULL
    const struct fn *fn;       // edges, arguments of edges and loops stay there
    u32 features;              // enum cpu_feature
    struct mins *ins;
    u32 count, capacity;
    bool is_packed; // nothing but these arrays comes after them in the arena
    struct mblock {
        u32 first, end;
        edge_t edge; // 0, or: the code of an edge, without a jump; it goes on
                     // at fn.edges[edge].to
    } * blocks; // by blk_t, after allocate also edge blocks; parameters are the
                // IR_PARAMs of fn.blocks
    u32 block_count;
    u8 *types; // enum ir_type by vreg; of an I32 only the lower half survives
    u32 vreg_count, vreg_capacity;
    struct mcall *calls;
    u32 call_count, call_capacity;
    vreg_t *list;
    u32 list_count, list_capacity;
    u64 *wide;
    u32 wide_count, wide_capacity;
    u64 (*rodata)[2]; // constants of 16 bytes at multiples of 16
    u32 rodata_count, rodata_capacity;

    // The frame, from rsp up: the outgoing area (MINS_OUT), then what
    // MINS_FRAME counts from; both are multiples of 16.  select sets what it
    // needs itself (slots of plain mode, payload of a throw), allocate adds.
    u32 out_size, frame_size;
    u32 args_size;   // stack arguments to pop, set by allocate
    u32 saved;       // registers to keep in the frame: bit REG_x; by allocate:
                     // callee-saved ones that are written, and with landing
                     // pads all of those and REGS_CONTEXT
    u16 *narrow;     // by block of fn, set by allocate: registers that hold an
                     // i32 when it is entered, bit REG_x
    u32 *edge_block; // by edge, set by allocate: the block to jump to, which is
                     // fn.edges[].to or an edge block
};

// --- operands.c: what is known of rows and shapes ----------------------------

// A row of ops.def.
struct x64_info {
    const char *text;
    u8 prefix, w;
    u32 opcode;
    u8 ext, shape; // enum x64_shape
    char regs[3];
    u8 mem, imm; // enum x64_imm
    u16 flags;   // enum x64_flag
};

extern const struct x64_info x64_infos[X64_OP_COUNT];

static inline const struct x64_info *
x64_info(u32 op)
{
    assert(op < X64_OP_COUNT);
    return &x64_infos[op];
}

// Is the row VEX-encoded on such a CPU?
bool x64_is_vex(const struct x64_info *info, u32 features);

// What an operand of a shape is; see shapes.def.
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
extern const struct roles x64_shape_roles[2][2][SHAPE_COUNT];

// What the walks over the code ask of every instruction.
struct x64_traits {
    u8 shape;     // enum x64_shape
    u8 flags;     // enum x64_flag, as far as it fits
    bool is_call; // a call, a tail call or a return: uses struct mcall
};

extern const struct x64_traits x64_traits[X64_OP_COUNT];

static inline bool
mins_is_call(const struct mins *ins)
{
    return x64_traits[ins->op].is_call;
}

static inline bool
mins_is_ret(const struct mins *ins)
{
    return x64_traits[ins->op].shape == SHAPE_RET;
}

// A call that comes back.
static inline bool
mins_returns(const struct mins *ins)
{
    u8 shape = x64_traits[ins->op].shape;

    return shape == SHAPE_CALL_REL || shape == SHAPE_CALL_RM;
}

static inline u8
mins_shape(const struct mins *ins)
{
    return x64_traits[ins->op].shape;
}

static inline const struct roles *
mins_roles(const struct mins *ins, u32 features)
{
    struct x64_traits traits = x64_traits[ins->op];
    bool vex = (traits.flags & VEX_ONLY) ||
               ((traits.flags & VEX) && (features & CPU_AVX));

    return &x64_shape_roles[vex][ins->flags & MINS_MEM][traits.shape];
}

// The edges out of a block: the last instruction's.  Consecutive numbers or
// two, so: count, and mach_edge_out() for each.
u32 mach_edges_out(const struct mach *m, blk_t b);
edge_t mach_edge_out(const struct mach *m, blk_t b, u32 i);

// --- mach.c -----------------------------------------------------------------

// Make m->ins the newest block of the arena, right after mach_keep.  False when
// there is no memory; then nothing has changed.
MUST_USE bool mach_ins_last(struct mach *m, struct arena *temp);

// A step is done: of what was taken from `temp` since the mark, keep only m.
void mach_keep(struct mach *m, struct arena *temp, u64 mark);

// Offset in the pool of a constant of 16 bytes; UINT32_MAX: out of memory.
u32 mach_rodata(struct mach *m, struct arena *temp, u64 low, u64 high);

// --- select/ ---------------------------------------------------------------

// Choose the instructions.  Replaces values by the vregs that stand for them
// in the argument lists of edges (fn.pool); 0 there: the parameter is not used.
//
// What allocate relies on:
//  * every use is dominated by the one definition;
//  * flags are not live across blocks, calls and switches;
//  * an operand that has to be in a fixed register (form, call) shares its
//    vreg with no other operand that has to be elsewhere;
//  * a tail call, jump, switch, return or trap is the last of its block;
//  * an edge of a catch keeps its VAL_PAYLOAD and VAL_EXNREF.
MUST_USE status_t mach_select(struct mach *m, struct fn *fn, u32 features,
                              struct arena *temp);

// --- alloc/ -----------------------------------------------------------------

// Give every vreg a place.  Replaces m->ins and m->blocks: the same
// instructions in the same order on real registers (REG_NONE for none), with
// moves, loads and stores between them; copies that have become idle are gone.
// An rm operand in register b may have become memory of the frame or of rodata,
// operands that commute may have been exchanged.  Arguments of calls and
// returns are in place before the instruction, stack arguments in MINS_OUT (of
// a return: results in MINS_ARGS), results are fetched after it.
//
// The moves of an edge are at the end of `from` when that ends in a jump or the
// other successor does not mind, at the start of `to` when that has no other
// predecessor, else in an edge block.  A landing pad starts by taking the
// payload, with rax and rdx as struct code_try says; emit puts r14 and r15 back
// before that.
//
// ERR_BUDGET: too much is live at once for normal mode; never in plain mode,
// in which no value lives across blocks.  ERR_LIMIT: the frame would be larger
// than 64 MiB.
MUST_USE status_t mach_allocate(struct mach *m, struct arena *temp);

// --- disasm.c ---------------------------------------------------------------

// As text, before or after allocate.
void mach_print(struct printer *p, const struct mach *m, bool allocated);

// One instruction, without a line end.  Allocated ones in the usual Intel
// syntax; else "v3 = add v1, v2".  m may be NULL (no edges and calls).
void mins_print(struct printer *p, const struct mach *m, u32 features,
                const struct mins *ins, bool allocated);
