// test/wasm_reader.c: integers, names and types, and where each error points.

#include "test/wasm_help.h"
#include "wasm/internal.h"

#include <string.h>

#define LONG_NUMBER "integer representation too long"
#define LARGE       "integer too large"
#define END         "unexpected end of section or function"

enum how { U32, U64, I32, I64, I33 };

static const struct {
    const char *bytes;
    u32 size;
    enum how how;
    i64 value;
    const char *what; // NULL: no failure
} numbers[] = {
    {"\x00",                                         1,  U32, 0,            NULL       },
    {"\x7f",                                         1,  U32, 127,          NULL       },
    {"\x80\x01",                                     2,  U32, 128,          NULL       },
    {"\x80\x00",                                     2,  U32, 0,            NULL       },
    {"\xff\xff\xff\xff\x0f",                         5,  U32, 0xffffffff,   NULL       },
    {"\xff\xff\xff\xff\x1f",                         5,  U32, 0,            LARGE      },
    {"\xff\xff\xff\xff\x8f\x00",                     6,  U32, 0,            LONG_NUMBER},
    {"\x80",                                         1,  U32, 0,            END        },
    {"",                                             0,  U32, 0,            END        },
    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",     10, U64, -1,           NULL       },
    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",     10, U64, 0,            LARGE      },
    {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11, U64, 0,            LONG_NUMBER},
    {"\x7f",                                         1,  I32, -1,           NULL       },
    {"\x40",                                         1,  I32, -64,          NULL       },
    {"\x3f",                                         1,  I32, 63,           NULL       },
    {"\xff\x7f",                                     2,  I32, -1,           NULL       },
    {"\x80\x80\x80\x80\x78",                         5,  I32, INT32_MIN,    NULL       },
    {"\xff\xff\xff\xff\x07",                         5,  I32, INT32_MAX,    NULL       },
    {"\xff\xff\xff\xff\x0f",                         5,  I32, 0,            LARGE      },
    {"\x80\x80\x80\x80\x70",                         5,  I32, 0,            LARGE      },
    {"\x80\x80\x80\x80\xf8\x7f",                     6,  I32, 0,            LONG_NUMBER},
    {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f",     10, I64, INT64_MIN,    NULL       },
    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00",     10, I64, INT64_MAX,    NULL       },
    {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",     10, I64, 0,            LARGE      },
    {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7e",     10, I64, 0,            LARGE      },
    {"\xff\xff\xff\xff\x0f",                         5,  I33, 0xffffffff,   NULL       },
    {"\x80\x80\x80\x80\x70",                         5,  I33, -0x100000000, NULL       },
    {"\xff\xff\xff\xff\x1f",                         5,  I33, 0,            LARGE      },
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
        u8 bytes[16] = {0};
        struct error error = {0};
        struct reader r = {bytes, 1, 1 + numbers[i].size, &error};

        memcpy(bytes + 1, numbers[i].bytes, numbers[i].size);
        EXPECT_EQ(read_number(&r, numbers[i].how), numbers[i].value);
        EXPECT_EQ(r.at, r.end);
        EXPECT(same(error.what, numbers[i].what));
        bool end = same(error.what, END);
        EXPECT_EQ(error.at, error.status == OK ? 0 : end ? r.end : 1);
    }
}

TEST(wasm_reader_bits)
{
    static const u8 bytes[] = {1, 2, 3, 4, 5, 6, 7, 0x88, 9};
    struct error error = {0};
    struct reader r = {bytes, 0, sizeof(bytes), &error};

    EXPECT_EQ(read_bits(&r, 8), (i64)0x8807060504030201);
    EXPECT_EQ(r.at, 8);
    EXPECT_EQ(read_bits(&r, 1), 9);
    EXPECT_EQ(error.status, OK);
    EXPECT_EQ(read_bits(&r, 1), 0);
    EXPECT_EQ(error.status, ERR_MALFORMED);
    EXPECT_EQ(error.at, 9);
}

static const struct {
    const char *bytes;
    u32 size;
    u32 bad_at; // offset of the offending byte, 0: good
} names[] = {
    {"\x00",                     1, 0},
    {"\x03"
     "abc",                 4, 0},
    {"\x02\xc2\x80",             3, 0},
    {"\x02\xc1\xbf",             3, 1}, // overlong
    {"\x03\xe0\xa0\x80",         4, 0}, //
    {"\x03\xe0\x9f\xbf",         4, 1}, // overlong
    {"\x03\xed\x9f\xbf",         4, 0}, //
    {"\x03\xed\xa0\x80",         4, 1}, // a surrogate
    {"\x04\xf0\x90\x80\x80",     5, 0}, //
    {"\x04\xf0\x8f\xbf\xbf",     5, 1}, // overlong
    {"\x04\xf4\x8f\xbf\xbf",     5, 0}, //
    {"\x04\xf4\x90\x80\x80",     5, 1}, // above U+10FFFF
    {"\x05\xf8\x80\x80\x80\x80", 6, 1},
    {"\x02"
     "a\x80",               3, 2}, // a continuation byte alone
    {"\x02"
     "a\xc2",               3, 2}, // cut short
    {"\x04\xf0\x90\x80\x7f",     5, 1},
};

TEST(wasm_reader_names)
{
    for (u32 i = 0; i < COUNT(names); i++) {
        const u8 *bytes = (const u8 *)names[i].bytes;
        struct error error = {0};
        struct reader r = {bytes, 0, names[i].size, &error};
        struct string name = read_name(&r);

        EXPECT_EQ(error.at, names[i].bad_at);
        EXPECT_EQ(error.status, names[i].bad_at ? ERR_MALFORMED : OK);
        if (error.status == OK)
            EXPECT_EQ(name.len, names[i].size - 1);
    }
}

TEST(wasm_reader_name_length)
{
    static const u8 bytes[] = {0, 4, 'a', 'b', 'c'};
    struct error error = {0};
    struct reader r = {bytes, 1, sizeof(bytes), &error};

    EXPECT_EQ(read_name(&r).len, 0);
    EXPECT_EQ(error.status, ERR_MALFORMED);
    EXPECT_EQ(error.at, 1);
    EXPECT(same(error.what, "length out of bounds"));
}

static const struct {
    const char *bytes;
    u32 size;
    valtype_t type; // VAL_NONE: fails
} types[] = {
    {"\x7f",         1, VAL_I32                         },
    {"\x7e",         1, VAL_I64                         },
    {"\x7d",         1, VAL_F32                         },
    {"\x7c",         1, VAL_F64                         },
    {"\x7b",         1, VAL_V128                        },
    {"\x70",         1, VAL_FUNCREF                     },
    {"\x6f",         1, VAL_EXTERNREF                   },
    {"\x69",         1, REF_BIT | NULL_BIT | HEAP_EXN   },
    {"\x74",         1, REF_BIT | NULL_BIT | HEAP_NOEXN },
    {"\x71",         1, REF_BIT | NULL_BIT | HEAP_NONE  },
    {"\x64\x70",     2, REF_BIT | HEAP_FUNC             },
    {"\x63\x6b",     2, REF_BIT | NULL_BIT | HEAP_STRUCT},
    {"\x64\x05",     2, REF_BIT | 5                     },
    {"\x63\x80\x01", 3, REF_BIT | NULL_BIT | 128        },
    {"\x78",         1, VAL_NONE                        }, // i8 is no value type
    {"\x40",         1, VAL_NONE                        },
    {"\x64\x40",     2, VAL_NONE                        },
    {"\x64\xf0\x7f", 3, VAL_NONE                        }, // funcref, too long
    {"\xff\x7f",     2, VAL_NONE                        }, // i32, too long
};

TEST(wasm_reader_types)
{
    for (u32 i = 0; i < COUNT(types); i++) {
        struct error error = {0};
        struct reader r = {(const u8 *)types[i].bytes, 0, types[i].size,
                           &error};
        valtype_t type = read_valtype(&r);

        EXPECT_EQ(error.status == OK, types[i].type != VAL_NONE);
        if (types[i].type != VAL_NONE)
            EXPECT_EQ(type, types[i].type);
    }
}

// The first failure sticks, and nothing is read after it.
TEST(wasm_reader_sticks)
{
    static const u8 bytes[] = {0xff, 0xff, 0xff, 0xff, 0x1f, 1, 2};
    struct error error = {0};
    struct reader r = {bytes, 0, sizeof(bytes), &error};

    EXPECT_EQ(read_u32(&r), 0);
    EXPECT_EQ(read_u8(&r), 0);
    EXPECT_EQ(read_u32(&r), 0);
    EXPECT(same(error.what, LARGE));
    EXPECT_EQ(error.at, 0);
}
