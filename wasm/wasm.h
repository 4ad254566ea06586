// wasm/: from bytes to a validated module.  Iterative and table-driven; linear
// in the bytes; every count is checked against the bytes left and against
// abi/limits.def before memory is taken.

#pragma once

#include "abi/abi.h"

// --- types ------------------------------------------------------------------

// A value type (spec 2.3) in one word, comparable with ==:
//
//     numbers     VAL_I32 .. VAL_V128
//     references  REF_BIT | NULL_BIT? | heap, where heap is a type index or
//                 one of HEAP_*
//
// VAL_BOT is the type of operands in unreachable code.
typedef u32 valtype_t;

enum {
    VAL_NONE = 0, // no type
    VAL_I32 = 1,
    VAL_I64,
    VAL_F32,
    VAL_F64,
    VAL_V128,
    VAL_BOT,
    VAL_I8, // storage types of fields only
    VAL_I16,

    REF_BIT = 1u << 31,
    NULL_BIT = 1u << 30,
    HEAP_MASK = (1u << 30) - 1,

    // Abstract heap types, above every type index.
    HEAP_FUNC = 1u << 24,
    HEAP_NOFUNC,
    HEAP_EXTERN,
    HEAP_NOEXTERN,
    HEAP_ANY,
    HEAP_EQ,
    HEAP_I31,
    HEAP_STRUCT,
    HEAP_ARRAY,
    HEAP_NONE,
    HEAP_EXN,
    HEAP_NOEXN,
    HEAP_BOT, // below all: references in unreachable code

    VAL_FUNCREF = (int)(REF_BIT | NULL_BIT | HEAP_FUNC),
    VAL_EXTERNREF = (int)(REF_BIT | NULL_BIT | HEAP_EXTERN),
};

static inline bool
valtype_is_ref(valtype_t t)
{
    return (t & REF_BIT) != 0;
}

static inline u32
valtype_heap(valtype_t t)
{
    return t & HEAP_MASK;
}

static inline bool
valtype_is_nullable(valtype_t t)
{
    return (t & NULL_BIT) != 0;
}

enum type_kind { TYPE_FUNC, TYPE_STRUCT, TYPE_ARRAY };

struct field {
    valtype_t type; // VAL_I8 and VAL_I16 allowed
    bool mutable;
    u32 at; // offset from a reference to its object; see abi/abi.h
};

// One type of the type section, rec groups flattened.
struct type {
    u8 kind;          // enum type_kind
    bool final;       // may have no subtypes
    bool has_default; // struct, array: all fields do
    u8 depth;         // length of the chain of supertypes
    u32 far;          // a supertype further up, see type_is_subtype()
    u32 super;        // type index, or NO_INDEX
    u32 group;        // index of the first type of its rec group
    u32 group_size;
    u32 canonical; // first type of this module that is equal to it (iso-
                   // recursive); types are equal iff canonical is
    // TYPE_FUNC: params then results in `vals`.  TYPE_STRUCT, TYPE_ARRAY:
    // fields.
    u32 param_count, result_count;
    const valtype_t *vals;
    u32 field_count;
    const struct field *fields;
    u32 size; // TYPE_STRUCT: bytes of an object, a multiple of 8
};

enum { NO_INDEX = 0xffffffff };

struct limits {
    u64 min, max; // max is the implementation's limit when has_max is false
    bool has_max;
    bool shared;
    bool is64;    // addresses are i64
    u8 page_log2; // memories: 16, or 0 with custom page sizes
};

// The most pages that such a memory can have: as many as there are addresses
// for and as memory.size can tell.
static inline u64
memory_most_pages(const struct limits *type)
{
    u64 most = type->is64 ? UINT64_MAX : UINT32_MAX;

    return type->page_log2 == 0 ? most : (most >> type->page_log2) + 1;
}

// May code use any address of 32 bits and offset below 2^31 in memory 0 of this
// type without a check?  Then the memory begins a slot that is so large.
static inline bool
memory_is_guarded(const struct limits *type)
{
    return !type->is64 && type->page_log2 == 16;
}

struct table_type {
    valtype_t elem;
    u8 kind; // enum ref_kind, of elem
    struct limits limits;
};

struct global_type {
    valtype_t type;
    bool mutable;
};

enum extern_kind {
    EXTERN_FUNC,
    EXTERN_TABLE,
    EXTERN_MEMORY,
    EXTERN_GLOBAL,
    EXTERN_TAG
};

