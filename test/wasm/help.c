// test/wasm/help.c: memory, and modules made in memory.

#include "test/wasm/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct arena
arena_make(u64 size)
{
    struct arena arena;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert(memory != MAP_FAILED);
    arena_init_fixed(&arena, memory, size);
    return arena;
}

void
arena_drop(struct arena *arena)
{
    munmap(arena->base, arena->reserved);
}

u64
cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (u64)t.tv_sec * 1000000000 + (u64)t.tv_nsec;
}

struct bytes
whole_file(const char *path)
{
    struct bytes bytes = {0};
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        return bytes;
    fseek(file, 0, SEEK_END);
    u64 size = (u64)MAX(ftell(file), 0);
    rewind(file);
    bytes.ptr = malloc(size + 1);
    if (bytes.ptr != NULL && fread(bytes.ptr, 1, size, file) == size)
        bytes.size = size;
    fclose(file);
    return bytes;
}

status_t
judge(struct bytes bytes, struct arena *arena, struct error *error)
{
    struct module m;

    *error = (struct error){0};
    arena_reset(arena, 0);
    status_t status = module_decode(&m, bytes, arena, error);
    return status != OK ? status : module_validate(&m, arena, error);
}

void
build_bytes(struct build *b, const void *bytes, u64 size)
{
    while (b->size + size > b->capacity) {
        b->capacity = MAX(4096, 2 * b->capacity);
        b->ptr = realloc(b->ptr, b->capacity);
        assert(b->ptr != NULL);
    }
    if (size > 0)
        memcpy(b->ptr + b->size, bytes, size);
    b->size += size;
}

void
build_u8(struct build *b, u8 byte)
{
    build_bytes(b, &byte, 1);
}

u32
hex_size(const char *hex)
{
    u32 digits = 0;

    for (; *hex != 0; hex++)
        digits += *hex != ' ';
    return digits / 2;
}

static u8
digit(char c)
{
    return (u8)(c <= '9' ? c - '0' : c - 'a' + 10);
}

void
build_hex(struct build *b, const char *hex)
{
    for (; *hex != 0; hex++)
        if (*hex != ' ') {
            build_u8(b, (u8)(digit(hex[0]) << 4 | digit(hex[1])));
            hex++;
        }
}

void
build_u32(struct build *b, u32 number)
{
    for (; number >= 0x80; number >>= 7)
        build_u8(b, (u8)(number | 0x80));
    build_u8(b, (u8)number);
}

void
build_s32(struct build *b, i32 number)
{
    for (; number > 63 || number < -64; number >>= 7)
        build_u8(b, (u8)(number | 0x80));
    build_u8(b, number & 0x7f);
}

void
build_start(struct build *b)
{
    *b = (struct build){0};
    build_bytes(b, "\0asm\1\0\0\0", 8);
}

void
build_free(struct build *b)
{
    free(b->ptr);
}

enum { SIZE_BYTES = 5 };

void
build_open(struct build *b)
{
    u8 room[SIZE_BYTES] = {0};

    build_bytes(b, room, sizeof(room));
    b->sections[b->depth++] = b->size;
}

void
build_section(struct build *b, u8 id)
{
    build_u8(b, id);
    build_open(b);
}

// Sizes are written in five bytes, which the format allows.
void
build_close(struct build *b)
{
    u64 start = b->sections[--b->depth], size = b->size - start;

    for (u32 i = 0; i < SIZE_BYTES; i++)
        b->ptr[start - SIZE_BYTES + i] =
            (u8)((size >> (7 * i) & 0x7f) | (i < SIZE_BYTES - 1 ? 0x80 : 0));
}

void
build_repeat(struct build *b, u8 section, u32 n, const void *item, u32 size)
{
    build_section(b, section);
    build_u32(b, n);
    for (u32 i = 0; i < n; i++)
        build_bytes(b, item, size);
    build_close(b);
}

void
build_exports(struct build *b, u32 n, u8 kind)
{
    build_section(b, EXPORT);
    build_u32(b, n);
    for (u32 i = 0; i < n; i++) {
        char name[9];
        format(name, sizeof(name), "%08x", i);
        build_u8(b, 8);
        build_bytes(b, name, 8);
        build_list(b, kind, 0);
    }
    build_close(b);
}

struct bytes
build_result(const struct build *b)
{
    return (struct bytes){b->ptr, b->size};
}

bool
line_of(const struct module *m, u64 at, struct source_line *out)
{
    struct code_place place = {.at = at};

    module_lines(m, &place, 1, NULL);
    if (place.file.len > 0)
        *out = (struct source_line){place.file, place.line};
    return place.file.len > 0;
}
