// wasi/tree.c: a file system in memory, made from a tar archive.  What is in
// the archive stays there until it is written to: the first write to a file
// copies it.  Names of all directories are found through one hash table that
// grows with them; a directory also keeps its names in the order they came, so
// that a listing goes on where it stopped.
//
// One lock for all of it, taken by whoever calls (node_ops.lock).  A tree in
// which nothing is writable never changes and is not locked.

#include "wasi/wasi.h"

enum { NAME_COST = 512 }; // bytes charged for a name and its node

struct tree_node {
    struct node node;
    struct tree *tree;
    struct list link;  // in tree->nodes
    bool writable;     // what is made in a directory is as the directory
    u32 refs;          // names and open files
    u32 links;         // names
    u64 inode;         // number of the node
    struct bytes data; // contents, or target of a symlink
    u64 room;          // of our own memory at data.ptr; 0: not ours
    u64 atime, mtime, ctime;

    // Directories.
    struct tree_node *parent;
    struct tree_name **names; // in the order they came, NULL where removed
    u32 name_count, name_room, used;
};

// One name of a node.
struct tree_name {
    struct tree_name *chain; // next in its bucket
    struct tree_node *dir, *node;
    struct string name;
    u32 index; // in dir->names
    bool kept; // leads to what is read-only among what is writable
    char text[];
};

struct tree {
    struct mutex lock;
    bool writable;       // something in it is
    struct hash_key key; // random
    struct tree_name **buckets;
    u64 bucket_count, name_count; // buckets: a power of two
    u64 bytes_left;               // that programs may still take
    u64 next_inode;
    struct list nodes;
    struct tree_node *root;
};

static const struct node_ops tree_ops;

static struct tree_node *
tree_node(struct node *n)
{
    return (struct tree_node *)n;
}

// --- nodes -------------------------------------------------------------------

static struct tree_node *
node_new(struct tree *tree, u8 type, u64 now)
{
    struct tree_node *n = kernel_alloc(sizeof(*n));

    if (n == NULL)
        return NULL;
    n->node = (struct node){&tree_ops, type};
    n->tree = tree;
    n->inode = ++tree->next_inode;
    n->atime = n->mtime = n->ctime = now;
    list_append(&tree->nodes, &n->link);
    return n;
}

static void
free_data(struct tree_node *n)
{
    if (n->room > 0) {
        kernel_free(n->data.ptr);
        n->tree->bytes_left += n->room;
    }
    n->data = (struct bytes){NULL, 0};
    n->room = 0;
}

static void
node_free(struct tree_node *n)
{
    free_data(n);
    kernel_free(n->names);
    list_remove(&n->link);
    kernel_free(n);
}

static void
tree_hold(struct node *n)
{
    count_up(&tree_node(n)->refs);
}

static void
tree_node_drop(struct tree_node *n)
{
    if (count_down(&n->refs))
        node_free(n);
}

static void
touch(struct tree_node *n)
{
    n->mtime = n->ctime = port_realtime_ns();
}

// --- names -------------------------------------------------------------------

static struct tree_name **
bucket(struct tree *tree, const struct tree_node *dir, struct string name)
{
    const struct hash_key key = {
        {tree->key.words[0] + dir->inode, tree->key.words[1]}
    };
    u64 hash = hash_bytes(&key, name.ptr, name.len);

    return &tree->buckets[hash & (tree->bucket_count - 1)];
}

static struct tree_name *
find(struct tree_node *dir, struct string name)
{
    struct tree_name *n = *bucket(dir->tree, dir, name);

    while (n != NULL && (n->dir != dir || !string_equal(n->name, name)))
        n = n->chain;
    return n;
}

// As many buckets as names, at least.
static bool
grow_buckets(struct tree *tree)
{
    struct tree_name **old = tree->buckets;
    u64 old_count = tree->bucket_count;

    if (tree->name_count < old_count)
        return true;
    u64 count = old_count == 0 ? 64 : 2 * old_count;
    struct tree_name **buckets = kernel_alloc(count * sizeof(*buckets));
    if (buckets == NULL)
        return false;
    tree->buckets = buckets;
    tree->bucket_count = count;
    for (u64 i = 0; i < old_count; i++) {
        for (struct tree_name *n = old[i], *next; n != NULL; n = next) {
            struct tree_name **head = bucket(tree, n->dir, n->name);
            next = n->chain;
            n->chain = *head;
            *head = n;
        }
    }
    kernel_free(old);
    return true;
}

