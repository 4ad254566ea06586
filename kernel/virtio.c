// kernel/virtio.c: the first steps with a virtio device, and the last
// (virtio.h).

#include "kernel/virtio.h"

#include "kernel/kernel.h"

enum { RESET_NS = 1000000000 };

bool
virtio_reset(struct virtio_device *d)
{
    u64 end = port_monotonic_ns() + RESET_NS;

    d->transport->set_status(d, 0);
    while (d->transport->status(d) != 0) {
        if (port_monotonic_ns() > end)
            return false;
        __builtin_ia32_pause();
    }
    return true;
}

static u64
features_of(struct virtio_device *d)
{
    return d->transport->features(d, 0) | (u64)d->transport->features(d, 1)
                                              << 32;
}

bool
virtio_begin(struct virtio_device *d, u64 wanted, u64 *agreed)
{
    const u64 version = 1ull << VIRTIO_VERSION_1;
    u8 status = VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER;

    if (!virtio_reset(d))
        return false;
    d->transport->set_status(d, VIRTIO_ACKNOWLEDGE);
    d->transport->set_status(d, status);
    u64 offered = features_of(d);
    if ((offered & version) == 0 || (offered >> VIRTIO_PLATFORM & 1) != 0)
        return false;
    wanted |= version | 1ull << VIRTIO_EVENT_INDEX | 1ull << VIRTIO_INDIRECT;
    *agreed = offered & wanted;
    d->event_index = (*agreed >> VIRTIO_EVENT_INDEX & 1) != 0;
    d->indirect = (*agreed >> VIRTIO_INDIRECT & 1) != 0;
    d->transport->accept(d, 0, (u32)*agreed);
    d->transport->accept(d, 1, (u32)(*agreed >> 32));
    d->transport->set_status(d, status | VIRTIO_FEATURES_OK);
    return (d->transport->status(d) & VIRTIO_FEATURES_OK) != 0;
}

u32
virtio_queue_size(struct virtio_device *d, u32 index, u32 size)
{
    u32 max = index < VIRTIO_QUEUES ? d->transport->queue_max(d, index) : 0;

    while (size > max)
        size /= 2;
    return size;
}

void
virtio_start(struct virtio_device *d)
{
    u8 status = d->transport->status(d);

    d->transport->set_status(d, status | VIRTIO_DRIVER_OK);
}

void
virtio_fail(struct virtio_device *d)
{
    if (!virtio_reset(d))
        d->transport->set_status(d, VIRTIO_FAILED);
}
