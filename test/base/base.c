// test/base/base.c: arenas, lists, orders, formatting.

#include "test/test.h"

#include <stdlib.h>
#include <string.h>

TEST(base_arena_fixed)
{
    static u8 buffer[64] __attribute__((aligned(16)));
    struct arena a;

    arena_init_fixed(&a, buffer, sizeof(buffer));
    u8 *first = arena_alloc(&a, 3, 1);
    u64 *second = arena_alloc(&a, 8, 8);
    EXPECT(first == buffer);
    EXPECT((u8 *)second == buffer + 8);
    EXPECT(arena_alloc(&a, 49, 1) == NULL);
    EXPECT(arena_alloc(&a, UINT64_MAX, 1) == NULL);
    EXPECT(arena_resize(&a, second, 56));
    EXPECT(!arena_resize(&a, second, 57));
    EXPECT_EQ(a.peak, 64);
    arena_reset(&a, 0);
    EXPECT_EQ(arena_mark(&a), 0);
    EXPECT_EQ(a.peak, 64);
}

static u32 commits;

static bool
commit_some(struct arena *arena, u64 from, u64 to)
{
    (void)arena, (void)from;
    commits++;
    return to <= 512 * KIB;
}

TEST(base_arena_keeps)
{
    u8 buffer[1024];
    struct arena arena;

    arena_init_fixed(&arena, buffer, sizeof(buffer));
    u8 *before = arena_alloc(&arena, 4, 4);
    memset(before, 9, 4);
    u64 mark = arena_mark(&arena);
    u8 *scrap = arena_alloc(&arena, 100, 16);
    u8 *first = arena_alloc(&arena, 40, 16), *second, *none = NULL;
    second = arena_alloc(&arena, 60, 1);
    memset(scrap, 1, 100);
    memset(first, 2, 40);
    memset(second, 3, 60);

    struct arena_block blocks[] = {
        {&second, 50},
        {&none,   0 },
        {&first,  30}
    };
    arena_keep(&arena, mark, blocks, COUNT(blocks));
    EXPECT(before[3] == 9 && none == NULL);
    EXPECT(first - buffer == 16 && second - buffer == 48);
    EXPECT_EQ(arena_mark(&arena), 98);
    EXPECT(first[0] == 2 && first[29] == 2);
    EXPECT(second[0] == 3 && second[49] == 3);
}

TEST(base_arena_commits_on_demand)
{
    struct arena a = {
        .base = malloc(1 * MIB), .reserved = 1 * MIB, .commit = commit_some};

    EXPECT(arena_alloc(&a, 1000, 8) != NULL);
    EXPECT_EQ(commits, 1);
    EXPECT(arena_alloc(&a, 1000, 8) != NULL);
    EXPECT_EQ(commits, 1);
    EXPECT(arena_alloc(&a, 300 * KIB, 8) != NULL);
    EXPECT_EQ(commits, 2);
    EXPECT(arena_alloc(&a, 400 * KIB, 8) == NULL);
    free(a.base);
}

// What is handed out ends at the limit, not what is committed: the owner's
// pages are whole.
TEST(base_arena_limit)
{
    struct arena a = {
        .base = malloc(1 * MIB), .reserved = 1 * MIB, .commit = commit_some};

    a.limit = 300001;
    EXPECT(arena_alloc(&a, 300000, 1) != NULL);
    EXPECT_EQ(a.committed, 512 * KIB);
    EXPECT(arena_alloc(&a, 2, 1) == NULL);
    EXPECT(arena_alloc(&a, 1, 1) != NULL);
    a.limit = 0;
    EXPECT(arena_alloc(&a, 2, 1) != NULL);
    free(a.base);
}

static u64 most_committed;

static bool
commit_once(struct arena *arena, u64 from, u64 to)
{
    (void)arena;
    most_committed = MAX(most_committed, to - from);
    return from == 0;
}

// A large block comes in pieces, between which its owner can say no.
TEST(base_arena_commits_in_pieces)
{
    const u64 size = 64 * MIB;
    struct arena a = {
        .base = malloc(size), .reserved = size, .commit = commit_once};

    EXPECT(arena_zalloc(&a, 50 * MIB, 8) == NULL);
    EXPECT(a.committed > 0 && a.committed == most_committed);
    EXPECT(most_committed <= 4 * MIB);
    free(a.base);
}

TEST(base_list)
{
    struct list head, other, a, b, c;

    list_init(&head);
    EXPECT(list_empty(&head));
    list_append(&head, &b);
    list_append(&head, &c);
    list_push(&head, &a);
    EXPECT(head.next == &a && a.next == &b && b.next == &c && c.next == &head);
    list_remove(&b);
    EXPECT(a.next == &c && c.prev == &a && b.next == &b);
    list_init(&other);
    list_append_all(&other, &head);
    list_append_all(&other, &head); // nothing
    EXPECT(list_empty(&head) && other.next == &a && other.prev == &c);
    list_append(&head, &b);
    list_append_all(&head, &other);
    EXPECT(list_empty(&other) && head.next == &b && b.next == &a);
    EXPECT(a.prev == &b && c.next == &head && head.prev == &c);
}

