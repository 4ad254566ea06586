// test/port/processors.c: processors as ACPI and the MultiProcessor
// Specification tell them, and tables that are damaged in every byte.

#include "port/metal/acpi.c"
#include "port/metal/processors.c"
#include "test/port/tables.h"

#include <stdlib.h>

enum { RSDT = TABLES_RSDT, XSDT = 0x120000, MADT = TABLES_FIRST };

u8 *tables_memory;
u64 tables_reads;

bool
tables_read(u64 physical, void *to, u64 size)
{
    tables_reads++;
    if (size > TABLES_MEMORY || physical > TABLES_MEMORY - size)
        return false;
    memcpy(to, tables_memory + physical, size);
    return true;
}

void
tables_clear(void)
{
    free(tables_memory);
    tables_memory = calloc(1, TABLES_MEMORY);
    assert(tables_memory != NULL);
}

static void
balance(u8 *checksum, const void *bytes, u64 size)
{
    *checksum = 0;
    *checksum = (u8)-acpi_sum(bytes, size);
}

static void
expect_ids(const struct processors *p, const u32 *ids, u32 count)
{
    EXPECT_EQ(p->count, count);
    for (u32 i = 0; i < count && i < p->count; i++)
        EXPECT_EQ(p->ids[i], ids[i]);
}

void
tables_put(u64 at, const char *signature, u32 length)
{
    struct acpi_header *h = (void *)(tables_memory + at);

    memcpy(h->signature, signature, sizeof(h->signature));
    h->length = length;
    balance(&h->checksum, h, length);
}

void
tables_put_rsdp(u64 at, u8 revision)
{
    struct rsdp *r = (void *)(tables_memory + at);

    *r = (struct rsdp){
        .signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '},
        .revision = revision,
        .rsdt = RSDT,
        .length = sizeof(*r),
        .xsdt = XSDT
    };
    balance(&r->checksum, r, RSDP_OLD_SIZE);
    balance(&r->checksum_all, r, sizeof(*r));
}

// An RSDT and an XSDT of two tables; the second is the MADT.
static void
put_lists(void)
{
    const u32 head = sizeof(struct acpi_header);
    const u32 narrow[] = {MADT + 0x8000, MADT};
    const u64 wide[] = {MADT + 0x8000, MADT};

    memcpy(tables_memory + RSDT + head, narrow, sizeof(narrow));
    memcpy(tables_memory + XSDT + head, wide, sizeof(wide));
    tables_put(RSDT, "RSDT", head + sizeof(narrow));
    tables_put(XSDT, "XSDT", head + sizeof(wide));
    tables_put(MADT + 0x8000, "FACP", 100);
}

static const struct madt_apic apics[] = {
    {MADT_APIC, 8, 0, 2, 1},
    {MADT_APIC, 8, 1, 0, 1},
    {MADT_APIC, 8, 2, 7, 0}, // not enabled
    {MADT_APIC, 8, 3, 0, 1}, // again
    {1,         8, 0, 9, 1}, // something else
    {MADT_APIC, 8, 4, 5, 1},
};
static const struct madt_x2apic wide_apic = {MADT_X2APIC, 16, {0}, 300, 1, 0};
static const u32 acpi_ids[] = {2, 0, 5, 300};

static u32
put_madt(void)
{
    u32 length = MADT_FIRST + sizeof(apics) + sizeof(wide_apic);

    memcpy(tables_memory + MADT + MADT_FIRST, apics, sizeof(apics));
    memcpy(tables_memory + MADT + MADT_FIRST + sizeof(apics), &wide_apic,
           sizeof(wide_apic));
    tables_put(MADT, "APIC", length);
    return length;
}

TEST(port_processors_acpi)
{
    static const u64 places[] = {0xe0000, 0xffff0 - 0x20, 0x9fc00};
    struct processors p;

    for (u32 i = 0; i < COUNT(places); i++) {
        for (u8 revision = 0; revision <= 2; revision += 2) {
            tables_clear();
            tables_put_rsdp(places[i], revision);
            put_lists();
            put_madt();
            processors_find(&p, 2, 0, tables_read);
            expect_ids(&p, acpi_ids, COUNT(acpi_ids));
        }
    }
    tables_clear();
    tables_put_rsdp(0x100100, 2); // only the boot loader knows
    put_lists();
    put_madt();
    processors_find(&p, 2, 0, tables_read);
    expect_ids(&p, acpi_ids, 1);
    processors_find(&p, 2, 0x100100, tables_read);
    expect_ids(&p, acpi_ids, COUNT(acpi_ids));
}

