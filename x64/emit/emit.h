// x64/emit/emit.h: from machine code on real registers to the bytes of a
// module.
//
//     emit.c   blocks, in their final order, become pieces: bytes that end in
//              at most one branch
//     layout.c branches get their size, pieces their address
//     image.c  the module's bytes and tables, as they grow
//     stubs.c  code of imports

#pragma once

#include "x64/mach.h"

enum {
    FUNC_ALIGN = 16,
};

// --- encode.c --------------------------------------------------------------

// The only writer of instructions: to all others machine code is `const u8 *`.
struct encoder {
    const u8 *at, *end; // next byte, and the end of the room
    bool full;          // there was no room: bytes are missing
    u32 features;       // enum cpu_feature
    u32 slots_at;       // from rsp to frame slot 0, for MINS_FRAME
    u32 args_at;     // from rsp to the incoming stack arguments, for MINS_ARGS
    const u64 *wide; // for MINS_CONST64
    // About the instruction just written:
    const u8 *fault_at; // the part of it that may fault
    // MINS_RODATA: its displacement, still relative to the pool; to become
    // relative to `at`.
    const u8 *rodata_at;
};

// With so much room encode() does not come to its end.
enum { ENCODE_ROOM = 96 };

// Write one instruction on real registers; not calls and ends of blocks by
// number or edge, which are emit's.
void encode(struct encoder *e, const struct mins *ins);

// Write a row that ends in a distance from its end, `rel`; its size is the
// row's.  `cc` for those with a condition, else 0.
void encode_rel(struct encoder *e, u32 op, u32 cc, u32 rel);

// Write a return that also removes `pop` bytes of arguments, at most 65,535.
void encode_ret(struct encoder *e, u32 pop);

// Write a short jump on `cc` to `to`, at most 126 bytes back.
void encode_jump_back(struct encoder *e, u32 cc, const u8 *to);

// Bytes of a row as encode_rel writes it.
u32 encode_rel_size(u32 op);

// Fill memory between pieces of code with instructions that trap.
void encode_fill(const u8 *at, u64 size);

// Move what was encoded, or constants, to their place.
void encode_copy(const u8 *to, const void *from, u64 size);

// Write a displacement, or an entry of a jump table.
void encode_word(const u8 *at, u32 word);

// --- image.c ---------------------------------------------------------------

enum row_table {
    ROW_FUNC,
    ROW_TRAP,
    ROW_CALL,
    ROW_TRY,
    ROW_CATCH,
    ROW_HEAD,
    ROW_TABLES
};

// The code of a module under construction.
struct image {
    struct code *code; // its tables are made at the end
    const struct module *module;
    struct arena *text, *keep, *temp;
    u32 defined;  // functions below this index have their code
    u32 *waiting; // by function index, while it has no code: 1 + the place of
                  // the last displacement that needs it, 0 = none; each such
                  // place holds the one before it
    struct row *rows;  // of all tables, see image.c
    struct row *fresh; // those since the last image_settle, or NULL
    u32 row_count, fresh_count;
    u32 counts[ROW_TABLES]; // rows of each table

    // The function at hand, when it comes in parts.
    struct row *kept; // rows of the parts that are done
    u32 kept_count;
    u32 *labels; // by label: its offset | LABEL_BOUND; else like `waiting`
    u32 start;   // offset of the first part, or NO_INDEX
};

enum { LABEL_BOUND = 1u << 31 };

// `keep` gets what *code points to; the bottom of `temp` belongs to the image
// until the end.
MUST_USE status_t image_init(struct image *image, struct code *code,
                             const struct module *m, struct arena *text,
                             struct arena *keep, struct arena *temp);

// Bytes at the end of the code, whose offset is a multiple of FUNC_ALIGN;
// NULL: out of memory, or of the 2 GiB that displacements reach.
MUST_USE const u8 *image_grow(struct image *image, u32 size);

// The code ends here after all.
void image_trim(struct image *image, const u8 *end);

// The function starts at this offset; to be called in the order of indexes.
void image_define(struct image *image, u32 func, u32 start);

// The displacement at this offset is to lead to a function.
void image_link(struct image *image, u32 at, u32 func);

// Rows of the tables, in the order of the code.  Nothing else may take memory
// from `temp` between the rows of one function.
MUST_USE status_t image_func(struct image *image, struct func_code row);
MUST_USE status_t image_trap(struct image *image, struct trap_site row);
MUST_USE status_t image_call(struct image *image, struct call_site row);
MUST_USE status_t image_try(struct image *image, struct code_try row);
MUST_USE status_t image_catch(struct image *image, struct code_catch row);
MUST_USE status_t image_head(struct image *image, struct code_head row);

