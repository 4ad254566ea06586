// runtime/table.c: tables of references.
//
// All entries are words, whatever the table's type: call_indirect finds a
// function by its id in the store's entries, which never change while threads
// run, so what it checks is what it calls.  Words come in through table_new(),
// table_grow(), table_fill() and table_write(), which check that the table can
// hold them, or from another table of the same type.
//
// A table has addresses for all entries it may get as long as its store has
// any to spare (TABLES_ROOM).  Others begin with little and are moved when they
// outgrow it, unless another thread could be using them: then they do not grow.
// No lock is held while entries are written, and a killed thread stops there.

#include "runtime/internal.h"

static const u64 TABLES_ROOM = GIB; // of addresses, in one store
static const u64 ROOM_FIRST = 8192; // entries of a table beyond that
static const u64 PIECE = 8192;      // entries between two looks at `killed`
static const u64 PER_PAGE = PAGE_SIZE / sizeof(u64);

// --- references --------------------------------------------------------------

bool
reference_is_valid(const struct store *s, enum ref_kind kind, u64 value)
{
    switch (kind) {
    case REF_FUNC:
        return value < s->func_count;
    case REF_EXN:
        return value == 0 || value >> 32 == s->exn_cookie;
    case REF_EXTERN:
        return true;
    case REF_ANY:
        return value <= UINT32_MAX; // of a heap whose owner alone uses it
    }
    return false;
}

static bool
holds(const struct live_table *t, u64 value)
{
    return reference_is_valid(t->store, (enum ref_kind)t->type.kind, value);
}

// --- entries -----------------------------------------------------------------

u64
table_get(const struct live_table *t, u64 at)
{
    return __atomic_load_n(&t->view.base[at], __ATOMIC_RELAXED);
}

static void
set(struct live_table *t, u64 at, u64 value)
{
    __atomic_store_n(&t->view.base[at], value, __ATOMIC_RELAXED);
}

status_t
table_write(struct live_table *t, u64 at, const u64 *values, u64 count)
{
    for (u64 k = 0; k < count; k++) {
        if (!holds(t, values[k]))
            return ERR_BAD_ARGUMENT;
        if (k % PIECE == 0 && thread_is_killed())
            return ERR_KILLED;
        set(t, at + k, values[k]);
    }
    return OK;
}

status_t
table_fill(struct live_table *t, u64 at, u64 value, u64 count)
{
    if (!holds(t, value))
        return ERR_BAD_ARGUMENT;
    for (u64 k = 0; k < count; k++) {
        if (k % PIECE == 0 && thread_is_killed())
            return ERR_KILLED;
        set(t, at + k, value);
    }
    return OK;
}

void
table_copy(struct live_table *to, u64 at, const struct live_table *from,
           u64 from_at, u64 count)
{
    bool down = at > from_at;

    assert(to->type.kind == from->type.kind && to->store == from->store);
    for (u64 k = 0; k < count; k++) {
        u64 n = down ? count - 1 - k : k;
        if (k % PIECE == 0 && thread_is_killed())
            return;
        set(to, at + n, table_get(from, from_at + n));
    }
}

// --- room --------------------------------------------------------------------

// Addresses for `room` entries and memory for those that there are.
static bool
move_to(struct live_table *t, u64 room)
{
    u64 before = t->addresses.amount, *old = t->view.base;

    if (!charge_to(&t->addresses, RESOURCE_ADDRESSES, room * sizeof(u64)))
        return false;
    const void *like = old != NULL ? (void *)old : (void *)t->store->vms[0];
    u64 *base = port_hardened() ?
                    port_reserve_open(OPEN_DATA, room * sizeof(u64), like) :
                    port_reserve(room * sizeof(u64), PAGE_SIZE);
    if (base == NULL) {
        charge_less(&t->addresses, RESOURCE_ADDRESSES, before);
        return false;
    }
    for (u64 at = 0; at < t->committed; at += PIECE) {
        u64 size = MIN(PIECE, t->committed - at) * sizeof(u64);
        if (!kept_commit(base + at, size)) {
            port_release(base, room * sizeof(u64));
            charge_less(&t->addresses, RESOURCE_ADDRESSES, before);
            return false;
        }
        memcpy(base + at, old + at, size);
    }
    __atomic_store_n(&t->view.base, base, __ATOMIC_RELEASE);
    if (old != NULL)
        port_release(old, t->room * sizeof(u64));
    t->room = room;
    return true;
}

static u64
whole_pages(u64 entries)
{
    return ALIGN_UP(MAX(entries, 1), PER_PAGE);
}

static bool
make_room(struct live_table *t, u64 entries)
{
    if (entries <= t->room)
        return true;
    if (__atomic_load_n(&t->store->thread_count, __ATOMIC_SEQ_CST) > 1)
        return false;
    return move_to(t, whole_pages(MIN(MAX(entries, 2 * t->room), t->max)));
}

