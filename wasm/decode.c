// wasm/decode.c: a module from bytes to struct module (spec 5.5.16).
//
// First all section headers are read, so that every index space has its size
// before anything is stored; then sections.c decodes them in order, and
// check.c sees to it that they fit together.  Failures are reported as if the
// module had been read from start to end, and malformed comes before invalid.

#include "wasm/internal.h"

static bool
is_ok(const struct decoder *d)
{
    return d->error->status == OK;
}

// --- headers ----------------------------------------------------------------

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
    struct reader r = reader_range(d->m->bytes, d->m->size, at, end, &d->scan);
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
    u64 version = read_bits(r, 4);
    if (version >> 16 == 1) // the upper half: which layer
        reader_fail(r, 4, ERR_MALFORMED,
                    "unknown binary version: it is a component, not a core "
                    "module; build it for wasm32-wasip1, not wasip2");
    else if (version != 1)
        reader_fail(r, 4, ERR_MALFORMED, "unknown binary version");
}

static void
scan_sections(struct decoder *d)
{
    struct reader r =
        reader_range(d->m->bytes, d->m->size, 0, d->m->size, &d->scan);
    u32 place = 0;

    scan_magic(&r);
    while (r.at < r.end && decoder_goes_on(d, r.at)) {
        u64 at = r.at;
        u8 id = read_u8(&r);
        u32 size = read_u32(&r);
        if (id >= SECTION_COUNT)
            reader_fail(&r, at, ERR_MALFORMED, "malformed section id");
        else if (size > reader_left(&r))
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

// --- index spaces -----------------------------------------------------------

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

    m->imports = decoder_alloc(d, m->import_count, sizeof(struct import));
    m->funcs = decoder_alloc(d, m->func_count, sizeof(struct func));
    m->tables = decoder_alloc(d, m->table_count, sizeof(struct table));
    m->memories = decoder_alloc(d, m->memory_count, sizeof(struct limits));
    m->globals = decoder_alloc(d, m->global_count, sizeof(struct global));
    m->tags = decoder_alloc(d, m->tag_count, sizeof(u32));
    m->func_refs = decoder_alloc(d, m->func_count / 64 + 1, sizeof(u64));
}

// Each step in the order of the module's sections; the first failure ends it.
static void (*const steps[])(struct decoder *d) = {
    decode_funcs,      decode_tables,  decode_memories, decode_tags,
    decode_globals,    decode_exports, decode_start,    decode_elems,
    decode_data_count, decode_code,    decode_datas,
};

// Features that are to be refused; the offset is that of the whole.
static void
check_features(struct decoder *d)
{
    const struct module *m = d->m;

    if ((d->without & FEATURE_MULTI_MEMORY) && m->memory_count > 1)
        error_set(d->error, ERR_INVALID, 0, "multiple memories");
    if ((d->without & FEATURE_MULTI_TABLE) && m->table_count > 1)
        error_set(d->error, ERR_INVALID, 0, "multiple tables");
}

status_t
module_decode_without(struct module *m, struct bytes bytes, u32 without,
                      struct arena *keep, struct error *error)
{
    struct decoder d = {
        .m = m, .without = without, .keep = keep, .error = error};

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
        check_features(&d);
    if (is_ok(&d))
        allocate_spaces(&d);
    if (is_ok(&d))
        decode_imports(&d, true);
    for (u32 i = 0; i < COUNT(steps) && is_ok(&d); i++)
        steps[i](&d);
    if (is_ok(&d) && d.scan.status != OK)
        *error = d.scan;
    if (is_ok(&d) && d.invalid.status != OK)
        *error = d.invalid;
    if (is_ok(&d))
        module_check(&d);
    return error->status;
}

status_t
module_decode(struct module *m, struct bytes bytes, struct arena *keep,
              struct error *error)
{
    return module_decode_without(m, bytes, 0, keep, error);
}
