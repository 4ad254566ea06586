// user/diskfs/diskfs.h: files on a disk, in ext2 and ext3.
//
// The file system needs a disk of two functions, and knows neither where it
// runs nor who asks: tests give it a disk in memory.  It does one thing at a
// time. Errors are numbers of errno.h, 0: none.  What is read from the disk is
// checked before it is used: a wrong number is EIO, and from then on nothing is
// written any more.
//
// A change is part of the running transaction, which fs_commit() lets be on the
// disk, as a whole or not at all; data that it needs is there before it.

#pragma once

#include "layout.h"

#include <stdbool.h>
#include <stdint.h>

// --- what it needs -----------------------------------------------------------

struct disk_part {
    uint64_t at; // bytes of the disk; a multiple of 512, as is the size
    uint8_t *data;
    uint32_t size;
};

struct disk {
    uint64_t size; // in bytes
    bool read_only;
    // Move the parts, in any order; they are all done when this returns.
    int32_t (*move)(struct disk *d, const struct disk_part *parts,
                    uint32_t count, bool write);
    // What was written before stays whatever happens.
    int32_t (*flush)(struct disk *d);
};

struct fs_options {
    bool read_only;
    uint32_t cache_size;         // bytes that are kept, about
    uint64_t (*now)(void);       // ns since 1970
    void (*say)(const char *ln); // a line to whoever looks after it
};

// Bytes that come or go: `data` has those from `offset` on, of all that were
// asked for, or gets them.  Not 0: they do not.
struct fs_mover {
    int32_t (*move)(void *arg, uint32_t offset, uint8_t *data, uint32_t size);
    void *arg;
};

// --- what it is made of ------------------------------------------------------

enum { // what has become of a buffer's contents; each has a count
    BUFFER_DIRTY = 1,     // data that is not on the disk
    BUFFER_RUNNING = 2,   // changed by the running transaction
    BUFFER_COMMITTED = 4, // in the journal, not where it belongs
    BUFFER_FORGOTTEN = 8, // the running transaction frees it
    BUFFER_MARKS = 4,
};

struct buffer {
    uint32_t block, flags, held;
    uint8_t *data;
    struct buffer *chain;       // in its bucket, or of those to spare
    struct buffer *prev, *next; // of the clean, last used first, or the others
};

struct journal {
    uint32_t *map; // its blocks; NULL: there is none
    uint32_t length, first;
    uint32_t head, used; // where to write, how many are not checkpointed
    uint32_t sequence;   // of the running transaction
    uint32_t transaction_max;
    uint8_t *super, *block; // its first block; room for another
    uint32_t *revoked, revoked_count, revoked_room;
};

struct inode {
    struct fs *fs;
    struct inode *chain;
    uint32_t number, references;
    uint16_t mode, links;
    uint32_t flags, sectors, attributes, dtime;
    uint64_t size, atime, mtime, ctime;
    uint32_t pointers[POINTERS];
    uint32_t data_sequence; // of the transaction that changed more than times
    uint64_t last_end;      // of the last read
    bool is_orphan;
    struct inode *orphan_prev, *orphan_next;
};

enum { INODE_BUCKETS = 256, PARTS = 64 };

struct fs {
    struct disk *disk;
    struct fs_options options;
    bool read_only, mounted;
    bool broken;  // something is wrong: nothing is written any more
    bool changed; // by what is being done
    bool unflushed;
    const char *why; // it was not mounted

    // From the superblock.
    uint32_t block_size, blocks, first_block, groups, group_blocks;
    uint32_t inodes, group_inodes, inode_size, first_inode;
    uint32_t desc_blocks, reserved_descs;
    bool sparse, has_types;
    struct group_place { // what has its place in a group
        uint32_t block_bitmap, inode_bitmap, inode_table;
        uint8_t *freed; // by the running transaction: a bit for each block
    } * places;
    uint32_t freed_count, freed_blocks; // groups with such, blocks

    // The cache.
    struct buffer **buckets, **sorted;
    uint32_t bucket_count, limit, in_use, total, marked[BUFFER_MARKS];
    struct buffer clean, busy, *spare;
    struct slab *slabs;
    struct disk_part parts[PARTS];

