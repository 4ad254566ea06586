// test/wasi/tar.c: tar archives: what is read from them, and what damage is
// noticed where.

#include "test/wasi/fake.h"

#include <string.h>

static struct archive a;

// The next member's path in one piece, or "" at the end.
static const char *
next_path(struct tar *tar, struct tar_entry *entry)
{
    static char text[1024];

    if (!tar_next(tar, entry))
        return "";
    format(text, sizeof(text), "%.*s%s%.*s", (int)entry->path[0].len,
           entry->path[0].ptr, entry->path[0].len > 0 ? "/" : "",
           (int)entry->path[1].len, entry->path[1].ptr);
    return text;
}

// The checksum of the header at `at`, after something in it was changed.
static void
seal(u64 at)
{
    u8 *h = a.bytes + at;
    u32 sum = 0;

    memset(h + 148, ' ', 8);
    for (u32 i = 0; i < 512; i++)
        sum += h[i];
    for (u32 i = 0; i < 6; i++)
        h[148 + i] = (u8)('0' + (sum >> (15 - 3 * i) & 7));
    h[154] = 0;
}

TEST(wasi_tar_members)
{
    struct error error = {OK, 0, NULL};
    struct tar_entry e;

    archive_add(&a, "dir/", '5', "", 0, "");
    archive_add(&a, "dir/file", '0', "hello", 5, "");
    archive_add(&a, "old", 0, "x", 1, "");
    archive_add(&a, "link", '2', "", 0, "dir/file");
    archive_end(&a);

    struct tar tar = {.archive = archive_bytes(&a), .error = &error};
    EXPECT(strcmp(next_path(&tar, &e), "dir/") == 0);
    EXPECT_EQ(e.kind, '5');
    EXPECT_EQ(e.mtime_ns, 15000000000);
    EXPECT(strcmp(next_path(&tar, &e), "dir/file") == 0);
    EXPECT_EQ(e.data.size, 5);
    EXPECT(memcmp(e.data.ptr, "hello", 5) == 0);
    EXPECT(strcmp(next_path(&tar, &e), "old") == 0);
    EXPECT_EQ(e.kind, '0');
    EXPECT(strcmp(next_path(&tar, &e), "link") == 0);
    EXPECT(string_equal(e.target, STRING("dir/file")));
    EXPECT(strcmp(next_path(&tar, &e), "") == 0);
    EXPECT_EQ(error.status, OK);
}

TEST(wasi_tar_prefix)
{
    struct error error = {OK, 0, NULL};
    struct tar_entry e;

    archive_add(&a, "name", '0', "", 0, "");
    memcpy(a.bytes + 345, "some/where", 10);
    seal(0);
    archive_end(&a);
    struct tar tar = {.archive = archive_bytes(&a), .error = &error};
    EXPECT(strcmp(next_path(&tar, &e), "some/where/name") == 0);
    EXPECT_EQ(error.status, OK);
}

TEST(wasi_tar_long_names)
{
    struct error error = {OK, 0, NULL};
    char name[300], record[400];
    struct tar_entry e;

    memset(name, 'n', sizeof(name));
    archive_add(&a, "././@LongLink", 'L', name, sizeof(name), "");
    archive_add(&a, "short", '0', "1", 1, "");
    u32 size = format(record, sizeof(record), "%u path=%.*s\n", 310, 300, name);
    EXPECT_EQ(size, 310);
    archive_add(&a, "pax", 'x', record, size, "");
    archive_add(&a, "short", '0', "22", 2, "");
    archive_add(&a, "pax", 'x', "16 linkpath=far\n13 mtime=9.5\n", 29, "");
    archive_add(&a, "l", '2', "", 0, "near");
    archive_add(&a, "global", 'g', "13 mtime=9.5\n", 13, "");
    archive_add(&a, "after", '0', "", 0, "");
    archive_end(&a);

    struct tar tar = {.archive = archive_bytes(&a), .error = &error};
    EXPECT_EQ(strlen(next_path(&tar, &e)), 300);
    EXPECT_EQ(e.data.size, 1);
    EXPECT_EQ(strlen(next_path(&tar, &e)), 300);
    EXPECT_EQ(e.data.size, 2);
    EXPECT(strcmp(next_path(&tar, &e), "l") == 0);
    EXPECT(string_equal(e.target, STRING("far")));
    EXPECT_EQ(e.mtime_ns, 9500000000);
    EXPECT(strcmp(next_path(&tar, &e), "after") == 0);
    EXPECT_EQ(e.mtime_ns, 15000000000);
    EXPECT(strcmp(next_path(&tar, &e), "") == 0);
    EXPECT_EQ(error.status, OK);
}

