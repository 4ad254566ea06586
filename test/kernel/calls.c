// test/kernel/calls.c: the system calls, row by row: what is wrong with an
// argument is said, whichever call it is; and nothing else happens.

#include "test/kernel/calls.h"
#include "test/kernel/device.h"
#include "test/kernel/registers.h"

#include <string.h>

// --- a process that calls back -----------------------------------------------

static void (*body)(void); // atomic: of a process that ends meanwhile, too

static void
run_body(void)
{
    __atomic_load_n(&body, __ATOMIC_RELAXED)();
}

static const struct host_func run_func = {"run", ":", (const void *)run_body};

static bool
find_run(void *self, struct string module, struct string name,
         struct extern_ref *out)
{
    (void)self, (void)module, (void)name;
    *out = (struct extern_ref){.kind = EXTERN_FUNC, .host = &run_func};
    return true;
}

static const struct resolver run_resolver = {NULL, find_run, NULL};

struct process *
test_new_process(void (*run)(void))
{
    return test_new_process_in(NULL, run);
}

status_t
test_process_of(struct process **out, struct group *g, struct code_module *host,
                void (*run)(void))
{
    struct process *p = NULL;
    struct instance *i;
    struct error error;
    enum trap trap;
    status_t status = process_new_empty(&p, g, "host");

    __atomic_store_n(&body, run, __ATOMIC_RELAXED);
    if (status == OK)
        status =
            instance_load(&i, p->store, host, &run_resolver, &error, &trap);
    if (status == OK)
        *out = p;
    else if (p != NULL)
        process_release(p);
    return status;
}

struct process *
test_new_process_in(struct group *g, void (*run)(void))
{
    struct code_module *code = test_compile("host");
    struct process *p = NULL;

    EXPECT_EQ(test_process_of(&p, g, code, run), OK);
    code_module_release(code);
    return p;
}

u32
test_in_process(void (*run)(void))
{
    struct process *p = test_new_process(run);

    test_start(p);
    return test_wait(p);
}

u8 *
test_memory(u32 address)
{
    struct bytes all = user_bytes(0, TEST_MEMORY);

    assert(all.ptr != NULL && address < TEST_MEMORY);
    return all.ptr + address;
}

u32
test_load32(u32 address)
{
    u32 value;

    memcpy(&value, test_memory(address), sizeof(value));
    return value;
}

u64
test_load64(u32 address)
{
    u64 value;

    memcpy(&value, test_memory(address), sizeof(value));
    return value;
}

void
test_store32(u32 address, u32 value)
{
    memcpy(test_memory(address), &value, sizeof(value));
}

// --- calls -------------------------------------------------------------------

