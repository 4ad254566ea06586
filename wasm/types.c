// wasm/types.c: the type section, equality of types and subtyping (spec 2.3,
// 3.2, 3.3).
//
// Types are equal when their rec groups are: position by position, where
// references into the group count by their distance from its start and all
// others by the canonical index of what they name (iso-recursive).  Groups are
// found in a hash table as they come, so each canonical index is final before
// a later group needs it.

#include "wasm/internal.h"

enum {
    FORM_FUNC = 0x60,
    FORM_STRUCT = 0x5f,
    FORM_ARRAY = 0x5e,
    FORM_SUB = 0x50,
    FORM_SUB_FINAL = 0x4f,
    FORM_REC = 0x4e,
};

// Decoding is done twice: first to count, then to fill.
struct type_decoder {
    struct decoder *decoder;
    struct module *m;
    struct reader *r;
    bool fill;
    u32 type_count;
    u64 val_count, field_count;
    valtype_t *vals; // NULL while counting
    struct field *fields;
};

// --- decode -----------------------------------------------------------------

static void
read_vals(struct type_decoder *d, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        valtype_t type = read_valtype(d->r);
        if (d->fill)
            d->vals[d->val_count + i] = type;
    }
    d->val_count += count;
}

static void
read_func(struct type_decoder *d, struct type *t)
{
    t->kind = TYPE_FUNC;
    if (d->fill)
        t->vals = d->vals + d->val_count;
    t->param_count = read_count(d->r, LIMIT_PARAMS, "too many parameters");
    read_vals(d, t->param_count);
    t->result_count = read_count(d->r, LIMIT_RESULTS, "too many results");
    read_vals(d, t->result_count);
}

static valtype_t
read_storage(struct reader *r)
{
    u8 byte = r->at < r->end ? r->bytes[r->at] : 0;

    if (byte != 0x78 && byte != 0x77)
        return read_valtype(r);
    r->at++;
    return byte == 0x78 ? VAL_I8 : VAL_I16;
}

// A field that has room from `at` on: where it is.
static u32
field_place(const struct type *t, valtype_t type, u32 at)
{
    u32 size = valtype_field_size(type);

    if (t->kind == TYPE_ARRAY)
        return size > 4 ? HEAP_WIDE_ELEMENTS : HEAP_ELEMENTS;
    return (u32)ALIGN_UP(at, MIN(size, 8u));
}

// A subtype repeats the fields of its supertype first, in the same places.
static void
read_fields(struct type_decoder *d, struct type *t, u32 count)
{
    u32 end = HEAP_FIELDS;

    t->field_count = count;
    t->has_default = true;
    if (d->fill)
        t->fields = d->fields + d->field_count;
    for (u32 i = 0; i < count; i++) {
        valtype_t type = read_storage(d->r);
        bool mutable = read_mutable(d->r);
        u32 at = field_place(t, type, end);
        end = at + valtype_field_size(type);
        t->has_default &= valtype_has_default(type);
        if (d->fill)
            d->fields[d->field_count + i] = (struct field){type, mutable, at};
    }
    t->size = (u32)ALIGN_UP(end, 8);
    d->field_count += count;
}

_Static_assert(HEAP_FIELDS + LIMIT_STRUCT_FIELDS * 16 + 16 < HEAP_SCRATCH,
               "an access by null faults");

static void
read_composite(struct type_decoder *d, struct type *t, u64 at, u8 form)
{
    switch (form) {
    case FORM_FUNC:
        read_func(d, t);
        break;
    case FORM_STRUCT:
        t->kind = TYPE_STRUCT;
        read_fields(d, t,
                    read_count(d->r, LIMIT_STRUCT_FIELDS, "too many fields"));
        break;
    case FORM_ARRAY:
        t->kind = TYPE_ARRAY;
        read_fields(d, t, 1);
        break;
    default:
        reader_fail(d->r, at, ERR_MALFORMED,
                    form >= 0x80 ? "integer representation too long" :
                                   "malformed type form");
    }
}

// One type, after its first byte.
static void
read_sub(struct type_decoder *d, struct type *t, u64 at, u8 form)
{
    t->final = form != FORM_SUB;
    t->super = NO_INDEX;
    if (form == FORM_SUB || form == FORM_SUB_FINAL) {
        u32 count = read_count(d->r, 1, "too many supertypes");
        if (count == 1)
            t->super = read_u32(d->r);
        at = d->r->at;
        form = read_u8(d->r);
    }
    read_composite(d, t, at, form);
}

