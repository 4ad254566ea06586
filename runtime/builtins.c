// runtime/builtins.c: what generated code calls by itself (abi/builtins.def).
//
// They run on the thread's own stack and may be preempted anywhere.  Their
// stubs (port/x64/builtin.S) look when they return whether they trapped or the
// thread was killed, so that what they return then does not matter.  Those that
// may take long stop early for that.

#include "runtime/internal.h"

enum { PIECE = MIB }; // bytes between two looks at whether we were killed

// Bytes [at, at + size) that a memory has, ready for C to touch; NULL when
// there is no memory, which is a trap.
static u8 *
touch(struct memory *m, u64 at, u64 size)
{
    if (memory_touch(m, at, size))
        return m->base + index_masked(at, m->view.size + 1);
    thread_trap(TRAP_NO_MEMORY);
    return NULL;
}

// In hardened mode nobody has proved that the numbers are of the module's.
static bool
is_known(u64 number, u64 count)
{
    bool known = !port_hardened() || number < count;

    if (!known)
        thread_trap_here(TRAP_HARDENED);
    return known;
}

static struct memory *
memory_of(struct vmctx *vm, u32 memory)
{
    const struct instance *i = vm->instance;

    return is_known(memory, i->code->module.memory_count) ?
               i->memories[memory] :
               NULL;
}

static struct live_table *
table_of(struct vmctx *vm, u32 table)
{
    const struct instance *i = vm->instance;

    return is_known(table, i->code->module.table_count) ? i->tables[table] :
                                                          NULL;
}

// Is there such a segment, too?
static bool
knows_data(struct vmctx *vm, u32 segment)
{
    return is_known(segment, vm->instance->code->module.data_count);
}

static bool
knows_elem(struct vmctx *vm, u32 segment)
{
    return is_known(segment, vm->instance->code->module.elem_count);
}

// --- memories ----------------------------------------------------------------

static u64
builtin_MEMORY_GROW(struct vmctx *vm, u32 memory, u64 pages)
{
    struct memory *m = memory_of(vm, memory);

    return m != NULL ? memory_grow(m, pages) : 0;
}

static u32
builtin_MEMORY_COPY(struct vmctx *vm, u64 memories, u64 to, u64 from, u64 size)
{
    struct memory *target = memory_of(vm, pair_low(memories));
    struct memory *source = memory_of(vm, pair_high(memories));

    if (target == NULL || source == NULL)
        return TRAP_NONE;
    if (!memory_contains(target, to, size) ||
        !memory_contains(source, from, size))
        return TRAP_MEMORY_BOUNDS;
    // The end that may overlap first.
    bool down = to > from;
    for (u64 done = 0; done < size && !thread_is_killed();) {
        u64 piece = MIN(size - done, PIECE);
        u64 at = down ? size - done - piece : done;
        const u8 *bytes = touch(source, from + at, piece);
        u8 *place = bytes != NULL ? touch(target, to + at, piece) : NULL;
        if (place == NULL)
            break;
        memmove(place, bytes, piece);
        done += piece;
    }
    return TRAP_NONE;
}

static u32
builtin_MEMORY_FILL(struct vmctx *vm, u32 memory, u64 to, u32 byte, u64 size)
{
    struct memory *m = memory_of(vm, memory);

    if (m == NULL)
        return TRAP_NONE;
    if (!memory_contains(m, to, size))
        return TRAP_MEMORY_BOUNDS;
    for (u64 done = 0; done < size && !thread_is_killed();) {
        u64 piece = MIN(size - done, PIECE);
        u8 *bytes = touch(m, to + done, piece);
        if (bytes == NULL)
            break;
        memset(bytes, (int)byte, piece);
        done += piece;
    }
    return TRAP_NONE;
}

static u32
builtin_MEMORY_INIT(struct vmctx *vm, u64 pair, u64 to, u64 from, u64 size)
{
    if (memory_of(vm, pair_low(pair)) == NULL ||
        !knows_data(vm, pair_high(pair)))
        return TRAP_NONE;
    enum trap trap = segment_memory_init(vm->instance, pair_low(pair),
                                         pair_high(pair), to, from, size);

    if (trap == TRAP_NO_MEMORY)
        thread_trap(trap); // not the one that the row names
    return trap;
}

static void
builtin_DATA_DROP(struct vmctx *vm, u32 segment)
{
    if (knows_data(vm, segment))
        segment_drop_data(vm->instance, segment);
}

// --- tables ------------------------------------------------------------------

// What became of writing to a table; that is a trap of its own, not the one
// that the row names.
static enum trap
table_trap(status_t status)
{
    if (status == ERR_BAD_ARGUMENT)
        thread_trap(TRAP_BAD_REFERENCE);
    return TRAP_NONE;
}

