// test/kernel/faults.c: whatever there may be none of fails, at its first, its
// second, its n-th request, once or from then on: what was asked for fails with
// an error that says so, or is done all the same; nothing crashes, nothing is
// lost, and after the error all is as it was before: the same call then works.
//
// What can fail is in test/kernel/supply.c.

#include "test/kernel/fuzz.h"

#include <string.h>

enum { TIMES = 300 }; // the most that one scenario may take
enum { OUT = 64, ARRAY = 128, NAME = 512, TEXT = 1024, ROOM = 4096 };
enum { BYTES_AT = 8192 };

// --- scenarios: in a process -------------------------------------------------

static handle_t first, second, third;

static void
nothing(void)
{
}

static void
two_events(void)
{
    first = test_handle(&event_type, UINT32_MAX);
    second = test_handle(&event_type, UINT32_MAX);
    test_store32(ARRAY, first);
    test_store32(ARRAY + 4, second);
}

static status_t
make_event(void)
{
    return CALL(event_create, OUT);
}

static status_t
make_timer(void)
{
    return CALL(timer_create, OUT);
}

static status_t
make_port(void)
{
    return CALL(port_create, OUT);
}

static status_t
make_channel(void)
{
    return CALL(channel_create, OUT, OUT + 4);
}

static status_t
make_stream(void)
{
    return CALL(stream_create, 100, 40000, OUT, OUT + 4);
}

static void
have_terminal(void)
{
    first = test_handle(&terminal_type, UINT32_MAX);
}

static status_t
make_seat(void)
{
    return CALL(terminal_create, first, OUT);
}

static void
have_device(void)
{
    first = test_handle(&device_type, UINT32_MAX);
}

static status_t
make_queue(void)
{
    EXPECT_EQ(CALL(device_features, first, 0, OUT), OK);
    return CALL(queue_create, first, 0, 4, OUT, OUT + 4);
}

static status_t
duplicate(void)
{
    return CALL(handle_duplicate, first, 0, OUT);
}

static status_t
make_thread(void)
{
    memcpy(test_memory(NAME), "thread", 6);
    return CALL(thread_create, 0, 0, 7, 4096, NAME, 6, OUT);
}

static void
have_group(void)
{
    EXPECT_EQ(handle_new(&process_current()->handles,
                         group_object(group_current()), UINT32_MAX, &first),
              OK);
}

static status_t
make_group(void)
{
    return CALL(group_create, first, NAME, 4, 0, 0, OUT);
}

static void
have_member(void)
{
    have_group();
    EXPECT_EQ(CALL(group_create, first, NAME, 4, 0, 0, OUT), OK);
}

// The process itself, the only one that is left in its group of the tests.
static status_t
open_member(void)
{
    return CALL(group_open, first, process_current()->member.id, OUT);
}

static void
fill_chunk(handle_t h)
{
    while (process_current()->handles.slots % HANDLE_CHUNK != 0)
        EXPECT_EQ(CALL(handle_duplicate, h, 0, OUT), OK);
}

// The table has no slot left: the next handle needs another chunk.
static void
have_full_member(void)
{
    have_member();
    fill_chunk(first);
}

static void
have_channel(void)
{
    two_events();
    EXPECT_EQ(CALL(channel_create, OUT, OUT + 4), OK);
    first = test_load32(OUT);
    second = test_load32(OUT + 4);
    EXPECT_EQ(CALL(channel_create, OUT, OUT + 4), OK);
    test_store32(ARRAY + 8, test_load32(OUT)); // an end moves, too
}

static status_t
write_bytes(void)
{
    return CALL(channel_write, first, ROOM, 3000, 0, 0);
}

static status_t
write_handles(void)
{
    return CALL(channel_write, first, ROOM, 30, ARRAY, 3);
}

static status_t
call_in_vain(void)
{
    status_t status = CALL(channel_call, first, 1, ROOM, 30, ARRAY, 3, ROOM, 99,
                           0, 0, OUT, OUT + 4);

    return status == ERR_TIMED_OUT ? OK : status;
}

