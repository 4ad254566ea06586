// user/libpthread/pthread.h: POSIX threads on wasi-threads, for Debian's
// wasi-libc, which has none.  Compile with -matomics -mbulk-memory
// -ftls-model=local-exec, link with
//
//     -nostartfiles -Wl,--shared-memory,--import-memory,--max-memory=BYTES
//     -Wl,--no-check-features
//     -Wl,--wrap=malloc,--wrap=free,--wrap=calloc,--wrap=realloc
//
// The rest of libc is built for one thread: the heap gets a lock by the --wrap
// flags; what stdio keeps is shared without one, and errno cannot be used.  A
// thread ends when its function returns; there is no pthread_exit and no
// cancellation.  Attributes are not looked at: pass NULL.

#pragma once

#include <stddef.h>
#include <time.h>

typedef struct pthread *pthread_t;
typedef struct {
    int state; // 0 free, 1 taken, 2 taken and somebody waits
} pthread_mutex_t;
typedef struct {
    int sequence; // of signals
} pthread_cond_t;
typedef struct {
    int state; // 0 not called, 1 in the call, 2 called
} pthread_once_t;
typedef void pthread_attr_t, pthread_mutexattr_t, pthread_condattr_t;

#define PTHREAD_MUTEX_INITIALIZER \
    {                             \
        0                         \
    }
#define PTHREAD_COND_INITIALIZER \
    {                            \
        0                        \
    }
#define PTHREAD_ONCE_INIT \
    {                     \
        0                 \
    }

// 0, or a number of errno.h.
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*run)(void *), void *arg);
int pthread_join(pthread_t thread, void **result);
int pthread_detach(pthread_t thread);
pthread_t pthread_self(void);
int pthread_equal(pthread_t a, pthread_t b);
int pthread_once(pthread_once_t *once, void (*run)(void));

int pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *none);
int pthread_mutex_lock(pthread_mutex_t *m);
int pthread_mutex_trylock(pthread_mutex_t *m);
int pthread_mutex_unlock(pthread_mutex_t *m);
int pthread_mutex_destroy(pthread_mutex_t *m);

int pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *none);
int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m,
                           const struct timespec *until);
int pthread_cond_signal(pthread_cond_t *c);
int pthread_cond_broadcast(pthread_cond_t *c);
int pthread_cond_destroy(pthread_cond_t *c);