static void
read_group(struct type_decoder *d)
{
    u64 at = d->r->at;
    u8 form = read_u8(d->r);
    u32 first = d->type_count, count = 1;

    if (form == FORM_REC)
        count = read_count(d->r, LIMIT_TYPES, "too many types");
    for (u32 i = 0; i < count && decoder_goes_on(d->decoder, d->r->at); i++) {
        struct type scratch = {0};
        struct type *t = d->fill ? &d->m->types[first + i] : &scratch;
        if (form == FORM_REC || i > 0)
            at = d->r->at;
        read_sub(d, t, at, form == FORM_REC ? read_u8(d->r) : form);
        t->group = first;
        t->group_size = count;
    }
    if (first + count > LIMIT_TYPES)
        reader_fail(d->r, at, ERR_LIMIT, "too many types");
    d->type_count += count;
}

// --- well-formedness --------------------------------------------------------

bool
valtype_is_known(valtype_t t, u32 type_count)
{
    return !valtype_is_ref(t) || valtype_heap(t) >= HEAP_FUNC ||
           valtype_heap(t) < type_count;
}

bool
valtype_has_default(valtype_t t)
{
    return !valtype_is_ref(t) || valtype_is_nullable(t);
}

// May this type name only what comes before `known`?
static bool
type_is_closed(const struct type *t, u32 known)
{
    for (u32 i = 0; i < t->param_count + t->result_count; i++)
        if (!valtype_is_known(t->vals[i], known))
            return false;
    for (u32 i = 0; i < t->field_count; i++)
        if (!valtype_is_known(t->fields[i].type, known))
            return false;
    return true;
}

// --- canonical types --------------------------------------------------------

struct slot {
    u64 hash;
    u32 group; // its first type, NO_INDEX: free
};

// Keys are under the control of an attacker, so the work on collisions has a
// budget.  Honest modules use a few per cent of it.
struct type_table {
    struct decoder *decoder;
    struct module *m;
    struct error *invalid; // the first broken rule
    struct slot *slots;
    u64 mask;
    u64 budget;
};

enum { TYPES_PER_LOOK = 16 }; // each may have thousands of values

// Before type i of a group, which may have any number of them: false when the
// thread is not to go on.
static bool
group_goes_on(const struct type_table *table, u32 i)
{
    return i % TYPES_PER_LOOK != 0 || decoder_may_go_on(table->decoder);
}

// A type index as seen from a group; distances cannot be taken for indexes.
static u32
index_key(const struct module *m, const struct type *t, u32 index)
{
    if (index == NO_INDEX)
        return NO_INDEX;
    if (index >= t->group)
        return HEAP_FUNC / 2 + index - t->group;
    return m->types[index].canonical;
}

static u32
val_key(const struct module *m, const struct type *t, valtype_t v)
{
    if (!valtype_is_ref(v) || valtype_heap(v) >= HEAP_FUNC)
        return v;
    return (v & ~(u32)HEAP_MASK) | index_key(m, t, valtype_heap(v));
}

static u64
mix(u64 hash, u64 word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 29;
}

static u64
type_hash(const struct module *m, const struct type *t, u64 hash)
{
    hash = mix(hash, t->kind | (u64)t->final << 8 | (u64)t->param_count << 32);
    hash = mix(hash, t->result_count | (u64)t->field_count << 32);
    hash = mix(hash, index_key(m, t, t->super));
    for (u32 i = 0; i < t->param_count + t->result_count; i++)
        hash = mix(hash, val_key(m, t, t->vals[i]));
    for (u32 i = 0; i < t->field_count; i++)
        hash = mix(hash, val_key(m, t, t->fields[i].type) |
                             (u64)t->fields[i].mutable << 32);
    return hash;
}

static bool
type_equal(const struct module *m, const struct type *a, const struct type *b)
{
    if (a->kind != b->kind || a->final != b->final ||
        a->param_count != b->param_count ||
        a->result_count != b->result_count ||
        a->field_count != b->field_count ||
        index_key(m, a, a->super) != index_key(m, b, b->super))
        return false;
    for (u32 i = 0; i < a->param_count + a->result_count; i++)
        if (val_key(m, a, a->vals[i]) != val_key(m, b, b->vals[i]))
            return false;
    for (u32 i = 0; i < a->field_count; i++)
        if (a->fields[i].mutable != b->fields[i].mutable ||
            val_key(m, a, a->fields[i].type) !=
                val_key(m, b, b->fields[i].type))
            return false;
    return true;
}

