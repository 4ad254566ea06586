// ir/except.c: exceptions, both kinds: try_table, and the older try.
//
// Whatever a handler needs is in a slot when a call in the block throws, and
// no value survives: for what comes after it, a landing pad (see struct
// handler) is as the start of the function is.  It is made at the end of a
// try_table, or where the catch is.
//
// In normal mode, each write of a local also goes to its slot ("shadow"); a
// pad takes all locals from there, and finish.c drops what no one reads.  A
// loop with handlers in it has all locals as parameters.  Operands on the stack
// below a try are left to plain mode.
//
// In plain mode the rows of a try are known by the labels of their pads, which
// may be in several parts; fn.catches has those of the part at hand.

#include "ir/build.h"

// The rows of a new try.
static struct try_block *
try_new(struct builder *b)
{
    struct fn *fn = b->fn;
    struct try_block *own = b->plain ? &b->try_blocks[fn->try_count] :
                                       ARENA_NEW(b->temp, struct try_block, 1);

    if (own == NULL) {
        ir_stop(b, ERR_NO_MEMORY, "function too large to compile");
        return NULL;
    }
    if (fn->try_count == 0)
        fn->try_count = 1; // tries[0] is unused
    if (!ir_room(b, &fn->tries, &b->try_capacity, fn->try_count, 1,
                 sizeof(struct handlers)))
        return NULL;
    fn->tries[fn->try_count] = (struct handlers){.parent = b->try};
    *own = (struct try_block){
        .number = fn->try_count++,
        .block = b->block,
        .exnref = NO_INDEX,
    };
    return own;
}

static void
try_begin(struct builder *b, u32 code, u32 clause_count)
{
    if (b->block == NO_BLOCK) {
        ir_label_push(b, code, 0);
        return;
    }
    if (!b->plain && (!b->shadow || b->height > ir_block_arity(b))) {
        ir_stop(b, ERR_BUDGET, NULL);
        return;
    }
    if (b->plain)
        ir_flush(b, b->height);
    struct try_block *own = try_new(b);
    ir_label_push(b, code, ir_block_arity(b));
    if (b->status != OK)
        return;
    own->table_at = (u32)(b->op.table_at - b->start);
    own->clause_count = clause_count;
    ir_label_at(b, 0)->own = own;
    b->try = own->number;
}

void
build_try(struct builder *b)
{
    try_begin(b, WASM_TRY, 0);
}

void
build_try_table(struct builder *b)
{
    try_begin(b, WASM_TRY_TABLE, b->op.index);
}

const struct type *
ir_tag_type(const struct builder *b, u32 tag)
{
    static const struct type none;

    return tag == NO_INDEX ? &none : &b->m->types[b->m->tags[tag]];
}

static u32
pad_args(struct builder *b, u32 count, bool ref)
{
    u32 args = ir_pool_new(b, count + ref);

    for (u32 i = 0; i < count + ref && b->status == OK; i++)
        b->fn->pool[args + i] = i < count ? VAL_PAYLOAD + i : VAL_EXNREF;
    return args;
}

// Start a landing pad with no values, and the locals in slots.
static void
forget_values(struct builder *b, struct label *label)
{
    b->height = label->height;
    b->flushed = MIN(b->flushed, b->height);
    ir_numbers_cut(b, 1);
    label->low = label->scope = 1;
    ir_epoch_end_all(b);
    if (!b->plain)
        ir_locals_undo(b, label->undo);
}

static void
load_locals(struct builder *b)
{
    ir_spend(b, b->local_count);
    for (u32 i = 0; i < b->local_count && b->status == OK; i++) {
        const struct local *l = &b->locals[i];
        ir_local_set(b, i, ir_emit(b, IR_SLOT_GET, l->type, 0, l->slot, 0, 0));
    }
}

