// user/diskfs/layout.h: what ext2, ext3 and the journal of both (JBD2) look
// like on a disk.  All but the journal has its least byte first, as we do.

#pragma once

#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "as on the disk");

#define PACKED __attribute__((packed))

enum {
    SUPER_AT = 1024, // on the disk, whatever the size of blocks
    SUPER_MAGIC = 0xef53,
    STATE_VALID = 1, // ended in order
    STATE_ERRORS = 2,
    OLD_INODE_SIZE = 128, // where the superblock does not say
    OLD_FIRST_INODE = 11,
    ROOT_INODE = 2,
    DESC_SIZE = 32,
    LINKS_MAX = 32000,
};

enum { // features that any may ignore
    COMPAT_JOURNAL = 0x4,
    COMPAT_RESIZE = 0x10,
};

enum { // those that have to be known, and to write
    INCOMPAT_FILETYPE = 0x2,
    INCOMPAT_RECOVER = 0x4,
    INCOMPAT_KNOWN = INCOMPAT_FILETYPE | INCOMPAT_RECOVER,
    RO_COMPAT_SPARSE = 0x1,
    RO_COMPAT_LARGE = 0x2,
    RO_COMPAT_KNOWN = RO_COMPAT_SPARSE | RO_COMPAT_LARGE | 0x4,
};

struct super {
    uint32_t inodes, blocks, reserved_blocks, free_blocks, free_inodes;
    uint32_t first_block, block_size_log, fragment_size_log;
    uint32_t group_blocks, group_fragments, group_inodes;
    uint32_t mounted, written;
    uint16_t mounts, mounts_max, magic, state, on_errors, minor;
    uint32_t checked, check_interval, creator, revision;
    uint16_t owner, group;
    uint32_t first_inode;
    uint16_t inode_size, this_group;
    uint32_t compat, incompat, ro_compat;
    uint8_t uuid[16], name[16], last_mounted[64];
    uint32_t algorithms;
    uint8_t prealloc, prealloc_dir;
    uint16_t reserved_descs;
    uint8_t journal_uuid[16];
    uint32_t journal_inode, journal_device, orphans;
    uint8_t rest[788];
} PACKED;

_Static_assert(sizeof(struct super) == 1024, "all of it");

struct group_desc {
    uint32_t block_bitmap, inode_bitmap, inode_table;
    uint16_t free_blocks, free_inodes, directories, flags;
    uint8_t rest[12];
} PACKED;

_Static_assert(sizeof(struct group_desc) == DESC_SIZE, "all of it");

enum { DIRECT = 12, POINTERS = 15 };

enum {
    MODE_TYPE = 0170000,
    MODE_DIRECTORY = 0040000,
    MODE_FILE = 0100000,
    MODE_SYMLINK = 0120000,
    FLAG_INDEX = 0x1000, // a directory has a tree of hashes
};

struct raw_inode {
    uint16_t mode, owner;
    uint32_t size, atime, ctime, mtime, dtime;
    uint16_t group, links;
    uint32_t sectors, flags, version;
    uint32_t pointers[POINTERS];
    uint32_t generation, attributes, size_high, fragment;
    uint8_t system[12];
    // Where inodes are larger than OLD_INODE_SIZE, as far as `extra` says.
    uint16_t extra, checksum;
    uint32_t ctime_extra, mtime_extra, atime_extra, born, born_extra;
    uint8_t extra_rest[8];
} PACKED;

enum { EXTRA_SIZE = sizeof(struct raw_inode) - OLD_INODE_SIZE };

struct raw_entry { // the name follows
    uint32_t inode;
    uint16_t size; // to the next entry
    uint8_t name_size, type;
} PACKED;

enum { NAME_MAX_SIZE = 255 };

enum { TYPE_FILE = 1, TYPE_DIRECTORY = 2, TYPE_SYMLINK = 7 }; // of entries

struct raw_attributes { // begins a block of them
    uint32_t magic, references;
} PACKED;

enum { ATTRIBUTES_MAGIC = 0xea020000 };

// --- the journal: numbers have their greatest byte first ---------------------

enum {
    LOG_MAGIC = 0xc03b3998,
    LOG_TAGS = 1,
    LOG_COMMIT = 2,
    LOG_SUPER_OLD = 3,
    LOG_SUPER = 4,
    LOG_REVOKED = 5,
};

struct log_head {
    uint32_t magic, kind, sequence;
} PACKED;

enum {
    LOG_BLOCKS_MIN = 1024,
    LOG_COMPAT_CHECKSUM = 1,
    LOG_INCOMPAT_REVOKE = 1
};

struct log_super {
    struct log_head head;
    uint32_t block_size, length, first, sequence, start, error;
    uint32_t compat, incompat, ro_compat;
    uint8_t uuid[16];
    uint32_t users;
} PACKED;

enum { TAG_ESCAPED = 1, TAG_SAME_UUID = 2, TAG_LAST = 8, TAG_UUID_SIZE = 16 };

struct log_tag { // a UUID follows where it is not the same as before
    uint32_t block;
    uint16_t checksum, flags;
} PACKED;

struct log_revoked { // numbers of blocks follow
    struct log_head head;
    uint32_t size; // of all of it
} PACKED;

struct log_commit {
    struct log_head head;
    uint8_t checksum[36];
    uint32_t seconds_high, seconds, ns;
} PACKED;
