// wasi/names.c: nodes of the file system in memory and their names.  A name is
// in the hash table of all names, in the index of its directory and in the list
// of its node.  A table of n buckets becomes one of n + 1 by splitting one
// bucket, so that no name waits for all others.

#include "wasi/tree.h"

// --- nodes -------------------------------------------------------------------

struct tree_node *
node_new(struct tree *tree, u8 type, u64 now, struct string target, bool own)
{
    u64 size = sizeof(struct tree_node) + (own ? target.len : 0);
    struct tree_node *n = pool_alloc(&tree->pool, size);

    if (n == NULL)
        return NULL;
    n->node = (struct node){&tree_ops, type};
    n->tree = tree;
    n->inode = ++tree->next_inode;
    n->atime = n->mtime = n->ctime = now;
    n->memory = size;
    if (own && target.len > 0)
        target.ptr = memcpy(n->text, target.ptr, target.len);
    n->target = target;
    list_init(&n->names);
    mutex_init(&n->end, LOCK_END);
    list_append(&tree->nodes, &n->link);
    return n;
}

void
node_free(struct tree_node *n)
{
    struct pool *pool = &n->tree->pool;

    assert(n->used == 0);
    contents_set_size(&n->contents, 0, pool);
    list_remove(&n->link);
    pool_free(pool, n, n->memory);
}

void
node_unref(struct tree_node *n)
{
    if (count_down(&n->refs))
        node_free(n);
}

void
node_touch(struct tree_node *n)
{
    n->mtime = n->ctime = clock_told(port_realtime_ns());
}

// While a directory is renamed it has two names; the new one counts.
static struct tree_name *
name_of_dir(const struct tree_node *dir)
{
    return list_empty(&dir->names) ?
               NULL :
               CONTAINER(dir->names.prev, struct tree_name, same);
}

struct tree_node *
node_above(struct tree_node *dir)
{
    struct tree_name *name = name_of_dir(dir);

    return name != NULL ? name->dir : dir;
}

errno_t
node_check_outside(struct tree_node *dir, const struct tree_node *above)
{
    for (u32 depth = 0; depth < DEPTH_MAX; depth++) {
        if (dir == above)
            return WASI_INVAL;
        if (dir == node_above(dir))
            return WASI_SUCCESS;
        dir = node_above(dir);
    }
    return WASI_NAMETOOLONG;
}

// --- the hash table ----------------------------------------------------------

static u64
hash_of(const struct tree_node *dir, struct string name)
{
    const struct hash_key *random = &dir->tree->key;
    const struct hash_key key = {
        {random->words[0] + dir->inode, random->words[1]}
    };

    return hash_bytes(&key, name.ptr, name.len);
}

// The bucket of a hash in a table of `count` of them: by as many low bits as
// count - 1 has, or one less where there is no such bucket yet.
static u64
bucket_of(u64 hash, u64 count)
{
    u64 mask = count > 1 ? UINT64_MAX >> __builtin_clzll(count - 1) : 0;

    return (hash & mask) < count ? hash & mask : hash & mask >> 1;
}

struct tree_name *
name_find(struct tree_node *dir, struct string name)
{
    struct tree *tree = dir->tree;
    u64 hash = hash_of(dir, name);
    struct tree_name *n =
        index_get(&tree->buckets, bucket_of(hash, tree->bucket_count));

    while (n != NULL &&
           (n->hash != hash || n->dir != dir || !string_equal(n->name, name)))
        n = n->chain;
    return n;
}

// Let a bucket that has names have these; none of them: it goes.
static void
set_bucket(struct tree *tree, u64 at, struct tree_name *names)
{
    bool done = true;

    if (names == NULL)
        (void)index_take(&tree->buckets, at, &tree->pool);
    else
        done = index_set(&tree->buckets, at, names, &tree->pool);
    assert(done); // where there is an entry there is room for one
}

