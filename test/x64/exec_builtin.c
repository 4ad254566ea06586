// test/x64/exec_builtin.c: the kernel's builtins, in the simplest form that is
// right.

#include "test/x64/exec.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct exec *exec_current;

static bool
in_range(u64 at, u64 count, u64 size)
{
    return at <= size && count <= size - at;
}

static u64
memory_grow(struct vmctx *vm, u32 memory, u64 pages)
{
    struct exec_memory *m = &exec_current->memories[memory];
    u8 shift = exec_current->m.memories[memory].page_log2;
    u64 old = m->view.size >> shift;

    (void)vm;
    if (pages > (m->view.max >> shift) - old)
        return UINT64_MAX;
    u64 size = (old + pages) << shift;
    if (size > 0 &&
        mprotect(m->base, ALIGN_UP(size, 4096), PROT_READ | PROT_WRITE) != 0)
        return UINT64_MAX;
    m->view.size = size;
    return old;
}

static u32
memory_copy(struct vmctx *vm, u64 mems, u64 to, u64 from, u64 size)
{
    struct exec_memory *a = &exec_current->memories[(u32)mems];
    struct exec_memory *b = &exec_current->memories[mems >> 32];

    (void)vm;
    if (!in_range(to, size, a->view.size) ||
        !in_range(from, size, b->view.size))
        return 1;
    memmove(a->base + to, b->base + from, size);
    return 0;
}

static u32
memory_fill(struct vmctx *vm, u32 memory, u64 to, u32 byte, u64 size)
{
    struct exec_memory *m = &exec_current->memories[memory];

    (void)vm;
    if (!in_range(to, size, m->view.size))
        return 1;
    memset(m->base + to, (int)byte, size);
    return 0;
}

static u32
memory_init(struct vmctx *vm, u64 which, u64 to, u64 from, u64 size)
{
    struct exec_memory *m = &exec_current->memories[(u32)which];
    u32 segment = (u32)(which >> 32);
    const struct data_segment *d = &exec_current->m.datas[segment];
    u64 have = exec_current->dropped_datas[segment] ? 0 : d->size;

    (void)vm;
    if (!in_range(to, size, m->view.size) || !in_range(from, size, have))
        return 1;
    memcpy(m->base + to, exec_current->m.bytes + d->at + from, size);
    return 0;
}

static void
data_drop(struct vmctx *vm, u32 segment)
{
    (void)vm;
    exec_current->dropped_datas[segment] = true;
}

static u64
table_grow(struct vmctx *vm, u32 table, u64 reference, u64 count)
{
    struct exec_table *t = &exec_current->tables[table];
    const struct limits *limits = &exec_current->m.tables[table].type.limits;
    u64 old = t->view.count, max = MIN(limits->max, EXEC_TABLE_MAX);

    (void)vm;
    if (old > max || count > max - old)
        return UINT64_MAX;
    for (u64 i = 0; i < count; i++)
        t->view.base[old + i] = reference;
    t->view.count = old + count;
    return old;
}

static u32
table_fill(struct vmctx *vm, u32 table, u64 to, u64 reference, u64 count)
{
    struct exec_table *t = &exec_current->tables[table];

    (void)vm;
    if (!in_range(to, count, t->view.count))
        return 1;
    for (u64 i = 0; i < count; i++)
        t->view.base[to + i] = reference;
    return 0;
}

static u32
table_copy(struct vmctx *vm, u64 tabs, u64 to, u64 from, u64 count)
{
    struct exec_table *a = &exec_current->tables[(u32)tabs];
    struct exec_table *b = &exec_current->tables[tabs >> 32];

    (void)vm;
    if (!in_range(to, count, a->view.count) ||
        !in_range(from, count, b->view.count))
        return 1;
    for (u64 i = 0; i < count; i++) {
        u64 k = a == b && to > from ? count - 1 - i : i;
        a->view.base[to + k] = b->view.base[from + k];
    }
    return 0;
}

static union value
global_value(void *self, u32 index)
{
    struct exec *e = self;
    union value value;

    memcpy(&value, &vmctx_globals(&e->m.layout, e->vm)[index], sizeof(value));
    if (global_is_shared(&e->m, index))
        memcpy(&value, (void *)value.bits[0], sizeof(value));
    return value;
}

static u64
func_value(void *self, u32 index)
{
    struct exec *e = self;

    return e->vm->func_base + index;
}

