// user/diskfs/names.c: names in directories: looking them up, making and
// removing what they name.  Each is one change: it is there as a whole or not
// at all.

#include "diskfs.h"

#include <errno.h>
#include <string.h>

static int32_t
check_place(const struct inode *dir, uint32_t size)
{
    if (!inode_is(dir, MODE_DIRECTORY))
        return ENOTDIR;
    return size == 0 || size > NAME_MAX_SIZE ? ENAMETOOLONG : 0;
}

// It is none of those that have no name.
int32_t
name_inode(struct fs *fs, uint32_t number, struct inode **out)
{
    if (number < fs->first_inode)
        return fs_corrupt(fs, "an entry names what has no name");
    int32_t error = fs_get(fs, number, out);
    if (error == 0 && (*out)->links == 0) {
        fs_put(*out);
        error = fs_corrupt(fs, "an entry names what is free");
    }
    return error;
}

int32_t
fs_lookup(struct inode *dir, const uint8_t *name, uint32_t size,
          struct inode **out)
{
    struct search s = {.name = name, .size = size};
    int32_t error = check_place(dir, size);

    if (error != 0)
        return error;
    error = dir_search(dir, &s);
    if (error == 0 && s.found.b == NULL)
        error = ENOENT;
    if (error == 0)
        error = name_inode(dir->fs, s.inode, out);
    search_end(&s);
    return error;
}

// --- making ------------------------------------------------------------------

// The search for a new name; it has to be ended whatever comes out.
static int32_t
begin_new(struct inode *dir, struct search *s)
{
    int32_t error = check_place(dir, s->size);

    if (error == 0)
        error = change_begin(dir->fs, CHANGE);
    if (error == 0 && dir->links == 0)
        error = ENOENT;
    if (error == 0)
        error = dir_search(dir, s);
    if (error == 0 && s->found.b != NULL)
        error = EEXIST;
    return error;
}

static int32_t
put_target(struct inode *i, const uint8_t *target, uint32_t size)
{
    struct buffer *b;
    uint32_t block;
    bool fresh;

    i->size = size;
    if (size < sizeof(i->pointers)) {
        memcpy(i->pointers, target, size);
        return 0;
    }
    int32_t error = map_new(i, 0, &block, &fresh);
    if (error == 0)
        error = buffer_new(i->fs, block, &b);
    if (error != 0)
        return error;
    memcpy(b->data, target, size);
    meta_dirty(i->fs, b);
    return 0;
}

struct content { // of a symlink
    const uint8_t *target;
    uint32_t size;
};

// What a new inode is made of, and its name.
static int32_t
fill(struct inode *dir, const struct search *s, struct inode *i,
     const struct content *content)
{
    bool is_dir = inode_is(i, MODE_DIRECTORY);
    int32_t error = 0;

    i->links = is_dir ? 2 : 1;
    if (is_dir)
        error = dir_make(i, dir->number);
    else if (content != NULL)
        error = put_target(i, content->target, content->size);
    if (error == 0)
        error = inode_store(i);
    if (error == 0)
        error = dir_insert(dir, s, i->number, i->mode);
    if (error != 0 || !is_dir)
        return error;
    dir->links++;
    return inode_store(dir);
}

static int32_t
make(struct inode *dir, const struct search *s, uint32_t mode,
     const struct content *content, struct inode **out)
{
    struct fs *fs = dir->fs;
    uint32_t number, group = (dir->number - 1) / fs->group_inodes;
    bool is_dir = (mode & MODE_TYPE) == MODE_DIRECTORY;
    struct inode *i = NULL;

    if (is_dir && dir->links >= LINKS_MAX)
        return EMLINK;
    int32_t error = inode_alloc(fs, group, is_dir, &number);
    if (error == 0)
        error = inode_new(fs, number, mode, &i);
    if (error == 0)
        error = fill(dir, s, i, content);
    *out = i;
    if (error == 0 || i == NULL)
        return error;
    i->links = 0; // and when it is dropped all of it goes
    int32_t other = orphan_add(i);
    if (other == 0)
        other = inode_store(i);
    return other != 0 ? other : error;
}

