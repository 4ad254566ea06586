// port/x64/divide.c: decodes just enough of a div or idiv that faulted to find
// its divisor (SDM 2A, 2.1.5 and 2.2.1).  32 and 64 bits, no segment prefix.

#include "port/x64/port_x64.h"

enum { REX_B = 1, REX_X = 2, REX_W = 8 };

static i64
read_disp(const u8 *p, u32 size)
{
    i32 disp = 0;

    if (size == 1)
        return (i8)*p;
    memcpy(&disp, p, size);
    return disp;
}

// The memory operand whose ModRM byte is *p.  rip-relative counts from the
// end of the instruction, which has no immediate.
static u64
operand_address(const u8 *p, u8 rex, const u64 regs[16])
{
    u8 mod = *p >> 6, base = *p & 7, index = 4, scale = 0;
    u64 address = 0;

    p++;
    if (base == 4) {
        scale = *p >> 6;
        index = (u8)((*p >> 3 & 7) | (rex & REX_X) << 2);
        base = *p++ & 7;
    } else if (base == 5 && mod == 0) {
        return (u64)p + 4 + (u64)read_disp(p, 4);
    }
    if (index != 4)
        address += regs[index] << scale;
    if (base == 5 && mod == 0)
        return address + (u64)read_disp(p, 4);
    address += regs[base | (rex & REX_B) << 3];
    if (mod != 0)
        address += (u64)read_disp(p, mod == 1 ? 1 : 4);
    return address;
}

bool
divisor_is_zero(const u8 *pc, const u64 regs[16])
{
    u8 rex = 0;
    u64 value;

    if ((*pc & 0xf0) == 0x40)
        rex = *pc++;
    if (*pc++ != 0xf7)
        return false;
    if (*pc >> 6 == 3) {
        value = regs[(*pc & 7) | (rex & REX_B) << 3];
    } else {
        value = 0;
        memcpy(&value, (const void *)operand_address(pc, rex, regs),
               rex & REX_W ? 8 : 4);
    }
    return (rex & REX_W ? value : (u32)value) == 0;
}
