// The builtins THROW and THROW_REF: note what the frame that throws has in
// registers and let the kernel look for a handler.

#include "port/x64/port_x64.h"

    .text

// Called by generated code with up to three arguments; pushes struct thrown_at.
.macro throwing name, function
    .globl  \name
    .type   \name, @function
    .balign 16
\name:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    sub     $8, %rsp
    mov     %rsp, %rcx
    call    \function
    ud2
    .size   \name, . - \name
.endm

throwing throw_stub, exception_throw
throwing rethrow_stub, exception_rethrow

    .section .note.GNU-stack, "", @progbits
