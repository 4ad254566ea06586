// test/verify/steps.c: the judge asks whether to go on while it looks at much
// of anything that a code file can have, and judges no longer when it is told
// not to.
//
// One function, which only returns or jumps by a table, with MANY of something.

#include "test/wasm/help.h"
#include "test/test.h"
#include "verify/decode.h"
#include "verify/judge.h"

#include <string.h>

enum {
    MANY = 400000, // rows, or entries of a jump table
    FEW = 8190,    // ... of them together
    SEVERAL = 20,  // looks at as many
    TABLE_AT = 32, // pc of the jump table
    RETURN = 26,   // and of where its entries lead
    TEXT_SIZE = 8 * MIB,
};

//     mov eax, MANY - 1;  cmp edi, eax;  cmovb eax, edi
//     lea rcx, [rip + to TABLE_AT];  movsxd rax, [rcx + 4 * rax];  add rax, rcx
//     jmp rax;  ret
static const u8 jump[] = {0xb8, 0x7f, 0x1a, 0x06, 0x00, 0x3b, 0xf8, 0x0f, 0x42,
                          0xc7, 0x48, 0x8d, 0x0d, 0x0f, 0x00, 0x00, 0x00, 0x48,
                          0x63, 0x04, 0x81, 0x48, 0x03, 0xc1, 0xff, 0xe0, 0xc3};
_Static_assert(MANY - 1 == 0x61a7f, "as the first instruction says");
_Static_assert(sizeof(jump) == RETURN + 1, "it is the last");

static u8 text[TEXT_SIZE];
static u32 entries[MANY], func_types[MANY], owners[MANY], tags[1];
static struct func_code funcs[MANY];
static struct trap_site traps[MANY];
static struct call_site calls[MANY];
static struct code_head heads[MANY];
static struct code_try tries[MANY];
static struct code_catch catches[MANY];
static const struct verify_type types[] = {{.params = 1 << VERIFY_RDI}};

static u32 looks, looks_left;

static bool
look(struct arena *arena, u64 from, u64 to)
{
    (void)arena;
    if (from != to)
        return true;
    looks++;
    looks_left -= looks_left > 0;
    return looks_left > 0;
}

// A module of one function, [0, size).
static struct verify_module
module_of(u32 size)
{
    struct verify_module m = {
        .code = {.text = text,
                 .size = TEXT_SIZE,
                 .entries = entries,
                 .funcs = funcs,
                 .func_count = 1,
                 .traps = traps,
                 .calls = calls,
                 .heads = heads,
                 .tries = tries,
                 .try_count = 1,
                 .catches = catches},
        .counts = {.memories = 1, .tags = 1,    .types = 1    },
        .types = types,
        .func_types = func_types,
        .tags = tags,
        .func_count = 1,
    };

    memset(text, 0xc3, sizeof(text));
    funcs[0] = (struct func_code){.end = size};
    EXPECT(vmctx_lay_out(&m.layout, &m.counts));
    return m;
}

// --- what there may be many of -----------------------------------------------

static void
many_funcs(struct verify_module *m)
{
    for (u32 i = 0; i < MANY; i++) {
        funcs[i] = (struct func_code){i, i + 1, i, 0, 0};
        entries[i] = i;
    }
    m->code.func_count = m->func_count = MANY;
}

static void
many_traps(struct verify_module *m)
{
    for (u32 i = 0; i < MANY; i++)
        traps[i].pc = 1 + i;
    m->code.trap_count = MANY;
}

static void
many_calls(struct verify_module *m)
{
    for (u32 i = 0; i < MANY; i++)
        calls[i].pc = 2 + i;
    m->code.call_count = MANY;
}

static void
many_heads(struct verify_module *m)
{
    for (u32 i = 0; i < MANY; i++)
        heads[i].pc = 1 + i;
    m->code.head_count = MANY;
}

static void
many_tries(struct verify_module *m)
{
    for (u32 i = 1; i < MANY; i++)
        tries[i].parent = i - 1;
    m->code.try_count = MANY;
}

