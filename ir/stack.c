// ir/stack.c: the operand stack and the locals of the wasm function.
//
// Normal mode: both hold values.  A log of the writes of locals lets flow.c
// go back to the start of a block, and tells what changed since; a local is
// logged once for each open block that writes it.
//
// Plain mode: both have frame slots, which are made before the first part.  A
// local's slot is always up to date.  Operands are values until the end of the
// IR block and in their slots after it: below `flushed` all are in slots.
// Nothing is done twice for the same operand, so the work is proportional to
// the body.

#include "ir/build.h"

u32
ir_slot_new(struct builder *b, u32 type)
{
    struct fn *fn = b->fn;
    u32 at_capacity = b->slot_capacity;

    if (fn->slot_count == b->slot_capacity &&
        (!ir_room(b, &fn->slot_at, &at_capacity, fn->slot_count, 1,
                  sizeof(u32)) ||
         !ir_room(b, &fn->slot_types, &b->slot_capacity, fn->slot_count, 1, 1)))
        return 0;
    b->slot_capacity = MIN(b->slot_capacity, at_capacity);
    fn->slot_types[fn->slot_count] = (u8)type;
    ir_slot_place(fn, fn->slot_count);
    return fn->slot_count++;
}

// --- operands  -------------------------------------------------------------

void
ir_push(struct builder *b, val_t v)
{
    if (ir_room(b, &b->stack, &b->stack_capacity, b->height, 1, sizeof(val_t)))
        b->stack[b->height++] = v;
}

u32
ir_operand_type(const struct builder *b, u32 height)
{
    val_t v = b->stack[height];

    return v >= STACK_SLOT ? v - STACK_SLOT : b->fn->ins[v].type;
}

val_t
ir_operand(struct builder *b, u32 height)
{
    val_t v = b->stack[height];

    if (v < STACK_SLOT)
        return v;
    u32 type = v - STACK_SLOT;
    return ir_emit(b, IR_SLOT_GET, type, 0, b->stack_slots + height, 0, 0);
}

void
ir_drop(struct builder *b, u32 count)
{
    b->height -= MIN(b->height, count);
    b->flushed = MIN(b->flushed, b->height);
}

val_t
ir_pop(struct builder *b)
{
    if (b->height == 0) // only after a failure
        return 0;
    val_t v = ir_operand(b, b->height - 1);
    ir_drop(b, 1);
    return v;
}

u32
ir_operands(struct builder *b, u32 count)
{
    u32 list = ir_pool_new(b, count);

    for (u32 i = 0; i < count && b->status == OK; i++) {
        val_t v = ir_operand(b, b->height - count + i);
        b->fn->pool[list + i] = v;
    }
    return list;
}

void
ir_slot_mark(struct builder *b, u32 height, u32 type)
{
    if (height < b->stack_capacity)
        b->stack[height] = STACK_SLOT + type;
}

void
ir_slot_store(struct builder *b, u32 height, val_t v)
{
    ir_emit(b, IR_SLOT_SET, IR_VOID, 0, v, b->stack_slots + height, 0);
}

void
ir_flush(struct builder *b, u32 height)
{
    for (; b->flushed < height; b->flushed++) {
        val_t v = b->stack[b->flushed];
        if (v >= STACK_SLOT)
            continue;
        ir_slot_store(b, b->flushed, v);
        ir_slot_mark(b, b->flushed, b->fn->ins[v].type);
    }
}

// --- locals  ---------------------------------------------------------------

// Plain: the number that local.stamp has for the current block.
static u32
block_stamp(const struct builder *b)
{
    return b->blocks_before + b->block;
}

static u32
local_new(struct builder *b, u32 number)
{
    u32 type = ir_type_of(b->m, validator_local_type(&b->v, number));
    struct local l = {.number = number & LOCAL_MASK, .type = (u8)type};

    if (!ir_room(b, &b->locals, &b->local_capacity, b->local_count, 1,
                 sizeof(struct local)))
        return 0;
    if (b->plain) {
        l.stamp = NO_BLOCK; // parts_open makes the slot
    } else if (number < b->v.type->param_count) {
        l.value = FIRST_PARAM + number;
    } else {
        l.value = b->zeros[type];
    }
    b->locals[b->local_count] = l;
    b->local_index[number] = b->local_count;
    return b->local_count++;
}

// The index is not cleared before use: an entry counts if both sides agree.
u32
ir_local_find(struct builder *b, u32 number)
{
    if (b->inlining)
        return b->inline_locals + number;
    u32 index = b->local_index[number];
    if (index < b->local_count && b->locals[index].number == number)
        return index;
    return local_new(b, number);
}

val_t
ir_local_get(struct builder *b, u32 local)
{
    struct local *l = &b->locals[local];

    if (b->plain && l->stamp != block_stamp(b)) {
        l->value = ir_emit(b, IR_SLOT_GET, l->type, 0, l->slot, 0, 0);
        l->stamp = block_stamp(b);
    }
    return l->value;
}

void
ir_local_set(struct builder *b, u32 local, val_t v)
{
    struct local *l = &b->locals[local];

    if (b->plain) {
        ir_emit(b, IR_SLOT_SET, IR_VOID, 0, v, l->slot, 0);
        l->stamp = block_stamp(b);
    } else if (l->stamp <= ir_label_at(b, 0)->undo) {
        if (!ir_room(b, &b->undo, &b->undo_capacity, b->undo_count, 1,
                     sizeof(struct undo)))
            return;
        b->undo[b->undo_count++] = (struct undo){local, l->value, l->stamp};
        l->stamp = b->undo_count;
    }
    l->value = v;
}

void
ir_locals_undo(struct builder *b, u32 length)
{
    while (b->undo_count > length) {
        const struct undo *u = &b->undo[--b->undo_count];
        b->locals[u->local].value = u->old;
        b->locals[u->local].stamp = u->stamp;
    }
}

void
ir_locals_keep(struct builder *b, u32 inner, u32 outer)
{
    u32 to = inner;

    if (inner == outer)
        return;
    ir_spend(b, b->undo_count - inner);
    for (u32 i = inner; i < b->undo_count; i++) {
        struct undo u = b->undo[i];
        if (u.stamp > outer) {
            b->locals[u.local].stamp = u.stamp;
        } else {
            b->undo[to++] = u;
            b->locals[u.local].stamp = to;
        }
    }
    b->undo_count = to;
}
