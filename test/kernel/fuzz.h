// test/kernel/fuzz.h: what the fuzzer of system calls knows: of a process with
// one thread, the table of handles, and so what each call must answer to wrong
// arguments, and what it may do to the table.

#pragma once

#include "test/kernel/calls.h"

struct fuzz_entry {
    handle_t handle;
    struct object *object; // no reference: to be compared
    const struct object_type *type;
    u32 rights;
};

// A table as it was at some time, in the order of its slots.
enum { FUZZ_ENTRIES = 1024 };
struct fuzz_table {
    u32 count;
    struct fuzz_entry at[FUZZ_ENTRIES];
};

// Look at all of t; false: it has too many.
MUST_USE bool fuzz_look(struct handle_table *t, struct fuzz_table *to);

const struct fuzz_entry *fuzz_find(const struct fuzz_table *t, u64 handle);

// What is wrong with the arguments, the first of them that is wrong; OK.
// `address` is that of the struct of a call whose arguments are in memory.
status_t fuzz_refusal(const struct fuzz_table *t, const struct test_call *call,
                      const u64 *words, u64 address);

// What a call was asked, and did.
struct fuzz_call {
    const struct test_call *call;
    const u64 *words;
    status_t refusal; // fuzz_refusal()
    status_t status;  // what it said
    // Handles that it may move, as they were before.
    handle_t moves[LIMIT_SPAWN_HANDLES];
    u32 move_count;
};

// Note what a call could move, with arguments that are not refused.
void fuzz_note_moves(struct fuzz_call *c);

// What is wrong with what it did, in words; NULL: nothing.
const char *fuzz_judge(const struct fuzz_call *c,
                       const struct fuzz_table *before,
                       const struct fuzz_table *after);
