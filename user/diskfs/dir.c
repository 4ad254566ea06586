// user/diskfs/dir.c: directories: blocks of entries, each of which reaches to
// the next one or to the end of its block.  One that has a tree of hashes looks
// the same to who does not know of it; where an entry is added the tree is
// given up, by its flag.

#include "diskfs.h"

#include <errno.h>
#include <string.h>

enum { AHEAD = 16, ENTRY = sizeof(struct raw_entry) };

static uint32_t
entry_size(uint32_t name_size)
{
    return (ENTRY + name_size + 3) & ~3u;
}

// The entry at `at`, if it can be one.
static struct raw_entry *
entry_at(struct fs *fs, const struct buffer *b, uint32_t at)
{
    struct raw_entry *e = (struct raw_entry *)(b->data + at);

    if (at + ENTRY > fs->block_size || e->size % 4 != 0 ||
        e->size < entry_size(e->name_size) || e->size < entry_size(1) ||
        e->size > fs->block_size - at || e->inode > fs->inodes ||
        (!fs->has_types && e->type != 0 && e->inode != 0)) {
        (void)fs_corrupt(fs, "an entry of a directory cannot be");
        return NULL;
    }
    return e;
}

static uint32_t
block_count(const struct inode *dir)
{
    return (uint32_t)(dir->size / dir->fs->block_size);
}

// The block of the directory, and where it has to be read, those after it.
static int32_t
get_block(struct inode *dir, uint32_t index, struct buffer **b)
{
    struct fs *fs = dir->fs;
    uint32_t blocks[AHEAD], count = block_count(dir) - index;
    int32_t error = map_block(dir, index, &blocks[0]);

    if (error == 0 && blocks[0] == 0)
        error = fs_corrupt(fs, "a directory has a hole");
    if (error != 0)
        return error;
    *b = cache_find(fs, blocks[0]);
    if (*b != NULL)
        return 0;
    count = count < AHEAD ? count : AHEAD;
    for (uint32_t i = 1; i < count && error == 0; i++)
        error = map_block(dir, index + i, &blocks[i]);
    if (error == 0)
        error = cache_fill(fs, blocks, count);
    return error == 0 ? buffer_get(fs, blocks[0], b) : error;
}

// --- looking -----------------------------------------------------------------

static void
keep(struct slot *slot, struct buffer *b, uint32_t at, uint32_t previous)
{
    *slot = (struct slot){b, at, previous};
    b->held++;
}

static bool
is_named(const struct raw_entry *e, const struct search *s)
{
    return e->inode != 0 && e->name_size == s->size &&
           memcmp((const uint8_t *)e + ENTRY, s->name, s->size) == 0;
}

static bool
has_room(const struct raw_entry *e, uint32_t size)
{
    uint32_t used = e->inode != 0 ? entry_size(e->name_size) : 0;

    return e->size - used >= entry_size(size);
}

static int32_t
search_block(struct fs *fs, struct buffer *b, struct search *s)
{
    uint32_t previous = 0;

    for (uint32_t at = 0; at < fs->block_size;) {
        const struct raw_entry *e = entry_at(fs, b, at);
        if (e == NULL)
            return EIO;
        if (s->room.b == NULL && has_room(e, s->size))
            keep(&s->room, b, at, previous);
        if (is_named(e, s)) {
            s->inode = e->inode;
            keep(&s->found, b, at, previous);
            return 0;
        }
        previous = at;
        at += e->size;
    }
    return 0;
}

int32_t
dir_search(struct inode *dir, struct search *s)
{
    struct fs *fs = dir->fs;
    uint32_t count = block_count(dir);
    int32_t error = 0;

    s->found.b = s->room.b = NULL;
    for (uint32_t i = 0; i < count && s->found.b == NULL && error == 0; i++) {
        struct buffer *b;
        cache_trim(fs);
        error = get_block(dir, i, &b);
        if (error == 0)
            error = search_block(fs, b, s);
    }
    return error;
}

