// port/metal/map.h: the map of addresses.  Also read by the assembler.
//
// All of it is one address space, supervisor only (but see harden.c), and
// global.  Linear memories have the lower half to themselves; everything else
// is in the upper half.

#pragma once

#define SLOT_START  0x0000000200000000 // what they hold is in regions.def
#define SLOT_END    0x0000800000000000
#define DIRECT_BASE 0xffff800000000000 // + physical address
#define DIRECT_END  0xffffc00000000000
#define HEAP_BASE   0xffffc00000000000
#define HEAP_END    0xffffe00000000000
#define MMIO_BASE   0xffffe00000000000 // + physical address
#define MMIO_END    0xfffff00000000000
#define WINDOW_BASE 0xfffff00000000000 // of each CPU by itself, see window.c
#define WINDOW_END  0xfffff00000200000
#define OPEN_BASE   0xfffff20000000000 // in hardened mode
#define OPEN_END    0xfffffa0000000000
#define STACKS_BASE 0xfffffa0000000000
#define STACKS_END  0xfffffc0000000000
#define KERNEL_BASE 0xffffffff80000000 // + physical address
#define KERNEL_END  0xffffffffa0000000
#define CODE_BASE   0xffffffffa0000000 // within 2 GiB of the kernel's text
#define CODE_END    0xffffffffe0000000

// What the start of the kernel maps by itself, at 0 and DIRECT_BASE; the first
// GiB of it at KERNEL_BASE, too.
#define BOOT_MAPPED 0x100000000

// Where the stubs find things; harden.c asserts that struct cpu and struct
// trap_frame agree.
#define CPU_THREAD  8
#define TRAP_RIGHTS 124 // upper half of the vector's place
#define BACK_RIGHTS 12  // upper half of the selector's, in a return_frame

// Segment selectors.
#define SELECTOR_CODE    0x08
#define SELECTOR_DATA    0x10
#define SELECTOR_TSS     0x18

#define PVH_MAGIC        0x336ec578 // first word of the start info
#define MULTIBOOT2_MAGIC 0x36d76289 // in eax
