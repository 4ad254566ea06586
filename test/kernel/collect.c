// test/kernel/collect.c: the collector: what can be reached stays as it is, all
// else goes; whatever is in a heap, it ends, and in time.

#include "test/kernel/gc.h"

// Types: 0 a node (two references to nodes, a number), 1 an array of anyrefs, 2
// of bytes, 3 a struct of an externref and such an array, 4 of 70 anyrefs.
// Functions of a number n, which all make garbage meanwhile:
//
//   l  a list of n, n - 1 ... 1 in a local; its sum
//   t  a tree of that depth, built and counted by recursion; how many
//   g  n nodes more on the list in the global; w: its sum; d: drop it
//   c  n arrays of 1,000 bytes that nobody keeps; n
//   a  an array of nodes 1 to n; their sum
//   x  a node n as an externref in a struct; its number
//   b  ... in the last field of 70; m: n times in an array of n
//   e  ... in a table, and one of a segment; the sum of both, 77 more
//   p  keep arrays of n bytes, for ever
//   r  n times two nodes that refer to each other and that nobody keeps; n
//
// (test/command/collect_help.py makes the bytes.)
static const u8 graph[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0xba, 0x01, 0x09,
    0x5f, 0x03, 0x63, 0x00, 0x01, 0x63, 0x00, 0x01, 0x7f, 0x01, 0x5e, 0x6e,
    0x01, 0x5e, 0x78, 0x01, 0x5f, 0x02, 0x6f, 0x01, 0x63, 0x01, 0x01, 0x5f,
    0x46, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e,
    0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e,
    0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e,
    0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e,
    0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e,
    0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e,
    0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e,
    0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e,
    0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e,
    0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e,
    0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e,
    0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x6e, 0x01, 0x60, 0x01, 0x7f,
    0x01, 0x7f, 0x60, 0x01, 0x7f, 0x01, 0x63, 0x00, 0x60, 0x01, 0x63, 0x00,
    0x01, 0x7f, 0x60, 0x00, 0x00, 0x03, 0x11, 0x10, 0x06, 0x07, 0x05, 0x05,
    0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x05, 0x08,
    0x04, 0x04, 0x01, 0x6e, 0x00, 0x40, 0x06, 0x06, 0x01, 0x6e, 0x01, 0xd0,
    0x6e, 0x0b, 0x07, 0x3e, 0x0e, 0x01, 0x6c, 0x00, 0x02, 0x01, 0x74, 0x00,
    0x03, 0x01, 0x67, 0x00, 0x04, 0x01, 0x77, 0x00, 0x05, 0x01, 0x63, 0x00,
    0x06, 0x01, 0x61, 0x00, 0x07, 0x01, 0x78, 0x00, 0x08, 0x01, 0x62, 0x00,
    0x09, 0x01, 0x6d, 0x00, 0x0a, 0x01, 0x70, 0x00, 0x0b, 0x01, 0x64, 0x00,
    0x0c, 0x01, 0x65, 0x00, 0x0d, 0x01, 0x72, 0x00, 0x0e, 0x06, 0x5f, 0x73,
    0x74, 0x61, 0x72, 0x74, 0x00, 0x0f, 0x09, 0x0f, 0x01, 0x05, 0x6e, 0x01,
    0xd0, 0x00, 0xd0, 0x00, 0x41, 0xcd, 0x00, 0xfb, 0x00, 0x00, 0x0b, 0x0a,
    0xce, 0x05, 0x10, 0x26, 0x00, 0x20, 0x00, 0x45, 0x04, 0x63, 0x00, 0xd0,
    0x00, 0xd0, 0x00, 0x41, 0x01, 0xfb, 0x00, 0x00, 0x05, 0x20, 0x00, 0x41,
    0x01, 0x6b, 0x10, 0x00, 0x20, 0x00, 0x41, 0x01, 0x6b, 0x10, 0x00, 0x41,
    0x01, 0xfb, 0x00, 0x00, 0x0b, 0x0b, 0x23, 0x00, 0x20, 0x00, 0xd1, 0x04,
    0x7f, 0x41, 0x00, 0x05, 0x20, 0x00, 0xfb, 0x02, 0x00, 0x00, 0x10, 0x01,
    0x20, 0x00, 0xfb, 0x02, 0x00, 0x01, 0x10, 0x01, 0x6a, 0x20, 0x00, 0xfb,
    0x02, 0x00, 0x02, 0x6a, 0x0b, 0x0b, 0x4c, 0x02, 0x01, 0x63, 0x00, 0x01,
    0x7f, 0x02, 0x40, 0x03, 0x40, 0x20, 0x00, 0x45, 0x0d, 0x01, 0x20, 0x01,
    0xd0, 0x00, 0x20, 0x00, 0xfb, 0x00, 0x00, 0x21, 0x01, 0xfb, 0x01, 0x00,
    0x1a, 0x20, 0x00, 0x41, 0x01, 0x6b, 0x21, 0x00, 0x0c, 0x00, 0x0b, 0x0b,
    0x02, 0x40, 0x03, 0x40, 0x20, 0x01, 0xd1, 0x0d, 0x01, 0x20, 0x02, 0x20,
    0x01, 0xfb, 0x02, 0x00, 0x02, 0x6a, 0x21, 0x02, 0x20, 0x01, 0xfb, 0x02,
    0x00, 0x00, 0x21, 0x01, 0x0c, 0x00, 0x0b, 0x0b, 0x20, 0x02, 0x0b, 0x08,
    0x00, 0x20, 0x00, 0x10, 0x00, 0x10, 0x01, 0x0b, 0x26, 0x00, 0x02, 0x40,
    0x03, 0x40, 0x20, 0x00, 0x45, 0x0d, 0x01, 0x23, 0x00, 0xfb, 0x17, 0x00,
    0xd0, 0x00, 0x20, 0x00, 0xfb, 0x00, 0x00, 0x24, 0x00, 0x20, 0x00, 0x41,
    0x01, 0x6b, 0x21, 0x00, 0x0c, 0x00, 0x0b, 0x0b, 0x41, 0x00, 0x0b, 0x30,
    0x02, 0x01, 0x63, 0x00, 0x01, 0x7f, 0x23, 0x00, 0xfb, 0x17, 0x00, 0x21,
    0x01, 0x02, 0x40, 0x03, 0x40, 0x20, 0x01, 0xd1, 0x0d, 0x01, 0x20, 0x02,
    0x20, 0x01, 0xfb, 0x02, 0x00, 0x02, 0x6a, 0x21, 0x02, 0x20, 0x01, 0xfb,
    0x02, 0x00, 0x00, 0x21, 0x01, 0x0c, 0x00, 0x0b, 0x0b, 0x20, 0x02, 0x0b,
    0x25, 0x01, 0x01, 0x7f, 0x20, 0x00, 0x21, 0x01, 0x02, 0x40, 0x03, 0x40,
    0x20, 0x00, 0x45, 0x0d, 0x01, 0x41, 0xe8, 0x07, 0xfb, 0x07, 0x02, 0x1a,
    0x20, 0x00, 0x41, 0x01, 0x6b, 0x21, 0x00, 0x0c, 0x00, 0x0b, 0x0b, 0x20,
    0x01, 0x0b, 0x6b, 0x03, 0x01, 0x63, 0x01, 0x01, 0x7f, 0x01, 0x7f, 0x20,
    0x00, 0xfb, 0x07, 0x01, 0x21, 0x01, 0x20, 0x00, 0x21, 0x02, 0x02, 0x40,
    0x03, 0x40, 0x20, 0x02, 0x45, 0x0d, 0x01, 0x20, 0x01, 0x20, 0x02, 0x41,
    0x01, 0x6b, 0xd0, 0x00, 0xd0, 0x00, 0x20, 0x02, 0xfb, 0x00, 0x00, 0xfb,
    0x0e, 0x01, 0xfb, 0x01, 0x00, 0x1a, 0x20, 0x02, 0x41, 0x01, 0x6b, 0x21,
    0x02, 0x0c, 0x00, 0x0b, 0x0b, 0x02, 0x40, 0x03, 0x40, 0x20, 0x00, 0x45,
    0x0d, 0x01, 0x20, 0x03, 0x20, 0x01, 0x20, 0x00, 0x41, 0x01, 0x6b, 0xfb,
    0x0b, 0x01, 0xfb, 0x16, 0x00, 0xfb, 0x02, 0x00, 0x02, 0x6a, 0x21, 0x03,
    0x20, 0x00, 0x41, 0x01, 0x6b, 0x21, 0x00, 0x0c, 0x00, 0x0b, 0x0b, 0x20,
    0x03, 0x0b, 0x2d, 0x01, 0x01, 0x63, 0x03, 0xd0, 0x00, 0xd0, 0x00, 0x20,
    0x00, 0xfb, 0x00, 0x00, 0xfb, 0x1b, 0xd0, 0x01, 0xfb, 0x00, 0x03, 0x21,
    0x01, 0x41, 0xa0, 0x9c, 0x01, 0x10, 0x06, 0x1a, 0x20, 0x01, 0xfb, 0x02,
    0x03, 0x00, 0xfb, 0x1a, 0xfb, 0x16, 0x00, 0xfb, 0x02, 0x00, 0x02, 0x0b,
    0x2d, 0x01, 0x01, 0x63, 0x04, 0xfb, 0x01, 0x04, 0x21, 0x01, 0x20, 0x01,
    0xd0, 0x00, 0xd0, 0x00, 0x20, 0x00, 0xfb, 0x00, 0x00, 0xfb, 0x05, 0x04,
    0x45, 0x41, 0xa0, 0x9c, 0x01, 0x10, 0x06, 0x1a, 0x20, 0x01, 0xfb, 0x02,
    0x04, 0x45, 0xfb, 0x16, 0x00, 0xfb, 0x02, 0x00, 0x02, 0x0b, 0x2d, 0x01,
    0x01, 0x63, 0x01, 0xd0, 0x00, 0xd0, 0x00, 0x20, 0x00, 0xfb, 0x00, 0x00,
    0x20, 0x00, 0xfb, 0x06, 0x01, 0x21, 0x01, 0x41, 0xa0, 0x9c, 0x01, 0x10,
    0x06, 0x1a, 0x20, 0x01, 0x20, 0x00, 0x41, 0x01, 0x6b, 0xfb, 0x0b, 0x01,
    0xfb, 0x16, 0x00, 0xfb, 0x02, 0x00, 0x02, 0x0b, 0x2c, 0x01, 0x01, 0x63,
    0x01, 0x03, 0x40, 0x41, 0x02, 0xfb, 0x07, 0x01, 0x21, 0x01, 0x20, 0x01,
    0x41, 0x00, 0x23, 0x00, 0xfb, 0x0e, 0x01, 0x20, 0x01, 0x41, 0x01, 0x20,
    0x00, 0xfb, 0x07, 0x02, 0xfb, 0x0e, 0x01, 0x20, 0x01, 0x24, 0x00, 0x0c,
    0x00, 0x0b, 0x41, 0x00, 0x0b, 0x08, 0x00, 0xd0, 0x6e, 0x24, 0x00, 0x41,
    0x00, 0x0b, 0x36, 0x00, 0x41, 0x00, 0xd0, 0x00, 0xd0, 0x00, 0x20, 0x00,
    0xfb, 0x00, 0x00, 0x26, 0x00, 0x41, 0xa0, 0x9c, 0x01, 0x10, 0x06, 0x1a,
    0x41, 0x00, 0x25, 0x00, 0xfb, 0x16, 0x00, 0xfb, 0x02, 0x00, 0x02, 0x41,
    0x00, 0x41, 0x01, 0xfb, 0x0a, 0x01, 0x00, 0x41, 0x00, 0xfb, 0x0b, 0x01,
    0xfb, 0x16, 0x00, 0xfb, 0x02, 0x00, 0x02, 0x6a, 0x0b, 0x3b, 0x02, 0x01,
    0x63, 0x00, 0x01, 0x7f, 0x20, 0x00, 0x21, 0x02, 0x02, 0x40, 0x03, 0x40,
    0x20, 0x00, 0x45, 0x0d, 0x01, 0xd0, 0x00, 0xd0, 0x00, 0x20, 0x00, 0xfb,
    0x00, 0x00, 0x21, 0x01, 0x20, 0x01, 0x20, 0x01, 0xd0, 0x00, 0x20, 0x00,
    0xfb, 0x00, 0x00, 0xfb, 0x05, 0x00, 0x01, 0x20, 0x00, 0x41, 0x01, 0x6b,
    0x21, 0x00, 0x0c, 0x00, 0x0b, 0x0b, 0x20, 0x02, 0x0b, 0x0e, 0x02, 0x01,
    0x63, 0x00, 0x01, 0x7f, 0x41, 0xc0, 0x84, 0x3d, 0x10, 0x02, 0x1a, 0x0b,
};

