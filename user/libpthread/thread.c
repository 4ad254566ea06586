// user/libpthread/thread.c: threads: one block of the heap holds the thread,
// its thread-local variables and its stack.

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "internal.h"

enum { STACK_SIZE = 128 * 1024, ALIGNMENT = 16 };

enum state { RUNNING, DETACHED, ENDED }; // start.s knows the numbers

struct pthread {
    void *stack_top; // first: start.s takes it from here
    void *block, *tls;
    int state; // enum state, atomic
    void *(*run)(void *);
    void *arg, *result;
};

__attribute__((import_module("wasi"), import_name("thread-spawn"))) int32_t
wasi_thread_spawn(struct pthread *thread);
void __wasm_init_tls(void *block);
void __wasm_call_ctors(void);
int __main_void(void);
void _start(void);
int *thread_main(int32_t id, struct pthread *thread);

static struct pthread main_thread;
static _Thread_local struct pthread *self;

// Called on the new stack; the address of the state, which becomes ENDED when
// that stack is left for good: the block may be free from then on.
int *
thread_main(int32_t id, struct pthread *thread)
{
    (void)id;
    __wasm_init_tls(thread->tls);
    self = thread;
    thread->result = thread->run(thread->arg);
    return &thread->state;
}

static size_t
round_up(size_t size)
{
    return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

// The program's entry, in place of libc's, whose form has the linker run
// constructors and destructors around every export.
void
_start(void)
{
    __wasm_init_tls(
        aligned_alloc(ALIGNMENT, round_up(__builtin_wasm_tls_size())));
    __wasm_call_ctors();
    exit(__main_void());
}

int
pthread_create(pthread_t *out, const pthread_attr_t *attributes,
               void *(*run)(void *), void *arg)
{
    size_t tls = round_up(__builtin_wasm_tls_size());
    size_t align = __builtin_wasm_tls_align();
    size_t head = round_up(sizeof(struct pthread));

    (void)attributes;
    if (align > ALIGNMENT)
        return ENOTSUP;
    char *block = malloc(head + tls + STACK_SIZE + ALIGNMENT);
    if (block == NULL)
        return EAGAIN;
    char *at = (char *)round_up((size_t)block);
    struct pthread *thread = (struct pthread *)at;
    *thread = (struct pthread){
        .stack_top = at + head + tls + STACK_SIZE,
        .block = block,
        .tls = at + head,
        .run = run,
        .arg = arg,
    };
    if (wasi_thread_spawn(thread) < 0) {
        free(block);
        return EAGAIN;
    }
    *out = thread;
    return 0;
}

int
pthread_join(pthread_t thread, void **result)
{
    int state;

    if (thread == pthread_self())
        return EDEADLK;
    while ((state = __atomic_load_n(&thread->state, __ATOMIC_SEQ_CST)) ==
           RUNNING)
        word_wait(&thread->state, RUNNING, -1);
    if (state != ENDED)
        return EINVAL;
    if (result != NULL)
        *result = thread->result;
    free(thread->block);
    return 0;
}

// The block of a detached thread stays: nothing knows when its stack is left.
int
pthread_detach(pthread_t thread)
{
    int running = RUNNING;

    if (!__atomic_compare_exchange_n(&thread->state, &running, DETACHED, 0,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        free(thread->block);
    return 0;
}

pthread_t
pthread_self(void)
{
    return self != NULL ? self : &main_thread;
}

int
pthread_equal(pthread_t a, pthread_t b)
{
    return a == b;
}
