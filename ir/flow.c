// ir/flow.c: labels and branches.
//
// Wasm's blocks are a stack of labels, and that is all that is known of the
// control flow.  A branch to the end of a block is an edge that waits in the
// block's label; join.c starts the IR block there.  A branch to a loop is bound
// at once.
//
// What a waiting edge brings is a record in b->records, at fn.edges[].args:
//
//     count, (local, value) x count, operands of the label
//
// with the locals that were written since the block began.
//
// In plain mode everything is in its slot, and a label has a number instead of
// edges: what it marks may be in another part.  There edges lead from a branch
// to the blocks right behind it only, which go to the labels.

#include "ir/build.h"

// --- labels  ---------------------------------------------------------------

struct label *
ir_label_at(struct builder *b, u32 depth)
{
    u32 index = depth < b->label_count ? b->label_count - 1 - depth : 0;

    return &b->labels[index / LABEL_CHUNK][index % LABEL_CHUNK];
}

static bool
is_function(const struct builder *b, const struct label *label)
{
    return label == &b->labels[0][0];
}

// Room for one more.
static bool
label_chunk(struct builder *b)
{
    if (!ir_room(b, &b->labels, &b->chunk_capacity, b->chunk_count, 1,
                 sizeof(struct label *)))
        return false;

    struct label *chunk = arena_alloc(
        b->temp, LABEL_CHUNK * sizeof(struct label), _Alignof(struct label));
    if (chunk == NULL) {
        ir_stop(b, ERR_NO_MEMORY, "function too large to compile");
        return false;
    }
    b->labels[b->chunk_count++] = chunk;
    return true;
}

bool
ir_label_reserve(struct builder *b, u32 count)
{
    while (b->chunk_count * LABEL_CHUNK < count)
        if (!label_chunk(b))
            return false;
    return true;
}

void
ir_label_push(struct builder *b, u32 code, u32 param_count)
{
    if (!ir_label_reserve(b, b->label_count + 1))
        return;
    b->label_count++;

    struct label *label = ir_label_at(b, 0);
    *label = (struct label){
        .code = (u8)code,
        .dead = b->block == NO_BLOCK,
        .height = b->height - param_count,
        .type = b->op.block,
        .undo = b->undo_count,
        .scope = b->number_count,
        .low = b->number_count,
        .next_epoch = b->next_epoch,
        .outer_try = b->try,
    };
}

static void
label_pop(struct builder *b)
{
    u32 low = ir_label_at(b, 0)->low;

    b->label_count--;
    if (b->label_count == 0)
        return;
    struct label *outer = ir_label_at(b, 0);
    outer->low = MIN(outer->low, low);
    outer->scope = MIN(outer->scope, low);
}

static const valtype_t *
label_types(struct builder *b, const struct label *label, u32 *count)
{
    return label->code == WASM_LOOP ? block_params(b->m, label->type, count) :
                                      block_results(b->m, &label->type, count);
}

u32
ir_label_arity(struct builder *b, const struct label *label)
{
    u32 count;

    (void)label_types(b, label, &count);
    return count;
}

u32
ir_label_type(struct builder *b, const struct label *label, u32 i)
{
    u32 count;

    return ir_type_of(b->m, label_types(b, label, &count)[i]);
}

u32
ir_block_arity(struct builder *b)
{
    u32 count;

    (void)block_params(b->m, b->op.block, &count);
    return count;
}

// --- blocks and edges  -----------------------------------------------------

void
ir_block_open(struct builder *b)
{
    struct fn *fn = b->fn;

    if (!ir_room(b, &fn->blocks, &b->block_capacity, fn->block_count, 1,
                 sizeof(struct block)))
        return;
    b->block = fn->block_count++;
    fn->blocks[b->block] = (struct block){.first = fn->ins_count};
    if (b->plain)
        ir_numbers_cut(b, 1);
}

void
ir_block_end(struct builder *b)
{
    if (b->block != NO_BLOCK)
        b->fn->blocks[b->block].end = b->fn->ins_count;
    b->block = NO_BLOCK;
}

edge_t
ir_edge_new(struct builder *b)
{
    struct fn *fn = b->fn;
    u32 link_capacity = b->edge_capacity;

    if (fn->edge_count == b->edge_capacity &&
        (!ir_room(b, &fn->next_pred, &link_capacity, fn->edge_count, 1,
                  sizeof(edge_t)) ||
         !ir_room(b, &fn->edges, &b->edge_capacity, fn->edge_count, 1,
                  sizeof(struct edge))))
        return 0;
    fn->edges[fn->edge_count] = (struct edge){.from = b->block};
    return fn->edge_count++;
}

