// ir/join.c: what holds where control flow comes together.
//
// Where several edges meet, a parameter is made for each operand and for each
// local that does not have the same value on all of them.  A local that no
// edge has written since the block began needs no look: only what the records
// of the edges name is compared.

#include "ir/build.h"

// The record of an edge, see flow.c.
static const u32 *
record_of(const struct builder *b, edge_t edge)
{
    return &b->records[b->fn->edges[edge].args];
}

static const u32 *
operands_of(const struct builder *b, edge_t edge)
{
    const u32 *record = record_of(b, edge);

    return record + 1 + 2 * record[0];
}

static void
bind_edges(struct builder *b, const struct label *label)
{
    struct block *block = &b->fn->blocks[b->block];

    block->first_pred = label->edges;
    block->preds = label->edge_count;
    for (edge_t e = label->edges; e != 0; e = b->fn->next_pred[e])
        b->fn->edges[e].to = b->block;
}

// --- one edge  -------------------------------------------------------------

static void
join_one(struct builder *b, const struct label *label, u32 count)
{
    u32 at = b->fn->edges[label->edges].args;
    u32 changed = b->records[at++];

    for (u32 i = 0; i < changed && b->status == OK; i++, at += 2)
        ir_local_set(b, b->records[at], b->records[at + 1]);
    for (u32 i = 0; i < count; i++)
        ir_push(b, b->records[at + i]);
}

// --- several edges  --------------------------------------------------------

static void
merge_local(struct builder *b, u32 local, val_t v)
{
    struct local *l = &b->locals[local];

    if (l->mark == 0) {
        if (!ir_room(b, &b->merges, &b->merge_capacity, b->merge_count, 1,
                     sizeof(struct merge)))
            return;
        b->merges[b->merge_count++] = (struct merge){local, v, 1, false};
        l->mark = b->merge_count;
        return;
    }
    struct merge *m = &b->merges[l->mark - 1];
    m->count++;
    m->differs |= m->value != v;
}

static void
merge_locals(struct builder *b, const struct label *label)
{
    b->merge_count = 0;
    for (edge_t e = label->edges; e != 0; e = b->fn->next_pred[e]) {
        const u32 *record = record_of(b, e);
        ir_spend(b, record[0]);
        for (u32 i = 0; i < record[0] && b->status == OK; i++)
            merge_local(b, record[1 + 2 * i], record[2 + 2 * i]);
    }
}

// Local by local: a parameter, one value, or as before.  The parameters come
// to the front of b->merges; their number is returned.
static u32
decide_locals(struct builder *b, const struct label *label)
{
    u32 params = 0;

    for (u32 i = 0; i < b->merge_count; i++) {
        struct merge m = b->merges[i];
        struct local *l = &b->locals[m.local];
        l->mark = 0;
        if (m.count < label->edge_count && m.value != l->value)
            m.differs = true;
        if (m.differs) {
            b->merges[params++] = m;
            l->mark = params;
        } else {
            ir_local_set(b, m.local, m.value);
        }
    }
    return params;
}

static bool
operand_differs(const struct builder *b, const struct label *label, u32 i)
{
    val_t v = operands_of(b, label->edges)[i];

    for (edge_t e = label->edges; e != 0; e = b->fn->next_pred[e])
        if (operands_of(b, e)[i] != v)
            return true;
    return false;
}

// Push the operands, as parameters where edges differ; the number of those.
static u32
join_operands(struct builder *b, const struct label *label, u32 count)
{
    u32 params = 0;

    for (u32 i = 0; i < count && b->status == OK; i++) {
        if (operand_differs(b, label, i))
            ir_push(b, ir_emit(b, IR_PARAM, ir_label_type(b, label, i), 0,
                               params++, b->block, 0));
        else
            ir_push(b, operands_of(b, label->edges)[i]);
    }
    return params;
}

// Replace the record of an edge by its arguments.
static void
fill_args(struct builder *b, const struct label *label, edge_t edge, u32 args,
          u32 count, u32 operands, u32 locals)
{
    struct fn *fn = b->fn;
    const u32 *record = record_of(b, edge), *values = operands_of(b, edge);
    u32 *to = &fn->pool[args];

    for (u32 i = 0; i < count; i++) {
        val_t v = b->stack[label->height + i];
        if (fn->ins[v].op == IR_PARAM && fn->ins[v].b == b->block)
            *to++ = values[i];
    }
    assert(to == &fn->pool[args] + operands);
    for (u32 i = 0; i < locals; i++)
        to[i] = b->locals[b->merges[i].local].value;
    for (u32 i = 0; i < record[0]; i++) {
        u32 mark = b->locals[record[1 + 2 * i]].mark;
        if (mark != 0)
            to[mark - 1] = record[2 + 2 * i];
    }
    fn->edges[edge].args = args;
}

static void
join_many(struct builder *b, const struct label *label, u32 count)
{
    struct fn *fn = b->fn;

    ir_spend(b, (u64)count * label->edge_count);
    merge_locals(b, label);
    u32 locals = b->status == OK ? decide_locals(b, label) : 0;
    u32 operands = join_operands(b, label, count);
    u64 params = operands + locals;
    ir_spend(b, params * label->edge_count);
    if (params == 0 || b->status != OK)
        return;

    fn->blocks[b->block].params = (u32)params;
    for (edge_t e = label->edges; e != 0; e = fn->next_pred[e]) {
        u32 args = ir_pool_new(b, (u32)params);
        if (b->status != OK)
            return;
        fill_args(b, label, e, args, count, operands, locals);
    }
    for (u32 i = 0; i < locals; i++) {
        struct local *l = &b->locals[b->merges[i].local];
        l->mark = 0;
        ir_local_set(
            b, b->merges[i].local,
            ir_emit(b, IR_PARAM, l->type, 0, operands + i, b->block, 0));
    }
}

void
ir_join(struct builder *b, struct label *label)
{
    u32 count = ir_label_arity(b, label);

    ir_locals_undo(b, label->undo);
    ir_numbers_cut(b, label->scope);
    label->low = MIN(label->low, b->number_count);
    if (b->next_epoch != label->next_epoch)
        ir_epoch_end_all(b);
    ir_block_open(b);
    if (b->status != OK)
        return;
    bind_edges(b, label);

    b->height = label->height;
    if (label->edge_count == 1)
        join_one(b, label, count);
    else
        join_many(b, label, count);
}

// --- loops  ----------------------------------------------------------------

// The one value other than the parameter itself that comes in on all edges, or
// 0 if there are several.
static val_t
only_value(struct fn *fn, const struct block *block, u32 param)
{
    val_t self = block->first + param, only = 0;

    for (edge_t e = block->first_pred; e != 0; e = fn->next_pred[e]) {
        val_t v = ir_resolve(fn, fn->pool[fn->edges[e].args + param]);
        if (v == self || v == only)
            continue;
        if (only != 0)
            return 0;
        only = v;
    }
    return only;
}

void
ir_loop_close(struct builder *b, const struct label *label)
{
    struct fn *fn = b->fn;
    const struct block *block = &fn->blocks[label->loop.header];

    for (u32 i = 0; i < block->params && b->status == OK; i++) {
        val_t v = only_value(fn, block, i);
        struct ins *param = &fn->ins[block->first + i];
        if (v != 0) {
            param->op = IR_FORWARD;
            param->a = v;
        }
    }
}
