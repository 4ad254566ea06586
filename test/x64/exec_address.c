// test/x64/exec_address.c: addresses: however an i32 is made, an access with it
// is at its value as an unsigned number, plus the offset, without wrapping; and
// it traps exactly when that is out of bounds.  (CVE-2021-32629,
// CVE-2023-26489, CVE-2026-34987 and their kin.)

#include "test/x64/exec.h"
#include "test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGES = 2, SIZE = PAGES * 65536, CODE_MAX = 48, WAYS_MAX = 64 };

static u32
rotate_left(u32 n, u32 count)
{
    return n << count | n >> (32 - count);
}

// A way to make an i32; how large the code is, and which value it has.
static const struct way {
    const char *name;
    u8 code[CODE_MAX];
    u32 size;
} ways[] = {
#define WAY(name, value, ...) \
    {name, {__VA_ARGS__}, sizeof((u8[]){__VA_ARGS__})},
#include "test/x64/exec_address.def"
};

static u32
value_of(const struct way *way, u32 p, u64 x)
{
    const u32 values[] = {
#define WAY(name, value, ...) (u32)(value),
#include "test/x64/exec_address.def"
    };

    return values[way - ways];
}

#define P WASM_LOCAL_GET, 0
#define X WASM_LOCAL_GET, 1

static const u32 params[] = {
    0,          1,          4,          15,         16,         0x80,
    0x7fff,     0x8000,     SIZE - 4,   SIZE - 3,   SIZE,       0x20000000,
    0x3fffffff, 0x40000000, 0x7ffffffc, 0x7fffffff, 0x80000000, 0x80000001,
    0xfffffff0, 0xfffffff8, 0xfffffffc, 0xffffffff,
};

static const u32 offsets[] = {0,          4,          0xfffc,     0x7ffffffc,
                              0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};

static u8
pattern(u32 address)
{
    return (u8)(address * 7 + (address >> 8) * 3 + 1);
}

static u32
word_at(u64 address)
{
    const u8 special[] = {0x80, 0x80, 0xe0, 0xf0};
    u32 word = 0;

    for (u32 i = 0; i < 4; i++) {
        u32 at = (u32)address + i;
        u32 byte = at >= 16 && at < 20 ? special[at - 16] : pattern(at);
        word |= byte << 8 * i;
    }
    return word;
}

static void
fill_memory(struct exec *e)
{
    u8 *memory = e->memories[0].base;

    for (u32 i = 0; i < SIZE; i++)
        memory[i] = (u8)word_at(i);
}

// Function 0 is the identity; then for each way: extended to i64, and for each
// offset a load and a store of what a load gives.
static void
make_module(struct exec_module *m)
{
    struct exec_bytes b = {0};

    bytes_list(&b, P);
    exec_module_add(m, "il:i", "", &b);
    for (u32 w = 0; w < COUNT(ways); w++) {
        bytes_put(&b, ways[w].code, ways[w].size);
        bytes_op(&b, WASM_I64_EXTEND_I32_U);
        exec_module_add(m, "il:l", "i", &b);
        for (u32 o = 0; o < COUNT(offsets); o++) {
            bytes_put(&b, ways[w].code, ways[w].size);
            bytes_op(&b, WASM_I32_LOAD);
            bytes_u32(&b, 0);
            bytes_u32(&b, offsets[o]);
            exec_module_add(m, "il:i", "i", &b);
            bytes_put(&b, ways[w].code, ways[w].size);
            bytes_list(&b, WASM_I32_CONST, 42, WASM_I32_STORE8, 0);
            bytes_u32(&b, offsets[o]);
            exec_module_add(m, "il:", "i", &b);
        }
    }
    free(b.ptr);
}

static void
complain(const struct way *way, u32 p, u64 x, u64 offset, u64 got, u64 want)
{
    printf("%s, p = %#x, x = %#llx, offset %#llx\n", way->name, p,
           (unsigned long long)x, (unsigned long long)offset);
    test_failed(__FILE__, __LINE__, way->name, (i64)got, (i64)want);
}

