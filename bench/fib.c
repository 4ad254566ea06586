// bench/fib.c: calls; doubly recursive Fibonacci.

#include "bench/bench.h"

static __attribute__((noinline)) uint32_t
fib(uint32_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

uint32_t
kernel(void)
{
    return fib(34 + bench_zero);
}
