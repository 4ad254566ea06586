// kernel/handle.c: a process's names for objects.
//
// A handle is generation << 20 | index + 1.  A slot's generation changes when
// it is freed, so an old handle is found out; generations have 11 bits, so that
// a handle is never negative as an i32.  A slot that has used all of them rests
// until there is no other: a name comes back after 2^27 others at the earliest.

#include "kernel/internal.h"

enum { GENERATIONS = 1 << 11 };

static handle_t
name_of(u32 index, u32 generation)
{
    return generation << HANDLE_INDEX_BITS | (index + 1);
}

static struct handle_slot *
slot_at(struct handle_table *t, u32 index)
{
    return &t->chunks[index / HANDLE_CHUNK][index % HANDLE_CHUNK];
}

static struct handle_slot *
find(struct handle_table *t, handle_t h) REQUIRES(t->lock)
{
    assert_held(&t->lock);
    return (struct handle_slot *)handle_look_up(t, h);
}

static u32
pop(struct handle_table *t, u32 *list)
{
    u32 index = *list - 1;

    *list = slot_at(t, index)->next;
    return index;
}

// So many are to be in the table.
static status_t
charge(struct handle_table *t, u32 count) REQUIRES(t->lock)
{
    u32 reserved = MIN(t->reserved, count);

    assert_held(&t->lock);
    if (!account_charge(t->account, RESOURCE_HANDLES, count - reserved))
        return ERR_LIMIT;
    t->reserved -= reserved;
    t->used += count;
    return OK;
}

static void
uncharge(struct handle_table *t, u32 count) REQUIRES(t->lock)
{
    assert_held(&t->lock);
    account_uncharge(t->account, RESOURCE_HANDLES, count);
    t->used -= count;
}

static status_t
chunk_new(struct handle_table *t, u32 chunk) REQUIRES(t->lock)
{
    status_t status;

    assert_held(&t->lock);
    t->chunks[chunk] =
        account_alloc(t->account, RESOURCE_KERNEL,
                      sizeof(struct handle_slot) * HANDLE_CHUNK, &status);
    return status;
}

// A free slot's index; t->lock is held.
static status_t
take_slot(struct handle_table *t, u32 *out) REQUIRES(t->lock)
{
    u32 chunk = t->slots / HANDLE_CHUNK;

    assert_held(&t->lock);
    if (t->free != 0) {
        *out = pop(t, &t->free);
        return OK;
    }
    if (chunk == HANDLE_CHUNKS && t->rested != 0) {
        *out = pop(t, &t->rested);
        return OK;
    }
    if (chunk == HANDLE_CHUNKS)
        return ERR_FULL;
    if (t->chunks[chunk] == NULL) {
        status_t status = chunk_new(t, chunk);
        if (status != OK)
            return status;
    }
    *out = t->slots++;
    return OK;
}

void
handle_table_init(struct handle_table *t, struct account *account)
{
    t->account = account;
    lock_init(&t->lock, LOCK_HANDLES);
}

// One more handle of o.
static status_t
fill_slot(struct handle_table *t, struct object *o, u32 rights, handle_t *out)
    REQUIRES(t->lock)
{
    u32 index = 0;
    status_t status = charge(t, 1);

    assert_held(&t->lock);
    if (status != OK)
        return status;
    status = take_slot(t, &index);
    if (status == OK) {
        struct handle_slot *slot = slot_at(t, index);
        object_hold_handle(o);
        slot->object = o;
        slot->rights = rights & o->type->rights;
        *out = name_of(index, slot->generation);
    } else {
        uncharge(t, 1);
    }
    return status;
}

status_t
handle_new(struct handle_table *t, struct object *o, u32 rights, handle_t *out)
{
    lock(&t->lock);
    status_t status = fill_slot(t, o, rights, out);
    unlock(&t->lock);
    return status;
}

// Here and below with interrupts off, as that is so short: to be preempted
// would be later.
status_t LOCKS_BY_HAND
handle_peek(struct handle_table *t, handle_t h, const struct object_type *type,
            u32 rights, struct carried *out)
{
    bool on = port_interrupts_off();

    lock_irq_nested(&t->lock);
    const struct handle_slot *slot = find(t, h);
    status_t status = handle_check(slot, type, rights);
    if (status == OK) {
        object_hold(slot->object);
        *out = (struct carried){slot->object, slot->rights};
    }
    unlock_irq_nested(&t->lock);
    port_interrupts_restore(on);
    return status;
}

struct loan
handle_lend_locked(struct handle_table *t, handle_t h,
                   const struct object_type *type, u32 rights)
{
    struct carried carried = {NULL, 0};
    status_t status = handle_peek(t, h, type, rights, &carried);

    return (struct loan){carried.object, status, true};
}

status_t
handle_get(struct handle_table *t, handle_t h, const struct object_type *type,
           u32 rights, struct object **out)
{
    struct carried carried;
    status_t status = handle_peek(t, h, type, rights, &carried);

    if (status == OK)
        *out = carried.object;
    return status;
}

