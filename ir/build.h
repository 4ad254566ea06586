// ir/build.h: what the files that build a function share.
//
//     build.c    the driver, and the instructions without control flow
//     flow.c     labels, branches, joins
//     call.c     calls, and instructions that the kernel does
//     gc.c       structs, arrays, i31, casts
//     inline.c   calls of small functions: their bodies
//     except.c   exceptions
//     stack.c    operands and locals, in values or in frame slots
//     memory.c   loads of what is known
//     value.c    new instructions, numbered so that equal ones are shared
//     fold.c     instructions on constants, identities
//     wide.c     products of 128 bits
//     scan.c     which locals a loop assigns
//     parts.c    plain mode: one part after the other
//     finish.c   drops what is unused, finds loops and cold blocks
//
// The first failure sticks in builder.status.  After it everything may be
// called and nothing is out of range, but what is built makes no sense.

#pragma once

#include "ir/ir.h"

enum {
    NO_BLOCK = 0xffffffff,
    LABEL_CHUNK = 128,

    LOCAL_MASK = (1 << 24) - 1,
    LOCAL_INLINED = LOCAL_MASK,
    FIRST_PARAM = 1, // the instruction that is the function's first argument

    // What normal mode may spend on edges and joins.
    BUDGET_PER_BYTE = 4,

    // In builder.stack: the value is in its frame slot; + enum ir_type.
    STACK_SLOT = 0xfffffff0,

    // In aux of a SLOT_SET, within the build: its address is taken.
    SLOT_ESCAPES = 1,

    // A parameter that was found to be another value: a.  Only within the
    // build; see finish.c.
    IR_FORWARD = IR_OP_COUNT,
};

// A local that the body uses.
struct local {
    u32 number : 24; // in the wasm function; LOCAL_INLINED: in a callee
    u32 type : 8;    // enum ir_type
    val_t value;     // plain: only known in block `stamp`
    u32 stamp;       // newest entry of the undo log that is about it, + 1
    u32 mark;        // scratch: of a scan, of a join; 0 otherwise
    u32 slot;        // plain or shadow: in fn.slot_types
};

// How to take back a write of a local.
struct undo {
    u32 local; // index in builder.locals
    val_t old;
    u32 stamp; // the local's, before
};

// What is written ahead of memory that a join has to look at.
struct merge {
    u32 local;
    val_t value; // of the first edge that has one
    u32 count;   // edges that have one
    bool differs;
};

// Handlers under construction.
struct try_block {
    u32 number;   // in fn.tries
    blk_t block;  // the one before
    u32 exnref;   // slot of the exception, when it was caught
    u32 table_at; // try_table: the clauses, from the body's start
    u32 clause_count;
};

// An open block of the wasm function.
struct label {
    u8 code;    // as struct frame has it, of one byte
    bool dead;  // opened in dead code: nothing inside is built
    u32 height; // operands below its parameters
    struct block_type type;
    u32 undo;       // length of the undo log at its start
    u32 scope;      // how many numbered values hold at its end: those of the
                    // first edge there, less what was cut since
    u32 low;        // the fewest numbered values since its start
    u32 next_epoch; // builder's, at its start
    union {
        edge_t edges; // to its end, chained through fn.next_pred
        u32 number;   // plain: of the label, 0 while nothing goes there
    };
    u32 edge_count;
    edge_t table_edge; // of the newest br_table to here
    u32 outer_try;     // innermost handlers outside
    union {
        struct {
            edge_t other; // when the condition is 0; plain: a label's number
            u32 epoch[3]; // builder's, at its start
        } branch;         // IF, ELSE
        struct {
            blk_t header;        // the block it starts with
            u32 sets, set_count; // locals it assigns, in builder.sets
        } loop;                  // LOOP
        struct try_block *own;   // TRY, TRY_TABLE, CATCH
    };
};

_Static_assert(sizeof(struct label) == 64, "the compiler's memory budget");

