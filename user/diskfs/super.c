// user/diskfs/super.c: from a disk to a file system, and back.  What the
// superblock and the groups say is checked before anything else is read.

#include "diskfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// --- what cannot be ----------------------------------------------------------

void
fs_break(struct fs *fs, const char *why)
{
    if (!fs->broken && fs->mounted && fs->options.say != NULL)
        fs->options.say(why);
    fs->broken = true;
}

int32_t
fs_corrupt(struct fs *fs, const char *what)
{
    fs->why = what;
    fs_break(fs, what);
    return EIO;
}

static uint32_t
super_block(const struct fs *fs)
{
    return SUPER_AT / fs->block_size;
}

struct super *
fs_super(struct fs *fs, struct buffer **b)
{
    if (buffer_get(fs, super_block(fs), b) != 0)
        return NULL;
    return (struct super *)((*b)->data + SUPER_AT % fs->block_size);
}

// --- reading -----------------------------------------------------------------

static int32_t
refuse(struct fs *fs, const char *why)
{
    fs->why = why;
    return EINVAL;
}

static int32_t
check_features(struct fs *fs, const struct super *s)
{
    uint32_t incompat = s->revision > 0 ? s->incompat : 0;
    uint32_t ro_compat = s->revision > 0 ? s->ro_compat : 0;

    if ((incompat & 0x40) != 0)
        return refuse(fs, "it has extents (ext4), which are not known here");
    if ((incompat & ~INCOMPAT_KNOWN) != 0)
        return refuse(fs, "it has features that are not known here");
    if ((ro_compat & ~RO_COMPAT_KNOWN) != 0 && !fs->read_only) {
        if (fs->options.say != NULL)
            fs->options.say("it has features that are not known here: it can "
                            "only be read");
        fs->read_only = true;
    }
    fs->has_types = (incompat & INCOMPAT_FILETYPE) != 0;
    fs->sparse = (ro_compat & RO_COMPAT_SPARSE) != 0;
    return 0;
}

