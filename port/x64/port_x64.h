// port/x64: what every port on x86-64 shares: stacks and how to leave them.
// The flows of control between C and generated code are all here.
//
// The first part is also read by the assembler.

#pragma once

// Where generated code and the stubs find things; port/x64/context.c asserts
// that the C structures agree.
#define VMCTX_THREAD  8  // struct vmctx: thread
#define VMCTX_TARGETS 56 // struct vmctx: targets
#define FUNC_ENTRY_ID 12 // struct func_entry: id
#define TARGET_SHIFT  4  // log2 of the size of struct func_target
#define TARGET_CODE   0  // struct func_target: code
#define THREAD_VMCTX  0  // struct thread starts with these two: the vmctx
#define THREAD_RSP    8  // and rsp of the last call of a host function

#ifndef __ASSEMBLER__

#include "kernel/port.h"

// The start of struct thread, written by host_call_stub: where generated code
// called the kernel.  [rsp] is the return address, so a backtrace starts here.
struct thread_entry {
    void *vm;
    u64 rsp;
};

// The code of a func_entry for a C function.  Generated code enters with rax =
// address of the entry, r14 = its vmctx and arguments in SysV order, on the
// stack too.  Fills in struct thread_entry of the running thread and jumps to
// the C function vmctx.targets[entry->id].code, which returns to the caller.
// Never called from C.
extern const u8 host_call_stub[];

// Where barrier_call continues, with rsp = *barrier_rsp, when it is to return
// false.  A fault handler puts both in the interrupted frame.
extern const u8 barrier_unwound[];

// The same for C code that runs under the barrier: give up everything up to
// the innermost barrier_call, which returns false.
NORETURN void barrier_unwind(u64 barrier_rsp);

// Continue in generated code at `pc`, in a frame that made a call: catches an
// exception.  Callee-saved registers are lost but for r14 (vm) and r15
// (memory).
NORETURN void frame_resume(u64 pc, u64 rsp, u64 rax, u64 rdx, void *vm,
                           void *memory);

#endif
