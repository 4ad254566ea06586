// sys/process.c: processes: instances, threads and handles that live and die
// together.
//
// A process that programs run in ends when its main thread returns, when one of
// its threads traps or exits it, when somebody kills it, or when its last
// thread ends.  The last thread to leave takes the process apart; the object
// stays for whoever wants the exit status.

#include "kernel/kernel.h"

enum { STATUS_TRAP = 134 };

const struct host_module *const *host_modules;

// --- host modules ------------------------------------------------------------

static bool
find_host(void *self, struct string module, struct string name,
          struct extern_ref *out)
{
    (void)self;
    for (u32 k = 0; host_modules[k] != NULL; k++) {
        const struct host_module *m = host_modules[k];
        if (!string_equal(module, string_of(m->name)))
            continue;
        for (u32 f = 0; f < m->count; f++)
            if (string_equal(name, string_of(m->funcs[f].name))) {
                *out = (struct extern_ref){EXTERN_FUNC, NULL, 0, &m->funcs[f]};
                return true;
            }
    }
    return false;
}

const struct resolver host_resolver = {NULL, find_host, true};

// --- life --------------------------------------------------------------------

// Row 0 is the null reference.  An embedder's process may get more and more
// instances, a program's knows how many functions it has.
static bool
init_funcs(struct process *p, u32 max)
{
    u64 entries = max * sizeof(*p->funcs);
    u64 targets = max * sizeof(*p->targets);

    p->func_max = max;
    p->funcs_reserved = max == FUNCS_MAX;
    if (p->funcs_reserved) {
        p->funcs = port_reserve(entries, PAGE_SIZE);
        p->targets = port_reserve(targets, PAGE_SIZE);
        p->func_committed = PAGE_SIZE / sizeof(*p->funcs);
    } else {
        p->funcs = kernel_alloc(entries);
        p->targets = kernel_alloc(targets);
        p->func_committed = max;
    }
    if (p->funcs == NULL || p->targets == NULL)
        return false;
    if (p->funcs_reserved && (!port_commit(p->funcs, PAGE_SIZE) ||
                              !port_commit(p->targets, PAGE_SIZE)))
        return false;
    p->funcs[0].code = (u64)null_call_stub;
    p->func_count = 1;
    return true;
}

static void
free_funcs(struct process *p)
{
    if (!p->funcs_reserved) {
        kernel_free(p->funcs);
        kernel_free(p->targets);
    } else {
        if (p->funcs != NULL)
            port_release(p->funcs, p->func_max * sizeof(*p->funcs));
        if (p->targets != NULL)
            port_release(p->targets, p->func_max * sizeof(*p->targets));
    }
    p->funcs = NULL;
    p->targets = NULL;
}

static status_t
new_with(struct process **out, const char *name, u32 instances, u32 funcs)
{
    struct process *p = kernel_alloc(sizeof(*p));

    if (p == NULL)
        return ERR_NO_MEMORY;
    object_init(&p->object, &process_type);
    format_safe(p->name, sizeof(p->name), "%s", name);
    lock_init(&p->lock, LOCK_PROCESS);
    handle_table_init(&p->handles);
    list_init(&p->threads);
    list_init(&p->exn_tables);
    mutex_init(&p->exn_mutex, LOCK_EXCEPTIONS);
    wait_queue_init(&p->done);
    p->instance_capacity = instances;
    p->instances = kernel_alloc(instances * sizeof(*p->instances));
    p->vms = kernel_alloc(instances * sizeof(*p->vms));
    if (p->instances == NULL || p->vms == NULL || !init_funcs(p, funcs)) {
        object_release(&p->object);
        return ERR_NO_MEMORY;
    }
    *out = p;
    return OK;
}

status_t
process_new_empty(struct process **out, const char *name)
{
    return new_with(out, name, INSTANCES_MAX, FUNCS_MAX);
}

// Give back everything but the object itself.  Nobody runs in p any more.
static void
take_apart(struct process *p)
{
    if (p->personality != NULL)
        p->personality->exit(p);
    p->personality = NULL;
    handle_table_free(&p->handles);
    exceptions_free(p);
    contexts_free(p, p->vms);
    while (p->instance_count > 0)
        instance_free(p->instances[--p->instance_count]);
    kernel_free(p->instances);
    free_funcs(p);
    p->vms = NULL;
    p->instances = NULL;
}

