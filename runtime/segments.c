// runtime/segments.c: what fills globals, tables and memories, when an instance
// is made (spec 4.5.4) and by table.init and memory.init.

#include "runtime/internal.h"

// --- constant expressions ----------------------------------------------------

// The values that are known where they are evaluated.
struct place {
    struct instance *instance;
    struct vmctx **vms;
    bool full; // there was no memory for an object, so that it is null
};

static union value
env_global(void *self, u32 index)
{
    const struct place *p = self;
    union value value;

    memcpy(&value, vmctx_global(p->instance, index, p->vms), sizeof(value));
    return value;
}

static u64
env_func_ref(void *self, u32 index)
{
    const struct place *p = self;

    return p->instance->func_base + index;
}

static u64
env_object(void *self, const struct op *op, const union value *values)
{
    struct place *p = self;
    u64 ref = object_const(p->vms[p->instance->number], op, values);

    p->full |= ref == 0;
    return ref;
}

static struct const_env
env_of(struct place *p)
{
    return (struct const_env){p, env_global, env_func_ref, env_object};
}

static u64
eval_offset(struct instance *i, struct const_expr expr, bool is64)
{
    struct place place = {i, i->store->vms, false};
    struct const_env env = env_of(&place);
    union value value = const_eval(&i->code->module, expr, &env);

    return is64 ? value.i64 : value.i32;
}

// --- elements ----------------------------------------------------------------

static bool
fits(u64 size, u64 at, u64 count)
{
    return at <= size && count <= size - at;
}

static bool
dropped(const u64 *set, u32 segment)
{
    u64 word = __atomic_load_n(&set[segment / 64], __ATOMIC_ACQUIRE);

    return (word >> segment % 64 & 1) != 0;
}

static void
drop(u64 *set, u32 segment)
{
    __atomic_fetch_or(&set[segment / 64], 1ull << segment % 64,
                      __ATOMIC_RELEASE);
}

enum trap
segment_table_init(struct instance *i, u32 table, u32 segment, u64 to, u64 from,
                   u64 count)
{
    struct live_table *t = i->tables[table];
    const u64 *items = i->elems[segment];
    u64 size = i->code->module.elems[segment].count;

    if (items == NULL || dropped(i->elem_dropped, segment))
        size = 0;
    if (!fits(size, from, count) || !table_contains(t, to, count))
        return TRAP_TABLE_BOUNDS;
    from = index_masked(from, size + 1);
    to = table_masked(t, to);
    if (table_write(t, to, items + from, count) == ERR_BAD_ARGUMENT)
        return TRAP_BAD_REFERENCE;
    return TRAP_NONE;
}

// The values stay until the instance goes: another thread may be copying them.
void
segment_drop_elem(struct instance *i, u32 segment)
{
    drop(i->elem_dropped, segment);
}

const u8 *
segment_data(const struct instance *i, u32 segment, u64 *size)
{
    const struct module *m = &i->code->module;
    const struct data_segment *s =
        &m->datas[index_masked(segment, m->data_count)];

    bool there = segment < m->data_count && !dropped(i->data_dropped, segment);

    *size = there ? s->size : 0;
    return m->bytes + (there ? s->at : 0);
}

const u64 *
segment_items(const struct instance *i, u32 segment, u64 *count)
{
    const struct module *m = &i->code->module;
    u32 k = (u32)index_masked(segment, m->elem_count);
    bool there = segment < m->elem_count && i->elems[k] != NULL &&
                 !dropped(i->elem_dropped, k);

    *count = there ? m->elems[k].count : 0;
    return there ? i->elems[k] : i->elem_items;
}

// Passive: keep the values, so that table.init need not walk the bytes again.
static status_t
keep_elem(struct instance *i, u32 number, u64 *items)
{
    const struct elem_segment *s = &i->code->module.elems[number];
    struct place place = {i, i->store->vms, false};
    struct const_env env = env_of(&place);
    u64 at = s->at;

    for (u32 k = 0; k < s->count; k++) {
        if (thread_is_killed())
            return ERR_KILLED;
        items[k] = elem_next(&i->code->module, s, &at, &env);
    }
    i->elems[number] = items;
    if (valtype_ref_kind(&i->code->module, s->type) != REF_FUNC)
        i->store->has_any_tables = true;
    return place.full ? ERR_NO_MEMORY : OK;
}

enum { SEGMENTS_PER_LOOK = 4096 };

// The values of all passive segments, in one block.
static status_t
keep_elems(struct instance *i)
{
    const struct module *m = &i->code->module;
    u64 count = 0, used = 0;
    status_t status = OK;

    for (u32 k = 0; k < m->elem_count; k++) {
        if (k % SEGMENTS_PER_LOOK == 0 && thread_is_killed())
            return ERR_KILLED;
        if (m->elems[k].mode == SEGMENT_PASSIVE)
            count += m->elems[k].count;
    }
    i->elem_items = kernel_alloc(MAX(count, 1) * sizeof(u64));
    if (i->elem_items == NULL)
        return ERR_NO_MEMORY;
    for (u32 k = 0; k < m->elem_count && status == OK; k++) {
        if (thread_is_killed())
            return ERR_KILLED;
        if (m->elems[k].mode != SEGMENT_PASSIVE)
            continue;
        status = keep_elem(i, k, i->elem_items + used);
        used += m->elems[k].count;
    }
    return status;
}