static const struct {
    const char *name;
    const char *records;
} bad_records[] = {
    {"no number",  "path=x\n"                      },
    {"no newline", "9 path=xy"                     },
    {"too long",   "99 path=x\n"                   },
    {"too short",  "3 path=x\n"                    },
    {"no equals",  "7 path\n"                      },
    {"zero",       "0 path=x\n"                    },
    {"overflow",   "99999999999999999999 path=x\n" },
    {"bad size",   "10 size=1x\n"                  },
    {"large size", "29 size=18446744073709551616\n"},
    {"negative",   "11 size=-1\n"                  },
    {"bad time",   "11 mtime=x\n"                  },
    {"bad time 2", "13 mtime=1.x\n"                },
    {"bad time 3", "12 mtime=.5\n"                 },
    {"bad time 4", "11 mtime=-\n"                  },
};

TEST(wasi_tar_bad_records)
{
    for (u32 i = 0; i < COUNT(bad_records); i++) {
        struct error error = {OK, 0, NULL};
        struct tar_entry e;

        a.size = 0;
        archive_add(&a, "first", '0', "", 0, "");
        archive_add(&a, "pax", 'x', bad_records[i].records,
                    strlen(bad_records[i].records), "");
        archive_add(&a, "file", '0', "", 0, "");
        archive_end(&a);
        struct tar tar = {.archive = archive_bytes(&a), .error = &error};
        EXPECT(tar_next(&tar, &e));
        EXPECT(!tar_next(&tar, &e));
        EXPECT_EQ(error.status, ERR_MALFORMED);
        EXPECT_EQ(error.at, 512);
    }
}

// A name may have as many bytes as any, and no more.
TEST(wasi_tar_longest_name)
{
    static char name[LIMIT_NAME_SIZE + 1];

    memset(name, 'n', sizeof(name));
    for (u32 more = 0; more < 2; more++) {
        struct error error = {OK, 0, NULL};
        struct tar_entry e;

        a.size = 0;
        archive_add(&a, "long", 'L', name, LIMIT_NAME_SIZE + more, "");
        archive_add(&a, "short", '0', "", 0, "");
        archive_end(&a);
        struct tar tar = {.archive = archive_bytes(&a), .error = &error};
        EXPECT_EQ(tar_next(&tar, &e), !more);
        EXPECT_EQ(error.status, more ? ERR_MALFORMED : OK);
        if (!more)
            EXPECT_EQ(e.path[1].len, LIMIT_NAME_SIZE);
    }
}

static const struct {
    const char *record;
    u64 ns;
} times[] = {
    {"13 mtime=9.5\n",                   9500000000    },
    {"12 mtime=12\n",                    12000000000   },
    {"12 mtime=7.\n",                    7000000000    },
    {"22 mtime=1.000000001\n",           1000000001    },
    {"26 mtime=1.0000000019999\n",       1000000001    },
    {"30 mtime=18446744073.709551615\n", UINT64_MAX    },
    {"30 mtime=18446744073.709551616\n", UINT64_MAX    },
    {"30 mtime=18446744073.709551614\n", UINT64_MAX - 1},
    {"22 mtime=99999999999\n",           UINT64_MAX    },
    {"14 mtime=-1.5\n",                  0             },
    {"11 mtime=0\n",                     0             },
    {"22 mtime=3\n10 mtime=\n",          15000000000   }, // taken back
};

