// test/ir/interp_instance.c: memories, tables and globals for the interpreter
// of the IR, and the kernel functions that work on them.

#include "test/ir/help.h"

#include <stdlib.h>
#include <string.h>

static bool
out_of_range(u64 at, u64 size, u64 limit)
{
    return at > limit || limit - at < size;
}

static u64
grow(u64 *size, u64 max, u64 more)
{
    u64 old = *size;

    if (more > max || old > max - more)
        return ~0ull;
    *size = old + more;
    return old;
}

static u64
host_ref(void *self, u32 func)
{
    (void)self;
    return func + 1;
}

static union value
host_global(void *self, u32 index)
{
    struct instance *in = self;
    union value v;

    memcpy(v.bits, in->globals[index].bits, sizeof(v.bits));
    return v;
}

static bool
copy_elems(struct instance *in, u32 segment, struct ref_table *t, u64 to,
           u64 from, u64 count)
{
    const struct elem_segment *e = &in->m.elems[segment];
    struct const_env env = {in, host_global, host_ref, NULL};
    u64 at = e->at, size = in->dropped_elem[segment] ? 0 : e->count;

    if (out_of_range(from, count, size) || out_of_range(to, count, t->count))
        return false;
    for (u64 i = 0; i < from + count; i++) {
        u64 ref = elem_next(&in->m, e, &at, &env);
        if (i >= from)
            t->refs[to + i - from] = ref;
    }
    return true;
}

static bool
copy_data(struct instance *in, u32 segment, struct memory *mem, u64 to,
          u64 from, u64 count)
{
    const struct data_segment *d = &in->m.datas[segment];
    u64 size = in->dropped_data[segment] ? 0 : d->size;

    if (out_of_range(from, count, size) || out_of_range(to, count, mem->size))
        return false;
    memcpy(mem->bytes + to, in->m.bytes + d->at + from, count);
    return true;
}

static u64
builtin_memory(struct instance *in, u32 builtin, const u64 *a)
{
    struct memory *mem = &in->memories[(u32)a[0]];
    struct memory *from = &in->memories[a[0] >> 32 & 0xff];

    switch (builtin) {
    case BUILTIN_MEMORY_GROW: {
        u32 log2 = in->m.memories[a[0]].page_log2;
        u64 pages = mem->size >> log2, old;
        old = grow(&pages, mem->max >> log2, a[1]);
        mem->size = pages << log2;
        return old;
    }
    case BUILTIN_MEMORY_FILL:
        if (out_of_range(a[1], a[3], mem->size))
            return 1;
        memset(mem->bytes + a[1], (u8)a[2], a[3]);
        return 0;
    case BUILTIN_MEMORY_COPY:
        if (out_of_range(a[1], a[3], mem->size) ||
            out_of_range(a[2], a[3], from->size))
            return 1;
        memmove(mem->bytes + a[1], from->bytes + a[2], a[3]);
        return 0;
    case BUILTIN_MEMORY_INIT:
        return !copy_data(in, (u32)(a[0] >> 32), mem, a[1], a[2], a[3]);
    default:
        in->dropped_data[a[0]] = true;
        return 0;
    }
}

static u64
builtin_table(struct instance *in, u32 builtin, const u64 *a)
{
    struct ref_table *t = &in->tables[(u32)a[0]], *from;

    switch (builtin) {
    case BUILTIN_TABLE_GROW: {
        u64 old = grow(&t->count, t->max, a[2]);
        for (u64 i = old; old != ~0ull && i < t->count; i++)
            t->refs[i] = a[1];
        return old;
    }
    case BUILTIN_TABLE_FILL:
        if (out_of_range(a[1], a[3], t->count))
            return 1;
        for (u64 i = 0; i < a[3]; i++)
            t->refs[a[1] + i] = a[2];
        return 0;
    case BUILTIN_TABLE_COPY:
        from = &in->tables[a[0] >> 32];
        if (out_of_range(a[1], a[3], t->count) ||
            out_of_range(a[2], a[3], from->count))
            return 1;
        memmove(t->refs + a[1], from->refs + a[2], a[3] * sizeof(u64));
        return 0;
    case BUILTIN_TABLE_INIT:
        return !copy_elems(in, (u32)(a[0] >> 32), t, a[1], a[2], a[3]);
    default:
        in->dropped_elem[a[0]] = true;
        return 0;
    }
}
bool
run_instance_builtin(struct instance *in, u32 builtin, const u64 *args, u64 *r)
{
    switch (builtin) {
    case BUILTIN_MEMORY_GROW:
    case BUILTIN_MEMORY_COPY:
    case BUILTIN_MEMORY_FILL:
    case BUILTIN_MEMORY_INIT:
    case BUILTIN_DATA_DROP:
        *r = builtin_memory(in, builtin, args);
        return true;
    case BUILTIN_TABLE_GROW:
    case BUILTIN_TABLE_FILL:
    case BUILTIN_TABLE_COPY:
    case BUILTIN_TABLE_INIT:
    case BUILTIN_ELEM_DROP:
        *r = builtin_table(in, builtin, args);
        return true;
    default:
        return false;
    }
}

// --- instances --------------------------------------------------------------

static const struct {
    const char *name;
    u64 bits;
} spectest_globals[] = {
    {"global_i32", 666               },
    {"global_i64", 666               },
    {"global_f32", 0x4426a666        },
    {"global_f64", 0x4084d4cccccccccd},
};

// Is there an import that we cannot give?
static bool
imports_known(struct instance *in)
{
    for (u32 i = 0; i < in->m.import_count; i++) {
        const struct import *import = &in->m.imports[i];
        bool known = string_equal(import->module, STRING("spectest"));
        if (import->kind == EXTERN_FUNC)
            known &= import->name.len >= 5 &&
                     memcmp(import->name.ptr, "print", 5) == 0;
        if (import->kind == EXTERN_TAG || !known)
            return false;
    }
    return true;
}

