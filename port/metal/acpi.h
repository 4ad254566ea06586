// port/metal/acpi.h: tables that the firmware left in memory: ACPI's (ACPI 6.4,
// 5.2), and where to look for others.
//
// They are read through a function, and whatever they say is checked: a table
// that makes no sense is none.

#pragma once

#include "kernel/port.h"

// Copy `size` bytes of physical memory; false: that cannot be read.
typedef bool physical_read(u64 physical, void *to, u64 size);

enum { ACPI_TABLE_MAX = 1 << 20 }; // bytes of a table that makes sense

struct acpi_header {
    char signature[4];
    u32 length; // of the whole table
    u8 revision, checksum;
    char oem[6], oem_table[8];
    u32 oem_revision, creator, creator_revision;
} __attribute__((packed));

// A table with this signature, checked: where it is, 0: there is none; *length
// is that of all of it.  `rsdp` is where the boot loader says that ACPI's root
// pointer is, or 0.
MUST_USE u64 acpi_find(physical_read *read, u64 rsdp, const char *signature,
                       u32 *length);

// The same of the DSDT, to which another table leads.
MUST_USE u64 acpi_find_dsdt(physical_read *read, u64 rsdp, u32 *length);

u8 acpi_sum(const void *bytes, u64 size);

// Do the bytes at `at` add up to 0?
MUST_USE bool acpi_adds_up(physical_read *read, u64 at, u64 size);

// The first place where the firmware may have left it, in steps of 16 bytes,
// with this text, for which `good` holds; 0: none.
MUST_USE u64 acpi_search(physical_read *read, const char *text, u32 size,
                         bool (*good)(physical_read *read, u64 at));
