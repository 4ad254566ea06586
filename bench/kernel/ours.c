// bench/kernel/ours.c: what calls of the kernel cost a program: one that serves
// itself, in a thread, where two sides are needed.  Argument: the only call to
// be measured; "two": what two CPUs are for.

#include <nebulet.h>
#include <sip.h>

#include "bench/kernel/measure.h"

enum { STREAM_SIZE = 64 * 1024 };

static uint32_t ends[2], door, gate, ring[2], module;
static uint8_t memory[64], block[STREAM_SIZE];
static bool over;
static volatile uint32_t counter;
static sip_mutex mutex;

// What the others are over: a call of a function here.
static __attribute__((noinline)) uint32_t
count_up(volatile uint32_t *count)
{
    return ++*count;
}

static void
plain_call(void)
{
    uint32_t count = 0;

    count_up(&count);
}

static void
empty_call(void)
{
    uint32_t id;

    nebulet_thread_id(&id);
}

static void
yield(void)
{
    nebulet_thread_yield();
}

static void
yield_for_ever(void *arg)
{
    volatile bool *end = &over;

    (void)arg;
    while (!*end)
        nebulet_thread_yield();
}

static void
lock_and_unlock(void)
{
    sip_lock(&mutex);
    sip_unlock(&mutex);
}

static void
nothing(void *arg)
{
    (void)arg;
}

static void
create_and_join(void)
{
    static struct sip_thread t;

    need(sip_spawn(&t, nothing, NULL), "sip_spawn");
    sip_join(&t);
}

static void
answer_messages(void *arg)
{
    uint8_t bytes[8];
    uint32_t size, count;
    struct nebulet_channel_read call = {
        .channel = ends[1],
        .deadline_ns = UINT64_MAX,
        .bytes = bytes,
        .bytes_size = sizeof(bytes),
        .size = &size,
        .count = &count,
    };

    (void)arg;
    while (nebulet_channel_read(&call) == 0)
        nebulet_channel_write(ends[1], bytes, size, NULL, 0);
}

static void
channel_round_trip(void)
{
    uint8_t request[8] = {0}, reply[8];
    uint32_t size, count;
    struct nebulet_channel_call call = {
        .channel = ends[0],
        .deadline_ns = UINT64_MAX,
        .request = request,
        .request_size = sizeof(request),
        .reply = reply,
        .reply_size = sizeof(reply),
        .size = &size,
        .count = &count,
    };

    need(nebulet_channel_call(&call) == 0, "channel_call");
}

static uint32_t
answer_call(void *arg, uint64_t badge, const void *request, uint32_t size,
            void *reply)
{
    uint64_t word;

    (void)arg;
    if (badge == 1) // by a window
        nebulet_window_read(0, 0, (uint8_t *)&word, sizeof(word));
    memcpy(reply, request, size);
    return size;
}

static bool
never_closed(void *arg, uint64_t badge)
{
    (void)arg, (void)badge;
    return true;
}

static void
serve(void *arg)
{
    struct sip_service service = {.call = answer_call, .closed = never_closed};

    (void)arg;
    sip_serve(gate, &service);
}

static void
gate_call(void)
{
    uint64_t word = 0;
    uint32_t size = sizeof(word);

    need(sip_call(door, &word, sizeof(word), &word, &size) == 0, "gate_call");
}

static uint32_t window_door;

static void
window_call(void)
{
    uint64_t word = 0;
    uint32_t size;
    struct nebulet_call_window window = {
        .kind = NEBULET_WINDOW_OWN,
        .offset = (uintptr_t)memory,
        .size = sizeof(memory),
        .access = NEBULET_WINDOW_READ,
    };
    struct nebulet_gate_call call = {
        .door = window_door,
        .deadline_ns = UINT64_MAX,
        .request = (const uint8_t *)&word,
        .request_size = sizeof(word),
        .reply = (uint8_t *)&word,
        .reply_size = sizeof(word),
        .windows = &window,
        .windows_count = 1,
        .size = &size,
    };

    need(nebulet_gate_call(&call) == 0, "gate_call");
}

static void
take_blocks(void *arg)
{
    static uint8_t room[STREAM_SIZE];
    uint32_t count;

    (void)arg;
    while (nebulet_stream_read(ring[1], room, sizeof(room), UINT64_MAX,
                               &count) == 0)
        continue;
}

static void
stream_block(void)
{
    uint32_t count;

    for (uint32_t at = 0; at < STREAM_SIZE; at += count)
        need(nebulet_stream_write(ring[0], block + at, STREAM_SIZE - at,
                                  UINT64_MAX, &count) == 0,
             "stream_write");
}

static void
spawn_and_wait(void)
{
    uint32_t child, status;
    struct nebulet_process_spawn call = {.module = module, .process = &child};

    need(nebulet_process_spawn(&call) == 0, "process_spawn");
    need(nebulet_process_wait(child, UINT64_MAX, &status) == 0, "wait");
    nebulet_handle_close(child);
}

// (module (func (export "_start")))
static const uint8_t empty_module[] = {
    0,   'a', 's', 'm', 1, 0, 0,  0,  1, 4, 1,   0x60,
    0,   0,   3,   2,   1, 0, 7,  10, 1, 6, '_', 's',
    't', 'a', 'r', 't', 0, 0, 10, 4,  1, 2, 0,   0x0b};

// --- two CPUs ----------------------------------------------------------------

static void
take_turns(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < TURNS; i++) {
        sip_lock(&mutex);
        counter = counter * 3 + i;
        sip_unlock(&mutex);
    }
}

static void
compute(void *arg)
{
    *(uint32_t *)arg = work(*(uint32_t *)arg);
}

static void
together(void (*run)(void *))
{
    static struct sip_thread other;
    static uint32_t seeds[2] = {1, 2};

    need(sip_spawn(&other, run, &seeds[1]), "sip_spawn");
    run(&seeds[0]);
    sip_join(&other);
}

static int
two_cpus(void)
{
    measure_two(together, take_turns, compute);
    return 0;
}

int
main(int argc, char **argv)
{
    static struct sip_thread yielder, messages, server, taker;

    only = argc > 1 ? argv[1] : NULL;
    if (only != NULL && strcmp(only, "two") == 0)
        return two_cpus();
    measure("call", plain_call);
    measure("system-call", empty_call);
    measure("mutex", lock_and_unlock);
    need(sip_spawn(&yielder, yield_for_ever, NULL), "sip_spawn");
    measure("yield", yield); // there and back
    over = true;
    sip_join(&yielder);
    measure("thread", create_and_join);

    need(nebulet_channel_create(&ends[0], &ends[1]) == 0, "channel_create");
    need(sip_spawn(&messages, answer_messages, NULL), "sip_spawn");
    measure("channel", channel_round_trip);

    need(nebulet_gate_create(64, &gate) == 0 &&
             nebulet_gate_badge(gate, 0, &door) == 0 &&
             nebulet_gate_badge(gate, 1, &window_door) == 0,
         "gate_create");
    need(sip_spawn(&server, serve, NULL), "sip_spawn");
    measure("gate", gate_call);
    measure("gate-window", window_call);

    need(nebulet_stream_create(STREAM_SIZE, 0, &ring[0], &ring[1]) == 0,
         "stream_create");
    need(sip_spawn(&taker, take_blocks, NULL), "sip_spawn");
    measure("stream-64k", stream_block);

    need(nebulet_module_create(empty_module, sizeof(empty_module), NULL, 0,
                               &module) == 0,
         "module_create");
    measure("spawn", spawn_and_wait);
    nebulet_process_exit(0); // the servers wait
}
