// user/pthreads/main.c: POSIX threads over wasi-threads.  The argument says
// what happens:
//
//     check        counting under a mutex, a queue with two conditions, once,
//                  thread-local variables, malloc in threads
//     main-HOW     the main thread exits with 99 while others are busy
//     other-HOW    another thread exits with 22 while the rest is busy
//     trap-HOW     another thread traps while the rest is busy
//
// HOW the others are busy: wait (on a word), spin, poll (sleep) or lock.

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS = 8, TURNS = 10000, ITEMS = 5000, ROOM = 4 };

static void
must(int error, const char *what)
{
    if (error == 0)
        return;
    printf("%s: error %d\n", what, error);
    exit(1);
}

// --- counting under a mutex --------------------------------------------------

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned long count, prepared;
static _Thread_local unsigned long own = 1000;

static void
prepare(void)
{
    usleep(1000);
    prepared++;
}

static void *
count_up(void *arg)
{
    pthread_once(&once, prepare);
    for (int turn = 0; turn < TURNS; turn++) {
        pthread_mutex_lock(&mutex);
        count++;
        pthread_mutex_unlock(&mutex);
        own++;
        if (turn % 100 == 0) {
            char *block = malloc((size_t)turn + 1);
            memset(block, turn, (size_t)turn + 1);
            free(block);
        }
    }
    return (void *)(own + (uintptr_t)arg);
}

static void
check_count(void)
{
    pthread_t threads[THREADS];
    unsigned long sum = 0;

    for (uintptr_t i = 0; i < THREADS; i++)
        must(pthread_create(&threads[i], NULL, count_up, (void *)i), "create");
    for (unsigned i = 0; i < THREADS; i++) {
        void *result;
        must(pthread_join(threads[i], &result), "join");
        sum += (uintptr_t)result;
    }
    printf("count %lu, results %lu, prepared %lu, own %lu\n", count, sum,
           prepared, own);
}

// --- a queue -----------------------------------------------------------------

static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static unsigned queue[ROOM], head, tail;

static void *
produce(void *arg)
{
    for (unsigned i = 1; i <= ITEMS; i++) {
        pthread_mutex_lock(&mutex);
        while (head - tail == ROOM)
            pthread_cond_wait(&not_full, &mutex);
        queue[head++ % ROOM] = i;
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&mutex);
    }
    return arg;
}

static void *
consume(void *arg)
{
    unsigned long sum = 0;

    (void)arg;
    for (unsigned i = 0; i < ITEMS; i++) {
        pthread_mutex_lock(&mutex);
        while (head == tail)
            pthread_cond_wait(&not_empty, &mutex);
        sum += queue[tail++ % ROOM];
        pthread_cond_signal(&not_full);
        pthread_mutex_unlock(&mutex);
    }
    return (void *)sum;
}

static void
check_queue(void)
{
    enum { PAIRS = 2 };
    pthread_t producers[PAIRS], consumers[PAIRS];
    unsigned long sum = 0;

    for (unsigned i = 0; i < PAIRS; i++) {
        must(pthread_create(&producers[i], NULL, produce, NULL), "create");
        must(pthread_create(&consumers[i], NULL, consume, NULL), "create");
    }
    for (unsigned i = 0; i < PAIRS; i++) {
        void *result;
        must(pthread_join(producers[i], NULL), "join");
        must(pthread_join(consumers[i], &result), "join");
        sum += (uintptr_t)result;
    }
    printf("queue %lu\n", sum);
}

static void
check_timeout(void)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 2000000;
    pthread_mutex_lock(&mutex);
    int error = pthread_cond_timedwait(&not_empty, &mutex, &until);
    pthread_mutex_unlock(&mutex);
    printf("timed out: %s\n", strerror(error));
}

// Many threads, one after the other: their memory comes back.
static void
check_many(void)
{
    pthread_t thread;

    for (unsigned i = 0; i < 500; i++) {
        must(pthread_create(&thread, NULL, count_up, NULL), "create");
        must(pthread_join(thread, NULL), "join");
    }
    printf("many: count %lu\n", count);
}

// --- how a process ends ------------------------------------------------------

static int word;

static void *
wait_word(void *arg)
{
    __builtin_wasm_memory_atomic_wait32(&word, 0, -1);
    return arg;
}

static void *
spin(void *arg)
{
    while (__atomic_load_n(&word, __ATOMIC_RELAXED) == 0)
        ;
    return arg;
}

static void *
sleep_long(void *arg)
{
    sleep(1000);
    return arg;
}

static void *
lock_taken(void *arg)
{
    pthread_mutex_lock(&mutex);
    return arg;
}

static const struct {
    const char *name;
    void *(*run)(void *);
} ways[] = {
    {"wait", wait_word },
    {"spin", spin      },
    {"poll", sleep_long},
    {"lock", lock_taken},
};

static void *
exit_22(void *arg)
{
    (void)arg;
    usleep(5000);
    exit(22);
}

void *
trap_in_thread(void *arg)
{
    (void)arg;
    usleep(5000);
    __builtin_trap();
}

static void
end_while_busy(const char *who, void *(*busy)(void *))
{
    pthread_t thread;

    pthread_mutex_lock(&mutex);
    for (unsigned i = 0; i < 2; i++)
        must(pthread_create(&thread, NULL, busy, NULL), "create");
    if (strncmp(who, "main", 4) == 0) {
        usleep(5000);
        exit(99);
    }
    void *(*end)(void *) = *who == 't' ? trap_in_thread : exit_22;
    must(pthread_create(&thread, NULL, end, NULL), "create");
    busy(NULL);
}

int
main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "check";
    const char *how = strchr(what, '-');

    if (how != NULL)
        for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
            if (strcmp(how + 1, ways[i].name) == 0)
                end_while_busy(what, ways[i].run);
    check_count();
    check_queue();
    check_timeout();
    check_many();
    return 0;
}
