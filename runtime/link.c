// runtime/link.c: from the imports of a module to what other instances and the
// kernel offer.  Types must match as spec 3.5.2 says; the words of the errors
// are the official suite's.
//
// While a store has one instance, its func_entry rows lead straight to code.
// From the second instance on they lead to adapt_stub, which switches to the
// instance of vmctx.targets[id] and back; that also works for calls that stay
// where they are, so rows can be switched while code runs.

#include "runtime/internal.h"

// --- matching types ----------------------------------------------------------

struct link {
    struct instance *i;
    const struct module *m;
    u32 index; // of the item in its index space
};

static bool
limits_match(const struct limits *want, const struct limits *have, u64 now)
{
    return want->is64 == have->is64 && want->shared == have->shared &&
           want->page_log2 == have->page_log2 && now >= want->min &&
           (!want->has_max || (have->has_max && have->max <= want->max));
}

// What a C function finds on the stack: all but six arguments.
static u64
host_args(const char *sig)
{
    u64 count = 0;

    while (sig[count] != ':')
        count++;
    return count > 6 ? ALIGN_UP((count - 6) * sizeof(u64), 16) : 0;
}

// Which of the stubs makes of what C returns what the type says.
static const u8 *
host_stub(const struct host_func *f)
{
    return host_result(f) == 'l' ? port_stubs->host_call_wide :
                                   port_stubs->host_call;
}

// The type of a function that can be imported.
static u32
sig_of(const struct extern_ref *ref)
{
    if (ref->instance == NULL)
        return types_host(ref->host->sig);
    return ref->instance->store->funcs[ref->instance->func_base + ref->index]
        .sig;
}

static bool
link_func(struct link *l, const struct extern_ref *ref)
{
    struct store *s = l->i->store;
    u32 id = l->i->func_base + l->index, sig = sig_of(ref);
    u32 want = l->i->code->ids[l->m->funcs[l->index].type];

    if (sig == 0 || !types_is_subtype(sig, want))
        return false;
    if (ref->instance == NULL) {
        s->funcs[id] = (struct func_entry){(u64)host_stub(ref->host), sig, id};
        s->targets[id] = (struct func_target){
            .code = (u64)(ref->traced ? ref->traced : ref->host->code),
            .args = (u16)(host_args(ref->host->sig) / STACK_UNIT)};
    } else {
        u32 from = ref->instance->func_base + ref->index;
        s->funcs[id] = (struct func_entry){s->funcs[from].code, sig, id};
        s->targets[id] = s->targets[from];
    }
    return true;
}

static bool
link_table(struct link *l, const struct extern_ref *ref)
{
    struct live_table *table = ref->instance->tables[ref->index];
    const struct table_type *want = &l->m->tables[l->index].type;

    if (valtype_canonical(want->elem, l->i->code->ids) != table->type.elem ||
        !limits_match(&want->limits, &table->type.limits, table->view.count))
        return false;
    assert(want->kind == table->type.kind);
    object_hold(&table->object);
    l->i->tables[l->index] = table;
    return true;
}

static bool
link_memory(struct link *l, const struct extern_ref *ref)
{
    struct memory *memory = ref->instance->memories[ref->index];
    u64 pages = memory->view.size >> memory->type.page_log2;

    if (!limits_match(&l->m->memories[l->index], &memory->type, pages))
        return false;
    object_hold(&memory->object);
    l->i->memories[l->index] = memory;
    return true;
}

// A memory of the instance's own in place of one that nobody offers.
static status_t
make_memory(struct link *l, struct error *error, u64 at)
{
    status_t status =
        memory_new(&l->i->memories[l->index], &l->m->memories[l->index]);

    if (status != OK)
        error_set(error, status, at, status_text(status));
    return status;
}

static bool
link_global(struct link *l, const struct extern_ref *ref)
{
    struct global_ref source = ref->instance->globals[ref->index];
    const struct compiled *code = source.owner->code;
    struct global_type have = code->module.globals[source.index].type;
    struct global_type want = l->m->globals[l->index].type;
    valtype_t has = valtype_canonical(have.type, code->ids);
    valtype_t wants = valtype_canonical(want.type, l->i->code->ids);

    l->i->globals[l->index] = source;
    return have.mutable == want.mutable &&
           (want.mutable ? has == wants : valtype_is_subtype(has, wants));
}

static bool
link_tag(struct link *l, const struct extern_ref *ref)
{
    struct tag tag = ref->instance->tags[ref->index];

    l->i->tags[l->index] = tag;
    return tag.sig == l->i->code->ids[l->m->tags[l->index]];
}

static bool (*const linkers[])(struct link *, const struct extern_ref *) = {
    [EXTERN_FUNC] = link_func,     [EXTERN_TABLE] = link_table,
    [EXTERN_MEMORY] = link_memory, [EXTERN_GLOBAL] = link_global,
    [EXTERN_TAG] = link_tag,
};

static bool
makes_memory(const struct resolver *r, const struct import *import)
{
    return import->kind == EXTERN_MEMORY && r->gives_memory != NULL &&
           r->gives_memory(r->self, import->module);
}

static status_t
link_import(struct instance *i, const struct import *import,
            const struct resolver *resolver, struct error *error)
{
    struct link l = {i, &i->code->module, import->index};
    struct extern_ref ref;

    if (!resolver->find(resolver->self, import->module, import->name, &ref)) {
        if (makes_memory(resolver, import))
            return make_memory(&l, error, import->at);
        error_set(error, ERR_UNKNOWN_IMPORT, import->at, "unknown import");
        return ERR_UNKNOWN_IMPORT;
    }
    if (ref.kind == import->kind && linkers[ref.kind](&l, &ref))
        return OK;
    error_set(error, ERR_IMPORT_TYPE, import->at, "incompatible import type");
    return ERR_IMPORT_TYPE;
}

status_t
link_imports(struct instance *i, const struct resolver *resolver,
             struct error *error)
{
    const struct module *m = &i->code->module;
    status_t status = OK;

    for (u32 k = 0; k < m->import_count && status == OK; k++) {
        if (thread_is_killed()) // each may be one of many exports
            return ERR_KILLED;
        status = link_import(i, &m->imports[k], resolver, error);
    }
    return status;
}

bool
instance_missing_import(const struct resolver *resolver,
                        const struct code_module *m, u32 *from,
                        struct error *error, char *error_text,
                        u32 error_text_size)
{
    const struct module *info = &m->compiled->module;
    struct extern_ref ref;

    while (*from < info->import_count) {
        if (thread_is_killed())
            return false;
        const struct import *i = &info->imports[(*from)++];
        if (resolver->find(resolver->self, i->module, i->name, &ref) ||
            makes_memory(resolver, i))
            continue;
        *error = (struct error){ERR_UNKNOWN_IMPORT, i->at, "unknown import"};
        instance_describe(m, error, error_text, error_text_size);
        return true;
    }
    return false;
}

// --- several instances -------------------------------------------------------

void
link_adapt(struct store *s)
{
    if (s->adapted)
        return;
    s->adapted = true;
    for (u32 n = 0; n < s->instance_count; n++) {
        struct instance *i = s->instances[n];
        const struct module *m = &i->code->module;
        for (u32 f = m->func_imports; f < m->func_count; f++)
            s->funcs[i->func_base + f].code = (u64)adapt_stub;
    }
}
