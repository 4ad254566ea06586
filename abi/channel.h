// abi/channel.h: what the kernel and the host command say to each other, on
// port CHANNEL_PORT of a virtio-console, when the word CHANNEL_WORD is on the
// kernel's command line.
//
// Each message is a head and, where the kind says so, `size` bytes.  The kernel
// begins with START; the host answers with one STREAM for each output (and DONE
// where nobody reads it any more), then HELLO.  Output is numbered: after an
// error the host drops what does not continue where it has stopped (DONE.at),
// and the kernel goes on there.  Input is read when the kernel asks.

#pragma once

#include "base/base.h"

#define CHANNEL_WORD "channel"

enum {
    CHANNEL_PORT = 1,
    CHANNEL_SIZE_MAX = 64 * 1024, // bytes after a head
    CHANNEL_FLIGHT = 128 * 1024,  // of a stream, written and not yet done
};

enum channel_kind {
    // From the kernel.
    CHANNEL_START = 1, // here I am
    CHANNEL_WRITE,     // `size` bytes for `stream`, the first is its `at`-th
    CHANNEL_READ,      // at most `size` bytes of input, when there are some
    CHANNEL_LOOK,      // what input there is, `now` or when there is some

    // From the host.
    CHANNEL_STREAM, // `stream` may run `size` bytes ahead of what is done, from
                    // now on
    CHANNEL_HELLO,  // the user's command started `at` ns ago
    CHANNEL_DONE,   // `at` bytes of `stream` are written; `status` of the next
    CHANNEL_DATA,   // `size` bytes of input; none: its end, or `status`
    CHANNEL_STATE,  // to LOOK (the same `now`): `size` bytes are there, 0: the
                    // end; or `status`, ERR_TIMED_OUT for none now
};

struct channel_head {
    u8 kind;   // enum channel_kind
    u8 stream; // enum port_stream
    u8 now;
    u8 zero[5];
    u32 size;
    i32 status;
    u64 at;
};

_Static_assert(sizeof(struct channel_head) == 24, "no padding");