// Start the block of a landing pad: a new row of the try.
static void
pad_block(struct builder *b, const struct try_block *own, u32 tag, bool ref)
{
    struct fn *fn = b->fn;
    edge_t edge = ir_edge_new(b);

    if (!ir_room(b, &fn->catches, &b->catch_capacity, fn->catch_count, 1,
                 sizeof(struct handler)) ||
        !ir_room(b, &b->catch_try, &b->catch_try_capacity, b->row_count, 1,
                 sizeof(u32)))
        return;
    b->catch_try[b->row_count] = own->number;
    fn->has_pads = true;
    fn->catches[fn->catch_count++] =
        (struct handler){.tag = tag, .edge = edge, .ref = ref};
    fn->edges[edge].from = b->plain ? 0 : own->block;
    fn->edges[edge].args = pad_args(b, ir_tag_type(b, tag)->param_count, ref);
    ir_block_after(b, edge);
    if (b->plain && b->status == OK) {
        u32 label = ir_label_number(b);
        fn->blocks[b->block].label = label;
        b->pads[b->row_count] = (struct pad){tag, label};
    }
    b->row_count++;
}

// Start the landing pad of a catch and push the payload; with `ref`, return
// the exception.
static val_t
open_pad(struct builder *b, struct label *label, u32 tag, bool ref)
{
    struct fn *fn = b->fn;
    const struct type *type = ir_tag_type(b, tag);
    u32 count = type->param_count;

    pad_block(b, label->own, tag, ref);
    if (b->status != OK)
        return 0;

    fn->blocks[b->block].params = count + ref;
    fn->blocks[b->block].cold = true;
    forget_values(b, label);
    for (u32 i = 0; i < count; i++)
        ir_push(b, ir_emit(b, IR_PARAM, ir_type_of(b->m, type->vals[i]), 0, i,
                           b->block, 0));
    val_t exnref =
        ref ? ir_emit(b, IR_PARAM, IR_I64, 0, count, b->block, 0) : 0;
    if (!b->plain)
        load_locals(b);
    return exnref;
}

static void
build_clauses(struct builder *b, struct label *label)
{
    struct reader r =
        reader_part(&b->v.r, b->start + label->own->table_at, b->v.r.end);
    struct catch_clause clause;

    for (u32 i = 0; i < label->own->clause_count && b->status == OK; i++) {
        read_catch(&r, &clause);
        bool ref = clause.kind == CATCH_TAG_REF || clause.kind == CATCH_ANY_REF;
        val_t exnref = open_pad(b, label, clause.tag, ref);
        if (ref)
            ir_push(b, exnref);
        ir_jump_to(b, ir_label_at(b, clause.label + 1));
    }
}

void
ir_try_end(struct builder *b, struct label *label)
{
    u32 height = b->height, flushed = b->flushed;
    blk_t block = b->block;

    b->try = label->outer_try;
    if (label->own->clause_count == 0)
        return;
    if (block != NO_BLOCK)
        ir_jump_waiting(b, label);
    build_clauses(b, label);
    b->height = height;
    b->flushed = flushed;
}

void
build_catch(struct builder *b)
{
    struct label *label = ir_label_at(b, 0);
    u32 tag = b->op.code == WASM_CATCH ? b->op.index : NO_INDEX;

    label->code = WASM_CATCH;
    if (label->dead)
        return;
    if (b->block != NO_BLOCK)
        ir_jump_waiting(b, label);
    b->try = label->outer_try;
    if (label->own->exnref == NO_INDEX)
        label->own->exnref = b->plain ? b->exnref_slots + label->own->number :
                                        ir_slot_new(b, IR_I64);
    val_t exnref = open_pad(b, label, tag, true);
    ir_emit(b, IR_SLOT_SET, IR_VOID, 0, exnref, label->own->exnref, 0);
}

// The handlers that an exception meets that leaves the label's body; of a try
// block they are its own.
static u32
label_handlers(const struct label *label)
{
    bool is_own = label->code == WASM_TRY || label->code == WASM_TRY_TABLE;

    return is_own ? label->own->number : label->outer_try;
}