// The room that t begins with; the store's own, if it has that to spare.
static u64
first_room(struct live_table *t, u64 min)
{
    struct store *s = t->store;
    u64 most = whole_pages(t->max), size = most * sizeof(u64);

    lock(&s->lock);
    t->budgeted = size <= TABLES_ROOM - s->table_room;
    if (t->budgeted)
        s->table_room += size;
    unlock(&s->lock);
    return t->budgeted ? most : MIN(most, whole_pages(MAX(min, ROOM_FIRST)));
}

static void
give_room_back(struct live_table *t)
{
    if (!t->budgeted)
        return;
    lock(&t->store->lock);
    t->store->table_room -= whole_pages(t->max) * sizeof(u64);
    unlock(&t->store->lock);
}

// --- growing -----------------------------------------------------------------

static status_t LOCKS_BY_HAND
start_growing(struct live_table *t)
{
    bool on;
    status_t status =
        wait_queue_until(&t->idle, &t->growing, false, UINT64_MAX, &on);

    if (status != OK)
        return status;
    t->growing = true;
    unlock_irq(&t->idle.lock, on);
    return OK;
}

static void
stop_growing(struct live_table *t)
{
    bool on = lock_irq(&t->idle.lock);

    t->growing = false;
    wait_queue_wake(&t->idle, 0, 1);
    unlock_irq(&t->idle.lock, on);
}

// Memory for entries [0, end), a piece at a time.
static status_t
commit_entries(struct live_table *t, u64 end)
{
    while (t->committed < end) {
        u64 count = MIN(PIECE, whole_pages(end) - t->committed);
        if (thread_is_killed())
            return ERR_KILLED;
        status_t status =
            charge_commit(&t->memory, RESOURCE_MEMORY,
                          t->view.base + t->committed, count * sizeof(u64));
        if (status != OK)
            return status;
        t->committed += count;
    }
    return OK;
}

static void
decommit_entries(struct live_table *t, u64 keep)
{
    if (t->committed > keep)
        port_decommit(t->view.base + keep, (t->committed - keep) * sizeof(u64));
    t->committed = keep;
    charge_less(&t->memory, RESOURCE_MEMORY, keep * sizeof(u64));
}

// Entries that nobody can see until their count is published.
static status_t
append(struct live_table *t, u64 count, u64 value)
{
    u64 old = t->view.count, committed = t->committed;
    status_t status = OK;

    if (count > t->max - old)
        return ERR_LIMIT;
    if (!make_room(t, old + count))
        return ERR_NO_MEMORY;
    status = commit_entries(t, old + count);
    if (status == OK)
        status = table_fill(t, old, value, count);
    if (status == OK)
        __atomic_store_n(&t->view.count, old + count, __ATOMIC_RELEASE);
    else
        decommit_entries(t, committed);
    return status;
}

u64
table_grow(struct live_table *t, u64 count, u64 value)
{
    if (start_growing(t) != OK)
        return UINT64_MAX;
    u64 old = t->view.count;
    status_t status = append(t, count, value);
    stop_growing(t);
    return status == OK ? old : UINT64_MAX;
}

// --- their life --------------------------------------------------------------

status_t
table_new(struct live_table **out, struct store *s,
          const struct table_type *type, u64 init)
{
    u64 max = LIMIT_TABLE_ENTRIES;

    if (type->limits.has_max)
        max = MIN(max, type->limits.max);
    if (type->limits.min > max)
        return ERR_LIMIT;
    struct live_table *t = kernel_alloc(sizeof(*t));
    if (t == NULL)
        return ERR_NO_MEMORY;
    object_init(&t->object, &table_type);
    list_init(&t->link);
    wait_queue_init(&t->idle);
    t->store = s;
    t->type = *type;
    t->max = max;
    status_t status = ERR_NO_MEMORY;
    if (move_to(t, first_room(t, type->limits.min)))
        status = append(t, type->limits.min, init);
    if (status != OK) {
        object_release(&t->object);
        return status;
    }
    if (type->kind != REF_FUNC)
        s->has_any_tables = true;
    if (type->kind == REF_EXN) {
        lock(&s->lock);
        list_append(&s->exn_tables, &t->link);
        unlock(&s->lock);
    }
    *out = t;
    return OK;
}

void
table_free(struct object *o)
{
    struct live_table *t = CONTAINER(o, struct live_table, object);

    lock(&t->store->lock);
    list_remove(&t->link);
    unlock(&t->store->lock);
    if (t->view.base != NULL)
        port_release(t->view.base, t->room * sizeof(u64));
    give_room_back(t);
    charge_end(&t->memory, RESOURCE_MEMORY);
    charge_end(&t->addresses, RESOURCE_ADDRESSES);
    kernel_free(t);
}
