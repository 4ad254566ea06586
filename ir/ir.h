// ir/: from a validated body to SSA.  One forward pass over the bytes builds
// the function (build.c); print.c shows it.  See docs/compiler.md.
//
// A function is three arrays: instructions, blocks, edges.  An instruction
// that has a result *is* the value: val_t is its index.  Instructions of a
// block are contiguous; blocks are in layout order, which is the order of the
// wasm text, so a definition always comes before its uses except for the
// arguments of back edges, and a loop's body is a contiguous range of blocks.
// A definition dominates its uses, except that a CONST may be used anywhere
// after it.

#pragma once

#include "wasm/wasm.h"

typedef u32 val_t;  // an instruction that has a result; 0 is none
typedef u32 blk_t;  // index into fn.blocks
typedef u32 edge_t; // index into fn.edges

enum ir_type {
    IR_VOID,
    IR_I32, // in a register always zero-extended to 64 bits; also references of
            // the kind REF_ANY
    IR_I64, // also all other references: 0 is null
    IR_F32,
    IR_F64,
    IR_V128
};

// Rows: IR(id, text, form, effects).  See ir/ops.def.  IR_NONE is 0.
enum ir_op {
#define IR(id, text, form, effects) IR_##id,
#include "ir/ops.def"
    IR_OP_COUNT
};

// What may not be reordered with what, and what may be dropped when unused.
enum ir_effect {
    EFFECT_LOAD = 1,  // reads linear memory, a table or a global
    EFFECT_STORE = 2, // writes one
    EFFECT_TRAP = 4,  // may trap: must stay even when unused
    EFFECT_CALL = 8,  // runs other code
    EFFECT_END = 16,  // ends a block
};

// Column `effects` of ir/ops.def.
enum ir_effects {
    EFFECTS_PURE = 0, // a function of the operands
    EFFECTS_TRAP = EFFECT_TRAP,
    EFFECTS_GET = EFFECT_LOAD,
    EFFECTS_SET = EFFECT_STORE,
    EFFECTS_LOAD = EFFECT_LOAD | EFFECT_TRAP,
    EFFECTS_STORE = EFFECT_STORE | EFFECT_TRAP,
    EFFECTS_FENCE = EFFECT_LOAD | EFFECT_STORE,
    EFFECTS_ATOMIC = EFFECT_LOAD | EFFECT_STORE | EFFECT_TRAP,
    EFFECTS_CALL = EFFECTS_ATOMIC | EFFECT_CALL,
    EFFECTS_END = EFFECT_END,
    EFFECTS_STOP = EFFECT_TRAP | EFFECT_END,
    EFFECTS_TAIL = EFFECTS_CALL | EFFECT_END,
};

struct ins {
    u16 op;  // enum ir_op
    u8 type; // enum ir_type of the result
    u8 aux;  // memory index of loads and stores, trap kind, lane, ...
    u32 a, b, c;
};

_Static_assert(sizeof(struct ins) == 16, "the compiler's memory budget");

struct edge {
    blk_t from, to;
    u32 args; // first argument in fn.pool; one for each parameter of `to`
};

struct block {
    u32 first, end;    // instructions [first, end); parameters come first
    u32 params;        // IR_PARAM instructions at `first`
    u32 preds;         // edges into the block
    edge_t first_pred; // chained through fn.next_pred
    u32 loop;          // innermost loop that contains the block, or 0
    u32 label;         // plain: where IR_GOTO of any part finds it, or 0
    bool cold;         // ends in a trap, or is only reached by such
};

// A loop: blocks [header, end).  loops[0] is the whole function.
struct loop {
    blk_t header, end;
    u32 parent, depth;
};

enum call_kind {
    CALL_FUNC,     // target: function index (may be an import)
    CALL_INDIRECT, // target: table; args[0] is the index (i64: of a table64).
                   // Traps: UNDEFINED_ELEMENT, UNINITIALIZED_ELEMENT,
                   // INDIRECT_TYPE.  `type` is final: equal canonical ids
                   // decide (for others see find_callee() in call.c)
    CALL_REF,      // args[0] is the funcref; null traps with NULL_FUNCTION
    CALL_ENTRY,    // args[0] is what BUILTIN_FUNC_ENTRY gave
    CALL_BUILTIN,  // target: enum builtin; the vmctx argument is implied
};

struct call {
    u8 kind;
    bool tail; // op is TAIL_CALL: ends the block; the results are the
               // function's own
    u32 target;
    u32 type;        // type index, or NO_INDEX for builtins
    u32 args, count; // in fn.pool
    u32 try;         // innermost enclosing handler (fn.tries), or 0
};

// Is args[0] who is called?
static inline bool
call_has_callee(const struct call *call)
{
    return call->kind == CALL_INDIRECT || call->kind == CALL_REF ||
           call->kind == CALL_ENTRY;
}

