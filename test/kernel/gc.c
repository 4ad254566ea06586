// test/kernel/gc.c: the heap of a thread, as the kernel sees it: what code may
// have written there, where it ends, whose it is; and casts to types far down.
// (What instructions do is shown by the official suite.)

#include "test/kernel/gc.h"

// Functions from i32 to i32.  The global is an array of bytes.
//
//   n  a new array of so many bytes into the global; its length
//   g  a byte of it
//   c  copy so many bytes from place 1 of it to place 0; 7
//   t  is it of its type, which may have subtypes?
//   s  make structs for ever
static const u8 objects[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x10, 0x03, 0x50,
    0x00, 0x5e, 0x78, 0x01, 0x5f, 0x01, 0x63, 0x00, 0x01, 0x60, 0x01, 0x7f,
    0x01, 0x7f, 0x03, 0x06, 0x05, 0x02, 0x02, 0x02, 0x02, 0x02, 0x06, 0x07,
    0x01, 0x63, 0x00, 0x01, 0xd0, 0x00, 0x0b, 0x07, 0x15, 0x05, 0x01, 0x6e,
    0x00, 0x00, 0x01, 0x67, 0x00, 0x01, 0x01, 0x63, 0x00, 0x02, 0x01, 0x74,
    0x00, 0x03, 0x01, 0x73, 0x00, 0x04, 0x0a, 0x41, 0x05, 0x0d, 0x00, 0x20,
    0x00, 0xfb, 0x07, 0x00, 0x24, 0x00, 0x23, 0x00, 0xfb, 0x0f, 0x0b, 0x09,
    0x00, 0x23, 0x00, 0x20, 0x00, 0xfb, 0x0d, 0x00, 0x0b, 0x12, 0x00, 0x23,
    0x00, 0x41, 0x00, 0x23, 0x00, 0x41, 0x01, 0x20, 0x00, 0xfb, 0x11, 0x00,
    0x00, 0x41, 0x07, 0x0b, 0x07, 0x00, 0x23, 0x00, 0xfb, 0x14, 0x00, 0x0b,
    0x0c, 0x00, 0x03, 0x40, 0xfb, 0x01, 0x01, 0x1a, 0x0c, 0x00, 0x0b, 0x00,
    0x0b,
};

// Types 0 to 9 are structs, each a subtype of the one before; functions a to j
// ask of what type something is.
static const u8 deep[] = {
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x36, 0x0b, 0x50,
    0x00, 0x5f, 0x00, 0x50, 0x01, 0x00, 0x5f, 0x00, 0x50, 0x01, 0x01, 0x5f,
    0x00, 0x50, 0x01, 0x02, 0x5f, 0x00, 0x50, 0x01, 0x03, 0x5f, 0x00, 0x50,
    0x01, 0x04, 0x5f, 0x00, 0x50, 0x01, 0x05, 0x5f, 0x00, 0x50, 0x01, 0x06,
    0x5f, 0x00, 0x50, 0x01, 0x07, 0x5f, 0x00, 0x50, 0x01, 0x08, 0x5f, 0x00,
    0x60, 0x00, 0x01, 0x7f, 0x03, 0x0b, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a,
    0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x07, 0x29, 0x0a, 0x01, 0x61, 0x00, 0x00,
    0x01, 0x62, 0x00, 0x01, 0x01, 0x63, 0x00, 0x02, 0x01, 0x64, 0x00, 0x03,
    0x01, 0x65, 0x00, 0x04, 0x01, 0x66, 0x00, 0x05, 0x01, 0x67, 0x00, 0x06,
    0x01, 0x68, 0x00, 0x07, 0x01, 0x69, 0x00, 0x08, 0x01, 0x6a, 0x00, 0x09,
    0x0a, 0x5b, 0x0a, 0x08, 0x00, 0xfb, 0x01, 0x09, 0xfb, 0x14, 0x08, 0x0b,
    0x08, 0x00, 0xfb, 0x01, 0x08, 0xfb, 0x14, 0x09, 0x0b, 0x08, 0x00, 0xfb,
    0x01, 0x09, 0xfb, 0x14, 0x07, 0x0b, 0x08, 0x00, 0xfb, 0x01, 0x06, 0xfb,
    0x14, 0x07, 0x0b, 0x07, 0x00, 0xd0, 0x71, 0xfb, 0x14, 0x08, 0x0b, 0x07,
    0x00, 0xd0, 0x71, 0xfb, 0x15, 0x08, 0x0b, 0x09, 0x00, 0x41, 0x05, 0xfb,
    0x1c, 0xfb, 0x14, 0x08, 0x0b, 0x09, 0x00, 0x41, 0x05, 0xfb, 0x1c, 0xfb,
    0x14, 0x03, 0x0b, 0x08, 0x00, 0xfb, 0x01, 0x09, 0xfb, 0x14, 0x00, 0x0b,
    0x08, 0x00, 0xfb, 0x01, 0x08, 0xfb, 0x14, 0x08, 0x0b,
};

