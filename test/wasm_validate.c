// test/wasm_validate.c: bodies: where each error points, and what the compiler
// sees when it steps through one.

#include "test/wasm_help.h"

#include <stdio.h>
#include <string.h>

#define END "unexpected end of section or function"

// A module with one of everything around a body of type (i32) -> (i32):
// types 0 = (i32) -> (i32), 1 = () -> (), 2 = (i32) -> (); functions 0 (type
// 0, the body) and 1 (type 1); table 0 of funcref; memory 0; memory 1 with 64
// bits; tag 0 of type 2; global 0 = i32, mutable, 1 = i32.
static void
build_around(struct build *b, const u8 *body, u32 size)
{
    build_start(b);
    build_section(b, 1);
    build_list(b, 3, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 0, 0, 0x60, 1, 0x7f, 0);
    build_close(b);
    build_section(b, 3);
    build_list(b, 2, 0, 1);
    build_close(b);
    build_section(b, 4);
    build_list(b, 1, 0x70, 0, 1);
    build_close(b);
    build_section(b, 5);
    build_list(b, 2, 0, 1, 4, 1);
    build_close(b);
    build_section(b, 13);
    build_list(b, 1, 0, 2);
    build_close(b);
    build_section(b, 6);
    build_list(b, 2, 0x7f, 1, 0x41, 0, 0x0b, 0x7f, 0, 0x41, 7, 0x0b);
    build_close(b);
    build_section(b, 10);
    build_u8(b, 2);
    build_open(b);
    build_bytes(b, body, size);
    build_close(b);
    build_list(b, 2, 0, 0x0b);
    build_close(b);
}

