// test/wasi/calls.c: the calls, as a program makes them: results, error
// numbers, and what happens with pointers that are not the program's.

#include "test/wasi/fake.h"

#include <string.h>

enum {
    OUT = 0x100,
    PATH = 0x200,
    IOV = 0x400,
    DATA = 0x1000,
    BAD = FAKE_MEMORY - 16
};

static struct archive a;
static struct tree *tree; // kept for the leak checker
static const u64 READ_RIGHTS = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 21;

// Standard streams and fd 3: a directory with "f", "d/g" and "l" -> "f".
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
    fake_attach(tree_root(tree));
}

static errno_t
open_path(const char *path, u32 flags, u64 rights)
{
    u32 size = fake_put(PATH, path);

    return CALL_WASI("path_open", 3, LOOKUP_FOLLOW, PATH, size, flags, rights,
                     0, 0, OUT);
}

static void
put_iov(u32 index, u32 ptr, u32 size)
{
    memcpy(fake.memory + IOV + 8 * index, &ptr, 4);
    memcpy(fake.memory + IOV + 8 * index + 4, &size, 4);
}

TEST(wasi_calls_strings)
{
    start();
    EXPECT_EQ(CALL_WASI("args_sizes_get", OUT, OUT + 4), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 2);
    EXPECT_EQ(fake_u32(OUT + 4), 9);
    EXPECT_EQ(CALL_WASI("args_get", OUT, DATA), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), DATA);
    EXPECT_EQ(fake_u32(OUT + 4), DATA + 5);
    EXPECT(memcmp(fake.memory + DATA, "prog\0one", 9) == 0);
    EXPECT_EQ(CALL_WASI("environ_sizes_get", OUT, OUT + 4), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 2);
    EXPECT_EQ(CALL_WASI("environ_get", OUT, DATA), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT + 4), DATA + 4);
    EXPECT_EQ(CALL_WASI("args_get", OUT, FAKE_MEMORY - 6), WASI_FAULT);
    EXPECT_EQ(CALL_WASI("args_get", 0xfffffffc, DATA), WASI_FAULT);
    memset(fake.memory + DATA, 0, 9);
    EXPECT_EQ(CALL_WASI("args_get", FAKE_MEMORY - 4, DATA), WASI_FAULT);
    EXPECT_EQ(fake.memory[DATA], 0); // refused before anything is written
    memset(fake.memory + OUT, 0x77, 4);
    EXPECT_EQ(CALL_WASI("environ_sizes_get", OUT, FAKE_MEMORY - 3), WASI_FAULT);
    EXPECT_EQ(fake_u32(OUT), 0x77777777);
    fake_detach();
}

TEST(wasi_calls_clocks)
{
    start();
    fake.now_ns += 5;
    for (u32 clock = 0; clock < 4; clock++) {
        EXPECT_EQ(CALL_WASI("clock_res_get", clock, OUT), WASI_SUCCESS);
        EXPECT_EQ(fake_u64(OUT), 1);
        EXPECT_EQ(CALL_WASI("clock_time_get", clock, 0, OUT), WASI_SUCCESS);
        EXPECT_EQ(fake_u64(OUT), clock == 0 ? 1000000005 : 5);
    }
    EXPECT_EQ(CALL_WASI("clock_time_get", 4, 0, OUT), WASI_INVAL);
    EXPECT_EQ(CALL_WASI("clock_time_get", 0, 0, FAKE_MEMORY - 4), WASI_FAULT);
    EXPECT_EQ(CALL_WASI("random_get", DATA, 1000), WASI_SUCCESS);
    EXPECT_EQ(fake.memory[DATA + 999], 0x5a);
    EXPECT_EQ(fake.memory[DATA + 1000], 0);
    EXPECT_EQ(CALL_WASI("random_get", 1, 0xffffffff), WASI_FAULT);
    EXPECT_EQ(CALL_WASI("sched_yield", 0), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("proc_raise", 0), WASI_NOSYS);
    EXPECT_EQ(CALL_WASI("sock_recv", 0), WASI_NOTSOCK);
    EXPECT_EQ(CALL_WASI("sock_recv", 77), WASI_BADF);
}

