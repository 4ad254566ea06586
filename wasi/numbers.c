// wasi/numbers.c: see wasi/numbers.h.
//
// The numbers that were left are a stack of chunks; there is room in them for
// all that were ever given, so that leaving one takes nothing.

#include "wasi/numbers.h"

enum { CHUNK_NUMBERS = 253 };

struct number_chunk {
    struct number_chunk *below;
    u32 count;
    u32 numbers[CHUNK_NUMBERS];
};

void
numbers_init(struct numbers *n)
{
    *n = (struct numbers){0};
    lock_init(&n->lock, LOCK_NUMBERS);
}

static void
free_chunks(struct number_chunk *chunk)
{
    while (chunk != NULL) {
        struct number_chunk *below = chunk->below;
        kernel_free(chunk);
        chunk = below;
    }
}

void
numbers_free(struct numbers *n)
{
    free_chunks(n->top);
    free_chunks(n->spare);
}

static void
push(struct number_chunk **list, struct number_chunk *chunk)
{
    chunk->below = *list;
    *list = chunk;
}

static struct number_chunk *
pop(struct number_chunk **list)
{
    struct number_chunk *chunk = *list;

    *list = chunk->below;
    return chunk;
}

// One that was left; 0: there is none.
static u32
again(struct numbers *n)
{
    struct number_chunk *top = n->top;

    assert(lock_held(&n->lock));
    if (top == NULL)
        return 0;
    u32 number = top->numbers[--top->count];
    if (top->count == 0)
        push(&n->spare, pop(&n->top));
    return number;
}

// The next one, for which there is room; 0: a chunk is needed first.
static u32
next(struct numbers *n, struct number_chunk **fresh)
{
    assert(lock_held(&n->lock));
    if (n->given % CHUNK_NUMBERS == 0) {
        if (*fresh == NULL)
            return 0;
        push(&n->spare, *fresh);
        *fresh = NULL;
    }
    return ++n->given;
}

status_t
numbers_take(struct numbers *n, u32 *out)
{
    struct number_chunk *fresh = NULL;
    bool full;

    for (;;) {
        lock(&n->lock);
        u32 number = again(n);
        full = number == 0 && n->given == UINT32_MAX;
        if (number == 0 && !full)
            number = next(n, &fresh);
        unlock(&n->lock);
        if (number != 0 || full) {
            kernel_free(fresh);
            *out = number;
            return number != 0 ? OK : ERR_NO_MEMORY;
        }
        fresh = kernel_alloc(sizeof(*fresh));
        if (fresh == NULL)
            return ERR_NO_MEMORY;
    }
}

void
numbers_leave(struct numbers *n, u32 number)
{
    lock(&n->lock);
    assert(number != 0 && number <= n->given);
    if (n->top == NULL || n->top->count == CHUNK_NUMBERS)
        push(&n->top, pop(&n->spare));
    n->top->numbers[n->top->count++] = number;
    unlock(&n->lock);
}
