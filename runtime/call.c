// runtime/call.c: calls from C into generated code.
//
// Values come in slots of 16 bytes and travel as code/abi.c says.  One stub of
// port/x64 makes the call for all types: here is what it finds in registers and
// on the stack.

#include "runtime/internal.h"

struct call_in {
    struct call_state state;
    struct vmctx *vm;
    const struct func_entry *entry;
    const struct type *type;
    u64 (*slots)[2];
};

// Where a value is; `stack` is rsp at the call.
static u64 *
place_in(struct call_state *state, u64 *stack, struct abi_place place)
{
    switch (place.kind) {
    case ABI_INT:
        return &state->ints[place.at];
    case ABI_VECTOR:
        return state->vectors[place.at];
    }
    return stack + place.at / sizeof(*stack);
}

// What is above 32 bits of an i32 or f32 may be anything, also in what a C
// function returns.
static void
move_value(u64 *to, const u64 *from, valtype_t type)
{
    to[0] = type == VAL_I32 || type == VAL_F32 ? (u32)from[0] : from[0];
    if (type == VAL_V128)
        to[1] = from[1];
}

void
call_pack(struct call_state *state, void *stack)
{
    struct call_in *call = CONTAINER(state, struct call_in, state);
    const struct type *type = call->type;
    struct abi_walk w = {0};

    for (u32 i = 0; i < type->param_count; i++) {
        struct abi_place place = abi_next(&w, type->vals[i]);
        move_value(place_in(state, stack, place), call->slots[i],
                   type->vals[i]);
    }
}

void
call_unpack(struct call_state *state, void *results)
{
    struct call_in *call = CONTAINER(state, struct call_in, state);
    const struct type *type = call->type;
    const valtype_t *vals = type->vals + type->param_count;
    struct abi_walk w = {.stack = (u32)state->args};
    u64 *stack = (u64 *)results - state->args / sizeof(u64);

    for (u32 i = 0; i < type->result_count; i++) {
        struct abi_place place = abi_next(&w, vals[i]);
        move_value(call->slots[i], place_in(state, stack, place), vals[i]);
    }
}

static void
enter(void *arg)
{
    struct call_in *call = arg;

    port_stubs->enter(call->vm, call->entry, &call->state);
}

static struct call_in
call_of(struct vmctx *vm, const struct func_entry *entry,
        const struct type *type, u64 (*slots)[2])
{
    struct abi_size size = abi_size(type);

    return (struct call_in){
        .state = {.args = size.args, .results = size.results},
        .vm = vm,
        .entry = entry,
        .type = type,
        .slots = slots,
    };
}

// In hardened mode: what the stub wants of the running thread.
static void
begin_call(void)
{
    if (!port_hardened())
        return;
    struct thread *t = thread_current();
    if (thread_entry(t)->guest_rsp == 0)
        thread_entry(t)->guest_rsp = (u64)stack_front(t);
    execution_give_rights(execution_of(t));
}

void
call_entry(struct vmctx *vm, const struct func_entry *entry,
           const struct type *type, u64 (*slots)[2])
{
    struct call_in call = call_of(vm, entry, type, slots);

    begin_call();
    enter(&call);
}

// Is there stack for the values of the call?
static bool
has_room(struct execution *x, const struct call_in *call)
{
    struct thread *t = thread_current();
    u64 values = call->state.args + call->state.results, rsp = (u64)call;
    const u8 *low = thread_stack_low(t);
    enum trap trap = TRAP_NONE;

    if (port_hardened()) {
        if (rsp < (u64)stack_front(t) + 2 * STACK_TOP + STACK_RESERVE)
            trap = TRAP_STACK_OVERFLOW;
        rsp = thread_entry(t)->guest_rsp;
    }
    if (trap == TRAP_NONE)
        trap = stack_grow(t, rsp - values);

    if (trap != TRAP_NONE) {
        x->trap = (struct trap_info){.kind = trap};
        return false;
    }
    if (thread_stack_low(t) != low)
        vms_bind(x->store, x->vms, t);
    return true;
}

enum leave
call_function(struct instance *i, u32 func, u64 (*slots)[2])
{
    struct execution *x = execution_current();
    struct thread_entry *t = thread_entry(thread_current());
    const struct module *m = &i->code->module;
    const struct func_entry *entry = &i->store->funcs[i->func_base + func];
    struct call_in call = call_of(x->vms[i->number], entry,
                                  &m->types[m->funcs[func].type], slots);
    const struct thread_entry outer = *t; // where C was called that calls now

    struct adapter **adapter = thread_adapter(thread_current());
    struct adapter *const outer_adapter = *adapter;

    begin_call();
    if (!has_room(x, &call))
        return LEAVE_TRAP;
    *adapter = NULL;
    t->popped = 0;
    bool done = barrier_call(&t->barrier, enter, &call);
    enum leave asked = (enum leave)t->leave;
    t->vm = outer.vm;
    t->rsp = outer.rsp;
    t->popped = outer.popped;
    *adapter = outer_adapter;
    t->kernel_rsp = outer.kernel_rsp;
    t->guest_rsp = outer.guest_rsp;
    execution_give_rights(x);
    t->leave = LEAVE_NONE;
    if (done)
        return LEAVE_NONE;
    return asked != LEAVE_NONE ? asked : LEAVE_KILLED;
}