void
process_free(struct object *o)
{
    struct process *p = CONTAINER(o, struct process, object);

    take_apart(p);
    kernel_free(p);
}

void
process_release(struct process *p)
{
    object_release(&p->object);
}

static void
describe_import(char *text, u32 size, const struct module *m,
                const struct error *error)
{
    for (u32 k = 0; k < m->import_count; k++) {
        const struct import *i = &m->imports[k];
        if (i->at == error->at)
            format_safe(text, size, "%s \"%.*s\" \"%.*s\"", error->what,
                        (int)i->module.len, i->module.ptr, (int)i->name.len,
                        i->name.ptr);
    }
}

static void
describe_segment(char *text, u32 size, const struct module *m,
                 const struct error *error)
{
    for (u32 k = 0; k < m->elem_count; k++)
        if (m->elems[k].at == error->at)
            format(text, size, "%s: element segment %u, %u elements",
                   error->what, k, m->elems[k].count);
    for (u32 k = 0; k < m->data_count; k++)
        if (m->datas[k].at == error->at)
            format(text, size, "%s: data segment %u, %llu bytes", error->what,
                   k, (unsigned long long)m->datas[k].size);
}

// Which memories are too large, if that is why.
static void
describe_memory(char *text, u32 size, const struct module *m)
{
    u64 wanted = 0, available, total;

    port_memory_info(&available, &total);
    for (u32 k = 0; k < m->memory_count; k++) {
        const struct limits *type = &m->memories[k];
        u64 bytes = type->min > UINT64_MAX >> 20 >> type->page_log2 ?
                        UINT64_MAX >> 20 :
                        type->min << type->page_log2;
        wanted += bytes; // at most 100 of at most 2^44
    }
    if (wanted > available)
        format(text, size,
               "memory of %llu MiB does not fit: the machine has %llu MiB, of "
               "which %llu MiB are free",
               (unsigned long long)(wanted / MIB),
               (unsigned long long)(total / MIB),
               (unsigned long long)(available / MIB));
}

// Which import, segment or memory it was.
static void
describe(char *text, u32 size, struct code_module *m, const struct error *error)
{
    if (size > 0)
        text[0] = '\0';
    if (error->status == ERR_UNKNOWN_IMPORT || error->status == ERR_IMPORT_TYPE)
        describe_import(text, size, &m->module, error);
    else if (error->status == ERR_TRAP)
        describe_segment(text, size, &m->module, error);
    else if (error->status == ERR_NO_MEMORY)
        describe_memory(text, size, &m->module);
}

bool
process_missing_import(struct code_module *m, u32 *from, struct error *error,
                       char *error_text, u32 error_text_size)
{
    const struct module *info = &m->module;
    struct extern_ref ref;

    while (*from < info->import_count) {
        const struct import *i = &info->imports[(*from)++];
        bool given = i->kind == EXTERN_MEMORY && host_resolver.gives_memory;
        if (given || find_host(NULL, i->module, i->name, &ref))
            continue;
        *error = (struct error){ERR_UNKNOWN_IMPORT, i->at, "unknown import"};
        describe(error_text, error_text_size, m, error);
        return true;
    }
    return false;
}

status_t
process_new(struct process **out, struct code_module *m, const char *name,
            struct error *error, char *error_text, u32 error_text_size)
{
    struct process *p;
    struct instance *i;
    enum trap trap;

    *error = (struct error){OK, 0, NULL};
    status_t status = new_with(&p, name, 1, m->module.func_count + 1);
    if (status != OK)
        return status;
    status = instance_load(&i, p, m, &host_resolver, error, &trap);
    if (status != OK) {
        describe(error_text, error_text_size, m, error);
        object_release(&p->object);
        return status;
    }
    *out = p;
    return OK;
}

void
process_set_personality(struct process *p, const struct personality *type,
                        void *state)
{
    p->personality = type;
    p->personality_state = state;
}

void *
process_personality(struct process *p)
{
    return p->personality_state;
}

// --- threads -----------------------------------------------------------------