struct import {
    struct string module, name;
    u8 kind;   // enum extern_kind
    u32 index; // in the index space of its kind: imports come first there
    u64 at;    // byte offset, for link errors
};

struct export
{
    struct string name;
    u8 kind;
    u32 index;
};

// A constant expression, validated: its bytes without the final `end`.  See
// const_eval() for its value.
struct const_expr {
    u64 at, end; // byte offsets in the module
    valtype_t type;
};

struct func {
    u32 type;    // type index
    u64 at, end; // defined functions: byte offsets of the body (locals first)
};

struct table {
    struct table_type type;
    bool has_init;
    struct const_expr init; // when has_init, else null
};

struct global {
    struct global_type type;
    struct const_expr init; // defined globals
};

enum segment_mode { SEGMENT_ACTIVE, SEGMENT_PASSIVE, SEGMENT_DECLARED };

struct elem_segment {
    u8 mode;
    u32 table;
    struct const_expr offset; // active
    valtype_t type;
    u32 count;
    bool is_funcs; // items are function indexes, else constant expressions
    u64 at;        // byte offset of the first item, see elem_next()
};

struct data_segment {
    u8 mode;
    u32 memory;
    struct const_expr offset; // active
    u64 at, size;             // the bytes
};

// A decoded module.  Everything it points to is in the arena it was decoded
// into, or in the module's bytes, which must outlive it.
struct module {
    const u8 *bytes;
    u64 size;

    u32 type_count, func_count, table_count, memory_count, global_count,
        tag_count; // imports included
    u32 func_imports, table_imports, memory_imports, global_imports,
        tag_imports;
    u32 import_count, export_count, elem_count, data_count;

    struct type *types;
    struct func *funcs;
    struct table *tables;
    struct limits *memories;
    struct global *globals;
    u32 *tags; // type indexes
    struct import *imports;
    struct export *exports;
    struct elem_segment *elems;
    struct data_segment *datas;

    u32 start; // function index or NO_INDEX
    bool has_data_count;
    u64 *func_refs;          // bit set: functions that may be named by ref.func
    struct bytes names;      // contents of the name section, size 0 if none
    struct bytes debug_line; // ditto for DWARF custom sections
    struct bytes debug_info, debug_abbrev, debug_str, debug_line_str,
        debug_ranges;
    u64 code_at;   // byte offset of the code section's contents (DWARF's zero)
    bool has_heap; // it declares structs or arrays
    struct vmctx_counts counts;
    struct vmctx_layout layout;
};

// --- reader.c: a cursor over untrusted bytes --------------------------------

// The first failure sticks: later reads return 0 and callers look once.
struct reader {
    const u8 *bytes;
    u64 at;  // next byte to read
    u64 end; // one past the last byte; at == end after a failure
    struct error *error;
};

// The two ways to make a reader, of the bytes [at, end): of all `size` bytes,
// or of what r may read, whose error it shares.  One that lies elsewhere, or
// ends before it begins, can read nothing and has failed (ERR_MALFORMED).
struct reader reader_range(const u8 *bytes, u64 size, u64 at, u64 end,
                           struct error *error);
struct reader reader_part(const struct reader *r, u64 at, u64 end);

u64 reader_left(const struct reader *r);      // in bytes
bool reader_skip(struct reader *r, u64 size); // false: fewer are left
// The first failure stays, and later reads return 0; `what` has to live on.
void reader_fail(struct reader *r, u64 at, status_t status, const char *what);
u8 read_u8(struct reader *r);
u32 read_u32(struct reader *r); // LEB128, spec 5.2.2
u64 read_u64(struct reader *r); // LEB128
i32 read_i32(struct reader *r); // signed LEB128
i64 read_i64(struct reader *r); // signed LEB128
i64 read_i33(struct reader *r); // signed LEB128, block types, heap types
u64 read_bits(struct reader *r, u32 size); // little endian, size 1..8 bytes
struct string read_name(struct reader *r); // checked UTF-8

// --- decode.c: sections -----------------------------------------------------

// Decode and validate everything but function bodies, into *m.  `keep` owns
// what *m points to.  On failure error says where and why.
// `without` is a set of features to refuse, as if they did not exist.
enum wasm_feature {
    FEATURE_MULTI_MEMORY = 1 << 0,
    FEATURE_MULTI_TABLE = 1 << 1,
    FEATURE_PAGE_SIZES = 1 << 2, // custom page sizes
    FEATURES_ALL = (1 << 3) - 1,
};

