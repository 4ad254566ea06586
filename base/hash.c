// base/hash.c: hashing for tables whose keys come from outside.
//
// SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012,
// with one round for each word and three at the end): whoever does not know the
// key cannot choose bytes that collide.

#include "base/base.h"

struct sip {
    u64 v0, v1, v2, v3;
};

static u64
rotate(u64 word, u32 bits)
{
    return word << bits | word >> (64 - bits);
}

static void
sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static void
sip_word(struct sip *s, u64 word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

u64
hash_bytes(const struct hash_key *key, const void *bytes, u64 size)
{
    struct sip s = {
        key->words[0] ^ 0x736f6d6570736575,
        key->words[1] ^ 0x646f72616e646f6d,
        key->words[0] ^ 0x6c7967656e657261,
        key->words[1] ^ 0x7465646279746573,
    };
    const u8 *at = bytes;
    u64 word, last = size << 56, whole = size & ~7ull;

    for (u64 i = 0; i < whole; i += 8) {
        memcpy(&word, at + i, 8);
        sip_word(&s, word);
    }
    for (u64 i = whole; i < size; i++)
        last |= (u64)at[i] << 8 * (i - whole);
    sip_word(&s, last);
    s.v2 ^= 0xff;
    for (u32 i = 0; i < 3; i++)
        sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
