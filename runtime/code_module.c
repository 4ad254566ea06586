// runtime/code_module.c: who uses compiled code, and the same code for the same
// bytes.
//
// A code_module is what one group has of a module: it is charged for all of it,
// as if it had compiled it, whoever else has the same; so no group's limit
// depends on others.  The code itself (struct compiled) is there once for the
// same bytes, found by a keyed hash of them and compared byte for byte, but not
// by code_module_new(), which does not look.  When its last user is gone it is
// kept, still charged to that, until somebody wants the room (kernel/kept.c).
//
// Two that compile the same at once do not wait for each other, as one may be
// slow; what is done later is dropped.  The bytes may change while they are
// compared: each was, when it was looked at, as in what is found.

#include "runtime/internal.h"

enum {
    BUCKETS = 1024,
    PIECE = MIB, // bytes between two looks at whether we were killed
};

static struct lock modules_lock = LOCK_INIT(MODULES);
static struct {
    struct list buckets[BUCKETS]; // struct compiled
} modules GUARDED_BY(modules_lock);

static struct hash_key modules_key;
static u64 hash_mask = UINT64_MAX;

void
modules_init(void)
{
    for (u32 i = 0; i < BUCKETS; i++)
        list_init(&modules.buckets[i]);
    port_random(&modules_key, sizeof(modules_key));
}

void
modules_set_hash_mask(u64 mask)
{
    hash_mask = mask;
}

// --- by content --------------------------------------------------------------

// Of no meaning when the thread is killed.
static u64
content_hash(struct bytes bytes)
{
    u64 hash = bytes.size;

    for (u64 at = 0; at < bytes.size && !thread_is_killed(); at += PIECE) {
        struct hash_key key = modules_key;
        key.words[0] ^= hash;
        hash =
            hash_bytes(&key, bytes.ptr + at, MIN(bytes.size - at, (u64)PIECE));
    }
    return hash & hash_mask;
}

static bool
same_bytes(struct bytes a, struct bytes b)
{
    for (u64 at = 0; at < a.size; at += PIECE)
        if (thread_is_killed() ||
            memcmp(a.ptr + at, b.ptr + at, MIN(a.size - at, (u64)PIECE)) != 0)
            return false;
    return true;
}

// NULL: there is none.
static struct compiled *
look_up(u64 hash, u64 size) REQUIRES(modules_lock)
{
    struct list *bucket = &modules.buckets[hash % BUCKETS];

    assert_held(&modules_lock);
    list_each (item, bucket) {
        struct compiled *c = CONTAINER(item, struct compiled, link);
        if (c->hash == hash && c->bytes.size == size)
            return c;
    }
    return NULL;
}

// Nobody finds it any more, and nobody uses it.
static void
drop(struct kept *k)
{
    struct compiled *c = CONTAINER(k, struct compiled, kept);

    lock(&modules_lock);
    list_remove(&c->link);
    unlock(&modules_lock);
    compiled_free_now(c);
}

// Somebody leaves c; with the lock, which it gives back.
static void
let_go(struct compiled *c) RELEASE(modules_lock)
{
    assert_held(&modules_lock);
    bool last = --c->references == 0;
    bool keep =
        last && !list_empty(&c->link) && c->charges.memory.account != NULL &&
        kept_put(&c->kept, c->charges.memory.account, c->charges.memory.amount);
    if (last && !keep)
        list_remove(&c->link);
    unlock(&modules_lock);
    if (last && !keep)
        compiled_free(c);
    kept_trim();
}

// What was compiled from these bytes, with a reference; NULL: there is none, or
// the thread was killed.
static struct compiled *
find(struct bytes bytes)
{
    if (bytes.size > LIMIT_MODULE_SIZE)
        return NULL;
    u64 hash = content_hash(bytes);

    lock(&modules_lock);
    struct compiled *c = look_up(hash, bytes.size);
    if (c != NULL && c->references == 0 && !kept_take(&c->kept))
        c = NULL; // it is being dropped
    if (c != NULL)
        c->references++;
    unlock(&modules_lock);
    if (c == NULL || same_bytes(c->bytes, bytes))
        return c;
    lock(&modules_lock);
    let_go(c);
    return NULL;
}

// Let others find c, unless they find another by this hash.
static void
publish(struct compiled *c)
{
    c->hash = content_hash(c->bytes);
    kept_setup(&c->kept, drop);
    if (thread_is_killed())
        return;
    lock(&modules_lock);
    if (look_up(c->hash, c->bytes.size) == NULL)
        list_push(&modules.buckets[c->hash % BUCKETS], &c->link);
    unlock(&modules_lock);
}

// --- uses --------------------------------------------------------------------

// The code_module that the account has of c already, with a reference; NULL.
static struct code_module *
find_use(struct compiled *c, const struct account *a)
{
    struct code_module *found = NULL;

    lock(&modules_lock);
    list_each (item, &c->uses) {
        struct code_module *m = CONTAINER(item, struct code_module, link);
        if (m->charges.memory.account == a && object_hold_live(&m->object)) {
            found = m;
            break;
        }
    }
    unlock(&modules_lock);
    return found;
}

// From whoever had it when it was used last, to account_current().
static bool
move_charge(struct charge *c, enum resource r)
{
    struct account *a = account_current();

    while (c->account != NULL && !charge_move(c, r, a))
        if (!kept_make_room(a, r, c->amount))
            return false;
    return true;
}

