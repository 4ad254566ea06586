// port/x64/call.S: from C into generated code, and from one instance into
// another: the same code for all types, which are told by numbers.
//
// Arguments: integers in rdi rsi rdx rcx r8 r9, vectors in xmm0-7, then on the
// stack; results: rax rdx rcx rsi rdi r8, xmm0-7, then on the stack above the
// arguments, which the callee pops (x64/mach.h).  Free at a call: rax r10 r11
// xmm15; at a return: r9 r10 r11 xmm15.

#include "port/x64/port_x64.h"

    .text

// void enter_stub(struct vmctx *vm, const struct func_entry *entry,
//                 struct call_state *state)
FUNCTION(enter_stub)
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    sub     $8, %rsp
    mov     %rdi, %r14
    mov     %rsi, %r12
    mov     %rdx, %rbx
    mov     VMCTX_MEMORY(%r14), %r15
    sub     CALL_ARGS(%rbx), %rsp
    sub     CALL_RESULTS(%rbx), %rsp
    mov     %rbx, %rdi
    mov     %rsp, %rsi
    call    call_pack
    mov     %r12, %rax
    mov     CALL_INTS(%rbx), %rdi
    mov     CALL_INTS+8(%rbx), %rsi
    mov     CALL_INTS+16(%rbx), %rdx
    mov     CALL_INTS+24(%rbx), %rcx
    mov     CALL_INTS+32(%rbx), %r8
    mov     CALL_INTS+40(%rbx), %r9
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7
    movups  CALL_VECTORS+16*\n(%rbx), %xmm\n
    .endr
    call    *FUNC_ENTRY_CODE(%rax)
    mov     %rax, CALL_INTS(%rbx)
    mov     %rdx, CALL_INTS+8(%rbx)
    mov     %rcx, CALL_INTS+16(%rbx)
    mov     %rsi, CALL_INTS+24(%rbx)
    mov     %rdi, CALL_INTS+32(%rbx)
    mov     %r8, CALL_INTS+40(%rbx)
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7
    movups  %xmm\n, CALL_VECTORS+16*\n(%rbx)
    .endr
    mov     %rbx, %rdi
    mov     %rsp, %rsi
    call    call_unpack
    add     CALL_RESULTS(%rbx), %rsp
    add     $8, %rsp
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret
END(enter_stub)

// The code of a func_entry (rax) in a process of several instances.  Where the
// target is in another instance than the caller, that is called with copies of
// the stack arguments, under a struct adapter.  What returns to an adapter, the
// innermost then, was called by it and now makes a tail call: that adapter has
// the arguments right above it, restores r14 and r15, and serves the new callee
// as well.
FUNCTION(adapt_stub)
    mov     FUNC_ENTRY_ID(%rax), %r11d
    shl     $TARGET_SHIFT, %r11
    add     VMCTX_TARGETS(%r14), %r11
    mov     TARGET_CONTEXT(%r11), %r10d
    add     VMCTX_CONTEXTS(%r14), %r10
    mov     (%r10), %r10
    cmp     %r14, %r10
    je      1f
    lea     adapt_return(%rip), %rax
    cmp     %rax, (%rsp)
    jne     2f
    mov     %r10, %r14
    mov     VMCTX_MEMORY(%r14), %r15
1:
    jmp     *TARGET_CODE(%r11)
2:
    push    %r15
    push    %r14
    movzwl  TARGET_ARGS(%r11), %eax
    shl     $TARGET_UNIT, %eax
    push    %rax
    movzwl  TARGET_RESULTS(%r11), %eax
    shl     $TARGET_UNIT, %eax
    push    %rax
    mov     VMCTX_THREAD(%r14), %rax
    push    THREAD_ADAPTER(%rax)
    mov     %rsp, THREAD_ADAPTER(%rax)
    mov     %rsp, %rax
    sub     ADAPTER_ARGS(%rsp), %rax
    sub     ADAPTER_RESULTS(%rsp), %rax
    cmp     VMCTX_STACK_LIMIT(%r14), %rax
    ja      3f
FUNCTION_HERE(adapt_overflow)
    ud2
3:
    mov     ADAPTER_ARGS(%rsp), %r15
    mov     %rsp, %r14
    mov     %rax, %rsp
    test    %r15, %r15
    jz      5f
4:
    sub     $16, %r15
    movups  ADAPTER_SIZE(%r14, %r15), %xmm15
    movups  %xmm15, (%rsp, %r15)
    jnz     4b
5:
    mov     %r10, %r14
    mov     VMCTX_MEMORY(%r14), %r15
    call    *TARGET_CODE(%r11)
FUNCTION_HERE(adapt_return)
    mov     VMCTX_THREAD(%r14), %r10
    mov     THREAD_ADAPTER(%r10), %r11
    mov     ADAPTER_OUTER(%r11), %r9
    mov     %r9, THREAD_ADAPTER(%r10)
    mov     ADAPTER_VMCTX(%r11), %r14
    mov     ADAPTER_MEMORY(%r11), %r15
    mov     ADAPTER_ARGS(%r11), %r9
    lea     ADAPTER_SIZE(%r11, %r9), %r10
    mov     ADAPTER_RESULTS(%r11), %r9
    mov     ADAPTER_PC(%r11), %r11
    test    %r9, %r9
    jz      7f
6:
    sub     $16, %r9
    movups  (%rsp, %r9), %xmm15
    movups  %xmm15, (%r10, %r9)
    jnz     6b
7:
    mov     %r10, %rsp
    push    %r11
    ret
END(adapt_stub)

    .section .note.GNU-stack, "", @progbits
