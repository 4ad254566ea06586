// kernel/object.c: what all objects share: a type and a reference count.

#include "kernel/internal.h"

static u64 alive;

#define OBJECT(number, id, granted, help) \
    const struct object_type id##_type = {#id, granted, id##_free};
#include "abi/objects.def"

void
object_init(struct object *o, const struct object_type *type)
{
    *o = (struct object){.type = type, .references = 1};
    __atomic_fetch_add(&alive, 1, __ATOMIC_RELAXED);
}

void
object_hold(struct object *o)
{
    assert(o->references > 0);
    count_up(&o->references);
}

void
object_release(struct object *o)
{
    if (o != NULL && count_down(&o->references)) {
        __atomic_fetch_sub(&alive, 1, __ATOMIC_RELAXED);
        o->type->free(o);
    }
}

u64
object_count(void)
{
    return __atomic_load_n(&alive, __ATOMIC_RELAXED);
}
