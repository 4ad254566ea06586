// runtime/instance.c: instances of modules, and calls into them from C.

#include "runtime/internal.h"

// --- making ------------------------------------------------------------------

// Rows of store->funcs for the functions of i.
static status_t
reserve_funcs(struct instance *i)
{
    struct store *s = i->store;
    u32 count = i->code->module.func_count;
    u32 end = s->func_count + count;

    if (end > s->func_max)
        return ERR_LIMIT;
    if (end > s->func_committed) {
        u32 from = s->func_committed, more = end - from;
        if (!kept_commit(s->funcs + from, more * sizeof(*s->funcs)) ||
            !kept_commit(s->targets + from, more * sizeof(*s->targets)))
            return ERR_NO_MEMORY;
        s->func_committed = end;
    }
    i->func_base = s->func_count;
    store_count_funcs(s, end);
    return OK;
}

// One block for all arrays of an instance, sized by its module.
static struct instance *
instance_alloc(struct store *s, struct code_module *m)
{
    const struct module *info = &m->compiled->module;
    u64 memories = info->memory_count * sizeof(struct memory *);
    u64 tables = info->table_count * sizeof(struct live_table *);
    u64 globals = info->global_count * sizeof(struct global_ref);
    u64 tags = info->tag_count * sizeof(struct tag);
    u64 elems = info->elem_count * sizeof(u64 *);
    u64 elem_bits = (info->elem_count / 64 + 1) * sizeof(u64);
    u64 data_bits = (info->data_count / 64 + 1) * sizeof(u64);
    struct instance *i = kernel_alloc(sizeof(*i) + memories + tables + globals +
                                      tags + elems + elem_bits + data_bits);

    if (i == NULL)
        return NULL;
    i->store = s;
    i->module = m;
    i->code = m->compiled;
    object_hold(&m->object);
    i->memories = (struct memory **)(i + 1);
    i->tables = (struct live_table **)((u8 *)i->memories + memories);
    i->globals = (struct global_ref *)((u8 *)i->tables + tables);
    i->tags = (struct tag *)((u8 *)i->globals + globals);
    i->elems = (u64 **)((u8 *)i->tags + tags);
    i->elem_dropped = (u64 *)((u8 *)i->elems + elems);
    i->data_dropped = (u64 *)((u8 *)i->elem_dropped + elem_bits);
    return i;
}

void
instance_free(struct instance *i)
{
    const struct module *m = &i->code->module;

    for (u32 k = 0; k < m->memory_count; k++)
        if (i->memories[k] != NULL)
            object_release(&i->memories[k]->object);
    for (u32 k = 0; k < m->table_count; k++)
        if (i->tables[k] != NULL)
            object_release(&i->tables[k]->object);
    kernel_free(i->elem_items);
    object_release(&i->module->object);
    kernel_free(i);
}

// The rows of the functions that the module defines.
static void
define_funcs(struct instance *i)
{
    struct store *s = i->store;
    const struct module *m = &i->code->module;
    const struct code *code = &i->code->code;
    u64 text = (u64)i->code->text;

    for (u32 f = m->func_imports; f < m->func_count; f++) {
        u32 id = i->func_base + f, type = m->funcs[f].type;
        u64 direct = text + code->entries[f];
        s->targets[id] = (struct func_target){
            .code = direct,
            .context = i->number * (u32)sizeof(struct vmctx *),
            .args = (u16)(code->sizes[type].args / STACK_UNIT),
            .results = (u16)(code->sizes[type].results / STACK_UNIT),
        };
        s->funcs[id] = (struct func_entry){
            .code = s->adapted ? (u64)adapt_stub : direct,
            .sig = i->code->ids[type],
            .id = id,
        };
    }
}

static status_t
define_rest(struct instance *i)
{
    const struct module *m = &i->code->module;
    status_t status = OK;

    for (u32 k = m->memory_imports; k < m->memory_count && status == OK; k++)
        status = memory_new(&i->memories[k], &m->memories[k]);
    for (u32 k = m->global_imports; k < m->global_count; k++)
        i->globals[k] = (struct global_ref){i, k};
    for (u32 k = m->tag_imports; k < m->tag_count; k++)
        i->tags[k] =
            (struct tag){++i->store->next_tag, i->code->ids[m->tags[k]]};
    return status;
}

