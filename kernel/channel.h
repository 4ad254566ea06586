// kernel/channel.h: what the files of channels (kernel/channel*.c) share.
//
// All of a struct channel, and all that waits at it, is under the lock of its
// pair (kernel/pair.h).

#pragma once

#include "kernel/pair.h"

enum {
    CALL_ID = 1u << 31,
    WAKE_BATCH = 64, // threads woken under one lock
};

struct message {
    struct list link;         // in channel.messages
    struct charge counted;    // its handles, for the writer
    struct receiver *claimer; // NULL: for whoever reads
    u32 size, handle_count;
    u64 ends; // which of the handles are ends of channels, a bit each
    u8 *bytes;
    struct carried handles[];
};

struct channel {
    struct end end;
    u32 call_id;           // of the last call
    struct list messages;  // to be read here
    u32 count;             // of them, and of those that are being written
    u32 unclaimed;         // that anybody may read
    u64 bytes;             // in all of them
    struct list receivers; // struct receiver
    u32 receiver_count;    // and of calls that are being written

    struct list visited; // by check_loop(), under `carrying`
};

// What became of one that waits.
enum got {
    GOT_NOTHING, // and it was not woken
    GOT_BYTES,   // `size` of them are in `room`
    GOT_CLAIM,   // `message` is for it
    GOT_CHANGE,  // something: it looks again
    GOT_CLOSED,  // its end was closed
};

// A thread that waits at an end, under the lock of the pair.
struct receiver {
    struct list link;
    struct waiter *waiter;
    u32 id; // of a call, or 0
    struct bytes room;
    enum got got;
    // It has got bytes and is out of the line, and nobody looks at it any more:
    // atomic, the last that is written of it.
    bool left;
    u32 size;
    struct message *message;
};

// --- channel.c: the pair is locked -------------------------------------------

// The other end; NULL: it is closed.
struct channel *channel_peer(const struct channel *c);
// The same, with a reference for the caller.
struct channel *channel_hold_peer(const struct channel *c);
// What is in the queue of c has changed: set the signals.
void channel_show(struct channel *c);
// m is in c's queue, or there is room kept for it, or not any more.
void channel_count(struct channel *c, const struct message *m, bool more);

// Wake one who waits for a message that begins with this number: its caller,
// else the first reader who still waits; NULL: nobody does.  A message in the
// queue is claimed for a caller (GOT_CLAIM), and a reader looks for it
// (GOT_CHANGE).  Bytes (`direct`) are for the room of who was woken
// (GOT_BYTES): nobody is when the first has too little.
struct receiver *channel_wake_receiver(struct channel *c, u32 id,
                                       const struct bytes *direct);
// A number that no call at c has; there are less than LIMIT_OBSERVERS.
u32 channel_new_call_id(struct channel *c);
// The running thread's wait begins; there are less than LIMIT_OBSERVERS.
void channel_line_up(struct channel *c, struct receiver *r);
void channel_leave_line(struct channel *c, struct receiver *r);

// --- channel_write.c ---------------------------------------------------------

// Write `bytes` with the handles of `side`; for a call, `caller` is lined up at
// c when that has succeeded, and the message has its number.  It is not, with
// .waiter NULL and what it got, when one of the ends was closed meanwhile.
MUST_USE status_t channel_send(struct channel *c, struct bytes bytes,
                               const struct channel_side *side,
                               struct receiver *caller);

// --- channel_message.c -------------------------------------------------------

// A message with a copy of these bytes and room for handles; NULL, and *status.
struct message *message_new(struct account *payer, struct bytes bytes,
                            u32 handles, status_t *status);
void message_free(struct message *m); // without its handles

// Close the handles of messages that nobody will read.
void messages_dispose(struct list *messages);

// One write of channel ends at a time.
extern struct mutex channel_carrying;

// ERR_LOOP when m, written at `from`, would close a circle of queues; ERR_LIMIT
// when finding out takes too long.  channel_carrying is held.
MUST_USE status_t channel_check_loops(struct channel *from, struct message *m);