// Small pieces go out as one, large ones directly, in order.
TEST(wasi_calls_write)
{
    start();
    fake_put(DATA, "hello world");
    put_iov(0, DATA, 6);
    put_iov(1, 0xffffffff, 0);
    put_iov(2, DATA + 6, 5);
    EXPECT_EQ(CALL_WASI("fd_write", 1, IOV, 3, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 11);
    EXPECT(strcmp(fake.out, "hello world") == 0);
    EXPECT_EQ(fake.writes, 1);

    memset(fake.memory + DATA + 11, 'x', 1000);
    put_iov(1, DATA + 11, 1000);
    EXPECT_EQ(CALL_WASI("fd_write", 2, IOV, 3, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 1011);
    EXPECT_EQ(fake.writes, 4);
    EXPECT_EQ(strlen(fake.out), 1022);
    EXPECT(strcmp(fake.out + 1015, "xxworld") == 0);
}

TEST(wasi_calls_write_errors)
{
    start();
    put_iov(0, DATA, 5);
    put_iov(1, FAKE_MEMORY - 6, 7);
    EXPECT_EQ(CALL_WASI("fd_write", 1, IOV + 8, 1, OUT), WASI_FAULT);
    EXPECT_EQ(CALL_WASI("fd_write", 1, IOV, 2, OUT), WASI_FAULT);
    EXPECT_EQ(CALL_WASI("fd_write", 1, FAKE_MEMORY - 4, 1, OUT), WASI_FAULT);
    EXPECT_EQ(CALL_WASI("fd_write", 1, IOV, 8193, OUT), WASI_FAULT);
    EXPECT_EQ(CALL_WASI("fd_write", 1, IOV, UINT32_MAX, OUT), WASI_INVAL);
    EXPECT_EQ(CALL_WASI("fd_write", 1, IOV, 1, FAKE_MEMORY - 3), WASI_FAULT);
    EXPECT_EQ(CALL_WASI("fd_write", 9, IOV, 1, OUT), WASI_BADF);
    EXPECT_EQ(CALL_WASI("fd_write", 0xffffffff, IOV, 1, OUT), WASI_BADF);
    EXPECT_EQ(CALL_WASI("fd_write", 0, IOV, 1, OUT), WASI_BADF);
    EXPECT_EQ(CALL_WASI("fd_read", 1, IOV, 1, OUT), WASI_BADF);
    EXPECT_EQ(CALL_WASI("fd_write", 1, IOV, 0, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 0);
    EXPECT_EQ(fake.writes, 0);
}

// As many vectors as a program has memory for; one bad one, wherever it is, and
// nothing is moved, neither out nor in.
TEST(wasi_calls_many_vectors)
{
    enum { VECTORS = 4000, MANY = 0x2000 };

    start();
    for (u32 i = 0; i < VECTORS; i++) {
        const u32 vector[2] = {DATA + i % 26, 1};
        fake.memory[DATA + i % 26] = (u8)('a' + i % 26);
        memcpy(fake.memory + MANY + 8 * i, vector, 8);
    }
    EXPECT_EQ(CALL_WASI("fd_write", 1, MANY, VECTORS, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), VECTORS);
    EXPECT_EQ(strlen(fake.out), VECTORS);
    EXPECT(memcmp(fake.out + VECTORS - 2, "uv", 2) == 0);

    u32 writes = fake.writes;
    for (u32 bad = 0; bad < VECTORS; bad += 333) {
        u32 *size = (u32 *)(fake.memory + MANY + 8 * bad + 4);
        fake.in = "0123";
        *size = FAKE_MEMORY;
        EXPECT_EQ(CALL_WASI("fd_write", 1, MANY, VECTORS, OUT), WASI_FAULT);
        EXPECT_EQ(CALL_WASI("fd_read", 0, MANY, VECTORS, OUT), WASI_FAULT);
        EXPECT(strcmp(fake.in, "0123") == 0);
        *size = 1;
    }
    EXPECT_EQ(fake.writes, writes);
    EXPECT_EQ(fake.memory[DATA], 'a');

    EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_pread", 4, MANY, 1025, 0, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 10);
    EXPECT_EQ(CALL_WASI("fd_read", 4, MANY, 1025, FAKE_MEMORY - 3), WASI_FAULT);
    EXPECT_EQ(CALL_WASI("fd_tell", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT), 0);
}

TEST(wasi_calls_read_input)
{
    start();
    fake.in = "abcdef";
    put_iov(0, DATA, 4);
    put_iov(1, DATA + 4, 4);
    EXPECT_EQ(CALL_WASI("fd_read", 0, IOV, 2, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 4); // one read, which may be short
    EXPECT_EQ(CALL_WASI("fd_read", 0, IOV, 2, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 2);
    EXPECT_EQ(CALL_WASI("fd_read", 0, IOV, 2, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 0);
    fake.in = NULL;
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_flags", 0, FDFLAG_NONBLOCK),
              WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_read", 0, IOV, 2, OUT), WASI_AGAIN);
}

TEST(wasi_calls_files)
{
    start();
    EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 4);
    put_iov(0, DATA, 4);
    put_iov(1, DATA + 100, 4);
    EXPECT_EQ(CALL_WASI("fd_read", 4, IOV, 2, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 8);
    EXPECT(memcmp(fake.memory + DATA + 100, "4567", 4) == 0);
    EXPECT_EQ(CALL_WASI("fd_tell", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT), 8);
    EXPECT_EQ(CALL_WASI("fd_read", 4, IOV, 2, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 2);
    EXPECT_EQ(CALL_WASI("fd_pread", 4, IOV, 1, 7, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 3);
    EXPECT_EQ(CALL_WASI("fd_pread", 4, IOV, 1, UINT64_MAX, OUT), WASI_INVAL);
    EXPECT_EQ(CALL_WASI("fd_pread", 4, IOV, 1, 1ull << 63, OUT), WASI_INVAL);
    EXPECT_EQ(CALL_WASI("fd_pread", 4, IOV, 1, INT64_MAX, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 0);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake.memory[OUT + 16], FILETYPE_REGULAR_FILE);
    EXPECT_EQ(fake_u64(OUT + 24), 1);
    EXPECT_EQ(fake_u64(OUT + 32), 10);
    EXPECT_EQ(fake_u64(OUT + 48), 15000000000);
    EXPECT_EQ(CALL_WASI("old:fd_filestat_get", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT + 20), 1);
    EXPECT_EQ(fake_u64(OUT + 24), 10);
    EXPECT_EQ(CALL_WASI("fd_close", 4), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_close", 4), WASI_BADF);
    EXPECT_EQ(CALL_WASI("fd_read", 4, IOV, 1, OUT), WASI_BADF);
}

static const struct {
    const char *call;
    u64 delta;
    u32 whence;
    errno_t error;
    u64 at;
} seeks[] = {
    {"fd_seek",     3,         0, WASI_SUCCESS, 3  },
    {"fd_seek",     2,         1, WASI_SUCCESS, 5  },
    {"fd_seek",     (u64)-1,   1, WASI_SUCCESS, 4  },
    {"fd_seek",     (u64)-1,   2, WASI_SUCCESS, 9  },
    {"fd_seek",     100,       2, WASI_SUCCESS, 110},
    {"fd_seek",     (u64)-1,   0, WASI_INVAL,   0  },
    {"fd_seek",     (u64)-11,  2, WASI_INVAL,   0  },
    {"fd_seek",     INT64_MAX, 1, WASI_INVAL,   0  },
    {"fd_seek",     0,         3, WASI_INVAL,   0  },
    {"fd_seek",     0,         1, WASI_SUCCESS, 110},
    {"old:fd_seek", 3,         2, WASI_SUCCESS, 3  },
    {"old:fd_seek", 2,         0, WASI_SUCCESS, 5  },
    {"old:fd_seek", 1,         1, WASI_SUCCESS, 11 },
    {"old:fd_seek", 0,         7, WASI_INVAL,   0  },
};

TEST(wasi_calls_seek)
{
    start();
    EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_SUCCESS);
    for (u32 i = 0; i < COUNT(seeks); i++) {
        EXPECT_EQ(
            CALL_WASI(seeks[i].call, 4, seeks[i].delta, seeks[i].whence, OUT),
            seeks[i].error);
        if (seeks[i].error == WASI_SUCCESS)
            EXPECT_EQ(fake_u64(OUT), seeks[i].at);
    }
    EXPECT_EQ(CALL_WASI("fd_seek", 1, 0, 1, OUT), WASI_SPIPE);
    EXPECT_EQ(CALL_WASI("fd_seek", 3, 0, 1, OUT), WASI_BADF);
    EXPECT_EQ(CALL_WASI("fd_seek", 4, 3, 0, FAKE_MEMORY - 6), WASI_FAULT);
    EXPECT_EQ(CALL_WASI("fd_tell", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT), 11); // where it was
}

static const struct {
    const char *path;
    u32 flags;
    u64 rights;
    errno_t error;
} opens[] = {
    {"f",    0,                            2,          WASI_SUCCESS},
    {"l",    0,                            2,          WASI_SUCCESS},
    {"d",    OPEN_DIRECTORY,               1 << 14,    WASI_SUCCESS},
    {"d",    0,                            2,          WASI_SUCCESS},
    {"d/",   0,                            2,          WASI_SUCCESS},
    {".",    OPEN_DIRECTORY,               2,          WASI_SUCCESS},
    {"f",    OPEN_CREATE,                  2,          WASI_SUCCESS},
    {"f",    OPEN_CREATE | OPEN_EXCLUSIVE, 2,          WASI_EXIST  },
    {"f",    OPEN_DIRECTORY,               2,          WASI_NOTDIR },
    {"f",    OPEN_TRUNCATE,                2,          WASI_ROFS   },
    {"f",    0,                            1 << 6,     WASI_ROFS   },
    {"new",  OPEN_CREATE,                  2,          WASI_ROFS   },
    {"new",  0,                            2,          WASI_NOENT  },
    {"f/",   0,                            2,          WASI_NOTDIR },
    {"d",    0,                            1 << 6,     WASI_ISDIR  },
    {"d",    OPEN_TRUNCATE,                2,          WASI_ISDIR  },
    {"../f", 0,                            2,          WASI_PERM   },
    {"f",    0,                            1ull << 40, WASI_SUCCESS},
};

TEST(wasi_calls_open)
{
    start();
    for (u32 i = 0; i < COUNT(opens); i++) {
        errno_t error =
            open_path(opens[i].path, opens[i].flags, opens[i].rights);
        if (error != opens[i].error)
            test_failed(__FILE__, __LINE__, opens[i].path, error,
                        opens[i].error);
        if (error == WASI_SUCCESS)
            EXPECT_EQ(CALL_WASI("fd_close", fake_u32(OUT)), WASI_SUCCESS);
    }
    EXPECT_EQ(
        CALL_WASI("path_open", 3, 0, PATH, 1, 0, 2, 0, 0, FAKE_MEMORY - 2),
        WASI_FAULT);
    EXPECT_EQ(CALL_WASI("path_open", 3, 0, FAKE_MEMORY - 1, 2, 0, 2, 0, 0, OUT),
              WASI_FAULT);
    EXPECT_EQ(CALL_WASI("path_open", 3, 0, PATH, 4097, 0, 2, 0, 0, OUT),
              WASI_NAMETOOLONG);
    EXPECT_EQ(CALL_WASI("path_open", 1, 0, PATH, 1, 0, 2, 0, 0, OUT),
              WASI_NOTDIR);
    EXPECT_EQ(CALL_WASI("path_open", 3, 0, PATH, 1, 0, 2, 0, 32, OUT),
              WASI_INVAL);
    EXPECT_EQ(CALL_WASI("path_open", 3, 0, PATH, 1, 16, 2, 0, 0, OUT),
              WASI_INVAL);
    EXPECT_EQ(CALL_WASI("path_open", 3, 2, PATH, 1, 0, 2, 0, 0, OUT),
              WASI_INVAL);
    EXPECT_EQ(CALL_WASI("path_open", 3, 3, PATH, 1,
                        OPEN_CREATE | OPEN_EXCLUSIVE, 2, 0, 0, OUT),
              WASI_INVAL);
    EXPECT_EQ(CALL_WASI("path_filestat_get", 3, 2, PATH, 1, OUT), WASI_INVAL);
    EXPECT_EQ(CALL_WASI("path_filestat_set_times", 3, 2, PATH, 1, 0, 0, 0),
              WASI_INVAL);
    EXPECT_EQ(CALL_WASI("path_link", 3, 2, PATH, 1, 3, PATH, 1), WASI_INVAL);
    EXPECT_EQ(CALL_WASI("path_open", 3, 0, DATA, 1, 0, 2, 0, 0, OUT),
              WASI_INVAL); // a zero byte
    fake_put(PATH, "l");
    EXPECT_EQ(CALL_WASI("path_open", 3, 0, PATH, 1, 0, 2, 0, 0, OUT),
              WASI_LOOP);
}

static errno_t
open_at(u32 dir, const char *path, u64 rights, u64 inheriting)
{
    u32 size = fake_put(PATH, path);

    return CALL_WASI("path_open", dir, 0, PATH, size, 0, rights, inheriting, 0,
                     OUT);
}

// A descriptor has all rights of its kind, but reads and writes only when it
// was opened for that.
TEST(wasi_calls_rights)
{
    start();
    EXPECT_EQ(open_path("f", 0, CAN_FD_READ), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_fdstat_get", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake.memory[OUT], FILETYPE_REGULAR_FILE);
    EXPECT_EQ(fake_u64(OUT + 8),
              rights_of_type(FILETYPE_REGULAR_FILE) & ~CAN_FD_WRITE);
    EXPECT_EQ(fake_u64(OUT + 16), 0); // nothing is below a file
    EXPECT_EQ(CALL_WASI("fd_seek", 4, 1, 0, OUT), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_pread", 4, IOV, 0, 0, OUT), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_write", 4, IOV, 0, OUT), WASI_BADF);
    EXPECT_EQ(open_path("f", 0, 0), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_read", 5, IOV, 0, OUT), WASI_BADF);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", 5, OUT), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_fdstat_get", 1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake.memory[OUT], FILETYPE_UNKNOWN);
    EXPECT_EQ(fake_u64(OUT + 8) & (CAN_FD_SEEK | CAN_FD_TELL), 0);
}

// Whatever rights a directory was opened with, what lies below it can be used;
// its descriptor says so to libraries that look there first.
TEST(wasi_calls_rights_below)
{
    const u64 asked[][2] = {
        {0,                               0             },
        {CAN_PATH_OPEN | CAN_FD_READDIR,  0             },
        {CAN_PATH_OPEN,                   CAN_PATH_OPEN },
        {CAN_FD_READDIR,                  UINT64_MAX    },
        {UINT64_MAX & ~(u64)CAN_FD_WRITE, CAN_FD_READDIR},
    };

    start();
    for (u32 i = 0; i < COUNT(asked); i++) {
        EXPECT_EQ(open_at(3, "d", asked[i][0], asked[i][1]), WASI_SUCCESS);
        EXPECT_EQ(CALL_WASI("fd_fdstat_get", 4, OUT), WASI_SUCCESS);
        EXPECT_EQ(fake_u64(OUT + 8), rights_of_type(FILETYPE_DIRECTORY));
        EXPECT_EQ(fake_u64(OUT + 16),
                  rights_of_type(FILETYPE_DIRECTORY) |
                      rights_of_type(FILETYPE_REGULAR_FILE));
        EXPECT_EQ(open_at(4, "g", CAN_FD_READ | CAN_FD_SEEK, 0), WASI_SUCCESS);
        put_iov(0, DATA, 3);
        EXPECT_EQ(CALL_WASI("fd_read", 5, IOV, 1, OUT), WASI_SUCCESS);
        EXPECT_EQ(fake_u32(OUT), 3);
        EXPECT_EQ(CALL_WASI("fd_readdir", 4, DATA, 100, 0, OUT), WASI_SUCCESS);
        EXPECT_EQ(CALL_WASI("fd_close", 5), WASI_SUCCESS);
        EXPECT_EQ(CALL_WASI("fd_close", 4), WASI_SUCCESS);
    }
}

// Asking where one is takes less than going somewhere else.
TEST(wasi_calls_rights_to_seek)
{
    start();
    EXPECT_EQ(open_path("f", 0, CAN_FD_READ), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_rights", 4, CAN_FD_TELL, 0),
              WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_tell", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_seek", 4, 0, 1, OUT), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_seek", 4, 1, 1, OUT), WASI_NOTCAPABLE);
    EXPECT_EQ(CALL_WASI("fd_seek", 4, 0, 0, OUT), WASI_NOTCAPABLE);
}

// Rights that a program gave up are lost, below a directory too.
TEST(wasi_calls_rights_given_up)
{
    const u64 all = rights_of_type(FILETYPE_DIRECTORY);
    const u64 below = all | rights_of_type(FILETYPE_REGULAR_FILE);

    start();
    EXPECT_EQ(open_path("f", 0, CAN_FD_READ), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_rights", 4, CAN_FD_WRITE, 0),
              WASI_NOTCAPABLE);
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_rights", 4, 1ull << 40, 0),
              WASI_NOTCAPABLE);
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_rights", 4, CAN_FD_READ, 0),
              WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_seek", 4, 1, 0, OUT), WASI_NOTCAPABLE);
    EXPECT_EQ(CALL_WASI("fd_pread", 4, IOV, 0, 0, OUT), WASI_NOTCAPABLE);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", 4, OUT), WASI_NOTCAPABLE);
    EXPECT_EQ(CALL_WASI("fd_sync", 4), WASI_NOTCAPABLE);
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_rights", 4, 0, 0), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_read", 4, IOV, 1, OUT), WASI_BADF);

    EXPECT_EQ(CALL_WASI("fd_fdstat_set_rights", 3, all, 1ull << 40),
              WASI_NOTCAPABLE); // as much as the others, below it
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_rights", 3, all, below & ~CAN_FD_READ),
              WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_rights", 3, all, below),
              WASI_NOTCAPABLE); // what was given up does not come back
    EXPECT_EQ(CALL_WASI("fd_fdstat_get", 3, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 8), all);
    EXPECT_EQ(fake_u64(OUT + 16), below & ~CAN_FD_READ);
    EXPECT_EQ(open_at(3, "d", 0, 0), WASI_SUCCESS);
    EXPECT_EQ(open_at(5, "g", CAN_FD_READ, 0), WASI_NOTCAPABLE);
    EXPECT_EQ(open_at(5, "g", 0, 0), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_read", 6, IOV, 1, OUT), WASI_BADF);
    EXPECT_EQ(CALL_WASI("fd_readdir", 5, DATA, 100, 0, OUT), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_rights", 5, all & ~CAN_FD_READDIR, 0),
              WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_readdir", 5, DATA, 100, 0, OUT), WASI_NOTCAPABLE);
    EXPECT_EQ(open_at(5, "g", 0, 0), WASI_SUCCESS); // with nothing to inherit
    EXPECT_EQ(CALL_WASI("fd_fdstat_get", fake_u32(OUT), OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 8), 0);
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_rights", 3, 0, 0), WASI_SUCCESS);
    EXPECT_EQ(open_path("f", 0, 2), WASI_NOTCAPABLE);
}

TEST(wasi_calls_advise)
{
    start();
    EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_SUCCESS);
    for (u32 advice = 0; advice < 6; advice++)
        EXPECT_EQ(CALL_WASI("fd_advise", 4, 0, 1, advice), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_advise", 4, 0, 1, 6), WASI_INVAL);
    EXPECT_EQ(CALL_WASI("fd_advise", 4, UINT64_MAX, 1, 0), WASI_INVAL);
    EXPECT_EQ(CALL_WASI("fd_advise", 4, 0, UINT64_MAX, 0), WASI_INVAL);
}

// What cannot be done leaves no reference: once closed, a file is gone.
TEST(wasi_calls_refused_hold_nothing)
{
    start();
    u64 blocks = fake.blocks;
    for (u32 i = 0; i < 5; i++) {
        u32 size = fake_put(PATH, "f");
        EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_SUCCESS);
        errno_t error =
            i == 0 ? CALL_WASI("fd_filestat_set_times", 4, 1, 2, 1) :
            i == 1 ? CALL_WASI("fd_filestat_set_size", 4, 1) :
            i == 2 ? CALL_WASI("path_filestat_get", 4, 0, PATH, size, OUT) :
            i == 3 ? CALL_WASI("path_rename", 3, PATH, size, 4, PATH, size) :
                     CALL_WASI("path_link", 4, 0, PATH, size, 3, PATH, size);
        EXPECT_EQ(error, i < 2 ? WASI_ROFS : WASI_NOTDIR);
        EXPECT_EQ(CALL_WASI("fd_close", 4), WASI_SUCCESS);
        EXPECT_EQ(fake.blocks, blocks);
        EXPECT_EQ(open_at(3, "d", 0, 0), WASI_SUCCESS);
        EXPECT_EQ(CALL_WASI("path_rename", 3, PATH, 1, 4, PATH, 1), WASI_ROFS);
        EXPECT_EQ(CALL_WASI("fd_close", 4), WASI_SUCCESS);
        EXPECT_EQ(fake.blocks, blocks);
    }
}

// What the host took is told, and it is not asked again for the rest.
TEST(wasi_calls_write_some)
{
    start();
    put_iov(0, DATA, 3);
    fake.most = 2;
    u32 writes = fake.writes;
    EXPECT_EQ(CALL_WASI("fd_write", 1, IOV, 1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 2);
    EXPECT_EQ(fake.writes, writes + 1);
}

// Each piece of a stream may be a question to the host: large ones.
TEST(wasi_calls_few_pieces_to_streams)
{
    start();
    put_iov(0, 0, FAKE_MEMORY);
    u32 writes = fake.writes;
    EXPECT_EQ(CALL_WASI("fd_write", 1, IOV, 1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), FAKE_MEMORY);
    EXPECT_EQ(fake.writes, writes + 1);
}

// Streams are terminals or not, each by itself.
TEST(wasi_calls_terminals)
{
    fake.terminals = 1 << PORT_STDOUT;
    start();
    for (u32 fd = 0; fd < 3; fd++) {
        EXPECT_EQ(CALL_WASI("fd_fdstat_get", fd, OUT), WASI_SUCCESS);
        EXPECT_EQ(fake.memory[OUT], fd == PORT_STDOUT ?
                                        FILETYPE_CHARACTER_DEVICE :
                                        FILETYPE_UNKNOWN);
        EXPECT_EQ(fake_u64(OUT + 8) & (CAN_FD_SEEK | CAN_FD_TELL), 0);
    }
}

TEST(wasi_calls_names)
{
    start();
    EXPECT_EQ(CALL_WASI("fd_prestat_get", 3, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 0);
    EXPECT_EQ(fake_u32(OUT + 4), 1);
    EXPECT_EQ(CALL_WASI("fd_prestat_dir_name", 3, DATA, 1), WASI_SUCCESS);
    EXPECT_EQ(fake.memory[DATA], '/');
    EXPECT_EQ(CALL_WASI("fd_prestat_dir_name", 3, DATA, 0), WASI_NAMETOOLONG);
    EXPECT_EQ(CALL_WASI("fd_prestat_get", 4, OUT), WASI_BADF);
    EXPECT_EQ(CALL_WASI("fd_prestat_get", 0, OUT), WASI_BADF);

    fake_put(PATH, "l");
    EXPECT_EQ(CALL_WASI("path_filestat_get", 3, 0, PATH, 1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake.memory[OUT + 16], FILETYPE_SYMBOLIC_LINK);
    EXPECT_EQ(CALL_WASI("path_filestat_get", 3, 1, PATH, 1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake.memory[OUT + 16], FILETYPE_REGULAR_FILE);
    fake.memory[DATA] = 0;
    EXPECT_EQ(CALL_WASI("path_readlink", 3, PATH, 1, DATA, 9, OUT),
              WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 1);
    EXPECT_EQ(fake.memory[DATA], 'f');
    fake_put(PATH, "f");
    EXPECT_EQ(CALL_WASI("path_readlink", 3, PATH, 1, DATA, 9, OUT), WASI_INVAL);
    fake_put(PATH, "n");
    EXPECT_EQ(CALL_WASI("path_filestat_get", 3, 1, PATH, 1, OUT), WASI_NOENT);
}

// All names of a directory, with a buffer of `size` bytes each time.
static u32
list(u32 size, char *names)
{
    u64 cookie = 0;
    u32 calls = 0;

    names[0] = 0;
    for (bool more = true; more && calls < 100; calls++) {
        EXPECT_EQ(CALL_WASI("fd_readdir", 3, DATA, size, cookie, OUT),
                  WASI_SUCCESS);
        u32 used = fake_u32(OUT), at = 0;
        more = used == size;
        while (used - at >= 24) {
            u32 name_size = fake_u32(DATA + at + 16);
            if (used - at - 24 < name_size)
                break;
            strncat(names, (char *)fake.memory + DATA + at + 24, name_size);
            strcat(names, " ");
            cookie = fake_u64(DATA + at);
            at += 24 + name_size;
        }
    }
    return calls;
}

TEST(wasi_calls_readdir)
{
    char names[256];

    start();
    EXPECT_EQ(list(4096, names), 1);
    EXPECT(strcmp(names, ". .. f d l ") == 0);
    for (u32 size = 26; size < 130; size++) {
        list(size, names);
        EXPECT(strcmp(names, ". .. f d l ") == 0);
    }
    EXPECT_EQ(CALL_WASI("fd_readdir", 3, DATA, 100, 77, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 0);
    EXPECT_EQ(CALL_WASI("fd_readdir", 3, BAD, 100, 0, OUT), WASI_FAULT);
    EXPECT_EQ(CALL_WASI("fd_readdir", 1, DATA, 100, 0, OUT), WASI_NOTDIR);
}

TEST(wasi_calls_renumber)
{
    start();
    EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_SUCCESS);
    EXPECT_EQ(open_path("d/g", 0, READ_RIGHTS), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_renumber", 5, 4), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_filestat_get", 4, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(OUT + 32), 3);
    EXPECT_EQ(CALL_WASI("fd_close", 5), WASI_BADF);
    EXPECT_EQ(CALL_WASI("fd_renumber", 4, 4), WASI_SUCCESS);
    EXPECT_EQ(CALL_WASI("fd_renumber", 4, 9), WASI_BADF);
    EXPECT_EQ(CALL_WASI("fd_renumber", 9, 4), WASI_BADF);
    u64 blocks = fake.blocks;
    fake_detach();
    EXPECT_EQ(fake.blocks, blocks - 6); // the state and five open files
}

// The table has an end, and memory may run out before it.
TEST(wasi_calls_many_files)
{
    start();
    for (u32 i = 4; i < FILES_MAX; i++)
        EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_SUCCESS);
    EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_MFILE);
    EXPECT_EQ(CALL_WASI("fd_close", 77), WASI_SUCCESS);
    fake.memory_limit = 1;
    EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_NOMEM);
    fake.memory_limit = 0;
    EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 77);
}

// --- poll --------------------------------------------------------------------

static void
put_clock(u32 index, u32 clock, u64 timeout, u16 flags)
{
    u8 *s = fake.memory + IOV + 48 * index;

    memset(s, 0, 48);
    s[0] = (u8)(10 + index);
    memcpy(s + 16, &clock, 4);
    memcpy(s + 24, &timeout, 8);
    memcpy(s + 40, &flags, 2);
}

static void
put_file(u32 index, u8 type, u32 fd)
{
    put_clock(index, fd, 0, 0);
    fake.memory[IOV + 48 * index + 8] = type;
}

TEST(wasi_calls_poll_clocks)
{
    start();
    put_clock(0, 1, 500, 0);
    put_clock(1, 1, 300, 0);
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 2, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake.now_ns, 300);
    EXPECT_EQ(fake_u32(OUT), 1);
    EXPECT_EQ(fake_u64(DATA), 11);
    put_clock(0, 0, 1000000700, 1);
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake.now_ns, 700);
    put_clock(0, 0, 5, 1); // long ago
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake.now_ns, 700);
    put_clock(0, 9, 5, 0);
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake.memory[DATA + 8], WASI_INVAL);
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 0, OUT), WASI_INVAL);
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, BAD, 1, OUT), WASI_FAULT);
    EXPECT_EQ(CALL_WASI("poll_oneoff", BAD, DATA, 1, OUT), WASI_FAULT);
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, UINT32_MAX, OUT), WASI_INVAL);
    put_clock(0, 1, 500, 0);
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 1, FAKE_MEMORY - 3),
              WASI_FAULT);
    EXPECT_EQ(fake.now_ns, 700); // known before it waited
}

