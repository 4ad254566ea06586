// sys/message_calls.c: the system calls on channels, streams and ports.

#include "sys/internal.h"

_Static_assert(sizeof(struct message_handle) == sizeof(handle_t), "the same");

// The handles of a message, copied once.
static status_t
take_handles(struct bytes items, handle_t *handles, u32 *count)
{
    if (items.size > LIMIT_MESSAGE_HANDLES * sizeof(handle_t))
        return ERR_LIMIT;
    if (items.size > 0)
        memcpy(handles, items.ptr, items.size);
    *count = (u32)(items.size / sizeof(handle_t));
    return OK;
}

static struct channel_side
side_of(const handle_t *handles, u32 count)
{
    struct process *p = process_current();

    return (struct channel_side){p->account, &p->handles, handles, count};
}

static struct channel_read
read_to(struct bytes room, handle_t *handles, struct bytes items)
{
    u64 count = MIN(items.size / sizeof(handle_t), LIMIT_MESSAGE_HANDLES);

    return (struct channel_read){
        .table = &process_current()->handles,
        .room = room,
        .handles = handles,
        .handle_room = (u32)count,
    };
}

// What came, or what would have come.
static void
put_read(const struct channel_read *r, status_t status, struct bytes items,
         u8 *size, u8 *count)
{
    if (status != OK && status != ERR_TOO_SMALL)
        return;
    if (status == OK && r->handle_count > 0)
        memcpy(items.ptr, r->handles, r->handle_count * sizeof(handle_t));
    put_u32(size, r->size);
    put_u32(count, r->handle_count);
}

// --- channels ----------------------------------------------------------------

status_t
sys_channel_create(const struct channel_create_args *a)
{
    struct channel *ends[2];
    status_t status = channel_new(ends, process_current()->account);

    if (status != OK)
        return status;
    return give_handles(channel_object(ends[0]), a->first,
                        channel_object(ends[1]), a->second);
}

status_t
sys_channel_write(const struct channel_write_args *a)
{
    handle_t handles[LIMIT_MESSAGE_HANDLES];
    u32 count;
    status_t status = take_handles(a->handles, handles, &count);

    if (status != OK)
        return status;
    struct channel_side side = side_of(handles, count);
    return message_write(a->channel, a->bytes, &side);
}

status_t
sys_channel_read(const struct channel_read_args *a)
{
    handle_t handles[LIMIT_MESSAGE_HANDLES];
    struct channel_read r = read_to(a->bytes, handles, a->handles);
    status_t status = message_read(a->channel, &r, a->deadline_ns);

    put_read(&r, status, a->handles, a->size, a->count);
    return status;
}

status_t
sys_channel_call(const struct channel_call_args *a)
{
    handle_t sent[LIMIT_MESSAGE_HANDLES], handles[LIMIT_MESSAGE_HANDLES];
    u32 count;
    struct channel_read r = read_to(a->reply, handles, a->reply_handles);
    status_t status = take_handles(a->request_handles, sent, &count);

    if (status != OK)
        return status;
    struct channel_side side = side_of(sent, count);
    status = message_call(a->channel, a->request, &side, &r, a->deadline_ns);
    put_read(&r, status, a->reply_handles, a->size, a->count);
    return status;
}

// --- streams -----------------------------------------------------------------

status_t
sys_stream_create(const struct stream_create_args *a)
{
    const u64 sizes[2] = {a->first_size, a->second_size};
    struct stream *ends[2];

    if (sizes[0] > LIMIT_STREAM_SIZE || sizes[1] > LIMIT_STREAM_SIZE ||
        sizes[0] + sizes[1] == 0)
        return ERR_BAD_ARGUMENT;
    status_t status = stream_new(ends, sizes, process_current()->account);
    if (status != OK)
        return status;
    return give_handles(stream_object(ends[0]), a->first,
                        stream_object(ends[1]), a->second);
}

status_t
sys_stream_read(const struct stream_read_args *a)
{
    u64 count = 0;
    status_t status = stream_read(a->stream, a->bytes, a->deadline_ns, &count);

    if (status == OK)
        put_u32(a->count, (u32)count);
    return status;
}

status_t
sys_stream_write(const struct stream_write_args *a)
{
    u64 count = 0;
    status_t status = stream_write(a->stream, a->bytes, a->deadline_ns, &count);

    if (status == OK)
        put_u32(a->count, (u32)count);
    return status;
}

status_t
sys_stream_finish(const struct stream_finish_args *a)
{
    stream_finish(a->stream);
    return OK;
}

// --- ports -------------------------------------------------------------------

status_t
sys_port_create(const struct port_create_args *a)
{
    struct port *port;
    status_t status = port_new(&port, process_current()->account);

    return status == OK ? give_handle(port_object(port), a->port) : status;
}

status_t
sys_port_watch(const struct port_watch_args *a)
{
    if (a->flags > WATCH_REPEAT)
        return ERR_BAD_ARGUMENT;
    return port_watch(a->port, a->object, a->key, a->signals,
                      a->flags == WATCH_REPEAT, process_current()->account);
}

status_t
sys_port_cancel(const struct port_cancel_args *a)
{
    return port_cancel(a->port, a->key);
}

status_t
sys_port_post(const struct port_post_args *a)
{
    return port_post(a->port, a->key, a->value, process_current()->account);
}

status_t
sys_port_wait(const struct port_wait_args *a)
{
    u32 count;
    status_t status = port_wait(a->port, a->packets, a->deadline_ns, &count);

    if (status == OK)
        put_u32(a->count, count);
    return status;
}
