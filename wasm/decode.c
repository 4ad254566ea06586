// wasm/decode.c: the sections of a module (spec 5.5), from bytes to struct
// module.
//
// First all section headers are read, so that every index space has its size
// before anything is stored; then the sections are decoded in order.  Failures
// are reported as if the module had been read from start to end.  As in
// the reference interpreter, items are read up to the end of the module and
// have to end where their section does.  Whether it all fits together is
// module_check()'s to say: malformed comes before invalid.

#include "wasm/internal.h"

enum section_id {
    SECTION_CUSTOM,
    SECTION_TYPE,
    SECTION_IMPORT,
    SECTION_FUNCTION,
    SECTION_TABLE,
    SECTION_MEMORY,
    SECTION_GLOBAL,
    SECTION_EXPORT,
    SECTION_START,
    SECTION_ELEMENT,
    SECTION_CODE,
    SECTION_DATA,
    SECTION_DATA_COUNT,
    SECTION_TAG,
    SECTION_COUNT
};

struct section {
    u64 at, end; // of the contents; both 0 when there is none
};

struct decoder {
    struct module *m;
    struct arena *keep;
    struct error *error;
    struct section sections[SECTION_COUNT];
    u32 imports[EXTERN_TAG + 1]; // how many of each kind
    u64 data_count_at;
    struct error scan; // what is wrong behind the sections that were found
};

static bool
is_ok(const struct decoder *d)
{
    return d->error->status == OK;
}

// --- headers -----------------------------------------------------------------

// The place of each section in a module, by id.
static const u8 places[SECTION_COUNT] = {
    [SECTION_TYPE] = 1,     [SECTION_IMPORT] = 2,      [SECTION_FUNCTION] = 3,
    [SECTION_TABLE] = 4,    [SECTION_MEMORY] = 5,      [SECTION_TAG] = 6,
    [SECTION_GLOBAL] = 7,   [SECTION_EXPORT] = 8,      [SECTION_START] = 9,
    [SECTION_ELEMENT] = 10, [SECTION_DATA_COUNT] = 11, [SECTION_CODE] = 12,
    [SECTION_DATA] = 13,
};

static void
keep_custom(struct module *m, struct string name, struct bytes contents)
{
    struct {
        const char *name;
        struct bytes *to;
    } kept[] = {
        {"name",            &m->names         },
        {".debug_line",     &m->debug_line    },
        {".debug_info",     &m->debug_info    },
        {".debug_abbrev",   &m->debug_abbrev  },
        {".debug_str",      &m->debug_str     },
        {".debug_line_str", &m->debug_line_str},
        {".debug_ranges",   &m->debug_ranges  },
    };

    for (u32 i = 0; i < COUNT(kept); i++)
        if (string_equal(name, string_of(kept[i].name)))
            *kept[i].to = contents;
}

static void
scan_custom(struct decoder *d, u64 at, u64 end)
{
    struct reader r = {d->m->bytes, at, end, &d->scan};
    struct string name = read_name(&r);

    keep_custom(d->m, name,
                (struct bytes){(u8 *)d->m->bytes + r.at, end - r.at});
}

static void
scan_magic(struct reader *r)
{
    u64 magic = read_bits(r, 4);
    if (magic != 0x6d736100)
        reader_fail(r, 0, ERR_MALFORMED, "magic header not detected");
    if (read_bits(r, 4) != 1)
        reader_fail(r, 4, ERR_MALFORMED, "unknown binary version");
}

static void
scan_sections(struct decoder *d)
{
    struct reader r = {d->m->bytes, 0, d->m->size, &d->scan};
    u32 place = 0;

    scan_magic(&r);
    while (r.at < r.end) {
        u64 at = r.at;
        u8 id = read_u8(&r);
        u32 size = read_u32(&r);
        if (id >= SECTION_COUNT)
            reader_fail(&r, at, ERR_MALFORMED, "malformed section id");
        else if (size > r.end - r.at)
            reader_fail(&r, at + 1, ERR_MALFORMED, "length out of bounds");
        else if (id == SECTION_CUSTOM)
            scan_custom(d, r.at, r.at + size);
        else if (places[id] <= place)
            reader_fail(&r, at, ERR_MALFORMED,
                        "unexpected content after last section");
        if (d->scan.status != OK)
            return;
        if (id != SECTION_CUSTOM) {
            place = places[id];
            d->sections[id] = (struct section){r.at, r.at + size};
        }
        r.at += size;
    }
}

