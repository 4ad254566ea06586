// runtime/hardened.c: what the stubs of hardened mode ask of C.
//
// There generated code may have written what it likes to its memories, tables,
// vmctx and stack, and called with whatever registers.  So the kernel takes
// nothing from there but numbers that it checks: which instance calls follows
// from the thread's execution, what is called from the rows of its store.

#include "runtime/internal.h"

static bool
refuse(void)
{
    thread_trap_here(TRAP_HARDENED);
    return false;
}

void
host_rogue(void)
{
    (void)refuse();
}

// Does generated code of t have the stack at rsp, with all that it has there?
static bool
is_guest_stack(const struct thread *t, u64 rsp)
{
    u64 end = (u64)stack_front(t);

    return rsp >= (u64)thread_stack_low(t) && rsp < end && rsp % 8 == 0;
}

// Whose block that is, of the running thread's execution; NULL: nobody's.
static struct instance *
instance_of(const struct vmctx *vm)
{
    const struct execution *x = execution_current();

    for (u32 n = 0; n < x->store->instance_count; n++)
        if (x->vms[n] == vm)
            return x->store->instances[n];
    return NULL;
}

// Note where the running thread calls from: the return address is at `at`.
static bool
note_call(u64 rsp, u64 at, struct vmctx *vm)
{
    struct thread *t = thread_current();
    struct thread_entry *entry = thread_entry(t);
    struct instance *i = is_guest_stack(t, rsp) ? instance_of(vm) : NULL;

    if (i == NULL)
        return refuse();
    entry->vm = &i->front;
    entry->rsp = at;
    entry->guest_rsp = rsp & ~15ull;
    entry->popped = 0;
    return true;
}

// No program here has a heap (check_module() in runtime/instance.c), so none
// calls what is for heaps: the last ones.
static struct host_entered
builtin_entered(u64 number)
{
    if (number >= BUILTIN_STRUCT_NEW)
        return (struct host_entered){refuse() ? "" : NULL, 0};
    return (struct host_entered){
        builtin_functions[index_masked(number, BUILTIN_STRUCT_NEW)],
        HOST_WIDE | HOST_VMCTX};
}

struct host_entered
host_entered(u64 rsp, struct vmctx *vm)
{
    const u64 *pushed = (const u64 *)rsp;
    struct host_entered none = {NULL, 0};

    if (!note_call(rsp, rsp + 4 * sizeof(u64), vm))
        return none;
    u32 what = (u32)pushed[3];
    if (what & HOST_BUILTIN)
        return builtin_entered(what & ~HOST_BUILTIN);
    const struct store *s = execution_current()->store;
    u32 id = (u32)index_masked(what, s->func_count);
    const struct func_target *target = &s->targets[id];
    if (what >= s->func_count || target->code == 0 ||
        port_code_contains(target->code)) {
        host_rogue();
        return none;
    }
    bool wide = s->funcs[id].code == (u64)port_stubs->host_call_wide;
    u64 args = (u64)target->args * STACK_UNIT;
    thread_entry(thread_current())->popped = (u32)args;
    return (struct host_entered){(const void *)target->code,
                                 args | (wide ? HOST_WIDE : 0)};
}

bool
throw_entered(const struct thrown_at *from, struct vmctx *vm)
{
    return note_call((u64)from, (u64)&from->pc, vm);
}

// --- rights ------------------------------------------------------------------

static u32
add_instance(u32 rights, const struct instance *i, const struct vmctx *vm)
{
    const struct module *m = &i->code->module;

    for (u32 k = 0; k < m->memory_count; k++)
        if (i->memories[k] != NULL)
            rights = port_rights_add(rights, i->memories[k]->base,
                                     i->memories[k]->reserved);
    for (u32 k = 0; k < m->table_count; k++)
        if (i->tables[k] != NULL)
            rights = port_rights_add(rights, i->tables[k]->view.base,
                                     i->tables[k]->room * sizeof(u64));
    return port_rights_add(rights, vm, m->layout.size);
}

void
execution_give_rights(const struct execution *x)
{
    struct thread *t = thread_current();
    u32 rights = PORT_NO_RIGHTS;

    if (!port_hardened())
        return;
    rights = port_rights_add(rights, thread_stack_low(t), PAGE_SIZE);
    for (u32 n = 0; x != NULL && n < x->store->instance_count; n++)
        rights = add_instance(rights, x->store->instances[n], x->vms[n]);
    thread_entry(t)->rights = rights;
}
