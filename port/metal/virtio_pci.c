// port/metal/virtio_pci.c: virtio over PCI, version 1 (virtio 1.2, 4.1), on bus
// 0 with addresses that the firmware has given out, and MSI-X for its
// interrupt.

#include "port/metal/virtio.h"

enum {
    CONFIG_ADDRESS = 0xcf8,
    CONFIG_DATA = 0xcfc,
    CONFIG_ENABLE = 1 << 31,

    PCI_ID = 0x00,
    PCI_COMMAND = 0x04, // and status
    PCI_BAR = 0x10,
    PCI_CAPABILITIES = 0x34,
    COMMAND_MEMORY = 1 << 1,
    COMMAND_MASTER = 1 << 2,
    COMMAND_NO_INTX = 1 << 10,
    STATUS_CAPABILITIES = 1 << 20,
    BAR_IO = 1,
    BAR_64 = 4,

    CAPABILITY_VENDOR = 0x09,
    CAPABILITY_MSIX = 0x11,
    MSIX_ENABLE = 1 << 31, // of the word with the capability's id
    CAPABILITY_MAX = 48,   // a list that is longer is a loop

    VIRTIO_VENDOR = 0x1af4,
    VIRTIO_DEVICE = 0x1040, // and the kind
    STRUCTURE_COMMON = 1,
    STRUCTURE_NOTIFY = 2,
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

// --- configuration space -----------------------------------------------------

static u32
config_read(u32 slot, u32 at)
{
    out32(CONFIG_ADDRESS, (u32)CONFIG_ENABLE | slot << 11 | (at & 0xfc));
    return in32(CONFIG_DATA) >> 8 * (at & 3);
}

static void
config_write(u32 slot, u32 at, u32 value)
{
    out32(CONFIG_ADDRESS, (u32)CONFIG_ENABLE | slot << 11 | at);
    out32(CONFIG_DATA, value);
}

// The physical address of a memory BAR, 0: none.
static u64
bar_address(u32 slot, u32 bar)
{
    u32 at = PCI_BAR + 4 * bar, low = config_read(slot, at);

    if (bar > 5 || low & BAR_IO)
        return 0;
    u64 high = low & BAR_64 && bar < 5 ? config_read(slot, at + 4) : 0;
    return high << 32 | (low & ~15u);
}

// The next capability, 0 at the end; the first after 0.
static u32
next_capability(u32 slot, u32 at)
{
    if (at == 0 && !(config_read(slot, PCI_COMMAND) & STATUS_CAPABILITIES))
        return 0;
    return config_read(slot, at == 0 ? PCI_CAPABILITIES : at + 1) & 0xfc;
}

// --- its structures ----------------------------------------------------------

static u64
map_structure(u32 slot, u32 at, u64 least)
{
    u64 bar = bar_address(slot, config_read(slot, at + 4) & 0xff);
    u64 offset = config_read(slot, at + 8), size = config_read(slot, at + 12);

    return bar == 0 || size < least ? 0 : (u64)virtio_map(bar + offset, size);
}

// Vector 0 of the table: our interrupt on this CPU.
static bool
start_msix(u32 slot, u32 at)
{
    u32 where = config_read(slot, at + 4);
    u64 bar = bar_address(slot, where & 7);
    volatile u32 *entry =
        bar == 0 ? NULL : (volatile u32 *)virtio_map(bar + (where & ~7u), 16);

    if (entry == NULL)
        return false;
    entry[0] = irq_message_address();
    entry[1] = 0;
    entry[2] = VECTOR_VIRTIO;
    entry[3] = 0; // not masked
    config_write(slot, at, config_read(slot, at) | (u32)MSIX_ENABLE);
    return true;
}

static bool
find_structures(struct virtio_found *d, u32 slot)
{
    bool msix = false;
    u32 at = 0;

    for (u32 i = 0; i < CAPABILITY_MAX; i++) {
        at = next_capability(slot, at);
        if (at == 0)
            break;
        u32 head = config_read(slot, at), type = head >> 24;
        if ((head & 0xff) == CAPABILITY_MSIX)
            msix = start_msix(slot, at);
        if ((head & 0xff) != CAPABILITY_VENDOR)
            continue;
        if (type == STRUCTURE_COMMON && d->registers == 0)
            d->registers = map_structure(slot, at, COMMON_SIZE);
        if (type == STRUCTURE_NOTIFY && d->notify_base == 0) {
            d->notify_base = map_structure(slot, at, 2);
            d->notify_step = config_read(slot, at + 16);
            d->notify_size = config_read(slot, at + 12);
        }
        if (type == STRUCTURE_CONFIG && d->config == 0) {
            d->config = map_structure(slot, at, 0);
            d->config_size = d->config == 0 ? 0 : config_read(slot, at + 12);
        }
    }
    return msix && d->registers != 0 && d->notify_base != 0;
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

// Where there is no PCI, all bits read as ones.
u32
virtio_pci_kind(u32 slot)
{
    u32 id = config_read(slot, PCI_ID);

    if ((id & 0xffff) != VIRTIO_VENDOR || id >> 16 <= VIRTIO_DEVICE)
        return 0;
    return (id >> 16) - VIRTIO_DEVICE;
}

bool
virtio_pci_probe(struct virtio_found *d, u32 slot)
{
    *d = (struct virtio_found){
        .device = {.transport = &pci_transport, .kind = virtio_pci_kind(slot)}
    };
    config_write(slot, PCI_COMMAND,
                 (config_read(slot, PCI_COMMAND) & 0xffff) | COMMAND_MEMORY |
                     COMMAND_MASTER | COMMAND_NO_INTX);
    return find_structures(d, slot);
}