static void
have_message(void)
{
    have_channel();
    EXPECT_EQ(write_handles(), OK);
}

static status_t
read_handles(void)
{
    return CALL(channel_read, second, 0, ROOM, 100, ARRAY, 8, OUT, OUT + 4);
}

static void
have_full_chunk(void)
{
    have_message();
    fill_chunk(second);
}

static status_t
duplicate_full(void)
{
    return CALL(handle_duplicate, second, 0, OUT);
}

static void
have_port(void)
{
    two_events();
    EXPECT_EQ(CALL(port_create, OUT), OK);
    third = test_load32(OUT);
}

static status_t
watch(void)
{
    return CALL(port_watch, third, first, 1, SIGNAL_SIGNALED, WATCH_REPEAT);
}

static status_t
post(void)
{
    return CALL(port_post, third, 1, 2);
}

static void
have_packet(void)
{
    have_port();
    EXPECT_EQ(post(), OK);
}

static status_t
take_packet(void)
{
    return CALL(port_wait, third, ROOM, 4, 0, OUT);
}

static status_t
wait_for_two(void)
{
    status_t status;

    test_store32(ROOM, first);
    test_store32(ROOM + 4, SIGNAL_SIGNALED);
    test_store32(ROOM + 12, second);
    test_store32(ROOM + 16, SIGNAL_SIGNALED);
    status = CALL(object_wait_many, ROOM, 2, 1);
    return status == ERR_TIMED_OUT ? OK : status;
}

static status_t
make_gate(void)
{
    return CALL(gate_create, 1000, OUT);
}

static void
have_gate(void)
{
    EXPECT_EQ(make_gate(), OK);
    first = test_load32(OUT);
}

static status_t
make_door(void)
{
    return CALL(gate_badge, first, 7, OUT);
}

// A door that is gone, which is told without waiting.
static void
have_closed_door(void)
{
    have_gate();
    EXPECT_EQ(make_door(), OK);
    EXPECT_EQ(CALL(handle_close, test_load32(OUT)), OK);
}

static status_t
serve(void)
{
    return CALL(gate_serve, first, 0, 0, 0, ROOM, 1000, OUT, OUT + 8, OUT + 12);
}

static void
have_bytes(void)
{
    struct bytes bytes = test_module_named("given");

    memcpy(test_memory(BYTES_AT), bytes.ptr, bytes.size);
    two_events();
}

static status_t
make_module(void)
{
    u64 size = test_module_named("given").size;

    return CALL(module_create, BYTES_AT, size, TEXT, 100, OUT);
}

static void
have_module(void)
{
    have_bytes();
    EXPECT_EQ(make_module(), OK);
    third = test_load32(OUT);
    have_channel();
    test_store32(ARRAY, first);
    test_settle(); // the thread that compiled has a stack
}

static status_t
spawn_process(void)
{
    memcpy(test_memory(NAME), "child", 5);
    return CALL(process_spawn, third, NAME, 5, 0, 0, 0, 0, ARRAY, 3, 0, 0, TEXT,
                100, OUT);
}

// What the calls of 2018 say.
static status_t
status_of(i64 result)
{
    if (result >= 0)
        return OK;
    return result == -3 ? ERR_LIMIT : result == -4 ? ERR_NO_MEMORY : ERR_TRAP;
}

static status_t
abi_event(void)
{
    return status_of(ABI_CALL(event_create, 0));
}

static status_t
abi_channel(void)
{
    return status_of(ABI_CALL(channel_create, OUT, OUT + 4));
}

static status_t
abi_stream(void)
{
    return status_of(ABI_CALL(stream_create, OUT, OUT + 4));
}

static status_t
abi_module(void)
{
    return status_of(
        ABI_CALL(wasm_compile, BYTES_AT, test_module_named("given").size));
}

static status_t
abi_process(void)
{
    i64 process = ABI_CALL(process_create, third, first);

    if (process > 0)
        second = (handle_t)process;
    return status_of(process);
}

static void
have_created(void)
{
    have_module();
    EXPECT_EQ(abi_process(), OK);
    test_settle(); // the thread that made it
}