// --- sections -------------------------------------------------------------------

// Sections disagree; the reason may be that the header of one was not found.
static void
fail_lengths(struct decoder *d, u64 at, const char *what)
{
    if (d->scan.status != OK)
        error_set(d->error, d->scan.status, d->scan.at, d->scan.what);
    error_set(d->error, ERR_MALFORMED, at, what);
}

static struct reader
section_reader(const struct decoder *d, enum section_id id)
{
    const struct section *s = &d->sections[id];

    return (struct reader){d->m->bytes, s->at, s->end == 0 ? 0 : d->m->size,
                           d->error};
}

// The number of items in a section, 0 if there is no such section.
static u32
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

static void *
allocate(struct decoder *d, u64 count, u64 size)
{
    void *block = arena_zalloc(d->keep, count * size, 8);

    if (block == NULL)
        error_set(d->error, ERR_NO_MEMORY, 0, "out of memory");
    return block;
}

static void
decode_types(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_TYPE);

    if (r.end == 0)
        return;
    types_decode(d->m, &r, d->keep);
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
        l.page_log2 = (u8)page;
    }
    return l;
}

// The largest limits that addresses allow; what a machine can provide is for
// the kernel to say.
static u64
memory_max(const struct limits *l)
{
    if (l->page_log2 == 0)
        return l->is64 ? UINT64_MAX : UINT32_MAX;
    return l->is64 ? 1ull << 48 : 1ull << 16;
}

static struct limits
read_memory(struct reader *r)
{
    struct limits l =
        read_limits(r, LIMITS_MAX | LIMITS_SHARED | LIMITS_64 | LIMITS_PAGE);

    if (!l.has_max)
        l.max = memory_max(&l);
    return l;
}

static struct table_type
read_table_type(struct reader *r)
{
    valtype_t elem = read_reftype(r);
    struct limits l = read_limits(r, LIMITS_MAX | LIMITS_64);

    if (!l.has_max)
        l.max = l.is64 ? UINT64_MAX : UINT32_MAX;
    return (struct table_type){elem, l};
}

static struct global_type
read_global_type(struct reader *r)
{
    valtype_t type = read_valtype(r);

    return (struct global_type){type, read_mutable(r)};
}

static u32
read_tag(struct reader *r)
{
    u64 at = r->at;

    if (read_u8(r) != 0)
        reader_fail(r, at, ERR_MALFORMED, "malformed tag attribute");
    return read_u32(r);
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
        u32 type = read_u32(r);
        if (store)
            m->funcs[index].type = type;
        break;
    }
    case EXTERN_TABLE: {
        struct table_type type = read_table_type(r);
        if (store)
            m->tables[index].type = type;
        break;
    }
    case EXTERN_MEMORY: {
        struct limits l = read_memory(r);
        if (store)
            m->memories[index] = l;
        break;
    }
    case EXTERN_GLOBAL: {
        struct global_type type = read_global_type(r);
        if (store)
            m->globals[index].type = type;
        break;
    }
    case EXTERN_TAG: {
        u32 type = read_tag(r);
        if (store)
            m->tags[index] = type;
        break;
    }
    }
    return kind;
}

static void
decode_imports(struct decoder *d, bool store)
{
    struct reader r = section_reader(d, SECTION_IMPORT);
    u32 count =
        section_count(d, &r, SECTION_IMPORT, LIMIT_IMPORTS, "too many imports");

    memset(d->imports, 0, sizeof(d->imports));
    for (u32 i = 0; i < count && is_ok(d); i++) {
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

static void
decode_funcs(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_FUNCTION);
    struct module *m = d->m;

    section_count(d, &r, SECTION_FUNCTION, NO_INDEX, NULL);
    for (u32 i = m->func_imports; i < m->func_count; i++)
        m->funcs[i].type = read_u32(&r);
    section_end(d, &r, SECTION_FUNCTION);
}

enum { TABLE_HAS_INIT = 0x40 };

static void
decode_tables(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_TABLE);
    struct module *m = d->m;

    section_count(d, &r, SECTION_TABLE, NO_INDEX, NULL);
    for (u32 i = m->table_imports; i < m->table_count && is_ok(d); i++) {
        struct table *t = &m->tables[i];
        u64 at = r.at;
        t->has_init = r.at < r.end && r.bytes[r.at] == TABLE_HAS_INIT;
        if (t->has_init) {
            r.at++;
            if (read_u8(&r) != 0)
                reader_fail(&r, at, ERR_MALFORMED, "malformed table");
        }
        t->type = read_table_type(&r);
        if (t->has_init)
            t->init = read_const_expr(&r);
        t->init.type = t->type.elem;
    }
    section_end(d, &r, SECTION_TABLE);
}

