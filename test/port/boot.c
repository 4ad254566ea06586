// test/port/boot.c: what boot loaders say, in both formats, and sets of ranges.

#include "port/metal/bootinfo.c"
#include "test/test.h"

static struct boot_info info;

static void
expect_ranges(const struct ranges *set, const struct range *want, u32 count)
{
    EXPECT_EQ(set->count, count);
    for (u32 i = 0; i < count && i < set->count; i++) {
        EXPECT_EQ(set->at[i].start, want[i].start);
        EXPECT_EQ(set->at[i].end, want[i].end);
    }
}

static const struct {
    bool add;
    u64 start, end;
    struct range want[4];
    u32 count;
} steps[] = {
    {true,  100, 200,  {{100, 200}},                                   1},
    {true,  300, 400,  {{100, 200}, {300, 400}},                       2},
    {true,  10,  20,   {{10, 20}, {100, 200}, {300, 400}},             3},
    {false, 20,  100,  {{10, 20}, {100, 200}, {300, 400}},             3},
    {false, 150, 160,  {{10, 20}, {100, 150}, {160, 200}, {300, 400}}, 4},
    {false, 140, 350,  {{10, 20}, {100, 140}, {350, 400}},             3},
    {true,  130, 360,  {{10, 20}, {100, 130}, {130, 360}, {360, 400}}, 4},
    {false, 0,   1000, {{0, 0}},                                       0},
};

TEST(port_boot_ranges)
{
    static struct ranges set;

    for (u32 i = 0; i < COUNT(steps); i++) {
        if (steps[i].add)
            ranges_add(&set, steps[i].start, steps[i].end);
        else
            ranges_remove(&set, steps[i].start, steps[i].end);
        expect_ranges(&set, steps[i].want, steps[i].count);
    }
}

TEST(port_boot_ranges_full)
{
    static struct ranges set;

    for (u32 i = 0; i < 2 * RANGE_MAX; i++)
        ranges_add(&set, 100 * i, 100 * i + 50);
    EXPECT_EQ(set.count, RANGE_MAX);
    ranges_remove(&set, 10, 20);
    EXPECT_EQ(set.count, RANGE_MAX);
    EXPECT_EQ(set.at[1].start, 20);
    EXPECT_EQ(set.at[1].end, 50);
}

// --- both formats, at "physical" addresses in a buffer -----------------------

static const struct range ram[] = {
    {0x1000,   0x9f000  },
    {0x100000, 0x8000000}
};

TEST(port_boot_pvh)
{
    static struct {
        struct pvh_info pvh;
        struct pvh_module module;
        struct pvh_memory map[3];
        char cmdline[16];
    } memory = {
        .pvh = {.magic = PVH_MAGIC,
                .version = 1,
                .module_count = 1,
                .memory_map_count = 3},
        .module = {.start = 0x200000,                      .size = 12345    },
        .map = {{0x400, 0x9ec00, 1, 0},
                {0x9f000, 0x1000, 2, 0},
                {0x100000, 0x7f00800, 1, 0}},
        .cmdline = "console=one x",
    };
    const u8 *window = (const u8 *)&memory;

    memory.pvh.modules = (u64)((u8 *)&memory.module - window);
    memory.pvh.memory_map = (u64)((u8 *)memory.map - window);
    memory.pvh.cmdline = (u64)((u8 *)memory.cmdline - window);
    EXPECT(boot_info_read(&info, 0, window, window));
    expect_ranges(&info.ram, ram, COUNT(ram));
    EXPECT_EQ(info.initrd.start, 0x200000);
    EXPECT_EQ(info.initrd.end, 0x200000 + 12345);
    EXPECT(string_equal(string_of(info.cmdline), STRING("console=one x")));
}

