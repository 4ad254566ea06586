// ir/parts.c: plain mode: a function in parts of bounded size.
//
// The body is read twice.  The first time it is only validated, and surveyed:
// how deep its blocks nest, how high its operands stack, which locals it uses.
// So all that lives from part to part (labels, operands, tries, slots of the
// frame) gets its memory before the first part, and each part can leave its
// own behind.
//
// A part ends after the instruction that fills it.  Control flow between wasm's
// blocks goes by labels (IR_GOTO), which are the same inside a part and across.
// The last part holds what needs to know all others: the entry, which moves
// the arguments to their slots, and the return.

#include "ir/build.h"

enum {
    PART_INS = 4096,   // a part ends at this many instructions
    PART_BYTES = 2048, // of wasm, about; sizes the part's arrays
    FIRST_LABEL = LABEL_RETURN + 1,
};

// --- the survey  -----------------------------------------------------------

struct survey {
    struct builder *b;
    u32 height;  // most operands
    u32 payload; // most values of a tag
    u32 labels, tries, rows;
};

static void
note_tag(struct survey *s, u32 tag)
{
    s->payload = MAX(s->payload, ir_tag_type(s->b, tag)->param_count);
}

static void
note_call(struct survey *s, u32 index)
{
    const struct type *type = &s->b->m->types[index];
    struct fn *base = &s->b->base;

    base->call_args = MAX(base->call_args, type->param_count);
    base->call_results = MAX(base->call_results, type->result_count);
}

static void
note_clauses(struct survey *s, const struct op *op)
{
    const struct reader *body = &s->b->v.r;
    struct reader r = reader_part(body, op->table_at, body->end);
    struct catch_clause clause;

    for (u32 i = 0; i < op->index; i++) {
        read_catch(&r, &clause);
        note_tag(s, clause.tag);
    }
    s->rows += op->index;
}

static void
note_op(struct survey *s, const struct op *op)
{
    const struct validator *v = &s->b->v;

    s->height = MAX(s->height, v->operand_count);
    s->b->depth = MAX(s->b->depth, v->frame_count);
    switch (op->code) {
    case WASM_BLOCK:
    case WASM_LOOP:
        s->labels++;
        break;
    case WASM_IF: // one for where the condition is 0
        s->labels += 2;
        break;
    case WASM_STRUCT_SET: // an if of ir/gc.c, whose condition is on top of the
    case WASM_ARRAY_SET:  // two or three operands
        s->labels += 2;
        s->height = MAX(s->height, v->operand_count + 4);
        s->b->depth = MAX(s->b->depth, v->frame_count + 1);
        break;
    case WASM_TRY_TABLE:
        note_clauses(s, op);
        // fall through
    case WASM_TRY:
        s->labels++;
        s->tries++;
        break;
    case WASM_CATCH:
        note_tag(s, op->index);
        // fall through
    case WASM_CATCH_ALL:
        s->rows++;
        break;
    case WASM_THROW:
        note_tag(s, op->index);
        break;
    case WASM_CALL:
    case WASM_RETURN_CALL:
        note_call(s, v->m->funcs[op->index].type);
        break;
    case WASM_CALL_INDIRECT:
    case WASM_RETURN_CALL_INDIRECT:
    case WASM_CALL_REF:
    case WASM_RETURN_CALL_REF:
        note_call(s, op->index);
        break;
    default:
        if (op_info(op->code)->imm == IMM_LOCAL)
            (void)ir_local_find(s->b, op->index);
    }
}

static void
survey_body(struct survey *s)
{
    struct builder *b = s->b;

    while (b->status == OK && validator_next(&b->v, &b->op))
        note_op(s, &b->op);
    if (b->error->status != OK)
        ir_stop(b, b->error->status, NULL);
    s->labels += s->rows;
    s->height += s->payload + 1; // a pad's operands, and the exception
}

// --- what lives from part to part  -----------------------------------------