// The targets of a switch.  Edges of one switch have different targets; equal
// cases share one.
struct cases {
    edge_t first; // edges [first, first + edge_count), in no order
    u32 edge_count;
    u32 targets, count; // in fn.pool: the edge for each index, the last is the
                        // default
};

// The handlers around a range of calls, exceptions only.
struct handlers {
    u32 parent;         // next handler outwards, 0: none in this function
    u32 catches, count; // rows in fn.catches, the first match wins
};

// What an edge of a catch passes on of the exception, in place of values.
enum {
    VAL_PAYLOAD = 0xfffffc00, // + i: value i of the tag
    VAL_EXNREF = 0xfffffbff,
};

// The target of `edge` is a landing pad: a block with this edge alone.  The
// edge comes `from` the block that enters the try, but is taken at any call
// whose `try` leads here.  No value survives that: a pad, and all that may
// come after it, uses nothing from before it but constants and slots.
struct handler {
    u32 tag;     // tag index, or NO_INDEX for all (then no payload)
    edge_t edge; // where to; the arguments are VAL_PAYLOAD + i, VAL_EXNREF
    bool ref;    // the exnref is passed too
};

// Where an instruction comes from that was built in place of a call.
struct origin {
    u32 at;   // byte offset of its wasm opcode in the module
    u32 call; // of the call
};

// In plain mode, a row of a try as all parts know it.
struct pad {
    u32 tag;   // tag index, or NO_INDEX for all
    u32 label; // of the landing pad
};

// What is in a struct fn.
enum fn_part {
    FN_WHOLE, // a function
    FN_PART,  // plain mode: a part of one; begins at its block 0
    FN_LAST, // plain mode: the last part.  Its block 0 is the function's entry,
             // and the only RETURN is here
};

// Labels of plain mode: blocks that other parts go to, too.
enum {
    LABEL_NEXT = 1,   // block 0 of the part that follows; each but the first
    LABEL_START = 2,  // block 0 of the first part
    LABEL_RETURN = 3, // in the last part
};

// In aux of loads and stores, beyond the numbers of memories: the heap, by a
// reference to a struct, or to an array.
enum { MEMORY_ARRAYS = 0xfe, MEMORY_STRUCTS = 0xff };
_Static_assert((int)LIMIT_MEMORIES < (int)MEMORY_ARRAYS, "others are memories");

enum { AT_ORIGIN = -1 - INT32_MAX }; // in fn.at

// A function in SSA, or in plain mode a part of it.
struct fn {
    const struct module *module;
    u32 index; // function index in the module
    const struct type *type;
    enum fn_part part;

    struct ins *ins;
    u32 *at;       // byte offset of each instruction's wasm opcode, relative
                   // to the body's start; or AT_ORIGIN | its origin
    u32 ins_count; // ins[0] is unused
    struct origin *origins;
    u32 origin_count;
    struct block *blocks;
    u32 block_count;
    struct edge *edges;
    edge_t *next_pred;
    u32 edge_count; // edges[0] is unused
    val_t *pool;    // argument lists
    u32 pool_count;
    struct call *calls;
    u32 call_count;
    struct cases *cases;
    u32 case_count;
    struct loop *loops;
    u32 loop_count;
    u64 (*consts)[2]; // v128 constants and shuffles; {offset, lane}
    u32 const_count;
    struct handlers *tries;
    u32 try_count; // tries[0] is unused
    struct handler *catches;
    u32 catch_count;
    bool has_pads; // landing pads; plain mode: in any part

    // Frame slots: in plain mode, and for handlers and throws.  8 bytes each,
    // V128 16 and aligned to 16 (neighbours of type V128 are an array: payloads
    // of THROW).
    u8 *slot_types; // enum ir_type of the widest value that it holds
    u32 *slot_at;   // offset from the first
    u32 slot_count;
    u32 slots_size; // of all, a multiple of 16

    // Plain mode, the same in all parts but what the last part completes.
    u32 label_count; // see parts_labels
    u32 zero_size;   // the entry fills these first bytes of the slots
                     // with zeros, then slot SLOT_FRAME
    u32 call_args, call_results; // most of any call
    const struct pad *pads; // FN_LAST: the rows of tries, in place of catches
};

enum { SLOT_FRAME = 0 }; // plain mode: address of the function's return address

struct ir_info {
    const char *text;
    u8 form;    // enum ir_form
    u8 effects; // enum ir_effect bits
};

// The row of ir/ops.def.
const struct ir_info *ir_info(u32 op);

// How many of a, b, c are values (in this order).
u32 ir_operand_count(u32 op);

// The values that an instruction reads: its a, b, c, or of a call, a return, a
// CAS a part of fn.pool.  (Arguments of edges belong to the edges.)
struct ir_operands {
    val_t *list;
    u32 count;
};