// An instruction that later ones may be equal to.
struct number {
    struct ins key;
    u32 next; // in the same bucket, older; 0: none
    val_t value;
    u32 epoch;
    u32 bucket;
};

struct constant {
    u32 next; // as above
    val_t value;
};

// A loop that scan.c is in.  Its locals are on the stack of entries, from
// `entries` on.
struct scan_open {
    u32 depth, entries;
    u32 number; // in builder.scans
};

// local.mark is 1 + the number of the innermost loop that has the local; the
// entry keeps what it was before.
struct scan_entry {
    u32 local, mark;
};

// What memory holds.
enum { KNOWN_MAX = 8 };
struct known {
    struct ins load; // this would give
    u32 size;        // from so many bytes
    val_t value;     // this
};

enum epoch_class { EPOCH_MEMORY, EPOCH_GLOBAL, EPOCH_TABLE };

struct builder {
    struct fn *fn;
    const struct module *m;
    struct arena *temp;
    struct error *error;
    status_t status;
    bool plain;
    bool shadow; // normal mode, with handlers: locals are in slots, too
    u64 budget;  // normal mode: what may still be spent
    u64 start;   // byte offset of the body

    struct spares spares; // of arrays that grew
    struct validator v;
    struct op op; // the one at hand

    blk_t block; // being built; NO_BLOCK in dead code
    u32 try;     // innermost handler

    u32 ins_capacity, block_capacity, edge_capacity, pool_capacity,
        call_capacity, case_capacity, const_capacity, try_capacity,
        catch_capacity, slot_capacity;

    // The operand stack: values, or STACK_SLOT + type.
    val_t *stack;
    u32 height, stack_capacity;
    u32 throw_slots, throw_slot_count;
    u32 *catch_try; // of each row of fn.catches, or of pads
    u32 catch_try_capacity, row_count;

    // Plain mode.
    struct fn base; // what the parts have in common
    u32 next_label;
    u32 blocks_before;            // in parts that are done
    u32 flushed;                  // operands below are in their slots
    u32 stack_slots;              // slot of the lowest operand
    u32 exnref_slots;             // by number of the try
    struct try_block *try_blocks; // by number
    struct pad *pads;
    u32 depth; // most labels open at once, with that of the function
    u32 part_ins;
    bool at_end;

    // The call in place of which a body is being built.
    bool inlining;
    u32 inline_call;   // byte offset in the module
    u32 inline_labels; // that were open before
    u32 inline_locals; // index of the callee's first local
    u32 inline_origin; // of the instruction at hand, + 1; 0: it has none yet
    u8 *leaves;        // see fn_build
    u32 inline_room;   // bytes that may still be built so
    u32 origin_capacity;

    u32 *local_index; // by number: index in locals, if that agrees
    struct local *locals;
    u32 local_count, local_capacity;
    val_t zeros[IR_V128 + 1]; // what locals of a type start with
    struct undo *undo;
    u32 undo_count, undo_capacity;

    struct label **labels; // in chunks
    u32 label_count, chunk_count, chunk_capacity;
    edge_t table_first; // of the newest br_table

    // What pending edges bring: see flow.c.
    u32 *records;
    u32 record_count, record_capacity;
    struct merge *merges;
    u32 merge_count, merge_capacity;

    // Numbered values; entry 0 is unused.
    u32 *buckets;
    u32 bucket_mask;
    struct number *numbers;
    u32 number_count, number_capacity;
    u32 *const_buckets;
    struct constant *constants;
    u32 constant_count, constant_capacity;
    u32 next_epoch;
    struct memory_state {
        u32 epoch[3];
        struct known known[KNOWN_MAX]; // of memory in the epoch known_epoch;
        u32 known_count, known_epoch;  // the newest is at (known_count - 1) %
    } memory;                          // KNOWN_MAX

