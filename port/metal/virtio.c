// port/metal/virtio.c: what both transports of virtio share: the order of the
// first steps (virtio 1.2, 3.1.1), rings, and devices named on the command
// line.

#include "port/metal/virtio.h"

enum { RESET_TRIES = 1000000 };

// --- the command line --------------------------------------------------------

static u64
number(const char **at)
{
    u32 base = 10;
    u64 value = 0;

    if ((*at)[0] == '0' && (*at)[1] == 'x') {
        base = 16;
        *at += 2;
    }
    for (;; *at += 1) {
        bool letter = **at >= 'a' && **at <= 'f';
        u32 digit = (u32)(letter ? **at - 'a' + 10 : **at - '0');
        if (digit >= base || (!letter && digit > 9))
            return value;
        value = value * base + digit;
    }
}

// The next word `virtio_mmio.device=SIZE@ADDRESS:LINE`, as Linux has it.
static bool
next_named(const char **at, u64 *address, u32 *line)
{
    static const char key[] = "virtio_mmio.device=";

    while (**at != '\0') {
        u32 i = 0;

        while (key[i] != '\0' && (*at)[i] == key[i])
            i++;
        if (key[i] != '\0') {
            *at += 1;
            continue;
        }
        *at += i;
        number(at); // the size
        *at += **at == 'K';
        *at += **at == '@';
        *address = number(at);
        *at += **at == ':';
        *line = (u32)number(at);
        return true;
    }
    return false;
}

bool
virtio_find(struct virtio_device *d, enum virtio_id id,
            const struct boot_info *info)
{
    const char *at = info->cmdline;
    u64 address;
    u32 line;

    while (next_named(&at, &address, &line))
        if (virtio_mmio_probe(d, id, address, line))
            return true;
    return virtio_pci_find(d, id);
}

// --- the first steps ---------------------------------------------------------

static bool
reset(struct virtio_device *d)
{
    d->transport->set_status(d, 0);
    for (u32 i = 0; i < RESET_TRIES; i++) {
        if (d->transport->status(d) == 0)
            return true;
        __asm__ volatile("pause");
    }
    return false;
}

bool
virtio_begin(struct virtio_device *d, u64 features)
{
    u8 status = VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER;

    if (!reset(d))
        return false;
    d->transport->set_status(d, VIRTIO_ACKNOWLEDGE);
    d->transport->set_status(d, status);
    u64 offered =
        d->transport->features(d, 0) | (u64)d->transport->features(d, 1) << 32;
    u64 wanted = features | 1ull << VIRTIO_VERSION_1;
    if ((offered & wanted) != wanted)
        return false;
    wanted |= offered & 1ull << VIRTIO_EVENT_INDEX;
    d->event_index = (wanted & 1ull << VIRTIO_EVENT_INDEX) != 0;
    d->transport->accept(d, 0, (u32)wanted);
    d->transport->accept(d, 1, (u32)(wanted >> 32));
    d->transport->set_status(d, status | VIRTIO_FEATURES_OK);
    return (d->transport->status(d) & VIRTIO_FEATURES_OK) != 0;
}

static u32
order_of(u64 bytes)
{
    u32 order = ORDER_PAGE;

    while ((u64)PAGE_SIZE << order < bytes)
        order++;
    return order;
}

bool
virtio_queue(struct virtio_device *d, u32 index, u32 size, struct virtqueue *q)
{
    u32 max = index < VIRTIO_QUEUES ? d->transport->queue_max(d, index) : 0;

    while (size > max)
        size /= 2;
    if (size == 0)
        return false;
    u32 order = order_of(virtqueue_bytes(size));
    u64 ring = frames_new(order);
    if (ring == 0)
        return false;
    memset(direct(ring), 0, (u64)PAGE_SIZE << order);
    virtqueue_init(q, direct(ring), size, d->event_index);
    d->transport->queue_start(d, index, ring, q);
    return true;
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
    if (!reset(d))
        d->transport->set_status(d, VIRTIO_FAILED);
}
