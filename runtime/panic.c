// runtime/panic.c: what a panic says besides its reason: where the kernel was,
// through its own frames and those of the program that called it, and which
// threads ran before.
//
// It takes no locks and waits for nothing: the other CPUs stand still, with
// whatever they held.

#include "runtime/internal.h"

enum { CALLERS = 32 };

static void
say_place(panic_say_t *say, u64 pc, const char *how)
{
    u64 offset;
    const char *name = port_symbol(pc, &offset);

    if (name != NULL)
        say("    %s %s+0x%llx (%llx)", how, name, (unsigned long long)offset,
            (unsigned long long)pc);
    else
        say("    %s %llx", how, (unsigned long long)pc);
}

// The frames of C from rbp outwards, as far as they are on the stack that rsp
// is on, below `end`.
static void
say_callers(panic_say_t *say, u64 rbp, u64 rsp, u64 end)
{
    for (u32 i = 0; i < CALLERS; i++) {
        const u64 *frame = (const u64 *)rbp;

        if (rbp % 8 != 0 || rbp < rsp || rbp + 16 > end)
            return;
        say_place(say, frame[1] - 1, "called from"); // in the call
        rsp = rbp + 16;
        rbp = frame[0];
    }
}

static void
say_program(panic_say_t *say, const struct call_frame *f)
{
    struct code_place place = {.func = f->func->func, .at = f->call->at};

    if (place.func == NO_INDEX)
        return; // the stub of an import
    module_names(&f->module->module, &place, 1, NULL);
    if (place.name.len > 0)
        say("    called from wasm %.*s (offset 0x%llx)", (int)place.name.len,
            place.name.ptr, (unsigned long long)place.at);
    else
        say("    called from wasm func[%u] (offset 0x%llx)", place.func,
            (unsigned long long)place.at);
}

// Where the program called C that is on this stack; 0: it did not.
static u64
program_call(struct thread *t, u64 rsp, u64 end)
{
    if (t == NULL || execution_of(t) == NULL)
        return 0;
    const struct thread_entry *entry = thread_entry(t);
    bool here = entry->barrier != 0 && entry->rsp > rsp && entry->rsp < end &&
                entry->rsp % 8 == 0;

    return here && port_code_contains(*(const u64 *)entry->rsp) ? entry->rsp :
                                                                  0;
}

static void
report(panic_say_t *say, u64 pc, u64 rbp, u64 rsp)
{
    struct thread *t = sched_current();
    u64 end = rsp | (STACK_SIZE - 1), call = program_call(t, rsp, end);
    struct call_frame f;

    say_place(say, pc, "at");
    say_callers(say, rbp, rsp, call != 0 ? call : end);
    bool found = call != 0 && frame_find(&f, t, call, thread_entry(t)->popped);
    for (u32 i = 0; i < CALLERS && found; i++, found = frame_next(&f))
        say_program(say, &f);
    history_tell(say);
}

void
panic_init(void)
{
    port_panic_report(report);
}
