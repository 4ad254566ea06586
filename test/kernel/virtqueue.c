// test/kernel/virtqueue.c: kernel/virtqueue.c against a device that keeps the
// rules and one that does not; no kernel is needed.

#include "kernel/virtqueue.h"
#include "test/test.h"

#include <string.h>

enum { SIZE = 16, RING_BYTES = 4096, STEPS = 1000000 };

// What the device sees of the ring: offsets by the specification, not by the
// code under test (virtio 1.2, 2.7).
enum { AVAIL = 16 * SIZE, USED = AVAIL + 4 + 2 * SIZE + 2 + 2 };

static u8 ring[RING_BYTES] __attribute__((aligned(4096)));
static struct virtqueue q;

static u16 *
word(u32 at)
{
    return (u16 *)(ring + at);
}

static u32 *
used_entry(u16 at)
{
    return (u32 *)(ring + USED + 4 + 8 * (at % SIZE));
}

static u16 *
avail_event(void)
{
    return word(USED + 4 + 8 * SIZE);
}

static void
start(bool event_index)
{
    memset(ring, 0, sizeof(ring));
    virtqueue_init(&q, ring, SIZE, event_index);
}

// The device finishes a request.
static void
finish(u32 id, u32 written)
{
    u16 index = *word(USED + 2);

    used_entry(index)[0] = id;
    used_entry(index)[1] = written;
    *word(USED + 2) = (u16)(index + 1);
}

static u16
head_of(u16 at)
{
    return *word(AVAIL + 4 + 2 * (at % SIZE));
}

static status_t
add(u32 count, u64 token)
{
    struct virtqueue_piece pieces[SIZE + 1];

    for (u32 i = 0; i < count; i++)
        pieces[i] = (struct virtqueue_piece){0x10000ull * (i + 1), 100 + i,
                                             i + 1 == count};
    return virtqueue_add(&q, pieces, count, token);
}

static u32 notified;

// For those who do not care whether the device wants to know.
static void
publish(void)
{
    if (virtqueue_publish(&q))
        notified++;
}

TEST(virtqueue_layout)
{
    EXPECT_EQ(virtqueue_bytes(SIZE), USED + 4 + 8 * SIZE + 2);
    EXPECT_EQ(virtqueue_bytes(1), 16 + 8 + 4 + 8 + 2);
    start(true);
    EXPECT_EQ(q.offsets[1], AVAIL);
    EXPECT_EQ(q.offsets[2], USED);
}

TEST(virtqueue_chain)
{
    start(true);
    EXPECT_EQ(add(3, 77), OK);
    EXPECT_EQ(*word(AVAIL + 2), 0); // not yet
    EXPECT(virtqueue_publish(&q));
    EXPECT(!virtqueue_publish(&q)); // nothing new
    EXPECT_EQ(*word(AVAIL + 2), 1);
    u16 at = head_of(0);
    for (u32 i = 0; i < 3; i++) {
        EXPECT_EQ(*(u64 *)(ring + 16 * at), 0x10000 * (i + 1));
        EXPECT_EQ(*(u32 *)(ring + 16 * at + 8), 100 + i);
        EXPECT_EQ(*word(16 * at + 12), i < 2 ? 1 : 2);
        at = *word(16 * at + 14);
    }
    u64 token;
    u32 written;
    EXPECT_EQ(virtqueue_take(&q, &token, &written), ERR_SHOULD_WAIT);
    finish(head_of(0), 60);
    EXPECT_EQ(virtqueue_take(&q, &token, &written), OK);
    EXPECT_EQ(token, 77);
    EXPECT_EQ(written, 60);
    EXPECT_EQ(q.free_count, SIZE);
}

TEST(virtqueue_full)
{
    u64 token;
    u32 written;

    start(true);
    for (u32 turn = 0; turn < 70000 / SIZE; turn++) { // past 16 bits
        for (u32 i = 0; i < SIZE; i++)
            EXPECT_EQ(add(1, i), OK);
        EXPECT_EQ(add(1, 0), ERR_FULL);
        publish();
        for (u32 i = 0; i < SIZE; i++)
            finish(head_of((u16)(turn * SIZE + (SIZE - 1 - i))), 1000);
        for (u32 i = 0; i < SIZE; i++) {
            EXPECT_EQ(virtqueue_take(&q, &token, &written), OK);
            EXPECT_EQ(token, SIZE - 1 - i);
            EXPECT_EQ(written, 100); // no more than there is room for
        }
    }
    EXPECT_EQ(virtqueue_take(&q, &token, &written), ERR_SHOULD_WAIT);
}

