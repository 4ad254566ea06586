// ir/build.c: the driver of the build, and the instructions without control
// flow.  The validator steps through the body; each instruction it accepts is
// built at once by the row of `builders` for its opcode, or, when column `ir`
// of wasm/ops.def names an IR instruction, by the form of that.

#include "ir/build.h"

enum { BUDGET_MIN = 4096 }; // beside that of the bytes

// Bytes of other functions that may be built into one, beside half of its own.
enum { INLINE_MIN = 256, INLINE_MAX = 32768 };

// --- constants, variables  -------------------------------------------------

static void
build_const(struct builder *b)
{
    static const struct {
        u32 code;
        u8 type;
    } rows[] = {
        {WASM_I32_CONST, IR_I32},
        {WASM_I64_CONST, IR_I64},
        {WASM_F32_CONST, IR_F32},
        {WASM_F64_CONST, IR_F64},
    };
    u64 bits = b->op.value;

    for (u32 i = 0; i < COUNT(rows); i++) {
        bool narrow = rows[i].type == IR_I32 || rows[i].type == IR_F32;
        if (rows[i].code == b->op.code)
            ir_push(b, ir_const(b, rows[i].type, narrow ? (u32)bits : bits, 0));
    }
}

static void
build_ref_null(struct builder *b)
{
    ir_push(b, ir_const(b, ir_type_of(b->m, b->op.type), 0, 0));
}

static void
v128_bits(const struct builder *b, u64 bits[2])
{
    memcpy(bits, b->op.v128, sizeof(b->op.v128));
}

static void
build_v128_const(struct builder *b)
{
    u64 bits[2];

    v128_bits(b, bits);
    ir_push(b, ir_const(b, IR_V128, bits[0], bits[1]));
}

static void
build_nop(struct builder *b)
{
    (void)b;
}

static void
build_drop(struct builder *b)
{
    ir_drop(b, 1);
}

static void
build_select(struct builder *b)
{
    val_t c = ir_pop(b), y = ir_pop(b), x = ir_pop(b);

    ir_push(b, ir_value(b, IR_SELECT, b->fn->ins[x].type, 0, x, y, c));
}

static void
build_local_get(struct builder *b)
{
    ir_push(b, ir_local_get(b, ir_local_find(b, b->op.index)));
}

static val_t
set_local(struct builder *b)
{
    val_t v = ir_pop(b);
    u32 local = ir_local_find(b, b->op.index);

    ir_local_set(b, local, v);
    if (b->shadow)
        ir_emit(b, IR_SLOT_SET, IR_VOID, 0, v, b->locals[local].slot, 0);
    return v;
}

static void
build_local_set(struct builder *b)
{
    (void)set_local(b);
}

static void
build_local_tee(struct builder *b)
{
    ir_push(b, set_local(b));
}

static void
build_global_get(struct builder *b)
{
    const struct global_type *type = &b->m->globals[b->op.index].type;
    struct ins ins = {.op = IR_GLOBAL_GET,
                      .type = (u8)ir_type_of(b->m, type->type),
                      .a = b->op.index};

    ir_push(b, type->mutable ? ir_value_load(b, EPOCH_GLOBAL, ins) :
                               ir_value(b, ins.op, ins.type, 0, ins.a, 0, 0));
}

static void
build_global_set(struct builder *b)
{
    val_t v = ir_pop(b);

    ir_emit(b, IR_GLOBAL_SET, IR_VOID, 0, v, b->op.index, 0);
    ir_epoch_end(b, EPOCH_GLOBAL);
    ir_value_global(b, b->op.index, v);
}

// --- tables and references  ------------------------------------------------

static void
build_table_get(struct builder *b)
{
    struct ins ins = {.op = IR_TABLE_GET, .type = IR_I64, .b = b->op.index};

    ins.a = ir_pop(b);
    val_t v = ir_value_load(b, EPOCH_TABLE, ins);
    ir_push(b, b->m->tables[b->op.index].type.kind == REF_ANY ?
                   ir_value(b, IR_I32_WRAP_I64, IR_I32, 0, v, 0, 0) :
                   v);
}

static void
build_table_set(struct builder *b)
{
    val_t v = ir_pop_wide(b), index = ir_pop(b);

    ir_emit(b, IR_TABLE_SET, IR_VOID, 0, index, v, b->op.index);
    ir_epoch_end(b, EPOCH_TABLE);
}

static void
build_table_size(struct builder *b)
{
    bool is64 = b->m->tables[b->op.index].type.limits.is64;
    struct ins ins = {
        .op = IR_TABLE_SIZE, .type = is64 ? IR_I64 : IR_I32, .a = b->op.index};

    ir_push(b, ir_value_load(b, EPOCH_TABLE, ins));
}

