// wasi/contents.c: what is in a file, in blocks of 64 KiB.  A block is made
// when something is written to it; then it has what the archive has there.  The
// first one grows from 64 bytes on, so that small files stay small.

#include "wasi/tree.h"

// Part of a block: `size` bytes at `at` of block `number`.
struct part {
    u64 number, at, size;
};

static struct part
part_at(u64 at, u64 size)
{
    u64 in_block = at % BLOCK;

    return (struct part){at / BLOCK, in_block, MIN(size, BLOCK - in_block)};
}

// What the archive has of a block.
static struct bytes
base_of(const struct contents *c, u64 number)
{
    u64 size = c->base.size, start = number * BLOCK;

    if (start >= size)
        return (struct bytes){NULL, 0};
    return (struct bytes){c->base.ptr + start, MIN(size - start, BLOCK)};
}

// --- reading -----------------------------------------------------------------

static void
read_part(const struct contents *c, struct part part, u8 *to)
{
    u8 *block = index_get(&c->blocks, part.number);
    struct bytes from = {block, part.number == 0 ? c->room : BLOCK};
    u64 size = 0;

    if (block == NULL)
        from = base_of(c, part.number);
    if (part.at < from.size) {
        size = MIN(part.size, from.size - part.at);
        memcpy(to, from.ptr + index_masked(part.at, from.size), size);
    }
    memset(to + size, 0, part.size - size);
}

u64
contents_read(const struct contents *c, u64 at, struct bytes to)
{
    if (at >= c->size)
        return 0;
    u64 size = MIN(to.size, c->size - at);
    at = index_masked(at, c->size);
    for (u64 done = 0; done < size;) {
        struct part part = part_at(at + done, size - done);

        read_part(c, part, to.ptr + done);
        done += part.size;
    }
    return size;
}

// --- writing -----------------------------------------------------------------

// Let block 0 have room for `need` bytes: twice as much as it has, where there
// is memory for that, so that appending is linear.
static u8 *
grow_first(struct contents *c, u64 need, struct pool *p)
{
    u8 *old = index_get(&c->blocks, 0), *block;
    struct bytes from =
        old != NULL ? (struct bytes){old, c->room} : base_of(c, 0);
    u64 room = MIN(MAX(need, 2 * from.size), BLOCK);

    room = MAX(room, BLOCK_MIN);
    block = pool_alloc(p, room);
    if (block == NULL) {
        room = MAX(MAX(need, from.size), BLOCK_MIN);
        block = pool_alloc(p, room);
    }
    if (block == NULL)
        return NULL;
    if (from.size > 0)
        memcpy(block, from.ptr, from.size);
    if (!index_set(&c->blocks, 0, block, p)) {
        pool_free(p, block, room);
        return NULL;
    }
    if (old != NULL)
        pool_free(p, old, c->room);
    c->room = (u32)room;
    return block;
}

// The block, with memory for `need` bytes; NULL: there is none.
static u8 *
own_block(struct contents *c, u64 number, u64 need, struct pool *p)
{
    u8 *block = index_get(&c->blocks, number);
    struct bytes from = base_of(c, number);

    if (number == 0)
        return block != NULL && need <= c->room ? block :
                                                  grow_first(c, need, p);
    if (block != NULL)
        return block;
    block = pool_alloc(p, BLOCK);
    if (block == NULL)
        return NULL;
    if (!index_set(&c->blocks, number, block, p)) {
        pool_free(p, block, BLOCK);
        return NULL;
    }
    if (from.size > 0)
        memcpy(block, from.ptr, from.size);
    return block;
}

u64
contents_write(struct contents *c, u64 at, struct bytes from, struct pool *p)
{
    u64 done = 0;

    while (done < from.size) {
        struct part part = part_at(at + done, from.size - done);
        u8 *block = own_block(c, part.number, part.at + part.size, p);

        if (block == NULL)
            break;
        memcpy(block + part.at, from.ptr + done, part.size);
        done += part.size;
    }
    if (done > 0)
        c->size = MAX(c->size, at + done);
    return done;
}

u64
contents_reserve(struct contents *c, u64 at, u64 end, struct pool *p)
{
    struct part part = part_at(at, end - at);
    u8 *block = own_block(c, part.number, part.at + part.size, p);

    return block != NULL ? part.size : 0;
}

// --- the size ----------------------------------------------------------------

// Let go of the blocks from this number on.
static void
cut_blocks(struct contents *c, u64 from, struct pool *p)
{
    if (from == 0) {
        void *first = index_take(&c->blocks, 0, p);
        if (first != NULL)
            pool_leave_block(p, first, c->room);
    }
    index_cut(&c->blocks, from, p);
}

void
contents_set_size(struct contents *c, u64 size, struct pool *p)
{
    struct part end = part_at(size, 0);

    if (size <= c->size) { // what was reserved goes, too
        c->cuts++;
        c->base.size = MIN(c->base.size, size);
        cut_blocks(c, end.number + (end.at > 0), p);
        u8 *last = index_get(&c->blocks, end.number);
        u64 room = end.number == 0 ? c->room : BLOCK;
        if (last != NULL && end.at < room)
            memset(last + end.at, 0, room - end.at);
    }
    c->size = size;
}
