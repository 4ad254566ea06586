// x64/emit/image.c: the bytes and tables of a module's code, as they grow.
//
// Functions refer to each other by relative calls.  A call of a function that
// has no code yet joins a list that is threaded through the displacements
// themselves, and is completed when the function gets its place.
//
// Nobody knows how long the tables become.  Their rows gather at the bottom of
// `temp`, all in one list; those of a function are first put on top of what its
// steps left there, and move down when that is dropped.  At the end each table
// gets exactly its size.

#include "x64/emit/emit.h"

// A row of any table.
struct row {
    u32 table; // enum row_table
    union {
        struct func_code func;
        struct trap_site trap;
        struct call_site call;
        struct code_try try;
        struct code_catch catch;
        struct code_head head;
    };
};

status_t
image_init(struct image *image, struct code *code, const struct module *m,
           struct arena *text, struct arena *keep, struct arena *temp)
{
    *code = (struct code){0};
    *image = (struct image){
        .code = code,
        .module = m,
        .text = text,
        .keep = keep,
        .temp = temp,
        .start = NO_INDEX,
    };
    code->text = arena_alloc(text, 0, 64);
    code->entries = ARENA_NEW(keep, u32, m->func_count);
    image->waiting = ARENA_NEW(temp, u32, m->func_count);
    image->rows = arena_alloc(temp, 0, _Alignof(struct row));
    if (code->text == NULL || code->entries == NULL || image->waiting == NULL ||
        image->rows == NULL)
        return ERR_NO_MEMORY;
    status_t status = code_size_types(code, m, keep);
    if (status != OK)
        return status;
    return image_try(image, (struct code_try){0}); // number 0: no handler
}

const u8 *
image_grow(struct image *image, u32 size)
{
    struct code *code = image->code;
    u64 start = ALIGN_UP(code->size, FUNC_ALIGN);
    u64 before = (u64)(code->text - image->text->base);

    if (start + size > CODE_SIZE_MAX ||
        !arena_resize(image->text, image->text->base, before + start + size))
        return NULL;
    encode_fill(code->text + code->size, start - code->size);
    code->size = start + size;
    return code->text + start;
}

void
image_trim(struct image *image, const u8 *end)
{
    struct code *code = image->code;

    assert(end >= code->text && end <= code->text + code->size);
    code->size = (u64)(end - code->text);
}

static u32
read_word(const struct code *code, u32 at)
{
    u32 word;

    memcpy(&word, code->text + at, sizeof(word));
    return word;
}

// Let the displacements of such a list lead to `target`.
static void
complete(const struct code *code, u32 waiting, u32 target)
{
    while (waiting != 0) {
        u32 at = waiting - 1;
        waiting = read_word(code, at);
        encode_word(code->text + at, target - (at + 4));
    }
}

void
image_define(struct image *image, u32 func, u32 start)
{
    assert(func == image->defined);
    image->defined++;
    complete(image->code, image->waiting[func], start);
    image->code->entries[func] = start;
}

void
image_link(struct image *image, u32 at, u32 func)
{
    const struct code *code = image->code;

    if (func < image->defined) {
        encode_word(code->text + at, code->entries[func] - (at + 4));
    } else {
        encode_word(code->text + at, image->waiting[func]);
        image->waiting[func] = at + 1;
    }
}

// --- parts of functions ------------------------------------------------------

bool
image_open(struct image *image, u32 count)
{
    image->labels = ARENA_NEW(image->temp, u32, count);
    return image->labels != NULL;
}

void
image_bind(struct image *image, u32 label, u32 at)
{
    complete(image->code, image->labels[label], at);
    image->labels[label] = label == LABEL_NEXT ? 0 : at | LABEL_BOUND;
}

void
image_goto(struct image *image, u32 at, u32 label)
{
    u32 now = image->labels[label];
    const u8 *text = image->code->text;

    if (now & LABEL_BOUND) {
        encode_word(text + at, (now & ~(u32)LABEL_BOUND) - (at + 4));
    } else {
        encode_word(text + at, now);
        image->labels[label] = at + 1;
    }
}

// Move the fresh rows down to `to`; their end.
static u64
move_rows(struct image *image, struct row *to)
{
    struct row *end = to + image->fresh_count;

    if (image->fresh_count > 0)
        memmove(to, image->fresh, image->fresh_count * sizeof(*to));
    image->fresh = NULL;
    image->fresh_count = 0;
    return (u64)((const u8 *)end - image->temp->base);
}

