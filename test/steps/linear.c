// test/steps/linear.c: hostile families of modules: for twice the size the
// decoder and the validator take about twice as many steps, and memory stays
// proportional to the bytes.
//
// Nothing here is a matter of time: the steps of base/ and wasm/ are counted
// (test/steps/steps.h).

#include "test/steps/steps.h"
#include "test/wasm/help.h"

#include <stdio.h>

// Each family writes n units of something; bodies are of type (i32) -> (i32).
typedef void family_fn(struct build *b, u32 n);

static void
body_start(struct build *b)
{
    build_section(b, TYPE);
    build_list(b, 2, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 0, 0);
    build_close(b);
    REPEAT(b, FUNCTION, 1, "\0");
    build_section(b, CODE);
    build_u8(b, 1);
    build_open(b);
}

static void
body_end(struct build *b)
{
    build_u8(b, 0x0b);
    build_close(b);
    build_close(b);
}

static void
nested_blocks(struct build *b, u32 n)
{
    body_start(b);
    build_list(b, 0, 0x20, 0);
    TIMES(b, n, 0x02, 0x40);
    TIMES(b, n, 0x0b);
    body_end(b);
}

static void
nested_ifs(struct build *b, u32 n)
{
    body_start(b);
    build_u8(b, 0);
    TIMES(b, n, 0x20, 0, 0x04, 0x40);
    TIMES(b, n, 0x05, 0x0b);
    build_list(b, 0x20, 0);
    body_end(b);
}

// n switches of 500 targets each in 500 blocks.
static void
switches(struct build *b, u32 n)
{
    body_start(b);
    build_u8(b, 0);
    TIMES(b, 500, 0x02, 0x40);
    for (u32 i = 0; i < n; i++) {
        build_list(b, 0x02, 0x40, 0x20, 0, 0x0e);
        build_u32(b, 500);
        for (u32 target = 0; target <= 500; target++)
            build_u32(b, target);
        build_u8(b, 0x0b);
    }
    TIMES(b, 500, 0x0b);
    build_list(b, 0x20, 0);
    body_end(b);
}

// n locals of alternating types, read and written.
static void
local_runs(struct build *b, u32 n)
{
    body_start(b);
    build_u32(b, n);
    for (u32 i = 0; i < n; i++)
        build_list(b, 1, i & 1 ? 0x7f : 0x7e);
    for (u32 i = 1; i < n; i++) {
        build_u8(b, 0x20);
        build_u32(b, i);
        build_u8(b, 0x21);
        build_u32(b, i);
    }
    build_list(b, 0x20, 0);
    body_end(b);
}

// n locals without a default, set in blocks that forget them.
static void
local_inits(struct build *b, u32 n)
{
    body_start(b);
    build_u8(b, 1);
    build_u32(b, n);
    build_list(b, 0x64, 0x70);
    for (u32 i = 1; i <= n; i++) {
        build_list(b, 0x02, 0x40, 0x00, 0x21);
        build_u32(b, i);
        build_u8(b, 0x0b);
    }
    build_list(b, 0x20, 0);
    body_end(b);
}

static void
zero_locals(struct build *b, u32 n)
{
    body_start(b);
    build_u32(b, n);
    for (u32 i = 0; i < n; i++)
        build_list(b, 0, i & 1 ? 0x7f : 0x7e);
    build_list(b, 0x20, 0);
    body_end(b);
}

static void
unary_chain(struct build *b, u32 n)
{
    body_start(b);
    build_list(b, 0, 0x20, 0);
    TIMES(b, n, 0x45);
    body_end(b);
}

static void
deep_stack(struct build *b, u32 n)
{
    body_start(b);
    build_list(b, 0, 0x20, 0);
    TIMES(b, n, 0x20, 0);
    TIMES(b, n, 0x6a);
    body_end(b);
}

static void
dead_code(struct build *b, u32 n)
{
    body_start(b);
    build_list(b, 0, 0x00);
    TIMES(b, n, 0x6a, 0x02, 0x40, 0x0b);
    body_end(b);
}

