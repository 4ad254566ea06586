// port/metal/memory.c: the four functions that the compiler itself calls.
//
// Loops of plain moves: QEMU's TCG translates these well, while it takes every
// single step of a string instruction by itself (five times slower).  The
// barriers keep the compiler from finding memcpy in the loops of memcpy.

#include "base/base.h"

typedef u64 __attribute__((aligned(1), may_alias)) word_t;

enum { BLOCK = 4 * sizeof(u64) };

#define BARRIER() __asm__ volatile("" : : : "memory")

// All loads come before the stores, so that the two may overlap.
static inline void
copy_block(u8 *to, const u8 *from)
{
    const word_t *source = (const word_t *)from;
    word_t *target = (word_t *)to;
    u64 a = source[0], b = source[1], c = source[2], d = source[3];

    BARRIER();
    target[0] = a;
    target[1] = b;
    target[2] = c;
    target[3] = d;
}

static inline void
copy_forward(u8 *to, const u8 *from, size_t size)
{
    for (; size >= BLOCK; size -= BLOCK, to += BLOCK, from += BLOCK)
        copy_block(to, from);
    for (; size >= sizeof(word_t);
         size -= sizeof(word_t), to += sizeof(word_t), from += sizeof(word_t)) {
        *(word_t *)to = *(const word_t *)from;
        BARRIER();
    }
    for (; size > 0; size--) {
        *to++ = *from++;
        BARRIER();
    }
}

static inline void
copy_backward(u8 *to, const u8 *from, size_t size)
{
    for (; size >= BLOCK; size -= BLOCK)
        copy_block(to + size - BLOCK, from + size - BLOCK);
    for (; size > 0; size--) {
        to[size - 1] = from[size - 1];
        BARRIER();
    }
}

void *
memcpy(void *restrict to, const void *restrict from, size_t size)
{
    copy_forward(to, from, size);
    return to;
}

void *
memmove(void *to, const void *from, size_t size)
{
    if ((u64)to - (u64)from >= size)
        copy_forward(to, from, size);
    else
        copy_backward(to, from, size);
    return to;
}

void *
memset(void *to, int byte, size_t size)
{
    u64 word = (u8)byte * 0x0101010101010101ull;
    u8 *at = to;

    for (; size >= BLOCK; size -= BLOCK, at += BLOCK) {
        word_t *words = (word_t *)at;

        words[0] = word;
        words[1] = word;
        words[2] = word;
        words[3] = word;
        BARRIER();
    }
    for (; size > 0; size--) {
        *at++ = (u8)byte;
        BARRIER();
    }
    return to;
}

int
memcmp(const void *a, const void *b, size_t size)
{
    const u8 *x = a, *y = b;

    while (size >= sizeof(u64) && *(const word_t *)x == *(const word_t *)y) {
        x += sizeof(u64);
        y += sizeof(u64);
        size -= sizeof(u64);
    }
    for (; size > 0; size--, x++, y++)
        if (*x != *y)
            return *x - *y;
    return 0;
}
