// ir/memory.c: what memory holds, as far as the last accesses tell.
//
// A load of what was just stored, or loaded, is that value.  The numbers of
// value.c find loads with nothing written between; here a few accesses are
// remembered across stores that cannot overlap them: those whose address is the
// same value, or that plus a constant, and whose bytes are others.  All is
// forgotten where control flow meets and whenever memory may have changed
// otherwise (its epoch).

#include "ir/build.h"

// The load that gives back what a store of this kind has written, or IR_NONE.
static u32
load_of(u32 store)
{
    switch (store) {
    case IR_I32_STORE:
        return IR_I32_LOAD;
    case IR_I64_STORE:
        return IR_I64_LOAD;
    case IR_F32_STORE:
        return IR_F32_LOAD;
    case IR_F64_STORE:
        return IR_F64_LOAD;
    case IR_V128_STORE:
        return IR_V128_LOAD;
    default:
        return IR_NONE;
    }
}

static bool
is_current(const struct builder *b)
{
    return b->memory.known_epoch == b->memory.epoch[EPOCH_MEMORY];
}

static void
remember(struct builder *b, const struct ins *load, u32 size, val_t value)
{
    if (!is_current(b))
        b->memory.known_count = 0;
    b->memory.known_epoch = b->memory.epoch[EPOCH_MEMORY];
    b->memory.known[b->memory.known_count++ % KNOWN_MAX] =
        (struct known){*load, size, value};
}

// An address of 32 bits: a value plus a constant.
static val_t
root_of(const struct fn *fn, val_t address, u32 *add)
{
    const struct ins *ins = &fn->ins[address];

    *add = 0;
    if (ins->op != IR_I32_ADD || fn->ins[ins->b].op != IR_CONST)
        return address;
    *add = fn->ins[ins->b].a;
    return ins->a;
}

// Bytes [x, x + x_size) and [y, y + y_size).
static bool
overlap(i64 x, u32 x_size, i64 y, u32 y_size)
{
    return x < y + y_size && y < x + x_size;
}

// May the two have a byte in common?  The sum of an address wraps at 2^32, that
// with the offset does not.  Two memories may be the same one.
static bool
may_overlap(const struct fn *fn, const struct ins *x, u32 x_size,
            const struct ins *y, u32 y_size)
{
    u32 x_add, y_add;

    if (x->aux != y->aux ||
        root_of(fn, x->a, &x_add) != root_of(fn, y->a, &y_add))
        return true;
    i64 from = (i64)x_add + x->c, to = (i64)y_add + y->c;
    for (i64 wrap = -1; wrap <= 1; wrap++)
        if (overlap(from + wrap * (1ll << 32), x_size, to, y_size))
            return true;
    return false;
}

// Does a load get what is known of another that has been done?  With an offset
// it might trap where that did not, so the addresses have to be one value then.
static bool
is_known(const struct fn *fn, const struct ins *known, const struct ins *load)
{
    u32 known_add, add;

    if (known->op != load->op || known->type != load->type ||
        known->aux != load->aux)
        return false;
    if (known->a == load->a && known->c == load->c)
        return true;
    return load->c == 0 &&
           root_of(fn, known->a, &known_add) == root_of(fn, load->a, &add) &&
           known_add + known->c == add;
}

val_t
ir_memory_load(struct builder *b, struct ins load, u32 size)
{
    u32 count = is_current(b) ? MIN(b->memory.known_count, (u32)KNOWN_MAX) : 0;

    for (u32 i = 0; i < count; i++)
        if (is_known(b->fn, &b->memory.known[i].load, &load))
            return b->memory.known[i].value;
    val_t v = ir_value_load(b, EPOCH_MEMORY, load);
    remember(b, &load, size, v);
    return v;
}

void
ir_memory_store(struct builder *b, const struct ins *store, u32 size)
{
    struct ins load = {(u16)load_of(store->op),
                       b->fn->ins[store->b].type,
                       store->aux,
                       store->a,
                       0,
                       store->c};
    u32 count = is_current(b) ? MIN(b->memory.known_count, (u32)KNOWN_MAX) : 0;

    b->memory.known_count = 0;
    for (u32 i = 0; i < count; i++)
        if (!may_overlap(b->fn, &b->memory.known[i].load,
                         b->memory.known[i].size, store, size))
            b->memory.known[b->memory.known_count++] = b->memory.known[i];
    ir_epoch_end(b, EPOCH_MEMORY);
    b->memory.known_epoch = b->memory.epoch[EPOCH_MEMORY];
    if (load.op != IR_NONE)
        remember(b, &load, size, store->b);
}