enum { NODE, REFS, BYTES };
enum { NODE_SIZE = 16, NODE_LEFT = 4, NODE_RIGHT = 8, NODE_NUMBER = 12 };

static struct heap *
heap_in(struct store *s)
{
    return vms_heap(s, s->vms);
}

static u64
sum_to(u64 n)
{
    return n * (n + 1) / 2;
}

// --- what code keeps ---------------------------------------------------------

static const struct {
    char name;
    u32 arg;
    u32 result;
} keeps[] = {
    {'l', 60, 60 * 61 / 2},
    {'t', 5,  63         },
    {'g', 50, 0          },
    {'w', 0,  50 * 51 / 2},
    {'a', 50, 50 * 51 / 2},
    {'d', 0,  0          },
    {'w', 0,  0          },
};

// All that code can reach is there, though each allocation takes back what it
// can.
TEST_KERNEL(collect_at_each_allocation)
{
    heap_set_mode(HEAP_EAGER); // before code is offered any room
    struct store *s = gc_load(graph, sizeof(graph));

    for (u32 k = 0; k < COUNT(keeps); k++)
        EXPECT_EQ(gc_call(s, keeps[k].name, keeps[k].arg, 1), keeps[k].result);
    heap_set_mode(HEAP_LAZY);
    EXPECT(heap_in(s)->stats.collections > 200);
    store_free(s);
}

