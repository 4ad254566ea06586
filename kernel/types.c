// kernel/types.c: one number for each type, the same in all modules.
//
// Types are equal when their rec groups are (spec 3.1.3), so whole groups are
// interned: a group is written as words in which references inside it are
// relative and references outside are canonical ids, and looked up by hash.
// A group is alive while a module, or a younger group, holds it.

#include "kernel/kernel.h"

enum {
    BUCKETS = 1 << 16,
    IDS_MAX = 1 << 24, // heap types above are abstract, see wasm.h
    IN_GROUP = 1 << 26,
    IDS_STEP = 4096,
    NO_SUPER = 0xffffffff,
};

struct group {
    struct group *next; // in the bucket, or in the list of dead ones
    u64 hash;
    u32 references;
    u32 count; // types
    u32 word_count;
    u32 outside_count; // references to other groups' types
    u32 *words, *outside, *ids;
};

struct canonical {
    struct group *group; // NULL: a free id
    u32 super;           // id or NO_SUPER; free: the next free id
};

static struct {
    struct lock lock;
    struct group **buckets;
    struct canonical *ids; // IDS_MAX reserved
    u32 made;              // ids ever handed out; 0 is not one
    u32 free;
    u64 seed;
} types;

// --- writing a group as words ------------------------------------------------

