// test/verify/judge.c: code by hand, and what the verifier says of it: one
// function, beside it one that only returns, in a module with a memory, a table
// and globals.

#include "test/wasm/help.h"
#include "test/test.h"
#include "verify/decode.h"
#include "verify/judge.h"

#include <string.h>

enum {
    OTHER = 64, // pc of the second function
    TEXT_SIZE = 80,
    CONSTANT = 0x60, // where the vmctx has globals
    OWN = 0x70,
    SHARED = 0x80,
};

enum { NOTHING, NARROW, RESULT, TYPES };

static const struct verify_type types[TYPES] = {
    [NOTHING] = {0},
    [NARROW] = {           .params = 1 << VERIFY_RDI},
    [RESULT] = { .params = 0, .results = 1 << VERIFY_RAX},
};

static const struct row {
    const char *name, *code;
    u32 type, frame, rule;
    u32 trap, trap_pc;
    u32 call_pc;
    u32 heads, head_pc, head_regs;
} rows[] = {
#define JUDGE(...) {__VA_ARGS__},
#include "test/verify/judge.def"
};

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

static u32
judge_row(const struct row *row)
{
    static u8 text[TEXT_SIZE];
    struct arena temp = arena_make(16 * MIB);
    struct verify_error error = {0};

    memset(text, 0xcc, sizeof(text));
    u32 size = hex_bytes(row->code, text);
    text[OTHER] = 0xc3;
    const u32 entries[] = {0, OTHER}, func_types[] = {row->type, NOTHING};
    const struct func_code funcs[] = {
        {0,     size,      0, row->frame, 0},
        {OTHER, OTHER + 1, 1, 0,          0},
    };
    const struct code_try tries[1] = {{0}};
    const struct trap_site trap = {row->trap_pc, 0, 0, row->trap};
    const struct call_site call = {row->call_pc, 0, 0, 0};
    const struct code_head head = {row->head_pc, row->head_regs};
    const struct verify_memory memories[] = {
        {.guarded = true, .bits = 33}
    };
    const struct verify_table tables[] = {
        {.min = 1, .funcs = true}
    };
    const u8 globals[] = {VERIFY_CONSTANT, VERIFY_OWN, VERIFY_SHARED};
    const struct vmctx_counts counts = {
        .memories = 1, .tables = 1, .globals = 3, .types = TYPES};
    struct verify_module m = {
        .code = {.text = text,
                 .size = TEXT_SIZE,
                 .entries = entries,
                 .funcs = funcs,
                 .func_count = 2,
                 .traps = &trap,
                 .trap_count = row->trap != TRAP_NONE,
                 .calls = &call,
                 .call_count = row->call_pc != 0,
                 .heads = &head,
                 .head_count = row->heads,
                 .tries = tries,
                 .try_count = 1},
        .counts = counts,
        .types = types,
        .func_types = func_types,
        .memories = memories,
        .tables = tables,
        .globals = globals,
        .func_count = 2,
        .memory_count = 1,
    };

    EXPECT(vmctx_lay_out(&m.layout, &m.counts));
    EXPECT_EQ(m.layout.globals, CONSTANT);
    status_t status = verify_code(&m, &temp, &error);
    EXPECT_EQ(status, error.rule == RULE_OK ? OK : ERR_INVALID);
    arena_drop(&temp);
    return error.rule;
}

static const char *
row_name(u32 row)
{
    return row < COUNT(rows) ? rows[row].name : NULL;
}

TEST_ROWS(verify_judge, row_name)
{
    EXPECT_EQ(judge_row(&rows[test_row]), rows[test_row].rule);
}