void
ir_edge_bind(struct builder *b, edge_t edge, blk_t to)
{
    struct block *block = &b->fn->blocks[to];

    b->fn->edges[edge].to = to;
    b->fn->next_pred[edge] = block->first_pred;
    block->first_pred = edge;
    block->preds++;
}

void
ir_block_after(struct builder *b, edge_t edge)
{
    ir_block_open(b);
    if (b->block != NO_BLOCK)
        ir_edge_bind(b, edge, b->block);
}

// --- plain mode: labels with numbers  --------------------------------------

u32
ir_label_number(struct builder *b)
{
    return b->next_label++;
}

void
ir_goto(struct builder *b, u32 number)
{
    ir_emit(b, IR_GOTO, IR_VOID, 0, number, 0, 0);
    ir_block_end(b);
}

void
ir_block_labelled(struct builder *b, u32 number)
{
    ir_block_open(b);
    if (b->status == OK)
        b->fn->blocks[b->block].label = number;
}

// Go on in a block with a label.
static void
continue_labelled(struct builder *b, u32 number)
{
    edge_t edge = ir_edge_new(b);

    ir_emit(b, IR_JUMP, IR_VOID, 0, edge, 0, 0);
    ir_block_end(b);
    ir_block_labelled(b, number);
    if (b->status == OK)
        ir_edge_bind(b, edge, b->block);
}

// The operands that a block starts with are in their slots.
static void
push_slots(struct builder *b, const valtype_t *types, u32 count)
{
    for (u32 i = 0; i < count; i++)
        ir_push(b, STACK_SLOT + ir_type_of(b->m, types[i]));
    b->flushed = b->height;
}

// --- edges to labels  ------------------------------------------------------

// The record of an edge that leaves now with the `count` topmost operands.
static u32
record_new(struct builder *b, u32 undo, u32 count)
{
    u64 changed = b->undo_count - undo;

    ir_spend(b, 1 + changed + count);
    if (!ir_room(b, &b->records, &b->record_capacity, b->record_count,
                 1 + 2 * changed + count, sizeof(u32)))
        return 0;

    u32 start = b->record_count, *to = &b->records[start + 1];
    for (u32 i = undo; i < b->undo_count; i++) {
        if (b->undo[i].stamp > undo)
            continue; // logged before, by a block farther out
        *to++ = b->undo[i].local;
        *to++ = b->locals[b->undo[i].local].value;
    }
    b->records[start] = (u32)(to - &b->records[start + 1]) / 2;
    for (u32 i = 0; i < count; i++)
        *to++ = b->stack[b->height - count + i];
    b->record_count = (u32)(to - b->records);
    return start;
}

// The arguments of an edge to a loop: operands, then the locals it assigns.
static u32
loop_args(struct builder *b, const struct label *label, u32 count)
{
    u32 args = ir_pool_new(b, count + label->loop.set_count);

    ir_spend(b, count + label->loop.set_count);
    if (b->status != OK)
        return 0;
    u32 *to = &b->fn->pool[args];
    for (u32 i = 0; i < count; i++)
        *to++ = b->stack[b->height - count + i];
    for (u32 i = 0; i < label->loop.set_count; i++)
        *to++ = b->locals[b->sets[label->loop.sets + i]].value;
    return args;
}

static void
edge_wait(struct builder *b, edge_t edge, struct label *label)
{
    if (label->edges == 0 && label->code != WASM_IF)
        label->scope = b->number_count;
    b->fn->next_pred[edge] = label->edges;
    label->edges = edge;
    label->edge_count++;
}

// An edge from the current block to a label.
static edge_t
edge_to(struct builder *b, struct label *label)
{
    edge_t edge = ir_edge_new(b);
    u32 count = ir_label_arity(b, label), args = 0;

    if (b->status != OK)
        return 0;
    if (label->code == WASM_LOOP) {
        args = loop_args(b, label, count);
        ir_edge_bind(b, edge, label->loop.header);
    } else {
        // Locals end with the function.
        u32 undo = is_function(b, label) ? b->undo_count : label->undo;
        args = record_new(b, undo, count);
        edge_wait(b, edge, label);
    }
    b->fn->edges[edge].args = args;
    return edge;
}

