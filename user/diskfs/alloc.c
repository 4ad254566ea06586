// user/diskfs/alloc.c: which blocks and inodes are free: bitmaps of groups, and
// the counts of groups and of all that go with them.

#include "diskfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// --- groups ------------------------------------------------------------------

static bool
is_power_of(uint32_t n, uint32_t base)
{
    while (n % base == 0)
        n /= base;
    return n == 1;
}

bool
group_has_super(const struct fs *fs, uint32_t group)
{
    return !fs->sparse || group <= 1 || is_power_of(group, 3) ||
           is_power_of(group, 5) || is_power_of(group, 7);
}

int32_t
desc_get(struct fs *fs, uint32_t group, struct buffer **b,
         struct group_desc **desc)
{
    uint32_t per_block = fs->block_size / DESC_SIZE;
    uint32_t first = SUPER_AT / fs->block_size + 1;
    int32_t error = buffer_get(fs, first + group / per_block, b);

    if (error == 0)
        *desc =
            (struct group_desc *)((*b)->data + group % per_block * DESC_SIZE);
    return error;
}

static uint32_t
group_of(const struct fs *fs, uint32_t block)
{
    return (block - fs->first_block) / fs->group_blocks;
}

static uint32_t
table_blocks(const struct fs *fs)
{
    return (uint32_t)(((uint64_t)fs->group_inodes * fs->inode_size +
                       fs->block_size - 1) /
                      fs->block_size);
}

// Neither behind the end nor one of those that have their place.
bool
block_is_data(const struct fs *fs, uint32_t block)
{
    if (block <= fs->first_block || block >= fs->blocks)
        return false;
    uint32_t group = group_of(fs, block);
    uint32_t at = block - fs->first_block - group * fs->group_blocks;
    const struct group_place *p = &fs->places[group];
    bool reserved = group_has_super(fs, group) &&
                    at < 1 + fs->desc_blocks + fs->reserved_descs;
    return !reserved && block != p->block_bitmap && block != p->inode_bitmap &&
           block - p->inode_table >= table_blocks(fs);
}

static bool
test_bit(const uint8_t *bits, uint32_t at)
{
    return (bits[at / 8] >> at % 8 & 1) != 0;
}

static void
change_bit(uint8_t *bits, uint32_t at)
{
    bits[at / 8] ^= (uint8_t)(1u << at % 8);
}

// The first that neither has, from `at` on; `end`: none.
static uint32_t
find_free(const uint8_t *bits, const uint8_t *others, uint32_t at, uint32_t end)
{
    while (at < end) {
        uint8_t used = bits[at / 8];
        if (others != NULL)
            used |= others[at / 8];
        if (at % 8 == 0 && used == 0xff) {
            at += 8;
            continue;
        }
        if ((used >> at % 8 & 1) == 0)
            return at;
        at++;
    }
    return end;
}

// --- blocks ------------------------------------------------------------------

static uint32_t
blocks_in(const struct fs *fs, uint32_t group)
{
    uint32_t left = fs->blocks - fs->first_block - group * fs->group_blocks;

    return left < fs->group_blocks ? left : fs->group_blocks;
}

// Count it in the group and in all; false: it cannot be.
static bool
count_block(struct fs *fs, struct buffer *of_desc, struct group_desc *desc,
            int32_t change)
{
    struct buffer *b;
    struct super *s = fs_super(fs, &b);

    if (s == NULL ||
        (change < 0 && (desc->free_blocks == 0 || s->free_blocks == 0)))
        return false;
    desc->free_blocks = (uint16_t)(desc->free_blocks + change);
    s->free_blocks += (uint32_t)change;
    meta_dirty(fs, of_desc);
    meta_dirty(fs, b);
    return true;
}

// One of the group, from `from` on or else before it; *out 0: there is none.
static int32_t
alloc_in(struct fs *fs, uint32_t group, uint32_t from, uint32_t *out)
{
    struct group_place *p = &fs->places[group];
    uint32_t end = blocks_in(fs, group), at;
    struct buffer *b, *bitmap;
    struct group_desc *desc;
    int32_t error = desc_get(fs, group, &b, &desc);

    *out = 0;
    if (error != 0 || desc->free_blocks == 0)
        return error;
    error = buffer_get(fs, p->block_bitmap, &bitmap);
    if (error != 0)
        return error;
    at = find_free(bitmap->data, p->freed, from, end);
    if (at == end)
        at = find_free(bitmap->data, p->freed, 0, end);
    if (at == end)
        return 0;
    uint32_t block = fs->first_block + group * fs->group_blocks + at;
    if (!block_is_data(fs, block))
        return fs_corrupt(fs, "a bitmap has a block free that is not");
    if (!count_block(fs, b, desc, -1))
        return fs_corrupt(fs, "the counts of free blocks are wrong");
    change_bit(bitmap->data, at);
    meta_dirty(fs, bitmap);
    *out = block;
    return 0;
}

static int32_t
alloc_anywhere(struct fs *fs, uint32_t goal, uint32_t *out)
{
    uint32_t first = group_of(fs, goal);
    uint32_t from = goal - fs->first_block - first * fs->group_blocks;

    for (uint32_t i = 0; i < fs->groups; i++) {
        int32_t error =
            alloc_in(fs, (first + i) % fs->groups, i == 0 ? from : 0, out);
        if (error != 0 || *out != 0)
            return error;
    }
    return ENOSPC;
}

