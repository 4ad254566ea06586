// kernel/virtqueue.h: a split virtqueue, the driver's side (virtio 1.2, 2.7).
//
// The ring lies in memory that a device reads and writes; what we know of our
// own descriptors is kept apart from it, and nothing that the device writes is
// used before it was checked.  A device that breaks the rules makes the queue
// broken: it then takes and gives nothing any more, and is to be reset.
//
// One caller at a time; no memory is allocated.

#pragma once

#include "base/base.h"

enum {
    VIRTQUEUE_MAX = 256,    // descriptors, a power of two
    VIRTQUEUE_ALIGN = 4096, // of the ring's memory
    VIRTQUEUE_DIRECT = 3,   // pieces that are worth no table
    VIRTQUEUE_TABLE = 32,   // pieces that fit into one
};

// Bytes of the ring of a queue of `size` descriptors.
u64 virtqueue_bytes(u32 size);

// A part of a request, contiguous for the device.
struct virtqueue_piece {
    u64 address; // as the device sees it
    u32 size;    // > 0
    bool in;     // the device writes it; those that it reads come first
};

struct virtqueue_slot {
    u64 token;
    u32 writable; // bytes that the device may write
    u16 length;   // descriptors of the request that starts here; 0: none does
    u16 next;     // of the request, or of the free ones
};

struct virtqueue {
    struct virtqueue_desc *desc;
    struct virtqueue_avail *avail;
    struct virtqueue_used *used;
    u32 size;
    bool event_index; // VIRTIO_F_EVENT_IDX was agreed on
    bool broken;
    u16 free, free_count;          // first free slot, how many
    u16 added, published;          // requests; both count up forever
    u16 taken;                     // used entries; the same
    u64 notifications;             // publications that the device was told of
    u64 offsets[3];                // of desc, avail, used in the ring's memory
    struct virtqueue_desc *tables; // VIRTQUEUE_TABLE for each slot, or NULL
    u64 tables_address;            // as the device sees them
    struct virtqueue_slot slots[VIRTQUEUE_MAX];
};

// Start with an empty ring in `memory`: virtqueue_bytes(size) zeroed bytes,
// contiguous for the device.  Also after a reset of the device.
void virtqueue_init(struct virtqueue *q, void *memory, u32 size,
                    bool event_index);

// Indirect descriptors were agreed on: let requests of several pieces take one
// descriptor, with a table in `memory`, of virtqueue_table_bytes(size) bytes.
u64 virtqueue_table_bytes(u32 size);
void virtqueue_use_tables(struct virtqueue *q, void *memory, u64 address);

// Add a request of at most q->size pieces; the device does not see it yet.
// `token` comes back with it.  ERR_FULL, ERR_IO: broken.
MUST_USE status_t virtqueue_add(struct virtqueue *q,
                                const struct virtqueue_piece *pieces, u32 count,
                                u64 token);

// Let the device see what was added; true when it wants to be notified.
MUST_USE bool virtqueue_publish(struct virtqueue *q);

// A request that the device has finished: its token, and how many bytes the
// device has written into its pieces, at most as many as these have.
// ERR_SHOULD_WAIT: none has; ERR_IO: broken.
MUST_USE status_t virtqueue_take(struct virtqueue *q, u64 *token, u32 *written);

// Ask for an interrupt when the device finishes the `count`-th request from
// now on; false when there is something to take already.
MUST_USE bool virtqueue_arm(struct virtqueue *q, u16 count);

// Ask for none (a device may interrupt all the same).
void virtqueue_disarm(struct virtqueue *q);

// Would virtqueue_take() give something, or find it broken?
MUST_USE bool virtqueue_has_some(const struct virtqueue *q);
