// port/metal/processors.c: what processors there are (processors.h).  Nothing
// here touches the machine, so that tests can run it on tables of their own.

#include "port/metal/processors.h"

enum {
    // Where the firmware leaves its pointers.
    EBDA_SEGMENT = 0x40e, // a word: its address / 16
    EBDA_SIZE = 1024,
    BASE_END = 0xa0000,
    BIOS_START = 0xe0000,
    BIOS_END = 0x100000,
    STEP = 16,

    TABLE_MAX = 1 << 20, // bytes of a table that makes sense
    TABLES_MAX = 1024,   // that an RSDT or XSDT lists
    PIECE = 256,         // read at once
    ENABLED = 1,         // flag of an entry, in both tables
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

struct acpi_header {
    char signature[4];
    u32 length; // of the whole table
    u8 revision, checksum;
    char oem[6], oem_table[8];
    u32 oem_revision, creator, creator_revision;
} __attribute__((packed));

enum {
    MADT_FIRST = 44, // offset of its entries
    MADT_APIC = 0,
    MADT_X2APIC = 9,
};

struct madt_apic {
    u8 type, length, uid, id;
    u32 flags;
} __attribute__((packed));

struct madt_x2apic {
    u8 type, length, reserved[2];
    u32 id, flags, uid;
} __attribute__((packed));

struct mp_pointer {
    char signature[4];
    u32 table;
    u8 length, revision, checksum;
    u8 configuration; // 0: there is a table
    u8 features[4];
} __attribute__((packed));

struct mp_header {
    char signature[4];
    u16 length;
    u8 revision, checksum;
    char oem[8], product[12];
    u32 oem_table;
    u16 oem_size, entry_count;
    u32 apic;
    u16 extended_length;
    u8 extended_checksum, reserved;
} __attribute__((packed));

enum { MP_PROCESSOR = 0, MP_PROCESSOR_SIZE = 20, MP_LAST = 4, MP_SIZE = 8 };

struct mp_processor {
    u8 type, id, version, flags;
} __attribute__((packed));

static void
add(struct processors *p, u32 id)
{
    for (u32 i = 0; i < p->count; i++)
        if (p->ids[i] == id)
            return;
    if (p->count < CPU_MAX)
        p->ids[p->count++] = id;
    else
        p->left_out++;
}

static u8
sum_of(const void *bytes, u64 size)
{
    u8 sum = 0;

    for (u64 i = 0; i < size; i++)
        sum += ((const u8 *)bytes)[i];
    return sum;
}

// Do the bytes at `at` add up to 0?
static bool
adds_up(physical_read *read, u64 at, u64 size)
{
    u8 piece[PIECE], sum = 0;

    for (u64 done = 0; done < size; done += PIECE) {
        u64 part = MIN(size - done, (u64)PIECE);
        if (!read(at + done, piece, part))
            return false;
        sum += sum_of(piece, part);
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

// The same where the firmware may have left it.
static u64
search_low(physical_read *read, const char *text, u32 size,
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
           sum_of(&r, RSDP_OLD_SIZE) == 0;
}

// A table of this name, checked; its length, 0: none.
static u32
table_length(physical_read *read, u64 at, const char *signature)
{
    struct acpi_header h;

    if (at == 0 || !read(at, &h, sizeof(h)) ||
        memcmp(h.signature, signature, sizeof(h.signature)) != 0 ||
        h.length < sizeof(h) || h.length > TABLE_MAX ||
        !adds_up(read, at, h.length))
        return 0;
    return h.length;
}

static void
read_entry(struct processors *p, physical_read *read, u64 at, u8 type, u8 size)
{
    struct madt_apic apic;
    struct madt_x2apic x2apic;

    if (type == MADT_APIC && size >= sizeof(apic) &&
        read(at, &apic, sizeof(apic)) && apic.flags & ENABLED)
        add(p, apic.id);
    if (type == MADT_X2APIC && size >= sizeof(x2apic) &&
        read(at, &x2apic, sizeof(x2apic)) && x2apic.flags & ENABLED)
        add(p, x2apic.id);
}

static void
read_madt(struct processors *p, physical_read *read, u64 madt, u32 length)
{
    u8 head[2]; // type, length

    for (u32 at = MADT_FIRST; at + sizeof(head) <= length; at += head[1]) {
        if (!read(madt + at, head, sizeof(head)) || head[1] < sizeof(head) ||
            head[1] > length - at)
            return;
        read_entry(p, read, madt + at, head[0], head[1]);
    }
}

// The n-th table that the list of tables at `at` names; 0: none.
static u64
listed_table(physical_read *read, u64 at, u32 n, u32 entry_size)
{
    u64 table = 0; // little-endian, so 4 bytes do as well

    at += sizeof(struct acpi_header) + n * (u64)entry_size;
    return read(at, &table, entry_size) ? table : 0;
}

static bool
read_tables(struct processors *p, physical_read *read, u64 list,
            const char *signature, u32 entry_size)
{
    u32 length = table_length(read, list, signature);

    if (length == 0)
        return false;
    u32 count = (length - (u32)sizeof(struct acpi_header)) / entry_size;
    for (u32 n = 0; n < MIN(count, (u32)TABLES_MAX); n++) {
        u64 madt = listed_table(read, list, n, entry_size);
        u32 size = table_length(read, madt, "APIC");
        if (size != 0) {
            read_madt(p, read, madt, size);
            return true;
        }
    }
    return false;
}

static bool
read_acpi(struct processors *p, physical_read *read, u64 at)
{
    struct rsdp r = {.revision = 0};

    if (at == 0 || !is_rsdp(read, at))
        at = search_low(read, "RSD PTR ", sizeof(r.signature), is_rsdp);
    if (at == 0 || !read(at, &r, RSDP_OLD_SIZE))
        return false;
    bool whole = r.revision >= 2 && read(at, &r, sizeof(r)) &&
                 sum_of(&r, sizeof(r)) == 0;
    return (whole && read_tables(p, read, r.xsdt, "XSDT", sizeof(u64))) ||
           read_tables(p, read, r.rsdt, "RSDT", sizeof(u32));
}

// --- the MultiProcessor Specification ----------------------------------------

static bool
is_mp_pointer(physical_read *read, u64 at)
{
    struct mp_pointer m;

    return read(at, &m, sizeof(m)) && m.length == 1 &&
           sum_of(&m, sizeof(m)) == 0;
}

// How many entries there are is not believed: qboot, the firmware of microvm,
// says 0.
static void
read_mp_entries(struct processors *p, physical_read *read, u64 table,
                const struct mp_header *h)
{
    u32 at = sizeof(*h);

    while (at < h->length) {
        struct mp_processor e;
        if (!read(table + at, &e, sizeof(e)) || e.type > MP_LAST)
            return;
        u32 size = e.type == MP_PROCESSOR ? MP_PROCESSOR_SIZE : MP_SIZE;
        if (size > h->length - at)
            return;
        if (e.type == MP_PROCESSOR && e.flags & ENABLED)
            add(p, e.id);
        at += size;
    }
}

static void
read_mp(struct processors *p, physical_read *read)
{
    struct mp_pointer m;
    struct mp_header h;
    u64 at = search_low(read, "_MP_", sizeof(m.signature), is_mp_pointer);

    if (at == 0 || !read(at, &m, sizeof(m)))
        return;
    if (m.configuration != 0) { // a default one: two, numbered 0 and 1
        add(p, 0);
        add(p, 1);
    } else if (m.table != 0 && read(m.table, &h, sizeof(h)) &&
               memcmp(h.signature, "PCMP", sizeof(h.signature)) == 0 &&
               h.length >= sizeof(h) && adds_up(read, m.table, h.length)) {
        read_mp_entries(p, read, m.table, &h);
    }
}

void
processors_find(struct processors *p, u32 own, u64 rsdp, physical_read *read)
{
    *p = (struct processors){.count = 0};
    add(p, own);
    if (!read_acpi(p, read, rsdp))
        read_mp(p, read);
}
