// test/compile/linear.c: hostile families of modules through the whole
// compiler: twice the size takes at most 2.3 times the CPU time, and temporary
// memory and code stay within a multiple of the bytes.  "bound" is how much of
// what it may take each takes.
//
//     linear             both
//     linear --memory    memory only, for machines that are busy
//
// Ends with the line "N passed, N failed, 0 skipped".

#include "test/wasm/help.h"
#include "compile/compile.h"

#include <stdio.h>
#include <string.h>

enum {
    ROUNDS = 8, // of measuring: noise only adds, so the best of each counts
    RUNS = 3,
};

// Twice the size may take 23 tenths of the time, and a millisecond; the
// temporary memory is so many bytes for each byte of the module and a constant;
// the code is so many bytes for each byte.
enum {
    RATIO_TENTHS = 23,
    SLACK_NS = 1000000,
    MEMORY_PER_BYTE = 64,
    MEMORY_SLACK = 10 * MIB,
    CODE_PER_BYTE = 24,
};

// --- modules ----------------------------------------------------------------

// Types: 0 is (i32) -> (i32), 1 is () -> ().  One memory, one table, one
// global, one tag.
static void
head(struct build *b)
{
    build_section(b, TYPE);
    build_list(b, 3, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 0, 0, 0x60, 1, 0x7f, 0);
    build_close(b);
    REPEAT(b, FUNCTION, 1, "\0");
    build_section(b, TABLE);
    build_list(b, 1, 0x70, 0, 10);
    build_close(b);
    build_section(b, MEMORY);
    build_list(b, 1, 0, 1);
    build_close(b);
    build_section(b, TAG);
    build_list(b, 1, 0, 2);
    build_close(b);
    build_section(b, GLOBAL);
    build_list(b, 1, 0x7f, 1, 0x41, 0, 0x0b);
    build_close(b);
    build_section(b, CODE);
    build_u8(b, 1);
    build_open(b);
}

static void
start(struct build *b, u32 locals)
{
    head(b);
    build_u8(b, 1);
    build_u32(b, locals);
    build_u8(b, 0x7f);
}

static void
end(struct build *b)
{
    build_u8(b, 0x0b);
    build_close(b);
    build_close(b);
}

static void
get(struct build *b, u32 local)
{
    build_u8(b, 0x20);
    build_u32(b, local);
}

static void
set(struct build *b, u32 local)
{
    build_u8(b, 0x21);
    build_u32(b, local);
}

static void
constant(struct build *b, u32 n)
{
    build_u8(b, 0x41);
    build_s32(b, (i32)n);
}

// The same numbers every time.
static u32
random_next(u32 *seed, u32 below)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % below;
}

// --- families: n units of something -----------------------------------------

typedef void family_fn(struct build *b, u32 n);

static void
blocks(struct build *b, u32 n)
{
    start(b, 0);
    TIMES(b, n, 0x02, 0x40);
    TIMES(b, n, 0x0b);
    get(b, 0);
    end(b);
}

static void
loops(struct build *b, u32 n)
{
    start(b, 0);
    TIMES(b, n, 0x03, 0x40);
    TIMES(b, n, 0x0b);
    get(b, 0);
    end(b);
}

static void
ifs(struct build *b, u32 n)
{
    start(b, 0);
    TIMES(b, n, 0x20, 0, 0x04, 0x40);
    TIMES(b, n, 0x0b);
    get(b, 0);
    end(b);
}

// One switch over n targets, in a thousand blocks.
static void
switch_long(struct build *b, u32 n)
{
    start(b, 0);
    TIMES(b, 1000, 0x02, 0x40);
    for (u32 k = 0; k < n / 50000; k++) {
        build_list(b, 0x02, 0x40, 0x20, 0, 0x0e);
        build_u32(b, 50000);
        for (u32 i = 0; i <= 50000; i++)
            build_u32(b, 1 + i % 1000);
        build_u8(b, 0x0b);
    }
    TIMES(b, 1000, 0x0b);
    get(b, 0);
    end(b);
}

static void
switches(struct build *b, u32 n)
{
    start(b, 0);
    TIMES(b, 300, 0x02, 0x40);
    for (u32 k = 0; k < n; k++) {
        build_list(b, 0x02, 0x40, 0x20, 0, 0x0e);
        build_u32(b, 300);
        for (u32 i = 0; i <= 300; i++)
            build_u32(b, 1 + i % 300);
        build_u8(b, 0x0b);
    }
    TIMES(b, 300, 0x0b);
    get(b, 0);
    end(b);
}

