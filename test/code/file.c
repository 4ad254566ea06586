// test/code/file.c: code files: what is written is read again, and of what was
// cut off, changed or made by others nothing is believed.

#include "test/test.h"
#include "test/wasm/help.h"

#include "compile/compile.h"

#include <stdlib.h>
#include <string.h>

// A call of an import and of itself, a load, a division, a handler:
//
//     (import "a" "b" (func (param i32))) (memory 1) (tag (param i32))
//     (func (param i32) (result i32)
//       (try (result i32) (do
//         (call 0 (local.get 0))
//         (i32.div_s (i32.load (local.get 0)) (call 1 (local.get 0))))
//         (catch 0)))
static const char hex[] =
    "0061736d01000000010a0260017f0060017f017f02070101610162000003"
    "02010105030100010d030100000a17011500067f20001000200028020020"
    "0010016d07000b0b";

enum { SIZE = 4 * MIB, ROOM = 1024, FEATURES = CPU_SSE41 | CPU_BMI1 };

static struct arena keep, temp, text;
static struct module module;
static struct code code;
static u64 room[ROOM / 8];
static struct bytes file = {(u8 *)room, 0};
static struct build wasm;

static void
make_file(void)
{
    struct compile_options options = {.features = FEATURES,
                                      .dump_func = NO_INDEX};
    struct error error = {OK, 0, NULL};

    build_hex(&wasm, hex);
    keep = arena_make(SIZE);
    temp = arena_make(SIZE);
    text = arena_make(SIZE);
    EXPECT_EQ(module_decode(&module, build_result(&wasm), &keep, &error), OK);
    EXPECT_EQ(
        module_compile(&code, &module, &options, &text, &keep, &temp, &error),
        OK);
    memset(room, 0xaa, sizeof(room));
    file.size =
        code_file_write((struct bytes){NULL, 0}, &code, &module, FEATURES);
    EXPECT(file.size + 8 <= ROOM);
    EXPECT_EQ(code_file_write(file, &code, &module, FEATURES), file.size);
}

static void
drop(void)
{
    build_free(&wasm);
    arena_drop(&keep);
    arena_drop(&temp);
    arena_drop(&text);
}

// Signed as it is now, so that a change is not seen by that.
static status_t
open_as(u64 size, u32 features)
{
    struct error error = {OK, 0, NULL};
    struct code_file f;
    struct bytes bytes = {malloc(size), size}; // ASan knows its end

    memcpy(bytes.ptr, file.ptr, size);
    code_file_sign(bytes);
    status_t status = code_file_open(&f, bytes, features, &temp, &error);
    EXPECT_EQ(status, error.status);
    EXPECT((status == OK) == (error.what == NULL));
    free(bytes.ptr);
    return status;
}

static bool
same(struct code_part a, struct code_part b)
{
    return a.size == b.size &&
           (a.size == 0 || memcmp(a.ptr, b.ptr, a.size) == 0);
}

TEST(code_file_comes_back)
{
    struct error error = {OK, 0, NULL};
    struct code_file f;
    struct module again;
    struct code read;
    struct code_part was[CODE_TABLES], is[CODE_TABLES];

    make_file();
    EXPECT(code_file_is(file));
    EXPECT_EQ(code_file_open(&f, file, FEATURES, &temp, &error), OK);
    EXPECT(same((struct code_part){f.module.ptr, f.module.size},
                (struct code_part){module.bytes, module.size}));
    EXPECT_EQ(module_decode(&again, f.module, &keep, &error), OK);
    EXPECT_EQ(code_file_code(&read, &f, &again, &keep, &error), OK);
    EXPECT(same((struct code_part){read.text, read.size},
                (struct code_part){code.text, code.size}));
    code_tables(was, &code, &module);
    code_tables(is, &read, &again);
    for (u32 i = 0; i < CODE_TABLES; i++) {
        EXPECT(was[i].size > 0 || i == CODE_TABLE_heads);
        EXPECT(same(was[i], is[i]));
    }
    EXPECT_EQ(
        memcmp(read.sizes, code.sizes, module.type_count * sizeof(*code.sizes)),
        0);
    drop();
}

TEST(code_file_of_another_module)
{
    struct error error = {OK, 0, NULL};
    struct code_file f;
    struct code read;
    struct module other;

    make_file();
    EXPECT_EQ(code_file_open(&f, file, FEATURES, &temp, &error), OK);
    other = module;
    other.func_count++;
    EXPECT_EQ(code_file_code(&read, &f, &other, &keep, &error), ERR_MALFORMED);
    drop();
}

TEST(code_file_for_other_cpus)
{
    make_file();
    EXPECT_EQ(open_as(file.size, FEATURES | CPU_AVX), OK);
    EXPECT_EQ(open_as(file.size, CPU_SSE41), ERR_UNSUPPORTED);
    file.ptr[8]++; // version
    EXPECT_EQ(open_as(file.size, FEATURES), ERR_UNSUPPORTED);
    file.ptr[8]--;
    file.ptr[16]++; // compiler
    EXPECT_EQ(open_as(file.size, FEATURES), ERR_UNSUPPORTED);
    drop();
}

