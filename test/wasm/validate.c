// test/wasm/validate.c: bodies: where each error points, and what the compiler
// sees when it steps through one.

#include "test/wasm/help.h"

#include <stdio.h>
#include <string.h>

#define END "unexpected end of section or function"

// A module with one of everything around a body of type (i32) -> (i32):
// types 0 = (i32) -> (i32), 1 = () -> (), 2 = (i32) -> (); functions 0 (type
// 0, the body) and 1 (type 1); table 0 of funcref; memory 0; memory 1 with 64
// bits; tag 0 of type 2; global 0 = i32, mutable, 1 = i32.
static void
build_around(struct build *b, const char *body)
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
    build_hex(b, body);
    build_close(b);
    build_list(b, 2, 0, 0x0b);
    build_close(b);
}

// Bodies start with their locals; `at` counts from the start of the body.
#define GOOD(name, hex)        \
    {                          \
        name, hex, OK, 0, NULL \
    }
#define BAD(name, hex, status, at, what)  \
    {                                     \
        name, hex, ERR_##status, at, what \
    }

static const struct {
    const char *name, *hex;
    status_t status;
    u8 at;
    const char *what;
} bodies[] = {
    GOOD("identity", "00 20 00 0b"),
    BAD("no end", "00 20 00", MALFORMED, 3, END),
    BAD("bytes after the end", "00 20 00 0b 01", MALFORMED, 4,
        "section size mismatch"),
    BAD("empty", "00 0b", INVALID, 1, "type mismatch"),
    BAD("two results", "00 20 00 20 00 0b", INVALID, 5, "type mismatch"),
    BAD("wrong result", "00 42 00 0b", INVALID, 3, "type mismatch"),
    BAD("wrong operand", "00 20 00 42 00 6a 0b", INVALID, 5, "type mismatch"),
    BAD("missing operand", "00 20 00 6a 0b", INVALID, 3, "type mismatch"),
    BAD("unknown opcode", "00 27", MALFORMED, 1, "illegal opcode"),
    BAD("unknown prefixed", "00 fc 12", MALFORMED, 1, "illegal opcode"),
    BAD("unknown vector", "00 fd 9a 01", MALFORMED, 1, "illegal opcode"),
    BAD("opcode out of any range", "00 fe ff ff ff ff 0f", MALFORMED, 1,
        "illegal opcode"),
    BAD("unknown local", "00 20 01 0b", INVALID, 1, "unknown local"),
    BAD("unknown global", "00 23 02 0b", INVALID, 1, "unknown global"),
    BAD("constant global", "00 20 00 24 01 0b", INVALID, 3, "immutable global"),
    BAD("unknown function", "00 10 02 0b", INVALID, 1, "unknown function"),
    BAD("unknown label", "00 0c 01 0b", INVALID, 1, "unknown label"),
    BAD("unknown type", "00 20 00 11 03 00", INVALID, 3, "unknown type"),
    BAD("unknown table", "00 20 00 11 00 01", INVALID, 3, "unknown table"),
    BAD("unknown memory", "00 20 00 28 42 02 00", INVALID, 3, "unknown memory"),
    GOOD("memory of 64 bits", "00 42 00 28 42 01 00 0b"),
    BAD("address of 32 bits", "00 20 00 28 42 01 00 0b", INVALID, 3,
        "type mismatch"),
    BAD("alignment", "00 20 00 28 03 00 0b", INVALID, 3,
        "alignment must not be larger than natural"),
    BAD("atomic alignment", "00 20 00 fe 10 01 00 0b", INVALID, 3,
        "atomic alignment must be natural"),
    BAD("offset beyond 32 bits", "00 20 00 28 02 80 80 80 80 10 0b", INVALID, 3,
        "offset out of range"),
    BAD("lane",
        "00 fd 0c 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 fd 1b 04",
        INVALID, 19, "invalid lane index"),
    BAD("data count", "00 41 00 41 00 41 00 fc 08 00 00 0b", MALFORMED, 7,
        "data count section required"),
    BAD("undeclared function", "00 d2 00 1a 20 00", INVALID, 1,
        "undeclared function reference"),
    BAD("else alone", "00 20 00 05", MALFORMED, 3, "END opcode expected"),
    BAD("if without else", "00 20 00 04 7f 20 00 0b", INVALID, 7,
        "type mismatch"),
    BAD("block result", "00 02 7f 0b 0b 00", INVALID, 3, "type mismatch"),
    BAD("break out of br_table", "00 20 00 20 00 0e 01 00 01 0b", INVALID, 5,
        "unknown label"),
    BAD("unset local", "01 01 64 70 20 01 1a 0b", INVALID, 4,
        "uninitialized local"),
    BAD("local of unknown type", "01 01 63 09 20 00", INVALID, 2,
        "unknown type"),
    GOOD("dead operands", "00 00 6a 1a 00 0b"),
    BAD("dead but wrong", "00 00 42 00 6a 0b", INVALID, 4, "type mismatch"),
    BAD("unknown tag", "00 20 00 08 01 0b", INVALID, 3, "unknown tag"),
    BAD("rethrow outside", "00 09 00 0b", INVALID, 1, "invalid rethrow label"),
    BAD("catch alone", "00 07 00 0b", MALFORMED, 1, "END opcode expected"),
    GOOD("legacy try", "00 06 7f 20 00 08 00 07 00 0b 0b"),
    GOOD("try_table", "00 02 7f 1f 40 01 00 00 00 0b 20 00 0b 0b"),
    BAD("catch of wrong type", "00 02 40 1f 40 01 00 00 00 0b 0b 0b", INVALID,
        3, "type mismatch"),
    GOOD("wide multiplication", "00 42 01 42 02 fc 15 1a 1a 20 00 0b"),
    GOOD("tail call", "00 20 00 12 00 0b"),
    BAD("tail call of wrong type", "00 12 01 0b", INVALID, 1, "type mismatch"),
    BAD("bad integer", "00 41 ff ff ff ff 1f 0b", MALFORMED, 2,
        "integer too large"),
};

TEST(wasm_validate_offsets)
{
    struct arena arena = arena_make(MIB);

    for (u32 i = 0; i < COUNT(bodies); i++) {
        struct error error;
        struct build b;
        build_around(&b, bodies[i].hex);
        // Behind the body there are the three bytes of function 1.
        u64 start = b.size - 3 - hex_size(bodies[i].hex);
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

// --- stepping ---------------------------------------------------------------

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
    static const char body[] =
        "00 02 40 20 00 0d 00 0c 00 6a 1a 02 40 01 0b 0b "
        "20 00 04 7f 00 05 41 05 0b 0b ";
    struct arena arena = arena_make(MIB);
    struct error error = {0};
    struct validator v;
    struct module m;
    struct build b;
    struct op op;
    u32 count = 0;

    build_around(&b, body);
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
    static const char body[] = "04 02 7f 00 7e 03 7d 01 7d 20 00 0b ";
    static const valtype_t expected[] = {VAL_I32, VAL_I32, VAL_I32, VAL_F32,
                                         VAL_F32, VAL_F32, VAL_F32};
    struct arena arena = arena_make(MIB);
    struct error error = {0};
    struct validator v;
    struct module m;
    struct build b;

    build_around(&b, body);
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
