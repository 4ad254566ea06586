// test/kernel/spawn.c: programs that programs start: what they are given, what
// is refused and leaves all as it was, how they end.

#include "test/kernel/calls.h"

#include <string.h>

enum { OUT = 64, STATUS_AT = 72, HANDLES = 128, NAME = 512, TEXT = 1024 };
enum { TEXT_SIZE = 200, ROOM = 4096, BYTES_AT = 8192 };

static status_t
compile(const char *name)
{
    return test_create_module(name, BYTES_AT, OUT);
}

static handle_t
module_of(const char *name)
{
    EXPECT_EQ(compile(name), OK);
    return test_load32(OUT);
}

static status_t
spawn_with(handle_t module, const handle_t *handles, u32 count)
{
    for (u32 i = 0; i < count; i++)
        test_store32(HANDLES + 4 * i, handles[i]);
    memcpy(test_memory(NAME), "child", 5);
    *test_memory(TEXT) = 0;
    return CALL(process_spawn, module, NAME, 5, 0, 0, 0, 0, HANDLES, count, 0,
                0, TEXT, TEXT_SIZE, OUT);
}

static handle_t
spawn(const char *name)
{
    EXPECT_EQ(spawn_with(module_of(name), NULL, 0), OK);
    return test_load32(OUT);
}

static u32
wait_for(handle_t process)
{
    EXPECT_EQ(CALL(process_wait, process, UINT64_MAX, STATUS_AT), OK);
    return test_load32(STATUS_AT);
}

static bool
text_has(const char *what)
{
    return strstr((const char *)test_memory(TEXT), what) != NULL;
}

// --- modules -----------------------------------------------------------------

static void
compile_bytes(void)
{
    memcpy(test_memory(BYTES_AT), "\0asm\1\0\0\0\x55", 9);
    EXPECT_EQ(CALL(module_create, BYTES_AT, 9, TEXT, TEXT_SIZE, OUT),
              ERR_MALFORMED);
    EXPECT(text_has("offset 0x"));
    EXPECT_EQ(CALL(module_create, BYTES_AT, 4, TEXT, 0, OUT), ERR_MALFORMED);
    memset(test_memory(TEXT), 'x', 8);
    EXPECT_EQ(CALL(module_create, BYTES_AT, 4, TEXT, 5, OUT), ERR_MALFORMED);
    EXPECT_EQ(memcmp(test_memory(TEXT), "offs\0xxx", 8), 0);
    EXPECT_EQ(CALL(module_create, BYTES_AT, 8, TEXT, 0, OUT), OK);
    EXPECT_EQ(spawn_with(test_load32(OUT), NULL, 0), ERR_NOT_FOUND); // empty
}

TEST_KERNEL(spawn_compiles_bytes)
{
    EXPECT_EQ(test_in_process(compile_bytes), 0);
}

// --- processes ---------------------------------------------------------------

static void
run_children(void)
{
    handle_t module = module_of("count"), children[4];

    for (u32 i = 0; i < COUNT(children); i++) {
        EXPECT_EQ(spawn_with(module, NULL, 0), OK);
        children[i] = test_load32(OUT);
    }
    for (u32 i = 0; i < COUNT(children); i++)
        EXPECT_EQ(wait_for(children[i]), 42);
    EXPECT_EQ(wait_for(children[0]), 42); // again
    EXPECT_EQ(wait_for(spawn("divide")), 134);
    handle_t endless = spawn("endless");
    EXPECT_EQ(CALL(process_wait, endless, 0, STATUS_AT), ERR_TIMED_OUT);
    EXPECT_EQ(CALL(object_wait_one, endless, SIGNAL_ENDED, 1, STATUS_AT),
              ERR_TIMED_OUT);
    EXPECT_EQ(CALL(process_kill, endless, 5), OK);
    EXPECT_EQ(CALL(process_kill, endless, 6), OK); // too late
    EXPECT_EQ(wait_for(endless), 5);
    EXPECT_EQ(CALL(object_wait_one, endless, SIGNAL_ENDED, 0, STATUS_AT), OK);
    // No program has a handle of it: it runs all the same, and ends.
    handle_t child = spawn("count");
    struct object *o;
    EXPECT_EQ(handle_get(&process_current()->handles, child, NULL, 0, &o), OK);
    EXPECT_EQ(CALL(handle_close, child), OK);
    EXPECT_EQ(object_wait_one(o, SIGNAL_ENDED, UINT64_MAX, NULL), OK);
    EXPECT_EQ(process_from_object(o)->exit_status, 42);
    object_release(o);
}

