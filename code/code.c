// code/code.c: find the row that belongs to an address in compiled code.  The
// tables are sorted, so all of this is binary search; it runs in fault
// handlers.

#include "code/code.h"

const struct trap_site *
code_trap(const struct code *code, u64 pc)
{
    u32 low = 0, high = code->trap_count;

    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (code->traps[middle].pc < pc)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == code->trap_count || code->traps[low].pc != pc)
        return NULL;
    return &code->traps[low];
}

const struct call_site *
code_call(const struct code *code, u64 pc)
{
    u32 low = 0, high = code->call_count;

    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (code->calls[middle].pc < pc)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == code->call_count || code->calls[low].pc != pc)
        return NULL;
    return &code->calls[low];
}

const struct func_code *
code_func(const struct code *code, u64 pc)
{
    u32 low = 0, high = code->func_count;

    while (low < high) {
        u32 middle = low + (high - low) / 2;
        if (code->funcs[middle].end <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == code->func_count || pc < code->funcs[low].start)
        return NULL;
    return &code->funcs[low];
}
