// runtime/host.c: what programs can import of the host: C functions in modules.

#include "runtime/internal.h"

static const struct host_module *const *host_modules;

u32 cpu_features;

// --- what is traced ----------------------------------------------------------

static struct string traced; // as host_trace() has it
static bool is_tracing;

// The next of the names with commas between them.
static struct string
next_name(struct string *rest)
{
    struct string name = {rest->ptr, 0};

    while (name.len < rest->len && rest->ptr[name.len] != ',')
        name.len++;
    u32 skip = MIN(name.len + 1, rest->len);
    *rest = (struct string){rest->ptr + skip, rest->len - skip};
    return name;
}

// Does the name stand for this function?
static bool
name_covers(struct string name, const struct host_module *m,
            const struct host_func *f)
{
    struct string module = string_of(m->traced_as), func = string_of(f->name);
    u32 len = module.len;

    if (string_equal(name, module) || string_equal(name, func))
        return true;
    return name.len == len + 1 + func.len && name.ptr[len] == '.' &&
           string_equal((struct string){name.ptr, len}, module) &&
           string_equal((struct string){name.ptr + len + 1, func.len}, func);
}

static bool
is_known(const struct host_module *const *modules, struct string name)
{
    for (u32 k = 0; modules[k] != NULL; k++)
        for (u32 f = 0; f < modules[k]->count; f++)
            if (modules[k]->traced != NULL &&
                name_covers(name, modules[k], &modules[k]->funcs[f]))
                return true;
    return false;
}

bool
host_knows(const struct host_module *const *modules, struct string names,
           struct string *unknown)
{
    struct string rest = names;

    while (rest.len > 0) {
        *unknown = next_name(&rest);
        if (!is_known(modules, *unknown))
            return false;
    }
    return true;
}

bool
host_trace(struct string names, struct string *unknown)
{
    if (!host_knows(host_modules, names, unknown))
        return false;
    traced = names;
    is_tracing = true;
    return true;
}

static const void *
traced_code(const struct host_module *m, u32 index)
{
    struct string rest = traced;
    bool covered = is_tracing && rest.len == 0;

    while (is_tracing && rest.len > 0 && !covered)
        covered = name_covers(next_name(&rest), m, &m->funcs[index]);
    return covered && m->traced != NULL ? m->traced[index] : NULL;
}

// --- types -------------------------------------------------------------------

char
host_result(const struct host_func *f)
{
    const char *at = f->sig;

    while (*at != ':' && *at != '\0')
        at++;
    // There is a stub for each of these, and nobody who returns more.
    assert(*at == ':' && (at[1] == '\0' || at[2] == '\0'));
    assert(at[1] == '\0' || at[1] == 'i' || at[1] == 'l');
    return at[1];
}

// --- imports -----------------------------------------------------------------

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
                *out = (struct extern_ref){.kind = EXTERN_FUNC,
                                           .host = &m->funcs[f],
                                           .traced = traced_code(m, f)};
                return true;
            }
    }
    return false;
}

static bool
gives_memory(void *self, struct string module)
{
    (void)self, (void)module;
    return true;
}

const struct resolver host_resolver = {NULL, find_host, gives_memory};

static void
register_type(const char *sig)
{
    if (types_host(sig) == 0)
        panic(__FILE__, __LINE__, "no memory for types");
}

// The types of all functions that programs can import or hand in: nobody has to
// find memory for them later.
static void
register_hosts(void)
{
    for (u32 k = 0; host_modules[k] != NULL; k++)
        for (u32 f = 0; f < host_modules[k]->count; f++)
            register_type(host_modules[k]->funcs[f].sig);
    register_type(ENTRY_THREAD);
    register_type(ENTRY_EXPORT);
}

void
runtime_init(const struct host_module *const *modules)
{
    panic_init();
    host_modules = modules;
    cpu_features = cpu_features_detect();
    types_init();
    modules_init();
    register_hosts();
}
