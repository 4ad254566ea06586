// runtime/trap.c: faults of generated code become traps; traps are reported.
//
// The fault handler only notes what happened and lets the thread go on in
// trap_stub.  From there it walks its stack as any C does: it may be preempted
// and killed.
//
// A fault is a trap only at a pc that the running store's code lists as a
// trap site, and, for memory, only at an address inside the slots of its own
// memories: those of the instance that runs, whose vmctx is in r14.  Everything
// else is our bug and stops the kernel; but in hardened mode, where generated
// code has rights of its own, it only ends the program.

#include "runtime/internal.h"

// --- backtraces --------------------------------------------------------------

static void
trap_begin(struct thread *t, enum trap kind)
{
    struct trap_info *trap = &execution_of(t)->trap;

    thread_entry(t)->leave = LEAVE_TRAP;
    trap->kind = kind;
    trap->depth = 0;
    trap->more = trap->killed = false;
}

static bool
same_place(const struct trace_frame *a, const struct trace_frame *b)
{
    return a->module == b->module && a->func == b->func && a->at == b->at;
}

static void
add_frame(struct trap_info *trap, const struct compiled *m, u32 func, u64 at)
{
    const struct trace_frame frame = {&m->module, func, 0, at};

    if (func == NO_INDEX)
        return; // the stub of an import
    if (trap->depth > 0 && same_place(&trap->frames[trap->depth - 1], &frame))
        trap->frames[trap->depth - 1].times++;
    else if (trap->depth == TRACE_DEPTH)
        trap->more = true;
    else
        trap->frames[trap->depth++] = frame;
}

// The callers of what returns by [at] and pops so much then.
static void
trace_callers(struct thread *t, u64 at, u32 popped)
{
    struct trap_info *trap = &execution_of(t)->trap;
    struct call_frame f;
    bool found = frame_find(&f, t, at, popped);

    for (; found && !trap->more; found = frame_next(&f)) {
        if (thread_is_killed()) {
            trap->killed = true;
            return;
        }
        add_frame(trap, f.module, f.func->func, f.call->at);
    }
}

// From a fault at a trap site outwards.
static void
trace(struct thread *t, const struct compiled *m, const struct trap_site *site,
      u64 rsp)
{
    const struct func_code *f = code_func(&m->code, site->pc);
    // The stack check comes before the frame.
    bool entered = site->trap != TRAP_STACK_OVERFLOW;

    if (f == NULL)
        return;
    if (site->call == 0) {
        add_frame(&execution_of(t)->trap, m, f->func, site->at);
    } else {
        add_frame(&execution_of(t)->trap, m,
                  module_func_at(&m->module, site->at), site->at);
        add_frame(&execution_of(t)->trap, m, f->func, site->call);
    }
    trace_callers(t, rsp + (entered ? f->frame : 0), f->args);
}

// From a call into another instance outwards.
static void
trace_adapter(struct thread *t)
{
    struct adapter *a = *thread_adapter(t);

    if (!adapter_is_at(t, a, 0))
        return;
    *thread_adapter(t) = a->outer;
    trace_callers(t, (u64)&a->pc, (u32)a->args);
}

void
thread_trap_here(enum trap kind)
{
    trap_begin(thread_current(), kind);
}

void
thread_trap(enum trap kind)
{
    struct thread *t = thread_current();
    const struct thread_entry *entry = thread_entry(t);

    trap_begin(t, kind);
    trace_callers(t, entry->rsp, entry->popped);
}

u64
trap_found(void)
{
    struct thread *t = thread_current();
    const struct execution *x = execution_of(t);
    const struct trap_info *trap = &x->trap;
    const struct compiled *m = compiled_at(x->store, trap->pc);
    const struct trap_site *site =
        m != NULL ? code_trap(&m->code, trap->pc - (u64)m->text) : NULL;

    if (site != NULL)
        trace(t, m, site, trap->rsp);
    else if (trap->pc == (u64)adapt_overflow)
        trace_adapter(t);
    return thread_entry(t)->barrier;
}

