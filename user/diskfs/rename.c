// user/diskfs/rename.c: what has a name gets another one, over what has that,
// in one transaction.

#include "diskfs.h"

#include <errno.h>
#include <stddef.h>

enum { DEPTH_MAX = 100000 }; // of directories in each other

struct renaming {
    struct inode *from, *to;    // directories
    struct search old, new;     // the names in them
    struct inode *moved, *over; // `over` may be NULL
};

// Would the directory be in itself?
static int32_t
check_cycle(const struct renaming *r)
{
    struct fs *fs = r->to->fs;
    uint32_t number = r->to->number;

    for (uint32_t i = 0; number != ROOT_INODE; i++) {
        struct inode *dir;
        if (number == r->moved->number)
            return EINVAL;
        if (i == DEPTH_MAX)
            return fs_corrupt(fs, "directories are in each other");
        int32_t error = fs_get(fs, number, &dir);
        if (error != 0)
            return error;
        error = inode_is(dir, MODE_DIRECTORY) ?
                    dir_parent(dir, &number) :
                    fs_corrupt(fs, "what has a .. is no directory");
        fs_put(dir);
        if (error != 0)
            return error;
    }
    return 0;
}

static int32_t
check(const struct renaming *r)
{
    bool is_dir = inode_is(r->moved, MODE_DIRECTORY);
    int32_t error = 0;

    if (is_dir && r->from != r->to)
        error = check_cycle(r);
    if (error != 0)
        return error;
    if (r->over == NULL)
        return is_dir && r->from != r->to && r->to->links >= LINKS_MAX ?
                   EMLINK :
                   0;
    if (is_dir && !inode_is(r->over, MODE_DIRECTORY))
        return ENOTDIR;
    if (!is_dir && inode_is(r->over, MODE_DIRECTORY))
        return EISDIR;
    return name_may_go(r->over);
}

// The new name first; the old one may have moved by that.
static int32_t
change_names(struct renaming *r)
{
    struct inode *moved = r->moved;
    int32_t error =
        r->over != NULL ?
            dir_replace(r->to, &r->new, moved->number, moved->mode) :
            dir_insert(r->to, &r->new, moved->number, moved->mode);

    search_end(&r->old);
    if (error == 0)
        error = dir_search(r->from, &r->old);
    if (error == 0 && r->old.found.b == NULL)
        error = EIO;
    if (error == 0)
        error = dir_remove(r->from, &r->old);
    if (error == 0 && r->over != NULL)
        error = name_gone(r->to, r->over);
    return error;
}

static int32_t
change(struct renaming *r)
{
    struct inode *moved = r->moved;
    int32_t error = change_names(r);

    moved->ctime = moved->fs->options.now();
    if (error == 0)
        error = inode_store(moved);
    if (error != 0 || !inode_is(moved, MODE_DIRECTORY) || r->from == r->to)
        return error;
    if (r->from->links <= 2)
        return fs_corrupt(moved->fs, "a directory has more in it than it says");
    r->from->links--;
    r->to->links++;
    error = dir_set_parent(moved, r->to->number);
    if (error == 0)
        error = inode_store(r->from);
    return error == 0 ? inode_store(r->to) : error;
}

static int32_t
find(struct renaming *r)
{
    int32_t error = dir_search(r->from, &r->old);

    if (error == 0 && r->old.found.b == NULL)
        error = ENOENT;
    if (error == 0)
        error = dir_search(r->to, &r->new);
    if (error == 0)
        error = name_inode(r->from->fs, r->old.inode, &r->moved);
    if (error == 0 && r->new.found.b != NULL)
        error = name_inode(r->from->fs, r->new.inode, &r->over);
    return error;
}

int32_t
fs_rename(struct inode *from, const uint8_t *name, uint32_t size,
          struct inode *to, const uint8_t *new_name, uint32_t new_size)
{
    struct renaming r = {
        .from = from,
        .to = to,
        .old = {.name = name,     .size = size    },
        .new = {.name = new_name, .size = new_size},
    };
    struct fs *fs = from->fs;

    if (!inode_is(from, MODE_DIRECTORY) || !inode_is(to, MODE_DIRECTORY))
        return ENOTDIR;
    if (new_size == 0 || new_size > NAME_MAX_SIZE)
        return ENAMETOOLONG;
    int32_t error = change_begin(fs, CHANGE);
    if (error != 0)
        return error;
    error = to->links == 0 ? ENOENT : find(&r);
    if (error == 0 && r.moved != r.over) // else both name the same
        error = check(&r);
    if (error == 0 && r.moved != r.over)
        error = change(&r);
    search_end(&r.old);
    search_end(&r.new);
    error = change_end(fs, error);
    if (r.moved != NULL)
        fs_put(r.moved);
    if (r.over != NULL)
        fs_put(r.over);
    return error;
}
