// runtime/frame.c: the frames of generated code, from a call outwards.
//
// What a frame is says the table row of its function and that of the call in
// it.  A callee pops its stack arguments, and a tail call may have exchanged
// the callee for one with fewer or more of them; their end stays where it was.
// So the way from a return address to rsp at the call is: over the return
// address, over what the callee pops, and back over what the call pushed.
//
// A call into another instance has the frame of adapt_stub in between, whose
// size nobody knows beforehand: it is in the list of adapters.  Tail calls may
// have led to a third one; the adapter is still that of the first call.

#include "runtime/internal.h"

const struct compiled *
compiled_at(const struct store *s, u64 pc)
{
    if (!port_code_contains(pc))
        return NULL;
    for (u32 n = 0; n < s->instance_count; n++) {
        const struct compiled *m = s->instances[n]->code;
        if (pc - (u64)m->text < m->code.size)
            return m;
    }
    return NULL;
}

static bool
on_stack(const struct thread *t, u64 at)
{
    return at >= (u64)thread_stack_low(t) && at < (u64)thread_stack_end(t) &&
           at % 8 == 0;
}

static bool
is_there(const struct call_frame *f, u64 at)
{
    return at >= f->low && on_stack(f->thread, at);
}

bool
adapter_is_at(const struct thread *t, const struct adapter *a, u64 above)
{
    bool is = (u64)a > above && on_stack(t, (u64)a);

    assert(is || port_hardened()); // where generated code may have written it
    return is;
}

// Over the calls between instances, from the one whose return address is at
// *at.
static bool
pass_adapters(struct call_frame *f, u64 *at, u32 *popped)
{
    while (is_there(f, *at) && *(u64 *)*at == (u64)adapt_return) {
        struct adapter *a = f->adapter;
        if (f->low != 0 && ((u64)a <= *at || !is_there(f, (u64)a)))
            return false;
        if (!adapter_is_at(f->thread, a, *at))
            return false;
        *at = (u64)&a->pc;
        *popped = (u32)a->args;
        f->adapter = a->outer;
    }
    return is_there(f, *at);
}

// The frame that the return address at `at` leads to.
static bool
step(struct call_frame *f, u64 at, u32 popped)
{
    if (!pass_adapters(f, &at, &popped))
        return false;
    u64 pc = *(u64 *)at;
    f->module = compiled_at(execution_of(f->thread)->store, pc);
    if (f->module == NULL)
        return false; // C
    u64 offset = pc - (u64)f->module->text;
    f->call = code_call(&f->module->code, offset);
    f->func = code_func(&f->module->code, offset - 1);
    if (f->call == NULL || f->func == NULL)
        return false;
    f->rsp = at + sizeof(pc) + popped - f->call->args;
    return true;
}

bool
frame_find(struct call_frame *f, struct thread *t, u64 at, u32 popped)
{
    *f = (struct call_frame){.thread = t, .adapter = *thread_adapter(t)};
    return step(f, at, popped);
}

bool
frame_guess(struct call_frame *f, struct thread *t, u64 at, u32 popped)
{
    *f = (struct call_frame){
        .thread = t, .adapter = *thread_adapter(t), .low = at};
    return step(f, at, popped);
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
    return step(f, end_of(f), f->func->args);
}

struct instance *
thread_instance(const struct thread *t, const struct vmctx *vm,
                const struct compiled *code)
{
    const struct execution *x = execution_of(t);
    const struct store *s = x->store;

    for (u32 n = 0; n < s->instance_count; n++)
        if (s->instances[n]->code == code && x->vms[n] == vm)
            return s->instances[n];
    return NULL;
}

struct instance *
frame_instance(const struct call_frame *f)
{
    u64 at = end_of(f) - HANDLER_VMCTX;
    const struct vmctx *vm = on_stack(f->thread, at) ? *(void **)at : NULL;
    struct instance *i = thread_instance(f->thread, vm, f->module);

    if (i == NULL && !port_hardened())
        panic(__FILE__, __LINE__, "a frame that is none");
    return i;
}
