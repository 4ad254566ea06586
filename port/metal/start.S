// port/metal/start.S: how a CPU that is not the first starts: from the first
// page of real mode to metal_start_other(cpu) in long mode, on tables and a
// stack of its own.
//
// cpus.c copies the page to a free one below 1 MiB and fills in where that is.
// The CPUs come all at once; each finds by the number of its local APIC what was
// prepared for it.  Nothing here uses memory of the boot loader.

#include "port/metal/map.h"

#define CR4_PAE  0x20
#define MSR_EFER 0xc0000080
#define EFER_ON  0x900      // long mode, no-execute
#define CR0_ON   0x80010001 // paging, write protection, protected mode

    .section .rodata
    .balign 16
    .globl  start_page, start_page_end, start_far, start_tables
    .code16
start_page:
    cli
    cld
    mov     %cs, %ax
    mov     %ax, %ds
    mov     start_tables - start_page, %eax
    mov     %eax, %cr3
    mov     $CR4_PAE, %eax
    mov     %eax, %cr4
    mov     $MSR_EFER, %ecx
    rdmsr
    or      $EFER_ON, %eax
    wrmsr
    lgdtl   start_gdt - start_page
    mov     $CR0_ON, %eax
    mov     %eax, %cr0
    ljmpl   *(start_far - start_page)

    .balign 8
start_gdt:
    .short  3 * 8 - 1
    .long   boot_gdt
    .balign 4
start_tables:
    .long   0                   // those of boot.S
start_far:
    .long   0                   // where start_long is in the copy
    .short  SELECTOR_CODE

    .code64
    .globl  start_long
start_long:
    mov     $SELECTOR_DATA, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    xor     %eax, %eax
    mov     %eax, %fs
    mov     %eax, %gs
    movabs  $start_other, %rax
    jmp     *%rax
start_page_end:

    .text
start_other:
    xor     %eax, %eax          // edx: the number, SDM 2A, CPUID
    cpuid
    cmp     $0xb, %eax
    jb      1f
    mov     $0xb, %eax
    xor     %ecx, %ecx
    cpuid
    test    %ebx, %ebx
    jnz     2f
1:  mov     $1, %eax
    cpuid
    mov     %ebx, %edx
    shr     $24, %edx
2:  xor     %ecx, %ecx
3:  cmp     start_count(%rip), %ecx
    je      4f
    cmp     start_apics(, %rcx, 4), %edx
    je      5f
    inc     %ecx
    jmp     3b
4:  cli                         // nobody has called it
    hlt
    jmp     4b
5:  mov     start_stacks(, %rcx, 8), %rsp
    mov     start_cpus(, %rcx, 8), %rdi
    mov     start_top(%rip), %rax
    mov     %rax, %cr3
    xor     %ebp, %ebp
    call    metal_start_other
    jmp     4b

    .section .note.GNU-stack, "", @progbits