// Wherever a reference may be.
TEST_KERNEL(collect_keeps_what_is_reached)
{
    struct store *s = gc_load(graph, sizeof(graph));
    u64 before = 0;

    EXPECT_EQ(gc_call(s, 'g', 100, 1), 0);
    for (const char *name = "xbme"; *name != 0; name++) {
        EXPECT_EQ(gc_call(s, *name, 1000, 1), *name == 'e' ? 1077 : 1000);
        EXPECT(heap_in(s)->stats.collections > before);
        before = heap_in(s)->stats.collections;
    }
    EXPECT_EQ(gc_call(s, 'l', 200000, 1), (u32)sum_to(200000));
    EXPECT_EQ(gc_call(s, 'a', 100000, 1), (u32)sum_to(100000));
    EXPECT_EQ(gc_call(s, 't', 14, 1), (1 << 15) - 1);
    EXPECT_EQ(gc_call(s, 'w', 0, 1), 5050);
    store_free(s);
}

// --- limits ------------------------------------------------------------------

// A store whose heap may have so many bytes, as a group of its own has.
static struct store *
load_within(u64 limit, struct group **g)
{
    *g = test_new_group(group_root());
    account_set_limit(group_account(*g), RESOURCE_MEMORY, limit);
    struct account *before = thread_charge(group_account(*g));
    struct store *s = gc_load(graph, sizeof(graph));
    thread_charge(before);
    return s;
}

