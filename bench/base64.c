// bench/base64.c: bytes, shifts and table look-ups; base64 there and back.

#include "bench/bench.h"

enum { SIZE = 3 << 18 };

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static uint8_t plain[SIZE], text[SIZE / 3 * 4], value[256];

static void
encode(void)
{
    uint8_t *to = text;

    for (uint32_t i = 0; i < SIZE; i += 3) {
        uint32_t w =
            (uint32_t)plain[i] << 16 | plain[i + 1] << 8 | plain[i + 2];
        *to++ = (uint8_t)digits[w >> 18];
        *to++ = (uint8_t)digits[w >> 12 & 63];
        *to++ = (uint8_t)digits[w >> 6 & 63];
        *to++ = (uint8_t)digits[w & 63];
    }
}

static void
decode(void)
{
    uint8_t *to = plain;

    for (uint32_t i = 0; i < sizeof(text); i += 4) {
        uint32_t w = (uint32_t)value[text[i]] << 18 | value[text[i + 1]] << 12 |
                     value[text[i + 2]] << 6 | value[text[i + 3]];
        *to++ = (uint8_t)(w >> 16);
        *to++ = (uint8_t)(w >> 8);
        *to++ = (uint8_t)w;
    }
}

uint32_t
kernel(void)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < 64; i++)
        value[(uint8_t)digits[i]] = (uint8_t)i;
    bench_seed = 1;
    for (uint32_t i = 0; i < SIZE; i++)
        plain[i] = (uint8_t)bench_random();
    for (uint32_t turn = 0; turn < 40; turn++) {
        encode();
        decode();
        plain[turn] ^= (uint8_t)turn;
    }
    for (uint32_t i = 0; i < SIZE; i += 13)
        sum = sum * 31 + plain[i];
    return sum;
}
