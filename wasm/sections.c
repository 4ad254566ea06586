// wasm/sections.c: the sections of a module, one after the other (spec 5.5).
//
// As in the reference interpreter, items are read up to the end of the module
// and have to end where their section does.  Rules that an item can break by
// itself, or with the type section, are checked here; they are reported only
// if nothing is malformed.

#include "wasm/internal.h"

static bool
is_ok(const struct decoder *d)
{
    return d->error->status == OK;
}

static void
invalid(struct decoder *d, u64 at, const char *what)
{
    error_set(&d->invalid, ERR_INVALID, at, what);
}

enum { BYTES_TO_ASK = 64 * 1024 };

bool
decoder_may_go_on(struct decoder *d)
{
    if (!arena_may_go_on(d->keep))
        error_set(d->error, ERR_NO_MEMORY, 0, "out of memory");
    return is_ok(d);
}

bool
decoder_goes_on(struct decoder *d, u64 at)
{
    if (at - d->asked_at < BYTES_TO_ASK)
        return is_ok(d);
    d->asked_at = at;
    return decoder_may_go_on(d);
}

// --- sections ---------------------------------------------------------------

// Sections disagree; the reason may be that the header of one was not found.
static void
fail_lengths(struct decoder *d, u64 at, const char *what)
{
    if (d->scan.status != OK)
        error_set(d->error, d->scan.status, d->scan.at, d->scan.what);
    error_set(d->error, ERR_MALFORMED, at, what);
}

struct reader
section_reader(const struct decoder *d, enum section_id id)
{
    const struct section *s = &d->sections[id];

    return reader_range(d->m->bytes, d->m->size, s->at,
                        s->end == 0 ? 0 : d->m->size, d->error);
}

// The number of items in a section, 0 if there is no such section.
u32
section_count(const struct decoder *d, struct reader *r, enum section_id id,
              u64 limit, const char *what)
{
    struct reader bounded = *r;

    if (d->sections[id].end == 0)
        return 0;
    bounded.end = d->sections[id].end;
    u32 count = read_count(&bounded, limit, what);
    r->at = bounded.at;
    return count;
}

static void
section_end(const struct decoder *d, struct reader *r, enum section_id id)
{
    if (is_ok(d) && r->at != d->sections[id].end)
        reader_fail(r, r->at, ERR_MALFORMED, "section size mismatch");
}

void *
decoder_alloc(struct decoder *d, u64 count, u64 size)
{
    void *block = arena_zalloc(d->keep, count * size, 8);

    if (block == NULL)
        error_set(d->error, ERR_NO_MEMORY, 0, "out of memory");
    return block;
}

void
decode_types(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_TYPE);

    if (r.end == 0)
        return;
    types_decode(d, &r);
    section_end(d, &r, SECTION_TYPE);
}

// Bits of the flags byte of limits (spec 5.3.9 and the threads and custom page
// sizes proposals).
enum {
    LIMITS_MAX = 1,
    LIMITS_SHARED = 2,
    LIMITS_64 = 4,
    LIMITS_PAGE = 8,
};

static struct limits
read_limits(struct reader *r, u8 allowed)
{
    u64 at = r->at;
    u8 flags = read_u8(r);

    if (flags & ~allowed)
        reader_fail(r, at, ERR_MALFORMED, "malformed limits flags");
    struct limits l = {
        .has_max = flags & LIMITS_MAX,
        .shared = flags & LIMITS_SHARED,
        .is64 = flags & LIMITS_64,
        .page_log2 = 16,
    };
    l.min = read_u64(r);
    if (l.has_max)
        l.max = read_u64(r);
    if (flags & LIMITS_PAGE) {
        u32 page = read_u32(r);
        if (page >= 64)
            reader_fail(r, at, ERR_MALFORMED, "invalid custom page size");
        else
            l.page_log2 = (u8)page;
    }
    return l;
}

// `most` is the largest that addresses allow; what a machine can provide is
// for the kernel to say.
static void
check_limits(struct decoder *d, u64 at, struct limits *l, u64 most,
             const char *what)
{
    if (!l->has_max)
        l->max = most;
    if (l->min > most || l->max > most)
        invalid(d, at, what);
    else if (l->min > l->max)
        invalid(d, at, "size minimum must not be greater than maximum");
}

static struct limits
read_memory(struct decoder *d, struct reader *r)
{
    u64 at = r->at;
    u8 page = d->without & FEATURE_PAGE_SIZES ? 0 : LIMITS_PAGE;
    struct limits l =
        read_limits(r, LIMITS_MAX | LIMITS_SHARED | LIMITS_64 | page);

    if (l.page_log2 != 0 && l.page_log2 != 16)
        invalid(d, at, "invalid custom page size");
    check_limits(d, at, &l, memory_most_pages(&l),
                 "memory size must be at most 65536 pages (4GiB)");
    if (l.shared && !l.has_max)
        invalid(d, at, "shared memory must have maximum");
    return l;
}