static bool
group_equal(const struct type_table *table, u32 a, u32 b)
{
    const struct module *m = table->m;
    const struct type *x = &m->types[a], *y = &m->types[b];

    if (x->group_size != y->group_size)
        return false;
    for (u32 i = 0; i < x->group_size && group_goes_on(table, i); i++)
        if (!type_equal(m, &x[i], &y[i]))
            return false;
    return true;
}

static u64
group_hash(const struct type_table *table, u32 group)
{
    const struct type *t = &table->m->types[group];
    u64 hash = t->group_size;

    for (u32 i = 0; i < t->group_size && group_goes_on(table, i); i++)
        hash = type_hash(table->m, &t[i], hash);
    return hash;
}

// Two groups whose whole hashes agree but that differ do not happen by
// accident: they use up the budget at once.
enum { COLLISION_COST = 4096 };

// The first group equal to this one, which becomes known.
static u32
table_find(struct type_table *table, u32 group)
{
    u64 hash = group_hash(table, group);

    for (u64 at = hash & table->mask;; at = (at + 1) & table->mask) {
        struct slot *slot = &table->slots[at];
        u64 cost = 1;
        if (slot->group == NO_INDEX) {
            *slot = (struct slot){hash, group};
            return group;
        }
        if (slot->hash == hash) {
            if (group_equal(table, slot->group, group))
                return slot->group;
            cost = COLLISION_COST;
        }
        if (table->budget < cost)
            return NO_INDEX;
        table->budget -= cost;
    }
}

// --- subtyping --------------------------------------------------------------

// Up the chain in steps that double where they can: `far` is as far up again
// as two steps of the same length before it.
bool
type_is_subtype(const struct module *m, u32 sub, u32 super)
{
    const struct type *types = m->types;
    u8 depth = types[super].depth;

    while (types[sub].depth > depth) {
        u32 far = types[sub].far;
        sub = types[far].depth >= depth ? far : types[sub].super;
    }
    return types[sub].canonical == types[super].canonical;
}

// The abstract type right above a heap type, and the top above that; indexed
// from HEAP_FUNC.  NO_INDEX: none.
static const u32 above[] = {
    [HEAP_FUNC - HEAP_FUNC] = NO_INDEX,
    [HEAP_NOFUNC - HEAP_FUNC] = HEAP_FUNC,
    [HEAP_EXTERN - HEAP_FUNC] = NO_INDEX,
    [HEAP_NOEXTERN - HEAP_FUNC] = HEAP_EXTERN,
    [HEAP_ANY - HEAP_FUNC] = NO_INDEX,
    [HEAP_EQ - HEAP_FUNC] = HEAP_ANY,
    [HEAP_I31 - HEAP_FUNC] = HEAP_EQ,
    [HEAP_STRUCT - HEAP_FUNC] = HEAP_EQ,
    [HEAP_ARRAY - HEAP_FUNC] = HEAP_EQ,
    [HEAP_NONE - HEAP_FUNC] = HEAP_STRUCT, // and the others, see below
    [HEAP_EXN - HEAP_FUNC] = NO_INDEX,
    [HEAP_NOEXN - HEAP_FUNC] = HEAP_EXN,
    [HEAP_BOT - HEAP_FUNC] = NO_INDEX,
};

u32
heap_of_kind(enum type_kind kind)
{
    return kind == TYPE_FUNC   ? HEAP_FUNC :
           kind == TYPE_STRUCT ? HEAP_STRUCT :
                                 HEAP_ARRAY;
}

u32
heap_bottom(u32 heap)
{
    return heap == HEAP_FUNC ? HEAP_NOFUNC : HEAP_NONE;
}

static u32
type_heap(const struct type *t)
{
    return heap_of_kind((enum type_kind)t->kind);
}

bool
heap_abstract_matches(u32 sub, u32 super)
{
    if (sub == HEAP_NONE && (super == HEAP_I31 || super == HEAP_ARRAY))
        return true;
    for (; sub != NO_INDEX; sub = above[sub - HEAP_FUNC])
        if (sub == super)
            return true;
    return false;
}

