// runtime/vmctx.c: the vmctx blocks.
//
// A thread has one block per instance of its store, and an array of them by
// instance number.  The main thread's (or, in an embedded store, whoever
// calls in) are store->vms; spawned threads have copies: their globals start
// as their spawner's, but exnrefs as null, and go their own way.

#include "runtime/internal.h"

static const struct vmctx_layout *
layout_of(const struct instance *i)
{
    return &i->code->module.layout;
}

static struct vmctx_global *
own_globals(const struct instance *i, struct vmctx *vm)
{
    return vmctx_globals(layout_of(i), vm);
}

// NULL: none.
static const void *
first_memory(const struct instance *i)
{
    return i->code->module.memory_count > 0 ? i->memories[0]->base : NULL;
}

// In hardened mode it is open: what generated code may write is in it.
static struct vmctx *
vm_new(const struct instance *i)
{
    u64 size = layout_of(i)->size;

    if (!port_hardened())
        return kernel_alloc(size);
    struct vmctx *vm = port_reserve_open(OPEN_DATA, size, first_memory(i));
    if (vm != NULL && !kept_commit(vm, size)) {
        port_release(vm, size);
        return NULL;
    }
    return vm;
}

static void
vm_free(const struct instance *i, struct vmctx *vm)
{
    if (!port_hardened())
        kernel_free(vm);
    else if (vm != NULL)
        port_release(vm, layout_of(i)->size);
}

u64 *
vmctx_global(const struct instance *i, u32 global, struct vmctx **vms)
{
    const struct global_ref *ref = &i->globals[global];

    return own_globals(ref->owner, vms[ref->owner->number])[ref->index].bits;
}

// Let the imported mutable globals of i lead to the blocks in vms.
static void
link_globals(struct instance *i, struct vmctx **vms)
{
    const struct module *m = &i->code->module;
    struct vmctx_global *globals = own_globals(i, vms[i->number]);

    for (u32 k = 0; k < m->global_imports; k++)
        if (global_is_shared(m, k))
            globals[k].bits[0] = (u64)vmctx_global(i, k, vms);
}

status_t
vms_add(struct instance *i)
{
    struct store *s = i->store;
    struct vmctx *vm = vm_new(i);

    if (vm == NULL)
        return ERR_NO_MEMORY;
    *vm = (struct vmctx){
        .instance = i,
        .contexts = s->vms,
        .funcs = s->funcs,
        .builtins = port_stubs->builtins,
        .instance_number = i->number,
        .func_base = i->func_base,
        .targets = s->targets,
    };
    // All blocks of a thread are bound alike (vms_bind).
    if (i->number > 0) {
        vm->thread = s->vms[0]->thread;
        vm->stack_limit = s->vms[0]->stack_limit;
    }
    s->vms[i->number] = vm;
    i->front.header.instance = i;
    return OK;
}

void
vms_bind(struct store *s, struct vmctx **vms, struct thread *t)
{
    for (u32 n = 0; n < s->instance_count; n++) {
        vms[n]->thread = port_hardened() ? (struct thread *)stack_front(t) : t;
        vms[n]->stack_limit = (u64)thread_stack_low(t) + STACK_RESERVE;
    }
}

void
vms_free(struct store *s, struct vmctx **vms)
{
    if (vms == NULL)
        return;
    for (u32 n = 0; n < s->instance_count; n++)
        vm_free(s->instances[n], vms[n]);
    kernel_free(vms);
}

// Exceptions belong to the thread that made them (exception.c).
static void
forget_exceptions(const struct instance *i, struct vmctx *vm)
{
    const struct module *m = &i->code->module;

    for (u32 k = m->global_imports; k < m->global_count; k++) {
        valtype_t type = m->globals[k].type.type;
        if (valtype_is_ref(type) && valtype_ref_kind(m, type) == REF_EXN)
            own_globals(i, vm)[k].bits[0] = 0;
    }
}

struct vmctx **
vms_copy(struct store *s, struct vmctx **from)
{
    struct vmctx **vms = kernel_alloc(s->instance_count * sizeof(*vms));

    if (vms == NULL)
        return NULL;
    for (u32 n = 0; n < s->instance_count; n++) {
        u64 size = layout_of(s->instances[n])->size;
        vms[n] = vm_new(s->instances[n]);
        if (vms[n] == NULL) {
            vms_free(s, vms);
            return NULL;
        }
        memcpy(vms[n], from[n], size);
        vms[n]->contexts = vms;
        forget_exceptions(s->instances[n], vms[n]);
    }
    for (u32 n = 0; n < s->instance_count; n++)
        link_globals(s->instances[n], vms);
    return vms;
}

void
vms_fill(struct instance *i)
{
    const struct module *m = &i->code->module;
    const struct vmctx_layout *layout = layout_of(i);
    struct vmctx **vms = i->store->vms;
    struct vmctx *vm = vms[i->number];

    for (u32 k = 0; k < m->memory_count; k++)
        vmctx_memories(layout, vm)[k] =
            (struct vmctx_memory){i->memories[k]->base, &i->memories[k]->view};
    i->front.memory = *vmctx_memories(layout, vm); // there is one
    for (u32 k = 0; k < m->func_imports; k++)
        vmctx_imports(layout, vm)[k] = i->store->funcs[i->func_base + k];
    for (u32 k = 0; k < m->tag_count; k++)
        vmctx_tags(layout, vm)[k] = i->tags[k].id;
    memcpy(vmctx_types(layout, vm), i->code->ids, m->type_count * sizeof(u32));
    for (u32 k = 0; k < m->global_imports; k++)
        memcpy(own_globals(i, vm)[k].bits, vmctx_global(i, k, vms), 16);
    link_globals(i, vms);
}
