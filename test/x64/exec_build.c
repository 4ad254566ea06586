// test/x64/exec_build.c: modules with one memory and functions of one's own,
// made in memory.

#include "test/x64/exec.h"

#include <stdlib.h>
#include <string.h>

void
bytes_put(struct exec_bytes *b, const void *bytes, u64 size)
{
    if (b->size + size > b->capacity) {
        b->capacity = MAX(4096, 2 * (b->size + size));
        b->ptr = realloc(b->ptr, b->capacity);
        assert(b->ptr != NULL);
    }
    memcpy(b->ptr + b->size, bytes, size);
    b->size += size;
}

void
bytes_u8(struct exec_bytes *b, u8 byte)
{
    bytes_put(b, &byte, 1);
}

void
bytes_u32(struct exec_bytes *b, u32 number)
{
    for (; number >= 0x80; number >>= 7)
        bytes_u8(b, (u8)(number | 0x80));
    bytes_u8(b, (u8)number);
}

void
bytes_i64(struct exec_bytes *b, i64 number)
{
    for (; number < -64 || number > 63; number >>= 7)
        bytes_u8(b, (u8)(number | 0x80));
    bytes_u8(b, (u8)(number & 0x7f));
}

void
bytes_op(struct exec_bytes *b, u32 code)
{
    if (code < 0x100) {
        bytes_u8(b, (u8)code);
        return;
    }
    bytes_u8(b, (u8)(code >> 16));
    bytes_u32(b, code & 0xffff);
}

// "ild:f" as a function type.
static void
put_type(struct exec_bytes *b, const char *sig)
{
    const char *colon = strchr(sig, ':');
    u32 params = (u32)(colon - sig);

    bytes_u8(b, 0x60);
    bytes_u32(b, params);
    for (u32 i = 0; i < params; i++)
        bytes_u8(b, exec_valtype(sig[i]));
    bytes_u32(b, (u32)strlen(colon + 1));
    for (const char *at = colon + 1; *at != 0; at++)
        bytes_u8(b, exec_valtype(*at));
}

u8
exec_valtype(char letter)
{
    static const char letters[] = "vdfli"; // 0x7b ...

    return (u8)(0x7b + (strchr(letters, letter) - letters));
}

static void
put_section(struct exec_bytes *b, u8 id, struct exec_bytes *contents)
{
    bytes_u8(b, id);
    bytes_u32(b, (u32)contents->size);
    bytes_put(b, contents->ptr, contents->size);
    free(contents->ptr);
    *contents = (struct exec_bytes){0};
}

void
exec_module_add(struct exec_module *m, const char *sig, const char *locals,
                struct exec_bytes *code)
{
    u32 local_count = (u32)strlen(locals);
    struct exec_bytes body = {0};

    put_type(&m->types, sig);
    bytes_u32(&m->funcs, m->count);
    bytes_u32(&body, local_count);
    for (u32 i = 0; i < local_count; i++) {
        bytes_u8(&body, 1);
        bytes_u8(&body, exec_valtype(locals[i]));
    }
    bytes_put(&body, code->ptr, code->size);
    bytes_u8(&body, 0x0b);
    bytes_u32(&m->bodies, (u32)body.size);
    bytes_put(&m->bodies, body.ptr, body.size);
    free(body.ptr);
    code->size = 0;
    m->count++;
}

static void
put_counted(struct exec_bytes *b, u8 id, u32 count, struct exec_bytes *items)
{
    struct exec_bytes contents = {0};

    bytes_u32(&contents, count);
    bytes_put(&contents, items->ptr, items->size);
    free(items->ptr);
    put_section(b, id, &contents);
}

struct bytes
exec_module_finish(struct exec_module *m)
{
    static const u8 head[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    struct exec_bytes b = {0}, memory = {0};

    bytes_u8(&memory, 0); // no maximum
    bytes_u32(&memory, m->pages);
    bytes_put(&b, head, sizeof(head));
    put_counted(&b, 1, m->count, &m->types);
    put_counted(&b, 3, m->count, &m->funcs);
    put_counted(&b, 5, 1, &memory);
    put_counted(&b, 10, m->count, &m->bodies);
    return (struct bytes){b.ptr, b.size};
}