static void
give_handles_on(void)
{
    handle_t channel, peer;
    u32 used;

    EXPECT_EQ(CALL(channel_create, OUT, OUT + 4), OK);
    channel = test_load32(OUT);
    peer = test_load32(OUT + 4);
    handle_t module = module_of("given");
    used = process_current()->handles.used;
    EXPECT_EQ(spawn_with(module, &peer, 1), OK);
    EXPECT_EQ(process_current()->handles.used, used); // one went, one came
    handle_t child = test_load32(OUT);
    EXPECT_EQ(CALL(handle_close, peer), ERR_BAD_HANDLE);
    EXPECT_EQ(
        CALL(channel_read, channel, UINT64_MAX, ROOM, 8, 0, 0, OUT, OUT + 4),
        OK);
    EXPECT_EQ(memcmp(test_memory(ROOM), "here", 4), 0);
    EXPECT_EQ(wait_for(child), 7);
    // What it had is closed.
    EXPECT_EQ(
        CALL(channel_read, channel, UINT64_MAX, ROOM, 8, 0, 0, OUT, OUT + 4),
        ERR_PEER_CLOSED);
    EXPECT_EQ(CALL(process_given, 0, OUT), ERR_NOT_FOUND); // we were given none
}

TEST_KERNEL(spawn_runs_programs)
{
    EXPECT_EQ(test_in_process(run_children), 0);
    EXPECT_EQ(test_in_process(give_handles_on), 0);
}

// --- what is refused ---------------------------------------------------------

static void
refuse(void)
{
    handle_t good = test_handle(&event_type, UINT32_MAX);
    handle_t fixed = test_handle(&event_type, ~RIGHT_TRANSFER);
    handle_t count = module_of("count");
    handle_t unknown = module_of("import_name"), empty = module_of("no_entry");
    handle_t torn = module_of("segment");
    const struct {
        handle_t module, handles[2];
        u32 handle_count;
        status_t status;
        const char *text;
    } cases[] = {
        {unknown, {0},           0, ERR_UNKNOWN_IMPORT, "no_such_call"},
        {empty,   {good},        1, ERR_NOT_FOUND,      ""            },
        {torn,    {good},        1, ERR_TRAP,           "data"        },
        {count,   {good, 0},     2, ERR_BAD_HANDLE,     ""            },
        {count,   {good, fixed}, 2, ERR_ACCESS,         ""            },
        {count,   {good, good},  2, ERR_BAD_ARGUMENT,   ""            },
    };

    for (u32 i = 0; i < COUNT(cases); i++) {
        u32 used = process_current()->handles.used;
        EXPECT_EQ(spawn_with(cases[i].module, cases[i].handles,
                             cases[i].handle_count),
                  cases[i].status);
        EXPECT(text_has(cases[i].text));
        EXPECT_EQ(process_current()->handles.used, used);
        EXPECT_EQ(CALL(object_wait_one, good, 1, 0, OUT), ERR_TIMED_OUT);
    }
    // Arguments and descriptors are WASI's, which this process does not have.
    EXPECT_EQ(
        CALL(process_spawn, count, 0, 0, NAME, 1, 0, 0, 0, 0, 0, 0, 0, 0, OUT),
        ERR_UNSUPPORTED);
    EXPECT_EQ(
        CALL(process_spawn, count, 0, 0, 0, 0, 0, 0, 0, 0, ROOM, 1, 0, 0, OUT),
        ERR_UNSUPPORTED);
    EXPECT_EQ(CALL(descriptor_create, good, OUT), ERR_UNSUPPORTED);
    EXPECT_EQ(CALL(process_spawn, count, 0, LIMIT_PROCESS_NAME + 1, 0, 0, 0, 0,
                   0, 0, 0, 0, 0, 0, OUT),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(process_spawn, count, NAME, LIMIT_PROCESS_NAME, 0, 0, 0, 0,
                   0, 0, 0, 0, 0, 0, OUT),
              OK);
    EXPECT_EQ(wait_for(test_load32(OUT)), 42);
    EXPECT_EQ(CALL(process_spawn, count, 0, 0, 0, LIMIT_ARGUMENTS + 1, 0, 0, 0,
                   0, 0, 0, 0, 0, OUT),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(process_spawn, count, 0, 0, 0, 0, 0, 0, HANDLES,
                   LIMIT_SPAWN_HANDLES + 1, 0, 0, 0, 0, OUT),
              ERR_LIMIT);
    EXPECT_EQ(CALL(process_spawn, count, 0, 0, 0, 0, 0, 0, 0, 0, ROOM,
                   LIMIT_SPAWN_DESCRIPTORS + 1, 0, 0, OUT),
              ERR_LIMIT);
}