// Bodies start with their locals; `at` counts from the start of the body.
static const struct {
    const char *name;
    u8 size;
    u8 body[32];
    status_t status;
    u8 at;
    const char *what;
} bodies[] = {
    {"identity",                4, {0, 0x20, 0, 0x0b},                                                 OK,            0,  NULL            },
    {"no end",                  3, {0, 0x20, 0},                                                       ERR_MALFORMED, 3,  END             },
    {"bytes after the end",
     5,                            {0, 0x20, 0, 0x0b, 0x01},
     ERR_MALFORMED,                                                                                                   4,
     "section size mismatch"                                                                                                              },
    {"empty",                   2, {0, 0x0b},                                                          ERR_INVALID,   1,  "type mismatch" },
    {"two results",
     6,                            {0, 0x20, 0, 0x20, 0, 0x0b},
     ERR_INVALID,                                                                                                     5,
     "type mismatch"                                                                                                                      },
    {"wrong result",            4, {0, 0x42, 0, 0x0b},                                                 ERR_INVALID,   3,  "type mismatch" },
    {"wrong operand",
     7,                            {0, 0x20, 0, 0x42, 0, 0x6a, 0x0b},
     ERR_INVALID,                                                                                                     5,
     "type mismatch"                                                                                                                      },
    {"missing operand",
     5,                            {0, 0x20, 0, 0x6a, 0x0b},
     ERR_INVALID,                                                                                                     3,
     "type mismatch"                                                                                                                      },
    {"unknown opcode",          2, {0, 0x27},                                                          ERR_MALFORMED, 1,  "illegal opcode"},
    {"unknown prefixed",
     3,                            {0, 0xfc, 0x12},
     ERR_MALFORMED,                                                                                                   1,
     "illegal opcode"                                                                                                                     },
    {"unknown vector",
     4,                            {0, 0xfd, 0x9a, 0x01},
     ERR_MALFORMED,                                                                                                   1,
     "illegal opcode"                                                                                                                     },
    {"opcode out of any range",
     7,                            {0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0x0f},
     ERR_MALFORMED,                                                                                                   1,
     "illegal opcode"                                                                                                                     },
    {"unknown local",           4, {0, 0x20, 1, 0x0b},                                                 ERR_INVALID,   1,  "unknown local" },
    {"unknown global",          4, {0, 0x23, 2, 0x0b},                                                 ERR_INVALID,   1,  "unknown global"},
    {"constant global",
     6,                            {0, 0x20, 0, 0x24, 1, 0x0b},
     ERR_INVALID,                                                                                                     3,
     "immutable global"                                                                                                                   },
    {"unknown function",
     4,                            {0, 0x10, 2, 0x0b},
     ERR_INVALID,                                                                                                     1,
     "unknown function"                                                                                                                   },
    {"unknown label",           4, {0, 0x0c, 1, 0x0b},                                                 ERR_INVALID,   1,  "unknown label" },
    {"unknown type",
     6,                            {0, 0x20, 0, 0x11, 3, 0},
     ERR_INVALID,                                                                                                     3,
     "unknown type"                                                                                                                       },
    {"unknown table",
     6,                            {0, 0x20, 0, 0x11, 0, 1},
     ERR_INVALID,                                                                                                     3,
     "unknown table"                                                                                                                      },
    {"unknown memory",
     7,                            {0, 0x20, 0, 0x28, 0x42, 2, 0},
     ERR_INVALID,                                                                                                     3,
     "unknown memory"                                                                                                                     },
    {"memory of 64 bits",       8, {0, 0x42, 0, 0x28, 0x42, 1, 0, 0x0b},                               OK,            0,  NULL            },
    {"address of 32 bits",
     8,                            {0, 0x20, 0, 0x28, 0x42, 1, 0, 0x0b},
     ERR_INVALID,                                                                                                     3,
     "type mismatch"                                                                                                                      },
    {"alignment",
     7,                            {0, 0x20, 0, 0x28, 3, 0, 0x0b},
     ERR_INVALID,                                                                                                     3,
     "alignment must not be larger than natural"                                                                                          },
    {"atomic alignment",
     8,                            {0, 0x20, 0, 0xfe, 0x10, 1, 0, 0x0b},
     ERR_INVALID,                                                                                                     3,
     "atomic alignment must be natural"                                                                                                   },
    {"offset beyond 32 bits",
     11,                           {0, 0x20, 0, 0x28, 2, 0x80, 0x80, 0x80, 0x80, 0x10, 0x0b},
     ERR_INVALID,                                                                                                     3,
     "offset out of range"                                                                                                                },
    {"lane",
     22,                           {0, 0xfd, 0x0c, 0, 0, 0, 0, 0, 0,    0,    0,
      0, 0,    0,    0, 0, 0, 0, 0, 0xfd, 0x1b, 4},
     ERR_INVALID,                                                                                                     19,
     "invalid lane index"                                                                                                                 },
    {"data count",
     12,                           {0, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 0x08, 0, 0, 0x0b},
     ERR_MALFORMED,                                                                                                   7,
     "data count section required"                                                                                                        },
    {"undeclared function",
     6,                            {0, 0xd2, 0, 0x1a, 0x20, 0},
     ERR_INVALID,                                                                                                     1,
     "undeclared function reference"                                                                                                      },
    {"else alone",
     4,                            {0, 0x20, 0, 0x05},
     ERR_MALFORMED,                                                                                                   3,
     "END opcode expected"                                                                                                                },
    {"if without else",
     8,                            {0, 0x20, 0, 0x04, 0x7f, 0x20, 0, 0x0b},
     ERR_INVALID,                                                                                                     7,
     "type mismatch"                                                                                                                      },
    {"block result",
     6,                            {0, 0x02, 0x7f, 0x0b, 0x0b, 0},
     ERR_INVALID,                                                                                                     3,
     "type mismatch"                                                                                                                      },
    {"break out of br_table",
     10,                           {0, 0x20, 0, 0x20, 0, 0x0e, 1, 0, 1, 0x0b},
     ERR_INVALID,                                                                                                     5,
     "unknown label"                                                                                                                      },
    {"unset local",
     8,                            {1, 1, 0x64, 0x70, 0x20, 1, 0x1a, 0x0b},
     ERR_INVALID,                                                                                                     4,
     "uninitialized local"                                                                                                                },
    {"local of unknown type",
     6,                            {1, 1, 0x63, 9, 0x20, 0},
     ERR_INVALID,                                                                                                     2,
     "unknown type"                                                                                                                       },
    {"dead operands",           6, {0, 0x00, 0x6a, 0x1a, 0x00, 0x0b},                                  OK,            0,  NULL            },
    {"dead but wrong",
     6,                            {0, 0x00, 0x42, 0, 0x6a, 0x0b},
     ERR_INVALID,                                                                                                     4,
     "type mismatch"                                                                                                                      },
    {"unknown tag",
     6,                            {0, 0x20, 0, 0x08, 1, 0x0b},
     ERR_INVALID,                                                                                                     3,
     "unknown tag"                                                                                                                        },
    {"rethrow outside",
     4,                            {0, 0x09, 0, 0x0b},
     ERR_INVALID,                                                                                                     1,
     "invalid rethrow label"                                                                                                              },
    {"catch alone",
     4,                            {0, 0x07, 0, 0x0b},
     ERR_MALFORMED,                                                                                                   1,
     "END opcode expected"                                                                                                                },
    {"legacy try",
     11,                           {0, 0x06, 0x7f, 0x20, 0, 0x08, 0, 0x07, 0, 0x0b, 0x0b},
     OK,                                                                                                              0,
     NULL                                                                                                                                 },
    {"try_table",
     14,                           {0, 0x02, 0x7f, 0x1f, 0x40, 1, 0, 0, 0, 0x0b, 0x20, 0, 0x0b, 0x0b},
     OK,                                                                                                              0,
     NULL                                                                                                                                 },
    {"catch of wrong type",
     12,                           {0, 0x02, 0x40, 0x1f, 0x40, 1, 0, 0, 0, 0x0b, 0x0b, 0x0b},
     ERR_INVALID,                                                                                                     3,
     "type mismatch"                                                                                                                      },
    {"wide multiplication",
     12,                           {0, 0x42, 1, 0x42, 2, 0xfc, 0x15, 0x1a, 0x1a, 0x20, 0, 0x0b},
     OK,                                                                                                              0,
     NULL                                                                                                                                 },
    {"tail call",               6, {0, 0x20, 0, 0x12, 0, 0x0b},                                        OK,            0,  NULL            },
    {"tail call of wrong type",
     4,                            {0, 0x12, 1, 0x0b},
     ERR_INVALID,                                                                                                     1,
     "type mismatch"                                                                                                                      },
    {"bad integer",
     8,                            {0, 0x41, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x0b},
     ERR_MALFORMED,                                                                                                   2,
     "integer too large"                                                                                                                  },
};