// Slots in the order of struct fn.  What the entry fills with zeros comes
// first.
static void
make_slots(struct builder *b, const struct survey *s)
{
    struct fn *base = &b->base;
    u64 count = 1ull + b->local_count + s->tries + 1 + s->payload + s->height;

    if (!ir_room(b, &base->slot_types, &b->slot_capacity, 0, count, 1))
        return;
    base->slot_at = ARENA_NEW(b->temp, u32, b->slot_capacity);
    if (base->slot_at == NULL) {
        ir_stop(b, ERR_NO_MEMORY, "function too large to compile");
        return;
    }
    (void)ir_slot_new(b, IR_I64); // SLOT_FRAME
    for (u32 i = 0; i < b->local_count; i++)
        b->locals[i].slot = ir_slot_new(b, b->locals[i].type);
    base->zero_size = base->slots_size;
    b->exnref_slots = base->slot_count; // tries count from 1
    for (u32 i = 0; i < s->tries + 1; i++)
        (void)ir_slot_new(b, IR_I64);
    b->throw_slots = base->slot_count;
    b->throw_slot_count = s->payload;
    for (u32 i = 0; i < s->payload; i++)
        (void)ir_slot_new(b, IR_V128);
    b->stack_slots = base->slot_count;
    for (u32 i = 0; i < s->height; i++)
        (void)ir_slot_new(b, IR_V128);
}

static void
make_arrays(struct builder *b, const struct survey *s)
{
    struct fn *base = &b->base;

    if (!ir_label_reserve(b, b->depth) ||
        !ir_room(b, &b->stack, &b->stack_capacity, 0, s->height,
                 sizeof(val_t)) ||
        !ir_room(b, &base->tries, &b->try_capacity, 0, s->tries + 1,
                 sizeof(struct handlers)) ||
        !ir_room(b, &b->catch_try, &b->catch_try_capacity, 0, s->rows,
                 sizeof(u32)))
        return;
    b->try_blocks = ARENA_NEW(b->temp, struct try_block, s->tries + 1);
    b->pads = ARENA_NEW(b->temp, struct pad, s->rows);
    if (b->try_blocks == NULL || b->pads == NULL)
        ir_stop(b, ERR_NO_MEMORY, "function too large to compile");
    base->tries[0] = (struct handlers){0};
    base->try_count = 1;
}

// Read the body again from its start, this time to build it.
static void
restart(struct builder *b)
{
    u32 operands = b->v.operand_capacity, frames = b->v.frame_capacity;

    validator_init(&b->v, b->m, b->base.index, b->temp, b->error);
    validator_reserve(&b->v, operands, frames);
    if (b->error->status != OK)
        ir_stop(b, b->error->status, NULL);
}

static struct builder *
builder_new(const struct module *m, u32 index, struct arena *temp,
            struct error *error)
{
    struct builder *b = ARENA_NEW(temp, struct builder, 1);

    if (b == NULL)
        return NULL;
    *b = (struct builder){
        .fn = &b->base,
        .m = m,
        .temp = temp,
        .error = error,
        .plain = true,
        .start = m->funcs[index].at,
        .block = NO_BLOCK,
        .base = {.module = m,
                 .index = index,
                 .type = &m->types[m->funcs[index].type],
                 .part = FN_PART},
        .next_label = FIRST_LABEL,
    };
    return b;
}

// The label of the function: all returns go there.
static void
push_function(struct builder *b)
{
    b->op.block =
        (struct block_type){b->m->funcs[b->base.index].type, VAL_NONE};
    ir_label_push(b, WASM_BLOCK, 0);
    if (b->status != OK)
        return;
    ir_label_at(b, 0)->dead = false;
    ir_label_at(b, 0)->number = LABEL_RETURN;
}

// Validate the body; only the locals that it uses are left of that.
static void
survey(struct builder *b, struct survey *s)
{
    u64 mark = arena_mark(b->temp);

    validator_init(&b->v, b->m, b->base.index, b->temp, b->error);
    b->local_index =
        arena_alloc(b->temp, sizeof(u32) * b->v.local_count, _Alignof(u32));
    if (b->local_index == NULL)
        ir_stop(b, ERR_NO_MEMORY, "function too large to compile");
    for (u32 i = 0; i < b->base.type->param_count && b->status == OK; i++)
        (void)ir_local_find(b, i);
    survey_body(s);
    struct arena_block blocks[] = {
        {&b->local_index, sizeof(u32) * b->v.local_count       },
        {&b->locals,      sizeof(struct local) * b->local_count},
    };
    arena_keep(b->temp, mark, blocks, COUNT(blocks));
    b->spares = (struct spares){0};
    b->local_capacity = b->local_count;
}