TEST(port_processors_too_many)
{
    const u32 count = CPU_MAX + 10;
    struct processors p;

    tables_clear();
    tables_put_rsdp(0xe0000, 2);
    put_lists();
    for (u32 i = 0; i < count; i++) {
        struct madt_x2apic *e = (void *)(tables_memory + MADT + MADT_FIRST);
        e[i] = (struct madt_x2apic){MADT_X2APIC, 16, {0}, 1000 + i, 1, i};
    }
    tables_put(MADT, "APIC", MADT_FIRST + count * 16);
    processors_find(&p, 1003, 0, tables_read);
    EXPECT_EQ(p.count, CPU_MAX);
    EXPECT_EQ(p.left_out, 10);
    EXPECT_EQ(p.ids[0], 1003);
    EXPECT_EQ(p.ids[1], 1000);
}

// --- the MultiProcessor Specification ----------------------------------------

static void
put_mp(u64 at, u8 configuration)
{
    struct mp_pointer *m = (void *)(tables_memory + at);
    struct mp_header *h = (void *)(tables_memory + RSDT);
    u8 *entry = (u8 *)(h + 1);

    *m = (struct mp_pointer){
        .signature = {'_', 'M', 'P', '_'},
        .table = RSDT,
        .length = 1,
        .configuration = configuration
    };
    balance(&m->checksum, m, sizeof(*m));
    *h = (struct mp_header){
        .signature = {'P', 'C', 'M', 'P'},
          .entry_count = 4
    };
    memcpy(entry, &(struct mp_processor){MP_PROCESSOR, 4, 0, 3}, 4);
    memcpy(entry + 20, &(struct mp_processor){2, 9, 0, 1}, 4); // an I/O APIC
    memcpy(entry + 28, &(struct mp_processor){MP_PROCESSOR, 5, 0, 0}, 4);
    memcpy(entry + 48, &(struct mp_processor){MP_PROCESSOR, 6, 0, 1}, 4);
    h->length = sizeof(*h) + 68;
    balance(&h->checksum, h, h->length);
}

TEST(port_processors_mp)
{
    static const u32 ids[] = {4, 6}, defaults[] = {0, 1};
    struct processors p;

    tables_clear();
    put_mp(0xf5ba0, 0);
    processors_find(&p, 4, 0, tables_read);
    expect_ids(&p, ids, 2);
    tables_clear();
    put_mp(0x9fc00, 5);
    processors_find(&p, 0, 0, tables_read);
    expect_ids(&p, defaults, 2);
    tables_clear();
    memcpy(tables_memory + EBDA_SEGMENT, &(u16){0x8000}, 2);
    put_mp(0x80010, 0);
    processors_find(&p, 4, 0, tables_read);
    expect_ids(&p, ids, 2);
    struct mp_header *h = (void *)(tables_memory + RSDT);
    h->entry_count = 0; // as on microvm
    balance(&h->checksum, h, h->length);
    processors_find(&p, 4, 0, tables_read);
    expect_ids(&p, ids, 2);
}

// --- tables that make no sense -----------------------------------------------

// Whatever is in one byte: no more than the memory is read, in a bounded number
// of steps, and the first processor is the one that asked.
static void
expect_harmless(void)
{
    struct processors p;

    tables_reads = 0;
    processors_find(&p, 2, 0, tables_read);
    EXPECT(p.count >= 1 && p.count <= CPU_MAX);
    EXPECT_EQ(p.ids[0], 2);
    EXPECT(tables_reads < 100000);
}

void
tables_damage(u64 start, u32 size, u64 checksum, void (*expect)(void))
{
    for (u32 i = 0; i < size; i++) {
        u8 *byte = tables_memory + start + i, before = *byte;
        for (u32 value = 0; value < 256; value += 37) {
            *byte = (u8)value;
            if (start + i != checksum)
                tables_memory[checksum] =
                    (u8)(tables_memory[checksum] + before - value);
            expect();
            if (start + i != checksum)
                tables_memory[checksum] =
                    (u8)(tables_memory[checksum] - before + value);
        }
        *byte = before;
    }
}

TEST(port_processors_damaged)
{
    const u64 sum = offsetof(struct acpi_header, checksum);

    tables_clear();
    tables_put_rsdp(0xe0000, 0);
    put_lists();
    u32 length = put_madt();
    tables_damage(MADT, length, MADT + sum, expect_harmless);
    tables_damage(RSDT, sizeof(struct acpi_header) + 8, RSDT + sum,
                  expect_harmless);
    tables_damage(0xe0000, RSDP_OLD_SIZE,
                  0xe0000 + offsetof(struct rsdp, checksum), expect_harmless);
    tables_clear();
    put_mp(0xf0000, 0);
    tables_damage(RSDT, sizeof(struct mp_header) + 68,
                  RSDT + offsetof(struct mp_header, checksum), expect_harmless);
    tables_damage(0xf0000, sizeof(struct mp_pointer),
                  0xf0000 + offsetof(struct mp_pointer, checksum),
                  expect_harmless);
}