TEST(wasm_validate_offsets)
{
    struct arena arena = arena_make(MIB);

    for (u32 i = 0; i < COUNT(bodies); i++) {
        struct error error;
        struct build b;
        build_around(&b, bodies[i].body, bodies[i].size);
        // The body ends five bytes before the end: function 1 has three.
        u64 start = b.size - 3 - bodies[i].size;
        status_t status = judge(build_result(&b), &arena, &error);
        bool good = status == bodies[i].status &&
                    (status == OK || (error.at == start + bodies[i].at &&
                                      strcmp(error.what, bodies[i].what) == 0));
        if (!good) {
            printf("%s: %s\n", bodies[i].name, error.what ? error.what : "");
            test_failed(__FILE__, __LINE__, bodies[i].name,
                        (i64)(error.at - start), bodies[i].at);
        }
        build_free(&b);
    }
    arena_drop(&arena);
}

// --- stepping ----------------------------------------------------------------------

static const struct step {
    u32 code;
    bool reachable;
    u32 operands; // after it
    u32 frames;
} steps[] = {
    {WASM_BLOCK,       true,  0, 2},
    {WASM_LOCAL_GET,   true,  1, 2},
    {WASM_BR_IF,       true,  0, 2},
    {WASM_BR,          true,  0, 2},
    {WASM_I32_ADD,     false, 1, 2},
    {WASM_DROP,        false, 0, 2},
    {WASM_BLOCK,       false, 0, 3},
    {WASM_NOP,         false, 0, 3},
    {WASM_END,         false, 0, 2},
    {WASM_END,         false, 0, 1},
    {WASM_LOCAL_GET,   true,  1, 1},
    {WASM_IF,          true,  0, 2},
    {WASM_UNREACHABLE, true,  0, 2},
    {WASM_ELSE,        false, 0, 2},
    {WASM_I32_CONST,   true,  1, 2},
    {WASM_END,         true,  1, 1},
    {WASM_END,         true,  1, 0},
};