// All values that an instruction takes, in place, whatever its form.
struct ir_operands ir_operands_of(const struct fn *fn, struct ins *ins);

// The IR instruction that does what a wasm instruction does, or IR_NONE.
u32 ir_op_of(u32 wasm_code);

// Operands and result of an IR instruction that some wasm instruction maps to,
// in the letters of wasm/ops.def; NULL for the others.
const char *ir_sig(u32 op);

// The type of the result in such letters; IR_VOID: none, or an address.
enum ir_type ir_result_type(const char *sig);

// The type that values of a wasm type have here.
// (`m` is asked about references only.)
enum ir_type ir_type_of(const struct module *m, valtype_t type);

// Operands of an instruction in a, b, c by form; see ir/ops.def.
enum ir_form {
    FORM_NONE,  // -
    FORM_PARAM, // a = number (block parameter or function argument), b = block
    FORM_CONST, // a, b = low and high half; V128: a = index in fn.consts
    FORM_1,     // a = value
    FORM_2,     // a, b = values
    FORM_3,     // a, b, c = values
    FORM_LANE1, // a = value, aux = lane
    FORM_LANE2, // a, b = values, aux = lane
    FORM_SHUFFLE,  // a, b = values, c = index in fn.consts
    FORM_LOAD,     // a = address, c = offset, aux = memory
    FORM_STORE,    // a = address, b = value, c = offset, aux = memory
    FORM_MEM_LANE, // a = address, b = vector, c = index in fn.consts of
                   // {offset, lane}, aux = memory
    FORM_RMW,      // a = address, b = value, c = offset, aux = memory
    FORM_CAS,      // a = index in fn.pool: address, expected, new; c = offset,
                   // aux = memory
    FORM_GLOBAL,   // a = global; get
    FORM_GLOBAL_SET, // a = value, b = global
    FORM_TABLE,      // a = index value, b = table; get
    FORM_TABLE_SET,  // a = index value, b = value, c = table
    FORM_INDEX,    // a = number: table, memory, function, type, slot; sizes are
                   // i64 where the table or memory is, and in its own pages
    FORM_SLOT_SET, // a = value, b = slot
    FORM_CALL,     // a = index in fn.calls
    FORM_RESULT,   // a = the call or MUL_WIDE, b = number of the result, from 1
    FORM_JUMP,     // a = edge
    FORM_BRANCH,   // a = condition (i32), b = edge when not 0, c = edge when 0
    FORM_CASES,    // a = index (i32), b = index in fn.cases
    FORM_RETURN,   // a = first value in fn.pool, b = count
    FORM_TRAP,     // aux = enum trap
    FORM_CHECK,    // a = value (i32), aux = enum trap: trap when it is not 0
};

// --- build.c  --------------------------------------------------------------

// Validate and build one defined function.  Everything fn points to lives in
// `temp`.  `leaves` has a byte for each function of the module, 0 at first,
// where it is noted which of them can be built in place of a call; NULL: none
// is.  ERR_BUDGET says that the function is not of the kind that normal mode is
// made for, and the caller tries plain mode.  Any other failure is in `error`.
MUST_USE status_t fn_build(struct fn *fn, const struct module *m, u32 index,
                           u8 *leaves, struct arena *temp, struct error *error);

// Where instruction `ins` comes from; 0: the function itself.
struct origin fn_origin(const struct fn *fn, val_t ins);

// --- parts.c  --------------------------------------------------------------

// Plain mode: the same function in parts, in time proportional to the body
// whatever it holds, and in memory for the open blocks and one part.  Locals
// and operands are in slots, no value lives across blocks.
//
// `temp` holds the builder until the caller resets it; *b has validated the
// body when it is there.  A part ends after the wasm instruction with which it
// has `part_ins` instructions (0: a good number).
struct builder;
MUST_USE status_t parts_open(struct builder **b, const struct module *m,
                             u32 index, u32 part_ins, struct arena *temp,
                             struct error *error);

// Labels are smaller than this.
u32 parts_labels(const struct builder *b);

// The next part; fn->part tells whether it is the last.  What only this part
// needs is on top of `temp`: reset it to a mark from before each time.
MUST_USE status_t parts_next(struct builder *b, struct fn *fn);

// --- check.c  --------------------------------------------------------------

// Is the function well-formed: order, dominance, types, edges, loops?  NULL, or
// what is wrong, and at which instruction.  For tests.
const char *fn_check(const struct fn *fn, struct arena *temp, val_t *at);

// --- print.c  --------------------------------------------------------------

// As text: all blocks.
void fn_print(struct printer *p, const struct fn *fn);
void fn_print_value(struct printer *p, const struct fn *fn, val_t v); // "v12"
