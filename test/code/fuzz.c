// test/code/fuzz.c: whatever is in a code file, reader, decoder and verifier
// come to an end, touch nothing else (ASan), and say why they refuse it.
//
// Files are changed at random places, with a fixed seed, and signed again, or
// the reader would look no further.  SOAK=1 does a hundred times as many.

#include "test/test.h"
#include "test/wasm/help.h"

#include "compile/compile.h"
#include "verify/decode.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 100000, FILES_SOAK = 100 * FILES, ROOM = 64 * MIB };
enum { FEATURES = CPU_SSE41 | CPU_BMI1 };

// The first is that of file.c; the second has tables, switches, globals,
// indirect and tail calls, loops, a handler, memory.grow.
static const char *const modules[] = {
    "0061736d01000000010a0260017f0060017f017f02070101610162000003"
    "02010105030100010d030100000a17011500067f20001000200028020020"
    "0010016d07000b0b",
    "0061736d0100000001160460027f7e017e60027f7c017f60017e0060017f"
    "017e0207010161016600010304030000030404017000030504010101020d"
    "03010002060b027e0142050b7f0041090b07050101780003090801004100"
    "0b0201020a6e032201017f0340200220002d00036a2102200241e807490d"
    "000b2002230020001100000b2d0002400240024020000e05000102010002"
    "0b20012000ad800f0b200124000b067e20002001b91000ac07000b0b1b00"
    "200020004000420710013703002301200029030041011300000b",
};

static struct arena keep, temp, text;

static struct bytes
make_file(const char *hex)
{
    const struct compile_options options = {.features = FEATURES,
                                            .dump_func = NO_INDEX};
    struct error error = {OK, 0, NULL};
    struct bytes file = {NULL, 0};
    struct build wasm = {0};
    struct module m;
    struct code code;

    build_hex(&wasm, hex);
    EXPECT_EQ(module_decode(&m, build_result(&wasm), &keep, &error), OK);
    EXPECT_EQ(module_compile(&code, &m, &options, &text, &keep, &temp, &error),
              OK);
    file.size = code_file_write(file, &code, &m, FEATURES);
    file.ptr = malloc(file.size);
    EXPECT(file.ptr != NULL);
    code_file_write(file, &code, &m, FEATURES);
    build_free(&wasm);
    return file;
}

// --- changes -----------------------------------------------------------------

static u64 state = 1;

static u64
next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static u64
below(u64 count)
{
    return next_random() % count;
}

static void
change(struct bytes *file)
{
    static const u32 words[] = {0,          1,         2,          0x7f,
                                0xff,       0xffff,    0x7fffffff, 0x80000000,
                                0xfffffff0, 0xffffffff};
    u64 at = below(file->size), from = below(file->size);
    u64 left = file->size - MAX(at, from), size = 1 + below(24);

    switch (below(6)) {
    case 0:
        file->ptr[at] ^= (u8)(1 << below(8));
        break;
    case 1:
        file->ptr[at] = (u8)next_random();
        break;
    case 2: // a number somewhere
        at = at & ~3ull;
        memcpy(file->ptr + at, &words[below(COUNT(words))], 4);
        break;
    case 3: // a number is a little other
        file->ptr[at & ~3ull] += (u8)(below(9) - 4);
        break;
    case 4: // a piece of it elsewhere
        memmove(file->ptr + at, file->ptr + from, MIN(left, size));
        break;
    default: // a size in the header
        memcpy(file->ptr + 32 + 4 * below(11), &words[below(COUNT(words))], 4);
    }
}

// A copy, which ends where it ends, changed in a few places; now and then cut
// off.
static struct bytes
changed(struct bytes file)
{
    struct bytes b = {malloc(file.size), file.size};

    EXPECT(b.ptr != NULL);
    memcpy(b.ptr, file.ptr, file.size);
    for (u64 i = 1 + below(3); i > 0; i--)
        change(&b);
    memcpy(b.ptr, file.ptr, below(16) == 0 ? 0 : 24); // else all end there
    if (below(32) == 0) {
        b.size = below(b.size);
        b.ptr = realloc(b.ptr, b.size + 1);
        EXPECT(b.ptr != NULL);
    }
    return b;
}

// --- what becomes of it ------------------------------------------------------

enum fate { UNREAD, UNDECODED, UNFIT, REFUSED, ACCEPTED, FATES };

static enum fate
judge_file(const struct code_file *f, const struct module *m,
           struct error *error)
{
    struct verify_error refused;
    struct code code;
    char words[256];

    if (code_file_code(&code, f, m, &keep, error) != OK)
        return UNFIT;
    status_t status =
        module_compile_verify(&code, m, FEATURES, &temp, &refused);
    if (status == OK)
        return ACCEPTED;
    EXPECT_EQ(status, ERR_INVALID);
    EXPECT(refused.rule > RULE_OK && verify_rule_text(refused.rule) != NULL);
    module_compile_words(words, sizeof(words), m, &code, &refused);
    EXPECT(strlen(words) > 20);
    return REFUSED;
}

static enum fate
read_file(struct bytes file)
{
    struct error error = {OK, 0, NULL};
    struct code_file f;
    struct module m;

    status_t status = code_file_open(&f, file, FEATURES, &temp, &error);
    if (status != OK) {
        EXPECT(status == ERR_MALFORMED || status == ERR_UNSUPPORTED);
        EXPECT(error.what != NULL);
        return UNREAD;
    }
    if (module_decode(&m, f.module, &keep, &error) != OK)
        return UNDECODED;
    return judge_file(&f, &m, &error);
}

TEST(code_file_fuzzed)
{
    bool soaks = getenv("SOAK") != NULL;
    u64 count = soaks ? FILES_SOAK : FILES, fates[FATES] = {0};

    if (soaks)
        alarm(10 * 3600);
    keep = arena_make(ROOM);
    temp = arena_make(ROOM);
    text = arena_make(ROOM);
    for (u32 k = 0; k < COUNT(modules); k++) {
        struct bytes file = make_file(modules[k]);
        u64 keep_mark = arena_mark(&keep), temp_mark = arena_mark(&temp);

        EXPECT_EQ(read_file(file), ACCEPTED);
        for (u64 i = k; i < count; i += COUNT(modules)) {
            struct bytes b = changed(file);
            if (below(64) != 0)
                code_file_sign(b);
            arena_reset(&keep, keep_mark);
            arena_reset(&temp, temp_mark);
            fates[read_file(b)]++;
            free(b.ptr);
        }
        free(file.ptr);
    }
    for (u32 i = UNREAD; i < FATES; i++)
        EXPECT(fates[i] > 0);
    arena_drop(&keep);
    arena_drop(&temp);
    arena_drop(&text);
}