// Ids count up, and begin again after THREAD_ID_MAX.  Those of threads that
// live differ modulo THREAD_IDS, which are more than LIMIT_THREADS, so that a
// bit says whether one is free; p->lock is held.
static u32
take_thread_id(struct process *p)
{
    u64 *word, bit;

    do {
        p->last_thread_id = p->last_thread_id % THREAD_ID_MAX + 1;
        word = &p->thread_ids[p->last_thread_id % THREAD_IDS / 64];
        bit = 1ull << p->last_thread_id % 64;
    } while ((*word & bit) != 0);
    *word |= bit;
    return p->last_thread_id;
}

static void
free_thread_id(struct process *p, u32 id)
{
    p->thread_ids[id % THREAD_IDS / 64] &= ~(1ull << id % 64);
}

status_t
process_add_thread(struct process *p, struct thread *t)
{
    status_t status = OK;

    lock(&p->lock);
    if (p->ending) {
        status = ERR_EXITED;
    } else if (p->thread_count == LIMIT_THREADS) {
        status = ERR_FULL;
    } else {
        object_hold(&p->object);
        t->process = p;
        t->id = take_thread_id(p);
        p->thread_count++;
        list_append(&p->threads, &t->link);
    }
    unlock(&p->lock);
    return status;
}

static void
announce_end(struct process *p)
{
    bool on = lock_irq(&p->done.lock);

    p->ended = true;
    wait_queue_wake(&p->done, 0, UINT32_MAX);
    unlock_irq(&p->done.lock, on);
}

void
process_thread_ended(struct process *p, struct thread *t)
{
    if (t->vms != NULL && t->vms != p->vms)
        contexts_free(p, t->vms);
    t->vms = NULL;
    exceptions_thread_ended(p, t);
    lock(&p->lock);
    list_remove(&t->link);
    free_thread_id(p, t->id);
    bool last = --p->thread_count == 0;
    if (last)
        p->ending = true;
    unlock(&p->lock);
    if (last) {
        take_apart(p);
        announce_end(p);
    }
}

bool
process_end(struct process *p, u32 exit_status)
{
    lock(&p->lock);
    bool first = !p->ending;
    if (first) {
        p->ending = true;
        p->exit_status = exit_status;
        list_each (item, &p->threads) {
            thread_kill(CONTAINER(item, struct thread, link));
        }
    }
    bool empty = p->thread_count == 0;
    unlock(&p->lock);
    if (first && empty)
        announce_end(p);
    return first;
}

void
process_kill(struct process *p, u32 exit_status)
{
    process_end(p, exit_status);
}

struct process *
process_current(void)
{
    return thread_current()->process;
}

void
process_exit(u32 exit_status)
{
    process_end(process_current(), exit_status);
    thread_exit();
}

status_t
process_wait(struct process *p, u64 deadline_ns, u32 *exit_status)
{
    bool on;
    status_t status =
        wait_queue_until(&p->done, &p->ended, true, deadline_ns, &on);

    if (status != OK)
        return status;
    *exit_status = p->exit_status;
    unlock_irq(&p->done.lock, on);
    return OK;
}

// --- running programs --------------------------------------------------------

// What happens to the process when a thread's function did not return.
static void
thread_left(struct process *p, enum leave leave)
{
    if (leave == LEAVE_TRAP && process_end(p, STATUS_TRAP))
        trap_report(p, &thread_current()->trap);
}

static const char *const entries[] = {"_start", "_initialize"};

static const struct export *
find_entry(const struct module *m)
{
    for (u32 k = 0; k < COUNT(entries); k++) {
        const struct export *e = module_export(m, string_of(entries[k]));
        if (e == NULL || e->kind != EXTERN_FUNC)
            continue;
        const struct type *type = &m->types[m->funcs[e->index].type];
        if (type->param_count == 0 && type->result_count == 0)
            return e;
    }
    return NULL;
}

// The entry's name is there, but it is none.
static bool
has_wrong_entry(const struct module *m)
{
    bool found = false;

    for (u32 k = 0; k < COUNT(entries); k++)
        found |= module_export(m, string_of(entries[k])) != NULL;
    return found;
}

static void
main_thread(void *arg)
{
    struct process *p = arg;
    struct thread *t = thread_current();
    struct instance *i = p->instances[0];
    const struct module *m = &i->code->module;

    t->vms = p->vms;
    contexts_bind(p, p->vms, t);
    enum leave leave = LEAVE_NONE;
    if (m->start != NO_INDEX)
        leave = call_function(i, m->start, NULL);
    if (leave == LEAVE_NONE)
        leave = call_function(i, find_entry(m)->index, NULL);
    if (leave == LEAVE_NONE)
        process_end(p, 0);
    else
        thread_left(p, leave);
}

