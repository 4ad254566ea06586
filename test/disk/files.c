// test/disk/files.c: files on ext2 and ext3 in all shapes, which e2fsck then
// has to like and debugfs to find.

#include "test/disk/help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *words;
    u32 kib;
} shapes[] = {
    {"ext3 of 1 KiB blocks", "-t ext3 -b 1024 -I 128",          8192 },
    {"ext3 of 2 KiB blocks", "-t ext3 -b 2048 -I 256",          8192 },
    {"ext3 of 4 KiB blocks", "-t ext3 -b 4096 -I 256",          16384},
    {"ext3 not to resize",   "-t ext3 -O ^resize_inode -I 256", 8192 },
    {"ext3 with less",       "-t ext3 -O ^dir_index,^filetype", 8192 },
    {"ext2 of 1 KiB blocks", "-t ext2 -b 1024",                 8192 },
    {"ext2 of 4 KiB blocks", "-t ext2 -b 4096 -I 128",          16384},
    {"ext2 of revision 0",   "-t ext2 -r 0 -b 1024",            8192 },
    {"many groups",          "-t ext3 -b 1024 -g 1024",         16384},
};

static const char *
shape(u32 row)
{
    return row < COUNT(shapes) ? shapes[row].name : NULL;
}

static u8 pattern[4 * MIB], got[4 * MIB];

static void
fill_pattern(void)
{
    u32 x = 1;

    for (u32 i = 0; i < sizeof(pattern); i++) {
        x = x * 1103515245 + 12345;
        pattern[i] = (u8)(x >> 16);
    }
}

// What is in a file is `size` bytes of the pattern from `from` on.
static void
expect_pattern(struct fs *fs, const char *path, u64 at, u32 from, u32 size)
{
    EXPECT_EQ(path_read(fs, path, at, got, size), size);
    EXPECT(memcmp(got, pattern + from, size) == 0);
}

static void
expect_zeroes(struct fs *fs, const char *path, u64 at, u32 size)
{
    EXPECT_EQ(path_read(fs, path, at, got, size), size);
    for (u32 i = 0; i < size; i++)
        if (got[i] != 0) {
            EXPECT_EQ(i, size);
            break;
        }
}

static struct fs *
again(struct memory_disk *m, struct fs *fs)
{
    EXPECT_EQ(fs_unmount(fs), 0);
    EXPECT(disk_is_sound(m));
    return disk_mount(m, 1 << 20);
}

static void
write_some(struct fs *fs)
{
    EXPECT_EQ(path_create(fs, "small", MODE_FILE | 0644), 0);
    EXPECT_EQ(path_write(fs, "small", 0, pattern, 5), 0);
    EXPECT_EQ(path_create(fs, "large", MODE_FILE | 0600), 0);
    for (u32 at = 0; at < 2 * MIB; at += 65536 + 77)
        EXPECT_EQ(path_write(fs, "large", at, pattern + at, 65536 + 77), 0);
    EXPECT_EQ(path_create(fs, "holes", MODE_FILE | 0600), 0);
    EXPECT_EQ(path_write(fs, "holes", 5000, pattern, 5000), 0);
    EXPECT_EQ(path_write(fs, "holes", 70000000, pattern, 3000), 0);
    EXPECT_EQ(path_create(fs, "d", MODE_DIRECTORY | 0755), 0);
    EXPECT_EQ(path_create(fs, "d/e", MODE_DIRECTORY | 0755), 0);
    EXPECT_EQ(path_create(fs, "d/e/f", MODE_FILE | 0755), 0);
    EXPECT_EQ(path_symlink(fs, "short", "d/s"), 0);
    char target[201] = {0};
    memset(target, 'x', 200);
    EXPECT_EQ(path_symlink(fs, target, "d/l"), 0);
    EXPECT_EQ(path_link(fs, "large", "d/large"), 0);
}