static bool
check_valtype(struct decoder *d, u64 at, valtype_t type)
{
    bool known = valtype_is_known(type, d->m->type_count);

    if (!known)
        invalid(d, at, "unknown type");
    return known;
}

static struct table_type
read_table_type(struct decoder *d, struct reader *r)
{
    u64 at = r->at;
    valtype_t elem = read_reftype(r);
    struct limits l = read_limits(r, LIMITS_MAX | LIMITS_64);

    check_limits(d, at, &l, l.is64 ? UINT64_MAX : UINT32_MAX, "table size");
    struct table_type type = {.elem = elem, .limits = l};
    if (check_valtype(d, at, elem) && valtype_is_ref(elem))
        type.kind = (u8)valtype_ref_kind(d->m, elem);
    return type;
}

static struct global_type
read_global_type(struct decoder *d, struct reader *r)
{
    u64 at = r->at;
    valtype_t type = read_valtype(r);

    check_valtype(d, at, type);
    return (struct global_type){type, read_mutable(r)};
}

// The index of a function type.
static u32
read_func_type(struct decoder *d, struct reader *r)
{
    const struct module *m = d->m;
    u64 at = r->at;
    u32 type = read_u32(r);

    if (type >= m->type_count || m->types[type].kind != TYPE_FUNC)
        invalid(d, at, "unknown type");
    return type;
}

static u32
read_tag(struct decoder *d, struct reader *r)
{
    u64 at = r->at;

    if (read_u8(r) != 0)
        reader_fail(r, at, ERR_MALFORMED, "malformed tag attribute");
    u32 type = read_func_type(d, r);
    if (type < d->m->type_count && d->m->types[type].result_count > 0)
        invalid(d, at, "non-empty tag result type");
    return type;
}

// Read what an import names; store it unless still counting.
static u8
read_import_item(struct decoder *d, struct reader *r, bool store)
{
    struct module *m = d->m;
    u64 at = r->at;
    u8 kind = read_u8(r);
    u32 index = 0;

    if (kind > EXTERN_TAG)
        reader_fail(r, at, ERR_MALFORMED, "malformed import kind");
    else
        index = d->imports[kind]++;
    switch (kind) {
    case EXTERN_FUNC: {
        u32 type = read_func_type(d, r);
        if (store)
            m->funcs[index].type = type;
        break;
    }
    case EXTERN_TABLE: {
        struct table_type type = read_table_type(d, r);
        if (store)
            m->tables[index].type = type;
        break;
    }
    case EXTERN_MEMORY: {
        struct limits l = read_memory(d, r);
        if (store)
            m->memories[index] = l;
        break;
    }
    case EXTERN_GLOBAL: {
        struct global_type type = read_global_type(d, r);
        if (store)
            m->globals[index].type = type;
        break;
    }
    case EXTERN_TAG: {
        u32 type = read_tag(d, r);
        if (store)
            m->tags[index] = type;
        break;
    }
    }
    return kind;
}

void
decode_imports(struct decoder *d, bool store)
{
    struct reader r = section_reader(d, SECTION_IMPORT);
    u32 count =
        section_count(d, &r, SECTION_IMPORT, LIMIT_IMPORTS, "too many imports");

    memset(d->imports, 0, sizeof(d->imports));
    for (u32 i = 0; i < count && decoder_goes_on(d, r.at); i++) {
        struct import import = {.at = r.at};
        import.module = read_name(&r);
        import.name = read_name(&r);
        import.kind = read_import_item(d, &r, store);
        if (store && is_ok(d)) {
            import.index = d->imports[import.kind] - 1;
            d->m->imports[i] = import;
        }
    }
    d->m->import_count = count;
    section_end(d, &r, SECTION_IMPORT);
}

// A section of items of one kind, `first` to `end`, which come after those that
// are imported.
static void
decode_items(struct decoder *d, enum section_id id, u32 first, u32 end,
             void (*read)(struct decoder *d, struct reader *r, u32 index))
{
    struct reader r = section_reader(d, id);

    section_count(d, &r, id, NO_INDEX, NULL);
    for (u32 i = first; i < end && decoder_goes_on(d, r.at); i++)
        read(d, &r, i);
    section_end(d, &r, id);
}

static void
read_func(struct decoder *d, struct reader *r, u32 index)
{
    d->m->funcs[index].type = read_func_type(d, r);
}