static enum trap
apply_elem(struct instance *i, const struct elem_segment *s)
{
    const struct module *m = &i->code->module;
    struct place place = {i, i->store->vms, false};
    struct const_env env = env_of(&place);
    struct live_table *t = i->tables[s->table];
    u64 to = eval_offset(i, s->offset, t->type.limits.is64);
    u64 at = s->at;

    if (!table_contains(t, to, s->count))
        return TRAP_TABLE_BOUNDS;
    for (u32 k = 0; k < s->count && !thread_is_killed(); k++) {
        u64 value = elem_next(m, s, &at, &env);
        if (table_write(t, to + k, &value, 1) == ERR_BAD_ARGUMENT)
            return TRAP_BAD_REFERENCE;
    }
    return place.full ? TRAP_NO_MEMORY : TRAP_NONE;
}

// --- data --------------------------------------------------------------------

enum { PIECE = MIB }; // bytes between two looks at whether we were killed

static enum trap
copy_data(struct instance *i, u32 memory, const struct data_segment *s, u64 to,
          u64 from, u64 size)
{
    struct memory *m = i->memories[memory];

    if (!memory_contains(m, to, size))
        return TRAP_MEMORY_BOUNDS;
    to = index_masked(to, m->view.size + 1);
    from = index_masked(from, s->size + 1);
    for (u64 done = 0; done < size && !thread_is_killed();) {
        u64 piece = MIN(size - done, PIECE);
        if (!memory_touch(m, to + done, piece))
            return TRAP_NO_MEMORY;
        memcpy(m->base + to + done, i->code->module.bytes + s->at + from + done,
               piece);
        done += piece;
    }
    return TRAP_NONE;
}

enum trap
segment_memory_init(struct instance *i, u32 memory, u32 segment, u64 to,
                    u64 from, u64 size)
{
    const struct data_segment *s = &i->code->module.datas[segment];
    u64 have = dropped(i->data_dropped, segment) ? 0 : s->size;

    if (!fits(have, from, size))
        return TRAP_MEMORY_BOUNDS;
    return copy_data(i, memory, s, to, from, size);
}

void
segment_drop_data(struct instance *i, u32 segment)
{
    drop(i->data_dropped, segment);
}

static enum trap
apply_data(struct instance *i, const struct data_segment *s)
{
    bool is64 = i->memories[s->memory]->type.is64;

    return copy_data(i, s->memory, s, eval_offset(i, s->offset, is64), 0,
                     s->size);
}

// --- making an instance ------------------------------------------------------

status_t
instance_init_globals(struct instance *i, struct vmctx **vms,
                      enum init_globals which)
{
    const struct module *m = &i->code->module;
    struct place place = {i, vms, false};
    struct const_env env = env_of(&place);

    for (u32 k = m->global_imports; k < m->global_count; k++) {
        if (thread_is_killed())
            return ERR_KILLED;
        if ((which & 1 << valtype_is_in_heap(m, m->globals[k].type.type)) == 0)
            continue;
        union value value = const_eval(m, m->globals[k].init, &env);
        memcpy(vmctx_global(i, k, vms), &value, sizeof(value));
    }
    return place.full ? ERR_NO_MEMORY : OK;
}

static status_t
make_tables(struct instance *i)
{
    const struct module *m = &i->code->module;
    struct vmctx_table *rows =
        vmctx_tables(&m->layout, i->store->vms[i->number]);
    struct place place = {i, i->store->vms, false};
    struct const_env env = env_of(&place);
    status_t status = OK;

    for (u32 k = 0; k < m->table_count && status == OK; k++) {
        const struct table *have = &m->tables[k];
        if (thread_is_killed())
            return ERR_KILLED;
        if (k >= m->table_imports) {
            struct table_type type = have->type;
            u64 init = have->has_init ? const_eval(m, have->init, &env).i64 : 0;
            type.elem = valtype_canonical(type.elem, i->code->ids);
            status = table_new(&i->tables[k], i->store, &type, init);
        }
        if (status == OK)
            rows[k] = (struct vmctx_table){&i->tables[k]->view};
    }
    return status == OK && place.full ? ERR_NO_MEMORY : status;
}

// Where the segment is that did not fit.
static void
blame(struct error *error, u64 at, enum trap trap)
{
    if (trap != TRAP_NONE)
        error_set(error, ERR_TRAP, at, trap_text(trap));
}

static status_t
apply_segments(struct instance *i, struct error *error, enum trap *trap)
{
    const struct module *m = &i->code->module;
    status_t status = keep_elems(i);

    for (u32 k = 0; k < m->elem_count && *trap == TRAP_NONE; k++) {
        if (thread_is_killed())
            return ERR_KILLED;
        if (m->elems[k].mode != SEGMENT_ACTIVE)
            continue;
        *trap = apply_elem(i, &m->elems[k]);
        blame(error, m->elems[k].at, *trap);
    }
    for (u32 k = 0; k < m->data_count && *trap == TRAP_NONE; k++) {
        if (thread_is_killed())
            return ERR_KILLED;
        if (m->datas[k].mode != SEGMENT_ACTIVE)
            continue;
        *trap = apply_data(i, &m->datas[k]);
        blame(error, m->datas[k].at, *trap);
        segment_drop_data(i, k);
    }
    return status != OK ? status : *trap == TRAP_NONE ? OK : ERR_TRAP;
}

status_t
instance_initialise(struct instance *i, struct error *error, enum trap *trap)
{
    *trap = TRAP_NONE;
    status_t status = instance_init_globals(i, i->store->vms, GLOBALS_ALL);
    if (status == OK)
        status = make_tables(i);
    return status == OK ? apply_segments(i, error, trap) : status;
}