static bool
is_power_of_two(uint32_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

// Whether the numbers of the superblock go together.
static bool
is_sound(const struct fs *fs, const struct super *s)
{
    uint32_t bits = 8 * fs->block_size;

    return s->first_block == (fs->block_size == 1024) &&
           s->blocks > s->first_block + 8 && s->group_blocks >= 64 &&
           s->group_blocks <= bits && s->group_blocks % 8 == 0 &&
           s->group_inodes > 0 && s->group_inodes <= bits &&
           s->group_inodes % 8 == 0 && fs->inode_size >= OLD_INODE_SIZE &&
           fs->inode_size <= fs->block_size &&
           is_power_of_two(fs->inode_size) &&
           (uint64_t)fs->groups * s->group_inodes == s->inodes &&
           fs->first_inode >= OLD_FIRST_INODE && fs->first_inode < s->inodes &&
           s->free_blocks <= s->blocks && s->free_inodes <= s->inodes &&
           s->reserved_descs <= fs->block_size / 4;
}

static int32_t
read_super(struct fs *fs)
{
    struct super s;
    uint8_t sector[2 * 512];
    const struct disk_part part = {SUPER_AT, sector, sizeof(sector)};

    if (fs->disk->size < 64 * 1024)
        return refuse(fs, "the disk is too small");
    int32_t error = fs->disk->move(fs->disk, &part, 1, false);
    if (error != 0) {
        fs->why = "the disk cannot be read";
        return error;
    }
    memcpy(&s, sector, sizeof(s));
    if (s.magic != SUPER_MAGIC)
        return refuse(fs, "there is no ext2 or ext3 on it");
    if (s.block_size_log > 2)
        return refuse(fs, "its blocks are larger than 4096 bytes");
    error = check_features(fs, &s);
    if (error != 0)
        return error;
    fs->block_size = 1024u << s.block_size_log;
    fs->blocks = s.blocks;
    fs->first_block = s.first_block;
    fs->group_blocks = s.group_blocks;
    fs->group_inodes = s.group_inodes;
    fs->inodes = s.inodes;
    fs->inode_size = s.revision > 0 ? s.inode_size : OLD_INODE_SIZE;
    fs->first_inode = s.revision > 0 ? s.first_inode : OLD_FIRST_INODE;
    fs->reserved_descs = (s.compat & COMPAT_RESIZE) != 0 ? s.reserved_descs : 0;
    if (s.group_blocks == 0 || s.blocks <= s.first_block)
        return refuse(fs, "its superblock has numbers that cannot be");
    fs->groups =
        (uint32_t)(((uint64_t)s.blocks - s.first_block + s.group_blocks - 1) /
                   s.group_blocks);
    fs->desc_blocks =
        (uint32_t)(((uint64_t)fs->groups * DESC_SIZE + fs->block_size - 1) /
                   fs->block_size);
    if (!is_sound(fs, &s))
        return refuse(fs, "its superblock has numbers that cannot be");
    if ((uint64_t)s.blocks * fs->block_size > fs->disk->size)
        return refuse(fs, "the disk is smaller than its file system");
    return 0;
}

// Bitmaps and inodes lie in their own group, behind what is there in any case.
static bool
is_placed(const struct fs *fs, uint32_t group, const struct group_place *p)
{
    uint32_t start = fs->first_block + group * fs->group_blocks;
    uint32_t size = fs->blocks - start;
    uint32_t table = (uint32_t)(((uint64_t)fs->group_inodes * fs->inode_size +
                                 fs->block_size - 1) /
                                fs->block_size);
    uint32_t from = 0;

    if (size > fs->group_blocks)
        size = fs->group_blocks;
    if (group_has_super(fs, group))
        from = 1 + fs->desc_blocks + fs->reserved_descs;
    uint32_t blocks = p->block_bitmap - start, inodes = p->inode_bitmap - start;
    uint32_t nodes = p->inode_table - start;
    return blocks >= from && blocks < size && inodes >= from && inodes < size &&
           nodes >= from && table <= size && nodes <= size - table &&
           blocks != inodes && blocks - nodes >= table &&
           inodes - nodes >= table;
}

static int32_t
read_groups(struct fs *fs)
{
    if (fs->places == NULL)
        fs->places = calloc(fs->groups, sizeof(*fs->places));
    if (fs->places == NULL)
        return ENOMEM;
    for (uint32_t i = 0; i < fs->groups; i++) {
        struct group_place *p = &fs->places[i];
        struct group_desc *desc;
        struct buffer *b;
        int32_t error = desc_get(fs, i, &b, &desc);
        if (error != 0)
            return error;
        p->block_bitmap = desc->block_bitmap;
        p->inode_bitmap = desc->inode_bitmap;
        p->inode_table = desc->inode_table;
        if (!is_placed(fs, i, p))
            return refuse(fs, "the place of a group's tables cannot be");
        cache_trim(fs);
    }
    return 0;
}

// --- starting ----------------------------------------------------------------

static void
forget_all(struct fs *fs)
{
    while (fs->clean.next != &fs->clean)
        buffer_drop(fs, fs->clean.next);
}

// The journal may have had a superblock.
static int32_t
read_again(struct fs *fs)
{
    uint32_t block_size = fs->block_size, blocks = fs->blocks;
    uint32_t group_blocks = fs->group_blocks, inodes = fs->group_inodes;
    uint32_t inode_size = fs->inode_size, reserved = fs->reserved_descs;

    forget_all(fs);
    int32_t error = read_super(fs);
    if (error != 0)
        return error;
    if (block_size != fs->block_size || blocks != fs->blocks ||
        group_blocks != fs->group_blocks || inodes != fs->group_inodes ||
        inode_size != fs->inode_size || reserved != fs->reserved_descs ||
        fs->read_only)
        return refuse(fs, "its journal makes another file system of it");
    return read_groups(fs);
}

// Let there be nothing in the journal.
static int32_t
recover(struct fs *fs)
{
    struct log_super *log = (struct log_super *)fs->journal.super;
    int32_t error = 0;

    if (log->start == 0)
        return 0;
    if (fs->read_only)
        return refuse(fs, "it was not ended in order, and what its journal has "
                          "cannot be written");
    error = journal_replay(fs, log);
    return error == 0 ? read_again(fs) : error;
}

// Does it say of itself that something is wrong?
static void
heed_state(struct fs *fs, const struct super *s)
{
    const char *why = NULL;

    if ((s->state & STATE_ERRORS) != 0)
        why = "it has errors: it can only be read until e2fsck has been there";
    else if ((s->state & STATE_VALID) == 0 && fs->journal.map == NULL)
        why = "it was not ended in order and has no journal: it can only be "
              "read until e2fsck has been there";
    if (why == NULL || fs->read_only)
        return;
    if (fs->options.say != NULL)
        fs->options.say(why);
    fs->read_only = true;
}

// The disk says from now on that it is in use.
static int32_t
begin_writing(struct fs *fs)
{
    struct buffer *b;
    struct super *s = fs_super(fs, &b);

    if (s == NULL)
        return EIO;
    if (fs->journal.map != NULL)
        s->incompat |= INCOMPAT_RECOVER;
    else
        s->state &= (uint16_t)~STATE_VALID;
    s->mounts++;
    s->mounted = s->written = (uint32_t)(fs->options.now() / 1000000000);
    buffer_mark(fs, b, BUFFER_DIRTY);
    int32_t error = cache_write(fs, BUFFER_DIRTY);
    if (error == 0)
        error = disk_flush(fs);
    if (error == 0)
        error = journal_start(fs);
    return error == 0 ? orphans_end(fs) : error;
}

static int32_t
mount(struct fs *fs)
{
    struct buffer *b;
    int32_t error = read_super(fs);

    if (error == 0)
        error = cache_new(fs);
    if (error == 0)
        error = read_groups(fs);
    if (error != 0)
        return error;
    struct super *s = fs_super(fs, &b);
    if (s == NULL)
        return EIO;
    if ((s->compat & COMPAT_JOURNAL) != 0 && s->journal_inode != 0) {
        error = journal_open(fs, s->journal_inode);
        if (error == 0)
            error = recover(fs);
    } else if ((s->incompat & INCOMPAT_RECOVER) != 0 ||
               (s->compat & COMPAT_JOURNAL) != 0) {
        error = refuse(fs, "its journal is not on it");
    }
    if (error != 0)
        return error;
    s = fs_super(fs, &b);
    if (s == NULL)
        return EIO;
    heed_state(fs, s);
    return fs->read_only ? 0 : begin_writing(fs);
}

static void
free_fs(struct fs *fs)
{
    inode_free_all(fs);
    journal_free(fs);
    cache_free(fs);
    free(fs->places);
    free(fs);
}

int32_t
fs_mount(struct fs **out, struct disk *disk, const struct fs_options *options,
         const char **why)
{
    struct fs *fs = calloc(1, sizeof(*fs));
    struct inode *root;

    *why = "there is not enough memory";
    if (fs == NULL)
        return ENOMEM;
    fs->disk = disk;
    fs->options = *options;
    fs->read_only = options->read_only || disk->read_only;
    int32_t error = mount(fs);
    if (error == 0)
        error = fs_get(fs, ROOT_INODE, &root);
    if (error == 0) {
        if (!inode_is(root, MODE_DIRECTORY))
            error = fs_corrupt(fs, "its root is no directory");
        fs_put(root);
    }
    if (error == 0) {
        fs->mounted = true;
        *out = fs;
        return 0;
    }
    *why = fs->why != NULL ? fs->why :
           error == EIO    ? "the disk cannot be read" :
                             *why;
    free_fs(fs);
    return error;
}

// --- ending ------------------------------------------------------------------

// So that e2fsck looks at all of it; whether that arrives or not.
static void
leave_broken(struct fs *fs)
{
    struct super *s;
    uint8_t *block = malloc(fs->block_size);

    if (block != NULL && disk_block(fs, super_block(fs), block, false) == 0) {
        s = (struct super *)(block + SUPER_AT % fs->block_size);
        s->state |= STATE_ERRORS;
        if (disk_block(fs, super_block(fs), block, true) == 0 &&
            journal_end(fs, EIO) == 0)
            (void)disk_flush(fs);
    }
    free(block);
}

static int32_t
end_writing(struct fs *fs)
{
    struct buffer *b;
    int32_t error = fs_commit(fs);

    if (error == 0)
        error = journal_end(fs, 0);
    struct super *s = error == 0 ? fs_super(fs, &b) : NULL;
    if (s == NULL)
        return EIO;
    if (fs->journal.map != NULL)
        s->incompat &= ~(uint32_t)INCOMPAT_RECOVER;
    else
        s->state |= STATE_VALID;
    s->written = (uint32_t)(fs->options.now() / 1000000000);
    buffer_mark(fs, b, BUFFER_DIRTY);
    error = cache_write(fs, BUFFER_DIRTY);
    return error == 0 ? disk_flush(fs) : error;
}

int32_t
fs_unmount(struct fs *fs)
{
    int32_t error = 0;

    if (!fs->read_only && !fs->broken)
        error = end_writing(fs);
    else if (!fs->read_only)
        error = EIO;
    if (error != 0)
        leave_broken(fs);
    free_fs(fs);
    return error;
}
