// test/wasi/write.c: changing files and names: what the calls do, what they
// refuse, and that nothing is lost or used after it is gone (the sanitizer
// watches).

#include "test/wasi/fake.h"
#include "wasi/tree.h"

#include <string.h>

enum { OUT = 0x100, PATH = 0x200, PATH2 = 0x300, IOV = 0x400, DATA = 0x1000 };

static struct archive a;
static struct tree *tree;
static const u64 ALL = (1 << 28) - 1;

// fd 3: a directory with "f" (ten digits), "d/g" and "l" -> "f".
static void
start(void)
{
    struct error error = {OK, 0, NULL};

    archive_add(&a, "f", '0', "0123456789", 10, "");
    archive_add(&a, "d/g", '0', "ggg", 3, "");
    archive_add(&a, "l", '2', "", 0, "f");
    archive_end(&a);
    tree = tree_new(archive_bytes(&a), &error);
    EXPECT(tree != NULL);
    tree_set_writable(tree_root(tree), true);
    fake_attach(tree_root(tree));
}

static void
stop(void)
{
    fake_detach();
    tree_free(tree);
    EXPECT_EQ(fake.blocks, 0);
}

static errno_t
open_path(const char *path, u32 flags, u32 fd_flags)
{
    u32 size = fake_put(PATH, path);

    return CALL_WASI("path_open", 3, LOOKUP_FOLLOW, PATH, size, flags,
                     rights_of_type(FILETYPE_REGULAR_FILE), 0, fd_flags, OUT);
}

static errno_t
open_directory(u32 fd, const char *path)
{
    u32 size = fake_put(PATH, path);

    return CALL_WASI("path_open", fd, 0, PATH, size, OPEN_DIRECTORY,
                     rights_of_type(FILETYPE_DIRECTORY), ALL, 0, OUT);
}

// A call of one path: (fd, path, size).
static errno_t
call1(const char *call, const char *path)
{
    u32 size = fake_put(PATH, path);

    return CALL_WASI(call, 3, PATH, size);
}

// path_rename and path_link.
static errno_t
call2(const char *call, const char *from, const char *to)
{
    u32 size = fake_put(PATH, from), size2 = fake_put(PATH2, to);

    if (strcmp(call, "path_link") == 0)
        return CALL_WASI(call, 3, 0, PATH, size, 3, PATH2, size2);
    if (strcmp(call, "path_symlink") == 0)
        return CALL_WASI(call, PATH, size, 3, PATH2, size2);
    return CALL_WASI(call, 3, PATH, size, 3, PATH2, size2);
}

static errno_t
write_text(u32 fd, const char *text)
{
    u32 iov[2] = {DATA, fake_put(DATA, text)};

    memcpy(fake.memory + IOV, iov, sizeof(iov));
    return CALL_WASI("fd_write", fd, IOV, 1, OUT);
}

// The contents of a file.
static const char *
text_of(const char *path)
{
    static char text[256];
    u32 iov[2] = {DATA, sizeof(text) - 1};

    memset(text, 0, sizeof(text));
    if (open_path(path, 0, 0) != WASI_SUCCESS)
        return "(none)";
    u32 fd = fake_u32(OUT);
    memcpy(fake.memory + IOV, iov, sizeof(iov));
    EXPECT_EQ(CALL_WASI("fd_pread", fd, IOV, 1, 0, OUT), WASI_SUCCESS);
    memcpy(text, fake.memory + DATA, fake_u32(OUT));
    EXPECT_EQ(CALL_WASI("fd_close", fd), WASI_SUCCESS);
    return text;
}

static void
expect_text(const char *path, const char *want)
{
    const char *got = text_of(path);

    if (strcmp(got, want) != 0)
        test_failed(__FILE__, __LINE__, path, got[0], want[0]);
}

TEST(wasi_write_copies_on_write)
{
    start();
    EXPECT_EQ(open_path("f", 0, 0), WASI_SUCCESS);
    EXPECT_EQ(write_text(4, "ab"), WASI_SUCCESS);
    expect_text("f", "ab23456789");
    EXPECT(memcmp(a.bytes + 512, "0123456789", 10) == 0);
    EXPECT_EQ(CALL_WASI("fd_seek", 4, 12, 0, OUT), WASI_SUCCESS);
    EXPECT_EQ(write_text(4, "end"), WASI_SUCCESS);
    EXPECT(memcmp(text_of("f"), "ab23456789\0\0end", 15) == 0);
    EXPECT_EQ(CALL_WASI("fd_filestat_set_size", 4, 3), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_set_size", 4, 6), WASI_SUCCESS);
    EXPECT(memcmp(text_of("f"), "ab2\0\0\0", 7) == 0);
    EXPECT_EQ(CALL_WASI("fd_allocate", 4, 0, 4), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 32), 6);
    EXPECT_EQ(CALL_WASI("fd_allocate", 4, 6, 4), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 32), 10);
    EXPECT_EQ(CALL_WASI("fd_allocate", 4, UINT64_MAX, 4), WASI_INVAL);
    stop();
}

