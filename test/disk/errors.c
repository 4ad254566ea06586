// test/disk/errors.c: disks that fail, are full, may only be read, or have what
// is not known here: an error each time, and what is there stays sound.

#include "test/disk/help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static u8 block[64 * KIB];

// --- full --------------------------------------------------------------------

// Until there is no room; how many bytes there are.
static u64
fill(struct fs *fs, const char *path, u32 step)
{
    u64 at = 0;
    i32 error = path_create(fs, path, MODE_FILE | 0644);

    for (; error == 0; at += step)
        error = path_write(fs, path, at, block, step);
    EXPECT_EQ(error, ENOSPC);
    return at;
}

TEST(disk_full)
{
    struct memory_disk m;

    memset(block, 'x', sizeof(block));
    disk_make(&m, "-t ext3 -b 1024 -J size=1 -N 64", 4096);
    struct fs *fs = disk_mount(&m, 1 << 20);
    EXPECT(fill(fs, "a", sizeof(block)) > 2 * MIB);
    i64 size = path_size(fs, "a");
    EXPECT_EQ(path_create(fs, "d", MODE_DIRECTORY | 0755), ENOSPC);
    memset(block, 'y', 300);
    block[300] = 0;
    EXPECT_EQ(path_symlink(fs, (char *)block, "l"), ENOSPC);
    EXPECT_EQ(path_write(fs, "a", 100, block, 1000), 0); // what is there
    EXPECT_EQ(path_size(fs, "a"), size);
    EXPECT_EQ(fs_commit(fs), 0);
    // What was freed can be used at once, though nobody has synced.
    EXPECT_EQ(path_remove(fs, "a"), 0);
    (void)fill(fs, "b", 5000);
    EXPECT(path_size(fs, "b") > 2 * (i64)MIB);
    EXPECT_EQ(path_set_size(fs, "b", 0), 0);
    for (u32 i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof(name), "f%u", i);
        i32 error = path_create(fs, name, MODE_FILE | 0644);
        EXPECT(error == 0 || error == ENOSPC); // of inodes there are 64
        if (i > 64)
            EXPECT_EQ(error, ENOSPC);
    }
    EXPECT_EQ(fs_unmount(fs), 0);
    EXPECT(disk_is_sound(&m));
    disk_close(&m);
}

TEST(disk_full_large_blocks)
{
    struct memory_disk m;

    disk_make(&m, "-t ext2 -b 4096 -N 64", 2048);
    struct fs *fs = disk_mount(&m, 1 << 20);
    (void)fill(fs, "a", 100);
    EXPECT_EQ(path_create(fs, "b", MODE_FILE | 0644), 0);
    EXPECT_EQ(path_write(fs, "b", 40 * MIB, block, 10), ENOSPC);
    EXPECT_EQ(path_size(fs, "b"), 0);
    EXPECT_EQ(fs_unmount(fs), 0);
    EXPECT(disk_is_sound(&m));
    disk_close(&m);
}

// --- many --------------------------------------------------------------------

TEST(disk_many_names)
{
    struct memory_disk m;
    char name[64];
    int status;

    disk_make(&m, "-t ext3 -b 1024 -N 4000", 16384);
    struct fs *fs = disk_mount(&m, 1 << 20);
    EXPECT_EQ(path_create(fs, "d", MODE_DIRECTORY | 0755), 0);
    for (u32 i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "d/a name that is longer %u", i);
        EXPECT_EQ(path_create(fs, name, MODE_FILE | 0644), 0);
    }
    for (u32 i = 0; i < 3000; i += 3) {
        snprintf(name, sizeof(name), "d/a name that is longer %u", i);
        EXPECT_EQ(path_remove(fs, name), 0);
        snprintf(name, sizeof(name), "d/%u", i);
        EXPECT_EQ(path_create(fs, name, MODE_FILE | 0644), 0);
    }
    EXPECT_EQ(path_size(fs, "d/a name that is longer 2999"), 0);
    EXPECT_EQ(path_size(fs, "d/a name that is longer 2997"), -ENOENT);
    EXPECT_EQ(fs_unmount(fs), 0);
    EXPECT(disk_is_sound(&m));
    // As a tree of hashes, made by e2fsck: it can be read and changed.
    char *text = disk_command(&m, true, &status, "e2fsck -fyD $IMAGE 2>&1");
    EXPECT(status == 0 || status == 1);
    free(text);
    text = disk_command(&m, false, &status, "debugfs -R 'htree d' $IMAGE 2>&1");
    EXPECT(strstr(text, "Root node dump") != NULL);
    free(text);
    fs = disk_mount(&m, 1 << 20);
    EXPECT_EQ(path_size(fs, "d/a name that is longer 2999"), 0);
    for (u32 i = 0; i < 3000; i += 2) {
        snprintf(name, sizeof(name), "d/a new name %u", i);
        EXPECT_EQ(path_create(fs, name, MODE_FILE | 0644), 0);
        if (i % 3 == 0)
            snprintf(name, sizeof(name), "d/%u", i);
        else
            snprintf(name, sizeof(name), "d/a name that is longer %u", i);
        EXPECT_EQ(path_remove(fs, name), 0);
    }
    EXPECT_EQ(fs_unmount(fs), 0);
    EXPECT(disk_is_sound(&m));
    disk_close(&m);
}

