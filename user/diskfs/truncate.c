// user/diskfs/truncate.c: frees blocks of files.  That may be more than one
// transaction has room for, so the inode is in the list of orphans until all is
// done: whoever mounts the disk next frees the rest of those.  So are files
// that have no name any more and are still held.

#include "diskfs.h"

#include <errno.h>
#include <string.h>

// --- orphans -----------------------------------------------------------------

int32_t
orphan_add(struct inode *i)
{
    struct fs *fs = i->fs;
    struct buffer *b;
    struct super *s = fs_super(fs, &b);

    if (i->is_orphan)
        return 0;
    if (s == NULL)
        return EIO;
    i->dtime = s->orphans;
    s->orphans = i->number;
    meta_dirty(fs, b);
    i->is_orphan = true;
    i->orphan_prev = NULL;
    i->orphan_next = fs->orphans;
    if (fs->orphans != NULL)
        fs->orphans->orphan_prev = i;
    fs->orphans = i;
    return 0;
}

int32_t
orphan_remove(struct inode *i)
{
    struct fs *fs = i->fs;
    struct inode *before = i->orphan_prev;
    int32_t error = 0;

    if (before != NULL) {
        before->dtime = i->dtime;
        error = inode_store(before);
    } else {
        struct buffer *b;
        struct super *s = fs_super(fs, &b);
        if (s == NULL)
            return EIO;
        s->orphans = i->dtime;
        meta_dirty(fs, b);
        fs->orphans = i->orphan_next;
    }
    if (before != NULL)
        before->orphan_next = i->orphan_next;
    if (i->orphan_next != NULL)
        i->orphan_next->orphan_prev = before;
    i->orphan_prev = i->orphan_next = NULL;
    i->is_orphan = false;
    i->dtime = 0;
    return error;
}

// --- blocks ------------------------------------------------------------------

// The block of the pointer at `at` of `b`, or of the inode.  What is on the
// disk is sound after each of these, so that the transaction may end here.
static int32_t
free_pointer(struct inode *i, struct buffer *b, uint32_t at, uint32_t block)
{
    struct fs *fs = i->fs;
    uint32_t sectors = fs->block_size / 512;
    uint8_t *pointers = b != NULL ? b->data : (uint8_t *)i->pointers;

    if (i->sectors < sectors)
        return fs_corrupt(fs, "a file has more blocks than it says");
    int32_t error = block_free(fs, block);
    if (error != 0)
        return error;
    memset(pointers + 4 * at, 0, sizeof(block));
    if (b != NULL)
        meta_dirty(fs, b);
    i->sectors -= sectors;
    error = inode_store(i);
    return error == 0 ? change_room(fs, CHANGE_BLOCK) : error;
}

struct branch {
    struct buffer *b; // whose pointer leads to it; NULL: one of the inode's
    uint32_t at;
    uint32_t level;       // of pointers below it
    uint64_t first, span; // blocks of the file that it has
};

static int32_t free_branch(struct inode *i, struct branch at, uint64_t keep);

// Those of a block of pointers, the last one first.
static int32_t
free_children(struct inode *i, struct branch *at, struct buffer *b,
              uint64_t keep)
{
    uint32_t count = i->fs->block_size / 4;
    uint64_t span = at->span / count;
    int32_t error = 0;

    for (uint32_t k = count; k > 0 && error == 0; k--) {
        uint64_t first = at->first + (k - 1) * span;
        if (first + span <= keep)
            break;
        error = free_branch(
            i, (struct branch){b, k - 1, at->level - 1, first, span}, keep);
    }
    return error;
}

static int32_t
free_branch(struct inode *i, struct branch at, uint64_t keep)
{
    struct fs *fs = i->fs;
    uint8_t *pointers = at.b != NULL ? at.b->data : (uint8_t *)i->pointers;
    struct buffer *b;
    uint32_t block;
    int32_t error = 0;

    memcpy(&block, pointers + 4 * at.at, sizeof(block));
    if (block == 0)
        return 0;
    if (!block_is_data(fs, block))
        return fs_corrupt(fs, "a pointer of a file is none to its blocks");
    if (at.level > 0) {
        error = buffer_get(fs, block, &b);
        if (error != 0)
            return error;
        b->held++;
        error = free_children(i, &at, b, keep);
        b->held--;
        cache_trim(fs);
    }
    if (error == 0 && at.first >= keep)
        error = free_pointer(i, at.b, at.at, block);
    return error;
}

// All blocks from number `keep` on.
static int32_t
free_from(struct inode *i, uint64_t keep)
{
    uint64_t per_block = i->fs->block_size / 4, first = DIRECT, span = 1;
    struct branch parts[4] = {{.level = 0}};
    int32_t error = 0;

    for (uint32_t level = 1; level <= 3; level++) {
        span *= per_block;
        parts[level] =
            (struct branch){NULL, DIRECT + level - 1, level, first, span};
        first += span;
    }
    for (uint32_t level = 3; level > 0 && error == 0; level--)
        if (parts[level].first + parts[level].span > keep)
            error = free_branch(i, parts[level], keep);
    for (uint32_t k = DIRECT; k > keep && error == 0; k--)
        error = free_branch(i, (struct branch){NULL, k - 1, 0, k - 1, 1}, keep);
    return error;
}

