// test/mutants/guard_throw.c: from a throw to a landing pad, in the guarded
// process, by the tables beside the code, as runtime/throw.c and
// runtime/frame.c do it.

#include "test/mutants/inside.h"

#include <string.h>

static const u64 exnref = 0xe4e4e4e400000001;

// A frame of generated code.
struct call_frame {
    const struct call_site *call; // in it
    const struct func_code *func;
    u64 rsp;
};

static bool
on_stack(u64 at, u64 size)
{
    u64 offset = at - address_of(STACK);

    return offset < STACK_SIZE && size <= STACK_SIZE - offset;
}

static u64
word_at(struct guard *g, u64 at)
{
    u64 word;

    memcpy(&word, stack_at(g, at), sizeof(word));
    return word;
}

// The frame that the return address at `at` leads to.  False: nobody catches
// it, or *end is that it escaped.
static bool
step(struct guard *g, struct guard_run *run, struct call_frame *f, u64 at,
     u32 popped, enum guard_end *end)
{
    *end = GUARD_LEFT;
    if (at % 8 != 0 || !on_stack(at, 8)) {
        *end = guard_escaped(run, "a frame that is not on the stack");
        return false;
    }
    u64 pc = word_at(g, at), offset = pc - address_of(TEXT);
    if (pc == address_of(STUBS) + STUB_EXIT)
        return false;
    f->call = offset <= g->code->size ? code_call(g->code, offset) : NULL;
    f->func = f->call != NULL ? code_func(g->code, offset - 1) : NULL;
    if (f->func == NULL) {
        *end = guard_escaped(run, "no return address: %llx",
                             (unsigned long long)pc);
        return false;
    }
    f->rsp = at + 8 + popped - f->call->args;
    return true;
}

static const struct code_catch *
find_catch(const struct guard *g, const struct call_frame *f)
{
    const struct code *c = g->code;

    for (u32 t = f->call->try; t != 0; t = c->tries[t].parent)
        for (u32 k = 0; k < c->tries[t].count; k++) {
            const struct code_catch *one = &c->catches[c->tries[t].catches + k];
            if (one->tag == NO_INDEX || one->tag == g->tag)
                return one;
        }
    return NULL;
}

static enum guard_end
land(struct guard *g, struct guard_run *run, const struct call_frame *f,
     const struct code_catch *to, struct user_regs_struct *regs)
{
    u64 vmctx = f->rsp + f->func->frame - HANDLER_VMCTX;

    if (!on_stack(vmctx, 8) || word_at(g, vmctx) != g->vmctx)
        return guard_escaped(run, "a frame without a vmctx");
    for (u32 i = 0; i < 16; i++)
        *guard_register(regs, i) = 0xd9d9d9d9d9d9d9d9;
    regs->rip = address_of(TEXT) + to->pc;
    regs->rsp = f->rsp;
    regs->rax = g->payload;
    regs->rdx = g->thrown;
    return GUARD_LEFT;
}

// What is thrown, where nobody may write to it, and behind it there is nothing.
static enum guard_end
make(struct guard *g, struct guard_run *run, const struct user_regs_struct *r)
{
    u32 tag = (u32)r->rsi;
    struct part *p = &g->parts[PAYLOAD];
    u64 size = tag < g->m->tag_count ?
                   16ull * g->m->types[g->m->tags[tag]].param_count :
                   p->size + 1;

    if (size > p->size || (size > 0 && !on_stack(r->rdx, size)))
        return guard_escaped(run, "tag %u, its values at %llx", tag, r->rdx);
    memset(p->ours, CANARY, p->size);
    if (size > 0)
        memcpy(p->ours + p->size - size, stack_at(g, r->rdx), size);
    memcpy(p->first, p->ours, p->size);
    g->tag = tag;
    g->thrown = exnref;
    g->payload = address_of(PAYLOAD) + p->size - size;
    return GUARD_LEFT;
}

bool
throw_builtin(struct guard *g, struct guard_run *run, u32 builtin,
              struct user_regs_struct *regs, enum guard_end *end)
{
    struct call_frame f;

    *end = builtin == BUILTIN_THROW ? make(g, run, regs) : GUARD_LEFT;
    if (*end == GUARD_ESCAPED || (builtin == BUILTIN_THROW_REF &&
                                  (g->thrown == 0 || regs->rsi != g->thrown)))
        return false;
    bool found = step(g, run, &f, regs->rsp, 0, end);
    while (found) {
        const struct code_catch *to = find_catch(g, &f);
        if (to != NULL) {
            *end = land(g, run, &f, to, regs);
            return *end != GUARD_ESCAPED;
        }
        found = step(g, run, &f, f.rsp + f.func->frame, f.func->args, end);
    }
    return false;
}
