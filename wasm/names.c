// wasm/names.c: names of functions, exports and types, for people.
//
// The name section is untrusted like everything else, but a bad one only costs
// the names.

#include "wasm/internal.h"

enum { NAMES_FUNCTIONS = 1, STEPS = 4096 };

// What names are looked for.
struct wanted {
    struct code_place *places;
    u32 count;
    bool (*stopped)(void); // NULL: never
};

// Before step `step` of what may be long.
static bool
goes_on(const struct wanted *w, u32 step)
{
    return step % STEPS != 0 || w->stopped == NULL || !w->stopped();
}

// The first name that a function gets is its own.
static void
name_places(const struct wanted *w, u32 func, struct string name)
{
    for (u32 k = 0; k < w->count; k++)
        if (w->places[k].func == func && w->places[k].name.len == 0)
            w->places[k].name = name;
}

// A name map (spec appendix, "Name Section").
static void
read_map(struct reader *r, const struct wanted *w)
{
    u32 names = read_u32(r);

    for (u32 i = 0; i < names && reader_left(r) > 0 && goes_on(w, i); i++) {
        u32 func = read_u32(r);
        struct string name = read_name(r);
        if (r->error->status == OK)
            name_places(w, func, name);
    }
}

static void
read_names(const struct module *m, const struct wanted *w)
{
    struct error error = {0};
    u64 size = MIN(m->names.size, DESCRIBE_MAX);
    struct reader r = reader_range(m->names.ptr, size, 0, size, &error);

    for (u32 i = 0; reader_left(&r) > 0 && goes_on(w, i); i++) {
        u8 id = read_u8(&r);
        u32 part = read_u32(&r);
        if (part > m->names.size - r.at)
            return;
        u64 end = r.at + MIN(part, reader_left(&r));
        struct reader map = reader_part(&r, r.at, end);
        if (id == NAMES_FUNCTIONS)
            read_map(&map, w);
        if (!reader_skip(&r, part))
            return;
    }
}

void
module_names(const struct module *m, struct code_place *places, u32 count,
             bool (*stopped)(void))
{
    const struct wanted w = {places, count, stopped};

    assert(count <= PLACES_MAX);
    read_names(m, &w);
    for (u32 i = 0; i < m->export_count && goes_on(&w, i); i++)
        if (m->exports[i].kind == EXTERN_FUNC)
            name_places(&w, m->exports[i].index, m->exports[i].name);
    for (u32 i = 0; i < m->import_count && goes_on(&w, i); i++)
        if (m->imports[i].kind == EXTERN_FUNC)
            name_places(&w, m->imports[i].index, m->imports[i].name);
}

struct string
module_func_name(const struct module *m, u32 func)
{
    struct code_place place = {.func = func, .name = STRING("")};

    module_names(m, &place, 1, NULL);
    return place.name;
}

u32
module_func_at(const struct module *m, u64 at)
{
    u32 low = m->func_imports, high = m->func_count;

    while (low < high) { // bodies are in the order of the functions
        u32 middle = low + (high - low) / 2;
        if (m->funcs[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low > m->func_imports ? low - 1 : NO_INDEX;
}

const struct export *
module_export(const struct module *m, struct string name)
{
    for (u32 i = 0; i < m->export_count; i++)
        if (string_equal(m->exports[i].name, name))
            return &m->exports[i];
    return NULL;
}

// --- types ------------------------------------------------------------------

static const char *const numbers[] = {
    [VAL_I32] = "i32", [VAL_I64] = "i64",   [VAL_F32] = "f32",
    [VAL_F64] = "f64", [VAL_V128] = "v128", [VAL_BOT] = "bot",
    [VAL_I8] = "i8",   [VAL_I16] = "i16",   [VAL_NONE] = "none",
};

static const char *const heaps[] = {
    [HEAP_FUNC - HEAP_FUNC] = "func",
    [HEAP_NOFUNC - HEAP_FUNC] = "nofunc",
    [HEAP_EXTERN - HEAP_FUNC] = "extern",
    [HEAP_NOEXTERN - HEAP_FUNC] = "noextern",
    [HEAP_ANY - HEAP_FUNC] = "any",
    [HEAP_EQ - HEAP_FUNC] = "eq",
    [HEAP_I31 - HEAP_FUNC] = "i31",
    [HEAP_STRUCT - HEAP_FUNC] = "struct",
    [HEAP_ARRAY - HEAP_FUNC] = "array",
    [HEAP_NONE - HEAP_FUNC] = "none",
    [HEAP_EXN - HEAP_FUNC] = "exn",
    [HEAP_NOEXN - HEAP_FUNC] = "noexn",
    [HEAP_BOT - HEAP_FUNC] = "bot",
};

const char *
valtype_format(char *to, u64 size, valtype_t type)
{
    const char *null = valtype_is_nullable(type) ? "null " : "";
    u32 heap = valtype_heap(type);

    if (!valtype_is_ref(type))
        format(to, size, "%s", type < COUNT(numbers) ? numbers[type] : "?");
    else if (heap < HEAP_FUNC)
        format(to, size, "(ref %s%u)", null, heap);
    else if (heap - HEAP_FUNC >= COUNT(heaps))
        format(to, size, "?");
    else
        format(to, size, "(ref %s%s)", null, heaps[heap - HEAP_FUNC]);
    return to;
}

struct text {
    char *to;
    u64 size;
    u32 len; // of the whole text, also what does not fit
};

static void
append(struct text *t, const char *what)
{
    u64 used = MIN(t->len, t->size);

    t->len += format(t->to + used, t->size - used, "%s", what);
}

static void
append_types(struct text *t, const valtype_t *types, u32 count)
{
    char one[32];

    append(t, "(");
    for (u32 i = 0; i < count; i++) {
        if (i > 0)
            append(t, ", ");
        append(t, valtype_format(one, sizeof(one), types[i]));
    }
    append(t, ")");
}

u32
type_format(char *to, u64 size, const struct module *m, u32 type)
{
    const struct type *t = &m->types[type];
    struct text text = {to, size, 0};

    if (t->kind != TYPE_FUNC) {
        append(&text, t->kind == TYPE_STRUCT ? "struct" : "array");
        return text.len;
    }
    append_types(&text, t->vals, t->param_count);
    append(&text, " -> ");
    append_types(&text, t->vals + t->param_count, t->result_count);
    return text.len;
}