static const u8 answers[] = {
    1, // 9, is it 8?
    0, // 8, is it 9?
    1, // 9, is it 7?
    0, // 6, is it 7?
    0, // null, is it 8?
    1, // null, is it 8 or null?
    0, // an i31, is it 8?
    0, // an i31, is it 3?
    1, // 9, is it 0?
    1, // 8, is it 8?
};

struct store *
gc_load(const u8 *bytes, u64 size)
{
    struct store *s;
    struct code_module *code = NULL;
    struct instance *i = NULL;
    struct error error;
    enum trap trap;

    EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
    EXPECT_EQ(code_module_new(&code, (struct bytes){(u8 *)bytes, size}, &error),
              OK);
    EXPECT_EQ(instance_load(&i, s, code, &host_resolver, &error, &trap), OK);
    code_module_release(code);
    return s;
}

i64
gc_call(struct store *s, char name, u32 arg, u32 args)
{
    struct instance *i = store_instance(s, 0);
    union value values[1] = {{.i64 = arg}};
    struct extern_ref f;
    enum trap trap;
    u32 count;

    EXPECT(instance_export(i, (struct string){&name, 1}, &f));
    status_t status = instance_invoke(&f, values, args, 1, &count, &trap);
    if (status == ERR_TRAP)
        return -1 - (i64)trap;
    EXPECT_EQ(status, OK);
    return values[0].i32;
}

u32 *
gc_word(struct store *s, u64 at)
{
    return (u32 *)(vms_heap(s, s->vms)->base + at);
}

u64 *
gc_global(struct store *s)
{
    return vmctx_global(store_instance(s, 0), 0, s->vms);
}

TEST_KERNEL(gc_arrays_have_bounds)
{
    struct store *s = gc_load(objects, sizeof(objects));

    EXPECT_TRAP(s, 'g', 0, TRAP_NULL_ARRAY);
    EXPECT_TRAP(s, 'c', 0, TRAP_NULL_ARRAY);
    EXPECT_EQ(gc_call(s, 't', 0, 1), 0);
    EXPECT_EQ(gc_call(s, 'n', 10, 1), 10);
    EXPECT_EQ(gc_call(s, 'g', 9, 1), 0);
    EXPECT_TRAP(s, 'g', 10, TRAP_ARRAY_BOUNDS);
    EXPECT_EQ(gc_call(s, 'c', 9, 1), 7);
    EXPECT_TRAP(s, 'c', 10, TRAP_ARRAY_BOUNDS);
    EXPECT_EQ(gc_call(s, 't', 0, 1), 1);
    store_free(s);
}

// Whatever is in the heap, there are traps and nothing else.
TEST_KERNEL(gc_heap_is_not_believed)
{
    static const u32 lies[] = {0,          1,          5,          HEAP_NOTHING,
                               HEAP_ROWS,  0x7ffffffc, 0x80000004, 0xfffffff0,
                               0xfffffffc, 0xffffffff};
    struct store *s = gc_load(objects, sizeof(objects));

    EXPECT_EQ(gc_call(s, 'n', 10, 1), 10);
    u64 array = *gc_global(s);
    for (u32 k = 0; k < COUNT(lies); k++) { // as its length
        *gc_word(s, array + HEAP_LENGTH) = lies[k];
        (void)gc_call(s, 'g', 0x7ffffff0, 1);
        (void)gc_call(s, 'c', 0x7ffffff0, 1);
        (void)gc_call(s, 'c', lies[k] - 1, 1);
        (void)gc_call(s, 't', 0, 1);
    }
    EXPECT_TRAP(s, 'g', 0x7ffffff0, TRAP_NULL_ARRAY);
    EXPECT_TRAP(s, 'c', 0x7ffffff0, TRAP_BAD_REFERENCE);
    for (u32 k = 0; k < COUNT(lies); k++) { // as its type
        *gc_word(s, array) = lies[k];
        (void)gc_call(s, 't', 0, 1);
    }
    EXPECT_TRAP(s, 't', 0, TRAP_NULL_STRUCT);
    for (u32 k = 0; k < COUNT(lies); k++) { // as the reference
        *gc_global(s) = lies[k];
        (void)gc_call(s, 'g', 0x7ffffff0, 1);
        (void)gc_call(s, 'c', 0x7ffffff0, 1);
        (void)gc_call(s, 't', 0, 1);
    }
    EXPECT_EQ(gc_call(s, 'n', 10, 1), 10);
    EXPECT_EQ(gc_call(s, 'g', 9, 1), 0);
    store_free(s);
}