// n switches, each in an if that sets another local, to 200 labels.
static void
switch_locals(struct build *b, u32 n)
{
    u32 labels = 200;

    start(b, n);
    TIMES(b, labels, 0x02, 0x40);
    for (u32 k = 0; k < n; k++) {
        get(b, 0);
        constant(b, k);
        build_u8(b, 0x6a);
        set(b, 1 + k);
        get(b, 0);
        constant(b, 7 * k);
        build_list(b, 0x46, 0x04, 0x40, 0x20, 0, 0x0e);
        build_u32(b, labels - 1);
        for (u32 i = 0; i < labels; i++)
            build_u32(b, i + 1);
        build_u8(b, 0x0b);
    }
    for (u32 k = 0; k < labels; k++) {
        build_u8(b, 0x0b);
        get(b, 1 + k % n);
        set(b, 0);
    }
    get(b, 0);
    end(b);
}

// n values that live across n ifs.
static void
live_ifs(struct build *b, u32 n)
{
    start(b, n);
    for (u32 i = 1; i <= n; i++) {
        get(b, 0);
        constant(b, 3 * i);
        build_u8(b, 0x6c);
        set(b, i);
    }
    for (u32 i = 0; i < n; i++) {
        get(b, 0);
        constant(b, i);
        build_list(b, 0x46, 0x04, 0x40, 0x20, 0, 0x41, 1, 0x6a, 0x21, 0, 0x0b);
    }
    for (u32 i = 1; i <= n; i++) {
        get(b, i);
        if (i > 1)
            build_u8(b, 0x73);
    }
    end(b);
}

// n loops in each other, each with a local of its own that is used inside.
static void
loops_locals(struct build *b, u32 n)
{
    start(b, n);
    for (u32 i = 0; i < n; i++) {
        get(b, 0);
        constant(b, i);
        build_u8(b, 0x6a);
        set(b, 1 + i);
        build_list(b, 0x03, 0x40);
    }
    for (u32 i = n; i-- > 0;) {
        get(b, 1 + i);
        build_list(b, 0x20, 0, 0x6a, 0x21, 0, 0x20, 0);
        constant(b, i);
        build_list(b, 0x4a, 0x0d, 0, 0x0b);
    }
    get(b, 0);
    end(b);
}

// Random locals, without and with branches.
static void
random_straight(struct build *b, u32 n)
{
    u32 seed = 1, locals = 300;

    start(b, locals);
    for (u32 i = 0; i < n; i++) {
        get(b, random_next(&seed, locals));
        get(b, random_next(&seed, locals));
        build_u8(b, 0x6a);
        set(b, random_next(&seed, locals));
    }
    get(b, 0);
    end(b);
}

static void
random_ifs(struct build *b, u32 n)
{
    u32 seed = 1, locals = 500;

    start(b, locals);
    build_list(b, 0x03, 0x40);
    for (u32 i = 0; i < n; i++) {
        get(b, random_next(&seed, locals));
        build_list(b, 0x04, 0x40);
        get(b, random_next(&seed, locals));
        build_list(b, 0x41, 1, 0x6a);
        set(b, random_next(&seed, locals));
        build_u8(b, 0x0b);
    }
    build_list(b, 0x20, 0, 0x0d, 0, 0x0b, 0x20, 0);
    end(b);
}

// A local is set on one side of each of n branches, of 40,000 locals.
static void
locals_blocks(struct build *b, u32 n)
{
    start(b, 40000);
    for (u32 i = 0; i < n; i++) {
        build_list(b, 0x02, 0x40, 0x20, 0, 0x0d, 0, 0x20, 0);
        set(b, 1 + i % 40000);
        build_u8(b, 0x0b);
    }
    get(b, 0);
    end(b);
}

// Many locals, then a loop with n exits.
static void
locals_exits(struct build *b, u32 n)
{
    start(b, 4000);
    for (u32 i = 1; i <= 4000; i++) {
        get(b, 0);
        set(b, i);
    }
    build_list(b, 0x02, 0x40, 0x03, 0x40);
    for (u32 i = 0; i < n; i++) {
        build_list(b, 0x20, 0, 0x0d, 1);
        get(b, 1 + i % 4000);
        set(b, 0);
    }
    build_list(b, 0x0b, 0x0b, 0x20, 0);
    end(b);
}

