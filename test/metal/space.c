// test/metal/space.c: physical memory, address ranges, page tables, protection.

#include "port/metal/tables.h"
#include "port/x64/port_x64.h"
#include "test/metal/metal.h"
#include "test/test.h"

extern const u8 text_start[], text_end[];

// --- faults on purpose -------------------------------------------------------

static struct fault seen;

static enum fault_action
unwind(struct fault *fault)
{
    fault->pc = (u64)barrier_unwound;
    fault->rsp = metal_hooks.barrier;
    return FAULT_CONTINUE;
}

static enum fault_action
note_fault(struct fault *fault)
{
    seen = *fault;
    return unwind(fault);
}

static bool
runs(void (*run)(void *), void *arg)
{
    bool done;

    metal_hooks.fault = note_fault;
    done = barrier_call(&metal_hooks.barrier, run, arg);
    metal_hooks.fault = NULL;
    return done;
}

static void
do_read(void *at)
{
    (void)*(volatile u8 *)at;
}

static void
do_write(void *at)
{
    *(volatile u8 *)at = 1;
}

static void
do_call(void *at)
{
    ((void (*)(void))at)();
}

static bool
can_read(const void *at)
{
    return runs(do_read, (void *)at);
}

static bool
can_write(const void *at)
{
    return runs(do_write, (void *)at);
}

static bool
is_zero(const u8 *at, u64 size)
{
    for (u64 i = 0; i < size; i++)
        if (at[i] != 0)
            return false;
    return true;
}

static u64
available(void)
{
    u64 now, total;

    port_memory_info(&now, &total);
    return now;
}

// --- commit and decommit -----------------------------------------------------

// In KiB.
static const struct {
    u64 size, commit_at, commit_size, decommit_at, decommit_size;
} ranges[] = {
    {64,      0,       64,   0,       64     },
    {64,      4,       4,    0,       64     },
    {256,     60,      72,   64,      4      },
    {8192,    0,       8192, 0,       8192   },
    {8192,    1024,    6144, 3072,    1024   },
    {8192,    2048,    2048, 2048,    4      },
    {8192,    2048,    2048, 4092,    4      },
    {8192,    4,       8188, 2052,    3072   },
    {8 << 20, 0,       64,   0,       8 << 20},
    {8 << 20, 1047552, 2048, 1 << 20, 1 << 20},
};

static bool
inside(u64 at, u64 start, u64 size)
{
    return at - start < size;
}

static void
expect_mapped(const u8 *base, u64 at, bool mapped)
{
    EXPECT_EQ(can_read(base + at), mapped);
    if (!mapped)
        EXPECT_EQ(seen.address, base + at);
}

static void
test_range(u32 i)
{
    u64 before = available(), total = ranges[i].size * KIB;
    u64 at = ranges[i].commit_at * KIB, size = ranges[i].commit_size * KIB;
    u64 gone = ranges[i].decommit_at * KIB;
    u64 gone_size = ranges[i].decommit_size * KIB;
    u8 *base = port_reserve(total, PAGE_SIZE);

    EXPECT(base != NULL);
    for (u32 round = 0; round < 2; round++) {
        EXPECT(port_commit(base + at, size));
        EXPECT(port_commit(base + at, size)); // again: nothing happens
        EXPECT(round > 0 || is_zero(base + at, size));
        memset(base + at, 0xee, size);
        if (at > 0)
            expect_mapped(base, at - 1, false);
        if (at + size < total)
            expect_mapped(base, at + size, false);

        port_decommit(base + gone, gone_size);
        for (u64 p = 0; p < total && p < 16 * MIB; p += PAGE_SIZE) {
            bool mapped = inside(p, at, size) && !inside(p, gone, gone_size);

            expect_mapped(base, p, mapped);
            if (mapped)
                EXPECT_EQ(base[p], 0xee);
        }
        EXPECT(port_commit(base + at, size));
        for (u64 p = gone; p < gone + gone_size && p < at + size; p += 512)
            if (inside(p, at, size))
                EXPECT_EQ(base[p], 0);
        memset(base + at, 0, size);
    }
    port_release(base, total);
    EXPECT(!can_read(base + at));
    EXPECT(available() + 64 * KIB >= before); // tables, nodes of spans
}