// Both, or none; or they end, where one cannot go back.
static bool
move_charges(struct code_charges *c)
{
    if (!move_charge(&c->memory, RESOURCE_CODE))
        return false;
    if (move_charge(&c->types, RESOURCE_TYPES))
        return true;
    if (!charge_move(&c->memory, RESOURCE_CODE, c->types.account))
        code_charges_end(c);
    return false;
}

static struct code_charges
take_charges(struct compiled *c)
{
    lock(&modules_lock);
    struct code_charges charges = c->charges;
    c->charges = (struct code_charges){0};
    unlock(&modules_lock);
    return charges;
}

// They are c's while nobody else pays for it.
static void
leave_charges(struct compiled *c, struct code_charges *charges)
    REQUIRES(modules_lock)
{
    assert_held(&modules_lock);
    if (!list_empty(&c->uses) || c->charges.memory.account != NULL)
        return;
    c->charges = *charges;
    *charges = (struct code_charges){0};
}

// What c is charged with is m's, or else as much.
static status_t
charge_use(struct code_module *m, struct compiled *c)
{
    u64 size = c->size, types = c->module.type_count;
    struct code_charges kept = take_charges(c);

    if (kept.memory.account != NULL && !move_charges(&kept)) {
        lock(&modules_lock);
        leave_charges(c, &kept);
        unlock(&modules_lock);
        code_charges_end(&kept);
        return ERR_LIMIT;
    }
    m->charges = kept;
    bool fits = code_charge(&m->charges.memory, RESOURCE_CODE, size) &&
                code_charge(&m->charges.types, RESOURCE_TYPES, types);
    return fits ? OK : ERR_LIMIT;
}

// A code_module of c for account_current(), which takes the caller's reference.
static status_t
use(struct code_module **out, struct compiled *c)
{
    struct code_module *m = kernel_alloc(sizeof(*m));

    if (m == NULL) {
        lock(&modules_lock);
        let_go(c);
        return ERR_NO_MEMORY;
    }
    object_init(&m->object, &code_module_type);
    list_init(&m->link);
    m->compiled = c;
    status_t status = charge_use(m, c);
    if (status != OK) {
        object_release(&m->object);
        return status;
    }
    lock(&modules_lock);
    list_append(&c->uses, &m->link);
    unlock(&modules_lock);
    struct code_charges left = take_charges(c); // by a user since then
    code_charges_end(&left);
    *out = m;
    return OK;
}

// The last user leaves what it was charged.
void
code_module_free(struct object *o)
{
    struct code_module *m = CONTAINER(o, struct code_module, object);
    struct compiled *c = m->compiled;
    struct code_charges charges = m->charges;

    lock(&modules_lock);
    bool counted = !list_empty(&m->link);
    list_remove(&m->link);
    if (counted)
        leave_charges(c, &charges);
    let_go(c);
    code_charges_end(&charges);
    kernel_free(m);
}

OBJECT_FUNCTIONS(code_module, object)

// --- for the others ----------------------------------------------------------

static status_t
new_module(struct code_module **out, const struct code_source *source,
           struct error *error)
{
    struct compiled *c;
    status_t status = compiled_new(&c, source, error);

    return status == OK ? use(out, c) : status;
}

status_t
code_module_new_without(struct code_module **out, struct bytes bytes,
                        u32 without, struct error *error)
{
    const struct code_source source = {.bytes = bytes, .without = without};

    return new_module(out, &source, error);
}

status_t
code_module_new(struct code_module **out, struct bytes bytes,
                struct error *error)
{
    return code_module_new_without(out, bytes, 0, error);
}

status_t
code_module_open(struct code_module **out, struct bytes bytes,
                 struct error *error, char *text, u32 text_size)
{
    const struct code_source source = {
        .bytes = bytes, .may_file = true, .text = text, .text_size = text_size};

    return new_module(out, &source, error);
}

status_t
code_module_open_known(struct code_module **out, struct bytes file,
                       struct error *error, char *text, u32 text_size)
{
    const struct code_source source = {.bytes = file,
                                       .may_file = true,
                                       .is_known = true,
                                       .text = text,
                                       .text_size = text_size};

    return new_module(out, &source, error);
}

static bool
may_go_on(struct arena *arena, u64 from, u64 to)
{
    (void)arena, (void)from, (void)to;
    return !thread_is_killed();
}

status_t
code_module_remake(struct code_module **out, struct bytes file,
                   struct error *error)
{
    struct arena asked = {.commit = may_go_on};
    struct bytes module;

    *error = (struct error){OK, 0, NULL};
    status_t status = code_file_module(&module, file, &asked, error);
    return status == OK ? code_module_new(out, module, error) : status;
}

status_t
code_module_get(struct code_module **out, struct bytes bytes,
                struct error *error)
{
    const struct code_source source = {.bytes = bytes};
    struct compiled *c = find(bytes);
    status_t status = OK;

    *error = (struct error){OK, 0, NULL};
    if (c == NULL) {
        status = compiled_new(&c, &source, error);
        if (status != OK)
            return status;
        publish(c);
    }
    struct code_module *m = find_use(c, account_current());
    if (m == NULL)
        return use(out, c);
    lock(&modules_lock);
    let_go(c);
    *out = m;
    return OK;
}

void
code_module_release(struct code_module *m)
{
    if (m != NULL)
        object_release(&m->object);
}

const struct module *
code_module_info(const struct code_module *m)
{
    return &m->compiled->module;
}

const struct code *
code_module_code(const struct code_module *m)
{
    return &m->compiled->code;
}
