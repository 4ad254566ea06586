// kernel/history.h: what ran last on each CPU, for the report of a panic: the
// switches of threads, and the calls that are traced.

#pragma once

#include "kernel/port.h"

enum { HISTORY = 16 }; // notes of a CPU

struct history_note {
    const char *module, *call; // NULL: a switch
    u32 from, to;              // numbers of threads; of a call `to` makes it
};

struct history {
    u32 next; // notes so far
    struct history_note notes[HISTORY];
} __attribute__((aligned(64)));

extern struct history histories[CPU_MAX];

// Interrupts are off.
static inline void
history_switch(u32 cpu, u32 from, u32 to)
{
    struct history *h = &histories[cpu];

    h->notes[h->next++ % HISTORY] = (struct history_note){NULL, NULL, from, to};
}
