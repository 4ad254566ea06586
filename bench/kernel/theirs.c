// bench/kernel/theirs.c: the same by what a user of Linux has, all threads on
// one CPU.

#define _GNU_SOURCE

#include "bench/kernel/measure.h"

#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STREAM_SIZE = 64 * 1024 };

static int to[2], from[2], sockets[2], ring[2];
static char block[STREAM_SIZE];
static char *self;
static volatile bool over;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

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
    syscall(SYS_getppid);
}

static void
yield(void)
{
    sched_yield();
}

static void *
yield_for_ever(void *arg)
{
    while (!over)
        sched_yield();
    return arg;
}

static void
lock_and_unlock(void)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}

static void *
nothing(void *arg)
{
    return arg;
}

static void
start(pthread_t *t, void *(*run)(void *))
{
    need(pthread_create(t, NULL, run, NULL) == 0, "pthread_create");
}

static void
create_and_join(void)
{
    pthread_t t;

    start(&t, nothing);
    pthread_join(t, NULL);
}

static void *
answer_pipe(void *arg)
{
    char bytes[8];

    while (read(to[0], bytes, sizeof(bytes)) == sizeof(bytes))
        if (write(from[1], bytes, sizeof(bytes)) != sizeof(bytes))
            break;
    return arg;
}

static void
pipe_round_trip(void)
{
    char bytes[8] = {0};

    need(write(to[1], bytes, sizeof(bytes)) == sizeof(bytes) &&
             read(from[0], bytes, sizeof(bytes)) == sizeof(bytes),
         "pipe");
}

static void *
answer_socket(void *arg)
{
    char bytes[8];

    while (read(sockets[1], bytes, sizeof(bytes)) == sizeof(bytes))
        if (write(sockets[1], bytes, sizeof(bytes)) != sizeof(bytes))
            break;
    return arg;
}

static void
socket_round_trip(void)
{
    char bytes[8] = {0};

    need(write(sockets[0], bytes, sizeof(bytes)) == sizeof(bytes) &&
             read(sockets[0], bytes, sizeof(bytes)) == sizeof(bytes),
         "socket");
}

static void *
take_blocks(void *arg)
{
    static char room[STREAM_SIZE];

    while (read(ring[0], room, sizeof(room)) > 0)
        continue;
    return arg;
}

static void
stream_block(void)
{
    need(write(ring[1], block, STREAM_SIZE) == STREAM_SIZE, "write");
}

static void
spawn_and_wait(void)
{
    char *argv[] = {self, "nothing", NULL};
    pid_t child;
    int status;

    need(posix_spawn(&child, self, NULL, NULL, argv, NULL) == 0, "spawn");
    need(waitpid(child, &status, 0) == child && status == 0, "waitpid");
}

// --- two CPUs ----------------------------------------------------------------

static volatile uint32_t counter;

static void
take_turns(void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < TURNS; i++) {
        pthread_mutex_lock(&mutex);
        counter = counter * 3 + i;
        pthread_mutex_unlock(&mutex);
    }
}

static void
compute(void *arg)
{
    *(uint32_t *)arg = work(*(uint32_t *)arg);
}

struct half {
    void (*run)(void *);
    uint32_t seed;
};

static void *
run_half(void *arg)
{
    struct half *half = arg;

    half->run(&half->seed);
    return NULL;
}

static void
together(void (*run)(void *))
{
    struct half halves[2] = {
        {run, 1},
        {run, 2}
    };
    pthread_t other;

    need(pthread_create(&other, NULL, run_half, &halves[1]) == 0,
         "pthread_create");
    run_half(&halves[0]);
    pthread_join(other, NULL);
}

int
main(int argc, char **argv)
{
    pthread_t yielder, other;
    cpu_set_t one;

    if (argc > 1 && strcmp(argv[1], "two") == 0) {
        measure_two(together, take_turns, compute);
        return 0;
    }
    if (argc > 1)
        return 0; // a child
    self = argv[0];
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    sched_setaffinity(0, sizeof(one), &one);
    measure("call", plain_call);
    measure("system-call", empty_call);
    measure("mutex", lock_and_unlock);
    start(&yielder, yield_for_ever);
    measure("yield", yield);
    over = true;
    pthread_join(yielder, NULL);
    measure("thread", create_and_join);
    need(pipe(to) == 0 && pipe(from) == 0 && pipe(ring) == 0 &&
             socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0,
         "pipe");
    start(&other, answer_socket);
    measure("channel", socket_round_trip);
    start(&other, answer_pipe);
    measure("gate", pipe_round_trip);
    measure("gate-window", pipe_round_trip);
    start(&other, take_blocks);
    measure("stream-64k", stream_block);
    measure("spawn", spawn_and_wait);
    return 0;
}