static void
free_within(struct store *s, struct group *g)
{
    store_free(s);
    test_reclaim_kept(g);
    test_expect_unused(g);
    test_drop_group(g);
}

TEST_KERNEL(collect_makes_garbage_fit)
{
    struct group *g;
    struct store *s = load_within(8 * MIB, &g);

    EXPECT_EQ(gc_call(s, 'g', 1000, 1), 0);
    EXPECT_EQ(gc_call(s, 'c', 200000, 1), 200000);
    EXPECT_EQ(gc_call(s, 'w', 0, 1), 500500);
    EXPECT(heap_in(s)->stats.given > 180 * MIB);
    EXPECT(heap_in(s)->stats.most <= 8 * MIB);
    free_within(s, g);
}

// What is kept for ever ends in a trap, and when it is dropped there is room.
TEST_KERNEL(collect_ends_in_a_trap)
{
    static const u32 sizes[] = {10, 300, 5000, 100000};
    struct group *g;
    struct store *s = load_within(6 * MIB, &g);

    for (u32 k = 0; k < COUNT(sizes); k++) {
        EXPECT_TRAP(s, 'p', sizes[k], TRAP_NO_MEMORY);
        EXPECT(heap_in(s)->stats.live > 3 * MIB);
        EXPECT_EQ(gc_call(s, 'd', 0, 1), 0);
    }
    EXPECT_EQ(gc_call(s, 'c', 20000, 1), 20000);
    EXPECT(heap_in(s)->stats.live < MIB);
    free_within(s, g);
}

