// test/wasm/dwarf.c: lines of programs: what clang wrote for this function at
// -O1, linked alone, and damaged versions of it.
//
//     int f(volatile int *p)      // line 1
//     {
//         int a = *p;
//         return a /
//                *p;
//     }

#include "test/wasm/help.h"

#include <stdlib.h>
#include <string.h>

static const u8 line_4[] = {
    0x40, 0x00, 0x00, 0x00, 0x04, 0x00, 0x1f, 0x00, 0x00, 0x00, 0x01, 0x01,
    0x01, 0xfb, 0x0e, 0x0d, 0x00, 0x01, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x00, 0x01, 0x00, 0x64, 0x77, 0x67, 0x65, 0x6e, 0x2e, 0x63,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0x02, 0x02, 0x00, 0x00, 0x00,
    0x13, 0x05, 0x0d, 0x0a, 0x21, 0x05, 0x0c, 0x5a, 0x05, 0x0e, 0x57, 0x05,
    0x05, 0x06, 0x20, 0x02, 0x01, 0x00, 0x01, 0x01,
};

static const u8 line_5[] = {
    0x5c, 0x00, 0x00, 0x00, 0x05, 0x00, 0x04, 0x00, 0x37, 0x00, 0x00, 0x00,
    0x01, 0x01, 0x01, 0xfb, 0x0e, 0x0d, 0x00, 0x01, 0x01, 0x01, 0x01, 0x00,
    0x00, 0x00, 0x01, 0x00, 0x00, 0x01, 0x01, 0x01, 0x1f, 0x01, 0x00, 0x00,
    0x00, 0x00, 0x03, 0x01, 0x1f, 0x02, 0x0f, 0x05, 0x1e, 0x01, 0x05, 0x00,
    0x00, 0x00, 0x00, 0xd1, 0x2e, 0x5c, 0x15, 0xe1, 0xfa, 0xa0, 0x10, 0x7e,
    0x22, 0x9b, 0x3d, 0x57, 0xc5, 0x53, 0x1c, 0x04, 0x00, 0x00, 0x05, 0x02,
    0x02, 0x00, 0x00, 0x00, 0x13, 0x05, 0x0d, 0x0a, 0x21, 0x05, 0x0c, 0x5a,
    0x05, 0x0e, 0x57, 0x05, 0x05, 0x06, 0x20, 0x02, 0x01, 0x00, 0x01, 0x01,
};

static const u8 line_str_5[] = {
    0x2f, 0x74, 0x6d, 0x70, 0x00, 0x64, 0x77,
    0x67, 0x65, 0x6e, 0x2e, 0x63, 0x00,
};

static const struct {
    const u8 *line, *line_str;
    u64 line_size, line_str_size;
} programs[] = {
    {line_4, NULL,       sizeof(line_4), 0                 },
    {line_5, line_str_5, sizeof(line_5), sizeof(line_str_5)},
};

static const u8 code_at = 40; // anything

// A module that has only these sections, copies on the heap.
static struct module
module_of(u32 program, u64 line_size)
{
    struct module m = {.code_at = code_at};
    u64 str_size = programs[program].line_str_size;

    m.debug_line = (struct bytes){malloc(line_size + 1), line_size};
    memcpy(m.debug_line.ptr, programs[program].line, line_size);
    if (str_size > 0) {
        m.debug_line_str = (struct bytes){malloc(str_size), str_size};
        memcpy(m.debug_line_str.ptr, programs[program].line_str, str_size);
    }
    return m;
}

static void
free_module(struct module *m)
{
    free(m->debug_line.ptr);
    free(m->debug_line_str.ptr);
}

TEST(dwarf_lines)
{
    static const u8 lines[] = {0, 0, 2, 3, 3, 3, 3, 3, 5, 5, 5, 5, 5, 4, 4, 0};

    for (u32 p = 0; p < COUNT(programs); p++) {
        struct module m = module_of(p, programs[p].line_size);
        for (u32 at = 0; at < COUNT(lines); at++) {
            struct source_line line = {STRING(""), 0};
            bool found = line_of(&m, code_at + at, &line);
            EXPECT_EQ(found, lines[at] != 0);
            EXPECT_EQ(line.line, lines[at]);
            if (found)
                EXPECT(string_equal(line.file, STRING("dwgen.c")));
        }
        free_module(&m);
    }
}

