// test/kernel/calls.h: system calls from C, as a program makes them: a process
// whose program calls back, so that there are handles and a memory.

#pragma once

#include "test/kernel/frame.h"

// Run `run` in a new process; its exit status.
u32 test_in_process(void (*run)(void));
// The same in steps, for several at once.
struct process *test_new_process(void (*run)(void));
struct process *test_new_process_in(struct group *g, void (*run)(void));

// The calling process's memory: the byte at `address`, below TEST_MEMORY.
enum { TEST_MEMORY = 4 * 65536 };
u8 *test_memory(u32 address);
u32 test_load32(u32 address);
u64 test_load64(u32 address);
void test_store32(u32 address, u32 value);

// A row of abi/syscalls.def.
enum call_kind {
    ARG_NONE,
    ARG_HANDLE,
    ARG_OPTION,
    ARG_ANY,
    ARG_U32,
    ARG_U64,
    ARG_BYTES,
    ARG_BUFFER,
    ARG_ITEMS,
    ARG_WORD,
    ARG_OUT_U32,
    ARG_OUT_U64,
};

enum { CALL_ARGS = 16 };

struct test_arg {
    enum call_kind kind;
    const char *name;
    const struct object_type *type; // of a handle, in or made; NULL: any
    u32 right;                      // that it needs
    u32 size;                       // of an item, or of a number that comes out
    bool makes;                     // a handle, which comes out
};

struct test_call {
    const char *name;
    bool in_memory;
    struct test_arg args[CALL_ARGS]; // ends with ARG_NONE
};

extern const struct test_call test_calls[];
extern const u32 test_call_count;

// How many words an argument is: BYTES, BUFFER and ITEMS take two.
u32 test_words_of(enum call_kind kind);

// The struct of a call with these words: where it goes, which need not be the
// caller's memory, and what is in it, of at most CALL_STRUCT bytes; its size.
enum { CALL_STRUCT = 8 * (CALL_ARGS + 2) };
u32 test_call_struct(const struct test_call *call, const u64 *words, u8 *to);
// A call with words in registers: of one whose arguments are in memory the
// first is the address of the struct.
status_t test_call_raw(const struct test_call *call, const u64 *registers);
// Make a call with these words.
status_t test_call(const char *name, const u64 *words);
#define CALL(name, ...) \
    test_call(#name, (const u64[CALL_ARGS + 2]){__VA_ARGS__})

// The same of a call of 2018 (2018.c), which returns an i64.
i64 test_call_2018(const char *name, const u64 *words);
#define ABI_CALL(name, ...) test_call_2018(#name, (const u64[6]){__VA_ARGS__})

// Arguments that are right, but for the handles, which are 0 (which options may
// be): bits for which these are.
void test_fill_words(const struct test_call *call, u64 *words, u32 *handles,
                     u32 *options);
// The first word of an argument, and the type that its handle may be of.
u32 test_word_at(const struct test_call *call, u32 arg);
const struct object_type *test_type_for(const struct test_call *call, u32 arg);

// Make a module, named as for test_compile(), of its bytes at an address; its
// handle goes to another.
status_t test_create_module(const char *name, u32 bytes_at, u32 out);

// A process whose program is `host`; its threads, which are function 0 of its
// table, run `run`, too.
MUST_USE status_t test_process_of(struct process **out, struct group *g,
                                  struct code_module *host, void (*run)(void));

// A new object of a type and a handle of it, for programs, with these rights;
// 0: there is none that can be made alone.
handle_t test_handle(const struct object_type *type, u32 rights);

// What calls return at random, from one to the other, no test has seen; but it
// has to be in abi/errors.def.
void test_forget_from_here(void);
void test_forget_until_here(void);