// Plain: move the label's operands to where it expects them.
static void
move_operands(struct builder *b, const struct label *label)
{
    u32 count = ir_label_arity(b, label), from = b->height - count;
    u32 to = label->height;

    if (from == to) {
        ir_flush(b, to + count);
        return;
    }
    ir_flush(b, to);
    u32 values = ir_operands(b, count);
    for (u32 i = 0; i < count && b->status == OK; i++)
        ir_slot_store(b, to + i, b->fn->pool[values + i]);
    if (b->status == OK)
        b->fn->pool_count = values;
}

static void
return_values(struct builder *b)
{
    u32 count = b->v.type->result_count;

    ir_emit(b, IR_RETURN, IR_VOID, 0, ir_operands(b, count), count, 0);
    ir_block_end(b);
}

static void
jump_plain(struct builder *b, struct label *label)
{
    move_operands(b, label);
    if (label->number == 0)
        label->number = ir_label_number(b);
    ir_goto(b, label->number);
}

void
ir_jump_waiting(struct builder *b, struct label *label)
{
    if (b->plain) {
        jump_plain(b, label);
        return;
    }
    edge_t edge = edge_to(b, label);
    ir_emit(b, IR_JUMP, IR_VOID, 0, edge, 0, 0);
    ir_block_end(b);
}

void
ir_jump_to(struct builder *b, struct label *label)
{
    if (is_function(b, label) && !b->plain)
        return_values(b);
    else
        ir_jump_waiting(b, label);
}

void
ir_branch_to(struct builder *b, struct label *label, val_t v, bool negated)
{
    bool flip;

    v = ir_condition(b, v, &flip);
    if (b->plain)
        ir_flush(b, b->height);
    edge_t taken = b->plain ? ir_edge_new(b) : edge_to(b, label);
    edge_t next = ir_edge_new(b);
    if (flip != negated)
        ir_emit(b, IR_BRANCH, IR_VOID, 0, v, next, taken);
    else
        ir_emit(b, IR_BRANCH, IR_VOID, 0, v, taken, next);
    ir_block_end(b);

    if (b->plain) {
        ir_block_after(b, taken);
        ir_jump_to(b, label);
    }
    ir_block_after(b, next);
}

// --- instructions  ---------------------------------------------------------

void
build_trap(struct builder *b, enum trap trap)
{
    ir_emit(b, IR_TRAP, IR_VOID, trap, 0, 0, 0);
    ir_block_end(b);
}

void
build_unreachable(struct builder *b)
{
    build_trap(b, TRAP_UNREACHABLE);
}

void
build_block(struct builder *b)
{
    ir_label_push(b, WASM_BLOCK, ir_block_arity(b));
}

void
build_if(struct builder *b)
{
    u32 params = ir_block_arity(b);
    bool negated;

    if (b->block == NO_BLOCK) {
        ir_label_push(b, WASM_IF, 0);
        return;
    }
    val_t v = ir_condition(b, ir_pop(b), &negated);
    if (b->plain)
        ir_flush(b, b->height);
    edge_t then = ir_edge_new(b), other = ir_edge_new(b);
    if (negated)
        ir_emit(b, IR_BRANCH, IR_VOID, 0, v, other, then);
    else
        ir_emit(b, IR_BRANCH, IR_VOID, 0, v, then, other);
    ir_label_push(b, WASM_IF, params);
    if (!b->plain && b->status == OK)
        b->fn->edges[other].args = record_new(b, b->undo_count, params);
    ir_label_at(b, 0)->branch.other = b->plain ? ir_label_number(b) : other;
    memcpy(ir_label_at(b, 0)->branch.epoch, b->memory.epoch,
           sizeof(b->memory.epoch));
    ir_block_end(b);
    if (b->plain) {
        ir_block_after(b, other);
        ir_goto(b, ir_label_at(b, 0)->branch.other);
    }
    ir_block_after(b, then);
}

// The operands that the label's block starts with.
static void
restore_params(struct builder *b, const struct label *label)
{
    u32 count, record;
    const valtype_t *types = block_params(b->m, label->type, &count);

    b->height = label->height;
    if (b->plain) {
        push_slots(b, types, count);
        return;
    }
    record = b->fn->edges[label->branch.other].args + 1;
    for (u32 i = 0; i < count; i++)
        ir_push(b, b->records[record + i]);
}