static bool
heap_matches(const struct module *m, u32 sub, u32 super)
{
    if (sub == super || sub == HEAP_BOT)
        return true;
    if (sub < HEAP_FUNC && super < HEAP_FUNC)
        return type_is_subtype(m, sub, super);
    if (sub < HEAP_FUNC)
        return heap_abstract_matches(type_heap(&m->types[sub]), super);
    if (super >= HEAP_FUNC)
        return heap_abstract_matches(sub, super);
    return sub == heap_bottom(type_heap(&m->types[super]));
}

u32
valtype_field_size(valtype_t t)
{
    u32 heap = valtype_heap(t);

    if (valtype_is_ref(t)) // externrefs and exnrefs are 64 bits wide
        return heap == HEAP_EXTERN || heap == HEAP_NOEXTERN ||
                       heap == HEAP_EXN || heap == HEAP_NOEXN ?
                   8 :
                   4;
    switch (t) {
    case VAL_I8:
        return 1;
    case VAL_I16:
        return 2;
    case VAL_I64:
    case VAL_F64:
        return 8;
    case VAL_V128:
        return 16;
    }
    return 4;
}

bool
valtype_is_narrow(const struct module *m, valtype_t t)
{
    return t == VAL_I32 ||
           (valtype_is_ref(t) && valtype_ref_kind(m, t) == REF_ANY);
}

bool
valtype_is_in_heap(const struct module *m, valtype_t t)
{
    return valtype_is_ref(t) && ref_is_in_heap(valtype_ref_kind(m, t));
}

enum ref_kind
valtype_ref_kind(const struct module *m, valtype_t t)
{
    u32 heap = valtype_heap(t);

    if (heap < HEAP_FUNC)
        heap = type_heap(&m->types[heap]);
    switch (heap) {
    case HEAP_FUNC:
    case HEAP_NOFUNC:
        return REF_FUNC;
    case HEAP_EXTERN:
    case HEAP_NOEXTERN:
        return REF_EXTERN;
    case HEAP_EXN:
    case HEAP_NOEXN:
        return REF_EXN;
    }
    return REF_ANY;
}

bool
valtype_matches(const struct module *m, valtype_t sub, valtype_t super)
{
    if (sub == super || sub == VAL_BOT)
        return true;
    if (!valtype_is_ref(sub) || !valtype_is_ref(super))
        return false;
    if (valtype_is_nullable(sub) && !valtype_is_nullable(super))
        return false;
    return heap_matches(m, valtype_heap(sub), valtype_heap(super));
}

static bool
valtype_equal(const struct module *m, valtype_t a, valtype_t b)
{
    return valtype_matches(m, a, b) && valtype_matches(m, b, a);
}

// Field by field; mutable ones have to be the same (spec 3.3.8).
static bool
field_matches(const struct module *m, struct field sub, struct field super)
{
    if (sub.mutable != super.mutable)
        return false;
    return sub.mutable ? valtype_equal(m, sub.type, super.type) :
                         valtype_matches(m, sub.type, super.type);
}

static bool
func_matches(const struct module *m, const struct type *sub,
             const struct type *super)
{
    if (sub->param_count != super->param_count ||
        sub->result_count != super->result_count)
        return false;
    for (u32 i = 0; i < sub->param_count; i++)
        if (!valtype_matches(m, super->vals[i], sub->vals[i]))
            return false;
    for (u32 i = 0; i < sub->result_count; i++)
        if (!valtype_matches(m, sub->vals[sub->param_count + i],
                             super->vals[sub->param_count + i]))
            return false;
    return true;
}

// May `sub` declare `super` as its supertype (spec 3.2.11)?
static bool
composite_matches(const struct module *m, const struct type *sub,
                  const struct type *super)
{
    if (sub->kind != super->kind)
        return false;
    if (sub->kind == TYPE_FUNC)
        return func_matches(m, sub, super);
    if (sub->field_count < super->field_count)
        return false;
    for (u32 i = 0; i < super->field_count; i++)
        if (!field_matches(m, sub->fields[i], super->fields[i]))
            return false;
    return true;
}

// --- the section ------------------------------------------------------------