TEST(wasi_write_append_and_truncate)
{
    start();
    EXPECT_EQ(open_path("f", 0, FDFLAG_APPEND), WASI_SUCCESS);
    EXPECT_EQ(write_text(4, "+1"), WASI_SUCCESS);
    EXPECT_EQ(open_path("f", 0, 0), WASI_SUCCESS);
    EXPECT_EQ(write_text(5, "xx"), WASI_SUCCESS);
    EXPECT_EQ(write_text(4, "+2"), WASI_SUCCESS);
    expect_text("f", "xx23456789+1+2");
    EXPECT_EQ(CALL_WASI("fd_tell", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT), 14);
    EXPECT_EQ(open_path("f", OPEN_TRUNCATE, 0), WASI_SUCCESS);
    expect_text("f", "");
    EXPECT_EQ(write_text(4, "again"), WASI_SUCCESS);
    expect_text("l", "again");
    stop();
}

static u32 others, refused; // writes of another thread

static void
append_other(void)
{
    u32 iov[2] = {DATA + 40000, 3};

    memcpy(fake.memory + DATA + 40000, "xyz", 3);
    memcpy(fake.memory + IOV + 64, iov, sizeof(iov));
    others++;
    refused += CALL_WASI("fd_write", 5, IOV + 64, 1, OUT + 64) == WASI_INTR;
}

// What takes long is ended by a kill, with nothing kept or half done: on the
// n-th question for it.
TEST(wasi_write_long_work_can_be_killed)
{
    u32 iovs[4] = {DATA, 40000, DATA, 20000};
    char name[16];

    start();
    for (u32 i = 0; i < 500; i++) {
        format(name, sizeof(name), "d/n%u", i);
        EXPECT_EQ(call1("path_create_directory", name), WASI_SUCCESS);
    }
    EXPECT_EQ(open_path("f", 0, 0), WASI_SUCCESS);
    EXPECT_EQ(open_directory(3, "d"), WASI_SUCCESS);
    memcpy(fake.memory + IOV, iovs, sizeof(iovs));
    for (u32 n = 1; n <= 4; n++) {
        u64 left = tree->pool.left;
        fake.killed_at = n;
        fake.asked = 0;
        EXPECT_EQ(CALL_WASI("fd_readdir", 5, DATA, 60000, 0, OUT), WASI_INTR);
        EXPECT_EQ(fake.asked, n);
        fake.asked = 0;
        EXPECT_EQ(CALL_WASI("fd_allocate", 4, 0, 10 * 65536), WASI_INTR);
        EXPECT_EQ(fake.asked, n);
        EXPECT(left - tree->pool.left <= 65536);
        fake.asked = 0;
        EXPECT_EQ(CALL_WASI("fd_write", 4, IOV, 2, OUT), WASI_INTR);
    }
    fake.killed_at = 0;
    expect_text("f", "0123456789");
    stop();
}

// What is appended by one call stays together, whoever else appends.
TEST(wasi_write_append_is_one)
{
    u32 iovs[4] = {DATA, 20000, DATA + 20000, 1000};

    start();
    EXPECT_EQ(open_path("f", OPEN_TRUNCATE, FDFLAG_APPEND), WASI_SUCCESS);
    EXPECT_EQ(open_path("f", 0, FDFLAG_APPEND), WASI_SUCCESS);
    memcpy(fake.memory + IOV, iovs, sizeof(iovs));
    fake.other = append_other;
    EXPECT_EQ(CALL_WASI("fd_write", 4, IOV, 2, OUT), WASI_SUCCESS);
    fake.other = NULL;
    EXPECT_EQ(fake_u32(OUT), 21000);
    EXPECT_EQ(others, 2);
    EXPECT_EQ(refused, 2);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ((fake_u64(OUT + 32) - 21000) % 3, 0);
    stop();
}

