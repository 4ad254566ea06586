// test/kernel/errors.c: errors of system calls, as programs get them, that no
// other test is about: what one thread alone can run into.  That every error is
// seen somewhere is what test/kernel/results.c checks.

#include "test/kernel/calls.h"

#include <string.h>

enum { OUT = 64, ITEMS = 128, TEXT = 1024, ROOM = 4096 };

static handle_t
full(const struct object_type *type)
{
    return test_handle(type, UINT32_MAX);
}

// --- numbers that are out of range -------------------------------------------

static void
misuse_numbers(void)
{
    handle_t self = 0, closed = full(&event_type);

    EXPECT_EQ(CALL(handle_close, closed), OK);
    EXPECT_EQ(CALL(handle_duplicate, closed, 0, OUT), ERR_BAD_HANDLE);
    EXPECT_EQ(CALL(clock_get, CLOCK_SINCE_BOOT, OUT), OK);
    EXPECT_EQ(CALL(clock_get, CLOCK_SINCE_1970 + 1, OUT), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(log_write, TEXT, 0), OK);
    EXPECT_EQ(CALL(log_write, TEXT, LIMIT_LOG_LINE + 1), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(gate_create, LIMIT_GATE_SIZE, OUT), OK);
    EXPECT_EQ(CALL(gate_create, LIMIT_GATE_SIZE + 1, OUT), ERR_BAD_ARGUMENT);
    EXPECT_EQ(handle_new(&process_current()->handles,
                         thread_object(thread_current()), UINT32_MAX, &self),
              OK);
    EXPECT_EQ(CALL(thread_join, self), ERR_BAD_ARGUMENT);
}

TEST_KERNEL(errors_of_numbers)
{
    EXPECT_EQ(test_in_process(misuse_numbers), 0);
}

static void
tell(const char *keys)
{
    terminal_input((struct bytes){(u8 *)(u64)keys, string_of(keys).len});
}

static void
misuse_terminals(void)
{
    handle_t seat = full(&terminal_type);

    EXPECT_EQ(CALL(terminal_mode, seat, 1), OK);
    EXPECT_EQ(CALL(terminal_mode, seat, UINT32_MAX), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(terminal_mode, seat, 0), OK);
    EXPECT_EQ(CALL(terminal_focus, seat), OK);
    tell("\033_N0;0\033\\");
    EXPECT_EQ(CALL(terminal_size, seat, OUT, OUT + 4), ERR_NOT_FOUND);
    tell("\033_N24;80\033\\");
    EXPECT_EQ(CALL(terminal_size, seat, OUT, OUT + 4), OK);
    EXPECT_EQ(test_load32(OUT), 24);
    EXPECT_EQ(test_load32(OUT + 4), 80);
}

TEST_KERNEL(errors_of_terminals)
{
    EXPECT_EQ(test_in_process(misuse_terminals), 0);
}

// --- modules -----------------------------------------------------------------

static void
misuse_modules(void)
{
    // (module (func (result i32)))
    static const u8 invalid[] = {
        0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01,
        0x05, 0x01, 0x60, 0x00, 0x01, 0x7f, 0x03, 0x02, 0x01,
        0x00, 0x0a, 0x04, 0x01, 0x02, 0x00, 0x0b,
    };

    memcpy(test_memory(ROOM), invalid, sizeof(invalid));
    EXPECT_EQ(CALL(module_create, ROOM, sizeof(invalid), TEXT, 100, OUT),
              ERR_INVALID);
    EXPECT_EQ(test_create_module("import_type", ROOM, OUT), OK);
    EXPECT_EQ(CALL(process_spawn, test_load32(OUT), 0, 0, 0, 0, 0, 0, 0, 0, 0,
                   0, TEXT, 100, OUT, 0),
              ERR_IMPORT_TYPE);
}

TEST_KERNEL(errors_of_modules)
{
    EXPECT_EQ(test_in_process(misuse_modules), 0);
}

// --- what a personality says -------------------------------------------------

static status_t adopted;

static void
end_nothing(struct process *p)
{
    (void)p;
}

static status_t
adopt(struct adoption *a, u32 *descriptor)
{
    (void)a, (void)descriptor;
    return adopted;
}