// One more bucket, with the names of another one that belong there.  Without
// memory for it the chains are longer, no more.
static void
split_bucket(struct tree *tree)
{
    u64 count = tree->bucket_count + 1, fresh = count - 1;
    u64 old = bucket_of(fresh, fresh);
    struct tree_name *n = index_get(&tree->buckets, old), *next;
    struct tree_name *stay = NULL, *move = NULL;

    if (n != NULL && !index_set(&tree->buckets, fresh, n, &tree->pool))
        return;
    tree->bucket_count = count;
    if (n == NULL)
        return;
    for (; n != NULL; n = next) {
        struct tree_name **list =
            bucket_of(n->hash, count) == fresh ? &move : &stay;
        next = n->chain;
        n->chain = *list;
        *list = n;
    }
    set_bucket(tree, old, stay);
    set_bucket(tree, fresh, move);
}

static bool
enter_hash(struct tree *tree, struct tree_name *n)
{
    u64 at = bucket_of(n->hash, tree->bucket_count);

    n->chain = index_get(&tree->buckets, at);
    if (!index_set(&tree->buckets, at, n, &tree->pool))
        return false;
    if (++tree->name_count > tree->bucket_count)
        split_bucket(tree);
    return true;
}

static void
leave_hash(struct tree *tree, struct tree_name *name)
{
    u64 at = bucket_of(name->hash, tree->bucket_count);
    struct tree_name *n = index_get(&tree->buckets, at);

    tree->name_count--;
    if (n == name) {
        set_bucket(tree, at, name->chain);
        return;
    }
    while (n->chain != name)
        n = n->chain;
    n->chain = name->chain;
}

// --- names -------------------------------------------------------------------

static struct tree_name *
name_new(struct tree_node *dir, struct string name, bool own)
{
    u64 size = sizeof(struct tree_name) + (own ? name.len : 0);
    struct tree_name *n = pool_alloc(&dir->tree->pool, size);

    if (n == NULL)
        return NULL;
    if (own)
        name.ptr = memcpy(n->text, name.ptr, name.len);
    n->memory = size;
    n->dir = dir;
    n->name = name;
    n->hash = hash_of(dir, name);
    return n;
}

errno_t
name_add(struct tree_node *dir, struct string name, struct tree_node *node,
         bool own, const struct tree_name *place)
{
    struct tree *tree = dir->tree;
    struct pool *pool = &tree->pool;
    struct tree_name *n = name_new(dir, name, own);

    if (n == NULL)
        return WASI_NOSPC;
    n->number = place != NULL ? place->number : dir->next_number;
    if (!enter_hash(tree, n)) {
        pool_free(pool, n, n->memory);
        return WASI_NOSPC;
    }
    if (!index_set(&dir->entries, n->number, n, pool)) {
        leave_hash(tree, n);
        pool_free(pool, n, n->memory);
        return WASI_NOSPC;
    }
    dir->next_number += place == NULL;
    dir->used++;
    n->node = node;
    list_append(&node->names, &n->same);
    node->links++;
    count_up(&node->refs);
    return WASI_SUCCESS;
}

void
name_free(struct tree_name *name)
{
    struct tree_node *dir = name->dir;
    struct pool *pool = &dir->tree->pool;

    leave_hash(dir->tree, name);
    if (index_get(&dir->entries, name->number) == name) // else taken over
        (void)index_take(&dir->entries, name->number, pool);
    dir->used--;
    list_remove(&name->same);
    name->node->links--;
    pool_free(pool, name, name->memory);
}

void
name_remove(struct tree_name *name)
{
    struct tree_node *node = name->node;

    name_free(name);
    node_unref(node);
}

errno_t
node_add(struct tree_node *dir, struct string name, u8 type, u64 now,
         struct string target, bool own, struct tree_node **out)
{
    struct tree_node *n = node_new(dir->tree, type, now, target, own);

    if (n == NULL)
        return WASI_NOSPC;
    errno_t error = name_add(dir, name, n, own, NULL);
    if (error != WASI_SUCCESS) {
        node_free(n);
        return error;
    }
    *out = n;
    return WASI_SUCCESS;
}

struct tree_name *
name_next_below(struct tree_node *top, const struct tree_name *at)
{
    struct tree_node *dir = at != NULL ? at->node : top;
    struct tree_name *next;
    u64 number = 0;

    next = index_next(&dir->entries, &number);
    while (next == NULL && at != NULL) {
        dir = at->dir;
        number = at->number + 1;
        next = index_next(&dir->entries, &number);
        at = dir == top ? NULL : name_of_dir(dir);
    }
    return next;
}