    // The outermost loop that was scanned, and what is in it.
    u64 scan_end;
    u32 *sets;
    u32 set_count, set_capacity;
    struct scan {
        u32 sets, count;
        bool has_try;
    } * scans; // of its loops, in order
    u32 scan_count, scan_capacity, scan_next;
    struct scan_open *scan_open;
    struct scan_entry *scan_entries;
    u32 scan_open_capacity, scan_entry_capacity;
};

// --- value.c  --------------------------------------------------------------

// Is the reference null?
val_t ir_is_null(struct builder *b, val_t ref);

// Stop building; `what` may be NULL when the caller of fn_build knows.
void ir_stop(struct builder *b, status_t status, const char *what);

// Take n from the budget of normal mode.
void ir_spend(struct builder *b, u64 n);

// Make room for `more` elements of `size` bytes after `count` of them; `array`
// is the address of the array's pointer.  False when building has stopped.
MUST_USE bool ir_room(struct builder *b, void *array, u32 *capacity, u32 count,
                      u64 more, u64 size);

// Zeroed memory for after the body; NULL when building has stopped.
void *ir_scratch(struct builder *b, u64 size);

// The body is read: let ir_scratch() have the memory that this took.
void ir_spare_all(struct builder *b);

// `count` fresh origins in fn.pool; 0 when building has stopped.
u32 ir_pool_new(struct builder *b, u32 count);

// Append an instruction to the block.
val_t ir_emit(struct builder *b, u32 op, u32 type, u32 aux, u32 x, u32 y,
              u32 z);

// The value of an instruction without effects, or whose only effect is to
// trap: folded, or found among those that dominate the block, or appended.
val_t ir_value(struct builder *b, u32 op, u32 type, u32 aux, u32 x, u32 y,
               u32 z);

// As above for one that reads memory, a global or a table.
val_t ir_value_load(struct builder *b, enum epoch_class class, struct ins ins);

// What global.get of a global is from here on.
void ir_value_global(struct builder *b, u32 global, val_t v);

// A constant; of V128 with all of its bits.
val_t ir_const(struct builder *b, u32 type, u64 low, u64 high);
val_t ir_const_i32(struct builder *b, u32 number);
val_t ir_const_i64(struct builder *b, u64 number);

// An entry of fn.consts.
u32 ir_const_wide(struct builder *b, u64 low, u64 high);

// Forget the numbered values after the first `count`.
void ir_numbers_cut(struct builder *b, u32 count);

// Something of the class may have been written.
void ir_epoch_end(struct builder *b, enum epoch_class class);
void ir_epoch_end_all(struct builder *b);

bool ir_number_init(struct builder *b, u64 body_size);

// --- memory.c  -------------------------------------------------------------

// The value of a load (not an atomic one) of `size` bytes.
val_t ir_memory_load(struct builder *b, struct ins load, u32 size);

// After a store, which is not atomic, of `size` bytes.
void ir_memory_store(struct builder *b, const struct ins *store, u32 size);

// --- fold.c  ---------------------------------------------------------------

// The value of an instruction that need not be made, or 0.
val_t ir_fold(struct builder *b, const struct ins *ins);

// wide.c: the same for a sum or an `or` that is half of a product of 128 bits.
val_t ir_fold_wide(struct builder *b, const struct ins *ins);

// wide.c: a product of 128 bits: its lower half, which the upper one follows
// (the RESULT of it, which has to be the next instruction).
val_t ir_mul_wide(struct builder *b, u32 op, val_t x, val_t y);

// A condition that is 0 exactly when v is; *negated says that it is the
// other way round.
val_t ir_condition(const struct builder *b, val_t v, bool *negated);

// --- stack.c  --------------------------------------------------------------

void ir_push(struct builder *b, val_t v);
val_t ir_pop(struct builder *b);
// The same of 64 bits, as the kernel takes addresses, counts and references.
val_t ir_pop_wide(struct builder *b); // call.c