static void
misuse_descriptors(void)
{
    static const struct personality plain = {.exit = end_nothing,
                                             .adopt = adopt};
    static const status_t errors[] = {ERR_NO_MEMORY, ERR_FULL, ERR_BAD_HANDLE};
    handle_t stream = full(&stream_type);

    EXPECT_EQ(CALL(descriptor_create, stream, OUT), ERR_UNSUPPORTED);
    process_set_personality(process_current(), &plain, NULL);
    EXPECT_EQ(CALL(descriptor_create, full(&event_type), OUT), ERR_WRONG_TYPE);
    EXPECT_EQ(CALL(descriptor_create,
                   test_handle(&stream_type, ~RIGHT_TRANSFER), OUT),
              ERR_ACCESS);
    u32 used = process_current()->handles.used;
    for (u32 i = 0; i < COUNT(errors); i++) {
        adopted = errors[i];
        EXPECT_EQ(CALL(descriptor_create, stream, OUT), adopted);
        EXPECT_EQ(process_current()->handles.used, used);
    }
}

TEST_KERNEL(errors_of_descriptors)
{
    EXPECT_EQ(test_in_process(misuse_descriptors), 0);
}

// --- an object that has all its observers ------------------------------------

static void
wait_in_a_crowd(void)
{
    handle_t port = full(&port_type), event = full(&event_type);

    for (u32 i = 0; i < LIMIT_OBSERVERS; i++)
        EXPECT_EQ(CALL(port_watch, port, event, i, SIGNAL_SIGNALED, 0), OK);
    EXPECT_EQ(CALL(port_watch, full(&port_type), event, 0, SIGNAL_SIGNALED, 0),
              ERR_FULL);
    EXPECT_EQ(CALL(object_wait_one, event, SIGNAL_SIGNALED, UINT64_MAX, OUT),
              ERR_FULL);
    test_store32(ITEMS, event);
    test_store32(ITEMS + 4, SIGNAL_SIGNALED);
    EXPECT_EQ(CALL(object_wait_many, ITEMS, 1, UINT64_MAX), ERR_FULL);
    EXPECT_EQ(CALL(port_cancel, port, 0), OK);
    EXPECT_EQ(CALL(object_wait_one, event, SIGNAL_SIGNALED, 1, OUT),
              ERR_TIMED_OUT);
}

TEST_KERNEL(errors_in_a_crowd)
{
    EXPECT_EQ(test_in_process(wait_in_a_crowd), 0);
}

static void
wait_for_one_in_a_crowd(void)
{
    handle_t port = full(&port_type), process = full(&process_type);

    for (u32 i = 0; i < LIMIT_OBSERVERS; i++)
        EXPECT_EQ(CALL(port_watch, port, process, i, SIGNAL_ENDED, 0), OK);
    EXPECT_EQ(CALL(process_wait, process, UINT64_MAX, OUT), ERR_FULL);
}

TEST_KERNEL(errors_of_process_wait_in_a_crowd)
{
    EXPECT_EQ(test_in_process(wait_for_one_in_a_crowd), 0);
}

// --- a table that is full ----------------------------------------------------

static handle_t given;

static status_t
spawn_thread(void)
{
    return CALL(thread_spawn, 0, 0, 4096, OUT);
}

static status_t
create_thread(void)
{
    return CALL(thread_create, 0, 0, 0, 4096, 0, 0, OUT);
}

static status_t
create_event(void)
{
    return CALL(event_create, OUT);
}

static status_t
create_timer(void)
{
    return CALL(timer_create, OUT);
}

static status_t
create_port(void)
{
    return CALL(port_create, OUT);
}

static status_t
create_channel(void)
{
    return CALL(channel_create, OUT, OUT + 4);
}

static status_t
create_stream(void)
{
    return CALL(stream_create, 16, 16, OUT, OUT + 4);
}

static status_t
create_gate(void)
{
    return CALL(gate_create, 16, OUT);
}

static void
have_gate(void)
{
    given = full(&gate_type);
}

static status_t
create_door(void)
{
    return CALL(gate_badge, given, 1, OUT);
}

static void
have_device(void)
{
    given = full(&device_type);
}

static status_t
create_queue(void)
{
    EXPECT_EQ(CALL(device_features, given, 0, OUT), OK);
    return CALL(queue_create, given, 0, 4, OUT, OUT + 4);
}

static void
have_seat(void)
{
    given = full(&terminal_type);
}

static status_t
create_seat(void)
{
    return CALL(terminal_create, given, OUT);
}

