// port/metal/pci.c: functions of PCI and the addresses of their registers
// (pci.h; PCI Local Bus 3.0, 6; PCI Express Base 3.0, 7.2.2).

#include "port/metal/pci.h"

enum {
    CONFIG_ADDRESS = 0xcf8,
    CONFIG_DATA = 0xcfc,
    CONFIG_ENABLE = 1 << 31,
    BUS_BYTES = MIB, // of configuration space in memory
    FUNCTION_BYTES = 4096,
    FUNCTIONS = 256, // of a bus
    BUSES = 256,

    PCI_BAR = 0x10,
    PCI_BARS = 6,
    PCI_KIND = 0x0c,  // of the header: bits 16 to 23
    PCI_BUSES = 0x18, // of a bridge: the one behind it, bits 8 to 15
    PCI_CAPABILITIES = 0x34,
    KIND_BRIDGE = 1,
    KIND_SEVERAL = 0x80, // functions
    COMMAND_IO = 1 << 0,
    COMMAND_MEMORY = 1 << 1,
    COMMAND_MASTER = 1 << 2,
    STATUS_CAPABILITIES = 1 << 20,
    BAR_IO = 1,
    BAR_64 = 4,
    BAR_FLAGS = 15,
};

#define REGISTERS_END (1ull << 40) // as far as they may be

static struct {
    u32 where; // bus * 256 + device * 8 + function
    bool bridge;
} functions[PCI_FUNCTIONS];
static u32 function_count;

static u8 *buses[BUSES]; // configuration space in memory; NULL: by ports
static const struct ranges *memory;
static const struct firmware *tables;
static u64 room; // the first address that nobody has, of tables->room_...

// --- configuration space -----------------------------------------------------

static u32
read_at(u32 where, u32 at)
{
    u8 *bus = buses[where / FUNCTIONS];

    if (bus != NULL)
        return *(volatile u32 *)(bus + where % FUNCTIONS * FUNCTION_BYTES +
                                 (at & 0xfc));
    out32(CONFIG_ADDRESS, (u32)CONFIG_ENABLE | where << 8 | (at & 0xfc));
    return in32(CONFIG_DATA);
}

u32
pci_read(u32 number, u32 at)
{
    return read_at(functions[number].where, at) >> 8 * (at & 3);
}

void
pci_write(u32 number, u32 at, u32 value)
{
    u32 where = functions[number].where;
    u8 *bus = buses[where / FUNCTIONS];

    if (bus != NULL) {
        *(volatile u32 *)(bus + where % FUNCTIONS * FUNCTION_BYTES + at) =
            value;
        return;
    }
    out32(CONFIG_ADDRESS, (u32)CONFIG_ENABLE | where << 8 | at);
    out32(CONFIG_DATA, value);
}

u32
pci_count(void)
{
    return function_count;
}

static void
set_command(u32 number, u32 clear, u32 set)
{
    u32 command = pci_read(number, PCI_COMMAND) & 0xffff;

    pci_write(number, PCI_COMMAND, (command & ~clear) | set);
}

u32
pci_next_capability(u32 number, u32 at)
{
    if (at == 0 && !(pci_read(number, PCI_COMMAND) & STATUS_CAPABILITIES))
        return 0;
    return pci_read(number, at == 0 ? PCI_CAPABILITIES : at + 1) & 0xfc;
}

// --- registers ---------------------------------------------------------------

struct bar {
    u64 address, size; // size 0: none, or of ports
    bool wide;
};

// Its size shows in the bits that do not take a one; meanwhile it answers
// nowhere.
static struct bar
look_at(u32 number, u32 bar)
{
    u32 at = PCI_BAR + 4 * bar, command = pci_read(number, PCI_COMMAND);
    u32 low = pci_read(number, at), high = 0;
    struct bar found = {.wide = !(low & BAR_IO) && (low & BAR_64)};

    if (low & BAR_IO || (found.wide && bar + 1 == PCI_BARS))
        return (struct bar){0};
    set_command(number, COMMAND_MEMORY, 0);
    pci_write(number, at, UINT32_MAX);
    u64 mask = pci_read(number, at) & ~(u32)BAR_FLAGS;
    pci_write(number, at, low);
    if (found.wide) {
        high = pci_read(number, at + 4);
        pci_write(number, at + 4, UINT32_MAX);
        mask |= (u64)pci_read(number, at + 4) << 32;
        pci_write(number, at + 4, high);
    } else if (mask != 0) {
        mask |= ~(u64)UINT32_MAX;
    }
    pci_write(number, PCI_COMMAND, command & 0xffff);
    found.address = (u64)high << 32 | (low & ~(u32)BAR_FLAGS);
    found.size = mask & -mask; // 0 where no bit takes a one
    return found;
}

// Zero, or ones in all bits that it has, as it is left by who asked its size.
static bool
is_placed(const struct bar *b)
{
    u64 ones = b->wide ? -b->size : (u32)-b->size;

    return b->address != 0 && b->address != ones;
}

static bool
in_memory(u64 start, u64 end)
{
    for (u32 i = 0; i < memory->count; i++)
        if (start < memory->at[i].end && end > memory->at[i].start)
            return true;
    return false;
}

