// ir/finish.c: drop what is not used.
//
// The build makes parameters for every local that a loop assigns; many are not
// read before they are written again.  One backward walk marks what has
// effects and what that needs; a parameter, when needed, needs its arguments,
// and a slot, when it is read, all writes of it.
// Then all instructions move together and get new numbers.

#include "ir/build.h"

struct marker {
    struct builder *b;
    struct fn *fn;
    u64 *used;   // bit set of instructions
    u32 *writes; // by slot: its SLOT_SETs, chained through c
    u64 *read;   // bit set of slots that are read
    u32 walked;  // the backward walk has passed instructions from here on
    val_t *work; // used, and passed before that was known
    u32 work_count, work_capacity;
};

val_t
ir_resolve(struct fn *fn, val_t v)
{
    while (fn->ins[v].op == IR_FORWARD) {
        val_t next = fn->ins[v].a;
        if (fn->ins[next].op == IR_FORWARD)
            fn->ins[v].a = fn->ins[next].a;
        v = next;
    }
    return v;
}

// --- marking  --------------------------------------------------------------

static void
mark(struct marker *m, val_t v)
{
    if (v >= VAL_EXNREF)
        return;
    v = ir_resolve(m->fn, v);
    if (bit_get(m->used, v))
        return;
    bit_set(m->used, v);
    if (v >= m->walked && ir_room(m->b, &m->work, &m->work_capacity,
                                  m->work_count, 1, sizeof(val_t)))
        m->work[m->work_count++] = v;
}

static void
mark_args(struct marker *m, const struct block *block, u32 param)
{
    struct fn *fn = m->fn;

    for (edge_t e = block->first_pred; e != 0; e = fn->next_pred[e])
        mark(m, fn->pool[fn->edges[e].args + param]);
}

static void
mark_writes(struct marker *m, u32 slot)
{
    u32 next = m->writes[slot];

    bit_set(m->read, slot);
    m->writes[slot] = 0;
    while (next != 0) {
        mark(m, next);
        next = m->fn->ins[next].c;
    }
}

static void
mark_operands(struct marker *m, struct ins *ins)
{
    struct ir_operands read = ir_operands_of(m->fn, ins);

    if (ins->op == IR_SLOT_GET && m->fn->part == FN_WHOLE)
        mark_writes(m, ins->a);
    for (u32 i = 0; i < read.count; i++)
        mark(m, read.list[i]);
}

// Instructions that the walk passed, and then turned out to be used.
static void
mark_passed(struct marker *m)
{
    while (m->work_count > 0) {
        struct ins *ins = &m->fn->ins[m->work[--m->work_count]];
        if (ins->op == IR_PARAM)
            mark_args(m, &m->fn->blocks[ins->b], ins->a);
        else
            mark_operands(m, ins);
    }
}

static bool
has_effect(const struct fn *fn, const struct ins *ins)
{
    if (ins->op == IR_SLOT_SET && fn->part == FN_WHOLE)
        return ins->aux == SLOT_ESCAPES;
    return ins->op < IR_OP_COUNT &&
           (ir_info(ins->op)->effects & ~(u32)EFFECT_LOAD) != 0;
}

// Before a step of a walk over a function that may be large: false, with
// b->status, when a killed thread is not to go on.
static bool
may_step(struct builder *b, u32 step)
{
    if (!arena_may_step(b->temp, step))
        b->status = ERR_KILLED;
    return b->status == OK;
}

static void
mark_block(struct marker *m, const struct block *block)
{
    struct fn *fn = m->fn;

    for (u32 i = block->end; i > block->first + block->params;) {
        if (!may_step(m->b, i))
            return;
        m->walked = i;
        struct ins *ins = &fn->ins[--i];
        if (has_effect(fn, ins))
            bit_set(m->used, i);
        if (bit_get(m->used, i))
            mark_operands(m, ins);
        mark_passed(m);
    }
    m->walked = block->first;
    for (u32 i = 0; i < block->params; i++) {
        if (bit_get(m->used, block->first + i))
            mark_args(m, block, i);
        mark_passed(m);
    }
}

// --- moving  ---------------------------------------------------------------

// Keep the arguments of the parameters that are used.
static void
pack_args(struct fn *fn, const struct block *block, const u64 *used)
{
    for (edge_t e = block->first_pred; e != 0; e = fn->next_pred[e]) {
        val_t *args = &fn->pool[fn->edges[e].args];
        u32 to = 0;
        for (u32 i = 0; i < block->params; i++)
            if (bit_get(used, block->first + i))
                args[to++] = args[i];
    }
}

static val_t
renamed(const val_t *names, val_t v)
{
    return v >= VAL_EXNREF ? v : names[v];
}

static void
rename_operands(struct fn *fn, struct ins *ins, const val_t *names)
{
    struct ir_operands read = ir_operands_of(fn, ins);

    for (u32 i = 0; i < read.count; i++)
        read.list[i] = names[read.list[i]];
}

