// user/libpthread/sync.c: mutexes, condition variables and once, on words of
// memory that threads wait on.

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "internal.h"

enum { FREE, TAKEN, CONTENDED };

// --- mutexes -----------------------------------------------------------------

int
pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *none)
{
    (void)none;
    m->state = FREE;
    return 0;
}

int
pthread_mutex_trylock(pthread_mutex_t *m)
{
    int state = FREE;

    return __atomic_compare_exchange_n(&m->state, &state, TAKEN, false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED) ?
               0 :
               EBUSY;
}

int
pthread_mutex_lock(pthread_mutex_t *m)
{
    if (pthread_mutex_trylock(m) == 0)
        return 0;
    while (__atomic_exchange_n(&m->state, CONTENDED, __ATOMIC_ACQUIRE) != FREE)
        word_wait(&m->state, CONTENDED, -1);
    return 0;
}

int
pthread_mutex_unlock(pthread_mutex_t *m)
{
    if (__atomic_exchange_n(&m->state, FREE, __ATOMIC_RELEASE) == CONTENDED)
        word_wake(&m->state, 1);
    return 0;
}

int
pthread_mutex_destroy(pthread_mutex_t *m)
{
    return m->state == FREE ? 0 : EBUSY;
}

// --- condition variables -----------------------------------------------------

int
pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *none)
{
    (void)none;
    c->sequence = 0;
    return 0;
}

// Wait for another signal than the last one.
static int
wait_signal(pthread_cond_t *c, pthread_mutex_t *m, int64_t timeout_ns)
{
    int sequence = __atomic_load_n(&c->sequence, __ATOMIC_SEQ_CST);

    pthread_mutex_unlock(m);
    int result = word_wait(&c->sequence, sequence, timeout_ns);
    pthread_mutex_lock(m);
    return result == WAIT_TIMED_OUT ? ETIMEDOUT : 0;
}

int
pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    return wait_signal(c, m, -1);
}

int
pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                       const struct timespec *until)
{
    struct timespec now;

    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return EINVAL;
    int64_t left = (int64_t)(until->tv_sec - now.tv_sec) * 1000000000 +
                   until->tv_nsec - now.tv_nsec;
    return wait_signal(c, m, left > 0 ? left : 0);
}

static int
signal_count(pthread_cond_t *c, unsigned count)
{
    __atomic_fetch_add(&c->sequence, 1, __ATOMIC_SEQ_CST);
    word_wake(&c->sequence, count);
    return 0;
}

int
pthread_cond_signal(pthread_cond_t *c)
{
    return signal_count(c, 1);
}

int
pthread_cond_broadcast(pthread_cond_t *c)
{
    return signal_count(c, UINT_MAX);
}

int
pthread_cond_destroy(pthread_cond_t *c)
{
    (void)c;
    return 0;
}

// --- once --------------------------------------------------------------------

int
pthread_once(pthread_once_t *once, void (*run)(void))
{
    int state = 0;

    if (__atomic_compare_exchange_n(&once->state, &state, 1, false,
                                    __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
        run();
        __atomic_store_n(&once->state, 2, __ATOMIC_RELEASE);
        word_wake(&once->state, UINT_MAX);
        return 0;
    }
    while (__atomic_load_n(&once->state, __ATOMIC_ACQUIRE) != 2)
        word_wait(&once->state, 1, -1);
    return 0;
}

// --- the heap ----------------------------------------------------------------

// The linker turns calls of malloc into calls of __wrap_malloc and lets
// __real_malloc be malloc; so for the others.

static pthread_mutex_t heap = PTHREAD_MUTEX_INITIALIZER;

#define WRAP(type, name, params, args)    \
    type __real_##name params;            \
    type __wrap_##name params;            \
    type __wrap_##name params             \
    {                                     \
        pthread_mutex_lock(&heap);        \
        type result = __real_##name args; \
        pthread_mutex_unlock(&heap);      \
        return result;                    \
    }

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, (void *ptr, size_t size), (ptr, size))

void __real_free(void *ptr);
void __wrap_free(void *ptr);

void
__wrap_free(void *ptr)
{
    pthread_mutex_lock(&heap);
    __real_free(ptr);
    pthread_mutex_unlock(&heap);
}
