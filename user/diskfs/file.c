// user/diskfs/file.c: what is in files.  It goes through the cache; the mover
// takes or gives the bytes, block by block.

#include "diskfs.h"

#include <errno.h>
#include <string.h>

enum { RUN = 32 }; // blocks that are read at once; as many are read ahead

static uint32_t
least(uint64_t a, uint64_t b)
{
    return (uint32_t)(a < b ? a : b);
}

// --- reading -----------------------------------------------------------------

// Blocks from `index` on into the cache: as many as are asked for, up to RUN,
// and where the file is read in order, more.
static int32_t
fill(struct inode *i, uint64_t index, uint64_t count, bool ahead,
     uint32_t *blocks)
{
    struct fs *fs = i->fs;
    uint64_t end = (i->size + fs->block_size - 1) / fs->block_size;
    uint32_t wanted = least(count, RUN), some = wanted;
    int32_t error = 0;

    for (uint32_t k = 0; k < wanted && error == 0; k++)
        error = map_block(i, index + k, &blocks[k]);
    bool missing = false;
    for (uint32_t k = 0; k < wanted && error == 0; k++)
        missing |= blocks[k] != 0 && cache_find(fs, blocks[k]) == NULL;
    if (!missing || error != 0)
        return error;
    for (; ahead && some < 2 * RUN && index + some < end && error == 0; some++)
        error = map_block(i, index + some, &blocks[some]);
    return error == 0 ? cache_fill(fs, blocks, some) : error;
}

static int32_t
move_out(struct fs *fs, uint32_t block, uint32_t from,
         const struct fs_mover *to, uint32_t offset, uint32_t size)
{
    static uint8_t zeroes[4096];
    struct buffer *b;

    if (block == 0)
        return to->move(to->arg, offset, zeroes, size);
    int32_t error = buffer_get(fs, block, &b);
    return error == 0 ? to->move(to->arg, offset, b->data + from, size) : error;
}

// Up to RUN blocks of them; *count is moved on.
static int32_t
read_run(struct inode *i, uint64_t at, uint32_t size, const struct fs_mover *to,
         uint32_t *count)
{
    struct fs *fs = i->fs;
    uint32_t blocks[2 * RUN], from = (uint32_t)((at + *count) % fs->block_size);
    uint64_t index = (at + *count) / fs->block_size;
    uint64_t wanted =
        ((uint64_t)from + size - *count + fs->block_size - 1) / fs->block_size;
    bool ahead = at == 0 || at == i->last_end;
    int32_t error;

    cache_trim(fs);
    error = fill(i, index, wanted, ahead, blocks);
    for (uint32_t k = 0; k < RUN && *count < size && error == 0; k++) {
        uint32_t part = least(size - *count, fs->block_size - from);
        error = move_out(fs, blocks[k], from, to, *count, part);
        if (error == 0)
            *count += part;
        from = 0;
    }
    return error;
}

int32_t
fs_read(struct inode *i, uint64_t at, uint32_t size, const struct fs_mover *to,
        uint32_t *count)
{
    int32_t error = 0;

    *count = 0;
    if (!inode_is(i, MODE_FILE))
        return inode_is(i, MODE_DIRECTORY) ? EISDIR : EINVAL;
    if (at >= i->size)
        return 0;
    size = least(size, i->size - at);
    while (*count < size && error == 0)
        error = read_run(i, at, size, to, count);
    i->last_end = at + *count;
    return *count > 0 ? 0 : error;
}

int32_t
fs_target(struct inode *i, const struct fs_mover *to, uint32_t room,
          uint32_t *count)
{
    struct fs *fs = i->fs;
    uint32_t block;

    *count = least(i->size, room);
    if (!inode_is(i, MODE_SYMLINK))
        return EINVAL;
    if (inode_is_short(i))
        return to->move(to->arg, 0, (uint8_t *)i->pointers, *count);
    int32_t error = map_block(i, 0, &block);
    if (error == 0 && block == 0)
        error = fs_corrupt(fs, "a symlink has no target");
    return error == 0 ? move_out(fs, block, 0, to, 0, *count) : error;
}

// --- writing -----------------------------------------------------------------

