// port/metal/virtio.c: where virtio devices are: those that the command line
// names, and those on the PCI bus; the one that the kernel keeps to itself
// (vconsole.c), and those that programs may have.

#include "port/metal/virtio.h"

#include "kernel/kernel.h"

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

// --- finding -----------------------------------------------------------------

bool
virtio_find(struct virtio_found *d, u32 kind, const struct boot_info *info)
{
    const char *at = info->cmdline;
    u64 address;
    u32 line;

    while (next_named(&at, &address, &line))
        if (virtio_mmio_probe(d, address, line) && d->device.kind == kind)
            return true;
    for (u32 slot = 0; slot < PCI_SLOTS; slot++)
        if (virtio_pci_kind(slot) == kind && virtio_pci_probe(d, slot))
            return true;
    return false;
}

enum { DEVICES_MAX = 16 };

static struct virtio_found devices[DEVICES_MAX];
static u32 device_count;

static bool
may_take(u32 kind)
{
    return device_count < DEVICES_MAX && device_kind_allowed(kind);
}

static void
take(const struct virtio_found *own)
{
    struct virtio_found *d = &devices[device_count];

    if (own == NULL || d->registers != own->registers)
        device_count++;
}

void
devices_find(const struct boot_info *info, const struct virtio_found *own)
{
    const char *at = info->cmdline;
    u64 address;
    u32 line;

    while (next_named(&at, &address, &line))
        if (device_count < DEVICES_MAX &&
            virtio_mmio_probe(&devices[device_count], address, line) &&
            may_take(devices[device_count].device.kind))
            take(own);
    for (u32 slot = 0; slot < PCI_SLOTS; slot++)
        if (may_take(virtio_pci_kind(slot)) &&
            virtio_pci_probe(&devices[device_count], slot))
            take(own);
    for (u32 i = 0; i < device_count; i++)
        virtio_listen(&devices[i]);
}

struct virtio_device *
port_device(u32 index)
{
    return index < device_count ? &devices[index].device : NULL;
}

// --- interrupts --------------------------------------------------------------

void
devices_interrupt(void)
{
    for (u32 i = 0; i < device_count; i++)
        if (virtio_acknowledge(&devices[i]))
            device_interrupt(&devices[i].device);
}

// A message of PCI is no level, and does not say whose it is.
bool
virtio_acknowledge(struct virtio_found *d)
{
    return d->line == 0 || virtio_mmio_acknowledge(d);
}

void
virtio_listen(struct virtio_found *d)
{
    if (d->line != 0)
        irq_enable_level(d->line, VECTOR_VIRTIO);
}

// --- queues of the kernel's own ----------------------------------------------

bool
virtio_queue(struct virtio_found *d, u32 index, u32 size, struct virtqueue *q)
{
    struct port_dma ring;

    size = virtio_queue_size(&d->device, index, size);
    if (size == 0 || !port_dma_new(&ring, virtqueue_bytes(size)))
        return false;
    virtqueue_init(q, ring.memory, size, d->device.event_index);
    d->device.transport->queue_start(&d->device, index, ring.address, q);
    return true;
}
