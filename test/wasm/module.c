// test/wasm/module.c: what a decoded module holds: types, the layout of the
// vmctx, constants, segments and names.

#include "test/wasm/help.h"

#include <string.h>

// Decode one section's worth of bytes behind the magic; NULL: refused.
static const struct module *
decode(struct module *m, struct build *b, struct arena *arena)
{
    struct error error = {0};

    arena_reset(arena, 0);
    return module_decode(m, build_result(b), arena, &error) == OK ? m : NULL;
}

TEST(wasm_module_types)
{
    struct arena arena = arena_make(MIB);
    struct module m;
    struct build b;
    char text[64];

    build_start(&b);
    build_section(&b, 1);
    build_u8(&b, 8);
    build_list(&b, 0x60, 1, 0x7f, 1, 0x7e);       // 0
    build_list(&b, 0x60, 1, 0x7f, 1, 0x7e);       // 1 = 0
    build_list(&b, 0x60, 1, 0x64, 0, 0);          // 2: takes 0
    build_list(&b, 0x60, 1, 0x64, 1, 0);          // 3 = 2, takes 1
    build_list(&b, 0x60, 1, 0x64, 4, 0);          // 4: takes itself
    build_list(&b, 0x60, 1, 0x64, 5, 0);          // 5 = 4
    build_list(&b, 0x4e, 2, 0x60, 0, 0, 0x5f, 0); // 6, 7: a group
    build_list(&b, 0x60, 0, 0);                   // 8, not 6: another group
    build_close(&b);
    EXPECT(decode(&m, &b, &arena) != NULL);
    static const u32 canonical[] = {0, 0, 2, 2, 4, 4, 6, 7, 8};
    EXPECT_EQ(m.type_count, COUNT(canonical));
    for (u32 i = 0; i < COUNT(canonical); i++)
        EXPECT_EQ(m.types[i].canonical, canonical[i]);
    EXPECT_EQ(m.types[7].group, 6);
    EXPECT_EQ(m.types[7].group_size, 2);
    EXPECT(valtype_matches(&m, REF_BIT | 1, REF_BIT | NULL_BIT | 0));
    EXPECT(!valtype_matches(&m, REF_BIT | NULL_BIT | 1, REF_BIT | 0));
    EXPECT(!valtype_matches(&m, REF_BIT | 2, REF_BIT | 0));
    EXPECT(valtype_matches(&m, REF_BIT | 2, VAL_FUNCREF));
    EXPECT(valtype_matches(&m, REF_BIT | 7, REF_BIT | HEAP_EQ));
    EXPECT(!valtype_matches(&m, REF_BIT | 7, REF_BIT | HEAP_ARRAY));
    EXPECT(valtype_matches(&m, REF_BIT | HEAP_NONE, REF_BIT | 7));
    EXPECT(valtype_matches(&m, REF_BIT | HEAP_NONE, REF_BIT | HEAP_I31));
    EXPECT(valtype_matches(&m, REF_BIT | HEAP_NOFUNC, REF_BIT | 2));
    EXPECT(!valtype_matches(&m, REF_BIT | HEAP_NONE, REF_BIT | 2));
    EXPECT_EQ(type_format(text, sizeof(text), &m, 0), 14);
    EXPECT(strcmp(text, "(i32) -> (i64)") == 0);
    type_format(text, sizeof(text), &m, 2);
    EXPECT(strcmp(text, "((ref 0)) -> ()") == 0);
    EXPECT_EQ(type_format(text, 4, &m, 0), 14);
    EXPECT(strcmp(text, "(i3") == 0);
    build_free(&b);
    arena_drop(&arena);
}

#define GOOD(name, hex)     \
    {                       \
        name, hex, OK, NULL \
    }
#define BAD(name, hex, status, what)  \
    {                                 \
        name, hex, ERR_##status, what \
    }

