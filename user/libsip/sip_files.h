// user/libsip/sip_files.h: for programs that serve files to the kernel through
// a gate: requests, which are looked at before anybody sees them, and the loop.

#pragma once

#include <nebulet.h>
#include <stdbool.h>
#include <stdint.h>

// A request of the kernel.  Names have neither slashes nor zero bytes, and are
// not ".", ".." or empty, unless there is none.
struct sip_file_request {
    struct nebulet_file_request head;
    const uint8_t *name, *new_name;
    struct nebulet_file_reply reply; // to be filled in
};

enum { SIP_FILE_OPS = NEBULET_FILE_SYNC + 1 };

struct sip_files {
    // By NEBULET_FILE_...: 0, or an error of WASI's.
    int32_t (*ops[SIP_FILE_OPS])(struct sip_file_request *q);
    // A number that is not used any more.
    void (*close)(uint32_t number);
    // What is to be done before the answer goes, or NULL.
    void (*answered)(void);
    // When to call `idle` if there is no request until then, in ns of the
    // monotonic clock; both may be NULL.
    uint64_t (*deadline)(void);
    void (*idle)(void);
};

// Serve until nobody can ask any more: 0, or a status.
int32_t sip_serve_files(uint32_t gate, const struct sip_files *files);

// How large the window of the request is that is served.
uint32_t sip_window_size(void);
