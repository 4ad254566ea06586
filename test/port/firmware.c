// test/port/firmware.c: I/O APICs, PCI and devices of virtio as ACPI tells
// them, and tables that are damaged in every byte.

#include "port/metal/firmware.c"
#include "test/port/tables.h"

enum {
    RSDP = 0xe0000,
    MADT = TABLES_FIRST,
    FADT = MADT + TABLES_STEP,
    MCFG = FADT + TABLES_STEP,
    DSDT = MCFG + TABLES_STEP,
    FADT_SIZE = 148,
};

static struct firmware found;

static void
put_list(u64 mcfg)
{
    const u32 list[] = {MADT, FADT, (u32)mcfg};

    memcpy(tables_memory + TABLES_RSDT + sizeof(struct acpi_header), list,
           sizeof(list));
    tables_put(TABLES_RSDT, "RSDT", sizeof(struct acpi_header) + sizeof(list));
}

static u32
put_madt(void)
{
    static const struct madt_ioapic entries[] = {
        {1, 12, 0, 0, 0xfec00000, 0 },
        {1, 12, 1, 0, 0xfec10000, 24},
        {0, 12, 0, 0, 0xfec20000, 48}, // a processor
        {1, 12, 2, 0, 0xfec30010, 48}, // where none can be
    };
    u32 length = MADT_FIRST + sizeof(entries);

    memcpy(tables_memory + MADT + MADT_FIRST, entries, sizeof(entries));
    tables_put(MADT, "APIC", length);
    return length;
}

// As QEMU's microvm has it: a device of virtio, two lines of PCI inside its
// root, where configuration space is, and what the root passes on.
static const u8 aml[] =
    "\x08_HID\x0dLNRO0005\0\x08_UID\x0a\x17\x08_CCA\x01"
    "\x08_CRS\x11\x1a\x0a\x17\x86\x09\0\x01\0\x2e\xb0\xfe\0\x02\0\0"
    "\x89\x06\0\x01\x01\x2f\0\0\0\x79\0"
    "\x08_HID\x0dPNP0A08\0"
    "\x08_HID\x0dPNP0C0F\0\x08_CRS\x11\x0e\x0a\x0b"
    "\x89\x06\0\x01\x01\x10\0\0\0\x79\0"
    "\x08_HID\x0c\x41\xd0\x0c\x0f\x08_PRS\x11\x16\x0a\x13"
    "\x89\x0e\0\x09\x03\x05\0\0\0\x0a\0\0\0\x0b\0\0\0\x79\0"
    "\x08_CRS\x11\x0e\x0a\x0b\x89\x06\0\x01\x01\x11\0\0\0\x79\0"
    "\x14\x0c_CBA\0\xa4\x0c\0\0\0\xe0"
    "\x87\x17\0\0\x0c\x01\0\0\0\0\0\0\0\xc0\xff\xff\xff\xdf\0\0\0\0\0\0\0\x20"
    "\x87\x17\0\0\x0c\x01\0\0\0\0\0\0\x0a\0\xff\xff\x0b\0\0\0\0\0\0\0\x02\0"
    "\x08_HID\x0dOTHER000\0\x86\x09\0\x01\0\x2c\xb0\xfe\0\x02\0\0"
    "\x89\x06\0\x01\x01\x2e\0\0\0\x79\0";

static u32
put_dsdt(void)
{
    const u32 head = sizeof(struct acpi_header);

    memcpy(tables_memory + DSDT + head, aml, sizeof(aml));
    tables_put(DSDT, "DSDT", head + sizeof(aml));
    memcpy(tables_memory + FADT + 40, &(u32){DSDT}, sizeof(u32));
    tables_put(FADT, "FACP", FADT_SIZE);
    return head + sizeof(aml);
}

static u32
put_mcfg(void)
{
    const struct mcfg_entry e = {0xb0000000, 0, 0, 255, 0};

    memcpy(tables_memory + MCFG + MCFG_FIRST, &e, sizeof(e));
    tables_put(MCFG, "MCFG", MCFG_FIRST + sizeof(e));
    return MCFG_FIRST + sizeof(e);
}

static void
put_all(u64 mcfg)
{
    tables_clear();
    tables_put_rsdp(RSDP, 0);
    put_list(mcfg);
    (void)put_madt();
    (void)put_dsdt();
    (void)put_mcfg();
}

static void
expect_dsdt(void)
{
    EXPECT_EQ(found.device_count, 1);
    EXPECT_EQ(found.devices[0].address, 0xfeb02e00);
    EXPECT_EQ(found.devices[0].line, 47);
    EXPECT_EQ(found.line_count, 2);
    EXPECT_EQ(found.lines[0], 16);
    EXPECT_EQ(found.lines[1], 17);
    EXPECT_EQ(found.room_start, 0xc0000000);
    EXPECT_EQ(found.room_end, 0xe0000000);
}

TEST(port_firmware_tables)
{
    put_all(MCFG);
    firmware_read(&found, 0, tables_read);
    EXPECT_EQ(found.ioapic_count, 2);
    EXPECT_EQ(found.ioapics[1].address, 0xfec10000);
    EXPECT_EQ(found.ioapics[1].first, 24);
    EXPECT_EQ(found.config, 0xb0000000);
    EXPECT_EQ(found.last_bus, 255);
    expect_dsdt();
    put_all(0); // only the method knows
    firmware_read(&found, 0, tables_read);
    EXPECT_EQ(found.config, 0xe0000000);
    EXPECT_EQ(found.last_bus, 0);
    expect_dsdt();
    tables_clear();
    firmware_read(&found, 0, tables_read);
    EXPECT_EQ(found.ioapic_count, 0);
    EXPECT_EQ(found.config, 0);
    EXPECT_EQ(found.device_count, 0);
}

// Whatever is in one byte: what is found is within its bounds.
static void
expect_bounded(void)
{
    tables_reads = 0;
    firmware_read(&found, 0, tables_read);
    EXPECT(found.ioapic_count <= FIRMWARE_IOAPICS);
    EXPECT(found.line_count <= FIRMWARE_LINES);
    EXPECT(found.device_count <= FIRMWARE_DEVICES);
    EXPECT(found.room_start <= found.room_end);
    for (u32 i = 0; i < found.device_count; i++)
        EXPECT(found.devices[i].line < LINES_MAX);
    EXPECT(tables_reads < 100000);
}

TEST(port_firmware_damaged)
{
    const u64 sum = offsetof(struct acpi_header, checksum);

    put_all(MCFG);
    tables_damage(MADT, put_madt(), MADT + sum, expect_bounded);
    tables_damage(FADT, FADT_SIZE, FADT + sum, expect_bounded);
    tables_damage(MCFG, put_mcfg(), MCFG + sum, expect_bounded);
    tables_damage(DSDT, put_dsdt(), DSDT + sum, expect_bounded);
}

// Ends of the table in the middle of anything.
TEST(port_firmware_cut)
{
    put_all(MCFG);
    for (u32 size = sizeof(struct acpi_header); size < put_dsdt(); size++) {
        tables_put(DSDT, "DSDT", size);
        expect_bounded();
    }
}