static u64
builtin_TABLE_GROW(struct vmctx *vm, u32 table, u64 value, u64 count)
{
    struct live_table *t = table_of(vm, table);

    if (t == NULL)
        return 0;
    if (!reference_is_valid(t->store, (enum ref_kind)t->type.kind, value)) {
        thread_trap(TRAP_BAD_REFERENCE);
        return 0;
    }
    u64 before = table_grow(t, count, value);
    execution_give_rights(execution_current()); // it may be elsewhere now
    return before;
}

static u32
builtin_TABLE_FILL(struct vmctx *vm, u32 table, u64 to, u64 value, u64 count)
{
    struct live_table *t = table_of(vm, table);

    if (t == NULL)
        return TRAP_NONE;
    if (!table_contains(t, to, count))
        return TRAP_TABLE_BOUNDS;
    return table_trap(table_fill(t, table_masked(t, to), value, count));
}

static u32
builtin_TABLE_COPY(struct vmctx *vm, u64 tables, u64 to, u64 from, u64 count)
{
    struct live_table *target = table_of(vm, pair_low(tables));
    struct live_table *source = table_of(vm, pair_high(tables));

    if (target == NULL || source == NULL ||
        !is_known(target->type.kind != source->type.kind, 1))
        return TRAP_NONE;
    if (!table_contains(target, to, count) ||
        !table_contains(source, from, count))
        return TRAP_TABLE_BOUNDS;
    table_copy(target, table_masked(target, to), source,
               table_masked(source, from), count);
    return table_trap(OK);
}

static u32
builtin_TABLE_INIT(struct vmctx *vm, u64 pair, u64 to, u64 from, u64 count)
{
    if (table_of(vm, pair_low(pair)) == NULL ||
        !knows_elem(vm, pair_high(pair)))
        return TRAP_NONE;
    enum trap trap = segment_table_init(vm->instance, pair_low(pair),
                                        pair_high(pair), to, from, count);

    if (trap == TRAP_BAD_REFERENCE)
        thread_trap(trap);
    return trap;
}

static void
builtin_ELEM_DROP(struct vmctx *vm, u32 segment)
{
    if (knows_elem(vm, segment))
        segment_drop_elem(vm->instance, segment);
}

// The callee may be of a subtype, so its canonical id need not be that of the
// expected type: look it up step by step.
static u64
builtin_FUNC_ENTRY(struct vmctx *vm, u64 reference, u32 expected)
{
    struct store *s = vm->instance->store;
    const struct func_entry *entry =
        &s->funcs[index_masked(reference, s->func_count)];

    if (reference >= s->func_count)
        thread_trap(TRAP_BAD_REFERENCE);
    else if (entry->sig == 0 || !types_is_subtype(entry->sig, expected))
        thread_trap(TRAP_INDIRECT_TYPE);
    return (u64)entry;
}

// --- atomics -----------------------------------------------------------------

// The operand of a wait or notify, or a trap.
static u8 *
atomic_operand(struct memory *m, u64 at, u64 size, enum trap *trap)
{
    u8 *bytes = NULL;

    if (at % size != 0)
        *trap = TRAP_UNALIGNED_ATOMIC;
    else if (!memory_contains(m, at, size))
        *trap = TRAP_MEMORY_BOUNDS;
    else if ((bytes = touch(m, at, size)) == NULL)
        *trap = TRAP_NO_MEMORY;
    return bytes;
}

static u64
wait_on_memory(struct vmctx *vm, u32 memory, u64 at, u64 size, u64 expected,
               u64 timeout_ns)
{
    struct memory *m = memory_of(vm, memory);
    enum trap trap = TRAP_NONE;

    if (m == NULL)
        return 0;
    u8 *bytes = atomic_operand(m, at, size, &trap);
    u32 result = WAIT_TIMED_OUT;

    if (trap == TRAP_NONE && !m->type.shared)
        trap = TRAP_NOT_SHARED;
    if (trap != TRAP_NONE)
        return -1 - (u64)trap;
    // Killed: nobody sees the result.
    (void)!atomic_wait(bytes, size == 8, expected, (i64)timeout_ns, &result);
    return result;
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
    struct memory *m = memory_of(vm, memory);
    enum trap trap = TRAP_NONE;

    if (m == NULL)
        return 0;
    u8 *bytes = atomic_operand(m, at, 4, &trap);

    if (trap != TRAP_NONE)
        return -1 - (u64)trap;
    return m->type.shared ? atomic_notify(bytes, count) : 0;
}

// --- the tables --------------------------------------------------------------

// Throwing needs the registers of its caller, see exception.c: the stubs go to
// throw_stub and rethrow_stub.
#define builtin_THROW     NULL
#define builtin_THROW_REF NULL

const void *const builtin_functions[BUILTIN_COUNT] = {
#define BUILTIN(id, sig, trap, low, high) \
    [BUILTIN_##id] = (const void *)builtin_##id,
#include "abi/builtins.def"
};