TEST(dwarf_no_lines)
{
    struct module m = {.code_at = code_at};
    struct source_line line;

    EXPECT(!line_of(&m, code_at + 2, &line));
}

// Cut anywhere, or with any byte changed: no harm.
TEST(dwarf_damaged)
{
    struct source_line line;

    for (u32 p = 0; p < COUNT(programs); p++) {
        for (u64 size = 0; size < programs[p].line_size; size++) {
            struct module m = module_of(p, size);
            EXPECT(!line_of(&m, code_at + 3, &line));
            free_module(&m);
        }
        for (u64 at = 0; at < programs[p].line_size; at++) {
            struct module m = module_of(p, programs[p].line_size);
            u8 good = m.debug_line.ptr[at];
            for (u32 bad = 0; bad < 256; bad++) {
                m.debug_line.ptr[at] = (u8)bad;
                bool found = line_of(&m, code_at + 3, &line);
                if (bad == good)
                    EXPECT(found);
            }
            free_module(&m);
        }
    }
}

// A unit that ends in its own tables of files, which go on behind it: they are
// not read, whatever number of file the row has.
TEST(dwarf_tables_end_with_the_unit)
{
    static const u8 head[] = {
        0x00, 0x00, 0x00, 0x00, 0x05, 0x00, 0x08, 0x00, // version 5
        0xce, 0x00, 0x00, 0x00,                         // program: in lengths
        0x01, 0x01, 0x01, 0xff, 0x01, 200,
    };
    static const u8 tables[] = {
        0, 0, 1, 1, 8, 0xff, 0xff, 0xff, 0xff, 0x0f, 'A', 0, 'A', 0, 'A', 0,
    };
    static const u32 files[] = {0, 1, 5, 20, 100000, 1 << 27};

    for (u32 i = 0; i < COUNT(files); i++) {
        u8 program[] = {4, 0x80, 0x80, 0x80, 0x80, 0x00, 1, 2, 0x7f, 1};
        struct module m = {.code_at = code_at};
        struct source_line line;
        u64 size = sizeof(head) + 199 + sizeof(tables);
        m.debug_line = (struct bytes){calloc(size, 1), size};
        u8 *at = m.debug_line.ptr, *lengths = at + sizeof(head);
        memcpy(at, head, sizeof(head));
        // All operands are of DW_LNS_set_file; the rest has none.
        for (u32 k = 0; k < 4; k++)
            program[1 + k] = (u8)(files[i] >> (7 * k)) | 0x80;
        memcpy(lengths, program, sizeof(program));
        memcpy(lengths + 199, tables, sizeof(tables));
        u32 end = (u32)sizeof(head) + sizeof(program);
        at[0] = (u8)(end - 4);
        at[8] = (u8)(sizeof(head) - 12);
        EXPECT(!line_of(&m, code_at + 3, &line));
        free(at);
    }
}

// The same of the name section: a map longer than its section, names longer
// than their map, more names than bytes.
TEST(names_end_with_their_map)
{
    static const u8 sections[][8] = {
        {1, 0xff, 0xff, 0x7f, 1,    0,    1,   'a'},
        {1, 4,    1,    0,    4,    'a',  'b', 'c'},
        {1, 6,    0xff, 0x7f, 7,    1,    'a', 1  },
        {1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1,   0  },
        {1, 2,    1,    0,    1,    'a',  'b', 'c'},
    };

    for (u32 i = 0; i < COUNT(sections); i++)
        for (u64 size = 0; size <= sizeof(sections[i]); size++) {
            struct module m = {
                .names = {malloc(size + 1), size}
            };
            u8 *bytes = m.names.ptr + 1; // at the end of its block
            memcpy(bytes, sections[i], size);
            m.names.ptr = bytes;
            EXPECT_EQ(module_func_name(&m, 0).len, 0);
            free(bytes - 1);
        }
}

