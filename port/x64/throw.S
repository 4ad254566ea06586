// port/x64/throw.S: the builtins THROW and THROW_REF: note what the frame that
// throws has in registers, let the kernel look for a handler, and go on there.

#include "port/x64/port_x64.h"

    .text

// Called by generated code with up to three arguments; pushes struct thrown_at.
.macro throwing name, function
    .globl  \name
    .type   \name, @function
    .balign 16
\name:
    mov     VMCTX_THREAD(%r14), %r10
    mov     %r14, THREAD_VMCTX(%r10)
    mov     %rsp, THREAD_RSP(%r10)
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    sub     $8, %rsp
    mov     %rsp, %rcx
    sub     $LANDING_SIZE, %rsp
    mov     %rsp, %r8
    call    \function
    mov     VMCTX_THREAD(%r14), %r10
    cmpw    $0, THREAD_LEAVE(%r10)
    jne     leave_generated
    mov     LANDING_PC(%rsp), %rcx
    mov     LANDING_RAX(%rsp), %rax
    mov     LANDING_RDX(%rsp), %rdx
    mov     LANDING_RSP(%rsp), %rsp
    jmp     *%rcx
    .size   \name, . - \name
.endm

throwing throw_stub, exception_throw
throwing rethrow_stub, exception_rethrow

    .section .note.GNU-stack, "", @progbits
