// test/kernel/fuzz.c: a fuzzer of system calls: programs whose threads make all
// calls there are, with handles of all types and of none, addresses at every
// edge, and arrays that others write meanwhile; while somebody kills them.
//
// Two kinds of process: those with one thread, where the table of handles is
// looked at before and after each call and test/kernel/fuzz_model.c judges the
// answer; and those with several, where nothing is known but what always holds.
// All of them end at some time, and then everything must have come back.
//
// The seeds are fixed; who comes first when differs from run to run.

#include "test/kernel/fuzz.h"

#include "test/kernel/device.h"

enum {
    PROCESSES = 4,
    POOL = 64,     // handles that a process remembers
    AREAS = 8,     // of threads, in memory
    FIRST = 4096,  // where these begin
    AREA = 16384,  // the size of one
    QUIET = 12288, // at its end nobody writes, in the last area
    MODULES = FIRST + AREAS * AREA,
    MODULE = 4096,
    WORDS = CALL_ARGS + 2,
};

// Of an area.
enum { STRUCT = 0, OUTS = 256, SMALL = 1024, ARRAYS = 1024, BYTES = 4096 };

static struct fuzz {
    u64 seed, calls, left, kills, ends;
    struct group *around, *group; // of all, of the programs
    struct code_module *host, *count;
    struct terminal *terminal;
    struct channel *ends_of_channels[2];
    struct stream *ends_of_streams[2];
    struct device *device; // which never does anything
    struct program {
        struct process *process; // NULL: none
        bool exact;
        u32 random;
        u32 pool[POOL];
    } programs[PROCESSES];
} f;

// A thread of a program.
struct actor {
    struct program *program;
    u64 random;
    u32 area;
    struct fuzz_table *before, *after; // of an exact one
};

static u32
draw(struct actor *a, u32 below)
{
    return test_draw(&a->random, below);
}

static bool
once_in(struct actor *a, u32 times)
{
    return draw(a, times) == 0;
}

#define ONE_OF(a, table) ((table)[draw(a, COUNT(table))])

// --- arguments ---------------------------------------------------------------

// Of this type, when the program remembers one.
static u32
draw_handle(struct actor *a, const struct object_type *type)
{
    struct handle_table *t = &process_current()->handles;
    u32 from = draw(a, POOL), handle = 0;
    struct object *o;
    bool fits = false;

    if (once_in(a, 16))
        return once_in(a, 2) ? 0 : draw(a, UINT32_MAX);
    for (u32 i = 0; i < POOL && !fits; i++) {
        u32 *place = &a->program->pool[(from + i) % POOL];
        handle = __atomic_load_n(place, __ATOMIC_RELAXED);
        if (handle == 0 || handle_get(t, handle, NULL, 0, &o) != OK)
            continue;
        fits = type == NULL || o->type == type || once_in(a, 64);
        object_release(o);
    }
    return handle;
}

static void
remember(struct actor *a, u32 handle)
{
    struct object *o;

    if (handle_get(&process_current()->handles, handle, NULL, 0, &o) != OK)
        return;
    object_release(o);
    __atomic_store_n(&a->program->pool[draw(a, POOL)], handle,
                     __ATOMIC_RELAXED);
}

static u64
draw_number(struct actor *a)
{
    static const u64 edges[] = {
        0,          1,          2,          3,         4,
        7,          8,          63,         64,        65,
        255,        256,        4095,       4096,      65535,
        65536,      1 << 20,    1 << 24,    INT32_MAX, 1u << 31,
        UINT32_MAX, 1ull << 32, 1ull << 63, INT64_MAX, UINT64_MAX,
    };

    if (once_in(a, 2))
        return draw(a, 4);
    return once_in(a, 4) ? a->random : ONE_OF(a, edges);
}

// Mostly soon; seldom never.
static u64
draw_time(struct actor *a, bool from_now)
{
    u64 soon = draw(a, 100000);

    if (once_in(a, 64))
        return once_in(a, 2) ? UINT64_MAX : draw_number(a);
    if (once_in(a, 2))
        return 0;
    return from_now ? port_monotonic_ns() + soon : soon;
}

