// sys/linked.c: processes of one module or several: libraries under names, in
// order, and the program.  What a module imports of a library's name is found
// there or, like everything else, in the host's modules.

#include "sys/internal.h"

// How the imports of a module are found: `count` libraries are before it.
struct linker {
    const struct library *libraries;
    u32 count;
    struct store *store; // with their instances, or NULL: they have none yet
};

static bool
find_in_library(const struct linker *l, u32 index, struct string name,
                struct extern_ref *out)
{
    if (l->store != NULL)
        return instance_export(store_instance(l->store, index), name, out);
    return module_export(code_module_info(l->libraries[index].code), name) !=
           NULL;
}

static bool
find(void *self, struct string module, struct string name,
     struct extern_ref *out)
{
    const struct linker *l = self;

    for (u32 k = l->count; k-- > 0;)
        if (string_equal(l->libraries[k].name, module) &&
            find_in_library(l, k, name, out))
            return true;
    return host_resolver.find(host_resolver.self, module, name, out);
}

// A memory that should be a library's is not made up.
static bool
gives_memory(void *self, struct string module)
{
    const struct linker *l = self;

    for (u32 k = 0; k < l->count; k++)
        if (string_equal(l->libraries[k].name, module))
            return false;
    return host_resolver.gives_memory(host_resolver.self, module);
}

static status_t
load(struct process *p, const struct linking *linking, u32 index,
     struct code_module *m, struct error *error)
{
    struct linker l = {linking->libraries, index, p->store};
    const struct resolver resolver = {&l, find, gives_memory};
    struct instance *i;
    enum trap trap;

    return instance_load(&i, p->store, m, &resolver, error, &trap);
}

status_t
process_new_linked(struct process **out, struct group *g, struct code_module *m,
                   struct linking *linking, const char *name,
                   struct error *error, char *error_text, u32 error_text_size)
{
    struct code_module *modules[LIBRARIES_MAX + 1];
    u32 count = linking->count;
    struct process *p = NULL;

    assert(count <= LIBRARIES_MAX);
    *error = (struct error){OK, 0, NULL};
    for (u32 k = 0; k < count; k++)
        modules[k] = linking->libraries[k].code;
    modules[count] = m;
    linking->blamed = count;
    status_t status = process_new_for(&p, g, name, modules, count + 1);
    if (p == NULL)
        return status;
    p->libraries = count;
    struct account *before = thread_charge(p->account);
    for (u32 k = 0; k <= count && status == OK; k++) {
        linking->blamed = k;
        status = load(p, linking, k, modules[k], error);
    }
    thread_charge(before);
    if (status == OK) {
        *out = p;
        return OK;
    }
    instance_describe(modules[linking->blamed], error, error_text,
                      error_text_size);
    process_release(p);
    return status;
}

status_t
process_new(struct process **out, struct group *g, struct code_module *m,
            const char *name, struct error *error, char *error_text,
            u32 error_text_size)
{
    struct linking none = {NULL, 0, 0};

    return process_new_linked(out, g, m, &none, name, error, error_text,
                              error_text_size);
}

bool
process_missing_import(const struct linking *linking,
                       const struct code_module *m, u32 *from,
                       struct error *error, char *error_text,
                       u32 error_text_size)
{
    struct linker l = {linking->libraries, linking->blamed, NULL};
    const struct resolver resolver = {&l, find, gives_memory};

    return instance_missing_import(&resolver, m, from, error, error_text,
                                   error_text_size);
}
