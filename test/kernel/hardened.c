// test/kernel/hardened.c: code that no verifier has seen writes where it should
// not.  Without hardened mode it does; with it the program ends, and nobody
// else notices.  (`nebulet selftest microvm "hardened only=hardened"
// kernel-test.elf`; what follows is 64-bit code of the machine.)

#include "test/kernel/frame.h"

#include <string.h>

// A program whose function poke(rdi, rsi) is other code.
struct poke {
    struct code_module *code;
    struct store *store;
    struct instance *instance;
    struct extern_ref func;
};

// So many bytes are left of the addresses for tables (runtime/table.c).
static void
load_with(struct poke *p, u64 left)
{
    struct error error;
    enum trap trap;

    p->code = test_compile("poke");
    EXPECT_EQ(store_new(&p->store, NULL, 0, NULL), OK);
    lock(&p->store->lock);
    p->store->table_room = GIB - left;
    unlock(&p->store->lock);
    EXPECT_EQ(instance_new(&p->instance, p->store, p->code, &host_resolver,
                           &error, &trap),
              OK);
    EXPECT(instance_export(p->instance, STRING("poke"), &p->func));
}

static void
load(struct poke *p)
{
    load_with(p, GIB);
}

static void
unload(struct poke *p)
{
    store_free(p->store);
    code_module_release(p->code);
}

// The trap that the code ends with; *result: what it returns else.
static enum trap
run(struct poke *p, const char *bytes, u32 size, const void *to, u64 value,
    u64 *result)
{
    const struct compiled *c = p->instance->code;
    union value values[2] = {{.i64 = (u64)to}, {.i64 = value}};
    enum trap trap;
    u32 count;

    test_write_code(c->text + c->code.entries[p->func.index], bytes, size);
    status_t status = instance_invoke(&p->func, values, 2, 2, &count, &trap);
    EXPECT(status == OK || status == ERR_TRAP);
    *result = values[0].i64;
    return trap;
}

#define RUN(p, bytes, to, value, result) \
    run(p, bytes, sizeof(bytes) - 1, to, value, result)

static const char store_and_return[] =
    "\x48\x89\x37\xc3"; // mov [rdi], rsi; ret

// The same 8 bytes at `at` before and after, in hardened mode; else what was
// written, which is undone.
static void
expect_out_of_reach(struct poke *p, const char *what, u64 *at)
{
    u64 before = *at, result;
    enum trap trap = RUN(p, store_and_return, at, ~before, &result);
    u64 after = *at;

    *at = before;
    if (trap != (port_hardened() ? TRAP_HARDENED : TRAP_NONE) ||
        after != (port_hardened() ? before : ~before))
        test_failed(__FILE__, __LINE__, what, trap, TRAP_HARDENED);
}

static u64 word_of_the_kernel;

static void
sleep_until_killed(void *arg)
{
    (void)arg;
    (void)!thread_sleep_until(UINT64_MAX);
}

static u32
rights_of(const void *at)
{
    return port_rights_add(PORT_NO_RIGHTS, at, 8);
}

// Those of the program's thread here and of what it has.
static bool
is_own(const struct poke *p, const void *at)
{
    const struct memory *m = p->instance->memories[0];
    const struct module *module = instance_info(p->instance);
    u32 own = rights_of(thread_stack_low(thread_current()));

    own = port_rights_add(own, m->base, m->reserved);
    own = port_rights_add(own, p->store->vms[0], 8);
    for (u32 k = 0; k < module->table_count; k++) {
        const struct live_table *t = p->instance->tables[k];
        own = port_rights_add(own, t->view.base, t->room * sizeof(u64));
    }
    return port_rights_add(own, at, 8) == own;
}

TEST_KERNEL(hardened_kernel)
{
    struct poke p;
    u64 *heap = kernel_alloc(64);

    load(&p);
    expect_out_of_reach(&p, "kernel data", &word_of_the_kernel);
    expect_out_of_reach(&p, "kernel heap", heap);
    expect_out_of_reach(&p, "its thread", (u64 *)&thread_current()->number);
    expect_out_of_reach(&p, "its store", &p.store->next_tag);
    expect_out_of_reach(&p, "its rows", &p.store->funcs[1].code);
    expect_out_of_reach(&p, "its memory's size",
                        &p.instance->memories[0]->view.max);
    expect_out_of_reach(&p, "the kernel's part of its stack",
                        (u64 *)thread_stack_end(thread_current()) - 1);
    unload(&p);
    kernel_free(heap);
}