status_t
parts_open(struct builder **builder, const struct module *m, u32 index,
           u32 part_ins, struct arena *temp, struct error *error)
{
    struct builder *b = builder_new(m, index, temp, error);
    struct survey s = {.b = b};

    if (b == NULL)
        return ERR_NO_MEMORY;
    *builder = b;
    b->part_ins = part_ins != 0 ? part_ins : PART_INS;
    survey(b, &s);
    if (b->status == OK)
        restart(b);
    if (b->status == OK)
        make_arrays(b, &s);
    if (b->status == OK)
        make_slots(b, &s);
    if (b->status != OK)
        return b->status;
    b->base.label_count = FIRST_LABEL + s.labels;
    b->base.has_pads = s.rows > 0;
    push_function(b);
    return b->status;
}

// --- parts  ----------------------------------------------------------------

static void
part_begin(struct builder *b, struct fn *fn)
{
    *fn = b->base;
    b->fn = fn;
    b->spares = (struct spares){0}; // they outlive no part
    b->ins_capacity = b->block_capacity = b->edge_capacity = 0;
    b->pool_capacity = b->call_capacity = b->case_capacity = 0;
    b->const_capacity = b->catch_capacity = 0;
    b->numbers = NULL;
    b->constants = NULL;
    b->number_capacity = b->constant_capacity = 0;
    (void)ir_reserve(b, PART_BYTES);
}

// What the next parts need of this one.
static void
part_end(struct builder *b, struct fn *fn, u64 mark)
{
    b->base.try_count = fn->try_count;
    b->blocks_before += fn->block_count;
    if (b->status == OK)
        ir_finish(b);
    if (b->status == OK)
        ir_keep_function(fn, b->temp, mark);
}

static void
build_part(struct builder *b)
{
    const struct fn *fn = b->fn;
    u32 operands = b->v.operand_capacity, frames = b->v.frame_capacity;
    u32 stack = b->stack_capacity;

    ir_block_labelled(b, b->blocks_before == 0 ? LABEL_START : LABEL_NEXT);
    do {
        b->at_end = !validator_next(&b->v, &b->op);
        if (b->at_end)
            break;
        build_op(b);
        assert(b->status != OK || b->block == NO_BLOCK || b->label_count == 0 ||
               b->height == b->v.operand_count);
    } while (b->status == OK &&
             (fn->ins_count < b->part_ins || b->block == NO_BLOCK));
    // Or they are gone with this part.
    assert(b->v.operand_capacity == operands && b->v.frame_capacity == frames &&
           b->stack_capacity == stack);
    if (b->block != NO_BLOCK && b->status == OK) {
        ir_flush(b, b->height);
        ir_goto(b, LABEL_NEXT);
    }
}

static void
build_entry(struct builder *b)
{
    build_params(b);
    for (u32 i = 0; i < b->base.type->param_count && b->status == OK; i++)
        ir_local_set(b, ir_local_find(b, i), FIRST_PARAM + i);
    ir_goto(b, LABEL_START);
}

static void
build_exit(struct builder *b)
{
    const struct type *type = b->base.type;
    const valtype_t *results = type->vals + type->param_count;
    u32 count = type->result_count;

    ir_block_labelled(b, LABEL_RETURN);
    b->height = 0;
    for (u32 i = 0; i < count; i++)
        ir_push(b, STACK_SLOT + ir_type_of(b->m, results[i]));
    ir_emit(b, IR_RETURN, IR_VOID, 0, ir_operands(b, count), count, 0);
    ir_block_end(b);
}

u32
parts_labels(const struct builder *b)
{
    return b->base.label_count;
}

status_t
parts_next(struct builder *b, struct fn *fn)
{
    if (b->at_end) {
        b->fn = &b->base;
        b->base.part = FN_LAST;
        b->spares = (struct spares){0};
        ir_pads_group(b);
    }
    u64 mark = arena_mark(b->temp);
    part_begin(b, fn);
    if (b->status != OK)
        return b->status;
    if (!b->at_end) {
        build_part(b);
    } else {
        build_entry(b);
        build_exit(b);
    }
    part_end(b, fn, mark);
    return b->status;
}
