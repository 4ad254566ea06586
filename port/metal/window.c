// port/metal/window.c: how code is written: through one page of addresses that
// each CPU has for itself.  In hardened mode the stacks of its interrupts are
// behind that (harden.c).
//
// A CPU's top-level table is a copy of tables_top but for the entry of
// WINDOW_BASE, under which nobody else has anything.  The page there is mapped
// only while this CPU writes to it, with interrupts off: so the frames of code,
// which are sealed before (protect.c), are written by one CPU, which forgets
// how when it is done, and nobody else ever knew.

#include "port/metal/tables.h"

enum {
    WINDOW_ENTRY = WINDOW_BASE >> 39 & (ENTRIES - 1),
    ACCESSED = 0x20,  // set by the CPU
    STACKS_PAGE = 16, // of the window: where its stacks begin
};

static entry_t *tops[CPU_MAX] GUARDED_BY(tables_lock);
static u32 top_count GUARDED_BY(tables_lock);

// The tables below the entry of a top-level table; the last, or NULL.
static entry_t *
new_tables(entry_t *entry)
{
    for (u32 level = LEVEL_TOP; level > LEVEL_PAGE; level--) {
        entry_t *table = page_table_new(NULL);
        if (table == NULL)
            return NULL;
        *entry = ((u64)table - DIRECT_BASE) | TABLE_FLAGS;
        entry = &table[level_index(WINDOW_BASE, level - 1)];
    }
    return entry;
}

// Let the CPU's interrupts use its stacks by other addresses: those of its
// window, the guards left out.
static void
mirror_stacks(struct cpu *cpu) REQUIRES(tables_lock)
{
    const u64 start = (u64)cpu->fault_stacks,
              mirror = WINDOW_BASE + STACKS_PAGE * PAGE_SIZE;
    const u64 size = sizeof(*cpu) - offsetof(struct cpu, fault_stacks);

    _Static_assert(sizeof(struct cpu) < (ENTRIES - STACKS_PAGE) * PAGE_SIZE,
                   "one table has them all");
    for (u64 at = 0; at < size; at += PAGE_SIZE) {
        u32 level = LEVEL_PAGE;
        entry_t entry = *find_entry(start + at, &level);
        u64 inside = (start + at) & (level_size(level) - 1);
        if (at % sizeof(struct trap_stack) == 0 || !(entry & PAGE_PRESENT))
            continue;
        cpu->window[STACKS_PAGE + at / PAGE_SIZE] =
            ((entry & ENTRY_ADDR & ~(level_size(level) - 1)) + inside) |
            PAGE_PRESENT | PAGE_WRITE | PAGE_NO_EXEC;
    }
    for (u32 i = 0; i < IST_COUNT; i++)
        cpu->tss.ist[i] += mirror - start;
}

bool
code_window_new(struct cpu *cpu)
{
    entry_t *top = page_table_new(NULL);

    if (top == NULL)
        return false;
    cpu->top = top;
    cpu->window = new_tables(&top[WINDOW_ENTRY]);
    if (cpu->window == NULL)
        return false;
    bool on = lock_irq(&tables_lock);
    for (u32 i = 0; i < ENTRIES; i++)
        if (i != WINDOW_ENTRY)
            top[i] = tables_top[i];
    assert(tables_top[WINDOW_ENTRY] == 0 && top_count < CPU_MAX);
    tops[top_count++] = top;
    if (harden_on)
        mirror_stacks(cpu);
    unlock_irq(&tables_lock, on);
    return true;
}

// Tables of that level are made and never go.
void
code_windows_enter(u32 index, entry_t entry)
{
    assert_held(&tables_lock);
    assert(index != WINDOW_ENTRY);
    for (u32 i = 0; i < top_count; i++)
        tops[i][index] = entry;
}

void
code_window_use(const struct cpu *cpu)
{
    __asm__ volatile("mov %0, %%cr3"
                     :
                     : "r"((u64)cpu->top - DIRECT_BASE)
                     : "memory");
}

// --- writing -----------------------------------------------------------------

u8 *
code_window_open(u64 frame)
{
    entry_t *entry = this_cpu()->window;

    assert(*entry == 0);
    *entry = frame | PAGE_PRESENT | PAGE_WRITE | PAGE_NO_EXEC;
    return (u8 *)WINDOW_BASE;
}

void
code_window_close(void)
{
    *this_cpu()->window = 0;
    flush_page(WINDOW_BASE);
}

void
code_window_write(u64 frame, const void *bytes, u64 size)
{
    bool on = port_interrupts_off();
    u8 *to = code_window_open(frame);

    memcpy(to, bytes, size);
    memset(to + size, 0xcc, PAGE_SIZE - size); // int3
    code_window_close();
    port_interrupts_restore(on);
}

// --- for those who trust none of this ----------------------------------------

static bool
is_own(u32 number) REQUIRES(tables_lock)
{
    assert_held(&tables_lock);
    for (u32 i = 0; i < top_count; i++)
        if (i != number && (tops[i][WINDOW_ENTRY] & ENTRY_ADDR) ==
                               (tops[number][WINDOW_ENTRY] & ENTRY_ADDR))
            return false;
    return true;
}

bool
code_window_look(u32 number, u32 page, entry_t *entry, const char **fault)
{
    assert_held(&tables_lock);
    if (number >= top_count)
        return false;
    for (u32 i = 0; i < ENTRIES && page == 0; i++)
        if (i != WINDOW_ENTRY &&
            ((tops[number][i] ^ tables_top[i]) & ~(entry_t)ACCESSED) != 0)
            *fault = "a CPU has tables of its own";
    if ((page == 0 && !is_own(number)) || tables_top[WINDOW_ENTRY] != 0)
        *fault = "a window of several CPUs";
    *entry = tops[number][WINDOW_ENTRY];
    for (u32 level = LEVEL_TOP; level > LEVEL_PAGE; level--) {
        entry_t *table = table_of(*entry);
        *entry = table[level_index(WINDOW_BASE + page * PAGE_SIZE, level - 1)];
    }
    return true;
}
