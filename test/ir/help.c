// test/ir/help.c: memory and files.

#include "test/ir/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

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

struct bytes
file_read(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct bytes bytes = {NULL, 0};

    if (f == NULL)
        return bytes;
    fseek(f, 0, SEEK_END);
    bytes.size = (u64)ftell(f);
    rewind(f);
    bytes.ptr = calloc(1, bytes.size + 1);
    EXPECT_EQ(fread(bytes.ptr, 1, bytes.size, f), bytes.size);
    fclose(f);
    return bytes;
}
