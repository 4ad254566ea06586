// bench/sieve.c: byte stores and strided loops; the sieve of Eratosthenes.

#include "bench/bench.h"

enum { SIZE = 8 << 20 };

static uint8_t composite[SIZE];

uint32_t
kernel(void)
{
    uint32_t primes = 0;

    for (uint32_t i = 0; i < SIZE; i++)
        composite[i] = 0;
    for (uint32_t i = 2; i < SIZE; i++) {
        if (composite[i])
            continue;
        primes++;
        for (uint64_t k = (uint64_t)i * i; k < SIZE; k += i)
            composite[k] = 1;
    }
    return primes;
}