// --- failing -----------------------------------------------------------------

// What may be done with a disk, and how far it came.
static void
use(struct fs *fs)
{
    (void)path_create(fs, "d", MODE_DIRECTORY | 0755);
    (void)path_create(fs, "d/f", MODE_FILE | 0644);
    (void)path_write(fs, "d/f", 0, block, 30000);
    (void)path_sync(fs, "d/f", false);
    (void)path_write(fs, "d/f", 100000, block, 30000);
    (void)path_rename(fs, "d/f", "g");
    (void)fs_commit(fs);
    (void)path_remove(fs, "g");
    (void)path_remove(fs, "d");
}

static bool
use_failing(const struct memory_disk *fresh, u64 reads, u64 writes, u64 flushes)
{
    const struct fs_options o = {false, 1 << 20, disk_now, NULL};
    struct memory_disk m;
    struct fs *fs = NULL;
    const char *why;
    char *text;

    disk_open(&m, fresh->bytes, fresh->disk.size);
    m.good_reads = reads;
    m.good_writes = writes;
    m.good_flushes = flushes;
    i32 error = fs_mount(&fs, &m.disk, &o, &why);
    if (error == 0) {
        use(fs);
        if (fs->broken) { // it says so to whoever asks
            EXPECT_EQ(fs_commit(fs), EIO);
            EXPECT_EQ(path_create(fs, "new", MODE_FILE | 0644), EROFS);
        }
        error = fs_unmount(fs);
    }
    bool failed =
        m.good_reads == 0 || m.good_writes == 0 || m.good_flushes == 0;
    if (error != 0)
        EXPECT(failed);
    // Whatever was written then, it is a state that can be gone on from.
    m.good_reads = m.good_writes = m.good_flushes = UINT64_MAX;
    int status = disk_check(&m, "-fy", &text);
    EXPECT(status == 0 || status == 1);
    if (status > 1 || strstr(text, "UNEXPECTED") != NULL)
        printf("%s\n", text);
    EXPECT(strstr(text, "UNEXPECTED") == NULL);
    free(text);
    disk_close(&m);
    return failed;
}

TEST(disk_fails)
{
    struct memory_disk fresh;
    u32 count = 0;

    disk_make(&fresh, "-t ext3 -b 1024 -J size=1 -N 64 -m 0", 2560);
    for (u64 i = 0; use_failing(&fresh, UINT64_MAX, i, UINT64_MAX); i += 2)
        count++;
    EXPECT(count > 30);
    count = 0;
    for (u64 i = 0; use_failing(&fresh, UINT64_MAX, UINT64_MAX, i); i++)
        count++;
    EXPECT(count > 8);
    count = 0;
    for (u64 i = 0; use_failing(&fresh, i, UINT64_MAX, UINT64_MAX); i += 2)
        count++;
    EXPECT(count > 8);
    disk_close(&fresh);
}

// --- what may not be ---------------------------------------------------------

