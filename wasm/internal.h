// wasm/internal.h: what the files of this folder share, in data-flow order.
// Other folders include wasm.h only.

#pragma once

#include "wasm/wasm.h"

// --- reader.c ---------------------------------------------------------------

// The length of a vector whose items have at least one byte each; more than
// `limit` is ERR_LIMIT, `what`.
u32 read_count(struct reader *r, u64 limit, const char *what);
bool read_mutable(struct reader *r);
u32 read_heap(struct reader *r); // a heap type: index or HEAP_*
valtype_t read_valtype(struct reader *r);
valtype_t read_reftype(struct reader *r);

// --- ops.c ------------------------------------------------------------------

// Skip a constant expression, with its `end`; syntax only.
struct const_expr read_const_expr(struct reader *r);
// An instruction inside of `depth` blocks; returns how many it leaves open.
u32 read_nested(struct reader *r, struct op *op, u32 depth);

// --- types.c ----------------------------------------------------------------

// The type section, with canonical indexes.  The first broken rule goes to
// d->invalid, and decoding goes on.
struct decoder;
void types_decode(struct decoder *d, struct reader *r);

// Does the type name only defined types below `type_count`?
bool valtype_is_known(valtype_t t, u32 type_count);

// May a local, field or table entry of this type start as zero or null?
bool valtype_has_default(valtype_t t);

// --- decode.c ---------------------------------------------------------------

enum section_id {
    SECTION_CUSTOM,
    SECTION_TYPE,
    SECTION_IMPORT,
    SECTION_FUNCTION,
    SECTION_TABLE,
    SECTION_MEMORY,
    SECTION_GLOBAL,
    SECTION_EXPORT,
    SECTION_START,
    SECTION_ELEMENT,
    SECTION_CODE,
    SECTION_DATA,
    SECTION_DATA_COUNT,
    SECTION_TAG,
    SECTION_COUNT
};

struct section {
    u64 at, end; // of the contents; both 0 when there is none
};

struct decoder {
    struct module *m;
    u32 without; // enum wasm_feature
    struct arena *keep;
    struct error *error;
    struct section sections[SECTION_COUNT];
    u32 imports[EXTERN_TAG + 1]; // how many of each kind
    u64 data_count_at;
    u64 asked_at;         // where in the module we asked last whether to go on
    u64 scanned;          // bytes of bodies, for their syntax
    struct error scan;    // what is wrong behind the sections that were found
    struct error invalid; // the first broken rule, told if nothing is malformed
};

// --- sections.c -------------------------------------------------------------

// Before each item, which is at `at`: false after an error, or when a killed
// thread is not to go on (arena_may_go_on).
bool decoder_goes_on(struct decoder *d, u64 at);
// The same within an item that may be long: it is really asked.
bool decoder_may_go_on(struct decoder *d);

struct reader section_reader(const struct decoder *d, enum section_id id);

// The number of items in a section, 0 if there is no such section.
u32 section_count(const struct decoder *d, struct reader *r, enum section_id id,
                  u64 limit, const char *what);

void decode_types(struct decoder *d);
// Twice: first only to count what is imported.
void decode_imports(struct decoder *d, bool store);
void decode_funcs(struct decoder *d);
void decode_tables(struct decoder *d);
void decode_memories(struct decoder *d);
void decode_tags(struct decoder *d);
void decode_globals(struct decoder *d);
void decode_exports(struct decoder *d);
void decode_start(struct decoder *d);
void decode_elems(struct decoder *d);
void decode_data_count(struct decoder *d);
void decode_code(struct decoder *d);
void decode_datas(struct decoder *d);

// `count` items of `size` bytes, zeroed; NULL after a failure.
void *decoder_alloc(struct decoder *d, u64 count, u64 size);

// --- check.c ----------------------------------------------------------------

// Validate a module whose sections are decoded, bodies excepted.
void module_check(struct decoder *d);

// --- const.c ----------------------------------------------------------------

// Checks any number of constant expressions; made by const_checker_init().
struct const_checker {
    struct module *m;
    struct validator v;
};

void const_checker_init(struct const_checker *c, struct module *m,
                        struct arena *arena, struct error *error);

// Check an expression of type expr.type that sees the globals below `globals`.
// Functions that it names become members of m->func_refs.
void const_check(struct const_checker *c, struct const_expr expr, u32 globals);

// --- validate.c -------------------------------------------------------------

// Start on a constant expression, its final `end` included.  v->m, temp and
// error are set; the rest is zero or the state of an earlier expression.
void validator_init_const(struct validator *v, struct const_expr expr);

// Check an instruction that the caller has read.
void validator_check(struct validator *v, const struct op *op);

// A failure of the instruction being checked; the first one is kept.
void validator_fail(struct validator *v, const char *what);
void validator_mismatch(struct validator *v); // "type mismatch"

// Account for operands that an instruction moves or compares in bulk.
void validator_spend(struct validator *v, u32 moves);

void operand_push_slow(struct validator *v, valtype_t type);
void operand_expect_slow(struct validator *v, valtype_t type);
valtype_t operand_pop(struct validator *v);     // any type
valtype_t operand_pop_ref(struct validator *v); // any reference
void operands_push(struct validator *v, const valtype_t *types, u32 count);
void operands_expect(struct validator *v, const valtype_t *types, u32 count);
// As operands_expect, but leave them where they are.
void operands_check(struct validator *v, const valtype_t *types, u32 count);

static inline void
operand_push(struct validator *v, valtype_t type)
{
    if (v->operand_count < v->operand_capacity)
        v->operands[v->operand_count++] = type;
    else
        operand_push_slow(v, type);
}

// Pop one and compare.
static inline void
operand_expect(struct validator *v, valtype_t type)
{
    u32 top = v->operand_count;

    if (top > v->frames[v->frame_count - 1].height &&
        v->operands[top - 1] == type)
        v->operand_count = top - 1;
    else
        operand_expect_slow(v, type);
}

// Has an instruction nothing more to pop, because of unreachable code or a
// failure?
bool operands_are_unknown(const struct validator *v);

// Open a block of `code`; its operands are pushed by the caller.
void frame_open(struct validator *v, u32 code, struct block_type type);

// Check the results of the innermost block and take it off, into v->closed.
void frame_close(struct validator *v);

// What a branch to the block passes.
const valtype_t *label_types(const struct validator *v, const struct frame *f,
                             u32 *count);

void data_check(struct validator *v, u32 segment); // is there such a segment?

// The rest of the innermost block cannot be reached.
void validator_unreachable(struct validator *v);

// The rules of instructions without a sig, by OP_SLOT; NULL elsewhere.
typedef void validate_fn(struct validator *v, const struct op *op);
extern validate_fn *const validate_control[OP_SLOTS];
extern validate_fn *const validate_data[OP_SLOTS];
extern validate_fn *const validate_gc[OP_SLOTS];

// --- validate_control.c -----------------------------------------------------

// Checked indexes; NULL after a failure.
const struct type *func_type_get(struct validator *v, u32 type);
const struct frame *label_get(struct validator *v, u32 depth);

// A branch that may go on: its operands stay, with the types of the label.
void label_pass(struct validator *v, const valtype_t *types, u32 count);