static void
unary(struct build *b, u32 n)
{
    start(b, 0);
    get(b, 0);
    TIMES(b, n, 0x69, 0x45);
    end(b);
}

static void
zero_tests(struct build *b, u32 n)
{
    start(b, 0);
    get(b, 0);
    TIMES(b, n, 0x45);
    end(b);
}

static void
deep_stack(struct build *b, u32 n)
{
    start(b, 0);
    get(b, 0);
    for (u32 i = 0; i < n; i++) {
        get(b, 0);
        constant(b, i);
        build_u8(b, 0x6c);
    }
    TIMES(b, n, 0x6a);
    end(b);
}

static void
straight(struct build *b, u32 n)
{
    start(b, 0);
    get(b, 0);
    TIMES(b, n, 0x20, 0, 0x6a);
    end(b);
}

static void
selects(struct build *b, u32 n)
{
    start(b, 0);
    get(b, 0);
    TIMES(b, n, 0x20, 0, 0x20, 0, 0x1b, 0x20, 0, 0x6c);
    end(b);
}

static void
dead(struct build *b, u32 n)
{
    start(b, 0);
    build_u8(b, 0);
    TIMES(b, n, 0x6a, 0x02, 0x40, 0x0b);
    end(b);
}

static void
loads(struct build *b, u32 n)
{
    start(b, 0);
    get(b, 0);
    TIMES(b, n, 0x28, 2, 0xfc, 0xff, 0xff, 0xff, 0x0f);
    end(b);
}

static void
stores(struct build *b, u32 n)
{
    start(b, 0);
    TIMES(b, n, 0x20, 0, 0x20, 0, 0x28, 2, 4, 0x36, 2, 8);
    get(b, 0);
    end(b);
}

static void
vectors(struct build *b, u32 n)
{
    start(b, 0);
    build_list(b, 0x20, 0, 0xfd, 0x0f);
    TIMES(b, n, 0x20, 0, 0xfd, 0x0f, 0xfd, 0x6e);
    build_list(b, 0xfd, 0x16, 0);
    end(b);
}

static void
globals_used(struct build *b, u32 n)
{
    start(b, 0);
    TIMES(b, n, 0x23, 0, 0x20, 0, 0x6a, 0x24, 0);
    get(b, 0);
    end(b);
}

static void
divisions(struct build *b, u32 n)
{
    start(b, 0);
    get(b, 0);
    TIMES(b, n, 0x20, 0, 0x6d);
    end(b);
}

static void
calls(struct build *b, u32 n)
{
    start(b, 0);
    get(b, 0);
    TIMES(b, n, 0x10, 0);
    end(b);
}

static void
calls_indirect(struct build *b, u32 n)
{
    start(b, 0);
    get(b, 0);
    TIMES(b, n, 0x20, 0, 0x11, 0, 0);
    end(b);
}

// 100 values that live across n calls.
static void
live_calls(struct build *b, u32 n)
{
    start(b, 100);
    for (u32 i = 1; i <= 100; i++) {
        get(b, 0);
        constant(b, i);
        build_u8(b, 0x6c);
        set(b, i);
    }
    TIMES(b, n, 0x20, 0, 0x10, 0, 0x21, 0);
    for (u32 i = 0; i <= 100; i++)
        get(b, i);
    TIMES(b, 100, 0x6a);
    end(b);
}

// n functions of 1000 parameters and 1000 results that call each other.
static void
wide_calls(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_list(b, 1, 0x60);
    for (u32 k = 0; k < 2; k++) {
        build_u32(b, 1000);
        TIMES(b, 1000, 0x7f);
    }
    build_close(b);
    REPEAT(b, FUNCTION, n, "\0");
    build_section(b, CODE);
    build_u32(b, n);
    for (u32 k = 0; k < n; k++) {
        build_open(b);
        build_u8(b, 0);
        for (u32 i = 0; i < 1000; i++)
            get(b, i);
        build_u8(b, 0x10);
        build_u32(b, k);
        build_u8(b, 0x0b);
        build_close(b);
    }
    build_close(b);
}

static void
functions(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_list(b, 1, 0x60, 0, 0);
    build_close(b);
    REPEAT(b, FUNCTION, n, "\0");
    REPEAT(b, CODE, n, "\x02\x00\x0b");
}

