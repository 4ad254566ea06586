// wasm/check.c: the rules of a whole module, bodies excepted (spec 3.5).
//
// Runs after all sections are decoded and their types are known to be valid.

#include "wasm/internal.h"

struct checker {
    struct module *m;
    struct decoder *d;
    struct const_checker consts;
};

static void
fail(struct checker *c, u64 at, const char *what)
{
    error_set(c->d->error, ERR_INVALID, at, what);
}

static bool
is_ok(const struct checker *c)
{
    return c->d->error->status == OK;
}

static bool
goes_on(const struct checker *c, u64 at)
{
    return decoder_goes_on(c->d, at);
}

// --- globals and tables -----------------------------------------------------

static void
check_globals(struct checker *c)
{
    for (u32 i = c->m->global_imports;
         i < c->m->global_count && goes_on(c, c->m->globals[i].init.at); i++)
        const_check(&c->consts, c->m->globals[i].init, i);
}

// Tables come before globals and see the imported ones only.
static void
check_tables(struct checker *c)
{
    const struct module *m = c->m;

    for (u32 i = m->table_imports;
         i < m->table_count && goes_on(c, m->tables[i].init.at); i++)
        if (m->tables[i].has_init)
            const_check(&c->consts, m->tables[i].init, m->global_imports);
}

// --- exports and start ------------------------------------------------------

static u64
export_at(const struct checker *c, const struct export *e)
{
    return (u64)((const u8 *)e->name.ptr - c->m->bytes);
}

static void
check_export_index(struct checker *c, const struct export *e)
{
    struct module *m = c->m;
    const struct {
        u32 count;
        const char *what;
    } spaces[] = {
        [EXTERN_FUNC] = {m->func_count,   "unknown function"},
        [EXTERN_TABLE] = {m->table_count,  "unknown table"   },
        [EXTERN_MEMORY] = {m->memory_count, "unknown memory"  },
        [EXTERN_GLOBAL] = {m->global_count, "unknown global"  },
        [EXTERN_TAG] = {m->tag_count,    "unknown tag"     },
    };

    if (e->index >= spaces[e->kind].count)
        fail(c, export_at(c, e), spaces[e->kind].what);
    else if (e->kind == EXTERN_FUNC)
        bit_set(m->func_refs, e->index);
}

// The set of names so far: open addressing.  As names can be chosen to
// collide, probing has a budget.
struct name_set {
    const struct export *exports;
    u32 *slots; // number of an export plus 1 below 12 bits of the hash, or 0
    u64 mask, budget;
};

enum {
    NUMBER_MASK = (1 << 20) - 1,
    AHEAD = 8, // slots that the CPU fetches meanwhile
};

// The hash of a name that is to be added soon.
static u64
name_hash(const struct name_set *set, u32 number)
{
    static const struct hash_key key = {
        {0, 0}
    }; // the same module, the same work
    struct string name = set->exports[number].name;
    u64 hash = hash_bytes(&key, name.ptr, name.len);

    __builtin_prefetch(&set->slots[hash & set->mask], 1);
    return hash;
}

// Add the name of an export.  False when it was there.
static bool
name_add(struct checker *c, struct name_set *set, u32 number, u64 hash)
{
    struct string name = set->exports[number].name;
    u32 tag = (u32)(hash >> 32) & ~(u32)NUMBER_MASK;
    u64 at = hash & set->mask;

    for (; set->slots[at] != 0; at = (at + 1) & set->mask) {
        u32 slot = set->slots[at];
        u32 other = (slot & NUMBER_MASK) - 1;
        if ((slot & ~(u32)NUMBER_MASK) == tag &&
            string_equal(name, set->exports[other].name))
            return false;
        if (set->budget-- == 0) {
            error_set(c->d->error, ERR_LIMIT,
                      export_at(c, &set->exports[number]),
                      "too many collisions of names");
            return true;
        }
    }
    set->slots[at] = tag | (number + 1);
    return true;
}