static void
many_catches(struct verify_module *m)
{
    tries[1] = (struct code_try){.count = MANY};
    m->code.try_count = 2;
    m->code.catch_count = MANY;
}

// Of so many that none of their numbers is a multiple of how often it asks.
static void
many_handlers(struct verify_module *m)
{
    u32 count = MANY / FEW;

    for (u32 i = 1; i <= count; i++)
        tries[i] = (struct code_try){.catches = 1, .count = FEW};
    m->code.try_count = 1 + count;
    m->code.catch_count = MANY;
}

static void
long_function(struct verify_module *m)
{
    heads[0] = (struct code_head){1, (u32)HEAD_DATA | (TEXT_SIZE - 1)};
    m->code.head_count = 1;
    funcs[0].end = TEXT_SIZE;
}

static void
long_jump_table(struct verify_module *m)
{
    i32 distance = RETURN - TABLE_AT;

    (void)m;
    memcpy(text, jump, sizeof(jump));
    for (u32 i = 0; i < MANY; i++)
        memcpy(text + TABLE_AT + 4 * i, &distance, sizeof(distance));
    funcs[0].end = sizeof(jump);
}

// Each time to what follows, behind `mov eax, eax`: the judge counts two steps
// for each.
static void
many_jumps(struct verify_module *m)
{
    (void)m;
    for (u32 i = 0; i < MANY; i++) {
        text[2 + 2 * i] = 0xeb;
        text[3 + 2 * i] = 0;
    }
    text[0] = 0x8b;
    text[1] = 0xc0;
    funcs[0].end = 3 + 2 * MANY;
}

static void
put_u32(u32 at, u32 number)
{
    memcpy(text + at, &number, sizeof(number));
}

// By one table of a few entries.
//
//     mov eax, FEW - 1;  cmp edi, FEW - 1;  cmovb eax, edi;  lea rdx, table
//     again: jb next;  movsxd rcx, [rdx + rax * 4];  add rcx, rdx;  jmp rcx
//     next: ...
//     end: ret
static void
many_table_jumps(struct verify_module *m)
{
    static const u8 start[] = {0xb8, 0,    0,    0, 0,    0x81, 0xff,
                               0,    0,    0,    0, 0x0f, 0x42, 0xc7,
                               0x48, 0x8d, 0x15, 0, 0,    0,    0};
    static const u8 unit[] = {0x72, 9,    0x48, 0x63, 0x0c, 0x82,
                              0x48, 0x03, 0xca, 0xff, 0xe1};
    u32 end = sizeof(start), table;

    (void)m;
    memcpy(text, start, sizeof(start));
    for (u32 i = 0; i < MANY / FEW; i++, end += (u32)sizeof(unit))
        memcpy(text + end, unit, sizeof(unit));
    table = (u32)ALIGN_UP(end + 1, 4);
    put_u32(1, FEW - 1);
    put_u32(7, FEW - 1);
    put_u32(17, table - (u32)sizeof(start));
    for (u32 k = 0; k < FEW; k++)
        put_u32(table + 4 * k, end - table);
    funcs[0].end = end + 1;
}

static const struct row {
    const char *name;
    void (*make)(struct verify_module *m);
    bool tables; // verify_tables() has to ask, and not verify_range()
    bool refused;
    u32 least;  // times to ask
    u32 killed; // at which of them; 0: in the middle
} rows[] = {
    {"functions",               many_funcs,       true,  false, SEVERAL, 0 },
    {"traps",                   many_traps,       true,  true,  SEVERAL, 0 },
    {"calls",                   many_calls,       true,  true,  SEVERAL, 0 },
    {"heads",                   many_heads,       true,  true,  SEVERAL, 0 },
    {"tries",                   many_tries,       true,  false, SEVERAL, 0 },
    {"catches",                 many_catches,     true,  false, SEVERAL, 0 },
    {"catches of a handler",    many_catches,     true,  false, SEVERAL, 60},
    {"catches of handlers",     many_handlers,    true,  false, 80,      60},
    {"catches of a function",   many_catches,     false, true,  SEVERAL, 0 },
    {"a function",              long_function,    false, false, 4,       0 },
    {"jumps",                   many_jumps,       false, false, SEVERAL, 0 },
    {"entries of a jump table", long_jump_table,  false, false, SEVERAL, 0 },
    {"jumps by a jump table",   many_table_jumps, false, false, SEVERAL, 0 },
};

