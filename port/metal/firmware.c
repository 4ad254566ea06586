// port/metal/firmware.c: what the firmware's tables tell of the machine
// (firmware.h).  Nothing here touches the machine, so that tests can run it on
// tables of their own.

#include "port/metal/firmware.h"

enum {
    MADT_FIRST = 44, // offset of its entries
    MADT_IOAPIC = 1,
    MCFG_FIRST = 44,
    LINES_MAX = 256, // of all I/O APICs

    DSDT_MAX = 1 << 16, // what is looked at of one
};

struct madt_ioapic {
    u8 type, length, id, reserved;
    u32 address, first;
} __attribute__((packed));

struct mcfg_entry {
    u64 address;
    u16 segment;
    u8 first_bus, last_bus;
    u32 reserved;
} __attribute__((packed));

// --- I/O APICs ---------------------------------------------------------------

static void
add_ioapic(struct firmware *f, const struct madt_ioapic *e)
{
    if (f->ioapic_count == FIRMWARE_IOAPICS || e->address == 0 ||
        e->address % PAGE_SIZE != 0)
        return;
    f->ioapics[f->ioapic_count].address = e->address;
    f->ioapics[f->ioapic_count++].first = e->first;
}

static void
read_madt(struct firmware *f, physical_read *read, u64 rsdp)
{
    struct madt_ioapic e;
    u32 length;
    u64 madt = acpi_find(read, rsdp, "APIC", &length);

    for (u32 at = MADT_FIRST; madt != 0 && at + 2 <= length; at += e.length) {
        if (!read(madt + at, &e, 2) || e.length < 2 || e.length > length - at)
            return;
        if (e.type == MADT_IOAPIC && e.length >= sizeof(e) &&
            read(madt + at, &e, sizeof(e)))
            add_ioapic(f, &e);
    }
}

// --- PCI ---------------------------------------------------------------------

static void
read_mcfg(struct firmware *f, physical_read *read, u64 rsdp)
{
    struct mcfg_entry e;
    u32 length;
    u64 mcfg = acpi_find(read, rsdp, "MCFG", &length);

    if (mcfg == 0 || length < MCFG_FIRST + sizeof(e) ||
        !read(mcfg + MCFG_FIRST, &e, sizeof(e)))
        return;
    if (e.segment != 0 || e.first_bus != 0 || e.address % MIB != 0)
        return;
    f->config = e.address;
    f->last_bus = e.last_bus;
}

// --- the DSDT ----------------------------------------------------------------

// What a device is of which resources follow.
enum owner { OTHER, PCI_LINE, VIRTIO };

// Identifiers are words of seven or eight letters, or packed into 4 bytes (ACPI
// 6.4, 19.6.36).
static const struct {
    enum owner owner;
    const char *text;
    u8 packed[4];
} owners[] = {
    {PCI_LINE, "PNP0C0F",  {0x41, 0xd0, 0x0c, 0x0f}},
    {VIRTIO,   "LNRO0005", {0}                     },
};

enum { AML_DWORD = 0x0c, AML_STRING = 0x0d, AML_RETURN = 0xa4 };

// Descriptors of resources (ACPI 6.4, 6.4.3).
enum {
    FIXED_MEMORY = 0x86, // size 9: flags, address, bytes
    FIXED_MEMORY_SIZE = 9,
    ADDRESS_SPACE = 0x87, // size 23: kind, flags, ..., first, last
    ADDRESS_SPACE_SIZE = 23,
    SPACE_MEMORY = 0,   // its kind
    SPACE_CONSUMED = 1, // flag: not what a bridge passes on
    INTERRUPTS = 0x89,  // flags, count, numbers
    INTERRUPTS_SIZE = 6,
    DESCRIPTOR_HEAD = 3, // which, size
};

struct dsdt {
    const u8 *bytes;
    u32 size;
    enum owner owner; // of what is at hand
    u32 address;      // of its registers; 0: not told
};

static u32
number_at(const struct dsdt *d, u32 at)
{
    u32 value;

    assert(at + sizeof(value) <= d->size);
    memcpy(&value, d->bytes + at, sizeof(value));
    return value;
}

static bool
is_at(const struct dsdt *d, u32 at, const void *bytes, u32 size)
{
    return size <= d->size - at && memcmp(d->bytes + at, bytes, size) == 0;
}