static void
have_group(void)
{
    EXPECT_EQ(handle_new(&process_current()->handles,
                         group_object(group_current()), UINT32_MAX, &given),
              OK);
}

static status_t
create_group(void)
{
    return CALL(group_create, given, 0, 0, 0, 0, OUT);
}

static status_t
open_member(void)
{
    return CALL(group_open, given, process_current()->member.id, OUT);
}

static void
have_bytes(void)
{
    struct bytes bytes = test_module_named("count");

    memcpy(test_memory(ROOM), bytes.ptr, bytes.size);
}

static status_t
create_module(void)
{
    return CALL(module_create, ROOM, test_module_named("count").size, 0, 0,
                OUT);
}

static void
have_event(void)
{
    given = full(&event_type);
}

static status_t
duplicate(void)
{
    return CALL(handle_duplicate, given, 0, OUT);
}

// A message with a handle, which leaves a place that is taken again.
static void
have_message(void)
{
    EXPECT_EQ(create_channel(), OK);
    given = test_load32(OUT);
    test_store32(ITEMS, full(&event_type));
    EXPECT_EQ(CALL(channel_write, test_load32(OUT + 4), 0, 0, ITEMS, 1), OK);
}

static status_t
read_message(void)
{
    return CALL(channel_read, given, 0, 0, 0, ITEMS, 1, OUT, OUT + 4);
}

static void
nothing(void)
{
}

static const struct maker {
    const char *name;
    void (*prepare)(void);
    status_t (*make)(void);
} makers[] = {
    {"handle_duplicate", have_event,   duplicate     },
    {"thread_spawn",     nothing,      spawn_thread  },
    {"thread_create",    nothing,      create_thread },
    {"event_create",     nothing,      create_event  },
    {"timer_create",     nothing,      create_timer  },
    {"port_create",      nothing,      create_port   },
    {"channel_create",   nothing,      create_channel},
    {"channel_read",     have_message, read_message  },
    {"stream_create",    nothing,      create_stream },
    {"gate_create",      nothing,      create_gate   },
    {"gate_badge",       have_gate,    create_door   },
    {"terminal_create",  have_seat,    create_seat   },
    {"queue_create",     have_device,  create_queue  },
    {"group_create",     have_group,   create_group  },
    {"group_open",       have_group,   open_member   },
    {"module_create",    have_bytes,   create_module },
};

static const char *
maker_name(u32 row)
{
    return row < COUNT(makers) ? makers[row].name : NULL;
}

// Threads that were made after all run this, too.
static bool
is_first(void)
{
    return execution_current()->id == 1;
}

static void
make_with_a_full_table(void)
{
    const struct maker *m = &makers[test_row];
    struct handle_table *t = &process_current()->handles;
    status_t status = OK;
    handle_t h = 0;

    if (!is_first())
        return;
    m->prepare();
    handle_t event = full(&event_type);
    while ((status = CALL(handle_duplicate, event, 0, OUT)) == OK)
        h = test_load32(OUT);
    EXPECT_EQ(status, ERR_FULL);
    EXPECT_EQ(t->used, LIMIT_HANDLES);
    EXPECT_EQ(m->make(), ERR_FULL);
    EXPECT_EQ(t->used, LIMIT_HANDLES);
    // Two places, of which some take one.
    EXPECT_EQ(CALL(handle_close, h), OK);
    EXPECT_EQ(CALL(handle_close, event), OK);
    EXPECT_EQ(m->make(), OK);
}

TEST_KERNEL_ROWS(errors_of_a_full_table, maker_name)
{
    EXPECT_EQ(test_in_process(make_with_a_full_table), 0);
}

// --- what a group may have ---------------------------------------------------

static void
create_threads(void)
{
    struct account *a = process_current()->account;

    if (!is_first())
        return;
    account_set_limit(a, RESOURCE_THREADS, account_used(a, RESOURCE_THREADS));
    EXPECT_EQ(create_thread(), ERR_LIMIT);
    EXPECT_EQ(spawn_thread(), ERR_LIMIT);
    account_set_limit(a, RESOURCE_THREADS, UINT64_MAX);
    process_kill(process_current(), 7);
    EXPECT_EQ(create_thread(), ERR_EXITED);
    EXPECT_EQ(spawn_thread(), ERR_EXITED);
}

TEST_KERNEL(errors_of_threads)
{
    EXPECT_EQ(test_in_process(create_threads), 7);
}