// An append that is refused is over: the next one need not wait for it.
TEST(wasi_write_refused_append)
{
    start();
    EXPECT_EQ(open_path("f", 0, FDFLAG_APPEND), WASI_SUCCESS);
    EXPECT_EQ(open_path("f", 0, FDFLAG_APPEND), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_set_size", 4, INT64_MAX), WASI_SUCCESS);
    EXPECT_EQ(write_text(4, "x"), WASI_FBIG);
    EXPECT_EQ(write_text(4, "x"), WASI_FBIG);
    EXPECT_EQ(write_text(5, "x"), WASI_FBIG);
    EXPECT_EQ(CALL_WASI("fd_filestat_set_size", 4, 3), WASI_SUCCESS);
    tree->pool.left = 0;
    EXPECT_EQ(CALL_WASI("fd_seek", 4, 1, 0, OUT), WASI_SUCCESS);
    EXPECT_EQ(write_text(4, "x"), WASI_NOSPC);
    EXPECT_EQ(CALL_WASI("fd_tell", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT), 1); // what was refused moves nothing
    tree->pool.left = FAKE_FILES;
    EXPECT_EQ(write_text(5, "y"), WASI_SUCCESS);
    EXPECT_EQ(write_text(4, "z"), WASI_SUCCESS);
    expect_text("f", "012yz");
    stop();
}

// A call that leaves much has given it all back when it returns.
TEST(wasi_write_sweeps_to_the_end)
{
    start();
    tree->pool.left = 256 * MIB;
    EXPECT_EQ(open_path("f", OPEN_TRUNCATE, 0), WASI_SUCCESS);
    u64 left = tree->pool.left, blocks = fake.blocks;
    EXPECT_EQ(CALL_WASI("fd_allocate", 4, 0, 100 * 65536), WASI_SUCCESS);
    EXPECT(left - tree->pool.left >= 100 * 65536);
    EXPECT_EQ(CALL_WASI("fd_filestat_set_size", 4, 0), WASI_SUCCESS);
    EXPECT_EQ(tree->pool.left, left);
    EXPECT_EQ(fake.blocks, blocks);
    stop();
}

static u32 cuts_at, unlocks; // cut at the n-th time the file is unlocked

static void
cut_other(void)
{
    if (++unlocks == cuts_at)
        EXPECT_EQ(CALL_WASI("fd_filestat_set_size", 5, 3), WASI_SUCCESS);
}

// A file that is cut off while memory is taken for it has all of it after the
// call, or was cut off after that.
TEST(wasi_write_cut_while_allocating)
{
    u32 kept = 0;

    start();
    EXPECT_EQ(open_path("f", 0, 0), WASI_SUCCESS);
    EXPECT_EQ(open_path("f", 0, 0), WASI_SUCCESS);
    u64 left = tree->pool.left;
    for (cuts_at = 1; cuts_at <= 8; cuts_at++) {
        unlocks = 0;
        fake.other = cut_other;
        EXPECT_EQ(CALL_WASI("fd_allocate", 4, 0, 4 * 65536), WASI_SUCCESS);
        fake.other = NULL;
        EXPECT_EQ(CALL_WASI("fd_filestat_get", 4, OUT), WASI_SUCCESS);
        if (fake_u64(OUT + 32) != 3) {
            EXPECT_EQ(fake_u64(OUT + 32), 4 * 65536);
            EXPECT(left - tree->pool.left >= 4 * 65536);
            kept++;
        }
        EXPECT_EQ(CALL_WASI("fd_filestat_set_size", 4, 0), WASI_SUCCESS);
        EXPECT_EQ(tree->pool.left, left);
        EXPECT_EQ(CALL_WASI("fd_filestat_set_size", 4, 10), WASI_SUCCESS);
    }
    EXPECT(kept >= 6);
    stop();
}

// When there is no descriptor left nothing is made or changed.
TEST(wasi_write_open_without_descriptor)
{
    start();
    for (u32 fd = 4; fd < FILES_MAX; fd++)
        EXPECT_EQ(open_path("f", 0, 0), WASI_SUCCESS);
    EXPECT_EQ(open_path("f", OPEN_TRUNCATE, 0), WASI_MFILE);
    EXPECT_EQ(open_path("new", OPEN_CREATE, 0), WASI_MFILE);
    EXPECT_EQ(CALL_WASI("fd_close", 4), WASI_SUCCESS);
    expect_text("f", "0123456789");
    expect_text("new", "(none)");
    stop();
}

// What is left of the fake machine's 1 MiB for files, as blocks of fd 5.
static u32
blocks_left(u32 fd)
{
    u32 count = 0;

    while (CALL_WASI("fd_allocate", fd, count * 65536ull, 65536) ==
           WASI_SUCCESS)
        count++;
    EXPECT_EQ(CALL_WASI("fd_filestat_set_size", fd, 0), WASI_SUCCESS);
    return count;
}

// A size takes no memory; what is written or allocated does, and it is given
// back.  A call that fails leaves nothing behind.
TEST(wasi_write_no_space)
{
    start();
    EXPECT_EQ(open_path("big", OPEN_CREATE, 0), WASI_SUCCESS);
    EXPECT_EQ(open_path("other", OPEN_CREATE, 0), WASI_SUCCESS);
    u32 all = blocks_left(5);
    EXPECT(all > 8 && all <= FAKE_FILES / 65536);
    EXPECT_EQ(CALL_WASI("fd_filestat_set_size", 4, UINT64_MAX), WASI_FBIG);
    EXPECT_EQ(CALL_WASI("fd_allocate", 4, 0, FAKE_FILES + 1), WASI_NOSPC);
    EXPECT_EQ(blocks_left(5), all);
    EXPECT_EQ(CALL_WASI("fd_filestat_set_size", 4, INT64_MAX), WASI_SUCCESS);
    EXPECT_EQ(blocks_left(5), all);
    EXPECT_EQ(CALL_WASI("fd_filestat_set_size", 4, 7), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_allocate", 4, 0, 8 * 65536), WASI_SUCCESS);
    EXPECT_EQ(blocks_left(5), all - 8);
    EXPECT_EQ(CALL_WASI("fd_filestat_set_size", 4, 4 * 65536 + 1),
              WASI_SUCCESS);
    EXPECT_EQ(blocks_left(5), all - 5);
    EXPECT_EQ(call1("path_unlink_file", "big"), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_close", 4), WASI_SUCCESS);
    EXPECT_EQ(blocks_left(5), all);
    EXPECT_EQ(CALL_WASI("fd_seek", 5, INT64_MAX, 0, OUT), WASI_SUCCESS);
    EXPECT_EQ(write_text(5, "x"), WASI_FBIG);
    EXPECT_EQ(CALL_WASI("fd_seek", 5, INT64_MAX - 1, 0, OUT), WASI_SUCCESS);
    EXPECT_EQ(write_text(5, "x"), WASI_SUCCESS);
    EXPECT(blocks_left(5) < all);
    EXPECT_EQ(blocks_left(5), all);
    stop();
}

// What was written before the memory ran out stays, and is told.
TEST(wasi_write_short)
{
    u32 iov[2] = {DATA, 50000};
    u64 total = 0;
    errno_t error;

    start();
    EXPECT_EQ(open_path("big", OPEN_CREATE, 0), WASI_SUCCESS);
    memcpy(fake.memory + IOV, iov, sizeof(iov));
    do {
        error = CALL_WASI("fd_write", 4, IOV, 1, OUT);
        total += error == WASI_SUCCESS ? fake_u32(OUT) : 0;
    } while (error == WASI_SUCCESS);
    EXPECT_EQ(error, WASI_NOSPC);
    EXPECT(total > FAKE_FILES / 2 && total % 65536 == 0); // to a block's end
    EXPECT_EQ(CALL_WASI("fd_filestat_get", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 32), total);
    stop();
}

static const struct {
    const char *call, *path, *path2; // path2: for calls of two
    errno_t error;
} steps[] = {
    {"path_create_directory", "new",        NULL,        WASI_SUCCESS },
    {"path_create_directory", "new",        NULL,        WASI_EXIST   },
    {"path_create_directory", "new/sub/",   NULL,        WASI_SUCCESS },
    {"path_create_directory", ".",          NULL,        WASI_EXIST   },
    {"path_create_directory", "none/x",     NULL,        WASI_NOENT   },
    {"path_create_directory", "f/x",        NULL,        WASI_NOTDIR  },
    {"path_create_directory", "../x",       NULL,        WASI_PERM    },
    {"path_remove_directory", "new",        NULL,        WASI_NOTEMPTY},
    {"path_remove_directory", "f",          NULL,        WASI_NOTDIR  },
    {"path_remove_directory", "none",       NULL,        WASI_NOENT   },
    {"path_remove_directory", ".",          NULL,        WASI_INVAL   },
    {"path_remove_directory", "new/sub/..", NULL,        WASI_INVAL   },
    {"path_unlink_file",      "new",        NULL,        WASI_ISDIR   },
    {"path_unlink_file",      "f/",         NULL,        WASI_NOTDIR  },
    {"path_unlink_file",      "none",       NULL,        WASI_NOENT   },
    {"path_symlink",          "new",        "to-new",    WASI_SUCCESS },
    {"path_symlink",          "x",          "f",         WASI_EXIST   },
    {"path_symlink",          "/f",         "abs",       WASI_PERM    },
    {"path_symlink",          "f",          "slash/",    WASI_NOENT   },
    {"path_remove_directory", "to-new/",    NULL,        WASI_NOTDIR  },
    {"path_link",             "f",          "hard",      WASI_SUCCESS },
    {"path_link",             "f",          "hard",      WASI_EXIST   },
    {"path_link",             "new",        "hard2",     WASI_PERM    },
    {"path_link",             "none",       "hard2",     WASI_NOENT   },
    {"path_rename",           "new",        "new/sub/x", WASI_INVAL   },
    {"path_rename",           "new",        "f",         WASI_NOTDIR  },
    {"path_rename",           "f",          "new",       WASI_ISDIR   },
    {"path_rename",           "d",          "new",       WASI_NOTEMPTY},
    {"path_rename",           "f",          "hard",      WASI_SUCCESS },
    {"path_rename",           "f",          "moved/",    WASI_NOTDIR  },
    {"path_rename",           "f",          "..",        WASI_PERM    },
    {"path_rename",           ".",          "x",         WASI_INVAL   },
    {"path_rename",           "none",       "x",         WASI_NOENT   },
    {"path_rename",           "new/sub",    "sub",       WASI_SUCCESS },
    {"path_rename",           "sub",        "new",       WASI_SUCCESS },
    {"path_rename",           "hard",       "d/g",       WASI_SUCCESS },
    {"path_unlink_file",      "f",          NULL,        WASI_SUCCESS },
    {"path_unlink_file",      "to-new",     NULL,        WASI_SUCCESS },
    {"path_remove_directory", "new/",       NULL,        WASI_SUCCESS },
};

// A path with a zero byte is none, in each place where one is taken; "f" and
// "d" before it are names that are there.
TEST(wasi_write_zero_byte)
{
    static const char *const ones[] = {
        "path_create_directory", "path_remove_directory", "path_unlink_file"};
    static const char *const twos[] = {"path_link", "path_symlink",
                                       "path_rename"};
    const u32 two = PATH + 64, zero = PATH2 + 64;

    start();
    fake_put(PATH, "f");
    fake_put(two, "new");
    memcpy(fake.memory + PATH2, "f\0x", 3);
    memcpy(fake.memory + zero, "new\0", 4);
    for (u32 i = 0; i < COUNT(ones); i++)
        EXPECT_EQ(CALL_WASI(ones[i], 3, zero, 4), WASI_INVAL);
    for (u32 i = 0; i < COUNT(twos); i++) {
        bool link = i == 0, symlink = i == 1;
        for (u32 bad = 0; bad < 2; bad++) {
            u64 from = bad == 0 ? PATH2 : PATH, from_size = bad == 0 ? 3 : 1;
            u64 to = bad == 0 ? two : zero, to_size = bad == 0 ? 3 : 4;
            errno_t error = link ? CALL_WASI("path_link", 3, 0, from, from_size,
                                             3, to, to_size) :
                            symlink ? CALL_WASI("path_symlink", from, from_size,
                                                3, to, to_size) :
                                      CALL_WASI("path_rename", 3, from,
                                                from_size, 3, to, to_size);
            EXPECT_EQ(error, WASI_INVAL);
        }
    }
    EXPECT_EQ(CALL_WASI("path_open", 3, 0, PATH2, 3, 0, 0, 0, 0, OUT),
              WASI_INVAL);
    EXPECT_EQ(CALL_WASI("path_open", 3, 0, zero, 4, OPEN_CREATE, 0, 0, 0, OUT),
              WASI_INVAL);
    EXPECT_EQ(CALL_WASI("path_readlink", 3, PATH2, 3, DATA, 10, OUT),
              WASI_INVAL);
    EXPECT_EQ(CALL_WASI("path_filestat_get", 3, 0, PATH2, 3, OUT), WASI_INVAL);
    EXPECT_EQ(
        CALL_WASI("path_filestat_set_times", 3, 0, PATH2, 3, 1, 2, 0, OUT),
        WASI_INVAL);
    expect_text("f", "0123456789");
    expect_text("new", "(none)");
    stop();
}

TEST(wasi_write_names)
{
    start();
    for (u32 i = 0; i < COUNT(steps); i++) {
        errno_t error = steps[i].path2 == NULL ?
                            call1(steps[i].call, steps[i].path) :
                            call2(steps[i].call, steps[i].path, steps[i].path2);
        if (error != steps[i].error)
            test_failed(__FILE__, __LINE__, steps[i].path, error,
                        steps[i].error);
    }
    expect_text("d/g", "0123456789");
    stop();
}

// An open file outlives its name; an open directory that was removed has no
// names, takes none, and its parent may go before it.
TEST(wasi_write_removed_but_open)
{
    start();
    EXPECT_EQ(open_path("d/g", 0, 0), WASI_SUCCESS);
    EXPECT_EQ(call1("path_unlink_file", "d/g"), WASI_SUCCESS);
    EXPECT_EQ(write_text(4, "still"), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 24), 0);
    EXPECT_EQ(call1("path_create_directory", "d/e"), WASI_SUCCESS);
    EXPECT_EQ(open_directory(3, "d/e"), WASI_SUCCESS);
    u32 dir = fake_u32(OUT);
    EXPECT_EQ(call1("path_remove_directory", "d/e"), WASI_SUCCESS);
    EXPECT_EQ(call1("path_remove_directory", "d"), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_readdir", dir, DATA, 500, 0, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 2 * 24 + 3);
    fake_put(PATH, "x");
    EXPECT_EQ(CALL_WASI("path_create_directory", dir, PATH, 1), WASI_NOENT);
    EXPECT_EQ(CALL_WASI("path_symlink", PATH, 1, dir, PATH, 1), WASI_NOENT);
    EXPECT_EQ(CALL_WASI("path_rename", 3, PATH, 1, dir, PATH, 1), WASI_NOENT);
    fake_put(PATH, "f");
    EXPECT_EQ(CALL_WASI("path_rename", 3, PATH, 1, dir, PATH, 1), WASI_NOENT);
    EXPECT_EQ(CALL_WASI("path_link", 3, 0, PATH, 1, dir, PATH, 1), WASI_NOENT);
    stop();
}

// A new directory "n" in `dir`, which is closed; its descriptor.
static u32
descend(u32 dir)
{
    fake_put(PATH, "n");
    EXPECT_EQ(CALL_WASI("path_create_directory", dir, PATH, 1), WASI_SUCCESS);
    EXPECT_EQ(open_directory(dir, "n"), WASI_SUCCESS);
    if (dir != 3)
        EXPECT_EQ(CALL_WASI("fd_close", dir), WASI_SUCCESS);
    return fake_u32(OUT);
}

// rename(from, to) of a name of one letter.
static errno_t
move(const char *name, u32 from, u32 to)
{
    fake_put(PATH, name);
    return CALL_WASI("path_rename", from, PATH, 1, to, PATH, 1);
}

// A directory may go no deeper than there is time to look for it there.
TEST(wasi_write_deep_rename)
{
    u32 at = 3;

    start();
    tree->pool.left = UINT64_MAX;
    for (u32 depth = 1; depth < DEPTH_MAX; depth++)
        at = descend(at);
    EXPECT_EQ(move("d", 3, at), WASI_SUCCESS);
    EXPECT_EQ(move("n", 3, at), WASI_INVAL);
    EXPECT_EQ(move("d", at, 3), WASI_SUCCESS);
    at = descend(at);
    EXPECT_EQ(move("d", 3, at), WASI_NAMETOOLONG);
    EXPECT_EQ(move("f", 3, at), WASI_SUCCESS);
    stop();
}

TEST(wasi_write_times)
{
    start();
    u32 size = fake_put(PATH, "l");
    EXPECT_EQ(
        CALL_WASI("path_filestat_set_times", 3, 1, PATH, size, 11, 22, 1 | 4),
        WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("path_filestat_get", 3, 1, PATH, size, OUT),
              WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 40), 11);
    EXPECT_EQ(fake_u64(OUT + 48), 22);
    EXPECT_EQ(CALL_WASI("path_filestat_set_times", 3, 0, PATH, size, 33, 44, 8),
              WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("path_filestat_get", 3, 0, PATH, size, OUT),
              WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 40), 15000000000);
    EXPECT_EQ(fake_u64(OUT + 48), port_realtime_ns());
    EXPECT_EQ(open_path("f", 0, 0), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_set_times", 4, 5, 6, 1), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 40), 5);
    EXPECT_EQ(fake_u64(OUT + 48), 22);
    for (u32 flags = 0; flags < 32; flags++) {
        bool bad = flags > 15 || (flags & 3) == 3 || (flags & 12) == 12;
        EXPECT_EQ(CALL_WASI("fd_filestat_set_times", 4, 5, 6, flags),
                  bad ? WASI_INVAL : WASI_SUCCESS);
    }
    stop();
}

// Of a file that gets or loses a name only its status changes, no contents.
TEST(wasi_write_times_of_links)
{
    const char *const calls[] = {"path_link", "path_unlink_file"};

    start();
    EXPECT_EQ(open_path("f", 0, 0), WASI_SUCCESS);
    for (u32 i = 0; i < COUNT(calls); i++) {
        fake.now_ns += 1000;
        EXPECT_EQ(i == 0 ? call2(calls[i], "f", "d/f") : call1(calls[i], "f"),
                  WASI_SUCCESS);
        EXPECT_EQ(CALL_WASI("fd_filestat_get", 4, OUT), WASI_SUCCESS);
        EXPECT_EQ(fake_u64(OUT + 48), 15000000000);
        EXPECT_EQ(fake_u64(OUT + 56), port_realtime_ns());
    }
    stop();
}

// The steps of one look-up for each name, from a bucket along its chain.
static u64
look_up_steps(void)
{
    u64 sum = 0;

    for (u64 i = 0; i < tree->bucket_count; i++) {
        const struct tree_name *n = index_get(&tree->buckets, i);

        for (u64 length = 1; n != NULL; n = n->chain)
            sum += length++;
    }
    return sum;
}

// However many names there are, one is found in a few steps.
TEST(wasi_write_few_steps_to_a_name)
{
    char name[16];

    start();
    tree->pool.left = 64 * MIB;
    for (u32 i = 0; i < 4000; i++) {
        format(name, sizeof(name), "d/n%u", i);
        EXPECT_EQ(call1("path_create_directory", name), WASI_SUCCESS);
        if (i % 500 == 0)
            EXPECT(look_up_steps() <= 2 * tree->name_count + 10);
    }
    EXPECT(tree->name_count >= 4000);
    EXPECT(look_up_steps() <= 2 * tree->name_count);
    stop();
}

// Many names come and go; the listing shows each that stays exactly once, also
// when the list is packed in between.
TEST(wasi_write_many_names)
{
    char name[16];

    start();
    for (u32 i = 0; i < 1000; i++) {
        format(name, sizeof(name), "d/n%u", i);
        EXPECT_EQ(call1("path_create_directory", name), WASI_SUCCESS);
    }
    for (u32 round = 0; round < 3; round++) {
        for (u32 i = 0; i < 1000; i++) {
            format(name, sizeof(name), "d/n%u", i);
            if (i % 4 != 0)
                EXPECT_EQ(call1("path_remove_directory", name), WASI_SUCCESS);
        }
        for (u32 i = 0; i < 1000; i++) {
            format(name, sizeof(name), "d/n%u", i);
            if (i % 4 != 0)
                EXPECT_EQ(call1("path_create_directory", name), WASI_SUCCESS);
        }
    }
    EXPECT_EQ(open_directory(3, "d"), WASI_SUCCESS);
    u32 fd = fake_u32(OUT), count = 0;
    for (u64 cookie = 0; count < 2000; count++) {
        EXPECT_EQ(CALL_WASI("fd_readdir", fd, DATA, 24, cookie, OUT),
                  WASI_SUCCESS);
        if (fake_u32(OUT) < 24)
            break;
        cookie = fake_u64(DATA);
    }
    EXPECT_EQ(count, 1003); // with ".", ".." and "g"
    stop();
}

// A listing that goes on while names come and go meets each name that stays
// once; one that is renamed in its place is no new one.
TEST(wasi_write_list_while_changing)
{
    static u32 met[1000];
    char name[16], new_name[16];
    u64 cookie = 0;

    start();
    for (u32 i = 0; i < 1000; i++) {
        format(name, sizeof(name), "d/n%u", i);
        EXPECT_EQ(call1("path_create_directory", name), WASI_SUCCESS);
    }
    EXPECT_EQ(open_directory(3, "d"), WASI_SUCCESS);
    u32 fd = fake_u32(OUT), number;
    for (u32 i = 0;; i++) {
        EXPECT_EQ(CALL_WASI("fd_readdir", fd, DATA, 64, cookie, OUT),
                  WASI_SUCCESS);
        if (fake_u32(OUT) < 24)
            break;
        cookie = fake_u64(DATA);
        number = 0;
        for (u32 k = 1; k < fake_u32(DATA + 16); k++)
            number = number * 10 + fake.memory[DATA + 24 + k] - '0';
        if (fake.memory[DATA + 24] != 'n')
            continue;
        EXPECT(number < 1000 && i < 2000);
        met[number]++;
        format(name, sizeof(name), "d/n%u", number);
        format(new_name, sizeof(new_name), "d/n%u+", number);
        if (number % 4 != 0)
            EXPECT_EQ(call1("path_remove_directory", name), WASI_SUCCESS);
        else
            EXPECT_EQ(call2("path_rename", name, new_name), WASI_SUCCESS);
        if (number % 8 == 3) {
            format(name, sizeof(name), "d/x%u", number);
            EXPECT_EQ(call1("path_create_directory", name), WASI_SUCCESS);
        }
    }
    for (u32 i = 0; i < 1000; i++)
        EXPECT_EQ(met[i], 1);
    stop();
}

// Every call with memory for n more blocks: it works or says why not, and the
// tree is whole afterwards.
TEST(wasi_write_no_memory)
{
    static const char *const calls[] = {"path_create_directory", "path_symlink",
                                        "path_link", "path_rename"};

    for (u32 i = 0; i < COUNT(calls); i++) {
        for (u32 n = 0; n < 6; n++) {
            a.size = 0;
            start();
            fake.memory_limit = fake.blocks + n;
            errno_t error =
                i == 0 ? call1(calls[i], "d/x") : call2(calls[i], "f", "d/x");
            fake.memory_limit = 0;
            if (n > 4)
                EXPECT_EQ(error, WASI_SUCCESS);
            else if (error != WASI_SUCCESS)
                EXPECT(error == WASI_NOSPC || error == WASI_NOMEM);
            expect_text("d/g", "ggg");
            if (i != 3 || error != WASI_SUCCESS)
                expect_text("f", "0123456789");
            stop();
        }
    }
}

TEST(wasi_write_read_only)
{
    struct error error = {OK, 0, NULL};

    archive_add(&a, "f", '0', "0123456789", 10, "");
    archive_add(&a, "d/", '5', "", 0, "");
    archive_end(&a);
    tree = tree_new(archive_bytes(&a), &error);
    fake_attach(tree_root(tree));
    EXPECT_EQ(call1("path_create_directory", "x"), WASI_ROFS);
    EXPECT_EQ(call1("path_remove_directory", "d"), WASI_ROFS);
    EXPECT_EQ(call1("path_unlink_file", "f"), WASI_ROFS);
    EXPECT_EQ(call2("path_rename", "f", "x"), WASI_ROFS);
    EXPECT_EQ(call2("path_link", "f", "x"), WASI_ROFS);
    EXPECT_EQ(call2("path_symlink", "f", "x"), WASI_ROFS);
    EXPECT_EQ(open_path("f", 0, 0), WASI_ROFS);
    u32 size = fake_put(PATH, "f");
    EXPECT_EQ(CALL_WASI("path_filestat_set_times", 3, 1, PATH, size, 1, 2, 1),
              WASI_ROFS);
    EXPECT_EQ(
        CALL_WASI("path_open", 3, 0, PATH, size, 0,
                  CAN_FD_READ | CAN_FD_FILESTAT_SET_SIZE | CAN_FD_ALLOCATE, 0,
                  0, OUT),
        WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_set_size", 4, 1), WASI_ROFS);
    EXPECT_EQ(CALL_WASI("fd_allocate", 4, 0, 100), WASI_ROFS);
    stop();
}

// What may not be changed keeps its place, and so does the way to it.
TEST(wasi_write_kept_names)
{
    struct node *g;

    start();
    struct tree_name *d = name_find(tree->root, STRING("d"));
    EXPECT_EQ(tree_ops.lookup(&d->node->node, STRING("g"), &g), WASI_SUCCESS);
    tree_set_writable(g, false);
    EXPECT_EQ(call1("path_create_directory", "e"), WASI_SUCCESS);
    EXPECT_EQ(call2("path_rename", "d", "x"), WASI_ROFS);
    EXPECT_EQ(call2("path_rename", "e", "d"), WASI_ROFS);
    EXPECT_EQ(call2("path_rename", "d/g", "g"), WASI_ROFS);
    EXPECT_EQ(call2("path_rename", "f", "d/g"), WASI_ROFS);
    EXPECT_EQ(call1("path_unlink_file", "d/g"), WASI_ROFS);
    EXPECT_EQ(call1("path_remove_directory", "d"), WASI_ROFS);
    EXPECT_EQ(call2("path_rename", "f", "d/f"), WASI_SUCCESS);
    stop();
}

TEST(wasi_write_rename_to_dots)
{
    const char *const to[] = {".", "d/.", "d/..", "./"};

    start();
    for (u32 i = 0; i < COUNT(to); i++) {
        EXPECT_EQ(call2("path_rename", "f", to[i]), WASI_INVAL);
        EXPECT_EQ(call2("path_rename", "d", to[i]), WASI_INVAL);
    }
    stop();
}

// To cut a file while opening it takes a right of the directory.
TEST(wasi_write_right_to_truncate)
{
    const u64 all = rights_of_type(FILETYPE_DIRECTORY);

    start();
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_rights", 3,
                        all & ~CAN_PATH_FILESTAT_SET_SIZE,
                        rights_of_type(FILETYPE_REGULAR_FILE)),
              WASI_SUCCESS);
    EXPECT_EQ(open_path("f", OPEN_TRUNCATE, 0), WASI_NOTCAPABLE);
    EXPECT_EQ(open_path("f", 0, 0), WASI_SUCCESS);
    expect_text("f", "0123456789");
    stop();
}