static void
sections(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_u32(b, n);
    TIMES(b, n, 0x60, 3, 0x7f, 0x7e, 0x7d, 1, 0x7c);
    build_close(b);
    build_section(b, TABLE);
    build_list(b, 1, 0x70, 0, 10);
    build_close(b);
    build_section(b, MEMORY);
    build_list(b, 1, 0, 1);
    build_close(b);
    build_section(b, GLOBAL);
    build_u32(b, n);
    TIMES(b, n, 0x7f, 0, 0x41, 1, 0x41, 2, 0x6a, 0x0b);
    build_close(b);
    build_section(b, ELEMENT);
    build_u32(b, n);
    TIMES(b, n, 0, 0x41, 0, 0x0b, 0);
    build_close(b);
    build_section(b, DATA);
    build_u32(b, n);
    TIMES(b, n, 0, 0x41, 0, 0x0b, 1, 'x');
    build_close(b);
}

static void
exports(struct build *b, u32 n)
{
    build_section(b, MEMORY);
    build_list(b, 1, 0, 1);
    build_close(b);
    build_exports(b, n, 2);
}

// n tries in each other, with a clause each.
static void
tries(struct build *b, u32 n)
{
    start(b, 0);
    build_list(b, 0x02, 0x40);
    for (u32 i = 0; i < n; i++) {
        build_list(b, 0x1f, 0x40, 1, 2);
        build_u32(b, i);
    }
    build_list(b, 0x20, 0, 0x10, 0, 0x1a);
    TIMES(b, n, 0x0b);
    build_list(b, 0x0b, 0x20, 0);
    end(b);
}

// A hundred values that go round n loops.
static void
params_loops(struct build *b, u32 n)
{
    start(b, 100);
    for (u32 k = 0; k < n; k++) {
        build_list(b, 0x03, 0x40);
        for (u32 i = 1; i <= 100; i++) {
            get(b, i);
            build_list(b, 0x41, 1, 0x6a);
            set(b, i);
        }
        build_list(b, 0x20, 1, 0x0d, 0, 0x0b);
    }
    get(b, 1);
    end(b);
}

// Functions, each of a type of its own with 900 vectors on the stack.
static void
signatures(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_u32(b, n);
    for (u32 k = 0; k < n; k++) {
        build_list(b, 0x60, 0x98, 7); // 920 parameters
        for (u32 i = 0; i < 20; i++)
            build_u8(b, k >> i & 1 ? 0x7f : 0x7e);
        for (u32 i = 0; i < 900; i++)
            build_u8(b, 0x7b);
        build_u8(b, 0);
    }
    build_close(b);
    build_section(b, FUNCTION);
    build_u32(b, n);
    for (u32 k = 0; k < n; k++)
        build_u32(b, k);
    build_close(b);
    build_section(b, CODE);
    build_u32(b, n);
    for (u32 k = 0; k < n; k++)
        build_list(b, 2, 0, 0x0b);
    build_close(b);
}

static const struct {
    const char *name;
    family_fn *build;
    u32 n;
} families[] = {
    {"nested blocks",             blocks,          300000},
    {"nested loops",              loops,           60000 },
    {"nested ifs",                ifs,             60000 },
    {"long switches",             switch_long,     500000},
    {"many switches",             switches,        1000  },
    {"switches and locals",       switch_locals,   200   },
    {"values across ifs",         live_ifs,        4000  },
    {"loops with locals",         loops_locals,    3000  },
    {"random locals",             random_straight, 40000 },
    {"random locals in branches", random_ifs,      8000  },
    {"locals set in blocks",      locals_blocks,   30000 },
    {"exits of a loop",           locals_exits,    20000 },
    {"unary instructions",        unary,           100000},
    {"tests for zero",            zero_tests,      500000},
    {"deep stack",                deep_stack,      50000 },
    {"straight line",             straight,        100000},
    {"selects",                   selects,         50000 },
    {"dead code",                 dead,            200000},
    {"loads of any address",      loads,           50000 },
    {"loads and stores",          stores,          100000},
    {"vectors",                   vectors,         50000 },
    {"globals used",              globals_used,    50000 },
    {"divisions",                 divisions,       50000 },
    {"calls",                     calls,           50000 },
    {"indirect calls",            calls_indirect,  50000 },
    {"values across calls",       live_calls,      40000 },
    {"wide calls",                wide_calls,      60    },
    {"functions",                 functions,       100000},
    {"types, globals, segments",  sections,        50000 },
    {"exports",                   exports,         300000},
    {"signatures",                signatures,      500   },
    {"nested tries",              tries,           10000 },
    {"values round loops",        params_loops,    400   },
};