static int32_t
create(struct inode *dir, struct search *s, uint32_t mode,
       const struct content *content, struct inode **out)
{
    struct inode *i = NULL;
    int32_t error = begin_new(dir, s);

    if (error == 0)
        error = make(dir, s, mode, content, &i);
    search_end(s);
    error = change_end(dir->fs, error);
    if (error == 0)
        *out = i;
    else if (i != NULL)
        fs_put(i);
    return error;
}

int32_t
fs_create(struct inode *dir, const uint8_t *name, uint32_t size, uint32_t mode,
          struct inode **out)
{
    struct search s = {.name = name, .size = size};

    return create(dir, &s, mode, NULL, out);
}

int32_t
fs_symlink(struct inode *dir, const uint8_t *name, uint32_t size,
           const uint8_t *target, uint32_t target_size)
{
    const struct content content = {target, target_size};
    struct search s = {.name = name, .size = size};
    struct inode *i;

    if (target_size == 0)
        return ENOENT;
    if (target_size >= dir->fs->block_size)
        return ENAMETOOLONG;
    int32_t error = create(dir, &s, MODE_SYMLINK | 0777, &content, &i);
    if (error == 0)
        fs_put(i);
    return error;
}

int32_t
fs_link(struct inode *dir, const uint8_t *name, uint32_t size, struct inode *i)
{
    struct search s = {.name = name, .size = size};
    int32_t error = inode_is(i, MODE_DIRECTORY) ? EPERM : begin_new(dir, &s);

    if (error == 0 && i->links == 0)
        error = ENOENT;
    if (error == 0 && i->links >= LINKS_MAX)
        error = EMLINK;
    if (error == 0)
        error = dir_insert(dir, &s, i->number, i->mode);
    if (error == 0) {
        i->links++;
        i->ctime = i->fs->options.now();
        error = inode_store(i);
    }
    search_end(&s);
    return change_end(dir->fs, error);
}

// --- removing ----------------------------------------------------------------

int32_t
name_gone(struct inode *dir, struct inode *i)
{
    bool is_dir = inode_is(i, MODE_DIRECTORY);

    if (is_dir && dir->links <= 2)
        return fs_corrupt(dir->fs, "a directory has more in it than it says");
    i->links = is_dir ? 0 : i->links - 1;
    i->ctime = i->fs->options.now();
    int32_t error = i->links == 0 ? orphan_add(i) : 0;
    if (error == 0)
        error = inode_store(i);
    if (error != 0 || !is_dir)
        return error;
    dir->links--;
    return inode_store(dir);
}

int32_t
name_may_go(struct inode *i)
{
    bool empty = true;
    int32_t error = inode_is(i, MODE_DIRECTORY) ? dir_is_empty(i, &empty) : 0;

    return error == 0 && !empty ? ENOTEMPTY : error;
}

int32_t
fs_remove(struct inode *dir, const uint8_t *name, uint32_t size)
{
    struct search s = {.name = name, .size = size};
    struct inode *i = NULL;
    int32_t error = check_place(dir, size);

    if (error == 0)
        error = change_begin(dir->fs, CHANGE);
    if (error != 0)
        return error;
    error = dir_search(dir, &s);
    if (error == 0 && s.found.b == NULL)
        error = ENOENT;
    if (error == 0)
        error = name_inode(dir->fs, s.inode, &i);
    if (error == 0)
        error = name_may_go(i);
    if (error == 0)
        error = dir_remove(dir, &s);
    if (error == 0)
        error = name_gone(dir, i);
    search_end(&s);
    error = change_end(dir->fs, error);
    if (i != NULL)
        fs_put(i);
    return error;
}
