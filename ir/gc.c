// ir/gc.c: structs, arrays, i31 and casts.
//
// A reference is an offset in the heap of the thread, see struct vmctx_heap.
// An access of an object is a load or store like that of a memory, and so are
// the two loads of a cast.  Small structs are made where the heap says that
// there is room (HEAP_ROOM in abi/abi.h); the kernel makes all other objects,
// and moves parts of arrays.

#include "ir/build.h"

// --- access  ---------------------------------------------------------------

static u32
load_op(const struct module *m, valtype_t t, bool is_signed)
{
    if (valtype_is_ref(t) && !valtype_is_narrow(m, t))
        return valtype_field_size(t) == 8 ? IR_I64_LOAD : IR_I64_LOAD32_U;
    switch (t) {
    case VAL_I8:
        return is_signed ? IR_I32_LOAD8_S : IR_I32_LOAD8_U;
    case VAL_I16:
        return is_signed ? IR_I32_LOAD16_S : IR_I32_LOAD16_U;
    case VAL_I64:
        return IR_I64_LOAD;
    case VAL_F32:
        return IR_F32_LOAD;
    case VAL_F64:
        return IR_F64_LOAD;
    case VAL_V128:
        return IR_V128_LOAD;
    }
    return IR_I32_LOAD;
}

static u32
store_op(const struct module *m, valtype_t t)
{
    if (valtype_is_ref(t) && !valtype_is_narrow(m, t))
        return valtype_field_size(t) == 8 ? IR_I64_STORE : IR_I64_STORE32;
    switch (t) {
    case VAL_I8:
        return IR_I32_STORE8;
    case VAL_I16:
        return IR_I32_STORE16;
    case VAL_I64:
        return IR_I64_STORE;
    case VAL_F32:
        return IR_F32_STORE;
    case VAL_F64:
        return IR_F64_STORE;
    case VAL_V128:
        return IR_V128_STORE;
    }
    return IR_I32_STORE;
}

static val_t
load_word(struct builder *b, u8 memory, val_t at, u32 offset)
{
    struct ins ins = {
        .op = IR_I32_LOAD, .type = IR_I32, .aux = memory, .a = at, .c = offset};

    return ir_memory_load(b, ins, 4);
}

// What is at `at` + offset, of a field of the type.
static val_t
load_field(struct builder *b, u8 memory, val_t at, u32 offset, valtype_t t)
{
    bool is_signed =
        b->op.code == WASM_STRUCT_GET_S || b->op.code == WASM_ARRAY_GET_S;
    bool packed = t == VAL_I8 || t == VAL_I16;
    struct ins ins = {.op = (u16)load_op(b->m, t, is_signed),
                      .type = packed ? IR_I32 : (u8)ir_type_of(b->m, t),
                      .aux = memory,
                      .a = at,
                      .c = offset};

    return ir_memory_load(b, ins, valtype_field_size(t));
}

static void
store_field(struct builder *b, u8 memory, val_t at, u32 offset, valtype_t t,
            val_t v)
{
    struct ins ins = {.op = (u16)store_op(b->m, t),
                      .type = IR_VOID,
                      .aux = memory,
                      .a = at,
                      .b = v,
                      .c = offset};

    ir_emit(b, ins.op, ins.type, ins.aux, ins.a, ins.b, ins.c);
    ir_memory_store(b, &ins, valtype_field_size(t));
}

static void
store_word(struct builder *b, val_t at, val_t v)
{
    store_field(b, MEMORY_STRUCTS, at, 0, VAL_I32, v);
}

static val_t
i32_op(struct builder *b, u32 op, val_t x, u32 number)
{
    return ir_value(b, op, IR_I32, 0, x, ir_const_i32(b, number), 0);
}

static val_t
i32_both(struct builder *b, u32 op, val_t x, val_t y)
{
    return ir_value(b, op, IR_I32, 0, x, y, 0);
}