// A module from these bytes, which have to stay; all that it points to is in
// `keep`.  After a failure `error` has status, offset and words.  The first
// takes none of the features `without`.
MUST_USE status_t module_decode_without(struct module *m, struct bytes bytes,
                                        u32 without, struct arena *keep,
                                        struct error *error);
MUST_USE status_t module_decode(struct module *m, struct bytes bytes,
                                struct arena *keep, struct error *error);

// --- ops.c: instructions ----------------------------------------------------

// Opcodes: the byte, or prefix << 16 | number (0xfb .. 0xfe).
enum wasm_op {
#define OP(code, id, text, imm, sig, ir) WASM_##id = code,
#include "wasm/ops.def"
};

enum imm_kind {
    IMM_NONE,
    IMM_BLOCK,       // block type                   -> block
    IMM_LABEL,       // depth                        -> index
    IMM_BR_TABLE,    // see struct op                -> index = count, table_at
    IMM_FUNC,        // index
    IMM_TYPE_TABLE,  // call_indirect                -> index type, index2 table
    IMM_TYPE,        // index
    IMM_TYPE2,       // two type indexes             -> index, index2
    IMM_TYPE_FIELD,  // type, field                  -> index, index2
    IMM_TYPE_COUNT,  // type, count                  -> index, index2
    IMM_TYPE_DATA,   // type, data segment           -> index, index2
    IMM_TYPE_ELEM,   // type, element segment        -> index, index2
    IMM_LOCAL,       // index
    IMM_GLOBAL,      // index
    IMM_TABLE,       // index
    IMM_TABLE2,      // destination, source          -> index, index2
    IMM_MEMARG,      // align, memory, offset
    IMM_MEMARG_LANE, // and lane
    IMM_LANE,        // lane
    IMM_MEMORY,      // index, also in memory
    IMM_MEMORY2,     // destination, source          -> index, index2
    IMM_DATA,        // index
    IMM_DATA_MEMORY, // segment, memory              -> index, index2, memory
    IMM_ELEM,        // index
    IMM_ELEM_TABLE,  // segment, table               -> index, index2
    IMM_I32,         // value
    IMM_I64,         // value
    IMM_F32,         // value: the bits
    IMM_F64,         // value: the bits
    IMM_V128,        // v128
    IMM_SHUFFLE,     // v128: sixteen lane numbers
    IMM_SELECT,      // a vector of one value type   -> type
    IMM_HEAP,        // heap type                    -> type
    IMM_TAG,         // index
    IMM_TRY_TABLE,   // block type, catches          -> block, index = count,
                     //                                 table_at
    IMM_CAST,        // flags, depth, two heap types -> index, type, type2
    IMM_ORDER,       // atomic.fence's zero byte

    // What the rows say: a kind, and in IMM_WIDTH the log2 of the bytes that a
    // memory argument accesses or the number of lanes to choose from.
    IMM_KIND = 0xff,
    IMM_WIDTH = 8, // shift
    IMM_MEM1 = IMM_MEMARG,
    IMM_MEM2 = IMM_MEMARG | 1 << IMM_WIDTH,
    IMM_MEM4 = IMM_MEMARG | 2 << IMM_WIDTH,
    IMM_MEM8 = IMM_MEMARG | 3 << IMM_WIDTH,
    IMM_MEM16 = IMM_MEMARG | 4 << IMM_WIDTH,
    IMM_MEM1_LANE = IMM_MEMARG_LANE,
    IMM_MEM2_LANE = IMM_MEMARG_LANE | 1 << IMM_WIDTH,
    IMM_MEM4_LANE = IMM_MEMARG_LANE | 2 << IMM_WIDTH,
    IMM_MEM8_LANE = IMM_MEMARG_LANE | 3 << IMM_WIDTH,
    IMM_LANE2 = IMM_LANE | 2 << IMM_WIDTH,
    IMM_LANE4 = IMM_LANE | 4 << IMM_WIDTH,
    IMM_LANE8 = IMM_LANE | 8 << IMM_WIDTH,
    IMM_LANE16 = IMM_LANE | 16 << IMM_WIDTH,
};

// A block type: parameters and results, in the type section or as a single
// result.
struct block_type {
    u32 type;         // type index, or NO_INDEX
    valtype_t result; // when type is NO_INDEX: VAL_NONE or the one result
};