TEST(wasi_tar_times)
{
    for (u32 i = 0; i < COUNT(times); i++) {
        struct error error = {OK, 0, NULL};
        struct tar_entry e;
        char records[64];

        // The length that each record begins with is written here.
        const char *text = times[i].record + 3;
        const char *second = strstr(text, "\n10 ");
        u32 len = second ? (u32)(second - text) + 1 : (u32)strlen(text);
        u32 size = format(records, sizeof(records), "%u %.*s%s", len + 3, len,
                          text, second ? second + 1 : "");
        if (second != NULL)
            records[size - 10] = '1', records[size - 9] = '0';
        a.size = 0;
        archive_add(&a, "pax", 'x', records, size, "");
        archive_add(&a, "file", '0', "", 0, "");
        archive_end(&a);
        struct tar tar = {.archive = archive_bytes(&a), .error = &error};
        EXPECT(tar_next(&tar, &e));
        EXPECT_EQ(error.status, OK);
        if (e.mtime_ns != times[i].ns)
            test_failed(__FILE__, __LINE__, times[i].record, (i64)e.mtime_ns,
                        (i64)times[i].ns);
    }
}

// A size that is in a record only, as for files of more than 8 GiB.
TEST(wasi_tar_size_record)
{
    struct error error = {OK, 0, NULL};
    struct tar_entry e;

    archive_add(&a, "pax", 'x', "9 size=5\n", 9, "");
    archive_add(&a, "file", '0', "", 0, "");
    memcpy(a.bytes + a.size, "12345", 5);
    a.size += 512;
    archive_add(&a, "next", '0', "22", 2, "");
    archive_add(&a, "pax", 'x', "19 size=8589934592\n", 19, "");
    archive_add(&a, "huge", '0', "", 0, "");
    archive_end(&a);
    struct tar tar = {.archive = archive_bytes(&a), .error = &error};
    EXPECT(strcmp(next_path(&tar, &e), "file") == 0);
    EXPECT_EQ(e.data.size, 5);
    EXPECT(strcmp(next_path(&tar, &e), "next") == 0);
    EXPECT_EQ(e.data.size, 2);
    EXPECT(!tar_next(&tar, &e));
    EXPECT(strcmp(error.what, "tar: archive is cut off") == 0);
}

// Numbers in base 256, as GNU tar writes what eleven octal digits cannot hold:
// a 1 bit, the sign, and a number of two's complement.
enum { SIZE_AT = 124, MTIME_AT = 136, NUMBER_SIZE = 12 };

static const char cut_off[] = "tar: archive is cut off";
static const char bad_size[] = "tar: bad size";

// clang-format off
static const struct {
    const char *name;
    u8 field[NUMBER_SIZE];
    u64 size;         // when there is no error
    const char *what; // else
} binary_sizes[] = {
    {"zero",        {0x80}, 0, NULL},
    {"5",           {0x80, [11] = 5}, 5, NULL},
    {"300",         {0x80, [10] = 1, 0x2c}, 300, NULL},
    {"to the end",  {0x80, [10] = 0x0a}, 2560, NULL},
    {"one more",    {0x80, [10] = 0x0a, 1}, 0, cut_off},
    {"8 GiB",       {0x80, [7] = 2}, 0, cut_off},
    {"2^63",        {0x80, [4] = 0x80}, 0, cut_off},
    {"2^64 - 511",  {0x80, [4] = 255, 255, 255, 255, 255, 255, 254, 1}, 0,
                    cut_off},
    {"2^64 - 1",    {0x80, [4] = 255, 255, 255, 255, 255, 255, 255, 255}, 0,
                    cut_off},
    {"2^64",        {0x80, [3] = 1}, 0, bad_size},
    {"2^64 + 5",    {0x80, [3] = 1, [11] = 5}, 0, bad_size},
    {"2^87",        {0x80, [1] = 0x80}, 0, bad_size},
    {"2^88",        {0x81}, 0, bad_size},
    {"2^93 + 5",    {0xa0, [11] = 5}, 0, bad_size},
    {"-1",          {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
                     255}, 0, bad_size},
    {"-2^94",       {0xc0}, 0, bad_size},
    {"no base 256", {0x40, [11] = 5}, 0, bad_size},
};
// clang-format on