// --- measuring --------------------------------------------------------------

static struct arena keep, temp, text;
static u64 code_size; // of the last compilation

// Nanoseconds of one compilation; 0: it was refused.
static u64
compile(const char *name, struct bytes bytes)
{
    struct compile_options options = {.features = CPU_SSE41,
                                      .dump_func = NO_INDEX};
    struct error error = {0};
    struct module module;
    struct code code;

    arena_reset(&keep, 0);
    arena_reset(&temp, 0);
    arena_reset(&text, 0);
    temp.peak = 0;
    u64 from = cpu_ns();
    status_t status = module_decode(&module, bytes, &keep, &error);
    if (status == OK)
        status = module_compile(&code, &module, &options, &text, &keep, &temp,
                                &error);
    code_size = status == OK ? code.size : 0;
    if (status == OK)
        return cpu_ns() - from;
    printf("%s: %s at 0x%llx\n", name, error.what,
           (unsigned long long)error.at);
    return 0;
}

static void
make(struct build *b, u32 family, u32 n)
{
    build_start(b);
    families[family].build(b, n);
}

// Temporary memory, for the greater of the two modules.
static bool
check_memory(u32 family)
{
    const char *name = families[family].name;
    struct build b;

    make(&b, family, 2 * families[family].n);
    bool ok = compile(name, build_result(&b)) > 0;
    u64 bound = MEMORY_PER_BYTE * b.size + MEMORY_SLACK;
    u64 code_bound = CODE_PER_BYTE * b.size;
    printf("%-28s %9llu KiB %7llu KiB %4llu %% %6llu KiB %4llu %%", name,
           (unsigned long long)b.size / KIB,
           (unsigned long long)temp.peak / KIB,
           (unsigned long long)temp.peak * 100 / bound,
           (unsigned long long)code_size / KIB,
           (unsigned long long)code_size * 100 / code_bound);
    ok = ok && temp.peak <= bound && code_size <= code_bound;
    build_free(&b);
    return ok;
}

static bool
check_time(u32 family)
{
    u64 once = UINT64_MAX, twice = UINT64_MAX, bound = 0;
    struct build b[2];
    bool ok = false;

    make(&b[0], family, families[family].n);
    make(&b[1], family, 2 * families[family].n);
    for (u32 round = 0; round < ROUNDS && !ok; round++) {
        for (u32 i = 0; i < RUNS; i++) {
            once = MIN(once, compile("once", build_result(&b[0])));
            twice = MIN(twice, compile("twice", build_result(&b[1])));
        }
        bound = once * RATIO_TENTHS / 10 + SLACK_NS;
        ok = twice <= bound;
    }
    printf(" %9.2f ms %9.2f ms  x%.2f %4llu %% %5.0f ns/byte",
           (double)once / 1e6, (double)twice / 1e6,
           (double)twice / (double)once,
           (unsigned long long)(twice * 100 / bound),
           (double)twice / (double)b[1].size);
    build_free(&b[0]);
    build_free(&b[1]);
    return ok;
}

int
main(int argc, char **argv)
{
    bool timed = argc < 2 || strcmp(argv[1], "--memory") != 0;
    u32 passed = 0, bad = 0;

    keep = arena_make(4 * GIB);
    temp = arena_make(16 * GIB);
    text = arena_make(GIB);
    printf("%-28s %13s %11s %6s %10s %6s", "family, of size", "2n", "memory",
           "bound", "code", "bound");
    printf(timed ? " %12s %12s %6s %6s\n" : "\n", "time for n", "for 2n", "",
           "bound");
    for (u32 i = 0; i < COUNT(families); i++) {
        bool ok = check_memory(i) && (!timed || check_time(i));
        printf("\n"), fflush(stdout);
        if (!ok)
            printf("FAILED: %s\n", families[i].name);
        *(ok ? &passed : &bad) += 1;
    }
    printf("%u passed, %u failed, 0 skipped\n", passed, bad);
    return bad != 0;
}
