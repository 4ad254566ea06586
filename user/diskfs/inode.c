// user/diskfs/inode.c: inodes that are held, what they say, and where the
// blocks of files are: twelve pointers, then one each to blocks of pointers, of
// two and of three levels.

#include "diskfs.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// --- on the disk -------------------------------------------------------------

static int32_t
raw_get(struct fs *fs, uint32_t number, struct buffer **b,
        struct raw_inode **raw)
{
    uint32_t at = (number - 1) % fs->group_inodes;
    uint32_t per_block = fs->block_size / fs->inode_size;
    const struct group_place *p = &fs->places[(number - 1) / fs->group_inodes];
    int32_t error = buffer_get(fs, p->inode_table + at / per_block, b);

    if (error == 0)
        *raw =
            (struct raw_inode *)((*b)->data + at % per_block * fs->inode_size);
    return error;
}

// So many bytes of what only larger inodes have are in use.
static uint32_t
extra_of(const struct fs *fs, const struct raw_inode *raw)
{
    uint32_t room = fs->inode_size - OLD_INODE_SIZE;

    return room > 0 && raw->extra <= room ? raw->extra : 0;
}

#define HAS(fs, raw, field)                \
    (extra_of(fs, raw) + OLD_INODE_SIZE >= \
     offsetof(struct raw_inode, field) + sizeof((raw)->field))

// Seconds from 1901 to 2446, the last two bits and ns in `extra`.
static uint64_t
time_of(uint32_t low, uint32_t extra)
{
    int64_t seconds = (int32_t)low + ((int64_t)(extra & 3) << 32);
    uint32_t ns = extra >> 2;

    return seconds < 0 ?
               0 :
               (uint64_t)seconds * 1000000000 + (ns < 1000000000 ? ns : 0);
}

static uint32_t
low_of(uint64_t ns, bool extra)
{
    uint64_t seconds = ns / 1000000000;
    uint64_t most = extra ? 0x37fffffff : INT32_MAX;

    return (uint32_t)(seconds < most ? seconds : most);
}

static uint32_t
extra_bits(uint64_t ns)
{
    uint64_t seconds = ns / 1000000000;
    uint32_t epoch = (uint32_t)((seconds + 0x80000000) >> 32) & 3;

    if (seconds > 0x37fffffff)
        return 3;
    return (uint32_t)(ns % 1000000000) << 2 | epoch;
}

static void
decode(struct inode *i, const struct raw_inode *raw)
{
    const struct fs *fs = i->fs;

    i->mode = raw->mode;
    i->links = raw->links;
    i->flags = raw->flags;
    i->sectors = raw->sectors;
    i->attributes = raw->attributes;
    i->dtime = raw->dtime;
    i->size = raw->size;
    if (inode_is(i, MODE_FILE))
        i->size |= (uint64_t)raw->size_high << 32;
    i->atime =
        time_of(raw->atime, HAS(fs, raw, atime_extra) ? raw->atime_extra : 0);
    i->mtime =
        time_of(raw->mtime, HAS(fs, raw, mtime_extra) ? raw->mtime_extra : 0);
    i->ctime =
        time_of(raw->ctime, HAS(fs, raw, ctime_extra) ? raw->ctime_extra : 0);
    memcpy(i->pointers, raw->pointers, sizeof(i->pointers));
}

static void
encode(const struct inode *i, struct raw_inode *raw)
{
    const struct fs *fs = i->fs;
    bool extra = HAS(fs, raw, atime_extra);

    raw->mode = i->mode;
    raw->links = i->links;
    raw->flags = i->flags;
    raw->sectors = i->sectors;
    raw->attributes = i->attributes;
    raw->dtime = i->dtime;
    raw->size = (uint32_t)i->size;
    if (inode_is(i, MODE_FILE))
        raw->size_high = (uint32_t)(i->size >> 32);
    raw->atime = low_of(i->atime, extra);
    raw->mtime = low_of(i->mtime, extra);
    raw->ctime = low_of(i->ctime, extra);
    if (HAS(fs, raw, ctime_extra))
        raw->ctime_extra = extra_bits(i->ctime);
    if (HAS(fs, raw, mtime_extra))
        raw->mtime_extra = extra_bits(i->mtime);
    if (extra)
        raw->atime_extra = extra_bits(i->atime);
    memcpy(raw->pointers, i->pointers, sizeof(i->pointers));
}

// A file larger than 2 GiB is a feature.
static int32_t
note_large(struct fs *fs)
{
    struct buffer *b;
    struct super *s = fs_super(fs, &b);

    if (s == NULL)
        return EIO;
    if (s->revision > 0 && (s->ro_compat & RO_COMPAT_LARGE) == 0) {
        s->ro_compat |= RO_COMPAT_LARGE;
        meta_dirty(fs, b);
    }
    return 0;
}

