// runtime/describe.c: why there is no instance, in words: which import, segment
// or memory it was.

#include "runtime/internal.h"

enum { ITEMS_PER_LOOK = 4096 };

// Before item k of many; who is killed needs no words.
static bool
goes_on(u32 k)
{
    return k % ITEMS_PER_LOOK != 0 || !thread_is_killed();
}

static void
describe_import(char *text, u32 size, const struct module *m,
                const struct error *error)
{
    for (u32 k = 0; k < m->import_count && goes_on(k); k++) {
        const struct import *i = &m->imports[k];
        if (i->at != error->at)
            continue;
        format_safe(text, size, "%s \"%.*s\" \"%.*s\"", error->what,
                    (int)i->module.len, i->module.ptr, (int)i->name.len,
                    i->name.ptr);
        return;
    }
}

static void
describe_segment(char *text, u32 size, const struct module *m,
                 const struct error *error)
{
    for (u32 k = 0; k < m->elem_count && goes_on(k); k++)
        if (m->elems[k].at == error->at)
            format(text, size, "%s: element segment %u, %u elements",
                   error->what, k, m->elems[k].count);
    for (u32 k = 0; k < m->data_count && goes_on(k); k++)
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

void
instance_describe(const struct code_module *m, const struct error *error,
                  char *text, u32 size)
{
    if (size > 0)
        text[0] = '\0';
    if (error->status == ERR_UNKNOWN_IMPORT || error->status == ERR_IMPORT_TYPE)
        describe_import(text, size, &m->compiled->module, error);
    else if (error->status == ERR_TRAP)
        describe_segment(text, size, &m->compiled->module, error);
    else if (error->status == ERR_NO_MEMORY)
        describe_memory(text, size, &m->compiled->module);
}
