// port/metal/firmware.h: what the firmware's tables tell of the machine besides
// its processors: I/O APICs, the way to PCI's configuration space and devices
// of virtio that are on no bus.
//
// There is no interpreter of AML: in the DSDT the identifiers of devices are
// looked for, and behind each the resources that it has there as a constant.
// What is found so is checked again by whoever uses it.

#pragma once

#include "port/metal/acpi.h"

enum {
    FIRMWARE_IOAPICS = 8,
    FIRMWARE_LINES = 16,
    FIRMWARE_DEVICES = 32,
    ISA_LINES = 16, // the first, which may be those of PCI as well
};

struct firmware {
    struct {
        u64 address;
        u32 first; // of the numbers of its lines
    } ioapics[FIRMWARE_IOAPICS];
    u32 ioapic_count;

    // PCI's configuration space, and where there is room for its registers.
    u64 config; // 0: not in memory
    u32 first_bus, last_bus;
    u64 room_start, room_end;

    // Lines that devices of PCI may use.
    u32 lines[FIRMWARE_LINES];
    u32 line_count;

    struct {
        u64 address;
        u32 line;
    } devices[FIRMWARE_DEVICES]; // of virtio, by MMIO
    u32 device_count;
};

// `rsdp` is where the boot loader says that ACPI's root pointer is, or 0.
void firmware_read(struct firmware *f, u64 rsdp, physical_read *read);