static u32
table_init(struct vmctx *vm, u64 which, u64 to, u64 from, u64 count)
{
    struct exec *e = exec_current;
    struct exec_table *t = &e->tables[(u32)which];
    u32 segment = (u32)(which >> 32);
    const struct elem_segment *s = &e->m.elems[segment];
    const struct const_env env = {e, global_value, func_value, NULL};
    u64 have = e->dropped_elems[segment] ? 0 : s->count, at = s->at;

    (void)vm;
    if (!in_range(to, count, t->view.count) || !in_range(from, count, have))
        return 1;
    for (u64 i = 0; i < from + count; i++) {
        u64 reference = elem_next(&e->m, s, &at, &env);
        if (i >= from)
            t->view.base[to + i - from] = reference;
    }
    return 0;
}

static void
elem_drop(struct vmctx *vm, u32 segment)
{
    (void)vm;
    exec_current->dropped_elems[segment] = true;
}

static u64
func_entry(struct vmctx *vm, u64 reference, u32 expected)
{
    struct func_entry *entry = &vm->funcs[reference];

    if (reference > exec_current->m.func_count)
        exec_trap(TRAP_BAD_REFERENCE);
    if (!type_is_subtype(&exec_current->m, entry->sig - 1, expected - 1))
        exec_trap(TRAP_INDIRECT_TYPE);
    return (u64)entry;
}

static u64
func_test(struct vmctx *vm, u64 reference, u32 type)
{
    const struct func_entry *entry = &vm->funcs[reference];

    if (reference > exec_current->m.func_count)
        exec_trap(TRAP_BAD_REFERENCE);
    return entry->sig != 0 &&
           type_is_subtype(&exec_current->m, entry->sig - 1,
                           exec_current->m.types[type].canonical);
}

// Nobody else runs: a wait that would wait times out, and nobody is woken.
static u64
atomic_wait(u32 memory, u64 address, u64 expected, u32 size)
{
    struct exec_memory *m = &exec_current->memories[memory];
    u64 value = 0;

    if (address % size != 0)
        return ~(u64)TRAP_UNALIGNED_ATOMIC;
    if (!in_range(address, size, m->view.size))
        return ~(u64)TRAP_MEMORY_BOUNDS;
    if (!exec_current->m.memories[memory].shared)
        return ~(u64)TRAP_NOT_SHARED;
    memcpy(&value, m->base + address, size);
    return value == expected ? 2 : 1;
}

static u64
atomic_wait32(struct vmctx *vm, u32 memory, u64 address, u32 expected,
              u64 timeout)
{
    (void)vm;
    (void)timeout;
    return atomic_wait(memory, address, expected, 4);
}

static u64
atomic_wait64(struct vmctx *vm, u32 memory, u64 address, u64 expected,
              u64 timeout)
{
    (void)vm;
    (void)timeout;
    return atomic_wait(memory, address, expected, 8);
}

static u64
atomic_notify(struct vmctx *vm, u32 memory, u64 address, u32 count)
{
    struct exec_memory *m = &exec_current->memories[memory];

    (void)vm;
    (void)count;
    if (address % 4 != 0)
        return ~(u64)TRAP_UNALIGNED_ATOMIC;
    return in_range(address, 4, m->view.size) ? 0 : ~(u64)TRAP_MEMORY_BOUNDS;
}

static u64
unavailable(void)
{
    abort();
}

const u64 exec_builtins[BUILTIN_COUNT] = {
    [BUILTIN_MEMORY_GROW] = (u64)memory_grow,
    [BUILTIN_MEMORY_COPY] = (u64)memory_copy,
    [BUILTIN_MEMORY_FILL] = (u64)memory_fill,
    [BUILTIN_MEMORY_INIT] = (u64)memory_init,
    [BUILTIN_DATA_DROP] = (u64)data_drop,
    [BUILTIN_TABLE_GROW] = (u64)table_grow,
    [BUILTIN_TABLE_FILL] = (u64)table_fill,
    [BUILTIN_TABLE_COPY] = (u64)table_copy,
    [BUILTIN_TABLE_INIT] = (u64)table_init,
    [BUILTIN_ELEM_DROP] = (u64)elem_drop,
    [BUILTIN_FUNC_ENTRY] = (u64)func_entry,
    [BUILTIN_ATOMIC_WAIT32] = (u64)atomic_wait32,
    [BUILTIN_ATOMIC_WAIT64] = (u64)atomic_wait64,
    [BUILTIN_ATOMIC_NOTIFY] = (u64)atomic_notify,
    [BUILTIN_THROW] = (u64)unavailable,
    [BUILTIN_THROW_REF] = (u64)unavailable,
    [BUILTIN_FUNC_TEST] = (u64)func_test,
};