// What others have is of other keys, but one in five perhaps: the first such
// that is.
TEST_KERNEL(hardened_others)
{
    struct thread *sleeper[4];
    struct poke p, other[4];
    u32 tried = 0;

    load(&p);
    for (u32 k = 0; k < COUNT(other); k++) {
        load(&other[k]);
        EXPECT(memory_touch(other[k].instance->memories[0], 0, 8));
        sleeper[k] = test_start_blocked(sleep_until_killed, NULL);
    }
    for (u32 k = 0; k < COUNT(other); k++) {
        u64 *const theirs[] = {
            (u64 *)other[k].instance->memories[0]->base,
            (u64 *)(other[k].store->vms[0] + 1),
            (u64 *)thread_stack_low(sleeper[k]),
        };
        for (u32 n = 0; n < COUNT(theirs); n++) {
            if (port_hardened() && is_own(&p, theirs[n]))
                continue;
            expect_out_of_reach(&p, "another's", theirs[n]);
            tried |= 1u << n;
        }
    }
    EXPECT_EQ(tried, 7);
    for (u32 k = 0; k < COUNT(other); k++) {
        thread_kill(sleeper[k]);
        test_join(sleeper[k]);
        unload(&other[k]);
    }
    unload(&p);
}

// Its own it writes as before.
TEST_KERNEL(hardened_own)
{
    struct poke p;
    u64 result;

    load(&p);
    struct memory *m = p.instance->memories[0];
    EXPECT(memory_touch(m, 0, 8));
    EXPECT_EQ(RUN(&p, store_and_return, m->base, 5, &result), TRAP_NONE);
    EXPECT_EQ(*(u64 *)m->base, 5);
    unload(&p);
}

// mov [r14+8], rdi; mov [r14+16], rdi; mov [r14+24], rdi; mov [r14+56], rdi;
// mov rax, [r14+40]; mov rdi, r14; xor esi, esi; mov edx, 1; push rdi;
// call [rax]; pop rdi; ret: memory.grow with a vmctx that says nothing true
static const char lying_vmctx[] =
    "\x49\x89\x7e\x08\x49\x89\x7e\x10\x49\x89\x7e\x18\x49\x89\x7e\x38"
    "\x49\x8b\x46\x28\x4c\x89\xf7\x31\xf6\xba\x01\x00\x00\x00\x57"
    "\xff\x10\x5f\xc3";

// The same, but memory 0 for all numbers, and builtin 0 for that at the end.
static const char lying_builtin[] =
    "\x49\x89\x7e\x08\x49\x89\x7e\x10\x49\x89\x7e\x18\x49\x89\x7e\x38"
    "\x49\x8b\x46\x28\x4c\x89\xf7\x31\xf6\x31\xd2\x31\xc9\x45\x31\xc0"
    "\x57\xff\x50\x00\x5f\xc3";

// mov r14, rdi; the same call: the vmctx of nobody, or of another
static const char other_vmctx[] =
    "\x49\x8b\x46\x28\x49\x89\xfe\x4c\x89\xf7\x31\xf6\xba\x01\x00\x00\x00"
    "\x57\xff\x10\x5f\xc3";

// the same with its own, and memory rsi
static const char other_memory[] =
    "\x49\x8b\x46\x28\x4c\x89\xf7\xba\x01\x00\x00\x00\x57\xff\x10\x5f\xc3";

// mov rax, [r14+40]; mov rdi, r14; xor edx, edx; xor ecx, ecx; xor r8d, r8d;
// push rdi; call [rax + 8 * 7]; pop rdi; ret: table.copy between tables in rsi
static const char other_kind[] =
    "\x49\x8b\x46\x28\x4c\x89\xf7\x31\xd2\x31\xc9\x45\x31\xc0"
    "\x57\xff\x50\x38\x5f\xc3";

// mov rax, [r14+40]; mov rsp, rdi; call [rax]
static const char other_stack[] = "\x49\x8b\x46\x28\x48\x89\xfc\xff\x10";

// int3, and cli's kin: mov rax, [rdi]
static const char breakpoint[] = "\xcc";
static const char wild_read[] = "\x48\x8b\x07\xc3";

