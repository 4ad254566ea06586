// test/sysroot/threads.c: a program for any POSIX system: threads that count
// together, with memory of their own, and thread-local variables.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 8, ROUNDS = 1000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int total;
static _Thread_local int mine;

static void *
work(void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        free(malloc(100));
        mine++;
        pthread_mutex_lock(&lock);
        total++;
        pthread_mutex_unlock(&lock);
    }
    return mine == ROUNDS ? arg : NULL;
}

int
main(void)
{
    pthread_t threads[THREADS];
    void *result;
    int good = 0;

    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, &threads[i]) != 0)
            return 1;
    for (int i = 0; i < THREADS; i++)
        good += pthread_join(threads[i], &result) == 0 && result == &threads[i];
    printf("%d threads counted to %d\n", good, total);
    return 0;
}