TEST_KERNEL(gc_heap_has_an_end)
{
    static const u32 lengths[] = {0xffffffff, 0xfffffff0, 0xfff00000};
    struct store *s = gc_load(objects, sizeof(objects));

    for (u32 k = 0; k < COUNT(lengths); k++)
        EXPECT_TRAP(s, 'n', lengths[k], TRAP_NO_MEMORY);
    test_fail_commits(3);
    EXPECT_TRAP(s, 'n', 100000000, TRAP_NO_MEMORY);
    test_fail_commits(UINT64_MAX);
    EXPECT_EQ(gc_call(s, 'n', 100000, 1), 100000);
    store_free(s);
}

// Its thread's, whose globals begin anew in it.
TEST_KERNEL(gc_heap_is_a_threads_own)
{
    struct store *s = gc_load(objects, sizeof(objects));

    EXPECT_EQ(gc_call(s, 'n', 10, 1), 10);
    struct vmctx **vms = vms_copy(s, s->vms);
    EXPECT(vms != NULL);
    EXPECT(vms_heap(s, vms) != vms_heap(s, s->vms));
    EXPECT_EQ(*vmctx_global(store_instance(s, 0), 0, vms), 0);
    EXPECT(*gc_global(s) != 0);
    vms_free(s, vms);
    store_free(s);
}

TEST_KERNEL(gc_casts_far_down)
{
    struct store *s = gc_load(deep, sizeof(deep));

    for (u32 k = 0; k < COUNT(answers); k++)
        EXPECT_EQ(gc_call(s, (char)('a' + k), 0, 0), answers[k]);
    store_free(s);
}

// --- threads -----------------------------------------------------------------

#define WASM      0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00
#define STRUCT    0x01, 0x03, 0x01, 0x5f, 0x00 // a type section
#define I31       0x41, 0x01, 0xfb, 0x1c, 0x0b
#define SEGMENT   0x09, 0x09, 0x01, 0x05, 0x6e, 0x01, I31 // a passive one
#define TABLE(of) 0x04, 0x04, 0x01, (of), 0x00, 0x01

// What threads share must not lead into the heap of one of them.
static const struct shared {
    const char *name;
    u8 bytes[40];
    u32 size;
    status_t status; // of a second thread
} shared[] = {
    {"anyrefs",    {WASM, STRUCT, TABLE(0x6e)}, 19, ERR_LIMIT},
    {"externrefs", {WASM, STRUCT, TABLE(0x6f)}, 19, ERR_LIMIT},
    {"exnrefs",    {WASM, STRUCT, TABLE(0x69)}, 19, ERR_LIMIT},
    {"functions",  {WASM, STRUCT, TABLE(0x70)}, 19, OK       },
    {"no heaps",   {WASM, TABLE(0x6f)},         14, OK       },
    {"a segment",  {WASM, STRUCT, SEGMENT},     24, ERR_LIMIT},
};

static const char *
shared_name(u32 row)
{
    return row < COUNT(shared) ? shared[row].name : NULL;
}

TEST_KERNEL_ROWS(gc_threads_share_no_objects, shared_name)
{
    const struct shared *row = &shared[test_row];
    struct store *s = gc_load(row->bytes, row->size);
    struct execution x, copy;

    execution_init(&x, s);
    struct execution *before = execution_enter(&x);
    EXPECT_EQ(execution_copy(&copy), row->status);
    execution_leave(before);
    execution_discard(&copy);
    store_free(s);
}

// Two globals: a new array of 1,000,000 bytes, and an externref that is null.
static const u8 globals[] = {
    WASM, 0x01, 0x04, 0x01, 0x5e, 0x78, 0x01, 0x06, 0x11,
    0x02, 0x64, 0x00, 0x01, 0x41, 0xc0, 0x84, 0x3d, 0xfb,
    0x07, 0x00, 0x0b, 0x6f, 0x01, 0xd0, 0x6f, 0x0b,
};

