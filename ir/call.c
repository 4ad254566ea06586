// ir/call.c: calls, and the instructions that the kernel does.

#include "ir/build.h"

#include "code/code.h"

static void
build_results(struct builder *b, val_t call, const struct type *type)
{
    const valtype_t *results = type->vals + type->param_count;

    if (type->result_count > 0)
        ir_push(b, call);
    for (u32 i = 1; i < type->result_count; i++)
        ir_push(b, ir_emit(b, IR_RESULT, ir_type_of(b->m, results[i]), 0, call,
                           i, 0));
}

static val_t
emit_call(struct builder *b, u32 type, struct call call)
{
    struct fn *fn = b->fn;
    u32 op = call.tail ? IR_TAIL_CALL : IR_CALL;

    if (!ir_room(b, &fn->calls, &b->call_capacity, fn->call_count, 1,
                 sizeof(struct call)))
        return 0;
    fn->calls[fn->call_count] = call;
    val_t v = ir_emit(b, op, type, 0, fn->call_count++, 0, 0);
    ir_epoch_end_all(b);
    return v;
}

// Call a function of a type with its arguments from the operand stack; before
// them, when `callee` is not 0, that value.
static void
call_type(struct builder *b, struct call call, val_t callee)
{
    const struct type *type = &b->m->types[call.type];
    u32 result = IR_VOID, count = type->param_count;

    call.count = count + (callee != 0);
    call.args = ir_pool_new(b, call.count);
    call.try = call.tail ? 0 : b->try;
    for (u32 i = 0; i < call.count && b->status == OK; i++) {
        val_t v = i == 0 && callee != 0 ?
                      callee :
                      ir_operand(b, b->height - call.count + i);
        b->fn->pool[call.args + i] = v;
    }
    ir_drop(b, count);
    if (call.tail) {
        emit_call(b, IR_VOID, call);
        ir_block_end(b);
        return;
    }
    if (type->result_count > 0)
        result = ir_type_of(b->m, type->vals[type->param_count]);
    build_results(b, emit_call(b, result, call), type);
}

static void
call_direct(struct builder *b, bool tail)
{
    u32 func = b->op.index;

    call_type(b,
              (struct call){.kind = CALL_FUNC,
                            .tail = tail,
                            .target = func,
                            .type = b->m->funcs[func].type},
              0);
}

void
build_call(struct builder *b)
{
    if (!ir_inline(b, b->op.index))
        call_direct(b, false);
}

void
build_return_call(struct builder *b)
{
    call_direct(b, true);
}

// The entry of a reference that is not null, of the type or a subtype of it.
// Each call loads the id anew: the verifier, which wants to see that, knows no
// more of a register that lives on in another block than that it is narrow.
static val_t
find_entry(struct builder *b, u32 type, val_t ref)
{
    val_t expected = ir_emit(b, IR_TYPE_ID, IR_I32, 0, type, 0, 0);
    val_t values[] = {ref, expected};

    if (code_errs(MISTAKE_ANY_REFERENCE))
        return ref;
    return ir_call_builtin(b, BUILTIN_FUNC_ENTRY, COUNT(values), values);
}

static void
call_entry(struct builder *b, u32 type, val_t entry, bool tail)
{
    call_type(b, (struct call){.kind = CALL_ENTRY, .tail = tail, .type = type},
              entry);
}

static void
check_not_null(struct builder *b, val_t ref, enum trap trap)
{
    build_check(b, ir_value(b, IR_I64_EQZ, IR_I32, 0, ref, 0, 0), trap);
}

static void
call_reference(struct builder *b, u32 type, val_t ref, bool tail)
{
    if (!b->m->types[type].final) {
        check_not_null(b, ref, TRAP_NULL_FUNCTION);
        call_entry(b, type, find_entry(b, type, ref), tail);
        return;
    }
    call_type(b, (struct call){.kind = CALL_REF, .tail = tail, .type = type},
              ref);
}

void
build_call_ref(struct builder *b)
{
    call_reference(b, b->op.index, ir_pop(b), false);
}

void
build_return_call_ref(struct builder *b)
{
    call_reference(b, b->op.index, ir_pop(b), true);
}

