// sys/process.c: processes: a store, threads and handles that live and die
// together.
//
// A process that programs run in ends when its main thread returns, when one of
// its threads traps or exits it, when somebody kills it, or when its last
// thread ends.  The last thread to leave takes the process apart; the object
// stays for whoever wants the exit status.

#include "sys/internal.h"

// --- life --------------------------------------------------------------------

static void
kill_member(struct member *m, u32 exit_status)
{
    process_kill(CONTAINER(m, struct process, member), exit_status);
}

// With an account of its own, which has all that is made for it.
static status_t
process_alloc(struct process **out, struct group *g)
{
    static u64 made;
    struct account *account;
    status_t status = account_new(&account, group_account(g));

    if (status != OK)
        return status;
    account_limit_process(account);
    account_set_ceiling(account, account_ceiling(account_current()));
    struct process *p =
        account_alloc(account, RESOURCE_KERNEL, sizeof(*p), &status);
    if (p == NULL) {
        account_release(account);
        return status;
    }
    p->account = account;
    p->number = __atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
    object_init(&p->object, &process_type);
    member_init(&p->member, g, MEMBER_PROCESS, &p->object, p->name);
    p->member.account = account;
    p->member.kill = kill_member;
    handle_table_init(&p->handles, account);
    *out = p;
    return OK;
}

status_t
process_new_for(struct process **out, struct group *g, const char *name,
                struct code_module *const *modules, u32 count)
{
    struct process *p = NULL;
    status_t status = process_alloc(&p, g != NULL ? g : group_current());

    if (p == NULL)
        return status;
    format_safe(p->name, sizeof(p->name), "%s", name);
    lock_init(&p->lock, LOCK_PROCESS);
    list_init(&p->threads);
    p->counted = account_charge(p->account, RESOURCE_PROCESSES, 1);
    struct account *before = thread_charge(p->account);
    status = p->counted ? store_new(&p->store, modules, count, p) : ERR_LIMIT;
    thread_charge(before);
    if (status == OK)
        *out = p;
    else
        object_release(&p->object);
    return status;
}

status_t
process_new_empty(struct process **out, struct group *g, const char *name)
{
    return process_new_for(out, g, name, NULL, 0);
}

// Give back everything but the object itself.  Nobody runs in p any more.
static void
take_apart(struct process *p)
{
    if (p->personality != NULL)
        p->personality->exit(p);
    p->personality = NULL;
    handle_table_free(&p->handles);
    if (p->store != NULL)
        store_clear(p->store);
    if (p->counted)
        account_uncharge(p->account, RESOURCE_PROCESSES, 1);
    p->counted = false;
}

void
process_free(struct object *o)
{
    struct process *p = CONTAINER(o, struct process, object);

    take_apart(p);
    store_free(p->store);
    member_done(&p->member);
    struct account *account = p->account;
    kernel_free(p);
    account_release(account);
}

void
process_release(struct process *p)
{
    object_release(&p->object);
}

status_t
process_give(struct process *p, struct object *o, u32 rights)
{
    handle_t *to = &p->given[index_masked(p->given_count, COUNT(p->given))];

    if (p->given_count == COUNT(p->given))
        return ERR_LIMIT;
    status_t status = handle_new(&p->handles, o, rights, to);
    if (status == OK)
        p->given_count++;
    return status;
}