// --- faults ------------------------------------------------------------------

// The memory of the instance whose slot the address is in.
static struct memory *
memory_at(const struct instance *i, u64 address)
{
    for (u32 k = 0; k < i->code->module.memory_count; k++) {
        struct memory *m = i->memories[k];
        if (m != NULL && address - (u64)m->base < m->reserved)
            return m;
    }
    return NULL;
}

// Is the address in the slot of the heap, where there is nothing?
static bool
is_in_heap(const struct instance *i, struct vmctx *vm, u64 address)
{
    const struct module *m = &i->code->module;

    return m->has_heap &&
           heap_contains(vmctx_heap(&m->layout, vm)->heap, address);
}

// The trap that a fault in `code` (NULL: in none of t's) is; TRAP_NONE: not one
// of ours.  *retry: it was the first touch of memory that the program has.
static enum trap
classify(const struct thread *t, const struct compiled *code,
         const struct fault *f, const struct trap_site *site, bool *retry)
{
    if (f->kind == FAULT_MEMORY) {
        const struct instance *i =
            thread_instance(t, (const struct vmctx *)f->r14, code);
        if (i != NULL && site != NULL && f->absent &&
            is_in_heap(i, (struct vmctx *)f->r14, f->address))
            return site->trap;
        struct memory *m = i != NULL ? memory_at(i, f->address) : NULL;
        u64 at = m != NULL ? f->address - (u64)m->base : 0;
        if (m == NULL || site == NULL || !f->absent)
            return TRAP_NONE;
        if (!memory_contains(m, at, 1))
            return site->trap;
        *retry = memory_touch(m, at, 1);
        return *retry ? TRAP_NONE : TRAP_NO_MEMORY;
    }
    if (f->kind == FAULT_UNDEFINED && f->pc == (u64)null_call_stub)
        return TRAP_NULL_FUNCTION;
    if (f->kind == FAULT_UNDEFINED && f->pc == (u64)adapt_overflow)
        return TRAP_STACK_OVERFLOW;
    if (site == NULL)
        return TRAP_NONE;
    if (f->kind == FAULT_DIVIDE)
        return f->divide_zero ? TRAP_DIVIDE_BY_ZERO : TRAP_INTEGER_OVERFLOW;
    return site->trap;
}

enum trap
stack_grow(struct thread *t, u64 rsp)
{
    status_t status = thread_grow_stack(t, rsp);

    return status == OK        ? TRAP_NONE :
           status == ERR_LIMIT ? TRAP_STACK_OVERFLOW :
                                 TRAP_NO_MEMORY;
}

// A stack check failed.  If there is more stack to have, go on: in a function
// from its entry, which has changed nothing yet; in adapt_stub behind the ud2.
static enum trap
grow_stack(struct thread *t, const struct compiled *m, struct fault *f)
{
    const struct adapter *a = *thread_adapter(t);
    u64 size = 0, go_on = f->pc + 2;

    if (m == NULL) {
        if (!adapter_is_at(t, a, 0))
            return TRAP_HARDENED;
        size = a->args + a->results;
    } else {
        const struct func_code *func =
            code_func(&m->code, f->pc - (u64)m->text);
        assert(func != NULL && func->func != NO_INDEX);
        size = func->frame;
        go_on = (u64)m->text + m->code.entries[func->func];
    }
    enum trap trap = stack_grow(t, f->rsp - size);
    if (trap != TRAP_NONE)
        return trap;
    vms_bind(execution_of(t)->store, execution_of(t)->vms, t);
    f->pc = go_on;
    return TRAP_NONE;
}