static void
rename_slots(struct ins *ins, const u32 *names)
{
    if (ins->op == IR_SLOT_SET)
        ins->b = names[ins->b];
    if (ins->op == IR_SLOT_GET || ins->op == IR_SLOT_ADDRESS)
        ins->a = names[ins->a];
}

// Move the used instructions of a block down to `to`; returns their end.
static u32
pack_block(struct marker *m, struct block *block, val_t *names, u32 to)
{
    struct fn *fn = m->fn;
    u32 first = to, params = 0;

    for (u32 i = block->first; i < block->end && may_step(m->b, i); i++) {
        struct ins ins = fn->ins[i];
        if (ins.op == IR_FORWARD)
            names[i] = names[ins.a];
        if (!bit_get(m->used, i))
            continue;
        if (ins.op == IR_PARAM)
            ins.a = params++;
        else
            rename_operands(fn, &ins, names);
        if (ins.op == IR_SLOT_SET)
            ins.aux = 0, ins.c = 0;
        if (m->writes != NULL)
            rename_slots(&ins, m->writes);
        names[i] = to;
        fn->ins[to] = ins;
        fn->at[to++] = fn->at[i];
    }
    block->first = first;
    block->end = to;
    block->params = params;
    return to;
}

static void
pack(struct marker *m, val_t *names)
{
    struct fn *fn = m->fn;
    u32 to = 1;

    for (blk_t i = 0; i < fn->block_count; i++) {
        pack_args(fn, &fn->blocks[i], m->used);
        to = pack_block(m, &fn->blocks[i], names, to);
    }
    if (m->b->status != OK)
        return;
    for (edge_t e = 1; e < fn->edge_count; e++) {
        u32 count = fn->blocks[fn->edges[e].to].params;
        for (u32 i = 0; i < count; i++) {
            val_t *arg = &fn->pool[fn->edges[e].args + i];
            *arg = renamed(names, *arg);
        }
    }
    fn->ins_count = to;
}

static void
chain_writes(struct marker *m)
{
    struct fn *fn = m->fn;

    for (u32 i = 1; i < fn->ins_count && fn->slot_count > 0; i++) {
        if (fn->ins[i].op != IR_SLOT_SET)
            continue;
        fn->ins[i].c = m->writes[fn->ins[i].b];
        m->writes[fn->ins[i].b] = i;
        if (fn->ins[i].aux == SLOT_ESCAPES)
            bit_set(m->read, fn->ins[i].b);
    }
}

void
ir_slot_place(struct fn *fn, u32 slot)
{
    u32 size = fn->slot_types[slot] == IR_V128 ? 16 : 8;
    u32 at = fn->slots_size;

    // The end is kept rounded up; an odd slot before this one leaves a gap.
    if (slot > 0 && size == 8 && fn->slot_types[slot - 1] != IR_V128 &&
        fn->slot_at[slot - 1] + 16 == at)
        at -= 8;
    fn->slot_at[slot] = at;
    fn->slots_size = (u32)ALIGN_UP(at + size, 16);
}

// Number the slots that are read; the names come in place of m->writes.
static void
pack_slots(struct marker *m)
{
    struct fn *fn = m->fn;
    u32 to = 0;

    for (u32 i = 0; i < fn->slot_count; i++) {
        m->writes[i] = to;
        fn->slot_types[to] = fn->slot_types[i];
        to += bit_get(m->read, i);
    }
    fn->slot_count = to;
    fn->slots_size = 0;
    for (u32 i = 0; i < to; i++)
        ir_slot_place(fn, i);
}

static void
drop_unused(struct builder *b)
{
    struct fn *fn = b->fn;
    struct marker m = {.b = b, .fn = fn, .walked = fn->ins_count};
    val_t *names = ir_scratch(b, fn->ins_count * sizeof(val_t));
    bool whole = fn->part == FN_WHOLE; // else slots are other parts', too

    m.used = ir_scratch(b, (fn->ins_count / 64 + 1) * sizeof(u64));
    if (whole) {
        m.writes = ir_scratch(b, fn->slot_count * sizeof(u32));
        m.read = ir_scratch(b, (fn->slot_count / 64 + 1) * sizeof(u64));
    }
    if (b->status != OK)
        return;
    // The function's arguments stay.
    for (u32 i = 0; i < fn->blocks[0].params; i++)
        bit_set(m.used, fn->blocks[0].first + i);
    if (whole)
        chain_writes(&m);
    for (blk_t i = fn->block_count; i > 0; i--)
        mark_block(&m, &fn->blocks[i - 1]);
    if (b->status != OK)
        return;
    if (whole)
        pack_slots(&m);
    pack(&m, names);
}

void
ir_finish(struct builder *b)
{
    if (!b->plain)
        ir_spare_all(b);
    drop_unused(b);
    if (b->status == OK)
        ir_find_loops(b);
    if (b->status == OK && !b->plain)
        ir_catches_group(b);
    if (b->status == OK)
        ir_find_cold(b->fn);
}