static void
build_memory_size(struct builder *b)
{
    bool is64 = b->m->memories[b->op.index].is64;
    struct ins ins = {
        .op = IR_MEMORY_SIZE, .type = is64 ? IR_I64 : IR_I32, .a = b->op.index};

    ir_push(b, ir_value_load(b, EPOCH_TABLE, ins));
}

static void
build_ref_func(struct builder *b)
{
    ir_push(b, ir_value(b, IR_REF_FUNC, IR_I64, 0, b->op.index, 0, 0));
}

static void
build_ref_is_null(struct builder *b)
{
    val_t ref = ir_pop(b);

    ir_push(b, ir_is_null(b, ref));
}

static void
build_ref_as_non_null(struct builder *b)
{
    val_t ref = ir_pop(b);

    build_check(b, ir_is_null(b, ref), TRAP_NULL_REFERENCE);
    ir_push(b, ref);
}

// --- memory  ---------------------------------------------------------------

val_t
build_address(struct builder *b, u32 *offset)
{
    val_t address = ir_pop(b);

    *offset = (u32)b->op.value;
    if (b->op.value <= UINT32_MAX)
        return address;
    *offset = 0;
    return ir_value(b, IR_ADDRESS_ADD, IR_I64, 0, address,
                    ir_const_i64(b, b->op.value), 0);
}

static bool
is_atomic(u32 op)
{
    return (ir_info(op)->effects & EFFECTS_ATOMIC) == EFFECTS_ATOMIC;
}

static void
build_load(struct builder *b, struct ins ins)
{
    ins.a = build_address(b, &ins.c);
    if (!is_atomic(ins.op)) {
        ir_push(b, ir_memory_load(b, ins, 1u << b->op.info->width));
        return;
    }
    ir_push(b, ir_emit(b, ins.op, ins.type, ins.aux, ins.a, 0, ins.c));
    ir_epoch_end(b, EPOCH_MEMORY);
}

static void
build_store(struct builder *b, struct ins ins)
{
    ins.b = ir_pop(b);
    ins.a = build_address(b, &ins.c);
    val_t v = ir_emit(b, ins.op, ins.type, ins.aux, ins.a, ins.b, ins.c);
    if (is_atomic(ins.op))
        ir_epoch_end(b, EPOCH_MEMORY);
    else
        ir_memory_store(b, &ins, 1u << b->op.info->width);
    if (ins.type != IR_VOID) // read-modify-write
        ir_push(b, v);
}

static void
build_cas(struct builder *b, struct ins ins)
{
    val_t new = ir_pop(b), expected = ir_pop(b),
          address = build_address(b, &ins.c);
    u32 list = ir_pool_new(b, 3);

    if (b->status != OK)
        return;
    b->fn->pool[list] = address;
    b->fn->pool[list + 1] = expected;
    b->fn->pool[list + 2] = new;
    ir_push(b, ir_emit(b, ins.op, ins.type, ins.aux, list, 0, ins.c));
    ir_epoch_end(b, EPOCH_MEMORY);
}

static void
build_mem_lane(struct builder *b, struct ins ins)
{
    u32 offset;

    ins.b = ir_pop(b);
    ins.a = build_address(b, &offset);
    ins.c = ir_const_wide(b, offset, b->op.lane);
    val_t v = ir_emit(b, ins.op, ins.type, ins.aux, ins.a, ins.b, ins.c);
    if (ins.type != IR_VOID)
        ir_push(b, v);
    else
        ir_epoch_end(b, EPOCH_MEMORY);
}

static void
build_fence(struct builder *b)
{
    ir_emit(b, IR_ATOMIC_FENCE, IR_VOID, 0, 0, 0, 0);
    ir_epoch_end_all(b);
}

// --- numbers  --------------------------------------------------------------

static void
build_shuffle(struct builder *b)
{
    u64 bits[2];
    val_t y = ir_pop(b), x = ir_pop(b);

    v128_bits(b, bits);
    ir_push(b, ir_emit(b, IR_I8X16_SHUFFLE, IR_V128, 0, x, y,
                       ir_const_wide(b, bits[0], bits[1])));
}

static void
build_mul_wide(struct builder *b)
{
    u32 op = b->op.code == WASM_I64_MUL_WIDE_S ? IR_I64_MUL_WIDE_S :
                                                 IR_I64_MUL_WIDE_U;
    val_t y = ir_pop(b), x = ir_pop(b);
    val_t low = ir_mul_wide(b, op, x, y);

    ir_push(b, low);
    ir_push(b, low != 0 ? low + 1 : 0);
}

