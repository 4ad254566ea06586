// test/metal/metal.h: tests of port/metal, run by itself in QEMU
// (out/nebulet-test.elf).

#pragma once

#include "kernel/kernel.h"

// What the kernel of these tests does when the port calls it.
extern struct metal_hooks {
    u32 interrupts;        // calls of sched_interrupt on the first CPU
    u32 inputs;            // calls of console_interrupt
    u32 samples[CPU_MAX];  // calls of profile_sample; atomic
    u64 sample_rsp;        // of the last one on the first CPU
    u32 others;            // CPUs that came; atomic
    u32 pokes;             // calls of sched_interrupt on them; atomic
    u64 tables[CPU_MAX];   // cr3 of each at its last poke
    bool spin;             // they wait in there until it is false; atomic
    u32 spinning;          // how many do; atomic
    void (*preempt)(void); // preempt the interrupted flow once, to do this
    bool kill;             // unwind interrupted generated code once
    u64 barrier;           // the barrier of faults and kills
    enum fault_action (*fault)(struct fault *fault); // NULL: panic
    struct bytes initrd;
    const char *cmdline;
} metal_hooks;

// Is this word on the command line?
bool metal_has_word(const char *word);

// Code that nobody has verified, and yet may be executed.
void *metal_code(const void *text, u64 size);