// Whatever the vmctx says, each builtin serves the instance that has it: what
// the vmctx says is one of zeros, which the kernel would follow to address 0.
TEST_KERNEL(hardened_builtins)
{
    static const u64 zeros[64];
    char code[sizeof(lying_builtin) - 1];
    const u32 at = sizeof(code) - 3; // the offset in the vector of builtins
    struct poke p;
    u64 result;

    load(&p);
    memcpy(code, lying_builtin, sizeof(code));
    for (u32 number = 0; port_hardened() && number < BUILTIN_COUNT; number++) {
        code[at] = (char)(number * sizeof(u64));
        enum trap trap = run(&p, code, sizeof(code), zeros, 0, &result),
                  wanted = number == BUILTIN_FUNC_ENTRY ? TRAP_INDIRECT_TYPE :
                           number == BUILTIN_THROW ? TRAP_UNCAUGHT_EXCEPTION :
                           number == BUILTIN_THROW_REF  ? TRAP_NULL_EXCEPTION :
                           number >= BUILTIN_STRUCT_NEW ? TRAP_HARDENED :
                                                          TRAP_NONE;
        EXPECT_EQ(trap, wanted);
    }
    for (u32 k = 0; k < COUNT(zeros); k++)
        EXPECT_EQ(zeros[k], 0);
    unload(&p);
}

// A module of one type, (struct).
TEST_KERNEL(hardened_heap)
{
    static const u8 bytes[] = {0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00,
                               0x00, 0x01, 0x03, 0x01, 0x5f, 0x00};
    struct code_module *code = NULL;
    struct instance *i = NULL;
    struct error error;
    struct store *s;
    enum trap trap;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(code_module_new(&code, (struct bytes){(u8 *)bytes, sizeof(bytes)},
                              &error),
              OK);
    EXPECT_EQ(instance_load(&i, s, code, &host_resolver, &error, &trap),
              port_hardened() ? ERR_UNSUPPORTED : OK);
    code_module_release(code);
    store_free(s);
}

// A large table has a key of its own, which its program gets when it moves
// there: the store has no addresses left for where it might be from the start.
TEST_KERNEL(hardened_table)
{
    struct extern_ref far;
    union value result;
    enum trap trap;
    struct poke p;
    u32 count;

    for (u32 turn = 0; turn < 2; turn++) {
        load_with(&p, turn * GIB);
        EXPECT_EQ(p.instance->tables[0]->room > 400000, turn);
        EXPECT(instance_export(p.instance, STRING("far"), &far));
        EXPECT_EQ(instance_invoke(&far, &result, 0, 1, &count, &trap), OK);
        EXPECT_EQ(result.i32, 400001);
        unload(&p);
    }
}

TEST_KERNEL(hardened_calls)
{
    struct poke p, other;
    u64 result = 0;

    load(&p);
    load(&other);
    struct vmctx *vm = other.store->vms[0];
    if (port_hardened()) { // else the kernel would not survive it
        EXPECT_EQ(RUN(&p, lying_vmctx, &word_of_the_kernel, 0, &result),
                  TRAP_NONE);
        EXPECT_EQ(result, 1); // pages, before
        EXPECT_EQ(p.instance->memories[0]->view.size, 2 * 64 * KIB);
        EXPECT_EQ(RUN(&p, other_vmctx, vm, 0, &result), TRAP_HARDENED);
        EXPECT_EQ(RUN(&p, other_vmctx, &word_of_the_kernel, 0, &result),
                  TRAP_HARDENED);
        EXPECT_EQ(RUN(&p, other_memory, vm, 77, &result), TRAP_HARDENED);
        EXPECT_EQ(RUN(&p, other_kind, vm, 1ull << 32, &result), TRAP_HARDENED);
        EXPECT_EQ(RUN(&p, other_kind, vm, 0, &result), TRAP_NONE);
        EXPECT_EQ(RUN(&p, other_stack, &p + 1, 0, &result), TRAP_HARDENED);
        EXPECT_EQ(RUN(&p, other_stack, p.instance->memories[0]->base + 4096, 0,
                      &result),
                  TRAP_HARDENED);
        EXPECT_EQ(RUN(&p, breakpoint, vm, 0, &result), TRAP_HARDENED);
        EXPECT_EQ(RUN(&p, wild_read, (void *)(1ull << 63), 0, &result),
                  TRAP_HARDENED);
        EXPECT_EQ(other.instance->memories[0]->view.size, 64 * KIB);
    }
    unload(&other);
    unload(&p);
}

