// test/disk/help.h: disks in memory for tests of user/diskfs; e2fsprogs make
// them and look at them.

#pragma once

#include "test/test.h"

#include <diskfs.h>

struct disk_event { // what was asked of a disk, in this order
    u64 at;
    u32 size; // 0: a flush
    u64 data; // where in `written` it is
};

struct memory_disk {
    struct disk disk; // first
    u8 *bytes;
    bool logs; // note what is written
    struct disk_event *events;
    u64 event_count, event_room;
    u8 *written;
    u64 written_size, written_room;
    u64 moves, flushes; // so far
    // After so many more, each of them is EIO; UINT64_MAX: never.
    u64 good_reads, good_writes, good_flushes;
};

// A new file system by mke2fs with these words, of so many KiB.
void disk_make(struct memory_disk *m, const char *words, u32 kib);
// Of these bytes, which are copied.
void disk_open(struct memory_disk *m, const u8 *bytes, u64 size);
void disk_close(struct memory_disk *m);

struct fs *disk_mount(struct memory_disk *m, u32 cache_size);
// What fs_mount() says; mounted ones are unmounted again.
const char *disk_refusal(struct memory_disk *m, bool read_only);

// A clock that moves on when it is looked at.
u64 disk_now(void);

// What e2fsck with these words says, and its status; *out is to be freed.
int disk_check(const struct memory_disk *m, const char *words, char **out);
// It has nothing to say against it; its text is shown otherwise.
bool disk_is_sound(const struct memory_disk *m);
// What a shell command prints, where $IMAGE is a file with what is on the disk.
char *disk_command(struct memory_disk *m, bool take_back, int *status,
                   const char *format, ...) PRINTF(4, 5);

// Files by their paths from the root on: "a/b/c".  Each gives an error.
i32 path_create(struct fs *fs, const char *path, u32 mode);
i32 path_write(struct fs *fs, const char *path, u64 at, const void *bytes,
               u32 size);
// Its bytes from `at` on into `bytes`; how many, or minus an error.
i64 path_read(struct fs *fs, const char *path, u64 at, void *bytes, u32 size);
i64 path_size(struct fs *fs, const char *path);
i32 path_set_size(struct fs *fs, const char *path, u64 size);
i32 path_remove(struct fs *fs, const char *path);
i32 path_rename(struct fs *fs, const char *from, const char *to);
i32 path_link(struct fs *fs, const char *from, const char *to);
i32 path_symlink(struct fs *fs, const char *target, const char *path);
i64 path_target(struct fs *fs, const char *path, void *bytes, u32 size);
i32 path_sync(struct fs *fs, const char *path, bool data);
// Held; "" is the root.
i32 path_get(struct fs *fs, const char *path, struct inode **out);
// The names in a directory, each with a space behind it, sorted.
char *path_list(struct fs *fs, const char *path);

// A mover for fs_read(), to memory.
i32 disk_move_out(void *arg, u32 offset, u8 *data, u32 size);