static const struct {
    const char *name, *hex;
    status_t status;
    const char *what;
} type_sections[] = {
    BAD("forward reference", "01 60 01 64 01 00", INVALID, "unknown type"),
    BAD("subtype of an invalid type",
        "02 50 00 5f 01 64 ff ff ff 07 00 50 01 00 5f 01 64 00 00", INVALID,
        "unknown type"),
    BAD("its own supertype", "01 50 01 00 5f", MALFORMED,
        "unexpected end of section or function"),
    BAD("super is itself", "01 50 01 00 5f 00", INVALID, "unknown type"),
    BAD("final super", "02 5f 00 50 01 00 5f 00", INVALID, "sub type"),
    GOOD("open super", "02 50 00 5f 00 50 01 00 5f 00"),
    BAD("fewer fields", "02 50 00 5f 01 7f 00 50 01 00 5f 00", INVALID,
        "sub type"),
    GOOD("more fields", "02 50 00 5f 00 50 01 00 5f 02 7f 00 78 01"),
    BAD("other kind", "02 50 00 5f 00 50 01 00 5e 7f 00", INVALID, "sub type"),
    BAD("mutability", "01 5f 01 7f 02 00 00", MALFORMED,
        "malformed mutability"),
    GOOD("empty group", "01 4e 00"),
};

TEST(wasm_module_type_rules)
{
    struct arena arena = arena_make(MIB);

    for (u32 i = 0; i < COUNT(type_sections); i++) {
        struct error error;
        struct build b;
        build_start(&b);
        build_section(&b, 1);
        build_hex(&b, type_sections[i].hex);
        build_close(&b);
        status_t status = judge(build_result(&b), &arena, &error);
        if (status != type_sections[i].status ||
            (status != OK && strcmp(error.what, type_sections[i].what) != 0))
            test_failed(__FILE__, __LINE__, type_sections[i].name, status,
                        type_sections[i].status);
        EXPECT(status == OK || error.at >= 14);
        build_free(&b);
    }
    arena_drop(&arena);
}

TEST(wasm_module_layout)
{
    struct arena arena = arena_make(MIB);
    struct module m;
    struct build b;

    build_start(&b);
    build_section(&b, 1);
    build_list(&b, 1, 0x60, 0, 0);
    build_close(&b);
    build_section(&b, 2);
    build_list(&b, 2, 1, 'm', 1, 'f', 0, 0, 1, 'm', 1, 'g', 3, 0x7b, 1);
    build_close(&b);
    build_section(&b, 4);
    build_list(&b, 1, 0x70, 0, 1);
    build_close(&b);
    build_section(&b, 5);
    build_list(&b, 2, 0, 1, 0, 1);
    build_close(&b);
    build_section(&b, 13);
    build_list(&b, 1, 0, 0);
    build_close(&b);
    EXPECT(decode(&m, &b, &arena) != NULL);
    EXPECT_EQ(m.layout.memories, 64);
    EXPECT_EQ(m.layout.tables, 64 + 2 * 16);
    EXPECT_EQ(m.layout.globals, 64 + 3 * 16);
    EXPECT_EQ(m.layout.imports, 64 + 4 * 16);
    EXPECT_EQ(m.layout.tags, 64 + 5 * 16);
    EXPECT_EQ(m.layout.types, 64 + 6 * 16);
    EXPECT_EQ(m.layout.size, 64 + 7 * 16);
    EXPECT_EQ(m.import_count, 2);
    EXPECT_EQ(m.imports[1].kind, EXTERN_GLOBAL);
    EXPECT_EQ(m.imports[1].index, 0);
    EXPECT(string_equal(m.imports[0].name, STRING("f")));
    build_free(&b);
    arena_drop(&arena);
}

// --- constants and segments -------------------------------------------------

static union value
global_value(void *self, u32 index)
{
    (void)self;
    return (union value){.i64 = 1000 + index};
}

static u64
func_ref(void *self, u32 index)
{
    (void)self;
    return 1 + index;
}