void
image_keep(struct image *image, u64 mark)
{
    u64 start = ALIGN_UP(mark, _Alignof(struct row));

    if (image->fresh_count == 0) {
        arena_reset(image->temp, mark);
        return;
    }
    if (image->kept_count == 0)
        image->kept = (struct row *)(image->temp->base + start);
    struct row *end = image->kept + image->kept_count;
    assert((const u8 *)end <= image->temp->base + start);
    image->kept_count += image->fresh_count;
    arena_reset(image->temp, move_rows(image, end));
}

// --- rows of tables ----------------------------------------------------------

bool
image_room(const struct image *image, u32 count)
{
    u64 mark = arena_mark(image->temp);
    bool ok = arena_alloc(image->temp, count * sizeof(struct row), 16) != NULL;

    arena_reset(image->temp, mark);
    return ok;
}

static status_t
add_row(struct image *image, struct row row)
{
    struct arena *temp = image->temp;

    if (image->fresh == NULL)
        image->fresh = arena_alloc(temp, 0, _Alignof(struct row));
    if (image->fresh == NULL ||
        !arena_resize(temp, image->fresh,
                      (image->fresh_count + 1ull) * sizeof(row)))
        return ERR_NO_MEMORY;
    image->fresh[image->fresh_count++] = row;
    image->counts[row.table]++;
    return OK;
}

status_t
image_func(struct image *image, struct func_code row)
{
    return add_row(image, (struct row){.table = ROW_FUNC, .func = row});
}

status_t
image_trap(struct image *image, struct trap_site row)
{
    return add_row(image, (struct row){.table = ROW_TRAP, .trap = row});
}

status_t
image_call(struct image *image, struct call_site row)
{
    return add_row(image, (struct row){.table = ROW_CALL, .call = row});
}

status_t
image_try(struct image *image, struct code_try row)
{
    return add_row(image, (struct row){.table = ROW_TRY, .try = row});
}

status_t
image_catch(struct image *image, struct code_catch row)
{
    return add_row(image, (struct row){.table = ROW_CATCH, .catch = row});
}

status_t
image_head(struct image *image, struct code_head row)
{
    return add_row(image, (struct row){.table = ROW_HEAD, .head = row});
}

void
image_settle(struct image *image)
{
    struct row *end = image->rows + image->row_count;

    if (image->kept_count > 0)
        memmove(end, image->kept, image->kept_count * sizeof(*end));
    image->row_count += image->kept_count + image->fresh_count;
    arena_reset(image->temp, move_rows(image, end + image->kept_count));
    image->kept_count = 0;
    image->start = NO_INDEX;
}

static void
copy_row(struct code *code, const struct row *row)
{
    switch (row->table) {
    case ROW_FUNC:
        code->funcs[code->func_count++] = row->func;
        break;
    case ROW_TRAP:
        code->traps[code->trap_count++] = row->trap;
        break;
    case ROW_CALL:
        code->calls[code->call_count++] = row->call;
        break;
    case ROW_TRY:
        code->tries[code->try_count++] = row->try;
        break;
    case ROW_CATCH:
        code->catches[code->catch_count++] = row->catch;
        break;
    case ROW_HEAD:
        code->heads[code->head_count++] = row->head;
        break;
    }
}

status_t
image_finish(struct image *image)
{
    struct code *code = image->code;
    const u32 *counts = image->counts;

    image_settle(image);
    code->funcs = ARENA_NEW(image->keep, struct func_code, counts[ROW_FUNC]);
    code->traps = ARENA_NEW(image->keep, struct trap_site, counts[ROW_TRAP]);
    code->calls = ARENA_NEW(image->keep, struct call_site, counts[ROW_CALL]);
    code->tries = ARENA_NEW(image->keep, struct code_try, counts[ROW_TRY]);
    code->catches =
        ARENA_NEW(image->keep, struct code_catch, counts[ROW_CATCH]);
    code->heads = ARENA_NEW(image->keep, struct code_head, counts[ROW_HEAD]);
    if (code->heads == NULL || code->funcs == NULL || code->traps == NULL ||
        code->calls == NULL || code->tries == NULL || code->catches == NULL)
        return ERR_NO_MEMORY;
    for (u32 i = 0; i < image->row_count; i++) {
        if (!arena_may_step(image->keep, i))
            return ERR_KILLED;
        copy_row(code, &image->rows[i]);
    }
    return OK;
}
