// runtime/object.c: structs and arrays: making them, and what the kernel does
// with parts of arrays (abi/builtins.def).
//
// Code may pass any number for any argument, and may have written anything to
// its heap.  Types are looked up by index in the module; a reference has to
// lead to where something was made, and what it says of its length has to end
// there.

#include "runtime/internal.h"

enum { PIECE = MIB }; // bytes between two looks at whether we were killed

// --- making ------------------------------------------------------------------

static struct heap *
heap_of(struct vmctx *vm)
{
    return vms_heap(vm->instance->store, vm->contexts);
}

// Of an index that was checked.
static const struct type *
type_at(const struct vmctx *vm, u32 type)
{
    const struct module *m = &vm->instance->code->module;

    return &m->types[index_masked(type, m->type_count)];
}

static u32
row_of(struct vmctx *vm, u32 type)
{
    const struct module *m = &vm->instance->code->module;

    return vmctx_heap_types(&m->layout, vm)[index_masked(type, m->type_count)];
}

static void
set_word(struct heap *h, u64 at, u32 word)
{
    *(u32 *)(h->base + at) = word;
}

// Code that asks has all of its references where the kernel finds them; what a
// constant expression has made so far nobody sees, so nothing is taken back
// while there is one.
static u32
take(struct vmctx *vm, u64 size, bool constant)
{
    struct heap_roots roots = {vm->instance->store, vm->contexts, true};

    return heap_take(heap_of(vm), size, constant ? NULL : &roots);
}

// References, 0 when there is no memory.
static u32
new_struct(struct vmctx *vm, u32 type, bool constant)
{
    struct heap *h = heap_of(vm);
    u32 at = take(vm, type_at(vm, type)->size, constant);

    if (at != 0)
        set_word(h, at, row_of(vm, type));
    return at;
}

static u32
new_array(struct vmctx *vm, u32 type, u32 length, bool constant)
{
    struct heap *h = heap_of(vm);
    const struct field *f = type_at(vm, type)->fields;
    u64 size = (u64)length * valtype_field_size(f->type);
    u32 at = take(vm, REF_TAG_ARRAY + f->at + size, constant);

    if (at == 0)
        return 0;
    set_word(h, at + REF_TAG_ARRAY, row_of(vm, type));
    set_word(h, at + REF_TAG_ARRAY + HEAP_LENGTH, length);
    return at + REF_TAG_ARRAY;
}

// --- arguments ---------------------------------------------------------------

// The type, NULL and a trap if there is no such one.
static const struct type *
find_type(struct vmctx *vm, u32 type, enum type_kind kind)
{
    const struct module *m = &vm->instance->code->module;
    const struct type *t = type_at(vm, type);

    if (m->has_heap && type < m->type_count && t->kind == kind)
        return t;
    thread_trap(TRAP_BAD_REFERENCE);
    return NULL;
}

static u8 *
refuse(enum trap trap)
{
    thread_trap(trap);
    return NULL;
}

// Has the heap so many bytes at `ref`?
static bool
is_made(const struct heap *h, u32 ref, u32 size)
{
    return ref >= HEAP_OBJECTS && ref + (u64)size <= h->end;
}

static bool
is_array(const struct heap *h, u32 ref)
{
    return h != NULL && ref % 8 == REF_TAG_ARRAY &&
           is_made(h, ref, HEAP_ELEMENTS);
}

static u32
length_of(const struct heap *h, u32 ref)
{
    return *(const u32 *)(h->base + index_masked(ref, h->end) + HEAP_LENGTH);
}

// `count` elements of an array from `at` on; NULL and a trap if it has not so
// many.
static u8 *
elements(struct heap *h, const struct field *f, u32 ref, u32 at, u32 count)
{
    u64 size = valtype_field_size(f->type);

    if (ref == 0)
        return refuse(TRAP_NULL_ARRAY);
    if (!is_array(h, ref))
        return refuse(TRAP_BAD_REFERENCE);
    if (at > length_of(h, ref) || count > length_of(h, ref) - at)
        return refuse(TRAP_ARRAY_BOUNDS);
    u64 first = ref + f->at + at * size;
    if (first + count * size > h->end)
        return count == 0 ? h->base : refuse(TRAP_BAD_REFERENCE);
    return h->base + index_masked(first, h->end + 1);
}

// --- arrays ------------------------------------------------------------------

static void
move(u8 *to, const u8 *from, u64 size)
{
    bool down = to > from;

    for (u64 done = 0; done < size && !thread_is_killed();) {
        u64 piece = MIN(size - done, PIECE);
        u64 at = down ? size - done - piece : done;
        memmove(to + at, from + at, piece);
        done += piece;
    }
}

// `count` times what is in HEAP_SCRATCH.
static void
fill(struct heap *h, u8 *to, u64 size, u64 count)
{
    u8 value[16];

    memcpy(value, h->base + HEAP_SCRATCH, sizeof(value));
    for (u64 k = 0; k < count; k++) {
        if (k % (PIECE / 16) == 0 && thread_is_killed())
            return;
        memcpy(to + k * size, value, size);
    }
}

