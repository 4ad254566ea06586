// bench/sort.c: unpredictable branches; heap sort of integers.

#include "bench/bench.h"

enum { COUNT = 1 << 20 };

static uint32_t heap[COUNT];

static void
sift(uint32_t root, uint32_t count)
{
    uint32_t value = heap[root];

    for (;;) {
        uint32_t child = 2 * root + 1;
        if (child >= count)
            break;
        if (child + 1 < count && heap[child + 1] > heap[child])
            child++;
        if (heap[child] <= value)
            break;
        heap[root] = heap[child];
        root = child;
    }
    heap[root] = value;
}

uint32_t
kernel(void)
{
    uint32_t sum = 0;

    bench_seed = 2463534242;
    for (uint32_t i = 0; i < COUNT; i++)
        heap[i] = bench_random();
    for (uint32_t i = COUNT / 2; i-- > 0;)
        sift(i, COUNT);
    for (uint32_t i = COUNT; i-- > 1;) {
        uint32_t top = heap[0];
        heap[0] = heap[i];
        heap[i] = top;
        sift(0, i);
    }
    for (uint32_t i = 0; i < COUNT; i += 997)
        sum = sum * 31 + heap[i];
    return sum;
}
