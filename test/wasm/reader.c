// test/wasm/reader.c: integers, names and types, and where each error points.

#include "test/wasm/help.h"
#include "wasm/internal.h"

#include <string.h>

#define LONG_NUMBER "integer representation too long"
#define LARGE       "integer too large"
#define END         "unexpected end of section or function"

enum how { U32, U64, I32, I64, I33 };

static const struct {
    const char *hex;
    enum how how;
    i64 value;
    const char *what; // NULL: it can be read
} numbers[] = {
    {"00",                               U32, 0,            NULL       },
    {"7f",                               U32, 127,          NULL       },
    {"80 01",                            U32, 128,          NULL       },
    {"80 00",                            U32, 0,            NULL       },
    {"ff ff ff ff 0f",                   U32, 0xffffffff,   NULL       },
    {"ff ff ff ff 1f",                   U32, 0,            LARGE      },
    {"ff ff ff ff 8f 00",                U32, 0,            LONG_NUMBER},
    {"80",                               U32, 0,            END        },
    {"",                                 U32, 0,            END        },
    {"ff ff ff ff ff ff ff ff ff 01",    U64, -1,           NULL       },
    {"ff ff ff ff ff ff ff ff ff 02",    U64, 0,            LARGE      },
    {"80 80 80 80 80 80 80 80 80 80 00", U64, 0,            LONG_NUMBER},
    {"7f",                               I32, -1,           NULL       },
    {"40",                               I32, -64,          NULL       },
    {"3f",                               I32, 63,           NULL       },
    {"ff 7f",                            I32, -1,           NULL       },
    {"80 80 80 80 78",                   I32, INT32_MIN,    NULL       },
    {"ff ff ff ff 07",                   I32, INT32_MAX,    NULL       },
    {"ff ff ff ff 0f",                   I32, 0,            LARGE      },
    {"80 80 80 80 70",                   I32, 0,            LARGE      },
    {"80 80 80 80 f8 7f",                I32, 0,            LONG_NUMBER},
    {"80 80 80 80 80 80 80 80 80 7f",    I64, INT64_MIN,    NULL       },
    {"ff ff ff ff ff ff ff ff ff 00",    I64, INT64_MAX,    NULL       },
    {"ff ff ff ff ff ff ff ff ff 01",    I64, 0,            LARGE      },
    {"80 80 80 80 80 80 80 80 80 7e",    I64, 0,            LARGE      },
    {"ff ff ff ff 0f",                   I33, 0xffffffff,   NULL       },
    {"80 80 80 80 70",                   I33, -0x100000000, NULL       },
    {"ff ff ff ff 1f",                   I33, 0,            LARGE      },
};

static i64
read_number(struct reader *r, enum how how)
{
    switch (how) {
    case U32:
        return read_u32(r);
    case U64:
        return (i64)read_u64(r);
    case I32:
        return read_i32(r);
    case I64:
        return read_i64(r);
    default:
        return read_i33(r);
    }
}

static bool
same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

// Every number is read behind a byte, so that offsets show.
TEST(wasm_reader_numbers)
{
    for (u32 i = 0; i < COUNT(numbers); i++) {
        struct build b = {0};
        struct error error = {0};

        build_u8(&b, 0);
        build_hex(&b, numbers[i].hex);
        struct reader r = reader_range(b.ptr, b.size, 1, b.size, &error);
        EXPECT_EQ(read_number(&r, numbers[i].how), numbers[i].value);
        EXPECT_EQ(r.at, r.end);
        EXPECT(same(error.what, numbers[i].what));
        bool end = same(error.what, END);
        EXPECT_EQ(error.at, error.status == OK ? 0 : end ? r.end : 1);
        build_free(&b);
    }
}

TEST(wasm_reader_bits)
{
    static const u8 bytes[] = {1, 2, 3, 4, 5, 6, 7, 0x88, 9};
    struct error error = {0};
    struct reader r =
        reader_range(bytes, sizeof(bytes), 0, sizeof(bytes), &error);

    EXPECT_EQ(read_bits(&r, 8), (i64)0x8807060504030201);
    EXPECT_EQ(r.at, 8);
    EXPECT_EQ(read_bits(&r, 1), 9);
    EXPECT_EQ(error.status, OK);
    EXPECT_EQ(read_bits(&r, 1), 0);
    EXPECT_EQ(error.status, ERR_MALFORMED);
    EXPECT_EQ(error.at, 9);
}

static const struct {
    const char *hex;
    u32 bad_at; // offset of the offending byte, 0: good
} names[] = {
    {"00",                0},
    {"03 61 62 63",       0},
    {"02 c2 80",          0},
    {"02 c1 bf",          1}, // overlong
    {"03 e0 a0 80",       0},
    {"03 e0 9f bf",       1}, // overlong
    {"03 ed 9f bf",       0},
    {"03 ed a0 80",       1}, // a surrogate
    {"04 f0 90 80 80",    0},
    {"04 f0 8f bf bf",    1}, // overlong
    {"04 f4 8f bf bf",    0},
    {"04 f4 90 80 80",    1}, // above U+10FFFF
    {"05 f8 80 80 80 80", 1},
    {"02 61 80",          2}, // a continuation byte alone
    {"02 61 c2",          2}, // cut short
    {"04 f0 90 80 7f",    1},
};

