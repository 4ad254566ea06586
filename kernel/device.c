// kernel/device.c: devices that programs drive: which kinds there may be, their
// configuration, and their steps from reset to work (device.h).
//
// Only kinds are handed out whose requests have no addresses of memory in them:
// their features and what may be written to their configuration are the rows of
// `kinds`.  Whatever is not there is refused.

#include "kernel/device.h"

OBJECT_FUNCTIONS(device, object)

static const struct kind {
    u32 id;
    const char *name;
    u64 features; // of those that virtio leaves to the kind
    u32 at, size; // of what may be written of its configuration
} kinds[] = {
  // Bits 0 to 22 (virtio 1.2, 5.1.3).
    {DEVICE_NET,     "net",     0x7fffff, 0,  0},
 // Sizes, read-only, flush, topology, discard and zeroes, and whether it may
  // keep what is written: that byte may be written (virtio 1.2, 5.2.3).
    {DEVICE_BLOCK,   "disk",    0x6e76,   32, 1},
    {DEVICE_CONSOLE, "console", 0x7,      8,  4},
    {DEVICE_RANDOM,  "random",  0,        0,  0},
    {DEVICE_FILES,   "files",   0x1,      0,  0},
    {DEVICE_INPUT,   "input",   0,        0,  2},
    {DEVICE_SOCKETS, "sockets", 0x3,      0,  0},
};

static const struct kind *
find_kind(u32 id)
{
    for (u32 i = 0; i < COUNT(kinds); i++)
        if (kinds[i].id == id)
            return &kinds[i];
    return NULL;
}

bool
device_kind_allowed(u32 kind)
{
    return find_kind(kind) != NULL;
}

// The widest field that may be at `at` of so many bytes.
static u32
field_size(u32 at, u64 left)
{
    if (at % 4 == 0 && left >= 4)
        return 4;
    return at % 2 == 0 && left >= 2 ? 2 : 1;
}

static void
read_fields(struct virtio_device *hardware, u32 offset, u8 *to, u64 size)
{
    for (u32 at = 0, width; at < size; at += width) {
        width = field_size(offset + at, size - at);
        u32 value = hardware->transport->config(hardware, offset + at, width);
        memcpy(to + at, &value, width);
    }
}

// --- life --------------------------------------------------------------------

status_t
device_new(struct device **out, struct virtio_device *hardware)
{
    struct device *d;

    assert(device_kind_allowed(hardware->kind) && hardware->user == NULL);
    status_t status = object_new(&d, &device_type, sizeof(*d), account_root());
    if (status != OK)
        return status;
    d->hardware = hardware;
    mutex_init(&d->managing, LOCK_MANAGING);
    lock_init(&d->lock, LOCK_REQUESTS);
    __atomic_store_n(&hardware->user, d, __ATOMIC_RELEASE);
    *out = d;
    return OK;
}

// It has no queue: each has a reference.
void
device_free(struct object *o)
{
    struct device *d = device_from_object(o);

    __atomic_store_n(&d->hardware->user, NULL, __ATOMIC_RELEASE);
    kernel_free(d);
}

static struct device *
device_of(struct virtio_device *hardware)
{
    struct device *d = hardware->user;

    if (d == NULL && device_new(&d, hardware) != OK)
        return NULL;
    return d;
}

// "NAME=N" comes apart: *index is N, 0 where there is none; false: N is no
// number.
static bool
take_index(struct string *name, u32 *index)
{
    u32 at = 0;

    while (at < name->len && name->ptr[at] != '=')
        at++;
    *index = 0;
    for (u32 i = at + 1; i < name->len; i++) {
        u32 digit = (u32)name->ptr[i] - '0';
        if (digit > 9 || *index > 1000)
            return false;
        *index = 10 * *index + digit;
    }
    bool good = at == name->len || at + 1 < name->len;
    name->len = at;
    return good;
}

struct device *
device_find(struct string name)
{
    struct virtio_device *hardware;
    u32 before;

    if (!take_index(&name, &before))
        return NULL;
    for (u32 i = 0; (hardware = port_device(i)) != NULL; i++) {
        const struct kind *kind = find_kind(hardware->kind);
        bool found = kind != NULL && string_equal(string_of(kind->name), name);
        if (found && before == 0)
            return device_of(hardware);
        before -= found;
    }
    return NULL;
}

// The name that a device of files has in its configuration (virtio 1.2, 5.9.4).
static bool
is_tagged(struct virtio_device *hardware, struct string tag)
{
    u8 text[VIRTIO_CONFIG_SIZE - sizeof(u16)];
    u16 size;

    read_fields(hardware, 0, (u8 *)&size, sizeof(size));
    if (size != tag.len || size > sizeof(text))
        return false;
    read_fields(hardware, sizeof(size), text, size);
    return string_equal((struct string){(const char *)text, size}, tag);
}

