// runtime/exception.c: exceptions: making them, and freeing those nobody has.
//
// An exception is an object of its process; an exnref is a random cookie of the
// process over the exception's number, so that the kernel can check it.  There
// is no count of references: when a thread has made many exceptions it looks
// for their exnrefs on its own stack, in its globals and in exceptions that
// live, and frees the rest.  A process with tables of exnrefs and with several
// threads keeps them all, because another thread may have them.

#include "kernel/kernel.h"

enum { FIRST_SWEEP = 64, EXNS_MAX = 1 << 24 };

// --- the exceptions of a process: p->lock is held ----------------------------

static u64
exnref_of(const struct process *p, u32 number)
{
    return (u64)p->exn_cookie << 32 | number;
}

static struct exception *
find_exception(const struct process *p, u64 exnref)
{
    u32 number = (u32)exnref;

    if (p->exn_cookie == 0 || exnref >> 32 != p->exn_cookie ||
        number >= p->exn_count)
        return NULL;
    return p->exns[index_masked(number, p->exn_count)];
}

static bool
grow(struct process *p)
{
    u32 capacity = MAX(2 * p->exn_count, FIRST_SWEEP);
    struct exception **exns =
        capacity <= EXNS_MAX ? kernel_alloc(capacity * sizeof(*exns)) : NULL;

    if (exns == NULL)
        return false;
    while (p->exn_cookie == 0)
        port_random(&p->exn_cookie, sizeof(p->exn_cookie));
    if (p->exn_count > 0)
        memcpy(exns, p->exns, p->exn_count * sizeof(*exns));
    kernel_free(p->exns);
    p->exns = exns;
    p->exn_free = p->exn_count;
    p->exn_count = capacity;
    return true;
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
    u32 live;
    struct exception *found; // marked, their slots not yet scanned
};

READS_STACK static void
scan(struct sweep *s, const u64 *from, const u64 *to)
{
    for (; from < to; from++) {
        struct exception *e = find_exception(s->p, *from);
        if (e == NULL || e->marked)
            continue;
        e->marked = true;
        e->next = s->found;
        s->found = e;
    }
}

static void
scan_exceptions(struct sweep *s)
{
    while (s->found != NULL) {
        struct exception *e = s->found;
        s->found = e->next;
        scan(s, e->slots[0], e->slots[e->count]);
    }
}

static void
scan_globals(struct sweep *s, struct vmctx **vms)
{
    for (u32 n = 0; n < s->p->instance_count; n++) {
        const struct instance *i = s->p->instances[n];
        for (u32 g = 0; g < i->code->module.global_count; g++) {
            const u64 *bits = vmctx_global(i, g, vms);
            scan(s, bits, bits + 1);
        }
    }
}

// True when nobody but the tables of p can have them: those are scanned too.
static bool
scan_tables(struct sweep *s)
{
    list_each (item, &s->p->tables) {
        struct live_table *t = CONTAINER(item, struct live_table, link);
        if (t->type.kind != REF_EXN)
            continue;
        if (s->p->thread_count > 1)
            return false;
        scan(s, t->view.base, t->view.base + t->view.count);
    }
    return true;
}

// Free what t has made and cannot reach from [from, the end of its stack), its
// globals and what they lead to; p->lock is held.
static void
sweep(struct process *p, struct thread *t, const void *from)
{
    struct sweep s = {.p = p};

    if (!scan_tables(&s))
        return;
    scan(&s, from, (u64 *)(t->stack + STACK_SIZE - STACK_TOP));
    if (t->vms != NULL)
        scan_globals(&s, t->vms);
    scan_exceptions(&s);
    for (u32 k = 0; k < p->exn_count; k++) {
        struct exception *e = p->exns[k];
        bool ours = p->thread_count <= 1 || (e != NULL && e->owner == t->id);
        if (e != NULL && ours && !e->marked) {
            kernel_free(e);
            p->exns[k] = NULL;
        } else if (e != NULL) {
            e->marked = false;
            s.live++;
        }
    }
    p->exn_free = 0;
    // Half of the table is free again, or it grows: sweeping stays cheap.
    p->exn_grow = s.live > p->exn_count / 2;
}

void
exceptions_thread_ended(struct process *p, struct thread *t)
{
    lock(&p->lock);
    if (p->exn_count > 0)
        sweep(p, t, t->stack + STACK_SIZE - STACK_TOP);
    unlock(&p->lock);
}

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
    if (p->exn_count > 0)
        sweep(p, t, from);
    if ((p->exn_count == 0 || p->exn_grow) && !grow(p))
        return p->exn_count;
    return free_number(p);
}

u64
exception_new(struct vmctx *vm, u32 tag, const u64 (*args)[2], const void *from)
{
    struct instance *i = vm->instance;
    struct process *p = i->process;
    const struct module *m = &i->code->module;
    struct thread *t = thread_current();
    u32 count = m->types[m->tags[tag]].param_count;
    struct exception *e = kernel_alloc(sizeof(*e) + count * sizeof(*args));
    u64 exnref = 0;

    if (e == NULL)
        return 0;
    e->tag = i->tags[tag].id;
    e->count = count;
    e->owner = t->id;
    if (count > 0)
        memcpy(e->slots, args, count * sizeof(*args));
    lock(&p->lock);
    u32 number = take_number(p, t, from);
    if (number < p->exn_count) {
        p->exns[number] = e;
        exnref = exnref_of(p, number);
    }
    unlock(&p->lock);
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
