// port/x64/builtin.S: the stubs of builtins: from generated code into C and
// back, or out of it.

#include "port/x64/port_x64.h"

    .text

// Arguments are in SysV order, five at most after the vmctx, results in rax.
// What the caller has in registers is right below its frame then, where the
// collector looks for references (runtime/roots.c).
// Throwing does not come back here: it notes its caller's registers instead.
.macro builtin_stub name
    .balign STUB_SIZE
    .ifc    \name, THROW
    jmp     throw_stub
    .else
    .ifc    \name, THROW_REF
    jmp     rethrow_stub
    .else
    mov     VMCTX_THREAD(%r14), %r10
    mov     %r14, THREAD_VMCTX(%r10)
    mov     %rsp, THREAD_RSP(%r10)
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    sub     $8, %rsp
    call    *builtin_functions + 8 * number(%rip)
    add     $40, %rsp
    mov     VMCTX_THREAD(%r14), %r10
    cmpw    $0, THREAD_LEAVE(%r10)
    jne     leave_generated
    ret
    .endif
    .endif
    .set    number, number + 1
.endm

    .globl  builtin_stubs
    .balign STUB_SIZE
builtin_stubs:
    .set    number, 0
#define BUILTIN(id, sig, trap, low, high) builtin_stub id
#include "abi/builtins.def"
    .balign STUB_SIZE

    .section .note.GNU-stack, "", @progbits