static void
calls(struct build *b, u32 n)
{
    body_start(b);
    build_list(b, 0, 0x20, 0);
    TIMES(b, n, 0x10, 0);
    body_end(b);
}

static void
branches(struct build *b, u32 n)
{
    body_start(b);
    build_u8(b, 0);
    TIMES(b, n, 0x03, 0x40, 0x20, 0, 0x0d, 0, 0x0b);
    build_list(b, 0x20, 0);
    body_end(b);
}

// Calls of two bytes that return a thousand values: only so many.
static void
wide_calls(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_list(b, 1, 0x60, 0);
    build_u32(b, 1000);
    TIMES(b, 1000, 0x7f);
    build_close(b);
    REPEAT(b, FUNCTION, 1, "\0");
    build_section(b, CODE);
    build_u8(b, 1);
    build_open(b);
    build_u8(b, 0);
    TIMES(b, n, 0x10, 0, 0x0f);
    body_end(b);
}

// Calls with a thousand arguments, each a distant subtype of what is wanted:
// types 0..63 are a chain of structs, 64 gives the last, 65 takes the first.
static void
distant_subtypes(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_u32(b, 67);
    for (u32 i = 0; i < 64; i++) {
        build_list(b, 0x50, i > 0);
        if (i > 0)
            build_u32(b, i - 1);
        build_list(b, 0x5f, 0);
    }
    build_list(b, 0x60, 0);
    build_u32(b, 1000);
    TIMES(b, 1000, 0x64, 0x3f);
    build_u8(b, 0x60);
    build_u32(b, 1000);
    TIMES(b, 1000, 0x64, 0);
    build_list(b, 0, 0x60, 0, 0);
    build_close(b);
    build_section(b, FUNCTION);
    build_list(b, 3, 66, 64, 65);
    build_close(b);
    build_section(b, CODE);
    build_u8(b, 3);
    build_open(b);
    build_u8(b, 0);
    TIMES(b, n, 0x10, 1, 0x10, 2);
    build_u8(b, 0x0b);
    build_close(b);
    build_list(b, 3, 0, 0x00, 0x0b, 2, 0, 0x0b);
    build_close(b);
}

static void
functions(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_list(b, 1, 0x60, 0, 0);
    build_close(b);
    REPEAT(b, FUNCTION, n, "\0");
    build_section(b, CODE);
    build_u32(b, n);
    TIMES(b, n, 9, 1, 0xa8, 0xc3, 0x01, 0x7f, 0x20, 0, 0x1a, 0x0b);
    build_close(b);
}

// Equal types, all with the same hash.
static void
equal_types(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_u32(b, n);
    TIMES(b, n, 0x60, 3, 0x7f, 0x7e, 0x64, 0x70, 1, 0x7d);
    build_close(b);
}

// Types that differ only in what they refer to.
static void
linked_types(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_u32(b, n);
    for (u32 i = 0; i < n; i++) {
        build_list(b, 0x60, 1, 0x64);
        build_s32(b, i > 0 ? (i32)i - 1 : 0);
        build_u8(b, 0);
    }
    build_close(b);
}

static void
rec_groups(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_u32(b, n);
    for (u32 i = 0; i < n; i++) {
        build_list(b, 0x4e, 2, 0x5f, 1, 0x64);
        build_s32(b, 2 * (i32)i + 1);
        build_list(b, 1, 0x5e, 0x63);
        build_s32(b, 2 * (i32)i);
        build_u8(b, 0);
    }
    build_close(b);
}

static void
subtype_chains(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_u32(b, n);
    for (u32 i = 0; i < n; i++) {
        build_list(b, 0x50, i % 64 != 0);
        if (i % 64 != 0)
            build_u32(b, i - 1);
        build_list(b, 0x5f, 1, 0x7f, 0);
    }
    build_close(b);
}

static void
exports(struct build *b, u32 n)
{
    build_section(b, GLOBAL);
    build_list(b, 1, 0x7f, 0, 0x41, 0, 0x0b);
    build_close(b);
    build_exports(b, n, 3);
}