static void
decode_memories(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_MEMORY);
    struct module *m = d->m;

    section_count(d, &r, SECTION_MEMORY, NO_INDEX, NULL);
    for (u32 i = m->memory_imports; i < m->memory_count; i++)
        m->memories[i] = read_memory(&r);
    section_end(d, &r, SECTION_MEMORY);
}

static void
decode_tags(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_TAG);
    struct module *m = d->m;

    section_count(d, &r, SECTION_TAG, NO_INDEX, NULL);
    for (u32 i = m->tag_imports; i < m->tag_count; i++)
        m->tags[i] = read_tag(&r);
    section_end(d, &r, SECTION_TAG);
}

static void
decode_globals(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_GLOBAL);
    struct module *m = d->m;

    section_count(d, &r, SECTION_GLOBAL, NO_INDEX, NULL);
    for (u32 i = m->global_imports; i < m->global_count && is_ok(d); i++) {
        struct global *g = &m->globals[i];
        g->type = read_global_type(&r);
        g->init = read_const_expr(&r);
        g->init.type = g->type.type;
    }
    section_end(d, &r, SECTION_GLOBAL);
}

static void
decode_exports(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_EXPORT);
    struct module *m = d->m;

    m->export_count =
        section_count(d, &r, SECTION_EXPORT, LIMIT_EXPORTS, "too many exports");
    m->exports = allocate(d, m->export_count, sizeof(struct export));
    for (u32 i = 0; i < m->export_count && is_ok(d); i++) {
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

static void
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
read_elem_type(struct reader *r, struct elem_segment *s, u32 flags)
{
    s->is_funcs = !(flags & ELEM_EXPRS);
    if ((flags & (ELEM_NOT_ACTIVE | ELEM_EXPLICIT)) == 0) {
        // The forms of the MVP, whose functions are never null.
        s->type = s->is_funcs ? REF_BIT | HEAP_FUNC : (valtype_t)VAL_FUNCREF;
        return;
    }
    if (!s->is_funcs) {
        s->type = read_reftype(r);
        return;
    }
    u64 at = r->at;
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
    read_elem_type(r, s, flags);
    s->count = read_count(r, LIMIT_TABLE_ENTRIES, "too many elements");
    s->at = r->at;
    for (u32 i = 0; i < s->count && is_ok(d); i++) {
        if (s->is_funcs)
            read_u32(r);
        else
            read_const_expr(r);
    }
}

static void
decode_elems(struct decoder *d)
{
    struct reader r = section_reader(d, SECTION_ELEMENT);
    struct module *m = d->m;

    m->elem_count = section_count(d, &r, SECTION_ELEMENT, LIMIT_ELEM_SEGMENTS,
                                  "too many element segments");
    m->elems = allocate(d, m->elem_count, sizeof(struct elem_segment));
    for (u32 i = 0; i < m->elem_count && is_ok(d); i++)
        read_elem(d, &r, &m->elems[i]);
    section_end(d, &r, SECTION_ELEMENT);
}

static void
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

// Read a body only for its syntax.
static void
scan_body(struct decoder *d, u64 at)
{
    struct reader r = {d->m->bytes, at, d->m->size, d->error};
    u32 count = read_count(&r, NO_INDEX, NULL);

    for (u32 i = 0; i < count; i++) {
        read_u32(&r);
        read_valtype(&r);
    }
    read_const_expr(&r);
}

static void
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
    for (u32 i = 0; i < count && is_ok(d); i++) {
        u64 at = r.at;
        u32 size = read_u32(&r);
        if (size > r.end - r.at)
            reader_fail(&r, at, ERR_MALFORMED,
                        "unexpected end of section or function");
        else if (size > LIMIT_BODY_SIZE)
            reader_fail(&r, at, ERR_LIMIT, "function body too large");
        struct func *f = &m->funcs[m->func_imports + i];
        f->at = r.at;
        f->end = r.at += is_ok(d) ? size : 0;
        if (is_ok(d) && d->scan.status != OK)
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
    if (s->size > r->end - r->at)
        reader_fail(r, at, ERR_MALFORMED,
                    "unexpected end of section or function");
    else
        r->at += s->size;
}

static void
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
    m->datas = allocate(d, count, sizeof(struct data_segment));
    for (u32 i = 0; i < count && is_ok(d); i++)
        read_data(&r, &m->datas[i]);
    section_end(d, &r, SECTION_DATA);
}