// A reference, or another i32.  What C leaves above 32 bits may be anything.
static val_t
call_kernel(struct builder *b, enum builtin builtin, u32 count,
            const val_t *values)
{
    val_t v = ir_call_builtin(b, builtin, count, values);

    return ir_value(b, IR_I32_WRAP_I64, IR_I32, 0, v, 0, 0);
}

// --- structs  --------------------------------------------------------------

static const struct type *
type_at_hand(const struct builder *b)
{
    return &b->m->types[b->op.index];
}

static val_t
make_struct(struct builder *b, u32 type)
{
    val_t value = ir_const_i32(b, type);

    return call_kernel(b, BUILTIN_STRUCT_NEW, 1, &value);
}

// The next bytes of the heap, or the kernel makes it where none are left.
static val_t
make_struct_inline(struct builder *b, u32 type)
{
    u32 size = (u32)ALIGN_UP(b->m->types[type].size, REF_TAG_MASK + 1);
    struct op op = b->op;
    val_t words = ir_const_i32(b, HEAP_ROOM);
    val_t next = load_word(b, MEMORY_STRUCTS, words, 0);
    val_t after = i32_op(b, IR_I32_ADD, next, size);
    val_t end = load_word(b, MEMORY_STRUCTS, words, HEAP_ROOM_END - HEAP_ROOM);

    ir_push(b, i32_both(b, IR_I32_GT_U, after, end));
    b->op.block = (struct block_type){NO_INDEX, VAL_I32};
    build_if(b);
    if (b->status == OK)
        b->fn->blocks[b->block].cold = true;
    ir_push(b, make_struct(b, type));
    build_else(b);
    store_word(b, words, after);
    store_word(b, next, ir_value(b, IR_HEAP_TYPE, IR_I32, 0, type, 0, 0));
    ir_push(b, next);
    build_end(b);
    b->op = op;
    return ir_pop(b);
}

void
build_struct_new(struct builder *b)
{
    const struct type *t = type_at_hand(b);
    u32 count = b->op.code == WASM_STRUCT_NEW ? t->field_count : 0;
    u32 list = ir_operands(b, count);

    ir_drop(b, count);
    val_t ref = b->plain || t->size > HEAP_INLINE ?
                    make_struct(b, b->op.index) :
                    make_struct_inline(b, b->op.index);
    for (u32 i = 0; i < count && b->status == OK; i++)
        store_field(b, MEMORY_STRUCTS, ref, t->fields[i].at, t->fields[i].type,
                    b->fn->pool[list + i]);
    ir_push(b, ref);
}

void
build_struct_get(struct builder *b)
{
    const struct field *f = &type_at_hand(b)->fields[b->op.index2];
    val_t ref = ir_pop(b);

    ir_push(b, load_field(b, MEMORY_STRUCTS, ref, f->at, f->type));
}

// Before a field of an object is written that refers to another: a collection
// under way has to see what it referred to.  Between these two is what is done
// then, with the operands where they were: call_overwrite().
static struct memory_state
begin_overwrite(struct builder *b)
{
    struct memory_state before = b->memory;

    ir_push(b, load_word(b, MEMORY_STRUCTS, ir_const_i32(b, HEAP_MARKING), 0));
    b->op.block = (struct block_type){NO_INDEX, VAL_NONE};
    build_if(b);
    if (b->status == OK)
        b->fn->blocks[b->block].cold = true;
    return before;
}

static void
call_overwrite(struct builder *b, u8 memory, val_t at, u32 offset)
{
    val_t old = load_word(b, memory, at, offset);

    ir_call_builtin(b, BUILTIN_HEAP_OVERWRITE, 1, &old);
}

// Nothing that code reads was changed by that.
static void
end_overwrite(struct builder *b, struct memory_state before)
{
    build_end(b);
    b->memory = before;
}