// --- jumps -------------------------------------------------------------------

// What generated code would like to do with all rights: write to the kernel.
struct attack {
    u8 code[128];
    u32 size;
};

static void
add(struct attack *a, const char *bytes, u32 size)
{
    EXPECT(a->size + size <= sizeof(a->code));
    memcpy(a->code + a->size, bytes, size);
    a->size += size;
}

#define ADD(a, bytes) add(a, bytes, sizeof(bytes) - 1)

// movabs rax, &word_of_the_kernel; mov [rax], rax; ud2
static void
add_write(struct attack *a)
{
    const u64 *word = &word_of_the_kernel;

    ADD(a, "\x48\xb8");
    add(a, (const char *)&word, sizeof(word));
    ADD(a, "\x48\x89\x00\x0f\x0b");
}

static void
expect_stopped(struct poke *p, const struct attack *a, u64 rsp, const u8 *to)
{
    u64 before = word_of_the_kernel, result;
    enum trap trap = run(p, (const char *)a->code, a->size, (const void *)rsp,
                         (u64)to, &result);

    EXPECT_EQ(trap, TRAP_HARDENED);
    EXPECT_EQ(word_of_the_kernel, before);
}

// The next instruction from there that writes PKRU, or NULL.
static const u8 *
find_wrpkru(const u8 *from)
{
    const u8 *end, *start = test_text(&end);

    for (from = from != NULL ? from : start; from + 3 <= end; from++)
        if (from[0] == 0x0f && from[1] == 0x01 && from[2] == 0xef)
            return from;
    return NULL;
}

// mov rsp, rdi; xor eax, eax; xor ecx, ecx; xor edx, edx; jmp rsi: then what
// is at rsp is popped, as far as it is returned to or is what iretq takes.
TEST_KERNEL(hardened_jumps)
{
    enum { WORDS = 64, FRAME = 17 };
    struct attack a = {.size = 0};
    struct poke p;
    u32 found = 0;

    load(&p);
    ADD(&a, "\x48\x89\xfc\x31\xc0\x31\xc9\x31\xd2\xff\xe6");
    const struct compiled *c = p.instance->code;
    u64 to = (u64)c->text + c->code.entries[p.func.index] + a.size;
    u64 *stack = (u64 *)(p.instance->memories[0]->base + 8192);
    add_write(&a);
    EXPECT(memory_touch(p.instance->memories[0], 4096, 8192));
    const u8 *at = port_hardened() ? find_wrpkru(NULL) : NULL;
    for (; at != NULL; at = find_wrpkru(at + 1)) {
        const u64 frame[] = {to, 0x08, 0x202, (u64)stack, 0x10};
        for (u32 k = 0; k < WORDS; k++)
            stack[k] = to;
        expect_stopped(&p, &a, (u64)stack, at);
        memset(stack, 0, FRAME * sizeof(u64));
        memcpy(stack + FRAME, frame, sizeof(frame));
        expect_stopped(&p, &a, (u64)stack, at);
        found++;
    }
    EXPECT(!port_hardened() || found >= 4);
    unload(&p);
}

// As if an interrupt had come, with the kernel's rights: its stack can be
// written to, as the CPU does.  mov rsp, rdi; mov rdx, rdi;
// lea rax, [rip + 38]; push 16, rdx, 0x202, 8, rax, 0 and 32; xor eax, eax;
// xor ecx, ecx; xor edx, edx; 15 times push rax; jmp rsi.
TEST_KERNEL(hardened_interrupts)
{
    struct attack a = {.size = 0};
    struct poke p;

    load(&p);
    ADD(&a, "\x48\x89\xfc\x48\x89\xfa\x48\x8d\x05\x26\x00\x00\x00"
            "\x6a\x10\x52\x68\x02\x02\x00\x00\x6a\x08\x50\x6a\x00\x6a\x20"
            "\x31\xc0\x31\xc9\x31\xd2"
            "\x50\x50\x50\x50\x50\x50\x50\x50\x50\x50\x50\x50\x50\x50\x50"
            "\xff\xe6");
    add_write(&a);
    const u8 *at = port_hardened() ? find_wrpkru(NULL) : NULL;
    for (; at != NULL; at = find_wrpkru(at + 1))
        expect_stopped(&p, &a, test_interrupt_stack(), at);
    unload(&p);
}