// A function comes in parts: `count` labels, in memory that lasts until
// image_settle.
MUST_USE bool image_open(struct image *image, u32 count);

// The label is at this offset.  LABEL_NEXT can be used again after that.
void image_bind(struct image *image, u32 label, u32 at);

// The displacement at this offset is to lead to a label.
void image_goto(struct image *image, u32 at, u32 label);

// A part is done: drop everything from `temp` after the mark, which is from
// before the part, but the image's.
void image_keep(struct image *image, u64 mark);

// Is there memory for so many rows?
bool image_room(const struct image *image, u32 count);

// A function is done: drop everything from `temp` but the image's.
void image_settle(struct image *image);

// All are done: make the tables.
MUST_USE status_t image_finish(struct image *image);

// --- emit.c ----------------------------------------------------------------

enum { BRANCH_NONE = CC_ALWAYS + 1 }; // a piece ends in no branch

// Consecutive bytes, then a branch.
struct piece {
    u32 start, end; // in emission.bytes
    u32 label;      // where the branch goes
    u8 branch;      // enum cc but CC_FEQ and CC_FNE, or BRANCH_NONE
    bool is_short;
    u32 at; // in the function, set by layout
};

enum site_kind {
    SITE_TRAP,   // fault at `at`: a = enum trap
    SITE_CALL,   // return address `at`: a = record in mach.calls
    SITE_LINK,   // displacement at `at`, end of the instruction: a = function
    SITE_RODATA, // displacement at `at`; a = end of the instruction
    SITE_GOTO,   // displacement at `at`, ditto: a = label of the function
    SITE_BIND,   // label a of the function is at `at`
    SITE_LABEL,  // for listings: label a is at `at`
    SITE_INS,    // for listings: instruction a starts at `at`
};

// Something about the bytes that needs their final place.
struct site {
    u8 kind;   // enum site_kind
    u32 piece; // that it is in
    u32 at;    // in emission.bytes
    u32 a;
    struct origin origin; // in the module
};

// The targets of a switch, in the constant pool.
struct jump_table {
    u32 at; // in the pool
    const struct cases *cases;
    u32 piece; // that jumps by it
};

// A function on its way into bytes.  Labels are the numbers of blocks, then of
// traps out of line.
struct emission {
    const struct mach *m;
    struct arena *temp;
    status_t status; // first failure
    const u8 *bytes;
    u32 byte_capacity;
    struct encoder encoder;
    struct piece *pieces; // the one after the last is being written
    u32 piece_count, piece_capacity;
    u32 *labels; // piece by block
    struct site *sites;
    u32 site_count, site_capacity;
    struct stub {
        struct origin origin;
        u32 piece;
        u8 trap;
    } * stubs; // by label - block_count
    u32 stub_count, stub_capacity;
    struct jump_table *tables;
    u32 table_count, table_capacity;
    u32 pool_size;  // constants, then jump tables
    u32 frame;      // bytes from rsp to the return address
    bool has_calls; // tail calls do not count
    bool checks;    // of rsp at the landing pads that there are
    bool listing;   // make SITE_LABEL and SITE_INS
    bool *cold;     // by block
    bool *pads;     // by block: is it a landing pad?
    bool *needed;   // by block: is it jumped to, or gone on to?
    bool *heads;    // by block: does a jump lead back to it?
    u32 *order;     // blocks in layout order
    u32 order_count;
    u32 *jumps; // by block: where a jump to it ends up
};

// Add an allocated function to the image.  `listing` is NULL, or gets
// addresses, bytes and text.
MUST_USE status_t mach_emit(const struct mach *m, struct image *image,
                            bool check_pads, struct arena *temp,
                            struct printer *listing);

// Of a function in parts: where its frame keeps the address of its end.
u32 emission_slot(const struct emission *em);

// --- layout.c----------------------------------------------------------------

// Append the function and its rows to the image, jumps short where they reach,
// and its text to `listing`, if that is not NULL.  ERR_NO_MEMORY.
MUST_USE status_t emission_place(struct emission *em, struct image *image,
                                 struct printer *listing);

// --- stubs.c ---------------------------------------------------------------

// Code for the imports, before all functions.
MUST_USE status_t emit_stubs(struct image *image);