TEST(wasm_module_constants)
{
    static const struct const_env env = {NULL, global_value, func_ref, NULL};
    static const u64 values[] = {7, 0xffffffff, 42, 1000 + 5, 0, 0x40490fdb, 3};
    struct arena arena = arena_make(MIB);
    struct module m;
    struct build b;

    build_start(&b);
    build_section(&b, 2);
    build_list(&b, 1, 0, 0, 3, 0x7f, 0);
    build_close(&b);
    build_section(&b, 6);
    build_u8(&b, 8);
    build_list(&b, 0x7f, 0, 0x41, 7, 0x0b);
    build_list(&b, 0x7f, 0, 0x41, 1, 0x41, 2, 0x6b, 0x0b);
    build_list(&b, 0x7e, 0, 0x42, 6, 0x42, 7, 0x7e, 0x0b);
    build_list(&b, 0x7f, 0, 0x23, 0, 0x41, 5, 0x6a, 0x0b);
    build_list(&b, 0x70, 0, 0xd0, 0x70, 0x0b);
    build_list(&b, 0x7d, 0, 0x43, 0xdb, 0x0f, 0x49, 0x40, 0x0b);
    build_list(&b, 0x7f, 0, 0x41, 0xe9, 0, 0x41, 2, 0x41, 0x33, 0x6c, 0x6b);
    build_list(&b, 0x0b);
    build_list(&b, 0x7b, 0, 0xfd, 0x0c, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    build_list(&b, 12, 13, 14, 15, 16, 0x0b);
    build_close(&b);
    EXPECT(decode(&m, &b, &arena) != NULL);
    for (u32 i = 0; i < COUNT(values); i++)
        EXPECT_EQ(const_eval(&m, m.globals[1 + i].init, &env).i64, values[i]);
    union value vector = const_eval(&m, m.globals[8].init, &env);
    for (u32 i = 0; i < 16; i++)
        EXPECT_EQ(vector.v128[i], i + 1);
    build_free(&b);
    arena_drop(&arena);
}

TEST(wasm_module_elements)
{
    static const struct const_env env = {NULL, global_value, func_ref, NULL};
    static const u64 items[2][3] = {
        {2, 1, 2   },
        {0, 2, 1002}
    };
    struct arena arena = arena_make(MIB);
    struct module m;
    struct build b;

    build_start(&b);
    build_section(&b, 1);
    build_list(&b, 1, 0x60, 0, 0);
    build_close(&b);
    build_section(&b, 2);
    build_list(&b, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0x70, 0);
    build_close(&b);
    build_section(&b, 4);
    build_list(&b, 1, 0x70, 0, 8);
    build_close(&b);
    build_section(&b, 9);
    build_list(&b, 2, 0, 0x41, 4, 0x0b, 3, 1, 0, 1);
    build_list(&b, 5, 0x70, 3, 0xd0, 0x70, 0x0b, 0xd2, 1, 0x0b, 0x23, 0, 0x0b);
    build_close(&b);
    EXPECT(decode(&m, &b, &arena) != NULL);
    EXPECT_EQ(m.elem_count, 2);
    EXPECT_EQ(m.elems[0].mode, SEGMENT_ACTIVE);
    EXPECT_EQ(m.elems[1].mode, SEGMENT_PASSIVE);
    EXPECT_EQ(const_eval(&m, m.elems[0].offset, &env).i32, 4);
    for (u32 i = 0; i < m.elem_count; i++) {
        u64 at = m.elems[i].at;
        EXPECT_EQ(m.elems[i].count, 3);
        for (u32 item = 0; item < 3; item++) {
            u64 want = items[i][item] == 1002 ? 1000 : items[i][item];
            EXPECT_EQ(elem_next(&m, &m.elems[i], &at, &env), want);
        }
    }
    EXPECT(bit_get(m.func_refs, 0) && bit_get(m.func_refs, 1));
    build_free(&b);
    arena_drop(&arena);
}

// --- names ------------------------------------------------------------------

TEST(wasm_module_names)
{
    struct arena arena = arena_make(MIB);
    struct module m;
    struct build b;

    build_start(&b);
    build_section(&b, 1);
    build_list(&b, 1, 0x60, 0, 0);
    build_close(&b);
    build_section(&b, 2);
    build_list(&b, 1, 3, 'e', 'n', 'v', 4, 'h', 'o', 's', 't', 0, 0);
    build_close(&b);
    build_section(&b, 3);
    build_list(&b, 3, 0, 0, 0);
    build_close(&b);
    build_section(&b, 7);
    build_list(&b, 2, 1, 'x', 0, 1, 1, 'y', 0, 2);
    build_close(&b);
    build_section(&b, 10);
    build_list(&b, 3, 2, 0, 0x0b, 2, 0, 0x0b, 2, 0, 0x0b);
    build_close(&b);
    build_section(&b, 0);
    build_list(&b, 4, 'n', 'a', 'm', 'e', 0, 2, 1, 'm'); // of the module
    build_list(&b, 1, 6, 1, 1, 3, 'o', 'n', 'e');        // of functions
    build_close(&b);
    EXPECT(decode(&m, &b, &arena) != NULL);
    EXPECT(string_equal(module_func_name(&m, 0), STRING("host")));
    EXPECT(string_equal(module_func_name(&m, 1), STRING("one")));
    EXPECT(string_equal(module_func_name(&m, 2), STRING("y")));
    EXPECT_EQ(module_func_name(&m, 3).len, 0);
    EXPECT_EQ(module_export(&m, STRING("y"))->index, 2);
    EXPECT(module_export(&m, STRING("z")) == NULL);
    build_free(&b);
    arena_drop(&arena);
}

// A truncated module fails at every length, inside its bytes, and none of the
// prefixes is taken for the whole.
TEST(wasm_module_truncated)
{
    struct arena arena = arena_make(MIB);
    struct error error;
    struct build b;

    build_start(&b);
    build_section(&b, 1);
    build_list(&b, 1, 0x60, 0, 0);
    build_close(&b);
    u64 types = b.size;
    build_section(&b, 3);
    build_list(&b, 1, 0);
    build_close(&b);
    build_section(&b, 10);
    build_list(&b, 1, 2, 0, 0x0b);
    build_close(&b);
    for (u64 size = 0; size < b.size; size++) {
        struct bytes prefix = {b.ptr, size};
        status_t status = judge(prefix, &arena, &error);
        bool whole = size == 8 || size == types;
        EXPECT_EQ(status, whole ? OK : ERR_MALFORMED);
        EXPECT(error.at <= size);
    }
    EXPECT_EQ(judge(build_result(&b), &arena, &error), OK);
    build_free(&b);
    arena_drop(&arena);
}

// Out of memory is a verdict too, wherever it happens.
TEST(wasm_module_memory)
{
    struct arena large = arena_make(MIB);
    struct error error;
    struct build b;

    build_start(&b);
    build_section(&b, 1);
    build_list(&b, 1, 0x60, 1, 0x7f, 0);
    build_close(&b);
    build_section(&b, 3);
    build_list(&b, 1, 0);
    build_close(&b);
    build_section(&b, 7);
    build_list(&b, 1, 1, 'f', 0, 0);
    build_close(&b);
    build_section(&b, 10);
    build_list(&b, 1, 6, 1, 1, 0x64, 0x70, 0x00, 0x0b);
    build_close(&b);
    EXPECT_EQ(judge(build_result(&b), &large, &error), OK);
    for (u64 size = 0; size < large.peak; size += 8) {
        struct arena small;
        arena_init_fixed(&small, large.base, size);
        EXPECT_EQ(judge(build_result(&b), &small, &error), ERR_NO_MEMORY);
    }
    build_free(&b);
    arena_drop(&large);
}

// --- asked whether to go on --------------------------------------------------

static u32 asked;

static bool
ask(struct arena *arena, u64 from, u64 to)
{
    (void)arena;
    asked += from == to;
    return true;
}

static status_t
decode_asked(const struct build *b, struct error *error)
{
    struct arena arena = arena_make(16 * MIB);
    struct module m;

    *error = (struct error){0};
    arena.commit = ask;
    asked = 0;
    status_t status = module_decode(&m, build_result(b), &arena, error);
    arena_drop(&arena);
    return status;
}

// Custom sections, of which there may be hundreds of millions.
TEST(wasm_module_asks_between_sections)
{
    enum { MANY = 200000 };
    struct error error;
    struct build b;

    build_start(&b);
    for (u32 i = 0; i < MANY; i++)
        build_list(&b, 0, 1, 0);
    EXPECT_EQ(decode_asked(&b, &error), OK);
    EXPECT(asked >= MANY * 3 / (64 * KIB));
    build_free(&b);
}

// Where what follows the code is no section, bodies are read for their syntax:
// here each goes on to the end of the last one.
TEST(wasm_module_reads_bodies_once)
{
    enum { MANY = 100000 };
    static const u8 body[] = {1, 0}; // also nop, unreachable
    static const u8 last[] = {0x0f, 0, 0x0b, 1, 1, 1, 1, 1,
                              1,    1, 1,    1, 1, 1, 1, 1};
    struct error error;
    struct build b;

    build_start(&b);
    build_section(&b, 1);
    build_list(&b, 1, 0x60, 0, 0);
    build_close(&b);
    build_repeat(&b, 3, MANY, "", 1);
    build_section(&b, 10);
    build_u32(&b, MANY);
    for (u32 i = 1; i < MANY; i++)
        build_bytes(&b, body, sizeof(body));
    build_bytes(&b, last, sizeof(last));
    build_close(&b);
    u64 end = build_result(&b).size;
    build_list(&b, 0x7f, 1, 0);
    EXPECT_EQ(decode_asked(&b, &error), ERR_MALFORMED);
    EXPECT_EQ(error.at, end);
    build_free(&b);
}