// There is no place for the handle of the child: it never runs.
static void
spawn_with_full_table(void)
{
    handle_t module = module_of("endless"), copy;

    while (handle_duplicate(&process_current()->handles, module, 0, &copy) ==
           OK)
        ;
    EXPECT_EQ(spawn_with(module, &module, 1), ERR_FULL);
    EXPECT_EQ(CALL(handle_close, module), OK);
}

TEST_KERNEL(spawn_refuses)
{
    EXPECT_EQ(test_in_process(refuse), 0);
    EXPECT_EQ(test_in_process(spawn_with_full_table), 0);
}

// --- descriptors -------------------------------------------------------------

// A stream of which one handle is in the process, which cannot be doubled; the
// other end.
static struct stream *
stream_without_duplicate(handle_t *handle)
{
    struct stream *ends[2];
    const u64 sizes[2] = {16, 16};

    EXPECT_EQ(stream_new(ends, sizes, process_current()->account), OK);
    EXPECT_EQ(handle_new(&process_current()->handles, stream_object(ends[0]),
                         RIGHT_TRANSFER | RIGHT_READ, handle),
              OK);
    object_release(stream_object(ends[0]));
    return ends[1];
}

static status_t
adopt(struct adoption *a, u32 *descriptor)
{
    *descriptor = 7;
    return adoption_take(a);
}

// Meanwhile another thread moves the handle away.
static status_t
adopt_late(struct adoption *a, u32 *descriptor)
{
    struct handle_table *t = &process_current()->handles;
    struct carried moved = a->object;

    EXPECT_EQ(handle_take(t, &a->handle, &moved, 1, NULL), OK);
    EXPECT_EQ(handle_put(t, &moved, &a->handle, 1), OK);
    a->handle ^= 1u << 20; // what it was called
    return adopt(a, descriptor);
}

static void
end_nothing(struct process *p)
{
    (void)p;
}

static u32 setups; // that a personality was asked to give

static status_t
give_setup(struct process *child, const struct spawn_setup *setup)
{
    (void)child;
    EXPECT_EQ(setup->descriptor_count, 1);
    setups++;
    return OK;
}