// Times that there are not, and one that never comes.
TEST(wasi_calls_poll_odd_clocks)
{
    start();
    fake.now_ns = 700;
    put_clock(0, 1, UINT64_MAX, 0);
    put_clock(1, 1, 300, 0);
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 2, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 1);
    EXPECT_EQ(fake_u64(DATA), 11);
    EXPECT_EQ(fake.now_ns, 1000);
    put_clock(0, 1, 5, 2); // such a flag
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 2, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 1);
    EXPECT_EQ(fake_u64(DATA), 10);
    EXPECT_EQ(fake.memory[DATA + 8], WASI_INVAL);
    EXPECT_EQ(fake.now_ns, 1000);
}

// Preview 0 has longer subscriptions, of which clocks begin later.
TEST(wasi_calls_poll_old)
{
    static const u64 subscriptions[2][7] = {
        {10,   0, 99, 1, 300}, // of the monotonic clock
        {11, 1,  4  }, // a file, to be read
    };

    start();
    memcpy(fake.memory + IOV, subscriptions, sizeof(subscriptions[0]));
    EXPECT_EQ(CALL_WASI("old:poll_oneoff", IOV, DATA, 1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u64(DATA), 10);
    EXPECT_EQ(fake.memory[DATA + 8], WASI_SUCCESS);
    EXPECT_EQ(fake.now_ns, 300);
    EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_SUCCESS);
    memcpy(fake.memory + IOV, subscriptions, sizeof(subscriptions));
    EXPECT_EQ(CALL_WASI("old:poll_oneoff", IOV, DATA, 2, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 1);
    EXPECT_EQ(fake_u64(DATA), 11);
    EXPECT_EQ(fake_u64(DATA + 16), 10);
    EXPECT_EQ(fake.now_ns, 300);
}

// What can be read of a file is what is behind the offset.
TEST(wasi_calls_poll_offset)
{
    static const u64 table[][2] = {
        {0,   10},
        {3,   7 },
        {10,  0 },
        {100, 0 }
    };

    start();
    EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_SUCCESS);
    for (u32 i = 0; i < COUNT(table); i++) {
        EXPECT_EQ(CALL_WASI("fd_seek", 4, table[i][0], 0, OUT), WASI_SUCCESS);
        put_file(0, 1, 4);
        EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 1, OUT), WASI_SUCCESS);
        EXPECT_EQ(fake_u64(DATA + 16), table[i][1]);
    }
}

