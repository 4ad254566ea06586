// code/code.c: find the row that belongs to an address in compiled code.  The
// tables are sorted, so all of this is binary search; it runs in fault
// handlers.

#include "code/code.h"

enum code_mistake code_mistake;

// A table, sorted by a u32 of its rows.
struct rows {
    const void *rows;
    u32 count;
    u32 size, key; // of a row, and where the u32 is in it
};

// The index of the first row whose key is at least `least`; count if there is
// none.
static u32
first_row(struct rows t, u64 least)
{
    u32 low = 0, high = t.count;

    while (low < high) {
        u32 middle = low + (high - low) / 2;
        const u8 *row = (const u8 *)t.rows + (u64)middle * t.size;
        if (*(const u32 *)(row + t.key) < least)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct trap_site *
code_trap(const struct code *code, u64 pc)
{
    const struct trap_site *rows = code->traps;
    u32 i = first_row((struct rows){rows, code->trap_count, sizeof(*rows),
                                    offsetof(struct trap_site, pc)},
                      pc);

    return i < code->trap_count && rows[i].pc == pc ? &rows[i] : NULL;
}

const struct call_site *
code_call(const struct code *code, u64 pc)
{
    const struct call_site *rows = code->calls;
    u32 i = first_row((struct rows){rows, code->call_count, sizeof(*rows),
                                    offsetof(struct call_site, pc)},
                      pc);

    return i < code->call_count && rows[i].pc == pc ? &rows[i] : NULL;
}

const struct func_code *
code_func(const struct code *code, u64 pc)
{
    const struct func_code *rows = code->funcs;
    u32 i = first_row((struct rows){rows, code->func_count, sizeof(*rows),
                                    offsetof(struct func_code, end)},
                      pc + 1);

    return i < code->func_count && rows[i].start <= pc && pc < rows[i].end ?
               &rows[i] :
               NULL;
}