TEST(wasm_validate_steps)
{
    static const u8 body[] = {0,    0x02, 0x40, 0x20, 0,    0x0d, 0,    0x0c, 0,
                              0x6a, 0x1a, 0x02, 0x40, 0x01, 0x0b, 0x0b, 0x20, 0,
                              0x04, 0x7f, 0x00, 0x05, 0x41, 5,    0x0b, 0x0b};
    struct arena arena = arena_make(MIB);
    struct error error = {0};
    struct validator v;
    struct module m;
    struct build b;
    struct op op;
    u32 count = 0;

    build_around(&b, body, sizeof(body));
    EXPECT_EQ(module_decode(&m, build_result(&b), &arena, &error), OK);
    validator_init(&v, &m, 0, &arena, &error);
    for (; validator_next(&v, &op) && count < COUNT(steps); count++) {
        EXPECT_EQ(op.code, steps[count].code);
        EXPECT_EQ(v.was_reachable, steps[count].reachable);
        EXPECT_EQ(v.operand_count, steps[count].operands);
        EXPECT_EQ(v.frame_count, steps[count].frames);
        if (op.code == WASM_ELSE)
            EXPECT_EQ(v.closed.code, WASM_IF);
    }
    EXPECT_EQ(count, COUNT(steps));
    EXPECT_EQ(error.status, OK);
    EXPECT_EQ(v.closed.code, WASM_BLOCK);
    build_free(&b);
    arena_drop(&arena);
}

TEST(wasm_validate_locals)
{
    static const u8 body[] = {4,    2, 0x7f, 0,    0x7e, 3,
                              0x7d, 1, 0x7d, 0x20, 0,    0x0b};
    static const valtype_t expected[] = {VAL_I32, VAL_I32, VAL_I32, VAL_F32,
                                         VAL_F32, VAL_F32, VAL_F32};
    struct arena arena = arena_make(MIB);
    struct error error = {0};
    struct validator v;
    struct module m;
    struct build b;

    build_around(&b, body, sizeof(body));
    EXPECT_EQ(module_decode(&m, build_result(&b), &arena, &error), OK);
    validator_init(&v, &m, 0, &arena, &error);
    EXPECT_EQ(v.local_count, COUNT(expected));
    EXPECT_EQ(v.run_count, 2);
    for (u32 i = 0; i < COUNT(expected); i++)
        EXPECT_EQ(validator_local_type(&v, i), expected[i]);
    build_free(&b);
    arena_drop(&arena);
}

// A call of two bytes may push a thousand operands, but not for ever.
TEST(wasm_validate_operand_limit)
{
    struct arena arena = arena_make(64 * MIB);
    struct error error;
    struct build b;

    build_start(&b);
    build_section(&b, 1);
    build_list(&b, 1, 0x60, 0);
    build_u32(&b, 1000);
    for (u32 i = 0; i < 1000; i++)
        build_u8(&b, 0x7f);
    build_close(&b);
    build_section(&b, 3);
    build_list(&b, 1, 0);
    build_close(&b);
    build_section(&b, 10);
    build_u8(&b, 1);
    build_open(&b);
    build_u8(&b, 0);
    for (u32 i = 0; i < 10000; i++)
        build_list(&b, 0x10, 0);
    build_list(&b, 0x0f, 0x0b);
    build_close(&b);
    build_close(&b);
    EXPECT_EQ(judge(build_result(&b), &arena, &error), ERR_LIMIT);
    EXPECT(arena.peak < 2 * MIB);
    build_free(&b);
    arena_drop(&arena);
}
