// port/x64/switch.S: stack switches, barriers and the way from generated code
// into C.
//
// Vector registers are all caller-saved: whoever calls has saved them (a C call)
// or restores them later (preemption).  A switch clears them, so that nothing of
// another process is left: verified code may read what it has not written.
// (Halves above 128 bits it cannot read.)

#include "port/x64/port_x64.h"

    .set    MXCSR_DEFAULT, 0x1f80 // all exceptions masked, round to nearest
    .set    X87_DEFAULT, 0x37f

    .text

// What a C call keeps.  Nobody here changes mxcsr or the x87 control word, which
// a C call keeps, too: they are the same in all threads, but in signal handlers
// and interrupts that they come from, which restore them.
.macro push_kept
    push    %rbp
    push    %rbx
    push    %r12
    push    %r13
    push    %r14
    push    %r15
.endm

.macro pop_kept
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbx
    pop     %rbp
.endm

.macro clear_vectors
    cmpb    $0, context_has_avx(%rip)
    je      1f
    vzeroall
    jmp     2f
1:
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    xorps   %xmm\n, %xmm\n
    .endr
2:
.endm

// void context_switch(struct context *from, struct context *to)
//
// On top of a saved stack is where it goes on: here, in a context_switch_here()
// (kernel/pass.h), or in context_start.
FUNCTION(context_switch)
    push_kept
    lea     switched(%rip), %rax
    push    %rax
    mov     %rsp, (%rdi)
    mov     (%rsi), %rsp
    clear_vectors
    pop     %rax
    jmp     *%rax
switched:
    pop_kept
    ret
END(context_switch)

// For context_switch_here(), on CPUs that have more than one instruction to do.
FUNCTION(context_clear)
    clear_vectors
    ret
END(context_clear)

// Where a new context begins, see context.c.
FUNCTION(context_start)
    pop     %rbx
    pop     %r12
    pop     %rbp
    xor     %r13d, %r13d
    xor     %r14d, %r14d
    xor     %r15d, %r15d
    clear_vectors // whoever comes here first need not come from context_switch
    push    $X87_DEFAULT
    push    $MXCSR_DEFAULT
    ldmxcsr (%rsp)
    fldcw   8(%rsp)
    add     $16, %rsp
    mov     %r12, %rdi
    call    *%rbx
    ud2
END(context_start)

// bool barrier_call(u64 *barrier_rsp, void (*run)(void *), void *arg)
//
// Under the kept registers: the address and the former value of the barrier,
// so that barriers nest.
FUNCTION(barrier_call)
    push_kept
    sub     $8, %rsp
    push    %rdi
    push    (%rdi)
    mov     %rsp, (%rdi)
    mov     %rdx, %rdi
    call    *%rsi
    mov     $1, %eax
barrier_leave:
    pop     %rcx
    pop     %rdi
    mov     %rcx, (%rdi)
    add     $8, %rsp
    pop_kept
    ret
END(barrier_call)

// void barrier_unwind(u64 barrier_rsp)
FUNCTION(barrier_unwind)
    mov     %rdi, %rsp
FUNCTION(barrier_unwound)
    cld
    xor     %eax, %eax
    jmp     barrier_leave
END(barrier_unwound)
END(barrier_unwind)

// From a stub that has no C function below it: go on at the innermost barrier.
FUNCTION(leave_generated)
    mov     VMCTX_THREAD(%r14), %rdi
    mov     THREAD_BARRIER(%rdi), %rsp
    jmp     barrier_unwound
END(leave_generated)

// A fault in generated code was a trap.
FUNCTION(trap_stub)
    cld
    call    trap_found
    mov     %rax, %rdi
    jmp     barrier_unwind
END(trap_stub)

// In builds for tests the kernel looks whether the call may return; rsp is
// aligned, and rax is kept.
.macro check_host_call
#ifdef NEBULET_CHECKED
    push    %rax
    push    %rax
    call    host_call_check
    pop     %rax
    pop     %rax
#endif
.endm

// r10 and r11 carry no argument in SysV, and rax only for variadic functions.
// Generated code expects the callee to remove stack arguments and C does not,
// so C gets copies of them, and while it runs the thread's entry says how many
// bytes they are (else 0), for backtraces.  The upper half of an i32 that C
// returns is anything; in generated code it is zero, whoever continues with it.
.macro host_call name, is_wide
FUNCTION(\name)
    mov     VMCTX_THREAD(%r14), %r10
    mov     VMCTX_TARGETS(%r14), %r11
    mov     %r14, THREAD_VMCTX(%r10)
    mov     %rsp, THREAD_RSP(%r10)
    mov     FUNC_ENTRY_ID(%rax), %eax
    shl     $TARGET_SHIFT, %rax
    add     %r11, %rax
    movzwl  TARGET_ARGS(%rax), %r11d
    shl     $TARGET_UNIT, %r11d
    jnz     1f
    sub     $8, %rsp
    call    *TARGET_CODE(%rax)
    check_host_call
    .if     \is_wide == 0
    mov     %eax, %eax
    .endif
    add     $8, %rsp
    mov     VMCTX_THREAD(%r14), %r10
    cmpw    $0, THREAD_LEAVE(%r10)
    jne     leave_generated
    ret
1:
    mov     %r11d, THREAD_POPPED(%r10)
    push    %rbp
    mov     %rsp, %rbp
    sub     %r11, %rsp
2:
    mov     8(%rbp, %r11), %r10
    mov     %r10, -8(%rsp, %r11)
    sub     $8, %r11
    jnz     2b
    call    *TARGET_CODE(%rax)
    check_host_call
    .if     \is_wide == 0
    mov     %eax, %eax
    .endif
    mov     VMCTX_THREAD(%r14), %r10
    movl    $0, THREAD_POPPED(%r10)
    cmpw    $0, THREAD_LEAVE(%r10)
    jne     leave_generated
    mov     %rbp, %rcx
    sub     %rsp, %rcx
    mov     %rbp, %rsp
    pop     %rbp
    pop     %r10
    add     %rcx, %rsp
    jmp     *%r10
END(\name)
.endm

// For functions that return an i32 or nothing, and for those of an i64.
host_call host_call_stub, 0
host_call host_call_wide_stub, 1

// call_ref and call_indirect through the null reference end here.
FUNCTION(null_call_stub)
    ud2
END(null_call_stub)

    .section .note.GNU-stack, "", @progbits