void
search_end(struct search *s)
{
    if (s->found.b != NULL)
        s->found.b->held--;
    if (s->room.b != NULL)
        s->room.b->held--;
    s->found.b = s->room.b = NULL;
}

int32_t
dir_is_empty(struct inode *dir, bool *empty)
{
    struct fs *fs = dir->fs;

    *empty = true;
    for (uint32_t i = 0; i < block_count(dir) && *empty; i++) {
        struct buffer *b;
        int32_t error = get_block(dir, i, &b);
        if (error != 0)
            return error;
        for (uint32_t at = 0; at < fs->block_size && *empty;) {
            const struct raw_entry *e = entry_at(fs, b, at);
            if (e == NULL)
                return EIO;
            const uint8_t *name = (const uint8_t *)e + ENTRY;
            bool dots =
                e->name_size <= 2 && memcmp(name, "..", e->name_size) == 0;
            *empty = e->inode == 0 || dots;
            at += e->size;
        }
    }
    return 0;
}

// --- listing -----------------------------------------------------------------

static uint32_t
mode_of(uint8_t type)
{
    return type == TYPE_FILE      ? MODE_FILE :
           type == TYPE_DIRECTORY ? MODE_DIRECTORY :
           type == TYPE_SYMLINK   ? MODE_SYMLINK :
                                    0;
}

static uint8_t
type_of(const struct fs *fs, uint32_t mode)
{
    mode &= MODE_TYPE;
    if (!fs->has_types)
        return 0;
    for (uint8_t type = TYPE_FILE; type <= TYPE_SYMLINK; type++)
        if (mode_of(type) == mode && mode != 0)
            return type;
    return mode == 0020000 ? 3 :
           mode == 0060000 ? 4 :
           mode == 0010000 ? 5 :
           mode == 0140000 ? 6 :
                             0;
}

static int32_t
mode_of_entry(struct fs *fs, const struct raw_entry *e, uint32_t *mode)
{
    struct inode *i;

    *mode = mode_of(e->type);
    if (fs->has_types)
        return 0;
    int32_t error = fs_get(fs, e->inode, &i);
    if (error != 0)
        return error;
    *mode = i->mode & MODE_TYPE;
    fs_put(i);
    return 0;
}

int32_t
fs_list(struct inode *dir, uint64_t from,
        bool (*emit)(void *arg, const struct fs_entry *e), void *arg)
{
    struct fs *fs = dir->fs;
    bool more = true;

    if (!inode_is(dir, MODE_DIRECTORY))
        return ENOTDIR;
    for (uint64_t i = from / fs->block_size; more && i < block_count(dir);
         i++) {
        struct buffer *b;
        cache_trim(fs);
        int32_t error = get_block(dir, (uint32_t)i, &b);
        for (uint32_t at = 0; error == 0 && more && at < fs->block_size;) {
            const struct raw_entry *e = entry_at(fs, b, at);
            if (e == NULL)
                return EIO;
            struct fs_entry entry = {
                .next = i * fs->block_size + at + e->size,
                .inode = e->inode,
                .name = (const uint8_t *)e + ENTRY,
                .name_size = e->name_size,
            };
            bool shown = e->inode != 0 && i * fs->block_size + at >= from;
            at += e->size;
            if (shown)
                error = mode_of_entry(fs, e, &entry.mode);
            if (shown && error == 0)
                more = emit(arg, &entry);
        }
        if (error != 0)
            return error;
    }
    return 0;
}

// --- changes -----------------------------------------------------------------

static void
put_entry(const struct fs *fs, struct raw_entry *e, uint32_t inode,
          uint32_t mode, const void *name, uint32_t size)
{
    e->inode = inode;
    e->name_size = (uint8_t)size;
    e->type = type_of(fs, mode);
    memcpy((uint8_t *)e + ENTRY, name, size);
}