static void
look_at_some(struct fs *fs)
{
    char target[256];

    EXPECT_EQ(path_size(fs, "small"), 5);
    expect_pattern(fs, "small", 0, 0, 5);
    expect_pattern(fs, "large", 0, 0, 2 * MIB);
    expect_pattern(fs, "d/large", 1000, 1000, 1 * MIB);
    expect_zeroes(fs, "holes", 0, 5000);
    expect_pattern(fs, "holes", 5000, 0, 5000);
    expect_zeroes(fs, "holes", 10000, 100000);
    expect_pattern(fs, "holes", 70000000, 0, 3000);
    EXPECT_EQ(path_size(fs, "holes"), 70003000);
    EXPECT_EQ(path_target(fs, "d/s", target, sizeof(target)), 5);
    EXPECT(memcmp(target, "short", 5) == 0);
    EXPECT_EQ(path_target(fs, "d/l", target, sizeof(target)), 200);
    EXPECT(target[0] == 'x' && target[199] == 'x');
    EXPECT_EQ(path_size(fs, "nothing"), -ENOENT);
    EXPECT_EQ(path_size(fs, "small/nothing"), -ENOTDIR);
    char *list = path_list(fs, "d");
    EXPECT(strcmp(list, ". .. e l large s ") == 0);
    free(list);
}

static void
change_some(struct fs *fs)
{
    EXPECT_EQ(path_set_size(fs, "large", 1 * MIB + 5), 0);
    EXPECT_EQ(path_set_size(fs, "large", 2 * MIB), 0);
    EXPECT_EQ(path_set_size(fs, "holes", 6000), 0);
    EXPECT_EQ(path_remove(fs, "d"), ENOTEMPTY);
    EXPECT_EQ(path_remove(fs, "d/e"), ENOTEMPTY);
    EXPECT_EQ(path_rename(fs, "d/e/f", "f"), 0);
    EXPECT_EQ(path_rename(fs, "d", "d/e/d"), EINVAL);
    EXPECT_EQ(path_rename(fs, "d/e", "e"), 0);
    EXPECT_EQ(path_rename(fs, "e", "small"), ENOTDIR);
    EXPECT_EQ(path_rename(fs, "small", "e"), EISDIR);
    EXPECT_EQ(path_rename(fs, "d", "e"), 0);
    EXPECT_EQ(path_rename(fs, "e", "d"), 0);
    EXPECT_EQ(path_rename(fs, "small", "d/s"), 0);
    EXPECT_EQ(path_rename(fs, "large", "d/large"), 0); // the same file
    EXPECT_EQ(path_remove(fs, "d/l"), 0);
    EXPECT_EQ(path_remove(fs, "d/large"), 0);
    EXPECT_EQ(path_create(fs, "f", MODE_FILE | 0644), EEXIST);
    EXPECT_EQ(path_link(fs, "d", "more"), EPERM);
}

static void
look_again(struct fs *fs)
{
    expect_pattern(fs, "large", 0, 0, 1 * MIB + 5);
    expect_zeroes(fs, "large", 1 * MIB + 5, 1 * MIB - 5);
    EXPECT_EQ(path_size(fs, "holes"), 6000);
    expect_pattern(fs, "d/s", 0, 0, 5);
    EXPECT_EQ(path_size(fs, "small"), -ENOENT);
    char *list = path_list(fs, "");
    EXPECT(strcmp(list, ". .. d f holes large lost+found ") == 0);
    free(list);
}

// A file over 2 GiB is a feature, and over 4 GiB a number of 64 bits.
TEST(disk_file_is_large)
{
    const u64 at = 5 * GIB + 123;
    struct memory_disk m;

    fill_pattern();
    disk_make(&m, "-t ext3 -b 4096 -O ^large_file", 16384);
    struct fs *fs = disk_mount(&m, 1 << 20);
    EXPECT_EQ(path_create(fs, "f", MODE_FILE | 0644), 0);
    EXPECT_EQ(path_write(fs, "f", at, pattern, 100000), 0);
    fs = again(&m, fs);
    EXPECT_EQ(path_size(fs, "f"), (i64)at + 100000);
    expect_pattern(fs, "f", at, 0, 100000);
    expect_zeroes(fs, "f", 3 * GIB, 10000);
    EXPECT_EQ(path_set_size(fs, "f", file_size_max(fs) + 1), EFBIG);
    EXPECT_EQ(path_write(fs, "f", file_size_max(fs), pattern, 1), EFBIG);
    EXPECT_EQ(path_set_size(fs, "f", file_size_max(fs)), 0);
    fs = again(&m, fs);
    EXPECT_EQ(path_set_size(fs, "f", 3 * GIB), 0);
    EXPECT_EQ(fs_unmount(fs), 0);
    EXPECT(disk_is_sound(&m));
    disk_close(&m);
}