// One decoded instruction.  Fields that its immediates do not set hold old
// values.
struct op {
    u64 at;                     // byte offset of the opcode
    u32 code;                   // enum wasm_op
    const struct op_info *info; // the row of the opcode
    u8 align, lane;
    u32 memory; // IMM_MEMARG
    u32 index, index2;
    u64 value; // constants; IMM_MEMARG: the offset
    u8 v128[16];
    valtype_t type, type2;
    struct block_type block;
    u64 table_at; // byte offset of the br_table targets or of the catches
};

struct op_info {
    const char *text; // NULL: no such opcode
    const char *sig;  // operands:results, i l f d v (i32 i64 f32 f64 v128), a
                      // (address type of op.memory), or NULL
    u8 imm;           // enum imm_kind, up to IMM_ORDER
    u8 width;         // log2 of the bytes accessed, or number of lanes
};

// What the letters of a sig stand for: a number type, or VAL_NONE: 'a', the
// address type of a memory, and ':'.
extern const u8 sig_letters[128];

static inline valtype_t
sig_type(char letter)
{
    return sig_letters[(u8)letter & 127];
}

// The type of the result in a sig; VAL_NONE when there is none, or an 'a'.
valtype_t sig_result(const char *sig);

// Opcodes numbered densely, for tables indexed by opcode.
#define OP_SLOT(code)                          \
    ((code) < 0x100 ? (code) :                 \
     (code) >> 16 == 0xfd ?                    \
                      0x240 + ((code)&0x1ff) : \
                      0x100 + (((code) >> 16) - 0xfb) * 0x40 + ((code)&0x7f))
enum { OP_SLOTS = 0x3c0 };

// The row of an opcode; text is NULL for one that does not exist.
const struct op_info *op_info(u32 code);

// Read one instruction with its immediates; syntax only.  br_table targets and
// catches are skipped over (index of them, counted, at table_at).
void op_read(struct reader *r, struct op *op);

// One catch clause of a try_table; the label counts from outside its block.
enum catch_kind { CATCH_TAG, CATCH_TAG_REF, CATCH_ANY, CATCH_ANY_REF };

struct catch_clause {
    u8 kind; // enum catch_kind
    u32 tag; // tag index, or NO_INDEX
    u32 label;
};

// A clause of try_table (spec 5.4.1).
void read_catch(struct reader *r, struct catch_clause *clause);

// --- validate.c: function bodies --------------------------------------------

// One open block of the function being validated (spec appendix, "Validation
// Algorithm").
struct frame {
    u32 code; // WASM_BLOCK, LOOP, IF, ELSE, TRY, TRY_TABLE, CATCH, CATCH_ALL;
              // WASM_BLOCK for the function's own frame
    struct block_type type;
    u32 height;       // operands below the block
    u32 init_height;  // length of the undo list of initialised locals
    bool unreachable; // the rest of the block cannot be reached
    bool dead;        // the block itself cannot be reached
};

// The state of validating one body.  The stepping interface lets the compiler
// build its IR in the same single pass: call validator_next() until it returns
// false, and look at the op and at the operand types between the steps.
struct validator {
    const struct module *m;
    struct reader r;
    struct arena *temp;
    struct error *error;
    u32 func;                // function index
    const struct type *type; // of the function

    // Locals, run-length encoded as in the body: locals [run[i-1].end,
    // run[i].end) have run[i].type; parameters are the first runs.
    struct local_run {
        u32 end;
        valtype_t type;
    } * runs;
    u32 run_count;
    u32 local_count;

    valtype_t *operands; // the operand stack
    u32 operand_count, operand_capacity;
    struct frame *frames; // frames[0] is the function's body
    u32 frame_count, frame_capacity;

    u64 *inited;    // bit set of the locals that are set; NULL when all have a
                    // default
    u32 *init_undo; // locals set since the start, to take back at block ends
    u32 init_count;
    u32 operand_limit; // proportional to the body
    u64 moves_left;    // budget of operands moved in bulk, ditto
    u64 at;            // byte offset of the instruction being checked

    // Facts about the op that validator_next() just accepted.
    bool was_reachable;  // false: the op is dead code, generate nothing
    struct frame closed; // WASM_END, ELSE, CATCH, ...: the frame that it closes
};

// Start on a defined function: reads its locals.  `temp` holds the state.
void validator_init(struct validator *v, const struct module *m, u32 func,
                    struct arena *temp, struct error *error);

// Make room for so many operands and frames: with as many as an earlier run
// over the same body ended with, no more memory is taken.
void validator_reserve(struct validator *v, u32 operands, u32 frames);