TEST(metal_commit)
{
    for (u32 i = 0; i < COUNT(ranges); i++)
        test_range(i);
}

TEST(metal_commit_leaks_nothing)
{
    u64 before = 0;

    for (u32 i = 0; i < 50; i++) {
        u8 *base = port_reserve_slot(8 * GIB);

        EXPECT_EQ((u64)base % (8 * GIB), 0);
        for (u64 at = 0; at < 4 * GIB; at += 300 * MIB)
            EXPECT(port_commit(base + at, 64 * KIB));
        port_release(base, 8 * GIB);
        if (i == 0)
            before = available();
        EXPECT_EQ(available(), before);
    }
}

// Page tables and directories go with what is unmapped, and only with that: in
// 3 GiB, some pages near the ends of tables and directories.
static const u64 spots[] = {
    0,
    PAGE_SIZE,
    SIZE_2M - PAGE_SIZE,
    SIZE_2M,
    GIB - SIZE_2M - PAGE_SIZE,
    GIB - SIZE_2M,
    GIB - PAGE_SIZE,
    GIB,
    GIB + PAGE_SIZE,
    2 * GIB - PAGE_SIZE,
    2 * GIB,
    3 * GIB - SIZE_2M,
    3 * GIB - PAGE_SIZE,
};

static void
decommit_between(u8 *base, u64 from, u64 end)
{
    u64 before = available();
    u8 *large = base + GIB + GIB / 2; // mapped by one entry

    for (u32 i = 0; i < COUNT(spots); i++) {
        EXPECT(port_commit(base + spots[i], PAGE_SIZE));
        EXPECT_EQ(base[spots[i]], 0);
        base[spots[i]] = (u8)(i + 1);
    }
    EXPECT(port_commit(large, SIZE_2M));
    port_decommit(base + from, end - from);
    for (u32 i = 0; i < COUNT(spots); i++) {
        bool gone = inside(spots[i], from, end - from);
        EXPECT_EQ(can_read(base + spots[i]), !gone);
        EXPECT(gone || base[spots[i]] == i + 1);
    }
    port_decommit(base, 3 * GIB);
    EXPECT_EQ(available(), before);
}

TEST(metal_decommit_ends_anywhere)
{
    static const u64 from[] = {0,   PAGE_SIZE,      SIZE_2M, GIB - PAGE_SIZE,
                               GIB, GIB + PAGE_SIZE};
    static const u64 end[] = {
        GIB - SIZE_2M,       GIB - PAGE_SIZE,     GIB,
        GIB + PAGE_SIZE,     2 * GIB - SIZE_2M,   2 * GIB - PAGE_SIZE,
        2 * GIB + PAGE_SIZE, 3 * GIB - PAGE_SIZE, 3 * GIB};

    for (u32 round = 0; round < 2; round++) {
        u64 before = available();
        u8 *base = port_reserve(3 * GIB, PAGE_SIZE);
        for (u32 i = 0; i < COUNT(from) * COUNT(end); i++)
            if (from[i % COUNT(from)] < end[i / COUNT(from)])
                decommit_between(base, from[i % COUNT(from)],
                                 end[i / COUNT(from)]);
        EXPECT(port_commit(base + 2 * GIB - PAGE_SIZE, 2 * PAGE_SIZE));
        port_release(base, 3 * GIB);
        EXPECT(round == 0 || available() == before);
    }
}

