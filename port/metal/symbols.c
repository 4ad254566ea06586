// port/metal/symbols.c: the names of the kernel's functions, from a table that
// is linked behind the code (make/symbols.awk); an image without it has none.

#include "port/metal/metal.h"

const char *
port_symbol(u64 address, u64 *offset)
{
    const struct symbol *low = symbols_start, *high = symbols_end;

    while (high - low > 1) {
        const struct symbol *middle = low + (high - low) / 2;
        if ((u32)address < middle->at)
            high = middle;
        else
            low = middle;
    }
    bool kernel = address >> 32 == (u64)symbols_start >> 32;
    if (!kernel || low == symbols_end || (u32)address < low->at)
        return NULL;
    *offset = (u32)address - low->at;
    return symbol_names + low->name;
}
