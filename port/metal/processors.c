// port/metal/processors.c: what processors there are (processors.h).  Nothing
// here touches the machine, so that tests can run it on tables of their own.

#include "port/metal/processors.h"

enum { ENABLED = 1 }; // flag of an entry, in both tables

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

// --- ACPI --------------------------------------------------------------------

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

static bool
read_acpi(struct processors *p, physical_read *read, u64 rsdp)
{
    u32 length;
    u64 madt = acpi_find(read, rsdp, "APIC", &length);

    if (madt != 0)
        read_madt(p, read, madt, length);
    return madt != 0;
}

// --- the MultiProcessor Specification ----------------------------------------

static bool
is_mp_pointer(physical_read *read, u64 at)
{
    struct mp_pointer m;

    return read(at, &m, sizeof(m)) && m.length == 1 &&
           acpi_sum(&m, sizeof(m)) == 0;
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
    u64 at = acpi_search(read, "_MP_", sizeof(m.signature), is_mp_pointer);

    if (at == 0 || !read(at, &m, sizeof(m)))
        return;
    if (m.configuration != 0) { // a default one: two, numbered 0 and 1
        add(p, 0);
        add(p, 1);
    } else if (m.table != 0 && read(m.table, &h, sizeof(h)) &&
               memcmp(h.signature, "PCMP", sizeof(h.signature)) == 0 &&
               h.length >= sizeof(h) && acpi_adds_up(read, m.table, h.length)) {
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
