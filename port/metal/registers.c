// port/metal/registers.c: devices whose registers programs may have, since they
// reach no memory: the controller of a keyboard at its ports, and a display on
// PCI.

#include "abi/abi.h"
#include "port/metal/pci.h"

enum {
    KEYBOARD_DATA = 0x60,
    KEYBOARD_COMMAND = 0x64, // and status: all ones where there is none
    KEYBOARD_LINE = 1,
    DISPLAY_ID = 0x11111234, // of QEMU and Bochs
    DISPLAY_PIXELS = 0,      // its BARs
    DISPLAY_MODE = 2,
};

static u32
read_port(u16 port, u32 width)
{
    return width == 1 ? in8(port) : width == 2 ? in16(port) : in32(port);
}

static void
write_port(u16 port, u32 width, u32 value)
{
    if (width == 1)
        out8(port, (u8)value);
    else if (width == 2)
        out16(port, (u16)value);
    else
        out32(port, value);
}

static u32
read_register(struct port_registers *r, u32 range, u32 at, u32 width)
{
    u64 where = r->ranges[range].start + at;

    if (r->ranges[range].kind == REGISTERS_PORTS)
        return read_port((u16)where, width);
    return mmio_read_width(MMIO_BASE + where, width);
}

static void
write_register(struct port_registers *r, u32 range, u32 at, u32 width,
               u32 value)
{
    u64 where = r->ranges[range].start + at;

    if (r->ranges[range].kind == REGISTERS_PORTS)
        write_port((u16)where, width, value);
    else
        mmio_write_width(MMIO_BASE + where, width, value);
}

static void
listen(struct port_registers *r)
{
    (void)r; // only the keyboard has an interrupt
    irq_enable_line(KEYBOARD_LINE, VECTOR_KEYBOARD);
}

static const struct port_registers_ops ops = {
    .read = read_register,
    .write = write_register,
    .listen = listen,
};

static struct port_registers keyboard = {
    .ops = &ops,
    .name = "ps2",
    .ranges = {{REGISTERS_PORTS, KEYBOARD_DATA, 1},
               {REGISTERS_PORTS, KEYBOARD_COMMAND, 1}},
    .count = 2,
    .interrupts = true,
};

static struct port_registers display = {.ops = &ops, .name = "display"};

static struct port_registers *found[2];
static u32 found_count;

void
keyboard_interrupt(void)
{
    registers_interrupt(&keyboard);
}

struct port_registers *
port_registers(u32 index)
{
    return index < found_count ? found[index] : NULL;
}

// --- finding -----------------------------------------------------------------

static bool
add_range(struct port_registers *r, u32 number, u32 bar)
{
    struct range where = pci_registers(number, bar);
    u64 size = where.end - where.start;

    if (size == 0 || size > UINT32_MAX || !mmio_map(where.start, size))
        return false;
    r->ranges[r->count++] =
        (struct port_range){REGISTERS_MEMORY, where.start, (u32)size};
    return true;
}

static void
find_display(void)
{
    for (u32 i = 0; i < pci_count(); i++) {
        if (pci_read(i, PCI_ID) != DISPLAY_ID)
            continue;
        if (add_range(&display, i, DISPLAY_PIXELS) &&
            add_range(&display, i, DISPLAY_MODE)) {
            pci_enable(i, false);
            found[found_count++] = &display;
        }
        return;
    }
}

void
registers_look(void)
{
    if (in8(KEYBOARD_COMMAND) != 0xff)
        found[found_count++] = &keyboard;
    find_display();
}
