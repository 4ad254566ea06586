// test/wasi/contents.c: what is in files, and the sparse arrays below: against
// models, with memory that runs out, and back to nothing at the end.

#include "test/wasi/fake.h"
#include "wasi/tree.h"

#include <string.h>

static u64 state;

static u64
random_below(u64 bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % bound;
}

static void
sweep(struct pool *p)
{
    struct swept swept;

    while (pool_sweep(p, &swept)) {
        EXPECT(swept.count <= SWEEP);
        pool_swept(&swept);
    }
}

// --- sparse arrays -----------------------------------------------------------

enum { NUMBERS = 200 };

static u64 numbers[NUMBERS]; // ascending
static void *entries[NUMBERS];

static void
choose_numbers(void)
{
    for (u32 i = 0; i < NUMBERS; i++) {
        u64 n = random_below(UINT64_MAX) >> random_below(64);
        u32 at = i;

        for (; at > 0 && numbers[at - 1] >= n; at--)
            numbers[at] = numbers[at - 1];
        numbers[at] = n;
    }
    numbers[NUMBERS - 1] = UINT64_MAX;
    for (u32 i = 1; i < NUMBERS; i++)
        numbers[i] = MAX(numbers[i], numbers[i - 1] + 1);
}

// The first entry of the model from number `at` on.
static void *
next_of_model(u64 *at)
{
    for (u32 i = 0; i < NUMBERS; i++) {
        if (numbers[i] < *at || entries[i] == NULL)
            continue;
        *at = numbers[i];
        return entries[i];
    }
    return NULL;
}

static void
compare(const struct index *x)
{
    for (u32 i = 0; i < NUMBERS; i++)
        EXPECT(index_get(x, numbers[i]) == entries[i]);
    for (u32 i = 0; i < 20; i++) {
        u64 from = numbers[random_below(NUMBERS)] + random_below(3) - 1;
        u64 at = from, want = from;
        void *entry = next_of_model(&want);

        EXPECT(index_next(x, &at) == entry);
        EXPECT(entry == NULL || at == want);
    }
}

TEST(wasi_contents_index)
{
    struct pool pool = {.left = 1 << 20};

    for (u64 seed = 1; seed < 40; seed++) {
        struct index x = {NULL, 0};

        state = seed * 0x9e3779b97f4a7c15;
        choose_numbers();
        memset(entries, 0, sizeof(entries));
        for (u32 step = 0; step < 600; step++) {
            u32 i = (u32)random_below(NUMBERS);

            fake.memory_limit = fake.blocks + 1 + random_below(12);
            if (random_below(step < 300 ? 4 : 2) == 0) {
                EXPECT(index_take(&x, numbers[i], &pool) == entries[i]);
                entries[i] = NULL;
            } else if (index_set(&x, numbers[i], &numbers[i], &pool)) {
                entries[i] = &numbers[i];
            }
            if (step % 50 == 0)
                compare(&x);
        }
        fake.memory_limit = 0;
        for (u32 i = 0; i < NUMBERS; i++)
            EXPECT(index_take(&x, numbers[i], &pool) == entries[i]);
        EXPECT(x.root == NULL && x.height == 0);
        EXPECT_EQ(pool.left, 1 << 20);
        EXPECT_EQ(fake.blocks, 0);
    }
}

// --- contents ----------------------------------------------------------------

enum { MODEL = 5 * BLOCK + 1000 };

static u8 base[3 * BLOCK], model[MODEL], bytes[MODEL];

static void
fill_random(u8 *to, u64 size)
{
    for (u64 i = 0; i < size; i++)
        to[i] = (u8)(1 + random_below(255));
}

static void
expect_same(const struct contents *c, u64 size)
{
    u64 at = random_below(size + 100);
    u64 want = at < size ? size - at : 0;

    EXPECT_EQ(c->size, size);
    memset(bytes, 0xee, sizeof(bytes));
    EXPECT_EQ(contents_read(c, at, (struct bytes){bytes, MODEL}), want);
    EXPECT(want == 0 || memcmp(bytes, model + at, want) == 0);
    EXPECT(want == MODEL || bytes[want] == 0xee);
}

