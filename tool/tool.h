// tool/: the host command `nebulet`.
//
//     run      pack programs into an initrd and run them, on QEMU or in-process
//     wast     run official test scripts
//     compile  compile a module and say what it took
//     dump     show a step of the compiler
//     selftest run the kernel's own tests in QEMU

#pragma once

#include "base/base.h"

#include <stdio.h>

// --- host.c -----------------------------------------------------------------

// One line to stderr: "nebulet: ...", or to stdout.  Paths and names in it may
// hold anything (format_safe in base.h).
void complain(const char *text, ...) PRINTF(1, 2);
void tell(const char *text, ...) PRINTF(1, 2);

// To be called last: `status`, but 1 instead of 0 after a complaint when
// something that was printed on stdout did not arrive.
MUST_USE int output_end(int status);

// The whole file; .ptr is NULL after a complaint.  Owned by the caller (free).
struct bytes file_read(const char *path);

// What a module error means to a person: "FILE: offset 0x12: MESSAGE (why)".
void complain_error(const char *path, const struct error *error);

// An arena backed by the host's memory, `size` bytes of address space.
void arena_init_host(struct arena *arena, u64 size);
void arena_free_host(struct arena *arena);

// A growing buffer.
struct buffer {
    u8 *ptr;
    u64 size, capacity;
};

void buffer_put(struct buffer *b, const void *bytes, u64 size);
void buffer_put_u32(struct buffer *b, u32 word);
void buffer_free(struct buffer *b);

// --- tar.c -------------------------------------------------------------------

// Append a file to a ustar archive, with a pax record when the name is long.
void tar_add(struct buffer *tar, const char *name, const void *bytes, u64 size);

// Append everything under `dir` with names that start with `prefix`.
MUST_USE bool tar_add_tree(struct buffer *tar, const char *prefix,
                           const char *dir);

// The two empty blocks at the end.
void tar_end(struct buffer *tar);

// --- script_json.c ----------------------------------------------------------

// Append a test script (script.h); false after a complaint.
MUST_USE bool script_from_json(struct buffer *out, const char *path);

// --- commands; argv[0] is the command's name ---------------------------------

int command_run(int argc, char **argv);
int command_wast(int argc, char **argv);
int command_compile(int argc, char **argv);
int command_dump(int argc, char **argv);
int command_selftest(int argc, char **argv);

// --- qemu.c ------------------------------------------------------------------

struct qemu_options {
    const char *kernel;  // path of nebulet.elf
    const char *machine; // "microvm" or "q35"
    const char *append;  // kernel command line
    u32 memory_mib;
    u64 timeout_ms; // 0 = none
};

// Boot the kernel with an initrd, connect the terminal, return the exit status
// of the programs (or 1 after a complaint).
int qemu_run(const struct qemu_options *options, struct bytes initrd);

// The path of a kernel image ("nebulet.elf"): next to the command itself.
const char *kernel_path(const char *name, char *to, u64 size);
