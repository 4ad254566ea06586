// ir/value.c: new instructions.
//
// Values are numbered: an instruction without effects that is equal to one
// before it, in a block that dominates, is that one.  Blocks open and close
// like brackets, so the numbered values are a stack; each bucket of the hash
// table chains through it, newest first, and is searched a few steps deep.
// Loads carry the epoch of what they read, which ends at every write.
// Constants have a table of their own that is never cut (see ir.h).

#include "ir/build.h"

enum {
    PROBES = 8,            // longest search of a bucket
    NUMBERS_MAX = 1 << 14, // what the caches of a CPU hold
    BUCKETS_MAX = NUMBERS_MAX,
};

void
ir_stop(struct builder *b, status_t status, const char *what)
{
    if (b->status != OK)
        return;
    b->status = status;
    if (what != NULL)
        error_set(b->error, status, b->op.at, what);
}

void
ir_spend(struct builder *b, u64 n)
{
    if (b->plain)
        return;
    if (n > b->budget)
        ir_stop(b, ERR_BUDGET, NULL);
    else
        b->budget -= n;
}

bool
ir_room(struct builder *b, void *array, u32 *capacity, u32 count, u64 more,
        u64 size)
{
    if (count + more <= *capacity)
        return true;
    if (b->status != OK)
        return false;
    if (array_grow(b->temp, &b->spares, array, capacity, count, more, size))
        return true;
    ir_stop(b, ERR_NO_MEMORY, "function too large to compile");
    return false;
}

void *
ir_scratch(struct builder *b, u64 size)
{
    void *block = spares_alloc(&b->spares, b->temp, size);

    if (block == NULL)
        ir_stop(b, ERR_NO_MEMORY, "function too large to compile");
    else
        memset(block, 0, size);
    return block;
}

void
ir_spare_all(struct builder *b)
{
    struct validator *v = &b->v;
    const struct spare blocks[] = {
        {v->operands, v->operand_capacity * sizeof(*v->operands)},
        {v->frames,   v->frame_capacity * sizeof(*v->frames)    },
        {b->stack,    b->stack_capacity * sizeof(*b->stack)     },
        {b->locals,   b->local_capacity * sizeof(*b->locals)    },
        {b->undo,     b->undo_capacity * sizeof(*b->undo)       },
        {b->records,  b->record_capacity * sizeof(*b->records)  },
        {b->numbers,  b->number_capacity * sizeof(*b->numbers)  },
        {b->scans,    b->scan_capacity * sizeof(*b->scans)      },
    };

    for (u32 i = 0; i < COUNT(blocks); i++)
        spares_add(&b->spares, blocks[i].block, blocks[i].size);
}

u32
ir_pool_new(struct builder *b, u32 count)
{
    struct fn *fn = b->fn;

    if (!ir_room(b, &fn->pool, &b->pool_capacity, fn->pool_count, count,
                 sizeof(val_t)))
        return 0;
    fn->pool_count += count;
    return fn->pool_count - count;
}

static val_t
append(struct builder *b, struct ins ins)
{
    struct fn *fn = b->fn;
    u32 at_capacity = b->ins_capacity;

    assert(b->block != NO_BLOCK || b->status != OK);
    if (fn->ins_count == b->ins_capacity &&
        (!ir_room(b, &fn->at, &at_capacity, fn->ins_count, 1, sizeof(u32)) ||
         !ir_room(b, &fn->ins, &b->ins_capacity, fn->ins_count, 1,
                  sizeof(struct ins))))
        return 0;
    fn->ins[fn->ins_count] = ins;
    fn->at[fn->ins_count] =
        b->inlining ? ir_inline_at(b) : (u32)(b->op.at - b->start);
    return fn->ins_count++;
}

val_t
ir_emit(struct builder *b, u32 op, u32 type, u32 aux, u32 x, u32 y, u32 z)
{
    return append(b, (struct ins){(u16)op, (u8)type, (u8)aux, x, y, z});
}

// --- numbering  ------------------------------------------------------------

bool
ir_number_init(struct builder *b, u64 body_size)
{
    u32 buckets = 16;

    while (buckets < BUCKETS_MAX && buckets < body_size / 4)
        buckets *= 2;
    b->bucket_mask = buckets - 1;
    b->buckets = ARENA_NEW(b->temp, u32, buckets);
    b->const_buckets = ARENA_NEW(b->temp, u32, buckets);
    b->number_count = 1;
    b->constant_count = 1;
    if (b->buckets == NULL || b->const_buckets == NULL)
        ir_stop(b, ERR_NO_MEMORY, "function too large to compile");
    return b->status == OK;
}

static u32
mix(u64 a, u64 b)
{
    u64 hash = (a ^ b * 0x9e3779b97f4a7c15) * 0xd6e8feb86659fd93;

    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93;
    return (u32)(hash >> 32);
}

static u32
hash_ins(const struct ins *ins, u32 epoch)
{
    u64 words[2];

    memcpy(words, ins, sizeof(words));
    return mix(words[0] + epoch, words[1]);
}

