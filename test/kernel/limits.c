// test/kernel/limits.c: modules at the limits of abi/limits.def, from their
// bytes to their end as programs; and one past them.

#include "test/kernel/frame.h"
#include "test/wasm/help.h"

static void
export_start(struct build *b, u32 func)
{
    build_section(b, EXPORT);
    build_list(b, 1, 6, '_', 's', 't', 'a', 'r', 't', 0);
    build_u32(b, func);
    build_close(b);
}

// One type, () -> (), one function of it: what is tested goes between.
static void
head(struct build *b)
{
    REPEAT(b, TYPE, 1, "\x60\0\0");
    REPEAT(b, FUNCTION, 1, "\0");
}

static void
tail(struct build *b)
{
    export_start(b, 0);
    REPEAT(b, CODE, 1, "\2\0\x0b");
}

static void
types(struct build *b, u32 n)
{
    REPEAT(b, TYPE, n, "\x60\0\0");
    REPEAT(b, FUNCTION, 1, "\0");
    tail(b);
}

// The last function calls the first, one in the middle, and its neighbour.
static void
functions(struct build *b, u32 n)
{
    const u32 callees[] = {0, n / 2, n - 2};

    REPEAT(b, TYPE, 1, "\x60\0\0");
    REPEAT(b, FUNCTION, n, "\0");
    export_start(b, n - 1);
    build_section(b, CODE);
    build_u32(b, n);
    for (u32 i = 1; i < n; i++)
        build_list(b, 2, 0, 0x0b);
    build_open(b);
    build_u8(b, 0);
    for (u32 i = 0; i < COUNT(callees); i++) {
        build_u8(b, 0x10);
        build_u32(b, callees[i]);
    }
    build_u8(b, 0x0b);
    build_close(b);
    build_close(b);
}

// The program's own function is none of the imported ones, but counts.
static void
imports(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_list(b, 2, 0x60, 0, 1, 0x7f, 0x60, 0, 0);
    build_close(b);
    REPEAT(b, IMPORT, n, "\7nebulet\x0cthread_yield\0\0");
    REPEAT(b, FUNCTION, 1, "\1");
    export_start(b, n);
    REPEAT(b, CODE, 1, "\2\0\x0b");
}

static void
globals(struct build *b, u32 n)
{
    head(b);
    REPEAT(b, GLOBAL, n, "\x7f\0\x41\0\x0b");
    tail(b);
}

static void
table(struct build *b, u32 n)
{
    head(b);
    build_section(b, TABLE);
    build_list(b, 1, 0x70, 0);
    build_u32(b, n);
    build_close(b);
    tail(b);
}

static void
memories(struct build *b, u32 n)
{
    head(b);
    REPEAT(b, MEMORY, n, "\0\1");
    tail(b);
}

static void
datas(struct build *b, u32 n)
{
    head(b);
    REPEAT(b, MEMORY, 1, "\0\1");
    tail(b);
    REPEAT(b, DATA, n, "\0\x41\0\x0b\1x");
}

static void
one_body(struct build *b, const struct build *body)
{
    head(b);
    export_start(b, 0);
    build_section(b, CODE);
    build_u8(b, 1);
    build_open(b);
    build_bytes(b, body->ptr, body->size);
    build_close(b);
    build_close(b);
    build_free((struct build *)body);
}

static void
body_size(struct build *b, u32 n)
{
    struct build body = {0};

    build_u8(&body, 0);
    while (body.size < n - 1)
        build_u8(&body, 0x01);
    build_u8(&body, 0x0b);
    one_body(b, &body);
}

static void
locals(struct build *b, u32 n)
{
    struct build body = {0};

    build_u8(&body, 1);
    build_u32(&body, n);
    build_list(&body, 0x7f, 0x20);
    build_u32(&body, n - 1);
    build_list(&body, 0x04, 0x40, 0x00, 0x0b, 0x0b);
    one_body(b, &body);
}

static void
br_table(struct build *b, u32 n)
{
    struct build body = {0};

    build_list(&body, 0, 0x02, 0x40, 0x41, 5, 0x0e);
    build_u32(&body, n);
    for (u32 i = 0; i <= n; i++)
        build_u8(&body, 0);
    build_list(&body, 0x0b, 0x0b);
    one_body(b, &body);
}

// A function that returns its n arguments backwards; all are 5.
static void
params(struct build *b, u32 n)
{
    build_section(b, TYPE);
    build_list(b, 2, 0x60);
    for (u32 k = 0; k < 2; k++) {
        build_u32(b, n);
        for (u32 i = 0; i < n; i++)
            build_u8(b, 0x7f);
    }
    build_list(b, 0x60, 0, 0);
    build_close(b);
    build_section(b, FUNCTION);
    build_list(b, 2, 0, 1);
    build_close(b);
    export_start(b, 1);
    build_section(b, CODE);
    build_u8(b, 2);
    build_open(b);
    build_u8(b, 0);
    for (u32 i = n; i-- > 0;) {
        build_u8(b, 0x20);
        build_u32(b, i);
    }
    build_u8(b, 0x0b);
    build_close(b);
    build_open(b);
    build_u8(b, 0);
    for (u32 i = 0; i < n; i++)
        build_list(b, 0x41, 5);
    build_list(b, 0x10, 0);
    for (u32 i = 1; i < n; i++)
        build_u8(b, 0x6a);
    build_list(b, 0x1a, 0x0b);
    build_close(b);
    build_close(b);
}

