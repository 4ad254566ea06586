// kernel/history.h: what ran last on each CPU, for the report of a panic: the
// switches of threads, and the calls that are traced.

#pragma once

#include "kernel/port.h"

enum { HISTORY = 16 }; // notes of a CPU

struct history_note {
    const char *call;           // NULL: a switch
    const char *module;         // of a call
    u32 from, to;               // numbers of threads; of a call `to` makes it
} __attribute__((aligned(32))); // so that the next is found by a shift

struct history {
    u32 next; // notes so far
    struct history_note notes[HISTORY];
} __attribute__((aligned(64)));

extern struct history histories[CPU_MAX];

// Interrupts are off.
static inline __attribute__((always_inline)) void
history_switch(u32 cpu, u32 from, u32 to)
{
    struct history *h = &histories[cpu];
    struct history_note *n = &h->notes[h->next++ % HISTORY];

    n->call = NULL;
    n->from = from;
    n->to = to;
}
