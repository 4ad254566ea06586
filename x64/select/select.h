// x64/select/select.h: what the files of instruction selection share;
// nobody else includes it.
//
//     select.c   the driver: the backward pass, then the forward one
//     mark.c     backward: use counts, dead code, what folds
//     put.c      append machine instructions, operands, constants
//     int.c      integers
//     div.c      division
//     float.c    floats, conversions
//     memory.c   memory, globals, tables
//     control.c  conditions, branches, select
//     call.c     calls, results, builtins
//     vector.c   vectors: arithmetic
//     lane.c     vectors: lanes, shuffles, tests
//     atomic.c   atomics

#pragma once

#include "x64/mach.h"

struct select;
struct rule;

typedef void lower_fn(struct select *s, val_t v, const struct rule *rule);

// Which operands may fold into the instruction.
enum mark {
    MARK_NONE,
    MARK_A,     // the load a
    MARK_B,     // the load b
    MARK_AB,    // the load b, else the load a (operands commute); neither
                // beside an immediate
    MARK_CMP,   // the load b, else the load a; also beside an immediate
    MARK_ADD,   // parts of a lea, else as MARK_AB
    MARK_STORE, // b, when it makes an update of the memory
    MARK_COND,  // the condition: a, or c of a select
};

// What an instruction may fold into.
enum fold {
    FOLD_NONE,
    FOLD_LOAD,  // an operand in memory of the same width
    FOLD_LOAD8, // a compare or test of a byte with a constant
    FOLD_COND,  // a condition: flags
    FOLD_AND,   // a condition when compared with zero: test
    FOLD_SHIFT, // by 1 to 3: the index of lea
};

// What a value did fold into.
enum into {
    INTO_OPERAND, // of a plain instruction
    INTO_FLAGS,
    INTO_UPDATE, // of memory
    INTO_SUM,    // of lea
};

// How an IR instruction is done: a row of select.def.
struct rule {
    lower_fn *lower;
    u16 op, op2, op3; // enum x64_op, as `lower` needs them
    u8 cc;            // enum cc
    u8 mark, fold;    // enum mark, enum fold
};

// What is known of a value.
struct fact {
    vreg_t vreg; // that stands for it
    u32 epoch;   // of the place it would fold into
    u8 uses;     // saturating
    u8 state;    // enum fact_state
    u8 depth;    // of folding above it
    u8 into;     // enum into
};

enum fact_state {
    FACT_NORMAL,
    FACT_CANDIDATE, // its only known user would like to fold it
    FACT_FOLDED,    // its user does it
    FACT_DEAD,
};

struct select {
    struct mach *m;
    struct fn *fn;
    const struct module *module;
    struct arena *temp;
    struct fact *facts; // by val_t
    val_t now;          // the IR instruction being done
    blk_t block;
    u32 epoch;         // counts effects, backwards
    status_t status;   // OK until something goes wrong
    struct mins spare; // written to when there is no memory
};

// The operand that is a register or memory.
struct rm {
    vreg_t reg; // or, with flags:
    u8 flags;   // MINS_MEM, MINS_TRAPS, MINS_RODATA, MINS_FRAME
    u8 scale;
    vreg_t base, index;
    i32 disp;
    val_t from; // a load that may trap, or 0
};

// --- select.c ---------------------------------------------------------------

const struct rule *select_rule(u32 ir_op);
void lower_unsupported(struct select *s, val_t v, const struct rule *rule);

// --- mark.c -----------------------------------------------------------------

void select_mark(struct select *s);

// A shift by a constant of 1 to 3.
bool select_is_scaled(const struct select *s, val_t v);

// For `store value`: value is an operation on what is loaded from the same
// place, as one instruction on memory can do it.
bool select_is_update(const struct select *s, const struct ins *store);

// --- put.c ------------------------------------------------------------------

// Append an instruction; the pointer is good until the next one.
struct mins *select_put(struct select *s, u32 op);
vreg_t select_temp(struct select *s, u32 type);