// Room for one more name in a directory's list.  Where at least half of the
// list are holes they are closed, which moves names to the front.
static bool
grow_names(struct tree_node *dir)
{
    u32 kept = 0;

    if (dir->name_count < dir->name_room)
        return true;
    u32 room = MAX(dir->used * 2, 8);
    struct tree_name **names = kernel_alloc(room * sizeof(*names));
    if (names == NULL)
        return false;
    for (u32 i = 0; i < dir->name_count; i++) {
        if (dir->names[i] == NULL && dir->used * 2 <= dir->name_count)
            continue;
        names[kept] = dir->names[i];
        if (names[kept] != NULL)
            names[kept]->index = kept;
        kept++;
    }
    kernel_free(dir->names);
    dir->names = names;
    dir->name_count = kept;
    dir->name_room = room;
    return true;
}

// Give a node a name.  `own` copies the text, else it must stay.
static errno_t
add_name(struct tree_node *dir, struct string name, struct tree_node *node,
         bool own)
{
    struct tree *tree = dir->tree;

    if (own && tree->bytes_left < NAME_COST)
        return WASI_NOSPC;
    if (!grow_names(dir) || !grow_buckets(tree))
        return WASI_NOSPC;
    struct tree_name *n = kernel_alloc(sizeof(*n) + (own ? name.len : 0));
    if (n == NULL)
        return WASI_NOSPC;
    if (own) {
        memcpy(n->text, name.ptr, name.len);
        name.ptr = n->text;
        tree->bytes_left -= NAME_COST;
    }
    n->dir = dir;
    n->node = node;
    n->name = name;
    n->index = dir->name_count++;
    dir->names[n->index] = n;
    dir->used++;
    struct tree_name **head = bucket(tree, dir, name);
    n->chain = *head;
    *head = n;
    tree->name_count++;
    tree_hold(&node->node);
    node->links++;
    if (node->node.type == FILETYPE_DIRECTORY)
        node->parent = dir;
    return WASI_SUCCESS;
}

static void
remove_name(struct tree_name *name)
{
    struct tree_node *dir = name->dir, *node = name->node;
    struct tree_name **at = bucket(dir->tree, dir, name->name);

    while (*at != name)
        at = &(*at)->chain;
    *at = name->chain;
    dir->names[name->index] = NULL;
    dir->used--;
    dir->tree->name_count--;
    if (name->name.ptr == name->text)
        dir->tree->bytes_left += NAME_COST;
    kernel_free(name);
    node->links--;
    if (node->links == 0 && node->node.type == FILETYPE_DIRECTORY)
        node->parent = node; // the old one may go
    tree_node_drop(node);
}

// --- from the archive --------------------------------------------------------

// The components of a member's two-part path, one after the other.
static struct string
member_component(struct string path[2])
{
    struct string name = path_component(&path[0]);

    return name.len > 0 ? name : path_component(&path[1]);
}

// The next component that is not ".".
static struct string
next_step(struct string path[2])
{
    struct string name = member_component(path);

    while (string_equal(name, STRING(".")))
        name = member_component(path);
    return name;
}

// A new node with a name.
static errno_t
add_node(struct tree_node *dir, struct string name, u8 type, u64 now, bool own,
         struct tree_node **out)
{
    struct tree_node *n = node_new(dir->tree, type, now);

    if (n == NULL)
        return WASI_NOSPC;
    errno_t error = add_name(dir, name, n, own);
    if (error != WASI_SUCCESS) {
        node_free(n);
        return error;
    }
    *out = n;
    return WASI_SUCCESS;
}

// The directory that a member belongs to and the last component of its path,
// empty for the root itself.  Missing directories on the way are made.
static errno_t
directory_of(struct tree *tree, const struct string member[2],
             struct tree_node **dir, struct string *last)
{
    struct string path[2] = {member[0], member[1]};
    struct string name = next_step(path), after;
    struct tree_node *at = tree->root;
    errno_t error;

    for (;; name = after) {
        if (string_equal(name, STRING("..")))
            return WASI_INVAL;
        after = next_step(path);
        if (after.len == 0)
            break;
        struct tree_name *found = find(at, name);
        if (found != NULL)
            at = found->node;
        else if ((error = add_node(at, name, FILETYPE_DIRECTORY, 0, false,
                                   &at)) != WASI_SUCCESS)
            return error;
        if (at->node.type != FILETYPE_DIRECTORY)
            return WASI_NOTDIR;
    }
    *dir = at;
    *last = name;
    return WASI_SUCCESS;
}

