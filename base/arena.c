// base/arena.c: a stack of memory in one reserved range; see base.h.
//
// Invariant: at <= committed, at <= reserved, and bytes in [at, committed) that
// were handed out before may hold old data.  What is committed ends where a
// step does, or all that is reserved, whatever the limit: in whole pages.

#include "base/base.h"

// Commit in large steps: a step costs a page-table walk or a system call; but
// not in larger ones than what a killed thread may still finish.
enum { COMMIT_STEP = 256 * 1024, COMMIT_MOST = 16 * COMMIT_STEP };

void
arena_init_fixed(struct arena *arena, void *buffer, u64 size)
{
    *arena =
        (struct arena){.base = buffer, .committed = size, .reserved = size};
}

static bool
reserve(struct arena *arena, u64 top)
{
    if (top > arena->reserved || (arena->limit > 0 && top > arena->limit))
        return false;
    if (top <= arena->committed)
        return true;
    if (arena->commit == NULL)
        return false;
    u64 end = MIN(ALIGN_UP(top, COMMIT_STEP), arena->reserved);
    while (arena->committed < end) {
        u64 to = MIN(end, arena->committed + COMMIT_MOST);
        if (!arena->commit(arena, arena->committed, to))
            return false;
        arena->committed = to;
    }
    return true;
}

bool
arena_may_go_on(struct arena *arena)
{
    return arena->commit == NULL ||
           arena->commit(arena, arena->committed, arena->committed);
}

static void
move_top(struct arena *arena, u64 top)
{
    arena->at = top;
    arena->peak = MAX(arena->peak, top);
}

void *
arena_alloc(struct arena *arena, u64 size, u64 align)
{
    u64 start = ALIGN_UP(arena->at, align);

    if (size > arena->reserved || !reserve(arena, start + size))
        return NULL;
    move_top(arena, start + size);
    return arena->base + start;
}

void *
arena_zalloc(struct arena *arena, u64 size, u64 align)
{
    u8 *block = arena_alloc(arena, 0, align);

    if (block == NULL || size > arena->reserved)
        return NULL;
    for (u64 done = 0, to; done < size; done = to) {
        to = MIN(size, done + COMMIT_MOST);
        if (!arena_resize(arena, block, to))
            return NULL;
        memset(block + done, 0, to - done);
    }
    return block;
}

bool
arena_resize(struct arena *arena, void *block, u64 size)
{
    u64 start = (u64)((u8 *)block - arena->base);

    assert(start <= arena->at);
    if (size > arena->reserved || !reserve(arena, start + size))
        return false;
    move_top(arena, start + size);
    return true;
}

bool
arena_is_newest(const struct arena *arena, const void *block, u64 size)
{
    return block != NULL && (const u8 *)block + size == arena->base + arena->at;
}

u64
arena_mark(const struct arena *arena)
{
    return arena->at;
}

void
arena_reset(struct arena *arena, u64 mark)
{
    assert(mark <= arena->at);
    arena->at = mark;
}

static u8 *
block_at(const struct arena_block *block)
{
    u8 *at;

    memcpy(&at, block->pointer, sizeof(at));
    return at;
}

static void
sort_blocks(struct arena_block *blocks, u32 count)
{
    for (u32 i = 1; i < count; i++) {
        struct arena_block block = blocks[i];
        u32 to = i;
        for (; to > 0 && block_at(&blocks[to - 1]) > block_at(&block); to--)
            blocks[to] = blocks[to - 1];
        blocks[to] = block;
    }
}

void
arena_keep(struct arena *arena, u64 mark, struct arena_block *blocks, u32 count)
{
    u64 top = mark;

    sort_blocks(blocks, count);
    for (u32 i = 0; i < count; i++) {
        u8 *from = block_at(&blocks[i]), *to = arena->base + ALIGN_UP(top, 16);
        if (from == NULL || blocks[i].size == 0)
            continue;
        // A block that is aligned to less may have little room below it.
        to = MIN(to, from);
        assert(from >= arena->base + top);
        memmove(to, from, blocks[i].size);
        memcpy(blocks[i].pointer, &to, sizeof(to));
        top = (u64)(to - arena->base) + blocks[i].size;
    }
    arena_reset(arena, top);
}
