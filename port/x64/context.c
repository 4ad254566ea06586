// port/x64/context.c: the first frame of a new stack, in the layout that
// switch.S pops.

#include "abi/abi.h"
#include "port/x64/port_x64.h"

#define AT(type, field, offset) \
    _Static_assert(offsetof(struct type, field) == offset, "port_x64.h")
AT(vmctx, stack_limit, VMCTX_STACK_LIMIT);
AT(vmctx, thread, VMCTX_THREAD);
AT(vmctx, contexts, VMCTX_CONTEXTS);
AT(vmctx, targets, VMCTX_TARGETS);
_Static_assert(sizeof(struct vmctx) == VMCTX_MEMORY, "port_x64.h");
_Static_assert(offsetof(struct vmctx_memory, base) == 0, "VMCTX_MEMORY");
AT(func_entry, code, FUNC_ENTRY_CODE);
AT(func_entry, id, FUNC_ENTRY_ID);
AT(func_target, code, TARGET_CODE);
AT(func_target, context, TARGET_CONTEXT);
AT(func_target, args, TARGET_ARGS);
AT(func_target, results, TARGET_RESULTS);
_Static_assert(sizeof(struct func_target) == 1 << TARGET_SHIFT, "port_x64.h");
_Static_assert(STACK_UNIT == 1 << TARGET_UNIT, "port_x64.h");
AT(thread_entry, vm, THREAD_VMCTX);
AT(thread_entry, rsp, THREAD_RSP);
AT(thread_entry, barrier, THREAD_BARRIER);
AT(thread_entry, killed, THREAD_LEAVE);
AT(thread_entry, leave, THREAD_LEAVE + 1);
AT(thread_entry, popped, THREAD_POPPED);
AT(thread_entry, adapter, THREAD_ADAPTER);
AT(thread_entry, kernel_rsp, THREAD_KERNEL_RSP);
AT(thread_entry, guest_rsp, THREAD_GUEST_RSP);
AT(thread_entry, rights, THREAD_RIGHTS);
AT(thread_entry, in_force, THREAD_IN_FORCE);
_Static_assert(BUILTIN_STUB_SIZE == STUB_SIZE, "builtin.S");
AT(adapter, outer, ADAPTER_OUTER);
AT(adapter, results, ADAPTER_RESULTS);
AT(adapter, args, ADAPTER_ARGS);
AT(adapter, vm, ADAPTER_VMCTX);
AT(adapter, memory, ADAPTER_MEMORY);
AT(adapter, pc, ADAPTER_PC);
_Static_assert(sizeof(struct adapter) == ADAPTER_SIZE, "port_x64.h");
AT(call_state, ints, CALL_INTS);
AT(call_state, vectors, CALL_VECTORS);
AT(call_state, args, CALL_ARGS);
AT(call_state, results, CALL_RESULTS);

_Static_assert(offsetof(struct thrown_at, r13) == 8 &&
                   offsetof(struct thrown_at, r12) == 16 &&
                   offsetof(struct thrown_at, rbp) == 24 &&
                   offsetof(struct thrown_at, rbx) == 32 &&
                   offsetof(struct thrown_at, pc) == 40,
               "throw.S");
_Static_assert(offsetof(struct landing, pc) == LANDING_PC &&
                   offsetof(struct landing, rsp) == LANDING_RSP &&
                   offsetof(struct landing, rax) == LANDING_RAX &&
                   offsetof(struct landing, rdx) == LANDING_RDX &&
                   sizeof(struct landing) == LANDING_SIZE,
               "throw.S");

const u64 builtin_addresses[BUILTIN_COUNT] = {
#define BUILTIN(id, sig, trap, low, high) \
    [BUILTIN_##id] = (u64)builtin_stubs + BUILTIN_##id * BUILTIN_STUB_SIZE,
#include "abi/builtins.def"
};

static const struct port_stubs plain_stubs = {
    enter_stub, host_call_stub, host_call_wide_stub, builtin_addresses};
const struct port_stubs *port_stubs = &plain_stubs;

struct first_frame {
    u64 pc; // where every saved stack goes on, see context_switch()
    u64 entry, arg, rbp;
};

extern const u8 context_start[];

// Whether the upper halves of the vector registers are in use (switch.S).
u8 context_has_avx;

// AVX exists and the operating system has turned it on (SDM 1, 14.3).
static bool
avx_usable(void)
{
    u32 eax = 1, ebx, ecx = 0, edx;

    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if ((ecx >> 27 & 3) != 3) // OSXSAVE, AVX
        return false;
    __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (eax & 6) == 6; // XMM, YMM
}

void
context_init(struct context *c, void *stack_top, void (*entry)(void *),
             void *arg)
{
    static bool detected;
    u64 top = (u64)stack_top & ~15ull;
    struct first_frame *frame = (struct first_frame *)top - 1;

    if (!detected) {
        context_has_avx = avx_usable();
        detected = true;
    }
    *frame = (struct first_frame){
        .pc = (u64)context_start,
        .entry = (u64)entry,
        .arg = (u64)arg,
    };
    c->rsp = (u64)frame;
}
