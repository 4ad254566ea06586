// runtime/types.c: one number for each type, the same in all modules.
//
// Types are equal when their rec groups are (spec 3.1.3), so whole groups are
// interned: a group is written as words in which references inside it are
// relative and references outside are canonical ids, and looked up by hash.
// A group is alive while a module, or a younger group, holds it.
//
// A module may have a million types, in a million groups or in one.  So the
// lock is held for a few steps at a time only: groups are written, compared and
// numbered outside of it, where nobody else sees them; the hash table has as
// many buckets as groups, and grows and shrinks by one with each (linear
// hashing); numbers are handed out by slices.

#include "runtime/internal.h"

enum {
    IDS_MAX = 1 << 24, // heap types above are abstract, see wasm/wasm.h
    IDS_CHUNK = 4096,  // ids whose memory comes and goes together
    CHUNKS = IDS_MAX / IDS_CHUNK,
    IDS_SLICE = 64, // handed out under one lock
    BUCKETS_MAX = IDS_MAX,
    BUCKETS_STEP = PAGE_SIZE / sizeof(struct rec_group *), // and the fewest
    IN_GROUP = 1 << 26,
    NO_SUPER = 0xffffffff,
};

struct rec_group {
    struct rec_group *next; // in the bucket, or in the list of dead ones
    u64 hash;
    u32 references;
    u32 count; // types
    u32 word_count;
    u32 outside_count; // references to other groups' types
    u32 *words, *outside, *ids;
};

struct canonical {
    struct rec_group *group; // NULL: a free id
    u32 super;               // id or NO_SUPER; free: the next free id
    u32 kind;                // enum type_kind
};

// IDS_CHUNK ids; in types.open when some are free.
struct chunk {
    struct list link;
    u32 used, made; // made: ids ever handed out since it has memory
    u32 free;       // id or 0
};

static struct lock types_lock = LOCK_INIT(TYPES);
static struct {
    struct rec_group **buckets; // BUCKETS_MAX reserved
    u32 bucket_count, group_count;
    struct chunk *chunks;
    u32 chunk_count;     // that have been opened
    struct list open;    // chunks with memory and free ids
    struct list bare;    // opened once, without memory now
    struct hash_key key; // random
} types GUARDED_BY(types_lock);

// By id, IDS_MAX reserved.  Who has a reference to a type reads its row; who
// has just taken an id writes it, and nobody else then.
static struct canonical *type_rows;

// --- writing a group as words ------------------------------------------------

struct writer {
    struct rec_group *group;
    u32 first; // type index of the group's first type
    const u32 *ids;
};

static void
put(struct writer *w, u32 word)
{
    w->group->words[w->group->word_count++] = word;
}

static u32
reference(struct writer *w, u32 type)
{
    if (type - w->first < w->group->count)
        return IN_GROUP | (type - w->first);
    w->group->outside[w->group->outside_count++] = w->ids[type];
    return w->ids[type];
}

static void
put_valtype(struct writer *w, valtype_t t)
{
    if (valtype_is_ref(t) && valtype_heap(t) < HEAP_FUNC)
        t = (t & ~(u32)HEAP_MASK) | reference(w, valtype_heap(t));
    put(w, t);
}

static void
put_type(struct writer *w, const struct type *t)
{
    put(w, t->kind | (u32)t->final << 8);
    put(w, t->super == NO_INDEX ? NO_SUPER : reference(w, t->super));
    put(w, t->param_count);
    put(w, t->result_count);
    put(w, t->field_count);
    for (u32 i = 0; i < t->param_count + t->result_count; i++)
        put_valtype(w, t->vals[i]);
    for (u32 i = 0; i < t->field_count; i++) {
        put_valtype(w, t->fields[i].type);
        put(w, t->fields[i].mutable);
    }
}

static u64
words_of(const struct type *t)
{
    return 5 + (u64)t->param_count + t->result_count + 2ull * t->field_count;
}

// The most references that a type can have.
static u64
references_of(const struct type *t)
{
    u64 count = t->super != NO_INDEX;

    for (u32 i = 0; i < t->param_count + t->result_count; i++)
        count += valtype_is_ref(t->vals[i]);
    for (u32 i = 0; i < t->field_count; i++)
        count += valtype_is_ref(t->fields[i].type);
    return count;
}

enum {
    TYPES_PER_LOOK = 16, // each may have thousands of values
    WORDS_PER_LOOK = 16 * 1024,
};

// Before type i of a group, which may have any number of them.
static bool
group_goes_on(u32 i)
{
    return i % TYPES_PER_LOOK != 0 || !thread_is_killed();
}

