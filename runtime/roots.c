// runtime/roots.c: where the references of a thread to its heap are.
//
// Only the heap's own thread looks, in a builtin that its code has called: so
// all that its code has in registers is in callee-saved ones, which the stub
// has pushed (port/x64/builtin.S), or in frames on its stack.  There any word
// may be a reference, and one that code uses after the call is there as it is:
// code computes other addresses from it only between the check of an index and
// the access (ir/gc.c).  Globals, tables and segments are looked through by
// their types.

#include "runtime/internal.h"

static bool
mark_globals(struct heap *h, const struct instance *i, struct vmctx **vms)
{
    const struct module *module = &i->code->module;

    for (u32 k = module->global_imports; k < module->global_count; k++) {
        if (!heap_goes_on(h, 1))
            return false;
        if (valtype_is_in_heap(module, module->globals[k].type.type))
            (void)heap_mark(h, vmctx_global(i, k, vms), 1, sizeof(u64));
    }
    return true;
}

static bool
mark_tables(struct heap *h, const struct instance *i)
{
    const struct module *module = &i->code->module;

    for (u32 k = module->table_imports; k < module->table_count; k++) {
        const struct live_table *t = i->tables[k];
        if (!heap_goes_on(h, 1))
            return false;
        if (t != NULL && ref_is_in_heap((enum ref_kind)t->type.kind))
            (void)heap_mark(h, t->view.base, t->view.count, sizeof(u64));
    }
    return true;
}

static bool
mark_segments(struct heap *h, const struct instance *i)
{
    const struct module *module = &i->code->module;

    for (u32 k = 0; k < module->elem_count; k++) {
        u64 count;
        const u64 *items = segment_items(i, k, &count);
        if (!heap_goes_on(h, 1))
            return false;
        if (valtype_is_in_heap(module, module->elems[k].type))
            (void)heap_mark(h, items, count, sizeof(u64));
    }
    return true;
}

// The frames of generated code, with the registers of the innermost, which its
// builtin's stub has pushed: nothing that C has below them, or above the
// outermost barrier, where C has called the first of them.  (At a barrier is
// the one before: port/x64/switch.S.)
static void
mark_stack(struct heap *h)
{
    const struct thread_entry *t = thread_entry(thread_current());
    const u8 *from = (u8 *)t->rsp - BUILTIN_KEPT;
    u64 end = t->barrier;

    for (u64 next; (next = *(u64 *)end) != 0;)
        end = next;
    (void)heap_mark(h, from, (end - (u64)from) / 4, 4);
}

void
heap_mark_roots(struct heap *h, const struct heap_roots *roots)
{
    struct store *s = roots->store;

    if (roots->has_stack)
        mark_stack(h);
    (void)heap_mark(h, h->base + HEAP_SCRATCH, 4, 4);
    for (u32 n = 0; n < s->instance_count && !h->marker.killed; n++) {
        const struct instance *i = s->instances[n];
        if (mark_globals(h, i, roots->vms) && mark_tables(h, i))
            (void)mark_segments(h, i);
    }
    if (!h->marker.killed)
        exceptions_mark(s, h);
}