int32_t
zero_tail(struct inode *i)
{
    struct fs *fs = i->fs;
    uint32_t from = (uint32_t)(i->size % fs->block_size), block;
    struct buffer *b;
    int32_t error;

    if (from == 0)
        return 0;
    error = map_block(i, i->size / fs->block_size, &block);
    if (error != 0 || block == 0)
        return error;
    error = buffer_get(fs, block, &b);
    if (error != 0)
        return error;
    memset(b->data + from, 0, fs->block_size - from);
    buffer_mark(fs, b, BUFFER_DIRTY);
    return 0;
}

// The block with `size` bytes from `from` on to be written; *whole: what else
// was in it is not there.
static int32_t
block_to_write(struct inode *i, uint64_t index, uint32_t from, uint32_t size,
               struct buffer **b, bool *fresh, bool *whole)
{
    struct fs *fs = i->fs;
    uint32_t block;
    int32_t error = map_new(i, index, &block, fresh);

    *whole = false;
    if (error != 0)
        return error;
    if (*fresh)
        return buffer_new(fs, block, b);
    *whole =
        from == 0 && size == fs->block_size && cache_find(fs, block) == NULL;
    return *whole ? buffer_new(fs, block, b) : buffer_get(fs, block, b);
}

static int32_t
write_block(struct inode *i, uint64_t at, uint32_t size,
            const struct fs_mover *mover, uint32_t offset)
{
    struct fs *fs = i->fs;
    uint32_t from = (uint32_t)(at % fs->block_size);
    struct buffer *b;
    bool fresh, whole;
    int32_t error =
        block_to_write(i, at / fs->block_size, from, size, &b, &fresh, &whole);

    if (error != 0)
        return error;
    error = mover->move(mover->arg, offset, b->data + from, size);
    if (error != 0 && whole) {
        buffer_drop(fs, b); // it is not what the disk has
        return error;
    }
    buffer_mark(fs, b, BUFFER_DIRTY);
    // There are no blocks behind the end, also when who wrote has left.
    if ((error == 0 || fresh) && at + size > i->size) {
        i->size = at + size;
        i->data_sequence = fs->journal.sequence;
    }
    return error;
}

static int32_t
write_blocks(struct inode *i, uint64_t at, uint32_t size,
             const struct fs_mover *from, uint32_t *count)
{
    struct fs *fs = i->fs;
    int32_t error = 0, stored;

    while (*count < size && error == 0) {
        uint64_t place = at + *count;
        uint32_t part =
            least(size - *count, fs->block_size - place % fs->block_size);
        cache_trim(fs);
        error = write_block(i, place, part, from, *count);
        *count += error == 0 ? part : 0;
        inode_touch(i);
        stored = inode_store(i);
        if (stored != 0)
            return stored;
        if (error == 0)
            error = change_room(fs, CHANGE_BLOCK);
    }
    return error;
}

int32_t
fs_write(struct inode *i, uint64_t at, uint32_t size,
         const struct fs_mover *from, uint32_t *count)
{
    struct fs *fs = i->fs;
    uint64_t most = file_size_max(fs);

    *count = 0;
    if (!inode_is(i, MODE_FILE))
        return inode_is(i, MODE_DIRECTORY) ? EISDIR : EINVAL;
    if (at >= most && size > 0)
        return EFBIG;
    size = least(size, most - at);
    int32_t error = change_begin(fs, CHANGE);
    if (error == 0 && at > i->size)
        error = zero_tail(i);
    if (error == 0)
        error = write_blocks(i, at, size, from, count);
    error = change_end(fs, error);
    return *count > 0 && !fs->broken ? 0 : error;
}

int32_t
fs_sync(struct inode *i, bool data)
{
    struct fs *fs = i->fs;

    if (fs->broken)
        return EIO;
    if (fs->read_only)
        return 0;
    if (!data || i->data_sequence == fs->journal.sequence)
        return fs_commit(fs);
    int32_t error = cache_write(fs, BUFFER_DIRTY);
    if (error == 0 && fs->unflushed)
        error = disk_flush(fs);
    if (error != 0)
        fs_break(fs, "the disk does not take what is written");
    return error;
}
