// port/metal/virtio.h: virtio devices: finding them, and their interrupts
// (virtio 1.2, 4).  Over MMIO (virtio_mmio.c) and PCI (virtio_pci.c), both
// without the legacy interface; what is done with a device is kernel/virtio.h.

#pragma once

#include "kernel/virtio.h"
#include "port/metal/firmware.h"
#include "port/metal/metal.h"

struct virtio_found {
    struct virtio_device device;
    u64 registers; // kernel address: of MMIO, or of the common structure
    u64 config;    // the same of its configuration
    u32 config_size;
    u32 lines[FIRMWARE_LINES]; // of interrupts, any of them; none: MSI-X
    u32 line_count;
    u64 status;                // PCI: of its interrupt
    u64 notify[VIRTIO_QUEUES]; // PCI: where each queue is notified
    u64 notify_base;
    u32 notify_step, notify_size;
};

enum { VIRTIO_CONSOLE = 3 };

// The first console: of those that the command line names
// (virtio_mmio.device=SIZE@ADDRESS:LINE) or the firmware, else on PCI.
MUST_USE bool virtio_find_console(struct virtio_found *d,
                                  const struct boot_info *info);

// Make queue `index`, of at most `size` descriptors (a power of two), in new
// memory.
MUST_USE bool virtio_queue(struct virtio_found *d, u32 index, u32 size,
                           struct virtqueue *q);

// Let the first CPU have its interrupts, VECTOR_VIRTIO.
void virtio_listen(struct virtio_found *d);

// Its interrupt was taken; true: it was one.
MUST_USE bool virtio_acknowledge(struct virtio_found *d);

// Of the transports: the device at this place; one without a device, or with
// none of version 1, is false.
MUST_USE bool virtio_mmio_probe(struct virtio_found *d, u64 physical, u32 line);
// 0: it is none of virtio.
u32 virtio_pci_kind(u32 number);
MUST_USE bool virtio_pci_probe(struct virtio_found *d, u32 number);

bool virtio_mmio_acknowledge(struct virtio_found *d);
bool virtio_pci_acknowledge(struct virtio_found *d);

static inline struct virtio_found *
virtio_found(struct virtio_device *d)
{
    return CONTAINER(d, struct virtio_found, device);
}

// A field of a configuration, with one access; all ones where there is none.
static inline u32
virtio_config(struct virtio_found *d, u32 at, u32 size)
{
    u64 address = d->config + at;

    if (at + size > d->config_size)
        return UINT32_MAX >> (32 - 8 * size);
    return mmio_read_width(address, size);
}

static inline void
virtio_set_config(struct virtio_found *d, u32 at, u32 size, u32 value)
{
    u64 address = d->config + at;

    if (at + size <= d->config_size)
        mmio_write_width(address, size, value);
}
