// port/metal/random.c: random numbers: ChaCha20 (RFC 8439, 2.3) as a generator
// that replaces its key after every request, so that the past cannot be
// computed from the present.  Seeded by RDSEED or RDRAND; without these by the
// jitter between the TSC and device reads, which suits tests but not keys.

#include "port/metal/metal.h"

enum { WORDS = 16, KEY_WORDS = 8, ROUNDS = 20, JITTER_READS = 512 };

static struct lock key_lock = LOCK_INIT(RANDOM);
static u32 key[KEY_WORDS] GUARDED_BY(key_lock);

static u32
rotate(u32 word, u32 by)
{
    return word << by | word >> (32 - by);
}

static void
quarter_round(u32 *x, u32 a, u32 b, u32 c, u32 d)
{
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 7);
}

static void
make_block(u32 out[WORDS], u64 counter)
{
    u32 in[WORDS] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

    memcpy(in + 4, key, sizeof(key));
    in[12] = (u32)counter;
    in[13] = (u32)(counter >> 32);
    memcpy(out, in, sizeof(in));
    for (u32 round = 0; round < ROUNDS; round += 2) {
        for (u32 i = 0; i < 4; i++)
            quarter_round(out, i, 4 + i, 8 + i, 12 + i);
        for (u32 i = 0; i < 4; i++)
            quarter_round(out, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4,
                          12 + (i + 3) % 4);
    }
    for (u32 i = 0; i < WORDS; i++)
        out[i] += in[i];
}

void
port_random(void *to, u64 size)
{
    u32 block[WORDS], next_key[WORDS];
    u64 counter = 0;
    bool on = lock_irq(&key_lock);

    make_block(next_key, counter++);
    for (u64 done = 0; done < size; done += sizeof(block)) {
        make_block(block, counter++);
        memcpy((u8 *)to + done, block, MIN(size - done, sizeof(block)));
    }
    memcpy(key, next_key, sizeof(key));
    unlock_irq(&key_lock, on);
}

static bool
hardware_random(u64 *value, bool seed)
{
    for (u32 i = 0; i < 32; i++) {
        bool ok;

        if (seed)
            __asm__ volatile("rdseed %0" : "=r"(*value), "=@ccc"(ok));
        else
            __asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(ok));
        if (ok)
            return true;
    }
    return false;
}

void
random_init(void)
{
    bool has_rdrand = cpuid(1, 0).ecx >> 30 & 1;
    bool has_rdseed = cpuid(7, 0).ebx >> 18 & 1;

    for (u32 i = 0; i < KEY_WORDS; i += 2) {
        u64 value = tsc_read(), more;

        if (has_rdseed && hardware_random(&more, true))
            value ^= more;
        else if (has_rdrand && hardware_random(&more, false))
            value ^= more;
        else
            for (u32 j = 0; j < JITTER_READS; j++)
                value = (value << 7 | value >> 57) ^ (tsc_read() + in8(0x61));
        memcpy(&key[i], &value, sizeof(value));
    }
}
