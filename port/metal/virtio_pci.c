// port/metal/virtio_pci.c: virtio over PCI, version 1 (virtio 1.2, 4.1), with
// MSI-X for its interrupt, or a line where it has none.

#include "port/metal/pci.h"
#include "port/metal/virtio.h"

enum {
    CAPABILITY_VENDOR = 0x09,
    CAPABILITY_MSIX = 0x11,
    MSIX_ENABLE = 1 << 31, // of the word with the capability's id
    CAPABILITY_MAX = 48,   // a list that is longer is a loop

    VIRTIO_VENDOR = 0x1af4,
    VIRTIO_DEVICE = 0x1040, // and the kind
    STRUCTURE_COMMON = 1,
    STRUCTURE_NOTIFY = 2,
    STRUCTURE_STATUS = 3, // of its interrupt
    STRUCTURE_CONFIG = 4,

    // The common structure.
    FEATURES_SELECT = 0,
    FEATURES = 4,
    ACCEPT_SELECT = 8,
    ACCEPT = 12,
    CONFIG_VECTOR = 16,
    STATUS = 20,
    GENERATION = 21,
    QUEUE_SELECT = 22,
    QUEUE_SIZE = 24,
    QUEUE_VECTOR = 26,
    QUEUE_ENABLE = 28,
    QUEUE_NOTIFY = 30,
    QUEUE_DESC = 32, // 64 bits; so the next two
    QUEUE_AVAIL = 40,
    QUEUE_USED = 48,
    COMMON_SIZE = 56,
    NO_VECTOR = 0xffff,
};

// --- its structures ----------------------------------------------------------

// Some of the registers of a BAR; 0: they are not there.
static u64
map_part(u32 number, u32 bar, u64 offset, u64 size)
{
    struct range r = pci_registers(number, bar);

    if (offset > r.end - r.start || size > r.end - r.start - offset)
        return 0;
    return (u64)mmio_map(r.start + offset, size);
}

static u64
map_structure(u32 number, u32 at, u64 least)
{
    u32 bar = pci_read(number, at + 4) & 0xff;
    u64 offset = pci_read(number, at + 8), size = pci_read(number, at + 12);

    return size < least ? 0 : map_part(number, bar, offset, size);
}

// Vector 0 of the table: our interrupt on this CPU.
static bool
start_msix(u32 number, u32 at)
{
    u32 where = pci_read(number, at + 4);
    volatile u32 *entry =
        (volatile u32 *)map_part(number, where & 7, where & ~7u, 16);

    if (entry == NULL)
        return false;
    entry[0] = irq_message_address();
    entry[1] = 0;
    entry[2] = VECTOR_VIRTIO;
    entry[3] = 0; // not masked
    pci_write(number, at, pci_read(number, at) | (u32)MSIX_ENABLE);
    return true;
}

static void
use_structure(struct virtio_found *d, u32 number, u32 at, u32 type)
{
    if (type == STRUCTURE_COMMON && d->registers == 0)
        d->registers = map_structure(number, at, COMMON_SIZE);
    if (type == STRUCTURE_STATUS && d->status == 0)
        d->status = map_structure(number, at, 1);
    if (type == STRUCTURE_NOTIFY && d->notify_base == 0) {
        d->notify_base = map_structure(number, at, 2);
        d->notify_step = pci_read(number, at + 16);
        d->notify_size = pci_read(number, at + 12);
    }
    if (type == STRUCTURE_CONFIG && d->config == 0) {
        d->config = map_structure(number, at, 0);
        d->config_size = d->config == 0 ? 0 : pci_read(number, at + 12);
    }
}

// False where it has no MSI-X.
static bool
find_structures(struct virtio_found *d, u32 number)
{
    bool msix = false;
    u32 at = 0;

    for (u32 i = 0; i < CAPABILITY_MAX; i++) {
        at = pci_next_capability(number, at);
        if (at == 0)
            break;
        u32 head = pci_read(number, at);
        if ((head & 0xff) == CAPABILITY_MSIX)
            msix = start_msix(number, at);
        if ((head & 0xff) == CAPABILITY_VENDOR)
            use_structure(d, number, at, head >> 24);
    }
    return msix;
}