status_t
process_find_given(struct process *p, const struct object_type *type,
                   u32 rights, struct object **out)
{
    status_t status = ERR_NOT_FOUND;

    for (u32 i = 0; i < p->given_count && status != OK; i++)
        status = handle_get(&p->handles, p->given[i], type, rights, out);
    return status == OK ? OK : ERR_NOT_FOUND;
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
// bit says whether one is free.
static u32
take_thread_id(struct process *p) REQUIRES(p->lock)
{
    u64 *word, bit;

    assert_held(&p->lock);
    do {
        p->last_thread_id = p->last_thread_id % THREAD_ID_MAX + 1;
        word = &p->thread_ids[p->last_thread_id % THREAD_IDS / 64];
        bit = 1ull << p->last_thread_id % 64;
    } while ((*word & bit) != 0);
    *word |= bit;
    return p->last_thread_id;
}

static void
free_thread_id(struct process *p, u32 id) REQUIRES(p->lock)
{
    assert_held(&p->lock);
    p->thread_ids[id % THREAD_IDS / 64] &= ~(1ull << id % 64);
}

status_t
process_add_thread(struct process *p, struct program_thread *t)
{
    status_t status = OK;

    if (!account_charge(p->account, RESOURCE_THREADS, 1))
        return ERR_LIMIT;
    lock(&p->lock);
    if (p->ending) {
        status = ERR_EXITED;
    } else if (!store_count_in(p->store)) {
        status = ERR_FULL; // it has some already
    } else {
        object_hold(&p->object);
        t->process = p;
        t->execution.id = take_thread_id(p);
        if (!p->handles.shared && !list_empty(&p->threads))
            p->handles.shared = true; // by its only thread; others read it
        list_append(&p->threads, &t->link);
    }
    unlock(&p->lock);
    if (status != OK)
        account_uncharge(p->account, RESOURCE_THREADS, 1);
    return status;
}

// t is no thread of its process any more; the last one takes that apart.
static void
remove_thread(struct program_thread *t)
{
    struct process *p = t->process;

    // Before the last can say that all have ended.
    account_uncharge(p->account, RESOURCE_THREADS, 1);
    lock(&p->lock);
    list_remove(&t->link);
    free_thread_id(p, t->execution.id);
    bool last = store_count_out(p->store) == 0;
    if (last)
        p->ending = true;
    unlock(&p->lock);
    if (last) {
        take_apart(p);
        member_remove(&p->member);
        object_signal(&p->object, 0, SIGNAL_ENDED);
    }
}

// The running thread has run its last instruction of the program.
static void
leave_process(struct program_thread *t)
{
    struct process *p = t->process;

    execution_done(&t->execution);
    gate_thread_ends(__atomic_load_n(&p->trapped, __ATOMIC_RELAXED));
    remove_thread(t);
    execution_leave(NULL);
    object_release(&p->object);
    kernel_free(t);
}

// Kill the first `count` threads or fewer, which become the last; not `but`.
static void
kill_some(struct process *p, u32 count, const struct thread *but)
{
    lock(&p->lock);
    for (u32 k = 0; k < count && !list_empty(&p->threads); k++) {
        struct list *item = p->threads.next;
        struct thread *t = CONTAINER(item, struct program_thread, link)->thread;
        list_remove(item);
        list_append(&p->threads, item);
        if (t != but)
            thread_kill(t);
    }
    unlock(&p->lock);
}

static void
kill_all(struct process *p, u32 count, const struct thread *but)
{
    enum { BATCH = 64 };

    for (u32 left = count; left > 0; left -= MIN(left, BATCH))
        kill_some(p, MIN(left, BATCH), but);
}

// No thread begins in p any more.  *threads: those that are there, which from
// now on only leave.  False: somebody said so before.
static bool
start_end(struct process *p, u32 exit_status, u32 *threads)
{
    u32 count = 0;

    lock(&p->lock);
    bool first = !p->ending;
    if (first) {
        p->ending = true;
        __atomic_store_n(&p->member.ending, true, __ATOMIC_RELAXED);
        p->exit_status = exit_status;
    }
    list_each (item, &p->threads) {
        count++;
    }
    unlock(&p->lock);
    if (first && count == 0)
        object_signal(&p->object, 0, SIGNAL_ENDED);
    *threads = count;
    return first;
}

bool
process_end(struct process *p, u32 exit_status)
{
    u32 threads;
    bool first = start_end(p, exit_status, &threads);

    if (first)
        kill_all(p, threads, thread_current());
    return first;
}

void
process_kill(struct process *p, u32 exit_status)
{
    u32 threads;

    start_end(p, exit_status, &threads);
    kill_all(p, threads, NULL);
}

struct process *
process_current(void)
{
    return execution_owner();
}

// The running thread's.
struct group *
group_current(void)
{
    const struct process *p = process_current();

    return p != NULL ? p->member.group : group_root();
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
    status_t status =
        object_wait_one(&p->object, SIGNAL_ENDED, deadline_ns, NULL);

    if (status == OK)
        *exit_status = p->exit_status;
    return status;
}

// --- running programs --------------------------------------------------------

static const char *const entries[] = {"_start", "_initialize", "main"};

// How many of these a module has to be looked for.
static u32
entries_of(const struct module *m)
{
    for (u32 i = 0; i < m->import_count; i++)
        if (string_equal(m->imports[i].module,
                         string_of(nebulet2018_module.name)))
            return COUNT(entries);
    return COUNT(entries) - 1;
}

// An exported function without parameters and results; NULL: there is none.
static const struct export *
find_plain(const struct module *m, const char *name)
{
    const struct export *e = module_export(m, string_of(name));

    if (e == NULL || e->kind != EXTERN_FUNC)
        return NULL;
    const struct type *type = &m->types[m->funcs[e->index].type];
    return type->param_count == 0 && type->result_count == 0 ? e : NULL;
}

static const struct export *
find_entry(const struct module *m)
{
    const struct export *e = NULL;
    u32 count = entries_of(m);

    for (u32 k = 0; k < count && e == NULL; k++)
        e = find_plain(m, entries[k]);
    return e;
}

// The entry's name is there, but it is none.
static bool
has_wrong_entry(const struct module *m)
{
    bool found = false;
    u32 count = entries_of(m);

    for (u32 k = 0; k < count; k++)
        found |= module_export(m, string_of(entries[k])) != NULL;
    return found;
}

// What happens to the process when a thread's function did not return.
static void
function_left(const struct program_thread *t, enum leave leave)
{
    char who[LIMIT_PROCESS_NAME + LIMIT_THREAD_NAME + 16],
        of[LIMIT_THREAD_NAME + 16];

    if (leave != LEAVE_TRAP)
        return;
    __atomic_store_n(&t->process->trapped, true, __ATOMIC_RELAXED);
    if (!process_end(t->process, EXIT_TRAP))
        return;
    format(of, sizeof(of), ", thread %.*s", (int)t->name_len, t->name);
    format(who, sizeof(who), "%s%s", t->process->name,
           t->name_len > 0 ? of : "");
    trap_report(who, &t->execution.trap);
}

// What runs of an instance before anything else: its start function and, where
// that is not its entry anyway, the export _initialize.
static enum leave
call_first(struct instance *i, bool is_entry)
{
    const struct module *m = instance_info(i);
    const struct export *e = is_entry ? NULL : find_plain(m, "_initialize");
    enum leave leave = LEAVE_NONE;

    if (m->start != NO_INDEX)
        leave = call_function(i, m->start, NULL);
    if (leave == LEAVE_NONE && e != NULL)
        leave = call_function(i, e->index, NULL);
    return leave;
}

static void
main_thread(void *arg)
{
    struct program_thread *t = arg;
    struct process *p = t->process;
    struct process_call *call = p->call;
    enum leave leave = LEAVE_NONE;

    execution_enter(&t->execution);
    for (u32 n = 0; n <= p->libraries && leave == LEAVE_NONE; n++)
        leave = call_first(store_instance(p->store, n),
                           n == p->libraries && call == NULL);
    if (leave == LEAVE_NONE)
        leave = call_function(t->instance, t->func, call ? call->slots : NULL);
    if (leave != LEAVE_NONE)
        function_left(t, leave);
    else if (process_end(p, 0) && call != NULL)
        call->returned = true;
    leave_process(t);
}

static void
spawned_thread(void *arg)
{
    struct program_thread *t = arg;
    u64 slots[2][2] = {
        {t->args[0], 0},
        {t->args[1], 0}
    };

    execution_enter(&t->execution);
    function_left(t, call_function(t->instance, t->func, slots));
    leave_process(t);
}

// A thread of p that will be in function `func` of i; not in the process yet.
static status_t
program_thread_new(struct program_thread **out, const struct process *p,
                   void (*run)(void *arg), struct instance *i, u32 func)
{
    struct program_thread *t = kernel_alloc(sizeof(*t));

    if (t == NULL)
        return ERR_NO_MEMORY;
    list_init(&t->link);
    t->instance = i;
    t->func = func;
    status_t status = thread_new_in(&t->thread, run, t, p->number);
    if (status == OK)
        *out = t;
    else
        kernel_free(t);
    return status;
}

static void
program_thread_free(struct program_thread *t)
{
    thread_discard(t->thread);
    kernel_free(t);
}

struct process *
process_from_object(struct object *o)
{
    return CONTAINER(o, struct process, object);
}

// At the cost of p.
static status_t
main_thread_new(struct process *p, struct instance *i, u32 func,
                struct program_thread **out)
{
    struct account *before = thread_charge(p->account);
    status_t status = program_thread_new(out, p, main_thread, i, func);

    if (status == OK) {
        execution_init(&(*out)->execution, p->store);
        if (!thread_promise_stack((*out)->thread)) {
            program_thread_free(*out);
            status = ERR_NO_MEMORY;
        }
    }
    thread_charge(before);
    return status;
}

// Whoever is the first to say that p starts looks into its store: no thread of
// it does.
static bool
set_started(struct process *p, bool started)
{
    lock(&p->lock);
    bool changes = p->started != started;
    p->started = started;
    unlock(&p->lock);
    return changes;
}

// What the main thread runs.
static status_t
find_func(const struct process *p, const struct instance *i, u32 *func)
{
    const struct module *m = instance_info(i);
    const struct export *entry = find_entry(m);

    if (p->call != NULL)
        *func = p->call->func;
    else if (entry != NULL)
        *func = entry->index;
    else
        return has_wrong_entry(m) ? ERR_WRONG_TYPE : ERR_NOT_FOUND;
    return OK;
}

static status_t
prepare(struct process *p, struct program_thread **out)
{
    struct instance *i = store_instance(p->store, p->libraries);
    struct program_thread *t;
    u32 func = 0;

    status_t status = i != NULL ? find_func(p, i, &func) : ERR_NOT_FOUND;
    if (status == OK)
        status = main_thread_new(p, i, func, &t);
    if (status != OK)
        return status;
    status = member_add(&p->member);
    if (status == OK) {
        status = process_add_thread(p, t);
        if (status != OK)
            member_remove(&p->member);
    }
    if (status == OK)
        *out = t;
    else
        program_thread_free(t);
    return status;
}

status_t
process_prepare(struct process *p, struct program_thread **out)
{
    if (!set_started(p, true))
        return ERR_EXISTS;
    status_t status = prepare(p, out);
    if (status != OK)
        set_started(p, false);
    return status;
}

status_t
process_start(struct process *p)
{
    struct program_thread *t;
    status_t status = process_prepare(p, &t);

    if (status == OK)
        process_start_thread(t);
    return status;
}

void
process_abandon(struct program_thread *t)
{
    struct process *p = t->process;

    remove_thread(t); // the last
    object_release(&p->object);
    program_thread_free(t);
}

// --- threads that programs spawn ---------------------------------------------

void
process_start_thread(struct program_thread *t)
{
    struct thread *thread = t->thread;

    sched_start(thread); // t may be gone
    thread_release(thread);
}

struct thread *
process_find_thread(struct process *p, u32 id)
{
    struct thread *found = NULL;

    lock(&p->lock);
    list_each (item, &p->threads) {
        struct program_thread *t = CONTAINER(item, struct program_thread, link);
        if (t->execution.id != id)
            continue;
        found = t->thread;
        object_hold(thread_object(found));
        break;
    }
    unlock(&p->lock);
    return found;
}

void
process_unspawn(struct program_thread *t)
{
    struct process *p = t->process;

    execution_discard(&t->execution);
    remove_thread(t); // not the last: we are here
    object_release(&p->object);
    program_thread_free(t);
}

static status_t
spawn(struct instance *i, u32 func, struct program_thread **out)
{
    struct program_thread *t;
    struct process *p = process_current();
    status_t status = program_thread_new(&t, p, spawned_thread, i, func);

    if (status != OK)
        return status;
    status = execution_copy(&t->execution);
    if (status == OK) {
        status = process_add_thread(p, t);
        if (status != OK)
            execution_discard(&t->execution);
    }
    if (status == OK)
        *out = t;
    else
        program_thread_free(t);
    return status;
}

static void
set_name(struct program_thread *t, struct bytes name)
{
    assert(name.size <= sizeof(t->name));
    t->name_len = (u32)name.size;
    if (name.size > 0)
        memcpy(t->name, name.ptr, name.size);
}

status_t
process_name_thread(struct bytes name)
{
    struct program_thread *t =
        CONTAINER(execution_current(), struct program_thread, execution);

    if (name.size > LIMIT_THREAD_NAME)
        return ERR_BAD_ARGUMENT;
    set_name(t, name);
    return OK;
}

status_t
process_spawn(u32 index, u32 arg, u32 stack_top, struct bytes name,
              struct program_thread **out)
{
    struct instance *from = execution_caller();
    struct extern_ref func;
    status_t status = instance_table_func(from, index, ENTRY_THREAD, &func);

    if (name.size > LIMIT_THREAD_NAME)
        return ERR_BAD_ARGUMENT;
    if (status == OK)
        status = spawn(func.instance, func.index, out);
    if (status == OK) {
        (*out)->args[0] = arg;
        set_name(*out, name);
        execution_set_stack_pointer(&(*out)->execution, from, stack_top);
    }
    return status;
}

status_t
thread_spawn_export(struct string name, u32 arg, u32 *id)
{
    struct instance *from = execution_caller();
    struct program_thread *t;
    struct extern_ref func;

    if (!instance_export(from, name, &func) || func.kind != EXTERN_FUNC)
        return ERR_NOT_FOUND;
    if (!instance_func_is(from, func.index, ENTRY_EXPORT))
        return ERR_BAD_ARGUMENT;
    status_t status = spawn(from, func.index, &t);
    if (status != OK)
        return status;
    execution_reset_globals(&t->execution);
    *id = t->args[0] = t->execution.id;
    t->args[1] = arg;
    process_start_thread(t);
    return OK;
}