static status_t
abi_start(void)
{
    return status_of(ABI_CALL(process_start, second));
}

static void
wait_started(void)
{
    EXPECT_EQ(CALL(process_wait, second, UINT64_MAX, TEXT), OK);
    EXPECT_EQ(test_load32(TEXT), 3); // it may not write to the channel
}

static void
wait_for_thread(void)
{
    EXPECT_EQ(CALL(thread_join, test_load32(OUT)), OK);
}

static void
wait_for_child(void)
{
    EXPECT_EQ(CALL(process_wait, test_load32(OUT), UINT64_MAX, TEXT), OK);
    EXPECT_EQ(test_load32(TEXT), 2); // there is a second handle
}

// What is not a call.
static status_t
use_memory(void)
{
    struct limits type = {.min = 1, .page_log2 = 16};
    struct memory *m;
    status_t status = memory_new(&m, &type);

    if (status != OK)
        return status;
    if (memory_grow(m, 40) == UINT64_MAX)
        status = ERR_NO_MEMORY;
    for (u64 at = 0; status == OK && at < 41; at++)
        EXPECT(memory_touch(m, at * 64 * KIB, 1)); // it was promised
    object_release(&m->object);
    return status;
}

static status_t
use_table(void)
{
    struct table_type type = {.elem = VAL_FUNCREF, .limits = {.min = 2}};
    struct live_table *t;
    status_t status = table_new(&t, process_current()->store, &type, 0);

    if (status != OK)
        return status;
    if (table_grow(t, 100000, 0) == UINT64_MAX)
        status = ERR_NO_MEMORY;
    EXPECT_EQ(t->view.count, status == OK ? 100002 : 2);
    object_release(&t->object);
    return status;
}

static status_t
use_heap(void)
{
    void *small = kernel_alloc(100), *large = kernel_alloc(MIB);
    bool done = small != NULL && large != NULL;

    kernel_free(small);
    kernel_free(large);
    return done ? OK : ERR_NO_MEMORY;
}

static const struct scenario {
    const char *name;
    void (*prepare)(void);
    status_t (*act)(void);
    void (*finish)(void); // after it worked; or NULL
} scenarios[] = {
    {"the first handle",     nothing,          make_event,     NULL           },
    {"event_create",         two_events,       make_event,     NULL           },
    {"timer_create",         two_events,       make_timer,     NULL           },
    {"port_create",          two_events,       make_port,      NULL           },
    {"channel_create",       two_events,       make_channel,   NULL           },
    {"stream_create",        two_events,       make_stream,    NULL           },
    {"terminal_create",      have_terminal,    make_seat,      NULL           },
    {"queue_create",         have_device,      make_queue,     NULL           },
    {"handle_duplicate",     two_events,       duplicate,      NULL           },
    {"duplicate, full",      have_full_chunk,  duplicate_full, NULL           },
    {"thread_create",        two_events,       make_thread,    wait_for_thread},
    {"group_create",         have_group,       make_group,     NULL           },
    {"group_open",           have_member,      open_member,    NULL           },
    {"group_open, full",     have_full_member, open_member,    NULL           },
    {"channel_write",        have_channel,     write_bytes,    NULL           },
    {"channel_write, moves", have_channel,     write_handles,  NULL           },
    {"channel_call",         have_channel,     call_in_vain,   NULL           },
    {"channel_read",         have_message,     read_handles,   NULL           },
    {"channel_read, full",   have_full_chunk,  read_handles,   NULL           },
    {"port_watch",           have_port,        watch,          NULL           },
    {"port_post",            have_port,        post,           NULL           },
    {"port_wait",            have_packet,      take_packet,    NULL           },
    {"gate_create",          two_events,       make_gate,      NULL           },
    {"gate_badge",           have_gate,        make_door,      NULL           },
    {"gate_serve",           have_closed_door, serve,          NULL           },
    {"object_wait_many",     two_events,       wait_for_two,   NULL           },
    {"module_create",        have_bytes,       make_module,    NULL           },
    {"process_spawn",        have_module,      spawn_process,  wait_for_child },
    {"abi event_create",     two_events,       abi_event,      NULL           },
    {"abi channel_create",   two_events,       abi_channel,    NULL           },
    {"abi stream_create",    two_events,       abi_stream,     NULL           },
    {"abi wasm_compile",     have_bytes,       abi_module,     NULL           },
    {"abi process_create",   have_module,      abi_process,    NULL           },
    {"abi process_start",    have_created,     abi_start,      wait_started   },
    {"a memory",             nothing,          use_memory,     NULL           },
    {"a table",              nothing,          use_table,      NULL           },
    {"the heap",             nothing,          use_heap,       NULL           },
};

