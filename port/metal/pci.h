// port/metal/pci.h: the configuration space of PCI, by memory where the
// firmware says where that is, else by the ports 0xcf8 and 0xcfc, and the
// addresses of devices' registers, which are given out here where the firmware
// has not.
//
// Used by the first CPU alone, before there are programs.

#pragma once

#include "port/metal/firmware.h"
#include "port/metal/metal.h"

enum { PCI_FUNCTIONS = 64 }; // that are looked at

enum { // offsets in configuration space, and bits there
    PCI_ID = 0x00,
    PCI_COMMAND = 0x04, // and status
    PCI_LINE = 0x3c,    // of its interrupt, as the firmware has it
    PCI_COMMAND_NO_INTX = 1 << 10,
};

// Find all functions; none may send interrupts or reach memory from then on.
void pci_find(const struct firmware *f, const struct ranges *ram);
u32 pci_count(void);

// Of function `number`, below pci_count().
u32 pci_read(u32 number, u32 at);
void pci_write(u32 number, u32 at, u32 value); // at a multiple of 4

// Let it answer at its addresses, which it gets where it has none, reach memory
// and, with `lines`, send interrupts by a line.
void pci_enable(u32 number, bool lines);

// The next of its capabilities after the one at `at`, 0 at the end; the first
// after 0.
u32 pci_next_capability(u32 number, u32 at);

// Where the registers of its BAR `bar` are, physical; empty when there are
// none, or they are where they cannot be: in RAM, or beyond our addresses.
struct range pci_registers(u32 number, u32 bar);

// The lines by which it may interrupt, which others may use as well; *low: they
// are active then.  `lines` has room for FIRMWARE_LINES.
u32 pci_lines(u32 number, u32 *lines);
