// sys/device_calls.c: the system calls on devices and their queues, and on
// registers.

#include "sys/internal.h"

status_t
sys_device_info(const struct device_info_args *a)
{
    put_u32(a->kind, device_kind(a->device));
    return OK;
}

status_t
sys_device_config(const struct device_config_args *a)
{
    return device_config(a->device, a->offset, a->bytes);
}

status_t
sys_device_configure(const struct device_configure_args *a)
{
    return device_configure(a->device, a->offset, a->bytes);
}

status_t
sys_device_features(const struct device_features_args *a)
{
    u64 agreed;
    status_t status = device_features(a->device, a->wanted, &agreed);

    if (status == OK)
        put_u64(a->agreed, agreed);
    return status;
}

status_t
sys_device_start(const struct device_start_args *a)
{
    return device_start(a->device);
}

status_t
sys_device_reset(const struct device_reset_args *a)
{
    return device_reset(a->device);
}

// --- queues ------------------------------------------------------------------

status_t
sys_queue_create(const struct queue_create_args *a)
{
    struct queue *q;
    status_t status =
        queue_new(&q, a->device, a->index, a->size, process_current()->account);

    if (status != OK)
        return status;
    u32 room = queue_room(q);
    object_hold(queue_object(q));
    status = give_handle(queue_object(q), a->queue);
    if (status == OK)
        put_u32(a->room, room);
    else
        queue_closed(queue_object(q)); // it never had a handle
    object_release(queue_object(q));
    return status;
}

// What the program names, copied once and checked.
static status_t
take_segment(const u8 *item, struct queue_part *out)
{
    struct call_window w;

    memcpy(&w, item, sizeof(w));
    if (w.kind == WINDOW_PASSED)
        return ERR_UNSUPPORTED;
    if (w.kind != WINDOW_OWN || w.from != 0 || w.size == 0 ||
        (w.access != WINDOW_READ && w.access != WINDOW_WRITE))
        return ERR_BAD_ARGUMENT;
    *out = (struct queue_part){user_bytes(w.offset, w.size),
                               w.access == WINDOW_WRITE};
    return out->bytes.ptr != NULL ? OK : ERR_BAD_ADDRESS;
}

// The next request, of the segments from *at on.
static status_t
submit_one(const struct queue_submit_args *a, u32 number, u64 *at)
{
    const u64 item = sizeof(struct call_window);
    struct queue_part parts[LIMIT_QUEUE_PIECES];
    struct queue_request r;
    status_t status = OK;

    memcpy(&r, a->requests.ptr + number * sizeof(r), sizeof(r));
    if (r.segments == 0 || r.zero != 0 ||
        r.segments > (a->segments.size - *at) / item)
        return ERR_BAD_ARGUMENT;
    if (r.segments > LIMIT_QUEUE_PIECES)
        return ERR_LIMIT;
    for (u32 i = 0; i < r.segments && status == OK; i++, *at += item)
        status = take_segment(a->segments.ptr + *at, &parts[i]);
    if (status != OK)
        return status;
    return queue_submit(a->queue, parts, r.segments, r.token,
                        &caller_memory()->pinned);
}

status_t
sys_queue_submit(const struct queue_submit_args *a)
{
    u64 count = a->requests.size / sizeof(struct queue_request), at = 0;
    u32 accepted = 0;
    status_t status = OK;

    if (count > LIMIT_QUEUE_BATCH)
        return ERR_LIMIT;
    while (accepted < count && status == OK) {
        status = submit_one(a, accepted, &at);
        accepted += status == OK;
    }
    queue_publish(a->queue);
    if (accepted == 0 && status != OK)
        return status;
    put_u32(a->accepted, accepted);
    return OK;
}

status_t
sys_queue_reap(const struct queue_reap_args *a)
{
    u32 count;
    status_t status = queue_reap(a->queue, a->done, a->deadline_ns, &count);

    if (status == OK)
        put_u32(a->count, count);
    return status;
}

// --- registers ---------------------------------------------------------------

status_t
sys_registers_range(const struct registers_range_args *a)
{
    struct port_range range;
    status_t status = registers_range(a->registers, a->range, &range);

    if (status != OK)
        return status;
    put_u32(a->kind, range.kind);
    put_u64(a->start, range.start);
    put_u32(a->size, range.size);
    return OK;
}

status_t
sys_registers_read(const struct registers_read_args *a)
{
    u32 value;
    status_t status =
        registers_read(a->registers, a->range, a->offset, a->width, &value);

    if (status == OK)
        put_u32(a->value, value);
    return status;
}

status_t
sys_registers_write(const struct registers_write_args *a)
{
    return registers_write(a->registers, a->range, a->offset, a->width,
                           a->value);
}

status_t
sys_registers_listen(const struct registers_listen_args *a)
{
    return registers_listen(a->registers);
}