void ir_drop(struct builder *b, u32 count);

// The operand at a height, without popping it.
val_t ir_operand(struct builder *b, u32 height);

// The topmost operands as a list in fn.pool, without popping them.
u32 ir_operands(struct builder *b, u32 count);

// The type of the operand at a height.
u32 ir_operand_type(const struct builder *b, u32 height);

// Plain: put the operands below a height into their slots.
void ir_flush(struct builder *b, u32 height);

// Plain: the operand at a height becomes v; or, is in its slot.
void ir_slot_store(struct builder *b, u32 height, val_t v);
void ir_slot_mark(struct builder *b, u32 height, u32 type);

// A new frame slot.
u32 ir_slot_new(struct builder *b, u32 type);

// Index in b->locals of a local of the wasm function.
u32 ir_local_find(struct builder *b, u32 number);
val_t ir_local_get(struct builder *b, u32 local);
void ir_local_set(struct builder *b, u32 local, val_t v);

// Normal mode: take back the writes of locals since the log had this length.
void ir_locals_undo(struct builder *b, u32 length);

// Normal mode: `label` ends without a join and its log becomes part of that
// of the label around it.
void ir_locals_keep(struct builder *b, u32 inner, u32 outer);

// --- scan.c  ---------------------------------------------------------------

// Read the whole body ahead: name every local that it uses.  Does it have
// handlers?
bool ir_scan_body(struct builder *b);

// The locals assigned in the loop whose first instruction is at `at`.
struct scan ir_scan_loop(struct builder *b, u64 at);

// --- flow.c  ---------------------------------------------------------------

struct label *ir_label_at(struct builder *b, u32 depth); // 0: innermost
bool ir_label_reserve(struct builder *b, u32 count);
void ir_label_push(struct builder *b, u32 code, u32 param_count);

void ir_block_open(struct builder *b);
void ir_block_end(struct builder *b);  // after its last instruction
edge_t ir_edge_new(struct builder *b); // from the current block
void ir_edge_bind(struct builder *b, edge_t edge, blk_t to);

// Plain: end the block; go to a label.
void ir_goto(struct builder *b, u32 number);

// Plain: start a block with a label.
void ir_block_labelled(struct builder *b, u32 number);

// Start a block that `edge` alone leads to.
void ir_block_after(struct builder *b, edge_t edge);

// The number of values that a branch to the label takes.
u32 ir_label_arity(struct builder *b, const struct label *label);
u32 ir_label_type(struct builder *b, const struct label *label, u32 i);

// Operands that the block type at hand takes.
u32 ir_block_arity(struct builder *b);

// End the block with a branch to a label, to that of the function a return.
void ir_jump_to(struct builder *b, struct label *label);
// As ir_jump_to, also to the end of the function.
void ir_jump_waiting(struct builder *b, struct label *label);

// Branch to the label when v is not 0, or when it is 0 if `negated`; go on in
// a new block otherwise.
void ir_branch_to(struct builder *b, struct label *label, val_t v,
                  bool negated);

// The number of a new label of plain mode.
u32 ir_label_number(struct builder *b);

// End the block with a trap.
void build_trap(struct builder *b, enum trap trap);

void build_unreachable(struct builder *b);
void build_block(struct builder *b);
void build_loop(struct builder *b);
void build_if(struct builder *b);
void build_else(struct builder *b);
void build_end(struct builder *b);
void build_br(struct builder *b);
void build_br_if(struct builder *b);
void build_br_table(struct builder *b);
void build_return(struct builder *b);
void build_br_on_null(struct builder *b);
void build_br_on_non_null(struct builder *b);

// --- join.c  ---------------------------------------------------------------

// Start the block that the edges of a label lead to.
void ir_join(struct builder *b, struct label *label);

// All edges to the loop are known: forward parameters that are another value.
void ir_loop_close(struct builder *b, const struct label *label);

// --- call.c  ---------------------------------------------------------------

