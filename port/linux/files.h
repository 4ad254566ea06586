// port/linux/files.h: directories of the host as files of programs (files.c,
// places.c).

#pragma once

#include "wasi/wasi.h"

// Once, before linux_start(): let programs see a directory or a regular file of
// the host at `guest`, "/" or "/NAME/...", a string that stays.  `host` NULL: a
// directory of which nothing is there but mounts below it.  Returns 0 or the
// host's error.
MUST_USE int linux_mount(const char *guest, const char *host, bool writable);

// One name of the tree that the names of all mounts make.
struct host_place {
    struct string name;
    struct host_place *children, *next;
    i32 fd; // O_PATH of the host's file that is there, or -1
    u32 number;
    bool mounted;  // it was asked for, else it is on the way to such
    bool writable; // where there is an fd
};

// The place of this name, "/" or "/NAME/..."; NULL: no mount has it.
struct host_place *host_place_find(struct string path);
struct host_place *host_place_child(const struct host_place *place,
                                    struct string name);

// The mounted directory of this name, as a program has it open from the start:
// nothing is above it.  NULL: there is none.
struct node *host_mounted(struct string path);

// What Linux says, in WASI's terms; 0 and above: WASI_SUCCESS.
errno_t host_errno(i64 result);
// Memory of a program comes when it is touched, which Linux cannot do.
void host_touch(struct bytes bytes);

// --- sockets.c ---------------------------------------------------------------

// Once, before linux_start(): listen at this IPv4 address and port, which
// programs know by `name`, a string that stays.  Returns 0 or the host's error.
MUST_USE int linux_listen(const char *name, u32 address, u16 port);

// The listener of this name, with a reference, once; NULL: there is none.
struct node *host_listener(struct string name);

// A system call of Linux: its result, or the negated error.  errno belongs to a
// pthread, and a thread of ours may go on in another.
i64 host_call(i64 number, const i64 arguments[6]);
#define HOST_CALL(number, ...) host_call(number, (i64[6]){__VA_ARGS__})
