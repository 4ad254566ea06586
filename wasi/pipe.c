// wasi/pipe.c: descriptors of objects of the kernel: of streams, which are
// pipes, and of seats at the terminal.

#include "wasi/wasi.h"

struct pipe {
    struct node node;
    u32 references;        // atomic: of open files
    struct object *object; // with the references of a handle
    u64 number;            // counted, what programs know it by
};

static struct pipe *
pipe_of(struct node *n)
{
    return CONTAINER(n, struct pipe, node);
}

static void
pipe_hold(struct node *n)
{
    count_up(&pipe_of(n)->references);
}

static void
pipe_drop(struct node *n)
{
    struct pipe *p = pipe_of(n);

    if (!count_down(&p->references))
        return;
    object_release_handle(p->object);
    kernel_free(p);
}

static errno_t
pipe_stat(struct node *n, struct filestat *out)
{
    *out = (struct filestat){.device = 3, .links = 1, .type = n->type};
    out->inode = pipe_of(n)->number;
    return WASI_SUCCESS;
}

static errno_t
pipe_read(struct node *n, u64 at, struct bytes to, u64 deadline_ns, u64 *count)
{
    (void)at;
    *count = 0;
    status_t status = stream_read(stream_from_object(pipe_of(n)->object), to,
                                  deadline_ns, count);
    return status == ERR_PEER_CLOSED ? WASI_SUCCESS : stream_errno(status);
}

// All of it, as far as somebody may read it and, after the deadline, as far as
// there was room.
static errno_t
pipe_write(struct node *n, u64 at, struct bytes from, u64 deadline_ns,
           u64 *count)
{
    struct stream *s = stream_from_object(pipe_of(n)->object);
    status_t status = OK;
    u64 part;

    (void)at;
    *count = 0;
    while (status == OK && *count < from.size) {
        struct bytes rest = {from.ptr + *count, from.size - *count};
        status = stream_write(s, rest, deadline_ns, &part);
        *count += status == OK ? part : 0;
    }
    return *count > 0 ? WASI_SUCCESS : stream_errno(status);
}

static struct object *
pipe_object(struct node *n, struct node_signals *out)
{
    *out = (struct node_signals){
        .read = SIGNAL_READABLE | SIGNAL_PEER_DONE | SIGNAL_PEER_CLOSED,
        .write = SIGNAL_WRITABLE | SIGNAL_PEER_CLOSED,
        .end = SIGNAL_PEER_DONE | SIGNAL_PEER_CLOSED,
    };
    return pipe_of(n)->object;
}

static const struct node_ops pipe_ops = {
    .hold = pipe_hold,
    .drop = pipe_drop,
    .stat = pipe_stat,
    .read = pipe_read,
    .write = pipe_write,
    .object = pipe_object,
};

// --- the terminal ------------------------------------------------------------

static errno_t
seat_read(struct node *n, u64 at, struct bytes to, u64 deadline_ns, u64 *count)
{
    struct terminal *t = terminal_from_object(pipe_of(n)->object);

    (void)at;
    return stream_errno(terminal_read(t, to, deadline_ns, count));
}

static errno_t
seat_write(struct node *n, u64 at, struct bytes from, u64 deadline_ns,
           u64 *count)
{
    struct terminal *t = terminal_from_object(pipe_of(n)->object);

    (void)at;
    return stream_errno(terminal_write(t, from, deadline_ns, count));
}

static struct object *
seat_object(struct node *n, struct node_signals *out)
{
    *out = (struct node_signals){.read = SIGNAL_READABLE,
                                 .write = SIGNAL_WRITABLE};
    return pipe_of(n)->object;
}

static const struct node_ops seat_ops = {
    .hold = pipe_hold,
    .drop = pipe_drop,
    .stat = pipe_stat,
    .read = seat_read,
    .write = seat_write,
    .object = seat_object,
};

struct node *
pipe_node(struct object *object)
{
    static u64 numbers; // atomic
    struct pipe *p = kernel_alloc(sizeof(*p));
    bool seat = object->type == &terminal_type;

    if (p == NULL)
        return NULL;
    p->node.ops = seat ? &seat_ops : &pipe_ops;
    p->node.type = seat ? FILETYPE_CHARACTER_DEVICE : FILETYPE_UNKNOWN;
    p->references = 1;
    p->number = __atomic_add_fetch(&numbers, 1, __ATOMIC_RELAXED);
    p->object = object;
    object_hold_handle(object);
    return &p->node;
}
