// tool/serve.h: the host's end of the channel to a guest (abi/channel.h), and
// its debug port, until it ends.

#pragma once

#include "tool/tool.h"

#include "abi/channel.h"
#include "kernel/port.h"
#include "port/linux/stream.h"

enum serve_end { SERVE_ENDED, SERVE_LATE, SERVE_BROKEN };

// One of our outputs, with what it has not taken yet.
struct serve_output {
    struct host_stream host;
    struct buffer pending;
    u64 from;        // in `pending`
    u64 done;        // bytes written so far
    u32 behind;      // how far the guest may go ahead of that
    status_t status; // why it took no more, when nobody can be told
    bool unread;     // the guest knows that nobody reads
};

struct server {
    int channel, log; // to the guest; its debug port
    bool channel_open, log_open;

    struct serve_output outputs[PORT_STREAMS]; // [0] is the debug port's
    struct host_stream input;
    u32 read_size;   // what the guest wants to read, 0: nothing
    bool look_later; // it wants to know when there is input

    struct buffer answers; // on their way to the guest
    u64 answers_from;

    struct channel_head head; // the message that arrives
    u32 head_size;            // bytes of it that are here
    u32 left;                 // bytes after it that are not
    bool dropped;             // they are to be

    bool quiet;   // what the debug port says is not passed on
    bool counted; // the guest's time is no time of ours: for it the user's
                  // command starts when it asks
    u8 tail[2];   // its last two bytes
    u32 tail_count;
};

// `channel` and `log` become the server's.
void serve_init(struct server *s, int channel, int log);

// Serve until the guest has closed both or `deadline_ms` (host_now_ms(); 0:
// none) passes.
MUST_USE enum serve_end serve(struct server *s, u64 deadline_ms);

// The guest is dead: what it has said on its debug port so far, as far as our
// stderr takes it now.
void serve_rest(struct server *s);

// Whether all that the guest has said went where it was to go; else one line
// of complaint.
MUST_USE bool serve_arrived(const struct server *s);

// What the kernel has counted is for this descriptor.
void serve_profile(struct server *s, int fd);

// Give everything back.
void serve_free(struct server *s);
