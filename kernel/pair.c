// kernel/pair.c: the life of pairs of objects, and what the ends know of each
// other.

#include "kernel/pair.h"

static void
pair_free(struct pair *pair)
{
    if (pair->type->clear != NULL)
        pair->type->clear(pair);
    kernel_free(pair);
}

void
pair_free_end(struct object *o)
{
    struct end *e = CONTAINER(o, struct end, object);
    struct pair *pair = e->pair;

    if (pair != NULL) {
        if (!e->closed)
            o->type->closed(o);
        lock(&pair->lock);
        pair->ends[e->side] = NULL;
        bool last = --pair->references == 0;
        unlock(&pair->lock);
        if (last)
            pair_free(pair);
    }
    kernel_free(e);
}

struct end *
pair_peer(const struct end *e)
{
    struct end *peer = e->pair->ends[1 - e->side];

    assert_held(&e->pair->lock);
    return peer != NULL && !peer->closed ? peer : NULL;
}

void
pair_show(struct end *e, u32 mask, u32 set)
{
    assert_held(&e->pair->lock);
    if ((object_signals(&e->object) & mask) != set)
        object_signal(&e->object, mask & ~set, set);
}

static void
join(struct pair *pair, struct end *ends[2])
{
    for (u32 side = 0; side < 2; side++) {
        ends[side]->pair = pair;
        ends[side]->side = side;
        pair->ends[side] = ends[side];
    }
    pair->references = 2;
}

status_t
pair_new(struct end *ends[2], const struct pair_type *type,
         struct account *payer)
{
    status_t status;
    struct pair *pair =
        account_alloc(payer, RESOURCE_OBJECTS, type->size, &status);

    if (pair == NULL)
        return status;
    pair->type = type;
    lock_init(&pair->lock, LOCK_MESSAGES);
    ends[0] = ends[1] = NULL;
    for (u32 side = 0; side < 2 && status == OK; side++)
        status = object_new(&ends[side], type->ends, type->end_size, payer);
    if (status == OK) {
        join(pair, ends);
        return OK;
    }
    if (ends[0] != NULL)
        object_release(&ends[0]->object);
    pair_free(pair);
    return status;
}