    struct journal journal;
    struct inode *inode_buckets[INODE_BUCKETS];
    struct inode *orphans; // the one that the superblock names
};

struct fs_entry {
    uint64_t next; // where to go on
    uint32_t inode;
    uint32_t mode; // of what it names: only the type, 0: not known
    const uint8_t *name;
    uint32_t name_size;
};

// --- for who serves files ----------------------------------------------------

// super.c: 0, and *out is there, or an error and *why, a sentence.
int32_t fs_mount(struct fs **out, struct disk *disk,
                 const struct fs_options *options, const char **why);
// Let all be on the disk; no inode is held but those that are to be dropped.
int32_t fs_unmount(struct fs *fs);

// inode.c: hold, and drop: what has no name any more is freed then.
int32_t fs_get(struct fs *fs, uint32_t number, struct inode **out);
void fs_put(struct inode *i);
int32_t fs_set_times(struct inode *i, const uint64_t *atime,
                     const uint64_t *mtime);

// names.c: *out is held.
int32_t fs_lookup(struct inode *dir, const uint8_t *name, uint32_t size,
                  struct inode **out);
int32_t fs_create(struct inode *dir, const uint8_t *name, uint32_t size,
                  uint32_t mode, struct inode **out);
int32_t fs_symlink(struct inode *dir, const uint8_t *name, uint32_t size,
                   const uint8_t *target, uint32_t target_size);
int32_t fs_link(struct inode *dir, const uint8_t *name, uint32_t size,
                struct inode *i);
int32_t fs_remove(struct inode *dir, const uint8_t *name, uint32_t size);
// rename.c
int32_t fs_rename(struct inode *from, const uint8_t *name, uint32_t size,
                  struct inode *to, const uint8_t *new_name, uint32_t new_size);

// dir.c: entries from `at` on, until `emit` says false.
int32_t fs_list(struct inode *dir, uint64_t at,
                bool (*emit)(void *arg, const struct fs_entry *e), void *arg);

// file.c
int32_t fs_read(struct inode *i, uint64_t at, uint32_t size,
                const struct fs_mover *to, uint32_t *count);
int32_t fs_write(struct inode *i, uint64_t at, uint32_t size,
                 const struct fs_mover *from, uint32_t *count);
int32_t fs_target(struct inode *i, const struct fs_mover *to, uint32_t room,
                  uint32_t *count);
int32_t fs_sync(struct inode *i, bool data);
// truncate.c
int32_t fs_set_size(struct inode *i, uint64_t size);

// journal.c: let all changes be on the disk.
int32_t fs_commit(struct fs *fs);

// --- inside ------------------------------------------------------------------

// super.c
struct super *fs_super(struct fs *fs, struct buffer **b);
// Something on the disk cannot be: EIO.
int32_t fs_corrupt(struct fs *fs, const char *what);
// Nothing is written any more.
void fs_break(struct fs *fs, const char *why);

// cache.c: a buffer stays where it is until cache_trim(), or while it is held.
int32_t cache_new(struct fs *fs);
void cache_free(struct fs *fs);
struct buffer *cache_find(struct fs *fs, uint32_t block);
int32_t buffer_get(struct fs *fs, uint32_t block, struct buffer **out);
// Of zeroes, whatever was there.
int32_t buffer_new(struct fs *fs, uint32_t block, struct buffer **out);
void buffer_drop(struct fs *fs, struct buffer *b);
void buffer_mark(struct fs *fs, struct buffer *b, uint32_t flag);
void buffer_unmark(struct fs *fs, struct buffer *b, uint32_t flags);
// Read those that are not there, as far as there is memory; 0 is no block.
int32_t cache_fill(struct fs *fs, const uint32_t *blocks, uint32_t count);
uint32_t cache_count(const struct fs *fs, uint32_t flag);
// Those with the flag, in order of blocks, in fs->sorted: how many.
uint32_t cache_sort(struct fs *fs, uint32_t flag);
// Write those with the flag where they belong, and take it from them.
int32_t cache_write(struct fs *fs, uint32_t flag);
void cache_trim(struct fs *fs);
int32_t disk_block(struct fs *fs, uint32_t block, uint8_t *data, bool write);
int32_t disk_flush(struct fs *fs);

