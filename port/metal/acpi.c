// port/metal/acpi.c: tables that the firmware left in memory (acpi.h).  Nothing
// here touches the machine, so that tests can run it on tables of their own.

#include "port/metal/acpi.h"

enum {
    // Where the firmware leaves its pointers.
    EBDA_SEGMENT = 0x40e, // a word: its address / 16
    EBDA_SIZE = 1024,
    BASE_END = 0xa0000,
    BIOS_START = 0xe0000,
    BIOS_END = 0x100000,
    STEP = 16,

    TABLES_MAX = 1024, // that an RSDT or XSDT lists
    PIECE = 256,       // read at once
};

struct rsdp {
    char signature[8];
    u8 checksum;
    char oem[6];
    u8 revision;
    u32 rsdt;
    u32 length; // revision 2 and later, with what follows
    u64 xsdt;
    u8 checksum_all, reserved[3];
} __attribute__((packed));

enum { RSDP_OLD_SIZE = 20 };

u8
acpi_sum(const void *bytes, u64 size)
{
    u8 sum = 0;

    for (u64 i = 0; i < size; i++)
        sum += ((const u8 *)bytes)[i];
    return sum;
}

bool
acpi_adds_up(physical_read *read, u64 at, u64 size)
{
    u8 piece[PIECE], sum = 0;

    for (u64 done = 0; done < size; done += PIECE) {
        u64 part = MIN(size - done, (u64)PIECE);
        if (!read(at + done, piece, part))
            return false;
        sum += acpi_sum(piece, part);
    }
    return sum == 0;
}

// The first place in [start, end), in steps of 16 bytes, with this text, for
// which `good` holds; 0: none.
static u64
search(physical_read *read, u64 start, u64 end, const char *text, u32 size,
       bool (*good)(physical_read *read, u64 at))
{
    u8 piece[PIECE];

    for (u64 at = start; at + STEP <= end; at += STEP) {
        u64 offset = (at - start) % PIECE;
        if (offset == 0 && !read(at, piece, MIN(end - at, (u64)PIECE)))
            return 0;
        if (memcmp(piece + offset, text, size) == 0 && good(read, at))
            return at;
    }
    return 0;
}

static u64
ebda(physical_read *read)
{
    u16 segment;

    return read(EBDA_SEGMENT, &segment, sizeof(segment)) ? segment * 16ull : 0;
}

u64
acpi_search(physical_read *read, const char *text, u32 size,
            bool (*good)(physical_read *read, u64 at))
{
    u64 start = ebda(read), at = 0;

    if (start != 0 && start + EBDA_SIZE <= BASE_END)
        at = search(read, start, start + EBDA_SIZE, text, size, good);
    if (at == 0)
        at = search(read, BASE_END - EBDA_SIZE, BASE_END, text, size, good);
    if (at == 0)
        at = search(read, BIOS_START, BIOS_END, text, size, good);
    return at;
}

// --- ACPI --------------------------------------------------------------------

static bool
is_rsdp(physical_read *read, u64 at)
{
    struct rsdp r;

    return read(at, &r, RSDP_OLD_SIZE) &&
           memcmp(r.signature, "RSD PTR ", sizeof(r.signature)) == 0 &&
           acpi_sum(&r, RSDP_OLD_SIZE) == 0;
}

// A table of this name, checked; its length, 0: none.
static u32
table_length(physical_read *read, u64 at, const char *signature)
{
    struct acpi_header h;

    if (at == 0 || !read(at, &h, sizeof(h)) ||
        memcmp(h.signature, signature, sizeof(h.signature)) != 0 ||
        h.length < sizeof(h) || h.length > ACPI_TABLE_MAX ||
        !acpi_adds_up(read, at, h.length))
        return 0;
    return h.length;
}

// The n-th table that the list of tables at `at` names; 0: none.
static u64
listed_table(physical_read *read, u64 at, u32 n, u32 entry_size)
{
    u64 table = 0; // little-endian, so 4 bytes do as well

    at += sizeof(struct acpi_header) + n * (u64)entry_size;
    return read(at, &table, entry_size) ? table : 0;
}

static u64
find_in(physical_read *read, u64 list, const char *name, u32 entry_size,
        const char *signature, u32 *length)
{
    u32 size = table_length(read, list, name);

    if (size == 0)
        return 0;
    u32 count = (size - (u32)sizeof(struct acpi_header)) / entry_size;
    for (u32 n = 0; n < MIN(count, (u32)TABLES_MAX); n++) {
        u64 table = listed_table(read, list, n, entry_size);
        *length = table_length(read, table, signature);
        if (*length != 0)
            return table;
    }
    return 0;
}

u64
acpi_find(physical_read *read, u64 rsdp, const char *signature, u32 *length)
{
    struct rsdp r = {.revision = 0};
    u64 table = 0;

    *length = 0;
    if (rsdp == 0 || !is_rsdp(read, rsdp))
        rsdp = acpi_search(read, "RSD PTR ", sizeof(r.signature), is_rsdp);
    if (rsdp == 0 || !read(rsdp, &r, RSDP_OLD_SIZE))
        return 0;
    bool whole = r.revision >= 2 && read(rsdp, &r, sizeof(r)) &&
                 acpi_sum(&r, sizeof(r)) == 0;
    if (whole)
        table = find_in(read, r.xsdt, "XSDT", sizeof(u64), signature, length);
    if (table == 0)
        table = find_in(read, r.rsdt, "RSDT", sizeof(u32), signature, length);
    return table;
}

// --- the definition block ----------------------------------------------------

enum { FADT_DSDT = 40, FADT_DSDT_WIDE = 140 }; // offsets of its address

u64
acpi_find_dsdt(physical_read *read, u64 rsdp, u32 *length)
{
    u64 fadt = acpi_find(read, rsdp, "FACP", length), wide = 0;
    u32 narrow = 0, size = *length;

    *length = 0;
    if (fadt == 0)
        return 0;
    if (size >= FADT_DSDT_WIDE + sizeof(wide) &&
        !read(fadt + FADT_DSDT_WIDE, &wide, sizeof(wide)))
        return 0;
    if (size >= FADT_DSDT + sizeof(narrow) &&
        !read(fadt + FADT_DSDT, &narrow, sizeof(narrow)))
        return 0;
    *length = table_length(read, wide, "DSDT");
    if (*length != 0)
        return wide;
    *length = table_length(read, narrow, "DSDT");
    return *length != 0 ? narrow : 0;
}