// Start where the condition of an if was 0.
static void
open_other(struct builder *b, struct label *label)
{
    restore_params(b, label);
    if (b->plain)
        ir_block_labelled(b, label->branch.other);
    else
        ir_block_after(b, label->branch.other);
}

void
build_else(struct builder *b)
{
    struct label *label = ir_label_at(b, 0);

    if (!label->dead) {
        if (b->block != NO_BLOCK)
            ir_jump_waiting(b, label);
        if (b->status != OK)
            return;
        ir_locals_undo(b, label->undo);
        label->low = MIN(label->low, label->scope);
        ir_numbers_cut(b, label->low);
        memcpy(b->memory.epoch, label->branch.epoch, sizeof(b->memory.epoch));
        open_other(b, label);
    }
    label->code = WASM_ELSE;
}

// The locals that the loop assigns become parameters, like its operands.
static void
loop_params(struct builder *b, const struct label *label, u32 params)
{
    struct block *block = &b->fn->blocks[b->block];

    block->params = params + label->loop.set_count;
    for (u32 i = 0; i < params; i++) {
        val_t *v = &b->stack[label->height + i];
        *v = ir_emit(b, IR_PARAM, ir_operand_type(b, label->height + i), 0, i,
                     b->block, 0);
    }
    for (u32 i = 0; i < label->loop.set_count && b->status == OK; i++) {
        u32 local = b->sets[label->loop.sets + i];
        ir_local_set(b, local,
                     ir_emit(b, IR_PARAM, b->locals[local].type, 0, params + i,
                             b->block, 0));
    }
}

void
build_loop(struct builder *b)
{
    u32 params = ir_block_arity(b);
    struct scan scan = {0, 0, false};

    if (!b->plain)
        scan = ir_scan_loop(b, b->v.r.at);
    if (b->block == NO_BLOCK) {
        ir_label_push(b, WASM_LOOP, 0);
        return;
    }
    ir_label_push(b, WASM_LOOP, params);
    struct label *label = ir_label_at(b, 0);
    if (b->plain) {
        label->number = ir_label_number(b);
        ir_flush(b, b->height);
        continue_labelled(b, label->number);
        return;
    }
    label->loop.sets = scan.sets;
    label->loop.set_count = scan.count;
    label->loop.header = b->fn->block_count;

    edge_t edge = ir_edge_new(b);
    u32 args = loop_args(b, label, params);
    ir_emit(b, IR_JUMP, IR_VOID, 0, edge, 0, 0);
    ir_block_end(b);
    ir_block_after(b, edge);
    if (b->status != OK)
        return;
    b->fn->edges[edge].args = args;
    if (scan.has_try) { // nothing survives a handler
        ir_numbers_cut(b, 1);
        label->low = 1;
    }
    loop_params(b, label, params);
    ir_epoch_end_all(b);
}

// Plain: go on behind a block, unless nothing leads there.
static void
end_plain(struct builder *b, struct label *label)
{
    u32 count;

    if (label->code == WASM_IF) {
        if (b->block != NO_BLOCK)
            ir_jump_waiting(b, label);
        open_other(b, label);
    }
    if (label->code == WASM_LOOP || label->number == 0)
        return;
    if (is_function(b, label)) {
        if (b->block != NO_BLOCK)
            ir_jump_waiting(b, label);
        return;
    }
    if (b->block != NO_BLOCK) {
        move_operands(b, label);
        continue_labelled(b, label->number);
    } else {
        ir_block_labelled(b, label->number);
    }
    const valtype_t *types = block_results(b->m, &label->type, &count);
    b->height = label->height;
    push_slots(b, types, count);
}

static void
end_normal(struct builder *b, struct label *label)
{
    if (label->code == WASM_IF)
        edge_wait(b, label->branch.other, label);
    if (label->code == WASM_LOOP) {
        ir_loop_close(b, label);
    } else if (label->edges != 0) {
        if (b->block != NO_BLOCK)
            ir_jump_waiting(b, label);
        ir_join(b, label);
    }
    if (b->label_count > 1)
        ir_locals_keep(b, label->undo, ir_label_at(b, 1)->undo);
    if (is_function(b, label) && b->block != NO_BLOCK)
        return_values(b);
}