// The room behind all that the firmware has given out.
static u64
free_room(void)
{
    u64 start = tables->room_start;

    for (u32 n = 0; n < function_count; n++)
        for (u32 bar = 0; bar < PCI_BARS && !functions[n].bridge; bar++) {
            struct bar b = look_at(n, bar);
            u64 end = b.address + b.size;
            if (b.size > 0 && is_placed(&b) && end > start &&
                b.address < tables->room_end)
                start = end;
            bar += b.wide;
        }
    return start;
}

// Behind a bridge only what the bridge lets through.
static void
place(u32 number, u32 bar, struct bar *b)
{
    if (room == 0)
        room = free_room();
    u64 start = ALIGN_UP(MAX(room, (u64)MIB), MAX(b->size, (u64)PAGE_SIZE));

    b->address = 0;
    if (functions[number].where >= FUNCTIONS || start > tables->room_end ||
        b->size > tables->room_end - start)
        return;
    pci_write(number, PCI_BAR + 4 * bar, (u32)start);
    if (b->wide)
        pci_write(number, PCI_BAR + 4 * bar + 4, (u32)(start >> 32));
    b->address = start;
    room = start + MAX(b->size, (u64)PAGE_SIZE);
}

// Is there a BAR of this number, and not the upper half of the one before it?
static bool
is_bar(u32 number, u32 bar)
{
    u32 n = 0;

    while (n < bar)
        n += look_at(number, n).wide ? 2 : 1;
    return n == bar;
}

struct range
pci_registers(u32 number, u32 bar)
{
    struct bar b = {0};

    if (bar < PCI_BARS && !functions[number].bridge && is_bar(number, bar))
        b = look_at(number, bar);
    if (b.size > 0 && !is_placed(&b))
        place(number, bar, &b);
    if (b.size == 0 || b.address == 0 || b.address % b.size != 0 ||
        b.address > REGISTERS_END || b.size > REGISTERS_END - b.address ||
        in_memory(b.address, b.address + b.size))
        return (struct range){0};
    return (struct range){b.address, b.address + b.size};
}

void
pci_enable(u32 number, bool lines)
{
    for (u32 bar = 0; bar < PCI_BARS; bar++)
        (void)pci_registers(number, bar); // they have addresses then
    set_command(number, PCI_COMMAND_NO_INTX,
                COMMAND_MEMORY | COMMAND_MASTER |
                    (lines ? 0 : PCI_COMMAND_NO_INTX));
}

// --- lines -------------------------------------------------------------------

static u32
take_lines(u32 least, u32 *lines)
{
    u32 count = 0;

    for (u32 i = 0; i < tables->line_count; i++)
        if (tables->lines[i] >= least)
            lines[count++] = tables->lines[i];
    return count;
}

// Which of those of PCI it has only a method of AML knows: any.  Those of ISA
// are what the old interrupt controller would get, where there are others.
u32
pci_lines(u32 number, u32 *lines)
{
    u32 line = pci_read(number, PCI_LINE) & 0xff;
    u32 count = take_lines(ISA_LINES, lines);

    if (count > 0)
        return count;
    if (line == 0 || line >= ISA_LINES)
        return take_lines(0, lines);
    lines[0] = line;
    return 1;
}

// --- finding -----------------------------------------------------------------

static void
map_bus(u32 bus)
{
    u64 at = tables->config + (u64)bus * BUS_BYTES;
    u64 flags = PAGE_PRESENT | PAGE_WRITE | PAGE_UNCACHED | PAGE_GLOBAL;

    if (tables->config == 0 || bus > tables->last_bus ||
        at > REGISTERS_END - BUS_BYTES || in_memory(at, at + BUS_BYTES))
        return;
    if (space_map(MMIO_BASE + at, at, BUS_BYTES, flags | PAGE_NO_EXEC))
        buses[bus] = (u8 *)MMIO_BASE + at;
}

static bool
is_there(u32 where)
{
    return (read_at(where, PCI_ID) & 0xffff) != 0xffff;
}

// The bus behind a bridge, which the firmware has numbered; 0: none.
static u32
add(u32 where)
{
    u32 number = function_count++;
    u32 kind = read_at(where, PCI_KIND) >> 16 & 0x7f;

    functions[number].where = where;
    functions[number].bridge = kind == KIND_BRIDGE;
    if (kind != KIND_BRIDGE) {
        set_command(number, COMMAND_MASTER, PCI_COMMAND_NO_INTX);
        return 0;
    }
    u32 behind = pci_read(number, PCI_BUSES + 1) & 0xff;
    return behind > where / FUNCTIONS ? behind : 0;
}

static void
find_on(u32 bus, bool *more)
{
    for (u32 where = bus * FUNCTIONS; where < (bus + 1) * FUNCTIONS;
         where += 8) {
        if (!is_there(where))
            continue;
        bool several = read_at(where, PCI_KIND) >> 16 & KIND_SEVERAL;
        for (u32 n = 0; n < (several ? 8 : 1); n++)
            if (function_count < PCI_FUNCTIONS && is_there(where + n))
                more[add(where + n)] = true;
    }
}

void
pci_find(const struct firmware *f, const struct ranges *ram)
{
    bool more[BUSES] = {true}; // buses to look at, each after those before it

    tables = f;
    memory = ram;
    for (u32 bus = 0; bus < BUSES; bus++) {
        if (!more[bus])
            continue;
        map_bus(bus);
        find_on(bus, more);
    }
}