TEST(disk_read_only)
{
    struct memory_disk m;

    disk_make(&m, "-t ext3", 8192);
    struct fs *fs = disk_mount(&m, 1 << 20);
    EXPECT_EQ(path_create(fs, "f", MODE_FILE | 0644), 0);
    EXPECT_EQ(path_write(fs, "f", 0, "text", 4), 0);
    EXPECT_EQ(fs_commit(fs), 0);
    // It was not ended: its journal would have to be written.
    struct memory_disk crashed;
    disk_open(&crashed, m.bytes, m.disk.size);
    crashed.disk.read_only = true;
    EXPECT(strstr(disk_refusal(&crashed, false), "not ended in order") != NULL);
    disk_close(&crashed);
    EXPECT_EQ(fs_unmount(fs), 0);
    m.disk.read_only = true;
    fs = disk_mount(&m, 1 << 20);
    EXPECT_EQ(path_size(fs, "f"), 4);
    EXPECT_EQ(path_write(fs, "f", 0, "more", 4), EROFS);
    EXPECT_EQ(path_set_size(fs, "f", 0), EROFS);
    EXPECT_EQ(path_create(fs, "g", MODE_FILE | 0644), EROFS);
    EXPECT_EQ(path_remove(fs, "f"), EROFS);
    EXPECT_EQ(path_rename(fs, "f", "g"), EROFS);
    EXPECT_EQ(path_sync(fs, "f", false), 0);
    EXPECT_EQ(fs_unmount(fs), 0);
    disk_close(&m);
}

static const struct {
    const char *name, *make, *debugfs, *why;
} refused[] = {
    {"ext4",    "-t ext4",        "",                       "extents"    },
    {"64bit",   "-t ext3",        "feature 64bit",          "not known"  },
    {"meta_bg", "-t ext3",        "feature meta_bg",        "not known"  },
    {"journal", "-O journal_dev", "",                       "not known"  },
    {"nothing", "-t ext3",        "zap_block -o 56 -l 2 1", "no ext2"    },
    {"group",   "-t ext3",        "ssv blocks_per_group 0", "cannot be"  },
    {"size",    "-t ext3",        "ssv blocks_count 90000", "cannot be"  },
    {"inode",   "-t ext3",        "ssv inode_size 130",     "cannot be"  },
    {"table",   "-t ext3",        "set_bg 0 inode_table 3", "cannot be"  },
    {"log",     "-t ext3",        "sif <8> size 4096",      "of its size"},
    {"log at",  "-t ext3",        "ssv journal_inum 9999",  "the last"   },
};

static const char *
refusal(u32 row)
{
    return row < COUNT(refused) ? refused[row].name : NULL;
}

TEST_ROWS(disk_refused, refusal)
{
    struct memory_disk m;
    int status;

    disk_make(&m, refused[test_row].make, 16384);
    if (refused[test_row].debugfs[0] != 0)
        free(disk_command(&m, true, &status, "debugfs -w -R '%s' $IMAGE 2>&1",
                          refused[test_row].debugfs));
    const char *why = disk_refusal(&m, false);
    if (why == NULL || strstr(why, refused[test_row].why) == NULL)
        printf("%s: %s\n", refused[test_row].name, why);
    EXPECT(why != NULL && strstr(why, refused[test_row].why) != NULL);
    disk_close(&m);
}

// Features that only who writes has to know: it can be read.
TEST(disk_unknown_to_write)
{
    struct memory_disk m;

    disk_make(&m, "-t ext2 -O metadata_csum,^resize_inode", 8192);
    struct fs *fs = disk_mount(&m, 1 << 20);
    EXPECT_EQ(path_create(fs, "f", MODE_FILE | 0644), EROFS);
    EXPECT_EQ(path_size(fs, "lost+found") > 0, true);
    EXPECT_EQ(fs_unmount(fs), 0);
    EXPECT(disk_is_sound(&m));
    disk_close(&m);
}

// One that was not ended and has no journal, or says that it has errors.
TEST(disk_not_ended)
{
    struct memory_disk m;
    int status;

    disk_make(&m, "-t ext2", 8192);
    free(disk_command(&m, true, &status, "debugfs -w -R 'ssv state 0' $IMAGE"));
    struct fs *fs = disk_mount(&m, 1 << 20);
    EXPECT_EQ(path_create(fs, "f", MODE_FILE | 0644), EROFS);
    EXPECT_EQ(fs_unmount(fs), 0);
    free(disk_command(&m, true, &status, "e2fsck -fy $IMAGE"));
    fs = disk_mount(&m, 1 << 20);
    EXPECT_EQ(path_create(fs, "f", MODE_FILE | 0644), 0);
    EXPECT_EQ(fs_unmount(fs), 0);
    disk_close(&m);
}