static uint64_t
blocks_of(const struct fs *fs, uint64_t size)
{
    return (size + fs->block_size - 1) / fs->block_size;
}

// --- sizes -------------------------------------------------------------------

static int32_t
shrink(struct inode *i, uint64_t size)
{
    struct fs *fs = i->fs;
    bool was_orphan = i->is_orphan;
    int32_t error = orphan_add(i);

    i->size = size;
    inode_touch(i);
    i->data_sequence = fs->journal.sequence;
    if (error == 0)
        error = inode_store(i);
    if (error == 0)
        error = free_from(i, blocks_of(fs, size));
    if (error == 0 && !was_orphan)
        error = orphan_remove(i);
    // The transaction may be another by now.
    i->data_sequence = fs->journal.sequence;
    return error == 0 ? inode_store(i) : error;
}

static int32_t
grow(struct inode *i, uint64_t size)
{
    int32_t error = zero_tail(i);

    if (error != 0)
        return error;
    i->size = size;
    inode_touch(i);
    i->data_sequence = i->fs->journal.sequence;
    return inode_store(i);
}

int32_t
fs_set_size(struct inode *i, uint64_t size)
{
    struct fs *fs = i->fs;

    if (!inode_is(i, MODE_FILE))
        return inode_is(i, MODE_DIRECTORY) ? EISDIR : EINVAL;
    if (size > file_size_max(fs))
        return EFBIG;
    int32_t error = change_begin(fs, CHANGE);
    if (error != 0)
        return error;
    error = size < i->size ? shrink(i, size) : grow(i, size);
    return change_end(fs, error);
}

// --- the end of an inode -----------------------------------------------------

// The block of extended attributes, which several may have.
static int32_t
free_attributes(struct inode *i)
{
    struct fs *fs = i->fs;
    struct buffer *b;

    if (i->attributes == 0)
        return 0;
    if (!block_is_data(fs, i->attributes))
        return fs_corrupt(fs, "the place of attributes cannot be");
    int32_t error = buffer_get(fs, i->attributes, &b);
    if (error != 0)
        return error;
    struct raw_attributes *raw = (struct raw_attributes *)b->data;
    if (raw->magic != (uint32_t)ATTRIBUTES_MAGIC || raw->references == 0)
        return fs_corrupt(fs, "attributes do not begin as such");
    if (--raw->references > 0)
        meta_dirty(fs, b);
    else
        error = block_free(fs, i->attributes);
    i->attributes = 0;
    i->sectors -= i->sectors < fs->block_size / 512 ? 0 : fs->block_size / 512;
    return error;
}

static int32_t delete (struct inode *i)
{
    struct fs *fs = i->fs;
    bool is_dir = inode_is(i, MODE_DIRECTORY);
    bool has_blocks = is_dir || inode_is(i, MODE_FILE) ||
                      (inode_is(i, MODE_SYMLINK) && !inode_is_short(i));
    int32_t error = change_begin(fs, CHANGE);

    if (error != 0)
        return error;
    i->size = has_blocks ? 0 : i->size;
    if (has_blocks)
        error = free_from(i, 0);
    if (error == 0)
        error = change_room(fs, CHANGE);
    if (error == 0)
        error = free_attributes(i);
    if (error == 0)
        error = orphan_remove(i);
    if (error == 0) {
        i->dtime = (uint32_t)(fs->options.now() / 1000000000);
        error = inode_store(i);
    }
    if (error == 0)
        error = inode_free(fs, i->number, is_dir);
    return change_end(fs, error);
}

void
inode_delete(struct inode *i)
{
    int32_t error = delete (i);

    if (error != 0)
        i->is_orphan = true; // it stays one, for the next time
}

static int32_t
end_orphan(struct fs *fs, uint32_t number, uint32_t *next)
{
    struct inode *i;

    if (number < fs->first_inode)
        return fs_corrupt(fs, "an orphan cannot be one");
    int32_t error = fs_get(fs, number, &i);
    if (error != 0)
        return error;
    *next = i->dtime;
    i->is_orphan = true;
    fs->orphans = i;
    if (i->links > 0) {
        error = change_begin(fs, CHANGE);
        if (error == 0)
            error = free_from(i, blocks_of(fs, i->size));
        if (error == 0)
            error = orphan_remove(i);
        if (error == 0)
            error = inode_store(i);
        error = change_end(fs, error);
    }
    fs_put(i);
    return fs->broken ? EIO : error;
}

int32_t
orphans_end(struct fs *fs)
{
    struct buffer *b;
    struct super *s = fs_super(fs, &b);
    uint32_t next = s != NULL ? s->orphans : 0;
    int32_t error = s != NULL ? 0 : EIO;

    for (uint32_t count = 0; next != 0 && error == 0; count++)
        error = count <= fs->inodes ? end_orphan(fs, next, &next) :
                                      fs_corrupt(fs, "orphans have no end");
    return error;
}
