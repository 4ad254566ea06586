// test/wasi/fake.h: a kernel of one process that does nothing, for the tests of
// wasi/: it has 256 KiB of user memory, 1 MiB for files, a console of two
// buffers, pipes, and a clock that only moves when somebody sleeps.

#pragma once

#include "test/test.h"
#include "wasi/wasi.h"

enum { FAKE_MEMORY = 4 * 65536, FAKE_TEXT = 4096, FAKE_FILES = 1 << 20 };

struct fake {
    u8 memory[FAKE_MEMORY];
    char out[FAKE_TEXT], log[FAKE_TEXT]; // what was written, terminated
    u32 writes;                          // calls of console_write
    status_t output;                     // what it answers
    u64 most;                            // bytes that it takes; 0: all
    bool patient;                        // its caller would wait for ever
    u32 terminals;                       // for fake_attach
    const char *in;                      // what is to be read, or NULL
    u64 now_ns;
    void (*other)(void); // what another thread does once files are unlocked
    void (*later)(void); // ... once somebody waits for objects
    u64 waited_ns;       // the longest of those waits
    bool robbed;         // who has waited finds nothing, once: others took it
    u32 killed_at;       // from this question on, whether it is; 0: never
    u32 asked;           // so many times
    u64 blocks;          // of kernel memory in use
    u64 memory_limit;    // blocks that kernel_alloc gives, 0 = any
    u64 requests;        // of kernel memory, since fail_at was set
    u64 fail_at;         // the one that fails, and those behind it; 0: none
    bool fails_once;     // ... that one only
    u32 exit_status;     // of the programs that "run"
    bool spawns;         // each leaves another that does not end
    u64 run_ns;          // how long they run; UINT64_MAX = for ever
    status_t compile;    // what code_module_open answers
    status_t image;      // of a code file
    u32 images, remade;  // code files read, and made again
    status_t adoption;   // what adoption_take answers
    u32 started, running, most_running;
    // What a server answers at a gate; NULL: there is none any more.
    status_t (*serve)(struct bytes request, struct bytes room,
                      const struct window_offer *window, u32 *size);
    u32 doors, doors_dead; // made so far; the first ones, whose server ended
};

extern struct fake fake;

// An archive under construction.
struct archive {
    u8 bytes[256 * 1024];
    u64 size;
};

void archive_add(struct archive *a, const char *name, char kind,
                 const char *data, u64 size, const char *target);
void archive_end(struct archive *a);
struct bytes archive_bytes(struct archive *a);

// Make the fake process a WASI process with this root.
void fake_attach(struct node *root);
void fake_detach(void);

// Another process, without a state yet, and its end.
struct process *fake_child(void);
void fake_end(struct process *child);
// Who calls from now on; NULL: the fake process itself.
void fake_enter(struct process *p);

// The end of a pipe: what it writes it reads, FAKE_STEP bytes at a time.  Holds
// one reference itself.
enum { FAKE_STEP = 4 };
struct fake_pipe {
    struct object object;
    u8 bytes[64];
    u64 size, room; // bytes in it, and how many more there may be
    u64 largest;    // of the writes that it was asked for
};

void fake_pipe_init(struct fake_pipe *p, u64 room);

// Put a string into user memory.
u32 fake_put(u32 at, const char *text);

// Errno of a call by its name in the table; for calls with up to 9 arguments.
errno_t fake_call(const char *name, const u64 *args);
#define CALL_WASI(name, ...) fake_call(name, (const u64[9]){__VA_ARGS__})

u32 fake_u32(u32 at);
u64 fake_u64(u32 at);
