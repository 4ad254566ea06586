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

// What a gate's server does; `arg` is for its functions.
struct sip_service {
    // A call by the door with this badge: the reply, of at most
    // LIMIT_GATE_SIZE bytes; returns its size.
    uint32_t (*call)(void *arg, uint64_t badge, const void *request,
                     uint32_t size, void *reply);
    // That door was closed; false: serve no more.
    bool (*closed)(void *arg, uint64_t badge);
    // When to call `idle` if nobody has called until then, in ns of the
    // monotonic clock; NULL: never.
    uint64_t (*deadline)(void *arg);
    void (*idle)(void *arg);
    void *arg;
};

// Serve a gate (nebulet_gate_create), in as many threads as call this.  Returns
// 0 when `closed` says so, or a status (abi/status.def).
int32_t sip_serve(uint32_t gate, const struct sip_service *s);

// Call by a door and wait for the reply; *reply_size is how much room there is,
// and then how large the reply was.  0 or a status.
int32_t sip_call(uint32_t door, const void *request, uint32_t size, void *reply,
                 uint32_t *reply_size);
