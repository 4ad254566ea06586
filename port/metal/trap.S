// port/metal/trap.S: exceptions and interrupts: from the vector to
// trap_handle(frame) and back, and the way out of a thread that is preempted.

#include "port/metal/map.h"
#include "port/x64/port_x64.h"

    .text

.macro push_all
    push    %rax
    push    %rcx
    push    %rdx
    push    %rbx
    push    %rbp
    push    %rsi
    push    %rdi
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    push    %r12
    push    %r13
    push    %r14
    push    %r15
.endm

.macro pop_all
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rdi
    pop     %rsi
    pop     %rbp
    pop     %rbx
    pop     %rdx
    pop     %rcx
    pop     %rax
.endm

// Those that the kernel noted at `at`: generated code's, as in gates.S, or 0.
.macro restore_rights at
    cmpb    $0, harden_on(%rip)
    je      9f
    mov     \at(%rsp), %eax
    test    %eax, %eax
    jz      9f
    mov     %fs:CPU_THREAD, %r11
    mov     %eax, THREAD_IN_FORCE(%r11)
    xor     %ecx, %ecx
    xor     %edx, %edx
    wrpkru
    mov     %fs:CPU_THREAD, %r11
    cmp     THREAD_IN_FORCE(%r11), %eax
    jne     wrong_rights
9:
.endm

// One stub of 16 bytes for each vector.  Those in the mask have an error code
// from the CPU (SDM 3A, 6.13); the others get a 0 in its place.
    .globl  trap_stubs
    .balign 16
trap_stubs:
    .set    vector, 0
    .rept   256
    .balign 16
    .if     vector > 31
    push    $0
    .elseif !((0x60227d00 >> vector) & 1)
    push    $0
    .endif
    push    $vector
    jmp     trap_common
    .set    vector, vector + 1
    .endr
    .balign 16

// struct trap_frame is a multiple of 16 bytes, so the stack is aligned.
trap_common:
    cld
    push_all
    cmpb    $0, harden_on(%rip)
    je      1f
    .globl  trap_open
trap_open:
    xor     %eax, %eax
    xor     %ecx, %ecx
    xor     %edx, %edx
    wrpkru
    .globl  trap_opened
trap_opened:
    mov     %fs:CPU_THREAD, %rcx
    xor     %eax, %eax
    test    %rcx, %rcx          // NULL: there are no threads yet
    jz      2f
    movabs  $-WINDOW_BASE, %rdx
    add     %rsp, %rdx
    cmp     $WINDOW_END - WINDOW_BASE, %rdx
    jae     wrong_rights        // it is no stack of interrupts
    mov     THREAD_IN_FORCE(%rcx), %eax
    movl    $0, THREAD_IN_FORCE(%rcx)
    .globl  trap_open_done
trap_open_done:
2:  mov     %eax, TRAP_RIGHTS(%rsp)
1:  mov     %rsp, %rdi
    call    trap_handle
    restore_rights TRAP_RIGHTS
    pop_all
    add     $16, %rsp           // vector, error code
    iretq

// The timer interrupt makes a preempted thread continue here, on its own
// stack, with interrupts off and what iretq wants at rsp.  Saves everything
// and lets others run.
    .globl  preempt_start
    .balign 16
preempt_start:
    push_all
    mov     %rsp, %rbp
    mov     vector_state_size(%rip), %ebx
    mov     $512, %eax          // fxsave
    test    %ebx, %ebx
    cmovnz  %ebx, %eax
    sub     %rax, %rsp
    and     $-64, %rsp
    test    %ebx, %ebx
    jz      1f

    xor     %eax, %eax          // the header must be zero, SDM 1, 13.4.2
    .irp    at, 512, 520, 528, 536, 544, 552, 560, 568
    mov     %rax, \at(%rsp)
    .endr
    mov     $-1, %eax
    mov     $-1, %edx
    xsave64 (%rsp)
    call    give_way
    mov     $-1, %eax
    mov     $-1, %edx
    xrstor64 (%rsp)
    jmp     2f

1:  fxsave64 (%rsp)
    call    give_way
    fxrstor64 (%rsp)

2:  mov     %rbp, %rsp
    restore_rights 15*8+BACK_RIGHTS
    pop_all
    iretq

give_way:                       // rbp + 15 registers: struct return_frame
    sub     $8, %rsp
    call    sched_preempt
    add     $8, %rsp
    lea     15 * 8(%rbp), %rdi
    jmp     preempt_return

    .section .note.GNU-stack, "", @progbits
