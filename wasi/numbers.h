// wasi/numbers.h: numbers that are in use once at a time, and come again.

#pragma once

#include "kernel/kernel.h"

struct number_chunk;

// All zero but for the lock: none is given.
struct numbers {
    struct lock lock;
    u32 given MEMBER_GUARDED_BY(lock);                // the highest so far
    struct number_chunk *top MEMBER_GUARDED_BY(lock); // those left, last first
    struct number_chunk *spare MEMBER_GUARDED_BY(lock);
};

void numbers_init(struct numbers *n);

// Frees what keeps them; no number is taken or left any more.
void numbers_free(struct numbers *n);

// *out becomes a number from 1 on that nobody has: one that was left, or the
// next.  ERR_NO_MEMORY: also when there are 2^32 - 1 of them.
status_t numbers_take(struct numbers *n, u32 *out);

// One that was taken is free again.  Needs no memory.
void numbers_leave(struct numbers *n, u32 number);