// Elements of an array of the type are about to be written.
static void
overwrite(struct vmctx *vm, const struct type *t, const u8 *at, u64 count)
{
    if (valtype_is_in_heap(&vm->instance->code->module, t->fields->type))
        heap_overwrite(heap_of(vm), at, count,
                       valtype_field_size(t->fields->type));
}

void
builtin_HEAP_OVERWRITE(struct vmctx *vm, u32 old)
{
    struct heap *h = heap_of(vm);

    if (h != NULL)
        heap_overwrite(h, &old, 1, sizeof(old));
}

u64
builtin_STRUCT_NEW(struct vmctx *vm, u32 type)
{
    if (find_type(vm, type, TYPE_STRUCT) == NULL)
        return 0;
    u32 ref = new_struct(vm, type, false);
    if (ref == 0)
        thread_trap(TRAP_NO_MEMORY);
    return ref;
}

u64
builtin_ARRAY_NEW(struct vmctx *vm, u32 type, u32 length)
{
    if (find_type(vm, type, TYPE_ARRAY) == NULL)
        return 0;
    u32 ref = new_array(vm, type, length, false);
    if (ref == 0)
        thread_trap(TRAP_NO_MEMORY);
    return ref;
}

void
builtin_ARRAY_FILL(struct vmctx *vm, u32 type, u32 ref, u32 at, u32 count)
{
    const struct type *t = find_type(vm, type, TYPE_ARRAY);
    u8 *to =
        t != NULL ? elements(heap_of(vm), t->fields, ref, at, count) : NULL;

    if (to == NULL)
        return;
    overwrite(vm, t, to, count);
    fill(heap_of(vm), to, valtype_field_size(t->fields->type), count);
}

u64
builtin_ARRAY_NEW_FILL(struct vmctx *vm, u32 type, u32 length)
{
    u32 ref = (u32)builtin_ARRAY_NEW(vm, type, length);

    if (ref != 0)
        builtin_ARRAY_FILL(vm, type, ref, 0, length);
    return ref;
}

u64
builtin_ARRAY_LEN(struct vmctx *vm, u32 ref)
{
    struct heap *h = heap_of(vm);

    if (ref == 0)
        thread_trap(TRAP_NULL_ARRAY);
    else if (!is_array(h, ref))
        thread_trap(TRAP_BAD_REFERENCE);
    else
        return length_of(h, ref);
    return 0;
}

void
builtin_ARRAY_COPY(struct vmctx *vm, u64 types, u64 refs, u32 to_at,
                   u32 from_at, u32 count)
{
    const struct type *to_type = find_type(vm, pair_low(types), TYPE_ARRAY);
    const struct type *from_type = find_type(vm, pair_high(types), TYPE_ARRAY);
    u8 *to = NULL, *from = NULL;

    if (to_type == NULL || from_type == NULL)
        return;
    u64 size = valtype_field_size(to_type->fields->type);
    to = elements(heap_of(vm), to_type->fields, pair_low(refs), to_at, count);
    if (to != NULL)
        from = elements(heap_of(vm), from_type->fields, pair_high(refs),
                        from_at, count);
    if (from == NULL)
        return;
    if (size != valtype_field_size(from_type->fields->type)) {
        thread_trap(TRAP_BAD_REFERENCE);
        return;
    }
    overwrite(vm, to_type, to, count);
    move(to, from, count * size);
}

// --- segments ----------------------------------------------------------------

// Copy from a data segment; where `to` is NULL, only look whether it is there.
static bool
copy_data(struct instance *i, u32 segment, u8 *to, u64 from, u64 size)
{
    u64 have = 0;
    const u8 *data = segment_data(i, segment, &have);

    if (from > have || size > have - from) {
        thread_trap(TRAP_MEMORY_BOUNDS);
        return false;
    }
    if (to != NULL)
        move(to, data + index_masked(from, have + 1), size);
    return true;
}

static bool
copy_elems(struct instance *i, u32 segment, u8 *to, u64 size, u64 from,
           u64 count)
{
    u64 have = 0;
    const u64 *items = segment_items(i, segment, &have);

    if (from > have || count > have - from) {
        thread_trap(TRAP_TABLE_BOUNDS);
        return false;
    }
    items += index_masked(from, have + 1);
    for (u64 k = 0; k < count && to != NULL; k++) {
        if (k % (PIECE / 16) == 0 && thread_is_killed())
            break;
        memcpy(to + k * size, items + k, size);
    }
    return true;
}

static bool
copy_segment(struct vmctx *vm, bool elems, u64 pair, u8 *to, u32 from,
             u32 count)
{
    u32 size = valtype_field_size(type_at(vm, pair_low(pair))->fields->type);

    if (elems)
        return copy_elems(vm->instance, pair_high(pair), to, MIN(size, 8u),
                          from, count);
    return copy_data(vm->instance, pair_high(pair), to, from,
                     (u64)count * size);
}

