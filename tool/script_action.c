// tool/script_action.c: what a script has done: calls of functions and reads of
// globals.

#include "tool/script_run.h"

static const struct type *
func_type(const struct module *m, u32 func)
{
    return &m->types[m->funcs[func].type];
}

// Room for the arguments and for what comes back.
static bool
results_new(struct results *r, const struct action *a,
            const struct extern_ref *ref)
{
    const struct module *m = instance_info(ref->instance);
    u32 count = MAX(a->arg_count, 1);

    if (ref->kind == EXTERN_FUNC)
        count = MAX(count, func_type(m, ref->index)->result_count);
    r->values = kernel_alloc(count * sizeof(*r->values));
    r->module = m;
    r->room = count;
    return r->values != NULL;
}

void
script_results_free(struct results *r)
{
    kernel_free(r->values);
}

static struct outcome
invoke(const struct action *a, const struct extern_ref *ref, struct results *r)
{
    const struct type *type = func_type(r->module, ref->index);
    enum trap trap = TRAP_NONE;

    if (a->arg_count != type->param_count)
        return (struct outcome){ERR_BAD_ARGUMENT, "wrong number of arguments"};
    r->types = type->vals + type->param_count;
    for (u32 i = 0; i < a->arg_count; i++) {
        struct script_value arg;
        struct typed param = {r->module, type->vals[i]};
        memcpy(&arg, a->args + i * sizeof(arg), sizeof(arg));
        if (!script_is_argument(&arg, &param))
            return (struct outcome){ERR_BAD_ARGUMENT, "argument of wrong type"};
        r->values[i] = script_value_of(&arg);
    }
    status_t status = instance_invoke(ref, r->values, a->arg_count, r->room,
                                      &r->count, &trap);
    return (struct outcome){status, status == ERR_TRAP ? trap_text(trap) :
                                                         status_text(status)};
}

struct outcome
script_act(struct script *s, const struct action *a, struct results *r)
{
    struct instance *instance = script_instance(s, a->module);
    struct extern_ref ref;

    *r = (struct results){0};
    if (instance == NULL && s->in_text)
        return (struct outcome){ERR_UNSUPPORTED, "a module in the text format"};
    if (instance == NULL)
        return (struct outcome){ERR_NOT_FOUND, "no such instance"};
    if (!instance_export(instance, a->field, &ref))
        return (struct outcome){ERR_NOT_FOUND, "no such export"};
    if (!results_new(r, a, &ref))
        return (struct outcome){ERR_NO_MEMORY, status_text(ERR_NO_MEMORY)};
    if (ref.kind != (a->invoke ? EXTERN_FUNC : EXTERN_GLOBAL))
        return (struct outcome){ERR_WRONG_TYPE,
                                a->invoke ? "not a function" : "not a global"};
    if (a->invoke)
        return invoke(a, &ref, r);
    r->values[0] = instance_global(ref.instance, ref.index);
    r->types = &r->module->globals[ref.index].type.type;
    r->count = 1;
    return (struct outcome){OK, NULL};
}