struct device *
device_find_files(struct string tag)
{
    struct virtio_device *hardware;

    for (u32 i = 0; (hardware = port_device(i)) != NULL; i++)
        if (hardware->kind == DEVICE_FILES && is_tagged(hardware, tag))
            return device_of(hardware);
    return NULL;
}

// No other is handed out.
static const struct kind *
kind_of(const struct device *d)
{
    const struct kind *kind = find_kind(d->hardware->kind);

    assert(kind != NULL);
    return kind;
}

u32
device_kind(const struct device *d)
{
    return d->hardware->kind;
}

// --- configuration -----------------------------------------------------------

enum { GENERATION_TRIES = 16 }; // of a device that changes all the time

status_t
device_config(struct device *d, u32 offset, struct bytes to)
{
    struct virtio_device *hardware = d->hardware;
    u8 copy[VIRTIO_CONFIG_SIZE];

    if (offset > sizeof(copy) || to.size > sizeof(copy) - offset)
        return ERR_BAD_ARGUMENT;
    for (u32 i = 0; i < GENERATION_TRIES; i++) {
        u32 before = hardware->transport->generation(hardware);
        read_fields(hardware, offset, copy, to.size);
        if (hardware->transport->generation(hardware) == before)
            break;
    }
    if (to.size > 0)
        memcpy(to.ptr, copy, to.size);
    return OK;
}

status_t
device_configure(struct device *d, u32 offset, struct bytes from)
{
    struct virtio_device *hardware = d->hardware;
    const struct kind *kind = kind_of(d);
    u8 copy[VIRTIO_CONFIG_SIZE];

    if (offset < kind->at || from.size > kind->size ||
        offset - kind->at > kind->size - from.size)
        return ERR_BAD_ARGUMENT;
    if (from.size > 0)
        memcpy(copy, from.ptr, from.size);
    for (u32 at = 0, width; at < from.size; at += width) {
        u32 value = 0;
        width = field_size(offset + at, from.size - at);
        memcpy(&value, copy + at, width);
        hardware->transport->set_config(hardware, offset + at, width, value);
    }
    return OK;
}

// --- from reset to work ------------------------------------------------------

status_t LOCKS_BY_HAND
device_stop(struct device *d)
{
    struct queue *queues[VIRTIO_QUEUES];

    // Who closes one of them waits for `managing`: they stay.
    bool on = lock_irq(&d->lock);
    for (u32 i = 0; i < VIRTIO_QUEUES; i++) {
        queues[i] = d->queues[i];
        d->queues[i] = NULL;
        if (queues[i] != NULL)
            queue_stop(queues[i]);
    }
    unlock_irq(&d->lock, on);
    d->state = DEVICE_STOPPED;
    if (!d->lost && !virtio_reset(d->hardware)) {
        d->lost = true;
        klog("nebulet: a device of kind %u does not stop: what it may use of "
             "memory is lost",
             d->hardware->kind);
    }
    for (u32 i = 0; i < VIRTIO_QUEUES; i++) {
        if (queues[i] != NULL && d->lost)
            queue_leak(queues[i]);
        else if (queues[i] != NULL)
            queue_let_go(queues[i]);
    }
    return d->lost ? ERR_IO : OK;
}

status_t
device_reset(struct device *d)
{
    mutex_lock_always(&d->managing);
    status_t status = device_stop(d);
    mutex_unlock(&d->managing);
    return status;
}

status_t
device_features(struct device *d, u64 wanted, u64 *agreed)
{
    u64 allowed = kind_of(d)->features;

    mutex_lock_always(&d->managing);
    status_t status = device_stop(d);
    if (status == OK && !virtio_begin(d->hardware, wanted & allowed, agreed)) {
        virtio_fail(d->hardware);
        status = ERR_IO;
    }
    if (status == OK)
        d->state = DEVICE_AGREED;
    mutex_unlock(&d->managing);
    return status;
}

status_t
device_start(struct device *d)
{
    status_t status = OK;

    mutex_lock_always(&d->managing);
    if (d->state == DEVICE_STOPPED)
        status = ERR_NOT_FOUND;
    else if (d->state == DEVICE_STARTED)
        status = ERR_EXISTS;
    else
        virtio_start(d->hardware);
    if (status == OK)
        d->state = DEVICE_STARTED;
    mutex_unlock(&d->managing);
    return status;
}

// --- interrupts --------------------------------------------------------------

void
device_interrupt(struct virtio_device *hardware)
{
    struct device *d = __atomic_load_n(&hardware->user, __ATOMIC_ACQUIRE);

    if (d == NULL)
        return;
    bool on = lock_irq(&d->lock);
    for (u32 i = 0; i < VIRTIO_QUEUES; i++)
        if (d->queues[i] != NULL)
            queue_look(d->queues[i]);
    unlock_irq(&d->lock, on);
}
