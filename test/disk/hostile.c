// test/disk/hostile.c: disks on which numbers were changed at random: whatever
// they say, nothing crashes, nothing goes on for ever, and once something is
// found to be wrong nothing is written any more.
//
// NEBULET_DISK_IMAGES says how many, NEBULET_DISK_SEED which.

#include "test/disk/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static u32
asked(const char *name, u32 otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? (u32)strtoul(text, NULL, 10) : otherwise;
}

static const char *const paths[] = {
    "",     "foo",   "A",     "A/foo", "A/B",  "A/B/C",      "bar",
    "link", "A/one", "large", "holes", "many", "lost+found",
};

static const char *
any_path(u32 *random)
{
    return paths[model_number(random, COUNT(paths))];
}

static void
do_something(struct fs *fs, u32 *random)
{
    static u8 bytes[20000];
    const char *path = any_path(random), *other = any_path(random);
    u64 at = model_number(random, 300000);

    switch (model_number(random, 12)) {
    case 0:
        (void)path_create(fs, path, MODE_FILE | 0644);
        break;
    case 1:
        (void)path_create(fs, path, MODE_DIRECTORY | 0755);
        break;
    case 2:
        (void)path_remove(fs, path);
        break;
    case 3:
        (void)path_rename(fs, path, other);
        break;
    case 4:
        (void)path_link(fs, path, other);
        break;
    case 5:
        (void)path_symlink(fs,
                           "a longer target that takes a block of its own "
                           "and some more, so that it is not short",
                           path);
        break;
    case 6:
        (void)path_write(fs, path, at, bytes, model_number(random, 20000));
        break;
    case 7:
        (void)path_read(fs, path, at, bytes, sizeof(bytes));
        break;
    case 8:
        (void)path_set_size(fs, path, at);
        break;
    case 9:
        free(path_list(fs, path));
        break;
    case 10:
        (void)path_target(fs, path, bytes, sizeof(bytes));
        break;
    default:
        (void)path_sync(fs, path, model_number(random, 2) == 0);
        break;
    }
}

// One with all that there can be, and a journal with something in it.
static void
make(struct memory_disk *m, const char *words)
{
    static u8 bytes[100000];
    char name[32];

    disk_make(m, words, 4096);
    struct fs *fs = disk_mount(m, 1 << 20);
    EXPECT_EQ(path_create(fs, "A", MODE_DIRECTORY | 0755), 0);
    EXPECT_EQ(path_create(fs, "A/B", MODE_DIRECTORY | 0755), 0);
    EXPECT_EQ(path_create(fs, "A/B/C", MODE_DIRECTORY | 0755), 0);
    EXPECT_EQ(path_create(fs, "foo", MODE_FILE | 0644), 0);
    EXPECT_EQ(path_link(fs, "foo", "A/one"), 0);
    EXPECT_EQ(path_create(fs, "large", MODE_FILE | 0644), 0);
    EXPECT_EQ(path_write(fs, "large", 0, bytes, sizeof(bytes)), 0);
    EXPECT_EQ(path_write(fs, "large", 400000, bytes, sizeof(bytes)), 0);
    EXPECT_EQ(path_create(fs, "many", MODE_DIRECTORY | 0755), 0);
    for (u32 i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "many/some name %u", i);
        EXPECT_EQ(path_create(fs, name, MODE_FILE | 0644), 0);
    }
    EXPECT_EQ(fs_commit(fs), 0);
    EXPECT_EQ(path_set_size(fs, "large", 200000), 0);
    EXPECT_EQ(path_remove(fs, "many/some name 7"), 0);
    EXPECT_EQ(fs_commit(fs), 0);
    u8 *crashed = malloc(m->disk.size);
    assert(crashed != NULL);
    memcpy(crashed, m->bytes, m->disk.size);
    EXPECT_EQ(fs_unmount(fs), 0);
    memcpy(m->bytes, crashed, m->disk.size);
    free(crashed);
}

// A number somewhere where there are any.
static void
change_number(struct memory_disk *m, const u64 *used, u64 count, u32 *random)
{
    static const u32 values[] = {0, 1, 2, 8, 0xff, 0xffff, 0x7fffffff, ~0u};
    u64 at = used[model_number(random, (u32)count)] * 512 +
             model_number(random, 512);
    u32 value = model_number(random, 2) == 0 ?
                    values[model_number(random, COUNT(values))] :
                    model_number(random, 5000);

    switch (model_number(random, 4)) {
    case 0:
        m->bytes[at] ^= (u8)(1u << model_number(random, 8));
        break;
    case 1:
        m->bytes[at] = (u8)value;
        break;
    case 2:
        memcpy(m->bytes + (at & ~1ull), &value, 2);
        break;
    default:
        memcpy(m->bytes + (at & ~3ull), &value, 4);
        break;
    }
}

static void
attack(const struct memory_disk *fresh, const u64 *used, u64 count, u32 seed)
{
    const struct fs_options o = {false, 1 << 18, disk_now, NULL};
    u32 random = seed * 2654435761u | 1;
    struct memory_disk m;
    struct fs *fs = NULL;
    const char *why;

    disk_open(&m, fresh->bytes, fresh->disk.size);
    for (u32 i = 1 + model_number(&random, 6); i > 0; i--)
        change_number(&m, used, count, &random);
    if (fs_mount(&fs, &m.disk, &o, &why) == 0) {
        for (u32 i = 0; i < 40; i++) {
            bool was_broken = fs->broken;
            u64 writes = m.written_size;
            m.logs = true;
            do_something(fs, &random);
            if (was_broken)
                EXPECT_EQ(m.written_size, writes);
        }
        (void)fs_unmount(fs);
    }
    disk_close(&m);
}

static void
attack_all(const char *words)
{
    u32 count = asked("NEBULET_DISK_IMAGES", 1500);
    u32 seed = asked("NEBULET_DISK_SEED", 1);
    struct memory_disk m;
    u64 used_count = 0;

    make(&m, words);
    u64 *used = malloc(m.disk.size / 512 * sizeof(u64));
    assert(used != NULL);
    for (u64 i = 0; i < m.disk.size / 512; i++)
        for (u32 k = 0; k < 512; k++)
            if (m.bytes[i * 512 + k] != 0) {
                used[used_count++] = i;
                break;
            }
    for (u32 i = 0; i < count; i++)
        attack(&m, used, used_count, seed + i);
    free(used);
    disk_close(&m);
}

TEST(disk_hostile)
{
    attack_all("-t ext3 -b 1024 -J size=1 -N 128");
}

TEST(disk_hostile_without_journal)
{
    attack_all("-t ext2 -b 1024 -N 128");
}
