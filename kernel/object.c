// kernel/object.c: what all objects share: a type, a reference count, a count
// of handles.
//
// References keep the object; handles are those of them by which programs can
// use it, in a table or on the way in a message.  When the last handle is gone
// the object closes (its type's `closed`): nobody will use it any more, though
// calls and waits that began before may still have references.

#include "kernel/internal.h"

static u64 alive;

#define OBJECT(number, id, granted, settable, close, help)                   \
    const struct object_type id##_type = {#id, granted, settable, id##_free, \
                                          close};
#include "abi/objects.def"

void
object_init(struct object *o, const struct object_type *type)
{
    *o = (struct object){.type = type, .references = 1};
    lock_init(&o->lock, LOCK_SIGNALS);
    list_init(&o->observers);
    __atomic_fetch_add(&alive, 1, __ATOMIC_RELAXED);
}

status_t
object_new(void *out, const struct object_type *type, u64 size,
           struct account *payer)
{
    status_t status;
    struct object *o = account_alloc(payer, RESOURCE_OBJECTS, size, &status);

    if (status != OK)
        return status;
    object_init(o, type);
    *(void **)out = o;
    return OK;
}

bool
object_hold_live(struct object *o)
{
    u32 count = __atomic_load_n(&o->references, __ATOMIC_RELAXED);

    while (count != 0 && count != COUNT_STUCK)
        if (__atomic_compare_exchange_n(&o->references, &count, count + 1, true,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return true;
    return count != 0;
}

void
object_end(struct object *o)
{
    assert(list_empty(&o->observers));
    __atomic_fetch_sub(&alive, 1, __ATOMIC_RELAXED);
    o->type->free(o);
}

void
object_hold_handle(struct object *o)
{
    object_hold(o);
    count_up(&o->handles);
}

void
object_release_handle(struct object *o)
{
    if (o == NULL)
        return;
    if (count_down(&o->handles) && o->type->closed != NULL)
        o->type->closed(o);
    object_release(o);
}

u64
object_count(void)
{
    return __atomic_load_n(&alive, __ATOMIC_RELAXED);
}
