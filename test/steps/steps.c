// test/steps/steps.c: count steps: the compiler has every basic block call us,
// and the linker what moves or compares bytes.

#include "test/steps/steps.h"

#include <string.h>

void __sanitizer_cov_trace_pc(void);
void *__real_memcpy(void *to, const void *from, size_t size);
void *__real_memmove(void *to, const void *from, size_t size);
void *__real_memset(void *to, int byte, size_t size);
int __real_memcmp(const void *a, const void *b, size_t size);
void *__wrap_memcpy(void *to, const void *from, size_t size);
void *__wrap_memmove(void *to, const void *from, size_t size);
void *__wrap_memset(void *to, int byte, size_t size);
int __wrap_memcmp(const void *a, const void *b, size_t size);

enum { BYTES_PER_STEP = 16 };

static u64 steps;

u64
steps_done(void)
{
    return __atomic_load_n(&steps, __ATOMIC_RELAXED);
}

void
__sanitizer_cov_trace_pc(void)
{
    steps++;
}

void *
__wrap_memcpy(void *to, const void *from, size_t size)
{
    steps += size / BYTES_PER_STEP;
    return __real_memcpy(to, from, size);
}

void *
__wrap_memmove(void *to, const void *from, size_t size)
{
    steps += size / BYTES_PER_STEP;
    return __real_memmove(to, from, size);
}

void *
__wrap_memset(void *to, int byte, size_t size)
{
    steps += size / BYTES_PER_STEP;
    return __real_memset(to, byte, size);
}

int
__wrap_memcmp(const void *a, const void *b, size_t size)
{
    steps += size / BYTES_PER_STEP;
    return __real_memcmp(a, b, size);
}