// --- index spaces -----------------------------------------------------------------

// Imported and defined items of a kind.
static u32
space_size(struct decoder *d, enum extern_kind kind, enum section_id id,
           u64 limit, const char *what)
{
    struct reader r = section_reader(d, id);
    u64 count = d->imports[kind];

    count += section_count(d, &r, id, NO_INDEX, NULL);
    if (count > limit)
        error_set(d->error, ERR_LIMIT, d->sections[id].at, what);
    return (u32)MIN(count, limit);
}

static void
size_spaces(struct decoder *d)
{
    struct module *m = d->m;

    m->func_count = space_size(d, EXTERN_FUNC, SECTION_FUNCTION,
                               LIMIT_FUNCTIONS, "too many functions");
    m->table_count = space_size(d, EXTERN_TABLE, SECTION_TABLE, LIMIT_TABLES,
                                "too many tables");
    m->memory_count = space_size(d, EXTERN_MEMORY, SECTION_MEMORY,
                                 LIMIT_MEMORIES, "too many memories");
    m->global_count = space_size(d, EXTERN_GLOBAL, SECTION_GLOBAL,
                                 LIMIT_GLOBALS, "too many globals");
    m->tag_count =
        space_size(d, EXTERN_TAG, SECTION_TAG, LIMIT_TAGS, "too many tags");
    m->func_imports = d->imports[EXTERN_FUNC];
    m->table_imports = d->imports[EXTERN_TABLE];
    m->memory_imports = d->imports[EXTERN_MEMORY];
    m->global_imports = d->imports[EXTERN_GLOBAL];
    m->tag_imports = d->imports[EXTERN_TAG];
}

static void
allocate_spaces(struct decoder *d)
{
    struct module *m = d->m;

    m->imports = allocate(d, m->import_count, sizeof(struct import));
    m->funcs = allocate(d, m->func_count, sizeof(struct func));
    m->tables = allocate(d, m->table_count, sizeof(struct table));
    m->memories = allocate(d, m->memory_count, sizeof(struct limits));
    m->globals = allocate(d, m->global_count, sizeof(struct global));
    m->tags = allocate(d, m->tag_count, sizeof(u32));
    m->func_refs = allocate(d, m->func_count / 64 + 1, sizeof(u64));
}

// Each step in the order of the module's sections; the first failure ends it.
static void (*const steps[])(struct decoder *d) = {
    decode_funcs,      decode_tables,  decode_memories, decode_tags,
    decode_globals,    decode_exports, decode_start,    decode_elems,
    decode_data_count, decode_code,    decode_datas,
};

status_t
module_decode(struct module *m, struct bytes bytes, struct arena *keep,
              struct error *error)
{
    struct decoder d = {.m = m, .keep = keep, .error = error};

    *m = (struct module){.bytes = bytes.ptr, .size = bytes.size};
    if (bytes.size > LIMIT_MODULE_SIZE)
        error_set(error, ERR_LIMIT, 0, "module too large");
    if (is_ok(&d))
        scan_sections(&d);
    if (is_ok(&d))
        decode_types(&d);
    if (is_ok(&d))
        decode_imports(&d, false);
    if (is_ok(&d))
        size_spaces(&d);
    if (is_ok(&d))
        allocate_spaces(&d);
    if (is_ok(&d))
        decode_imports(&d, true);
    for (u32 i = 0; i < COUNT(steps) && is_ok(&d); i++)
        steps[i](&d);
    if (is_ok(&d) && d.scan.status != OK)
        *error = d.scan;
    if (is_ok(&d))
        module_check(m, keep, error);
    return error->status;
}
