// runtime/exception.c: exceptions: making them, and freeing those nobody has.
//
// An exception is an object of its store; an exnref is a random cookie of the
// store over the exception's number, so that the kernel can check it.  There
// is no count of references: when a thread has made many exceptions it looks
// for their exnrefs on its own stack, in its globals and in exceptions that
// live, and frees the rest.  A store with tables of exnrefs and with several
// threads keeps them all, because another thread may have them.
//
// What is looked through can be large, so it is done under a mutex,
// s->exn_mutex, by a thread that others may interrupt and kill.  A sweep that
// was broken off has freed nothing that anybody has; marks are numbers of
// sweeps, so that its marks mean nothing to the next.

#include "runtime/internal.h"

enum { FIRST_SWEEP = 64, EXNS_MAX = 1 << 24 };
enum {
    PIECE = 8192,       // words between two looks at `killed`
    WORDS_FOR_EACH = 64 // that a sweep may look through for each number
};

// --- the exceptions of a store -----------------------------------------------

static u64
exnref_of(const struct store *s, u32 number)
{
    return (u64)s->exn_cookie << 32 | number;
}

// s->lock or s->exn_mutex is held.
static struct exception *
find_exception(const struct store *s, u64 exnref)
{
    u32 number = (u32)exnref;

    if (s->exn_cookie == 0 || exnref >> 32 != s->exn_cookie ||
        number >= s->exn_count)
        return NULL;
    return __atomic_load_n(&s->exns[index_masked(number, s->exn_count)],
                           __ATOMIC_RELAXED);
}

// The rest is for the holder of s->exn_mutex.
static void
set_exception(struct store *s, u32 number, struct exception *e)
{
    __atomic_store_n(&s->exns[number], e, __ATOMIC_RELEASE);
}

static void
grow(struct store *s)
{
    u32 capacity = MAX(2 * s->exn_count, FIRST_SWEEP);
    struct exception **old = s->exns, **exns = NULL;

    assert(mutex_held(&s->exn_mutex));
    if (capacity <= EXNS_MAX)
        exns = kernel_alloc(capacity * sizeof(*exns));
    if (exns == NULL)
        return;
    while (s->exn_cookie == 0)
        port_random(&s->exn_cookie, sizeof(s->exn_cookie));
    if (s->exn_count > 0)
        memcpy(exns, old, s->exn_count * sizeof(*exns));
    s->exn_free = s->exn_count;
    lock(&s->lock);
    s->exns = exns;
    s->exn_count = capacity;
    unlock(&s->lock);
    kernel_free(old);
}

// A free number, or exn_count.
static u32
free_number(struct store *s)
{
    while (s->exn_free < s->exn_count && s->exns[s->exn_free] != NULL)
        s->exn_free++;
    return s->exn_free;
}

// --- sweeping ----------------------------------------------------------------

struct sweep {
    struct store *store;
    struct exception *found; // marked, their slots not yet scanned
    u64 number;              // of this sweep, the mark
    u64 words;               // looked at
    bool killed;             // the thread was: stop
};

// Count `words` more.  False: stop.
static bool
may_go_on(struct sweep *w, u64 words)
{
    u64 pieces = w->words / PIECE;

    w->words += words;
    if (w->words / PIECE != pieces && thread_is_killed())
        w->killed = true;
    return !w->killed;
}

READS_STACK static void
scan_piece(struct sweep *w, const u64 *from, u64 count)
{
    for (u64 k = 0; k < count; k++) {
        struct exception *e = find_exception(w->store, from[k]);
        if (e == NULL || e->swept == w->number)
            continue;
        e->swept = w->number;
        e->next = w->found;
        w->found = e;
    }
}

static void
scan(struct sweep *w, const u64 *from, const u64 *to)
{
    while (from < to) {
        u64 count = MIN(PIECE, (u64)(to - from));
        if (!may_go_on(w, count))
            return;
        scan_piece(w, from, count);
        from += count;
    }
}

static void
scan_exceptions(struct sweep *w)
{
    while (w->found != NULL && !w->killed) {
        struct exception *e = w->found;
        w->found = e->next;
        scan(w, e->slots[0], e->slots[e->count]);
    }
}

static void
scan_globals(struct sweep *w, struct vmctx **vms)
{
    for (u32 n = 0; n < w->store->instance_count && !w->killed; n++) {
        const struct instance *i = w->store->instances[n];
        for (u32 g = 0; g < i->code->module.global_count; g++) {
            const u64 *bits = vmctx_global(i, g, vms);
            scan(w, bits, bits + 1);
        }
    }
}

static void
scan_heap(struct sweep *w, struct vmctx **vms)
{
    const struct heap *h = vms_heap(w->store, vms);

    if (h != NULL)
        scan(w, (const u64 *)(h->base + HEAP_OBJECTS),
             (const u64 *)(h->base + h->end));
}

// The only thread in its store: nobody else makes tables or frees them.
static void
scan_tables(struct sweep *w)
{
    list_each (item, &w->store->exn_tables) {
        struct live_table *t = CONTAINER(item, struct live_table, link);
        scan(w, t->view.base, t->view.base + t->view.count);
    }
}