// A function with n values live across n branches, so that only plain mode
// compiles it, which calls itself until the stack has grown many times.
static void
deep(struct build *b, u32 n)
{
    struct build body = {0};

    build_list(&body, 1);
    build_u32(&body, n);
    build_u8(&body, 0x7f);
    for (u32 i = 0; i < n; i++) { // local i = global 0 + i
        build_list(&body, 0x23, 0, 0x41);
        build_s32(&body, (i32)i);
        build_list(&body, 0x6a, 0x21);
        build_u32(&body, i);
    }
    TIMES(&body, n, 0x23, 0, 0x04, 0x40, 0x23, 0, 0x24, 0, 0x0b);
    build_list(&body, 0x23, 0, 0x41, 1, 0x6b, 0x24, 0); // count down
    build_list(&body, 0x23, 0, 0x04, 0x40, 0x10, 0, 0x0b);
    build_list(&body, 0x20, 0, 0x41); // the sum of all must still be right
    build_s32(&body, (i32)n);
    build_list(&body, 0x6c, 0x41);
    build_s32(&body, (i32)(n * (n - 1) / 2));
    build_u8(&body, 0x6a);
    for (u32 i = 0; i < n; i++) {
        build_u8(&body, 0x20);
        build_u32(&body, i);
        build_u8(&body, 0x6b);
    }
    build_list(&body, 0x04, 0x40, 0x00, 0x0b, 0x0b);
    head(b);
    REPEAT(b, GLOBAL, 1, "\x7f\1\x41\x32\x0b"); // 50 calls
    export_start(b, 0);
    build_section(b, CODE);
    build_u8(b, 1);
    build_open(b);
    build_bytes(b, body.ptr, body.size);
    build_close(b);
    build_close(b);
    build_free(&body);
}

static const struct {
    const char *name;
    u64 limit;
    void (*build)(struct build *b, u32 n);
} cases[] = {
    {"types",         LIMIT_TYPES,         types    },
    {"functions",     LIMIT_FUNCTIONS,     functions},
    {"imports",       LIMIT_IMPORTS - 1,   imports  },
    {"globals",       LIMIT_GLOBALS,       globals  },
    {"table entries", LIMIT_TABLE_ENTRIES, table    },
    {"memories",      LIMIT_MEMORIES,      memories },
    {"data segments", LIMIT_DATA_SEGMENTS, datas    },
    {"body size",     LIMIT_BODY_SIZE,     body_size},
    {"locals",        LIMIT_LOCALS,        locals   },
    {"br_table",      LIMIT_BR_TABLE,      br_table },
    {"parameters",    LIMIT_PARAMS,        params   },
};

// Run the program to its end.  OK: it ended with status 0.
static status_t
run_process(struct code_module *code, struct error *error)
{
    struct process *p = NULL;
    u32 exit_status = UINT32_MAX;
    char text[128];

    status_t status =
        process_new(&p, NULL, code, "limits", error, text, sizeof(text));
    if (status != OK)
        return status;
    status = process_start(p);
    if (status == OK)
        status = process_wait(p, UINT64_MAX, &exit_status);
    process_release(p);
    return status != OK ? status : exit_status == 0 ? OK : ERR_TRAP;
}

static status_t
run_built(void (*build)(struct build *b, u32 n), u32 n, struct error *error)
{
    struct code_module *code = NULL;
    struct build b;

    build_start(&b);
    build(&b, n);
    status_t status = code_module_new(&code, build_result(&b), error);
    if (status == OK)
        status = run_process(code, error);
    code_module_release(code);
    build_free(&b);
    return status;
}

static void
run_cases(u32 first, u32 count)
{
    for (u32 i = first; i < first + count; i++) {
        struct error error;
        status_t at = run_built(cases[i].build, (u32)cases[i].limit, &error);
        if (at != OK)
            test_failed(__FILE__, __LINE__, cases[i].name, at, OK);
        status_t past =
            run_built(cases[i].build, (u32)cases[i].limit + 1, &error);
        if (past != ERR_LIMIT || error.what == NULL)
            test_failed(__FILE__, __LINE__, cases[i].name, past, ERR_LIMIT);
    }
}

TEST_KERNEL(limits_types)
{
    run_cases(0, 1);
}

TEST_KERNEL(limits_functions)
{
    run_cases(1, 1);
}

TEST_KERNEL(limits_imports)
{
    run_cases(2, 1);
}

TEST_KERNEL(limits_of_the_rest)
{
    run_cases(3, COUNT(cases) - 3);
}

TEST_KERNEL(deep_in_plain_mode)
{
    struct error error;

    EXPECT_EQ(run_built(deep, 1000, &error), OK);
}