static void
put_number(u64 at, const u8 *field)
{
    memcpy(a.bytes + at, field, NUMBER_SIZE);
    seal(at & ~511ull);
}

// A file, then as many bytes as 2,560, which end the archive.
TEST(wasi_tar_binary_sizes)
{
    for (u32 i = 0; i < COUNT(binary_sizes); i++) {
        struct error error = {OK, 0, NULL};
        struct tar_entry e;

        a.size = 0;
        archive_add(&a, "first", '0', "", 0, "");
        archive_add(&a, "file", '0', "", 0, "");
        put_number(512 + SIZE_AT, binary_sizes[i].field);
        memset(a.bytes + a.size, 0, 2560);
        a.size += 2560;
        struct tar tar = {.archive = archive_bytes(&a), .error = &error};
        EXPECT(tar_next(&tar, &e));
        bool found = tar_next(&tar, &e), wanted = binary_sizes[i].what == NULL;
        if (found != wanted || (found && e.data.size != binary_sizes[i].size))
            test_failed(__FILE__, __LINE__, binary_sizes[i].name,
                        (i64)e.data.size, (i64)binary_sizes[i].size);
        if (!wanted) {
            EXPECT_EQ(error.status, ERR_MALFORMED);
            EXPECT_EQ(error.at, 512);
            EXPECT(error.what == NULL ||
                   strcmp(error.what, binary_sizes[i].what) == 0);
        }
    }
}

// Cut off at every length, inside of the field as well.
TEST(wasi_tar_binary_size_cut)
{
    static const u8 five[NUMBER_SIZE] = {0x80, [11] = 5};
    struct tar_entry e;

    archive_add(&a, "file", '0', "12345", 5, "");
    put_number(SIZE_AT, five);
    for (u64 size = 1; size < 1024; size++) {
        struct error error = {OK, 0, NULL};
        struct tar tar = {
            .archive = {a.bytes, size},
              .error = &error
        };
        EXPECT_EQ(tar_next(&tar, &e), size >= 512 + 5);
        EXPECT_EQ(error.status, size >= 512 + 5 ? OK : ERR_MALFORMED);
    }
}

// clang-format off
static const struct {
    u8 field[NUMBER_SIZE];
    u64 ns;
} binary_times[] = {
    {{0x80, [11] = 9}, 9000000000},
    {{0x80, [7] = 2, 0, 0, 0, 7}, 8589934599000000000},
    {{0x80, [4] = 1}, UINT64_MAX},
    // before 1970; no number
    {{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}, 0},
    {{0x80, 0x80}, 0},
};
// clang-format on

TEST(wasi_tar_binary_times)
{
    for (u32 i = 0; i < COUNT(binary_times); i++) {
        struct error error = {OK, 0, NULL};
        struct tar_entry e;

        a.size = 0;
        archive_add(&a, "file", '0', "", 0, "");
        put_number(MTIME_AT, binary_times[i].field);
        archive_end(&a);
        struct tar tar = {.archive = archive_bytes(&a), .error = &error};
        EXPECT(tar_next(&tar, &e));
        EXPECT_EQ(e.mtime_ns, binary_times[i].ns);
    }
}

