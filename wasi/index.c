// wasi/index.c: sparse arrays of pointers, as trees of nodes with 64 entries.
// A node has at least one entry; a tree grows at its root, by nodes above what
// is there, and is of height 0 again when it is empty.

#include "wasi/tree.h"

_Static_assert(INDEX_LOG2 *INDEX_HEIGHT >= 64, "every number has a place");

// Which entry of a node of this height leads to number `at`.
static u32
entry_of(u64 at, u32 height)
{
    return (u32)(at >> (INDEX_LOG2 * (height - 1))) & (INDEX_FAN - 1);
}

static bool
reaches(const struct index *x, u64 at)
{
    return x->height == INDEX_HEIGHT || at >> (INDEX_LOG2 * x->height) == 0;
}

void *
index_get(const struct index *x, u64 at)
{
    void *entry = reaches(x, at) ? x->root : NULL;

    for (u32 h = x->height; h > 0 && entry != NULL; h--)
        entry = ((struct index_node *)entry)->entries[entry_of(at, h)];
    return entry;
}

// --- changes -----------------------------------------------------------------

// The nodes from the root to where number `at` is or would be: path[h] has
// height h, down to the lowest that is there.  Returns that height; height + 1
// when there is none.
static u32
find_path(const struct index *x, u64 at, struct index_node **path)
{
    void *entry = x->root;
    u32 h = x->height;

    for (; h > 0 && entry != NULL; h--) {
        path[h] = entry;
        entry = path[h]->entries[entry_of(at, h)];
    }
    return h + 1;
}

// The address that holds what is at height h on the way to `at`: in the node
// above, or the root.
static void **
holder(struct index *x, u64 at, u32 h, struct index_node **path)
{
    return h == x->height ? &x->root :
                            &path[h + 1]->entries[entry_of(at, h + 1)];
}

static void
count_used(struct index *x, u32 h, struct index_node **path, i32 change)
{
    if (h < x->height)
        path[h + 1]->used += (u32)change;
}

// Free nodes without entries on the way to `at`, from height h up.
static void
prune(struct index *x, u64 at, u32 h, struct index_node **path, struct pool *p)
{
    for (; h <= x->height && path[h]->used == 0; h++) {
        *holder(x, at, h, path) = NULL;
        count_used(x, h, path, -1);
        pool_free(p, path[h], sizeof(*path[h]));
    }
    if (x->root == NULL)
        x->height = 0;
}

static struct index_node *
new_node(u32 height, struct pool *p)
{
    struct index_node *node = pool_alloc(p, sizeof(*node));

    if (node != NULL)
        node->height = height;
    return node;
}

// Let the tree be high enough for `at`.  An empty one costs nothing.
static bool
grow(struct index *x, u64 at, struct pool *p)
{
    while (!reaches(x, at)) {
        struct index_node *node = NULL;

        if (x->root != NULL) {
            node = new_node(x->height + 1, p);
            if (node == NULL)
                return false;
            node->entries[0] = x->root;
            node->used = 1;
        }
        x->root = node;
        x->height++;
    }
    return true;
}

bool
index_set(struct index *x, u64 at, void *entry, struct pool *p)
{
    struct index_node *path[INDEX_HEIGHT + 1];

    if (!grow(x, at, p))
        return false;
    u32 h = find_path(x, at, path);
    for (; h > 1; h--) {
        struct index_node *node = new_node(h - 1, p);
        if (node == NULL) {
            prune(x, at, h, path, p);
            return false;
        }
        path[h - 1] = node;
        *holder(x, at, h - 1, path) = node;
        count_used(x, h - 1, path, 1);
    }
    void **to = holder(x, at, 0, path);
    if (*to == NULL)
        count_used(x, 0, path, 1);
    *to = entry;
    return true;
}

void *
index_take(struct index *x, u64 at, struct pool *p)
{
    struct index_node *path[INDEX_HEIGHT + 1];
    void *entry = index_get(x, at);

    if (entry == NULL)
        return NULL;
    (void)find_path(x, at, path);
    *holder(x, at, 0, path) = NULL;
    count_used(x, 0, path, -1);
    prune(x, at, 1, path, p);
    return entry;
}

// --- in order ----------------------------------------------------------------

// The first entry of a node from `from` on; INDEX_FAN: none.
static u32
next_used(const struct index_node *node, u32 from)
{
    while (from < INDEX_FAN && node->entries[from] == NULL)
        from++;
    return from;
}

void *
index_next(const struct index *x, u64 *at)
{
    struct index_node *path[INDEX_HEIGHT + 1], *node;

    if (x->root == NULL || !reaches(x, *at))
        return NULL;
    if (x->height == 0)
        return x->root;
    u32 h = find_path(x, *at, path);
    u32 i = next_used(path[h], entry_of(*at, h));
    while (i == INDEX_FAN) {
        if (++h > x->height)
            return NULL;
        i = next_used(path[h], entry_of(*at, h) + 1);
    }
    u32 shift = INDEX_LOG2 * (h - 1);
    *at = ((*at >> shift) + (i - entry_of(*at, h))) << shift;
    void *entry = path[h]->entries[i];
    while (--h > 0) {
        node = entry;
        i = next_used(node, 0);
        *at += (u64)i << (INDEX_LOG2 * (h - 1));
        entry = node->entries[i];
    }
    return entry;
}

// Leave the entries of a node from `from` on.
static void
leave_entries(struct index_node *node, u32 from, struct pool *p)
{
    for (; (from = next_used(node, from)) < INDEX_FAN; from++) {
        if (node->height == 1)
            pool_leave_block(p, node->entries[from], BLOCK);
        else
            pool_leave_node(p, node->entries[from]);
        node->entries[from] = NULL;
        node->used--;
    }
}

void
index_cut(struct index *x, u64 from, struct pool *p)
{
    struct index_node *path[INDEX_HEIGHT + 1];

    if (x->root == NULL || !reaches(x, from))
        return;
    if (x->height == 0) {
        pool_leave_block(p, x->root, BLOCK);
        x->root = NULL;
        return;
    }
    if (from == 0) {
        pool_leave_node(p, x->root);
        *x = (struct index){NULL, 0};
        return;
    }
    // On the way to `from` only what is behind the way goes, but for its end.
    u32 h = find_path(x, from, path);
    for (u32 level = x->height; level >= h; level--)
        leave_entries(path[level], entry_of(from, level) + (level > 1), p);
    prune(x, from, h, path, p);
}
