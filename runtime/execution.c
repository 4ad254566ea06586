// runtime/execution.c: what a thread runs of a store.

#include "runtime/internal.h"

struct instance *
execution_caller(void)
{
    struct vmctx *vm = thread_entry(thread_current())->vm;

    return vm != NULL ? vm->instance : NULL;
}

struct execution *
execution_enter(struct execution *x)
{
    struct thread *t = thread_current();
    struct execution *before = execution_of(t);

    vms_bind(x->store, x->vms, t);
    thread_entry(t)->guest = x;
    return before;
}

void
execution_leave(struct execution *before)
{
    thread_entry(thread_current())->guest = before;
    execution_give_rights(before);
}

void
execution_init(struct execution *x, struct store *s)
{
    x->store = s;
    x->owner = s->owner;
    x->vms = s->vms;
    x->id = 0;
    x->trap.kind = TRAP_NONE;
    x->trap.depth = 0;
}

status_t
execution_copy(struct execution *x)
{
    const struct execution *from = execution_current();

    execution_init(x, from->store);
    x->vms = NULL;
    if (from->store->has_any_tables && vms_heap(from->store, from->vms) != NULL)
        return ERR_LIMIT; // of one thread: each would need tables of its own
    x->vms = vms_copy(from->store, from->vms);
    return x->vms != NULL ? OK : ERR_NO_MEMORY;
}

void
execution_reset_globals(struct execution *x)
{
    // What may be in a heap of its own began with that (vms_copy).
    bool has_heap = vms_heap(x->store, x->vms) != NULL;

    for (u32 n = 0; n < x->store->instance_count; n++)
        if (instance_init_globals(x->store->instances[n], x->vms,
                                  has_heap ? GLOBALS_OUTSIDE : GLOBALS_ALL) !=
            OK)
            return; // killed
}

void
execution_set_stack_pointer(struct execution *x, struct instance *i,
                            u32 stack_top)
{
    const struct module *m = &i->code->module;
    const struct export *e = module_export(m, STRING("__stack_pointer"));
    u32 index = e != NULL && e->kind == EXTERN_GLOBAL ? e->index : 0;

    if (index >= m->global_count || !m->globals[index].type.mutable ||
        m->globals[index].type.type != VAL_I32)
        return;
    vmctx_global(i, index, x->vms)[0] = stack_top;
}

void
execution_discard(struct execution *x)
{
    if (x->vms != x->store->vms)
        vms_free(x->store, x->vms);
    x->vms = NULL;
}

void
execution_done(struct execution *x)
{
    execution_discard(x);
    exceptions_thread_ended(x);
}
