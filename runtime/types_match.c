// runtime/types_match.c: types by their canonical ids: those of host functions,
// and subtyping between modules (spec 3.3).

#include "runtime/internal.h"

// --- host functions ----------------------------------------------------------

// The type of such a function, which nobody gives back.
struct host_type {
    struct host_type *next;
    const char *sig;
    u32 id;
};

static struct lock hosts_lock = LOCK_INIT(HOSTS);
static struct {
    struct host_type *first;
} hosts GUARDED_BY(hosts_lock);

enum { HOST_VALUES = 32 };

// Register the type of such a function.
static u32
intern_host(const char *sig)
{
    valtype_t vals[HOST_VALUES];
    struct type type = {.kind = TYPE_FUNC,
                        .final = true,
                        .super = NO_INDEX,
                        .group_size = 1,
                        .vals = vals};
    struct module m = {.type_count = 1, .types = &type};
    u32 *count = &type.param_count, id;

    for (; *sig != '\0'; sig++) {
        if (*sig == ':') {
            count = &type.result_count;
            continue;
        }
        assert(type.param_count + type.result_count < HOST_VALUES);
        vals[type.param_count + type.result_count] = sig_type(*sig);
        ++*count;
    }
    return types_register(&m, &id) == OK ? id : 0;
}

static struct host_type *
find_host(const char *sig) REQUIRES(hosts_lock)
{
    struct host_type *h = hosts.first;

    assert_held(&hosts_lock);
    while (h != NULL && !string_equal(string_of(h->sig), string_of(sig)))
        h = h->next;
    return h;
}

static u32
add_host(const char *sig)
{
    struct host_type *known, *h = kernel_alloc(sizeof(*h));
    u32 id = h != NULL ? intern_host(sig) : 0;
    if (id == 0) {
        kernel_free(h);
        return 0;
    }
    *h = (struct host_type){.sig = sig, .id = id};
    lock(&hosts_lock);
    known = find_host(sig);
    if (known == NULL) {
        h->next = hosts.first;
        hosts.first = h;
    }
    unlock(&hosts_lock);
    if (known != NULL) { // by somebody else, meanwhile
        types_release(&id, 1);
        kernel_free(h);
    }
    return id;
}

// There are as many as functions of the kernel have types; they stay, and are
// not whose program was the first to import one.
u32
types_host(const char *sig)
{
    lock(&hosts_lock);
    struct host_type *known = find_host(sig);
    unlock(&hosts_lock);
    if (known != NULL)
        return known->id;
    struct account *before = thread_charge(account_root());
    u32 id = add_host(sig);
    thread_charge(before);
    return id;
}

// --- subtyping ---------------------------------------------------------------

valtype_t
valtype_canonical(valtype_t t, const u32 *ids)
{
    if (valtype_is_ref(t) && valtype_heap(t) < HEAP_FUNC)
        t = (t & ~(u32)HEAP_MASK) | ids[valtype_heap(t)];
    return t;
}

static bool
heap_is_subtype(u32 sub, u32 super)
{
    if (sub == super)
        return true;
    if (sub < HEAP_FUNC && super < HEAP_FUNC)
        return types_is_subtype(sub, super);
    if (sub < HEAP_FUNC)
        return heap_abstract_matches(heap_of_kind(types_kind(sub)), super);
    if (super >= HEAP_FUNC)
        return heap_abstract_matches(sub, super);
    return sub == heap_bottom(heap_of_kind(types_kind(super)));
}

bool
valtype_is_subtype(valtype_t sub, valtype_t super)
{
    if (sub == super)
        return true;
    return valtype_is_ref(sub) && valtype_is_ref(super) &&
           (valtype_is_nullable(super) || !valtype_is_nullable(sub)) &&
           heap_is_subtype(valtype_heap(sub), valtype_heap(super));
}
