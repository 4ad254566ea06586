// runtime/throw.c: from a throw to its handler.
//
// Nothing is done when a try is entered.  A throw walks the frames from the
// call of the builtin outwards: call_site.try leads to the handlers of a frame.
// Of registers, the handler's own function keeps all that it needs, so only rsp
// has to be found.

#include "runtime/internal.h"

enum { LOOKS = 8192 }; // at tries or catches between two at a kill

// The handler for a tag among those of a call and around it; NULL: none, or the
// thread is killed.
static const struct code_catch *
find_catch(const struct call_frame *f, u64 tag)
{
    const struct code *code = &f->module->code;
    const struct instance *i = NULL;
    u64 step = 0;

    for (u32 try = f->call->try; try != 0; try = code->tries[try].parent) {
        const struct code_try *t = &code->tries[try];
        if (++step % LOOKS == 0 && thread_is_killed())
            return NULL;
        if (t->count == 0)
            continue;
        if (i == NULL)
            i = frame_instance(f);
        if (i == NULL)
            return NULL;
        for (u32 k = t->catches; k < t->catches + t->count; k++) {
            const struct code_catch *c = &code->catches[k];
            if (++step % LOOKS == 0 && thread_is_killed())
                return NULL;
            if (c->tag == NO_INDEX || i->tags[c->tag].id == tag)
                return c;
        }
    }
    return NULL;
}

static void
deliver(struct store *s, u64 exnref, const struct thrown_at *from,
        struct landing *to)
{
    struct exception *e = exception_get(s, exnref);
    struct call_frame f;

    bool found = frame_find(&f, thread_current(), (u64)&from->pc, 0);
    for (; found && !thread_is_killed(); found = frame_next(&f)) {
        const struct code_catch *c = find_catch(&f, e->tag);
        if (c == NULL)
            continue;
        *to = (struct landing){
            .pc = (u64)f.module->text + c->pc,
            .rsp = f.rsp,
            .rax = (u64)e->slots,
            .rdx = exnref,
        };
        *thread_adapter(f.thread) = f.adapter;
        return;
    }
    if (!found)
        thread_trap(TRAP_UNCAUGHT_EXCEPTION);
}

// In hardened mode what is thrown is looked at: is there such a tag, are its
// values on the stack?
static bool
throw_is_sound(struct vmctx *vm, u32 tag, u64 args)
{
    const struct instance *i = vm->instance;
    const struct module *m = &i->code->module;
    const struct thread *t = thread_current();
    u64 end = (u64)thread_stack_end(t);

    if (tag >= m->tag_count)
        return false;
    u64 size = m->types[m->tags[tag]].param_count * 2 * sizeof(u64);
    return size == 0 || (args >= (u64)thread_stack_low(t) && args <= end &&
                         size <= end - args);
}

void
exception_throw(struct vmctx *vm, u32 tag, u64 args,
                const struct thrown_at *from, struct landing *to)
{
    if (port_hardened() && !throw_is_sound(vm, tag, args)) {
        thread_trap(TRAP_HARDENED);
        return;
    }
    u64 exnref = exception_new(vm, tag, (u64(*)[2])args, from);

    if (exnref != 0)
        deliver(vm->instance->store, exnref, from, to);
    else if (!thread_is_killed())
        thread_trap(TRAP_NO_MEMORY);
}

void
exception_rethrow(struct vmctx *vm, u64 exnref, u64 nothing,
                  const struct thrown_at *from, struct landing *to)
{
    (void)nothing;
    if (exnref == 0)
        thread_trap(TRAP_NULL_EXCEPTION);
    else if (!exception_exists(vm->instance->store, exnref))
        thread_trap(TRAP_BAD_REFERENCE); // verified code passes any word
    else
        deliver(vm->instance->store, exnref, from, to);
}