struct writer {
    struct group *group;
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

// The most words that a type can take, and so the most references.
static u64
words_of(const struct type *t)
{
    return 5 + (u64)t->param_count + t->result_count + 2ull * t->field_count;
}

static struct group *
write_group(const struct module *m, u32 first, u32 count, const u32 *ids)
{
    u64 words = 0;

    for (u32 i = first; i < first + count; i++)
        words += words_of(&m->types[i]);
    struct group *g =
        kernel_alloc(sizeof(*g) + (2 * words + count) * sizeof(u32));
    if (g == NULL)
        return NULL;
    g->count = count;
    g->words = (u32 *)(g + 1);
    g->outside = g->words + words;
    g->ids = g->outside + words;
    struct writer w = {g, first, ids};
    for (u32 i = first; i < first + count; i++)
        put_type(&w, &m->types[i]);
    g->hash = hash_bytes(types.seed, g->words, g->word_count * sizeof(u32));
    return g;
}

// --- the table: types.lock is held -------------------------------------------

static bool
init_table(void)
{
    if (types.ids != NULL)
        return true;
    u64 size = (u64)IDS_MAX * sizeof(struct canonical);
    types.buckets = kernel_alloc(BUCKETS * sizeof(*types.buckets));
    types.ids = types.buckets ? port_reserve(size, PAGE_SIZE) : NULL;
    if (types.ids == NULL) {
        kernel_free(types.buckets);
        return false;
    }
    types.made = 1;
    port_random(&types.seed, sizeof(types.seed));
    return true;
}

static struct group *
find_group(const struct group *like)
{
    struct group *g = types.buckets[like->hash % BUCKETS];

    while (g != NULL &&
           (g->hash != like->hash || g->count != like->count ||
            g->word_count != like->word_count ||
            memcmp(g->words, like->words, g->word_count * sizeof(u32)) != 0))
        g = g->next;
    return g;
}

static u32
take_id(void)
{
    u32 id = types.free;

    if (id != 0) {
        types.free = types.ids[id].super;
        return id;
    }
    if (types.made == IDS_MAX)
        return 0;
    if ((types.made == 1 || types.made % IDS_STEP == 0) &&
        !port_commit(&types.ids[types.made / IDS_STEP * IDS_STEP],
                     IDS_STEP * sizeof(struct canonical)))
        return 0;
    return types.made++;
}

static void
free_id(u32 id)
{
    types.ids[id] = (struct canonical){.super = types.free};
    types.free = id;
}

// The supertype that is written second in each type of the group.
static void
set_supers(struct group *g)
{
    u32 at = 0;

    for (u32 i = 0; i < g->count; i++) {
        const u32 *t = &g->words[at];
        u32 super = t[1];
        if (super != NO_SUPER && (super & IN_GROUP) != 0)
            super = g->ids[super & ~(u32)IN_GROUP];
        types.ids[g->ids[i]] = (struct canonical){g, super};
        at += 5 + t[2] + t[3] + 2 * t[4];
    }
}

static bool
add_group(struct group *g)
{
    for (u32 i = 0; i < g->count; i++) {
        g->ids[i] = take_id();
        if (g->ids[i] == 0) {
            while (i > 0)
                free_id(g->ids[--i]);
            return false;
        }
    }
    set_supers(g);
    for (u32 i = 0; i < g->outside_count; i++)
        types.ids[g->outside[i]].group->references++;
    g->next = types.buckets[g->hash % BUCKETS];
    types.buckets[g->hash % BUCKETS] = g;
    return true;
}

static void
unlink_group(struct group *g)
{
    struct group **at = &types.buckets[g->hash % BUCKETS];

    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
}

// Give up one reference; groups that die are freed, and what they held.
static void
drop_group(struct group *first)
{
    struct group *dead = NULL;

    if (--first->references > 0)
        return;
    unlink_group(first);
    first->next = NULL;
    dead = first;
    while (dead != NULL) {
        struct group *g = dead;
        dead = g->next;
        for (u32 i = 0; i < g->outside_count; i++) {
            struct group *held = types.ids[g->outside[i]].group;
            if (--held->references == 0) {
                unlink_group(held);
                held->next = dead;
                dead = held;
            }
        }
        for (u32 i = 0; i < g->count; i++)
            free_id(g->ids[i]);
        kernel_free(g);
    }
}

// --- for the others ----------------------------------------------------------

// Take a reference to the group that starts at `first`.
static status_t
register_group(const struct module *m, u32 first, u32 count, u32 *ids)
{
    struct group *g = write_group(m, first, count, ids);

    if (g == NULL)
        return ERR_NO_MEMORY;
    struct group *known = find_group(g);
    if (known != NULL) {
        kernel_free(g);
        g = known;
    } else if (!add_group(g)) {
        kernel_free(g);
        return ERR_NO_MEMORY;
    }
    g->references++;
    memcpy(ids + first, g->ids, count * sizeof(u32));
    return OK;
}

// A group of n types has n ids in the list but one reference, its first's.
static void
release_ids(const u32 *ids, u32 count)
{
    u32 at = 0;

    while (at < count) {
        struct group *g = types.ids[ids[at]].group;
        at += g->count;
        drop_group(g);
    }
}

status_t
types_register(const struct module *m, u32 *ids)
{
    status_t status = OK;
    u32 at = 0;

    lock(&types.lock);
    if (!init_table())
        status = ERR_NO_MEMORY;
    while (status == OK && at < m->type_count) {
        u32 count = m->types[at].group_size;
        status = register_group(m, at, count, ids);
        if (status == OK)
            at += count;
    }
    if (status != OK)
        release_ids(ids, at);
    unlock(&types.lock);
    return status;
}

void
types_release(const u32 *ids, u32 count)
{
    lock(&types.lock);
    release_ids(ids, count);
    unlock(&types.lock);
}

static valtype_t
valtype_of_letter(char letter)
{
    switch (letter) {
    case 'i':
        return VAL_I32;
    case 'l':
        return VAL_I64;
    case 'f':
        return VAL_F32;
    case 'd':
        return VAL_F64;
    case 'v':
        return VAL_V128;
    }
    return VAL_NONE;
}

enum { HOST_VALUES = 32 };

u32
types_host(const char *sig)
{
    valtype_t vals[HOST_VALUES];
    struct type type = {.kind = TYPE_FUNC,
                        .final = true,
                        .super = NO_INDEX,
                        .group_size = 1,
                        .vals = vals};
    struct module m = {.type_count = 1, .types = &type};
    u32 *count = &type.param_count, id;

    for (; *sig != '\0'; sig++) {
        if (*sig == ':') {
            count = &type.result_count;
            continue;
        }
        assert(type.param_count + type.result_count < HOST_VALUES);
        vals[type.param_count + type.result_count] = valtype_of_letter(*sig);
        ++*count;
    }
    return types_register(&m, &id) == OK ? id : 0;
}

bool
types_is_subtype(u32 sub, u32 super)
{
    while (sub != super && sub != NO_SUPER)
        sub = types.ids[sub].super;
    return sub == super;
}

valtype_t
valtype_canonical(valtype_t t, const u32 *ids)
{
    if (valtype_is_ref(t) && valtype_heap(t) < HEAP_FUNC)
        t = (t & ~(u32)HEAP_MASK) | ids[valtype_heap(t)];
    return t;
}

// The abstract heap type right above another; 0 at the top.
static u32
heap_parent(u32 heap)
{
    switch (heap) {
    case HEAP_EQ:
        return HEAP_ANY;
    case HEAP_I31:
    case HEAP_STRUCT:
    case HEAP_ARRAY:
        return HEAP_EQ;
    }
    return 0;
}

// The abstract type above a concrete one, by its kind.
static u32
heap_of_id(u32 id)
{
    static const u32 tops[] = {[TYPE_FUNC] = HEAP_FUNC,
                               [TYPE_STRUCT] = HEAP_STRUCT,
                               [TYPE_ARRAY] = HEAP_ARRAY};
    const struct group *g = types.ids[id].group;
    u32 at = 0;

    for (u32 i = 0; g->ids[i] != id; i++)
        at += 5 + g->words[at + 2] + g->words[at + 3] + 2 * g->words[at + 4];
    return tops[g->words[at] & 0xff];
}

// The root of the hierarchy of an abstract heap type.
static u32
heap_top(u32 heap)
{
    switch (heap) {
    case HEAP_FUNC:
    case HEAP_NOFUNC:
        return HEAP_FUNC;
    case HEAP_EXTERN:
    case HEAP_NOEXTERN:
        return HEAP_EXTERN;
    case HEAP_EXN:
    case HEAP_NOEXN:
        return HEAP_EXN;
    }
    return HEAP_ANY;
}

static bool
heap_is_bottom(u32 heap)
{
    return heap == HEAP_NOFUNC || heap == HEAP_NOEXTERN || heap == HEAP_NONE ||
           heap == HEAP_NOEXN;
}

static bool
heap_is_subtype(u32 sub, u32 super)
{
    if (sub == super)
        return true;
    if (sub >= HEAP_FUNC && heap_is_bottom(sub))
        return heap_top(sub) ==
               heap_top(super < HEAP_FUNC ? heap_of_id(super) : super);
    if (super < HEAP_FUNC)
        return sub < HEAP_FUNC && types_is_subtype(sub, super);
    if (sub < HEAP_FUNC)
        sub = heap_of_id(sub);
    while (sub != super && sub != 0)
        sub = heap_parent(sub);
    return sub == super;
}

bool
valtype_is_subtype(valtype_t sub, valtype_t super)
{
    if (sub == super)
        return true;
    return valtype_is_ref(sub) && valtype_is_ref(super) &&
           (valtype_is_nullable(super) || !valtype_is_nullable(sub)) &&
           heap_is_subtype(valtype_heap(sub), valtype_heap(super));
}
