// wasm/check.c: the rules of a whole module, bodies excepted (spec 3.5).
//
// Runs after all sections are decoded.  Order: types of imports and
// definitions first, so that constant expressions can rely on them.

#include "wasm/internal.h"

struct checker {
    struct module *m;
    struct arena *temp;
    struct error *error;
    struct const_checker consts;
};

static void
fail(struct checker *c, u64 at, const char *what)
{
    error_set(c->error, ERR_INVALID, at, what);
}

static bool
is_ok(const struct checker *c)
{
    return c->error->status == OK;
}

// --- types of items ----------------------------------------------------------------

// Where an item came from: its import, or nowhere in particular.
static const struct type *
func_type(struct checker *c, u32 type)
{
    const struct module *m = c->m;

    if (type < m->type_count && m->types[type].kind == TYPE_FUNC)
        return &m->types[type];
    fail(c, 0, "unknown type");
    return NULL;
}

static void
check_valtype(struct checker *c, valtype_t type)
{
    if (!valtype_is_known(type, c->m->type_count))
        fail(c, 0, "unknown type");
}

static void
check_funcs(struct checker *c)
{
    for (u32 i = 0; i < c->m->func_count && is_ok(c); i++)
        func_type(c, c->m->funcs[i].type);
}

static void
check_tags(struct checker *c)
{
    for (u32 i = 0; i < c->m->tag_count && is_ok(c); i++) {
        const struct type *t = func_type(c, c->m->tags[i]);
        if (t != NULL && t->result_count > 0)
            fail(c, 0, "non-empty tag result type");
    }
}

static void
check_limits(struct checker *c, const struct limits *l, u64 most,
             const char *what)
{
    if (l->min > most || l->max > most)
        fail(c, 0, what);
    else if (l->min > l->max)
        fail(c, 0, "size minimum must not be greater than maximum");
}

static void
check_memory(struct checker *c, const struct limits *l)
{
    u64 most = l->page_log2 == 16 ? (l->is64 ? 1ull << 48 : 1ull << 16) :
               l->is64            ? UINT64_MAX :
                                    UINT32_MAX;

    if (l->page_log2 != 16 && l->page_log2 != 0)
        fail(c, 0, "invalid custom page size");
    check_limits(c, l, most, "memory size must be at most 65536 pages (4GiB)");
    if (l->shared && !l->has_max)
        fail(c, 0, "shared memory must have maximum");
}

static void
check_memories(struct checker *c)
{
    for (u32 i = 0; i < c->m->memory_count && is_ok(c); i++)
        check_memory(c, &c->m->memories[i]);
}

static void
check_globals(struct checker *c)
{
    for (u32 i = 0; i < c->m->global_count && is_ok(c); i++) {
        const struct global *g = &c->m->globals[i];
        check_valtype(c, g->type.type);
        if (i >= c->m->global_imports && is_ok(c))
            const_check(&c->consts, g->init, i);
    }
}

static void
check_tables(struct checker *c)
{
    const struct module *m = c->m;

    for (u32 i = 0; i < m->table_count && is_ok(c); i++) {
        const struct table *t = &m->tables[i];
        const struct limits *l = &t->type.limits;
        check_valtype(c, t->type.elem);
        check_limits(c, l, l->is64 ? UINT64_MAX : UINT32_MAX, "table size");
        if (!is_ok(c))
            return;
        if (t->has_init)
            const_check(&c->consts, t->init, m->global_imports);
        else if (i >= m->table_imports && !valtype_has_default(t->type.elem))
            fail(c, 0, "type mismatch");
    }
}

// --- exports and start -------------------------------------------------------------

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
        fail(c, 0, spaces[e->kind].what);
    else if (e->kind == EXTERN_FUNC)
        bit_set(m->func_refs, e->index);
}

// The set of names so far: open addressing, export numbers + 1.  As names can
// be chosen to collide, probing has a budget.
struct name_set {
    const struct export *exports;
    u32 *slots;
    u64 mask, budget;
};

static bool
name_is_new(struct checker *c, struct name_set *set, u32 number)
{
    struct string name = set->exports[number].name;
    u64 at = hash_bytes(0, name.ptr, name.len) & set->mask;

    for (; set->slots[at] != 0; at = (at + 1) & set->mask) {
        if (string_equal(name, set->exports[set->slots[at] - 1].name))
            return false;
        if (set->budget-- == 0) {
            error_set(c->error, ERR_LIMIT, 0, "too many collisions of names");
            return true;
        }
    }
    set->slots[at] = number + 1;
    return true;
}