static u64
draw_u64(struct actor *a, const char *name)
{
    struct string s = string_of(name);

    if (string_equal(s, STRING("deadline_ns")))
        return draw_time(a, true);
    if (string_equal(s, STRING("duration_ns")))
        return draw_time(a, false);
    if (string_equal(s, STRING("flags")) && !once_in(a, 4))
        return 0;
    if (string_equal(s, STRING("id")) && !once_in(a, 4)) // of a member
        return f.group->member.id + draw(a, 32);
    return draw_number(a);
}

static u32
draw_u32(struct actor *a, const char *name)
{
    struct string s = string_of(name);

    if (string_equal(s, STRING("handle")) || string_equal(s, STRING("stream")))
        return draw_handle(a, NULL);
    if (string_equal(s, STRING("rights")))
        return once_in(a, 4) ? draw(a, 256) : draw(a, 8) * draw(a, 8);
    if (string_equal(s, STRING("function")) && !once_in(a, 4))
        return 0;
    if (once_in(a, 2)) // signals
        return once_in(a, 4) ? 1u << draw(a, 32) : SIGNAL_SIGNALED;
    return (u32)draw_number(a);
}

// An address of the program's or near it, and not in the part that is quiet.
static u32
draw_address(struct actor *a, u32 usual)
{
    static const u32 edges[] = {
        0,
        1,
        2,
        FIRST - 4,
        65535,
        65536,
        TEST_MEMORY - 8,
        TEST_MEMORY - 4,
        TEST_MEMORY - 3,
        TEST_MEMORY - 1,
        TEST_MEMORY,
        TEST_MEMORY + 1,
        INT32_MAX,
        (u32)INT32_MAX + 1,
        UINT32_MAX - 7,
        UINT32_MAX - 3,
        UINT32_MAX,
    };

    if (once_in(a, 16))
        return once_in(a, 4) ? draw(a, UINT32_MAX) : ONE_OF(a, edges);
    return a->area + usual;
}

static u32
draw_size(struct actor *a)
{
    static const u32 edges[] = {
        16,    31,    32,       33,          63,       64,        65,
        511,   512,   513,      4095,        4096,     4097,      65535,
        65536, 65537, 1u << 17, TEST_MEMORY, 1u << 31, UINT32_MAX};

    return once_in(a, 8) ? ONE_OF(a, edges) : draw(a, 9) * draw(a, 2);
}

static bool
is_quiet(u64 at, u64 size)
{
    const u64 quiet = FIRST + (AREAS - 1) * AREA + QUIET;

    return at + size <= TEST_MEMORY && at < quiet + (AREA - QUIET) &&
           at + size > quiet;
}

static void
draw_range(struct actor *a, const struct test_arg *arg, u64 *words)
{
    u32 usual = arg->kind == ARG_ITEMS ? ARRAYS + draw(a, 64) * 4 : BYTES;

    if (arg->kind == ARG_BYTES && once_in(a, 4)) { // a module
        words[0] = MODULES;
        words[1] = test_module_named("count").size;
        return;
    }
    words[0] = draw_address(a, usual);
    if (string_equal(string_of(arg->name), STRING("env")) ||
        string_equal(string_of(arg->name), STRING("args")) ||
        string_equal(string_of(arg->name), STRING("descriptors"))) {
        words[1] = once_in(a, 16) ? draw_size(a) : 0; // without a personality
        return;
    }
    words[1] = arg->kind == ARG_ITEMS && !once_in(a, 8) ?
                   draw(a, 4) * draw(a, 2) :
                   draw_size(a);
    if (is_quiet((u32)words[0], (u64)(u32)words[1] * arg->size)) {
        words[0] = a->area + usual;
        words[1] = draw(a, 4);
    }
}

// What calls read: handles and numbers.
static void
fill_arrays(struct actor *a)
{
    u32 at = a->area + ARRAYS + draw(a, 80) * 4;

    for (u32 i = 0; i < 8; i++, at += 4)
        test_store32(at, once_in(a, 6) ? (u32)draw_number(a) :
                                         draw_handle(a, NULL));
}

