// user/libpthread/internal.h: waiting on a word of memory, for the files of
// libpthread.

#pragma once

#include <limits.h>
#include <stdint.h>

enum { WAIT_TIMED_OUT = 2 };

// Wait while *word is `value`, at most timeout_ns, -1: forever.
static inline int
word_wait(int *word, int value, int64_t timeout_ns)
{
    return __builtin_wasm_memory_atomic_wait32(word, value, timeout_ns);
}

static inline void
word_wake(int *word, unsigned count)
{
    __builtin_wasm_memory_atomic_notify(word, count);
}