static errno_t
add_hard_link(struct tree_node *dir, struct string name, struct string target)
{
    struct string path[2] = {STRING(""), target}, last;
    struct tree_node *to_dir;
    errno_t error = directory_of(dir->tree, path, &to_dir, &last);

    if (error != WASI_SUCCESS)
        return error;
    struct tree_name *to = find(to_dir, last);
    if (to == NULL || to->node->node.type == FILETYPE_DIRECTORY)
        return WASI_INVAL;
    return add_name(dir, name, to->node, false);
}

// Files, directories and links belong to the tree; devices and what else there
// may be do not.
static bool
file_type(char kind, u8 *type)
{
    *type = kind == '5' ? FILETYPE_DIRECTORY :
            kind == '2' ? FILETYPE_SYMBOLIC_LINK :
                          FILETYPE_REGULAR_FILE;
    return kind == '0' || kind == '1' || kind == '2' || kind == '5';
}

// A later member replaces an earlier one, but not a directory; a directory that
// is there already only gets its time.
static errno_t
add_member(struct tree *tree, const struct tar_entry *entry)
{
    u64 now = entry->mtime_ns;
    struct tree_node *dir, *n = NULL;
    struct string name;
    u8 type;

    if (!file_type(entry->kind, &type))
        return WASI_SUCCESS;
    errno_t error = directory_of(tree, entry->path, &dir, &name);
    if (error != WASI_SUCCESS)
        return error;
    struct tree_name *old = name.len > 0 ? find(dir, name) : NULL;
    if (old != NULL)
        n = old->node;
    else if (name.len == 0)
        n = dir;
    if (n != NULL && n->node.type == FILETYPE_DIRECTORY) {
        n->atime = n->mtime = n->ctime = now;
        return type == FILETYPE_DIRECTORY ? WASI_SUCCESS : WASI_ISDIR;
    }
    if (entry->kind == '1')
        error = add_hard_link(dir, name, entry->target);
    else
        error = add_node(dir, name, type, now, false, &n);
    if (error != WASI_SUCCESS)
        return error;
    if (old != NULL)
        remove_name(old);
    if (entry->kind == '0')
        n->data = entry->data;
    else if (entry->kind == '2')
        n->data = (struct bytes){(u8 *)(uintptr_t)entry->target.ptr,
                                 entry->target.len};
    return WASI_SUCCESS;
}

static void
add_members(struct tree *tree, struct bytes archive, struct error *error)
{
    struct tar tar = {.archive = archive, .error = error};
    struct tar_entry entry;

    while (tar_next(&tar, &entry)) {
        u64 at = (u64)(entry.data.ptr - archive.ptr);
        errno_t problem = add_member(tree, &entry);
        if (problem == WASI_NOSPC)
            error_set(error, ERR_NO_MEMORY, at, "out of memory");
        else if (problem != WASI_SUCCESS)
            error_set(error, ERR_MALFORMED, at, "tar: impossible member");
        if (problem != WASI_SUCCESS)
            return;
    }
}

struct tree *
tree_new(struct bytes archive, struct error *error)
{
    struct tree *tree = kernel_alloc(sizeof(*tree));
    u64 available, total;

    if (tree == NULL) {
        error_set(error, ERR_NO_MEMORY, 0, "out of memory");
        return NULL;
    }
    port_memory_info(&available, &total);
    port_random(&tree->key, sizeof(tree->key));
    tree->bytes_left = available / 2;
    list_init(&tree->nodes);
    mutex_init(&tree->lock, LOCK_TREE);
    tree->root = node_new(tree, FILETYPE_DIRECTORY, 0);
    if (tree->root == NULL || !grow_buckets(tree)) {
        error_set(error, ERR_NO_MEMORY, 0, "out of memory");
    } else {
        tree->root->parent = tree->root;
        tree->root->refs = tree->root->links = 1;
        add_members(tree, archive, error);
    }
    if (error->status == OK)
        return tree;
    tree_free(tree);
    return NULL;
}

void
tree_free(struct tree *tree)
{
    if (tree == NULL)
        return;
    for (u64 i = 0; i < tree->bucket_count; i++) {
        for (struct tree_name *n = tree->buckets[i], *next; n; n = next) {
            next = n->chain;
            kernel_free(n);
        }
    }
    while (!list_empty(&tree->nodes))
        node_free(CONTAINER(tree->nodes.next, struct tree_node, link));
    kernel_free(tree->buckets);
    kernel_free(tree);
}