// As CALL_INDIRECT, for a type that may have subtypes.
static val_t
find_callee(struct builder *b, u32 type, u32 table, val_t index)
{
    u32 wide = b->m->tables[table].type.limits.is64;
    struct ins size_of = {
        .op = IR_TABLE_SIZE, .type = wide ? IR_I64 : IR_I32, .a = table};
    struct ins get = {
        .op = IR_TABLE_GET, .type = IR_I64, .a = index, .b = table};

    val_t size = ir_value_load(b, EPOCH_TABLE, size_of);
    build_check(b,
                ir_value(b, wide ? IR_I64_GE_U : IR_I32_GE_U, IR_I32, 0, index,
                         size, 0),
                TRAP_UNDEFINED_ELEMENT);
    val_t ref = ir_value_load(b, EPOCH_TABLE, get);
    check_not_null(b, ref, TRAP_UNINITIALIZED_ELEMENT);
    return find_entry(b, type, ref);
}

static void
call_table(struct builder *b, bool tail)
{
    u32 type = b->op.index, table = b->op.index2;
    val_t index = ir_pop(b);

    if (!b->m->types[type].final) {
        call_entry(b, type, find_callee(b, type, table, index), tail);
        return;
    }
    call_type(
        b,
        (struct call){
            .kind = CALL_INDIRECT, .tail = tail, .target = table, .type = type},
        index);
}

void
build_call_indirect(struct builder *b)
{
    call_table(b, false);
}

void
build_return_call_indirect(struct builder *b)
{
    call_table(b, true);
}

// --- the kernel  -----------------------------------------------------------

static const struct {
    const char *sig;
    u8 trap;
} builtins[] = {
#define BUILTIN(id, sig, trap, low, high) {sig, TRAP_##trap},
#include "abi/builtins.def"
};

void
build_check(struct builder *b, val_t v, enum trap trap)
{
    (void)ir_value(b, IR_CHECK, IR_VOID, trap, v, 0, 0);
}

val_t
ir_call_builtin(struct builder *b, enum builtin builtin, u32 count,
                const val_t *values)
{
    bool throws = builtin == BUILTIN_THROW || builtin == BUILTIN_THROW_REF;
    struct call call = {
        .kind = CALL_BUILTIN,
        .target = builtin,
        .type = NO_INDEX,
        .args = ir_pool_new(b, count),
        .count = count,
        .try = throws ? b->try : 0
    };

    assert(count <= BUILTIN_ARGS_MAX);
    if (b->status != OK)
        return 0;
    memcpy(&b->fn->pool[call.args], values, count * sizeof(val_t));
    val_t v = emit_call(b, ir_result_type(builtins[builtin].sig), call);
    if (builtins[builtin].trap != TRAP_NONE)
        build_check(b, v, builtins[builtin].trap);
    return v;
}

val_t
ir_pop_wide(struct builder *b)
{
    val_t v = ir_pop(b);

    return b->fn->ins[v].type == IR_I32 ?
               ir_value(b, IR_I64_EXTEND_I32_U, IR_I64, 0, v, 0, 0) :
               v;
}

static void
push_narrow(struct builder *b, val_t v, bool is64)
{
    ir_push(b, is64 ? v : ir_value(b, IR_I32_WRAP_I64, IR_I32, 0, v, 0, 0));
}

// Copy a range into object `to` (a memory or a table) from `from`, which may be
// a segment.
static void
build_copy(struct builder *b, enum builtin builtin, u64 to, u64 from)
{
    val_t size = ir_pop_wide(b), begin = ir_pop_wide(b), place = ir_pop_wide(b);
    val_t values[] = {ir_const_i64(b, to | from << 32), place, begin, size};

    ir_call_builtin(b, builtin, COUNT(values), values);
}

// Fill a range of a memory or a table with one value.
static void
build_fill(struct builder *b, enum builtin builtin,
           val_t (*pop_value)(struct builder *))
{
    val_t size = ir_pop_wide(b), value = pop_value(b), place = ir_pop_wide(b);
    val_t values[] = {ir_const_i32(b, b->op.index), place, value, size};

    ir_call_builtin(b, builtin, COUNT(values), values);
}