static enum owner
owner_at(const struct dsdt *d, u32 at)
{
    if (at >= d->size)
        return OTHER;
    for (u32 i = 0; i < COUNT(owners); i++) {
        u32 letters = string_of(owners[i].text).len + 1;
        if (d->bytes[at] == AML_STRING &&
            is_at(d, at + 1, owners[i].text, letters))
            return owners[i].owner;
        if (d->bytes[at] == AML_DWORD && owners[i].packed[0] != 0 &&
            is_at(d, at + 1, owners[i].packed, sizeof(owners[i].packed)))
            return owners[i].owner;
    }
    return OTHER;
}

// The body of a descriptor of at least so many bytes; 0: none is at `at`.
static u32
descriptor(const struct dsdt *d, u32 at, u8 which, u32 least)
{
    if (d->bytes[at] != which || d->size - at < DESCRIPTOR_HEAD + least)
        return 0;
    u32 size = d->bytes[at + 1] | (u32)d->bytes[at + 2] << 8;
    return size >= least && size <= 64 ? at + DESCRIPTOR_HEAD : 0;
}

static void
add_line(struct firmware *f, u32 line)
{
    for (u32 i = 0; i < f->line_count; i++)
        if (f->lines[i] == line)
            return;
    if (line > 0 && line < LINES_MAX && f->line_count < FIRMWARE_LINES)
        f->lines[f->line_count++] = line;
}

static void
add_device(struct firmware *f, u64 address, u32 line)
{
    if (address == 0 || line >= LINES_MAX ||
        f->device_count == FIRMWARE_DEVICES)
        return;
    f->devices[f->device_count].address = address;
    f->devices[f->device_count++].line = line;
}

// The widest part of the memory that a bridge passes on.
static void
add_room(struct firmware *f, const struct dsdt *d, u32 space)
{
    u64 first = number_at(d, space + 7), last = number_at(d, space + 11);

    if (d->bytes[space] != SPACE_MEMORY ||
        (d->bytes[space + 1] & SPACE_CONSUMED) != 0)
        return;
    if (first >= MIB && last > first &&
        last - first >= f->room_end - f->room_start) {
        f->room_start = first;
        f->room_end = last + 1;
    }
}

static void
read_resource(struct firmware *f, struct dsdt *d, u32 at)
{
    u32 memory = descriptor(d, at, FIXED_MEMORY, FIXED_MEMORY_SIZE);
    u32 space = descriptor(d, at, ADDRESS_SPACE, ADDRESS_SPACE_SIZE);
    u32 lines = descriptor(d, at, INTERRUPTS, INTERRUPTS_SIZE);

    if (d->owner == VIRTIO && memory != 0)
        d->address = number_at(d, memory + 1);
    if (space != 0)
        add_room(f, d, space);
    if (d->owner == PCI_LINE && lines != 0 && d->bytes[lines + 1] == 1)
        add_line(f, number_at(d, lines + 2));
    if (d->owner == VIRTIO && lines != 0 && d->address != 0) {
        add_device(f, d->address, number_at(d, lines + 2));
        d->address = 0;
    }
}

// The method that returns where configuration space is, of machines that have
// no MCFG: "_CBA", flags, return, a number.
static void
read_config_base(struct firmware *f, const struct dsdt *d, u32 at)
{
    if (f->config != 0 || d->size - at < 11 || d->bytes[at + 5] != AML_RETURN ||
        d->bytes[at + 6] != AML_DWORD)
        return;
    u32 base = number_at(d, at + 7);
    if (base % MIB == 0)
        f->config = base; // and one bus
}

static void
read_dsdt(struct firmware *f, physical_read *read, u64 rsdp)
{
    static u8 bytes[DSDT_MAX];
    struct dsdt d = {.bytes = bytes};
    u64 at = acpi_find_dsdt(read, rsdp, &d.size);

    d.size = MIN(d.size, (u32)DSDT_MAX);
    if (at == 0 || !read(at, bytes, d.size))
        return;
    for (u32 i = sizeof(struct acpi_header); i < d.size; i++) {
        if (is_at(&d, i, "_HID", 4)) {
            d.owner = owner_at(&d, i + 4);
            d.address = 0;
        }
        if (is_at(&d, i, "_CBA", 4))
            read_config_base(f, &d, i);
        read_resource(f, &d, i);
    }
}

void
firmware_read(struct firmware *f, u64 rsdp, physical_read *read)
{
    *f = (struct firmware){.config = 0};
    read_madt(f, read, rsdp);
    read_mcfg(f, read, rsdp);
    read_dsdt(f, read, rsdp);
}