// A module may declare more than anybody has; then it is no use to start.
static status_t
check_module(const struct module *m, struct error *error)
{
    if (m->has_heap && port_hardened())
        error_set(error, ERR_UNSUPPORTED, 0,
                  "structs and arrays are not for hardened mode");
    for (u32 k = m->table_imports; k < m->table_count; k++)
        if (m->tables[k].type.limits.min > LIMIT_TABLE_ENTRIES)
            error_set(error, ERR_LIMIT, 0, "table too large");
    return error->status;
}

// Everything that can fail without a trace.
static status_t
instance_link(struct instance *i, const struct resolver *resolver,
              struct error *error)
{
    struct store *s = i->store;
    u32 func_count = s->func_count;

    i->number = s->instance_count;
    status_t status = check_module(&i->code->module, error);
    if (status == OK)
        status = reserve_funcs(i);
    if (status == OK && i->number > 0)
        link_adapt(s);
    if (status == OK)
        status = link_imports(i, resolver, error);
    if (status == OK)
        status = define_rest(i);
    if (status == OK)
        status = vms_add(i);
    if (status != OK) {
        store_count_funcs(s, func_count);
        return status;
    }
    define_funcs(i);
    vms_fill(i);
    s->instances[s->instance_count++] = i;
    return OK;
}

status_t
instance_load(struct instance **out, struct store *s, struct code_module *m,
              const struct resolver *resolver, struct error *error,
              enum trap *trap)
{
    struct instance *i = NULL;
    status_t status = OK;

    *error = (struct error){OK, 0, NULL};
    *trap = TRAP_NONE;
    if (s->thread_count > 0)
        status = ERR_UNSUPPORTED; // their contexts would have to grow
    else if (s->instance_count == s->instance_capacity)
        status = ERR_FULL;
    else if ((i = instance_alloc(s, m)) == NULL)
        status = ERR_NO_MEMORY;
    if (status == OK)
        status = instance_link(i, resolver, error);
    if (status != OK && i != NULL)
        instance_free(i);
    if (status == OK) {
        *out = i;
        status = instance_initialise(i, error, trap); // from here on i stays
        if (thread_is_killed())
            status = ERR_KILLED; // something may be missing
    }
    if (status == ERR_TRAP)
        error_set(error, status, 0, trap_text(*trap));
    else if (status != OK)
        error_set(error, status, 0, status_text(status));
    return status;
}

status_t
instance_new(struct instance **out, struct store *s, struct code_module *m,
             const struct resolver *resolver, struct error *error,
             enum trap *trap)
{
    status_t status = instance_load(out, s, m, resolver, error, trap);
    u32 start = m->compiled->module.start, count;

    if (status != OK || start == NO_INDEX)
        return status;
    struct extern_ref func = {
        .kind = EXTERN_FUNC, .instance = *out, .index = start};
    status = instance_invoke(&func, NULL, 0, 0, &count, trap);
    if (status != OK)
        error_set(error, status, 0,
                  status == ERR_TRAP ? trap_text(*trap) : status_text(status));
    return status;
}

// --- looking -----------------------------------------------------------------

bool
instance_export(struct instance *i, struct string name, struct extern_ref *out)
{
    const struct export *e = module_export(&i->code->module, name);

    if (e == NULL)
        return false;
    *out =
        (struct extern_ref){.kind = e->kind, .instance = i, .index = e->index};
    return true;
}

const struct module *
instance_info(const struct instance *i)
{
    return &i->code->module;
}

struct memory *
instance_memory(struct instance *i)
{
    return i->code->module.memory_count > 0 ? i->memories[0] : NULL;
}

bool
instance_func_is(const struct instance *i, u32 func, const char *sig)
{
    return i->code->ids[i->code->module.funcs[func].type] == types_host(sig);
}

