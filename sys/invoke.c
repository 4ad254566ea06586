// sys/invoke.c: processes that run one function of their program, with
// arguments, instead of its entry.

#include "sys/internal.h"

// Of these types values travel in slots as they are; references do not.
static bool
is_plain(valtype_t type)
{
    return type >= VAL_I32 && type <= VAL_V128;
}

static status_t
call_new(const struct type *type, struct bytes args, struct process_call **out)
{
    u32 results = type->result_count;
    u64 slots = MAX(type->param_count, results) * sizeof(u64[2]);

    for (u32 k = 0; k < (u32)type->param_count + results; k++)
        if (!is_plain(type->vals[k]))
            return ERR_WRONG_TYPE;
    if (args.size != type->param_count * sizeof(u64[2]))
        return ERR_WRONG_TYPE;
    struct process_call *call = kernel_alloc(sizeof(*call) + slots + results);
    if (call == NULL)
        return ERR_NO_MEMORY;
    call->slots = (u64(*)[2])(call + 1);
    call->types = (u8 *)call->slots + slots;
    call->result_count = results;
    if (args.size > 0)
        memcpy(call->slots, args.ptr, args.size);
    for (u32 k = 0; k < results; k++)
        call->types[k] = (u8)type->vals[type->param_count + k];
    *out = call;
    return OK;
}

status_t
process_start_call(struct process *p, struct string name, struct bytes args,
                   struct process_call **out)
{
    struct instance *i = store_instance(p->store, p->libraries);

    if (i == NULL)
        return ERR_NOT_FOUND;
    const struct module *m = instance_info(i);
    const struct export *e = module_export(m, name);
    if (e == NULL || e->kind != EXTERN_FUNC)
        return ERR_NOT_FOUND;
    status_t status =
        call_new(&m->types[m->funcs[e->index].type], args, &p->call);
    if (status != OK)
        return status;
    p->call->func = e->index;
    *out = p->call;
    status = process_start(p);
    if (status != OK) {
        p->call = NULL;
        kernel_free(*out);
    }
    return status;
}