static void
globals(struct build *b, u32 n)
{
    build_section(b, GLOBAL);
    build_u32(b, n + 1);
    build_list(b, 0x7f, 0, 0x41, 0, 0x0b);
    for (u32 i = 0; i < n; i++) {
        build_list(b, 0x7f, 0, 0x23);
        build_u32(b, i);
        build_list(b, 0x41, 1, 0x6a, 0x0b);
    }
    build_close(b);
}

// Nested tries with a hundred clauses each.
static void
catches(struct build *b, u32 n)
{
    body_start(b);
    build_u8(b, 0);
    for (u32 i = 0; i < n; i++) {
        build_list(b, 0x1f, 0x40);
        build_u32(b, 100);
        for (u32 clause = 0; clause < 100; clause++)
            build_list(b, 2, i > 0);
    }
    TIMES(b, n, 0x0b);
    build_list(b, 0x20, 0);
    body_end(b);
}

// Clauses of the outermost try would have to give an i32: use a block.
static void
catches_in_block(struct build *b, u32 n)
{
    body_start(b);
    build_list(b, 0, 0x02, 0x40);
    for (u32 i = 0; i < n; i++) {
        build_list(b, 0x1f, 0x40);
        build_u32(b, 100);
        TIMES(b, 100, 2, 0);
    }
    TIMES(b, n, 0x0b);
    build_list(b, 0x0b, 0x20, 0);
    body_end(b);
}

static const struct {
    const char *name;
    family_fn *build;
    u32 n;
    status_t status;
} families[] = {
    {"nested blocks",              nested_blocks,    200000, OK         },
    {"nested ifs",                 nested_ifs,       100000, OK         },
    {"switches",                   switches,         200,    OK         },
    {"runs of locals",             local_runs,       20000,  OK         },
    {"locals without default",     local_inits,      20000,  OK         },
    {"empty runs of locals",       zero_locals,      400000, OK         },
    {"unary chain",                unary_chain,      400000, OK         },
    {"deep stack",                 deep_stack,       200000, OK         },
    {"dead code",                  dead_code,        100000, OK         },
    {"calls",                      calls,            200000, OK         },
    {"branches",                   branches,         100000, OK         },
    {"calls with many results",    wide_calls,       20000,  ERR_LIMIT  },
    {"distant subtypes",           distant_subtypes, 20000,  ERR_LIMIT  },
    {"few distant subtypes",       distant_subtypes, 240,    OK         },
    {"functions with many locals", functions,        100000, OK         },
    {"equal types",                equal_types,      30000,  OK         },
    {"linked types",               linked_types,     30000,  OK         },
    {"rec groups",                 rec_groups,       15000,  OK         },
    {"chains of subtypes",         subtype_chains,   30000,  OK         },
    {"exports",                    exports,          20000,  OK         },
    {"globals",                    globals,          100000, OK         },
    {"invalid catches",            catches,          1000,   ERR_INVALID},
    {"catches",                    catches_in_block, 1000,   OK         },
};

// The steps that a module of the family takes.
static u64
measure(u32 family, u32 n, struct arena *arena)
{
    struct error error;
    struct build b;

    build_start(&b);
    families[family].build(&b, n);
    arena->peak = 0;
    u64 before = steps_done();
    status_t status = judge(build_result(&b), arena, &error);
    u64 taken = steps_done() - before;
    EXPECT_EQ(status, families[family].status);
    if (status != families[family].status)
        printf("%s: %s at %llx of %llx\n", families[family].name, error.what,
               (unsigned long long)error.at, (unsigned long long)b.size);
    EXPECT(arena->peak <= 64 * b.size + MIB);
    EXPECT(taken > n); // they are counted
    build_free(&b);
    return taken;
}

// Twice the steps, and a tenth for what doubles at times, such as tables.
TEST(steps_linear)
{
    struct arena arena = arena_make(GIB);

    for (u32 i = 0; i < COUNT(families); i++) {
        u64 once = measure(i, families[i].n, &arena);
        u64 twice = measure(i, 2 * families[i].n, &arena);
        if (twice * 10 > once * 21)
            test_failed(__FILE__, __LINE__, families[i].name, (i64)twice,
                        (i64)once);
    }
    arena_drop(&arena);
}