// A heap that was large gives memory back.
TEST_KERNEL(collect_gives_memory_back)
{
    struct store *s = gc_load(graph, sizeof(graph));
    struct heap *h = heap_in(s);

    EXPECT_EQ(gc_call(s, 'g', 1000000, 1), 0);
    EXPECT(h->end - HEAP_OBJECTS >= 15 * MIB);
    EXPECT_EQ(gc_call(s, 'd', 0, 1), 0);
    EXPECT_EQ(gc_call(s, 'c', 100000, 1), 100000);
    EXPECT(h->end - HEAP_OBJECTS <= 12 * MIB);
    EXPECT(h->memory.amount <= 14 * MIB);
    EXPECT_EQ(gc_call(s, 'g', 1000000, 1), 0);
    EXPECT_EQ(gc_call(s, 'w', 0, 1), (u32)sum_to(1000000));
    store_free(s);
}

// Code makes small structs by itself, where the kernel has offered room: it may
// say of that what it likes.
TEST_KERNEL(collect_room_is_not_believed)
{
    struct store *s = gc_load(graph, sizeof(graph));
    struct heap *h = heap_in(s);
    const u32 lies[] = {
        0,          1,          HEAP_SCRATCH, HEAP_ROOM,  HEAP_ROWS,
        0x7fffffff, 0xffffff00, 0xfffffff8,   0xffffffff, HEAP_OBJECTS,
    };

    for (u32 k = 0; k < COUNT(lies) * COUNT(lies); k++) {
        *gc_word(s, HEAP_ROOM) = lies[k / COUNT(lies)];
        *gc_word(s, HEAP_ROOM_END) = lies[k % COUNT(lies)];
        (void)gc_call(s, 'g', 50, 1);
        (void)gc_call(s, 'd', 0, 1);
        struct heap_roots roots = {s, s->vms, false};
        EXPECT_EQ(heap_collect(h, &roots), OK);
        EXPECT_EQ(gc_call(s, 'g', 50, 1), 0);
        EXPECT_EQ(gc_call(s, 'w', 0, 1), (u32)sum_to(50));
        EXPECT_EQ(gc_call(s, 'd', 0, 1), 0);
    }
    store_free(s);
}

static u32
array_row(const struct heap *h)
{
    u32 row = 1;

    while (!h->types->rows[row].is_array)
        row++;
    return HEAP_ROWS + row * HEAP_ROW_SIZE;
}

// The last 8 bytes of a heap look like the beginning of an array.
TEST_KERNEL(collect_at_the_end)
{
    struct store *s = gc_load(graph, sizeof(graph));
    struct heap *h = heap_in(s);

    for (u32 k = 0; k < 10000 && h->small.end != h->end; k++)
        EXPECT_EQ(gc_call(s, 'g', 8, 1), 0);
    EXPECT_EQ(h->small.end, h->end);
    *gc_word(s, h->end - 8) = 0;
    *gc_word(s, h->end - 4) = array_row(h);
    *gc_word(s, HEAP_ROOM) = (u32)h->end;
    *gc_global(s) = h->end - 4;
    struct heap_roots roots = {s, s->vms, false};
    EXPECT_EQ(heap_collect(h, &roots), OK);
    store_free(s);
}