TEST(metal_out_of_memory)
{
    u64 before = available();
    u8 *base = port_reserve(64 * GIB, PAGE_SIZE);

    EXPECT(!port_commit(base, 64 * GIB));
    EXPECT(!port_commit(base + 32 * GIB, 64 * KIB));
    EXPECT(available() < 64 * KIB);
    EXPECT(base[before / 2] == 0);
    port_release(base, 64 * GIB);
    EXPECT(available() + 64 * KIB >= before);
    EXPECT(can_read(direct(0x100000000 - 0x100000000 + 8 * MIB)));
}

TEST(metal_commit_in_fault)
{
    u8 *base = port_reserve(1 * MIB, PAGE_SIZE);

    EXPECT(!can_write(base + 70000));
    EXPECT_EQ(seen.kind, FAULT_MEMORY);
    EXPECT(seen.absent);
    EXPECT(!can_write(text_start) && !seen.absent);
    EXPECT(port_commit(base + 64 * KIB, 64 * KIB));
    EXPECT(can_write(base + 70000));
    port_release(base, 1 * MIB);
}

static enum fault_action
commit_fault(struct fault *fault)
{
    bool done = port_commit((void *)fault->address, 1);

    return done ? FAULT_CONTINUE : FAULT_PANIC;
}

TEST(metal_fault_retry)
{
    u8 *base = port_reserve(1 * MIB, PAGE_SIZE);

    metal_hooks.fault = commit_fault;
    __asm__ volatile("" ::: "memory"); // memset() is no reader of that
    memset(base, 7, 1 * MIB);
    __asm__ volatile("" ::: "memory");
    metal_hooks.fault = NULL;
    for (u32 i = 0; i < 1 * MIB; i += 1024)
        EXPECT_EQ(base[i], 7);
    port_release(base, 1 * MIB);
}

// --- addresses ---------------------------------------------------------------

TEST(metal_slots)
{
    enum { SLOTS = 16383 }; // all but the first 8 GiB
    u8 **slots = port_reserve(SLOTS * sizeof(u8 *), PAGE_SIZE);

    EXPECT(port_commit(slots, SLOTS * sizeof(u8 *)));
    for (u32 round = 0; round < 2; round++) {
        for (u32 i = 0; i < SLOTS; i++) {
            slots[i] = port_reserve_slot(8 * GIB);
            EXPECT(slots[i] != NULL);
        }
        EXPECT(port_reserve_slot(8 * GIB) == NULL);
        EXPECT(port_reserve_slot(PAGE_SIZE) == NULL);
        for (u32 i = 0; i < SLOTS; i++)
            port_release(slots[i * 7 % SLOTS], 8 * GIB);
    }
    u8 *whole = port_reserve_slot(1ull << 46);
    EXPECT(whole != NULL); // the pieces were merged again
    port_release(whole, 1ull << 46);
    port_release(slots, SLOTS * sizeof(u8 *));
}

TEST(metal_reserve_align)
{
    for (u64 align = PAGE_SIZE; align <= 1 * GIB; align *= 2) {
        u8 *a = port_reserve(PAGE_SIZE, align);
        u8 *b = port_reserve(3 * PAGE_SIZE, align);

        EXPECT_EQ((u64)a % align, 0);
        EXPECT_EQ((u64)b % align, 0);
        EXPECT(a + PAGE_SIZE <= b || b + 3 * PAGE_SIZE <= a);
        port_release(a, PAGE_SIZE);
        port_release(b, 3 * PAGE_SIZE);
    }
}

TEST(metal_frames)
{
    u64 before = available(), blocks[8];

    for (u32 order = 0; order < ORDER_COUNT; order++) {
        for (u32 i = 0; i < COUNT(blocks); i++) {
            blocks[i] = frames_new(order);
            EXPECT(blocks[i] != 0);
            EXPECT_EQ(blocks[i] % ((u64)PAGE_SIZE << order), 0);
            for (u32 j = 0; j < i; j++)
                EXPECT(blocks[i] != blocks[j]);
        }
        EXPECT_EQ(available(),
                  before - (COUNT(blocks) * (u64)PAGE_SIZE << order));
        for (u32 i = 0; i < COUNT(blocks); i += 2)
            frames_free(blocks[i], order);
        for (u32 i = 1; i < COUNT(blocks); i += 2) // page by page
            for (u64 at = 0; at < (u64)PAGE_SIZE << order; at += PAGE_SIZE)
                frames_free(blocks[i] + at, ORDER_PAGE);
        EXPECT_EQ(available(), before);
    }
}