// Without the objects that its globals have from the start there is no thread.
TEST_KERNEL(gc_thread_needs_memory_for_its_objects)
{
    struct store *s = gc_load(globals, sizeof(globals));
    struct vmctx **vms = NULL;
    u32 tries = 0;

    for (; vms == NULL && tries < 100; tries++) {
        test_fail_commits(tries);
        vms = vms_copy(s, s->vms);
    }
    test_fail_commits(UINT64_MAX);
    EXPECT(tries > 1 && vms != NULL);
    EXPECT(*vmctx_global(store_instance(s, 0), 0, vms) != 0);
    vms_free(s, vms);
    store_free(s);
}

// An externref may be a reference to an object that was converted.
TEST_KERNEL(gc_externrefs_are_a_threads_own)
{
    struct store *s = gc_load(globals, sizeof(globals));

    *vmctx_global(store_instance(s, 0), 1, s->vms) = HEAP_OBJECTS;
    struct vmctx **vms = vms_copy(s, s->vms);
    EXPECT(vms != NULL);
    EXPECT_EQ(*vmctx_global(store_instance(s, 0), 1, vms), 0);
    vms_free(s, vms);
    store_free(s);
}

// A thread on whose globals the start values come again (as that of
// thread_spawn) makes no second objects.
TEST_KERNEL(gc_globals_begin_once)
{
    struct store *s = gc_load(globals, sizeof(globals));
    struct execution x, copy;

    execution_init(&x, s);
    struct execution *before = execution_enter(&x);
    EXPECT_EQ(execution_copy(&copy), OK);
    u64 next = vms_heap(s, copy.vms)->small.next;
    execution_reset_globals(&copy);
    EXPECT_EQ(vms_heap(s, copy.vms)->small.next, next);
    execution_leave(before);
    execution_discard(&copy);
    store_free(s);
}

// --- failures ----------------------------------------------------------------

// An instance that was not made leaves no types, whose numbers others may get.
TEST_KERNEL(gc_types_of_a_failed_instance_go)
{
    struct code_module *code = NULL;
    struct error error;
    status_t status = ERR_NO_MEMORY;
    struct bytes bytes = {(u8 *)deep, sizeof(deep)};
    u32 tries = 0, failed = 0;

    EXPECT_EQ(code_module_new(&code, bytes, &error), OK);
    for (; status != OK && tries < 100; tries++) {
        struct instance *i = NULL;
        struct store *s;
        enum trap trap;
        EXPECT_EQ(store_new(&s, NULL, 0, NULL), OK);
        test_fail_commits(tries);
        status = instance_load(&i, s, code, &host_resolver, &error, &trap);
        test_fail_commits(UINT64_MAX);
        EXPECT_EQ(s->heap_types.count, i != NULL ? 10u : 0u);
        failed += i == NULL;
        store_free(s);
    }
    EXPECT(status == OK && failed > 0);
    code_module_release(code);
}

// Numbers that code gives the kernel for references.
TEST_KERNEL(gc_hostile_references)
{
    static const u32 refs[] = {1,
                               3,
                               HEAP_SCRATCH,
                               HEAP_OBJECTS - 4,
                               HEAP_OBJECTS + 1,
                               HEAP_OBJECTS + 3,
                               HEAP_OBJECTS + 5,
                               HEAP_OBJECTS + 7,
                               0x7ffffffc,
                               0xfffffffc,
                               0xffffffff};
    struct store *s = gc_load(deep, sizeof(deep));
    struct vmctx *vm = s->vms[0];
    struct execution x;

    EXPECT_EQ(gc_call(s, 'a', 0, 0), 1);
    EXPECT_EQ(gc_call(s, 'a', 0, 0), 1);
    execution_init(&x, s);
    struct execution *before = execution_enter(&x);
    for (u32 k = 0; k < COUNT(refs); k++) {
        x.trap.kind = TRAP_NONE;
        EXPECT_EQ(builtin_ARRAY_LEN(vm, refs[k]), 0);
        EXPECT_EQ(x.trap.kind, TRAP_BAD_REFERENCE);
        x.trap.kind = TRAP_NONE;
        EXPECT_EQ(builtin_HEAP_TEST(vm, refs[k], 9), 0);
        EXPECT_EQ(x.trap.kind, TRAP_BAD_REFERENCE);
    }
    EXPECT_EQ(builtin_HEAP_TEST(vm, HEAP_OBJECTS, 9), 1);
    EXPECT_EQ(builtin_HEAP_TEST(vm, HEAP_OBJECTS, UINT32_MAX), 0);
    thread_current()->entry.leave = LEAVE_NONE;
    execution_leave(before);
    store_free(s);
}
