// test/wasm/dwarf_versions.c: lines of source from .debug_line: tables of each
// version, made by hand.

#include "test/wasm/help.h"

#include <stdlib.h>

enum { CODE_AT = 0x40 };

// One file, a.c in the folder d; rows: 0x10 line 3, 0x14 line 8, 0x18 line 9,
// end at 0x20.
#define ADDRESS 0, 5, 2, 0x10, 0, 0, 0 // DW_LNE_set_address
#define PROGRAM                                                  \
    ADDRESS, 3, 2, 1, 2, 4, 3, 5, 1, /* advance, copy twice */   \
        13 + 4 * 14 + 6,             /* address + 4, line + 1 */ \
        2, 8, 0, 1, 1                /* advance, DW_LNE_end_sequence */
#define OPERANDS 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1

static const u8 version2[] = {
    55, 0,        0,   0, 2, 0,   28,  0,   0, 0, 1, 1, 0xfb, 14,
    13, OPERANDS, 'd', 0, 0, 'a', '.', 'c', 0, 1, 0, 0, 0,    PROGRAM,
};

static const u8 version4[] = {
    56, 0,        0,   0, 4, 0,   29,  0,   0, 0, 1, 1, 1, 0xfb,    14,
    13, OPERANDS, 'd', 0, 0, 'a', '.', 'c', 0, 1, 0, 0, 0, PROGRAM,
};

// Names in .debug_line_str; file 0 is the unit's own, as is file 1.
static const u8 version5[] = {
    71,      0,        0,    0, 5,    0, 4, 0, 42, 0, 0, 0, 1, 1, 1, 0xfb, 14,
    13,      OPERANDS, 1,    1, 0x1f, 1, 0, 0, 0,  0, // directories
    2,       1,        0x1f, 2, 0x0b, 2, 2, 0, 0,  0, 0, 2, 0, 0, 0, 0, // files
    PROGRAM,
};
static const u8 strings[] = {'d', 0, 'd', '/', 'a', '.', 'c', 0};

static const struct {
    const u8 *bytes;
    u32 size;
} tables[] = {
    {version2, sizeof(version2)},
    {version4, sizeof(version4)},
    {version5, sizeof(version5)},
};

static struct module
module_of(const u8 *bytes, u64 size)
{
    return (struct module){
        .debug_line = {(u8 *)(u64)bytes,   size           },
        .debug_line_str = {(u8 *)(u64)strings, sizeof(strings)},
        .code_at = CODE_AT,
    };
}

// The line at an address, 0: none.
static u64
line_at(const struct module *m, u64 address)
{
    struct source_line line;

    if (!line_of(m, CODE_AT + address, &line))
        return 0;
    EXPECT(string_equal(line.file, STRING("a.c")));
    return line.line;
}

TEST(wasm_dwarf_versions)
{
    for (u32 i = 0; i < COUNT(tables); i++) {
        struct module m = module_of(tables[i].bytes, tables[i].size);
        EXPECT_EQ(line_at(&m, 0x0f), 0);
        EXPECT_EQ(line_at(&m, 0x10), 3);
        EXPECT_EQ(line_at(&m, 0x13), 3);
        EXPECT_EQ(line_at(&m, 0x14), 8);
        EXPECT_EQ(line_at(&m, 0x18), 9);
        EXPECT_EQ(line_at(&m, 0x1f), 9);
        EXPECT_EQ(line_at(&m, 0x20), 0);
        struct source_line line;
        EXPECT(!line_of(&m, CODE_AT - 1, &line));
    }
}

// Ask for a few addresses; the sanitizers watch.
static void
probe(const u8 *bytes, u32 size)
{
    struct module m = module_of(bytes, size);
    struct source_line line;

    for (u64 address = 0; address < 0x40; address += 8)
        if (line_of(&m, CODE_AT + address, &line))
            EXPECT(line.file.len > 0);
}

TEST(wasm_dwarf_versions_lies)
{
    for (u32 i = 0; i < COUNT(tables); i++) {
        u32 size = tables[i].size;
        for (u32 cut = 0; cut < size; cut++) {
            u8 *copy = malloc(MAX(cut, 1));
            memcpy(copy, tables[i].bytes, cut);
            probe(copy, cut);
            free(copy);
        }
        u8 *copy = malloc(size);
        memcpy(copy, tables[i].bytes, size);
        for (u32 at = 0; at < size; at++)
            for (u32 byte = 0; byte < 256; byte++) {
                copy[at] = (u8)byte;
                probe(copy, size);
                copy[at] = tables[i].bytes[at];
            }
        free(copy);
    }
}
