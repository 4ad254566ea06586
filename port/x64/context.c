// The first frame of a new stack, in the layout that switch.S pops.

#include "abi/abi.h"
#include "port/x64/port_x64.h"

_Static_assert(offsetof(struct vmctx, thread) == VMCTX_THREAD, "switch.S");
_Static_assert(offsetof(struct vmctx, targets) == VMCTX_TARGETS, "switch.S");
_Static_assert(offsetof(struct func_target, code) == TARGET_CODE, "switch.S");
_Static_assert(offsetof(struct func_target, context) == TARGET_STACK,
               "switch.S");
_Static_assert(sizeof(struct func_target) == 1 << TARGET_SHIFT, "switch.S");
_Static_assert(offsetof(struct func_entry, id) == FUNC_ENTRY_ID, "switch.S");
_Static_assert(offsetof(struct thread_entry, vm) == THREAD_VMCTX, "switch.S");
_Static_assert(offsetof(struct thread_entry, rsp) == THREAD_RSP, "switch.S");
_Static_assert(offsetof(struct thread_entry, barrier) == THREAD_BARRIER,
               "switch.S");
_Static_assert(offsetof(struct thread_entry, killed) == THREAD_LEAVE &&
                   offsetof(struct thread_entry, leave) == THREAD_LEAVE + 1,
               "switch.S");
_Static_assert(BUILTIN_STUB_SIZE == STUB_SIZE, "builtin.S");

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

enum {
    MXCSR_DEFAULT = 0x1f80, // all exceptions masked, round to nearest
    X87_DEFAULT = 0x37f,
};

struct first_frame {
    u32 mxcsr, x87_control;
    u64 r15, r14, r13, r12, rbx, rbp;
    u64 return_address;
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
        .mxcsr = MXCSR_DEFAULT,
        .x87_control = X87_DEFAULT,
        .r12 = (u64)arg,
        .rbx = (u64)entry,
        .return_address = (u64)context_start,
    };
    c->rsp = (u64)frame;
}