// Other threads may change the table, but not the store's entries.
status_t
instance_table_func(struct instance *i, u32 index, const char *sig,
                    struct extern_ref *out)
{
    struct store *s = i->store;
    struct live_table *t =
        i->code->module.table_count > 0 ? i->tables[0] : NULL;

    if (t == NULL || t->type.kind != REF_FUNC || !table_contains(t, index, 1))
        return ERR_NOT_FOUND;
    u64 id = table_get(t, table_masked(t, index));
    *out = (struct extern_ref){.kind = EXTERN_FUNC};
    if (id == 0 || id >= s->func_count) // hardened: code may have written it
        return ERR_NOT_FOUND;
    id = index_masked(id, s->func_count);
    if (s->funcs[id].sig != types_host(sig) ||
        !func_find(s, (u32)id, &out->instance, &out->index))
        return ERR_WRONG_TYPE;
    return OK;
}

union value
instance_global(struct instance *i, u32 index)
{
    union value value;

    memcpy(&value, vmctx_global(i, index, i->store->vms), sizeof(value));
    return value;
}

bool
func_find(struct store *s, u32 id, struct instance **i, u32 *func)
{
    for (u32 n = 0; n < s->instance_count; n++) {
        *i = s->instances[n];
        *func = id - (*i)->func_base;
        if (*func < (*i)->code->module.func_count)
            return true;
    }
    return false;
}

// --- calling -----------------------------------------------------------------

// The type of a reference that is not null, as far as it has one.
static valtype_t
type_of(const struct store *s, enum ref_kind kind, u64 value)
{
    switch (kind) {
    case REF_FUNC:
        return REF_BIT | s->funcs[value].sig;
    case REF_EXTERN:
        return REF_BIT | HEAP_EXTERN;
    case REF_EXN:
        return REF_BIT | HEAP_EXN;
    case REF_ANY:
        return REF_BIT | HEAP_ANY; // the host's
    }
    return VAL_NONE;
}

// Generated code takes its arguments for what their types say.
static bool
is_argument(struct instance *i, valtype_t type, u64 value)
{
    struct store *s = i->store;

    if (!valtype_is_ref(type))
        return true;
    if (value == 0)
        return valtype_is_nullable(type);
    enum ref_kind kind = valtype_ref_kind(&i->code->module, type);
    return reference_is_valid(s, kind, value) &&
           (kind != REF_ANY || (value & 3) == REF_TAG_HOST) &&
           (kind != REF_EXN || exception_exists(s, value)) &&
           valtype_is_subtype(type_of(s, kind, value),
                              valtype_canonical(type, i->code->ids));
}

static status_t
status_of(enum leave leave)
{
    return leave == LEAVE_NONE ? OK :
           leave == LEAVE_TRAP ? ERR_TRAP :
           leave == LEAVE_EXIT ? ERR_EXITED :
                                 ERR_KILLED;
}

status_t
instance_invoke(const struct extern_ref *func, union value *values,
                u32 arg_count, u32 capacity, u32 *result_count, enum trap *trap)
{
    struct instance *i = func->instance;
    const struct module *m = &i->code->module;

    *trap = TRAP_NONE;
    *result_count = 0;
    if (func->kind != EXTERN_FUNC)
        return ERR_WRONG_TYPE;
    const struct type *type = &m->types[m->funcs[func->index].type];
    if (arg_count != type->param_count || type->result_count > capacity)
        return ERR_BAD_ARGUMENT;
    for (u32 k = 0; k < arg_count; k++)
        if (!is_argument(i, type->vals[k], values[k].i64))
            return ERR_BAD_ARGUMENT;

    // The current thread visits the store, unless it is there.
    struct execution *x = execution_current(), visit, *before = NULL;
    bool inside = x != NULL && x->store == i->store;
    if (!inside) {
        x = &visit;
        execution_init(x, i->store);
        before = execution_enter(x);
    }
    enum leave leave = call_function(i, func->index, (u64(*)[2])values);
    if (!inside)
        execution_leave(before);
    if (leave == LEAVE_TRAP)
        *trap = x->trap.kind;
    else if (leave == LEAVE_NONE)
        *result_count = type->result_count;
    return status_of(leave);
}
