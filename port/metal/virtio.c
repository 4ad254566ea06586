// port/metal/virtio.c: where virtio devices are: those that the command line
// names, or the firmware, and those on PCI; the one that the kernel keeps to
// itself (vconsole.c), and those that programs may have.

#include "port/metal/virtio.h"

#include "kernel/kernel.h"
#include "port/metal/pci.h"

static struct firmware firmware;

void
machine_find(const struct boot_info *info)
{
    firmware_read(&firmware, info->rsdp, cpus_read_physical);
    irq_find_lines(&firmware);
    pci_find(&firmware, &info->ram);
}

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

// Where we are among all that there may be.
struct walk {
    const char *words; // of the command line, what is left
    u32 listed, function;
};

// The next device of virtio, by MMIO first; one of a kind that is not wanted is
// left alone.  False: there are no more.
static bool
next_device(struct walk *w, struct virtio_found *d, bool (*wanted)(u32 kind))
{
    u64 address;
    u32 line;

    while (next_named(&w->words, &address, &line))
        if (virtio_mmio_probe(d, address, line) && wanted(d->device.kind))
            return true;
    while (w->listed < firmware.device_count) {
        u32 i = w->listed++;
        if (virtio_mmio_probe(d, firmware.devices[i].address,
                              firmware.devices[i].line) &&
            wanted(d->device.kind))
            return true;
    }
    while (w->function < pci_count()) {
        u32 number = w->function++;
        if (wanted(virtio_pci_kind(number)) && virtio_pci_probe(d, number))
            return true;
    }
    return false;
}

static bool
is_console(u32 kind)
{
    return kind == VIRTIO_CONSOLE;
}

bool
virtio_find_console(struct virtio_found *d, const struct boot_info *info)
{
    struct walk w = {.words = info->cmdline};

    return next_device(&w, d, is_console);
}

enum { DEVICES_MAX = 16 };

static struct virtio_found devices[DEVICES_MAX];
static u32 device_count;

void
devices_find(const struct boot_info *info, const struct virtio_found *own)
{
    struct walk w = {.words = info->cmdline};
    struct virtio_found found;

    while (device_count < DEVICES_MAX &&
           next_device(&w, &found, device_kind_allowed))
        if (own == NULL || found.registers != own->registers)
            devices[device_count++] = found;
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
    if (d->line_count == 0)
        return true;
    return d->status != 0 ? virtio_pci_acknowledge(d) :
                            virtio_mmio_acknowledge(d);
}

// The lines of PCI are active low (PCI Local Bus 3.0, 2.2.6).
void
virtio_listen(struct virtio_found *d)
{
    for (u32 i = 0; i < d->line_count; i++)
        irq_enable_level(d->lines[i], VECTOR_VIRTIO, d->status != 0);
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