static void
draw_words(struct actor *a, const struct test_call *call, u64 *words)
{
    for (u32 i = 0; call->args[i].kind != ARG_NONE; i++) {
        const struct test_arg *arg = &call->args[i];
        switch (arg->kind) {
        case ARG_HANDLE:
        case ARG_OPTION:
        case ARG_ANY:
            *words = draw_handle(a, arg->type);
            break;
        case ARG_U32:
            *words = draw_u32(a, arg->name);
            break;
        case ARG_U64:
            *words = draw_u64(a, arg->name);
            break;
        case ARG_WORD: // a few, for all
            *words = once_in(a, 8) ? draw_address(a, 2) : draw(a, 4) * 4;
            break;
        case ARG_OUT_U32:
        case ARG_OUT_U64:
            *words = draw_address(a, OUTS + draw(a, 16) * 8);
            if (is_quiet((u32)*words, 8))
                *words = a->area + OUTS;
            break;
        default:
            draw_range(a, arg, words);
        }
        words += test_words_of(arg->kind);
    }
}

// --- one call ----------------------------------------------------------------

// Of how many times that it is drawn a call is made once: what is dear, noisy
// or ends the fun.
static u32
rareness(u32 index)
{
    switch (index) {
    case CALL_module_create:
        return 8;
    case CALL_pfex_acquire:
    case CALL_thread_join:
        return 16;
    case CALL_process_exit:
    case CALL_thread_exit:
    case CALL_group_kill:
    case CALL_group_suspend:
    case CALL_group_set_limit:
    case CALL_log_write:
        return 64;
    }
    return 1;
}

static const struct test_call *
draw_call(struct actor *a)
{
    u32 index = draw(a, test_call_count);

    while (!once_in(a, rareness(index)))
        index = draw(a, test_call_count);
    if (process_current()->handles.used > 3 * POOL)
        index = CALL_handle_close;
    return &test_calls[index];
}

// With its arguments in memory: where these are, which may be anywhere.
static u32
place_struct(struct actor *a, const struct test_call *call, const u64 *words)
{
    u8 copy[CALL_STRUCT] = {0};
    u32 size = test_call_struct(call, words, copy);
    u32 at = draw_address(a, STRUCT + (once_in(a, 16) ? 4 : 0));

    if (is_quiet(at, size))
        at = a->area;
    if ((u64)at + size <= TEST_MEMORY && at >= a->area &&
        at + size <= a->area + OUTS)
        memcpy(test_memory(at), copy, size);
    return at;
}

// A struct that is somewhere else says what was there.
static bool
is_own_struct(const struct actor *a, u32 at)
{
    return at - a->area < OUTS || at > TEST_MEMORY - 4;
}

static status_t
make_call(struct actor *a, const struct test_call *call, const u64 *words,
          u32 address)
{
    const u64 in_memory[WORDS] = {address};

    __atomic_fetch_add(&f.calls, 1, __ATOMIC_RELAXED);
    (void)a;
    return test_call_raw(call, call->in_memory ? in_memory : words);
}

static bool
is_leaving(void)
{
    return thread_is_killed() ||
           thread_entry(thread_current())->leave != LEAVE_NONE;
}

static void
complain(const struct fuzz_call *c, const char *what)
{
    klog("fuzz: %s: %s (seed %llu)", c->call->name, what,
         (unsigned long long)f.seed);
    for (u32 i = 0; i < 6; i++)
        klog("    word %u: 0x%llx", i, (unsigned long long)c->words[i]);
    test_failed(__FILE__, __LINE__, what, c->status, c->refusal);
}

// With the table looked at before and after; a refused call writes nothing.
static void
judged_call(struct actor *a, const struct test_call *call, const u64 *words,
            u32 address)
{
    struct fuzz_call c = {.call = call, .words = words};
    struct fuzz_table *before = a->before;
    u8 small[SMALL];

    c.refusal = fuzz_refusal(before, call, words, address);
    fuzz_note_moves(&c);
    memcpy(small, test_memory(a->area), SMALL);
    c.status = make_call(a, call, words, address);
    if (is_leaving() || !fuzz_look(&process_current()->handles, a->after))
        return;
    const char *what = fuzz_judge(&c, before, a->after);
    if (c.refusal != OK && memcmp(small, test_memory(a->area), SMALL) != 0)
        what = "a refused call has written";
    if (what != NULL)
        complain(&c, what);
    a->before = a->after;
    a->after = before;
}