// Its handle names nothing any more, but is still counted; the object that it
// named, with the references of a handle.
static struct object *
empty_slot(struct handle_table *t, struct handle_slot *slot, u32 number)
    REQUIRES(t->lock)
{
    struct object *object = slot->object;

    assert_held(&t->lock);
    slot->object = NULL;
    slot->generation = (slot->generation + 1) % GENERATIONS;
    u32 *list = slot->generation != 0 ? &t->free : &t->rested;
    slot->next = *list;
    *list = number;
    return object;
}

status_t
handle_close(struct handle_table *t, handle_t h)
{
    struct object *object = NULL;

    lock(&t->lock);
    struct handle_slot *slot = find(t, h);
    if (slot != NULL) {
        object = empty_slot(t, slot, h & HANDLE_INDEX_MASK);
        uncharge(t, 1);
    }
    unlock(&t->lock);
    object_release_handle(object);
    return object != NULL ? OK : ERR_BAD_HANDLE;
}

status_t
handle_duplicate(struct handle_table *t, handle_t h, u32 rights, handle_t *out)
{
    lock(&t->lock);
    struct handle_slot *slot = find(t, h);
    status_t status = handle_check(slot, NULL, rights | RIGHT_DUPLICATE);
    if (status == OK)
        status = fill_slot(t, slot->object, rights, out);
    unlock(&t->lock);
    return status;
}

// --- several, which move -----------------------------------------------------

// Are these all there, may be moved, and name what they are expected to?
static status_t
check_all(struct handle_table *t, const handle_t *handles,
          const struct carried *expected, u32 count) REQUIRES(t->lock)
{
    assert_held(&t->lock);
    for (u32 i = 0; i < count; i++) {
        struct handle_slot *slot = find(t, handles[i]);
        status_t status = handle_check(slot, NULL, RIGHT_TRANSFER);
        if (status != OK)
            return status;
        if (slot->object != expected[i].object)
            return ERR_BAD_HANDLE;
        for (u32 k = 0; k < i; k++)
            if (handles[k] == handles[i])
                return ERR_BAD_ARGUMENT;
    }
    return OK;
}

status_t
handle_take(struct handle_table *t, const handle_t *handles,
            struct carried *carried, u32 count, struct charge *counted)
{
    lock(&t->lock);
    status_t status = check_all(t, handles, carried, count);
    for (u32 i = 0; i < count && status == OK; i++) {
        struct handle_slot *slot = find(t, handles[i]);
        carried[i].rights = slot->rights;
        carried[i].object = empty_slot(t, slot, handles[i] & HANDLE_INDEX_MASK);
    }
    if (status == OK && counted != NULL) {
        t->used -= count;
        account_hold(t->account);
        *counted = (struct charge){t->account, count};
    } else if (status == OK) {
        uncharge(t, count);
    }
    unlock(&t->lock);
    return status;
}

// A slot that was taken and not filled.
static void
give_slot(struct handle_table *t, u32 index) REQUIRES(t->lock)
{
    assert_held(&t->lock);
    slot_at(t, index)->next = t->free;
    t->free = index + 1;
}

status_t
handle_put(struct handle_table *t, const struct carried *carried,
           handle_t *handles, u32 count)
{
    u32 taken = 0;

    lock(&t->lock);
    status_t status = charge(t, count);
    bool charged = status == OK;
    while (taken < count && status == OK) {
        status = take_slot(t, &handles[taken]);
        taken += status == OK;
    }
    for (; status != OK && taken > 0; taken--)
        give_slot(t, handles[taken - 1]);
    if (status != OK && charged)
        uncharge(t, count);
    for (u32 i = 0; i < count && status == OK; i++) {
        struct handle_slot *slot = slot_at(t, handles[i]);
        slot->object = carried[i].object;
        slot->rights = carried[i].rights;
        handles[i] = name_of(handles[i], slot->generation);
    }
    unlock(&t->lock);
    return status;
}

status_t
handle_table_reserve(struct handle_table *t, u32 count)
{
    status_t status = OK;

    assert(count <= HANDLE_CHUNK);
    if (!account_charge(t->account, RESOURCE_HANDLES, count))
        return ERR_LIMIT;

    lock(&t->lock);
    assert(t->slots == 0 && t->reserved == 0);
    t->reserved = count;
    if (t->chunks[0] == NULL)
        status = chunk_new(t, 0);
    unlock(&t->lock);
    return status;
}

void
handle_table_free(struct handle_table *t)
{
    for (u32 i = 0; i < t->slots; i++)
        object_release_handle(slot_at(t, i)->object);
    for (u32 i = 0; i < HANDLE_CHUNKS; i++)
        kernel_free(t->chunks[i]);
    account_uncharge(t->account, RESOURCE_HANDLES, t->used + t->reserved);
    *t = (struct handle_table){.slots = 0};
}
