// runtime/exception.c: exceptions: making them, and freeing those nobody has.
//
// An exception is an object of its process; an exnref is a random cookie of the
// process over the exception's number, so that the kernel can check it.  There
// is no count of references: when a thread has made many exceptions it looks
// for their exnrefs on its own stack, in its globals and in exceptions that
// live, and frees the rest.  A process with tables of exnrefs and with several
// threads keeps them all, because another thread may have them.
//
// What is looked through can be large, so it is done under a mutex, p->exn_mutex,
// by a thread that others may interrupt and kill.  A sweep that was broken off
// has freed nothing that anybody has; marks are numbers of sweeps, so that its
// marks mean nothing to the next.

#include "kernel/kernel.h"

enum { FIRST_SWEEP = 64, EXNS_MAX = 1 << 24 };
enum {
    PIECE = 8192,       // words between two looks at `killed`
    WORDS_FOR_EACH = 64 // that a sweep may look through for each number
};

// --- the exceptions of a process ---------------------------------------------

static u64
exnref_of(const struct process *p, u32 number)
{
    return (u64)p->exn_cookie << 32 | number;
}

// p->lock or p->exn_mutex is held.
static struct exception *
find_exception(const struct process *p, u64 exnref)
{
    u32 number = (u32)exnref;

    if (p->exn_cookie == 0 || exnref >> 32 != p->exn_cookie ||
        number >= p->exn_count)
        return NULL;
    return __atomic_load_n(&p->exns[index_masked(number, p->exn_count)],
                           __ATOMIC_RELAXED);
}

// The rest is for the holder of p->exn_mutex.
static void
set_exception(struct process *p, u32 number, struct exception *e)
{
    __atomic_store_n(&p->exns[number], e, __ATOMIC_RELEASE);
}

static void
grow(struct process *p)
{
    u32 capacity = MAX(2 * p->exn_count, FIRST_SWEEP);
    struct exception **old = p->exns, **exns = NULL;

    if (capacity <= EXNS_MAX)
        exns = kernel_alloc(capacity * sizeof(*exns));
    if (exns == NULL)
        return;
    while (p->exn_cookie == 0)
        port_random(&p->exn_cookie, sizeof(p->exn_cookie));
    if (p->exn_count > 0)
        memcpy(exns, old, p->exn_count * sizeof(*exns));
    p->exn_free = p->exn_count;
    lock(&p->lock);
    p->exns = exns;
    p->exn_count = capacity;
    unlock(&p->lock);
    kernel_free(old);
}

// A free number, or exn_count.
static u32
free_number(struct process *p)
{
    while (p->exn_free < p->exn_count && p->exns[p->exn_free] != NULL)
        p->exn_free++;
    return p->exn_free;
}

// --- sweeping ----------------------------------------------------------------

struct sweep {
    struct process *p;
    struct exception *found; // marked, their slots not yet scanned
    u64 number;              // of this sweep, the mark
    u64 words;               // looked at
    bool killed;             // the thread was: stop
};

// Count `words` more.  False: stop.
static bool
may_go_on(struct sweep *s, u64 words)
{
    u64 pieces = s->words / PIECE;

    s->words += words;
    if (s->words / PIECE != pieces && thread_is_killed())
        s->killed = true;
    return !s->killed;
}

READS_STACK static void
scan_piece(struct sweep *s, const u64 *from, u64 count)
{
    for (u64 k = 0; k < count; k++) {
        struct exception *e = find_exception(s->p, from[k]);
        if (e == NULL || e->swept == s->number)
            continue;
        e->swept = s->number;
        e->next = s->found;
        s->found = e;
    }
}

static void
scan(struct sweep *s, const u64 *from, const u64 *to)
{
    while (from < to) {
        u64 count = MIN(PIECE, (u64)(to - from));
        if (!may_go_on(s, count))
            return;
        scan_piece(s, from, count);
        from += count;
    }
}

static void
scan_exceptions(struct sweep *s)
{
    while (s->found != NULL && !s->killed) {
        struct exception *e = s->found;
        s->found = e->next;
        scan(s, e->slots[0], e->slots[e->count]);
    }
}

static void
scan_globals(struct sweep *s, struct vmctx **vms)
{
    for (u32 n = 0; n < s->p->instance_count && !s->killed; n++) {
        const struct instance *i = s->p->instances[n];
        for (u32 g = 0; g < i->code->module.global_count; g++) {
            const u64 *bits = vmctx_global(i, g, vms);
            scan(s, bits, bits + 1);
        }
    }
}

