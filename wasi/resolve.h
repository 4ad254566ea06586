// wasi/resolve.h: how the calls on names get from a descriptor and a path to a
// node (resolve.c), for path_calls.c, name_calls.c and open_call.c.

#pragma once

#include "wasi/wasi.h"

// A name as the program gives it, and where it leads.
struct name {
    u32 fd, ptr, size; // directory, path in the program's memory
    u64 rights;        // that the directory must carry
    enum follow follow;
    struct file *dir;
    struct string path; // a copy
    struct place place;
};

// Nothing is done yet.  `ptr` and `size` are in the program's memory; the
// directory `fd` must carry `rights`.
struct name name_of(u32 fd, u32 ptr, u32 size, u64 rights, enum follow follow);

// What the lookup flags of a call say.
enum follow follow_of(u32 flags);

// Copy a string of the program into `buffer`, which has LIMIT_PATH_SIZE bytes;
// it must have no zero bytes.
MUST_USE errno_t name_text(u32 ptr, u32 size, char *buffer, struct string *out);

// Take the name, lock its file system, walk, and act where the walk arrives.
typedef errno_t (*name_action)(struct wasi *w, struct name *name, void *arg);
MUST_USE errno_t with_name(struct name *name, name_action act, void *arg);

// The same with two names in one file system.
typedef errno_t (*names_action)(struct name *from, struct name *to);
MUST_USE errno_t with_names(struct name *from, struct name *to,
                            names_action act);