// --- protection --------------------------------------------------------------

TEST(metal_protection)
{
    static const u8 code[] = {0xb8, 42, 0, 0, 0, 0xc3}; // mov eax, 42; ret
    u8 *text = metal_code(code, sizeof(code));
    u8 *data = port_reserve(PAGE_SIZE, PAGE_SIZE);

    EXPECT(port_commit(data, PAGE_SIZE));
    memcpy(data, code, sizeof(code));

    EXPECT(port_code_contains((u64)text));
    EXPECT_EQ(((u32(*)(void))text)(), 42);
    EXPECT(!can_write(text));
    EXPECT(can_write(data + 64));
    EXPECT(!runs(do_call, data));
    EXPECT_EQ(seen.pc, data);
    EXPECT(!can_write(text_start)); // text
    EXPECT(!can_write(code));       // constants
    EXPECT(!runs(do_call, (void *)code));
    EXPECT(!can_read(NULL));
    EXPECT(!can_read(direct((u64)text_start - KERNEL_BASE)));
    EXPECT(!runs(do_call, (void *)(0x100000ull)));

    port_release(data, PAGE_SIZE);
    port_code_release(text, sizeof(code));
    EXPECT(!can_read(text));
}

// The frame behind an address, by the direct map.
static u8 *
alias(const u8 *at)
{
    u32 level = LEVEL_PAGE;
    bool on = lock_irq(&tables_lock);
    entry_t entry = *find_entry((u64)at, &level);

    unlock_irq(&tables_lock, on);
    return direct((entry & ENTRY_ADDR) + ((u64)at & (level_size(level) - 1)));
}

// Written, and not yet to be executed: nobody can do more than read it, whoever
// has read it before.
TEST(metal_code_is_read_first)
{
    static const u8 code[] = {0xb8, 43, 0, 0, 0, 0xc3}; // mov eax, 43; ret
    u64 at;

    for (u32 i = 0; i < 20; i++) {
        u8 *text = port_code_write(code, sizeof(code));

        EXPECT(text != NULL && port_code_contains((u64)text));
        EXPECT_EQ(memcmp(text, code, sizeof(code)), 0);
        EXPECT(!can_write(text) && !can_write(alias(text)));
        EXPECT(!runs(do_call, text));
        EXPECT_EQ(seen.pc, text);
        EXPECT(space_check(&at) == NULL);
        EXPECT(port_code_execute(text, sizeof(code)));
        EXPECT_EQ(((u32(*)(void))text)(), 43);
        EXPECT(!can_write(text) && !can_write(alias(text)));
        EXPECT(space_check(&at) == NULL);
        port_code_release(text, sizeof(code));
    }
}

TEST(metal_code_arena)
{
    u64 size = 5 * MIB + 123, before = available();
    u8 *text = port_reserve(size, PAGE_SIZE), *published[20];

    EXPECT(port_commit(text, size));
    for (u64 i = 0; i < size; i++)
        text[i] = (u8)(i * 31 >> 3);
    for (u32 i = 0; i < COUNT(published); i++) {
        published[i] = metal_code(text + i, size - i);
        EXPECT(published[i] != NULL);
        EXPECT_EQ((u64)published[i] % 64, 0);
        EXPECT_EQ(memcmp(published[i], text + i, size - i), 0);
        EXPECT_EQ(published[i][size - i], 0xcc);
    }
    for (u32 i = 0; i < COUNT(published); i++)
        port_code_release(published[i], size - i);
    port_release(text, size);
    EXPECT(available() + 64 * KIB >= before);
    EXPECT(port_code_write(text_start, 2 * GIB) == NULL);
}

