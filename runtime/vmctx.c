// runtime/vmctx.c: the vmctx blocks.
//
// A thread has one block per instance of its store, and an array of them by
// instance number.  The main thread's (or, in an embedded store, whoever
// calls in) are store->vms; spawned threads have copies: their globals start
// as their spawner's, but exnrefs as null, and what may be in a heap as it was
// at first, and go their own way.

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

// Imported globals are copied; those that can change are led to then.
static void
copy_constants(struct instance *i, struct vmctx **vms)
{
    const struct module *m = &i->code->module;

    for (u32 k = 0; k < m->global_imports; k++)
        if (!global_is_shared(m, k))
            memcpy(own_globals(i, vms[i->number])[k].bits,
                   vmctx_global(i, k, vms), 16);
}

// --- heaps -------------------------------------------------------------------

static struct vmctx_heap *
heap_part(const struct instance *i, struct vmctx *vm)
{
    return i->code->module.has_heap ? vmctx_heap(layout_of(i), vm) : NULL;
}

struct heap *
vms_heap(const struct store *s, struct vmctx **vms)
{
    struct vmctx_heap *part = NULL;

    for (u32 n = 0; n < s->instance_count && part == NULL; n++)
        if (vms[n] != NULL)
            part = heap_part(s->instances[n], vms[n]);
    return part != NULL ? part->heap : NULL;
}

// The heap that the main blocks have, for a new instance's types, too.
static status_t
add_heap(struct instance *i, struct vmctx *vm)
{
    struct store *s = i->store;
    struct vmctx_heap *part = heap_part(i, vm);

    if (part == NULL)
        return OK;
    struct heap *h = vms_heap(s, s->vms);
    u32 count = s->heap_types.count;
    status_t status = heap_types_add(s, i, vmctx_heap_types(layout_of(i), vm));
    if (status == OK)
        status = h != NULL ? heap_write_rows(h, &s->heap_types) :
                             heap_new(&h, &s->heap_types);
    if (status == OK)
        *part = (struct vmctx_heap){h->base, h};
    else
        heap_types_cut(&s->heap_types, count);
    return status;
}

// One heap for copied blocks, in which all begins anew: references to the heap
// of others mean nothing in it.
static status_t
renew_heap(const struct store *s, struct vmctx **vms)
{
    struct heap *h = NULL;

    for (u32 n = 0; n < s->instance_count; n++) {
        struct vmctx_heap *part = heap_part(s->instances[n], vms[n]);
        if (part == NULL)
            continue;
        status_t status = h != NULL ? OK : heap_new(&h, &s->heap_types);
        if (status != OK)
            return status;
        *part = (struct vmctx_heap){h->base, h};
    }
    for (u32 n = 0; n < s->instance_count && h != NULL; n++) {
        status_t status =
            instance_init_globals(s->instances[n], vms, GLOBALS_IN_HEAP);
        if (status != OK)
            return status;
        copy_constants(s->instances[n], vms);
    }
    return OK;
}

// --- blocks ------------------------------------------------------------------

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
    status_t status = add_heap(i, vm);
    if (status != OK) {
        kernel_free(vm);
        return status;
    }
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
    heap_free(vms_heap(s, vms));
    for (u32 n = 0; n < s->instance_count; n++)
        vm_free(s->instances[n], vms[n]);
    kernel_free(vms);
}

// Exceptions belong to the thread that made them (exception.c), heaps too.
static void
forget_references(const struct instance *i, struct vmctx *vm, bool has_heap)
{
    const struct module *m = &i->code->module;

    for (u32 k = 0; k < m->global_count; k++) {
        valtype_t type = m->globals[k].type.type;
        enum ref_kind kind =
            valtype_is_ref(type) ? valtype_ref_kind(m, type) : REF_FUNC;
        if (!global_is_shared(m, k) &&
            (kind == REF_EXN || (kind != REF_FUNC && has_heap)))
            own_globals(i, vm)[k].bits[0] = 0;
    }
    struct vmctx_heap *heap = heap_part(i, vm);
    if (heap != NULL)
        *heap = (struct vmctx_heap){NULL, NULL};
}

struct vmctx **
vms_copy(struct store *s, struct vmctx **from)
{
    struct vmctx **vms = kernel_alloc(s->instance_count * sizeof(*vms));
    bool has_heap = vms_heap(s, from) != NULL;

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
        forget_references(s->instances[n], vms[n], has_heap);
    }
    for (u32 n = 0; n < s->instance_count; n++)
        link_globals(s->instances[n], vms);
    if (renew_heap(s, vms) != OK) {
        vms_free(s, vms);
        return NULL;
    }
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
    copy_constants(i, vms);
    link_globals(i, vms);
}
