// x64/alloc/frame.c: slots, and the final order of the code.
//
// Slots are shared: walking the code in order, a value takes a free slot where
// it is defined and gives it back after the last instruction, or at the end of
// the last block, that needs it.  Then the code is moved apart, last
// instruction first, to make room for spill stores and the moves of edges.

#include "x64/alloc/alloc.h"

enum { FRAME_MAX = 64 << 20 }; // more than any body can ask for

struct slots {
    struct allocator *a;
    i32 *unused[2]; // free slots of 8 and of 16 bytes
    u32 unused_count[2];
    vreg_t *expiring;  // by block: slots that end with it, by next_expiring
    vreg_t last_store; // stores that are due, last first, by next_store
    u32 stores;
    bool any; // is there a slot at all?
};

static bool
has_own_slot(const struct vreg *value)
{
    return (value->flags & (VALUE_SLOT | VALUE_INCOMING)) == VALUE_SLOT;
}

static status_t
frame_init(struct slots *f, struct allocator *a)
{
    u32 count[2] = {0, 0};

    *f = (struct slots){.a = a};
    for (vreg_t v = a->first_def; v != 0; v = a->values[v].next_def)
        if (has_own_slot(&a->values[v]))
            count[value_type(a, v) == IR_V128]++;
    f->any = count[0] + count[1] > 0;
    for (u32 i = 0; i < 2; i++) {
        f->unused[i] = ARENA_NEW(a->temp, i32, count[i] + 1);
        if (f->unused[i] == NULL)
            return ERR_NO_MEMORY;
    }
    f->expiring = ARENA_NEW(a->temp, vreg_t, a->fn->block_count);
    return f->expiring == NULL ? ERR_NO_MEMORY : OK;
}

static void
take_slot(struct slots *f, vreg_t v)
{
    struct allocator *a = f->a;
    struct vreg *value = &a->values[v];
    bool wide = value_type(a, v) == IR_V128;
    u32 size = wide ? 16 : 8;

    if (f->unused_count[wide] > 0) {
        value->slot = f->unused[wide][--f->unused_count[wide]];
    } else {
        a->m->frame_size = (u32)ALIGN_UP(a->m->frame_size, size);
        value->slot = (i32)a->m->frame_size;
        a->m->frame_size += size;
        if (a->m->frame_size > FRAME_MAX)
            alloc_fail(a, ERR_LIMIT);
    }
}

static void
give_slot(struct slots *f, vreg_t v)
{
    bool wide = value_type(f->a, v) == IR_V128;

    f->unused[wide][f->unused_count[wide]++] = f->a->values[v].slot;
}

// v is defined: it takes a slot, and the store joins the chain.
static void
begin(struct slots *f, vreg_t v)
{
    struct allocator *a = f->a;
    struct vreg *value = &a->values[v];

    if (!has_own_slot(value))
        return;
    if (!(value->flags & VALUE_SPANS) && value->last_read <= value->def_at)
        return; // never read: on no path was it really needed
    take_slot(f, v);
    if (value->flags & VALUE_SPANS) {
        u32 end = value->end;

        if (value->loop_end > 0)
            end = MAX(end, value->loop_end - 1);
        value->next_expiring = f->expiring[end];
        f->expiring[end] = v;
    }
    if (value->flags & VALUE_STORED)
        return;
    value->next_store = f->last_store;
    f->last_store = v;
    f->stores++;
}

static void
assign_slots(struct slots *f)
{
    struct allocator *a = f->a;
    vreg_t v = a->first_def;

    for (blk_t b = 0; b < a->fn->block_count; b++) {
        for (u32 i = a->blocks[b].first; i < a->blocks[b].end; i++) {
            const struct mins *ins = &a->out.ins[i];

            while (v != 0 && a->values[v].def_at <= i) {
                vreg_t next = a->values[v].next_def;

                begin(f, v);
                v = next;
            }
            if ((ins->flags & MINS_SPILLED) &&
                !(a->values[ins->disp].flags & VALUE_SPANS) &&
                a->values[ins->disp].last_read == i + 1)
                give_slot(f, (vreg_t)ins->disp);
        }
        for (vreg_t e = f->expiring[b]; e != 0; e = a->values[e].next_expiring)
            give_slot(f, e);
    }
}

static void
resolve(const struct allocator *a, struct mins *ins)
{
    if (ins->flags & MINS_SPILLED) {
        ins->disp = a->values[ins->disp].slot;
        ins->flags ^= MINS_SPILLED | MINS_FRAME;
    }
}

static const u16 store_ops[] = {
    [IR_I32] = X64_MOV32_MR, [IR_I64] = X64_MOV64_MR,   [IR_F32] = X64_MOVSS_MR,
    [IR_F64] = X64_MOVSD_MR, [IR_V128] = X64_MOVUPS_MR,
};