// All places at once: the same as one after the other.
TEST(dwarf_places_at_once)
{
    for (u32 p = 0; p < COUNT(programs); p++) {
        struct module m = module_of(p, programs[p].line_size);
        struct code_place places[16];
        for (u32 k = 0; k < COUNT(places); k++)
            places[k] = (struct code_place){.at = code_at + k * 7 % 16};
        module_lines(&m, places, COUNT(places), NULL);
        for (u32 k = 0; k < COUNT(places); k++) {
            struct source_line line = {STRING(""), 0};
            bool found = line_of(&m, places[k].at, &line);
            EXPECT_EQ(places[k].file.len > 0, found);
            if (found)
                EXPECT_EQ(places[k].line, line.line);
        }
        free_module(&m);
    }
}

// A report does not read without end: a unit counts up to DESCRIBE_MAX bytes,
// and is not found behind them.
TEST(dwarf_bounded)
{
    const u64 unit = sizeof(line_4);

    for (u32 behind = 0; behind < 2; behind++) {
        u64 before = DESCRIBE_MAX - unit + behind, size = before + unit;
        struct module m = {.code_at = code_at};
        struct source_line line;
        u32 length = (u32)before - 4;
        m.debug_line = (struct bytes){calloc(size, 1), size};
        memcpy(m.debug_line.ptr, &length, sizeof(length)); // version 0
        memcpy(m.debug_line.ptr + before, line_4, unit);
        EXPECT_EQ(line_of(&m, code_at + 3, &line), behind == 0);
        free(m.debug_line.ptr);
    }
}

static u32 asked, asked_most;

static bool
is_stopped(void)
{
    return ++asked >= asked_most;
}

// A unit of 8 MiB that says nothing but its first bytes.
static struct module
long_module(void)
{
    const u64 size = 8 * MIB, unit = sizeof(line_4);
    struct module m = {.code_at = code_at};
    u32 length = (u32)size - 4;

    m.debug_line = (struct bytes){malloc(size), size};
    memset(m.debug_line.ptr, 6, size); // DW_LNS_negate_stmt
    memcpy(m.debug_line.ptr, line_4, unit);
    memset(m.debug_line.ptr + 42, 6, unit - 42);
    memcpy(m.debug_line.ptr, &length, sizeof(length));
    return m;
}

// Nor once for each frame: bytes are read as often for many places as for one,
// counted by how often the walk asks whether to go on.
TEST(dwarf_one_walk)
{
    struct code_place places[PLACES_MAX];
    struct module m = long_module();
    u32 spent[2];

    asked_most = UINT32_MAX;
    for (u32 many = 0; many < 2; many++) {
        u32 count = many ? PLACES_MAX : 1;
        for (u32 k = 0; k < count; k++)
            places[k] = (struct code_place){.at = code_at + k};
        asked = 0;
        module_lines(&m, places, count, is_stopped);
        spent[many] = asked;
    }
    EXPECT(spent[0] > 1000);
    EXPECT(spent[1] <= spent[0] + 1);
    free(m.debug_line.ptr);
}

// Whoever is told to stop does.
TEST(dwarf_stops)
{
    struct code_place place = {.at = code_at + 9};
    struct module m = long_module();

    asked = 0;
    asked_most = 5;
    module_lines(&m, &place, 1, is_stopped);
    EXPECT_EQ(asked, 5);
    free(m.debug_line.ptr);
}

TEST(names_stop)
{
    enum { COUNT_OF_NAMES = 1000000 };
    const u64 size = 16 + 4 * COUNT_OF_NAMES;
    struct code_place place = {.func = 0};
    struct module m = {
        .names = {calloc(size, 1), size}
    };
    u8 head[] = {1, 0, 0, 0, 0, 0, 0xc0, 0x84, 0x3d}; // a million of no letters
    u32 part = (u32)size - 6;

    for (u32 k = 0; k < 5; k++)
        head[1 + k] = (u8)((part >> 7 * k & 0x7f) | (k < 4 ? 0x80 : 0));
    memcpy(m.names.ptr, head, sizeof(head));
    asked_most = UINT32_MAX;
    asked = 0;
    module_names(&m, &place, 1, is_stopped);
    EXPECT(asked > 100);
    asked = 0;
    asked_most = 5;
    module_names(&m, &place, 1, is_stopped);
    EXPECT(asked >= 5 && asked <= 8);
    free(m.names.ptr);
}