static void
check_access(struct exec *e, const struct way *way, u32 func, u32 p, u64 x,
             u32 offset)
{
    u64 address = (u64)value_of(way, p, x) + offset;
    u64 slots[2][2] = {{p}, {x}};
    enum trap trap = exec_call(e, func, slots);
    enum trap want = address + 4 > SIZE ? TRAP_MEMORY_BOUNDS : TRAP_NONE;

    if (trap != want)
        complain(way, p, x, offset, trap, want);
    else if (trap == TRAP_NONE && slots[0][0] != word_at(address))
        complain(way, p, x, offset, slots[0][0], word_at(address));

    memcpy(slots, (u64[2][2]){{p}, {x}}, sizeof(slots));
    trap = exec_call(e, func + 1, slots);
    want = address >= SIZE ? TRAP_MEMORY_BOUNDS : TRAP_NONE;
    if (trap != want)
        complain(way, p, x, offset, trap, want);
    if (trap == TRAP_NONE && address < SIZE) {
        u8 *byte = e->memories[0].base + address;
        if (*byte != 42)
            complain(way, p, x, offset, *byte, 42);
        *byte = (u8)word_at(address);
    }
}

static void
check_way(struct exec *e, u32 w, u32 p, u64 x)
{
    const struct way *way = &ways[w];
    u32 func = 1 + w * (1 + 2 * COUNT(offsets));
    u64 slots[2][2] = {{p}, {x}};

    EXPECT_EQ(exec_call(e, func, slots), TRAP_NONE);
    if (slots[0][0] != value_of(way, p, x))
        complain(way, p, x, 0, slots[0][0], value_of(way, p, x));
    for (u32 o = 0; o < COUNT(offsets); o++)
        check_access(e, way, func + 1 + 2 * o, p, x, offsets[o]);
}

static void
check_addresses(struct exec_options options)
{
    static const u64 highs[] = {0, 0xffffffff00000000, 0x8000000100000000};
    struct exec_module m = {.pages = PAGES};
    struct exec e;
    enum trap trap;

    exec_init();
    make_module(&m);
    EXPECT_EQ(exec_new_bytes(&e, exec_module_finish(&m), &options, &trap), OK);
    e.memories[0].view.max = SIZE;
    fill_memory(&e);
    for (u32 w = 0; w < COUNT(ways); w++)
        for (u32 i = 0; i < COUNT(params); i++)
            for (u32 h = 0; h < COUNT(highs); h++)
                check_way(&e, w, params[i],
                          highs[h] | params[(i + h) % COUNT(params)]);
    exec_free(&e);
}

TEST(exec_addresses)
{
    check_addresses((struct exec_options){.features = cpu_features_detect()});
}

TEST(exec_addresses_plain)
{
    check_addresses(
        (struct exec_options){.features = CPU_SSE41, .plain = true});
}

// Many i32 with the top bit set live across a call, so most are spilled: the
// sum of them as unsigned numbers shows how they were loaded again.
TEST(exec_spilled_stay_extended)
{
    enum { LIVE = 24 };
    struct exec_options options = {.features = cpu_features_detect()};
    struct exec_module m = {.pages = 1};
    struct exec_bytes b = {0};
    char locals[LIVE + 1] = {0};
    u64 slots[2][2] = {{0}}, sum = 0;
    struct exec e;
    enum trap trap;

    exec_init();
    bytes_list(&b, P);
    exec_module_add(&m, "il:i", "", &b);
    for (u32 i = 0; i < LIVE; i++) {
        locals[i] = 'i';
        bytes_list(&b, P, WASM_I32_LOAD, 2, (u8)(4 * i));
        bytes_list(&b, WASM_LOCAL_SET, (u8)(2 + i));
    }
    bytes_list(&b, P, X, WASM_CALL, 0, WASM_DROP, X);
    for (u32 i = 0; i < LIVE; i++) {
        bytes_list(&b, WASM_LOCAL_GET, (u8)(2 + i));
        bytes_list(&b, WASM_I64_EXTEND_I32_U, WASM_I64_ADD);
    }
    exec_module_add(&m, "il:l", locals, &b);
    free(b.ptr);
    EXPECT_EQ(exec_new_bytes(&e, exec_module_finish(&m), &options, &trap), OK);
    for (u32 i = 0; i < LIVE; i++) {
        u32 value = 0x80000000 + i * 0x05050505;
        memcpy(e.memories[0].base + 4 * i, &value, 4);
        sum += value;
    }
    EXPECT_EQ(exec_call(&e, 1, slots), TRAP_NONE);
    EXPECT_EQ(slots[0][0], sum);
    exec_free(&e);
}