// Wherever memory ends, what is there stays right.
TEST_KERNEL(collect_without_memory)
{
    struct store *s = gc_load(graph, sizeof(graph));

    for (u32 after = 0; after < 24; after++) {
        EXPECT_EQ(gc_call(s, 'd', 0, 1), 0);
        EXPECT_EQ(gc_call(s, 'g', 100, 1), 0);
        test_fail_commits(after);
        EXPECT_TRAP(s, 'p', 40000, TRAP_NO_MEMORY);
        EXPECT_EQ(gc_call(s, 'd', 0, 1), 0);
        EXPECT_EQ(gc_call(s, 'g', 100, 1), 0);
        EXPECT_EQ(gc_call(s, 'c', 5000, 1), 5000);
        EXPECT_EQ(gc_call(s, 'w', 0, 1), 5050);
        test_fail_commits(UINT64_MAX);
    }
    store_free(s);
}

// --- beside a model ----------------------------------------------------------

enum { MODEL_NODES = 3000, MODEL_ROOTS = 64 };

struct model {
    struct store *store;
    struct heap *heap;
    u64 random;
    struct {
        u32 ref;         // 0: none
        u32 left, right; // numbers of others, or MODEL_NODES
        u32 size;        // of an array of bytes, all its number; 0: a node
        bool reached;
    } nodes[MODEL_NODES];
    u32 roots[MODEL_ROOTS]; // in the table; numbers, or MODEL_NODES
};

static u32 *
model_word(const struct model *m, u32 number, u32 offset)
{
    return (u32 *)(m->heap->base + m->nodes[number].ref + offset);
}

static u32
model_ref(const struct model *m, u32 number)
{
    return number < MODEL_NODES ? m->nodes[number].ref : 0;
}

static struct live_table *
table_of(const struct model *m)
{
    return store_instance(m->store, 0)->tables[0];
}

// As if from code without a stack.
static struct heap_roots
roots_of(struct store *s)
{
    return (struct heap_roots){s, s->vms, false};
}

static u32
row_of(const struct model *m, u32 type)
{
    return vmctx_heap_types(&store_instance(m->store, 0)->code->module.layout,
                            m->store->vms[0])[type];
}

static void
model_reach(struct model *m, u32 number)
{
    while (number < MODEL_NODES && !m->nodes[number].reached) {
        m->nodes[number].reached = true;
        if (m->nodes[number].size > 0)
            return;
        model_reach(m, m->nodes[number].left);
        number = m->nodes[number].right;
    }
}

static bool
begins_at(const struct heap *h, u32 ref)
{
    u32 granule = (ref - HEAP_OBJECTS) / HEAP_GRANULE;

    return heap_starts(h)[granule / 32] >> granule % 32 & 1;
}

static bool
has_bytes(const u8 *at, u32 size, u8 byte)
{
    for (u32 k = 0; k < size; k++)
        if (at[k] != byte)
            return false;
    return true;
}

// After a collection exactly what is reached is there, and as it was.
static void
model_check(struct model *m)
{
    for (u32 k = 0; k < MODEL_NODES; k++)
        m->nodes[k].reached = false;
    for (u32 k = 0; k < MODEL_ROOTS; k++)
        model_reach(m, m->roots[k]);
    for (u32 k = 0; k < MODEL_NODES; k++) {
        u32 ref = m->nodes[k].ref;
        if (ref == 0)
            continue;
        EXPECT_EQ(begins_at(m->heap, ref), m->nodes[k].reached);
        if (!m->nodes[k].reached) {
            m->nodes[k].ref = 0;
        } else if (m->nodes[k].size > 0) {
            EXPECT_EQ(*model_word(m, k, HEAP_LENGTH), m->nodes[k].size);
            EXPECT(has_bytes((u8 *)model_word(m, k, HEAP_ELEMENTS),
                             m->nodes[k].size, (u8)k));
        } else {
            EXPECT_EQ(*model_word(m, k, NODE_NUMBER), k);
            EXPECT_EQ(*model_word(m, k, NODE_LEFT),
                      model_ref(m, m->nodes[k].left));
            EXPECT_EQ(*model_word(m, k, NODE_RIGHT),
                      model_ref(m, m->nodes[k].right));
        }
    }
}