// Piece by piece, as there may be gigabytes; a kill ends it.
static u64
hash_words(const struct rec_group *g)
{
    u64 chain[2] = {0, 0};

    for (u32 at = 0; at < g->word_count && !thread_is_killed();) {
        u32 count = MIN(g->word_count - at, WORDS_PER_LOOK);
        chain[1] = hash_bytes(&types.key, g->words + at, count * sizeof(u32));
        chain[0] = hash_bytes(&types.key, chain, sizeof(chain));
        at += count;
    }
    return chain[0];
}

// Of groups with as many words.  A killed thread is told anything; it gives
// back what it found (types_register).
static bool
same_words(const struct rec_group *a, const struct rec_group *b)
{
    for (u32 at = 0; at < a->word_count && !thread_is_killed();) {
        u32 count = MIN(a->word_count - at, WORDS_PER_LOOK);
        if (memcmp(a->words + at, b->words + at, count * sizeof(u32)) != 0)
            return false;
        at += count;
    }
    return true;
}

// NULL: no memory, or the thread is killed.
static struct rec_group *
write_group(const struct module *m, u32 first, u32 count, const u32 *ids)
{
    u64 words = 0, references = 0;

    for (u32 i = 0; i < count && group_goes_on(i); i++) {
        words += words_of(&m->types[first + i]);
        references += references_of(&m->types[first + i]);
    }
    if (words > UINT32_MAX || thread_is_killed())
        return NULL;
    struct rec_group *g =
        kernel_alloc(sizeof(*g) + (words + references + count) * sizeof(u32));
    if (g == NULL)
        return NULL;
    g->count = count;
    g->words = (u32 *)(g + 1);
    g->outside = g->words + words;
    g->ids = g->outside + references;
    struct writer w = {g, first, ids};
    for (u32 i = 0; i < count && group_goes_on(i); i++)
        put_type(&w, &m->types[first + i]);
    g->hash = hash_words(g);
    if (!thread_is_killed())
        return g;
    kernel_free(g);
    return NULL;
}

// --- the hash table: types_lock is held --------------------------------------

static u32
bit_below(u32 n)
{
    return 1u << (31 - (u32)__builtin_clz(n));
}

// The place of a hash among n buckets: those from a power of two on are halves
// of earlier ones.
static u32
bucket_of(u64 hash, u32 n)
{
    u32 half = bit_below(n), at = (u32)hash & (2 * half - 1);

    return at < n ? at : at - half;
}

// Link to the next group in the bucket, after `last` if that is one, that may
// be equal to `like`; else to the end.
static struct rec_group **
find_link(const struct rec_group *like, struct rec_group *last)
    REQUIRES(types_lock)
{
    struct rec_group **at =
        last != NULL ?
            &last->next :
            &types.buckets[bucket_of(like->hash, types.bucket_count)];

    assert_held(&types_lock);
    while (*at != NULL &&
           ((*at)->hash != like->hash || (*at)->count != like->count ||
            (*at)->word_count != like->word_count))
        at = &(*at)->next;
    return at;
}

// One bucket more, which takes its part of another.  Groups stay in their
// order: others may be walking along a bucket, a lock at a time.
static void
split_bucket(void) REQUIRES(types_lock)
{
    u32 n = types.bucket_count;
    struct rec_group **from = &types.buckets[n - bit_below(n)];
    struct rec_group **to = &types.buckets[n];

    assert_held(&types_lock);
    if (n == BUCKETS_MAX ||
        (n % BUCKETS_STEP == 0 && !port_commit(to, PAGE_SIZE)))
        return;
    types.bucket_count++;
    *to = NULL;
    while (*from != NULL) {
        struct rec_group *g = *from;
        if (bucket_of(g->hash, n + 1) != n) {
            from = &g->next;
            continue;
        }
        *from = g->next;
        g->next = NULL;
        *to = g;
        to = &g->next;
    }
}

static void
merge_bucket(void) REQUIRES(types_lock)
{
    u32 n = types.bucket_count - 1;
    struct rec_group **end = &types.buckets[n - bit_below(n)];

    assert_held(&types_lock);
    while (*end != NULL)
        end = &(*end)->next;
    *end = types.buckets[n];
    types.bucket_count--;
    if (n % BUCKETS_STEP == 0)
        port_decommit(&types.buckets[n], PAGE_SIZE);
}

static void
link_group(struct rec_group *g, struct rec_group **end) REQUIRES(types_lock)
{
    assert_held(&types_lock);
    *end = g;
    if (++types.group_count > types.bucket_count)
        split_bucket();
}