// --- what must not change ----------------------------------------------------

struct state {
    u64 objects, used[RESOURCE_COUNT];
    struct fuzz_table table;
    struct {
        u32 references, handles, signals;
    } of[FUZZ_ENTRIES];
};

// Threads that have ended may still be on their way out.
static void
look(struct state *s, u64 objects)
{
    for (u32 ms = 0; ms < 10000 && object_count() > objects; ms++)
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 1000000), OK);
    s->objects = object_count();
    for (u32 r = 0; r < RESOURCE_COUNT; r++)
        s->used[r] = account_used(process_current()->account, (enum resource)r);
    EXPECT(fuzz_look(&process_current()->handles, &s->table));
    for (u32 i = 0; i < s->table.count; i++) {
        const struct object *o = s->table.at[i].object;
        s->of[i].references = o->references;
        s->of[i].handles = o->handles;
        s->of[i].signals = object_signals(o);
    }
}

// What is different, and by how much; NULL: nothing.
static const char *
difference(const struct state *a, const struct state *b, i64 *by)
{
    static const char *const resources[RESOURCE_COUNT] = {
#define RESOURCE(number, id, process, unit, help) [number] = #id,
#include "abi/resources.def"
    };

    *by = (i64)(b->objects - a->objects);
    if (*by > 0)
        return "objects";
    for (u32 r = 0; r < RESOURCE_COUNT; r++) {
        *by = (i64)(b->used[r] - a->used[r]);
        if (*by != 0)
            return resources[r];
    }
    *by = (i64)b->table.count - a->table.count;
    if (*by != 0 || memcmp(a->table.at, b->table.at,
                           a->table.count * sizeof(a->table.at[0])) != 0)
        return "handles";
    if (memcmp(a->of, b->of, a->table.count * sizeof(a->of[0])) != 0)
        return "references or signals";
    return NULL;
}

// --- one scenario ------------------------------------------------------------

static struct {
    const struct scenario *scenario; // NULL: a program
    const char *program;
    u32 exit_status; // its
    u64 after;
    bool once, hit, failed;
    struct state before, behind;
} run;

static void
complain(const char *what, i64 got)
{
    const char *name = run.scenario != NULL ? run.scenario->name : run.program;

    klog("%s, %s, request %u: %s", name, run.once ? "once" : "from then on",
         (u32)run.after, what);
    test_failed(__FILE__, __LINE__, name, got, OK);
}

// An error of who has no more.
static bool
says_so(status_t status)
{
    return status == ERR_NO_MEMORY || status == ERR_LIMIT || status == ERR_FULL;
}

static status_t
fail_and_act_again(status_t status)
{
    i64 by;

    if (!run.hit || !says_so(status))
        complain("fails for another reason", status);
    look(&run.behind, run.before.objects);
    const char *what = difference(&run.before, &run.behind, &by);
    if (what != NULL) {
        complain("something has changed", status);
        klog("    %s, by %lld", what, (long long)by);
    }
    status = run.scenario->act();
    if (status != OK)
        complain("does not work later", status);
    return status;
}

static void
act_and_fail(void)
{
    if (execution_current()->id != 1)
        return; // what make_thread() made
    run.scenario->prepare();
    look(&run.before, UINT64_MAX);
    test_fail_supply(run.after, run.once);
    status_t status = run.scenario->act();
    run.hit = test_end_supply() > run.after;
    run.failed = status != OK;
    if (status != OK)
        status = fail_and_act_again(status);
    if (status == OK && run.scenario->finish != NULL)
        run.scenario->finish();
}

