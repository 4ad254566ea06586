// x64/image.c: the bytes and tables of a module's code, as they grow.
//
// Functions refer to each other by relative calls.  A call of a function that
// has no code yet joins a list that is threaded through the displacements
// themselves, and is completed when the function gets its place.

#include "x64/emit.h"

enum { FILL = 0xcc, MAX_CODE = 0x7ff00000 };

status_t
image_init(struct image *image, struct code *code, const struct module *m,
           struct arena *text, struct arena *keep)
{
    *code = (struct code){0};
    *image =
        (struct image){.code = code, .module = m, .text = text, .keep = keep};
    code->text = arena_alloc(text, 0, 64);
    code->entries = ARENA_NEW(keep, u32, m->func_count);
    code->enter = ARENA_NEW(keep, u32, m->type_count);
    code->adapt = ARENA_NEW(keep, u32, m->type_count);
    image->waiting = ARENA_NEW(keep, u32, m->func_count);
    if (code->text == NULL || code->entries == NULL || code->enter == NULL ||
        code->adapt == NULL || image->waiting == NULL)
        return ERR_NO_MEMORY;
    return image_try(image, (struct code_try){0}); // number 0: no handler
}

u8 *
image_grow(struct image *image, u32 size)
{
    struct code *code = image->code;
    u64 start = ALIGN_UP(code->size, FUNC_ALIGN);

    if (start + size > MAX_CODE ||
        !arena_resize(image->text, code->text, start + size))
        return NULL;
    memset(code->text + code->size, FILL, start - code->size);
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

static void
write_word(struct code *code, u32 at, u32 word)
{
    memcpy(code->text + at, &word, sizeof(word));
}

void
image_define(struct image *image, u32 func, u32 start)
{
    struct code *code = image->code;
    u32 waiting = image->waiting[func];

    assert(func == image->defined);
    image->defined++;
    while (waiting != 0) {
        u32 at = waiting - 1;
        waiting = read_word(code, at);
        write_word(code, at, start - (at + 4));
    }
    code->entries[func] = start;
}

void
image_link(struct image *image, u32 at, u32 func)
{
    struct code *code = image->code;

    if (func < image->defined) {
        write_word(code, at, code->entries[func] - (at + 4));
    } else {
        write_word(code, at, image->waiting[func]);
        image->waiting[func] = at + 1;
    }
}

status_t
image_func(struct image *image, struct func_code row)
{
    struct code *code = image->code;

    if (!mach_grow(image->keep, &code->funcs, &image->func_capacity,
                   code->func_count, sizeof(row)))
        return ERR_NO_MEMORY;
    code->funcs[code->func_count++] = row;
    return OK;
}

status_t
image_trap(struct image *image, struct trap_site row)
{
    struct code *code = image->code;

    if (!mach_grow(image->keep, &code->traps, &image->trap_capacity,
                   code->trap_count, sizeof(row)))
        return ERR_NO_MEMORY;
    code->traps[code->trap_count++] = row;
    return OK;
}

status_t
image_call(struct image *image, struct call_site row)
{
    struct code *code = image->code;

    if (!mach_grow(image->keep, &code->calls, &image->call_capacity,
                   code->call_count, sizeof(row)))
        return ERR_NO_MEMORY;
    code->calls[code->call_count++] = row;
    return OK;
}

status_t
image_try(struct image *image, struct code_try row)
{
    struct code *code = image->code;

    if (!mach_grow(image->keep, &code->tries, &image->try_capacity,
                   code->try_count, sizeof(row)))
        return ERR_NO_MEMORY;
    code->tries[code->try_count++] = row;
    return OK;
}

status_t
image_catch(struct image *image, struct code_catch row)
{
    struct code *code = image->code;

    if (!mach_grow(image->keep, &code->catches, &image->catch_capacity,
                   code->catch_count, sizeof(row)))
        return ERR_NO_MEMORY;
    code->catches[code->catch_count++] = row;
    return OK;
}
