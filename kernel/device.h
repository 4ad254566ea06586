// kernel/device.h: what device.c and queue.c share: a device of virtio that
// programs drive, and its queues.
//
// What concerns the device as a whole (its registers but for notifications, its
// steps from reset to work, which queues it has) is done under `managing`,
// requests under `lock`.  A queue that is in device.queues is live: the device
// may use the ring, and the memory of requests.  It leaves when the device was
// told to stop, by anyone's device_reset() or device_features(), when the last
// handle of any of its queues goes, or when the device breaks the rules; and
// only after the device has stopped the memory is let go of.

#pragma once

#include "kernel/internal.h"
#include "kernel/virtio.h"

enum device_state { DEVICE_STOPPED, DEVICE_AGREED, DEVICE_STARTED };

struct device {
    struct object object;
    struct virtio_device *hardware;
    struct mutex managing;
    enum device_state state MEMBER_GUARDED_BY(managing);
    bool lost MEMBER_GUARDED_BY(managing); // it did not stop when it was to

    struct lock lock; // taken with interrupts off
    struct queue *queues[VIRTIO_QUEUES] MEMBER_GUARDED_BY(lock);
};

// A request under way, or to be told of, at the place that the ring's token
// says.
struct flight {
    u64 token;
    struct pinned *pin; // NULL: it needs no memory any more
    bool used;
    u16 next; // of those that are free
};

struct queue {
    struct object object;
    struct device *device; // a reference
    u32 index, size;
    struct account *payer; // of `ring` and `tables`, a reference
    u64 charged;
    struct port_dma ring, tables;

    // Under device->lock.
    struct virtqueue virtqueue;
    struct flight *flights; // `size` of them
    u16 free;               // the first; `size`: none
    bool live;
    u32 lost; // flights before this one were told of after the end
};

// queue.c: q is live no more; device->lock is held.
void queue_stop(struct queue *q);
// After the device has stopped: let go of memory.
void queue_let_go(struct queue *q);
// It has not: keep that for ever.
void queue_leak(struct queue *q);
// An interrupt of the device came; device->lock is held.
void queue_look(struct queue *q);

// device.c: stop d, and all its queues; for whoever closes or finds it broken.
// ERR_IO: it did not stop.  `managing` is held.
MUST_USE status_t device_stop(struct device *d);
