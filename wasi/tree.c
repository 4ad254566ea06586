// tree.c: a read-only file system over a tar archive.  One pass counts, one
// fills an array of nodes; names and contents stay in the archive.  Names are
// found through one hash table for all directories.

#include "wasi/wasi.h"

struct tree_node {
    struct node node;
    struct tree *tree;
    struct tree_node *parent;
    struct string name;
    struct bytes data; // contents, or target of a symlink
    u64 mtime;         // seconds
    u32 inode;         // shared by hard links
    u32 chain;         // next in its hash bucket, 0 = none
    u32 first, last;   // children of a directory, 0 = none
    u32 sibling;       // next child of its parent, 0 = none
};

struct tree {
    u64 seed;
    u32 *buckets;
    u32 bucket_count; // a power of two
    u32 count, max;   // nodes; 0 is the root
    struct tree_node nodes[];
};

static const struct node_ops tree_ops;

static u32
index_of(const struct tree_node *n)
{
    return (u32)(n - n->tree->nodes);
}

// --- names --------------------------------------------------------------------

static u32 *
bucket(struct tree *tree, const struct tree_node *dir, struct string name)
{
    u64 hash = hash_bytes(tree->seed + index_of(dir), name.ptr, name.len);

    return &tree->buckets[hash & (tree->bucket_count - 1)];
}

static struct tree_node *
find(struct tree_node *dir, struct string name)
{
    struct tree *tree = dir->tree;

    for (u32 i = *bucket(tree, dir, name); i != 0; i = tree->nodes[i].chain) {
        struct tree_node *n = &tree->nodes[i];
        if (n->parent == dir && string_equal(n->name, name))
            return n;
    }
    return NULL;
}

static struct tree_node *
add(struct tree *tree, struct tree_node *dir, struct string name)
{
    assert(tree->count < tree->max);
    u32 index = tree->count++;
    struct tree_node *n = &tree->nodes[index];
    u32 *head = bucket(tree, dir, name);

    *n = (struct tree_node){
        .node = {&tree_ops, FILETYPE_DIRECTORY},
        .tree = tree,
        .parent = dir,
        .name = name,
        .inode = index,
        .chain = *head,
    };
    *head = index;
    if (dir->first == 0)
        dir->first = index;
    else
        tree->nodes[dir->last].sibling = index;
    dir->last = index;
    return n;
}

// --- from the archive -----------------------------------------------------------

// The components of a member's two-part path, one after the other.
static struct string
member_component(struct string path[2])
{
    struct string name = path_component(&path[0]);

    return name.len > 0 ? name : path_component(&path[1]);
}

// Devices and what else there may be are left out.
static bool
belongs(const struct tar_entry *entry)
{
    return entry->kind == '0' || entry->kind == '1' || entry->kind == '2' ||
           entry->kind == '5';
}

// How many nodes a member can add: its components after those it has in common
// with the member before it.
static u32
count_new(const struct tar_entry *entry, const struct tar_entry *before)
{
    struct string path[2] = {entry->path[0], entry->path[1]};
    struct string old[2] = {before->path[0], before->path[1]};
    struct string name = member_component(path);
    u32 count = 0;

    while (name.len > 0 && string_equal(name, member_component(old)))
        name = member_component(path);
    for (; name.len > 0; name = member_component(path))
        count++;
    return count;
}

static u64
count_nodes(struct bytes archive, struct error *error)
{
    struct tar tar = {.archive = archive, .error = error};
    struct tar_entry entry, before = {
                                .path = {{"", 0}, {"", 0}}
    };
    u64 count = 1;

    while (tar_next(&tar, &entry)) {
        if (!belongs(&entry))
            continue;
        count += count_new(&entry, &before);
        before = entry;
    }
    return count;
}

// The node at a member's path.  Missing directories on the way are made when
// `make` is set; NULL when there is none or a file is in the way.
static struct tree_node *
node_at(struct tree *tree, const struct string member[2], bool make)
{
    struct string path[2] = {member[0], member[1]}, name;
    struct tree_node *at = &tree->nodes[0];

    while ((name = member_component(path)).len > 0) {
        if (string_equal(name, STRING(".")))
            continue;
        if (at->node.type != FILETYPE_DIRECTORY ||
            string_equal(name, STRING("..")))
            return NULL;
        struct tree_node *child = find(at, name);
        if (child == NULL && make)
            child = add(tree, at, name);
        if (child == NULL)
            return NULL;
        at = child;
    }
    return at;
}

static bool
fill_hard_link(struct tree_node *n, const struct tar_entry *entry)
{
    struct string path[2] = {STRING(""), entry->target};
    struct tree_node *to = node_at(n->tree, path, false);

    if (to == NULL || to == n || to->node.type == FILETYPE_DIRECTORY)
        return false;
    n->node.type = to->node.type;
    n->data = to->data;
    n->mtime = to->mtime;
    n->inode = to->inode;
    return true;
}

