// test/wasm/limits.c: modules that reach each limit of abi/limits.def are
// accepted, modules that go one past it are refused as such.

#include "test/wasm/help.h"

#include <string.h>

// A type section with the type () -> ().
static void
one_type(struct build *b)
{
    build_section(b, TYPE);
    build_list(b, 1, 0x60, 0, 0);
    build_close(b);
}

// One function of type () -> () with this body, its size and `end` excepted.
static void
one_body(struct build *b, const struct build *body)
{
    REPEAT(b, FUNCTION, 1, "\0");
    build_section(b, CODE);
    build_u8(b, 1);
    build_open(b);
    build_bytes(b, body->ptr, body->size);
    build_u8(b, 0x0b);
    build_close(b);
    build_close(b);
    build_free((struct build *)body);
}

static void
types(struct build *b, u32 n)
{
    REPEAT(b, TYPE, n, "\x60\0\0");
}

// All in one rec group.
static void
types_rec(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_list(b, 1, 0x4e);
    build_u32(b, n);
    for (u32 i = 0; i < n; i++)
        build_list(b, 0x60, 0, 0);
    build_close(b);
}

static void
functions(struct build *b, u32 n)
{
    one_type(b);
    REPEAT(b, FUNCTION, n, "\0");
    REPEAT(b, CODE, n, "\x02\0\x0b");
}

static void
imports(struct build *b, u32 n)
{
    one_type(b);
    REPEAT(b, IMPORT, n, "\0\0\0\0");
}

static void
functions_imported(struct build *b, u32 n)
{
    one_type(b);
    REPEAT(b, IMPORT, n / 2, "\0\0\0\0");
    REPEAT(b, FUNCTION, n - n / 2, "\0");
    REPEAT(b, CODE, n - n / 2, "\x02\0\x0b");
}

static void
exports(struct build *b, u32 n)
{
    REPEAT(b, MEMORY, 1, "\0\0");
    build_exports(b, n, 2);
}

static void
globals(struct build *b, u32 n)
{
    REPEAT(b, GLOBAL, n, "\x7f\0\x41\0\x0b");
}

static void
tags(struct build *b, u32 n)
{
    one_type(b);
    REPEAT(b, TAG, n, "\0\0");
}

static void
data_segments(struct build *b, u32 n)
{
    REPEAT(b, DATA, n, "\x01\0");
}

static void
elem_segments(struct build *b, u32 n)
{
    REPEAT(b, ELEMENT, n, "\x01\0\0");
}

static void
elements(struct build *b, u32 n)
{
    one_type(b);
    REPEAT(b, FUNCTION, 1, "\0");
    build_section(b, ELEMENT);
    build_list(b, 1, 1, 0);
    build_u32(b, n);
    for (u32 i = 0; i < n; i++)
        build_u8(b, 0);
    build_close(b);
    REPEAT(b, CODE, 1, "\x02\0\x0b");
}

static void
tables(struct build *b, u32 n)
{
    REPEAT(b, TABLE, n, "\x70\0\0");
}

static void
memories(struct build *b, u32 n)
{
    REPEAT(b, MEMORY, n, "\0\0");
}

static void
func_type(struct build *b, u32 params, u32 results)
{
    build_section(b, TYPE);
    build_list(b, 1, 0x60);
    build_u32(b, params);
    for (u32 i = 0; i < params; i++)
        build_u8(b, 0x7f);
    build_u32(b, results);
    for (u32 i = 0; i < results; i++)
        build_u8(b, 0x7f);
    build_close(b);
}

static void
params(struct build *b, u32 n)
{
    func_type(b, n, 0);
}

static void
results(struct build *b, u32 n)
{
    func_type(b, 0, n);
}

static void
body_size(struct build *b, u32 n)
{
    struct build body = {0};

    one_type(b);
    build_u8(&body, 0);
    while (body.size < n - 1)
        build_u8(&body, 0x01);
    one_body(b, &body);
}

static void
locals(struct build *b, u32 n)
{
    struct build body = {0};

    func_type(b, 10, 0);
    build_u8(&body, 2);
    build_list(&body, 1, 0x7e);
    build_u32(&body, n - 11);
    build_u8(&body, 0x7f);
    one_body(b, &body);
}

static void
br_table(struct build *b, u32 n)
{
    struct build body = {0};

    one_type(b);
    build_list(&body, 0, 0x41, 0, 0x0e);
    build_u32(&body, n);
    for (u32 i = 0; i <= n; i++)
        build_u8(&body, 0);
    one_body(b, &body);
}

static void
struct_fields(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_list(b, 1, 0x5f);
    build_u32(b, n);
    for (u32 i = 0; i < n; i++)
        build_list(b, 0x78, 0);
    build_close(b);
}

// A chain in which each type has one more supertype than the one before.
static void
subtypes(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_u32(b, n + 1);
    build_list(b, 0x50, 0, 0x5f, 0);
    for (u32 i = 0; i < n; i++) {
        build_list(b, 0x50, 1);
        build_u32(b, i);
        build_list(b, 0x5f, 0);
    }
    build_close(b);
}

static void
name_size(struct build *b, u32 n)
{
    REPEAT(b, MEMORY, 1, "\0\0");
    build_section(b, EXPORT);
    build_u8(b, 1);
    build_u32(b, n);
    for (u32 i = 0; i < n; i++)
        build_u8(b, 'x');
    build_list(b, 2, 0);
    build_close(b);
}