// Records that say anything, behind headers that are right: an error or a tree,
// and nothing outside the archive is touched (the sanitizer watches).
TEST(wasi_tar_hostile_records)
{
    static const char *const pieces[] = {
        "path=",
        "linkpath=",
        "size=",
        "mtime=",
        "=",
        "\n",
        "/",
        "..",
        "-1",
        "9",
        "18446744073709551615",
        ".",
        " ",
        "GNU.sparse.name=x",
        "a",
    };
    static const char kinds[] = "0125xgLK7S";
    u64 random = 1;

    for (u32 round = 0; round < 3000; round++) {
        struct error error = {OK, 0, NULL};
        a.size = 0;
        for (u32 member = 0; member < 4; member++) {
            char text[400] = "", records[500];
            u32 at = 0;
            for (u32 n = 0; n < 12; n++) {
                random = random * 6364136223846793005 + 1442695040888963407;
                const char *piece = pieces[(random >> 33) % COUNT(pieces)];
                at += format(text + at, sizeof(text) - at, "%s", piece);
            }
            u32 wrong = (random >> 60) == 0 ? (u32)(random >> 40 & 7) : 0;
            u32 size = format(records, sizeof(records), "%u %s\n",
                              at + 4 + (at + 4 > 99) + wrong, text);
            char kind = kinds[(random >> 45) % (COUNT(kinds) - 1)];
            bool extension = kind == 'x' || kind == 'L' || kind == 'K';
            archive_add(&a, member & 1 ? "m" : "d/n", kind, records,
                        extension ? size : size % 3, "m");
        }
        archive_end(&a);
        struct tree *tree = tree_new(archive_bytes(&a), &error);
        EXPECT(tree != NULL);
        tree_free(tree);
    }
    EXPECT_EQ(fake.blocks, 0);
}

// No name has a zero byte in it.
TEST(wasi_tar_zero_in_name)
{
    struct error error = {OK, 0, NULL};
    struct tar_entry e;

    archive_add(&a, "pax", 'x', "12 path=a\0b\n", 12, "");
    archive_add(&a, "file", '0', "", 0, "");
    archive_end(&a);
    struct tar tar = {.archive = archive_bytes(&a), .error = &error};
    EXPECT(!tar_next(&tar, &e));
    EXPECT_EQ(error.status, ERR_MALFORMED);
}

// Cut at every length, an archive gives an error or fewer members, never more.
TEST(wasi_tar_cut)
{
    struct tar_entry e;

    archive_add(&a, "dir/", '5', "", 0, "");
    archive_add(&a, "pax", 'x', "13 mtime=9.5\n", 13, "");
    archive_add(&a, "dir/file", '0', "hello", 5, "");
    archive_end(&a);
    for (u64 size = 0; size < a.size - 1024; size++) {
        struct error error = {OK, 0, NULL};
        struct tar tar = {
            .archive = {a.bytes, size},
              .error = &error
        };
        u32 members = 0;

        while (tar_next(&tar, &e))
            members++;
        EXPECT_EQ(members, (size >= 512) + (size >= 2048 + 5));
        bool whole = size == 0 || size == 512 || size >= 2048 + 5 ||
                     (size >= 1024 + 13 && size <= 1536);
        EXPECT_EQ(error.status == OK, whole);
    }
}

// Whatever byte is wrong, nothing outside the archive is touched (the
// sanitizer watches), and a wrong header is noticed.
TEST(wasi_tar_damage)
{
    static u8 copy[sizeof(a.bytes)];

    archive_add(&a, "pax", 'x', "12 path=a/b\n", 12, "");
    archive_add(&a, "dir/file", '0', "hello", 5, "");
    archive_end(&a);
    for (u32 i = 0; i < a.size - 1024; i++) {
        struct error error = {OK, 0, NULL};
        memcpy(copy, a.bytes, a.size);
        copy[i] ^= 0x81;
        struct tree *tree = tree_new((struct bytes){copy, a.size}, &error);
        bool header = i < 512 || (i >= 1024 && i < 1536);
        bool counts = i % 512 < 154 || i % 512 > 155; // not the sum's padding
        if (header && counts)
            EXPECT_EQ(error.status, ERR_MALFORMED);
        tree_free(tree);
    }
    EXPECT_EQ(fake.blocks, 0);
}
