// test/fuzz/fuzz.c: what the fuzz targets share.

#include "test/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { ARENA_SIZE = 256 * 1024 * 1024 };

void
panic(const char *file, u32 line, const char *what)
{
    fprintf(stderr, "%s:%u: %s\n", file, line, what);
    abort();
}

struct arena *
fuzz_arena(void)
{
    static struct arena arena;

    if (arena.base == NULL) {
        void *memory = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        assert(memory != MAP_FAILED);
        arena_init_fixed(&arena, memory, ARENA_SIZE);
    }
    arena_reset(&arena, 0);
    arena.peak = 0;
    return &arena;
}

void
fuzz_check_verdict(status_t status, const struct error *error, u64 size)
{
    assert(status == error->status);
    assert((status == OK) == (error->what == NULL));
    assert(error->at <= size);
    assert(status != ERR_NO_MEMORY);
}