static u32
model_draw_there(struct model *m)
{
    u32 number = test_draw(&m->random, MODEL_NODES);

    return m->nodes[number].ref != 0 ? number : MODEL_NODES;
}

static void
model_make_array(struct model *m, u32 k)
{
    static const u32 most[] = {20, 300, 9000, 100000};
    u32 size = 1 + test_draw(&m->random, most[test_draw(&m->random, 4)]);
    u32 at = heap_take(m->heap, REF_TAG_ARRAY + HEAP_ELEMENTS + size, NULL);

    EXPECT(at != 0);
    m->nodes[k].size = size;
    m->nodes[k].ref = at + REF_TAG_ARRAY;
    EXPECT(has_bytes(m->heap->base + at, size, 0));
    *model_word(m, k, 0) = row_of(m, BYTES);
    *model_word(m, k, HEAP_LENGTH) = size;
    memset(model_word(m, k, HEAP_ELEMENTS), (u8)k, size);
}

static void
model_make(struct model *m, u32 k)
{
    if (test_draw(&m->random, 8) == 0) {
        model_make_array(m, k);
        return;
    }
    m->nodes[k].left = model_draw_there(m);
    m->nodes[k].right = model_draw_there(m);
    m->nodes[k].size = 0;
    m->nodes[k].ref = heap_take(m->heap, NODE_SIZE, NULL);
    EXPECT(m->nodes[k].ref != 0);
    EXPECT(has_bytes((u8 *)model_word(m, k, 0), NODE_SIZE, 0));
    *model_word(m, k, 0) = row_of(m, NODE);
    *model_word(m, k, NODE_LEFT) = model_ref(m, m->nodes[k].left);
    *model_word(m, k, NODE_RIGHT) = model_ref(m, m->nodes[k].right);
    *model_word(m, k, NODE_NUMBER) = k;
}

// Lead a node to another one, cycles among them.
static void
model_link(struct model *m, u32 k)
{
    u32 to = model_draw_there(m);

    if (m->nodes[k].ref == 0 || m->nodes[k].size > 0)
        return;
    m->nodes[k].right = to;
    *model_word(m, k, NODE_RIGHT) = model_ref(m, to);
}

static void
model_round(struct model *m)
{
    struct heap_roots roots = roots_of(m->store);

    for (u32 k = 0; k < MODEL_NODES; k++)
        if (m->nodes[k].ref == 0 && test_draw(&m->random, 2) == 0)
            model_make(m, k);
    for (u32 k = 0; k < MODEL_NODES; k++)
        model_link(m, test_draw(&m->random, MODEL_NODES));
    for (u32 k = 0; k < MODEL_ROOTS; k++) {
        m->roots[k] =
            test_draw(&m->random, 16) == 0 ? model_draw_there(m) : MODEL_NODES;
        table_of(m)->view.base[k] = model_ref(m, m->roots[k]);
    }
    EXPECT_EQ(heap_collect(m->heap, &roots), OK);
    model_check(m);
}

TEST_KERNEL(collect_as_a_model)
{
    struct model *m = kernel_alloc(sizeof(*m));

    m->store = gc_load(graph, sizeof(graph));
    m->heap = heap_in(m->store);
    m->random = 20261130;
    for (u32 k = 0; k < 30; k++)
        model_round(m);
    store_free(m->store);
    kernel_free(m);
}

// --- what is not believed ----------------------------------------------------