static val_t
number_find(const struct builder *b, u32 bucket, const struct ins *ins,
            u32 epoch)
{
    u32 at = b->buckets[bucket];

    for (u32 i = 0; at != 0 && i < PROBES; i++) {
        const struct number *n = &b->numbers[at];
        if (n->epoch == epoch && memcmp(&n->key, ins, sizeof(*ins)) == 0)
            return n->value;
        at = n->next;
    }
    return 0;
}

static void
number_add(struct builder *b, u32 bucket, const struct ins *ins, u32 epoch,
           val_t v)
{
    if (b->number_count >= NUMBERS_MAX ||
        !ir_room(b, &b->numbers, &b->number_capacity, b->number_count, 1,
                 sizeof(struct number)))
        return;
    b->numbers[b->number_count] =
        (struct number){*ins, b->buckets[bucket], v, epoch, bucket};
    b->buckets[bucket] = b->number_count++;
}

void
ir_numbers_cut(struct builder *b, u32 count)
{
    b->memory.known_count = 0;
    while (b->number_count > count) {
        const struct number *n = &b->numbers[--b->number_count];
        b->buckets[n->bucket] = n->next;
    }
}

static val_t
number(struct builder *b, const struct ins *ins, u32 epoch)
{
    u32 bucket = hash_ins(ins, epoch) & b->bucket_mask;
    val_t v = number_find(b, bucket, ins, epoch);

    if (v == 0) {
        v = append(b, *ins);
        number_add(b, bucket, ins, epoch, v);
    }
    return v;
}

val_t
ir_value(struct builder *b, u32 op, u32 type, u32 aux, u32 x, u32 y, u32 z)
{
    struct ins ins = {(u16)op, (u8)type, (u8)aux, x, y, z};
    val_t v = ir_fold(b, &ins);

    return v != 0 ? v : number(b, &ins, 0);
}

val_t
ir_value_load(struct builder *b, enum epoch_class class, struct ins ins)
{
    return number(b, &ins, b->memory.epoch[class]);
}

void
ir_value_global(struct builder *b, u32 global, val_t v)
{
    struct ins ins = {IR_GLOBAL_GET, b->fn->ins[v].type, 0, global, 0, 0};
    u32 epoch = b->memory.epoch[EPOCH_GLOBAL];

    number_add(b, hash_ins(&ins, epoch) & b->bucket_mask, &ins, epoch, v);
}

void
ir_epoch_end(struct builder *b, enum epoch_class class)
{
    b->memory.epoch[class] = ++b->next_epoch;
}

void
ir_epoch_end_all(struct builder *b)
{
    ir_epoch_end(b, EPOCH_MEMORY);
    ir_epoch_end(b, EPOCH_GLOBAL);
    ir_epoch_end(b, EPOCH_TABLE);
}

// --- constants  ------------------------------------------------------------

u32
ir_const_wide(struct builder *b, u64 low, u64 high)
{
    struct fn *fn = b->fn;

    if (!ir_room(b, &fn->consts, &b->const_capacity, fn->const_count, 1,
                 sizeof(u64[2])))
        return 0;
    fn->consts[fn->const_count][0] = low;
    fn->consts[fn->const_count][1] = high;
    return fn->const_count++;
}

static bool
is_const(const struct fn *fn, val_t v, u32 type, u64 low, u64 high)
{
    const struct ins *ins = &fn->ins[v];

    if (ins->type != type)
        return false;
    if (type == IR_V128)
        return fn->consts[ins->a][0] == low && fn->consts[ins->a][1] == high;
    return ins->a == (u32)low && ins->b == (u32)(low >> 32);
}

static val_t
append_const(struct builder *b, u32 type, u64 low, u64 high)
{
    if (type == IR_V128)
        return ir_emit(b, IR_CONST, type, 0, ir_const_wide(b, low, high), 0, 0);
    return ir_emit(b, IR_CONST, type, 0, (u32)low, (u32)(low >> 32), 0);
}

val_t
ir_const(struct builder *b, u32 type, u64 low, u64 high)
{
    u32 bucket = mix(low + type, high) & b->bucket_mask;
    u32 at = b->const_buckets[bucket];

    for (u32 i = 0; at != 0 && i < PROBES; i++) {
        const struct constant *c = &b->constants[at];
        if (is_const(b->fn, c->value, type, low, high))
            return c->value;
        at = c->next;
    }
    val_t v = append_const(b, type, low, high);
    if (b->constant_count < NUMBERS_MAX &&
        ir_room(b, &b->constants, &b->constant_capacity, b->constant_count, 1,
                sizeof(struct constant))) {
        b->constants[b->constant_count] =
            (struct constant){b->const_buckets[bucket], v};
        b->const_buckets[bucket] = b->constant_count++;
    }
    return v;
}

val_t
ir_const_i32(struct builder *b, u32 number)
{
    return ir_const(b, IR_I32, number, 0);
}

val_t
ir_is_null(struct builder *b, val_t ref)
{
    bool narrow = b->fn->ins[ref].type == IR_I32;

    return ir_value(b, narrow ? IR_I32_EQZ : IR_I64_EQZ, IR_I32, 0, ref, 0, 0);
}

val_t
ir_const_i64(struct builder *b, u64 number)
{
    return ir_const(b, IR_I64, number, 0);
}