// Cut off anywhere; with something behind it.
TEST(code_file_cut_off)
{
    make_file();
    for (u64 size = 0; size < file.size; size++)
        EXPECT_EQ(open_as(size, FEATURES), ERR_MALFORMED);
    memset(file.ptr + file.size, 0, 8);
    EXPECT_EQ(open_as(file.size + 8, FEATURES), ERR_MALFORMED);
    drop();
}

// Each byte of the header, with values that make sums wrap.
TEST(code_file_sizes)
{
    enum { SIZES = 32 }; // where they begin
    u32 refused = 0;
    u64 was[ROOM / 8];

    make_file();
    memcpy(was, room, ROOM);
    for (u64 at = SIZES; at < SIZES + 16 + 4 * CODE_TABLES; at++) {
        for (u32 value = 0; value < 256; value++) {
            file.ptr[at] = (u8)value;
            refused += open_as(file.size, FEATURES) == ERR_MALFORMED;
        }
        memset(file.ptr + (at & ~7ull), 0xff, 8);
        EXPECT_EQ(open_as(file.size, FEATURES), ERR_MALFORMED);
        memcpy(room, was, ROOM);
    }
    EXPECT(refused > 250 * (16 + 4 * CODE_TABLES));
    drop();
}

// Between the parts are zeros.
TEST(code_file_gaps)
{
    make_file();
    u64 gap = 32 + 16 + ALIGN_UP(4 * CODE_TABLES, 8) + module.size;
    EXPECT(gap % 8 != 0);
    EXPECT_EQ(file.ptr[gap], 0);
    file.ptr[gap] = 1;
    EXPECT_EQ(open_as(file.size, FEATURES), ERR_MALFORMED);
    drop();
}

// Any bit that is not as it was written is seen.
TEST(code_file_damaged)
{
    struct error error;
    struct code_file f;

    make_file();
    for (u64 bit = 0; bit < 8 * file.size; bit++) {
        file.ptr[bit / 8] ^= (u8)(1 << bit % 8);
        error = (struct error){OK, 0, NULL};
        EXPECT(code_file_open(&f, file, FEATURES, &temp, &error) != OK);
        file.ptr[bit / 8] ^= (u8)(1 << bit % 8);
    }
    error = (struct error){OK, 0, NULL};
    EXPECT_EQ(code_file_open(&f, file, FEATURES, &temp, &error), OK);
    drop();
}

static bool
refuse_all(struct arena *arena, u64 from, u64 to)
{
    (void)arena, (void)from, (void)to;
    return false;
}

TEST(code_file_killed)
{
    struct error error = {OK, 0, NULL};
    struct arena none = {.commit = refuse_all};
    struct code_file f;

    make_file();
    EXPECT_EQ(code_file_open(&f, file, FEATURES, &none, &error), ERR_KILLED);
    drop();
}

// The module alone, whoever compiled it for which CPU.
TEST(code_file_module_alone)
{
    struct error error = {OK, 0, NULL};
    struct arena none = {.commit = refuse_all};
    struct bytes found = {NULL, 0};

    make_file();
    file.ptr[12] = 0xff; // features
    file.ptr[16]++;      // compiler
    EXPECT_EQ(code_file_module(&found, file, &temp, &error), ERR_MALFORMED);
    code_file_sign(file);
    EXPECT_EQ(open_as(file.size, FEATURES), ERR_UNSUPPORTED);
    EXPECT_EQ(code_file_module(&found, file, &temp, &error), OK);
    EXPECT_EQ(found.size, module.size);
    EXPECT_EQ(memcmp(found.ptr, module.bytes, module.size), 0);
    EXPECT_EQ(code_file_module(&found, file, &none, &error), ERR_KILLED);
    file.ptr[8]++; // version
    code_file_sign(file);
    EXPECT_EQ(code_file_module(&found, file, &temp, &error), ERR_UNSUPPORTED);
    drop();
}

// Of a file that is known, only its parts are looked for.
TEST(code_file_known)
{
    struct error error = {OK, 0, NULL};
    struct code_file f;

    make_file();
    file.ptr[24] ^= 1; // the hash
    EXPECT_EQ(code_file_open(&f, file, FEATURES, &temp, &error), ERR_MALFORMED);
    error = (struct error){OK, 0, NULL};
    EXPECT_EQ(code_file_open_known(&f, file, FEATURES, &error), OK);
    EXPECT_EQ(f.module.size, module.size);
    EXPECT_EQ(code_file_open_known(&f, file, CPU_SSE41, &error),
              ERR_UNSUPPORTED);
    file.size -= 8;
    EXPECT_EQ(code_file_open_known(&f, file, FEATURES, &error), ERR_MALFORMED);
    file.size += 8;
    drop();
}