void
decode_funcs(struct decoder *d)
{
    decode_items(d, SECTION_FUNCTION, d->m->func_imports, d->m->func_count,
                 read_func);
}

enum { TABLE_HAS_INIT = 0x40 };

static void
read_table(struct decoder *d, struct reader *r, u32 index)
{
    struct table *t = &d->m->tables[index];
    u64 at = r->at;

    t->has_init = r->at < r->end && r->bytes[r->at] == TABLE_HAS_INIT;
    if (t->has_init) {
        r->at++;
        if (read_u8(r) != 0)
            reader_fail(r, at, ERR_MALFORMED, "malformed table");
    }
    t->type = read_table_type(d, r);
    if (t->has_init)
        t->init = read_const_expr(r);
    else if (!valtype_has_default(t->type.elem))
        invalid(d, at, "type mismatch");
    t->init.type = t->type.elem;
}

void
decode_tables(struct decoder *d)
{
    decode_items(d, SECTION_TABLE, d->m->table_imports, d->m->table_count,
                 read_table);
}

static void
read_defined_memory(struct decoder *d, struct reader *r, u32 index)
{
    d->m->memories[index] = read_memory(d, r);
}

void
decode_memories(struct decoder *d)
{
    decode_items(d, SECTION_MEMORY, d->m->memory_imports, d->m->memory_count,
                 read_defined_memory);
}

static void
read_defined_tag(struct decoder *d, struct reader *r, u32 index)
{
    d->m->tags[index] = read_tag(d, r);
}

void
decode_tags(struct decoder *d)
{
    decode_items(d, SECTION_TAG, d->m->tag_imports, d->m->tag_count,
                 read_defined_tag);
}

static void
read_global(struct decoder *d, struct reader *r, u32 index)
{
    struct global *g = &d->m->globals[index];

    g->type = read_global_type(d, r);
    g->init = read_const_expr(r);
    g->init.type = g->type.type;
}

void
decode_globals(struct decoder *d)
{
    decode_items(d, SECTION_GLOBAL, d->m->global_imports, d->m->global_count,
                 read_global);
}

void
decode_exports(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_EXPORT);
    struct module *m = d->m;

    m->export_count =
        section_count(d, &r, SECTION_EXPORT, LIMIT_EXPORTS, "too many exports");
    m->exports = decoder_alloc(d, m->export_count, sizeof(struct export));
    for (u32 i = 0; i < m->export_count && decoder_goes_on(d, r.at); i++) {
        struct export *e = &m->exports[i];
        e->name = read_name(&r);
        u64 at = r.at;
        e->kind = read_u8(&r);
        if (e->kind > EXTERN_TAG)
            reader_fail(&r, at, ERR_MALFORMED, "malformed export kind");
        e->index = read_u32(&r);
    }
    section_end(d, &r, SECTION_EXPORT);
}

void
decode_start(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_START);

    d->m->start = NO_INDEX;
    if (r.end == 0)
        return;
    d->m->start = read_u32(&r);
    section_end(d, &r, SECTION_START);
}

// Bits of the first number of an element segment (spec 5.5.12).
enum {
    ELEM_NOT_ACTIVE = 1, // passive, or declared with the next bit
    ELEM_EXPLICIT = 2,   // active: names its table
    ELEM_EXPRS = 4,      // items are expressions, not function indexes
};

static void
read_elem_type(struct decoder *d, struct reader *r, struct elem_segment *s,
               u32 flags)
{
    s->is_funcs = !(flags & ELEM_EXPRS);
    if ((flags & (ELEM_NOT_ACTIVE | ELEM_EXPLICIT)) == 0) {
        // The forms of the MVP, whose functions are never null.
        s->type = s->is_funcs ? REF_BIT | HEAP_FUNC : (valtype_t)VAL_FUNCREF;
        return;
    }
    u64 at = r->at;
    if (!s->is_funcs) {
        s->type = read_reftype(r);
        check_valtype(d, at, s->type);
        return;
    }
    if (read_u8(r) != 0)
        reader_fail(r, at, ERR_MALFORMED, "malformed element kind");
    s->type = REF_BIT | HEAP_FUNC;
}