// Two words each; the carry out of the low one is found by a comparison.
static void
build_add128(struct builder *b)
{
    bool sub = b->op.code == WASM_I64_SUB128;
    u32 op = sub ? IR_I64_SUB : IR_I64_ADD;
    val_t y_high = ir_pop(b), y_low = ir_pop(b), x_high = ir_pop(b),
          x_low = ir_pop(b);

    val_t low = ir_value(b, op, IR_I64, 0, x_low, y_low, 0);
    val_t carry = ir_value(b, IR_I64_LT_U, IR_I32, 0, sub ? x_low : low,
                           sub ? y_low : x_low, 0);
    carry = ir_value(b, IR_I64_EXTEND_I32_U, IR_I64, 0, carry, 0, 0);
    val_t high = ir_value(b, op, IR_I64, 0, x_high, y_high, 0);
    ir_push(b, low);
    ir_push(b, ir_value(b, op, IR_I64, 0, high, carry, 0));
}

// An instruction of 1 to 3 values and maybe a lane.
static void
build_values(struct builder *b, struct ins ins, u32 count)
{
    u32 operands[3] = {0, 0, 0};

    for (u32 i = count; i > 0; i--)
        operands[i - 1] = ir_pop(b);
    ir_push(b, ir_value(b, ins.op, ins.type, ins.aux, operands[0], operands[1],
                        operands[2]));
}

static void
build_form(struct builder *b, u32 op)
{
    struct ins ins = {.op = (u16)op,
                      .type = (u8)ir_result_type(ir_sig(op)),
                      .aux = (u8)b->op.memory};

    switch (ir_info(op)->form) {
    case FORM_LOAD:
        build_load(b, ins);
        return;
    case FORM_STORE:
    case FORM_RMW:
        build_store(b, ins);
        return;
    case FORM_CAS:
        build_cas(b, ins);
        return;
    case FORM_MEM_LANE:
        build_mem_lane(b, ins);
        return;
    case FORM_LANE1:
    case FORM_LANE2:
        ins.aux = b->op.lane;
        build_values(b, ins, ir_operand_count(op));
        return;
    default:
        ins.aux = 0;
        build_values(b, ins, ir_operand_count(op));
        return;
    }
}

// --- the driver  -----------------------------------------------------------

static void (*const builders[OP_SLOTS])(struct builder *) = {
#define BUILD(id, name, leaf) [OP_SLOT(WASM_##id)] = build_##name,
#include "ir/build.def"
};

// Blocks are followed also in dead code.
static bool
is_structure(u32 code)
{
    switch (code) {
    case WASM_BLOCK:
    case WASM_LOOP:
    case WASM_IF:
    case WASM_ELSE:
    case WASM_TRY:
    case WASM_TRY_TABLE:
    case WASM_CATCH:
    case WASM_CATCH_ALL:
    case WASM_DELEGATE:
    case WASM_END:
        return true;
    default:
        return false;
    }
}

void
build_op(struct builder *b)
{
    u32 slot = OP_SLOT(b->op.code), op = ir_op_of(b->op.code);

    if (b->block == NO_BLOCK && !is_structure(b->op.code))
        return;
    if (builders[slot] != NULL)
        builders[slot](b);
    else
        build_form(b, op);
}

bool
ir_reserve(struct builder *b, u64 body)
{
    struct fn *fn = b->fn;
    u32 at_capacity = 0, link_capacity = 0;

    if (!ir_room(b, &fn->ins, &b->ins_capacity, 0, body / 2 + 32,
                 sizeof(struct ins)) ||
        !ir_room(b, &fn->at, &at_capacity, 0, body / 2 + 32, sizeof(u32)) ||
        !ir_room(b, &fn->blocks, &b->block_capacity, 0, body / 16 + 16,
                 sizeof(struct block)) ||
        !ir_room(b, &fn->edges, &b->edge_capacity, 0, body / 16 + 16,
                 sizeof(struct edge)) ||
        !ir_room(b, &fn->next_pred, &link_capacity, 0, body / 16 + 16,
                 sizeof(edge_t)) ||
        !ir_room(b, &fn->pool, &b->pool_capacity, 0, body / 8 + 32,
                 sizeof(val_t)) ||
        !ir_number_init(b, body))
        return false;
    fn->ins[0] = (struct ins){.op = IR_NONE};
    fn->edges[0] = (struct edge){0, 0, 0};
    fn->ins_count = fn->edge_count = 1;
    return true;
}

void
build_params(struct builder *b)
{
    const struct type *type = b->fn->type;

    ir_block_open(b);
    if (b->status != OK)
        return;
    b->fn->blocks[0].params = type->param_count;
    for (u32 i = 0; i < type->param_count; i++)
        ir_emit(b, IR_PARAM, ir_type_of(b->m, type->vals[i]), 0, i, 0, 0);
}