static void
check_exports(struct checker *c)
{
    const struct module *m = c->m;
    u64 mark = arena_mark(c->temp), size = 16;

    while (size < 2 * (u64)m->export_count)
        size *= 2;
    struct name_set set = {
        .exports = m->exports,
        .slots = ARENA_NEW(c->temp, u32, size),
        .mask = size - 1,
        .budget = 16 * (u64)m->export_count + 1000,
    };
    if (set.slots == NULL)
        error_set(c->error, ERR_NO_MEMORY, 0, "out of memory");
    for (u32 i = 0; i < m->export_count && is_ok(c); i++) {
        check_export_index(c, &m->exports[i]);
        if (!name_is_new(c, &set, i))
            fail(c, 0, "duplicate export name");
    }
    arena_reset(c->temp, mark);
}

static void
check_start(struct checker *c)
{
    const struct module *m = c->m;

    if (m->start == NO_INDEX)
        return;
    if (m->start >= m->func_count) {
        fail(c, 0, "unknown function");
        return;
    }
    const struct type *t = &m->types[m->funcs[m->start].type];
    if (t->param_count != 0 || t->result_count != 0)
        fail(c, 0, "start function");
}

// --- segments ------------------------------------------------------------------------

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
    struct reader r = {m->bytes, s->at, m->size, c->error};

    for (u32 i = 0; i < s->count && is_ok(c); i++) {
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

    check_valtype(c, s->type);
    if (s->mode == SEGMENT_ACTIVE && s->table >= m->table_count)
        fail(c, s->at, "unknown table");
    if (!is_ok(c))
        return;
    if (s->mode == SEGMENT_ACTIVE) {
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
    for (u32 i = 0; i < c->m->elem_count && is_ok(c); i++)
        check_elem(c, &c->m->elems[i]);
}

static void
check_datas(struct checker *c)
{
    const struct module *m = c->m;

    for (u32 i = 0; i < m->data_count && is_ok(c); i++) {
        struct data_segment *s = &m->datas[i];
        if (s->mode != SEGMENT_ACTIVE)
            continue;
        if (s->memory >= m->memory_count)
            fail(c, s->at, "unknown memory");
        else
            check_offset(c, &s->offset, &m->memories[s->memory]);
    }
}

static void
check_constants(struct checker *c)
{
    if (c->consts.uses_gc)
        error_set(c->error, ERR_UNSUPPORTED, 0,
                  "constants that are structs, arrays or i31");
}

// --- layout --------------------------------------------------------------------------

// See abi/abi.h.  Offsets are displacements in generated code, so they have to
// be below 2 GiB.
static void
lay_out(struct checker *c)
{
    struct module *m = c->m;
    const struct {
        u32 *at;
        u64 count, size;
    } parts[] = {
        {&m->layout.memories, m->memory_count, sizeof(struct vmctx_memory)},
        {&m->layout.tables,   m->table_count,  sizeof(struct vmctx_table) },
        {&m->layout.globals,  m->global_count, sizeof(struct vmctx_global)},
        {&m->layout.imports,  m->func_imports, sizeof(struct func_entry)  },
        {&m->layout.tags,     m->tag_count,    sizeof(u64)                },
        {&m->layout.types,    m->type_count,   sizeof(u32)                },
        {&m->layout.size,     0,               0                          },
    };
    u64 at = sizeof(struct vmctx);

    for (u32 i = 0; i < COUNT(parts); i++) {
        *parts[i].at = (u32)at;
        at = ALIGN_UP(at + parts[i].count * parts[i].size, 16);
    }
    if (at > INT32_MAX)
        error_set(c->error, ERR_LIMIT, 0, "instance too large");
}

static void (*const steps[])(struct checker *c) = {
    check_funcs,   check_tags,   check_memories,  check_exports,
    check_globals, check_tables, check_start,     check_elems,
    check_datas,   lay_out,      check_constants,
};

void
module_check(struct module *m, struct arena *temp, struct error *error)
{
    struct checker c = {.m = m, .temp = temp, .error = error};
    u64 mark = arena_mark(temp);

    const_checker_init(&c.consts, m, temp, error);
    for (u32 i = 0; i < COUNT(steps) && is_ok(&c); i++)
        steps[i](&c);
    arena_reset(temp, mark);
}
