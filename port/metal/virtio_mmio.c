// port/metal/virtio_mmio.c: virtio over MMIO, version 2 (virtio 1.2, 4.2).

#include "port/metal/virtio.h"

enum {
    MAGIC = 0x000,
    VERSION = 0x004,
    DEVICE_ID = 0x008,
    FEATURES = 0x010,
    FEATURES_SELECT = 0x014,
    ACCEPT = 0x020,
    ACCEPT_SELECT = 0x024,
    QUEUE_SELECT = 0x030,
    QUEUE_MAX = 0x034,
    QUEUE_SIZE = 0x038,
    QUEUE_READY = 0x044,
    QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060,
    INTERRUPT_ACK = 0x064,
    STATUS = 0x070,
    QUEUE_DESC = 0x080, // low half, then high half; so the next two
    QUEUE_AVAIL = 0x090,
    QUEUE_USED = 0x0a0,
    GENERATION = 0x0fc,
    CONFIG = 0x100,

    MAGIC_VALUE = 0x74726976, // "virt"
    VERSION_VALUE = 2,
};

static u32
get(struct virtio_device *d, u32 reg)
{
    return *(volatile u32 *)(virtio_found(d)->registers + reg);
}

static void
set(struct virtio_device *d, u32 reg, u32 value)
{
    *(volatile u32 *)(virtio_found(d)->registers + reg) = value;
}

static u32
mmio_features(struct virtio_device *d, u32 word)
{
    set(d, FEATURES_SELECT, word);
    return get(d, FEATURES);
}

static void
mmio_accept(struct virtio_device *d, u32 word, u32 features)
{
    set(d, ACCEPT_SELECT, word);
    set(d, ACCEPT, features);
}

static u8
mmio_status(struct virtio_device *d)
{
    return (u8)get(d, STATUS);
}

static void
mmio_set_status(struct virtio_device *d, u8 status)
{
    set(d, STATUS, status);
}

static u32
mmio_queue_max(struct virtio_device *d, u32 index)
{
    set(d, QUEUE_SELECT, index);
    return get(d, QUEUE_READY) ? 0 : get(d, QUEUE_MAX);
}

static void
mmio_queue_start(struct virtio_device *d, u32 index, u64 ring,
                 const struct virtqueue *q)
{
    static const u32 regs[3] = {QUEUE_DESC, QUEUE_AVAIL, QUEUE_USED};

    set(d, QUEUE_SELECT, index);
    set(d, QUEUE_SIZE, q->size);
    for (u32 i = 0; i < COUNT(regs); i++) {
        set(d, regs[i], (u32)(ring + q->offsets[i]));
        set(d, regs[i] + 4, (u32)((ring + q->offsets[i]) >> 32));
    }
    set(d, QUEUE_READY, 1);
}

static void
mmio_notify(struct virtio_device *d, u32 index)
{
    set(d, QUEUE_NOTIFY, index);
}

static u32
mmio_config(struct virtio_device *d, u32 at, u32 size)
{
    return virtio_config(virtio_found(d), at, size);
}

static void
mmio_set_config(struct virtio_device *d, u32 at, u32 size, u32 value)
{
    virtio_set_config(virtio_found(d), at, size, value);
}

static u32
mmio_generation(struct virtio_device *d)
{
    return get(d, GENERATION);
}

// The line falls with the last bit.
bool
virtio_mmio_acknowledge(struct virtio_found *d)
{
    u32 what = get(&d->device, INTERRUPT_STATUS);

    set(&d->device, INTERRUPT_ACK, what);
    return what != 0;
}

static const struct virtio_transport mmio_transport = {
    .features = mmio_features,
    .accept = mmio_accept,
    .status = mmio_status,
    .set_status = mmio_set_status,
    .queue_max = mmio_queue_max,
    .queue_start = mmio_queue_start,
    .notify = mmio_notify,
    .config = mmio_config,
    .set_config = mmio_set_config,
    .generation = mmio_generation,
};

// The id 0 is an empty place.
bool
virtio_mmio_probe(struct virtio_found *d, u64 physical, u32 line)
{
    u8 *registers = physical % 4 == 0 ?
                        mmio_map(physical, CONFIG + VIRTIO_CONFIG_SIZE) :
                        NULL;

    if (registers == NULL)
        return false;
    *d = (struct virtio_found){
        .device = {.transport = &mmio_transport},
        .registers = (u64)registers,
        .config = (u64)registers + CONFIG,
        .config_size = VIRTIO_CONFIG_SIZE,
        .lines = {line},
        .line_count = 1,
    };
    if (get(&d->device, MAGIC) != MAGIC_VALUE ||
        get(&d->device, VERSION) != VERSION_VALUE)
        return false;
    d->device.kind = get(&d->device, DEVICE_ID);
    return d->device.kind != 0;
}