void
build_end(struct builder *b)
{
    struct label *label = ir_label_at(b, 0);

    if (!label->dead) {
        if (label->code == WASM_TRY_TABLE || label->code == WASM_TRY ||
            label->code == WASM_CATCH)
            ir_try_end(b, label);
        if (b->plain)
            end_plain(b, label);
        else
            end_normal(b, label);
    }
    label_pop(b);
}

void
build_br(struct builder *b)
{
    ir_jump_to(b, ir_label_at(b, b->op.index));
}

void
build_return(struct builder *b)
{
    ir_jump_to(b, ir_label_at(b, b->label_count - 1 - b->inline_labels));
}

void
build_br_if(struct builder *b)
{
    val_t v = ir_pop(b);

    ir_branch_to(b, ir_label_at(b, b->op.index), v, false);
}

// An operand that was popped, for after a branch: values of plain mode end with
// the block.
static val_t
keep_operand(struct builder *b, val_t v)
{
    u32 type = b->fn->ins[v].type;

    if (!b->plain)
        return v;
    ir_slot_store(b, b->height, v);
    return STACK_SLOT + type;
}

void
build_br_on_null(struct builder *b)
{
    val_t ref = ir_pop(b), is_null = ir_is_null(b, ref);

    ref = keep_operand(b, ref);
    ir_branch_to(b, ir_label_at(b, b->op.index), is_null, false);
    ir_push(b, ref);
}

void
build_br_on_non_null(struct builder *b)
{
    val_t is_null = ir_is_null(b, ir_operand(b, b->height - 1));

    ir_branch_to(b, ir_label_at(b, b->op.index), is_null, true);
    ir_drop(b, 1);
}

// --- br_table  -------------------------------------------------------------

// Is the label's edge one of the br_table at hand?
static bool
has_case(const struct builder *b, const struct label *label)
{
    return label->table_edge >= b->table_first;
}

// The edge to a label; several entries share it.
static edge_t
case_edge(struct builder *b, struct label *label)
{
    if (!has_case(b, label))
        label->table_edge = b->plain ? ir_edge_new(b) : edge_to(b, label);
    return label->table_edge;
}

// Fill in the edges of the targets; the number of targets is op.index + 1.
static void
read_cases(struct builder *b, u32 targets)
{
    struct reader r = reader_part(&b->v.r, b->op.table_at, b->v.r.end);

    for (u32 i = 0; i <= b->op.index && b->status == OK; i++) {
        edge_t edge = case_edge(b, ir_label_at(b, read_u32(&r)));
        b->fn->pool[targets + i] = edge;
    }
}

// Plain: blocks for the edges, which go to the labels.
static void
move_cases(struct builder *b)
{
    struct reader r = reader_part(&b->v.r, b->op.table_at, b->v.r.end);

    for (u32 i = 0; i <= b->op.index && b->status == OK; i++) {
        struct label *label = ir_label_at(b, read_u32(&r));
        if (!has_case(b, label))
            continue;
        ir_block_after(b, label->table_edge);
        label->table_edge = 0;
        ir_jump_to(b, label);
    }
}

static void
emit_cases(struct builder *b, val_t v, const struct cases *cases)
{
    struct fn *fn = b->fn;
    const edge_t *targets = &fn->pool[cases->targets];

    if (cases->edge_count == 1) {
        ir_emit(b, IR_JUMP, IR_VOID, 0, cases->first, 0, 0);
    } else if (cases->count == 2) {
        ir_emit(b, IR_BRANCH, IR_VOID, 0, v, targets[1], targets[0]);
    } else if (ir_room(b, &fn->cases, &b->case_capacity, fn->case_count, 1,
                       sizeof(struct cases))) {
        fn->cases[fn->case_count] = *cases;
        ir_emit(b, IR_SWITCH, IR_VOID, 0, v, fn->case_count++, 0);
    }
}

void
build_br_table(struct builder *b)
{
    val_t v = ir_pop(b);
    struct cases cases = {.count = b->op.index + 1};

    if (b->plain)
        ir_flush(b, b->height);
    ir_spend(b, cases.count);
    cases.first = b->table_first = b->fn->edge_count;
    cases.targets = ir_pool_new(b, cases.count);
    // Arguments of edges to loops are in the pool too: they come after.
    read_cases(b, cases.targets);
    cases.edge_count = b->fn->edge_count - cases.first;
    if (b->status != OK)
        return;
    emit_cases(b, v, &cases);
    ir_block_end(b);
    if (b->plain)
        move_cases(b);
}
