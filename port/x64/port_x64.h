// port/x64/port_x64.h: what every port on x86-64 shares: stacks and how to
// leave them.  The flows of control between C and generated code are all here.
//
// The first part is also read by the assembler.

#pragma once

// Where generated code and the stubs find things; port/x64/context.c asserts
// that the C structures agree.
#define VMCTX_STACK_LIMIT 0 // struct vmctx
#define VMCTX_THREAD      8
#define VMCTX_CONTEXTS    24
#define VMCTX_TARGETS     56
#define VMCTX_MEMORY      64 // base of memory 0, right behind it

#define FUNC_ENTRY_CODE   0 // struct func_entry
#define FUNC_ENTRY_ID     12

#define TARGET_CODE       0 // struct func_target
#define TARGET_CONTEXT    8
#define TARGET_ARGS       12
#define TARGET_RESULTS    14
#define TARGET_SHIFT      4 // log2 of its size
#define TARGET_UNIT       4 // log2 of the unit of its sizes

#define THREAD_VMCTX      0 // struct thread_entry, the start of struct thread
#define THREAD_RSP        8
#define THREAD_BARRIER    16
#define THREAD_LEAVE      24 // bytes killed and leave, looked at as one word
#define THREAD_POPPED     28
#define THREAD_ADAPTER    32
#define THREAD_KERNEL_RSP 40
#define THREAD_GUEST_RSP  48
#define THREAD_RIGHTS     56
#define THREAD_IN_FORCE   60

#define STUB_SIZE         64 // BUILTIN_STUB_SIZE

#define LANDING_PC        0 // struct landing
#define LANDING_RSP       8
#define LANDING_RAX       16
#define LANDING_RDX       24
#define LANDING_SIZE      32

#define ADAPTER_OUTER     0 // struct adapter
#define ADAPTER_RESULTS   8
#define ADAPTER_ARGS      16
#define ADAPTER_VMCTX     24
#define ADAPTER_MEMORY    32
#define ADAPTER_PC        40
#define ADAPTER_SIZE      48

#define CALL_INTS         0 // struct call_state
#define CALL_VECTORS      48
#define CALL_ARGS         176
#define CALL_RESULTS      184

#ifdef __ASSEMBLER__

#define FUNCTION_HERE(name) \
    .globl name;            \
    .type name, @function;  \
    name:
#define FUNCTION(name) \
    .balign 16;        \
    FUNCTION_HERE(name)
#define END(name) .size name, .- name

#endif

#ifndef __ASSEMBLER__

#include "kernel/port.h"

// As they were when panic() was called, which stores them (panic.S).
struct panic_registers {
    u64 rbx, rbp, r12, r13, r14, r15, rsp, rip;
};

static inline void
panic_say_registers(panic_say_t *line, const struct panic_registers *r)
{
    line("rip %016lx rsp %016lx rbp %016lx rbx %016lx", r->rip, r->rsp, r->rbp,
         r->rbx);
    line("r12 %016lx r13 %016lx r14 %016lx r15 %016lx", r->r12, r->r13, r->r14,
         r->r15);
}

// Where barrier_call continues, with rsp = *barrier_rsp, when it is to return
// false.  A fault handler puts both in the interrupted frame.
extern const u8 barrier_unwound[];

// divide.c: #DE does not say which of two errors it is.  Was the divisor of the
// div or idiv at `pc` zero?  `regs` in hardware order: rax rcx rdx rbx rsp ...
bool divisor_is_zero(const u8 *pc, const u64 regs[16]);

#endif