void build_call(struct builder *b);
void build_call_indirect(struct builder *b);
void build_call_ref(struct builder *b);
void build_return_call(struct builder *b);
void build_return_call_indirect(struct builder *b);
void build_return_call_ref(struct builder *b);

// Call a function of the kernel with `count` values; raises its trap.
val_t ir_call_builtin(struct builder *b, enum builtin builtin, u32 count,
                      const val_t *values);

// Trap when v (i32) is not 0.
void build_check(struct builder *b, val_t v, enum trap trap);

void build_memory_grow(struct builder *b);
void build_memory_copy(struct builder *b);
void build_memory_fill(struct builder *b);
void build_memory_init(struct builder *b);
void build_data_drop(struct builder *b);
void build_table_grow(struct builder *b);
void build_table_fill(struct builder *b);
void build_table_copy(struct builder *b);
void build_table_init(struct builder *b);
void build_elem_drop(struct builder *b);
void build_atomic_wait(struct builder *b);
void build_atomic_notify(struct builder *b);

// --- gc.c  -----------------------------------------------------------------

void build_struct_new(struct builder *b);
void build_struct_get(struct builder *b);
void build_struct_set(struct builder *b);
void build_array_new(struct builder *b);
void build_array_new_fixed(struct builder *b);
void build_array_new_segment(struct builder *b);
void build_array_init_segment(struct builder *b);
void build_array_get(struct builder *b);
void build_array_set(struct builder *b);
void build_array_len(struct builder *b);
void build_array_fill(struct builder *b);
void build_array_copy(struct builder *b);
void build_ref_i31(struct builder *b);
void build_i31_get(struct builder *b);
void build_any_convert_extern(struct builder *b);
void build_extern_convert_any(struct builder *b);
void build_ref_test(struct builder *b);
void build_ref_cast(struct builder *b);
void build_br_on_cast(struct builder *b);
void build_ref_eq(struct builder *b);

// --- inline.c  -------------------------------------------------------------

// Build the body of `func` in place of a call at hand, if it is a small leaf;
// false: nothing was done.
bool ir_inline(struct builder *b, u32 func);

// fn.at of the instruction at hand, of a callee's body.
u32 ir_inline_at(struct builder *b);

// --- except.c  -------------------------------------------------------------

void build_try(struct builder *b);
void build_try_table(struct builder *b);
void build_catch(struct builder *b);
void build_delegate(struct builder *b);
void build_throw(struct builder *b);
void build_throw_ref(struct builder *b);
void build_rethrow(struct builder *b);

// Before the end of a block with handlers.
void ir_try_end(struct builder *b, struct label *label);

// The parameters of a tag's type; NO_INDEX has none.
const struct type *ir_tag_type(const struct builder *b, u32 tag);

// Put the rows of each try together; plain: at the end, those of all parts.
void ir_catches_group(struct builder *b);
void ir_pads_group(struct builder *b);

// --- build.c  --------------------------------------------------------------

// Build what the instruction at hand does.
void build_op(struct builder *b);

// Start the function's entry: block 0, with its arguments.
void build_params(struct builder *b);

// Arrays of the size that most bodies, or parts, of so many bytes need.
bool ir_reserve(struct builder *b, u64 size);

// Nothing is left of the build since the mark but the function.
void ir_keep_function(struct fn *fn, struct arena *temp, u64 mark);

// An address and an offset for an access; a large offset is added first.
val_t build_address(struct builder *b, u32 *offset);

// --- finish.c  -------------------------------------------------------------

// The value that a forwarded parameter is.
val_t ir_resolve(struct fn *fn, val_t v);

// Give a slot its place behind those before it.
void ir_slot_place(struct fn *fn, u32 slot);
void ir_finish(struct builder *b);

// --- loops.c  --------------------------------------------------------------

void ir_find_loops(struct builder *b);
void ir_find_cold(struct fn *fn);
