// port/metal/vconsole.c: one port of a virtio-console as two flows of bytes
// (vconsole.h).
//
// Buffers are frames of our own, made once: what is sent is copied, because a
// program may change or lose its memory while the device reads.  Receiving
// buffers go back to the device as soon as their bytes were taken.

#include "port/metal/vconsole.h"

#include "port/metal/virtio.h"

enum {
    FEATURE_PORTS = 1, // VIRTIO_CONSOLE_F_MULTIPORT

    // Queues; port n > 0 has 2 n + 2 to receive and 2 n + 3 to send.
    CONTROL_IN = 2,
    CONTROL_OUT = 3,

    HEAD_ROOM = 64, // of a message to send, before its bytes
    OUT_SLOTS = 8,
    IN_SLOTS = 16,
    IN_SIZE = PAGE_SIZE,
    CONTROL_SLOTS = 16,
    CONTROL_SIZE = 128, // a message may carry a name
};

enum control_event {
    DEVICE_READY = 0,
    PORT_ADD = 1,
    PORT_READY = 3,
    PORT_OPEN = 6,
};

struct control {
    u32 id;
    u16 event, value;
};

static struct virtio_found device;
static struct virtqueue in, out, control_in, control_out;
static u32 port;
static bool started, open, broken;
static u64 interrupts;

static u64 in_frame, control_frame, out_frames[OUT_SLOTS], head_frame;
static u32 out_free; // bit set of slots

// --- queues ------------------------------------------------------------------

static u32
queue_in(void)
{
    return 2 * port + 2;
}

static void
publish(struct virtqueue *q, u32 index)
{
    if (virtqueue_publish(q))
        device.device.transport->notify(&device.device, index);
}

static void
give(struct virtqueue *q, u64 address, u32 size, u64 slot)
{
    struct virtqueue_piece piece = {address, size, true};

    if (virtqueue_add(q, &piece, 1, slot) != OK)
        broken = true;
}

static void
give_control(u64 slot)
{
    give(&control_in, control_frame + slot * CONTROL_SIZE, CONTROL_SIZE, slot);
}

static void
give_in(u64 slot)
{
    give(&in, in_frame + slot * IN_SIZE, IN_SIZE, slot);
}

// --- control -----------------------------------------------------------------

// What we send are few messages, each in its own place behind those of the
// device: a token is a place.
static void
send_control(u32 id, enum control_event event)
{
    static u32 next;
    u64 place = control_frame +
                (CONTROL_SLOTS + next++ % CONTROL_SLOTS) * (u64)CONTROL_SIZE;
    struct virtqueue_piece piece = {place, sizeof(struct control), false};
    u64 token;
    u32 written;

    while (virtqueue_take(&control_out, &token, &written) == OK)
        continue;
    *(struct control *)direct(place) = (struct control){id, (u16)event, 1};
    if (virtqueue_add(&control_out, &piece, 1, 0) != OK)
        broken = true;
    publish(&control_out, CONTROL_OUT);
}

static void
take_control(const struct control *c)
{
    if (c->event == PORT_ADD) {
        send_control(c->id, PORT_READY);
        if (c->id == port)
            send_control(c->id, PORT_OPEN);
    }
    if (c->event == PORT_OPEN && c->id == port)
        open = c->value != 0;
}

static void
receive_control(void)
{
    struct control c;
    u64 slot;
    u32 size;

    while (virtqueue_take(&control_in, &slot, &size) == OK) {
        // Once: the device might write again.
        memcpy(&c, direct(control_frame + slot * CONTROL_SIZE), sizeof(c));
        give_control(slot);
        if (size >= sizeof(c))
            take_control(&c);
    }
    publish(&control_in, CONTROL_IN);
}

// --- start -------------------------------------------------------------------

static bool
make_frames(void)
{
    bool made = true;

    in_frame = frames_new(ORDER_64K);
    control_frame = frames_new(ORDER_PAGE);
    head_frame = frames_new(ORDER_PAGE);
    for (u32 i = 0; i < OUT_SLOTS; i++) {
        out_frames[i] = frames_new(ORDER_64K);
        made &= out_frames[i] != 0;
    }
    out_free = (1u << OUT_SLOTS) - 1;
    return made && in_frame != 0 && control_frame != 0 && head_frame != 0;
}