#define NONE {ARG_NONE, NULL, NULL, 0, 0, false},
#define HANDLE(n, t, right) \
    {ARG_HANDLE, #n, &t##_type, RIGHT_##right, 0, false},
#define OPTION(n, t, right) \
    {ARG_OPTION, #n, &t##_type, RIGHT_##right, 0, false},
#define ANY(n, right)        {ARG_ANY, #n, NULL, RIGHT_##right, 0, false},
#define U32(n)               {ARG_U32, #n, NULL, 0, 0, false},
#define U64(n)               {ARG_U64, #n, NULL, 0, 0, false},
#define BYTES(n)             {ARG_BYTES, #n, NULL, 0, 1, false},
#define BUFFER(n)            {ARG_BUFFER, #n, NULL, 0, 1, false},
#define ITEMS(n, t)          {ARG_ITEMS, #n, NULL, 0, sizeof(struct t), false},
#define WORD(n)              {ARG_WORD, #n, NULL, 0, sizeof(u32), false},
#define OUT_U32(n)           {ARG_OUT_U32, #n, NULL, 0, sizeof(u32), false},
#define OUT_U64(n)           {ARG_OUT_U64, #n, NULL, 0, sizeof(u64), false},
#define RAW(n)               U32(n)
#define OUT_RAW(n)           OUT_U32(n)
#define NEW(n, t)            {ARG_OUT_U32, #n, &t##_type, 0, sizeof(u32), true},
#define NEW_ANY(n)           {ARG_OUT_U32, #n, NULL, 0, sizeof(u32), true},
#define BITS(n, set)         U32(n)
#define CHOICE(n, set)       U32(n)
#define OUT_BITS(n, set)     OUT_U32(n)
#define OUT_CHOICE(n, set)   OUT_U32(n)
#define PART(n, out)         BUFFER(n)
#define FILLED(n, type, out) ITEMS(n, type)
// A row of each kind.
#define SYSCALL(number, name, help, args)           {#name, false, {args}},
#define SYSCALL_IN_MEMORY(number, name, help, args) {#name, true, {args}},

const struct test_call test_calls[] = {
#include "abi/syscalls.def"
};

const u32 test_call_count = COUNT(test_calls);

static const struct test_call *
find_call(const char *name)
{
    for (u32 i = 0; i < COUNT(test_calls); i++)
        if (strcmp(test_calls[i].name, name) == 0)
            return &test_calls[i];
    panic(__FILE__, __LINE__, name);
}

u32
test_words_of(enum call_kind kind)
{
    return kind == ARG_BYTES || kind == ARG_BUFFER || kind == ARG_ITEMS ? 2 : 1;
}

// Where calls that take a struct in memory find it, each thread its own.
enum { STRUCTS_AT = TEST_MEMORY - 8 * CALL_STRUCT };

static u32
struct_at(void)
{
    return STRUCTS_AT + execution_current()->id % 7 * CALL_STRUCT;
}

u32
test_call_struct(const struct test_call *call, const u64 *words, u8 *to)
{
    u64 at = 0, align = sizeof(u32);

    for (u32 i = 0; call->args[i].kind != ARG_NONE; i++)
        for (u32 k = test_words_of(call->args[i].kind); k > 0; k--, words++) {
            u64 size = call->args[i].kind == ARG_U64 ? 8 : 4;
            at = ALIGN_UP(at, size);
            align = MAX(align, size);
            memcpy(to + at, words, size);
            at += size;
        }
    return (u32)ALIGN_UP(at, align);
}

status_t
test_call_raw(const struct test_call *call, const u64 *registers)
{
    typedef u32 call_t(u64, u64, u64, u64, u64, u64);
    const struct host_func *func = &nebulet_module.funcs[call - test_calls];
    call_t *code = (call_t *)(u64)func->code;

    assert(strcmp(func->name, call->name) == 0);
    return (status_t)code(registers[0], registers[1], registers[2],
                          registers[3], registers[4], registers[5]);
}

status_t
test_call(const char *name, const u64 *words)
{
    const struct test_call *call = find_call(name);
    const u64 in_memory[6] = {struct_at()};
    u8 copy[CALL_STRUCT] = {0};

    if (!call->in_memory)
        return test_call_raw(call, words);
    u32 size = test_call_struct(call, words, copy);
    memcpy(test_memory(struct_at()), copy, size);
    return test_call_raw(call, in_memory);
}

status_t
test_create_module(const char *name, u32 bytes_at, u32 out)
{
    struct bytes bytes = test_module_named(name);

    memcpy(test_memory(bytes_at), bytes.ptr, bytes.size);
    return CALL(module_create, bytes_at, bytes.size, 0, 0, out);
}

// --- objects of all types ----------------------------------------------------

static struct object *
new_thread_object(void)
{
    struct thread *t;

    EXPECT_EQ(thread_new(&t, (void (*)(void *))(u64)run_body, NULL), OK);
    thread_reap(t); // it never runs
    return thread_object(t);
}

static struct object *
new_object(const struct object_type *type)
{
    struct account *payer = process_current()->account;
    struct object *o = NULL;
    struct channel *ends[2];
    struct stream *rings[2];
    const u64 sizes[2] = {16, 16};
    struct timer *timer;
    struct process *p;
    struct terminal *terminal;
    struct port *port;
    struct group *g;
    struct gate *gate;
    struct door *door;

    if (type == &event_type) {
        EXPECT_EQ(event_new(&o, payer), OK);
    } else if (type == &timer_type) {
        EXPECT_EQ(timer_new(&timer, payer), OK);
        o = timer_object(timer);
    } else if (type == &thread_type) {
        o = new_thread_object();
    } else if (type == &process_type) {
        EXPECT_EQ(process_new_empty(&p, NULL, "nothing"), OK);
        o = &p->object;
    } else if (type == &code_module_type) {
        o = code_module_object(test_compile("host"));
    } else if (type == &channel_type) {
        EXPECT_EQ(channel_new(ends, payer), OK);
        object_release(channel_object(ends[1]));
        o = channel_object(ends[0]);
    } else if (type == &stream_type) {
        EXPECT_EQ(stream_new(rings, sizes, payer), OK);
        object_release(stream_object(rings[1]));
        o = stream_object(rings[0]);
    } else if (type == &port_type) {
        EXPECT_EQ(port_new(&port, payer), OK);
        o = port_object(port);
    } else if (type == &group_type) {
        EXPECT_EQ(group_new(&g, group_current(), "none"), OK);
        o = group_object(g);
    } else if (type == &gate_type || type == &door_type) {
        EXPECT_EQ(gate_new(&gate, 16, payer), OK);
        o = gate_object(gate);
        if (type == &door_type) {
            EXPECT_EQ(door_new(&door, gate, 7, payer), OK);
            gate_closed(o); // it never had a handle
            object_release(o);
            o = door_object(door);
        }
    } else if (type == &terminal_type) {
        EXPECT_EQ(terminal_new(&terminal, payer), OK);
        o = terminal_object(terminal);
    } else if (type == &device_type || type == &queue_type) {
        o = test_new_device_object(type, payer);
    } else if (type == &registers_type) {
        o = test_new_registers("ps2", true);
    }
    return o;
}

handle_t
test_handle(const struct object_type *type, u32 rights)
{
    struct object *o = new_object(type);
    handle_t handle = 0;

    if (o != NULL)
        EXPECT_EQ(handle_new(&process_current()->handles, o, rights, &handle),
                  OK);
    object_release(o);
    return handle;
}

static handle_t
closed_handle(void)
{
    handle_t handle = test_handle(&event_type, UINT32_MAX);

    EXPECT_EQ(handle_close(&process_current()->handles, handle), OK);
    return handle;
}

// --- what is wrong with a handle ---------------------------------------------

enum { FREE_AT = 4096, FREE_SIZE = 64 }; // for what calls read and write

void
test_fill_words(const struct test_call *call, u64 *words, u32 *handles,
                u32 *options)
{
    for (u32 i = 0; call->args[i].kind != ARG_NONE; i++) {
        enum call_kind kind = call->args[i].kind;
        if (kind == ARG_HANDLE || kind == ARG_ANY)
            *handles |= 1u << i;
        else if (kind == ARG_OPTION)
            *options |= 1u << i;
        if (kind >= ARG_BYTES)
            *words = FREE_AT;
        words += test_words_of(kind);
    }
}

u32
test_word_at(const struct test_call *call, u32 arg)
{
    u32 at = 0;

    for (u32 i = 0; i < arg; i++)
        at += test_words_of(call->args[i].kind);
    return at;
}

const struct object_type *
test_type_for(const struct test_call *call, u32 arg)
{
    return call->args[arg].type != NULL ? call->args[arg].type : &event_type;
}

// Whatever is in memory stays as it is.
static void
expect_refused(const struct test_call *call, const u64 *words, status_t want)
{
    memset(test_memory(FREE_AT), 0x5a, FREE_SIZE);
    u32 used = process_current()->handles.used;
    status_t got = test_call(call->name, words);

    if (got != want)
        test_failed(__FILE__, __LINE__, call->name, got, want);
    EXPECT_EQ(process_current()->handles.used, used);
    for (u32 i = 0; i < FREE_SIZE; i++)
        EXPECT_EQ(*test_memory(FREE_AT + i), 0x5a);
}

// All that can be wrong with handle argument `arg`, with the others right.
static void
misuse_handle(const struct test_call *call, u64 *words, u32 arg)
{
    const struct object_type *type = test_type_for(call, arg);
    const struct object_type *wrong =
        type == &event_type ? &timer_type : &event_type;
    u64 *word = &words[test_word_at(call, arg)], right = *word;
    u32 need = call->args[arg].right;

    *word = 0;
    if (call->args[arg].kind != ARG_OPTION)
        expect_refused(call, words, ERR_BAD_HANDLE);
    *word = UINT32_MAX;
    expect_refused(call, words, ERR_BAD_HANDLE);
    *word = closed_handle();
    expect_refused(call, words, ERR_BAD_HANDLE);
    if (call->args[arg].type != NULL) {
        *word = test_handle(wrong, UINT32_MAX);
        expect_refused(call, words, ERR_WRONG_TYPE);
    }
    *word = test_handle(type, ~need);
    EXPECT(*word != 0); // new_object() knows the type
    expect_refused(call, words, ERR_ACCESS);
    *word = right;
}

// The name of a call with such an argument; "": it has none.
static const char *
name_with(u32 row, bool (*is_such)(enum call_kind kind))
{
    if (row >= test_call_count)
        return NULL;
    for (u32 i = 0; test_calls[row].args[i].kind != ARG_NONE; i++)
        if (is_such(test_calls[row].args[i].kind))
            return test_calls[row].name;
    return "";
}

static bool
is_handle(enum call_kind kind)
{
    return kind == ARG_HANDLE || kind == ARG_OPTION || kind == ARG_ANY;
}

static const char *
with_handles(u32 row)
{
    return name_with(row, is_handle);
}

static void
misuse_handles(void)
{
    const struct test_call *call = &test_calls[test_row];
    u64 words[CALL_ARGS + 2] = {0};
    u32 handles = 0, options = 0;

    test_fill_words(call, words, &handles, &options);
    for (u32 arg = 0; arg < CALL_ARGS; arg++) {
        if (((handles | options) >> arg & 1) == 0)
            continue;
        misuse_handle(call, words, arg);
        words[test_word_at(call, arg)] =
            test_handle(test_type_for(call, arg), UINT32_MAX);
    }
}

TEST_KERNEL_ROWS(calls_refuse_bad_handles, with_handles)
{
    EXPECT_EQ(test_in_process(misuse_handles), 0);
}

// With an empty table there is nothing that a number would name.
static void
call_with_nothing(void)
{
    for (u32 i = 0; i < test_call_count; i++) {
        const struct test_call *call = &test_calls[i];
        u64 words[CALL_ARGS + 2] = {0};
        u32 handles = 0, options = 0;
        test_fill_words(call, words, &handles, &options);
        for (u32 number = 0; handles != 0 && number < 20; number++) {
            u32 first = bits_trailing_zeros(handles);
            words[test_word_at(call, first)] = number;
            expect_refused(call, words, ERR_BAD_HANDLE);
        }
    }
}

TEST_KERNEL(calls_with_an_empty_table)
{
    EXPECT_EQ(test_in_process(call_with_nothing), 0);
}

// --- what is wrong with an address -------------------------------------------

static bool
has_address(enum call_kind kind)
{
    return kind >= ARG_BYTES;
}

static const char *
with_addresses(u32 row)
{
    return name_with(row, has_address);
}

static void
misuse_addresses(void)
{
    const struct test_call *call = &test_calls[test_row];

    for (u32 arg = 0; arg < CALL_ARGS; arg++) {
        u64 words[CALL_ARGS + 2] = {0};
        u32 handles = 0, options = 0, at = test_word_at(call, arg);
        if (!has_address(call->args[arg].kind))
            continue;
        test_fill_words(call, words, &handles, &options);
        for (u32 k = 0; k < CALL_ARGS; k++)
            if (handles >> k & 1)
                words[test_word_at(call, k)] =
                    test_handle(test_type_for(call, k), UINT32_MAX);
        words[at] = TEST_MEMORY - 3; // 4 bytes and more
        words[at + 1] += test_words_of(call->args[arg].kind) == 2 ? 4 : 0;
        expect_refused(call, words, ERR_BAD_ADDRESS);
        words[at] = 0xfffffffc;
        expect_refused(call, words, ERR_BAD_ADDRESS);
    }
}

TEST_KERNEL_ROWS(calls_refuse_bad_addresses, with_addresses)
{
    EXPECT_EQ(test_in_process(misuse_addresses), 0);
}

// The struct of a call is at an address, too.
static const char *
in_memory(u32 row)
{
    return row >= test_call_count    ? NULL :
           test_calls[row].in_memory ? test_calls[row].name :
                                       "";
}

static void
misuse_structs(void)
{
    static const struct {
        u32 at;
        status_t status;
    } wrong[] = {
        {TEST_MEMORY,     ERR_BAD_ADDRESS },
        {TEST_MEMORY - 4, ERR_BAD_ADDRESS },
        {UINT32_MAX - 3,  ERR_BAD_ADDRESS },
        {FREE_AT + 1,     ERR_BAD_ARGUMENT},
        {FREE_AT + 2,     ERR_BAD_ARGUMENT},
    };

    for (u32 i = 0; i < COUNT(wrong); i++) {
        const u64 registers[6] = {wrong[i].at};
        EXPECT_EQ(test_call_raw(&test_calls[test_row], registers),
                  wrong[i].status);
    }
}

TEST_KERNEL_ROWS(calls_refuse_bad_structs, in_memory)
{
    EXPECT_EQ(test_in_process(misuse_structs), 0);
}

// --- signals and waits -------------------------------------------------------

enum { OUT = 64, ITEMS_AT = 1024 };

static void
put_item(u32 index, handle_t handle, u32 signals)
{
    u32 at = ITEMS_AT + index * (u32)sizeof(struct wait_item);

    test_store32(at, handle);
    test_store32(at + 4, signals);
    test_store32(at + 8, 0x77);
}

static u32
observed(u32 index)
{
    return test_load32(ITEMS_AT + index * (u32)sizeof(struct wait_item) + 8);
}

static void
use_signals(void)
{
    EXPECT_EQ(CALL(event_create, OUT), OK);
    handle_t event = test_load32(OUT), timer;

    EXPECT_EQ(CALL(timer_create, OUT), OK);
    timer = test_load32(OUT);
    EXPECT_EQ(CALL(object_signal, event, 0, SIGNAL_READABLE), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(object_signal, event, SIGNAL_ENDED, 0), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(object_signal, timer, 0, SIGNAL_SIGNALED), ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(object_wait_one, event, SIGNAL_SIGNALED, 0, OUT),
              ERR_TIMED_OUT);
    EXPECT_EQ(test_load32(OUT), 0);
    EXPECT_EQ(CALL(object_signal, event, 0, (u32)SIGNALS_USER), OK);
    EXPECT_EQ(CALL(object_wait_one, event, (u32)SIGNAL_USER_3, 0, OUT), OK);
    EXPECT_EQ(test_load32(OUT), (u32)SIGNALS_USER);

    put_item(0, event, SIGNAL_SIGNALED);
    put_item(1, timer, SIGNAL_SIGNALED);
    EXPECT_EQ(CALL(object_wait_many, ITEMS_AT, 2, 0), ERR_TIMED_OUT);
    EXPECT_EQ(observed(0), (u32)SIGNALS_USER);
    EXPECT_EQ(observed(1), 0);
    EXPECT_EQ(CALL(timer_set, timer, 0, 0), OK);
    EXPECT_EQ(CALL(object_wait_many, ITEMS_AT, 2, UINT64_MAX), OK);
    EXPECT_EQ(observed(1), SIGNAL_SIGNALED);
    EXPECT_EQ(CALL(timer_read, timer, OUT), OK);
    EXPECT_EQ(test_load64(OUT), 1);
    EXPECT_EQ(CALL(timer_read, timer, OUT), ERR_SHOULD_WAIT);
    EXPECT_EQ(CALL(timer_cancel, timer), OK);
    EXPECT_EQ(CALL(object_wait_many, 0, 0, 0), ERR_TIMED_OUT);
}

static void
misuse_waits(void)
{
    handle_t event = test_handle(&event_type, UINT32_MAX);
    u32 references;
    struct object *o;

    EXPECT_EQ(handle_get(&process_current()->handles, event, NULL, 0, &o), OK);
    references = o->references;
    for (u32 i = 0; i <= LIMIT_WAIT_ITEMS; i++)
        put_item(i, event, SIGNAL_SIGNALED);
    EXPECT_EQ(CALL(object_wait_many, ITEMS_AT, LIMIT_WAIT_ITEMS + 1, 0),
              ERR_BAD_ARGUMENT);
    EXPECT_EQ(CALL(object_wait_many, ITEMS_AT, UINT32_MAX, 0), ERR_BAD_ADDRESS);
    EXPECT_EQ(CALL(object_wait_many, ITEMS_AT, LIMIT_WAIT_ITEMS, 0),
              ERR_TIMED_OUT);
    put_item(LIMIT_WAIT_ITEMS - 1, 0, SIGNAL_SIGNALED);
    EXPECT_EQ(CALL(object_wait_many, ITEMS_AT, LIMIT_WAIT_ITEMS, 0),
              ERR_BAD_HANDLE);
    EXPECT_EQ(observed(LIMIT_WAIT_ITEMS - 1), 0x77);
    put_item(0, test_handle(&event_type, ~RIGHT_WAIT), SIGNAL_SIGNALED);
    EXPECT_EQ(CALL(object_wait_many, ITEMS_AT, 1, 0), ERR_ACCESS);
    EXPECT_EQ(o->references, references);
    object_release(o);
}

TEST_KERNEL(calls_on_signals)
{
    EXPECT_EQ(test_in_process(use_signals), 0);
    EXPECT_EQ(test_in_process(misuse_waits), 0);
}
