// sys/group_calls.c: the system calls on groups.

#include "sys/internal.h"

static status_t
set_limit(struct group *g, u32 resource, u64 limit)
{
    if (resource >= RESOURCE_COUNT)
        return ERR_BAD_ARGUMENT;
    account_set_limit(group_account(g),
                      (enum resource)index_masked(resource, RESOURCE_COUNT),
                      limit);
    return OK;
}

static status_t
set_limits(struct group *g, struct bytes limits)
{
    status_t status = OK;
    struct group_limit limit;

    for (u64 at = 0; at < limits.size && status == OK; at += sizeof(limit)) {
        memcpy(&limit, limits.ptr + at, sizeof(limit));
        status = limit.zero != 0 ? ERR_BAD_ARGUMENT :
                                   set_limit(g, limit.resource, limit.limit);
    }
    return status;
}

status_t
sys_group_create(const struct group_create_args *a)
{
    char name[LIMIT_GROUP_NAME + 1] = {0};
    struct group *g;

    if (a->name.size > LIMIT_GROUP_NAME ||
        a->limits.size > RESOURCE_COUNT * sizeof(struct group_limit))
        return ERR_BAD_ARGUMENT;
    if (a->name.size > 0)
        memcpy(name, a->name.ptr, a->name.size);
    status_t status = group_new(&g, a->parent, name);
    if (status != OK)
        return status;
    status = set_limits(g, a->limits);
    if (status == OK)
        return give_handle(group_object(g), a->group);
    object_release(group_object(g));
    return status;
}

status_t
sys_group_get(const struct group_get_args *a)
{
    const struct account *account = group_account(a->group);

    if (a->resource >= RESOURCE_COUNT)
        return ERR_BAD_ARGUMENT;
    enum resource r = (enum resource)index_masked(a->resource, RESOURCE_COUNT);
    put_u64(a->used, account_used(account, r));
    put_u64(a->limit, account_limit(account, r));
    return OK;
}

status_t
sys_group_set_limit(const struct group_set_limit_args *a)
{
    return set_limit(a->group, a->resource, a->limit);
}

status_t
sys_group_list(const struct group_list_args *a)
{
    put_u32(a->count, group_list(a->group, a->after, a->entries));
    return OK;
}

status_t
sys_group_name(const struct group_name_args *a)
{
    struct member *m = group_find(a->group, a->id);

    if (m == NULL)
        return ERR_NOT_FOUND;
    struct string name = string_of(m->name);
    if (a->name.size > 0)
        memcpy(a->name.ptr, name.ptr, MIN(name.len, a->name.size));
    put_u32(a->size, name.len);
    object_release(m->object);
    return OK;
}

status_t
sys_group_open(const struct group_open_args *a)
{
    struct member *m = group_find(a->group, a->id);

    return m != NULL ? give_handle(m->object, a->handle) : ERR_NOT_FOUND;
}

status_t
sys_group_kill(const struct group_kill_args *a)
{
    group_kill(a->group, a->exit_status);
    return OK;
}

status_t
sys_group_suspend(const struct group_suspend_args *a)
{
    group_suspend(a->group);
    return OK;
}

status_t
sys_group_resume(const struct group_resume_args *a)
{
    group_resume(a->group);
    return OK;
}

// --- shares of the CPU -------------------------------------------------------

status_t
sys_group_set_cpu(const struct group_set_cpu_args *a)
{
    struct account *account = group_account(a->group);

    if (a->weight == 0 || a->weight > LIMIT_WEIGHT || a->cap > LIMIT_CAP ||
        account == account_root()) // it has nobody beside it
        return ERR_BAD_ARGUMENT;
    account_set_cpu(account, a->weight, a->cap);
    return OK;
}

status_t
sys_group_get_cpu(const struct group_get_cpu_args *a)
{
    u32 weight, cap;

    account_get_cpu(group_account(a->group), &weight, &cap);
    put_u32(a->weight, weight);
    put_u32(a->cap, cap);
    return OK;
}

// Nobody gives what he does not have.
static status_t
set_ceiling(struct account *account, u32 priority)
{
    if (priority > LIMIT_PRIORITY)
        return ERR_BAD_ARGUMENT;
    if (priority > account_ceiling(account_current()))
        return ERR_LIMIT;
    account_set_ceiling(account, priority);
    return OK;
}

status_t
sys_group_set_ceiling(const struct group_set_ceiling_args *a)
{
    return set_ceiling(group_account(a->group), a->priority);
}

status_t
sys_process_set_ceiling(const struct process_set_ceiling_args *a)
{
    return set_ceiling(a->process->account, a->priority);
}

// --- promises ----------------------------------------------------------------

status_t
sys_group_set_overcommit(const struct group_set_overcommit_args *a)
{
    if (a->percent != 0 && (a->percent < 100 || a->percent > LIMIT_OVERCOMMIT))
        return ERR_BAD_ARGUMENT;
    account_set_overcommit(group_account(a->group), a->percent);
    return OK;
}

status_t
sys_group_get_overcommit(const struct group_get_overcommit_args *a)
{
    put_u32(a->percent, account_overcommit(group_account(a->group)));
    return OK;
}