// Free those of the thread `owner`, or of all, that were not found; how many
// numbers are in use then.
static u32
free_unfound(struct sweep *w, u32 owner, bool alone)
{
    struct store *s = w->store;
    u32 live = 0;

    for (u32 k = 0; k < s->exn_count; k++) {
        struct exception *e = s->exns[k];
        if (e == NULL)
            continue;
        if (!may_go_on(w, 1))
            break;
        if (e->swept == w->number || (!alone && e->owner != owner)) {
            live++;
            continue;
        }
        lock(&s->lock); // others may be asking whose it is
        set_exception(s, k, NULL);
        unlock(&s->lock);
        kernel_free(e);
    }
    s->exn_free = 0;
    return live;
}

// Free what the running thread, in x, has made and cannot reach from [from, the
// end of its stack), its globals and what they lead to; s->exn_mutex is held.
// False: more numbers are needed, so that half of them are free again, and
// sweeping costs each new exception a bounded number of words.
static bool
sweep(const struct execution *x, const void *from)
{
    struct store *s = x->store;
    struct sweep w = {.store = s, .number = ++s->exn_sweeps};

    assert(mutex_held(&s->exn_mutex));
    lock(&s->lock);
    bool alone = s->thread_count <= 1;
    bool shared = !alone && !list_empty(&s->exn_tables);
    unlock(&s->lock);
    if (shared)
        return false;
    if (alone)
        scan_tables(&w);
    scan(&w, from, (const u64 *)thread_stack_end(thread_current()));
    if (x->vms != NULL) {
        scan_globals(&w, x->vms);
        scan_heap(&w, x->vms);
    }
    scan_exceptions(&w);
    if (w.killed)
        return true;
    u32 live = free_unfound(&w, x->id, alone);
    return w.killed || (live <= s->exn_count / 2 &&
                        w.words / WORDS_FOR_EACH <= s->exn_count);
}

// When the thread was killed or is the last, all of the store goes.
void
exceptions_thread_ended(const struct execution *x)
{
    struct store *s = x->store;

    if (mutex_lock(&s->exn_mutex) != OK)
        return;
    if (s->exn_count > 0 && s->thread_count > 1)
        (void)sweep(x, thread_stack_end(thread_current()));
    mutex_unlock(&s->exn_mutex);
}

// Nobody runs in s any more.
void
exceptions_free(struct store *s)
{
    for (u32 k = 0; k < s->exn_count; k++)
        kernel_free(s->exns[k]);
    kernel_free(s->exns);
    s->exns = NULL;
    s->exn_count = 0;
}

// --- making ------------------------------------------------------------------

// A number for a new exception, s->exn_count when there is no memory.
static u32
take_number(struct store *s, const void *from)
{
    u32 number = free_number(s);

    if (number < s->exn_count)
        return number;
    if (s->exn_count == 0 || !sweep(execution_current(), from))
        grow(s);
    return free_number(s);
}

static u64
add_exception(struct store *s, struct exception *e, const void *from)
{
    u64 exnref = 0;

    if (mutex_lock(&s->exn_mutex) != OK)
        return 0;
    u32 number = take_number(s, from);
    if (number < s->exn_count) {
        set_exception(s, number, e);
        exnref = exnref_of(s, number);
    }
    mutex_unlock(&s->exn_mutex);
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
    e->owner = execution_current()->id;
    if (count > 0)
        memcpy(e->slots, args, count * sizeof(*args));
    u64 exnref = add_exception(i->store, e, from);
    if (exnref == 0)
        kernel_free(e);
    return exnref;
}

// The number of who asks, in s.
static u32
owner_now(const struct store *s)
{
    const struct execution *x = execution_current();

    return x != NULL && x->store == s ? x->id : 0;
}

// Code may pass any word.  Another thread may free what it has made at any
// time; only by a table can it be anybody else's, and then all are kept.
bool
exception_exists(struct store *s, u64 exnref)
{
    lock(&s->lock);
    const struct exception *e = find_exception(s, exnref);
    bool found =
        e != NULL && (e->owner == owner_now(s) || !list_empty(&s->exn_tables));
    unlock(&s->lock);
    return found;
}

void
exceptions_mark(struct store *s, struct heap *h)
{
    if (mutex_lock(&s->exn_mutex) != OK) {
        h->marker.killed = true;
        return;
    }
    for (u32 k = 0; k < s->exn_count && heap_goes_on(h, 1); k++) {
        const struct exception *e = s->exns[k];
        if (e != NULL && e->owner == owner_now(s))
            (void)heap_mark(h, e->slots, 4ull * e->count, sizeof(u32));
    }
    mutex_unlock(&s->exn_mutex);
}

struct exception *
exception_get(struct store *s, u64 exnref)
{
    lock(&s->lock);
    struct exception *e = find_exception(s, exnref);
    unlock(&s->lock);
    assert(e != NULL);
    return e;
}