void
build_struct_set(struct builder *b)
{
    const struct field *f = &type_at_hand(b)->fields[b->op.index2];

    if (valtype_is_in_heap(b->m, f->type)) {
        struct memory_state before = begin_overwrite(b);
        call_overwrite(b, MEMORY_STRUCTS, ir_operand(b, b->height - 2), f->at);
        end_overwrite(b, before);
    }
    val_t v = ir_pop(b), ref = ir_pop(b);
    store_field(b, MEMORY_STRUCTS, ref, f->at, f->type, v);
}

// --- arrays  ---------------------------------------------------------------

static val_t
load_length(struct builder *b, val_t ref)
{
    return load_word(b, MEMORY_ARRAYS, ref, HEAP_LENGTH);
}

// Where the element is, without the offset of the first: the sum may wrap.  For
// the collector it is no reference; but behind a call the check needs the
// length again, and so the reference.
static val_t
element_at(struct builder *b, val_t ref, val_t index, const struct field *f)
{
    u32 log2 = (u32)__builtin_ctz(valtype_field_size(f->type));

    build_check(b, i32_both(b, IR_I32_GE_U, index, load_length(b, ref)),
                TRAP_ARRAY_BOUNDS);
    if (log2 > 0)
        index = i32_op(b, IR_I32_SHL, index, log2);
    return i32_both(b, IR_I32_ADD, ref, index);
}

void
build_array_get(struct builder *b)
{
    const struct field *f = type_at_hand(b)->fields;
    val_t index = ir_pop(b), ref = ir_pop(b);
    val_t at = element_at(b, ref, index, f);

    ir_push(b, load_field(b, MEMORY_ARRAYS, at, f->at, f->type));
}

void
build_array_set(struct builder *b)
{
    const struct field *f = type_at_hand(b)->fields;

    if (valtype_is_in_heap(b->m, f->type)) {
        struct memory_state before = begin_overwrite(b);
        val_t index = ir_operand(b, b->height - 2);
        val_t at = element_at(b, ir_operand(b, b->height - 3), index, f);
        call_overwrite(b, MEMORY_ARRAYS, at, f->at);
        end_overwrite(b, before);
    }
    val_t v = ir_pop(b), index = ir_pop(b), ref = ir_pop(b);
    val_t at = element_at(b, ref, index, f);
    store_field(b, MEMORY_ARRAYS, at, f->at, f->type, v);
}

void
build_array_len(struct builder *b)
{
    val_t ref = ir_pop(b);

    ir_push(b, b->m->has_heap ? load_length(b, ref) :
                                call_kernel(b, BUILTIN_ARRAY_LEN, 1, &ref));
}

// The kernel finds the value there.
static void
store_scratch(struct builder *b, val_t v)
{
    store_field(b, MEMORY_ARRAYS, ir_const_i32(b, HEAP_SCRATCH), 0,
                type_at_hand(b)->fields->type, v);
}

void
build_array_new(struct builder *b)
{
    bool fill = b->op.code == WASM_ARRAY_NEW;
    val_t values[2] = {ir_const_i32(b, b->op.index), ir_pop(b)};

    if (fill)
        store_scratch(b, ir_pop(b));
    ir_push(b, call_kernel(b, fill ? BUILTIN_ARRAY_NEW_FILL : BUILTIN_ARRAY_NEW,
                           2, values));
}

void
build_array_new_fixed(struct builder *b)
{
    const struct field *f = type_at_hand(b)->fields;
    u32 count = b->op.index2, list = ir_operands(b, count);
    u32 size = valtype_field_size(f->type);
    val_t values[2] = {ir_const_i32(b, b->op.index), ir_const_i32(b, count)};

    ir_drop(b, count);
    val_t ref = call_kernel(b, BUILTIN_ARRAY_NEW, 2, values);
    for (u32 i = 0; i < count && b->status == OK; i++)
        store_field(b, MEMORY_ARRAYS, ref, f->at + i * size, f->type,
                    b->fn->pool[list + i]);
    ir_push(b, ref);
}