static const struct {
    const char *want;
    u64 number;
    const char *text;
} numbers[] = {
    {"0",                    0,          "%llu"  },
    {"18446744073709551615", UINT64_MAX, "%llu"  },
    {"-1",                   UINT64_MAX, "%lld"  },
    {"00ff",                 255,        "%04llx"},
    {"  7",                  7,          "%3lld" },
    {"-9223372036854775808", 1ull << 63, "%lld"  },
};

TEST(base_format)
{
    char to[64];

    for (u32 i = 0; i < COUNT(numbers); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        format(to, sizeof(to), numbers[i].text, numbers[i].number);
#pragma GCC diagnostic pop
        EXPECT(strcmp(to, numbers[i].want) == 0);
    }
    EXPECT_EQ(format(to, 5, "%s-%.*s", "abc", 2, "defg"), 6);
    EXPECT(strcmp(to, "abc-") == 0);
    EXPECT_EQ(format(NULL, 0, "%d%%", -12), 4);
}

// Hashes of the bytes 0, 1, 2, ..., as Python 3.11 gives them, whose hash() of
// bytes is SipHash-1-3 under a key made from PYTHONHASHSEED=1.
static const struct {
    u32 size;
    u64 want;
} hashes[] = {
    {1,  0xecd3e5afcecda4b9},
    {7,  0xfd15e78052a69ddf},
    {8,  0xc0b5739e7e28dd01},
    {9,  0x208a1a5a0cbbf778},
    {15, 0xfa87985f39e97a53},
    {16, 0x12e9d283f9f37002},
    {63, 0x542052345bc68274},
};

TEST(base_hash_is_siphash)
{
    const struct hash_key key = {
        {0xaed66ce184be2329, 0xebe9bbf1f1499052}
    };
    const struct hash_key other = {
        {0xaed66ce184be2328, 0xebe9bbf1f1499052}
    };
    u8 bytes[64];

    for (u8 i = 0; i < sizeof(bytes); i++)
        bytes[i] = i;
    for (u32 i = 0; i < COUNT(hashes); i++)
        EXPECT_EQ(hash_bytes(&key, bytes, hashes[i].size), hashes[i].want);
    EXPECT(hash_bytes(&other, bytes, 7) != hash_bytes(&key, bytes, 7));
}

// --- text from outside -------------------------------------------------------

static const struct {
    const char *text; // 0 at its end does not count
    u32 len;
    const char *safe;
} lines[] = {
    {"plain",                   5, "plain"                  },
    {"a\nb\rc\td",              7, "a\\nb\\rc\\td"          },
    {"\x1b[2J",                 4, "\\x1b[2J"               },
    {"fake\0",                  5, "fake\\x00"              },
    {"\x7f\\",                  2, "\\x7f\\"                },
    {"Zo\xc3\xab \xe2\x82\xac", 8, "Zo\xc3\xab \xe2\x82\xac"},
    {"\xf0\x9f\xa6\x80",        4, "\xf0\x9f\xa6\x80"       },
    {"\xc2\x9b",                2, "\\xc2\\x9b"             }, // C1: CSI
    {"\xc0\x8a",                2, "\\xc0\\x8a"             }, // a long \n
    {"\xe0\x80\x8a",            3, "\\xe0\\x80\\x8a"        },
    {"\xed\xa0\x80",            3, "\\xed\\xa0\\x80"        },
    {"\xf4\x90\x80\x80",        4, "\\xf4\\x90\\x80\\x80"   },
    {"\xff\xfe",                2, "\\xff\\xfe"             },
    {"\x80",                    1, "\\x80"                  },
    {"\xe2\x82",                2, "\\xe2\\x82"             }, // cut off
    {"\xe2\x82X",               3, "\\xe2\\x82X"            },
    {"\xe2\x80\xae",            3, "\\xe2\\x80\\xae"        }, // right to left
    {"\xe2\x80\xa8",            3, "\\xe2\\x80\\xa8"        }, // a line ends
    {"\xef\xbb\xbf",            3, "\\xef\\xbb\\xbf"        },
    {"\xef\xbf\xbe",            3, "\\xef\\xbf\\xbe"        }, // none
    {"\xf0\x9f\xbf\xbf",        4, "\\xf0\\x9f\\xbf\\xbf"   },
    {"\xef\xbf\xbd",            3, "\xef\xbf\xbd"           },
    {"",                        0, ""                       },
};

TEST(base_format_safe)
{
    char line[64];

    for (u32 i = 0; i < COUNT(lines); i++) {
        u32 len = format_safe(line, sizeof(line), "\n%.*s|", (int)lines[i].len,
                              lines[i].text);
        EXPECT_EQ(len, strlen(lines[i].safe) + 2);
        EXPECT(line[0] == '\n' && line[len - 1] == '|');
        line[len - 1] = 0;
        if (strcmp(line + 1, lines[i].safe) != 0)
            test_failed(__FILE__, __LINE__, line + 1, i, 0);
    }
    format_safe(line, sizeof(line), "%c %s", '\a', "x\ny");
    EXPECT(strcmp(line, "\\x07 x\\ny") == 0);
}

