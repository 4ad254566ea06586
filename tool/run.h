// tool/run.h: what `nebulet run`, `shell` and `image` were told, for those who
// pack it (tool/pack.c) and who run it (tool/run.c).

#pragma once

#include "tool/cache.h"
#include "tool/media.h"
#include "wasi/wasi.h"

enum { PROGRAM_MAX = 16 };

struct program {
    const char *path;
    const char *mode; // "then" or "beside" the one before
};

// A module that the program is linked with.
struct preload {
    struct string name; // as imports have it
    const char *path;
};

struct run {
    const struct command *command;
    int failed; // the exit status where that is not 1
    bool metal;
    const char *machine;  // NULL: not said
    u32 memory_mib;       // 0: not said
    u64 limit;            // bytes of memory for the programs, 0: not said
    u32 cpus;             // 0: not said
    bool icount;          // time is the number of instructions
    bool latency;         // the same, and the kernel that counts
    bool hardened;        // protection keys on
    bool ibpb;            // barriers of branch prediction between groups
    u64 grain_ns;         // of the clocks, 0: not said
    const char *trace;    // NULL: nothing; "": all calls
    const char *profile;  // a file for it, or NULL
    bool perf;            // write a map of the code
    bool gc_stats;        // heaps are told of
    int profile_fd;       // where the kernel writes, 0: it does not
    const char *gdb;      // the TCP port where GDB is waited for, or NULL
    u64 timeout_ms;       // 0: none
    const char *cache_at; // a directory, "off", or NULL: not said
    struct cache cache;
    const char *argv0;  // NULL: the program's file name
    const char *invoke; // a function of the first program, or NULL
    struct preload preloads[LIBRARIES_MAX]; // of the first program
    u32 preload_count;
    const char *grants; // handles of the first program, as wasi/wasi.h says
    bool device;        // a source of random bytes is one of them
    bool terminal;      // what is typed is a terminal's of ours
    const char *system; // of the shell: the directory that is /; or NULL
    const char *init;   // of an image: /etc/init there; or NULL
    struct media media; // .out is NULL where none is to be written
    struct dirs dirs;
    struct env env;
    struct program programs[PROGRAM_MAX]; // [0] is the one that was asked for
    u32 program_count;
    struct words args; // of programs[0], without argv[0]
};

// Of the machine, in MiB, said or not.
u32 run_memory_mib(const struct run *run);

// Put programs, their arguments and files into an initrd, whose form is
// described in wasi/wasi.h.  False after a complaint; then the exit status is
// run->failed, or 1 where that is 0.
MUST_USE bool run_pack(struct run *run, struct buffer *tar);