static void
step(struct actor *a)
{
    const struct test_call *call = draw_call(a);
    u64 words[WORDS] = {0};
    u32 address = 0;

    draw_words(a, call, words);
    if (once_in(a, 2))
        fill_arrays(a);
    if (call->in_memory)
        address = place_struct(a, call, words);
    if (a->before == NULL)
        (void)!make_call(a, call, words, address);
    else if (!call->in_memory || is_own_struct(a, address))
        judged_call(a, call, words, address);
    if (is_leaving())
        return;
    for (u32 at = OUTS; at < OUTS + 128; at += 8)
        if (once_in(a, 8))
            remember(a, test_load32(a->area + at));
}

// --- a program ---------------------------------------------------------------

static struct program *
program_current(void)
{
    for (u32 i = 0; i < PROCESSES; i++)
        if (f.programs[i].process == process_current())
            return &f.programs[i];
    panic(__FILE__, __LINE__, "whose process?");
}

static void
prepare_memory(void)
{
    struct bytes module = test_module_named("count");

    assert(module.size <= MODULE);
    memcpy(test_memory(MODULES), module.ptr, module.size);
    memset(test_memory(FIRST + (AREAS - 1) * AREA + QUIET), 0xa5, AREA - QUIET);
}

static void
expect_quiet(void)
{
    const u8 *at = test_memory(FIRST + (AREAS - 1) * AREA + QUIET);
    bool quiet = true;

    for (u32 i = 0; i < AREA - QUIET; i++)
        quiet &= at[i] == 0xa5;
    EXPECT(quiet);
}

static void
act(struct actor *a)
{
    struct fuzz_table *first = a->before;

    if (first != NULL && !fuzz_look(&process_current()->handles, first))
        return;
    while (!is_leaving() && COUNT_OF(f.calls) < f.left)
        step(a);
}

// Each thread of each program.
static void
run_thread(void)
{
    struct program *p = program_current();
    u32 id = execution_current()->id;
    struct actor a = {.program = p, .area = FIRST + id % AREAS * AREA};
    struct fuzz_table *tables = NULL;

    if (p->exact && id != 1)
        return;
    if (id == 1)
        prepare_memory();
    a.random = 0x9e3779b97f4a7c15 * (f.seed + p->random + 1000 * id + 1);
    if (p->exact)
        tables = kernel_alloc(2 * sizeof(*tables));
    if (tables != NULL) {
        a.before = &tables[0];
        a.after = &tables[1];
    }
    for (u32 i = 0; id == 1 && i < process_current()->given_count; i++)
        p->pool[i] = process_current()->given[i];
    act(&a);
    kernel_free(tables);
    if (id == 1)
        expect_quiet();
}

// --- who makes and kills them ------------------------------------------------

static bool
give_all(struct process *p, u32 number)
{
    struct object *const objects[] = {
        group_object(f.group),
        code_module_object(f.count),
        terminal_object(f.terminal),
        channel_object(f.ends_of_channels[number % 2]),
        stream_object(f.ends_of_streams[number % 2]),
        device_object(f.device),
    };

    for (u32 i = 0; i < COUNT(objects); i++)
        if (process_give(p, objects[i], UINT32_MAX) != OK)
            return false;
    return true;
}

// False: the group has been killed, or may not have it.
static bool
start(struct actor *a, struct program *program, u32 number)
{
    struct process *p;

    if (test_process_of(&p, f.group, f.host, run_thread) != OK)
        return false;
    *program = (struct program){
        .process = p,
        .exact = once_in(a, 2),
        .random = draw(a, UINT32_MAX),
    };
    if (give_all(p, number) && process_start(p) == OK)
        return true;
    program->process = NULL;
    process_release(p);
    return false;
}

