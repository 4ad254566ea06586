// sys/spawn.c: processes that programs start.
//
// A program is what its parent names and no more: the code, its arguments,
// handles, which move, and descriptors, which the parent's personality makes
// from its own or from streams.  Nothing else leads anywhere: a process that is
// given nothing reaches nothing.
//
// All that can fail comes first; then the handles leave the parent's table in
// one step, and the process starts.

#include "sys/internal.h"

enum { TEXT_SIZE = 400 };

// Work that is done in a thread of its own, so that it can be killed and has a
// stack of its own.
struct work {
    struct code_module *module; // made, or used
    struct bytes bytes;         // of a module
    struct group *group;        // that pays for it, or of a process
    const char *name;
    struct process *child;
    struct error error;
    char text[TEXT_SIZE]; // what was wrong
    status_t status;
};

static status_t
run_apart(void (*run)(void *), struct work *w)
{
    status_t status = thread_run_until(run, w, UINT64_MAX);

    return status == OK ? w->status : status;
}

// Words for people: at most `to.size` bytes with the zero at the end.
static void
put_text(struct bytes to, const struct work *w)
{
    const char *what = w->error.what != NULL ? w->error.what : "";

    if (to.size == 0)
        return;
    if (w->text[0] != 0)
        format_safe((char *)to.ptr, to.size, "%s", w->text);
    else
        format_safe((char *)to.ptr, to.size, "offset 0x%llx: %s",
                    (unsigned long long)w->error.at, what);
}

// --- modules -----------------------------------------------------------------

static void
compile(void *arg)
{
    struct work *w = arg;

    struct account *before = thread_charge(group_account(w->group));
    w->status = code_module_get(&w->module, w->bytes, &w->error);
    thread_charge(before);
}

status_t
module_compile_apart(struct bytes bytes, struct bytes text,
                     struct code_module **out)
{
    struct work w = {.bytes = bytes, .group = group_current()};
    status_t status = run_apart(compile, &w);

    if (status == OK)
        *out = w.module;
    else if (w.module != NULL)
        code_module_release(w.module); // we were killed when it was done
    if (status != OK && w.error.what != NULL)
        put_text(text, &w);
    return status;
}

// --- processes ---------------------------------------------------------------

static void
load(void *arg)
{
    struct work *w = arg;

    w->status = process_new(&w->child, w->group, w->module, w->name, &w->error,
                            w->text, sizeof(w->text));
}

status_t
process_create_child(struct code_module *m, struct process **out)
{
    struct process *parent = process_current();
    struct work w = {
        .module = m, .group = group_current(), .name = parent->name};
    status_t status = run_apart(load, &w);

    if (status == OK && parent->personality != NULL &&
        parent->personality->share_output != NULL) {
        struct account *before = thread_charge(w.child->account);
        status = parent->personality->share_output(w.child);
        thread_charge(before);
    }
    if (status == OK)
        *out = w.child;
    else if (w.child != NULL)
        process_release(w.child);
    return status;
}

static status_t
load_child(struct spawn *s, struct bytes text)
{
    struct work w = {.module = s->module, .group = s->group, .name = s->name};
    status_t status = run_apart(load, &w);

    if (status == OK)
        s->child = w.child;
    else if (w.child != NULL)
        process_release(w.child);
    if (status != OK && (w.error.what != NULL || w.text[0] != 0))
        put_text(text, &w);
    return status;
}

// What the personality of the parent gives; without one there is nothing.
static status_t
give_setup(struct spawn *s)
{
    struct process *parent = process_current();
    const struct spawn_setup *setup = &s->setup;

    if (parent->personality != NULL && parent->personality->spawn != NULL) {
        struct account *before = thread_charge(s->child->account);
        status_t status = parent->personality->spawn(s->child, setup);
        thread_charge(before);
        return status;
    }
    bool nothing = setup->args.size == 0 && setup->env.size == 0 &&
                   setup->descriptor_count == 0;
    return nothing ? OK : ERR_UNSUPPORTED;
}

// From the parent's table: those for the child's table, and those of streams,
// which its descriptors have by now.
static status_t
move_handles(struct spawn *s)
{
    struct process *parent = process_current();
    status_t status = handle_table_reserve(&s->child->handles, s->handle_count);

    if (status == OK)
        status = handle_take(&parent->handles, s->handles, s->carried,
                             s->handle_count + s->stream_count, NULL);
    if (status != OK)
        return status;
    for (u32 i = 0; i < s->stream_count; i++)
        object_release_handle(s->carried[s->handle_count + i].object);
    status = handle_put(&s->child->handles, s->carried, s->child->given,
                        s->handle_count);
    assert(status == OK); // there was room
    s->child->given_count = s->handle_count;
    return OK;
}

// Its main thread is ready to start, and the parent has a handle.
static status_t
prepare(struct spawn *s, struct program_thread **thread, handle_t *handle)
{
    struct process *parent = process_current();
    status_t status = give_setup(s);

    if (status == OK)
        status = process_prepare(s->child, thread);
    if (status != OK)
        return status;
    status = handle_new(&parent->handles, &s->child->object,
                        process_type.rights, handle);
    if (status == OK) {
        status = move_handles(s);
        if (status != OK) // or another thread has closed it, by chance
            (void)!handle_close(&parent->handles, *handle);
    }
    if (status != OK)
        process_abandon(*thread);
    return status;
}

status_t
process_spawn_child(struct spawn *s, struct bytes text, handle_t *out)
{
    struct program_thread *thread;
    status_t status = load_child(s, text);

    if (status != OK)
        return status;
    status = prepare(s, &thread, out);
    if (status == OK)
        process_start_thread(thread);
    process_release(s->child);
    return status;
}