// --- distances of branches ---------------------------------------------------

static void
put_filler(struct exec_bytes *b, u32 count)
{
    static const u8 store[] = {WASM_I32_CONST, 0, P, WASM_I32_STORE8, 0, 0};

    for (u32 i = 0; i < count; i++)
        bytes_put(b, store, sizeof(store));
}

// A forward and a backward branch over code of every size around 127 bytes.
TEST(exec_branch_distances)
{
    static const u8 head[] = {WASM_BLOCK, 0x40, X,         WASM_I64_EQZ,
                              WASM_BR_IF, 0,    WASM_LOOP, 0x40};
    static const u8 count_down[] = {P,
                                    WASM_I32_CONST,
                                    3,
                                    WASM_I32_ADD,
                                    WASM_LOCAL_SET,
                                    0,
                                    X,
                                    WASM_I64_CONST,
                                    1,
                                    WASM_I64_SUB,
                                    WASM_LOCAL_TEE,
                                    1,
                                    WASM_I64_EQZ,
                                    WASM_I32_EQZ,
                                    WASM_BR_IF,
                                    0,
                                    WASM_END,
                                    WASM_END,
                                    P};
    struct exec_options options = {.features = cpu_features_detect()};
    struct exec_module m = {.pages = 1};
    struct exec_bytes b = {0};
    struct exec e;
    enum trap trap;

    exec_init();
    for (u32 i = 0; i < 64; i++) {
        bytes_put(&b, head, sizeof(head));
        put_filler(&b, i);
        bytes_put(&b, count_down, sizeof(count_down));
        exec_module_add(&m, "il:i", "", &b);
    }
    free(b.ptr);
    EXPECT_EQ(exec_new_bytes(&e, exec_module_finish(&m), &options, &trap), OK);
    for (u32 i = 0; i < 64; i++) {
        for (u64 x = 0; x < 4; x++) {
            u64 slots[2][2] = {{100}, {x}};
            EXPECT_EQ(exec_call(&e, i, slots), TRAP_NONE);
            EXPECT_EQ(slots[0][0], 100 + 3 * x);
        }
    }
    exec_free(&e);
}

// 65,520 targets, over more than 2 MiB of code (CVE-2026-115893).
TEST(exec_large_switch)
{
    enum { BLOCKS = 5, TARGETS = 65520, FILLER = 150000 };
    static const u64 probes[] = {0,          1,           2,       3,
                                 4,          5,           99,      32767,
                                 32768,      TARGETS - 1, TARGETS, TARGETS + 1,
                                 0x7fffffff, 0xffffffff};
    struct exec_options options = {.features = cpu_features_detect()};
    struct exec_module m = {.pages = 1};
    struct exec_bytes b = {0};
    struct exec e;
    enum trap trap;

    exec_init();
    for (u32 i = 0; i < BLOCKS; i++)
        bytes_list(&b, WASM_BLOCK, 0x40);
    bytes_list(&b, P, WASM_BR_TABLE);
    bytes_u32(&b, TARGETS);
    for (u32 i = 0; i <= TARGETS; i++)
        bytes_u32(&b, i % BLOCKS);
    for (u32 i = 0; i < BLOCKS; i++) {
        bytes_op(&b, WASM_END);
        put_filler(&b, FILLER);
        bytes_list(&b, WASM_I32_CONST, (u8)(40 + i), WASM_RETURN);
    }
    bytes_op(&b, WASM_UNREACHABLE);
    exec_module_add(&m, "il:i", "", &b);
    free(b.ptr);
    EXPECT_EQ(exec_new_bytes(&e, exec_module_finish(&m), &options, &trap), OK);
    EXPECT(e.code.size > 2 * MIB);
    for (u32 i = 0; i < COUNT(probes); i++) {
        u64 slots[2][2] = {{probes[i]}};
        EXPECT_EQ(exec_call(&e, 0, slots), TRAP_NONE);
        EXPECT_EQ(slots[0][0], 40 + MIN(probes[i], TARGETS) % BLOCKS);
    }
    exec_free(&e);
}
