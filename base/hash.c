// base/hash.c: hashing for tables.

#include "base/base.h"

u64
hash_bytes(u64 seed, const void *bytes, u64 size)
{
    const u8 *at = bytes;
    u64 hash = 0xcbf29ce484222325 ^ seed;

    for (u64 i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 0x100000001b3;
    hash ^= hash >> 32;
    hash *= 0xd6e8feb86659fd93;
    return hash ^ hash >> 32;
}
