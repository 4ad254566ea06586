// test/x64/exec_fold.c: folding: what moves into its user must still see the
// memory of its place.

#include "test/x64/exec.h"
#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CODE_MAX = 64, SIZE = 256 };

static u32
get(const u8 *m, u32 at)
{
    u32 word;

    memcpy(&word, m + at, sizeof(word));
    return word;
}

static void
set(u8 *m, u32 at, u32 word)
{
    memcpy(m + at, &word, sizeof(word));
}

// The rows' expressions use `y` as they like.
#define FOLD(name, expression, ...)      \
    static u32 WANT(u8 *m, u32 p, u32 x) \
    {                                    \
        u32 y = 0;                       \
        (void)m, (void)p, (void)x;       \
        u32 result = (u32)(expression);  \
        (void)y;                         \
        return result;                   \
    }
#define WANT         WANT_(__LINE__)
#define WANT_(line)  WANT__(line)
#define WANT__(line) want_##line
#include "test/x64/exec_fold.def"

static const struct fold {
    const char *name;
    u32 (*want)(u8 *m, u32 p, u32 x);
    u8 code[CODE_MAX];
    u32 size;
} folds[] = {
#define FOLD(name, expression, ...) \
    {name, WANT, {__VA_ARGS__}, sizeof((u8[]){__VA_ARGS__})},
#include "test/x64/exec_fold.def"
};

static void
make_module(struct exec_module *m)
{
    struct exec_bytes b = {0};

    bytes_list(&b, WASM_LOCAL_GET, 0, WASM_LOCAL_GET, 1, WASM_I32_STORE, 0, 4,
               WASM_LOCAL_GET, 1);
    exec_module_add(m, "ii:i", "", &b);
    for (u32 i = 0; i < COUNT(folds); i++) {
        bytes_put(&b, folds[i].code, folds[i].size);
        exec_module_add(m, "ii:i", "ii", &b);
    }
    free(b.ptr);
}

static void
check_fold(struct exec *e, u32 i, u32 p, u32 x, u32 seed)
{
    u64 slots[2][2] = {{p}, {x}};
    u8 memory[SIZE];

    for (u32 k = 0; k < SIZE; k++)
        memory[k] = seed == 0 ? 0 : (u8)(k * seed + (seed >> 3));
    memcpy(e->memories[0].base, memory, SIZE);
    u32 want = folds[i].want(memory, p, x);
    enum trap trap = exec_call(e, 1 + i, slots);
    if (trap == TRAP_NONE && slots[0][0] == want &&
        memcmp(memory, e->memories[0].base, SIZE) == 0)
        return;
    printf("%s, p = %u, x = %#x: %s\n", folds[i].name, p, x, trap_text(trap));
    test_failed(__FILE__, __LINE__, folds[i].name, (i64)slots[0][0], want);
}

static void
check_folds(struct exec_options options)
{
    static const u32 values[] = {0,   1,    2,      5,          15,
                                 128, 1000, 0x8000, 0x7fffffff, 0xfffffffe};
    static const u32 seeds[] = {0, 1, 37, 129, 255};
    struct exec_module m = {.pages = 1};
    struct exec e;
    enum trap trap;

    exec_init();
    make_module(&m);
    EXPECT_EQ(exec_new_bytes(&e, exec_module_finish(&m), &options, &trap), OK);
    for (u32 i = 0; i < COUNT(folds); i++)
        for (u32 p = 0; p < 200; p += 9)
            for (u32 v = 0; v < COUNT(values); v++)
                for (u32 s = 0; s < COUNT(seeds); s++)
                    check_fold(&e, i, p, values[v], seeds[s]);
    exec_free(&e);
}

TEST(exec_folds)
{
    check_folds((struct exec_options){.features = cpu_features_detect()});
}

TEST(exec_folds_plain)
{
    check_folds((struct exec_options){.features = CPU_SSE41, .plain = true});
}

// The first of two traps is the one that happens.
TEST(exec_trap_order)
{
    struct exec_options options = {.features = cpu_features_detect()};
    struct exec_module m = {.pages = 1};
    struct exec_bytes b = {0};
    struct exec e;
    enum trap trap;
    u64 slots[2][2] = {{65536}, {0}};

    exec_init();
    bytes_list(&b, WASM_LOCAL_GET, 0, WASM_I32_LOAD, 0, 0, WASM_LOCAL_GET, 1,
               WASM_LOCAL_GET, 1, WASM_I32_DIV_U, WASM_I32_ADD);
    exec_module_add(&m, "ii:i", "", &b);
    bytes_list(&b, WASM_LOCAL_GET, 1, WASM_LOCAL_GET, 1, WASM_I32_DIV_U,
               WASM_LOCAL_GET, 0, WASM_I32_LOAD, 0, 0, WASM_I32_ADD);
    exec_module_add(&m, "ii:i", "", &b);
    bytes_list(&b, WASM_LOCAL_GET, 0, WASM_I32_LOAD, 0, 0, WASM_DROP,
               WASM_LOCAL_GET, 1);
    exec_module_add(&m, "ii:i", "", &b);
    free(b.ptr);
    EXPECT_EQ(exec_new_bytes(&e, exec_module_finish(&m), &options, &trap), OK);
    EXPECT_EQ(exec_call(&e, 0, slots), TRAP_MEMORY_BOUNDS);
    EXPECT_EQ(exec_call(&e, 1, slots), TRAP_DIVIDE_BY_ZERO);
    EXPECT_EQ(exec_call(&e, 2, slots), TRAP_MEMORY_BOUNDS);
    exec_free(&e);
}
