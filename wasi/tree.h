// wasi/tree.h: inside of the file system in memory (pool.c, index.c,
// contents.c, names.c, archive.c, tree.c).
//
// One mutex guards all of a tree.  Nothing that is done under it takes longer
// than to copy a block or to look at some hundred entries, whatever the size of
// files and directories; what is no longer needed is chained under it and freed
// after it (pool_sweep).

#pragma once

#include "wasi/wasi.h"

// --- pool.c: memory ----------------------------------------------------------

enum {
    BLOCK = 64 * KIB, // of a file's contents
    BLOCK_MIN = 64,   // the first one of a small file
};

// The memory that a tree may take, and what it no longer needs of it: blocks,
// chained through their own first bytes, and nodes of indexes of blocks.
struct pool {
    u64 left; // bytes
    struct dead_block *blocks;
    struct index_node *nodes;
};

// Zeroed memory; NULL when there is none, or no more for this tree.
MUST_USE void *pool_alloc(struct pool *p, u64 size);
void pool_free(struct pool *p, void *ptr, u64 size);

// Leave a block, a node with all below it, for pool_sweep.
void pool_leave_block(struct pool *p, void *block, u64 size);
void pool_leave_node(struct pool *p, struct index_node *node);

// Some of what was left, at most SWEEP pieces: taken out of the pool by
// pool_sweep, freed by pool_swept, which needs no lock.  False: there was
// nothing.
enum { SWEEP = 16 };
struct swept {
    void *pieces[SWEEP];
    u32 count;
};
MUST_USE bool pool_sweep(struct pool *p, struct swept *out);
void pool_swept(struct swept *s);

// --- index.c: sparse arrays of pointers --------------------------------------

// Entries by 64-bit numbers, NULL where nothing was set.  A tree of nodes with
// 64 entries, as high as the largest number needs: everything takes time
// proportional to that height, at most INDEX_HEIGHT, and nothing ever moves.
// All zero: empty.
enum { INDEX_LOG2 = 6, INDEX_FAN = 1 << INDEX_LOG2, INDEX_HEIGHT = 11 };

struct index {
    void *root; // of height 0: the entry of number 0
    u32 height;
};

struct index_node {
    struct index_node *next; // in pool.nodes
    u32 height;              // 1: of entries, else of nodes
    u32 used;                // of them are not NULL
    void *entries[INDEX_FAN];
};

void *index_get(const struct index *x, u64 at);

// `entry` is not NULL.  False: no memory, nothing has changed; not where there
// is an entry already.
MUST_USE bool index_set(struct index *x, u64 at, void *entry, struct pool *p);

// Remove an entry; returns it.
void *index_take(struct index *x, u64 at, struct pool *p);

// The first entry from number *at on, and its number; NULL: there is none.
void *index_next(const struct index *x, u64 *at);

// Leave to the pool all entries, which are blocks of BLOCK bytes, from this
// number on.
void index_cut(struct index *x, u64 from, struct pool *p);

// --- contents.c: what is in a file -------------------------------------------

// Bytes [0, size).  Those of a block that is there are in it; else they are as
// in `base`, and zero beyond that.  In blocks, all beyond the size is zero.
struct contents {
    u64 size;
    struct bytes base; // part of the archive, never written to
    struct index blocks;
    u32 room; // bytes in block 0, when it is there; all others have BLOCK
    u64 cuts; // how many times memory behind the size was let go
};

// Copy out what there is, from `at` on.
u64 contents_read(const struct contents *c, u64 at, struct bytes to);

// Copy in; the number of bytes for which there was memory.  at + from.size is
// at most INT64_MAX.
u64 contents_write(struct contents *c, u64 at, struct bytes from,
                   struct pool *p);

// Let the bytes from `at` up to `end` have memory of their own, block by block:
// how many were done, 0 when there is no memory.
u64 contents_reserve(struct contents *c, u64 at, u64 end, struct pool *p);

// Cut off, also what is reserved behind the size, or add zeros that take no
// memory.
void contents_set_size(struct contents *c, u64 size, struct pool *p);

// --- names.c: nodes and their names ------------------------------------------

struct tree_node {
    struct node node;
    struct tree *tree;
    struct list link;  // in tree->nodes
    bool writable;     // what is made in a directory is as the directory
    u32 refs;          // names and open files
    u32 links;         // names
    u64 inode;         // number of the node
    struct list names; // struct tree_name.same
    u64 atime, mtime, ctime;
    u64 memory; // bytes of this structure

    struct contents contents; // of a file
    struct mutex end;         // over a whole append; guards no field
    struct string target;     // of a symlink

    // Of a directory: names by number, in the order they came.
    struct index entries;
    u64 next_number; // never used before
    u64 used;        // how many there are

    char text[]; // the target when it is our own
};

// One name of a node.
struct tree_name {
    struct tree_name *chain; // next in its bucket
    struct list same;        // in node->names
    struct tree_node *dir, *node;
    u64 hash;
    u64 number; // in dir->entries
    struct string name;
    bool kept;  // leads to what is read-only among what is writable
    u64 memory; // bytes of this structure
    char text[];
};

// Names of all directories are found through one hash table, which grows by a
// bucket at a time (linear hashing).
struct tree {
    struct tree_node *root;
    bool writable;       // something in it is
    struct hash_key key; // random
    struct mutex lock;
    // Of struct tree_name, chained.
    struct index buckets MEMBER_GUARDED_BY(lock);
    u64 bucket_count MEMBER_GUARDED_BY(lock);
    u64 name_count MEMBER_GUARDED_BY(lock);
    struct pool pool MEMBER_GUARDED_BY(lock);
    u64 next_inode MEMBER_GUARDED_BY(lock);
    struct list nodes MEMBER_GUARDED_BY(lock);
};

extern const struct node_ops tree_ops;

static inline struct tree_node *
tree_node(struct node *n)
{
    return (struct tree_node *)n;
}

// A node without a name; `target` (of a symlink) is copied when `own`.  NULL:
// no memory.
MUST_USE struct tree_node *node_new(struct tree *tree, u8 type, u64 now,
                                    struct string target, bool own);
void node_free(struct tree_node *n);
void node_unref(struct tree_node *n); // frees it when it was the last
void node_touch(struct tree_node *n); // its contents have changed

// The directory that a directory is in; itself when that is none.
struct tree_node *node_above(struct tree_node *dir);

// May a directory `above` move into `dir`?  WASI_INVAL: that is it, or is below
// it; WASI_NAMETOOLONG: so deep that looking takes too long under the lock.
enum { DEPTH_MAX = 10000 };
MUST_USE errno_t node_check_outside(struct tree_node *dir,
                                    const struct tree_node *above);

struct tree_name *name_find(struct tree_node *dir, struct string name);

// Give a node a name.  `own` copies the text, else it must stay.  `place`: of
// `dir`, whose place in listings it takes over, or NULL.
MUST_USE errno_t name_add(struct tree_node *dir, struct string name,
                          struct tree_node *node, bool own,
                          const struct tree_name *place);
void name_remove(struct tree_name *name); // may free the node
void name_free(struct tree_name *name);   // without a look at the node

// The name after this one in all that is below `top`; start with NULL.
struct tree_name *name_next_below(struct tree_node *top,
                                  const struct tree_name *at);

// A new node with a name.
MUST_USE errno_t node_add(struct tree_node *dir, struct string name, u8 type,
                          u64 now, struct string target, bool own,
                          struct tree_node **out);
