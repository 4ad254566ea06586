// kernel/frame.c: the frames of generated code, from a call outwards.
//
// What a frame is says the table row of its function and that of the call in
// it.  A callee pops its stack arguments, and a tail call may have exchanged
// the callee for one with fewer or more of them; their end stays where it was.
// So the way from a return address to rsp at the call is: over the return
// address, over what the callee pops, and back over what the call pushed.

#include "kernel/kernel.h"

const struct code_module *
code_module_at(const struct process *p, u64 pc)
{
    if (!port_code_contains(pc))
        return NULL;
    for (u32 n = 0; n < p->instance_count; n++) {
        const struct code_module *m = p->instances[n]->code;
        if (pc - (u64)m->text < m->code.size)
            return m;
    }
    return NULL;
}

static bool
on_stack(const struct thread *t, u64 at)
{
    return at - (u64)t->stack <= STACK_SIZE - STACK_TOP && at % 8 == 0;
}

bool
frame_find(struct call_frame *f, struct thread *t, u64 at, u32 popped)
{
    if (!on_stack(t, at))
        return false;
    u64 pc = *(u64 *)at;
    const struct code_module *m = code_module_at(t->process, pc);
    if (m == NULL)
        return false; // C
    u64 offset = pc - (u64)m->text;
    const struct call_site *call = code_call(&m->code, offset);
    const struct func_code *func = code_func(&m->code, offset - 1);
    if (call == NULL || func == NULL)
        return false;
    *f = (struct call_frame){
        .thread = t,
        .module = m,
        .func = func,
        .call = call,
        .rsp = at + sizeof(pc) + popped - call->args,
    };
    return true;
}

// Where the function's return address is.
static u64
end_of(const struct call_frame *f)
{
    return f->rsp + f->func->frame;
}

bool
frame_next(struct call_frame *f)
{
    return frame_find(f, f->thread, end_of(f), f->func->args);
}

struct instance *
frame_instance(const struct call_frame *f)
{
    const struct thread *t = f->thread;
    const struct process *p = t->process;
    struct vmctx *vm = *(struct vmctx **)(end_of(f) - HANDLER_VMCTX);

    for (u32 n = 0; n < p->instance_count; n++)
        if (t->vms[n] == vm && p->instances[n]->code == f->module)
            return p->instances[n];
    panic(__FILE__, __LINE__, "a frame that is none");
}