static void
init_segment(struct vmctx *vm, bool elems, u64 pair, u32 ref, u32 at, u32 from,
             u32 count)
{
    const struct type *t = find_type(vm, pair_low(pair), TYPE_ARRAY);
    u8 *to =
        t != NULL ? elements(heap_of(vm), t->fields, ref, at, count) : NULL;

    if (to == NULL)
        return;
    overwrite(vm, t, to, count);
    (void)copy_segment(vm, elems, pair, to, from, count);
}

static u32
new_segment(struct vmctx *vm, bool elems, u64 pair, u32 from, u32 count)
{
    if (find_type(vm, pair_low(pair), TYPE_ARRAY) == NULL ||
        !copy_segment(vm, elems, pair, NULL, from, count))
        return 0;
    u32 ref = (u32)builtin_ARRAY_NEW(vm, pair_low(pair), count);
    if (ref != 0)
        init_segment(vm, elems, pair, ref, 0, from, count);
    return ref;
}

u64
builtin_ARRAY_NEW_DATA(struct vmctx *vm, u64 pair, u32 from, u32 count)
{
    return new_segment(vm, false, pair, from, count);
}

u64
builtin_ARRAY_NEW_ELEM(struct vmctx *vm, u64 pair, u32 from, u32 count)
{
    return new_segment(vm, true, pair, from, count);
}

void
builtin_ARRAY_INIT_DATA(struct vmctx *vm, u64 pair, u32 ref, u32 at, u32 from,
                        u32 count)
{
    init_segment(vm, false, pair, ref, at, from, count);
}

void
builtin_ARRAY_INIT_ELEM(struct vmctx *vm, u64 pair, u32 ref, u32 at, u32 from,
                        u32 count)
{
    init_segment(vm, true, pair, ref, at, from, count);
}

// --- casts -------------------------------------------------------------------

u64
builtin_HEAP_TEST(struct vmctx *vm, u32 ref, u32 type)
{
    const struct module *m = &vm->instance->code->module;
    const struct heap *h = heap_of(vm);

    if (!m->has_heap || type >= m->type_count || ref % 4 != 0 ||
        (ref != HEAP_NOTHING && !is_made(h, ref, 4))) {
        thread_trap(TRAP_BAD_REFERENCE);
        return 0;
    }
    u32 super = row_of(vm, type);
    u32 row = *(const u32 *)(h->base + index_masked(ref, h->end)) - HEAP_ROWS;
    u32 count = h->row_count + 1;
    if (super == 0 || row % HEAP_ROW_SIZE != 0 || row / HEAP_ROW_SIZE >= count)
        return 0;
    return heap_types_match(&vm->instance->store->heap_types,
                            (u32)index_masked(row / HEAP_ROW_SIZE, count),
                            (super - HEAP_ROWS) / HEAP_ROW_SIZE);
}

u64
builtin_FUNC_TEST(struct vmctx *vm, u64 ref, u32 type)
{
    struct store *s = vm->instance->store;
    const struct compiled *c = vm->instance->code;

    if (ref >= s->func_count || type >= c->module.type_count) {
        thread_trap(TRAP_BAD_REFERENCE);
        return 0;
    }
    u32 sig = s->funcs[index_masked(ref, s->func_count)].sig;
    return sig != 0 &&
           types_is_subtype(sig,
                            c->ids[index_masked(type, c->module.type_count)]);
}

// --- constant expressions ----------------------------------------------------

static void
set_field(struct heap *h, u32 ref, const struct field *f, u64 index,
          const union value *value)
{
    u32 size = valtype_field_size(f->type);

    memcpy(h->base + ref + f->at + index * size, value->v128, size);
}

u64
object_const(struct vmctx *vm, const struct op *op, const union value *values)
{
    const struct type *t = &vm->instance->code->module.types[op->index];
    struct heap *h = heap_of(vm);
    u32 ref = 0;

    switch (op->code) {
    case WASM_STRUCT_NEW:
    case WASM_STRUCT_NEW_DEFAULT:
        ref = new_struct(vm, op->index, true);
        for (u32 k = 0; k < t->field_count && ref != 0; k++)
            if (op->code == WASM_STRUCT_NEW)
                set_field(h, ref, &t->fields[k], 0, &values[k]);
        break;
    case WASM_ARRAY_NEW_FIXED:
        ref = new_array(vm, op->index, op->index2, true);
        for (u32 k = 0; k < op->index2 && ref != 0; k++)
            set_field(h, ref, t->fields, k, &values[k]);
        break;
    case WASM_ARRAY_NEW_DEFAULT:
        ref = new_array(vm, op->index, values[0].i32, true);
        break;
    case WASM_ARRAY_NEW:
        ref = new_array(vm, op->index, values[1].i32, true);
        for (u32 k = 0; k < values[1].i32 && ref != 0; k++) {
            if (k % (PIECE / 16) == 0 && thread_is_killed())
                break;
            set_field(h, ref, t->fields, k, &values[0]);
        }
    }
    return ref;
}
