// code/file.c: code files (.neb): a module with its machine code, so that it
// need not be compiled again.
//
//     struct header | the module's bytes | machine code | tables (tables.def)
//
// each at a multiple of 8 bytes, zeros in between, nothing behind.  Numbers are
// little-endian.  Whoever reads one gets what anybody may have written: here
// nothing is looked at but where the parts are, and whether they are those that
// were written; so what they say is judged afterwards, by the decoder and the
// verifier.

#include "code/code.h"

enum { ALIGN = 8, VERSION = 2 };

struct header {
    u8 magic[8];
    u32 version;  // of what is described here
    u32 features; // enum cpu_feature: those that the code may use
    u64 compiler; // code_compiler of who made it
    u64 hash;     // of all that follows and the two above: against accidents,
                  // not against people
    u64 module_size, text_size;
    u32 counts[CODE_TABLES];
};

#ifndef CODE_COMPILER // the Makefile's, but where nothing is run
#define CODE_COMPILER 0
#endif

const u64 code_compiler = CODE_COMPILER;

static const u8 magic[8] = {0, 'n', 'e', 'b', 'c', 'o', 'd', 'e'};

// What a row of each table takes.
static const u32 row_sizes[CODE_TABLES] = {
#define TABLE(field, row, count) sizeof(row),
#include "code/tables.def"
};

// --- the tables of struct code -----------------------------------------------

void
code_tables(struct code_part to[CODE_TABLES], const struct code *code,
            const struct module *m)
{
    struct code_part *next = to;

#define TABLE(field, row, count) \
    *next++ = (struct code_part){code->field, (u64)(count) * sizeof(row)};
#include "code/tables.def"
}

// The caller compares the counts of those that struct code does not tell.
static void
set_tables(struct code *code, const struct bytes from[CODE_TABLES],
           const u32 counts[CODE_TABLES])
{
    const struct bytes *next = from;

#define TABLE(field, row, count) code->field = (row *)(next++)->ptr;
#include "code/tables.def"
    code->func_count = counts[CODE_TABLE_funcs];
    code->trap_count = counts[CODE_TABLE_traps];
    code->call_count = counts[CODE_TABLE_calls];
    code->try_count = counts[CODE_TABLE_tries];
    code->catch_count = counts[CODE_TABLE_catches];
    code->head_count = counts[CODE_TABLE_heads];
}

// --- the hash ----------------------------------------------------------------

enum { HASHED = offsetof(struct header, module_size), PIECE = 1024 * 1024 };

// False: the work is not to go on.
static bool
hash_file(u64 *hash, struct bytes file, struct arena *arena)
{
    struct header h;

    memcpy(&h, file.ptr, sizeof(h));
    struct hash_key key = {
        {h.compiler, h.features}
    };
    for (u64 at = HASHED; at < file.size; at += PIECE) {
        if (arena != NULL && !arena_may_go_on(arena))
            return false;
        u64 size = MIN(file.size - at, (u64)PIECE);
        key.words[1] = hash_bytes(&key, file.ptr + at, size);
    }
    *hash = key.words[1];
    return true;
}

// --- writing -----------------------------------------------------------------

static void
put(struct bytes to, u64 *at, struct code_part part)
{
    if (to.ptr != NULL) {
        assert(*at + ALIGN_UP(part.size, ALIGN) <= to.size);
        memset(to.ptr + *at, 0, ALIGN_UP(part.size, ALIGN));
        if (part.size > 0)
            memcpy(to.ptr + *at, part.ptr, part.size);
    }
    *at += ALIGN_UP(part.size, ALIGN);
}

void
code_file_sign(struct bytes file)
{
    u64 hash, at = offsetof(struct header, hash);

    if (file.size >= sizeof(struct header) && hash_file(&hash, file, NULL))
        put(file, &at, (struct code_part){&hash, sizeof(hash)});
}

u64
code_file_write(struct bytes to, const struct code *code,
                const struct module *m, u32 features)
{
    struct header h = {.version = VERSION,
                       .features = features,
                       .compiler = code_compiler,
                       .module_size = m->size,
                       .text_size = code->size};
    struct code_part tables[CODE_TABLES];
    u64 at = 0;

    memcpy(h.magic, magic, sizeof(magic));
    code_tables(tables, code, m);
    for (u32 i = 0; i < CODE_TABLES; i++)
        h.counts[i] = (u32)(tables[i].size / row_sizes[i]);
    put(to, &at, (struct code_part){&h, sizeof(h)});
    put(to, &at, (struct code_part){m->bytes, m->size});
    put(to, &at, (struct code_part){code->text, code->size});
    for (u32 i = 0; i < CODE_TABLES; i++)
        put(to, &at, tables[i]);
    if (to.ptr != NULL)
        code_file_sign((struct bytes){to.ptr, at});
    return at;
}