// The only thread of its process: nobody else makes tables or frees them.
static void
scan_tables(struct sweep *s)
{
    list_each (item, &s->p->exn_tables) {
        struct live_table *t = CONTAINER(item, struct live_table, link);
        scan(s, t->view.base, t->view.base + t->view.count);
    }
}

// Free those of t, or of all threads, that were not found; how many numbers are
// in use then.
static u32
free_unfound(struct sweep *s, const struct thread *t, bool alone)
{
    struct process *p = s->p;
    u32 live = 0;

    for (u32 k = 0; k < p->exn_count; k++) {
        struct exception *e = p->exns[k];
        if (e == NULL)
            continue;
        if (!may_go_on(s, 1))
            break;
        if (e->swept == s->number || (!alone && e->owner != t->id)) {
            live++;
            continue;
        }
        set_exception(p, k, NULL);
        kernel_free(e);
    }
    p->exn_free = 0;
    return live;
}

// Free what t has made and cannot reach from [from, the end of its stack), its
// globals and what they lead to; p->exn_mutex is held.  False: more numbers are
// needed, so that half of them are free again, and sweeping costs each new
// exception a bounded number of words.
static bool
sweep(struct process *p, struct thread *t, const void *from)
{
    struct sweep s = {.p = p, .number = ++p->exn_sweeps};

    lock(&p->lock);
    bool alone = p->thread_count <= 1;
    bool shared = !alone && !list_empty(&p->exn_tables);
    unlock(&p->lock);
    if (shared)
        return false;
    if (alone)
        scan_tables(&s);
    scan(&s, from, (u64 *)(t->stack + STACK_SIZE - STACK_TOP));
    if (t->vms != NULL)
        scan_globals(&s, t->vms);
    scan_exceptions(&s);
    if (s.killed)
        return true;
    u32 live = free_unfound(&s, t, alone);
    return s.killed || (live <= p->exn_count / 2 &&
                        s.words / WORDS_FOR_EACH <= p->exn_count);
}

// When t was killed or is the last, all of the process ends.
void
exceptions_thread_ended(struct process *p, struct thread *t)
{
    if (mutex_lock(&p->exn_mutex) != OK)
        return;
    if (p->exn_count > 0 && p->thread_count > 1)
        (void)sweep(p, t, t->stack + STACK_SIZE - STACK_TOP);
    mutex_unlock(&p->exn_mutex);
}

// Nobody runs in p any more.
void
exceptions_free(struct process *p)
{
    for (u32 k = 0; k < p->exn_count; k++)
        kernel_free(p->exns[k]);
    kernel_free(p->exns);
    p->exns = NULL;
    p->exn_count = 0;
}

// --- making ------------------------------------------------------------------

// A number for a new exception, p->exn_count when there is no memory.
static u32
take_number(struct process *p, struct thread *t, const void *from)
{
    u32 number = free_number(p);

    if (number < p->exn_count)
        return number;
    if (p->exn_count == 0 || !sweep(p, t, from))
        grow(p);
    return free_number(p);
}

static u64
add_exception(struct process *p, struct exception *e, const void *from)
{
    u64 exnref = 0;

    if (mutex_lock(&p->exn_mutex) != OK)
        return 0;
    u32 number = take_number(p, thread_current(), from);
    if (number < p->exn_count) {
        set_exception(p, number, e);
        exnref = exnref_of(p, number);
    }
    mutex_unlock(&p->exn_mutex);
    return exnref;
}

u64
exception_new(struct vmctx *vm, u32 tag, const u64 (*args)[2], const void *from)
{
    struct instance *i = vm->instance;
    const struct module *m = &i->code->module;
    u32 count = m->types[m->tags[tag]].param_count;
    struct exception *e = kernel_alloc(sizeof(*e) + count * sizeof(*args));

    if (e == NULL)
        return 0;
    e->tag = i->tags[tag].id;
    e->count = count;
    e->owner = thread_current()->id;
    if (count > 0)
        memcpy(e->slots, args, count * sizeof(*args));
    u64 exnref = add_exception(i->process, e, from);
    if (exnref == 0)
        kernel_free(e);
    return exnref;
}

struct exception *
exception_get(struct process *p, u64 exnref)
{
    lock(&p->lock);
    struct exception *e = find_exception(p, exnref);
    unlock(&p->lock);
    assert(e != NULL);
    return e;
}