static void
put_store(const struct allocator *a, struct mins *to, vreg_t v)
{
    *to = (struct mins){
        .op = store_ops[value_type(a, v)],
        .flags = MINS_MEM | MINS_FRAME,
        .def = REG_NONE,
        .def2 = REG_NONE,
        .a = a->values[v].def_reg,
        .b = REG_NONE,
        .base = REG_NONE,
        .index = REG_NONE,
        .disp = a->values[v].slot,
    };
}

// The edge whose code goes to the end of block b, or 0.
static edge_t
edge_at_end(const struct allocator *a, blk_t b)
{
    const struct mins *last = &a->out.ins[a->blocks[b].end - 1];
    edge_t e;

    if (mins_shape(last) == SHAPE_JCC) {
        e = a->edge_flags[last->imm] & EDGE_EARLY ? last->imm : last->def2;
        return a->edge_flags[e] & EDGE_EARLY ? e : 0;
    }
    if (mins_shape(last) != SHAPE_JUMP)
        return 0;
    e = last->imm;
    return a->edge_code[e].count > 0 ? e : 0;
}

static u32
count_inserted(struct slots *f)
{
    u32 count = f->stores;

    for (blk_t b = 0; b < f->a->fn->block_count; b++)
        count += f->a->edge_code[edge_at_end(f->a, b)].count;
    return count;
}

// The instruction of `out` that the code of the edge at the end of block b is
// put before: the branch, or the comparison that belongs to it.
static u32
edge_position(const struct allocator *a, blk_t b, struct range edge)
{
    const struct mblock *block = &a->blocks[b];
    const struct mins *compare = &a->out.ins[block->end - 1];
    u32 written = 0;

    if (block->end - block->first >= 2)
        compare--;
    if (mins_shape(compare) != SHAPE_CMP &&
        mins_shape(compare) != SHAPE_CMP_I &&
        mins_shape(compare) != SHAPE_CMP_MR)
        return block->end - 1;
    for (u32 i = 0; i < edge.count; i++)
        written |= reg_bit(a->extra.ins[edge.first + i].def);
    if (written & (reg_bit(compare->a) | reg_bit(compare->b) |
                   reg_bit(compare->base) | reg_bit(compare->index)))
        return block->end - 1;
    return block->end - 2;
}

// Move block b to end at *at, with what belongs into it.
static void
spread_block(struct slots *f, blk_t b, u32 *at)
{
    struct allocator *a = f->a;
    struct mblock *block = &a->blocks[b];
    struct range edge = a->edge_code[edge_at_end(a, b)];
    u32 end = *at, last = 0;

    if (edge.count > 0)
        last = edge_position(a, b, edge);
    for (u32 i = block->end; i-- > block->first;) {
        a->out.ins[--*at] = a->out.ins[i];
        resolve(a, &a->out.ins[*at]);
        for (u32 k = edge.count; i == last && k-- > 0;)
            a->out.ins[--*at] = a->extra.ins[edge.first + k];
        while (f->last_store != 0 && a->values[f->last_store].def_at == i) {
            put_store(a, &a->out.ins[--*at], f->last_store);
            f->last_store = a->values[f->last_store].next_store;
        }
    }
    block->first = *at;
    block->end = end;
}

static bool
reserve(struct allocator *a, u32 count)
{
    return array_room(a->temp, &a->out.ins, &a->out.capacity, a->out.count,
                      a->out.count + count, sizeof(*a->out.ins));
}

// Code of edges that cannot be anywhere else.
static void
add_edge_blocks(struct allocator *a)
{
    u32 count = a->fn->block_count;

    for (edge_t e = 1; e < a->fn->edge_count; e++) {
        struct range code = a->edge_code[e];

        a->m->edge_block[e] = a->fn->edges[e].to;
        if (code.count == 0 || edge_at_end(a, a->fn->edges[e].from) == e)
            continue;
        a->m->edge_block[e] = count;
        a->blocks[count].first = a->out.count;
        for (u32 i = 0; i < code.count; i++)
            a->out.ins[a->out.count++] = a->extra.ins[code.first + i];
        a->blocks[count].end = a->out.count;
        a->blocks[count].edge = e;
        count++;
    }
    a->m->block_count = count;
}

void
alloc_frame(struct allocator *a)
{
    struct slots f;
    status_t status = frame_init(&f, a);
    u32 inserted, at;

    if (status != OK) {
        alloc_fail(a, status);
        return;
    }
    if (f.any)
        assign_slots(&f);
    inserted = count_inserted(&f);
    if (!reserve(a, inserted + a->extra.count)) {
        alloc_fail(a, ERR_NO_MEMORY);
        return;
    }
    for (u32 i = 0; i < a->extra.count; i++)
        resolve(a, &a->extra.ins[i]);
    a->out.count += inserted;
    at = a->out.count;
    for (blk_t b = a->fn->block_count; b-- > 0 && (inserted > 0 || f.any);)
        spread_block(&f, b, &at);
    assert(f.last_store == 0);
    add_edge_blocks(a);
    a->m->frame_size = (u32)ALIGN_UP(a->m->frame_size, 16);
}
