// port/metal/boot.S: from the boot loader to metal_main(magic, info) in long
// mode.
//
// PVH (QEMU -kernel, Firecracker, Cloud Hypervisor) and Multiboot2 (GRUB) both
// enter here in 32-bit protected mode without paging, ebx = physical address
// of their information.  There is no Multiboot1 header: QEMU would prefer it
// to PVH and then refuse an ELF64 file.

#include "port/metal/map.h"

#define PHYS(symbol) (symbol - KERNEL_BASE)

// Page table entries: present, writable, 2 MiB page.
#define TABLE 0x003
#define HUGE  0x083

#define CR4_PAE  0x20
#define MSR_EFER 0xc0000080
#define EFER_ON  0x900      // long mode, no-execute
#define CR0_ON   0x80010000 // paging, write protection

    .section .boot.header, "a"
    .balign 8
header:                         // Multiboot2, 3.1.1
    .long   0xe85250d6
    .long   0                   // protected mode i386
    .long   header_end - header
    .long   -(0xe85250d6 + (header_end - header))
    .short  3, 0                // tag: entry address
    .long   12
    .long   boot_start
    .balign 8
    .short  0, 0                // tag: end
    .long   8
header_end:

    .section .note.pvh, "a", @note
    .balign 4
    .long   4, 4, 18            // "Xen", XEN_ELFNOTE_PHYS32_ENTRY
    .asciz  "Xen"
    .long   boot_start

    .section .boot, "ax"
    .code32
    .globl  boot_start
boot_start:
    cli
    cld
    mov     %eax, %esi          // magic of Multiboot2
    mov     $PHYS(boot_stack_end), %esp
    mov     $0x80000000, %eax
    push    %ebx
    cpuid
    cmp     $0x80000001, %eax
    jb      no_long_mode
    mov     $0x80000001, %eax
    cpuid
    and     $0x20100000, %edx   // long mode, no-execute
    cmp     $0x20100000, %edx
    jne     no_long_mode
    pop     %ebx

    // Four page directories map all that a boot loader can name with 32 bits:
    // GRUB on UEFI leaves its information near the end of that.  The first of
    // them serves at three places.
    mov     $PHYS(boot_pd), %edi
    mov     $HUGE, %eax
1:  mov     %eax, (%edi)
    add     $8, %edi
    add     $0x200000, %eax
    jnc     1b
    movl    $PHYS(boot_pd) + TABLE, PHYS(boot_pdpt_low)
    movl    $PHYS(boot_pd) + 0x1000 + TABLE, PHYS(boot_pdpt_low) + 8
    movl    $PHYS(boot_pd) + 0x2000 + TABLE, PHYS(boot_pdpt_low) + 16
    movl    $PHYS(boot_pd) + 0x3000 + TABLE, PHYS(boot_pdpt_low) + 24
    movl    $PHYS(boot_pd) + TABLE, PHYS(boot_pdpt_high) + 510 * 8
    movl    $PHYS(boot_pdpt_low) + TABLE, PHYS(boot_pml4)
    movl    $PHYS(boot_pdpt_low) + TABLE, PHYS(boot_pml4) + 256 * 8
    movl    $PHYS(boot_pdpt_high) + TABLE, PHYS(boot_pml4) + 511 * 8

    mov     $PHYS(boot_pml4), %eax
    mov     %eax, %cr3
    mov     $CR4_PAE, %eax
    mov     %eax, %cr4
    mov     $MSR_EFER, %ecx
    rdmsr
    or      $EFER_ON, %eax
    wrmsr
    mov     %cr0, %eax
    or      $CR0_ON, %eax
    mov     %eax, %cr0
    lgdt    boot_gdt_pointer
    ljmp    $SELECTOR_CODE, $boot_long

no_long_mode:                   // say so on the first serial port
    mov     $no_long_mode_text, %esi
    mov     $no_long_mode_end - no_long_mode_text, %ecx
    mov     $0x3f8, %dx
    rep     outsb
2:  hlt
    jmp     2b

no_long_mode_text:
    .ascii  "nebulet: this CPU has no 64-bit mode\n"
no_long_mode_end:

    .code64
boot_long:
    mov     $SELECTOR_DATA, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    xor     %eax, %eax
    mov     %eax, %fs
    mov     %eax, %gs
    mov     %esi, %edi
    mov     %ebx, %esi
    mov     $boot_stack_end, %rsp
    xor     %ebp, %ebp
    mov     $metal_main, %rax
    call    *%rax
    ud2

    .balign 8
    .globl  boot_gdt
boot_gdt:
    .quad   0
    .quad   0x00af9b000000ffff  // SELECTOR_CODE: 64-bit, ring 0
    .quad   0x00cf93000000ffff  // SELECTOR_DATA
boot_gdt_pointer:
    .short  boot_gdt_pointer - boot_gdt - 1
    .long   boot_gdt

    .section .bss
    .balign 4096
    .globl  boot_pml4
boot_pml4:
    .skip   4096
boot_pdpt_low:
    .skip   4096
boot_pdpt_high:
    .skip   4096
boot_pd:
    .skip   4 * 4096
    .globl  boot_stack, boot_stack_end
boot_stack:
    .skip   65536
boot_stack_end:

    .section .note.GNU-stack, "", @progbits
