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
#define TARGET_STACK  8  // struct func_target: context, of a host function

// struct thread_entry, which struct thread starts with.
#define THREAD_VMCTX   0
#define THREAD_RSP     8
#define THREAD_BARRIER 16
#define THREAD_LEAVE   24 // two bytes, killed and leave, looked at as one word
#define STUB_SIZE      64 // BUILTIN_STUB_SIZE

// struct landing
#define LANDING_PC   0
#define LANDING_RSP  8
#define LANDING_RAX  16
#define LANDING_RDX  24
#define LANDING_SIZE 32

#ifndef __ASSEMBLER__

#include "kernel/port.h"

// Where barrier_call continues, with rsp = *barrier_rsp, when it is to return
// false.  A fault handler puts both in the interrupted frame.
extern const u8 barrier_unwound[];

// divide.c: #DE does not say which of two errors it is.  Was the divisor of the
// div or idiv at `pc` zero?  `regs` in hardware order: rax rcx rdx rbx rsp ...
bool divisor_is_zero(const u8 *pc, const u64 regs[16]);

#endif