static int32_t
append_block(struct inode *dir, struct buffer **b)
{
    struct fs *fs = dir->fs;
    uint32_t block;
    bool fresh;

    if (dir->size + fs->block_size > INT32_MAX)
        return ENOSPC;
    int32_t error = map_new(dir, block_count(dir), &block, &fresh);
    if (error == 0 && !fresh)
        error = fs_corrupt(fs, "a directory has blocks behind its end");
    if (error == 0)
        error = buffer_new(fs, block, b);
    if (error != 0)
        return error;
    dir->size += fs->block_size;
    ((struct raw_entry *)(*b)->data)->size = (uint16_t)fs->block_size;
    meta_dirty(fs, *b);
    return 0;
}

int32_t
dir_insert(struct inode *dir, const struct search *s, uint32_t inode,
           uint32_t mode)
{
    struct fs *fs = dir->fs;
    struct buffer *b = s->room.b;
    uint32_t at = b != NULL ? s->room.at : 0;
    int32_t error = b == NULL ? append_block(dir, &b) : 0;

    if (error != 0) {
        int32_t other = inode_store(dir); // pointers may be there already
        return other != 0 ? other : error;
    }
    struct raw_entry *e = (struct raw_entry *)(b->data + at);
    if (e->inode != 0) {
        uint32_t used = entry_size(e->name_size), size = e->size;
        e->size = (uint16_t)used;
        e = (struct raw_entry *)(b->data + at + used);
        e->size = (uint16_t)(size - used);
    }
    put_entry(fs, e, inode, mode, s->name, s->size);
    meta_dirty(fs, b);
    dir->flags &= ~(uint32_t)FLAG_INDEX;
    inode_touch(dir);
    return inode_store(dir);
}

int32_t
dir_remove(struct inode *dir, const struct search *s)
{
    const struct slot *found = &s->found;
    struct raw_entry *e = (struct raw_entry *)(found->b->data + found->at);
    struct raw_entry *before =
        (struct raw_entry *)(found->b->data + found->previous);

    if (before != e)
        before->size += e->size;
    e->inode = 0;
    meta_dirty(dir->fs, found->b);
    inode_touch(dir);
    return inode_store(dir);
}

int32_t
dir_replace(struct inode *dir, const struct search *s, uint32_t inode,
            uint32_t mode)
{
    struct raw_entry *e = (struct raw_entry *)(s->found.b->data + s->found.at);

    e->inode = inode;
    e->type = type_of(dir->fs, mode);
    meta_dirty(dir->fs, s->found.b);
    inode_touch(dir);
    return inode_store(dir);
}

// --- "." and ".." ------------------------------------------------------------

int32_t
dir_make(struct inode *dir, uint32_t parent)
{
    struct fs *fs = dir->fs;
    struct buffer *b;
    int32_t error = append_block(dir, &b);

    if (error != 0)
        return error;
    struct raw_entry *e = (struct raw_entry *)b->data;
    put_entry(fs, e, dir->number, MODE_DIRECTORY, ".", 1);
    e->size = (uint16_t)entry_size(1);
    struct raw_entry *up = (struct raw_entry *)(b->data + e->size);
    put_entry(fs, up, parent, MODE_DIRECTORY, "..", 2);
    up->size = (uint16_t)(fs->block_size - e->size);
    return inode_store(dir);
}

static int32_t
find_parent(struct inode *dir, struct search *s)
{
    *s = (struct search){.name = (const uint8_t *)"..", .size = 2};
    int32_t error = dir_search(dir, s);
    if (error == 0 && s->found.b == NULL)
        error = fs_corrupt(dir->fs, "a directory has no ..");
    return error;
}

int32_t
dir_parent(struct inode *dir, uint32_t *parent)
{
    struct search s;
    int32_t error = find_parent(dir, &s);

    *parent = s.inode;
    search_end(&s);
    return error;
}

int32_t
dir_set_parent(struct inode *dir, uint32_t parent)
{
    struct search s;
    int32_t error = find_parent(dir, &s);

    if (error == 0)
        error = dir_replace(dir, &s, parent, MODE_DIRECTORY);
    search_end(&s);
    return error;
}