// Times in ns, before and after 2038; without room for that, in seconds.
TEST(disk_times)
{
    static const u64 times[] = {0,
                                999999999,
                                1700000000123456789ull,
                                2147483648000000001ull,
                                4294967296999999999ull,
                                15032385535000000000ull};
    struct memory_disk m;
    struct inode *i;

    for (u32 large = 0; large < 2; large++) {
        disk_make(&m, large ? "-t ext3 -I 256" : "-t ext3 -I 128", 8192);
        struct fs *fs = disk_mount(&m, 1 << 20);
        EXPECT_EQ(path_create(fs, "f", MODE_FILE | 0644), 0);
        for (u32 k = 0; k < COUNT(times); k++) {
            u64 most = large ? UINT64_MAX : 0x7fffffffull * 1000000000;
            u64 want = MIN(
                large ? times[k] : times[k] / 1000000000 * 1000000000, most);
            EXPECT_EQ(path_get(fs, "f", &i), 0);
            EXPECT_EQ(fs_set_times(i, &times[k], &times[k]), 0);
            fs_put(i);
            fs = again(&m, fs);
            EXPECT_EQ(path_get(fs, "f", &i), 0);
            EXPECT_EQ(i->mtime, want);
            EXPECT_EQ(i->atime, want);
            fs_put(i);
        }
        EXPECT_EQ(fs_unmount(fs), 0);
        disk_close(&m);
    }
}

// A file that has no name any more is there until nobody holds it, and after a
// crash it is gone.
TEST(disk_file_without_name)
{
    struct memory_disk m, crashed;
    struct inode *held[3];
    char name[2] = "a";

    fill_pattern();
    disk_make(&m, "-t ext3", 8192);
    struct fs *fs = disk_mount(&m, 1 << 20);
    for (u32 i = 0; i < 3; i++, name[0]++) {
        EXPECT_EQ(path_create(fs, name, MODE_FILE | 0644), 0);
        EXPECT_EQ(path_write(fs, name, 0, pattern, 50000), 0);
        EXPECT_EQ(path_get(fs, name, &held[i]), 0);
        EXPECT_EQ(path_remove(fs, name), 0);
    }
    EXPECT_EQ(fs_commit(fs), 0);
    disk_open(&crashed, m.bytes, m.disk.size);
    struct fs *after = disk_mount(&crashed, 1 << 20);
    EXPECT_EQ(fs_unmount(after), 0);
    EXPECT(disk_is_sound(&crashed));
    disk_close(&crashed);
    const struct fs_mover to = {disk_move_out, got};
    u32 count;
    EXPECT_EQ(fs_read(held[1], 0, 50000, &to, &count), 0);
    EXPECT(count == 50000 && memcmp(got, pattern, count) == 0);
    EXPECT_EQ(fs_set_size(held[2], 10), 0);
    fs_put(held[1]); // from the middle of the list
    fs_put(held[0]);
    fs_put(held[2]);
    EXPECT_EQ(fs_unmount(fs), 0);
    EXPECT(disk_is_sound(&m));
    disk_close(&m);
}

TEST_ROWS(disk_files, shape)
{
    struct memory_disk m;
    int status;

    fill_pattern();
    disk_make(&m, shapes[test_row].words, shapes[test_row].kib);
    char *before = disk_command(&m, false, &status,
                                "dumpe2fs -h $IMAGE 2>&1 | grep ^Free");
    struct fs *fs = disk_mount(&m, 1 << 20);
    write_some(fs);
    look_at_some(fs);
    fs = again(&m, fs);
    look_at_some(fs);
    change_some(fs);
    look_again(fs);
    fs = again(&m, fs);
    look_again(fs);
    for (u32 i = 0; i < 4; i++)
        EXPECT_EQ(path_remove(
                      fs, ((const char *[]){"d/s", "f", "holes", "large"})[i]),
                  0);
    EXPECT_EQ(path_remove(fs, "d"), 0);
    EXPECT_EQ(fs_unmount(fs), 0);
    EXPECT(disk_is_sound(&m));
    char *after = disk_command(&m, false, &status,
                               "dumpe2fs -h $IMAGE 2>&1 | grep ^Free");
    EXPECT(strcmp(before, after) == 0); // all is free again
    free(before);
    free(after);
    disk_close(&m);
}
