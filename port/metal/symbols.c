// port/metal/symbols.c: the names of the kernel's functions, from a table that
// is linked behind the code (make/symbols.awk); an image without it has none.

#include "port/metal/metal.h"

struct symbol {
    u32 at; // the low half of its address
    u32 name;
};

extern const struct symbol symbols_start[], symbols_end[];
extern const char symbol_names[];
extern const u8 text_start[], text_end[];

const char *
port_symbol(u64 address, u64 *offset)
{
    const struct symbol *low = symbols_start, *high = symbols_end;

    if (address < (u64)text_start || address >= (u64)text_end)
        return NULL;
    while (high - low > 1) {
        const struct symbol *middle = low + (high - low) / 2;
        if ((u32)address < middle->at)
            high = middle;
        else
            low = middle;
    }
    if (low == symbols_end || (u32)address < low->at)
        return NULL;
    *offset = (u32)address - low->at;
    return symbol_names + low->name;
}
