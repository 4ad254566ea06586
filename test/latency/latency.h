// test/latency/latency.h: the longest stretch without preemption, or with the
// mutex of all files, in images and tests that are linked with LATENCY_WRAP.

#pragma once

#include "kernel/internal.h"

// Work that this CPU has done; what it counts is the test's
// (test/kernel/frame.h) or the image's.
u64 test_work(void);

// An interrupt has come, which turned interrupts off; they are on again, or go
// on with the switch to another thread.
void latency_interrupt(void);
void latency_interrupt_over(const void *at);

// Watch from now on.
void latency_watch(void);
// Stop watching: the longest stretch, in units of test_work(), and where in the
// kernel it ended.
u64 latency_longest(const void **at);
