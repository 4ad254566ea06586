// port/linux/stream.h: a standard stream of the host, used without ever
// waiting.
//
// Others may have the same open file (the shell does), so it is never made
// non-blocking: pipes and terminals are opened once more for that, sockets are
// told in each call, and other files do not make us wait.

#pragma once

#include "kernel/port.h"

struct host_stream {
    int fd;     // as it was given to us
    int own;    // the same opened again, non-blocking; else -1
    u8 how;     // stream.c
    bool pipe;  // or a socket: it may lose its reader
    u32 behind; // bytes that the host takes without knowing whether they
                // arrive: a pipe's or a terminal's; 0 for files
};

// `fd` is 0 for reading, 1 or 2 for writing.
void host_stream_open(struct host_stream *s, int fd);
void host_stream_close(struct host_stream *s);

// As port_write(), port_read() and port_look() with `now` (kernel/port.h), but
// nobody is told when ERR_SHOULD_WAIT (of look: ERR_TIMED_OUT) ends: poll
// host_stream_fd().
MUST_USE status_t host_stream_write(struct host_stream *s, const void *bytes,
                                    u64 size, u64 *count);
MUST_USE status_t host_stream_read(struct host_stream *s, void *to, u64 size,
                                   u64 *count);
MUST_USE status_t host_stream_look(struct host_stream *s,
                                   struct port_input *out);

// Whether both are the same file.
bool host_stream_same(const struct host_stream *a, const struct host_stream *b);

// The descriptor to poll for POLLIN or POLLOUT.
int host_stream_fd(const struct host_stream *s);

// Nobody will read what we write: polling for nothing finds an error.
bool host_stream_unread(const struct host_stream *s);