static void
read_elem(struct decoder *d, struct reader *r, struct elem_segment *s)
{
    u64 at = r->at;
    u32 flags = read_u32(r);

    if (flags > 7)
        reader_fail(r, at, ERR_MALFORMED, "malformed elements segment kind");
    s->mode = !(flags & ELEM_NOT_ACTIVE) ? SEGMENT_ACTIVE :
              flags & ELEM_EXPLICIT      ? SEGMENT_DECLARED :
                                           SEGMENT_PASSIVE;
    if (s->mode == SEGMENT_ACTIVE) {
        s->table = flags & ELEM_EXPLICIT ? read_u32(r) : 0;
        s->offset = read_const_expr(r);
    }
    read_elem_type(d, r, s, flags);
    s->count = read_count(r, LIMIT_TABLE_ENTRIES, "too many elements");
    s->at = r->at;
    for (u32 i = 0; i < s->count && decoder_goes_on(d, r->at); i++) {
        if (s->is_funcs)
            read_u32(r);
        else
            read_const_expr(r);
    }
}

void
decode_elems(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_ELEMENT);
    struct module *m = d->m;

    m->elem_count = section_count(d, &r, SECTION_ELEMENT, LIMIT_ELEM_SEGMENTS,
                                  "too many element segments");
    m->elems = decoder_alloc(d, m->elem_count, sizeof(struct elem_segment));
    for (u32 i = 0; i < m->elem_count && decoder_goes_on(d, r.at); i++)
        read_elem(d, &r, &m->elems[i]);
    section_end(d, &r, SECTION_ELEMENT);
}

void
decode_data_count(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_DATA_COUNT);

    d->m->has_data_count = r.end != 0;
    if (r.end == 0)
        return;
    d->data_count_at = r.at;
    d->m->data_count = read_u32(&r);
    section_end(d, &r, SECTION_DATA_COUNT);
}

// Read a body only for its syntax.  It may go on behind its end, and so may all
// others: what they are together is no more than twice the module.
static void
scan_body(struct decoder *d, u64 at)
{
    struct reader r =
        reader_range(d->m->bytes, d->m->size, at, d->m->size, d->error);
    u32 count = read_count(&r, NO_INDEX, NULL);
    struct op op;

    for (u32 i = 0; i < count && decoder_goes_on(d, r.at); i++) {
        read_u32(&r);
        read_valtype(&r);
    }
    for (u32 depth = 1; depth > 0 && decoder_goes_on(d, r.at);)
        depth = read_nested(&r, &op, depth);
    d->scanned += r.at - at;
}

void
decode_code(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_CODE);
    struct module *m = d->m;
    u32 count = section_count(d, &r, SECTION_CODE, LIMIT_FUNCTIONS,
                              "too many functions");

    m->code_at = d->sections[SECTION_CODE].at;
    if (is_ok(d) && count != m->func_count - m->func_imports)
        fail_lengths(d, m->code_at,
                     "function and code section have inconsistent lengths");
    for (u32 i = 0; i < count && decoder_goes_on(d, r.at); i++) {
        u64 at = r.at;
        u32 size = read_u32(&r);
        if (size > reader_left(&r))
            reader_fail(&r, at, ERR_MALFORMED,
                        "unexpected end of section or function");
        else if (size > LIMIT_BODY_SIZE)
            reader_fail(&r, at, ERR_LIMIT, "function body too large");
        struct func *f = &m->funcs[m->func_imports + i];
        f->at = r.at;
        f->end = r.at += is_ok(d) ? size : 0;
        if (is_ok(d) && d->scan.status != OK && d->scanned <= 2 * m->size)
            scan_body(d, f->at); // may be to blame for what follows
    }
    section_end(d, &r, SECTION_CODE);
}

static void
read_data(struct reader *r, struct data_segment *s)
{
    u64 at = r->at;
    u32 flags = read_u32(r);

    if (flags > 2)
        reader_fail(r, at, ERR_MALFORMED, "malformed data segment kind");
    s->mode = flags == 1 ? SEGMENT_PASSIVE : SEGMENT_ACTIVE;
    s->memory = flags == 2 ? read_u32(r) : 0;
    if (s->mode == SEGMENT_ACTIVE)
        s->offset = read_const_expr(r);
    at = r->at;
    s->size = read_u32(r);
    s->at = r->at;
    if (s->size > reader_left(r))
        reader_fail(r, at, ERR_MALFORMED,
                    "unexpected end of section or function");
    else
        r->at += s->size;
}

void
decode_datas(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_DATA);
    struct module *m = d->m;
    u32 count = section_count(d, &r, SECTION_DATA, LIMIT_DATA_SEGMENTS,
                              "too many data segments");

    if (is_ok(d) && m->has_data_count && m->data_count != count)
        fail_lengths(d, d->data_count_at,
                     "data count and data section have inconsistent lengths");
    m->data_count = count;
    m->datas = decoder_alloc(d, count, sizeof(struct data_segment));
    for (u32 i = 0; i < count && decoder_goes_on(d, r.at); i++)
        read_data(&r, &m->datas[i]);
    section_end(d, &r, SECTION_DATA);
}