static void
expect_sound(void)
{
    u64 at = 0;
    const char *fault = space_check(&at);

    if (fault != NULL)
        test_failed(__FILE__, __LINE__, fault, at, 0);
}

TEST(metal_code_is_nowhere_writable)
{
    u64 size = 3 * MIB, before = available();
    u8 *bytes = port_reserve(size, PAGE_SIZE);

    expect_sound();
    EXPECT(port_commit(bytes, size));
    for (u32 round = 0; round < 3; round++) {
        u8 *text = metal_code(bytes, size);

        EXPECT(text != NULL);
        for (u64 at = 0; at < size; at += 64 * KIB) {
            EXPECT(can_read(alias(text + at)));
            EXPECT(!can_write(alias(text + at)));
        }
        expect_sound();
        port_code_release(text, size);
        expect_sound();
    }
    port_release(bytes, size);
    EXPECT(available() + 64 * KIB >= before);
}

// Sizes that are mapped by small and by large pages, whole or as a part.
TEST(metal_seal)
{
    static const u64 sizes[] = {PAGE_SIZE, 64 * KIB, 300 * KIB, 2 * MIB,
                                5 * MIB + PAGE_SIZE};
    u8 *neighbour = port_reserve(PAGE_SIZE, PAGE_SIZE);
    u64 before = 0;

    EXPECT(port_commit(neighbour, PAGE_SIZE));
    for (u32 i = 0; i < 2 * COUNT(sizes); i++) {
        u64 size = sizes[i % COUNT(sizes)];
        u8 *at = port_reserve(size, PAGE_SIZE);

        EXPECT(port_commit(at, size));
        memset(at, 5, size);
        EXPECT(port_seal(at, size));
        for (u64 k = 0; k < size; k += PAGE_SIZE) {
            EXPECT(!can_write(at + k) && !can_write(alias(at + k)));
            EXPECT_EQ(at[k], 5);
        }
        EXPECT(can_write(neighbour) && can_write(alias(neighbour)));
        expect_sound();
        u8 *frame = alias(at);
        port_release(at, size);
        EXPECT(can_write(frame + 64));
        expect_sound();
        if (i == COUNT(sizes))
            before = available();
        EXPECT(i <= COUNT(sizes) || available() + 64 * KIB >= before); // tables
    }
    port_release(neighbour, PAGE_SIZE);
}

// The walk sees what it is for: each rule is broken once, on purpose.
TEST(metal_walk_sees)
{
    static const u8 code[] = {0xc3};
    u8 *text = metal_code(code, sizeof(code));
    u8 *data = port_reserve(PAGE_SIZE, PAGE_SIZE);
    u64 frame = (u64)alias(text) - DIRECT_BASE, at;
    u32 level = LEVEL_PAGE;

    EXPECT(port_commit(data, PAGE_SIZE));
    bool on = lock_irq(&tables_lock);
    entry_t *entry = find_entry((u64)data, &level), was = *entry;
    unlock_irq(&tables_lock, on);
    const struct {
        entry_t entry;
        const char *fault;
    } broken[] = {
        {was & ~PAGE_NO_EXEC,               "has more rights"},
        {was | PAGE_USER,                   "a user's page"  },
        {frame | DATA_FLAGS | PAGE_NO_EXEC, "writes what"    },
    };
    for (u32 i = 0; i < COUNT(broken); i++) {
        *entry = broken[i].entry;
        const char *fault = space_check(&at);
        *entry = was;
        EXPECT(fault != NULL && at == (u64)data);
        EXPECT(memcmp(fault, broken[i].fault, string_of(broken[i].fault).len) ==
               0);
    }
    flush_page((u64)data);
    expect_sound();
    port_release(data, PAGE_SIZE);
    port_code_release(text, sizeof(code));
}

// --- windows -----------------------------------------------------------------