// A local may be needed on an edge that left before it was first named, so its
// first value has to come before all.
static void
build_zeros(struct builder *b)
{
    for (u32 i = 0; i < b->v.run_count; i++) {
        u32 type = ir_type_of(b->m, b->v.runs[i].type);
        if (b->zeros[type] == 0)
            b->zeros[type] = ir_const(b, type, 0, 0);
    }
}

// Handlers find the locals in slots, from the start on.
static void
build_shadow(struct builder *b)
{
    b->shadow = ir_scan_body(b);
    for (u32 i = 0; i < b->local_count && b->shadow; i++) {
        struct local *l = &b->locals[i];
        l->slot = ir_slot_new(b, l->type);
        ir_emit(b, IR_SLOT_SET, IR_VOID, 0, l->value, l->slot, 0);
    }
}

static void
build_begin(struct builder *b)
{
    const struct func *func = &b->m->funcs[b->fn->index];

    b->op.at = b->start;
    b->op.block = (struct block_type){func->type, VAL_NONE};
    b->local_index =
        arena_alloc(b->temp, sizeof(u32) * b->v.local_count, _Alignof(u32));
    if (b->local_index == NULL)
        ir_stop(b, ERR_NO_MEMORY, "function too large to compile");
    if (!ir_reserve(b, func->end - func->at) ||
        !ir_room(b, &b->stack, &b->stack_capacity, 0, 64, sizeof(val_t)) ||
        !ir_room(b, &b->locals, &b->local_capacity, 0, 32,
                 sizeof(struct local)) ||
        !ir_room(b, &b->records, &b->record_capacity, 0, 64, sizeof(u32)))
        return;
    build_params(b);
    ir_label_push(b, WASM_BLOCK, 0);
    build_zeros(b);
    if (b->m->tag_count > 0)
        build_shadow(b);
}

// Equal values and constants take no memory, however many there are.
static void
go_on(struct builder *b, u32 *ops)
{
    if (!arena_may_step(b->temp, ++*ops))
        ir_stop(b, ERR_KILLED, NULL);
}

static void
build_body(struct builder *b)
{
    u32 ops = 0;

    while (b->status == OK && validator_next(&b->v, &b->op)) {
        build_op(b);
        go_on(b, &ops);
        assert(b->status != OK || b->block == NO_BLOCK || b->label_count == 0 ||
               b->height == b->v.operand_count);
    }
    if (b->error->status != OK)
        ir_stop(b, b->error->status, NULL);
}

void
ir_keep_function(struct fn *fn, struct arena *temp, u64 mark)
{
#define BLOCK(array, count)                         \
    {                                               \
        &fn->array, fn->count * sizeof(*fn->array), \
    }
    struct arena_block blocks[] = {
        BLOCK(ins, ins_count),
        BLOCK(at, ins_count),
        BLOCK(blocks, block_count),
        BLOCK(edges, edge_count),
        BLOCK(next_pred, edge_count),
        BLOCK(pool, pool_count),
        BLOCK(calls, call_count),
        BLOCK(cases, case_count),
        BLOCK(loops, loop_count),
        BLOCK(consts, const_count),
        BLOCK(origins, origin_count),
        BLOCK(catches, catch_count),
        // What the parts of plain mode share, and is below the mark:
        BLOCK(tries, try_count),
        BLOCK(slot_types, slot_count),
        BLOCK(slot_at, slot_count),
    };
#undef BLOCK
    u32 shared = fn->part == FN_WHOLE ? 0 : 3;

    arena_keep(temp, mark, blocks, COUNT(blocks) - shared);
}

status_t
fn_build(struct fn *fn, const struct module *m, u32 index, u8 *leaves,
         struct arena *temp, struct error *error)
{
    const struct func *func = &m->funcs[index];
    u64 mark = arena_mark(temp);
    struct builder b = {
        .fn = fn,
        .m = m,
        .temp = temp,
        .error = error,
        .budget = (func->end - func->at) * BUDGET_PER_BYTE + BUDGET_MIN,
        .start = func->at,
        .block = NO_BLOCK,
        .leaves = leaves,
        .inline_room =
            MIN((u32)(func->end - func->at) / 2 + INLINE_MIN, (u32)INLINE_MAX),
    };

    *fn =
        (struct fn){.module = m, .index = index, .type = &m->types[func->type]};
    validator_init(&b.v, m, index, temp, error);
    if (error->status == OK)
        build_begin(&b);
    if (b.status == OK)
        build_body(&b);
    if (b.status == OK)
        ir_finish(&b);
    if (b.status == OK)
        ir_keep_function(fn, temp, mark);
    return b.status;
}