// However many, and with the events where the subscriptions were.
TEST(wasi_calls_poll_many)
{
    enum { MANY = 700 };

    start();
    for (u32 i = 0; i < MANY; i++)
        put_clock(i, 1, i % 7 == 3 ? 50 : 900, 0);
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, IOV, MANY, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake.now_ns, 50);
    EXPECT_EQ(fake_u32(OUT), MANY / 7);
    for (u32 i = 0; i < MANY / 7; i++)
        EXPECT_EQ(fake.memory[IOV + 32 * i], (u8)(10 + 7 * i + 3));
}

// Also while it looks at them, whatever the lists are of.
TEST(wasi_calls_long_lists_can_be_killed)
{
    enum { MANY = 700 };

    start();
    EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_SUCCESS);
    for (u32 i = 0; i < MANY; i++)
        put_clock(i, 1, 0, 0);
    for (u32 at = 100; at <= MANY + 100;
         at += MANY) { // read them, write events
        fake.killed_at = at;
        fake.asked = 0;
        EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, MANY, OUT), WASI_INTR);
        EXPECT_EQ(fake.asked, at);
    }
    memset(fake.memory + IOV, 0, 8 * MANY); // empty vectors
    fake.killed_at = 100;
    fake.asked = 0;
    EXPECT_EQ(CALL_WASI("fd_read", 4, IOV, MANY, OUT), WASI_INTR);
    EXPECT_EQ(fake.asked, 100);
    fake.killed_at = 0;
}