// Read and check the next instruction.  False at the end of the body (the
// final `end` is returned as an op first) or on failure, which is in error.
bool validator_next(struct validator *v, struct op *op);

// Of the function whose body it is in, by a local that it has.
valtype_t validator_local_type(const struct validator *v, u32 local);

// Parameters and results of a block type; count in *count.  A single result's
// storage is in *b.
const valtype_t *block_params(const struct module *m, struct block_type b,
                              u32 *count);
const valtype_t *block_results(const struct module *m,
                               const struct block_type *b, u32 *count);

// Validate every body; a module that passed may be compiled.
MUST_USE status_t module_validate(const struct module *m, struct arena *temp,
                                  struct error *error);

// --- types.c ----------------------------------------------------------------

// Abstract heap types: the one right above defined types of a kind, the one
// below that and all its defined types, and subtyping among them.
u32 heap_of_kind(enum type_kind kind);
u32 heap_bottom(u32 heap);
bool heap_abstract_matches(u32 sub, u32 super);

// Is every `sub` a `super` (spec 3.3)?
bool valtype_matches(const struct module *m, valtype_t sub, valtype_t super);
bool type_is_subtype(const struct module *m, u32 sub, u32 super);

// Does the vmctx hold the address of this global instead of its value?
static inline bool
global_is_shared(const struct module *m, u32 global)
{
    return global < m->global_imports && m->globals[global].type.mutable;
}

// What references of a type, whose index is known to exist, refer to.
enum ref_kind valtype_ref_kind(const struct module *m, valtype_t t);

// Is a value of the type 32 bits of a general register?  All that is a kind of
// `any` is.
bool valtype_is_narrow(const struct module *m, valtype_t t);

// May what a value of the type refers to be in the heap of a thread?  (An
// externref may be a reference that was converted.)
bool valtype_is_in_heap(const struct module *m, valtype_t t);

static inline bool
ref_is_in_heap(enum ref_kind kind)
{
    return kind == REF_ANY || kind == REF_EXTERN;
}

// Bytes of a field of the type, a power of two.
u32 valtype_field_size(valtype_t t);

// --- const.c: constant expressions and segments, for the run time -----------

// Evaluate a validated constant expression.  The callbacks give the values of
// globals and references to functions.
union value {
    u32 i32;
    u64 i64; // also references: 0 is null
    u8 v128[16];
    u64 bits[2];
};

struct const_env {
    void *self;
    union value (*global)(void *self, u32 index);
    u64 (*func_ref)(void *self, u32 index);
    // A reference to a new object, of these fields or elements.  (An array.new
    // has the element, and its length behind that.)  NULL: they are null.
    u64 (*object)(void *self, const struct op *op, const union value *values);
};

// The value of an expression that was found valid.
union value const_eval(const struct module *m, struct const_expr expr,
                       const struct const_env *env);

// Walk the items of an element segment: set *at to segment->at, then call
// segment->count times.
u64 elem_next(const struct module *m, const struct elem_segment *segment,
              u64 *at, const struct const_env *env);

// --- names.c ----------------------------------------------------------------

// A place in a function, and what the module says about it, for people.
struct code_place {
    u32 func;
    u64 at;             // byte offset in the module
    struct string name; // of the function, empty: has none
    struct string file; // of the source, without its directory; empty: unknown
    u64 line;
};

// How many places are described at once, and how many bytes of a section are
// read for them: what lies behind is not found.
enum { PLACES_MAX = 64, DESCRIBE_MAX = 32 * 1024 * 1024 };

// Fill in the names: from the name section, else of an export, else of the
// import.  One walk over the section, which ends when stopped() (NULL: never),
// asked now and then, says so.
void module_names(const struct module *m, struct code_place *places, u32 count,
                  bool (*stopped)(void));

// Fill in files and lines by .debug_line (dwarf.c).  One walk as above.
void module_lines(const struct module *m, struct code_place *places, u32 count,
                  bool (*stopped)(void));

// The name of one function.
struct string module_func_name(const struct module *m, u32 func);

// The defined function whose body this byte offset is in, or after whose body
// it is; NO_INDEX: none before.
u32 module_func_at(const struct module *m, u64 at);

// Find an export; NULL if there is none.
const struct export *module_export(const struct module *m, struct string name);

// "(i32, i64) -> (f32)" for messages and dumps.
u32 type_format(char *to, u64 size, const struct module *m, u32 type);
const char *valtype_format(char *to, u64 size, valtype_t type);
