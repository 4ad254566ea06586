// port/metal/virtio.h: virtio devices: finding one, agreeing on features, its
// queues and its interrupt (virtio 1.2, 3.1 and 4).  Over MMIO (virtio_mmio.c)
// and PCI (virtio_pci.c), both without the legacy interface.

#pragma once

#include "kernel/virtqueue.h"
#include "port/metal/metal.h"

enum virtio_id { VIRTIO_CONSOLE = 3 };

enum { // feature bits that are the ring's
    VIRTIO_EVENT_INDEX = 29,
    VIRTIO_VERSION_1 = 32,
};

enum virtio_status {
    VIRTIO_ACKNOWLEDGE = 1,
    VIRTIO_DRIVER = 2,
    VIRTIO_DRIVER_OK = 4,
    VIRTIO_FEATURES_OK = 8,
    VIRTIO_FAILED = 128,
};

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
    void (*notify)(struct virtio_device *d, u32 index);
    void (*acknowledge)(struct virtio_device *d); // its interrupt
};

enum { VIRTIO_QUEUES = 8 };

// A device, found and perhaps started.
struct virtio_device {
    const struct virtio_transport *transport;
    u64 registers; // kernel address: of MMIO, or of the common structure
    u32 line;      // MMIO: its interrupt line
    u64 notify[VIRTIO_QUEUES]; // PCI: where each queue is notified
    u64 notify_base;
    u32 notify_step, notify_size;
    bool event_index;
};

// The first device of this kind: of those that the command line names
// (virtio_mmio.device=SIZE@ADDRESS:LINE), else on the PCI bus.
MUST_USE bool virtio_find(struct virtio_device *d, enum virtio_id id,
                          const struct boot_info *info);

// Reset it and agree on `features` (bits of the device's kind), besides those
// of the ring.  False when it refuses, or lacks one of them.
MUST_USE bool virtio_begin(struct virtio_device *d, u64 features);

// Make queue `index`, of at most `size` descriptors (a power of two).
MUST_USE bool virtio_queue(struct virtio_device *d, u32 index, u32 size,
                           struct virtqueue *q);

// Let it work; its interrupts are VECTOR_VIRTIO.
void virtio_start(struct virtio_device *d);

// Stop it for good: it does not touch memory any more.
void virtio_fail(struct virtio_device *d);

// Of the transports.
bool virtio_mmio_probe(struct virtio_device *d, enum virtio_id id, u64 physical,
                       u32 line);
bool virtio_pci_find(struct virtio_device *d, enum virtio_id id);

// Registers of the width that they have.
static inline u8 *
virtio_map(u64 physical, u64 size)
{
    u64 start = physical & ~(u64)(PAGE_SIZE - 1);

    size = ALIGN_UP(physical + size, PAGE_SIZE) - start;
    if (physical + size > 1ull << 32 ||
        !space_map(MMIO_BASE + start, start, size,
                   PAGE_PRESENT | PAGE_WRITE | PAGE_UNCACHED | PAGE_GLOBAL |
                       PAGE_NO_EXEC))
        return NULL;
    return (u8 *)(MMIO_BASE + physical);
}