static void
check_exports(struct checker *c)
{
    const struct module *m = c->m;
    u64 mark = arena_mark(c->d->keep), size = 16, hashes[AHEAD];

    assert((u32)LIMIT_EXPORTS <= NUMBER_MASK);
    while (size < m->export_count * 4ull / 3)
        size *= 2;
    struct name_set set = {
        .exports = m->exports,
        .slots = ARENA_NEW(c->d->keep, u32, size),
        .mask = size - 1,
        .budget = 16 * (u64)m->export_count + 1000,
    };
    if (set.slots == NULL)
        error_set(c->d->error, ERR_NO_MEMORY, 0, "out of memory");
    for (u32 i = 0; i < MIN(AHEAD, m->export_count) && is_ok(c); i++)
        hashes[i] = name_hash(&set, i);
    for (u32 i = 0;
         i < m->export_count && goes_on(c, export_at(c, &m->exports[i])); i++) {
        u64 hash = hashes[i % AHEAD];
        if (i + AHEAD < m->export_count)
            hashes[i % AHEAD] = name_hash(&set, i + AHEAD);
        check_export_index(c, &m->exports[i]);
        if (!name_add(c, &set, i, hash))
            fail(c, export_at(c, &m->exports[i]), "duplicate export name");
    }
    arena_reset(c->d->keep, mark);
}

static void
check_start(struct checker *c)
{
    const struct module *m = c->m;
    u64 at = c->d->sections[SECTION_START].at;

    if (m->start == NO_INDEX)
        return;
    if (m->start >= m->func_count) {
        fail(c, at, "unknown function");
        return;
    }
    const struct type *t = &m->types[m->funcs[m->start].type];
    if (t->param_count != 0 || t->result_count != 0)
        fail(c, at, "start function");
}

// --- segments ---------------------------------------------------------------

static void
check_offset(struct checker *c, struct const_expr *offset,
             const struct limits *l)
{
    offset->type = l->is64 ? VAL_I64 : VAL_I32;
    const_check(&c->consts, *offset, c->m->global_count);
}

static void
check_items(struct checker *c, const struct elem_segment *s)
{
    struct module *m = c->m;
    struct reader r =
        reader_range(m->bytes, m->size, s->at, m->size, c->d->error);

    for (u32 i = 0; i < s->count && goes_on(c, r.at); i++) {
        u64 at = r.at;
        if (!s->is_funcs) {
            struct const_expr expr = read_const_expr(&r);
            expr.type = s->type;
            const_check(&c->consts, expr, m->global_count);
            continue;
        }
        u32 func = read_u32(&r);
        if (func < m->func_count)
            bit_set(m->func_refs, func);
        else
            fail(c, at, "unknown function");
    }
}

static void
check_elem(struct checker *c, struct elem_segment *s)
{
    const struct module *m = c->m;

    if (s->mode == SEGMENT_ACTIVE) {
        if (s->table >= m->table_count) {
            fail(c, s->at, "unknown table");
            return;
        }
        const struct table_type *t = &m->tables[s->table].type;
        if (!valtype_matches(m, s->type, t->elem))
            fail(c, s->at, "type mismatch");
        check_offset(c, &s->offset, &t->limits);
    }
    check_items(c, s);
}

static void
check_elems(struct checker *c)
{
    for (u32 i = 0; i < c->m->elem_count && goes_on(c, c->m->elems[i].at); i++)
        check_elem(c, &c->m->elems[i]);
}

static void
check_datas(struct checker *c)
{
    const struct module *m = c->m;

    for (u32 i = 0; i < m->data_count && goes_on(c, m->datas[i].at); i++) {
        struct data_segment *s = &m->datas[i];
        if (s->mode != SEGMENT_ACTIVE)
            continue;
        if (s->memory >= m->memory_count)
            fail(c, s->at, "unknown memory");
        else
            check_offset(c, &s->offset, &m->memories[s->memory]);
    }
}

// --- layout -----------------------------------------------------------------

static void
lay_out(struct checker *c)
{
    struct module *m = c->m;

    for (u32 k = 0; k < m->type_count && !m->has_heap; k++)
        m->has_heap = m->types[k].kind != TYPE_FUNC;
    m->counts = (struct vmctx_counts){
        .memories = MAX(m->memory_count, 1), // r15 is always there
        .tables = m->table_count,
        .globals = m->global_count,
        .imports = m->func_imports,
        .tags = m->tag_count,
        .types = m->type_count,
        .heap = m->has_heap,
        .heap_types = m->has_heap ? m->type_count : 0,
    };
    if (!vmctx_lay_out(&m->layout, &m->counts))
        error_set(c->d->error, ERR_LIMIT, 0, "instance too large");
}

static void (*const steps[])(struct checker *c) = {
    check_exports, check_globals, check_tables, check_start,
    check_elems,   check_datas,   lay_out,
};

void
module_check(struct decoder *d)
{
    struct checker c = {.m = d->m, .d = d};
    u64 mark = arena_mark(d->keep);

    const_checker_init(&c.consts, d->m, d->keep, d->error);
    for (u32 i = 0; i < COUNT(steps) && is_ok(&c); i++)
        steps[i](&c);
    arena_reset(d->keep, mark);
}
