// runtime/store.c: stores: what instances that can refer to each other share.

#include "runtime/internal.h"

// Generated code finds the count in row 0.
void
store_count_funcs(struct store *s, u32 count)
{
    s->func_count = count;
    s->funcs[0].id = count;
}

// Row 0 is the null reference.  An embedder's store may get more and more
// instances, a program's knows how many functions it has.
static bool
init_funcs(struct store *s, u32 max, bool reserved)
{
    u64 entries = max * sizeof(*s->funcs);
    u64 targets = max * sizeof(*s->targets);

    s->func_max = max;
    s->funcs_reserved = reserved;
    if (s->funcs_reserved) {
        s->funcs = port_reserve(entries, PAGE_SIZE);
        s->targets = port_reserve(targets, PAGE_SIZE);
        s->func_committed = PAGE_SIZE / sizeof(*s->funcs);
    } else {
        s->funcs = kernel_alloc(entries);
        s->targets = kernel_alloc(targets);
        s->func_committed = max;
    }
    if (s->funcs == NULL || s->targets == NULL)
        return false;
    if (s->funcs_reserved && (!kept_commit(s->funcs, PAGE_SIZE) ||
                              !kept_commit(s->targets, PAGE_SIZE)))
        return false;
    s->funcs[0].code = (u64)null_call_stub;
    store_count_funcs(s, 1);
    return true;
}

static void
free_funcs(struct store *s)
{
    if (!s->funcs_reserved) {
        kernel_free(s->funcs);
        kernel_free(s->targets);
    } else {
        if (s->funcs != NULL)
            port_release(s->funcs, s->func_max * sizeof(*s->funcs));
        if (s->targets != NULL)
            port_release(s->targets, s->func_max * sizeof(*s->targets));
    }
    s->funcs = NULL;
    s->targets = NULL;
}

status_t
store_new(struct store **out, struct code_module *const *modules, u32 count,
          void *owner)
{
    u32 funcs = count == 0 ? FUNCS_MAX : 1;
    struct store *s = kernel_alloc(sizeof(*s));

    if (s == NULL)
        return ERR_NO_MEMORY;
    for (u32 k = 0; k < count; k++)
        funcs += modules[k]->compiled->module.func_count;
    s->owner = owner;
    lock_init(&s->lock, LOCK_STORE);
    list_init(&s->exn_tables);
    mutex_init(&s->exn_mutex, LOCK_EXCEPTIONS);
    s->instance_capacity = count > 0 ? count : INSTANCES_MAX;
    s->instances = kernel_alloc(s->instance_capacity * sizeof(*s->instances));
    s->vms = kernel_alloc(s->instance_capacity * sizeof(*s->vms));
    if (s->instances == NULL || s->vms == NULL ||
        !init_funcs(s, funcs, count == 0)) {
        store_free(s);
        return ERR_NO_MEMORY;
    }
    *out = s;
    return OK;
}

void
store_clear(struct store *s)
{
    exceptions_free(s);
    vms_free(s, s->vms);
    while (s->instance_count > 0)
        instance_free(s->instances[--s->instance_count]);
    kernel_free(s->instances);
    free_funcs(s);
    heap_types_free(&s->heap_types);
    s->vms = NULL;
    s->instances = NULL;
}

void
store_free(struct store *s)
{
    if (s != NULL)
        store_clear(s);
    kernel_free(s);
}

struct instance *
store_instance(const struct store *s, u32 number)
{
    return number < s->instance_count ? s->instances[number] : NULL;
}

bool
store_count_in(struct store *s)
{
    lock(&s->lock);
    bool fits = s->thread_count < LIMIT_THREADS;
    s->thread_count += fits;
    unlock(&s->lock);
    return fits;
}

u32
store_count_out(struct store *s)
{
    lock(&s->lock);
    u32 left = --s->thread_count;
    unlock(&s->lock);
    return left;
}
