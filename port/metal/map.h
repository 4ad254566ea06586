// port/metal/map.h: the map of addresses.  Also read by the assembler.
//
//     0                       nothing
//     SLOT_START..SLOT_END    instance slots: reservations of 1 GiB and more
//     DIRECT_BASE + p         all RAM, never executable
//     HEAP_BASE..HEAP_END     smaller reservations: kernel heap, thread stacks
//     MMIO_BASE + p           device registers, p < 4 GiB
//     KERNEL_BASE + p         the kernel image
//     CODE_BASE..CODE_END     generated code, within 2 GiB of the kernel's
//
// All of it is one address space, supervisor only, and global.

#pragma once

#define SLOT_START  0x0000000200000000
#define SLOT_END    0x0000800000000000
#define DIRECT_BASE 0xffff800000000000
#define DIRECT_END  0xffffc00000000000
#define HEAP_BASE   0xffffc00000000000
#define HEAP_END    0xffffe00000000000
#define MMIO_BASE   0xffffffff00000000
#define KERNEL_BASE 0xffffffff80000000
#define CODE_BASE   0xffffffffa0000000
#define CODE_END    0xffffffffe0000000

// What the start of the kernel maps by itself, at 0, DIRECT_BASE, KERNEL_BASE.
#define BOOT_MAPPED 0x40000000

// Segment selectors.
#define SELECTOR_CODE    0x08
#define SELECTOR_DATA    0x10
#define SELECTOR_TSS     0x18

#define PVH_MAGIC        0x336ec578 // first word of the start info
#define MULTIBOOT2_MAGIC 0x36d76289 // in eax
