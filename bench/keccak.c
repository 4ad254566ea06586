// bench/keccak.c: rotations and many live 64-bit values; Keccak-f[1600].

#include "bench/bench.h"

static uint64_t state[25];

static const uint64_t constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a,
    0x8000000080008000, 0x000000000000808b, 0x0000000080000001,
    0x8000000080008081, 0x8000000000008009, 0x000000000000008a,
    0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080,
    0x000000000000800a, 0x800000008000000a, 0x8000000080008081,
    0x8000000000008080, 0x0000000080000001, 0x8000000080008008};
static const uint8_t turns[24] = {1,  3,  6,  10, 15, 21, 28, 36,
                                  45, 55, 2,  14, 27, 41, 56, 8,
                                  25, 43, 62, 18, 39, 61, 20, 44};
static const uint8_t lanes[24] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                  15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};

static uint64_t
rotate(uint64_t x, uint32_t n)
{
    return x << n | x >> (64 - n);
}

static void
permute(void)
{
    uint64_t c[5];

    for (int round = 0; round < 24; round++) {
        for (int i = 0; i < 5; i++)
            c[i] = state[i] ^ state[i + 5] ^ state[i + 10] ^ state[i + 15] ^
                   state[i + 20];
        for (int i = 0; i < 5; i++) {
            uint64_t t = c[(i + 4) % 5] ^ rotate(c[(i + 1) % 5], 1);
            for (int j = 0; j < 25; j += 5)
                state[j + i] ^= t;
        }
        uint64_t t = state[1];
        for (int i = 0; i < 24; i++) {
            uint64_t next = state[lanes[i]];
            state[lanes[i]] = rotate(t, turns[i]);
            t = next;
        }
        for (int j = 0; j < 25; j += 5) {
            for (int i = 0; i < 5; i++)
                c[i] = state[j + i];
            for (int i = 0; i < 5; i++)
                state[j + i] ^= ~c[(i + 1) % 5] & c[(i + 2) % 5];
        }
        state[0] ^= constants[round];
    }
}

uint32_t
kernel(void)
{
    for (int i = 0; i < 25; i++)
        state[i] = (uint64_t)i;
    for (int i = 0; i < 100000; i++)
        permute();
    return (uint32_t)(state[0] ^ state[0] >> 32);
}