// Something that code may have written: types, references to anywhere, lengths.
static u32
lie(struct heap *h, u64 *random)
{
    u32 word = test_draw(random, UINT32_MAX);

    switch (test_draw(random, 6)) {
    case 0:
        return HEAP_ROWS + HEAP_ROW_SIZE * test_draw(random, h->row_count + 2);
    case 1:
        return HEAP_OBJECTS +
               (u32)(word % (h->end - HEAP_OBJECTS) & ~(u64)REF_TAG_MASK);
    case 2:
        return HEAP_OBJECTS + (u32)(word % (h->end - HEAP_OBJECTS) / 8 * 8 + 4);
    case 3:
        return 0;
    case 4:
        return test_draw(random, 2000);
    }
    return word;
}

// Objects begin only in lines that are given out, and there is memory for them.
static bool
is_sound(const struct heap *h)
{
    const u64 *lines = heap_bits(h, SIDE_LINES);
    u32 count = heap_line_count(h);

    for (u32 k = 0; k < count; k++)
        if (heap_starts(h)[k] != 0 && !bit_get(lines, k))
            return false;
    for (u32 k = count; k % 64 != 0; k++)
        if (bit_get(lines, k))
            return false;
    return h->gray_top == 0;
}

// A heap full of lies, of which every object is reached: each is looked into at
// most as often as objects begin in a line.
static void
collect_lies(struct store *s, u64 *random)
{
    struct heap *h = heap_in(s);
    struct heap_roots roots = roots_of(s);
    struct live_table *t = store_instance(s, 0)->tables[0];

    for (u32 k = 0; k < 20000; k++)
        EXPECT(heap_take(h, 8 + test_draw(random, k % 100 == 0 ? 20000 : 100),
                         NULL) != 0);
    for (u64 at = HEAP_OBJECTS; at < h->end; at += 4)
        *(u32 *)(h->base + at) = lie(h, random);
    for (u32 k = 0; k < t->view.count; k++)
        t->view.base[k] = lie(h, random) | (u64)(k % 3 == 0) << 40;
    for (u32 k = 0; k < 3; k++) {
        EXPECT_EQ(heap_collect(h, &roots), OK);
        EXPECT(is_sound(h));
        EXPECT(h->stats.words <= 36 * (h->end - HEAP_OBJECTS) / 4 + 300000);
        u32 at = heap_take(h, 5000, NULL);
        EXPECT(at != 0 && has_bytes(h->base + at, 5000, 0));
    }
}

TEST_KERNEL(collect_believes_nothing)
{
    struct store *s = gc_load(graph, sizeof(graph));
    u64 random = 14;

    for (u32 k = 0; k < 10; k++)
        collect_lies(s, &random);
    *vmctx_global(store_instance(s, 0), 0, s->vms) = 0;
    EXPECT_EQ(gc_call(s, 'l', 1000, 1), 500500);
    store_free(s);
}

// An array whose elements lead to more objects than can wait, all of the same
// line or far away, each of which says that it is as long as the heap.
TEST_KERNEL(collect_is_linear)
{
    struct store *s = gc_load(graph, sizeof(graph));
    struct heap *h = heap_in(s);
    struct heap_roots roots = roots_of(s);
    struct model m = {.store = s, .heap = h};
    u32 count = 500000, first = heap_take(h, 16 + 4ull * count, NULL);

    EXPECT(first != 0);
    *(u32 *)(h->base + first + 4) = row_of(&m, REFS);
    *(u32 *)(h->base + first + 8) = count;
    for (u32 k = 0; k < count; k++) {
        u32 at = heap_take(h, 16, NULL);
        EXPECT(at != 0);
        *(u32 *)(h->base + at + 4) = row_of(&m, REFS);
        *(u32 *)(h->base + at + 8) = k + 1 < count ? UINT32_MAX : 1;
        *(u32 *)(h->base + at + 12) = first + 4;
        *(u32 *)(h->base + first + 12 + 4 * k) = at + 4;
    }
    table_of(&m)->view.base[0] = first + 4;
    EXPECT_EQ(heap_collect(h, &roots), OK);
    // (And the line of what the segment has.)
    EXPECT_EQ(h->stats.live, ALIGN_UP(16 + 4ull * count, HEAP_LINE) +
                                 ALIGN_UP(16ull * count, HEAP_LINE) +
                                 HEAP_LINE);
    EXPECT(h->stats.words <= 40 * count);
    store_free(s);
}
