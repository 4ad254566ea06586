// port/metal/gates.S: the stubs between C and generated code in hardened mode
// (harden.c).
//
// They do what those of port/x64 do, but generated code has a stack of its own,
// below the kernel's part (STACK_KERNEL), and writes only what PKRU lets it.
// Nothing is believed that it can write: r14, the vmctx, its stack, its
// registers.  The thread is what the CPU says, by FS; the rest C looks up
// (runtime/hardened.c).
//
// Generated code may jump to any wrpkru, with any eax.  There is one that gives
// the kernel's rights, and behind it all that counts is loaded again.  Behind
// those that take them away eax is compared with what the thread has to have,
// which generated code cannot write; so behind that of trap.S is where rsp has
// to be.  Before and behind, thread_entry.in_force says which rights are in
// force: generated code's (it is not 0) from just before they are until just
// behind.
//
// The stack is the kernel's before the rights are, and until they are given
// back: so an interrupt finds either both, or generated code's rights, and then
// nothing is in use below kernel_rsp (trap.c).

#include "port/metal/map.h"
#include "port/x64/port_x64.h"

#define HOW_WIDE  32 // bits of struct host_entered, kernel/port.h
#define HOW_VMCTX 33

    .text

// Where open_kernel goes on, in r9d.
#define AT_RETURN  0
#define AT_CALL    1
#define AT_THROW   2
#define AT_RETHROW 3
#define AT_ROGUE   4

// From generated code to the kernel: r11 is the thread then, rsp its kernel
// stack, and eax, ecx, edx are 0.  An interrupt between open_begun and
// open_done goes on at open_kernel (trap.c).
FUNCTION(open_kernel)
    mov     %fs:CPU_THREAD, %r11
    mov     THREAD_KERNEL_RSP(%r11), %rsp
    xor     %eax, %eax
    xor     %ecx, %ecx
    xor     %edx, %edx
    wrpkru
FUNCTION_HERE(open_begun)
    mov     %fs:CPU_THREAD, %r11
    mov     THREAD_KERNEL_RSP(%r11), %rsp
    movl    $0, THREAD_IN_FORCE(%r11)
FUNCTION_HERE(open_done)
    cld
    cmp     $AT_CALL, %r9d
    jb      returned
    je      called
    cmp     $AT_RETHROW, %r9d
    jb      threw
    je      rethrew
    call    host_rogue
    jmp     leave_hardened
END(open_kernel)

// From the kernel to generated code's rights; eax, ecx, edx and r11 change.
.macro close
    mov     %fs:CPU_THREAD, %r11
    mov     THREAD_RIGHTS(%r11), %eax
    mov     %eax, THREAD_IN_FORCE(%r11)
    xor     %ecx, %ecx
    xor     %edx, %edx
    wrpkru
    mov     %fs:CPU_THREAD, %r11
    cmp     THREAD_IN_FORCE(%r11), %eax
    jne     wrong_rights
.endm

FUNCTION(wrong_rights)
    mov     $AT_ROGUE, %r9d
    jmp     open_kernel
END(wrong_rights)

// Go on at the innermost barrier, from the kernel's stack.
leave_hardened:
    mov     %fs:CPU_THREAD, %rdi
    mov     THREAD_BARRIER(%rdi), %rsp
    jmp     barrier_unwound

// void enter_hardened(struct vmctx *vm, const struct func_entry *entry,
//                     struct call_state *state)
FUNCTION(enter_hardened)
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
    mov     %fs:CPU_THREAD, %rbp
    mov     THREAD_GUEST_RSP(%rbp), %r13
    sub     CALL_ARGS(%rbx), %r13
    sub     CALL_RESULTS(%rbx), %r13
    mov     %rbx, %rdi
    mov     %r13, %rsi
    call    call_pack
    push    %rbx
    push    %r13
    mov     %rsp, THREAD_KERNEL_RSP(%rbp)
    close
    mov     %r13, %rsp
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
    push    %rax
    push    %rdx
    push    %rcx
    mov     %rsp, %r10
    xor     %r9d, %r9d          // AT_RETURN
    jmp     open_kernel
returned:
    pop     %r13
    pop     %rbx
    add     CALL_ARGS(%rbx), %r13 // the results; the callee has popped these
    lea     24(%r10), %rax
    cmp     %rax, %r13
    jne     1f
    mov     16(%r10), %rax
    mov     8(%r10), %rdx
    mov     (%r10), %rcx
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
    mov     %r13, %rsi
    call    call_unpack
    add     $8, %rsp
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret
1:
    call    host_rogue
    jmp     leave_hardened
END(enter_hardened)

