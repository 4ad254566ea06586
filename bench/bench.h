// bench/bench.h: what the kernels share.  Each bench/NAME.c defines kernel(),
// which returns a checksum; main() repeats it and prints the checksum and the
// time of the fastest turn in microseconds, measured inside the program.

#include <stdint.h>
#include <stdio.h>
#include <time.h>

uint32_t kernel(void);

// Added to an argument, it keeps the compiler from computing a kernel once.
__attribute__((unused)) static volatile uint32_t bench_zero;

static uint64_t
bench_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int
main(void)
{
    uint64_t best = UINT64_MAX;
    uint32_t sum = 0;

    for (int turn = 0; turn < 5; turn++) {
        uint64_t start = bench_now_us();
        sum = kernel();
        uint64_t time = bench_now_us() - start;
        if (time < best)
            best = time;
    }
    printf("%08x %llu\n", sum, (unsigned long long)best);
    return 0;
}

// xorshift: the same numbers everywhere.
static uint32_t bench_seed = 2463534242;

__attribute__((unused)) static uint32_t
bench_random(void)
{
    bench_seed ^= bench_seed << 13;
    bench_seed ^= bench_seed >> 17;
    bench_seed ^= bench_seed << 5;
    return bench_seed;
}