// Who asked for what: notifications when avail_event is passed, interrupts at
// used_event.
TEST(virtqueue_events)
{
    u64 token;
    u32 written;

    start(true);
    *avail_event() = 2;
    for (u32 i = 0; i < 5; i++) {
        EXPECT_EQ(add(1, i), OK);
        EXPECT_EQ(virtqueue_publish(&q), i == 2);
    }
    EXPECT_EQ(q.notifications, 1);
    EXPECT(virtqueue_arm(&q, 1));
    EXPECT_EQ(*word(AVAIL + 4 + 2 * SIZE), 0);
    finish(head_of(0), 0);
    EXPECT(!virtqueue_arm(&q, 1)); // it was faster
    EXPECT_EQ(virtqueue_take(&q, &token, &written), OK);
    EXPECT(virtqueue_arm(&q, 3));
    EXPECT_EQ(*word(AVAIL + 4 + 2 * SIZE), 3);

    start(false);
    *word(USED) = 1; // do not notify
    EXPECT_EQ(add(1, 0), OK);
    EXPECT(!virtqueue_publish(&q));
    *word(USED) = 0;
    EXPECT_EQ(add(1, 0), OK);
    EXPECT(virtqueue_publish(&q));
    virtqueue_disarm(&q);
    EXPECT_EQ(*word(AVAIL), 1);
    EXPECT(virtqueue_arm(&q, 1));
    EXPECT_EQ(*word(AVAIL), 0);
}

// Each breaks the rules in one way; nothing comes back, and nothing after.
TEST(virtqueue_broken)
{
    u64 token;
    u32 written;

    for (u32 how = 0; how < 5; how++) {
        start(true);
        EXPECT_EQ(add(2, 1), OK);
        EXPECT_EQ(add(2, 2), OK);
        publish();
        u16 head = head_of(0);
        if (how == 0)
            finish(SIZE, 0); // no such descriptor
        if (how == 1)
            finish(UINT32_MAX, 0);
        if (how == 2)
            finish(*word(16 * head + 14), 0); // not the head
        if (how == 3)
            *word(USED + 2) = 3; // more than there are
        if (how == 4)
            *word(USED + 2) = 0xffff; // backwards
        EXPECT_EQ(virtqueue_take(&q, &token, &written), ERR_IO);
        EXPECT_EQ(virtqueue_take(&q, &token, &written), ERR_IO);
        EXPECT_EQ(add(1, 3), ERR_IO);
        EXPECT(!virtqueue_publish(&q));
    }
    start(true);
    EXPECT_EQ(add(2, 1), OK);
    EXPECT_EQ(add(2, 2), OK);
    publish();
    finish(head_of(0), 0);
    finish(head_of(0), 0); // the same twice
    EXPECT_EQ(virtqueue_take(&q, &token, &written), OK);
    EXPECT_EQ(virtqueue_take(&q, &token, &written), ERR_IO);
}

static u64
random_u64(void)
{
    static u64 state = 1;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void
corrupt(void)
{
    u64 r = random_u64();

    if (r % 3 == 0) // anywhere that it can write
        ring[r / 8 % (USED + 8 * SIZE + 6)] ^= (u8)(1 << r / 4096 % 8);
    else if (r % 3 == 1)
        finish((u32)(r >> 8) % (SIZE + 1), (u32)(r >> 32));
    else
        *word(USED + 2) += (u16)(r >> 60);
}

// A device that writes whatever it likes wherever it can: tokens come back at
// most once each, with no more bytes than there is room for.
TEST(virtqueue_hostile)
{
    static bool out[SIZE * 4];
    u64 token;
    u32 written, armed = 0;

    for (u32 step = 0; step < STEPS; step++) {
        if (q.size == 0 || q.broken) {
            start(random_u64() % 2 == 0);
            memset(out, 0, sizeof(out));
        }
        u64 slot = random_u64() % COUNT(out);
        if (!out[slot] && add(1 + (u32)(random_u64() % 3), slot) == OK)
            out[slot] = true;
        publish();
        if (random_u64() % 4 == 0)
            corrupt();
        else if (q.published != *word(USED + 2))
            finish(head_of(*word(USED + 2)), (u32)random_u64());
        armed += virtqueue_arm(&q, (u16)(random_u64() % 4 + 1));
        while (virtqueue_take(&q, &token, &written) == OK) {
            EXPECT(token < COUNT(out) && out[token]);
            EXPECT(written <= 102);
            out[token] = false;
        }
    }
    EXPECT(armed > 0 && armed < STEPS);
    EXPECT(notified > 0 && notified < STEPS);
}