// In builds for tests, as in port/x64/switch.S.
.macro check_host_call
#ifdef NEBULET_CHECKED
    push    %rax
    push    %rax
    call    host_call_check
    pop     %rax
    pop     %rax
#endif
.endm

// Two addresses of one code: host_entered() looks which one a function has.
FUNCTION(host_call_hardened)
    mov     FUNC_ENTRY_ID(%rax), %eax
    jmp     call_c
END(host_call_hardened)

FUNCTION(host_call_wide_hardened)
    mov     FUNC_ENTRY_ID(%rax), %eax
    jmp     call_c
END(host_call_wide_hardened)

// eax: what to call.
call_c:
    push    %rax
    push    %rcx
    push    %rdx
    push    %r9
    mov     %rsp, %r10
    mov     $AT_CALL, %r9d
    jmp     open_kernel
called:
    push    %r10
    push    %rdi
    push    %rsi
    push    %r8
    mov     %r10, %rdi
    mov     %r14, %rsi
    call    host_entered
    pop     %r8
    pop     %rsi
    pop     %rdi
    pop     %r10
    test    %rax, %rax
    jz      leave_hardened
    push    %r10
    push    %rdx
    push    %rbx
    sub     $8, %rsp
    mov     %rsp, %rbx
    mov     %edx, %r11d
    test    %r11d, %r11d
    jz      2f
    sub     %r11, %rsp
1:
    mov     32(%r10, %r11), %rcx
    mov     %rcx, -8(%rsp, %r11)
    sub     $8, %r11
    jnz     1b
2:
    bt      $HOW_VMCTX, %rdx
    jnc     3f
    mov     %fs:CPU_THREAD, %r11
    mov     THREAD_VMCTX(%r11), %rdi
3:
    mov     16(%r10), %rcx
    mov     8(%r10), %rdx
    mov     (%r10), %r9
    call    *%rax
    check_host_call
    mov     %rbx, %rsp
    add     $8, %rsp
    pop     %rbx
    pop     %rdx
    pop     %r10
    bt      $HOW_WIDE, %rdx
    jc      4f
    mov     %eax, %eax
4:
    mov     %fs:CPU_THREAD, %r11
    cmpw    $0, THREAD_LEAVE(%r11)
    jne     leave_hardened
    mov     %rax, %r8
    mov     %edx, %r9d
    close
    mov     %r8, %rax
    mov     32(%r10), %r11
    lea     40(%r10, %r9), %rsp
    jmp     *%r11

// As port/x64/throw.S, with arguments where struct thrown_at has nothing.
.macro throwing name, at, way, function
\name:
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %rdx
    mov     %rsp, %r10
    mov     $\at, %r9d
    jmp     open_kernel
\way:
    push    %rsi
    push    %r10
    mov     %r10, %rdi
    mov     %r14, %rsi
    call    throw_entered
    pop     %rcx
    pop     %rsi
    test    %al, %al
    jz      leave_hardened
    mov     %fs:CPU_THREAD, %r11
    mov     THREAD_VMCTX(%r11), %rdi
    mov     (%rcx), %rdx
    sub     $LANDING_SIZE, %rsp
    mov     %rsp, %r8
    call    \function
    mov     %fs:CPU_THREAD, %r11
    cmpw    $0, THREAD_LEAVE(%r11)
    jne     leave_hardened
    mov     LANDING_PC(%rsp), %r9
    mov     LANDING_RAX(%rsp), %r8
    mov     LANDING_RDX(%rsp), %rdi
    mov     LANDING_RSP(%rsp), %r10
    add     $LANDING_SIZE, %rsp
    close
    mov     %r8, %rax
    mov     %rdi, %rdx
    mov     %r10, %rsp
    jmp     *%r9
.endm

    .balign 16
throwing throw_hardened, AT_THROW, threw, exception_throw
    .balign 16
throwing rethrow_hardened, AT_RETHROW, rethrew, exception_rethrow

.macro builtin_stub name
    .balign STUB_SIZE
    .ifc    \name, THROW
    jmp     throw_hardened
    .else
    .ifc    \name, THROW_REF
    jmp     rethrow_hardened
    .else
    mov     $0x80000000 + number, %eax // HOST_BUILTIN
    jmp     call_c
    .endif
    .endif
    .set    number, number + 1
.endm

    .balign STUB_SIZE
    .globl  builtins_hardened
builtins_hardened:
    .set    number, 0
#define BUILTIN(id, sig, trap, low, high) builtin_stub id
#include "abi/builtins.def"
    .balign STUB_SIZE

    .section .note.GNU-stack, "", @progbits