// As a whole: from its bytes to its end.
static void
run_program(void)
{
    struct code_module *code = NULL;
    struct process *p = NULL;
    struct error error;
    char text[128];
    u32 exit_status = 0;

    test_fail_supply(run.after, run.once);
    status_t status =
        code_module_new(&code, test_module_named(run.program), &error);
    if (status == OK)
        status = process_new(&p, NULL, code, run.program, &error, text,
                             sizeof(text));
    if (status == OK)
        status = process_start(p);
    if (status == OK) {
        EXPECT_EQ(process_wait(p, UINT64_MAX, &exit_status), OK);
    }
    run.hit = test_end_supply() > run.after;
    run.failed = status != OK || exit_status != run.exit_status;
    if (p != NULL)
        process_release(p);
    code_module_release(code);
    if (status != OK && !says_so(status))
        complain("fails for another reason", status);
    if (!run.hit && run.failed)
        complain("fails without a reason", exit_status);
}

static void
run_once(void)
{
    if (run.scenario != NULL)
        EXPECT_EQ(test_in_process(act_and_fail), 0);
    else
        run_program();
}

// What there is when nothing runs.
struct rest {
    u64 objects, heap;
    struct test_space space;
};

static struct rest
rest_now(void)
{
    return (struct rest){object_count(), heap_in_use(), test_space_in_use()};
}

static bool
is_more(const struct rest *now, const struct rest *before)
{
    return now->objects > before->objects || now->heap > before->heap ||
           now->space.slots > before->space.slots ||
           now->space.code > before->space.code;
}

static void
run_and_compare(const struct rest *before)
{
    run_once();
    struct rest now = rest_now();
    for (u32 ms = 0; ms < 10000 && is_more(&now, before); ms++) {
        EXPECT_EQ(thread_sleep_until(port_monotonic_ns() + 1000000), OK);
        now = rest_now();
    }
    if (now.objects > before->objects)
        complain("objects are left", (i64)(now.objects - before->objects));
    if (now.heap > before->heap)
        complain("bytes are left", (i64)(now.heap - before->heap));
    if (is_more(&now, before))
        complain("something is left", (i64)now.space.slots);
}

static void
reclaim(void)
{
    kept_reclaim();
    kernel_reclaim();
    scratch_reclaim();
}

static u64
available(void)
{
    u64 now, total;

    reclaim();
    port_memory_info(&now, &total);
    return now;
}

// Returns how many requests there are.
static u64
run_all(bool once)
{
    // The first requests are all tried; page tables and slabs stay.
    enum { FEW = 8, SPARE = 64 * PAGE_SIZE };

    run.once = once;
    run.after = UINT64_MAX;
    run_once(); // warm
    test_settle();
    struct rest rest = rest_now();
    u64 before = available();
    for (run.after = 0; run.after < TIMES;
         run.after += run.after < FEW ? 1 : test_fault_step()) {
        reclaim(); // so that what waits for its next use is asked for
        run_and_compare(&rest);
        if (!run.hit)
            break;
    }
    if (available() + SPARE < before)
        complain("memory is left", (i64)(before - available()));
    return run.after;
}

static void
run_both(void)
{
    u64 once = run_all(true), then = run_all(false);

    klog("faults: %s: up to request %u, %u",
         run.scenario != NULL ? run.scenario->name : run.program, (u32)once,
         (u32)then);
}

TEST_KERNEL(faults_of_calls)
{
    for (u32 i = 0; i < COUNT(scenarios); i++) {
        memset(&run, 0, sizeof(run));
        run.scenario = &scenarios[i];
        run_both();
    }
}

TEST_KERNEL(faults_of_programs)
{
    static const struct {
        const char *name;
        u32 exit_status;
    } programs[] = {
        {"count", 42},
        {"throw", 42},
        {"deep",  42},
        {"start", 33},
    };

    for (u32 i = 0; i < COUNT(programs); i++) {
        memset(&run, 0, sizeof(run));
        run.program = programs[i].name;
        run.exit_status = programs[i].exit_status;
        run_both();
    }
}