int32_t
inode_store(struct inode *i)
{
    struct raw_inode *raw;
    struct buffer *b;
    int32_t error = raw_get(i->fs, i->number, &b, &raw);

    if (error != 0)
        return error;
    encode(i, raw);
    meta_dirty(i->fs, b);
    return i->size > INT32_MAX && inode_is(i, MODE_FILE) ? note_large(i->fs) :
                                                           0;
}

// --- in memory ---------------------------------------------------------------

static struct inode **
bucket(struct fs *fs, uint32_t number)
{
    return &fs->inode_buckets[number % INODE_BUCKETS];
}

struct inode *
inode_find(struct fs *fs, uint32_t number)
{
    struct inode *i = *bucket(fs, number);

    while (i != NULL && i->number != number)
        i = i->chain;
    return i;
}

static struct inode *
add_inode(struct fs *fs, uint32_t number)
{
    struct inode *i = calloc(1, sizeof(*i));

    if (i == NULL)
        return NULL;
    i->fs = fs;
    i->number = number;
    i->references = 1;
    i->chain = *bucket(fs, number);
    *bucket(fs, number) = i;
    return i;
}

static void
free_inode(struct inode *i)
{
    struct inode **at = bucket(i->fs, i->number);

    while (*at != i)
        at = &(*at)->chain;
    *at = i->chain;
    free(i);
}

void
inode_free_all(struct fs *fs)
{
    for (uint32_t k = 0; k < INODE_BUCKETS; k++)
        while (fs->inode_buckets[k] != NULL)
            free_inode(fs->inode_buckets[k]);
}

static bool
is_possible(const struct inode *i)
{
    const struct fs *fs = i->fs;
    uint64_t most = (uint64_t)fs->blocks * fs->block_size;

    if (inode_is(i, MODE_DIRECTORY))
        return i->size <= most && i->size % fs->block_size == 0 && i->size > 0;
    if (inode_is(i, MODE_SYMLINK))
        return i->size > 0 && i->size < fs->block_size;
    return !inode_is(i, MODE_FILE) || i->size <= file_size_max(fs);
}

int32_t
fs_get(struct fs *fs, uint32_t number, struct inode **out)
{
    struct inode *i = inode_find(fs, number);
    struct raw_inode *raw;
    struct buffer *b;

    *out = i;
    if (i != NULL) {
        i->references++;
        return 0;
    }
    if (number == 0 || number > fs->inodes)
        return fs_corrupt(fs, "an inode is behind the last");
    int32_t error = raw_get(fs, number, &b, &raw);
    if (error != 0)
        return error;
    i = add_inode(fs, number);
    if (i == NULL)
        return ENOMEM;
    decode(i, raw);
    i->data_sequence = fs->journal.sequence; // it may have been that one
    if (!is_possible(i)) {
        free_inode(i);
        return fs_corrupt(fs, "an inode has a size that cannot be");
    }
    *out = i;
    return 0;
}

void
fs_put(struct inode *i)
{
    if (--i->references > 0)
        return;
    if (i->links == 0 && i->is_orphan)
        inode_delete(i);
    if (!i->is_orphan)
        free_inode(i);
}

int32_t
inode_new(struct fs *fs, uint32_t number, uint32_t mode, struct inode **out)
{
    uint64_t now = fs->options.now();
    struct raw_inode *raw;
    struct buffer *b;
    int32_t error = raw_get(fs, number, &b, &raw);

    if (error != 0)
        return error;
    struct inode *i = add_inode(fs, number);
    if (i == NULL)
        return ENOMEM;
    uint32_t generation = raw->generation + 1;
    memset(raw, 0, fs->inode_size);
    raw->generation = generation;
    if (fs->inode_size > OLD_INODE_SIZE) {
        raw->extra = EXTRA_SIZE;
        raw->born = low_of(now, true);
        raw->born_extra = extra_bits(now);
    }
    i->mode = (uint16_t)mode;
    i->atime = i->mtime = i->ctime = now;
    i->data_sequence = fs->journal.sequence;
    *out = i;
    return inode_store(i);
}

bool
inode_is(const struct inode *i, uint32_t type)
{
    return (i->mode & MODE_TYPE) == type;
}

bool
inode_is_short(const struct inode *i)
{
    uint32_t others = i->attributes != 0 ? i->fs->block_size / 512 : 0;

    return inode_is(i, MODE_SYMLINK) && i->sectors == others &&
           i->size < sizeof(i->pointers);
}

void
inode_touch(struct inode *i)
{
    i->mtime = i->ctime = i->fs->options.now();
}

