// wasi/tree.c: a file system in memory, as the calls see it (struct node_ops).
//
// One lock for all of it, taken by whoever calls (node_ops.lock).  A tree in
// which nothing is writable never changes and is not locked.  Files and names
// may be of any size and number: what a call does under the lock takes about as
// long as to copy the bytes it was given, and what it left to be freed is freed
// some at a time when it unlocks.

#include "wasi/tree.h"

struct node *
tree_root(struct tree *tree)
{
    return &tree->root->node;
}

struct bytes
tree_data(struct node *n)
{
    const struct contents *c = &tree_node(n)->contents;

    assert(c->size == c->base.size);
    return c->base;
}

// --- the lock ----------------------------------------------------------------

static void
lock_tree(struct tree *tree)
{
    if (tree->writable)
        mutex_lock_always(&tree->lock);
}

static void
unlock_tree(struct tree *tree)
{
    struct swept swept = {.count = 0};
    bool more = tree->writable;

    while (more) {
        more = pool_sweep(&tree->pool, &swept);
        mutex_unlock(&tree->lock);
        pool_swept(&swept);
        if (more)
            mutex_lock_always(&tree->lock);
    }
}

static void
tree_lock(struct node *n)
{
    lock_tree(tree_node(n)->tree);
}

static void
tree_unlock(struct node *n)
{
    unlock_tree(tree_node(n)->tree);
}

static void
tree_hold(struct node *n)
{
    count_up(&tree_node(n)->refs);
}

static void
tree_drop(struct node *n)
{
    struct tree *tree = tree_node(n)->tree;

    lock_tree(tree);
    node_unref(tree_node(n));
    unlock_tree(tree);
}

// --- reading -----------------------------------------------------------------

static errno_t
tree_stat(struct node *node, struct filestat *out)
{
    struct tree_node *n = tree_node(node);

    *out = (struct filestat){
        .device = 1,
        .inode = n->inode,
        .links = n->links,
        .size = node->type == FILETYPE_SYMBOLIC_LINK ? n->target.len :
                                                       n->contents.size,
        .atime = n->atime,
        .mtime = n->mtime,
        .ctime = n->ctime,
        .type = node->type,
    };
    return WASI_SUCCESS;
}

static bool
tree_writable(struct node *n)
{
    return tree_node(n)->writable;
}

static errno_t
tree_lookup(struct node *dir, struct string name, struct node **out)
{
    struct tree_name *n = name_find(tree_node(dir), name);

    if (n == NULL)
        return WASI_NOENT;
    *out = &n->node->node;
    return WASI_SUCCESS;
}

static struct node *
tree_parent(struct node *dir)
{
    return &node_above(tree_node(dir))->node;
}

// Cookies: 0 ".", 1 "..", 2 + i the name with number i.  Names keep their
// numbers, so that who reads a listing sees each name that stays once, whatever
// comes and goes.
static errno_t
tree_next(struct node *node, u64 cookie, struct dirent *out)
{
    struct tree_node *dir = tree_node(node), *n = dir;

    out->name = STRING("");
    if (cookie == 0) {
        out->name = STRING(".");
    } else if (cookie == 1) {
        n = node_above(dir);
        out->name = STRING("..");
    } else {
        u64 number = cookie - 2;
        const struct tree_name *name = index_next(&dir->entries, &number);
        if (name == NULL)
            return WASI_SUCCESS;
        n = name->node;
        out->name = name->name;
        cookie = number + 2;
    }
    out->next = cookie + 1;
    out->inode = n->inode;
    out->type = n->node.type;
    return WASI_SUCCESS;
}

static struct string
tree_target(struct node *link)
{
    return tree_node(link)->target;
}

static errno_t
tree_read(struct node *node, u64 at, struct bytes to, u64 deadline_ns,
          u64 *count)
{
    (void)deadline_ns;
    *count = contents_read(&tree_node(node)->contents, at, to);
    return WASI_SUCCESS;
}

// --- changes to files --------------------------------------------------------

static errno_t
tree_lock_end(struct node *n)
{
    return mutex_lock(&tree_node(n)->end) == OK ? WASI_SUCCESS : WASI_INTR;
}

static void
tree_unlock_end(struct node *n)
{
    mutex_unlock(&tree_node(n)->end);
}

static errno_t
tree_set_size(struct node *node, u64 size)
{
    struct tree_node *n = tree_node(node);

    if (size > INT64_MAX)
        return WASI_FBIG;
    contents_set_size(&n->contents, size, &n->tree->pool);
    node_touch(n);
    return WASI_SUCCESS;
}

static errno_t
tree_reserve(struct node *node, struct reservation *r)
{
    struct tree_node *n = tree_node(node);
    struct contents *c = &n->contents;

    if (r->cuts != c->cuts)
        r->done = 0;
    r->cuts = c->cuts;
    u64 at = r->at + r->done;
    u64 count = contents_reserve(c, at, r->end, &n->tree->pool);
    if (count == 0)
        return WASI_NOSPC;
    r->done += count;
    // The size in the same step: nothing is cut off in between.
    return at + count == r->end && c->size < r->end ?
               tree_set_size(node, r->end) :
               WASI_SUCCESS;
}