// Let the thread go on in trap_stub.
static void
start_trap(struct thread *t, enum trap kind, struct fault *fault)
{
    struct trap_info *trap = &execution_of(t)->trap;

    trap_begin(t, kind);
    trap->pc = fault->pc;
    trap->rsp = fault->rsp;
    fault->pc = (u64)trap_stub;
    fault->rsp =
        fault->restricted ? thread_entry(t)->kernel_rsp : fault->rsp & ~15ull;
    fault->restricted = false;
}

enum fault_action
fault_handle(struct fault *fault)
{
    struct thread *t = sched_current();
    bool retry = false;
    struct execution *x = t != NULL ? execution_of(t) : NULL;

    if (x == NULL || thread_entry(t)->barrier == 0)
        return FAULT_PANIC;
    const struct compiled *m = compiled_at(x->store, fault->pc);
    const struct trap_site *site =
        m != NULL ? code_trap(&m->code, fault->pc - (u64)m->text) : NULL;
    enum trap trap = classify(t, m, fault, site, &retry);
    if (trap == TRAP_STACK_OVERFLOW)
        retry = (trap = grow_stack(t, m, fault)) == TRAP_NONE;
    if (trap == TRAP_NONE && !retry && fault->restricted)
        trap = TRAP_HARDENED;
    if (trap == TRAP_NONE && !retry)
        return FAULT_PANIC;
    if (trap != TRAP_NONE)
        start_trap(t, trap, fault);
    return FAULT_CONTINUE;
}

// --- reports -----------------------------------------------------------------

_Static_assert((int)TRACE_DEPTH <= (int)PLACES_MAX, "described at once");

// Describe the frames that are of the same module as frame `first`: one walk
// over what the module says.
static void
describe(const struct trap_info *trap, u32 first, struct code_place *out)
{
    const struct module *m = trap->frames[first].module;
    struct code_place places[TRACE_DEPTH];
    u32 count = 0;

    for (u32 k = first; k < trap->depth; k++)
        if (trap->frames[k].module == m)
            places[count++] = (struct code_place){
                .func = trap->frames[k].func,
                .at = trap->frames[k].at,
            };
    module_names(m, places, count, thread_is_killed);
    module_lines(m, places, count, thread_is_killed);
    count = 0;
    for (u32 k = first; k < trap->depth; k++)
        if (trap->frames[k].module == m)
            out[k] = places[count++];
}

static bool
is_first_of_module(const struct trap_info *trap, u32 frame)
{
    for (u32 k = 0; k < frame; k++)
        if (trap->frames[k].module == trap->frames[frame].module)
            return false;
    return true;
}

static void
report_frame(const struct trace_frame *frame, const struct code_place *place)
{
    struct string name = place->name;
    char number[32], line[160] = "", times[32] = "";

    if (name.len == 0) {
        u32 len = format(number, sizeof(number), "func[%u]", frame->func);
        name = (struct string){number, len};
    }
    if (place->file.len > 0)
        format_safe(line, sizeof(line), "%.*s:%llu, ", (int)place->file.len,
                    place->file.ptr, (unsigned long long)place->line);
    if (frame->times > 0)
        format(times, sizeof(times), ", %u times more", frame->times);
    klog("    at %.*s (%soffset 0x%llx)%s", (int)name.len, name.ptr, line,
         (unsigned long long)frame->at, times);
}

void
trap_report(const char *name, const struct trap_info *trap)
{
    struct code_place places[TRACE_DEPTH];

    u32 percent = account_overcommit(account_current());

    klog("nebulet: %s: trap: %s", name, trap_text(trap->kind));
    if (trap->kind == TRAP_NO_MEMORY && percent > 100)
        klog("    of what was not promised: its group overcommits, %u percent",
             percent);
    for (u32 k = 0; k < trap->depth; k++)
        if (is_first_of_module(trap, k))
            describe(trap, k, places);
    for (u32 k = 0; k < trap->depth; k++)
        report_frame(&trap->frames[k], &places[k]);
    if (trap->killed || thread_is_killed())
        klog("    ... killed, so that frames, names or lines may be missing");
    else if (trap->more)
        klog("    ...");
}