// journal.c
int32_t journal_open(struct fs *fs, uint32_t inode);
int32_t journal_start(struct fs *fs);
int32_t journal_end(struct fs *fs, int32_t error);
void journal_free(struct fs *fs);
void meta_dirty(struct fs *fs, struct buffer *b);
// The running transaction frees the block: what it has is of no use.
int32_t meta_forget(struct fs *fs, uint32_t block);
// A change begins, of at most so many blocks; more of it; it has ended.
int32_t change_begin(struct fs *fs, uint32_t blocks);
int32_t change_room(struct fs *fs, uint32_t blocks);
int32_t change_end(struct fs *fs, int32_t error);
enum { CHANGE = 48, CHANGE_BLOCK = 20 }; // what is enough, for one block

// replay.c: what the journal has that is not where it belongs.
int32_t journal_replay(struct fs *fs, struct log_super *s);
uint32_t swap(uint32_t value); // of the journal

// alloc.c
int32_t desc_get(struct fs *fs, uint32_t group, struct buffer **b,
                 struct group_desc **desc);
bool block_is_data(const struct fs *fs, uint32_t block);
bool group_has_super(const struct fs *fs, uint32_t group);
int32_t block_alloc(struct fs *fs, uint32_t goal, uint32_t *out);
int32_t block_free(struct fs *fs, uint32_t block);
int32_t inode_alloc(struct fs *fs, uint32_t group, bool is_dir, uint32_t *out);
int32_t inode_free(struct fs *fs, uint32_t number, bool is_dir);

// inode.c
struct inode *inode_find(struct fs *fs, uint32_t number);
int32_t inode_new(struct fs *fs, uint32_t number, uint32_t mode,
                  struct inode **out);
int32_t inode_store(struct inode *i);
void inode_touch(struct inode *i); // written now; to be stored
bool inode_is(const struct inode *i, uint32_t type);
bool inode_is_short(const struct inode *i); // a symlink without blocks
void inode_free_all(struct fs *fs);
// The block of the file that has the number `index`, 0: none; _new: make it.
int32_t map_block(struct inode *i, uint64_t index, uint32_t *block);
int32_t map_new(struct inode *i, uint64_t index, uint32_t *block, bool *fresh);
// From the inode on: which pointers lead to a block; how many, 0: none does.
uint32_t map_path(const struct fs *fs, uint64_t index, uint32_t path[4]);
uint64_t file_size_max(const struct fs *fs);

// truncate.c
int32_t orphan_add(struct inode *i);
int32_t orphan_remove(struct inode *i);
// Free what has no name and is not held by others; i->references is 0.
void inode_delete(struct inode *i);
int32_t orphans_end(struct fs *fs); // those of the last time

// file.c: let what is behind the end, in its last block, be zero.
int32_t zero_tail(struct inode *i);

// dir.c
struct slot { // in a directory: an entry, or room for one
    struct buffer *b;
    uint32_t at, previous; // previous: in the same block; at == previous: none
};
struct search {
    const uint8_t *name;
    uint32_t size;
    struct slot found, room; // b is NULL: there is none
    uint32_t inode;          // that was found
};
int32_t dir_search(struct inode *dir, struct search *s);
void search_end(struct search *s);
int32_t dir_insert(struct inode *dir, const struct search *s, uint32_t inode,
                   uint32_t mode);
int32_t dir_remove(struct inode *dir, const struct search *s);
int32_t dir_replace(struct inode *dir, const struct search *s, uint32_t inode,
                    uint32_t mode);
int32_t dir_make(struct inode *dir, uint32_t parent);
int32_t dir_is_empty(struct inode *dir, bool *empty);
int32_t dir_parent(struct inode *dir, uint32_t *parent);
int32_t dir_set_parent(struct inode *dir, uint32_t parent);

// names.c: what an entry names, held; whether it may lose its name, and that it
// has lost that in `dir`.
int32_t name_inode(struct fs *fs, uint32_t number, struct inode **out);
int32_t name_may_go(struct inode *i);
int32_t name_gone(struct inode *dir, struct inode *i);
