// test/port/tables.h: firmware tables of tests, in memory of their own
// (processors.c).

#pragma once

#include "port/metal/acpi.h"
#include "test/test.h"

enum {
    TABLES_MEMORY = 2 << 20,
    TABLES_RSDT = 0x110000,
    TABLES_FIRST = 0x130000, // a table that is listed
    TABLES_STEP = 0x8000,    // and, so far behind, another
};

extern u8 *tables_memory; // physical memory from 0
extern u64 tables_reads;  // how often something was read

bool tables_read(u64 physical, void *to, u64 size);
void tables_clear(void);

// A table at `at` is complete: its head.
void tables_put(u64 at, const char *signature, u32 length);
void tables_put_rsdp(u64 at, u8 revision);

// Call `expect` with each byte of [start, start + size) changed to several
// values, while the sum that `checksum` is part of stays right.
void tables_damage(u64 start, u32 size, u64 checksum, void (*expect)(void));