// A size that is often near the end of a block.
static u64
some_size(u64 below)
{
    u64 size = random_below(below);

    if (random_below(2) == 0)
        size = size / BLOCK * BLOCK + random_below(3);
    return random_below(8) == 0 ? size % 200 : MIN(size, below - 1);
}

static void
write_some(struct contents *c, struct pool *pool, u64 *size)
{
    u64 at = some_size(MODEL), count = some_size(MODEL - at);

    fill_random(bytes, count);
    u64 done = contents_write(c, at, (struct bytes){bytes, count}, pool);
    EXPECT(done <= count);
    EXPECT(done == count || fake.memory_limit > 0);
    if (done == 0)
        return;
    if (at > *size)
        memset(model + *size, 0, at - *size);
    memcpy(model + at, bytes, done);
    *size = MAX(*size, at + done);
}

static void
set_some_size(struct contents *c, struct pool *pool, u64 *size)
{
    u64 wanted = some_size(MODEL);

    contents_set_size(c, wanted, pool);
    if (wanted > *size)
        memset(model + *size, 0, wanted - *size);
    *size = wanted;
    if (random_below(2) == 0)
        sweep(pool);
}

TEST(wasi_contents_model)
{
    static const u64 bases[] = {
        0, 1, 100, BLOCK - 1, BLOCK, 2 * BLOCK + 7, sizeof(base)};
    struct pool pool = {.left = 64 * MIB};

    for (u64 seed = 1; seed <= 70; seed++) {
        u64 size = bases[seed % COUNT(bases)];
        struct contents c = {
            .size = size, .base = {base, size}
        };

        state = seed * 0x9e3779b97f4a7c15;
        fill_random(base, sizeof(base));
        u64 hash = hash_bytes(&(struct hash_key){0}, base, sizeof(base));
        memcpy(model, base, size);
        for (u32 step = 0; step < 60; step++) {
            fake.memory_limit =
                random_below(3) == 0 ? fake.blocks + random_below(4) : 0;
            u64 end = some_size(MODEL), kind = random_below(8);
            if (kind == 0)
                (void)contents_reserve(&c, end, end + 1, &pool);
            else if (kind < 3)
                set_some_size(&c, &pool, &size);
            else
                write_some(&c, &pool, &size);
            expect_same(&c, size);
        }
        fake.memory_limit = 0;
        EXPECT(hash == hash_bytes(&(struct hash_key){0}, base, sizeof(base)));
        contents_set_size(&c, 0, &pool);
        sweep(&pool);
        EXPECT_EQ(pool.left, 64 * MIB);
        EXPECT_EQ(fake.blocks, 0);
    }
}

// Little is kept for little: a small file, and single bytes far apart.
TEST(wasi_contents_takes_little)
{
    static u8 byte[] = {7};
    const struct bytes one = {byte, 1};
    struct pool pool = {.left = 64 * MIB};
    struct contents c = {0};
    u8 got[2];

    EXPECT_EQ(contents_write(&c, 0, one, &pool), 1);
    EXPECT_EQ(64 * MIB - pool.left, BLOCK_MIN);
    for (u64 at = 1; at != 0 && at < INT64_MAX; at = at << 7)
        EXPECT_EQ(contents_write(&c, at - 1, one, &pool), 1);
    EXPECT_EQ(contents_write(&c, INT64_MAX - 1, one, &pool), 1);
    EXPECT_EQ(c.size, INT64_MAX);
    EXPECT_EQ(contents_read(&c, INT64_MAX - 2, (struct bytes){got, 2}), 2);
    EXPECT(got[0] == 0 && got[1] == 7);
    EXPECT(64 * MIB - pool.left < 12 * BLOCK);
    contents_set_size(&c, 1, &pool);
    EXPECT_EQ(contents_read(&c, 0, (struct bytes){got, 2}), 1);
    EXPECT_EQ(got[0], 7);
    sweep(&pool);
    EXPECT(64 * MIB - pool.left <= BLOCK);
    contents_set_size(&c, 0, &pool);
    sweep(&pool);
    EXPECT_EQ(pool.left, 64 * MIB);
    EXPECT_EQ(fake.blocks, 0);
}

