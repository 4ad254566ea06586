// The builtins THROW and THROW_REF: note the state of the frame that throws and
// let the kernel look for a handler.

#include "port/x64/port_x64.h"

    .text

// Called by generated code with up to three arguments.
.macro throwing name, function
    .globl  \name
    .type   \name, @function
    .balign 16
\name:
    sub     $STATE_SIZE + 8, %rsp
    mov     %rbx, STATE_RBX(%rsp)
    mov     %rbp, STATE_RBP(%rsp)
    mov     %r12, STATE_R12(%rsp)
    mov     %r13, STATE_R13(%rsp)
    mov     %r14, STATE_R14(%rsp)
    mov     %r15, STATE_R15(%rsp)
    lea     STATE_SIZE + 16(%rsp), %rax
    mov     %rax, STATE_RSP(%rsp)
    mov     STATE_SIZE + 8(%rsp), %rax
    mov     %rax, STATE_PC(%rsp)
    mov     %rsp, %rcx
    call    \function
    ud2
    .size   \name, . - \name
.endm

throwing throw_stub, exception_throw
throwing rethrow_stub, exception_rethrow

    .section .note.GNU-stack, "", @progbits
