// wasi/archive.c: a file system in memory from a tar archive.  What is in the
// archive stays there: names and contents are looked at where they are.

#include "wasi/tree.h"

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
        struct tree_name *found = name_find(at, name);
        if (found != NULL)
            at = found->node;
        else if ((error = node_add(at, name, FILETYPE_DIRECTORY, 0, STRING(""),
                                   false, &at)) != WASI_SUCCESS)
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
    struct tree_name *to = name_find(to_dir, last);
    if (to == NULL || to->node->node.type == FILETYPE_DIRECTORY)
        return WASI_INVAL;
    return name_add(dir, name, to->node, false, NULL);
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
    struct string target = entry->kind == '2' ? entry->target : STRING("");
    struct tree_node *dir, *n = NULL;
    struct string name;
    u8 type;

    if (!file_type(entry->kind, &type))
        return WASI_SUCCESS;
    errno_t error = directory_of(tree, entry->path, &dir, &name);
    if (error != WASI_SUCCESS)
        return error;
    struct tree_name *old = name.len > 0 ? name_find(dir, name) : NULL;
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
        error = node_add(dir, name, type, now, target, false, &n);
    if (error != WASI_SUCCESS)
        return error;
    if (old != NULL)
        name_remove(old);
    if (entry->kind == '0')
        n->contents =
            (struct contents){.size = entry->data.size, .base = entry->data};
    return WASI_SUCCESS;
}

static void
add_members(struct tree *tree, struct bytes archive, struct error *error)
{
    struct tar tar = {.archive = archive, .error = error};
    struct tar_entry entry;

    while (!thread_is_killed() && tar_next(&tar, &entry)) {
        u64 at = (u64)(entry.data.ptr - archive.ptr);
        errno_t problem = add_member(tree, &entry);
        if (problem == WASI_NOSPC)
            error_set(error, ERR_NO_MEMORY, at, "out of memory");
        else if (problem != WASI_SUCCESS)
            error_set(error, ERR_MALFORMED, at, "tar: impossible member");
        if (problem != WASI_SUCCESS)
            return;
    }
    if (thread_is_killed())
        error_set(error, ERR_KILLED, tar.at, status_text(ERR_KILLED));
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
    port_random(&tree->key, sizeof(tree->key));
    tree->pool.left = UINT64_MAX; // what is in the archive is not counted
    tree->bucket_count = 1;
    list_init(&tree->nodes);
    mutex_init(&tree->lock, LOCK_TREE);
    tree->root = node_new(tree, FILETYPE_DIRECTORY, 0, STRING(""), false);
    if (tree->root == NULL) {
        error_set(error, ERR_NO_MEMORY, 0, "out of memory");
    } else {
        tree->root->refs = tree->root->links = 1;
        add_members(tree, archive, error);
    }
    port_memory_info(&available, &total);
    tree->pool.left = available / 2;
    return tree;
}

// Free what was left, some at a time.
static void
sweep_all(struct tree *tree)
{
    struct swept swept;

    while (pool_sweep(&tree->pool, &swept))
        pool_swept(&swept);
}

void
tree_free(struct tree *tree)
{
    if (tree == NULL)
        return;
    list_each (item, &tree->nodes) {
        const struct tree_node *n = CONTAINER(item, struct tree_node, link);
        assert(n->refs == n->links); // else somebody has it open
    }
    list_each (item, &tree->nodes) {
        struct tree_node *n = CONTAINER(item, struct tree_node, link);
        struct tree_name *name;
        u64 number = 0;

        for (; (name = index_next(&n->entries, &number)) != NULL; number = 0)
            name_free(name);
    }
    while (!list_empty(&tree->nodes)) {
        node_free(CONTAINER(tree->nodes.next, struct tree_node, link));
        sweep_all(tree);
    }
    kernel_free(tree);
}

// --- what may be changed -----------------------------------------------------

// Keep all names on the ways from the root to a node.
static void
keep_names(struct tree_node *n)
{
    list_each (item, &n->names) {
        struct tree_name *name = CONTAINER(item, struct tree_name, same);

        while (name != NULL && !name->kept) {
            struct list *above = &name->dir->names;
            name->kept = true;
            name = list_empty(above) ?
                       NULL :
                       CONTAINER(above->next, struct tree_name, same);
        }
    }
}

void
tree_set_writable(struct node *node, bool writable)
{
    struct tree_node *top = tree_node(node);
    struct tree_name *name = NULL;

    if (!writable)
        keep_names(top);
    top->writable = writable;
    top->tree->writable |= writable;
    while (!thread_is_killed() && (name = name_next_below(top, name)) != NULL)
        name->node->writable = writable;
}