// Where there is no memory but what was left and not yet freed, that is taken.
TEST(wasi_contents_takes_what_was_left)
{
    static u8 block[BLOCK];
    struct pool pool = {.left = 8 * BLOCK};
    struct contents c = {0}, d = {0};

    for (u64 n = 0; n < 7; n++)
        EXPECT_EQ(
            contents_write(&c, n * BLOCK, (struct bytes){block, BLOCK}, &pool),
            BLOCK);
    EXPECT_EQ(contents_write(&d, 0, (struct bytes){block, BLOCK}, &pool), 0);
    contents_set_size(&c, 0, &pool);
    for (u64 n = 0; n < 7; n++)
        EXPECT_EQ(
            contents_write(&d, n * BLOCK, (struct bytes){block, BLOCK}, &pool),
            BLOCK);
    contents_set_size(&d, 0, &pool);
    sweep(&pool);
    EXPECT_EQ(pool.left, 8 * BLOCK);
    EXPECT_EQ(fake.blocks, 0);
}

// What is left has to do, to the last byte: here a node with all that is below
// it, the only block under as many nodes as there can be.
TEST(wasi_contents_takes_from_far_below)
{
    struct pool pool = {.left = MIB};
    struct index x = {NULL, 0};

    void *block = pool_alloc(&pool, BLOCK);
    EXPECT(index_set(&x, 0, block, &pool));
    EXPECT(index_take(&x, 0, &pool) == block);
    EXPECT(index_set(&x, UINT64_MAX, block, &pool));
    u64 nodes = MIB - BLOCK - pool.left;
    EXPECT_EQ(nodes, INDEX_HEIGHT * sizeof(struct index_node));
    pool.left = 0;
    index_cut(&x, 0, &pool);
    block = pool_alloc(&pool, nodes + BLOCK);
    EXPECT(block != NULL);
    EXPECT_EQ(pool.left, 0);
    EXPECT_EQ(fake.blocks, 1);
    pool_free(&pool, block, nodes + BLOCK);
    EXPECT_EQ(fake.blocks, 0);
}

// Where there is no memory to grow by twice, as much as was there has to do.
TEST(wasi_contents_short_of_memory)
{
    static u8 byte[] = {7};
    struct pool pool = {.left = 1500};
    struct contents c = {
        .size = 1000, .base = {base, 1000}
    };

    memset(base, 1, 1000);
    EXPECT_EQ(contents_write(&c, 0, (struct bytes){byte, 1}, &pool), 1);
    EXPECT_EQ(c.room, 1000);
    EXPECT_EQ(pool.left, 500);
    EXPECT_EQ(contents_read(&c, 0, (struct bytes){bytes, MODEL}), 1000);
    EXPECT(bytes[0] == 7 && memcmp(bytes + 1, base + 1, 999) == 0);
    contents_set_size(&c, 0, &pool);
    sweep(&pool);
    EXPECT_EQ(pool.left, 1500);
    EXPECT_EQ(fake.blocks, 0);
}

// A cut takes the nodes, too, that have nothing in front of it.
TEST(wasi_contents_cut_leaves_no_nodes)
{
    static const u64 numbers_far[] = {64, 4096 + 5, 1ull << 30};
    static u8 byte[] = {7};
    const struct bytes one = {byte, 1};
    struct pool pool = {.left = 64 * MIB};
    struct contents c = {0};

    EXPECT_EQ(contents_write(&c, 40 * (1ull << 46), one, &pool), 1);
    EXPECT_EQ(contents_write(&c, 0, one, &pool), 1);
    u64 size = c.size, left = pool.left;
    for (u32 i = 0; i < COUNT(numbers_far); i++) {
        u64 far = (40ull << 30) + numbers_far[i];

        EXPECT_EQ(contents_write(&c, far * BLOCK, one, &pool), 1);
        EXPECT(left - pool.left > BLOCK);
        contents_set_size(&c, far * BLOCK, &pool);
        sweep(&pool);
        EXPECT_EQ(pool.left, left);
        EXPECT_EQ(contents_read(&c, size - 1, (struct bytes){bytes, 1}), 1);
        EXPECT_EQ(bytes[0], 7);
    }
    contents_set_size(&c, 0, &pool);
    sweep(&pool);
    EXPECT_EQ(pool.left, 64 * MIB);
    EXPECT_EQ(fake.blocks, 0);
}