status_t
process_start(struct process *p)
{
    struct thread *t;

    if (p->instance_count == 0)
        return ERR_NOT_FOUND;
    const struct module *m = &p->instances[0]->code->module;
    if (find_entry(m) == NULL)
        return has_wrong_entry(m) ? ERR_WRONG_TYPE : ERR_NOT_FOUND;
    status_t status = thread_new(&t, p, main_thread, p);
    if (status == OK) {
        sched_start(t);
        thread_release(t);
    }
    return status;
}

// --- threads that programs spawn ---------------------------------------------

struct spawn {
    struct instance *instance;
    u32 func;
    u32 args[2];
};

static void
spawned_thread(void *arg)
{
    struct thread *t = thread_current();
    struct spawn spawn = *(struct spawn *)arg;
    u64 slots[2][2] = {
        {spawn.args[0], 0},
        {spawn.args[1], 0}
    };

    kernel_free(arg);
    thread_left(t->process, call_function(spawn.instance, spawn.func, slots));
}

// Let the new thread's C stack be at stack_top.
static void
set_stack_pointer(struct instance *i, struct vmctx **vms, u32 stack_top)
{
    const struct module *m = &i->code->module;
    const struct export *e = module_export(m, STRING("__stack_pointer"));
    u32 index = e != NULL && e->kind == EXTERN_GLOBAL ? e->index : 0;

    if (index >= m->global_count || !m->globals[index].type.mutable ||
        m->globals[index].type.type != VAL_I32)
        return;
    vmctx_global(i, index, vms)[0] = stack_top;
}

static status_t
spawn(struct process *p, const struct spawn *what, struct thread **out)
{
    struct spawn *copy = kernel_alloc(sizeof(*copy));

    if (copy == NULL)
        return ERR_NO_MEMORY;
    *copy = *what;
    status_t status = thread_new(out, p, spawned_thread, copy);
    if (status == OK) {
        status = contexts_copy(p, thread_current()->vms, *out);
        if (status != OK)
            thread_discard(*out);
    }
    if (status != OK)
        kernel_free(copy);
    return status;
}

status_t
thread_spawn(struct instance *from, u32 index, u32 arg, u32 stack_top,
             struct thread **out)
{
    struct process *p = from->process;
    struct spawn what = {.args = {arg}};
    struct live_table *t =
        from->code->module.table_count > 0 ? from->tables[0] : NULL;

    if (t == NULL || t->type.kind != REF_FUNC || !table_contains(t, index, 1))
        return ERR_BAD_ARGUMENT;
    // Other threads may change the table, but not the process's entries.
    u64 id = table_get(t, table_masked(t, index));
    if (p->funcs[id].sig != types_host("i:") ||
        !func_find(p, (u32)id, &what.instance, &what.func))
        return ERR_BAD_ARGUMENT;
    status_t status = spawn(p, &what, out);
    if (status == OK)
        set_stack_pointer(from, (*out)->vms, stack_top);
    return status;
}

void
thread_unspawn(struct thread *t)
{
    kernel_free(t->arg);
    thread_discard(t);
}

status_t
thread_spawn_export(struct string name, u32 arg, u32 *id)
{
    struct vmctx *vm = thread_current()->entry.vm;
    struct instance *from = vm->instance;
    const struct module *m = &from->code->module;
    const struct export *e = module_export(m, name);
    struct spawn what = {
        .instance = from, .args = {0, arg}
    };
    struct thread *t;

    if (e == NULL || e->kind != EXTERN_FUNC)
        return ERR_NOT_FOUND;
    what.func = e->index;
    if (from->code->ids[m->funcs[e->index].type] != types_host("ii:"))
        return ERR_BAD_ARGUMENT;
    status_t status = spawn(from->process, &what, &t);
    if (status != OK)
        return status;
    for (u32 n = 0; n < from->process->instance_count; n++)
        instance_init_globals(from->process->instances[n], t->vms);
    *id = ((struct spawn *)t->arg)->args[0] = t->id;
    sched_start(t);
    thread_release(t);
    return OK;
}