// 1 + (1 + (1 + ...))
static void
const_operands(struct build *b, u32 n)
{
    build_section(b, GLOBAL);
    build_list(b, 1, 0x7f, 0);
    for (u32 i = 0; i < n; i++)
        build_list(b, 0x41, 1);
    for (u32 i = 1; i < n; i++)
        build_u8(b, 0x6a);
    build_u8(b, 0x0b);
    build_close(b);
}

// 1 + 1 + 1 ..., n bytes with the end.
static void
const_size(struct build *b, u32 n)
{
    build_section(b, GLOBAL);
    build_list(b, 1, 0x7f, 0, 0x41, n % 3 > 0 ? 0x81 : 1);
    if (n % 3 > 1)
        build_u8(b, 0x80);
    if (n % 3 > 0)
        build_u8(b, 0);
    TIMES(b, n / 3 - 1, 0x41, 1, 0x6a);
    build_u8(b, 0x0b);
    build_close(b);
}

static const struct {
    const char *name;
    u64 limit;
    void (*build)(struct build *b, u32 n);
} cases[] = {
    {"types",                    LIMIT_TYPES,          types             },
    {"types in one group",       LIMIT_TYPES,          types_rec         },
    {"functions",                LIMIT_FUNCTIONS,      functions         },
    {"functions, half imported", LIMIT_FUNCTIONS,      functions_imported},
    {"imports",                  LIMIT_IMPORTS,        imports           },
    {"exports",                  LIMIT_EXPORTS,        exports           },
    {"globals",                  LIMIT_GLOBALS,        globals           },
    {"tags",                     LIMIT_TAGS,           tags              },
    {"data segments",            LIMIT_DATA_SEGMENTS,  data_segments     },
    {"element segments",         LIMIT_ELEM_SEGMENTS,  elem_segments     },
    {"elements",                 LIMIT_TABLE_ENTRIES,  elements          },
    {"tables",                   LIMIT_TABLES,         tables            },
    {"memories",                 LIMIT_MEMORIES,       memories          },
    {"parameters",               LIMIT_PARAMS,         params            },
    {"results",                  LIMIT_RESULTS,        results           },
    {"body size",                LIMIT_BODY_SIZE,      body_size         },
    {"locals",                   LIMIT_LOCALS,         locals            },
    {"br_table",                 LIMIT_BR_TABLE,       br_table          },
    {"struct fields",            LIMIT_STRUCT_FIELDS,  struct_fields     },
    {"subtype depth",            LIMIT_SUBTYPE_DEPTH,  subtypes          },
    {"name size",                LIMIT_NAME_SIZE,      name_size         },
    {"constant operands",        LIMIT_CONST_OPERANDS, const_operands    },
    {"constant size",            LIMIT_CONST_SIZE,     const_size        },
};

static status_t
judge_case(u32 i, u32 n, struct arena *arena)
{
    struct error error;
    struct build b;

    build_start(&b);
    cases[i].build(&b, n);
    status_t status = judge(build_result(&b), arena, &error);
    build_free(&b);
    return status;
}

TEST(wasm_limits)
{
    struct arena arena = arena_make(2 * GIB);

    for (u32 i = 0; i < COUNT(cases); i++) {
        u32 limit = (u32)cases[i].limit;
        status_t at = judge_case(i, limit, &arena);
        status_t past = judge_case(i, limit + 1, &arena);
        if (at != OK || past != ERR_LIMIT)
            test_failed(__FILE__, __LINE__, cases[i].name, past, ERR_LIMIT);
        EXPECT_EQ(at, OK);
    }
    arena_drop(&arena);
}

// What a table or a memory may ask for is not a matter of the module alone:
// 2^32 - 1 entries are valid, as are 4 GiB.
TEST(wasm_limits_are_addresses)
{
    static const struct {
        u8 section;
        const char *hex;
        status_t status;
    } sizes[] = {
        {TABLE,  "70 00 ff ff ff ff 0f", OK           },
        {TABLE,  "70 00 80 80 80 80 10", ERR_INVALID  },
        {TABLE,  "7f 00 01",             ERR_MALFORMED},
        {MEMORY, "00 80 80 04",          OK           },
        {MEMORY, "00 81 80 04",          ERR_INVALID  },
        {MEMORY, "01 02 02",             OK           },
        {MEMORY, "01 02 01",             ERR_INVALID  },
        {MEMORY, "03 01 01",             OK           },
        {MEMORY, "02 01",                ERR_INVALID  },
        {MEMORY, "08 01 00",             OK           },
        {MEMORY, "08 01 10",             OK           },
        {MEMORY, "08 01 01",             ERR_INVALID  },
        {MEMORY, "08 01 40",             ERR_MALFORMED},
        {MEMORY, "10 01",                ERR_MALFORMED},
    };
    struct arena arena = arena_make(MIB);

    for (u32 i = 0; i < COUNT(sizes); i++) {
        struct error error;
        struct build b;
        build_start(&b);
        build_section(&b, sizes[i].section);
        build_u8(&b, 1);
        u64 at = b.size;
        build_hex(&b, sizes[i].hex);
        build_close(&b);
        EXPECT_EQ(judge(build_result(&b), &arena, &error), sizes[i].status);
        if (sizes[i].status != OK)
            EXPECT(error.at >= at && error.at < b.size);
        build_free(&b);
    }
    arena_drop(&arena);
}