int32_t
fs_set_times(struct inode *i, const uint64_t *atime, const uint64_t *mtime)
{
    struct fs *fs = i->fs;
    int32_t error = change_begin(fs, CHANGE);

    if (error != 0)
        return error;
    if (atime != NULL)
        i->atime = *atime;
    if (mtime != NULL)
        i->mtime = *mtime;
    i->ctime = fs->options.now();
    return change_end(fs, inode_store(i));
}

// --- where blocks are --------------------------------------------------------

uint32_t
map_path(const struct fs *fs, uint64_t index, uint32_t path[4])
{
    uint64_t per_block = fs->block_size / 4, span = per_block;

    if (index < DIRECT) {
        path[0] = (uint32_t)index;
        return 1;
    }
    index -= DIRECT;
    for (uint32_t level = 1; level <= 3; level++, span *= per_block) {
        if (index >= span) {
            index -= span;
            continue;
        }
        path[0] = DIRECT + level - 1;
        for (uint32_t k = level; k > 0; k--, index /= per_block)
            path[k] = (uint32_t)(index % per_block);
        return level + 1;
    }
    return 0;
}

// What the count of sectors can be, too: all blocks of pointers among them.
uint64_t
file_size_max(const struct fs *fs)
{
    uint64_t n = fs->block_size / 4;
    uint64_t blocks = DIRECT + n + n * n + n * n * n;
    uint64_t counted = UINT32_MAX / (fs->block_size / 512);

    counted -= counted / n + counted / n / n + 8;
    return (blocks < counted ? blocks : counted) * fs->block_size;
}

int32_t
map_block(struct inode *i, uint64_t index, uint32_t *block)
{
    struct fs *fs = i->fs;
    uint32_t path[4], depth = map_path(fs, index, path);
    struct buffer *b;

    *block = 0;
    if (depth == 0)
        return EFBIG;
    uint32_t at = i->pointers[path[0]];
    for (uint32_t k = 1; k < depth && at != 0; k++) {
        if (!block_is_data(fs, at))
            return fs_corrupt(fs, "a pointer of a file is none to its blocks");
        int32_t error = buffer_get(fs, at, &b);
        if (error != 0)
            return error;
        memcpy(&at, b->data + 4 * path[k], sizeof(at));
    }
    if (at != 0 && !block_is_data(fs, at))
        return fs_corrupt(fs, "a pointer of a file is none to its blocks");
    *block = at;
    return 0;
}

// Where a new block would best be.
static uint32_t
goal_of(const struct inode *i, const uint8_t *pointers, uint32_t at,
        uint32_t above)
{
    const struct fs *fs = i->fs;
    uint32_t before = 0;

    if (at > 0)
        memcpy(&before, pointers + 4 * (at - 1), sizeof(before));
    if (before == 0)
        before = above;
    if (before != 0)
        return before + 1;
    return fs->first_block +
           (i->number - 1) / fs->group_inodes * fs->group_blocks;
}

// A block for the pointer at `at` of the inode, or of the buffer `b`.
static int32_t
add_block(struct inode *i, struct buffer *b, uint32_t at, bool is_data,
          uint32_t *out)
{
    struct fs *fs = i->fs;
    uint8_t *pointers = b != NULL ? b->data : (uint8_t *)i->pointers;
    uint32_t goal = goal_of(i, pointers, at, b != NULL ? b->block : 0);
    struct buffer *new;
    int32_t error = block_alloc(fs, goal, out);

    if (error == 0 && !is_data) {
        error = buffer_new(fs, *out, &new);
        if (error == 0)
            meta_dirty(fs, new);
    }
    if (error != 0)
        return error;
    memcpy(pointers + 4 * at, out, sizeof(*out));
    i->sectors += fs->block_size / 512;
    i->data_sequence = fs->journal.sequence;
    if (b != NULL)
        meta_dirty(fs, b);
    return 0;
}

int32_t
map_new(struct inode *i, uint64_t index, uint32_t *block, bool *fresh)
{
    struct fs *fs = i->fs;
    uint32_t path[4], depth = map_path(fs, index, path);
    struct buffer *b = NULL;
    int32_t error = depth == 0 ? EFBIG : 0;

    *fresh = false;
    for (uint32_t k = 0; k < depth && error == 0; k++) {
        const uint8_t *pointers = b != NULL ? b->data : (uint8_t *)i->pointers;
        uint32_t at;
        memcpy(&at, pointers + 4 * path[k], sizeof(at));
        if (at == 0) {
            *fresh = k + 1 == depth;
            error = add_block(i, b, path[k], *fresh, &at);
        } else if (!block_is_data(fs, at)) {
            error = fs_corrupt(fs, "a pointer of a file is none to its blocks");
        }
        if (error == 0 && k + 1 < depth)
            error = buffer_get(fs, at, &b);
        *block = at;
    }
    return error;
}