TEST(wasm_reader_names)
{
    for (u32 i = 0; i < COUNT(names); i++) {
        struct build b = {0};
        struct error error = {0};

        build_hex(&b, names[i].hex);
        struct reader r = reader_range(b.ptr, b.size, 0, b.size, &error);
        struct string name = read_name(&r);

        EXPECT_EQ(error.at, names[i].bad_at);
        EXPECT_EQ(error.status, names[i].bad_at ? ERR_MALFORMED : OK);
        if (error.status == OK)
            EXPECT_EQ(name.len, b.size - 1);
        build_free(&b);
    }
}

TEST(wasm_reader_name_length)
{
    static const u8 bytes[] = {0, 4, 'a', 'b', 'c'};
    struct error error = {0};
    struct reader r =
        reader_range(bytes, sizeof(bytes), 1, sizeof(bytes), &error);

    EXPECT_EQ(read_name(&r).len, 0);
    EXPECT_EQ(error.status, ERR_MALFORMED);
    EXPECT_EQ(error.at, 1);
    EXPECT(same(error.what, "length out of bounds"));
}

static const struct {
    const char *hex;
    valtype_t type; // VAL_NONE: fails
} types[] = {
    {"7f",       VAL_I32                         },
    {"7e",       VAL_I64                         },
    {"7d",       VAL_F32                         },
    {"7c",       VAL_F64                         },
    {"7b",       VAL_V128                        },
    {"70",       VAL_FUNCREF                     },
    {"6f",       VAL_EXTERNREF                   },
    {"69",       REF_BIT | NULL_BIT | HEAP_EXN   },
    {"74",       REF_BIT | NULL_BIT | HEAP_NOEXN },
    {"71",       REF_BIT | NULL_BIT | HEAP_NONE  },
    {"64 70",    REF_BIT | HEAP_FUNC             },
    {"63 6b",    REF_BIT | NULL_BIT | HEAP_STRUCT},
    {"64 05",    REF_BIT | 5                     },
    {"63 80 01", REF_BIT | NULL_BIT | 128        },
    {"78",       VAL_NONE                        }, // i8 is no value type
    {"40",       VAL_NONE                        },
    {"64 40",    VAL_NONE                        },
    {"64 f0 7f", VAL_NONE                        }, // funcref, too long
    {"ff 7f",    VAL_NONE                        }, // i32, too long
};

TEST(wasm_reader_types)
{
    for (u32 i = 0; i < COUNT(types); i++) {
        struct build b = {0};
        struct error error = {0};

        build_hex(&b, types[i].hex);
        struct reader r = reader_range(b.ptr, b.size, 0, b.size, &error);
        valtype_t type = read_valtype(&r);

        EXPECT_EQ(error.status == OK, types[i].type != VAL_NONE);
        if (types[i].type != VAL_NONE)
            EXPECT_EQ(type, types[i].type);
        build_free(&b);
    }
}

// The first failure sticks, and nothing is read after it.
TEST(wasm_reader_sticks)
{
    static const u8 bytes[] = {0xff, 0xff, 0xff, 0xff, 0x1f, 1, 2};
    struct error error = {0};
    struct reader r =
        reader_range(bytes, sizeof(bytes), 0, sizeof(bytes), &error);

    EXPECT_EQ(read_u32(&r), 0);
    EXPECT_EQ(read_u8(&r), 0);
    EXPECT_EQ(read_u32(&r), 0);
    EXPECT(same(error.what, LARGE));
    EXPECT_EQ(error.at, 0);
}

// What is no part of the bytes cannot be read, by whatever function.
TEST(reader_ranges)
{
    static const u8 bytes[] = {1, 2, 3, 4};
    static const struct {
        u64 at, end, left;
    } ranges[] = {
        {0,          4,          4},
        {1,          3,          2},
        {4,          4,          0},
        {3,          2,          0},
        {0,          5,          0},
        {5,          5,          0},
        {5,          4,          0},
        {UINT64_MAX, 1,          0},
        {1,          UINT64_MAX, 0},
    };

    for (u32 i = 0; i < COUNT(ranges); i++) {
        struct error error = {0};
        u64 at = ranges[i].at, end = ranges[i].end;
        struct reader r = reader_range(bytes, sizeof(bytes), at, end, &error);
        bool inside = at <= end && end <= sizeof(bytes);
        EXPECT_EQ(error.status, inside ? OK : ERR_MALFORMED);
        EXPECT_EQ(reader_left(&r), ranges[i].left);
        EXPECT_EQ(reader_skip(&r, ranges[i].left + 1), false);
        EXPECT_EQ(reader_left(&r), 0);
        EXPECT_EQ(read_u8(&r), 0);
        EXPECT_EQ(read_bits(&r, 8), 0);
        EXPECT_EQ(read_name(&r).len, 0);
        EXPECT_EQ(error.status, ERR_MALFORMED);
    }
    struct error error = {0};
    struct reader all = reader_range(bytes, sizeof(bytes), 0, 3, &error);
    struct reader part = reader_part(&all, 1, 4); // there, but not all's
    EXPECT_EQ(reader_left(&part), 0);
    EXPECT_EQ(error.status, ERR_MALFORMED);
    EXPECT_EQ(all.at, 0);
}