// The vreg of a value that is not folded.
vreg_t select_reg(struct select *s, val_t v);
vreg_t select_reg_loaded(struct select *s, val_t v); // or of one that is
struct rm select_rm_reg(vreg_t r);
struct rm select_rm_mem(vreg_t base, i32 disp);
struct rm select_rm_const(struct select *s, u64 low,
                          u64 high); // 16 bytes, read-only

// A value as operand: register, folded load, or a float constant in rodata.
struct rm select_rm_value(struct select *s, val_t v);
bool select_is_folded(const struct select *s, val_t v);
bool select_is_const(const struct select *s, val_t v);
bool select_is_const_float(const struct select *s, val_t v); // or vector
u64 select_const_bits(const struct select *s, val_t v);
bool select_const_imm32(const struct select *s, val_t v, u32 *imm);

// By shape.  The ones that return a register make a temporary for it.
void select_put_rm(struct select *s, u32 op, vreg_t def, struct rm rm);
void select_put_r_rm(struct select *s, u32 op, vreg_t def, vreg_t a,
                     struct rm rm);
void select_put_r_i(struct select *s, u32 op, vreg_t def, vreg_t a, u32 imm);
void select_put_rm_i(struct select *s, u32 op, vreg_t def, struct rm rm,
                     u32 imm);
void select_put_r_rm_i(struct select *s, u32 op, vreg_t def, vreg_t a,
                       struct rm rm, u32 imm);
void select_put_mr(struct select *s, u32 op, struct rm to, vreg_t a);
void select_put_mi(struct select *s, u32 op, struct rm to, u32 imm);
void select_put_cmp(struct select *s, u32 op, vreg_t a, struct rm rm);
void select_put_cmp_i(struct select *s, u32 op, struct rm rm, u32 imm);
void select_put_cmov(struct select *s, u32 op, u8 cc, vreg_t def,
                     vreg_t otherwise, vreg_t then);
void select_put_trap_cc(struct select *s, u8 cc, enum trap trap);
void select_put_const(struct select *s, vreg_t def, u64 value);
vreg_t select_temp_rm(struct select *s, u32 type, u32 op, struct rm rm);
vreg_t select_temp_r_rm(struct select *s, u32 type, u32 op, vreg_t a,
                        struct rm rm);
vreg_t select_temp_r_i(struct select *s, u32 type, u32 op, vreg_t a, u32 imm);
vreg_t select_temp_const(struct select *s, u32 type, u64 value);
vreg_t select_temp_zero(struct select *s, u32 type); // floats and vectors
vreg_t select_temp_r_rm_i(struct select *s, u32 type, u32 op, vreg_t a,
                          struct rm rm, u32 imm);

// --- control.c --------------------------------------------------------------

// Set the flags by a condition (an i32 value); the condition code that says
// that it is not 0.  May be CC_FEQ or CC_FNE.
u8 select_put_condition(struct select *s, val_t v);

// Let the arguments of the catches' edges be vregs.
void select_map_catches(struct select *s);

// --- lane.c -----------------------------------------------------------------

// Set the flags by any_true or all_true; the condition code.
u8 select_put_all_true(struct select *s, val_t v, const struct rule *rule);

// --- memory.c ---------------------------------------------------------------

// Memory operand of an access of `size` bytes, with the checks it needs.
struct rm select_rm_address(struct select *s, val_t address, u64 offset,
                            u32 memory, u32 size);
struct rm select_rm_load(struct select *s, val_t load);

// A field of the vmctx.
struct rm select_rm_vmctx(u64 offset);

// Instructions that operate on memory.
struct update {
    u16 ir, mr, mi; // enum ir_op; with a register, with an immediate
};

const struct update *select_update(u32 ir_op); // NULL: none

// The instruction that loads (stores) a value of a type.
u32 select_load_op(u32 type);
u32 select_store_op(u32 type);

// The entry of a table, checked against its size.
struct rm select_rm_table(struct select *s, val_t index, u32 table,
                          enum trap trap);

// The address of the func_entry of a function reference.
vreg_t select_put_entry(struct select *s, vreg_t reference);
vreg_t select_put_reference(struct select *s, vreg_t reference);

// All lowering functions, by the names in select.def.
#define RULE(ir, rule, op, op2, op3, cc, mark, fold) lower_fn lower_##rule;
#include "x64/select/select.def"