static bool
is_below(const struct tree_node *dir, const struct tree_node *above)
{
    while (dir != above && dir != dir->parent)
        dir = dir->parent;
    return dir == above;
}

// Keep the names on the way from the root to a node.
static void
keep_names(struct tree_node *n)
{
    struct tree *tree = n->tree;
    struct tree_node *above = NULL;

    for (; n != NULL && n != tree->root; n = above, above = NULL)
        for (u64 i = 0; i < tree->bucket_count; i++)
            for (struct tree_name *name = tree->buckets[i]; name != NULL;
                 name = name->chain)
                if (name->node == n) {
                    name->kept = true;
                    above = name->dir;
                }
}

void
tree_set_writable(struct node *node, bool writable)
{
    struct tree_node *top = tree_node(node);
    struct tree *tree = top->tree;

    if (!writable)
        keep_names(top);

    top->writable = writable;
    tree->writable |= writable;
    for (u64 i = 0; i < tree->bucket_count && node->type == FILETYPE_DIRECTORY;
         i++)
        for (struct tree_name *n = tree->buckets[i]; n != NULL; n = n->chain)
            if (is_below(n->dir, top))
                n->node->writable = writable;
}

struct node *
tree_root(struct tree *tree)
{
    return &tree->root->node;
}

struct bytes
tree_data(struct node *n)
{
    return tree_node(n)->data;
}

// --- as a file system: reading -----------------------------------------------

static void
lock_tree(struct tree *tree)
{
    if (tree->writable)
        mutex_lock_always(&tree->lock);
}

static void
unlock_tree(struct tree *tree)
{
    if (tree->writable)
        mutex_unlock(&tree->lock);
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
tree_drop(struct node *n)
{
    struct tree *tree = tree_node(n)->tree;

    lock_tree(tree);
    tree_node_drop(tree_node(n));
    unlock_tree(tree);
}

static void
tree_stat(struct node *node, struct filestat *out)
{
    struct tree_node *n = tree_node(node);

    *out = (struct filestat){
        .device = 1,
        .inode = n->inode,
        .links = n->links,
        .size = n->data.size,
        .atime = n->atime,
        .mtime = n->mtime,
        .ctime = n->ctime,
        .type = node->type,
    };
}

static bool
tree_writable(struct node *n)
{
    return tree_node(n)->writable;
}

static errno_t
tree_lookup(struct node *dir, struct string name, struct node **out)
{
    struct tree_name *n = find(tree_node(dir), name);

    if (n == NULL)
        return WASI_NOENT;
    *out = &n->node->node;
    return WASI_SUCCESS;
}

static struct node *
tree_parent(struct node *dir)
{
    return &tree_node(dir)->parent->node;
}

// Cookies: 0 ".", 1 "..", 2 + i the name with index i.
static bool
tree_next(struct node *node, u64 cookie, struct dirent *out)
{
    struct tree_node *dir = tree_node(node), *n = dir;

    if (cookie == 0) {
        out->name = STRING(".");
    } else if (cookie == 1) {
        n = dir->parent;
        out->name = STRING("..");
    } else {
        u64 i = cookie - 2;
        while (i < dir->name_count && dir->names[i] == NULL)
            i++;
        if (i >= dir->name_count)
            return false;
        struct tree_name *name = dir->names[index_masked(i, dir->name_count)];
        n = name->node;
        out->name = name->name;
        cookie = i + 2;
    }
    out->next = cookie + 1;
    out->inode = n->inode;
    out->type = n->node.type;
    return true;
}

static struct string
tree_target(struct node *link)
{
    struct bytes data = tree_data(link);

    return (struct string){(const char *)data.ptr, (u32)data.size};
}

static errno_t
tree_read(struct node *node, u64 at, struct bytes to, u64 deadline_ns,
          u64 *count)
{
    struct bytes data = tree_data(node);

    (void)deadline_ns;
    *count = at < data.size ? MIN(to.size, data.size - at) : 0;
    if (*count > 0)
        memcpy(to.ptr, data.ptr + index_masked(at, data.size), *count);
    return WASI_SUCCESS;
}

// --- as a file system: writing -----------------------------------------------

// Let the contents be our own, with room for `size` bytes.  Room grows by half,
// so that appending is linear.
static errno_t
reserve(struct tree_node *n, u64 size)
{
    struct tree *tree = n->tree;

    if (size <= n->room)
        return WASI_SUCCESS;
    if (size > INT64_MAX)
        return WASI_FBIG;
    u64 room = MAX(MAX(size, n->data.size), n->room + n->room / 2);
    room = ALIGN_UP(room, 64);
    if (room > tree->bytes_left)
        return WASI_NOSPC;
    u8 *bytes = kernel_alloc(room);
    if (bytes == NULL)
        return WASI_NOSPC;
    u64 kept = n->data.size;
    if (kept > 0)
        memcpy(bytes, n->data.ptr, kept);
    free_data(n);
    tree->bytes_left -= room;
    n->data = (struct bytes){bytes, kept};
    n->room = room;
    return WASI_SUCCESS;
}

static errno_t
tree_set_size(struct node *node, u64 size)
{
    struct tree_node *n = tree_node(node);

    if (size == 0) {
        free_data(n);
    } else {
        errno_t error = reserve(n, MAX(size, n->data.size));
        if (error != WASI_SUCCESS)
            return error;
        if (size <
            n->data.size) // so that it reads as zeros when it grows again
            memset(n->data.ptr + size, 0, n->data.size - size);
        n->data.size = size;
    }
    touch(n);
    return WASI_SUCCESS;
}

static errno_t
tree_write(struct node *node, u64 at, struct bytes from, u64 *count)
{
    struct tree_node *n = tree_node(node);

    *count = 0;
    if (from.size > INT64_MAX - MIN(at, INT64_MAX))
        return WASI_FBIG;
    errno_t error = reserve(n, MAX(at + from.size, n->data.size));
    if (error != WASI_SUCCESS)
        return error;
    memcpy(n->data.ptr + at, from.ptr, from.size);
    n->data.size = MAX(n->data.size, at + from.size);
    *count = from.size;
    touch(n);
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
    n->ctime = port_realtime_ns();
    return WASI_SUCCESS;
}

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
    error = add_node(tree_node(dir), name, type, port_realtime_ns(), true, &n);
    if (error != WASI_SUCCESS)
        return error;
    n->writable = tree_node(dir)->writable;
    touch(tree_node(dir));
    if (target.len > 0) {
        error = reserve(n, target.len);
        if (error != WASI_SUCCESS) {
            remove_name(find(tree_node(dir), name));
            return error;
        }
        memcpy(n->data.ptr, target.ptr, target.len);
        n->data.size = target.len;
    }
    *out = &n->node;
    return WASI_SUCCESS;
}

