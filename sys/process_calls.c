// sys/process_calls.c: the system calls on modules and processes.

#include "sys/internal.h"

// What a process is spawned with, copied once.
struct request {
    struct spawn spawn;
    char name[LIMIT_PROCESS_NAME + 1];
    handle_t handles[LIMIT_SPAWN_HANDLES + LIMIT_SPAWN_DESCRIPTORS];
    struct carried carried[LIMIT_SPAWN_HANDLES + LIMIT_SPAWN_DESCRIPTORS];
    struct spawn_descriptor descriptors[LIMIT_SPAWN_DESCRIPTORS];
};

status_t
sys_module_create(const struct module_create_args *a)
{
    struct code_module *module;
    status_t status = module_compile_apart(a->bytes, a->text, &module);

    return status == OK ? give_handle(code_module_object(module), a->module) :
                          status;
}

static status_t
copy_in(struct request *r, const struct process_spawn_args *a)
{
    u64 count = a->descriptors.size / sizeof(r->descriptors[0]);

    if (a->name.size > LIMIT_PROCESS_NAME || a->args.size > LIMIT_ARGUMENTS ||
        a->env.size > LIMIT_ARGUMENTS)
        return ERR_BAD_ARGUMENT;
    if (a->handles.size > LIMIT_SPAWN_HANDLES * sizeof(handle_t) ||
        count > LIMIT_SPAWN_DESCRIPTORS)
        return ERR_LIMIT;
    if (a->name.size > 0)
        memcpy(r->name, a->name.ptr, a->name.size);
    if (a->handles.size > 0)
        memcpy(r->handles, a->handles.ptr, a->handles.size);
    if (count > 0)
        memcpy(r->descriptors, a->descriptors.ptr, a->descriptors.size);
    r->spawn = (struct spawn){
        .module = a->module,
        .group = a->group != NULL ? a->group : group_current(),
        .name = r->name,
        .setup = {.args = a->args,
                  .env = a->env,
                  .descriptors = r->descriptors,
                  .descriptor_count = (u32)count},
        .handles = r->handles,
        .carried = r->carried,
        .handle_count = (u32)(a->handles.size / sizeof(handle_t)),
    };
    return OK;
}

// The handles that descriptors are made from follow the others.
static status_t
add_streams(struct spawn *s)
{
    for (u32 i = 0; i < s->setup.descriptor_count; i++) {
        const struct spawn_descriptor *d = &s->setup.descriptors[i];
        if (d->kind > SPAWN_STREAM)
            return ERR_BAD_ARGUMENT;
        if (d->kind == SPAWN_STREAM)
            s->handles[s->handle_count + s->stream_count++] = d->from;
    }
    s->setup.streams = s->carried + s->handle_count;
    return OK;
}

// With references, of *count of them.
static status_t
look_up(struct spawn *s, u32 *count)
{
    struct handle_table *t = &process_current()->handles;
    status_t status = OK;

    for (u32 i = 0; i < s->handle_count + s->stream_count; i++) {
        const struct object_type *type =
            i < s->handle_count ? NULL : &stream_type;
        status =
            handle_peek(t, s->handles[i], type, RIGHT_TRANSFER, &s->carried[i]);
        if (status != OK)
            break;
        *count += 1;
    }
    return status;
}

static status_t
spawn(struct request *r, const struct process_spawn_args *a)
{
    struct object *held[LIMIT_SPAWN_HANDLES + LIMIT_SPAWN_DESCRIPTORS];
    u32 count = 0;
    handle_t handle;
    status_t status = copy_in(r, a);

    if (status == OK)
        status = add_streams(&r->spawn);
    if (status == OK)
        status = look_up(&r->spawn, &count);
    for (u32 i = 0; i < count; i++)
        held[i] = r->carried[i].object;
    if (status == OK)
        status = process_spawn_child(&r->spawn, a->text, &handle);
    if (status == OK)
        put_u32(a->process, handle);
    while (count > 0)
        object_release(held[--count]);
    return status;
}

status_t
sys_process_spawn(const struct process_spawn_args *a)
{
    struct request *r = kernel_alloc(sizeof(*r));

    if (r == NULL)
        return ERR_NO_MEMORY;
    status_t status = spawn(r, a);
    kernel_free(r);
    return status;
}

status_t
sys_process_given(const struct process_given_args *a)
{
    const struct process *p = process_current();

    if (a->index >= p->given_count)
        return ERR_NOT_FOUND;
    put_u32(a->handle, p->given[index_masked(a->index, LIMIT_SPAWN_HANDLES)]);
    return OK;
}

status_t
sys_process_wait(const struct process_wait_args *a)
{
    u32 exit_status;
    status_t status = process_wait(a->process, a->deadline_ns, &exit_status);

    if (status == OK)
        put_u32(a->exit_status, exit_status);
    return status;
}

status_t
sys_process_kill(const struct process_kill_args *a)
{
    process_kill(a->process, a->exit_status);
    return OK;
}

status_t
adoption_take(struct adoption *a)
{
    return handle_take(&process_current()->handles, &a->handle, &a->object, 1,
                       NULL);
}

status_t
sys_descriptor_create(const struct descriptor_create_args *a)
{
    struct process *p = process_current();
    struct adoption adoption = {.handle = a->stream};
    u32 descriptor;

    if (p->personality == NULL || p->personality->adopt == NULL)
        return ERR_UNSUPPORTED;
    status_t status = handle_peek(&p->handles, a->stream, NULL, RIGHT_TRANSFER,
                                  &adoption.object);
    if (status != OK)
        return status;
    struct object *held = adoption.object.object;
    bool fits = held->type == &stream_type || held->type == &terminal_type;
    status =
        !fits ? ERR_WRONG_TYPE : p->personality->adopt(&adoption, &descriptor);
    if (status == OK) {
        put_u32(a->descriptor, descriptor);
        object_release_handle(held); // the one that was taken
    }
    object_release(held);
    return status;
}
