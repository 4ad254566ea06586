// kernel/table.c: tables of references.
//
// A function table holds whole func_entry rows, so that call_indirect needs one
// load to check and one to call; other tables hold the 64-bit reference.  A
// table never moves: its largest size is reserved.

#include "kernel/kernel.h"

bool
table_is_funcs(const struct live_table *t)
{
    u32 heap = valtype_heap(t->type.elem);

    return heap < HEAP_FUNC || heap == HEAP_FUNC || heap == HEAP_NOFUNC;
}

static u64
entry_size(const struct live_table *t)
{
    return table_is_funcs(t) ? sizeof(struct func_entry) : sizeof(u64);
}

u64
table_get(const struct live_table *t, u64 at)
{
    if (table_is_funcs(t))
        return ((struct func_entry *)t->base)[at].id;
    return ((u64 *)t->base)[at];
}

// Words at a time: another thread may read them, and an id must never be a
// mixture of two.
static void
copy_words(u64 *to, const u64 *from, u64 count)
{
    bool down = to > from;

    for (u64 k = 0; k < count; k++) {
        u64 at = down ? count - 1 - k : k;
        __atomic_store_n(&to[at], __atomic_load_n(&from[at], __ATOMIC_RELAXED),
                         __ATOMIC_RELAXED);
    }
}

void
table_set(struct live_table *t, u64 at, u64 value)
{
    u64 *to = (u64 *)((u8 *)t->base + at * entry_size(t));

    if (table_is_funcs(t))
        copy_words(to, (const u64 *)&t->process->funcs[value],
                   sizeof(struct func_entry) / sizeof(u64));
    else
        __atomic_store_n(to, value, __ATOMIC_RELAXED);
}

void
table_copy(struct live_table *to, u64 at, const struct live_table *from,
           u64 from_at, u64 count)
{
    u64 size = entry_size(to);

    copy_words((u64 *)((u8 *)to->base + at * size),
               (const u64 *)((const u8 *)from->base + from_at * size),
               count * size / sizeof(u64));
}

u64
table_grow(struct live_table *t, u64 count, u64 value)
{
    u64 result = UINT64_MAX;

    lock(&t->lock);
    u64 old = t->view.count;
    u64 size = entry_size(t);
    if (count <= t->max - old &&
        (count == 0 || port_commit((u8 *)t->base + old * size, count * size))) {
        for (u64 i = old; i < old + count; i++)
            table_set(t, i, value);
        __atomic_store_n(&t->view.count, old + count, __ATOMIC_RELEASE);
        result = old;
    }
    unlock(&t->lock);
    return result;
}

status_t
table_new(struct live_table **out, struct process *p,
          const struct table_type *type, u64 init)
{
    struct live_table *t = kernel_alloc(sizeof(*t));

    if (t == NULL)
        return ERR_NO_MEMORY;
    object_init(&t->object, &table_type);
    list_init(&t->link);
    t->process = p;
    t->type = *type;
    t->max = LIMIT_TABLE_ENTRIES;
    if (type->limits.has_max)
        t->max = MIN(t->max, type->limits.max);
    t->reserved = ALIGN_UP(MAX(t->max, 1) * entry_size(t), PAGE_SIZE);
    t->base = port_reserve(t->reserved, PAGE_SIZE);
    if (t->base == NULL || type->limits.min > t->max ||
        table_grow(t, type->limits.min, init) == UINT64_MAX) {
        object_release(&t->object);
        return ERR_NO_MEMORY;
    }
    lock(&p->lock);
    list_append(&p->tables, &t->link);
    unlock(&p->lock);
    *out = t;
    return OK;
}

void
table_free(struct object *o)
{
    struct live_table *t = CONTAINER(o, struct live_table, object);

    lock(&t->process->lock);
    list_remove(&t->link);
    unlock(&t->process->lock);
    if (t->base != NULL)
        port_release(t->base, t->reserved);
    kernel_free(t);
}