// --- the transport -----------------------------------------------------------

#define REGISTER(d, type, at) \
    (*(volatile type *)(virtio_found(d)->registers + (at)))

static u32
pci_features(struct virtio_device *d, u32 word)
{
    REGISTER(d, u32, FEATURES_SELECT) = word;
    return REGISTER(d, u32, FEATURES);
}

static void
pci_accept(struct virtio_device *d, u32 word, u32 features)
{
    REGISTER(d, u32, ACCEPT_SELECT) = word;
    REGISTER(d, u32, ACCEPT) = features;
}

static u8
pci_status(struct virtio_device *d)
{
    return REGISTER(d, u8, STATUS);
}

static void
pci_set_status(struct virtio_device *d, u8 status)
{
    REGISTER(d, u8, STATUS) = status;
}

static u32
pci_queue_max(struct virtio_device *d, u32 index)
{
    REGISTER(d, u16, QUEUE_SELECT) = (u16)index;
    struct virtio_found *found = virtio_found(d);
    u64 at = (u64)REGISTER(d, u16, QUEUE_NOTIFY) * found->notify_step;
    if (at + 2 > found->notify_size)
        return 0;
    found->notify[index] = found->notify_base + at;
    return REGISTER(d, u16, QUEUE_SIZE);
}

static void
set_address(struct virtio_device *d, u32 at, u64 address)
{
    REGISTER(d, u32, at) = (u32)address;
    REGISTER(d, u32, at + 4) = (u32)(address >> 32);
}

static void
pci_queue_start(struct virtio_device *d, u32 index, u64 ring,
                const struct virtqueue *q)
{
    REGISTER(d, u16, CONFIG_VECTOR) = NO_VECTOR;
    REGISTER(d, u16, QUEUE_SELECT) = (u16)index;
    REGISTER(d, u16, QUEUE_SIZE) = (u16)q->size;
    REGISTER(d, u16, QUEUE_VECTOR) = 0;
    set_address(d, QUEUE_DESC, ring + q->offsets[0]);
    set_address(d, QUEUE_AVAIL, ring + q->offsets[1]);
    set_address(d, QUEUE_USED, ring + q->offsets[2]);
    REGISTER(d, u16, QUEUE_ENABLE) = 1;
}

static void
pci_notify(struct virtio_device *d, u32 index)
{
    *(volatile u16 *)virtio_found(d)->notify[index] = (u16)index;
}

static u32
pci_config(struct virtio_device *d, u32 at, u32 size)
{
    return virtio_config(virtio_found(d), at, size);
}

static void
pci_set_config(struct virtio_device *d, u32 at, u32 size, u32 value)
{
    virtio_set_config(virtio_found(d), at, size, value);
}

static u32
pci_generation(struct virtio_device *d)
{
    return REGISTER(d, u8, GENERATION);
}

static const struct virtio_transport pci_transport = {
    .features = pci_features,
    .accept = pci_accept,
    .status = pci_status,
    .set_status = pci_set_status,
    .queue_max = pci_queue_max,
    .queue_start = pci_queue_start,
    .notify = pci_notify,
    .config = pci_config,
    .set_config = pci_set_config,
    .generation = pci_generation,
};

// By a line: taken where it says so, and falls.
bool
virtio_pci_acknowledge(struct virtio_found *d)
{
    return *(volatile u8 *)d->status != 0;
}

u32
virtio_pci_kind(u32 number)
{
    u32 id = pci_read(number, PCI_ID);

    if ((id & 0xffff) != VIRTIO_VENDOR || id >> 16 <= VIRTIO_DEVICE)
        return 0;
    return (id >> 16) - VIRTIO_DEVICE;
}

bool
virtio_pci_probe(struct virtio_found *d, u32 number)
{
    *d = (struct virtio_found){
        .device = {.transport = &pci_transport,
                   .kind = virtio_pci_kind(number)}
    };
    pci_enable(number, false);
    bool msix = find_structures(d, number);
    if (!msix) {
        d->line_count = pci_lines(number, d->lines);
        pci_enable(number, true);
    }
    return d->registers != 0 && d->notify_base != 0 &&
           (msix || (d->status != 0 && d->line_count > 0));
}