static void
unlink_group(struct rec_group *g) REQUIRES(types_lock)
{
    struct rec_group **at =
        &types.buckets[bucket_of(g->hash, types.bucket_count)];

    assert_held(&types_lock);
    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    if (--types.group_count < types.bucket_count / 2 &&
        types.bucket_count > BUCKETS_STEP)
        merge_bucket();
}

// --- ids: types_lock is held -------------------------------------------------

static struct canonical *
chunk_ids(const struct chunk *c) REQUIRES(types_lock)
{
    assert_held(&types_lock);
    return &type_rows[(c - types.chunks) * IDS_CHUNK];
}

// A chunk with a free id, or NULL.
static struct chunk *
open_chunk(void) REQUIRES(types_lock)
{
    struct chunk *c;

    assert_held(&types_lock);
    if (!list_empty(&types.open))
        return CONTAINER(types.open.next, struct chunk, link);
    if (!list_empty(&types.bare))
        c = CONTAINER(types.bare.next, struct chunk, link);
    else if (types.chunk_count < CHUNKS)
        c = &types.chunks[types.chunk_count];
    else
        return NULL;
    if (!port_commit(chunk_ids(c), IDS_CHUNK * sizeof(struct canonical)))
        return NULL;
    if (c == &types.chunks[types.chunk_count])
        types.chunk_count++;
    else
        list_remove(&c->link);
    c->made = c == types.chunks; // 0 is no id
    c->free = 0;
    list_push(&types.open, &c->link);
    return c;
}

static u32
take_id(void) REQUIRES(types_lock)
{
    struct chunk *c = open_chunk();

    assert_held(&types_lock);
    if (c == NULL)
        return 0;
    u32 first = (u32)(c - types.chunks) * IDS_CHUNK, id = c->free;
    if (id != 0)
        c->free = type_rows[id].super;
    else
        id = first + c->made++;
    c->used++;
    if (c->free == 0 && c->made == IDS_CHUNK)
        list_remove(&c->link);
    return id;
}

static void
free_id(u32 id) REQUIRES(types_lock)
{
    struct chunk *c = &types.chunks[id / IDS_CHUNK];

    assert_held(&types_lock);
    type_rows[id] = (struct canonical){.super = c->free};
    if (list_empty(&c->link))
        list_push(&types.open, &c->link);
    c->free = id;
    if (--c->used > 0)
        return;
    list_remove(&c->link);
    list_push(&types.bare, &c->link);
    port_decommit(chunk_ids(c), IDS_CHUNK * sizeof(struct canonical));
}

// --- groups: no lock is held -------------------------------------------------

static void
free_ids(struct rec_group *g, u32 count)
{
    for (u32 i = 0; i < count;) {
        lock(&types_lock);
        for (u32 end = MIN(count, i + IDS_SLICE); i < end; i++)
            free_id(g->ids[i]);
        unlock(&types_lock);
    }
}

static status_t
take_ids(struct rec_group *g)
{
    u32 i = 0;

    while (i < g->count) {
        u32 id = 0;
        lock(&types_lock);
        for (u32 end = MIN(g->count, i + IDS_SLICE); i < end; i++) {
            id = take_id();
            if (id == 0)
                break;
            g->ids[i] = id;
        }
        unlock(&types_lock);
        if (id == 0 || thread_is_killed()) {
            free_ids(g, i);
            return id == 0 ? ERR_NO_MEMORY : ERR_KILLED;
        }
    }
    return OK;
}

// What the ids of a new group mean, from the kind and the supertype that are
// written first in each type.
static void
set_supers(struct rec_group *g)
{
    u32 at = 0;

    for (u32 i = 0; i < g->count; i++) {
        const u32 *t = &g->words[at];
        u32 super = t[1];
        if (super != NO_SUPER && (super & IN_GROUP) != 0)
            super = g->ids[super & ~(u32)IN_GROUP];
        type_rows[g->ids[i]] = (struct canonical){g, super, t[0] & 0xff};
        at += 5 + t[2] + t[3] + 2 * t[4];
    }
}

// Give up a reference; if it was the last, onto the list of the dead with it.
static void
drop_group(struct rec_group *g, struct rec_group **dead)
{
    lock(&types_lock);
    bool last = count_down(&g->references);
    if (last)
        unlink_group(g);
    unlock(&types_lock);
    if (last) {
        g->next = *dead;
        *dead = g;
    }
}

// The same, and free what nobody holds then.
static void
release_group(struct rec_group *g)
{
    struct rec_group *dead = NULL;

    drop_group(g, &dead);
    while (dead != NULL) {
        g = dead;
        dead = g->next;
        for (u32 i = 0; i < g->outside_count; i++)
            drop_group(type_rows[g->outside[i]].group, &dead);
        free_ids(g, g->count);
        kernel_free(g);
    }
}

