// kernel/virtio.h: what a port has of a virtio device: a way to its registers,
// without the legacy interface (version 1 only).  The kernel does the rest: the
// order of the first steps (virtio 1.2, 3.1.1), features and rings.

#pragma once

#include "kernel/virtqueue.h"

enum { // feature bits that are the ring's
    VIRTIO_INDIRECT = 28,
    VIRTIO_EVENT_INDEX = 29,
    VIRTIO_VERSION_1 = 32,
    VIRTIO_PLATFORM = 33, // its addresses are not those that we know
};

enum virtio_status {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_FAILED = 128,
};

enum {
    VIRTIO_QUEUES = 8,        // of one device, that we know of
    VIRTIO_CONFIG_SIZE = 256, // bytes of its configuration
};

struct device;
struct virtio_device;

struct virtio_transport {
    // Features go by words: 0 is bits 0 to 31, 1 is 32 to 63.
    u32 (*features)(struct virtio_device *d, u32 word);
    void (*accept)(struct virtio_device *d, u32 word, u32 features);
    u8 (*status)(struct virtio_device *d);
    void (*set_status)(struct virtio_device *d, u8 status);
    // The largest size of a queue, 0 when there is no such queue.
    u32 (*queue_max)(struct virtio_device *d, u32 index);
    void (*queue_start)(struct virtio_device *d, u32 index, u64 ring,
                        const struct virtqueue *q);
    // May be late: the device was reset meanwhile.  No lock is held.
    void (*notify)(struct virtio_device *d, u32 index);
    // A field of its configuration of 1, 2 or 4 bytes, at a multiple of that,
    // below VIRTIO_CONFIG_SIZE.
    u32 (*config)(struct virtio_device *d, u32 at, u32 size);
    void (*set_config)(struct virtio_device *d, u32 at, u32 size, u32 value);
    u32 (*generation)(struct virtio_device *d); // of its configuration
};

// A device that was found.
struct virtio_device {
    const struct virtio_transport *transport;
    u32 kind;            // its id in virtio
    bool event_index;    // was agreed on
    bool indirect;       // the same
    struct device *user; // atomic: the object that hears of it; NULL: none
};

// Stop it: it does not touch memory any more.  False: it has not stopped in a
// second, and may do anything.
MUST_USE bool virtio_reset(struct virtio_device *d);

// Reset it and agree on what it has of `wanted`, bits of the device's kind, and
// of the ring; *agreed are all.  False when it refuses.
MUST_USE bool virtio_begin(struct virtio_device *d, u64 wanted, u64 *agreed);

// The size of queue `index`, a power of two, at most `size`, which is one; 0:
// there is no such queue.
u32 virtio_queue_size(struct virtio_device *d, u32 index, u32 size);

// Let it work.
void virtio_start(struct virtio_device *d);

// Stop it for good.
void virtio_fail(struct virtio_device *d);
