// bench/indirect.c: calls through a table of functions.

#include "bench/bench.h"

static uint32_t
add(uint32_t x)
{
    return x + 0x9e3779b9;
}
static uint32_t
mix(uint32_t x)
{
    return x ^ x >> 15;
}
static uint32_t
mul(uint32_t x)
{
    return x * 0x85ebca6b;
}
static uint32_t
rol(uint32_t x)
{
    return x << 5 | x >> 27;
}

static uint32_t (*volatile const table[4])(uint32_t) = {add, mix, mul, rol};

uint32_t
kernel(void)
{
    uint32_t x = 1;

    for (uint32_t i = 0; i < 50000000; i++)
        x = table[i & 3](x);
    return x;
}