// Between pieces of a file, and of random bytes.
TEST(wasi_calls_long_work_can_be_killed)
{
    enum { SIZE = 200000, PIECE = 65536 };
    static const char zeros[SIZE];
    struct error error = {OK, 0, NULL};

    archive_add(&a, "f", '0', zeros, SIZE, "");
    archive_end(&a);
    tree = tree_new(archive_bytes(&a), &error);
    fake_attach(tree_root(tree));
    EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_SUCCESS);
    put_iov(0, DATA, SIZE);
    fake.killed_at = 4; // the vector is looked at twice, then a piece
    fake.asked = 0;
    EXPECT_EQ(CALL_WASI("fd_read", 4, IOV, 1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), PIECE);
    fake.killed_at = 3;
    fake.asked = 0;
    EXPECT_EQ(CALL_WASI("random_get", DATA, SIZE), WASI_INTR);
    EXPECT_EQ(fake.asked, 3);
    fake.killed_at = 0;
}

// No sum of vectors is larger than what can be told.
TEST(wasi_calls_vectors_of_too_much)
{
    enum { COUNT_MAX = (1ull << 32) / FAKE_MEMORY };

    start();
    for (u32 i = 0; i < COUNT_MAX; i++)
        put_iov(i, 0, FAKE_MEMORY);
    EXPECT_EQ(CALL_WASI("fd_write", 1, IOV, COUNT_MAX, OUT), WASI_INVAL);
    EXPECT_EQ(fake.writes, 0);
}

