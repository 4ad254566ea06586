// port/metal/processors.h: what processors a machine has, as its firmware
// tells: ACPI's MADT (ACPI 6.4, 5.2.12), else the table of the MultiProcessor
// Specification (1.4, 4).
//
// The tables are read through a function, and whatever they say is checked: a
// table that makes no sense is none.

#pragma once

#include "port/metal/acpi.h"

struct processors {
    u32 ids[CPU_MAX]; // of their local APICs, each once; the first is given
    u32 count;
    u32 left_out; // enabled ones for which there was no room
};

// All enabled processors, after `own`, the local APIC of the one that asks.
// `rsdp` is where the boot loader says that ACPI's root pointer is, or 0.
void processors_find(struct processors *p, u32 own, u64 rsdp,
                     physical_read *read);