// --- reading -----------------------------------------------------------------

bool
code_file_is(struct bytes file)
{
    return file.size >= sizeof(magic) &&
           memcmp(file.ptr, magic, sizeof(magic)) == 0;
}

static status_t
refuse(struct error *error, status_t status, u64 at, const char *text)
{
    error_set(error, status, at, text);
    return status;
}

// The next part of that size; ptr NULL where the file ends before, or has
// something in the gap.
static struct bytes
take(struct bytes file, u64 *at, u64 size)
{
    struct bytes part = {NULL, size};
    u64 left = file.size - *at;

    if (size > left || ALIGN_UP(size, ALIGN) > left)
        return part;
    for (u64 i = size; i < ALIGN_UP(size, ALIGN); i++)
        if (file.ptr[*at + i] != 0)
            return part;
    part.ptr = file.ptr + *at;
    *at += ALIGN_UP(size, ALIGN);
    return part;
}

static status_t
check_header(const struct header *h, u32 features, struct error *error)
{
    if (h->version != VERSION || h->compiler != code_compiler)
        return refuse(error, ERR_UNSUPPORTED, 0,
                      "the code file is another version's: compile it again");
    if ((h->features & ~features) != 0)
        return refuse(error, ERR_UNSUPPORTED, 0,
                      "compiled for a CPU that has more than this one");
    return OK;
}

// Find the parts, whoever made them.
static status_t
find_parts(struct code_file *f, struct bytes file, const struct header *h,
           struct error *error)
{
    u64 at = sizeof(*h);

    if (h->text_size > CODE_SIZE_MAX)
        return refuse(error, ERR_MALFORMED, offsetof(struct header, text_size),
                      "more code than there may be");
    f->module = take(file, &at, h->module_size);
    f->text = f->module.ptr != NULL ? take(file, &at, h->text_size) : f->module;
    bool whole = f->text.ptr != NULL;
    for (u32 i = 0; i < CODE_TABLES && whole; i++) {
        f->tables[i] = take(file, &at, (u64)h->counts[i] * row_sizes[i]);
        f->counts[i] = h->counts[i];
        whole = f->tables[i].ptr != NULL;
    }
    if (!whole || at != file.size)
        return refuse(error, ERR_MALFORMED, at,
                      whole ? "more than the parts of a code file" :
                              "a part of the code file is not there");
    return OK;
}

static status_t
check_hash(struct bytes file, const struct header *h, struct arena *arena,
           struct error *error)
{
    u64 hash;

    if (!hash_file(&hash, file, arena))
        return ERR_KILLED;
    if (hash != h->hash)
        return refuse(error, ERR_MALFORMED, offsetof(struct header, hash),
                      "the code file is not as it was written");
    return OK;
}

static status_t
read_header(struct header *h, struct bytes file, struct error *error)
{
    assert(((u64)file.ptr & (ALIGN - 1)) == 0);
    if (file.size < sizeof(*h) || !code_file_is(file))
        return refuse(error, ERR_MALFORMED, 0, "no code file");
    memcpy(h, file.ptr, sizeof(*h));
    return OK;
}

status_t
code_file_open(struct code_file *f, struct bytes file, u32 features,
               struct arena *arena, struct error *error)
{
    struct header h;
    status_t status = read_header(&h, file, error);

    if (status == OK)
        status = check_header(&h, features, error);
    if (status == OK)
        status = find_parts(f, file, &h, error);
    return status == OK ? check_hash(file, &h, arena, error) : status;
}

status_t
code_file_open_known(struct code_file *f, struct bytes file, u32 features,
                     struct error *error)
{
    struct header h;
    status_t status = read_header(&h, file, error);

    if (status == OK)
        status = check_header(&h, features, error);
    return status == OK ? find_parts(f, file, &h, error) : status;
}

status_t
code_file_module(struct bytes *module, struct bytes file, struct arena *arena,
                 struct error *error)
{
    struct code_file f;
    struct header h;
    status_t status = read_header(&h, file, error);

    if (status == OK && h.version != VERSION)
        status = refuse(error, ERR_UNSUPPORTED, 0, "another form of code file");
    if (status == OK)
        status = find_parts(&f, file, &h, error);
    if (status == OK)
        status = check_hash(file, &h, arena, error);
    if (status == OK)
        *module = f.module;
    return status;
}

status_t
code_file_code(struct code *code, const struct code_file *f,
               const struct module *m, struct arena *keep, struct error *error)
{
    *code = (struct code){.text = f->text.ptr, .size = f->text.size};
    set_tables(code, f->tables, f->counts);
    if (f->counts[CODE_TABLE_entries] != m->func_count)
        return refuse(error, ERR_MALFORMED, offsetof(struct header, counts),
                      "entries of another module");
    return code_size_types(code, m, keep);
}