TEST(wasi_calls_poll_files)
{
    start();
    EXPECT_EQ(open_path("f", 0, READ_RIGHTS), WASI_SUCCESS);
    put_file(0, 1, 0);
    put_clock(1, 1, 300, 0);
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 2, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 1);
    EXPECT_EQ(fake_u64(DATA), 11);
    fake.in = "x";
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 2, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 1);
    EXPECT_EQ(fake_u64(DATA), 10);
    EXPECT_EQ(fake_u64(DATA + 16), 1);
    EXPECT_EQ(fake.memory[DATA + 24], 0);
    fake.in = ""; // the end
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 2, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 1);
    EXPECT_EQ(fake_u64(DATA), 10);
    EXPECT_EQ(fake_u64(DATA + 16), 0);
    EXPECT_EQ(fake.memory[DATA + 24], 1);
    fake.in = NULL;
    put_file(2, 1, 4);
    put_file(3, 2, 1);
    put_file(4, 2, 77);
    EXPECT_EQ(CALL_WASI("poll_oneoff", IOV, DATA, 5, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 3);
    EXPECT_EQ(fake_u64(DATA), 12);
    EXPECT_EQ(fake_u64(DATA + 16), 10);
    EXPECT_EQ(fake_u64(DATA + 32), 13);
    EXPECT_EQ(fake.memory[DATA + 64 + 8], WASI_BADF);
    EXPECT_EQ(fake.now_ns, 300);
}

