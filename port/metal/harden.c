// port/metal/harden.c: hardened mode: what generated code can write, whatever
// it does.
//
// Protection keys (PKU) rule over accesses to pages with the user bit, also
// those of ring 0; keys for supervisor pages (PKS) would do the same, but few
// processors have them.  So in this mode every page that is writable at all has
// the user bit and a key: the kernel's, or one of COLORS, that follows from its
// address.  While generated code runs, PKRU forbids to write where its thread
// has not the key (thread_entry.rights); gates.S changes it on the way into C
// and back, trap.S on that of faults and interrupts.  The kernel runs with 0:
// all may be written.
//
// SMAP would forbid the kernel its own data then and is off; SMEP forbids to
// execute any of it.  The CPU pushes the frames of interrupts while PKRU is
// generated code's, so these stacks have no user bit: each CPU has its own in
// its window (window.c), where no other CPU can write to them; nothing is on
// them while generated code runs.
//
// And what keeps groups from each other's predictions of branches (--ibpb).

#include "port/metal/tables.h"

#include "abi/abi.h"
#include "kernel/kernel.h"
#include "port/x64/port_x64.h"

enum {
    IA32_PRED_CMD = 0x49,
    KEY_KERNEL = 1,
    KEY_FIRST = 2, // of those that threads have
    COLORS = 14,
    KEY_SHIFT = 59, // in an entry
    SLOT_LOG2 = 33, // what has one key: of the slots,
    PIECE_LOG2 = 21,
    STACK_LOG2 = 20,
};

_Static_assert(offsetof(struct cpu, thread) == CPU_THREAD, "map.h");
_Static_assert(offsetof(struct trap_frame, rights) == TRAP_RIGHTS, "map.h");
_Static_assert(COLORS << PIECE_LOG2 <= 1 << OPEN_LOG2, "each is there");
_Static_assert(1 << STACK_LOG2 == STACK_SIZE, "each has its own key");

bool harden_on;

static const u64 builtins[BUILTIN_COUNT] = {
#define BUILTIN(id, sig, trap, low, high) \
    [BUILTIN_##id] = (u64)builtins_hardened + BUILTIN_##id * BUILTIN_STUB_SIZE,
#include "abi/builtins.def"
};

static const struct port_stubs hardened_stubs = {
    enter_hardened, host_call_hardened, host_call_wide_hardened, builtins};

static u32
color_of(u64 number)
{
    return KEY_FIRST + (u32)(number % COLORS);
}

static u32
key_of(u64 address)
{
    if (address < SLOT_END)
        return color_of(address >> SLOT_LOG2);
    if (address >= OPEN_BASE && address < OPEN_END)
        return color_of(address >> PIECE_LOG2);
    if (address >= STACKS_BASE && address < STACKS_END &&
        address % STACK_SIZE < STACK_SIZE - STACK_KERNEL)
        return color_of(address >> STACK_LOG2);
    return KEY_KERNEL;
}

u64
harden_flags(u64 address)
{
    return harden_on ? PAGE_USER | (u64)key_of(address) << KEY_SHIFT : 0;
}

void
harden_init(const struct boot_info *info)
{
    if (!boot_info_has_word(info, "hardened"))
        return;
    if (cpuid(0, 0).eax < 7 || !(cpuid(7, 0).ecx >> 3 & 1)) {
        say("nebulet: --hardened: this processor has no protection keys (PKU)");
        port_exit(1);
    }
    harden_on = true;
    port_stubs = &hardened_stubs;
    cpu_harden();
}

// --- branches ----------------------------------------------------------------

static bool can_forget; // and is asked to

void
forget_init(const struct boot_info *info)
{
    bool amd = cpuid(0x80000000, 0).eax >= 0x80000008 &&
               (cpuid(0x80000008, 0).ebx >> 12 & 1);

    if (!boot_info_has_word(info, "ibpb"))
        return;
    if (!amd && (cpuid(0, 0).eax < 7 || !(cpuid(7, 0).edx >> 26 & 1))) {
        say("nebulet: --ibpb: this processor has no such barrier");
        port_exit(1);
    }
    can_forget = true;
    sched_forget_branches(true);
}

void
port_forget_branches(void)
{
    if (can_forget)
        msr_write(IA32_PRED_CMD, 1);
}

// --- kernel/port.h -----------------------------------------------------------

bool
port_hardened(void)
{
    return harden_on;
}

// What is open takes addresses for every key and uses those of one; what is
// large goes among the slots, where each has one key.
void *
port_reserve_open(enum port_open what, u64 size, const void *like)
{
    const u64 piece = 1ull << PIECE_LOG2;

    if (what == OPEN_STACK)
        return (void *)addresses_new(&stack_space, STACK_SIZE, STACK_SIZE);
    if (size > piece)
        return port_reserve_slot(size);
    u64 at = addresses_new(&open_space, size, PAGE_SIZE);
    while (at != 0 && like != NULL && key_of(at) != key_of((u64)like))
        at += piece;
    return (void *)at;
}

u32
port_rights_add(u32 rights, const void *ptr, u64 size)
{
    u64 at = (u64)ptr, end = at + size;
    u32 log2 = at < SLOT_END ? SLOT_LOG2 :
               at < OPEN_END ? PIECE_LOG2 :
                               STACK_LOG2;

    assert(size == 0 || key_of(at) != KEY_KERNEL);
    for (u32 i = 0; at < end && i < COLORS; i++) {
        rights &= ~(2u << 2 * key_of(at));
        at = ((at >> log2) + 1) << log2;
    }
    return rights;
}

// The running thread's; interrupts are off.  Nobody else asks.
void
port_stack_use(void *low, u64 size)
{
    (void)size;
    if (harden_on)
        this_cpu()->thread = thread_entry(stack_note((u64)low)->thread);
}
