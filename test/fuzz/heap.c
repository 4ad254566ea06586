// test/fuzz/heap.c: what is in a heap after a collection is whole: each object
// is of a type, ends before the next one, lies in lines that are given out, and
// refers to nothing but objects of the kind that its references say.  That
// holds for the heaps of modules, not of verified code that anybody wrote.

#include "test/fuzz/heap.h"

#include "runtime/internal.h"

#define CHECK(condition) \
    ((condition) ? (void)0 : panic(__FILE__, __LINE__, #condition))

static bool
has_object(const struct heap *h, u32 reference)
{
    u64 at = reference - (u64)HEAP_OBJECTS, granule = at / HEAP_GRANULE;
    u32 tag = reference & REF_TAG_MASK;

    if (tag != REF_TAG_STRUCT && tag != REF_TAG_ARRAY)
        return false;
    return at < h->end - HEAP_OBJECTS &&
           (heap_starts(h)[granule / 32] >> granule % 32 & 1) != 0 &&
           heap_object_at(h, HEAP_OBJECTS + granule * HEAP_GRANULE).array ==
               (tag == REF_TAG_ARRAY);
}

static void
check_word(const struct heap *h, u64 at)
{
    u32 word = *(const u32 *)(h->base + at);

    CHECK(word == 0 || (word & REF_TAG_I31) != 0 ||
          (word & 3) == REF_TAG_HOST || has_object(h, word));
}

static void
check_words(const struct heap *h, u64 at, const struct heap_object *o)
{
    if (o->array) {
        u64 count = (o->size - o->elements) >> o->type->log2;
        u32 length = *(const u32 *)(h->base + at + REF_TAG_ARRAY + HEAP_LENGTH);
        for (u64 k = 0; k < MIN(count, length) && o->type->refs != 0; k++)
            check_word(h, at + o->elements + (k << o->type->log2));
        return;
    }
    for (u64 refs = o->type->refs; refs != 0 && refs != UINT64_MAX;
         refs &= refs - 1)
        check_word(h, at + 4 * bits_trailing_zeros(refs));
}

void
heap_check(const struct heap *h)
{
    u64 end = HEAP_OBJECTS; // of the object before

    for (u64 g = 0; g < (h->end - HEAP_OBJECTS) / HEAP_GRANULE; g++) {
        u64 at = HEAP_OBJECTS + g * HEAP_GRANULE;
        if ((heap_starts(h)[g / 32] >> g % 32 & 1) == 0)
            continue;
        struct heap_object o = heap_object_at(h, at);
        CHECK(o.type != NULL && at >= end);
        end = at + o.size;
        u64 last = (end - 1 - HEAP_OBJECTS) / HEAP_LINE;
        for (u64 line = g / 32; line <= last; line++)
            CHECK(bit_get(heap_bits(h, SIDE_LINES), (u32)line));
        check_words(h, at, &o);
    }
}