// --- output that the host refuses --------------------------------------------

TEST(wasi_calls_write_refused)
{
    static const struct {
        status_t status;
        errno_t error;
    } table[] = {
        {ERR_NO_SPACE,    WASI_NOSPC},
        {ERR_PEER_CLOSED, WASI_PIPE },
        {ERR_NOT_OPEN,    WASI_BADF },
        {ERR_LIMIT,       WASI_FBIG },
        {ERR_KILLED,      WASI_INTR },
        {ERR_IO,          WASI_IO   },
    };

    start();
    put_iov(0, DATA, 3);
    for (u32 i = 0; i < COUNT(table); i++) {
        fake.output = table[i].status;
        EXPECT_EQ(CALL_WASI("fd_write", 1, IOV, 1, OUT), table[i].error);
        EXPECT_EQ(CALL_WASI("fd_write", 2, IOV, 1, OUT), table[i].error);
    }
    fake.output = OK;
    EXPECT_EQ(CALL_WASI("fd_write", 1, IOV, 1, OUT), WASI_SUCCESS);
    EXPECT_EQ(fake_u32(OUT), 3);
}

// A program that does not want to wait does not, and is told so.
TEST(wasi_calls_write_without_waiting)
{
    start();
    put_iov(0, DATA, 3);
    EXPECT_EQ(CALL_WASI("fd_write", 1, IOV, 1, OUT), WASI_SUCCESS);
    EXPECT(fake.patient);
    EXPECT_EQ(CALL_WASI("fd_fdstat_set_flags", 1, FDFLAG_NONBLOCK),
              WASI_SUCCESS);
    fake.output = ERR_TIMED_OUT;
    EXPECT_EQ(CALL_WASI("fd_write", 1, IOV, 1, OUT), WASI_AGAIN);
    EXPECT(!fake.patient);
}