static u64
cr3(void)
{
    u64 top;

    __asm__ volatile("mov %%cr3, %0" : "=r"(top));
    return top;
}

// A window is this CPU's alone, and only while it is open.
TEST(metal_window)
{
    u64 frame = frames_new(ORDER_PAGE);
    u8 *window = (u8 *)WINDOW_BASE;

    EXPECT(frame != 0);
    EXPECT_EQ(cr3(), (u64)this_cpu()->top - DIRECT_BASE);
    EXPECT(!can_write(window));
    EXPECT(code_window_open(frame) == window);
    EXPECT(can_write(window + 5) && ((u8 *)direct(frame))[5] == 1);
    EXPECT(!runs(do_call, window));
    for (u32 i = 0; i < port_cpu_count(); i++) {
        EXPECT_EQ(*cpu_at(i)->window != 0, cpu_at(i) == this_cpu());
        for (u32 k = 0; k < i; k++)
            EXPECT(cpu_at(i)->top != cpu_at(k)->top &&
                   cpu_at(i)->window != cpu_at(k)->window);
    }
    expect_sound();
    code_window_close();
    EXPECT(!can_write(window));
    code_window_write(frame, "code", 4);
    EXPECT(!can_write(window));
    EXPECT_EQ(memcmp(direct(frame), "code\xcc\xcc", 6), 0);
    frames_free(frame, ORDER_PAGE);
}

// The walk sees what a window leads to, and one that others have.
TEST(metal_walk_sees_windows)
{
    static const u8 code[] = {0xc3};
    const u32 entry = WINDOW_BASE >> 39 & (ENTRIES - 1);
    u8 *text = metal_code(code, sizeof(code));
    u64 at;

    (void)code_window_open((u64)alias(text) - DIRECT_BASE);
    const char *fault = space_check(&at);
    code_window_close();
    EXPECT(fault != NULL && at == WINDOW_BASE &&
           memcmp(fault, "writes", 6) == 0);
    bool on = lock_irq(&tables_lock);
    tables_top[entry] = this_cpu()->top[entry];
    unlock_irq(&tables_lock, on);
    fault = space_check(&at);
    on = lock_irq(&tables_lock);
    tables_top[entry] = 0;
    unlock_irq(&tables_lock, on);
    EXPECT(fault != NULL && memcmp(fault, "a window", 8) == 0);
    expect_sound();
    port_code_release(text, sizeof(code));
}

// New entries of the top-level table are everybody's.
TEST(metal_tops_are_the_same)
{
    u8 *slots[4];

    for (u32 i = 0; i < COUNT(slots); i++) {
        slots[i] = port_reserve_slot(1ull << 44);
        EXPECT(slots[i] != NULL && port_commit(slots[i], 1));
        EXPECT(can_write(slots[i]));
        expect_sound();
    }
    for (u32 i = 0; i < COUNT(slots); i++)
        port_release(slots[i], 1ull << 44);
    expect_sound();
}

// Write protection holds for the kernel, too; no-execute; and what the CPU has
// against pages of users.
TEST(metal_control)
{
    u64 cr0, cr4, efer = msr_read(0xc0000080);
    struct cpuid more = cpuid(7, 0);

    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    EXPECT_EQ(cr0 >> 16 & 1, 1);                  // WP
    EXPECT_EQ(efer >> 11 & 1, 1);                 // NXE
    EXPECT_EQ(cr4 >> 20 & 1, more.ebx >> 7 & 1);  // SMEP
    EXPECT_EQ(cr4 >> 21 & 1, more.ebx >> 20 & 1); // SMAP
}