// Fresh pages are zero, and cost nothing until they are used.
static void *
zeroed(struct instance *in, u64 size)
{
    void *memory = arena_alloc(&in->fresh, size, 16);

    assert(memory != NULL);
    return memory;
}

static void
make_memories(struct instance *in)
{
    in->memories = ARENA_NEW(&in->keep, struct memory, in->m.memory_count);
    for (u32 i = 0; i < in->m.memory_count; i++) {
        const struct limits *l = &in->m.memories[i];
        bool import = i < in->m.memory_imports;
        u64 min = import ? 1 : l->min, max = import ? 2 : l->max;
        max = MIN(max, (u64)(900 * PAGE) >> l->page_log2);
        max = MAX(max, min);
        in->memories[i] =
            (struct memory){zeroed(in, max << l->page_log2),
                            min << l->page_log2, max << l->page_log2};
    }
}

static void
make_tables(struct instance *in)
{
    struct const_env env = {in, host_global, host_ref, NULL};

    in->tables = ARENA_NEW(&in->keep, struct ref_table, in->m.table_count);
    for (u32 i = 0; i < in->m.table_count; i++) {
        const struct table *t = &in->m.tables[i];
        bool import = i < in->m.table_imports;
        u64 min = import ? 10 : t->type.limits.min;
        u64 max = import ? 20 : MIN(t->type.limits.max, TABLE_MAX);
        u64 *refs = zeroed(in, MAX(min, max) * sizeof(u64));
        in->tables[i] = (struct ref_table){refs, min, MAX(min, max)};
        for (u64 k = 0; t->has_init && k < min; k++)
            refs[k] = const_eval(&in->m, t->init, &env).i64;
    }
}

static void
make_globals(struct instance *in)
{
    struct const_env env = {in, host_global, host_ref, NULL};
    u32 index = 0;

    in->globals = ARENA_NEW(&in->keep, struct cell, in->m.global_count);
    for (u32 i = 0; i < in->m.import_count; i++) {
        const struct import *import = &in->m.imports[i];
        for (u32 k = 0; k < COUNT(spectest_globals); k++)
            if (import->kind == EXTERN_GLOBAL &&
                string_equal(import->name, string_of(spectest_globals[k].name)))
                in->globals[index].bits[0] = spectest_globals[k].bits;
        index += import->kind == EXTERN_GLOBAL;
    }
    for (; index < in->m.global_count; index++) {
        union value v = const_eval(&in->m, in->m.globals[index].init, &env);
        u32 type = ir_type_of(&in->m, in->m.globals[index].type.type);
        bool narrow = type == IR_I32 || type == IR_F32;
        in->globals[index].bits[0] = narrow ? v.i32 : v.bits[0];
    }
}

static u64
offset_of(struct instance *in, struct const_expr expr, bool wide)
{
    struct const_env env = {in, host_global, host_ref, NULL};
    union value v = const_eval(&in->m, expr, &env);

    return wide ? v.i64 : v.i32;
}

static bool
run_segments(struct instance *in)
{
    const struct module *m = &in->m;

    in->dropped_data = ARENA_NEW(&in->keep, bool, m->data_count);
    in->dropped_elem = ARENA_NEW(&in->keep, bool, m->elem_count);
    for (u32 i = 0; i < m->elem_count; i++) {
        const struct elem_segment *e = &m->elems[i];
        if (e->mode == SEGMENT_ACTIVE &&
            !copy_elems(
                in, i, &in->tables[e->table],
                offset_of(in, e->offset, m->tables[e->table].type.limits.is64),
                0, e->count))
            return false;
        in->dropped_elem[i] = e->mode != SEGMENT_PASSIVE;
    }
    for (u32 i = 0; i < m->data_count; i++) {
        const struct data_segment *d = &m->datas[i];
        if (d->mode == SEGMENT_ACTIVE &&
            !copy_data(in, i, &in->memories[d->memory],
                       offset_of(in, d->offset, m->memories[d->memory].is64), 0,
                       d->size))
            return false;
        in->dropped_data[i] = d->mode != SEGMENT_PASSIVE;
    }
    return true;
}

struct result
instance_new(struct instance *in, struct bytes bytes, bool plain)
{
    struct error error = {0};
    struct cell cell = {
        {0, 0}
    };

    *in = (struct instance){.plain = plain,
                            .keep = arena_make(2 * GIB),
                            .fresh = arena_make(8 * GIB),
                            .temp = arena_make(256 * MIB)};
    if (module_decode(&in->m, bytes, &in->keep, &error) != OK ||
        !imports_known(in) || in->m.has_heap)
        return (struct result){UNSUPPORTED, TRAP_NONE};
    in->bodies = ARENA_NEW(&in->keep, struct body, in->m.func_count);
    in->leaves = ARENA_NEW(&in->keep, u8, in->m.func_count);
    make_globals(in);
    make_memories(in);
    make_tables(in);
    if (!run_segments(in))
        return (struct result){TRAPPED, TRAP_MEMORY_BOUNDS};
    if (in->m.start != NO_INDEX)
        return instance_call(in, in->m.start, &cell);
    return (struct result){RAN, TRAP_NONE};
}

void
instance_free(struct instance *in)
{
    for (u32 i = 1; i <= in->exception_count; i++)
        free(in->exceptions[i].payload);
    free(in->exceptions);
    arena_drop(&in->keep);
    arena_drop(&in->fresh);
    arena_drop(&in->temp);
}