int32_t
block_alloc(struct fs *fs, uint32_t goal, uint32_t *out)
{
    if (goal <= fs->first_block || goal >= fs->blocks)
        goal = fs->first_block + 1;
    return alloc_anywhere(fs, goal, out);
}

static int32_t
note_freed(struct fs *fs, struct group_place *p, uint32_t at)
{
    if (p->freed == NULL) {
        p->freed = calloc(1, fs->block_size);
        if (p->freed == NULL)
            return ENOMEM;
        fs->freed_count++;
    }
    if (!test_bit(p->freed, at))
        change_bit(p->freed, at);
    return 0;
}

int32_t
block_free(struct fs *fs, uint32_t block)
{
    struct buffer *b, *bitmap;
    struct group_desc *desc;

    if (!block_is_data(fs, block))
        return fs_corrupt(fs, "a block that is none of a file would be freed");
    uint32_t group = group_of(fs, block);
    uint32_t at = block - fs->first_block - group * fs->group_blocks;
    int32_t error = desc_get(fs, group, &b, &desc);
    if (error == 0)
        error = buffer_get(fs, fs->places[group].block_bitmap, &bitmap);
    if (error != 0)
        return error;
    if (!test_bit(bitmap->data, at) ||
        desc->free_blocks >= blocks_in(fs, group))
        return fs_corrupt(fs, "a block would be freed that is free");
    error = note_freed(fs, &fs->places[group], at);
    if (error == 0)
        error = meta_forget(fs, block);
    if (error != 0)
        return error;
    if (!count_block(fs, b, desc, 1))
        return EIO;
    change_bit(bitmap->data, at);
    meta_dirty(fs, bitmap);
    fs->freed_blocks++;
    return 0;
}

// --- inodes ------------------------------------------------------------------

static bool
count_inode(struct fs *fs, struct buffer *of_desc, struct group_desc *desc,
            bool is_dir, int32_t change)
{
    struct buffer *b;
    struct super *s = fs_super(fs, &b);

    if (s == NULL ||
        (change < 0 && (desc->free_inodes == 0 || s->free_inodes == 0)) ||
        (change > 0 && is_dir && desc->directories == 0))
        return false;
    desc->free_inodes = (uint16_t)(desc->free_inodes + change);
    if (is_dir)
        desc->directories = (uint16_t)(desc->directories - change);
    s->free_inodes += (uint32_t)change;
    meta_dirty(fs, of_desc);
    meta_dirty(fs, b);
    return true;
}

static int32_t
inode_alloc_in(struct fs *fs, uint32_t group, bool is_dir, uint32_t *out)
{
    struct buffer *b, *bitmap;
    struct group_desc *desc;
    int32_t error = desc_get(fs, group, &b, &desc);

    *out = 0;
    if (error != 0 || desc->free_inodes == 0)
        return error;
    error = buffer_get(fs, fs->places[group].inode_bitmap, &bitmap);
    if (error != 0)
        return error;
    uint32_t from = group == 0 ? fs->first_inode - 1 : 0;
    uint32_t at = find_free(bitmap->data, NULL, from, fs->group_inodes);
    if (at >= fs->group_inodes)
        return 0;
    uint32_t number = group * fs->group_inodes + at + 1;
    if (inode_find(fs, number) != NULL)
        return fs_corrupt(fs, "a bitmap has an inode free that is in use");
    if (!count_inode(fs, b, desc, is_dir, -1))
        return fs_corrupt(fs, "the counts of free inodes are wrong");
    change_bit(bitmap->data, at);
    meta_dirty(fs, bitmap);
    *out = number;
    return 0;
}

// Directories go where there is much room, what is in them to them.
static uint32_t
group_for_directory(struct fs *fs, uint32_t group)
{
    uint32_t best = group, most = 0;

    for (uint32_t i = 0; i < fs->groups; i++) {
        struct group_desc *desc;
        struct buffer *b;
        if (desc_get(fs, i, &b, &desc) == 0 && desc->free_inodes > 0 &&
            desc->free_blocks > most) {
            most = desc->free_blocks;
            best = i;
        }
    }
    return best;
}

int32_t
inode_alloc(struct fs *fs, uint32_t group, bool is_dir, uint32_t *out)
{
    if (is_dir)
        group = group_for_directory(fs, group);
    for (uint32_t i = 0; i < fs->groups; i++) {
        int32_t error =
            inode_alloc_in(fs, (group + i) % fs->groups, is_dir, out);
        if (error != 0 || *out != 0)
            return error;
    }
    return ENOSPC;
}

int32_t
inode_free(struct fs *fs, uint32_t number, bool is_dir)
{
    uint32_t group = (number - 1) / fs->group_inodes;
    uint32_t at = (number - 1) % fs->group_inodes;
    struct buffer *b, *bitmap;
    struct group_desc *desc;
    int32_t error = desc_get(fs, group, &b, &desc);

    if (error == 0)
        error = buffer_get(fs, fs->places[group].inode_bitmap, &bitmap);
    if (error != 0)
        return error;
    if (!test_bit(bitmap->data, at) || desc->free_inodes >= fs->group_inodes ||
        !count_inode(fs, b, desc, is_dir, 1))
        return fs_corrupt(fs, "an inode would be freed that is free");
    change_bit(bitmap->data, at);
    meta_dirty(fs, bitmap);
    return 0;
}