// Let a node be what the member says; a later member replaces an earlier one,
// but not a directory that has something in it.
static bool
fill_node(struct tree_node *n, const struct tar_entry *entry)
{
    if (entry->kind != '5' && (n->first != 0 || n == &n->tree->nodes[0]))
        return false;
    n->mtime = entry->mtime;
    switch (entry->kind) {
    case '0':
        n->node.type = FILETYPE_REGULAR_FILE;
        n->data = entry->data;
        return true;
    case '1':
        return fill_hard_link(n, entry);
    case '2':
        n->node.type = FILETYPE_SYMBOLIC_LINK;
        n->data = (struct bytes){(u8 *)(uintptr_t)entry->target.ptr,
                                 entry->target.len};
        return true;
    default:
        n->node.type = FILETYPE_DIRECTORY;
        n->data = (struct bytes){NULL, 0};
        return true;
    }
}

static void
fill_tree(struct tree *tree, struct bytes archive, struct error *error)
{
    struct tar tar = {.archive = archive, .error = error};
    struct tar_entry entry;

    while (tar_next(&tar, &entry)) {
        if (!belongs(&entry))
            continue;
        struct tree_node *n = node_at(tree, entry.path, true);
        u64 at = (u64)(entry.data.ptr - archive.ptr);
        if (n == NULL)
            error_set(error, ERR_MALFORMED, at, "tar: impossible path");
        else if (!fill_node(n, &entry))
            error_set(error, ERR_MALFORMED, at, "tar: impossible member");
        if (error->status != OK)
            return;
    }
}

struct tree *
tree_new(struct bytes archive, struct error *error)
{
    u64 max = count_nodes(archive, error);
    u64 buckets = 16;

    while (buckets < max)
        buckets *= 2;
    if (error->status != OK)
        return NULL;
    if (max >= UINT32_MAX) {
        error_set(error, ERR_LIMIT, 0, "tar: too many members");
        return NULL;
    }
    struct tree *tree =
        kernel_alloc(sizeof(struct tree) + max * sizeof(struct tree_node) +
                     buckets * sizeof(u32));
    if (tree == NULL) {
        error_set(error, ERR_NO_MEMORY, 0, "out of memory");
        return NULL;
    }
    port_random(&tree->seed, sizeof(tree->seed));
    tree->max = (u32)max;
    tree->buckets = (u32 *)&tree->nodes[max];
    tree->bucket_count = (u32)buckets;
    tree->count = 1;
    tree->nodes[0].node = (struct node){&tree_ops, FILETYPE_DIRECTORY};
    tree->nodes[0].tree = tree;
    tree->nodes[0].parent = &tree->nodes[0];
    fill_tree(tree, archive, error);
    if (error->status == OK)
        return tree;
    tree_free(tree);
    return NULL;
}

void
tree_free(struct tree *tree)
{
    kernel_free(tree);
}

struct node *
tree_root(struct tree *tree)
{
    return &tree->nodes[0].node;
}

struct bytes
tree_data(struct node *n)
{
    return ((struct tree_node *)n)->data;
}

// --- as a file system --------------------------------------------------------------

static void
tree_stat(struct node *node, struct filestat *out)
{
    struct tree_node *n = (struct tree_node *)node;
    u64 time =
        n->mtime < UINT64_MAX / 1000000000 ? n->mtime * 1000000000 : UINT64_MAX;

    *out = (struct filestat){
        .device = 1,
        .inode = n->inode + 1ull,
        .links = 1,
        .size = n->data.size,
        .atime = time,
        .mtime = time,
        .ctime = time,
        .type = node->type,
    };
}

static errno_t
tree_lookup(struct node *dir, struct string name, struct node **out)
{
    struct tree_node *n = find((struct tree_node *)dir, name);

    if (n == NULL)
        return WASI_NOENT;
    *out = &n->node;
    return WASI_SUCCESS;
}

static struct node *
tree_parent(struct node *dir)
{
    return &((struct tree_node *)dir)->parent->node;
}

// Cookies: 0 ".", 1 "..", 2 the end, 2 + i the child with index i.
static bool
tree_next(struct node *node, u64 cookie, struct dirent *out)
{
    struct tree_node *dir = (struct tree_node *)node, *n = dir;
    struct tree *tree = dir->tree;

    if (cookie == 0) {
        *out = (struct dirent){.next = 1, .name = STRING(".")};
    } else if (cookie == 1) {
        n = dir->parent;
        *out = (struct dirent){.next = 2ull + dir->first, .name = STRING("..")};
    } else {
        if (cookie == 2 || cookie - 2 >= tree->count)
            return false;
        n = &tree->nodes[cookie - 2];
        if (n->parent != dir)
            return false;
        *out = (struct dirent){.next = 2ull + n->sibling, .name = n->name};
    }
    out->inode = n->inode + 1ull;
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
        memcpy(to.ptr, data.ptr + at, *count);
    return WASI_SUCCESS;
}

static const struct node_ops tree_ops = {
    .stat = tree_stat,
    .lookup = tree_lookup,
    .parent = tree_parent,
    .next = tree_next,
    .target = tree_target,
    .read = tree_read,
};