// Addresses are as port/metal/map.h says, and the regions as its head says.
TEST(metal_regions)
{
    static const struct {
        u64 start, end;
    } regions[] = {
#define REGION(id, start, end, may, what) {start, end},
#include "port/metal/regions.def"
    };
    u8 *slot = port_reserve_slot(GIB), *heap = port_reserve(GIB, GIB);

    for (u32 i = 0; i < COUNT(regions); i++) {
        EXPECT(regions[i].start < regions[i].end);
        EXPECT_EQ((regions[i].start | regions[i].end) % PAGE_SIZE, 0);
        EXPECT_EQ(regions[i].start >> 47 == 0, i == 0);
        EXPECT(i == 0 || regions[i].start >= regions[i - 1].end);
    }
    EXPECT((u64)slot >= SLOT_START && (u64)slot + GIB <= SLOT_END);
    EXPECT((u64)heap >= HEAP_BASE && (u64)heap + GIB <= HEAP_END);
    EXPECT((u64)text_start >= KERNEL_BASE && (u64)text_end < KERNEL_END);
    port_release(slot, GIB);
    port_release(heap, GIB);
}

// --- faults ------------------------------------------------------------------

static const struct {
    const char *name;
    enum fault_kind kind;
    bool divide_zero;
    u32 pc; // of the faulting instruction
    char code[16];
} faults[] = {
  // nop; ud2
    {"ud2",      FAULT_UNDEFINED, false, 1, "\x90\x0f\x0b"                    },
 // xor edx, edx; xor ecx, ecx; inc eax; div ecx
    {"1 / 0",    FAULT_DIVIDE,    true,  6, "\x31\xd2\x31\xc9\xff\xc0\xf7\xf1"},
 // mov edx, 1; mov ecx, edx; div ecx
    {"2^32 / 1", FAULT_DIVIDE,    false, 7, "\xba\1\0\0\0\x89\xd1\xf7\xf1"    },
 // mov eax, [64]
    {"[64]",     FAULT_MEMORY,    false, 0, "\x8b\x04\x25\x40\0\0\0"          },
};

TEST(metal_faults)
{
    for (u32 i = 0; i < COUNT(faults); i++) {
        u8 *code = metal_code(faults[i].code, sizeof(faults[i].code));

        for (u32 again = 0; again < 10; again++) {
            EXPECT(!runs(do_call, code));
            EXPECT_EQ(seen.kind, faults[i].kind);
            EXPECT_EQ(seen.pc, code + faults[i].pc);
            EXPECT_EQ(seen.divide_zero, faults[i].divide_zero);
            if (seen.kind == FAULT_MEMORY)
                EXPECT_EQ(seen.address, 64);
        }
        port_code_release(code, sizeof(faults[i].code));
    }
}

// A fault while a fault is handled.
static enum fault_action
fault_in_fault(struct fault *fault)
{
    u8 *other = port_reserve(PAGE_SIZE, PAGE_SIZE);

    seen = *fault;
    metal_hooks.fault = commit_fault;
    EXPECT_EQ(*other, 0);
    port_release(other, PAGE_SIZE);
    return unwind(fault);
}

TEST(metal_nested_fault)
{
    for (u32 i = 0; i < 10; i++) {
        metal_hooks.fault = fault_in_fault;
        EXPECT(!barrier_call(&metal_hooks.barrier, do_read, (void *)(u64)i));
        EXPECT_EQ(seen.address, i);
    }
    metal_hooks.fault = NULL;
}

// Full stacks of faults and interrupts fault, too, instead of running into
// their neighbours.
TEST(metal_stacks_have_guards)
{
    const struct cpu *cpu = this_cpu();
    const u8 *fault = (const u8 *)cpu->tss.ist[IST_FAULT - 1];

    for (u32 i = 0; i < IST_COUNT; i++) {
        const u8 *low = (const u8 *)cpu->tss.ist[i] - TRAP_STACK;
        EXPECT(can_read(low));
        EXPECT(!can_read(low - 1));
    }
    for (u32 k = 0; k < FAULT_DEPTH; k++)
        EXPECT(!can_read(fault - k * sizeof(struct trap_stack) - TRAP_STACK -
                         PAGE_SIZE));
    EXPECT(can_read((const u8 *)cpu->tss.ist));
}