// The group that is equal to g, with a reference for the caller.  When there is
// none: NULL, or g itself, which is then among them.  Groups that only hash
// alike are passed one by one, each kept alive in its place by *last.
static struct rec_group *
look_up(struct rec_group *g, struct rec_group **last, bool insert)
{
    for (;;) {
        lock(&types_lock);
        struct rec_group **at = find_link(g, *last), *found = *at;
        if (found != NULL)
            count_up(&found->references);
        else if (insert)
            link_group(g, at);
        unlock(&types_lock);
        if (found == NULL)
            return insert ? g : NULL;
        if (same_words(found, g))
            return found;
        if (*last != NULL)
            release_group(*last);
        *last = found;
    }
}

// Let g be a group like others, unless somebody else was faster.
static status_t
add_group(struct rec_group *g, struct rec_group **last, struct rec_group **out)
{
    status_t status = take_ids(g);

    if (status != OK)
        return status;
    set_supers(g);
    for (u32 i = 0; i < g->outside_count; i++)
        count_up(&type_rows[g->outside[i]].group->references);
    g->references = 1;
    *out = look_up(g, last, true);
    if (*out == g)
        return OK;
    for (u32 i = 0; i < g->outside_count; i++)
        release_group(type_rows[g->outside[i]].group);
    free_ids(g, g->count);
    return OK;
}

// Take a reference to the group that starts at `first`.
static status_t
register_group(const struct module *m, u32 first, u32 count, u32 *ids)
{
    struct rec_group *g = write_group(m, first, count, ids), *last = NULL;
    status_t status = OK;

    if (g == NULL)
        return thread_is_killed() ? ERR_KILLED : ERR_NO_MEMORY;
    struct rec_group *known = look_up(g, &last, false);
    if (known == NULL)
        status = add_group(g, &last, &known);
    if (last != NULL)
        release_group(last);
    if (status == OK)
        memcpy(ids + first, known->ids, count * sizeof(u32));
    if (known != g)
        kernel_free(g);
    return status;
}

// --- for the others ----------------------------------------------------------

void LOCKS_BY_HAND
types_init(void)
{
    types.buckets =
        port_reserve(BUCKETS_MAX * sizeof(*types.buckets), PAGE_SIZE);
    type_rows = port_reserve(IDS_MAX * sizeof(*type_rows), PAGE_SIZE);
    types.chunks = kernel_alloc(CHUNKS * sizeof(*types.chunks));
    if (types.buckets == NULL || type_rows == NULL || types.chunks == NULL ||
        !port_commit(types.buckets, PAGE_SIZE))
        panic(__FILE__, __LINE__, "no memory for types");
    types.bucket_count = BUCKETS_STEP;
    list_init(&types.open);
    list_init(&types.bare);
    for (u32 i = 0; i < CHUNKS; i++)
        list_init(&types.chunks[i].link);
    port_random(&types.key, sizeof(types.key));
}

u32
types_alive(void)
{
    return __atomic_load_n(&types.group_count, __ATOMIC_RELAXED);
}

// A group of n types has n ids in the list but one reference, its first's.
u32
types_release_until(const u32 *ids, u32 at, u32 end)
{
    while (at < end) {
        struct rec_group *g = type_rows[ids[at]].group;
        at += g->count;
        release_group(g);
    }
    return at;
}

void
types_release(const u32 *ids, u32 count)
{
    types_release_until(ids, 0, count);
}

status_t
types_register_some(const struct module *m, u32 *ids, u32 *count)
{
    status_t status = OK;

    *count = 0;
    while (status == OK && *count < m->type_count) {
        u32 size = m->types[*count].group_size;
        status = register_group(m, *count, size, ids);
        if (status == OK)
            *count += size;
        if (status == OK && thread_is_killed())
            status = ERR_KILLED;
    }
    return status;
}

status_t
types_register(const struct module *m, u32 *ids)
{
    u32 count;
    status_t status = types_register_some(m, ids, &count);

    if (status != OK)
        types_release(ids, count);
    return status;
}

u32 *
types_references(u32 id)
{
    return &type_rows[id].group->references;
}

enum type_kind
types_kind(u32 id)
{
    return (enum type_kind)type_rows[id].kind;
}

bool
types_is_subtype(u32 sub, u32 super)
{
    while (sub != super && sub != NO_SUPER)
        sub = type_rows[sub].super;
    return sub == super;
}