// The end of a try without catches, which passes exceptions on to a label.
void
build_delegate(struct builder *b)
{
    struct label *label = ir_label_at(b, 0);

    if (!label->dead)
        b->fn->tries[label->own->number].parent =
            label_handlers(ir_label_at(b, b->op.index + 1));
    build_end(b);
}

// --- throwing  -------------------------------------------------------------

// Store the topmost operands as an array; its first slot.
static u32
store_payload(struct builder *b, u32 count)
{
    if (b->throw_slot_count < count) {
        b->throw_slot_count = count;
        b->throw_slots = ir_slot_new(b, IR_V128);
        for (u32 i = 1; i < count; i++)
            (void)ir_slot_new(b, IR_V128);
    }
    for (u32 i = count; i > 0; i--) {
        val_t v = ir_pop(b);
        ir_emit(b, IR_SLOT_SET, IR_VOID, SLOT_ESCAPES, v,
                b->throw_slots + i - 1, 0);
    }
    return b->throw_slots;
}

void
build_throw(struct builder *b)
{
    u32 count = ir_tag_type(b, b->op.index)->param_count;
    val_t values[2] = {0, 0};

    if (count > 0)
        values[1] = ir_emit(b, IR_SLOT_ADDRESS, IR_I64, 0,
                            store_payload(b, count), 0, 0);
    else
        values[1] = ir_const_i64(b, 0);
    values[0] = ir_const_i32(b, b->op.index);
    ir_call_builtin(b, BUILTIN_THROW, COUNT(values), values);
    build_trap(b, TRAP_UNREACHABLE);
}

static void
throw_reference(struct builder *b, val_t exnref)
{
    ir_call_builtin(b, BUILTIN_THROW_REF, 1, &exnref);
    build_trap(b, TRAP_UNREACHABLE);
}

void
build_throw_ref(struct builder *b)
{
    val_t exnref = ir_pop(b);

    build_check(b, ir_value(b, IR_I64_EQZ, IR_I32, 0, exnref, 0, 0),
                TRAP_NULL_EXCEPTION);
    throw_reference(b, exnref);
}

void
build_rethrow(struct builder *b)
{
    const struct label *label = ir_label_at(b, b->op.index);

    throw_reference(
        b, ir_emit(b, IR_SLOT_GET, IR_I64, 0, label->own->exnref, 0, 0));
}

// --- tables  ---------------------------------------------------------------

// Rows were made in the order of the catches, which for the older kind is not
// that of the tries: sort them by try, in linear time and keeping the order.
// What names the try of a row becomes its place.
static void
sort_rows(struct builder *b)
{
    struct fn *fn = b->fn;
    u32 at = 0;

    for (u32 i = 0; i < b->row_count; i++)
        fn->tries[b->catch_try[i]].count++;
    for (u32 i = 1; i < fn->try_count; i++) {
        fn->tries[i].catches = at;
        at += fn->tries[i].count;
        fn->tries[i].count = 0;
    }
    for (u32 i = 0; i < b->row_count; i++) {
        struct handlers *try = &fn->tries[b->catch_try[i]];
        b->catch_try[i] = try->catches + try->count++;
    }
}

void
ir_catches_group(struct builder *b)
{
    struct fn *fn = b->fn;
    struct handler *catches = ir_scratch(b, b->row_count * sizeof(*catches));

    if (b->row_count == 0 || catches == NULL)
        return;
    sort_rows(b);
    for (u32 i = 0; i < b->row_count; i++)
        catches[b->catch_try[i]] = fn->catches[i];
    fn->catches = catches;
}

void
ir_pads_group(struct builder *b)
{
    struct pad *pads = ir_scratch(b, b->row_count * sizeof(*pads));

    if (b->row_count == 0 || pads == NULL)
        return;
    sort_rows(b);
    for (u32 i = 0; i < b->row_count; i++)
        pads[b->catch_try[i]] = b->pads[i];
    b->fn->pads = pads;
}