static status_t
judge_row(const struct row *row, u32 allowed)
{
    struct arena temp = arena_make(64 * MIB);
    struct verify_module m = module_of(1);
    struct verify_error error = {0};

    row->make(&m);
    temp.commit = look;
    looks = 0;
    looks_left = row->tables ? allowed : UINT32_MAX;
    status_t status = verify_tables(&m, owners, &temp, &error);
    if (status == OK && !row->tables) {
        looks = 0;
        looks_left = allowed;
        status = verify_range(&m, owners, 0, 1, &temp, &error);
    }
    arena_drop(&temp);
    return status;
}

static const char *
row_name(u32 row)
{
    return row < COUNT(rows) ? rows[row].name : NULL;
}

TEST_ROWS(judge_asks_whether_to_go_on, row_name)
{
    const struct row *row = &rows[test_row];

    EXPECT_EQ(judge_row(row, UINT32_MAX), row->refused ? ERR_INVALID : OK);
    EXPECT(looks >= row->least);
    u32 killed = row->killed != 0 ? row->killed : row->least / 2;
    EXPECT_EQ(judge_row(row, killed), ERR_KILLED);
    EXPECT(looks <= killed + 2);
}

// Else handlers that share their catches would have a work that nobody bounds.
TEST(judge_refuses_catches_of_two_handlers)
{
    struct arena temp = arena_make(MIB);
    struct verify_module m = module_of(1);
    struct verify_error error = {0};

    m.code.try_count = 3;
    m.code.catch_count = 2;
    tries[1] = (struct code_try){.catches = 0, .count = 1};
    tries[2] = (struct code_try){.catches = 1, .count = 1};
    EXPECT_EQ(verify_tables(&m, owners, &temp, &error), OK);
    tries[2] = (struct code_try){.catches = 0, .count = 2};
    EXPECT_EQ(verify_tables(&m, owners, &temp, &error), ERR_INVALID);
    arena_drop(&temp);
}

// Whether it is judged with what follows or alone: what is behind a stub has no
// rows.
TEST(judge_sees_rows_behind_stubs)
{
    struct arena temp = arena_make(MIB);
    struct verify_module m = module_of(4);
    struct verify_error error = {0};

    m.counts.imports = m.func_imports = 1;
    funcs[0].func = UINT32_MAX;
    memset(text + 1, 0xcc, 3);
    EXPECT(vmctx_lay_out(&m.layout, &m.counts));
    EXPECT_EQ(verify_range(&m, owners, 0, 1, &temp, &error), OK);
    m.code.trap_count = 1;
    for (traps[0].pc = 1; traps[0].pc < 4; traps[0].pc++)
        EXPECT_EQ(verify_range(&m, owners, 0, 1, &temp, &error), ERR_INVALID);
    m.code.trap_count = 0;
    m.code.call_count = 1;
    for (calls[0].pc = 1; calls[0].pc <= 4; calls[0].pc++)
        EXPECT_EQ(verify_range(&m, owners, 0, 1, &temp, &error), ERR_INVALID);
    arena_drop(&temp);
}

// Of what follows a stub not all is looked at, so it is little.
TEST(judge_does_not_skip_much_behind_stubs)
{
    static const u8 stub[] = {0xc3};
    enum { SIZE = 64 };
    struct verify_error error = {0};

    for (u32 fill = 0; fill + sizeof(stub) <= SIZE; fill++) {
        struct arena temp = arena_make(MIB);
        struct verify_module m = module_of((u32)sizeof(stub) + fill);

        m.counts.imports = m.func_imports = 1;
        funcs[0].func = UINT32_MAX;
        memset(text + sizeof(stub), 0xcc, SIZE);
        EXPECT(vmctx_lay_out(&m.layout, &m.counts));
        EXPECT_EQ(verify_code(&m, &temp, &error), fill < 32 ? OK : ERR_INVALID);
        arena_drop(&temp);
    }
}