TEST(port_boot_multiboot2)
{
    static struct {
        u32 size, reserved;
        struct multiboot_tag name;
        char text[8];
        struct multiboot_tag cmdline;
        char words[8]; // 6 used, 2 of padding
        struct multiboot_module module;
        char module_name[8];
        struct multiboot_map head;
        struct pvh_memory map[3];
        struct multiboot_tag end;
    } tags = {
        .name = {2,                       16      },
        .text = "loader",
        .cmdline = {MULTIBOOT_CMDLINE,       14      },
        .words = "a b=c",
        .module = {{MULTIBOOT_MODULE, 24},  0x300000, 0x300010},
        .head = {{MULTIBOOT_MAP, 16 + 72},                       24,        0},
        .map = {{0x400, 0x9ec00, 1, 0},
                 {0x9f000, 0x1000, 2, 0},
                 {0x100000, 0x7f00800, 1, 0}},
        .end = {MULTIBOOT_END, 8      },
    };

    EXPECT(boot_info_read(&info, MULTIBOOT2_MAGIC, (u8 *)&tags, NULL));
    expect_ranges(&info.ram, ram, COUNT(ram));
    EXPECT_EQ(info.initrd.start, 0x300000);
    EXPECT_EQ(info.initrd.end, 0x300010);
    EXPECT(string_equal(string_of(info.cmdline), STRING("a b=c")));
}

// UEFI's loader gives copies of ACPI's pointer, in any order: the later kind
// counts, and no more of it is copied than there is.
TEST(port_boot_multiboot2_acpi)
{
    static struct {
        u32 size, reserved;
        struct multiboot_tag first;
        u8 first_bytes[24]; // 20 used
        struct multiboot_tag second;
        u8 second_bytes[40];
        struct multiboot_tag end;
    } tags = {
        .first_bytes = {'a'},
          .second_bytes = {             'b'  },
          .end = { MULTIBOOT_END,   8}
    };
    static const struct {
        u32 first, second;
        u8 byte; // of the one that counts
    } rows[] = {
        {MULTIBOOT_RSDP_OLD, MULTIBOOT_RSDP,     'b'},
        {MULTIBOOT_RSDP,     MULTIBOOT_RSDP_OLD, 'a'},
        {MULTIBOOT_RSDP_OLD, 99,                 'a'},
    };

    tags.first_bytes[20] = 'x';
    tags.second_bytes[35] = 'z';
    for (u32 i = 0; i < COUNT(rows); i++) {
        info = (struct boot_info){0};
        tags.first = (struct multiboot_tag){rows[i].first, 8 + 20};
        tags.second = (struct multiboot_tag){rows[i].second, 8 + 40};
        EXPECT(boot_info_read(&info, MULTIBOOT2_MAGIC, (u8 *)&tags, NULL));
        EXPECT_EQ(info.rsdp, (u64)info.rsdp_copy - KERNEL_BASE);
        EXPECT_EQ(info.rsdp_copy[0], rows[i].byte);
        EXPECT(info.rsdp_copy[20] != 'x');
        EXPECT_EQ(info.rsdp_copy[35], rows[i].byte == 'b' ? 'z' : 0);
    }
}

TEST(port_boot_unknown)
{
    static const struct pvh_info nothing;

    EXPECT(!boot_info_read(&info, 0x2badb002, (const u8 *)&nothing, NULL));
}

// --- the command line --------------------------------------------------------

static const struct {
    const char *cmdline, *word;
    bool has;
} lines[] = {
    {"console=one",      "console=one", true },
    {"  console=one ",   "console=one", true },
    {"a console=one b",  "console=one", true },
    {"a console=onex b", "console=one", false},
    {"xconsole=one",     "console=one", false},
    {"console=on",       "console=one", false},
    {"a ab abc",         "abc",         true },
    {"",                 "abc",         false},
    {"   ",              "abc",         false},
};

TEST(port_boot_words)
{
    for (u32 i = 0; i < COUNT(lines); i++) {
        copy_cmdline(&info, lines[i].cmdline);
        EXPECT_EQ(boot_info_has_word(&info, lines[i].word), lines[i].has);
    }
}

TEST(port_boot_cmdline_long)
{
    static char text[CMDLINE_MAX + 100];

    memset(text, 'x', sizeof(text) - 1);
    copy_cmdline(&info, text);
    EXPECT_EQ(string_of(info.cmdline).len, CMDLINE_MAX - 1);
}
