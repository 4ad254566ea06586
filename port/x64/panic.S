// port/x64/panic.S: panic(), with the registers as they were when it was called.

#include "port/x64/port_x64.h"

    .text

// void panic(const char *file, u32 line, const char *what)
FUNCTION(panic)
    push    %rbp
    mov     %rsp, %rbp
    lea     16(%rbp), %rax
    mov     8(%rbp), %r10
    dec     %r10 // in the call: what follows may be another function
    push    %r10
    push    %rax
    push    %r15
    push    %r14
    push    %r13
    push    %r12
    push    (%rbp)
    push    %rbx
    mov     %rsp, %rcx
    call    panic_at
    ud2
END(panic)

    .section .note.GNU-stack, "", @progbits
