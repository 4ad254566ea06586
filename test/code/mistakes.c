// test/code/mistakes.c: the mistakes of code/mistakes.def, one at a time: the
// verifier refuses what the compiler makes with them, and nothing else.

#include "test/test.h"
#include "test/wasm/help.h"

#include "compile/compile.h"

#include <string.h>

enum { SIZE = 8 * MIB };

// Each has functions for some of the mistakes.
static const char *const modules[] = {
    // (type $one (func (param i32) (result i32)))
    // (type $two (func (param i64) (result i32)))
    // (import "a" "f" (func $f (type $one)))
    // (table 3 9 funcref) (memory 1) (tag $e (param i32))
    //     i32.load of: i32.wrap_i64; what $f returns; what memory.grow returns;
    //         a parameter, with offset 0x90000000
    //     call_indirect $two; table.get; br_table of 8
    //     try: a call with 2 arguments on the stack and a load; catch $e; the
    //         callee throws
    //     10 i32 over a call of $f, then i32.load of each
    "0061736d01000000012a0660017f017f60017e017f60017f0060017f0170"
    "60087f7f7f7f7f7f7f7f017f60067f7f7f7f7f7f017f0207010161016600"
    "00030b0a010000000003000004050405017001030905030100010d030100"
    "020907010041000b01010a84020a08002000a72802000b09002000100028"
    "02000b0900200040002802000b0b002000280280808080090b0900420120"
    "001101000b0600200025000b3d0002400240024002400240024002400240"
    "20000e0700010203040506070b410a0f0b410b0f0b410c0f0b410d0f0b41"
    "0e0f0b410f0f0b41100f0b41110b2200067f200020002000200020002000"
    "20002000100920002802006a07002802000b0b0600200708000b6001047f"
    "200028020021062001280200210720022802002108200328020021092005"
    "10001a200628020020072802002008280200200928020020002802002001"
    "28020020022802002003280200200428020020052802006a6a6a6a6a6a6a"
    "6a6a0b",
    // (memory i64 1) (memory 1): i64.load of each, the second with offset 5
    "0061736d01000000010b0260017e017e60017f017e030302000105050204"
    "0100010a1202070020002903000b08002000294301050b",
    // (type $s (struct (field (mut (ref null $s))) (field (mut i32))))
    //     struct.get of what struct.get gives; of a cast externref; call_ref
    //     by a type that may have subtypes
    "0061736d010000000120055f026300017f01500060017f017f6001630001"
    "7f60016f017f60016301017f0304030203040a25030c002000fb020000fb"
    "0200010b0d002000fb1afb1600fb0200010b08004101200014010b",
};

static const struct {
    const char *name;
    enum code_mistake mistake;
} mistakes[] = {
#define MISTAKE(id, from, help) {#id, MISTAKE_##id},
#include "code/mistakes.def"
};

// What is said of the module's code; *hash tells codes apart.
static status_t
make_and_judge(const char *hex, bool plain, u64 *hash)
{
    const struct compile_options options = {
        .features = CPU_SSE41, .plain = plain, .dump_func = NO_INDEX};
    const struct hash_key key = {
        {1, 2}
    };
    struct arena keep = arena_make(SIZE), temp = arena_make(SIZE),
                 text = arena_make(SIZE);
    struct error error = {OK, 0, NULL};
    struct verify_error refused;
    struct build wasm = {0};
    struct module m;
    struct code code;

    build_hex(&wasm, hex);
    EXPECT_EQ(module_decode(&m, build_result(&wasm), &keep, &error), OK);
    EXPECT_EQ(module_compile(&code, &m, &options, &text, &keep, &temp, &error),
              OK);
    struct bytes file = {
        NULL, code_file_write((struct bytes){NULL, 0}, &code, &m, CPU_SSE41)};
    file.ptr = arena_alloc(&keep, file.size, 8);
    EXPECT(file.ptr != NULL);
    code_file_write(file, &code, &m, CPU_SSE41);
    *hash = hash_bytes(&key, file.ptr, file.size);
    status_t status =
        module_compile_verify(&code, &m, CPU_SSE41, &temp, &refused);
    build_free(&wasm);
    arena_drop(&keep);
    arena_drop(&temp);
    arena_drop(&text);
    return status;
}

// How many of the modules are refused with the mistake: others are as without.
static u32
count_refused(enum code_mistake mistake)
{
    u64 right, wrong;
    u32 count = 0;

    for (u32 i = 0; i < 2 * COUNT(modules); i++) {
        const char *hex = modules[i / 2];

        code_mistake = MISTAKE_NONE;
        EXPECT_EQ(make_and_judge(hex, i % 2, &right), OK);
        code_mistake = mistake;
        status_t status = make_and_judge(hex, i % 2, &wrong);
        code_mistake = MISTAKE_NONE;
        EXPECT(status == OK || status == ERR_INVALID);
        EXPECT(status == OK || right != wrong);
        count += status == ERR_INVALID;
    }
    return count;
}

TEST(code_mistakes_are_refused)
{
    for (u32 i = 0; i < COUNT(mistakes); i++)
        if (count_refused(mistakes[i].mistake) == 0)
            test_failed(__FILE__, __LINE__, mistakes[i].name, 0, 1);
}