static void
tree_unreserve(struct node *node)
{
    struct tree_node *n = tree_node(node);

    contents_set_size(&n->contents, n->contents.size, &n->tree->pool);
}

static errno_t
tree_write(struct node *node, u64 at, struct bytes from, u64 deadline_ns,
           u64 *count)
{
    (void)deadline_ns;
    struct tree_node *n = tree_node(node);

    *count = 0;
    if (from.size > INT64_MAX - MIN(at, INT64_MAX))
        return WASI_FBIG;
    *count = contents_write(&n->contents, at, from, &n->tree->pool);
    if (*count == 0 && from.size > 0)
        return WASI_NOSPC;
    node_touch(n);
    return WASI_SUCCESS;
}

static errno_t
tree_set_times(struct node *node, const u64 *atime, const u64 *mtime)
{
    struct tree_node *n = tree_node(node);

    if (atime != NULL)
        n->atime = *atime;
    if (mtime != NULL)
        n->mtime = *mtime;
    n->ctime = clock_told(port_realtime_ns());
    return WASI_SUCCESS;
}

// --- changes to directories --------------------------------------------------

// A directory that was removed takes no new names.
static errno_t
check_directory(const struct tree_node *dir)
{
    return dir->links == 0 ? WASI_NOENT : WASI_SUCCESS;
}

static errno_t
tree_create(struct node *dir, struct string name, u8 type, struct string target,
            struct node **out)
{
    struct tree_node *n;
    errno_t error = check_directory(tree_node(dir));

    if (error != WASI_SUCCESS)
        return error;
    error = node_add(tree_node(dir), name, type, clock_told(port_realtime_ns()),
                     target, true, &n);
    if (error != WASI_SUCCESS)
        return error;
    n->writable = tree_node(dir)->writable;
    node_touch(tree_node(dir));
    *out = &n->node;
    return WASI_SUCCESS;
}

static errno_t
tree_link(struct node *dir, struct string name, struct node *node)
{
    errno_t error = check_directory(tree_node(dir));

    if (error == WASI_SUCCESS)
        error = name_add(tree_node(dir), name, tree_node(node), true, NULL);
    if (error == WASI_SUCCESS) {
        tree_node(node)->ctime = clock_told(port_realtime_ns());
        node_touch(tree_node(dir));
    }
    return error;
}

static errno_t
tree_remove(struct node *dir, struct string name)
{
    struct tree_name *n = name_find(tree_node(dir), name);

    if (n == NULL)
        return WASI_NOENT;
    if (n->kept)
        return WASI_ROFS;
    if (n->node->node.type == FILETYPE_DIRECTORY && n->node->used > 0)
        return WASI_NOTEMPTY;
    n->node->ctime = clock_told(port_realtime_ns());
    node_touch(tree_node(dir));
    name_remove(n);
    return WASI_SUCCESS;
}

// May `node` take the place of `old`?
static errno_t
check_replace(const struct tree_node *node, const struct tree_node *old)
{
    bool dir = node->node.type == FILETYPE_DIRECTORY;
    bool old_dir = old->node.type == FILETYPE_DIRECTORY;

    if (dir != old_dir)
        return dir ? WASI_NOTDIR : WASI_ISDIR;
    return old->used > 0 ? WASI_NOTEMPTY : WASI_SUCCESS;
}

static errno_t
tree_rename(struct node *from_dir, struct string from, struct node *to_dir,
            struct string to)
{
    struct tree_name *old_name = name_find(tree_node(from_dir), from);
    struct tree_name *replaced = name_find(tree_node(to_dir), to);
    errno_t error = check_directory(tree_node(to_dir));

    if (old_name == NULL)
        return WASI_NOENT;
    struct tree_node *node = old_name->node;
    if (error == WASI_SUCCESS && old_name->kept)
        error = WASI_ROFS;
    if (error == WASI_SUCCESS && node->node.type == FILETYPE_DIRECTORY)
        error = node_check_outside(tree_node(to_dir), node);
    if (error == WASI_SUCCESS && replaced != NULL) {
        if (replaced->node == node)
            return WASI_SUCCESS;
        error =
            replaced->kept ? WASI_ROFS : check_replace(node, replaced->node);
    }
    if (error == WASI_SUCCESS)
        error = name_add(tree_node(to_dir), to, node, true,
                         from_dir == to_dir ? old_name : NULL);
    if (error != WASI_SUCCESS)
        return error;
    if (replaced != NULL)
        name_remove(replaced);
    name_remove(old_name);
    node_touch(tree_node(from_dir));
    node_touch(tree_node(to_dir));
    return WASI_SUCCESS;
}

const struct node_ops tree_ops = {
    .lock = tree_lock,
    .unlock = tree_unlock,
    .hold = tree_hold,
    .drop = tree_drop,
    .stat = tree_stat,
    .writable = tree_writable,
    .lookup = tree_lookup,
    .parent = tree_parent,
    .next = tree_next,
    .target = tree_target,
    .read = tree_read,
    .write = tree_write,
    .lock_end = tree_lock_end,
    .unlock_end = tree_unlock_end,
    .set_size = tree_set_size,
    .reserve = tree_reserve,
    .unreserve = tree_unreserve,
    .set_times = tree_set_times,
    .create = tree_create,
    .link = tree_link,
    .remove = tree_remove,
    .rename = tree_rename,
};