// What a descriptor is made from is a copy or a stream, and nothing else.
static void
spawn_with_descriptors(void)
{
    static const struct personality plain = {.exit = end_nothing,
                                             .spawn = give_setup};
    handle_t module = module_of("count"), stream;
    struct stream *peer = stream_without_duplicate(&stream);

    process_set_personality(process_current(), &plain, NULL);
    setups = 0;
    for (u32 kind = 0; kind <= SPAWN_STREAM + 1; kind++) {
        struct spawn_descriptor d = {.kind = kind, .from = stream};
        memcpy(test_memory(ROOM), &d, sizeof(d));
        EXPECT_EQ(CALL(process_spawn, module, 0, 0, 0, 0, 0, 0, 0, 0, ROOM, 1,
                       TEXT, TEXT_SIZE, OUT),
                  kind <= SPAWN_STREAM ? OK : ERR_BAD_ARGUMENT);
    }
    EXPECT_EQ(setups, SPAWN_STREAM + 1);
    EXPECT_EQ(CALL(handle_close, stream), ERR_BAD_HANDLE); // it has moved
    object_release(stream_object(peer));
}

TEST_KERNEL(spawn_descriptors)
{
    EXPECT_EQ(test_in_process(spawn_with_descriptors), 0);
}

// The handle becomes the descriptor, or stays one: never both.
static void
adopt_handles(void)
{
    static const struct personality plain = {.exit = end_nothing,
                                             .adopt = adopt},
                                    late = {.exit = end_nothing,
                                            .adopt = adopt_late};
    handle_t handle;
    struct stream *peer = stream_without_duplicate(&handle);
    u32 used = process_current()->handles.used;

    test_store32(OUT, 1);
    process_set_personality(process_current(), &late, NULL);
    EXPECT_EQ(CALL(descriptor_create, handle, OUT), ERR_BAD_HANDLE);
    EXPECT_EQ(test_load32(OUT), 1);
    EXPECT_EQ(process_current()->handles.used, used);
    EXPECT_EQ(CALL(handle_close, handle), ERR_BAD_HANDLE);
    EXPECT_EQ(object_signals(stream_object(peer)) & SIGNAL_PEER_CLOSED, 0);
    object_release(stream_object(peer));

    peer = stream_without_duplicate(&handle);
    process_set_personality(process_current(), &plain, NULL);
    EXPECT_EQ(CALL(descriptor_create, handle, OUT), OK);
    EXPECT_EQ(test_load32(OUT), 7);
    EXPECT_EQ(process_current()->handles.used, used);
    // adopt() took no handle's references of its own.
    EXPECT(object_signals(stream_object(peer)) & SIGNAL_PEER_CLOSED);
    object_release(stream_object(peer));
}

TEST_KERNEL(descriptor_takes_the_handle)
{
    EXPECT_EQ(test_in_process(adopt_handles), 0);
}

// --- a parent that is killed -------------------------------------------------

static void
spawn_for_ever(void)
{
    if (compile("given") != OK)
        return; // killed
    handle_t module = test_load32(OUT);

    while (!thread_is_killed()) {
        EXPECT_EQ(CALL(channel_create, OUT, OUT + 4), OK);
        handle_t peer = test_load32(OUT + 4), channel = test_load32(OUT);
        status_t status = spawn_with(module, &peer, 1);
        EXPECT(status == OK || status == ERR_KILLED);
        if (status == OK && CALL(handle_close, test_load32(OUT)) != OK)
            return;
        if (CALL(handle_close, channel) != OK)
            return;
    }
}

// The child has been made when its parent sees the kill.
static void
spawn_when_killed(void)
{
    handle_t module = module_of("count");

    thread_kill(thread_current());
    EXPECT_EQ(spawn_with(module, NULL, 0), ERR_KILLED);
}

TEST_KERNEL(spawn_by_one_who_is_killed)
{
    u64 before = object_count();

    (void)test_in_process(spawn_when_killed);
    TEST_WAIT(object_count() == before); // what was made is on its way out

    for (u32 i = 0; i < 6; i++) {
        struct process *p = test_new_process(spawn_for_ever);
        test_start(p);
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + i * 700000), OK);
        process_kill(p, 9);
        EXPECT_EQ(test_wait(p), 9);
    }
}