static void
build_drop(struct builder *b, enum builtin builtin)
{
    val_t segment = ir_const_i32(b, b->op.index);

    ir_call_builtin(b, builtin, 1, &segment);
}

void
build_memory_grow(struct builder *b)
{
    u32 memory = b->op.index;
    val_t pages = ir_pop_wide(b);
    val_t values[] = {ir_const_i32(b, memory), pages};

    push_narrow(b,
                ir_call_builtin(b, BUILTIN_MEMORY_GROW, COUNT(values), values),
                b->m->memories[memory].is64);
}

void
build_memory_copy(struct builder *b)
{
    build_copy(b, BUILTIN_MEMORY_COPY, b->op.index, b->op.index2);
}

void
build_memory_fill(struct builder *b)
{
    build_fill(b, BUILTIN_MEMORY_FILL, ir_pop);
}

void
build_memory_init(struct builder *b)
{
    build_copy(b, BUILTIN_MEMORY_INIT, b->op.index2, b->op.index);
}

void
build_data_drop(struct builder *b)
{
    build_drop(b, BUILTIN_DATA_DROP);
}

void
build_table_grow(struct builder *b)
{
    u32 table = b->op.index;
    val_t count = ir_pop_wide(b), ref = ir_pop_wide(b);
    val_t values[] = {ir_const_i32(b, table), ref, count};

    push_narrow(b,
                ir_call_builtin(b, BUILTIN_TABLE_GROW, COUNT(values), values),
                b->m->tables[table].type.limits.is64);
}

void
build_table_fill(struct builder *b)
{
    build_fill(b, BUILTIN_TABLE_FILL, ir_pop_wide);
}

void
build_table_copy(struct builder *b)
{
    build_copy(b, BUILTIN_TABLE_COPY, b->op.index, b->op.index2);
}

void
build_table_init(struct builder *b)
{
    build_copy(b, BUILTIN_TABLE_INIT, b->op.index2, b->op.index);
}

void
build_elem_drop(struct builder *b)
{
    build_drop(b, BUILTIN_ELEM_DROP);
}

// --- wait and notify  ------------------------------------------------------

// What wait and notify return: a number, or -1 - the trap.
static void
push_waited(struct builder *b, val_t v)
{
    static const u8 traps[] = {TRAP_MEMORY_BOUNDS, TRAP_UNALIGNED_ATOMIC,
                               TRAP_NOT_SHARED};

    for (u32 i = 0; i < COUNT(traps); i++)
        build_check(b,
                    ir_value(b, IR_I64_EQ, IR_I32, 0, v,
                             ir_const_i64(b, ~(u64)traps[i]), 0),
                    traps[i]);
    push_narrow(b, v, false);
}

// The operand and the offset as one address of 64 bits.
static val_t
pop_address(struct builder *b)
{
    val_t address = ir_pop_wide(b), offset = ir_const_i64(b, b->op.value);

    if (b->m->memories[b->op.memory].is64 && b->op.value != 0)
        return ir_value(b, IR_ADDRESS_ADD, IR_I64, 0, address, offset, 0);
    return ir_value(b, IR_I64_ADD, IR_I64, 0, address, offset, 0);
}

void
build_atomic_wait(struct builder *b)
{
    bool is64 = b->op.code == WASM_MEMORY_ATOMIC_WAIT64;
    val_t timeout = ir_pop(b), expected = ir_pop(b), address = pop_address(b);
    val_t values[] = {ir_const_i32(b, b->op.memory), address, expected,
                      timeout};

    push_waited(b, ir_call_builtin(
                       b, is64 ? BUILTIN_ATOMIC_WAIT64 : BUILTIN_ATOMIC_WAIT32,
                       COUNT(values), values));
}

void
build_atomic_notify(struct builder *b)
{
    val_t count = ir_pop(b), address = pop_address(b);
    val_t values[] = {ir_const_i32(b, b->op.memory), address, count};

    push_waited(
        b, ir_call_builtin(b, BUILTIN_ATOMIC_NOTIFY, COUNT(values), values));
}