static void
reap(struct program *program)
{
    u32 status;

    EXPECT_EQ(process_wait(program->process, UINT64_MAX, &status), OK);
    process_release(program->process);
    program->process = NULL;
    f.ends++;
}

static void
tend(struct actor *a, struct program *program)
{
    bool ended = program->process != NULL &&
                 (object_signals(&program->process->object) & SIGNAL_ENDED);

    if (program->process != NULL && !ended && once_in(a, 32)) {
        process_kill(program->process, 9);
        f.kills++;
        ended = true;
    }
    if (ended)
        reap(program);
}

// All in the group end, and the group.
static void
end_group(void)
{
    group_kill(f.group, 7);
    EXPECT_EQ(
        object_wait_one(group_object(f.group), SIGNAL_ENDED, UINT64_MAX, NULL),
        OK);
    for (u32 i = 0; i < PROCESSES; i++)
        if (f.programs[i].process != NULL)
            reap(&f.programs[i]);
    object_release(group_object(f.group));
    EXPECT_EQ(account_used(group_account(f.around), RESOURCE_THREADS), 0);
    EXPECT_EQ(account_used(group_account(f.around), RESOURCE_PROCESSES), 0);
}

static void
run_group(struct actor *a)
{
    bool alive = true;

    EXPECT_EQ(group_new(&f.group, f.around, "fuzz"), OK);
    for (u32 turn = 0; turn < 200 && alive && COUNT_OF(f.calls) < f.left;
         turn++) {
        u64 pause = 100000 + draw(a, 600000);
        for (u32 i = 0; i < PROCESSES && alive; i++)
            if (f.programs[i].process == NULL)
                alive = start(a, &f.programs[i], i);
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + pause), OK);
        group_resume(f.group);
        for (u32 i = 0; i < PROCESSES; i++)
            tend(a, &f.programs[i]);
    }
    end_group();
}

static void
set_up(u64 calls)
{
    const u64 sizes[2] = {4096, 100};
    static const u64 limits[][2] = {
        {RESOURCE_OBJECTS,   4 * MIB},
        {RESOURCE_THREADS,   32     },
        {RESOURCE_PROCESSES, 10     },
        {RESOURCE_GROUPS,    16     },
    };

    memset(&f, 0, sizeof(f));
    f.seed = test_stress_seed();
    f.left = calls;
    f.host = test_compile("host");
    f.count = test_compile("count");
    EXPECT_EQ(group_new(&f.around, group_root(), "around"), OK);
    for (u32 i = 0; i < COUNT(limits); i++)
        account_set_limit(group_account(f.around), (enum resource)limits[i][0],
                          limits[i][1]);
    EXPECT_EQ(terminal_new(&f.terminal, account_root()), OK);
    EXPECT_EQ(channel_new(f.ends_of_channels, account_root()), OK);
    EXPECT_EQ(stream_new(f.ends_of_streams, sizes, account_root()), OK);
    EXPECT_EQ(device_new(&f.device, &test_new_model(&test_manual)->device), OK);
}

static void
take_down(void)
{
    for (u32 i = 0; i < 2; i++) {
        object_release(channel_object(f.ends_of_channels[i]));
        object_release(stream_object(f.ends_of_streams[i]));
    }
    object_release(terminal_object(f.terminal));
    object_release(device_object(f.device));
    code_module_release(f.host);
    code_module_release(f.count);
    test_expect_unused(f.around);
    object_release(group_object(f.around));
}

TEST_KERNEL(fuzz_syscalls)
{
    struct actor a = {.random = 0x2545f4914f6cdd1d + test_stress_seed()};

    test_forget_from_here();
    set_up(test_fuzz_calls());
    while (COUNT_OF(f.calls) < f.left)
        run_group(&a);
    take_down();
    test_forget_until_here();
    klog("fuzz: %llu calls, %llu processes, %llu killed, on %u CPUs",
         (unsigned long long)f.calls, (unsigned long long)f.ends,
         (unsigned long long)f.kills, port_cpu_count());
}
