// test/kernel/gc.h: what the tests of heaps share.

#pragma once

#include "test/kernel/frame.h"

// A store with an instance of the module.
struct store *gc_load(const u8 *bytes, u64 size);

// What its function gives, with the argument if `args` is 1; or -1 - the trap.
i64 gc_call(struct store *s, char name, u32 arg, u32 args);

// In the heap of its only thread, and in that thread's first global.
u32 *gc_word(struct store *s, u64 at);
u64 *gc_global(struct store *s);

#define EXPECT_TRAP(s, name, arg, trap) \
    EXPECT_EQ(gc_call((s), (name), (arg), 1), -1 - (i64)(trap))