static bool
make_queues(void)
{
    return virtio_queue(&device, CONTROL_IN, CONTROL_SLOTS, &control_in) &&
           virtio_queue(&device, CONTROL_OUT, CONTROL_SLOTS, &control_out) &&
           virtio_queue(&device, queue_in(), IN_SLOTS, &in) &&
           virtio_queue(&device, queue_in() + 1, 2 * OUT_SLOTS, &out) &&
           control_in.size == CONTROL_SLOTS && in.size == IN_SLOTS;
}

static bool
begin(void)
{
    const u64 ports = 1ull << FEATURE_PORTS;
    u64 agreed;

    return virtio_begin(&device.device, ports, &agreed) && (agreed & ports);
}

bool
vconsole_start(u32 number, const struct boot_info *info)
{
    port = number;
    if (!virtio_find_console(&device, info) || !make_frames())
        return false;
    if (!begin() || !make_queues()) {
        virtio_fail(&device.device);
        return false;
    }
    bool on = port_interrupts_off();
    for (u32 i = 0; i < CONTROL_SLOTS; i++)
        give_control(i);
    for (u32 i = 0; i < IN_SLOTS; i++)
        give_in(i);
    started = true;
    virtqueue_disarm(&control_out);
    virtqueue_disarm(&out);
    virtio_listen(&device);
    virtio_start(&device.device);
    publish(&in, queue_in());
    publish(&control_in, CONTROL_IN);
    send_control(UINT32_MAX, DEVICE_READY);
    port_interrupts_restore(on);
    return true;
}

const struct virtio_found *
vconsole_device(void)
{
    return started ? &device : NULL;
}

bool
vconsole_is_open(void)
{
    return open && !broken;
}

bool
vconsole_is_broken(void)
{
    return broken || in.broken || out.broken || control_in.broken ||
           control_out.broken;
}

// --- bytes -------------------------------------------------------------------

static void
reclaim(void)
{
    u64 slot;
    u32 written;

    while (virtqueue_take(&out, &slot, &written) == OK)
        out_free |= 1u << slot;
}

status_t
vconsole_send(const void *head, u32 head_size, const void *bytes, u64 size)
{
    assert(head_size <= HEAD_ROOM && size <= VCONSOLE_PIECE);
    reclaim();
    if (out_free == 0 && virtqueue_arm(&out, 1))
        return ERR_SHOULD_WAIT;
    reclaim();
    if (vconsole_is_broken() || out_free == 0)
        return vconsole_is_broken() ? ERR_IO : ERR_SHOULD_WAIT;
    u32 slot = (u32)__builtin_ctz(out_free);
    struct virtqueue_piece pieces[2] = {
        {head_frame + slot * (u64)HEAD_ROOM, head_size, false},
        {out_frames[slot],                   (u32)size, false},
    };
    memcpy(direct(pieces[0].address), head, head_size);
    memcpy(direct(pieces[1].address), bytes, size);
    status_t status = virtqueue_add(&out, pieces, size > 0 ? 2 : 1, slot);
    if (status != OK)
        return ERR_IO;
    out_free &= ~(1u << slot);
    virtqueue_disarm(&out);
    publish(&out, queue_in() + 1);
    return OK;
}

// Bytes that are certain to come fill at least so many buffers; half of those
// that the device has must stay, or it would wait for us.
static u16
buffers_of(u64 certain)
{
    return (u16)MIN(MAX(certain / IN_SIZE, 1), IN_SLOTS / 2);
}

static void
receive(u64 (*take)(const u8 *bytes, u64 size))
{
    static u64 certain;
    u64 slot;
    u32 size;

    do {
        while (!broken && virtqueue_take(&in, &slot, &size) == OK) {
            certain = take(direct(in_frame + slot * IN_SIZE), size);
            broken |= certain == VCONSOLE_NONSENSE;
            give_in(slot);
        }
        publish(&in, queue_in());
    } while (!broken && !virtqueue_arm(&in, buffers_of(certain)));
}

void
vconsole_interrupt(u64 (*take)(const u8 *bytes, u64 size))
{
    if (!started)
        return;
    interrupts++;
    (void)!virtio_acknowledge(&device);
    do
        receive_control();
    while (!virtqueue_arm(&control_in, 1));
    receive(take);
    if (vconsole_is_broken() && started) {
        started = false;
        virtio_fail(&device.device);
    }
}

struct vconsole_counts
vconsole_counts(void)
{
    return (struct vconsole_counts){in.notifications + out.notifications +
                                        control_in.notifications +
                                        control_out.notifications,
                                    interrupts};
}