static errno_t
tree_link(struct node *dir, struct string name, struct node *node)
{
    errno_t error = check_directory(tree_node(dir));

    if (error == WASI_SUCCESS)
        error = add_name(tree_node(dir), name, tree_node(node), true);
    if (error == WASI_SUCCESS)
        touch(tree_node(dir));
    return error;
}

static errno_t
tree_remove(struct node *dir, struct string name)
{
    struct tree_name *n = find(tree_node(dir), name);

    if (n == NULL)
        return WASI_NOENT;
    if (n->kept)
        return WASI_ROFS;
    if (n->node->node.type == FILETYPE_DIRECTORY && n->node->used > 0)
        return WASI_NOTEMPTY;
    touch(n->node);
    touch(tree_node(dir));
    remove_name(n);
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
    struct tree_name *old_name = find(tree_node(from_dir), from);
    struct tree_name *replaced = find(tree_node(to_dir), to);
    errno_t error = check_directory(tree_node(to_dir));

    if (old_name == NULL)
        return WASI_NOENT;
    struct tree_node *node = old_name->node;
    if (error == WASI_SUCCESS && old_name->kept)
        error = WASI_ROFS;
    if (error == WASI_SUCCESS && node->node.type == FILETYPE_DIRECTORY &&
        is_below(tree_node(to_dir), node))
        error = WASI_INVAL;
    if (error == WASI_SUCCESS && replaced != NULL) {
        if (replaced->node == node)
            return WASI_SUCCESS;
        error =
            replaced->kept ? WASI_ROFS : check_replace(node, replaced->node);
    }
    if (error == WASI_SUCCESS)
        error = add_name(tree_node(to_dir), to, node, true);
    if (error != WASI_SUCCESS)
        return error;
    if (replaced != NULL)
        remove_name(replaced);
    remove_name(old_name);
    touch(tree_node(from_dir));
    touch(tree_node(to_dir));
    return WASI_SUCCESS;
}

static const struct node_ops tree_ops = {
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
    .set_size = tree_set_size,
    .set_times = tree_set_times,
    .create = tree_create,
    .link = tree_link,
    .remove = tree_remove,
    .rename = tree_rename,
};