// Cut at every length: whole characters and escapes, and an end.
TEST(base_format_safe_cut)
{
    const char *text = "a\xc3\xab\n\x1b.";
    static const u32 kept[] = {0, 0, 1, 1, 3, 3, 5, 5, 5, 5, 9, 10};

    for (u32 size = 0; size < COUNT(kept); size++) {
        char line[16];
        memset(line, '#', sizeof(line));
        EXPECT_EQ(format_safe(line, size, "%s", text), 10);
        EXPECT_EQ(line[size], '#');
        if (size > 0)
            EXPECT_EQ(strlen(line), kept[size]);
    }
}

// Arrays keep what they hold when they grow, and take over each other's blocks.
TEST(base_array_grow)
{
    static u64 buffer[1024];
    struct arena arena;
    struct spares spares = {0};
    u32 *a = NULL, *b = NULL, a_capacity = 0, b_capacity = 0;

    arena_init_fixed(&arena, buffer, sizeof(buffer));
    for (u32 i = 0; i < 200; i++) {
        EXPECT(array_grow(&arena, &spares, &a, &a_capacity, i, 1, sizeof(*a)));
        EXPECT(array_grow(&arena, &spares, &b, &b_capacity, i, 1, sizeof(*b)));
        a[i] = i;
        b[i] = 1000 + i;
    }
    for (u32 i = 0; i < 200; i++) {
        EXPECT_EQ(a[i], i);
        EXPECT_EQ(b[i], 1000 + i);
    }
    u64 mark = arena_mark(&arena);
    EXPECT(spares_alloc(&spares, &arena, 64) != NULL); // from what they left
    EXPECT_EQ(arena_mark(&arena), mark);
    EXPECT(!array_room(&arena, &a, &a_capacity, 200, 1u << 20, sizeof(*a)));
    EXPECT(!array_grow(&arena, &spares, &a, &a_capacity, 200, 1ull << 32, 1));
    EXPECT_EQ(a[199], 199);
}

// The newest block of an arena grows where it is.
TEST(base_array_newest)
{
    static u64 buffer[64];
    struct arena arena;
    u8 *a = NULL;
    u32 capacity = 0;

    arena_init_fixed(&arena, buffer, sizeof(buffer));
    EXPECT(array_room(&arena, &a, &capacity, 0, 100, 1));
    u8 *at = a;
    EXPECT(array_room(&arena, &a, &capacity, 100, 500, 1));
    EXPECT(a == at);
    EXPECT_EQ(capacity, 500);
    EXPECT(!array_room(&arena, &a, &capacity, 500, 513, 1));
    EXPECT_EQ(capacity, 500);
}

TEST(base_index_masked)
{
    static const u64 counts[] = {1,          2,          7,         1ull << 31,
                                 1ull << 32, 1ull << 63, UINT64_MAX};

    for (u32 i = 0; i < COUNT(counts); i++) {
        u64 n = counts[i];
        EXPECT_EQ(index_masked(0, n), 0);
        EXPECT_EQ(index_masked(n - 1, n), n - 1);
        EXPECT_EQ(index_masked(n, n), 0);
        EXPECT_EQ(index_masked(UINT64_MAX, n), 0);
    }
    EXPECT_EQ(index_masked(0, 0), 0);
    EXPECT_EQ(index_masked(5, 0), 0);
}

// --- order -------------------------------------------------------------------

enum { ITEMS = 40 };

static struct order_item *
first_of(struct order_item *items)
{
    struct order_item *first = NULL;

    for (u32 i = 0; i < ITEMS; i++)
        if (items[i].in && (first == NULL || order_before(&items[i], first)))
            first = &items[i];
    return first;
}

static void
put_and_take(struct order *o, struct order_item *items, struct order_item *item)
{
    u64 turns = o->turns;
    struct order_item *first = first_of(items), *got = order_exchange(o, item);

    EXPECT_EQ(item->turn, turns + 1);
    if (first == NULL || order_before(item, first))
        first = item;
    EXPECT(got == first && !got->in);
    EXPECT(item->in == (got != item));
}

// Each operation beside a search of all.
TEST(base_order)
{
    struct order_item items[ITEMS] = {0};
    struct order o = {0};
    u32 random = 1;

    for (u32 i = 0; i < 100000; i++) {
        random = random * 1664525 + 1013904223;
        struct order_item *item = &items[(random >> 24) % ITEMS];
        if (item->in) {
            order_take(&o, item);
            EXPECT(!item->in);
        } else {
            item->key = random >> 16 & 15;
            item->class = random >> 12 & 1;
            if ((random >> 8 & 1) != 0)
                order_put(&o, item);
            else
                put_and_take(&o, items, item);
        }
        EXPECT(o.first == first_of(items));
    }
}