static val_t
type_and_segment(struct builder *b)
{
    return ir_const_i64(b, b->op.index | (u64)b->op.index2 << 32);
}

void
build_array_new_segment(struct builder *b)
{
    bool elem = b->op.code == WASM_ARRAY_NEW_ELEM;
    val_t count = ir_pop(b), from = ir_pop(b);
    val_t values[] = {type_and_segment(b), from, count};

    ir_push(b, call_kernel(
                   b, elem ? BUILTIN_ARRAY_NEW_ELEM : BUILTIN_ARRAY_NEW_DATA,
                   COUNT(values), values));
}

void
build_array_init_segment(struct builder *b)
{
    bool elem = b->op.code == WASM_ARRAY_INIT_ELEM;
    val_t count = ir_pop(b), from = ir_pop(b), at = ir_pop(b), ref = ir_pop(b);
    val_t values[] = {type_and_segment(b), ref, at, from, count};

    ir_call_builtin(b, elem ? BUILTIN_ARRAY_INIT_ELEM : BUILTIN_ARRAY_INIT_DATA,
                    COUNT(values), values);
}

void
build_array_fill(struct builder *b)
{
    val_t count = ir_pop(b);

    store_scratch(b, ir_pop(b));
    val_t at = ir_pop(b), ref = ir_pop(b);
    val_t values[] = {ir_const_i32(b, b->op.index), ref, at, count};
    ir_call_builtin(b, BUILTIN_ARRAY_FILL, COUNT(values), values);
}

void
build_array_copy(struct builder *b)
{
    val_t count = ir_pop(b), from_at = ir_pop(b), from = ir_pop_wide(b),
          to_at = ir_pop(b), to = ir_pop_wide(b);
    val_t high =
        ir_value(b, IR_I64_SHL, IR_I64, 0, from, ir_const_i64(b, 32), 0);
    val_t values[] = {type_and_segment(b),
                      ir_value(b, IR_I64_OR, IR_I64, 0, to, high, 0), to_at,
                      from_at, count};

    ir_call_builtin(b, BUILTIN_ARRAY_COPY, COUNT(values), values);
}

// --- i31 and conversions  --------------------------------------------------

void
build_ref_i31(struct builder *b)
{
    val_t v = i32_op(b, IR_I32_SHL, ir_pop(b), 1);

    ir_push(b, i32_op(b, IR_I32_OR, v, REF_TAG_I31));
}

void
build_i31_get(struct builder *b)
{
    u32 op = b->op.code == WASM_I31_GET_S ? IR_I32_SHR_S : IR_I32_SHR_U;
    val_t ref = ir_pop(b);

    build_check(b, ir_is_null(b, ref), TRAP_NULL_I31);
    ir_push(b, i32_op(b, op, ref, 1));
}

void
build_any_convert_extern(struct builder *b)
{
    ir_push(b, ir_value(b, IR_I32_WRAP_I64, IR_I32, 0, ir_pop(b), 0, 0));
}

void
build_extern_convert_any(struct builder *b)
{
    ir_push(b, ir_pop_wide(b));
}

// --- casts  ----------------------------------------------------------------

static val_t
not_null(struct builder *b, val_t ref)
{
    return ir_value(b, IR_I32_EQZ, IR_I32, 0, ir_is_null(b, ref), 0, 0);
}

static val_t
is_struct(struct builder *b, val_t ref)
{
    val_t tag = i32_op(b, IR_I32_AND, ref, REF_TAG_MASK);

    return i32_both(b, IR_I32_AND, i32_op(b, IR_I32_EQ, tag, REF_TAG_STRUCT),
                    not_null(b, ref));
}

static val_t
is_array(struct builder *b, val_t ref)
{
    val_t tag = i32_op(b, IR_I32_AND, ref, REF_TAG_MASK);

    return i32_op(b, IR_I32_EQ, tag, REF_TAG_ARRAY);
}

