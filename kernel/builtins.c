// kernel/builtins.c: what generated code calls by itself (abi/builtins.def).
//
// They run on the thread's own stack and may be preempted anywhere.

#include "kernel/kernel.h"

static u32
low(u64 pair)
{
    return (u32)pair;
}

static u32
high(u64 pair)
{
    return (u32)(pair >> 32);
}

// Bytes [at, at + size) of a memory, ready for C to touch; NULL when they are
// not all inside.
static u8 *
span(struct memory *m, u64 at, u64 size)
{
    if (!memory_contains(m, at, size))
        return NULL;
    if (!memory_touch(m, at, size))
        thread_leave(LEAVE_TRAP, TRAP_NO_MEMORY);
    return m->base + at;
}

// --- memories ----------------------------------------------------------------

static u64
builtin_MEMORY_GROW(struct vmctx *vm, u32 memory, u64 pages)
{
    return memory_grow(vm->instance->memories[memory], pages);
}

static u32
builtin_MEMORY_COPY(struct vmctx *vm, u64 memories, u64 to, u64 from, u64 size)
{
    struct memory *target = vm->instance->memories[low(memories)];
    struct memory *source = vm->instance->memories[high(memories)];

    if (!memory_contains(target, to, size) ||
        !memory_contains(source, from, size))
        return TRAP_MEMORY_BOUNDS;
    const u8 *bytes = span(source, from, size);
    memmove(span(target, to, size), bytes, size);
    return TRAP_NONE;
}

static u32
builtin_MEMORY_FILL(struct vmctx *vm, u32 memory, u64 to, u32 byte, u64 size)
{
    u8 *bytes = span(vm->instance->memories[memory], to, size);

    if (bytes == NULL)
        return TRAP_MEMORY_BOUNDS;
    memset(bytes, (int)byte, size);
    return TRAP_NONE;
}

static u32
builtin_MEMORY_INIT(struct vmctx *vm, u64 pair, u64 to, u64 from, u64 size)
{
    enum trap trap = segment_memory_init(vm->instance, low(pair), high(pair),
                                         to, from, size);

    if (trap == TRAP_NO_MEMORY)
        thread_leave(LEAVE_TRAP, trap);
    return trap;
}

static void
builtin_DATA_DROP(struct vmctx *vm, u32 segment)
{
    segment_drop_data(vm->instance, segment);
}

// --- tables ------------------------------------------------------------------

// What became of writing to a table, as the trap for the caller to raise.
static enum trap
table_trap(status_t status)
{
    thread_check_killed();
    if (status == ERR_BAD_ARGUMENT)
        thread_leave(LEAVE_TRAP, TRAP_BAD_REFERENCE);
    return TRAP_NONE;
}

static u64
builtin_TABLE_GROW(struct vmctx *vm, u32 table, u64 value, u64 count)
{
    struct live_table *t = vm->instance->tables[table];

    if (!reference_is_valid(t->process, (enum ref_kind)t->type.kind, value))
        thread_leave(LEAVE_TRAP, TRAP_BAD_REFERENCE);
    u64 old = table_grow(t, count, value);
    thread_check_killed();
    return old;
}

static u32
builtin_TABLE_FILL(struct vmctx *vm, u32 table, u64 to, u64 value, u64 count)
{
    struct live_table *t = vm->instance->tables[table];

    if (!table_contains(t, to, count))
        return TRAP_TABLE_BOUNDS;
    return table_trap(table_fill(t, to, value, count));
}

static u32
builtin_TABLE_COPY(struct vmctx *vm, u64 tables, u64 to, u64 from, u64 count)
{
    struct live_table *target = vm->instance->tables[low(tables)];
    struct live_table *source = vm->instance->tables[high(tables)];

    if (!table_contains(target, to, count) ||
        !table_contains(source, from, count))
        return TRAP_TABLE_BOUNDS;
    table_copy(target, to, source, from, count);
    return table_trap(OK);
}

static u32
builtin_TABLE_INIT(struct vmctx *vm, u64 pair, u64 to, u64 from, u64 count)
{
    enum trap trap = segment_table_init(vm->instance, low(pair), high(pair), to,
                                        from, count);

    thread_check_killed();
    if (trap == TRAP_BAD_REFERENCE)
        thread_leave(LEAVE_TRAP, trap);
    return trap;
}

static void
builtin_ELEM_DROP(struct vmctx *vm, u32 segment)
{
    segment_drop_elem(vm->instance, segment);
}

static u32
builtin_TYPE_MATCH(struct vmctx *vm, u32 actual, u32 expected)
{
    (void)vm;
    if (actual == 0)
        thread_leave(LEAVE_TRAP, TRAP_UNINITIALIZED_ELEMENT);
    return types_is_subtype(actual, expected) ? TRAP_NONE : TRAP_INDIRECT_TYPE;
}

// --- atomics -----------------------------------------------------------------

// The operand of a wait or notify, or a trap.
static u8 *
atomic_operand(struct memory *m, u64 at, u64 size, enum trap *trap)
{
    u8 *bytes = NULL;

    if (at % size != 0)
        *trap = TRAP_UNALIGNED_ATOMIC;
    else if ((bytes = span(m, at, size)) == NULL)
        *trap = TRAP_MEMORY_BOUNDS;
    return bytes;
}

static u64
wait_on_memory(struct vmctx *vm, u32 memory, u64 at, u64 size, u64 expected,
               u64 timeout_ns)
{
    struct memory *m = vm->instance->memories[memory];
    enum trap trap = TRAP_NONE;
    u8 *bytes = atomic_operand(m, at, size, &trap);

    if (trap == TRAP_NONE && !m->type.shared)
        trap = TRAP_NOT_SHARED;
    if (trap != TRAP_NONE)
        return -1 - (u64)trap;
    return atomic_wait(bytes, size == 8, expected, (i64)timeout_ns);
}

static u64
builtin_ATOMIC_WAIT32(struct vmctx *vm, u32 memory, u64 at, u32 expected,
                      u64 timeout_ns)
{
    return wait_on_memory(vm, memory, at, 4, expected, timeout_ns);
}

static u64
builtin_ATOMIC_WAIT64(struct vmctx *vm, u32 memory, u64 at, u64 expected,
                      u64 timeout_ns)
{
    return wait_on_memory(vm, memory, at, 8, expected, timeout_ns);
}

static u64
builtin_ATOMIC_NOTIFY(struct vmctx *vm, u32 memory, u64 at, u32 count)
{
    struct memory *m = vm->instance->memories[memory];
    enum trap trap = TRAP_NONE;
    u8 *bytes = atomic_operand(m, at, 4, &trap);

    if (trap != TRAP_NONE)
        return -1 - (u64)trap;
    return m->type.shared ? atomic_notify(bytes, count) : 0;
}

// --- exceptions --------------------------------------------------------------

// These need the registers of their caller, see exception.c.
#define builtin_THROW     throw_stub
#define builtin_THROW_REF rethrow_stub

const u64 builtin_addresses[BUILTIN_COUNT] = {
#define BUILTIN(id, sig, trap) [BUILTIN_##id] = (u64)builtin_##id,
#include "abi/builtins.def"
};
