// user/libsip/sip.h: Nebulet's threads and locks for C programs.
//
// Programs are built for one thread: what libc keeps in memory (malloc, stdio)
// is not protected.  Allocate before threads start or under a lock of your own,
// and print with sip_print.

#pragma once

#include <stdbool.h>
#include <stdint.h>

// Pretty fast exclusion: a lock in one word; zero is free.
typedef struct {
    uint32_t word;
} sip_mutex;

void sip_lock(sip_mutex *mutex);
void sip_unlock(sip_mutex *mutex);

// A running thread.  Filled in by sip_spawn, taken back by sip_join.
struct sip_thread {
    uint32_t handle;
    void (*run)(void *arg);
    void *arg;
    void *stack;
};

// Run `run(arg)` in a new thread; `t` must stay until sip_join(t).  False when
// there is no memory or no thread left.
bool sip_spawn(struct sip_thread *t, void (*run)(void *arg), void *arg);

// The same with a name of at most LIMIT_THREAD_NAME bytes (abi/limits.def),
// which reports of traps show.
bool sip_spawn_named(struct sip_thread *t, const char *name,
                     void (*run)(void *arg), void *arg);

// Wait until the thread has ended.
void sip_join(struct sip_thread *t);

// Let other threads run.
void sip_yield(void);

// Print one whole text (up to 1,023 bytes) to standard output.
void sip_print(const char *text, ...) __attribute__((format(printf, 1, 2)));