// Null is none of these.
static val_t
test_abstract(struct builder *b, u32 heap, val_t ref)
{
    switch (heap) {
    case HEAP_ANY:
    case HEAP_FUNC:
    case HEAP_EXTERN:
    case HEAP_EXN:
        return not_null(b, ref);
    case HEAP_EQ:
        return i32_both(
            b, IR_I32_AND, not_null(b, ref),
            i32_op(b, IR_I32_NE, i32_op(b, IR_I32_AND, ref, 3), REF_TAG_HOST));
    case HEAP_I31:
        return i32_op(b, IR_I32_AND, ref, REF_TAG_I31);
    case HEAP_STRUCT:
        return is_struct(b, ref);
    case HEAP_ARRAY:
        return is_array(b, ref);
    }
    return ir_const_i32(b, 0);
}

// A struct or an array of a type: the row of an object's type has those of its
// supertypes.  What is none looks like HEAP_NOTHING, which has no supertypes.
static val_t
test_object(struct builder *b, u32 type, val_t ref)
{
    const struct type *t = &b->m->types[type];
    bool array = t->kind == TYPE_ARRAY;
    val_t is_object = array ? is_array(b, ref) : is_struct(b, ref);
    val_t at = ir_value(b, IR_SELECT, IR_I32, 0, ref,
                        ir_const_i32(b, HEAP_NOTHING), is_object);

    if (t->depth >= HEAP_ROW_WORDS) {
        val_t values[] = {at, ir_const_i32(b, type)};
        return call_kernel(b, BUILTIN_HEAP_TEST, COUNT(values), values);
    }
    u8 memory = array ? MEMORY_ARRAYS : MEMORY_STRUCTS;
    val_t row = load_word(b, memory, at, 0);
    if (!t->final)
        row = load_word(b, MEMORY_STRUCTS, row, 4 * t->depth);
    return i32_both(b, IR_I32_EQ, row,
                    ir_value(b, IR_HEAP_TYPE, IR_I32, 0, type, 0, 0));
}

// Is the reference of the type, which may be nullable?
static val_t
test_reference(struct builder *b, valtype_t type, bool null, val_t ref)
{
    u32 heap = valtype_heap(type);
    val_t is_one;

    if (heap >= HEAP_FUNC) {
        is_one = test_abstract(b, heap, ref);
    } else if (b->m->types[heap].kind == TYPE_FUNC) {
        val_t values[] = {ref, ir_const_i32(b, heap)};
        is_one = call_kernel(b, BUILTIN_FUNC_TEST, COUNT(values), values);
    } else {
        is_one = test_object(b, heap, ref);
    }
    return null ? i32_both(b, IR_I32_OR, is_one, ir_is_null(b, ref)) : is_one;
}

void
build_ref_test(struct builder *b)
{
    bool null = b->op.code == WASM_REF_TEST_NULL;

    ir_push(b, test_reference(b, b->op.type, null, ir_pop(b)));
}

void
build_ref_cast(struct builder *b)
{
    bool null = b->op.code == WASM_REF_CAST_NULL;
    val_t ref = ir_pop(b);
    val_t is_one = test_reference(b, b->op.type, null, ref);

    build_check(b, ir_value(b, IR_I32_EQZ, IR_I32, 0, is_one, 0, 0),
                TRAP_CAST_FAILURE);
    ir_push(b, ref);
}

void
build_br_on_cast(struct builder *b)
{
    bool on_fail = b->op.code == WASM_BR_ON_CAST_FAIL;
    val_t ref = ir_operand(b, b->height - 1);
    val_t is_one =
        test_reference(b, b->op.type2, valtype_is_nullable(b->op.type2), ref);

    ir_branch_to(b, ir_label_at(b, b->op.index), is_one, on_fail);
}

void
build_ref_eq(struct builder *b)
{
    val_t y = ir_pop(b), x = ir_pop(b);

    ir_push(b, i32_both(b, IR_I32_EQ, x, y));
}
