// test/verify/judge_attack.c: code by hand that would escape, or mislead the
// kernel, and beside each the one that is like it and right.
//
// Function 0 is the code of the row (behind the stub of an import, where the
// row has one), the last one only returns.

#include "test/wasm/help.h"
#include "test/test.h"
#include "verify/decode.h"
#include "verify/judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STUB = 32,   // bytes that a row's stub takes
    OTHER = 192, // pc of the last function
    TEXT_SIZE = 256,
    MOST = 6, // rows of a table
};

// Parts of the vmctx, as they are laid out for this module.
enum { MEMORIES = 0x40, TABLES = 0x60, GLOBALS = 0x70, IMPORTS = 0xa0 };

enum { NOTHING, NARROW, RESULT, ARGS, MANY, MORE, RETURNS, TYPES };

static const struct verify_type types[TYPES] = {
    [NOTHING] = {0                        },
    [NARROW] = {.params = 1 << VERIFY_RDI},
    [RESULT] = {.params = 0,               .results = 1 << VERIFY_RAX},
    [ARGS] = {.args = 16                        },
    [MANY] = {.args = 4096},
    [MORE] = {.args = 4096 + 208                        },
    [RETURNS] = {.returned = 16},
};

static const struct row {
    const char *name, *code;
    bool refused;
    const char *stub;         // of an import, in front
    u32 stub_frame;           // what the row of stubs says
    u32 stub_start, stub_end; // of the row; 0: STUB
    u32 missing;              // rows of functions
    u32 type, frame, entry;
    u32 other; // type of the last function, and what it does but return
    const char *other_code;
    u32 other_frame;
    struct trap_site traps[MOST];
    struct call_site calls[MOST];
    struct code_head heads[MOST];
    struct code_try tries[MOST];
    struct code_catch catches[MOST];
} rows[] = {
#define ATTACK(id, hex, refuse, ...) \
    {.name = id, .code = hex, .refused = refuse, ##__VA_ARGS__},
#include "test/verify/judge_attack.def"
#include "test/verify/judge_edge.def"
};

_Static_assert(BUILTIN_COUNT * 8 == 0xe8,
               "the row \"builtin: behind the last\"");

// What the module declares.
static const struct verify_memory memories[] = {
    {.guarded = true, .bits = 33},
    {.bits = 64              },
};
static const struct verify_table tables[] = {
    {.min = 1, .funcs = true     },
    {.min = 1, .kind = REF_EXTERN},
};
static const u8 globals[] = {VERIFY_CONSTANT, VERIFY_OWN, VERIFY_SHARED};
static const u32 tags[] = {1};

static u32
hex_bytes(const char *hex, u8 *to)
{
    struct build b = {0};
    u32 size = hex_size(hex);

    build_hex(&b, hex);
    memcpy(to, b.ptr, size);
    build_free(&b);
    return size;
}

// How many rows of a table are used: those up to the last that is not zero.
#define USED(table) used((table), sizeof(*(table)))

static u32
used(const void *table, u64 size)
{
    static const u8 zero[64];
    u32 count = MOST;

    while (count > 0 &&
           memcmp((const u8 *)table + (count - 1) * size, zero, size) == 0)
        count--;
    return count;
}

static void
lay_out(struct verify_module *m)
{
    m->counts.heap = 1;
    m->counts.heap_types = TYPES;
    EXPECT(vmctx_lay_out(&m->layout, &m->counts));
    EXPECT_EQ(m->layout.memories, MEMORIES);
    EXPECT_EQ(m->layout.tables, TABLES);
    EXPECT_EQ(m->layout.globals, GLOBALS);
    EXPECT_EQ(m->layout.imports, IMPORTS);
}

static u32
stub_end(const struct row *row)
{
    return row->stub_end > 0 ? row->stub_end : STUB;
}

static u32
judge_row(const struct row *row)
{
    static u8 text[TEXT_SIZE];
    struct arena temp = arena_make(16 * MIB);
    struct verify_error error = {0};
    u32 imports = row->stub != NULL, at = imports * STUB;

    memset(text, 0xcc, sizeof(text));
    if (imports)
        (void)hex_bytes(row->stub, text);
    u32 size = hex_bytes(row->code, text + at);
    EXPECT(at + size <= OTHER);
    u32 args = types[row->other].args, end = OTHER + (args > 0 ? 3 : 1);
    text[OTHER] = args > 0 ? 0xc2 : 0xc3;
    if (args > 0)
        memcpy(text + OTHER + 1, &args, 2);
    if (row->other_code != NULL)
        end = OTHER + hex_bytes(row->other_code, text + OTHER);
    const u32 entries[] = {0, at + row->entry, OTHER};
    const u32 func_types[] = {NOTHING, row->type, row->other};
    // clang-format off
    const struct func_code funcs[] = {
        {row->stub_start, stub_end(row), NO_INDEX, row->stub_frame, 0},
        {at, at + size, imports, row->frame, types[row->type].args},
        {OTHER, end, imports + 1, row->other_frame, args},
    };
    // clang-format on
    struct verify_module m = {
        .code = {.text = text,
                 .size = TEXT_SIZE,
                 .entries = entries + !imports,
                 .funcs = funcs + !imports,
                 .func_count = 2 + imports - row->missing,
                 .traps = row->traps,
                 .trap_count = USED(row->traps),
                 .calls = row->calls,
                 .call_count = USED(row->calls),
                 .heads = row->heads,
                 .head_count = USED(row->heads),
                 .tries = row->tries,
                 .try_count = MAX(USED(row->tries), 1),
                 .catches = row->catches,
                 .catch_count = USED(row->catches)},
        .counts = {.memories = 2,
                 .tables = 2,
                 .globals = 3,
                 .imports = imports,
                 .tags = 1,
                 .types = TYPES},
        .types = types,
        .func_types = func_types + !imports,
        .memories = memories,
        .tables = tables,
        .globals = globals,
        .tags = tags,
        .func_count = 2 + imports,
        .func_imports = imports,
        .memory_count = 2,
        .elem_count = 1,
        .data_count = 1,
    };

    lay_out(&m);
    status_t status = verify_code(&m, &temp, &error);
    EXPECT_EQ(status, error.rule == RULE_OK ? OK : ERR_INVALID);
    if (getenv("ATTACK_SHOW") != NULL)
        printf("%s: 0x%x: %s\n", row->name, error.pc,
               verify_rule_text(error.rule));
    arena_drop(&temp);
    return error.rule;
}

static const char *
row_name(u32 row)
{
    return row < COUNT(rows) ? rows[row].name : NULL;
}

TEST_ROWS(verify_judge_attack, row_name)
{
    const struct row *row = &rows[test_row];
    u32 rule = judge_row(row);

    if (row->refused)
        EXPECT(rule != RULE_OK);
    else
        EXPECT_EQ(rule, RULE_OK);
}

// --- time --------------------------------------------------------------------

enum { UNIT = 11 };

static void
put32(u8 *at, u32 number)
{
    memcpy(at, &number, sizeof(number));
}

// The rule that refuses `uses` jumps by one table of `count` places.
//
//     mov eax, count - 1;  cmp edi, count - 1;  cmovb eax, edi;  lea rdx, table
//     again: jb next;  movsxd rcx, [rdx + rax * 4];  add rcx, rdx;  jmp rcx
//     next: ...
//     end: ret
static u32
judge_tables(u32 count, u32 uses)
{
    static const u8 start[] = {0xb8, 0,    0,    0, 0,    0x81, 0xff,
                               0,    0,    0,    0, 0x0f, 0x42, 0xc7,
                               0x48, 0x8d, 0x15, 0, 0,    0,    0};
    static const u8 unit[UNIT] = {0x72, 9,    0x48, 0x63, 0x0c, 0x82,
                                  0x48, 0x03, 0xca, 0xff, 0xe1};
    u32 end = (u32)sizeof(start) + uses * UNIT;
    u32 table = (u32)ALIGN_UP(end + 1, 4), size = table + 4 * count;
    struct arena text = arena_make(64 * MIB), temp = arena_make(64 * MIB);
    u8 *at = ARENA_NEW(&text, u8, size);

    memcpy(at, start, sizeof(start));
    put32(at + 1, count - 1);
    put32(at + 7, count - 1);
    put32(at + 17, table - (u32)sizeof(start));
    for (u32 k = 0; k < uses; k++)
        memcpy(at + sizeof(start) + k * UNIT, unit, UNIT);
    memset(at + end, 0xcc, table - end);
    at[end] = 0xc3;
    for (u32 k = 0; k < count; k++)
        put32(at + table + 4 * k, end - table);
    const u32 entries[] = {0}, func_types[] = {NARROW};
    const struct func_code funcs[] = {
        {0, size, 0, 0, 0}
    };
    const struct code_head heads[] = {
        {end + 1, HEAD_DATA | (size - end - 1)}
    };
    struct verify_module m = {
        .code = {.text = at,
                 .size = size,
                 .entries = entries,
                 .funcs = funcs,
                 .func_count = 1,
                 .heads = heads,
                 .head_count = 1},
        .counts = {.memories = 1, .types = TYPES},
        .types = types,
        .func_types = func_types,
        .func_count = 1,
    };
    struct verify_error error = {0};

    EXPECT(vmctx_lay_out(&m.layout, &m.counts));
    status_t status = verify_code(&m, &temp, &error);
    EXPECT_EQ(status, error.rule == RULE_OK ? OK : ERR_INVALID);
    arena_drop(&temp);
    arena_drop(&text);
    return error.rule;
}

// Or looking at them all would take time by the square of the code.
TEST(verify_judge_attack_27_many_jumps_by_one_table)
{
    EXPECT_EQ(judge_tables(2000, 1), RULE_OK);
    EXPECT_EQ(judge_tables(2000, 2000), RULE_TABLE);
}

// --- what may fail -----------------------------------------------------------

enum { LONG = 20000, SHORT = LONG - STUB };

static u32 asked, killed_at;

// The thread is killed before it is asked for the killed_at-th time.
static bool
commit(struct arena *arena, u64 from, u64 to)
{
    memset(arena->base + from, 0, to - from);
    return from != to || ++asked < killed_at;
}

// The stubs of two imports and a function, with many instructions.
static status_t
judge_long(struct arena *temp)
{
    static const char stub[] = "49 8d 46 00 ff 20";
    static u8 code[2 * LONG];
    const u32 entries[] = {0, SHORT, LONG}, func_types[3] = {0};
    // clang-format off
    const struct func_code funcs[] = {
        {0, LONG, NO_INDEX, 0, 0},
        {LONG, 2 * LONG, 2, 0, 0},
    };
    // clang-format on
    const struct code_try tries[1] = {{0}};
    struct verify_module m = {
        .code = {.text = code,
                 .size = sizeof(code),
                 .entries = entries,
                 .funcs = funcs,
                 .func_count = 2,
                 .tries = tries,
                 .try_count = 1},
        .counts = {.memories = 1, .imports = 2,       .types = TYPES    },
        .types = types,
        .func_types = func_types,
        .func_count = 3,
        .func_imports = 2,
    };
    struct verify_error error = {0};

    EXPECT(vmctx_lay_out(&m.layout, &m.counts));
    memset(code, 0xcc, sizeof(code));
    for (u32 i = 0; i < sizeof(code); i += 2) { // mov eax, eax
        code[i] = 0x8b;
        code[i + 1] = 0xc0;
    }
    memset(code + SHORT - 8, 0xcc, STUB + 8);
    (void)hex_bytes(stub, code + SHORT - 8);
    (void)hex_bytes(stub, code + SHORT);
    code[SHORT - 5] = (u8)m.layout.imports;
    code[SHORT + 3] = (u8)(m.layout.imports + sizeof(struct func_entry));
    code[2 * LONG - 2] = code[2 * LONG - 1] = 0xc3;
    status_t status = verify_code(&m, temp, &error);
    EXPECT_EQ(error.rule, RULE_OK);
    return status;
}

// In front of each row, stubs, and amid a function.
TEST(verify_judge_is_killed)
{
    static u8 memory[256 * 1024];
    status_t status = ERR_KILLED;

    for (killed_at = 1; status == ERR_KILLED; killed_at++) {
        struct arena temp = {
            .base = memory, .reserved = sizeof(memory), .commit = commit};
        asked = 0;
        status = judge_long(&temp);
        EXPECT_EQ(status, asked >= killed_at ? ERR_KILLED : OK);
    }
    EXPECT(killed_at > 4);
}

TEST(verify_judge_needs_memory)
{
    static u8 memory[256 * 1024];
    u32 failed = 0;

    for (u64 size = 0; size < sizeof(memory); size += 64) {
        struct arena temp;
        arena_init_fixed(&temp, memory, size);
        status_t status = judge_long(&temp);
        EXPECT(status == OK || status == ERR_NO_MEMORY);
        failed += status != OK;
        EXPECT(failed == size / 64 + 1 || status == OK);
    }
    EXPECT(failed > 4 && failed < sizeof(memory) / 64);
}