// Link a type to its supertypes.
static void
link_super(struct module *m, struct reader *r, u32 index, u64 at)
{
    struct type *types = m->types, *t = &types[index];

    t->far = index;
    if (t->super == NO_INDEX)
        return;
    const struct type *super = &types[t->super], *far = &types[super->far];
    if (super->depth == LIMIT_SUBTYPE_DEPTH) {
        reader_fail(r, at, ERR_LIMIT, "too many levels of subtypes");
        return;
    }
    bool same_length =
        super->depth - far->depth == far->depth - types[far->far].depth;
    t->depth = super->depth + 1;
    t->far = same_length ? far->far : t->super;
}

static void
check_super(struct type_table *table, u32 index, u64 at)
{
    const struct module *m = table->m;
    const struct type *t = &m->types[index];

    if (t->super == NO_INDEX)
        return;
    const struct type *super = &m->types[t->super];
    if (super->final || !composite_matches(m, t, super))
        error_set(table->invalid, ERR_INVALID, at, "sub type");
}

// Does the group refer to what there is, and to nothing later?
static bool
check_known(struct type_table *table, u32 first, u32 end, u64 at)
{
    for (u32 i = first; i < end && group_goes_on(table, i - first); i++) {
        const struct type *t = &table->m->types[i];
        bool known = t->super == NO_INDEX || t->super < i;
        if (!known || !type_is_closed(t, end)) {
            error_set(table->invalid, ERR_INVALID, at, "unknown type");
            return false;
        }
    }
    return true;
}

// Check and canonicalise the group that starts at `first`.
static void
finish_group(struct type_table *table, struct reader *r, u32 first, u64 at)
{
    struct module *m = table->m;
    u32 end = first + m->types[first].group_size;

    if (!check_known(table, first, end, at))
        return;
    u32 same = table_find(table, first);
    if (same == NO_INDEX) {
        reader_fail(r, at, ERR_LIMIT, "too many collisions of types");
        return;
    }
    for (u32 i = first; i < end; i++) {
        m->types[i].canonical = same + (i - first);
        link_super(m, r, i, at);
    }
    for (u32 i = first;
         i < end && group_goes_on(table, i - first) && r->error->status == OK;
         i++)
        check_super(table, i, at);
}

static bool
table_init(struct type_table *table, struct decoder *d)
{
    struct module *m = d->m;
    u64 size = 16;

    while (size < 2 * (u64)m->type_count)
        size *= 2;
    *table = (struct type_table){
        .decoder = d,
        .m = m,
        .invalid = &d->invalid,
        .slots = arena_alloc(d->keep, size * sizeof(struct slot), 8),
        .mask = size - 1,
        .budget = 16 * (u64)m->type_count + 64 * COLLISION_COST,
    };
    for (u64 i = 0; table->slots != NULL && i < size; i++)
        table->slots[i].group = NO_INDEX;
    return table->slots != NULL;
}

// Read every group; when filling, check each as soon as it is there, up to the
// first that is invalid: later ones may refer to it.
static void
read_groups(struct type_decoder *d, struct type_table *table)
{
    u32 count = read_count(d->r, LIMIT_TYPES, "too many types");

    for (u32 i = 0; i < count && decoder_goes_on(d->decoder, d->r->at); i++) {
        u64 at = d->r->at;
        u32 first = d->type_count;
        read_group(d);
        bool check = table != NULL && table->invalid->status == OK;
        if (check && d->type_count > first && d->r->error->status == OK)
            finish_group(table, d->r, first, at);
    }
}

void
types_decode(struct decoder *decoder, struct reader *r)
{
    struct module *m = decoder->m;
    struct arena *keep = decoder->keep;
    struct type_decoder d = {.decoder = decoder, .m = m, .r = r};
    struct type_table table;
    u64 at = r->at;

    read_groups(&d, NULL);
    if (r->error->status != OK)
        return;
    m->type_count = d.type_count;
    m->types = ARENA_NEW(keep, struct type, d.type_count);
    d.vals = ARENA_NEW(keep, valtype_t, d.val_count);
    d.fields = ARENA_NEW(keep, struct field, d.field_count);
    u64 mark = arena_mark(keep);
    if (m->types == NULL || d.vals == NULL || d.fields == NULL ||
        !table_init(&table, decoder)) {
        reader_fail(r, at, ERR_NO_MEMORY, "out of memory");
        return;
    }
    r->at = at;
    d.fill = true;
    d.type_count = 0;
    d.val_count = d.field_count = 0;
    read_groups(&d, &table);
    arena_reset(keep, mark);
}
